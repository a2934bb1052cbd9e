//! Actions on calls and devices.

use std::{borrow::Cow, time::Duration};

use crate::ami::{error::AmiError, message::view};

use super::{Action, Reply, Request};

/// Where an originated call goes once its channel has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A place in the dialplan, which must exist.
    Exten {
        /// The context.
        context: String,
        /// The extension.
        exten: String,
        /// A number or a label.
        priority: String,
    },
    /// An application. Those that run programs or read files need `system` (manager.c:5115).
    Application {
        /// Its name.
        name: String,
        /// Its arguments.
        data: String,
    },
}

/// Places a call, asynchronously: the answer comes at once, and an `OriginateResponse` event with the same `ActionID` when
/// the channel has answered or not. (A synchronous one would hold back everything else on the session.) Needs
/// `originate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Originate {
    /// `PJSIP/1001`. Asterisk cuts it at 255 bytes.
    pub channel: String,
    /// Where it goes.
    pub target: Target,
    /// How long to let it ring.
    pub ring: Duration,
    /// `"Name" <number>`.
    pub caller_id: Option<String>,
    /// The account code.
    pub account: Option<String>,
    /// Presets the channel's unique id; up to 149 characters.
    pub channel_id: Option<String>,
    /// Channel variables. Whatever the value, it arrives as it is: see [`quote_variable`].
    pub variables: Vec<(String, String)>,
}

/// The answer to [`Originate`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Originated {
    /// The `ActionID` of the `OriginateResponse` to come.
    pub action_id: String,
}

impl Action for Originate {
    type Answer = Originated;

    fn request(&self) -> Request {
        let request = Request::new("Originate")
            .header("Channel", &self.channel)
            .header("Async", "true")
            .header("Timeout", self.ring.as_millis().to_string())
            .maybe("CallerID", self.caller_id.as_ref())
            .maybe("Account", self.account.as_ref())
            .maybe("ChannelId", self.channel_id.as_ref());
        let request = match &self.target {
            Target::Exten { context, exten, priority } => {
                request.header("Context", context).header("Exten", exten).header("Priority", priority)
            }
            Target::Application { name, data } => request.header("Application", name).header("Data", data),
        };
        self.variables.iter().fold(request, |request, (name, value)| {
            request.header("Variable", format!("{name}={}", quote_variable(value)))
        })
    }

    fn read(&self, reply: Reply) -> Result<Originated, AmiError> {
        let response = reply.single()?;
        Ok(Originated { action_id: response.text("ActionID") })
    }
}

/// Quotes a value for a `Variable:` header, which Asterisk splits at commas into up to 64 pairs, taking quotes and
/// backslashes away and minding brackets (`man_do_variable_value`, manager.c:1624). `${...}` is not expanded there.
pub fn quote_variable(value: &str) -> Cow<'_, str> {
    const SPECIAL: [char; 7] = ['\\', '"', ',', '(', ')', '[', ']'];
    if !value.contains(SPECIAL) {
        return Cow::Borrowed(value);
    }
    let mut out = String::with_capacity(value.len() + 8);
    for c in value.chars() {
        if SPECIAL.contains(&c) {
            out.push('\\');
        }
        out.push(c);
    }
    Cow::Owned(out)
}

/// Hangs up a channel by its name, or many by `/expression/`. Needs `system` or `call`.
#[derive(Debug, Clone)]
pub struct Hangup {
    /// The channel.
    pub channel: String,
    /// The cause the other end sees: 16 is normal, 21 rejected.
    pub cause: Option<u16>,
}

/// The answer to [`Hangup`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HungUp {
    /// Asked to hang up; a `Hangup` event follows.
    Requested,
    /// There is no such channel, or not any more.
    NoSuchChannel,
}

impl Action for Hangup {
    type Answer = HungUp;

    fn request(&self) -> Request {
        Request::new("Hangup").header("Channel", &self.channel).maybe("Cause", self.cause.map(|c| c.to_string()))
    }

    fn read(&self, reply: Reply) -> Result<HungUp, AmiError> {
        match reply.message().as_str() {
            // manager.c:3514
            "No such channel" => Ok(HungUp::NoSuchChannel),
            _ => reply.single().map(|_| HungUp::Requested),
        }
    }
}

/// Every channel there is. Needs `system` or `reporting`.
#[derive(Debug, Clone, Copy)]
pub struct CoreShowChannels;

view! {
    /// One channel of [`CoreShowChannels`].
    ChannelItem {
        channel: String = text("Channel"),
        unique_id: String = text("Uniqueid"),
        linked_id: String = text("Linkedid"),
        /// 0 to 10; 4 ringing at the far end, 5 ringing, 6 up.
        state: Option<u8> = number("ChannelState"),
        state_text: String = text("ChannelStateDesc"),
        /// `<unknown>` when not set.
        caller_number: String = text("CallerIDNum"),
        caller_name: String = escaped("CallerIDName"),
        connected_number: String = text("ConnectedLineNum"),
        connected_name: String = escaped("ConnectedLineName"),
        account: String = text("AccountCode"),
        context: String = text("Context"),
        exten: String = text("Exten"),
        priority: Option<u32> = number("Priority"),
        application: Option<String> = optional("Application"),
        data: Option<String> = optional("ApplicationData"),
        /// `HH:MM:SS` since the channel was made.
        duration: String = text("Duration"),
        bridge: Option<String> = optional("BridgeId"),
    }
}

impl Action for CoreShowChannels {
    type Answer = Vec<ChannelItem>;

    fn request(&self) -> Request {
        Request::new("CoreShowChannels").within(Duration::from_secs(30))
    }

    fn read(&self, reply: Reply) -> Result<Self::Answer, AmiError> {
        Ok(reply.list(&[])?.iter().map(ChannelItem::read).collect())
    }
}

/// Every device with its state. Needs `call` or `reporting`.
#[derive(Debug, Clone, Copy)]
pub struct DeviceStateList;

view! {
    /// One device of [`DeviceStateList`].
    DeviceState {
        /// `PJSIP/1001`, `MWI:1001@default`, `Queue:support_avail`, ...
        device: String = text("Device"),
        /// `NOT_INUSE`, `INUSE`, `BUSY`, `INVALID`, `UNAVAILABLE`, `RINGING`, `RINGINUSE`, `ONHOLD`, `UNKNOWN`.
        state: String = text("State"),
    }
}

impl Action for DeviceStateList {
    type Answer = Vec<DeviceState>;

    fn request(&self) -> Request {
        Request::new("DeviceStateList").within(Duration::from_secs(30))
    }

    fn read(&self, reply: Reply) -> Result<Self::Answer, AmiError> {
        Ok(reply.list(&[])?.iter().map(DeviceState::read).collect())
    }
}
