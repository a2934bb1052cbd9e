//! Where a manifest's words stand: files, spans in them, lines and columns.

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
                Err((before.iter().filter(|&&b| b == b'\n').count() + 1, good - line_start + 1))
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
        let (mut line, mut column) = (1, 1);
        let (mut start, mut end) = (self.text.len(), self.text.len());
        for (at, (byte, c)) in self.text.char_indices().enumerate() {
            let at = at as u32;
            if at == span.start {
                start = byte;
            }
            if at >= span.end {
                end = byte;
                break;
            }
            if at < span.start {
                if c == '\n' {
                    (line, column) = (line + 1, 1);
                } else {
                    column += 1;
                }
            }
        }
        let start = start.min(end);
        // A block's span runs up to the next token: only its first line is worth pointing at.
        let words = &self.text[start..end];
        let first_line = words.split('\n').next().unwrap_or_default().trim_end();
        Position { file: self.name.clone(), line, column, bytes: (start, start + first_line.len()) }
    }
}
