//! The manager interface (AMI) of Asterisk: bytes, messages, actions, events, one connection, and a link that stays up.
//!
//! The layers, from the pure to the one that owns a socket:
//!
//! - [`codec`]: bytes to [`Message`]s and [`Request`]s to bytes. Bounded memory, any split, any byte.
//! - [`message`]: one message, ordered headers over one buffer.
//! - [`action`]: what can be asked, each action with the type of its answer.
//! - [`event`]: typed views of the events the product acts on.
//! - `correlate`: which answer belongs to which action.
//! - [`client`]: one connection, one task, many actions in flight.
//! - [`link`]: a connection that comes back, and says since when and why it is away.
//!
//! Asterisk serves a session with one thread: a blocking action (a reload, a synchronous originate) holds back the events
//! of its session. So the product keeps two: one with [`EventMask::Classes`] that is only listened to, and one with
//! [`EventMask::Off`] for actions.
//!
//! Facts about the protocol were measured on Asterisk 22.10.1; `manager.c:N` and the like name its source.

pub mod action;
pub mod client;
pub mod codec;
mod correlate;
mod driver;
pub mod error;
pub mod event;
pub mod link;
pub mod message;
pub mod options;
mod transport;

pub use action::{Action, Reply, Request};
pub use client::{Client, Delivery, Subscription};
pub use codec::{AmiVersion, Codec, CodecError, EncodeError, Limits};
pub use error::{AmiError, CloseReason};
pub use event::{Event, ReloadStatus};
pub use link::{Backoff, Link, LinkState};
pub use message::Message;
pub use options::{Auth, EventClass, EventMask, Options, Secret, Tls};
