//! `manager.conf`: whether pbxd can come in, and what it takes to let it in.

use super::{Edit, Section, Tree, What};

/// The classes of events that pbxd reads: calls, queues, telephones and carriers, records, attempts to break in. Not `dialplan`,
/// `dtmf` and `reporting`, which are a flood and show variables.
pub const READ: [&str; 6] = ["system", "call", "agent", "user", "cdr", "security"];

/// What pbxd's actions need: `system` for reloading modules, reading configuration and SIP objects; `command` for the console's help
/// of options and the log of a reload; `reporting` for the dialplan and mailboxes as they are loaded; `call`, `originate`, `agent`
/// and `user` for calls and queues. Not `config`, which would let it rewrite main files.
pub const WRITE: [&str; 7] = ["system", "command", "reporting", "call", "originate", "agent", "user"];

/// The manager interface as its configuration has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manager {
    /// Whether it is on.
    pub enabled: bool,
    /// The address that it is bound to; nothing for all of them.
    pub bind: Option<String>,
    /// Its port.
    pub port: u16,
    /// A folder whose files the main file includes by a glob, as `manager.d`.
    pub folder: Option<String>,
}

/// A user of the manager interface.
#[derive(Clone, PartialEq, Eq)]
pub struct ManagerUser {
    /// Its secret.
    pub secret: Option<String>,
    /// What it may read.
    pub read: String,
    /// What it may do.
    pub write: String,
    /// Where it is written.
    pub section: Section,
}

impl std::fmt::Debug for ManagerUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ManagerUser({})", self.section.name)
    }
}

/// The user that pbxd needs.
#[derive(Clone, PartialEq, Eq)]
pub struct NeededUser {
    /// Its name.
    pub name: String,
    /// Its secret.
    pub secret: String,
}

impl std::fmt::Debug for NeededUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NeededUser({})", self.name)
    }
}

/// As Asterisk takes a word for yes.
fn yes(word: &str) -> bool {
    ["yes", "true", "y", "t", "1", "on"].iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// The classes that are not in a list of them.
pub fn missing_classes<'c>(list: &str, needed: &[&'c str]) -> Vec<&'c str> {
    let has: Vec<&str> = list.split(',').map(str::trim).collect();
    let all = has.iter().any(|class| class.eq_ignore_ascii_case("all"));
    needed.iter().copied().filter(|class| !all && !has.iter().any(|own| own.eq_ignore_ascii_case(class))).collect()
}

/// What is written where there is no `manager.conf`.
const GENERAL: &str = "[general]\nenabled = yes\nport = 5038\nbindaddr = 127.0.0.1\n";

impl Manager {
    /// As the files say.
    pub fn of(tree: &Tree) -> Self {
        let general = tree.section("general");
        let value =
            |key: &str| general.as_ref().and_then(|section| section.value(key)).filter(|value| !value.is_empty());
        let folder = tree.lines.iter().filter(|line| line.place.file == 0).find_map(|line| match &line.what {
            What::Include { name, .. } => name.strip_suffix("/*.conf").filter(|folder| !folder.starts_with('/')),
            _ => None,
        });
        Self {
            enabled: value("enabled").is_some_and(yes),
            bind: value("bindaddr").map(str::to_owned),
            port: value("port").and_then(|port| port.parse().ok()).unwrap_or(5038),
            folder: folder.map(str::to_owned),
        }
    }

    /// Where somebody on this machine connects to.
    pub fn host(&self) -> &str {
        match self.bind.as_deref() {
            None | Some("0.0.0.0" | "::" | "[::]") => "127.0.0.1",
            Some(bind) => bind,
        }
    }

    /// Whether it is open to other machines.
    pub fn is_open(&self) -> bool {
        let loopback = |bind: &str| bind.starts_with("127.") || bind == "::1" || bind == "localhost";
        !self.bind.as_deref().is_some_and(loopback)
    }

    /// A user, as the files say.
    pub fn user(tree: &Tree, name: &str) -> Option<ManagerUser> {
        let section = tree.sections().into_iter().rev().find(|section| !section.template && section.name == name)?;
        let value = |key: &str| section.value(key).unwrap_or_default().to_owned();
        let secret = section.value("secret").filter(|secret| !secret.is_empty()).map(str::to_owned);
        Some(ManagerUser { secret, read: value("read"), write: value("write"), section })
    }

    /// The edits, by file, that open the interface: nothing when it is open. It is bound to this machine alone where it was off;
    /// where it was on, others may be using it from wherever it is bound to.
    pub fn open(&self, tree: &Tree) -> Vec<(usize, Edit)> {
        let Some(general) = tree.section("general") else {
            return vec![(0, Edit::Append(format!("\n{GENERAL}")))];
        };
        if self.enabled {
            return Vec::new();
        }
        let mut edits = vec![set(&general, "enabled", "yes")];
        if self.bind.is_none() {
            edits.push(set(&general, "bindaddr", "127.0.0.1"));
        }
        edits
    }

    /// A `manager.conf` where there is none.
    pub fn new_file() -> String {
        GENERAL.to_owned()
    }

    /// The section of a user that is not there yet.
    pub fn new_user(&self, user: &NeededUser) -> String {
        let host = self.host();
        let mut acl = vec!["deny = 0.0.0.0/0.0.0.0".to_owned()];
        if host.contains(':') {
            acl.push("deny = ::/0".into());
            acl.push(format!("permit = {}/128", host.trim_matches(['[', ']'])));
        }
        acl.push("permit = 127.0.0.1/32".into());
        if host != "127.0.0.1" && host.parse::<std::net::Ipv4Addr>().is_ok() {
            acl.push(format!("permit = {host}/32"));
        }
        format!(
            "; How pbxd comes in.\n[{}]\nsecret = {}\n{}\nread = {}\nwrite = {}\nwritetimeout = 5000\n\
             allowmultiplelogin = yes\n",
            user.name,
            written(&user.secret),
            acl.join("\n"),
            READ.join(","),
            WRITE.join(",")
        )
    }

    /// The edits, by file, that give a user that is there what it lacks.
    pub fn mend(user: &ManagerUser, needed: &NeededUser) -> Vec<(usize, Edit)> {
        let mut edits = Vec::new();
        if user.secret.as_deref() != Some(&needed.secret) {
            edits.push(set(&user.section, "secret", &needed.secret));
        }
        for (key, own, needed) in [("read", &user.read, &READ[..]), ("write", &user.write, &WRITE[..])] {
            let missing = missing_classes(own, needed);
            if !missing.is_empty() {
                let mut all: Vec<&str> = own.split(',').map(str::trim).filter(|class| !class.is_empty()).collect();
                all.extend(missing);
                edits.push(set(&user.section, key, &all.join(",")));
            }
        }
        edits
    }
}

/// A value as it must be written to be read the same: some of it may be what was there before, read without the signs that kept it
/// from being a comment.
fn written(value: &str) -> String {
    value.replace(';', "\\;")
}

/// The edit after which a section has an option.
fn set(section: &Section, key: &str, value: &str) -> (usize, Edit) {
    let value = written(value);
    match section.get(key).filter(|entry| !entry.inherited) {
        Some(entry) => (entry.place.file, Edit::Replace(entry.place.line, format!("{key} = {value}"))),
        None => (section.place.file, Edit::After(section.place.line, format!("{key} = {value}\n"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::apply;

    fn tree(text: &str) -> Tree {
        let mut find = |wanted: &str| Ok::<_, ()>(vec![(wanted.to_owned(), Vec::new())]);
        Tree::read("manager.conf", text.as_bytes().to_vec(), &mut find).unwrap()
    }

    fn opened(text: &str) -> String {
        let tree = tree(text);
        let edits: Vec<Edit> = Manager::of(&tree).open(&tree).into_iter().map(|(_, edit)| edit).collect();
        String::from_utf8(apply(text.as_bytes(), &edits)).unwrap()
    }

    #[test]
    fn debians_own_is_open_and_takes_files_of_its_folder() {
        let text = "[general]\nenabled = yes\nport = 5038\nbindaddr = 127.0.0.1\n#include \"manager.d/*.conf\" \n";
        let own = Manager::of(&tree(text));
        assert_eq!((own.enabled, own.port, own.folder.as_deref()), (true, 5038, Some("manager.d")));
        assert!(!own.is_open());
        assert_eq!(opened(text), text);
    }

    #[test]
    fn what_is_off_is_opened_to_this_machine() {
        assert_eq!(
            opened("[general]\nenabled = no ; safe\nport=5039\n"),
            "[general]\nbindaddr = 127.0.0.1\nenabled = yes\nport=5039\n"
        );
        assert_eq!(
            opened("[general]\nenabled=no\nbindaddr=10.0.0.1\n"),
            "[general]\nenabled = yes\nbindaddr=10.0.0.1\n"
        );
        assert_eq!(opened("; empty\n"), format!("; empty\n\n{GENERAL}"));
        // Whoever uses it from elsewhere goes on doing so.
        assert_eq!(opened("[general]\nenabled=yes\n"), "[general]\nenabled=yes\n");
        assert!(Manager::of(&tree("[general]\nenabled=yes\n")).is_open());
    }

    #[test]
    fn a_user_gets_what_it_lacks_and_keeps_what_it_has() {
        let text = "[t](!)\nread = call\n[pbxd](t)\nsecret = x\nwrite = system, verbose\n";
        let tree = tree(text);
        let user = Manager::user(&tree, "pbxd").unwrap();
        let needed = NeededUser { name: "pbxd".into(), secret: "x".into() };
        let edits: Vec<Edit> = Manager::mend(&user, &needed).into_iter().map(|(_, edit)| edit).collect();
        assert_eq!(
            String::from_utf8(apply(text.as_bytes(), &edits)).unwrap(),
            "[t](!)\nread = call\n[pbxd](t)\nread = call,system,agent,user,cdr,security\nsecret = x\n\
             write = system,verbose,command,reporting,call,originate,agent,user\n"
        );
        assert!(missing_classes("ALL", &WRITE).is_empty());
    }

    #[test]
    fn what_would_be_a_comment_is_written_as_it_was_meant() {
        let text = "[pbxd]\nsecret = x\nread = \\;--mine\nwrite = all\n";
        let needed = NeededUser { name: "pbxd".into(), secret: "a;--b".into() };
        let user = Manager::user(&tree(text), "pbxd").unwrap();
        let edits: Vec<Edit> = Manager::mend(&user, &needed).into_iter().map(|(_, edit)| edit).collect();
        let mended = apply(text.as_bytes(), &edits);
        let user = Manager::user(&tree(std::str::from_utf8(&mended).unwrap()), "pbxd").unwrap();
        assert_eq!(user.secret.as_deref(), Some("a;--b"));
        assert_eq!(user.read, format!(";--mine,{}", READ.join(",")));
        let fresh = Manager::of(&tree("")).new_user(&needed);
        assert_eq!(Manager::user(&tree(&fresh), "pbxd").unwrap().secret.as_deref(), Some("a;--b"));
    }

    #[test]
    fn a_new_user_may_come_from_this_machine_alone() {
        let own = Manager::of(&tree("[general]\nenabled=yes\nbindaddr=10.1.2.3\n"));
        let text = own.new_user(&NeededUser { name: "pbxd".into(), secret: "s".into() });
        assert!(text.contains("deny = 0.0.0.0/0.0.0.0\npermit = 127.0.0.1/32\npermit = 10.1.2.3/32\n"), "{text}");
        let own = Manager::of(&tree("[general]\nenabled=yes\nbindaddr=::1\n"));
        let text = own.new_user(&NeededUser { name: "pbxd".into(), secret: "s".into() });
        assert!(text.contains("deny = ::/0\npermit = ::1/128\n"), "{text}");
    }
}
