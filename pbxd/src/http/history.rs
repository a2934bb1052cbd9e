//! What became of an object.

use std::sync::Arc;

use axum::extract::State;
use pbx_api::{ErrorBody, ErrorCode, ObjectHistory, ObjectVersion};
use pbx_manifest::{Kind, ObjectRef, Record, Records};

use super::Refusal;
use super::extract::Path;
use super::handlers::{Answer, bad, given, internal, revision_view};
use super::objects::view;
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
    let mut versions = Vec::new();
    let mut asked = vec![(object.clone(), u64::MAX)];
    // Under each name that it had, up to when it got the next one.
    while let Some((object, before)) = asked.pop() {
        let rows = given(&system, system.store.history_of(kind.singular(), object.name.as_str(), MOST).await).await?;
        for row in rows {
            let id = row.revision.id.get().unsigned_abs();
            if id >= before || versions.len() >= MOST as usize {
                continue;
            }
            let read = |value: Option<serde_json::Value>| {
                value.map(serde_json::from_value::<Record>).transpose().map_err(|error| internal(&error))
            };
            let (old, new) = (read(row.before)?, read(row.after)?);
            let began = old.is_none() && row.revision.state == pbx_store::State::Committed;
            let earlier = new.as_ref().filter(|_| began).and_then(|new| new.renamed_from.clone());
            let (mut from, mut to) = (Records::new(), Records::new());
            from.extend(old.map(|old| (object.clone(), Arc::new(old))));
            to.extend(new.map(|new| (object.clone(), Arc::new(new))));
            if let Some(earlier) = earlier {
                // The record that it had under its earlier name, to tell what else changed with the name.
                let earlier = ObjectRef::new(kind, earlier);
                let rows = system.store.history_of(kind.singular(), earlier.name.as_str(), MOST).await;
                let rows = given(&system, rows).await?;
                let gone = rows.into_iter().find(|row| row.revision.id.get().unsigned_abs() == id);
                if let Some(old) = gone.map(|row| read(row.before)).transpose()?.flatten() {
                    from.insert(earlier.clone(), Arc::new(old));
                    asked.push((earlier, id));
                }
            }
            let revision = revision_view(row.revision, live.revision);
            versions.extend(
                pbx_manifest::changes(&from, &to)
                    .into_iter()
                    .map(|change| ObjectVersion { revision: revision.clone(), change }),
            );
        }
    }
    if versions.is_empty() {
        return Err(nowhere());
    }
    versions.sort_by_key(|version| std::cmp::Reverse(version.revision.id));
    let object = live.records.get_key_value(&object).map(|(object, record)| view(&live, object, record));
    Ok(axum::Json(ObjectHistory { object, versions }))
}
