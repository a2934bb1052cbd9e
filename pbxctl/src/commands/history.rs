//! `history`: what was applied, by whom, and how it ended.

use std::fmt::Write as _;

use pbx_api::RevisionView;
use serde_json::json;

use crate::app::App;
use crate::cli::{Format, formats};
use crate::failure::{Exit, Failure};
use crate::show;
use crate::table::Table;
use crate::ui::{Look, Style};

/// List the revisions, or show what one changed
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl history
  pbxctl history 42                     What revision 42 changed
  pbxctl history --limit 500 -o json")]
#[command(args_conflicts_with_subcommands = true)]
pub struct History {
    #[command(subcommand)]
    show: Option<Verb>,
    /// A revision to show
    #[arg(value_name = "REVISION", value_parser = crate::cli::revision)]
    revision: Option<u64>,
    /// At most so many, the newest first
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Only those before this revision
    #[arg(long, value_parser = crate::cli::revision, value_name = "REVISION", conflicts_with = "revision")]
    before: Option<u64>,
    /// The form of the result
    #[arg(short, long, value_parser = formats(&["table", "wide", "json", "name"]), default_value = "table", value_name = "FORM")]
    output: Format,
}

/// The long way to name a revision.
#[derive(Debug, Clone, clap::Subcommand)]
enum Verb {
    /// Show what a revision changed
    Show {
        /// The revision
        #[arg(value_name = "REVISION", value_parser = crate::cli::revision)]
        revision: u64,
        /// The form of the result
        #[arg(short, long, value_parser = formats(&["table", "wide", "json", "name"]), default_value = "table", value_name = "FORM")]
        output: Format,
    },
}

/// Runs it.
pub fn run(args: &History, app: &mut App) -> Result<Exit, Failure> {
    let (one, output) = match args.show {
        Some(Verb::Show { revision, output }) => (Some(revision), output),
        None => (args.revision, args.output),
    };
    let wide = output == Format::Wide;
    if let Some(id) = one {
        let revision = app.ask(async |client| client.revision(id).await)?;
        let changes = app.ask(async |client| client.changes(id, None).await)?;
        match output {
            Format::Json => app.ui.json(&json!({ "revision": revision, "changes": changes.changes })),
            Format::Name => {
                for change in &changes.changes {
                    app.ui.line(&change.object.to_string());
                }
            }
            _ => {
                app.ui.page();
                let look = app.ui.look();
                app.ui.text(&described(&revision, look));
                app.ui.line("");
                app.ui.text(&show::changes(&changes.changes, wide, look));
            }
        }
        return Ok(Exit::Done);
    }
    let list = app.ask(async |client| client.revisions(args.limit, args.before).await)?;
    match args.output {
        Format::Json => app.ui.json(&list),
        Format::Name => {
            for revision in &list.revisions {
                app.ui.line(&revision.id.to_string());
            }
        }
        _ if list.revisions.is_empty() => match args.before {
            Some(before) => app.ui.talk(&format!("There is no revision before {before}.")),
            None => app.ui.talk("There is no revision yet; `pbxctl apply` makes the first one."),
        },
        _ => {
            app.ui.page();
            let mut headings = vec!["REVISION", "WHEN", "WHO", "CHANGES", "STATE", "MESSAGE"];
            if wide {
                headings.extend(["SET", "COMMIT"]);
            }
            let mut table = Table::new(&headings).never_cut("WHEN").gives_way("MESSAGE");
            for revision in &list.revisions {
                table.row(row(revision, wide));
            }
            let look = if wide { app.ui.look().wide() } else { app.ui.look() };
            let text = table.text(look);
            app.ui.text(&text);
        }
    }
    Ok(Exit::Done)
}

fn row(revision: &RevisionView, wide: bool) -> Vec<String> {
    let mut row = vec![
        revision.id.to_string(),
        show::instant(revision.at),
        revision.actor.clone(),
        format!("+{} ~{} -{}", revision.created, revision.updated, revision.deleted),
        state(revision),
        revision.message.clone().unwrap_or_default().replace('\n', " "),
    ];
    if wide {
        row.extend([revision.set.clone(), commit(revision).unwrap_or_default()]);
    }
    row
}

/// How it ended, in words.
fn state(revision: &RevisionView) -> String {
    match revision.state.as_str() {
        "committed" if revision.live => {
            let live = if revision.written && revision.proven == Some(false) { "written" } else { "live" };
            match (revision.confirm_by, revision.proven) {
                (Some(until), _) => format!("{live}, until {} unless confirmed", show::after(revision.at, until)),
                (None, Some(false)) => format!("{live}, not proven"),
                (None, _) => live.into(),
            }
        }
        "committed" if revision.taken_back() => "taken back".into(),
        "committed" if revision.written => "written".into(),
        "committed" => "applied".into(),
        "rolledBack" => "rolled back".into(),
        other => other.into(),
    }
}

fn commit(revision: &RevisionView) -> Option<String> {
    let commit: String = revision.source.commit.as_ref()?.chars().take(12).collect();
    Some(if revision.source.dirty == Some(true) { format!("{commit}, with changes") } else { commit })
}

fn described(revision: &RevisionView, look: Look) -> String {
    let mut text = format!("{}\n", look.paint(Style::Heading, &format!("revision {}", revision.id)));
    let lines = [
        ("when", Some(show::instant(revision.at))),
        ("who", Some(revision.actor.clone())),
        ("why", revision.message.clone()),
        ("set", Some(revision.set.clone())),
        ("made from", revision.base.map(|base| format!("revision {base}"))),
        ("files", (!revision.source.files.is_empty()).then(|| revision.source.files.join(", "))),
        ("commit", commit(revision)),
        ("person", revision.source.person.clone()),
        ("command", revision.source.command.clone()),
        ("state", Some(state(revision))),
        ("asterisk", revision.written.then(|| "was not asked when it was written (--no-reload)".into())),
        ("said", revision.detail.clone()),
    ];
    for (name, value) in lines {
        if let Some(value) = value {
            let _ = writeln!(text, "  {name:10}  {}", value.replace('\n', "\n              "));
        }
    }
    text
}
