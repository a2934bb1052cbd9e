//! `extensions.conf`: the dialplan, written from the call graph.
//!
//! Every step of the graph is an extension of its own that first says its name into `PBX_NODE`. Numbers are spread over contexts
//! by their last digits, because Asterisk's reload takes time by the square of a context's extensions: 10,000 in one context take
//! 0.8 s, in 100 contexts 0.04 s.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use md5::{Digest as _, Md5};
use pbx_manifest::kinds::{OutboundRoute, Recording, Schedule, Strategy};
use pbx_manifest::{Caller, Catalog, Destination, Kind, Name, ObjectRef, Pattern};
use pbx_routing::{CallGraph, Dialled, Edge, Node, NodeId, Service, Step, When};

use super::file::{ConfigFile, escape};
use super::pjsip::{carrier_id, carrier_uri, contact_user};
use super::voicemail;

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

/// A name as an extension's: Asterisk takes no notice of hyphens there, and `a-b` would be `ab`.
fn word(name: &Name) -> String {
    name.as_str().replace('-', "_")
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
    graph: &'w CallGraph,
    /// Last digits that choose an extension's context, and a DID's.
    extension_digits: usize,
    did_digits: usize,
    /// Caller patterns, each in a context of its own that `DIALPLAN_EXISTS` asks.
    caller_patterns: BTreeMap<Pattern, String>,
}

pub(super) fn render(catalog: &Catalog, graph: &CallGraph) -> ConfigFile {
    let mut caller_patterns = BTreeMap::new();
    for node in graph.nodes.values() {
        for edge in &node.edges {
            if let When::Caller(Caller::Pattern(pattern)) = &edge.when {
                let hash = pattern.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                    (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
                });
                caller_patterns.insert(pattern.clone(), format!("pbx-caller-{hash:016x}"));
            }
        }
    }
    let mut writer = Writer {
        file: ConfigFile::new(super::about("extensions.conf")),
        catalog,
        graph,
        extension_digits: spread(catalog.extensions.len()),
        did_digits: spread(catalog.dids.len()),
        caller_patterns,
    };
    writer.classes();
    writer.routes();
    writer.carriers();
    writer.schedules();
    writer.callers();
    writer.dids();
    writer.extensions();
    writer.groups();
    writer.externals();
    writer.shared();
    writer.hints();
    writer.file
}

fn object(kind: Kind, name: &Name) -> ObjectRef {
    ObjectRef::new(kind, name.clone())
}

/// The first step of every node: the channel says where it is.
fn enter(id: &impl std::fmt::Display) -> String {
    format!("Set(PBX_NODE={id})")
}

impl Writer<'_> {
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
            NodeId::To(Destination::Announcement(name)) => format!("pbx-announcement,{},1", word(name)),
            NodeId::To(Destination::Schedule(name)) => format!("pbx-at,{},1", word(name)),
            NodeId::To(Destination::Conference(name)) => format!("pbx-conference,{name},1"),
            NodeId::To(Destination::Parking(name)) => format!("pbx-park,{},1", word(name)),
            NodeId::To(Destination::Voicemail(name)) => format!("pbx-voicemail,{},1", word(name)),
            NodeId::To(Destination::External(number)) => format!("pbx-external,{number},1"),
            NodeId::To(Destination::Hangup(how)) => format!("pbx-hangup,{},1", how_word(*how)),
        }
    }

    /// What telephones dial into, a context for each class of service.
    fn classes(&mut self) {
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
                    "Set(PBX_TOUCH=${IF($[\"${PBX_RECORD}\"=\"onDemand\"]?X)})".into(),
                    format!(
                        "GotoIf(${{DIALPLAN_EXISTS(pbx-extension-${{PBX_NUMBER:-{digits}}},${{PBX_NUMBER}},1)}}?pbx-extension-${{PBX_NUMBER:-{digits}}},${{PBX_NUMBER}},1)"
                    ),
                    "GotoIf(${DIALPLAN_EXISTS(pbx-number,${PBX_NUMBER},1)}?pbx-number,${PBX_NUMBER},1)".into(),
                    format!("Goto(pbx-out-{name},${{PBX_NUMBER}},1)"),
                ],
            );
            self.file.context(&format!("pbx-out-{name}"));
            // In the routes' order, those it may not use refuse their numbers right there: a wider pattern of a later route must not
            // carry what an earlier one forbids.
            for (route, _) in &self.graph.outbound.routes {
                let prefix = if class.routes.contains(route) { "pbx-match-" } else { "pbx-deny-" };
                self.file.line(format_args!("include => {}", hashed_name(prefix, route)));
            }
            self.file.line(format_args!("include => {UNKNOWN}"));
        }
        self.file.mark(None);
        self.file.context("pbx-number");
        for (number, dialled) in &self.graph.numbers {
            let step = match dialled {
                Dialled::Node(id) => vec![format!("Goto({})", self.target(id))],
                Dialled::Service(Service::Voicemail) => vec![
                    "Set(PBX_NODE=voicemail)".into(),
                    "Answer()".into(),
                    format!("VoiceMailMain(${{FILTER(0-9,${{CHANNEL(endpoint)}})}}@{})", voicemail::CONTEXT),
                    "Hangup()".into(),
                ],
                Dialled::Service(Service::EchoTest) => {
                    vec!["Set(PBX_NODE=echo)".into(), "Answer()".into(), "Echo()".into(), "Hangup()".into()]
                }
                _ => continue,
            };
            self.file.exten(number, &step);
        }
        self.file.context(UNKNOWN);
        self.file.exten(ANY, &["Goto(pbx-hangup,unknown,1)".into()]);
    }

    fn routes(&mut self) {
        for (name, route) in &self.graph.outbound.routes {
            self.file.mark(Some(object(Kind::OutboundRoute, name)));
            let context = hashed_name("pbx-route-", name);
            // Included contexts are searched in order, so the order of routes is theirs; one priority alone, because Asterisk
            // looks up each priority anew and would mix the routes' steps.
            self.file.context(&hashed_name("pbx-match-", name));
            for pattern in &route.patterns {
                self.file.exten(pattern.as_str(), &[format!("Goto({context},${{EXTEN}},1)")]);
            }
            if !route.emergency {
                self.file.context(&hashed_name("pbx-deny-", name));
                for pattern in &route.patterns {
                    self.file.exten(pattern.as_str(), &["Goto(pbx-hangup,forbidden,1)".into()]);
                }
            }
            self.file.context(&context);
            let number = sent_number(route, "${EXTEN}");
            let mut steps = vec![format!("Set(PBX_NODE=route/{name})")];
            steps.extend(tries(route.carriers.iter().map(|carrier| (carrier, number.as_str(), route.emergency))));
            self.file.exten(ANY, &steps);
        }
    }

    fn carriers(&mut self) {
        for (name, entry) in self.catalog.carriers.iter().filter(|(_, entry)| entry.spec.enabled) {
            self.file.mark(Some(object(Kind::Carrier, name)));
            if entry.spec.direction.inbound() {
                self.inbound_carrier(name);
            }
            if entry.spec.direction.outbound() {
                self.outbound_carrier(name);
            }
        }
    }

    /// Calls that come in by a carrier.
    fn inbound_carrier(&mut self, name: &Name) {
        let carrier = &self.catalog.carriers[name].spec;
        self.file.context(&carrier_context(name));
        // Calls to a registered account may be sent to its contact; the number that was called then stands in `To` alone.
        // Without one there the call is for the account itself, which may be a number.
        let user = carrier.registers().map(contact_user);
        let numbers = hashed_name("pbx-in-", name);
        if let Some(user) = user {
            let digits = user.trim_start_matches('+');
            let own = digits.bytes().all(|b| b.is_ascii_digit());
            self.file.exten(
                user,
                &[
                    "Set(PBX_TO=${PJSIP_HEADER(read,To)})".into(),
                    "Set(PBX_TO=${CUT(PBX_TO,@,1)})".into(),
                    "Set(PBX_TO=${FILTER(0-9+,${CUT(PBX_TO,:,2)})})".into(),
                    format!("GotoIf($[\"${{PBX_TO}}\"!=\"\"]?{numbers},${{PBX_TO}},1)"),
                    if own { format!("Goto({numbers},{digits},1)") } else { "Goto(pbx-hangup,unknown,1)".into() },
                ],
            );
        }
        self.file.line(format_args!("include => {numbers}"));
        self.file.context(&numbers);
        let rewrite = |rule: &pbx_manifest::kinds::Rewrite, value: &str| {
            let prepend = rule.prepend.as_str().trim_start_matches('+');
            if rule.strip == 0 {
                format!("{prepend}${{{value}}}")
            } else {
                format!("{prepend}${{{value}:{}}}", rule.strip)
            }
        };
        let mut steps = vec![
            format!("Set(PBX_CARRIER={name})"),
            "Set(PBX_NUMBER=${FILTER(0-9,${EXTEN})})".into(),
            "Set(PBX_CALLER=${FILTER(0-9,${CALLERID(num)})})".into(),
            // A caller who withholds the number is anonymous, even where the network knows better.
            "ExecIf($[\"${CALLERID(num-pres):0:6}\"=\"prohib\"]?Set(PBX_CALLER=))".into(),
        ];
        let inbound = &carrier.inbound;
        if inbound.number != pbx_manifest::kinds::Rewrite::default() {
            steps.push(format!("Set(PBX_NUMBER={})", rewrite(&inbound.number, "PBX_NUMBER")));
        }
        if inbound.caller != pbx_manifest::kinds::Rewrite::default() {
            steps.push(format!(
                "ExecIf($[\"${{PBX_CALLER}}\"!=\"\"]?Set(PBX_CALLER={}))",
                rewrite(&inbound.caller, "PBX_CALLER")
            ));
        }
        steps.push(format!("Set(GROUP(pbx-in)={name})"));
        if let Some(most) = carrier.max_channels {
            steps.push(format!("GotoIf($[{} > {most}]?pbx-hangup,congestion,1)", in_use(name)));
        }
        let digits = self.did_digits;
        steps.push(format!(
            "GotoIf(${{DIALPLAN_EXISTS(pbx-did-${{PBX_NUMBER:-{digits}}},${{PBX_NUMBER}},1)}}?pbx-did-${{PBX_NUMBER:-{digits}}},${{PBX_NUMBER}},1)"
        ));
        steps.push("Goto(pbx-hangup,unknown,1)".into());
        self.file.exten("_[0-9+]!", &steps);
    }

    /// Calls that go out by a carrier: `Gosub(…,s,1(number,emergency))` returns when the next carrier may be tried, with why in
    /// `PBX_STATUS`.
    fn outbound_carrier(&mut self, name: &Name) {
        let carrier = &self.catalog.carriers[name].spec;
        let id = carrier_id(name);
        self.file.context(&hashed_name("pbx-to-", name));
        let mut steps = vec![format!("Set(PBX_NODE=carrier/{name})"), format!("Set(GROUP(pbx-out)={name})")];
        if let Some(most) = carrier.max_channels {
            steps.push(format!("GotoIf($[\"${{ARG2}}\"!=\"yes\" & {} > {most}]?full)", in_use(name)));
        }
        // What the extension shows outside; else what the carrier shows for everyone, and never what a carrier before it has shown.
        steps.push("Gosub(pbx-own,s,1)".into());
        if let Some(number) = &carrier.caller_id.number {
            steps
                .push(format!("Set(CALLERID(num)=${{IF($[\"${{PBX_CALLERID}}\"!=\"\"]?${{PBX_CALLERID}}:{number})}})"));
        } else {
            steps.push("ExecIf($[\"${PBX_CALLERID}\"!=\"\"]?Set(CALLERID(num)=${PBX_CALLERID}))".into());
        }
        if let Some(shown) = &carrier.caller_id.name {
            steps.push(format!("Set(CALLERID(name)={shown})"));
        }
        let longest = self.catalog.settings().max_call_duration.seconds();
        steps.push(format!("Set(PBX_LIMIT=${{IF($[\"${{ARG2}}\"=\"yes\"]?:S({longest}))}})"));
        for (at, host) in carrier.targets().iter().enumerate() {
            // A host that did not answer when it was asked would hold the caller in silence for 32 s: it is passed over, and called
            // only when nobody else took the call, for it may be one that never answers such questions.
            if carrier.qualify.seconds() > 0 {
                let contact =
                    Md5::digest(carrier_uri(carrier, "", host)).iter().fold(String::new(), |mut hex, byte| {
                        let _ = write!(hex, "{byte:02x}");
                        hex
                    });
                steps.push(format!(
                    "Set(PBX_GONE=${{IF($[\"${{PJSIP_CONTACT({id}@@{contact},status)}}\"=\"Unreachable\"]?yes)}})"
                ));
                steps.push(format!("GotoIf($[\"${{PBX_GONE}}\"=\"${{PBX_INSIST}}\"]?call{at})"));
                steps.push("Set(PBX_PASSED=yes)".into());
                steps.push(format!("Goto(next{at})"));
            } else {
                steps.push(format!("GotoIf($[\"${{PBX_INSIST}}\"=\"yes\"]?next{at})"));
            }
            // What an earlier one has said must not be taken for what this one says.
            steps.push(format!("(call{at})HangupCauseClear()"));
            steps.push(format!(
                "Dial(PJSIP/{id}/{},180,${{PBX_LIMIT}}${{PBX_TOUCH}})",
                carrier_uri(carrier, "${ARG1}", host)
            ));
            steps.push("Set(PBX_STATUS=${DIALSTATUS})".into());
            steps.push("GotoIf($[\"${PBX_STATUS}\"!=\"CHANUNAVAIL\" & \"${PBX_STATUS}\"!=\"CONGESTION\"]?done)".into());
            steps.push("Gosub(pbx-global,s,1)".into());
            steps.push("GotoIf($[\"${GOSUB_RETVAL}\"=\"yes\"]?done)".into());
            steps.push(format!("(next{at})NoOp()"));
        }
        steps.push("Return()".into());
        self.file.exten("s", &steps);
        self.file.line(" same => n(full),Set(PBX_STATUS=CONGESTION)");
        self.file.line(" same => n(done),Return()");
    }

    fn schedules(&mut self) {
        for (name, entry) in self.catalog.schedules.iter().filter(|(_, entry)| entry.spec.enabled) {
            self.file.mark(Some(object(Kind::Schedule, name)));
            self.file.context(&hashed_name("pbx-schedule-", name));
            self.schedule(&entry.spec);
        }
    }

    /// `Gosub(…,s,1)` returns `open` or `closed`.
    fn schedule(&mut self, schedule: &Schedule) {
        let settings = self.catalog.settings();
        let zone = schedule.time_zone.as_ref().unwrap_or(&settings.time_zone);
        let mut steps = Vec::new();
        if !schedule.closed.is_empty() {
            steps.push(format!("Set(LOCAL(today)=${{STRFTIME(,{zone},%Y-%m-%d)}})"));
            for day in &schedule.closed {
                steps.extend(day.date.map(|date| format!("GotoIf($[\"${{today}}\"=\"{date}\"]?closed)")));
                // Without the year.
                steps.extend(day.yearly.map(|day| format!("GotoIf($[\"${{today:5}}\"=\"{day}\"]?closed)")));
            }
        }
        for open in &schedule.open {
            for (first, last) in open.days.runs() {
                let days = if first == last { first.to_owned() } else { format!("{first}-{last}") };
                for hours in &open.hours {
                    // Asterisk's ranges hold their last minute too.
                    let last = hours.until - 1;
                    let times =
                        format!("{:02}:{:02}-{:02}:{:02}", hours.from / 60, hours.from % 60, last / 60, last % 60);
                    steps.push(format!("GotoIfTime({times},{days},*,*,{zone}?open)"));
                }
            }
        }
        if steps.is_empty() {
            steps.push("NoOp()".into());
        }
        self.file.exten("s", &steps);
        self.file.line(" same => n(closed),Return(closed)");
        self.file.line(" same => n(open),Return(open)");
    }

    fn callers(&mut self) {
        self.file.mark(None);
        for (pattern, context) in &self.caller_patterns {
            self.file.context(context);
            self.file.exten(pattern.as_str(), &["Return()".into()]);
        }
    }

    /// The condition of a caller rule, about `PBX_CALLER`: digits only, empty for an anonymous caller.
    fn caller_condition(&self, caller: &Caller) -> String {
        match caller {
            Caller::Anonymous => "$[\"${PBX_CALLER}\"=\"\"]".into(),
            Caller::Number(number) => format!("$[\"${{PBX_CALLER}}\"=\"{}\"]", number.digits()),
            Caller::Prefix(number) => {
                format!("$[\"${{PBX_CALLER:0:{}}}\"=\"{}\"]", number.digits().len(), number.digits())
            }
            Caller::Pattern(pattern) => {
                format!(
                    "$[\"${{PBX_CALLER}}\"!=\"\" & ${{DIALPLAN_EXISTS({},${{PBX_CALLER}},1)}}]",
                    self.caller_patterns[pattern]
                )
            }
        }
    }

    fn dids(&mut self) {
        let mut contexts: BTreeMap<&str, Vec<(&Name, &Node)>> = BTreeMap::new();
        for (id, node) in &self.graph.nodes {
            if let NodeId::Did(name) = id {
                contexts.entry(tail(name.digits(), self.did_digits)).or_default().push((name, node));
            }
        }
        for (digits, entries) in contexts {
            self.file.mark(None);
            self.file.context(&format!("pbx-did-{digits}"));
            for (name, node) in entries {
                let mut steps = vec![format!("Set(PBX_NODE=did/{name})")];
                if let Step::Inbound { carrier: Some(carrier) } = &node.step {
                    steps.push(format!("GotoIf($[\"${{PBX_CARRIER}}\"!=\"{carrier}\"]?pbx-hangup,unknown,1)"));
                }
                for edge in &node.edges {
                    let target = self.target(&edge.to);
                    match &edge.when {
                        When::Caller(caller) => {
                            steps.push(format!("GotoIf({}?{target})", self.caller_condition(caller)));
                        }
                        When::Closed(schedule) => {
                            steps.push(format!("Gosub({},s,1)", hashed_name("pbx-schedule-", schedule)));
                            steps.push(format!("GotoIf($[\"${{GOSUB_RETVAL}}\"=\"closed\"]?{target})"));
                        }
                        _ => steps.push(format!("Goto({target})")),
                    }
                }
                self.file.mark(Some(object(Kind::Did, name)));
                self.file.exten(name.digits(), &steps);
            }
        }
    }

    fn extensions(&mut self) {
        let mut contexts: BTreeMap<&str, Vec<(&Name, &NodeId, &Node)>> = BTreeMap::new();
        for (id, node) in &self.graph.nodes {
            if let NodeId::To(Destination::Extension(name)) = id {
                contexts.entry(tail(name.as_str(), self.extension_digits)).or_default().push((name, id, node));
            }
        }
        for (digits, entries) in contexts {
            self.file.mark(None);
            self.file.context(&format!("pbx-extension-{digits}"));
            for (name, id, node) in entries {
                let mut steps = vec![enter(id)];
                if node.step == Step::Unknown {
                    steps.push("Goto(pbx-hangup,unknown,1)".into());
                }
                if let Step::Ring { timeout, record } = &node.step {
                    steps.push(format!("Gosub(pbx-ring,s,1({name},{},{}))", timeout.seconds(), record_word(*record)));
                }
                steps.extend(self.exits(&node.edges));
                self.file.mark(Some(object(Kind::Extension, name)));
                self.file.exten(name.as_str(), &steps);
            }
        }
    }

    /// The ways out of ringing, by `PBX_STATUS`. Where all lead to the same step, one `Goto` says it.
    fn exits(&self, edges: &[Edge]) -> Vec<String> {
        let targets: Vec<String> = edges.iter().map(|edge| self.target(&edge.to)).collect();
        let plain = ["pbx-hangup,busy,1", "pbx-hangup,normal,1", "pbx-hangup,congestion,1"];
        if edges.len() == 3 && targets == plain {
            return vec!["Goto(pbx-hangup,${PBX_STATUS},1)".into()];
        }
        if let Some(first) = targets.first().filter(|first| targets.iter().all(|target| target == *first)) {
            return vec![format!("Goto({first})")];
        }
        let mut steps = Vec::new();
        for (edge, target) in edges.iter().zip(&targets) {
            match edge.when {
                When::Busy => steps.push(format!("GotoIf($[\"${{PBX_STATUS}}\"=\"BUSY\"]?{target})")),
                When::NoAnswer => steps.push(format!("GotoIf($[\"${{PBX_STATUS}}\"=\"NOANSWER\"]?{target})")),
                _ => steps.push(format!("Goto({target})")),
            }
        }
        steps
    }

    fn groups(&mut self) {
        for (id, node) in &self.graph.nodes {
            let NodeId::To(Destination::Group(name)) = id else { continue };
            self.file.mark(Some(object(Kind::ExtensionGroup, name)));
            let context = hashed_name("pbx-group-", name);
            self.file.context(&context);
            let last = node.edges.first().map_or("pbx-hangup,normal,1".into(), |edge| self.target(&edge.to));
            let mut steps = vec![enter(id)];
            let Step::RingMembers { strategy, members, timeout, prefix } = &node.step else {
                steps.push(format!("Goto({last})"));
                self.file.exten("s", &steps);
                continue;
            };
            let seconds = timeout.seconds();
            let mut leave = Vec::new();
            if let Some(prefix) = prefix {
                steps.push("Set(PBX_BARE_NAME=${CALLERID(name)})".into());
                steps.push("Set(PBX_BARE_NAME_VALID=${CALLERID(name-valid)})".into());
                steps.push("Set(PBX_PREFIXED=yes)".into());
                leave.push("Gosub(pbx-bare,s,1)".to_owned());
                // A caller without a name is shown by number behind it.
                steps.push(format!(
                    "Set(CALLERID(name)={prefix}: ${{IF($[${{LEN(${{CALLERID(name)}})}}=0]?${{CALLERID(num)}}:${{CALLERID(name)}})}})"
                ));
            }
            leave.push(format!("Goto({last})"));
            let together = |members: &[Name]| {
                let names = members.iter().map(ToString::to_string).collect::<Vec<_>>().join("&");
                format!("Gosub(pbx-ring-many,s,1({names},{seconds}))")
            };
            match strategy {
                Strategy::RingAll => steps.push(together(members)),
                Strategy::Hunt => steps.extend(members.iter().map(|member| together(std::slice::from_ref(member)))),
                Strategy::MemoryHunt => steps.extend((1..=members.len()).map(|count| together(&members[..count]))),
                Strategy::RoundRobin => {
                    // Who is first moves on with each call; calls that come at once may share a first. The channel's own variables, for
                    // local ones live inside of a Gosub alone.
                    let count = members.len();
                    steps
                        .push(format!("Set(PBX_TURN=$[(0${{PBX_TURN_{name}}} + 0) % {count}])", name = variable(name)));
                    steps.push(format!(
                        "Set(GLOBAL(PBX_TURN_{name})=$[(${{PBX_TURN}} + 1) % {count}])",
                        name = variable(name)
                    ));
                    steps.push("Set(PBX_LEFT=0)".into());
                }
            }
            if *strategy == Strategy::RoundRobin {
                self.file.exten("s", &steps);
                self.file.line(format_args!(" same => n(next),Gosub({context},m${{PBX_TURN}},1)"));
                self.file.line(format_args!(" same => n,Set(PBX_TURN=$[(${{PBX_TURN}} + 1) % {}])", members.len()));
                self.file.line(" same => n,Set(PBX_LEFT=$[${PBX_LEFT} + 1])");
                self.file.line(format_args!(" same => n,GotoIf($[${{PBX_LEFT}} < {}]?next)", members.len()));
                for step in &leave {
                    self.file.line(format_args!(" same => n,{step}"));
                }
                for (at, member) in members.iter().enumerate() {
                    self.file.exten(&format!("m{at}"), &[together(std::slice::from_ref(member)), "Return()".into()]);
                }
            } else {
                steps.extend(leave);
                self.file.exten("s", &steps);
            }
        }
    }

    /// Numbers outside that manifests send calls to.
    fn externals(&mut self) {
        self.file.mark(None);
        self.file.context("pbx-external");
        for (id, node) in &self.graph.nodes {
            let (NodeId::To(Destination::External(number)), Step::External { tries: list }) = (id, &node.step) else {
                continue;
            };
            let mut steps = vec![enter(id)];
            steps.extend(tries(list.iter().map(|next| (&next.carrier, next.number.as_str(), next.emergency))));
            self.file.exten(number.as_str(), &steps);
        }
    }

    /// What every system has: ringing, recording, messages, ends.
    fn shared(&mut self) {
        let file = &mut self.file;
        file.mark(None);
        // Gosub(pbx-contacts,s,1(extension)): returns its telephones as `Dial` takes them. A telephone chooses its own contact, so
        // only letters that separate nothing are let through: `&` or `,` in it would dial for somebody else.
        file.context("pbx-contacts");
        file.exten("s", &["Set(LOCAL(ids)=${PJSIP_AOR(${ARG1},contact)})".into(), "Set(LOCAL(found)=)".into()]);
        file.line(" same => n(next),Set(LOCAL(id)=${SHIFT(ids)})");
        file.line(" same => n,GotoIf($[\"${id}\"=\"\"]?done)");
        file.line(format_args!(
            " same => n,Set(LOCAL(uri)=${{FILTER({},${{PJSIP_CONTACT(${{id}},uri)}})}})",
            escape(CONTACT_LETTERS)
        ));
        file.line(" same => n,GotoIf($[\"${uri}\"=\"\"]?next)");
        file.line(" same => n,Set(LOCAL(found)=${found}${IF($[\"${found}\"=\"\"]?:&)}PJSIP/${ARG1}/${uri})");
        file.line(" same => n,Goto(next)");
        file.line(" same => n(done),Return(${found})");
        // Gosub(pbx-ring,s,1(extension,seconds,record)): rings all of its telephones; returns unless it was answered.
        file.context("pbx-ring");
        file.exten(
            "s",
            &[
                "Gosub(pbx-pass,s,1)".into(),
                "GotoIf($[\"${DEVICE_STATE(PJSIP/${ARG1})}\"=\"BUSY\"]?busy)".into(),
                "Gosub(pbx-contacts,s,1(${ARG1}))".into(),
                "Set(LOCAL(contacts)=${GOSUB_RETVAL})".into(),
                "GotoIf($[\"${contacts}\"=\"\"]?gone)".into(),
                "GosubIf($[\"${ARG3}\"=\"always\"]?pbx-record,s,1)".into(),
                "Set(LOCAL(touch)=${IF($[\"${ARG3}\"=\"onDemand\"]?x)})".into(),
                "Dial(${contacts},${ARG2},${touch}${PBX_TOUCH})".into(),
                "Set(PBX_STATUS=${DIALSTATUS})".into(),
                // A call that was declined (cause 21) found somebody, who was busy with something else.
                "ExecIf($[\"${PBX_STATUS}\"=\"CHANUNAVAIL\" & \"${HANGUPCAUSE}\"=\"21\"]?Set(PBX_STATUS=BUSY))".into(),
                "Return()".into(),
            ],
        );
        file.line(" same => n(busy),Set(PBX_STATUS=BUSY)");
        file.line(" same => n,Return()");
        file.line(" same => n(gone),Set(PBX_STATUS=CHANUNAVAIL)");
        file.line(" same => n,Return()");
        // Gosub(pbx-ring-many,s,1(extension&extension…,seconds)): rings those that are there and not busy.
        file.context("pbx-ring-many");
        file.exten(
            "s",
            &["Gosub(pbx-pass,s,1)".into(), "Set(LOCAL(members)=${ARG1})".into(), "Set(LOCAL(targets)=)".into()],
        );
        file.line(" same => n(next),Set(LOCAL(member)=${SHIFT(members,&)})");
        file.line(" same => n,GotoIf($[\"${member}\"=\"\"]?ring)");
        file.line(" same => n,GotoIf($[\"${DEVICE_STATE(PJSIP/${member})}\"=\"BUSY\"]?next)");
        file.line(" same => n,Gosub(pbx-contacts,s,1(${member}))");
        file.line(" same => n,GotoIf($[\"${GOSUB_RETVAL}\"=\"\"]?next)");
        // A variable holds 4095 bytes, and what is more is cut. Fifty telephones with long contacts are more; one that is named by its
        // number alone takes 21, and rings at one of its contacts.
        file.line(" same => n,Set(LOCAL(target)=${GOSUB_RETVAL})");
        file.line(
            " same => n,ExecIf($[${LEN(${targets})} + ${LEN(${target})} >= 3000]?Set(LOCAL(target)=PJSIP/${member}))",
        );
        file.line(" same => n,Set(LOCAL(targets)=${targets}${IF($[\"${targets}\"=\"\"]?:&)}${target})");
        file.line(" same => n,Goto(next)");
        file.line(" same => n(ring),GotoIf($[\"${targets}\"=\"\"]?gone)");
        // Whoever answers decides about the recording: who that is, nobody knows before.
        file.line(" same => n,Dial(${targets},${ARG2},xU(pbx-member^${PBX_RECORDING})${PBX_TOUCH})");
        file.line(" same => n,Set(PBX_STATUS=${DIALSTATUS})");
        file.line(" same => n,Return()");
        file.line(" same => n(gone),Set(PBX_STATUS=CHANUNAVAIL)");
        file.line(" same => n,Return()");
        // Gosub(pbx-member,s,1(recording)), on the channel of the member that answers: records the call by that member's own wish,
        // unless it is recorded already. `Dial` lets every member record on demand; those who may not have no code for it.
        file.context("pbx-member");
        file.exten(
            "s",
            &[
                "GosubIf($[\"${PBX_RECORD}\"=\"always\" & \"${ARG1}\"=\"\"]?pbx-record,s,1)".into(),
                "ExecIf($[\"${PBX_RECORD}\"!=\"onDemand\"]?Set(FEATUREMAP(automixmon)=))".into(),
                "Return()".into(),
            ],
        );
        // Gosub(pbx-pass,s,1): counts what a call has tried. Calls that are sent round in circles of telephones that are busy or away
        // would keep Asterisk busy without end.
        file.context("pbx-pass");
        file.exten(
            "s",
            &[
                "Set(PBX_PASSES=$[0${PBX_PASSES} + 1])".into(),
                "GotoIf($[${PBX_PASSES} > 100]?pbx-hangup,congestion,1)".into(),
                "Return()".into(),
            ],
        );
        // Gosub(pbx-bare,s,1): a call that leaves a group has its caller's own name again, without the group's prefix.
        file.context("pbx-bare");
        file.exten(
            "s",
            &[
                "Set(CALLERID(name)=${PBX_BARE_NAME})".into(),
                "Set(CALLERID(name-valid)=${PBX_BARE_NAME_VALID})".into(),
                "Set(PBX_PREFIXED=)".into(),
                "Return()".into(),
            ],
        );
        // Gosub(pbx-own,s,1): keeps who the caller is at a call's first carrier, and gives it back at every later one, for each carrier
        // shows a caller of its own. Whether there is a number or a name at all is kept too: an empty one is not none.
        file.context("pbx-own");
        file.exten(
            "s",
            &[
                "GotoIf($[\"${PBX_OWN}\"=\"kept\"]?back)".into(),
                "Set(PBX_OWN_NUMBER=${CALLERID(num)})".into(),
                "Set(PBX_OWN_NUMBER_VALID=${CALLERID(num-valid)})".into(),
                "Set(PBX_OWN_NAME=${CALLERID(name)})".into(),
                "Set(PBX_OWN_NAME_VALID=${CALLERID(name-valid)})".into(),
                "Set(PBX_OWN=kept)".into(),
                "Return()".into(),
            ],
        );
        file.line(" same => n(back),Set(CALLERID(num)=${PBX_OWN_NUMBER})");
        file.line(" same => n,Set(CALLERID(num-valid)=${PBX_OWN_NUMBER_VALID})");
        file.line(" same => n,Set(CALLERID(name)=${PBX_OWN_NAME})");
        file.line(" same => n,Set(CALLERID(name-valid)=${PBX_OWN_NAME_VALID})");
        file.line(" same => n,Return()");
        // Gosub(pbx-global,s,1): returns `yes` where the called has refused by a 6xx, which holds wherever else the number is called:
        // `PBX_STATUS` then says so. The cause alone does not tell: a carrier that refuses by 403 has the cause of a 603.
        file.context("pbx-global");
        file.exten("s", &["Set(LOCAL(channel)=${HANGUPCAUSE_KEYS()})".into()]);
        file.line(" same => n,Set(LOCAL(channel)=${SHIFT(channel)})");
        file.line(" same => n,GotoIf($[\"${channel}\"=\"\"]?no)");
        file.line(" same => n,Set(LOCAL(said)=${HANGUPCAUSE(${channel},tech)})");
        file.line(" same => n,GotoIf($[\"${said:0:5}\"=\"SIP 6\"]?yes)");
        file.line(" same => n(no),Return(no)");
        // 604, a number that exists nowhere, has the cause 1.
        file.line(" same => n(yes),Set(PBX_STATUS=${IF($[\"${HANGUPCAUSE}\"=\"1\"]?unknown:BUSY)})");
        file.line(" same => n,Return(yes)");
        // Where messages between telephones end: without a context of their own, Asterisk would send them through the dialplan of calls.
        file.context(MESSAGES);
        // Gosub(pbx-record,s,1): records the call from its answer on, once.
        file.context("pbx-record");
        file.exten(
            "s",
            &[
                "GotoIf($[\"${PBX_RECORDING}\"!=\"\"]?done)".into(),
                "Set(PBX_RECORDING=${STRFTIME(,UTC,%Y%m%d-%H%M%S)}-${FILTER(0-9.,${UNIQUEID})}.wav)".into(),
                "MixMonitor(pbx/${PBX_RECORDING},b)".into(),
            ],
        );
        file.line(" same => n(done),Return()");
        file.context("pbx-voicemail");
        file.exten(
            "_X!",
            &[
                "Set(PBX_NODE=voicemail/${EXTEN})".into(),
                format!("VoiceMail(${{EXTEN}}@{},${{IF($[\"${{PBX_STATUS}}\"=\"BUSY\"]?b:u)}})", voicemail::CONTEXT),
                "Hangup()".into(),
            ],
        );
        file.context("pbx-hangup");
        // Ends that a manifest names, and those that `DIALSTATUS` names; the cause decides what the caller is told: 17 busy, 19 no
        // answer, 1 unknown number, 21 forbidden, 20 not registered, 34 congestion.
        for (name, node, cause) in [
            ("normal", "hangup", 19),
            ("busy", "hangup/busy", 17),
            ("congestion", "hangup/congestion", 34),
            ("unknown", "unknown", 1),
            ("forbidden", "forbidden", 21),
            ("BUSY", "hangup/busy", 17),
            ("NOANSWER", "hangup", 19),
            ("CHANUNAVAIL", "hangup/congestion", 20),
            ("CONGESTION", "hangup/congestion", 34),
        ] {
            file.exten(name, &[enter(&node), format!("Hangup({cause})")]);
        }
        file.exten("_[A-Z]!", &["Hangup()".into()]);
    }

    /// One pattern for each length of number: literal hints cost Asterisk 20 s for 10,000, a pattern's are made when someone asks.
    fn hints(&mut self) {
        self.file.mark(None);
        self.file.context(HINTS);
        let mut lengths: Vec<usize> = self.catalog.extensions.keys().map(|name| name.as_str().len()).collect();
        lengths.sort_unstable();
        lengths.dedup();
        for length in lengths {
            self.file.line(format_args!("exten => _{},hint,PJSIP/${{EXTEN}}", "X".repeat(length)));
        }
    }
}

/// What a telephone's contact may be made of, as `FILTER` takes it: no separator of `Dial`, of options, or of expressions.
const CONTACT_LETTERS: &str = "A-Za-z0-9:;=@._~%+*[]\\x2D";

fn how_word(how: pbx_manifest::Hangup) -> &'static str {
    match how {
        pbx_manifest::Hangup::Normal => "normal",
        pbx_manifest::Hangup::Busy => "busy",
        pbx_manifest::Hangup::Congestion => "congestion",
    }
}

/// A name as part of a variable's.
fn variable(name: &Name) -> String {
    name.as_str().replace('-', "_")
}

/// The expression for how many calls a carrier has, both ways together.
fn in_use(name: &Name) -> String {
    format!("${{GROUP_COUNT({name}@pbx-in)}} + ${{GROUP_COUNT({name}@pbx-out)}}")
}

/// The number as a route's carriers get it, from the one that was dialled.
fn sent_number(route: &OutboundRoute, dialled: &str) -> String {
    let rest = if route.strip == 0 { dialled.to_owned() } else { dialled.replace('}', &format!(":{}}}", route.strip)) };
    format!("{}{rest}", route.prepend)
}

/// Tries carriers in order: the next one when a carrier is unreachable, full or refuses. A number that the last one does not know
/// either is told to the caller as that, by its cause: 1 not assigned, 22 changed, 28 incomplete.
fn tries<'t>(list: impl Iterator<Item = (&'t Name, &'t str, bool)>) -> Vec<String> {
    // Two rounds: the second calls hosts that the first has passed over.
    let mut steps: Vec<String> = vec!["Set(PBX_INSIST=)".into(), "Set(PBX_PASSED=)".into()];
    steps.push("(round)Set(PBX_STATUS=CHANUNAVAIL)".into());
    let ended =
        "GotoIf($[\"${PBX_STATUS}\"!=\"CHANUNAVAIL\" & \"${PBX_STATUS}\"!=\"CONGESTION\"]?pbx-hangup,${PBX_STATUS},1)";
    let mut insists = false;
    for (carrier, number, emergency) in list {
        let word = if emergency { "yes" } else { "no" };
        steps.push(format!("Gosub({},s,1({number},{word}))", hashed_name("pbx-to-", carrier)));
        // A call for help that is busy or refused here is made by the next carrier: it may reach another desk.
        if !emergency {
            steps.push(ended.into());
        }
        insists |= emergency;
    }
    steps.push("GotoIf($[\"${PBX_PASSED}\"=\"\" | \"${PBX_INSIST}\"=\"yes\"]?last)".into());
    steps.push("Set(PBX_INSIST=yes)".into());
    steps.push("Goto(round)".into());
    steps.push("(last)NoOp()".into());
    if insists {
        steps.push(ended.into());
    }
    steps.push("GotoIf($[\"${HANGUPCAUSE}\"=\"1\" | \"${HANGUPCAUSE}\"=\"22\" | \"${HANGUPCAUSE}\"=\"28\"]?pbx-hangup,unknown,1)".into());
    steps.push("Goto(pbx-hangup,CONGESTION,1)".into());
    steps
}
