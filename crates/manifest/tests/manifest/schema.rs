//! The schema and `explain` know every field that manifests may have.

use std::path::Path;

use pbx_manifest::{Kind, Source, explain, parse, schema};
use proptest::prelude::*;
use serde_json::Value as Json;

use crate::office;

/// Every field that is written in a value can be explained; lists are looked into.
fn explained(kind: Kind, path: &str, value: &Json) {
    match value {
        Json::Object(map) if !map.keys().all(|key| ["generate", "env", "file", "stored"].contains(&key.as_str())) => {
            for (key, value) in map {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let said = explain(kind, &path).unwrap_or_else(|there| panic!("{kind} {path}: only {there:?}"));
                assert!(!said.about.is_empty() && !said.values.is_empty(), "{kind} {path}: {said:?}");
                explained(kind, &path, value);
            }
        }
        Json::Array(items) => items.iter().for_each(|item| explained(kind, path, item)),
        _ => {}
    }
}

#[test]
fn every_field_of_every_kind_is_explained() {
    fn walk(kind: Kind, path: &str, depth: usize) -> usize {
        assert!(depth < 8, "{kind} {path} has no end");
        let said = explain(kind, path).unwrap();
        assert!(!said.about.is_empty() && !said.values.is_empty(), "{kind} {path}");
        let mut count = 0;
        for field in &said.fields {
            assert!(!field.about.is_empty(), "{kind} {path}.{} says nothing", field.name);
            assert!(!field.values.is_empty(), "{kind} {path}.{} takes nothing", field.name);
            let below = if path.is_empty() { field.name.clone() } else { format!("{path}.{}", field.name) };
            let said = explain(kind, &below).unwrap();
            assert_eq!(field.nested, !said.fields.is_empty(), "{kind} {below}");
            count += 1 + walk(kind, &below, depth + 1);
        }
        count
    }
    for kind in Kind::ALL {
        assert!(walk(*kind, "", 0) > 2, "{kind}");
        let there = explain(*kind, "nothing").unwrap_err();
        assert!(there.iter().any(|field| field == "enabled"), "{kind}: {there:?}");
    }
}

#[test]
fn the_examples_are_accepted_and_explained() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/small-office");
    let mut sources = Vec::new();
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        #[expect(clippy::disallowed_methods, reason = "a test's own file; its error says enough")]
        let text = std::fs::read_to_string(&path).unwrap();
        sources.push(Source::new(path.display().to_string(), text));
    }
    let parsed = parse(&sources);
    assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
    assert!(parsed.documents.len() > 10);
    for document in &parsed.documents {
        explained(document.object.kind, "", &document.fields);
    }
    assert_eq!(pbx_manifest::check(&parsed.catalog()), []);
}

#[test]
fn a_schema_has_no_loose_ends() {
    fn references<'s>(value: &'s Json, into: &mut Vec<&'s str>) {
        match value {
            Json::Object(map) => {
                into.extend(map.get("$ref").and_then(Json::as_str));
                map.values().for_each(|value| references(value, into));
            }
            Json::Array(items) => items.iter().for_each(|item| references(item, into)),
            _ => {}
        }
    }
    for kind in Kind::ALL {
        let schema = schema(*kind);
        let mut found = Vec::new();
        references(&schema, &mut found);
        for reference in found {
            let name = reference.strip_prefix("#/$defs/").unwrap();
            assert!(schema["$defs"][name].is_object(), "{kind}: {reference}");
        }
        assert_eq!(schema["properties"]["kind"]["const"], kind.title());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_accepted_is_explained(seed: u64) {
        for document in office::documents(office::text(&office::manifests(seed, 3))) {
            explained(document.object.kind, "", &document.fields);
            explained(document.object.kind, "", &document.spec.to_json());
        }
    }
}
