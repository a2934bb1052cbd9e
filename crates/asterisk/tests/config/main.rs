//! The configuration that is written, read back by a reader of its own.

#![expect(clippy::unwrap_used, reason = "tests")]

mod conf;
mod meant;
#[path = "../../../manifest/tests/manifest/office.rs"]
mod office;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use pbx_asterisk::config::{ConfigTree, Place, render};
use pbx_asterisk::deploy::changed_sections;
use pbx_asterisk::modules::{NEEDED, optional};
use pbx_lab::samples;
use pbx_manifest::kinds::Preset;
use pbx_manifest::{Document, Source};
use proptest::prelude::*;

use conf::{dialplan, loose_ends, parse};
use meant::{any_office, build, file, is_what_was_meant};

fn small_office() -> Vec<Document> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/small-office");
    let mut text = String::new();
    for name in ["settings.yaml", "people.yaml", "lines.yaml"] {
        #[expect(clippy::disallowed_methods, reason = "a test's own file; its error says enough")]
        let one = std::fs::read_to_string(folder.join(name)).unwrap();
        text.push_str(&one);
        text.push_str("\n---\n");
    }
    let parsed = pbx_manifest::parse(&[Source::new("small-office", text)]);
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
    let tree = render(&built.catalog, &built.secrets, &Place::default());
    for (name, file) in tree.files() {
        insta::assert_snapshot!(name, file.masked());
    }
}

#[test]
fn the_small_office_leads_everywhere() {
    let built = build(small_office(), |_, _| "4711".into());
    let contexts =
        dialplan(file(&render(&built.catalog, &built.secrets, &Place::default()), "extensions.conf").text()).unwrap();
    assert_eq!(loose_ends(&contexts), Vec::<String>::new());
}

/// Asterisk itself has these; all else that a dialplan calls comes from a module that is asked for before.
const CORE: [&str; 14] = [
    "Set",
    "MSet",
    "Goto",
    "GotoIf",
    "GotoIfTime",
    "NoOp",
    "Hangup",
    "Answer",
    "Busy",
    "Congestion",
    "Ringing",
    "Progress",
    "Wait",
    "FEATUREMAP",
];

/// The applications and functions that a dialplan calls and that no module has which is asked for before.
fn unknown_words(tree: &ConfigTree) -> BTreeSet<String> {
    let optional = optional(|name| file(tree, name).text()).into_iter().map(|(module, ..)| module);
    let modules: Vec<_> = NEEDED.into_iter().chain(optional).collect();
    let has = |word: &str| CORE.contains(&word) || modules.iter().any(|module| module.has.contains(&word));
    let text = file(tree, "extensions.conf").text();
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with(';')) {
        for (at, _) in line.match_indices('(') {
            let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let word = line[..at].rsplit(|c: char| !letter(c)).next().unwrap_or_default();
            let before = line[..at - word.len()].chars().next_back();
            // A function after `${` or in `Set(`, an application after its priority; other brackets are of options and expressions.
            if word.len() > 1
                && word.starts_with(|c: char| c.is_ascii_uppercase())
                && matches!(before, Some('{' | ',' | '(' | ')' | '?' | ':'))
            {
                seen.insert(word.to_owned());
            }
        }
    }
    assert!(seen.len() > 20, "{seen:?}");
    seen.retain(|word| !has(word));
    seen
}

#[test]
fn every_application_and_function_is_of_a_module_that_is_asked_for() {
    let built = build(small_office(), |_, _| "4711".into());
    let mut unknown = unknown_words(&render(&built.catalog, &built.secrets, &Place::default()));
    for seed in 0..40 {
        let built = any_office(seed, 6);
        unknown.extend(unknown_words(&render(&built.catalog, &built.secrets, &Place::default())));
    }
    assert_eq!(unknown, BTreeSet::new());
}

/// What is known of the providers, as Asterisk gets it: a wrong address would cost somebody the calls.
#[test]
fn presets_in_every_region() {
    const TOLD: [&str; 7] =
        ["contact", "match", "outbound_proxy", "transport", "media_encryption", "server_uri", "client_uri"];
    let mut text = String::new();
    for preset in [Preset::Twilio, Preset::Telnyx, Preset::Vonage, Preset::Ringcentral] {
        let account = match preset {
            Preset::Twilio | Preset::Vonage => "authentication",
            _ => "registration",
        };
        for region in preset.regions() {
            let manifest = serde_json::json!({
                "apiVersion": "pbx/v1", "kind": "Carrier", "metadata": { "name": "x" },
                "spec": { "preset": preset, "region": region, account: { "username": "acme", "password": { "env": "P" } } },
            });
            let built = build(office::documents(office::text(&[manifest])), |_, _| "4711".into());
            assert_eq!(pbx_manifest::check(&built.catalog), []);
            let _ = writeln!(text, "{} {region}", preset.word());
            let tree = render(&built.catalog, &built.secrets, &Place::default());
            for section in parse(file(&tree, "pjsip.conf").text()).unwrap() {
                if let (Some(kind), "carrier-x") = (section.get("type"), section.name.as_str()) {
                    for (key, value, _) in section.options.iter().filter(|(key, ..)| TOLD.contains(&key.as_str())) {
                        let _ = writeln!(text, "  {kind} {key} = {value}");
                    }
                }
            }
        }
    }
    insta::assert_snapshot!(text);
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
    let contexts =
        dialplan(file(&render(&built.catalog, &built.secrets, &Place::default()), "extensions.conf").text()).unwrap();
    let most = contexts.iter().map(|context| context.extensions.len()).max();
    assert_eq!(most, Some(50), "5,000 by two last digits");
    let patterns = contexts.iter().flat_map(|context| &context.hints).filter(|(name, _)| name.starts_with('_'));
    let hints = contexts.iter().map(|context| context.hints.len()).sum::<usize>();
    assert!(hints < 10 && patterns.count() == hints, "{hints} hints");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(samples(96)))]

    #[test]
    fn what_is_written_is_what_was_meant(seed: u64, size in 1usize..16) {
        let built = any_office(seed, size);
        let tree = render(&built.catalog, &built.secrets, &Place::default());
        is_what_was_meant(&built, &tree);
    }

    #[test]
    fn the_same_system_gives_the_same_files(seed: u64) {
        let documents = office::documents(office::text(&office::manifests(seed, 6)));
        let one = build(documents.clone(), |object, path| format!("{object}{path}").bytes().map(|b| char::from(b'0' + b % 10)).take(10).collect());
        let other = build(documents.into_iter().rev().collect(), |object, path| format!("{object}{path}").bytes().map(|b| char::from(b'0' + b % 10)).take(10).collect());
        let tree = render(&one.catalog, &one.secrets, &Place::default());
        prop_assert_eq!(&tree, &render(&one.catalog, &one.secrets, &Place::default()));
        prop_assert_eq!(&tree, &render(&other.catalog, &other.secrets, &Place::default()));
        prop_assert!(changed_sections(&tree, &tree).is_empty());
    }

    /// What changed between two systems: told in the files' order, the same each time, and enough to make one of the other.
    #[test]
    fn changed_sections_are_all_that_changed(seed: u64, other: u64) {
        let (from, to) = (any_office(seed, 4), any_office(other, 4));
        let (from, to) = (render(&from.catalog, &from.secrets, &Place::default()), render(&to.catalog, &to.secrets, &Place::default()));
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
