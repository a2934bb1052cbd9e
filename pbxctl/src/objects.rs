//! Objects as tables for people, as manifests, and as rows for spreadsheets.

use std::collections::BTreeSet;

use pbx_api::ObjectView;
use pbx_manifest::{API_VERSION, Entry, Grid, Kind};
use serde_json::{Value as Json, json};

use crate::failure::Failure;
use crate::show;
use crate::table::table;
use crate::ui::Look;

/// A column: its heading and the field it shows.
type Column = (&'static str, &'static str);

/// The columns of a kind, beside its name.
fn columns(kind: Kind) -> &'static [Column] {
    match kind {
        Kind::Settings => &[("TIME ZONE", "timeZone"), ("LANGUAGE", "language"), ("ADDRESS", "nat.externalAddress")],
        Kind::Schedule => &[("TIME ZONE", "timeZone"), ("OPEN", "open"), ("CLOSED", "closed")],
        Kind::ExtensionProfile => &[("CODECS", "codecs"), ("TRANSPORT", "transport"), ("PERMISSIONS", "permissions")],
        Kind::Extension => &[("DISPLAY NAME", "displayName"), ("PROFILE", "profile"), ("NUMBER", "callerId.number")],
        Kind::ExtensionGroup => &[("STRATEGY", "strategy"), ("MEMBERS", "members"), ("FAILOVER", "failover")],
        Kind::Carrier => {
            &[("DIRECTION", "direction"), ("PRESET", "preset"), ("HOSTS", "hosts"), ("CHANNELS", "maxChannels")]
        }
        Kind::OutboundRoute => {
            &[("ORDER", "order"), ("PATTERNS", "patterns"), ("CARRIERS", "carriers"), ("PERMISSION", "permission")]
        }
        Kind::Did => &[
            ("DESTINATION", "destination"),
            ("SCHEDULE", "schedule"),
            ("AFTER HOURS", "afterHours"),
            ("CARRIER", "carrier"),
        ],
    }
}

/// What a wide table adds.
fn more(kind: Kind) -> &'static [Column] {
    match kind {
        Kind::Extension => &[("EMAIL", "email"), ("PERMISSIONS", "permissions"), ("VOICEMAIL", "voicemail.enabled")],
        Kind::ExtensionGroup => &[("NUMBER", "number"), ("TIMEOUT", "timeout")],
        Kind::Carrier => &[("TRANSPORT", "transport"), ("CODECS", "codecs"), ("ADDRESSES", "addresses")],
        Kind::OutboundRoute => &[("STRIP", "strip"), ("PREPEND", "prepend"), ("EMERGENCY", "emergency")],
        Kind::ExtensionProfile => &[("RING", "ringTimeout"), ("RECORD", "record"), ("VOICEMAIL", "voicemail.enabled")],
        Kind::Settings | Kind::Schedule | Kind::Did => &[("DESCRIPTION", "description")],
    }
}

/// A value inside a spec.
pub fn at<'j>(spec: &'j Json, path: &str) -> Option<&'j Json> {
    path.split('.').try_fold(spec, |value, step| value.get(step))
}

/// Who may dial a route that carries emergency calls, whatever its `permission` says.
pub const EVERYONE: &str = "everyone";

/// Whether every extension may dial a route.
pub fn dialled_by_all(object: &ObjectView) -> bool {
    object.object.kind == Kind::OutboundRoute && object.effective["emergency"] == json!(true)
}

/// A value in a cell: lists by commas, long ones by their count.
fn cell(value: Option<&Json>) -> String {
    match value {
        None | Some(Json::Null) => String::new(),
        Some(Json::Bool(true)) => "yes".into(),
        Some(Json::Bool(false)) => "no".into(),
        Some(Json::Array(items)) if items.iter().any(Json::is_object) => show::plural(items.len(), "entry", "entries"),
        Some(Json::Array(items)) => items.iter().map(show::value).collect::<Vec<_>>().join(","),
        Some(other) => show::value(other),
    }
}

fn labels(object: &ObjectView) -> String {
    object.meta.labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// Objects as tables, one for each kind among them. Wide ones have more columns, and leave nothing out of a cell.
pub fn tables(objects: &[ObjectView], wide: bool, look: Look) -> String {
    let look = if wide { look.wide() } else { look };
    let kinds: BTreeSet<Kind> = objects.iter().map(|object| object.object.kind).collect();
    let mut text = String::new();
    for kind in &kinds {
        let own: Vec<&ObjectView> = objects.iter().filter(|object| object.object.kind == *kind).collect();
        let mut shown = columns(*kind).to_vec();
        if wide {
            shown.extend(more(*kind));
        }
        let off = own.iter().any(|object| object.effective["enabled"] == json!(false));
        let mut headings = vec!["NAME"];
        headings.extend(shown.iter().map(|(heading, _)| *heading));
        if off {
            headings.push("ENABLED");
        }
        if wide {
            headings.extend(["OWNER", "REVISION", "LABELS"]);
        }
        let rows = own.iter().map(|object| {
            // With several kinds, a name alone would not say whose it is.
            let name = object.object.name.to_string();
            let mut row = vec![if kinds.len() > 1 { object.object.to_string() } else { name }];
            row.extend(shown.iter().map(|(_, path)| match path {
                &"permission" if dialled_by_all(object) => EVERYONE.into(),
                path => cell(at(&object.effective, path)),
            }));
            if off {
                row.push(cell(object.effective.get("enabled")));
            }
            if wide {
                row.extend([object.owner.clone(), object.revision.to_string(), labels(object)]);
            }
            row
        });
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&table(&headings, rows.collect(), look));
    }
    text
}

/// An object as the manifest that would declare it.
pub fn document(object: &ObjectView) -> Json {
    let mut metadata = json!({ "name": object.object.name });
    if !object.meta.labels.is_empty() {
        metadata["labels"] = json!(object.meta.labels);
    }
    if object.meta.protected {
        metadata["protected"] = json!(true);
    }
    json!({
        "apiVersion": API_VERSION,
        "kind": object.object.kind.title(),
        "metadata": metadata,
        "spec": object.spec,
    })
}

/// An object as the text of its manifest.
pub fn manifest(object: &ObjectView) -> Result<String, Failure> {
    yaml(&document(object))
}

/// A value as YAML.
pub fn yaml(value: &impl serde::Serialize) -> Result<String, Failure> {
    serde_yaml::to_string(value)
        .map_err(|error| Failure::failed("internal", format!("it cannot be written as YAML: {error}")))
}

/// Objects as manifests, one after another.
pub fn manifests(objects: &[ObjectView]) -> Result<String, Failure> {
    let all: Vec<String> = objects.iter().map(manifest).collect::<Result<_, _>>()?;
    Ok(all.join("---\n"))
}

/// Objects as rows, under the columns that were asked for, or those of the fields that any of them names.
pub fn grid(objects: &[ObjectView], kinds: &[Kind], columns: &[String]) -> Result<Grid, Failure> {
    let entries: Vec<Entry<'_>> = objects.iter().map(|object| (&object.object, &object.meta, &object.spec)).collect();
    if columns.is_empty() {
        return Ok(pbx_manifest::grid(&entries));
    }
    pbx_manifest::grid_of(&entries, kinds, columns).map_err(|why| {
        let mut lines = why.lines().map(str::to_owned);
        let failure = Failure::usage(lines.next().unwrap_or_default());
        lines.fold(failure, Failure::help)
    })
}

/// Rows as CSV.
pub fn csv(grid: &Grid) -> Result<String, Failure> {
    let failed = |error: csv::Error| Failure::failed("internal", format!("it cannot be written as CSV: {error}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in std::iter::once(&grid.header).chain(&grid.rows) {
        writer.write_record(row).map_err(failed)?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(error.into_error().into()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn object(name: &str, spec: Json) -> ObjectView {
        ObjectView {
            object: name.parse().unwrap(),
            meta: pbx_manifest::Meta { labels: BTreeMap::from([("team".into(), "sales".into())]), protected: false },
            effective: spec.clone(),
            inherited: BTreeMap::new(),
            spec,
            owner: "default".into(),
            owners: BTreeMap::new(),
            revision: 3,
        }
    }

    #[test]
    fn manifests_keep_numbers_as_text() {
        let text = manifest(&object("did/+351210001000", json!({ "destination": "extension/1001" }))).unwrap();
        let again = pbx_manifest::parse(&[pbx_manifest::Source::new("x", text)]);
        assert_eq!(again.diagnostics, []);
        assert_eq!(again.documents[0].object.to_string(), "did/+351210001000");
        assert_eq!(again.documents[0].fields, json!({ "destination": "extension/1001" }));
    }

    #[test]
    fn a_wide_table_is_as_wide_as_what_it_shows() {
        let spec = json!({ "displayName": "Ana Reyes", "permissions": ["internal", "national", "international"] });
        let all = [object("extension/1001", spec)];
        let look = Look { color: false, width: Some(40) };
        let (narrow, wide) = (tables(&all, false, look), tables(&all, true, look));
        assert!(narrow.lines().all(|line| line.len() <= 40), "{narrow}");
        assert!(wide.contains("  internal,national,international  "), "{wide}");
        assert!(!wide.contains('…') && wide.lines().count() == 2, "{wide}");
    }

    #[test]
    fn an_emergency_route_is_everyones() {
        let route = |name: &str, emergency: bool| {
            object(name, json!({ "permission": "national", "emergency": emergency, "patterns": ["112"] }))
        };
        let all = [route("route/help", true), route("route/near", false)];
        let text = tables(&all, false, Look { color: false, width: None });
        let permissions: Vec<&str> = text.lines().skip(1).filter_map(|line| line.split_whitespace().last()).collect();
        assert_eq!(permissions, [EVERYONE, "national"], "{text}");
    }

    #[test]
    fn a_spreadsheet_has_a_column_for_every_field() {
        let all = [
            object("extension/1001", json!({ "displayName": "Reyes, Ana", "codecs": ["alaw", "opus"] })),
            object("group/sales", json!({ "members": ["1001"] })),
        ];
        assert_eq!(
            csv(&grid(&all, &[], &[]).unwrap()).unwrap(),
            "kind,name,labels.team,displayName,codecs,members\n\
             Extension,1001,sales,\"Reyes, Ana\",alaw;opus,\nExtensionGroup,sales,sales,,,1001\n"
        );
    }
}
