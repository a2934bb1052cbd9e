//! What should be, said by manifests: applied twice, taken back, exported, edited, deleted; on both stores.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use fs_err as fs;
use pbx_lab::{Behaviour, Caller, Place, Postgres};
use pbx_tests::{SOON, System, Walk, extension, processor_time, settings};

use super::faults::copy;

/// How often Asterisk has reloaded a module.
fn reloads(system: &System) -> Result<usize> {
    Ok(system.log()?.matches("Reloading module '").count())
}

/// How many revisions there are.
fn revisions(system: &System) -> Result<usize> {
    Ok(system.pbxctl(&["history", "-o", "name"])?.expect(0)?.stdout.lines().count())
}

/// What could be told is not asked for again and again: while nothing happens, nothing is done.
#[test]
fn pbxd_rests_while_nothing_happens() -> Result<()> {
    let system = System::start()?;
    system.apply(&[settings(""), extension("1001", "")].concat())?;
    let id = system.pbxd_id().context("pbxd does not run")?;
    let before = processor_time(id)?;
    std::thread::sleep(Duration::from_secs(3));
    let used = processor_time(id)?.saturating_sub(before);
    assert!(used < Duration::from_millis(300), "{used:?} of 3 s were used for nothing");
    Ok(())
}

#[test]
fn the_example_applied_twice_changes_nothing_the_second_time() -> Result<()> {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/small-office").canonicalize()?;
    let example = example.to_str().context("a path that is no text")?;
    let system = System::start()?;
    // The example listens everywhere; here each system has its own address, set by another owner.
    system.write("lab.yaml", &settings("").replace("timeZone: Europe/Lisbon, ", ""))?;
    system.pbxctl(&["apply", "-f", "lab.yaml", "--set", "lab", "--yes"])?.expect(0)?;
    let output = system.pbxctl(&["apply", "-f", example, "--yes", "-o", "json"])?.expect(0)?;
    let verified = output.json()?["outcome"]["verified"].take();
    for what in ["sipObjects", "contexts", "mailboxes"] {
        assert!(verified[what].as_u64() > Some(3), "{what}: {verified}");
    }
    let before = (reloads(&system)?, revisions(&system)?);

    let plan = system.pbxctl(&["plan", "-f", example, "-o", "json"])?.expect(0)?.json()?;
    for part in ["changes", "files", "reloads"] {
        assert_eq!(plan[part], serde_json::json!([]), "{part}");
    }
    system.pbxctl(&["diff", "-f", example])?.expect(0)?;
    let again = system.pbxctl(&["apply", "-f", example, "--yes"])?.expect(0)?;
    assert!(again.stdout.contains("Nothing to change."), "{again}");
    assert_eq!((reloads(&system)?, revisions(&system)?), before);

    // What was exported is the same again.
    for form in ["yaml", "json"] {
        let file = format!("export.{form}");
        system.pbxctl(&["export", "-o", form, "--out", &file])?.expect(0)?;
        system.pbxctl(&["diff", "-f", &file])?.expect(0)?;
        let again = system.pbxctl(&["apply", "-f", &file, "--yes"])?.expect(0)?;
        assert!(again.stdout.contains("Nothing to change."), "{again}");
    }
    for command in [&["history", "99"][..], &["diff", "--from", "99"], &["rollback", "99", "--yes"]] {
        let refused = system.pbxctl(command)?.expect(1)?;
        assert!(
            refused.stderr.contains("there is no revision 99\n  help: the newest is 2; `pbxctl history`"),
            "{refused}"
        );
    }
    assert_eq!((reloads(&system)?, revisions(&system)?), before);
    Ok(())
}

#[test]
fn a_call_center_is_applied_in_one_go_and_takes_calls() -> Result<()> {
    let place = Place::take()?;
    let system = System::start()?;
    // The example listens everywhere; here each system has its own address, set by another owner.
    system.write("lab.yaml", &settings("").replace("timeZone: Europe/Lisbon, ", ""))?;
    let own = system.dir().join("manifests/call-center");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/call-center"), &own)?;
    let lines = own.join("lines.yaml");
    let text = fs::read_to_string(&lines)?.replace("127.0.0.60:5060", &format!("{}:5060", place.ip()));
    fs::write(&lines, text)?;
    system.pbxctl(&["apply", "-f", "lab.yaml", "--set", "lab", "--yes"])?.expect(0)?;
    let applied = system.pbxctl(&["apply", "-f", "call-center", "--yes", "-o", "json"])?.expect(0)?.json()?;
    let verified = &applied["outcome"]["verified"];
    assert_eq!(verified["queues"], 10, "{verified}");
    for what in ["music", "parkingLots", "conferences", "mailboxes", "entries"] {
        assert!(verified[what].as_u64() > Some(0), "{what}: {verified}");
    }
    let again = system.pbxctl(&["apply", "-f", "call-center", "--yes"])?.expect(0)?;
    assert!(again.stdout.contains("Nothing to change."), "{again}");
    system.pbxctl(&["drift"])?.expect(0)?;
    // Its calls go there, on paper and by telephone.
    let passed = system.pbxctl(&["test", "-f", "call-center/calls.yaml"])?.expect(0)?;
    assert!(passed.stderr.contains("all passed"), "{passed}");
    let watch = Walk::watch(system.asterisk())?;
    let mut caller = Caller::at(place).hold_for(Duration::from_millis(300));
    for (from, to, steps) in [
        ("+351961234567", "+351210002000", &["filter/nuisance=denied", "hangup/busy"][..]),
        ("+351912345678", "+351210002004", &["ivr/faults"]),
    ] {
        let since = watch.len();
        // What became of it is seen by its steps.
        caller = caller.from(from);
        let _ = caller.call(to, system.ip())?;
        let went = watch.wait(since, steps.len() + 1, SOON)?;
        let behind: Vec<&str> = went.iter().skip(1).take(steps.len()).map(String::as_str).collect();
        assert!(went[0] == format!("did/{to}") && behind == steps, "{from}: {went:?}");
    }
    Ok(())
}

#[test]
fn only_what_a_change_touches_is_reloaded() -> Result<()> {
    let system = System::start()?;
    let base = [settings(""), extension("1001", ""), extension("1002", "")].concat();
    system.apply(&base)?;
    let modules = |change: &str| -> Result<Vec<String>> {
        let before = reloads(&system)?;
        system.apply(change)?;
        let log = system.log()?;
        let names = log.split("Reloading module '").skip(before + 1);
        Ok(names.filter_map(|rest| Some(rest.split_once('\'')?.0.to_owned())).collect())
    };
    let busy = base.replace("secret-1002", "secret-1002, callForward: { busy: extension/1001 }");
    assert_eq!(modules(&busy)?, ["pbx_config.so"]);
    assert_eq!(modules(&busy.replace("secret-1001", "another-secret"))?, ["res_pjsip.so"]);
    // The new password is the one that counts.
    system.phone("1001", &Behaviour::Ignore).map(drop).expect_err("the old password is no longer good");
    Ok(())
}

/// What administrators do with a system over its life, whatever it keeps its state in.
fn story(mut system: System) -> Result<()> {
    let manifests = [
        settings(""),
        extension("1001", ", displayName: Ana Reyes"),
        extension("1002", ", callForward: { busy: extension/1001 }"),
        extension("1003", ""),
    ]
    .concat();
    let office = system.write("office.yaml", &manifests)?;
    let apply = ["apply", "-f", "office.yaml", "--yes", "-m", "the office opens"];
    system.pbxctl(&apply)?.expect(0)?;
    let name = |system: &System| -> Result<String> {
        let object = system.pbxctl(&["get", "extension/1001", "-o", "json"])?.expect(0)?;
        let (_, rest) = object.stdout.split_once("\"displayName\": \"").with_context(|| object.to_string())?;
        Ok(rest.split_once('"').context("no name")?.0.to_owned())
    };
    assert_eq!(name(&system)?, "Ana Reyes");

    // Edited by hand: calls show it, and the manifest that says otherwise meets a conflict.
    let mut edit = system.command(&["edit", "extension/1001", "--yes", "-m", "married"])?;
    edit.env("EDITOR", "sed -i 's/Ana Reyes/Ana Silva/'");
    pbx_tests::CommandOutput::from(edit.output()?).expect(0)?;
    assert_eq!(name(&system)?, "Ana Silva");
    let phone = system.phone("1003", &Behaviour::answer_after(Duration::ZERO))?;
    system.caller("1001")?.call("1003", system.ip())?.expect_answer()?;
    assert_eq!(phone.wait_calls(1, SOON)?[0].from_name.as_deref(), Some("Ana Silva"));
    let conflict = system.pbxctl(&apply)?.expect(5)?;
    for part in ["displayName", "manual", "Ana Silva", "--force-conflicts"] {
        assert!(conflict.stderr.contains(part), "{part}:\n{conflict}");
    }
    // Two sets may share an object, but not a field.
    let other = ["apply", "-f", "other.yaml", "--set", "other", "--yes"];
    let one = |spec: &str| {
        format!("apiVersion: pbx/v1\nkind: Extension\nmetadata: {{ name: \"1002\" }}\nspec: {{ {spec} }}\n")
    };
    system.write("other.yaml", &one("callForward: { busy: extension/1003 }"))?;
    system.pbxctl(&other)?.expect(5)?;
    system.write("other.yaml", &one("maxCalls: 4"))?;
    system.pbxctl(&other)?.expect(0)?;
    // What was taken away by hand does not come back in silence.
    system.pbxctl(&["extension", "set", "1002", "callForward.busy=", "--yes"])?.expect(0)?;
    let drift = system.pbxctl(&["drift"])?.expect(2)?;
    assert!(drift.stdout.contains("callForward.busy: taken away"), "{drift}");
    let conflict = system.pbxctl(&apply)?.expect(5)?;
    assert!(conflict.stderr.contains("`manual` has taken it away"), "{conflict}");
    system.pbxctl(&[&apply[..], &["--force-conflicts"]].concat())?.expect(0)?;
    assert_eq!(name(&system)?, "Ana Reyes");

    // pbxd is killed, and knows it all when it comes back.
    system.kill_pbxd();
    system.start_pbxd()?;
    assert_eq!(revisions(&system)?, 5);
    let history = system.pbxctl(&["history"])?.expect(0)?;
    assert!(history.stdout.contains("the office opens") && history.stdout.contains("married"), "{history}");
    let diff = system.pbxctl(&["diff", "--from", "1", "--to", "2"])?.expect(2)?;
    assert!(diff.stdout.contains("Ana Reyes") && diff.stdout.contains("Ana Silva"), "{diff}");
    system.pbxctl(&["diff", "-f", "office.yaml"])?.expect(0)?;
    system.pbxctl(&["diff", "--from", "4", "--to", "4"])?.expect(0)?;

    // Back to the edited name, and that is a revision as well.
    system.pbxctl(&["rollback", "2", "--yes"])?.expect(0)?;
    assert_eq!(name(&system)?, "Ana Silva");
    assert_eq!(revisions(&system)?, 6);
    assert!(system.asterisk().cli("pjsip show endpoint 1001")?.contains("Ana Silva"));

    // What others refer to stays; what nobody needs goes.
    let refused = system.pbxctl(&["delete", "extension/1001", "--yes"])?;
    assert!(refused.code == 1 && refused.stderr.contains("extension/1002"), "{refused}");
    system.pbxctl(&["delete", "extension/1003", "--yes"])?.expect(0)?;
    system.pbxctl(&["get", "extension/1003"])?.expect(1)?;
    system.caller("1001")?.call("1003", system.ip())?.expect_code(404)?;

    // No secret is ever said.
    for args in [
        &["get", "extensions", "-o", "json"][..],
        &["get", "extensions", "-o", "yaml"],
        &["describe", "extension/1001"],
        &["export"],
        &["history", "1", "-o", "json"],
        &["diff", "--from", "1", "-o", "json"],
    ] {
        let output = system.pbxctl(args)?;
        assert!(!output.to_string().contains("secret-100"), "{output}");
    }
    fs::remove_file(office)?;
    Ok(())
}

#[test]
fn the_story_on_sqlite() -> Result<()> {
    story(System::start()?)
}

#[test]
fn the_story_on_postgresql() -> Result<()> {
    let database = Postgres::start()?;
    let system = System::builder().store(database.create("pbx")?).start()?;
    assert_eq!(system.health()?.store, "postgres");
    story(system)
}

#[test]
fn many_deletions_at_once_have_to_be_meant() -> Result<()> {
    let system = System::start()?;
    let numbers: Vec<String> = (1001..=1012).map(|number| number.to_string()).collect();
    let all: String = numbers.iter().map(|number| extension(number, "")).collect();
    let one = [settings(""), extension("1001", "")].concat();
    system.apply(&[settings(""), all].concat())?;
    // Without `--prune`, what is not named stays.
    system.apply(&one.replace("secret-1001", "secret-1001, maxCalls: 3"))?;
    assert_eq!(system.pbxctl(&["get", "extensions", "-o", "name"])?.stdout.lines().count(), 12);
    system.write("one.yaml", &one)?;
    let refused = system.pbxctl(&["apply", "-f", "one.yaml", "--prune", "--yes"])?.expect(7)?;
    assert!(refused.stderr.contains("--allow-deletes 11"), "{refused}");
    system.write("empty.yaml", "# nothing\n")?;
    system.pbxctl(&["apply", "-f", "empty.yaml", "--prune", "--yes"])?.expect(1)?;
    assert_eq!(system.pbxctl(&["get", "extensions", "-o", "name"])?.stdout.lines().count(), 12);
    system.pbxctl(&["apply", "-f", "one.yaml", "--prune", "--allow-deletes", "11", "--yes"])?.expect(0)?;
    assert_eq!(system.pbxctl(&["get", "extensions", "-o", "name"])?.stdout.lines().count(), 1);
    assert!(!system.asterisk().cli("pjsip show endpoints")?.contains("1012"));
    Ok(())
}

#[test]
fn a_stock_asterisk_is_set_up_and_telephones_call() -> Result<()> {
    let system = System::builder().stock().start()?;
    let outcome = system.apply(&[settings(""), extension("1001", ""), extension("1002", "")].concat())?;
    assert!(outcome.verified.sip_objects > 0, "{outcome:?}");
    let phone = system.phone("1001", &Behaviour::answer_after(Duration::ZERO))?;
    system.caller("1002")?.call("1001", system.ip())?.expect_answer()?;
    assert_eq!(phone.wait_calls(1, SOON)?.len(), 1);
    Ok(())
}

/// Without settings, Asterisk would listen everywhere. Where that cannot be, it is said before anything is tried.
#[test]
fn settings_stay_where_their_defaults_cannot_hold() -> Result<()> {
    let system = System::start()?;
    system.apply(&[settings("").replace("{ip}:5060", "{ip}:5070"), extension("1001", "")].concat())?;
    let before = revisions(&system)?;
    let _another = std::net::UdpSocket::bind((system.ip(), 5060))?;
    for how in ["--dry-run", "--yes"] {
        let refused = system.pbxctl(&["delete", "settings/pbx", how])?.expect(1)?;
        for words in
            ["without settings/pbx, the default transports come back", "0.0.0.0:5060", "pbxctl edit settings/pbx"]
        {
            assert!(refused.stderr.contains(words), "{refused}");
        }
    }
    assert_eq!(revisions(&system)?, before, "nothing was tried");
    Ok(())
}
