//! `describe`: everything about an object.

use std::fmt::Write as _;

use clap_complete::engine::ArgValueCompleter;
use pbx_api::ObjectView;
use pbx_manifest::{Kind, fields};
use serde_json::Value as Json;

use crate::app::App;
use crate::cli::{Format, formats};
use crate::failure::{Exit, Failure};
use crate::table::table;
use crate::ui::{Look, Style};
use crate::{complete, nouns, objects, show};

/// Show every field of an object: its value, and who set it
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl describe extension/1001
  pbxctl describe did +351210001000")]
pub struct Describe {
    /// Objects as `extension/1001`, or a kind and names
    #[arg(value_name = "OBJECT", required = true, add = ArgValueCompleter::new(complete::nouns))]
    what: Vec<String>,
    /// The form of the result
    #[arg(short, long, value_parser = formats(&["table", "json", "yaml"]), default_value = "table", value_name = "FORM")]
    output: Format,
}

/// Runs it.
pub fn run(args: &Describe, app: &mut App) -> Result<Exit, Failure> {
    let named = nouns::objects(&args.what)?;
    let mut views = Vec::new();
    for object in &named {
        views.push(super::get::one(app, object)?);
    }
    match (args.output, views.as_slice()) {
        (Format::Json, [one]) => app.ui.json(one),
        (Format::Json, all) => app.ui.json(&all),
        (Format::Yaml, all) => {
            let text = objects::yaml(&all)?;
            app.ui.text(&text);
        }
        (_, all) => {
            app.ui.page();
            for (at, view) in all.iter().enumerate() {
                if at > 0 {
                    app.ui.line("");
                }
                let text = described(view, app.ui.look());
                app.ui.text(&text);
                if view.object.kind == Kind::Schedule {
                    now(app, view)?;
                }
            }
        }
    }
    Ok(Exit::Done)
}

/// What a schedule says now.
fn now(app: &mut App, view: &ObjectView) -> Result<(), Failure> {
    let all = app.ask(async |client| client.schedules().await)?.schedules;
    if let Some(one) = all.iter().find(|one| one.name == view.object.name) {
        app.ui.line("");
        app.ui.line(&format!("Now: {}.", super::schedule::state(one)));
    }
    Ok(())
}

fn described(view: &ObjectView, look: Look) -> String {
    let mut text = format!("{}\n", look.paint(Style::Heading, &view.object.to_string()));
    let labels: Vec<String> = view.meta.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let _ = writeln!(text, "  made by set   {}\n  last changed  revision {}", view.owner, view.revision);
    if !labels.is_empty() {
        let _ = writeln!(text, "  labels        {}", labels.join(", "));
    }
    if view.meta.protected {
        text.push_str("  protected     yes: it cannot be deleted\n");
    }
    text.push('\n');
    let named = fields(&view.meta, &view.spec);
    let every = fields(&pbx_manifest::Meta::default(), &view.effective);
    // In the order of the manifest's own fields, as `explain` shows them.
    let order: Vec<String> = pbx_manifest::explain(view.object.kind, "")
        .map(|explanation| explanation.fields.into_iter().map(|field| field.name).collect())
        .unwrap_or_default();
    let taken_away = |path: &str| view.owners.get(path).map(|owner| format!("taken away by set {owner}"));
    let mut rows: Vec<(usize, Vec<String>)> = Vec::new();
    for (path, value) in &every {
        let set_by = named.get(path).map(|_| format!("set {}", view.owners.get(path).unwrap_or(&view.owner)));
        let set_by = set_by.or_else(|| taken_away(path));
        let name = show::field(path);
        let at = order.iter().position(|field| name == field || name.starts_with(&format!("{field}.")));
        let taken_from = || view.inherited.get(path).map(ToString::to_string);
        let from = set_by.or_else(taken_from).unwrap_or_else(|| "built in".into());
        let (value, from) = if name == "permission" && objects::dialled_by_all(view) {
            (objects::EVERYONE.into(), "`emergency`".into())
        } else {
            (shown(value), from)
        };
        rows.push((at.unwrap_or(usize::MAX), vec![name.to_owned(), value, from]));
    }
    for (at, field) in order.iter().enumerate() {
        let top = format!("spec.{field}");
        if !every.keys().any(|path| *path == top || path.starts_with(&format!("{top}."))) {
            let why = taken_away(&top).unwrap_or_else(|| "not set".into());
            rows.push((at, vec![field.clone(), String::new(), why]));
        }
    }
    rows.sort_by_key(|(at, _)| *at);
    text.push_str(&table(&["FIELD", "VALUE", "FROM"], rows.into_iter().map(|(_, row)| row).collect(), look));
    text
}

fn shown(value: &Json) -> String {
    match value {
        Json::Array(items) if items.is_empty() => "[]".into(),
        other => show::value(other),
    }
}
