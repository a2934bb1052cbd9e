//! What became of an object.

use std::sync::Arc;

use axum::extract::State;
use pbx_api::{ErrorBody, ErrorCode, ObjectHistory, ObjectVersion, Renamed};
use pbx_manifest::{Action, Kind, ObjectRef, Record, Records};
use pbx_store::{HistoryRow, RevisionId};

use super::Refusal;
use super::extract::Path;
use super::handlers::{Answer, Now, bad, given, internal, revision_view};
use super::objects::view;
use crate::live::Live;
use crate::system::System;

/// How many versions are told.
const MOST: u32 = 1000;

pub(super) async fn of_object(
    State(system): State<Arc<System>>,
    Path((kind, name)): Path<(String, String)>,
) -> Answer<ObjectHistory> {
    let live = system.live();
    let kind = kind.parse::<Kind>().map_err(|refused| bad(refused.0.replace('\n', "; "), "as in extension/1001"))?;
    let nowhere = || {
        Refusal(
            ErrorBody::new(ErrorCode::NotFound, format!("no revision ever had {kind} `{name}`"))
                .help(format!("`pbxctl get {}` lists those there are", kind.plural())),
        )
    };
    let object = ObjectRef::new(kind, name.parse().map_err(|_| nowhere())?);
    let versions = versions(&system, &object, None).await?;
    if versions.is_empty() {
        return Err(nowhere());
    }
    let now =
        if live.records.contains_key(&object) { None } else { renamed(&system, &live, &object, &versions).await? };
    let object = live.records.get_key_value(&object).map(|(object, record)| view(&live, object, record));
    Ok(axum::Json(ObjectHistory { object, now, versions }))
}

/// The versions of an object, newest first, under each name that it had. Those under its present name are asked for, unless they are
/// known.
pub(crate) async fn versions(
    system: &System,
    object: &ObjectRef,
    mut known: Option<Vec<HistoryRow>>,
) -> Result<Vec<ObjectVersion>, Refusal> {
    let (kind, now) = (object.kind, Now::of(system));
    let mut versions = Vec::new();
    let mut asked = vec![(object.clone(), u64::MAX)];
    // Under each name that it had, up to when it got the next one.
    while let Some((object, before)) = asked.pop() {
        let rows = match known.take() {
            Some(rows) => rows,
            None => history_of(system, &object).await?,
        };
        for row in rows {
            let id = row.revision.id.get().unsigned_abs();
            if id >= before || versions.len() >= MOST as usize {
                continue;
            }
            let (old, new) = (read(row.before)?, read(row.after)?);
            let began = old.is_none() && row.revision.state == pbx_store::State::Committed;
            let earlier = new.as_ref().filter(|_| began).and_then(|new| new.renamed_from.clone());
            let (mut from, mut to) = (Records::new(), Records::new());
            from.extend(old.map(|old| (object.clone(), Arc::new(old))));
            to.extend(new.map(|new| (object.clone(), Arc::new(new))));
            if let Some(earlier) = earlier {
                // The record that it had under its earlier name, to tell what else changed with the name.
                let earlier = ObjectRef::new(kind, earlier);
                let rows = history_of(system, &earlier).await?;
                let gone = rows.into_iter().find(|row| row.revision.id.get().unsigned_abs() == id);
                if let Some(old) = gone.map(|row| read(row.before)).transpose()?.flatten() {
                    from.insert(earlier.clone(), Arc::new(old));
                    asked.push((earlier, id));
                }
            }
            let revision = revision_view(row.revision, &now);
            versions.extend(
                pbx_manifest::changes(&from, &to)
                    .into_iter()
                    .map(|change| ObjectVersion { revision: revision.clone(), change }),
            );
        }
    }
    versions.sort_by_key(|version| std::cmp::Reverse(version.revision.id));
    Ok(versions)
}

async fn history_of(system: &System, object: &ObjectRef) -> Result<Vec<HistoryRow>, Refusal> {
    given(system, system.store.history_of(object.kind.singular(), object.name.as_str(), MOST).await).await
}

fn read(value: Option<serde_json::Value>) -> Result<Option<Record>, Refusal> {
    value.map(serde_json::from_value::<Record>).transpose().map_err(|error| internal(&error))
}

/// What an object that is gone is called now, if it was renamed and not deleted: the last name of all that it was given since.
async fn renamed(
    system: &System,
    live: &Live,
    object: &ObjectRef,
    versions: &[ObjectVersion],
) -> Result<Option<Renamed>, Refusal> {
    // When what had a name since then was gone: another object may have come by the same name later.
    let ended = |versions: &[ObjectVersion], since: u64| {
        let all = versions.iter().filter(|version| version.revision.state == "committed");
        all.filter(|version| version.change.action == Action::Delete)
            .map(|v| v.revision.id)
            .filter(|id| *id > since)
            .min()
    };
    // The name itself: the last that had it.
    let last = versions.iter().find(|version| version.change.action == Action::Delete).map(|v| v.revision.id);
    let mut next = ended(versions, last.map_or(0, |last| last.saturating_sub(1)));
    let mut name = object.name.clone();
    while let Some(id) = next {
        let key = i64::try_from(id).ok().and_then(|id| RevisionId::try_from(id).ok());
        let key = key.ok_or_else(|| internal(&"a revision's number is out of range"))?;
        let rows = given(system, system.store.changes(key).await).await?;
        let mut found = None;
        for row in rows.into_iter().filter(|row| row.kind == object.kind.singular()) {
            let new = read(row.after)?.filter(|new| new.renamed_from.as_ref() == Some(&name));
            if let (Some(_), None, Ok(to)) = (new, row.before, row.name.parse()) {
                found = Some(ObjectRef::new(object.kind, to));
            }
        }
        let Some(to) = found else { return Ok(None) };
        next = ended(&self::versions(system, &to, None).await?, id);
        if next.is_none() && live.records.contains_key(&to) {
            return Ok(Some(Renamed { object: to, revision: id }));
        }
        name = to.name;
    }
    Ok(None)
}
