//! Objects as tables for people, as manifests, and as rows for spreadsheets.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use pbx_api::ObjectView;
use pbx_manifest::{API_VERSION, Entry, Grid, Kind};
use serde_json::{Value as Json, json};

use crate::failure::Failure;
use crate::show;
use crate::table::Table;
use crate::ui::Look;

/// Where a schedule's row has what it says now, which is no field of its spec.
pub const STATE: &str = "state";

/// A column: its heading and the field it shows.
type Column = (&'static str, &'static str);

/// The columns of a kind, beside its name.
fn columns(kind: Kind) -> &'static [Column] {
    match kind {
        Kind::Settings => &[("TIME ZONE", "timeZone"), ("LANGUAGE", "language"), ("ADDRESS", "nat.externalAddress")],
        Kind::Schedule => &[("STATE", STATE), ("TIME ZONE", "timeZone"), ("OPEN", "open"), ("CLOSED", "closed")],
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
        Kind::BlockFilter => &[("DENY", "deny"), ("ALLOW", "allow"), ("DENIED", "denied")],
        Kind::Ivr => &[("NUMBER", "number"), ("START", "start"), ("DESCRIPTION", "description")],
        Kind::RingTree => &[("NUMBER", "number"), ("RING", "ring"), ("TIMEOUT", "timeout")],
        Kind::Queue => {
            &[("STRATEGY", "strategy"), ("MEMBERS", "members"), ("NUMBER", "number"), ("MAX WAIT", "maxWait")]
        }
        Kind::Mailbox => &[("DISPLAY NAME", "displayName"), ("NUMBER", "number"), ("EMAIL", "email")],
        Kind::Announcement => &[("FILE", "file"), ("THEN", "then")],
        Kind::HoldMusic => &[("FILES", "files"), ("STREAM", "stream"), ("ORDER", "order")],
        Kind::Soundboard => &[("CLIPS", "clips"), ("DESCRIPTION", "description")],
        Kind::ParkingLot => {
            &[("NUMBER", "number"), ("SLOTS", "slots"), ("TIMEOUT", "timeout"), ("COMEBACK", "comeback")]
        }
        Kind::Conference => &[("DISPLAY NAME", "displayName"), ("RECORD", "record"), ("MOST", "maxMembers")],
        Kind::BreakCode => &[("TITLE", "title"), ("NUMBER", "number"), ("PAID", "paid"), ("MAXIMUM", "maximum")],
        Kind::Disposition => &[("TITLE", "title"), ("CALLBACK", "requiresCallback")],
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
        Kind::Queue => &[("RECORD", "record"), ("SCHEDULE", "schedule"), ("MUSIC", "holdMusic")],
        Kind::Ivr | Kind::Soundboard => &[],
        Kind::BreakCode | Kind::Disposition => &[("COLOR", "color")],
        _ => &[("DESCRIPTION", "description")],
    }
}

/// The fields that tables of these kinds show, by path.
pub fn shown(kinds: &[Kind], wide: bool) -> Vec<&'static str> {
    let columns = kinds.iter().flat_map(|kind| {
        let more = if wide { more(*kind) } else { &[] };
        columns(*kind).iter().chain(more)
    });
    let labels = wide.then_some("metadata.labels");
    // Who may dial a route is another for emergency calls.
    let emergency = kinds.contains(&Kind::OutboundRoute).then_some("emergency");
    let paths: BTreeSet<&str> =
        columns.map(|(_, path)| *path).chain(["enabled"]).chain(labels).chain(emergency).collect();
    paths.into_iter().collect()
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
fn cell(value: Option<&Json>) -> Cow<'_, str> {
    match value {
        None | Some(Json::Null) => "".into(),
        Some(Json::Bool(true)) => "yes".into(),
        Some(Json::Bool(false)) => "no".into(),
        Some(Json::Array(items)) if items.iter().any(Json::is_object) => {
            show::plural(items.len(), "entry", "entries").into()
        }
        Some(Json::Array(items)) => items.iter().map(show::value).collect::<Vec<_>>().join(",").into(),
        Some(other) => show::value(other).into(),
    }
}

fn labels(object: &ObjectView) -> String {
    object.meta.labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// Objects as tables, one for each kind among them.
pub struct Tables {
    wide: bool,
    kinds: BTreeMap<Kind, OfKind>,
}

/// The objects of a kind.
struct OfKind {
    columns: Vec<Column>,
    rows: Table,
    /// Whether any is turned off: no column says that all are on.
    off: bool,
}

/// The heading of the column that says whether an object is turned on.
const ENABLED: &str = "ENABLED";

impl Tables {
    /// Without objects. Wide ones have more columns, and leave nothing out of a cell.
    pub fn new(wide: bool) -> Self {
        Self { wide, kinds: BTreeMap::new() }
    }

    /// Adds an object.
    pub fn add(&mut self, object: &ObjectView) {
        let wide = self.wide;
        let own = self.kinds.entry(object.object.kind).or_insert_with_key(|kind| OfKind::new(*kind, wide));
        own.off |= object.effective["enabled"] == json!(false);
        let mut row = vec![Cow::Borrowed(object.object.name.as_str())];
        row.extend(own.columns.iter().map(|(_, path)| match *path {
            "permission" if dialled_by_all(object) => EVERYONE.into(),
            path => cell(at(&object.effective, path)),
        }));
        row.push(cell(object.effective.get("enabled")));
        if wide {
            row.extend([
                Cow::Borrowed(object.owner.as_str()),
                object.revision.to_string().into(),
                labels(object).into(),
            ]);
        }
        own.rows.row(row);
    }

    /// Whether there is nothing in them.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// As text.
    pub fn text(self, look: Look) -> String {
        let look = if self.wide { look.wide() } else { look };
        let several = self.kinds.len() > 1;
        let mut text = String::new();
        for (kind, mut own) in self.kinds {
            if !own.off {
                own.rows.without(ENABLED);
            }
            if several {
                // With several kinds, a name alone would not say whose it is.
                own.rows.begin_first(&format!("{kind}/"));
            }
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&own.rows.text(look));
        }
        text
    }
}

impl OfKind {
    fn new(kind: Kind, wide: bool) -> Self {
        let more = if wide { more(kind) } else { &[] };
        let columns: Vec<Column> = columns(kind).iter().chain(more).copied().collect();
        let mut headings = vec!["NAME"];
        headings.extend(columns.iter().map(|(heading, _)| *heading));
        headings.push(ENABLED);
        if wide {
            headings.extend(["OWNER", "REVISION", "LABELS"]);
        }
        Self { columns, rows: Table::new(&headings), off: false }
    }
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
        let shown = |wide| {
            let mut tables = Tables::new(wide);
            for object in &all {
                tables.add(object);
            }
            tables.text(look)
        };
        let (narrow, wide) = (shown(false), shown(true));
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
        let mut tables = Tables::new(false);
        for object in &all {
            tables.add(object);
        }
        let text = tables.text(Look { color: false, width: None });
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
