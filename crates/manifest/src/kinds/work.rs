//! What agents pick from: why they take a break, and what became of a call.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::queue::within;
use super::{Color, yes};
use crate::check::Checker;
use crate::diagnostic::Diagnostic;
use crate::kind::Spec;
use crate::text::{Duration, Name, Text};

/// Why an agent takes a break.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BreakCode {
    /// Turned off, nobody can choose it.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// For those who read manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Text>,
    /// What it is called.
    pub title: Text,
    /// What is dialled behind the code of `queuePause` to take it: 1 to 4 digits. Default: it is chosen by other means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<Name>,
    /// Whether it is paid time.
    #[serde(default)]
    pub paid: bool,
    /// How long it may be, `1m` to `1d`. Default: as long as it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<Duration>,
    /// How it is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<Color>,
}

impl Spec for BreakCode {
    fn check(&self, name: &Name, checker: &mut Checker<'_>) {
        if let Some(maximum) = self.maximum {
            within(checker, "spec.maximum", maximum, Duration(60), Duration(86400));
        }
        let Some(number) = &self.number else { return };
        if number.as_str().len() > 4 || !number.as_str().bytes().all(|b| b.is_ascii_digit()) {
            checker.add(
                "spec.number",
                Diagnostic::error("range", format!("`{number}` cannot be dialled behind a code")).help("1 to 4 digits"),
            );
        }
        // Of two, the later one is told.
        let before = checker.catalog().break_codes.range(..name.clone());
        let taken = before.filter(|(_, other)| other.spec.number.as_ref() == Some(number)).map(|(name, _)| name).next();
        if let Some(other) = taken {
            checker.add(
                "spec.number",
                Diagnostic::error("number-taken", format!("`{number}` is already break/{other}"))
                    .help("choose another one"),
            );
        }
    }

    fn enabled(&self) -> bool {
        self.enabled
    }
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Disposition {
    /// Turned off, nobody can choose it.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// For those who read manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Text>,
    /// What it is called.
    pub title: Text,
    /// Whether the caller is to be called back.
    #[serde(default)]
    pub requires_callback: bool,
    /// How it is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<Color>,
}

impl Spec for Disposition {
    fn enabled(&self) -> bool {
        self.enabled
    }
}
