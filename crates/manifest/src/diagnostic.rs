//! What is wrong, where, and what to do: the one shape in which every check speaks.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kind::ObjectRef;
use crate::source::Position;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is applied while one of these stands.
    Error,
    /// Allowed, and probably not meant.
    Warning,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable word for scripts: `unknown-field`, `missing-reference`.
    pub code: String,
    /// What is wrong, in a sentence without a period.
    pub message: String,
    /// What the pointed-at words are, shown under them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The object it is about, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectRef>,
    /// The field in that object, as `spec.callForward.busy` or `spec.members[2]`; empty for the object itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Where it stands, when the object comes from a file at hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// What to do, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub help: Vec<String>,
}

impl Diagnostic {
    /// An error with a code and a message.
    pub fn error(code: &str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code: code.to_owned(),
            message: message.into(),
            label: None,
            object: None,
            path: String::new(),
            position: None,
            help: Vec::new(),
        }
    }

    /// A warning with a code and a message.
    pub fn warning(code: &str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// About a field of an object.
    #[must_use]
    pub fn at(mut self, object: ObjectRef, path: impl Into<String>) -> Self {
        self.object = Some(object);
        self.path = path.into();
        self
    }

    /// With a position in a file.
    #[must_use]
    pub fn positioned(mut self, position: Position) -> Self {
        self.position = Some(position);
        self
    }

    /// With words under the pointed-at place.
    #[must_use]
    pub fn labelled(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// With a line of help.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Whether it stops an apply.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Diagnostic {
    /// One line, for logs: `office.yaml:3:5: error: … (extension/1001 spec.profile)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = &self.position {
            write!(f, "{at}: ")?;
        }
        let level = if self.is_error() { "error" } else { "warning" };
        write!(f, "{level}: {}", self.message)?;
        if let Some(object) = &self.object {
            write!(f, " ({object}{}{})", if self.path.is_empty() { "" } else { " " }, self.path)?;
        }
        Ok(())
    }
}

/// The candidate nearest to what was written, if one is near enough to be meant.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let letters = word.chars().count();
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let folded = candidate.to_lowercase();
            // One slip in five letters: more is another word.
            let allowed = (folded.len().max(word.len()) / 4).max(1);
            // Each letter too many is a slip: words of very different length need no comparing, which costs their product.
            if folded.chars().count().abs_diff(letters) > allowed {
                return None;
            }
            Some((strsim::damerau_levenshtein(&word, &folded), allowed, candidate))
        })
        .filter(|(distance, allowed, _)| distance <= allowed)
        .min_by_key(|(distance, _, _)| *distance)
        .map(|(_, _, candidate)| candidate)
}
