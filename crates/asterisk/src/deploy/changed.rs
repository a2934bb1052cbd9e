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

/// A section's text, without the empty lines before the next.
fn text<'t>(file: Option<&'t ConfigFile>, section: &Section) -> Option<&'t str> {
    file.map(|file| file.section_text(section).trim_end())
}

/// The sections of two files between those that they begin and end with alike: most changes are small, and looking up the
/// thousands that did not change would cost more than all else.
fn between<'t>(old: Option<&'t ConfigFile>, new: Option<&'t ConfigFile>) -> (&'t [Section], &'t [Section]) {
    let sections = |file: Option<&'t ConfigFile>| file.map_or(&[][..], ConfigFile::sections);
    let (before, after) = (sections(old), sections(new));
    let same = |(a, b): &(&Section, &Section)| a.name == b.name && text(old, a) == text(new, b);
    let start = before.iter().zip(after).take_while(same).count();
    let (before, after) = (&before[start..], &after[start..]);
    let end = before.iter().rev().zip(after.iter().rev()).take_while(same).count();
    (&before[..before.len() - end], &after[..after.len() - end])
}

/// Sections by name and count: a file may have several of a name.
fn by_name(sections: &[Section]) -> HashMap<(&str, usize), &Section> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    sections
        .iter()
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
        let (old, new) = between(before, after);
        let (old, new) = (by_name(old), by_name(new));
        let start = changed.len();
        for (key, section) in &new {
            let was = old.get(key).copied();
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

/// Every section of a tree, and those of another that it has not: what there is to look at while nothing is known of what Asterisk has.
pub fn all_sections<'t>(from: &'t ConfigTree, to: &'t ConfigTree) -> Vec<ChangedSection<'t>> {
    let mut all = Vec::new();
    for (name, _) in crate::config::FILES {
        let there =
            to.file(name).into_iter().flat_map(|file| file.sections().iter().map(move |section| (file, section)));
        all.extend(there.map(|after| ChangedSection { file: name, before: None, after: Some(after) }));
    }
    all.extend(changed_sections(from, to).into_iter().filter(|change| change.after.is_none()));
    all
}
