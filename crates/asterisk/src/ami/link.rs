//! A connection that comes back.

use std::{fmt, sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, broadcast, watch},
    time::{Instant, sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    action::CoreStatus,
    client::{Client, Delivery, Subscription},
    codec::AmiVersion,
    error::AmiError,
    options::Options,
};

/// How long to wait before trying again: exponentially longer, with full jitter, so that many clients of one Asterisk
/// do not come back all at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The most the first wait can be.
    pub base: Duration,
    /// The most any wait can be.
    pub cap: Duration,
    /// A connection that lasted this long makes the next wait a first one again.
    pub stable: Duration,
}

impl Default for Backoff {
    /// At most 0.5, 1, 2, 4, 8, 10, 10, ... seconds; stable after 10.
    fn default() -> Self {
        let ten = Duration::from_secs(10);
        Self { base: Duration::from_millis(500), cap: ten, stable: ten }
    }
}

impl Backoff {
    /// The wait before the attempt after `failures` failed ones (at least one): `random` of 2^64 of the most it can be.
    pub fn delay(&self, failures: u32, random: u64) -> Duration {
        let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let most = self.base.saturating_mul(doubled).min(self.cap);
        let nanos = (most.as_nanos() * u128::from(random)) >> 64;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// Where the randomness of the waits comes from.
pub type Random = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Of the system.
pub fn system_random() -> Random {
    Arc::new(|| getrandom::u64().unwrap_or(u64::MAX / 2))
}

/// Which Asterisk process it is: when it started, in its own time zone (`2026-11-22 12:58:58`). Another one means that
/// everything known of channels is void.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot(
    /// `CoreStartupDate` and `CoreStartupTime`.
    pub String,
);

/// How a link is.
#[derive(Debug, Clone)]
pub enum LinkState {
    /// Not connected; trying, or waiting to.
    Connecting {
        /// Which attempt this is, from 1.
        attempt: u32,
        /// Since when there is no connection.
        since: Instant,
        /// What the last attempt, or the lost connection, failed with.
        last_error: Option<AmiError>,
    },
    /// Connected and logged in.
    Connected {
        /// The connection.
        client: Client,
        /// Of the protocol.
        version: AmiVersion,
        /// Since when.
        since: Instant,
        /// Which Asterisk it is; `None` if the user may not ask for `CoreStatus`.
        boot: Option<Boot>,
    },
    /// Asterisk does not let us in. Tried again at the slowest pace, for somebody may repair it.
    AuthFailed {
        /// The user in manager.conf.
        user: String,
        /// Which attempt this is, from 1.
        attempt: u32,
        /// Since when there is no connection.
        since: Instant,
        /// What exactly it said.
        error: AmiError,
    },
}

impl LinkState {
    /// The connection, if there is one.
    pub fn client(&self) -> Option<&Client> {
        match self {
            Self::Connected { client, .. } => Some(client),
            Self::Connecting { .. } | Self::AuthFailed { .. } => None,
        }
    }
}

/// Keeps one connection up until it is dropped.
pub struct Link {
    addr: String,
    state: watch::Receiver<LinkState>,
    deliveries: broadcast::Sender<Delivery>,
    wanted: Arc<Notify>,
    _task: AbortOnDropHandle<()>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("addr", &self.addr).field("state", &*self.state.borrow()).finish_non_exhaustive()
    }
}

impl Link {
    /// Starts connecting at once, in a task of its own. The subscription has every event of every connection, each
    /// beginning with [`Delivery::Connected`] and ending with [`Delivery::Disconnected`].
    pub fn start(options: Options, backoff: Backoff, random: Random) -> (Self, Subscription) {
        let (deliveries, receiver) = broadcast::channel(options.queue.max(1));
        let begin = LinkState::Connecting { attempt: 1, since: Instant::now(), last_error: None };
        let (state, watching) = watch::channel(begin);
        let addr = options.addr.clone();
        let wanted = Arc::new(Notify::new());
        let keeper =
            Keeper { options, backoff, random, state, deliveries: deliveries.clone(), wanted: Arc::clone(&wanted) };
        let task = AbortOnDropHandle::new(tokio::spawn(keeper.run()));
        (Self { addr, state: watching, deliveries, wanted, _task: task }, Subscription::new(receiver))
    }

    /// How the link is now.
    pub fn state(&self) -> LinkState {
        self.state.borrow().clone()
    }

    /// How the link is, and every change of it from now on.
    pub fn watch(&self) -> watch::Receiver<LinkState> {
        let mut state = self.state.clone();
        // What was before counts as seen: else whoever waits for a change would be told of one each time.
        state.mark_unchanged();
        state
    }

    /// Another subscription to the events, from now on.
    pub fn subscribe(&self) -> Subscription {
        Subscription::new(self.deliveries.subscribe())
    }

    /// The connection, or since when there is none and why ([`AmiError::Down`]).
    pub fn client(&self) -> Result<Client, AmiError> {
        let (since, last) = match &*self.state.borrow() {
            LinkState::Connected { client, since, .. } => match client.close_reason() {
                None => return Ok(client.clone()),
                // Lost a moment ago, and not noticed by the link's task yet.
                Some(reason) => (*since, Some(AmiError::Closed { reason })),
            },
            LinkState::Connecting { since, last_error, .. } => (*since, last_error.clone()),
            LinkState::AuthFailed { since, error, .. } => (*since, Some(error.clone())),
        };
        let since = match last {
            Some(AmiError::Closed { .. }) if self.state.borrow().client().is_some() => Duration::ZERO,
            _ => since.elapsed(),
        };
        Err(AmiError::Down { addr: self.addr.clone(), since, last: last.map(Box::new) })
    }

    /// Waits for a connection, for so long. Where the link is waiting before it tries again, it tries at once: somebody wants it.
    pub async fn connected(&self, within: Duration) -> Result<Client, AmiError> {
        let mut state = self.state.clone();
        let up = |s: &LinkState| s.client().is_some_and(|c| c.close_reason().is_none());
        if !up(&state.borrow()) {
            self.wanted.notify_waiters();
        }
        timeout(within, state.wait_for(up)).await.ok();
        self.client()
    }

    /// The same, but not waiting any longer once an attempt that ends from now on has found that nobody listens there.
    pub async fn connected_or_refused(&self, within: Duration) -> Result<Client, AmiError> {
        let mut state = self.state.clone();
        let answered = |state: &LinkState| match state {
            LinkState::Connected { client, .. } => client.close_reason().is_none(),
            LinkState::Connecting { last_error: Some(AmiError::Unreachable { source, .. }), .. } => {
                source.kind() == std::io::ErrorKind::ConnectionRefused
            }
            LinkState::Connecting { .. } | LinkState::AuthFailed { .. } => false,
        };
        state.mark_unchanged();
        if self.client().is_err() {
            self.wanted.notify_waiters();
            let next = async { while state.changed().await.is_ok() && !answered(&state.borrow_and_update()) {} };
            timeout(within, next).await.ok();
        }
        self.client()
    }
}

struct Keeper {
    options: Options,
    backoff: Backoff,
    random: Random,
    state: watch::Sender<LinkState>,
    deliveries: broadcast::Sender<Delivery>,
    wanted: Arc<Notify>,
}

impl Keeper {
    async fn run(self) {
        let mut failures = 0_u32;
        let mut down = Instant::now();
        loop {
            let error = match self.connect().await {
                Ok((client, boot)) => {
                    let since = Instant::now();
                    tracing::info!(addr = self.options.addr, manager_protocol = %client.version(), "connected to Asterisk");
                    let version = client.version();
                    self.state.send_replace(LinkState::Connected { client: client.clone(), version, since, boot });
                    let reason = client.closed().await;
                    down = Instant::now();
                    if down - since >= self.backoff.stable {
                        failures = 0;
                    }
                    AmiError::Closed { reason }
                }
                Err(error) => error,
            };
            failures = failures.saturating_add(1);
            tracing::warn!(addr = self.options.addr, %error, failures, "not connected to Asterisk");
            let attempt = failures.saturating_add(1);
            let (state, pace) = match error {
                AmiError::AuthFailed { ref user } => {
                    let user = user.clone();
                    // Every refused login is a security event in Asterisk, and may get our address banned.
                    (LinkState::AuthFailed { user, attempt, since: down, error }, u32::MAX)
                }
                error => (LinkState::Connecting { attempt, since: down, last_error: Some(error) }, failures),
            };
            self.state.send_replace(state);
            let delay = self.backoff.delay(pace, (self.random)());
            if pace == u32::MAX {
                sleep(self.backoff.cap.max(delay)).await;
            } else {
                timeout(delay, self.wanted.notified()).await.ok();
            }
        }
    }

    async fn connect(&self) -> Result<(Client, Option<Boot>), AmiError> {
        let client = Client::connect_into(&self.options, self.deliveries.clone()).await?;
        let boot = match client.call(&CoreStatus).await {
            Ok(status) => Some(Boot(format!("{} {}", status.startup_date, status.startup_time))),
            Err(error @ (AmiError::Closed { .. } | AmiError::Timeout { .. })) => return Err(error),
            Err(error) => {
                tracing::debug!(%error, "cannot tell which Asterisk process this is");
                None
            }
        };
        Ok((client, boot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn where_nobody_listens_is_known_at_once() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let hour = Duration::from_hours(1);
        // Without being asked, the link would not try again for most of an hour.
        let backoff = Backoff { base: hour, cap: hour, stable: hour };
        let (link, _events) = Link::start(Options::new(free.to_string(), "x", "x"), backoff, Arc::new(|| u64::MAX));
        for _ in 0..2 {
            let why = link.connected_or_refused(hour).await.unwrap_err().to_string();
            assert!(why.contains("refused"), "{why}");
        }
    }

    #[test]
    fn waits_grow_to_the_cap_and_jitter_is_full() {
        let backoff = Backoff::default();
        let most: Vec<u128> = (1..=7).map(|n| backoff.delay(n, u64::MAX).as_millis()).collect();
        assert_eq!(most, [499, 999, 1999, 3999, 7999, 9999, 9999]);
        assert_eq!(backoff.delay(u32::MAX, 0), Duration::ZERO);
        assert_eq!(backoff.delay(3, u64::MAX / 2).as_millis(), 999);
    }
}
