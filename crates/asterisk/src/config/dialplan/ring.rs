//! What rings: extensions, groups, trees.

use std::collections::BTreeMap;

use pbx_manifest::kinds::Strategy;
use pbx_manifest::{Destination, Kind, Name};
use pbx_routing::{Edge, Node, NodeId, Step, When};

use super::{Writer, hashed_name, object, otherwise, record_word, tail};

impl Writer<'_> {
    pub(super) fn dids(&mut self) {
        let mut contexts: BTreeMap<&str, Vec<(&Name, &Node)>> = BTreeMap::new();
        for (id, node) in &self.graph.nodes {
            if let NodeId::Did(name) = id {
                contexts.entry(tail(name.digits(), self.did_digits)).or_default().push((name, node));
            }
        }
        let carriers = self.catalog.carriers.values().map(|object| &object.spec);
        let several = carriers.filter(|carrier| carrier.enabled && carrier.direction.inbound()).count() > 1;
        for (digits, entries) in contexts {
            self.file.mark(None);
            self.file.context(&format!("pbx-did-{digits}"));
            for (name, node) in entries {
                let mut steps = Vec::new();
                // Where calls come in by one carrier alone, they come by that one.
                if let Step::Inbound { carrier: Some(carrier) } = &node.step
                    && several
                {
                    steps.push(format!("GotoIf($[\"${{PBX_CARRIER}}\"!=\"{carrier}\"]?pbx-hangup,unknown,1)"));
                }
                steps.extend(self.decide(&node.edges));
                self.file.mark(Some(object(Kind::Did, name)));
                self.file.node(format_args!("did/{name}"), name.digits(), &steps);
            }
        }
    }

    pub(super) fn extensions(&mut self) {
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
                let mut steps = Vec::new();
                if node.step == Step::Unknown {
                    steps.push("Goto(pbx-hangup,unknown,1)".into());
                }
                if let Step::Ring { timeout, record } = &node.step {
                    steps.push(format!("Gosub(pbx-ring,s,1({name},{},{}))", timeout.seconds(), record_word(*record)));
                }
                if node.step == Step::Pass {
                    let spec = &self.catalog.extensions[name].spec;
                    steps.push(if spec.call_forward.always.is_some() {
                        // Where its owner sends calls goes before where the manifest does.
                        format!("GotoIf($[\"${{DB(pbx-forward/{name})}}\"!=\"\"]?pbx-forwarded,{name},1)")
                    } else {
                        // It is not to be disturbed.
                        "Set(PBX_STATUS=BUSY)".to_owned()
                    });
                }
                steps.extend(self.exits(&node.edges));
                self.file.mark(Some(object(Kind::Extension, name)));
                self.file.node(id, name.as_str(), &steps);
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
                _ => otherwise(&mut steps, target),
            }
        }
        steps
    }

    pub(super) fn groups(&mut self) {
        for (id, node) in &self.graph.nodes {
            let NodeId::To(Destination::Group(name)) = id else { continue };
            self.file.mark(Some(object(Kind::ExtensionGroup, name)));
            let context = hashed_name("pbx-group-", name);
            self.file.context(&context);
            let last = node.edges.first().map_or("pbx-hangup,normal,1".into(), |edge| self.target(&edge.to));
            let Step::RingMembers { strategy, members, timeout, prefix } = &node.step else {
                self.file.node(id, "s", &[format!("Goto({last})")]);
                continue;
            };
            let mut steps = self.counted(id, &[]);
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
                self.file.node(id, "s", &steps);
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
                self.file.node(id, "s", &steps);
            }
        }
    }

    /// Ring trees, a context each, a level an extension of it.
    pub(super) fn trees(&mut self) {
        let mut trees: BTreeMap<&Name, Vec<(&NodeId, &Node)>> = BTreeMap::new();
        for (id, node) in &self.graph.nodes {
            if let NodeId::To(Destination::Tree(name)) | NodeId::Branch(name, _) = id {
                trees.entry(name).or_default().push((id, node));
            }
        }
        for (name, levels) in trees {
            self.file.mark(Some(object(Kind::RingTree, name)));
            self.file.context(&hashed_name("pbx-tree-", name));
            for (id, node) in levels {
                let mut steps = match &node.step {
                    Step::Queue { .. } => self.join(id),
                    Step::RingTogether { .. } => self.counted(id, &[]),
                    _ => Vec::new(),
                };
                steps.extend(self.decide(&node.gates));
                match &node.step {
                    Step::RingTogether { members, timeout } => {
                        let names = members.iter().map(ToString::to_string).collect::<Vec<_>>().join("&");
                        steps.push(format!("Gosub(pbx-ring-many,s,1({names},{}))", timeout.seconds()));
                        steps.extend(self.exits(&node.edges));
                    }
                    Step::Queue { .. } => steps.extend(self.wait(&node.step, &node.edges)),
                    _ => steps.extend(self.decide(&node.edges)),
                }
                let level = match id {
                    NodeId::Branch(_, branches) => branches.join("."),
                    _ => "s".to_owned(),
                };
                self.file.node(id, &level, &steps);
            }
        }
    }
}

/// A name as part of a variable's.
fn variable(name: &Name) -> String {
    name.as_str().replace('-', "_")
}
