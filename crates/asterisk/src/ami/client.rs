//! One connection to Asterisk: log in, ask, listen.

use std::{fmt, sync::Arc};

use bytes::BytesMut;
use md5::{Digest, Md5};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::{Notify, broadcast, mpsc, oneshot, watch},
    time::{Instant, timeout, timeout_at},
};
use tokio_util::codec::Decoder;

use super::{
    action::{Action, Command, Reply, Request},
    codec::{AmiVersion, Codec, CodecError, Frame, Outgoing, encode},
    correlate::Correlator,
    driver::{Driver, Order},
    error::{AmiError, CloseReason},
    message::Message,
    options::{Auth, EventMask, Options},
    transport,
};

/// How many actions may wait for their turn to be written.
const ORDERS: usize = 256;

/// What a subscriber gets, in order.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// Logged in: events come from here on. Nothing that happened before is told again, so take a snapshot now.
    Connected {
        /// From the greeting.
        version: AmiVersion,
    },
    /// An event that is nobody's answer.
    Event(Message),
    /// Events were lost, because this subscriber was too slow or an event was over a limit. Take a snapshot again.
    Lagged {
        /// How many.
        missed: u64,
    },
    /// The connection is gone. What is known grows stale from here on.
    Disconnected(CloseReason),
}

/// Events as they come, from where it was made. Its queue is bounded: who is slow gets [`Delivery::Lagged`], and holds up
/// nobody.
#[derive(Debug)]
pub struct Subscription(broadcast::Receiver<Delivery>);

impl Subscription {
    pub(super) fn new(receiver: broadcast::Receiver<Delivery>) -> Self {
        Self(receiver)
    }

    /// The next delivery; `None` after the last one. Can be cancelled without losing any.
    pub async fn next(&mut self) -> Option<Delivery> {
        match self.0.recv().await {
            Ok(delivery) => Some(delivery),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Delivery::Lagged { missed }),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// A handle on one connection. Cheap to clone; the connection logs off when the last one is dropped.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    options: Options,
    version: AmiVersion,
    orders: mpsc::Sender<Order>,
    // Weak, so that subscribers see the end of the connection's task.
    deliveries: broadcast::WeakSender<Delivery>,
    closed: watch::Receiver<Option<CloseReason>>,
    end: Arc<Notify>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("addr", &self.shared.options.addr)
            .field("version", &self.shared.version)
            .field("closed", &*self.shared.closed.borrow())
            .finish()
    }
}

impl Client {
    /// Connects, waits for the greeting and logs in. The subscription has every event of the session, from the first
    /// (drop it if [`Options::events`] is off).
    ///
    /// Fails with [`AmiError::Unreachable`], [`AmiError::Tls`], [`AmiError::AuthFailed`], [`AmiError::Timeout`],
    /// [`AmiError::Codec`] (something that is not Asterisk) or [`AmiError::Closed`] (Asterisk closes silently when it has
    /// too many sessions that are not logged in, manager.c:7413).
    pub async fn connect(options: &Options) -> Result<(Self, Subscription), AmiError> {
        let (sender, receiver) = broadcast::channel(options.queue.max(1));
        let client = Self::connect_into(options, sender).await?;
        Ok((client, Subscription::new(receiver)))
    }

    /// The same over a stream that is already there.
    pub async fn over<S>(stream: S, options: &Options) -> Result<(Self, Subscription), AmiError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, receiver) = broadcast::channel(options.queue.max(1));
        let open = open(stream, options, sender);
        let client = timeout(options.connect_timeout, open).await.map_err(|_| greeting_timeout(options))??;
        Ok((client, Subscription::new(receiver)))
    }

    pub(super) async fn connect_into(
        options: &Options,
        deliveries: broadcast::Sender<Delivery>,
    ) -> Result<Self, AmiError> {
        let deadline = Instant::now() + options.connect_timeout;
        let connecting = timeout_at(deadline, transport::connect(options)).await;
        let stream = connecting.map_err(|_| AmiError::Unreachable {
            addr: options.addr.clone(),
            source: Arc::new(std::io::ErrorKind::TimedOut.into()),
        })??;
        timeout_at(deadline, open(stream, options, deliveries)).await.map_err(|_| greeting_timeout(options))?
    }

    /// Another connection to the same Asterisk, as the same user, without events.
    pub async fn another(&self) -> Result<Self, AmiError> {
        let options = Options { events: EventMask::Off, ..self.shared.options.clone() };
        Self::connect(&options).await.map(|(client, _)| client)
    }

    /// Asks, and reads the answer as what the action promises.
    ///
    /// Actions may be asked at the same time from anywhere: they are written at once and answered in order.
    pub async fn call<A: Action>(&self, action: &A) -> Result<A::Answer, AmiError> {
        let reply = self.send(action.request()).await?;
        action.read(reply)
    }

    /// Asks, and gives the answer as it came, be it a success or an error of Asterisk's.
    ///
    /// When the time limit passes, or the future is dropped, the action goes on in Asterisk and its answer is thrown away.
    pub async fn send(&self, request: Request) -> Result<Reply, AmiError> {
        let limit = request.limit().unwrap_or(self.shared.options.action_timeout);
        let action = request.name().to_owned();
        let (answer, reply) = oneshot::channel();
        let deadline = Instant::now() + limit;
        let ask = async {
            let order = Order { request, deadline, answer };
            // Both fail only when the connection's task is gone.
            self.shared.orders.send(order).await.map_err(|_| self.gone())?;
            reply.await.map_err(|_| self.gone())?
        };
        timeout_at(deadline, ask).await.unwrap_or(Err(AmiError::Timeout { action, after: limit }))
    }

    /// Waits until Asterisk has fully booted. Needs `command`. Before that, modules may be missing, and a reload is queued
    /// and answered as if it had been done.
    pub async fn wait_fully_booted(&self, limit: std::time::Duration) -> Result<(), AmiError> {
        let action = Command("core waitfullybooted".to_owned());
        let reply = self.send(action.request().within(limit)).await?;
        action.read(reply).map(drop)
    }

    /// Another subscription to the events, from now on. `None` when the connection is gone.
    pub fn subscribe(&self) -> Option<Subscription> {
        self.shared.deliveries.upgrade().map(|sender| Subscription::new(sender.subscribe()))
    }

    /// The version of the protocol, which tells the branch of Asterisk.
    pub fn version(&self) -> AmiVersion {
        self.shared.version
    }

    /// `host:port`.
    pub fn addr(&self) -> &str {
        &self.shared.options.addr
    }

    /// Gives the connection up, without a farewell, for everybody who has a handle on it: it may be half open. What is in flight fails.
    pub fn abandon(&self) {
        self.shared.end.notify_one();
    }

    /// Why the connection ended, if it did.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.shared.closed.borrow().clone()
    }

    /// Waits for the end of the connection.
    pub async fn closed(&self) -> CloseReason {
        let mut closed = self.shared.closed.clone();
        match closed.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or(CloseReason::Local),
            Err(_) => CloseReason::Local,
        }
    }

    fn gone(&self) -> AmiError {
        AmiError::Closed { reason: self.close_reason().unwrap_or(CloseReason::Local) }
    }
}

fn greeting_timeout(options: &Options) -> AmiError {
    AmiError::Timeout { action: "the greeting and login".to_owned(), after: options.connect_timeout }
}

/// Greeting and login, one after the other, then the connection's task.
async fn open<S>(stream: S, options: &Options, deliveries: broadcast::Sender<Delivery>) -> Result<Client, AmiError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut session =
        Opening { stream, codec: Codec::new(options.limits), input: BytesMut::new(), prefix: prefix(), asked: 0 };
    let version = match session.frame().await? {
        Frame::Banner(version) => version,
        // The decoder gives the banner first, or fails.
        other => return Err(CodecError::NotAmi { got: format!("{other:?}") }.into()),
    };
    session.login(options).await?;
    let Opening { stream, codec, input, prefix, .. } = session;
    let (read, write) = tokio::io::split(stream);
    let (orders, incoming) = mpsc::channel(ORDERS);
    let (closed, closing) = watch::channel(None);
    let end = Arc::new(Notify::new());
    let shared = Shared {
        options: options.clone(),
        version,
        orders,
        deliveries: deliveries.downgrade(),
        closed: closing,
        end: Arc::clone(&end),
    };
    deliveries.send(Delivery::Connected { version }).ok();
    let driver = Driver {
        read,
        write,
        codec,
        input,
        correlator: Correlator::new(prefix.into()),
        orders: incoming,
        deliveries,
        closed,
        end,
        ping_after: options.ping_after,
        dead_after: options.dead_after.max(options.ping_after),
    };
    tokio::spawn(driver.run());
    Ok(Client { shared: Arc::new(shared) })
}

/// A name for the session's actions that no other session has.
fn prefix() -> String {
    // Without entropy the process number still keeps two daemons apart.
    let unique = getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id()));
    format!("pbx{unique:016x}")
}

/// A connection before it is logged in: one question at a time.
struct Opening<S> {
    stream: S,
    codec: Codec,
    input: BytesMut,
    prefix: String,
    asked: u32,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Opening<S> {
    async fn frame(&mut self) -> Result<Frame, AmiError> {
        loop {
            if let Some(frame) = self.codec.decode(&mut self.input)? {
                return Ok(frame);
            }
            self.input.reserve(4096);
            match self.stream.read_buf(&mut self.input).await {
                Ok(0) => {
                    self.codec.decode_eof(&mut self.input)?;
                    return Err(AmiError::Closed { reason: CloseReason::Eof });
                }
                Ok(_) => {}
                Err(error) => return Err(AmiError::Closed { reason: CloseReason::Io(error.to_string()) }),
            }
        }
    }

    async fn ask(&mut self, request: Request) -> Result<Reply, AmiError> {
        self.asked += 1;
        let action = request.name().to_owned();
        let action_id = format!("{}-login{}", self.prefix, self.asked);
        let mut output = BytesMut::new();
        encode(Outgoing { request: &request, action_id: &action_id }, &mut output)
            .map_err(|source| AmiError::Invalid { action: action.clone(), source })?;
        let write = async {
            self.stream.write_all_buf(&mut output).await?;
            self.stream.flush().await
        };
        write.await.map_err(|error| AmiError::Closed { reason: CloseReason::Io(error.to_string()) })?;
        loop {
            if let Frame::Message(response) = self.frame().await?
                && response.response().is_some()
                && response.is("ActionID", &action_id)
            {
                return Ok(Reply { action, response, items: Vec::new(), complete: None });
            }
        }
    }

    async fn login(&mut self, options: &Options) -> Result<(), AmiError> {
        let login = Request::new("Login").header("Username", &options.user);
        let login = match options.auth {
            Auth::Plain => login.header("Secret", options.secret.expose()),
            Auth::Md5 => {
                let reply = self.ask(Request::new("Challenge").header("AuthType", "MD5")).await?;
                let challenge =
                    reply.single()?.optional("Challenge").ok_or_else(|| reply.unexpected("no challenge"))?;
                login.header("AuthType", "MD5").header("Key", answer(&challenge, options.secret.expose()))
            }
        };
        let reply = self.ask(login.header("Events", options.events.to_string())).await?;
        match reply.message().as_str() {
            _ if reply.succeeded() => Ok(()),
            "Authentication failed" => Err(AmiError::AuthFailed { user: options.user.clone() }),
            _ => Err(reply.refusal()),
        }
    }
}

/// The answer to a challenge: the hex of `md5(challenge || secret)` (manager.c:2370).
fn answer(challenge: &str, secret: &str) -> String {
    use std::fmt::Write;
    let digest = Md5::new().chain_update(challenge).chain_update(secret).finalize();
    digest.iter().fold(String::with_capacity(32), |mut hex, byte| {
        write!(hex, "{byte:02x}").ok();
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::answer;

    #[test]
    fn the_answer_to_a_challenge() {
        // printf 840415273mysecret | md5sum
        assert_eq!(answer("840415273", "mysecret"), "72ee2809cbf69e9bdb27bdd924cda8e3");
    }
}
