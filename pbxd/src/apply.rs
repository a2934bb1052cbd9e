//! Carrying a plan out, and the way back when Asterisk does not take it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pbx_api::{ApplyRequest, ErrorBody, ErrorCode, Event, Failure, Outcome, OutcomeResult, Step, Verified};
use pbx_asterisk::ami::{AmiError, Client};
use pbx_asterisk::config::{ConfigTree, FILES};
use pbx_asterisk::deploy::{
    self, ChangedSection, FilesError, Moments, ReadBack, Rejection, Revisions, Verification, all_sections,
    changed_sections,
};
use pbx_manifest::Action;
use pbx_store::{Change, NewRevision, RevisionId, Secret, SecretChange, SecretId, State, StoreError};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;
use tracing::{debug, error, info, warn};

use crate::audio;
use crate::confirm;
use crate::database;
use crate::drift;
use crate::live::Live;
use crate::logins;
use crate::plan::Planned;
use crate::recovery::{self, answer, proved, repoint};
use crate::schedules;
use crate::surroundings::{now, now_system};
use crate::system::{Owed, System};

/// Nobody waits longer than this for another's apply to end.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// Where progress is told. Nobody listening does not stop an apply.
pub(crate) type Listener = UnboundedSender<Event>;

fn tell(listener: &Listener, step: Step, what: &str, done: usize, total: usize) {
    debug!(?step, what, done, total, "on the way");
    let _ = listener.send(Event::Progress { step, what: what.to_owned(), done: done as u64, total: total as u64 });
}

/// How much was compared, as it is told.
pub(crate) fn counted(verified: &Verification) -> Verified {
    Verified {
        sip_objects: verified.sip_objects,
        contexts: verified.contexts,
        mailboxes: verified.mailboxes,
        queues: verified.queues,
        music: verified.music,
        parking_lots: verified.parking_lots,
        conferences: verified.conferences,
        entries: verified.entries,
    }
}

/// A rejection in a revision's files, as it is told: with the path under Asterisk's configuration folder.
pub(crate) fn failure(revision: u64, rejection: Rejection) -> Failure {
    Failure {
        object: rejection.object,
        file: rejection.file.map(|name| Revisions::asterisk_path(revision, &name)),
        line: rejection.line,
        message: rejection.message,
        asterisk: rejection.asterisk,
        help: rejection.help,
    }
}

fn files_error(error: &dyn std::fmt::Display) -> ErrorBody {
    ErrorBody::new(ErrorCode::Files, error.to_string()).help(
        "nothing was changed; `pbxctl doctor` looks at space and permissions under Asterisk's configuration folder",
    )
}

fn store_error(error: StoreError) -> ErrorBody {
    match error {
        StoreError::Stale { .. } => stale(),
        StoreError::Busy { .. } => ErrorBody::new(ErrorCode::Busy, error.to_string()).help("try again when it is done"),
        StoreError::Owned { .. } => ErrorBody::new(ErrorCode::Busy, error.to_string()).help("nothing was changed"),
        other => ErrorBody::new(ErrorCode::Internal, format!("the store failed: {other}"))
            .help("what was live stays live; `journalctl -u pbxd` says more"),
    }
}

fn stale() -> ErrorBody {
    ErrorBody::new(ErrorCode::Stale, "the system has changed since this plan was made")
        .help("make the plan again, and look at it again")
}

fn number(id: RevisionId) -> u64 {
    id.get().unsigned_abs()
}

/// Carries a plan out. Errors mean that nothing changed; everything else is an outcome.
pub(crate) async fn apply(
    system: &Arc<System>,
    planned: &Arc<Planned>,
    request: &ApplyRequest,
    actor: &str,
    listener: &Listener,
) -> Result<Outcome, ErrorBody> {
    let lock = system.lock_within(actor, Duration::from_secs(request.wait_seconds).min(LONGEST_WAIT)).await?;
    let ended = carry_out(system, planned, request, actor, None, listener).await;
    lock.end();
    ended
}

/// Carries a plan out, for whoever holds the right to change the system. While a revision waits for its confirmation nothing is
/// changed, unless it is the one that is gone back from: `leaving`.
pub(crate) async fn carry_out(
    system: &Arc<System>,
    planned: &Arc<Planned>,
    request: &ApplyRequest,
    actor: &str,
    leaving: Option<u64>,
    listener: &Listener,
) -> Result<Outcome, ErrorBody> {
    let started = Instant::now();
    answer(system.owner.check()).await.map_err(store_error)?;
    if !request.overwrite_drift {
        drift::refuse(&drift::files(system, &system.live())?)?;
    }
    recovery::reconcile(system).await.map_err(|error| {
        ErrorBody::new(ErrorCode::Internal, format!("what an earlier apply left cannot be undone yet: {error:#}"))
            .help("nothing was changed")
    })?;
    confirm::nothing_waits(system, leaving)?;
    let live = system.live();
    if planned.view.base != live.revision {
        return Err(stale());
    }
    if planned.used.load(Ordering::Relaxed) {
        return Err(ErrorBody::new(ErrorCode::Stale, format!("plan {} was carried out meanwhile", planned.view.id))
            .help("a plan is used once; `pbxctl history` shows how it ended"));
    }
    // What is gone back to was there, and must not wait for anything.
    if leaving.is_none() {
        audio::refuse_absent(system, planned)?;
    }
    let client = if request.no_reload { None } else { Some(system.asterisk(request.wait_seconds > 0).await?) };
    if let Some(missing) = client.as_ref().and_then(|_| missing_include(&system.config().asterisk.config_dir)) {
        return Err(missing);
    }
    let window = confirm::Window::open(request, live.revision, client.as_ref()).await?;
    let begun = answer(system.store.begin(intent(planned, &live, request, actor)?)).await;
    // Without an answer it may have begun all the same.
    let id = begun.inspect_err(|error| system.leave_unsettled(error.is_transient())).map_err(store_error)?;
    planned.used.store(true, Ordering::Relaxed);
    system.use_up(&planned.view.id);
    let proven = system.revisions().proven() == live.revision;
    let change = Changing { system, planned, live: &live, id, listener, actor, proven };
    if let Some(window) = &window
        && let Err(error) = window.keep(&system.revisions(), number(id))
    {
        change.abandon(State::Failed, &error.to_string()).await;
        return Err(files_error(&error));
    }
    let ended = match client {
        None => change.write().await,
        Some(client) => change.deploy(client).await,
    };
    let mut outcome = match window {
        Some(window) => window.begin(system, ended, actor)?,
        None => ended?,
    };
    outcome.milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    info!(revision = outcome.revision, result = ?outcome.result, changed = outcome.changed, by = actor, "apply ended");
    Ok(outcome)
}

/// Asterisk reads what is written only through lines that `setup` puts into its main files.
fn missing_include(config_dir: &Path) -> Option<ErrorBody> {
    let missing: Vec<&str> = FILES
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| {
            let include = format!("pbx.d/current/{name}");
            let text = fs_err::read(config_dir.join(name)).unwrap_or_default();
            !String::from_utf8_lossy(&text)
                .lines()
                .any(|line| line.trim_start().starts_with('#') && line.contains(&include))
        })
        .collect();
    (!missing.is_empty()).then(|| {
        ErrorBody::new(
            ErrorCode::Files,
            format!("{} in {} would not read what is written", missing.join(", "), config_dir.display()),
        )
        .help("their `#include \"pbx.d/current/…\"` is missing; `pbxctl setup` writes it")
    })
}

/// The revision as the store keeps it, before what it changes.
fn intent(planned: &Planned, live: &Live, request: &ApplyRequest, actor: &str) -> Result<NewRevision, ErrorBody> {
    let renamed = planned.view.changes.iter().filter(|change| change.renamed_from.is_some()).count();
    let origin = serde_json::json!({
        "set": planned.request.set,
        "source": planned.request.source,
        "plan": planned.view.id,
        "noReload": request.no_reload,
        // To the store, a rename is one object that comes and one that goes.
        "renamed": renamed,
    });
    let base = live
        .revision
        .map(|base| i64::try_from(base).ok().and_then(|base| RevisionId::try_from(base).ok()))
        .map_or(Ok(None), |base| {
            let broken = || ErrorBody::new(ErrorCode::Internal, "the live revision's number is out of range");
            base.map(Some).ok_or_else(broken)
        })?;
    let message = request
        .message
        .clone()
        .or_else(|| planned.request.rollback.map(|to| format!("Back to revision {to}")))
        .unwrap_or_default();
    let (changes, secrets) = (Vec::new(), Vec::new());
    Ok(NewRevision { base, actor: actor.into(), origin, message, at: now(), changes, secrets })
}

/// What a revision changes, as the store keeps it.
fn content(planned: &Planned, live: &Live) -> serde_json::Result<(Vec<Change>, Vec<SecretChange>)> {
    let mut changes = Vec::new();
    let mut secrets = Vec::new();
    for change in &planned.view.changes {
        let (kind, name) = (change.object.kind.singular(), change.object.name.as_str());
        let after = planned.records.get(&change.object).map(serde_json::to_value).transpose()?;
        changes.push(Change { kind: kind.into(), name: name.into(), after });
        if change.action == Action::Delete {
            continue;
        }
        if let Some(old) = &change.renamed_from {
            changes.push(Change { kind: old.kind.singular().into(), name: old.name.as_str().into(), after: None });
        }
        let (old, new) = (live.secrets.of(&change.object), planned.secrets.of(&change.object));
        for (field, value) in new.into_iter().flatten() {
            if old.and_then(|old| old.get(field)) != Some(value) {
                let id = SecretId::new(kind, name, field);
                secrets.push(SecretChange { id, after: Some(Secret::new(value.as_bytes())) });
            }
        }
        for (field, _) in
            old.into_iter().flatten().filter(|(field, _)| !new.is_some_and(|new| new.contains_key(*field)))
        {
            secrets.push(SecretChange { id: SecretId::new(kind, name, field), after: None });
        }
    }
    Ok((changes, secrets))
}

/// Towards the new revision, or back to the one that was live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    There,
    Back,
}

/// A change under way: its revision is journalled.
struct Changing<'c> {
    system: &'c Arc<System>,
    planned: &'c Arc<Planned>,
    live: &'c Arc<Live>,
    id: RevisionId,
    listener: &'c Listener,
    actor: &'c str,
    /// Whether Asterisk has said that it has the live revision. Otherwise all of it is reloaded and read back.
    proven: bool,
}

/// How long the store is asked again when it fails, and how long between: a lock or a restart of the database passes. Meanwhile
/// Asterisk has what the store does not.
const STORE_WITHIN: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(500);

/// Asks the store again while it fails. Its steps may be repeated.
async fn persist<F>(mut step: impl FnMut() -> F) -> Result<(), StoreError>
where
    F: Future<Output = Result<(), StoreError>>,
{
    let begun = Instant::now();
    loop {
        match answer(step()).await {
            Err(error) if error.is_transient() && begun.elapsed() < STORE_WITHIN => {
                warn!(%error, "the store failed; trying again");
                tokio::time::sleep(PAUSE).await;
            }
            end => return end,
        }
    }
}

impl Changing<'_> {
    fn folders(&self) -> Revisions {
        self.system.revisions()
    }

    fn outcome(&self, result: OutcomeResult, failures: Vec<Failure>, verified: &Verification) -> Outcome {
        let taken = matches!(result, OutcomeResult::Applied | OutcomeResult::Written);
        Outcome {
            revision: number(self.id),
            result,
            live: if taken { Some(number(self.id)) } else { self.live.revision },
            failures,
            verified: counted(verified),
            changed: self.planned.view.changes.len(),
            confirm_by: None,
            milliseconds: 0,
        }
    }

    /// Ends the revision as one that never was live. What Asterisk rejected is left for a look, until old folders are removed;
    /// what could not be written is taken away, but never while it is what Asterisk reads. A store that cannot be told now is told
    /// later; whether it was told is returned.
    async fn abandon(&self, state: State, why: &str) -> bool {
        let told = answer(self.system.store.abandon(self.id, state, why, now())).await;
        if let Err(error) = &told {
            error!(%error, revision = %self.id, "the store could not be told that a revision ended; it is told later");
            self.system.owe(Owed { id: self.id, state, detail: why.to_owned() });
        } else if state == State::Failed {
            recovery::discard(&self.folders(), number(self.id));
        }
        told.is_ok()
    }

    /// Points Asterisk's files at the live revision again, when switching or keeping failed; says what is, where that fails too.
    fn switch_back(&self) -> Option<Failure> {
        let Err(worse) = repoint(self.system) else {
            // What Asterisk has was known, and is asked for again: it may have read the files meanwhile, by somebody else's reload.
            self.system.leave_unsettled(self.proven);
            return None;
        };
        error!(error = format!("{worse:#}"), "the live revision could not be switched back to");
        self.system.leave_unsettled(true);
        let message = format!(
            "on the way back: {worse:#}; Asterisk was not reloaded and goes on as before, but its files may be those of the new \
             revision, and pbxd keeps trying to put them back: `pbxctl doctor` looks at space and permissions"
        );
        Some(Failure { message, ..Failure::default() })
    }

    /// Ends without Asterisk having been asked: as an error where nothing has changed, and else, where `worse` says what is not as it
    /// was, as an outcome.
    fn unasked(&self, error: ErrorBody, worse: Vec<Failure>) -> Result<Outcome, ErrorBody> {
        if worse.is_empty() {
            return Err(error);
        }
        let mut failures = vec![Failure { message: error.message, ..Failure::default() }];
        failures.extend(worse);
        Ok(self.outcome(OutcomeResult::Failed, failures, &Verification::default()))
    }

    /// What to say when the store answered neither whether it kept the revision nor that it should not.
    fn undecided(&self) -> String {
        format!(
            "whether revision {0} was kept is known when the store answers again; then pbxd makes live what it kept, and \
             `pbxctl history {0}` says so",
            self.id
        )
    }

    /// Has the store keep what the revision changes: beside what is done meanwhile, which touches nothing that is in force.
    fn fill(&self) -> JoinHandle<Result<(), StoreError>> {
        let (system, planned, live, id) =
            (Arc::clone(self.system), Arc::clone(self.planned), Arc::clone(self.live), self.id);
        self.system.tasks.spawn(async move {
            let (changes, secrets) = content(&planned, &live).map_err(std::io::Error::from)?;
            answer(system.store.fill(id, &changes, &secrets)).await
        })
    }

    /// Writes the files, and has Asterisk look at them; what it would not take is returned.
    async fn stage(
        &self,
        client: Option<&Client>,
        changed: &[ChangedSection<'_>],
    ) -> Result<Vec<Rejection>, ErrorBody> {
        let (from, to) = (&self.live.tree, &self.planned.tree);
        tell(self.listener, Step::Stage, "", 0, to.files().count());
        let write = || self.folders().stage(number(self.id), to, self.live.revision, now_system());
        let staged = tokio::task::block_in_place(write).map_err(|error| files_error(&error))?;
        let Some(client) = client else { return Ok(Vec::new()) };
        tell(self.listener, Step::Preflight, "", 0, staged.changed.len());
        deploy::preflight(client, number(self.id), from, to, &staged.changed, changed).await.map_err(|error| {
            ErrorBody::new(ErrorCode::AsteriskUnreachable, error.to_string()).help("nothing was changed")
        })
    }

    /// All that can be done without touching what is in force: when this has ended well, the files are written and looked at, and the
    /// store has all of the revision. Otherwise how it ended is returned.
    async fn prepare(
        &self,
        client: Option<&Client>,
        changed: &[ChangedSection<'_>],
    ) -> Result<(), Result<Outcome, ErrorBody>> {
        let filling = self.fill();
        let staged = self.stage(client, changed).await;
        // Whatever became of the files: nothing is said of the revision's end while something is still being written of it.
        let filled = filling.await.unwrap_or_else(|panic| Err(std::io::Error::other(panic).into()));
        let rejections = match (filled.map_err(store_error), staged) {
            (Ok(()), Ok(rejections)) => rejections,
            (Err(error), _) | (Ok(()), Err(error)) => {
                self.abandon(State::Failed, &error.message).await;
                return Err(Err(error));
            }
        };
        if rejections.is_empty() {
            return Ok(());
        }
        let failures: Vec<Failure> =
            rejections.into_iter().map(|rejection| failure(number(self.id), rejection)).collect();
        self.abandon(State::RolledBack, &detail(&failures)).await;
        Err(Ok(self.outcome(OutcomeResult::RolledBack, failures, &Verification::default())))
    }

    /// Switches to the new revision's files. Where that fails, what was live is switched back to, and how it ended is returned.
    async fn activate(&self) -> Result<(), Result<Outcome, ErrorBody>> {
        tell(self.listener, Step::Activate, "", 0, 0);
        if let Err(error) = persist(|| self.system.store.advance(self.id, State::Activated)).await {
            self.abandon(State::Failed, &error.to_string()).await;
            return Err(Err(store_error(error)));
        }
        let folders = self.folders();
        let switched = folders.unprove().and_then(|()| folders.activate(number(self.id)));
        if let Err(error) = switched {
            let worse = self.switch_back();
            self.abandon(State::Failed, &error.to_string()).await;
            return Err(self.unasked(files_error(&error), worse.into_iter().collect()));
        }
        Ok(())
    }

    /// Keeps the revision: from here on it is the live one.
    async fn commit(&self) -> Result<(), StoreError> {
        tell(self.listener, Step::Commit, "", 0, 0);
        persist(|| self.system.store.commit(self.id, now())).await?;
        let id = number(self.id);
        let mut changed_in = self.live.changed_in.clone();
        for change in &self.planned.view.changes {
            if let Some(old) = &change.renamed_from {
                changed_in.remove(old);
            }
            if change.action == Action::Delete {
                changed_in.remove(&change.object);
            } else {
                changed_in.insert(change.object.clone(), id);
            }
        }
        self.system.set_live(Live {
            revision: Some(id),
            records: self.planned.records.clone(),
            changed_in,
            catalog: self.planned.catalog.clone(),
            secrets: self.planned.secrets.clone(),
            place: self.live.place.clone(),
            tree: self.planned.tree.clone(),
        });
        schedules::forget(self.system, &self.planned.view.changes).await;
        let never: Vec<u64> = [Some(id), self.live.revision].into_iter().flatten().collect();
        let config = self.system.config();
        if let Err(error) = self.folders().prune(config.keep_revisions, config.keep_for(), now_system(), &never) {
            warn!(%error, "old revisions' folders could not be removed");
        }
        Ok(())
    }

    /// Without Asterisk: files and store only.
    async fn write(&self) -> Result<Outcome, ErrorBody> {
        if let Err(ended) = self.prepare(None, &[]).await {
            return ended;
        }
        if let Err(ended) = self.activate().await {
            return ended;
        }
        if let Err(error) = self.commit().await {
            let why = error.to_string();
            let mut worse: Vec<Failure> = self.switch_back().into_iter().collect();
            if !self.abandon(State::Failed, &why).await {
                worse.push(Failure { message: self.undecided(), ..Failure::default() });
            }
            return self.unasked(store_error(error), worse);
        }
        // Asterisk was not asked to read the files; what it looks up is told as soon as it is there.
        self.system.database.doubt();
        Ok(self.outcome(OutcomeResult::Written, Vec::new(), &Verification::default()))
    }

    async fn deploy(&self, client: Client) -> Result<Outcome, ErrorBody> {
        let (from, to) = (&self.live.tree, &self.planned.tree);
        let changed = self.changed(from, to);
        if let Err(ended) = self.prepare(Some(&client), &changed).await {
            return ended;
        }
        if let Err(ended) = self.activate().await {
            return ended;
        }
        let (mut rejections, verified) = match self.settle(&client, from, to, &changed, Way::There).await {
            Ok(settled) => settled,
            Err(error) => {
                let lost = error.is_transient();
                if lost {
                    // It may be half open: the way back begins with a new one.
                    client.abandon();
                    client.closed().await;
                }
                let mut rejection = Rejection::general(if lost {
                    "Asterisk stopped answering while it took the new revision"
                } else {
                    "Asterisk could not be asked what it took"
                });
                rejection.asterisk.push(error.to_string());
                (vec![rejection], Verification::default())
            }
        };
        let mut undecided = false;
        if rejections.is_empty() {
            match self.commit().await {
                Ok(()) => {
                    proved(&self.folders(), number(self.id));
                    let changes = &self.planned.view.changes;
                    database::forget(&client, changes).await;
                    logins::follow(&client, &self.live.catalog, &self.planned.catalog, changes).await;
                    return Ok(self.outcome(OutcomeResult::Applied, Vec::new(), &verified));
                }
                Err(error) => {
                    undecided = true;
                    rejections.push(Rejection::general(format!(
                        "Asterisk took the new revision, but the store could not keep it: {error}"
                    )));
                }
            }
        }
        let mut failures: Vec<Failure> =
            rejections.into_iter().map(|rejection| failure(number(self.id), rejection)).collect();
        info!(revision = %self.id, by = self.actor, "Asterisk did not take it; going back");
        let mut result = match self.go_back().await {
            Ok(()) => OutcomeResult::RolledBack,
            Err(more) => {
                failures.extend(more);
                self.system.leave_unsettled(true);
                OutcomeResult::Failed
            }
        };
        let state = if result == OutcomeResult::RolledBack { State::RolledBack } else { State::Failed };
        if !self.abandon(state, &detail(&failures)).await && undecided {
            failures.push(Failure { message: self.undecided(), ..Failure::default() });
            result = OutcomeResult::Failed;
        }
        Ok(self.outcome(result, failures, &verified))
    }

    /// The sections to look at between two trees: what Asterisk has is only known when it has said so; else everything counts as changed.
    fn changed<'t>(&self, from: &'t ConfigTree, to: &'t ConfigTree) -> Vec<ChangedSection<'t>> {
        if self.proven { changed_sections(from, to) } else { all_sections(from, to) }
    }

    /// Reloads what differs between two trees, reads it back, and says what is not as it was meant.
    async fn settle(
        &self,
        client: &Client,
        from: &ConfigTree,
        to: &ConfigTree,
        changed: &[ChangedSection<'_>],
        way: Way,
    ) -> Result<(Vec<Rejection>, Verification), AmiError> {
        let config = self.system.config();
        let tag = format!("{}-{}", self.id, if way == Way::There { "new" } else { "back" });
        let caught = deploy::Complaints::catch(client, &config.asterisk.log_dir, &tag).await?;
        let modules = if self.proven { to.reloads(from) } else { FILES.to_vec() };
        // What is compared is found out while Asterisk reads the files.
        let read_back = || {
            let read_back = ReadBack::new(changed, to);
            if way == Way::There { read_back.with_pins(from) } else { read_back }
        };
        let reloading = self.reload_and_verify(client, &modules, read_back, to);
        let (mut rejections, verified) = match self.with_entries(client, way, reloading).await {
            Ok(taken) => taken,
            Err(error) => {
                caught.ignore(client).await;
                return Err(error);
            }
        };
        deploy::attribute(&mut rejections, &caught.heard(client).await?, changed);
        Ok((rejections, verified))
    }

    /// A reload with what Asterisk's own database should hold before it and after it.
    async fn with_entries(
        &self,
        client: &Client,
        way: Way,
        reloading: impl Future<Output = Result<(Vec<Rejection>, Verification), AmiError>>,
    ) -> Result<(Vec<Rejection>, Verification), AmiError> {
        let (there, back) = ((&self.live.catalog, &self.planned.catalog), way == Way::Back);
        let systems = if back { (there.1, there.0) } else { there };
        let told = |done, total| tell(self.listener, Step::Database, "", done, total);
        Box::pin(database::around(self.system, client, systems, (self.proven, back), told, reloading)).await
    }

    async fn reload_and_verify<'t>(
        &self,
        client: &Client,
        modules: &[(&'static str, &'static str)],
        read_back: impl FnOnce() -> ReadBack<'t>,
        to: &ConfigTree,
    ) -> Result<(Vec<Rejection>, Verification), AmiError> {
        let (total, mut done) = (modules.len(), 0);
        let patience = self.system.config().asterisk.patience();
        let moments = Moments::default();
        let (sip, others): (Vec<_>, Vec<_>) = modules.iter().partition(|(file, _)| *file == "pjsip.conf");
        let reloading = async {
            let _ended = moments.ended.clone().drop_guard();
            let mut told = |module: &str| {
                tell(self.listener, Step::Reload, module, done, total);
                done += 1;
            };
            if let Some(rejection) = deploy::reload(client, &others, to, patience, &mut told).await? {
                return Ok(Some(rejection));
            }
            moments.others.cancel();
            moments.seen.cancelled().await;
            deploy::reload(client, &sip, to, patience, &mut told).await
        };
        let reading = async {
            let read_back = read_back();
            let ahead = read_back.ahead(client, &moments).await;
            (read_back, ahead)
        };
        let (reloaded, (read_back, ahead)) = tokio::join!(reloading, reading);
        if let Some(rejection) = reloaded? {
            return Ok((vec![rejection], Verification::default()));
        }
        tell(self.listener, Step::Verify, "", 0, 0);
        let mut verified = if let Some(mut verified) = ahead {
            read_back.rest(client, &mut verified).await?;
            verified
        } else {
            let told = |done: usize, total| {
                if done.is_multiple_of(200) {
                    tell(self.listener, Step::Verify, "", done, total);
                }
            };
            read_back.all(client, told).await?
        };
        Ok((std::mem::take(&mut verified.rejections), verified))
    }

    /// Sees to it that the live revision's files say what is read back of them: somebody may have changed them by hand before they were
    /// written over, or another version of pbxd may have said the same otherwise. Nobody reads them now.
    fn whole_again(&self, folders: &Revisions, base: u64) -> Result<(), FilesError> {
        if folders.has(base, &self.live.tree) {
            return Ok(());
        }
        folders.stage(base, &self.live.tree, Some(number(self.id)), now_system()).map(drop)
    }

    /// Back to the revision that was live, proven like the way there.
    async fn go_back(&self) -> Result<(), Vec<Failure>> {
        tell(self.listener, Step::Rollback, "", 0, 0);
        let general = |message: String| vec![Failure { message, ..Failure::default() }];
        let folders = self.folders();
        let switched = match self.live.revision {
            Some(base) => self.whole_again(&folders, base).and_then(|()| folders.activate(base)),
            None => folders.activate_empty(now_system()),
        };
        switched.map_err(|error| general(format!("the old files could not be switched back to: {error}")))?;
        let (from, to) = (&self.planned.tree, &self.live.tree);
        let changed = self.changed(from, to);
        // Asterisk may have gone away, or the connection to it: when it comes back, it reads the old files by itself, and says so.
        let until = Instant::now() + deploy::time_for(to, self.system.config().asterisk.patience());
        let rejections = loop {
            let left = until.saturating_duration_since(Instant::now());
            let client = self.system.booted(left).await.map_err(|error| {
                general(format!(
                    "the old files are in place, but Asterisk did not come back to say that it has read them: {error}"
                ))
            })?;
            match self.settle(&client, from, to, &changed, Way::Back).await {
                Ok((rejections, _)) => break rejections,
                Err(error) if error.is_transient() && Instant::now() < until => {
                    warn!(%error, "Asterisk did not answer on the way back; asking again");
                    client.abandon();
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => {
                    return Err(general(format!("the old files are in place, but Asterisk does not answer: {error}")));
                }
            }
        };
        if rejections.is_empty() {
            if let Some(base) = self.live.revision {
                proved(&folders, base);
            }
            return Ok(());
        }
        let mut failures = general("the old files are in place, but Asterisk has not all of them back".into());
        let base = self.live.revision.unwrap_or_default();
        failures.extend(rejections.into_iter().map(|rejection| failure(base, rejection)));
        Err(failures)
    }
}

/// What the history says of an end that was not meant.
fn detail(failures: &[Failure]) -> String {
    failures.iter().take(5).map(|failure| failure.message.as_str()).collect::<Vec<_>>().join("; ")
}
