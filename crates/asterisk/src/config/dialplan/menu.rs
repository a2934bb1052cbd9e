//! Menus: a context for each, a node an extension of it.

use std::collections::{BTreeMap, BTreeSet};

use pbx_manifest::{Destination, Kind, Name};
use pbx_routing::{Edge, Heard, Node, NodeId, Step, When};

use super::{Writer, hashed_name, object, sound, word};

/// How long a further digit is waited for, when an extension is dialled: seconds.
const BETWEEN: u32 = 2;

/// What a variable of a menu is called in the channel.
fn variable(name: &pbx_manifest::kinds::Variable) -> String {
    if name.is_caller() { "PBX_CALLER".to_owned() } else { format!("PBX_VAR_{name}") }
}

/// Plays something, where there is something.
fn play(what: Option<&Heard>) -> Option<String> {
    what.map(|heard| format!("Playback({})", sound(heard)))
}

/// Where the extensions are that callers of a menu may dial, by the last digits of what was.
fn dial_context(menu: &Name) -> String {
    format!("{}-${{PBX_KEY:-2}}", hashed_name("pbx-dial-", menu))
}

/// Where an edge of a kind leads.
fn way<'n>(node: &'n Node, when: &When) -> Option<&'n NodeId> {
    node.edges.iter().find(|edge| edge.when == *when).map(|edge| &edge.to)
}

impl Writer<'_> {
    pub(super) fn menus(&mut self) {
        let mut menus: BTreeMap<&Name, Vec<(&NodeId, &Node)>> = BTreeMap::new();
        for (id, node) in &self.graph.nodes {
            if let NodeId::To(Destination::Ivr(name)) | NodeId::Menu(name, _) = id {
                menus.entry(name).or_default().push((id, node));
            }
        }
        for (name, nodes) in menus {
            self.file.mark(Some(object(Kind::Ivr, name)));
            self.file.context(&hashed_name("pbx-ivr-", name));
            for (id, node) in nodes {
                let (extension, steps) = if let NodeId::Menu(_, own) = id {
                    (word(own), self.menu_node(name, node))
                } else {
                    let begin = ["Answer()".to_owned()].into_iter();
                    ("s".to_owned(), begin.chain(self.decide(&node.edges)).collect())
                };
                self.file.node(id, &extension, &steps);
            }
            self.direct(name);
        }
        self.announcements();
    }

    /// Announcements that calls are sent to.
    fn announcements(&mut self) {
        for (id, node) in &self.graph.nodes {
            let (NodeId::To(Destination::Announcement(name)), Step::Play { what }) = (id, &node.step) else { continue };
            self.file.mark(Some(object(Kind::Announcement, name)));
            self.file.context(&hashed_name("pbx-say-", name));
            let mut steps = vec!["Answer()".to_owned()];
            steps.extend(play(what.as_ref()));
            steps.extend(self.decide(&node.edges));
            self.file.node(id, "s", &steps);
        }
    }

    /// The steps of a node, behind its name.
    fn menu_node(&self, menu: &Name, node: &Node) -> Vec<String> {
        match &node.step {
            Step::Play { what } => play(what.as_ref()).into_iter().chain(self.decide(&node.edges)).collect(),
            Step::Menu { .. } => self.keys(menu, node),
            Step::Collect { .. } => self.collect(node),
            Step::Route { variable: name } => {
                let variable = variable(name);
                let cases = node.edges.iter().map(|Edge { when, to }| match when {
                    When::Value(value) => format!("GotoIf({}?{})", self.condition(&variable, value), self.target(to)),
                    _ => format!("Goto({})", self.target(to)),
                });
                cases.collect()
            }
            Step::Set { language, variables } => {
                let mut steps = Vec::new();
                steps.extend(language.iter().map(|language| format!("Set(CHANNEL(language)={language})")));
                steps.extend(variables.iter().map(|(name, digits)| format!("Set({}={digits})", variable(name))));
                steps.extend(self.decide(&node.edges));
                steps
            }
            _ => self.decide(&node.edges),
        }
    }

    /// Says all again, behind what it has to say of what was wrong; or gives up. What was wrong is a part of what is said, so that whoever
    /// knows the menu need not hear it to its end.
    fn again(&self, node: &Node, retries: u32, when: &When, wrong: Option<&Heard>, said: &str) -> Vec<String> {
        let target = way(node, when).map_or_else(|| "pbx-hangup,normal,1".to_owned(), |to| self.target(to));
        let again = match wrong.map(sound) {
            Some(wrong) if said.is_empty() => wrong,
            Some(wrong) => format!("{wrong}&{said}"),
            None => said.to_owned(),
        };
        let mut steps = vec!["Set(PBX_TRIES=$[${PBX_TRIES} + 1])".to_owned(), format!("Set(PBX_SAY={again})")];
        steps.push(format!("GotoIf($[${{PBX_TRIES}} <= {retries}]?again)"));
        steps.extend(play(wrong));
        steps.push(format!("Goto({target})"));
        steps
    }

    /// Waits for a key.
    fn keys(&self, menu: &Name, node: &Node) -> Vec<String> {
        let Step::Menu { prompt, timeout, retries, invalid, silence, barge_in, direct } = &node.step else {
            return Vec::new();
        };
        let said = prompt.as_ref().map(sound).unwrap_or_default();
        let mut steps = vec!["Set(PBX_TRIES=0)".to_owned(), format!("Set(PBX_SAY={said})")];
        // Every key counts, the hash too: none ends the input.
        if *barge_in {
            steps.push(format!("(again)Read(PBX_KEY,${{PBX_SAY}},1,t(),1,{})", timeout.seconds()));
        } else {
            steps.push("(again)ExecIf($[\"${PBX_SAY}\"!=\"\"]?Playback(${PBX_SAY}))".to_owned());
            steps.push(format!("Read(PBX_KEY,,1,t(),1,{})", timeout.seconds()));
        }
        steps.push("GotoIf($[\"${PBX_KEY}\"=\"\"]?silence)".into());
        if *direct {
            steps.extend(self.dial(menu));
        }
        for Edge { when, to } in &node.edges {
            if let When::Key(key) = when {
                steps.push(format!("GotoIf($[\"${{PBX_KEY}}\"=\"{key}\"]?{})", self.target(to)));
            }
        }
        // A key of the menu's own goes before an extension of one digit.
        if *direct && self.graph.direct.get(menu).is_some_and(|all| all.iter().any(|name| name.as_str().len() == 1)) {
            let context = dial_context(menu);
            steps.push(format!("GotoIf(${{DIALPLAN_EXISTS({context},${{PBX_KEY}},1)}}?{context},${{PBX_KEY}},1)"));
        }
        steps.extend(self.again(node, *retries, &When::Invalid, invalid.as_ref(), &said));
        steps.push("(silence)NoOp()".to_owned());
        steps.extend(self.again(node, *retries, &When::TimedOut, silence.as_ref(), &said));
        steps
    }

    /// Lets an extension be dialled: only where the first digit is one of theirs are more waited for.
    fn dial(&self, menu: &Name) -> Vec<String> {
        let Some(extensions) = self.graph.direct.get(menu) else { return Vec::new() };
        let first: BTreeSet<char> = extensions.iter().filter_map(|name| name.as_str().chars().next()).collect();
        let first: String = first.into_iter().collect();
        let longest = extensions.iter().map(|name| name.as_str().len()).max().unwrap_or(1);
        if longest < 2 {
            return Vec::new();
        }
        let context = dial_context(menu);
        vec![
            format!("GotoIf($[\"${{FILTER({first},${{PBX_KEY}})}}\"=\"\"]?key)"),
            format!("Read(PBX_MORE,,{},,1,{BETWEEN})", longest - 1),
            "Set(PBX_KEY=${FILTER(0-9,${PBX_KEY}${PBX_MORE})})".to_owned(),
            format!(
                "GotoIf($[${{LEN(${{PBX_KEY}})}} > 1 & ${{DIALPLAN_EXISTS({context},${{PBX_KEY}},1)}}]?{context},${{PBX_KEY}},1)"
            ),
            "(key)NoOp()".to_owned(),
        ]
    }

    /// The extensions that callers of a menu may dial, spread over contexts by their last digits.
    fn direct(&mut self, menu: &Name) {
        let Some(extensions) = self.graph.direct.get(menu) else { return };
        let mut contexts: BTreeMap<&str, Vec<&Name>> = BTreeMap::new();
        for name in extensions {
            contexts.entry(super::tail(name.as_str(), 2)).or_default().push(name);
        }
        for (digits, names) in contexts {
            self.file.context(&format!("{}-{digits}", hashed_name("pbx-dial-", menu)));
            for name in names {
                let target = self.target(&NodeId::To(Destination::Extension(name.clone())));
                self.file.exten(name.as_str(), &[format!("Goto({target})")]);
            }
        }
    }

    /// Waits for digits.
    fn collect(&self, node: &Node) -> Vec<String> {
        let Step::Collect { prompt, most, least, into, timeout, retries, invalid } = &node.step else {
            return Vec::new();
        };
        let said = prompt.as_ref().map(sound).unwrap_or_default();
        let mut steps = vec![
            "Set(PBX_TRIES=0)".to_owned(),
            format!("Set(PBX_SAY={said})"),
            format!("(again)Read(PBX_DIGITS,${{PBX_SAY}},{most},,1,{})", timeout.seconds()),
            "Set(PBX_DIGITS=${FILTER(0-9,${PBX_DIGITS})})".to_owned(),
            format!("GotoIf($[${{LEN(${{PBX_DIGITS}})}} >= {least}]?enough)"),
        ];
        if invalid.is_some() {
            // Silence is not wrong.
            steps.push("GotoIf($[\"${PBX_DIGITS}\"=\"\"]?silence)".to_owned());
            steps.extend(self.again(node, *retries, &When::TimedOut, invalid.as_ref(), &said));
            steps.push("(silence)NoOp()".to_owned());
        }
        steps.extend(self.again(node, *retries, &When::TimedOut, None, &said));
        steps.push(format!("(enough)Set({}=${{PBX_DIGITS}})", variable(into)));
        let next = way(node, &When::Otherwise).map_or_else(|| "pbx-hangup,normal,1".to_owned(), |to| self.target(to));
        steps.push(format!("Goto({next})"));
        steps
    }
}
