//! Cases of menus that no value comes to.

use std::collections::{BTreeMap, BTreeSet};

use pbx_manifest::kinds::{Case, Collect, Ivr, IvrNode, Next, Variable};
use pbx_manifest::{Caller, Catalog, Diagnostic, Kind, Name, ObjectRef, Place};

use super::rules::{pattern, taken, told};

pub(super) fn check(catalog: &Catalog, found: &mut Vec<Diagnostic>) {
    let set_by = set_by(catalog);
    for (name, object) in &catalog.ivrs {
        for (node, IvrNode { route, cases, .. }) in &object.spec.nodes {
            let Some(variable) = route else { continue };
            let menu = || ObjectRef::new(Kind::Ivr, name.clone());
            let path = |case: usize| format!("spec.nodes.{node}.cases[{case}].match");
            let mut late = BTreeSet::new();
            taken(cases.iter().map(|case| &case.matches), |case, earlier| {
                late.insert(case);
                told(menu(), path(case), &cases[case].matches, &cases[earlier].matches, found);
            });
            let setters = set_by.get(variable).map_or(&[][..], Vec::as_slice);
            for (case, Case { matches, .. }) in cases.iter().enumerate().filter(|(case, _)| !late.contains(case)) {
                if let Some(why) = never(&object.spec, node, variable, setters, matches) {
                    found.push(
                        Diagnostic::warning("unreachable", format!("`{matches}` never matches: {why}"))
                            .at(menu(), path(case))
                            .help("remove it, or write what the variable may be"),
                    );
                }
            }
        }
    }
}

/// The nodes that set each variable, in whichever menu: what one sets holds for the rest of the call.
fn set_by(catalog: &Catalog) -> BTreeMap<&Variable, Vec<&IvrNode>> {
    let mut all: BTreeMap<&Variable, Vec<&IvrNode>> = BTreeMap::new();
    for node in catalog.ivrs.values().flat_map(|object| object.spec.nodes.values()) {
        let collected = node.collect.iter().map(|collect| &collect.into);
        for variable in collected.chain(node.set.iter().flat_map(|set| set.variables.keys())) {
            all.entry(variable).or_default().push(node);
        }
    }
    all
}

/// Why a case of a node can never be: of digits that are there, none is anonymous; and of what one node alone collects, it is known how
/// many digits it has.
fn never(menu: &Ivr, node: &Name, variable: &Variable, setters: &[&IvrNode], case: &Caller) -> Option<String> {
    if setters.is_empty() {
        // Who calls is set by nobody; that nobody sets another one is told by the kind.
        return None;
    }
    let Some(pattern) = pattern(case) else {
        let emptied = |setter: &&IvrNode| {
            setter.set.as_ref().and_then(|set| set.variables.get(variable)).is_some_and(|set| set.as_str().is_empty())
        };
        let always = !setters.iter().any(emptied) && !may_be_unset(menu, node, variable);
        return always.then(|| format!("`{variable}` always has digits"));
    };
    let [IvrNode { collect: Some(collect), .. }] = setters else { return None };
    let (least, most) = (collect.fewest() as usize, collect.digits as usize);
    let places = pattern.places();
    let closed = places.iter().filter(|place| matches!(place, Place::One(_))).count();
    let open = places.last().filter(|last| !matches!(last, Place::One(_)));
    let shortest = closed + usize::from(matches!(open, Some(Place::OneOrMore)));
    (shortest > most || (open.is_none() && closed < least)).then(|| has_digits(collect))
}

/// How many digits are collected, in words.
fn has_digits(collect: &Collect) -> String {
    let (least, most, into) = (collect.fewest(), collect.digits, &collect.into);
    let digits = if most == 1 { "digit" } else { "digits" };
    if least == most {
        format!("`{into}` has {most} {digits}")
    } else {
        format!("`{into}` has {least} to {most} {digits}")
    }
}

/// Whether a call may come to a node of a menu on a way on which no node has set a variable.
fn may_be_unset(menu: &Ivr, node: &Name, variable: &Variable) -> bool {
    let (mut seen, mut next) = (BTreeSet::new(), vec![&menu.start]);
    while let Some(at) = next.pop() {
        if at == node {
            return true;
        }
        let Some(spec) = menu.nodes.get(at).filter(|_| seen.insert(at)) else { continue };
        let collects = spec.collect.as_ref().is_some_and(|collect| collect.into == *variable);
        let sets = spec.set.as_ref().is_some_and(|set| set.variables.contains_key(variable));
        // Who gives too few digits goes on without them.
        let ways = spec.ways().into_iter().filter(|(field, _)| !(sets || collects && field == "next"));
        next.extend(ways.filter_map(|(_, way)| if let Next::Node(name) = way { Some(name) } else { None }));
    }
    false
}
