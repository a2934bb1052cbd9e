//! Any bytes as a recording: read, or refused with what is wrong.
//!
//! Nothing may panic inside of a reader either: the hook that libFuzzer sets ends the run before the panic is caught. What is read can
//! be written at both rates, the narrow one half as long.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pbx_audio::Recording;

fuzz_target!(|bytes: &[u8]| {
    match Recording::read(bytes) {
        Ok(recording) => {
            let (narrow, wide) = (recording.narrow().len() - 44, recording.wide().len() - 44);
            assert!(narrow * 2 <= wide + 4 && wide <= narrow * 2 + 4, "{narrow}, {wide}");
        }
        Err(broken) => assert!(!broken.to_string().is_empty() && !broken.help().is_empty()),
    }
});
