//! Numbers that callers dial from outside.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::queue::hours;
use super::yes;
use crate::check::{Checker, repeated};
use crate::dest::{Caller, Destination};
use crate::diagnostic::Diagnostic;
use crate::kind::{Kind, Spec};
use crate::text::{Name, Refused, Text, refuse};

/// Callers who go elsewhere than the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CallerRule {
    /// Who calls.
    pub from: Caller,
    /// Where they go, at any hour.
    pub destination: Destination,
}

/// A number that callers dial from outside, and where its calls go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Did {
    /// Turned off, the number is refused as unknown.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// For those who read manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Text>,
    /// The carrier whose calls are accepted for it. Default: any carrier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<Name>,
    /// Callers who are not let in, before all else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_filter: Option<Name>,
    /// Callers who go elsewhere; the first rule that matches counts, before the schedule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub callers: Vec<CallerRule>,
    /// When it is open. Default: always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Name>,
    /// Where calls go.
    pub destination: Destination,
    /// Where calls go when the schedule is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_hours: Option<Destination>,
}

impl Did {
    /// Where its calls go, by field.
    fn ways(&self) -> impl Iterator<Item = (String, &Destination)> {
        let rules = self.callers.iter().enumerate();
        let rules = rules.map(|(at, rule)| (format!("callers[{at}].destination"), &rule.destination));
        let late = self.after_hours.iter().map(|way| ("afterHours".to_owned(), way));
        rules.chain([("destination".to_owned(), &self.destination)]).chain(late)
    }
}

/// A carrier brings back what goes out to a number of one's own.
fn to_itself(checker: &mut Checker<'_>, path: &str, name: &Name, destination: &Destination) {
    if matches!(destination, Destination::External(number) if number.digits() == name.digits()) {
        checker.add(
            path,
            Diagnostic::warning("loop", format!("calls to `{name}` would go out to it, and come in again"))
                .help("send them elsewhere, as to `extension/…`"),
        );
    }
}

impl Spec for Did {
    fn check_name(name: &Name) -> Result<(), Refused> {
        if (3..=20).contains(&name.digits().len()) && name.digits().bytes().all(|b| b.is_ascii_digit()) {
            return Ok(());
        }
        refuse(
            format!("`{name}` cannot be a DID"),
            "the number as the carrier knows it, 3 to 20 digits, as in `\"+351210001000\"`",
        )
    }

    fn check(&self, name: &Name, checker: &mut Checker<'_>) {
        if let Some(carrier) = &self.carrier {
            checker.reference("spec.carrier", Kind::Carrier, carrier);
            if checker.catalog().carriers.get(carrier).is_some_and(|carrier| !carrier.spec.direction.inbound()) {
                checker.add(
                    "spec.carrier",
                    Diagnostic::error("direction", format!("carrier `{carrier}` takes no calls in"))
                        .help(format!("set `direction: both` on carrier/{carrier}")),
                );
            }
        } else if checker.catalog().carriers.is_empty() {
            checker.add(
                "",
                Diagnostic::warning("no-carrier", "there is no carrier: nobody can call this number")
                    .help("declare the one by which its calls come in, with `kind: Carrier`"),
            );
        }
        if let Some(filter) = &self.block_filter {
            checker.reference("spec.blockFilter", Kind::BlockFilter, filter);
        }
        for (at, rule) in self.callers.iter().enumerate() {
            checker.destination(&format!("spec.callers[{at}].destination"), &rule.destination);
        }
        for (field, way) in self.ways() {
            to_itself(checker, &format!("spec.{field}"), name, way);
        }
        for at in repeated(self.callers.iter().map(|rule| &rule.from)) {
            let from = &self.callers[at].from;
            checker.add(
                &format!("spec.callers[{at}].from"),
                Diagnostic::warning("unreachable", format!("an earlier rule already takes `{from}`"))
                    .help("the first rule that matches counts"),
            );
        }
        checker.destination("spec.destination", &self.destination);
        hours(checker, self.schedule.as_ref(), self.after_hours.as_ref(), "afterHours");
    }

    fn enabled(&self) -> bool {
        self.enabled
    }
}
