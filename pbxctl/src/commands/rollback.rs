//! `rollback`: back to what a revision held, as a revision of its own.

use pbx_api::PlanRequest;

use crate::app::App;
use crate::cli::Manner;
use crate::deploy::{self, How};
use crate::failure::{Exit, Failure};

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
    manner: Manner,
    /// Allow so many deletions although they are a large part of their kind
    #[arg(long, value_name = "N")]
    allow_deletes: Option<u32>,
    /// Show the differences of the configuration files
    #[arg(long)]
    diff: bool,
}

/// Runs it.
pub fn run(args: &Rollback, app: &mut App) -> Result<Exit, Failure> {
    let request =
        PlanRequest { rollback: Some(args.revision), allow_deletes: args.allow_deletes, ..PlanRequest::default() };
    let plan = deploy::plan_by_hand(app, request, &[])?;
    args.manner.must_be_able_to_ask(app)?;
    let mut how = args.manner.how("Carry out");
    how.request.message.get_or_insert_with(|| format!("rollback to {}", args.revision));
    deploy::carry_out(app, &plan, &How { diff: args.diff, ..how })
}
