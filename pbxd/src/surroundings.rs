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
pub(crate) fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| anyhow::anyhow!("the operating system gives no randomness: {error}"))?;
    Ok(bytes)
}

/// A random text of so many of these letters, each as likely as the others.
pub(crate) fn random_text(letters: &[u8], length: usize) -> anyhow::Result<String> {
    // Bytes past the last whole multiple would make the first letters likelier.
    let fair = 256 - 256 % letters.len();
    let mut text = String::with_capacity(length);
    while text.len() < length {
        text.extend(
            random::<64>()?
                .into_iter()
                .map(usize::from)
                .filter(|byte| *byte < fair)
                .take(length - text.len())
                .map(|byte| letters[byte % letters.len()] as char),
        );
    }
    Ok(text)
}
