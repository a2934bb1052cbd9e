//! Which answer belongs to which action. No I/O: messages in, what is nobody's answer out.

use std::{collections::HashMap, sync::Arc};

use tokio::{sync::oneshot, time::Instant};

use super::{
    action::Reply,
    codec::{EncodeError, Skipped},
    error::{AmiError, CloseReason},
    message::Message,
};

/// The most that one list may hold. 100,000 endpoints are some 20 MB.
const MAX_LIST_BYTES: usize = 256 << 20;

/// Where the answer goes.
pub(super) type Answer = oneshot::Sender<Result<Reply, AmiError>>;

/// An action that was sent and not yet answered in full.
#[derive(Debug)]
struct Pending {
    action: String,
    /// Until then, silence is Asterisk being busy with it.
    deadline: Instant,
    /// None for our own pings.
    answer: Option<Answer>,
    /// The answer of a list, once it came, and its items so far.
    list: Option<(Message, Vec<Message>, usize)>,
}

/// The actions in flight on one connection.
#[derive(Debug)]
pub(super) struct Correlator {
    /// Unique to the connection: `OriginateResponse` carries the `ActionID` of whoever asked to every session.
    prefix: Arc<str>,
    next: u64,
    pending: HashMap<u64, Pending>,
}

impl Correlator {
    pub(super) fn new(prefix: Arc<str>) -> Self {
        Self { prefix, next: 0, pending: HashMap::new() }
    }

    /// Counts an action as sent; gives the `ActionID` for it.
    pub(super) fn expect(&mut self, action: String, deadline: Instant, answer: Option<Answer>) -> u64 {
        self.next += 1;
        self.pending.insert(self.next, Pending { action, deadline, answer, list: None });
        self.next
    }

    /// The `ActionID` of an action.
    pub(super) fn action_id(&self, id: u64) -> String {
        format!("{}-{id}", self.prefix)
    }

    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    pub(super) fn is_pending(&self, id: u64) -> bool {
        self.pending.contains_key(&id)
    }

    /// Until when Asterisk may be silent because it is working for us.
    pub(super) fn busy_until(&self) -> Option<Instant> {
        self.pending.values().filter(|p| p.answer.is_some()).map(|p| p.deadline).max()
    }

    fn id_of(&self, action_id: &str) -> Option<u64> {
        let id = action_id.strip_prefix(&*self.prefix)?.strip_prefix('-')?.parse().ok()?;
        self.pending.contains_key(&id).then_some(id)
    }

    /// Takes in a message. Gives back the events that are nobody's answer.
    ///
    /// An event with our `ActionID` is an item only if the answer said `EventList: start`: `UserEvent` copies every header
    /// of its action, `ActionID` included, and is never an item.
    pub(super) fn take(&mut self, message: Message) -> Option<Message> {
        let id = message.action_id().and_then(|id| self.id_of(&id));
        if message.response().is_some() {
            if let Some(id) = id {
                self.answer(id, message);
            } else {
                tracing::debug!(?message, "an answer to nothing that was asked");
            }
            return None;
        }
        if let Some(id) = id
            && !message.is("Event", "UserEvent")
            && self.pending.get(&id).is_some_and(|p| p.list.is_some())
        {
            self.item(id, message);
            return None;
        }
        // Neither an answer nor an event: lines without a meaning.
        message.event().is_some().then_some(message)
    }

    fn answer(&mut self, id: u64, message: Message) {
        if message.is("EventList", "start")
            && let Some(pending) = self.pending.get_mut(&id)
        {
            pending.list = Some((message, Vec::new(), 0));
        } else if let Some(pending) = self.pending.remove(&id) {
            let Pending { action, answer, .. } = pending;
            send(answer, Ok(Reply { action, response: message, items: Vec::new(), complete: None }));
        }
    }

    fn item(&mut self, id: u64, message: Message) {
        let last = message.is("EventList", "Complete") || message.is("EventList", "cancelled");
        if !last {
            let Some(pending) = self.pending.get_mut(&id) else { return };
            let Some((_, items, bytes)) = &mut pending.list else { return };
            *bytes += message.wire_len();
            if *bytes <= MAX_LIST_BYTES {
                // Nobody waits for the items of an action that ran out of time.
                if pending.answer.as_ref().is_some_and(|a| !a.is_closed()) {
                    items.push(message);
                }
                return;
            }
        }
        let Some(Pending { action, answer, list: Some((response, items, _)), .. }) = self.pending.remove(&id) else {
            return;
        };
        if last {
            send(answer, Ok(Reply { action, response, items, complete: Some(message) }));
        } else {
            let what = format!("a list of more than {MAX_LIST_BYTES} bytes");
            send(answer, Err(AmiError::Unexpected { action, what }));
        }
    }

    /// A message was thrown away; if it was part of an answer, that answer cannot be complete.
    pub(super) fn skipped(&mut self, skipped: &Skipped) {
        let id = skipped.action_id.as_ref().and_then(|id| self.id_of(id));
        let Some(id) = id else { return };
        let counts = skipped.event.is_none() || self.pending.get(&id).is_some_and(|p| p.list.is_some());
        if counts && let Some(Pending { action, answer, .. }) = self.pending.remove(&id) {
            let what = format!("{}, {} bytes in all", skipped.excess, skipped.bytes);
            send(answer, Err(AmiError::Unexpected { action, what }));
        }
    }

    /// The action could not be written.
    pub(super) fn refuse(&mut self, id: u64, source: EncodeError) {
        if let Some(Pending { action, answer, .. }) = self.pending.remove(&id) {
            send(answer, Err(AmiError::Invalid { action, source }));
        }
    }

    /// The connection is gone, and with it every answer.
    pub(super) fn fail_all(&mut self, reason: &CloseReason) {
        for (_, pending) in self.pending.drain() {
            send(pending.answer, Err(AmiError::Closed { reason: reason.clone() }));
        }
    }
}

fn send(answer: Option<Answer>, reply: Result<Reply, AmiError>) {
    // Who asked may have stopped waiting.
    if let Some(answer) = answer {
        answer.send(reply).ok();
    }
}
