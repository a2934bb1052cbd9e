//! Applies that are taken back unless somebody confirms them in time, and at once where telephony gets worse.
//!
//! A mark beside the revisions says, from before Asterisk is told of the new one, that it must be confirmed: a pbxd that finds the
//! mark of the live revision, and does not watch it, goes back, for nobody watched meanwhile. So it is when pbxd starts, and when the
//! store kept a revision and could not say so in time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pbx_api::{
    ApplyRequest, ConfirmRequest, Confirmed, ErrorBody, ErrorCode, GONE_BACK, Outcome, OutcomeResult, PlanRequest,
    Unconfirmed,
};
use pbx_asterisk::ami::action::{PJSIPShowContacts, PJSIPShowRegistrationsOutbound};
use pbx_asterisk::ami::{AmiError, Client};
use pbx_asterisk::deploy::{FilesError, Revisions};
use pbx_manifest::{Catalog, Diagnostic};
use pbx_store::RevisionId;
use tracing::{error, info, warn};

use crate::apply;
use crate::drift;
use crate::plan::{Limits, plan};
use crate::surroundings::{self, now};
use crate::system::{ITSELF, System};

/// How often telephony is compared, and how often in a row it must be worse: a telephone that registers anew is away for a moment.
const LOOKS_EVERY: Duration = Duration::from_secs(2);
const IN_A_ROW: u32 = 3;

/// Which part of the registered telephones must be gone for telephony to be worse, in percent: some are switched off at any time.
const LOST: usize = 10;

/// How long Asterisk is waited for before the files are put back without it.
const CONNECTING: Duration = Duration::from_secs(10);

/// How long between two tries to go back: at first, and at most. Each is a revision in the history.
const PAUSES: (Duration, Duration) = (Duration::from_secs(5), Duration::from_hours(1));
/// At most, while it could not be tried at all. A try makes a revision; this makes none.
const SOON_AGAIN: Duration = Duration::from_secs(30);

/// After how many tries the history says that it does not work.
const TRIES: u32 = 3;

/// How telephony is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Telephony {
    /// Extensions with a registered telephone.
    registered: BTreeSet<String>,
    /// What carriers say, by what it is about: whether it is good, or bad; nothing while it is not known.
    carriers: BTreeMap<String, bool>,
}

async fn telephony(client: &Client) -> Result<Telephony, AmiError> {
    let mut seen = Telephony::default();
    for contact in client.call(&PJSIPShowContacts).await? {
        match contact.aor().strip_prefix("carrier-") {
            None => {
                seen.registered.insert(contact.aor().to_owned());
            }
            Some(carrier) => {
                let good = match contact.status.as_str() {
                    "Reachable" => true,
                    "Unreachable" => false,
                    _ => continue,
                };
                // Of several hosts, one that answers will do.
                let answers = seen.carriers.entry(format!("carrier/{carrier} answers")).or_default();
                *answers |= good;
            }
        }
    }
    let registrations = match client.call(&PJSIPShowRegistrationsOutbound).await {
        // Without the module that registers there are none.
        Err(AmiError::Refused { message, .. }) if message.contains("unknown command") => Vec::new(),
        told => told?,
    };
    for registration in registrations {
        let name = registration.name.strip_prefix("carrier-").unwrap_or(&registration.name).to_owned();
        seen.carriers.insert(format!("carrier/{name} is registered"), registration.status == "Registered");
    }
    Ok(seen)
}

/// What is worse than before, of what the system still has.
fn worse(before: &Telephony, now: &Telephony, catalog: &Catalog) -> Option<String> {
    let kept = |name: &str| catalog.extensions.iter().any(|(own, one)| own.as_str() == name && one.spec.enabled);
    let wanted: Vec<&String> = before.registered.iter().filter(|name| kept(name)).collect();
    let lost: Vec<&str> =
        wanted.iter().filter(|name| !now.registered.contains(**name)).map(|name| name.as_str()).collect();
    let mut reasons = Vec::new();
    if !lost.is_empty() && lost.len() * 100 >= wanted.len() * LOST {
        let named = lost.iter().take(5).copied().collect::<Vec<_>>().join(", ");
        reasons.push(format!(
            "{} of {} telephones are no longer registered ({named}{})",
            lost.len(),
            wanted.len(),
            if lost.len() > 5 { ", …" } else { "" }
        ));
    }
    for (what, good) in &before.carriers {
        if *good && now.carriers.get(what) == Some(&false) {
            reasons.push(format!("it is no longer so that {what}"));
        }
    }
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

/// Refuses to change what waits for its confirmation, unless it is the revision that is gone back from: `leaving`.
pub(crate) fn nothing_waits(system: &System, leaving: Option<u64>) -> Result<(), ErrorBody> {
    let Some(waiting) = system.unconfirmed().filter(|waiting| Some(waiting.revision) != leaving) else { return Ok(()) };
    Err(ErrorBody::new(ErrorCode::Busy, waits(waiting)).help(ANSWERS))
}

/// What whoever plans a change is told of a revision that waits for its confirmation.
pub(crate) fn noted(system: &System) -> Option<Diagnostic> {
    let waiting = system.unconfirmed()?;
    let told = Diagnostic::warning("unconfirmed", waits(waiting)).help("until then, nothing else is applied");
    Some(told.help(ANSWERS))
}

const ANSWERS: &str = "`pbxctl confirm` keeps it; `pbxctl confirm --back` goes back at once";

fn waits(Unconfirmed { revision, by, until, .. }: Unconfirmed) -> String {
    match until.duration_since(now()).as_secs() {
        left @ 1.. => format!("revision {revision} by {by} waits for its confirmation, for {left} s more"),
        _ => format!("revision {revision} by {by} was not confirmed, and is being gone back from"),
    }
}

/// A window that is opened with an apply.
pub(crate) struct Window {
    within: Duration,
    base: u64,
    before: Telephony,
}

impl Window {
    /// The window that is asked for, with how telephony is before anything changes.
    pub(crate) async fn open(
        request: &ApplyRequest,
        base: Option<u64>,
        client: Option<&Client>,
    ) -> Result<Option<Self>, ErrorBody> {
        if request.confirm_within_seconds == 0 {
            return Ok(None);
        }
        let Some(client) = client else {
            return Err(ErrorBody::new(ErrorCode::BadRequest, "what Asterisk is not told cannot be confirmed")
                .help("leave out either --no-reload or --confirm-within"));
        };
        let base = base.ok_or_else(|| {
            ErrorBody::new(ErrorCode::BadRequest, "there is no revision yet that could be gone back to")
                .help("apply the first one without --confirm-within")
        })?;
        let before = telephony(client).await.map_err(|error| {
            ErrorBody::new(ErrorCode::AsteriskUnreachable, error.to_string()).help("nothing was changed")
        })?;
        Ok(Some(Self { within: Duration::from_secs(request.confirm_within_seconds), base, before }))
    }

    /// Keeps that the revision must be confirmed, before Asterisk is told of it.
    pub(crate) fn keep(&self, folders: &Revisions, revision: u64) -> Result<(), FilesError> {
        folders.await_confirmation(revision, self.base)
    }

    /// Begins to watch a revision that was applied; one that was not needs no confirmation.
    pub(crate) fn begin(
        self,
        system: &Arc<System>,
        ended: Result<Outcome, ErrorBody>,
        actor: &str,
    ) -> Result<Outcome, ErrorBody> {
        let applied = ended.as_ref().is_ok_and(|outcome| outcome.result == OutcomeResult::Applied);
        if !applied {
            // While the store has not said what it kept, it may be the revision: then the mark is what it is gone back from by.
            if system.owed().is_none() {
                forget(system);
            }
            return ended;
        }
        let mut outcome = ended?;
        let within = SignedDuration::try_from(self.within).unwrap_or(SignedDuration::MAX);
        let until = now().checked_add(within).unwrap_or(Timestamp::MAX);
        outcome.confirm_by = Some(until);
        let waiting = Unconfirmed { revision: outcome.revision, base: self.base, by: actor.to_owned(), until };
        system.set_unconfirmed(Some(waiting.clone()));
        let task = Arc::clone(system);
        system.tasks.spawn(async move {
            let why = tokio::select! {
                why = watch(&task, &self.before, self.within) => why,
                () = no_longer(&task, waiting.revision) => return,
                // The mark stays: whoever starts next goes back.
                () = task.stop.cancelled() => return,
            };
            go_back_and_tell(&task, &waiting, &why).await;
        });
        Ok(outcome)
    }
}

/// Waits until a revision is confirmed or gone back from.
async fn no_longer(system: &System, revision: u64) {
    loop {
        let mut answered = std::pin::pin!(system.answered.notified());
        answered.as_mut().enable();
        if system.unconfirmed().is_none_or(|waiting| waiting.revision != revision) {
            return;
        }
        answered.await;
    }
}

/// Watches telephony until it is worse or the time is over; says which.
async fn watch(system: &System, before: &Telephony, within: Duration) -> String {
    let over = tokio::time::sleep(within);
    let mut over = std::pin::pin!(over);
    let mut ticks = tokio::time::interval(LOOKS_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut bad = 0;
    loop {
        tokio::select! {
            () = &mut over => return format!("nobody confirmed it within {} s", within.as_secs()),
            _ = ticks.tick() => {}
        }
        let seen = match system.link().client() {
            Ok(client) => telephony(&client).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let why = match seen {
            Ok(seen) => worse(before, &seen, &system.live().catalog),
            Err(error) => Some(format!("Asterisk no longer answers: {error}")),
        };
        match why {
            None => bad = 0,
            Some(why) => {
                bad += 1;
                if bad >= IN_A_ROW {
                    return why;
                }
            }
        }
    }
}

/// The mark is taken away; where that fails, it is said: the next start would go back.
fn forget(system: &System) {
    if let Err(error) = system.revisions().confirmed() {
        error!(%error, "the mark that a revision must be confirmed is still there: remove it, or pbxd goes back when it starts again");
    }
}

async fn remark(system: &System, revision: u64, said: &str) {
    let Some(id) = i64::try_from(revision).ok().and_then(|id| RevisionId::try_from(id).ok()) else { return };
    if let Err(error) = system.store.remark(id, said).await {
        warn!(%error, "the history does not say how the confirmation ended");
    }
}

/// Goes back from an unconfirmed revision, for whatever reason. Where Asterisk is away, it finds the old files when it is back.
async fn go_back(system: &Arc<System>, waiting: &Unconfirmed, why: &str, actor: &str) -> Result<Outcome, ErrorBody> {
    let lock = system.lock_within(actor, apply::LONGEST_WAIT).await?;
    let ended = change_back(system, waiting, why, actor).await;
    lock.end();
    ended
}

/// The same, for whoever holds the right to change the system.
async fn change_back(
    system: &Arc<System>,
    waiting: &Unconfirmed,
    why: &str,
    actor: &str,
) -> Result<Outcome, ErrorBody> {
    if system.unconfirmed().is_none_or(|now| now.revision != waiting.revision) {
        return Err(ErrorBody::new(ErrorCode::Stale, format!("revision {} no longer waits", waiting.revision))
            .help("`pbxctl history` shows what became of it"));
    }
    info!(revision = waiting.revision, to = waiting.base, why, "going back");
    let id = surroundings::random_id().map_err(|error| ErrorBody::new(ErrorCode::Internal, error.to_string()))?;
    let request = PlanRequest { set: "manual".into(), rollback: Some(waiting.base), ..PlanRequest::default() };
    let planned = Arc::new(plan(&system.store, &system.live(), id, request, now(), Limits::Waived).await?);
    let request = ApplyRequest {
        message: Some(format!("Back to revision {}: {why}{}", waiting.base, by_hand(system))),
        no_reload: system.link().connected(CONNECTING).await.is_err(),
        overwrite_drift: true,
        ..ApplyRequest::default()
    };
    let (listener, _) = tokio::sync::mpsc::unbounded_channel();
    let outcome = apply::carry_out(system, &planned, &request, actor, Some(waiting.revision), &listener).await?;
    // When Asterisk is back, it is asked what it has.
    system.leave_unsettled(request.no_reload);
    if outcome.live != Some(waiting.revision) {
        remark(system, waiting.revision, &format!("{GONE_BACK}{}: {why}", outcome.revision)).await;
        forget(system);
        system.set_unconfirmed(None);
    }
    Ok(outcome)
}

/// What somebody has changed by hand since: the way back was agreed to before, so it is written over, and said where it still is.
fn by_hand(system: &System) -> String {
    let live = system.live();
    let drifted = drift::files(system, &live).unwrap_or_default();
    let (Some(id), false) = (live.revision, drifted.is_empty()) else { return String::new() };
    let names: Vec<&str> = drifted.iter().map(|file| file.name.as_str()).collect();
    let folder = system.revisions().folder(id);
    format!("; {} changed by hand meanwhile: what it was is in {}", names.join(", "), folder.display())
}

async fn go_back_and_tell(system: &Arc<System>, waiting: &Unconfirmed, why: &str) {
    let mut pause = PAUSES.0;
    for tried in 1_u32.. {
        let went = go_back(system, waiting, why, ITSELF).await;
        let tried_in_vain = went.is_ok();
        match went {
            Ok(outcome) if outcome.live != Some(waiting.revision) => return,
            Ok(outcome) => error!(revision = outcome.revision, failures = ?outcome.failures, "going back failed"),
            Err(error) => {
                // Confirmed, or gone back from by somebody else.
                if system.unconfirmed().is_none_or(|now| now.revision != waiting.revision) {
                    return;
                }
                error!(error = error.message, "going back failed");
            }
        }
        if tried == TRIES {
            // It goes on waiting: what must be confirmed does not become what stays because going back is hard.
            let said = format!(
                "not confirmed ({why}), and could not be gone back from yet: pbxd goes on trying; `pbxctl confirm` keeps it"
            );
            error!(revision = waiting.revision, said);
            remark(system, waiting.revision, &said).await;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = system.stop.cancelled() => return,
        }
        // What could not even be tried is tried soon again: a database or an Asterisk that was away may be back.
        pause = (pause * 2).min(if tried_in_vain { PAUSES.1 } else { SOON_AGAIN });
    }
}

fn nothing(message: String) -> ErrorBody {
    ErrorBody::new(ErrorCode::NotFound, message).help("`pbxctl history` shows what became of it")
}

/// Somebody says whether the revision stays.
pub(crate) async fn answer(
    system: &Arc<System>,
    request: &ConfirmRequest,
    actor: &str,
) -> Result<Confirmed, ErrorBody> {
    let waiting = system.unconfirmed().ok_or_else(|| nothing("nothing waits for a confirmation".into()))?;
    if let Some(meant) = request.revision.filter(|meant| *meant != waiting.revision) {
        return Err(nothing(format!("revision {meant} does not wait for a confirmation; {} does", waiting.revision)));
    }
    let revision = waiting.revision;
    if request.back {
        let outcome = go_back(system, &waiting, &format!("{actor} asked for it"), actor).await?;
        return Ok(Confirmed { revision, back: Some(outcome) });
    }
    // Whoever goes back at this moment has the right to change the system; who confirms comes before or after, not between.
    let lock = system.lock_within(actor, Duration::from_secs(10)).await?;
    let kept = keep(system, revision, actor).await;
    lock.end();
    kept.map(|()| Confirmed { revision, back: None })
}

/// Keeps a revision that waits for its confirmation.
async fn keep(system: &System, revision: u64, actor: &str) -> Result<(), ErrorBody> {
    if system.unconfirmed().is_none_or(|now| now.revision != revision) {
        return Err(nothing(format!("revision {revision} no longer waits for a confirmation")));
    }
    system.revisions().confirmed().map_err(|error| {
        ErrorBody::new(ErrorCode::Files, format!("the confirmation cannot be kept: {error}"))
            .help("without it, pbxd goes back; `pbxctl doctor` looks at space and permissions")
    })?;
    system.set_unconfirmed(None);
    info!(revision, by = actor, "confirmed");
    remark(system, revision, &format!("confirmed by {actor}")).await;
    Ok(())
}

/// What the store has kept is live, and it is not the revision that waits: that one has been gone back from, and nobody could say so yet.
pub(crate) fn gone_back(system: &System) {
    if system.unconfirmed().is_some_and(|waiting| system.live().revision != Some(waiting.revision)) {
        forget(system);
        system.set_unconfirmed(None);
    }
}

/// Goes back from what must be confirmed and is not watched: pbxd ended meanwhile, or the store could not say that it kept it. Called
/// when files and store agree.
pub(crate) fn unwatched(system: &Arc<System>) {
    let Some((revision, base)) = system.revisions().unconfirmed().filter(|_| system.unconfirmed().is_none()) else {
        return;
    };
    if system.live().revision != Some(revision) {
        forget(system);
        return;
    }
    let waiting = Unconfirmed { revision, base, by: "whoever applied it".into(), until: now() };
    system.set_unconfirmed(Some(waiting.clone()));
    let task = Arc::clone(system);
    system.tasks.spawn(async move {
        go_back_and_tell(&task, &waiting, "nobody watched it: pbxd ended, or the store did not say that it kept it")
            .await;
    });
}

#[cfg(test)]
mod tests {
    use pbx_manifest::{AnySpec, Kind};
    use serde_json::json;

    use super::*;

    #[test]
    fn telephony_is_worse_when_a_tenth_is_gone_or_a_carrier_is() {
        let mut catalog = Catalog::default();
        for number in 1001..=1040 {
            let spec = AnySpec::from_json(Kind::Extension, &json!({})).unwrap();
            catalog.insert(number.to_string().parse().unwrap(), BTreeMap::new(), spec);
        }
        let seen = |numbers: std::ops::RangeInclusive<u32>, carriers: &[(&str, bool)]| Telephony {
            registered: numbers.map(|number| number.to_string()).collect(),
            carriers: carriers.iter().map(|(what, good)| ((*what).to_owned(), *good)).collect(),
        };
        let before = seen(1001..=1020, &[("carrier/a answers", true), ("carrier/b answers", false)]);
        let judge = |now: &Telephony| worse(&before, now, &catalog);
        assert_eq!(judge(&before), None);
        assert_eq!(judge(&seen(1002..=1040, &[])), None, "one of twenty was switched off");
        assert_eq!(
            judge(&seen(1003..=1020, &[])).as_deref(),
            Some("2 of 20 telephones are no longer registered (1001, 1002)")
        );
        assert_eq!(
            judge(&seen(1001..=1020, &[("carrier/a answers", false), ("carrier/b answers", false)])).as_deref(),
            Some("it is no longer so that carrier/a answers")
        );
        // What the change took away is not missed.
        assert_eq!(worse(&before, &Telephony::default(), &Catalog::default()), None);
    }
}
