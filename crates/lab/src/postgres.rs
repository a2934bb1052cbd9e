//! A PostgreSQL of one's own.

use crate::packages::{ensure_packages, postgres_programs};
use crate::place::{Place, Process};
use crate::wait::until;
use anyhow::{Context, Result, bail, ensure};
use rustix::process::geteuid;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// An empty PostgreSQL on TCP port 5432 of an address of its own, without passwords; gone when dropped.
///
/// It does not wait for the disk: what it holds may be lost with the machine, and with it the lab.
#[derive(Debug)]
pub struct Postgres {
    _process: Process,
    programs: PathBuf,
    place: Place,
}

impl Postgres {
    /// Makes and starts it, in about 2 s.
    ///
    /// # Errors
    /// When the packages are missing and cannot be installed, or it does not start, with its last words.
    pub fn start() -> Result<Self> {
        ensure_packages(&["postgresql"])?;
        let programs = postgres_programs().context("no initdb below /usr/lib/postgresql")?;
        let place = Place::take()?;
        let data = place.dir().join("data");
        fs_err::create_dir(&data)?;
        if geteuid().is_root() {
            // As the package's user: initdb asks for a user that has a name.
            run(Command::new("chown").arg("postgres:postgres").arg(&data))?;
        }
        run(as_postgres(&programs.join("initdb"))
            .arg("--pgdata")
            .arg(&data)
            .args(["--username=pbx", "--auth=trust", "--no-sync", "--no-instructions"])
            .args(["--no-locale", "--encoding=UTF8"])
            .current_dir("/"))?;
        let mut command = as_postgres(&programs.join("postgres"));
        command.arg("-D").arg(&data);
        let address = format!("listen_addresses={}", place.ip());
        for setting in [&*address, "port=5432", "unix_socket_directories=", "fsync=off", "full_page_writes=off"] {
            command.args(["-c", setting]);
        }
        command.args(["-c", "synchronous_commit=off", "-c", "max_connections=200"]);
        let mut process = place.spawn("postgres", command)?;
        let ready = programs.join("pg_isready");
        until("the start of PostgreSQL", Duration::from_mins(1), || {
            process.ensure_running()?;
            let status = Command::new(&ready)
                .args(["-q", "-h", &place.ip().to_string()])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()?;
            Ok(status.success().then_some(()))
        })?;
        Ok(Self { _process: process, programs, place })
    }

    /// Its address; the port is 5432.
    pub fn ip(&self) -> Ipv4Addr {
        self.place.ip()
    }

    /// The URL of the database that is there from the start; the user `pbx` may do everything.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// Makes an empty database, for a test that wants one of its own, and gives its URL.
    ///
    /// # Errors
    /// When there is one of that name.
    pub fn create(&self, database: &str) -> Result<String> {
        self.sql(&format!("create database \"{database}\""))?;
        Ok(self.url_of(database))
    }

    /// What `psql` answers to a statement: one line for each row, columns separated by `|`.
    ///
    /// # Errors
    /// With what `psql` complains about.
    pub fn sql(&self, statement: &str) -> Result<String> {
        let mut psql = Command::new(self.programs.join("psql"));
        run(psql.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", statement]).arg(self.url()))
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://pbx@{}:5432/{database}", self.ip())
    }
}

fn as_postgres(program: &Path) -> Command {
    if !geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--"]).arg(program);
    command
}

fn run(command: &mut Command) -> Result<String> {
    let program = command.get_program().display().to_string();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        bail!("{program} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    ensure!(output.stdout.len() < 10_000_000, "{program} answers with more than 10 MB");
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}
