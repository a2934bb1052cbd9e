//! What of a system stands in Asterisk's own database: the entries of block filters, and the schedules that somebody has turned over.
//!
//! It is a cache of what is kept elsewhere. A call looks its caller up by key, so that a hundred thousand entries cost it no more than
//! ten, and an entry comes and goes without a reload. Each says itself when it no longer counts: nobody needs to be there for that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use pbx_manifest::kinds::{BlockFilter, FilterEntry, ScheduleState};
use pbx_manifest::{Caller, Catalog, Name, Pattern, Place, TimeZone};

/// The family of block filters' entries.
pub const FILTERS: &str = "pbx-filter";
/// The family of schedules that are turned over.
pub const SCHEDULES: &str = "pbx-schedule";
/// The families that telephones write, by the number of their extension.
pub const OF_TELEPHONES: [&str; 2] = ["pbx-dnd", "pbx-forward"];

/// When an entry ends that never does: later than any call. A number like any other, so that a call compares it as one.
const NEVER: i64 = 9_999_999_999;

/// Values by their keys below a family.
pub type Entries = BTreeMap<String, String>;

/// What there is to do, in this order, to get from some entries to others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Steps {
    /// To be written before the dialplan that reads them.
    pub puts: Vec<(String, String)>,
    /// To be deleted after it.
    pub deletes: Vec<String>,
}

impl Steps {
    /// From some entries to others.
    pub fn between(from: &Entries, to: &Entries) -> Self {
        let puts = to.iter().filter(|(key, value)| from.get(*key) != Some(value));
        let deletes = from.keys().filter(|key| !to.contains_key(*key));
        Self {
            puts: puts.map(|(key, value)| (key.clone(), value.clone())).collect(),
            deletes: deletes.cloned().collect(),
        }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.puts.is_empty() && self.deletes.is_empty()
    }

    /// How much there is to do.
    pub fn len(&self) -> usize {
        self.puts.len() + self.deletes.len()
    }
}

/// The zone of dates that say none.
pub fn zone(catalog: &Catalog) -> TimeZone {
    catalog.settings().time_zone.clone()
}

/// The entries that a system wants as of an instant: those that no longer count then are left out.
pub fn filters(catalog: &Catalog, at: Timestamp) -> Entries {
    let zone = zone(catalog);
    let mut entries = Entries::new();
    for (name, filter) in &catalog.filters {
        add(&mut entries, name, &filter.spec, at, &zone);
    }
    entries
}

/// The entries of the filters that two systems have not in common, of each as of an instant.
pub fn changed(from: &Catalog, to: &Catalog, at: Timestamp) -> (Entries, Entries) {
    let zones = (zone(from), zone(to));
    let same = |name: &Name| match (from.filters.get(name), to.filters.get(name)) {
        (Some(old), Some(new)) => zones.0 == zones.1 && (Arc::ptr_eq(old, new) || old == new),
        _ => false,
    };
    let of = |catalog: &Catalog, zone: &TimeZone| {
        let mut entries = Entries::new();
        for (name, filter) in catalog.filters.iter().filter(|(name, _)| !same(name)) {
            add(&mut entries, name, &filter.spec, at, zone);
        }
        entries
    };
    (of(from, &zones.0), of(to, &zones.1))
}

/// The next instant after another at which an entry no longer counts.
pub fn next_expiry(catalog: &Catalog, after: Timestamp) -> Option<Timestamp> {
    let zone = zone(catalog);
    let filters = catalog.filters.values().filter(|filter| filter.spec.enabled);
    let entries = filters.flat_map(|filter| filter.spec.deny.iter().chain(&filter.spec.allow));
    entries.filter_map(|entry| entry.until(&zone)).filter(|until| *until > after).min()
}

/// The value of a schedule that is turned over, for ever or until an instant.
pub fn schedule(state: ScheduleState, until: Option<Timestamp>) -> String {
    until.map_or_else(|| state.to_string(), |until| format!("{state}/{}", second(until)))
}

/// The first second at or after an instant.
fn second(at: Timestamp) -> i64 {
    at.as_second() + i64::from(at.subsec_nanosecond() > 0)
}

fn add(entries: &mut Entries, name: &Name, filter: &BlockFilter, at: Timestamp, zone: &TimeZone) {
    if !filter.enabled {
        return;
    }
    for (list, all) in [("deny", &filter.deny), ("allow", &filter.allow)] {
        let mut one = |key: String, until: i64| {
            // Of two that are the same to Asterisk, as with a `+` and without, the one that lasts longer counts.
            let longer = |old: &str| old.parse::<i64>().is_ok_and(|old| until < old);
            if !entries.get(&key).is_some_and(|old| longer(old)) {
                entries.insert(key, until.to_string());
            }
        };
        let (mut lengths, mut expressions) = (BTreeSet::new(), Vec::new());
        for entry in all.iter().filter(|entry| !entry.is_over(at, zone)) {
            let until = entry.until(zone).map_or(NEVER, second);
            match &entry.caller {
                Some(Caller::Number(number)) => one(format!("{name}/{list}/number/{}", number.digits()), until),
                Some(Caller::Prefix(prefix)) => {
                    lengths.insert(prefix.digits().len());
                    one(format!("{name}/{list}/prefix/{}", prefix.digits()), until);
                }
                Some(Caller::Anonymous) => one(format!("{name}/{list}/anonymous"), until),
                Some(Caller::Pattern(_)) | None => expressions.extend(expression(entry).map(|text| (until, text))),
            }
        }
        // What a call looks up besides numbers: lengths of two digits each, and the word for expressions.
        let order = lengths.iter().rev().fold(String::new(), |all, length| format!("{all}{length:02}"));
        let order = if expressions.is_empty() { order } else { order + "rest" };
        if !order.is_empty() {
            entries.insert(format!("{name}/{list}/order"), order);
        }
        for (at, (until, text)) in expressions.iter().enumerate() {
            entries.insert(format!("{name}/{list}/regex/{}", at + 1), format!("{until}/{text}"));
        }
        if !expressions.is_empty() {
            entries.insert(format!("{name}/{list}/regexes"), expressions.len().to_string());
        }
    }
}

/// An entry as an expression of `+` and the caller's digits.
fn expression(entry: &FilterEntry) -> Option<String> {
    match (&entry.caller, &entry.regex) {
        (Some(Caller::Pattern(pattern)), _) => Some(of_pattern(pattern)),
        (None, Some(regex)) => Some(without_backslashes(regex.as_str())),
        _ => None,
    }
}

/// An expression that means the same without a backslash: Asterisk takes those away before it reads it.
fn without_backslashes(expression: &str) -> String {
    let mut text = String::with_capacity(expression.len());
    let mut letters = expression.chars();
    let mut within = false;
    while let Some(c) = letters.next() {
        match c {
            '\\' => {
                // What no number has, and brackets cannot hold as it is, is as well another letter that no number has.
                let own = letters.next().map_or('$', |own| if matches!(own, '^' | ']') { '$' } else { own });
                text.extend((!within).then_some('['));
                text.push(own);
                text.extend((!within).then_some(']'));
                continue;
            }
            '[' => within = true,
            ']' => within = false,
            _ => {}
        }
        text.push(c);
    }
    text
}

/// A pattern as a POSIX expression. Without a backslash: Asterisk takes those away before it reads the expression.
fn of_pattern(pattern: &Pattern) -> String {
    let mut text = String::from("^[+]");
    let mut closed = true;
    for place in pattern.places() {
        match place {
            Place::One(set) => {
                let letters: Vec<char> = "0123456789*#+"
                    .chars()
                    .enumerate()
                    .filter(|(bit, _)| set & (1 << bit) != 0)
                    .map(|(_, c)| c)
                    .collect();
                match letters.as_slice() {
                    [digit] if digit.is_ascii_digit() => text.push(*digit),
                    all => text.extend(['['].into_iter().chain(all.iter().copied()).chain([']'])),
                }
            }
            Place::OneOrMore => {
                text.push('.');
                closed = false;
            }
            Place::NoneOrMore => closed = false,
        }
    }
    if closed {
        text.push('$');
    }
    text
}

#[cfg(test)]
mod tests {
    use pbx_manifest::{AnySpec, Kind};
    use serde_json::{Value as Json, json};

    use super::*;

    fn system(filters: &[(&str, Json)]) -> Catalog {
        let mut catalog = Catalog::default();
        let settings = AnySpec::from_json(Kind::Settings, &json!({ "timeZone": "Europe/Lisbon" })).unwrap();
        catalog.insert("pbx".parse().unwrap(), BTreeMap::new(), settings);
        for (name, spec) in filters {
            let spec = AnySpec::from_json(Kind::BlockFilter, spec).unwrap();
            catalog.insert(name.parse().unwrap(), BTreeMap::new(), spec);
        }
        catalog
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn entries_are_keys_and_say_when_they_end() {
        let catalog = system(&[
            (
                "spam",
                json!({
                    "deny": [
                        { "caller": "+351912345678" },
                        { "caller": "+351210001000", "expires": "2026-07-01" },
                        { "caller": "+44870*", "expires": "30d@2026-11-27T08:00:00Z" },
                        { "caller": "+1*" },
                        { "caller": "anonymous" },
                        { "caller": "_1900NXX[2-5]X" },
                        { "regex": "^\\+44(70|90)", "expires": "2026-12-24T18:30" },
                        { "caller": "_882." },
                    ],
                    "allow": [{ "caller": "+44870111222" }],
                }),
            ),
            ("off", json!({ "enabled": false, "deny": [{ "caller": "anonymous" }] })),
        ]);
        let entries = filters(&catalog, at("2026-06-01T00:00:00Z"));
        let lines: Vec<String> = entries.iter().map(|(key, value)| format!("{key} {value}")).collect();
        assert_eq!(
            lines,
            [
                "spam/allow/number/44870111222 9999999999",
                "spam/deny/anonymous 9999999999",
                // Midnight in Lisbon, in summer.
                "spam/deny/number/351210001000 1782860400",
                "spam/deny/number/351912345678 9999999999",
                "spam/deny/order 0501rest",
                "spam/deny/prefix/1 9999999999",
                "spam/deny/prefix/44870 1798358400",
                "spam/deny/regex/1 9999999999/^[+]1900[23456789][0123456789][0123456789][2345][0123456789]$",
                "spam/deny/regex/2 1798137000/^[+]44(70|90)",
                "spam/deny/regex/3 9999999999/^[+]882.",
                "spam/deny/regexes 3",
            ]
        );
        assert_eq!(next_expiry(&catalog, at("2026-06-01T00:00:00Z")), Some(at("2026-06-30T23:00:00Z")));
        // At its instant an entry no longer counts, and what is made of all of them follows.
        let later = filters(&catalog, at("2026-12-27T08:00:00Z"));
        assert_eq!(later["spam/deny/order"], "01rest");
        assert_eq!(later["spam/deny/regexes"], "2");
        assert_eq!(later["spam/deny/regex/2"], "9999999999/^[+]882.");
        assert!(!later.contains_key("spam/deny/number/351210001000"));
        assert_eq!(next_expiry(&catalog, at("2026-12-27T08:00:00Z")), None);
        let steps = Steps::between(&entries, &later);
        assert_eq!(steps.puts.len() + steps.deletes.len(), steps.len());
        assert_eq!(steps.deletes, ["spam/deny/number/351210001000", "spam/deny/prefix/44870", "spam/deny/regex/3"]);
    }

    #[test]
    fn what_changes_costs_what_it_is() {
        let spam = json!({ "deny": [{ "caller": "+351912345678" }] });
        let from = system(&[("spam", spam.clone()), ("other", json!({ "deny": [{ "caller": "anonymous" }] }))]);
        let to = system(&[
            ("spam", json!({ "deny": [{ "caller": "+351912345678" }, { "caller": "+1*" }] })),
            ("more", spam),
        ]);
        let (old, new) = changed(&from, &to, at("2026-06-01T00:00:00Z"));
        let steps = Steps::between(&old, &new);
        let puts: Vec<&str> = steps.puts.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(puts, ["more/deny/number/351912345678", "spam/deny/order", "spam/deny/prefix/1"]);
        assert_eq!(steps.deletes, ["other/deny/anonymous"]);
        assert!(Steps::between(&new, &new).is_empty());
        let (old, new) = changed(&to, &to.clone(), at("2026-06-01T00:00:00Z"));
        assert!(old.is_empty() && new.is_empty());
    }

    #[test]
    fn the_same_number_written_twice_counts_as_long_as_either() {
        let deny = |entries: &[Json]| {
            let catalog = system(&[("spam", json!({ "deny": entries }))]);
            filters(&catalog, at("2026-06-01T00:00:00Z"))["spam/deny/number/351912345678"].clone()
        };
        let short = json!({ "caller": "351912345678", "expires": "2026-07-01" });
        let long = json!({ "caller": "+351912345678", "expires": "2026-08-01" });
        assert_eq!(deny(&[short.clone(), long.clone()]), deny(&[long.clone(), short.clone()]));
        assert_eq!(deny(&[short.clone(), long.clone()]), "1785538800");
        let always = json!({ "caller": "+351912345678" });
        assert_eq!(deny(&[always.clone(), short.clone()]), "9999999999");
        assert_eq!(deny(&[short, always]), "9999999999");
    }

    #[test]
    fn no_expression_needs_a_backslash() {
        for (written, meant) in [
            ("^\\+44(70|90)", "^[+]44(70|90)"),
            ("^[\\+]44\\.?[0-9]{3}$", "^[+]44[.]?[0-9]{3}$"),
            ("44\\^", "44[$]"),
            ("[^\\]7]\\[", "[^$7][[]"),
        ] {
            assert_eq!(without_backslashes(written), meant);
        }
    }

    #[test]
    fn a_schedule_says_until_when() {
        assert_eq!(schedule(ScheduleState::Open, None), "open");
        assert_eq!(schedule(ScheduleState::Closed, Some(at("2026-06-01T00:00:00.5Z"))), "closed/1780272001");
    }
}
