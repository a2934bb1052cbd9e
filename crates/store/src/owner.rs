//! One owner at a time: who drives a system from a store must be alone, for it takes an unfinished revision that it finds at its start
//! for its own, and undoes it.
//!
//! On SQLite that is a lock on a file beside the database, on PostgreSQL an advisory lock of a session of its own: both end with the
//! process that has them, however it ends. The lock is the whole store's, because the journal is: it has room for one unfinished
//! revision, and does not say which node of a cluster it is under way on. Once it does, the lock is to be taken for each node.

use std::{
    io::{Read as _, Write as _},
    path::Path,
    sync::Arc,
    time::Duration,
};

use fs_err::os::unix::fs::OpenOptionsExt as _;
use sqlx::{Connection as _, PgConnection, postgres::PgConnectOptions};
use tokio::{sync::Mutex, time::Instant};

use crate::{
    Store,
    db::Db,
    error::{Result, StoreError},
};

/// How long an owner that is just ending is waited for: the kernel and the server take a moment to let go of what a killed process had.
const ENDING: Duration = Duration::from_secs(3);

/// How long between two tries.
const PAUSE: Duration = Duration::from_millis(50);

/// The two numbers of the advisory lock: `pbxd` in ASCII, and the first of what may once be several.
const LOCK: (i32, i32) = (0x7062_7864, 1);

/// How long a session may stay silent before the server takes its client for gone, and lets go of its lock: 30 s, then three more
/// questions 10 s apart. Otherwise the owner's machine could be off for two hours before another may take over.
const KEEPALIVE: [(&str, &str); 3] =
    [("tcp_keepalives_idle", "30"), ("tcp_keepalives_interval", "10"), ("tcp_keepalives_count", "3")];

/// The right to drive a system from a store; given back when it is dropped, or with the process.
#[derive(Debug)]
pub struct Owner {
    who: String,
    held: Held,
}

#[derive(Debug)]
enum Held {
    /// Never looked at again: open is locked.
    File { _lock: std::fs::File },
    /// The session that has the lock, and how to make it anew.
    Session { session: Mutex<PgConnection>, options: Arc<PgConnectOptions> },
}

impl Store {
    /// Becomes the store's owner. `who` is what others are told that come while it is: `process 42 on pbx1, for /etc/asterisk`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Owned`] when another one is, and does not end within 3 s.
    pub async fn own(&self, who: &str) -> Result<Owner> {
        let until = Instant::now() + ENDING;
        loop {
            let tried = match &self.db {
                Db::Sqlite { writer, .. } => file(writer.connect_options().get_filename(), who),
                Db::Postgres(pool) => {
                    let options = pool.connect_options();
                    session(&options, who).await.map(|session| Held::Session { session: session.into(), options })
                }
            };
            match tried {
                Ok(held) => return Ok(Owner { who: who.to_owned(), held }),
                Err(StoreError::Owned { .. }) if Instant::now() < until => tokio::time::sleep(PAUSE).await,
                Err(error) => return Err(error),
            }
        }
    }
}

impl Owner {
    /// Makes sure that it still is the owner. A session that was lost, as when the server was started again, is made anew, unless
    /// somebody else came first.
    ///
    /// # Errors
    ///
    /// [`StoreError::Owned`] when somebody did; [`StoreError::Driver`] when the server cannot be asked.
    pub async fn check(&self) -> Result<()> {
        let Held::Session { session, options } = &self.held else { return Ok(()) };
        let mut session = session.lock().await;
        if session.ping().await.is_err() {
            *session = self::session(options, &self.who).await?;
        }
        Ok(())
    }
}

/// Locks `pbxd.db.owner`, and writes into it who did.
fn file(database: &Path, who: &str) -> Result<Held> {
    let mut path = database.as_os_str().to_owned();
    path.push(".owner");
    let mut options = fs_err::OpenOptions::new();
    let mut file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    match file.file().try_lock() {
        Ok(()) => {
            file.set_len(0)?;
            file.write_all(who.as_bytes())?;
            Ok(Held::File { _lock: file.into_parts().0 })
        }
        Err(std::fs::TryLockError::WouldBlock) => {
            let mut by = String::new();
            file.take(1000).read_to_string(&mut by)?;
            Err(StoreError::Owned { by })
        }
        Err(std::fs::TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Opens a session that has the lock.
async fn session(options: &PgConnectOptions, who: &str) -> Result<PgConnection> {
    // What a session is called is what others can see of it: 63 bytes.
    let mut session = PgConnection::connect_with(&options.clone().application_name(&format!("pbxd, {who}"))).await?;
    let mine: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1, $2)")
        .bind(LOCK.0)
        .bind(LOCK.1)
        .fetch_one(&mut session)
        .await?;
    if mine {
        for (name, value) in KEEPALIVE {
            sqlx::query("SELECT set_config($1, $2, false)").bind(name).bind(value).execute(&mut session).await?;
        }
        return Ok(session);
    }
    let by: Option<String> = sqlx::query_scalar(
        "SELECT a.application_name || coalesce(' from ' || host(a.client_addr), '') \
         FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid \
         WHERE l.locktype = 'advisory' AND l.granted AND l.classid::bigint = $1 AND l.objid::bigint = $2 \
         AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    .bind(i64::from(LOCK.0))
    .bind(i64::from(LOCK.1))
    .fetch_optional(&mut session)
    .await?
    .flatten();
    session.close().await?;
    Err(StoreError::Owned { by: by.unwrap_or_default() })
}
