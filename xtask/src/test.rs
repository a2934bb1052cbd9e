//! `cargo xtask test`: all that must hold before a change goes in.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::{fuzz, generate, project};

/// What the tests run besides our own programs.
const PACKAGES: [&str; 6] = ["sip-tester", "postgresql", "python3-aiosmtpd", "msmtp", "util-linux", "strace"];

/// How a step ended.
enum Done {
    Well,
    LeftOut(&'static str),
}

/// A step: what it is called, and what it does.
type Step = (&'static str, fn() -> Result<Done>);

/// In the order of how soon they find something. What the lab needs comes first: whoever lacks it shall not hear so after
/// minutes of building.
const STEPS: [Step; 9] = [
    ("what the lab needs", || pbx_lab::prepare(&PACKAGES).map(|()| Done::Well)),
    ("format", || cargo(&["fmt", "--all", "--check"])),
    ("lints", || cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])),
    ("fuzz targets", || fuzz::check().map(|()| Done::Well)),
    ("dependencies", dependencies),
    ("generated files", || generate::check().map(|()| Done::Well)),
    // The very graph that the tests run: the same features, so that nothing is built twice. The programs of packages with
    // integration tests are part of it, which is where the end to end tests find them.
    ("build", || cargo(&["test", "--workspace", "--no-run"])),
    ("tests", || tests(&["test", "--workspace"], "sqlite")),
    // The same programs again.
    ("end to end, PostgreSQL", || tests(&["test", "--workspace", "--test", "e2e"], "postgres")),
];

/// Runs the steps, and says at the end how long each took. The first that fails is the last.
pub(crate) fn run() -> Result<()> {
    let mut taken: Vec<(&str, String)> = Vec::new();
    let all = Instant::now();
    for (name, step) in STEPS {
        project::say(&format!("── {name}"));
        let begin = Instant::now();
        let done = step();
        let mut words = seconds(begin.elapsed());
        match &done {
            Ok(Done::Well) => {}
            Ok(Done::LeftOut(why)) => {
                project::say(why);
                words = format!("left out: {why}");
            }
            Err(_) => words.push_str("  failed"),
        }
        taken.push((name, words));
        if let Err(error) = done {
            tell(&taken, all);
            return Err(error).with_context(|| format!("step \"{name}\" failed"));
        }
    }
    tell(&taken, all);
    Ok(())
}

fn tell(taken: &[(&str, String)], all: Instant) {
    project::say("");
    for (name, words) in taken {
        project::say(&format!("{name:24} {words}"));
    }
    project::say(&format!("{:24} {}", "all", seconds(all.elapsed())));
}

fn seconds(time: Duration) -> String {
    format!("{:6.1} s", time.as_secs_f64())
}

fn cargo(args: &[&str]) -> Result<Done> {
    project::run(&mut project::cargo(args)).map(|()| Done::Well)
}

fn dependencies() -> Result<Done> {
    if !project::installed("cargo-deny") {
        return Ok(Done::LeftOut("cargo-deny is not installed; `cargo install cargo-deny` does it"));
    }
    cargo(&["deny", "check"])
}

/// Unit, property and integration tests, those on a real Asterisk among them, where `PBX_STORE` is this one.
fn tests(args: &[&str], store: &str) -> Result<Done> {
    let mut command = project::cargo(args);
    command.env("PBX_STORE", store);
    if std::env::var_os("RUST_TEST_THREADS").is_none() {
        // Tests on a real Asterisk wait more than they compute, but each has processes of its own.
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        command.env("RUST_TEST_THREADS", (cores + 1).min(8).to_string());
    }
    project::run(&mut command).map(|()| Done::Well)
}
