//! `explain`: the language of manifests, without leaving the terminal.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap_complete::engine::ArgValueCompleter;
use pbx_manifest::{CallTest, Explanation, Field, Kind, nearest};
use serde_json::{Value as Json, json};

use crate::app::App;
use crate::cli::{Format, formats};
use crate::failure::{Exit, Failure};
use crate::table::table;
use crate::ui::Style;
use crate::{complete, nouns, show};

/// Explain a kind or a field: what it is for, what it takes, an example
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl explain                        The kinds there are
  pbxctl explain extension
  pbxctl explain extension.callForward.busy")]
pub struct Explain {
    /// A kind, with a field's path behind it
    #[arg(value_name = "KIND[.FIELD]", add = ArgValueCompleter::new(complete::fields))]
    what: Option<String>,
    /// The form of the result
    #[arg(short, long, value_parser = formats(&["table", "json"]), default_value = "table", value_name = "FORM")]
    output: Format,
}

/// Runs it.
pub fn run(args: &Explain, app: &mut App) -> Result<Exit, Failure> {
    let Some(what) = &args.what else {
        kinds(app, args.output);
        return Ok(Exit::Done);
    };
    let (kind_word, path) = what.split_once(['.', '/']).unwrap_or((what, ""));
    let kind = if nouns::is_call_test(kind_word) { Subject::Test } else { Subject::Kind(nouns::kind(kind_word)?) };
    let path = path.strip_prefix("spec.").unwrap_or(if path == "spec" { "" } else { path });
    // As they are called in a table's header, and behind `-l`; which there are is everybody's own.
    let labels = path.strip_prefix("metadata.").unwrap_or(path).split(['.', '/']).next() == Some("labels");
    let path = if labels { "metadata.labels" } else { path };
    let explanation = kind.explain(path).map_err(|known| unknown_field(kind, path, &known))?;
    // What every object has besides its spec, its name aside: that one is known.
    let mut around = Vec::new();
    if path.is_empty() {
        around = kind.explain("metadata").map(|metadata| metadata.fields).unwrap_or_default();
        around.retain(|field| field.name != "name");
    }
    if args.output == Format::Json {
        let fields = |fields: &[Field]| fields.iter().map(told).collect::<Vec<_>>();
        app.ui.json(&json!({
            "kind": kind.title(),
            "path": path,
            "description": explanation.about,
            "values": explanation.values,
            "meanings": explanation.meanings.iter().cloned().collect::<BTreeMap<_, _>>(),
            "default": explanation.default,
            "examples": explanation.examples,
            "fields": fields(&explanation.fields),
            "metadata": fields(&around),
            "example": if path.is_empty() { Some(kind.example()) } else { None },
        }));
        return Ok(Exit::Done);
    }
    app.ui.page();
    print(app, kind, path, &explanation, &around);
    Ok(Exit::Done)
}

/// What is explained: a kind of object, or the call tests that are read beside them.
#[derive(Clone, Copy)]
enum Subject {
    Kind(Kind),
    Test,
}

impl Subject {
    fn title(self) -> &'static str {
        match self {
            Self::Kind(kind) => kind.title(),
            Self::Test => CallTest::TITLE,
        }
    }

    fn singular(self) -> &'static str {
        match self {
            Self::Kind(kind) => kind.singular(),
            Self::Test => "calltest",
        }
    }

    /// What it is also called.
    fn words(self) -> Vec<&'static str> {
        match self {
            Self::Kind(kind) => vec![kind.singular(), kind.plural(), kind.short()],
            Self::Test => vec!["calltest", "calltests"],
        }
    }

    fn explain(self, path: &str) -> Result<Explanation, Vec<String>> {
        match self {
            Self::Kind(kind) => pbx_manifest::explain(kind, path),
            Self::Test => pbx_manifest::explain_test(path),
        }
    }

    fn example(self) -> &'static str {
        match self {
            Self::Kind(kind) => example(kind),
            Self::Test => include_str!("../../examples/calltest.yaml"),
        }
    }
}

fn told(field: &Field) -> Json {
    json!({
        "name": field.name,
        "values": field.values,
        "description": field.about,
        "required": field.required,
        "default": field.default,
        "nested": field.nested,
    })
}

/// How a secret is written, and what each form means.
const SECRET_FORMS: [(&str, &str); 5] = [
    ("{ generate: true }", "pbxd makes one, and keeps it"),
    ("{ env: NAME }", "from this environment variable, where pbxctl runs"),
    ("{ file: PATH }", "from this file, where pbxctl runs; a path from the manifest's folder or from the root"),
    ("{ stored: true }", "whatever is stored stays, as `export` writes it"),
    ("\"text in quotes\"", "the secret itself, for everyone who reads the manifest: accepted with a warning"),
];

fn kinds(app: &mut App, output: Format) {
    if output == Format::Json {
        let all: Vec<_> = Kind::ALL
            .iter()
            .map(|kind| json!({ "kind": kind.title(), "plural": kind.plural(), "short": kind.short(), "description": kind.about() }))
            .chain([json!({ "kind": CallTest::TITLE, "plural": "calltests", "short": "calltest", "description": CallTest::ABOUT })])
            .collect();
        app.ui.json(&all);
        return;
    }
    let rows = Kind::ALL
        .iter()
        .map(|kind| vec![kind.title().into(), kind.plural().into(), kind.short().into(), kind.about().into()])
        .chain([vec![CallTest::TITLE.into(), "calltests".into(), "calltest".into(), CallTest::ABOUT.into()]])
        .collect();
    let text = table(&["KIND", "NAME", "SHORT", "WHAT IT IS"], rows, app.ui.look().wide());
    app.ui.text(&text);
    app.ui.talk("`pbxctl explain extension` explains one of them.");
}

fn unknown_field(kind: Subject, path: &str, known: &[String]) -> Failure {
    // The first step that is not known is the one to mend: as many as can be walked are right.
    let steps: Vec<&str> = path.split('.').collect();
    let good = (0..steps.len()).take_while(|at| kind.explain(&steps[..=*at].join(".")).is_ok()).count();
    let (above, wrong) = (steps[..good].join("."), steps.get(good).copied().unwrap_or_default());
    let whole = |field: &str| {
        let dot = if above.is_empty() { "" } else { "." };
        format!("{}.{above}{dot}{field}", kind.singular())
    };
    let failure = Failure::usage(format!("there is no field `{}`", whole(wrong)));
    match nearest(wrong, known.iter().map(String::as_str)) {
        Some(near) => failure.help(format!("did you mean `{}`?", whole(near))),
        None if known.is_empty() => {
            failure.help(format!("`{}` has no fields of its own", whole("").trim_end_matches('.')))
        }
        None => failure.help(format!("the fields there are {}", known.join(", "))),
    }
}

fn print(app: &mut App, kind: Subject, path: &str, explanation: &Explanation, around: &[Field]) {
    let look = app.ui.look();
    let name = if path.is_empty() { kind.title().to_owned() } else { format!("{}.{path}", kind.singular()) };
    app.ui.line(&look.paint(Style::Heading, &name));
    if path.is_empty() {
        let mut words = kind.words();
        words.dedup();
        if words.last() == words.first() {
            words.pop();
        }
        app.ui.line(&format!("  also written {}", words.join(", ")));
    } else {
        let default = told_default(explanation.default.as_ref(), &explanation.about);
        app.ui.line(&format!("  takes {}{default}", takes(&explanation.values)));
        if !explanation.examples.is_empty() {
            app.ui.line(&format!("  as in {}", explanation.examples.join("   ")));
        }
    }
    app.ui.line("");
    let width = look.width.unwrap_or(100).clamp(40, 100);
    let text = wrapped(&explanation.about, width, "");
    app.ui.text(&text);
    if !explanation.meanings.is_empty() {
        app.ui.line("");
        app.ui.line(&look.paint(Style::Heading, "VALUES"));
        for (word, meaning) in &explanation.meanings {
            app.ui.line(&format!("  {}", look.paint(Style::Heading, word)));
            let text = wrapped(meaning, width, "      ");
            app.ui.text(&text);
        }
    }
    if explanation.values == "secret" {
        app.ui.line("");
        app.ui.line(&look.paint(Style::Heading, "FORMS"));
        for (form, about) in SECRET_FORMS {
            app.ui.line(&format!("  {}", look.paint(Style::Heading, form)));
            let text = wrapped(about, width, "      ");
            app.ui.text(&text);
        }
    }
    for (heading, fields) in [("FIELDS", &explanation.fields[..]), ("METADATA", around)] {
        if fields.is_empty() {
            continue;
        }
        app.ui.line("");
        app.ui.line(&look.paint(Style::Heading, heading));
        for field in fields {
            let text = described(field, width);
            let (head, about) = text.split_once('\n').unwrap_or((&text, ""));
            let (name, takes) = head.trim_start().split_once("  ").unwrap_or((head.trim_start(), ""));
            let head = format!("  {}  {}", look.paint(Style::Heading, name), look.paint(Style::Faint, takes));
            app.ui.line(head.trim_end());
            app.ui.text(about);
        }
    }
    if path.is_empty() {
        app.ui.line("");
        app.ui.line(&look.paint(Style::Heading, "EXAMPLE"));
        for line in kind.example().lines() {
            app.ui.line(format!("  {line}").trim_end());
        }
    }
    if let Some(nested) = explanation.fields.iter().find(|field| field.nested) {
        let path = if path.is_empty() { String::new() } else { format!("{path}.") };
        app.ui.line("");
        app.ui.line(&format!(
            "`pbxctl explain {}.{path}{}` shows the fields below `{}`.",
            kind.singular(),
            nested.name,
            nested.name
        ));
    }
}

/// A field: its name, what it takes, and below them what it is for.
fn described(field: &Field, width: usize) -> String {
    let mut takes = takes(&field.values);
    if field.required {
        takes.push_str(", required");
    }
    takes.push_str(&told_default(field.default.as_ref(), &field.about));
    format!("  {}  {takes}\n{}", field.name, wrapped(&field.about, width, "      "))
}

/// A default in words: one that is a list of nothing says nothing, and where the words about the field tell it, twice is too often.
fn told_default(default: Option<&Json>, about: &str) -> String {
    let default = default.filter(|default| !about.contains("Default:") && **default != json!([]));
    default.map(|default| format!(", default {}", show::value(default))).unwrap_or_default()
}

/// What a field takes, in words.
fn takes(values: &str) -> String {
    match values {
        "fields" => "fields of its own".into(),
        "list of fields" => "a list, each item with fields of its own".into(),
        "map of fields" => "names, each with fields of its own".into(),
        other => other.into(),
    }
}

/// A text in lines of a width.
fn wrapped(text: &str, width: usize, indent: &str) -> String {
    let mut out = String::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && indent.len() + line.chars().count() + 1 + word.chars().count() > width {
            let _ = writeln!(out, "{indent}{line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        let _ = writeln!(out, "{indent}{line}");
    }
    out
}

/// A manifest of a kind that works together with the other kinds' ones.
fn example(kind: Kind) -> &'static str {
    match kind {
        Kind::Settings => include_str!("../../examples/settings.yaml"),
        Kind::Schedule => include_str!("../../examples/schedule.yaml"),
        Kind::ExtensionProfile => include_str!("../../examples/profile.yaml"),
        Kind::Extension => include_str!("../../examples/extension.yaml"),
        Kind::ExtensionGroup => include_str!("../../examples/group.yaml"),
        Kind::Carrier => include_str!("../../examples/carrier.yaml"),
        Kind::OutboundRoute => include_str!("../../examples/route.yaml"),
        Kind::Did => include_str!("../../examples/did.yaml"),
        Kind::BlockFilter => include_str!("../../examples/filter.yaml"),
        Kind::Ivr => include_str!("../../examples/ivr.yaml"),
        Kind::RingTree => include_str!("../../examples/tree.yaml"),
        Kind::Queue => include_str!("../../examples/queue.yaml"),
        Kind::Mailbox => include_str!("../../examples/mailbox.yaml"),
        Kind::Announcement => include_str!("../../examples/announcement.yaml"),
        Kind::HoldMusic => include_str!("../../examples/music.yaml"),
        Kind::Soundboard => include_str!("../../examples/soundboard.yaml"),
        Kind::ParkingLot => include_str!("../../examples/parking.yaml"),
        Kind::Conference => include_str!("../../examples/conference.yaml"),
        Kind::BreakCode => include_str!("../../examples/break.yaml"),
        Kind::Disposition => include_str!("../../examples/disposition.yaml"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pbx_manifest::Source;

    #[test]
    fn the_examples_are_one_good_system() {
        let subjects = Kind::ALL.iter().map(|kind| Subject::Kind(*kind)).chain([Subject::Test]);
        let all = subjects.map(|subject| Source::new(subject.title(), subject.example()));
        let parsed = pbx_manifest::parse(&all.collect::<Vec<_>>());
        assert_eq!(parsed.diagnostics, []);
        assert_eq!(pbx_manifest::check(&parsed.catalog()), []);
        assert_eq!(parsed.tests.len(), 1);
        let kinds: Vec<Kind> = parsed.documents.iter().map(|document| document.object.kind).collect();
        assert!(Kind::ALL.iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
    }

    #[test]
    fn every_field_of_every_kind_is_explained() {
        fn walk(kind: Subject, path: &str, missing: &mut Vec<String>) {
            let Ok(explanation) = kind.explain(path) else {
                return missing.push(format!("{} {path}", kind.title()));
            };
            for field in explanation.fields {
                let below = if path.is_empty() { field.name.clone() } else { format!("{path}.{}", field.name) };
                if field.about.is_empty() {
                    missing.push(format!("{} {below}", kind.title()));
                }
                if field.nested {
                    walk(kind, &below, missing);
                }
            }
        }
        let mut missing = Vec::new();
        for subject in Kind::ALL.iter().map(|kind| Subject::Kind(*kind)).chain([Subject::Test]) {
            walk(subject, "", &mut missing);
        }
        assert!(missing.is_empty(), "{missing:?}");
    }
}
