//! Routes that never carry a call, and those that everybody may dial.

use pbx_manifest::{Catalog, Diagnostic, Kind, ObjectRef, PatternIndex, Place};

use crate::CallGraph;

/// Numbers for help are short: what is longer is an ordinary call.
const SHORT: usize = 6;

pub(super) fn check(catalog: &Catalog, graph: &CallGraph, found: &mut Vec<Diagnostic>) {
    let mut index = PatternIndex::default();
    let routes = &graph.outbound.routes;
    for (rank, (name, route)) in (0_u32..).zip(routes) {
        let object = || ObjectRef::new(Kind::OutboundRoute, name.clone());
        for (at, pattern) in route.patterns.iter().enumerate() {
            let path = format!("spec.patterns[{at}]");
            if let Some((earlier, _)) = index.first_cover(pattern).and_then(|rank| routes.get(rank as usize)) {
                let message = format!("route `{earlier}` comes first, and takes every number of `{pattern}`");
                found.push(Diagnostic::warning("unreachable", message).at(object(), path.clone()).help(format!(
                    "give `{name}` a lower `order` than {}, or remove the pattern",
                    catalog.routes.get(earlier).map_or(100, |route| route.spec.order)
                )));
            }
            let places = pattern.places();
            let open = places.last().is_some_and(|last| matches!(last, Place::OneOrMore | Place::NoneOrMore));
            if route.emergency && (open || places.len() > SHORT) {
                let message = format!("every telephone may dial `{pattern}`, for the route is an emergency's");
                found.push(
                    Diagnostic::warning("open-route", message)
                        .at(object(), path)
                        .labelled("premium and international numbers too, where they match")
                        .help("name the emergency numbers themselves, as in `patterns: [\"112\"]`; other numbers need a route of their own"),
                );
            }
        }
        // Of a route's own patterns none is told to be taken by another of it.
        for pattern in &route.patterns {
            index.insert(pattern, rank);
        }
        if route.carriers.is_empty() && catalog.routes.get(name).is_some_and(|route| !route.spec.carriers.is_empty()) {
            found.push(
                Diagnostic::warning(
                    "dead-end",
                    format!("route `{name}` carries nothing: all of its carriers are turned off"),
                )
                .at(object(), "spec.carriers")
                .help("turn one of them on, or the route off"),
            );
        }
    }
}
