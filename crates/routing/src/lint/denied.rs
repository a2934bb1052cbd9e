//! Denied callers who get to somebody all the same.

use std::collections::{BTreeMap, BTreeSet};

use pbx_manifest::{Catalog, Destination, Diagnostic, Kind, ObjectRef};

use crate::{CallGraph, Edge, Node, NodeId, Step};

/// Where a filter's `denied` is followed to: what is no announcement and no box is told by the kind.
fn starts(catalog: &Catalog) -> impl Iterator<Item = (ObjectRef, NodeId)> {
    catalog.filters.iter().filter_map(|(name, object)| {
        let denied = &object.spec.denied;
        let followed = matches!(denied, Destination::Announcement(_) | Destination::Voicemail(_));
        followed.then(|| (ObjectRef::new(Kind::BlockFilter, name.clone()), NodeId::To(denied.clone())))
    })
}

/// Whether a call that comes to a step speaks with somebody, or waits to.
fn has_somebody(node: &Node) -> bool {
    matches!(
        node.step,
        Step::Ring { .. }
            | Step::RingMembers { .. }
            | Step::RingTogether { .. }
            | Step::Queue { .. }
            | Step::Menu { direct: true, .. }
            | Step::Conference { .. }
            | Step::Park
            | Step::External { .. }
    )
}

/// Filters whose `denied` leads to somebody by some way: an announcement's `then`, a box's operator.
pub(crate) fn denied(catalog: &Catalog, graph: &CallGraph) -> Vec<Diagnostic> {
    let starts: Vec<(ObjectRef, NodeId)> = starts(catalog).collect();
    let ways = ways_to_somebody(graph, starts.iter().map(|(_, start)| start));
    let told = starts.iter().filter_map(|(filter, start)| {
        let (edge, somebody) = ways.get(start)?;
        let error =
            Diagnostic::error("not-denied", format!("`{start}` would let a denied caller through, to `{somebody}`"));
        let field = graph.field(catalog, start, edge)?;
        Some(
            error
                .at(filter.clone(), "spec.denied")
                .help(format!("`hangup`, `hangup/busy`, or what leads no further: here {field} does")),
        )
    });
    told.collect()
}

/// Of the steps that some steps lead to, those from which a call gets to somebody: by which way, and to whom. Each step is looked at
/// once, however many lead there.
fn ways_to_somebody<'g>(
    graph: &'g CallGraph,
    starts: impl Iterator<Item = &'g NodeId>,
) -> BTreeMap<&'g NodeId, (&'g Edge, &'g NodeId)> {
    let (mut seen, mut next) = (BTreeSet::new(), starts.collect::<Vec<_>>());
    let mut before: BTreeMap<&NodeId, Vec<(&NodeId, &Edge)>> = BTreeMap::new();
    let mut ends = Vec::new();
    while let Some(id) = next.pop() {
        let Some(node) = graph.nodes.get(id).filter(|_| seen.insert(id)) else { continue };
        if has_somebody(node) {
            ends.push((id, id));
            continue;
        }
        for edge in node.ways() {
            before.entry(&edge.to).or_default().push((id, edge));
            next.push(&edge.to);
        }
    }
    let mut found = BTreeMap::new();
    while let Some((at, somebody)) = ends.pop() {
        for (id, edge) in before.remove(at).into_iter().flatten() {
            if found.insert(id, (edge, somebody)).is_none() {
                ends.push((id, somebody));
            }
        }
    }
    found
}
