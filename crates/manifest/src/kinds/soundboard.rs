//! Clips that agents play into calls.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Key, yes};
use crate::check::Checker;
use crate::diagnostic::Diagnostic;
use crate::kind::Spec;
use crate::sound::Audio;
use crate::text::{Name, Text};

/// A clip that agents play into a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Clip {
    /// What is played.
    pub file: Audio,
    /// The key that plays it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// What it is called. Default: its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Text>,
}

/// Clips that agents play into calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Soundboard {
    /// Turned off, nobody may play them.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// For those who read manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Text>,
    /// The clips, by name.
    pub clips: BTreeMap<Name, Clip>,
}

impl Spec for Soundboard {
    fn check(&self, _: &Name, checker: &mut Checker<'_>) {
        if self.clips.is_empty() {
            checker.add(
                "spec.clips",
                Diagnostic::warning("empty", "there is no clip to play")
                    .help("as in `clips: { applause: { file: audio/applause.mp3, key: \"1\" } }`"),
            );
        }
        let mut keys: BTreeMap<Key, &Name> = BTreeMap::new();
        for (name, clip) in &self.clips {
            if let Some(key) = clip.key
                && let Some(other) = keys.insert(key, name)
            {
                checker.add(
                    &format!("spec.clips.{name}.key"),
                    Diagnostic::error("repeated", format!("key `{key}` already plays `{other}`"))
                        .help("choose another key"),
                );
            }
        }
    }

    fn audio(&self) -> Vec<(String, &Audio)> {
        self.clips.iter().map(|(name, clip)| (format!("clips.{name}.file"), &clip.file)).collect()
    }

    fn enabled(&self) -> bool {
        self.enabled
    }
}
