//! What is said to callers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::yes;
use crate::check::Checker;
use crate::dest::Destination;
use crate::kind::Spec;
use crate::sound::Audio;
use crate::text::{Name, Text};

/// Something that is said to callers: played where it is named, and a place that calls can be sent to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Announcement {
    /// Turned off, nothing is played: calls go on at once.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// For those who read manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Text>,
    /// What is played.
    pub file: Audio,
    /// Where calls go that were sent to it, when it has been played. Default: they end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<Destination>,
}

impl Spec for Announcement {
    fn check(&self, _: &Name, checker: &mut Checker<'_>) {
        if let Some(then) = &self.then {
            checker.destination("spec.then", then);
        }
    }

    fn audio(&self) -> Vec<(String, &Audio)> {
        vec![("file".into(), &self.file)]
    }

    fn enabled(&self) -> bool {
        self.enabled
    }
}
