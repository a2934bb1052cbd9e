//! Calls that come in: numbers, hours, holidays, callers who go elsewhere.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Result, ensure};
use pbx_lab::{Behaviour, Caller, Phone, Place, until};
use pbx_tests::{SOON, System, carrier, did, extension, settings};

const HOURS: &str = "---
kind: Schedule
metadata: { name: office }
spec:
  open:
    - { days: mon-fri, hours: [\"09:00-13:00\", \"14:00-18:00\"] }
  closed:
    - { date: 2026-12-25, name: Christmas }
    - { yearly: 01-01, name: New Year }
";

const LINE: &str = "+351210001000";
const EXTENSIONS: [&str; 6] = ["1000", "1001", "1002", "1003", "1004", "1005"];

/// Telephones by what leads to them.
const OPEN: usize = 0;
const CLOSED: usize = 1;

/// Callers who go elsewhere at any hour: a number with and without its `+`, a prefix, a pattern, no number at all.
const RULES: [(&str, usize); 5] =
    [("+351911111111", 2), ("351911111111", 2), ("+351921234567", 3), ("+351931234567", 4), ("anonymous", 5)];

/// A main line with hours, and with callers who go elsewhere: each way ends at a telephone of its own.
fn office(carrier_ip: Ipv4Addr) -> String {
    let line = did(
        LINE,
        "carrier: main, schedule: office, destination: extension/1000, afterHours: extension/1001, callers: [\
         { from: \"+351911111111\", destination: extension/1002 }, { from: \"+35192*\", destination: extension/1003 }, \
         { from: \"_+35193ZXXXXXX\", destination: extension/1004 }, { from: anonymous, destination: extension/1005 }]",
    );
    let phones = EXTENSIONS.map(|number| extension(number, "")).concat();
    [settings(""), phones, HOURS.to_owned(), carrier("main", carrier_ip, ""), line].concat()
}

fn phones(system: &System) -> Result<Vec<Phone>> {
    EXTENSIONS.iter().map(|number| system.phone(number, &Behaviour::answer_after(Duration::ZERO))).collect()
}

/// Which telephone rings when this caller dials the main line.
fn rings(system: &System, phones: &[Phone], caller: &Caller) -> Result<usize> {
    let count = |phones: &[Phone]| phones.iter().map(|phone| Ok(phone.calls()?.len())).collect::<Result<Vec<_>>>();
    let before = count(phones)?;
    caller.call(LINE, system.ip())?.expect_answer()?;
    let after = count(phones)?;
    let rang: Vec<usize> = (0..phones.len()).filter(|at| after[*at] > before[*at]).collect();
    ensure!(rang.len() == 1, "one telephone rings for a call, not {rang:?}");
    Ok(rang[0])
}

fn rules_hold(system: &System, phones: &[Phone], mut caller: Caller) -> Result<()> {
    for (from, expected) in RULES {
        caller = caller.from(from);
        assert_eq!(rings(system, phones, &caller)?, expected, "a call from {from}");
    }
    Ok(())
}

#[test]
fn the_hours_end_on_the_second_and_callers_win_over_them() -> Result<()> {
    let place = Place::take()?;
    // A Monday; Lisbon has UTC in winter.
    let mut system = System::builder().clock("2026-11-23 12:59:52").start()?;
    system.apply(&office(place.ip()))?;
    let phones = phones(&system)?;
    let mut caller = Caller::at(place).from("+351910000000");
    // Registrations are kept over a restart, and the clock begins anew.
    system.asterisk_mut().restart()?;
    let clock = |system: &System| system.asterisk().cli("dialplan eval function STRFTIME(,Europe/Lisbon,%H:%M:%S)");
    assert_eq!(rings(&system, &phones, &caller)?, OPEN);
    assert!(clock(&system)?.contains("12:59:"), "the call came too late to say anything");
    until("the end of the hours", SOON, || Ok(clock(&system)?.contains("13:00:0").then_some(())))?;
    assert_eq!(rings(&system, &phones, &caller)?, CLOSED);
    caller = caller.from("+351939999999");
    assert_eq!(rings(&system, &phones, &caller)?, 4, "a pattern's last digits are any");
    caller = caller.from("+351930999999");
    assert_eq!(rings(&system, &phones, &caller)?, CLOSED, "Z is no zero");
    rules_hold(&system, &phones, caller)
}

#[test]
fn a_holiday_is_closed_all_day_and_callers_win_over_it() -> Result<()> {
    let place = Place::take()?;
    // A Friday, in the middle of the hours.
    let system = System::builder().clock("2026-12-25 10:00:00").start()?;
    system.apply(&office(place.ip()))?;
    let phones = phones(&system)?;
    let caller = Caller::at(place).from("+351910000000");
    assert_eq!(rings(&system, &phones, &caller)?, CLOSED);
    rules_hold(&system, &phones, caller)
}

#[test]
fn a_holiday_of_every_year_is_closed_in_any() -> Result<()> {
    // Both are Fridays, in the middle of the hours.
    for (clock, expected) in [("2027-01-01 10:00:00", CLOSED), ("2032-01-02 10:00:00", OPEN)] {
        let place = Place::take()?;
        let system = System::builder().clock(clock).start()?;
        system.apply(&office(place.ip()))?;
        let phones = phones(&system)?;
        assert_eq!(rings(&system, &phones, &Caller::at(place).from("+351910000000"))?, expected, "{clock}");
    }
    Ok(())
}

#[test]
fn a_withheld_number_is_anonymous_although_the_network_knows_it() -> Result<()> {
    let place = Place::take()?;
    let system = System::builder().clock("2026-11-23 10:00:00").start()?;
    system.apply(&office(place.ip()))?;
    let phones = phones(&system)?;
    let caller = Caller::at(place)
        .from("anonymous")
        .header("P-Asserted-Identity", "<sip:+351911111111@carrier.example>")
        .header("Privacy", "id");
    assert_eq!(rings(&system, &phones, &caller)?, 5);
    Ok(())
}

#[test]
fn numbers_are_read_as_the_carrier_sends_them() -> Result<()> {
    let (national, other) = (Place::take()?, Place::take()?);
    let system = System::start()?;
    system.apply(&[
        settings(""),
        extension("1000", ""),
        extension("1001", ""),
        carrier("national", national.ip(), ", inbound: { number: { prepend: \"+351\" }, caller: { strip: 1, prepend: \"+44\" } }"),
        carrier("other", other.ip(), ""),
        did(LINE, "carrier: national, destination: extension/1000, callers: [{ from: \"+4420*\", destination: extension/1001 }]"),
        did("+351210001009", "destination: extension/1001, enabled: false"),
    ]
    .concat())?;
    let first = system.phone("1000", &Behaviour::answer_after(Duration::ZERO))?;
    let second = system.phone("1001", &Behaviour::answer_after(Duration::ZERO))?;
    let caller = Caller::at(national).from("02012345678");
    caller.call("210001000", system.ip())?.expect_answer()?;
    assert_eq!(second.calls()?.len(), 1);
    let caller = caller.from("0161555");
    caller.call("210001000", system.ip())?.expect_answer()?;
    assert_eq!((first.calls()?.len(), second.calls()?.len()), (1, 1));
    // What is no number of ours, what is turned off, and what came by another carrier.
    caller.call("999999999", system.ip())?.expect_code(404)?;
    caller.call("210001009", system.ip())?.expect_code(404)?;
    Caller::at(other).from("0161555").call(LINE, system.ip())?.expect_code(404)?;
    assert_eq!((first.calls()?.len(), second.calls()?.len()), (1, 1));
    Ok(())
}
