//! Any accepted system, as the bytes choose it, with secrets as hostile as they may be: what is rendered is what was meant.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pbx_asterisk::config::{Place, render};

#[path = "../../crates/asterisk/tests/config/conf.rs"]
mod conf;
#[expect(dead_code, reason = "offices of a seed are for the tests")]
#[path = "../../crates/asterisk/tests/config/meant.rs"]
mod meant;
#[expect(dead_code, reason = "offices of a seed are for the tests")]
#[path = "../../crates/manifest/tests/manifest/office.rs"]
mod office;

fuzz_target!(|bytes: &[u8]| {
    let [size, secrets, rest @ ..] = bytes else { return };
    let size = usize::from(size % 12) + 1;
    let built = meant::office_of(office::Dice::loaded(1, rest), office::Dice::new(u64::from(*secrets)), size);
    let tree = render(&built.catalog, &built.secrets, &Place::default());
    meant::is_what_was_meant(&built, &tree);
    assert_eq!(tree, render(&built.catalog, &built.secrets, &Place::default()));
});
