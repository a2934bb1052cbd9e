//! The call graph of offices that nobody would think of.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "../../manifest/tests/manifest/office.rs"]
mod office;

use std::collections::{BTreeMap, BTreeSet};

use pbx_manifest::{AnySpec, Catalog, Destination, Diagnostic, Hangup, Kind, Name};
use pbx_routing::{CallGraph, Dialled, NodeId, Step, When, check};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

fn catalog(manifests: &[(&str, &str, Json)]) -> Catalog {
    let mut catalog = Catalog::default();
    for (kind, name, spec) in manifests {
        let kind: Kind = kind.parse().unwrap();
        catalog.insert(name.parse().unwrap(), BTreeMap::new(), AnySpec::from_json(kind, spec).unwrap());
    }
    catalog
}

fn any_office(seed: u64, size: usize) -> Catalog {
    let mut catalog = Catalog::default();
    for document in office::documents(office::text(&office::manifests(seed, size))) {
        catalog.insert(document.object.name, document.meta.labels, document.spec);
    }
    catalog
}

fn to(destination: &str) -> NodeId {
    NodeId::To(destination.parse().unwrap())
}

const NOBODY: NodeId = NodeId::To(Destination::Hangup(Hangup::Congestion));

#[test]
fn what_is_turned_off_is_nowhere() {
    let graph = CallGraph::new(&catalog(&[
        ("extension", "1", json!({ "enabled": false, "voicemail": { "enabled": true } })),
        ("extension", "2", json!({ "callForward": { "busy": "extension/1", "noAnswer": "voicemail/1" } })),
        ("group", "g", json!({ "members": ["1"], "failover": "extension/1" })),
        ("group", "off", json!({ "enabled": false, "members": ["2"], "failover": "extension/2" })),
        ("did", "+351", json!({ "enabled": false, "destination": "extension/2" })),
        ("schedule", "s", json!({ "enabled": false, "open": [] })),
        ("did", "+352", json!({ "destination": "extension/2", "schedule": "s", "afterHours": "hangup" })),
    ]));
    // The number of an extension stays its own, and with the telephone its box is gone.
    assert_eq!(graph.nodes[&to("extension/1")].step, Step::Unknown);
    assert!(graph.node(&NodeId::Did("+351".parse().unwrap())).is_none() && graph.node(&to("voicemail/1")).is_none());
    let exits: Vec<_> = graph.nodes[&to("extension/2")].edges.iter().map(|edge| edge.to.clone()).collect();
    assert_eq!(exits, [to("extension/1"), to("extension/1"), NOBODY]);
    // A group of nobody rings nothing.
    let group = &graph.nodes[&to("group/g")];
    assert_eq!((&group.step, &group.edges[0].to), (&Step::Pass, &to("extension/1")));
    assert_eq!(graph.nodes[&to("group/off")].edges[0].to, to("extension/2"));
    // A schedule that is turned off is always open.
    let edges = &graph.nodes[&NodeId::Did("+352".parse().unwrap())].edges;
    assert_eq!(edges.iter().map(|edge| edge.when.clone()).collect::<Vec<_>>(), [When::Otherwise]);
}

#[test]
fn a_telephone_that_is_not_to_be_disturbed_sends_callers_where_busy_ones_go() {
    let graph = CallGraph::new(&catalog(&[
        (
            "extension",
            "1",
            json!({ "doNotDisturb": true, "callForward": { "busy": "extension/2", "noAnswer": "hangup" } }),
        ),
        ("extension", "2", json!({ "doNotDisturb": true })),
        ("extension", "3", json!({ "doNotDisturb": true, "callForward": { "always": "extension/1" } })),
        ("group", "g", json!({ "members": ["1", "2", "4", "5"] })),
        ("extension", "4", json!({})),
        // Nor does one ring in a group that forwards every call.
        ("extension", "5", json!({ "callForward": { "always": "extension/4" } })),
    ]));
    for (name, leads) in [("1", "extension/2"), ("2", "hangup/busy"), ("3", "extension/1")] {
        let node = &graph.nodes[&to(&format!("extension/{name}"))];
        assert_eq!((&node.step, &node.edges[0].to), (&Step::Pass, &to(leads)), "{name}");
    }
    let Step::RingMembers { members, .. } = &graph.nodes[&to("group/g")].step else { panic!("it rings") };
    assert_eq!(members.iter().map(Name::as_str).collect::<Vec<_>>(), ["4"]);
}

#[test]
fn routes_are_tried_in_their_order_and_emergency_first() {
    let route = |order: u32, patterns: Json, more: Json| {
        let mut spec = json!({ "order": order, "patterns": patterns, "carriers": ["off", "a", "b"] });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    let graph = CallGraph::new(&catalog(&[
        ("carrier", "a", json!({ "hosts": ["10.0.0.1"] })),
        ("carrier", "b", json!({ "hosts": ["10.0.0.2"] })),
        ("carrier", "off", json!({ "enabled": false, "hosts": ["10.0.0.3"] })),
        ("route", "z-first", route(5, json!(["_00X."]), json!({ "strip": 2, "prepend": "+" }))),
        ("route", "all", route(9, json!(["_X."]), json!({}))),
        ("route", "off", route(1, json!(["_X."]), json!({ "enabled": false }))),
        ("route", "help", route(99, json!(["112"]), json!({ "emergency": true }))),
        ("extension", "1", json!({})),
        ("extension", "2", json!({ "permissions": ["national", "internal"] })),
    ]));
    let order: Vec<&str> = graph.outbound.routes.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(order, ["help", "z-first", "all"]);
    let sent = |number: &str| -> Vec<(String, String)> {
        graph.outbound.tries(number).into_iter().map(|next| (next.carrier.to_string(), next.number)).collect()
    };
    assert_eq!(sent("0044"), [("a".into(), "+44".into()), ("b".into(), "+44".into())]);
    assert_eq!(sent("112")[0].1, "112");
    assert!(sent("+44").is_empty());
    let routes = |class: &str| graph.outbound.classes[class].routes.iter().map(Name::as_str).collect::<Vec<_>>();
    assert_eq!(routes("internal"), ["help"]);
    assert_eq!(routes("national"), ["help", "z-first", "all"]);
}

#[test]
fn circles_are_found_and_nothing_else() {
    let forwards = |pairs: &[(&str, &str)]| {
        let manifests: Vec<_> = pairs
            .iter()
            .map(|(name, leads)| ("extension", *name, json!({ "callForward": { "always": leads } })))
            .collect();
        let catalog = catalog(&manifests);
        check(&catalog, &CallGraph::new(&catalog)).into_iter().map(|found| found.message).collect::<Vec<_>>()
    };
    assert!(forwards(&[("1", "extension/2"), ("2", "extension/3"), ("3", "hangup")]).is_empty());
    let found = forwards(&[("0", "extension/1"), ("1", "extension/2"), ("2", "extension/3"), ("3", "extension/1")]);
    assert_eq!(found, ["calls would go round without end: extension/1 → extension/2 → extension/3 → extension/1"]);
    // Two circles are two findings, and one that rings on the way is a warning: nobody may be there.
    assert_eq!(forwards(&[("1", "extension/2"), ("2", "extension/1"), ("3", "extension/3")]).len(), 2);
    let rings = catalog(&[
        ("extension", "1", json!({ "callForward": { "always": "group/g" } })),
        ("extension", "2", json!({})),
        ("group", "g", json!({ "members": ["2"], "failover": "extension/1" })),
        ("group", "off", json!({ "enabled": false, "members": ["2"], "failover": "group/empty" })),
        ("group", "empty", json!({ "members": [], "failover": "group/off" })),
    ]);
    let found = check(&rings, &CallGraph::new(&rings));
    let at = |one: &Diagnostic| format!("{} {} {}", one.is_error(), one.object.as_ref().unwrap(), one.path);
    assert_eq!(
        found.iter().map(at).collect::<Vec<_>>(),
        ["true group/empty spec.failover", "false extension/1 spec.callForward.always"]
    );
}

#[test]
fn a_long_chain_of_forwards_is_followed_once() {
    let manifests: Vec<(String, Json)> = (0..30_000)
        .map(|at| {
            (format!("{at:06}"), json!({ "callForward": { "always": format!("extension/{:06}", (at + 1) % 30_000) } }))
        })
        .collect();
    let manifests: Vec<_> = manifests.iter().map(|(name, spec)| ("extension", name.as_str(), spec.clone())).collect();
    let catalog = catalog(&manifests);
    let graph = CallGraph::new(&catalog);
    // By the square of its length this would take minutes.
    assert_eq!(check(&catalog, &graph).len(), 1);
}

/// Circles of steps that ring nothing, found by walking as many steps as there are from every one.
fn circles(graph: &CallGraph) -> BTreeSet<BTreeSet<NodeId>> {
    let next = |id: &NodeId| {
        graph
            .node(id)
            .filter(|node| node.step == Step::Pass)
            .and_then(|node| node.edges.first())
            .map(|edge| edge.to.clone())
    };
    let mut found = BTreeSet::new();
    for start in graph.nodes.keys() {
        let mut at = start.clone();
        let endless = (0..=graph.nodes.len()).all(|_| next(&at).map(|to| at = to).is_some());
        if endless {
            let mut circle = BTreeSet::new();
            while circle.insert(at.clone()) {
                at = next(&at).unwrap();
            }
            found.insert(circle);
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_edge_leads_to_a_step(seed: u64, size in 1usize..25) {
        let catalog = any_office(seed, size);
        let graph = CallGraph::new(&catalog);
        for (id, node) in &graph.nodes {
            for edge in node.ways() {
                prop_assert!(graph.node(&edge.to).is_some(), "{} leads to {}, which is nowhere", id, edge.to);
            }
            // Every step but the last ones has a way out in every case.
            let last = matches!(
                node.step,
                Step::Hangup | Step::Voicemail { .. } | Step::Unknown | Step::Conference { .. } | Step::Park | Step::Queue { .. }
            );
            let always = node.edges.last().is_some_and(|edge| {
                matches!(edge.when, When::Otherwise | When::Unavailable) || matches!(node.step, Step::Menu { .. })
            });
            prop_assert!(last || always, "{} has no way out", id);
            if let Step::RingMembers { members, .. } = &node.step {
                prop_assert!(!members.is_empty());
                prop_assert!(members.iter().all(|member| catalog.extensions[member].spec.enabled));
            }
        }
        for dialled in graph.numbers.values() {
            if let Dialled::Node(id) = dialled {
                prop_assert!(graph.node(id).is_some());
            }
        }
        for (name, object) in &catalog.extensions {
            let node = graph.node(&to(&format!("extension/{name}")));
            prop_assert_eq!(node.map(|node| node.step != Step::Unknown), Some(object.spec.enabled));
        }
        for class in graph.outbound.classes.values() {
            prop_assert!(class.routes.iter().all(|route| graph.outbound.routes.iter().any(|(name, _)| name == route)));
        }
    }

    #[test]
    fn circles_are_those_of_a_walk(seed: u64, size in 2usize..12) {
        // Telephones that forward anywhere: circles are likely.
        let mut dice = office::Dice::new(seed);
        let manifests: Vec<(String, Json)> = (0..size)
            .map(|at| {
                let spec = match dice.below(4) {
                    0 => json!({}),
                    _ => json!({ "callForward": { "always": format!("extension/{}", dice.below(size)) } }),
                };
                (at.to_string(), spec)
            })
            .collect();
        let manifests: Vec<_> = manifests.iter().map(|(name, spec)| ("extension", name.as_str(), spec.clone())).collect();
        let catalog = catalog(&manifests);
        let graph = CallGraph::new(&catalog);
        let found: BTreeSet<BTreeSet<NodeId>> = check(&catalog, &graph)
            .iter()
            .map(|found| {
                let (_, circle) = found.message.split_once("end: ").unwrap();
                circle.split(" → ").map(to).collect()
            })
            .collect();
        prop_assert_eq!(found.len(), check(&catalog, &graph).len());
        prop_assert_eq!(found, circles(&graph));
    }

    #[test]
    fn classes_have_a_name_for_each_set_of_permissions(sets in prop::collection::btree_set(prop::collection::btree_set("[a-c](-?[a-c]){0,30}", 0..5), 2..20)) {
        let manifests: Vec<(String, Json)> = sets.iter().enumerate().map(|(at, set)| (at.to_string(), json!({ "permissions": set }))).collect();
        let manifests: Vec<_> = manifests.iter().map(|(name, spec)| ("extension", name.as_str(), spec.clone())).collect();
        let graph = CallGraph::new(&catalog(&manifests));
        prop_assert_eq!(graph.outbound.classes.len(), sets.len());
        // With the longest prefix of a context they stay below the 79 bytes at which Asterisk cuts.
        prop_assert!(graph.outbound.classes.keys().all(|name| name.len() <= 79 - "pbx-class-".len()));
    }
}
