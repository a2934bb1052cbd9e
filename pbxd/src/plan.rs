//! From what is and what should be, to what changes.

use std::collections::{BTreeMap, BTreeSet};

use pbx_api::{Blast, ErrorBody, ErrorCode, FileAction, FileChange, Plan, PlanRequest, Reload};
use pbx_asterisk::config::{ConfigTree, Secrets};
use pbx_asterisk::deploy::{ChangedSection, changed_sections};
use pbx_manifest::{Action, AnySpec, Catalog, Diagnostic, Kind, ObjectChange, ObjectRef, Record, Records};
use pbx_routing::CallGraph;
use pbx_store::{RevisionId, Store};
use similar::TextDiff;

use crate::live::{self, Live};
use crate::secrets;

#[cfg(test)]
mod tests;

/// A plan with all that carrying it out needs.
#[derive(Debug)]
pub(crate) struct Planned {
    /// What is told of it.
    pub(crate) view: Plan,
    /// What was asked for.
    pub(crate) request: PlanRequest,
    /// The objects as they will be.
    pub(crate) records: Records,
    /// The same, typed.
    pub(crate) catalog: Catalog,
    /// Their secrets.
    pub(crate) secrets: Secrets,
    /// Their files.
    pub(crate) tree: ConfigTree,
}

/// A kind with fewer objects is not protected from deletes of a large part of it.
const PROTECTED_FROM: usize = 10;

/// How large a part of a kind, in percent, may be deleted without saying so.
const MOST_DELETED: usize = 30;

/// How long the smallest diff of a section is looked for, before a larger one will do: of voicemail's one section, all lines may
/// change.
const DIFF_WITHIN: std::time::Duration = std::time::Duration::from_millis(200);

/// How many lines of a file's diff are told.
const DIFF_LINES: usize = 400;

fn internal(error: &impl std::fmt::Display) -> ErrorBody {
    ErrorBody::new(ErrorCode::Internal, error.to_string()).help("pbxd's log has more: journalctl -u pbxd")
}

fn invalid(diagnostics: Vec<Diagnostic>) -> ErrorBody {
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
    let message = if errors == 1 {
        "the system would have an error".into()
    } else {
        format!("the system would have {errors} errors")
    };
    ErrorBody { diagnostics, ..ErrorBody::new(ErrorCode::Invalid, message) }
}

/// The objects as they would be, and the secrets that came with them.
struct Wanted {
    records: Records,
    given: BTreeMap<ObjectRef, BTreeMap<String, String>>,
    /// Secrets to fall back to when none is given: those of now, or those of the revision that is gone back to.
    kept: Secrets,
}

/// Makes a plan. Nothing is changed by it.
pub(crate) async fn plan(store: &Store, live: &Live, id: String, request: PlanRequest) -> Result<Planned, ErrorBody> {
    let wanted = match request.rollback {
        Some(revision) => going_back(store, revision).await?,
        None => merged(live, &request)?,
    };
    let Wanted { mut records, given, kept } = wanted;
    let touched: Vec<ObjectRef> = records
        .iter()
        .filter(|(object, record)| live.records.get(*object) != Some(*record) || given.contains_key(*object))
        .map(|(object, _)| object.clone())
        .collect();
    let mut catalog = live.catalog.clone();
    let mut values = live.secrets.clone();
    let mut found = Vec::new();
    let nothing = BTreeMap::new();
    for object in &touched {
        let Some(record) = records.get_mut(object) else { continue };
        match AnySpec::from_json(object.kind, &record.spec) {
            Ok(spec) => {
                let given = given.get(object).unwrap_or(&nothing);
                let kept = kept.of(object).unwrap_or(&nothing);
                let settled = secrets::settle(store, object, record, &spec.secrets(), given, kept, &mut found);
                values.replace(object, settled.map_err(|error| internal(&error))?);
                catalog.insert(object.name.clone(), record.labels.clone(), spec);
            }
            Err(error) => {
                let text = error.to_string();
                let mut lines = text.lines();
                let mut diagnostic =
                    Diagnostic::error("value", lines.next().unwrap_or_default()).at(object.clone(), "spec");
                diagnostic.help.extend(lines.map(str::to_owned));
                found.push(diagnostic);
            }
        }
    }
    for object in live.records.keys().filter(|object| !records.contains_key(*object)) {
        catalog.remove(object);
        values.replace(object, BTreeMap::new());
    }
    found.extend(pbx_manifest::check(&catalog));
    found.extend(pbx_routing::check(&CallGraph::new(&catalog)));
    if found.iter().any(Diagnostic::is_error) {
        return Err(invalid(found));
    }
    let changes = pbx_manifest::changes(&live.records, &records);
    deletes_within_limits(&changes, &live.records, request.allow_deletes)?;
    let tree = live::files(&catalog, &values);
    let sections = changed_sections(&live.tree, &tree);
    let view = Plan {
        id,
        base: live.revision,
        unchanged: records.len() - changes.iter().filter(|change| change.action != Action::Delete).count(),
        files: file_changes(&live.tree, &tree, &sections),
        reloads: reloads(&live.tree, &tree),
        blast: Blast { effects: effects(&sections), ..Blast::default() },
        changes,
        diagnostics: found,
    };
    Ok(Planned { view, request, records, catalog, secrets: values, tree })
}

async fn going_back(store: &Store, revision: u64) -> Result<Wanted, ErrorBody> {
    let missing = || {
        ErrorBody::new(ErrorCode::NotFound, format!("there is no revision {revision} to go back to"))
            .help("`pbxctl history` lists those there are")
    };
    let id = i64::try_from(revision).ok().and_then(|id| RevisionId::try_from(id).ok()).ok_or_else(missing)?;
    let rows = store.objects_at(id).await.map_err(|error| match error {
        pbx_store::StoreError::Missing { .. } => missing(),
        pbx_store::StoreError::NotInForce { .. } => {
            ErrorBody::new(ErrorCode::BadRequest, format!("revision {revision} was never live"))
                .help("`pbxctl history` shows which were")
        }
        other => internal(&other),
    })?;
    let (records, _) = live::records(&rows).map_err(|error| internal(&error))?;
    let kept = live::secret_values(store.secrets_at(id).await.map_err(|error| internal(&error))?);
    Ok(Wanted { records, given: BTreeMap::new(), kept })
}

fn merged(live: &Live, request: &PlanRequest) -> Result<Wanted, ErrorBody> {
    let set = request.set.as_str();
    if set.is_empty() || set.parse::<pbx_manifest::Name>().is_err() {
        return Err(ErrorBody::new(ErrorCode::BadRequest, format!("`{set}` is not a name for a set"))
            .help("lower-case letters, digits and `-`, as in `default`"));
    }
    let mut records = live.records.clone();
    let mut given = BTreeMap::new();
    let mut conflicts = Vec::new();
    for declared in &request.declarations {
        let declaration = &declared.declaration;
        match records.get_mut(&declaration.object) {
            Some(record) => conflicts.extend(record.merge(declaration, set, request.force_conflicts)),
            None => {
                records.insert(declaration.object.clone(), Record::new(declaration.clone(), set));
            }
        }
        if !declared.secrets.is_empty() {
            given.insert(declaration.object.clone(), declared.secrets.clone());
        }
    }
    if !conflicts.is_empty() {
        let message = format!(
            "{} {} by another set",
            conflicts.len(),
            if conflicts.len() == 1 { "field is owned" } else { "fields are owned" }
        );
        return Err(ErrorBody {
            diagnostics: conflicts.iter().map(pbx_manifest::Conflict::diagnostic).collect(),
            ..ErrorBody::new(ErrorCode::Conflict, message)
                .help("agree on the values, or take the fields over with --force-conflicts")
        });
    }
    let unknown = |object: &ObjectRef| {
        let near = pbx_manifest::nearest(
            object.name.as_str(),
            live.records.keys().filter(|o| o.kind == object.kind).map(|o| o.name.as_str()),
        );
        ErrorBody::new(ErrorCode::NotFound, format!("there is no {object}")).help(match near {
            Some(near) => format!("did you mean `{}/{near}`?", object.kind),
            None => format!("`pbxctl get {}` lists those there are", object.kind.plural()),
        })
    };
    for patch in &request.patches {
        records.get_mut(&patch.object).ok_or_else(|| unknown(&patch.object))?.patch(patch, set);
    }
    for object in &request.deletes {
        records.remove(object).ok_or_else(|| unknown(object))?;
    }
    if request.prune {
        if request.declarations.is_empty() {
            return Err(ErrorBody::new(
                ErrorCode::Limit,
                "nothing is declared, and --prune would delete all that this set ever made",
            )
            .help("check the path after -f; to delete objects, name them: pbxctl delete KIND/NAME"));
        }
        let declared: BTreeSet<&ObjectRef> =
            request.declarations.iter().map(|declared| &declared.declaration.object).collect();
        records.retain(|object, record| record.owner != set || declared.contains(object));
    }
    Ok(Wanted { records, given, kept: live.secrets.clone() })
}

/// A plan that deletes a large part of a kind is a slip until it is said how many.
fn deletes_within_limits(changes: &[ObjectChange], before: &Records, allowed: Option<u32>) -> Result<(), ErrorBody> {
    let mut deleted: BTreeMap<Kind, usize> = BTreeMap::new();
    for change in changes.iter().filter(|change| change.action == Action::Delete) {
        *deleted.entry(change.object.kind).or_default() += 1;
    }
    let total: usize = deleted.values().sum();
    if allowed.is_some_and(|allowed| total <= allowed as usize) {
        return Ok(());
    }
    for (kind, count) in deleted {
        let there = before.keys().filter(|object| object.kind == kind).count();
        if there >= PROTECTED_FROM && count * 100 > there * MOST_DELETED {
            return Err(ErrorBody::new(
                ErrorCode::Limit,
                format!("this would delete {count} of {there} {}", kind.plural()),
            )
            .help(format!("if that is meant, say so: --allow-deletes {total}")));
        }
    }
    Ok(())
}

fn reloads(from: &ConfigTree, to: &ConfigTree) -> Vec<Reload> {
    to.reloads(from)
        .into_iter()
        .map(|(file, module)| Reload { module: module.to_owned(), files: vec![file.to_owned()] })
        .collect()
}

/// The changes of files, told by their sections: a section that did not change costs nothing, however large the file.
fn file_changes(from: &ConfigTree, to: &ConfigTree, sections: &[ChangedSection<'_>]) -> Vec<FileChange> {
    let mut changes: Vec<FileChange> = Vec::new();
    for (name, _) in to.reloads(from) {
        let mut change =
            FileChange { name: name.to_owned(), action: FileAction::Change, added: 0, removed: 0, diff: String::new() };
        let mut left = DIFF_LINES;
        for section in sections.iter().filter(|section| section.file == name) {
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
fn effects(sections: &[ChangedSection<'_>]) -> Vec<String> {
    let mut effects = Vec::new();
    let named = |prefix: &str, file: &str, gone: bool| -> BTreeSet<String> {
        sections
            .iter()
            .filter(|section| section.file == file && (!gone || section.after.is_none()))
            .filter_map(|section| section.after.or(section.before))
            .map(|(_, section)| section.name.clone())
            .filter(|name| name.starts_with(prefix))
            .collect()
    };
    let gone: Vec<String> =
        named("", "pjsip.conf", true).into_iter().filter(|name| name.bytes().all(|b| b.is_ascii_digit())).collect();
    if !gone.is_empty() {
        effects.push(format!(
            "{} {} can no longer register",
            gone.len(),
            if gone.len() == 1 { "telephone" } else { "telephones" }
        ));
    }
    for transport in ["pbx-udp", "pbx-tcp", "pbx-tls"] {
        let changed = sections.iter().any(|section| {
            section.file == "pjsip.conf"
                && section.before.is_some()
                && section.after.or(section.before).is_some_and(|(_, s)| s.name == transport)
        });
        if changed {
            effects.push(format!(
                "SIP transport {transport} begins anew: its connections are cut, telephones register again"
            ));
        }
    }
    let carriers = named("carrier-", "pjsip.conf", false);
    if !carriers.is_empty() {
        let names: Vec<&str> = carriers.iter().map(|name| name.strip_prefix("carrier-").unwrap_or(name)).collect();
        effects.push(format!("new calls by {} use the new settings; calls in progress go on", names.join(", ")));
    }
    effects
}
