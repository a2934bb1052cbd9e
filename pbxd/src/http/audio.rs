//! Recordings, in and out.

use std::io::{Read as _, Seek as _, Write as _};
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use pbx_api::{AudioHashes, AudioList, AudioMissing, AudioView, ErrorBody, ErrorCode, Permission};
use serde::Deserialize;
use tokio_stream::StreamExt as _;

use super::Refusal;
use super::extract::{Json, Path, Query};
use super::handlers::{Answer, bad, internal};
use crate::audio;
use crate::identity::Identity;
use crate::system::System;

pub(super) async fn list(State(system): State<Arc<System>>) -> Answer<AudioList> {
    Ok(axum::Json(audio::list(&system).await?))
}

pub(super) async fn missing(
    State(system): State<Arc<System>>,
    Extension(who): Extension<Identity>,
    Json(request): Json<AudioHashes>,
) -> Answer<AudioMissing> {
    Ok(axum::Json(audio::missing(&system, request.hashes, who.may(Permission::PlanApply))?))
}

#[derive(Deserialize)]
pub(super) struct Called {
    name: Option<String>,
}

/// The longest name of a file that is kept.
const LONGEST_NAME: usize = 255;

pub(super) async fn upload(
    State(system): State<Arc<System>>,
    Extension(who): Extension<Identity>,
    Path(hash): Path<String>,
    Query(called): Query<Called>,
    body: Body,
) -> Answer<AudioView> {
    audio::hash(&hash)?;
    let name = called.name.unwrap_or_default();
    let name = name.rsplit('/').next().unwrap_or_default().to_owned();
    if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(bad("the file has no name", "as in `?name=welcome.mp3`"));
    }
    let folder = system.audio();
    // Beside what it becomes, where there is room for it or for nothing; without a name, so that nothing stays of it.
    let made = folder.made().map_err(|error| ErrorBody::new(ErrorCode::Files, error.to_string()))?;
    let mut file = tempfile::tempfile_in(made).map_err(|error| internal(&error))?;
    let mut size = 0;
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece =
            piece.map_err(|error| bad(format!("the file did not come to its end: {error}"), "send it again"))?;
        size += piece.len();
        if size > pbx_audio::LARGEST {
            let broken = pbx_audio::Broken::TooLarge;
            return Err(ErrorBody::new(ErrorCode::Invalid, format!("`{name}` is not taken: {broken}"))
                .help(broken.help())
                .into());
        }
        // Into the page cache: no longer than a copy in memory takes.
        file.write_all(&piece).map_err(|error| internal(&error))?;
    }
    // One at a time: an hour of sound takes some hundred megabytes while it is converted.
    let turn = system.converting.lock().await;
    let (by, wanted) = (who.name, hash.clone());
    let taken = tokio::task::spawn_blocking(move || -> Result<(), Refusal> {
        let mut bytes = Vec::with_capacity(size);
        file.rewind().and_then(|()| file.read_to_end(&mut bytes)).map_err(|error| internal(&error))?;
        let own = pbx_audio::name_of(&bytes);
        if own != wanted {
            return Err(bad(
                format!("what came of `{name}` is {own}, and not {wanted}"),
                "the file changed on its way; send it again",
            ));
        }
        Ok(audio::take_in(&folder, &name, &by, &bytes)?)
    });
    let ended = taken.await.map_err(|panic| internal(&panic))?;
    drop(turn);
    ended?;
    Ok(axum::Json(audio::one(&system, &hash)?))
}

pub(super) async fn download(State(system): State<Arc<System>>, Path(hash): Path<String>) -> Result<Response, Refusal> {
    let hash = audio::hash(&hash)?;
    audio::one(&system, hash)?;
    let wide = system.audio().wide(hash).map_err(|error| internal(&error))?;
    Ok(([(CONTENT_TYPE, "audio/wav")], wide).into_response())
}

pub(super) async fn delete(
    State(system): State<Arc<System>>,
    Extension(who): Extension<Identity>,
    Path(hash): Path<String>,
) -> Answer<AudioView> {
    Ok(axum::Json(audio::delete(&system, audio::hash(&hash)?, &who.name).await?))
}
