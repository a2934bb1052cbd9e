//! Where fields of documents stand: found when something is to be told of them, and not before.

use std::collections::HashMap;

use crate::diagnostic::Diagnostic;
use crate::document::{Document, Origin, manifests};
use crate::kind::ObjectRef;
use crate::source::{Lines, Position, Source, Span};
use crate::table::Cells;
use crate::yaml::{self, Node, Value};

/// Finds a path (`spec.members[2]`) in a document: its node, and the words to point at.
pub(crate) fn find<'n, 't>(document: &'n Node<'t>, path: &str) -> Option<(&'n Node<'t>, Span)> {
    let mut node = document;
    let mut span = document.span;
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let (key, indexes) = part.split_once('[').map_or((part, None), |(key, rest)| (key, Some(rest)));
        if !key.is_empty() {
            let at = node.key(key)?.span;
            node = node.get(key)?;
            span = match node.value {
                // A map or list is long: its key says it.
                Value::Map(_) => at,
                _ if node.is_null() => at,
                _ => node.span,
            };
        }
        for index in indexes.into_iter().flat_map(|rest| rest.split('[')) {
            let Value::List(items) = &node.value else { return None };
            node = items.get(index.trim_end_matches(']').parse::<usize>().ok()?)?;
            span = node.span;
        }
    }
    Some((node, span))
}

/// Finds where a field of a document stands, reading each document again at most once: positions are needed only when something is
/// wrong, and keeping them would cost every run that is right.
pub struct Locator<'s> {
    sources: &'s [Source],
    read: HashMap<usize, (Places<'s>, Lines<'s>)>,
}

/// What positions are found in.
enum Places<'s> {
    /// The objects of the documents that were asked for, by where these begin: of a large file no more is read than that.
    Nodes(HashMap<u32, Vec<Node<'s>>>),
    Cells(Cells),
}

impl<'s> Locator<'s> {
    /// A locator in the sources that were parsed.
    pub fn new(sources: &'s [Source]) -> Self {
        Self { sources, read: HashMap::new() }
    }

    /// Where a path stands; when it was not written, the nearest enclosing field that was.
    pub fn locate(&mut self, origin: Origin, path: &str) -> Option<Position> {
        let source = self.sources.get(origin.source)?;
        let (places, lines) = self.read.entry(origin.source).or_insert_with(|| {
            let places = match source.table {
                Some(_) => Places::Cells(Cells::of(source)),
                None => Places::Nodes(HashMap::new()),
            };
            (places, Lines::new(source))
        });
        let document = match places {
            Places::Cells(cells) => return Some(lines.position(cells.find(origin.at as usize, path).0)),
            Places::Nodes(nodes) => {
                let again = || {
                    let (text, before) = lines.line_of(origin.at);
                    let all = manifests(yaml::Documents::within(text, before));
                    all.skip_while(|(place, _)| place.at < origin.at)
                        .take_while(|(place, _)| place.at == origin.at)
                        .filter_map(|(_, node)| node.ok())
                        .collect()
                };
                nodes.entry(origin.at).or_insert_with(again).get(origin.item as usize)?
            }
        };
        let mut path = path;
        loop {
            if let Some((_, span)) = find(document, path)
                && !path.is_empty()
            {
                return Some(lines.position(span));
            }
            let shorter = path.rfind(['.', '[']).map(|at| &path[..at]);
            match shorter {
                Some(shorter) => path = shorter,
                None => return find(document, "metadata.name").map(|(_, span)| lines.position(span)),
            }
        }
    }
}

impl Locator<'_> {
    /// Gives a finding about a document its position, and in a table the title of its column.
    pub fn place(&mut self, origin: Origin, diagnostic: &mut Diagnostic) {
        diagnostic.position = self.locate(origin, &diagnostic.path);
        if let Some((Places::Cells(cells), _)) = self.read.get(&origin.source)
            && let (_, Some(title)) = cells.find(origin.at as usize, &diagnostic.path)
        {
            diagnostic.label.get_or_insert_with(|| title.to_owned());
        }
    }
}

/// Gives findings about objects the positions of the documents that declare them.
pub fn locate<'d>(
    sources: &[Source],
    documents: impl IntoIterator<Item = &'d Document>,
    diagnostics: &mut [Diagnostic],
) {
    if diagnostics.iter().all(|diagnostic| diagnostic.position.is_some()) {
        return;
    }
    let origins: HashMap<&ObjectRef, Origin> =
        documents.into_iter().map(|document| (&document.object, document.origin)).collect();
    let mut locator = Locator::new(sources);
    for diagnostic in diagnostics.iter_mut().filter(|diagnostic| diagnostic.position.is_none()) {
        if let Some(origin) = diagnostic.object.as_ref().and_then(|object| origins.get(object)) {
            locator.place(*origin, diagnostic);
        }
    }
}
