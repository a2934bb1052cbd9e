//! What is wrong with where calls go.

use std::collections::BTreeSet;

use pbx_manifest::{Diagnostic, Kind};

use crate::{CallGraph, NodeId, Step};

/// Circles that a call would run through without end: forwards that lead back to where they began, ringing nothing.
pub fn check(graph: &CallGraph) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut done: BTreeSet<&NodeId> = BTreeSet::new();
    for start in graph.nodes.keys() {
        let mut path: Vec<&NodeId> = Vec::new();
        let mut at = start;
        while let Some(node) = graph.nodes.get(at)
            && node.step == Step::Pass
            && let Some(edge) = node.edges.first()
        {
            if !done.insert(at) {
                // Seen on this very path, it is a circle; on an earlier one, it has been told.
                if let Some(first) = path.iter().position(|seen| *seen == at)
                    && let Some(object) = at.object()
                {
                    let circle: Vec<String> = path[first..].iter().chain([&at]).map(ToString::to_string).collect();
                    let path = if object.kind == Kind::Extension { "spec.callForward" } else { "spec.failover" };
                    found.push(
                        Diagnostic::error("loop", format!("calls would go round without end: {}", circle.join(" → ")))
                            .at(object, path)
                            .help("let one of them lead elsewhere"),
                    );
                }
                break;
            }
            path.push(at);
            at = &edge.to;
        }
    }
    found
}
