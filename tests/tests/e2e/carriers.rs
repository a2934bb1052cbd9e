//! Carriers: known by address, or by a registration; nobody else reaches anything.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use pbx_lab::{Asterisk, Behaviour, Caller, Place, until};
use pbx_tests::{SOON, System, carrier, did, extension, settings};

/// A provider whose customer registers, and gets calls for a number at the registered contact.
fn provider() -> Result<Asterisk> {
    let pjsip = "[global]\ntype = global\nendpoint_identifier_order = ip,username,auth_username,anonymous\n\n[udp]\ntype = transport\nprotocol = udp\nbind = {ip}:5060\n\n\
        [acme]\ntype = auth\nauth_type = digest\nusername = acme\npassword = provider-secret\n\n\
        [acme]\ntype = aor\nmax_contacts = 1\nremove_existing = yes\n\n\
        [acme]\ntype = endpoint\ncontext = customer\nauth = acme\naors = acme\ndisallow = all\nallow = ulaw\n\
        direct_media = no\nfrom_user = +351911111111\nidentify_by = auth_username\n";
    let dialplan = "[customer]\nexten = _+X.,1,Answer()\n same = n,Playtones(450)\n same = n,Wait(3)\n same = n,Hangup()\n\n\
        [world]\nexten = _+X.,1,Set(CONTACT=${PJSIP_CONTACT(${PJSIP_AOR(acme,contact)},uri)})\n\
        same = n,Dial(PJSIP/acme/sip:${EXTEN}@${CUT(CONTACT,@,2)},20)\n same = n,Hangup()\n";
    Asterisk::builder().file("pjsip.conf", pjsip).file("extensions.conf", dialplan).start()
}

#[test]
fn a_carrier_registers_and_its_calls_come_by_the_registration() -> Result<()> {
    let provider = provider()?;
    let system = System::start()?;
    system.apply(&[
        settings(""),
        extension("1001", ", permissions: [national]"),
        format!(
            "---\nkind: Carrier\nmetadata: {{ name: provider }}\nspec: {{ preset: generic-registration, hosts: [\"{}:5060\"], \
             codecs: [ulaw], registration: {{ username: acme, password: provider-secret }}, callerId: {{ number: \"+351210001000\" }} }}\n",
            provider.address()
        ),
        did("+351210001000", "carrier: provider, destination: extension/1001"),
        "---\nkind: OutboundRoute\nmetadata: { name: national }\nspec: { patterns: [_9XXXXXXXX], prepend: \"+351\", carriers: [provider] }\n".to_owned(),
    ]
    .concat())?;
    until("the registration", SOON, || {
        Ok(system.asterisk().cli("pjsip show registrations")?.contains("Registered").then_some(()))
    })?;
    assert!(provider.cli("pjsip show contacts")?.contains("acme/sip:acme@"));
    let phone = system.phone("1001", &Behaviour::answer_after(Duration::ZERO))?;
    provider.cli("channel originate Local/+351210001000@world application Wait 5")?;
    let call = phone.wait_calls(1, SOON)?.remove(0);
    assert_eq!(call.from, "+351911111111");
    // Other providers call the contact itself, and the number stands in `To` alone.
    let contacts = provider.cli("pjsip show contacts")?;
    let (_, line) = contacts.split_once(";line=").context("the contact names no line")?;
    let line = line.split_whitespace().next().unwrap_or_default();
    assert_eq!(invite(&system, &format!("acme@{};line={line}", system.ip()), "+351210001000")?, 200);
    assert_eq!(phone.wait_calls(2, SOON)?.len(), 2);
    assert_eq!(invite(&system, &format!("acme@{};line={line}", system.ip()), "acme")?, 404);
    // The provider asks for the password on a call out, too.
    let result = system.caller("1001")?.hold_for(Duration::from_secs(1)).call("912345678", system.ip())?;
    assert!(result.expect_answer()?.heard.has_tone(450), "{result:?}");
    Ok(())
}

/// It registers because its provider wants that, and what comes in by the registration is a stranger's.
#[test]
fn a_carrier_for_calls_out_alone_brings_none_in() -> Result<()> {
    let provider = provider()?;
    let system = System::start()?;
    system.apply(&[
        settings(""),
        extension("1001", ", permissions: [national]"),
        format!(
            "---\nkind: Carrier\nmetadata: {{ name: provider }}\nspec: {{ direction: outbound, hosts: [\"{}:5060\"], codecs: [ulaw], \
             registration: {{ username: acme, password: provider-secret }} }}\n",
            provider.address()
        ),
        did("+351210001000", "destination: extension/1001"),
        "---\nkind: OutboundRoute\nmetadata: { name: national }\nspec: { patterns: [_9XXXXXXXX], prepend: \"+351\", carriers: [provider] }\n".to_owned(),
    ]
    .concat())?;
    until("the registration", SOON, || {
        Ok(system.asterisk().cli("pjsip show registrations")?.contains("Registered").then_some(()))
    })?;
    let contacts = provider.cli("pjsip show contacts")?;
    let line = contacts.lines().find_map(|line| line.trim().strip_prefix("Contact:  acme/sip:"));
    let contact = line.and_then(|line| line.split_whitespace().next()).with_context(|| contacts.clone())?;
    let phone = system.phone("1001", &Behaviour::answer_after(Duration::ZERO))?;
    // A stranger is asked who it is, whatever it calls.
    let place = Place::take()?;
    let stranger = Caller::at(place).from("+351911111111").call("+351210001000", system.ip())?;
    for number in ["+351210001000", "acme"] {
        assert_eq!(invite(&system, contact, number)?, stranger.code, "{contact}");
    }
    // The provider itself gets no further than that.
    provider.cli("channel originate Local/+351210001000@world application Wait 5")?;
    provider_gives_up(&provider)?;
    assert_eq!(phone.calls()?.len(), 0);
    // Calls go out.
    let result = system.caller("1001")?.hold_for(Duration::from_secs(1)).call("912345678", system.ip())?;
    assert!(result.expect_answer()?.heard.has_tone(450), "{result:?}");
    Ok(())
}

/// Waits until a provider's call has ended.
fn provider_gives_up(provider: &Asterisk) -> Result<()> {
    until("the end of the provider's call", SOON, || {
        let count = provider.cli("core show channels count")?;
        Ok((count.contains("0 active channels") && !count.contains("\n0 calls processed")).then_some(()))
    })
}

/// User names that the dialplan would take for something of its own: the end of a call, a pattern, letters that separate; and a domain
/// that is an IPv6 address.
#[test]
fn accounts_may_be_called_anything() -> Result<()> {
    let users = ["h", "s", "_x", "acme-1", "X.1", "a.b+c"];
    let account = |user: &str| {
        format!(
            "[{user}]\ntype = auth\nauth_type = digest\nusername = {user}\npassword = provider-secret\n\n\
             [{user}]\ntype = aor\nmax_contacts = 1\n\n\
             [{user}]\ntype = endpoint\ncontext = customer\nauth = {user}\naors = {user}\ndisallow = all\nallow = ulaw\n\
             identify_by = auth_username\n\n"
        )
    };
    let pjsip = "[global]\ntype = global\nendpoint_identifier_order = ip,username,auth_username,anonymous\n\n\
        [udp]\ntype = transport\nprotocol = udp\nbind = {ip}:5060\n\n";
    let provider = Asterisk::builder()
        .file("pjsip.conf", [pjsip.to_owned(), users.map(account).concat()].concat())
        .file("extensions.conf", "[customer]\nexten = _+X.,1,Answer()\n same = n,Wait(3)\n")
        .start()?;
    let system = System::start()?;
    let carriers = users.iter().enumerate().map(|(at, user)| {
        format!(
            "---\nkind: Carrier\nmetadata: {{ name: c{at} }}\nspec: {{ hosts: [\"{}:5060\"], addresses: [\"192.0.2.{at}\"], qualify: 0s, \
             codecs: [ulaw], fromDomain: \"2001:db8::1\", registration: {{ username: \"{user}\", password: provider-secret }} }}\n",
            provider.address()
        )
    });
    let rest = [
        // Nobody hangs up these calls.
        extension("1001", ", maxCalls: 10, permissions: [national]"),
        did("+351210001000", "destination: extension/1001"),
        "---\nkind: OutboundRoute\nmetadata: { name: national }\nspec: { patterns: [_9XXXXXXXX], prepend: \"+351\", carriers: [c3] }\n".into(),
    ];
    system.apply(&[settings(""), carriers.collect(), rest.concat()].concat())?;
    let contacts = until("the registrations", SOON, || {
        // The list of contacts is cut to its columns; this one is whole.
        let contacts = provider.cli("database show registrar")?.replace("^3B", ";");
        Ok((contacts.matches(";line=").count() == users.len()).then_some(contacts))
    })?;
    let phone = system.phone("1001", &Behaviour::answer_after(Duration::ZERO))?;
    for (at, user) in users.iter().enumerate() {
        let line = contacts.lines().find(|line| line.starts_with(&format!("/registrar/contact/{user};@")));
        let uri = line.and_then(|line| line.split_once("\"uri\":\"sip:")).and_then(|(_, rest)| rest.split('"').next());
        let contact = uri.with_context(|| contacts.clone())?;
        assert_eq!(invite(&system, contact, "+351210001000")?, 200, "{contact}");
        assert_eq!(phone.wait_calls(at + 1, SOON)?.len(), at + 1);
        assert_eq!(invite(&system, contact, "nobody")?, 404, "{contact}");
    }
    system.caller("1001")?.call("912345678", system.ip())?.expect_answer()?;
    Ok(())
}

/// A call from nowhere in particular to a URI, with something else in `To`; gives the final status.
fn invite(system: &System, uri: &str, to: &str) -> Result<u16> {
    // A transaction of its own each time: addresses come back.
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let place = Place::take()?;
    let socket = UdpSocket::bind((place.ip(), 5060))?;
    socket.set_read_timeout(Some(SOON))?;
    let (own, server) = (place.ip(), system.ip());
    let sdp =
        format!("v=0\r\no=lab 1 1 IN IP4 {own}\r\ns=lab\r\nc=IN IP4 {own}\r\nt=0 0\r\nm=audio 30000 RTP/AVP 0\r\n");
    let head = |method: &str, to: &str| {
        format!(
            "{method} sip:{uri} SIP/2.0\r\nVia: SIP/2.0/UDP {own}:5060;branch=z9hG4bK{method}{number};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:+351911111111@{own}>;tag=lab\r\nTo: {to}\r\nCall-ID: lab-{own}-{number}\r\nCSeq: 1 {method}\r\n\
             Contact: <sip:lab@{own}:5060>\r\n"
        )
    };
    let to = format!("<sip:{to}@{server}>");
    let request =
        format!("{}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", head("INVITE", &to), sdp.len());
    socket.send_to(request.as_bytes(), (server, 5060))?;
    loop {
        let mut packet = [0; 4096];
        let length = socket.recv(&mut packet)?;
        let answer = String::from_utf8_lossy(&packet[..length]).into_owned();
        let code = answer.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
        if let Some(code) = code.filter(|code| *code >= 200) {
            let to = answer.lines().find_map(|line| line.strip_prefix("To: ")).unwrap_or_default();
            socket.send_to(format!("{}Content-Length: 0\r\n\r\n", head("ACK", to)).as_bytes(), (server, 5060))?;
            return Ok(code);
        }
    }
}

#[test]
fn strangers_reach_nothing() -> Result<()> {
    let place = Place::take()?;
    let system = System::start()?;
    system.apply(&[
        settings(""),
        extension("1001", ""),
        carrier("main", place.ip(), ""),
        did("+351210001000", "destination: extension/1001"),
        "---\nkind: OutboundRoute\nmetadata: { name: emergency }\nspec: { patterns: [\"112\"], carriers: [main], emergency: true }\n".to_owned(),
    ]
    .concat())?;
    let phone = system.phone("1001", &Behaviour::answer_after(Duration::ZERO))?;
    let line = pbx_lab::Uas::listen(place, &Behaviour::answer_after(Duration::ZERO))?;
    for from in ["anonymous", "1001", "carrier-main", "pbx-carrier", "+351911111111"] {
        let stranger = Caller::new()?.from(from);
        for number in ["+351210001000", "1001", "112", "s", "*43"] {
            let result = stranger.call(number, system.ip())?;
            assert!([401, 403, 404].contains(&result.code), "{from} to {number}: {result:?}");
        }
    }
    let wrong = Caller::new()?.as_phone("1001", "wrong");
    wrong.call("112", system.ip())?.expect_code(401)?;
    // A carrier reaches the numbers that it brings, and nothing else of the house.
    let carrier = Caller::at(line.close());
    for number in ["1001", "112", "*43", "*97", "s", "pbx-hangup"] {
        carrier.call(number, system.ip())?.expect_code(404)?;
    }
    assert_eq!(phone.calls()?.len(), 0);
    carrier.call("+351210001000", system.ip())?.expect_answer()?;
    Ok(())
}
