//! An SMTP server that keeps what it gets.

use crate::packages::ensure_packages;
use crate::place::{Place, Process, unprivileged};
use crate::wait::until;
use anyhow::{Context, Result};
use fs_err as fs;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::path::Path;
use std::time::Duration;

/// An SMTP server on port 2525 of an address of its own, until dropped: Debian's aiosmtpd with a Maildir.
#[derive(Debug)]
pub struct Mail {
    _process: Process,
    place: Place,
}

impl Mail {
    /// The port: one that needs no privileges.
    pub const PORT: u16 = 2525;

    /// Starts it, in about 0.3 s.
    ///
    /// # Errors
    /// When the package is missing and cannot be installed, or it does not start, with its last words.
    pub fn start() -> Result<Self> {
        ensure_packages(&["python3-aiosmtpd"])?;
        let place = Place::take()?;
        let address = SocketAddrV4::new(place.ip(), Self::PORT);
        // Debian's own interpreter, for another one in the path does not see Debian's packages.
        let mut command = unprivileged(Path::new("/usr/bin/python3"));
        command.args(["-m", "aiosmtpd", "--nosetuid", "--listen", &address.to_string()]);
        // It makes the Maildir itself, and takes an existing empty folder for a damaged one.
        command.args(["--class", "aiosmtpd.handlers.Mailbox"]).arg(place.writable("mail")?.join("box"));
        let mut process = place.spawn("smtp", command)?;
        until("the start of the SMTP server", Duration::from_secs(30), || {
            process.ensure_running()?;
            Ok(TcpStream::connect(address).is_ok().then_some(()))
        })?;
        Ok(Self { _process: process, place })
    }

    /// Its address.
    pub fn ip(&self) -> Ipv4Addr {
        self.place.ip()
    }

    /// A command that brings it a message from its standard input, as `sendmail -t` would bring it the machine's server: what Asterisk has
    /// as its `mailcmd`.
    ///
    /// # Errors
    /// When the package is missing and cannot be installed.
    pub fn command(&self) -> Result<String> {
        ensure_packages(&["msmtp"])?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let program = std::env::split_paths(&path).map(|dir| dir.join("msmtp")).find(|file| file.is_file());
        let program = program.context("msmtp is nowhere in the path")?;
        Ok(format!("{} --host={} --port={} --read-envelope-from -t", program.display(), self.ip(), Self::PORT))
    }

    /// The messages so far, in the order of arrival, with the envelope in `X-MailFrom` and `X-RcptTo`.
    ///
    /// # Errors
    /// When the Maildir cannot be read.
    pub fn messages(&self) -> Result<Vec<String>> {
        let new = self.place.dir().join("mail/box/new");
        if !new.exists() {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for entry in fs::read_dir(new)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // `1700000000.M123P4Q5.host`: Q counts deliveries.
            let number = name.split_once('Q').and_then(|(_, rest)| rest.split('.').next()?.parse::<u64>().ok());
            found.push((number, fs::read(entry.path())?));
        }
        found.sort();
        Ok(found.into_iter().map(|(_, text)| String::from_utf8_lossy(&text).into_owned()).collect())
    }

    /// Waits until that many messages are there, and gives them.
    ///
    /// # Errors
    /// When they do not come in time.
    pub fn wait_for(&self, count: usize, timeout: Duration) -> Result<Vec<String>> {
        until(&format!("message {count}"), timeout, || Ok(Some(self.messages()?).filter(|all| all.len() >= count)))
    }
}
