//! Telephones over TCP and TLS, and browsers over WebSocket.

use anyhow::Result;
use pbx_lab::{Floor, FloorPhone, Transport, until};
use pbx_tests::{SOON, System, extension, settings};

use crate::browser::Browser;

#[test]
fn telephones_talk_over_tls_and_tcp() -> Result<()> {
    let system = System::start()?;
    let with_tls = "apiVersion: pbx/v1\nkind: Settings\nmetadata: { name: pbx }\nspec:\n  transports:\n    \
        udp: { bind: \"{ip}:5060\" }\n    tcp: { bind: \"{ip}:5060\" }\n    \
        tls: { bind: \"{ip}:5061\", certificate: \"{etc}/keys/lab.crt\", privateKey: \"{etc}/keys/lab.key\" }\n";
    system.apply(
        &[
            with_tls.to_owned(),
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
