//! `show`: what a plan in a file does.

use std::path::PathBuf;

use crate::app::App;
use crate::cli::{Format, formats};
use crate::failure::{Exit, Failure};
use crate::{planfile, show};

/// Show a plan that is kept in a file
///
/// Needs no pbxd: the file says what the plan does. Whether it can still be carried out is found out by `apply`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl plan -f office/ --out night.plan
  pbxctl show night.plan --diff
  pbxctl apply night.plan")]
pub struct Show {
    /// The file
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
    /// Show the differences of the configuration files
    #[arg(long)]
    diff: bool,
    /// The form of the result
    #[arg(short, long, value_parser = formats(&["table", "wide", "json", "yaml", "name"]), default_value = "table", value_name = "FORM")]
    output: Format,
}

/// Runs it.
pub fn run(args: &Show, app: &mut App) -> Result<Exit, Failure> {
    let saved = planfile::read(&args.file)?;
    if matches!(args.output, Format::Table | Format::Wide) {
        let base = saved.plan.base.map_or_else(|| "the empty system".into(), |base| format!("revision {base}"));
        let commit = saved.source.commit.as_ref().map(|commit| format!(", commit {}", &commit[..commit.len().min(12)]));
        app.ui.talk(&format!(
            "Made {} by {} from {base}, set {}{}.\n",
            show::instant(saved.made_at),
            saved.made_by,
            saved.set,
            commit.unwrap_or_default()
        ));
    }
    super::plan::print(app, &saved.plan, args.output, args.diff)?;
    Ok(Exit::Done)
}
