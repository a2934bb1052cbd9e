//! Addresses, folders and processes: who owns what, and what happens to it when its owner dies.
//!
//! A place is an address and the folder of the same name, held by a lock on a file for as long as its owner lives.
//! The kernel releases that lock however the owner ends, so a folder whose lock is free is an orphan: its processes
//! (they carry its path in their environment) are killed and it is removed by whoever comes next. A "parent death
//! signal" would be shorter, but the kernel sends it when the *thread* that started the process ends, and a test is
//! a thread: an instance shared by several tests would die with the first.

use crate::wait::until;
use anyhow::{Context, Result, bail, ensure};
use fs_err as fs;
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, geteuid, getpid, kill_process, kill_process_group};
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Once;
use std::time::Duration;

/// The user that Asterisk and the mail server run as when the lab is run by root. No account of any distribution has
/// it, so nothing else is readable to it, nor is it to anything else.
pub(crate) const LAB_UID: u32 = 64_999;

/// In the environment of every process of a place: the path of its folder.
const ENV_PLACE: &str = "PBX_LAB_PLACE";

/// A file in the folder of a place that outlives the process that made it (`cargo xtask lab up`).
const KEPT: &str = "kept";

/// An address of its own in 127.0.0.0/8 and a folder of its own, until dropped.
///
/// Take it first when an address must be known before what runs there starts, as for `identify` in `pjsip.conf`.
#[derive(Debug)]
pub struct Place {
    ip: Ipv4Addr,
    dir: PathBuf,
    kept: bool,
    /// Holds the lock on the address; released by the kernel, whatever happens.
    _lock: File,
}

impl Place {
    /// The next free address in 127.10.0.0/16.
    ///
    /// # Errors
    /// When the lab's folder (`/tmp/pbx-lab-<uid>`) cannot be used, or all 60,000 addresses are taken.
    pub fn take() -> Result<Self> {
        static SWEEP: Once = Once::new();
        let base = base()?;
        SWEEP.call_once(|| {
            if let Err(error) = sweep(&base) {
                tracing::warn!("could not remove what an earlier run left in {}: {error:#}", base.display());
            }
        });
        // Processes start at different addresses, so that they rarely ask for the same one.
        let start = getpid().as_raw_nonzero().get().unsigned_abs() % 240 * 250;
        for n in 0..60_000 {
            let n = (start + n) % 60_000;
            let [high, low] = [n / 250, n % 250 + 1].map(|part| u8::try_from(part).unwrap_or(u8::MAX));
            if let Some(place) = Self::open(&base, Ipv4Addr::new(127, 10, high, low))? {
                return Ok(place);
            }
        }
        bail!("all addresses of the lab are taken: look with `cargo xtask lab list`")
    }

    /// This very address, for demonstrations whose addresses people read. Outside of 127.10.0.0/16 it is left to the
    /// caller alone.
    ///
    /// # Errors
    /// When somebody has it.
    pub fn at(ip: Ipv4Addr) -> Result<Self> {
        ensure!(ip.is_loopback(), "{ip} is not an address of the lab: those begin with 127.");
        Self::open(&base()?, ip)?
            .with_context(|| format!("{ip} is in use: see `cargo xtask lab list`, or `ss -lnp src {ip}`"))
    }

    /// `None` when somebody has the address. What an earlier owner left there is removed.
    fn open(base: &Path, ip: Ipv4Addr) -> Result<Option<Self>> {
        let dir = base.join(ip.to_string());
        let Some(lock) = lock_of(base, ip)? else { return Ok(None) };
        if dir.join(KEPT).exists() {
            return Ok(None);
        }
        reap(&dir)?;
        // Read, not tried: a socket that was bound to find out lives on for a moment in whatever process another thread
        // is starting just now, and its port is taken for that moment.
        let sip = SocketAddrV4::new(ip, 5060);
        if is_bound("udp", sip)? || is_bound("tcp", sip)? {
            return Ok(None);
        }
        fs::create_dir(&dir)?;
        Ok(Some(Self { ip, dir, kept: false, _lock: lock }))
    }

    /// The address: nobody else in the lab, nor in the lab of another process of this user, has it.
    pub fn ip(&self) -> Ipv4Addr {
        self.ip
    }

    /// The folder: there until the place is dropped, then removed with its contents.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A folder inside the place, writable by the unprivileged user of the lab.
    pub(crate) fn writable(&self, name: &str) -> Result<PathBuf> {
        let dir = self.dir.join(name);
        fs::create_dir_all(&dir)?;
        give(&dir)?;
        Ok(dir)
    }

    /// Starts a process that belongs to this place, in a process group of its own (Ctrl-C in a terminal does not reach
    /// it), with its output in `<name>.out`.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn spawn(&self, name: &str, mut command: Command) -> Result<Process> {
        let output = self.dir.join(format!("{name}.out"));
        let out = fs::OpenOptions::new().create(true).append(true).open(&output)?;
        let child = command
            .env(ENV_PLACE, &self.dir)
            .current_dir(&self.dir)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?.into_file())
            .stderr(out.into_file())
            .spawn()
            .with_context(|| format!("cannot start {name} ({})", command.get_program().display()))?;
        Ok(Process { child, name: name.to_owned(), output, detached: false })
    }

    /// From now on, what is here outlives this process; only [`crate::Kept::down`] ends it.
    pub(crate) fn keep(&mut self) -> Result<()> {
        fs::write(self.dir.join(KEPT), "")?;
        self.kept = true;
        Ok(())
    }

    /// Addresses and folders of the places that outlive their makers.
    pub(crate) fn kept() -> Result<Vec<(Ipv4Addr, PathBuf)>> {
        Ok(folders(&base()?)?.into_iter().filter(|(_, dir)| dir.join(KEPT).exists()).collect())
    }

    /// Ends a kept place: its processes first, then its folder.
    pub(crate) fn end(ip: Ipv4Addr) -> Result<()> {
        let base = base()?;
        let _lock = lock_of(&base, ip)?.with_context(|| format!("{ip} belongs to a running process"))?;
        reap(&base.join(ip.to_string()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        if let Err(error) = reap(&self.dir) {
            tracing::warn!("{} stays behind: {error:#}", self.dir.display());
        }
    }
}

/// A process of a place: killed with all of its group when dropped, also when a test panics.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    output: PathBuf,
    detached: bool,
}

impl Process {
    /// The process id, which is also the id of its group.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it runs. A process that ended is collected, so it never stays as a zombie.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// `Some` once it ended.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// An error that shows the end of the output, if it ended.
    pub(crate) fn ensure_running(&mut self) -> Result<()> {
        if let Some(status) = self.ended()? {
            bail!("{} ended with {status}; its last words:\n{}", self.name, self.last_words());
        }
        Ok(())
    }

    /// The last lines that it wrote to its standard output and error.
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read(&self.output).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    /// Asks it to end with SIGTERM, and waits.
    ///
    /// # Errors
    /// When it does not within 10 s; it is killed then.
    pub fn stop(&mut self) -> Result<()> {
        self.end(Signal::TERM, Duration::from_secs(10))
    }

    /// Ends it and its group with SIGKILL, and waits until the kernel has taken its ports back.
    pub fn kill(&mut self) {
        if self.is_running() {
            let _ = kill_process_group(self.pid(), Signal::KILL);
            let _ = self.child.wait();
        }
    }

    /// Asks it to end with `signal`, and kills it after `patience`.
    pub(crate) fn end(&mut self, signal: Signal, patience: Duration) -> Result<()> {
        if !self.is_running() {
            return Ok(());
        }
        kill_process(self.pid(), signal).with_context(|| format!("cannot signal {}", self.name))?;
        let what = format!("the end of {}", self.name);
        let ended = until(&what, patience, || self.ended());
        self.kill();
        ended.map(drop)
    }

    /// Leaves it running when this value is dropped.
    pub(crate) fn detach(&mut self) {
        self.detached = true;
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.detached {
            self.kill();
        }
    }
}

/// A command for a program that must not be root: as is for a user, through `setpriv` for root.
pub(crate) fn unprivileged(program: &Path) -> Command {
    if !geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    let id = LAB_UID.to_string();
    command.args(["--reuid", &id, "--regid", &id, "--clear-groups", "--"]).arg(program);
    command
}

/// Gives a file or folder to the unprivileged user of the lab, if this process may.
pub(crate) fn give(path: &Path) -> Result<()> {
    if geteuid().is_root() {
        std::os::unix::fs::lchown(path, Some(LAB_UID), Some(LAB_UID))
            .with_context(|| format!("cannot give {} to user {LAB_UID}", path.display()))?;
    }
    Ok(())
}

/// Whether some socket of a protocol, `udp` or `tcp`, holds this port of this address, or of every address.
pub(crate) fn is_bound(protocol: &str, address: SocketAddrV4) -> Result<bool> {
    let port = address.port();
    let ip = u32::from_ne_bytes(address.ip().octets());
    let own = [format!("{ip:08X}:{port:04X}"), format!("{:08X}:{port:04X}", 0)];
    let everywhere = format!("{:032X}:{port:04X}", 0);
    let held = |table: &str, locals: &[String]| -> Result<bool> {
        let table = fs::read_to_string(format!("/proc/net/{table}"))?;
        Ok(table.lines().any(|line| {
            let mut words = line.split_whitespace().skip(1);
            let local = words.next().is_some_and(|local| locals.iter().any(|one| one == local));
            // Of TCP only what listens (0A): a connection that ended leaves its port to the next.
            local && (protocol != "tcp" || words.nth(1) == Some("0A"))
        }))
    };
    // A kernel without IPv6 has no such table.
    Ok(held(protocol, &own)? || held(&format!("{protocol}6"), &[everywhere]).unwrap_or(false))
}

/// The lab's folder of this user. Its owner is verified, since anybody may create a name in `/tmp`.
fn base() -> Result<PathBuf> {
    let uid = geteuid().as_raw();
    let base = PathBuf::from(format!("/tmp/pbx-lab-{uid}"));
    for dir in [base.clone(), base.join("locks")] {
        match std::fs::DirBuilder::new().mode(0o755).create(&dir) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            other => other.with_context(|| format!("cannot create {}", dir.display()))?,
        }
        let owner = fs::symlink_metadata(&dir)?.uid();
        ensure!(owner == uid, "{} belongs to user {owner}, not to {uid}: remove it", dir.display());
    }
    Ok(base)
}

/// The lock of an address, or `None` when somebody holds it. The files stay, for removing a locked file is a race.
fn lock_of(base: &Path, ip: Ipv4Addr) -> Result<Option<File>> {
    let path = base.join("locks").join(ip.to_string());
    let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(path)?.into_file();
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot lock the address {ip}")),
    }
}

/// The folders of places, whoever owns them.
fn folders(base: &Path) -> Result<Vec<(Ipv4Addr, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(base)? {
        let entry = entry?;
        if let Some(ip) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
            found.push((ip, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

/// Removes every orphan.
fn sweep(base: &Path) -> Result<()> {
    for (ip, dir) in folders(base)? {
        if dir.join(KEPT).exists() {
            continue;
        }
        if let Some(_lock) = lock_of(base, ip)? {
            tracing::info!("removing {}, which a killed run left behind", dir.display());
            reap(&dir)?;
        }
    }
    Ok(())
}

/// Kills the processes of a folder whose lock is held by the caller, and removes the folder.
fn reap(dir: &Path) -> Result<()> {
    if !dir.exists() {
        return Ok(());
    }
    let what = format!("the end of the processes of {}", dir.display());
    let mut killed = Vec::new();
    until(&what, Duration::from_secs(10), || {
        let living = processes_of(dir);
        for pid in &living {
            let _ = kill_process(*pid, Signal::KILL);
        }
        let none = living.is_empty();
        killed.extend(living);
        Ok((none && killed.iter().copied().all(is_over)).then_some(()))
    })?;
    fs::remove_dir_all(dir)?;
    Ok(())
}

/// Whether a killed process has given its sockets back. The kernel takes the environment away first and closes files
/// when the last thread ends; what remains then is at most a zombie that waits for its parent.
fn is_over(pid: Pid) -> bool {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let Ok(stat) = fs::read_to_string(process.join("stat")) else { return true };
    let is_zombie = stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'));
    is_zombie && fs::read_dir(process.join("task")).map_or(0, Iterator::count) <= 1
}

/// The processes that carry this folder in their environment; zombies have none any more.
fn processes_of(dir: &Path) -> Vec<Pid> {
    let mark = format!("{ENV_PLACE}={}", dir.display());
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let pid = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
            let environment = fs::read(entry.path().join("environ")).ok()?;
            environment.split(|byte| *byte == 0).any(|item| item == mark.as_bytes()).then_some(pid)
        })
        .collect()
}
