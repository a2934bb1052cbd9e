//! Where calls are parked.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mailbox::dialled;
use super::queue::within;
use super::yes;
use crate::check::Checker;
use crate::dest::Destination;
use crate::diagnostic::Diagnostic;
use crate::kind::{Kind, Spec};
use crate::text::{Duration, Name, Refused, Text, refuse, text_value};

/// The numbers of a lot's slots, as `701-720`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slots {
    /// The first.
    pub first: u32,
    /// The last.
    pub last: u32,
}

impl FromStr for Slots {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        let number = |text: &str| {
            let digits = (1..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            if digits && !text.starts_with('0') { text.parse::<u32>().ok() } else { None }
        };
        match text.split_once('-').map(|(first, last)| (number(first), number(last))) {
            Some((Some(first), Some(last))) if first <= last && last - first < 1000 => Ok(Self { first, last }),
            _ => refuse(
                format!("`{}` are not slots", text.escape_debug()),
                "the first and the last number, in quotes, as in `\"701-720\"`; at most 1000",
            ),
        }
    }
}

impl fmt::Display for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

text_value!(Slots, "Slots", "the numbers of slots", { "pattern": "^[1-9][0-9]*-[1-9][0-9]*$", "examples": ["701-720"] });

/// Where calls are parked: whoever dials a slot's number takes the call that is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ParkingLot {
    /// Turned off, nothing can be parked.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// For those who read manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Text>,
    /// What a call is transferred to, to park it.
    pub number: Name,
    /// The numbers of the slots.
    pub slots: Slots,
    /// How long a call stays parked, `5s` to `1d`.
    #[serde(default = "minute")]
    pub timeout: Duration,
    /// Where calls go that nobody has taken by then. Default: back to the telephone that parked them;
    /// a lot that calls are sent to needs it, for there is no such telephone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comeback: Option<Destination>,
    /// What is played to those who are parked. Default: Asterisk's own music.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_music: Option<Name>,
}

fn minute() -> Duration {
    Duration(60)
}

impl Spec for ParkingLot {
    fn check_name(name: &Name) -> Result<(), Refused> {
        if ["general", "default"].contains(&name.as_str()) {
            return refuse(format!("`{name}` is a lot of Asterisk's own"), "choose another name, as `main`");
        }
        Ok(())
    }

    fn check(&self, _: &Name, checker: &mut Checker<'_>) {
        dialled(checker, Some(&self.number));
        within(checker, "spec.timeout", self.timeout, Duration(5), Duration(86400));
        if let Some(comeback) = &self.comeback {
            checker.destination("spec.comeback", comeback);
        }
        if let Some(music) = &self.hold_music {
            checker.reference("spec.holdMusic", Kind::HoldMusic, music);
        }
        if self.number.as_str().parse::<u32>().is_ok_and(|own| (self.slots.first..=self.slots.last).contains(&own)) {
            checker.add(
                "spec.slots",
                Diagnostic::error("number-taken", format!("`{}` is the lot's own number", self.number))
                    .help("let the slots begin behind it"),
            );
        }
    }

    fn enabled(&self) -> bool {
        self.enabled
    }
}
