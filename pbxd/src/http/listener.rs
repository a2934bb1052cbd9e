//! The socket that everybody may connect to, so that nobody can take it from the others.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tracing::warn;

/// How many connections a user may have at once. A script that runs `pbxctl` in parallel stays far below.
const CONNECTIONS: usize = 64;

/// How many root and pbxd's own user may have.
const CONNECTIONS_OF_OURS: usize = 512;

/// How long to wait when a connection cannot be taken, as when there are no more file descriptors.
const PAUSE: Duration = Duration::from_millis(200);

/// How many connections each user has.
type Counts = Arc<Mutex<HashMap<Option<u32>, usize>>>;

/// Takes connections, up to a number for each user.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: UnixListener,
    counts: Counts,
}

impl Listener {
    /// Takes those of a socket.
    pub(crate) fn new(socket: UnixListener) -> Self {
        Self { socket, counts: Counts::default() }
    }

    /// Counts a connection, unless its user has too many already.
    fn count(&self, stream: UnixStream) -> Option<Connection> {
        let uid = stream.peer_cred().ok().map(|peer| peer.uid());
        let ours = uid.is_some_and(|uid| uid == 0 || uid == rustix::process::geteuid().as_raw());
        let most = if ours { CONNECTIONS_OF_OURS } else { CONNECTIONS };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(uid).or_default();
        if *count >= most {
            warn!(uid, connections = most, "a user has too many connections; another was closed");
            return None;
        }
        *count += 1;
        drop(counts);
        Some(Connection { stream, uid, counts: Arc::clone(&self.counts) })
    }
}

impl axum::serve::Listener for Listener {
    type Io = Connection;
    type Addr = tokio::net::unix::SocketAddr;

    async fn accept(&mut self) -> (Connection, Self::Addr) {
        loop {
            match self.socket.accept().await {
                Ok((stream, addr)) => {
                    if let Some(connection) = self.count(stream) {
                        return (connection, addr);
                    }
                }
                Err(error) => {
                    warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.socket.local_addr()
    }
}

/// A connection, counted as its user's until it ends.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: UnixStream,
    uid: Option<u32>,
    counts: Counts,
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.uid) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.uid);
            }
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Who is on the other side of a connection, as the kernel says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    /// The user, if the kernel says so.
    pub(crate) uid: Option<u32>,
}

impl Connected<IncomingStream<'_, Listener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Self {
        Self { uid: stream.io().uid }
    }
}
