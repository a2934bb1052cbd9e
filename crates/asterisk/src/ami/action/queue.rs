//! Queues as loaded.

use std::time::Duration;

use crate::ami::{error::AmiError, message::view};

use super::{Action, Reply, Request};

/// Every queue with its members. Needs no class.
#[derive(Debug, Clone, Copy)]
pub struct QueueStatus;

view! {
    /// One queue of [`QueueStatus`].
    QueueParams {
        name: String = text("Queue"),
        /// How many may wait; 0 for any number.
        max: Option<u64> = number("Max"),
        /// `ringall`, `rrmemory`, ...
        strategy: String = text("Strategy"),
        /// How many wait.
        calls: Option<u32> = number("Calls"),
        /// Seconds.
        service_level: Option<u64> = number("ServiceLevel"),
        weight: Option<u64> = number("Weight"),
    }
}

view! {
    /// A member of a queue of [`QueueStatus`].
    QueueMember {
        queue: String = text("Queue"),
        name: String = text("Name"),
        /// What is called for it.
        interface: String = text("Location"),
        /// What says whether it is free.
        state_interface: String = text("StateInterface"),
        /// `static` or `realtime` for one of a file or a database, `dynamic` for one that has logged in.
        membership: String = text("Membership"),
        penalty: Option<u64> = number("Penalty"),
        paused: Option<bool> = flag("Paused"),
        /// Why it is on a break, if a reason was given.
        paused_reason: String = text("PausedReason"),
    }
}

/// The answer to [`QueueStatus`]. Members are in the order in which Asterisk keeps them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queues {
    /// The queues.
    pub queues: Vec<QueueParams>,
    /// Their members.
    pub members: Vec<QueueMember>,
}

impl Action for QueueStatus {
    type Answer = Queues;

    fn request(&self) -> Request {
        Request::new("QueueStatus").within(Duration::from_secs(30))
    }

    fn read(&self, reply: Reply) -> Result<Queues, AmiError> {
        let items = reply.list(&[])?;
        let of = |event: &str| items.iter().filter(move |item| item.is("Event", event)).collect::<Vec<_>>();
        Ok(Queues {
            queues: of("QueueParams").into_iter().map(QueueParams::read).collect(),
            members: of("QueueMember").into_iter().map(QueueMember::read).collect(),
        })
    }
}

/// Takes a member out of a queue that has logged in.
#[derive(Debug, Clone)]
pub struct QueueRemove {
    /// The queue.
    pub queue: String,
    /// What is called for the member.
    pub interface: String,
}

impl Action for QueueRemove {
    type Answer = ();

    fn request(&self) -> Request {
        Request::new("QueueRemove").header("Queue", &self.queue).header("Interface", &self.interface)
    }

    fn read(&self, reply: Reply) -> Result<(), AmiError> {
        reply.single().map(drop)
    }
}

/// Logs a member in to a queue.
#[derive(Debug, Clone)]
pub struct QueueAdd {
    /// The queue.
    pub queue: String,
    /// What is called for the member.
    pub interface: String,
    /// What says whether it is free.
    pub state_interface: String,
    /// What lists and events call it.
    pub name: String,
    /// Who is called first: those with less.
    pub penalty: u32,
    /// The reason of a break, which may be empty; nothing for none.
    pub paused: Option<String>,
}

impl Action for QueueAdd {
    type Answer = ();

    fn request(&self) -> Request {
        let request = Request::new("QueueAdd")
            .header("Queue", &self.queue)
            .header("Interface", &self.interface)
            .header("StateInterface", &self.state_interface)
            .header("MemberName", &self.name)
            .header("Penalty", self.penalty.to_string())
            .header("Paused", if self.paused.is_some() { "true" } else { "false" });
        match self.paused.as_deref().filter(|reason| !reason.is_empty()) {
            Some(reason) => request.header("Reason", reason),
            None => request,
        }
    }

    fn read(&self, reply: Reply) -> Result<(), AmiError> {
        reply.single().map(drop)
    }
}

/// Changes a member's penalty in a queue.
#[derive(Debug, Clone)]
pub struct QueuePenalty {
    /// The queue.
    pub queue: String,
    /// What is called for the member.
    pub interface: String,
    /// Who is called first: those with less.
    pub penalty: u32,
}

impl Action for QueuePenalty {
    type Answer = ();

    fn request(&self) -> Request {
        Request::new("QueuePenalty")
            .header("Queue", &self.queue)
            .header("Interface", &self.interface)
            .header("Penalty", self.penalty.to_string())
    }

    fn read(&self, reply: Reply) -> Result<(), AmiError> {
        reply.single().map(drop)
    }
}
