//! SIP phones, callers and carriers: SIPp processes with scenarios that we write and logs that we read.
//!
//! A scenario logs what happens as it happens: a line `@@<event> <time> <call-id>` and the SIP message that caused it.
//! The times come from SIPp, so they compare across phones whatever this process was doing meanwhile.

mod caller;
mod phone;
mod scenario;

pub use caller::{CallResult, Caller, Calling, Keypad};
pub use phone::{Behaviour, Outcome, Phone, PhoneSpec, RangCall, Uas};

use crate::packages::ensure_packages;
use crate::place::{Place, Process};
use anyhow::{Context, Result, ensure};
use fs_err as fs;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

/// The port of everything that speaks SIP in the lab.
pub(crate) const SIP: u16 = 5060;

/// A SIP message, read leniently: it comes from a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SipMessage {
    /// The whole text, lines separated by `\n`.
    pub text: String,
}

impl SipMessage {
    /// The first line.
    pub fn start_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    /// The first header of this name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).next()
    }

    /// All headers of this name, in order.
    pub fn headers<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.text
            .lines()
            .skip(1)
            .take_while(|line| !line.is_empty())
            .filter_map(move |line| line.split_once(':').filter(|(key, _)| key.eq_ignore_ascii_case(name)))
            .map(|(_, value)| value.trim())
    }

    /// The body: a session description, or nothing.
    pub fn body(&self) -> &str {
        self.text.split_once("\n\n").map_or("", |(_, body)| body)
    }

    /// The user part of the URI of a header, or of the request itself with the name `""`.
    pub(crate) fn user(&self, header: &str) -> Option<String> {
        let text = if header.is_empty() { self.start_line().split(' ').nth(1)? } else { self.header(header)? };
        let (_, rest) = text.split_once("sip:").or_else(|| text.split_once("sips:"))?;
        let (user, _) = rest.split_once('@')?;
        Some(user.replace("%23", "#"))
    }

    /// The name that a header shows beside its URI.
    pub(crate) fn display_name(&self, header: &str) -> Option<String> {
        let (name, _) = self.header(header)?.split_once('<')?;
        let name = name.trim().trim_matches('"');
        (!name.is_empty()).then(|| name.to_owned())
    }

    /// Status and reason of a response.
    pub(crate) fn status(&self) -> Option<(u16, String)> {
        let (code, reason) = self.start_line().strip_prefix("SIP/2.0 ")?.split_once(' ')?;
        Some((code.parse().ok()?, reason.trim().to_owned()))
    }
}

/// Something that a scenario logged.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) at: SystemTime,
    pub(crate) call: String,
    pub(crate) message: SipMessage,
}

/// A SIPp process with the log of its scenario.
#[derive(Debug)]
pub(crate) struct Sipp {
    process: Process,
    log: PathBuf,
    errors: PathBuf,
}

/// What a SIPp process is started with.
pub(crate) struct Start<'a> {
    pub(crate) name: &'a str,
    pub(crate) scenario: &'a str,
    /// The other side; `None` for a scenario that waits for it.
    pub(crate) to: Option<SocketAddrV4>,
    /// User and password for digest authentication.
    pub(crate) login: Option<(&'a str, &'a str)>,
    /// How many times it is played, and how often a second.
    pub(crate) times: (u32, u32),
}

impl Start<'_> {
    /// Played once.
    pub(crate) const ONCE: (u32, u32) = (1, 10);
}

impl Sipp {
    pub(crate) fn start(place: &Place, start: &Start<'_>) -> Result<Self> {
        ensure_packages(&["sip-tester"])?;
        let file = |kind: &str| place.dir().join(format!("{}.{kind}", start.name));
        let (scenario, log, errors) = (file("xml"), file("log"), file("err"));
        fs::write(&scenario, start.scenario)?;
        for path in [&log, &errors] {
            if path.exists() {
                fs::remove_file(path)?;
            }
        }
        let ip = place.ip().to_string();
        let mut command = Command::new("sipp");
        if let Some(to) = start.to {
            let (calls, rate) = start.times;
            command.arg(to.to_string()).args(["-m", &calls.to_string(), "-r", &rate.to_string()]);
        }
        if let Some((user, password)) = start.login {
            command.args(["-au", user, "-ap", password]);
        }
        command
            // Without -bind_local a waiting SIPp listens on all addresses; without -ci its control port, too, is
            // shared by all.
            .args(["-i", &ip, "-bind_local", "-p", &SIP.to_string(), "-ci", &ip, "-mi", &ip])
            .args(["-t", "u1", "-nostdin", "-skip_rlimit", "-aa"])
            .arg("-sf")
            .arg(&scenario)
            .arg("-trace_logs")
            .arg("-log_file")
            .arg(&log)
            .arg("-trace_err")
            .arg("-error_file")
            .arg(&errors)
            .env("TERM", "dumb");
        let process = place.spawn(start.name, command).context("cannot start sipp")?;
        Ok(Self { process, log, errors })
    }

    /// What has been logged so far; a record that is still being written is left for the next time.
    pub(crate) fn events(&self) -> Result<Vec<Event>> {
        read_events(&self.log)
    }

    pub(crate) fn ended(&mut self) -> Result<bool> {
        Ok(self.process.ended()?.is_some())
    }

    pub(crate) fn ensure_running(&mut self) -> Result<()> {
        self.process.ensure_running().with_context(|| self.complaints())
    }

    /// What SIPp wrote to its file of errors: unexpected messages, with their text.
    pub(crate) fn complaints(&self) -> String {
        let text = fs::read(&self.errors).unwrap_or_default();
        format!("SIPp's errors:\n{}", String::from_utf8_lossy(&text).trim())
    }
}

fn read_events(log: &Path) -> Result<Vec<Event>> {
    if !log.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read(log)?;
    let text = String::from_utf8_lossy(&text).replace("\r\n", "\n");
    let Some((complete, _)) = text.rsplit_once("@@end\n") else { return Ok(Vec::new()) };
    complete.split("@@end\n").map(parse_event).collect()
}

/// `@@<event> <date>\t<time>\t<seconds since 1970> <call-id>`, then the message.
fn parse_event(record: &str) -> Result<Event> {
    let record = record.trim_start();
    let parse = || {
        let (head, message) = record.strip_prefix("@@")?.split_once('\n')?;
        let (name, rest) = head.split_once(' ')?;
        let (time, call) = rest.rsplit_once(' ')?;
        let (seconds, fraction) = time.rsplit('\t').next()?.split_once('.')?;
        let micros: u64 = fraction.get(..6)?.parse().ok()?;
        let since = Duration::from_secs(seconds.parse().ok()?) + Duration::from_micros(micros);
        let message = SipMessage { text: message.trim_start().to_owned() };
        Some(Event { name: name.to_owned(), at: SystemTime::UNIX_EPOCH + since, call: call.to_owned(), message })
    };
    parse().with_context(|| format!("a line of SIPp's log that the lab does not understand: {record:?}"))
}

/// A text that becomes part of a scenario: SIPp would read brackets as keywords.
pub(crate) fn plain(text: &str) -> Result<&str> {
    ensure!(!text.contains(['[', ']', '\r', '\n']), "{text:?} cannot be part of a SIPp scenario");
    Ok(text)
}
