//! Menus: a flow of named nodes that callers walk by keys, hours and numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::mailbox::dialled;
use super::queue::within;
use super::{Key, yes};
use crate::check::Checker;
use crate::dest::{Caller, Destination};
use crate::diagnostic::{Diagnostic, nearest};
use crate::kind::{Catalog, Kind, Spec};
use crate::sound::Prompt;
use crate::text::{Duration, Name, Refused, Text, refuse, text_value};

/// Where a node leads: to another node of the same menu by its name, or to a destination as `queue/support` or `hangup`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Next {
    /// A node.
    Node(Name),
    /// A destination.
    To(Destination),
}

impl FromStr for Next {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        if text.contains('/') || text == "hangup" {
            return text.parse().map(Self::To);
        }
        match text.parse() {
            Ok(name) => Ok(Self::Node(name)),
            Err(_) => refuse(
                format!("`{}` leads nowhere", text.escape_debug()),
                "the name of a node, or a destination as `queue/support`, `extension/1001`, `hangup`",
            ),
        }
    }
}

impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(name) => name.fmt(f),
            Self::To(destination) => destination.fmt(f),
        }
    }
}

text_value!(Next, "Next", "a node or a destination", {
    "examples": ["menu", "queue/support", "hangup"],
    "description": "The name of a node of the same menu, or a destination as `queue/support`."
});

/// Something that is remembered of a call: `account`. A letter, then letters and digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Variable(Box<str>);

impl Variable {
    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is who calls.
    pub fn is_caller(&self) -> bool {
        &*self.0 == "caller"
    }
}

impl FromStr for Variable {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        let letters = text.bytes().all(|b| b.is_ascii_alphanumeric());
        if (1..=30).contains(&text.len()) && letters && text.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return Ok(Self(text.into()));
        }
        refuse(
            format!("`{}` is not the name of a variable", text.escape_debug()),
            "a letter, then letters and digits, at most 30, as in `account`; `caller` is who calls",
        )
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(Variable, "Variable", "the name of a variable", { "pattern": "^[A-Za-z][A-Za-z0-9]{0,29}$", "examples": ["account"] });

/// Digits that a variable is set to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digits(Box<str>);

impl Digits {
    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Digits {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        if text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(Self(text.into()));
        }
        refuse(format!("`{}` are not digits", text.escape_debug()), "at most 20 digits, in quotes, as in `\"1234\"`")
    }
}

impl fmt::Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(Digits, "Digits", "digits", { "pattern": "^[0-9]{0,20}$", "examples": ["1234"] });

/// Waits for a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Menu {
    /// What is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<Prompt>,
    /// How long a key is waited for when all was said, `1s` to `1m`.
    #[serde(default = "five")]
    pub timeout: Duration,
    /// How often it is all said again, after silence or a wrong key, 0 to 10.
    #[serde(default = "two")]
    #[schemars(range(min = 0, max = 10))]
    pub retries: u32,
    /// What is said after a wrong key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid_prompt: Option<Prompt>,
    /// What is said after silence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_prompt: Option<Prompt>,
    /// Whether a key counts that is pressed before all was said.
    #[serde(default = "yes")]
    pub barge_in: bool,
}

/// Waits for several digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Collect {
    /// What is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<Prompt>,
    /// How many digits at most, 1 to 20; `#` ends sooner.
    #[schemars(range(min = 1, max = 20))]
    pub digits: u32,
    /// How many at least. Default: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 20))]
    pub least: Option<u32>,
    /// The variable that they are kept in.
    pub into: Variable,
    /// How long each digit is waited for, `1s` to `1m`.
    #[serde(default = "five")]
    pub timeout: Duration,
    /// How often it is said again, after silence or too few digits, 0 to 10.
    #[serde(default = "two")]
    #[schemars(range(min = 0, max = 10))]
    pub retries: u32,
    /// What is said after too few digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid_prompt: Option<Prompt>,
}

impl Collect {
    /// How many digits at least.
    pub fn fewest(&self) -> u32 {
        self.least.unwrap_or(self.digits)
    }
}

/// Sets what holds for the rest of the call.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SetNode {
    /// The language of prompts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<Name>,
    /// Variables, each with its digits.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<Variable, Digits>,
}

/// Where a variable's value leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Case {
    /// The value: digits, a prefix as `9*`, a pattern as `_9XX`; of the caller, also `anonymous`.
    #[serde(rename = "match")]
    pub matches: Caller,
    /// Where it leads.
    pub to: Next,
}

fn five() -> Duration {
    Duration(5)
}

fn two() -> u32 {
    2
}

/// A node: exactly one of `play`, `menu`, `collect`, `route`, `time`, `set` and `go`, and where it leads.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct IvrNode {
    /// Plays something, then `next`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub play: Option<Prompt>,
    /// Waits for one of `keys`; `invalid` and `timedOut` when none came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub menu: Option<Menu>,
    /// Waits for digits, then `next`; `timedOut` when too few came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collect: Option<Collect>,
    /// Goes by a variable's value, or by `caller`: to the first of `cases` that matches, else to `otherwise`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<Variable>,
    /// Goes by a schedule: `open` or `closed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Name>,
    /// Sets the language or variables, then `next`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set: Option<SetNode>,
    /// Goes to a node or a destination.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub go: Option<Next>,
    /// What follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Next>,
    /// Where keys lead.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<Key, Next>,
    /// Where wrong keys lead when all was said often enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invalid: Option<Next>,
    /// Where silence leads when all was said often enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timed_out: Option<Next>,
    /// Where an open schedule leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<Next>,
    /// Where a closed schedule leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed: Option<Next>,
    /// Where values lead.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cases: Vec<Case>,
    /// Where all other values lead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<Next>,
}

impl IvrNode {
    /// What the node does, as its field says.
    pub fn forms(&self) -> Vec<&'static str> {
        [
            ("play", self.play.is_some()),
            ("menu", self.menu.is_some()),
            ("collect", self.collect.is_some()),
            ("route", self.route.is_some()),
            ("time", self.time.is_some()),
            ("set", self.set.is_some()),
            ("go", self.go.is_some()),
        ]
        .into_iter()
        .filter_map(|(field, given)| given.then_some(field))
        .collect()
    }

    /// Where it leads, by the path of the field below the node.
    pub fn ways(&self) -> Vec<(String, &Next)> {
        let mut ways = Vec::new();
        ways.extend(self.go.iter().map(|next| ("go".to_owned(), next)));
        ways.extend(self.next.iter().map(|next| ("next".to_owned(), next)));
        ways.extend(self.keys.iter().map(|(key, next)| (format!("keys.{key}"), next)));
        ways.extend(self.invalid.iter().map(|next| ("invalid".to_owned(), next)));
        ways.extend(self.timed_out.iter().map(|next| ("timedOut".to_owned(), next)));
        ways.extend(self.open.iter().map(|next| ("open".to_owned(), next)));
        ways.extend(self.closed.iter().map(|next| ("closed".to_owned(), next)));
        ways.extend(self.cases.iter().enumerate().map(|(at, case)| (format!("cases[{at}].to"), &case.to)));
        ways.extend(self.otherwise.iter().map(|next| ("otherwise".to_owned(), next)));
        ways
    }

    /// The ways out that are given, each by its field.
    fn given(&self) -> Vec<&'static str> {
        [
            ("next", self.next.is_some()),
            ("keys", !self.keys.is_empty()),
            ("invalid", self.invalid.is_some()),
            ("timedOut", self.timed_out.is_some()),
            ("open", self.open.is_some()),
            ("closed", self.closed.is_some()),
            ("cases", !self.cases.is_empty()),
            ("otherwise", self.otherwise.is_some()),
        ]
        .into_iter()
        .filter_map(|(field, given)| given.then_some(field))
        .collect()
    }
}

/// Which extensions a caller may dial at a menu: none, all, or those with labels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum DirectDial {
    /// None.
    #[default]
    None,
    /// All.
    All,
    /// Those that have all of these labels.
    Labelled(BTreeMap<Name, Text>),
}

impl DirectDial {
    /// Whether it is the default.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }
}

impl Serialize for DirectDial {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_bool(false),
            Self::All => serializer.serialize_bool(true),
            Self::Labelled(labels) => {
                let mut map = serializer.serialize_map(Some(labels.len()))?;
                for (key, value) in labels {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for DirectDial {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;
        impl<'de> Visitor<'de> for Forms {
            type Value = DirectDial;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`true`, `false`, or labels as `{ team: sales }`")
            }
            fn visit_bool<E: de::Error>(self, all: bool) -> Result<DirectDial, E> {
                Ok(if all { DirectDial::All } else { DirectDial::None })
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<DirectDial, A::Error> {
                let mut labels = BTreeMap::new();
                while let Some((key, value)) = map.next_entry()? {
                    labels.insert(key, value);
                }
                Ok(DirectDial::Labelled(labels))
            }
        }
        deserializer.deserialize_any(Forms)
    }
}

impl JsonSchema for DirectDial {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DirectDial".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "`true` for all extensions, or labels that they must have, as `{ team: sales }`.",
            "oneOf": [
                { "type": "boolean" },
                { "type": "object", "additionalProperties": { "type": "string" } }
            ]
        })
    }
}

/// A menu: a flow of named nodes that callers walk by keys, hours and numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ivr {
    /// Turned off, calls to it end.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// For those who read manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Text>,
    /// What telephones dial for the menu. Default: it has no number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<Name>,
    /// The node that calls come to first.
    pub start: Name,
    /// The extensions that a caller may dial at its menus: labels that they have, or `true` for all.
    #[serde(default, skip_serializing_if = "DirectDial::is_none")]
    pub direct_dial: DirectDial,
    /// The nodes, by name.
    pub nodes: BTreeMap<Name, IvrNode>,
}

impl Ivr {
    /// The extensions that a caller may dial at its menus.
    pub fn reachable<'c>(&self, catalog: &'c Catalog) -> Vec<&'c Name> {
        let labels = match &self.direct_dial {
            DirectDial::None => return Vec::new(),
            DirectDial::All => None,
            DirectDial::Labelled(labels) => Some(labels),
        };
        catalog
            .extensions
            .iter()
            .filter(|(_, object)| object.spec.enabled)
            .filter(|(_, object)| {
                labels.is_none_or(|labels| {
                    let has = |(key, value): (&Name, &Text)| {
                        object.labels.get(key.as_str()).is_some_and(|own| own == value.as_str())
                    };
                    labels.iter().all(has)
                })
            })
            .map(|(name, _)| name)
            .collect()
    }

    fn check_node(&self, name: &Name, node: &IvrNode, checker: &mut Checker<'_>) {
        let path = format!("spec.nodes.{name}");
        let forms = node.forms();
        let form = match forms[..] {
            [form] => form,
            [] => {
                checker.add(
                    &path,
                    Diagnostic::error("missing-field", format!("what does node `{name}` do?"))
                        .help("one of `play`, `menu`, `collect`, `route`, `time`, `set` and `go`"),
                );
                return;
            }
            [first, second, ..] => {
                checker.add(
                    &format!("{path}.{second}"),
                    Diagnostic::error("conflict", format!("node `{name}` has `{first}` and `{second}`"))
                        .help("a node does one thing; make two of it, the first with `next` to the second"),
                );
                return;
            }
        };
        let (needs, takes): (&[&str], &[&str]) = match form {
            "play" | "set" => (&["next"], &["next"]),
            "menu" => (&["keys"], &["keys", "invalid", "timedOut"]),
            "collect" => (&["next"], &["next", "timedOut"]),
            "route" => (&["cases", "otherwise"], &["cases", "otherwise"]),
            "time" => (&["open", "closed"], &["open", "closed"]),
            _ => (&[], &[]),
        };
        let given = node.given();
        for field in given.iter().filter(|field| !takes.contains(field)) {
            let help = if takes.is_empty() {
                format!("`{form}` itself says where it leads")
            } else {
                format!(
                    "`{form}` leads on by {}",
                    takes.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", ")
                )
            };
            checker.add(
                &format!("{path}.{field}"),
                Diagnostic::error("unused-field", format!("`{field}` means nothing to `{form}`")).help(help),
            );
        }
        for field in needs.iter().filter(|field| !given.contains(field)) {
            // A menu that only lets extensions be dialled has no keys.
            if *field == "keys" && !self.direct_dial.is_none() {
                continue;
            }
            checker.add(
                &path,
                Diagnostic::error("missing-field", format!("node `{name}` leads nowhere: `{form}` needs `{field}`"))
                    .help(format!("add `{field}: …` with a node or a destination; `hangup` ends the call")),
            );
        }
        if form == "menu" || form == "collect" {
            let asked = [("timedOut", &node.timed_out, "silence"), ("invalid", &node.invalid, "a wrong key")];
            for (field, way, after) in asked.into_iter().filter(|(field, ..)| form == "menu" || *field == "timedOut") {
                if way.is_none() {
                    checker.add(
                        &path,
                        Diagnostic::warning("no-way-out", format!("node `{name}` ends the call after {after}")).help(
                            format!(
                                "add `{field}: …` with a node or a destination, or `{field}: hangup` if that is meant"
                            ),
                        ),
                    );
                }
            }
        }
        self.check_parts(&path, node, checker);
    }

    fn check_parts(&self, path: &str, node: &IvrNode, checker: &mut Checker<'_>) {
        let (second, minute) = (Duration(1), Duration(60));
        if let Some(play) = &node.play {
            checker.prompt(&format!("{path}.play"), play);
        }
        if let Some(menu) = &node.menu {
            within(checker, &format!("{path}.menu.timeout"), menu.timeout, second, minute);
            retries(checker, &format!("{path}.menu.retries"), menu.retries);
            for (field, prompt) in [
                ("prompt", &menu.prompt),
                ("invalidPrompt", &menu.invalid_prompt),
                ("timeoutPrompt", &menu.timeout_prompt),
            ] {
                if let Some(prompt) = prompt {
                    checker.prompt(&format!("{path}.menu.{field}"), prompt);
                }
            }
        }
        if let Some(collect) = &node.collect {
            within(checker, &format!("{path}.collect.timeout"), collect.timeout, second, minute);
            retries(checker, &format!("{path}.collect.retries"), collect.retries);
            for (field, prompt) in [("prompt", &collect.prompt), ("invalidPrompt", &collect.invalid_prompt)] {
                if let Some(prompt) = prompt {
                    checker.prompt(&format!("{path}.collect.{field}"), prompt);
                }
            }
            if !(1..=20).contains(&collect.digits) || !(1..=collect.digits).contains(&collect.fewest()) {
                checker.add(
                    &format!("{path}.collect.digits"),
                    Diagnostic::error("range", "so many digits cannot be asked for")
                        .help("`digits` from 1 to 20, `least` at most as many"),
                );
            }
            not_the_caller(checker, &format!("{path}.collect.into"), &collect.into);
        }
        for variable in node.set.iter().flat_map(|set| set.variables.keys()) {
            not_the_caller(checker, &format!("{path}.set.variables.{variable}"), variable);
        }
        if let Some(schedule) = &node.time {
            checker.reference(&format!("{path}.time"), Kind::Schedule, schedule);
        }
        if let Some(variable) = &node.route
            && !variable.is_caller()
            && !self.sets(variable)
        {
            checker.add(
                &format!("{path}.route"),
                Diagnostic::warning("never-set", format!("no node of this menu sets `{variable}`"))
                    .help("`collect: { into: … }` or `set: { variables: … }` does; `caller` is who calls"),
            );
        }
        for (field, next) in node.ways() {
            let path = format!("{path}.{field}");
            match next {
                Next::To(destination) => checker.destination(&path, destination),
                Next::Node(name) => self.known(&path, name, checker),
            }
        }
    }

    /// Whether some node sets a variable.
    fn sets(&self, variable: &Variable) -> bool {
        self.nodes.values().any(|node| {
            node.collect.as_ref().is_some_and(|collect| collect.into == *variable)
                || node.set.as_ref().is_some_and(|set| set.variables.contains_key(variable))
        })
    }

    fn known(&self, path: &str, name: &Name, checker: &mut Checker<'_>) {
        if self.nodes.contains_key(name) {
            return;
        }
        let help = match nearest(name.as_str(), self.nodes.keys().map(Name::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if name.as_str().bytes().all(|b| b.is_ascii_digit()) => format!("did you mean `extension/{name}`?"),
            None => "a node of this menu, or a destination as `queue/support`".to_owned(),
        };
        checker.add(path, Diagnostic::error("missing-node", format!("there is no node `{name}` here")).help(help));
    }

    /// Whether every node that is named is there.
    fn is_whole(&self) -> bool {
        let ways = self.nodes.values().flat_map(IvrNode::ways).map(|(_, next)| next);
        let mut named = ways.filter_map(|next| if let Next::Node(name) = next { Some(name) } else { None });
        self.nodes.contains_key(&self.start) && named.all(|name| self.nodes.contains_key(name))
    }

    /// The nodes that can be come to from the first.
    fn reached(&self) -> BTreeSet<&Name> {
        let mut reached = BTreeSet::new();
        let mut next: Vec<&Name> = self.nodes.get_key_value(&self.start).map(|(name, _)| name).into_iter().collect();
        while let Some(name) = next.pop() {
            if !reached.insert(name) {
                continue;
            }
            let Some(node) = self.nodes.get(name) else { continue };
            for (_, way) in node.ways() {
                if let Next::Node(name) = way
                    && let Some((name, _)) = self.nodes.get_key_value(name)
                {
                    next.push(name);
                }
            }
        }
        reached
    }
}

fn retries(checker: &mut Checker<'_>, path: &str, retries: u32) {
    if retries > 10 {
        checker.add(path, Diagnostic::error("range", format!("{retries} is out of range")).help("from 0 to 10"));
    }
}

/// Who calls is not for a menu to say: filters and rules would take the caller for somebody else.
fn not_the_caller(checker: &mut Checker<'_>, path: &str, variable: &Variable) {
    if variable.is_caller() {
        checker.add(
            path,
            Diagnostic::error("conflict", "`caller` is who calls").help("choose another name, as `account`"),
        );
    }
}

impl Spec for Ivr {
    fn check(&self, _: &Name, checker: &mut Checker<'_>) {
        dialled(checker, self.number.as_ref());
        self.known("spec.start", &self.start, checker);
        if self.nodes.contains_key("hangup") {
            checker.add(
                "spec.nodes.hangup",
                Diagnostic::error("reserved", "`hangup` ends the call: no node can have the name")
                    .help("choose another one"),
            );
        }
        if let DirectDial::Labelled(_) = &self.direct_dial
            && self.reachable(checker.catalog()).is_empty()
        {
            checker.add(
                "spec.directDial",
                Diagnostic::warning("nobody", "no extension has these labels")
                    .help("labels stand in `metadata.labels`"),
            );
        }
        for (name, node) in &self.nodes {
            self.check_node(name, node, checker);
        }
        let reached = self.reached();
        // A slip in a way's name makes the node that was meant look unreachable.
        if self.is_whole() {
            for name in self.nodes.keys().filter(|name| !reached.contains(name)) {
                checker.add(
                    &format!("spec.nodes.{name}"),
                    Diagnostic::warning("unreachable", format!("no way leads to node `{name}`"))
                        .help("let a node lead there, or remove it"),
                );
            }
        }
    }

    fn enabled(&self) -> bool {
        self.enabled
    }
}
