//! pbxd and Asterisk killed in the middle of an apply: at each step, and at any instant.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use pbx_lab::until;
use pbx_tests::{Fault, Injection, Random, SOON, System, samples};

use super::states::{States, revisions};

/// The steps of an apply, each by the call to the kernel that begins it: what it is, the call, the path, and which of them.
/// `{n}` is the revision's folder.
const STEPS: [(&str, &str, &str, u32); 17] = [
    ("the intent is journalled", "fsync,fdatasync", "pbxd.db-wal", 1),
    ("the folder is made", "?mkdir,mkdirat", "{n}", 1),
    ("a file is made", "?open,openat", "{n}/pjsip.conf", 1),
    ("a file is written", "write", "{n}/pjsip.conf", 1),
    ("a file is flushed", "fsync", "{n}/pjsip.conf", 1),
    ("an unchanged file is linked", "?link,linkat", "{n}/rtp.conf", 1),
    ("the folder is flushed", "fsync", "{n}", 1),
    ("what it changes is kept", "fsync,fdatasync", "pbxd.db-wal", 2),
    ("the switch is journalled", "fsync,fdatasync", "pbxd.db-wal", 3),
    ("what was proven is forgotten", "?unlink,unlinkat", "pbx.d/proven", 1),
    ("the new link is made", "?symlink,symlinkat", "pbx.d/.current.next", 1),
    ("the link is switched", "?rename,renameat,renameat2", "pbx.d/.current.next", 1),
    ("the switch is flushed", "fsync", "pbx.d", 2),
    ("the reload begins", "?unlink,unlinkat", "log/pbxd-{id}-new.log", 1),
    ("all is read back", "?open,openat", "log/pbxd-{id}-new.log", 1),
    ("the revision is kept", "fsync,fdatasync", "pbxd.db-wal", 4),
    ("what is proven is said", "?rename,renameat,renameat2", "pbx.d/.proven.next", 1),
];

/// The number of the revision that the next apply makes.
fn next(system: &System) -> Result<u64> {
    Ok(revisions(system)?.first().and_then(|revision| revision["id"].as_u64()).unwrap_or_default() + 1)
}

/// What goes wrong at a step of the next apply.
pub(super) fn at(
    system: &System,
    (_, calls, path, nth): (&str, &'static str, &str, u32),
    what: &str,
) -> Result<Injection> {
    let id = next(system)?;
    let path = path.replace("{n}", &format!("pbx.d/revisions/{id:06}")).replace("{id}", &id.to_string());
    let folder = match path.split('/').next() {
        Some("pbx.d") => system.asterisk().etc(),
        Some("log") => system.asterisk().dir().to_owned(),
        _ => system.dir().to_owned(),
    };
    Ok(Injection { calls, path: folder.join(path), nth, what: what.to_owned() })
}

#[test]
fn pbxd_killed_at_each_step() -> Result<()> {
    let mut system = System::start()?;
    let mut states = States::learn(&system)?;
    let journal = system.dir().join("pbxd.db-wal").exists();
    for step in STEPS.into_iter().filter(|(_, _, path, _)| journal || *path != "pbxd.db-wal") {
        let id = next(&system)?;
        let trace = system.inject(&at(&system, step, "signal=SIGKILL")?)?;
        let change = states.change(&system)?;
        let told = change.end()?;
        told.1.clone().expect(6).with_context(|| format!("pbxd got past the step \"{}\"", step.0))?;
        until("the end of pbxd", SOON, || Ok((!system.is_pbxd_running()).then_some(())))?;
        drop(trace);
        system.start_pbxd().with_context(|| step.0)?;
        states.check(&system, Some(&told)).with_context(|| step.0)?;
        // What was undone or finished is said: in the log, and in the history.
        if revisions(&system)?.iter().any(|revision| revision["id"] == id) {
            until("a word about it in the history", SOON, || {
                let list = revisions(&system)?;
                let detail =
                    list.iter().find(|revision| revision["id"] == id).and_then(|revision| revision["detail"].as_str());
                Ok(detail.is_some_and(|said| said.starts_with("pbxd ended ")).then_some(()))
            })
            .with_context(|| step.0)?;
        }
        states.go_on(&system).with_context(|| step.0)?;
    }
    Ok(())
}

#[test]
fn pbxd_killed_at_any_instant() -> Result<()> {
    let mut random = Random::seeded();
    let mut system = System::start()?;
    let mut states = States::learn(&system)?;
    let begun = Instant::now();
    states.change(&system)?.end()?.1.expect(0)?;
    let long = begun.elapsed();
    states.check(&system, None)?;
    let mut changed = 0;
    for sample in 0..samples(30) {
        let instant = random.within(long);
        let change = states.change(&system)?;
        std::thread::sleep(instant);
        system.kill_pbxd();
        let told = change.end()?;
        changed += usize::from(told.1.code == 0);
        system.start_pbxd()?;
        states.check(&system, Some(&told)).with_context(|| format!("killed after {instant:?}, sample {sample}"))?;
    }
    println!("{changed} were done before pbxd was killed");
    states.go_on(&system)
}

/// What pbxd says to Asterisk when a step begins, in the order of the steps.
pub(super) const WORDS: [&str; 10] = [
    "Action: GetConfig",
    "config show help",
    "logger add channel",
    "Action: DBPut",
    "Action: Reload",
    "Action: ShowDialPlan",
    "Action: PJSIPShowEndpoint",
    "Action: DBDel",
    "Action: Hangup",
    "logger remove channel",
];

#[test]
fn asterisk_killed_at_each_step() -> Result<()> {
    let mut system = System::builder().proxied().start()?;
    let mut states = States::learn(&system)?;
    for (word, gently) in WORDS.into_iter().zip([false, true].into_iter().cycle()) {
        let trap = system.proxy().at(word, Fault::Hold);
        let change = states.change(&system)?;
        trap.wait().context(word)?;
        if gently {
            system.asterisk_mut().stop()?;
        } else {
            system.asterisk_mut().kill();
        }
        trap.release();
        system.asterisk_mut().start_again()?;
        let told = change.end()?;
        ensure!([4, 6].contains(&told.1.code), "{word}: {}", told.1);
        // Whatever was told, it was not taken.
        states.check(&system, Some(&(told.0, told.1))).context(word)?;
        states.go_on(&system).context(word)?;
    }
    Ok(())
}
