//! Where callers leave messages, speak with each other, or are parked.

use std::fmt::Write as _;

use md5::{Digest as _, Md5};
use pbx_manifest::{Destination, Kind, Name};
use pbx_routing::{Greeting, NodeId, Step, When};

use super::{Writer, audio, hashed_name, object, word};
use crate::config::voicemail;

impl Writer<'_> {
    /// Voicemail boxes.
    pub(super) fn boxes(&mut self) {
        self.file.mark(None);
        self.file.context("pbx-voicemail");
        // Most boxes are alike: one pattern for all that have nothing of their own. A letter alone is Asterisk's own extension.
        for pattern in ["_X!", "_[a-z][0-9a-z]!"] {
            self.file.node("voicemail/${EXTEN}", pattern, &leave("${EXTEN}"));
        }
        let mut operators = Vec::new();
        for (id, node) in &self.graph.nodes {
            let (NodeId::To(Destination::Voicemail(name)), Step::Voicemail { greeting }) = (id, &node.step) else {
                continue;
            };
            let operator = node.edges.iter().find(|edge| matches!(edge.when, When::Key(_)));
            operators.extend(operator.map(|edge| (name, self.target(&edge.to))));
            // Its name has no hyphen in a pattern's eyes.
            if *greeting == Greeting::default() && word(name) == name.as_str() {
                continue;
            }
            let kind = if self.catalog.extensions.contains_key(name) { Kind::Extension } else { Kind::Mailbox };
            self.file.mark(Some(object(kind, name)));
            let steps = greeted(name, greeting, operator.is_some());
            self.file.node(id, &word(name), &steps);
        }
        self.file.mark(None);
        // During the greeting: the star leads to the box's own menu, zero to its operator.
        self.file.exten("a", &[format!("VoiceMailMain(${{PBX_BOX}}@{})", voicemail::CONTEXT), "Hangup()".into()]);
        if operators.is_empty() {
            return;
        }
        self.file.exten("o", &["Goto(pbx-operator,${PBX_BOX_WORD},1)".into()]);
        self.file.context("pbx-operator");
        for (name, target) in operators {
            let kind = if self.catalog.extensions.contains_key(name) { Kind::Extension } else { Kind::Mailbox };
            self.file.mark(Some(object(kind, name)));
            self.file.exten(&word(name), &[format!("Goto({target})")]);
        }
    }

    /// Conferences and parking lots.
    pub(super) fn rooms(&mut self) {
        for (id, node) in &self.graph.nodes {
            match id {
                NodeId::To(Destination::Conference(name)) => {
                    self.file.mark(Some(object(Kind::Conference, name)));
                    self.file.context(&hashed_name("pbx-room-", name));
                    let steps = if let Step::Conference { .. } = node.step {
                        self.room(name)
                    } else {
                        self.decide(&node.edges)
                    };
                    self.file.node(id, "s", &steps);
                }
                NodeId::To(Destination::Parking(name)) => {
                    self.file.mark(Some(object(Kind::ParkingLot, name)));
                    self.file.context(&hashed_name("pbx-park-", name));
                    if node.step != Step::Park {
                        let steps = self.decide(&node.edges);
                        self.file.node(id, "s", &steps);
                        continue;
                    }
                    let steps = ["Answer()".into(), format!("Park({name},s)"), "Goto(pbx-hangup,congestion,1)".into()];
                    self.file.node(id, "s", &steps);
                    if let Some(edge) = node.edges.first() {
                        // Whoever was parked for too long comes here, by the name of the telephone that has parked the call.
                        self.file.context(&hashed_name("pbx-comeback-", name));
                        self.file.exten("_[0-9A-Za-z]!", &[format!("Goto({})", self.target(&edge.to))]);
                    }
                }
                _ => {}
            }
        }
    }

    /// Lets callers into a conference, by what they type.
    fn room(&self, name: &Name) -> Vec<String> {
        let profile = format!("pbx-{name}");
        let enter = |user: &str, menu: &str| format!("ConfBridge({name},{profile},{user},{menu})");
        let mut steps = vec!["Answer()".to_owned()];
        let pin = |path: &str| {
            let pin = self.secrets.get(Kind::Conference, name, path);
            // Nobody reads it off the dialplan.
            (!pin.is_empty()).then(|| hex(&Md5::digest(format!("{name}:{pin}"))))
        };
        let conference = &self.catalog.conferences[name].spec;
        if conference.pin.is_some() {
            steps.push("Set(PBX_TRIES=0)".into());
            steps.push("(again)Read(PBX_PIN,conf-getpin,10,,1,10)".into());
            steps.push(format!("Set(PBX_PIN=${{MD5({name}:${{FILTER(0-9,${{PBX_PIN}})}})}})"));
            for (path, label) in [("pin", "user"), ("adminPin", "admin")] {
                steps.extend(pin(path).map(|hash| format!("GotoIf($[\"${{PBX_PIN}}\"=\"{hash}\"]?{label})")));
            }
            steps.push("Playback(conf-invalidpin)".into());
            steps.push("Set(PBX_TRIES=$[${PBX_TRIES} + 1])".into());
            steps.push("GotoIf($[${PBX_TRIES} < 3]?again)".into());
            steps.push("Goto(pbx-hangup,forbidden,1)".into());
            if conference.admin_pin.is_some() {
                steps.push(format!("(admin){}", enter(&format!("{profile}-admin"), "pbx-menu-admin")));
                steps.push("Hangup()".into());
            }
            steps.push(format!("(user){}", enter(&profile, "pbx-menu")));
        } else {
            steps.push(enter(&profile, "pbx-menu"));
        }
        steps.push("Hangup()".into());
        steps
    }
}

/// Bytes in hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Leaves a message in a box, greeted as Asterisk does it.
fn leave(name: &str) -> Vec<String> {
    vec![
        format!("MSet(PBX_BOX={name},PBX_BOX_WORD={name})"),
        format!("VoiceMail({name}@{},${{IF($[\"${{PBX_STATUS}}\"=\"BUSY\"]?b:u)}})", voicemail::CONTEXT),
        "Hangup()".into(),
    ]
}

/// Leaves a message in a box that has a greeting of its own.
fn greeted(name: &Name, greeting: &Greeting, operator: bool) -> Vec<String> {
    let mut steps = vec![format!("MSet(PBX_BOX={name},PBX_BOX_WORD={})", word(name)), "Answer()".to_owned()];
    let usual = greeting.temporary.as_ref().or(greeting.usual.as_ref()).map(audio);
    let busy = greeting.temporary.as_ref().or(greeting.busy.as_ref()).map(audio).or_else(|| usual.clone());
    let sentence = |state: &str| match &greeting.name {
        Some(own) => format!("{}&vm-{state}", audio(own)),
        None => String::new(),
    };
    let (usual, busy) = (usual.unwrap_or_else(|| sentence("isunavail")), busy.unwrap_or_else(|| sentence("isonphone")));
    if usual == busy {
        steps.push(format!("Set(PBX_GREETING={usual})"));
    } else {
        steps.push(format!("Set(PBX_GREETING=${{IF($[\"${{PBX_STATUS}}\"=\"BUSY\"]?{busy}:{usual})}})"));
    }
    // Without a file for the reason, it is as if there were none at all.
    if usual.is_empty() || busy.is_empty() {
        steps.push("GotoIf($[\"${PBX_GREETING}\"=\"\"]?own)".into());
    }
    steps.push("Read(PBX_KEY,${PBX_GREETING},1,t(),1,0.3)".into());
    steps.push("GotoIf($[\"${PBX_KEY}\"=\"*\"]?a,1)".into());
    if operator {
        steps.push("GotoIf($[\"${PBX_KEY}\"=\"0\"]?o,1)".into());
    }
    steps.push(format!("VoiceMail({name}@{},s)", voicemail::CONTEXT));
    steps.push("Hangup()".into());
    if usual.is_empty() || busy.is_empty() {
        steps.push(format!(
            "(own)VoiceMail({name}@{},${{IF($[\"${{PBX_STATUS}}\"=\"BUSY\"]?b:u)}})",
            voicemail::CONTEXT
        ));
        steps.push("Hangup()".into());
    }
    steps
}
