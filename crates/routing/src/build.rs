//! From a catalog to its graph.

use pbx_manifest::kinds::{Did, Extension, ExtensionGroup, Phone};
use pbx_manifest::{Catalog, Destination, Hangup, Name, ObjectRef};

use crate::outbound::Outbound;
use crate::{CallGraph, Dialled, Edge, Node, NodeId, Step, When, hangup};

impl CallGraph {
    /// The graph of a checked catalog. The number of an extension that is turned off stays taken, so that no route carries it outside:
    /// whoever calls it is told that it is unknown.
    pub fn new(catalog: &Catalog) -> Self {
        let mut graph = Self { outbound: Outbound::new(catalog), ..Self::default() };
        for how in [Hangup::Normal, Hangup::Busy, Hangup::Congestion] {
            graph.nodes.insert(hangup(how), Node { step: Step::Hangup, edges: Vec::new() });
        }
        for (name, object) in &catalog.extensions {
            if !object.spec.enabled {
                let id = NodeId::To(Destination::Extension(name.clone()));
                graph.nodes.insert(id, Node { step: Step::Unknown, edges: Vec::new() });
            } else if let Some(phone) = catalog.phone(name) {
                graph.extension(catalog, &phone);
            }
        }
        for (name, group) in &catalog.groups {
            graph.group(catalog, name, &group.spec);
        }
        for (name, did) in catalog.dids.iter().filter(|(_, did)| did.spec.enabled) {
            graph.did(catalog, name, &did.spec);
        }
        let codes = &catalog.settings().feature_codes;
        graph.numbers.insert(codes.voicemail.to_string(), Dialled::OwnVoicemail);
        graph.numbers.insert(codes.echo_test.to_string(), Dialled::EchoTest);
        graph
    }

    /// The class of service of a telephone.
    pub fn class_of(phone: &Phone<'_>) -> String {
        crate::outbound::class_name(&phone.permissions)
    }

    /// Where a destination leads, its node made when it is of a kind that has no object of its own.
    fn to(&mut self, catalog: &Catalog, destination: &Destination) -> NodeId {
        let id = NodeId::To(destination.clone());
        match destination {
            Destination::Extension(name) if !catalog.extensions.contains_key(name) => {
                return hangup(Hangup::Congestion);
            }
            Destination::Voicemail(name) => {
                match catalog.extensions.get(name) {
                    None => return hangup(Hangup::Congestion),
                    // With its telephone its box is turned off.
                    Some(object) if !object.spec.enabled => return NodeId::To(Destination::Extension(name.clone())),
                    Some(_) => {}
                }
                self.nodes.entry(id.clone()).or_insert(Node { step: Step::Voicemail, edges: Vec::new() });
            }
            Destination::External(number) => {
                let tries = || self.outbound.tries(number.as_str());
                let edges = || vec![Edge { when: When::Otherwise, to: hangup(Hangup::Congestion) }];
                let node = || Node { step: Step::External { tries: tries() }, edges: edges() };
                self.nodes.entry(id.clone()).or_insert_with(node);
            }
            Destination::Extension(_) | Destination::Group(_) | Destination::Hangup(_) => {}
        }
        id
    }

    fn extension(&mut self, catalog: &Catalog, phone: &Phone<'_>) {
        let id = NodeId::To(Destination::Extension(phone.name.clone()));
        self.outbound.class(&phone.permissions);
        let forward = &phone.spec.call_forward;
        if let Some(always) = &forward.always {
            let to = self.to(catalog, always);
            self.nodes.insert(id, Node { step: Step::Pass, edges: vec![Edge { when: When::Otherwise, to }] });
            return;
        }
        let fallback = phone.fallback();
        let mut edge = |when: When, own: &Option<Destination>, last: Hangup| {
            let destination = own.as_ref().or(fallback.as_ref()).cloned().unwrap_or(Destination::Hangup(last));
            Edge { when, to: self.to(catalog, &destination) }
        };
        let busy = edge(When::Busy, &forward.busy, Hangup::Busy);
        if phone.spec.do_not_disturb {
            let edges = vec![Edge { when: When::Otherwise, to: busy.to }];
            self.nodes.insert(id, Node { step: Step::Pass, edges });
            return;
        }
        let no_answer = edge(When::NoAnswer, &forward.no_answer, Hangup::Normal);
        let unavailable = edge(When::Unavailable, &forward.unavailable, Hangup::Congestion);
        let step = Step::Ring { timeout: phone.ring_timeout, record: phone.record };
        self.nodes.insert(id, Node { step, edges: vec![busy, no_answer, unavailable] });
    }

    fn group(&mut self, catalog: &Catalog, name: &Name, group: &ExtensionGroup) {
        let id = NodeId::To(Destination::Group(name.clone()));
        let to = match &group.failover {
            Some(destination) => self.to(catalog, destination),
            None => hangup(Hangup::Normal),
        };
        let edges = vec![Edge { when: When::Otherwise, to }];
        // Who lets no call ring takes no part: to forward a group's call would take it away from the others.
        let rings = |spec: &Extension| spec.enabled && !spec.do_not_disturb && spec.call_forward.always.is_none();
        let members: Vec<Name> = group
            .members
            .iter()
            .filter(|member| catalog.extensions.get(*member).is_some_and(|object| rings(&object.spec)))
            .cloned()
            .collect();
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
        self.nodes.insert(id.clone(), Node { step, edges });
        if let Some(number) = &group.number {
            self.numbers.insert(number.to_string(), Dialled::Node(id));
        }
    }

    fn did(&mut self, catalog: &Catalog, name: &Name, did: &Did) {
        let mut edges = Vec::new();
        for rule in &did.callers {
            edges.push(Edge { when: When::Caller(rule.from.clone()), to: self.to(catalog, &rule.destination) });
        }
        // A schedule that is turned off is always open.
        if let (Some(schedule), Some(destination)) = (&did.schedule, &did.after_hours)
            && catalog.schedules.get(schedule).is_some_and(|object| object.spec.enabled)
        {
            edges.push(Edge { when: When::Closed(schedule.clone()), to: self.to(catalog, destination) });
        }
        edges.push(Edge { when: When::Otherwise, to: self.to(catalog, &did.destination) });
        self.nodes
            .insert(NodeId::Did(name.clone()), Node { step: Step::Inbound { carrier: did.carrier.clone() }, edges });
    }
}

impl NodeId {
    /// The object that declares the step, where one does.
    pub fn object(&self) -> Option<ObjectRef> {
        match self {
            Self::Did(name) => Some(ObjectRef::new(pbx_manifest::Kind::Did, name.clone())),
            Self::To(destination) => destination.target().map(|(kind, name)| ObjectRef::new(kind, name.clone())),
        }
    }
}
