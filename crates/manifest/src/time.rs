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

/// A stretch of a day, from its first minute to before its last: `09:00-18:00`; the day's end is `24:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hours {
    /// First minute of the day that belongs to it, 0 to 1439.
    pub from: u16,
    /// First minute that no longer does, 1 to 1440.
    pub until: u16,
}

impl Hours {
    /// Whether a time of day lies in it.
    pub fn contains(self, time: Time) -> bool {
        let minute = u16::from(time.hour().unsigned_abs()) * 60 + u16::from(time.minute().unsigned_abs());
        (self.from..self.until).contains(&minute)
    }
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
            Some((Some(from), Some(until))) if from < until => Ok(Self { from, until }),
            Some((Some(from), Some(until))) if from > until => refuse(
                format!("`{text}` runs over midnight"),
                format!("write two: `{}-24:00` on the first day and `00:00-{}` on the next", clock(from), clock(until)),
            ),
            _ => refuse(
                format!("`{}` are not hours", text.escape_debug()),
                "from and until, as in `09:00-18:00`; the day's end is `24:00`",
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

/// A day that every year has: `12-25`. The 29th of February comes in leap years alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct YearDay {
    /// 1 to 12.
    pub month: i8,
    /// 1 to 31, as many as the month has.
    pub day: i8,
}

impl YearDay {
    /// Whether a date is that day of its year.
    pub fn contains(self, date: CivilDate) -> bool {
        (self.month, self.day) == (date.month(), date.day())
    }
}

impl FromStr for YearDay {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        // Any leap year will do: it has every day.
        match (text.len(), format!("2000-{text}").parse::<CivilDate>()) {
            (5, Ok(date)) => Ok(Self { month: date.month(), day: date.day() }),
            _ => refuse(format!("`{}` is not a day of the year", text.escape_debug()), "month and day, as in `12-25`"),
        }
    }
}

impl fmt::Display for YearDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}-{:02}", self.month, self.day)
    }
}

text_value!(YearDay, "YearDay", "a day of the year", { "pattern": "^[0-9]{2}-[0-9]{2}$", "examples": ["12-25"] });
