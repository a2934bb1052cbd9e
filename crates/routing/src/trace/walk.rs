//! From step to step.

use std::collections::{BTreeMap, HashSet};

use pbx_manifest::kinds::Variable;
use pbx_manifest::{Destination, Given, Hangup, Name, Press};

use super::{Call, End, Passed, Trace, Tracer, Tried, Walked};
use crate::{CallGraph, Edge, Field, Heard, Node, NodeId, Step, When};

/// How ringing ended, as the channel remembers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Busy,
    NoAnswer,
    Unavailable,
}

/// What comes after a step.
pub(super) enum Turn {
    /// One of its edges, and why.
    Way(usize, String),
    /// The call ends here.
    End(End),
    /// The call ends in a way that no edge says.
    Hangup(Hangup, String),
    /// An extension that the caller has dialled, and why.
    Direct(NodeId, String),
}

/// One call on its way.
pub(super) struct Walk<'g, 't> {
    pub(super) tracer: &'t Tracer<'g>,
    pub(super) call: &'t Call,
    pub(super) given: &'t Given,
    keys: std::slice::Iter<'t, Press>,
    pub(super) variables: BTreeMap<&'g Variable, String>,
    pub(super) status: Option<Status>,
    /// Members that a queue has put on a break for not answering.
    pub(super) taken_out: Vec<&'g Name>,
    pub(super) steps: Vec<Passed>,
    pub(super) music: Vec<Name>,
    pub(super) carriers: Vec<Tried>,
    pub(super) timeless: Option<pbx_manifest::ObjectRef>,
    walked: Vec<Walked<'g>>,
}

/// What a call is that comes to a step: whatever it does next follows from this.
type State<'g> = (&'g NodeId, usize, usize, Vec<(&'g Variable, String)>);

impl<'g, 't> Walk<'g, 't> {
    pub(super) fn new(tracer: &'t Tracer<'g>, call: &'t Call, given: &'t Given) -> Self {
        Self {
            tracer,
            call,
            given,
            keys: given.press.iter(),
            variables: BTreeMap::new(),
            status: None,
            taken_out: Vec::new(),
            steps: Vec::new(),
            music: Vec::new(),
            carriers: Vec::new(),
            timeless: None,
            walked: Vec::new(),
        }
    }

    pub(super) fn run(mut self) -> Trace<'g> {
        let end = self.come_in();
        let heard = self.steps.iter().flat_map(|step| step.heard.iter().cloned()).collect();
        let Self { steps, music, carriers, timeless, walked, .. } = self;
        Trace { steps, end, heard, music, carriers, timeless, walked }
    }

    pub(super) fn graph(&self) -> &'g CallGraph {
        self.tracer.graph
    }

    /// Adds a step by its name.
    pub(super) fn say(&mut self, label: impl std::fmt::Display, why: impl Into<String>, decided: Option<Field>) {
        let (label, why) = (label.to_string(), why.into());
        self.steps.push(Passed { label, why, decided, happens: Vec::new(), heard: Vec::new(), before: Vec::new() });
    }

    /// Adds what happens at the step where the call is.
    pub(super) fn happens(&mut self, what: impl Into<String>) {
        if let Some(step) = self.steps.last_mut() {
            step.happens.push(what.into());
            step.before.push(step.heard.len());
        }
    }

    /// Something is played.
    pub(super) fn hear(&mut self, what: Option<&Heard>) {
        if let (Some(what), Some(step)) = (what, self.steps.last_mut()) {
            step.heard.push(what.prompt.to_string());
        }
    }

    /// What is pressed at the next prompt; nothing for silence.
    pub(super) fn press(&mut self) -> &'t str {
        self.keys.next().map_or("", Press::as_str)
    }

    /// The call ends as a refusal that is a step of its own.
    pub(super) fn refused(&mut self, end: End, why: impl Into<String>, decided: Option<Field>) -> End {
        self.say(&end, why, decided);
        end
    }

    /// Walks from a step to the call's end.
    pub(super) fn walk(&mut self, start: &'g NodeId, why: String, decided: Option<Field>) -> End {
        let (mut at, mut why, mut decided) = (start, why, decided);
        let mut seen: HashSet<State<'g>> = HashSet::new();
        loop {
            let Some((id, node)) = self.graph().nodes.get_key_value(at) else {
                return self.refused(End::Hangup(Hangup::Congestion), why, decided);
            };
            let variables = self.variables.iter().map(|(name, value)| (*name, value.clone())).collect();
            if !seen.insert((id, self.keys.len(), self.taken_out.len(), variables)) {
                return End::Endless(id.to_string());
            }
            // A schedule is not said by itself: only whether it is open.
            let silent = matches!(id, NodeId::To(Destination::Schedule(_)));
            if !silent {
                self.say(id, std::mem::take(&mut why), decided.take());
            }
            let mut gate = self.first(&node.gates, "", None);
            if silent {
                gate =
                    self.first(&node.edges, &why, decided.as_ref()).map(|(at, reason)| (node.gates.len() + at, reason));
            }
            let (way, reason) = match gate {
                Some((at, reason)) => (at, reason),
                None => match self.step(id, node) {
                    Turn::Way(at, reason) => (node.gates.len() + at, reason),
                    Turn::End(end) => {
                        self.walked.push(Walked { node: id, way: None });
                        return end;
                    }
                    Turn::Direct(to, reason) => {
                        let Some((id, _)) = self.graph().nodes.get_key_value(&to) else {
                            return self.refused(End::Hangup(Hangup::Congestion), reason, None);
                        };
                        self.walked.push(Walked { node: at, way: None });
                        decided = at.object().map(|menu| Field::new(menu.kind, &menu.name, "directDial"));
                        (at, why) = (id, reason);
                        continue;
                    }
                    Turn::Hangup(how, reason) => {
                        self.walked.push(Walked { node: id, way: None });
                        return self.refused(End::Hangup(how), reason, None);
                    }
                },
            };
            self.walked.push(Walked { node: id, way: Some(way) });
            let Some(edge) = node.ways().nth(way) else {
                return self.refused(End::Hangup(Hangup::Congestion), reason, None);
            };
            // One that is turned off does not even say whether it is open: why the call came to it is why it goes on.
            if !silent || !reason.is_empty() {
                decided = self.graph().field(self.tracer.catalog, id, edge);
                why = reason;
            }
            at = &edge.to;
        }
    }

    /// What happens at a step.
    fn step(&mut self, id: &'g NodeId, node: &'g Node) -> Turn {
        let edges = &node.edges;
        match &node.step {
            Step::Inbound { carrier } => match self.by_another_carrier(carrier.as_ref()) {
                Some(why) => {
                    self.say(
                        &End::Unknown,
                        why,
                        id.object().map(|object| Field::new(object.kind, &object.name, "carrier")),
                    );
                    Turn::End(End::Unknown)
                }
                None => match self.onward(edges) {
                    Turn::Way(at, why) if why.is_empty() => Turn::Way(at, "its destination".into()),
                    turn => turn,
                },
            },
            Step::Pass => match (self.onward(edges), self.passes(id)) {
                (Turn::Way(at, why), Some(words)) if why.is_empty() => Turn::Way(at, words.into()),
                (turn, _) => turn,
            },
            Step::Ring { timeout, .. } => match id {
                NodeId::To(Destination::Extension(name)) => self.ring(name, *timeout, edges),
                _ => Turn::Hangup(Hangup::Congestion, String::new()),
            },
            Step::RingMembers { strategy, members, timeout, .. } => {
                self.ring_members(*strategy, members, *timeout, edges)
            }
            Step::RingTogether { members, timeout } => self.ring_together(members, *timeout, edges),
            Step::Queue { queue, vip, longest, .. } => self.queue(queue, vip, *longest, edges),
            Step::Play { what } => {
                self.hear(what.as_ref());
                if what.is_none() {
                    self.happens("nothing is played: it is turned off");
                }
                self.onward(edges)
            }
            Step::Menu { .. } => self.menu(id, &node.step, edges),
            Step::Collect { .. } => self.collect(&node.step, edges),
            Step::Route { variable } => self.route(variable, edges),
            Step::Set { variables, language } => {
                if let Some(language) = language {
                    self.happens(format!("the language is `{language}`"));
                }
                for (name, value) in variables {
                    self.happens(format!("`{name}` is `{value}`"));
                    self.variables.insert(name, value.clone());
                }
                self.onward(edges)
            }
            Step::Voicemail { greeting } => {
                let busy = if self.status == Some(Status::Busy) { greeting.busy.as_ref() } else { None };
                if let Some(audio) = greeting.temporary.as_ref().or(busy).or(greeting.usual.as_ref()) {
                    self.happens(format!("the greeting is {}", audio.path()));
                }
                match (self.press_while(edges), id) {
                    (Some(turn), _) => turn,
                    (None, NodeId::To(Destination::Voicemail(name))) => Turn::End(End::Voicemail(name.clone())),
                    (None, _) => Turn::Hangup(Hangup::Congestion, String::new()),
                }
            }
            Step::Conference { .. } => match id {
                NodeId::To(Destination::Conference(name)) => Turn::End(End::Conference(name.clone())),
                _ => Turn::Hangup(Hangup::Congestion, String::new()),
            },
            Step::Park => match id {
                NodeId::To(Destination::Parking(name)) => Turn::End(End::Parked(name.clone())),
                _ => Turn::Hangup(Hangup::Congestion, String::new()),
            },
            Step::External { tries } => {
                let tries: Vec<_> =
                    tries.iter().map(|next| (&next.route, &next.carrier, next.number.clone())).collect();
                match self.carry(&tries) {
                    Ok(end) => Turn::End(end),
                    Err(why) => match edges.iter().position(|edge| edge.when == When::Otherwise) {
                        Some(at) => Turn::Way(at, why),
                        None => Turn::Hangup(Hangup::Congestion, why),
                    },
                }
            }
            Step::Hangup => match id {
                NodeId::To(Destination::Hangup(how)) => Turn::End(End::Hangup(*how)),
                _ => Turn::End(End::Hangup(Hangup::Normal)),
            },
            Step::Unknown => {
                let decided = id.object().map(|object| Field::new(object.kind, &object.name, "enabled"));
                Turn::End(self.refused(End::Unknown, "it is turned off", decided))
            }
        }
    }

    /// Why a call goes on at once from a step where others would stay.
    fn passes(&mut self, id: &NodeId) -> Option<&'static str> {
        let catalog = self.tracer.catalog;
        match id {
            NodeId::To(Destination::Extension(name)) => {
                let spec = &catalog.extensions.get(name)?.spec;
                if spec.call_forward.always.is_some() {
                    return Some("it forwards every call");
                }
                self.status = Some(Status::Busy);
                Some("it is not to be disturbed")
            }
            NodeId::To(Destination::Group(name)) if catalog.groups.get(name)?.spec.enabled => {
                Some("nobody in it takes part")
            }
            NodeId::To(Destination::Ivr(name)) if catalog.ivrs.get(name)?.spec.enabled => Some("it starts here"),
            NodeId::To(_) => Some("it is turned off"),
            _ => None,
        }
    }

    /// A key that is pressed while something goes on anyway, where keys mean something there.
    pub(super) fn press_while(&mut self, edges: &[Edge]) -> Option<Turn> {
        if !edges.iter().any(|edge| matches!(edge.when, When::Key(_))) {
            return None;
        }
        let pressed = self.press().chars().next()?;
        let found = edges.iter().position(|edge| matches!(edge.when, When::Key(key) if key.as_char() == pressed));
        if let Some(at) = found {
            self.happens(format!("pressed {pressed}"));
            return Some(Turn::Way(at, format!("key {pressed}")));
        }
        self.happens(format!("pressed {pressed}, which means nothing here"));
        None
    }
}
