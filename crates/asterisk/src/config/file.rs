//! Asterisk's configuration language, written so that Asterisk reads back exactly what was meant.

use std::fmt::{Display, Write as _};
use std::ops::Range;

use pbx_manifest::ObjectRef;

/// What stands for a secret wherever a file is shown.
pub const MASK: &str = "********";

/// What stands between a step of the dialplan and a remark for people. Values have no such thing: their semicolons are escaped.
pub(crate) const REMARK: &str = " ; ";

/// A section of a file and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// What stands in its brackets.
    pub name: String,
    /// Its first line, from 1.
    pub line: usize,
    /// Its bytes, from its bracket to the next section.
    pub bytes: Range<usize>,
}

/// One file of a revision, with an index of what is where.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ConfigFile {
    text: String,
    sections: Vec<Section>,
    /// From which line on lines belong to which object; `None` for those of nobody.
    marks: Vec<(usize, Option<ObjectRef>)>,
    secrets: Vec<Range<usize>>,
    lines: usize,
}

impl std::fmt::Debug for ConfigFile {
    /// Without its text, in which secrets stand.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ConfigFile({} lines, {} sections)", self.lines, self.sections.len())
    }
}

/// Text as a value of Asterisk's language: every `;` would open a comment (`;--` one to the end of the file), and there is no
/// other escape. What cannot be carried at all never gets here: the manifest's types refuse it.
pub(super) fn escape(value: &str) -> String {
    debug_assert!(!value.contains(['\n', '\r', '\0']), "a line cannot be carried in a value");
    value.replace(';', "\\;")
}

impl ConfigFile {
    /// A file that starts by saying whose it is.
    pub fn new(about: &str) -> Self {
        let mut file = Self::default();
        file.line(format_args!("; {about}"));
        file.line("; Written by pbxd. What is changed here by hand is told as drift, and written over when an apply is told to.");
        file
    }

    /// The whole text, secrets included.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The whole text, secrets masked.
    pub fn masked(&self) -> String {
        self.masked_section(&Section { name: String::new(), line: 1, bytes: 0..self.text.len() })
    }

    /// Its sections, in order.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// The text of a section.
    pub fn section_text(&self, section: &Section) -> &str {
        &self.text[section.bytes.clone()]
    }

    /// The text of a section, secrets masked.
    pub fn masked_section(&self, section: &Section) -> String {
        let mut masked = String::new();
        let mut at = section.bytes.start;
        let first = self.secrets.partition_point(|secret| secret.start < section.bytes.start);
        for secret in self.secrets[first..].iter().take_while(|secret| secret.end <= section.bytes.end) {
            masked.push_str(&self.text[at..secret.start]);
            masked.push_str(MASK);
            at = secret.end;
        }
        masked.push_str(&self.text[at..section.bytes.end]);
        masked
    }

    /// The object that a line (from 1) belongs to.
    pub fn object_at(&self, line: usize) -> Option<&ObjectRef> {
        let after = self.marks.partition_point(|(from, _)| *from <= line);
        self.marks[..after].last().and_then(|(_, object)| object.as_ref())
    }

    /// Writes one line as it is.
    pub(super) fn line(&mut self, line: impl Display) {
        let _ = writeln!(self.text, "{line}");
        self.lines += 1;
        if let Some(section) = self.sections.last_mut() {
            section.bytes.end = self.text.len();
        }
    }

    /// From here on, lines belong to an object, or to nobody.
    pub(super) fn mark(&mut self, object: Option<ObjectRef>) {
        if self.marks.last().is_none_or(|(_, last)| *last != object) {
            self.marks.push((self.lines + 1, object));
        }
    }

    /// Opens a section. `more` follows the bracket: `(!)` for a template, `(name)` to use one, `(+)` to add to one.
    pub(super) fn section(&mut self, name: &str, more: &str) {
        debug_assert!(name.len() <= 79, "Asterisk cuts section names at 79 bytes: {name}");
        self.line("");
        self.sections.push(Section {
            name: name.to_owned(),
            line: self.lines + 1,
            bytes: self.text.len()..self.text.len(),
        });
        self.line(format_args!("[{name}]{more}"));
    }

    /// Writes an option. The blank after `=` keeps a value that starts with `>` a value.
    pub(super) fn set(&mut self, key: &str, value: impl Display) {
        self.line(format_args!("{key} = {}", escape(&value.to_string())));
    }

    /// Writes an option whose value is masked wherever the file is shown.
    pub(super) fn secret(&mut self, key: &str, value: &str) {
        let value = escape(value);
        let start = self.text.len() + key.len() + 3;
        self.line(format_args!("{key} = {value}"));
        self.secrets.push(start..start + value.len());
    }

    /// Writes a line in the middle of which a secret stands.
    pub(super) fn line_with_secret(&mut self, before: &str, secret: &str, after: &str) {
        let secret = escape(secret);
        let start = self.text.len() + before.len();
        self.line(format_args!("{before}{secret}{}", escape(after)));
        self.secrets.push(start..start + secret.len());
    }

    /// Opens a dialplan context.
    pub(super) fn context(&mut self, name: &str) {
        self.section(name, "");
    }

    /// Writes an extension of the open context: its steps one after another. A step that others jump to starts with its label, as in
    /// `(done)Return()`; the first one has none.
    pub(super) fn exten(&mut self, pattern: &str, steps: &[String]) {
        self.extension(pattern, "", steps);
    }

    /// Writes an extension that is a node of the call graph, with the node's name behind its first step.
    pub(super) fn node(&mut self, name: impl Display, pattern: &str, steps: &[String]) {
        self.extension(pattern, &format!("{REMARK}{name}"), steps);
    }

    fn extension(&mut self, pattern: &str, comment: &str, steps: &[String]) {
        for (at, step) in steps.iter().enumerate() {
            let step = escape(step);
            if at == 0 {
                self.line(format_args!("exten => {pattern},1,{step}{comment}"));
            } else if step.starts_with('(')
                && let Some((label, step)) = step.split_once(')')
            {
                self.line(format_args!(" same => n{label}),{step}"));
            } else {
                self.line(format_args!(" same => n,{step}"));
            }
        }
    }
}
