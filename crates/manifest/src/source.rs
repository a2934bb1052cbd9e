//! Where a manifest's words stand: files, spans in them, lines and columns.

use std::cell::OnceCell;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kind::Kind;
use crate::table::Rows;

/// A file of manifests as it was read: the name people know it by, and its text.
#[derive(Debug, Clone)]
pub struct Source {
    /// As shown in messages: a path, or `<stdin>`.
    pub name: String,
    /// The whole text.
    pub text: String,
    /// The text is rows of cells rather than YAML.
    pub table: Option<Table>,
}

/// What is known of a table besides its text, which is CSV: a spreadsheet's sheet is written out as such first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// The sheet that it is, of those in its file.
    pub sheet: Option<String>,
    /// The kind of rows that do not say theirs.
    pub kind: Option<Kind>,
    /// The sheet is hidden: its rows are not read, and that is said.
    pub hidden: bool,
    /// Cells that could not be read: row and column, from 0, and why; lines after the first are help.
    pub unread: Vec<((u32, u32), String)>,
}

impl Source {
    /// A source of YAML.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into(), table: None }
    }

    /// A source of rows.
    pub fn rows(name: impl Into<String>, text: impl Into<String>, table: Table) -> Self {
        Self { table: Some(table), ..Self::new(name, text) }
    }

    /// The row and the column, from 0, of the cell of a table that a byte of the text stands in.
    pub fn cell_at(&self, byte: usize) -> (u32, u32) {
        let found = Rows::of(self).enumerate().find(|(_, row)| byte <= row.bytes.1);
        let cell = found.map(|(at, row)| (at, row.cells.iter().position(|cell| byte <= cell.bytes.1).unwrap_or(0)));
        cell.map_or((0, 0), |(row, column)| (row as u32, column as u32))
    }

    /// The sheet that it is, of those in its file.
    pub fn sheet(&self) -> Option<&str> {
        self.table.as_ref()?.sheet.as_deref()
    }

    /// A source from bytes, which must be UTF-8.
    ///
    /// On bytes that are not, the error is the line (from 1) and column (from 1, in bytes) of the first bad one.
    pub fn from_bytes(name: impl Into<String>, bytes: Vec<u8>) -> Result<Self, (usize, usize)> {
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(name, text)),
            Err(error) => {
                let good = error.utf8_error().valid_up_to();
                let before = &error.as_bytes()[..good];
                let line_start = before.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
                Err((before.split(|b| *b == b'\n').count(), good - line_start + 1))
            }
        }
    }
}

/// A stretch of a source, in characters from its start (the unit of the YAML parser); in a table, a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First character; a cell's row, from 0.
    pub start: u32,
    /// One past the last character; a cell's column, from 0.
    pub end: u32,
}

/// A stretch of a file in the units that people and terminals use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Position {
    /// The file's name as it was given.
    pub file: String,
    /// Line, from 1; in a sheet, the row.
    pub line: usize,
    /// Column, from 1, in characters; in a table, that of the cell, so that 4 is column D.
    pub column: usize,
    /// Byte range in the file's text.
    pub bytes: (usize, usize),
    /// The sheet, in a file that has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    /// The cell in a table, as spreadsheets name it: `D731`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell: Option<String>,
}

impl fmt::Display for Position {
    /// `office.yaml:3:5`, or `people.xlsx: sheet People, cell D731`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.sheet, &self.cell) {
            (Some(sheet), Some(cell)) => write!(f, "{}: sheet {sheet}, cell {cell}", self.file),
            _ => write!(f, "{}:{}:{}", self.file, self.line, self.column),
        }
    }
}

/// A cell's name in a spreadsheet, from its row and column, from 0.
fn cell_name(row: usize, column: usize) -> String {
    let mut letters = Vec::new();
    let mut rest = column + 1;
    while rest > 0 {
        letters.push(b'A' + ((rest - 1) % 26) as u8);
        rest = (rest - 1) / 26;
    }
    letters.reverse();
    format!("{}{}", String::from_utf8_lossy(&letters), row + 1)
}

impl Source {
    /// Turns a span into file, line, column and bytes.
    pub fn position(&self, span: Span) -> Position {
        Lines::new(self).position(span)
    }
}

/// Where the lines of a source start: made at the first question, so that many findings in a large file cost one pass over it.
pub(crate) struct Lines<'s> {
    source: &'s Source,
    /// The first character of each line, and its byte; in a table, the first line of each row, and its byte.
    starts: OnceCell<Vec<(u32, usize)>>,
}

impl<'s> Lines<'s> {
    pub(crate) fn new(source: &'s Source) -> Self {
        Self { source, starts: OnceCell::new() }
    }

    /// Turns a span into file, line, column and bytes.
    pub(crate) fn position(&self, span: Span) -> Position {
        if self.source.table.is_some() {
            return self.cell(span.start as usize, span.end as usize);
        }
        let text = &self.source.text;
        let starts = self.starts.get_or_init(|| {
            let mut starts = vec![(0, 0)];
            let mut characters = 0;
            for (byte, c) in text.char_indices() {
                characters += 1;
                if c == '\n' {
                    starts.push((characters, byte + 1));
                }
            }
            starts
        });
        let line = starts.partition_point(|(first, _)| *first <= span.start).max(1);
        let (first, byte) = starts[line - 1];
        // A block's span runs up to the next token: only its first line is worth pointing at.
        let rest = text[byte..].split('\n').next().unwrap_or_default();
        // The parser counts some letters of directives twice: no column lies behind the line's end.
        let column = ((span.start - first) as usize).min(rest.chars().count());
        let at = |column: usize| rest.char_indices().nth(column).map_or(rest.len(), |(byte, _)| byte);
        let start = at(column);
        let end = at(column + (span.end.saturating_sub(span.start)) as usize).max(start);
        let end = start + rest[start..end].trim_end().len();
        Position {
            file: self.source.name.clone(),
            line,
            column: column + 1,
            bytes: (byte + start, byte + end),
            sheet: None,
            cell: None,
        }
    }

    /// Where a cell stands; one that is not there, where its row ends.
    fn cell(&self, row: usize, column: usize) -> Position {
        let text = &self.source.text;
        let rows = Rows::of(self.source);
        let starts = self.starts.get_or_init(|| {
            let mut starts = Vec::new();
            let (mut line, mut from) = (0, 0);
            for row in rows.clone() {
                line += text[from..row.bytes.0].matches('\n').count() as u32;
                from = row.bytes.0;
                starts.push((line, from));
            }
            starts
        });
        let (line, from) = starts.get(row).copied().unwrap_or((row as u32, text.len()));
        let found = rows.at(from);
        let bytes = match found.cells.get(column) {
            Some(cell) => cell.bytes,
            None => (found.bytes.1, found.bytes.1),
        };
        let inside = text[from..bytes.0].matches('\n').count();
        Position {
            file: self.source.name.clone(),
            line: if self.source.sheet().is_some() { row + 1 } else { line as usize + inside + 1 },
            column: column + 1,
            bytes,
            sheet: self.source.sheet().map(str::to_owned),
            cell: Some(cell_name(row, column)),
        }
    }
}
