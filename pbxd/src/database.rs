//! Asterisk's own database as a cache of what is kept: written by each apply, compared whenever Asterisk was away and now and then, and
//! rid of what no longer counts.
//!
//! What it should hold is what the live revision says as of an instant. A job alone moves that instant on, so that what an apply finds
//! there is known without reading it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pbx_asterisk::ami::action::{DbDel, DbGet, DbPut};
use pbx_asterisk::ami::{AmiError, Client, LinkState};
use pbx_asterisk::config::database::{Entries, FILTERS, OF_TELEPHONES, Steps, changed, filters, next_expiry};
use pbx_asterisk::deploy::{Rejection, Verification, database};
use pbx_manifest::{Action, Catalog, Kind, Name, ObjectChange};
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::live::Live;
use crate::schedules;
use crate::surroundings::now;
use crate::system::System;

/// How often all of it is compared, at least; and how many times longer than comparing takes it is left alone.
const CHECK_EVERY: Duration = Duration::from_mins(1);
const REST: u32 = 200;

/// How often what no longer counts is taken out, at most.
const EXPIRE_EVERY: Duration = Duration::from_secs(10);

/// When something that could not be done is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// What is known of Asterisk's database.
#[derive(Debug)]
pub(crate) struct Database {
    known: Mutex<Known>,
    /// Told when there may be something to do.
    pub(crate) wake: Notify,
    pub(crate) schedules: schedules::Turned,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    /// The filters' entries are those of the live revision as of this instant,
    as_of: Timestamp,
    /// if this is still the connection that they were compared over: since when it is there.
    over: Option<Instant>,
    /// When it was compared, or something was taken out,
    looked: Instant,
    /// and when it is compared again.
    check: Instant,
}

impl Database {
    /// Of an Asterisk that was not looked at yet.
    pub(crate) fn new() -> Self {
        let begun = Instant::now();
        let known = Known { as_of: now(), over: None, looked: begun, check: begun };
        Self { known: Mutex::new(known), wake: Notify::new(), schedules: schedules::Turned::default() }
    }

    fn known(&self) -> Known {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, known: Known) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }

    /// It is not as it was left: it is compared soon.
    pub(crate) fn doubt(&self) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).over = None;
        self.wake.notify_one();
    }
}

/// Since when there is a connection to Asterisk.
fn connected_since(system: &System) -> Option<Instant> {
    match system.link().state() {
        LinkState::Connected { since, .. } => Some(since.into_std()),
        LinkState::Connecting { .. } | LinkState::AuthFailed { .. } => None,
    }
}

/// As of when the filters' entries are the live revision's; nothing where that is not known.
fn as_of(system: &System) -> Option<Timestamp> {
    let known = system.database.known();
    (known.over.is_some() && known.over == connected_since(system)).then_some(known.as_of)
}

/// What an apply changes in it.
#[derive(Debug)]
pub(crate) struct Change(Steps);

impl Change {
    /// From one system to another. Where it is not `proven` what is there, all of it is compared.
    async fn between(
        system: &System,
        client: &Client,
        from: &Catalog,
        to: &Catalog,
        proven: bool,
    ) -> Result<Self, AmiError> {
        let known = as_of(system).filter(|_| proven);
        let at = known.unwrap_or_else(|| system.database.known().as_of);
        let (old, new) = match known {
            Some(at) => changed(from, to, at),
            None => (database::read(client, FILTERS).await?, filters(to, at)),
        };
        Ok(Self(Steps::between(&old, &new)))
    }
}

/// Brings the entries from those of one system to those of another around a reload: what is new is there before the dialplan that reads
/// it, and what goes stays until that is gone. What a reload did not take is gone back from, unless this is the way back already.
pub(crate) async fn around(
    system: &System,
    client: &Client,
    (from, to): (&Catalog, &Catalog),
    (proven, back): (bool, bool),
    told: impl Fn(usize, usize),
    reloading: impl Future<Output = Result<(Vec<Rejection>, Verification), AmiError>>,
) -> Result<(Vec<Rejection>, Verification), AmiError> {
    let Change(steps) = Change::between(system, client, from, to, proven).await?;
    let total = steps.len();
    if total > 0 {
        told(0, total);
        database::put(client, FILTERS, &steps.puts, |done| told(done, total)).await?;
    }
    let (mut rejections, mut verified) = reloading.await?;
    if total > 0 && (back || rejections.is_empty()) {
        let before = steps.puts.len();
        told(before, total);
        database::delete(client, FILTERS, &steps.deletes, |done| told(before + done, total)).await?;
        rejections.extend(database::read_back(client, &steps).await?);
        verified.entries = total;
    }
    Ok((rejections, verified))
}

/// What telephones have written goes with their extension, or along with it where it gets another number. Tried once: it says nothing of
/// a telephone that there is.
pub(crate) async fn forget(client: &Client, changes: &[ObjectChange]) {
    let extensions = changes.iter().filter(|change| change.object.kind == Kind::Extension);
    let gone = |change: &ObjectChange| match (&change.renamed_from, change.action) {
        (Some(old), _) => Some((old.name.clone(), Some(change.object.name.clone()))),
        (None, Action::Delete) => Some((change.object.name.clone(), None)),
        (None, Action::Create | Action::Update) => None,
    };
    let mut deletes: Vec<String> = Vec::new();
    for (old, new) in extensions.filter_map(gone) {
        if let Some(new) = new
            && let Err(error) = move_along(client, &old, &new).await
        {
            warn!(%error, extension = %new, "what its telephone has set did not come along");
        }
        deletes.push(old.to_string());
    }
    for family in OF_TELEPHONES {
        if let Err(error) = database::delete(client, family, &deletes, |_| {}).await {
            warn!(%error, family, "what telephones have set is left behind in Asterisk's database");
        }
    }
}

async fn move_along(client: &Client, old: &Name, new: &Name) -> Result<(), AmiError> {
    for family in OF_TELEPHONES.map(str::to_owned) {
        if let Some(value) = client.call(&DbGet { family: family.clone(), key: old.to_string() }).await? {
            client.call(&DbPut { family: family.clone(), key: new.to_string(), value }).await?;
            client.call(&DbDel { family, key: old.to_string() }).await?;
        }
    }
    Ok(())
}

/// How it differs from what it should be, and how much was compared. Nothing is said of what was not looked at yet: it is mended now.
pub(crate) async fn differences(
    system: &System,
    client: &Client,
    live: &Live,
) -> Result<(Vec<Rejection>, usize), AmiError> {
    let Some(at) = as_of(system) else { return Ok((Vec::new(), 0)) };
    let wanted = filters(&live.catalog, at);
    let found = database::differences(&wanted, &database::read(client, FILTERS).await?);
    if !found.is_empty() {
        system.database.doubt();
    }
    Ok((found, wanted.len()))
}

/// Keeps it as it should be, in the background.
pub(crate) fn in_background(system: &Arc<System>) {
    let task = Arc::clone(system);
    system.tasks.spawn(async move {
        let keep = async {
            loop {
                let mut link = task.link().watch();
                let pause = look(&task).await.unwrap_or_else(|error| {
                    warn!("Asterisk's database is not compared yet: {error:#}");
                    AGAIN
                });
                tokio::select! {
                    changed = link.changed() => if changed.is_err() {
                        // Another link takes its place.
                        tokio::time::sleep(AGAIN).await;
                    },
                    () = task.database.wake.notified() => {}
                    () = tokio::time::sleep(pause) => {}
                }
            }
        };
        tokio::select! {
            () = keep => {}
            () = task.stop.cancelled() => {}
        }
    });
}

/// Does what there is to do now. How long it may be left alone is returned.
async fn look(system: &Arc<System>) -> anyhow::Result<Duration> {
    let Some(over) = connected_since(system) else { return Ok(CHECK_EVERY) };
    let known = system.database.known();
    let whole = known.over != Some(over) || known.check <= Instant::now();
    let turned = schedules::next_end(system);
    if whole || turned.is_some_and(|end| end <= now()) {
        let client = system.booted(AGAIN).await?;
        schedules::mend(system, &client).await?;
    }
    let next = next_expiry(&system.live().catalog, known.as_of).filter(|next| *next <= now());
    if whole || (next.is_some() && known.looked.elapsed() >= EXPIRE_EVERY) {
        let client = system.booted(AGAIN).await?;
        let Some(lock) = system.lock_itself() else { return Ok(AGAIN) };
        let mended = if whole { mend(system, &client, over).await } else { expire(system, &client).await };
        lock.end();
        mended?;
    }
    let known = system.database.known();
    let until = |end: Option<Timestamp>| {
        let left = end.map(|end| end.duration_since(now()));
        left.map_or(CHECK_EVERY, |left| left.try_into().unwrap_or_default())
    };
    let expiry = until(next_expiry(&system.live().catalog, known.as_of))
        .max(EXPIRE_EVERY.saturating_sub(known.looked.elapsed()));
    let check = known.check.saturating_duration_since(Instant::now());
    Ok(expiry.min(check).min(until(schedules::next_end(system))).clamp(Duration::from_millis(20), CHECK_EVERY))
}

/// Compares all of the filters' entries, and puts right what differs.
async fn mend(system: &System, client: &Client, over: Instant) -> anyhow::Result<()> {
    let (begun, at) = (Instant::now(), now());
    let wanted = filters(&system.live().catalog, at);
    let there = database::read(client, FILTERS).await?;
    let read = begun.elapsed();
    let steps = Steps::between(&there, &wanted);
    carry_out(client, &steps).await?;
    if !steps.is_empty() {
        info!(
            written = steps.puts.len(),
            deleted = steps.deletes.len(),
            milliseconds = begun.elapsed().as_millis(),
            "Asterisk's database was not as it should be, and is now"
        );
    }
    let ended = Instant::now();
    let check = ended + CHECK_EVERY.max(read * REST);
    system.database.set(Known { as_of: at, over: Some(over), looked: ended, check });
    Ok(())
}

/// Takes out what no longer counts.
async fn expire(system: &System, client: &Client) -> anyhow::Result<()> {
    let (known, at, live) = (system.database.known(), now(), system.live());
    let steps = Steps::between(&filters(&live.catalog, known.as_of), &filters(&live.catalog, at));
    carry_out(client, &steps).await?;
    info!(entries = steps.deletes.len(), "entries of filters that no longer count are out of Asterisk's database");
    system.database.set(Known { as_of: at, looked: Instant::now(), ..known });
    Ok(())
}

async fn carry_out(client: &Client, steps: &Steps) -> Result<(), AmiError> {
    database::put(client, FILTERS, &steps.puts, |_| {}).await?;
    database::delete(client, FILTERS, &steps.deletes, |_| {}).await
}

/// Brings what Asterisk has of a family to what it should have.
pub(crate) async fn bring(client: &Client, family: &str, wanted: &Entries) -> Result<(), AmiError> {
    let steps = Steps::between(&database::read(client, family).await?, wanted);
    database::put(client, family, &steps.puts, |_| {}).await?;
    database::delete(client, family, &steps.deletes, |_| {}).await
}
