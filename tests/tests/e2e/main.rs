//! What the system does, shown by calls on a real Asterisk. One file for each area.

mod audio;
mod browser;
mod bulk;
mod carriers;
mod clocks;
mod confirm;
mod declare;
mod drift;
mod edges;
mod extensions;
mod faults;
mod filters;
mod groups;
mod hostile;
mod inbound;
mod menus;
mod outbound;
mod plans;
mod queues;
mod secrets;
mod texts;
mod transports;
mod truth;
mod voicemail;
mod waiting;
