//! A message from the caller's mouth to its owner's lamp, mail and ear.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fs_err as fs;
use pbx_lab::{Behaviour, Mail, Sound, tone, until};
use pbx_tests::{SOON, System, extension, settings};

/// The tone of the greeting that the tests have.
const GREETING: u32 = 440;

/// What the caller says.
const SAID: u32 = 1000;

/// An Asterisk whose administrator has given it a way to the mail server.
fn with_mail(mail: &Mail) -> Result<System> {
    let own = format!("[general]\nformat = wav\nminsecs = 1\nmailcmd = {}\n\n[zonemessages]\n", mail.command()?);
    let system = System::builder().file("voicemail.conf", &own).start()?;
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../crates/audio/tests/data");
    fs::create_dir_all(system.dir().join("manifests/audio"))?;
    fs::copy(data.join("tone.mp3"), system.dir().join("manifests/audio/tone.mp3"))?;
    Ok(system)
}

/// The recordings in a folder of a box: `INBOX`, `Old`, or `tmp` while they are made.
fn recordings(system: &System, name: &str, folder: &str) -> Vec<PathBuf> {
    let folder = system.asterisk().spool().join(format!("voicemail/pbx/{name}/{folder}"));
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "wav"))
        .collect()
}

/// What is attached to a mail, decoded: the name of the file, and its bytes.
fn attachment(mail: &str) -> Result<(String, Vec<u8>)> {
    let mail = mail.replace("\r\n", "\n");
    let header = |name: &str| {
        let line = mail.lines().find(|line| line.starts_with(name));
        line.with_context(|| format!("no {name} in:\n{mail}"))
    };
    let parameter = |line: &str, name: &str| {
        let (_, rest) = line.split_once(&format!("{name}=\""))?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    let boundary = parameter(header("Content-Type: multipart/mixed")?, "boundary").context("no boundary")?;
    let part = mail.split(&format!("--{boundary}")).find(|part| part.contains("Content-Disposition: attachment"));
    let (head, body) = part.and_then(|part| part.trim_start().split_once("\n\n")).context("nothing is attached")?;
    ensure!(head.contains("Content-Transfer-Encoding: base64"), "{head}");
    let name = parameter(head, "filename").context("an attachment without a name")?;
    let body: String = body.split_whitespace().collect();
    Ok((name, STANDARD.decode(body)?))
}

#[test]
fn a_message_lights_the_lamp_is_mailed_heard_and_deleted() -> Result<()> {
    let mail = Mail::start()?;
    let system = with_mail(&mail)?;
    let own = ", displayName: Ana Lúcia, email: ana@example.com, \
               voicemail: { enabled: true, pin: \"4711\", greeting: audio/tone.mp3 }";
    system.apply(&[settings(""), extension("1001", own), extension("1002", "")].concat())?;
    let phone = system.phone("1001", &Behaviour::reject(486))?;

    // A call to a telephone that is busy: the greeting, and what the caller says once he is recorded.
    let caller = system.caller("1002")?.hold();
    let mut calling = caller.start("1001", system.ip())?;
    calling.wait_answered(SOON)?;
    calling.wait_tone(GREETING, SOON)?;
    until("a recording", SOON, || Ok((recordings(&system, "1001", "tmp").len() == 1).then_some(())))?;
    let keypad = calling.keypad();
    keypad.say(tone(SAID, 3_000));
    keypad.press("#");
    calling.wait()?.expect_answer()?;
    let message = until("the message", SOON, || Ok(recordings(&system, "1001", "INBOX").pop()))?;
    let kept = Sound::read(&message)?;
    let lit = phone.wait_lamp(true, SOON)?;
    ensure!(lit.body().contains("Voice-Message: 1/0 (0/0)"), "{}", lit.text);

    // It is mailed with the recording, in which is all that was said and little else.
    let mails = mail.wait_for(1, SOON)?;
    let text = &mails[0];
    ensure!(text.contains("X-RcptTo: ana@example.com"), "{text}");
    ensure!(text.contains("Dear Ana Lúcia:") && text.contains("charset=UTF-8"), "{text}");
    ensure!(text.contains("To: =?UTF-8?Q?Ana_L=C3=BAcia?= <ana@example.com>"), "{text}");
    let (name, bytes) = attachment(text)?;
    let sent = Sound::parse(&bytes)?;
    ensure!(
        name == "msg0000.wav" && sent == kept,
        "{name} of {} s is mailed, not {} s",
        sent.seconds(),
        kept.seconds()
    );
    let (said, whole) = (sent.tone_seconds(SAID), sent.seconds());
    ensure!((2.8..=3.1).contains(&said) && (3.0..4.5).contains(&whole), "{said} s of the tone in {whole} s");

    // Its owner hears it by telephone and deletes it; the lamp goes out.
    let owner = system.caller("1001")?.keys("4711#1").hold();
    let mut calling = owner.start("*97", system.ip())?;
    calling.wait_answered(SOON)?;
    calling.wait_tone(SAID, SOON)?;
    calling.keypad().press("7#");
    calling.wait()?.expect_answer()?;
    let out = phone.wait_lamp(false, SOON)?;
    ensure!(out.body().contains("Voice-Message: 0/0 (0/0)"), "{}", out.text);
    ensure!(recordings(&system, "1001", "INBOX").is_empty() && recordings(&system, "1001", "Old").is_empty());
    ensure!(mail.messages()?.len() == 1, "it was mailed again");
    Ok(())
}
