//! Which field of which object says where a call goes.

use std::fmt;

use pbx_manifest::kinds::IvrNode;
use pbx_manifest::{Catalog, Destination, Kind, Name, ObjectRef};
use serde::Serialize;

use crate::{CallGraph, Edge, NodeId, Step, When};

/// A field of an object: what decided a turn. Where nobody wrote it, its default did.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Field {
    /// The object.
    pub object: ObjectRef,
    /// The field, as `spec.callForward.busy`; empty for the object itself.
    pub path: String,
}

impl Field {
    /// A field of an object, by its path below `spec`.
    pub fn new(kind: Kind, name: &Name, below: impl fmt::Display) -> Self {
        Self { object: ObjectRef::new(kind, name.clone()), path: format!("spec.{below}") }
    }

    /// An object as a whole.
    pub fn whole(kind: Kind, name: &Name) -> Self {
        Self { object: ObjectRef::new(kind, name.clone()), path: String::new() }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { self.object.fmt(f) } else { write!(f, "{} {}", self.object, self.path) }
    }
}

impl CallGraph {
    /// The field that says where a way out of a step leads; nothing where no object does.
    pub fn field(&self, catalog: &Catalog, from: &NodeId, edge: &Edge) -> Option<Field> {
        match from {
            NodeId::Did(name) => {
                let below = match &edge.when {
                    When::Denied(_) => "blockFilter".to_owned(),
                    When::Closed(_) => "afterHours".to_owned(),
                    When::Caller(caller) => {
                        let rules = &catalog.dids.get(name)?.spec.callers;
                        let at = rules.iter().position(|rule| rule.from == *caller)?;
                        format!("callers[{at}].destination")
                    }
                    _ => "destination".to_owned(),
                };
                Some(Field::new(Kind::Did, name, below))
            }
            NodeId::To(Destination::Extension(name)) => self.forward(catalog, name, edge),
            NodeId::To(Destination::Group(name)) => Some(Field::new(Kind::ExtensionGroup, name, "failover")),
            NodeId::To(Destination::Queue(name)) => Some(of_queue(name, edge)),
            NodeId::To(Destination::Tree(name)) => Some(self.branch(catalog, from, name, &[], edge)),
            NodeId::Branch(name, branches) => Some(self.branch(catalog, from, name, branches, edge)),
            NodeId::To(Destination::Ivr(name)) => {
                let on = catalog.enabled(Kind::Ivr, name.as_str()) == Some(true);
                Some(Field::new(Kind::Ivr, name, if on { "start" } else { "enabled" }))
            }
            NodeId::Menu(menu, node) => {
                let node_spec = catalog.ivrs.get(menu)?.spec.nodes.get(node)?;
                let below = way_of_node(node_spec, edge);
                Some(Field::new(Kind::Ivr, menu, format_args!("nodes.{node}{below}")))
            }
            NodeId::To(Destination::Announcement(name)) => Some(Field::new(Kind::Announcement, name, "then")),
            NodeId::To(Destination::Schedule(name)) => {
                let below = if matches!(edge.when, When::Closed(_)) { "afterHours" } else { "destination" };
                Some(Field::new(Kind::Schedule, name, below))
            }
            NodeId::To(Destination::Parking(name)) => Some(Field::new(Kind::ParkingLot, name, "comeback")),
            NodeId::To(Destination::Conference(name)) => Some(Field::new(Kind::Conference, name, "enabled")),
            NodeId::To(Destination::Voicemail(name)) => Some(if catalog.extensions.contains_key(name) {
                Field::new(Kind::Extension, name, "voicemail.operator")
            } else {
                Field::new(Kind::Mailbox, name, "operator")
            }),
            NodeId::To(Destination::External(_) | Destination::Hangup(_)) => None,
        }
    }

    /// The field of an extension by which its calls go elsewhere.
    fn forward(&self, catalog: &Catalog, name: &Name, edge: &Edge) -> Option<Field> {
        let phone = catalog.phone(name)?;
        let forward = &phone.spec.call_forward;
        let rings = self.nodes.get(&NodeId::To(Destination::Extension(name.clone())));
        let rings = rings.is_some_and(|node| matches!(node.step, Step::Ring { .. }));
        let own = match &edge.when {
            _ if forward.always.is_some() => return Some(Field::new(Kind::Extension, name, "callForward.always")),
            When::NoAnswer => forward.no_answer.is_some().then_some("callForward.noAnswer"),
            When::Unavailable => forward.unavailable.is_some().then_some("callForward.unavailable"),
            When::Busy => forward.busy.is_some().then_some("callForward.busy"),
            _ if !rings && phone.spec.do_not_disturb && forward.busy.is_none() => Some("doNotDisturb"),
            _ => forward.busy.is_some().then_some("callForward.busy"),
        };
        let shared = || {
            if phone.spec.no_answer.is_some() {
                return Field::new(Kind::Extension, name, "noAnswer");
            }
            match &phone.spec.profile {
                // The box is there because its own manifest says so, or its profile's.
                _ if !phone.voicemail => Field::whole(Kind::Extension, name),
                Some(profile) if phone.spec.voicemail.enabled.is_none() => {
                    Field::new(Kind::ExtensionProfile, profile, "voicemail.enabled")
                }
                _ => Field::new(Kind::Extension, name, "voicemail.enabled"),
            }
        };
        Some(own.map_or_else(shared, |own| Field::new(Kind::Extension, name, own)))
    }

    /// The field of a ring tree's level, or of the queue that rings there.
    fn branch(&self, catalog: &Catalog, from: &NodeId, tree: &Name, branches: &[&'static str], edge: &Edge) -> Field {
        let own = |filter: &Name| {
            let spec = catalog.trees.get(tree).map(|object| &object.spec);
            branches.is_empty() && spec.is_some_and(|spec| spec.block_filter.as_ref() == Some(filter))
        };
        let field = match &edge.when {
            When::Denied(filter) if own(filter) => return Field::new(Kind::RingTree, tree, "blockFilter"),
            When::Denied(_) | When::Closed(_) | When::Key(_) => match self.nodes.get(from).map(|node| &node.step) {
                Some(Step::Queue { queue, .. }) => return of_queue(queue, edge),
                _ => "otherwise",
            },
            When::Busy => "busy",
            When::NoAnswer => "noAnswer",
            _ => "otherwise",
        };
        let path: Vec<&str> = branches.iter().copied().chain([field]).collect();
        Field::new(Kind::RingTree, tree, path.join("."))
    }
}

/// The way out of a queue, by its field.
fn of_queue(name: &Name, edge: &Edge) -> Field {
    let below = match &edge.when {
        When::Denied(_) => "blockFilter".to_owned(),
        When::Closed(_) => "outOfOffice".to_owned(),
        When::Full => "onFull".to_owned(),
        When::TimedOut => "onTimeout".to_owned(),
        When::Key(key) => format!("keys.{key}"),
        // What is turned off sends its calls where an empty one does.
        _ => "onEmpty".to_owned(),
    };
    Field::new(Kind::Queue, name, below)
}

/// The way out of a menu's node, by its field below the node.
fn way_of_node(node: &IvrNode, edge: &Edge) -> String {
    match &edge.when {
        When::Key(key) => format!(".keys.{key}"),
        When::Invalid => ".invalid".to_owned(),
        When::TimedOut => ".timedOut".to_owned(),
        When::Closed(_) => ".closed".to_owned(),
        When::Value(value) => {
            let at = node.cases.iter().position(|case| case.matches == *value).unwrap_or_default();
            format!(".cases[{at}].to")
        }
        _ => match () {
            () if node.go.is_some() => ".go",
            () if node.time.is_some() => ".open",
            () if node.route.is_some() => ".otherwise",
            () => ".next",
        }
        .to_owned(),
    }
}
