//! The API, as the table of routes describes it.

mod audio;
mod extract;
mod handlers;
mod history;
mod listener;
mod objects;
mod schedules;

use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post, put};
use pbx_api::{ErrorBody, ErrorCode, ROUTES, Route, RouteId};

pub(crate) use self::history::versions;
pub(crate) use self::listener::{Listener, Peer};
use crate::identity::{Accounts, Identity};
use crate::system::System;

/// The largest body: a plan of some hundred thousand objects.
const LARGEST_BODY: usize = 512 * 1024 * 1024;

/// A refusal on its way out.
pub(crate) struct Refusal(pub(crate) ErrorBody);

impl From<ErrorBody> for Refusal {
    fn from(body: ErrorBody) -> Self {
        Self(body)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self.0.code {
            ErrorCode::BadRequest => StatusCode::BAD_REQUEST,
            ErrorCode::NotAllowed => StatusCode::FORBIDDEN,
            ErrorCode::NotFound => StatusCode::NOT_FOUND,
            ErrorCode::Invalid | ErrorCode::Limit | ErrorCode::Preflight => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorCode::Conflict | ErrorCode::Stale | ErrorCode::Drift | ErrorCode::Busy => StatusCode::CONFLICT,
            ErrorCode::AsteriskUnreachable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::Files | ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, axum::Json(self.0)).into_response()
    }
}

async fn drift(State(system): State<Arc<System>>) -> Result<axum::Json<pbx_api::Drift>, Refusal> {
    Ok(axum::Json(crate::drift::drift(&system).await?))
}

fn handler(route: &Route) -> MethodRouter<Arc<System>> {
    match route.id {
        RouteId::Health => get(handlers::health),
        RouteId::Objects => get(objects::objects),
        RouteId::Object => get(objects::object),
        RouteId::ObjectHistory => get(history::of_object),
        RouteId::Plan => post(handlers::plan),
        RouteId::PlanFile => get(handlers::plan_file),
        RouteId::PlanAgain => post(handlers::plan_again),
        RouteId::Apply => post(handlers::apply),
        RouteId::Confirm => post(handlers::confirmation),
        RouteId::Drift => get(drift),
        RouteId::Revisions => get(handlers::revisions),
        RouteId::Revision => get(handlers::revision),
        RouteId::Changes => get(handlers::changes),
        RouteId::Schedules => get(schedules::all),
        RouteId::ScheduleTurns => get(schedules::turns),
        RouteId::TurnSchedule => post(schedules::turn),
        RouteId::Audio => get(audio::list),
        RouteId::AudioMissing => post(audio::missing),
        RouteId::AudioUpload => put(audio::upload),
        RouteId::AudioDownload => get(audio::download),
        RouteId::AudioDelete => delete(audio::delete),
    }
}

/// The API: a row of the table each, behind the permission that the row names.
pub(crate) fn router(system: Arc<System>) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let permission = route.permission;
        let guard = middleware::from_fn_with_state(
            Arc::clone(&system),
            move |State(system): State<Arc<System>>, request, next| guard(system, permission, request, next),
        );
        router = router.route(route.path, handler(route).route_layer(guard));
    }
    router
        .fallback(|| async {
            Refusal(
                ErrorBody::new(ErrorCode::NotFound, "there is no such route").help("schemas/openapi.json lists them"),
            )
            .into_response()
        })
        .method_not_allowed_fallback(|| async {
            let told = ErrorBody::new(ErrorCode::BadRequest, "this route does not take this method");
            Refusal(told.help("schemas/openapi.json lists them")).into_response()
        })
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(system)
}

/// Finds out who asks, and whether they may.
async fn guard(system: Arc<System>, permission: pbx_api::Permission, mut request: Request, next: Next) -> Response {
    let uid = request.extensions().get::<ConnectInfo<Peer>>().and_then(|ConnectInfo(peer)| peer.uid);
    let Some(uid) = uid else {
        return Refusal(ErrorBody::new(ErrorCode::NotAllowed, "the kernel does not say who is asking")).into_response();
    };
    let own = rustix::process::geteuid().as_raw();
    let identity: Identity = Accounts::read().identify(uid, own, &system.config().access);
    if !identity.may(permission) {
        let message = format!("{} may not do this: it needs the permission {}", identity.name, permission.word());
        return Refusal(
            ErrorBody::new(ErrorCode::NotAllowed, message).help(
                "an administrator adds users and groups under [access] in pbxd.toml, then: systemctl reload pbxd",
            ),
        )
        .into_response();
    }
    request.extensions_mut().insert(identity);
    next.run(request).await
}
