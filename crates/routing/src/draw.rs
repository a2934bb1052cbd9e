//! Pictures of where calls go: for the terminal, for Mermaid and Graphviz, and as SVG.

mod dot;
mod mermaid;
mod svg;
mod terminal;

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;

use pbx_manifest::{Catalog, Destination, Name};
use serde::Serialize;

pub use terminal::Line;

use crate::{CallGraph, Node, NodeId, Step, When};

/// What a step is to somebody who looks at a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Look {
    /// Calls come in here.
    Entry,
    /// The caller is asked.
    Asks,
    /// Somebody rings.
    Rings,
    /// The call only passes.
    Passes,
    /// The call ends here.
    End,
}

/// A step in a picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Its name, as the channel says it.
    pub label: String,
    /// What else is worth knowing of it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// How it looks.
    pub look: Look,
}

/// An arrow in a picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Arrow {
    /// From which step.
    pub from: usize,
    /// To which.
    pub to: usize,
    /// Why; nothing where there is no other way.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// Steps and arrows, from some steps on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Picture {
    /// The steps.
    pub steps: Vec<Shown>,
    /// The arrows, those of a step one after another.
    pub arrows: Vec<Arrow>,
    /// The steps that it begins with.
    pub roots: Vec<usize>,
}

impl Picture {
    /// What can be come to from some steps.
    pub fn new(catalog: &Catalog, graph: &CallGraph, roots: &[NodeId]) -> Self {
        let mut picture = Self::default();
        let mut places: BTreeMap<&NodeId, usize> = BTreeMap::new();
        let mut next: VecDeque<&NodeId> = VecDeque::new();
        let mut place = |picture: &mut Self, next: &mut VecDeque<_>, id: &NodeId| {
            let (id, node) = graph.nodes.get_key_value(id)?;
            Some(*places.entry(id).or_insert_with(|| {
                picture.steps.push(Shown {
                    label: id.to_string(),
                    note: note(catalog, id, node),
                    look: look(id, node),
                });
                next.push_back(id);
                picture.steps.len() - 1
            }))
        };
        for root in roots {
            let before = picture.steps.len();
            // One that was there already is a root already.
            if let Some(at) = place(&mut picture, &mut next, root).filter(|at| *at == before) {
                picture.roots.push(at);
            }
        }
        let mut from = 0;
        while let Some(id) = next.pop_front() {
            let node = &graph.nodes[id];
            let first = picture.arrows.len();
            let ways: Vec<_> = node.ways().filter(|edge| shows(catalog, graph, id, node, edge)).collect();
            let alone = ways.len() == 1;
            let mut hours = None;
            for edge in ways {
                let reason = match &edge.when {
                    When::Otherwise if alone => String::new(),
                    When::Otherwise => {
                        hours.map_or("otherwise".to_owned(), |schedule: &Name| format!("open ({schedule})"))
                    }
                    when => when.to_string(),
                };
                // Where it is open a call waits in a queue; what else there is, is the queue's end.
                if let When::Closed(schedule) = &edge.when
                    && !matches!(node.step, Step::Queue { .. })
                {
                    hours = Some(schedule);
                }
                let Some(to) = place(&mut picture, &mut next, &edge.to) else { continue };
                // Two reasons to go to the same place are one arrow.
                if let Some(same) = picture.arrows[first..].iter_mut().find(|arrow| arrow.to == to) {
                    same.reason = format!("{}, {reason}", same.reason);
                } else {
                    picture.arrows.push(Arrow { from, to, reason });
                }
            }
            from += 1;
        }
        picture
    }

    /// The arrows of a step.
    fn leaving(&self, step: usize) -> &[Arrow] {
        let first = self.arrows.partition_point(|arrow| arrow.from < step);
        let last = self.arrows.partition_point(|arrow| arrow.from <= step);
        &self.arrows[first..last]
    }
}

/// Whether a way out is worth an arrow. A telephone's box is; that a call ends which nobody took, everybody knows.
fn shows(catalog: &Catalog, graph: &CallGraph, id: &NodeId, node: &Node, edge: &crate::Edge) -> bool {
    let ends = matches!(edge.to, NodeId::To(Destination::Hangup(_)));
    !ends || graph.is_written(catalog, id, node, edge)
}

fn look(id: &NodeId, node: &Node) -> Look {
    match (&node.step, id) {
        (Step::Inbound { .. }, _) => Look::Entry,
        (Step::Menu { .. } | Step::Collect { .. }, _) => Look::Asks,
        (Step::Ring { .. } | Step::RingMembers { .. } | Step::RingTogether { .. } | Step::Queue { .. }, _) => {
            Look::Rings
        }
        (Step::Pass | Step::Play { .. } | Step::Route { .. } | Step::Set { .. }, _) => Look::Passes,
        _ => Look::End,
    }
}

/// So many members of a group are named.
const NAMED: usize = 6;

fn members(all: &[Name]) -> String {
    let mut named = all.iter().take(NAMED).map(Name::as_str).collect::<Vec<_>>().join(", ");
    if all.len() > NAMED {
        let _ = write!(named, " and {} more", all.len() - NAMED);
    }
    format!("rings {named}")
}

/// What else is worth knowing of a step.
fn note(catalog: &Catalog, id: &NodeId, node: &Node) -> String {
    let text = |text: Option<String>| text.unwrap_or_default();
    match (&node.step, id) {
        (Step::Inbound { .. }, NodeId::Did(name)) => {
            text(catalog.dids.get(name).and_then(|did| did.spec.description.as_ref()).map(ToString::to_string))
        }
        (Step::Ring { .. }, NodeId::To(Destination::Extension(name))) => {
            text(catalog.phone(name).and_then(|phone| phone.display_name).map(ToString::to_string))
        }
        (Step::RingMembers { members: all, .. } | Step::RingTogether { members: all, .. }, _) => members(all),
        (Step::Queue { queue, .. }, _) => match catalog.queues.get(queue).map_or(0, |queue| queue.spec.members.len()) {
            1 => "1 member".into(),
            count => format!("{count} members"),
        },
        (Step::Menu { prompt: Some(heard), .. } | Step::Collect { prompt: Some(heard), .. }, _)
        | (Step::Play { what: Some(heard) }, NodeId::Menu(..)) => heard.prompt.to_string(),
        (Step::Route { variable }, _) => format!("by {variable}"),
        (Step::External { tries }, _) => tries.iter().map(|next| next.carrier.as_str()).collect::<Vec<_>>().join(", "),
        _ => String::new(),
    }
}
