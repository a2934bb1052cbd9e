//! Reading: whatever comes in, nothing panics, every finding points into the file, and all mistakes are found at once.

use std::fmt::Write as _;

use pbx_manifest::{Diagnostic, Kind, Name, ObjectRef, Parsed, Source, check, locate, parse};
use proptest::prelude::*;
use serde::Serialize as _;
use serde_json::json;

use crate::office;

fn read(text: &str) -> Parsed {
    parse(&[Source::new("office.yaml", text)])
}

/// Every finding stands in the file, where its line and column say.
fn points_inside(text: &str, found: &[Diagnostic]) {
    let lines: Vec<&str> = text.split('\n').collect();
    for diagnostic in found {
        let at = diagnostic.position.as_ref().unwrap_or_else(|| panic!("no position: {diagnostic}"));
        let (start, end) = at.bytes;
        assert!(start <= end && end <= text.len(), "{at:?} of {}", text.len());
        assert!(text.is_char_boundary(start) && text.is_char_boundary(end), "{at:?}");
        assert!((1..=lines.len()).contains(&at.line), "{at:?} of {} lines", lines.len());
        let before = &text[..start];
        assert_eq!(before.matches('\n').count() + 1, at.line, "{at:?}");
        assert!(!text[start..end].contains('\n'), "{at:?} runs over lines");
        assert!(at.column >= 1 && at.column <= lines[at.line - 1].chars().count() + 2, "{at:?}");
        assert!(!diagnostic.message.is_empty() && diagnostic.message.len() <= 1000);
    }
}

fn codes(parsed: &Parsed) -> Vec<&str> {
    parsed.diagnostics.iter().map(|found| found.code.as_str()).collect()
}

const ONE: &str = "apiVersion: pbx/v1\nkind: Extension\nmetadata: { name: \"1001\" }\nspec: { displayName: Ana }\n";

fn extension(name: &str) -> ObjectRef {
    ObjectRef::new(Kind::Extension, name.parse::<Name>().unwrap())
}

#[test]
fn documents_are_split_where_yaml_splits_them() {
    for text in [
        format!("{ONE}---\n{}", ONE.replace("1001", "1002")),
        format!("---\n{ONE}...\n---\n{}", ONE.replace("1001", "1002")),
        format!("---\n---\n# nothing\n---\n{ONE}---\n---\n{}---\n", ONE.replace("1001", "1002")),
        format!("%YAML 1.2\n---\n{ONE}...\n%YAML 1.2\n---\n{}", ONE.replace("1001", "1002")),
        format!("{ONE}---\n{}", ONE.replace("1001", "1002")).replace('\n', "\r\n"),
        format!("\u{feff}{ONE}---\n{}", ONE.replace("1001", "1002")),
        format!("{ONE}---\nkind: Extension\nmetadata: {{ name: \"1002\" }}\nspec: {{ displayName: Ana }}"),
        json(["1001", "1002"], 2),
        json(["1001", "1002"], 0).replace('\n', ""),
        json(["1001", "1002"], 1).replace(' ', "\t"),
        format!("{ONE}---\n{}", json(["1002"], 2)),
    ] {
        let parsed = read(&text);
        assert!(parsed.diagnostics.is_empty(), "{text}: {:?}", parsed.diagnostics);
        let objects: Vec<_> = parsed.documents.iter().map(|document| document.object.clone()).collect();
        assert_eq!(objects, [extension("1001"), extension("1002")], "{text}");
    }
    assert!(read("").documents.is_empty() && read("# nothing\n---\n~\n").diagnostics.is_empty());
}

/// Objects as a list, as `export -o json` writes them.
fn json<const N: usize>(names: [&str; N], indent: usize) -> String {
    let objects = names.map(|name| {
        json!({ "apiVersion": "pbx/v1", "kind": "Extension", "metadata": { "name": name }, "spec": { "displayName": "Ana" } })
    });
    let indent = " ".repeat(indent);
    let mut text = Vec::new();
    let form = serde_json::ser::PrettyFormatter::with_indent(indent.as_bytes());
    objects.serialize(&mut serde_json::Serializer::with_formatter(&mut text, form)).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn what_is_wrong_in_a_list_is_found_where_it_stands() {
    let text = json(["1001", "1002", "1001"], 2).replacen("\"Ana\"", "\"Ana\", \"noAnswer\": \"extension/9\"", 3);
    let sources = [Source::new("office.json", text.as_str())];
    let mut parsed = parse(&sources);
    assert_eq!(codes(&parsed), ["repeated-object"]);
    assert_eq!(parsed.diagnostics[0].position.as_ref().unwrap().line, 26);
    assert_eq!(parsed.diagnostics[0].help[0], "first declared at office.json:6:15");
    parsed.diagnostics.clear();
    let found = parsed.check(&sources, pbx_manifest::check);
    points_inside(&text, &found);
    let lines: Vec<usize> = found.iter().map(|found| found.position.as_ref().unwrap().line).collect();
    assert_eq!(lines, [29, 19], "{found:?}");

    // A list of what are no objects is one mistake, and so is an object that is none.
    assert_eq!(codes(&read("[1, 2]")), ["not-a-manifest"]);
    assert_eq!(codes(&read("- - kind: Extension\n")), ["not-a-manifest"]);
    assert!(read("[]").documents.is_empty() && read("[]").diagnostics.is_empty());
}

#[test]
fn positions_hold_behind_a_byte_order_mark_and_wide_letters() {
    for start in ["", "\u{feff}", "# 東京 🙂\n", "\u{feff}# é\r\n"] {
        let text = format!("{start}{}", ONE.replace("Ana }", "Ana, emial: x }"));
        let parsed = read(&text);
        points_inside(&text, &parsed.diagnostics);
        let at = parsed.diagnostics[0].position.as_ref().unwrap();
        assert_eq!(&text[at.bytes.0..at.bytes.1], "emial", "after {start:?}");
    }
}

#[test]
fn what_is_found_later_stands_where_it_was_written() {
    let one = |name: u32, indent: &str| {
        let fields = ["apiVersion: pbx/v1", "kind: Extension", &format!("metadata: {{ name: \"{name}\" }}"), "spec:"];
        let fields = fields.map(|field| [indent, field, "\n"].concat()).concat();
        format!("{fields}{indent}  callForward: {{ busy: extension/9{name} }}\n")
    };
    let list = |names: [u32; 2]| names.map(|name| one(name, "  ").replacen("  a", "- a", 1)).concat();
    let texts = [
        [one(1001, ""), one(1002, ""), one(1003, "")].join("---\n"),
        // Comments, empty documents, wide letters, ends, and lines that begin with blanks.
        format!("# é 🙂\n{}...\n# 東京\n---\n---\n# x\n{}--- # y\n{}", one(1001, ""), one(1002, "   "), one(1003, "")),
        format!("\u{feff}%YAML 1.2\n---\n{}...\n%YAML 1.2\n---\n{}", one(1001, ""), one(1002, "")),
        format!("{}---\n{}---\n{}", list([1001, 1002]), one(1003, ""), list([1004, 1005])),
        format!("{}---\nkind: \"Extension\n---\n{}", one(1001, ""), one(1002, "")).replace('\n', "\r\n"),
    ];
    for text in texts {
        let sources = [Source::new("office.yaml", text.clone())];
        let parsed = parse(&sources);
        let mut found = check(&parsed.catalog());
        locate(&sources, &parsed.documents, &mut found);
        points_inside(&text, &found);
        assert_eq!(found.len(), text.matches("busy").count(), "{found:?} in {text}");
        for diagnostic in found {
            let at = diagnostic.position.unwrap();
            let name = diagnostic.object.unwrap().name;
            assert_eq!(text[at.bytes.0..at.bytes.1].trim(), format!("extension/9{name}"), "{text}");
        }
    }
}

#[test]
fn anchors_and_merge_keys_mean_their_values() {
    let text = "apiVersion: pbx/v1\nkind: ExtensionGroup\nmetadata: { name: a }\nspec:\n  members: &team [\"1001\"]\n  displayName: &n Sales\n  description: *n\n";
    let parsed = read(text);
    assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
    assert_eq!(
        parsed.documents[0].fields,
        json!({ "members": ["1001"], "displayName": "Sales", "description": "Sales" })
    );
    // Own fields win over merged ones, earlier merged ones over later ones.
    let merged = "apiVersion: pbx/v1\nkind: Extension\nmetadata: { name: \"1\" }\nspec:\n  callForward: &f { busy: hangup, noAnswer: hangup/busy }\n  voicemail: { enabled: true }\n---\nkind: Did\nmetadata: { name: \"123\" }\nspec:\n  callers:\n    - &a { from: \"1\", destination: hangup }\n    - { <<: *a, from: \"2\" }\n    - { <<: [{ from: \"3\" }, *a] }\n  destination: hangup\n";
    let parsed = read(merged);
    assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
    let from: Vec<_> =
        parsed.documents[1].fields["callers"].as_array().unwrap().iter().map(|rule| rule["from"].clone()).collect();
    assert_eq!(from, ["1", "2", "3"]);
    for (bad, word) in [
        ("spec: *nothing", "alias"),
        ("spec: { <<: 5 }", "<<"),
        ("spec: { <<: [{}, 5] }", "<<"),
        ("spec: { displayName: a, displayName: b }", "twice"),
        ("spec: { [a]: b }", "field's name"),
    ] {
        let text = format!("apiVersion: pbx/v1\nkind: Extension\nmetadata: {{ name: \"1\" }}\n{bad}\n");
        let parsed = read(&text);
        points_inside(&text, &parsed.diagnostics);
        assert_eq!(codes(&parsed), ["yaml"], "{bad}");
        assert!(parsed.diagnostics[0].message.contains(word), "{bad}: {}", parsed.diagnostics[0].message);
    }
    // An anchor of another document is not known here.
    assert_eq!(
        codes(&read(&format!(
            "{ONE}---\nkind: Extension\nmetadata: {{ name: &n \"1\" }}\n---\nkind: Extension\nmetadata: {{ name: *n }}\n"
        ))),
        ["yaml"]
    );
}

#[test]
fn a_file_cannot_nest_or_grow_without_end() {
    for text in ["[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(10_000), "a: &a [*a]".to_owned()] {
        let parsed = read(&text);
        points_inside(&text, &parsed.diagnostics);
        assert_eq!(codes(&parsed).len(), 1, "{text:.40}");
    }
    // A billion nodes from a few lines.
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let before = vec![format!("*a{}", level - 1); 10].join(", ");
        let _ = writeln!(bomb, "a{level}: &a{level} [{before}]");
    }
    let parsed = read(&bomb);
    assert!(parsed.diagnostics[0].message.contains("aliases"), "{:?}", parsed.diagnostics);
    // A tower: each alias stands deep inside what the next one names. In a small stack, as a thread's is.
    let mut tower = String::from("a0: &a0 [x]\n");
    for level in 1..200 {
        let _ = writeln!(tower, "a{level}: &a{level} {}*a{}{}", "[".repeat(60), level - 1, "]".repeat(60));
    }
    let parsed =
        std::thread::Builder::new().stack_size(512 * 1024).spawn(move || read(&tower)).unwrap().join().unwrap();
    assert!(parsed.diagnostics[0].message.contains("nested"), "{:?}", parsed.diagnostics);
}

#[test]
fn every_mistake_of_a_document_is_found() {
    let text = "apiVersion: pbx/v2\nkind: Extension\nmetadata: { name: \"10a\", label: {} }\nspec:\n  displayNmae: Ana\n  email: nobody\n  ringTimeout: 25\n  enabled: yes\n  codecs: [alaw, g999, alaw2]\n  callForward: { busy: nowhere, never: hangup }\n  voicemail: [x]\nmore: 1\n";
    let parsed = read(text);
    points_inside(text, &parsed.diagnostics);
    let said: Vec<&str> = parsed
        .diagnostics
        .iter()
        .map(|found| {
            let (start, end) = found.position.as_ref().unwrap().bytes;
            &text[start..end]
        })
        .collect();
    for words in
        ["pbx/v2", "label", "displayNmae", "nobody", "25", "yes", "g999", "alaw2", "nowhere", "never", "[x]", "more"]
    {
        assert!(said.contains(&words), "{words} is not among {said:?}");
    }
    assert!(parsed.documents.is_empty());
    // A second document is read whatever the first one holds.
    assert_eq!(read(&format!("{text}---\n{ONE}")).documents.len(), 1);
}

#[test]
fn an_object_that_is_declared_twice_names_both_places() {
    let parsed = parse(&[Source::new("a.yaml", ONE), Source::new("b.yaml", format!("# moved\n{ONE}"))]);
    let found = &parsed.diagnostics[0];
    assert_eq!((found.code.as_str(), found.position.as_ref().unwrap().file.as_str()), ("repeated-object", "b.yaml"));
    assert_eq!(found.position.as_ref().unwrap().line, 4);
    assert_eq!(found.help[0], "first declared at a.yaml:3:19");
}

#[test]
fn only_what_was_written_is_a_field() {
    let text = ONE.replace("{ displayName: Ana }", "{ displayName: Ana, ringTimeout: 90s, email: ~, voicemail: { enabled: true }, password: { env: P }, callerId: {} }");
    let parsed = read(&text);
    // In its normal form, without defaults around it; nothing is nothing.
    let fields = json!({ "displayName": "Ana", "ringTimeout": "1m30s", "voicemail": { "enabled": true }, "password": { "env": "P" }, "callerId": {} });
    assert_eq!(parsed.documents[0].fields, fields);
    let text = ONE.replace("Ana", "Ana, password: hunter22");
    let parsed = read(&text);
    assert_eq!(codes(&parsed), ["literal-secret"]);
    assert_eq!(parsed.documents[0].fields["password"], json!({ "stored": true }));
    assert!(!format!("{:?} {:?}", parsed.documents, parsed.diagnostics).contains("hunter22"));
}

#[test]
fn a_value_keeps_what_was_typed() {
    let text = "apiVersion: pbx/v1\nkind: Extension\nmetadata: { name: 0100 }\nspec: { callerId: { number: +351210001000 }, displayName: 007 }\n";
    let parsed = read(text);
    assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
    assert_eq!(parsed.documents[0].object, extension("0100"));
    assert_eq!(parsed.documents[0].fields, json!({ "callerId": { "number": "+351210001000" }, "displayName": "007" }));
}

/// Documents as YAML that people would write, and as JSON.
fn written(seed: u64, size: usize) -> String {
    office::text(&office::manifests(seed, size))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_is_read_panics(text in "([ -~\\n\\t:{}\\[\\]&*!|>'\"%@#,?-]|\\PC){0,200}") {
        points_inside(&text, &read(&text).diagnostics);
    }

    #[test]
    fn manifests_with_slips_are_read_to_their_end(seed: u64, slips in prop::collection::vec((any::<prop::sample::Index>(), 0usize..6, "[ -~]{1,6}|[\\n\\t{}:\\[\\]*&é]"), 1..6)) {
        let mut text: Vec<char> = written(seed, 3).chars().collect();
        for (at, how, piece) in slips {
            // Slips may take all of it away.
            if text.is_empty() {
                break;
            }
            let at = at.index(text.len());
            match how {
                0 => { text.remove(at); }
                1 => { text.splice(at..at, piece.chars()); }
                2 => { let until = (at + 20).min(text.len()); text.drain(at..until); }
                3 => { text[at] = piece.chars().next().unwrap(); }
                4 => { let copy: Vec<char> = text[at..(at + 40).min(text.len())].to_vec(); text.splice(at..at, copy); }
                _ => text.truncate(at + 1),
            }
        }
        let text: String = text.into_iter().collect();
        points_inside(&text, &read(&text).diagnostics);
    }

    #[test]
    fn what_is_accepted_is_the_same_after_writing_its_fields(seed: u64) {
        let documents = office::documents(written(seed, 4));
        let again: Vec<serde_json::Value> = documents
            .iter()
            .map(|document| {
                json!({
                    "apiVersion": "pbx/v1", "kind": document.object.kind.title(),
                    "metadata": { "name": document.object.name, "labels": document.meta.labels }, "spec": document.fields,
                })
            })
            .collect();
        let again = office::documents(office::text(&again));
        prop_assert_eq!(documents.len(), again.len());
        for (one, other) in documents.iter().zip(&again) {
            prop_assert_eq!((&one.object, &one.meta, &one.spec, &one.fields), (&other.object, &other.meta, &other.spec, &other.fields));
        }
    }

    #[test]
    fn documents_do_not_depend_on_the_files_they_stand_in(seed: u64, cut: prop::sample::Index) {
        let all = office::manifests(seed, 4);
        let (first, second) = all.split_at(cut.index(all.len()));
        let source = |part: &[serde_json::Value]| Source::new("part", office::text(part));
        let parts = parse(&[source(first), source(second)]);
        prop_assert_eq!(parts.catalog(), parse(&[source(&all)]).catalog());
    }
}
