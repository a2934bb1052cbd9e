//! The kinds' types, one file each.

mod carrier;
mod did;
mod extension;
mod group;
mod preset;
mod route;
mod schedule;
mod settings;

pub use carrier::{Carrier, CarrierCallerId, Credentials, Direction, Inbound, Rewrite, Transport};
pub use did::{CallerRule, Did};
pub use extension::{
    CallForward, CallerId, Extension, ExtensionProfile, MediaEncryption, Phone, ProfileVoicemail, Recording, Voicemail,
};
pub use group::{ExtensionGroup, Strategy};
pub use preset::{Preset, PresetFacts};
pub use route::OutboundRoute;
pub use schedule::{ClosedDay, OpenHours, Schedule, ScheduleState};
pub use settings::{FeatureCodes, Ice, Nat, Rtp, Settings, TlsTransport, Transports, Turn, UdpTransport};

/// `enabled` is true unless a manifest says otherwise.
pub(crate) fn yes() -> bool {
    true
}
