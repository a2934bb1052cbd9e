//! The terminal: the one place that writes.
//!
//! Standard output is the result, standard error the talk. A reader that goes away (`| head`) ends the writing and not the
//! command, which still ends with its own exit code: an apply whose output nobody reads is still an apply.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::process::{Command, Stdio};

use anstream::{AutoStream, ColorChoice};
use dialoguer::console::Term;
use serde::Serialize;

use crate::cli::{Global, When};
use crate::failure::{Exit, Failure};

/// What a stretch of text is, from which its colour follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Something new.
    New,
    /// Something that changes.
    Changed,
    /// Something that goes.
    Gone,
    /// An error.
    Bad,
    /// What to do.
    Hint,
    /// A heading.
    Heading,
    /// Less important.
    Faint,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Self::New => "32",
            Self::Changed => "33",
            Self::Gone => "31",
            Self::Bad => "1;31",
            Self::Hint => "1;36",
            Self::Heading => "1",
            Self::Faint => "2",
        }
    }
}

/// How a text is shown: with colours or not, and how wide.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// With colours.
    pub color: bool,
    /// How many columns there are, on a terminal.
    pub width: Option<usize>,
}

impl Look {
    /// The look of what is shown in full: lines are as long as they are, whatever the terminal's width.
    pub fn wide(self) -> Self {
        Self { width: None, ..self }
    }

    /// A text in its style.
    pub fn paint(self, style: Style, text: &str) -> String {
        if self.color { format!("\u{1b}[{}m{text}\u{1b}[0m", style.code()) } else { text.to_owned() }
    }
}

/// The terminal, or the pipe in its place.
pub struct Ui {
    out: Look,
    err: Look,
    /// Standard error is a terminal and progress is wanted.
    pub progress: bool,
    interactive: bool,
    pager: bool,
    paging: bool,
    buffer: Vec<u8>,
    closed: bool,
    lost: Option<std::io::Error>,
}

impl Ui {
    /// As the process was started.
    pub fn new(global: &Global) -> Self {
        let choose = |auto: ColorChoice| match global.color {
            When::Auto => auto != ColorChoice::Never,
            When::Always => true,
            When::Never => false,
        };
        let (out, err) = (std::io::stdout(), std::io::stderr());
        let width = |terminal: bool, term: &Term| terminal.then(|| usize::from(term.size().1).max(20));
        Self {
            out: Look { color: choose(AutoStream::choice(&out)), width: width(out.is_terminal(), &Term::stdout()) },
            err: Look { color: choose(AutoStream::choice(&err)), width: width(err.is_terminal(), &Term::stderr()) },
            progress: err.is_terminal() && !global.no_progress,
            interactive: std::io::stdin().is_terminal() && err.is_terminal(),
            pager: out.is_terminal() && std::io::stdin().is_terminal() && !global.no_pager,
            paging: false,
            buffer: Vec::new(),
            closed: false,
            lost: None,
        }
    }

    /// For a command line that was not understood.
    pub fn plain() -> Self {
        let look = Look { color: false, width: None };
        Self {
            out: look,
            err: look,
            progress: false,
            interactive: false,
            pager: false,
            paging: false,
            buffer: Vec::new(),
            closed: false,
            lost: None,
        }
    }

    /// How results are shown.
    pub fn look(&self) -> Look {
        self.out
    }

    /// How talk is shown.
    pub fn style_of_errors(&self) -> Look {
        self.err
    }

    /// Whether someone is there to answer.
    pub fn can_ask(&self) -> bool {
        self.interactive
    }

    /// Whether whoever reads the talk also sees the result.
    pub fn result_is_seen(&self) -> bool {
        self.out.width.is_some()
    }

    /// A word of talk in its style.
    pub fn mark_err(&self, style: Style, word: &str) -> String {
        self.err.paint(style, word)
    }

    /// From here on, a result longer than the screen is paged.
    pub fn page(&mut self) {
        self.paging = self.pager;
    }

    /// Writes a part of the result.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Writes a part of a result that is not text.
    pub fn bytes(&mut self, bytes: &[u8]) {
        if self.closed || self.lost.is_some() {
            return;
        }
        self.buffer.extend_from_slice(bytes);
        if !self.paging && self.buffer.len() > 1 << 16 {
            self.flush();
        }
    }

    /// Writes a line of the result.
    pub fn line(&mut self, text: &str) {
        self.text(text);
        self.text("\n");
    }

    /// Writes a result as JSON.
    pub fn json(&mut self, value: &impl Serialize) {
        match serde_json::to_string_pretty(value) {
            Ok(text) => self.line(&text),
            Err(error) => self.lost = Some(error.into()),
        }
    }

    /// Says something on standard error.
    pub fn talk(&mut self, text: &str) {
        self.flush();
        // Nobody is left to be told that standard error is gone.
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// Asks a question that is answered by a line, `y` or `yes`; anything else is a no.
    pub fn ask(&mut self, question: &str) -> Result<bool, Failure> {
        self.flush();
        // Nobody is left to be asked where standard error is gone.
        let _ = write!(std::io::stderr().lock(), "{question} [y/N] ");
        let mut line = String::new();
        let why = match std::io::stdin().lock().read_line(&mut line) {
            Ok(0) => "the input has ended".to_owned(),
            Ok(_) => return Ok(is_yes(&line)),
            Err(error) => error.to_string(),
        };
        self.talk("");
        Err(Failure::failed("cancelled", format!("no answer: {why}")).help("nothing was changed"))
    }

    /// Asks for a secret, twice, without showing it.
    pub fn ask_hidden(&mut self, what: &str) -> Result<String, Failure> {
        self.flush();
        dialoguer::Password::new()
            .with_prompt(what)
            .with_confirmation("The same again", "These were not the same.")
            .interact_on(&Term::stderr())
            .map_err(|error| Failure::failed("cancelled", format!("no answer: {error}")).help("nothing was changed"))
    }

    /// Writes what is held back.
    pub fn flush(&mut self) {
        if self.paging || self.buffer.is_empty() {
            return;
        }
        let mut out = std::io::stdout().lock();
        let written = out.write_all(&self.buffer).and_then(|()| out.flush());
        self.buffer.clear();
        match written {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => self.closed = true,
            Err(error) => self.lost = Some(error),
        }
    }

    /// Writes the rest, and gives the exit code: a result that could not be written is a failure.
    pub fn finish(&mut self, exit: Exit) -> Exit {
        if std::mem::take(&mut self.paging) {
            let rows = usize::from(Term::stdout().size().0);
            if self.buffer.split(|b| *b == b'\n').count() > rows && self.through_pager() {
                self.buffer.clear();
            }
        }
        self.flush();
        match self.lost.take() {
            Some(error) => {
                self.talk(&format!("error: the result could not be written: {error}"));
                if exit == Exit::Done { Exit::Failed } else { exit }
            }
            None => exit,
        }
    }

    /// Shows the result in the pager that the user likes; false when there is none.
    fn through_pager(&self) -> bool {
        let wanted = ["PBXCTL_PAGER", "PAGER"].into_iter().find_map(|name| std::env::var(name).ok());
        let wanted = wanted.filter(|text| !text.trim().is_empty()).unwrap_or_else(|| "less -FRX".into());
        let mut words = wanted.split_whitespace();
        let Some(program) = words.next() else { return false };
        let child = Command::new(program).args(words).env("LESSCHARSET", "utf-8").stdin(Stdio::piped()).spawn();
        let Ok(mut child) = child else { return false };
        if let Some(mut stdin) = child.stdin.take() {
            // Whoever leaves the pager has read enough.
            let _ = stdin.write_all(&self.buffer);
        }
        child.wait().is_ok()
    }
}

/// Whether an answer is a yes: the whole word, for what is agreed to cannot always be taken back.
fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_word_is_a_yes() {
        for yes in ["y\n", "Y\r\n", "yes\n", " Yes \n", "YES"] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["\n", "n\n", "maybe\n", "yess\n", "ye\n", "any\n", "y n\n", "yes, but not now\n", "j\n"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }
}
