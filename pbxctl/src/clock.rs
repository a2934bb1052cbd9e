//! The clock of this machine, read here and nowhere else.

use jiff::Timestamp;

/// What time it is.
#[expect(clippy::disallowed_methods, reason = "the one clock")]
pub fn now() -> Timestamp {
    Timestamp::now()
}
