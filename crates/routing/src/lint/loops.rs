//! Circles.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use pbx_manifest::{Catalog, Diagnostic};

use crate::{CallGraph, Edge, Node, NodeId, Step, When};

/// Whether a call goes on from a step by itself, waiting for nobody.
fn is_instant(step: &Step) -> bool {
    matches!(step, Step::Pass | Step::Set { .. } | Step::Route { .. } | Step::Play { .. } | Step::Inbound { .. })
}

/// Some of the ways out of a step.
type Ways<'g, 'w> = &'w dyn Fn(&'g Node) -> Vec<&'g Edge>;

/// The ways by which a call leaves a step while its caller does nothing.
fn silent_ways(node: &Node) -> impl Iterator<Item = &Edge> {
    let instant = is_instant(&node.step);
    let asks = matches!(node.step, Step::Menu { .. } | Step::Collect { .. });
    node.edges.iter().filter(move |edge| instant || (asks && edge.when == When::TimedOut))
}

/// The ways by which a call leaves a step at once when nobody is there or free to take it. Ringing and waiting take time, and what
/// follows them is meant: two telephones may well ring in turn.
fn swift_ways<'g>(catalog: &Catalog, node: &'g Node) -> impl Iterator<Item = &'g Edge> {
    let instant = is_instant(&node.step);
    let empties = match &node.step {
        Step::Queue { queue, .. } => catalog.queues.get(queue).is_some_and(|object| object.spec.can_be_empty()),
        _ => true,
    };
    node.edges.iter().filter(move |edge| match (&node.step, &edge.when) {
        (Step::Ring { .. } | Step::RingTogether { .. }, When::Busy | When::Unavailable | When::Otherwise)
        | (Step::RingMembers { .. }, When::Otherwise)
        | (Step::Queue { .. }, When::Busy | When::Full) => true,
        // What else ends the waiting at a tree's level is that nobody is there.
        (Step::Queue { .. }, When::Empty | When::Otherwise) => empties,
        _ => instant,
    })
}

/// Circles that a call would run through without end: an error where no step on the way waits for anybody, a warning where only a
/// caller who presses nothing, or for whom some rules hold, or whom nobody is free to take, goes round.
pub(crate) fn loops<'g>(catalog: &Catalog, graph: &'g CallGraph) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let silent: Ways<'g, '_> = &|node| silent_ways(node).collect();
    let swift: Ways<'g, '_> = &|node| swift_ways(catalog, node).collect();
    let mut told: BTreeSet<&NodeId> = BTreeSet::new();
    for circle in endless(graph) {
        let error = Diagnostic::error("loop", format!("calls would go round without end: {}", words(&circle)));
        found.extend(tell(catalog, graph, &circle, silent, error));
        told.extend(circle);
    }
    for (who, ways) in [
        ("a caller who presses nothing would go round without end", silent),
        ("calls would go round without end while nobody is free to take them", swift),
    ] {
        for component in components(graph, ways) {
            if component.iter().any(|id| told.contains(id)) {
                continue;
            }
            let circle = circle(graph, &component, ways);
            let waits = circle.iter().any(|id| graph.nodes.get(*id).is_some_and(|node| !is_instant(&node.step)));
            let who = if waits { who } else { "calls may go round without end" };
            let warning = Diagnostic::warning("loop", format!("{who}: {}", words(&circle)));
            found.extend(tell(catalog, graph, &circle, ways, warning));
            told.extend(circle);
        }
    }
    found
}

/// Circles of steps that wait for nobody, each left by the way that a call takes when nothing else holds.
fn endless(graph: &CallGraph) -> Vec<Vec<&NodeId>> {
    let mut found = Vec::new();
    let mut done: BTreeSet<&NodeId> = BTreeSet::new();
    for start in graph.nodes.keys() {
        let mut path: Vec<&NodeId> = Vec::new();
        // Where each step stands on this path: a chain of thirty thousand is walked once.
        let mut places: HashMap<&NodeId, usize> = HashMap::new();
        let mut at = start;
        while let Some((id, node)) = graph.nodes.get_key_value(at)
            && is_instant(&node.step)
            && let Some(edge) = node.edges.iter().find(|edge| edge.when == When::Otherwise)
        {
            if !done.insert(id) {
                // Seen on this very path, it is a circle; on an earlier one, it has been found.
                found.extend(places.get(id).map(|first| path[*first..].to_vec()));
                break;
            }
            places.insert(id, path.len());
            path.push(id);
            at = &edge.to;
        }
    }
    found
}

/// A circle in words.
fn words(circle: &[&NodeId]) -> String {
    circle.iter().chain(circle.first()).map(ToString::to_string).collect::<Vec<_>>().join(" → ")
}

/// A finding at the first step of a circle that an object declares.
fn tell<'g>(
    catalog: &Catalog,
    graph: &'g CallGraph,
    circle: &[&NodeId],
    ways: Ways<'g, '_>,
    diagnostic: Diagnostic,
) -> Option<Diagnostic> {
    let first = *circle.first()?;
    let next = *circle.get(1).unwrap_or(&first);
    let node = graph.nodes.get(first)?;
    let edge = ways(node).into_iter().find(|edge| edge.to == *next)?;
    let field = graph.field(catalog, first, edge)?;
    Some(diagnostic.at(field.object, field.path).help("let one of them lead elsewhere"))
}

/// The steps that a call may come back to, whatever its caller does and whoever answers.
pub fn circles(graph: &CallGraph) -> BTreeSet<&NodeId> {
    components(graph, &|node| node.ways().collect()).into_iter().flatten().collect()
}

/// The parts of the graph in which every step can be come to from every other by some ways of theirs; single steps that do not lead
/// to themselves are left out. Tarjan's way, without recursion: a chain may have a hundred thousand steps.
fn components<'g>(graph: &'g CallGraph, ways: Ways<'g, '_>) -> Vec<Vec<&'g NodeId>> {
    struct State {
        index: usize,
        low: usize,
        on_stack: bool,
    }
    let ids: Vec<&NodeId> = graph.nodes.keys().collect();
    let places: BTreeMap<&NodeId, usize> = ids.iter().enumerate().map(|(at, id)| (*id, at)).collect();
    let next: Vec<Vec<usize>> = graph
        .nodes
        .values()
        .map(|node| ways(node).into_iter().filter_map(|edge| places.get(&edge.to).copied()).collect())
        .collect();
    let mut states: Vec<Option<State>> = ids.iter().map(|_| None).collect();
    let (mut stack, mut count, mut all) = (Vec::new(), 0, Vec::new());
    for root in 0..ids.len() {
        if states[root].is_some() || next[root].is_empty() {
            continue;
        }
        let mut work = vec![(root, 0)];
        while let Some((at, child)) = work.pop() {
            if child == 0 {
                states[at] = Some(State { index: count, low: count, on_stack: true });
                count += 1;
                stack.push(at);
            }
            if let Some(to) = next[at].get(child).copied() {
                work.push((at, child + 1));
                match &states[to] {
                    None => work.push((to, 0)),
                    Some(seen) if seen.on_stack => {
                        let index = seen.index;
                        if let Some(own) = &mut states[at] {
                            own.low = own.low.min(index);
                        }
                    }
                    Some(_) => {}
                }
                continue;
            }
            let Some(State { index, low, .. }) = states[at] else { continue };
            if let Some((parent, _)) = work.last()
                && let Some(parent) = &mut states[*parent]
            {
                parent.low = parent.low.min(low);
            }
            if index == low {
                let mut component = Vec::new();
                while let Some(member) = stack.pop() {
                    if let Some(state) = &mut states[member] {
                        state.on_stack = false;
                    }
                    component.push(member);
                    if member == at {
                        break;
                    }
                }
                if component.len() > 1 || next[at].contains(&at) {
                    component.sort_unstable();
                    all.push(component.into_iter().map(|at| ids[at]).collect());
                }
            }
        }
    }
    all
}

/// A shortest circle through the first step of a component.
fn circle<'g>(graph: &'g CallGraph, component: &[&'g NodeId], ways: Ways<'g, '_>) -> Vec<&'g NodeId> {
    let members: BTreeSet<&NodeId> = component.iter().copied().collect();
    let Some(first) = component.first().copied() else { return Vec::new() };
    let mut from: BTreeMap<&NodeId, &NodeId> = BTreeMap::new();
    let mut queue = VecDeque::from([first]);
    while let Some(at) = queue.pop_front() {
        for edge in graph.nodes.get(at).into_iter().flat_map(ways) {
            let Some(to) = members.get(&edge.to).copied() else { continue };
            if to == first {
                let mut path = vec![at];
                while let Some(before) = path.last().and_then(|last| from.get(*last)) {
                    path.push(before);
                }
                path.reverse();
                return path;
            }
            if !from.contains_key(to) {
                from.insert(to, at);
                queue.push_back(to);
            }
        }
    }
    component.to_vec()
}
