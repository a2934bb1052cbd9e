//! The database locked, slow, gone, or silent in the middle of an apply.

use anyhow::{Context, Result, ensure};
use pbx_lab::{Postgres, until};
use pbx_tests::{Fault, Injection, Proxy, SOON, System};
use serde_json::Value as Json;
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use tokio::runtime::Runtime;

use super::states::{States, revisions};

/// Somebody else's session that has the database's lock.
enum Lock {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Lock {
    async fn take(url: &str) -> Result<Self> {
        if url.starts_with("sqlite") {
            let mut session = SqliteConnection::connect(url).await?;
            sqlx::query("BEGIN IMMEDIATE").execute(&mut session).await?;
            return Ok(Self::Sqlite(session));
        }
        let mut session = PgConnection::connect(url).await?;
        sqlx::query("BEGIN").execute(&mut session).await?;
        sqlx::query("LOCK TABLE store IN EXCLUSIVE MODE").execute(&mut session).await?;
        Ok(Self::Postgres(session))
    }

    async fn release(self) -> Result<()> {
        match self {
            Self::Sqlite(session) => session.close().await?,
            Self::Postgres(session) => session.close().await?,
        }
        Ok(())
    }
}

/// What pbxd says to Asterisk when the switch is journalled and the store is not asked again before it keeps the revision.
const BEFORE_COMMIT: &str = "logger remove channel";

#[test]
fn locked_when_the_revision_is_to_be_kept() -> Result<()> {
    let runtime = Runtime::new()?;
    let system = System::builder().proxied().start()?;
    let mut states = States::learn(&system)?;

    // For a moment: it is waited for.
    let trap = system.proxy().at(BEFORE_COMMIT, Fault::Hold);
    let change = states.change(&system)?;
    trap.wait()?;
    let lock = runtime.block_on(Lock::take(system.store()))?;
    trap.release();
    system.wait_pbxd_log("the store failed; trying again")?;
    runtime.block_on(lock.release())?;
    let told = change.end()?;
    told.1.clone().expect(0)?;
    states.check(&system, Some(&told))?;

    // For too long: Asterisk goes back, and the store is told when it can be.
    let trap = system.proxy().at(BEFORE_COMMIT, Fault::Hold);
    let change = states.change(&system)?;
    trap.wait()?;
    let lock = runtime.block_on(Lock::take(system.store()))?;
    trap.release();
    let told = change.end()?;
    told.1.clone().expect(4)?;
    ensure!(told.1.stderr.contains("the store could not keep it"), "{}", told.1);
    ensure!(told.1.stderr.contains("is known when the store answers again"), "{}", told.1);
    runtime.block_on(lock.release())?;
    until("an end of the revision in the store", SOON, || {
        Ok(revisions(&system)?[0]["state"].as_str().is_some_and(|state| state == "rolledBack").then_some(()))
    })?;
    let said = revisions(&system)?[0]["detail"].to_string();
    ensure!(said.contains("the store could not keep it"), "{said}");
    states.check(&system, Some(&told))?;
    states.go_on(&system)
}

/// Whether a revision that must be confirmed was kept is known when nobody watches it any more: then it is gone back from.
#[test]
fn gone_when_what_must_be_confirmed_is_kept() -> Result<()> {
    let Some((_server, database, system)) = on_postgres()? else {
        eprintln!("left out: this is done beside the tests on SQLite");
        return Ok(());
    };
    let mut states = States::learn(&system)?;
    let held = system.proxy().at(BEFORE_COMMIT, Fault::Hold);
    let change = states.change_with(&system, &["--confirm-within", "10m"])?;
    held.wait()?;
    let gone = database.at("COMMIT", Fault::Gone);
    held.release();
    let told = change.end()?;
    gone.wait()?;
    told.1.clone().expect(4)?;
    database.restore();
    until("a way back from what the store kept", SOON, || {
        let all = revisions(&system)?;
        let back = |one: &Json| one["message"].as_str().is_some_and(|text| text.contains("nobody watched it"));
        Ok(all.iter().any(|one| one["live"] == true && back(one)).then_some(()))
    })?;
    until("nothing to wait any more", SOON, || Ok(system.health()?.unconfirmed.is_none().then_some(())))?;
    states.check(&system, Some(&told))?;
    states.go_on(&system)
}

#[test]
fn slow_at_each_flush() -> Result<()> {
    let system = System::start()?;
    let mut states = States::learn(&system)?;
    let path = system.dir().join("pbxd.db-wal");
    if !path.exists() {
        eprintln!("left out: PostgreSQL flushes where pbxd does not see it");
        return Ok(());
    }
    for nth in 1..=4 {
        let what = "delay_enter=1000000".to_owned();
        let trace = system.inject(&Injection { calls: "fsync,fdatasync", path: path.clone(), nth, what })?;
        let told = states.change(&system)?.end()?;
        ensure!(trace.has_injected()?, "nothing was slow");
        trace.end()?;
        told.1.clone().expect(0)?;
        states.check(&system, Some(&told))?;
    }
    Ok(())
}

/// A system on a PostgreSQL that can be cut off. Nothing where all tests are on PostgreSQL: once is enough.
fn on_postgres() -> Result<Option<(Postgres, Proxy, System)>> {
    if std::env::var("PBX_STORE").is_ok_and(|store| store == "postgres") {
        return Ok(None);
    }
    let server = Postgres::start()?;
    let proxy = Proxy::to((server.ip(), 5432).into())?;
    let url = server.create("pbx")?;
    let url = url.replace(&format!("{}:5432", server.ip()), &proxy.address().to_string());
    let system = System::builder().store(url).proxied().start()?;
    Ok(Some((server, proxy, system)))
}

#[test]
fn gone_at_any_commit() -> Result<()> {
    let Some((_server, database, system)) = on_postgres()? else {
        eprintln!("left out: this is done beside the tests on SQLite");
        return Ok(());
    };
    let mut states = States::learn(&system)?;

    // Before an apply: nothing happens, and why is told.
    database.refuse();
    let told = states.change(&system)?.end()?;
    told.1.clone().expect(1)?;
    database.restore();
    states.check(&system, Some(&told))?;
    states.go_on(&system)?;

    // The answer to keeping it is lost: asked again, the store says that it did.
    let held = system.proxy().at(BEFORE_COMMIT, Fault::Hold);
    let change = states.change(&system)?;
    held.wait()?;
    let cut = database.at("COMMIT", Fault::CutAnswer);
    held.release();
    let told = change.end()?;
    cut.wait()?;
    told.1.clone().expect(0)?;
    states.check(&system, Some(&told))?;

    // The answer is lost, and the database with it: nobody knows, and nobody says that it was done. It was: then it becomes live.
    let held = system.proxy().at(BEFORE_COMMIT, Fault::Hold);
    let change = states.change(&system)?;
    held.wait()?;
    let gone = database.at("COMMIT", Fault::Gone);
    held.release();
    let told = change.end()?;
    gone.wait()?;
    told.1.clone().expect(4)?;
    ensure!(told.1.stderr.contains("is known when the store answers again"), "{}", told.1);
    database.restore();
    let live = until("what the store kept", SOON, || {
        Ok(system
            .health()?
            .revision
            .filter(|revision| told.1.stderr.contains(&format!("revision {revision} was kept"))))
    })?;
    states.check(&system, None).with_context(|| format!("revision {live}"))?;
    states.go_on(&system)
}

#[test]
fn silent_when_an_apply_begins() -> Result<()> {
    let Some((_server, database, system)) = on_postgres()? else {
        eprintln!("left out: this is done beside the tests on SQLite");
        return Ok(());
    };
    let mut states = States::learn(&system)?;
    let silent = database.at("COMMIT", Fault::Silence);
    let told = states.change(&system)?.end()?;
    silent.wait()?;
    told.1.clone().expect(1)?;
    ensure!(told.1.stderr.contains("did not answer within"), "{}", told.1);
    // The server learns that nobody is there any more, and lets go of what was begun.
    database.close();
    states.check(&system, Some(&told))?;
    states.go_on(&system)
}

/// Without Asterisk nobody has anything to go back to but files: what the store kept is live once it says so.
#[test]
fn gone_when_what_is_only_written_is_kept() -> Result<()> {
    let Some((_server, database, system)) = on_postgres()? else {
        eprintln!("left out: this is done beside the tests on SQLite");
        return Ok(());
    };
    let mut states = States::learn(&system)?;
    // The intent, what it changes, and the switch are journalled; then the database goes with its answer.
    let held: Vec<_> = (0..3).map(|_| database.at("COMMIT", Fault::Hold)).collect();
    let gone = database.at("COMMIT", Fault::Gone);
    let change = states.change_with(&system, &["--no-reload"])?;
    for journalled in held {
        journalled.wait()?;
        journalled.release();
    }
    gone.wait()?;
    let told = change.end()?;
    told.1.clone().expect(4)?;
    ensure!(told.1.stderr.contains("is known when the store answers again"), "{}", told.1);
    ensure!(!told.1.stderr.contains("nothing was changed"), "{}", told.1);
    database.restore();
    until("what the store kept", SOON, || {
        let live = system.health()?.revision;
        Ok(live.filter(|live| told.1.stderr.contains(&format!("revision {live} was kept"))))
    })?;
    states.check(&system, None)?;
    states.go_on(&system)
}

/// Whoever has become the store's owner meanwhile has begun what is found unfinished: it is theirs.
#[test]
fn somebody_elses_when_it_comes_back() -> Result<()> {
    let Some((server, database, system)) = on_postgres()? else {
        eprintln!("left out: this is done beside the tests on SQLite");
        return Ok(());
    };
    let runtime = Runtime::new()?;
    let mut states = States::learn(&system)?;
    let held = system.proxy().at(BEFORE_COMMIT, Fault::Hold);
    let change = states.change(&system)?;
    held.wait()?;
    database.refuse();
    held.release();
    let told = change.end()?;
    told.1.clone().expect(4)?;

    let url = system.store().replace(&database.address().to_string(), &format!("{}:5432", server.ip()));
    let unfinished = "SELECT COUNT(*) FROM revisions WHERE finished_at IS NULL";
    let other = runtime.block_on(async {
        let mut other = PgConnection::connect(&url).await?;
        // The lock of `pbx_store::Store::own`.
        sqlx::query("SELECT pg_advisory_lock(x'70627864'::int, 1)").execute(&mut other).await?;
        anyhow::Ok(other)
    })?;
    let before = system.pbxd_log().len();
    database.restore();
    until("the owner to be asked", SOON, || {
        let log = system.pbxd_log();
        let told = |line: &str| line.contains("do not agree yet") && line.contains("another pbxd");
        Ok(log.get(before..).is_some_and(|new| new.lines().any(told)).then_some(()))
    })?;
    let mut other = other;
    let left: i64 = runtime.block_on(sqlx::query_scalar(unfinished).fetch_one(&mut other))?;
    ensure!(left == 1, "what somebody else may have begun was ended:\n{}", system.pbxd_log());

    // They are gone again: now it is its own.
    runtime.block_on(other.close())?;
    until("an end of the revision in the store", SOON, || {
        Ok(revisions(&system)?[0]["state"].as_str().is_some_and(|state| state == "rolledBack").then_some(()))
    })?;
    states.check(&system, Some(&told))?;
    states.go_on(&system)
}
