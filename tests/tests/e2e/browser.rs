//! A browser's telephone, as far as SIP goes: REGISTER and INVITE over WebSocket (RFC 7118).

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};

use anyhow::{Context, Result, ensure};
use md5::{Digest as _, Md5};
use pbx_tests::SOON;

/// A telephone with one connection.
pub struct Browser {
    stream: TcpStream,
    user: String,
    server: Ipv4Addr,
}

impl Browser {
    /// Connects to Asterisk's HTTP server and begins to speak SIP.
    pub fn open(user: &str, server: Ipv4Addr) -> Result<Self> {
        let mut stream = TcpStream::connect((server, 8088))?;
        stream.set_read_timeout(Some(SOON))?;
        // The key and its answer are the example of RFC 6455.
        write!(
            stream,
            "GET /ws HTTP/1.1\r\nHost: {server}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nOrigin: http://{server}\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
        )?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            answer.push(byte[0]);
        }
        let answer = String::from_utf8_lossy(&answer).into_owned();
        ensure!(answer.starts_with("HTTP/1.1 101") && answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
        Ok(Self { stream, user: user.to_owned(), server })
    }

    /// Registers with a password; gives the status of the last answer.
    pub fn register(&mut self, password: &str) -> Result<u16> {
        let challenge = self.ask(1, "")?;
        let login = login(&challenge, &self.user, password, "REGISTER", &format!("sip:{}", self.server))?;
        let answer = self.ask(2, &login)?;
        answer.split(' ').nth(1).and_then(|code| code.parse().ok()).with_context(|| answer.clone())
    }

    fn ask(&mut self, number: u32, login: &str) -> Result<String> {
        let Self { user, server, .. } = &*self;
        let request = format!(
            "REGISTER sip:{server} SIP/2.0\r\nVia: SIP/2.0/WS lab.invalid;branch=z9hG4bKlab{number};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@{server}>;tag=lab\r\nTo: <sip:{user}@{server}>\r\nCall-ID: lab-{user}\r\nCSeq: {number} REGISTER\r\n\
             Contact: <sip:{user}@lab.invalid;transport=ws>;expires=300\r\n{login}Content-Length: 0\r\n\r\n"
        );
        self.send(&request)?;
        self.next("SIP/2.0 ")
    }

    /// Waits for a call, and refuses it with this status; gives the request.
    pub fn refuse(&mut self, code: u16) -> Result<String> {
        let request = self.next("INVITE ")?;
        let mut answer = format!("SIP/2.0 {code} Refused\r\n");
        for line in request.lines().take_while(|line| !line.is_empty()) {
            let name = line.split(':').next().unwrap_or_default();
            if ["Via", "From", "Call-ID", "CSeq"].contains(&name) {
                let _ = write!(answer, "{line}\r\n");
            } else if name == "To" {
                let _ = write!(answer, "{line};tag=lab-answer\r\n");
            }
        }
        self.send(&(answer + "Content-Length: 0\r\n\r\n"))?;
        Ok(request)
    }

    /// One text frame, masked with nothing, its length in two bytes.
    fn send(&mut self, text: &str) -> Result<()> {
        let length = u16::try_from(text.len())?;
        let mut frame = vec![0x81, 0xfe];
        frame.extend(length.to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        Ok(self.stream.write_all(&frame)?)
    }

    /// The next message that begins so; others are passed over.
    fn next(&mut self, begins: &str) -> Result<String> {
        loop {
            let mut head = [0; 2];
            self.stream.read_exact(&mut head).with_context(|| format!("no message that begins with {begins:?}"))?;
            let length = match head[1] {
                126 => {
                    let mut long = [0; 2];
                    self.stream.read_exact(&mut long)?;
                    usize::from(u16::from_be_bytes(long))
                }
                short => usize::from(short),
            };
            let mut text = vec![0; length];
            self.stream.read_exact(&mut text)?;
            let text = String::from_utf8_lossy(&text).into_owned();
            if text.starts_with(begins) {
                return Ok(text);
            }
        }
    }
}

/// The header that answers a challenge.
pub fn login(challenge: &str, user: &str, password: &str, method: &str, uri: &str) -> Result<String> {
    ensure!(challenge.starts_with("SIP/2.0 401 "), "{challenge}");
    let field = |name: &str| {
        let (_, rest) = challenge.split_once(&format!("{name}=\""))?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    let (realm, nonce) = (field("realm").context("no realm")?, field("nonce").context("no nonce")?);
    let own = hash(&format!("{user}:{realm}:{password}"));
    let response = hash(&format!("{own}:{nonce}:00000001:lab:auth:{}", hash(&format!("{method}:{uri}"))));
    let opaque = field("opaque").map(|opaque| format!(", opaque=\"{opaque}\"")).unwrap_or_default();
    Ok(format!(
        "Authorization: Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
         response=\"{response}\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"lab\"{opaque}\r\n"
    ))
}

fn hash(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
