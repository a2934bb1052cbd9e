//! Queues, where callers wait for whoever is free.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mailbox::dialled;
use super::{Key, Percent, Recording, yes};
use crate::check::{Checker, repeated};
use crate::dest::{Caller, Destination};
use crate::diagnostic::Diagnostic;
use crate::kind::{Kind, Spec};
use crate::sound::Prompt;
use crate::text::{DisplayName, Duration, Name, Refused, Text, refuse};

/// Who of the members that are free is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum QueueStrategy {
    /// All at once.
    RingAll,
    /// Whose last call ended longest ago.
    LeastRecent,
    /// Who has answered the fewest calls of this queue.
    FewestCalls,
    /// Any, by chance.
    Random,
    /// One after another, remembering where it was.
    #[default]
    RrMemory,
    /// The same, in the order written, whoever logs in between.
    RrOrdered,
    /// The first that is free, in the order written.
    Linear,
    /// By chance; a higher penalty makes it less likely.
    WRandom,
}

/// A member of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QueueMember {
    /// The extension.
    pub extension: Name,
    /// Members with a higher one are called only when those with a lower one are not free, 0 to 1000.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    pub penalty: u32,
    /// Always logged in; a break ends when Asterisk restarts. Otherwise the member logs in and out by hand, and stays so, on a break or not,
    /// through reloads and restarts.
    #[serde(default)]
    pub auto_login: bool,
}

/// When a queue counts as empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Emptiness {
    /// Never: callers wait for members to come.
    Never,
    /// When no member with a telephone that works is logged in.
    #[default]
    NobodyLoggedIn,
    /// When whoever is logged in is on a break, too.
    NobodyAvailable,
    /// When whoever is left is on the telephone, too.
    NobodyFree,
}

/// What takes a member that let a call ring out of the queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AutoPause {
    /// Nothing.
    #[default]
    Never,
    /// It is paused in this queue.
    Queue,
    /// It is paused in all of its queues.
    All,
}

/// Something that is played again and again to those who wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Comfort {
    /// How long from one time to the next, `5s` to `1h`.
    pub every: Duration,
    /// What is played.
    pub play: Prompt,
}

/// What is said to those who wait.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Announce {
    /// Says how many are before them.
    pub position: bool,
    /// Says how long it will take, by what it took others.
    pub hold_time: bool,
    /// How often these are said, `5s` to `1h`. Default: `60s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<Duration>,
    /// What else is played again and again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comfort: Option<Comfort>,
    /// What the member hears before the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<Prompt>,
}

/// A caller who is served before others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Vip {
    /// Who calls.
    pub caller: Caller,
    /// Higher is served first, 1 to 100; callers who are no VIP have 0.
    #[schemars(range(min = 1, max = 100))]
    pub priority: u32,
}

/// How a queue's service level is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum Formula {
    /// Answered or abandoned in time, of all.
    A,
    /// Answered in time, of those answered.
    B,
    /// Answered in time, of all.
    C,
    /// Answered in time, of all that were answered or waited past the time.
    D,
    /// Answered in time or abandoned shortly, of all.
    E,
    /// Answered in time, of all but those abandoned shortly.
    #[default]
    F,
}

/// How well a queue should be served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServiceLevel {
    /// The share of calls that should be answered in time.
    pub target: Percent,
    /// What in time means.
    pub within: Duration,
    /// Who hangs up sooner has not waited.
    pub short_abandon: Duration,
    /// How it is counted.
    pub formula: Formula,
}

impl Default for ServiceLevel {
    fn default() -> Self {
        Self { target: Percent(80), within: Duration(20), short_abandon: Duration(5), formula: Formula::F }
    }
}

/// Whether agents say what became of a call.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct QueueDisposition {
    /// Whether they must, before the next call.
    pub required: bool,
    /// How long they may take. Default: as long as they like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<Duration>,
}

/// A queue, where callers wait for whoever is free.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Queue {
    /// Turned off, calls go on to `onEmpty`, or end.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// For those who read manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Text>,
    /// Shown in front of the caller's name at the members' telephones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<DisplayName>,
    /// What telephones dial for the queue. Default: it has no number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<Name>,
    /// Who of the members that are free is called.
    #[serde(default)]
    pub strategy: QueueStrategy,
    /// Who may be a member, and who always is. One that forwards every call, is not to be disturbed or is turned off is left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<QueueMember>,
    /// How long a member rings before the next one, `1s` to `10m`.
    #[serde(default = "fifteen")]
    pub ring_timeout: Duration,
    /// How long from one round to the next, `1s` to `1m`.
    #[serde(default = "five")]
    pub retry: Duration,
    /// How long a member has after a call before the next, `0s` to `1h`.
    #[serde(default = "nothing")]
    pub wrap_up: Duration,
    /// Of queues that share members, calls of the one with the higher weight come first, 0 to 1000.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    pub weight: u32,
    /// How many may wait. Default: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub max_waiting: Option<u32>,
    /// How long one may wait before `onTimeout`. Default: without end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_wait: Option<Duration>,
    /// When callers are not let in, and go to `onEmpty`.
    #[serde(default)]
    pub join_empty: Emptiness,
    /// When those who wait are sent to `onEmpty`.
    #[serde(default)]
    pub leave_empty: Emptiness,
    /// Whether members ring who are on the telephone.
    #[serde(default)]
    pub ring_in_use: bool,
    /// What becomes of a member that let a call ring.
    #[serde(default)]
    pub auto_pause: AutoPause,
    /// What is played to those who wait. Default: Asterisk's own music.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_music: Option<Name>,
    /// What is said to those who wait.
    #[serde(default)]
    pub announce: Announce,
    /// Callers who are served before others; of several rules that match, the first counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vip: Vec<Vip>,
    /// When it is open. Default: always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Name>,
    /// Where calls go when the schedule is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_of_office: Option<Destination>,
    /// Callers who are not let in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_filter: Option<Name>,
    /// The clips that its agents may play.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soundboard: Option<Name>,
    /// Which calls are recorded.
    #[serde(default)]
    pub record: Recording,
    /// How well it should be served.
    #[serde(default)]
    pub service_level: ServiceLevel,
    /// Whether agents say what became of a call.
    #[serde(default)]
    pub disposition: QueueDisposition,
    /// Where calls go that waited for `maxWait`. Default: they end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_timeout: Option<Destination>,
    /// Where calls go while `maxWaiting` wait. Default: they end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_full: Option<Destination>,
    /// Where calls go when it is empty. Default: they end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_empty: Option<Destination>,
    /// Where those who wait may go by pressing a key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<Key, Destination>,
}

fn fifteen() -> Duration {
    Duration(15)
}

fn five() -> Duration {
    Duration(5)
}

fn nothing() -> Duration {
    Duration(0)
}

/// Whether a time lies in a range, both ends in it.
pub(super) fn within(checker: &mut Checker<'_>, path: &str, value: Duration, least: Duration, most: Duration) {
    if !(least..=most).contains(&value) {
        checker.add(
            path,
            Diagnostic::error("range", format!("`{value}` is out of range"))
                .help(format!("from `{least}` to `{most}`")),
        );
    }
}

fn number(checker: &mut Checker<'_>, path: &str, value: u32, least: u32, most: u32) {
    if !(least..=most).contains(&value) {
        checker.add(
            path,
            Diagnostic::error("range", format!("{value} is out of range")).help(format!("from {least} to {most}")),
        );
    }
}

/// A schedule, and where calls go when it is closed: each needs the other.
pub(super) fn hours(
    checker: &mut Checker<'_>,
    schedule: Option<&Name>,
    closed: Option<&Destination>,
    field: &'static str,
) {
    if let Some(schedule) = schedule {
        checker.reference("spec.schedule", Kind::Schedule, schedule);
    }
    if let Some(closed) = closed {
        checker.destination(&format!("spec.{field}"), closed);
    }
    match (schedule, closed) {
        (Some(_), None) => checker.add(
            "spec.schedule",
            Diagnostic::error("missing-field", "where do calls go when the schedule is closed?")
                .help(format!("add `{field}: voicemail/…`, or `{field}: hangup` to end them")),
        ),
        (None, Some(_)) => checker.add(
            &format!("spec.{field}"),
            Diagnostic::error("missing-field", format!("`{field}` without a `schedule` never happens"))
                .help(format!("add `schedule: …`, or remove `{field}`")),
        ),
        _ => {}
    }
}

impl Queue {
    /// Where its calls go, by field.
    pub fn ways_out(&self) -> impl Iterator<Item = (&'static str, &Destination)> {
        [("onTimeout", &self.on_timeout), ("onFull", &self.on_full), ("onEmpty", &self.on_empty)]
            .into_iter()
            .filter_map(|(field, way)| Some((field, way.as_ref()?)))
    }

    /// Whether it ever counts as empty.
    pub fn can_be_empty(&self) -> bool {
        self.join_empty != Emptiness::Never || self.leave_empty != Emptiness::Never
    }

    fn check_members(&self, checker: &mut Checker<'_>) {
        for (at, member) in self.members.iter().enumerate() {
            let path = format!("spec.members[{at}].extension");
            checker.reference(&path, Kind::Extension, &member.extension);
            number(checker, &format!("spec.members[{at}].penalty"), member.penalty, 0, 1000);
        }
        for at in repeated(self.members.iter().map(|member| &member.extension)) {
            checker.add(
                &format!("spec.members[{at}].extension"),
                Diagnostic::error("repeated", format!("`{}` is a member twice", self.members[at].extension))
                    .help("remove one of them"),
            );
        }
        if self.members.is_empty() {
            let message = "nobody can be in this queue: it has no members";
            checker.add(
                "spec.members",
                Diagnostic::warning("nobody", message)
                    .help("as in `members: [{ extension: \"1001\", autoLogin: true }]`"),
            );
        }
    }
}

impl Spec for Queue {
    fn check_name(name: &Name) -> Result<(), Refused> {
        // What app_queue takes for its own sections, and a name that its files would read as a number of another queue.
        if ["general"].contains(&name.as_str()) || name.as_str().len() > 48 {
            return refuse(format!("`{name}` cannot be a queue's name"), "at most 48 letters, and not `general`");
        }
        Ok(())
    }

    fn check(&self, name: &Name, checker: &mut Checker<'_>) {
        dialled(checker, self.number.as_ref());
        self.check_members(checker);
        let (second, minute, hour) = (Duration(1), Duration(60), Duration(3600));
        within(checker, "spec.ringTimeout", self.ring_timeout, second, Duration(600));
        // Asterisk takes none at all for its own default.
        within(checker, "spec.retry", self.retry, second, minute);
        within(checker, "spec.wrapUp", self.wrap_up, Duration(0), hour);
        number(checker, "spec.weight", self.weight, 0, 1000);
        if let Some(most) = self.max_waiting {
            number(checker, "spec.maxWaiting", most, 1, 10_000);
        }
        if let Some(longest) = self.max_wait {
            within(checker, "spec.maxWait", longest, second, Duration(24 * 3600));
        }
        if let Some(every) = self.announce.every {
            within(checker, "spec.announce.every", every, Duration(5), hour);
        }
        if let Some(comfort) = &self.announce.comfort {
            within(checker, "spec.announce.comfort.every", comfort.every, Duration(5), hour);
            checker.prompt("spec.announce.comfort.play", &comfort.play);
        }
        if let Some(member) = &self.announce.member {
            checker.prompt("spec.announce.member", member);
        }
        for (at, vip) in self.vip.iter().enumerate() {
            number(checker, &format!("spec.vip[{at}].priority"), vip.priority, 1, 100);
        }
        for at in repeated(self.vip.iter().map(|vip| &vip.caller)) {
            checker.add(
                &format!("spec.vip[{at}].caller"),
                Diagnostic::warning("unreachable", format!("an earlier rule already takes `{}`", self.vip[at].caller))
                    .help("the first rule that matches counts"),
            );
        }
        hours(checker, self.schedule.as_ref(), self.out_of_office.as_ref(), "outOfOffice");
        for (field, kind, name) in [
            ("holdMusic", Kind::HoldMusic, &self.hold_music),
            ("blockFilter", Kind::BlockFilter, &self.block_filter),
            ("soundboard", Kind::Soundboard, &self.soundboard),
        ] {
            if let Some(name) = name {
                checker.reference(&format!("spec.{field}"), kind, name);
            }
        }
        for (field, way) in self.ways_out() {
            checker.destination(&format!("spec.{field}"), way);
            if matches!(way, Destination::Queue(target) if target == name) && field != "onTimeout" {
                checker.add(
                    &format!("spec.{field}"),
                    Diagnostic::error("loop", format!("queue `{name}` sends its calls to itself"))
                        .help("send the call elsewhere, as to `voicemail/…`, or `hangup`"),
                );
            }
        }
        if self.on_timeout.is_some() && self.max_wait.is_none() {
            checker.add(
                "spec.onTimeout",
                Diagnostic::warning("never", "`onTimeout` never happens: callers wait without end")
                    .help("add `maxWait: 10m`"),
            );
        }
        if self.on_full.is_some() && self.max_waiting.is_none() {
            checker.add(
                "spec.onFull",
                Diagnostic::warning("never", "`onFull` never happens: any number may wait")
                    .help("add `maxWaiting: 50`"),
            );
        }
        if self.on_empty.is_some() && !self.can_be_empty() {
            checker.add(
                "spec.onEmpty",
                Diagnostic::warning("never", "`onEmpty` never happens: callers wait for members to come")
                    .help("remove `joinEmpty: never`, or `onEmpty`"),
            );
        }
        for (key, destination) in &self.keys {
            checker.destination(&format!("spec.keys.{key}"), destination);
        }
    }

    fn enabled(&self) -> bool {
        self.enabled
    }
}
