//! `diff`: what differs, and an exit code that says whether anything does.

use std::path::PathBuf;

use serde_json::json;

use super::plan::Wish;
use crate::app::App;
use crate::cli::{Format, formats};
use crate::failure::{Exit, Failure};
use crate::{deploy, show};

/// Show what differs between manifests and the system, or between two revisions
///
/// Ends with 2 when anything differs, and with 0 when nothing does.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl diff -f office/ || echo differs
  pbxctl diff -f office/ --files        With the differences of the configuration files
  pbxctl diff --from 41 --to 42
  pbxctl diff --from 41                 What has changed since")]
pub struct Diff {
    /// Files, folders (with everything below), globs, or `-` for standard input; may be repeated
    #[arg(short = 'f', long = "file", value_name = "PATH", num_args = 1.., conflicts_with_all = ["from", "to"], value_hint = clap::ValueHint::AnyPath)]
    file: Vec<PathBuf>,
    /// The earlier revision
    #[arg(long, value_parser = crate::cli::revision, value_name = "REVISION")]
    from: Option<u64>,
    /// The later revision; the live one, where it is left out
    #[arg(long, value_parser = crate::cli::revision, value_name = "REVISION", requires = "from")]
    to: Option<u64>,
    #[command(flatten)]
    wish: Wish,
    /// Show the differences of the configuration files
    #[arg(long, conflicts_with = "from")]
    files: bool,
    /// The form of the result
    #[arg(short, long, value_parser = formats(&["table", "wide", "json", "name"]), default_value = "table", value_name = "FORM")]
    output: Format,
}

/// Runs it.
pub fn run(args: &Diff, app: &mut App) -> Result<Exit, Failure> {
    if args.from.is_none() && args.file.is_empty() {
        return Err(Failure::usage("compare what? neither manifests nor revisions were named").help(
            "manifests with what is live: `pbxctl diff -f office/`; revisions: `pbxctl diff --from 41 --to 42`",
        ));
    }
    let (changes, files) = if let Some(from) = args.from {
        let to = match args.to {
            Some(to) => to,
            None => app.ask(async |client| client.health().await)?.revision.ok_or_else(|| {
                Failure::failed("notFound", "there is no revision yet").help("`pbxctl apply` makes the first one")
            })?,
        };
        let compared = app.ask(async |client| client.changes(to, Some(from)).await)?;
        (compared.changes, Vec::new())
    } else {
        let plan = args.wish.plan(app, &args.file)?;
        deploy::warnings(app, &plan.diagnostics);
        (plan.changes, plan.files)
    };
    match args.output {
        Format::Json => app.ui.json(&json!({ "changes": changes, "files": files })),
        Format::Name => {
            for change in &changes {
                app.ui.line(&change.object.to_string());
            }
        }
        _ => {
            app.ui.page();
            let text = show::changes(&changes, args.output == Format::Wide, app.ui.look());
            app.ui.text(&text);
            if args.files || changes.is_empty() {
                for file in &files {
                    let text = show::file(file, app.ui.look());
                    app.ui.line(&text);
                }
            }
        }
    }
    Ok(if changes.is_empty() && files.is_empty() { Exit::Done } else { Exit::Differs })
}
