//! Telephones over TCP and TLS, and browsers over WebSocket.

use std::time::Duration;

use anyhow::Result;
use pbx_lab::{Asterisk, Behaviour, Floor, FloorPhone, Transport, until};
use pbx_tests::{SOON, System, carrier, extension, settings};

use crate::browser::Browser;

/// Settings with every transport that is no browser's.
const WITH_TLS: &str = "apiVersion: pbx/v1\nkind: Settings\nmetadata: { name: pbx }\nspec:\n  transports:\n    \
    udp: { bind: \"{ip}:5060\" }\n    tcp: { bind: \"{ip}:5060\" }\n    \
    tls: { bind: \"{ip}:5061\", certificate: \"{etc}/keys/lab.crt\", privateKey: \"{etc}/keys/lab.key\" }\n";

#[test]
fn telephones_talk_over_tls_and_tcp() -> Result<()> {
    let system = System::start()?;
    system.apply(
        &[
            WITH_TLS.to_owned(),
            extension("1001", ", codecs: [ulaw], transport: tls, mediaEncryption: sdes"),
            extension("1002", ", codecs: [ulaw], transport: tcp"),
            extension("1003", ", codecs: [ulaw]"),
        ]
        .concat(),
    )?;
    let phones = [
        FloorPhone::new("1001", "secret-1001", 400).tls(),
        FloorPhone { transport: Transport::Tcp, ..FloorPhone::new("1002", "secret-1002", 600) },
        FloorPhone::new("1003", "secret-1003", 800),
    ];
    let floor = Floor::start(system.ip(), &phones)?;
    floor.wait_registered(SOON)?;
    floor.call("1001", "1002")?;
    floor.wait_tone("1001", 600, SOON)?;
    floor.wait_tone("1002", 400, SOON)?;
    floor.hang_up()?;
    floor.call("1003", "1001")?;
    floor.wait_tone("1003", 400, SOON)?;
    floor.wait_tone("1001", 800, SOON)?;
    Ok(())
}

/// A provider that has no UDP.
#[test]
fn calls_go_out_over_tcp_and_tls() -> Result<()> {
    let system = System::start()?;
    let pjsip = "[tcp]\ntype = transport\nprotocol = tcp\nbind = {ip}:5060\n\n\
        [tls]\ntype = transport\nprotocol = tls\nbind = {ip}:5061\nmethod = tlsv1_2\n\
        cert_file = {etc}/keys/lab.crt\npriv_key_file = {etc}/keys/lab.key\n\n\
        [customer]\ntype = identify\nendpoint = customer\nmatch = {customer}\n\n\
        [customer]\ntype = endpoint\ncontext = customer\ndisallow = all\nallow = ulaw\ndirect_media = no\n\
        media_encryption = sdes\nmedia_encryption_optimistic = yes\n";
    let dialplan = "[customer]\nexten = _X.,1,Answer()\n same = n,Set(DB(secure/${EXTEN})=${CHANNEL(pjsip,secure)}${CHANNEL(rtp,secure,audio)})\n \
        same = n,Playtones(450)\n same = n,Wait(3)\n same = n,Hangup()\n";
    let provider = Asterisk::builder()
        .file("pjsip.conf", pjsip.replace("{customer}", &system.ip().to_string()))
        .file("extensions.conf", dialplan)
        .start()?;
    let route = |name: &str, order: u32, pattern: &str| {
        format!(
            "---\nkind: OutboundRoute\nmetadata: {{ name: {name} }}\nspec: {{ order: {order}, patterns: [{pattern}], carriers: [{name}] }}\n"
        )
    };
    system.apply(
        &[
            WITH_TLS.to_owned(),
            extension("1001", ", codecs: [ulaw], permissions: [national]"),
            carrier("open", provider.address(), ", transport: tcp"),
            carrier("closed", provider.address(), ", transport: tls, direction: outbound").replace(":5060", ":5061"),
            route("open", 10, "_7XX"),
            route("closed", 20, "_8XX"),
        ]
        .concat(),
    )?;
    let caller = system.caller("1001")?.hold_for(Duration::from_secs(1));
    // Signalling and speech: both open, both encrypted.
    for (number, secure) in [("700", "00"), ("800", "11")] {
        let result = caller.call(number, system.ip())?;
        assert!(result.expect_answer()?.heard.has_tone(450), "{number}: {result:?}");
        let told = provider.cli(&format!("database get secure {number}"))?;
        assert_eq!(told.trim(), format!("Value: {secure}"), "{number}");
    }
    Ok(())
}

#[test]
fn a_browser_registers_over_websocket_and_is_called() -> Result<()> {
    let system = System::start()?;
    system.apply(&[settings(""), extension("1090", ", webrtc: true"), extension("1001", "")].concat())?;
    let mut stranger = Browser::open("1090", system.ip())?;
    assert_eq!(stranger.register("wrong")?, 401);
    let mut browser = Browser::open("1090", system.ip())?;
    assert_eq!(browser.register("secret-1090")?, 200);
    until("the contact", SOON, || {
        Ok(system.asterisk().cli("pjsip show contacts")?.contains("1090/sip:1090@").then_some(()))
    })?;
    let caller = system.caller("1001")?;
    let call = caller.start("1090", system.ip())?;
    let request = browser.refuse(486)?;
    assert!(request.contains("UDP/TLS/RTP/SAVPF") && request.contains("a=fingerprint:"), "{request}");
    call.wait()?.expect_code(486)?;
    Ok(())
}

/// A transport that cannot have its new address would take the old one along: it is refused before Asterisk is touched.
#[test]
fn a_transport_that_cannot_listen_costs_no_call() -> Result<()> {
    let system = System::start()?;
    system.apply(&[settings(""), extension("1001", ""), extension("1002", "")].concat())?;
    let phone = system.phone("1001", &Behaviour::answer_after(Duration::ZERO))?;
    for (at, (udp, tcp, words)) in [
        ("203.0.113.9:5060", "{ip}:5060", "this machine has no such address"),
        ("{ip}:5060", "{ip}:5038", "another program listens on"),
    ]
    .into_iter()
    .enumerate()
    {
        let text = format!(
            "apiVersion: pbx/v1\nkind: Settings\nmetadata: {{ name: pbx }}\nspec: {{ timeZone: Europe/Lisbon, \
             transports: {{ udp: {{ bind: \"{udp}\" }}, tcp: {{ bind: \"{tcp}\" }} }} }}\n"
        );
        system.write("moved.yaml", &text)?;
        let refused = system.pbxctl(&["apply", "-f", "moved.yaml", "--yes"])?.expect(4)?;
        assert!(refused.stderr.contains(words) && refused.stderr.contains("settings/pbx"), "{refused}");
        system.caller("1002")?.call("1001", system.ip())?.expect_answer()?;
        assert_eq!(phone.wait_calls(at + 1, SOON)?.len(), at + 1);
    }
    system.pbxctl(&["drift", "--no-manual"])?.expect(0)?;
    Ok(())
}

/// A socket that Asterisk lost is missed, whatever Asterisk says of its transport: by somebody's own hand here.
#[test]
fn a_transport_that_went_silent_is_missed() -> Result<()> {
    let system = System::start()?;
    system.apply(&[settings(""), extension("1001", "")].concat())?;
    let live = system.asterisk().etc().join("pbx.d/current/pjsip.conf");
    let good = fs_err::read_to_string(&live)?;
    let reload = || system.asterisk().cli("module reload res_pjsip.so");
    // Another length, and so another file to Asterisk, which compares size and time.
    let broken = good.replacen(&format!("bind = {}:5060", system.ip()), "bind = 203.0.113.9:5060", 1);
    fs_err::write(&live, &broken)?;
    reload()?;
    let udp = format!("{}:5060", system.ip());
    let silent = || {
        let listening = pbx_asterisk::sockets::Listening::read();
        let address = udp.parse()?;
        Ok((!listening.of(pbx_asterisk::sockets::Carried::Udp).contains(&address)).then_some(()))
    };
    until("the socket to be closed", SOON, silent)?;
    fs_err::write(&live, &good)?;
    reload()?;
    let drift = system.pbxctl(&["drift", "--no-manual"])?.expect(2)?;
    assert!(drift.to_string().contains(&format!("nobody listens on {udp}")), "{drift}");
    Ok(())
}
