//! Findings as a compiler shows them: the line, the words under it, and what to do.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use pbx_manifest::{COVER, Diagnostic, Position, Source, cover, is_secret_path};

use crate::ui::Look;

/// How much of a line is shown on each side of the words that matter.
const AROUND: usize = 120;

/// What is shown in the place of a secret, however long it is.
const STARS: &str = "********";

/// How many findings of one sort are shown: a spreadsheet may have the same slip in every row.
const ALIKE: usize = 50;

/// Every finding, a blank line between them, in the order of files and lines; those without a place come last. Of very many that say
/// the same, the first are shown, and how many more there are.
pub fn all(sources: &[Source], diagnostics: &[Diagnostic], look: Look) -> String {
    let mut text = String::new();
    let mut seen: BTreeMap<(&str, String), usize> = BTreeMap::new();
    for diagnostic in sorted(sources, diagnostics) {
        let alike = seen.entry((&diagnostic.code, without_words(&diagnostic.message))).or_default();
        *alike += 1;
        if *alike > ALIKE {
            continue;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&one(sources, diagnostic, look));
    }
    for ((_, message), count) in seen.iter().filter(|(_, count)| **count > ALIKE) {
        let _ = writeln!(text, "\n… and {} more that say: {message}", count - ALIKE);
    }
    text
}

/// A message without what was written there, by which messages of one sort differ.
fn without_words(message: &str) -> String {
    let words = message.split('`').enumerate().map(|(at, part)| if at % 2 == 0 { part } else { "`…`" });
    words.collect::<String>().replace(|c: char| c.is_ascii_digit(), "")
}

/// Findings in the order in which they are read.
pub fn sorted<'d>(sources: &[Source], diagnostics: &'d [Diagnostic]) -> Vec<&'d Diagnostic> {
    let mut all: Vec<&Diagnostic> = diagnostics.iter().collect();
    let order: std::collections::HashMap<(&str, Option<&str>), usize> =
        sources.iter().enumerate().map(|(at, source)| ((source.name.as_str(), source.sheet()), at)).collect();
    all.sort_by_key(|diagnostic| match &diagnostic.position {
        Some(at) => {
            (order.get(&(at.file.as_str(), at.sheet.as_deref())).copied().unwrap_or(usize::MAX - 1), at.line, at.column)
        }
        None => (usize::MAX, 0, 0),
    });
    all
}

/// One finding, with its line where it is at hand.
pub fn one(sources: &[Source], diagnostic: &Diagnostic, look: Look) -> String {
    let level = if diagnostic.is_error() { Level::ERROR } else { Level::WARNING };
    let title = level.primary_title(&diagnostic.message);
    let place = diagnostic.position.as_ref().and_then(|at| {
        let source = sources.iter().find(|source| source.name == at.file && source.sheet() == at.sheet.as_deref())?;
        // The rows of a table were covered when they were read; of manifests only the lines that are shown.
        let line = Line::around(&source.text, at.bytes, source.table.is_none())?;
        let hidden = source.table.is_none()
            && is_secret_path(&diagnostic.path)
            && !line.names(&diagnostic.path)
            && !line.text[line.words.clone()].starts_with(['{', '"', '\'']);
        Some((at, if hidden { line.covered() } else { line }))
    });
    let group = match &place {
        Some((at, line)) => {
            let label = diagnostic.label.as_deref();
            let annotation = AnnotationKind::Primary.span(line.words.clone()).label(label);
            title.element(
                Snippet::source(&line.text).path(&at.file).line_start(at.line).fold(false).annotation(annotation),
            )
        }
        None => title.element(Origin::path(place_in_words(diagnostic))),
    };
    let group = diagnostic.help.iter().fold(group, |group, help| group.element(Level::HELP.message(help)));
    finish(group, place.as_ref().map(|(at, _)| *at), look)
}

/// What Asterisk did not take: the object, the line of its file, and Asterisk's own words.
pub fn failure(failure: &pbx_api::Failure, look: Look) -> String {
    let object = failure.object.as_ref().map(|object| format!("{object}: ")).unwrap_or_default();
    let mut group = Group::with_title(Level::ERROR.primary_title(format!("{object}{}", failure.message)));
    if let Some(file) = &failure.file {
        group = group.element(match failure.line {
            Some(line) => Origin::path(file).line(line),
            None => Origin::path(file),
        });
    }
    for words in &failure.asterisk {
        group = group.element(Level::NOTE.with_name("Asterisk says").message(words));
    }
    for line in &failure.help {
        group = group.element(Level::HELP.message(line));
    }
    finish(group, None, look)
}

/// Where a finding stands that no file at hand declares.
fn place_in_words(diagnostic: &Diagnostic) -> String {
    match (&diagnostic.position, &diagnostic.object) {
        (Some(at), _) => at.to_string(),
        (None, Some(object)) if diagnostic.path.is_empty() => object.to_string(),
        (None, Some(object)) => format!("{object} {}", diagnostic.path),
        (None, None) => "the system as it would be".into(),
    }
}

fn finish(group: Group<'_>, place: Option<&Position>, look: Look) -> String {
    let renderer = if look.color { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.term_width(look.width.unwrap_or(140));
    let mut text = renderer.render(&[group]);
    if place.is_none() {
        // Without a line there is no margin; what follows the message still belongs to it.
        text = text.replace('\n', "\n ");
    }
    if let Some(place) = place {
        // The line is shown cut and with what hides in it written out; the column is that of the file, or of the cell.
        let header = format!("{}:{}:", place.file, place.line);
        if let Some(at) = text.find(&header) {
            let behind = at + header.len();
            let digits = text[behind..].bytes().take_while(u8::is_ascii_digit).count();
            text.replace_range(at..behind + digits, &place.to_string());
        }
    }
    text.push('\n');
    text
}

/// The line around some words, cut to a length that can be read.
struct Line {
    text: String,
    words: std::ops::Range<usize>,
}

impl Line {
    /// The words of a secret itself, covered.
    fn covered(self) -> Self {
        let text = [&self.text[..self.words.start], STARS, &self.text[self.words.end..]].concat();
        Self { text, words: self.words.start..self.words.start + STARS.len() }
    }

    /// Whether the words are the name of a field and not its value: a name is no secret.
    fn names(&self, path: &str) -> bool {
        let name = path.rsplit('.').next().unwrap_or_default();
        let behind = self.text[self.words.end..].trim_start_matches(['"', '\'']).trim_start();
        self.text[self.words.clone()].trim_matches(['"', '\'']) == name && behind.starts_with(':')
    }

    fn around(text: &str, (start, end): (usize, usize), yaml: bool) -> Option<Self> {
        let start = start.min(text.len());
        let from = text.get(..start)?.rfind('\n').map_or(0, |at| at + 1);
        let until = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let end = end.clamp(start, until);
        let line = text[from..until].trim_end_matches('\r');
        let line = if yaml { cover(line) } else { Cow::Borrowed(line) };
        let (start, end) = ((start - from).min(line.len()), (end - from).min(line.len()));
        // Long lines are cut to what stands around the words.
        let before: Vec<(usize, char)> = line[..start].char_indices().collect();
        let cut = if before.len() > AROUND { before[before.len() - AROUND].0 } else { 0 };
        let shown_end = line[start..end].char_indices().nth(AROUND).map_or(end, |(at, _)| start + at);
        let tail = line[shown_end..].char_indices().nth(AROUND).map_or(line.len(), |(at, _)| shown_end + at);
        let mut shown = String::new();
        let mut words = 0..0;
        for (at, c) in line[cut..tail].char_indices().chain([(tail - cut, ' ')]) {
            if at + cut == start {
                words.start = shown.len();
            }
            if at + cut == shown_end {
                words.end = shown.len();
            }
            if at + cut < tail && c != COVER {
                push_visible(&mut shown, c);
            } else if c == COVER && !line[cut..cut + at].ends_with(COVER) {
                shown.push_str(STARS);
            }
        }
        Some(Self { text: shown, words: words.start..words.end.max(words.start) })
    }
}

/// A character as it can be shown: what would move the cursor, hide or turn the line around is written out.
fn push_visible(into: &mut String, c: char) {
    match c {
        '\t' => into.push_str("    "),
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => {
            let _ = write!(into, "<U+{:04X}>", c as u32);
        }
        c if c.is_control() => {
            let _ = write!(into, "<U+{:04X}>", c as u32);
        }
        c => into.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_very_many_that_say_the_same_the_first_are_shown() {
        let same = |at: usize| Diagnostic::error("value", format!("`x{at}` is not an e-mail address of row {at}"));
        let mut found: Vec<Diagnostic> = (0..60).map(same).collect();
        found.push(Diagnostic::error("value", "something else"));
        let text = all(&[], &found, Look { color: false, width: None });
        assert_eq!(text.matches("is not an e-mail address").count(), ALIKE + 1);
        assert!(
            text.contains("something else") && text.contains("… and 10 more that say: `…` is not an e-mail"),
            "{text}"
        );
    }

    #[test]
    fn long_and_hostile_lines_are_shown_around_the_words() {
        let text = format!("a\nkey: {}WORD{}\n", "x".repeat(5000), "y".repeat(5000));
        let start = text.find("WORD").unwrap();
        let line = Line::around(&text, (start, start + 4), true).unwrap();
        assert_eq!(&line.text[line.words.clone()], "WORD");
        assert!(line.text.len() < 300);
        let text = "k: a\u{202e}b\u{1b}[31m\tc";
        let start = text.find('c').unwrap();
        let line = Line::around(text, (start, start + 1), true).unwrap();
        assert_eq!(line.text, "k: a<U+202E>b<U+001B>[31m    c");
        assert_eq!(&line.text[line.words.clone()], "c");
        // However long a secret is.
        for secret in ["x", "correct horse"] {
            let text = format!("{{ password: \"{secret}\", email: a }}");
            let start = text.find("a }").unwrap();
            let line = Line::around(&text, (start, start + 1), true).unwrap();
            assert_eq!(line.text, "{ password: \"********\", email: a }");
            assert_eq!(&line.text[line.words.clone()], "a");
            let line = Line::around(&text, (13, 13 + secret.len()), true).unwrap();
            assert_eq!(&line.text[line.words.clone()], "********");
        }
        let line = Line::around("abc", (3, 3), true).unwrap();
        assert_eq!(line.words, 3..3);
    }
}
