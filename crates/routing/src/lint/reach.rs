//! Objects that nothing leads to.

use std::collections::BTreeSet;
use std::sync::Arc;

use pbx_manifest::kinds::{
    Announcement, BlockFilter, Did, Extension, ExtensionGroup, Ivr, Mailbox, ParkingLot, Queue, RingTree, Schedule,
};
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
    let used = used(catalog, graph, &[]);
    let watched = WATCHED.into_iter().flat_map(|kind| catalog.names(kind).into_iter().map(move |name| (kind, name)));
    let mut unused: Vec<(Kind, &Name)> = watched
        .filter(|(kind, name)| catalog.enabled(*kind, name.as_str()) == Some(true) && !used.contains(&(*kind, *name)))
        .collect();
    if !unused.is_empty() {
        // What is turned off for a while still says what its objects are for.
        let (on, off) = turned_on(catalog);
        let graph = CallGraph::new(&on);
        let meant = self::used(&on, &graph, &off);
        unused.retain(|one| !meant.contains(one));
    }
    for (kind, name) in unused {
        found.push(
            Diagnostic::warning("unused", format!("nothing leads to {kind} `{name}`"))
                .at(ObjectRef::new(kind, name.clone()), "")
                .help(help(kind)),
        );
    }
}

fn help(kind: Kind) -> &'static str {
    match kind {
        Kind::Schedule | Kind::BlockFilter => "name it where calls come in, or remove it",
        Kind::Announcement => "play it somewhere, send calls to it, or remove it",
        _ => "send calls to it, give it a `number`, or remove it",
    }
}

/// A system in which everything that is turned off is on, and every telephone rings; and where calls would come to in it.
fn turned_on(catalog: &Catalog) -> (Catalog, Vec<Destination>) {
    let (mut on, mut off) = (catalog.clone(), Vec::new());
    macro_rules! turn_on {
        ($($field:ident $come_to:expr;)*) => {$(
            for (name, object) in on.$field.iter_mut().filter(|(_, object)| !object.spec.enabled) {
                let spec = &mut Arc::make_mut(object).spec;
                spec.enabled = true;
                off.extend($come_to(name.clone(), &*spec));
            }
        )*};
    }
    turn_on! {
        dids |_, _: &Did| None;
        extensions |_, _: &Extension| None;
        groups |name, _: &ExtensionGroup| Some(Destination::Group(name));
        trees |name, _: &RingTree| Some(Destination::Tree(name));
        queues |name, _: &Queue| Some(Destination::Queue(name));
        ivrs |name, _: &Ivr| Some(Destination::Ivr(name));
        announcements |name, _: &Announcement| Some(Destination::Announcement(name));
        schedules |name, _: &Schedule| Some(Destination::Schedule(name));
        parking |name, _: &ParkingLot| Some(Destination::Parking(name));
        mailboxes |_, mailbox: &Mailbox| mailbox.operator.clone();
        filters |_, filter: &BlockFilter| Some(filter.denied.clone());
    }
    for object in on.extensions.values_mut() {
        if object.spec.do_not_disturb || object.spec.call_forward.always.is_some() {
            let spec = &mut Arc::make_mut(object).spec;
            spec.do_not_disturb = false;
            spec.call_forward.always = None;
        }
    }
    (on, off)
}

/// What calls come to, and what is named on their way. They come from outside, from telephones, and to whatever else is given.
fn used<'g>(catalog: &'g Catalog, graph: &'g CallGraph, also: &'g [Destination]) -> BTreeSet<(Kind, &'g Name)> {
    let mut reach = Reach { catalog, graph, seen: BTreeSet::new(), next: Vec::new(), used: BTreeSet::new() };
    // Every telephone can be dialled, and so can every DID.
    let dialled = |id: &&NodeId| matches!(id, NodeId::Did(_) | NodeId::To(Destination::Extension(_)));
    reach.next.extend(graph.nodes.keys().filter(dialled));
    for dialled in graph.numbers.values() {
        match dialled {
            Dialled::Node(id) => reach.next.push(id),
            Dialled::Messages(name) => reach.uses(Kind::Mailbox, name),
            Dialled::Slot(_) | Dialled::Service(_) => {}
        }
    }
    for destination in also {
        reach.used.extend(destination.target());
        reach.next.extend(graph.nodes.get_key_value(&NodeId::To(destination.clone())).map(|(id, _)| id));
    }
    reach.walk();
    reach.used
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
