//! Menus.

use pbx_manifest::kinds::{Ivr, IvrNode, Next};
use pbx_manifest::{Catalog, Destination, Hangup, Name};

use super::heard;
use crate::{CallGraph, Edge, Node, NodeId, Step, When, hangup};

impl CallGraph {
    pub(super) fn menu(&mut self, catalog: &Catalog, name: &Name, menu: &Ivr) {
        let id = NodeId::To(Destination::Ivr(name.clone()));
        if menu.enabled {
            let start = self.next(catalog, name, menu, &Next::Node(menu.start.clone()));
            self.nodes.insert(id.clone(), Node::new(Step::Pass, vec![Edge { when: When::Otherwise, to: start }]));
            let direct = menu.reachable(catalog).into_iter().cloned().collect::<Vec<_>>();
            for (node_name, node) in &menu.nodes {
                let node = self.menu_node(catalog, name, menu, node, !direct.is_empty());
                self.nodes.insert(NodeId::Menu(name.clone(), node_name.clone()), node);
            }
            if !direct.is_empty() {
                self.direct.insert(name.clone(), direct);
            }
        } else {
            let edges = vec![Edge { when: When::Otherwise, to: hangup(Hangup::Congestion) }];
            self.nodes.insert(id.clone(), Node::new(Step::Pass, edges));
        }
        self.number(menu.number.as_ref(), id);
    }

    /// Where a node's way leads.
    fn next(&mut self, catalog: &Catalog, name: &Name, menu: &Ivr, next: &Next) -> NodeId {
        match next {
            Next::Node(node) if menu.nodes.contains_key(node) => NodeId::Menu(name.clone(), node.clone()),
            // Told when it was checked.
            Next::Node(_) => hangup(Hangup::Congestion),
            Next::To(destination) => self.to(catalog, destination),
        }
    }

    fn menu_node(&mut self, catalog: &Catalog, name: &Name, menu: &Ivr, node: &IvrNode, direct: bool) -> Node {
        let mut edges = Vec::new();
        let mut way = |graph: &mut Self, when: When, next: Option<&Next>| {
            let to = next.map_or_else(|| hangup(Hangup::Normal), |next| graph.next(catalog, name, menu, next));
            edges.push(Edge { when, to });
        };
        let said = |prompt: &Option<pbx_manifest::Prompt>| prompt.as_ref().and_then(|prompt| heard(catalog, prompt));
        let step = if let Some(play) = &node.play {
            way(self, When::Otherwise, node.next.as_ref());
            Step::Play { what: heard(catalog, play) }
        } else if let Some(menu) = &node.menu {
            for (key, next) in &node.keys {
                way(self, When::Key(*key), Some(next));
            }
            way(self, When::Invalid, node.invalid.as_ref());
            way(self, When::TimedOut, node.timed_out.as_ref());
            Step::Menu {
                prompt: said(&menu.prompt),
                timeout: menu.timeout,
                retries: menu.retries,
                invalid: said(&menu.invalid_prompt),
                silence: said(&menu.timeout_prompt),
                barge_in: menu.barge_in,
                direct,
            }
        } else if let Some(collect) = &node.collect {
            way(self, When::TimedOut, node.timed_out.as_ref());
            way(self, When::Otherwise, node.next.as_ref());
            Step::Collect {
                prompt: said(&collect.prompt),
                most: collect.digits,
                least: collect.fewest(),
                into: collect.into.clone(),
                timeout: collect.timeout,
                retries: collect.retries,
                invalid: said(&collect.invalid_prompt),
            }
        } else if let Some(variable) = &node.route {
            for case in &node.cases {
                way(self, When::Value(case.matches.clone()), Some(&case.to));
            }
            way(self, When::Otherwise, node.otherwise.as_ref());
            Step::Route { variable: variable.clone() }
        } else if let Some(schedule) = &node.time {
            // A schedule that is turned off is always open.
            if catalog.schedules.get(schedule).is_some_and(|object| object.spec.enabled) {
                way(self, When::Closed(schedule.clone()), node.closed.as_ref());
            }
            way(self, When::Otherwise, node.open.as_ref());
            Step::Pass
        } else if let Some(set) = &node.set {
            way(self, When::Otherwise, node.next.as_ref());
            let variables = set.variables.iter().map(|(name, digits)| (name.clone(), digits.to_string())).collect();
            Step::Set { language: set.language.clone(), variables }
        } else {
            way(self, When::Otherwise, node.go.as_ref());
            Step::Pass
        };
        Node::new(step, edges)
    }
}
