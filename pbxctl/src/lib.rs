//! The command line, as a library so that man pages and completions can be made from its own description.
//!
//! The lines that hold it together: standard output is the result and standard error the talk, and only [`ui`] writes to
//! either; every way to fail is a [`failure::Failure`], which knows its exit code and what to do next, and is printed in one
//! place; one file per verb in [`commands`], which reads no more than its arguments and what [`app::App`] gives it.

mod app;
mod audio;
mod cli;
mod clock;
mod commands;
mod complete;
mod deploy;
mod failure;
mod git;
mod input;
mod new_secrets;
mod nouns;
mod objects;
mod planfile;
mod random;
mod secrets;
mod show;
mod snippet;
mod system;
mod table;
mod ui;
mod workbook;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

use crate::app::App;
use crate::failure::{Exit, Failure};
use crate::ui::Ui;

/// The whole command line: what man pages and completions are made from.
pub fn command() -> clap::Command {
    cli::Cli::command()
}

/// The script that makes a shell complete `pbxctl`, with the names of live objects.
///
/// `None` for a shell that is not known.
pub fn completion(shell: &str) -> Option<String> {
    complete::script(shell)
}

/// Runs the command line that the process was started with.
pub fn main() -> ExitCode {
    clap_complete::CompleteEnv::with_factory(command).bin("pbxctl").completer("pbxctl").complete();
    let args: Vec<OsString> = std::env::args_os().collect();
    let json = cli::wants_json(&args);
    if args.len() < 2 {
        eprint_help();
        return ExitCode::from(Exit::Usage as u8);
    }
    let exit = match command().try_get_matches_from(&args).and_then(|matches| cli::Cli::from_arg_matches(&matches)) {
        Ok(cli) => {
            let mut app = App::new(cli.global);
            let result = commands::run(cli.command, &mut app);
            app.end(result, json)
        }
        Err(error) => usage(&error, json),
    };
    ExitCode::from(exit as u8)
}

/// Help where nothing was asked: it is talk then, and the command line was wrong.
fn eprint_help() {
    Ui::plain().talk(command().render_help().to_string().trim_end());
}

/// Help is a result; anything else that clap says is wrong usage.
fn usage(error: &clap::Error, json: bool) -> Exit {
    if !error.use_stderr() {
        let _ = error.print();
        return Exit::Done;
    }
    if !json {
        let _ = error.print();
        return Exit::Usage;
    }
    Failure::from(error).print(&mut Ui::plain(), &[], true)
}
