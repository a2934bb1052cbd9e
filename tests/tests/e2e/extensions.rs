//! Extensions: calls among them, forwards, do not disturb, voicemail, service codes, recording.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use fs_err as fs;
use pbx_asterisk::ami::{self, EventMask, Options, Request};
use pbx_lab::{Behaviour, Caller, Outcome, Place, Sound, Uas, tone, until};
use pbx_tests::{SOON, System, carrier, did, extension, settings};

fn answers() -> Behaviour {
    Behaviour::answer_after(Duration::ZERO)
}

#[test]
fn two_telephones_call_each_other() -> Result<()> {
    let system = System::start()?;
    let outcome =
        system.apply(&[settings(""), extension("1001", ", displayName: Ana Reyes"), extension("1002", "")].concat())?;
    assert!(outcome.verified.sip_objects > 0 && outcome.verified.contexts > 0, "{outcome:?}");
    let ana = system.phone("1001", &answers())?;
    let other = system.phone("1002", &answers())?;
    system.caller("1001")?.call("1002", system.ip())?.expect_answer()?;
    let call = other.wait_calls(1, SOON)?.remove(0);
    assert_eq!((call.from.as_str(), call.from_name.as_deref()), ("1001", Some("Ana Reyes")));
    system.caller("1002")?.call("1001", system.ip())?.expect_answer()?;
    assert_eq!(ana.wait_calls(1, SOON)?[0].from, "1002");
    // Nobody else's number can be used, and a number that nobody has is unknown.
    system.caller("1002")?.from("1001").call("1001", system.ip())?;
    assert!(ana.calls()?.iter().all(|call| call.from == "1002"));
    system.caller("1002")?.call("1003", system.ip())?.expect_code(404)?;
    Ok(())
}

#[test]
fn forwards_lead_where_they_say() -> Result<()> {
    let system = System::start()?;
    let forward = |number: &str, more: &str| extension(number, &format!(", ringTimeout: 1s{more}"));
    system.apply(
        &[
            settings(""),
            forward("1001", ", callForward: { always: extension/1008 }"),
            forward("1002", ", callForward: { busy: extension/1008, noAnswer: extension/1009 }"),
            forward("1003", ", callForward: { noAnswer: extension/1008, unavailable: extension/1009 }"),
            forward("1004", ", doNotDisturb: true, callForward: { busy: extension/1008 }"),
            forward("1005", ", doNotDisturb: true"),
            forward("1006", ", noAnswer: hangup/congestion"),
            forward("1007", ""),
            extension("1008", ""),
            extension("1009", ""),
            extension("1010", ""),
        ]
        .concat(),
    )?;
    let always = system.phone("1001", &answers())?;
    let busy = system.phone("1002", &Behaviour::reject(486))?;
    let silent = system.phone("1003", &Behaviour::Ignore)?;
    let undisturbed = system.phone("1004", &answers())?;
    let quiet = system.phone("1005", &answers())?;
    let refusing = system.phone("1006", &Behaviour::reject(486))?;
    let slow = system.phone("1007", &Behaviour::Ignore)?;
    let (first, second) = (system.phone("1008", &answers())?, system.phone("1009", &answers())?);
    let caller = system.caller("1010")?;
    let mut counts = (0, 0);
    let mut reaches = |number: &str, expected: (usize, usize)| -> Result<()> {
        caller.call(number, system.ip())?.expect_answer()?;
        counts = (counts.0 + expected.0, counts.1 + expected.1);
        assert_eq!((first.calls()?.len(), second.calls()?.len()), counts, "after a call to {number}");
        Ok(())
    };
    reaches("1001", (1, 0))?;
    reaches("1002", (1, 0))?;
    reaches("1003", (1, 0))?;
    reaches("1004", (1, 0))?;
    assert_eq!((always.calls()?.len(), undisturbed.calls()?.len()), (0, 0));
    assert_eq!(busy.wait_decided(1, SOON)?[0].outcome, Outcome::Rejected(486));
    assert_eq!(silent.wait_decided(1, SOON)?[0].outcome, Outcome::Cancelled);
    silent.unregister()?;
    reaches("1003", (0, 1))?;
    // Where nothing is said, the caller is told why.
    caller.call("1005", system.ip())?.expect_code(486)?;
    assert_eq!(quiet.calls()?.len(), 0);
    caller.call("1006", system.ip())?.expect_code(503)?;
    assert_eq!(refusing.wait_decided(1, SOON)?.len(), 1);
    let unanswered = caller.call("1007", system.ip())?;
    assert!((480..=486).contains(&unanswered.code) && !unanswered.gave_up, "{unanswered:?}");
    slow.unregister()?;
    caller.call("1007", system.ip())?.expect_code(480)?;
    Ok(())
}

/// Nothing else takes the number: no route carries it outside, though its pattern would.
#[test]
fn the_number_of_an_extension_that_is_turned_off_is_unknown() -> Result<()> {
    let (outside, inside) = (Place::take()?, Place::take()?);
    let system = System::start()?;
    let group = "---\nkind: ExtensionGroup\nmetadata: { name: all }\nspec: { number: \"600\", members: [\"1003\", \"1002\"] }\n";
    let route = "---\nkind: OutboundRoute\nmetadata: { name: nat }\nspec: { patterns: [_1XXX], prepend: \"+351\", carriers: [out] }\n";
    system.apply(
        &[
            settings(""),
            extension("1002", ""),
            extension("1003", ", enabled: false"),
            extension("1004", ", callForward: { always: extension/1003 }"),
            extension("1009", ", permissions: [national]"),
            carrier("out", outside.ip(), ""),
            carrier("in", inside.ip(), ""),
            did("+351210001003", "destination: extension/1003"),
            group.to_owned(),
            route.to_owned(),
        ]
        .concat(),
    )?;
    let line = Uas::listen(outside, &answers())?;
    let member = system.phone("1002", &answers())?;
    let caller = system.caller("1009")?;
    caller.call("1003", system.ip())?.expect_code(404)?;
    caller.call("1004", system.ip())?.expect_code(404)?;
    Caller::at(inside).call("+351210001003", system.ip())?.expect_code(404)?;
    assert_eq!(line.calls()?.len(), 0);
    // A group passes it over, and a number that nobody has goes where the route sends it.
    caller.call("600", system.ip())?.expect_answer()?;
    assert_eq!(member.wait_calls(1, SOON)?.len(), 1);
    caller.call("1007", system.ip())?.expect_answer()?;
    assert_eq!(line.wait_decided(1, SOON)?[0].to, "+3511007");
    Ok(())
}

#[test]
fn a_telephone_with_all_its_calls_is_busy() -> Result<()> {
    let system = System::start()?;
    system.apply(
        &[
            settings(""),
            extension("1001", ", maxCalls: 1, callForward: { busy: extension/1002 }"),
            extension("1002", ", maxContacts: 2"),
            extension("1003", ""),
            extension("1004", ""),
        ]
        .concat(),
    )?;
    let one = system.phone("1001", &answers())?;
    // Two telephones of one extension both ring.
    let desk = system.phone("1002", &Behaviour::Ignore)?;
    let mobile = system.phone("1002", &Behaviour::answer_after(Duration::from_millis(300)))?;
    let first = system.caller("1003")?.hold_for(Duration::from_secs(3));
    let mut talking = first.start("1001", system.ip())?;
    talking.wait_answered(SOON)?;
    system.caller("1004")?.call("1001", system.ip())?.expect_answer()?;
    assert_eq!(one.calls()?.len(), 1);
    assert_eq!(mobile.wait_decided(1, SOON)?[0].outcome, Outcome::Answered);
    assert_eq!(desk.wait_decided(1, SOON)?[0].outcome, Outcome::Cancelled);
    talking.wait()?.expect_answer()?;
    Ok(())
}

/// The sound files of a box's new messages.
fn messages(system: &System, number: &str) -> Vec<PathBuf> {
    let inbox = system.asterisk().spool().join(format!("voicemail/pbx/{number}/INBOX"));
    let entries = fs::read_dir(inbox).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|ending| ending == "wav")).collect()
}

#[test]
fn voicemail_takes_a_message_and_its_owner_hears_it() -> Result<()> {
    let place = Place::take()?;
    let system = System::start()?;
    let outcome = system.apply(
        &[
            settings(""),
            extension("1001", ", ringTimeout: 1s, voicemail: { enabled: true, pin: \"4321\" }"),
            extension("1002", ""),
            carrier("main", place.ip(), ""),
            did("+351210001000", "destination: voicemail/1001"),
        ]
        .concat(),
    )?;
    assert_eq!(outcome.verified.mailboxes, 1, "{outcome:?}");
    // Nobody answers, so the box does; what is said after its greeting is kept.
    let _silent = system.phone("1001", &Behaviour::Ignore)?;
    let caller = system.caller("1002")?.keys("#").pause(Duration::from_secs(2)).say(tone(700, 3_000));
    let result = caller.call("1001", system.ip())?;
    result.expect_answer()?;
    until("a message", SOON, || {
        Ok(messages(&system, "1001")
            .iter()
            .any(|path| Sound::read(path).is_ok_and(|said| said.has_tone(700)))
            .then_some(()))
    })?;
    // A number can lead to the box as well, without ringing.
    let outside = pbx_lab::Caller::at(place).keys("#").pause(Duration::from_secs(2)).say(tone(900, 3_000));
    outside.call("+351210001000", system.ip())?.expect_answer()?;
    until("a second message", SOON, || Ok((messages(&system, "1001").len() == 2).then_some(())))?;
    // The owner hears them, with the PIN.
    let owner = system.caller("1001")?.pause(Duration::from_secs(1)).keys("4321#").hold_for(Duration::from_secs(4));
    owner.call("*97", system.ip())?.expect_answer()?;
    system.wait_log("vm-youhave")?;
    Ok(())
}

#[test]
fn the_echo_test_says_what_it_hears() -> Result<()> {
    let system = System::start()?;
    system.apply(&[settings(", featureCodes: { echoTest: \"*43\" }"), extension("1001", "")].concat())?;
    let result = system.caller("1001")?.say(tone(600, 1_500)).call("*43", system.ip())?;
    assert!(result.expect_answer()?.heard.has_tone(600), "{} s heard", result.heard.seconds());
    Ok(())
}

#[test]
fn calls_are_recorded_where_they_shall_be() -> Result<()> {
    let system = System::start()?;
    system.apply(
        &[settings(""), extension("1001", ", record: always"), extension("1002", ""), extension("1003", "")].concat(),
    )?;
    let _one = system.phone("1001", &answers())?;
    let _two = system.phone("1002", &answers())?;
    let recordings = || -> Result<Vec<PathBuf>> {
        let folder = system.asterisk().spool().join("monitor/pbx");
        if !folder.exists() {
            return Ok(Vec::new());
        }
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
    };
    let say = |from: &str, pitch: u32| Ok::<_, anyhow::Error>(system.caller(from)?.say(tone(pitch, 1_500)));
    say("1003", 500)?.call("1002", system.ip())?.expect_answer()?;
    assert_eq!(recordings()?.len(), 0);
    let holds = |count: usize, pitch: u32| {
        until(&format!("recording {count}, with {pitch} Hz"), SOON, || {
            let found = recordings()?;
            let heard = found.iter().any(|path| Sound::read(path).is_ok_and(|sound| sound.has_tone(pitch)));
            Ok((found.len() == count && heard).then_some(()))
        })
    };
    // Called, and calling.
    say("1003", 700)?.call("1001", system.ip())?.expect_answer()?;
    holds(1, 700)?;
    say("1001", 900)?.call("1002", system.ip())?.expect_answer()?;
    holds(2, 900)
}

/// As if a telephone that was called pressed keys: SIPp's answering side has none.
pub(crate) fn press(system: &System, number: &str, keys: &str) -> Result<()> {
    let channel = until(&format!("a bridged channel of {number}"), SOON, || {
        let all = system.asterisk().cli("core show channels concise")?;
        let own = all.lines().filter_map(|line| line.split('!').next());
        let Some(name) = own.into_iter().find(|name| name.starts_with(&format!("PJSIP/{number}-"))) else {
            return Ok(None);
        };
        let shown = system.asterisk().cli(&format!("core show channel {name}"))?;
        Ok((!shown.contains("Not bridged")).then(|| name.to_owned()))
    })?;
    let address = format!("{}:{}", system.ip(), system.asterisk().ports().ami);
    let options = Options { events: EventMask::Off, ..Options::new(address, "pbxd", system.asterisk().secret()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (client, _events) = ami::Client::connect(&options).await?;
        for key in keys.chars() {
            let press = Request::new("PlayDTMF")
                .header("Channel", channel.as_str())
                .header("Digit", key.to_string())
                .header("Receive", "true");
            client.send(press).await?;
        }
        Ok(())
    })
}

/// A group's call is its member's: recorded where that one's calls are, by whichever of them answers.
#[test]
fn calls_through_a_group_are_recorded_as_its_members_are() -> Result<()> {
    let place = Place::take()?;
    let system = System::start()?;
    let group = |name: &str, number: &str, members: &str| {
        format!(
            "---\nkind: ExtensionGroup\nmetadata: {{ name: {name} }}\nspec: {{ number: \"{number}\", members: [{members}] }}\n"
        )
    };
    system.apply(
        &[
            settings(", featureCodes: { record: \"*1\" }"),
            extension("1001", ", record: always"),
            extension("1002", ""),
            extension("1003", ", record: onDemand"),
            extension("1004", ", record: always"),
            carrier("main", place.ip(), ""),
            group("recorded", "601", "\"1001\", \"1005\""),
            group("plain", "602", "\"1002\", \"1006\""),
            group("asked", "603", "\"1003\""),
            // None of them has a telephone.
            ["1005", "1006"].map(|number| extension(number, ", record: always")).concat(),
            did("+351210001001", "destination: group/recorded"),
            did("+351210001002", "destination: group/plain"),
        ]
        .concat(),
    )?;
    let _phones = ["1001", "1002", "1003"]
        .map(|number| system.phone(number, &answers()))
        .into_iter()
        .collect::<Result<Vec<_>>>()?;
    let heard = |pitch: u32| -> Result<usize> {
        let folder = system.asterisk().spool().join("monitor/pbx");
        if !folder.exists() {
            return Ok(0);
        }
        let files = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>>>()?;
        Ok(files.iter().filter(|path| Sound::read(path).is_ok_and(|sound| sound.has_tone(pitch))).count())
    };
    let recorded = |pitch: u32| {
        until(&format!("a recording with {pitch} Hz"), SOON, || Ok((heard(pitch)? > 0).then_some(())))?;
        heard(pitch)
    };
    let mut outside = Caller::at(place).from("+351911111111").say(tone(500, 1_500));
    outside.call("+351210001002", system.ip())?.expect_answer()?;
    outside = outside.say(tone(700, 1_500));
    outside.call("+351210001001", system.ip())?.expect_answer()?;
    assert_eq!((recorded(700)?, heard(500)?), (1, 0));
    // Where both ends are recorded, one recording is enough.
    system.caller("1004")?.say(tone(900, 1_500)).call("601", system.ip())?.expect_answer()?;
    assert_eq!(recorded(900)?, 1);
    // A member who may record on demand does so here as well.
    let on_demand = || -> Result<bool> {
        let entries = fs::read_dir(system.asterisk().spool().join("monitor"))?;
        let files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        Ok(files.iter().any(|path| path.is_file() && Sound::read(path).is_ok_and(|sound| sound.has_tone(1_100))))
    };
    let caller = system.caller("1002")?.say(tone(1_100, 6_000));
    let mut talking = caller.start("603", system.ip())?;
    talking.wait_answered(SOON)?;
    assert!(!on_demand()?);
    press(&system, "1003", "*1")?;
    talking.wait()?.expect_answer()?;
    until("a recording on demand", SOON, || Ok(on_demand()?.then_some(())))
}

#[test]
fn a_code_during_the_call_records_it() -> Result<()> {
    let system = System::start()?;
    system.apply(
        &[
            settings(", featureCodes: { record: \"*1\" }"),
            extension("1001", ", record: onDemand"),
            extension("1002", ""),
        ]
        .concat(),
    )?;
    let _other = system.phone("1002", &answers())?;
    let found = || -> Result<Vec<PathBuf>> {
        let folder = system.asterisk().spool().join("monitor");
        let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        Ok(entries.into_iter().filter(|path| path.is_file()).collect())
    };
    system.caller("1001")?.say(tone(500, 1_000)).call("1002", system.ip())?.expect_answer()?;
    assert_eq!(found()?.len(), 0);
    system.caller("1001")?.keys("*1").say(tone(500, 3_000)).call("1002", system.ip())?.expect_answer()?;
    until("a recording", SOON, || {
        Ok(found()?.iter().any(|path| Sound::read(path).is_ok_and(|sound| sound.has_tone(500))).then_some(()))
    })
}
