//! One Asterisk: an address, a folder, a process.

use crate::conf::{self, Setup};
use crate::keys;
use crate::place::{Place, Process, give};
use crate::root::AsteriskRoot;
use crate::wait::until;
use anyhow::{Context, Result, bail, ensure};
use fs_err as fs;
use jiff::Timestamp;
use jiff::civil::DateTime;
use rustix::process::{Pid, Signal, test_kill_process};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Long enough for a machine that builds the workspace at the same time; a boot takes under a second.
const BOOT: Duration = Duration::from_mins(1);

/// In the folder of an instance: what [`Kept`] must know to talk to it.
const FACTS: &str = "facts";

/// The ports of every instance: addresses differ, ports do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// SIP over UDP and TCP.
    pub sip: u16,
    /// SIP over TLS.
    pub sips: u16,
    /// The manager interface.
    pub ami: u16,
    /// HTTP: ARI, WebSocket.
    pub http: u16,
    /// The same over TLS.
    pub https: u16,
}

impl Ports {
    /// Asterisk's own defaults.
    pub const FIXED: Self = Self { sip: 5060, sips: 5061, ami: 5038, http: 8088, https: 8089 };
}

/// How an instance shall be; see [`Asterisk::builder`].
#[derive(Debug)]
#[must_use]
pub struct Builder {
    place: Option<Place>,
    root: Option<AsteriskRoot>,
    files: BTreeMap<String, String>,
    stock: bool,
    clock: Option<String>,
    secret: String,
    rtp: Option<RangeInclusive<u16>>,
}

impl Builder {
    /// Runs at this place; otherwise at the next free one.
    pub fn place(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// Runs from this root folder; otherwise from the machine's ([`AsteriskRoot::ensure`]).
    pub fn root(mut self, root: AsteriskRoot) -> Self {
        self.root = Some(root);
        self
    }

    /// Writes a file below `etc`, in the place of ours of that name. `{ip}` and `{etc}` in it become the instance's
    /// address and its folder of configuration.
    pub fn file(mut self, name: impl Into<String>, contents: impl Into<String>) -> Self {
        self.files.insert(name.into(), contents.into());
        self
    }

    /// Starts from Debian's stock `/etc/asterisk`, changed only where it names folders, addresses and ports, and with
    /// the modules off that bind ports on all addresses. It has no manager user and HTTP is off.
    pub fn stock(mut self) -> Self {
        self.stock = true;
        self
    }

    /// The time at which the instance believes it starts: `2026-12-25 03:00:00` in UTC, or with an offset behind it.
    /// Its clock runs on from there, and begins there again at the next start.
    ///
    /// Its time *zone* stays the machine's: Asterisk reads `/etc/localtime` whatever `TZ` says, so a dialplan that
    /// means another zone has to name it.
    pub fn clock(mut self, clock: impl Into<String>) -> Self {
        self.clock = Some(clock.into());
        self
    }

    /// The password of the user `pbxd` of AMI and ARI; otherwise `lab-secret`.
    pub fn secret(mut self, secret: impl Into<String>) -> Self {
        self.secret = secret.into();
        self
    }

    /// UDP ports for audio, two for each leg; otherwise 200 of them.
    pub fn rtp(mut self, ports: RangeInclusive<u16>) -> Self {
        self.rtp = Some(ports);
        self
    }

    /// Writes the configuration, starts Asterisk and waits until it has booted.
    ///
    /// # Errors
    /// When there is no root folder and none can be built, or Asterisk ends instead of booting, with its last words.
    pub fn start(self) -> Result<Asterisk> {
        let mut asterisk = self.prepare()?;
        asterisk.start_again()?;
        Ok(asterisk)
    }

    /// Like [`Builder::start`] without the start: for tests that change the configuration first.
    ///
    /// # Errors
    /// As [`Builder::start`].
    pub fn prepare(self) -> Result<Asterisk> {
        let root = self.root.map_or_else(AsteriskRoot::ensure, Ok)?;
        let place = self.place.map_or_else(Place::take, Ok)?;
        for name in ["etc", "lib", "log", "log/cdr-csv", "log/cdr-custom", "log/cel-custom", "run", "cache"] {
            place.writable(name)?;
        }
        for name in [
            "lib/agi-bin",
            "lib/keys",
            "lib/moh",
            "spool",
            "spool/monitor",
            "spool/outgoing",
            "spool/tmp",
            "spool/voicemail",
        ] {
            place.writable(name)?;
        }
        let rtp = self.rtp.unwrap_or_else(|| rtp_ports(place.ip()));
        let setup = Setup { ip: place.ip(), dir: place.dir(), root: &root, secret: &self.secret, rtp: &rtp };
        let etc = place.dir().join("etc");
        let ours = if self.stock {
            copy_tree(&root.stock_etc(), &etc)?;
            conf::stock(&setup, |name| fs::read_to_string(etc.join(name)).unwrap_or_default())
        } else {
            conf::small(&setup)
        };
        for (name, text) in ours {
            write_conf(&etc, &name, &text)?;
        }
        keys::write(&place.writable("etc/keys")?, place.ip())?;
        fs::write(place.dir().join(FACTS), format!("{}\n{}\n", root.dir().display(), self.secret))?;
        let console = Console { root, conf: etc.join("asterisk.conf"), run: place.dir().join("run") };
        let asterisk = Asterisk { process: None, console, clock: self.clock, secret: self.secret, place };
        for (name, text) in &self.files {
            asterisk.write(name, text)?;
        }
        Ok(asterisk)
    }
}

/// A running Asterisk of one's own, killed and removed when dropped, also when a test panics.
#[derive(Debug)]
pub struct Asterisk {
    // Declared before the place: fields are dropped in order, and the process ends before its folder goes.
    process: Option<Process>,
    console: Console,
    clock: Option<String>,
    secret: String,
    place: Place,
}

impl Asterisk {
    /// An instance with a small configuration: AMI and ARI for the user `pbxd`, HTTP and HTTPS, and nothing that
    /// takes calls.
    pub fn builder() -> Builder {
        Builder {
            place: None,
            root: None,
            files: BTreeMap::new(),
            stock: false,
            clock: None,
            secret: "lab-secret".to_owned(),
            rtp: None,
        }
    }

    /// The address of everything it listens on.
    pub fn address(&self) -> Ipv4Addr {
        self.place.ip()
    }

    /// Its ports, the same for every instance.
    pub fn ports(&self) -> Ports {
        Ports::FIXED
    }

    /// `astetcdir`. It belongs to Asterisk's user, as on Debian: changing a voicemail password writes there.
    pub fn etc(&self) -> PathBuf {
        self.place.dir().join("etc")
    }

    /// `astlogdir`: `messages.log`, `queue_log`, `cdr-csv/`.
    pub fn log_dir(&self) -> PathBuf {
        self.place.dir().join("log")
    }

    /// `astspooldir`: `voicemail/`, `monitor/`, `outgoing/`.
    pub fn spool(&self) -> PathBuf {
        self.place.dir().join("spool")
    }

    /// `astvarlibdir` and `astdbdir`.
    pub fn lib(&self) -> PathBuf {
        self.place.dir().join("lib")
    }

    /// The folder that holds all of the above, free for files of the test too.
    pub fn dir(&self) -> &Path {
        self.place.dir()
    }

    /// The certificate, signed by itself, that HTTPS uses and a TLS transport can; its key is `lab.key` beside it.
    pub fn certificate(&self) -> PathBuf {
        self.etc().join("keys/lab.crt")
    }

    /// The password of the user `pbxd` of AMI and ARI.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// Writes a file below `etc` that Asterisk may read and change; see [`Builder::file`] for `{ip}` and `{etc}`. It
    /// is not read before a reload.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, contents: &str) -> Result<()> {
        let etc = self.etc();
        let text = contents.replace("{ip}", &self.address().to_string()).replace("{etc}", &etc.display().to_string());
        write_conf(&etc, name, &text)
    }

    /// What a command of Asterisk's console answers, without the line feed at its end.
    ///
    /// # Errors
    /// When Asterisk is not there. A command that fails only says so in its answer.
    pub fn cli(&self, command: &str) -> Result<String> {
        self.console.ask(command)
    }

    /// Waits until it has booted fully.
    ///
    /// # Errors
    /// When it ended instead, with its last words.
    pub fn wait_booted(&mut self) -> Result<()> {
        let Some(process) = &mut self.process else { bail!("Asterisk at {} is stopped", self.place.ip()) };
        let console = &self.console;
        until(&format!("the boot of Asterisk at {}", self.place.ip()), BOOT, || {
            process.ensure_running()?;
            if !console.run.join("asterisk.ctl").exists() {
                return Ok(None);
            }
            Ok(console.ask("core waitfullybooted").ok().filter(|answer| answer.contains("fully booted")))
        })
        .map(drop)
    }

    /// Whether its process runs.
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(Process::is_running)
    }

    /// The process id while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Kills it with SIGKILL, as a power cut would. Its folder stays.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Ends it with SIGTERM, which hangs calls up and writes the database.
    ///
    /// # Errors
    /// When it does not end within 20 s; it is killed then.
    pub fn stop(&mut self) -> Result<()> {
        match self.process.take() {
            Some(mut process) => process.end(Signal::TERM, Duration::from_secs(20)),
            None => Ok(()),
        }
    }

    /// Starts it after [`Asterisk::kill`] or [`Asterisk::stop`], from what is in its folder now, and waits until it
    /// has booted.
    ///
    /// # Errors
    /// When it runs already, or ends instead of booting.
    pub fn start_again(&mut self) -> Result<()> {
        ensure!(!self.is_running(), "Asterisk at {} runs already", self.place.ip());
        // What a killed instance left would look like a running one.
        for name in ["asterisk.ctl", "asterisk.pid"] {
            let path = self.console.run.join(name);
            if path.exists() {
                fs::remove_file(path)?;
            }
        }
        let mut command = self.console.root.asterisk(&self.console.conf, self.clock.is_some())?;
        command.arg("-f").env("HOME", self.dir()).env_remove("LD_LIBRARY_PATH");
        if let Some(clock) = &self.clock {
            // Only the wall clock moves: with a false monotonic clock the waits of threads last for ever or no time.
            // An offset, because it means the same in every time zone.
            let offset = seconds(clock)? - now();
            command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("FAKETIME", format!("{offset:+}"));
        }
        self.process = Some(self.place.spawn("asterisk", command)?);
        self.wait_booted()
    }

    /// [`Asterisk::stop`] and [`Asterisk::start_again`].
    ///
    /// # Errors
    /// As these.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.start_again()
    }

    /// Lets it outlive this process: see [`Kept`].
    ///
    /// # Errors
    /// When its folder cannot be marked.
    pub fn keep(mut self) -> Result<Kept> {
        self.place.keep()?;
        if let Some(process) = &mut self.process {
            process.detach();
        }
        Kept::open(self.place.ip(), self.place.dir())
    }
}

/// An instance that outlives the process that started it.
#[derive(Debug)]
pub struct Kept {
    /// Its address, by which it is named.
    pub ip: Ipv4Addr,
    /// Its folder: `etc`, `log`, `spool`, `lib`, `run`.
    pub dir: PathBuf,
    /// The password of the user `pbxd` of AMI and ARI.
    pub secret: String,
    console: Console,
}

impl Kept {
    /// All of them, by address.
    ///
    /// # Errors
    /// When the lab's folder cannot be read.
    pub fn all() -> Result<Vec<Self>> {
        Place::kept()?.iter().map(|(ip, dir)| Self::open(*ip, dir)).collect()
    }

    fn open(ip: Ipv4Addr, dir: &Path) -> Result<Self> {
        let facts = fs::read_to_string(dir.join(FACTS))?;
        let (root, secret) = facts.trim_end().split_once('\n').context("a damaged file of facts")?;
        let console = Console {
            root: AsteriskRoot::at(Path::new(root))?,
            conf: dir.join("etc/asterisk.conf"),
            run: dir.join("run"),
        };
        Ok(Self { ip, dir: dir.to_owned(), secret: secret.to_owned(), console })
    }

    /// What a command of Asterisk's console answers.
    ///
    /// # Errors
    /// When Asterisk is not there.
    pub fn cli(&self, command: &str) -> Result<String> {
        self.console.ask(command)
    }

    /// Whether its process runs.
    pub fn is_running(&self) -> bool {
        let pid = fs::read_to_string(self.console.run.join("asterisk.pid")).ok();
        let pid = pid.and_then(|text| Pid::from_raw(text.trim().parse().ok()?));
        pid.is_some_and(|pid| test_kill_process(pid).is_ok())
    }

    /// Kills it and removes its folder.
    ///
    /// # Errors
    /// When a process does not end or a file cannot be removed.
    pub fn down(self) -> Result<()> {
        Place::end(self.ip)
    }
}

/// The console of an instance, over its control socket.
#[derive(Debug)]
struct Console {
    root: AsteriskRoot,
    conf: PathBuf,
    run: PathBuf,
}

impl Console {
    fn ask(&self, command: &str) -> Result<String> {
        let mut console: Command = self.root.console(&self.conf)?;
        let output = console.arg("-rx").arg(command).env("TERM", "dumb").stdin(Stdio::null()).output()?;
        let answer = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        ensure!(
            output.status.success(),
            "Asterisk did not answer to `{command}`: {answer}{}",
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
        Ok(answer)
    }
}

/// A date and time, in UTC unless it says otherwise, as seconds since 1970.
fn seconds(clock: &str) -> Result<i64> {
    let text = clock.trim_start_matches('@');
    let time = text
        .parse::<Timestamp>()
        .or_else(|_| Ok::<_, jiff::Error>(text.parse::<DateTime>()?.in_tz("UTC")?.timestamp()));
    Ok(time.with_context(|| format!("{clock:?} is no time: expected as 2026-12-25 03:00:00"))?.as_second())
}

/// The machine's time in seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the offset of a false clock is one from the true clock")]
fn now() -> i64 {
    Timestamp::now().as_second()
}

/// Ports of its own for the audio of an address. Overlaps of far addresses are harmless: Asterisk tries the next port.
fn rtp_ports(ip: Ipv4Addr) -> RangeInclusive<u16> {
    let [_, _, high, low] = ip.octets();
    let slot = (u16::from(high) * 250 + u16::from(low)) % 150;
    let first = 20_000 + slot * 200;
    first..=first + 199
}

fn write_conf(etc: &Path, name: &str, text: &str) -> Result<()> {
    let path = etc.join(name);
    let mut missing = Vec::new();
    let mut parent = path.parent();
    while let Some(dir) = parent.filter(|dir| !dir.exists()) {
        missing.push(dir);
        parent = dir.parent();
    }
    for dir in missing.into_iter().rev() {
        fs::create_dir(dir)?;
        give(dir)?;
    }
    fs::write(&path, text)?;
    fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640))?;
    give(&path)
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&target)?;
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
            fs::set_permissions(&target, std::fs::Permissions::from_mode(0o640))?;
        }
        give(&target)?;
    }
    Ok(())
}
