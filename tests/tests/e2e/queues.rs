//! Who is served first in a queue, and what applies and restarts leave of those who wait, have logged in, or are on a break.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use pbx_lab::{Behaviour, Caller, Place, Sound, tone, until};
use pbx_tests::{SOON, System, did, extension, manifest, settings};

use crate::extensions::press;
use crate::waiting::asked;

const LINE: &str = "+351210001000";

/// Callers in the order in which they call; the last one is a VIP.
const CALLERS: [&str; 4] = ["+351910000001", "+351910000002", "+351910000003", "+351919999999"];

/// The channels that wait in a queue, first the next to be served, each with its priority.
fn waiting(system: &System, queue: &str) -> Result<Vec<(String, u32)>> {
    let text = asked(system, &format!("queue show {queue}"))?;
    // `1. PJSIP/carrier-main-00000001 (wait: 0:07, prio: 0)`
    let of = |line: &str| {
        let (channel, rest) = line.trim().split_once(". ")?.1.split_once(" (wait: ")?;
        let (_, priority) = rest.split_once("prio: ")?;
        Some((channel.to_owned(), priority.trim_end_matches(')').parse().ok()?))
    };
    Ok(text.lines().filter_map(of).collect())
}

/// Dials a code, and stays until Asterisk has said what it did. When it was answered is returned.
pub(crate) fn dial(system: &System, number: &str, code: &str) -> Result<SystemTime> {
    Ok(system.caller(number)?.hold().call(code, system.ip())?.expect_answer()?.decided)
}

/// How a queue has a member, if it has: a line of Asterisk's about what is called for it.
pub(crate) fn member(system: &System, queue: &str, interface: &str) -> Result<Option<String>> {
    let text = asked(system, &format!("queue show {queue}"))?;
    Ok(text.lines().find(|line| line.contains(interface)).map(str::to_owned))
}

#[test]
fn a_vip_is_served_first_and_no_apply_loses_who_waits() -> Result<()> {
    let places = CALLERS.iter().map(|_| Place::take()).collect::<Result<Vec<_>>>()?;
    let system = System::start()?;
    let addresses: Vec<String> = places.iter().map(|place| format!("\"{}/32\"", place.ip())).collect();
    let addresses = addresses.join(", ");
    let office = |weight: u32, more: &str| {
        let vip = "{ caller: \"+351919*\", priority: 10 }, { caller: \"+35191*\", priority: 1 }";
        let support = format!(
            "joinEmpty: never, leaveEmpty: never, retry: 1s, weight: {weight}, members: [{{ extension: \"1001\" }}], vip: [{vip}]"
        );
        let carrier = format!("addresses: [{addresses}], direction: inbound, codecs: [ulaw], qualify: 0s");
        [
            settings(""),
            extension("1001", ""),
            manifest("Carrier", "main", &carrier),
            did(LINE, "carrier: main, destination: queue/support"),
            manifest("Queue", "support", &support),
            more.to_owned(),
        ]
        .concat()
    };
    system.apply(&office(1, ""))?;
    let callers: Vec<Caller> =
        places.into_iter().zip(CALLERS).map(|(place, from)| Caller::at(place).from(from).hold()).collect();
    let mut calls = Vec::new();
    let mut before = Vec::new();
    for caller in &callers {
        let mut calling = caller.start(LINE, system.ip())?;
        calling.wait_answered(SOON)?;
        calls.push(calling);
        let now = until("another caller in the queue", SOON, || {
            Ok(Some(waiting(&system, "support")?).filter(|now| now.len() == calls.len()))
        })?;
        let vip = calls.len() == CALLERS.len();
        let came = if vip { now.first() } else { now.last() }.context("nobody waits")?;
        ensure!(came.1 == if vip { 10 } else { 1 } && !before.contains(came), "after {before:?} came: {now:?}");
        let others = now.iter().filter(|one| *one != came);
        ensure!(others.eq(&before), "{before:?} became {now:?}");
        before = now;
    }
    // Something else changes, then the queue itself: everybody waits where he waited.
    system.apply(&office(1, &extension("1002", "")))?;
    assert_eq!(waiting(&system, "support")?, before);
    system.apply(&office(7, &extension("1002", "")))?;
    ensure!(asked(&system, "queue show support")?.contains("W:7"), "the queue did not change");
    assert_eq!(waiting(&system, "support")?, before);

    // The first to be free takes them one after the other.
    let talk = Behaviour::Answer { after: Duration::ZERO, hold_for: Some(Duration::from_millis(300)) };
    let phone = system.phone("1001", &talk)?;
    dial(&system, "1001", "*45")?;
    let served = phone.wait_decided(CALLERS.len(), SOON)?;
    let served: Vec<&str> = served.iter().map(|call| call.from.as_str()).collect();
    assert_eq!(served, [CALLERS[3], CALLERS[0], CALLERS[1], CALLERS[2]]);
    for calling in calls {
        calling.wait()?.expect_answer()?;
    }
    assert_eq!(phone.calls()?.len(), CALLERS.len());
    Ok(())
}

#[test]
fn a_break_outlasts_applies_and_a_restart() -> Result<()> {
    let mut system = System::start()?;
    let office = |weight: u32, more: &str| {
        let queue = |name: &str, number: u32, penalty: u32| {
            let members = format!("members: [{{ extension: \"1001\", penalty: {penalty} }}]");
            let empty = "joinEmpty: never, leaveEmpty: never";
            manifest("Queue", name, &format!("number: \"{number}\", {empty}, retry: 1s, weight: {weight}, {members}"))
        };
        [
            settings(""),
            extension("1001", ", displayName: Ana Reyes"),
            extension("1003", ""),
            queue("support", 600, 2),
            queue("sales", 601, 5),
            manifest("BreakCode", "lunch", "title: Lunch, number: \"1\""),
            manifest("BreakCode", "coffee", "title: Coffee, number: \"2\", paid: true"),
            more.to_owned(),
        ]
        .concat()
    };
    system.apply(&office(1, ""))?;
    let phone = system.phone("1001", &Behaviour::answer_after(Duration::from_millis(100)))?;
    let member = |system: &System, queue: &str| member(system, queue, "PJSIP/1001");
    let on_break = |system: &System| -> Result<()> {
        for (queue, penalty) in [("support", 2), ("sales", 5)] {
            let line = member(system, queue)?.with_context(|| format!("nobody is logged in to {queue}"))?;
            let words = ["Ana Reyes", "(dynamic)", &format!("with penalty {penalty}"), "(paused:coffee was "];
            ensure!(words.iter().all(|word| line.contains(word)), "{queue}: {line}");
        }
        Ok(())
    };
    dial(&system, "1001", "*45")?;
    let logged_in = member(&system, "support")?.context("nobody is logged in")?;
    ensure!(!logged_in.contains("paused"), "{logged_in}");
    dial(&system, "1001", "*462")?;
    on_break(&system)?;
    // Something else changes, then both queues.
    system.apply(&office(1, &extension("1004", "")))?;
    on_break(&system)?;
    system.apply(&office(7, &extension("1004", "")))?;
    ensure!(asked(&system, "queue show sales")?.contains("W:7"), "the queue did not change");
    on_break(&system)?;
    // Asterisk begins anew, and the queues change once more.
    system.asterisk_mut().restart()?;
    until("pbxd at Asterisk again", SOON, || Ok(system.health()?.asterisk.connected.then_some(())))?;
    on_break(&system)?;
    system.apply(&office(9, &extension("1004", "")))?;
    on_break(&system)?;

    // It is a break indeed: whoever calls waits until it is over.
    let caller = system.caller("1003")?.hold();
    let mut calling = caller.start("600", system.ip())?;
    calling.wait_answered(SOON)?;
    until("a caller in the queue", SOON, || Ok((waiting(&system, "support")?.len() == 1).then_some(())))?;
    let end = dial(&system, "1001", "*46")?;
    let rang = phone.wait_calls(1, SOON)?;
    ensure!(rang[0].at > end && rang[0].from == "1003", "{rang:?}");
    let line = member(&system, "sales")?.context("nobody is logged in")?;
    ensure!(!line.contains("paused"), "{line}");
    asked(&system, "channel request hangup all")?;
    calling.wait()?.expect_answer()?;
    dial(&system, "1001", "*44")?;
    ensure!(member(&system, "support")?.is_none() && member(&system, "sales")?.is_none(), "still logged in");
    Ok(())
}

/// Whoever serves a queue that is recorded on demand has the code for it, whatever holds for other calls.
#[test]
fn a_member_records_a_call_of_the_queue_on_demand() -> Result<()> {
    let system = System::start()?;
    let queue = |name: &str, number: u32, more: &str| {
        let members = "members: [{ extension: \"1001\", autoLogin: true }]";
        manifest("Queue", name, &format!("number: \"{number}\", joinEmpty: never, retry: 1s, {members}{more}"))
    };
    let phones = [extension("1001", ""), extension("1002", "")].concat();
    let queues = [queue("asked", 600, ", record: onDemand"), queue("plain", 601, "")].concat();
    system.apply(&[settings(""), phones, queues].concat())?;
    let _phone = system.phone("1001", &Behaviour::answer_after(Duration::ZERO))?;
    let recorded = || -> Result<bool> {
        let files = fs::read_dir(system.asterisk().spool().join("monitor"))?;
        let paths = files.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        Ok(paths.iter().any(|path| Sound::read(path).is_ok_and(|sound| sound.has_tone(900))))
    };
    for (number, expected) in [("601", false), ("600", true)] {
        let caller = system.caller("1002")?.say(tone(900, 5_000));
        let mut talking = caller.start(number, system.ip())?;
        talking.wait_answered(SOON)?;
        press(&system, "1001", "*1")?;
        talking.wait()?.expect_answer()?;
        if expected {
            until("a recording on demand", SOON, || Ok(recorded()?.then_some(())))?;
        } else {
            ensure!(!recorded()?, "a call of {number} was recorded");
        }
    }
    Ok(())
}
