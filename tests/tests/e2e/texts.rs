//! Every text that is accepted anywhere, in a real Asterisk: it reads back the very same.

use std::collections::BTreeMap;
use std::rc::Rc;

use anyhow::{Context, Result, ensure};
use pbx_api::Client;
use pbx_asterisk::ami::action::{ConfigFile, GetConfig};
use pbx_asterisk::ami::{self, EventMask, Options};
use pbx_lab::{Place, samples};
use pbx_manifest::{AnySpec, Diagnostic, Document, Kind, Parsed, Secret, Source, check, parse};
use pbx_tests::{System, settings};
use serde_json::{Value as Json, json};

use crate::hostile::Liar;

#[expect(dead_code, reason = "the reader says more than is asked here")]
#[path = "../../../crates/asterisk/tests/config/conf.rs"]
mod conf;
#[path = "../../../crates/manifest/tests/manifest/strings.rs"]
mod strings;

use strings::StringField;

/// The world that others stand in: something of each kind that is referred to by the name that examples have.
fn world() -> String {
    let rest = [
        ("Extension", "1001", json!({})),
        ("ExtensionProfile", "sales", json!({})),
        ("ExtensionGroup", "sales", json!({ "members": ["1001"] })),
        ("Schedule", "sales", json!({ "open": [{ "days": "daily", "hours": ["09:00-18:00"] }] })),
        ("Carrier", "sales", json!({ "hosts": ["10.8.0.1"], "qualify": "0s" })),
        ("OutboundRoute", "sales", json!({ "patterns": ["_88X."], "carriers": ["sales"] })),
    ];
    let rest = rest.map(|(kind, name, spec)| {
        let manifest = json!({ "apiVersion": "pbx/v1", "kind": kind, "metadata": { "name": name }, "spec": spec });
        format!("---\n{manifest}\n")
    });
    settings("") + &rest.concat()
}

/// The kinds that the world has something of.
const KNOWN: [Kind; 7] = [
    Kind::Extension,
    Kind::ExtensionProfile,
    Kind::ExtensionGroup,
    Kind::Schedule,
    Kind::Carrier,
    Kind::OutboundRoute,
    Kind::Did,
];

/// What an object of a kind needs so that it stands in the world beside others of its kind, see [`numbered`]; nothing for kinds whose
/// example will do.
fn base(kind: Kind) -> Option<Json> {
    match kind {
        Kind::Extension => Some(json!({ "voicemail": { "enabled": true }, "qualify": "0s" })),
        Kind::ExtensionGroup => Some(json!({ "members": ["1001"] })),
        Kind::Carrier => Some(json!({ "hosts": ["10.9.0.0"], "qualify": "0s" })),
        Kind::OutboundRoute => Some(json!({ "patterns": ["_7700000X."], "carriers": ["sales"] })),
        Kind::Did => Some(json!({ "destination": "extension/1001" })),
        Kind::Settings => {
            Some(json!({ "transports": { "udp": { "bind": "{ip}:5060" }, "tcp": { "bind": "{ip}:5060" } } }))
        }
        _ => None,
    }
}

/// A manifest with an address and a pattern of its own.
fn numbered(manifest: &Json, number: usize) -> String {
    let address = format!("\"10.9.{}.{}\"", number / 250, number % 250 + 1);
    manifest.to_string().replace("\"10.9.0.0\"", &address).replace("_7700000X.", &format!("_77{number:05}X."))
}

/// A text that was accepted, and the manifest in which it stands.
struct Accepted {
    field: Rc<StringField>,
    text: String,
    manifest: String,
    document: Document,
}

fn errors(found: &[Diagnostic]) -> Vec<&Diagnostic> {
    found.iter().filter(|found| found.is_error()).collect()
}

/// The hostile texts that a kind's fields accept in the world, so many of each field, and with each an object of its own. A text that
/// is refused only there is refused by the object's name, and the field's.
fn accepted(world: &str, kind: Kind, number: &mut usize) -> Result<Vec<Accepted>> {
    let read = |text: &str| parse(&[Source::new("texts.yaml", text.replace("{ip}", "127.0.0.1"))]);
    let catalog = read(world).catalog();
    let mut all = Vec::new();
    for field in strings::strings(kind, base(kind).as_ref()).into_iter().map(Rc::new) {
        let mut taken = 0;
        for text in strings::hostile(&field.good) {
            if taken == samples(46) {
                break;
            }
            let manifest = numbered(&field.manifest(&strings::name(kind, *number), &text), *number);
            let Parsed { documents, diagnostics, .. } = read(&manifest);
            let Some(document) = documents.into_iter().next().filter(|_| errors(&diagnostics).is_empty()) else {
                continue;
            };
            // A recording must be there: its path reads back nowhere, its content does.
            if !document.spec.audio().is_empty() {
                continue;
            }
            let mut whole = catalog.clone();
            whole.insert(document.object.name.clone(), document.meta.labels.clone(), document.spec.clone());
            let found = check(&whole);
            if let Some(error) = errors(&found).first() {
                let about = error.object.as_ref() == Some(&document.object);
                ensure!(about && field.path.starts_with(error.path.as_str()), "{}: {error:?}", field.path);
                continue;
            }
            *number += 1;
            taken += 1;
            all.push(Accepted { field: Rc::clone(&field), text, manifest, document });
        }
    }
    Ok(all)
}

fn file(all: &[&Accepted]) -> String {
    all.iter().flat_map(|one| ["---\n", &one.manifest, "\n"]).collect()
}

/// What Asterisk's own parser makes of the files of a system.
fn parsed_by_asterisk(system: &System, paths: &[String]) -> Result<Vec<ConfigFile>> {
    let address = format!("{}:{}", system.ip(), system.asterisk().ports().ami);
    let options = Options { events: EventMask::Off, ..Options::new(address, "pbxd", system.asterisk().secret()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (client, _events) = ami::Client::connect(&options).await?;
        let mut files = Vec::new();
        for path in paths {
            files.push(client.call(&GetConfig::new(path)).await?);
        }
        Ok(files)
    })
}

/// Asterisk has read of the files what a reader of their language reads, option by option.
fn reads_the_same(system: &System) -> Result<()> {
    let ours = |name: &str, before: &str| -> Result<_> {
        let text = fs_err::read_to_string(system.asterisk().etc().join("pbx.d/current").join(name))?;
        conf::parse(&[before, &text].concat()).map_err(anyhow::Error::msg)
    };
    let names = ["pjsip.conf", "extensions.conf"];
    let paths: Vec<String> = names.iter().map(|name| format!("pbx.d/current/{name}")).collect();
    for (name, theirs) in names.iter().zip(parsed_by_asterisk(system, &paths)?) {
        let mut ours = ours(name, "")?;
        // Templates are told by what is made from them.
        ours.retain(|section| !section.template);
        ensure!(ours.len() == theirs.categories.len(), "{name}: {} sections", theirs.categories.len());
        for (ours, theirs) in ours.iter().zip(&theirs.categories) {
            ensure!(ours.name == theirs.name, "{name}: [{}] is [{}]", ours.name, theirs.name);
            let own: Vec<(&str, &str)> =
                ours.options.iter().map(|(key, value, _)| (key.as_str(), value.as_str())).collect();
            let read: Vec<(&str, &str)> =
                theirs.lines.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            ensure!(own == read, "{name} [{}]: Asterisk reads {read:?}, not {own:?}", ours.name);
        }
    }
    // What adds to a section of the main file is read with it: its options are the last ones there.
    for (name, before) in [("rtp.conf", "[general]\n"), ("voicemail.conf", "[general]\n[zonemessages]\n")] {
        let theirs = parsed_by_asterisk(system, &[name.to_owned()])?.remove(0);
        for ours in ours(name, before)? {
            let section = theirs.categories.iter().find(|theirs| theirs.name == ours.name).context("no section")?;
            let read = section.lines.iter().map(|(key, value)| (key.as_str(), value.as_str()));
            let own = ours.options.iter().map(|(key, value, _)| (key.as_str(), value.as_str()));
            ensure!(read.clone().rev().take(ours.options.len()).eq(own.rev()), "{name}: {:?}", section.lines);
        }
    }
    Ok(())
}

/// pbxd has each text as it was written; a secret is not told, and proven elsewhere.
fn is_kept(system: &System, all: &[&Accepted]) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let list = runtime.block_on(Client::new(system.socket()).objects(None, &[]))?;
    let by_object: BTreeMap<_, _> = list.objects.iter().map(|view| (&view.object, view)).collect();
    for one in all {
        let view = by_object.get(&one.document.object).with_context(|| format!("{} is gone", one.document.object))?;
        let mut kept = one.document.clone();
        kept.meta.clone_from(&view.meta);
        kept.fields.clone_from(&view.spec);
        kept.spec = AnySpec::from_json(one.field.kind, &view.spec)?;
        let secret = one
            .document
            .spec
            .secrets()
            .iter()
            .any(|(path, secret)| one.field.path == format!("spec.{path}") && matches!(secret, Secret::Literal(_)));
        let renamed = one.field.path == "metadata.renamedFrom";
        ensure!(secret || renamed || one.field.read(&kept) == Some(&one.text), "{} {:?}", one.field.path, one.text);
    }
    Ok(())
}

#[test]
fn whatever_is_accepted_reads_back_the_very_same() -> Result<()> {
    let world = world();
    let system = System::start()?;
    let mut number = 10;
    let mut all = Vec::new();
    for kind in Kind::ALL.iter().filter(|kind| **kind != Kind::Settings && KNOWN.contains(kind)) {
        let own = accepted(&world, *kind, &mut number)?;
        ensure!(!own.is_empty(), "no text is accepted of a {kind}");
        // A name that somebody had is no text that stays, and takes the object of that name along.
        all.extend(own.into_iter().filter(|one| one.field.path != "metadata.name" && !is_of_elsewhere(one)));
    }
    let all: Vec<&Accepted> = all.iter().collect();
    ensure!(all.len() > 300, "only {} texts were accepted", all.len());
    system.apply(&(world.clone() + &file(&all)))?;
    is_kept(&system, &all)?;
    reads_the_same(&system)?;

    // Asterisk's own objects: what others see of a caller, and what a telephone must know.
    let place = Place::take()?;
    let mut liar = Liar::new(place.ip(), system.ip())?;
    let mut proven = 0;
    for one in all.iter().filter(|one| one.field.kind == Kind::Extension) {
        let name = &one.document.object.name;
        if one.field.path == "spec.displayName" {
            let shown = system.asterisk().cli(&format!("pjsip show endpoint {name}"))?;
            let line = shown.lines().find_map(|line| line.trim().strip_prefix("callerid")).context("no caller id")?;
            let meant = format!("\"{}\" <{name}>", one.text);
            ensure!(line.trim_start_matches([' ', ':']).trim_end() == meant, "{line}, not {meant}");
            proven += 1;
        }
        if one.field.path == "spec.password" {
            let (uri, header) =
                (format!("sip:{}", system.ip()), format!("Contact: <sip:{name}@127.0.0.1>\r\nExpires: 0\r\n"));
            let code = liar.ask("REGISTER", &uri, name.as_str(), Some(&one.text), &header)?;
            ensure!(code == 200, "{code}: Asterisk has another password than {:?}", one.text);
            proven += 1;
        }
    }
    ensure!(proven > 30, "only {proven} were looked at in Asterisk");
    // What was applied is what there is.
    let again = system.pbxctl(&["diff", "-f", "000.yaml"])?;
    again.expect(0)?;
    Ok(())
}

/// Texts that name what this machine does not have: files, variables, other objects.
fn is_of_elsewhere(one: &Accepted) -> bool {
    matches!(one.field.path.rsplit('.').next(), Some("env" | "file")) || one.field.path.starts_with("metadata.renamed")
}

/// There is one Settings object: its texts come one after another. Its transports are the test's own.
#[test]
fn whatever_the_settings_accept_reads_back_the_very_same() -> Result<()> {
    let world = world();
    let system = System::start()?;
    system.apply(&world)?;
    let mut fields: BTreeMap<String, u32> = BTreeMap::new();
    for one in accepted(&world, Kind::Settings, &mut 0)? {
        let seen = fields.entry(one.field.path.clone()).or_default();
        if *seen == samples(3) || one.field.path.starts_with("spec.transports") || is_of_elsewhere(&one) {
            continue;
        }
        *seen += 1;
        system.apply(&file(&[&one])).with_context(|| format!("{} {:?}", one.field.path, one.text))?;
        is_kept(&system, &[&one])?;
        reads_the_same(&system)?;
    }
    ensure!(fields.len() > 3, "{fields:?}");
    Ok(())
}
