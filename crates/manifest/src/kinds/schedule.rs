//! Opening hours.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::yes;
use crate::check::{Checker, repeated};
use crate::dest::Destination;
use crate::diagnostic::Diagnostic;
use crate::kind::Spec;
use crate::text::{Duration, Name, Refused, Text, TimeZone, refuse, text_value};
use crate::time::{Date, Days, Hours, Yearly, minute_of};

/// How many stretches of open hours a day may have: one begins every half an hour.
const MOST_HOURS: usize = 48;

/// Hours on some days of the week.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenHours {
    /// On which days.
    pub days: Days,
    /// In which hours.
    pub hours: Vec<Hours>,
}

/// A day that is closed whatever the week says: either a date, or a day of every year.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["date"] }, { "required": ["yearly"] }]))]
pub struct ClosedDay {
    /// Once: year, month and day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Date>,
    /// Every year: a date as `12-25`, a day counted from Easter as `easter-2`, or a weekday as `last mon may`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yearly: Option<Yearly>,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Text>,
}

impl ClosedDay {
    /// Whether a date is that day.
    pub fn contains(&self, date: jiff::civil::Date) -> bool {
        self.date.is_some_and(|own| own.0 == date) || self.yearly.is_some_and(|own| own.contains(date))
    }

    /// What it is called, else when it is.
    fn title(&self) -> String {
        match (&self.name, self.date, self.yearly) {
            (Some(name), ..) => name.to_string(),
            (None, Some(date), _) => date.to_string(),
            (None, None, Some(yearly)) => yearly.to_string(),
            (None, None, None) => String::new(),
        }
    }
}

/// Opening hours by weekday in a time zone, with holidays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Schedule {
    /// Turned off, it is always open.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// For those who read manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Text>,
    /// The zone of its hours and dates. Default: the settings'.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<TimeZone>,
    /// When it is open.
    pub open: Vec<OpenHours>,
    /// Days that are closed all day; what begins on one does not run over its midnight either.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed: Vec<ClosedDay>,
    /// Where calls go that are sent to the schedule itself while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<Destination>,
    /// Where they go while it is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_hours: Option<Destination>,
}

/// What a schedule says of an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleState {
    /// Within the opening hours.
    Open,
    /// Outside of them, or on a closed day.
    Closed,
}

impl fmt::Display for ScheduleState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Open => "open",
            Self::Closed => "closed",
        })
    }
}

/// Until when somebody turns a schedule over: the next `18:00`, `2026-12-25T10:00`, both on the clock of the schedule's zone, or in
/// `+2h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// The next time that a clock shows this.
    Time(Time),
    /// When a clock shows this.
    At(DateTime),
    /// So long from now on.
    In(Duration),
}

impl Until {
    /// The instant that is meant; nothing where it is past the end of time.
    pub fn instant(self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let rules = zone.rules();
        match self {
            Self::In(length) => {
                now.checked_add(jiff::SignedDuration::from_secs(i64::try_from(length.seconds()).ok()?)).ok()
            }
            Self::At(at) => at.to_zoned(rules).ok().map(|at| at.timestamp()),
            Self::Time(time) => {
                let today = now.to_zoned(rules.clone()).date();
                let on = |day: jiff::civil::Date| day.to_datetime(time).to_zoned(rules.clone()).ok();
                let next = on(today).filter(|at| at.timestamp() > now).or_else(|| on(today.tomorrow().ok()?));
                next.map(|at| at.timestamp())
            }
        }
    }
}

impl FromStr for Until {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        let wrong = || {
            let help = "a time as `18:00`, a minute as `2026-12-25T10:00`, or a length of time as `+2h`";
            refuse(format!("`{}` is not until when", text.escape_debug()), help)
        };
        if let Some(length) = text.strip_prefix('+') {
            return match length.parse::<Duration>() {
                Ok(length) if length.seconds() > 0 => Ok(Self::In(length)),
                _ => wrong(),
            };
        }
        match (text.len(), text.parse::<Time>(), text.parse::<DateTime>()) {
            (5, Ok(time), _) => Ok(Self::Time(time)),
            (16, _, Ok(at)) => Ok(Self::At(at)),
            _ => wrong(),
        }
    }
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => time.strftime("%H:%M").fmt(f),
            Self::At(at) => at.strftime("%Y-%m-%dT%H:%M").fmt(f),
            Self::In(length) => write!(f, "+{length}"),
        }
    }
}

text_value!(Until, "Until", "until when", {
    "examples": ["18:00", "2026-12-25T10:00", "+2h"],
    "description": "The next time of day, a minute, both on the clock of the schedule's zone, or a length of time from now on."
});

/// Why a schedule says what it says of an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Because {
    /// It is turned off.
    Off,
    /// A closed day.
    ClosedDay(String),
    /// Within these hours.
    Within(Hours),
    /// Outside of all hours.
    Outside,
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("turned off, which is always open"),
            Self::ClosedDay(day) => write!(f, "closed day {day}"),
            Self::Within(hours) => write!(f, "within {hours}"),
            Self::Outside => f.write_str("outside of the opening hours"),
        }
    }
}

/// Why a schedule says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScheduleReason {
    /// It is turned off, and so always open.
    Off,
    /// Open hours hold it: which of `open`, and which of its `hours`.
    Hours(usize, usize),
    /// The day is closed: which of `closed`.
    Day(usize),
    /// No open hours hold it.
    Outside,
}

impl ScheduleReason {
    /// What it says.
    pub fn state(self) -> ScheduleState {
        match self {
            Self::Off | Self::Hours(..) => ScheduleState::Open,
            Self::Day(_) | Self::Outside => ScheduleState::Closed,
        }
    }
}

/// How far ahead the next change is looked for, in days: what is closed all year changes never.
const AHEAD: usize = 400;

impl Schedule {
    /// What it says of an instant, in the given zone (its own, or the settings').
    pub fn at(&self, instant: Timestamp, zone: &TimeZone) -> ScheduleState {
        self.reason(instant, zone).state()
    }

    /// The same, and why.
    pub fn reason(&self, instant: Timestamp, zone: &TimeZone) -> ScheduleReason {
        if !self.enabled {
            return ScheduleReason::Off;
        }
        let local = instant.to_zoned(zone.rules());
        let (today, minute) = (local.date(), minute_of(local.time()));
        let closed = |date: jiff::civil::Date| self.closed.iter().position(|day| day.contains(date));
        // A closed day is closed from midnight to midnight, whatever has begun the day before.
        if let Some(at) = closed(today) {
            return ScheduleReason::Day(at);
        }
        let on = |date: jiff::civil::Date, holds: &dyn Fn(Hours) -> bool| {
            let open = self.open.iter().enumerate().filter(move |(_, open)| open.days.contains(date.weekday()));
            let mut all =
                open.flat_map(|(at, open)| open.hours.iter().enumerate().map(move |(index, own)| (at, index, *own)));
            all.find(|(_, _, own)| holds(*own)).map(|(at, index, _)| ScheduleReason::Hours(at, index))
        };
        let begun = || {
            let yesterday = today.yesterday().ok().filter(|yesterday| closed(*yesterday).is_none())?;
            on(yesterday, &|own| own.over_midnight().is_some_and(|until| minute < until))
        };
        on(today, &|own| own.contains(minute)).or_else(begun).unwrap_or(ScheduleReason::Outside)
    }

    /// What it says of an instant, and why, for people.
    pub fn said(&self, instant: Timestamp, zone: &TimeZone) -> (ScheduleState, Because) {
        let reason = self.reason(instant, zone);
        let because = match reason {
            ScheduleReason::Off => Because::Off,
            ScheduleReason::Day(at) => Because::ClosedDay(self.closed[at].title()),
            ScheduleReason::Hours(open, at) => Because::Within(self.open[open].hours[at]),
            ScheduleReason::Outside => Because::Outside,
        };
        (reason.state(), because)
    }

    /// When what it says changes next, and to what; nothing where it does not within a year.
    pub fn next_change(&self, instant: Timestamp, zone: &TimeZone) -> Option<(Timestamp, ScheduleState)> {
        if !self.enabled {
            return None;
        }
        let rules = zone.rules();
        let now = self.at(instant, zone);
        let mut minutes: Vec<u16> =
            self.open.iter().flat_map(|open| &open.hours).flat_map(|hours| [hours.from, hours.until]).collect();
        minutes.extend([0, 1440]);
        minutes.sort_unstable();
        minutes.dedup();
        let mut day = instant.to_zoned(rules.clone()).date();
        for _ in 0..AHEAD {
            for minute in &minutes {
                // Where clocks leap over it, the first instant after.
                let begin = day.at(0, 0, 0, 0).checked_add(jiff::Span::new().minutes(i64::from(*minute))).ok()?;
                let at = begin.to_zoned(rules.clone()).ok()?.timestamp();
                if at > instant && self.at(at, zone) != now {
                    return Some((self.first_second(instant, at, now, zone), self.at(at, zone)));
                }
            }
            day = day.tomorrow().ok()?;
        }
        None
    }

    /// The first second after one instant, up to another, at which it no longer says what it did: where clocks leap, a stretch ends at
    /// the leap.
    fn first_second(&self, from: Timestamp, to: Timestamp, was: ScheduleState, zone: &TimeZone) -> Timestamp {
        // No leap is longer than three hours.
        let mut low = from.as_second().max(to.as_second() - 3 * 3600);
        let mut high = to.as_second();
        let is = |second: i64| Timestamp::from_second(second).map_or(was, |at| self.at(at, zone));
        if is(low) != was {
            return to;
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if is(middle) == was { low = middle } else { high = middle }
        }
        Timestamp::from_second(high).unwrap_or(to)
    }
}

fn twice(checker: &mut Checker<'_>, path: &str, day: &dyn std::fmt::Display) {
    let warning = Diagnostic::warning("repeated", format!("`{day}` is given twice"));
    checker.add(path, warning.help("remove one of them"));
}

impl Spec for Schedule {
    fn check(&self, _: &Name, checker: &mut Checker<'_>) {
        if self.open.iter().all(|open| open.hours.is_empty()) {
            checker.add(
                "spec.open",
                Diagnostic::warning("never-open", "this schedule is never open")
                    .help("as in `open: [{ days: mon-fri, hours: [\"09:00-18:00\"] }]`"),
            );
        }
        for (at, open) in self.open.iter().enumerate() {
            if open.hours.len() > MOST_HOURS {
                checker.add(
                    &format!("spec.open[{at}].hours"),
                    Diagnostic::error("range", format!("{} stretches of a day are too many", open.hours.len()))
                        .help(format!("at most {MOST_HOURS}: join those that meet")),
                );
                continue;
            }
            for (index, hours) in open.hours.iter().enumerate() {
                if let Some(other) =
                    open.hours[..index].iter().find(|other| other.from < hours.end() && hours.from < other.end())
                {
                    checker.add(
                        &format!("spec.open[{at}].hours[{index}]"),
                        Diagnostic::warning("overlap", format!("`{hours}` overlaps `{other}`"))
                            .help("write one stretch that covers both"),
                    );
                }
            }
        }
        for (field, way) in [("destination", &self.destination), ("afterHours", &self.after_hours)] {
            if let Some(way) = way {
                checker.destination(&format!("spec.{field}"), way);
            }
        }
        if let (Some(_), None) | (None, Some(_)) = (&self.destination, &self.after_hours) {
            checker.add(
                "spec",
                Diagnostic::error("missing-field", "`destination` and `afterHours` need each other")
                    .help("add the other one: where calls go while it is closed, or open"),
            );
        }
        for (at, day) in self.closed.iter().enumerate() {
            let wrong = match (day.date, day.yearly) {
                (Some(_), None) | (None, Some(_)) => continue,
                (Some(_), Some(_)) => Diagnostic::error("conflict", "`date` and `yearly` are both given").help(
                    "keep `yearly` if it is closed every year, else `date`; days of their own are items of their own",
                ),
                (None, None) => Diagnostic::error("missing-field", "which day is closed?")
                    .help("add `date: 2026-12-25`, or `yearly: 12-25` for every year"),
            };
            checker.add(&format!("spec.closed[{at}]"), wrong);
        }
        let days = self.closed.iter().enumerate();
        let dates: Vec<(usize, Date)> = days.clone().filter_map(|(at, day)| Some((at, day.date?))).collect();
        let yearly: Vec<(usize, Yearly)> = days.filter_map(|(at, day)| Some((at, day.yearly?))).collect();
        for (at, date) in repeated(dates.iter().map(|(_, date)| date)).into_iter().map(|at| dates[at]) {
            twice(checker, &format!("spec.closed[{at}].date"), &date);
        }
        for (at, day) in repeated(yearly.iter().map(|(_, day)| day)).into_iter().map(|at| yearly[at]) {
            twice(checker, &format!("spec.closed[{at}].yearly"), &day);
        }
    }

    fn enabled(&self) -> bool {
        self.enabled
    }
}
