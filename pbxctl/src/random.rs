//! Randomness, from the operating system.

use crate::failure::Failure;

/// Fills with random bytes.
pub fn fill(bytes: &mut [u8]) -> Result<(), Failure> {
    getrandom::fill(bytes)
        .map_err(|error| Failure::failed("system", format!("the system gives no random numbers: {error}")))
}
