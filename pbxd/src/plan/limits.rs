//! What is refused until it is said that it is meant.

use std::collections::{BTreeMap, BTreeSet};

use pbx_api::{ErrorBody, ErrorCode, PlanRequest};
use pbx_asterisk::deploy::Rejection;
use pbx_manifest::{Action, Catalog, Diagnostic, Kind, ObjectChange, ObjectRef, missing_reference};

use super::told;
use crate::live::Live;

/// Of a kind with fewer objects, a part may be deleted without saying how many.
const PROTECTED_FROM: usize = 10;

/// How large a part of a kind, in percent, may be deleted without saying so.
const MOST_DELETED: usize = 30;

/// Refuses deletes that are a slip until it is said how many are meant: of protected objects, of a large part of a kind, of
/// everything of a kind by a set that forgot it, and of the last way to the emergency services.
pub(super) fn deletes(
    changes: &[ObjectChange],
    live: &Live,
    after: &Catalog,
    request: &PlanRequest,
) -> Result<(), ErrorBody> {
    let deleted: Vec<&ObjectRef> =
        changes.iter().filter(|change| change.action == Action::Delete).map(|change| &change.object).collect();
    let guarded: Vec<&ObjectRef> =
        deleted.iter().copied().filter(|object| live.records[*object].meta.protected).collect();
    if let Some(first) = guarded.first() {
        let more = guarded.len() - 1;
        let message = match more {
            0 => format!("{first} is protected"),
            _ => format!("{first} and {more} more are protected"),
        };
        return Err(ErrorBody::new(ErrorCode::Limit, message)
            .help("take `metadata.protected` away and apply that; then delete it"));
    }
    if request.allow_deletes.is_some_and(|allowed| deleted.len() <= allowed as usize) {
        return Ok(());
    }
    let mut counts: BTreeMap<Kind, usize> = BTreeMap::new();
    for object in &deleted {
        *counts.entry(object.kind).or_default() += 1;
    }
    // Who deletes by name has named them; a set or a revision that lacks a kind may have lost it.
    let unnamed = request.prune || request.rollback.is_some();
    let mut reasons = Vec::new();
    for (kind, count) in counts {
        let there = live.records.keys().filter(|object| object.kind == kind).count();
        let large = there >= PROTECTED_FROM && count * 100 > there * MOST_DELETED;
        if large || unnamed && count == there && there > 1 {
            reasons.push(if count == there {
                format!("all {there} {}", kind.plural())
            } else {
                format!("{count} of {there} {}", kind.plural())
            });
        }
    }
    let mut message = (!reasons.is_empty()).then(|| format!("this would delete {}", reasons.join(", ")));
    if !deleted.is_empty() && told::emergency(&live.catalog) > 0 && told::emergency(after) == 0 {
        message.get_or_insert_with(|| "no route for emergency calls would be left".into());
    }
    match message {
        Some(message) => Err(ErrorBody::new(ErrorCode::Limit, message)
            .help(format!("if that is meant, say so: --allow-deletes {}", deleted.len()))),
        None => Ok(()),
    }
}

/// Refuses to delete the settings where their defaults, which come back, cannot hold on this machine: `taken` is what the transports
/// that they would open meet here. Applied, it would be tried and undone.
pub(crate) fn defaults_hold(deleted: &ObjectRef, taken: &[Rejection]) -> Result<(), ErrorBody> {
    if taken.is_empty() {
        return Ok(());
    }
    let message = format!("without {deleted}, the default transports come back, and they cannot listen here");
    let refused = taken.iter().fold(ErrorBody::new(ErrorCode::Invalid, message), |body, one| body.help(&*one.message));
    Err(refused.help(format!(
        "keep {deleted} with the transports that it has; `pbxctl edit {deleted}` takes other fields out, and their defaults come back"
    )))
}

/// When all that is wrong is that something uses what is deleted or renamed: says who uses it, instead of that it is missing.
pub(super) fn still_used(changes: &[ObjectChange], found: &mut [Diagnostic]) -> Option<ErrorBody> {
    let mut gone: BTreeMap<String, (&ObjectRef, Option<&ObjectRef>)> = BTreeMap::new();
    for change in changes {
        match (&change.renamed_from, change.action) {
            (Some(old), _) => gone.insert(missing_reference(old.kind, &old.name), (old, Some(&change.object))),
            (None, Action::Delete) => {
                gone.insert(missing_reference(change.object.kind, &change.object.name), (&change.object, None))
            }
            _ => continue,
        };
    }
    let mut used: BTreeMap<&ObjectRef, BTreeSet<String>> = BTreeMap::new();
    let mut others = false;
    for diagnostic in found.iter_mut().filter(|diagnostic| diagnostic.is_error()) {
        let Some((object, now)) = gone.get(&diagnostic.message) else {
            others = true;
            continue;
        };
        let user = diagnostic.object.as_ref().map(ToString::to_string).unwrap_or_default();
        used.entry(object).or_default().insert(user.clone());
        diagnostic.code = "still-used".into();
        if let Some(now) = now {
            diagnostic.message = format!("{object} is now {now}");
            diagnostic.help = vec![format!("write `{}` here", now.name)];
        } else {
            diagnostic.message = format!("{object} is used here, and would be gone");
            diagnostic.help = vec![format!("take it out of {user} first, or delete {user} with it")];
        }
    }
    if others || used.is_empty() {
        return None;
    }
    let message = match used.iter().next() {
        Some((object, users)) if used.len() == 1 => {
            let names: Vec<&str> = users.iter().take(3).map(String::as_str).collect();
            let more = users.len() - names.len();
            let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
            format!("{object} is still used by {}{rest}", names.join(", "))
        }
        _ => format!("{} objects that would be gone are still used", used.len()),
    };
    Some(ErrorBody { diagnostics: found.to_vec(), ..ErrorBody::new(ErrorCode::Invalid, message) })
}
