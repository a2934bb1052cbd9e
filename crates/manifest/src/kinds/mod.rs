//! The kinds' types, one file each.

mod announcement;
mod carrier;
mod conference;
mod did;
mod extension;
mod filter;
mod group;
mod ivr;
mod key;
mod mailbox;
mod music;
mod parking;
mod preset;
mod queue;
mod route;
mod schedule;
mod settings;
mod soundboard;
mod tree;
mod work;

pub use announcement::Announcement;
pub use carrier::{Carrier, CarrierCallerId, Credentials, Direction, Inbound, Rewrite, Transport};
pub use conference::Conference;
pub use did::{CallerRule, Did};
pub use extension::{
    CallForward, CallerId, Extension, ExtensionProfile, MediaEncryption, Phone, ProfileVoicemail, Recording, Voicemail,
};
pub use filter::{BlockFilter, CallerRegex, Expiry, FilterEntry, stamp_entries, stamp_filter};
pub use group::{ExtensionGroup, Strategy};
pub use ivr::{Case, Collect, Digits, DirectDial, Ivr, IvrNode, Menu, Next, SetNode, Variable};
pub use key::{Color, Key, Percent};
pub use mailbox::{Greetings, Mailbox};
pub use music::{HoldMusic, Order, StreamUrl};
pub use parking::{ParkingLot, Slots};
pub use preset::{Preset, PresetFacts};
pub use queue::{
    Announce, AutoPause, Comfort, Emptiness, Formula, Queue, QueueDisposition, QueueMember, QueueStrategy,
    ServiceLevel, Vip,
};
pub use route::OutboundRoute;
pub use schedule::{Because, ClosedDay, OpenHours, Schedule, ScheduleReason, ScheduleState, Until};
pub use settings::{FeatureCodes, Ice, Nat, Rtp, Settings, TlsTransport, Transports, Turn, UdpTransport};
pub use soundboard::{Clip, Soundboard};
pub use tree::{LastBranch, RingTree, SecondLevel, ThirdLevel};
pub use work::{BreakCode, Disposition};

/// `enabled` is true unless a manifest says otherwise.
pub(crate) fn yes() -> bool {
    true
}
