//! What Asterisk has of queues, music, parking lots, conferences and shared boxes: as it was meant, or it is told.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use pbx_lab::{Behaviour, until};
use pbx_tests::{CommandOutput, SOON, System, extension, manifest, settings};

/// Recordings beside the manifests, each another one.
fn recordings(system: &System) -> Result<()> {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../crates/audio/tests/data");
    let folder = system.dir().join("manifests/audio");
    fs::create_dir_all(&folder)?;
    for ending in ["mp3", "ogg", "flac"] {
        fs::copy(data.join(format!("tone.{ending}")), folder.join(format!("tone.{ending}")))?;
    }
    Ok(())
}

/// Asterisk's answer to a command, without colours.
pub(crate) fn asked(system: &System, command: &str) -> Result<String> {
    let text = system.asterisk().cli(command)?;
    Ok(text
        .split('\u{1b}')
        .enumerate()
        .map(|(at, part)| if at == 0 { part } else { part.split_once('m').map_or("", |(_, rest)| rest) })
        .collect())
}

fn says(system: &System, command: &str, words: &[&str]) -> Result<()> {
    let text = asked(system, command)?;
    for word in words {
        ensure!(text.contains(word), "`{command}` does not say {word:?}:\n{text}");
    }
    Ok(())
}

/// Applies all of a set, so that what is not there any more goes.
fn pruned(system: &System, manifests: &str) -> Result<CommandOutput> {
    system.write("whole.yaml", manifests)?;
    system.pbxctl(&["apply", "-f", "whole.yaml", "--prune", "--yes"])
}

fn people() -> String {
    [
        settings(""),
        extension("1001", ", displayName: \"Ana (Sales); Reyes\", pickupGroup: sales, holdMusic: jazz"),
        extension(
            "1002",
            ", maxContacts: 2, voicemail: { enabled: true, maxMessages: 7, maxLength: 90s, timeZone: Asia/Tokyo }",
        ),
        extension("1003", ""),
        extension("1004", ", enabled: false"),
    ]
    .concat()
}

#[test]
fn every_kind_is_had_changed_and_gone() -> Result<()> {
    let system = System::start()?;
    recordings(&system)?;
    let queue = |more: &str| {
        let members = "{ extension: \"1001\", autoLogin: true, penalty: 3 }, { extension: \"1002\", autoLogin: true }, \
                       { extension: \"1003\" }, { extension: \"1004\", autoLogin: true }";
        manifest(
            "Queue",
            "support",
            &format!("strategy: linear, members: [{members}], holdMusic: jazz, weight: 5{more}"),
        )
    };
    let whole = |queue: String, music: &str, lot: &str, room: &str, mailbox: &str| {
        [
            people(),
            queue,
            manifest("Announcement", "wait", "file: audio/tone.ogg"),
            manifest("HoldMusic", "jazz", music),
            manifest("ParkingLot", "main", lot),
            manifest("Conference", "8000", room),
            manifest("Mailbox", "general", mailbox),
        ]
        .concat()
    };
    let outcome = system.apply(&whole(
        queue(
            ", number: \"600\", maxWaiting: 9, serviceLevel: { within: 33s }, announce: { position: true, member: announcement/wait, \
             comfort: { every: 30s, play: announcement/wait } }, keys: { \"0\": extension/1003 }",
        ),
        "files: [audio/tone.mp3, audio/tone.ogg]",
        "number: \"700\", slots: 701-705, timeout: 45s, comeback: extension/1003, holdMusic: jazz",
        "pin: { generate: true }, adminPin: { generate: true }, record: true, maxMembers: 12, waitForAdmin: true",
        "email: office@example.com, lamps: [\"1001\", \"1002\"], operator: extension/1003, maxMessages: 20",
    ))?;
    let verified = &outcome.verified;
    assert_eq!(
        (verified.queues, verified.music, verified.parking_lots, verified.conferences),
        (1, 1, 1, 1),
        "{outcome:?}"
    );
    assert_eq!(verified.mailboxes, 2);
    says(
        &system,
        "queue show support",
        &[
            "(max 9) in 'linear' strategy",
            "W:5",
            "within 33s",
            "Ana Sales Reyes (PJSIP/1001) with penalty 3",
            "1002 (Local/1002@pbx-agent/n from PJSIP/1002)",
        ],
    )?;
    ensure!(!asked(&system, "queue show support")?.contains("1004"), "who is turned off is no member");
    let etc = system.asterisk().etc();
    says(&system, "moh show classes", &["Class: jazz", "Mode: playlist"])?;
    says(&system, "moh show files", &[&format!("File: {}/pbx.d/audio/", etc.display())])?;
    says(&system, "parking show main", &["701-705", "45 sec", "pbx-comeback-main", "MusicOnHold Class   :  jazz"])?;
    says(&system, "confbridge show profile bridge pbx-8000", &["Max Members:          12", "pbx/conference-8000.wav"])?;
    says(&system, "confbridge show profile user pbx-8000", &["Wait Marked:             enabled"])?;
    says(&system, "confbridge show profile user pbx-8000-admin", &["Admin:                   true"])?;
    says(&system, "voicemail show users for pbx", &["general", "pbx-Asia/Tokyo", "pbx-Europe/Lisbon"])?;
    says(&system, "pjsip show endpoint 1001", &["named_pickup_group", "sales", "general@pbx"])?;
    says(&system, "pjsip show endpoint 1002", &["1002@pbx,general@pbx"])?;

    // What differs alone is read back.
    let outcome = system.apply(&whole(
        queue(""),
        "files: [audio/tone.flac, audio/tone.mp3], order: random",
        "number: \"700\", slots: 701-709",
        "announceJoins: true",
        "displayName: The office, maxLength: 30s",
    ))?;
    assert_eq!(outcome.verified.mailboxes, 2);
    says(&system, "queue show support", &["(max unlimited)", "within 20s"])?;
    says(
        &system,
        "parking show main",
        &["701-709", "60 sec", "Comeback to Origin  :  yes", "MusicOnHold Class   :  default"],
    )?;
    says(&system, "confbridge show profile bridge pbx-8000", &["Max Members:          No Limit"])?;
    ensure!(asked(&system, "confbridge show profile user pbx-8000-admin")?.contains("No conference user profile"));
    says(&system, "voicemail show users for pbx", &["The office"])?;
    let drift = system.pbxctl(&["drift"])?.expect(0)?;
    ensure!(drift.stdout.contains("1 queue, 1 hold music, 1 parking lot and 1 conference"), "{drift}");

    // Gone: first by being turned off, then by not being named.
    let off = whole(
        manifest("Queue", "support", "enabled: false, onEmpty: hangup"),
        "enabled: false, files: [audio/tone.mp3]",
        "enabled: false, number: \"700\", slots: 701-709",
        "enabled: false",
        "enabled: false",
    );
    pruned(&system, &off)?.expect(0)?;
    ensure!(
        !asked(&system, "queue show")?.contains("support") && !asked(&system, "moh show classes")?.contains("jazz")
    );
    ensure!(
        !asked(&system, "parking show")?.contains("main")
            && !asked(&system, "confbridge show profile users")?.contains("pbx-8000")
    );
    let text = asked(&system, "voicemail show users for pbx")?;
    ensure!(!text.contains("general") && text.contains("1002"), "{text}");
    pruned(&system, &settings(""))?;
    Ok(())
}

/// A queue that is made anew keeps who waits, who has logged in by hand, and who is on a break.
#[test]
fn nobody_is_lost_when_queues_are_read_anew() -> Result<()> {
    let system = System::start()?;
    let office = |weight: u32, other: &str| {
        let members = "{ extension: \"1001\", autoLogin: true }, { extension: \"1002\" }";
        let support = format!(
            "number: \"600\", joinEmpty: never, leaveEmpty: never, members: [{members}], weight: {weight}, ringTimeout: 5s"
        );
        [
            settings(""),
            extension("1001", ""),
            extension("1002", ""),
            extension("1003", ""),
            manifest("Queue", "support", &support),
            manifest("Queue", "sales", other),
        ]
        .concat()
    };
    system.apply(&office(1, "members: [{ extension: \"1003\", autoLogin: true }]"))?;
    asked(&system, "queue add member PJSIP/1002 to support penalty 2 as Bo state_interface PJSIP/1002")?;
    asked(&system, "queue pause member PJSIP/1002 queue support reason lunch")?;
    asked(&system, "queue pause member PJSIP/1001 queue support")?;
    let caller = system.caller("1003")?.hold();
    let mut waiting = caller.start("600", system.ip())?;
    waiting.wait_answered(SOON)?;
    let waits = |system: &System| -> Result<String> {
        let text = asked(system, "queue show support")?;
        ensure!(text.contains("support has 1 calls"), "{text}");
        Ok(text)
    };
    until("a caller in the queue", SOON, || Ok(waits(&system).ok()))?;
    let there = |system: &System| -> Result<()> {
        let text = waits(system)?;
        let of = |name: &str| text.lines().find(|line| line.contains(name)).map(str::to_owned).context(text.clone());
        let by_hand = of("Bo (PJSIP/1002)")?;
        ensure!(by_hand.contains("(dynamic)") && by_hand.contains("penalty 2") && by_hand.contains("paused"), "{text}");
        ensure!(by_hand.contains("lunch"), "{text}");
        ensure!(of("PJSIP/1001")?.contains("paused"), "{text}");
        Ok(())
    };
    there(&system)?;
    // Another queue changes, then this one, then one goes; whoever waits hears nothing of it.
    system.apply(&office(1, "members: [{ extension: \"1001\", autoLogin: true }], weight: 7"))?;
    there(&system)?;
    system.apply(&office(9, "members: [{ extension: \"1001\", autoLogin: true }], weight: 7"))?;
    there(&system)?;
    says(&system, "queue show support", &["W:9"])?;
    pruned(&system, &office(9, "enabled: false"))?.expect(0)?;
    there(&system)?;
    // And what is kept of members by hand is still kept: a restart brings them back.
    let kept = asked(&system, "database show Queue/PersistentMembers")?;
    ensure!(kept.contains("PJSIP/1002;2;1;Bo;PJSIP/1002;lunch"), "{kept}");
    let phone = system.phone("1001", &Behaviour::answer_after(Duration::from_millis(100)))?;
    asked(&system, "queue unpause member PJSIP/1001 queue support")?;
    phone.wait_calls(1, SOON)?;
    asked(&system, "channel request hangup all")?;
    waiting.wait()?.expect_answer()?;
    Ok(())
}

#[test]
fn a_queue_cannot_get_an_order_while_it_is_there() -> Result<()> {
    let system = System::start()?;
    let office = |strategy: &str, more: &str| {
        let members = "{ extension: \"1003\", autoLogin: true }, { extension: \"1001\", autoLogin: true }, { extension: \"1002\", autoLogin: true }";
        let queue = manifest("Queue", "support", &format!("strategy: {strategy}, members: [{members}]{more}"));
        [settings(""), extension("1001", ""), extension("1002", ""), extension("1003", ""), queue].concat()
    };
    system.apply(&office("rrmemory", ""))?;
    system.write("linear.yaml", &office("linear", ""))?;
    let refused = system.pbxctl(&["apply", "-f", "linear.yaml", "--yes"])?;
    ensure!(
        refused.code != 0 && refused.stderr.contains("queue support cannot become linear while it is there"),
        "{refused}"
    );
    ensure!(refused.stderr.contains("enabled: false"), "{refused}");
    says(&system, "queue show support", &["'rrmemory' strategy"])?;
    // As it says.
    system.apply(&office("linear", ", enabled: false"))?;
    system.apply(&office("linear", ", enabled: true"))?;
    let text = asked(&system, "queue show support")?;
    let at = |number: &str| text.find(&format!("PJSIP/{number}")).context(text.clone());
    ensure!(text.contains("'linear' strategy") && at("1003")? < at("1001")? && at("1001")? < at("1002")?, "{text}");
    Ok(())
}

/// Of two sections of one name, Asterisk takes the first of a queue or a class of music, and of a lot every option's last: it is told
/// before, and found afterwards where it matters.
#[test]
fn what_is_also_ones_own_is_found() -> Result<()> {
    let own = [
        ("musiconhold.conf", "[jazz]\nmode = playlist\nentry = /nowhere/else\n"),
        ("queues.conf", "[general]\n[support]\nstrategy = random\n"),
        ("res_parking.conf", "[main]\nparkpos = 1-9\n"),
    ];
    let mut builder = System::builder();
    for (name, text) in own {
        builder = builder.file(name, text);
    }
    let system = builder.start()?;
    recordings(&system)?;
    let office = [
        settings(""),
        extension("1001", ""),
        manifest("HoldMusic", "jazz", "files: [audio/tone.mp3]"),
        manifest("Queue", "support", "strategy: ringall, members: [{ extension: \"1001\", autoLogin: true }]"),
        manifest("ParkingLot", "main", "number: \"700\", slots: 701-705"),
    ]
    .concat();
    system.write("office.yaml", &office)?;
    let refused = system.pbxctl(&["apply", "-f", "office.yaml", "--yes"])?;
    ensure!(refused.code != 0, "{refused}");
    for (section, (name, _)) in ["jazz", "support", "main"].into_iter().zip(own) {
        ensure!(refused.stderr.contains(&format!("[{section}] is already in {name}")), "{section}: {refused}");
        ensure!(!asked(&system, "moh show files")?.contains("pbx.d"), "nothing of it is there");
    }
    let etc = system.asterisk().etc();
    for (name, text) in own {
        let path = etc.join(name);
        let whole = fs::read_to_string(&path)?;
        fs::write(&path, whole.replace(text, if name == "queues.conf" { "[general]\n" } else { "" }))?;
    }
    system.apply(&office)?;
    system.pbxctl(&["drift"])?.expect(0)?;
    // Somebody writes them again, and has them read.
    for (name, text) in own {
        let path = etc.join(name);
        let whole = fs::read_to_string(&path)?;
        fs::write(&path, text.to_owned() + &whole.replace("[general]\n", ""))?;
    }
    for module in ["res_musiconhold", "app_queue", "res_parking"] {
        system.asterisk().cli(&format!("module reload {module}.so"))?;
    }
    let drift = system.pbxctl(&["drift"])?.expect(2)?;
    for said in [
        "the music jazz does not play the files that it should",
        "queue support: strategy should be ringall, and is random",
        "PJSIP/1001 is not a member",
    ] {
        ensure!(drift.stdout.contains(said), "{said}: {drift}");
    }
    Ok(())
}

/// An installation that was prepared for an earlier version.
#[test]
fn what_is_missing_in_a_main_file_is_told_before() -> Result<()> {
    let system = System::builder().file("voicemail.conf", "[general]\nformat = wav\n").start()?;
    system.write("box.yaml", &[settings(""), extension("1001", ", voicemail: { enabled: true }")].concat())?;
    let refused = system.pbxctl(&["apply", "-f", "box.yaml", "--yes"])?;
    ensure!(refused.code != 0, "{refused}");
    ensure!(refused.stderr.contains("voicemail.conf has no section [zonemessages]"), "{refused}");
    ensure!(refused.stderr.contains("pbxctl setup"), "{refused}");
    let path = system.asterisk().etc().join("voicemail.conf");
    let text = fs::read_to_string(&path)?;
    fs::write(&path, format!("[zonemessages]\n{text}"))?;
    system.pbxctl(&["apply", "-f", "box.yaml", "--yes"])?.expect(0)?;
    // The line by which a main file reads what is written.
    let path = system.asterisk().etc().join("queues.conf");
    let text = fs::read_to_string(&path)?;
    fs::write(&path, "[general]\n")?;
    system.write("box.yaml", &[settings(""), extension("1002", "")].concat())?;
    let refused = system.pbxctl(&["apply", "-f", "box.yaml", "--yes"])?;
    ensure!(refused.code != 0 && refused.stderr.contains("queues.conf in "), "{refused}");
    ensure!(refused.stderr.contains("`pbxctl setup` writes it"), "{refused}");
    fs::write(&path, text)?;
    system.pbxctl(&["apply", "-f", "box.yaml", "--yes"])?.expect(0).map(drop)
}

#[test]
fn a_stream_needs_its_player() -> Result<()> {
    let system = System::start()?;
    let office = [settings(""), manifest("HoldMusic", "radio", "stream: \"http://127.0.0.1:9/jazz.mp3\"")].concat();
    if PathBuf::from("/usr/bin/ffmpeg").exists() {
        assert_eq!(system.apply(&office)?.verified.music, 1);
        return says(&system, "moh show classes", &["Class: radio", "Mode: custom", "-i http://127.0.0.1:9/jazz.mp3 "]);
    }
    system.write("radio.yaml", &office)?;
    let refused = system.pbxctl(&["apply", "-f", "radio.yaml", "--yes"])?;
    ensure!(refused.code != 0 && refused.stderr.contains("there is no /usr/bin/ffmpeg, which plays it"), "{refused}");
    ensure!(!asked(&system, "moh show classes")?.contains("radio"));
    Ok(())
}

/// Who presses the code during a call parks the other side, and who dials the slot takes it.
#[test]
fn a_call_is_parked_by_its_code_and_taken() -> Result<()> {
    let system = System::start()?;
    let lot = manifest("ParkingLot", "main", "number: \"700\", slots: 701-705");
    let phones: String = ["1001", "1002", "1003"].map(|number| extension(number, "")).concat();
    system.apply(&[settings(""), phones, lot].concat())?;
    let _phone = system.phone("1002", &Behaviour::answer_after(Duration::ZERO))?;
    let caller = system.caller("1001")?.hold();
    let mut calling = caller.start("1002", system.ip())?;
    calling.wait_answered(SOON)?;
    calling.keypad().press("*2");
    until("a parked call", SOON, || {
        let parked = asked(&system, "parking show main")?;
        Ok((parked.contains("PJSIP/1002") && parked.contains("701")).then_some(()))
    })?;
    let taken = system.caller("1003")?.hold_for(Duration::from_millis(500)).call("701", system.ip())?;
    taken.expect_answer()?;
    ensure!(!asked(&system, "parking show main")?.contains("PJSIP/1002"), "it is still parked");
    drop(calling);
    Ok(())
}
