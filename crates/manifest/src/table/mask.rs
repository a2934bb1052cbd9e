//! Secrets that stand in the open: covered wherever their row or line is shown.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::OnceLock;

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

/// What stands in the place of each byte of a secret that is covered. A run of them is shown as a few stars, always as many: how long
/// a secret is, is nobody's business. Text that can be read holds none.
pub const COVER: char = '\u{7f}';

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
            let form = FORMS.iter().any(|form| form.eq_ignore_ascii_case(text));
            if !text.is_empty() && !form && !text.starts_with('{') {
                covered.push(cell.bytes);
            }
        }
    }
    let mut bytes = std::mem::take(&mut source.text).into_bytes();
    for byte in covered.into_iter().flat_map(|(from, to)| from..to) {
        if !matches!(bytes[byte], b'"' | b'\n' | b'\r') {
            bytes[byte] = COVER as u8;
        }
    }
    // Whole letters were covered, so it is text still.
    source.text = String::from_utf8(bytes).unwrap_or_default();
}

/// The names of fields that are secrets: the last words of their paths.
fn names() -> &'static HashSet<String> {
    static NAMES: OnceLock<HashSet<String>> = OnceLock::new();
    NAMES.get_or_init(|| {
        secrets().into_iter().map(|path| path.rsplit('.').next().unwrap_or_default().to_owned()).collect()
    })
}

/// Whether a path (`spec.voicemail.pin`) ends in a field that is a secret.
pub fn is_secret_path(path: &str) -> bool {
    path.rsplit('.').next().is_some_and(|name| names().contains(name))
}

/// What a secret's value is made of where it does not stand in the open: none of these words, nor what they lead to, is a secret.
const REFERENCES: [&str; 4] = ["env", "file", "generate", "stored"];

/// A line of YAML with the secrets covered that stand in it in the open, byte by byte. The line need not be right: whatever follows a
/// secret's name and a colon, and is no form as `{ env: NAME }`, is covered. Names of fields are no secrets.
pub fn cover(line: &str) -> Cow<'_, str> {
    let mut bytes = line.as_bytes().to_vec();
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    for name in names() {
        for (at, _) in line.match_indices(name.as_str()) {
            let behind = &line[at + name.len()..];
            let value = behind.trim_start_matches(['"', '\'']).trim_start();
            if line[..at].bytes().next_back().is_some_and(word) || !value.starts_with(':') {
                continue;
            }
            let value = value[1..].trim_start();
            let from = line.len() - value.len();
            let length = match value.as_bytes().first() {
                None | Some(b'#') => continue,
                Some(b'{') => {
                    cover_parts(&mut bytes[from..], value);
                    continue;
                }
                Some(quote @ (b'"' | b'\'')) => closing(value, *quote),
                // A plain word ends with the map that it stands in, or with a remark.
                Some(_) if line[..at].contains('{') => {
                    value[..value.find([',', '}']).unwrap_or(value.len())].trim_end().len()
                }
                Some(_) => value[..value.find(" #").unwrap_or(value.len())].trim_end().len(),
            };
            fill(&mut bytes[from..from + length]);
        }
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(""), Cow::Owned)
}

/// Covers all but quotes.
fn fill(bytes: &mut [u8]) {
    bytes.iter_mut().filter(|byte| !matches!(byte, b'"' | b'\'')).for_each(|byte| *byte = COVER as u8);
}

/// Covers a value with parts, as far as it is no reference: somebody may have put a secret into braces of their own making.
fn cover_parts(bytes: &mut [u8], value: &str) {
    let mut from = 1;
    loop {
        let part = &value[from..from + part(&value[from..])];
        let (key, what) = part.split_once(':').unwrap_or(("", part));
        let key = key.trim().trim_matches(['"', '\'']);
        let known = REFERENCES.contains(&key) || REFERENCES.contains(&what.trim());
        if !known && !matches!(what.trim(), "true" | "false") {
            let lead = part.len() - what.trim_start().len();
            fill(&mut bytes[from + lead..from + part.trim_end().len().max(lead)]);
        }
        from += part.len() + 1;
        if value.as_bytes().get(from - 1) != Some(&b',') {
            return;
        }
    }
}

/// How long a part of a map is.
fn part(text: &str) -> usize {
    let mut at = 0;
    while at < text.len() {
        at += match text.as_bytes()[at] {
            b',' | b'}' => return at,
            quote @ (b'"' | b'\'') => closing(&text[at..], quote),
            _ => text[at..].chars().next().map_or(1, char::len_utf8),
        };
    }
    text.len()
}

/// How long a quoted text is, with its quotes; all there is where it is not closed.
fn closing(text: &str, quote: u8) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quote == b'"' => escaped = true,
            _ if byte == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_open_is_covered() {
        for (line, covered) in [
            ("  password: \"top-secret\"", "  password: \"**********\""),
            (
                "spec: { displayNam: Sec, password: top-secret, email: a }",
                "spec: { displayNam: Sec, password: **********, email: a }",
            ),
            ("  password: top, secret # why", "  password: *********** # why"),
            ("{ pin: 1234 }", "{ pin: **** }"),
            ("{ \"password\": \"a\\\"b\", pin: '1234' }", "{ \"password\": \"**\"*\", pin: '****' }"),
            ("  password: \"not closed", "  password: \"**********"),
            ("  password: { env: ANA_PASSWORD }", "  password: { env: ANA_PASSWORD }"),
            ("  password: { \"file\": a/b } # why", "  password: { \"file\": a/b } # why"),
            ("  password: { generate: true }", "  password: { generate: true }"),
            ("  password: { generate }", "  password: { generate }"),
            ("  password: { value: hunter22 }", "  password: { value: ******** }"),
            ("  password: { hunter22 }", "  password: { ******** }"),
            ("  password: { genrate: true, mañana: 'a b' }", "  password: { genrate: true, mañana: '***' }"),
            ("  password: { value: hunter22", "  password: { value: ********"),
            ("{ password: { value: \"a},env:c\" }, email: a }", "{ password: { value: \"********\" }, email: a }"),
            ("  password: {}", "  password: {}"),
            ("spec: { password: , pin: }", "spec: { password: , pin: }"),
            ("  password:", "  password:"),
            ("  mypassword: shown", "  mypassword: shown"),
            ("  password : mañana", "  password : *******"),
            ("  displayName: password", "  displayName: password"),
        ] {
            assert_eq!(cover(line).replace(COVER, "*"), covered);
        }
    }
}
