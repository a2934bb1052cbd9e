//! Conferences.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mailbox::pin;
use super::yes;
use crate::check::Checker;
use crate::diagnostic::Diagnostic;
use crate::kind::{Kind, Spec};
use crate::secret::{Secret, same_pins};
use crate::text::{DisplayName, Name, Refused, Text, refuse};

/// A room in which callers speak with each other. Its name is the number that telephones dial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Conference {
    /// Turned off, nobody gets in.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// For those who read manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Text>,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<DisplayName>,
    /// What is typed to get in. Default: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<Secret>,
    /// What is typed to get in as an admin, who may mute others and close the room. Default: nobody is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_pin: Option<Secret>,
    /// Whether it is recorded.
    #[serde(default)]
    pub record: bool,
    /// Whether it is heard when somebody comes or goes.
    #[serde(default)]
    pub announce_joins: bool,
    /// Whether others hear music until an admin is there.
    #[serde(default)]
    pub wait_for_admin: bool,
    /// How many may be in it, 2 to 1000. Default: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 1000))]
    pub max_members: Option<u32>,
    /// What is played to somebody who is alone. Default: Asterisk's own music.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_music: Option<Name>,
}

impl Spec for Conference {
    fn check_name(name: &Name) -> Result<(), Refused> {
        if name.as_str().len() <= 15 && name.as_str().bytes().all(|b| b.is_ascii_digit()) {
            return Ok(());
        }
        refuse(
            format!("`{name}` cannot be a conference"),
            "the number that telephones dial, 1 to 15 digits, as in `\"8000\"`",
        )
    }

    fn check(&self, _: &Name, checker: &mut Checker<'_>) {
        if let Some(most) = self.max_members.filter(|most| !(2..=1000).contains(most)) {
            checker.add(
                "spec.maxMembers",
                Diagnostic::error("range", format!("{most} is out of range")).help("from 2 to 1000"),
            );
        }
        if let Some(music) = &self.hold_music {
            checker.reference("spec.holdMusic", Kind::HoldMusic, music);
        }
        for (path, secret) in [("spec.pin", &self.pin), ("spec.adminPin", &self.admin_pin)] {
            if let Some(secret) = secret {
                pin(checker, path, secret);
            }
        }
        if let (Some(Secret::Literal(own)), Some(Secret::Literal(admin))) = (&self.pin, &self.admin_pin)
            && own == admin
        {
            checker.add("spec.adminPin", same_pins());
        }
        if self.admin_pin.is_some() && self.pin.is_none() {
            checker.add(
                "spec.adminPin",
                Diagnostic::error("missing-field", "with an `adminPin` alone, everybody would be asked for it")
                    .help("add `pin: { generate: true }` for the others"),
            );
        }
        if self.wait_for_admin && self.admin_pin.is_none() {
            checker.add(
                "spec.waitForAdmin",
                Diagnostic::error("missing-field", "nobody can be an admin").help("add `adminPin: { generate: true }`"),
            );
        }
    }

    fn secrets(&self) -> Vec<(String, &Secret)> {
        let both = [("pin", &self.pin), ("adminPin", &self.admin_pin)];
        both.into_iter().filter_map(|(path, secret)| Some((path.to_owned(), secret.as_ref()?))).collect()
    }

    fn enabled(&self) -> bool {
        self.enabled
    }
}
