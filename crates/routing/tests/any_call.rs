//! Calls through offices that nobody would think of: every one comes to an end, by steps and ways that there are.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "../../manifest/tests/manifest/office.rs"]
mod office;

use pbx_manifest::{CallFrom, Catalog, Given, Name, TestCall};
use pbx_routing::draw::Picture;
use pbx_routing::trace::{Call, Coverage, End, Tracer};
use pbx_routing::{CallGraph, NodeId};
use proptest::prelude::*;

use office::Dice;

fn any_office(seed: u64, size: usize) -> Catalog {
    let mut catalog = Catalog::default();
    for document in office::documents(office::text(&office::manifests(seed, size))) {
        catalog.insert(document.object.name, document.meta.labels, document.spec);
    }
    catalog
}

/// A world in which anybody may be away.
fn any_world(dice: &mut Dice, catalog: &Catalog) -> Given {
    let mut some =
        |names: Vec<&Name>| -> Vec<Name> { names.into_iter().filter(|_| dice.once_in(3)).cloned().collect() };
    let extensions = || catalog.extensions.keys().collect::<Vec<_>>();
    let (busy, no_answer, unregistered) = (some(extensions()), some(extensions()), some(extensions()));
    let (do_not_disturb, logged_in, paused) = (some(extensions()), some(extensions()), some(extensions()));
    let (full, refuses) = (some(catalog.queues.keys().collect()), some(catalog.carriers.keys().collect()));
    let keys = ["", "1", "2", "9", "*", "#", "0", "123456", "1001", "12#"];
    let press = (0..dice.below(6)).map(|_| dice.of(&keys).parse().unwrap()).collect();
    Given { busy, no_answer, unregistered, do_not_disturb, press, logged_in, paused, full, refuses, ..Given::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_call_comes_to_an_end(seed: u64, size in 1_usize..60) {
        let catalog = any_office(seed, size);
        let graph = CallGraph::new(&catalog);
        let tracer = Tracer::new(&catalog, &graph);
        let mut coverage = Coverage::new(&catalog, &graph);
        let mut dice = Dice::new(seed);
        let dids = catalog.dids.keys().map(|name| (name.to_string(), None));
        let from = catalog.extensions.keys().next().cloned().map(CallFrom::Extension);
        let dialled = graph.numbers.keys().cloned().chain(["112".into(), "0044123".into(), "912345678".into()]);
        let inside = dialled.filter_map(|number| Some((number, Some(from.clone()?))));
        for (to, from) in dids.chain(inside) {
            let given = any_world(&mut dice, &catalog);
            let call = TestCall { to: to.parse().unwrap(), from, at: None, carrier: None };
            let at = jiff::Timestamp::from_second(1_700_000_000 + i64::try_from(dice.below(100_000_000)).unwrap()).unwrap();
            let call = Call::new(&catalog, &call, Some(at));
            let trace = tracer.trace(&call, &given);
            prop_assert!(trace.timeless.is_none() && !trace.steps.is_empty());
            for walked in &trace.walked {
                let node = graph.node(walked.node);
                prop_assert!(node.is_some());
                prop_assert!(walked.way.is_none_or(|at| node.unwrap().ways().nth(at).is_some()), "{walked:?}");
            }
            // What was decided was decided by something that is there.
            for field in trace.steps.iter().filter_map(|step| step.decided.as_ref()) {
                prop_assert!(catalog.contains(field.object.kind, field.object.name.as_str()), "{field}");
            }
            let last = trace.steps.last().unwrap();
            if let End::Voicemail(_) | End::Conference(_) | End::Parked(_) | End::Hangup(_) | End::Unknown | End::Forbidden = trace.end {
                prop_assert_eq!(&last.label, &trace.end.to_string());
            }
            // The same call goes the same way.
            prop_assert_eq!(&tracer.trace(&call, &given), &trace);
            coverage.add(&trace);
        }
        let (walked, all) = coverage.counts();
        prop_assert!(walked <= all);
        prop_assert_eq!(coverage.missing().is_empty(), walked == all);
    }

    #[test]
    fn every_picture_shows_every_step_once(seed: u64, size in 1_usize..60) {
        let catalog = any_office(seed, size);
        let graph = CallGraph::new(&catalog);
        let roots: Vec<NodeId> = graph.nodes.keys().cloned().collect();
        let picture = Picture::new(&catalog, &graph, &roots);
        prop_assert_eq!(picture.steps.len(), graph.nodes.len());
        for (boxes, plain) in picture.tree(true).iter().zip(picture.tree(false)) {
            prop_assert_eq!(&boxes.label, &plain.label);
            prop_assert!(plain.branch.is_ascii());
        }
        let drawn = picture.tree(true);
        for step in &picture.steps {
            let whole = drawn.iter().filter(|line| line.label == step.label && line.note != "(above)").count();
            prop_assert!(whole >= 1, "{}", step.label);
        }
        let arrows = picture.arrows.len();
        prop_assert_eq!(picture.mermaid().matches(" -->").count(), arrows);
        prop_assert_eq!(picture.dot().lines().filter(|line| line.contains(" -> ") && !line.contains("shape=")).count(), arrows);
        prop_assert_eq!(picture.svg().matches("marker-end").count(), arrows);
    }
}
