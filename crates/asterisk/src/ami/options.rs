//! How to connect: where, as whom, with which events, how patiently.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use super::codec::Limits;

/// A secret that does not show itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps it.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself, for the moment of its use.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(secret: &str) -> Self {
        Self::new(secret)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// How to prove who we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Auth {
    /// By a challenge: the secret itself does not travel.
    #[default]
    Md5,
    /// By sending the secret.
    Plain,
}

/// TLS for the connection (`tlsenable`, usually on port 5039).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// A PEM file with the certificates to trust, or the well-known authorities if `None`. A self-signed certificate of
    /// Asterisk's own is its own authority.
    pub ca: Option<PathBuf>,
    /// The name the certificate must have; the host of the address if `None`.
    pub server_name: Option<String>,
}

/// A class of events (manager.c:765). An event is sent if the user may read its class and the session asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventClass {
    /// `FullyBooted`, `Shutdown`, `Reload`, `ContactStatus`, `Registry`, ...
    System,
    /// Channels, bridges, dials, hold, parking, message waiting, device and extension states, CEL.
    Call,
    /// Queues.
    Agent,
    /// `UserEvent`, `VoicemailPasswordChange`.
    User,
    /// Reserved by Asterisk.
    Config,
    /// Digits.
    Dtmf,
    /// RTCP: noisy.
    Reporting,
    /// `Cdr`, if cdr_manager is enabled.
    Cdr,
    /// `VarSet` and `Newexten`: very noisy, and they show variables.
    Dialplan,
    /// `OriginateResponse` of others is of class call; this one is reserved by Asterisk.
    Originate,
    /// AGI.
    Agi,
    /// Call completion.
    Cc,
    /// Advice of charge.
    Aoc,
    /// Failed and successful logins, access lists.
    Security,
    /// Text messages.
    Message,
}

impl EventClass {
    /// As Asterisk spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Call => "call",
            Self::Agent => "agent",
            Self::User => "user",
            Self::Config => "config",
            Self::Dtmf => "dtmf",
            Self::Reporting => "reporting",
            Self::Cdr => "cdr",
            Self::Dialplan => "dialplan",
            Self::Originate => "originate",
            Self::Agi => "agi",
            Self::Cc => "cc",
            Self::Aoc => "aoc",
            Self::Security => "security",
            Self::Message => "message",
        }
    }
}

/// Which events a session gets. Typed, because Asterisk takes an unknown class for "off" and calls that a success.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum EventMask {
    /// None: for a connection that only acts.
    #[default]
    Off,
    /// All that the user may read.
    On,
    /// These classes.
    Classes(Vec<EventClass>),
}

/// As Asterisk reads it: `on`, `off` or `system,call`. No classes at all is `off`.
impl fmt::Display for EventMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::On => f.write_str("on"),
            Self::Classes(classes) if !classes.is_empty() => {
                let names: Vec<&str> = classes.iter().map(|c| c.as_str()).collect();
                f.write_str(&names.join(","))
            }
            Self::Off | Self::Classes(_) => f.write_str("off"),
        }
    }
}

/// Everything about one connection.
#[derive(Debug, Clone)]
pub struct Options {
    /// `host:port`; a bracketed IPv6 address works.
    pub addr: String,
    /// The user in manager.conf.
    pub user: String,
    /// Its secret.
    pub secret: Secret,
    /// How it is proven.
    pub auth: Auth,
    /// Which events to get.
    pub events: EventMask,
    /// TLS, or none.
    pub tls: Option<Tls>,
    /// For connecting, greeting and login together. Asterisk sleeps 1 s before it refuses a login.
    pub connect_timeout: Duration,
    /// For an action that does not say otherwise.
    pub action_timeout: Duration,
    /// Ping after so much silence.
    pub ping_after: Duration,
    /// Give the connection up after so much silence, unless an action is in flight that still has time. Asterisk answers
    /// pings only between actions.
    pub dead_after: Duration,
    /// How many events wait for a slow subscriber before it loses the oldest ones.
    pub queue: usize,
    /// How much a message may weigh.
    pub limits: Limits,
}

impl Options {
    /// With the defaults: MD5, no events, no TLS; 10 s to connect and for actions, ping after 5 s, dead after 10 s, 8192
    /// events.
    pub fn new(addr: impl Into<String>, user: impl Into<String>, secret: impl Into<Secret>) -> Self {
        Self {
            addr: addr.into(),
            user: user.into(),
            secret: secret.into(),
            auth: Auth::default(),
            events: EventMask::default(),
            tls: None,
            connect_timeout: Duration::from_secs(10),
            action_timeout: Duration::from_secs(10),
            ping_after: Duration::from_secs(5),
            dead_after: Duration::from_secs(10),
            queue: 8192,
            limits: Limits::default(),
        }
    }

    /// With these events.
    #[must_use]
    pub fn events(mut self, events: EventMask) -> Self {
        self.events = events;
        self
    }

    /// The host of the address, without port and brackets.
    pub fn host(&self) -> &str {
        let host = self.addr.rsplit_once(':').map_or(self.addr.as_str(), |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }
}

/// An unknown class of events.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no class of events")]
pub struct UnknownClass(
    /// What was given.
    pub String,
);

impl FromStr for EventClass {
    type Err = UnknownClass;

    fn from_str(text: &str) -> Result<Self, UnknownClass> {
        const ALL: [EventClass; 15] = [
            EventClass::System,
            EventClass::Call,
            EventClass::Agent,
            EventClass::User,
            EventClass::Config,
            EventClass::Dtmf,
            EventClass::Reporting,
            EventClass::Cdr,
            EventClass::Dialplan,
            EventClass::Originate,
            EventClass::Agi,
            EventClass::Cc,
            EventClass::Aoc,
            EventClass::Security,
            EventClass::Message,
        ];
        ALL.into_iter().find(|c| c.as_str().eq_ignore_ascii_case(text)).ok_or_else(|| UnknownClass(text.to_owned()))
    }
}
