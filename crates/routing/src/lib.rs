//! How a call flows: one graph built from a catalog.
//!
//! A node is a step that a call can take, an edge a reason to leave it. The dialplan is written from the graph, and so is
//! whatever else wants to know where calls go: nobody derives routing from manifests a second time. Pure.

mod build;
mod check;
pub mod draw;
mod field;
mod lint;
mod outbound;
pub mod trace;
mod words;
mod written;

use std::collections::BTreeMap;
use std::fmt;

use pbx_manifest::kinds::{Key, Recording, Strategy, Variable};
use pbx_manifest::{Audio, Caller, Destination, Duration, Hangup, Name, Number, Prompt};

pub use build::rings;
pub use check::{check, check_system};
pub use field::Field;
pub use lint::circles;
pub use outbound::{Class, Outbound, Try};

/// A step's name: what a real call's channel says of itself, and what a trace prints.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeId {
    /// A number that was called from outside.
    Did(Name),
    /// Wherever manifests can send calls.
    To(Destination),
    /// A level of a ring tree below its first, by the branches that lead there: `tree/escalation.noAnswer.otherwise`.
    Branch(Name, Vec<&'static str>),
    /// A node of a menu: `ivr/main.welcome`.
    Menu(Name, Name),
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Did(name) => write!(f, "did/{name}"),
            Self::To(destination) => destination.fmt(f),
            Self::Branch(tree, branches) => {
                write!(f, "tree/{tree}")?;
                branches.iter().try_for_each(|branch| write!(f, ".{branch}"))
            }
            Self::Menu(menu, node) => write!(f, "ivr/{menu}.{node}"),
        }
    }
}

/// Why a call leaves a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// The caller is one of these.
    Caller(Caller),
    /// The filter denies the caller.
    Denied(Name),
    /// The schedule is closed.
    Closed(Name),
    /// The telephones are busy.
    Busy,
    /// Nobody answered in time.
    NoAnswer,
    /// No telephone is there.
    Unavailable,
    /// So many wait already.
    Full,
    /// Nobody is there to serve the queue.
    Empty,
    /// The caller has waited as long as one may.
    TimedOut,
    /// The caller pressed a key.
    Key(Key),
    /// The caller pressed wrong keys, or too few.
    Invalid,
    /// The variable that the step looks at has a value that matches.
    Value(Caller),
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

/// Something that is played to a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// What manifests call it.
    pub prompt: Prompt,
    /// Its file; nothing for a sound that Asterisk brings.
    pub audio: Option<Audio>,
}

/// What callers of a voicemail box are greeted with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Greeting {
    /// For every reason; nothing for what was recorded by telephone, or Asterisk's own sentence.
    pub usual: Option<Audio>,
    /// When the telephone was busy.
    pub busy: Option<Audio>,
    /// Before all others.
    pub temporary: Option<Audio>,
    /// The name alone, in front of Asterisk's own sentence.
    pub name: Option<Audio>,
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
    /// Nothing happens: the call goes on at once.
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
    /// Extensions ring together.
    RingTogether {
        /// Those that take part, each once.
        members: Vec<Name>,
        /// For how long.
        timeout: Duration,
    },
    /// The caller waits in a queue.
    Queue {
        /// Which one.
        queue: Name,
        /// Callers who are served before others, the first that matches, with their priority.
        vip: Vec<(Caller, u32)>,
        /// How long one may wait; without end where it is nothing.
        longest: Option<Duration>,
        /// Which calls are recorded.
        record: Recording,
        /// Shown in front of the caller's name.
        prefix: Option<String>,
    },
    /// Something is played.
    Play {
        /// What; nothing where it is turned off.
        what: Option<Heard>,
    },
    /// A key is waited for.
    Menu {
        /// What is said.
        prompt: Option<Heard>,
        /// How long a key is waited for, when all was said.
        timeout: Duration,
        /// How often all is said again.
        retries: u32,
        /// What is said after a wrong key.
        invalid: Option<Heard>,
        /// What is said after silence.
        silence: Option<Heard>,
        /// Whether a key counts that is pressed before all was said.
        barge_in: bool,
        /// Whether extensions may be dialled: those of the menu's entry in [`CallGraph::direct`].
        direct: bool,
    },
    /// Digits are waited for.
    Collect {
        /// What is said.
        prompt: Option<Heard>,
        /// How many at most.
        most: u32,
        /// How many at least.
        least: u32,
        /// What they are kept in.
        into: Variable,
        /// How long each one is waited for.
        timeout: Duration,
        /// How often all is said again.
        retries: u32,
        /// What is said after too few.
        invalid: Option<Heard>,
    },
    /// The call goes on by what a variable holds.
    Route {
        /// Which one; `caller` is who calls.
        variable: Variable,
    },
    /// Something is set for the rest of the call.
    Set {
        /// The language of prompts.
        language: Option<Name>,
        /// Variables and their digits.
        variables: Vec<(Variable, String)>,
    },
    /// The caller leaves a message.
    Voicemail {
        /// What is said before the tone.
        greeting: Greeting,
    },
    /// The caller speaks with whoever else is there.
    Conference {
        /// Whether it is recorded.
        record: bool,
    },
    /// The call is parked.
    Park,
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
    /// Why a call may leave before anything happens, in the order in which it is looked at.
    pub gates: Vec<Edge>,
    /// What happens.
    pub step: Step,
    /// What may happen next.
    pub edges: Vec<Edge>,
}

impl Node {
    /// A step without gates.
    pub(crate) fn new(step: Step, edges: Vec<Edge>) -> Self {
        Self { gates: Vec::new(), step, edges }
    }

    /// Every way out, gates first.
    pub fn ways(&self) -> impl Iterator<Item = &Edge> {
        self.gates.iter().chain(&self.edges)
    }
}

/// What a telephone's dialled number means inside the house.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dialled {
    /// A step of the graph.
    Node(NodeId),
    /// A call that is parked in a lot.
    Slot(Name),
    /// The messages of a shared box.
    Messages(Name),
    /// A service, by its code; of some, digits stand behind it.
    Service(Service),
}

/// What telephones dial codes for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// One's own voicemail box.
    Voicemail,
    /// One's own voice.
    EchoTest,
    /// Logs in to one's queues.
    QueueLogin,
    /// Logs out of them.
    QueueLogout,
    /// Takes a break, with the number of a break code behind it; or ends it.
    QueuePause,
    /// Takes a call that rings elsewhere, with the extension behind it.
    Pickup,
    /// Turns do not disturb on and off.
    DoNotDisturb,
    /// Forwards every call to the number behind it.
    CallForward,
    /// Finds an extension by name.
    Directory,
}

impl Service {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::Voicemail,
        Self::EchoTest,
        Self::QueueLogin,
        Self::QueueLogout,
        Self::QueuePause,
        Self::Pickup,
        Self::DoNotDisturb,
        Self::CallForward,
        Self::Directory,
    ];

    /// What a call's channel says of it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Voicemail => "voicemail",
            Self::EchoTest => "echo",
            Self::QueueLogin => "queue-login",
            Self::QueueLogout => "queue-logout",
            Self::QueuePause => "queue-pause",
            Self::Pickup => "pickup",
            Self::DoNotDisturb => "do-not-disturb",
            Self::CallForward => "call-forward",
            Self::Directory => "directory",
        }
    }
}

/// Every way a call can go.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CallGraph {
    /// The steps.
    pub nodes: BTreeMap<NodeId, Node>,
    /// What telephones can dial besides extensions: group numbers and feature codes.
    pub numbers: BTreeMap<String, Dialled>,
    /// The extensions that callers of a menu may dial, where it lets them.
    pub direct: BTreeMap<Name, Vec<Name>>,
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
