//! Queues that end the calls of those whom they do not serve.

use std::collections::BTreeSet;

use pbx_manifest::{Catalog, Destination, Diagnostic, Kind, Name, ObjectRef};

use crate::{CallGraph, Dialled, Node, NodeId, Step, When};

pub(super) fn check(catalog: &Catalog, graph: &CallGraph, found: &mut Vec<Diagnostic>) {
    for name in come_to(graph) {
        let id = NodeId::To(Destination::Queue(name.clone()));
        let Some(node) = graph.nodes.get(&id) else { continue };
        let ends = ends(catalog, graph, name, &id, node);
        if ends.is_empty() {
            continue;
        }
        let whys: Vec<&str> = ends.iter().map(|(_, why)| *why).collect();
        let fields: Vec<String> = ends.iter().map(|(field, _)| format!("`{field}: …`")).collect();
        found.push(
            Diagnostic::warning("no-way-out", format!("queue `{name}` ends the call {}", whys.join(", or ")))
                .at(ObjectRef::new(Kind::Queue, name.clone()), "spec")
                .help(format!("add {} with a destination, or with `hangup` if that is meant", fields.join(", "))),
        );
    }
}

/// The queues that calls come to as such: at a tree's level, the tree says what follows.
fn come_to(graph: &CallGraph) -> BTreeSet<&Name> {
    let dialled = graph.numbers.values().filter_map(|dialled| match dialled {
        Dialled::Node(id) => Some(id),
        _ => None,
    });
    let led_to = graph.nodes.values().flat_map(Node::ways).map(|edge| &edge.to);
    let queues = dialled.chain(led_to).filter_map(|id| match id {
        NodeId::To(Destination::Queue(name)) => Some(name),
        _ => None,
    });
    queues.collect()
}

/// The ways on which a queue ends calls because it does not say where they go: the field that would, and when it is.
fn ends(
    catalog: &Catalog,
    graph: &CallGraph,
    name: &Name,
    id: &NodeId,
    node: &Node,
) -> Vec<(&'static str, &'static str)> {
    let Some(queue) = catalog.queues.get(name).filter(|_| matches!(node.step, Step::Queue { .. })) else {
        return Vec::new();
    };
    let unsaid = node.edges.iter().filter(|edge| !graph.is_written(catalog, id, node, edge));
    let ends = unsaid.filter_map(|edge| match edge.when {
        When::Empty if queue.spec.can_be_empty() => Some(("onEmpty", "when nobody is there")),
        When::Full => Some(("onFull", "while `maxWaiting` wait")),
        When::TimedOut => Some(("onTimeout", "after `maxWait`")),
        _ => None,
    });
    ends.collect()
}
