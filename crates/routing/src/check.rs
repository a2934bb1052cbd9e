//! What is wrong with where calls go.

use std::collections::HashSet;

use pbx_manifest::{Catalog, Diagnostic};

use crate::{CallGraph, lint};

/// Everything that is wrong in a whole system: between its objects, and with where calls go. An object that leads to itself is told
/// once. What is merely odd is looked for where nothing is wrong: a reference to nothing makes half a system look unreachable.
pub fn check_system(catalog: &Catalog, graph: &CallGraph) -> Vec<Diagnostic> {
    let mut found = pbx_manifest::check(catalog);
    let told: HashSet<_> = found.iter().filter(|one| one.code == "loop").map(|one| one.object.clone()).collect();
    let ways = check(catalog, graph).into_iter();
    found.extend(ways.filter(|way| way.code != "loop" || !told.contains(&way.object)));
    if !found.iter().any(Diagnostic::is_error) {
        let odd = lint::all(catalog, graph);
        // What a kind says of its own field is not said again.
        let told: HashSet<_> = found.iter().map(|one| (one.object.clone(), one.path.clone())).collect();
        found.extend(odd.into_iter().filter(|one| !told.contains(&(one.object.clone(), one.path.clone()))));
    }
    found
}

/// Circles that a call would run through without end, and denied callers who get to somebody all the same.
pub fn check(catalog: &Catalog, graph: &CallGraph) -> Vec<Diagnostic> {
    let mut found = lint::loops(catalog, graph);
    found.extend(lint::denied(catalog, graph));
    found
}
