//! Values: what is written is what is read, and what cannot be meant is refused.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use jiff::civil::Weekday;
use pbx_manifest::kinds::CallerRegex;
use pbx_manifest::{
    Caller, Date, Days, Destination, DisplayName, Duration, Email, Endpoint, FeatureCode, FilePath, Host, Hours, Name,
    Network, Number, ObjectRef, Pattern, Prefix, Text, TimeZone, Yearly,
};
use proptest::prelude::*;

/// A value read from its own words is the same value.
fn round<T: FromStr<Err: Debug> + Display + PartialEq + Debug>(text: &str) -> T {
    let value: T = text.parse().unwrap_or_else(|error| panic!("{text}: {error:?}"));
    assert_eq!(value.to_string().parse::<T>().unwrap(), value, "{text}");
    value
}

fn refused<T: FromStr>(texts: &[&str]) {
    for text in texts {
        assert!(text.parse::<T>().is_err(), "{text:?} is accepted as {}", std::any::type_name::<T>());
    }
}

#[test]
fn what_is_refused() {
    refused::<Name>(&[
        "",
        "+",
        "-a",
        "A",
        "a b",
        "a_b",
        "ä",
        "+12a",
        "++1",
        "a/b",
        "a.b",
        &"x".repeat(64),
        "a\n",
        "a;b",
    ]);
    refused::<Number>(&["", "+", "12a", "1 2", "٣٤", "+1+2", &"1".repeat(21)]);
    refused::<Duration>(&["", "5", "s", "5x", "5 s", "-5s", "1.5h", "99999999999999999999s", "36501d", "٣s"]);
    refused::<Host>(&["", "1.2.3", "1.2.3.256", "-a", "a..b", "a b", "a;b", "a,b", "[::1]", "a/b", "a\nb", "::1%eth0"]);
    refused::<Endpoint>(&[
        "",
        ":5060",
        "a:0",
        "a:65536",
        "a:x",
        "[::1",
        "[::1]5060",
        "[::1]x",
        "sip:a",
        "sip://a",
        "a:",
        "a:+5060",
    ]);
    refused::<Network>(&[
        "",
        "10.0.0.0/33",
        "10.0.0.1/8",
        "::1/64",
        "::/129",
        "a",
        "10.0.0.0/",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
    ]);
    refused::<Prefix>(&["1+", "++", "a", "1 ", &"1".repeat(21), ";", "${X}"]);
    refused::<FeatureCode>(&["", "*97a", "+1", &"1".repeat(11), "_X"]);
    refused::<FilePath>(&["", "a", "/a;b", "/a,b", "/a\nb", "/${X}", "/a|b"]);
    refused::<Email>(&["", "a", "@b", "a@", "a@b@c", "a b@c", "a,b@c", "a|b@c", "a@b;c", "a$@b"]);
    refused::<Destination>(&[
        "",
        "1001",
        "extension",
        "extension/",
        "extension/a b",
        "group/",
        "external/",
        "external/x",
        "hangup/x",
        "Extension/1001",
        "extension/1001/x",
        "voicemail/${X}",
        "hangup/busy ",
    ]);
    refused::<Caller>(&["", "*", "+*", "Anonymous", "_", "_+", "12a", "_x", "+1*2"]);
    refused::<Pattern>(&[
        "", "_", "_x", "_z", "_1.2", "_!1", "_[", "_[]", "_[5-2]", "_[2-]", "_[-2]", "_[1-3-5]", "_[X]", "X", "a",
        "_a", "_ 1", "_1;", "_${X}",
    ]);
    refused::<Hours>(&[
        "",
        "9-10",
        "09:00",
        "24:00-09:00",
        "10:00-00:00",
        "09:00-09:00",
        "24:00-24:00",
        "09:00-24:01",
        "09:60-10:00",
        "-1:00-2:00",
        "9:0-10:00",
        "09:00-10:00-11:00",
    ]);
    refused::<Days>(&["", "monday", "mon-", "mon,,tue", "Mon", "mon-tue-wed"]);
    refused::<Yearly>(&["", "02-30", "13-01", "12-32", "00-01", "1-1", "1225", "12/25", "2026-12-25", "+1-01", "12-é"]);
    refused::<Date>(&["", "2026-02-29", "2026-1-1", "26-01-01", "2026-12-25T00", "20261225"]);
    refused::<TimeZone>(&["", "Lisbon", "Europe/Nowhere", "europe lisbon", "UTC;x", "Etc/Unknown"]);
    refused::<ObjectRef>(&["", "extension", "extension/", "extension/A", "thing/1"]);
    for bad in
        ["a\nb", "a\tb", "a\"b", "a\\b", "<a>", "a|b", "a^b", "`a`", "${a}", "$[1]", "a\u{202e}b", "a\u{200b}", "a\0"]
    {
        refused::<Text>(&[bad]);
        refused::<DisplayName>(&[bad]);
    }
    refused::<DisplayName>(&["", " ", "a,b", &"ä".repeat(40)]);
    refused::<Text>(&[&"ä".repeat(101)]);
}

#[test]
fn what_is_read_is_what_was_written() {
    for text in ["sales", "1001", "+351210001000", "a-", "0"] {
        assert_eq!(round::<Name>(text).to_string(), text);
    }
    for text in [
        "extension/1001",
        "group/sales",
        "voicemail/1001",
        "external/+551140028922",
        "hangup",
        "hangup/busy",
        "hangup/congestion",
    ] {
        assert_eq!(round::<Destination>(text).to_string(), text);
    }
    for text in ["anonymous", "+351912345678", "+35191*", "_3519XXXXXXXX", "112"] {
        assert_eq!(round::<Caller>(text).to_string(), text);
    }
    for text in ["a.example", "a.example:5080", "10.0.0.1:1", "[2001:db8::1]:65535", "[::1]"] {
        assert_eq!(round::<Endpoint>(text).to_string(), text);
    }
    assert_eq!(round::<Endpoint>("2001:db8::1").to_string(), "[2001:db8::1]");
    assert_eq!(round::<Caller>("_+3519X.").to_string(), "_3519X.");
    assert_eq!(round::<Hours>("9:00-24:00").to_string(), "09:00-24:00");
    assert_eq!(round::<Date>("2026-12-25").to_string(), "2026-12-25");
    assert_eq!(round::<Yearly>("02-29").to_string(), "02-29");
    assert_eq!(round::<TimeZone>("Europe/Lisbon").to_string(), "Europe/Lisbon");
    // A name that Asterisk's zoneinfo has in another case would be UTC there.
    assert_eq!(round::<TimeZone>("europe/lisbon").to_string(), "Europe/Lisbon");
    assert_eq!(round::<Network>("10.0.0.0/8").to_string(), "10.0.0.0/8");
    assert_eq!(round::<Network>("203.0.113.10/32").to_string(), "203.0.113.10");
    assert_eq!(round::<Network>("::/0").to_string(), "::/0");
}

#[test]
fn hours_hold_their_first_minute_and_not_their_last() {
    let hours: Hours = "09:00-24:00".parse().unwrap();
    let at = |hour: u16, minute: u16| hours.contains(hour * 60 + minute);
    assert!(!at(8, 59) && at(9, 0) && at(23, 59) && hours.over_midnight().is_none());
    let hours: Hours = "00:00-00:01".parse().unwrap();
    assert!(hours.contains(0) && !hours.contains(1));
    let hours: Hours = "18:00-02:00".parse().unwrap();
    assert!(!hours.contains(60) && hours.contains(18 * 60) && hours.contains(1439));
    assert_eq!((hours.over_midnight(), hours.end()), (Some(120), 1560));
}

#[test]
fn days_of_the_year_are_found() {
    let is = |day: &str, date: &str| round::<Yearly>(day).contains(date.parse().unwrap());
    // Easter Sundays as churches have kept them, with the two that Gauss' rule has exceptions for.
    for easter in [
        "1954-04-18",
        "1961-04-02",
        "1981-04-19",
        "2000-04-23",
        "2008-03-23",
        "2011-04-24",
        "2019-04-21",
        "2024-03-31",
        "2025-04-20",
        "2026-04-05",
        "2027-03-28",
        "2038-04-25",
        "2049-04-18",
        "2076-04-19",
        "2099-04-12",
        "2100-03-28",
    ] {
        assert!(is("easter", easter), "{easter}");
    }
    assert!(is("easter-2", "2026-04-03") && is("easter+39", "2026-05-14") && is("easter-47", "2027-02-09"));
    assert!(is("4th thu nov", "2026-11-26") && !is("4th thu nov", "2026-11-19") && !is("4th thu nov", "2026-11-27"));
    assert!(is("last mon may", "2026-05-25") && !is("last mon may", "2026-05-18") && is("last sun feb", "2032-02-29"));
    assert!(is("1st mon sep", "2026-09-07") && is("02-29", "2028-02-29") && !is("12-25", "2026-12-24"));
    refused::<Yearly>(&[
        "easter-",
        "easter+400",
        "easter 2",
        "6th mon may",
        "4th thu",
        "last mo may",
        "last mon may 2026",
    ]);
}

#[test]
fn an_expression_repeats_something() {
    refused::<CallerRegex>(&["^*44", "^+44", "+44", "(^+44)|55", "44|*5", "44$+", "(?44)", "^{2}4", "|?4"]);
    for good in ["^\\+44", "^[+*]44", "^\\(+4", "^.*44", "(44)+$", "4{2}|5?", "\\^+1", "^[(|]*4"] {
        assert!(good.parse::<CallerRegex>().is_ok(), "{good}");
    }
    let Err(refusal) = "^+44".parse::<CallerRegex>() else { panic!("it is read") };
    assert!(refusal.to_string().contains("a number's plus is written `\\+`"), "{refusal}");
}

#[test]
fn callers_are_compared_by_digits() {
    let matches = |caller: &str, number| caller.parse::<Caller>().unwrap().matches(number);
    assert!(matches("anonymous", None) && !matches("anonymous", Some("1")));
    assert!(matches("+351912345678", Some("351912345678")) && matches("351912345678", Some("+351912345678")));
    assert!(
        matches("+35191*", Some("351910")) && matches("+35191*", Some("35191")) && !matches("+35191*", Some("35192"))
    );
    assert!(matches("_+3519X", Some("+35191")) && !matches("_3519X", None) && !matches("+1*", None));
}

/// Asterisk's pattern language once more, from its description, by trying each place against each character.
fn brute(pattern: &str, number: &str) -> bool {
    fn places(pattern: &[u8], number: &[u8]) -> bool {
        let digit = |set: &[u8]| number.first().is_some_and(|c| set.contains(c));
        match pattern {
            [] => number.is_empty(),
            [b'!'] => true,
            [b'.'] => !number.is_empty(),
            [b'X', rest @ ..] => digit(b"0123456789") && places(rest, &number[1..]),
            [b'Z', rest @ ..] => digit(b"123456789") && places(rest, &number[1..]),
            [b'N', rest @ ..] => digit(b"23456789") && places(rest, &number[1..]),
            [b'[', rest @ ..] => {
                let end = rest.iter().position(|c| *c == b']').unwrap();
                let (inside, rest) = (&rest[..end], &rest[end + 1..]);
                let Some(&c) = number.first() else { return false };
                let mut at = 0;
                let mut found = false;
                while at < inside.len() {
                    if at + 2 < inside.len() && inside[at + 1] == b'-' {
                        found |= (inside[at]..=inside[at + 2]).contains(&c);
                        at += 3;
                    } else {
                        found |= inside[at] == c;
                        at += 1;
                    }
                }
                found && places(rest, &number[1..])
            }
            [own, rest @ ..] => number.first() == Some(own) && places(rest, &number[1..]),
        }
    }
    match pattern.strip_prefix('_') {
        Some(body) => places(body.as_bytes(), number.as_bytes()),
        None => pattern == number,
    }
}

fn patterns() -> impl Strategy<Value = String> {
    let place = prop_oneof![
        "[0-9XZN*#+]",
        Just("[2-57]".to_owned()),
        Just("[19]".to_owned()),
        Just("[*#+0]".to_owned()),
        Just("[0-35-8]".to_owned()),
    ];
    prop_oneof![
        "[0-9*#+]{1,6}",
        (prop::collection::vec(place, 0..6), prop_oneof![Just(""), Just("."), Just("!")])
            .prop_filter("something", |(places, end)| !places.is_empty() || !end.is_empty())
            .prop_map(|(places, end)| format!("_{}{end}", places.concat())),
    ]
}

/// Every number of up to three characters over a few letters: enough to tell any two short patterns apart.
fn short_numbers() -> Vec<String> {
    let letters = ["0", "1", "2", "5", "9", "*", "+"];
    let mut all = vec![String::new()];
    let mut last = all.clone();
    for _ in 0..4 {
        last = last.iter().flat_map(|start| letters.iter().map(move |letter| format!("{start}{letter}"))).collect();
        all.extend(last.clone());
    }
    all
}

proptest! {
    #[test]
    fn durations(seconds in 0u64..=36500 * 86400) {
        let text = Duration(seconds).to_string();
        prop_assert_eq!(text.parse::<Duration>().unwrap(), Duration(seconds));
    }

    #[test]
    fn networks(bits: u32, prefix in 0u8..=32, inside: u32) {
        let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
        let network: Network = format!("{}/{prefix}", std::net::Ipv4Addr::from(bits & mask)).parse().unwrap();
        prop_assert_eq!(round::<Network>(&network.to_string()), network);
        let address = |bits: u32| std::net::IpAddr::V4(bits.into());
        prop_assert_eq!(network.contains(address(inside)), inside & mask == bits & mask);
        prop_assert!(network.contains(address((bits & mask) | (inside & !mask))));
        prop_assert!(!network.contains("::1".parse().unwrap()));
        // Bits outside of the prefix are a slip.
        if bits & !mask != 0 {
            let text = format!("{}/{prefix}", std::net::Ipv4Addr::from(bits));
            prop_assert!(text.parse::<Network>().is_err());
        }
    }

    #[test]
    fn networks_overlap_when_they_share_an_address(a: u128, b: u128, one in 0u8..=128, other in 0u8..=128) {
        let network = |bits: u128, prefix: u8| {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            Network { address: std::net::IpAddr::V6((bits & mask).into()), prefix }
        };
        // Near ones meet more often.
        let (a, b) = (network(a, one), network(if b % 2 == 0 { a ^ (b >> 100) } else { b }, other));
        let shared = a.contains(b.address) || b.contains(a.address);
        prop_assert_eq!(a.overlaps(&b), shared);
        prop_assert_eq!(b.overlaps(&a), shared);
        prop_assert_eq!(round::<Network>(&a.to_string()), a);
    }

    #[test]
    fn hours(from in 0u16..1440, length in 1u16..=1440) {
        let hours = Hours { from, until: (from + length).min(1440) };
        prop_assert_eq!(round::<Hours>(&hours.to_string()), hours);
    }

    #[test]
    fn days(set in prop::collection::btree_set(0usize..7, 1..=7)) {
        let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let text = set.iter().map(|day| names[*day]).collect::<Vec<_>>().join(",");
        let days = round::<Days>(&text);
        for (day, weekday) in Weekday::Monday.cycle_forward().take(7).enumerate() {
            prop_assert_eq!(days.contains(weekday), set.contains(&day));
        }
        // Its runs say the same again.
        let runs: Vec<String> = days.runs().into_iter().map(|(first, last)| format!("{first}-{last}")).collect();
        prop_assert_eq!(runs.join(",").parse::<Days>().unwrap(), days);
    }

    #[test]
    fn patterns_match_as_asterisk_does(pattern in patterns(), number in "[0-9*#+]{0,6}") {
        let parsed = round::<Pattern>(&pattern);
        prop_assert_eq!(parsed.matches(&number), brute(&pattern, &number));
        if parsed.matches(&number) {
            prop_assert!(number.len() >= parsed.shortest());
        }
    }

    #[test]
    fn patterns_overlap_when_a_number_matches_both(a in patterns(), b in patterns()) {
        let (a, b): (Pattern, Pattern) = (a.parse().unwrap(), b.parse().unwrap());
        prop_assert_eq!(a.overlaps(&b), b.overlaps(&a));
        prop_assert!(a.overlaps(&a));
        let both = short_numbers().into_iter().find(|number| a.matches(number) && b.matches(number));
        prop_assert!(both.is_none() || a.overlaps(&b), "{both:?} matches both {a} and {b}");
    }

    /// The other way round, where few enough places leave nothing untried.
    #[test]
    fn patterns_that_overlap_have_a_number(a in "_[0259*+XZN]{1,3}[.!]?", b in "_[0259*+XZN]{1,3}[.!]?") {
        let (a, b): (Pattern, Pattern) = (a.parse().unwrap(), b.parse().unwrap());
        let some = short_numbers().iter().any(|number| a.matches(number) && b.matches(number));
        prop_assert_eq!(a.overlaps(&b), some, "{} {}", a, b);
    }

    #[test]
    fn whatever_is_written_is_read_or_refused(text in "\\PC{0,40}") {
        let _ = text.parse::<Pattern>().map(|value| value.matches(&text));
        let _ = (text.parse::<Name>(), text.parse::<Number>(), text.parse::<Duration>(), text.parse::<Network>());
        let _ = (text.parse::<Endpoint>(), text.parse::<Email>(), text.parse::<Hours>(), text.parse::<Days>());
        let _ = (text.parse::<Destination>(), text.parse::<Caller>(), text.parse::<TimeZone>(), text.parse::<Date>());
        // What is accepted as text carries nothing that a format would stumble over.
        if let Ok(text) = text.parse::<Text>() {
            let text = text.as_str();
            prop_assert!(!text.contains(['"', '\\', '<', '>', '|', '^', '`', '\n', '\r', '\0']));
            let run = ["${", "$["].iter().any(|start| text.contains(start));
            prop_assert!(!run);
        }
    }
}
