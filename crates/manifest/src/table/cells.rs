//! A row's cells as the values that their columns make of them.

use std::borrow::Cow;
use std::sync::Arc;

use super::columns::{Column, Shape};
use super::layout::{Layout, PROTECTED, Target};
use super::rows::{Cell, Row};
use super::{EMPTY, FORMS};
use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::yaml::{self, Key, Node, Value};

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

/// What the rows of one kind are made of.
pub(super) struct Form {
    pub(super) slots: Vec<(String, Slot)>,
    /// The fields that have a column.
    pub(super) scope: Arc<[String]>,
}

/// A value of a row: in one cell, or of several.
pub(super) enum Slot {
    Cell(usize, Shape),
    Group(Vec<(String, Slot)>),
}

/// What the rows of a kind are made of.
pub(super) fn form(layout: &Layout, columns: &[Column]) -> Form {
    let mut slots = Vec::new();
    let mut scope = Vec::new();
    for (at, head) in layout.heads.iter().enumerate() {
        match &head.target {
            Target::Label(label) => scope.push(format!("metadata.labels.{label}")),
            // What a name was is no field that is kept.
            Target::Meta(PROTECTED) => scope.push("metadata.protected".into()),
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
pub(super) fn entries<'r>(
    slots: &[(String, Slot)],
    row: &'r Row<'_>,
    at: u32,
    wrong: &mut Vec<(usize, Diagnostic)>,
) -> Vec<(Key<'r>, Node<'r>)> {
    let mut all = Vec::with_capacity(slots.len());
    for (key, slot) in slots {
        let node = match slot {
            Slot::Cell(column, shape) => {
                let Some(cell) = row.cells.get(*column).filter(|cell| !cell.words().is_empty()) else { continue };
                match value(cell, *shape, Span { start: at, end: *column as u32 }) {
                    Ok(node) => node,
                    Err(diagnostic) => {
                        wrong.push((*column, *diagnostic));
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
pub(super) fn value<'r>(cell: &'r Cell<'_>, shape: Shape, span: Span) -> Result<Node<'r>, Box<Diagnostic>> {
    let text = cell.words();
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
            let items = text.split(';').map(|item| item.trim_matches(' ')).filter(|item| !item.is_empty());
            Node { span, value: Value::List(items.map(|item| scalar(item, false)).collect()) }
        }
        Shape::Secret if FORMS.contains(&text) => {
            let key = Key { text: Cow::Borrowed(text), span };
            Node { span, value: Value::Map(vec![(key, scalar("true", true))]) }
        }
        Shape::Secret if text.starts_with('{') => parts(text, span)?,
        // A spreadsheet writes the first letter of a cell large: nobody means such a password.
        Shape::Secret if let Some(form) = FORMS.iter().find(|form| form.eq_ignore_ascii_case(text)) => {
            let message = format!("`{text}` would be the secret itself, and everybody could guess it");
            return Err(Box::new(Diagnostic::error("value", message).help(format!("did you mean `{form}`?"))));
        }
        // Of a secret, a space may be a part: what cannot be is said where it is used.
        Shape::Secret => scalar(&cell.text, false),
        Shape::Parts => parts(text, span)?,
    })
}

/// A text that says it is empty.
pub(super) fn unquote(node: &mut Node<'_>) {
    if let Value::Scalar { text, .. } = &mut node.value
        && text == EMPTY
    {
        *text = Cow::Borrowed("");
    }
}

/// What has parts of its own, in one cell.
fn parts(text: &str, span: Span) -> Result<Node<'_>, Box<Diagnostic>> {
    let (mut nodes, error) = yaml::read(text);
    match (nodes.pop(), error) {
        (Some(mut node), None) if nodes.is_empty() => {
            place(&mut node, span);
            Ok(node)
        }
        (_, error) => {
            let message = error.map_or_else(|| "this is not one value".to_owned(), |error| error.message);
            let help = "this field has parts of its own: its cell is YAML or JSON, as in `{ busy: extension/1002 }`";
            Err(Box::new(Diagnostic::error("yaml", message).help(help)))
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

/// A cell that Excel has spoilt: an error's words, or a number that it has shortened.
pub(super) fn spoilt(text: &str) -> Option<Diagnostic> {
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
