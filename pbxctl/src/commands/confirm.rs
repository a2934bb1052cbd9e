//! `confirm`: a revision that waits for it stays.

use pbx_api::ConfirmRequest;

use crate::app::App;
use crate::cli::{Format, formats};
use crate::deploy;
use crate::failure::{Exit, Failure};

/// Keep the revision that waits for its confirmation
///
/// What `pbxctl apply --confirm-within 5m` has applied is taken back by itself unless this comes in time.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl apply -f office/ --confirm-within 5m
  pbxctl confirm
  pbxctl confirm 43
  pbxctl confirm --back                 Go back now, without waiting")]
pub struct Confirm {
    /// The revision that is meant; whichever waits, where it is left out
    #[arg(value_name = "REVISION", value_parser = crate::cli::revision)]
    revision: Option<u64>,
    /// Go back from it at once
    #[arg(long)]
    back: bool,
    /// The form of the result
    #[arg(short, long, value_parser = formats(&["table", "json"]), default_value = "table", value_name = "FORM")]
    output: Format,
}

/// Runs it.
pub fn run(args: &Confirm, app: &mut App) -> Result<Exit, Failure> {
    let request = ConfirmRequest { revision: args.revision, back: args.back };
    let confirmed = app.ask(async |client| client.confirm(&request).await)?;
    let good = confirmed.back.as_ref().is_none_or(deploy::succeeded);
    if args.output == Format::Json && good {
        app.ui.json(&confirmed);
        return Ok(Exit::Done);
    }
    match &confirmed.back {
        None => app.ui.line(&format!("Revision {} stays.", confirmed.revision)),
        Some(outcome) => return deploy::ended(app, outcome),
    }
    Ok(Exit::Done)
}
