//! The system under test: Asterisk, `pbxd` and `pbxctl`, each the real one.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use fs_err as fs;
use pbx_api::{Client, Health, Outcome, OutcomeResult};
use pbx_asterisk::config::FILES;
use pbx_lab::{Asterisk, AsteriskRoot, Behaviour, Caller, Phone, PhoneSpec, Place, Postgres, Process, until};

use crate::{CommandOutput, Injection, Proxy, Trace};

/// Longer than anything takes that is going to happen.
pub const SOON: Duration = Duration::from_secs(30);

/// How a system shall be; see [`System::builder`].
#[derive(Debug)]
#[must_use]
pub struct Builder {
    asterisk: pbx_lab::Builder,
    store: Option<String>,
    first: String,
    more: String,
    stock: bool,
    proxied: bool,
    patience: u32,
}

impl Builder {
    /// From Debian's stock configuration, prepared by `pbxctl setup` as an administrator would.
    pub fn stock(mut self) -> Self {
        self.asterisk = self.asterisk.stock();
        self.stock = true;
        self
    }

    /// The time at which Asterisk believes it starts.
    pub fn clock(mut self, clock: &str) -> Self {
        self.asterisk = self.asterisk.clock(clock);
        self
    }

    /// How many seconds pbxd waits for Asterisk; otherwise 30.
    pub fn patience(mut self, seconds: u32) -> Self {
        self.patience = seconds;
        self
    }

    /// Has pbxd talk to Asterisk through a [`Proxy`].
    pub fn proxied(mut self) -> Self {
        self.proxied = true;
        self
    }

    /// The URL of pbxd's store; otherwise a file of SQLite, or with `PBX_STORE=postgres` a database of its own on PostgreSQL.
    pub fn store(mut self, url: impl Into<String>) -> Self {
        self.store = Some(url.into());
        self
    }

    /// Lines for `pbxd.toml` before its tables, where the test writes it.
    pub fn first(mut self, text: impl Into<String>) -> Self {
        self.first = text.into();
        self
    }

    /// More lines for `pbxd.toml`, where the test writes it.
    pub fn config(mut self, text: impl Into<String>) -> Self {
        self.more = text.into();
        self
    }

    /// Replaces a file of Asterisk's.
    pub fn file(mut self, name: &str, text: &str) -> Self {
        self.asterisk = self.asterisk.file(name, text);
        self
    }

    /// Starts Asterisk and pbxd, and waits until pbxd has found Asterisk.
    pub fn start(self) -> Result<System> {
        let mut asterisk = self.asterisk.prepare()?;
        let place = Place::take()?;
        console(&asterisk, &place.dir().join("asterisk"))?;
        let (store, postgres) = match self.store {
            Some(store) => (store, None),
            None => store(&place)?,
        };
        let ami = SocketAddr::from((asterisk.address(), asterisk.ports().ami));
        let proxy = self.proxied.then(|| Proxy::to(ami)).transpose()?;
        if self.stock {
            asterisk.start_again()?;
            setup(&asterisk, &place, &store)?;
        } else {
            include(&asterisk.etc())?;
            asterisk.start_again()?;
            let ami = proxy.as_ref().map_or(ami, Proxy::address);
            fs::write(
                place.dir().join("pbxd.toml"),
                self.first + &config(&asterisk, &place, &store, ami, self.patience) + &self.more,
            )?;
        }
        fs::create_dir(place.dir().join("manifests"))?;
        let mut system =
            System { pbxd: None, asterisk, place, proxy, store, files: AtomicU32::new(0), _postgres: postgres };
        system.start_pbxd()?;
        Ok(system)
    }
}

/// The store of a test to which it is all the same: the environment decides.
fn store(place: &Place) -> Result<(String, Option<Arc<Postgres>>)> {
    static MADE: AtomicU32 = AtomicU32::new(0);
    match std::env::var("PBX_STORE").as_deref() {
        Ok("postgres") => {
            let server = server()?;
            let url = server.create(&format!("pbxd_{}", MADE.fetch_add(1, Ordering::Relaxed)))?;
            Ok((url, Some(server)))
        }
        Ok("sqlite") | Err(_) => Ok((format!("sqlite://{}", place.dir().join("pbxd.db").display()), None)),
        Ok(other) => bail!("PBX_STORE={other}: it is sqlite or postgres"),
    }
}

/// The PostgreSQL of all tests that run now: the first of them starts it, and with the last it ends.
fn server() -> Result<Arc<Postgres>> {
    static SERVER: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());
    let mut server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(running) = server.upgrade() {
        return Ok(running);
    }
    let started = Arc::new(Postgres::start()?);
    *server = Arc::downgrade(&started);
    Ok(started)
}

/// What pbxd is told.
fn config(asterisk: &Asterisk, place: &Place, store: &str, ami: SocketAddr, patience: u32) -> String {
    format!(
        "socket = \"{dir}/pbxd.sock\"\nstore = \"{store}\"\nkey_file = \"{dir}/key\"\n\n\
         [asterisk]\nconfig_dir = \"{etc}\"\nlog_dir = \"{log}\"\npatience = {patience}\n\n\
         [ami]\nhost = \"{ip}\"\nport = {port}\nusername = \"pbxd\"\nsecret = \"{secret}\"\n",
        dir = place.dir().display(),
        etc = asterisk.etc().display(),
        log = asterisk.log_dir().display(),
        ip = ami.ip(),
        port = ami.port(),
        secret = asterisk.secret(),
    )
}

/// A command `asterisk` that calls the console of this instance, for programs and people that know no other name for it.
fn console(asterisk: &Asterisk, path: &Path) -> Result<()> {
    let root = AsteriskRoot::ensure()?;
    let modules = root.modules();
    let libraries = modules.ancestors().nth(2).context("no folder of libraries")?;
    let loader = fs::read_dir(libraries)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ld-linux")))
        .context("no loader")?;
    let text = format!(
        "#!/bin/sh\nexec {} --library-path {} {}/usr/sbin/asterisk -C {}/asterisk.conf \"$@\"\n",
        loader.display(),
        libraries.display(),
        root.dir().display(),
        asterisk.etc().display()
    );
    fs::write(path, text)?;
    fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// Prepares a running Asterisk as its administrator would.
fn setup(asterisk: &Asterisk, place: &Place, store: &str) -> Result<()> {
    let path = |name: &str| place.dir().join(name);
    let output: CommandOutput = Command::new(program("pbxctl")?)
        .args(["setup", "--yes", "--store", store, "--pbxd-user", &present_user()?])
        .arg("--asterisk-conf")
        .arg(asterisk.etc().join("asterisk.conf"))
        .arg("--asterisk-command")
        .arg(path("asterisk"))
        .arg("--pbxd-config")
        .arg(path("pbxd.toml"))
        .arg("--key-file")
        .arg(path("key"))
        .arg("--socket")
        .arg(path("pbxd.sock"))
        .stdin(Stdio::null())
        .output()?
        .into();
    output.expect(0).map(drop)
}

/// The user that pbxd runs as here: whoever runs the tests.
fn present_user() -> Result<String> {
    let output: CommandOutput = Command::new("id").arg("-un").output()?.into();
    Ok(output.expect(0)?.stdout.trim().to_owned())
}

/// Adds the line to each main file that has Asterisk read what pbxd writes, with an empty revision to begin with.
fn include(etc: &Path) -> Result<()> {
    for (name, _) in FILES {
        let path = etc.join(name);
        let text = fs::read_to_string(&path)?;
        // Into the same file: it belongs to Asterisk's user.
        fs::write(&path, format!("{text}\n#include \"pbx.d/current/{name}\"\n"))?;
    }
    pbx_asterisk::deploy::Revisions::new(etc).activate_empty(std::time::UNIX_EPOCH)?;
    Ok(())
}

/// A running telephone system of one's own, stopped and removed when dropped.
#[derive(Debug)]
pub struct System {
    // Declared before what it needs: fields are dropped in order.
    pbxd: Option<Process>,
    asterisk: Asterisk,
    place: Place,
    proxy: Option<Proxy>,
    store: String,
    files: AtomicU32,
    _postgres: Option<Arc<Postgres>>,
}

impl System {
    /// With pbxd on SQLite and the machine's time.
    pub fn start() -> Result<Self> {
        Self::builder().start()
    }

    /// A system to be described.
    pub fn builder() -> Builder {
        Builder {
            asterisk: Asterisk::builder(),
            store: None,
            first: String::new(),
            more: String::new(),
            stock: false,
            proxied: false,
            patience: 30,
        }
    }

    /// Its Asterisk.
    pub fn asterisk(&self) -> &Asterisk {
        &self.asterisk
    }

    /// Its Asterisk, to stop and start it.
    pub fn asterisk_mut(&mut self) -> &mut Asterisk {
        &mut self.asterisk
    }

    /// The address of Asterisk.
    pub fn ip(&self) -> Ipv4Addr {
        self.asterisk.address()
    }

    /// The folder of pbxd: socket, store, key, manifests.
    pub fn dir(&self) -> &Path {
        self.place.dir()
    }

    /// The URL of pbxd's store.
    pub fn store(&self) -> &str {
        &self.store
    }

    /// Waits until pbxd has logged something.
    pub fn wait_pbxd_log(&self, text: &str) -> Result<()> {
        until(&format!("{text:?} in pbxd's log"), SOON, || Ok(self.pbxd_log().contains(text).then_some(())))
    }

    /// pbxd's socket.
    pub fn socket(&self) -> PathBuf {
        self.place.dir().join("pbxd.sock")
    }

    /// Starts pbxd, and waits until it answers and is connected to Asterisk, if that runs.
    pub fn start_pbxd(&mut self) -> Result<()> {
        let mut command = Command::new(program("pbxd")?);
        command.arg("--config").arg(self.place.dir().join("pbxd.toml"));
        let mut process = self.place.spawn("pbxd", command)?;
        let has_asterisk = self.asterisk.is_running();
        until("an answer of pbxd", SOON, || {
            if !process.is_running() {
                bail!("pbxd ended; its last words:\n{}", self.pbxd_log());
            }
            Ok(self.health().ok().filter(|health| health.asterisk.connected == has_asterisk).map(drop))
        })
        .with_context(|| self.pbxd_log())?;
        self.pbxd = Some(process);
        Ok(())
    }

    /// Kills pbxd, as a power cut would.
    pub fn kill_pbxd(&mut self) {
        self.pbxd = None;
    }

    /// Whether pbxd runs.
    pub fn is_pbxd_running(&mut self) -> bool {
        self.pbxd.as_mut().is_some_and(Process::is_running)
    }

    /// The process id of pbxd, if it runs.
    pub fn pbxd_id(&self) -> Option<u32> {
        self.pbxd.as_ref().map(Process::id)
    }

    /// The way from pbxd to Asterisk, of a system that has one of its own ([`Builder::proxied`]).
    pub fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("the test asked for a proxy")
    }

    /// Lets one of pbxd's calls to the kernel go wrong.
    pub fn inject(&self, injection: &Injection) -> Result<Trace> {
        Trace::inject(&self.place, self.pbxd_id().context("pbxd does not run")?, injection)
    }

    /// Writes down pbxd's calls to the kernel.
    pub fn record(&self, calls: &str) -> Result<Trace> {
        Trace::record(&self.place, self.pbxd_id().context("pbxd does not run")?, calls)
    }

    /// What pbxd has logged.
    pub fn pbxd_log(&self) -> String {
        let text = fs::read(self.place.dir().join("pbxd.out")).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// How pbxd is.
    pub fn health(&self) -> Result<Health> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(Client::new(self.socket()).health())?)
    }

    /// Writes a manifest (or a file beside one), and gives its path. `{ip}` and `{etc}` in it become the address and the
    /// configuration folder of Asterisk.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.place.dir().join("manifests").join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let etc = self.asterisk.etc();
        fs::write(&path, text.replace("{ip}", &self.ip().to_string()).replace("{etc}", &etc.display().to_string()))?;
        Ok(path)
    }

    /// A `pbxctl` that talks to this pbxd, for those who want to set its environment or its user.
    pub fn command(&self, args: &[&str]) -> Result<Command> {
        let mut command = Command::new(program("pbxctl")?);
        command.args(args).env("PBXCTL_SOCKET", self.socket()).current_dir(self.place.dir().join("manifests"));
        command.env_remove("EDITOR").env_remove("VISUAL").stdin(Stdio::null());
        Ok(command)
    }

    /// Runs `pbxctl`, in the folder of the manifests.
    pub fn pbxctl(&self, args: &[&str]) -> Result<CommandOutput> {
        Ok(self.command(args)?.output()?.into())
    }

    /// Applies manifests with `pbxctl` and proves that Asterisk has them.
    pub fn apply(&self, manifests: &str) -> Result<Outcome> {
        let name = format!("{:03}.yaml", self.files.fetch_add(1, Ordering::Relaxed));
        self.write(&name, manifests)?;
        let output = self.pbxctl(&["apply", "-f", &name, "--yes", "-o", "json"])?.expect(0)?;
        let outcome: Outcome = serde_json::from_value(output.json()?["outcome"].take())
            .with_context(|| format!("no outcome:\n{output}"))?;
        ensure!(outcome.result == OutcomeResult::Applied, "{output}");
        Ok(outcome)
    }

    /// The steps of a call on paper, by `pbxctl trace` with these arguments.
    pub fn trace(&self, args: &[&str]) -> Result<Vec<String>> {
        let told = self.pbxctl(&[&["trace", "-o", "json"], args].concat())?.expect(0)?.json()?;
        let steps = told["steps"].as_array().into_iter().flatten();
        Ok(steps.filter_map(|step| step["label"].as_str().map(str::to_owned)).collect())
    }

    /// Registers a telephone of an extension whose password is `secret-NUMBER`.
    pub fn phone(&self, number: &str, behaviour: &Behaviour) -> Result<Phone> {
        Phone::register(&self.login(number), behaviour)
    }

    /// The login of an extension whose password is `secret-NUMBER`.
    pub fn login(&self, number: &str) -> PhoneSpec {
        PhoneSpec::new(number, format!("secret-{number}"), self.ip())
    }

    /// The calling side of an extension whose password is `secret-NUMBER`.
    pub fn caller(&self, number: &str) -> Result<Caller> {
        Ok(Caller::new()?.as_phone(number, format!("secret-{number}")))
    }

    /// What Asterisk has logged.
    pub fn log(&self) -> Result<String> {
        let bytes = fs::read(self.asterisk.log_dir().join("messages.log"))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Waits until Asterisk has logged something.
    pub fn wait_log(&self, text: &str) -> Result<()> {
        until(&format!("{text:?} in Asterisk's log"), SOON, || Ok(self.log()?.contains(text).then_some(())))
    }
}

/// A program of ours: it is built into the folder above that of the test.
pub fn program(name: &str) -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let folders = test.ancestors().skip(1).take(2).map(|folder| folder.join(name));
    folders.into_iter().find(|path| path.is_file()).with_context(|| {
        format!("{name} is not built: run `cargo build -p {name}` before, or all with `cargo xtask test`")
    })
}

impl Drop for System {
    /// Keeps the logs in the folder that `PBX_TESTS_LOGS` names: to look at a test that failed.
    fn drop(&mut self) {
        let Some(folder) = std::env::var_os("PBX_TESTS_LOGS").map(PathBuf::from) else { return };
        let name = std::thread::current().name().unwrap_or("test").replace("::", "-");
        let _ = fs::create_dir_all(&folder);
        let _ = fs::write(folder.join(format!("{name}.asterisk.log")), self.log().unwrap_or_default());
        let _ = fs::write(folder.join(format!("{name}.pbxd.log")), self.pbxd_log());
    }
}
