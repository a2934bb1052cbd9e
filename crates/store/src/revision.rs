//! Revisions: the journal of what the desired state became, and of what it was meant to become.

use std::{collections::HashSet, fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::QueryBuilder;

use crate::{
    Store,
    db::{reading, writing},
    error::{Result, StoreError, expect_rows},
    key::SecretValues,
    object::Change,
    secret::SecretChange,
    time::{Stored, Time},
};

/// Rows to a statement. Times the columns of a row this must stay below SQLite's limit of 32,766 values.
const CHUNK: usize = 500;

/// The number of a revision: 1, 2, 3…, never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct RevisionId(i64);

impl RevisionId {
    /// The number.
    pub const fn get(self) -> i64 {
        self.0
    }

    pub(crate) fn stored(id: i64, table: &'static str) -> Result<Self> {
        Self::try_from(id).map_err(|what| StoreError::inconsistent(table, id, what))
    }
}

impl TryFrom<i64> for RevisionId {
    type Error = &'static str;

    fn try_from(id: i64) -> Result<Self, Self::Error> {
        if id < 1 { Err("revisions are numbered from 1") } else { Ok(Self(id)) }
    }
}

impl From<RevisionId> for i64 {
    fn from(id: RevisionId) -> Self {
        id.0
    }
}

impl FromStr for RevisionId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<i64>().map_err(|_| "not the number of a revision")?.try_into()
    }
}

impl fmt::Display for RevisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How far a revision has come.
///
/// ```text
/// staged ──> activated ──> committed
///    └───────────┴──> rolled_back, failed
/// ```
///
/// One that changes nothing outside of the store may be committed from `staged`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its intent is recorded. Nothing that is in force has been touched.
    Staged,
    /// It has been made what Asterisk reads, or is about to be.
    Activated,
    /// It is, or was, in force.
    Committed,
    /// It was undone.
    RolledBack,
    /// It ended before there was anything to undo, or could not be undone.
    Failed,
}

impl State {
    const ALL: [Self; 5] = [Self::Staged, Self::Activated, Self::Committed, Self::RolledBack, Self::Failed];

    /// As it is written everywhere: `staged`, `activated`, `committed`, `rolled_back`, `failed`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Activated => "activated",
            Self::Committed => "committed",
            Self::RolledBack => "rolled_back",
            Self::Failed => "failed",
        }
    }

    /// Whether nothing more can become of it.
    pub const fn is_finished(self) -> bool {
        !matches!(self, Self::Staged | Self::Activated)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How many things a revision changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Objects that were not there before.
    pub created: u64,
    /// Objects that were.
    pub updated: u64,
    /// Objects that are not there after.
    pub deleted: u64,
    /// Secrets set or deleted.
    pub secrets: u64,
}

/// A revision, without what it changes; see [`Store::changes`] for that.
#[derive(Clone, Debug, PartialEq)]
pub struct Revision {
    /// Its number.
    pub id: RevisionId,
    /// The revision that was in force when it began; `None` for the first.
    pub base: Option<RevisionId>,
    /// How far it has come.
    pub state: State,
    /// Who wants it.
    pub actor: String,
    /// Where it comes from, as the caller tells it.
    pub origin: Value,
    /// What its author says about it.
    pub message: String,
    /// Why it ended as it did, when it was abandoned; how, when that took more than one try.
    pub detail: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ended; `None` while it is unfinished.
    pub finished_at: Option<Timestamp>,
    /// How much it changes.
    pub counts: Counts,
}

/// A revision to be.
#[derive(Clone, Debug)]
pub struct NewRevision {
    /// The revision that its author takes for the one in force; `None` for an empty store.
    pub base: Option<RevisionId>,
    /// Who wants it, such as `ana` or `uid:1000`.
    pub actor: String,
    /// Where it comes from: any JSON, such as `{"set": "default", "files": ["pbx/"], "git": {"commit": "…"}}`.
    pub origin: Value,
    /// What its author says about it; may be empty.
    pub message: String,
    /// Now. Kept to the microsecond.
    pub at: Timestamp,
    /// What it changes, each object once. May be empty, for deploying again what is there.
    pub changes: Vec<Change>,
    /// The secrets that it changes, each once. Those of a deleted object go by themselves.
    pub secrets: Vec<SecretChange>,
}

#[derive(sqlx::FromRow)]
pub(crate) struct StoreRow {
    pub(crate) head: Option<i64>,
    pub(crate) last: i64,
    pub(crate) key_id: Option<String>,
}

/// Takes the write lock on PostgreSQL, and reads the store's one row on both: what every transaction begins with, so
/// that what it reads next is what the transaction before it has left.
macro_rules! lock {
    ($tx:ident) => {{
        let row: $crate::revision::StoreRow =
            sqlx::query_as("UPDATE store SET last = last WHERE id = 1 RETURNING head, last, key_id")
                .fetch_optional(&mut *$tx)
                .await?
                .ok_or_else(|| $crate::StoreError::inconsistent("store", 1, "the row is missing"))?;
        row
    }};
}
pub(crate) use lock;

macro_rules! columns {
    () => {
        "SELECT id, base, state, actor, origin, message, detail, created_at, finished_at, created, updated, deleted, \
         secrets FROM revisions "
    };
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    base: Option<i64>,
    state: String,
    actor: String,
    origin: String,
    message: String,
    detail: Option<String>,
    created_at: Stored,
    finished_at: Option<Stored>,
    created: i64,
    updated: i64,
    deleted: i64,
    secrets: i64,
}

impl TryFrom<Row> for Revision {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        const TABLE: &str = "revisions";
        let wrong = |what: String| StoreError::inconsistent(TABLE, row.id, what);
        let count = |count: i64| u64::try_from(count).map_err(|_| wrong(format!("{count} is not a count")));
        Ok(Self {
            id: RevisionId::stored(row.id, TABLE)?,
            base: row.base.map(|base| RevisionId::stored(base, TABLE)).transpose()?,
            state: State::ALL
                .into_iter()
                .find(|state| state.as_str() == row.state)
                .ok_or_else(|| wrong(format!("{:?} is not a state", row.state)))?,
            origin: serde_json::from_str(&row.origin).map_err(|error| wrong(format!("origin is not JSON: {error}")))?,
            counts: Counts {
                created: count(row.created)?,
                updated: count(row.updated)?,
                deleted: count(row.deleted)?,
                secrets: count(row.secrets)?,
            },
            created_at: row.created_at.read(TABLE, row.id)?,
            finished_at: row.finished_at.map(|at| at.read(TABLE, row.id)).transpose()?,
            actor: row.actor,
            message: row.message,
            detail: row.detail,
        })
    }
}

/// A revision's row inside of a transaction.
macro_rules! find {
    ($tx:ident, $id:ident) => {{
        let row: Option<Row> =
            sqlx::query_as(concat!(columns!(), "WHERE id = $1")).bind($id.get()).fetch_optional(&mut *$tx).await?;
        Revision::try_from(row.ok_or(StoreError::Missing { revision: $id })?)?
    }};
}

/// Writes what a revision changes, inside of a transaction, and counts it.
macro_rules! changes {
    ($tx:ident, $id:expr, $objects:expr, $secrets:expr) => {{
        let id: i64 = $id;
        for chunk in $objects.chunks(CHUNK) {
            let mut insert = QueryBuilder::new("INSERT INTO object_versions (kind, name, revision, body) ");
            insert.push_values(chunk, |mut row, (change, body)| {
                row.push_bind(&change.kind).push_bind(&change.name).push_bind(id).push_bind(body.as_deref());
            });
            insert.build().persistent(false).execute(&mut *$tx).await?;
        }
        for chunk in $secrets.chunks(CHUNK) {
            let mut insert =
                QueryBuilder::new("INSERT INTO secret_versions (kind, name, field, revision, sealed, fingerprint) ");
            insert.push_values(chunk, |mut row, secret| {
                row.push_bind(&secret.change.id.kind)
                    .push_bind(&secret.change.id.name)
                    .push_bind(&secret.change.id.field)
                    .push_bind(id)
                    .push_bind(secret.sealed.as_deref())
                    .push_bind(secret.fingerprint.as_deref());
            });
            insert.build().persistent(false).execute(&mut *$tx).await?;
        }
        // A new object of the same name must not inherit them.
        sqlx::query(
            "INSERT INTO secret_versions (kind, name, field, revision) \
             SELECT s.kind, s.name, s.field, v.revision FROM object_versions v \
             JOIN secrets s ON s.kind = v.kind AND s.name = v.name \
             WHERE v.revision = $1 AND v.body IS NULL \
             ON CONFLICT (kind, name, field, revision) DO NOTHING",
        )
        .bind(id)
        .execute(&mut *$tx)
        .await?;

        let absent: Option<String> = sqlx::query_scalar(
            "SELECT v.kind || '/' || v.name FROM object_versions v \
             LEFT JOIN objects o ON o.kind = v.kind AND o.name = v.name \
             WHERE v.revision = $1 AND v.body IS NULL AND o.name IS NULL \
             UNION ALL \
             SELECT 'the secret ' || v.kind || '/' || v.name || '/' || v.field FROM secret_versions v \
             LEFT JOIN secrets s ON s.kind = v.kind AND s.name = v.name AND s.field = v.field \
             WHERE v.revision = $1 AND v.fingerprint IS NULL AND s.name IS NULL \
             LIMIT 1",
        )
        .bind(id)
        .fetch_optional(&mut *$tx)
        .await?;
        if let Some(absent) = absent {
            return Err(StoreError::Invalid { what: format!("it deletes {absent}, which is not there") });
        }
        let done = sqlx::query(
            "UPDATE revisions SET created = counted.created, updated = counted.updated, \
                                  deleted = counted.deleted, secrets = counted.secrets \
             FROM (SELECT COUNT(*) FILTER (WHERE v.body IS NOT NULL AND o.name IS NULL) AS created, \
                          COUNT(*) FILTER (WHERE v.body IS NOT NULL AND o.name IS NOT NULL) AS updated, \
                          COUNT(*) FILTER (WHERE v.body IS NULL) AS deleted, \
                          (SELECT COUNT(*) FROM secret_versions WHERE revision = $1) AS secrets \
                   FROM object_versions v LEFT JOIN objects o ON o.kind = v.kind AND o.name = v.name \
                   WHERE v.revision = $1) counted \
             WHERE id = $1",
        )
        .bind(id)
        .execute(&mut *$tx)
        .await?;
        expect_rows(done.rows_affected(), 1, "revisions", id)?;
    }};
}

impl Store {
    /// The revision in force; `None` before the first was committed.
    pub async fn head(&self) -> Result<Option<RevisionId>> {
        let head: Option<Option<i64>> = reading!(&self.db, pool => {
            sqlx::query_scalar("SELECT head FROM store WHERE id = 1").fetch_optional(pool).await?
        });
        let head = head.ok_or_else(|| StoreError::inconsistent("store", 1, "the row is missing"))?;
        head.map(|head| RevisionId::stored(head, "store")).transpose()
    }

    /// Records a revision with all that it changes, as `staged`. Nothing in force is touched, and nothing else in the
    /// world need be yet: from now on the intent survives everything. Of very many changes, it may come before them: see
    /// [`fill`](Self::fill).
    ///
    /// # Errors
    ///
    /// [`StoreError::Stale`] when `base` is not in force; [`StoreError::Busy`] when another revision is unfinished;
    /// [`StoreError::Invalid`] when the changes contradict each other or what is in force; [`StoreError::Key`] when the
    /// database has got another key since it was opened. No number is used up by any of them.
    pub async fn begin(&self, new: NewRevision) -> Result<RevisionId> {
        let objects = object_values(&new.changes)?;
        let secrets = self.secret_values(&new.changes, &new.secrets)?;
        let id = writing!(&self.db, tx => {
            let store = lock!(tx);
            self.keys.check(store.key_id.as_deref())?;
            let head = store.head.map(|head| RevisionId::stored(head, "store")).transpose()?;
            if head != new.base {
                return Err(StoreError::Stale { expected: new.base, actual: head });
            }
            let other: Option<Row> =
                sqlx::query_as(concat!(columns!(), "WHERE finished_at IS NULL")).fetch_optional(&mut *tx).await?;
            if let Some(other) = other {
                let Revision { id: revision, actor, created_at: since, .. } = other.try_into()?;
                return Err(StoreError::Busy { revision, actor, since });
            }

            let id = store.last + 1;
            let done = sqlx::query("UPDATE store SET last = $1 WHERE id = 1").bind(id).execute(&mut *tx).await?;
            expect_rows(done.rows_affected(), 1, "store", 1)?;
            sqlx::query(
                "INSERT INTO revisions \
                 (id, base, state, actor, origin, message, created_at, created, updated, deleted, secrets) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, 0, 0)",
            )
            .bind(id)
            .bind(new.base.map(RevisionId::get))
            .bind(State::Staged.as_str())
            .bind(printable(&new.actor))
            .bind(new.origin.to_string())
            .bind(printable(&new.message))
            .bind(Time(new.at))
            .execute(&mut *tx)
            .await?;

            changes!(tx, id, objects, secrets);
            RevisionId::stored(id, "store")?
        });
        tracing::info!(revision = %id, actor = %new.actor, "revision begun");
        Ok(id)
    }

    /// Records what a revision changes that began without: it may take a while, in which what touches nothing in force
    /// can go on. Doing it again changes nothing.
    ///
    /// # Errors
    ///
    /// Those of [`begin`](Self::begin) that are about changes; [`StoreError::Missing`]; [`StoreError::Transition`] when it
    /// has come further than `staged`.
    pub async fn fill(&self, id: RevisionId, changes: &[Change], secrets: &[SecretChange]) -> Result<()> {
        let objects = object_values(changes)?;
        let secrets = self.secret_values(changes, secrets)?;
        writing!(&self.db, tx => {
            let store = lock!(tx);
            self.keys.check(store.key_id.as_deref())?;
            let Revision { state: from, counts, .. } = find!(tx, id);
            if from != State::Staged {
                return Err(StoreError::Transition { revision: id, from, to: State::Staged });
            }
            if counts != Counts::default() {
                return Ok(());
            }
            changes!(tx, id.get(), objects, secrets);
        });
        tracing::info!(revision = %id, objects = objects.len(), secrets = secrets.len(), "what the revision changes is kept");
        Ok(())
    }

    /// Records that an unfinished revision comes to `to`, before it does: today that is [`State::Activated`]. Doing it
    /// again changes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Missing`]; [`StoreError::Transition`] when it has ended, or `to` is no state on the way.
    pub async fn advance(&self, id: RevisionId, to: State) -> Result<()> {
        writing!(&self.db, tx => {
            lock!(tx);
            let from = find!(tx, id).state;
            if from == to && !to.is_finished() {
                return Ok(());
            }
            if (from, to) != (State::Staged, State::Activated) {
                return Err(StoreError::Transition { revision: id, from, to });
            }
            let done = sqlx::query("UPDATE revisions SET state = $2 WHERE id = $1 AND finished_at IS NULL")
                .bind(id.get())
                .bind(to.as_str())
                .execute(&mut *tx)
                .await?;
            expect_rows(done.rows_affected(), 1, "revisions", id)?;
        });
        tracing::info!(revision = %id, state = %to, "revision under way");
        Ok(())
    }

    /// Puts a revision in force: its objects and secrets become the current ones, and it becomes the head, all at once.
    /// Doing it again changes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Missing`]; [`StoreError::Transition`] when it was abandoned.
    pub async fn commit(&self, id: RevisionId, at: Timestamp) -> Result<()> {
        writing!(&self.db, tx => {
            let store = lock!(tx);
            let revision = find!(tx, id);
            match revision.state {
                State::Committed => return Ok(()),
                from if from.is_finished() => {
                    return Err(StoreError::Transition { revision: id, from, to: State::Committed });
                }
                _ => {}
            }
            if store.head != revision.base.map(RevisionId::get) {
                return Err(StoreError::inconsistent("store", 1, format!("the head moved while {id} was under way")));
            }
            let counts = revision.counts;

            let put = sqlx::query(
                "INSERT INTO objects (kind, name, body, revision) \
                 SELECT kind, name, body, revision FROM object_versions WHERE revision = $1 AND body IS NOT NULL \
                 ON CONFLICT (kind, name) DO UPDATE SET body = excluded.body, revision = excluded.revision",
            )
            .bind(id.get())
            .execute(&mut *tx)
            .await?;
            expect_rows(put.rows_affected(), counts.created + counts.updated, "objects", id)?;
            let gone = sqlx::query(
                "DELETE FROM objects WHERE (kind, name) IN \
                 (SELECT kind, name FROM object_versions WHERE revision = $1 AND body IS NULL)",
            )
            .bind(id.get())
            .execute(&mut *tx)
            .await?;
            expect_rows(gone.rows_affected(), counts.deleted, "objects", id)?;

            let put = sqlx::query(
                "INSERT INTO secrets (kind, name, field, sealed, revision) \
                 SELECT kind, name, field, sealed, revision FROM secret_versions \
                 WHERE revision = $1 AND sealed IS NOT NULL \
                 ON CONFLICT (kind, name, field) DO UPDATE SET sealed = excluded.sealed, revision = excluded.revision",
            )
            .bind(id.get())
            .execute(&mut *tx)
            .await?;
            let gone = sqlx::query(
                "DELETE FROM secrets WHERE (kind, name, field) IN \
                 (SELECT kind, name, field FROM secret_versions WHERE revision = $1 AND sealed IS NULL)",
            )
            .bind(id.get())
            .execute(&mut *tx)
            .await?;
            expect_rows(put.rows_affected() + gone.rows_affected(), counts.secrets, "secrets", id)?;

            let done = sqlx::query(
                "UPDATE revisions SET state = $2, finished_at = $3 WHERE id = $1 AND finished_at IS NULL",
            )
            .bind(id.get())
            .bind(State::Committed.as_str())
            .bind(Time(at))
            .execute(&mut *tx)
            .await?;
            expect_rows(done.rows_affected(), 1, "revisions", id)?;
            let done =
                sqlx::query("UPDATE store SET head = $1 WHERE id = 1").bind(id.get()).execute(&mut *tx).await?;
            expect_rows(done.rows_affected(), 1, "store", 1)?;
        });
        tracing::info!(revision = %id, "revision committed");
        Ok(())
    }

    /// Ends a revision that does not come in force, as [`State::RolledBack`] or [`State::Failed`], and says why in
    /// `detail`. What it meant to change stays readable; the values of its secrets are destroyed. Doing it again with
    /// the same state changes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Missing`]; [`StoreError::Transition`] when it has ended otherwise, or `to` is another state.
    pub async fn abandon(&self, id: RevisionId, to: State, detail: &str, at: Timestamp) -> Result<()> {
        writing!(&self.db, tx => {
            lock!(tx);
            let from = find!(tx, id).state;
            let ends = matches!(to, State::RolledBack | State::Failed);
            if ends && from == to {
                return Ok(());
            }
            if !ends || from.is_finished() {
                return Err(StoreError::Transition { revision: id, from, to });
            }
            let done = sqlx::query(
                "UPDATE revisions SET state = $2, detail = $3, finished_at = $4 WHERE id = $1 AND finished_at IS NULL",
            )
            .bind(id.get())
            .bind(to.as_str())
            .bind(printable(detail))
            .bind(Time(at))
            .execute(&mut *tx)
            .await?;
            expect_rows(done.rows_affected(), 1, "revisions", id)?;
            // As many as there are: the fingerprints stay, and say which.
            sqlx::query("UPDATE secret_versions SET sealed = NULL WHERE revision = $1")
                .bind(id.get())
                .execute(&mut *tx)
                .await?;
        });
        tracing::info!(revision = %id, state = %to, detail, "revision abandoned");
        Ok(())
    }

    /// Says how a revision that has ended came to its end, in place of what was said before.
    ///
    /// # Errors
    ///
    /// [`StoreError::Missing`] when there is no such revision, or it is unfinished.
    pub async fn remark(&self, id: RevisionId, detail: &str) -> Result<()> {
        writing!(&self.db, tx => {
            lock!(tx);
            let done = sqlx::query("UPDATE revisions SET detail = $2 WHERE id = $1 AND finished_at IS NOT NULL")
                .bind(id.get())
                .bind(printable(detail))
                .execute(&mut *tx)
                .await?;
            if done.rows_affected() != 1 {
                return Err(StoreError::Missing { revision: id });
            }
        });
        tracing::info!(revision = %id, detail, "revision remarked upon");
        Ok(())
    }

    /// The revision that is neither committed nor abandoned, if any: at start, what to finish or to undo.
    pub async fn unfinished(&self) -> Result<Option<Revision>> {
        let row: Option<Row> = reading!(&self.db, pool => {
            sqlx::query_as(concat!(columns!(), "WHERE finished_at IS NULL")).fetch_optional(pool).await?
        });
        row.map(Revision::try_from).transpose()
    }

    /// A revision.
    ///
    /// # Errors
    ///
    /// [`StoreError::Missing`].
    pub async fn revision(&self, id: RevisionId) -> Result<Revision> {
        let row: Option<Row> = reading!(&self.db, pool => {
            sqlx::query_as(concat!(columns!(), "WHERE id = $1")).bind(id.get()).fetch_optional(pool).await?
        });
        row.ok_or(StoreError::Missing { revision: id })?.try_into()
    }

    /// The latest `limit` revisions, newest first, from below `before` when it is given (for the next page).
    pub async fn revisions(&self, limit: u32, before: Option<RevisionId>) -> Result<Vec<Revision>> {
        let rows: Vec<Row> = reading!(&self.db, pool => {
            sqlx::query_as(concat!(columns!(), "WHERE id < $1 ORDER BY id DESC LIMIT $2"))
                .bind(before.map_or(i64::MAX, RevisionId::get))
                .bind(i64::from(limit))
                .fetch_all(pool)
                .await?
        });
        rows.into_iter().map(Revision::try_from).collect()
    }

    /// The revisions from `oldest` to `newest` that have a version of an object, newest first.
    pub(crate) async fn revisions_of(&self, kind: &str, name: &str, oldest: i64, newest: i64) -> Result<Vec<Revision>> {
        let rows: Vec<Row> = reading!(&self.db, pool => {
            sqlx::query_as(concat!(
                columns!(),
                "WHERE id IN (SELECT revision FROM object_versions \
                 WHERE kind = $1 AND name = $2 AND revision BETWEEN $3 AND $4) ORDER BY id DESC"
            ))
            .bind(kind)
            .bind(name)
            .bind(oldest)
            .bind(newest)
            .fetch_all(pool)
            .await?
        });
        rows.into_iter().map(Revision::try_from).collect()
    }

    /// Refuses a revision that stands for no state of the system.
    pub(crate) async fn check_in_force(&self, id: RevisionId) -> Result<()> {
        match self.revision(id).await?.state {
            state @ (State::RolledBack | State::Failed) => Err(StoreError::NotInForce { revision: id, state }),
            State::Staged | State::Activated | State::Committed => Ok(()),
        }
    }

    fn secret_values<'new>(
        &self,
        changes: &'new [Change],
        secrets: &'new [SecretChange],
    ) -> Result<Vec<SecretValues<'new>>> {
        let deleted: HashSet<_> = changes
            .iter()
            .filter(|change| change.after.is_none())
            .map(|change| (change.kind.as_str(), change.name.as_str()))
            .collect();
        let mut seen = HashSet::with_capacity(secrets.len());
        for SecretChange { id, after } in secrets {
            name(&[&id.kind, &id.name, &id.field])?;
            if !seen.insert(id) {
                return Err(StoreError::Invalid { what: format!("it changes the secret {id} twice") });
            }
            if after.is_some() && deleted.contains(&(id.kind.as_str(), id.name.as_str())) {
                return Err(StoreError::Invalid { what: format!("it sets the secret {id} of an object it deletes") });
            }
        }
        self.keys.seal_all(secrets)
    }
}

fn object_values(changes: &[Change]) -> Result<Vec<(&Change, Option<String>)>> {
    let mut seen = HashSet::with_capacity(changes.len());
    changes
        .iter()
        .map(|change| {
            name(&[&change.kind, &change.name])?;
            if !seen.insert((&change.kind, &change.name)) {
                let what = format!("it changes {}/{} twice", change.kind, change.name);
                return Err(StoreError::Invalid { what });
            }
            Ok((change, change.after.as_ref().map(Value::to_string)))
        })
        .collect()
}

/// A name with control characters cannot be shown, and PostgreSQL's text has no NUL. In a name they are refused,
pub(crate) fn name(parts: &[&str]) -> Result<()> {
    if parts.iter().any(|part| part.contains(char::is_control)) {
        return Err(StoreError::Invalid { what: format!("there is a control character in {:?}", parts.join("/")) });
    }
    Ok(())
}

/// and in what people and programs say NUL is replaced: a rollback must not fail over what Asterisk had to say about it.
pub(crate) fn printable(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}
