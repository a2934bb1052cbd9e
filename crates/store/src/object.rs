//! Objects: opaque JSON under a kind and a name, now and as of every revision.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use crate::{
    Store,
    db::reading,
    error::{Result, StoreError},
    revision::{Revision, RevisionId},
};

/// What a revision makes of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The object's kind.
    pub kind: String,
    /// The object's name.
    pub name: String,
    /// The whole object as it becomes; `None` deletes it, and its secrets with it.
    pub after: Option<Value>,
}

/// An object.
///
/// Its body is the text that is kept: ten thousand of them as [`Value`]s take several times as long to make, and then to
/// drop, as they take to read, and most callers want a type of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRow {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its value, as JSON without white space.
    pub body: String,
    /// The revision that made it what it is.
    pub revision: RevisionId,
}

impl ObjectRow {
    /// The body as a type of the caller's, be it [`Value`].
    ///
    /// # Errors
    ///
    /// [`StoreError::Inconsistent`], which names the object, when the body is not one.
    pub fn read<'row, T: Deserialize<'row>>(&'row self) -> Result<T> {
        json("objects", &self.kind, &self.name, &self.body)
    }
}

/// What is in force, all of one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The revision in force; `None` before the first. The `base` of a plan made from this.
    pub head: Option<RevisionId>,
    /// Every object, by kind and name.
    pub objects: Vec<ObjectRow>,
}

/// What a revision made of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeRow {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What it was; `None` when there was none.
    pub before: Option<Value>,
    /// What it became; `None` when it was deleted.
    pub after: Option<Value>,
}

/// One revision's part in the history of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryRow {
    /// The revision: who, when, why, and whether it came in force.
    pub revision: Revision,
    /// What the object was.
    pub before: Option<Value>,
    /// What the revision makes of it.
    pub after: Option<Value>,
}

type Row = (String, String, String, i64);

/// What the object of the version `v` was before.
macro_rules! before {
    () => {
        "(SELECT b.body FROM object_versions b JOIN revisions br ON br.id = b.revision \
          WHERE b.kind = v.kind AND b.name = v.name AND b.revision < v.revision AND br.state = 'committed' \
          ORDER BY b.revision DESC LIMIT 1)"
    };
}

impl Store {
    /// Every object in force, by kind and name in the order of their bytes.
    pub async fn objects(&self) -> Result<Vec<ObjectRow>> {
        let rows: Vec<Row> = reading!(&self.db, pool => {
            sqlx::query_as("SELECT kind, name, body, revision FROM objects ORDER BY kind, name").fetch_all(pool).await?
        });
        rows.into_iter().map(|row| object("objects", row)).collect()
    }

    /// The objects in force together with the revision that they are.
    ///
    /// [`head`](Self::head) and then [`objects`](Self::objects) may be of two revisions, when one is committed in between.
    pub async fn snapshot(&self) -> Result<Snapshot> {
        loop {
            // Heads only ever go up: the same one before and after means the same one meanwhile.
            let head = self.head().await?;
            let objects = self.objects().await?;
            if self.head().await? == head {
                return Ok(Snapshot { head, objects });
            }
        }
    }

    /// Every object as of a revision, by kind and name: those that were in force once it was committed, or, while it is
    /// unfinished, those that will be.
    ///
    /// # Errors
    ///
    /// [`StoreError::Missing`]; [`StoreError::NotInForce`] when it was abandoned.
    pub async fn objects_at(&self, revision: RevisionId) -> Result<Vec<ObjectRow>> {
        let rows: Vec<Row> = reading!(&self.db, pool => {
            sqlx::query_as(
                "SELECT v.kind, v.name, v.body, v.revision FROM object_versions v \
                 JOIN (SELECT w.kind, w.name, MAX(w.revision) AS revision \
                       FROM object_versions w JOIN revisions r ON r.id = w.revision \
                       WHERE w.revision <= $1 AND (r.state = 'committed' OR r.id = $1) \
                       GROUP BY w.kind, w.name) latest \
                 ON latest.kind = v.kind AND latest.name = v.name AND latest.revision = v.revision \
                 WHERE v.body IS NOT NULL ORDER BY v.kind, v.name",
            )
            .bind(revision.get())
            .fetch_all(pool)
            .await?
        });
        // Asked afterwards: what is not abandoned now was not abandoned then.
        self.check_in_force(revision).await?;
        rows.into_iter().map(|row| object("object_versions", row)).collect()
    }

    /// What a revision changes, by kind and name, whether it was committed or not.
    ///
    /// # Errors
    ///
    /// [`StoreError::Missing`].
    pub async fn changes(&self, revision: RevisionId) -> Result<Vec<ChangeRow>> {
        let rows: Vec<(String, String, Option<String>, Option<String>)> = reading!(&self.db, pool => {
            sqlx::query_as(concat!(
                "SELECT v.kind, v.name, ", before!(), ", v.body FROM object_versions v \
                 WHERE v.revision = $1 ORDER BY v.kind, v.name"
            ))
            .bind(revision.get())
            .fetch_all(pool)
            .await?
        });
        if rows.is_empty() {
            self.revision(revision).await?;
        }
        rows.into_iter()
            .map(|(kind, name, before, after)| {
                let before = version(&kind, &name, before)?;
                let after = version(&kind, &name, after)?;
                Ok(ChangeRow { kind, name, before, after })
            })
            .collect()
    }

    /// The latest `limit` revisions that changed an object, or meant to, newest first. Empty when there never was one.
    pub async fn history_of(&self, kind: &str, name: &str, limit: u32) -> Result<Vec<HistoryRow>> {
        let rows: Vec<(i64, Option<String>, Option<String>)> = reading!(&self.db, pool => {
            sqlx::query_as(concat!(
                "SELECT v.revision, ", before!(), ", v.body FROM object_versions v \
                 WHERE v.kind = $1 AND v.name = $2 ORDER BY v.revision DESC LIMIT $3"
            ))
            .bind(kind)
            .bind(name)
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?
        });
        let (Some((newest, ..)), Some((oldest, ..))) = (rows.first(), rows.last()) else { return Ok(Vec::new()) };
        let revisions = self.revisions_of(kind, name, *oldest, *newest).await?;
        rows.into_iter()
            .zip(revisions)
            .map(|((_, before, after), revision)| {
                Ok(HistoryRow { revision, before: version(kind, name, before)?, after: version(kind, name, after)? })
            })
            .collect()
    }
}

impl Store {
    /// What became of every object in force whose record has a text in it, as [`history_of`](Self::history_of) tells it of one, of
    /// revisions that came in force only. All at once: so many objects cost no more questions than one.
    pub async fn histories_with(&self, text: &str) -> Result<HashMap<(String, String), Vec<HistoryRow>>> {
        let rows: Vec<(String, String, i64, Option<String>)> = reading!(&self.db, pool => {
            sqlx::query_as(
                "SELECT v.kind, v.name, v.revision, v.body FROM object_versions v \
                 JOIN objects o ON o.kind = v.kind AND o.name = v.name \
                 JOIN revisions r ON r.id = v.revision \
                 WHERE r.state = 'committed' AND o.body LIKE $1 ORDER BY v.kind, v.name, v.revision",
            )
            .bind(format!("%{text}%"))
            .fetch_all(pool)
            .await?
        });
        let revisions = if rows.is_empty() { Vec::new() } else { self.revisions(u32::MAX, None).await? };
        let revisions: HashMap<i64, Revision> = revisions.into_iter().map(|one| (one.id.get(), one)).collect();
        let mut histories: HashMap<(String, String), Vec<HistoryRow>> = HashMap::new();
        for (kind, name, id, body) in rows {
            // One that is not there was committed between the two questions, and is told the next time.
            let Some(revision) = revisions.get(&id).cloned() else { continue };
            let after = version(&kind, &name, body)?;
            let own = histories.entry((kind, name)).or_default();
            let before = own.last().and_then(|row| row.after.clone());
            own.push(HistoryRow { revision, before, after });
        }
        for rows in histories.values_mut() {
            rows.reverse();
        }
        Ok(histories)
    }
}

fn object(table: &'static str, (kind, name, body, revision): Row) -> Result<ObjectRow> {
    Ok(ObjectRow { kind, name, body, revision: RevisionId::stored(revision, table)? })
}

fn version(kind: &str, name: &str, body: Option<String>) -> Result<Option<Value>> {
    body.map(|body| json("object_versions", kind, name, &body)).transpose()
}

fn json<'body, T: Deserialize<'body>>(table: &'static str, kind: &str, name: &str, body: &'body str) -> Result<T> {
    serde_json::from_str(body).map_err(|error| StoreError::inconsistent(table, format!("{kind}/{name}"), error))
}
