//! The way back that stays open: nobody confirms, telephony gets worse, pbxd ends.

use std::time::Duration;

use anyhow::Result;
use pbx_lab::{Behaviour, until};
use pbx_tests::{Fault, SOON, System, extension, settings};

/// Two extensions, and the manifests with another name for the first.
fn office(system: &System) -> Result<()> {
    let base = [settings(""), extension("1001", ", displayName: Ana"), extension("1002", "")].concat();
    system.apply(&base)?;
    system.write("eva.yaml", &base.replace("Ana", "Eva"))?;
    Ok(())
}

fn name(system: &System) -> Result<String> {
    let shown = system.pbxctl(&["get", "extension", "1001", "-o", "json"])?.expect(0)?.json()?;
    Ok(shown["spec"]["displayName"].as_str().unwrap_or_default().to_owned())
}

fn wait_for(system: &System, wanted: &str) -> Result<()> {
    until(&format!("the name to be {wanted}"), SOON, || Ok((name(system)? == wanted).then_some(())))
}

#[test]
fn what_is_confirmed_stays_and_what_is_not_goes_back() -> Result<()> {
    let mut system = System::start()?;
    office(&system)?;
    // Confirmed.
    let applied = system.pbxctl(&["apply", "-f", "eva.yaml", "--yes", "--confirm-within", "60s"])?.expect(0)?;
    assert!(applied.stdout.contains("unless `pbxctl confirm` comes before"), "{applied}");
    assert_eq!(system.health()?.unconfirmed.map(|waiting| (waiting.revision, waiting.base)), Some((2, 1)));
    let refused = system.pbxctl(&["rollback", "1", "--yes"])?.expect(5)?;
    assert!(refused.stderr.contains("revision 2 by") && refused.stderr.contains("pbxctl confirm"), "{refused}");
    let again = system.pbxctl(&["apply", "-f", "eva.yaml", "--yes"])?.expect(5)?;
    assert!(again.stderr.contains("revision 2 by") && again.stderr.contains("waits"), "{again}");
    // Everybody sees it.
    let history = system.pbxctl(&["history"])?.expect(0)?;
    assert!(history.stdout.contains("live, until ") && history.stdout.contains(" unless confirmed"), "{history}");
    let one = system.pbxctl(&["history", "2", "-o", "json"])?.expect(0)?.json()?;
    assert!(one["revision"]["confirmBy"].is_string(), "{one}");
    let plan = system.pbxctl(&["plan", "-f", "eva.yaml"])?.expect(0)?;
    assert!(plan.stderr.contains("revision 2 by") && plan.stderr.contains("waits"), "{plan}");
    let doctor = system.pbxctl(&["doctor"])?;
    assert!(doctor.stdout.contains("is taken back at"), "{doctor}");
    system.pbxctl(&["confirm", "7"])?.expect(1)?;
    let kept = system.pbxctl(&["confirm"])?.expect(0)?;
    assert!(kept.stdout.contains("Revision 2 stays."), "{kept}");
    assert!(system.pbxctl(&["history", "2"])?.expect(0)?.stdout.contains("confirmed by"), "it is in the history");
    system.pbxctl(&["confirm"])?.expect(1)?;
    system.kill_pbxd();
    system.start_pbxd()?;
    assert_eq!((name(&system)?.as_str(), system.health()?.unconfirmed), ("Eva", None));

    // Nobody confirms.
    let ana = |number: &str| format!("{}{}", settings(""), extension("1001", &format!(", displayName: Ana {number}")));
    system.write("three.yaml", &ana("3"))?;
    system.pbxctl(&["apply", "-f", "three.yaml", "--yes", "--confirm-within", "1s"])?.expect(0)?;
    wait_for(&system, "Eva")?;
    let history = system.pbxctl(&["history"])?.expect(0)?;
    assert!(history.stdout.contains("Back to revision 2: nobody confirmed it within 1 s"), "{history}");
    until("the end to be told", SOON, || {
        Ok(system.pbxctl(&["history", "3"])?.stdout.contains("gone back from in revision 4").then_some(()))
    })?;
    let history = system.pbxctl(&["history"])?.expect(0)?;
    let third = history.stdout.lines().find(|line| line.starts_with("3 "));
    assert!(third.is_some_and(|line| line.contains("taken back")), "{history}");
    system.pbxctl(&["drift", "--no-manual"])?.expect(0)?;

    // Somebody says no.
    system.write("five.yaml", &ana("5"))?;
    system.pbxctl(&["apply", "-f", "five.yaml", "--yes", "--confirm-within", "60s"])?.expect(0)?;
    system.pbxctl(&["confirm", "--back"])?.expect(0)?;
    assert_eq!(name(&system)?, "Eva");

    // pbxd ends while it waits.
    system.pbxctl(&["apply", "-f", "five.yaml", "--yes", "--confirm-within", "60s"])?.expect(0)?;
    assert_eq!(name(&system)?, "Ana 5");
    system.kill_pbxd();
    system.start_pbxd()?;
    wait_for(&system, "Eva")?;
    let history = system.pbxctl(&["history"])?.expect(0)?;
    assert!(history.stdout.contains("nobody watched it: pbxd ended"), "{history}");
    until("nothing to wait any more", SOON, || Ok(system.health()?.unconfirmed.is_none().then_some(())))?;
    system.pbxctl(&["drift", "--no-manual"])?.expect(0)?;
    Ok(())
}

/// Whoever asks for it need not stay until the end.
#[test]
fn going_back_goes_on_without_who_asked_for_it() -> Result<()> {
    let system = System::builder().proxied().start()?;
    office(&system)?;
    system.pbxctl(&["apply", "-f", "eva.yaml", "--yes", "--confirm-within", "10m"])?.expect(0)?;
    let held = system.proxy().at("Action: Reload", Fault::Hold);
    let mut asks = system.command(&["confirm", "--back"])?.spawn()?;
    held.wait()?;
    asks.kill()?;
    asks.wait()?;
    held.release();
    until("nothing to wait any more", SOON, || Ok(system.health()?.unconfirmed.is_none().then_some(())))?;
    assert_eq!(name(&system)?, "Ana");
    let history = system.pbxctl(&["history", "2"])?.expect(0)?;
    assert!(history.stdout.contains("gone back from in revision 3"), "{history}");
    system.pbxctl(&["drift", "--no-manual"])?.expect(0)?;
    Ok(())
}

/// What cannot be gone back from goes on waiting; somebody can still decide.
#[test]
fn what_cannot_be_gone_back_from_goes_on_waiting() -> Result<()> {
    // Without the module that registers with carriers, which is a matter of its own.
    let modules = "[modules]\nautoload = yes\nnoload = res_pjsip_outbound_registration.so\n";
    let system = System::builder().file("modules.conf", modules).start()?;
    office(&system)?;
    system.pbxctl(&["apply", "-f", "eva.yaml", "--yes", "--confirm-within", "1s"])?.expect(0)?;
    system.asterisk().cli("module unload func_pjsip_aor.so")?;
    until("the history to say so", Duration::from_mins(1), || {
        Ok(system.pbxctl(&["history", "2"])?.stdout.contains("could not be gone back from yet").then_some(()))
    })?;
    let refused = system.pbxctl(&["rollback", "1", "--yes"])?.expect(5)?;
    assert!(refused.stderr.contains("was not confirmed, and is being gone back from"), "{refused}");
    system.asterisk().cli("module load func_pjsip_aor.so")?;
    system.pbxctl(&["confirm", "--back"])?.expect(0)?;
    assert_eq!((name(&system)?.as_str(), system.health()?.unconfirmed), ("Ana", None));
    Ok(())
}

#[test]
fn worse_telephony_goes_back_at_once() -> Result<()> {
    let mut system = System::start()?;
    office(&system)?;
    let phone = system.phone("1002", &Behaviour::answer_after(Duration::ZERO))?;
    system.pbxctl(&["apply", "-f", "eva.yaml", "--yes", "--confirm-within", "10m"])?.expect(0)?;
    assert_eq!(name(&system)?, "Eva");
    phone.unregister()?;
    wait_for(&system, "Ana")?;
    let history = system.pbxctl(&["history"])?.expect(0)?;
    assert!(history.stdout.contains("1 of 1 telephones are no longer registered (1002)"), "{history}");

    // Asterisk is gone: the old files wait for it, and pbxd proves them when it is back.
    system.pbxctl(&["apply", "-f", "eva.yaml", "--yes", "--confirm-within", "10m"])?.expect(0)?;
    system.asterisk_mut().kill();
    until("the old files to be back", Duration::from_mins(1), || {
        Ok((name(&system)? == "Ana" && system.health()?.unconfirmed.is_none()).then_some(()))
    })?;
    system.asterisk_mut().start_again()?;
    let proven = |system: &System| -> Result<bool> {
        let health = system.health()?;
        Ok(health.revision.is_some() && health.asterisk.proven_revision == health.revision)
    };
    until("Asterisk to have said that it has them", Duration::from_mins(1), || Ok(proven(&system)?.then_some(())))?;
    system.pbxctl(&["drift", "--no-manual"])?.expect(0)?;
    Ok(())
}
