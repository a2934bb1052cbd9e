//! The system that a command looks at: what manifests declare, or what is live.

use std::collections::HashMap;
use std::path::PathBuf;

use pbx_manifest::{
    AnySpec, Catalog, Diagnostic, Document, Locator, ObjectRef, Origin, Position, Source, TestDocument, locate,
};
use pbx_routing::{CallGraph, Field, check_system};

use crate::app::App;
use crate::cli::Rows;
use crate::failure::Failure;
use crate::{input, show};

/// A system, and the call tests that were read with it.
pub struct System {
    /// Its objects.
    pub catalog: Catalog,
    /// Where its calls go.
    pub graph: CallGraph,
    /// The tests.
    pub tests: Vec<TestDocument>,
    /// The documents that declare it, where files do.
    documents: Vec<Document>,
}

impl System {
    /// What files declare; where none is named, or they hold nothing but call tests, what is live.
    pub fn read(app: &mut App, files: &[PathBuf], rows: Rows) -> Result<Self, Failure> {
        let mut tests = Vec::new();
        if !files.is_empty() {
            let parsed = input::whole(app, files, rows)?;
            if !parsed.documents.is_empty() {
                let catalog = parsed.catalog();
                let graph = CallGraph::new(&catalog);
                return Ok(Self { catalog, graph, tests: parsed.tests, documents: parsed.documents });
            }
            tests = parsed.tests;
        }
        let catalog = live(app)?;
        let graph = CallGraph::new(&catalog);
        Ok(Self { catalog, graph, tests, documents: Vec::new() })
    }

    /// Whether files declare it, and it is not the live one.
    pub fn is_declared(&self) -> bool {
        !self.documents.is_empty()
    }

    /// Fails where the system has errors: what would be refused is not worth a test.
    pub fn refuse_errors(&self, sources: &[Source]) -> Result<(), Failure> {
        if self.documents.is_empty() {
            return Ok(());
        }
        let mut found = check_system(&self.catalog, &self.graph);
        found.retain(Diagnostic::is_error);
        if found.is_empty() {
            return Ok(());
        }
        locate(sources, &self.documents, &mut found);
        let message = show::plural(found.len(), "error in the manifests", "errors in the manifests");
        Err(Failure::failed("invalid", message).help("mend them, and run the command again").with(found))
    }

    /// Finds where fields stand in the files.
    pub fn places<'s>(&'s self, sources: &'s [Source]) -> Places<'s> {
        let origins = self.documents.iter().map(|document| (&document.object, document.origin)).collect();
        Places { origins, locator: Locator::new(sources) }
    }
}

/// Where fields stand in the files.
pub struct Places<'s> {
    origins: HashMap<&'s ObjectRef, Origin>,
    locator: Locator<'s>,
}

impl Places<'_> {
    /// Where a field stands, or the nearest that was written around it; nothing where no file declares the object.
    pub fn of(&mut self, field: &Field) -> Option<Position> {
        self.locator.locate(*self.origins.get(&field.object)?, &field.path)
    }

    /// Where a field of a call test stands.
    pub fn in_test(&mut self, test: &TestDocument, path: &str) -> Option<Position> {
        self.locator.locate(test.origin, path)
    }
}

/// A place in a few letters: the file and the line, or the cell.
pub fn short(place: &Position) -> String {
    match &place.cell {
        Some(_) => place.to_string(),
        None => format!("{}:{}", place.file, place.line),
    }
}

/// The live system's objects.
fn live(app: &mut App) -> Result<Catalog, Failure> {
    let list = app.ask(|client| async move { client.objects(None, &[]).await })?;
    if list.objects.is_empty() {
        return Err(Failure::failed("empty", "there is nothing in this system yet")
            .help("`-f FILE` looks at what manifests declare, without pbxd"));
    }
    let mut catalog = Catalog::default();
    for view in list.objects {
        let spec = AnySpec::from_json(view.object.kind, &view.spec).map_err(|error| {
            Failure::failed("misunderstood", format!("{}: {error}", view.object))
                .help("are pbxctl and pbxd of the same version? `pbxctl --version`, `pbxd --version`")
        })?;
        catalog.insert(view.object.name, view.meta.labels, spec);
    }
    Ok(catalog)
}
