//! What can go wrong between us and Asterisk, in terms that somebody can act on.

use std::{fmt, io, sync::Arc, time::Duration};

use super::codec::{CodecError, EncodeError};

/// A failure of the manager interface. Cheap to clone, because one broken connection fails many actions.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AmiError {
    /// No connection: nothing listens there, a firewall, no such host, or no answer in time.
    #[error("cannot connect to Asterisk's manager interface at {addr}: {source}")]
    Unreachable {
        /// `host:port`.
        addr: String,
        /// Why.
        source: Arc<io::Error>,
    },
    /// TLS could not be set up, or the certificate was not accepted.
    #[error("no secure connection to {addr}: {reason}")]
    Tls {
        /// `host:port`.
        addr: String,
        /// Why.
        reason: String,
    },
    /// Asterisk knows no such user, the secret is wrong, or the user may not come from this address. It does not tell which;
    /// its log does.
    #[error("Asterisk did not accept the manager user {user:?}")]
    AuthFailed {
        /// The user in manager.conf.
        user: String,
    },
    /// The manager user lacks a class of privileges that the action needs.
    #[error("the manager user may not use the action {action}")]
    PermissionDenied {
        /// The action.
        action: String,
    },
    /// No complete answer in time. Asterisk may still be busy with the action.
    #[error("Asterisk did not answer {action} within {after:?}")]
    Timeout {
        /// The action, or `the greeting`.
        action: String,
        /// The limit.
        after: Duration,
    },
    /// Asterisk answered with an error.
    #[error("Asterisk refused {action}: {message}")]
    Refused {
        /// The action.
        action: String,
        /// In Asterisk's words.
        message: String,
    },
    /// Asterisk answered with something that is no answer to this action.
    #[error("Asterisk answered {action} with {what}")]
    Unexpected {
        /// The action.
        action: String,
        /// What came.
        what: String,
    },
    /// The request cannot be written; nothing was.
    #[error("cannot ask for {action}: {source}")]
    Invalid {
        /// The action.
        action: String,
        /// Why.
        source: EncodeError,
    },
    /// The connection is gone. Whether an action that was in flight took effect is not known.
    #[error("the connection to Asterisk ended: {reason}")]
    Closed {
        /// Why.
        reason: CloseReason,
    },
    /// What came is not the manager protocol, or over a limit.
    #[error("cannot read what Asterisk sent: {0}")]
    Codec(#[from] CodecError),
    /// A [`Link`](super::Link) has no connection now.
    #[error("not connected to Asterisk at {addr} since {} s{}", .since.as_secs(), last.as_ref().map(|e| format!(": {e}")).unwrap_or_default())]
    Down {
        /// `host:port`.
        addr: String,
        /// For how long.
        since: Duration,
        /// What the last attempt, or the lost connection, failed with. None while the first attempt is under way.
        last: Option<Box<AmiError>>,
    },
}

impl AmiError {
    /// True if the same thing may well succeed later, without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } | Self::Closed { .. } | Self::Down { .. } => true,
            Self::Refused { message, .. } => {
                message == "A reload is in progress" || message == "Asterisk is shutting down"
            }
            _ => false,
        }
    }
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseReason {
    /// Asterisk closed it: it was stopped or killed, the session was kicked, or it did not read fast enough.
    Eof,
    /// Asterisk announced its shutdown.
    Shutdown {
        /// It said that it starts again.
        restart: bool,
    },
    /// The socket failed.
    Io(String),
    /// Nothing was heard, not even an answer to a ping.
    Silent(Duration),
    /// What came could not be read.
    Codec(CodecError),
    /// We closed it: the last [`Client`](super::Client) was dropped, or it was [given up](super::Client::abandon).
    Local,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Eof => f.write_str("closed by Asterisk"),
            Self::Shutdown { restart: true } => f.write_str("Asterisk is restarting"),
            Self::Shutdown { restart: false } => f.write_str("Asterisk shut down"),
            Self::Io(error) => f.write_str(error),
            Self::Silent(after) => write!(f, "silent for {after:?}, not answering a ping"),
            Self::Codec(error) => error.fmt(f),
            Self::Local => f.write_str("closed by us"),
        }
    }
}
