//! For development only: real Asterisk instances, SIP phones, PostgreSQL and mail on loopback.
//!
//! Everything here is the real thing, because a fake Asterisk only knows what its author knew. The library blocks and
//! uses plain threads and processes, so that tests and `cargo xtask` share it whatever runtime they have.
//!
//! Whatever runs in the lab has a [`Place`]: an address of its own in 127.10.0.0/16 and a folder of the same name. That
//! is how any number of instances, of phones and of test processes use the same well-known ports side by side, and
//! how the next run finds and removes what a killed run left behind.
//!
//! ```no_run
//! use pbx_lab::{Asterisk, Behaviour, Caller, Phone, PhoneSpec};
//! use std::time::Duration;
//!
//! # fn main() -> anyhow::Result<()> {
//! let asterisk = Asterisk::builder().file("pjsip.conf", "…").file("extensions.conf", "…").start()?;
//! let phone = Phone::register(
//!     &PhoneSpec::new("101", "secret", asterisk.address()),
//!     &Behaviour::answer_after(Duration::from_millis(200)),
//! )?;
//! let result = Caller::new()?.ring_for(Duration::from_secs(5)).call("101", asterisk.address())?;
//! result.expect_answer()?;
//! println!("{:?}", phone.calls()?);
//! # Ok(())
//! # }
//! ```

mod conf;
mod floor;
mod instance;
mod keys;
mod mail;
mod packages;
mod place;
mod postgres;
mod prepare;
mod root;
mod rtp;
mod samples;
mod sipp;
mod sound;
mod wait;

pub use conf::set_key;
pub use floor::{Floor, FloorPhone, Transport};
pub use instance::{Asterisk, Builder, Kept, Ports};
pub use mail::Mail;
pub use packages::ensure_packages;
pub use place::{Place, Process};
pub use postgres::Postgres;
pub use prepare::prepare;
pub use root::AsteriskRoot;
pub use samples::samples;
pub use sipp::{Behaviour, CallResult, Caller, Calling, Keypad, Outcome, Phone, PhoneSpec, RangCall, SipMessage, Uas};
pub use sound::{Sound, tone};
pub use wait::until;
