//! Hours that never come.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Weekday;
use pbx_manifest::kinds::Schedule;
use pbx_manifest::{Catalog, Diagnostic, Hours, Kind, Name, ObjectRef};

pub(super) fn check(catalog: &Catalog, found: &mut Vec<Diagnostic>) {
    let mut never: BTreeSet<&Name> = BTreeSet::new();
    for (name, object) in catalog.schedules.iter().filter(|(_, object)| object.spec.enabled) {
        if object.spec.open.iter().all(|open| open.hours.is_empty()) {
            never.insert(name);
        }
        covered(name, &object.spec, found);
        holes(name, &object.spec, found);
    }
    let mut closed = |kind: Kind, name: &Name, schedule: Option<&Name>, field: &str| {
        if let Some(schedule) = schedule.filter(|schedule| never.contains(schedule)) {
            let what = if kind == Kind::Did { "DID" } else { kind.singular() };
            let message = format!("this {what} is never open: schedule `{schedule}` has no hours");
            found.push(
                Diagnostic::warning("never-open", message)
                    .at(ObjectRef::new(kind, name.clone()), "spec.schedule")
                    .help(format!("give schedule/{schedule} hours, or take it out: every call goes to `{field}`")),
            );
        }
    };
    for (name, object) in catalog.dids.iter().filter(|(_, object)| object.spec.enabled) {
        closed(Kind::Did, name, object.spec.schedule.as_ref(), "afterHours");
    }
    for (name, object) in catalog.queues.iter().filter(|(_, object)| object.spec.enabled) {
        closed(Kind::Queue, name, object.spec.schedule.as_ref(), "outOfOffice");
    }
}

/// A schedule of a hundred items is nobody's, and would be compared with itself.
const MOST: usize = 100;

/// The last minute of a day.
const LAST_MINUTE: u16 = 1439;

const WEEK: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];

/// Hours that other hours of the same days already hold: whoever changes them changes nothing. Those of one item are told by the kind.
fn covered(name: &Name, schedule: &Schedule, found: &mut Vec<Diagnostic>) {
    let items: Vec<_> = schedule.open.iter().enumerate().take(MOST).collect();
    for (at, open) in &items {
        let days: Vec<Weekday> = WEEK.into_iter().filter(|day| open.days.contains(*day)).collect();
        for (index, own) in open.hours.iter().enumerate() {
            let held_by = items.iter().filter(|(other, _)| other != at).find_map(|(other, theirs)| {
                let all_days = days.iter().all(|day| theirs.days.contains(*day));
                let hours = theirs.hours.iter().find(|hours| hours.from <= own.from && own.end() <= hours.end())?;
                // Of two that are the same, the later one is told.
                let twins = theirs.days == open.days && hours == own;
                (all_days && (!twins || other < at)).then_some((theirs.days, *hours))
            });
            if let Some((theirs, hours)) = held_by {
                found.push(
                    Diagnostic::warning(
                        "unreachable",
                        format!("`{theirs} {hours}` already holds `{} {own}`", open.days),
                    )
                    .at(ObjectRef::new(Kind::Schedule, name.clone()), format!("spec.open[{at}].hours[{index}]"))
                    .help("remove it, or make the other one shorter"),
                );
            }
        }
    }
}

/// Minutes that are closed because whoever wrote the hours took their end for the last minute that is open.
fn holes(name: &Name, schedule: &Schedule, found: &mut Vec<Diagnostic>) {
    let mut told = BTreeSet::new();
    for day in WEEK {
        let of_day = schedule.open.iter().enumerate().take(MOST).filter(|(_, open)| open.days.contains(day));
        let hours: Vec<(usize, usize, Hours)> = of_day
            .flat_map(|(at, open)| open.hours.iter().enumerate().map(move |(index, own)| (at, index, *own)))
            .collect();
        let begin: BTreeMap<u16, Hours> = hours.iter().map(|(_, _, own)| (own.from, *own)).collect();
        for (at, index, own) in &hours {
            let end = own.end();
            let why = match begin.get(&(end + 1)) {
                Some(next) => format!("`{own}` and `{next}` leave a minute closed between them"),
                None if end == LAST_MINUTE => format!("`{own}` leaves the last minute of the day closed"),
                None => continue,
            };
            if !hours.iter().any(|(_, _, other)| other.contains(end)) && told.insert((*at, *index)) {
                found.push(
                    Diagnostic::warning("hole", why)
                        .at(ObjectRef::new(Kind::Schedule, name.clone()), format!("spec.open[{at}].hours[{index}]"))
                        .help("ranges end where the next begins; `24:00` is the day's end"),
                );
            }
        }
    }
}
