//! Plans, changes, values and outcomes in words.

use std::collections::HashSet;
use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
pub use pbx_api::thousands;
use pbx_api::{DriftedFile, FileAction, FileChange, Outcome, OutcomeResult, Plan, Verified};
use pbx_manifest::{Action, FieldChange, Kind, ObjectChange, is_secret_form};
use serde_json::Value as Json;

use crate::ui::{Look, Style};

/// How many changed objects are shown one by one before the rest is only counted.
const SHOWN: usize = 40;

/// `1 object`, `10,000 objects`.
pub fn plural(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{} {many}", thousands(count)) }
}

/// An instant as the clock on the wall shows it, with its zone.
pub fn instant(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// An instant shortly after another: without its day, where that is the same.
pub fn after(from: Timestamp, at: Timestamp) -> String {
    let (from, zoned) = (from.to_zoned(TimeZone::system()), at.to_zoned(TimeZone::system()));
    if from.date() == zoned.date() { zoned.strftime("%H:%M:%S").to_string() } else { instant(at) }
}

/// A field's path without the part that all of them share.
pub fn field(path: &str) -> &str {
    path.strip_prefix("spec.").or_else(|| path.strip_prefix("metadata.")).unwrap_or(path)
}

/// A value as people write it.
pub fn value(value: &Json) -> String {
    match value {
        Json::Null => "nothing".into(),
        Json::String(text) => {
            let plain = !text.is_empty() && text.trim() == text && !text.chars().any(char::is_control);
            if plain { text.clone() } else { value.to_string() }
        }
        Json::Array(items) => format!("[{}]", items.iter().map(self::value).collect::<Vec<_>>().join(", ")),
        Json::Object(map) => match (map.len(), map.iter().next()) {
            (1, Some((key, Json::Bool(true)))) if key == "generate" => "(generated)".into(),
            (1, Some((key, Json::Bool(true)))) if key == "stored" => "(stored)".into(),
            (1, Some((key, Json::String(name)))) if key == "env" => format!("(from the environment: {name})"),
            (1, Some((key, Json::String(name)))) if key == "file" => format!("(from the file {name})"),
            _ => {
                let parts: Vec<String> =
                    map.iter().map(|(key, value)| format!("{key}: {}", self::value(value))).collect();
                format!("{{ {} }}", parts.join(", "))
            }
        },
        other => other.to_string(),
    }
}

fn sign(action: Action, look: Look) -> String {
    match action {
        Action::Create => look.paint(Style::New, "+"),
        Action::Update => look.paint(Style::Changed, "~"),
        Action::Delete => look.paint(Style::Gone, "-"),
    }
}

/// Of a list, so many items that come or go are shown one by one.
const ITEMS: usize = 10;

/// Whether a value is a list of groups that is too long for a line.
fn is_long(value: &Json) -> bool {
    matches!(value, Json::Array(items) if items.len() > 4 && items.iter().any(Json::is_object))
}

/// A long list that changes: which items go, and which come.
fn items(name: &str, before: Option<&Json>, after: Option<&Json>, look: Look) -> String {
    let all = |side: Option<&Json>| side.and_then(Json::as_array).cloned().unwrap_or_default();
    let (before, after) = (all(before), all(after));
    let texts = |items: &[Json]| items.iter().map(Json::to_string).collect::<HashSet<_>>();
    let (old, new) = (texts(&before), texts(&after));
    let gone = before.iter().filter(|item| !new.contains(&item.to_string())).map(|item| ("-", Style::Gone, item));
    let come = after.iter().filter(|item| !old.contains(&item.to_string())).map(|item| ("+", Style::New, item));
    let changed: Vec<_> = gone.chain(come).collect();
    let counts = [&before, &after].map(|items| plural(items.len(), "entry", "entries"));
    let mut text = format!("    {name}: {} → {}", counts[0], counts[1]);
    for (sign, style, item) in changed.iter().take(ITEMS) {
        let _ = write!(text, "\n      {}", look.paint(*style, &format!("{sign} {}", value(item))));
    }
    if changed.len() > ITEMS {
        let _ = write!(text, "\n      … and {} more", thousands(changed.len() - ITEMS));
    }
    text
}

fn changed_field(change: &FieldChange, action: Action, look: Look) -> String {
    let name = field(&change.path);
    if change.secret {
        return format!("    {name}: {}", look.paint(Style::Changed, "(secret changed)"));
    }
    match (&change.before, &change.after) {
        // A secret that is no longer named is not made anew: its telephone would be cut off.
        (Some(before), None) if is_secret_form(before) => {
            format!("    {name}: {} → (no longer named; its value stays)", look.paint(Style::Gone, &value(before)))
        }
        (None, Some(after)) if action == Action::Create && !is_long(after) => format!("    {name}: {}", value(after)),
        (before, after) if before.iter().chain(after).any(is_long) => {
            items(name, before.as_ref(), after.as_ref(), look)
        }
        (before, after) => {
            let side = |side: &Option<Json>| side.as_ref().map_or_else(|| "(default)".to_owned(), value);
            format!("    {name}: {} → {}", look.paint(Style::Gone, &side(before)), look.paint(Style::New, &side(after)))
        }
    }
}

/// Changes, object by object and field by field; many of them are counted by kind, and the first ones shown.
pub fn changes(changes: &[ObjectChange], all: bool, look: Look) -> String {
    let mut text = String::new();
    let few = all || changes.len() <= SHOWN;
    for change in changes.iter().take(if few { changes.len() } else { SHOWN / 2 }) {
        let was = change.renamed_from.as_ref().map(|old| format!(", until now {old}")).unwrap_or_default();
        let _ = writeln!(text, "{} {}{was}", sign(change.action, look), change.object);
        if change.action != Action::Delete {
            for field in &change.fields {
                text.push_str(&changed_field(field, change.action, look));
                text.push('\n');
            }
            if change.fields.is_empty() && change.action == Action::Update && change.renamed_from.is_none() {
                text.push_str("    (only who owns its fields)\n");
            }
        }
    }
    if !few {
        let _ = write!(
            text,
            "… and {} more; `-o wide` shows all\n\n",
            plural(changes.len() - SHOWN / 2, "object", "objects")
        );
        for kind in Kind::ALL {
            let parts: Vec<String> =
                [(Action::Create, "to create"), (Action::Update, "to update"), (Action::Delete, "to delete")]
                    .into_iter()
                    .filter_map(|(action, words)| {
                        let count = changes
                            .iter()
                            .filter(|change| change.object.kind == *kind && change.action == action)
                            .count();
                        (count > 0).then(|| format!("{} {words}", thousands(count)))
                    })
                    .collect();
            if !parts.is_empty() {
                let _ = writeln!(text, "{}: {}", kind.plural(), parts.join(", "));
            }
        }
    }
    text
}

/// A plan: what changes, which files, which reloads, who notices.
pub fn plan(plan: &Plan, all: bool, diff: bool, look: Look) -> String {
    let mut text = changes(&plan.changes, all, look);
    let mut section = |heading: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&look.paint(Style::Heading, heading));
            text.push('\n');
            for line in lines {
                let _ = writeln!(text, "{line}");
            }
        }
    };
    let longest = plan.files.iter().map(|file| file.name.len()).max().unwrap_or(0);
    let files = plan.files.iter().map(|change| {
        let counts = format!("+{} -{}", thousands(change.added), thousands(change.removed));
        let line = format!("  {} {:longest$}  {counts}", file_sign(change.action, look), change.name);
        if diff && !change.diff.is_empty() { format!("{line}\n{}", unified(&change.diff, look)) } else { line }
    });
    section("Files", files.collect());
    let reloads = plan.reloads.iter().enumerate();
    section(
        "Reloads, in this order",
        reloads
            .map(|(at, reload)| format!("  {}. {}  for {}", at + 1, reload.module, reload.files.join(", ")))
            .collect(),
    );
    let mut effects: Vec<String> = plan.blast.effects.iter().map(|effect| format!("  {effect}")).collect();
    if let (Some(calls), Some(phones)) = (plan.blast.active_calls, plan.blast.registered_phones)
        && calls + phones > 0
    {
        effects.push(format!(
            "  Right now: {}, {} among what changes.",
            plural(calls as usize, "call in progress", "calls in progress"),
            plural(phones as usize, "registered telephone", "registered telephones")
        ));
    }
    section("Who notices", effects);
    let drifted = plan.drift.iter().map(|file| format!("  {}", self::drifted(file)));
    section("Changed by hand, and written over only with --overwrite-drift", drifted.collect());
    text
}

/// A file that somebody has changed, in one line.
pub fn drifted(file: &DriftedFile) -> String {
    let what = if file.missing { "is gone" } else { "was changed" };
    let by = file.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
    let at = file.at.map(|at| format!(", {}", instant(at))).unwrap_or_default();
    format!("{} {what}{by}{at}", file.name)
}

fn file_sign(action: FileAction, look: Look) -> String {
    let action = match action {
        FileAction::Create => Action::Create,
        FileAction::Change => Action::Update,
        FileAction::Delete => Action::Delete,
    };
    sign(action, look)
}

/// A file that changes, with its difference.
pub fn file(change: &FileChange, look: Look) -> String {
    let counts = format!("+{} -{}", thousands(change.added), thousands(change.removed));
    let line = format!("{} {}  {counts}", file_sign(change.action, look), change.name);
    if change.diff.is_empty() { line } else { format!("{line}\n{}", unified(&change.diff, look)) }
}

/// A diff, painted.
pub fn unified(diff: &str, look: Look) -> String {
    let mut text = String::new();
    for line in diff.lines() {
        let style = match line.as_bytes().first() {
            Some(b'+') => Some(Style::New),
            Some(b'-') => Some(Style::Gone),
            Some(b'@') => Some(Style::Faint),
            _ => None,
        };
        text.push_str("    ");
        text.push_str(&style.map_or_else(|| line.to_owned(), |style| look.paint(style, line)));
        text.push('\n');
    }
    text.pop();
    text
}

/// A plan in one line.
pub fn summary(plan: &Plan) -> String {
    let count = |action: Action| thousands(plan.changes.iter().filter(|change| change.action == action).count());
    let unchanged = plural(plan.unchanged, "object stays as it is", "objects stay as they are");
    if plan.is_empty() {
        return format!("No changes: {unchanged}.");
    }
    let reloads = if plan.reloads.is_empty() {
        "nothing is reloaded".to_owned()
    } else {
        format!("reloads {}", plan.reloads.iter().map(|reload| reload.module.as_str()).collect::<Vec<_>>().join(", "))
    };
    format!(
        "Plan: {} to create, {} to update, {} to delete; {reloads}.",
        count(Action::Create),
        count(Action::Update),
        count(Action::Delete)
    )
}

/// How an apply ended, in one line.
pub fn outcome(outcome: &Outcome) -> String {
    let objects = plural(outcome.changed, "object", "objects");
    let tenths = (outcome.milliseconds + 50) / 100;
    let seconds = format!("{}.{}", tenths / 10, tenths % 10);
    match outcome.result {
        OutcomeResult::Applied => {
            let verified =
                verified(&outcome.verified).map_or_else(String::new, |verified| format!(", verified {verified}"));
            format!("Applied revision {}: {objects}{verified} in {seconds} s.", outcome.revision)
        }
        OutcomeResult::Written => format!(
            "Wrote revision {}: {objects} in {seconds} s. Asterisk was not asked; it reads the files when it starts.",
            outcome.revision
        ),
        OutcomeResult::RolledBack => match outcome.live {
            Some(live) => format!("Asterisk did not take revision {}; revision {live} is live again", outcome.revision),
            None => format!("Asterisk did not take revision {}; what was before is live again", outcome.revision),
        },
        OutcomeResult::Failed => {
            format!("Revision {} was not carried out, and not all is known to be as it was before", outcome.revision)
        }
    }
}

/// What was compared with what was meant; nothing where nothing was.
pub fn verified(verified: &Verified) -> Option<String> {
    let counted: Vec<String> = [
        (verified.sip_objects, "SIP object", "SIP objects"),
        (verified.contexts, "context", "contexts"),
        (verified.mailboxes, "voicemail box", "voicemail boxes"),
        (verified.queues, "queue", "queues"),
        (verified.music, "hold music", "hold musics"),
        (verified.parking_lots, "parking lot", "parking lots"),
        (verified.conferences, "conference", "conferences"),
        (verified.entries, "entry of a filter", "entries of filters"),
    ]
    .into_iter()
    .filter(|(count, _, _)| *count > 0)
    .map(|(count, one, many)| plural(count, one, many))
    .collect();
    match counted.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        [first @ .., last] => Some(format!("{} and {last}", first.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_written_as_people_write_them() {
        let cases = [
            (json!("Ana Reyes"), "Ana Reyes"),
            (json!(""), "\"\""),
            (json!("a\u{1b}[31m"), "\"a\\u001b[31m\""),
            (json!(["1001", "1002"]), "[1001, 1002]"),
            (json!({ "generate": true }), "(generated)"),
            (json!({ "env": "X" }), "(from the environment: X)"),
            (json!([{ "days": "mon-fri", "hours": ["09:00-18:00"] }]), "[{ days: mon-fri, hours: [09:00-18:00] }]"),
            (json!(2), "2"),
        ];
        for (json, text) in cases {
            assert_eq!(value(&json), text);
        }
    }
}
