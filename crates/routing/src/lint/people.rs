//! Groups, trees and queues in which nobody can be.

use pbx_manifest::{Catalog, Diagnostic, Kind, Name, ObjectRef};

use crate::{CallGraph, Edge, Field, NodeId, Step, When};

pub(super) fn check(catalog: &Catalog, graph: &CallGraph, found: &mut Vec<Diagnostic>) {
    for (name, object) in catalog.groups.iter().filter(|(_, object)| object.spec.enabled) {
        if !object.spec.members.is_empty() && object.spec.members.iter().all(|member| !answers(catalog, member)) {
            found.push(nobody(Kind::ExtensionGroup, name, "spec.members", "this group rings nobody"));
        }
    }
    for (name, object) in catalog.queues.iter().filter(|(_, object)| object.spec.enabled) {
        let members = &object.spec.members;
        // One without members is told by its kind.
        if !members.is_empty() && members.iter().all(|member| !answers(catalog, &member.extension)) {
            found.push(nobody(Kind::Queue, name, "spec.members", "nobody can be in this queue"));
        }
    }
    for (id, node) in &graph.nodes {
        let (NodeId::Branch(..) | NodeId::To(_), Step::RingTogether { members, .. }) = (id, &node.step) else {
            continue;
        };
        if members.is_empty()
            && let Some(Field { object, path }) = ring(catalog, graph, id)
        {
            found.push(nobody(object.kind, &object.name, &path, "nothing rings at this level"));
        }
    }
}

/// Whether an extension can ever be called where several are.
fn answers(catalog: &Catalog, name: &Name) -> bool {
    catalog.extensions.get(name).is_some_and(|object| {
        object.spec.enabled && !object.spec.do_not_disturb && object.spec.call_forward.always.is_none()
    })
}

/// The field of a tree that says what rings at a level.
fn ring(catalog: &Catalog, graph: &CallGraph, id: &NodeId) -> Option<Field> {
    let edge = Edge { when: When::Otherwise, to: id.clone() };
    let mut field = graph.field(catalog, id, &edge)?;
    let level = field.path.rsplit_once('.')?.0.to_owned();
    field.path = format!("{level}.ring");
    Some(field)
}

fn nobody(kind: Kind, name: &Name, path: &str, message: &str) -> Diagnostic {
    Diagnostic::warning(
        "nobody",
        format!("{message}: whoever is in it is turned off, forwards every call or is not to be disturbed"),
    )
    .at(ObjectRef::new(kind, name.clone()), path)
    .help("add somebody who answers, or send calls elsewhere")
}
