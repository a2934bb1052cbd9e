//! `completion`: a script for the shell.

use clap::ValueEnum;

use crate::app::App;
use crate::failure::{Exit, Failure};

/// Print the script that completes commands, kinds and live names in a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl completion bash > /etc/bash_completion.d/pbxctl
  pbxctl completion zsh > ~/.zfunc/_pbxctl
  pbxctl completion fish > ~/.config/fish/completions/pbxctl.fish")]
pub struct Completion {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// A shell that can be completed.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Runs it.
pub fn run(args: &Completion, app: &mut App) -> Result<Exit, Failure> {
    let shell = match args.shell {
        Shell::Bash => "bash",
        Shell::Zsh => "zsh",
        Shell::Fish => "fish",
    };
    match crate::complete::script(shell) {
        Some(script) => {
            app.ui.text(&script);
            Ok(Exit::Done)
        }
        None => Err(Failure::failed("internal", format!("there is no script for {shell}"))),
    }
}
