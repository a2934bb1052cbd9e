//! Opening hours where the clock jumps, by real calls: beside a trace, and beside what a person would say.

use anyhow::{Result, ensure};
use pbx_lab::{Caller, Place};
use pbx_tests::{SOON, System, Walk, carrier, did, manifest, settings};

const FROM: &str = "+351912345678";

/// Numbers, each with its hours in Lisbon: on Sundays in the hours that summer time takes or gives, on Saturdays until after midnight,
/// and the same where that Saturday is a holiday.
const LINES: [(&str, &str); 3] = [
    ("+351210001001", "open: [{ days: sun, hours: [\"01:00-03:00\"] }]"),
    ("+351210001002", "open: [{ days: sat, hours: [\"22:00-02:30\"] }]"),
    (
        "+351210001003",
        "open: [{ days: sat, hours: [\"22:00-02:30\"] }], closed: [{ date: 2027-03-27 }, { date: 2027-10-30 }]",
    ),
];

fn office(place: &Place) -> String {
    let mut text = [settings(""), carrier("main", place.ip(), "")].concat();
    for (at, (number, hours)) in LINES.into_iter().enumerate() {
        let way = format!("carrier: main, schedule: s{at}, destination: hangup/busy, afterHours: hangup/congestion");
        text.push_str(&did(number, &way));
        text.push_str(&manifest("Schedule", &format!("s{at}"), hours));
    }
    text
}

/// Calls at instants, in UTC, each with which of the lines are open then.
fn calls(instants: &[(&str, [bool; 3])]) -> Result<()> {
    for (instant, open) in instants {
        let place = Place::take()?;
        let system = System::builder().clock(&instant.replace('T', " ").replace('Z', "")).start()?;
        system.apply(&office(&place))?;
        let caller = Caller::at(place).from(FROM);
        let watch = Walk::watch(system.asterisk())?;
        for (at, ((number, _), open)) in LINES.into_iter().zip(open).enumerate() {
            let since = watch.len();
            caller.call(number, system.ip())?;
            let went = watch.wait(since, 3, SOON)?;
            let expected = [
                format!("did/{number}"),
                format!("schedule/s{at}={}", if *open { "open" } else { "closed" }),
                format!("hangup/{}", if *open { "busy" } else { "congestion" }),
            ];
            ensure!(went == expected, "{instant}: {went:?}, not {expected:?}");
            let traced = system.trace(&["--to", number, "--from", FROM, "--at", instant])?;
            ensure!(traced == went, "{instant}: {traced:?} on paper, and not {went:?}");
        }
    }
    Ok(())
}

#[test]
fn hours_hold_where_summer_time_begins() -> Result<()> {
    // At 01:00 in UTC it is 02:00 in Lisbon: the hour from 01:00 is left out.
    calls(&[
        ("2027-03-28T00:57:00Z", [false, true, false]),
        ("2027-03-28T01:02:00Z", [true, true, false]),
        ("2027-03-28T01:32:00Z", [true, false, false]),
        ("2027-03-28T02:02:00Z", [false, false, false]),
    ])
}

#[test]
fn hours_hold_where_summer_time_ends() -> Result<()> {
    // At 01:00 in UTC it is 01:00 in Lisbon again.
    calls(&[
        ("2027-10-30T23:57:00Z", [false, true, false]),
        ("2027-10-31T00:30:00Z", [true, true, false]),
        ("2027-10-31T01:02:00Z", [true, true, false]),
        ("2027-10-31T02:32:00Z", [true, false, false]),
        ("2027-10-31T03:02:00Z", [false, false, false]),
    ])
}
