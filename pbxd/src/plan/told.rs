//! What is told of a plan: its files, its reloads, and who notices.

use std::collections::BTreeSet;

use pbx_api::{FileAction, FileChange, Reload};
use pbx_asterisk::config::ConfigTree;
use pbx_asterisk::deploy::ChangedSection;
use pbx_manifest::{Action, Catalog, Kind, Name, ObjectChange};
use similar::TextDiff;

/// How long the smallest diff of a section is looked for, before a larger one will do: of voicemail's one section, all lines may
/// change.
const DIFF_WITHIN: std::time::Duration = std::time::Duration::from_millis(200);

/// How many lines of a file's diff are told.
const DIFF_LINES: usize = 400;

/// The modules that read what changes.
pub(super) fn reloads(from: &ConfigTree, to: &ConfigTree) -> Vec<Reload> {
    to.reloads(from)
        .into_iter()
        .map(|(file, module)| Reload { module: module.to_owned(), files: vec![file.to_owned()] })
        .collect()
}

/// The changes of files, told by their sections: a section that did not change costs nothing, however large the file.
pub(super) fn files(from: &ConfigTree, to: &ConfigTree, sections: &[ChangedSection<'_>]) -> Vec<FileChange> {
    let mut changes: Vec<FileChange> = Vec::new();
    for (name, _) in to.reloads(from) {
        let mut change =
            FileChange { name: name.to_owned(), action: FileAction::Change, added: 0, removed: 0, diff: String::new() };
        let mut left = DIFF_LINES;
        for section in sections.iter().filter(|section| section.file == name) {
            // Of a section that comes or goes all lines do: of ten thousand, most are counted and not compared.
            let one_sided = match (section.before, section.after) {
                (None, side) | (side, None) => side,
                (Some(_), Some(_)) => None,
            };
            if let Some((file, one)) = one_sided.filter(|_| left == 0) {
                let lines = file.section_text(one).trim_end().lines().count();
                let counted = if section.after.is_some() { &mut change.added } else { &mut change.removed };
                *counted += lines;
                continue;
            }
            let text = |side: Option<(&pbx_asterisk::config::ConfigFile, &pbx_asterisk::config::Section)>| {
                side.map_or_else(String::new, |(file, section)| {
                    file.masked_section(section).trim_end().to_owned() + "\n"
                })
            };
            let (before, after) = (text(section.before), text(section.after));
            let title = section.after.or(section.before).map_or("", |(_, section)| section.name.as_str());
            let diff = TextDiff::configure().timeout(DIFF_WITHIN).diff_lines(&before, &after);
            let mut lines = String::new();
            for group in diff.grouped_ops(2) {
                for line in group.iter().flat_map(|op| diff.iter_changes(op)) {
                    let sign = match line.tag() {
                        similar::ChangeTag::Delete => {
                            change.removed += 1;
                            '-'
                        }
                        similar::ChangeTag::Insert => {
                            change.added += 1;
                            '+'
                        }
                        similar::ChangeTag::Equal => ' ',
                    };
                    if left > 0 {
                        lines.push(sign);
                        lines.push_str(line.value());
                        left -= 1;
                    }
                }
            }
            if before == after {
                lines.push_str(" (a secret changes)\n");
            }
            if !lines.is_empty() {
                change.diff.extend(["@@ [", title, "] @@\n", &lines]);
            }
        }
        if left == 0 {
            change.diff.push_str("… (cut here)\n");
        }
        changes.push(change);
    }
    changes
}

/// Who notices, in sentences.
pub(super) fn effects(
    changes: &[ObjectChange],
    before: &Catalog,
    after: &Catalog,
    sections: &[ChangedSection<'_>],
) -> Vec<String> {
    let mut effects = Vec::new();
    let gone = |kind: Kind| -> Vec<&str> {
        changes
            .iter()
            .filter(|change| change.object.kind == kind && change.action == Action::Delete)
            .map(|change| change.object.name.as_str())
            .collect()
    };
    // What is turned off has no telephone: its owner has noticed already.
    let works = |catalog: &Catalog, name: &Name| catalog.enabled(Kind::Extension, name.as_str()) == Some(true);
    let phones = |wanted: fn(Action, bool, bool) -> bool| -> Vec<&ObjectChange> {
        let wanted = |change: &&ObjectChange| {
            let old = change.renamed_from.as_ref().unwrap_or(&change.object);
            wanted(change.action, works(before, &old.name), works(after, &change.object.name))
        };
        changes.iter().filter(|change| change.object.kind == Kind::Extension).filter(wanted).collect()
    };
    for (changed, what) in [
        (phones(|action, worked, _| action == Action::Delete && worked), "can no longer register"),
        (
            phones(|action, worked, works| action == Action::Update && worked && !works),
            "can no longer register or be called",
        ),
        (
            phones(|action, worked, works| action == Action::Update && !worked && works),
            "can register and be called again",
        ),
    ] {
        if !changed.is_empty() {
            effects.push(format!("{} {what}", count(changed.len(), "telephone", "telephones")));
        }
    }
    let staying = phones(|_, worked, works| worked && works);
    let moved: Vec<&str> = staying
        .iter()
        .filter(|change| change.renamed_from.is_some())
        .map(|change| change.object.name.as_str())
        .collect();
    if !moved.is_empty() {
        effects.push(format!(
            "{} must register with another name, and the same password: {}",
            count(moved.len(), "telephone", "telephones"),
            some(moved.iter().copied())
        ));
    }
    let boxes: Vec<&str> = changes
        .iter()
        .filter_map(|change| change.renamed_from.as_ref())
        .filter(|old| old.kind == Kind::Extension)
        .filter(|old| before.phone(&old.name).is_some_and(|phone| phone.voicemail))
        .map(|old| old.name.as_str())
        .collect();
    if !boxes.is_empty() {
        effects.push(format!("messages in the voicemail of {} stay in the old box", some(boxes.into_iter())));
    }
    let dids = gone(Kind::Did);
    if !dids.is_empty() {
        effects.push(format!("calls to {} reach nobody any more", some(dids.iter().copied())));
    }
    let passwords: Vec<&str> = staying
        .iter()
        .filter(|change| change.fields.iter().any(|field| field.secret && field.path == "spec.password"))
        .map(|change| change.object.name.as_str())
        .collect();
    if !passwords.is_empty() {
        effects.push(format!(
            "{} for {}: a telephone with the old one cannot register again",
            if passwords.len() == 1 { "a new password" } else { "new passwords" },
            some(passwords.iter().copied())
        ));
    }
    let named = |prefix: &str| -> BTreeSet<&str> {
        let changed = sections.iter().filter(|section| section.file == "pjsip.conf");
        let names = changed.filter_map(|section| section.after.or(section.before)).map(|(_, section)| &section.name);
        names.filter_map(|name| name.strip_prefix(prefix)).collect()
    };
    for transport in ["pbx-udp", "pbx-tcp", "pbx-tls"] {
        for section in sections.iter().filter(|section| section.file == "pjsip.conf") {
            match (section.before, section.after) {
                (Some(_), Some((_, new))) if new.name == transport => effects.push(format!(
                    "SIP transport {transport} begins anew: its connections are cut, telephones register again"
                )),
                // res_pjsip keeps a transport that its configuration no longer has: read off a running Asterisk 22.
                (Some((_, old)), None) if old.name == transport => effects.push(format!(
                    "SIP transport {transport} goes on listening until Asterisk is restarted; no telephone is configured on it"
                )),
                _ => {}
            }
        }
    }
    let carriers = gone(Kind::Carrier);
    if !carriers.is_empty() {
        effects.push(format!("no call comes or goes by {} any more", some(carriers.iter().copied())));
    }
    let changed: Vec<&str> = named("carrier-").into_iter().filter(|name| !carriers.contains(name)).collect();
    if !changed.is_empty() {
        effects
            .push(format!("new calls by {} use the new settings; calls in progress go on", some(changed.into_iter())));
    }
    let routes = gone(Kind::OutboundRoute);
    if !routes.is_empty() {
        effects.push(format!("numbers that only {} carried can no longer be dialled", some(routes.iter().copied())));
    }
    if emergency(before) > 0 && emergency(after) == 0 {
        effects.push("emergency numbers can no longer be dialled".into());
    }
    effects
}

/// How many routes carry emergency calls.
pub(super) fn emergency(catalog: &Catalog) -> usize {
    catalog.routes.values().filter(|route| route.spec.enabled && route.spec.emergency).count()
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", pbx_api::thousands(number), if number == 1 { one } else { many })
}

/// The first names, and how many more there are.
fn some<'n>(names: impl Iterator<Item = &'n str>) -> String {
    const SHOWN: usize = 5;
    let all: Vec<&str> = names.collect();
    let mut text = all.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    if all.len() > SHOWN {
        text = format!("{text} and {} more", all.len() - SHOWN);
    }
    text
}
