//! What each route does.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use pbx_api::{
    ApplyRequest, AsteriskHealth, ConfirmRequest, Confirmed, ErrorBody, ErrorCode, Event, Health, Permission, Plan,
    PlanRequest, RevisionChanges, RevisionList, RevisionView, SavedPlan, SourceInfo, Unconfirmed,
};
use pbx_asterisk::ami::LinkState;
use pbx_asterisk::ami::action::CoreSettings;
use pbx_manifest::{Kind, ObjectRef, Records};
use pbx_store::{Revision, RevisionId, StoreError};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::Refusal;
use super::extract::{Json, Path, Query};
use crate::identity::Identity;
use crate::live;
use crate::plan::{saved, unseen};
use crate::schedules;
use crate::system::System;
use crate::{audio, confirm};

pub(super) type Answer<T> = Result<axum::Json<T>, Refusal>;

pub(super) fn internal(error: &impl std::fmt::Display) -> Refusal {
    Refusal(ErrorBody::new(ErrorCode::Internal, error.to_string()).help("pbxd's log has more: journalctl -u pbxd"))
}

pub(super) fn bad(message: impl Into<String>, help: impl Into<String>) -> Refusal {
    Refusal(ErrorBody::new(ErrorCode::BadRequest, message).help(help))
}

/// How long Asterisk may take to tell its version: health is an answer, not a wait.
const ANSWERS_WITHIN: std::time::Duration = std::time::Duration::from_secs(1);

pub(super) async fn health(
    State(system): State<Arc<System>>,
    Extension(who): Extension<Identity>,
) -> axum::Json<Health> {
    let (config, live) = (system.config(), system.live());
    let (connected, version, error) = match system.link().state() {
        LinkState::Connected { client, .. } => {
            let asked = tokio::time::timeout(ANSWERS_WITHIN, client.call(&CoreSettings)).await;
            (true, asked.ok().and_then(Result::ok).map(|settings| settings.asterisk_version), None)
        }
        LinkState::Connecting { last_error, .. } => (false, None, last_error.map(|error| error.to_string())),
        LinkState::AuthFailed { error, .. } => (false, None, Some(error.to_string())),
    };
    axum::Json(Health {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        revision: live.revision,
        objects: live.records.len(),
        store: if config.store.starts_with("sqlite") { "sqlite" } else { "postgres" }.to_owned(),
        asterisk: AsteriskHealth {
            connected,
            version,
            address: format!("{}:{}", config.ami.host, config.ami.port),
            error,
            config_dir: config.asterisk.config_dir.display().to_string(),
            files_revision: system.revisions().current().ok().flatten(),
            proven_revision: system.revisions().proven(),
        },
        unconfirmed: system.unconfirmed(),
        turned: schedules::turned_over(&system),
        you: who.name,
    })
}

pub(super) async fn plan(
    State(system): State<Arc<System>>,
    Extension(who): Extension<Identity>,
    Json(mut request): Json<PlanRequest>,
) -> Answer<Plan> {
    let told = if who.may(Permission::PlanApply) { None } else { unseen(&system.live(), &mut request)? };
    let planned = system.plan(request, &who.name).await?;
    // Who may not apply may not bring recordings either, and looks at the plan for somebody who will.
    let absent = if who.may(Permission::PlanApply) {
        audio::refuse_absent(&system, &planned)?
    } else {
        audio::only_told(audio::absent(&system, &planned))
    };
    let mut plan = planned.view.clone();
    plan.diagnostics.extend(absent);
    plan.diagnostics.extend(told.into_iter().chain(confirm::noted(&system)));
    Ok(axum::Json(plan))
}

pub(super) async fn plan_file(
    State(system): State<Arc<System>>,
    Extension(who): Extension<Identity>,
    Path(id): Path<String>,
) -> Answer<SavedPlan> {
    Ok(axum::Json(saved::save(&system.store, &*system.planned(&id)?, &who.name)?))
}

pub(super) async fn plan_again(
    State(system): State<Arc<System>>,
    Extension(who): Extension<Identity>,
    Json(saved): Json<SavedPlan>,
) -> Answer<Plan> {
    let mut plan = system.plan_again(&saved, &who.name).await?.view.clone();
    plan.diagnostics.extend(confirm::noted(&system));
    Ok(axum::Json(plan))
}

pub(super) async fn confirmation(
    State(system): State<Arc<System>>,
    Extension(who): Extension<Identity>,
    Json(request): Json<ConfirmRequest>,
) -> Answer<Confirmed> {
    let task = Arc::clone(&system);
    let answer = async move { confirm::answer(&task, &request, &who.name).await };
    Ok(axum::Json(to_its_end(&system, answer).await?))
}

/// Has something that changes the system go on to its end, whether or not anybody waits for it any more. Whoever does is told an
/// end, whatever happened.
pub(super) async fn to_its_end<T: Send + 'static>(
    system: &System,
    change: impl Future<Output = Result<T, ErrorBody>> + Send + 'static,
) -> Result<T, ErrorBody> {
    system.tasks.spawn(change).await.unwrap_or_else(|panic| {
        Err(ErrorBody::new(ErrorCode::Internal, format!("the apply did not come to its end: {panic}"))
            .help("pbxd puts in order what it left; `pbxctl history` and `pbxctl drift` say how it is"))
    })
}

pub(super) async fn apply(
    State(system): State<Arc<System>>,
    Extension(who): Extension<Identity>,
    Path(id): Path<String>,
    Json(request): Json<ApplyRequest>,
) -> Result<Response, Refusal> {
    let planned = system.planned(&id)?;
    let (listener, events) = mpsc::unbounded_channel();
    let task = Arc::clone(&system);
    system.tasks.spawn(async move {
        let (progress, change) = (listener.clone(), Arc::clone(&task));
        let applying = async move { crate::apply::apply(&change, &planned, &request, &who.name, &progress).await };
        let _ = listener.send(to_its_end(&task, applying).await.map_or_else(Event::Error, Event::Outcome));
    });
    let lines = UnboundedReceiverStream::new(events).map(|event| {
        serde_json::to_vec(&event).map(|mut line| {
            line.push(b'\n');
            line
        })
    });
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

/// What is known of the live revision, besides what the store has of it.
pub(super) struct Now {
    live: Option<u64>,
    proven: bool,
    unconfirmed: Option<Unconfirmed>,
}

impl Now {
    pub(super) fn of(system: &System) -> Self {
        let live = system.live().revision;
        Self { live, proven: system.revisions().proven() == live, unconfirmed: system.unconfirmed() }
    }
}

pub(super) fn revision_view(revision: Revision, now: &Now) -> RevisionView {
    let id = revision.id.get().unsigned_abs();
    let live = now.live == Some(id);
    let renamed = revision.origin["renamed"].as_u64().unwrap_or_default();
    let source = serde_json::from_value::<SourceInfo>(revision.origin["source"].clone()).unwrap_or_default();
    RevisionView {
        id,
        base: revision.base.map(|base| base.get().unsigned_abs()),
        at: revision.created_at,
        actor: revision.actor,
        set: revision.origin["set"].as_str().unwrap_or_default().to_owned(),
        source,
        message: Some(revision.message).filter(|message| !message.is_empty()),
        // In the API's spelling, which is not the store's.
        state: revision.state.as_str().replace("rolled_back", "rolledBack"),
        detail: revision.detail,
        created: revision.counts.created.saturating_sub(renamed),
        updated: revision.counts.updated + renamed,
        deleted: revision.counts.deleted.saturating_sub(renamed),
        live,
        written: revision.origin["noReload"] == true,
        proven: live.then_some(now.proven),
        confirm_by: now.unconfirmed.as_ref().filter(|waiting| waiting.revision == id).map(|waiting| waiting.until),
    }
}

fn revision_id(text: &str) -> Result<RevisionId, Refusal> {
    text.parse()
        .map_err(|_| bad(format!("`{text}` is not a revision's number"), "as in 42; `pbxctl history` lists them"))
}

/// What the store gave; what it could not give, as it is told.
pub(super) async fn given<T>(system: &System, answer: Result<T, StoreError>) -> Result<T, Refusal> {
    match answer {
        Ok(given) => Ok(given),
        Err(StoreError::Missing { revision }) => Err(Refusal(live::no_revision(&system.store, revision).await)),
        Err(StoreError::NotInForce { revision, .. }) => Err(Refusal(
            ErrorBody::new(ErrorCode::BadRequest, format!("revision {revision} was never live"))
                .help("`pbxctl history` shows which were"),
        )),
        Err(other) => Err(internal(&other)),
    }
}

#[derive(Deserialize)]
pub(super) struct Page {
    limit: Option<u32>,
    before: Option<String>,
}

pub(super) async fn revisions(State(system): State<Arc<System>>, Query(page): Query<Page>) -> Answer<RevisionList> {
    let now = Now::of(&system);
    let before = page.before.as_deref().map(revision_id).transpose()?;
    let limit = page.limit.unwrap_or(50).min(10_000);
    let revisions = given(&system, system.store.revisions(limit, before).await).await?;
    Ok(axum::Json(RevisionList {
        revisions: revisions.into_iter().map(|revision| revision_view(revision, &now)).collect(),
    }))
}

pub(super) async fn revision(State(system): State<Arc<System>>, Path(id): Path<String>) -> Answer<RevisionView> {
    let revision = given(&system, system.store.revision(revision_id(&id)?).await).await?;
    Ok(axum::Json(revision_view(revision, &Now::of(&system))))
}

#[derive(Deserialize)]
pub(super) struct From {
    from: Option<String>,
}

/// The objects of a revision.
async fn records_at(system: &System, id: RevisionId) -> Result<Records, Refusal> {
    let rows = given(system, system.store.objects_at(id).await).await?;
    live::records(&rows).map(|(records, _)| records).map_err(|error| internal(&error))
}

pub(super) async fn changes(
    State(system): State<Arc<System>>,
    Path(id): Path<String>,
    Query(query): Query<From>,
) -> Answer<RevisionChanges> {
    let to = revision_id(&id)?;
    let from = query.from.as_deref().map(revision_id).transpose()?;
    let number = |id: RevisionId| id.get().unsigned_abs();
    if let Some(from) = from {
        let (before, after) = (records_at(&system, from).await?, records_at(&system, to).await?);
        let changes = pbx_manifest::changes(&before, &after);
        return Ok(axum::Json(RevisionChanges { from: Some(number(from)), to: number(to), changes }));
    }
    let revision = given(&system, system.store.revision(to).await).await?;
    let rows = given(&system, system.store.changes(to).await).await?;
    let (mut before, mut after) = (Records::new(), Records::new());
    for row in rows {
        let (Some(kind), Ok(name)) = (Kind::find(&row.kind), row.name.parse()) else { continue };
        let object = ObjectRef::new(kind, name);
        for (records, value) in [(&mut before, row.before), (&mut after, row.after)] {
            if let Some(value) = value {
                records.insert(object.clone(), serde_json::from_value(value).map_err(|error| internal(&error))?);
            }
        }
    }
    let changes = pbx_manifest::changes(&before, &after);
    Ok(axum::Json(RevisionChanges { from: revision.base.map(number), to: number(to), changes }))
}
