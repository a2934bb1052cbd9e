//! `blame`: who gave each field its value, and when.

use std::collections::BTreeMap;

use clap_complete::engine::ArgValueCompleter;
use pbx_api::{ObjectHistory, RevisionView};
use pbx_manifest::{Action, fields};

use crate::app::App;
use crate::cli::{Format, formats};
use crate::failure::{Exit, Failure};
use crate::table::Table;
use crate::{complete, nouns, show};

/// Show who gave each field of an object its value, and when
///
/// Under all the names that the object has had. Fields that nobody named have the built-in value, and are not listed; those that
/// somebody took away from a manifest are.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl blame extension/1001
  pbxctl blame extension/1001 -o json    With everything that was ever done to it")]
pub struct Blame {
    /// An object, as `extension/1001` or `extension 1001`
    #[arg(value_name = "OBJECT", required = true, num_args = 1..=2, add = ArgValueCompleter::new(complete::nouns))]
    what: Vec<String>,
    /// The form of the result
    #[arg(short, long, value_parser = formats(&["table", "json"]), default_value = "table", value_name = "FORM")]
    output: Format,
}

/// Runs it.
pub fn run(args: &Blame, app: &mut App) -> Result<Exit, Failure> {
    let objects = nouns::objects(&args.what)?;
    let [object] = objects.as_slice() else {
        return Err(Failure::usage("blame shows one object").help("as in `extension/1001`"));
    };
    let history = app.ask(async |client| client.object_history(object).await)?;
    if args.output == Format::Json {
        app.ui.json(&history);
        return Ok(Exit::Done);
    }
    if history.object.is_none() {
        app.ui.talk(&gone(&history));
        return Ok(Exit::Done);
    }
    app.ui.page();
    let headings = ["FIELD", "VALUE", "SET", "REVISION", "WHEN", "WHO", "MESSAGE"];
    let mut table = Table::new(&headings).never_cut("WHEN").gives_way("MESSAGE");
    for line in lines(&history) {
        table.row(line);
    }
    let text = table.text(app.ui.look());
    app.ui.text(&text);
    Ok(Exit::Done)
}

fn came_true(revision: &RevisionView) -> bool {
    revision.state == "committed"
}

fn gone(history: &ObjectHistory) -> String {
    if let Some(now) = &history.now {
        return format!("It is {} since revision {}: `pbxctl blame {0}` shows more.", now.object, now.revision);
    }
    let last = history.versions.iter().find(|version| {
        came_true(&version.revision)
            && (version.change.action == Action::Delete || version.change.renamed_from.is_some())
    });
    match last {
        Some(last) => format!(
            "It is gone: {} deleted it in revision {}, {}.",
            last.revision.actor,
            last.revision.id,
            show::instant(last.revision.at)
        ),
        None => "It never came to be: no revision that has it was taken by Asterisk.".into(),
    }
}

/// A row for each named field: the newest revision that gave it its value.
fn lines(history: &ObjectHistory) -> Vec<Vec<String>> {
    let Some(object) = &history.object else { return Vec::new() };
    let row = |path: &str, value: String| {
        let from = history.giver(path);
        let owner = object.owners.get(path).unwrap_or(&object.owner).clone();
        let mut row = vec![show::field(path).to_owned(), value, owner];
        row.extend(from.map_or_else(Default::default, |version| {
            let revision = &version.revision;
            [
                revision.id.to_string(),
                show::instant(revision.at),
                revision.actor.clone(),
                revision.message.clone().unwrap_or_default().replace('\n', " "),
            ]
        }));
        row
    };
    let named = fields(&object.meta, &object.spec);
    let mut rows: BTreeMap<&str, Vec<String>> =
        named.iter().map(|(path, value)| (path.as_str(), row(path, show::value(value)))).collect();
    // A secret may have been given a value by hand, and is named nowhere then.
    let changes = history.versions.iter().filter(|version| came_true(&version.revision)).flat_map(|v| &v.change.fields);
    for change in changes.filter(|change| change.secret && !named.contains_key(&change.path)) {
        rows.entry(&change.path).or_insert_with(|| row(&change.path, "(a secret changed)".into()));
    }
    let gone = object.owners.keys().filter(|path| !named.contains_key(*path));
    for path in gone {
        rows.entry(path).or_insert_with(|| row(path, "(taken away)".into()));
    }
    rows.into_values().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_field_has_the_revision_that_gave_it_its_value() {
        let revision = |id: u64, state: &str| {
            json!({ "id": id, "base": null, "at": "2026-11-22T10:00:00Z", "actor": format!("p{id}"), "set": "default",
                "source": {}, "state": state, "created": 0, "updated": 1, "deleted": 0, "live": false })
        };
        let version = |id: u64, state: &str, path: &str| {
            json!({ "revision": revision(id, state), "change": { "object": "extension/1001", "action": "update",
                "fields": [{ "path": path, "after": "x" }] } })
        };
        let history: ObjectHistory = serde_json::from_value(json!({
            "object": { "object": "extension/1001", "spec": { "displayName": "Ana", "email": "a@b.pt" },
                "effective": {}, "owner": "default", "owners": { "spec.email": "manual", "spec.language": "manual" }, "revision": 4 },
            "versions": [
                version(5, "rolledBack", "spec.email"),
                version(4, "committed", "spec.email"),
                version(3, "committed", "spec.displayName"),
                version(2, "committed", "spec.language"),
                version(2, "committed", "spec.email"),
            ],
        }))
        .unwrap();
        let rows: Vec<String> = lines(&history).iter().map(|row| row[..4].join(" ")).collect();
        assert_eq!(rows, ["displayName Ana default 3", "email a@b.pt manual 4", "language (taken away) manual 2"]);
    }

    #[test]
    fn a_secret_that_was_given_a_value_by_hand_leaves_a_trace() {
        let version = |id: u64| {
            json!({ "revision": { "id": id, "base": null, "at": "2026-11-22T10:00:00Z", "actor": "ana", "set": "manual",
                "source": {}, "state": "committed", "created": 0, "updated": 1, "deleted": 0, "live": false },
                "change": { "object": "extension/1001", "action": "update",
                "fields": [{ "path": "spec.password", "secret": true }] } })
        };
        let history: ObjectHistory = serde_json::from_value(json!({
            "object": { "object": "extension/1001", "spec": {}, "effective": {}, "owner": "default", "revision": 3 },
            "versions": [version(3), version(2)],
        }))
        .unwrap();
        let rows: Vec<String> = lines(&history).iter().map(|row| row[..4].join(" ")).collect();
        assert_eq!(rows, ["password (a secret changed) default 3"]);
    }
}
