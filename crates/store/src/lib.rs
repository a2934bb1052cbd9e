//! What is kept: revisions, objects and secrets, in SQLite or PostgreSQL.
//!
//! The store is the memory of the desired state, and the journal of how it came about. Objects are JSON that it does
//! not look into; what it guards is their history:
//!
//! - A **revision** is a numbered change of the desired state. [`Store::begin`] writes the whole intent, the objects'
//!   and secrets' new values and who wants them, before anything else in the world is touched. [`Store::commit`] puts it
//!   in force, [`Store::abandon`] says why it was not. Between the two, [`Store::unfinished`] finds it, so that a
//!   daemon killed anywhere knows at start what to finish or to undo.
//! - One revision is unfinished at a time, and begins from the one in force. Whoever is late is told so
//!   ([`StoreError::Stale`], [`StoreError::Busy`]), and nothing is merged in silence.
//! - A revision costs what it changes: for each object it touches, what it makes of it. What was there before is the
//!   latest committed version before.
//! - One process drives a system from a store: the [`Owner`].
//! - **Schedules that are turned over** by hand are kept beside, at once and without a revision ([`Store::turn_schedules`]).
//! - **Secrets** are sealed with a key file that stays outside of the database, and have the same history.
//!
//! Both engines run the same SQL text; `db.rs` holds what differs. To add a table: one more pair of files in
//! `migrations/sqlite` and `migrations/postgres` (never change one that was released), a row type that derives
//! `FromRow` next to its queries, and a part in the story that `tests/story.rs` tells to both engines.

mod db;
mod error;
mod key;
mod location;
mod migrate;
mod object;
mod overrides;
mod owner;
mod revision;
mod rotate;
mod secret;
mod time;

use std::{fmt, path::Path, sync::Arc};

pub use self::{
    error::{Result, StoreError},
    location::Location,
    object::{Change, ChangeRow, HistoryRow, ObjectRow, Snapshot},
    overrides::{Override, Turned},
    owner::Owner,
    revision::{Counts, NewRevision, Revision, RevisionId, State},
    rotate::Rotated,
    secret::{Secret, SecretChange, SecretChangeRow, SecretId},
};

use self::{db::Db, key::Keys};

/// A database that is open, with the key of its secrets. A clone is another handle on the same.
#[derive(Clone)]
pub struct Store {
    location: Arc<str>,
    db: Db,
    keys: Arc<Keys>,
}

impl Store {
    /// Opens the database at `url`, makes it when there is none, brings its schema up to date, and reads the key file.
    ///
    /// `url` is `sqlite:///var/lib/pbxd/pbxd.db` (the file and its folder are made, readable by their owner only) or
    /// `postgres://user:password@host/database`. `key_file` holds 32 random bytes as a line of base64 (a second line after a change of keys); it is made,
    /// with mode 0600, when it is missing and the database holds no secret yet.
    ///
    /// Several processes may do this at once on the same database.
    ///
    /// # Errors
    ///
    /// [`StoreError::Url`] when the URL is none of the two; [`StoreError::NewerSchema`] when a newer version has
    /// migrated the database; [`StoreError::Key`] when the key file can be read by others, is not a key, is not the one
    /// that this database was sealed with, or is missing although there are secrets; [`StoreError::Driver`] and
    /// [`StoreError::Io`] when the database cannot be reached or written.
    pub async fn open(url: &str, key_file: &Path) -> Result<Self> {
        let location: Location = url.parse()?;
        let db = Db::open(&location).await?;
        let keys = key::load(&db, key_file).await?;
        tracing::debug!(%location, key = keys.id(), "store open");
        Ok(Self { location: location.to_string().into(), db, keys: Arc::new(keys) })
    }

    /// Closes every connection, after what they are doing. Dropping the last handle does as well, but waits for nothing.
    pub async fn close(self) {
        self.db.close().await;
    }

    /// Seals what is kept outside of the database, for one place: what comes out opens there and nowhere else, and as long as
    /// the key file is the same.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] when the system has no randomness.
    pub fn seal(&self, place: &SecretId, value: &Secret) -> Result<Vec<u8>> {
        self.keys.seal(place, value)
    }

    /// Opens what [`seal`](Self::seal) made; nothing when it was altered, or is of another place or key.
    pub fn unseal(&self, place: &SecretId, sealed: &[u8]) -> Option<Secret> {
        self.keys.open(place, sealed)
    }

    /// Tells whether a secret changed without telling the secret: 12 hexadecimal digits of an HMAC under a key derived
    /// from the key file. Equal values have equal fingerprints as long as the key file is the same.
    pub fn fingerprint(&self, value: &[u8]) -> String {
        self.keys.fingerprint(value)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("location", &self.location).field("key", &self.keys.id()).finish_non_exhaustive()
    }
}
