//! Voicemail boxes as loaded.

use std::time::Duration;

use crate::ami::{error::AmiError, message::view};

use super::{Action, Reply, Request};

/// Every voicemail box. Needs `call` or `reporting`.
#[derive(Debug, Clone, Copy)]
pub struct VoicemailUsersList;

view! {
    /// One box of [`VoicemailUsersList`].
    VoicemailUser {
        context: String = text("VMContext"),
        mailbox: String = text("VoiceMailbox"),
        full_name: String = text("Fullname"),
        email: Option<String> = optional("Email"),
        time_zone: Option<String> = optional("TimeZone"),
        language: Option<String> = optional("Language"),
        attach: Option<bool> = flag("AttachMessage"),
        delete: Option<bool> = flag("DeleteMessage"),
        operator: Option<bool> = flag("CallOperator"),
        max_messages: Option<u32> = number("MaxMessageCount"),
        /// Seconds; 0 for as long as one likes.
        max_length: Option<u64> = number("MaxMessageLength"),
        new_messages: Option<u32> = number("NewMessageCount"),
        old_messages: Option<u32> = number("OldMessageCount"),
    }
}

impl Action for VoicemailUsersList {
    type Answer = Vec<VoicemailUser>;

    fn request(&self) -> Request {
        Request::new("VoicemailUsersList").within(Duration::from_secs(30))
    }

    fn read(&self, reply: Reply) -> Result<Self::Answer, AmiError> {
        // Without boxes the answer is a bare success (app_voicemail.c:14451).
        let empty = ["There are no voicemail users currently defined."];
        Ok(reply.list(&empty)?.iter().map(VoicemailUser::read).collect())
    }
}
