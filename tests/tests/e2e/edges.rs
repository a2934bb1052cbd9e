//! What stands at the edges of the language: names that Asterisk has too, ways out that are few, and what a telephone sets beside what
//! its manifest says. Each by a real call, beside its trace.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pbx_lab::{Behaviour, Caller, Place, until};
use pbx_tests::{SOON, System, Walk, carrier, did, extension, manifest, settings};

use crate::menus::walk;
use crate::queues::{dial, member};
use crate::waiting::asked;

const LINE: &str = "+351210001000";
const MENU: &str = "+351210001001";
const FROM: &str = "+351912345678";

/// A menu whose nodes are called as what Asterisk runs at a hang-up, at a timeout, and first; boxes and queues of such names.
fn names(place: &Place) -> String {
    let menu = "
start: s
nodes:
  s: { menu: { timeout: 1s, retries: 0 }, keys: { \"1\": h, \"2\": t, \"3\": voicemail/h }, invalid: i, timedOut: i }
  h: { go: queue/login }
  t: { go: voicemail/a }
  i: { go: hangup/busy }
"
    .replace('\n', "\n  ");
    let queue = |name: &str, number: u32, more: &str| {
        manifest("Queue", name, &format!("number: \"{number}\", members: [{{ extension: \"1001\" }}]{more}"))
    };
    [
        settings(""),
        extension("1001", ""),
        carrier("main", place.ip(), ""),
        format!("---\nkind: Ivr\nmetadata: {{ name: main }}\nspec:\n{menu}\n"),
        manifest("Mailbox", "a", "pin: \"4711\""),
        manifest("Mailbox", "h", "pin: \"4711\""),
        queue("login", 600, ", onEmpty: hangup/busy"),
        queue("logout", 601, ", onEmpty: hangup/busy"),
        queue("interface", 602, ", onEmpty: hangup/busy"),
        queue("keys-login", 603, ", onEmpty: hangup/busy"),
        did(MENU, "carrier: main, destination: ivr/main"),
    ]
    .concat()
}

#[test]
fn names_may_be_those_that_asterisk_has() -> Result<()> {
    let place = Place::take()?;
    let system = System::start()?;
    system.apply(&names(&place))?;
    // Whoever comes to a box stays in it until hanging up.
    let caller = Caller::at(place).from(FROM).hold_for(Duration::from_secs(5));
    let watch = Walk::watch(system.asterisk())?;
    let node = |name: &str| format!("ivr/main.{name}");
    for (keys, end) in [
        ("", vec![node("i"), "hangup/busy".to_owned()]),
        ("1", vec![node("h"), "queue/login".to_owned(), "hangup/busy".to_owned()]),
        ("2", vec![node("t"), "voicemail/a".to_owned()]),
        ("3", vec!["voicemail/h".to_owned()]),
    ] {
        let presses: Vec<(&str, &str)> = Some(("ivr/main.s", keys)).filter(|_| !keys.is_empty()).into_iter().collect();
        let went = walk(&watch, &system, &caller, MENU, &presses)?;
        let begin = [format!("did/{MENU}"), "ivr/main".to_owned(), node("s")];
        let expected: Vec<String> = begin.into_iter().chain(end).collect();
        ensure!(went == expected, "{keys}: {went:?}, not {expected:?}");
        let traced = system.trace(&["--to", MENU, "--from", FROM, "--press", keys])?;
        ensure!(traced == expected, "{keys}: {traced:?} on paper, not {expected:?}");
    }
    // Nothing more is done at a hang-up.
    let log = system.log()?;
    for complaint in ["No entry in voicemail config file", "extension 'h'"] {
        ensure!(!log.contains(complaint), "Asterisk says: {complaint}");
    }
    Ok(())
}

/// A queue that rings at a level of a tree has its own keys, its hours and its filter there too.
#[test]
fn a_queue_in_a_tree_is_the_queue() -> Result<()> {
    let place = Place::take()?;
    let system = System::start()?;
    let queue = "members: [{ extension: \"1001\", autoLogin: true }], joinEmpty: never, leaveEmpty: never, \
                 keys: { \"1\": hangup/congestion }, blockFilter: spam, schedule: office, outOfOffice: hangup/busy";
    let parts = [
        settings(""),
        extension("1001", ""),
        carrier("main", place.ip(), ""),
        manifest("BlockFilter", "spam", "deny: [{ caller: \"+44*\" }], denied: hangup/congestion"),
        manifest("Schedule", "office", "open: [{ days: daily, hours: [\"00:00-24:00\"] }]"),
        manifest("Queue", "support", queue),
        manifest("RingTree", "support", "ring: [queue/support], timeout: 5s, noAnswer: { go: hangup }"),
        did(LINE, "carrier: main, destination: tree/support"),
    ];
    system.apply(&parts.concat())?;
    let watch = Walk::watch(system.asterisk())?;
    let (known, spam) = (Caller::at(place).from(FROM).hold(), "+44123456789");
    let begin = [format!("did/{LINE}"), "tree/support".to_owned()];
    let passed = ["filter/spam=passed", "schedule/office=open", "hangup/congestion"];
    let expected: Vec<String> = begin.iter().cloned().chain(passed.map(str::to_owned)).collect();
    // The key is pressed as soon as the queue is there: the hours are the last that is asked before.
    let went = walk(&watch, &system, &known, LINE, &[("schedule/office=open", "1")])?;
    ensure!(went == expected, "{went:?}, not {expected:?}");
    let traced = system.trace(&["--to", LINE, "--from", FROM, "--press", "1"])?;
    ensure!(traced == expected, "{traced:?} on paper, not {expected:?}");

    system.pbxctl(&["schedule", "close", "office"])?.expect(0)?;
    let expected: Vec<String> = begin
        .iter()
        .cloned()
        .chain(["filter/spam=passed", "schedule/office=closed", "hangup/busy"].map(str::to_owned))
        .collect();
    let went = walk(&watch, &system, &known, LINE, &[])?;
    ensure!(went == expected, "{went:?}, not {expected:?}");
    // A trace of the live system knows that somebody has closed it.
    let traced = system.trace(&["--to", LINE, "--from", FROM])?;
    ensure!(traced == expected, "{traced:?} on paper, not {expected:?}");
    system.pbxctl(&["schedule", "auto", "office"])?.expect(0)?;

    let denied: Vec<String> =
        begin.iter().cloned().chain(["filter/spam=denied", "hangup/congestion"].map(str::to_owned)).collect();
    let went = walk(&watch, &system, &known.from(spam), LINE, &[])?;
    ensure!(went == denied, "{went:?}, not {denied:?}");
    let traced = system.trace(&["--to", LINE, "--from", spam])?;
    ensure!(traced == denied, "{traced:?} on paper, not {denied:?}");
    Ok(())
}

/// What a manifest says of an extension, and what its telephone has set.
#[test]
fn a_telephone_forwards_before_its_manifest_does() -> Result<()> {
    let system = System::start()?;
    let parts = [
        settings(""),
        extension("1001", ", callForward: { always: extension/1002 }"),
        extension("1002", ""),
        extension("1003", ""),
        extension("1004", ""),
    ];
    system.apply(&parts.concat())?;
    let answer = Behaviour::answer_after(Duration::ZERO);
    let (second, third) = (system.phone("1002", &answer)?, system.phone("1003", &answer)?);
    let caller = system.caller("1004")?;
    caller.call("1001", system.ip())?.expect_answer()?;
    second.wait_calls(1, SOON)?;
    dial(&system, "1001", "*721003")?;
    caller.call("1001", system.ip())?.expect_answer()?;
    third.wait_calls(1, SOON)?;
    dial(&system, "1001", "*72")?;
    caller.call("1001", system.ip())?.expect_answer()?;
    second.wait_calls(2, SOON)?;
    Ok(())
}

/// Two groups of fifty, nobody there: whoever calls both has gone round in no circle, and comes to the queue behind them.
#[test]
fn large_groups_are_no_circle() -> Result<()> {
    let place = Place::take()?;
    let system = System::start()?;
    let mut parts = vec![settings(""), carrier("main", place.ip(), "")];
    let numbers: Vec<String> = (2000..2100).map(|number| number.to_string()).collect();
    parts.extend(numbers.iter().map(|number| extension(number, "")));
    for (name, members, failover) in
        [("first", &numbers[..50], "group/second"), ("second", &numbers[50..], "queue/last")]
    {
        let members = members.join("\", \"");
        parts.push(manifest(
            "ExtensionGroup",
            name,
            &format!("strategy: hunt, members: [\"{members}\"], failover: {failover}"),
        ));
    }
    parts.push(manifest("Queue", "last", "members: [{ extension: \"2000\" }], onEmpty: hangup/busy"));
    parts.push(did(LINE, "carrier: main, destination: group/first"));
    system.apply(&parts.concat())?;
    let watch = Walk::watch(system.asterisk())?;
    let went = walk(&watch, &system, &Caller::at(place).from(FROM).hold(), LINE, &[])?;
    let expected = [&format!("did/{LINE}"), "group/first", "group/second", "queue/last", "hangup/busy"];
    ensure!(went == expected, "{went:?}");
    Ok(())
}

/// Who is no member of a queue any more is in it no more, and who is called by another name stays in it as that.
#[test]
fn members_follow_what_queues_say() -> Result<()> {
    let system = System::start()?;
    let office = |contacts: u32, members: &str| {
        [
            settings(""),
            extension("1001", ""),
            extension("1002", &format!(", maxContacts: {contacts}")),
            manifest("BreakCode", "lunch", "title: Lunch, number: \"1\""),
            manifest("Queue", "sales", &format!("joinEmpty: never, members: [{members}]")),
            manifest("Queue", "other", "joinEmpty: never, members: [{ extension: \"1001\" }]"),
        ]
        .concat()
    };
    system.apply(&office(1, "{ extension: \"1001\" }, { extension: \"1002\" }"))?;
    for number in ["1001", "1002"] {
        dial(&system, number, "*45")?;
    }
    dial(&system, "1002", "*461")?;
    ensure!(member(&system, "sales", "PJSIP/1001")?.is_some(), "1001 is not logged in");
    system.apply(&office(1, "{ extension: \"1002\", penalty: 3 }"))?;
    ensure!(member(&system, "sales", "PJSIP/1001")?.is_none(), "1001 is still in the queue");
    ensure!(member(&system, "other", "PJSIP/1001")?.is_some(), "1001 is not in its other queue any more");
    let second = member(&system, "sales", "PJSIP/1002")?.context("1002 is not logged in")?;
    ensure!(second.contains("with penalty 3") && second.contains("(paused:lunch"), "{second}");
    system.apply(&office(2, "{ extension: \"1002\", penalty: 3 }"))?;
    let second = member(&system, "sales", "Local/1002@pbx-agent/n")?.context("1002 is not logged in")?;
    ensure!(second.contains("with penalty 3") && second.contains("(paused:lunch"), "{second}");
    let text = asked(&system, "queue show sales")?;
    ensure!(text.matches("1002").count() == second.matches("1002").count(), "1002 is in it twice: {text}");
    dial(&system, "1002", "*44")?;
    ensure!(member(&system, "sales", "1002")?.is_none(), "1002 is still in the queue");
    Ok(())
}

/// Breaks, and telephones that are not to be disturbed: neither ends the other.
#[test]
fn a_break_and_not_to_be_disturbed_are_two_things() -> Result<()> {
    let system = System::start()?;
    let parts = [
        settings(""),
        extension("1001", ""),
        manifest("BreakCode", "lunch", "title: Lunch, number: \"1\""),
        manifest("Queue", "sales", "joinEmpty: never, members: [{ extension: \"1001\" }]"),
    ];
    system.apply(&parts.concat())?;
    let steps = [
        ("*78", None),
        ("*45", Some("(paused:do-not-disturb")),
        ("*78", Some("")),
        ("*461", Some("(paused:lunch")),
        ("*78", Some("(paused:lunch")),
        ("*78", Some("(paused:lunch")),
        ("*46", Some("")),
        ("*78", Some("(paused:do-not-disturb")),
        ("*461", Some("(paused:lunch")),
        ("*46", Some("(paused:do-not-disturb")),
        ("*46", Some("(paused was")),
        ("*46", Some("(paused:do-not-disturb")),
        ("*78", Some("")),
    ];
    for (at, (code, expected)) in steps.into_iter().enumerate() {
        dial(&system, "1001", code)?;
        let line = member(&system, "sales", "PJSIP/1001")?;
        let good = match (&line, expected) {
            (None, None) => true,
            (Some(line), Some("")) => !line.contains("paused"),
            (Some(line), Some(words)) => line.contains(words),
            _ => false,
        };
        ensure!(good, "after step {at}, {code}: {line:?}, and not {expected:?}");
    }
    Ok(())
}

/// Whoever has too many calls already is not free, whatever Asterisk's own conditions know.
#[test]
fn nobody_is_free_where_all_have_their_calls() -> Result<()> {
    let place = Place::take()?;
    let system = System::start()?;
    let parts = [
        settings(""),
        extension("1001", ", maxCalls: 1"),
        extension("1002", ""),
        carrier("main", place.ip(), ""),
        manifest(
            "Queue",
            "sales",
            "members: [{ extension: \"1001\", autoLogin: true }], joinEmpty: nobodyFree, onEmpty: hangup/busy",
        ),
        did(LINE, "carrier: main, destination: queue/sales"),
    ];
    system.apply(&parts.concat())?;
    let phone = system.phone("1001", &Behaviour::Answer { after: Duration::ZERO, hold_for: None })?;
    let colleague = system.caller("1002")?.hold();
    let mut talking = colleague.start("1001", system.ip())?;
    talking.wait_answered(SOON)?;
    phone.wait_calls(1, SOON)?;
    until("a telephone with all its calls", SOON, || {
        Ok(asked(&system, "queue show sales")?.contains("(Busy)").then_some(()))
    })?;
    let watch = Walk::watch(system.asterisk())?;
    let went = walk(&watch, &system, &Caller::at(place).from(FROM).hold(), LINE, &[])?;
    ensure!(went == [&format!("did/{LINE}"), "queue/sales", "hangup/busy"], "{went:?}");
    asked(&system, "channel request hangup all")?;
    talking.wait()?;
    Ok(())
}
