//! What a system's configuration must say, by what its catalog and its secrets mean; every difference panics.
//!
//! Used by the tests of this crate, and by the fuzz targets.

use pbx_asterisk::config::{ConfigFile, ConfigTree, MASK, Secrets, Section, sip_id};
use pbx_asterisk::setup::added_to;
use pbx_manifest::kinds::{Order, Phone};
use pbx_manifest::{Audio, Catalog, Document, Kind, Name, ObjectRef, Prompt};

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
        if path.to_lowercase().ends_with("pin") { pin(&mut secrets) } else { hostile_secret(&mut secrets) }
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
    boxes_are_those_that_were_meant(built, tree);
    music_is_that_which_was_meant(built, tree);
    queues_are_those_that_were_meant(built, tree);
    rooms_are_those_that_were_meant(built, tree);
    additions_are_those_that_setup_makes_room_for(tree);
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
    let secret = |object: &ObjectRef, path: &str| {
        let found = built.values.iter().find(|(own, field, _)| own == object && field == path);
        found.map_or("", |(_, _, value)| value.as_str())
    };
    for (name, object) in &built.catalog.extensions {
        let phone = built.catalog.phone(name).unwrap();
        let this = ObjectRef::new(Kind::Extension, name.clone());
        if !object.spec.enabled {
            assert!(sip.iter().all(|category| category.name != name.as_str()));
            continue;
        }
        let endpoint = category(&sip, name.as_str(), "endpoint");
        let shown = phone.display_name.map_or(name.to_string(), |shown| format!("\"{shown}\" <{name}>"));
        assert_eq!(endpoint.all("callerid"), [shown]);
        assert_eq!((endpoint.get("auth"), endpoint.get("aors")), (Some(name.as_str()), Some(name.as_str())));
        let auth = category(&sip, name.as_str(), "auth");
        assert_eq!(auth.all("password"), [secret(&this, "password")]);
        assert_eq!(auth.all("username"), [name.as_str()]);
        let group = phone.pickup_group.map(Name::as_str);
        assert_eq!((endpoint.get("named_call_group"), endpoint.get("named_pickup_group")), (group, group));
        assert_eq!(endpoint.get("moh_suggest"), music(&built.catalog, phone.hold_music));
        let shared = built.catalog.mailboxes.iter().filter(|(_, object)| object.spec.enabled);
        let shown = shared.filter(|(_, object)| object.spec.lamps.contains(name)).map(|(name, _)| name);
        let lamps: Vec<String> =
            phone.voicemail.then_some(name).into_iter().chain(shown).map(|name| format!("{name}@pbx")).collect();
        assert_eq!(endpoint.get("mailboxes").unwrap_or_default(), lamps.join(","));
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
    let speech = parse(&format!("[general]\n{}", file(tree, "rtp.conf").text())).unwrap();
    if let Some((name, settings)) = built.catalog.settings.iter().next().filter(|(_, s)| !s.spec.ice.turn.is_empty()) {
        let this = ObjectRef::new(Kind::Settings, name.clone());
        assert_eq!(speech[0].get("turnpassword"), Some(secret(&this, "ice.turn[0].password")));
        assert_eq!(speech[0].get("turnaddr"), Some(settings.spec.ice.turn[0].server.to_string().as_str()));
    }
}

/// The music that is played for one that is named.
fn music<'c>(catalog: &'c Catalog, named: Option<&'c Name>) -> Option<&'c str> {
    named.filter(|name| catalog.music[*name].spec.enabled).map(Name::as_str)
}

/// A file of audio as Asterisk finds it.
fn path(audio: &Audio) -> String {
    format!("/etc/asterisk/pbx.d/audio/{}", audio.content().unwrap())
}

/// What adds to a section adds to one of its own file, or to one that setup sees to in the main file; and there nothing else has its name.
fn additions_are_those_that_setup_makes_room_for(tree: &ConfigTree) {
    for (name, file) in tree.files() {
        let adds =
            |section: &Section| file.section_text(section).lines().next().is_some_and(|head| head.ends_with("](+)"));
        for section in file.sections() {
            let own = file.sections().iter().any(|own| own.name == section.name && !adds(own));
            let base = added_to(name).contains(&section.name.as_str());
            assert!(base == (adds(section) && !own), "{name}: [{}]", section.name);
        }
    }
}

/// The boxes of extensions and those that many share, and nothing that a text made of them.
fn boxes_are_those_that_were_meant(built: &Built, tree: &ConfigTree) {
    let catalog = &built.catalog;
    let all = parse(&format!("[general]\n[zonemessages]\n{}", file(tree, "voicemail.conf").text())).unwrap();
    let zones = &all[1];
    let boxes = all.get(2);
    assert!(all.len() <= 3 && boxes.is_none_or(|boxes| boxes.name == "pbx"));
    assert_eq!(all[0].get("charset"), boxes.map(|_| "UTF-8"));
    let mut wanted = 0;
    let mut is = |name: &Name, pin: &str, full_name: String, email: String, options: Vec<(&str, String)>| {
        wanted += 1;
        let line = boxes.and_then(|boxes| boxes.get(name.as_str())).unwrap_or_else(|| panic!("no box {name}"));
        let fields: Vec<&str> = line.split(',').collect();
        assert_eq!(fields.len(), 5, "{line}");
        assert_eq!((fields[0], fields[1], fields[2], fields[3]), (pin, full_name.as_str(), email.as_str(), ""));
        let has: Vec<(&str, &str)> = fields[4].split('|').map(|option| option.split_once('=').unwrap()).collect();
        for (option, value) in options {
            assert_eq!(
                has.iter().filter(|(own, _)| *own == option).map(|(_, value)| *value).collect::<Vec<_>>(),
                [value]
            );
        }
        let zone = has.iter().find(|(own, _)| *own == "tz").unwrap().1;
        assert!(zones.get(zone).unwrap().starts_with(zone.strip_prefix("pbx-").unwrap()), "{zone}");
    };
    let yes_no = |value: bool| if value { "yes" } else { "no" }.to_owned();
    for (name, object) in catalog.extensions.iter().filter(|(_, object)| object.spec.enabled) {
        let phone = catalog.phone(name).unwrap();
        if !phone.voicemail {
            continue;
        }
        let own = &object.spec.voicemail;
        let zone = own.time_zone.clone().unwrap_or_else(|| catalog.settings().time_zone.clone());
        let mut options = vec![
            ("attach", yes_no(phone.voicemail_attach)),
            ("delete", yes_no(phone.voicemail_delete)),
            ("operator", yes_no(own.operator.is_some())),
            ("maxmsg", own.max_messages.unwrap_or(100).to_string()),
            ("tz", format!("pbx-{zone}")),
        ];
        options.extend(own.max_length.map(|length| ("maxsecs", length.seconds().to_string())));
        is(
            name,
            built.secrets.get(Kind::Extension, name, "voicemail.pin"),
            phone.display_name.map(ToString::to_string).unwrap_or_default(),
            object.spec.email.as_ref().map(ToString::to_string).unwrap_or_default(),
            options,
        );
    }
    for (name, object) in catalog.mailboxes.iter().filter(|(_, object)| object.spec.enabled) {
        let own = &object.spec;
        is(
            name,
            built.secrets.get(Kind::Mailbox, name, "pin"),
            own.display_name.as_ref().map_or_else(|| name.to_string(), ToString::to_string),
            own.email.as_ref().map(ToString::to_string).unwrap_or_default(),
            vec![("attach", yes_no(own.attach)), ("operator", yes_no(own.operator.is_some()))],
        );
    }
    assert_eq!(boxes.map_or(0, |boxes| boxes.options.len()), wanted);
}

fn music_is_that_which_was_meant(built: &Built, tree: &ConfigTree) {
    let classes = parse(file(tree, "musiconhold.conf").text()).unwrap();
    let wanted = built.catalog.music.iter().filter(|(_, object)| object.spec.enabled);
    assert!(classes.iter().map(|class| class.name.as_str()).eq(wanted.clone().map(|(name, _)| name.as_str())));
    for ((_, object), class) in wanted.zip(&classes) {
        let entries: Vec<String> = object.spec.files.iter().map(path).collect();
        assert_eq!(class.all("entry"), entries);
        if let Some(stream) = &object.spec.stream {
            let runs = class.get("application").unwrap();
            assert_eq!(class.get("mode"), Some("custom"));
            assert!(runs.len() < 256 && runs.split(' ').any(|word| word == stream.as_str()), "{runs}");
        } else {
            assert_eq!(class.get("mode"), Some("playlist"));
            assert_eq!(class.get("sort") == Some("random"), object.spec.order == Order::Random);
        }
    }
}

fn queues_are_those_that_were_meant(built: &Built, tree: &ConfigTree) {
    let catalog = &built.catalog;
    let mut sections = parse(&format!("[general]\n{}", file(tree, "queues.conf").text())).unwrap();
    sections.remove(0);
    let wanted = catalog.queues.iter().filter(|(_, object)| object.spec.enabled);
    assert!(sections.iter().map(|queue| queue.name.as_str()).eq(wanted.clone().map(|(name, _)| name.as_str())));
    let play = |prompt: &Prompt| match prompt {
        Prompt::Sound(name) => Some(name.to_string()),
        Prompt::Announcement(name) => {
            let object = &catalog.announcements[name];
            object.spec.enabled.then(|| path(&object.spec.file))
        }
    };
    for ((name, object), section) in wanted.zip(&sections) {
        let queue = &object.spec;
        for (key, value) in [
            ("strategy", serde_json::to_value(queue.strategy).unwrap().as_str().unwrap().to_owned()),
            ("timeout", queue.ring_timeout.seconds().to_string()),
            ("retry", queue.retry.seconds().to_string()),
            ("wrapuptime", queue.wrap_up.seconds().to_string()),
            ("weight", queue.weight.to_string()),
            ("maxlen", queue.max_waiting.unwrap_or(0).to_string()),
            ("servicelevel", queue.service_level.within.seconds().to_string()),
            ("musicclass", music(catalog, queue.hold_music.as_ref()).unwrap_or("default").to_owned()),
        ] {
            assert_eq!(section.all(key), [value], "{name} {key}");
        }
        // Nothing but members is there twice.
        let mut keys: Vec<&str> = section.options.iter().map(|(key, ..)| key.as_str()).collect();
        keys.retain(|key| *key != "member");
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count);
        let comfort = queue.announce.comfort.as_ref().and_then(|comfort| play(&comfort.play));
        assert_eq!(section.get("periodic-announce"), comfort.as_deref());
        assert_eq!(section.get("announce"), queue.announce.member.as_ref().and_then(play).as_deref());
        let context = (!queue.keys.is_empty()).then(|| format!("pbx-keys-{name}"));
        assert_eq!(section.get("context"), context.as_deref());
        let own = queue.members.iter().filter(|member| member.auto_login);
        let phones: Vec<(Phone<'_>, u32)> = own
            .filter_map(|member| Some((catalog.phone(&member.extension)?, member.penalty)))
            .filter(|(phone, _)| pbx_routing::rings(catalog, phone.name))
            .collect();
        let members = section.all("member");
        assert_eq!(members.len(), phones.len());
        for ((phone, penalty), line) in phones.iter().zip(members) {
            // As app_queue splits it: at commas outside of brackets and quotes, and it knows backslashes.
            assert!(!line.contains(['(', ')', '[', ']', '"', '\\', ';', '|']), "{line}");
            let fields: Vec<&str> = line.split(',').collect();
            let state = format!("PJSIP/{}", phone.name);
            let called =
                if phone.max_contacts > 1 { format!("Local/{}@pbx-agent/n", phone.name) } else { state.clone() };
            let [interface, shown_penalty, shown, of] = fields[..] else { panic!("{line}") };
            assert_eq!((interface, shown_penalty, of), (called.as_str(), penalty.to_string().as_str(), state.as_str()));
            assert!((1..=79).contains(&shown.len()), "{line}");
        }
    }
}

/// Parking lots and conferences.
fn rooms_are_those_that_were_meant(built: &Built, tree: &ConfigTree) {
    let catalog = &built.catalog;
    let contexts = dialplan(file(tree, "extensions.conf").text()).unwrap();
    let lots = parse(file(tree, "res_parking.conf").text()).unwrap();
    let wanted = catalog.parking.iter().filter(|(_, object)| object.spec.enabled);
    assert!(lots.iter().map(|lot| lot.name.as_str()).eq(wanted.clone().map(|(name, _)| name.as_str())));
    for ((_, object), lot) in wanted.zip(&lots) {
        assert_eq!(lot.get("parkpos"), Some(object.spec.slots.to_string().as_str()));
        assert_eq!(lot.get("parkingtime"), Some(object.spec.timeout.seconds().to_string().as_str()));
        assert_eq!(lot.get("parkext"), Some("park"));
        assert_eq!(
            lot.get("parkedmusicclass"),
            Some(music(catalog, object.spec.hold_music.as_ref()).unwrap_or("default"))
        );
        let back = lot.get("comebackcontext");
        assert_eq!(
            (back.is_some(), lot.get("comebacktoorigin") == Some("no")),
            [object.spec.comeback.is_some(); 2].into()
        );
        assert!(back.is_none_or(|back| contexts.iter().any(|context| context.name == back)), "{back:?}");
    }
    let rooms = parse(file(tree, "confbridge.conf").text()).unwrap();
    let wanted = catalog.conferences.iter().filter(|(_, object)| object.spec.enabled);
    let mut profiles = 0;
    for (name, object) in wanted {
        let room = &object.spec;
        let bridge = category(&rooms, &format!("pbx-{name}"), "bridge");
        assert_eq!(bridge.get("max_members"), Some(room.max_members.unwrap_or(0).to_string().as_str()));
        assert_eq!(bridge.get("record_conference") == Some("yes"), room.record);
        let user = category(&rooms, &format!("pbx-{name}"), "user");
        assert_eq!((user.get("admin"), user.get("wait_marked") == Some("yes")), (Some("no"), room.wait_for_admin));
        assert_eq!(user.get("quiet") == Some("no"), room.announce_joins);
        profiles += 2;
        if room.admin_pin.is_some() {
            let admin = category(&rooms, &format!("pbx-{name}-admin"), "user");
            assert_eq!((admin.get("admin"), admin.get("marked")), (Some("yes"), Some("yes")));
            profiles += 1;
        }
    }
    assert_eq!(rooms.iter().filter(|section| section.get("type") != Some("menu")).count(), profiles);
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
                    let name: Name = number.parse().unwrap();
                    let digits = number.bytes().all(|b| b.is_ascii_digit());
                    let kind = if digits { Kind::Extension } else { Kind::Mailbox };
                    assert_eq!(here, Some(&ObjectRef::new(kind, name)));
                }
            }
            let whole = [
                ("queues.conf", Kind::Queue),
                ("musiconhold.conf", Kind::HoldMusic),
                ("res_parking.conf", Kind::ParkingLot),
                ("confbridge.conf", Kind::Conference),
            ];
            if let Some((_, kind)) = whole.into_iter().find(|(own, _)| *own == name) {
                let shared = ["general", "pbx-menu", "pbx-menu-admin"].contains(&section.name.as_str());
                let object = section.name.strip_prefix("pbx-").unwrap_or(&section.name);
                let object = object.strip_suffix("-admin").unwrap_or(object);
                let meant = (!shared).then(|| ObjectRef::new(kind, object.parse().unwrap()));
                assert_eq!(owner, meant.as_ref(), "{name}:{}", section.line);
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
