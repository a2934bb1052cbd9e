//! Who may not call.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::yes;
use crate::check::{Checker, repeated};
use crate::dest::{Caller, Destination, Hangup};
use crate::diagnostic::Diagnostic;
use crate::kind::Spec;
use crate::text::{Duration, Name, Refused, Text, TimeZone, refuse, text_value};

/// When an entry stops counting: some time after it was first applied (`30d`), or at a date (`2026-12-25`) or minute
/// (`2026-12-25T18:00`). Once applied, a length of time says since when: `30d@2026-11-27T08:00:00Z`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Expiry {
    /// So long after it was first applied; when that was is known once it was.
    After {
        /// How long.
        length: Duration,
        /// Since when.
        since: Option<Timestamp>,
    },
    /// At an instant of the clock in the system's time zone.
    At(DateTime),
}

impl Expiry {
    /// The first instant at which the entry no longer counts; nothing as long as it was never applied.
    pub fn instant(&self, zone: &TimeZone) -> Option<Timestamp> {
        match self {
            Self::After { length, since } => {
                let seconds = i64::try_from(length.seconds()).ok()?;
                since.and_then(|since| since.checked_add(jiff::SignedDuration::from_secs(seconds)).ok())
            }
            Self::At(at) => at.to_zoned(zone.rules()).ok().map(|at| at.timestamp()),
        }
    }
}

impl FromStr for Expiry {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        let help = "a length of time as `30d`, a date as `2026-12-25`, or a minute as `2026-12-25T18:00`";
        let wrong = || refuse(format!("`{}` is not when an entry expires", text.escape_debug()), help);
        if let Some((length, since)) = text.split_once('@') {
            return match (length.parse(), since.parse()) {
                (Ok(length), Ok(since)) => Ok(Self::After { length, since: Some(since) }),
                _ => wrong(),
            };
        }
        if let Ok(length) = text.parse::<Duration>() {
            return if length.seconds() > 0 { Ok(Self::After { length, since: None }) } else { wrong() };
        }
        let whole = if text.len() == 10 { format!("{text}T00:00") } else { text.to_owned() };
        match (whole.len(), whole.parse::<DateTime>()) {
            (16, Ok(at)) => Ok(Self::At(at)),
            _ => wrong(),
        }
    }
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After { length, since: None } => length.fmt(f),
            Self::After { length, since: Some(since) } => write!(f, "{length}@{since}"),
            Self::At(at) if at.time() == jiff::civil::Time::midnight() => at.date().fmt(f),
            Self::At(at) => write!(f, "{}", at.strftime("%Y-%m-%dT%H:%M")),
        }
    }
}

text_value!(Expiry, "Expiry", "when it expires", {
    "examples": ["30d", "2026-12-25"],
    "description": "When an entry stops counting: a length of time after it was first applied (`30d`), a date, or a minute as `2026-12-25T18:00`."
});

/// A regular expression of callers' numbers, which are written as `+` and their digits: `^\+44(70|90)`. POSIX extended, as Asterisk has
/// them.
#[derive(Debug, Clone)]
pub struct CallerRegex {
    text: Box<str>,
    compiled: regex_lite::Regex,
}

impl CallerRegex {
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a number, of digits alone, is meant.
    pub fn matches(&self, digits: &str) -> bool {
        self.compiled.is_match(&format!("+{digits}"))
    }
}

impl PartialEq for CallerRegex {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl FromStr for CallerRegex {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        // What POSIX and Rust read alike, and what stays itself within Asterisk's quotes.
        let letters = |b: u8| b.is_ascii_digit() || b"^$+.*?[]()|{},-\\".contains(&b);
        let escapes = text.as_bytes().windows(2).all(|two| two[0] != b'\\' || b"+.*?$^()[]{}|".contains(&two[1]));
        if text.is_empty() || text.len() > 200 || !text.bytes().all(letters) || !escapes || text.ends_with('\\') {
            return refuse(
                format!("`{}` is not an expression of numbers", text.escape_debug()),
                "of digits and `^ $ . + * ? [ ] ( ) | { } , -`, at most 200, as in `\"^\\\\+44(70|90)\"`; `\\\\+` is the number's plus",
            );
        }
        if repeats_nothing(text) {
            return refuse(
                format!("`{}` repeats nothing", text.escape_debug()),
                "`* + ? {` repeat what stands before them; a number's plus is written `\\+`, as in `\"^\\\\+44\"`",
            );
        }
        match regex_lite::Regex::new(text) {
            Ok(compiled) => Ok(Self { text: text.into(), compiled }),
            Err(why) => refuse(
                format!("`{}` is not an expression: {why}", text.escape_debug()),
                "as in `\"^\\\\+44(70|90)\"`: numbers are written as `+` and their digits",
            ),
        }
    }
}

/// Whether a repetition stands where there is nothing to repeat. Asterisk refuses such an expression or reads another one in it, and
/// who has written it has mostly meant the plus.
fn repeats_nothing(text: &str) -> bool {
    let (mut nothing, mut in_set, mut letters) = (true, false, text.bytes());
    while let Some(letter) = letters.next() {
        if !in_set && nothing && b"*+?{".contains(&letter) {
            return true;
        }
        match letter {
            b'\\' => {
                letters.next();
            }
            b'[' => in_set = true,
            b']' => in_set = false,
            _ => {}
        }
        nothing = !in_set && b"^$(|".contains(&letter);
    }
    false
}

impl fmt::Display for CallerRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

text_value!(CallerRegex, "CallerRegex", "an expression of numbers", { "examples": ["^\\+44(70|90)"] });

/// Who is meant, and for how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["caller"] }, { "required": ["regex"] }]))]
pub struct FilterEntry {
    /// Who calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<Caller>,
    /// Who calls, by a regular expression of `+` and the number's digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<CallerRegex>,
    /// When the entry stops counting. Default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Expiry>,
    /// Why it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Text>,
}

impl FilterEntry {
    /// Whether a caller is meant at an instant. `None` is a caller without a number, else its digits.
    pub fn matches(&self, digits: Option<&str>, at: Timestamp, zone: &TimeZone) -> bool {
        let meant = match (&self.caller, &self.regex) {
            (Some(caller), _) => caller.matches(digits),
            (None, Some(regex)) => digits.is_some_and(|digits| regex.matches(digits)),
            (None, None) => false,
        };
        meant && !self.is_over(at, zone)
    }

    /// The first instant at which it no longer counts; nothing where it always will, or was never applied.
    pub fn until(&self, zone: &TimeZone) -> Option<Timestamp> {
        self.expires.as_ref().and_then(|expires| expires.instant(zone))
    }

    /// Whether it no longer counts.
    pub fn is_over(&self, at: Timestamp, zone: &TimeZone) -> bool {
        self.until(zone).is_some_and(|end| end <= at)
    }

    /// Who is meant, as it is written.
    pub fn who(&self) -> String {
        match (&self.caller, &self.regex) {
            (Some(caller), _) => caller.to_string(),
            (None, Some(regex)) => regex.to_string(),
            (None, None) => String::new(),
        }
    }
}

/// Who may not call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BlockFilter {
    /// Turned off, it lets everybody through.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// For those who read manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Text>,
    /// Who is denied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<FilterEntry>,
    /// Who is let through all the same: an entry here wins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<FilterEntry>,
    /// Where denied calls go: `hangup`, `hangup/busy`, or an `announcement/…` or `voicemail/…` that leads to nobody.
    #[serde(default = "rejected")]
    pub denied: Destination,
}

fn rejected() -> Destination {
    Destination::Hangup(Hangup::Normal)
}

/// So many entries may be such as each call is compared with: beyond it, callers wait for it.
const MOST_COMPARED: usize = 100;

/// The lists of a filter's spec.
const LISTS: [&str; 2] = ["deny", "allow"];

/// Gives the entries of a filter's spec that count for a length of time the instant since when they do: that of the entry for the same
/// caller and the same length in what was there before, else `now`. So what is applied again is what is there already.
pub fn stamp_filter(spec: &mut Json, before: Option<&Json>, now: Timestamp) {
    for list in LISTS {
        if let Some(entries) = spec.get_mut(list) {
            stamp_entries(entries, before.and_then(|before| before.get(list)), now);
        }
    }
}

/// [`stamp_filter`] for one of its lists. What is no list of entries is left as it is, for whoever reads it to refuse.
pub fn stamp_entries(entries: &mut Json, before: Option<&Json>, now: Timestamp) {
    let Some(entries) = entries.as_array_mut() else { return };
    let after = |entry: &Json| match entry.get("expires")?.as_str()?.parse() {
        Ok(Expiry::After { length, since }) => Some((length, since)),
        _ => None,
    };
    if !entries.iter().any(|entry| matches!(after(entry), Some((_, None)))) {
        return;
    }
    // As a caller is written makes no difference: `_+44X.` is `_44X.`.
    let who = |entry: &Json| {
        let of = |field: &str| entry.get(field)?.as_str();
        let caller =
            of("caller").map(|text| text.parse::<Caller>().map_or_else(|_| text.to_owned(), |own| own.to_string()));
        caller.or_else(|| of("regex").map(str::to_owned))
    };
    let there = before.and_then(Json::as_array).into_iter().flatten();
    let known: HashMap<String, (Duration, Timestamp)> = there
        .filter_map(|entry| match after(entry)? {
            (length, Some(since)) => Some((who(entry)?, (length, since))),
            (_, None) => None,
        })
        .collect();
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    for entry in entries {
        let Some((length, None)) = after(entry) else { continue };
        let same = who(entry).and_then(|who| known.get(&who).copied()).filter(|(own, _)| *own == length);
        let since = same.map_or(now, |(_, since)| since);
        entry["expires"] = Json::String(Expiry::After { length, since: Some(since) }.to_string());
    }
}

impl BlockFilter {
    /// The entries that an instant's call from a caller is decided by: the first that denies it, and the first that lets it through all
    /// the same. `None` is a caller without a number, else its digits.
    pub fn entries_for(
        &self,
        digits: Option<&str>,
        at: Timestamp,
        zone: &TimeZone,
    ) -> (Option<&FilterEntry>, Option<&FilterEntry>) {
        let first = |entries: &'_ [FilterEntry]| entries.iter().position(|entry| entry.matches(digits, at, zone));
        (first(&self.deny).map(|at| &self.deny[at]), first(&self.allow).map(|at| &self.allow[at]))
    }

    /// Whether a caller is denied at an instant. `None` is a caller without a number, else its digits.
    pub fn denies(&self, digits: Option<&str>, at: Timestamp, zone: &TimeZone) -> bool {
        self.enabled && matches!(self.entries_for(digits, at, zone), (Some(_), None))
    }

    /// Numbers and prefixes are looked up, however many there are; all else is compared with each caller, one after another.
    fn check_cost(&self, checker: &mut Checker<'_>) {
        let slow = |entry: &&FilterEntry| entry.regex.is_some() || matches!(entry.caller, Some(Caller::Pattern(_)));
        let count = self.deny.iter().chain(&self.allow).filter(slow).count();
        if count > MOST_COMPARED {
            let message =
                format!("{count} entries are patterns or expressions: each call is compared with each of them");
            checker.add(
                "spec",
                Diagnostic::warning("slow-filter", message).help(
                    "write them as prefixes, as `+44*`, or as numbers: those are looked up, however many there are",
                ),
            );
        }
    }

    fn check_entries(checker: &mut Checker<'_>, field: &str, entries: &[FilterEntry]) {
        for (at, entry) in entries.iter().enumerate() {
            let wrong = match (&entry.caller, &entry.regex) {
                (Some(_), None) | (None, Some(_)) => continue,
                (Some(_), Some(_)) => Diagnostic::error("conflict", "`caller` and `regex` are both given")
                    .help("keep one of them; each is an item of its own"),
                (None, None) => Diagnostic::error("missing-field", "who is meant?")
                    .help("add `caller: \"+15550001111\"`, or `regex: …`"),
            };
            checker.add(&format!("spec.{field}[{at}]"), wrong);
        }
        let known = entries.iter().enumerate().filter(|(_, entry)| !entry.who().is_empty());
        let known: Vec<(usize, String)> = known.map(|(at, entry)| (at, entry.who())).collect();
        for at in repeated(known.iter().map(|(_, who)| who)) {
            let (at, who) = &known[at];
            checker.add(
                &format!("spec.{field}[{at}]"),
                Diagnostic::error("repeated", format!("`{who}` is given twice")).help("remove one of them"),
            );
        }
    }
}

impl Spec for BlockFilter {
    fn check(&self, _: &Name, checker: &mut Checker<'_>) {
        Self::check_entries(checker, "deny", &self.deny);
        Self::check_entries(checker, "allow", &self.allow);
        self.check_cost(checker);
        checker.destination("spec.denied", &self.denied);
        if !matches!(self.denied, Destination::Hangup(_) | Destination::Announcement(_) | Destination::Voicemail(_)) {
            checker.add(
                "spec.denied",
                Diagnostic::error("not-denied", format!("`{}` would let a denied caller through", self.denied))
                    .help("`hangup`, `hangup/busy`, `announcement/…` or `voicemail/…`"),
            );
        }
    }

    fn enabled(&self) -> bool {
        self.enabled
    }
}
