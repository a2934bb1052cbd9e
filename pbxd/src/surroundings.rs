//! What the rest takes as arguments: the time and randomness. Read here, and nowhere else.

use jiff::Timestamp;

/// What time it is.
#[expect(clippy::disallowed_methods, reason = "the one clock")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// What time it is, for files.
#[expect(clippy::disallowed_methods, reason = "the one clock")]
pub(crate) fn now_system() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

/// Random bytes from the operating system.
pub(crate) fn fill_random(bytes: &mut [u8]) -> anyhow::Result<()> {
    getrandom::fill(bytes).map_err(|error| anyhow::anyhow!("the operating system gives no randomness: {error}"))
}

/// A name that nothing else has: twelve hexadecimal digits.
pub(crate) fn random_id() -> anyhow::Result<String> {
    let mut bytes = [0; 8];
    fill_random(&mut bytes[2..])?;
    Ok(format!("{:012x}", u64::from_be_bytes(bytes)))
}
