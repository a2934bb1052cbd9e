//! Plans as files: made today, looked at by others, carried out tomorrow, and never twice.
//!
//! The file shows what the plan does. What was asked for, secrets included, is in it as well, sealed together with all that it
//! shows: whoever alters a letter has a file that does not open.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use pbx_api::{ErrorBody, ErrorCode, PLAN_FORMAT, Plan, PlanRequest, SavedPlan};
use pbx_store::{Secret, SecretId, Store};

use super::{Planned, internal};
use crate::live::Live;

/// How many revisions after its base a plan is looked for in.
const LOOKED_AT: u32 = 1000;

/// The place that a plan's request is sealed for: all that the file shows.
fn place(saved: &SavedPlan) -> Result<SecretId, ErrorBody> {
    let shown = SavedPlan { sealed: String::new(), ..saved.clone() };
    let shown = serde_json::to_string(&shown).map_err(|error| internal(&error))?;
    Ok(SecretId::new("plan", &saved.plan.id, shown))
}

/// A plan as a file.
pub(crate) fn save(store: &Store, planned: &Planned, actor: &str) -> Result<SavedPlan, ErrorBody> {
    let mut saved = SavedPlan {
        format: PLAN_FORMAT.into(),
        made_at: planned.at,
        made_by: actor.to_owned(),
        set: planned.request.set.clone(),
        source: planned.request.source.clone(),
        plan: planned.view.clone(),
        sealed: String::new(),
    };
    let request = serde_json::to_vec(&planned.request).map_err(|error| internal(&error))?;
    let sealed = store.seal(&place(&saved)?, &Secret::new(request)).map_err(|error| internal(&error))?;
    saved.sealed = BASE64_STANDARD.encode(sealed);
    Ok(saved)
}

/// What was asked for in a plan from a file. One that was altered is refused, as is one that was used, or whose base is no longer
/// what is live.
pub(crate) async fn open(store: &Store, live: &Live, saved: &SavedPlan) -> Result<PlanRequest, ErrorBody> {
    if saved.format != PLAN_FORMAT {
        return Err(ErrorBody::new(ErrorCode::BadRequest, format!("`{}` is not a plan's format", saved.format))
            .help(format!("this version knows {PLAN_FORMAT}; make the plan again")));
    }
    let sealed = BASE64_STANDARD.decode(&saved.sealed).unwrap_or_default();
    let opened = store.unseal(&place(saved)?, &sealed);
    let request = opened.and_then(|opened| serde_json::from_slice(opened.expose()).ok()).ok_or_else(|| {
        ErrorBody::new(ErrorCode::Invalid, "this plan was altered, or another pbxd made it")
            .help("make it again; only what `pbxctl plan --out` wrote here is carried out, letter for letter")
    })?;
    let newest = store.revisions(LOOKED_AT, None).await.map_err(|error| internal(&error))?;
    let base = saved.plan.base.unwrap_or_default();
    let later: Vec<_> = newest.iter().take_while(|revision| revision.id.get().unsigned_abs() > base).collect();
    if let Some(used) = later.iter().find(|revision| revision.origin["plan"] == saved.plan.id.as_str()) {
        let how =
            if used.state == pbx_store::State::Committed { "was carried out already" } else { "was tried already" };
        return Err(ErrorBody::new(
            ErrorCode::Stale,
            format!("this plan {how}: revision {} by {}", used.id, used.actor),
        )
        .help(format!("a plan is used once; `pbxctl history {}` shows how it ended", used.id)));
    }
    if saved.plan.base != live.revision {
        let error = ErrorBody::new(
            ErrorCode::Stale,
            format!(
                "the system has changed since this plan was made: it starts from {}, and {} is live",
                named(saved.plan.base),
                named(live.revision)
            ),
        )
        .help("make the plan again, and look at it again");
        let last = later.iter().find(|revision| Some(revision.id.get().unsigned_abs()) == live.revision);
        return Err(match last {
            Some(last) => error.help(format!("{} changed it; `pbxctl history {}` shows how", last.actor, last.id)),
            None => error,
        });
    }
    Ok(request)
}

fn named(revision: Option<u64>) -> String {
    revision.map_or_else(|| "nothing".into(), |id| format!("revision {id}"))
}

/// Refuses a plan that would now do something else than it shows, as after an update of pbxd.
pub(crate) fn same(shown: &Plan, now: &Plan) -> Result<(), ErrorBody> {
    if (&shown.changes, &shown.files) == (&now.changes, &now.files) {
        return Ok(());
    }
    Err(ErrorBody::new(ErrorCode::Stale, "this plan would now do something else than it shows")
        .help("pbxd was updated, or Asterisk's files were changed, since it was made; make it again"))
}
