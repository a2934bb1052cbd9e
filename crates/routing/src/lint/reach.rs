//! Objects that nothing leads to.

use std::collections::BTreeSet;

use pbx_manifest::kinds::{Did, Queue, RingTree};
use pbx_manifest::{Catalog, Destination, Diagnostic, Kind, Name, ObjectRef, Prompt};

use crate::{CallGraph, Dialled, Heard, NodeId, Step, When};

/// What is told when nothing leads to it: what has no other use than to be come to.
const WATCHED: [Kind; 8] = [
    Kind::Schedule,
    Kind::ExtensionGroup,
    Kind::BlockFilter,
    Kind::Ivr,
    Kind::RingTree,
    Kind::Queue,
    Kind::Mailbox,
    Kind::Announcement,
];

pub(super) fn check(catalog: &Catalog, graph: &CallGraph, found: &mut Vec<Diagnostic>) {
    let mut reach = Reach { catalog, graph, seen: BTreeSet::new(), next: Vec::new(), used: BTreeSet::new() };
    for id in graph.nodes.keys() {
        // Every telephone can be dialled, and so can every DID.
        if matches!(id, NodeId::Did(_) | NodeId::To(Destination::Extension(_))) {
            reach.next.push(id);
        }
    }
    for dialled in graph.numbers.values() {
        match dialled {
            Dialled::Node(id) => reach.next.push(id),
            Dialled::Messages(name) => reach.uses(Kind::Mailbox, name),
            Dialled::Slot(_) | Dialled::Service(_) => {}
        }
    }
    // A number that is turned off for a while still says what its objects are for.
    for did in catalog.dids.values().filter(|did| !did.spec.enabled) {
        reach.did(&did.spec);
    }
    reach.walk();
    let used = reach.used;
    for kind in WATCHED {
        for name in catalog.names(kind) {
            if catalog.enabled(kind, name.as_str()) == Some(true) && !used.contains(&(kind, name)) {
                found.push(
                    Diagnostic::warning("unused", format!("nothing leads to {kind} `{name}`"))
                        .at(ObjectRef::new(kind, name.clone()), "")
                        .help(help(kind)),
                );
            }
        }
    }
}

fn help(kind: Kind) -> &'static str {
    match kind {
        Kind::Schedule | Kind::BlockFilter => "name it where calls come in, or remove it",
        Kind::Announcement => "play it somewhere, send calls to it, or remove it",
        _ => "send calls to it, give it a `number`, or remove it",
    }
}

struct Reach<'g> {
    catalog: &'g Catalog,
    graph: &'g CallGraph,
    seen: BTreeSet<&'g NodeId>,
    next: Vec<&'g NodeId>,
    used: BTreeSet<(Kind, &'g Name)>,
}

impl<'g> Reach<'g> {
    fn uses(&mut self, kind: Kind, name: &'g Name) {
        self.used.insert((kind, name));
    }

    fn did(&mut self, did: &'g Did) {
        self.used.extend(did.schedule.iter().map(|name| (Kind::Schedule, name)));
        self.used.extend(did.block_filter.iter().map(|name| (Kind::BlockFilter, name)));
        let callers = did.callers.iter().map(|rule| &rule.destination);
        let filter = did.block_filter.as_ref().and_then(|name| Some(&self.catalog.filters.get(name)?.spec.denied));
        for destination in callers.chain([&did.destination]).chain(&did.after_hours).chain(filter) {
            self.used.extend(destination.target());
            if let Some((id, _)) = self.graph.nodes.get_key_value(&NodeId::To(destination.clone())) {
                self.next.push(id);
            }
        }
    }

    fn hears(&mut self, heard: Option<&'g Heard>) {
        if let Some(heard) = heard {
            self.plays(&heard.prompt);
        }
    }

    fn plays(&mut self, prompt: &'g Prompt) {
        self.used.extend(prompt.target());
    }

    fn walk(&mut self) {
        let (graph, catalog) = (self.graph, self.catalog);
        while let Some(id) = self.next.pop() {
            let Some((id, node)) = graph.nodes.get_key_value(id) else { continue };
            if !self.seen.insert(id) {
                continue;
            }
            match id {
                NodeId::To(destination) => self.used.extend(destination.target()),
                NodeId::Menu(menu, _) => self.uses(Kind::Ivr, menu),
                NodeId::Branch(tree, _) => self.uses(Kind::RingTree, tree),
                NodeId::Did(_) => {}
            }
            if let NodeId::To(Destination::Tree(name)) = id
                && let Some(tree) = catalog.trees.get(name)
            {
                self.tree(&tree.spec);
            }
            match &node.step {
                Step::Queue { queue, .. } => {
                    self.uses(Kind::Queue, queue);
                    if let Some(object) = catalog.queues.get(queue) {
                        self.queue(&object.spec);
                    }
                }
                Step::Play { what } => self.hears(what.as_ref()),
                Step::Menu { prompt, invalid, silence, .. } => {
                    for heard in [prompt, invalid, silence] {
                        self.hears(heard.as_ref());
                    }
                }
                Step::Collect { prompt, invalid, .. } => {
                    for heard in [prompt, invalid] {
                        self.hears(heard.as_ref());
                    }
                }
                _ => {}
            }
            for edge in node.ways() {
                match &edge.when {
                    When::Denied(filter) => self.uses(Kind::BlockFilter, filter),
                    When::Closed(schedule) => self.uses(Kind::Schedule, schedule),
                    _ => {}
                }
                self.next.push(&edge.to);
            }
        }
    }

    /// What is said to those who wait.
    fn queue(&mut self, queue: &'g Queue) {
        let announce = &queue.announce;
        for prompt in announce.comfort.iter().map(|comfort| &comfort.play).chain(&announce.member) {
            self.plays(prompt);
        }
    }

    /// What rings at a tree's levels: of groups, their members alone are in the graph.
    fn tree(&mut self, tree: &'g RingTree) {
        let seconds: Vec<_> = tree.branches().map(|(_, second)| second).collect();
        let thirds = seconds.iter().flat_map(|second| second.branches()).map(|(_, third)| &third.ring);
        let rings: Vec<&Vec<Destination>> =
            std::iter::once(&tree.ring).chain(seconds.iter().map(|second| &second.ring)).chain(thirds).collect();
        for destination in rings.into_iter().flatten() {
            self.used.extend(destination.target());
        }
    }
}
