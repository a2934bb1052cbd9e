//! Which dialled numbers go out by which carriers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::yes;
use crate::check::{Checker, repeated};
use crate::diagnostic::Diagnostic;
use crate::kind::{Kind, Spec};
use crate::text::{Name, Pattern, Permission, Prefix, Text};

/// Which dialled numbers go out by which carriers, and who may dial them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OutboundRoute {
    /// Turned off, its numbers cannot be dialled.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// For those who read manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Text>,
    /// Of the routes that match a number, the one with the lowest order takes it, 1 to 9999.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 9999))]
    pub order: u32,
    /// The dialled numbers that it takes.
    pub patterns: Vec<Pattern>,
    /// How many digits are cut from the front of the dialled number.
    #[serde(default)]
    #[schemars(range(max = 20))]
    pub strip: u32,
    /// What is then put in front.
    #[serde(default)]
    pub prepend: Prefix,
    /// The carriers, the next one tried when one fails.
    pub carriers: Vec<Name>,
    /// The class that an extension needs in its `permissions` to dial it; an emergency route needs none.
    #[serde(default = "national")]
    pub permission: Permission,
    /// Every extension may dial it, and no channel limit holds it back.
    #[serde(default)]
    pub emergency: bool,
}

fn hundred() -> u32 {
    100
}

fn national() -> Permission {
    "national".parse().unwrap_or_else(|_| unreachable!("a name"))
}

impl Spec for OutboundRoute {
    fn check(&self, _: &Name, checker: &mut Checker<'_>) {
        if self.patterns.is_empty() {
            checker.add(
                "spec.patterns",
                Diagnostic::error("empty", "a route needs a pattern").help("as in `patterns: [\"_00X.\"]`"),
            );
        }
        if self.carriers.is_empty() {
            checker.add(
                "spec.carriers",
                Diagnostic::error("empty", "a route needs a carrier")
                    .help("name the carriers, the preferred one first"),
            );
        }
        if !(1..=9999).contains(&self.order) {
            checker.add(
                "spec.order",
                Diagnostic::error("range", format!("{} is out of range", self.order)).help("from 1 to 9999"),
            );
        }
        for pattern in &self.patterns {
            if self.strip as usize >= pattern.shortest() + usize::from(!self.prepend.as_str().is_empty()) {
                checker.add(
                    "spec.strip",
                    Diagnostic::error(
                        "range",
                        format!("cutting {} digits leaves nothing of the shortest number of `{pattern}`", self.strip),
                    )
                    .help(format!("its shortest number has {} digits", pattern.shortest())),
                );
            }
        }
        for at in repeated(&self.patterns) {
            checker.add(
                &format!("spec.patterns[{at}]"),
                Diagnostic::error("repeated", format!("pattern `{}` is given twice", self.patterns[at]))
                    .help("remove one of them"),
            );
        }
        for (at, carrier) in self.carriers.iter().enumerate() {
            let path = format!("spec.carriers[{at}]");
            checker.reference(&path, Kind::Carrier, carrier);
            if checker.catalog().carriers.get(carrier).is_some_and(|carrier| !carrier.spec.direction.outbound()) {
                checker.add(
                    &path,
                    Diagnostic::error("direction", format!("carrier `{carrier}` takes no calls out"))
                        .help(format!("set `direction: both` on carrier/{carrier}")),
                );
            }
        }
        for at in repeated(&self.carriers) {
            checker.add(
                &format!("spec.carriers[{at}]"),
                Diagnostic::error("repeated", format!("carrier `{}` is given twice", self.carriers[at]))
                    .help("remove one of them"),
            );
        }
        if self.permission.as_str() == "internal" && !self.emergency {
            checker.add(
                "spec.permission",
                Diagnostic::error("open-route", "every extension has `internal`: anyone could dial this")
                    .help("name a class of its own, as `national` or `international`, and give it to those who may"),
            );
        }
    }

    fn enabled(&self) -> bool {
        self.enabled
    }
}
