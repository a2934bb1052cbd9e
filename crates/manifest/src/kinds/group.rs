//! Extensions that ring together or one after another.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::yes;
use crate::check::{Checker, repeated};
use crate::dest::Destination;
use crate::diagnostic::Diagnostic;
use crate::kind::{Kind, Spec};
use crate::text::{DisplayName, Duration, Name, Text};

/// In which order the members of a group ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Strategy {
    /// All at once.
    #[default]
    RingAll,
    /// One after another, in the order written.
    Hunt,
    /// The first; then the first two; then the first three.
    MemoryHunt,
    /// One after another, each call starting one further than the call before.
    RoundRobin,
}

/// Extensions that ring together or one after another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExtensionGroup {
    /// Turned off, calls go on to `failover`.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// For those who read manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Text>,
    /// Shown in front of the caller's name while the group rings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<DisplayName>,
    /// What phones dial for the group. Default: it has no number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<Name>,
    /// In which order members ring.
    #[serde(default)]
    pub strategy: Strategy,
    /// The extensions. One that forwards every call, is not to be disturbed or is turned off is left out.
    pub members: Vec<Name>,
    /// How long each try rings, `1s` to `10m`.
    #[serde(default = "twenty")]
    pub timeout: Duration,
    /// Where calls go that nobody took. Default: they end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failover: Option<Destination>,
}

/// So many telephones ring at once.
pub(super) const MOST_MEMBERS: usize = 50;

fn twenty() -> Duration {
    Duration(20)
}

impl Spec for ExtensionGroup {
    fn check(&self, name: &Name, checker: &mut Checker<'_>) {
        for (at, member) in self.members.iter().enumerate() {
            let path = format!("spec.members[{at}]");
            checker.reference(&path, Kind::Extension, member);
        }
        for at in repeated(&self.members) {
            checker.add(
                &format!("spec.members[{at}]"),
                Diagnostic::error("repeated", format!("`{}` is a member twice", self.members[at]))
                    .help("remove one of them"),
            );
        }
        if self.members.is_empty() {
            checker.add(
                "spec.members",
                Diagnostic::error("empty", "a group needs a member").help("as in `members: [\"1001\"]`"),
            );
        }
        if self.members.len() > MOST_MEMBERS {
            checker.add(
                "spec.members",
                Diagnostic::error("range", format!("{} members are too many", self.members.len()))
                    .help(format!("at most {MOST_MEMBERS}: more telephones than that do not fit into one Dial")),
            );
        }
        if !(1..=600).contains(&self.timeout.seconds()) {
            checker.add(
                "spec.timeout",
                Diagnostic::error("range", format!("`{}` is out of range", self.timeout)).help("from `1s` to `10m`"),
            );
        }
        if let Some(number) = &self.number
            && !(number.as_str().len() <= 15 && number.as_str().bytes().all(|b| b.is_ascii_digit()))
        {
            checker.add(
                "spec.number",
                Diagnostic::error("range", format!("`{number}` cannot be dialled")).help("1 to 15 digits"),
            );
        }
        if let Some(failover) = &self.failover {
            checker.destination("spec.failover", failover);
            if matches!(failover, Destination::Group(target) if target == name) {
                checker.add(
                    "spec.failover",
                    Diagnostic::error("loop", format!("group `{name}` fails over to itself"))
                        .help("send the call elsewhere, as to `voicemail/…`, or `hangup`"),
                );
            }
        }
    }

    fn enabled(&self) -> bool {
        self.enabled
    }
}
