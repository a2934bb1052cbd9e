//! What was looked at, and what came of it.

use serde::Serialize;

/// Why a link could not be looked at that root can look at.
pub const NOT_FOR_THIS_USER: &str = "not for this user: run it with `sudo`";

/// How a link of the chain is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// It works, and could be better.
    Warn,
    /// It does not work.
    Fail,
    /// It could not be looked at.
    Skip,
}

impl State {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skip => "skip",
        }
    }
}

/// A link of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// Its name, stable for scripts.
    #[serde(rename = "check")]
    pub name: String,
    /// How it is.
    pub state: State,
    /// What was found.
    pub message: String,
    /// What to do, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub help: Vec<String>,
    /// It is that somebody did not answer.
    #[serde(skip)]
    pub silent: bool,
}

/// All of them, in the order of the chain.
#[derive(Debug, Default)]
pub struct Checks {
    /// The links.
    pub all: Vec<Check>,
}

impl Checks {
    fn add(&mut self, state: State, name: &str, message: String) -> &mut Check {
        self.all.push(Check { name: name.to_owned(), state, message, help: Vec::new(), silent: false });
        let last = self.all.len() - 1;
        &mut self.all[last]
    }

    /// It is as it should be.
    pub fn ok(&mut self, name: &str, message: impl Into<String>) {
        self.add(State::Ok, name, message.into());
    }

    /// It could be better.
    pub fn warn(&mut self, name: &str, message: impl Into<String>) -> &mut Check {
        self.add(State::Warn, name, message.into())
    }

    /// It does not work.
    pub fn fail(&mut self, name: &str, message: impl Into<String>) -> &mut Check {
        self.add(State::Fail, name, message.into())
    }

    /// It could not be looked at.
    pub fn skip(&mut self, name: &str, message: impl Into<String>) {
        self.add(State::Skip, name, message.into());
    }

    /// Whether something does not work.
    pub fn failed(&self) -> bool {
        self.all.iter().any(|check| check.state == State::Fail)
    }

    /// Whether all that does not work is that somebody does not answer.
    pub fn only_silence(&self) -> bool {
        self.failed() && self.all.iter().all(|check| check.state != State::Fail || check.silent)
    }
}

impl Check {
    /// With a line of what to do.
    pub fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help.push(help.into());
        self
    }

    /// It is that somebody did not answer.
    pub fn silent(&mut self) -> &mut Self {
        self.silent = true;
        self
    }
}
