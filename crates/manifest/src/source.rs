//! Where a manifest's words stand: files, spans in them, lines and columns.

use std::cell::OnceCell;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A file of manifests as it was read: the name people know it by, and its text.
#[derive(Debug, Clone)]
pub struct Source {
    /// As shown in messages: a path, or `<stdin>`.
    pub name: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// A source from bytes, which must be UTF-8.
    ///
    /// On bytes that are not, the error is the line (from 1) and column (from 1, in bytes) of the first bad one.
    pub fn from_bytes(name: impl Into<String>, bytes: Vec<u8>) -> Result<Self, (usize, usize)> {
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self { name: name.into(), text }),
            Err(error) => {
                let good = error.utf8_error().valid_up_to();
                let before = &error.as_bytes()[..good];
                let line_start = before.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
                Err((before.split(|b| *b == b'\n').count(), good - line_start + 1))
            }
        }
    }
}

/// A stretch of a source, in characters from its start (the unit of the YAML parser).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First character.
    pub start: u32,
    /// One past the last character.
    pub end: u32,
}

/// A stretch of a file in the units that people and terminals use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Position {
    /// The file's name as it was given.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
    /// Byte range in the file's text.
    pub bytes: (usize, usize),
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
    /// The first character of each line, and its byte.
    starts: OnceCell<Vec<(u32, usize)>>,
}

impl<'s> Lines<'s> {
    pub(crate) fn new(source: &'s Source) -> Self {
        Self { source, starts: OnceCell::new() }
    }

    /// Turns a span into file, line, column and bytes.
    pub(crate) fn position(&self, span: Span) -> Position {
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
        Position { file: self.source.name.clone(), line, column: column + 1, bytes: (byte + start, byte + end) }
    }
}
