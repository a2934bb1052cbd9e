//! What callers hear while they wait.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::yes;
use crate::check::{Checker, repeated};
use crate::diagnostic::Diagnostic;
use crate::kind::Spec;
use crate::sound::Audio;
use crate::text::{Name, Refused, Text, refuse, text_value};

/// In which order files are played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Order {
    /// As written; each caller hears them from where the last one left.
    #[default]
    Ordered,
    /// By chance.
    Random,
}

/// A stream of audio, by HTTP.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamUrl(Box<str>);

impl StreamUrl {
    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StreamUrl {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
        // It stands in the command of the program that plays it: letters alone that no command's line takes for more.
        let letters = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?=&%+@".contains(&b);
        if text.len() <= 200
            && rest
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric()) && rest.bytes().all(letters))
        {
            return Ok(Self(text.into()));
        }
        refuse(
            format!("`{}` is not the address of a stream", text.escape_debug()),
            "as in `https://radio.example.com/jazz.mp3`, of letters, digits and `-._~:/?=&%+@`, at most 200",
        )
    }
}

impl fmt::Display for StreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(StreamUrl, "StreamUrl", "the address of a stream", { "pattern": "^https?://", "examples": ["https://radio.example.com/jazz.mp3"] });

/// What callers hear while they wait: a music class of Asterisk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["files"] }, { "required": ["stream"] }]))]
pub struct HoldMusic {
    /// Turned off, Asterisk's own default music is played instead.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// For those who read manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Text>,
    /// What is played; a path with `*` stands for every file that matches it, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Audio>,
    /// In which order.
    #[serde(default)]
    pub order: Order,
    /// A stream instead of files. Asterisk's machine needs `ffmpeg` for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamUrl>,
}

impl Spec for HoldMusic {
    fn check_name(name: &Name) -> Result<(), Refused> {
        if name.as_str() == "default" {
            return refuse("`default` is the music that Asterisk brings", "choose another name");
        }
        Ok(())
    }

    fn check(&self, _: &Name, checker: &mut Checker<'_>) {
        match (self.files.is_empty(), &self.stream) {
            (true, None) => checker.add(
                "spec",
                Diagnostic::error("missing-field", "what is played?")
                    .help("add `files: [audio/jazz/*.mp3]`, or `stream: https://…`"),
            ),
            (false, Some(_)) => checker.add(
                "spec.stream",
                Diagnostic::error("conflict", "`files` and `stream` are both given").help("keep one of them"),
            ),
            _ => {}
        }
        for at in repeated(&self.files) {
            checker.add(
                &format!("spec.files[{at}]"),
                Diagnostic::warning("repeated", format!("`{}` is given twice", self.files[at].path()))
                    .help("remove one of them"),
            );
        }
    }

    fn audio(&self) -> Vec<(String, &Audio)> {
        self.files.iter().enumerate().map(|(at, file)| (format!("files[{at}]"), file)).collect()
    }

    fn enabled(&self) -> bool {
        self.enabled
    }
}
