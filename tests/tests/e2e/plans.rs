//! Plans that are kept, waited for and looked back at.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use pbx_api::{ApplyRequest, Client, Event, OutcomeResult};
use pbx_lab::{Behaviour, Phone, until};
use pbx_tests::{CommandOutput, Fault, SOON, System, extension, settings};

#[test]
fn a_kept_plan_is_carried_out_once_and_only_as_it_was_shown() -> Result<()> {
    let mut system = System::start()?;
    let base = [settings(""), extension("1001", "")].concat();
    system.apply(&base)?;
    system.write("more.yaml", &[base.as_str(), &extension("1002", ", displayName: Eva")].concat())?;
    let made = system.pbxctl(&["plan", "-f", "more.yaml", "--out", "night.plan"])?.expect(0)?;
    assert!(made.stderr.contains("pbxctl apply night.plan"), "{made}");
    let path = system.write("beside.yaml", "")?.with_file_name("night.plan");
    assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&path)?;
    assert!(!text.contains("secret-100"), "a secret in the open");
    assert_eq!(system.pbxctl(&["plan", "-f", "more.yaml", "--out", "none/night.plan"])?.code, 1);

    // It outlives pbxd, and is shown without it.
    system.kill_pbxd();
    let shown = system.pbxctl(&["show", "night.plan"])?.expect(0)?;
    assert!(shown.stdout.contains("+ extension/1002") && shown.stdout.contains("displayName: Eva"), "{shown}");
    system.pbxctl(&["apply", "night.plan", "--yes"])?.expect(6)?;
    system.start_pbxd()?;

    // Whatever is altered in it, it is refused.
    for (from, to) in
        [("Eva", "Ana"), ("\"unchanged\": 2", "\"unchanged\": 9"), ("\"sealed\": \"", "\"sealed\": \"AAAA")]
    {
        ensure!(text.contains(from), "no {from} in\n{text}");
        fs::write(system.write("altered.plan", "")?, text.replacen(from, to, 1))?;
        let refused = system.pbxctl(&["apply", "altered.plan", "--yes"])?.expect(1)?;
        assert!(refused.stderr.contains("this plan was altered, or another pbxd made it"), "{refused}");
    }
    // What is no plan is said so, with what to do instead.
    system.write("text.plan", "hello")?;
    assert!(system.pbxctl(&["apply", "text.plan", "--yes"])?.expect(1)?.stderr.contains("text.plan is not a plan"));
    let slip = system.pbxctl(&["apply", "more.yaml", "--yes"])?.expect(64)?;
    assert!(slip.stderr.contains("pbxctl apply -f more.yaml"), "{slip}");
    // What is wrong is told before who is not there to ask.
    for (args, code, told) in [
        (&["apply", "none.plan"][..], 1, "there is no plan `none.plan`"),
        (&["apply", "."], 64, "pbxctl apply -f ."),
        (&["rollback", "999"], 1, "there is no revision 999"),
        (&["edit", "ext/99"], 1, "there is no extension `99`"),
        (&["extension", "disable", "3000"], 1, "3000"),
        (&["rollback", "1"], 64, "`--yes` was not given"),
        (&["apply", "-f", "more.yaml"], 64, "`--yes` was not given"),
    ] {
        let refused = system.pbxctl(args)?.expect(code)?;
        ensure!(refused.stderr.contains(told), "{args:?}: {refused}");
    }

    system.pbxctl(&["plan", "-f", "more.yaml", "--out", "second.plan"])?.expect(0)?;
    let done = system.pbxctl(&["apply", "night.plan", "--yes", "-m", "at night"])?.expect(0)?;
    assert!(done.stdout.contains("Applied revision 2"), "{done}");
    // Its secrets were in it.
    let phone = system.phone("1002", &Behaviour::answer_after(Duration::ZERO))?;
    system.caller("1001")?.call("1002", system.ip())?.expect_answer()?;
    assert_eq!(phone.wait_calls(1, SOON)?.len(), 1);
    // Once.
    let used = system.pbxctl(&["apply", "night.plan", "--yes"])?.expect(5)?;
    assert!(used.stderr.contains("was carried out already: revision 2"), "{used}");
    // And only from where it was made.
    let stale = system.pbxctl(&["apply", "second.plan", "--yes"])?.expect(5)?;
    assert!(stale.stderr.contains("it starts from revision 1, and revision 2 is live"), "{stale}");
    assert_eq!(system.health()?.revision, Some(2));
    Ok(())
}

/// Two applies of one plan, of which the second has waited for the first: the first was rolled back, so that its base is still live.
#[test]
fn a_plan_is_carried_out_once_whoever_waits_with_it() -> Result<()> {
    let system = System::builder().proxied().start()?;
    let base = [settings(""), extension("1001", "")].concat();
    system.apply(&base)?;
    let broken =
        base.replace("tcp: {", "tls: { bind: \"{ip}:5061\", certificate: /none.pem, privateKey: /none.key }, tcp: {");
    system.write("broken.yaml", &broken)?;
    let plan = system.pbxctl(&["plan", "-f", "broken.yaml", "-o", "json"])?.expect(0)?.json()?;
    let id = plan["id"].as_str().context("no id")?;
    let apply = async || -> Result<Event> {
        let request = ApplyRequest { wait_seconds: 60, ..ApplyRequest::default() };
        let mut events = Client::new(system.socket()).apply(id, &request).await?;
        while let Some(event) = events.next().await? {
            if !matches!(event, Event::Progress { .. }) {
                return Ok(event);
            }
        }
        anyhow::bail!("no end")
    };
    let held = system.proxy().at("Action: Reload", Fault::Hold);
    let both = tokio::runtime::Runtime::new()?.block_on(async {
        let release = async {
            tokio::task::spawn_blocking(move || held.wait().map(|()| held)).await??.release();
            Ok::<_, anyhow::Error>(())
        };
        tokio::try_join!(apply(), apply(), release)
    })?;
    let rolled_back = |event: &Event| matches!(event, Event::Outcome(end) if end.result == OutcomeResult::RolledBack);
    let used = |event: &Event| matches!(event, Event::Error(error) if error.message.contains("carried out meanwhile"));
    let (a, b, ()) = both;
    ensure!(rolled_back(&a) && used(&b) || rolled_back(&b) && used(&a), "{a:?}\n{b:?}");
    Ok(())
}

/// What somebody does by hand while a pipeline waits for its approval is not written over by what it waits with.
#[test]
fn a_plan_that_a_hand_has_overtaken_is_refused() -> Result<()> {
    let system = System::start()?;
    let base = [settings(""), extension("1001", ", displayName: Ana")].concat();
    system.apply(&base)?;
    system.write("more.yaml", &[base.as_str(), &extension("1002", "")].concat())?;
    system.pbxctl(&["plan", "-f", "more.yaml", "--out", "night.plan"])?.expect(0)?;
    let edit = system.command(&["edit", "extension/1001", "--yes"])?.env("EDITOR", "sed -i s/Ana/Eva/").output()?;
    CommandOutput::from(edit).expect(0)?;
    let stale = system.pbxctl(&["apply", "night.plan", "--yes"])?.expect(5)?;
    assert!(stale.stderr.contains("it starts from revision 1, and revision 2 is live"), "{stale}");
    assert_eq!(system.pbxctl(&["get", "extensions", "-o", "name"])?.expect(0)?.stdout, "extension/1001\n");
    let kept = system.pbxctl(&["get", "extension/1001", "-o", "json"])?.expect(0)?.json()?;
    assert_eq!(kept["spec"]["displayName"], "Eva");
    // Made again, it says what the hand has changed.
    let again = system.pbxctl(&["plan", "-f", "more.yaml", "--out", "second.plan"])?.expect(5)?;
    assert!(again.stderr.contains("displayName"), "{again}");
    Ok(())
}

fn signal(pid: u32, name: &str) -> Result<()> {
    ensure!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status()?.success());
    Ok(())
}

#[test]
fn whoever_comes_second_is_told_or_waits() -> Result<()> {
    let system = System::start()?;
    let with = |numbers: &[&str]| {
        let all: String = numbers.iter().map(|number| extension(number, "")).collect();
        [settings(""), all].concat()
    };
    system.apply(&with(&["1001"]))?;
    for (file, numbers) in [("a.yaml", ["1001", "1002"]), ("b.yaml", ["1001", "1003"])] {
        system.write(file, &with(&numbers))?;
    }
    let start = |args: &[&str]| -> Result<std::process::Child> {
        Ok(system.command(args)?.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
    };
    // Two applies while Asterisk hangs: whichever is first hangs with it, the other is told.
    let asterisk = system.asterisk().pid().context("no Asterisk")?;
    signal(asterisk, "STOP")?;
    let mut both = [("a.yaml", None), ("b.yaml", None)];
    for (file, child) in &mut both {
        *child = Some(start(&["apply", "-f", file, "--yes"])?);
    }
    let told = until("one of them to be told", SOON, || {
        for (at, (_, child)) in both.iter_mut().enumerate() {
            if child.as_mut().context("no child")?.try_wait()?.is_some() {
                return Ok(Some(at));
            }
        }
        Ok(None)
    });
    let waits = told.as_ref().ok().map(|at| start(&["apply", "-f", both[*at].0, "--yes", "--wait", "60s"]));
    signal(asterisk, "CONT")?;
    let second = told?;
    let end = |child: Option<std::process::Child>| -> Result<CommandOutput> {
        Ok(child.context("no child")?.wait_with_output()?.into())
    };
    let refused = end(both[second].1.take())?.expect(5)?;
    assert!(refused.stderr.contains("is applying a change, since"), "{refused}");
    end(both[1 - second].1.take())?.expect(0)?;
    let waited = end(waits.transpose()?)?.expect(0)?;
    assert!(waited.stdout.contains("Applied revision 3"), "{waited}");
    let names = system.pbxctl(&["get", "extensions", "-o", "name"])?.expect(0)?.stdout;
    assert_eq!(names.lines().collect::<Vec<_>>(), ["extension/1001", "extension/1002", "extension/1003"]);
    Ok(())
}

#[test]
fn a_renamed_extension_is_still_the_same_one() -> Result<()> {
    let system = System::start()?;
    let ana = |header: &str, more: &str| {
        let text =
            extension("1001", more).replace("metadata: { name: \"1001\" }", &format!("metadata: {{ {header} }}"));
        [settings(""), text, extension("1002", "")].concat()
    };
    system.apply(&ana("name: \"1001\"", ", displayName: Ana"))?;
    system.write("named.yaml", &ana("name: \"1001\"", ", displayName: Ana Reyes"))?;
    system.pbxctl(&["apply", "-f", "named.yaml", "--yes", "-m", "her whole name"])?.expect(0)?;
    let renamed = ana("name: \"2001\", renamedFrom: \"1001\", protected: true", ", displayName: Ana Reyes");
    system.write("moved.yaml", &renamed)?;
    let plan = system.pbxctl(&["plan", "-f", "moved.yaml"])?.expect(0)?;
    assert!(plan.stdout.contains("~ extension/2001, until now extension/1001"), "{plan}");
    assert!(plan.stdout.contains("0 to create, 1 to update, 0 to delete"), "{plan}");
    system.pbxctl(&["apply", "-f", "moved.yaml", "--yes", "-m", "to the second floor"])?.expect(0)?;
    system.pbxctl(&["diff", "-f", "moved.yaml"])?.expect(0)?;

    let login = pbx_lab::PhoneSpec::new("2001", "secret-1001", system.ip());
    let phone = Phone::register(&login, &Behaviour::answer_after(Duration::ZERO))?;
    system.caller("1002")?.call("2001", system.ip())?.expect_answer()?;
    assert_eq!(phone.wait_calls(1, SOON)?.len(), 1);
    system.phone("1001", &Behaviour::Ignore).map(drop).expect_err("there is no 1001 any more");

    let blame = system.pbxctl(&["blame", "extension/2001"])?.expect(0)?;
    let line = |field: &str| blame.stdout.lines().find(|line| line.starts_with(field)).unwrap_or_default().to_owned();
    for (field, parts) in [
        ("displayName", ["Ana Reyes", "2", "her whole name"]),
        ("protected", ["true", "3", "to the second floor"]),
        ("qualify", ["0s", "1", "default"]),
    ] {
        assert!(parts.iter().all(|part| line(field).contains(part)), "{field}: {blame}");
    }
    let gone = system.pbxctl(&["blame", "extension/1001"])?.expect(0)?;
    assert!(gone.stderr.contains("It is extension/2001 since revision 3"), "{gone}");
    let asked = system.pbxctl(&["get", "extension/1001"])?.expect(1)?;
    assert!(asked.stderr.contains("it is `extension/2001` since revision 3"), "{asked}");
    let history = system.pbxctl(&["history"])?.expect(0)?;
    assert!(history.stdout.lines().any(|line| line.starts_with("3 ") && line.contains("+0 ~1 -0")), "{history}");
    system.pbxctl(&["blame", "extension/9999"])?.expect(1)?;
    assert!(system.pbxctl(&["history", "show", "3"])?.expect(0)?.stdout.contains("until now extension/1001"));

    let kept = system.pbxctl(&["delete", "extension/2001", "--yes"])?.expect(7)?;
    assert!(kept.stderr.contains("extension/2001 is protected"), "{kept}");
    // Back again.
    system.pbxctl(&["rollback", "2", "--yes"])?.expect(0)?;
    drop(phone);
    let phone = system.phone("1001", &Behaviour::answer_after(Duration::ZERO))?;
    system.caller("1002")?.call("1001", system.ip())?.expect_answer()?;
    assert_eq!(phone.wait_calls(1, SOON)?.len(), 1);
    Ok(())
}
