//! How a call flows: one graph built from a catalog.
//!
//! A node is a step that a call can take, an edge a reason to leave it. The dialplan is written from the graph, and so is
//! whatever else wants to know where calls go: nobody derives routing from manifests a second time. Pure.

mod build;
mod check;
mod outbound;

use std::collections::BTreeMap;
use std::fmt;

use pbx_manifest::kinds::{Recording, Strategy};
use pbx_manifest::{Caller, Destination, Duration, Hangup, Name, Number};

pub use check::{check, check_system};
pub use outbound::{Class, Outbound, Try};

/// A step's name: what a real call's channel says of itself, and what a trace prints.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeId {
    /// A number that was called from outside.
    Did(Name),
    /// Wherever manifests can send calls.
    To(Destination),
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Did(name) => write!(f, "did/{name}"),
            Self::To(destination) => destination.fmt(f),
        }
    }
}

/// Why a call leaves a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// The caller is one of these.
    Caller(Caller),
    /// The schedule is closed.
    Closed(Name),
    /// The telephones are busy.
    Busy,
    /// Nobody answered in time.
    NoAnswer,
    /// No telephone is there.
    Unavailable,
    /// In every other case.
    Otherwise,
}

/// A reason to leave a step, and where the call then goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// The reason.
    pub when: When,
    /// The next step.
    pub to: NodeId,
}

/// What happens at a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A call from a carrier is looked at: caller, hours.
    Inbound {
        /// The carrier it must come by, if one is named.
        carrier: Option<Name>,
    },
    /// The telephones of an extension ring.
    Ring {
        /// For how long.
        timeout: Duration,
        /// Whether the call is recorded.
        record: Recording,
    },
    /// Nothing rings: the call goes on at once.
    Pass,
    /// The members of a group ring.
    RingMembers {
        /// In which order.
        strategy: Strategy,
        /// The extensions that take part, in the order written.
        members: Vec<Name>,
        /// How long each try rings.
        timeout: Duration,
        /// Shown in front of the caller's name.
        prefix: Option<String>,
    },
    /// The caller leaves a message.
    Voicemail,
    /// The call goes out.
    External {
        /// The carriers that are tried, and what each is sent.
        tries: Vec<Try>,
    },
    /// The call ends.
    Hangup,
    /// The call ends as one to a number that nobody has.
    Unknown,
}

/// A step and the ways out of it, in the order in which they are tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What happens.
    pub step: Step,
    /// What may happen next.
    pub edges: Vec<Edge>,
}

/// What a telephone's dialled number means inside the house.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dialled {
    /// A step of the graph.
    Node(NodeId),
    /// One's own voicemail box.
    OwnVoicemail,
    /// One's own voice.
    EchoTest,
}

/// Every way a call can go.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CallGraph {
    /// The steps.
    pub nodes: BTreeMap<NodeId, Node>,
    /// What telephones can dial besides extensions: group numbers and feature codes.
    pub numbers: BTreeMap<String, Dialled>,
    /// What telephones can dial outside.
    pub outbound: Outbound,
}

impl CallGraph {
    /// A step by its name.
    pub fn node(&self, id: &NodeId) -> Option<&Node> {
        self.nodes.get(id)
    }
}

/// The step that ends a call in a way.
fn hangup(how: Hangup) -> NodeId {
    NodeId::To(Destination::Hangup(how))
}

/// The step at a number outside.
pub fn external(number: &Number) -> NodeId {
    NodeId::To(Destination::External(number.clone()))
}
