//! The configuration that is written, read back by a reader of its own.

#![expect(clippy::unwrap_used, reason = "tests")]

mod conf;
#[path = "../../../manifest/tests/manifest/office.rs"]
mod office;

use std::fmt::Write as _;
use std::path::Path;

use pbx_asterisk::config::{ConfigFile, ConfigTree, MASK, Secrets, asterisk_id, render};
use pbx_asterisk::deploy::changed_sections;
use pbx_manifest::{Catalog, Document, Kind, ObjectRef, Source};
use proptest::prelude::*;

use conf::{Category, dialplan, loose_ends, parse};
use office::Dice;

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
struct Built {
    catalog: Catalog,
    secrets: Secrets,
    /// Every value, by object and path.
    values: Vec<(ObjectRef, String, String)>,
}

fn build(documents: Vec<Document>, mut value: impl FnMut(&ObjectRef, &str) -> String) -> Built {
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

fn any_office(seed: u64, size: usize) -> Built {
    let mut dice = Dice::new(!seed);
    build(office::documents(office::text(&office::manifests(seed, size))), |_, path| {
        if path.ends_with("pin") { pin(&mut dice) } else { hostile_secret(&mut dice) }
    })
}

fn file<'t>(tree: &'t ConfigTree, name: &str) -> &'t ConfigFile {
    tree.file(name).unwrap()
}

fn category<'c>(all: &'c [Category], name: &str, kind: &str) -> &'c Category {
    all.iter()
        .find(|category| category.name == name && category.get("type") == Some(kind))
        .unwrap_or_else(|| panic!("no {kind} {name}"))
}

fn small_office() -> Vec<Document> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/small-office");
    let mut text = String::new();
    for name in ["settings.yaml", "people.yaml", "lines.yaml"] {
        #[expect(clippy::disallowed_methods, reason = "a test's own file; its error says enough")]
        let one = std::fs::read_to_string(folder.join(name)).unwrap();
        text.push_str(&one);
        text.push_str("\n---\n");
    }
    let parsed = pbx_manifest::parse(&[Source { name: "small-office".into(), text }]);
    assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
    parsed.documents
}

#[test]
fn the_small_office() {
    let built =
        build(
            small_office(),
            |object, path| {
                if path.ends_with("pin") { "4711".into() } else { format!("secret of {object}") }
            },
        );
    let tree = render(&built.catalog, &built.secrets);
    for (name, file) in tree.files() {
        insta::assert_snapshot!(name, file.masked());
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
        let id = asterisk_id(&this);
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

#[test]
fn the_small_office_leads_everywhere() {
    let built = build(small_office(), |_, _| "4711".into());
    let contexts = dialplan(file(&render(&built.catalog, &built.secrets), "extensions.conf").text()).unwrap();
    assert_eq!(loose_ends(&contexts), Vec::<String>::new());
}

#[test]
fn the_reader_of_these_tests_knows_the_language() {
    let read = |text: &str| parse(text).unwrap();
    let one = read("[a]\nx = 1 ; a comment\ny=>2\nz = a\\;b\\\\;c\n");
    assert_eq!((one[0].get("x"), one[0].get("y"), one[0].get("z")), (Some("1"), Some("2"), Some("a;b\\;c")));
    for bad in ["x = 1", "[a", "[a](b)", "[a]\nx", "[a]\n= 1", "[a]\nx = ;-- 1\ny = 2\n", "[a]\n#include x", "[b](+)"] {
        assert!(parse(bad).is_err(), "{bad}");
    }
    let two = read("[t](!)\na = 1\n[o](t)\na = 2\n[o](+)\nb = 3\n");
    assert_eq!((two[1].all("a"), two[1].get("b")), (vec!["1", "2"], Some("3")));
    let loose = |text: &str| loose_ends(&dialplan(text).unwrap()).len();
    assert_eq!(loose("[a]\nexten => s,1,Goto(b,1,1)\n[b]\nexten => _X!,1,Hangup()\n"), 0);
    for bad in [
        "Goto(c,1,1)",
        "Goto(b,a,1)",
        "Goto(b,1,2)",
        "Goto(x)",
        "Gosub(c,s,1(a,b))",
        "GotoIf($[1]?c,1,1)",
        "GotoIfTime(*,*,*,*?x)",
    ] {
        let text = format!("[a]\nexten => s,1,{bad}\n same => n,Return()\n[b]\nexten => _X!,1,Hangup()\n");
        assert_eq!(loose(&text), 1, "{bad}");
    }
    assert_eq!(loose("[a]\nexten => s,1,NoOp()\n"), 1);
    assert_eq!(loose("[a]\ninclude => b\n"), 1);
}

#[test]
fn a_context_holds_few_of_many_extensions() {
    let manifests: Vec<serde_json::Value> = (0..5_000)
        .map(|at| serde_json::json!({ "apiVersion": "pbx/v1", "kind": "Extension", "metadata": { "name": format!("{}", 10_000 + at) }, "spec": {} }))
        .collect();
    let built = build(office::documents(office::text(&manifests)), |_, _| "4711".into());
    let contexts = dialplan(file(&render(&built.catalog, &built.secrets), "extensions.conf").text()).unwrap();
    let most = contexts.iter().map(|context| context.extensions.len()).max();
    assert_eq!(most, Some(50), "5,000 by two last digits");
    assert_eq!(contexts.iter().map(|context| context.hints.len()).sum::<usize>(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_what_was_meant(seed: u64, size in 1usize..16) {
        let built = any_office(seed, size);
        let tree = render(&built.catalog, &built.secrets);
        values_are_read_back(&built, &tree);
        lines_belong_to_their_objects(&built, &tree);
        no_secret_is_shown(&built, &tree);
        let contexts = dialplan(file(&tree, "extensions.conf").text()).unwrap();
        prop_assert_eq!(loose_ends(&contexts), Vec::<String>::new());
        // Names that telephones and carriers are sent into are there.
        for category in parse(file(&tree, "pjsip.conf").text()).unwrap() {
            for context in category.all("context") {
                prop_assert!(contexts.iter().any(|own| own.name == context), "{}", context);
            }
        }
    }

    #[test]
    fn the_same_system_gives_the_same_files(seed: u64) {
        let documents = office::documents(office::text(&office::manifests(seed, 6)));
        let one = build(documents.clone(), |object, path| format!("{object}{path}").bytes().map(|b| char::from(b'0' + b % 10)).take(10).collect());
        let other = build(documents.into_iter().rev().collect(), |object, path| format!("{object}{path}").bytes().map(|b| char::from(b'0' + b % 10)).take(10).collect());
        let tree = render(&one.catalog, &one.secrets);
        prop_assert_eq!(&tree, &render(&one.catalog, &one.secrets));
        prop_assert_eq!(&tree, &render(&other.catalog, &other.secrets));
        prop_assert!(changed_sections(&tree, &tree).is_empty());
    }

    /// What changed between two systems: told in the files' order, the same each time, and enough to make one of the other.
    #[test]
    fn changed_sections_are_all_that_changed(seed: u64, other: u64) {
        let (from, to) = (any_office(seed, 4), any_office(other, 4));
        let (from, to) = (render(&from.catalog, &from.secrets), render(&to.catalog, &to.secrets));
        let told = || -> Vec<(&str, Option<usize>, Option<usize>)> {
            changed_sections(&from, &to)
                .iter()
                .map(|change| (change.file, change.before.map(|(_, s)| s.line), change.after.map(|(_, s)| s.line)))
                .collect()
        };
        let all = told();
        prop_assert_eq!(&all, &told());
        for (name, file) in to.files() {
            // Every section is either told or stands, word by word, in the tree before.
            for section in file.sections() {
                let untold = !all.iter().any(|(own, _, after)| *own == name && *after == Some(section.line));
                let text = file.section_text(section).trim_end();
                let before = from.file(name).unwrap();
                let there = before.sections().iter().any(|old| before.section_text(old).trim_end() == text);
                prop_assert!(!untold || there, "{} {}", name, section.name);
            }
        }
        let gone = all.iter().filter(|(_, before, after)| before.is_some() && after.is_none()).count();
        let (old, new): (usize, usize) = (
            from.files().map(|(_, file)| file.sections().len()).sum(),
            to.files().map(|(_, file)| file.sections().len()).sum(),
        );
        let fresh = all.iter().filter(|(_, before, _)| before.is_none()).count();
        prop_assert_eq!(old + fresh, new + gone);
    }
}

/// How long a large system takes: `cargo test --release -p pbx-asterisk --test config -- --ignored --nocapture`.
#[test]
#[ignore = "measures"]
fn a_hundred_thousand_objects() {
    let size: usize = std::env::var("OBJECTS").ok().and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let mut text = String::from(
        "apiVersion: pbx/v1\nkind: ExtensionProfile\nmetadata: { name: desk }\nspec: { permissions: [internal, national], voicemail: { enabled: true } }\n---\nkind: Carrier\nmetadata: { name: main }\nspec: { hosts: [10.0.0.1] }\n---\nkind: OutboundRoute\nmetadata: { name: national }\nspec: { patterns: [_9X.], carriers: [main] }\n",
    );
    for at in 0..size {
        let name = 1_000_000 + at;
        let _ = write!(
            text,
            "---\nkind: Extension\nmetadata: {{ name: \"{name}\" }}\nspec:\n  displayName: Person {at}\n  email: p{at}@example.com\n  profile: desk\n"
        );
        if at % 10 == 0 {
            let _ = write!(
                text,
                "---\nkind: Did\nmetadata: {{ name: \"+3512{name}\" }}\nspec: {{ carrier: main, destination: extension/{name} }}\n"
            );
        }
    }
    let mut last = std::time::Instant::now();
    let mut lap = |what: &str| {
        println!("{what:>20} {:>6} ms", last.elapsed().as_millis());
        last = std::time::Instant::now();
    };
    let parsed = pbx_manifest::parse(&[Source { name: "large.yaml".into(), text }]);
    assert!(parsed.diagnostics.is_empty());
    lap("parse");
    let built = build(parsed.documents, |_, _| "4711".into());
    lap("catalog");
    let found = pbx_manifest::check(&built.catalog);
    assert!(found.is_empty());
    lap("check");
    let graph = pbx_routing::CallGraph::new(&built.catalog);
    lap("graph");
    assert!(pbx_routing::check(&graph).is_empty());
    lap("circles");
    let tree = render(&built.catalog, &built.secrets);
    lap("render (with graph)");
    let empty = ConfigTree::empty();
    let count = changed_sections(&empty, &tree).len();
    lap("changed, all new");
    assert!(changed_sections(&tree, &tree.clone()).is_empty() && count > size);
    lap("changed, none");
}
