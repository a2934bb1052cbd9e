//! Ring trees.

use pbx_manifest::kinds::{LastBranch, RingTree, SecondLevel, ThirdLevel};
use pbx_manifest::{Catalog, Destination, Duration, Hangup, Name};

use super::{rings, waits};
use crate::{CallGraph, Edge, Node, NodeId, Step, When, hangup};

/// A level of a tree, whichever of the three it is.
struct Level<'t> {
    ring: &'t [Destination],
    timeout: Duration,
    go: Option<&'t Destination>,
    branches: Vec<(&'static str, Level<'t>)>,
}

/// Levels have types of their own in manifests; to calls they are alike.
macro_rules! level {
    ($Type:ident, $level:ident, $go:expr) => {
        impl<'t> From<&'t $Type> for Level<'t> {
            fn from($level: &'t $Type) -> Self {
                let branches = $level.branches().map(|(field, branch)| (field, Level::from(branch))).collect();
                Self { ring: &$level.ring, timeout: $level.timeout, go: $go, branches }
            }
        }
    };
}

level!(RingTree, level, None);
level!(SecondLevel, level, level.go.as_ref());
level!(ThirdLevel, level, level.go.as_ref());

impl<'t> From<&'t LastBranch> for Level<'t> {
    fn from(last: &'t LastBranch) -> Self {
        Self { ring: &[], timeout: Duration(0), go: last.go.as_ref(), branches: Vec::new() }
    }
}

impl CallGraph {
    pub(super) fn tree(&mut self, catalog: &Catalog, name: &Name, tree: &RingTree) {
        let id = NodeId::To(Destination::Tree(name.clone()));
        if tree.enabled {
            let top = Level::from(tree);
            self.level(catalog, name, &mut Vec::new(), &id, &top);
            let gates = self.gates(catalog, tree.block_filter.as_ref(), None);
            if let Some(node) = self.nodes.get_mut(&id) {
                // Before those of a queue that rings there.
                node.gates.splice(0..0, gates);
            }
        } else {
            let edges = vec![Edge { when: When::Otherwise, to: hangup(Hangup::Congestion) }];
            self.nodes.insert(id.clone(), Node::new(Step::Pass, edges));
        }
        self.number(tree.number.as_ref(), id);
    }

    /// A level that rings, and those below it.
    fn level(&mut self, catalog: &Catalog, tree: &Name, at: &mut Vec<&'static str>, id: &NodeId, level: &Level<'_>) {
        let mut edges = Vec::new();
        let order = [("busy", When::Busy), ("noAnswer", When::NoAnswer), ("otherwise", When::Otherwise)];
        for (field, when) in order {
            let Some((field, below)) = level.branches.iter().find(|(own, _)| *own == field) else { continue };
            let to = if let Some(go) = below.go {
                self.to(catalog, go)
            } else {
                at.push(field);
                let id = NodeId::Branch(tree.clone(), at.clone());
                self.level(catalog, tree, at, &id, below);
                at.pop();
                id
            };
            edges.push(Edge { when, to });
        }
        if edges.last().is_none_or(|edge| edge.when != When::Otherwise) {
            edges.push(Edge { when: When::Otherwise, to: hangup(Hangup::Normal) });
        }
        let mut gates = Vec::new();
        let step = match level.ring {
            [Destination::Queue(queue)] => match catalog.queues.get(queue).filter(|object| object.spec.enabled) {
                Some(object) => {
                    gates = self.gates_of(catalog, &object.spec);
                    edges.splice(0..0, self.keys_of(catalog, &object.spec));
                    waits(queue, &object.spec, Some(level.timeout))
                }
                None => Step::RingTogether { members: Vec::new(), timeout: level.timeout },
            },
            ring => Step::RingTogether { members: members(catalog, ring), timeout: level.timeout },
        };
        self.nodes.insert(id.clone(), Node { gates, step, edges });
    }
}

/// The extensions that ring, each once; of groups, all of their members.
fn members(catalog: &Catalog, ring: &[Destination]) -> Vec<Name> {
    let mut members: Vec<Name> = Vec::new();
    let mut add = |name: &Name| {
        if rings(catalog, name) && !members.contains(name) {
            members.push(name.clone());
        }
    };
    for one in ring {
        match one {
            Destination::Extension(name) => add(name),
            Destination::Group(group) => {
                let group = catalog.groups.get(group).filter(|group| group.spec.enabled);
                group.into_iter().flat_map(|group| &group.spec.members).for_each(&mut add);
            }
            _ => {}
        }
    }
    members
}
