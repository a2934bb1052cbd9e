//! The schema, brought up to date at start, by one process at a time.

use std::path::Path;

use fs_err::os::unix::fs::OpenOptionsExt as _;
use sqlx::{
    Connection as _, PgConnection, SqlitePool,
    migrate::{MigrateError, Migrator},
    postgres::PgConnectOptions,
};

use crate::error::{Result, StoreError};

static SQLITE: Migrator = sqlx::migrate!("../../migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("../../migrations/postgres");

/// Runs the migrations on one connection, of either engine. Nobody goes on with tables that a newer version has made.
macro_rules! run {
    ($migrator:expr, $connection:expr) => {{
        let (migrator, connection): (&Migrator, _) = ($migrator, $connection);
        match migrator.run_direct(None, connection, false).await {
            Ok(()) => {
                // The version of whoever applied the newest migration, for `NewerSchema` to name.
                let known = newest(migrator);
                sqlx::query("UPDATE store SET migrated_by = $1, migration = $2 WHERE id = 1 AND migration < $2")
                    .bind(env!("CARGO_PKG_VERSION"))
                    .bind(known)
                    .execute(connection)
                    .await?;
                Ok(())
            }
            Err(MigrateError::VersionMissing(_)) => {
                let (found, description) =
                    sqlx::query_as("SELECT version, description FROM _sqlx_migrations ORDER BY version DESC LIMIT 1")
                        .fetch_one(&mut *connection)
                        .await?;
                // The newer schema may have moved this; then the number must do.
                let migrated_by = sqlx::query_scalar("SELECT migrated_by FROM store WHERE id = 1")
                    .fetch_optional(connection)
                    .await
                    .ok()
                    .flatten()
                    .unwrap_or_else(|| "unknown".to_owned());
                Err(StoreError::NewerSchema { found, description, known: newest(migrator), migrated_by })
            }
            Err(error) => Err(error.into()),
        }
    }};
}

/// Waits until no other process makes or migrates the database at `path`; the file returned is the lock.
///
/// It is a file of its own, `pbxd.db.lock`: sqlx does not lock SQLite, SQLite does not wait when two switch a new file
/// to WAL, and a second descriptor of the database itself would, once closed, drop SQLite's own locks on it.
pub(crate) async fn alone(path: &Path) -> Result<std::fs::File> {
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    let file = fs_err::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(lock)?;
    let locked = tokio::task::spawn_blocking(move || file.file().lock().map(|()| file.into_parts().0)).await;
    Ok(locked.map_err(std::io::Error::other)??)
}

/// Migrates a SQLite database; the caller holds the lock of [`alone`].
pub(crate) async fn sqlite(pool: &SqlitePool) -> Result<()> {
    run!(&SQLITE, &mut *pool.acquire().await?)
}

/// Migrates a PostgreSQL database, under the advisory lock that sqlx takes.
///
/// On a connection of its own: when a migration fails sqlx does not release that lock, and in a pool it would outlive
/// the failure.
pub(crate) async fn postgres(options: &PgConnectOptions) -> Result<()> {
    let mut connection = PgConnection::connect_with(options).await?;
    let done = run!(&POSTGRES, &mut connection);
    connection.close().await?;
    done
}

fn newest(migrator: &Migrator) -> i64 {
    migrator.iter().map(|migration| migration.version).max().unwrap_or(0)
}
