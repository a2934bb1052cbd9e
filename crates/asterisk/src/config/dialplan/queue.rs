//! Queues, and who logs in to them.

use pbx_manifest::kinds::{Emptiness, Recording};
use pbx_manifest::{Destination, Kind, Name};
use pbx_routing::{Edge, NodeId, Step, When};

use super::{Writer, hashed_name, object, otherwise};
use crate::config::queue::{AGENTS, keys_context, member_interfaces, member_name};

/// Gives a caller the name back that a queue or a group has put something in front of.
const BARE: &str = "GosubIf($[\"${PBX_PREFIXED}\"=\"yes\"]?pbx-bare,s,1)";

/// Shows something in front of the caller's name. A caller without a name is shown by number behind it.
pub(super) fn prefixed(prefix: &str) -> Vec<String> {
    vec![
        "Set(PBX_BARE_NAME=${CALLERID(name)})".into(),
        "Set(PBX_BARE_NAME_VALID=${CALLERID(name-valid)})".into(),
        "Set(PBX_PREFIXED=yes)".into(),
        format!(
            "Set(CALLERID(name)={prefix}: ${{IF($[${{LEN(${{CALLERID(name)}})}}=0]?${{CALLERID(num)}}:${{CALLERID(name)}})}})"
        ),
    ]
}

/// An extension of a context: whose, and its steps.
type Entry<'n> = (&'n Name, Vec<String>);

impl Writer<'_> {
    pub(super) fn queues(&mut self) {
        for (id, node) in &self.graph.nodes {
            let NodeId::To(Destination::Queue(name)) = id else { continue };
            self.file.mark(Some(object(Kind::Queue, name)));
            self.file.context(&hashed_name("pbx-queue-", name));
            let mut steps = match &node.step {
                Step::Queue { .. } => self.join(id),
                _ => Vec::new(),
            };
            steps.extend(self.decide(&node.gates));
            match &node.step {
                Step::Queue { .. } => steps.extend(self.wait(&node.step, &node.edges)),
                _ => steps.extend(self.decide(&node.edges)),
            }
            self.file.node(id, "s", &steps);
            let keys: Vec<(String, String)> = node
                .edges
                .iter()
                .filter_map(|edge| match &edge.when {
                    When::Key(key) => Some((key.to_string(), self.target(&edge.to))),
                    _ => None,
                })
                .collect();
            if !keys.is_empty() {
                self.file.context(&keys_context(name));
                for (key, target) in keys {
                    self.file.exten(&key, &[BARE.to_owned(), format!("Goto({target})")]);
                }
            }
        }
        self.members();
    }

    /// The first steps of a node that waits in a queue.
    pub(super) fn join(&self, id: &NodeId) -> Vec<String> {
        // Whoever was served first elsewhere is not so here.
        self.counted(id, if self.serves_first { &["QUEUE_PRIO=0"] } else { &[] })
    }

    /// Waits in a queue, behind [`Self::join`], and goes on by how that ended.
    pub(super) fn wait(&self, step: &Step, edges: &[Edge]) -> Vec<String> {
        let Step::Queue { queue, vip, longest, record, prefix } = step else { return Vec::new() };
        let mut steps = vec!["Answer()".to_owned()];
        for (at, (caller, priority)) in vip.iter().enumerate() {
            steps.push(format!("ExecIf({}?Set(QUEUE_PRIO={priority}))", self.condition("PBX_CALLER", caller)));
            if at + 1 < vip.len() {
                // The first rule that matches counts.
                steps.push("GotoIf($[${QUEUE_PRIO} > 0]?served)".into());
            }
        }
        let mut first = Some("(served)").filter(|_| vip.len() > 1);
        let mut push = |steps: &mut Vec<String>, step: String| {
            steps.push(format!("{}{step}", first.take().unwrap_or_default()));
        };
        if self.catalog.queues[queue].spec.join_empty == Emptiness::NobodyFree {
            // Asterisk's own conditions know no member whose telephone has all the calls that it takes, or has one on hold.
            let empty = edges.iter().find(|edge| matches!(edge.when, When::Empty | When::Otherwise));
            let target = empty.map_or_else(|| "pbx-hangup,normal,1".to_owned(), |edge| self.target(&edge.to));
            push(&mut steps, format!("GotoIf($[${{QUEUE_MEMBER({queue},ready)}} = 0]?{target})"));
        }
        if *record == Recording::Always {
            push(&mut steps, "Gosub(pbx-record,s,1)".into());
        }
        for step in prefix.iter().flat_map(|prefix| prefixed(prefix)) {
            push(&mut steps, step);
        }
        let mut options = String::from(if *record == Recording::OnDemand { "x" } else { "" });
        if self.parks() {
            options.push('k');
        }
        let longest = longest.map(|longest| longest.seconds().to_string()).unwrap_or_default();
        push(&mut steps, format!("Queue({queue},{options}${{PBX_TOUCH}},,,{longest})"));
        if prefix.is_some() {
            steps.push(BARE.to_owned());
        }
        for edge in edges {
            let target = self.target(&edge.to);
            let is = |status: &str| format!("\"${{QUEUESTATUS}}\"=\"{status}\"");
            let condition = match edge.when {
                When::Empty => "\"${QUEUESTATUS:0:4}\"=\"JOIN\" | \"${QUEUESTATUS:0:5}\"=\"LEAVE\"".to_owned(),
                When::Full | When::Busy => is("FULL"),
                When::TimedOut | When::NoAnswer => is("TIMEOUT"),
                // Keys have a context of their own.
                When::Key(_) => continue,
                _ => {
                    otherwise(&mut steps, &target);
                    return steps;
                }
            };
            steps.push(format!("GotoIf($[{condition}]?{target})"));
        }
        otherwise(&mut steps, "pbx-hangup,normal,1");
        steps
    }

    /// Who may log in to which queues, by hand: `Gosub(pbx-login,EXTENSION,1)` and the like, for members alone. To take a break is
    /// for all members; `Gosub(pbx-paused,EXTENSION,1)` returns 1 for one that is on a break somewhere.
    fn members(&mut self) {
        let mut by_hand: std::collections::BTreeMap<&Name, Vec<(&Name, u32)>> = std::collections::BTreeMap::new();
        let mut all: std::collections::BTreeMap<&Name, Vec<&Name>> = std::collections::BTreeMap::new();
        for (queue, object) in self.catalog.queues.iter().filter(|(_, object)| object.spec.enabled) {
            for member in &object.spec.members {
                if !pbx_routing::rings(self.catalog, &member.extension) {
                    continue;
                }
                all.entry(&member.extension).or_default().push(queue);
                if !member.auto_login {
                    by_hand.entry(&member.extension).or_default().push((queue, member.penalty));
                }
            }
        }
        if all.is_empty() {
            return;
        }
        let phones = |name: &Name| self.catalog.phone(name);
        let mut contexts: Vec<(&str, Vec<Entry<'_>>)> = Vec::new();
        let logins = by_hand.iter().filter_map(|(name, queues)| {
            let phone = phones(name)?;
            let (shown, (interface, state)) = (member_name(&phone), member_interfaces(&phone));
            let steps = queues
                .iter()
                .map(|(queue, penalty)| format!("AddQueueMember({queue},{interface},{penalty},,{shown},{state})"))
                .chain(["Return()".to_owned()]);
            Some((*name, steps.collect()))
        });
        contexts.push(("pbx-login", logins.collect()));
        let logouts = by_hand.iter().filter_map(|(name, queues)| {
            let (interface, _) = member_interfaces(&phones(name)?);
            let steps = queues.iter().map(|(queue, _)| format!("RemoveQueueMember({queue},{interface})"));
            Some((*name, steps.chain(["Return()".to_owned()]).collect()))
        });
        contexts.push(("pbx-logout", logouts.collect()));
        let breaks = all.iter().filter_map(|(name, queues)| {
            let (interface, _) = member_interfaces(&phones(name)?);
            let mut steps: Vec<String> = queues
                .iter()
                .map(|queue| format!("GotoIf($[\"${{QUEUE_MEMBER({queue},paused,{interface})}}\"=\"1\"]?paused)"))
                .collect();
            steps.push("Return(0)".into());
            steps.push("(paused)Return(1)".into());
            Some((*name, steps))
        });
        contexts.push(("pbx-paused", breaks.collect()));
        let interfaces = all.keys().filter_map(|name| {
            let (interface, _) = member_interfaces(&phones(name)?);
            Some((*name, vec![format!("Return({interface})")]))
        });
        contexts.push(("pbx-interface", interfaces.collect()));
        for (context, entries) in contexts.into_iter().filter(|(_, entries)| !entries.is_empty()) {
            self.file.mark(None);
            self.file.context(context);
            for (name, steps) in entries {
                self.file.mark(Some(object(Kind::Extension, name)));
                self.file.exten(name.as_str(), &steps);
            }
        }
        // Members whose telephones are several ring at all of them.
        self.file.mark(None);
        self.file.context(AGENTS);
        self.file.exten(
            "_X!",
            &[
                "Gosub(pbx-contacts,s,1(${EXTEN}))".into(),
                "GotoIf($[\"${GOSUB_RETVAL}\"=\"\"]?gone)".into(),
                "Dial(${GOSUB_RETVAL})".into(),
                "(gone)Hangup(20)".into(),
            ],
        );
        let codes: Vec<(&Name, &Name)> = self
            .catalog
            .break_codes
            .iter()
            .filter(|(_, object)| object.spec.enabled)
            .filter_map(|(name, object)| Some((name, object.spec.number.as_ref()?)))
            .collect();
        if !codes.is_empty() {
            self.file.context("pbx-break");
            for (name, number) in codes {
                self.file.mark(Some(object(Kind::BreakCode, name)));
                self.file.exten(number.as_str(), &[format!("Return({name})")]);
            }
        }
    }
}
