//! The client: HTTP over pbxd's Unix socket.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::{DeserializeOwned, DeserializeSeed as _};
use tokio::net::UnixStream;

use crate::list::Each;
use crate::route::RouteId;
use crate::types::{
    ApplyRequest, AudioHashes, AudioList, AudioMissing, AudioView, ConfirmRequest, Confirmed, Drift, ErrorBody, Event,
    Health, ObjectHistory, ObjectList, ObjectView, Plan, PlanRequest, RevisionChanges, RevisionList, RevisionView,
    SavedPlan, ScheduleList, ScheduleTurns, TurnRequest, Turned,
};

/// Why a request got no answer, or a bad one.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// pbxd is not there.
    #[error("pbxd cannot be reached at {}: {source}", path.display())]
    Unreachable {
        /// Its socket.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The connection broke.
    #[error("the connection to pbxd broke: {0}")]
    Broken(String),
    /// pbxd refused.
    #[error("{}", .0.message)]
    Refused(Box<ErrorBody>),
    /// pbxd answered something that is not understood; another version, perhaps.
    #[error("pbxd's answer is not understood: {0}")]
    Misunderstood(String),
}

/// Talks to the pbxd behind a socket.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

/// The lines of a running apply.
#[derive(Debug)]
pub struct Events {
    body: Incoming,
    buffer: BytesMut,
}

impl Events {
    /// The next line; nothing at the end.
    pub async fn next(&mut self) -> Result<Option<Event>, ClientError> {
        loop {
            if let Some(at) = self.buffer.iter().position(|&b| b == b'\n') {
                let line = self.buffer.split_to(at + 1);
                return serde_json::from_slice(&line)
                    .map(Some)
                    .map_err(|error| ClientError::Misunderstood(error.to_string()));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return Err(ClientError::Broken(error.to_string())),
            }
        }
    }
}

impl Client {
    /// A client for the pbxd behind a socket. Connects at each request.
    pub fn new(socket: impl AsRef<Path>) -> Self {
        Self { socket: socket.as_ref().to_owned() }
    }

    /// The socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    async fn send(&self, route: RouteId, path: &str, body: Vec<u8>) -> Result<hyper::Response<Incoming>, ClientError> {
        self.send_body(route, path, Full::new(Bytes::from(body))).await
    }

    async fn send_body<B>(&self, route: RouteId, path: &str, body: B) -> Result<hyper::Response<Incoming>, ClientError>
    where
        B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
    {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|source| ClientError::Unreachable { path: self.socket.clone(), source })?;
        let broken = |error: hyper::Error| ClientError::Broken(error.to_string());
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(route.route().method.word())
            .uri(path)
            .header("host", "pbxd")
            .header("content-type", route.route().method.brings())
            .body(body)
            .map_err(|error| ClientError::Misunderstood(error.to_string()))?;
        let response = sender.send_request(request).await.map_err(broken)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let bytes = response.into_body().collect().await.map_err(broken)?.to_bytes();
        match serde_json::from_slice(&bytes) {
            Ok(body) => Err(ClientError::Refused(Box::new(body))),
            Err(_) => Err(ClientError::Misunderstood(format!("{status}: {}", String::from_utf8_lossy(&bytes)))),
        }
    }

    async fn get<T: DeserializeOwned>(&self, route: RouteId, path: &str) -> Result<T, ClientError> {
        self.read(self.send(route, path, Vec::new()).await?).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        route: RouteId,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.read(self.send(route, path, encode(body)?).await?).await
    }

    async fn read<T: DeserializeOwned>(&self, response: hyper::Response<Incoming>) -> Result<T, ClientError> {
        serde_json::from_slice(&self.bytes(response).await?)
            .map_err(|error| ClientError::Misunderstood(error.to_string()))
    }

    async fn bytes(&self, response: hyper::Response<Incoming>) -> Result<Bytes, ClientError> {
        let body = response.into_body().collect().await.map_err(|error| ClientError::Broken(error.to_string()))?;
        Ok(body.to_bytes())
    }

    /// How pbxd and Asterisk are.
    pub async fn health(&self) -> Result<Health, ClientError> {
        self.get(RouteId::Health, "/v1/health").await
    }

    /// The objects of a kind (or all), with these labels, all of each.
    pub async fn objects(
        &self,
        kind: Option<pbx_manifest::Kind>,
        labels: &[String],
    ) -> Result<ObjectList, ClientError> {
        self.get(RouteId::Objects, &objects_path(kind, labels, None)).await
    }

    /// Goes through the objects of a kind (or all), with these labels, by kind and name; each has no more than these fields.
    pub async fn each_object(
        &self,
        kind: Option<pbx_manifest::Kind>,
        labels: &[String],
        fields: &[&str],
        each: impl FnMut(ObjectView),
    ) -> Result<(), ClientError> {
        let path = objects_path(kind, labels, Some(fields));
        let bytes = self.bytes(self.send(RouteId::Objects, &path, Vec::new()).await?).await?;
        let mut json = serde_json::Deserializer::from_slice(&bytes);
        Each(each).deserialize(&mut json).map_err(|error| ClientError::Misunderstood(error.to_string()))
    }

    /// One object.
    pub async fn object(&self, object: &pbx_manifest::ObjectRef) -> Result<ObjectView, ClientError> {
        self.get(RouteId::Object, &format!("/v1/objects/{}/{}", object.kind, escaped(object.name.as_str()))).await
    }

    /// What schedules say now.
    pub async fn schedules(&self) -> Result<ScheduleList, ClientError> {
        self.get(RouteId::Schedules, "/v1/schedules").await
    }

    /// Who turned a schedule over.
    pub async fn schedule_turns(&self, name: &pbx_manifest::Name) -> Result<ScheduleTurns, ClientError> {
        self.get(RouteId::ScheduleTurns, &format!("/v1/schedules/{}/turns", escaped(name.as_str()))).await
    }

    /// Turns a schedule over, or back.
    pub async fn turn_schedule(&self, name: &pbx_manifest::Name, request: &TurnRequest) -> Result<Turned, ClientError> {
        self.post(RouteId::TurnSchedule, &format!("/v1/schedules/{}/turn", escaped(name.as_str())), request).await
    }

    /// Makes a plan.
    pub async fn plan(&self, request: &PlanRequest) -> Result<Plan, ClientError> {
        self.post(RouteId::Plan, "/v1/plans", request).await
    }

    /// What became of an object, newest first.
    pub async fn object_history(&self, object: &pbx_manifest::ObjectRef) -> Result<ObjectHistory, ClientError> {
        let path = format!("/v1/objects/{}/{}/history", object.kind, escaped(object.name.as_str()));
        self.get(RouteId::ObjectHistory, &path).await
    }

    /// A plan as a file.
    pub async fn plan_file(&self, plan: &str) -> Result<SavedPlan, ClientError> {
        self.get(RouteId::PlanFile, &format!("/v1/plans/{}/file", escaped(plan))).await
    }

    /// Takes a plan from a file.
    pub async fn plan_again(&self, saved: &SavedPlan) -> Result<Plan, ClientError> {
        self.post(RouteId::PlanAgain, "/v1/plans/saved", saved).await
    }

    /// Carries a plan out; the answer comes line by line.
    pub async fn apply(&self, plan: &str, request: &ApplyRequest) -> Result<Events, ClientError> {
        let response =
            self.send(RouteId::Apply, &format!("/v1/plans/{}/apply", escaped(plan)), encode(request)?).await?;
        Ok(Events { body: response.into_body(), buffer: BytesMut::new() })
    }

    /// Keeps the revision that waits for its confirmation, or goes back from it.
    pub async fn confirm(&self, request: &ConfirmRequest) -> Result<Confirmed, ClientError> {
        self.post(RouteId::Confirm, "/v1/confirm", request).await
    }

    /// How what is differs from what should be.
    pub async fn drift(&self) -> Result<Drift, ClientError> {
        self.get(RouteId::Drift, "/v1/drift").await
    }

    /// The revisions, newest first.
    pub async fn revisions(&self, limit: u32, before: Option<u64>) -> Result<RevisionList, ClientError> {
        let before = before.map_or(String::new(), |before| format!("&before={before}"));
        self.get(RouteId::Revisions, &format!("/v1/revisions?limit={limit}{before}")).await
    }

    /// One revision.
    pub async fn revision(&self, id: u64) -> Result<RevisionView, ClientError> {
        self.get(RouteId::Revision, &format!("/v1/revisions/{id}")).await
    }

    /// What a revision changed, or what differs from another to it.
    pub async fn changes(&self, id: u64, from: Option<u64>) -> Result<RevisionChanges, ClientError> {
        let from = from.map_or(String::new(), |from| format!("?from={from}"));
        self.get(RouteId::Changes, &format!("/v1/revisions/{id}/changes{from}")).await
    }
}

impl Client {
    /// The recordings, by name.
    pub async fn audio(&self) -> Result<AudioList, ClientError> {
        self.get(RouteId::Audio, "/v1/audio").await
    }

    /// Which recordings are not there.
    pub async fn audio_missing(&self, request: &AudioHashes) -> Result<AudioMissing, ClientError> {
        self.post(RouteId::AudioMissing, "/v1/audio/missing", request).await
    }

    /// Brings a recording. How many of its bytes have gone is told each time that some have.
    pub async fn audio_upload(
        &self,
        hash: &str,
        name: &str,
        bytes: Vec<u8>,
        sent: impl FnMut(u64) + Send + Unpin + 'static,
    ) -> Result<AudioView, ClientError> {
        let path = format!("/v1/audio/{}?name={}", escaped(hash), escaped(name));
        let body = Upload { left: Bytes::from(bytes), gone: 0, sent };
        self.read(self.send_body(RouteId::AudioUpload, &path, body).await?).await
    }

    /// A recording as wideband telephones hear it: a WAV file.
    pub async fn audio_download(&self, hash: &str) -> Result<Bytes, ClientError> {
        self.bytes(self.send(RouteId::AudioDownload, &format!("/v1/audio/{}", escaped(hash)), Vec::new()).await?).await
    }

    /// Takes a recording away.
    pub async fn audio_delete(&self, hash: &str) -> Result<AudioView, ClientError> {
        self.get(RouteId::AudioDelete, &format!("/v1/audio/{}", escaped(hash))).await
    }
}

/// How many bytes of a file go at a time.
const PIECE: usize = 64 * 1024;

/// A file on its way.
struct Upload<F> {
    left: Bytes,
    gone: u64,
    sent: F,
}

impl<F: FnMut(u64) + Unpin> Body for Upload<F> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let size = self.left.len().min(PIECE);
        let piece = self.left.split_to(size);
        self.gone += size as u64;
        let gone = self.gone;
        (self.sent)(gone);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}

/// The path that asks for objects.
fn objects_path(kind: Option<pbx_manifest::Kind>, labels: &[String], fields: Option<&[&str]>) -> String {
    let mut query = Vec::new();
    if let Some(kind) = kind {
        query.push(format!("kind={kind}"));
    }
    if !labels.is_empty() {
        query.push(format!("label={}", escaped(&labels.join(","))));
    }
    if let Some(fields) = fields {
        query.push(format!("fields={}", escaped(&fields.join(","))));
    }
    let separator = if query.is_empty() { "" } else { "?" };
    format!("/v1/objects{separator}{}", query.join("&"))
}

fn encode(body: &impl Serialize) -> Result<Vec<u8>, ClientError> {
    serde_json::to_vec(body).map_err(|error| ClientError::Misunderstood(error.to_string()))
}

/// A path's or query's part, percent-encoded.
fn escaped(text: &str) -> String {
    text.bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
                (b as char).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}
