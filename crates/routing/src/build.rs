//! From a catalog to its graph.

mod menu;
mod tree;

use pbx_manifest::kinds::{Announcement, Did, Extension, ExtensionGroup, Greetings, Phone, Queue};
use pbx_manifest::{Audio, Catalog, Destination, Duration, Hangup, Kind, Name, ObjectRef, Prompt};

use crate::outbound::Outbound;
use crate::{CallGraph, Dialled, Edge, Greeting, Heard, Node, NodeId, Service, Step, When, hangup};

impl CallGraph {
    /// The graph of a checked catalog. The number of an extension that is turned off stays taken, so that no route carries it outside:
    /// whoever calls it is told that it is unknown.
    pub fn new(catalog: &Catalog) -> Self {
        let mut graph = Self { outbound: Outbound::new(catalog), ..Self::default() };
        for how in [Hangup::Normal, Hangup::Busy, Hangup::Congestion] {
            graph.nodes.insert(hangup(how), Node::new(Step::Hangup, Vec::new()));
        }
        for (name, object) in &catalog.extensions {
            if !object.spec.enabled {
                let id = NodeId::To(Destination::Extension(name.clone()));
                graph.nodes.insert(id, Node::new(Step::Unknown, Vec::new()));
            } else if let Some(phone) = catalog.phone(name) {
                graph.extension(catalog, &phone);
            }
        }
        for (name, group) in &catalog.groups {
            graph.group(catalog, name, &group.spec);
        }
        for (name, queue) in &catalog.queues {
            graph.queue(catalog, name, &queue.spec);
        }
        for (name, tree) in &catalog.trees {
            graph.tree(catalog, name, &tree.spec);
        }
        for (name, menu) in &catalog.ivrs {
            graph.menu(catalog, name, &menu.spec);
        }
        for (name, announcement) in &catalog.announcements {
            graph.announcement(catalog, name, &announcement.spec);
        }
        graph.rooms(catalog);
        for (name, did) in catalog.dids.iter().filter(|(_, did)| did.spec.enabled) {
            graph.did(catalog, name, &did.spec);
        }
        graph.services(catalog);
        graph
    }

    /// The class of service of a telephone.
    pub fn class_of(phone: &Phone<'_>) -> String {
        crate::outbound::class_name(&phone.permissions)
    }

    /// Where a destination leads, its node made when it is of a kind that has no object of its own.
    fn to(&mut self, catalog: &Catalog, destination: &Destination) -> NodeId {
        let id = NodeId::To(destination.clone());
        // What is not there was told when it was checked; a call that comes there all the same hears that it cannot be put through.
        if let Some((kind, name)) = destination.target()
            && !catalog.contains(kind, name.as_str())
        {
            return hangup(Hangup::Congestion);
        }
        match destination {
            Destination::Voicemail(name) => {
                if let Some(closed) = self.mailbox(catalog, name, &id) {
                    return closed;
                }
            }
            Destination::External(number) => {
                let tries = || self.outbound.tries(number.as_str());
                let edges = || vec![Edge { when: When::Otherwise, to: hangup(Hangup::Congestion) }];
                let node = || Node::new(Step::External { tries: tries() }, edges());
                self.nodes.entry(id.clone()).or_insert_with(node);
            }
            Destination::Schedule(name) if !self.nodes.contains_key(&id) => {
                // First itself, or two that lead to each other would be made without end.
                self.nodes.insert(id.clone(), Node::new(Step::Pass, Vec::new()));
                let schedule = &catalog.schedules[name].spec;
                let mut edges = Vec::new();
                if let (true, Some(closed)) = (schedule.enabled, &schedule.after_hours) {
                    edges.push(Edge { when: When::Closed(name.clone()), to: self.to(catalog, closed) });
                }
                let open = schedule.destination.as_ref();
                let to = open.map_or_else(|| hangup(Hangup::Congestion), |open| self.to(catalog, open));
                edges.push(Edge { when: When::Otherwise, to });
                self.nodes.insert(id.clone(), Node::new(Step::Pass, edges));
            }
            _ => {}
        }
        id
    }

    /// The node of a voicemail box; where calls go instead, when it is turned off.
    fn mailbox(&mut self, catalog: &Catalog, name: &Name, id: &NodeId) -> Option<NodeId> {
        let (greeting, operator) = match (catalog.extensions.get(name), catalog.mailboxes.get(name)) {
            // With its telephone its box is turned off.
            (Some(object), _) if !object.spec.enabled => {
                return Some(NodeId::To(Destination::Extension(name.clone())));
            }
            (Some(object), _) => {
                let own = &object.spec.voicemail;
                (greeting(own.greeting.as_ref(), &own.greetings), &own.operator)
            }
            (None, Some(object)) if object.spec.enabled => {
                (greeting(object.spec.greeting.as_ref(), &object.spec.greetings), &object.spec.operator)
            }
            _ => return Some(hangup(Hangup::Congestion)),
        };
        if self.nodes.contains_key(id) {
            return None;
        }
        self.nodes.insert(id.clone(), Node::new(Step::Voicemail { greeting }, Vec::new()));
        if let Some(operator) = operator
            && let Ok(zero) = "0".parse()
        {
            let to = self.to(catalog, operator);
            if let Some(node) = self.nodes.get_mut(id) {
                node.edges.push(Edge { when: When::Key(zero), to });
            }
        }
        None
    }

    /// The steps before a step: who is not let in, and when nobody is.
    fn gates(&mut self, catalog: &Catalog, filter: Option<&Name>, hours: Option<(&Name, &Destination)>) -> Vec<Edge> {
        let mut gates = Vec::new();
        // A filter that is turned off lets everybody through.
        if let Some((name, filter)) = filter.and_then(|name| catalog.filters.get_key_value(name))
            && filter.spec.enabled
        {
            gates.push(Edge { when: When::Denied(name.clone()), to: self.to(catalog, &filter.spec.denied) });
        }
        // A schedule that is turned off is always open.
        if let Some((schedule, closed)) = hours
            && catalog.schedules.get(schedule).is_some_and(|object| object.spec.enabled)
        {
            gates.push(Edge { when: When::Closed(schedule.clone()), to: self.to(catalog, closed) });
        }
        gates
    }

    fn extension(&mut self, catalog: &Catalog, phone: &Phone<'_>) {
        let id = NodeId::To(Destination::Extension(phone.name.clone()));
        self.outbound.class(&phone.permissions);
        let forward = &phone.spec.call_forward;
        if let Some(always) = &forward.always {
            let to = self.to(catalog, always);
            self.nodes.insert(id, Node::new(Step::Pass, vec![Edge { when: When::Otherwise, to }]));
            return;
        }
        let fallback = phone.fallback();
        let mut edge = |when: When, own: &Option<Destination>, last: Hangup| {
            let destination = own.as_ref().or(fallback.as_ref()).cloned().unwrap_or(Destination::Hangup(last));
            Edge { when, to: self.to(catalog, &destination) }
        };
        let busy = edge(When::Busy, &forward.busy, Hangup::Busy);
        if phone.spec.do_not_disturb {
            self.nodes.insert(id, Node::new(Step::Pass, vec![Edge { when: When::Otherwise, to: busy.to }]));
            return;
        }
        let no_answer = edge(When::NoAnswer, &forward.no_answer, Hangup::Normal);
        let unavailable = edge(When::Unavailable, &forward.unavailable, Hangup::Congestion);
        let step = Step::Ring { timeout: phone.ring_timeout, record: phone.record };
        self.nodes.insert(id, Node::new(step, vec![busy, no_answer, unavailable]));
    }

    fn group(&mut self, catalog: &Catalog, name: &Name, group: &ExtensionGroup) {
        let id = NodeId::To(Destination::Group(name.clone()));
        let to = match &group.failover {
            Some(destination) => self.to(catalog, destination),
            None => hangup(Hangup::Normal),
        };
        let edges = vec![Edge { when: When::Otherwise, to }];
        let members: Vec<Name> = group.members.iter().filter(|member| rings(catalog, member)).cloned().collect();
        let step = if group.enabled && !members.is_empty() {
            Step::RingMembers {
                strategy: group.strategy,
                members,
                timeout: group.timeout,
                prefix: group.display_name.as_ref().map(ToString::to_string),
            }
        } else {
            Step::Pass
        };
        self.nodes.insert(id.clone(), Node::new(step, edges));
        self.number(group.number.as_ref(), id);
    }

    fn queue(&mut self, catalog: &Catalog, name: &Name, queue: &Queue) {
        let id = NodeId::To(Destination::Queue(name.clone()));
        let mut way = |way: &Option<Destination>, last: Hangup| {
            way.as_ref().map_or_else(|| hangup(last), |way| self.to(catalog, way))
        };
        let (empty, full, late) = (
            way(&queue.on_empty, Hangup::Congestion),
            way(&queue.on_full, Hangup::Congestion),
            way(&queue.on_timeout, Hangup::Normal),
        );
        let node = if queue.enabled {
            let gates = self.gates_of(catalog, queue);
            let mut edges = vec![Edge { when: When::Empty, to: empty }];
            if queue.max_waiting.is_some() {
                edges.push(Edge { when: When::Full, to: full });
            }
            if queue.max_wait.is_some() {
                edges.push(Edge { when: When::TimedOut, to: late });
            }
            edges.extend(self.keys_of(catalog, queue));
            Node { gates, step: waits(name, queue, queue.max_wait), edges }
        } else {
            Node::new(Step::Pass, vec![Edge { when: When::Otherwise, to: empty }])
        };
        self.nodes.insert(id.clone(), node);
        self.number(queue.number.as_ref(), id);
    }

    /// Who may not wait in a queue, and when nobody may: asked each time a call comes there, also by a ring tree.
    fn gates_of(&mut self, catalog: &Catalog, queue: &Queue) -> Vec<Edge> {
        let hours = queue.schedule.as_ref().zip(queue.out_of_office.as_ref());
        self.gates(catalog, queue.block_filter.as_ref(), hours)
    }

    /// Where keys lead that are pressed while a caller waits in a queue.
    fn keys_of(&mut self, catalog: &Catalog, queue: &Queue) -> Vec<Edge> {
        let keys = queue.keys.iter();
        keys.map(|(key, destination)| Edge { when: When::Key(*key), to: self.to(catalog, destination) }).collect()
    }

    fn announcement(&mut self, catalog: &Catalog, name: &Name, announcement: &Announcement) {
        let id = NodeId::To(Destination::Announcement(name.clone()));
        let then = announcement.then.as_ref();
        let to = then.map_or_else(|| hangup(Hangup::Normal), |then| self.to(catalog, then));
        let what = heard(catalog, &Prompt::Announcement(name.clone()));
        self.nodes.insert(id, Node::new(Step::Play { what }, vec![Edge { when: When::Otherwise, to }]));
    }

    /// Conferences and parking lots, and the numbers of shared boxes.
    fn rooms(&mut self, catalog: &Catalog) {
        let closed = || vec![Edge { when: When::Otherwise, to: hangup(Hangup::Congestion) }];
        for (name, object) in &catalog.conferences {
            let id = NodeId::To(Destination::Conference(name.clone()));
            let node = if object.spec.enabled {
                Node::new(Step::Conference { record: object.spec.record }, Vec::new())
            } else {
                Node::new(Step::Pass, closed())
            };
            self.nodes.insert(id.clone(), node);
            self.numbers.insert(name.to_string(), Dialled::Node(id));
        }
        for (name, object) in &catalog.parking {
            let id = NodeId::To(Destination::Parking(name.clone()));
            if !object.spec.enabled {
                self.nodes.insert(id, Node::new(Step::Pass, closed()));
                continue;
            }
            let back = object.spec.comeback.as_ref().map(|comeback| self.to(catalog, comeback));
            let edges = back.map(|to| Edge { when: When::TimedOut, to }).into_iter().collect();
            self.nodes.insert(id.clone(), Node::new(Step::Park, edges));
            self.numbers.insert(object.spec.number.to_string(), Dialled::Node(id));
            for slot in object.spec.slots.first..=object.spec.slots.last {
                self.numbers.insert(slot.to_string(), Dialled::Slot(name.clone()));
            }
        }
        for (name, object) in catalog.mailboxes.iter().filter(|(_, object)| object.spec.enabled) {
            if let Some(number) = &object.spec.number {
                let id = self.to(catalog, &Destination::Voicemail(name.clone()));
                let code = &catalog.settings().feature_codes.voicemail;
                self.numbers.insert(format!("{code}{number}"), Dialled::Messages(name.clone()));
                self.number(Some(number), id);
            }
        }
    }

    fn did(&mut self, catalog: &Catalog, name: &Name, did: &Did) {
        let mut edges = self.gates(catalog, did.block_filter.as_ref(), None);
        for rule in &did.callers {
            edges.push(Edge { when: When::Caller(rule.from.clone()), to: self.to(catalog, &rule.destination) });
        }
        edges.extend(self.gates(catalog, None, did.schedule.as_ref().zip(did.after_hours.as_ref())));
        edges.push(Edge { when: When::Otherwise, to: self.to(catalog, &did.destination) });
        self.nodes.insert(NodeId::Did(name.clone()), Node::new(Step::Inbound { carrier: did.carrier.clone() }, edges));
    }

    fn number(&mut self, number: Option<&Name>, id: NodeId) {
        if let Some(number) = number {
            self.numbers.insert(number.to_string(), Dialled::Node(id));
        }
    }

    fn services(&mut self, catalog: &Catalog) {
        let settings = catalog.settings();
        let codes = &settings.feature_codes;
        for (code, service) in [
            (&codes.voicemail, Service::Voicemail),
            (&codes.echo_test, Service::EchoTest),
            (&codes.queue_login, Service::QueueLogin),
            (&codes.queue_logout, Service::QueueLogout),
            (&codes.queue_pause, Service::QueuePause),
            (&codes.pickup, Service::Pickup),
            (&codes.do_not_disturb, Service::DoNotDisturb),
            (&codes.call_forward, Service::CallForward),
            (&codes.directory, Service::Directory),
        ] {
            self.numbers.insert(code.to_string(), Dialled::Service(service));
        }
    }
}

/// Whether an extension takes part where several ring. Who lets no call ring does not: to forward a call to all of them would take it
/// away from the others.
pub fn rings(catalog: &Catalog, name: &Name) -> bool {
    let takes_part = |spec: &Extension| spec.enabled && !spec.do_not_disturb && spec.call_forward.always.is_none();
    catalog.extensions.get(name).is_some_and(|object| takes_part(&object.spec))
}

/// Waiting in a queue, at most so long.
fn waits(name: &Name, queue: &Queue, longest: Option<Duration>) -> Step {
    Step::Queue {
        queue: name.clone(),
        vip: queue.vip.iter().map(|vip| (vip.caller.clone(), vip.priority)).collect(),
        longest,
        record: queue.record,
        prefix: queue.display_name.as_ref().map(ToString::to_string),
    }
}

/// What a prompt plays; nothing where it is turned off.
fn heard(catalog: &Catalog, prompt: &Prompt) -> Option<Heard> {
    let audio = match prompt {
        Prompt::Sound(_) => None,
        Prompt::Announcement(name) => {
            let object = catalog.announcements.get(name).filter(|object| object.spec.enabled)?;
            Some(object.spec.file.clone())
        }
    };
    Some(Heard { prompt: prompt.clone(), audio })
}

fn greeting(usual: Option<&Audio>, special: &Greetings) -> Greeting {
    Greeting {
        usual: usual.cloned(),
        busy: special.busy.clone(),
        temporary: special.temporary.clone(),
        name: special.name.clone(),
    }
}

impl NodeId {
    /// The object that declares the step, where one does.
    pub fn object(&self) -> Option<ObjectRef> {
        match self {
            Self::Did(name) => Some(ObjectRef::new(Kind::Did, name.clone())),
            Self::To(destination) => destination.target().map(|(kind, name)| ObjectRef::new(kind, name.clone())),
            Self::Branch(tree, _) => Some(ObjectRef::new(Kind::RingTree, tree.clone())),
            Self::Menu(menu, _) => Some(ObjectRef::new(Kind::Ivr, menu.clone())),
        }
    }
}
