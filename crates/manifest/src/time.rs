//! Opening hours: days of the week, times of day, dates.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date as CivilDate, Time, Weekday};

use crate::text::{Refused, refuse, text_value};

/// The days of a week that something holds on: `mon-fri`, `sat`, `mon,wed`, `daily`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Days(u8);

const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Days {
    /// Whether a weekday is one of them.
    pub fn contains(self, day: Weekday) -> bool {
        self.0 & (1 << day.to_monday_zero_offset()) != 0
    }

    /// The days that follow these.
    #[must_use]
    pub fn next_days(self) -> Self {
        Self((self.0 << 1 | self.0 >> 6) & 0x7f)
    }

    /// Runs of days in the week's order, as (first, last): `mon-fri,sun` has two.
    pub fn runs(self) -> Vec<(&'static str, &'static str)> {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for day in (0..7).filter(|day| self.0 & (1 << day) != 0) {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == day => *last = day,
                _ => runs.push((day, day)),
            }
        }
        runs.into_iter().map(|(first, last)| (NAMES[first], NAMES[last])).collect()
    }
}

impl FromStr for Days {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        if text == "daily" {
            return Ok(Self(0x7f));
        }
        let index = |name: &str| NAMES.iter().position(|known| *known == name);
        let mut set = 0;
        for part in text.split(',').map(str::trim) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (Some(first), Some(last)) = (index(first), index(last)) else {
                return refuse(
                    format!("`{}` are not days", text.escape_debug()),
                    "`mon-fri`, `sat`, `mon,wed`, or `daily`",
                );
            };
            // `fri-mon` runs over the end of the week.
            let mut day = first;
            loop {
                set |= 1 << day;
                if day == last {
                    break;
                }
                day = (day + 1) % 7;
            }
        }
        Ok(Self(set))
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0x7f {
            return f.write_str("daily");
        }
        for (at, (first, last)) in self.runs().into_iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            if first == last { write!(f, "{comma}{first}")? } else { write!(f, "{comma}{first}-{last}")? }
        }
        Ok(())
    }
}

text_value!(Days, "Days", "days of the week", { "examples": ["mon-fri", "sat", "mon,wed", "daily"] });

/// A stretch of a day, from its first minute to before its last: `09:00-18:00`; the day's end is `24:00`. One that ends before it
/// begins, as `18:00-02:00`, runs over midnight into the next day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hours {
    /// First minute of the day that belongs to it, 0 to 1439.
    pub from: u16,
    /// First minute that no longer does, 1 to 1440; of the next day, where it is not after `from`.
    pub until: u16,
}

impl Hours {
    /// Whether a minute of the day on which it begins lies in it.
    pub fn contains(self, minute: u16) -> bool {
        minute >= self.from && (minute < self.until || self.over_midnight().is_some())
    }

    /// Where it runs over midnight: the first minute of the next day that it no longer holds.
    pub fn over_midnight(self) -> Option<u16> {
        (self.until <= self.from).then_some(self.until)
    }

    /// Its end in minutes from the beginning of the day on which it begins.
    pub fn end(self) -> u16 {
        self.over_midnight().map_or(self.until, |until| until + 1440)
    }
}

/// The minute of the day that a time lies in.
pub(crate) fn minute_of(time: Time) -> u16 {
    u16::from(time.hour().unsigned_abs()) * 60 + u16::from(time.minute().unsigned_abs())
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    if hour.len() > 2 || minute.len() != 2 || !(hour.bytes().chain(minute.bytes())).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    (minute < 60 && hour * 60 + minute <= 1440).then_some(hour * 60 + minute)
}

impl FromStr for Hours {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        match text.split_once('-').map(|(from, until)| (minute(from), minute(until))) {
            // `24:00` is the end of a day and the beginning of none, `00:00` the beginning and the end of none.
            Some((Some(from), Some(until))) if from != until && from < 1440 && until > 0 => Ok(Self { from, until }),
            _ => refuse(
                format!("`{}` are not hours", text.escape_debug()),
                "from and until, as in `09:00-18:00`; the day's end is `24:00`, and `18:00-02:00` runs over midnight",
            ),
        }
    }
}

/// A minute of the day as `09:05`.
fn clock(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", clock(self.from), clock(self.until))
    }
}

text_value!(Hours, "Hours", "hours of the day", { "pattern": "^[0-9]{1,2}:[0-9]{2}-[0-9]{1,2}:[0-9]{2}$", "examples": ["09:00-18:00"] });

/// A day of the calendar: `2026-12-25`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(pub CivilDate);

impl FromStr for Date {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        match (text.len(), text.parse()) {
            (10, Ok(date)) => Ok(Self(date)),
            _ => refuse(
                format!("`{}` is not a date", text.escape_debug()),
                "year, month and day, as in `2026-12-25`; a day of every year is `yearly: 12-25`",
            ),
        }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

text_value!(Date, "Date", "a date", { "format": "date", "examples": ["2026-12-25"] });

/// A day that every year has: a date (`12-25`; the 29th of February comes in leap years alone), a day counted from Easter Sunday of
/// the western churches (`easter-2`, `easter+39`), or a weekday of a month (`4th thu nov`, `last mon may`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Yearly {
    /// A date.
    Day {
        /// 1 to 12.
        month: i8,
        /// 1 to 31, as many as the month has.
        day: i8,
    },
    /// So many days after Easter Sunday, or before it.
    Easter(i16),
    /// A weekday of a month.
    Weekday {
        /// Which one, from 1 to 5; none for the last.
        nth: Option<i8>,
        /// Its place in the week, Monday 0.
        day: i8,
        /// 1 to 12.
        month: i8,
    },
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const NTHS: [&str; 5] = ["1st", "2nd", "3rd", "4th", "5th"];

/// How many days after the 21st of March Easter Sunday is, in the years 1900 to 2199 (Gauss' rule).
pub fn easter_after_21_march(year: i16) -> i32 {
    let year = i32::from(year);
    let (a, n) = (year % 19, if year < 2100 { 5 } else { 6 });
    let d = (19 * a + 24) % 30;
    let e = (2 * (year % 4) + 4 * (year % 7) + 6 * d + n) % 7;
    let after = d + e + 1;
    // The two exceptions of the rule: never the 26th of April, and the 25th only where the moon allows it.
    if after == 36 || (after == 35 && d == 28 && e == 6 && a > 10) { after - 7 } else { after }
}

impl Yearly {
    /// Whether a date is that day of its year.
    pub fn contains(self, date: CivilDate) -> bool {
        match self {
            Self::Day { month, day } => (month, day) == (date.month(), date.day()),
            Self::Easter(after) => {
                let Ok(march) = CivilDate::new(date.year(), 3, 21) else { return false };
                let days = easter_after_21_march(date.year()) + i32::from(after);
                date.since(march).is_ok_and(|span| span.get_days() == days)
            }
            Self::Weekday { nth, day, month } => {
                month == date.month()
                    && day == date.weekday().to_monday_zero_offset()
                    && match nth {
                        Some(nth) => (date.day() - 1) / 7 + 1 == nth,
                        None => date.day() + 7 > date.days_in_month(),
                    }
            }
        }
    }
}

impl FromStr for Yearly {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        let help = "month and day as `12-25`, a day counted from Easter as `easter-2`, or a weekday as `4th thu nov` or `last mon may`";
        let wrong = || refuse(format!("`{}` is not a day of the year", text.escape_debug()), help);
        if let Some(after) = text.strip_prefix("easter") {
            return match after.parse::<i16>() {
                _ if after.is_empty() => Ok(Self::Easter(0)),
                Ok(after) if (-70..=200).contains(&after) => Ok(Self::Easter(after)),
                _ => wrong(),
            };
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        if let [nth, day, month] = words[..] {
            let at =
                |all: &[&str], word: &str| all.iter().position(|own| *own == word).and_then(|at| i8::try_from(at).ok());
            let which = if nth == "last" { Some(None) } else { at(&NTHS, nth).map(|at| Some(at + 1)) };
            return match (which, at(&NAMES, day), at(&MONTHS, month)) {
                (Some(nth), Some(day), Some(month)) => Ok(Self::Weekday { nth, day, month: month + 1 }),
                _ => wrong(),
            };
        }
        // Any leap year will do: it has every day.
        match (text.len(), format!("2000-{text}").parse::<CivilDate>()) {
            (5, Ok(date)) => Ok(Self::Day { month: date.month(), day: date.day() }),
            _ => wrong(),
        }
    }
}

impl fmt::Display for Yearly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |all: &'static [&'static str], at: i8| {
            usize::try_from(at).ok().and_then(|at| all.get(at).copied()).unwrap_or("")
        };
        match self {
            Self::Day { month, day } => write!(f, "{month:02}-{day:02}"),
            Self::Easter(0) => f.write_str("easter"),
            Self::Easter(after) => write!(f, "easter{after:+}"),
            Self::Weekday { nth, day, month } => {
                let nth = nth.map_or("last", |nth| of(&NTHS, nth - 1));
                write!(f, "{nth} {} {}", of(&NAMES, *day), of(&MONTHS, month - 1))
            }
        }
    }
}

text_value!(Yearly, "Yearly", "a day of the year", { "examples": ["12-25", "easter-2", "last mon may"] });
