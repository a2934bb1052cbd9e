//! Calls that go out: classes of telephones, routes in order, carriers that are tried.

use std::collections::{BTreeMap, BTreeSet};

use pbx_manifest::kinds::OutboundRoute;
use pbx_manifest::{Catalog, Name, PatternIndex};

/// One carrier that is tried for a number outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Try {
    /// The route that sends it there.
    pub route: Name,
    /// The carrier.
    pub carrier: Name,
    /// The number as the carrier gets it.
    pub number: String,
    /// Whether it is an emergency call.
    pub emergency: bool,
}

/// Telephones that may dial the same: a class of service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// Its name, made of its permissions, so that adding a class changes no other.
    pub name: String,
    /// The routes it may use, in the order in which they are tried.
    pub routes: Vec<Name>,
}

/// What telephones can dial outside.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outbound {
    /// The routes that are turned on, in the order in which they are tried.
    pub routes: Vec<(Name, OutboundRoute)>,
    /// The classes of service, by name.
    pub classes: BTreeMap<String, Class>,
    /// The routes' patterns, by where in `routes` theirs is.
    patterns: PatternIndex,
}

/// The name of the class with these permissions: `internal`, or the permissions joined by what no name has; long ones end in a hash.
pub(crate) fn class_name(permissions: &BTreeSet<&str>) -> String {
    if permissions.is_empty() {
        return "internal".to_owned();
    }
    let joined = permissions.iter().copied().collect::<Vec<_>>().join("_");
    // A context's name has at most 79 bytes in Asterisk, longer ones are cut and may meet.
    if joined.len() <= 48 {
        return joined;
    }
    // FNV-1a: stable between builds, which `std`'s hasher does not promise.
    let hash = joined
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    format!("{}-{hash:016x}", &joined[..30])
}

impl Outbound {
    pub(crate) fn new(catalog: &Catalog) -> Self {
        let mut routes: Vec<(Name, OutboundRoute)> = catalog
            .routes
            .iter()
            .filter(|(_, route)| route.spec.enabled)
            .map(|(name, object)| {
                let mut route = object.spec.clone();
                // A carrier that is turned off takes no calls.
                route
                    .carriers
                    .retain(|carrier| catalog.carriers.get(carrier).is_some_and(|carrier| carrier.spec.enabled));
                (name.clone(), route)
            })
            .collect();
        // Emergency first: no other route may take such a number.
        routes.sort_by_key(|(name, route)| (!route.emergency, route.order, name.clone()));
        let mut patterns = PatternIndex::default();
        for (rank, (_, route)) in (0..).zip(&routes) {
            for pattern in &route.patterns {
                patterns.insert(pattern, rank);
            }
        }
        Self { routes, classes: BTreeMap::new(), patterns }
    }

    /// Finds or makes the class of telephones with these permissions.
    pub(crate) fn class(&mut self, permissions: &BTreeSet<&str>) -> String {
        let name = class_name(permissions);
        if !self.classes.contains_key(&name) {
            let routes = self
                .routes
                .iter()
                .filter(|(_, route)| route.emergency || permissions.contains(route.permission.as_str()))
                .map(|(name, _)| name.clone())
                .collect();
            self.classes.insert(name.clone(), Class { name: name.clone(), routes });
        }
        name
    }

    /// The route that takes a number, whoever may dial it.
    pub fn route_of(&self, number: &str) -> Option<&(Name, OutboundRoute)> {
        self.patterns.first_match(number).and_then(|at| self.routes.get(at as usize))
    }

    /// The carriers that are tried for a number that a manifest names; permissions do not matter.
    pub fn tries(&self, number: &str) -> Vec<Try> {
        let Some((name, route)) = self.route_of(number) else {
            return Vec::new();
        };
        let rest = number.get(route.strip as usize..).unwrap_or_default();
        route
            .carriers
            .iter()
            .map(|carrier| Try {
                route: name.clone(),
                carrier: carrier.clone(),
                number: format!("{}{rest}", route.prepend),
                emergency: route.emergency,
            })
            .collect()
    }
}
