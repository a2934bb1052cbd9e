//! Which column of a table is which field.

use super::rows::{Rows, is_name};
use super::write::label;
use crate::source::{Source, Span};

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Version,
    Kind,
    Name,
    Label(String),
    /// A field of `metadata` besides the name and the labels.
    Meta(&'static str),
    /// A path below `spec`.
    Field(String),
    /// Nothing: its title is empty, or has been complained about.
    Nothing,
}

/// The field of `metadata` that is a truth.
pub(super) const PROTECTED: &str = "protected";

/// Fields of `metadata` that are columns of their own.
pub(super) const META: [&str; 2] = [PROTECTED, "renamedFrom"];

/// The field of `metadata` that a column is.
pub(super) fn meta(title: &str) -> Option<&'static str> {
    let title = title.strip_prefix("metadata.").unwrap_or(title);
    META.into_iter().find(|field| *field == title)
}

/// A column of the header.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) title: String,
    pub(super) target: Target,
}

/// Which column is which.
#[derive(Debug)]
pub(crate) struct Layout {
    /// The header's row.
    pub(super) row: usize,
    pub(super) heads: Vec<Head>,
}

impl Layout {
    pub(super) fn of(source: &Source) -> Option<Self> {
        let said = source.text.trim_start_matches('\u{feff}').starts_with("sep=");
        let (row, header) = Rows::of(source).enumerate().skip(usize::from(said)).find(|(_, row)| !row.is_blank())?;
        let heads = header.cells.iter().map(|cell| {
            let title = cell.text.trim();
            let target = match title {
                "" => Target::Nothing,
                "apiVersion" => Target::Version,
                "kind" => Target::Kind,
                title if is_name(title) => Target::Name,
                title => match (label(title), meta(title)) {
                    (Some(label), _) => Target::Label(label.to_owned()),
                    (None, Some(field)) => Target::Meta(field),
                    (None, None) => Target::Field(title.strip_prefix("spec.").unwrap_or(title).to_owned()),
                },
            };
            Head { title: title.to_owned(), target }
        });
        let mut heads: Vec<Head> = heads.collect();
        while heads.last().is_some_and(|head| head.title.is_empty()) {
            heads.pop();
        }
        Some(Self { row, heads })
    }

    pub(super) fn find(&self, target: &Target) -> Option<usize> {
        self.heads.iter().position(|head| head.target == *target)
    }

    /// The column that holds a path (`spec.members[2]`), or a part of it; else that of names.
    pub(crate) fn column(&self, path: &str) -> usize {
        let path: String =
            path.split('.').map(|step| step.split('[').next().unwrap_or(step)).collect::<Vec<_>>().join(".");
        let name = self.find(&Target::Name).unwrap_or(0);
        if let Some(label) = label(&path) {
            return self.find(&Target::Label(label.to_owned())).unwrap_or(name);
        }
        let Some(path) = path.strip_prefix("spec.") else {
            let target = match path.as_str() {
                "kind" => Some(Target::Kind),
                path => meta(path).map(Target::Meta),
            };
            return target.and_then(|target| self.find(&target)).unwrap_or(name);
        };
        let holds = |head: &Head| match &head.target {
            Target::Field(own) if within(path, own) => Some(0),
            Target::Field(own) if within(own, path) => Some(1),
            _ => None,
        };
        let found = self.heads.iter().enumerate().filter_map(|(at, head)| holds(head).map(|rank| (rank, at))).min();
        found.map_or(name, |(_, at)| at)
    }

    /// The title over a cell.
    pub(crate) fn title(&self, span: Span) -> Option<&str> {
        let head = self.heads.get(span.end as usize)?;
        (span.start as usize > self.row && !head.title.is_empty()).then_some(head.title.as_str())
    }

    /// A field that a row of this table lacks: where to fill it in, and how.
    pub(crate) fn missing(&self, row: u32, path: &str) -> (Span, String) {
        let column = self.heads.iter().position(|head| match &head.target {
            Target::Name => path == "metadata.name",
            Target::Field(own) => path.strip_prefix("spec.") == Some(own),
            _ => false,
        });
        let at = |column: usize| Span { start: row, end: column as u32 };
        if let Some(column) = column {
            return (at(column), "fill in this cell".into());
        }
        let title = path.strip_prefix("spec.").unwrap_or(path);
        (at(self.column("metadata.name")), format!("add a column `{title}`"))
    }
}

/// Whether a path is another or below it.
pub(super) fn within(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Finds the cells of a table.
#[derive(Debug)]
pub(crate) struct Cells {
    layout: Option<Layout>,
}

impl Cells {
    pub(crate) fn of(source: &Source) -> Self {
        Self { layout: Layout::of(source) }
    }

    /// The cell of a path in a row, and its title.
    pub(crate) fn find(&self, row: usize, path: &str) -> (Span, Option<&str>) {
        let column = self.layout.as_ref().map_or(0, |layout| layout.column(path));
        let span = Span { start: row as u32, end: column as u32 };
        (span, self.layout.as_ref().and_then(|layout| layout.title(span)))
    }
}
