//! Any bytes as a file of manifests: read, located, checked, and, where they are accepted, rendered and read back.
//!
//! Nothing may panic or take long (libFuzzer's `-timeout`); every mistake stands inside of the file; what is accepted is the same
//! when it is written out and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pbx_asterisk::config::{Place, Secrets, render};
use pbx_manifest::{AnySpec, Diagnostic, Parsed, Source, check, locate, parse};
use pbx_routing::CallGraph;

#[expect(dead_code, reason = "the reader says more than is asked here")]
#[path = "../../crates/asterisk/tests/config/conf.rs"]
mod conf;

fuzz_target!(|bytes: &[u8]| {
    let source = match Source::from_bytes("fuzz.yaml", bytes.to_vec()) {
        Ok(source) => source,
        Err((line, column)) => {
            assert!(line >= 1 && column >= 1 && column <= bytes.len());
            return;
        }
    };
    let sources = [source];
    let parsed = parse(&sources);
    for found in &parsed.diagnostics {
        stands_in(&sources[0], found);
    }
    let Parsed { documents, diagnostics, .. } = parsed;
    for document in &documents {
        // As the store keeps it and as an API's caller sends it; a secret in the open is `stored` there.
        let again = AnySpec::from_json(document.object.kind, &document.fields).expect("what was read is read again");
        assert_eq!(again.to_json(), document.spec.to_json());
    }
    let mut catalog = pbx_manifest::Catalog::default();
    let mut secrets = Secrets::default();
    for document in &documents {
        for (path, _) in document.spec.secrets() {
            let value = if path.ends_with("pin") { "4711" } else { "a;--b" };
            secrets.insert(document.object.clone(), path, value);
        }
        catalog.insert(document.object.name.clone(), document.meta.labels.clone(), document.spec.clone());
    }
    let mut found = check(&catalog);
    found.extend(pbx_routing::check(&catalog, &CallGraph::new(&catalog)));
    locate(&sources, &documents, &mut found);
    for found in &found {
        stands_in(&sources[0], found);
    }
    if documents.is_empty() || found.iter().chain(&diagnostics).any(Diagnostic::is_error) {
        return;
    }
    let tree = render(&catalog, &secrets, &Place::default());
    for (name, file) in tree.files() {
        match name {
            "extensions.conf" => {
                let contexts = conf::dialplan(file.text()).expect("a dialplan that Asterisk reads");
                assert_eq!(conf::loose_ends(&contexts), Vec::<String>::new());
            }
            // It adds to the main file's.
            "rtp.conf" => {
                drop(conf::parse(&format!("[general]\n{}", file.text())).expect("a file that Asterisk reads"))
            }
            _ => drop(conf::parse(file.text()).expect("a file that Asterisk reads")),
        }
    }
    assert_eq!(tree, render(&catalog, &secrets, &Place::default()));
});

/// A finding points at words of the file, between whole letters, and says something.
fn stands_in(source: &Source, found: &Diagnostic) {
    assert!(!found.message.is_empty());
    let at = found.position.as_ref().unwrap_or_else(|| panic!("nowhere: {found:?}"));
    let (start, end) = at.bytes;
    assert!(start <= end && source.text.get(start..end).is_some(), "{found:?}");
    let line = source.text.split('\n').nth(at.line - 1).unwrap_or_else(|| panic!("no such line: {found:?}"));
    assert!((1..=line.chars().count() + 1).contains(&at.column), "{found:?}");
}
