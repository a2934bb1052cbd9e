//! The manager interface cut, or half open, at each thing that is said over it; and reloads that nobody asked for yet.

use anyhow::{Context, Result, ensure};
use pbx_lab::until;
use pbx_tests::{Fault, Random, SOON, System, samples};

use super::kills::WORDS;
use super::states::{States, revisions};

/// How a connection fails: before what was said is heard, before it is answered, and without an end.
const FAULTS: [Fault; 3] = [Fault::Cut, Fault::CutAnswer, Fault::Silence];

#[test]
fn the_connection_fails_at_each_step() -> Result<()> {
    let mut random = Random::seeded();
    let system = System::builder().proxied().patience(3).start()?;
    let mut states = States::learn(&system)?;
    let each = samples(1).min(FAULTS.len());
    for (at, word) in WORDS.into_iter().enumerate() {
        let first = at + random.below(FAULTS.len());
        for fault in (0..each).map(|more| FAULTS[(first + more) % FAULTS.len()]) {
            let what = format!("{fault:?} at {word}");
            let trap = system.proxy().at(word, fault);
            let told = states.change(&system)?.end()?;
            ensure!(trap.is_sprung(), "{what}: it was not said");
            // Before the switch nothing has changed; after it, Asterisk has gone back.
            let before = ["Action: GetConfig", "config show help"].contains(&word);
            told.1.clone().expect(if before { 6 } else { 4 }).with_context(|| what.clone())?;
            ensure!(before || told.1.stderr.contains("is live again"), "{what}: {}", told.1);
            states.check(&system, Some(&told)).with_context(|| what.clone())?;
            states.go_on(&system).context(what)?;
        }
    }
    Ok(())
}

#[test]
fn asterisk_that_does_not_come_back_is_asked_when_it_does() -> Result<()> {
    let mut system = System::builder().proxied().patience(2).start()?;
    let mut states = States::learn(&system)?;
    let trap = system.proxy().at("Action: Reload", Fault::Hold);
    let change = states.change(&system)?;
    trap.wait()?;
    system.asterisk_mut().kill();
    trap.release();
    let told = change.end()?;
    told.1.clone().expect(4)?;
    for part in ["Asterisk stopped answering", "the old files are in place, but Asterisk did not come back"] {
        ensure!(told.1.stderr.contains(part), "{part}: {}", told.1);
    }
    system.asterisk_mut().start_again()?;
    states.check(&system, Some(&told))?;
    states.go_on(&system)
}

#[test]
fn files_alone_are_proven_later() -> Result<()> {
    let mut system = System::start()?;
    let mut states = States::learn(&system)?;
    // By the next apply.
    states.change_with(&system, &["--no-reload"])?.end()?.1.expect(0)?;
    assert_eq!(system.health()?.asterisk.proven_revision, None);
    let written = system.health()?.revision.context("a revision")?.to_string();
    let state = || -> Result<String> {
        let history = system.pbxctl(&["history"])?.expect(0)?.stdout;
        Ok(history.lines().find(|line| line.starts_with(&format!("{written} "))).unwrap_or_default().to_owned())
    };
    ensure!(state()?.contains("written, not proven"), "{}", state()?);
    // What is planned now says that all is reloaded.
    let same = system.pbxctl(&["rollback", &written, "--dry-run"])?.expect(0)?;
    ensure!(same.stdout.contains("Asterisk has not yet said") && same.stdout.contains("res_pjsip"), "{same}");
    states.took();
    states.go_on(&system)?;
    ensure!(state()?.contains(" written "), "{}", state()?);
    let one = system.pbxctl(&["history", &written])?.expect(0)?;
    ensure!(one.stdout.contains("was not asked when it was written"), "{one}");
    // By the next start, which says so.
    states.change_with(&system, &["--no-reload"])?.end()?.1.expect(0)?;
    system.kill_pbxd();
    system.start_pbxd()?;
    states.took();
    states.check(&system, None)?;
    until("a word about it in the history", SOON, || {
        let said = revisions(&system)?[0]["detail"].to_string();
        Ok(said.contains("when pbxd started again, it was asked, and has it").then_some(()))
    })
}
