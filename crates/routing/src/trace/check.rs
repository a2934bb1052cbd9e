//! What is wrong with call tests: names of nothing.

use pbx_manifest::{
    CallFrom, Catalog, Diagnostic, Given, Kind, Locator, Name, Prompt, Source, TestCall, TestDocument,
    missing_reference, nearest,
};

use crate::{CallGraph, NodeId, Service};

/// References to nothing in call tests, with positions. A test that takes somebody for busy who is not there would pass, and mean
/// nothing.
pub fn check_tests(
    catalog: &Catalog,
    graph: &CallGraph,
    tests: &[TestDocument],
    sources: &[Source],
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut locator = Locator::new(sources);
    let mut compared = 0;
    for test in tests {
        let mut wrong = Vec::new();
        let mut checker = Checker { catalog, graph, found: &mut wrong, compared: &mut compared };
        checker.test(test);
        for mut diagnostic in wrong {
            locator.place(test.origin, &mut diagnostic);
            found.push(diagnostic);
        }
    }
    found
}

/// The same of one call and the world around it; without positions.
pub fn check_call(catalog: &Catalog, graph: &CallGraph, call: &TestCall, given: &Given) -> Vec<Diagnostic> {
    let (mut found, mut compared) = (Vec::new(), 0);
    Checker { catalog, graph, found: &mut found, compared: &mut compared }.world(call, given);
    found
}

struct Checker<'c> {
    catalog: &'c Catalog,
    graph: &'c CallGraph,
    found: &'c mut Vec<Diagnostic>,
    /// How many names of nothing were compared with all names there are.
    compared: &'c mut usize,
}

/// Of many names of nothing, so many are told what is spelt nearly so: each costs a look at every name.
const COMPARED: usize = 100;

/// A node of a menu.
fn menu_node(menu: &str, node: &str) -> Option<NodeId> {
    Some(NodeId::Menu(menu.parse().ok()?, node.parse().ok()?))
}

/// A level of a tree.
fn branch(tree: &str, branches: &str) -> Option<NodeId> {
    let known = ["busy", "noAnswer", "otherwise"];
    let branches = branches.split('.').map(|one| known.iter().copied().find(|known| *known == one));
    Some(NodeId::Branch(tree.parse().ok()?, branches.collect::<Option<_>>()?))
}

/// Ends of calls that no step is called by.
const ENDS: [&str; 5] = ["answered", "endless", "waits", "unknown", "forbidden"];

impl Checker<'_> {
    fn test(&mut self, test: &TestDocument) {
        let expect = &test.test.expect;
        self.world(&test.test.call, &test.test.given);
        for (at, label) in expect.path.iter().enumerate() {
            self.label(&format!("expect.path[{at}]"), label.as_str());
        }
        if let Some(end) = expect.end.as_ref().filter(|end| !ENDS.contains(&end.as_str())) {
            self.label("expect.end", end.as_str());
        }
        for (at, prompt) in expect.heard.iter().enumerate() {
            if let Prompt::Announcement(name) = prompt {
                self.object(&format!("expect.heard[{at}]"), Kind::Announcement, name);
            }
        }
        if let Some(name) = &expect.music {
            self.object("expect.music", Kind::HoldMusic, name);
        }
        if let Some(name) = &expect.carrier {
            self.object("expect.carrier", Kind::Carrier, name);
        }
    }

    fn world(&mut self, call: &TestCall, given: &Given) {
        if let Some(CallFrom::Extension(name)) = &call.from {
            self.object("call.from", Kind::Extension, name);
        }
        if let Some(name) = &call.carrier {
            self.object("call.carrier", Kind::Carrier, name);
        }
        for (field, kind, names) in [
            ("busy", Kind::Extension, &given.busy),
            ("noAnswer", Kind::Extension, &given.no_answer),
            ("unregistered", Kind::Extension, &given.unregistered),
            ("doNotDisturb", Kind::Extension, &given.do_not_disturb),
            ("loggedIn", Kind::Extension, &given.logged_in),
            ("paused", Kind::Extension, &given.paused),
            ("full", Kind::Queue, &given.full),
            ("refuses", Kind::Carrier, &given.refuses),
        ] {
            for (at, name) in names.iter().enumerate() {
                self.object(&format!("given.{field}[{at}]"), kind, name);
            }
        }
        for name in given.waiting.keys() {
            self.object(&format!("given.waiting.{name}"), Kind::Queue, name);
        }
        for name in given.schedules.keys() {
            self.object(&format!("given.schedules.{name}"), Kind::Schedule, name);
        }
    }

    fn object(&mut self, below: &str, kind: Kind, name: &Name) {
        if self.catalog.contains(kind, name.as_str()) {
            return;
        }
        let names = if self.compare() { self.catalog.names(kind) } else { Vec::new() };
        let near = nearest(name.as_str(), names.into_iter().map(Name::as_str));
        self.add(below, missing_reference(kind, name), near);
    }

    fn add(&mut self, below: &str, message: String, near: Option<&str>) {
        let mut diagnostic = Diagnostic::error("missing-reference", message).labelled("not found");
        diagnostic.path = format!("spec.{below}");
        diagnostic.help.push(match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`pbxctl trace` shows the steps of a call by their names".into(),
        });
        self.found.push(diagnostic);
    }

    /// A step's name, as the channel says it.
    fn label(&mut self, below: &str, label: &str) {
        let (form, rest) = label.split_once('/').unwrap_or((label, ""));
        let (name, state) = rest.split_once('=').unwrap_or((rest, ""));
        let there = match form {
            "filter" => self.catalog.filters.contains_key(name) && ["denied", "passed"].contains(&state),
            "schedule" => self.catalog.schedules.contains_key(name) && ["open", "closed"].contains(&state),
            "route" => self.catalog.routes.contains_key(rest),
            "carrier" => self.catalog.carriers.contains_key(rest),
            "unknown" | "forbidden" => rest.is_empty(),
            _ if rest.is_empty() && Service::ALL.iter().any(|service| service.word() == form) => true,
            // Of few tests among many steps: each is looked up by its name, where it is a destination.
            _ => match label.parse() {
                Ok(destination) => self.graph.nodes.contains_key(&NodeId::To(destination)),
                Err(_) => match (form, rest.split_once('.')) {
                    ("did", _) => rest.parse().is_ok_and(|name| self.graph.nodes.contains_key(&NodeId::Did(name))),
                    ("ivr", Some((menu, node))) => {
                        menu_node(menu, node).is_some_and(|id| self.graph.nodes.contains_key(&id))
                    }
                    ("tree", Some((tree, branches))) => {
                        branch(tree, branches).is_some_and(|id| self.graph.nodes.contains_key(&id))
                    }
                    _ => false,
                },
            },
        };
        if there {
            return;
        }
        if self.compare() {
            self.no_such_step(below, label);
        } else {
            self.add(below, format!("no step is called `{label}`"), None);
        }
    }

    /// Whether one more name may be compared with all there are.
    fn compare(&mut self) -> bool {
        *self.compared += 1;
        *self.compared <= COMPARED
    }

    fn no_such_step(&mut self, below: &str, label: &str) {
        let gates = [("filter", ["denied", "passed"]), ("schedule", ["closed", "open"])];
        let mut known: Vec<String> = self.steps().collect();
        for (own, states) in gates {
            let kind = if own == "filter" { Kind::BlockFilter } else { Kind::Schedule };
            let names = self.catalog.names(kind);
            known.extend(names.iter().flat_map(|name| states.iter().map(move |state| format!("{own}/{name}={state}"))));
        }
        known.extend(self.catalog.routes.keys().map(|name| format!("route/{name}")));
        known.extend(self.catalog.carriers.keys().map(|name| format!("carrier/{name}")));
        let near = nearest(label, known.iter().map(String::as_str));
        self.add(below, format!("no step is called `{label}`"), near);
    }

    fn steps(&self) -> impl Iterator<Item = String> {
        self.graph.nodes.keys().map(ToString::to_string)
    }
}
