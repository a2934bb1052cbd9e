//! What can be asked of Asterisk: requests, answers, and the actions of the product with the types of their answers.

use std::{borrow::Cow, fmt, time::Duration};

use super::{
    error::AmiError,
    message::{Message, redacted},
};

mod astdb;
mod calls;
mod config;
mod core;
mod dialplan;
mod pjsip;
mod queue;
mod voicemail;

pub use self::{
    astdb::{DbDel, DbDelTree, DbGet, DbGetTree, DbPut},
    calls::{
        ChannelItem, CoreShowChannels, DeviceState, DeviceStateList, Hangup, HungUp, Originate, Originated, Target,
        quote_variable,
    },
    config::{Category, ConfigFile, GetConfig},
    core::{
        Command, CommandOutput, CoreSettings, CoreStatus, Events, Filter, Getvar, Loaded, ModuleCheck, Ping, Pong,
        Reload, ReloadOutcome, Settings, Status,
    },
    dialplan::{DialplanItem, ShowDialPlan},
    pjsip::{
        AorItem, ContactItem, EndpointDetail, EndpointItem, PJSIPShowAors, PJSIPShowAuths, PJSIPShowContacts,
        PJSIPShowEndpoint, PJSIPShowEndpoints, PJSIPShowRegistrationsOutbound, RegistrationDetails, RegistrationItem,
    },
    queue::{QueueAdd, QueueMember, QueueParams, QueuePenalty, QueueRemove, QueueStatus, Queues},
    voicemail::{VoicemailUser, VoicemailUsersList},
};

/// One action with its headers. `Action` and `ActionID` are written by the client.
///
/// Nothing is checked here; what AMI cannot carry is refused when the request is encoded, before a byte is written.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    name: Cow<'static, str>,
    headers: Vec<(Cow<'static, str>, String)>,
    limit: Option<Duration>,
}

impl Request {
    /// An action without headers. `name` as `ListCommands` shows it.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), headers: Vec::new(), limit: None }
    }

    /// Adds a header. Repeating one has a meaning for `Variable` only; of others Asterisk takes the first.
    #[must_use]
    pub fn header(mut self, key: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.headers.push((key.into(), value.into()));
        self
    }

    /// Adds a header if there is a value.
    #[must_use]
    pub fn maybe(self, key: &'static str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.header(key, value),
            None => self,
        }
    }

    /// How long to wait for the whole answer, instead of [`Options::action_timeout`](super::Options::action_timeout).
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Asks Asterisk not to write the events that are waiting right after this answer (manager.c:7201). They come with the
    /// next action, or the next event.
    #[must_use]
    pub fn suppress_events(self) -> Self {
        self.header("SuppressEvents", "yes")
    }

    /// The action.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The headers, without `Action` and `ActionID`.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        self.headers.iter().map(|(k, v)| (k.as_ref(), v.as_str()))
    }

    /// The limit set by [`Request::within`].
    pub fn limit(&self) -> Option<Duration> {
        self.limit
    }
}

/// Without the values of headers that are secrets.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        map.entry(&"Action", &self.name);
        for (key, value) in self.headers() {
            map.entry(&key, &redacted(key, value));
        }
        map.finish()
    }
}

/// Everything that came in answer to one action.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The action's name, for errors.
    pub action: String,
    /// The answer itself.
    pub response: Message,
    /// The items, if the answer was `EventList: start`.
    pub items: Vec<Message>,
    /// The event that ended the list (`EventList: Complete`), with its totals.
    pub complete: Option<Message>,
}

impl Reply {
    /// True unless the answer is `Response: Error`.
    pub fn succeeded(&self) -> bool {
        !self.response.is("Response", "Error")
    }

    /// `Message:` of the answer, without blanks around it.
    pub fn message(&self) -> String {
        self.response.text("Message").trim().to_owned()
    }

    /// The answer of an action that has one message, or what Asterisk had against it.
    pub fn single(&self) -> Result<&Message, AmiError> {
        if self.succeeded() { Ok(&self.response) } else { Err(self.refusal()) }
    }

    /// The items of a list. `empty` holds the messages by which this action says that there is nothing: Asterisk answers
    /// an empty list with an empty list, with an error or with a bare success, depending on the action.
    ///
    /// Fails if the list is shorter or longer than its `ListItems` says: a list cut short must not read as things that do
    /// not exist.
    pub fn list(self, empty: &[&str]) -> Result<Vec<Message>, AmiError> {
        let Some(complete) = &self.complete else {
            let message = self.message();
            if empty.iter().any(|e| message.eq_ignore_ascii_case(e)) {
                return Ok(Vec::new());
            }
            return Err(if self.succeeded() { self.unexpected("no list") } else { self.refusal() });
        };
        if complete.is("EventList", "cancelled") {
            return Err(self.unexpected("a list that was cancelled"));
        }
        match complete.number::<usize>("ListItems") {
            Some(announced) if announced != self.items.len() => {
                Err(self.unexpected(&format!("a list of {} items that announces {announced}", self.items.len())))
            }
            _ => Ok(self.items),
        }
    }

    /// The items of one kind, from a list whose `ListItems` counts only these: `PJSIPShowRegistrationsOutbound` also sends
    /// an uncounted `AuthDetail` for each registration that has one (res_pjsip_outbound_registration.c:2643; measured).
    pub fn list_of(mut self, event: &str) -> Result<Vec<Message>, AmiError> {
        self.items.retain(|m| m.is("Event", event));
        self.list(&[])
    }

    /// The error that a `Response: Error` stands for.
    pub fn refusal(&self) -> AmiError {
        let action = self.action.clone();
        match self.message() {
            // The session's user lacks the class of the action, or the module that had it is going away (manager.c:7175).
            m if m.eq_ignore_ascii_case("Permission denied") => AmiError::PermissionDenied { action },
            message => AmiError::Refused { action, message },
        }
    }

    /// The error for an answer that makes no sense.
    pub fn unexpected(&self, what: &str) -> AmiError {
        AmiError::Unexpected { action: self.action.clone(), what: what.to_owned() }
    }
}

/// An action with the type of its answer.
pub trait Action {
    /// What a successful answer says.
    type Answer;

    /// What goes to Asterisk.
    fn request(&self) -> Request;

    /// Reads the answer.
    fn read(&self, reply: Reply) -> Result<Self::Answer, AmiError>;
}
