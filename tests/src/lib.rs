//! End to end: `pbxd` and `pbxctl` as the real programs, in front of a real Asterisk.

mod command;
mod manifests;
mod processor;
mod proxy;
mod samples;
mod system;
mod trace;
mod walk;

pub use command::CommandOutput;
pub use manifests::{carrier, did, extension, manifest, settings};
pub use processor::processor_time;
pub use proxy::{Fault, Proxy, Trap};
pub use samples::{Random, samples};
pub use system::{Builder, SOON, System, program};
pub use trace::{Injection, Trace};
pub use walk::{Visit, Walk};
