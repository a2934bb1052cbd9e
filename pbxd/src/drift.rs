//! How what is differs from what should be: on disk, in Asterisk, and by hand.

use std::sync::Arc;

use jiff::Timestamp;
use pbx_api::{Drift, DriftedFile, ErrorBody, ErrorCode, ManualField, ObjectVersion, Verified, giver};
use pbx_asterisk::deploy;
use pbx_manifest::Record;
use tracing::warn;

use crate::apply::{counted, failure};
use crate::database;
use crate::http;
use crate::identity::Accounts;
use crate::live::Live;
use crate::system::System;

/// The owner of what `edit`, `set` and the like have set.
const MANUAL: &str = "manual";

fn internal(error: &impl std::fmt::Display) -> ErrorBody {
    ErrorBody::new(ErrorCode::Internal, error.to_string()).help("pbxd's log has more: journalctl -u pbxd")
}

/// The live revision's files that somebody has changed.
pub(crate) fn files(system: &System, live: &Live) -> Result<Vec<DriftedFile>, ErrorBody> {
    let Some(id) = live.revision else { return Ok(Vec::new()) };
    let folders = system.revisions();
    if !folders.folder(id).is_dir() {
        // Taken away as a whole: it is written again before anything else.
        return Ok(Vec::new());
    }
    let drifted = folders.drift(id, &live.tree).map_err(|error| {
        ErrorBody::new(ErrorCode::Files, error.to_string()).help("pbxd's user must be able to read what it has written")
    })?;
    if drifted.is_empty() {
        return Ok(Vec::new());
    }
    let (accounts, own) = (Accounts::read(), rustix::process::geteuid().as_raw());
    let told = |one: deploy::Drifted| DriftedFile {
        name: one.name.to_owned(),
        missing: one.missing,
        at: one.modified.and_then(|at| Timestamp::try_from(at).ok()),
        by: one.uid.filter(|uid| *uid != own).map(|uid| accounts.name(uid)),
        diff: one.diff,
    };
    Ok(drifted.into_iter().map(told).collect())
}

/// Refuses to write over what somebody has changed by hand.
pub(crate) fn refuse(drifted: &[DriftedFile]) -> Result<(), ErrorBody> {
    if drifted.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = drifted.iter().map(|file| file.name.as_str()).collect();
    let what = if names.len() == 1 { "was changed" } else { "were changed" };
    Err(ErrorBody::new(ErrorCode::Drift, format!("{} {what} by hand since pbxd wrote them", names.join(", ")))
        .help("`pbxctl drift` shows how; what should stay belongs into the manifests")
        .help("to write over it: --overwrite-drift"))
}

/// Compares everything.
pub(crate) async fn drift(system: &Arc<System>) -> Result<Drift, ErrorBody> {
    let live = system.live();
    let mut drift = Drift {
        revision: live.revision,
        files_revision: system.revisions().current().ok().flatten().filter(|current| {
            // Nothing is live, and nothing is what is read.
            Some(*current) != live.revision && (*current != 0 || live.revision.is_some())
        }),
        files: files(system, &live)?,
        asterisk: Vec::new(),
        not_asked: None,
        verified: Verified::default(),
        manual: manual(system, &live).await?,
    };
    match system.asterisk(false).await {
        Err(error) => drift.not_asked = Some(error.message),
        Ok(client) => match deploy::verify(&client, &live.tree).await {
            Err(error) => drift.not_asked = Some(error.to_string()),
            Ok(found) => {
                drift.verified = counted(&found);
                let id = live.revision.unwrap_or_default();
                drift.asterisk = found.rejections.into_iter().map(|rejection| failure(id, rejection)).collect();
                if !drift.asterisk.is_empty() {
                    doubt(system, live.revision);
                }
                match database::differences(system, &client, &live).await {
                    Err(error) => drift.not_asked = Some(error.to_string()),
                    Ok((entries, compared)) => {
                        drift.verified.entries = compared;
                        drift.asterisk.extend(entries.into_iter().map(|rejection| failure(id, rejection)));
                    }
                }
            }
        },
    }
    Ok(drift)
}

/// Asterisk has not what it once said it had, as after somebody's own reload: whatever is applied next reloads and reads back all
/// of it. Not while somebody changes the system: then it is on its way to something else.
fn doubt(system: &Arc<System>, revision: Option<u64>) {
    let Some(lock) = system.lock_itself() else { return };
    if system.live().revision == revision
        && let Err(error) = system.revisions().unprove()
    {
        warn!(%error, "that Asterisk has something else could not be kept");
    }
    lock.end();
}

/// What was set by hand, with who gave each field its value, and when: as `blame` says it.
async fn manual(system: &System, live: &Live) -> Result<Vec<ManualField>, ErrorBody> {
    let mut found = Vec::new();
    let by_hand = |record: &Record| record.owner == MANUAL || record.owners.values().any(|owner| owner == MANUAL);
    if !live.records.values().any(|record| by_hand(record)) {
        return Ok(found);
    }
    // As a record has it: a name that only looks like it costs no more than being read.
    let histories = system.store.histories_with(&format!("\"{MANUAL}\"")).await;
    let mut histories = histories.map_err(|error| internal(&error))?;
    for (object, record) in live.records.iter().filter(|(_, record)| by_hand(record)) {
        let rows = histories.remove(&(object.kind.singular().to_owned(), object.name.to_string()));
        let versions = http::versions(system, object, rows).await.map_err(|refusal| refusal.0)?;
        let first = versions.iter().rfind(|version| version.revision.state == "committed");
        let field = |path: Option<String>, value, from: Option<&ObjectVersion>| {
            let revision = &from.or(first)?.revision;
            let (id, by, at) = (revision.id, revision.actor.clone(), revision.at);
            Some(ManualField { object: object.clone(), path, value, revision: id, by, at })
        };
        if record.owner == MANUAL {
            found.extend(field(None, None, None));
        }
        let fields = record.fields();
        for (path, _) in record.owners.iter().filter(|(_, owner)| *owner == MANUAL) {
            found.extend(field(Some(path.clone()), fields.get(path).cloned(), giver(&versions, path)));
        }
    }
    Ok(found)
}
