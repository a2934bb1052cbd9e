//! What lets a call on: callers, filters, schedules.

use pbx_manifest::kinds::{BlockFilter, Schedule, ScheduleReason, ScheduleState, Variable};
use pbx_manifest::{Caller, Hangup, Kind, Name, ObjectRef};

use super::walk::{Turn, Walk};
use crate::{Edge, Field, When};

impl Walk<'_, '_> {
    /// The first of some edges whose reason holds, and the reason in words. Filters and schedules that are asked say so, those of
    /// a `schedule/NAME` with why the call came to it.
    pub(super) fn first(&mut self, edges: &[Edge], came: &str, from: Option<&Field>) -> Option<(usize, String)> {
        for (at, edge) in edges.iter().enumerate() {
            let reason = match &edge.when {
                When::Denied(filter) => self.denies(filter).then(|| format!("`{filter}` denies the caller")),
                When::Closed(schedule) => (self.asks(schedule, came, from) == ScheduleState::Closed)
                    .then(|| format!("`{schedule}` is closed")),
                When::Caller(caller) => self.is(caller).then(|| format!("the caller is `{caller}`")),
                When::Otherwise => {
                    // An answer that everything before it would have given otherwise is worth its words.
                    let asked = edges[..at].iter().rev().find_map(|before| match &before.when {
                        When::Closed(schedule) => Some(format!("`{schedule}` is open")),
                        _ => None,
                    });
                    Some(asked.unwrap_or_default())
                }
                _ => None,
            };
            if let Some(reason) = reason {
                return Some((at, reason));
            }
        }
        None
    }

    /// The way on from a step that only looks.
    pub(super) fn onward(&mut self, edges: &[Edge]) -> Turn {
        match self.first(edges, "", None) {
            Some((at, reason)) => Turn::Way(at, reason),
            None => Turn::Hangup(Hangup::Normal, "nothing follows".into()),
        }
    }

    /// Whether the caller is meant.
    fn is(&self, caller: &Caller) -> bool {
        caller.matches(self.call.caller.as_deref())
    }

    /// The way on by what a variable holds.
    pub(super) fn route(&mut self, variable: &Variable, edges: &[Edge]) -> Turn {
        let value = if variable.is_caller() {
            self.call.caller.clone()
        } else {
            self.variables.get(variable).cloned().filter(|value| !value.is_empty())
        };
        let said = value.as_ref().map_or_else(|| "nothing".to_owned(), |value| format!("`{value}`"));
        for (at, edge) in edges.iter().enumerate() {
            match &edge.when {
                When::Value(wanted) if wanted.matches(value.as_deref()) => {
                    return Turn::Way(at, format!("`{variable}` is {said}, which is `{wanted}`"));
                }
                When::Otherwise => return Turn::Way(at, format!("`{variable}` is {said}")),
                _ => {}
            }
        }
        Turn::Hangup(Hangup::Normal, format!("`{variable}` is {said}, and nothing follows"))
    }

    /// Asks a filter, which says so.
    fn denies(&mut self, name: &Name) -> bool {
        let Some(object) = self.tracer.catalog.filters.get(name) else { return false };
        let (denied, why, field) = self.judge(&object.spec);
        let field = field
            .map_or_else(|| Field::whole(Kind::BlockFilter, name), |below| Field::new(Kind::BlockFilter, name, below));
        self.say(format_args!("filter/{name}={}", if denied { "denied" } else { "passed" }), why, Some(field));
        denied
    }

    /// What a filter says of the caller: whether it denies, why, and by which entry.
    fn judge(&self, filter: &BlockFilter) -> (bool, String, Option<String>) {
        let digits = self.call.caller.as_deref();
        let shown = digits.map_or_else(|| "an anonymous caller".to_owned(), |digits| format!("`{digits}`"));
        let zone = &self.tracer.settings.time_zone;
        // Without an instant, nothing has expired.
        let at = self.call.at.unwrap_or(jiff::Timestamp::MIN);
        let deny = filter.deny.iter().position(|entry| entry.matches(digits, at, zone));
        let allow = filter.allow.iter().position(|entry| entry.matches(digits, at, zone));
        match (deny, allow) {
            (Some(deny), None) => {
                (true, format!("{shown} is `{}`", filter.deny[deny].who()), Some(format!("deny[{deny}]")))
            }
            (Some(_), Some(allow)) => (
                false,
                format!("{shown} is allowed by `{}`", filter.allow[allow].who()),
                Some(format!("allow[{allow}]")),
            ),
            (None, _) => (false, format!("nothing denies {shown}"), None),
        }
    }

    /// Asks a schedule, which says so.
    fn asks(&mut self, name: &Name, came: &str, from: Option<&Field>) -> ScheduleState {
        let Some(object) = self.tracer.catalog.schedules.get(name) else { return ScheduleState::Open };
        let (state, why, field) = self.hours(name, &object.spec);
        let word = if state == ScheduleState::Open { "open" } else { "closed" };
        let field =
            field.map_or_else(|| Field::whole(Kind::Schedule, name), |below| Field::new(Kind::Schedule, name, below));
        self.say(format_args!("schedule/{name}={word}"), why, Some(field));
        if let (false, Some(from)) = (came.is_empty(), from) {
            self.happens(format!("came here because {came} ({from})"));
        }
        state
    }

    fn hours(&mut self, name: &Name, schedule: &Schedule) -> (ScheduleState, String, Option<String>) {
        if let Some(state) = self.given.schedules.get(name) {
            let word = if *state == ScheduleState::Open { "opened" } else { "closed" };
            return (*state, format!("somebody has {word} it"), None);
        }
        let Some(at) = self.call.at else {
            self.timeless.get_or_insert_with(|| ObjectRef::new(Kind::Schedule, name.clone()));
            return (ScheduleState::Open, "nobody says when the call comes".into(), None);
        };
        let zone = schedule.time_zone.as_ref().unwrap_or(&self.tracer.settings.time_zone);
        let reason = schedule.reason(at, zone);
        let local = at.to_zoned(zone.rules());
        let now = local.strftime("%a %H:%M").to_string().to_lowercase();
        let (why, below) = match reason {
            ScheduleReason::Off => ("it is turned off".to_owned(), Some("enabled".to_owned())),
            ScheduleReason::Hours(open, hours) => {
                let own = &schedule.open[open];
                (format!("{now} is in {} {}", own.days, own.hours[hours]), Some(format!("open[{open}].hours[{hours}]")))
            }
            ScheduleReason::Day(day) => {
                let called = schedule.closed[day].name.as_ref().map_or("a closed day", |name| name.as_str());
                (format!("{} is {called}", local.date()), Some(format!("closed[{day}]")))
            }
            ScheduleReason::Outside => (format!("{now} is outside of its hours"), Some("open".to_owned())),
        };
        (reason.state(), why, below)
    }
}
