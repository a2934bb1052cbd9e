//! `rollback`: back to what a revision held, as a revision of its own.

use pbx_api::{ApplyRequest, PlanRequest};

use crate::app::App;
use crate::cli::{Consent, Format, formats};
use crate::deploy::{self, How};
use crate::failure::{Exit, Failure};
use crate::input;

/// Go back to what an earlier revision held
///
/// Shows the plan, asks, and applies it as a new revision: nothing is lost from the history.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl history
  pbxctl rollback 41
  pbxctl rollback 41 --yes -m 'back to before the move'")]
pub struct Rollback {
    /// The revision to go back to
    #[arg(value_name = "REVISION", value_parser = crate::cli::revision)]
    revision: u64,
    #[command(flatten)]
    consent: Consent,
    /// Allow so many deletions although they are a large part of their kind
    #[arg(long, value_name = "N")]
    allow_deletes: Option<u32>,
    /// Why, for the history
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// Show the differences of the configuration files
    #[arg(long)]
    diff: bool,
    /// The form of the result
    #[arg(short, long, value_parser = formats(&["table", "wide", "json"]), default_value = "table", value_name = "FORM")]
    output: Format,
}

/// Runs it.
pub fn run(args: Rollback, app: &mut App) -> Result<Exit, Failure> {
    deploy::must_be_able_to_ask(app, args.consent.yes)?;
    let request = PlanRequest {
        set: super::edit::BY_HAND.into(),
        rollback: Some(args.revision),
        allow_deletes: args.allow_deletes,
        source: input::origin(app),
        ..PlanRequest::default()
    };
    let plan = deploy::plan(app, &request, &[])?;
    let message = args.message.or_else(|| Some(format!("rollback to {}", args.revision)));
    let request = ApplyRequest { message, ..ApplyRequest::default() };
    deploy::carry_out(
        app,
        &plan,
        &How { yes: args.consent.yes, output: args.output, diff: args.diff, verb: "Carry out", request },
    )
}
