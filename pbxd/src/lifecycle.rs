//! How pbxd starts, what it listens to, and how it ends.

use std::io::IsTerminal;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use pbx_store::Store;
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use tracing_subscriber::EnvFilter;

use crate::apply::LONGEST_WAIT;
use crate::config::{Args, Config};
use crate::database;
use crate::http::{self, Listener, Peer};
use crate::live::Live;
use crate::recovery;
use crate::system::{ITSELF, System};

/// How long applies may take to end after a stop was asked for.
const GRACE: Duration = Duration::from_mins(1);

/// How long requests may take to end after that.
const GRACE_OF_REQUESTS: Duration = Duration::from_secs(3);

/// Starts the log: lines on stderr, which systemd keeps.
pub(crate) fn log(level: &str) {
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}

/// Makes room for the socket. One that nobody answers on is a leftover and removed; one that somebody answers on is refused.
async fn free(path: &Path) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        fs_err::create_dir_all(folder)?;
    }
    if let Ok(meta) = fs_err::symlink_metadata(path) {
        let shown = path.display();
        anyhow::ensure!(
            meta.file_type().is_socket(),
            "{shown} is there, and is not a socket; remove it or name another"
        );
        anyhow::ensure!(UnixStream::connect(path).await.is_err(), "another pbxd answers on {shown} already");
        fs_err::remove_file(path)?;
    }
    Ok(())
}

/// Listens on the socket.
fn listen(path: &Path) -> anyhow::Result<UnixListener> {
    let listener = UnixListener::bind(path).with_context(|| format!("the socket {} cannot be made", path.display()))?;
    // Anyone may connect; who may do what is decided by who the kernel says they are.
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}

/// What others are told that want this pbxd's store.
fn who(config: &Config) -> String {
    let host = fs_err::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("process {} on {}, for {}", std::process::id(), host.trim(), config.asterisk.config_dir.display())
}

/// Gives the store another key, while nobody else uses it.
pub(crate) async fn rotate_key(config: &Config) -> anyhow::Result<pbx_store::Rotated> {
    let store = Store::open(&config.store, &config.key_file).await.context("the store cannot be opened")?;
    let owner = store.own(&who(config)).await.context("stop pbxd first: `systemctl stop pbxd`")?;
    let rotated = store.rotate_key(&owner).await.context("the key is as it was")?;
    store.close().await;
    Ok(rotated)
}

/// Runs until a signal ends it.
pub(crate) async fn serve(args: Args, config: Config) -> anyhow::Result<()> {
    let socket = config.socket.clone();
    free(&socket).await?;
    let store = Store::open(&config.store, &config.key_file).await.context("the store cannot be opened")?;
    let owner = store.own(&who(&config)).await.context("the store cannot be used")?;
    let live = Live::load(&store, config.asterisk.place()).await.context("the live revision cannot be read")?;
    let turned = store.schedules_turned().await.context("which schedules are turned over cannot be read")?;
    info!(revision = live.revision, objects = live.records.len(), store = %config.store_shown(), "the live revision is read");
    let system = Arc::new(System::new(config, store, owner, live));
    system.database.schedules.load(turned);
    // Before anyone can ask: what they see is what is. Files that cannot be mended now are tried again before the next apply.
    let compared = recovery::reconcile(&system).await.inspect_err(|error| {
        error!(error = format!("{error:#}"), "what Asterisk reads could not be compared with the live revision");
    });
    let undone = compared.as_ref().is_ok_and(Option::is_some);
    recovery::in_background(&system, recovery::Start { compared: compared.is_ok(), undone });
    if let Err(error) = system.audio().tidy() {
        warn!(%error, "what was left of recordings is not removed");
    }
    database::in_background(&system);
    let listener = listen(&socket)?;
    let stop = system.stop.clone();
    let server = axum::serve(
        Listener::new(listener),
        http::router(Arc::clone(&system)).into_make_service_with_connect_info::<Peer>(),
    )
    .with_graceful_shutdown(stop.clone().cancelled_owned());
    let mut serving = tokio::spawn(async move { server.await });
    watchdog(&system, &stop);
    // Before anybody is told that pbxd is ready: whoever is, may ask it to stop.
    let signals = Signals::take()?;
    info!(socket = %socket.display(), "ready");
    notify(&[sd_notify::NotifyState::Ready]);
    signals.until_stop(&args, &system).await;
    info!("stopping");
    notify(&[sd_notify::NotifyState::Stopping]);
    stop.cancel();
    system.tasks.close();
    tokio::select! {
        () = system.tasks.wait() => {}
        () = tokio::time::sleep(GRACE) => warn!("an apply was still running after {} s", GRACE.as_secs()),
        () = again() => warn!("told to stop a second time: not waiting any longer"),
    }
    // Who asked is told the end of what they asked for. A connection that never asks anything is not waited for.
    if let Ok(Ok(Err(error))) = tokio::time::timeout(GRACE_OF_REQUESTS, &mut serving).await {
        error!(%error, "the API ended with an error");
    }
    let _ = fs_err::remove_file(&socket);
    Ok(())
}

/// A second signal to stop.
async fn again() {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}

/// The signals that pbxd acts on.
struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
}

impl Signals {
    fn take() -> std::io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            hup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal to stop; a signal to reload is acted on meanwhile.
    async fn until_stop(mut self, args: &Args, system: &Arc<System>) {
        loop {
            tokio::select! {
                _ = self.term.recv() => return,
                _ = self.int.recv() => return,
                _ = self.hup.recv() => reload(args, system),
            }
        }
    }
}

/// Reads the configuration again. What an apply began with, it ends with: until then the new one is not taken.
fn reload(args: &Args, system: &Arc<System>) {
    info!("told to read the configuration again");
    notify(&[
        sd_notify::NotifyState::Reloading,
        sd_notify::NotifyState::monotonic_usec_now().unwrap_or(sd_notify::NotifyState::MonotonicUsec(0)),
    ]);
    let (args, task) = (args.clone(), Arc::clone(system));
    system.tasks.spawn(async move {
        let lock = tokio::select! {
            lock = task.lock_within(ITSELF, LONGEST_WAIT) => lock,
            () = task.stop.cancelled() => return,
        };
        match lock {
            Ok(lock) => {
                take(&args, &task);
                lock.end();
            }
            Err(refused) => error!(error = refused.message, "the configuration was not taken: the old one stays"),
        }
        notify(&[sd_notify::NotifyState::Ready]);
    });
}

fn take(args: &Args, system: &System) {
    match Config::load(args) {
        Ok(config) => {
            let kept = system.reconfigure(config);
            if !kept.is_empty() {
                warn!(fields = kept.join(", "), "these are taken at the next start only");
            }
            info!("the configuration was read again");
        }
        Err(error) => error!(%error, "the configuration was not taken: the old one stays"),
    }
}

/// Tells systemd that the runtime is alive, as often as it asks for.
fn watchdog(system: &Arc<System>, stop: &CancellationToken) {
    let Some(interval) = sd_notify::watchdog_enabled() else { return };
    let stop = stop.clone();
    system.tasks.spawn(async move {
        let mut ticks = tokio::time::interval(interval / 2);
        loop {
            tokio::select! {
                _ = ticks.tick() => notify(&[sd_notify::NotifyState::Watchdog]),
                () = stop.cancelled() => return,
            }
        }
    });
}

fn notify(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "systemd could not be told");
    }
}
