//! `delete`: the only way in which objects go, besides `--prune`.

use std::path::PathBuf;

use clap_complete::engine::ArgValueCompleter;
use pbx_api::PlanRequest;
use pbx_manifest::ObjectRef;

use crate::app::App;
use crate::cli::{Manner, Rows};
use crate::deploy;
use crate::failure::{Exit, Failure};
use crate::{complete, input, nouns};

/// Delete objects
///
/// An object that others still refer to is not deleted; the message names them. `enabled: false` turns an object off and keeps it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl delete extension/1001
  pbxctl delete ext 1001 1002 --yes
  pbxctl delete -f old-office/          What these manifests name")]
pub struct Delete {
    /// Objects as `extension/1001`, or a kind and names
    #[arg(value_name = "OBJECT", required_unless_present = "file", add = ArgValueCompleter::new(complete::nouns))]
    what: Vec<String>,
    /// Delete what the manifests in these files, folders or globs name; `-` for standard input
    #[arg(short = 'f', long = "file", value_name = "PATH", num_args = 1.., conflicts_with = "what", value_hint = clap::ValueHint::AnyPath)]
    file: Vec<PathBuf>,
    #[command(flatten)]
    rows: Rows,
    #[command(flatten)]
    manner: Manner,
    /// Allow so many deletions although they are a large part of their kind
    ///
    /// Of a kind with at least 10 objects, a plan that deletes more than 30 % ends with 7, and names the flag that allows it.
    #[arg(long, value_name = "N")]
    allow_deletes: Option<u32>,
}

/// Runs it.
pub fn run(args: &Delete, app: &mut App) -> Result<Exit, Failure> {
    let mut documents = Vec::new();
    let deletes: Vec<ObjectRef> = if args.file.is_empty() {
        nouns::objects(&args.what)?
    } else {
        documents = input::documents(app, &args.file, args.rows)?;
        documents.iter().map(|document| document.object.clone()).collect()
    };
    for object in &deletes {
        super::get::one(app, object)?;
    }
    args.manner.must_be_able_to_ask(app)?;
    let request = PlanRequest {
        set: deploy::BY_HAND.into(),
        deletes,
        allow_deletes: args.allow_deletes,
        source: input::origin(app),
        ..PlanRequest::default()
    };
    let plan = deploy::plan(app, &request, &documents)?;
    deploy::carry_out(app, &plan, &args.manner.how("Carry out"))
}
