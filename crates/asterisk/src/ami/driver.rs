//! The one task of a connection: it reads all the time, writes when it can, and notices when the other end is gone.

use std::{io, sync::Arc, time::Duration};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf},
    sync::{Notify, broadcast, mpsc, watch},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::codec::Decoder;

use super::{
    action::Request,
    client::Delivery,
    codec::{Codec, CodecError, Frame, Outgoing, encode},
    correlate::{Answer, Correlator},
    error::{AmiError, CloseReason},
    event::Shutdown,
};

/// How many actions may be in flight. Asterisk answers one after the other, so more only fill its socket.
const MAX_IN_FLIGHT: usize = 1024;

/// No more actions are taken while this much is not written yet.
const MAX_UNWRITTEN: usize = 64 << 10;

/// How much to read at once.
const READ: usize = 32 << 10;

/// How long to let a farewell take.
const FAREWELL: Duration = Duration::from_secs(1);

/// An action on its way to the connection.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) request: Request,
    pub(super) deadline: Instant,
    pub(super) answer: Answer,
}

pub(super) struct Driver<S> {
    pub(super) read: ReadHalf<S>,
    pub(super) write: WriteHalf<S>,
    pub(super) codec: Codec,
    /// Read and not decoded.
    pub(super) input: BytesMut,
    pub(super) correlator: Correlator,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) deliveries: broadcast::Sender<Delivery>,
    pub(super) closed: watch::Sender<Option<CloseReason>>,
    pub(super) end: Arc<Notify>,
    pub(super) ping_after: Duration,
    pub(super) dead_after: Duration,
}

impl<S: AsyncRead + AsyncWrite> Driver<S> {
    pub(super) async fn run(mut self) {
        let mut announced = None;
        let reason = self.drive(&mut announced).await;
        let reason = match (reason, announced) {
            (CloseReason::Eof | CloseReason::Io(_), Some(restart)) => CloseReason::Shutdown { restart },
            (reason, _) => reason,
        };
        tracing::debug!(%reason, "manager connection ended");
        // First the reason, so that whoever is woken by a failed action can already ask for it.
        self.closed.send_replace(Some(reason.clone()));
        self.correlator.fail_all(&reason);
        self.orders.close();
        while let Some(order) = self.orders.recv().await {
            order.answer.send(Err(AmiError::Closed { reason: reason.clone() })).ok();
        }
        self.deliveries.send(Delivery::Disconnected(reason)).ok();
    }

    async fn drive(&mut self, announced: &mut Option<bool>) -> CloseReason {
        let mut output = BytesMut::new();
        let mut unflushed = false;
        let mut heard = Instant::now();
        let mut ping: Option<u64> = None;
        loop {
            if let Err(error) = self.decode(announced) {
                return CloseReason::Codec(error);
            }
            ping = ping.filter(|&id| self.correlator.is_pending(id));
            let wake = match ping {
                None => heard + self.ping_after,
                Some(_) => (heard + self.dead_after).max(self.correlator.busy_until().unwrap_or(heard)),
            };
            let room = self.correlator.len() < MAX_IN_FLIGHT && output.len() < MAX_UNWRITTEN;
            self.input.reserve(READ);
            tokio::select! {
                read = self.read.read_buf(&mut self.input) => match read {
                    Ok(0) => return CloseReason::Eof,
                    Ok(_) => heard = Instant::now(),
                    Err(error) => return CloseReason::Io(error.to_string()),
                },
                pushed = push(&mut self.write, &mut output), if unflushed || !output.is_empty() => match pushed {
                    Ok(flushed) => unflushed = !flushed,
                    Err(error) => return self.broken(error.to_string(), announced).await,
                },
                order = self.orders.recv(), if room => match order {
                    Some(order) => self.send(order, &mut output),
                    None => return self.farewell(output).await,
                },
                () = self.end.notified() => return CloseReason::Local,
                () = sleep_until(wake) => {
                    // Awake too early means that an action was answered meanwhile: look again.
                    let silent = heard.elapsed();
                    if ping.is_some() {
                        if silent >= self.dead_after && self.correlator.busy_until().is_none_or(|t| t <= Instant::now()) {
                            return CloseReason::Silent(silent);
                        }
                    } else if silent >= self.ping_after {
                        ping = Some(self.ping(&mut output));
                    }
                }
            }
        }
    }

    fn decode(&mut self, announced: &mut Option<bool>) -> Result<(), CodecError> {
        while let Some(frame) = self.codec.decode(&mut self.input)? {
            match frame {
                Frame::Message(message) => {
                    let Some(event) = self.correlator.take(message) else { continue };
                    if event.is("Event", "Shutdown") {
                        *announced = Some(Shutdown::read(&event).restart.unwrap_or(false));
                    }
                    // Nobody may be listening.
                    self.deliveries.send(Delivery::Event(event)).ok();
                }
                Frame::Skipped(skipped) => {
                    tracing::warn!(excess = %skipped.excess, bytes = skipped.bytes, event = skipped.event,
                        "a message from Asterisk was over a limit and thrown away");
                    self.correlator.skipped(&skipped);
                    if skipped.event.is_some() {
                        self.deliveries.send(Delivery::Lagged { missed: 1 }).ok();
                    }
                }
                Frame::Banner(_) => {}
            }
        }
        Ok(())
    }

    fn send(&mut self, order: Order, output: &mut BytesMut) {
        let Order { request, deadline, answer } = order;
        // Whoever asked has stopped waiting: what was not written need not be.
        if answer.is_closed() {
            return;
        }
        let action = request.name().to_owned();
        let id = self.correlator.expect(action, deadline, Some(answer));
        let action_id = self.correlator.action_id(id);
        if let Err(source) = encode(Outgoing { request: &request, action_id: &action_id }, output) {
            self.correlator.refuse(id, source);
        }
    }

    fn ping(&mut self, output: &mut BytesMut) -> u64 {
        let id = self.correlator.expect("Ping".to_owned(), Instant::now() + self.dead_after, None);
        let action_id = self.correlator.action_id(id);
        if let Err(error) = encode(Outgoing { request: &Request::new("Ping"), action_id: &action_id }, output) {
            tracing::error!(%error, "cannot write a ping");
        }
        id
    }

    /// Writing failed. What Asterisk had said before may still be there to read, such as why.
    async fn broken(&mut self, error: String, announced: &mut Option<bool>) -> CloseReason {
        let rest = async {
            loop {
                self.input.reserve(READ);
                match self.read.read_buf(&mut self.input).await {
                    Ok(0) | Err(_) => return Ok(()),
                    Ok(_) => self.decode(announced)?,
                }
            }
        };
        match timeout(FAREWELL, rest).await {
            Ok(Err(error)) => CloseReason::Codec(error),
            Ok(Ok(())) | Err(_) => CloseReason::Io(error),
        }
    }

    /// Nobody holds the client any more.
    async fn farewell(&mut self, mut output: BytesMut) -> CloseReason {
        let id = self.correlator.expect("Logoff".to_owned(), Instant::now(), None);
        let action_id = self.correlator.action_id(id);
        let logoff = Request::new("Logoff");
        if encode(Outgoing { request: &logoff, action_id: &action_id }, &mut output).is_ok() {
            let goodbye = async {
                self.write.write_all_buf(&mut output).await?;
                self.write.shutdown().await
            };
            timeout(FAREWELL, goodbye).await.ok();
        }
        CloseReason::Local
    }
}

/// Writes what it can, or flushes when all is written (true). Can be cancelled at any point.
async fn push<W: AsyncWrite + Unpin>(write: &mut W, output: &mut BytesMut) -> io::Result<bool> {
    if output.is_empty() {
        write.flush().await?;
        return Ok(true);
    }
    match write.write_buf(output).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        _ => Ok(false),
    }
}
