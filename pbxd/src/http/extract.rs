//! What a request brings, or a refusal in the API's own form: axum's are plain text.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::Refusal;
use super::handlers::bad;

/// The API's description says what every route takes.
const HELP: &str = "schemas/openapi.json says what each route takes";

/// A body of JSON.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let taken: Result<axum::Json<T>, JsonRejection> = axum::Json::from_request(request, state).await;
        taken.map(|axum::Json(value)| Self(value)).map_err(|refused| bad(refused.body_text(), HELP))
    }
}

/// The parts of a path.
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let taken: Result<axum::extract::Path<T>, PathRejection> =
            axum::extract::Path::from_request_parts(parts, state).await;
        taken.map(|axum::extract::Path(value)| Self(value)).map_err(|refused| bad(refused.body_text(), HELP))
    }
}

/// What follows the `?`.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let taken: Result<axum::extract::Query<T>, QueryRejection> =
            axum::extract::Query::from_request_parts(parts, state).await;
        taken.map(|axum::extract::Query(value)| Self(value)).map_err(|refused| bad(refused.body_text(), HELP))
    }
}
