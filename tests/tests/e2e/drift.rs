//! What somebody changes behind pbxd's back: found, told, and never written over in silence.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use anyhow::{Context as _, Result};
use fs_err as fs;
use pbx_lab::until;
use pbx_tests::{CommandOutput, SOON, System, extension, settings};

#[test]
fn what_was_changed_by_hand_is_told_and_not_written_over_in_silence() -> Result<()> {
    let mut system = System::start()?;
    let base = [settings(""), extension("1001", ", displayName: Ana"), extension("1002", "")].concat();
    system.apply(&base)?;
    let same = system.pbxctl(&["drift"])?.expect(0)?;
    assert!(same.stdout.contains("Nothing differs"), "{same}");

    // A file, by an editor.
    let path = system.asterisk().etc().join("pbx.d/current/pjsip.conf");
    let text = fs::read_to_string(&path)?;
    fs::write(&path, text.clone() + "\n[1002](+)\nallow=g729\n[extra]\ntype=auth\npassword=hunter22222\n")?;
    let told = system.pbxctl(&["drift"])?.expect(2)?;
    assert!(told.stdout.contains("pjsip.conf was changed") && told.stdout.contains("+allow=g729"), "{told}");
    assert!(told.stderr.contains("--overwrite-drift") && !told.stderr.contains("The next apply of anything"), "{told}");
    assert!(!told.to_string().contains("hunter22222"), "{told}");
    let json = system.pbxctl(&["drift", "-o", "json"])?.expect(2)?.json()?;
    assert_eq!(json["files"][0]["name"], "pjsip.conf");

    system.write("eva.yaml", &base.replace("Ana", "Eva"))?;
    let plan = system.pbxctl(&["plan", "-f", "eva.yaml"])?.expect(0)?;
    assert!(plan.stdout.contains("pjsip.conf was changed"), "{plan}");
    // Written over, all of it is reloaded.
    assert!(plan.stdout.contains("read back: its files were changed by hand"), "{plan}");
    assert!(plan.stdout.contains("voicemail.conf"), "{plan}");
    let refused = system.pbxctl(&["apply", "-f", "eva.yaml", "--yes"])?.expect(5)?;
    assert!(refused.stderr.contains("pjsip.conf was changed by hand"), "{refused}");
    assert!(refused.stderr.contains("--overwrite-drift"), "{refused}");
    assert_eq!(system.health()?.revision, Some(1));
    assert!(fs::read_to_string(&path)?.contains("g729"), "what somebody wrote is still there");
    // Also after pbxd has started anew.
    system.kill_pbxd();
    system.start_pbxd()?;
    system.pbxctl(&["apply", "-f", "eva.yaml", "--yes"])?.expect(5)?;
    system.pbxctl(&["apply", "-f", "eva.yaml", "--yes", "--overwrite-drift"])?.expect(0)?;
    assert!(!fs::read_to_string(&path)?.contains("g729"));
    system.pbxctl(&["drift"])?.expect(0)?;
    let endpoint = system.asterisk().cli("pjsip show endpoint 1002")?;
    assert!(!endpoint.contains("g729"), "{endpoint}");

    // A file that is gone.
    fs::remove_file(system.asterisk().etc().join("pbx.d/current/voicemail.conf"))?;
    let told = system.pbxctl(&["drift"])?.expect(2)?;
    assert!(told.stdout.contains("voicemail.conf is gone"), "{told}");
    system.pbxctl(&["apply", "-f", "eva.yaml", "--yes", "--overwrite-drift"])?.expect(0)?;
    system.pbxctl(&["drift"])?.expect(0)?;
    Ok(())
}

/// What Asterisk once said it had, it may have lost: by somebody's own reload, or by a command.
#[test]
fn what_asterisk_lost_comes_back_with_the_next_apply() -> Result<()> {
    let system = System::start()?;
    let base = [settings(""), extension("1001", ""), extension("1002", "")].concat();
    system.apply(&base)?;
    system.write("base.yaml", &base)?;
    let apply = || system.pbxctl(&["apply", "-f", "base.yaml", "--yes"])?.expect(0);
    assert!(apply()?.stdout.contains("Nothing to change"));

    system.asterisk().cli("dialplan remove context pbx-hints")?;
    let told = system.pbxctl(&["drift"])?.expect(2)?;
    assert!(told.stdout.contains("context pbx-hints is not there"), "{told}");
    assert!(told.stderr.contains("reloads all of it"), "{told}");
    let again = apply()?;
    assert!(!again.stdout.contains("Nothing to change"), "{again}");
    system.pbxctl(&["drift"])?.expect(0)?;
    assert!(apply()?.stdout.contains("Nothing to change"));

    // Or by going back to what is live.
    system.asterisk().cli("dialplan remove context pbx-hints")?;
    system.pbxctl(&["drift"])?.expect(2)?;
    let live = system.health()?.revision.context("a revision")?.to_string();
    system.pbxctl(&["rollback", &live, "--yes"])?.expect(0)?;
    system.pbxctl(&["drift"])?.expect(0)?;
    Ok(())
}

/// Somebody's own reload, of files that say something else, is told of whatever they say: options of boxes, accounts, registrations.
#[test]
fn what_asterisk_read_from_other_files_is_told() -> Result<()> {
    let system = System::start()?;
    let account = "registration: { username: acme, password: provider-secret }";
    let carriers = [
        format!("---\nkind: Carrier\nmetadata: {{ name: one }}\nspec: {{ hosts: [\"192.0.2.1\"], {account} }}\n"),
        format!("---\nkind: Carrier\nmetadata: {{ name: two }}\nspec: {{ hosts: [\"192.0.2.2\"], {account} }}\n"),
        "---\nkind: Carrier\nmetadata: { name: three }\nspec: { hosts: [\"192.0.2.3\"] }\n".into(),
    ]
    .concat();
    let with_box =
        extension("1001", ", displayName: Ana, email: ana@example.com, voicemail: { enabled: true, pin: \"4711\" }");
    system.apply(&[settings(", ice: { stun: [\"192.0.2.9:3478\"] }"), with_box, carriers].concat())?;
    system.pbxctl(&["drift"])?.expect(0)?;

    let file = |name: &str| system.asterisk().etc().join("pbx.d/current").join(name);
    let edits = [
        ("voicemail.conf", "app_voicemail.so", vec![("attach=yes", "attach=no")]),
        ("rtp.conf", "res_rtp_asterisk.so", vec![("192.0.2.9", "192.0.2.8")]),
        (
            "pjsip.conf",
            "res_pjsip.so",
            vec![
                ("password = provider-secret", "password = another"),
                ("retry_interval = 30", "retry_interval = 40"),
                ("endpoint = carrier-three\nmatch", "endpoint = carrier-three\nmatch = 192.0.2.4\nmatch"),
            ],
        ),
    ];
    for (name, module, changes) in edits {
        let kept = fs::read_to_string(file(name))?;
        let mut edited = kept.clone();
        for (from, to) in changes {
            assert!(edited.contains(from), "{name} has no {from}:\n{kept}");
            edited = edited.replacen(from, to, 1);
        }
        fs::write(file(name), &edited)?;
        system.asterisk().cli(&format!("module reload {module}"))?;
        // Asterisk has read it; the file is as it was.
        fs::write(file(name), kept)?;
    }
    let told = system.pbxctl(&["drift"])?.expect(2)?;
    for part in [
        "voicemail box 1001: whether messages are attached to mail",
        "stunaddr should be 192.0.2.9:3478",
        "SIP auth carrier-one: password is not the one",
        "SIP registration carrier-one: retry_interval should be `30`",
        "SIP identify carrier-three: match",
    ] {
        assert!(told.stdout.contains(part), "{part}:\n{told}");
    }
    assert!(!told.stdout.contains("another") && !told.stdout.contains("provider-secret"), "{told}");
    Ok(())
}

#[test]
fn what_asterisk_was_told_by_hand_and_what_was_set_by_hand_is_told() -> Result<()> {
    let mut system = System::start()?;
    system.apply(&[settings(""), extension("1001", ", displayName: Ana")].concat())?;
    let watch = system.command(&["drift", "--watch", "--every", "1s"])?;
    let mut watch = { watch }.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;

    // Asterisk's console.
    let contexts = system.asterisk().cli("dialplan show")?;
    let context = contexts.split("Context 'pbx-").nth(1).and_then(|rest| rest.split('\'').next()).unwrap_or_default();
    system.asterisk().cli(&format!("dialplan add extension 999,1,NoOp(x) into pbx-{context}"))?;
    let told = until("the dialplan to differ", SOON, || {
        let told = system.pbxctl(&["drift"])?;
        Ok((told.code == 2).then_some(told))
    })?;
    assert!(told.stdout.contains("Asterisk\n") && told.stdout.contains(&format!("pbx-{context}")), "{told}");
    system.asterisk().cli(&format!("dialplan remove extension 999@pbx-{context}"))?;
    system.pbxctl(&["drift"])?.expect(0)?;

    // A field.
    let edit = system.command(&["edit", "extension/1001", "--yes"])?.env("EDITOR", "sed -i s/Ana/Eva/").output()?;
    CommandOutput::from(edit).expect(0)?;
    let told = system.pbxctl(&["drift"])?.expect(2)?;
    assert!(told.stdout.contains("Set by hand") && told.stdout.contains("displayName: Eva"), "{told}");
    system.pbxctl(&["drift", "--no-manual"])?.expect(0)?;
    // Whoever changes another field later is not who set this one.
    system.pbxctl(&["extension", "set", "1001", "maxCalls=5", "--yes"])?.expect(0)?;
    let json = system.pbxctl(&["drift", "-o", "json"])?.expect(2)?.json()?;
    let of = |path: &str| json["manual"].as_array()?.iter().find(|field| field["path"] == path).cloned();
    assert_eq!(of("spec.displayName").context("no displayName")?["revision"], 2);
    assert_eq!(of("spec.maxCalls").context("no maxCalls")?["revision"], 3);

    // The watch tells it too, and ends with what is.
    let told = BufReader::new(watch.stdout.take().context("no output")?);
    let mut lines = told.lines();
    assert!(lines.any(|line| line.is_ok_and(|line| line.contains("displayName: Eva"))));
    assert!(std::process::Command::new("kill").args(["-INT", &watch.id().to_string()]).status()?.success());
    assert_eq!(watch.wait()?.code(), Some(2));

    // Without Asterisk it is not known what else differs.
    system.asterisk_mut().stop()?;
    let told = system.pbxctl(&["drift"])?.expect(6)?;
    assert!(told.stdout.contains("displayName: Eva") && told.stderr.contains("Asterisk was not asked"), "{told}");
    Ok(())
}
