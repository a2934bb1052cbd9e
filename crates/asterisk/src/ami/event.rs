//! Typed views of events. What is not listed here is [`Event::Other`], with all its headers.

use std::fmt;

use super::message::{Message, view};

/// How a reload ended: `Status:` of the `Reload` event (`enum ast_module_reload_result`, include/asterisk/module.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReloadStatus {
    /// 0: the module was asked to reload and found nothing wrong, or says so.
    Done,
    /// 1: Asterisk is still booting; it will be done then.
    Queued,
    /// 2: there is no such module.
    NotFound,
    /// 3: the module refused its configuration and goes on with the old one.
    Failed,
    /// 4: another reload is under way; only one can be, in the whole process.
    InProgress,
    /// 5: the module declined at start, often for want of a file. It has to be loaded, not reloaded.
    Uninitialised,
    /// 6: the module cannot reload.
    NotImplemented,
    /// Something newer than 22.
    Unknown(u32),
}

impl ReloadStatus {
    /// From the number in the event.
    pub fn from_code(code: u32) -> Self {
        match code {
            0 => Self::Done,
            1 => Self::Queued,
            2 => Self::NotFound,
            3 => Self::Failed,
            4 => Self::InProgress,
            5 => Self::Uninitialised,
            6 => Self::NotImplemented,
            other => Self::Unknown(other),
        }
    }

    /// True for [`ReloadStatus::Done`].
    pub fn is_done(self) -> bool {
        self == Self::Done
    }
}

impl fmt::Display for ReloadStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("reloaded"),
            Self::Queued => f.write_str("queued until Asterisk has booted"),
            Self::NotFound => f.write_str("no such module"),
            Self::Failed => f.write_str("the module refused its configuration"),
            Self::InProgress => f.write_str("another reload is in progress"),
            Self::Uninitialised => f.write_str("the module declined to start, and must be loaded first"),
            Self::NotImplemented => f.write_str("the module cannot reload"),
            Self::Unknown(code) => write!(f, "status {code}"),
        }
    }
}

view! {
    /// Asterisk has started, or had when we logged in.
    FullyBooted {
        /// Seconds since the start.
        uptime: Option<u64> = number("Uptime"),
        /// Seconds since the last reload.
        last_reload: Option<u64> = number("LastReload"),
    }
}

view! {
    /// Asterisk is about to stop.
    Shutdown {
        /// `Cleanly` or `Uncleanly`.
        how: String = text("Shutdown"),
        restart: Option<bool> = flag("Restart"),
    }
}

view! {
    /// A SIP contact was found reachable or not, or came or went.
    ContactStatus {
        uri: String = text("URI"),
        /// `Reachable`, `Unreachable`, `NonQualified`, `Removed`, `Updated`, `Unknown`.
        status: String = text("ContactStatus"),
        aor: String = text("AOR"),
        endpoint: String = text("EndpointName"),
        /// Microseconds.
        roundtrip_usec: Option<u64> = number("RoundtripUsec"),
    }
}

view! {
    /// A registration with a carrier changed.
    Registry {
        /// `PJSIP`.
        channel_type: String = text("ChannelType"),
        /// The client's URI.
        username: String = text("Username"),
        /// The server's URI.
        domain: String = text("Domain"),
        /// `Registered`, `Unregistered`, `Rejected`, `Failed`, ...
        status: String = text("Status"),
        cause: Option<String> = optional("Cause"),
    }
}

view! {
    /// What every event about a channel says of it.
    Channel {
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
    }
}

view! {
    /// The channel that is dialled: the same headers, prefixed with `Dest`.
    DestChannel {
        channel: String = text("DestChannel"),
        unique_id: String = text("DestUniqueid"),
        linked_id: String = text("DestLinkedid"),
        state: Option<u8> = number("DestChannelState"),
        state_text: String = text("DestChannelStateDesc"),
        caller_number: String = text("DestCallerIDNum"),
        caller_name: String = escaped("DestCallerIDName"),
        connected_number: String = text("DestConnectedLineNum"),
        connected_name: String = escaped("DestConnectedLineName"),
        account: String = text("DestAccountCode"),
        context: String = text("DestContext"),
        exten: String = text("DestExten"),
        priority: Option<u32> = number("DestPriority"),
    }
}

view! {
    /// Why a channel ended.
    Cause {
        /// Q.850: 16 is normal.
        code: Option<u16> = number("Cause"),
        text: String = text("Cause-txt"),
        /// `SIP 486 Busy Here`; since 22.7.
        tech: Option<String> = optional("TechCause"),
    }
}

view! {
    /// A variable was set. Class `dialplan`.
    VarSet {
        variable: String = text("Variable"),
        value: String = escaped("Value"),
        channel: String = text("Channel"),
        unique_id: String = text("Uniqueid"),
    }
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Asterisk is ready.
    FullyBooted(FullyBooted),
    /// Asterisk is stopping.
    Shutdown(Shutdown),
    /// A module was reloaded, by anybody.
    Reload {
        /// The module as whoever asked named it (`pbx_config.so`, `logger`); `All` for all of them.
        module: String,
        /// How it went.
        status: ReloadStatus,
    },
    /// A SIP contact changed.
    ContactStatus(ContactStatus),
    /// A registration with a carrier changed.
    Registry(Registry),
    /// A channel was made.
    Newchannel(Channel),
    /// A channel's state changed.
    Newstate(Channel),
    /// A channel ended.
    Hangup {
        /// The channel, as it was.
        channel: Channel,
        /// Why.
        cause: Cause,
    },
    /// A channel is being dialled.
    DialBegin {
        /// Who dials; none for an originated call.
        caller: Option<Channel>,
        /// Who is dialled.
        callee: DestChannel,
        /// As given to `Dial`: `1001`, `1001/sip:...`.
        dial: String,
    },
    /// Dialling a channel ended.
    DialEnd {
        /// Who dialled; none for an originated call.
        caller: Option<Channel>,
        /// Who was dialled.
        callee: DestChannel,
        /// `ANSWER`, `BUSY`, `CANCEL`, `CHANUNAVAIL`, `CONGESTION`, `NOANSWER`, ...
        status: String,
        /// Where the callee forwarded the call to.
        forward: Option<String>,
    },
    /// A variable was set.
    VarSet(VarSet),
    /// The dialplan or another client said something. Its headers are anybody's, `ActionID` included.
    UserEvent {
        /// `UserEvent:`.
        name: String,
        /// All headers.
        message: Message,
    },
    /// Anything else.
    Other(Message),
}

impl Event {
    /// Reads an event. Names are compared without regard to case: the wire and the documentation disagree on some.
    pub fn read(message: &Message) -> Self {
        let name = message.event().unwrap_or_default().to_ascii_lowercase();
        let caller = || message.get_bytes("Channel").is_some().then(|| Channel::read(message));
        match name.as_str() {
            "fullybooted" => Self::FullyBooted(FullyBooted::read(message)),
            "shutdown" => Self::Shutdown(Shutdown::read(message)),
            "reload" => Self::Reload {
                module: message.text("Module"),
                status: message.number("Status").map_or(ReloadStatus::Unknown(u32::MAX), ReloadStatus::from_code),
            },
            "contactstatus" => Self::ContactStatus(ContactStatus::read(message)),
            "registry" => Self::Registry(Registry::read(message)),
            "newchannel" => Self::Newchannel(Channel::read(message)),
            "newstate" => Self::Newstate(Channel::read(message)),
            "hangup" => Self::Hangup { channel: Channel::read(message), cause: Cause::read(message) },
            "dialbegin" => Self::DialBegin {
                caller: caller(),
                callee: DestChannel::read(message),
                dial: message.text("DialString"),
            },
            "dialend" => Self::DialEnd {
                caller: caller(),
                callee: DestChannel::read(message),
                status: message.text("DialStatus"),
                forward: message.optional("Forward"),
            },
            "varset" => Self::VarSet(VarSet::read(message)),
            "userevent" => Self::UserEvent { name: message.text("UserEvent"), message: message.clone() },
            _ => Self::Other(message.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hangup_as_asterisk_sends_it() {
        let wire = b"Event: Hangup\r\nPrivilege: call,all\r\nChannel: PJSIP/1001-00000001\r\nChannelState: 6\r\n\
            ChannelStateDesc: Up\r\nCallerIDNum: 1001\r\nCallerIDName: O\\'Br\r\nUniqueid: 1.2\r\nLinkedid: 1.1\r\n\
            Cause: 16\r\nCause-txt: Normal Clearing\r\nTechCause: \r\n\r\n";
        let Event::Hangup { channel, cause } = Event::read(&Message::parse(wire).unwrap()) else {
            panic!("not a hangup")
        };
        assert_eq!((channel.caller_name.as_str(), channel.state, channel.priority), ("O'Br", Some(6), None));
        assert_eq!(cause, Cause { code: Some(16), text: "Normal Clearing".to_owned(), tech: None });
    }

    #[test]
    fn a_reload_that_failed() {
        let wire = b"Event: Reload\r\nPrivilege: system,all\r\nModule: features\r\nStatus: 3\r\n\r\n";
        let event = Event::read(&Message::parse(wire).unwrap());
        assert_eq!(event, Event::Reload { module: "features".to_owned(), status: ReloadStatus::Failed });
        assert_eq!(ReloadStatus::from_code(9), ReloadStatus::Unknown(9));
    }

    #[test]
    fn an_originated_call_has_no_caller() {
        let wire = b"Event: DialBegin\r\nDestChannel: PJSIP/1-1\r\nDialString: 1\r\n\r\n";
        let Event::DialBegin { caller, callee, dial } = Event::read(&Message::parse(wire).unwrap()) else {
            panic!("not a dial")
        };
        assert_eq!((caller, callee.channel.as_str(), dial.as_str()), (None, "PJSIP/1-1", "1"));
    }
}
