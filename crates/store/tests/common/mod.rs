//! Places to keep a store in: a SQLite file, and a database of a PostgreSQL server that lives as long as the test.

use std::{
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use pbx_store::{Result, Store};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, SqliteConnection};
use tempfile::TempDir;

/// An engine that gives out empty databases.
pub(crate) trait Engine {
    /// An empty database, and a folder for its key file.
    fn place(&self) -> Place;
}

/// A database and its key file, opened and closed as often as a test likes.
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) folder: TempDir,
}

impl Place {
    pub(crate) fn key_file(&self) -> PathBuf {
        self.folder.path().join("key")
    }

    pub(crate) async fn open(&self) -> Store {
        self.try_open().await.unwrap()
    }

    pub(crate) async fn try_open(&self) -> Result<Store> {
        Store::open(&self.url, &self.key_file()).await
    }

    /// Does to the database what the store never would.
    pub(crate) async fn sabotage(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        if self.url.starts_with("sqlite") {
            let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
            connection.execute(sql).await.unwrap();
            connection.close().await.unwrap();
        } else {
            let mut connection = PgConnection::connect(&self.url).await.unwrap();
            connection.execute(sql).await.unwrap();
            connection.close().await.unwrap();
        }
    }
}

pub(crate) struct Sqlite;

impl Engine for Sqlite {
    fn place(&self) -> Place {
        let folder = TempDir::new().unwrap();
        Place { url: format!("sqlite://{}", folder.path().join("made/too/pbxd.db").display()), folder }
    }
}

/// A server on a Unix socket in a folder of its own.
pub(crate) struct Postgres {
    server: Child,
    folder: TempDir,
    databases: AtomicU32,
}

const BIN: &str = "/usr/lib/postgresql/15/bin";

/// PostgreSQL refuses to run as root.
fn unprivileged(program: &str) -> Command {
    let path = Path::new(BIN).join(program);
    assert!(path.exists(), "{} is missing: apt-get install postgresql", path.display());
    if !is_root() {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"]).arg(path);
    command
}

fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&fs_err::metadata("/proc/self").unwrap()) == 0
}

impl Postgres {
    pub(crate) fn start() -> Self {
        let folder = TempDir::new().unwrap();
        if is_root() {
            chown(folder.path(), Some(65534), Some(65534)).unwrap();
        }
        fs_err::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let data = folder.path().join("data");
        // Sorted as people sort, not as bytes: the store's order must not depend on it.
        let made = unprivileged("initdb")
            .args(["--no-sync", "--auth=trust", "--username=pbxd", "--encoding=UTF8", "--locale=C.UTF-8"])
            .args(["--locale-provider=icu", "--icu-locale=en-US", "-D"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let server = unprivileged("postgres")
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder.path())
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "synchronous_commit=off"])
            .stdout(Stdio::null())
            .stderr(fs_err::File::create(folder.path().join("log")).unwrap().into_parts().0)
            .spawn()
            .unwrap();
        let this = Self { server, folder, databases: AtomicU32::new(0) };
        let patience = Instant::now() + Duration::from_secs(30);
        while !this.sql("SELECT 1") {
            let log = fs_err::read_to_string(this.folder.path().join("log")).unwrap();
            assert!(Instant::now() < patience, "PostgreSQL does not answer: {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
        this
    }

    fn sql(&self, sql: &str) -> bool {
        let done = Command::new(Path::new(BIN).join("psql"))
            .args(["-X", "-q", "-U", "pbxd", "-d", "postgres", "-c", sql, "-h"])
            .arg(self.folder.path())
            .output()
            .unwrap();
        done.status.success()
    }
}

impl Engine for Postgres {
    fn place(&self) -> Place {
        let name = format!("story_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        assert!(self.sql(&format!("CREATE DATABASE {name}")));
        let socket = self.folder.path().display().to_string();
        Place {
            url: format!("postgres://pbxd:hunter2@localhost/{name}?host={socket}"),
            folder: TempDir::new().unwrap(),
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The immediate shutdown of a server whose data nobody wants: SIGKILL would leave its children behind.
        let _ = Command::new("kill").args(["-QUIT", &self.server.id().to_string()]).status();
        let _ = self.server.wait();
    }
}
