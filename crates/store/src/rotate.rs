//! Another key: every secret is sealed anew, in one transaction.
//!
//! The new key lies beside the old one, as `key.next`, before the database wants it, and takes its place afterwards: whenever this
//! ends in the middle, the next one to open the store finds the file that the database wants, and puts it in its place.

use std::path::PathBuf;

use crate::{
    Owner, Store,
    db::writing,
    error::{Result, StoreError, expect_rows},
    key::{self, remember},
    revision::lock,
    secret::SecretId,
};

/// Another key is in force.
#[derive(Debug)]
pub struct Rotated {
    /// How many values were sealed anew.
    pub secrets: usize,
    /// Which key it is; says nothing about it.
    pub id: String,
    /// Where the old key is now: backups of the database that were made before need it.
    pub old: PathBuf,
}

/// Seals the rows of one table anew.
macro_rules! seal_anew {
    ($tx:ident, $table:literal, $old:expr, $new:expr) => {{
        let rows: Vec<(String, String, String, i64, Vec<u8>)> = sqlx::query_as(concat!(
            "SELECT kind, name, field, revision, sealed FROM ",
            $table,
            " WHERE sealed IS NOT NULL"
        ))
        .fetch_all(&mut *$tx)
        .await?;
        let count = rows.len();
        for (kind, name, field, revision, sealed) in rows {
            let id = SecretId { kind, name, field };
            let value = $old.open(&id, &sealed).ok_or_else(|| {
                StoreError::inconsistent(
                    $table,
                    &id,
                    "it does not open with the key of this database; nothing was changed",
                )
            })?;
            let done = sqlx::query(concat!(
                "UPDATE ",
                $table,
                " SET sealed = $1 WHERE kind = $2 AND name = $3 AND field = $4 AND revision = $5"
            ))
            .bind($new.seal(&id, &value)?)
            .bind(&id.kind)
            .bind(&id.name)
            .bind(&id.field)
            .bind(revision)
            .execute(&mut *$tx)
            .await?;
            expect_rows(done.rows_affected(), 1, $table, &id)?;
        }
        count
    }};
}

impl Store {
    /// Makes a new key, seals every secret with it, those of old revisions too, and puts the old key's file aside. The store is to be
    /// opened anew afterwards: this handle has the old key.
    ///
    /// # Errors
    ///
    /// [`StoreError::Inconsistent`] when a secret does not open with the old key, [`StoreError::Io`] when the new file cannot be
    /// written: nothing is changed then.
    pub async fn rotate_key(&self, _: &Owner) -> Result<Rotated> {
        let old = &self.keys;
        let (secrets, id) = writing!(&self.db, tx => {
            old.check(lock!(tx).key_id.as_deref())?;
            let new = old.successor()?;
            let secrets = seal_anew!(tx, "secrets", old, new) + seal_anew!(tx, "secret_versions", old, new);
            remember!(tx, new);
            (secrets, new.id().to_owned())
        });
        let old = key::succeed(old.path(), old.id())?;
        Ok(Rotated { secrets, id, old })
    }
}
