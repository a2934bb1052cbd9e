//! What Asterisk is: its configuration language, its manager interface, and deployment that proves itself.

pub mod ami;
pub mod config;
pub mod deploy;
pub mod modules;
pub mod setup;
pub mod sockets;
