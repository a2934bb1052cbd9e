//! Manifests as they are written: one document after another, each an object of a kind.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::call_test::{CallTest, TestDocument};
use crate::check::check_among;
use crate::de::{self, Problem, Step, path_text};
use crate::diagnostic::{Diagnostic, nearest};
use crate::kind::{AnySpec, Catalog, Kind, ObjectRef};
use crate::locate::{Locator, find, locate};
use crate::record::Meta;
use crate::secret::{self, Secret};
use crate::source::{Lines, Source, Span};
use crate::table::{self, Layout};
use crate::text::{Name, Refused, refuse, text_value};
use crate::yaml::{self, Key, Node, Value};

/// The version of the manifest language.
pub const API_VERSION: &str = "pbx/v1";

/// How many mistakes of one document are reported before giving up on it.
const MOST_ERRORS: usize = 100;

/// The code of what is wrong with a document's version.
const VERSION: &str = "api-version";

/// Whether a mistake keeps a document from meaning what it will mean: where its version alone is wrong, all else is as it should be.
fn spoils(mistake: &Diagnostic) -> bool {
    mistake.is_error() && mistake.code != VERSION
}

/// A label's value: letters, digits and `. _ -`, at most 63.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label(String);

impl std::str::FromStr for Label {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        if text.len() <= 63 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
            return Ok(Self(text.to_owned()));
        }
        refuse(format!("`{}` is not a label's value", text.escape_debug()), "letters, digits and `. _ -`, at most 63")
    }
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(Label, "Label", "text", { "pattern": "^[A-Za-z0-9._-]{0,63}$" });

/// What a document says of its object besides the spec.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// The object's name.
    pub name: Name,
    /// Words to select objects by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<Name, Label>,
    /// Refuse to delete the object, until this is taken away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub protected: bool,
    /// The name the object has had until now: it keeps its fields, secrets and history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<Name>,
}

/// Where a document was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// Which of the sources.
    pub source: usize,
    /// The first character of the YAML document; in a table, the row, from 0.
    pub at: u32,
    /// Which of the document's objects, where it is a list of them.
    pub item: u32,
}

/// One manifest, read and typed.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Where it was read.
    pub origin: Origin,
    /// The object it declares.
    pub object: ObjectRef,
    /// Its labels, and whether it is protected.
    pub meta: Meta,
    /// The name it has had until now.
    pub renamed_from: Option<Name>,
    /// Its spec, defaults included.
    pub spec: AnySpec,
    /// Only the fields that were written, in their normal form.
    pub fields: Json,
    /// The fields that it speaks of, by path, where it does not speak of all: a row speaks of its columns.
    pub scope: Option<Arc<[String]>>,
}

/// What came out of reading manifests.
#[derive(Debug, Default)]
pub struct Parsed {
    /// The documents without mistakes of their own.
    pub documents: Vec<Document>,
    /// The call tests without mistakes of their own: read with manifests, and no part of the system.
    pub tests: Vec<TestDocument>,
    /// Every mistake, with positions.
    pub diagnostics: Vec<Diagnostic>,
    /// What is left of documents whose bad values were taken out.
    broken: Vec<Document>,
    /// Documents of which no more than the name is known, or not even that.
    pub(crate) lost: Vec<Option<String>>,
}

impl Parsed {
    /// The documents as a system of its own.
    pub fn catalog(&self) -> Catalog {
        self.documents.iter().collect()
    }

    /// What is wrong between the objects, taken as a whole system, with positions. Of documents with mistakes it says what stays
    /// true whatever the right values are: a reference to nothing, a number that is taken. A system without
    /// mistakes so far is checked by `all`. Secrets in the open that are soon guessed are told too.
    pub fn check(&self, sources: &[Source], all: impl FnOnce(&Catalog) -> Vec<Diagnostic>) -> Vec<Diagnostic> {
        let whole = !self.diagnostics.iter().any(spoils);
        let mut found = if whole {
            all(&self.catalog())
        } else {
            let broken: HashSet<&ObjectRef> = self.broken.iter().map(|document| &document.object).collect();
            let mut found = check_among(&self.documents.iter().chain(&self.broken).collect(), &self.lost);
            found.retain(|finding| match finding.code.as_str() {
                // What was taken out of a list has moved its items: theirs would be pointed at in the wrong place.
                "missing-reference" => {
                    !finding.path.contains('[') || finding.object.as_ref().is_none_or(|object| !broken.contains(object))
                }
                "number-taken" | "address-taken" => {
                    finding.object.as_ref().is_none_or(|object| !broken.contains(object))
                }
                _ => false,
            });
            found
        };
        for document in &self.documents {
            for (path, secret) in document.spec.secrets() {
                if let Secret::Literal(value) = secret {
                    found.extend(secret::weakness(&document.object, &path, value));
                }
            }
        }
        locate(sources, self.documents.iter().chain(&self.broken), &mut found);
        found
    }
}

impl<'d> FromIterator<&'d Document> for Catalog {
    fn from_iter<T: IntoIterator<Item = &'d Document>>(documents: T) -> Self {
        let mut catalog = Self::default();
        for document in documents {
            catalog.insert(document.object.name.clone(), document.meta.labels.clone(), document.spec.clone());
        }
        catalog
    }
}

/// Reads every document of every source. All mistakes are found, not only the first.
pub fn parse(sources: &[Source]) -> Parsed {
    let mut parsed = Parsed::default();
    for (at, source) in sources.iter().enumerate() {
        let lines = Lines::new(source);
        if source.table.is_some() {
            table::parse(source, at, &lines, &mut parsed);
            continue;
        }
        let mut inherited = false;
        for (place, node) in manifests(yaml::Documents::new(&source.text)) {
            match node {
                Ok(node) => {
                    let mut reader = Reader { lines: &lines, parsed: &mut parsed, row: None };
                    reader.document(&node, Origin { source: at, ..place }, inherited);
                    // The first document's version holds for those that say none; that it says none either is told once.
                    inherited |= node.is_map();
                }
                Err(error) => {
                    let position = lines.position(error.span);
                    let mut diagnostic = Diagnostic::error("yaml", error.message).positioned(position);
                    diagnostic.help.extend(error.help);
                    parsed.diagnostics.push(diagnostic);
                    parsed.lost.push(None);
                    inherited = true;
                }
            }
        }
    }
    refuse_repeated(sources, &mut parsed);
    refuse_repeated_tests(sources, &mut parsed);
    parsed
}

/// The documents of a text, and where they stand in it. One that is a list of maps is as many documents: JSON, which has no `---`, has
/// several objects so.
pub(crate) fn manifests(
    mut documents: yaml::Documents<'_>,
) -> impl Iterator<Item = (Origin, Result<Node<'_>, yaml::YamlError>)> {
    std::iter::from_fn(move || documents.next().map(|document| (documents.start(), document))).flat_map(
        |(at, document)| {
            let nodes = match document {
                Ok(Node { value: Value::List(items), .. }) if items.iter().all(Node::is_map) => {
                    items.into_iter().map(Ok).collect()
                }
                other => vec![other],
            };
            (0..).map(move |item| Origin { source: 0, at, item }).zip(nodes)
        },
    )
}

/// An object that is declared twice has no meaning: both places are named.
fn refuse_repeated(sources: &[Source], parsed: &mut Parsed) {
    let mut seen: HashMap<&ObjectRef, Origin> = HashMap::with_capacity(parsed.documents.len());
    let mut locator = Locator::new(sources);
    let mut all: Vec<&Document> = parsed.documents.iter().chain(&parsed.broken).collect();
    if !parsed.broken.is_empty() {
        all.sort_by_key(|document| document.origin);
    }
    for document in all {
        if let Some(first) = seen.insert(&document.object, document.origin) {
            let mut diagnostic = Diagnostic::error("repeated-object", format!("{} is declared twice", document.object))
                .at(document.object.clone(), "metadata.name")
                .help("keep one of them");
            if let Some(at) = locator.locate(first, "metadata.name") {
                diagnostic.help.insert(0, format!("first declared at {at}"));
            }
            locator.place(document.origin, &mut diagnostic);
            parsed.diagnostics.push(diagnostic);
        }
    }
}

/// Tests are told apart by their names.
fn refuse_repeated_tests(sources: &[Source], parsed: &mut Parsed) {
    let mut seen: HashMap<&Name, Origin> = HashMap::with_capacity(parsed.tests.len());
    let mut locator = Locator::new(sources);
    for test in &parsed.tests {
        if let Some(first) = seen.insert(&test.name, test.origin) {
            let mut diagnostic = Diagnostic::error("repeated-object", format!("there are two tests `{}`", test.name))
                .help("give one of them another name");
            diagnostic.path = "metadata.name".into();
            if let Some(at) = locator.locate(first, "metadata.name") {
                diagnostic.help.insert(0, format!("first declared at {at}"));
            }
            locator.place(test.origin, &mut diagnostic);
            parsed.diagnostics.push(diagnostic);
        }
    }
}

/// Reads documents from their nodes.
pub(crate) struct Reader<'r, 's> {
    pub(crate) lines: &'r Lines<'s>,
    pub(crate) parsed: &'r mut Parsed,
    /// The columns of the table that the documents are rows of, and the fields that these speak of.
    pub(crate) row: Option<(&'r Layout, Option<&'r Arc<[String]>>)>,
}

impl Reader<'_, '_> {
    fn add(&mut self, span: Span, mut diagnostic: Diagnostic) {
        // A message repeats what was written; of ten thousand letters, some say enough.
        shorten(&mut diagnostic.message);
        diagnostic.help.iter_mut().for_each(shorten);
        if let Some(title) = self.row.and_then(|(layout, _)| layout.title(span)) {
            diagnostic.label.get_or_insert_with(|| title.to_owned());
        }
        self.parsed.diagnostics.push(diagnostic.positioned(self.lines.position(span)));
    }

    /// Reads a document into what was parsed: it is whole, broken or lost.
    pub(crate) fn document(&mut self, node: &Node<'_>, origin: Origin, inherited: bool) {
        if is_test(node) {
            return self.test(node, origin, inherited);
        }
        let before = self.parsed.diagnostics.len();
        let document = self.read(node, origin, inherited);
        let wrong = self.parsed.diagnostics[before..].iter().any(spoils);
        match document {
            Some(document) if wrong => self.parsed.broken.push(document),
            Some(document) => self.parsed.documents.push(document),
            None => self.parsed.lost.push(name_of(node)),
        }
    }

    /// Reads a call test. One with mistakes is left out: whatever it says, the system is the same.
    fn test(&mut self, node: &Node<'_>, origin: Origin, inherited: bool) {
        let before = self.parsed.diagnostics.len();
        self.known_parts(node);
        self.version(node, inherited);
        let metadata = self.metadata(node);
        let nothing = Node { span: node.span, value: Value::Map(Vec::new()) };
        let spec_node = node.get("spec").unwrap_or(&nothing);
        let spec_key = node.key("spec").or_else(|| node.key("kind"));
        let test = self.value(spec_node, spec_key, "spec", None, de::from_node::<CallTest>);
        if self.parsed.diagnostics[before..].iter().any(spoils) {
            return;
        }
        let (Some(metadata), Some(test)) = (metadata, test) else { return };
        if test.expect.is_empty() {
            let span = find(node, "spec.expect").map_or(node.span, |found| found.1);
            self.add(
                span,
                Diagnostic::error("empty", "this test expects nothing").help(
                    "as in `expect: { path: [did/+351210001000, voicemail/general] }`, or `expect: { end: answered }`",
                ),
            );
            return;
        }
        let labels = metadata.labels.into_iter().map(|(key, value)| (key.to_string(), value.0)).collect();
        self.parsed.tests.push(TestDocument { origin, name: metadata.name, labels, test });
    }

    /// A document has four parts.
    fn known_parts(&mut self, node: &Node<'_>) {
        let Value::Map(entries) = &node.value else { return };
        for (key, _) in entries {
            const KNOWN: [&str; 4] = ["apiVersion", "kind", "metadata", "spec"];
            if !KNOWN.contains(&key.text.as_ref()) {
                self.add(key.span, unknown_field(&key.text, &KNOWN));
            }
        }
    }

    fn metadata(&mut self, node: &Node<'_>) -> Option<Metadata> {
        if let Some(metadata) = node.get("metadata") {
            return self.value(metadata, node.key("metadata"), "metadata", None, de::from_node::<Metadata>);
        }
        let Value::Map(entries) = &node.value else { return None };
        let at = entries.first().map_or(node.span, |(key, _)| key.span);
        self.add(
            at,
            Diagnostic::error("missing-field", "field `metadata` is missing").help("add `metadata: { name: … }`"),
        );
        None
    }

    fn read(&mut self, node: &Node<'_>, origin: Origin, inherited: bool) -> Option<Document> {
        if !node.is_map() {
            self.add(
                node.span,
                Diagnostic::error("not-a-manifest", "this is not a manifest")
                    .labelled("expected a map with `kind`, `metadata` and `spec`")
                    .help("`pbxctl explain extension` shows one"),
            );
            return None;
        }
        let before = self.parsed.diagnostics.len();
        self.known_parts(node);
        self.version(node, inherited);
        let kind = self.kind(node);
        let metadata = self.metadata(node);
        let (kind, metadata) = (kind?, metadata);
        if let Some(metadata) = &metadata
            && let Err(refused) = kind.check_name(&metadata.name)
        {
            let span =
                node.get("metadata").and_then(|metadata| metadata.get("name")).map_or(node.span, |name| name.span);
            self.add(span, refusal("name", &refused.0));
        }
        let nothing = Node { span: node.span, value: Value::Map(Vec::new()) };
        let spec_node = node.get("spec").unwrap_or(&nothing);
        let named = |found: &mut Vec<Diagnostic>, from: usize| {
            if let Some(metadata) = &metadata {
                for diagnostic in &mut found[from..] {
                    diagnostic.object.get_or_insert_with(|| ObjectRef::new(kind, metadata.name.clone()));
                }
            }
        };
        let spec_key = node.key("spec").or_else(|| node.key("kind"));
        let spec = self.value(spec_node, spec_key, "spec", Some(kind), |node| AnySpec::from_node(kind, node));
        named(&mut self.parsed.diagnostics, before);
        let (metadata, spec) = (metadata?, spec?);
        let wrong = self.parsed.diagnostics[before..].iter().any(Diagnostic::is_error);
        for (path, secret) in spec.secrets() {
            if matches!(secret, Secret::Literal(_)) && !wrong {
                let path = format!("spec.{path}");
                let span = find(node, &path).map_or(node.span, |found| found.1);
                self.add(
                    span,
                    Diagnostic::warning("literal-secret", "a secret stands in the open here")
                        .at(ObjectRef::new(kind, metadata.name.clone()), path)
                        .labelled("everyone who reads this file can read it")
                        .help("use `{ generate: true }`, `{ env: NAME }` or `{ file: PATH }`"),
                );
            }
        }
        let fields = given(spec.to_json(), spec_node);
        Some(Document {
            origin,
            object: ObjectRef::new(kind, metadata.name),
            meta: Meta {
                labels: metadata.labels.into_iter().map(|(key, value)| (key.to_string(), value.0)).collect(),
                protected: metadata.protected,
            },
            renamed_from: metadata.renamed_from,
            spec,
            fields,
            scope: self.row.and_then(|(_, scope)| scope.cloned()),
        })
    }

    fn version(&mut self, node: &Node<'_>, inherited: bool) {
        match node.get("apiVersion") {
            Some(Node { value: Value::Scalar { text, .. }, .. }) if text == API_VERSION => {}
            Some(version) => self.add(
                version.span,
                Diagnostic::error(VERSION, "this version of manifests is not known")
                    .help(format!("write `apiVersion: {API_VERSION}`")),
            ),
            None if inherited => {}
            None => {
                let at = node.key("kind").map_or(node.span, |key| key.span);
                self.add(
                    at,
                    Diagnostic::error(VERSION, "field `apiVersion` is missing").help(format!(
                        "add `apiVersion: {API_VERSION}`; in the first document of a file, it holds for all of them"
                    )),
                );
            }
        }
    }

    fn kind(&mut self, node: &Node<'_>) -> Option<Kind> {
        match node.get("kind") {
            Some(Node { value: Value::Scalar { text, .. }, span }) => {
                if let Some(kind) = Kind::ALL.iter().copied().find(|kind| kind.title() == text) {
                    return Some(kind);
                }
                // Known by another of its words, it is refused, and the rest is read as what it is.
                let known = Kind::find(text);
                let near =
                    known.map(Kind::title).or_else(|| nearest(text, [CallTest::TITLE])).or_else(|| Kind::nearest(text));
                let help = match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!(
                        "the kinds are {}",
                        Kind::ALL.iter().map(|kind| kind.title()).collect::<Vec<_>>().join(", ")
                    ),
                };
                self.add(
                    *span,
                    Diagnostic::error("unknown-kind", format!("there is no kind `{}`", text.escape_debug()))
                        .labelled("not a kind")
                        .help(help),
                );
                known
            }
            Some(other) => {
                self.add(
                    other.span,
                    Diagnostic::error("unknown-kind", "a kind is a word").help("as in `kind: Extension`"),
                );
                None
            }
            None => {
                let Value::Map(entries) = &node.value else { return None };
                let at = entries.first().map_or(node.span, |(key, _)| key.span);
                self.add(
                    at,
                    Diagnostic::error("missing-field", "field `kind` is missing")
                        .help("add `kind: Extension`, or another kind"),
                );
                None
            }
        }
    }

    /// Reads a typed value; where that fails, takes the bad part out and reads on, so that every mistake is found. Gives what was
    /// read in the end.
    fn value<T>(
        &mut self,
        node: &Node<'_>,
        key: Option<&Key<'_>>,
        root: &str,
        kind: Option<Kind>,
        read: impl Fn(&Node<'_>) -> Result<T, de::Error>,
    ) -> Option<T> {
        let first = match read(node) {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        let mut rest = node.clone();
        let mut taken_out: Vec<Vec<Step>> = Vec::new();
        let mut error = first;
        for _ in 0..MOST_ERRORS {
            let path = error.path();
            // A field that is missing only because its bad value was taken out has been reported.
            let consequence = matches!(&error.problem, Problem::MissingField(field)
                if taken_out.iter().any(|taken| taken.len() == path.len() + 1 && taken.starts_with(&path)
                    && matches!(taken.last(), Some(Step::Key(key)) if nearest(key, [*field]).is_some())));
            // A map whose only field was taken out is not to blame for being empty.
            let emptied = taken_out.iter().any(|taken| taken.len() == path.len() + 1 && taken.starts_with(&path))
                && is_emptied(&rest, &path);
            if !consequence && !emptied {
                let written = as_written(path.clone(), &taken_out);
                let full: Vec<Step> = std::iter::once(Step::Key(root.to_owned())).chain(written).collect();
                let here = path.is_empty() && matches!(error.problem, Problem::MissingField(_));
                let span = match (error.span, key) {
                    (Some(span), _) if !here => span,
                    (_, Some(key)) => key.span,
                    (span, None) => span.unwrap_or(node.span),
                };
                let mut diagnostic = describe(&error, &full, kind);
                diagnostic.path = path_text(&full);
                let span = match (self.row, &error.problem) {
                    (Some((layout, _)), Problem::MissingField(field)) => {
                        let (span, help) = layout.missing(node.span.start, &format!("{}.{field}", diagnostic.path));
                        diagnostic.help = vec![help];
                        span
                    }
                    _ => span,
                };
                self.add(span, diagnostic);
            }
            if !take_out(&mut rest, &path) {
                break;
            }
            taken_out.push(path);
            match read(&rest) {
                Ok(value) => return Some(value),
                Err(next) => error = next,
            }
        }
        None
    }
}

/// The place of a value in the document as it was, from its place in what is left of it: items that were taken out of a list have
/// moved those behind them.
fn as_written(mut path: Vec<Step>, taken_out: &[Vec<Step>]) -> Vec<Step> {
    for taken in taken_out.iter().rev() {
        let Some((Step::Index(gone), list)) = taken.split_last() else { continue };
        if path.starts_with(list)
            && let Some(Step::Index(at)) = path.get_mut(list.len())
            && *at >= *gone
        {
            *at += 1;
        }
    }
    path
}

/// Reads the spec of an object from JSON, as records keep it and as an API's caller sends it. What cannot be read is told with its
/// field, and in the words in which a manifest's reader tells it.
pub fn read_spec(object: &ObjectRef, json: &Json) -> Result<AnySpec, Box<Diagnostic>> {
    AnySpec::from_json(object.kind, json).map_err(|error| {
        Box::new(match AnySpec::from_node(object.kind, &Node::of(json)) {
            Err(error) => {
                let full: Vec<Step> = std::iter::once(Step::Key("spec".to_owned())).chain(error.path()).collect();
                let mut diagnostic = describe(&error, &full, Some(object.kind));
                shorten(&mut diagnostic.message);
                diagnostic.help.iter_mut().for_each(shorten);
                diagnostic.at(object.clone(), path_text(&full))
            }
            // What JSON tells apart and YAML does not, as a number from its digits.
            Ok(_) => refusal("value", &error.to_string()).at(object.clone(), "spec"),
        })
    })
}

/// Whether a map at a path has nothing left in it.
fn is_emptied(node: &Node<'_>, path: &[Step]) -> bool {
    match (&node.value, path.split_first()) {
        (Value::Map(entries), None) => entries.is_empty(),
        (Value::Map(_), Some((Step::Key(key), rest))) => node.get(key).is_some_and(|inner| is_emptied(inner, rest)),
        (Value::List(items), Some((Step::Index(at), rest))) => {
            items.get(*at).is_some_and(|inner| is_emptied(inner, rest))
        }
        _ => false,
    }
}

/// Removes the value at a path; false when there is nothing to remove.
fn take_out(node: &mut Node<'_>, path: &[Step]) -> bool {
    let Some((first, rest)) = path.split_first() else { return false };
    match (&mut node.value, first) {
        (Value::Map(entries), Step::Key(key)) => {
            let Some(at) = entries.iter().position(|(k, _)| k.text == *key) else { return false };
            if rest.is_empty() || !take_out(&mut entries[at].1, rest) {
                entries.remove(at);
            }
            true
        }
        (Value::List(items), Step::Index(at)) if *at < items.len() => {
            // An item that is replaced keeps the indexes of those behind it; but its type is unknown here, so it goes.
            if rest.is_empty() || !take_out(&mut items[*at], rest) {
                items.remove(*at);
            }
            true
        }
        _ => false,
    }
}

/// Whether a document is a call test.
fn is_test(node: &Node<'_>) -> bool {
    matches!(node.get("kind"), Some(Node { value: Value::Scalar { text, .. }, .. }) if text == CallTest::TITLE)
}

/// The name that a document gives, whatever else is wrong with it.
fn name_of(node: &Node<'_>) -> Option<String> {
    match &node.get("metadata")?.get("name")?.value {
        Value::Scalar { text, .. } => Some(text.as_ref().to_owned()),
        _ => None,
    }
}

fn unknown_field(field: &str, known: &[&str]) -> Diagnostic {
    let diagnostic = Diagnostic::error("unknown-field", format!("unknown field `{}`", field.escape_debug()));
    match nearest(field, known.iter().copied()) {
        Some(near) => diagnostic.labelled("no such field").help(format!("did you mean `{near}`?")),
        None if known.is_empty() => diagnostic.labelled("no such field").help("there are no fields here"),
        None => diagnostic.labelled("no such field").help(format!(
            "the fields here are {}",
            known.iter().map(|field| format!("`{field}`")).collect::<Vec<_>>().join(", ")
        )),
    }
}

/// A refused value: the first line is the message, the others are help.
pub(crate) fn refusal(code: &str, text: &str) -> Diagnostic {
    let mut lines = text.lines();
    let mut diagnostic = Diagnostic::error(code, lines.next().unwrap_or_default());
    diagnostic.help.extend(lines.map(str::to_owned));
    diagnostic
}

/// Cuts the middle out of a long line.
fn shorten(line: &mut String) {
    if line.len() > 500 {
        let start: String = line.chars().take(200).collect();
        let end: String = line.chars().skip(line.chars().count().saturating_sub(100)).collect();
        *line = format!("{start} … {end}");
    }
}

/// A mistake in words: what is wrong, and what would be right.
fn describe(error: &de::Error, path: &[Step], kind: Option<Kind>) -> Diagnostic {
    let field = path.iter().rev().find_map(|step| if let Step::Key(key) = step { Some(key.as_str()) } else { None });
    let field = field.unwrap_or_default();
    // As `explain` wants it: `extension.callForward`.
    let explained = |last: &str| {
        let kind = kind?;
        let keys =
            path[1..].iter().filter_map(|step| if let Step::Key(key) = step { Some(key.as_str()) } else { None });
        let words = std::iter::once(kind.singular()).chain(keys).chain((!last.is_empty()).then_some(last));
        Some(words.collect::<Vec<_>>().join("."))
    };
    match &error.problem {
        Problem::Refused(text) => refusal("value", text),
        Problem::UnknownField { field, known } => unknown_field(field, known),
        Problem::UnknownVariant { variant, known } => {
            let diagnostic =
                Diagnostic::error("value", format!("`{}` is not accepted for `{field}`", variant.escape_debug()));
            match nearest(variant, known.iter().copied()) {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                None => diagnostic.help(format!(
                    "one of {}",
                    known.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
                )),
            }
        }
        Problem::MissingField(missing) => {
            let diagnostic = Diagnostic::error("missing-field", format!("field `{missing}` is missing"));
            match explained(missing) {
                Some(words) => diagnostic
                    .help(format!("add `{missing}: …` to `{field}`; `pbxctl explain {words}` says what it takes")),
                None => diagnostic.help(format!("add `{missing}: …` to `{field}`")),
            }
        }
        Problem::WrongType { found, expected } => {
            let diagnostic = Diagnostic::error("type", format!("expected {expected}, found {found}"));
            let word = found.strip_prefix("the text `").and_then(|rest| rest.strip_suffix('`'));
            match (expected.as_str(), word) {
                ("`true` or `false`", Some("yes" | "Yes" | "YES" | "on" | "On" | "True" | "TRUE" | "y")) => {
                    diagnostic.help("write `true`")
                }
                ("`true` or `false`", Some("no" | "No" | "NO" | "off" | "Off" | "False" | "FALSE" | "n")) => {
                    diagnostic.help("write `false`")
                }
                ("`true` or `false`", Some("true" | "false")) => diagnostic.help("leave the quotes out"),
                (expected, Some(word)) if expected.contains("number") && word.parse::<u64>().is_ok() => {
                    diagnostic.help("leave the quotes out")
                }
                ("a list", Some(word)) => diagnostic.help(format!("a list of one is written `{field}: [\"{word}\"]`")),
                ("a map of fields", _) => match explained("") {
                    Some(words) => diagnostic.help(format!("`pbxctl explain {words}` shows its fields")),
                    None => diagnostic,
                },
                _ => diagnostic,
            }
        }
    }
}

/// The part of a value's full form that was written: its own normal form, without the defaults around it.
fn given(mut full: Json, node: &Node<'_>) -> Json {
    if let (Json::Object(fields), Value::Map(_)) = (&mut full, &node.value) {
        fields.retain(|key, value| {
            let Some(written) = node.get(key) else { return false };
            *value = given(value.take(), written);
            true
        });
    }
    full
}
