//! What can go wrong, each with what to do about it.

use std::{io, path::PathBuf};

use jiff::Timestamp;

use crate::revision::{RevisionId, State};

/// A result of the store.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Why the store did not do what it was asked. Whatever it was, nothing was half done: each call is one transaction.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database, or the way to it, failed. After a lost connection a call may have been done nevertheless:
    /// `advance`, `commit` and `abandon` can be called again; for `begin`, ask [`unfinished`](crate::Store::unfinished).
    #[error("the database failed: {0}")]
    Driver(#[from] sqlx::Error),

    /// A file or folder of the store could not be made, read or written; the error names it.
    #[error(transparent)]
    Io(#[from] io::Error),

    /// The URL is not one of a database that the store knows. `url` is without its password.
    #[error(
        "{url} is not the URL of a database: {what}; give sqlite:///absolute/path/of/file.db or postgres://user@host/name"
    )]
    Url {
        /// The URL as far as it can be shown.
        url: String,
        /// What is wrong with it.
        what: String,
    },

    /// A migration failed, or the ones that the database went through are not those of this version.
    #[error("the schema of the database could not be brought up to date: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),

    /// The database was migrated by a newer version, whose tables this one does not know.
    #[error(
        "the database has migration {found} ({description}), applied by version {migrated_by}; this is version {} and \
         knows migrations up to {known}: run version {migrated_by} or later, or restore the backup made before it was upgraded",
        env!("CARGO_PKG_VERSION")
    )]
    NewerSchema {
        /// The newest migration that the database went through.
        found: i64,
        /// What that migration is about.
        description: String,
        /// The newest migration that this version knows.
        known: i64,
        /// The version that migrated the database last, such as `0.3.0`.
        migrated_by: String,
    },

    /// The revision begins from one that is no longer in force.
    #[error("made for {}, but {} is in force now: plan again", or_empty(*.expected), or_empty(*.actual))]
    Stale {
        /// What the caller takes for the head.
        expected: Option<RevisionId>,
        /// The head.
        actual: Option<RevisionId>,
    },

    /// Another revision is neither committed nor abandoned yet.
    #[error("revision {revision} by {actor} has been under way since {since}: wait until it ends")]
    Busy {
        /// The revision under way.
        revision: RevisionId,
        /// Who began it.
        actor: String,
        /// When.
        since: Timestamp,
    },

    /// Another process drives a system from this store.
    #[error(
        "another pbxd has this store: {}; stop that one, or give this one a store of its own",
        if .by.is_empty() { "it does not say which" } else { .by }
    )]
    Owned {
        /// What it said of itself.
        by: String,
    },

    /// A revision that has ended, or never began, cannot come to the state asked for.
    #[error("revision {revision} is {from} and cannot become {to}")]
    Transition {
        /// The revision.
        revision: RevisionId,
        /// The state it is in.
        from: State,
        /// The state asked for.
        to: State,
    },

    /// There is no such revision.
    #[error("there is no revision {revision}")]
    Missing {
        /// The revision asked for.
        revision: RevisionId,
    },

    /// The revision was abandoned: there is no state of the system that it stands for.
    #[error("revision {revision} is {state} and never came in force: choose a committed one")]
    NotInForce {
        /// The revision asked for.
        revision: RevisionId,
        /// How it ended.
        state: State,
    },

    /// A change that contradicts itself or what is in force, such as the deletion of an object that is not there.
    #[error("the revision cannot be recorded: {what}")]
    Invalid {
        /// What is wrong, by kind and name.
        what: String,
    },

    /// The database holds something that the store cannot have written.
    #[error("the database is damaged: {table}, row {row}: {what}")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The row, by its primary key.
        row: String,
        /// What is wrong with it.
        what: String,
    },

    /// The key file cannot be used.
    #[error("key file {}: {what}; {cure}", .path.display())]
    Key {
        /// The key file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
        /// What to do.
        cure: String,
    },
}

impl StoreError {
    /// Whether the same call may succeed later: the database, or the way to it, failed, and nothing was wrong with what was asked.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Driver(_) | Self::Io(_))
    }

    #[expect(clippy::needless_pass_by_value, reason = "an error is made from what is at hand, without ceremony")]
    pub(crate) fn inconsistent(table: &'static str, row: impl ToString, what: impl ToString) -> Self {
        Self::Inconsistent { table, row: row.to_string(), what: what.to_string() }
    }
}

fn or_empty(revision: Option<RevisionId>) -> String {
    revision.map_or_else(|| "an empty store".to_owned(), |revision| format!("revision {revision}"))
}

/// An UPDATE or DELETE that touched another number of rows than it must have is an error, never a shrug.
pub(crate) fn expect_rows(actual: u64, expected: u64, table: &'static str, row: impl ToString) -> Result<()> {
    if actual == expected {
        return Ok(());
    }
    Err(StoreError::inconsistent(table, row, format!("{actual} rows were written where {expected} had to be")))
}
