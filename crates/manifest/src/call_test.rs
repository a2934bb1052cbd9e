//! Calls that are tried on paper: what comes in, how the world is, and where the call must go. Read beside manifests, never applied.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::Origin;
use crate::kinds::ScheduleState;
use crate::sound::Prompt;
use crate::text::{Name, Number, Refused, Text, TimeZone, refuse, text_value};

/// What is dialled: digits, `*` and `#`, with a `+` in front of a country code.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DialString(Box<str>);

impl DialString {
    /// As dialled.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DialString {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        if (1..=40).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit() || b"*#".contains(&b)) {
            return Ok(Self(text.into()));
        }
        refuse(
            format!("`{}` cannot be dialled", text.escape_debug()),
            "digits, `*` and `#`, as in `\"+351210001000\"`, `\"1001\"`, `\"*97\"`",
        )
    }
}

impl fmt::Display for DialString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(DialString, "DialString", "a number that is dialled", {
    "pattern": r"^\+?[0-9*#]{1,40}$", "examples": ["+351210001000", "1001", "*97"]
});

/// Who calls: a number outside, `anonymous`, or a telephone of the house as `extension/1001`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallFrom {
    /// A caller who shows no number.
    Anonymous,
    /// A number: of an extension, where one has it and what it dials is no DID; else one outside.
    Number(Number),
    /// A telephone of the house.
    Extension(Name),
}

impl FromStr for CallFrom {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        if text == "anonymous" {
            return Ok(Self::Anonymous);
        }
        if let Some(Ok(name)) = text.strip_prefix("extension/").map(str::parse) {
            return Ok(Self::Extension(name));
        }
        match text.parse() {
            Ok(number) => Ok(Self::Number(number)),
            Err(_) => refuse(
                format!("`{}` cannot call", text.escape_debug()),
                "a number as `+351912345678`, `anonymous`, or a telephone as `extension/1001`",
            ),
        }
    }
}

impl fmt::Display for CallFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::Number(number) => number.fmt(f),
            Self::Extension(name) => write!(f, "extension/{name}"),
        }
    }
}

text_value!(CallFrom, "CallFrom", "who calls", { "examples": ["+351912345678", "anonymous", "extension/1001"] });

/// An instant: a minute or second of the clock in the system's time zone, as `2026-12-25T03:00`, or one anywhere, as
/// `2026-12-25T03:00Z` or `2026-12-25T03:00+01:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum At {
    /// By the clock of the system's time zone.
    Local(DateTime),
    /// Anywhere.
    Exact(Timestamp),
}

impl At {
    /// When that is. An hour that summer time leaves out is the one after it, one that it has twice the first.
    pub fn instant(self, zone: &TimeZone) -> Option<Timestamp> {
        match self {
            Self::Local(at) => at.to_zoned(zone.rules()).ok().map(|at| at.timestamp()),
            Self::Exact(at) => Some(at),
        }
    }
}

impl FromStr for At {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        // A date alone leaves open what is asked for, and `Z` behind a local time is an instant.
        if text.len() >= 16 {
            if let Ok(at) = text.parse::<Timestamp>() {
                return Ok(Self::Exact(at));
            }
            if let Ok(at) = text.parse::<DateTime>() {
                return Ok(Self::Local(at));
            }
        }
        refuse(
            format!("`{}` is not an instant", text.escape_debug()),
            "date and time, as in `2026-12-25T03:00`; in another zone than the settings' as in `2026-12-25T03:00Z`",
        )
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(at) if at.second() == 0 => write!(f, "{}", at.strftime("%Y-%m-%dT%H:%M")),
            Self::Local(at) => at.fmt(f),
            Self::Exact(at) => at.fmt(f),
        }
    }
}

text_value!(At, "At", "an instant", {
    "examples": ["2026-12-25T03:00", "2026-12-25T03:00Z"],
    "description": "Date and time by the clock of the settings' time zone, or with `Z` or an offset behind it."
});

/// What is pressed at one prompt: keys, or nothing for silence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Press(Box<str>);

impl Press {
    /// The keys.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Press {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        if text.len() <= 40 && text.bytes().all(|b| b.is_ascii_digit() || b"*#".contains(&b)) {
            return Ok(Self(text.into()));
        }
        refuse(
            format!("`{}` cannot be pressed", text.escape_debug()),
            "digits, `*` and `#`, in quotes, as in `\"2\"`; `\"\"` is silence",
        )
    }
}

impl fmt::Display for Press {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(Press, "Press", "keys", { "pattern": "^[0-9*#]{0,40}$", "examples": ["2", "1001", ""] });

/// What comes in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TestCall {
    /// What was dialled: a DID from outside; by a telephone of the house, anything.
    pub to: DialString,
    /// Who calls: a number, `anonymous`, or a telephone as `extension/1001`. Default: `anonymous`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<CallFrom>,
    /// When, by the clock of the settings' time zone. A call that asks a schedule needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<At>,
    /// The carrier that the call comes by. Default: the DID's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<Name>,
}

/// How the world is while a call goes on. Whoever is not named here is there, free, and answers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Given {
    /// Extensions that are on the telephone, or decline.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub busy: Vec<Name>,
    /// Extensions that ring and are not answered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub no_answer: Vec<Name>,
    /// Extensions without a telephone that is registered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unregistered: Vec<Name>,
    /// Extensions that have turned do not disturb on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub do_not_disturb: Vec<Name>,
    /// What is pressed at one prompt after another; `""` is silence, and when they run out it stays silent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub press: Vec<Press>,
    /// Members that have logged in to their queues; those with `autoLogin` are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub logged_in: Vec<Name>,
    /// Members that take a break.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paused: Vec<Name>,
    /// Queues in which as many wait as may.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub full: Vec<Name>,
    /// How many wait in queues.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub waiting: BTreeMap<Name, u32>,
    /// Schedules that somebody has opened or closed by hand.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub schedules: BTreeMap<Name, ScheduleState>,
    /// Carriers that take no call: the next one is tried.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refuses: Vec<Name>,
}

/// Where the call must go. What is not named may be as it likes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Expect {
    /// The steps, in order, as `pbxctl trace` names them. Steps inside of a menu or a tree, `filter/…=passed` and `schedule/…=open` may
    /// be left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<Text>,
    /// How it ends: `answered`, `voicemail/general`, `hangup/busy`, `conference/8000`, `parking/main`, `unknown`, `forbidden`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<Text>,
    /// Who answers: an extension's number, or `extension/1001`; for calls that go out, the number that is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<Text>,
    /// What the caller hears, in order; more may be heard between.
    #[serde(skip_serializing_if = "Vec::is_empty", alias = "announcements")]
    pub heard: Vec<Prompt>,
    /// The music that the caller waits to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub music: Option<Name>,
    /// The carrier by which the call goes out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carrier: Option<Name>,
}

impl Expect {
    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A call that is tried on paper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CallTest {
    /// Turned off, it is skipped.
    #[serde(default = "crate::kinds::yes")]
    pub enabled: bool,
    /// For those who read manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Text>,
    /// What comes in.
    pub call: TestCall,
    /// How the world is meanwhile.
    #[serde(default)]
    pub given: Given,
    /// Where the call must go.
    pub expect: Expect,
}

impl CallTest {
    /// As a manifest's `kind` says it.
    pub const TITLE: &'static str = "CallTest";

    /// What it is, in a sentence.
    pub const ABOUT: &'static str = "A call that is tried on paper: read by `pbxctl test`, never applied.";
}

/// A call test as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct TestDocument {
    /// Where it was read.
    pub origin: Origin,
    /// Its name.
    pub name: Name,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The test.
    pub test: CallTest,
}
