//! What an apply could not end: found, undone or finished, and said. At start, before each apply, and in the background until files,
//! store and Asterisk agree.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use pbx_asterisk::ami::Client;
use pbx_asterisk::config::FILES;
use pbx_asterisk::deploy::{self, Revisions};
use pbx_store::{Revision, RevisionId, State};
use tracing::{error, info, warn};

use crate::confirm;
use crate::live::Live;
use crate::surroundings::{now, now_system};
use crate::system::{Owed, System};

/// How long the store may take to answer. A server behind a connection that is half open never does.
pub(crate) const ANSWERS_WITHIN: Duration = Duration::from_secs(20);

/// How long between tries in the background: at first, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// Asks the store, and does not wait for ever.
pub(crate) async fn answer<T>(asked: impl Future<Output = pbx_store::Result<T>>) -> pbx_store::Result<T> {
    tokio::time::timeout(ANSWERS_WITHIN, asked).await.unwrap_or_else(|_| {
        let what = format!("the database did not answer within {} s", ANSWERS_WITHIN.as_secs());
        Err(std::io::Error::new(std::io::ErrorKind::TimedOut, what).into())
    })
}

/// Makes the files that Asterisk reads those of the live revision, if they are not.
pub(crate) fn repoint(system: &System) -> anyhow::Result<()> {
    let (folders, live) = (system.revisions(), system.live());
    let current = folders.current()?;
    let Some(id) = live.revision else {
        if current.is_some_and(|current| current != 0) {
            folders.unprove()?;
            folders.activate_empty(now_system())?;
        }
        return Ok(());
    };
    let whole = live.tree.files().all(|(name, _)| fs_err::read(folders.folder(id).join(name)).is_ok());
    if current != Some(id) || !whole {
        warn!(revision = id, ?current, "the files that Asterisk reads are not the live revision's; they are put back");
        folders.unprove()?;
        if !whole {
            folders.stage(id, &live.tree, None, now_system())?;
        }
        folders.activate(id)?;
    } else if !folders.has(id, &live.tree) {
        // Edited by hand, or written by an earlier version of pbxd: the next apply writes and reads back all of it.
        warn!(revision = id, "the live revision's files are not as they would be written now");
        folders.unprove()?;
    }
    Ok(())
}

/// Undoes what an apply left that could not end: its files, and its revision in the store, and takes what the store has kept for what
/// is live. One that is live without anybody watching it, and must be confirmed, is gone back from. Whoever calls this holds the right to
/// change the system, or is the only one yet. The revision that was undone is returned.
pub(crate) async fn reconcile(system: &Arc<System>) -> anyhow::Result<Option<RevisionId>> {
    let (left, head) = (answer(system.store.unfinished()).await?, answer(system.store.head()).await?);
    let head = head.map(|head| head.get().unsigned_abs());
    if head != system.live().revision {
        warn!(revision = head, "the store kept a revision and could not say so; it is made live");
        let live = Live::load(&system.store, system.config().asterisk.place())
            .await
            .context("the live revision cannot be read")?;
        system.set_live(live);
        confirm::gone_back(system);
    }
    repoint(system)?;
    let owed = system.owed();
    if let Some(left) = &left {
        let Owed { state, detail, .. } = owed.filter(|owed| owed.id == left.id).unwrap_or_else(|| cut_short(left));
        warn!(revision = %left.id, by = %left.actor, "an apply did not end; it is undone: {detail}");
        answer(system.store.abandon(left.id, state, &detail, now())).await?;
        discard(&system.revisions(), left.id.get().unsigned_abs());
    }
    system.paid();
    confirm::unwatched(system);
    Ok(left.map(|left| left.id))
}

/// What is said of a revision whose apply nobody can be asked about any more.
fn cut_short(left: &Revision) -> Owed {
    let doing = if left.state == State::Staged { "its files were being written" } else { "Asterisk was taking it" };
    let base = left.base.map_or("nothing is live, as before".into(), |base| format!("revision {base} stays live"));
    let detail = format!("pbxd ended while {doing}; when it started again it was undone: {base}");
    Owed { id: left.id, state: State::RolledBack, detail }
}

/// Removes the folder of a revision that never was live, unless Asterisk reads it.
pub(crate) fn discard(folders: &Revisions, id: u64) {
    let folder = folders.folder(id);
    let unused = folders.current().is_ok_and(|current| current != Some(id));
    if unused
        && folder.exists()
        && let Err(error) = fs_err::remove_dir_all(&folder)
    {
        warn!(%error, "an unused revision's folder is left behind");
    }
}

/// Keeps that Asterisk has said it has a revision.
pub(crate) fn proved(folders: &Revisions, id: u64) {
    if let Err(error) = folders.prove(id) {
        warn!(%error, "that Asterisk has the revision is not kept: the next apply reads all of it back");
    }
}

/// What was done at start, before anybody could ask for anything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    /// Whether files and store were compared.
    pub(crate) compared: bool,
    /// Whether a revision was found unfinished, and undone.
    pub(crate) undone: bool,
}

/// Sees to it, in the background, that files, store and Asterisk agree: at start, and after each apply that could not leave them so.
pub(crate) fn in_background(system: &Arc<System>, start: Start) {
    let task = Arc::clone(system);
    system.tasks.spawn(async move {
        let mut compared = start.compared;
        // The revision of which Asterisk may not have said that it has it because pbxd ended.
        let mut cut_off = task.live().revision.filter(|_| !start.undone);
        let keep = async {
            loop {
                let mut pause = PAUSES.0;
                let settled = loop {
                    match settle(&task, compared, cut_off).await {
                        Ok(settled) => break settled,
                        Err(error) => warn!("files, store and Asterisk do not agree yet: {error:#}"),
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSES.1);
                };
                compared = false;
                cut_off = cut_off.filter(|_| !settled);
                task.unsettled().await;
            }
        };
        tokio::select! {
            () = keep => {}
            () = task.stop.cancelled() => {}
        }
    });
}

/// One try. While somebody changes something it is put off until they have ended: whoever applies begins with the same. Whether it was
/// not is returned.
async fn settle(system: &Arc<System>, compared: bool, cut_off: Option<u64>) -> anyhow::Result<bool> {
    if !compared {
        let Some(lock) = system.lock_itself() else {
            system.leave_unsettled(true);
            return Ok(false);
        };
        let reconciled = async {
            answer(system.owner.check()).await?;
            reconcile(system).await
        };
        let reconciled = reconciled.await;
        // What is left is tried again, by whoever called this.
        lock.end();
        reconciled?;
    }
    let proven = || system.live().revision.is_none() || system.revisions().proven() == system.live().revision;
    if proven() {
        return Ok(true);
    }
    // However long it takes: while nobody is there, nothing can be done.
    while system.link().connected(PAUSES.1).await.is_err() {}
    let client = system.booted(PAUSES.0).await?;
    let Some(lock) = system.lock_itself() else {
        system.leave_unsettled(true);
        return Ok(false);
    };
    let proved = async {
        // Somebody else may have become the owner while Asterisk was waited for: then what it has is theirs.
        answer(system.owner.check()).await?;
        if proven() { Ok(()) } else { prove(system, &client, cut_off).await }
    };
    let proved = proved.await;
    lock.end();
    if proved.is_err() {
        client.abandon();
    }
    proved.map(|()| true)
}

/// While Asterisk has not said that it has the live revision, as after a crash or `--no-reload`: has it reload and read back all of it.
async fn prove(system: &System, client: &Client, cut_off: Option<u64>) -> anyhow::Result<()> {
    let (live, config) = (system.live(), system.config());
    let Some(id) = live.revision else { return Ok(()) };
    deploy::complaints::forget(client, &config.asterisk.log_dir).await?;
    if let Some(rejection) = deploy::reload(client, &FILES, &live.tree, config.asterisk.patience(), |_| {}).await? {
        anyhow::bail!("{}: {}", rejection.message, rejection.asterisk.join("; "));
    }
    let verified = deploy::verify(client, &live.tree).await?;
    if !verified.rejections.is_empty() {
        // Asking again would give the same answer.
        error!(revision = id, differences = ?verified.rejections, "Asterisk does not have the live revision as it should be");
        return Ok(());
    }
    // What an apply that was cut short did to Asterisk's own database is put right by whoever keeps that.
    system.database.doubt();
    proved(&system.revisions(), id);
    info!(revision = id, "Asterisk has read the live revision, and said so");
    if cut_off == Some(id)
        && let Ok(revision) = i64::try_from(id).map_or(Err("out of range"), RevisionId::try_from)
    {
        let said = "pbxd ended before Asterisk had said that it has this revision; when pbxd started again, it was asked, and has it";
        answer(system.store.remark(revision, said)).await?;
    }
    Ok(())
}
