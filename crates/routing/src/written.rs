//! Which ways out of a step somebody has written, and which are there because every step has an end.

use pbx_manifest::{Catalog, Destination, ObjectRef};

use crate::{CallGraph, Edge, Node, NodeId, Step};

impl CallGraph {
    /// Whether a way out of a step is one that somebody has written.
    pub(crate) fn is_written(&self, catalog: &Catalog, id: &NodeId, node: &Node, edge: &Edge) -> bool {
        let ends = matches!(edge.to, NodeId::To(Destination::Hangup(_)));
        match &node.step {
            Step::Ring { .. } => self.field(catalog, id, edge).is_some_and(|field| {
                ["spec.callForward", "spec.noAnswer"].iter().any(|own| field.path.starts_with(own))
            }),
            // A queue that is empty or full and says nothing of it ends the call.
            Step::Queue { .. } | Step::RingMembers { .. } | Step::RingTogether { .. } if ends => {
                self.field(catalog, id, edge).is_some_and(|field| says(catalog, &field.object, &field.path))
            }
            _ => true,
        }
    }
}

/// Whether an object says something in a field.
fn says(catalog: &Catalog, object: &ObjectRef, path: &str) -> bool {
    let name = &object.name;
    match path {
        "spec.onEmpty" => catalog.queues.get(name).is_some_and(|queue| queue.spec.on_empty.is_some()),
        "spec.onFull" => catalog.queues.get(name).is_some_and(|queue| queue.spec.on_full.is_some()),
        "spec.onTimeout" => catalog.queues.get(name).is_some_and(|queue| queue.spec.on_timeout.is_some()),
        "spec.failover" => catalog.groups.get(name).is_some_and(|group| group.spec.failover.is_some()),
        _ => true,
    }
}
