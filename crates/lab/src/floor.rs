//! A floor full of phones: a second Asterisk that registers as many phones with the system under test.
//!
//! SIPp's phones prove signalling; these have media. Each answers with a tone of its own and records what it hears, so
//! a test knows who hears whom, and over TLS too.

use crate::instance::Asterisk;
use crate::sound::Sound;
use crate::wait::until;
use anyhow::{Context, Result, ensure};
use fs_err as fs;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

/// How a phone of the floor reaches the system under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Port 5060.
    Udp,
    /// Port 5060.
    Tcp,
    /// Port 5061; any certificate is accepted.
    Tls,
}

impl Transport {
    fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }

    fn port(self) -> u16 {
        if self == Self::Tls { 5061 } else { 5060 }
    }
}

/// One phone of a floor.
#[derive(Debug, Clone)]
pub struct FloorPhone {
    /// User of the address of record and of the credentials, and the phone's name on the floor.
    pub user: String,
    /// Its password.
    pub password: String,
    /// The way to the system under test.
    pub transport: Transport,
    /// Encrypts its audio (SDES).
    pub srtp: bool,
    /// The pitch of what it says when answered or answering, in hertz.
    pub tone: u32,
    /// How long it rings before it answers; `None` never answers.
    pub answers_after: Option<Duration>,
}

impl FloorPhone {
    /// Over UDP, answering at once.
    pub fn new(user: impl Into<String>, password: impl Into<String>, tone: u32) -> Self {
        let (user, password) = (user.into(), password.into());
        Self { user, password, transport: Transport::Udp, srtp: false, tone, answers_after: Some(Duration::ZERO) }
    }

    /// Over TLS, with encrypted audio.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.transport = Transport::Tls;
        self.srtp = true;
        self
    }
}

/// The running floor.
#[derive(Debug)]
pub struct Floor {
    asterisk: Asterisk,
    phones: Vec<FloorPhone>,
}

impl Floor {
    /// Starts the floor, whose phones begin to register with `server`.
    ///
    /// # Errors
    /// When its Asterisk does not start.
    pub fn start(server: Ipv4Addr, phones: &[FloorPhone]) -> Result<Self> {
        let asterisk = Asterisk::builder()
            .file("pjsip.conf", pjsip(server, phones))
            .file("extensions.conf", dialplan(phones))
            .start()?;
        Ok(Self { asterisk, phones: phones.to_vec() })
    }

    /// The Asterisk that plays the phones.
    pub fn asterisk(&self) -> &Asterisk {
        &self.asterisk
    }

    /// Waits until every phone is registered.
    ///
    /// # Errors
    /// When one is not in time, with the list of registrations.
    pub fn wait_registered(&self, timeout: Duration) -> Result<()> {
        let mut list = String::new();
        until("the registration of all phones of the floor", timeout, || {
            list = self.asterisk.cli("pjsip show registrations")?;
            let count = list.lines().filter(|line| line.contains("  Registered")).count();
            Ok((count == self.phones.len()).then_some(()))
        })
        .with_context(|| list.clone())
    }

    /// Lets a phone call a number, say its tone when answered and record what it hears. Comes back at once.
    ///
    /// # Errors
    /// When the floor has no such phone.
    pub fn call(&self, user: &str, number: &str) -> Result<()> {
        ensure!(self.phones.iter().any(|phone| phone.user == user), "the floor has no phone {user}");
        let command = format!("channel originate PJSIP/{number}@phone-{user} extension {user}@talk");
        self.asterisk.cli(&command).map(drop)
    }

    /// Hangs up every call of the floor.
    ///
    /// # Errors
    /// When its Asterisk is not there.
    pub fn hang_up(&self) -> Result<()> {
        self.asterisk.cli("channel request hangup all").map(drop)
    }

    /// The recordings of what a phone heard, one for each answered call, in order. They grow while calls last.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn heard(&self, user: &str) -> Result<Vec<PathBuf>> {
        let prefix = format!("heard-{user}-");
        let mut found = Vec::new();
        for entry in fs::read_dir(self.asterisk.spool().join("monitor"))? {
            let path = entry?.path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix)) {
                found.push(path);
            }
        }
        found.sort();
        Ok(found)
    }

    /// Waits until a phone hears a tone, in its latest call.
    ///
    /// # Errors
    /// When it does not in time.
    pub fn wait_tone(&self, user: &str, hertz: u32, timeout: Duration) -> Result<()> {
        until(&format!("a tone of {hertz} Hz at phone {user}"), timeout, || {
            let Some(path) = self.heard(user)?.pop() else { return Ok(None) };
            // A recording that has just begun has no header yet.
            Ok(Sound::read(&path).ok().filter(|sound| sound.has_tone(hertz)).map(drop))
        })
    }
}

fn pjsip(server: Ipv4Addr, phones: &[FloorPhone]) -> String {
    let mut text = "[udp]\ntype = transport\nprotocol = udp\nbind = {ip}:5060\n\n\
         [tcp]\ntype = transport\nprotocol = tcp\nbind = {ip}:5060\n\n\
         [tls]\ntype = transport\nprotocol = tls\nbind = {ip}:5061\nmethod = tlsv1_2\nverify_server = no\n\
         cert_file = {etc}/keys/lab.crt\npriv_key_file = {etc}/keys/lab.key\n\n"
        .to_owned();
    for phone in phones {
        let FloorPhone { user, password, transport, srtp, .. } = phone;
        let (name, port) = (transport.name(), transport.port());
        let uri = format!("sip:{server}:{port}\\;transport={name}");
        let encryption = if *srtp { "sdes" } else { "no" };
        let _ = write!(
            text,
            "[auth-{user}]\ntype = auth\nauth_type = digest\nusername = {user}\npassword = {password}\n\n\
             [phone-{user}]\ntype = aor\ncontact = {uri}\n\n\
             [phone-{user}]\ntype = endpoint\ncontext = ring\ntransport = {name}\naors = phone-{user}\n\
             outbound_auth = auth-{user}\nfrom_user = {user}\nfrom_domain = {server}\ndisallow = all\nallow = ulaw\n\
             direct_media = no\nrtp_symmetric = yes\nmedia_encryption = {encryption}\n\n\
             [registration-{user}]\ntype = registration\ntransport = {name}\noutbound_auth = auth-{user}\n\
             server_uri = {uri}\nclient_uri = sip:{user}@{server}:{port}\\;transport={name}\ncontact_user = {user}\n\
             line = yes\nendpoint = phone-{user}\nretry_interval = 2\nforbidden_retry_interval = 2\n\
             auth_rejection_permanent = no\nexpiration = 300\n\n"
        );
    }
    text
}

fn dialplan(phones: &[FloorPhone]) -> String {
    let mut ring = String::from("[ring]\n");
    let mut talk = String::from("[talk]\n");
    for FloorPhone { user, tone, answers_after, .. } in phones {
        let _ = write!(ring, "exten = {user},1,Ringing()\n same = n,");
        let _ = match answers_after {
            Some(time) => writeln!(ring, "Wait({})\n same = n,Goto(talk,{user},1)", time.as_secs_f64()),
            None => writeln!(ring, "Wait(3600)"),
        };
        let _ = write!(
            talk,
            "exten = {user},1,Answer()\n same = n,MixMonitor({{etc}}/../spool/monitor/both-{user}-${{UNIQUEID}}.wav,\
             r({{etc}}/../spool/monitor/heard-{user}-${{UNIQUEID}}.wav))\n same = n,Playtones({tone})\n\
             same = n,Wait(3600)\n"
        );
    }
    format!("{ring}\n{talk}")
}
