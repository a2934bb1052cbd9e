//! End to end: `pbxd` and `pbxctl` as the real programs, in front of a real Asterisk.

mod command;
mod manifests;
mod system;

pub use command::CommandOutput;
pub use manifests::{carrier, did, extension, settings};
pub use system::{Builder, SOON, System, program};
