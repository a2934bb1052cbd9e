//! What is wrong with where calls go.

use std::collections::{BTreeSet, HashSet};

use pbx_manifest::{Catalog, Diagnostic, Kind};

use crate::{CallGraph, NodeId, Step};

/// Everything that is wrong in a whole system: between its objects, and with where calls go. An object that leads to itself is told
/// once.
pub fn check_system(catalog: &Catalog, graph: &CallGraph) -> Vec<Diagnostic> {
    let mut found = pbx_manifest::check(catalog);
    let circles = check(graph);
    let told: HashSet<_> = found.iter().filter(|one| one.code == "loop").map(|one| one.object.clone()).collect();
    found.extend(circles.into_iter().filter(|circle| !told.contains(&circle.object)));
    found
}

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
