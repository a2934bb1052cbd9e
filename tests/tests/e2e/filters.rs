//! What Asterisk's own database holds: who may not call, and schedules that somebody has turned over.

use std::net::Ipv4Addr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use pbx_lab::{Behaviour, Caller, Phone, Place, until};
use pbx_tests::{CommandOutput, Fault, SOON, System, carrier, did, extension, settings};

const LINE: &str = "+351210001000";

const FILTER: &str = "---
kind: BlockFilter
metadata: { name: spam }
spec:
  deny:
    - { caller: \"+351911111111\" }
    - { caller: \"+35192*\" }
    - { caller: \"_+35193ZXXXXXX\" }
    - { regex: \"^\\\\+44(70|90)\" }
    - { caller: anonymous, expires: 30d }
  allow:
    - { caller: \"+351921111111\" }
";

fn office(carrier_ip: Ipv4Addr, filter: &str) -> String {
    let line = did(LINE, "carrier: main, blockFilter: spam, destination: extension/1001");
    [settings(""), extension("1001", ""), carrier("main", carrier_ip, ""), filter.to_owned(), line].concat()
}

/// What Asterisk has of a family.
fn held(system: &System, family: &str) -> Result<Vec<String>> {
    let text = system.asterisk().cli(&format!("database show {family}"))?;
    let lines = text.lines().filter(|line| line.starts_with('/'));
    Ok(lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ").replacen(" : ", " ", 1)).collect())
}

/// Whether a call from outside rings.
fn rings(system: &System, phone: &Phone, caller: &Caller) -> Result<bool> {
    let before = phone.calls()?.len();
    let called = caller.call(LINE, system.ip())?;
    let rang = phone.calls()?.len() > before;
    ensure!(!rang || called.expect_answer().is_ok(), "it rang, and was not answered");
    Ok(rang)
}

#[test]
fn entries_block_calls_and_come_and_go_without_a_reload() -> Result<()> {
    let place = Place::take()?;
    let mut system = System::start()?;
    system.apply(&office(place.ip(), FILTER))?;
    let phone = system.phone("1001", &Behaviour::answer_after(Duration::ZERO))?;
    let mut caller = Caller::at(place);
    for (from, passes) in [
        ("+351911111111", false),
        ("351911111111", false),
        ("+351911111112", true),
        ("+351921234567", false),
        ("+351921111111", true),
        ("+351931234567", false),
        ("+351930234567", true),
        ("+447012345678", false),
        ("+447112345678", true),
        ("anonymous", false),
    ] {
        caller = caller.from(from);
        assert_eq!(rings(&system, &phone, &caller)?, passes, "a call from {from}");
        let check = system.pbxctl(&["filter", "check", "spam", from])?.expect(0)?;
        assert_eq!(check.stdout.contains("let through"), passes, "{check}");
    }

    // The same again is no change: what counts for 30 days counts from the first time on.
    system.write("same.yaml", &office(caller.ip(), FILTER))?;
    let same = system.pbxctl(&["diff", "-f", "same.yaml"])?.expect(0)?;
    assert!(same.stderr.is_empty() || !same.stderr.contains("conflict"), "{same}");

    // One entry more reloads nothing.
    let args = ["filter", "add", "spam", "+351911111112", "--expires", "1h", "--note", "Silent calls", "--yes"];
    let added = system.pbxctl(&args)?.expect(0)?;
    assert!(added.stdout.contains("nothing is reloaded") && added.stdout.contains("verified 1 entry"), "{added}");
    caller = caller.from("+351911111112");
    assert!(!rings(&system, &phone, &caller)?);
    let listed = system.pbxctl(&["filter", "list", "spam"])?.expect(0)?;
    assert!(listed.stdout.contains("Silent calls"), "{listed}");
    let again = system.pbxctl(&["filter", "add", "spam", "+351911111112", "--yes"])?.expect(0)?;
    assert!(again.stdout.contains("Nothing to change"), "{again}");
    system.pbxctl(&["filter", "remove", "spam", "+351911111112", "--yes"])?.expect(0)?;
    assert!(rings(&system, &phone, &caller)?);
    system.pbxctl(&["filter", "remove", "spam", "+351911111112", "--yes"])?.expect(1)?;

    // It passes at its second, and is soon gone.
    system.pbxctl(&["filter", "add", "spam", "+351911111112", "--expires", "4s", "--yes"])?.expect(0)?;
    let begun = Instant::now();
    assert!(!rings(&system, &phone, &caller)?);
    until("the end of the entry", SOON, || Ok(rings(&system, &phone, &caller)?.then_some(())))?;
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    let listed = system.pbxctl(&["filter", "list", "spam"])?.expect(0)?;
    assert!(listed.stdout.contains("expired"), "{listed}");
    let filters = system.pbxctl(&["get", "filters"])?.expect(0)?;
    assert!(filters.stdout.contains("6 entries, 1 expired"), "{filters}");
    let key = "pbx-filter/spam/deny/number/351911111112";
    until("an entry that is gone", SOON, || {
        Ok((!held(&system, "pbx-filter")?.iter().any(|line| line.contains(key))).then_some(()))
    })?;

    // What is wiped behind pbxd's back is told, and comes back.
    let before = held(&system, "pbx-filter")?;
    system.asterisk().cli("database deltree pbx-filter")?;
    let told = system.pbxctl(&["drift"])?.expect(2)?;
    assert!(told.stdout.contains("pbx-filter/spam/deny/anonymous` is not there"), "{told}");
    until("the entries again", SOON, || Ok((held(&system, "pbx-filter")? == before).then_some(())))?;

    // Also while pbxd is away, and while Asterisk is.
    system.kill_pbxd();
    system.asterisk().cli("database deltree pbx-filter/spam/allow")?;
    system.start_pbxd()?;
    until("the entries once more", SOON, || Ok((held(&system, "pbx-filter")? == before).then_some(())))?;

    // Turned off, it lets everybody through, and nothing is left.
    let off = FILTER.replace("spec:\n", "spec:\n  enabled: false\n");
    system.write("off.yaml", &office(caller.ip(), &off))?;
    system.pbxctl(&["apply", "-f", "off.yaml", "--yes", "--force-conflicts"])?.expect(0)?;
    assert!(held(&system, "pbx-filter")?.is_empty());
    caller = caller.from("anonymous");
    assert!(rings(&system, &phone, &caller)?);
    Ok(())
}

/// Who turns a schedule over turns the next call, whoever is restarted.
#[test]
fn a_schedule_that_is_turned_over() -> Result<()> {
    const HOURS: &str =
        "---\nkind: Schedule\nmetadata: { name: office }\nspec:\n  open: [{ days: daily, hours: [\"00:00-24:00\"] }]\n";
    let place = Place::take()?;
    let mut system = System::start()?;
    let line = did(LINE, "carrier: main, schedule: office, destination: extension/1001, afterHours: hangup/busy");
    let parts = [settings(""), extension("1001", ""), carrier("main", place.ip(), ""), HOURS.to_owned(), line];
    system.apply(&parts.concat())?;
    let phone = system.phone("1001", &Behaviour::answer_after(Duration::ZERO))?;
    let caller = Caller::at(place).from("+351911111111");
    assert!(rings(&system, &phone, &caller)?);
    let open = system.pbxctl(&["schedule", "status"])?.expect(0)?;
    assert!(open.stdout.contains("within 00:00-24:00"), "{open}");

    let begun = Instant::now();
    let closed =
        system.pbxctl(&["schedule", "close", "office", "--until", "+2h", "--note", "Fire drill"])?.expect(0)?;
    let there = held(&system, "pbx-schedule")?;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(there[0].starts_with("/pbx-schedule/office closed/"), "{there:?}");
    assert!(closed.stdout.contains("its hours say open") && closed.stdout.contains("Fire drill"), "{closed}");
    assert!(!rings(&system, &phone, &caller)?);
    for (args, part) in [
        (&["get", "schedules"][..], "closed (turned over)"),
        (&["describe", "schedule/office"], "Now: closed, turned over by "),
        (&["schedule", "history", "office"], "Fire drill"),
        (&["schedule", "status", "office"], "turned over by "),
    ] {
        let told = system.pbxctl(args)?.expect(0)?;
        assert!(told.stdout.contains(part), "{told}");
    }
    assert_eq!(system.health()?.turned.len(), 1);

    // Over restarts of both, and over a database that somebody has wiped.
    system.kill_pbxd();
    system.asterisk().cli("database deltree pbx-schedule")?;
    system.asterisk_mut().restart()?;
    system.start_pbxd()?;
    until("the schedule again", SOON, || Ok((held(&system, "pbx-schedule")? == there).then_some(())))?;
    assert!(!rings(&system, &phone, &caller)?);

    // By itself it ends at its second, and back by hand.
    system.pbxctl(&["schedule", "close", "office", "--until", "+3s"])?.expect(0)?;
    assert!(!rings(&system, &phone, &caller)?);
    until("the end of it", SOON, || Ok(rings(&system, &phone, &caller)?.then_some(())))?;
    until("an empty database", SOON, || Ok(held(&system, "pbx-schedule")?.is_empty().then_some(())))?;
    system.pbxctl(&["schedule", "close", "office"])?.expect(0)?;
    system.pbxctl(&["schedule", "auto", "office"])?.expect(0)?;
    assert!(held(&system, "pbx-schedule")?.is_empty() && system.health()?.turned.is_empty());
    system.pbxctl(&["schedule", "close", "office", "--until", "2020-01-01T00:00"])?.expect(1)?;
    let near = system.pbxctl(&["schedule", "close", "ofice"])?.expect(1)?;
    assert!(near.stderr.contains("did you mean `office`?"), "{near}");

    // Without Asterisk it is kept, and told when that is back.
    system.asterisk_mut().stop()?;
    let kept = system.pbxctl(&["schedule", "close", "office"])?.expect(6)?;
    assert!(kept.stderr.contains("does not know it yet"), "{kept}");
    system.asterisk_mut().start_again()?;
    until("the schedule", SOON, || {
        Ok((held(&system, "pbx-schedule")? == ["/pbx-schedule/office closed"]).then_some(()))
    })?;
    Ok(())
}

/// An entry of each kind ends at its second, whoever is there to see it.
#[test]
fn entries_end_while_pbxd_is_down() -> Result<()> {
    let place = Place::take()?;
    let mut system = System::start()?;
    let filter = "---
kind: BlockFilter
metadata: { name: spam }
spec:
  deny:
    - { caller: \"+351911111111\", expires: 12s }
    - { caller: \"+35192*\", expires: 12s }
    - { caller: \"_+35193ZXXXXXX\", expires: 12s }
    - { regex: \"^\\\\+44(70|90)\", expires: 12s }
    - { caller: anonymous, expires: 12s }
    - { caller: \"+351961111111\", expires: 30d }
";
    system.apply(&office(place.ip(), filter))?;
    let begun = Instant::now();
    let phone = system.phone("1001", &Behaviour::answer_after(Duration::ZERO))?;
    let all = ["+351911111111", "+351921234567", "+351931234567", "+447012345678", "anonymous"];
    let mut caller = Caller::at(place);
    system.kill_pbxd();
    let before = held(&system, "pbx-filter")?;
    for from in all {
        caller = caller.from(from);
        ensure!(!rings(&system, &phone, &caller)?, "{from} is not denied");
    }
    ensure!(begun.elapsed() < Duration::from_secs(11), "too slow to tell: {:?}", begun.elapsed());
    std::thread::sleep(Duration::from_secs(14).saturating_sub(begun.elapsed()));
    for from in all {
        caller = caller.from(from);
        ensure!(rings(&system, &phone, &caller)?, "{from} is still denied");
    }
    caller = caller.from("+351961111111");
    ensure!(!rings(&system, &phone, &caller)?, "what counts for thirty days is over");
    ensure!(held(&system, "pbx-filter")? == before, "somebody has taken the entries away");
    Ok(())
}

/// pbxd killed while it writes entries, or while it deletes them: what the store says is what Asterisk has.
#[test]
fn killed_between_entries() -> Result<()> {
    let mut system = System::builder().proxied().start()?;
    let filter = |numbers: &[&str]| {
        let entries: Vec<String> = numbers.iter().map(|number| format!("    - {{ caller: \"{number}\" }}\n")).collect();
        let entries = entries.concat();
        format!("---\nkind: BlockFilter\nmetadata: {{ name: spam }}\nspec:\n  deny:\n{entries}")
    };
    system.apply(&[settings(""), filter(&["+351911111111", "+35192*"])].concat())?;
    let before = held(&system, "pbx-filter")?;
    system.write("change.yaml", &[settings(""), filter(&["+351933333333", "+44*"])].concat())?;
    for word in ["Action: DBPut", "Action: DBDel", "Action: DBGet\r"] {
        let trap = system.proxy().at(word, Fault::Hold);
        let child = system
            .command(&["apply", "-f", "change.yaml", "--yes"])?
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        trap.wait().context(word)?;
        system.kill_pbxd();
        trap.release();
        let told: CommandOutput = child.wait_with_output()?.into();
        told.expect(6).context(word)?;
        system.start_pbxd()?;
        until("what was before", SOON, || Ok((held(&system, "pbx-filter")? == before).then_some(()))).context(word)?;
        assert_eq!(system.health()?.revision, Some(1));
        until("nothing that differs", SOON, || Ok((system.pbxctl(&["drift"])?.code == 0).then_some(())))
            .context(word)?;
    }
    // What Asterisk does not take is gone back from, entries too.
    let trap = system.proxy().at("Action: DBDel", Fault::Cut);
    let told = system.pbxctl(&["apply", "-f", "change.yaml", "--yes"])?;
    assert!(trap.is_sprung() && told.code == 4, "{told}");
    until("what was before", SOON, || Ok((held(&system, "pbx-filter")? == before).then_some(())))?;
    system.pbxctl(&["apply", "-f", "change.yaml", "--yes"])?.expect(0)?;
    let after = ["deny/number/351933333333 9999999999", "deny/order 02", "deny/prefix/44 9999999999"];
    assert_eq!(held(&system, "pbx-filter")?, after.map(|line| format!("/pbx-filter/spam/{line}")));
    Ok(())
}

/// What a telephone has set goes with its extension.
#[test]
fn what_telephones_have_set_goes_with_them() -> Result<()> {
    let system = System::start()?;
    system.apply(&[settings(""), extension("1001", ""), extension("1002", "")].concat())?;
    for number in ["1001", "1002"] {
        system.asterisk().cli(&format!("database put pbx-dnd {number} yes"))?;
    }
    system.asterisk().cli("database put pbx-forward 1002 pbx-x/1001")?;
    system.pbxctl(&["delete", "extension/1002", "--yes"])?.expect(0)?;
    until("what is left", SOON, || {
        let there = (held(&system, "pbx-dnd")?, held(&system, "pbx-forward")?);
        Ok((there == (vec!["/pbx-dnd/1001 yes".to_owned()], Vec::new())).then_some(()))
    })
    .context("of 1001 alone")?;
    Ok(())
}

/// A hundred thousand entries: how long they take, and that one more takes next to nothing of Asterisk's.
#[test]
fn a_hundred_thousand_entries() -> Result<()> {
    let system = System::start()?;
    let entries: Vec<String> = (0..100_000).map(|at| format!("    - {{ caller: \"+3519{at:08}\" }}\n")).collect();
    let entries = entries.concat();
    let filter = format!("---\nkind: BlockFilter\nmetadata: {{ name: spam }}\nspec:\n  deny:\n{entries}");
    system.apply(&settings(""))?;
    let begun = Instant::now();
    let outcome = system.apply(&[settings(""), filter].concat())?;
    println!("100,000 entries: {:?} in all, {} ms of it the apply", begun.elapsed(), outcome.milliseconds);
    assert_eq!(outcome.verified.entries, 100_000);
    let begun = Instant::now();
    let added = system.pbxctl(&["filter", "add", "spam", "+44123456789", "--yes"])?.expect(0)?;
    println!("one more: {:?}\n{}", begun.elapsed(), added.stdout);
    assert!(added.stdout.lines().count() < 40, "{added}");
    let begun = Instant::now();
    system.asterisk().cli("database deltree pbx-filter")?;
    system.pbxctl(&["drift"])?.expect(2)?;
    until("all of them again", Duration::from_mins(2), || {
        let one = system.asterisk().cli("database get pbx-filter spam/deny/number/44123456789")?;
        Ok(one.contains("Value: 9999999999").then_some(()))
    })?;
    println!("wiped and rebuilt: {:?}", begun.elapsed());
    Ok(())
}
