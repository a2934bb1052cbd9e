//! The two engines, and everything in which they differ.
//!
//! Queries are written once, in the SQL that both understand (`$1`, `ON CONFLICT`, `RETURNING`, `FILTER`), inside
//! [`reading!`] or [`writing!`], which compile their body once for each engine's types.

use std::{os::unix::fs::DirBuilderExt as _, path::Path, time::Duration};

use fs_err::os::unix::fs::OpenOptionsExt as _;
use sqlx::{
    PgPool, SqlitePool,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{error::Result, location::Location, migrate};

/// How long a writer waits for another process that is writing.
const BUSY: Duration = Duration::from_secs(5);

/// How long a call waits for a connection: longer than [`BUSY`], and short enough to say that a database is down.
const ACQUIRE: Duration = Duration::from_secs(10);

/// An open database.
#[derive(Clone)]
pub(crate) enum Db {
    /// One connection writes, so that writers of this process queue here instead of polling SQLite's lock; several
    /// read, beside it.
    Sqlite { writer: SqlitePool, reader: SqlitePool },
    /// The server decides who waits for whom.
    Postgres(PgPool),
}

/// `reading!(db, pool => expression)`: the expression, with a pool of connections to read from.
macro_rules! reading {
    ($db:expr, $pool:ident => $body:expr) => {
        match $db {
            $crate::db::Db::Sqlite { reader: $pool, .. } => $body,
            $crate::db::Db::Postgres($pool) => $body,
        }
    };
}

/// `writing!(db, tx => { block })`: the block's value, after a transaction `tx` that held the write lock from its
/// beginning. Leaving the block by `?` or `return` undoes it.
///
/// SQLite takes its lock by BEGIN IMMEDIATE: one that begins by reading and then writes would be refused, without any
/// waiting, when another wrote in between. PostgreSQL takes it by the statement that every block begins with, see
/// `revision::lock!`.
macro_rules! writing {
    ($db:expr, $tx:ident => $body:block) => {
        match $db {
            $crate::db::Db::Sqlite { writer, .. } => {
                let mut $tx = writer.begin_with("BEGIN IMMEDIATE").await?;
                let done = $body;
                $tx.commit().await?;
                done
            }
            $crate::db::Db::Postgres(pool) => {
                let mut $tx = pool.begin().await?;
                let done = $body;
                $tx.commit().await?;
                done
            }
        }
    };
}

pub(crate) use {reading, writing};

impl Db {
    /// Opens the database, made and migrated as needed.
    pub(crate) async fn open(location: &Location) -> Result<Self> {
        match location {
            Location::Sqlite(path) => open_sqlite(path).await,
            Location::Postgres(options) => open_postgres(options).await,
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite { writer, reader } => {
                reader.close().await;
                writer.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

async fn open_sqlite(path: &Path) -> Result<Db> {
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| std::io::Error::new(error.kind(), format!("{}: {error}", folder.display())))?;
    }
    let _alone = migrate::alone(path).await?;
    create(path)?;

    // FULL: a commit is on the disk before it is reported. NORMAL would be faster, and after a power cut the head could
    // be an older revision than the one that Asterisk runs and that somebody was told is applied.
    let options = SqliteConnectOptions::new()
        .filename(path)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY);
    let pool = || {
        SqlitePoolOptions::new()
            .acquire_timeout(ACQUIRE)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
    };

    let writer = pool().max_connections(1).connect_with(options.clone().journal_mode(SqliteJournalMode::Wal)).await?;
    migrate::sqlite(&writer).await?;
    let reader = pool().max_connections(4).connect_with(options.pragma("query_only", "ON")).await?;
    Ok(Db::Sqlite { writer, reader })
}

/// Makes the file before SQLite does, which would let others read it; its WAL gets the file's mode.
///
/// An existing file must not be opened here: closing it would drop the locks that SQLite holds on it in this process.
fn create(path: &Path) -> Result<()> {
    match fs_err::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn open_postgres(options: &PgConnectOptions) -> Result<Db> {
    migrate::postgres(options).await?;
    let pool = PgPoolOptions::new()
        .max_connections(8)
        .acquire_timeout(ACQUIRE)
        .after_connect(|connection, _| {
            Box::pin(async move {
                // What a commit means is not left to a server that was tuned for something else: at least on its disk.
                sqlx::query(
                    "SELECT set_config('synchronous_commit', 'on', false) \
                     WHERE current_setting('synchronous_commit') = 'off'",
                )
                .execute(&mut *connection)
                .await?;
                sqlx::query("SELECT set_config('lock_timeout', $1, false)")
                    .bind(BUSY.as_millis().to_string())
                    .execute(connection)
                    .await?;
                Ok(())
            })
        })
        .connect_with(options.clone())
        .await?;
    Ok(Db::Postgres(pool))
}
