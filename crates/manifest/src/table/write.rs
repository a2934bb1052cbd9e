//! Objects to rows of cells that, read again, say the same.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::columns::{Column, columns};
use super::layout::{PROTECTED, meta};
use crate::diagnostic::nearest;
use crate::kind::{Kind, ObjectRef};
use crate::record::{Meta, fields};

/// An object for a row: which one, what is said of it besides, and the fields that were named.
pub type Entry<'o> = (&'o ObjectRef, &'o Meta, &'o Json);

/// Rows under their header.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grid {
    /// The columns' titles.
    pub header: Vec<String>,
    /// The cells, as many in each row as there are titles.
    pub rows: Vec<Vec<String>>,
}

/// Objects as rows, in their order, under the columns that any of them names a field for: `kind`, `name`, labels by name, then
/// fields in the order of the manifest.
pub fn grid(objects: &[Entry<'_>]) -> Grid {
    let mut named: BTreeSet<String> = BTreeSet::new();
    let all: Vec<BTreeMap<String, Json>> = objects.iter().map(|(_, meta, spec)| fields(meta, spec)).collect();
    for path in all.iter().flat_map(BTreeMap::keys) {
        if !named.contains(path) {
            named.insert(path.clone());
        }
    }
    let mut header: Vec<String> = ["kind", "name"].map(str::to_owned).into();
    header.extend(named.iter().filter_map(|path| path.strip_prefix("metadata.")).map(str::to_owned));
    let kinds: BTreeSet<Kind> = objects.iter().map(|(object, _, _)| object.kind).collect();
    let columns: Vec<Column> = kinds.into_iter().flat_map(columns).collect();
    let known: BTreeSet<&str> = columns.iter().map(|column| column.path.as_str()).collect();
    // What is below names that somebody chose has no column of its own: the cell of all of them holds it.
    let mut named: BTreeSet<String> = named.into_iter().map(|path| in_column(path, &known)).collect();
    for column in columns {
        if named.remove(&format!("spec.{}", column.path)) {
            header.push(column.path);
        }
    }
    // A field that no schema knows would be lost silently.
    header.extend(named.iter().filter_map(|path| path.strip_prefix("spec.")).map(str::to_owned));
    filled(header, objects, &all)
}

/// Objects as rows, in their order, under the columns that were asked for. The error names the first that no kind among them has,
/// and what was probably meant.
pub fn grid_of(objects: &[Entry<'_>], kinds: &[Kind], titles: &[String]) -> Result<Grid, String> {
    let known: Vec<String> = kinds.iter().flat_map(|kind| columns(*kind)).map(|column| column.path).collect();
    for (at, title) in titles.iter().enumerate() {
        let path = title.strip_prefix("spec.").unwrap_or(title);
        let is_known = matches!(title.as_str(), "kind" | "name")
            || meta(title) == Some(PROTECTED)
            || label(title).is_some_and(|label| !label.is_empty())
            || known.iter().any(|known| known == path);
        if !is_known {
            let near = nearest(path, known.iter().map(String::as_str).chain(["kind", "name", PROTECTED]));
            let help = near.map_or_else(
                || {
                    "`pbxctl explain extension` shows an extension's fields; a label's column is `labels.team`"
                        .to_owned()
                },
                |near| format!("did you mean `{near}`?"),
            );
            return Err(format!("there is no column `{title}`\n{help}"));
        }
        if titles[..at].contains(title) {
            return Err(format!("the column `{title}` is asked for twice\nname it once"));
        }
    }
    let all: Vec<BTreeMap<String, Json>> = objects.iter().map(|(_, meta, spec)| fields(meta, spec)).collect();
    Ok(filled(titles.to_vec(), objects, &all))
}

/// The label that a column is of.
pub(super) fn label(title: &str) -> Option<&str> {
    title.strip_prefix("labels.").or_else(|| title.strip_prefix("metadata.labels."))
}

/// The path of the column that holds a path.
fn in_column(path: String, known: &BTreeSet<&str>) -> String {
    let mut above = path.strip_prefix("spec.").unwrap_or_default();
    while !known.contains(above) {
        match above.rsplit_once('.') {
            Some((shorter, _)) => above = shorter,
            None => return path,
        }
    }
    format!("spec.{above}")
}

fn filled(header: Vec<String>, objects: &[Entry<'_>], all: &[BTreeMap<String, Json>]) -> Grid {
    let paths: Vec<String> = header
        .iter()
        .map(|title| match (label(title), title.as_str()) {
            (Some(label), _) => format!("metadata.labels.{label}"),
            (None, field) if meta(field).is_some() => {
                format!("metadata.{}", field.strip_prefix("metadata.").unwrap_or(field))
            }
            (None, field) => format!("spec.{}", field.strip_prefix("spec.").unwrap_or(field)),
        })
        .collect();
    let rows = objects.iter().zip(all).map(|((object, _, spec), fields)| {
        let cell = |(title, path): (&String, &String)| match title.as_str() {
            "kind" => object.kind.title().to_owned(),
            "name" => object.name.to_string(),
            _ => fields.get(path).map_or_else(|| whole(spec, path), text),
        };
        header.iter().zip(&paths).map(cell).collect()
    });
    Grid { rows: rows.collect(), header }
}

/// A group of fields in one cell, where a column of it was asked for.
fn whole(spec: &Json, path: &str) -> String {
    let steps = path.strip_prefix("spec.").unwrap_or_default().split('.');
    steps
        .into_iter()
        .try_fold(spec, |value, step| value.get(step))
        .filter(|value| value.is_object())
        .map_or_else(String::new, text)
}

/// A value as a cell's text: lists of words are separated by `;`, what has parts of its own is JSON.
fn text(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        // An empty cell says nothing; this is the text that is empty.
        Json::String(text) if text.is_empty() => super::EMPTY.into(),
        Json::String(text) => text.clone(),
        Json::Array(items) => {
            let words: Option<Vec<&str>> =
                items.iter().map(|item| item.as_str().filter(|word| is_word(word))).collect();
            match words {
                Some(words) if !words.is_empty() => words.join(";"),
                _ => value.to_string(),
            }
        }
        Json::Object(form) if form.len() == 1 => match form.iter().next() {
            Some((word, Json::Bool(true))) if super::FORMS.contains(&word.as_str()) => word.clone(),
            _ => value.to_string(),
        },
        other => other.to_string(),
    }
}

fn is_word(word: &str) -> bool {
    !word.is_empty() && !word.contains(';') && word.trim_matches(' ') == word
}
