//! What of a system's routing calls have walked through.

use std::collections::{BTreeMap, BTreeSet};

use pbx_manifest::Catalog;
use serde::Serialize;

use super::{Trace, Walked};
use crate::{CallGraph, Dialled, Edge, NodeId, Step};

/// What was walked through, of all that calls from outside, and to numbers of groups, queues, menus and trees, can come to.
#[derive(Debug)]
pub struct Coverage<'g> {
    /// The steps, and which of their ways out count.
    all: BTreeMap<&'g NodeId, BTreeSet<usize>>,
    walked: BTreeSet<Walked<'g>>,
    graph: &'g CallGraph,
}

/// Something that no call has walked through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Uncovered {
    /// The step.
    pub step: String,
    /// Why a call would leave it; nothing where no call has come to it at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Where it would go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

impl<'g> Coverage<'g> {
    /// Of a system, nothing walked through yet.
    pub fn new(catalog: &'g Catalog, graph: &'g CallGraph) -> Self {
        let numbered = graph.numbers.values().filter_map(|dialled| match dialled {
            Dialled::Node(id) => graph.nodes.get_key_value(id).map(|(id, _)| id),
            _ => None,
        });
        let mut next: Vec<&NodeId> =
            graph.nodes.keys().filter(|id| matches!(id, NodeId::Did(_))).chain(numbered).collect();
        let mut all = BTreeMap::new();
        while let Some(id) = next.pop() {
            let Some((id, node)) = graph.nodes.get_key_value(id) else { continue };
            if matches!(node.step, Step::Hangup) || all.contains_key(id) {
                continue;
            }
            let ways = node.ways().enumerate();
            all.insert(
                id,
                ways.filter(|(_, edge)| graph.is_written(catalog, id, node, edge)).map(|(at, _)| at).collect(),
            );
            next.extend(node.ways().map(|edge| &edge.to));
        }
        Self { all, walked: BTreeSet::new(), graph }
    }

    /// A call has gone this way.
    pub fn add(&mut self, trace: &Trace<'g>) {
        self.walked.extend(trace.walked.iter().copied());
    }

    fn has(&self, node: &'g NodeId, way: Option<usize>) -> bool {
        self.walked.contains(&Walked { node, way })
    }

    fn came_to(&self, node: &'g NodeId) -> bool {
        self.walked.range(Walked { node, way: None }..=Walked { node, way: Some(usize::MAX) }).next().is_some()
    }

    /// How many steps and ways out of them were walked through, and of how many.
    pub fn counts(&self) -> (usize, usize) {
        let mut counts = (0, 0);
        for (node, ways) in &self.all {
            counts.1 += 1 + ways.len();
            counts.0 += usize::from(self.came_to(node)) + ways.iter().filter(|at| self.has(node, Some(**at))).count();
        }
        counts
    }

    /// What was not walked through. Of a step that no call has come to, its ways out are not told again.
    pub fn missing(&self) -> Vec<Uncovered> {
        let mut missing = Vec::new();
        for (node, ways) in &self.all {
            if !self.came_to(node) {
                missing.push(Uncovered { step: node.to_string(), reason: None, to: None });
                continue;
            }
            let edges: Vec<&Edge> = self.graph.nodes[*node].ways().collect();
            for edge in ways.iter().filter(|at| !self.has(node, Some(**at))).filter_map(|at| edges.get(*at)) {
                let (reason, to) = (Some(edge.when.to_string()), Some(edge.to.to_string()));
                missing.push(Uncovered { step: node.to_string(), reason, to });
            }
        }
        missing
    }
}
