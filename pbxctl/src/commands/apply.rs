//! `apply`: makes the system what manifests say.

use pbx_api::ApplyRequest;

use super::plan::Wish;
use crate::app::App;
use crate::cli::{Consent, Files, Format, formats};
use crate::deploy::{self, How};
use crate::failure::{Exit, Failure};

/// Make the system what manifests say
///
/// Shows the plan, asks, writes the configuration, has Asterisk reload what changed, and reads back that Asterisk has it. What
/// Asterisk does not take is rolled back, and ends with 4. Objects that no manifest names stay, unless `--prune` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl apply -f office/ -m 'Ana moves to sales'
  pbxctl apply -f office/ --prune
  pbxctl apply -f office/ --yes -o json     In a pipeline")]
pub struct Apply {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    wish: Wish,
    #[command(flatten)]
    consent: Consent,
    /// Why, for the history
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// Write the files without asking Asterisk: for building images
    #[arg(long)]
    no_reload: bool,
    /// Show the differences of the configuration files
    #[arg(long)]
    diff: bool,
    /// The form of the result
    #[arg(short, long, value_parser = formats(&["table", "wide", "json"]), default_value = "table", value_name = "FORM")]
    output: Format,
}

/// Runs it.
pub fn run(args: Apply, app: &mut App) -> Result<Exit, Failure> {
    deploy::must_be_able_to_ask(app, args.consent.yes)?;
    let plan = args.wish.plan(app, &args.files.file)?;
    let request = ApplyRequest { message: args.message, no_reload: args.no_reload };
    deploy::carry_out(
        app,
        &plan,
        &How { yes: args.consent.yes, output: args.output, diff: args.diff, verb: "Apply", request },
    )
}
