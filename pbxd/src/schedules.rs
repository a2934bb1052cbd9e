//! Schedules: what they say now, and those that somebody has turned over.
//!
//! Who turns one over changes the next call, and no revision: it is kept, and told to Asterisk over a connection of its own, so that no
//! reload holds it up.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use pbx_api::{ErrorBody, ErrorCode, NextState, ScheduleStatus, Turn, TurnRequest, TurnTo};
use pbx_asterisk::ami::action::{DbDel, DbGet, DbPut};
use pbx_asterisk::ami::{AmiError, Client};
use pbx_asterisk::config::database::{Entries, SCHEDULES, schedule, zone};
use pbx_manifest::kinds::{Schedule, ScheduleState};
use pbx_manifest::{Action, Catalog, Kind, Name, ObjectChange, TimeZone, nearest};
use pbx_store::{Override, Turned as To};
use tracing::warn;

use crate::database;
use crate::recovery::answer;
use crate::surroundings::now;
use crate::system::{ITSELF, System};

/// How long telling Asterisk may take, before it is left to the background.
const TELL_WITHIN: Duration = Duration::from_secs(5);

/// How many turns of a schedule are told.
const MOST: u32 = 1000;

/// The last word on each schedule.
#[derive(Debug, Default)]
pub(crate) struct Turned {
    last: RwLock<BTreeMap<String, Override>>,
    /// What Asterisk has is what holds as of this instant; nothing while that is not known.
    as_of: RwLock<Option<Timestamp>>,
    /// Held from a word's being kept to its being told, so that the last word kept is the last one told.
    telling: tokio::sync::Mutex<()>,
}

impl Turned {
    /// Takes what is kept.
    pub(crate) fn load(&self, all: Vec<Override>) {
        let mut last = self.last.write().unwrap_or_else(PoisonError::into_inner);
        last.extend(all.into_iter().map(|one| (one.schedule.clone(), one)));
    }

    fn as_of(&self) -> Option<Timestamp> {
        *self.as_of.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, name: &str) -> Option<Override> {
        self.last.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn all(&self) -> Vec<Override> {
        self.last.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

/// What a schedule is turned to, while that holds.
fn holds(one: &Override, at: Timestamp) -> Option<ScheduleState> {
    let state = match one.state {
        To::Open => ScheduleState::Open,
        To::Closed => ScheduleState::Closed,
        To::Auto => return None,
    };
    one.until.is_none_or(|until| until > at).then_some(state)
}

/// Of the schedules that there are, those that are turned over, with what to.
fn turned(system: &System, catalog: &Catalog, at: Timestamp) -> Vec<(Override, ScheduleState)> {
    let there = |one: &Override| catalog.schedules.get(one.schedule.as_str()).is_some_and(|own| own.spec.enabled);
    let all = system.database.schedules.all().into_iter().filter(there);
    all.filter_map(|one| holds(&one, at).map(|state| (one, state))).collect()
}

/// The next instant at which one that is turned over no longer is; one that has passed, as long as Asterisk still has it.
pub(crate) fn next_end(system: &System) -> Option<Timestamp> {
    let since = system.database.schedules.as_of();
    let all = system.database.schedules.all().into_iter().filter(|one| one.state != To::Auto);
    all.filter_map(|one| one.until).filter(|until| since.is_none_or(|since| *until > since)).min()
}

/// Brings what Asterisk has of them to what is kept.
pub(crate) async fn mend(system: &System, client: &Client) -> Result<(), AmiError> {
    let _telling = system.database.schedules.telling.lock().await;
    let at = now();
    let all = turned(system, &system.live().catalog, at);
    let wanted: Entries = all.into_iter().map(|(one, state)| (one.schedule, schedule(state, one.until))).collect();
    database::bring(client, SCHEDULES, &wanted).await?;
    *system.database.schedules.as_of.write().unwrap_or_else(PoisonError::into_inner) = Some(at);
    Ok(())
}

/// Tells Asterisk of one, and has it say that it knows.
async fn tell(system: &System, name: &str, value: Option<String>) -> Result<(), AmiError> {
    let client = system.link().client()?.another().await?;
    let (family, key) = (SCHEDULES.to_owned(), name.to_owned());
    match &value {
        Some(value) => {
            client.call(&DbPut { family: family.clone(), key: key.clone(), value: value.clone() }).await?;
        }
        None => {
            client.call(&DbDel { family: family.clone(), key: key.clone() }).await?;
        }
    }
    let there = client.call(&DbGet { family, key }).await?;
    if there == value {
        return Ok(());
    }
    let what = format!("it has {} of it", there.as_deref().unwrap_or("nothing"));
    Err(AmiError::Unexpected { action: "DBGet".into(), what })
}

fn kept(error: &pbx_store::StoreError) -> ErrorBody {
    ErrorBody::new(ErrorCode::Internal, format!("the store failed: {error}"))
        .help("nothing was changed; `journalctl -u pbxd` says more")
}

fn find<'c>(catalog: &'c Catalog, name: &str) -> Result<(&'c Name, &'c Schedule), ErrorBody> {
    if let Some((name, schedule)) = catalog.schedules.get_key_value(name) {
        return Ok((name, &schedule.spec));
    }
    let help = match nearest(name, catalog.schedules.keys().map(Name::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`pbxctl get schedules` lists those there are".to_owned(),
    };
    Err(ErrorBody::new(ErrorCode::NotFound, format!("there is no schedule `{name}`")).help(help))
}

/// Turns a schedule over, or back: kept first, then told.
pub(crate) async fn turn(
    system: &Arc<System>,
    name: &str,
    request: &TurnRequest,
    actor: &str,
) -> Result<pbx_api::Turned, ErrorBody> {
    let (live, at) = (system.live(), now());
    let (name, spec) = find(&live.catalog, name)?;
    let zone = zone_of(&live.catalog, spec);
    let bad = |message: String, help: &str| Err(ErrorBody::new(ErrorCode::BadRequest, message).help(help));
    if !spec.enabled {
        return bad(
            format!("schedule/{name} is turned off, and so always open"),
            "turn it on first: `enabled: true` in its manifest",
        );
    }
    let until = match (request.to, request.until) {
        (TurnTo::Auto, Some(_)) => {
            return bad("its own hours have no end".into(), "leave `--until` out");
        }
        (_, until) => until.map(|until| (until, until.instant(at, &zone))),
    };
    let until = match until {
        None => None,
        Some((_, Some(instant))) if instant > at => Some(instant),
        Some((until, _)) => {
            return bad(
                format!("`{until}` is past in {zone}"),
                "a time as `18:00` is the next one; a length of time is `+2h`",
            );
        }
    };
    let one = Override {
        schedule: name.to_string(),
        state: match request.to {
            TurnTo::Open => To::Open,
            TurnTo::Closed => To::Closed,
            TurnTo::Auto => To::Auto,
        },
        until,
        actor: actor.to_owned(),
        at,
        note: request.note.as_ref().map(ToString::to_string).unwrap_or_default(),
    };
    answer(system.owner.check()).await.map_err(|error| kept(&error))?;
    let telling = system.database.schedules.telling.lock().await;
    answer(system.store.turn_schedules(std::slice::from_ref(&one))).await.map_err(|error| kept(&error))?;
    let value = holds(&one, at).map(|state| schedule(state, one.until));
    system.database.schedules.load(vec![one]);
    let told = tokio::time::timeout(TELL_WITHIN, tell(system, name.as_str(), value)).await;
    drop(telling);
    let not_told = match told {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(format!("no answer within {} s", TELL_WITHIN.as_secs())),
    };
    if let Some(why) = &not_told {
        warn!(schedule = %name, why, "Asterisk does not know yet that it was turned over");
        system.database.doubt();
    }
    system.database.wake.notify_one();
    Ok(pbx_api::Turned { schedule: status(system, name, spec, &zone), not_told })
}

/// What was said of schedules that are gone is over, and goes along with those that get another name: when they come back one day, they
/// begin by their hours.
pub(crate) async fn forget(system: &System, changes: &[ObjectChange]) {
    let at = now();
    let mut words = Vec::new();
    for change in changes.iter().filter(|change| change.object.kind == Kind::Schedule) {
        let old = match (&change.renamed_from, change.action) {
            (Some(old), _) => &old.name,
            (None, Action::Delete) => &change.object.name,
            (None, Action::Create | Action::Update) => continue,
        };
        let Some(last) = system.database.schedules.of(old.as_str()).filter(|last| holds(last, at).is_some()) else {
            continue;
        };
        if change.renamed_from.is_some() {
            words.push(Override { schedule: change.object.name.to_string(), ..last.clone() });
        }
        let note =
            if change.renamed_from.is_some() { format!("it is {} now", change.object) } else { "deleted".into() };
        words.push(Override { state: To::Auto, until: None, actor: ITSELF.into(), at, note, ..last });
    }
    if words.is_empty() {
        return;
    }
    let telling = system.database.schedules.telling.lock().await;
    match answer(system.store.turn_schedules(&words)).await {
        Ok(()) => system.database.schedules.load(words),
        Err(error) => warn!(%error, "that schedules are gone that were turned over is not kept"),
    }
    drop(telling);
    // What Asterisk has of them goes with the next look.
    system.database.doubt();
}

/// The zone of a schedule.
fn zone_of(catalog: &Catalog, schedule: &Schedule) -> TimeZone {
    schedule.time_zone.clone().unwrap_or_else(|| zone(catalog))
}

fn told(one: Override) -> Option<Turn> {
    Some(Turn {
        schedule: one.schedule.parse().ok()?,
        to: match one.state {
            To::Open => TurnTo::Open,
            To::Closed => TurnTo::Closed,
            To::Auto => TurnTo::Auto,
        },
        until: one.until,
        by: one.actor,
        at: one.at,
        note: Some(one.note).filter(|note| !note.is_empty()),
    })
}

fn status(system: &System, name: &Name, spec: &Schedule, zone: &TimeZone) -> ScheduleStatus {
    let at = now();
    let (hours, because) = spec.said(at, zone);
    let over = system.database.schedules.of(name.as_str()).filter(|_| spec.enabled);
    let over = over.and_then(|one| holds(&one, at).map(|state| (one, state)));
    let next = |from: Timestamp| spec.next_change(from, zone).map(|(at, state)| NextState { at, state });
    let (state, because, next) = match &over {
        None => (hours, because.to_string(), next(at)),
        Some((one, state)) => {
            let next = one.until.and_then(|until| match spec.at(until, zone) {
                then if then == *state => next(until),
                then => Some(NextState { at: until, state: then }),
            });
            (*state, format!("turned over by {}", one.actor), next)
        }
    };
    let turned = over.and_then(|(one, _)| told(one));
    ScheduleStatus { name: name.clone(), state, because, hours, turned, next, time_zone: zone.clone() }
}

/// What each schedule says now.
pub(crate) fn statuses(system: &System) -> Vec<ScheduleStatus> {
    let live = system.live();
    let all = live.catalog.schedules.iter();
    all.map(|(name, one)| status(system, name, &one.spec, &zone_of(&live.catalog, &one.spec))).collect()
}

/// Those that are turned over.
pub(crate) fn turned_over(system: &System) -> Vec<Turn> {
    turned(system, &system.live().catalog, now()).into_iter().filter_map(|(one, _)| told(one)).collect()
}

/// Who turned a schedule over, newest first.
pub(crate) async fn turns(system: &System, name: &str) -> Result<Vec<Turn>, ErrorBody> {
    let all = answer(system.store.turns_of(name, MOST)).await.map_err(|error| kept(&error))?;
    if all.is_empty() {
        find(&system.live().catalog, name)?;
    }
    Ok(all.into_iter().filter_map(told).collect())
}
