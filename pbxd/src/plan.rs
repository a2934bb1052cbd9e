//! From what is and what should be, to what changes.

mod limits;
pub(crate) mod saved;
#[cfg(test)]
mod tests;
mod told;
mod unseen;
mod wanted;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use jiff::Timestamp;
use pbx_api::{Blast, ErrorBody, ErrorCode, Plan, PlanRequest};
use pbx_asterisk::config::{ConfigTree, Secrets, render_checked};
use pbx_asterisk::deploy::changed_sections;
use pbx_manifest::{Action, Catalog, Diagnostic, ObjectRef, Records, read_spec, revise};
use pbx_store::Store;

pub(crate) use self::limits::defaults_hold;
pub(crate) use self::unseen::unseen;
use self::wanted::Wanted;
use crate::live::Live;
use crate::secrets;

/// A plan with all that carrying it out needs.
#[derive(Debug)]
pub(crate) struct Planned {
    /// What is told of it.
    pub(crate) view: Plan,
    /// What was asked for.
    pub(crate) request: PlanRequest,
    /// When it was made: what begins to count with its apply counts from then.
    pub(crate) at: Timestamp,
    /// The objects as they will be.
    pub(crate) records: Records,
    /// The same, typed.
    pub(crate) catalog: Catalog,
    /// Their secrets.
    pub(crate) secrets: Secrets,
    /// Their files.
    pub(crate) tree: ConfigTree,
    /// Whether it was carried out, or made again from its file: then it is of no use any more, whoever still has it.
    pub(crate) used: AtomicBool,
}

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

/// Whether deletes that may be a slip are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limits {
    /// Until it is said that they are meant.
    Kept,
    /// Not on a way back that was agreed to beforehand.
    Waived,
}

/// Makes a plan. Nothing is changed by it.
pub(crate) async fn plan(
    store: &Store,
    live: &Live,
    id: String,
    request: PlanRequest,
    at: Timestamp,
    limits: Limits,
) -> Result<Planned, ErrorBody> {
    let wanted = match request.rollback {
        Some(revision) => wanted::going_back(store, revision).await?,
        None => wanted::merged(live, &request, at)?,
    };
    let Wanted { mut records, given, kept, told } = wanted;
    let touched: Vec<ObjectRef> = records
        .iter()
        .filter(|(object, record)| live.records.get(*object) != Some(*record) || given.contains_key(*object))
        .map(|(object, _)| object.clone())
        .collect();
    let mut catalog = live.catalog.clone();
    let mut values = live.secrets.clone();
    let mut found = told;
    let nothing = BTreeMap::new();
    for object in &touched {
        let Some(record) = records.get_mut(object) else { continue };
        match read_spec(object, &record.spec) {
            Ok(spec) => {
                let given = given.get(object).unwrap_or(&nothing);
                let mut kept = Cow::Borrowed(kept.of(object).unwrap_or(&nothing));
                // What is gone back to has its secrets where its spec has them.
                if let Some(before) = live.records.get(object).filter(|_| request.rollback.is_none()) {
                    kept = Cow::Owned(secrets::with_their_items(&kept, &before.spec, &record.spec));
                }
                let settled = revise(record, |record| {
                    secrets::settle(store, object, record, &spec.secrets(), given, &kept, &mut found)
                });
                values.replace(object, settled.map_err(|error| internal(&error))?);
                catalog.insert(object.name.clone(), record.meta.labels.clone(), spec);
            }
            Err(diagnostic) => found.push(*diagnostic),
        }
    }
    for object in live.records.keys().filter(|object| !records.contains_key(*object)) {
        catalog.remove(object);
        values.replace(object, BTreeMap::new());
    }
    let changes = pbx_manifest::changes(&live.records, &records);
    let rendered = render_checked(&catalog, &values, &live.place, |graph| {
        found.extend(pbx_routing::check_system(&catalog, graph));
        if found.iter().any(Diagnostic::is_error) { Err(()) } else { Ok(()) }
    });
    let Ok(rendered) = rendered else {
        return Err(limits::still_used(&changes, &mut found).unwrap_or_else(|| invalid(found)));
    };
    if limits == Limits::Kept {
        limits::deletes(&changes, live, &catalog, &request)?;
    }
    let tree = if catalog.is_empty() { ConfigTree::empty() } else { rendered };
    let sections = changed_sections(&live.tree, &tree);
    let view = Plan {
        id,
        base: live.revision,
        unchanged: records.len() - changes.iter().filter(|change| change.action != Action::Delete).count(),
        files: told::files(&live.tree, &tree, &sections),
        reloads: told::reloads(&live.tree, &tree),
        blast: Blast { effects: told::effects(&changes, &live.catalog, &catalog, &sections), ..Blast::default() },
        changes,
        diagnostics: found,
        drift: Vec::new(),
    };
    Ok(Planned { view, request, at, records, catalog, secrets: values, tree, used: AtomicBool::new(false) })
}
