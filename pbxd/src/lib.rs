//! The daemon: wires store, Asterisk and API together.
//!
//! [`config`] says what it is told, [`live`] what the system is, `plan` what would change, `apply` how it is changed, `database` what
//! Asterisk's own database holds, `schedules` who turned one over, `http` who may ask for what, `lifecycle` how it starts and ends, `check` what `--check-config` looks at.

mod apply;
mod audio;
mod check;
pub mod config;
mod confirm;
mod database;
mod drift;
mod http;
mod identity;
mod lifecycle;
mod live;
mod logins;
mod plan;
mod recovery;
mod schedules;
mod secrets;
mod surroundings;
mod system;

use std::process::ExitCode;

use clap::CommandFactory;

pub use config::Args;

/// The command line, for man pages and completions.
pub fn command() -> clap::Command {
    Args::command()
}

/// How wrong usage ends, as pbxctl's does: what clap would take means that differences exist.
const USAGE: u8 = 64;

/// Runs the command line that the process was started with.
pub fn main() -> ExitCode {
    match Args::read(std::env::args_os()) {
        Ok(args) => run(args),
        Err(error) => {
            // Nobody is left to be told that standard error is gone.
            let _ = error.print();
            if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
        }
    }
}

/// Runs the daemon until it is told to stop.
pub fn run(args: Args) -> ExitCode {
    let check = args.check_config;
    let config = match config::Config::load(&args) {
        Ok(config) => config,
        Err(error) => return complain(&error.to_string()),
    };
    if check {
        let found = check::look(&config, &identity::Accounts::read());
        for warning in &found.warnings {
            complain(&format!("warning: {warning}"));
        }
        if !found.errors.is_empty() {
            return complain(&found.errors.join("\npbxd: "));
        }
        return say(&format!(
            "{} is fine{}: store {}, Asterisk in {}",
            args.config.display(),
            if found.warnings.is_empty() { "" } else { " but for the warnings" },
            config.store_shown(),
            config.asterisk.config_dir.display()
        ));
    }
    // A core file would hold every secret.
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable) {
        return complain(&format!("core files cannot be turned off: {error}"));
    }
    lifecycle::log(&config.log);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&format!("the runtime cannot be started: {error}")),
    };
    if args.rotate_key {
        return match runtime.block_on(lifecycle::rotate_key(&config)) {
            Ok(rotated) => say(&format!(
                "Key {} is in force, and {} secrets are encrypted with it. Back up {}.\nThe old key is {}: backups of the store from before \
                 need it; remove it when there are none.",
                rotated.id,
                rotated.secrets,
                config.key_file.display(),
                rotated.old.display()
            )),
            Err(error) => complain(&format!("{error:#}")),
        };
    }
    match runtime.block_on(lifecycle::serve(args, config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&format!("{error:#}")),
    }
}

#[expect(clippy::print_stderr, reason = "before and after the log, a failure is told to whoever started pbxd")]
fn complain(message: &str) -> ExitCode {
    eprintln!("pbxd: {message}");
    ExitCode::FAILURE
}

#[expect(clippy::print_stdout, reason = "the answer to --check-config")]
fn say(message: &str) -> ExitCode {
    println!("{message}");
    ExitCode::SUCCESS
}
