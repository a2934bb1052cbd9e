//! Ring trees: what rings, and what then, three levels deep.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::group::MOST_MEMBERS;
use super::mailbox::dialled;
use super::queue::within;
use super::yes;
use crate::check::{Checker, repeated};
use crate::dest::Destination;
use crate::diagnostic::Diagnostic;
use crate::kind::{Catalog, Kind, Spec};
use crate::text::{Duration, Name, Text};

/// Declares a level of a tree and the branches that leave it.
macro_rules! level {
    ($(#[$meta:meta])* $Name:ident { $($own:tt)* } below $Below:ident) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $Name {
            $($own)*
            /// What rings together: extensions and groups, or one queue in which the caller waits.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            pub ring: Vec<Destination>,
            /// For how long, `1s` to `10m`; in a queue, to `1d`.
            #[serde(default = "twenty")]
            pub timeout: Duration,
            /// What then when all were busy. Default: `otherwise`.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub busy: Option<Box<$Below>>,
            /// What then when nobody answered. Default: `otherwise`.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub no_answer: Option<Box<$Below>>,
            /// What then in every other case. Default: the call ends.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub otherwise: Option<Box<$Below>>,
        }

        impl $Name {
            /// Its branches, by field.
            pub fn branches(&self) -> impl Iterator<Item = (&'static str, &$Below)> {
                [("busy", &self.busy), ("noAnswer", &self.no_answer), ("otherwise", &self.otherwise)]
                    .into_iter()
                    .filter_map(|(field, branch)| Some((field, branch.as_deref()?)))
            }
        }
    };
}

fn twenty() -> Duration {
    Duration(20)
}

level! {
    /// What rings, and what then, up to three levels deep.
    RingTree {
        /// Turned off, calls to it end.
        #[serde(default = "yes")]
        pub enabled: bool,
        /// For those who read manifests.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub description: Option<Text>,
        /// What telephones dial for the tree. Default: it has no number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub number: Option<Name>,
        /// Callers who are not let in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub block_filter: Option<Name>,
    } below SecondLevel
}

level! {
    /// The second level of a tree: rings, or sends the call elsewhere.
    SecondLevel {
        /// Where the call goes, instead of ringing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub go: Option<Destination>,
    } below ThirdLevel
}

level! {
    /// The third level of a tree: rings, or sends the call elsewhere.
    ThirdLevel {
        /// Where the call goes, instead of ringing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub go: Option<Destination>,
    } below LastBranch
}

/// What is left below the third level: the call goes elsewhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LastBranch {
    /// Where the call goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub go: Option<Destination>,
    /// Nothing rings at a fourth level.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = 0))]
    pub ring: Vec<Destination>,
}

/// What a level rings.
fn rings(checker: &mut Checker<'_>, path: &str, ring: &[Destination], timeout: Duration) {
    let mut queues = 0;
    for (at, one) in ring.iter().enumerate() {
        let path = format!("{path}.ring[{at}]");
        checker.destination(&path, one);
        match one {
            Destination::Extension(_) | Destination::Group(_) => {}
            Destination::Queue(_) => queues += 1,
            other => checker.add(
                &path,
                Diagnostic::error("does-not-ring", format!("`{other}` does not ring")).help(format!(
                    "extensions, groups or one queue ring; send calls there by `otherwise: {{ go: {other} }}`"
                )),
            ),
        }
    }
    for at in repeated(ring) {
        checker.add(
            &format!("{path}.ring[{at}]"),
            Diagnostic::error("repeated", format!("`{}` is given twice", ring[at])).help("remove one of them"),
        );
    }
    if queues > 0 && ring.len() > 1 {
        checker.add(
            &format!("{path}.ring"),
            Diagnostic::error("conflict", "a caller who waits in a queue cannot ring elsewhere at once")
                .help("give the queue a level of its own"),
        );
    }
    let telephones = telephones(checker.catalog(), ring);
    if telephones > MOST_MEMBERS {
        checker.add(
            &format!("{path}.ring"),
            Diagnostic::error("range", format!("{telephones} telephones are too many for one level")).help(format!(
                "at most {MOST_MEMBERS}, members of groups included: more do not fit into one Dial; ring some of them at the next level"
            )),
        );
    }
    let longest = Duration(if queues > 0 { 24 * 3600 } else { 600 });
    within(checker, &format!("{path}.timeout"), timeout, Duration(1), longest);
}

/// How many extensions ring together, each counted once.
fn telephones<'a>(catalog: &'a Catalog, ring: &'a [Destination]) -> usize {
    let members = |one: &'a Destination| match one {
        Destination::Extension(name) => std::slice::from_ref(name),
        Destination::Group(name) => catalog.groups.get(name).map_or(&[][..], |group| &group.spec.members),
        _ => &[],
    };
    ring.iter().flat_map(members).collect::<BTreeSet<&Name>>().len()
}

/// A branch either rings or goes.
fn one_of(checker: &mut Checker<'_>, path: &str, go: Option<&Destination>, ring: &[Destination]) {
    if let Some(go) = go {
        checker.destination(&format!("{path}.go"), go);
    }
    match (go, ring.is_empty()) {
        (Some(_), false) => checker.add(
            path,
            Diagnostic::error("conflict", "`go` and `ring` are both given")
                .help("a call that goes elsewhere does not ring here; what comes after ringing stands in `otherwise: { go: … }`"),
        ),
        (None, true) => checker.add(
            path,
            Diagnostic::error("missing-field", "what happens here?").help("add `ring: [extension/1001]`, or `go: voicemail/…`"),
        ),
        _ => {}
    }
}

impl Spec for RingTree {
    fn check(&self, _: &Name, checker: &mut Checker<'_>) {
        dialled(checker, self.number.as_ref());
        if let Some(filter) = &self.block_filter {
            checker.reference("spec.blockFilter", Kind::BlockFilter, filter);
        }
        if self.ring.is_empty() {
            checker.add(
                "spec.ring",
                Diagnostic::error("missing-field", "what rings first?").help("as in `ring: [extension/1001]`"),
            );
        }
        rings(checker, "spec", &self.ring, self.timeout);
        for (field, second) in self.branches() {
            let path = format!("spec.{field}");
            one_of(checker, &path, second.go.as_ref(), &second.ring);
            rings(checker, &path, &second.ring, second.timeout);
            for (field, third) in second.branches() {
                let path = format!("{path}.{field}");
                one_of(checker, &path, third.go.as_ref(), &third.ring);
                rings(checker, &path, &third.ring, third.timeout);
                for (field, last) in third.branches() {
                    let path = format!("{path}.{field}");
                    if let Some(go) = &last.go {
                        checker.destination(&format!("{path}.go"), go);
                    }
                    if last.ring.is_empty() && last.go.is_some() {
                        continue;
                    }
                    let below = if last.ring.is_empty() { path } else { format!("{path}.ring") };
                    checker.add(
                        &below,
                        Diagnostic::error(
                            "too-deep",
                            "a tree has at most three levels that ring; this would be the fourth",
                        )
                        .help("send the call on to a tree of its own: `go: tree/…`"),
                    );
                }
            }
        }
    }

    fn enabled(&self) -> bool {
        self.enabled
    }
}
