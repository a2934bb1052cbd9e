//! Where a call can be sent, and who a caller can be.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::diagnostic::nearest;
use crate::kind::Kind;
use crate::text::{Name, Number, Pattern, Refused, refuse, text_value};

/// How a call is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Hangup {
    /// The call simply ends.
    Normal,
    /// The caller hears busy.
    Busy,
    /// The caller hears that the network is congested.
    Congestion,
}

/// Where a call goes: `extension/1001`, `queue/support`, `voicemail/1001`, `external/+551140028922`, `hangup/busy`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination {
    /// An extension, with its call forwards and its voicemail.
    Extension(Name),
    /// An extension group.
    Group(Name),
    /// A queue.
    Queue(Name),
    /// A ring tree.
    Tree(Name),
    /// A menu.
    Ivr(Name),
    /// The voicemail box of an extension, where the name is its number; else a box of its own.
    Voicemail(Name),
    /// Something that is said, and then where that leads.
    Announcement(Name),
    /// A conference.
    Conference(Name),
    /// Where a schedule leads.
    Schedule(Name),
    /// A parking lot.
    Parking(Name),
    /// A number outside, by the outbound routes, whatever their permission class.
    External(Number),
    /// Nowhere.
    Hangup(Hangup),
}

impl Destination {
    /// The object that it names, if it names one.
    pub fn target(&self) -> Option<(Kind, &Name)> {
        match self {
            Self::Voicemail(name) if !name.as_str().bytes().all(|b| b.is_ascii_digit()) => Some((Kind::Mailbox, name)),
            Self::Extension(name) | Self::Voicemail(name) => Some((Kind::Extension, name)),
            Self::Group(name) => Some((Kind::ExtensionGroup, name)),
            Self::Queue(name) => Some((Kind::Queue, name)),
            Self::Tree(name) => Some((Kind::RingTree, name)),
            Self::Ivr(name) => Some((Kind::Ivr, name)),
            Self::Announcement(name) => Some((Kind::Announcement, name)),
            Self::Conference(name) => Some((Kind::Conference, name)),
            Self::Schedule(name) => Some((Kind::Schedule, name)),
            Self::Parking(name) => Some((Kind::ParkingLot, name)),
            Self::External(_) | Self::Hangup(_) => None,
        }
    }
}

/// What stands before the slash, with a name that stands behind it.
const NAMED: [(&str, &str); 10] = [
    ("extension", "1001"),
    ("group", "sales"),
    ("queue", "support"),
    ("tree", "escalation"),
    ("ivr", "main"),
    ("voicemail", "1001"),
    ("announcement", "closed"),
    ("conference", "8000"),
    ("schedule", "office"),
    ("parking", "main"),
];

/// Every destination, for whoever wrote none.
const ALL: &str = "one of `extension/1001`, `group/sales`, `queue/support`, `tree/escalation`, `ivr/main`, `voicemail/1001`, \
    `announcement/closed`, `conference/8000`, `schedule/office`, `parking/main`, `external/+551140028922`, `hangup`, `hangup/busy`, \
    `hangup/congestion`";

impl FromStr for Destination {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        let (form, name) = text.split_once('/').unwrap_or((text, ""));
        let named = |what: &str| {
            name.parse::<Name>().map_err(|_| {
                Refused(format!(
                    "`{}` names no {what}\nwrite `{form}/` and its name, as in `{form}/{}`",
                    text.escape_debug(),
                    NAMED.iter().find(|(own, _)| *own == form).map_or("main", |(_, example)| example)
                ))
            })
        };
        match form {
            "extension" => Ok(Self::Extension(named("extension")?)),
            "group" => Ok(Self::Group(named("group")?)),
            "queue" => Ok(Self::Queue(named("queue")?)),
            "tree" => Ok(Self::Tree(named("tree")?)),
            "ivr" => Ok(Self::Ivr(named("menu")?)),
            "voicemail" => Ok(Self::Voicemail(named("box")?)),
            "announcement" => Ok(Self::Announcement(named("announcement")?)),
            "conference" => Ok(Self::Conference(named("conference")?)),
            "schedule" => Ok(Self::Schedule(named("schedule")?)),
            "parking" => Ok(Self::Parking(named("parking lot")?)),
            "external" => Ok(Self::External(name.parse()?)),
            "hangup" => match name {
                "" => Ok(Self::Hangup(Hangup::Normal)),
                "busy" => Ok(Self::Hangup(Hangup::Busy)),
                "congestion" => Ok(Self::Hangup(Hangup::Congestion)),
                _ => refuse(
                    format!("`{}` is not a way to hang up", text.escape_debug()),
                    "`hangup`, `hangup/busy` or `hangup/congestion`",
                ),
            },
            _ => {
                let help = if !text.contains('/')
                    && text.parse::<Name>().is_ok()
                    && text.bytes().all(|b| b.is_ascii_digit())
                {
                    format!("did you mean `extension/{text}`?")
                } else if let Some(near) =
                    nearest(form, NAMED.iter().map(|(form, _)| *form).chain(["external", "hangup"]))
                {
                    format!("did you mean `{near}/{name}`?")
                } else {
                    ALL.into()
                };
                refuse(format!("`{}` is not a destination", text.escape_debug()), help)
            }
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Extension(name) => write!(f, "extension/{name}"),
            Self::Group(name) => write!(f, "group/{name}"),
            Self::Queue(name) => write!(f, "queue/{name}"),
            Self::Tree(name) => write!(f, "tree/{name}"),
            Self::Ivr(name) => write!(f, "ivr/{name}"),
            Self::Voicemail(name) => write!(f, "voicemail/{name}"),
            Self::Announcement(name) => write!(f, "announcement/{name}"),
            Self::Conference(name) => write!(f, "conference/{name}"),
            Self::Schedule(name) => write!(f, "schedule/{name}"),
            Self::Parking(name) => write!(f, "parking/{name}"),
            Self::External(number) => write!(f, "external/{number}"),
            Self::Hangup(Hangup::Normal) => f.write_str("hangup"),
            Self::Hangup(Hangup::Busy) => f.write_str("hangup/busy"),
            Self::Hangup(Hangup::Congestion) => f.write_str("hangup/congestion"),
        }
    }
}

text_value!(Destination, "Destination", "a destination", {
    "pattern": r"^((extension|group|queue|tree|ivr|voicemail|announcement|conference|schedule|parking|external)/\+?[a-z0-9-]+|hangup(/(busy|congestion))?)$",
    "examples": ["extension/1001", "group/sales", "queue/support", "ivr/main", "voicemail/1001", "external/+551140028922", "hangup/busy"],
    "description": "Where a call goes: `extension/1001`, `group/sales`, `queue/support`, `tree/escalation`, `ivr/main`, `voicemail/1001`, `announcement/closed`, `conference/8000`, `schedule/office`, `parking/main`, `external/+551140028922`, `hangup`, `hangup/busy`, `hangup/congestion`."
});

/// Who calls: a number, a prefix as `+35191*`, `anonymous`, or an Asterisk pattern as `_+3519XXXXXXX`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Caller {
    /// A caller who shows no number.
    Anonymous,
    /// Exactly this number; the digits count, not the `+`.
    Number(Number),
    /// Any number that starts so; the digits count, not the `+`.
    Prefix(Number),
    /// Any number that matches, as received, without its `+`.
    Pattern(Pattern),
}

impl Caller {
    /// Whether a caller is meant. `None` is a caller without a number.
    pub fn matches(&self, number: Option<&str>) -> bool {
        let digits = number.map(|number| number.strip_prefix('+').unwrap_or(number));
        match (self, digits) {
            (Self::Anonymous, None) => true,
            (Self::Number(own), Some(digits)) => own.digits() == digits,
            (Self::Prefix(own), Some(digits)) => digits.starts_with(own.digits()),
            (Self::Pattern(pattern), Some(digits)) => pattern.matches(digits),
            _ => false,
        }
    }
}

impl FromStr for Caller {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        if text == "anonymous" {
            return Ok(Self::Anonymous);
        }
        if text.starts_with('_') {
            // Callers are compared by their digits; a pattern written with `+` means the same.
            let bare = text.strip_prefix("_+").map_or(text.to_owned(), |rest| format!("_{rest}"));
            return Ok(Self::Pattern(bare.parse()?));
        }
        let (number, prefix) = text.strip_suffix('*').map_or((text, false), |rest| (rest, true));
        match number.parse() {
            Ok(number) if prefix => Ok(Self::Prefix(number)),
            Ok(number) => Ok(Self::Number(number)),
            Err(_) => refuse(
                format!("`{}` is not a caller", text.escape_debug()),
                "a number as `+351912345678`, a prefix as `+35191*`, `anonymous`, or a pattern as `_3519XXXXXXXX`",
            ),
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Prefix(number) => write!(f, "{number}*"),
            Self::Pattern(pattern) => write!(f, "{pattern}"),
        }
    }
}

text_value!(Caller, "Caller", "a caller", {
    "examples": ["+351912345678", "+35191*", "anonymous", "_3519XXXXXXXX"],
    "description": "A number in E.164, a prefix ending in `*`, `anonymous`, or an Asterisk pattern starting with `_`."
});
