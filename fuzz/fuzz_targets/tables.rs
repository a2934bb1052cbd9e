//! Any bytes as rows of cells: read, located, written out as rows again, and read from there.
//!
//! Nothing may panic or take long; every mistake stands in the file; what was read reads back from the rows that are written of it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pbx_manifest::{Diagnostic, Document, Entry, Kind, Source, Table, check, grid, locate, mask, parse};
use pbx_routing::CallGraph;

fuzz_target!(|bytes: &[u8]| {
    let [choice, rest @ ..] = bytes else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let kind = Kind::ALL.get(usize::from(*choice)).copied();
    let read = |text: &str| {
        let source = Source::rows("fuzz.csv", text, Table { kind, ..Table::default() });
        let parsed = parse(std::slice::from_ref(&source));
        (source, parsed)
    };
    let (source, parsed) = read(text);
    for found in &parsed.diagnostics {
        stands_in(&source, found);
    }
    let catalog = parsed.catalog();
    let mut found = check(&catalog);
    found.extend(pbx_routing::check(&catalog, &CallGraph::new(&catalog)));
    locate(std::slice::from_ref(&source), &parsed.documents, &mut found);
    for found in &found {
        stands_in(&source, found);
    }
    let mut covered = source.clone();
    mask(&mut covered);
    if parsed.documents.is_empty() || parsed.diagnostics.iter().any(Diagnostic::is_error) {
        return;
    }
    let objects: Vec<Entry<'_>> = parsed.documents.iter().map(|one| (&one.object, &one.meta, &one.fields)).collect();
    let written = grid(&objects);
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in std::iter::once(&written.header).chain(&written.rows) {
        writer.write_record(row).expect("rows of one width");
    }
    let written = String::from_utf8(writer.into_inner().expect("memory")).expect("text");
    let (_, again) = read(&written);
    let said = |documents: &[Document]| -> Vec<String> {
        documents.iter().map(|one| format!("{} {:?} {}", one.object, one.meta, one.fields)).collect()
    };
    assert_eq!(said(&again.documents), said(&parsed.documents), "{written}\n{:?}", again.diagnostics);
});

/// A finding points at words of the file, between whole letters, and says something.
fn stands_in(source: &Source, found: &Diagnostic) {
    assert!(!found.message.is_empty());
    let at = found.position.as_ref().unwrap_or_else(|| panic!("nowhere: {found:?}"));
    let (start, end) = at.bytes;
    assert!(start <= end && source.text.get(start..end).is_some(), "{found:?}");
    assert!(at.line >= 1 && at.line <= source.text.split('\n').count() && at.column >= 1, "{found:?}");
}
