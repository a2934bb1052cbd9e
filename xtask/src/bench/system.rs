//! The whole of it, from the shell: beside what Asterisk takes alone for the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use pbx_api::{ApplyRequest, Client, Event, OutcomeResult, PlanRequest, Step};
use pbx_asterisk::ami;
use pbx_asterisk::config::FILES;
use pbx_manifest::{Kind, ObjectRef, Patch};
use pbx_tests::{CommandOutput, System, program};

use super::{RUNS, best, best_of, line, megabytes, office, row, took};

/// More extensions than this are very many.
const LARGE: u32 = 20_000;

/// So many revisions, that pages of the store's file do not count.
const REVISIONS: usize = 64;

/// What is in the journal of the store goes into its file.
const CHECKPOINT: &str = "import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute('pragma wal_checkpoint(truncate)').fetchall())
";

/// How long an Asterisk of any size may take to reload.
const PATIENCE: u32 = 3600;

/// How long pbxd waits where nobody says otherwise: with very many telephones it must know by itself that they take longer.
const USUAL: u32 = 180;

/// A program that starts and ends.
pub(super) fn commands(table: &mut String) -> Result<()> {
    let run = |path: &Path, arg: &str| {
        best(|| Command::new(path).arg(arg).stdout(Stdio::null()).status().is_ok_and(|status| status.success()))
    };
    let (ours, done) = run(&program("pbxctl")?, "--version");
    let (least, there) = run(Path::new("/bin/true"), "--version");
    ensure!(done && there, "a program did not start");
    row(table, "`pbxctl --version`", ours, &format!("`/bin/true`: {}{}", took(least), times(ours, least)));
    Ok(())
}

/// A system of a size: made, looked at, changed. Of a very large one, one run of each must do: nearly all of it is Asterisk's own.
pub(super) fn changes(count: u32, table: &mut String) -> Result<()> {
    let (runs, revisions) = if count > LARGE { (1, REVISIONS / 8) } else { (RUNS, REVISIONS) };
    let best = |run: &mut dyn FnMut() -> Result<CommandOutput>| best_of(runs, run);
    let system = System::builder().patience(USUAL).start()?;
    let transports = "apiVersion: pbx/v1\nkind: Settings\nmetadata: { name: pbx }\nspec: { transports: { udp: { bind: \"{ip}:5060\" }, tcp: { bind: \"{ip}:5060\" } } }\n---\n";
    system.write("office.yaml", &[transports, &office(count)].concat())?;
    let (first, output) = once(|| system.pbxctl(&["apply", "-f", "office.yaml", "--yes"]));
    output?.expect(0)?;
    let alone = alone(&system)?;
    let name = |what: &str| format!("{count} extensions: {what}");
    row(
        table,
        &name("`pbxctl apply` of all of them, read back"),
        first,
        &format!("Asterisk alone reloads the same files: {}{}", took(alone), times(first, alone)),
    );
    memory(&system, count, table)?;

    let (planning, output) = best(&mut || system.pbxctl(&["plan", "-f", "office.yaml"]));
    output?.expect(0)?;
    row(table, &name("`pbxctl plan` without a change"), planning, "from the shell to the answer");

    let (getting, output) = best(&mut || system.pbxctl(&["get", "extensions"]));
    let listed = output?.expect(0)?.stdout.lines().count();
    ensure!(listed > count as usize, "{listed} lines");
    let (showing, output) = best_of(runs, || system.asterisk().cli("pjsip show endpoints"));
    ensure!(output?.lines().count() > count as usize, "endpoints are missing");
    let beside = format!("`asterisk -rx 'pjsip show endpoints'`: {}{}", took(showing), times(getting, showing));
    row(table, &name("`pbxctl get extensions`"), getting, &beside);

    one(&system, table, count, runs, revisions)
}

fn once<T>(run: impl FnOnce() -> T) -> (Duration, T) {
    let begin = Instant::now();
    let value = run();
    (begin.elapsed(), value)
}

/// How often one time is contained in another.
fn times(ours: Duration, other: Duration) -> String {
    format!(" ({:.2} times)", ours.as_secs_f64() / other.as_secs_f64())
}

/// Another Asterisk reloads the same files, as its administrator would have it do so.
fn alone(system: &System) -> Result<Duration> {
    let peer = System::start()?;
    let files = |system: &System| system.asterisk().etc().join("pbx.d/current");
    let folder = fs::canonicalize(files(&peer))?;
    for (name, _) in FILES {
        let Ok(text) = fs::read_to_string(files(system).join(name)) else { continue };
        fs::write(folder.join(name), text.replace(&system.ip().to_string(), &peer.ip().to_string()))?;
    }
    // Not by its console, which gives up after a minute.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let asterisk = peer.asterisk();
    let address = format!("{}:{}", asterisk.address(), asterisk.ports().ami);
    let time = runtime.block_on(async {
        let (manager, _) = ami::Client::connect(&ami::Options::new(address, "pbxd", asterisk.secret())).await?;
        let begin = Instant::now();
        for (_, module) in FILES {
            let limit = Duration::from_secs(PATIENCE.into());
            let outcome = manager.call(&ami::action::Reload::new(module).within(limit)).await?;
            ensure!(outcome.status == ami::ReloadStatus::Done, "{module}: {outcome:?}");
        }
        Ok(begin.elapsed())
    })?;
    let count = |system: &System| system.asterisk().cli("pjsip show endpoints").map(|text| text.lines().count());
    ensure!(count(system)? == count(&peer)?, "the other Asterisk did not read the same");
    Ok(time)
}

/// A process' memory in bytes: that which it has now, or had at most.
fn resident(id: u32, which: &str) -> Result<usize> {
    let text = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(which)).with_context(|| format!("no {which}"))?;
    let kilobytes: usize = line.trim_matches([':', ' ', '\t', 'k', 'B']).parse()?;
    Ok(kilobytes * 1024)
}

fn memory(system: &System, count: u32, table: &mut String) -> Result<()> {
    let pbxd = system.pbxd_id().context("pbxd does not run")?;
    let asterisk = system.asterisk().pid().context("Asterisk does not run")?;
    let (ours, most) = (resident(pbxd, "VmRSS")?, resident(pbxd, "VmHWM")?);
    let theirs = resident(asterisk, "VmRSS")?;
    let share = megabytes(ours) / megabytes(theirs);
    line(
        table,
        &format!("{count} extensions: pbxd's memory after it"),
        &format!("{:.0} MB", megabytes(ours)),
        &format!("at most {:.0} MB; Asterisk's {:.0} MB ({share:.2} times)", megabytes(most), megabytes(theirs)),
    );
    Ok(())
}

/// A caller id among many is changed: until Asterisk is asked to reload, to the end, and what it leaves in the store.
fn one(system: &System, table: &mut String, count: u32, runs: usize, revisions: usize) -> Result<()> {
    let mut least: Option<Times> = None;
    for run in 0..runs {
        let times = change(system, &format!("+35121000{run:04}"), false)?;
        ensure!(times.asked > times.asterisk, "nothing was reloaded");
        if least.as_ref().is_none_or(|least| times.own() < least.own()) {
            least = Some(times);
        }
    }
    let least = least.context("no run")?;
    let name = format!("{count} extensions: one caller id changed");
    let beside = format!(
        "and {} in which Asterisk's own parser reads the files; to the end, with the reload: {}",
        took(least.asterisk),
        took(least.all)
    );
    row(table, &format!("{name}, our own time until the reload is asked for"), least.own(), &beside);
    let before = stored(system)?;
    for run in 0..revisions {
        change(system, &format!("+35122000{run:04}"), true)?;
    }
    let each = (stored(system)? - before) / revisions;
    line(table, &format!("{name}, in the store"), &format!("{:.1} kB", megabytes(each) * 1e3), "history included");
    Ok(())
}

/// How long a change took.
#[derive(Default)]
struct Times {
    /// Until a reload was asked for; zero where none was.
    asked: Duration,
    /// Of that, the pre-flight.
    asterisk: Duration,
    /// To the end.
    all: Duration,
}

impl Times {
    fn own(&self) -> Duration {
        self.asked.saturating_sub(self.asterisk)
    }
}

/// Plans and applies one change.
fn change(system: &System, number: &str, no_reload: bool) -> Result<Times> {
    let patch = Patch {
        object: ObjectRef::new(Kind::Extension, "1000005".parse()?),
        set: BTreeMap::from([("spec.callerId.number".to_owned(), number.into())]),
        unset: BTreeSet::new(),
    };
    let request =
        PlanRequest { set: "manual".into(), patches: vec![patch], force_conflicts: true, ..PlanRequest::default() };
    let client = Client::new(system.socket());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let begin = Instant::now();
        let plan = client.plan(&request).await?;
        let mut events = client.apply(&plan.id, &ApplyRequest { no_reload, ..ApplyRequest::default() }).await?;
        let mut times = Times::default();
        let mut preflight = None;
        while let Some(event) = events.next().await? {
            match event {
                Event::Progress { step: Step::Reload, what, .. } => {
                    ensure!(what == "res_pjsip.so", "{what} was reloaded");
                    times.asked = begin.elapsed();
                }
                Event::Progress { step: Step::Preflight, .. } => preflight = Some(begin.elapsed()),
                Event::Progress { step: Step::Activate, .. } => {
                    times.asterisk = preflight.map_or(Duration::ZERO, |since| begin.elapsed().saturating_sub(since));
                }
                Event::Progress { .. } => {}
                Event::Outcome(outcome) => {
                    let taken = matches!(outcome.result, OutcomeResult::Applied | OutcomeResult::Written);
                    ensure!(taken, "{outcome:?}");
                }
                Event::Error(error) => anyhow::bail!("{error:?}"),
            }
        }
        Ok(Times { all: begin.elapsed(), ..times })
    })
}

/// The size of the store's file in bytes, with all that was written in it.
fn stored(system: &System) -> Result<usize> {
    let path = system.store().strip_prefix("sqlite://").context("the store is no file")?;
    let output = Command::new("python3").args(["-c", CHECKPOINT, path]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(fs::metadata(path)?.len().try_into()?)
}
