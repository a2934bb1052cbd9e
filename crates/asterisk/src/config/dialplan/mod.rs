//! `extensions.conf`: the dialplan, written from the call graph.
//!
//! Every node of the graph is an extension of its own, named behind its first step: where a channel is, its context and extension say.
//! Each step costs a call its time, most of it in what Asterisk tells others about it, and each variable as much again: what can be
//! asked in one expression is. Numbers are spread over contexts by their last digits, because Asterisk's reload takes time by the
//! square of a context's extensions: 10,000 in one context take 0.8 s, in 100 contexts 0.04 s.

mod boxes;
mod callers;
mod hours;
mod menu;
mod outbound;
mod queue;
mod ring;
mod services;
mod shared;

pub(super) use shared::parked_context;

use std::collections::{BTreeMap, BTreeSet};

use pbx_manifest::kinds::Recording;
use pbx_manifest::{Audio, Caller, Catalog, Destination, Kind, Name, ObjectRef, Pattern, Prompt};
use pbx_routing::{CallGraph, Edge, Heard, NodeId, Step, When};

use super::Secrets;
use super::file::ConfigFile;

/// Where telephones subscribe to each other's lamps.
pub(super) const HINTS: &str = "pbx-hints";

/// Where messages between telephones end.
pub(super) const MESSAGES: &str = "pbx-messages";

/// Where every number is one that nobody has.
pub(super) const UNKNOWN: &str = "pbx-unknown";

/// Anything that can be dialled, as far as its first character goes.
const ANY: &str = "_[0-9*#+]!";

/// The context that telephones of a class dial in.
pub(super) fn class_context(class: &str) -> String {
    format!("pbx-class-{class}")
}

/// The context that a carrier's calls come into.
pub(super) fn carrier_context(name: &Name) -> String {
    hashed_name("pbx-from-", name)
}

/// A name as an extension's. Asterisk takes no notice of hyphens there, and `a-b` would be `ab`; and a letter alone is one of its own:
/// `h` would be run at each hangup. No name ends with what is put behind it.
fn word(name: &Name) -> String {
    match name.as_str() {
        letter if letter.len() == 1 && letter.starts_with(|c: char| c.is_ascii_lowercase()) => format!("{letter}_"),
        name => name.replace('-', "_"),
    }
}

/// Recording, as the channel's variable says it.
pub(super) fn record_word(record: Recording) -> &'static str {
    match record {
        Recording::Never => "never",
        Recording::Always => "always",
        Recording::OnDemand => "onDemand",
    }
}

/// A context's name from a prefix and an object's name, which together stay under Asterisk's 79 bytes: prefixes have at most 16.
fn hashed_name(prefix: &str, name: &Name) -> String {
    debug_assert!(prefix.len() <= 16);
    format!("{prefix}{name}")
}

/// How many last digits of a number choose its context.
fn spread(count: usize) -> usize {
    if count <= 20_000 { 2 } else { 3 }
}

/// The last digits of a number.
fn tail(number: &str, digits: usize) -> &str {
    &number[number.len().saturating_sub(digits)..]
}

struct Writer<'w> {
    file: ConfigFile,
    catalog: &'w Catalog,
    secrets: &'w Secrets,
    graph: &'w CallGraph,
    /// Last digits that choose an extension's context, and a DID's.
    extension_digits: usize,
    did_digits: usize,
    /// Whether some queue serves some callers before others.
    serves_first: bool,
    /// Steps that a call may come back to.
    circles: BTreeSet<&'w NodeId>,
    /// Caller patterns, each in a context of its own that `DIALPLAN_EXISTS` asks.
    caller_patterns: BTreeMap<Pattern, String>,
}

pub(super) fn render(catalog: &Catalog, graph: &CallGraph, secrets: &Secrets) -> ConfigFile {
    let mut caller_patterns = BTreeMap::new();
    for node in graph.nodes.values() {
        let vip = match &node.step {
            Step::Queue { vip, .. } => vip.as_slice(),
            _ => &[],
        };
        let asked = node.ways().filter_map(|edge| match &edge.when {
            When::Caller(caller) | When::Value(caller) => Some(caller),
            _ => None,
        });
        for caller in asked.chain(vip.iter().map(|(caller, _)| caller)) {
            if let Caller::Pattern(pattern) = caller {
                let hash = pattern.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                    (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
                });
                caller_patterns.insert(pattern.clone(), format!("pbx-caller-{hash:016x}"));
            }
        }
    }
    let counts = |node: &pbx_routing::Node| {
        matches!(node.step, Step::Queue { .. } | Step::RingMembers { .. } | Step::RingTogether { .. })
    };
    let mut writer = Writer {
        serves_first: catalog.queues.values().any(|object| !object.spec.vip.is_empty()),
        circles: if graph.nodes.values().any(counts) { pbx_routing::circles(graph) } else { BTreeSet::new() },
        file: ConfigFile::new(super::about("extensions.conf")),
        catalog,
        secrets,
        graph,
        extension_digits: spread(catalog.extensions.len()),
        did_digits: spread(catalog.dids.len()),
        caller_patterns,
    };
    writer.classes();
    writer.routes();
    writer.carriers();
    writer.schedules();
    writer.by_hours();
    writer.filters();
    writer.callers();
    writer.dids();
    writer.extensions();
    writer.groups();
    writer.trees();
    writer.queues();
    writer.menus();
    writer.boxes();
    writer.rooms();
    writer.externals();
    writer.shared();
    writer.hints();
    writer.file
}

fn object(kind: Kind, name: &Name) -> ObjectRef {
    ObjectRef::new(kind, name.clone())
}

/// Counts what a call has tried: calls that are sent round in circles of telephones that are busy or away would keep Asterisk busy
/// without end. Telephones count always, for their owners forward calls to anywhere; groups, levels of trees and queues count where the
/// graph leads back to them, once, however many of their members are tried. `MSet` takes it beside what else is to be set, for each step costs a call its time.
const PASS: &str = "PBX_PASSES=$[0${PBX_PASSES} + 1]";

/// The end of a call that went round in circles, behind [`PASS`].
const PASSED: &str = "GotoIf($[${PBX_PASSES} > 100]?pbx-hangup,congestion,1)";

/// Where Asterisk finds a file of audio, in the format that a call needs least work for.
fn audio(file: &Audio) -> String {
    format!("${{ASTETCDIR}}/pbx.d/audio/{}", file.content().unwrap_or("unresolved"))
}

/// What is played, as `Playback` and its like take it.
fn sound(heard: &Heard) -> String {
    match (&heard.prompt, &heard.audio) {
        (_, Some(file)) => audio(file),
        (Prompt::Sound(name), None) => name.to_string(),
        (Prompt::Announcement(name), None) => name.to_string(),
    }
}

impl Writer<'_> {
    /// The first steps of a node that calls may come back to; beside them is set what else there is to set.
    fn counted(&self, id: &NodeId, more: &[&str]) -> Vec<String> {
        let circle = self.circles.contains(id);
        let set: Vec<&str> = Some(PASS).filter(|_| circle).into_iter().chain(more.iter().copied()).collect();
        let mut steps = Vec::new();
        if !set.is_empty() {
            steps.push(format!("MSet({})", set.join(",")));
        }
        if circle {
            steps.push(PASSED.to_owned());
        }
        steps
    }

    /// Where a `Goto` finds a step: context, extension, priority.
    fn target(&self, id: &NodeId) -> String {
        match id {
            NodeId::Did(name) => format!("pbx-did-{},{},1", tail(name.digits(), self.did_digits), name.digits()),
            NodeId::To(Destination::Extension(name)) => {
                format!("pbx-extension-{},{name},1", tail(name.as_str(), self.extension_digits))
            }
            NodeId::To(Destination::Group(name)) => format!("{},s,1", hashed_name("pbx-group-", name)),
            NodeId::To(Destination::Queue(name)) => format!("{},s,1", hashed_name("pbx-queue-", name)),
            NodeId::To(Destination::Tree(name)) => format!("{},s,1", hashed_name("pbx-tree-", name)),
            NodeId::Branch(tree, branches) => format!("{},{},1", hashed_name("pbx-tree-", tree), branches.join(".")),
            NodeId::To(Destination::Ivr(name)) => format!("{},s,1", hashed_name("pbx-ivr-", name)),
            NodeId::Menu(menu, node) => format!("{},{},1", hashed_name("pbx-ivr-", menu), word(node)),
            NodeId::To(Destination::Announcement(name)) => format!("{},s,1", hashed_name("pbx-say-", name)),
            NodeId::To(Destination::Schedule(name)) => format!("{},s,1", hashed_name("pbx-at-", name)),
            NodeId::To(Destination::Conference(name)) => format!("{},s,1", hashed_name("pbx-room-", name)),
            NodeId::To(Destination::Parking(name)) => format!("{},s,1", hashed_name("pbx-park-", name)),
            NodeId::To(Destination::Voicemail(name)) => format!("pbx-voicemail,{},1", word(name)),
            NodeId::To(Destination::External(number)) => format!("pbx-external,{number},1"),
            NodeId::To(Destination::Hangup(how)) => format!("pbx-hangup,{},1", how_word(*how)),
        }
    }

    /// What telephones dial into, a context for each class of service.
    fn classes(&mut self) {
        let parks = self.parks();
        for class in self.graph.outbound.classes.values() {
            let name = &class.name;
            let digits = self.extension_digits;
            self.file.mark(None);
            self.file.context(&class_context(name));
            self.file.exten(
                ANY,
                &[
                    "Set(PBX_NUMBER=${FILTER(0-9*#+,${EXTEN})})".into(),
                    // A member has transferred the caller.
                    "GosubIf($[\"${PBX_PREFIXED}\"=\"yes\"]?pbx-bare,s,1)".into(),
                    "GosubIf($[\"${PBX_RECORD}\"=\"always\"]?pbx-record,s,1)".into(),
                    format!("Set(PBX_TOUCH=${{IF($[\"${{PBX_RECORD}}\"=\"onDemand\"]?X)}}{})", if parks { "K" } else { "" }),
                    // Whoever has come by no carrier is known by the telephone.
                    "ExecIf($[\"${PBX_CARRIER}\"=\"\"]?Set(PBX_CALLER=${CHANNEL(endpoint)}))".into(),
                    format!(
                        "GotoIf(${{DIALPLAN_EXISTS(pbx-extension-${{PBX_NUMBER:-{digits}}},${{PBX_NUMBER}},1)}}?pbx-extension-${{PBX_NUMBER:-{digits}}},${{PBX_NUMBER}},1)"
                    ),
                    "GotoIf(${DIALPLAN_EXISTS(pbx-number,${PBX_NUMBER},1)}?pbx-number,${PBX_NUMBER},1)".into(),
                    format!("Goto(pbx-out-{name},${{PBX_NUMBER}},1)"),
                ],
            );
            // Asterisk knows the number that parks calls by its first step: whoever transfers a call there hears the slot.
            for (lot, object) in self.catalog.parking.iter().filter(|(_, object)| object.spec.enabled) {
                let steps = [format!("Park({lot})"), "Hangup()".into()];
                self.file.node(format_args!("parking/{lot}"), object.spec.number.as_str(), &steps);
            }
            self.file.context(&format!("pbx-out-{name}"));
            // In the routes' order, those it may not use refuse their numbers right there: a wider pattern of a later route must not
            // carry what an earlier one forbids.
            for (route, _) in &self.graph.outbound.routes {
                let prefix = if class.routes.contains(route) { "pbx-match-" } else { "pbx-deny-" };
                self.file.line(format_args!("include => {}", hashed_name(prefix, route)));
            }
            self.file.line(format_args!("include => {UNKNOWN}"));
        }
        self.numbers();
        self.file.context(UNKNOWN);
        self.file.exten(ANY, &["Goto(pbx-hangup,unknown,1)".into()]);
    }
}

impl Writer<'_> {
    /// Whether calls can be parked.
    fn parks(&self) -> bool {
        self.catalog.parking.values().any(|object| object.spec.enabled)
    }

    /// Leaves a step by the first way that is open: by who calls, whom a filter denies, which schedule is closed.
    fn decide(&self, edges: &[Edge]) -> Vec<String> {
        let mut steps: Vec<String> = Vec::new();
        for edge in edges {
            let target = self.target(&edge.to);
            match &edge.when {
                When::Caller(caller) => {
                    steps.push(format!("GotoIf({}?{target})", self.condition("PBX_CALLER", caller)));
                }
                When::Denied(filter) => {
                    steps.push(format!("Gosub({},s,1)", hashed_name("pbx-filter-", filter)));
                    steps.push(format!("GotoIf($[\"${{GOSUB_RETVAL}}\"=\"denied\"]?{target})"));
                }
                When::Closed(schedule) => {
                    steps.push(format!("Gosub({},s,1)", hashed_name("pbx-schedule-", schedule)));
                    steps.push(format!("GotoIf($[\"${{GOSUB_RETVAL}}\"=\"closed\"]?{target})"));
                }
                _ => otherwise(&mut steps, &target),
            }
        }
        steps
    }
}

/// Goes on at a target where no condition has led elsewhere: as the other way of the last one, if there is one.
fn otherwise(steps: &mut Vec<String>, target: &str) {
    let open = |step: &String| {
        step.starts_with("GotoIf(") && step.rsplit_once('?').is_some_and(|(_, targets)| !targets.contains(':'))
    };
    match steps.last_mut().filter(|last| open(last)) {
        Some(last) => {
            last.pop();
            *last = format!("{last}:{target})");
        }
        None => steps.push(format!("Goto({target})")),
    }
}

fn how_word(how: pbx_manifest::Hangup) -> &'static str {
    match how {
        pbx_manifest::Hangup::Normal => "normal",
        pbx_manifest::Hangup::Busy => "busy",
        pbx_manifest::Hangup::Congestion => "congestion",
    }
}
