//! Secrets in tables: covered wherever a row is shown.

use std::collections::HashSet;

use super::FORMS;
use super::columns::{Shape, columns};
use super::layout::{Head, Layout, Target};
use super::rows::Rows;
use crate::kind::Kind;
use crate::source::Source;

/// The fields that are secrets, of whatever kind.
fn secrets() -> HashSet<String> {
    let all = Kind::ALL.iter().flat_map(|kind| columns(*kind));
    all.filter(|column| column.shape == Shape::Secret).map(|column| column.path).collect()
}

/// Whether a column's cells are secrets, of whatever kind.
pub fn is_secret(title: &str) -> bool {
    secrets().contains(title.strip_prefix("spec.").unwrap_or(title))
}

/// Covers the secrets that stand in the open in a table, byte by byte: a message about a row shows all of it. Where cells stand does
/// not change.
pub fn mask(source: &mut Source) {
    let Some(layout) = source.table.is_some().then(|| Layout::of(source)).flatten() else { return };
    let known = secrets();
    let secret = |head: &Head| matches!(&head.target, Target::Field(path) if known.contains(path));
    let secrets: Vec<usize> = (0..layout.heads.len()).filter(|at| secret(&layout.heads[*at])).collect();
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
