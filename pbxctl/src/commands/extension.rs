//! `extension`: one change to many telephones, as one plan.

mod passwd;

use std::collections::{BTreeMap, BTreeSet};

use clap_complete::engine::ArgValueCompleter;
use pbx_api::{ObjectView, PlanRequest};
use pbx_manifest::{COVER, Diagnostic, Kind, Patch, Position, Severity, Source, Table, fields};
use serde_json::{Value as Json, json};

use crate::app::App;
use crate::cli::{Manner, Selector};
use crate::deploy;
use crate::failure::{Exit, Failure};
use crate::{complete, show};

/// What the words of the command line are called in messages about them.
const COMMAND_LINE: &str = "the command line";

/// Change many extensions at once
///
/// Extensions are named one by one, by ranges and by labels; what is chosen changes in one plan, which is shown before it is carried
/// out. Fields changed here belong to the set `manual` until a manifest takes them over.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl extension disable 1000-1999
  pbxctl extension enable 1001 1002 1010-1019
  pbxctl extension set -l team=sales profile=desk ringTimeout=30s
  pbxctl extension set 1001 email=           Back to the default
  pbxctl extension delete 1900-1999 --allow-deletes 100")]
pub struct Extension {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Enable(Enable),
    Disable(Disable),
    Set(Set),
    Passwd(passwd::Passwd),
    Delete(Delete),
}

/// Turn extensions on
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl extension enable 1000-1999
  pbxctl extension enable -l team=sales --yes")]
struct Enable {
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    manner: Manner,
}

/// Turn extensions off, and keep them
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl extension disable 1000-1999
  pbxctl extension disable 1001 1002 --yes")]
struct Disable {
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    manner: Manner,
}

/// Set fields of extensions
///
/// Values are written as in a cell of a spreadsheet: `yes`, `30s`, `alaw;ulaw`. Nothing behind the `=` takes a field back to its
/// default.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl extension set 1000-1999 ringTimeout=30s voicemail.enabled=yes
  pbxctl extension set -l team=sales labels.floor=3 permissions='internal;national'
  pbxctl explain extension                   Which fields there are")]
struct Set {
    /// Numbers, ranges as `1000-1999`, and fields as `displayName=Ana Reyes`
    #[arg(value_name = "WHICH|FIELD=VALUE", required = true, add = ArgValueCompleter::new(complete::extensions))]
    words: Vec<String>,
    #[command(flatten)]
    selector: Selector,
    #[command(flatten)]
    manner: Manner,
}

/// Delete extensions
///
/// An extension that others still refer to is not deleted; the message names them. `disable` turns it off and keeps it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl extension delete 1900-1999 --allow-deletes 100
  pbxctl extension delete -l team=interns")]
struct Delete {
    #[command(flatten)]
    choice: Choice,
    /// Allow so many deletions although they are a large part of all extensions
    ///
    /// Of 10 extensions or more, a plan that deletes more than 30 % ends with 7, and names the flag that allows it.
    #[arg(long, value_name = "N")]
    allow_deletes: Option<u32>,
    #[command(flatten)]
    manner: Manner,
}

/// Which extensions.
#[derive(Debug, Clone, clap::Args)]
struct Choice {
    /// Numbers, and ranges as `1000-1999`
    #[arg(value_name = "WHICH", required_unless_present = "label", add = ArgValueCompleter::new(complete::extensions))]
    which: Vec<String>,
    #[command(flatten)]
    selector: Selector,
}

/// Runs it.
pub fn run(args: &Extension, app: &mut App) -> Result<Exit, Failure> {
    match &args.verb {
        Verb::Enable(Enable { choice, manner }) => turn(true, choice, manner, app),
        Verb::Disable(Disable { choice, manner }) => turn(false, choice, manner, app),
        Verb::Set(args) => set(args, app),
        Verb::Passwd(args) => passwd::run(args, app),
        Verb::Delete(args) => delete(args, app),
    }
}

fn turn(on: bool, choice: &Choice, manner: &Manner, app: &mut App) -> Result<Exit, Failure> {
    let which = choose(&choice.which, &choice.selector.label)?;
    let chosen = which.among(app)?;
    manner.must_be_able_to_ask(app)?;
    let patches = chosen
        .into_iter()
        // One that is as it should be keeps its owner.
        .filter(|view| view.effective["enabled"] != json!(on))
        .map(|view| Patch {
            object: view.object,
            set: BTreeMap::from([("spec.enabled".to_owned(), json!(on))]),
            unset: BTreeSet::new(),
        });
    let request = PlanRequest { patches: patches.collect(), ..PlanRequest::default() };
    carry_out(request, manner, "Apply", app)
}

fn set(args: &Set, app: &mut App) -> Result<Exit, Failure> {
    let (assignments, words): (Vec<&String>, Vec<&String>) = args.words.iter().partition(|word| word.contains('='));
    let words: Vec<String> = words.into_iter().cloned().collect();
    if assignments.is_empty() {
        return Err(Failure::usage("set what? no field is named")
            .help("as in `pbxctl extension set 1000-1999 ringTimeout=30s`"));
    }
    if assignments.iter().any(|word| word.starts_with('=')) {
        return Err(Failure::usage("set what? there is no field before a `=`")
            .help("as in `ringTimeout=30s`; `pbxctl explain extension` lists the fields"));
    }
    if words.is_empty() && args.selector.label.is_empty() {
        return Err(Failure::usage("of which extensions? none is named")
            .help("numbers, ranges as `1000-1999`, or labels as `-l team=sales`"));
    }
    let which = choose(&words, &args.selector.label)?;
    let (wanted, scope) = fields_of(app, &assignments)?;
    let chosen = which.among(app)?;
    args.manner.must_be_able_to_ask(app)?;
    let patches = chosen.into_iter().filter_map(|view| {
        let there = fields(&view.meta, &view.spec);
        let set: BTreeMap<String, Json> = wanted
            .iter()
            .filter(|(path, value)| there.get(*path) != Some(value))
            .map(|(path, value)| (path.clone(), value.clone()))
            .collect();
        let within = |path: &str| {
            scope
                .iter()
                .any(|own| path.strip_prefix(own.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
        };
        let unset: BTreeSet<String> =
            there.keys().filter(|path| within(path) && !wanted.contains_key(*path)).cloned().collect();
        (!set.is_empty() || !unset.is_empty()).then_some(Patch { object: view.object, set, unset })
    });
    let request = PlanRequest { patches: patches.collect(), ..PlanRequest::default() };
    carry_out(request, &args.manner, "Apply", app)
}

fn delete(args: &Delete, app: &mut App) -> Result<Exit, Failure> {
    let which = choose(&args.choice.which, &args.choice.selector.label)?;
    let deletes = which.among(app)?.into_iter().map(|view| view.object).collect();
    args.manner.must_be_able_to_ask(app)?;
    let request = PlanRequest { deletes, allow_deletes: args.allow_deletes, ..PlanRequest::default() };
    carry_out(request, &args.manner, "Carry out", app)
}

fn carry_out(request: PlanRequest, manner: &Manner, verb: &'static str, app: &mut App) -> Result<Exit, Failure> {
    let plan = deploy::plan_by_hand(app, request, &[])?;
    deploy::carry_out(app, &plan, &manner.how(verb))
}

/// The fields that assignments set, by path, and those that they speak of. They are read as the header and a row of a table, so
/// that a field has one reader.
fn fields_of(app: &mut App, assignments: &[&String]) -> Result<(BTreeMap<String, Json>, Vec<String>), Failure> {
    let pairs: Vec<(&str, &str)> = assignments.iter().filter_map(|word| word.split_once('=')).collect();
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let row = |cells: &mut dyn Iterator<Item = &str>| cells.map(quoted).collect::<Vec<_>>().join(",");
    let header = row(&mut std::iter::once("name").chain(pairs.iter().map(|(field, _)| *field)));
    // Any number will do: what is read is the fields.
    let values = row(&mut std::iter::once("1").chain(pairs.iter().map(|(_, value)| *value)));
    let table = Table { sheet: Some(Kind::Extension.plural().into()), ..Table::default() };
    let parsed = pbx_manifest::parse(&[Source::rows(COMMAND_LINE, format!("{header}\n{values}\n"), table)]);
    let shown = pairs.iter().map(|(field, value)| {
        // Others may be looking.
        let covered = pbx_manifest::is_secret(field).then(|| COVER.to_string().repeat(value.len()));
        format!("{field}={}", covered.as_deref().unwrap_or(value))
    });
    app.sources = vec![Source::new(COMMAND_LINE, shown.collect::<Vec<_>>().join(" "))];
    let found: Vec<Diagnostic> = parsed.diagnostics.into_iter().map(|found| in_words(found, &pairs)).collect();
    if found.iter().any(Diagnostic::is_error) {
        let message = show::plural(found.len(), "field cannot be set so", "fields cannot be set so");
        return Err(Failure::usage(message).help("nothing was sent to pbxd").with(found));
    }
    let Some(document) = parsed.documents.into_iter().next() else {
        return Err(Failure::usage("no field is named"));
    };
    let scope = document.scope.map(|scope| scope.to_vec()).unwrap_or_default();
    Ok((fields(&document.meta, &document.fields), scope))
}

/// A finding about a cell as one about the word that it came from.
fn in_words(found: Diagnostic, pairs: &[(&str, &str)]) -> Diagnostic {
    // The first column is the name's; the first row is that of the fields.
    let (line, at) = found.position.as_ref().map_or((1, 0), |at| (at.line, at.column.saturating_sub(2)));
    let start: usize = pairs.iter().take(at).map(|(field, value)| field.len() + value.len() + 2).sum();
    let (field, value) = pairs.get(at).copied().unwrap_or_default();
    let (from, length) = if line == 1 { (start, field.len()) } else { (start + field.len() + 1, value.len()) };
    let place = Position {
        file: COMMAND_LINE.into(),
        line: 1,
        column: from + 1,
        bytes: (from, from + length),
        sheet: None,
        cell: None,
    };
    let mut found = Diagnostic { object: None, position: Some(place), ..found };
    match found.code.as_str() {
        "literal-secret" => {
            found.severity = Severity::Error;
            found.message = "a secret's value is not set on a command line: others can read it there".into();
            found.label = None;
            found.help = vec!["`pbxctl extension passwd` asks for it, or makes one".into()];
        }
        // The number's own column is the first.
        "repeated-column" if field == "name" => {
            found.message = "an extension's number is not set like a field".into();
            found.label = None;
            found.help = vec![
                "to give it another one, apply a manifest with the new `name` and the old one as `renamedFrom`".into(),
            ];
        }
        "repeated-column" => {
            found.message = format!("the field `{field}` is given twice");
            found.help = vec!["name it once".into()];
        }
        "unknown-field" => found.message = found.message.replace("column", "field"),
        _ if found.help.is_empty() => found.help.push(format!("`pbxctl explain extension.{field}` says what it takes")),
        _ => {}
    }
    found
}

/// Numbers, ranges and labels.
#[derive(Debug, PartialEq)]
struct Which {
    words: Vec<Word>,
    labels: Vec<(String, String)>,
}

#[derive(Debug, PartialEq)]
enum Word {
    One(String),
    /// From one number to another of as many digits, both included.
    Range(String, String),
}

fn choose(words: &[String], labels: &[String]) -> Result<Which, Failure> {
    let labels =
        labels.iter().filter_map(|label| label.split_once('=')).map(|(key, value)| (key.to_owned(), value.to_owned()));
    Ok(Which {
        words: words.iter().flat_map(|words| words.split(',')).map(word).collect::<Result<_, _>>()?,
        labels: labels.collect(),
    })
}

fn word(text: &str) -> Result<Word, Failure> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let text = text.strip_prefix("extension/").or_else(|| text.strip_prefix("ext/")).unwrap_or(text);
    if digits(text) {
        return Ok(Word::One(text.to_owned()));
    }
    let Some((from, to)) = text.split_once('-').filter(|(from, to)| digits(from) && digits(to)) else {
        return Err(Failure::usage(format!("`{}` names no extensions", text.escape_debug()))
            .help("a number as `1001`, or a range as `1000-1999`"));
    };
    if from.len() != to.len() {
        return Err(Failure::usage(format!(
            "`{text}` is no range: its ends have {} and {} digits",
            from.len(),
            to.len()
        ))
        .help("a range holds numbers of one length, as in `1000-1999`"));
    }
    if from > to {
        return Err(Failure::usage(format!("`{text}` is no range: it ends before it begins"))
            .help(format!("write `{to}-{from}`")));
    }
    Ok(Word::Range(from.to_owned(), to.to_owned()))
}

impl Which {
    /// The extensions that are meant, of those there are, by number. A word that means none is a slip.
    fn among(&self, app: &mut App) -> Result<Vec<ObjectView>, Failure> {
        let mut all = app.ask(async |client| client.objects(Some(Kind::Extension), &[]).await)?.objects;
        all.retain(|view| view.object.kind == Kind::Extension);
        all.sort_by(|a, b| a.object.cmp(&b.object));
        self.of(all)
    }

    fn of(&self, all: Vec<ObjectView>) -> Result<Vec<ObjectView>, Failure> {
        for word in &self.words {
            if !all.iter().any(|view| word.holds(view.object.name.as_str())) {
                return Err(word.unknown());
            }
        }
        let labelled =
            |view: &ObjectView| self.labels.iter().all(|(key, value)| view.meta.labels.get(key) == Some(value));
        let named = |view: &ObjectView| {
            self.words.is_empty() || self.words.iter().any(|word| word.holds(view.object.name.as_str()))
        };
        let chosen: Vec<ObjectView> = all.into_iter().filter(|view| labelled(view) && named(view)).collect();
        if chosen.is_empty() {
            let labels: Vec<String> = self.labels.iter().map(|(key, value)| format!("`{key}={value}`")).collect();
            return Err(Failure::failed(
                "notFound",
                format!("no extension of those has the label {}", labels.join(" and ")),
            )
            .help("`pbxctl get extensions -o wide` shows their labels"));
        }
        Ok(chosen)
    }
}

impl Word {
    fn holds(&self, number: &str) -> bool {
        match self {
            Self::One(one) => one == number,
            Self::Range(from, to) => number.len() == from.len() && (from.as_str()..=to.as_str()).contains(&number),
        }
    }

    /// No other number is proposed: each is near to somebody's, and whoever types it has theirs changed.
    fn unknown(&self) -> Failure {
        let message = match self {
            Self::One(one) => format!("there is no extension `{one}`"),
            Self::Range(from, to) => format!("there is no extension from {from} to {to}"),
        };
        Failure::failed("notFound", message).help("`pbxctl get extensions` lists those there are")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pbx_manifest::Meta;

    fn view(name: &str, team: &str) -> ObjectView {
        ObjectView {
            object: name.parse().unwrap(),
            meta: Meta { labels: BTreeMap::from([("team".into(), team.into())]), protected: false },
            spec: json!({}),
            effective: json!({}),
            inherited: BTreeMap::new(),
            owner: "default".into(),
            owners: BTreeMap::new(),
            revision: 1,
        }
    }

    fn chosen(words: &[&str], labels: &[&str]) -> Result<Vec<String>, String> {
        let own = |all: &[&str]| all.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let all = ["099", "1001", "1002", "1010", "10010"].iter().zip(["sales", "sales", "it", "it", "sales"]);
        let all = all.map(|(name, team)| view(&format!("extension/{name}"), team)).collect();
        let which = choose(&own(words), &own(labels)).map_err(|failure| failure.message)?;
        let views = which.of(all).map_err(|failure| failure.message)?;
        Ok(views.into_iter().map(|view| view.object.name.to_string()).collect())
    }

    #[test]
    fn numbers_ranges_and_labels_choose() {
        for (words, labels, numbers) in [
            (&["1002"][..], &[][..], &["1002"][..]),
            (&["1000-1009"], &[], &["1001", "1002"]),
            (&["1000-1009", "1010", "1001"], &[], &["1001", "1002", "1010"]),
            (&["090-099", "extension/1010"], &[], &["099", "1010"]),
            (&[], &["team=it"], &["1002", "1010"]),
            (&["1000-1009"], &["team=it"], &["1002"]),
        ] {
            assert_eq!(chosen(words, labels).unwrap(), numbers, "{words:?} {labels:?}");
        }
        for (words, labels, message) in [
            (&["1003"][..], &[][..], "there is no extension `1003`"),
            (&["1001", "2000-2999"], &[], "there is no extension from 2000 to 2999"),
            (&["1001"], &["team=it"], "no extension of those has the label `team=it`"),
            (&["100-1999"], &[], "`100-1999` is no range: its ends have 3 and 4 digits"),
            (&["1999-1000"], &[], "`1999-1000` is no range: it ends before it begins"),
            (&["ana"], &[], "`ana` names no extensions"),
            (&["1000-"], &[], "`1000-` names no extensions"),
        ] {
            assert_eq!(chosen(words, labels).unwrap_err(), message);
        }
    }
}
