//! Reasons in words, as drawings write them beside their arrows.

use std::fmt;

use crate::When;

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caller(caller) => write!(f, "caller {caller}"),
            Self::Denied(filter) => write!(f, "denied ({filter})"),
            Self::Closed(schedule) => write!(f, "closed ({schedule})"),
            Self::Busy => f.write_str("busy"),
            Self::NoAnswer => f.write_str("no answer"),
            Self::Unavailable => f.write_str("no telephone"),
            Self::Full => f.write_str("full"),
            Self::Empty => f.write_str("empty"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Key(key) => write!(f, "key {key}"),
            Self::Invalid => f.write_str("wrong key"),
            Self::Value(value) => write!(f, "is {value}"),
            Self::Otherwise => f.write_str("otherwise"),
        }
    }
}
