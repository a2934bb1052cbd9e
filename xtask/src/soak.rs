//! `cargo xtask soak`: the same tests for longer, with more samples of everything that is drawn.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;

use crate::project;

/// Run the tests with many more samples, again and again
#[derive(Debug, Args)]
pub(crate) struct Soak {
    /// How many samples a property is tried with (`PBX_SAMPLES`, `PROPTEST_CASES`)
    #[arg(long, default_value_t = 20_000, value_name = "N")]
    samples: u32,
    /// Begin another round as long as fewer minutes have passed
    #[arg(long, default_value_t = 0, value_name = "N")]
    minutes: u64,
}

impl Soak {
    pub(crate) fn run(&self) -> Result<()> {
        let begin = Instant::now();
        let samples = self.samples.to_string();
        for round in 1_u32.. {
            project::say(&format!("── round {round}, {samples} samples"));
            let mut command = project::cargo(&["test", "--workspace", "--no-fail-fast"]);
            command.env("PBX_SAMPLES", &samples).env("PROPTEST_CASES", &samples);
            project::run(&mut command).with_context(|| format!("round {round} failed"))?;
            if begin.elapsed() >= Duration::from_mins(self.minutes) {
                break;
            }
        }
        Ok(())
    }
}
