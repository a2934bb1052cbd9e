//! Why a command failed: decided once who is to blame, with the exit code that follows and what to do next.

use pbx_api::{ClientError, ErrorBody, ErrorCode};
use pbx_manifest::{Diagnostic, Source};
use serde_json::json;

use crate::show::thousands;
use crate::snippet;
use crate::ui::{Style, Ui};

/// How a command ended, as scripts see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, or no difference.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// Differences exist.
    Differs = 2,
    /// It is not allowed.
    NotAllowed = 3,
    /// Applied and rolled back, or partly done.
    RolledBack = 4,
    /// Someone or something else was there first.
    Conflict = 5,
    /// pbxd or Asterisk cannot be reached.
    Unreachable = 6,
    /// A safety limit stands in the way.
    Limit = 7,
    /// Wrong usage.
    Usage = 64,
}

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    /// How it ends.
    pub exit: Exit,
    /// A stable word for scripts.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do, a line each.
    pub help: Vec<String>,
    /// Findings in manifests.
    pub diagnostics: Vec<Diagnostic>,
    /// What Asterisk did not take.
    pub failures: Vec<pbx_api::Failure>,
}

/// Of very many things that Asterisk did not take, so many are told: the rest is mostly the same.
const SHOWN: usize = 20;

impl Failure {
    /// A failure with its exit, its word and what is wrong.
    pub fn new(exit: Exit, code: &'static str, message: impl Into<String>) -> Self {
        Self { exit, code, message: message.into(), help: Vec::new(), diagnostics: Vec::new(), failures: Vec::new() }
    }

    /// Something that was tried and did not work.
    pub fn failed(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, code, message)
    }

    /// The command was typed wrongly.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", message)
    }

    /// With a line of what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// With findings.
    #[must_use]
    pub fn with(mut self, diagnostics: Vec<Diagnostic>) -> Self {
        self.diagnostics = diagnostics;
        self
    }

    /// Says it: one JSON document on standard output where JSON was asked for, words on standard error elsewhere.
    pub fn print(&self, ui: &mut Ui, sources: &[Source], json: bool) -> Exit {
        if json {
            ui.json(&self.document());
            return ui.finish(self.exit);
        }
        if !self.diagnostics.is_empty() {
            let text = snippet::all(sources, &self.diagnostics, ui.style_of_errors());
            ui.talk(text.trim_end());
            ui.talk("");
        }
        for failure in self.failures.iter().take(SHOWN) {
            let text = snippet::failure(failure, ui.style_of_errors());
            ui.talk(text.trim_end());
            ui.talk("");
        }
        if let Some(more) = self.failures.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            ui.talk(&format!("… and {}; `-o json` has all of them\n", thousands(more) + " more"));
        }
        let mark = ui.mark_err(Style::Bad, "error");
        ui.talk(&format!("{mark}: {}", self.message));
        for line in &self.help {
            let mark = ui.mark_err(Style::Hint, "help");
            ui.talk(&format!("  {mark}: {line}"));
        }
        ui.finish(self.exit)
    }

    fn document(&self) -> serde_json::Value {
        let mut error = json!({ "code": self.code, "exit": self.exit as u8, "message": self.message });
        if !self.help.is_empty() {
            error["help"] = json!(self.help);
        }
        if !self.diagnostics.is_empty() {
            error["diagnostics"] = json!(self.diagnostics);
        }
        if !self.failures.is_empty() {
            error["failures"] = json!(self.failures);
        }
        json!({ "error": error })
    }
}

impl From<&clap::Error> for Failure {
    fn from(error: &clap::Error) -> Self {
        let text = error.to_string();
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let first = lines.next().unwrap_or_default();
        let mut failure = Self::usage(first.strip_prefix("error: ").unwrap_or(first));
        failure.help = lines.map(|line| line.strip_prefix("tip: ").unwrap_or(line).to_owned()).collect();
        failure
    }
}

impl From<ErrorBody> for Failure {
    fn from(body: ErrorBody) -> Self {
        let (exit, fallback) = match body.code {
            ErrorCode::NotAllowed => (Exit::NotAllowed, "ask an administrator for the permission"),
            ErrorCode::Conflict => {
                (Exit::Conflict, "agree on one value, or take the field over with `--force-conflicts`")
            }
            ErrorCode::Stale => {
                (Exit::Conflict, "someone applied in between: run the command again to see the new plan")
            }
            ErrorCode::Drift => {
                (Exit::Conflict, "`pbxctl drift` shows what was changed; `--overwrite-drift` writes over it")
            }
            ErrorCode::Busy => (Exit::Conflict, "wait until it has ended, and run the command again"),
            ErrorCode::Limit => (Exit::Limit, "read the plan again; if it is meant, allow it with `--allow-deletes N`"),
            ErrorCode::AsteriskUnreachable => (Exit::Unreachable, "is Asterisk running? `systemctl status asterisk`"),
            ErrorCode::NotFound => (Exit::Failed, "`pbxctl get all` lists what there is"),
            ErrorCode::Invalid => (Exit::Failed, "mend what is shown, and run the command again"),
            ErrorCode::Preflight => (Exit::Failed, "nothing was changed; the live configuration is as it was"),
            ErrorCode::BadRequest => (Exit::Failed, "are pbxctl and pbxd of the same version? `pbxctl --version`"),
            ErrorCode::Files | ErrorCode::Internal => (Exit::Failed, "`journalctl -u pbxd` says more"),
        };
        Self {
            exit,
            code: word(body.code),
            message: body.message,
            help: if body.help.is_empty() { vec![fallback.to_owned()] } else { body.help },
            diagnostics: body.diagnostics,
            failures: body.failures,
        }
    }
}

/// A refusal's word, as the API writes it.
fn word(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::BadRequest => "badRequest",
        ErrorCode::NotAllowed => "notAllowed",
        ErrorCode::NotFound => "notFound",
        ErrorCode::Invalid => "invalid",
        ErrorCode::Conflict => "conflict",
        ErrorCode::Stale => "stale",
        ErrorCode::Drift => "drift",
        ErrorCode::Busy => "busy",
        ErrorCode::Limit => "limit",
        ErrorCode::AsteriskUnreachable => "asteriskUnreachable",
        ErrorCode::Preflight => "preflight",
        ErrorCode::Files => "files",
        ErrorCode::Internal => "internal",
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let message = error.to_string();
        match error {
            ClientError::Unreachable { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                Self::new(Exit::NotAllowed, "notAllowed", message)
                    .help("the socket's group may connect: `sudo usermod -aG pbxd $USER`, and log in again")
            }
            ClientError::Unreachable { .. } => Self::new(Exit::Unreachable, "unreachable", message)
                .help("is it running? `systemctl status pbxd`")
                .help("another socket is named with `--socket PATH` or PBXCTL_SOCKET"),
            ClientError::Broken(_) => Self::new(Exit::Unreachable, "unreachable", message)
                .help("`systemctl status pbxd` and `journalctl -u pbxd` say why"),
            ClientError::Misunderstood(_) => Self::failed("misunderstood", message)
                .help("are pbxctl and pbxd of the same version? `pbxctl --version`, `pbxd --version`"),
            ClientError::Refused(body) => (*body).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_exit_and_a_way_on() {
        let exits = [
            (ErrorCode::BadRequest, 1),
            (ErrorCode::NotAllowed, 3),
            (ErrorCode::NotFound, 1),
            (ErrorCode::Invalid, 1),
            (ErrorCode::Conflict, 5),
            (ErrorCode::Stale, 5),
            (ErrorCode::Busy, 5),
            (ErrorCode::Limit, 7),
            (ErrorCode::AsteriskUnreachable, 6),
            (ErrorCode::Preflight, 1),
            (ErrorCode::Files, 1),
            (ErrorCode::Internal, 1),
        ];
        for (code, exit) in exits {
            let failure = Failure::from(ErrorBody::new(code, "no"));
            assert_eq!(failure.exit as u8, exit, "{code:?}");
            assert!(!failure.help.is_empty(), "{code:?}");
            assert_eq!(json!(code), failure.code);
        }
        let own = Failure::from(ErrorBody::new(ErrorCode::Limit, "no").help("--allow-deletes 7"));
        assert_eq!(own.help, ["--allow-deletes 7"]);
    }
}
