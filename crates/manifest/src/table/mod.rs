//! Tables: rows of a spreadsheet as manifests.
//!
//! A row becomes the same tree of nodes that a YAML document becomes, and goes the same way from there: typed values, checks,
//! messages. So there is one reader of values, and it never learns that it reads a cell. What is a table's own is here: which
//! column is which field, how a cell's text is a list or a truth, and that a row speaks of the fields that have a column and of no
//! others ([`crate::Declaration::scope`]).

mod columns;
mod rows;
mod write;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use columns::{Column, Shape, columns};
pub(crate) use rows::Rows;
use rows::{Cell, Row, is_name};
use write::label;
pub use write::{Entry, Grid, grid, grid_of};

use crate::diagnostic::{Diagnostic, nearest};
use crate::document::{Document, Origin, Reader, refusal};
use crate::kind::Kind;
use crate::source::{Lines, Source, Span};
use crate::text::Name;
use crate::yaml::{self, Key, Node, Value};

/// What a cell says whose text is empty; an empty cell says nothing.
const EMPTY: &str = "\"\"";

/// A secret's forms that a word alone stands for.
const FORMS: [&str; 2] = ["generate", "stored"];

/// What Excel and LibreOffice show where a formula has no value.
const ERRORS: [&str; 11] = [
    "#N/A",
    "#NAME?",
    "#REF!",
    "#VALUE!",
    "#DIV/0!",
    "#NULL!",
    "#NUM!",
    "#DATA!",
    "#SPILL!",
    "#CALC!",
    "#GETTING_DATA",
];

/// Whether a text's first row is the header of a table, for input that has no name to tell by.
pub fn is_table(text: &str) -> bool {
    let source = Source::rows(
        "",
        text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default(),
        crate::source::Table::default(),
    );
    let header = Rows::of(&source).next();
    header.is_some_and(|row| row.cells.len() > 1 && row.cells.iter().any(|cell| is_name(&cell.text)))
}

/// Whether a column's cells are secrets, of whatever kind.
pub fn is_secret(title: &str) -> bool {
    let path = title.strip_prefix("spec.").unwrap_or(title);
    let all = Kind::ALL.iter().flat_map(|kind| columns(*kind));
    all.into_iter().any(|column| column.path == path && column.shape == Shape::Secret)
}

/// Covers the secrets that stand in the open in a table, byte by byte: a message about a row shows all of it. Where cells stand does
/// not change.
pub fn mask(source: &mut Source) {
    let Some(layout) = source.table.is_some().then(|| Layout::of(source)).flatten() else { return };
    let secrets: Vec<usize> = (0..layout.heads.len()).filter(|at| is_secret(&layout.heads[*at].title)).collect();
    if secrets.is_empty() {
        return;
    }
    let mut covered = Vec::new();
    for row in Rows::of(source).skip(layout.row + 1) {
        for cell in secrets.iter().filter_map(|at| row.cells.get(*at)) {
            let text = cell.text.trim();
            if !text.is_empty() && !FORMS.contains(&text) && !text.starts_with('{') {
                covered.push(cell.bytes);
            }
        }
    }
    let mut bytes = std::mem::take(&mut source.text).into_bytes();
    for byte in covered.into_iter().flat_map(|(from, to)| from..to) {
        if !matches!(bytes[byte], b'"' | b'\n' | b'\r') {
            bytes[byte] = b'*';
        }
    }
    // Whole letters were covered, so it is text still.
    source.text = String::from_utf8(bytes).unwrap_or_default();
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Version,
    Kind,
    Name,
    Label(String),
    /// A path below `spec`.
    Field(String),
    /// Nothing: its title is empty, or has been complained about.
    Nothing,
}

/// A column of the header.
#[derive(Debug, Clone)]
struct Head {
    title: String,
    target: Target,
}

/// Which column is which.
#[derive(Debug)]
pub(crate) struct Layout {
    /// The header's row.
    row: usize,
    heads: Vec<Head>,
}

impl Layout {
    fn of(source: &Source) -> Option<Self> {
        let said = source.text.trim_start_matches('\u{feff}').starts_with("sep=");
        let (row, header) = Rows::of(source).enumerate().skip(usize::from(said)).find(|(_, row)| !row.is_blank())?;
        let heads = header.cells.iter().map(|cell| {
            let title = cell.text.trim();
            let target = match title {
                "" => Target::Nothing,
                "apiVersion" => Target::Version,
                "kind" => Target::Kind,
                title if is_name(title) => Target::Name,
                title => match label(title) {
                    Some(label) => Target::Label(label.to_owned()),
                    None => Target::Field(title.strip_prefix("spec.").unwrap_or(title).to_owned()),
                },
            };
            Head { title: title.to_owned(), target }
        });
        Some(Self { row, heads: heads.collect() })
    }

    fn find(&self, target: &Target) -> Option<usize> {
        self.heads.iter().position(|head| head.target == *target)
    }

    /// The column that holds a path (`spec.members[2]`), or a part of it; else that of names.
    pub(crate) fn column(&self, path: &str) -> usize {
        let path: String =
            path.split('.').map(|step| step.split('[').next().unwrap_or(step)).collect::<Vec<_>>().join(".");
        let name = self.find(&Target::Name).unwrap_or(0);
        if let Some(label) = label(&path) {
            return self.find(&Target::Label(label.to_owned())).unwrap_or(name);
        }
        let Some(path) = path.strip_prefix("spec.") else {
            return match path.as_str() {
                "kind" => self.find(&Target::Kind).unwrap_or(name),
                _ => name,
            };
        };
        let holds = |head: &Head| match &head.target {
            Target::Field(own) if within(path, own) => Some(0),
            Target::Field(own) if within(own, path) => Some(1),
            _ => None,
        };
        let found = self.heads.iter().enumerate().filter_map(|(at, head)| holds(head).map(|rank| (rank, at))).min();
        found.map_or(name, |(_, at)| at)
    }

    /// The title over a cell.
    pub(crate) fn title(&self, span: Span) -> Option<&str> {
        let head = self.heads.get(span.end as usize)?;
        (span.start as usize > self.row && !head.title.is_empty()).then_some(head.title.as_str())
    }

    /// A field that a row of this table lacks: where to fill it in, and how.
    pub(crate) fn missing(&self, row: u32, path: &str) -> (Span, String) {
        let column = self.heads.iter().position(|head| match &head.target {
            Target::Name => path == "metadata.name",
            Target::Field(own) => path.strip_prefix("spec.") == Some(own),
            _ => false,
        });
        let at = |column: usize| Span { start: row, end: column as u32 };
        match column {
            Some(column) => (at(column), "fill in this cell".into()),
            None => {
                let title = path.strip_prefix("spec.").unwrap_or(path);
                (at(self.column("metadata.name")), format!("add a column `{title}`"))
            }
        }
    }
}

/// Whether a path is another or below it.
fn within(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Finds the cells of a table.
#[derive(Debug)]
pub(crate) struct Cells {
    layout: Option<Layout>,
}

impl Cells {
    pub(crate) fn of(source: &Source) -> Self {
        Self { layout: Layout::of(source) }
    }

    /// The cell of a path in a row, and its title.
    pub(crate) fn find(&self, row: usize, path: &str) -> (Span, Option<&str>) {
        let column = self.layout.as_ref().map_or(0, |layout| layout.column(path));
        let span = Span { start: row as u32, end: column as u32 };
        (span, self.layout.as_ref().and_then(|layout| layout.title(span)))
    }
}

/// What the rows of one kind are made of.
struct Form {
    slots: Vec<(String, Slot)>,
    /// The fields that have a column.
    scope: Arc<[String]>,
}

/// A value of a row: in one cell, or of several.
enum Slot {
    Cell(usize, Shape),
    Group(Vec<(String, Slot)>),
}

/// Reads the rows of a source as documents.
pub(crate) fn parse(
    source: &Source,
    at: usize,
    lines: &Lines<'_>,
    documents: &mut Vec<Document>,
    found: &mut Vec<Diagnostic>,
) {
    let Some(mut layout) = Layout::of(source) else { return };
    let mut table = Reading { source, lines, found, secrets: BTreeMap::new() };
    if source.table.as_ref().is_some_and(|table| table.hidden) {
        let name = source.sheet().unwrap_or_default();
        let hidden =
            Diagnostic::warning("hidden-sheet", format!("the sheet `{name}` is hidden: its rows are left out"));
        table.add(layout.row, 0, hidden.help("unhide it to have them, or remove it"));
        return;
    }
    let Some(kinds) = table.header(&mut layout) else { return };
    table.rows(&layout, kinds, at, documents);
    table.tell_secrets();
}

struct Reading<'s> {
    source: &'s Source,
    lines: &'s Lines<'s>,
    found: &'s mut Vec<Diagnostic>,
    /// Secrets that stand in the open, by column: the first of them, and how many.
    secrets: BTreeMap<usize, (Diagnostic, usize)>,
}

/// The kinds of a table's rows, with their columns.
type Kinds = BTreeMap<Kind, Vec<Column>>;

impl Reading<'_> {
    fn add(&mut self, row: usize, column: usize, diagnostic: Diagnostic) {
        let span = Span { start: row as u32, end: column as u32 };
        self.found.push(diagnostic.positioned(self.lines.position(span)));
    }

    /// The kind of rows that do not say theirs.
    fn default_kind(&self) -> Option<Kind> {
        let table = self.source.table.as_ref()?;
        table.sheet.as_deref().and_then(Kind::find).or(table.kind)
    }

    /// Checks the header, and gives the kinds of its rows; nothing where it is of no use.
    fn header(&mut self, layout: &mut Layout) -> Option<Kinds> {
        let rows = Rows::of(self.source);
        if let Some(or) = rows.or {
            let word = |delimiter: u8| {
                if delimiter == b'\t' { "a tab".to_owned() } else { format!("`{}`", delimiter as char) }
            };
            self.add(
                layout.row,
                0,
                Diagnostic::error(
                    "delimiter",
                    format!(
                        "the cells of this header could be separated by {} or by {}",
                        word(rows.delimiter),
                        word(or)
                    ),
                )
                .help(format!(
                    "say which on a line above it, as in `sep={}`",
                    if or == b'\t' { ',' } else { or as char }
                )),
            );
            return None;
        }
        let kind_column = layout.find(&Target::Kind);
        let mut kinds: Kinds = self.default_kind().into_iter().map(|kind| (kind, columns(kind))).collect();
        if let Some(column) = kind_column {
            for row in rows.skip(layout.row + 1) {
                let word = row.cells.get(column).map_or("", |cell| cell.text.trim());
                if let Some(kind) = Kind::ALL.iter().copied().find(|kind| kind.title() == word) {
                    kinds.entry(kind).or_insert_with(|| columns(kind));
                }
            }
            if kinds.is_empty() {
                // No row has a kind that there is; the rows say so themselves.
                kinds = Kind::ALL.iter().map(|kind| (*kind, columns(*kind))).collect();
            }
        } else if kinds.is_empty() {
            self.add(
                layout.row,
                0,
                Diagnostic::error("missing-field", "which kind are these rows?")
                    .labelled("there is no column `kind`")
                    .help("name it with `--kind extension`, or in a column `kind`; a sheet can have it as its name"),
            );
            return None;
        }
        let before = self.found.len();
        self.titles(layout, &kinds);
        if layout.find(&Target::Name).is_none() && self.found.len() == before {
            self.add(
                layout.row,
                0,
                Diagnostic::error("missing-field", "there is no column `name`")
                    .labelled("read as the header")
                    .help("the first row names the fields, as in `name,displayName,email`"),
            );
        }
        layout.find(&Target::Name).map(|_| kinds)
    }

    /// Checks the titles one by one. A column without a field is not read.
    fn titles(&mut self, layout: &mut Layout, kinds: &Kinds) {
        let known: Vec<&str> = kinds.values().flatten().map(|column| column.path.as_str()).collect();
        for at in 0..layout.heads.len() {
            let Head { title, target } = layout.heads[at].clone();
            let wrong = match &target {
                Target::Nothing => continue,
                Target::Field(path) if !known.contains(&path.as_str()) && !is_secret_form(path, kinds) => {
                    Some(unknown_column(&title, path, &known, kinds))
                }
                Target::Label(key) => key.parse::<Name>().err().map(|refused| refusal("value", &refused.0)),
                _ => None,
            };
            let wrong = wrong.or_else(|| {
                let (other, earlier) = layout.heads[..at].iter().enumerate().find_map(|(at, head)| {
                    let overlap = match (&head.target, &target) {
                        (Target::Field(one), Target::Field(other)) => within(one, other) || within(other, one),
                        (one, other) => one == other,
                    };
                    overlap.then(|| (at, head.title.clone()))
                })?;
                let there = self.lines.position(Span { start: layout.row as u32, end: other as u32 });
                let message = if earlier == title {
                    format!("the column `{title}` is given twice")
                } else {
                    format!("the columns `{earlier}` and `{title}` hold the same field")
                };
                Some(
                    Diagnostic::error("repeated-column", message)
                        .help(format!("the other one is at {there}"))
                        .help("remove one of them: which one counts would be a guess"),
                )
            });
            if let Some(wrong) = wrong {
                layout.heads[at].target = Target::Nothing;
                self.add(layout.row, at, wrong);
            }
        }
    }

    fn rows(&mut self, layout: &Layout, kinds: Kinds, source: usize, documents: &mut Vec<Document>) {
        let forms: HashMap<Kind, Form> =
            kinds.into_iter().map(|(kind, columns)| (kind, form(layout, &columns))).collect();
        let kind_column = layout.find(&Target::Kind);
        let default = self.default_kind();
        let unread: HashMap<(u32, u32), &str> =
            self.source.table.iter().flat_map(|table| &table.unread).map(|(at, why)| (*at, why.as_str())).collect();
        let mut rows = Rows::of(self.source).enumerate().skip(layout.row + 1).peekable();
        while let Some((at, row)) = rows.next() {
            let has_unread = !unread.is_empty()
                && (0..layout.heads.len()).any(|column| unread.contains_key(&(at as u32, column as u32)));
            if row.is_blank() && !has_unread {
                continue;
            }
            let before = self.found.len();
            self.cells(layout, at, &row, &unread);
            if !row.ended
                && row.cells.len() < layout.heads.len()
                && self.source.sheet().is_none()
                && rows.peek().is_none()
            {
                self.add(
                    at,
                    row.cells.len(),
                    Diagnostic::error(
                        "cut",
                        format!(
                            "the last row has {} of {} cells, and no line break: is the file whole?",
                            row.cells.len(),
                            layout.heads.len()
                        ),
                    )
                    .help("add the cells that are missing, or a line break where they are meant to be empty"),
                );
            }
            let text =
                |column: Option<usize>| column.and_then(|at| row.cells.get(at)).map_or("", |cell| cell.text.trim());
            let word = text(kind_column);
            let kind = Kind::ALL.iter().copied().find(|kind| kind.title() == word);
            let kind = if word.is_empty() { default } else { kind };
            if word.is_empty() && kind.is_none() {
                self.add(
                    at,
                    kind_column.unwrap_or(0),
                    Diagnostic::error("missing-field", "which kind is this row?").labelled("kind").help(
                        "write `Extension` here, or another kind; `--kind` names that of rows that do not say theirs",
                    ),
                );
            }
            if self.found.len() > before {
                continue;
            }
            let form = kind.and_then(|kind| forms.get(&kind));
            let Some(node) = self.node(layout, at, &row, kind, form) else { continue };
            let mut reader = Reader { lines: self.lines, found: self.found, layout: Some(layout) };
            let document = reader.document(&node, Origin { source, index: at }, true);
            if let (Some(mut document), Some(form)) = (document, form) {
                document.scope = Some(form.scope.clone());
                documents.push(document);
            }
            self.take_secrets(before, layout);
        }
    }

    /// Finds cells that cannot be meant, whatever their field.
    fn cells(&mut self, layout: &Layout, at: usize, row: &Row<'_>, unread: &HashMap<(u32, u32), &str>) {
        for (column, cell) in row.cells.iter().enumerate() {
            if let Some(why) = cell.wrong {
                self.add(at, column, refusal("quotes", why));
                continue;
            }
            if let Some(why) = unread.get(&(at as u32, column as u32)) {
                self.add(at, column, refusal("cell", why));
                continue;
            }
            let text = cell.text.trim();
            if text.is_empty() {
                continue;
            }
            match layout.heads.get(column) {
                Some(Head { target: Target::Nothing, title }) if !title.is_empty() => {}
                None | Some(Head { target: Target::Nothing, .. }) => self.add(
                    at,
                    column,
                    Diagnostic::error("no-header", "this cell stands under no title").labelled("what is it?").help(
                        "name its field in the header, or empty the cell; text with the separator in it needs quotes",
                    ),
                ),
                Some(head) => {
                    if let Some(wrong) = spoilt(text) {
                        self.add(at, column, wrong.labelled(head.title.clone()));
                    }
                }
            }
        }
    }

    /// A row as the tree that its YAML would be.
    fn node<'r>(
        &mut self,
        layout: &Layout,
        at: usize,
        row: &'r Row<'_>,
        kind: Option<Kind>,
        form: Option<&Form>,
    ) -> Option<Node<'r>> {
        let name = layout.find(&Target::Name).unwrap_or(0);
        let cell = |column: usize| row.cells.get(column);
        let span = |column: usize| Span { start: at as u32, end: column as u32 };
        let key = |text: &str, column: usize| Key { text: Cow::Owned(text.to_owned()), span: span(column) };
        let text = |column: usize| {
            let text = cell(column).map_or("", |cell| cell.text.trim());
            (!text.is_empty())
                .then(|| Node { span: span(column), value: Value::Scalar { text: Cow::Borrowed(text), plain: false } })
        };
        let mut all = Vec::with_capacity(4);
        if let Some(column) = layout.find(&Target::Version)
            && let Some(version) = text(column)
        {
            all.push((key("apiVersion", column), version));
        }
        let column = layout.find(&Target::Kind);
        let word = column.and_then(text).unwrap_or_else(|| Node {
            span: span(column.unwrap_or(name)),
            value: Value::Scalar { text: Cow::Borrowed(kind.map_or("", Kind::title)), plain: false },
        });
        all.push((key("kind", column.unwrap_or(name)), word));
        let mut metadata: Vec<(Key<'r>, Node<'r>)> =
            text(name).map(|text| (key("name", name), text)).into_iter().collect();
        let mut labels = Vec::new();
        for (column, head) in layout.heads.iter().enumerate() {
            if let Target::Label(label) = &head.target
                && let Some(mut text) = text(column)
            {
                unquote(&mut text);
                labels.push((key(label, column), text));
            }
        }
        if !labels.is_empty() {
            metadata.push((key("labels", name), Node { span: span(name), value: Value::Map(labels) }));
        }
        all.push((key("metadata", name), Node { span: span(name), value: Value::Map(metadata) }));
        let mut wrong = Vec::new();
        let spec = form.map_or_else(Vec::new, |form| entries(&form.slots, row, at as u32, &mut wrong));
        all.push((key("spec", name), Node { span: span(name), value: Value::Map(spec) }));
        let good = wrong.is_empty();
        for (column, diagnostic) in wrong {
            let title = layout.heads[column].title.clone();
            self.add(at, column, diagnostic.labelled(title));
        }
        good.then_some(Node { span: span(name), value: Value::Map(all) })
    }

    /// Of a column of secrets in the open, one warning says enough.
    fn take_secrets(&mut self, from: usize, layout: &Layout) {
        for at in (from..self.found.len()).rev() {
            if self.found[at].code == "literal-secret" {
                let warning = self.found.remove(at);
                let column = layout.column(&warning.path);
                self.secrets.entry(column).or_insert((warning, 0)).1 += 1;
            }
        }
    }

    fn tell_secrets(&mut self) {
        for (mut warning, count) in std::mem::take(&mut self.secrets).into_values() {
            if count > 1 {
                warning.message = format!("{count} secrets stand in the open in this column");
            }
            warning.help = vec![
                "write `generate` in its cells, or leave the column out: pbxd makes secrets, and keeps them".into(),
            ];
            self.found.push(warning);
        }
    }
}

/// A column that only some secret has: `password.env` holds the names of variables.
fn is_secret_form(path: &str, kinds: &Kinds) -> bool {
    let Some((above, "env" | "file")) = path.rsplit_once('.') else { return false };
    kinds.values().flatten().any(|column| column.path == above && column.shape == Shape::Secret)
}

fn unknown_column(title: &str, path: &str, known: &[&str], kinds: &Kinds) -> Diagnostic {
    let diagnostic = Diagnostic::error("unknown-field", format!("unknown column `{}`", title.escape_debug()))
        .labelled("no such field");
    if title == "labels" {
        return diagnostic.help("a label has a column of its own, as `labels.team`");
    }
    let others = ["kind", "name"];
    let explain = kinds.keys().next().map_or("extension", |kind| kind.singular());
    // People write titles as words: `Display name`.
    let joined: String = path.split([' ', '-', '_']).collect();
    let near = nearest(path, others.into_iter().chain(known.iter().copied()))
        .or_else(|| nearest(&joined, known.iter().copied()));
    diagnostic.help(match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            format!("`pbxctl explain {explain}` shows the fields; to keep a column of notes, move it to another sheet")
        }
    })
}

/// A cell that Excel has spoilt: an error's words, or a number that it has shortened.
fn spoilt(text: &str) -> Option<Diagnostic> {
    if text.starts_with('#') && ERRORS.contains(&text) {
        return Some(
            Diagnostic::error("cell", format!("`{text}` is a formula's error, not a value"))
                .help("mend the formula, or write the value in its place"),
        );
    }
    let (digits, power) = text.split_once("E+")?;
    let shortened = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b',')
        && (1..=3).contains(&power.len())
        && power.bytes().all(|b| b.is_ascii_digit());
    shortened.then(|| {
        Diagnostic::error("cell", format!("`{text}` is a number that the spreadsheet has shortened"))
            .help("format the column as text, and write the number again: its last digits are lost here")
    })
}

/// What the rows of a kind are made of.
fn form(layout: &Layout, columns: &[Column]) -> Form {
    let mut slots = Vec::new();
    let mut scope = Vec::new();
    for (at, head) in layout.heads.iter().enumerate() {
        match &head.target {
            Target::Label(label) => scope.push(format!("metadata.labels.{label}")),
            Target::Field(path) => {
                let shape = columns.iter().find(|column| column.path == *path).map(|column| column.shape);
                // Another kind's field is an unknown one here, unless its cell is empty.
                put(&mut slots, path, Slot::Cell(at, shape.unwrap_or(Shape::Text)));
                let secret = path.rsplit_once('.').filter(|(above, _)| {
                    shape.is_none()
                        && columns.iter().any(|column| column.path == *above && column.shape == Shape::Secret)
                });
                match secret {
                    // A secret is one field, whatever its form.
                    Some((above, _)) => scope.push(format!("spec.{above}")),
                    None if shape.is_some() => scope.push(format!("spec.{path}")),
                    None => {}
                }
            }
            _ => {}
        }
    }
    Form { slots, scope: scope.into() }
}

fn put(slots: &mut Vec<(String, Slot)>, path: &str, slot: Slot) {
    let Some((first, rest)) = path.split_once('.') else {
        slots.push((path.to_owned(), slot));
        return;
    };
    let at = slots.iter().position(|(key, slot)| key == first && matches!(slot, Slot::Group(_))).unwrap_or_else(|| {
        slots.push((first.to_owned(), Slot::Group(Vec::new())));
        slots.len() - 1
    });
    if let Slot::Group(below) = &mut slots[at].1 {
        put(below, rest, slot);
    }
}

/// The fields of a row that have a value.
fn entries<'r>(
    slots: &[(String, Slot)],
    row: &'r Row<'_>,
    at: u32,
    wrong: &mut Vec<(usize, Diagnostic)>,
) -> Vec<(Key<'r>, Node<'r>)> {
    let mut all = Vec::with_capacity(slots.len());
    for (key, slot) in slots {
        let node = match slot {
            Slot::Cell(column, shape) => {
                let Some(cell) = row.cells.get(*column).filter(|cell| !cell.text.trim().is_empty()) else { continue };
                match value(cell, *shape, Span { start: at, end: *column as u32 }) {
                    Ok(node) => node,
                    Err(diagnostic) => {
                        wrong.push((*column, diagnostic));
                        continue;
                    }
                }
            }
            Slot::Group(below) => {
                let below = entries(below, row, at, wrong);
                let Some((first, _)) = below.first() else { continue };
                Node { span: first.span, value: Value::Map(below) }
            }
        };
        all.push((Key { text: Cow::Owned(key.clone()), span: node.span }, node));
    }
    all
}

/// A cell as a node.
fn value<'r>(cell: &'r Cell<'_>, shape: Shape, span: Span) -> Result<Node<'r>, Diagnostic> {
    let text = cell.text.trim();
    let scalar = |text: &'r str, plain: bool| Node { span, value: Value::Scalar { text: Cow::Borrowed(text), plain } };
    Ok(match shape {
        Shape::Text => {
            let mut node = scalar(text, false);
            unquote(&mut node);
            node
        }
        Shape::Number => scalar(text, text.parse::<i64>().is_ok()),
        Shape::Truth => match text.to_lowercase().as_str() {
            "true" | "yes" => scalar("true", true),
            "false" | "no" => scalar("false", true),
            _ => scalar(text, false),
        },
        Shape::Texts if text.starts_with('[') && serde_json::from_str::<Vec<String>>(text).is_ok() => {
            parts(text, span)?
        }
        Shape::Texts => {
            let items = text.split(';').map(str::trim).filter(|item| !item.is_empty());
            Node { span, value: Value::List(items.map(|item| scalar(item, false)).collect()) }
        }
        Shape::Secret if FORMS.contains(&text) => {
            let key = Key { text: Cow::Borrowed(text), span };
            Node { span, value: Value::Map(vec![(key, scalar("true", true))]) }
        }
        Shape::Secret if text.starts_with('{') => parts(text, span)?,
        // Of a secret, a space may be a part: what cannot be is said where it is used.
        Shape::Secret => scalar(&cell.text, false),
        Shape::Parts => parts(text, span)?,
    })
}

/// A text that says it is empty.
fn unquote(node: &mut Node<'_>) {
    if let Value::Scalar { text, .. } = &mut node.value
        && text == EMPTY
    {
        *text = Cow::Borrowed("");
    }
}

/// What has parts of its own, in one cell.
fn parts(text: &str, span: Span) -> Result<Node<'_>, Diagnostic> {
    let (mut nodes, error) = yaml::read(text);
    match (nodes.pop(), error) {
        (Some(mut node), None) if nodes.is_empty() => {
            place(&mut node, span);
            Ok(node)
        }
        (_, error) => {
            let message = error.map_or_else(|| "this is not one value".to_owned(), |error| error.message);
            Err(Diagnostic::error("yaml", message)
                .help("this field has parts of its own: its cell is YAML or JSON, as in `{ busy: extension/1002 }`"))
        }
    }
}

/// Puts a tree into a cell.
fn place(node: &mut Node<'_>, span: Span) {
    node.span = span;
    match &mut node.value {
        Value::Scalar { .. } => {}
        Value::List(items) => items.iter_mut().for_each(|item| place(item, span)),
        Value::Map(entries) => {
            for (key, value) in entries {
                key.span = span;
                place(value, span);
            }
        }
    }
}
