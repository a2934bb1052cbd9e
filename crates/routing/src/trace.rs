//! Follows a call through the graph, on paper: which steps it takes, why, what the caller hears, and how it ends.
//!
//! What a trace names its steps is what the dialplan names them in its comments, in the order in which a real call comes to them, so
//! that the two can be compared. Every step that is entered says its name. A filter that is asked says `filter/NAME=denied` or
//! `=passed`, a schedule `schedule/NAME=open` or `=closed`; a `schedule/NAME` that calls are sent to says nothing else of itself.

mod call;
mod check;
mod coverage;
mod dialled;
mod gates;
mod keys;
mod queue;
mod ring;
mod verdict;
mod walk;

use std::borrow::Cow;
use std::fmt;

use pbx_manifest::kinds::Settings;
use pbx_manifest::{Catalog, Given, Hangup, Name, ObjectRef};
use serde::{Serialize, Serializer};

pub use call::{Call, Entry};
pub use check::{check_call, check_tests};
pub use coverage::{Coverage, Uncovered};
pub use verdict::{Miss, judge};

use crate::{CallGraph, Field, NodeId};

/// A step that a call took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Passed {
    /// Its name, as the channel says it.
    pub label: String,
    /// Why the call came here; of a filter or schedule, why it says so.
    pub why: String,
    /// The field that decided it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided: Option<Field>,
    /// What happens here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub happens: Vec<String>,
    /// What the caller hears here, as `announcement/welcome` or `sound/vm-goodbye`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub heard: Vec<String>,
    /// How much was heard before each of what happens.
    #[serde(skip)]
    before: Vec<usize>,
}

impl Passed {
    /// What happens and what is heard, in order: each that happens behind what was heard until then, and what is heard at last.
    pub fn in_order(&self) -> impl Iterator<Item = (&[String], Option<&str>)> {
        let begins = std::iter::once(0).chain(self.before.iter().copied());
        let ends = self.before.iter().copied().chain([self.heard.len()]);
        let happens = self.happens.iter().map(|what| Some(what.as_str())).chain([None]);
        begins.zip(ends).zip(happens).map(|((from, to), what)| (&self.heard[from..to], what))
    }
}

/// A carrier that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tried {
    /// Which one.
    pub carrier: Name,
    /// The number that it was sent.
    pub number: String,
    /// Whether it took the call.
    pub took: bool,
}

/// How a call ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// One of these extensions answers; the first, where nobody else is quicker.
    Answered(Vec<Name>),
    /// The number that was called outside answers.
    Outside(String),
    /// The caller may leave a message.
    Voicemail(Name),
    /// The caller is in a conference.
    Conference(Name),
    /// The call is parked.
    Parked(Name),
    /// The call ends.
    Hangup(Hangup),
    /// Nobody has the number.
    Unknown,
    /// The telephone may not dial it.
    Forbidden,
    /// A service answers.
    Service(&'static str),
    /// The caller waits in a queue, for ever.
    Waits(Name),
    /// The call goes round from a step back to it.
    Endless(String),
}

impl fmt::Display for End {
    /// As call tests name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(_) | Self::Outside(_) => f.write_str("answered"),
            Self::Voicemail(name) => write!(f, "voicemail/{name}"),
            Self::Conference(name) => write!(f, "conference/{name}"),
            Self::Parked(name) => write!(f, "parking/{name}"),
            Self::Hangup(how) => pbx_manifest::Destination::Hangup(*how).fmt(f),
            Self::Unknown => f.write_str("unknown"),
            Self::Forbidden => f.write_str("forbidden"),
            Self::Service(word) => f.write_str(word),
            Self::Waits(_) => f.write_str("waits"),
            Self::Endless(_) => f.write_str("endless"),
        }
    }
}

impl Serialize for End {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl End {
    /// Who answers, as `extension/1001`; of a call that goes out, its number.
    pub fn answered_by(&self) -> Option<String> {
        match self {
            Self::Answered(all) => all.first().map(|name| format!("extension/{name}")),
            Self::Outside(number) => Some(format!("external/{number}")),
            _ => None,
        }
    }

    /// In words, for people.
    pub fn words(&self) -> String {
        match self {
            Self::Answered(all) => match &all[..] {
                [one] => format!("extension/{one} answers"),
                all => format!("whoever is first answers: {}", list(all)),
            },
            Self::Outside(number) => format!("{number} answers outside"),
            Self::Voicemail(name) => format!("a message in voicemail/{name}"),
            Self::Conference(name) => format!("in conference/{name}"),
            Self::Parked(name) => format!("parked in parking/{name}"),
            Self::Hangup(Hangup::Normal) => "the call ends".into(),
            Self::Hangup(Hangup::Busy) => "the caller hears busy".into(),
            Self::Hangup(Hangup::Congestion) => "the caller hears that the call cannot be put through".into(),
            Self::Unknown => "nobody has this number".into(),
            Self::Forbidden => "the telephone may not dial this number".into(),
            Self::Service(word) => format!("the service `{word}`"),
            Self::Waits(name) => format!("waits in queue/{name} without end"),
            Self::Endless(label) => format!("no end: the call goes round, back to {label}"),
        }
    }
}

/// A step that was walked through, and by which of its ways out, gates first: what tests have covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Walked<'g> {
    /// The step.
    pub node: &'g NodeId,
    /// Which of its ways out; nothing where the call ended.
    pub way: Option<usize>,
}

/// Where a call went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace<'g> {
    /// The steps, in order.
    pub steps: Vec<Passed>,
    /// How it ends.
    pub end: End,
    /// What is heard, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub heard: Vec<String>,
    /// The music that is waited to, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub music: Vec<Name>,
    /// The carriers that were tried, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub carriers: Vec<Tried>,
    /// A schedule that was asked without an instant to ask it of; it was taken to be open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeless: Option<ObjectRef>,
    /// What was walked through.
    #[serde(skip)]
    pub walked: Vec<Walked<'g>>,
}

impl Trace<'_> {
    /// The steps' names, as the channel says them one after another.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().map(|step| step.label.as_str())
    }

    /// The carrier by which the call went out.
    pub fn carrier(&self) -> Option<&Name> {
        self.carriers.iter().find(|tried| tried.took).map(|tried| &tried.carrier)
    }
}

/// Follows calls through one system.
pub struct Tracer<'g> {
    catalog: &'g Catalog,
    graph: &'g CallGraph,
    settings: Cow<'g, Settings>,
}

impl<'g> Tracer<'g> {
    /// Of a system and its graph.
    pub fn new(catalog: &'g Catalog, graph: &'g CallGraph) -> Self {
        Self { catalog, graph, settings: catalog.settings() }
    }

    /// Follows a call, the world being as given.
    pub fn trace(&self, call: &Call, given: &Given) -> Trace<'g> {
        walk::Walk::new(self, call, given).run()
    }
}

/// Names with commas between.
fn list(names: &[Name]) -> String {
    names.iter().map(Name::as_str).collect::<Vec<_>>().join(", ")
}
