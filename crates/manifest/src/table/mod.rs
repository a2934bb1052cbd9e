//! Tables: rows of a spreadsheet as manifests.
//!
//! A row becomes the same tree of nodes that a YAML document becomes, and goes the same way from there: typed values, checks,
//! messages. So there is one reader of values, and it never learns that it reads a cell. What is a table's own is here: which
//! column is which field, how a cell's text is a list or a truth, and that a row speaks of the fields that have a column and of no
//! others ([`crate::Declaration::scope`]).

mod cells;
mod columns;
mod layout;
mod mask;
mod rows;
mod write;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use cells::{Form, entries, form, spoilt, unquote, value};
use columns::{Column, Shape, columns};
pub(crate) use layout::{Cells, Layout};
use layout::{Head, META, PROTECTED, Target, within};
pub use mask::{COVER, cover, is_secret, is_secret_path, mask};
pub(crate) use rows::Rows;
use rows::{Cell, Row, is_name};
pub use write::{Entry, Grid, grid, grid_of};

use crate::diagnostic::{Diagnostic, nearest};
use crate::document::{Origin, Parsed, Reader, refusal};
use crate::kind::Kind;
use crate::source::{Lines, Source, Span, Table};
use crate::text::Name;
use crate::yaml::{Key, Node, Value};

/// What a cell says whose text is empty; an empty cell says nothing.
const EMPTY: &str = "\"\"";

/// A secret's forms that a word alone stands for.
const FORMS: [&str; 2] = ["generate", "stored"];

/// How many columns a table may have.
const MOST_COLUMNS: usize = 1000;

/// Whether a text's first row is the header of a table, for input that has no name to tell by.
pub fn is_table(text: &str) -> bool {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    // JSON on one line has commas and names too.
    if first.trim_start().starts_with(['[', '{']) {
        return false;
    }
    let source = Source::rows("", first, Table::default());
    let header = Rows::of(&source).next();
    header.is_some_and(|row| row.cells.len() > 1 && row.cells.iter().any(|cell| is_name(&cell.text)))
}

/// Reads the rows of a source as documents.
pub(crate) fn parse(source: &Source, at: usize, lines: &Lines<'_>, parsed: &mut Parsed) {
    let Some(mut layout) = Layout::of(source) else { return };
    let mut table = Reading { source, lines, parsed, secrets: BTreeMap::new() };
    if source.table.as_ref().is_some_and(|table| table.hidden) {
        let name = source.sheet().unwrap_or_default();
        let hidden =
            Diagnostic::warning("hidden-sheet", format!("the sheet `{name}` is hidden: its rows are left out"));
        table.add(layout.row, 0, hidden.help("unhide it to have them, or remove it"));
        return;
    }
    let Some(kinds) = table.header(&mut layout) else {
        table.parsed.lost.push(None);
        return;
    };
    table.rows(&layout, kinds, at);
    table.tell_secrets();
}

struct Reading<'s> {
    source: &'s Source,
    lines: &'s Lines<'s>,
    parsed: &'s mut Parsed,
    /// Secrets that stand in the open, by column: the first of them, and how many.
    secrets: BTreeMap<usize, (Diagnostic, usize)>,
}

/// The kinds of a table's rows, with their columns.
type Kinds = BTreeMap<Kind, Vec<Column>>;

impl Reading<'_> {
    fn add(&mut self, row: usize, column: usize, diagnostic: Diagnostic) {
        let span = Span { start: row as u32, end: column as u32 };
        self.parsed.diagnostics.push(diagnostic.positioned(self.lines.position(span)));
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
        if layout.heads.len() > MOST_COLUMNS {
            self.add(
                layout.row,
                MOST_COLUMNS,
                Diagnostic::error("too-wide", format!("this table has {} columns", layout.heads.len()))
                    .help(format!("at most {MOST_COLUMNS}: no kind has as many fields")),
            );
            return None;
        }
        let kind_column = layout.find(&Target::Kind);
        let mut kinds: Kinds = self.default_kind().into_iter().map(|kind| (kind, columns(kind))).collect();
        if let Some(column) = kind_column {
            for row in rows.skip(layout.row + 1) {
                let word = row.cells.get(column).map_or("", Cell::words);
                if let Some(kind) = Kind::ALL.iter().copied().find(|kind| kind.title() == word) {
                    kinds.entry(kind).or_insert_with(|| columns(kind));
                }
            }
            if kinds.is_empty() {
                // No row has a kind that there is; the rows say so themselves.
                kinds = Kind::ALL.iter().map(|kind| (*kind, columns(*kind))).collect();
            }
        } else if kinds.is_empty() {
            if let Some(at) = layout.heads.iter().position(|head| head.title.eq_ignore_ascii_case("kind")) {
                let title = layout.heads[at].title.clone();
                let other = Diagnostic::error("unknown-field", format!("unknown column `{title}`"));
                self.add(
                    layout.row,
                    at,
                    other.help("did you mean `kind`? titles are written as fields are: `displayName`"),
                );
                return None;
            }
            self.add(
                layout.row,
                0,
                Diagnostic::error("missing-field", "which kind are these rows?")
                    .labelled("there is no column `kind`")
                    .help("name it with `--kind extension`, or in a column `kind`; a sheet can have it as its name"),
            );
            return None;
        }
        let before = self.parsed.diagnostics.len();
        self.titles(layout, &kinds);
        if layout.find(&Target::Name).is_none() && self.parsed.diagnostics.len() == before {
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

    fn rows(&mut self, layout: &Layout, kinds: Kinds, source: usize) {
        let forms: HashMap<Kind, Form> =
            kinds.into_iter().map(|(kind, columns)| (kind, form(layout, &columns))).collect();
        let (kind_column, name_column) = (layout.find(&Target::Kind), layout.find(&Target::Name));
        let default = self.default_kind();
        // Those without a title are nobody's business; those of the title itself are.
        let mut unread: HashMap<usize, Vec<(usize, &str)>> = HashMap::new();
        for ((row, column), why) in self.source.table.iter().flat_map(|table| &table.unread) {
            let (row, column) = (*row as usize, *column as usize);
            if row <= layout.row || layout.heads.get(column).is_some_and(|head| !head.title.is_empty()) {
                unread.entry(row.max(layout.row)).or_default().push((column, why));
            }
        }
        for (column, why) in unread.get(&layout.row).into_iter().flatten() {
            self.add(layout.row, *column, refusal("cell", why));
        }
        let mut rows = Rows::of(self.source).enumerate().skip(layout.row + 1).peekable();
        while let Some((at, row)) = rows.next() {
            let unread = unread.get(&at).map_or(&[][..], Vec::as_slice);
            if row.is_blank() && unread.is_empty() {
                continue;
            }
            let before = self.parsed.diagnostics.len();
            self.cells(layout, at, &row, unread);
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
            let text = |column: Option<usize>| column.and_then(|at| row.cells.get(at)).map_or("", Cell::words);
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
            if self.parsed.diagnostics.len() > before {
                self.parsed.lost.push(Some(text(name_column).to_owned()).filter(|name| !name.is_empty()));
                continue;
            }
            let form = kind.and_then(|kind| forms.get(&kind));
            let Some(node) = self.node(layout, at, &row, kind, form) else {
                self.parsed.lost.push(Some(text(name_column).to_owned()).filter(|name| !name.is_empty()));
                continue;
            };
            let row = Some((layout, form.map(|form| &form.scope)));
            let mut reader = Reader { lines: self.lines, parsed: self.parsed, row };
            reader.document(&node, Origin { source, at: at as u32, item: 0 }, true);
            self.take_secrets(before, layout);
        }
    }

    /// Finds cells that cannot be meant, whatever their field.
    fn cells(&mut self, layout: &Layout, at: usize, row: &Row<'_>, unread: &[(usize, &str)]) {
        for (column, why) in unread {
            let title = layout.heads[*column].title.clone();
            self.add(at, *column, refusal("cell", why).labelled(title));
        }
        if let Some((column, why)) = row.cells.iter().enumerate().find_map(|(at, cell)| Some((at, cell.wrong?))) {
            // What follows in the row was perhaps cut at the wrong places.
            self.add(at, column, refusal("quotes", why));
            return;
        }
        let titled = |column: usize| layout.heads.get(column).is_some_and(|head| !head.title.is_empty());
        let filled = |column: &usize| !row.cells[*column].text.trim().is_empty();
        let mut stray = (0..row.cells.len()).filter(|column| !titled(*column)).filter(filled);
        if let Some(first) = stray.next() {
            let message = match stray.count() {
                0 => "this cell stands under no title".to_owned(),
                more => format!("this cell and {more} more of its row stand under no title"),
            };
            let stray = Diagnostic::error("no-header", message).labelled("what is it?");
            let help = "name its field in the header, or empty the cell; text with the separator in it needs quotes";
            self.add(at, first, stray.help(help));
        }
        for (column, head) in layout.heads.iter().enumerate().filter(|(_, head)| head.target != Target::Nothing) {
            let text = row.cells.get(column).map_or("", |cell| cell.text.trim());
            if !unread.iter().any(|(unread, _)| *unread == column)
                && let Some(wrong) = spoilt(text)
            {
                self.add(at, column, wrong.labelled(head.title.clone()));
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
            let text = cell(column).map_or("", Cell::words);
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
            match &head.target {
                Target::Label(label) => {
                    if let Some(mut text) = text(column) {
                        unquote(&mut text);
                        labels.push((key(label, column), text));
                    }
                }
                Target::Meta(field) => {
                    let shape = if *field == PROTECTED { Shape::Truth } else { Shape::Text };
                    let cell = row.cells.get(column).filter(|cell| !cell.words().is_empty());
                    if let Some(Ok(value)) = cell.map(|cell| value(cell, shape, span(column))) {
                        metadata.push((key(field, column), value));
                    }
                }
                _ => {}
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
        for at in (from..self.parsed.diagnostics.len()).rev() {
            if self.parsed.diagnostics[at].code == "literal-secret" {
                let warning = self.parsed.diagnostics.remove(at);
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
            self.parsed.diagnostics.push(warning);
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
    let others = ["kind", "name", META[0], META[1]];
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
