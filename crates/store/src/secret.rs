//! Secrets: sealed in the database, and clear only in the hands of whoever asked for them.

use std::{collections::BTreeMap, fmt};

use zeroize::Zeroizing;

use crate::{
    Store,
    db::reading,
    error::{Result, StoreError},
    revision::RevisionId,
};

/// A secret value. It is wiped from memory when dropped, and prints as `Secret(..)`.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes a value over; what it was made from is the caller's to wipe.
    pub fn new(value: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The value, in clear.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The value as text; `None` when it is not UTF-8.
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Where a secret belongs: a field of an object. Prints as `Extension/1001/password`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretId {
    /// The object's kind.
    pub kind: String,
    /// The object's name.
    pub name: String,
    /// The field, such as `password` or `voicemail.pin`.
    pub field: String,
}

impl SecretId {
    /// The place `kind/name/field`.
    pub fn new(kind: impl Into<String>, name: impl Into<String>, field: impl Into<String>) -> Self {
        Self { kind: kind.into(), name: name.into(), field: field.into() }
    }
}

impl fmt::Display for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.kind, self.name, self.field)
    }
}

/// What a revision makes of a secret.
#[derive(Clone, Debug)]
pub struct SecretChange {
    /// Which.
    pub id: SecretId,
    /// The new value; `None` deletes it.
    pub after: Option<Secret>,
}

/// What a revision made of a secret, as far as it can be shown: by fingerprints, see [`Store::fingerprint`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretChangeRow {
    /// Which.
    pub id: SecretId,
    /// The fingerprint before; `None` when there was none.
    pub before: Option<String>,
    /// The fingerprint after; `None` when the revision deletes it.
    pub after: Option<String>,
}

/// Kind, name, field, and the sealed value.
type Row = (String, String, String, Vec<u8>);

/// Kind, name, field, and the fingerprints after and before.
type VersionRow = (String, String, String, Option<String>, Option<String>);

impl Store {
    /// Every secret in force, in clear.
    pub async fn secrets(&self) -> Result<BTreeMap<SecretId, Secret>> {
        let rows = reading!(&self.db, pool => {
            sqlx::query_as("SELECT kind, name, field, sealed FROM secrets").fetch_all(pool).await?
        });
        self.unseal_rows("secrets", rows)
    }

    /// Every secret as of a revision, in clear: those that were in force once it was committed, or, while it is
    /// unfinished, those that will be.
    ///
    /// # Errors
    ///
    /// [`StoreError::Missing`]; [`StoreError::NotInForce`] when it was abandoned.
    pub async fn secrets_at(&self, revision: RevisionId) -> Result<BTreeMap<SecretId, Secret>> {
        let rows = reading!(&self.db, pool => {
            sqlx::query_as(
                "SELECT v.kind, v.name, v.field, v.sealed FROM secret_versions v \
                 JOIN (SELECT w.kind, w.name, w.field, MAX(w.revision) AS revision \
                       FROM secret_versions w JOIN revisions r ON r.id = w.revision \
                       WHERE w.revision <= $1 AND (r.state = 'committed' OR r.id = $1) \
                       GROUP BY w.kind, w.name, w.field) latest \
                 ON latest.kind = v.kind AND latest.name = v.name AND latest.field = v.field \
                    AND latest.revision = v.revision \
                 WHERE v.sealed IS NOT NULL",
            )
            .bind(revision.get())
            .fetch_all(pool)
            .await?
        });
        self.check_in_force(revision).await?;
        self.unseal_rows("secret_versions", rows)
    }

    /// Which secrets a revision changes, in order, whether it was committed or not. Also those that went with an
    /// object that it deleted.
    ///
    /// # Errors
    ///
    /// [`StoreError::Missing`].
    pub async fn secret_changes(&self, revision: RevisionId) -> Result<Vec<SecretChangeRow>> {
        let rows: Vec<VersionRow> = reading!(&self.db, pool => {
            sqlx::query_as(
                "SELECT v.kind, v.name, v.field, v.fingerprint, \
                        (SELECT b.fingerprint FROM secret_versions b JOIN revisions r ON r.id = b.revision \
                         WHERE b.kind = v.kind AND b.name = v.name AND b.field = v.field \
                               AND b.revision < v.revision AND r.state = 'committed' \
                         ORDER BY b.revision DESC LIMIT 1) \
                 FROM secret_versions v WHERE v.revision = $1 ORDER BY v.kind, v.name, v.field",
            )
            .bind(revision.get())
            .fetch_all(pool)
            .await?
        });
        if rows.is_empty() {
            self.revision(revision).await?;
        }
        Ok(rows
            .into_iter()
            .map(|(kind, name, field, after, before)| SecretChangeRow {
                id: SecretId { kind, name, field },
                before,
                after,
            })
            .collect())
    }

    fn unseal_rows(&self, table: &'static str, rows: Vec<Row>) -> Result<BTreeMap<SecretId, Secret>> {
        rows.into_iter()
            .map(|(kind, name, field, sealed)| {
                let id = SecretId { kind, name, field };
                match self.keys.open(&id, &sealed) {
                    Some(secret) => Ok((id, secret)),
                    None => Err(StoreError::inconsistent(
                        table,
                        id,
                        "it does not open with the key of this database: it was altered, or moved here from another row",
                    )),
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        let change = SecretChange { id: SecretId::new("User", "ana", "token"), after: Some(Secret::new("hunter2")) };
        let shown = format!("{change:?} {:#?}", change.after);
        assert!(shown.contains("Secret(..)") && !shown.contains("hunter2") && !shown.contains("104"), "{shown}");
    }
}
