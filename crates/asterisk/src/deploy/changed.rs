//! Which sections differ between two trees.

use std::collections::HashMap;

use crate::config::{ConfigFile, ConfigTree, Section};

/// A section that differs.
#[derive(Debug, Clone, Copy)]
pub struct ChangedSection<'t> {
    /// The file's name.
    pub file: &'static str,
    /// As it was; nothing when it is new.
    pub before: Option<(&'t ConfigFile, &'t Section)>,
    /// As it will be; nothing when it goes.
    pub after: Option<(&'t ConfigFile, &'t Section)>,
}

/// The text of each section by name and count: a file may have several of a name.
fn by_name(file: Option<&ConfigFile>) -> HashMap<(&str, usize), &Section> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    file.into_iter()
        .flat_map(ConfigFile::sections)
        .map(|section| {
            let count = counts.entry(section.name.as_str()).or_default();
            *count += 1;
            ((section.name.as_str(), *count), section)
        })
        .collect()
}

/// The sections that differ between two trees, in the order of the files, those that go last.
pub fn changed_sections<'t>(from: &'t ConfigTree, to: &'t ConfigTree) -> Vec<ChangedSection<'t>> {
    let mut changed = Vec::new();
    for (name, _) in crate::config::FILES {
        let (before, after) = (from.file(name), to.file(name));
        if before.map(ConfigFile::text) == after.map(ConfigFile::text) {
            continue;
        }
        let (old, new) = (by_name(before), by_name(after));
        let start = changed.len();
        for (key, section) in &new {
            let was = old.get(key).copied();
            let text = |file: Option<&'t ConfigFile>, section: &'t Section| {
                file.map(|file| file.section_text(section).trim_end())
            };
            if was.and_then(|was| text(before, was)) != text(after, section) {
                changed.push(ChangedSection { file: name, before: before.zip(was), after: after.zip(Some(*section)) });
            }
        }
        for (key, section) in &old {
            if !new.contains_key(key) {
                changed.push(ChangedSection { file: name, before: before.zip(Some(*section)), after: None });
            }
        }
        changed[start..].sort_by_key(|change| {
            (change.after.is_none(), change.after.or(change.before).map_or(0, |(_, section)| section.line))
        });
    }
    changed
}
