//! What the store promises, told once and lived through by both engines.

#![expect(clippy::unwrap_used, reason = "a test's helpers are tests too")]
#![expect(clippy::print_stdout, reason = "timings for whoever looks, and the victim's report to its killer")]

mod common;

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use common::{Engine, Place, Postgres, Sqlite};
use jiff::{SignedDuration, Timestamp};
use pbx_store::{
    Change, ChangeRow, Counts, NewRevision, Override, Result, RevisionId, Secret, SecretChange, SecretId, State, Store,
    StoreError, Turned,
};
use proptest::{
    collection::vec,
    prelude::{Strategy, any},
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// Half a second past the full second is where text of variable width would be sorted wrongly.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + seconds).unwrap() + SignedDuration::from_micros(500_000)
}

fn put(name: &str, body: Value) -> Change {
    Change { kind: "Extension".to_owned(), name: name.to_owned(), after: Some(body) }
}

fn delete(name: &str) -> Change {
    Change { kind: "Extension".to_owned(), name: name.to_owned(), after: None }
}

fn password(name: &str, value: Option<&str>) -> SecretChange {
    SecretChange { id: SecretId::new("Extension", name, "password"), after: value.map(Secret::new) }
}

fn revision(base: Option<RevisionId>, changes: Vec<Change>, secrets: Vec<SecretChange>) -> NewRevision {
    NewRevision {
        base,
        actor: "ana".to_owned(),
        origin: json!({"set": "default", "git": {"commit": "4f1c", "dirty": false}}),
        message: "for sales".to_owned(),
        at: at(0),
        changes,
        secrets,
    }
}

async fn apply(store: &Store, changes: Vec<Change>, secrets: Vec<SecretChange>) -> RevisionId {
    let id = store.begin(revision(store.head().await.unwrap(), changes, secrets)).await.unwrap();
    store.advance(id, State::Activated).await.unwrap();
    store.commit(id, at(1)).await.unwrap();
    id
}

fn id(number: i64) -> RevisionId {
    number.try_into().unwrap()
}

async fn names(store: &Store) -> Vec<(String, i64)> {
    store.objects().await.unwrap().into_iter().map(|object| (object.name, object.revision.get())).collect()
}

async fn clear(store: &Store, revision: Option<RevisionId>) -> Vec<String> {
    let secrets = match revision {
        Some(revision) => store.secrets_at(revision).await.unwrap(),
        None => store.secrets().await.unwrap(),
    };
    secrets.iter().map(|(id, secret)| format!("{id}={}", secret.expose_str().unwrap())).collect()
}

/// A store's life: three revisions, one of which fails, and the way back.
async fn life(engine: &dyn Engine) {
    let place = engine.place();
    let store = place.open().await;
    assert_eq!(store.head().await.unwrap(), None);
    assert_eq!(store.snapshot().await.unwrap().objects, []);
    assert!(store.revisions(10, None).await.unwrap().is_empty());
    assert!(!format!("{store:?}").contains("hunter2"), "{store:?}");

    // Numbers, spellings and order within JSON are kept as they were given, whatever the engine.
    let first = json!({"z": 1.0, "a": [null, true, "ü\u{0}\"'$1?"], "big": 12_345_678_901_234_567_u64});
    let one = apply(
        &store,
        vec![put("1001", first.clone()), put("B", json!({})), put("a", json!({})), put("é", json!({}))],
        vec![password("1001", Some("alpha")), password("a", Some("gamma"))],
    )
    .await;
    assert_eq!(one, id(1));
    assert_eq!(store.head().await.unwrap(), Some(one));
    let objects = store.objects().await.unwrap();
    assert_eq!(objects.iter().map(|object| object.name.as_str()).collect::<Vec<_>>(), ["1001", "B", "a", "é"]);
    assert_eq!(objects[0].body, first.to_string());

    // What fails keeps its number and its intent, and leaves nothing else.
    let failed = store
        .begin(revision(Some(one), vec![put("1001", json!({"v": 2}))], vec![password("1001", Some("beta"))]))
        .await
        .unwrap();
    assert_eq!(store.objects_at(failed).await.unwrap()[0].body, r#"{"v":2}"#, "what it is about to make");
    assert_eq!(clear(&store, Some(failed)).await, ["Extension/1001/password=beta", "Extension/a/password=gamma"]);
    assert_eq!(names(&store).await[0], ("1001".to_owned(), 1), "nothing is in force yet");
    store.abandon(failed, State::Failed, "Asterisk said \0 no", at(2)).await.unwrap();
    store.abandon(failed, State::Failed, "again", at(3)).await.unwrap();
    let ended = store.revision(failed).await.unwrap();
    assert_eq!((ended.state, ended.finished_at), (State::Failed, Some(at(2))));
    assert_eq!(ended.detail.as_deref(), Some("Asterisk said \u{FFFD} no"));
    assert_eq!(store.head().await.unwrap(), Some(one));
    assert!(matches!(
        store.objects_at(failed).await,
        Err(StoreError::NotInForce { revision, state: State::Failed }) if revision == failed
    ));
    assert!(matches!(store.secrets_at(failed).await, Err(StoreError::NotInForce { .. })));
    assert_eq!(store.changes(failed).await.unwrap()[0].after, Some(json!({"v": 2})), "what was meant is still known");
    let meant = store.secret_changes(failed).await.unwrap();
    assert_eq!(meant[0].before.as_deref(), Some(store.fingerprint(b"alpha").as_str()));
    assert_eq!(meant[0].after.as_deref(), Some(store.fingerprint(b"beta").as_str()));

    // The next number is another one; a deleted object takes its secrets along.
    let three = apply(&store, vec![put("1001", json!({"v": 3})), put("new", json!({})), delete("a")], vec![]).await;
    assert_eq!(three, id(3));
    let kept = store.revision(three).await.unwrap();
    assert_eq!(kept.base, Some(one));
    assert_eq!(kept.counts, Counts { created: 1, updated: 1, deleted: 1, secrets: 1 });
    assert_eq!((kept.state, kept.created_at, kept.finished_at), (State::Committed, at(0), Some(at(1))));
    assert_eq!((kept.actor.as_str(), kept.message.as_str()), ("ana", "for sales"));
    assert_eq!(kept.origin.to_string(), r#"{"set":"default","git":{"commit":"4f1c","dirty":false}}"#);
    assert_eq!(
        names(&store).await,
        [("1001".to_owned(), 3), ("B".to_owned(), 1), ("new".to_owned(), 3), ("é".to_owned(), 1)]
    );
    let row =
        |name: &str, before, after| ChangeRow { kind: "Extension".to_owned(), name: name.to_owned(), before, after };
    assert_eq!(
        store.changes(three).await.unwrap(),
        [
            row("1001", Some(first.clone()), Some(json!({"v": 3}))),
            row("a", Some(json!({})), None),
            row("new", None, Some(json!({})))
        ],
        "before is what was in force, not what the failed one meant"
    );
    assert_eq!(clear(&store, None).await, ["Extension/1001/password=alpha"]);
    assert_eq!(store.secret_changes(three).await.unwrap()[0].after, None);

    // The way back: all as it was, secrets too.
    assert_eq!(store.objects_at(one).await.unwrap(), objects);
    assert_eq!(clear(&store, Some(one)).await, ["Extension/1001/password=alpha", "Extension/a/password=gamma"]);

    let history = store.history_of("Extension", "1001", 10).await.unwrap();
    assert_eq!(
        history.iter().map(|row| (row.revision.id.get(), row.revision.state)).collect::<Vec<_>>(),
        [(3, State::Committed), (2, State::Failed), (1, State::Committed)]
    );
    assert_eq!((&history[1].before, &history[1].after), (&Some(first), &Some(json!({"v": 2}))));
    assert_eq!(store.history_of("Extension", "1001", 1).await.unwrap(), history[..1]);
    assert!(store.history_of("Extension", "nobody", 10).await.unwrap().is_empty());

    let ids =
        |revisions: Vec<pbx_store::Revision>| revisions.iter().map(|revision| revision.id.get()).collect::<Vec<_>>();
    assert_eq!(ids(store.revisions(2, None).await.unwrap()), [3, 2]);
    assert_eq!(ids(store.revisions(2, Some(id(2))).await.unwrap()), [1]);

    // A revision may change nothing at all, or secrets only.
    let four = apply(&store, vec![], vec![]).await;
    assert!(store.changes(four).await.unwrap().is_empty() && store.secret_changes(four).await.unwrap().is_empty());
    let five = apply(&store, vec![], vec![password("1001", None)]).await;
    assert!(clear(&store, None).await.is_empty());
    assert_eq!(store.revision(five).await.unwrap().counts, Counts { secrets: 1, ..Counts::default() });
    store.close().await;

    // A time is kept so that its order in the database is its order.
    place.sabotage("DELETE FROM secrets").await;
    assert_eq!(ids(place.open().await.revisions(9, None).await.unwrap()), [5, 4, 3, 2, 1]);
}

/// Each refusal leaves everything as it was.
async fn refusals(engine: &dyn Engine) {
    let place = engine.place();
    let store = place.open().await;
    let one = apply(&store, vec![put("1001", json!({}))], vec![]).await;

    let stale = store.begin(revision(None, vec![], vec![])).await;
    assert!(matches!(&stale, Err(StoreError::Stale { expected: None, actual }) if *actual == Some(one)));
    assert_eq!(stale.unwrap_err().to_string(), "made for an empty store, but revision 1 is in force now: plan again");
    let base = Some(one);
    for (changes, secrets, expected) in [
        (vec![delete("1002")], vec![], "it deletes Extension/1002, which is not there"),
        (vec![delete("1001"), put("1001", json!({}))], vec![], "it changes Extension/1001 twice"),
        (vec![put("a\0", json!({}))], vec![], "there is a control character in \"Extension/a\\0\""),
        (vec![], vec![password("1001", None)], "it deletes the secret Extension/1001/password, which is not there"),
        (
            vec![],
            vec![password("1001", Some("a")), password("1001", Some("b"))],
            "it changes the secret Extension/1001/password twice",
        ),
        (
            vec![delete("1001")],
            vec![password("1001", Some("a"))],
            "it sets the secret Extension/1001/password of an object it deletes",
        ),
    ] {
        match store.begin(revision(base, changes, secrets)).await {
            Err(StoreError::Invalid { what }) => assert_eq!(what, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
    assert!(matches!(store.commit(id(9), at(1)).await, Err(StoreError::Missing { revision }) if revision == id(9)));
    assert!(matches!(store.changes(id(9)).await, Err(StoreError::Missing { .. })));
    assert!(matches!(store.secret_changes(id(9)).await, Err(StoreError::Missing { .. })));
    assert!(matches!(store.objects_at(id(9)).await, Err(StoreError::Missing { .. })));

    let two = store.begin(revision(base, vec![], vec![])).await.unwrap();
    assert_eq!(two, id(2), "no refusal used up a number");
    assert!(matches!(
        store.begin(revision(base, vec![], vec![])).await,
        Err(StoreError::Busy { revision, actor, since }) if revision == two && actor == "ana" && since == at(0)
    ));
    for (to, done) in [
        (State::Staged, true),
        (State::Activated, true),
        (State::Activated, true),
        (State::Staged, false),
        (State::Committed, false),
        (State::Failed, false),
    ] {
        assert_eq!(store.advance(two, to).await.is_ok(), done, "{to}");
    }
    assert!(store.abandon(two, State::Committed, "", at(1)).await.is_err());
    store.abandon(two, State::RolledBack, "no answer", at(1)).await.unwrap();
    for ended in [
        store.commit(two, at(2)).await,
        store.advance(two, State::Activated).await,
        store.abandon(two, State::Failed, "", at(2)).await,
    ] {
        assert!(matches!(ended, Err(StoreError::Transition { from: State::RolledBack, .. })), "{ended:?}");
    }
    assert!(matches!(store.abandon(one, State::Failed, "", at(2)).await, Err(StoreError::Transition { .. })));
    assert_eq!(store.head().await.unwrap(), base);
}

/// A revision may begin before what it changes is told: until that is there it changes nothing, and then all of it.
async fn filled(engine: &dyn Engine) {
    let place = engine.place();
    let store = place.open().await;
    apply(&store, vec![put("1001", json!({"v": 1}))], vec![password("1001", Some("old"))]).await;
    let two = store.begin(revision(Some(id(1)), vec![], vec![])).await.unwrap();
    drop(store);

    // Whoever dies here has left an intent, which is all that there is to undo.
    let store = place.open().await;
    let found = store.unfinished().await.unwrap().unwrap();
    assert_eq!((found.id, found.state, found.counts), (two, State::Staged, Counts::default()));
    assert!(store.changes(two).await.unwrap().is_empty());
    store.abandon(two, State::RolledBack, "cut short", at(1)).await.unwrap();
    let changes = vec![put("1001", json!({"v": 2})), put("1002", json!({}))];
    let secrets = vec![password("1001", Some("new")), password("1002", Some("other"))];
    let late = store.fill(two, &changes, &secrets).await;
    assert!(matches!(late, Err(StoreError::Transition { from: State::RolledBack, .. })), "{late:?}");
    assert!(store.changes(two).await.unwrap().is_empty(), "what has ended is not changed");

    let three = store.begin(revision(Some(id(1)), vec![], vec![])).await.unwrap();
    let wrong = store.fill(three, &[delete("1003")], &[]).await;
    assert!(matches!(&wrong, Err(StoreError::Invalid { what }) if what.contains("Extension/1003")), "{wrong:?}");
    for _ in 0..2 {
        store.fill(three, &changes, &secrets).await.unwrap();
        let counts = store.revision(three).await.unwrap().counts;
        assert_eq!(counts, Counts { created: 1, updated: 1, deleted: 0, secrets: 2 });
    }
    store.advance(three, State::Activated).await.unwrap();
    assert!(matches!(store.fill(three, &changes, &secrets).await, Err(StoreError::Transition { .. })));
    store.commit(three, at(2)).await.unwrap();
    assert_eq!(names(&store).await, [("1001".to_owned(), 3), ("1002".to_owned(), 3)]);
    assert_eq!(clear(&store, None).await, ["Extension/1001/password=new", "Extension/1002/password=other"]);
    assert!(matches!(store.fill(id(9), &[], &[]).await, Err(StoreError::Missing { revision }) if revision == id(9)));
}

/// Two who begin at once: one does, the other is told who.
async fn two_at_once(engine: &dyn Engine) {
    let place = engine.place();
    for round in 0..5 {
        // Two handles: two processes as far as the database can tell.
        let (left, right) = tokio::join!(place.open(), place.open());
        let base = left.head().await.unwrap();
        let began =
            tokio::join!(left.begin(revision(base, vec![], vec![])), right.begin(revision(base, vec![], vec![])));
        let (winner, loser) = match began {
            (Ok(winner), Err(loser)) | (Err(loser), Ok(winner)) => (winner, loser),
            other => panic!("{other:?}"),
        };
        assert_eq!(winner, id(round + 1));
        assert!(matches!(loser, StoreError::Busy { revision, .. } if revision == winner), "{loser:?}");
        let (one, two) = tokio::join!(left.commit(winner, at(1)), right.commit(winner, at(1)));
        one.unwrap();
        two.unwrap();
        assert_eq!(right.head().await.unwrap(), Some(winner));
    }
}

/// Killed after every step, the store is where it was.
async fn killed_between(engine: &dyn Engine) {
    let place = engine.place();
    let first = revision(None, vec![put("1001", json!({}))], vec![password("1001", Some("a"))]);
    let one = place.open().await.begin(first).await.unwrap();

    let store = place.open().await;
    let found = store.unfinished().await.unwrap().unwrap();
    assert_eq!((found.id, found.state, found.finished_at), (one, State::Staged, None));
    assert_eq!((store.head().await.unwrap(), names(&store).await.len()), (None, 0));
    assert_eq!(store.changes(one).await.unwrap().len(), 1, "what to finish is known");
    assert_eq!(clear(&store, Some(one)).await, ["Extension/1001/password=a"]);
    drop(store);

    place.open().await.advance(one, State::Activated).await.unwrap();
    let store = place.open().await;
    assert_eq!(store.unfinished().await.unwrap().unwrap().state, State::Activated);
    assert!(clear(&store, None).await.is_empty());
    drop(store);

    place.open().await.commit(one, at(1)).await.unwrap();
    let store = place.open().await;
    assert_eq!((store.unfinished().await.unwrap(), store.head().await.unwrap()), (None, Some(one)));
    assert_eq!(names(&store).await, [("1001".to_owned(), 1)]);
    store.commit(one, at(9)).await.unwrap();
    assert_eq!(store.revision(one).await.unwrap().finished_at, Some(at(1)), "done again, and nothing changed");
    drop(store);

    let two = place.open().await.begin(revision(Some(one), vec![delete("1001")], vec![])).await.unwrap();
    place.open().await.abandon(two, State::RolledBack, "undone at start", at(2)).await.unwrap();
    let store = place.open().await;
    assert_eq!((store.unfinished().await.unwrap(), store.head().await.unwrap()), (None, Some(one)));
    assert_eq!(clear(&store, None).await, ["Extension/1001/password=a"]);
}

/// The last word on a schedule holds, and all that was said is known.
async fn schedules(engine: &dyn Engine) {
    let place = engine.place();
    let store = place.open().await;
    assert_eq!(store.schedules_turned().await.unwrap(), []);
    let turn = |schedule: &str, state, until: Option<i64>, seconds| Override {
        schedule: schedule.to_owned(),
        state,
        until: until.map(at),
        actor: "ana".to_owned(),
        at: at(seconds),
        note: "a storm".to_owned(),
    };
    let first = turn("office", Turned::Closed, Some(3600), 1);
    let second = turn("office", Turned::Open, None, 2);
    let other = turn("Night", Turned::Open, Some(-1), 2);
    store.turn_schedules(std::slice::from_ref(&first)).await.unwrap();
    store.turn_schedules(&[second.clone(), other.clone()]).await.unwrap();
    let wrong = [turn("fine", Turned::Open, None, 3), turn("a\0", Turned::Open, None, 3)];
    assert!(matches!(store.turn_schedules(&wrong).await, Err(StoreError::Invalid { .. })));
    drop(store);

    let store = place.open().await;
    assert_eq!(store.schedules_turned().await.unwrap(), [other, second.clone()]);
    assert_eq!(store.turns_of("office", 10).await.unwrap(), [second.clone(), first]);
    assert_eq!(store.turns_of("office", 1).await.unwrap(), [second]);
    let back = turn("office", Turned::Auto, None, 4);
    store.turn_schedules(std::slice::from_ref(&back)).await.unwrap();
    assert_eq!(store.schedules_turned().await.unwrap()[1], back);
    assert_eq!(store.turns_of("fine", 10).await.unwrap(), []);
}

/// One owner at a time, known by what it said of itself; the next one may come as soon as it is gone.
async fn owners(engine: &dyn Engine) {
    let place = engine.place();
    let (one, two) = tokio::join!(place.open(), place.open());
    let owner = one.own("process 1 on pbx1").await.unwrap();
    owner.check().await.unwrap();
    let refused = two.own("process 2 on pbx1").await.unwrap_err();
    assert!(matches!(&refused, StoreError::Owned { by } if by.contains("process 1 on pbx1")), "{refused:?}");
    // Only owning is for one: others may look.
    assert_eq!(two.head().await.unwrap(), None);
    let (waiting, ()) = tokio::join!(two.own("process 2 on pbx1"), async { drop(owner) });
    let owner = waiting.unwrap();
    assert!(one.own("process 3 on pbx1").await.unwrap_err().to_string().contains("process 2 on pbx1"));

    if place.url.starts_with("postgres") {
        // A session that the server ended is made anew, and nobody owns the store twice.
        place
            .sabotage("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2")
            .await;
        owner.check().await.unwrap();
        assert!(one.own("process 3 on pbx1").await.is_err());
        place
            .sabotage("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2")
            .await;
        let third = one.own("process 3 on pbx1").await.unwrap();
        let lost = owner.check().await.unwrap_err();
        assert!(matches!(&lost, StoreError::Owned { by } if by.contains("process 3 on pbx1")), "{lost:?}");
        drop(third);
    }
}

/// What is said of a revision after its end stays with it; of one under way nothing is said.
async fn remarks(engine: &dyn Engine) {
    let store = engine.place().open().await;
    let one = store.begin(revision(None, vec![], vec![])).await.unwrap();
    assert!(matches!(store.remark(one, "too early").await, Err(StoreError::Missing { revision }) if revision == one));
    store.commit(one, at(1)).await.unwrap();
    store.remark(one, "in the end").await.unwrap();
    assert_eq!(store.revision(one).await.unwrap().detail.as_deref(), Some("in the end"));
    assert!(store.remark(id(7), "of nothing").await.is_err());
}

/// The key file: made once, never made anew over secrets, and known from every other.
async fn keys(engine: &dyn Engine) {
    let place = engine.place();
    drop(place.open().await);
    let file = place.key_file();
    assert_eq!(fs_err::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs_err::read_to_string(&file).unwrap().len(), 45);
    assert_eq!(
        fs_err::read_dir(place.folder.path())
            .unwrap()
            .filter(|entry| { entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("key") })
            .count(),
        1,
        "no draft is left"
    );
    let expect = |result: Result<Store>, words: &[&str]| {
        let error = result.unwrap_err();
        assert!(matches!(&error, StoreError::Key { path, .. } if *path == file));
        for word in words {
            assert!(error.to_string().contains(word), "{word}: {error}");
        }
    };

    fs_err::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    expect(place.try_open().await, &["mode 640", "chmod 600"]);
    fs_err::set_permissions(&file, std::fs::Permissions::from_mode(0o400)).unwrap();

    // Lost before it sealed anything: another will do. Whoever still has the first one cannot seal with it.
    let early = place.open().await;
    let lost = place.folder.path().join("lost");
    fs_err::rename(&file, &lost).unwrap();
    let store = place.open().await;
    let refused = early.begin(revision(None, vec![], vec![password("1001", Some("a"))])).await;
    assert!(matches!(refused, Err(StoreError::Key { .. })), "{refused:?}");
    let fingerprint = store.fingerprint(b"a");
    assert_ne!(early.fingerprint(b"a"), fingerprint);
    apply(&store, vec![], vec![password("1001", Some("a"))]).await;
    drop((early, store));

    // Now it has: neither another nor none will do, and nothing is changed by trying.
    let key = place.folder.path().join("kept");
    fs_err::rename(&file, &key).unwrap();
    expect(place.try_open().await, &["is missing", "holds secrets", "none is made", "backup"]);
    assert!(!file.exists());
    fs_err::copy(&lost, &file).unwrap();
    expect(place.try_open().await, &["it holds key", "sealed with key", "backup"]);
    fs_err::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    fs_err::write(&file, "hunter2\n").unwrap();
    expect(place.try_open().await, &["32 bytes as one line of base64"]);
    fs_err::remove_file(&file).unwrap();
    fs_err::rename(&key, &file).unwrap();
    let store = place.open().await;
    assert_eq!(store.fingerprint(b"a"), fingerprint);
    assert_eq!(clear(&store, None).await, ["Extension/1001/password=a"]);
}

/// What was not written by the store is named by table and row, and never panics.
async fn damage(engine: &dyn Engine) {
    let place = engine.place();
    let store = place.open().await;
    apply(
        &store,
        vec![put("1001", json!({})), put("1002", json!({}))],
        vec![password("1001", Some("alpha")), password("1002", Some("beta"))],
    )
    .await;
    let expect = |error: StoreError, table: &str, row: &str| match &error {
        StoreError::Inconsistent { table: found, row: which, .. } => {
            assert_eq!((*found, which.as_str()), (table, row), "{error}");
            assert!(!error.to_string().contains("alpha"), "{error}");
        }
        _ => panic!("{error:?}"),
    };

    place
        .sabotage("UPDATE secrets SET sealed = (SELECT sealed FROM secrets WHERE name = '1001') WHERE name = '1002'")
        .await;
    expect(store.secrets().await.unwrap_err(), "secrets", "Extension/1002/password");
    place.sabotage("UPDATE objects SET body = '{\"cut' WHERE name = '1002'").await;
    let objects = store.objects().await.unwrap();
    assert_eq!(objects[0].read::<Value>().unwrap(), json!({}));
    expect(objects[1].read::<Value>().unwrap_err(), "objects", "Extension/1002");
    place.sabotage("UPDATE object_versions SET body = '' WHERE name = '1002'").await;
    expect(store.changes(id(1)).await.unwrap_err(), "object_versions", "Extension/1002");
    place.sabotage("UPDATE revisions SET origin = 'git'").await;
    expect(store.revision(id(1)).await.unwrap_err(), "revisions", "1");
    if place.url.starts_with("sqlite") {
        place.sabotage("UPDATE revisions SET origin = '{}', created_at = 'yesterday'").await;
        expect(store.revision(id(1)).await.unwrap_err(), "revisions", "1");
    }
    place.sabotage("UPDATE revisions SET origin = '{}'").await;

    // A commit that cannot do all that was journalled does nothing.
    let place = engine.place();
    let store = place.open().await;
    let one = apply(&store, vec![put("1001", json!({})), put("1002", json!({}))], vec![]).await;
    let two = store.begin(revision(Some(one), vec![delete("1001"), put("new", json!({}))], vec![])).await.unwrap();
    place.sabotage("DELETE FROM objects WHERE name = '1001'").await;
    expect(store.commit(two, at(1)).await.unwrap_err(), "objects", "2");
    assert_eq!(store.head().await.unwrap(), Some(one));
    assert_eq!(names(&store).await, [("1002".to_owned(), 1)]);
    assert_eq!(store.unfinished().await.unwrap().unwrap().id, two);
    place.sabotage("DELETE FROM object_versions; DELETE FROM objects; DELETE FROM store").await;
    expect(store.head().await.unwrap_err(), "store", "1");
    expect(store.commit(two, at(1)).await.unwrap_err(), "store", "1");
}

/// Started many times at once on nothing; started over tables from the future.
async fn schema(engine: &dyn Engine) {
    let place = engine.place();
    let (a, b, c, d) = tokio::join!(place.open(), place.open(), place.open(), place.open());
    let one = apply(&a, vec![put("1001", json!({}))], vec![password("1001", Some("a"))]).await;
    for store in [&b, &c, &d] {
        assert_eq!(store.head().await.unwrap(), Some(one));
        assert_eq!(clear(store, None).await, ["Extension/1001/password=a"], "all found the same key");
    }
    drop((a, b, c, d));

    place
        .sabotage(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             SELECT 7, 'call records', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1; \
             UPDATE store SET migration = 7, migrated_by = '0.9.1'",
        )
        .await;
    for _ in 0..2 {
        let refused = place.try_open().await;
        match refused.unwrap_err() {
            error @ StoreError::NewerSchema { found: 7, .. } => {
                let message = error.to_string();
                assert!(message.contains("migration 7 (call records), applied by version 0.9.1"), "{message}");
                assert!(message.contains("run version 0.9.1 or later"), "{message}");
            }
            other => panic!("{other:?}"),
        }
    }
    place.sabotage("UPDATE store SET migrated_by = ''; ALTER TABLE store RENAME COLUMN migrated_by TO moved").await;
    let refused = place.try_open().await.unwrap_err();
    assert!(refused.to_string().contains("by version unknown"), "{refused}");
}

/// One step of a random history: which of a few objects to put or delete, and whether it comes in force.
type Step = (Vec<(u8, Option<i32>)>, bool);

/// Whatever happened, every committed revision can be read back, and equals the changes replayed one by one.
fn replay(runtime: &Runtime, engine: &dyn Engine, cases: u32) {
    let steps = vec((vec((0..6_u8, any::<Option<i32>>()), 0..5), proptest::bool::weighted(0.8)), 1..12);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    runner
        .run(&steps.prop_map(|steps: Vec<Step>| steps), |steps| {
            runtime.block_on(replay_one(engine, steps));
            Ok(())
        })
        .unwrap();
}

async fn replay_one(engine: &dyn Engine, steps: Vec<Step>) {
    let place = engine.place();
    let store = place.open().await;
    let mut now: BTreeMap<String, i32> = BTreeMap::new();
    let mut past = Vec::new();
    for (wishes, commit) in steps {
        let mut next = now.clone();
        let wishes: BTreeMap<String, Option<i32>> =
            wishes.into_iter().map(|(name, value)| (format!("n{name}"), value)).collect();
        let mut changes = Vec::new();
        let mut secrets = Vec::new();
        for (name, wish) in wishes {
            match wish {
                Some(value) => {
                    changes.push(put(&name, json!(value)));
                    secrets.push(password(&name, Some(&value.to_string())));
                    next.insert(name, value);
                }
                None if next.remove(&name).is_some() => changes.push(delete(&name)),
                None => {}
            }
        }
        let id = store.begin(revision(store.head().await.unwrap(), changes, secrets)).await.unwrap();
        if commit {
            store.commit(id, at(1)).await.unwrap();
            past.push((id, next.clone()));
            now = next;
        } else {
            store.abandon(id, State::Failed, "", at(1)).await.unwrap();
        }
    }

    let mut replayed: BTreeMap<String, Value> = BTreeMap::new();
    for (id, then) in &past {
        let counts = store.revision(*id).await.unwrap().counts;
        let changes = store.changes(*id).await.unwrap();
        assert_eq!(counts.created + counts.updated + counts.deleted, changes.len() as u64);
        for change in changes {
            let before = match change.after {
                Some(after) => replayed.insert(change.name, after),
                None => replayed.remove(&change.name),
            };
            assert_eq!(change.before, before);
        }
        let objects = store.objects_at(*id).await.unwrap();
        let read: BTreeMap<_, _> =
            objects.into_iter().map(|object| (object.name.clone(), object.read().unwrap())).collect();
        assert_eq!(read, replayed);
        assert_eq!(read, then.iter().map(|(name, value)| (name.clone(), json!(value))).collect());
        let expected: Vec<_> = then.iter().map(|(name, value)| format!("Extension/{name}/password={value}")).collect();
        assert_eq!(clear(&store, Some(*id)).await, expected);
    }
    if let Some((head, _)) = past.last() {
        assert_eq!(store.snapshot().await.unwrap().head, Some(*head));
        assert_eq!(store.objects().await.unwrap(), store.objects_at(*head).await.unwrap());
        assert_eq!(clear(&store, None).await, clear(&store, Some(*head)).await);
    }
    store.close().await;
}

/// Ten thousand objects. The limits are several times what it takes, unoptimized, on two cores: they catch what grows
/// faster than it should, not a busy machine.
async fn ten_thousand(engine: &dyn Engine) {
    let place = engine.place();
    let store = place.open().await;
    let body = |number: u32| {
        json!({
            "apiVersion": "pbx/v1", "kind": "Extension",
            "metadata": {"name": number.to_string(), "labels": {"team": "sales", "site": "lisbon"}},
            "spec": {"displayName": format!("Person {number}"), "email": format!("p{number}@example.com"),
                     "profile": "desk", "codecs": ["opus", "g722", "alaw"], "voicemail": {"enabled": true}},
        })
    };
    let timed = async |what: &str, limit: u64, run: std::pin::Pin<Box<dyn Future<Output = ()> + '_>>| {
        let start = Instant::now();
        run.await;
        let took = start.elapsed();
        println!("{what}: {took:?}");
        assert!(took < Duration::from_millis(limit), "{what}: {took:?}");
    };
    let changes = (0..10_000).map(|number| put(&format!("{number:05}"), body(number))).collect();
    let secrets = (0..10_000).map(|number| password(&format!("{number:05}"), Some("correct horse battery"))).collect();
    let new = revision(None, changes, secrets);
    timed("begin 10,000", 10_000, Box::pin(async { assert_eq!(store.begin(new).await.unwrap(), id(1)) })).await;
    timed("commit 10,000", 5_000, Box::pin(async { store.commit(id(1), at(1)).await.unwrap() })).await;
    for _ in 0..2 {
        timed("objects", 1_000, Box::pin(async { assert_eq!(store.objects().await.unwrap().len(), 10_000) })).await;
    }
    timed("objects_at", 2_000, Box::pin(async { assert_eq!(store.objects_at(id(1)).await.unwrap().len(), 10_000) }))
        .await;
    timed("changes", 3_000, Box::pin(async { assert_eq!(store.changes(id(1)).await.unwrap().len(), 10_000) })).await;
    timed("secrets", 3_000, Box::pin(async { assert_eq!(store.secrets().await.unwrap().len(), 10_000) })).await;

    let size = || place.url.strip_prefix("sqlite://").map(|path| fs_err::metadata(path).unwrap().len());
    place.sabotage(if size().is_some() { "PRAGMA wal_checkpoint(TRUNCATE)" } else { "ANALYZE" }).await;
    let before = size();
    let start = Instant::now();
    for number in 0..100 {
        apply(&store, vec![put("05000", body(number))], vec![password("05000", Some("another one"))]).await;
    }
    println!("one change of 10,000: {:?}", start.elapsed() / 100);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    place.sabotage(if before.is_some() { "PRAGMA wal_checkpoint(TRUNCATE)" } else { "ANALYZE" }).await;
    if let (Some(before), Some(after)) = (before, size()) {
        println!("bytes per revision: {}", (after - before) / 100);
        assert!((after - before) / 100 < 10_000, "{before} {after}");
    }
    timed(
        "objects_at the first",
        2_000,
        Box::pin(async {
            assert_eq!(store.objects_at(id(1)).await.unwrap()[5_000].read::<Value>().unwrap(), body(5_000));
        }),
    )
    .await;
}

/// Another key: secrets of now and of then are sealed with it, fingerprints stay, and a change that ended in the middle is finished.
async fn another_key(engine: &dyn Engine) {
    let place = engine.place();
    let store = place.open().await;
    apply(&store, vec![put("1001", json!({}))], vec![password("1001", Some("first"))]).await;
    apply(&store, vec![], vec![password("1001", Some("second")), password("1002", Some("other"))]).await;
    let fingerprint = store.fingerprint(b"first");
    let file = place.key_file();
    let first = fs_err::read(&file).unwrap();

    let owner = store.own("a test").await.unwrap();
    let rotated = store.rotate_key(&owner).await.unwrap();
    assert_eq!(rotated.secrets, 5, "two in force, three of revisions");
    assert_eq!(fs_err::read(&rotated.old).unwrap(), first);
    let second = fs_err::read(&file).unwrap();
    assert_ne!(second, first);
    assert_eq!(fs_err::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    // Whoever still has the old key seals nothing with it, and changes it no second time.
    let refused = store.begin(revision(store.head().await.unwrap(), vec![], vec![password("1003", Some("a"))])).await;
    assert!(matches!(refused, Err(StoreError::Key { .. })), "{refused:?}");
    assert!(matches!(store.rotate_key(&owner).await, Err(StoreError::Key { .. })));
    drop((owner, store));

    let store = place.open().await;
    let now = ["Extension/1001/password=second", "Extension/1002/password=other"];
    assert_eq!(clear(&store, None).await, now);
    assert_eq!(clear(&store, Some(id(1))).await, ["Extension/1001/password=first"]);
    assert_eq!(store.fingerprint(b"first"), fingerprint);
    assert!(
        !fs_err::read_dir(place.folder.path())
            .unwrap()
            .any(|entry| { entry.unwrap().file_name().to_string_lossy().ends_with(".next") })
    );

    // It ends between the database and the file: whoever comes next finishes it. Before, it was as if nothing had happened.
    let owner = store.own("a test").await.unwrap();
    let next = place.folder.path().join("key.next");
    let rotated = store.rotate_key(&owner).await.unwrap();
    fs_err::rename(&file, &next).unwrap();
    fs_err::rename(&rotated.old, &file).unwrap();
    drop((owner, store));
    let store = place.open().await;
    assert_eq!(clear(&store, None).await, now);
    assert!(!next.exists() && rotated.old.exists());
    fs_err::write(&next, &first).unwrap();
    fs_err::set_permissions(&next, std::fs::Permissions::from_mode(0o600)).unwrap();
    drop(store);
    let store = place.open().await;
    assert_eq!(clear(&store, None).await, now);
    let owner = store.own("a test").await.unwrap();
    store.rotate_key(&owner).await.unwrap();
    drop((owner, store));
    assert_eq!(clear(&place.open().await, None).await, now);
}

/// The scenarios, on SQLite each by itself.
macro_rules! on_sqlite {
    ($($scenario:ident),*) => {
        mod sqlite {
            $(#[test] fn $scenario() { super::runtime().block_on(super::$scenario(&super::Sqlite)); })*
        }
        /// And on PostgreSQL one after the other: a server is not started for each.
        async fn every(engine: &dyn Engine) {
            $(println!("{}", stringify!($scenario)); $scenario(engine).await;)*
        }
    };
}
on_sqlite!(
    life,
    refusals,
    filled,
    two_at_once,
    killed_between,
    owners,
    schedules,
    remarks,
    keys,
    another_key,
    damage,
    schema,
    ten_thousand
);

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn postgres() {
    let server = Postgres::start();
    let runtime = runtime();
    runtime.block_on(every(&server));
    replay(&runtime, &server, 8);
}

#[test]
fn sqlite_replay() {
    replay(&runtime(), &Sqlite, 32);
}

#[test]
fn a_sqlite_database_is_nobody_elses() {
    let place = Sqlite.place();
    runtime().block_on(async {
        let store = place.open().await;
        apply(&store, vec![], vec![password("1001", Some("alpha"))]).await;
        let made = place.folder.path().join("made/too");
        assert_eq!(fs_err::metadata(&made).unwrap().permissions().mode() & 0o777, 0o700);
        let mut files = Vec::new();
        for entry in fs_err::read_dir(&made).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
            let bytes = fs_err::read(entry.path()).unwrap();
            assert!(!bytes.windows(5).any(|window| window == b"alpha"), "{:?}", entry.path());
            files.push(entry.file_name().into_string().unwrap());
        }
        files.sort();
        assert_eq!(files, ["pbxd.db", "pbxd.db-shm", "pbxd.db-wal", "pbxd.db.lock"]);
    });
}

/// Where the victim of `what_was_reported_survives_a_kill` keeps its store.
const VICTIM: &str = "PBX_STORE_TEST_VICTIM";

/// Killed without warning in the middle of writing, a store has every revision that it reported, and one at most that
/// is unfinished.
#[test]
fn what_was_reported_survives_a_kill() {
    let place = Sqlite.place();
    runtime().block_on(async {
        for round in 1..=5 {
            let mut victim = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "victim", "--ignored", "--nocapture"])
                .env(VICTIM, format!("{} {}", place.url, place.key_file().display()))
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut reported = 0;
            let mut begun = Instant::now();
            for line in BufReader::new(victim.stdout.take().unwrap()).lines() {
                if let Some(committed) = line.unwrap().strip_prefix("committed ") {
                    if reported == 0 {
                        begun = Instant::now();
                    }
                    reported = committed.parse().unwrap();
                    // At another moment each time; what it wrote until it dies is read as well.
                    if begun.elapsed() > Duration::from_millis(20 + 7 * round) {
                        let _ = victim.kill();
                    }
                }
            }
            victim.wait().unwrap();
            let store = place.open().await;
            let head = store.head().await.unwrap().unwrap();
            assert!(reported > 0 && head >= id(reported), "{head} < {reported}");
            assert_eq!(store.objects().await.unwrap(), store.objects_at(head).await.unwrap());
            assert_eq!(store.objects().await.unwrap()[0].body, head.to_string());
            let mut open = 0;
            for revision in store.revisions(1_000, None).await.unwrap() {
                if !revision.state.is_finished() {
                    open += 1;
                    store.abandon(revision.id, State::Failed, "killed", at(2)).await.unwrap();
                }
            }
            assert!(open <= 1);
            store.close().await;
        }
    });
}

#[test]
#[ignore = "run, and killed, by what_was_reported_survives_a_kill"]
fn victim() {
    let Ok(place) = std::env::var(VICTIM) else { return };
    let (url, key_file) = place.split_once(' ').unwrap();
    runtime().block_on(async {
        let store = Store::open(url, key_file.as_ref()).await.unwrap();
        loop {
            let base = store.head().await.unwrap();
            let next = store.revisions(1, None).await.unwrap().first().map_or(1, |revision| revision.id.get() + 1);
            let id = store.begin(revision(base, vec![put("n", json!(next))], vec![])).await.unwrap();
            store.advance(id, State::Activated).await.unwrap();
            store.commit(id, at(1)).await.unwrap();
            println!("committed {id}");
        }
    });
}

#[test]
fn a_database_that_is_not_there_is_an_error() {
    let place =
        Place { url: "postgres://pbxd:hunter2@127.0.0.1:1/pbx".to_owned(), folder: tempfile::TempDir::new().unwrap() };
    runtime().block_on(async {
        let error = place.try_open().await.unwrap_err();
        assert!(matches!(error, StoreError::Driver(_)), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        let refused = Store::open("mysql://root:hunter2@db/pbx", &place.key_file()).await.unwrap_err();
        assert!(matches!(&refused, StoreError::Url { .. }) && !format!("{refused:?}").contains("hunter2"));
    });
    assert!(!place.key_file().exists(), "no key is made for a database that is not there");
}
