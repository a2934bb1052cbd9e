//! How many samples a property is tried with.

/// The variable by which `cargo xtask soak` asks for more of them.
const VARIABLE: &str = "PBX_SAMPLES";

/// How many samples a property is tried with: what `PBX_SAMPLES` says, else as many as an ordinary test run has the time for.
///
/// # Panics
///
/// When the variable holds no number above 0: a soak with fewer samples than somebody asked for would prove less than it says.
pub fn samples(default: u32) -> u32 {
    match std::env::var(VARIABLE) {
        Ok(text) => wanted(&text),
        Err(_) => default,
    }
}

fn wanted(text: &str) -> u32 {
    match text.parse() {
        Ok(samples) if samples > 0 => samples,
        _ => panic!("{VARIABLE}={text:?} is no number of samples"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_samples_is_taken_and_nothing_else() {
        assert_eq!(wanted("20000"), 20_000);
        for bad in ["", "0", "-1", "many", "1e3"] {
            assert!(std::panic::catch_unwind(|| wanted(bad)).is_err(), "{bad}");
        }
    }
}
