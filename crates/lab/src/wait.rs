//! Waiting for a condition, never for a guess.

use anyhow::{Result, bail};
use std::thread;
use std::time::{Duration, Instant};

/// Asks `probe` until it gives a value, at most for `timeout`; `what` completes the sentence "… did not happen".
///
/// The pause between two questions starts at 2 ms and grows to 40 ms: a condition that is nearly there is seen at once,
/// and one that takes seconds costs no processor.
///
/// # Errors
/// When the time is over, or the first error of `probe`, which means that waiting longer is of no use.
pub fn until<T>(what: &str, timeout: Duration, mut probe: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let begin = Instant::now();
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(value) = probe()? {
            return Ok(value);
        }
        if begin.elapsed() > timeout {
            bail!("{what} did not happen within {timeout:?}");
        }
        thread::sleep(pause);
        pause = (pause * 3 / 2).min(Duration::from_millis(40));
    }
}
