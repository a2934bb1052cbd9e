//! What the parts of the daemon share.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pbx_api::{DriftedFile, ErrorBody, ErrorCode, PlanRequest, Reload, SavedPlan, Unconfirmed};
use pbx_asterisk::ami::{self, AmiError, Backoff, Client, Link};
use pbx_asterisk::config::FILES;
use pbx_asterisk::deploy::{AudioFolder, Revisions};
use pbx_asterisk::sockets::{self, Listening};
use pbx_manifest::{Action, Kind, ObjectChange};
use pbx_store::{Owner, RevisionId, State, Store};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::database::Database;
use crate::drift;
use crate::live::Live;
use crate::plan::{Limits, Planned, defaults_hold, plan, saved};
use crate::surroundings;

/// How many plans are kept for applying of each who makes them, so that nobody's plans push out another's; older ones must be made
/// again. Each holds the whole system as it would be.
const PLANS: usize = 4;

/// How long a connection that is being made is waited for, before Asterisk counts as unreachable.
const CONNECTING: Duration = Duration::from_secs(2);

/// How long between two looks for an Asterisk that somebody waits for.
const LOOKING: Duration = Duration::from_secs(1);

/// Who has the right to change the system while pbxd puts it in order. That is waited for, and not told as a conflict.
pub(crate) const ITSELF: &str = "pbxd itself";
const ITSELF_WITHIN: Duration = Duration::from_secs(30);

/// Who is changing the system.
#[derive(Debug, Clone)]
pub(crate) struct Holder {
    /// Who.
    pub(crate) actor: String,
    /// Since when.
    pub(crate) since: Timestamp,
}

/// The end of a revision that the store could not be told.
#[derive(Debug, Clone)]
pub(crate) struct Owed {
    /// The revision.
    pub(crate) id: RevisionId,
    /// How it ended.
    pub(crate) state: State,
    /// Why.
    pub(crate) detail: String,
}

/// The daemon's state, shared by all requests.
#[derive(Debug)]
pub(crate) struct System {
    pub(crate) store: Store,
    /// The right to drive a system from the store.
    pub(crate) owner: Owner,
    pub(crate) tasks: TaskTracker,
    config: RwLock<Arc<Config>>,
    live: RwLock<Arc<Live>>,
    link: RwLock<Arc<Link>>,
    plans: Mutex<VecDeque<(String, Arc<Planned>)>>,
    /// Told when pbxd is to end: work in the background ends with it.
    pub(crate) stop: CancellationToken,
    holder: Mutex<Option<Holder>>,
    /// Told when the right to change the system is given back.
    given_back: Notify,
    /// What waits for its confirmation, and what is told when it no longer does.
    unconfirmed: Mutex<Option<Unconfirmed>>,
    pub(crate) answered: Notify,
    owed: Mutex<Option<Owed>>,
    /// Whether files, store and Asterisk may disagree, and what wakes whoever sees to that.
    unsettled: AtomicBool,
    released: Notify,
    /// Asterisk's own.
    pub(crate) database: Database,
    /// Whoever converts a recording has this.
    pub(crate) converting: tokio::sync::Mutex<()>,
}

/// The right to change the system; given back when it is dropped.
#[must_use]
pub(crate) struct ApplyLock {
    system: Arc<System>,
    in_order: bool,
}

impl ApplyLock {
    /// Gives the right back, when whatever it was taken for has come to its end and has told what it left. One that is dropped
    /// otherwise, by a panic or because nobody waits any more, told nobody: then somebody sees to it.
    pub(crate) fn end(mut self) {
        self.in_order = true;
    }
}

impl Drop for ApplyLock {
    fn drop(&mut self) {
        self.system.leave_unsettled(!self.in_order);
        *self.system.holder.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.system.given_back.notify_waiters();
        self.system.released.notify_one();
    }
}

fn link(config: &Config) -> Arc<Link> {
    Arc::new(Link::start(config.ami_options(), Backoff::default(), ami::link::system_random()).0)
}

impl System {
    /// The state around a store and the live revision read from it. Must be called within the runtime: it starts to connect to
    /// Asterisk.
    pub(crate) fn new(config: Config, store: Store, owner: Owner, live: Live) -> Self {
        Self {
            store,
            owner,
            tasks: TaskTracker::new(),
            link: RwLock::new(link(&config)),
            config: RwLock::new(Arc::new(config)),
            live: RwLock::new(Arc::new(live)),
            plans: Mutex::new(VecDeque::new()),
            stop: CancellationToken::new(),
            holder: Mutex::new(None),
            given_back: Notify::new(),
            unconfirmed: Mutex::new(None),
            answered: Notify::new(),
            owed: Mutex::new(None),
            unsettled: AtomicBool::new(false),
            released: Notify::new(),
            database: Database::new(),
            converting: tokio::sync::Mutex::new(()),
        }
    }

    /// Remembers how a revision ended, for the store could not be told.
    pub(crate) fn owe(&self, owed: Owed) {
        *self.owed.lock().unwrap_or_else(PoisonError::into_inner) = Some(owed);
        self.leave_unsettled(true);
    }

    /// How a revision ended that the store could not be told about.
    pub(crate) fn owed(&self) -> Option<Owed> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The store knows how every revision ended.
    pub(crate) fn paid(&self) {
        *self.owed.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Files, store and Asterisk may disagree: somebody sees to it as soon as the right to change the system is given back.
    pub(crate) fn leave_unsettled(&self, is: bool) {
        self.unsettled.fetch_or(is, Ordering::Relaxed);
    }

    /// Waits until something was left unsettled and may be seen to.
    pub(crate) async fn unsettled(&self) {
        loop {
            self.released.notified().await;
            if self.unsettled.swap(false, Ordering::Relaxed) {
                return;
            }
        }
    }

    /// The configuration as it is now.
    pub(crate) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a new configuration. What only a restart can change is kept, and named.
    pub(crate) fn reconfigure(&self, new: Config) -> Vec<&'static str> {
        let old = self.config();
        let mut kept = Vec::new();
        let mut config = new;
        if config.socket != old.socket {
            kept.push("socket");
            config.socket.clone_from(&old.socket);
        }
        if config.store != old.store || config.key_file != old.key_file {
            kept.push("store");
            config.store.clone_from(&old.store);
            config.key_file.clone_from(&old.key_file);
        }
        if config.log != old.log {
            kept.push("log");
        }
        if config.ami != old.ami {
            *self.link.write().unwrap_or_else(PoisonError::into_inner) = link(&config);
        }
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
        kept
    }

    /// The live revision.
    pub(crate) fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Another revision is live.
    pub(crate) fn set_live(&self, live: Live) {
        // Plans that start from another revision can never be applied.
        self.plans.lock().unwrap_or_else(PoisonError::into_inner).retain(|(_, plan)| plan.view.base == live.revision);
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(live);
        self.database.wake.notify_one();
    }

    /// The connection to Asterisk.
    pub(crate) fn link(&self) -> Arc<Link> {
        Arc::clone(&self.link.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The connected client of an Asterisk that has booted: before that modules are missing, and a reload is answered as if it had
    /// been done. While nobody is there it is looked for every second.
    pub(crate) async fn booted(&self, within: Duration) -> Result<Client, AmiError> {
        let until = Instant::now() + within;
        let client = loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.link().connected(left.min(LOOKING)).await {
                Err(_) if left > LOOKING => {}
                end => break end?,
            }
        };
        client.wait_fully_booted(within.max(self.config().asterisk.patience())).await?;
        Ok(client)
    }

    /// The connected client, or why there is none. Where nobody listens, only who is `patient` waits whether somebody comes.
    pub(crate) async fn asterisk(&self, patient: bool) -> Result<Client, ErrorBody> {
        let reached = async {
            if !patient {
                self.link().connected_or_refused(CONNECTING).await?;
            }
            self.booted(CONNECTING).await
        };
        reached.await.map_err(|error| {
            ErrorBody::new(ErrorCode::AsteriskUnreachable, format!("Asterisk cannot be reached: {error}"))
                .help("nothing was changed; `pbxctl doctor` tests each link of the chain")
                .help("to write files without Asterisk, as for an image: --no-reload")
        })
    }

    /// The revisions' folders.
    pub(crate) fn revisions(&self) -> Revisions {
        Revisions::new(&self.config().asterisk.config_dir)
    }

    /// The recordings' folder.
    pub(crate) fn audio(&self) -> AudioFolder {
        AudioFolder::beside(&self.revisions())
    }

    /// Makes a plan and keeps it for applying.
    pub(crate) async fn plan(&self, request: PlanRequest, actor: &str) -> Result<Arc<Planned>, ErrorBody> {
        let id = surroundings::random_id().map_err(|error| ErrorBody::new(ErrorCode::Internal, error.to_string()))?;
        let planned = self.make(id, request, surroundings::now()).await?;
        Ok(self.keep(planned, actor))
    }

    /// Takes a plan from a file and keeps it for applying, under the name that it has.
    pub(crate) async fn plan_again(&self, saved: &SavedPlan, actor: &str) -> Result<Arc<Planned>, ErrorBody> {
        let request = saved::open(&self.store, &self.live(), saved).await?;
        let planned = self.make(saved.plan.id.clone(), request, saved.made_at).await?;
        saved::same(&saved.plan, &planned.view)?;
        self.use_up(&saved.plan.id);
        Ok(self.keep(planned, actor))
    }

    async fn make(&self, id: String, request: PlanRequest, at: Timestamp) -> Result<Planned, ErrorBody> {
        let live = self.live();
        let mut planned = plan(&self.store, &live, id, request, at, Limits::Kept).await?;
        let gone = |change: &&ObjectChange| change.object.kind == Kind::Settings && change.action == Action::Delete;
        if let Some(change) = planned.view.changes.iter().find(gone)
            && sockets::is_here(&self.config().ami_options().addr).await
        {
            defaults_hold(&change.object, &sockets::taken(&live.tree, &planned.tree, &Listening::read()))?;
        }
        planned.view.drift = drift::files(self, &live)?;
        if let Some(why) = self.unproven(&live, &planned.view.drift) {
            planned.view.reloads = FILES
                .into_iter()
                .map(|(file, module)| Reload { module: module.to_owned(), files: vec![file.to_owned()] })
                .collect();
            planned.view.blast.effects.push(format!("all of it is reloaded and read back: {why}"));
        }
        self.look(&live, &mut planned).await;
        Ok(planned)
    }

    /// Why it is not known that Asterisk has what is live: then, whatever is planned, everything is reloaded and read back.
    fn unproven(&self, live: &Live, drifted: &[DriftedFile]) -> Option<&'static str> {
        let (folders, id) = (self.revisions(), live.revision?);
        if !drifted.is_empty() {
            Some("its files were changed by hand")
        } else if folders.current().is_ok_and(|current| current != Some(id)) || !folders.folder(id).is_dir() {
            Some("its files are not those of the live revision")
        } else if folders.proven() != Some(id) {
            Some("Asterisk has not yet said that it has the live revision")
        } else {
            None
        }
    }

    fn keep(&self, planned: Planned, actor: &str) -> Arc<Planned> {
        let planned = Arc::new(planned);
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        plans.push_back((actor.to_owned(), Arc::clone(&planned)));
        let own = plans.iter().filter(|(owner, _)| owner == actor).count();
        if own > PLANS
            && let Some(oldest) = plans.iter().position(|(owner, _)| owner == actor)
        {
            plans.remove(oldest);
        }
        drop(plans);
        planned
    }

    /// Asks Asterisk who would notice, where it can be asked at once.
    async fn look(&self, live: &Live, planned: &mut Planned) {
        let Ok(client) = self.link().client() else { return };
        if planned.view.is_empty() {
            return;
        }
        let limit = Duration::from_secs(2);
        let asked = async {
            let calls = client.call(&ami::action::CoreShowChannels).await.ok()?;
            let contacts = client.call(&ami::action::PJSIPShowContacts).await.ok()?;
            Some((calls, contacts))
        };
        let Ok(Some((calls, contacts))) = tokio::time::timeout(limit, asked).await else { return };
        let ids: std::collections::BTreeSet<String> = calls.iter().map(|call| call.linked_id.clone()).collect();
        planned.view.blast.active_calls = Some(ids.len() as u64);
        let changed = planned.view.changes.iter().filter(|change| {
            change.object.kind == pbx_manifest::Kind::Extension && live.records.contains_key(&change.object)
        });
        let registered: HashSet<&str> = contacts.iter().map(ami::action::ContactItem::aor).collect();
        let registered = changed.filter(|change| registered.contains(change.object.name.as_str())).count();
        planned.view.blast.registered_phones = Some(registered as u64);
    }

    /// A plan that was made and not yet used.
    pub(crate) fn planned(&self, id: &str) -> Result<Arc<Planned>, ErrorBody> {
        let plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        plans.iter().find(|(_, plan)| plan.view.id == id).map(|(_, plan)| Arc::clone(plan)).ok_or_else(|| {
            ErrorBody::new(
                ErrorCode::Stale,
                format!("plan {id} is gone: it was applied, or the system has changed since"),
            )
            .help("a plan is used once, and not kept over a restart of pbxd; make it again, and look at it again")
        })
    }

    /// A plan is being carried out, or made again: it is used, also for who waits with it.
    pub(crate) fn use_up(&self, id: &str) {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner).retain(|(_, plan)| {
            let other = plan.view.id != id;
            plan.used.fetch_or(!other, Ordering::Relaxed);
            other
        });
    }

    /// The revision that waits for its confirmation.
    pub(crate) fn unconfirmed(&self) -> Option<Unconfirmed> {
        self.unconfirmed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on this one waits, or none.
    pub(crate) fn set_unconfirmed(&self, waiting: Option<Unconfirmed>) {
        *self.unconfirmed.lock().unwrap_or_else(PoisonError::into_inner) = waiting;
        self.answered.notify_waiters();
    }

    /// Takes the right to change the system, after waiting for it if need be; or says who has it. What pbxd does by itself is no
    /// conflict: that is waited for.
    pub(crate) async fn lock_within(self: &Arc<Self>, actor: &str, wait: Duration) -> Result<ApplyLock, ErrorBody> {
        let begun = tokio::time::Instant::now();
        loop {
            // Listening begins before the look: what is given back between the two is heard.
            let mut given_back = std::pin::pin!(self.given_back.notified());
            given_back.as_mut().enable();
            let refused = match self.lock(actor) {
                Ok(lock) => return Ok(lock),
                Err(refused) => refused,
            };
            let holder = self.holder.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let by_itself = holder.is_some_and(|holder| holder.actor == ITSELF);
            let until = begun + if by_itself { wait.max(ITSELF_WITHIN) } else { wait };
            if tokio::time::timeout_at(until, given_back).await.is_err() {
                return Err(refused);
            }
        }
    }

    /// Takes the right to change the system for pbxd itself, unless somebody has it.
    pub(crate) fn lock_itself(self: &Arc<Self>) -> Option<ApplyLock> {
        self.lock(ITSELF).ok()
    }

    /// Takes the right to change the system, or says who has it.
    fn lock(self: &Arc<Self>, actor: &str) -> Result<ApplyLock, ErrorBody> {
        let mut holder = self.holder.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Holder { actor, since }) = holder.as_ref() {
            let age = surroundings::now().as_second() - since.as_second();
            return Err(ErrorBody::new(ErrorCode::Busy, format!("{actor} is applying a change, since {age} s"))
                .help("try again when it is done, or wait for it: `pbxctl apply --wait 60s`"));
        }
        *holder = Some(Holder { actor: actor.to_owned(), since: surroundings::now() });
        Ok(ApplyLock { system: Arc::clone(self), in_order: false })
    }
}
