//! The dialplan as loaded.

use std::time::Duration;

use crate::ami::{error::AmiError, message::view};

use super::{Action, Reply, Request};

/// One context. Needs `config` or `reporting`. A context that does not exist is an empty list.
#[derive(Debug, Clone)]
pub struct ShowDialPlan(pub String);

view! {
    /// One line of [`ShowDialPlan`]: a priority, a hint (`priority` is `hint`), an include, a switch or an ignored pattern.
    DialplanItem {
        context: String = text("Context"),
        extension: Option<String> = optional("Extension"),
        label: Option<String> = optional("ExtensionLabel"),
        /// A number, or `hint`.
        priority: Option<String> = optional("Priority"),
        /// Of a hint, the devices.
        application: Option<String> = optional("Application"),
        arguments: String = text("AppData"),
        /// The module that wrote it: `pbx_config` for extensions.conf.
        registrar: Option<String> = optional("Registrar"),
        include: Option<String> = optional("IncludeContext"),
        switch: Option<String> = optional("Switch"),
        ignore_pattern: Option<String> = optional("IgnorePattern"),
    }
}

impl Action for ShowDialPlan {
    type Answer = Vec<DialplanItem>;

    fn request(&self) -> Request {
        Request::new("ShowDialPlan").header("Context", &self.0).within(Duration::from_secs(30))
    }

    fn read(&self, reply: Reply) -> Result<Self::Answer, AmiError> {
        let missing = format!("Did not find context {}", self.0);
        Ok(reply.list(&[missing.trim()])?.iter().map(DialplanItem::read).collect())
    }
}
