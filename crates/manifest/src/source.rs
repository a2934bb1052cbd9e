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
    index: OnceCell<Index>,
    /// In a table, the first line of each row, and its byte.
    rows: OnceCell<Vec<(u32, usize)>>,
}

/// What a pass over a text finds.
struct Index {
    /// The first character of each line, and its byte.
    starts: Vec<(u32, usize)>,
    /// The byte of every so many-th character: a line may be as long as the text, and hold as many findings.
    stops: Vec<usize>,
    /// How many characters there are.
    characters: u32,
    /// Whether there may be directives: the parser counts some of their letters twice, and finds a character only on the same way.
    directives: bool,
}

/// So many characters are counted one by one.
const STRIDE: u32 = 256;

impl Index {
    fn new(text: &str) -> Self {
        let directives = text.starts_with('%') || text.contains("\n%");
        let mut index = Self { starts: vec![(0, 0)], stops: Vec::new(), characters: 0, directives };
        for (byte, c) in text.char_indices() {
            if index.characters.is_multiple_of(STRIDE) {
                index.stops.push(byte);
            }
            index.characters += 1;
            if c == '\n' {
                index.starts.push((index.characters, byte + 1));
            }
        }
        index
    }

    /// The byte of a character.
    fn byte(&self, text: &str, character: u32) -> usize {
        let Some(stop) = self.stops.get((character / STRIDE) as usize) else { return text.len() };
        let left = (character % STRIDE) as usize;
        text[*stop..].char_indices().nth(left).map_or(text.len(), |(byte, _)| stop + byte)
    }
}

impl<'s> Lines<'s> {
    pub(crate) fn new(source: &'s Source) -> Self {
        Self { source, index: OnceCell::new(), rows: OnceCell::new() }
    }

    /// The text from the line that a character stands in, and how many characters stand before it.
    pub(crate) fn line_of(&self, character: u32) -> (&'s str, u32) {
        let text = self.source.text.as_str();
        let index = self.index.get_or_init(|| Index::new(text));
        if index.directives {
            return (text, 0);
        }
        let line = index.starts.partition_point(|(first, _)| *first <= character).max(1);
        let (before, byte) = index.starts[line - 1];
        (&text[byte..], before)
    }

    /// Turns a span into file, line, column and bytes.
    pub(crate) fn position(&self, span: Span) -> Position {
        if self.source.table.is_some() {
            return self.cell(span.start as usize, span.end as usize);
        }
        let text = &self.source.text;
        let index = self.index.get_or_init(|| Index::new(text));
        let line = index.starts.partition_point(|(first, _)| *first <= span.start).max(1);
        let (first, _) = index.starts[line - 1];
        // A block's span runs up to the next token: only its first line is worth pointing at.
        let last = index.starts.get(line).map_or(index.characters, |(next, _)| next - 1);
        // The parser counts some letters of directives twice: no column lies behind the line's end.
        let from = span.start.min(last);
        let to = from.saturating_add(span.end.saturating_sub(span.start)).min(last);
        let (start, end) = (index.byte(text, from), index.byte(text, to));
        let end = start + text[start..end].trim_end().len();
        Position {
            file: self.source.name.clone(),
            line,
            column: (from - first) as usize + 1,
            bytes: (start, end),
            sheet: None,
            cell: None,
        }
    }

    /// Where a cell stands; one that is not there, where its row ends.
    fn cell(&self, row: usize, column: usize) -> Position {
        let text = &self.source.text;
        let rows = Rows::of(self.source);
        let starts = self.rows.get_or_init(|| {
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
