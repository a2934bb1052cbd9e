//! `cargo xtask fuzz`: hostile bytes for the readers and the writers, for as long as one has.

use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use fs_err as fs;

use crate::project::{self, say};

/// The targets, each with what libFuzzer is told of it alone, and the folders beside its own whose files are seeds.
const TARGETS: [(&str, &[&str], &[&str]); 6] = [
    ("manifests", &["-max_len=4096"], &["examples/small-office", "pbxctl/tests/bad"]),
    ("tables", &["-max_len=4096"], &[]),
    // Its bytes are choices: every length says something at once.
    ("office", &["-max_len=600", "-len_control=0"], &[]),
    ("conf", &["-max_len=4096"], &[]),
    ("recordings", &["-max_len=16384"], &["crates/audio/tests/data"]),
    ("ami", &["-max_len=4096"], &[]),
];

/// What libFuzzer needs to see which ways the code takes. No sanitizer: the code has no `unsafe`, and the stable compiler will do.
const COVERAGE: &str = "--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-simplifycfg-branch-fold-threshold=0";

/// Throw hostile bytes at the readers and the writers
#[derive(Debug, Args)]
pub(crate) struct Fuzz {
    /// Only these targets
    #[arg(value_name = "TARGET", value_parser = TARGETS.map(|(name, ..)| name))]
    only: Vec<String>,
    /// How long each is run
    #[arg(long, default_value_t = 60, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    minutes: u64,
}

impl Fuzz {
    pub(crate) fn run(&self) -> Result<()> {
        let home = project::root().join("target/fuzz");
        let triple = host()?;
        let mut build =
            project::cargo(&["build", "--release", "--manifest-path", "fuzz/Cargo.toml", "--target", &triple]);
        // With a triple named, build scripts and macros are built without the flags.
        project::run(build.arg("--target-dir").arg(&home).env("RUSTFLAGS", COVERAGE))?;
        for (name, words, beside) in TARGETS {
            if !self.only.is_empty() && !self.only.iter().any(|only| only == name) {
                continue;
            }
            say(&format!("── {name}, {} minutes", self.minutes));
            let corpus = home.join("corpus").join(name);
            let found = home.join("found").join(name);
            fs::create_dir_all(&corpus)?;
            fs::create_dir_all(&found)?;
            let mut target = std::process::Command::new(home.join(&triple).join("release").join(name));
            target.current_dir(project::root()).args(words).args([
                "-rss_limit_mb=2048",
                "-timeout=10",
                "-print_final_stats=1",
            ]);
            target.arg(format!("-max_total_time={}", Duration::from_mins(self.minutes).as_secs()));
            target.arg(format!("-artifact_prefix={}/", found.display()));
            let dictionary = format!("fuzz/words/{name}.dict");
            if project::root().join(&dictionary).exists() {
                target.arg(format!("-dict={dictionary}"));
            }
            target.arg(&corpus).arg(format!("fuzz/seeds/{name}")).args(beside);
            project::run(&mut target).with_context(|| format!("{name}: what it found is in {}", found.display()))?;
        }
        Ok(())
    }
}

/// Whether the targets would build: what they test goes on without them. Nothing is linked, so that no compiler of C++ is needed.
pub(crate) fn check() -> Result<()> {
    let mut check =
        project::cargo(&["check", "--manifest-path", "fuzz/Cargo.toml", "--target-dir", "target/fuzz/check"]);
    project::run(check.env("CUSTOM_LIBFUZZER_PATH", project::root().join("libFuzzer.a")))
}

/// The machine that this compiler builds for by itself.
fn host() -> Result<String> {
    let output =
        std::process::Command::new("rustc").args(["--version", "--verbose"]).output().context("cannot run rustc")?;
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = words.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    Ok(host.to_owned())
}
