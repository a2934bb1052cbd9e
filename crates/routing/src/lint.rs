//! What is allowed and probably not meant: circles, objects that nothing leads to, rules that an earlier one takes. Each in time that
//! grows with the system and no faster.

mod denied;
mod hours;
mod loops;
mod menus;
mod outbound;
mod people;
mod reach;
mod rules;
mod waiting;

use pbx_manifest::{Catalog, Diagnostic};

use crate::CallGraph;

pub(crate) use denied::denied;
pub use loops::circles;
pub(crate) use loops::loops;

/// Everything odd, circles aside.
pub(crate) fn all(catalog: &Catalog, graph: &CallGraph) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    hours::check(catalog, &mut found);
    people::check(catalog, graph, &mut found);
    rules::check(catalog, &mut found);
    menus::check(catalog, &mut found);
    waiting::check(catalog, graph, &mut found);
    outbound::check(catalog, graph, &mut found);
    reach::check(catalog, graph, &mut found);
    found
}
