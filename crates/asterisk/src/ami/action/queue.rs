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
