//! What someone with bad intentions tries from a telephone that may call nobody outside, or from a carrier.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result};
use pbx_lab::{Behaviour, Caller, Place, Uas};
use pbx_tests::{SOON, System, carrier, did, extension, settings};

use crate::browser::login;

/// Numbers abroad, and the wider pattern of a cheaper class behind it: a usual German or British plan.
const ROUTES: &str = "---
kind: OutboundRoute
metadata: { name: international }
spec: { order: 10, patterns: [_00X.], strip: 2, prepend: \"+\", carriers: [outside], permission: international }
---
kind: OutboundRoute
metadata: { name: national }
spec: { order: 20, patterns: [_0X.], carriers: [outside], permission: national }
";

/// A telephone that says whatever it is told to say.
pub struct Liar {
    socket: UdpSocket,
    own: Ipv4Addr,
    server: Ipv4Addr,
    sent: u32,
}

impl Liar {
    /// At an address of its own, in front of a server.
    pub fn new(own: Ipv4Addr, server: Ipv4Addr) -> Result<Self> {
        let socket = UdpSocket::bind((own, 5060))?;
        socket.set_read_timeout(Some(SOON))?;
        Ok(Self { socket, own, server, sent: 0 })
    }

    /// Sends a request of a user, answering the challenge with a password if there is one; gives the status of the last answer.
    pub fn ask(&mut self, method: &str, uri: &str, user: &str, password: Option<&str>, more: &str) -> Result<u16> {
        let mut answer = self.send(method, uri, user, more)?;
        if let Some(password) = password {
            let login = login(&answer, user, password, method, uri)?;
            answer = self.send(method, uri, user, &format!("{login}{more}"))?;
        }
        answer.split(' ').nth(1).and_then(|code| code.parse().ok()).with_context(|| answer.clone())
    }

    /// The next request of a method that comes in.
    pub fn hear(&mut self, method: &str) -> Result<String> {
        loop {
            let mut buffer = [0; 4096];
            let length = self.socket.recv(&mut buffer)?;
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if text.starts_with(&format!("{method} ")) {
                return Ok(text);
            }
        }
    }

    fn send(&mut self, method: &str, uri: &str, user: &str, more: &str) -> Result<String> {
        self.sent += 1;
        let (own, server, sent) = (self.own, self.server, self.sent);
        let to = if method == "REGISTER" { format!("sip:{user}@{server}") } else { uri.to_owned() };
        let body = if method == "MESSAGE" {
            "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi"
        } else {
            "Content-Length: 0\r\n\r\n"
        };
        let request = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {own}:5060;rport;branch=z9hG4bKliar{sent}\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@{server}>;tag=liar\r\nTo: <{to}>\r\nCall-ID: liar-{method}-{own}\r\nCSeq: {sent} {method}\r\n{more}{body}"
        );
        self.socket.send_to(request.as_bytes(), (server, 5060))?;
        loop {
            let mut buffer = [0; 4096];
            let length = self.socket.recv(&mut buffer)?;
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if text.starts_with("SIP/2.0 ")
                && !text.starts_with("SIP/2.0 1")
                && text.contains(&format!("{sent} {method}"))
            {
                return Ok(text);
            }
        }
    }
}

#[test]
fn a_telephone_without_permission_reaches_nobody_outside_by_lying() -> Result<()> {
    let (outside, inside) = (Place::take()?, Place::take()?);
    let system = System::start()?;
    system.apply(
        &[
            settings(""),
            extension("1001", ", ringTimeout: 2s"),
            extension("1002", ", permissions: [national]"),
            carrier("outside", outside.ip(), ""),
            carrier("inside", inside.ip(), ""),
            did("+351210001001", "destination: extension/1001"),
            ROUTES.to_owned(),
        ]
        .concat(),
    )?;
    let listening = Uas::listen(outside, &Behaviour::answer_after(Duration::ZERO))?;
    let customer = Caller::at(inside).ring_for(Duration::from_secs(4));
    let place = Place::take()?;
    let (own, server) = (place.ip(), system.ip());
    let mut liar = Liar::new(own, server)?;

    // A contact that would be a second destination of `Dial`, or options of it.
    for contact in [
        format!("<sip:x@{own}:5060;a=\"&Local/00441234567@pbx-out-national\">"),
        format!("<sip:x@{own}:5060;a=\"&PJSIP/carrier-outside/sip:00441234567@{}\">", listening.ip()),
        format!("<sip:x@{own}:5060;a=\",30,G(pbx-out-national^00441234567^1)\">"),
        format!("<sip:x&Local@{own}:5060>"),
    ] {
        let uri = format!("sip:{server}");
        let header = format!("Contact: {contact}\r\nExpires: 60\r\n");
        let code = liar.ask("REGISTER", &uri, "1001", Some("secret-1001"), &header)?;
        // Whether it is taken or refused, a call to it goes nowhere else.
        let result = customer.call("+351210001001", server)?;
        assert!(!result.answered, "{contact} ({code}): {result:?}");
        assert_eq!(listening.calls()?.len(), 0, "{contact} ({code}) reached the carrier");
    }

    // A message is no call, from a telephone as from a carrier.
    for (user, password, number) in [("1002", "secret-1002", "0123456"), ("1001", "secret-1001", "1002")] {
        let uri = format!("sip:{number}@{server}");
        let code = liar.ask("MESSAGE", &uri, user, Some(password), "")?;
        assert!(code >= 400, "a message to {number} was taken: {code}");
    }
    assert_eq!(listening.calls()?.len(), 0, "a message reached the carrier");

    // The wider pattern of a later route does not carry what an earlier route keeps from this class.
    system.caller("1002")?.call("00441234567", server)?.expect_code(403)?;
    assert_eq!(listening.calls()?.len(), 0);
    system.caller("1002")?.call("0123456", server)?.expect_answer()?;
    assert_eq!(listening.wait_decided(1, SOON)?[0].to, "0123456");
    Ok(())
}

#[test]
fn telephones_that_send_calls_to_each_other_do_not_do_so_for_ever() -> Result<()> {
    let system = System::start()?;
    system.apply(
        &[
            settings(""),
            extension("1001", ", callForward: { busy: extension/1002 }"),
            extension("1002", ", callForward: { busy: extension/1001 }"),
            extension("1003", ""),
        ]
        .concat(),
    )?;
    let first = system.phone("1001", &Behaviour::reject(486))?;
    let second = system.phone("1002", &Behaviour::reject(486))?;
    let result = system.caller("1003")?.ring_for(Duration::from_mins(1)).call("1001", system.ip())?;
    assert!(!result.answered && !result.gave_up, "{result:?}");
    let tries = first.calls()?.len() + second.calls()?.len();
    assert!(tries <= 101, "{tries} tries");
    Ok(())
}
