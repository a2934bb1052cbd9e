//! What in somebody's own files would get in the way of what pbxd writes.

use std::collections::BTreeMap;

use super::{Place, Section, Tree, What};

/// Something that gets in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, relative to the configuration folder.
    pub file: String,
    /// Its line, from 1; nothing for the file as a whole.
    pub line: Option<usize>,
    /// What is in the way.
    pub message: String,
    /// What to do.
    pub help: String,
    /// Whether nothing can work as long as it is so.
    pub blocks: bool,
}

/// The files to look through; `None` for those that are not there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Own<'t> {
    /// `pjsip.conf`.
    pub pjsip: Option<&'t Tree>,
    /// `pjsip_wizard.conf`.
    pub wizard: Option<&'t Tree>,
    /// `extensions.conf`.
    pub extensions: Option<&'t Tree>,
    /// `voicemail.conf`.
    pub voicemail: Option<&'t Tree>,
    /// `queues.conf`.
    pub queues: Option<&'t Tree>,
    /// `musiconhold.conf`.
    pub music: Option<&'t Tree>,
    /// `res_parking.conf`.
    pub parking: Option<&'t Tree>,
    /// `confbridge.conf`.
    pub conferences: Option<&'t Tree>,
    /// `sorcery.conf`.
    pub sorcery: Option<&'t Tree>,
    /// `extconfig.conf`.
    pub extconfig: Option<&'t Tree>,
}

/// The SIP objects that each section is, those of pbxd's files or those of all others: `(type, section)`.
pub fn sip_sections(tree: &Tree, generated: bool) -> Vec<(String, Section)> {
    tree.sections()
        .into_iter()
        .filter(|section| !section.template && is_generated(tree, section.place) == generated)
        .filter_map(|section| Some((section.value("type")?.to_ascii_lowercase(), section)))
        .collect()
}

fn is_generated(tree: &Tree, place: Place) -> bool {
    let file = tree.file(place);
    file.starts_with("pbx.d/") || file.contains("/pbx.d/")
}

/// What is in the way.
pub fn conflicts(own: &Own<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let read = [own.pjsip, own.extensions, own.voicemail, own.queues, own.music, own.parking, own.conferences];
    for tree in read.into_iter().flatten() {
        for file in &tree.files {
            if let Some(line) = file.open_comment {
                found.push(Finding {
                    file: file.name.clone(),
                    line: Some(line),
                    message: "a comment is opened by `;--` here and closed nowhere: Asterisk takes the rest of the file for it"
                        .into(),
                    help: "close it by `--;`, or write `\\;` where a `;` is meant".into(),
                    blocks: file.name == tree.files[0].name,
                });
            }
        }
    }
    if let Some(tree) = own.pjsip {
        transports(tree, &mut found);
        repeated(tree, &mut found);
    }
    if let Some(tree) = own.wizard {
        wizard(tree, &mut found);
    }
    if let Some(tree) = own.extensions {
        let contexts = tree.sections().into_iter().filter(|section| !is_generated(tree, section.place));
        for section in contexts.filter(|section| section.name.starts_with("pbx-")) {
            found.push(at(
                tree,
                section.place,
                format!("the context [{}] is your own, and pbxd's contexts are named `pbx-…`", section.name),
                "rename it: two contexts of one name are mixed into one",
                false,
            ));
        }
    }
    if let Some(tree) = own.voicemail {
        let contexts = tree.sections().into_iter().filter(|section| !is_generated(tree, section.place));
        for section in contexts.filter(|section| section.name.eq_ignore_ascii_case("pbx")) {
            found.push(at(
                tree,
                section.place,
                "the voicemail context [pbx] is your own, and pbxd's mailboxes are in one of that name".into(),
                "rename it, and its folder below the voicemail spool with it",
                false,
            ));
        }
    }
    let named = [
        (own.queues, "queue", "Asterisk passes over the second of that name"),
        (own.music, "music class", "Asterisk plays one of the two"),
        (own.parking, "parking lot", "Asterisk makes one lot of both"),
        (own.conferences, "profile", "Asterisk takes the later one"),
    ];
    for (tree, what, then) in named.into_iter().filter_map(|(tree, what, then)| Some((tree?, what, then))) {
        twice(tree, what, then, &mut found);
    }
    if let Some(tree) = own.queues {
        general(tree, &mut found);
    }
    if let Some(tree) = own.voicemail {
        charset(tree, &mut found);
    }
    databases(own, &mut found);
    found
}

/// Sections of one's own that pbxd writes as well.
fn twice(tree: &Tree, what: &str, then: &str, found: &mut Vec<Finding>) {
    let (ours, own): (Vec<Section>, Vec<Section>) = tree
        .sections()
        .into_iter()
        .filter(|section| !section.template)
        .partition(|section| is_generated(tree, section.place));
    let reserved = ["general", "globals"];
    for section in own.iter().filter(|section| !reserved.contains(&section.name.to_ascii_lowercase().as_str())) {
        if ours.iter().any(|other| other.name.eq_ignore_ascii_case(&section.name)) {
            found.push(at(
                tree,
                section.place,
                format!("the {what} [{}] is also written by pbxd: {then}", section.name),
                "remove it here, or rename the object in its manifest",
                false,
            ));
        }
    }
}

/// What the first `[general]` of `queues.conf` says otherwise than pbxd does counts.
fn general(tree: &Tree, found: &mut Vec<Finding>) {
    let wanted = [
        ("persistentmembers", true, "whoever logged in to a queue by hand is logged out by a restart of Asterisk"),
        ("shared_lastcall", true, "the time after a call is kept by each queue alone: another one calls at once"),
        (
            "log_membername_as_agent",
            false,
            "the log of queues names people, whose names may change, and not extensions",
        ),
    ];
    let Some(section) = tree.sections().into_iter().find(|section| section.name.eq_ignore_ascii_case("general")) else {
        return;
    };
    for (key, wanted, then) in wanted {
        // The first counts.
        let Some(entry) = section.entries.iter().find(|entry| entry.key.eq_ignore_ascii_case(key)) else { continue };
        let yes = ["yes", "true", "y", "t", "1", "on"].contains(&entry.value.to_ascii_lowercase().as_str());
        if yes != wanted && !is_generated(tree, entry.place) {
            found.push(at(
                tree,
                entry.place,
                format!("{key} = {}: {then}", entry.value),
                "remove the line: pbxd says it as it must be",
                false,
            ));
        }
    }
}

/// The letters of mails, by the first `[general]` of `voicemail.conf`: pbxd's names are in UTF-8.
fn charset(tree: &Tree, found: &mut Vec<Finding>) {
    let section = tree.sections().into_iter().find(|section| section.name.eq_ignore_ascii_case("general"));
    let entries = section.map(|section| section.entries).unwrap_or_default();
    // The first counts.
    let Some(entry) = entries.iter().find(|entry| entry.key.eq_ignore_ascii_case("charset")) else { return };
    if !entry.value.eq_ignore_ascii_case("utf-8") && !is_generated(tree, entry.place) {
        found.push(at(
            tree,
            entry.place,
            format!("charset = {}: names with an accent arrive garbled in mails", entry.value),
            "remove the line: pbxd says it as it must be",
            false,
        ));
    }
}

fn at(tree: &Tree, place: Place, message: String, help: &str, blocks: bool) -> Finding {
    Finding { file: tree.file(place).to_owned(), line: Some(place.line), message, help: help.into(), blocks }
}

/// Where a transport listens, as protocol, host and port.
fn listens(section: &Section) -> Option<(String, String, u16)> {
    let protocol = section.value("protocol").unwrap_or("udp").to_ascii_lowercase();
    let usual = match protocol.as_str() {
        "udp" | "tcp" => 5060,
        "tls" => 5061,
        // Browsers come by the HTTP server.
        _ => return None,
    };
    let bind = section.value("bind")?;
    let (host, port) = match bind.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port.parse().unwrap_or(usual)),
        _ => (bind, usual),
    };
    Some((protocol, host.trim_matches(['[', ']']).to_owned(), port))
}

/// The protocol that holds a port: TLS is TCP.
fn layer(protocol: &str) -> &str {
    if protocol == "udp" { "udp" } else { "tcp" }
}

fn transports(tree: &Tree, found: &mut Vec<Finding>) {
    let all = |generated: bool| sip_sections(tree, generated).into_iter().filter(|(kind, _)| kind == "transport");
    let generated = sip_sections(tree, true);
    let mut ours: Vec<_> = all(true).filter_map(|(_, section)| listens(&section)).collect();
    if generated.is_empty() {
        // Nothing is applied yet: what pbxd opens unless it is told otherwise.
        ours = ["udp", "tcp"].map(|protocol| (protocol.to_owned(), "0.0.0.0".to_owned(), 5060)).to_vec();
    }
    for (_, section) in all(false) {
        let Some((protocol, host, port)) = listens(&section) else { continue };
        let everywhere = |host: &str| host == "0.0.0.0" || host == "::";
        let same = ours.iter().any(|(other, address, number)| {
            layer(other) == layer(&protocol)
                && *number == port
                && (*address == host || everywhere(address) || everywhere(&host))
        });
        if same {
            found.push(at(
                tree,
                section.place,
                format!("the transport [{}] listens on {protocol} {host}:{port}, where pbxd opens one", section.name),
                "remove it, or keep it under the name `udp`, `tcp` or `tls` and say `transports: { managed: false }` in the \
                 Settings manifest",
                false,
            ));
        }
    }
}

fn repeated(tree: &Tree, found: &mut Vec<Finding>) {
    let generated: BTreeMap<(String, String), Place> = sip_sections(tree, true)
        .into_iter()
        .map(|(kind, section)| ((kind, section.name.to_ascii_lowercase()), section.place))
        .collect();
    let mut endpoints = Vec::new();
    for (kind, section) in sip_sections(tree, false) {
        if kind == "endpoint" {
            endpoints.push(section.clone());
        }
        if generated.contains_key(&(kind.clone(), section.name.to_ascii_lowercase())) {
            found.push(at(
                tree,
                section.place,
                format!(
                    "the {kind} [{}] is also written by pbxd: Asterisk then reloads no {kind} at all",
                    section.name
                ),
                "remove it here, or rename the object in its manifest",
                false,
            ));
        } else if section.name.starts_with("pbx-") {
            found.push(at(
                tree,
                section.place,
                format!("the {kind} [{}] is your own, and names that begin with `pbx-` are pbxd's", section.name),
                "rename it",
                false,
            ));
        }
    }
    if generated.is_empty()
        && let Some(first) = endpoints.first()
    {
        let names: Vec<&str> = endpoints.iter().take(5).map(|section| section.name.as_str()).collect();
        let more = if endpoints.len() > names.len() { ", …" } else { "" };
        found.push(at(
            tree,
            first.place,
            format!("{} of your own: {}{more}", count(endpoints.len(), "SIP endpoint"), names.join(", ")),
            "they go on working; before an Extension gets the name of one, remove that one here",
            false,
        ));
    }
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn wizard(tree: &Tree, found: &mut Vec<Finding>) {
    let own: Vec<Section> = tree
        .sections()
        .into_iter()
        .filter(|section| !section.template && section.value("type").is_some_and(|kind| kind == "wizard"))
        .collect();
    if let Some(first) = own.first() {
        let names: Vec<&str> = own.iter().take(5).map(|section| section.name.as_str()).collect();
        let more = if own.len() > names.len() { ", …" } else { "" };
        found.push(at(
            tree,
            first.place,
            format!("{} of your own: {}{more}", count(own.len(), "pjsip wizard"), names.join(", ")),
            "they go on working; before an Extension gets the name of one, remove that one here",
            false,
        ));
    }
}

/// Objects that Asterisk takes from a database instead of files.
fn databases(own: &Own<'_>, found: &mut Vec<Finding>) {
    if let Some(tree) = own.extconfig {
        let settings = tree.section("settings");
        for entry in settings.iter().flat_map(|section| &section.entries) {
            if crate::config::FILES.iter().any(|(name, _)| entry.key == *name) {
                found.push(at(
                    tree,
                    entry.place,
                    format!("Asterisk reads {} from a database and not from its file", entry.key),
                    "remove this line, and have the module read its file",
                    true,
                ));
            }
        }
    }
    let Some(tree) = own.sorcery else { return };
    let kinds = [
        ("res_pjsip", &["endpoint", "auth", "aor", "transport"][..]),
        ("res_pjsip_endpoint_identifier_ip", &["identify"]),
        ("res_pjsip_outbound_registration", &["registration"]),
    ];
    for (module, kinds) in kinds {
        let Some(section) = tree.section(module) else { continue };
        for kind in kinds {
            let of_kind: Vec<_> =
                section.entries.iter().filter(|entry| entry.key.split('/').next() == Some(kind)).collect();
            let from_file = of_kind.iter().any(|entry| entry.value.starts_with("config,pjsip.conf"));
            if let Some(first) = of_kind.first().filter(|_| !from_file) {
                found.push(at(
                    tree,
                    first.place,
                    format!("Asterisk takes SIP objects of type {kind} from elsewhere and not from pjsip.conf"),
                    &format!("add `{kind} = config,pjsip.conf,criteria=type={kind}` to [{module}]"),
                    true,
                ));
            }
        }
    }
}

/// Lines that run programs while Asterisk reads its files cannot be seen through; they are told where they are.
impl Tree {
    /// Where files run programs (`#exec`).
    pub fn programs(&self) -> Vec<Place> {
        let lines = self.lines.iter().filter(|line| matches!(line.what, What::Exec(_)));
        lines.map(|line| line.place).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(name: &str, text: &str, generated: &str) -> Tree {
        let mut find = |wanted: &str| Ok::<_, ()>(vec![(wanted.to_owned(), generated.as_bytes().to_vec())]);
        Tree::read(name, text.as_bytes().to_vec(), &mut find).unwrap()
    }

    fn told(own: &Own<'_>) -> Vec<String> {
        conflicts(own)
            .iter()
            .map(|found| format!("{}:{} {}", found.file, found.line.unwrap_or(0), found.message))
            .collect()
    }

    const PJSIP: &str = "[mine]\ntype=transport\nprotocol=tcp\nbind=10.0.0.1\n[other]\ntype=transport\nbind=0.0.0.0:5070\n\
        [tmpl](!)\ntype=endpoint\n[1001](tmpl)\nallow=ulaw\n";

    #[test]
    fn own_transports_and_endpoints_are_told_before_anything_is_applied() {
        let pjsip = tree("pjsip.conf", PJSIP, "");
        assert_eq!(
            told(&Own { pjsip: Some(&pjsip), ..Own::default() }),
            [
                "pjsip.conf:1 the transport [mine] listens on tcp 10.0.0.1:5060, where pbxd opens one",
                "pjsip.conf:10 1 SIP endpoint of your own: 1001"
            ]
        );
    }

    #[test]
    fn what_is_applied_is_compared() {
        let text = format!("{PJSIP}#include pbx.d/current/pjsip.conf\n");
        let pjsip = tree("pjsip.conf", &text, "[pbx-udp]\ntype=transport\nbind=0.0.0.0:5070\n[1001]\ntype=endpoint\n");
        assert_eq!(
            told(&Own { pjsip: Some(&pjsip), ..Own::default() }),
            [
                "pjsip.conf:5 the transport [other] listens on udp 0.0.0.0:5070, where pbxd opens one",
                "pjsip.conf:10 the endpoint [1001] is also written by pbxd: Asterisk then reloads no endpoint at all"
            ]
        );
    }

    #[test]
    fn what_is_there_twice_and_what_queues_need() {
        let text = "[general]\npersistentmembers = no\nshared_lastcall=yes\n[sales]\n[support]\n#include pbx.d/current/queues.conf\n";
        let queues =
            tree("queues.conf", text, "[general](+)\npersistentmembers = yes\n[support]\nstrategy = ringall\n");
        let music =
            tree("musiconhold.conf", "[default]\n[jazz]\n#include pbx.d/current/musiconhold.conf\n", "[jazz]\n");
        assert_eq!(
            told(&Own { queues: Some(&queues), music: Some(&music), ..Own::default() }),
            [
                "queues.conf:5 the queue [support] is also written by pbxd: Asterisk passes over the second of that name",
                "musiconhold.conf:2 the music class [jazz] is also written by pbxd: Asterisk plays one of the two",
                "queues.conf:2 persistentmembers = no: whoever logged in to a queue by hand is logged out by a restart of Asterisk",
            ]
        );
    }

    #[test]
    fn names_databases_and_comments() {
        let extensions = tree("extensions.conf", "[general]\n[pbx-hints]\n;-- open\n", "");
        let voicemail = tree("voicemail.conf", "[general]\ncharset=ISO-8859-1\n[pbx]\n1 => 2\n", "");
        let wizard = tree("pjsip_wizard.conf", "[a]\ntype = wizard\n", "");
        let extconfig = tree("extconfig.conf", "[settings]\nextensions.conf => odbc,a\nqueues => odbc,a\n", "");
        let sorcery =
            tree("sorcery.conf", "[res_pjsip]\nendpoint=realtime,ps_endpoints\nauth=config,pjsip.conf,x\n", "");
        let own = Own {
            pjsip: None,
            wizard: Some(&wizard),
            extensions: Some(&extensions),
            voicemail: Some(&voicemail),
            sorcery: Some(&sorcery),
            extconfig: Some(&extconfig),
            ..Own::default()
        };
        assert_eq!(
            told(&own),
            [
                "extensions.conf:3 a comment is opened by `;--` here and closed nowhere: Asterisk takes the rest of the file for it",
                "pjsip_wizard.conf:1 1 pjsip wizard of your own: a",
                "extensions.conf:2 the context [pbx-hints] is your own, and pbxd's contexts are named `pbx-…`",
                "voicemail.conf:3 the voicemail context [pbx] is your own, and pbxd's mailboxes are in one of that name",
                "voicemail.conf:2 charset = ISO-8859-1: names with an accent arrive garbled in mails",
                "extconfig.conf:2 Asterisk reads extensions.conf from a database and not from its file",
                "sorcery.conf:2 Asterisk takes SIP objects of type endpoint from elsewhere and not from pjsip.conf"
            ]
        );
    }
}
