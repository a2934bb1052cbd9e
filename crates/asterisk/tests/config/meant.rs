//! What a system's configuration must say, by what its catalog and its secrets mean; every difference panics.
//!
//! Used by the tests of this crate, and by the fuzz targets.

use pbx_asterisk::config::{ConfigFile, ConfigTree, MASK, Secrets, sip_id};
use pbx_manifest::{Catalog, Document, Kind, ObjectRef};

use crate::conf::{Category, dialplan, loose_ends, parse};
use crate::office::{self, Dice};

/// A secret that stands nowhere else, with all that is accepted in one.
fn hostile_secret(dice: &mut Dice) -> String {
    const LETTERS: &[u8] = b"abcXYZ0189;;--\\\"'#[](){}<>=$&|,.!@%^*~`?:/ ";
    let length = 12 + dice.below(60);
    let middle: String = (0..length).map(|_| LETTERS[dice.below(LETTERS.len())] as char).collect();
    format!("{}S{:016x}{middle};--", dice.of(&["", ">", "#", "[", ";", "\\", "=", "=>"]), dice.below(usize::MAX))
}

/// A PIN of as many digits as are accepted.
fn pin(dice: &mut Dice) -> String {
    format!("{:010}", 7_000_000_000_u64 + dice.below(999_999_999) as u64)
}

/// A system with its secrets.
pub struct Built {
    pub catalog: Catalog,
    pub secrets: Secrets,
    /// Every value, by object and path.
    pub values: Vec<(ObjectRef, String, String)>,
}

/// A system from its documents, with the values that its secrets are given.
pub fn build(documents: Vec<Document>, mut value: impl FnMut(&ObjectRef, &str) -> String) -> Built {
    let mut built = Built { catalog: Catalog::default(), secrets: Secrets::default(), values: Vec::new() };
    for document in documents {
        for (path, _) in document.spec.secrets() {
            let value = value(&document.object, &path);
            assert_eq!(pbx_manifest::secret_error_at(&path, &value), None, "{value}");
            built.secrets.insert(document.object.clone(), path.clone(), value.clone());
            built.values.push((document.object.clone(), path, value));
        }
        built.catalog.insert(document.object.name, document.meta.labels, document.spec);
    }
    built
}

/// The office of a seed, with secrets as hostile as they may be.
pub fn any_office(seed: u64, size: usize) -> Built {
    office_of(Dice::new(seed), Dice::new(!seed), size)
}

/// The office for which the first dice fall, with the secrets for which the second do.
pub fn office_of(office: Dice, mut secrets: Dice, size: usize) -> Built {
    build(office::documents(office::text(&office::thrown(office, size))), |_, path| {
        if path.ends_with("pin") { pin(&mut secrets) } else { hostile_secret(&mut secrets) }
    })
}

/// A file that must be there.
pub fn file<'t>(tree: &'t ConfigTree, name: &str) -> &'t ConfigFile {
    tree.file(name).unwrap()
}

fn category<'c>(all: &'c [Category], name: &str, kind: &str) -> &'c Category {
    all.iter()
        .find(|category| category.name == name && category.get("type") == Some(kind))
        .unwrap_or_else(|| panic!("no {kind} {name}"))
}

/// Everything that a system's files must say and must not.
pub fn is_what_was_meant(built: &Built, tree: &ConfigTree) {
    values_are_read_back(built, tree);
    lines_belong_to_their_objects(built, tree);
    no_secret_is_shown(built, tree);
    let contexts = dialplan(file(tree, "extensions.conf").text()).unwrap();
    assert_eq!(loose_ends(&contexts), Vec::<String>::new());
    // Names that telephones and carriers are sent into are there.
    for category in parse(file(tree, "pjsip.conf").text()).unwrap() {
        for context in category.all("context") {
            assert!(contexts.iter().any(|own| own.name == context), "{context}");
        }
    }
}

/// Every value of `pjsip.conf`, `voicemail.conf` and `rtp.conf` that comes from a manifest or is a secret.
fn values_are_read_back(built: &Built, tree: &ConfigTree) {
    let sip = parse(file(tree, "pjsip.conf").text()).unwrap();
    let boxes = parse(file(tree, "voicemail.conf").text()).unwrap();
    let secret = |object: &ObjectRef, path: &str| {
        let found = built.values.iter().find(|(own, field, _)| own == object && field == path);
        found.map_or("", |(_, _, value)| value.as_str())
    };
    for (name, object) in &built.catalog.extensions {
        let phone = built.catalog.phone(name).unwrap();
        let this = ObjectRef::new(Kind::Extension, name.clone());
        let mailbox = boxes.first().and_then(|boxes| boxes.get(name.as_str()));
        if !object.spec.enabled {
            assert!(sip.iter().all(|category| category.name != name.as_str()) && mailbox.is_none());
            continue;
        }
        let endpoint = category(&sip, name.as_str(), "endpoint");
        let shown = phone.display_name.map_or(name.to_string(), |shown| format!("\"{shown}\" <{name}>"));
        assert_eq!(endpoint.all("callerid"), [shown]);
        assert_eq!((endpoint.get("auth"), endpoint.get("aors")), (Some(name.as_str()), Some(name.as_str())));
        let auth = category(&sip, name.as_str(), "auth");
        assert_eq!(auth.all("password"), [secret(&this, "password")]);
        assert_eq!(auth.all("username"), [name.as_str()]);
        let fields: Vec<&str> = mailbox.unwrap_or_default().split(',').collect();
        if phone.voicemail {
            assert_eq!(fields.len(), 5, "{fields:?}");
            assert_eq!(fields[0], secret(&this, "voicemail.pin"));
            assert_eq!(fields[1], phone.display_name.map(ToString::to_string).unwrap_or_default());
            assert_eq!(fields[2], object.spec.email.as_ref().map(ToString::to_string).unwrap_or_default());
        } else {
            assert_eq!(mailbox, None);
        }
    }
    for (name, object) in built.catalog.carriers.iter().filter(|(_, object)| object.spec.enabled) {
        let this = ObjectRef::new(Kind::Carrier, name.clone());
        let id = sip_id(&this).unwrap();
        assert_eq!(category(&sip, &id, "endpoint").all("aors"), [id.as_str()]);
        if let Some(account) = object.spec.account() {
            let path =
                if object.spec.authentication.is_some() { "authentication.password" } else { "registration.password" };
            let auth = category(&sip, &id, "auth");
            assert_eq!(auth.all("password"), [secret(&this, path)]);
            assert_eq!(auth.all("username"), [account.auth_username.as_ref().unwrap_or(&account.username).as_str()]);
        }
        let contacts = category(&sip, &id, "aor").all("contact");
        assert_eq!(contacts.len(), object.spec.targets().len());
        let transport = format!(";transport={}", object.spec.carried_by().word());
        assert!(contacts.iter().all(|uri| uri.ends_with(&transport) != transport.ends_with("udp")), "{contacts:?}");
    }
    // Nothing else made a section of its own.
    let ids = ["pbx-phone", "pbx-auth", "pbx-aor", "pbx-carrier", "pbx-udp", "pbx-tcp", "pbx-tls", "pbx-ws", "pbx-wss"];
    for category in &sip {
        let known = ids.contains(&category.name.as_str())
            || built.catalog.extensions.contains_key(category.name.as_str())
            || category.name.strip_prefix("carrier-").is_some_and(|name| built.catalog.carriers.contains_key(name));
        assert!(known, "[{}]", category.name);
    }
    assert!(boxes.len() <= 1);
    let speech = parse(&format!("[general]\n{}", file(tree, "rtp.conf").text())).unwrap();
    if let Some((name, settings)) = built.catalog.settings.iter().next().filter(|(_, s)| !s.spec.ice.turn.is_empty()) {
        let this = ObjectRef::new(Kind::Settings, name.clone());
        assert_eq!(speech[0].get("turnpassword"), Some(secret(&this, "ice.turn[0].password")));
        assert_eq!(speech[0].get("turnaddr"), Some(settings.spec.ice.turn[0].server.to_string().as_str()));
    }
}

/// Whose each line is, by what stands in it.
fn lines_belong_to_their_objects(built: &Built, tree: &ConfigTree) {
    let extension = |name: &str| ObjectRef::new(Kind::Extension, name.parse().unwrap());
    for (name, file) in tree.files() {
        let lines: Vec<&str> = file.text().lines().collect();
        for section in file.sections() {
            assert!(lines[section.line - 1].starts_with(&format!("[{}]", section.name)), "{name}:{}", section.line);
            assert!(file.section_text(section).starts_with(&format!("[{}]", section.name)));
            let owner = file.object_at(section.line);
            if name == "pjsip.conf" {
                let meant = match section.name.strip_prefix("carrier-") {
                    Some(carrier) => Some(ObjectRef::new(Kind::Carrier, carrier.parse().unwrap())),
                    None if section.name.bytes().all(|b| b.is_ascii_digit()) => Some(extension(&section.name)),
                    None if ["pbx-phone", "pbx-auth", "pbx-aor", "pbx-carrier"].contains(&section.name.as_str()) => {
                        None
                    }
                    None => {
                        built.catalog.settings.keys().next().map(|name| ObjectRef::new(Kind::Settings, name.clone()))
                    }
                };
                let end = section.line + file.section_text(section).trim_end().lines().count();
                for line in section.line..end {
                    assert_eq!(file.object_at(line), meant.as_ref(), "{name}:{line}");
                }
            }
            let prefixes = [
                ("pbx-group-", Kind::ExtensionGroup),
                ("pbx-match-", Kind::OutboundRoute),
                ("pbx-route-", Kind::OutboundRoute),
                ("pbx-from-", Kind::Carrier),
                ("pbx-to-", Kind::Carrier),
                ("pbx-schedule-", Kind::Schedule),
            ];
            for (prefix, kind) in prefixes.into_iter().filter(|_| name == "extensions.conf") {
                if let Some(object) = section.name.strip_prefix(prefix) {
                    assert_eq!(owner, Some(&ObjectRef::new(kind, object.parse().unwrap())), "{name}:{}", section.line);
                }
            }
            for (at, line) in file.section_text(section).lines().enumerate() {
                let here = file.object_at(section.line + at);
                let number = line.strip_prefix("exten => ").and_then(|rest| rest.split(',').next());
                match number {
                    Some(number) if section.name.starts_with("pbx-extension-") => {
                        assert_eq!(here, Some(&extension(number)));
                    }
                    Some(number) if section.name.starts_with("pbx-did-") => {
                        let object = here.unwrap();
                        assert_eq!((object.kind, object.name.digits()), (Kind::Did, number));
                    }
                    _ => {}
                }
                if let (Some((number, _)), "voicemail.conf") = (line.split_once(" => "), name) {
                    assert_eq!(here, Some(&extension(number)));
                }
            }
        }
    }
}

fn no_secret_is_shown(built: &Built, tree: &ConfigTree) {
    for (name, file) in tree.files() {
        let whole = file.masked();
        let sections: Vec<String> = file.sections().iter().map(|section| file.masked_section(section)).collect();
        for (object, path, value) in &built.values {
            for shown in sections.iter().chain([&whole]) {
                assert!(
                    !shown.contains(value.as_str()) && !shown.contains(&value.replace(';', "\\;")),
                    "{object} {path} in {name}"
                );
            }
        }
        // Only secrets are masked: line by line it is the same but for them.
        for (shown, own) in whole.lines().zip(file.text().lines()) {
            assert!(shown == own || shown.contains(MASK), "{shown}");
        }
        assert_eq!(whole.lines().count(), file.text().lines().count());
        assert!(!format!("{:?}", built.secrets).contains("password"));
    }
}
