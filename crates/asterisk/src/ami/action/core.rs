//! Actions about Asterisk as a whole and about this session.

use std::{borrow::Cow, time::Duration};

use crate::ami::{error::AmiError, event::ReloadStatus, message::view, options::EventMask};

use super::{Action, Reply, Request};

/// Is anyone there? No privilege needed.
#[derive(Debug, Clone, Copy)]
pub struct Ping;

view! {
    /// The answer to [`Ping`].
    Pong {
        /// Asterisk's clock, seconds since 1970 with microseconds.
        timestamp: Option<String> = optional("Timestamp"),
    }
}

impl Action for Ping {
    type Answer = Pong;

    fn request(&self) -> Request {
        Request::new("Ping")
    }

    fn read(&self, reply: Reply) -> Result<Pong, AmiError> {
        reply.single().map(Pong::read)
    }
}

/// How Asterisk was built and configured. Needs `system` or `reporting`.
#[derive(Debug, Clone, Copy)]
pub struct CoreSettings;

view! {
    /// The answer to [`CoreSettings`].
    Settings {
        asterisk_version: String = text("AsteriskVersion"),
        ami_version: String = text("AMIversion"),
        system_name: Option<String> = optional("SystemName"),
        /// 0 is no limit.
        max_calls: Option<u32> = number("CoreMaxCalls"),
        /// 0 is no limit.
        max_load: Option<String> = optional("CoreMaxLoadAvg"),
        run_user: Option<String> = optional("CoreRunUser"),
        run_group: Option<String> = optional("CoreRunGroup"),
        realtime: Option<bool> = flag("CoreRealTimeEnabled"),
        cdr: Option<bool> = flag("CoreCDRenabled"),
        http: Option<bool> = flag("CoreHTTPenabled"),
    }
}

impl Action for CoreSettings {
    type Answer = Settings;

    fn request(&self) -> Request {
        Request::new("CoreSettings")
    }

    fn read(&self, reply: Reply) -> Result<Settings, AmiError> {
        reply.single().map(Settings::read)
    }
}

/// Since when Asterisk runs, and how many calls it has. Needs `system` or `reporting`.
#[derive(Debug, Clone, Copy)]
pub struct CoreStatus;

view! {
    /// The answer to [`CoreStatus`]. Dates (`2026-11-22`) and times (`12:58:58`) are in the server's time zone; two
    /// answers with another startup are of two processes.
    Status {
        startup_date: String = text("CoreStartupDate"),
        startup_time: String = text("CoreStartupTime"),
        reload_date: String = text("CoreReloadDate"),
        reload_time: String = text("CoreReloadTime"),
        current_calls: Option<u64> = number("CoreCurrentCalls"),
        processed_calls: Option<u64> = number("CoreProcessedCalls"),
    }
}

impl Action for CoreStatus {
    type Answer = Status;

    fn request(&self) -> Request {
        Request::new("CoreStatus")
    }

    fn read(&self, reply: Reply) -> Result<Status, AmiError> {
        reply.single().map(Status::read)
    }
}

/// A console command. Needs `command`, which is as good as running programs on the server.
///
/// `module load`, `module unload` and `restart gracefully` are refused (manager.c:228). Most commands that fail still
/// answer with success; their output tells.
#[derive(Debug, Clone)]
pub struct Command(pub String);

/// The answer to [`Command`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandOutput {
    /// False if the command does not exist or its handler failed.
    pub succeeded: bool,
    /// What it printed, without colours.
    pub lines: Vec<String>,
}

impl Action for Command {
    type Answer = CommandOutput;

    fn request(&self) -> Request {
        Request::new("Command").header("Command", &self.0).within(Duration::from_secs(30))
    }

    fn read(&self, reply: Reply) -> Result<CommandOutput, AmiError> {
        let succeeded = reply.succeeded();
        let lines: Vec<String> = reply.response.get_all("Output").map(Cow::into_owned).collect();
        if !succeeded && lines.is_empty() && !reply.message().eq_ignore_ascii_case("Command output follows") {
            return Err(reply.refusal());
        }
        Ok(CommandOutput { succeeded, lines })
    }
}

/// Reloads one module: `res_pjsip.so`, `pbx_config.so`, or a built-in such as `logger`, which has no `.so`. Needs `system`,
/// `config` or `reporting`.
///
/// That a module reloaded does not say that it took everything in its files: `res_pjsip.so` always succeeds. Read back.
#[derive(Debug, Clone)]
pub struct Reload {
    module: String,
    limit: Duration,
}

impl Reload {
    /// Of one module, within a minute. Asterisk goes on reloading when the time is up.
    pub fn new(module: impl Into<String>) -> Self {
        Self { module: module.into(), limit: Duration::from_mins(1) }
    }

    /// Another time limit.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }
}

/// The answer to [`Reload`], good or bad (manager.c:6611).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReloadOutcome {
    /// What Asterisk answered. Before it is fully booted, a reload is queued and answered like one that was done.
    pub status: ReloadStatus,
    /// In Asterisk's words.
    pub message: String,
}

impl Action for Reload {
    type Answer = ReloadOutcome;

    fn request(&self) -> Request {
        Request::new("Reload").header("Module", &self.module).within(self.limit)
    }

    fn read(&self, reply: Reply) -> Result<ReloadOutcome, AmiError> {
        let message = reply.message();
        let status = match message.as_str() {
            _ if reply.succeeded() => ReloadStatus::Done,
            "No such module" => ReloadStatus::NotFound,
            "Module does not support reload" => ReloadStatus::NotImplemented,
            "An unknown error occurred" => ReloadStatus::Failed,
            "A reload is in progress" => ReloadStatus::InProgress,
            "Module not initialized" => ReloadStatus::Uninitialised,
            _ => return Err(reply.refusal()),
        };
        Ok(ReloadOutcome { status, message })
    }
}

/// Is a module loaded? By its name, with or without `.so`. Needs `system`.
#[derive(Debug, Clone)]
pub struct ModuleCheck(pub String);

/// The answer to [`ModuleCheck`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loaded(
    /// True if it is loaded.
    pub bool,
);

impl Action for ModuleCheck {
    type Answer = Loaded;

    fn request(&self) -> Request {
        Request::new("ModuleCheck").header("Module", &self.0)
    }

    fn read(&self, reply: Reply) -> Result<Loaded, AmiError> {
        match reply.message().as_str() {
            "Module not loaded" => Ok(Loaded(false)),
            _ => reply.single().map(|_| Loaded(true)),
        }
    }
}

/// What a function of the dialplan says outside of any call, as `VM_INFO(1001@pbx,fullname)`.
#[derive(Debug, Clone)]
pub struct Getvar(pub String);

impl Action for Getvar {
    type Answer = String;

    fn request(&self) -> Request {
        Request::new("Getvar").header("Variable", &self.0)
    }

    fn read(&self, reply: Reply) -> Result<String, AmiError> {
        Ok(reply.single()?.get("Value").unwrap_or_default().into_owned())
    }
}

/// Which events this session gets from now on. No privilege needed.
#[derive(Debug, Clone)]
pub struct Events(pub EventMask);

impl Action for Events {
    type Answer = ();

    fn request(&self) -> Request {
        Request::new("Events").header("EventMask", self.0.to_string())
    }

    fn read(&self, reply: Reply) -> Result<(), AmiError> {
        reply.single().map(drop)
    }
}

/// Adds an event filter to this session. Needs `system`. Filters cannot be taken back: reconnect.
///
/// A filter that includes makes everything else excluded. Neither list items nor the `FullyBooted` of the login are
/// filtered.
#[derive(Debug, Clone)]
pub enum Filter {
    /// An expression over the event's text; a leading `!` excludes.
    Regex(String),
    /// Asterisk 22.1 and later: `action(exclude),name(VarSet)` and the pattern to compare with, which may be empty.
    Criteria {
        /// What to compare.
        criteria: String,
        /// With what.
        pattern: String,
    },
}

impl Action for Filter {
    type Answer = ();

    fn request(&self) -> Request {
        let request = Request::new("Filter").header("Operation", "Add");
        match self {
            Self::Regex(filter) => request.header("Filter", filter),
            Self::Criteria { criteria, pattern } => request.header("MatchCriteria", criteria).header("Filter", pattern),
        }
    }

    fn read(&self, reply: Reply) -> Result<(), AmiError> {
        reply.single().map(drop)
    }
}
