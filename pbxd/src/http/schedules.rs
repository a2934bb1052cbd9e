//! What schedules say, and turning them over.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use pbx_api::{ScheduleList, ScheduleTurns, TurnRequest, Turned};

use super::extract::{Json, Path};
use super::handlers::{Answer, to_its_end};
use crate::identity::Identity;
use crate::schedules;
use crate::system::System;

pub(super) async fn all(State(system): State<Arc<System>>) -> axum::Json<ScheduleList> {
    axum::Json(ScheduleList { schedules: schedules::statuses(&system) })
}

pub(super) async fn turns(State(system): State<Arc<System>>, Path(name): Path<String>) -> Answer<ScheduleTurns> {
    Ok(axum::Json(ScheduleTurns { turns: schedules::turns(&system, &name).await? }))
}

pub(super) async fn turn(
    State(system): State<Arc<System>>,
    Extension(who): Extension<Identity>,
    Path(name): Path<String>,
    Json(request): Json<TurnRequest>,
) -> Answer<Turned> {
    let task = Arc::clone(&system);
    let turning = async move { schedules::turn(&task, &name, &request, &who.name).await };
    Ok(axum::Json(to_its_end(&system, turning).await?))
}
