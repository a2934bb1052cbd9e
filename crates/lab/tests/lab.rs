//! The lab proves itself: every part of it, against the real programs.

use anyhow::Result;
use fs_err as fs;
use pbx_lab::{
    Asterisk, AsteriskRoot, Behaviour, Caller, Floor, FloorPhone, Mail, Outcome, Phone, PhoneSpec, Place, Postgres,
    Sound, Transport, Uas, tone, until,
};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(20);

/// Transports and phones 101 to 104, and a stranger's address.
fn pjsip(stranger: Ipv4Addr) -> String {
    let mut text = "[udp]\ntype = transport\nprotocol = udp\nbind = {ip}:5060\n\n\
         [tcp]\ntype = transport\nprotocol = tcp\nbind = {ip}:5060\n\n\
         [tls]\ntype = transport\nprotocol = tls\nbind = {ip}:5061\nmethod = tlsv1_2\n\
         cert_file = {etc}/keys/lab.crt\npriv_key_file = {etc}/keys/lab.key\n\n"
        .to_owned();
    for user in ["101", "102", "103", "104"] {
        let _ = write!(
            text,
            "[{user}]\ntype = auth\nauth_type = digest\nusername = {user}\npassword = secret-{user}\n\n\
             [{user}]\ntype = aor\nmax_contacts = 1\nremove_existing = yes\nqualify_frequency = 1\n\n\
             [{user}]\ntype = endpoint\ncontext = internal\nauth = {user}\naors = {user}\ndisallow = all\n\
             allow = ulaw\ndirect_media = no\nrtp_symmetric = yes\nrewrite_contact = yes\nforce_rport = yes\n\
             callerid = Phone {user} <{user}>\n{}\n",
            if user == "104" { "media_encryption = sdes\n" } else { "" }
        );
    }
    text + &format!(
        "[carrier]\ntype = endpoint\ncontext = internal\ndisallow = all\nallow = ulaw\ndirect_media = no\n\
         trust_id_inbound = yes\naors = carrier\n\n[carrier]\ntype = aor\ncontact = sip:{stranger}:5060\n\n\
         [carrier]\ntype = identify\nendpoint = carrier\nmatch = {stranger}\n"
    )
}

const DIALPLAN: &str = "[internal]
exten = _10X,1,Dial(PJSIP/${EXTEN},20)
 same = n,Hangup(${HANGUPCAUSE})
exten = 200,1,Dial(PJSIP/101,2)
 same = n,Dial(PJSIP/102,2)
 same = n,Hangup(17)
exten = 201,1,Dial(PJSIP/101&PJSIP/102,20)
exten = 300,1,Answer()
 same = n,Read(KEYS,,4,,1,5)
 same = n,Log(NOTICE,keys ${KEYS})
 same = n,Playtones(500)
 same = n,Wait(1)
 same = n,Hangup()
exten = 301,1,Answer()
 same = n,Record({etc}/../spool/said.wav,0,2,k)
exten = 302,1,Log(NOTICE,identity ${CALLERID(all)})
 same = n,Answer()
 same = n,Hangup()
exten = _+X.,1,Dial(PJSIP/${EXTEN}@carrier,20)
 same = n,Hangup(${HANGUPCAUSE})
";

fn pbx(stranger: Ipv4Addr) -> Result<Asterisk> {
    Asterisk::builder().file("pjsip.conf", pjsip(stranger)).file("extensions.conf", DIALPLAN).start()
}

fn phone(pbx: &Asterisk, user: &str, behaviour: &Behaviour) -> Result<Phone> {
    Phone::register(&PhoneSpec::new(user, format!("secret-{user}"), pbx.address()), behaviour)
}

fn wait_log(pbx: &Asterisk, text: &str) -> Result<()> {
    until(&format!("{text:?} in the log"), SOON, || {
        Ok(fs::read_to_string(pbx.log_dir().join("messages.log"))?.contains(text).then_some(()))
    })
}

#[test]
fn everybody_gets_the_same_root_folder() {
    let roots = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| AsteriskRoot::ensure().unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap().dir().to_owned()).collect::<Vec<_>>()
    });
    assert!(roots.iter().all(|root| *root == roots[0]));
    assert!(roots[0].join("usr/share/asterisk/sounds/en/beep.gsm").exists());
}

#[test]
fn an_instance_boots_answers_and_starts_again() -> Result<()> {
    AsteriskRoot::ensure()?;
    let begin = Instant::now();
    let mut pbx = Asterisk::builder().start()?;
    eprintln!("booted in {:?}", begin.elapsed());
    assert!(pbx.cli("core show version")?.starts_with("Asterisk 22."));
    // Read before the ports are tried: a connection that ends without a handshake is an error to
    // Asterisk's HTTPS server.
    let log = fs::read_to_string(pbx.log_dir().join("messages.log"))?;
    assert!(!log.contains("] ERROR["), "{log}");
    for port in [pbx.ports().ami, pbx.ports().http, pbx.ports().https] {
        TcpStream::connect((pbx.address(), port))?;
    }
    pbx.stop()?;
    assert!(!pbx.is_running());
    pbx.start_again()?;
    pbx.kill();
    pbx.start_again()?;
    pbx.restart()?;
    assert!(pbx.is_running());
    Ok(())
}

#[test]
fn instances_run_side_by_side_with_clocks_of_their_own() -> Result<()> {
    let stock = Asterisk::builder().stock().start()?;
    let christmas = Asterisk::builder().clock("2026-12-25 03:00:00").start()?;
    assert_ne!(stock.address(), christmas.address());
    let time = christmas.cli("dialplan eval function STRFTIME(,Europe/Madrid,%F_%H:%M)")?;
    assert!(time.contains("2026-12-25_04:0"), "{time}");
    assert!(stock.cli("module show like chan_pjsip")?.contains("1 modules loaded"));
    Ok(())
}

#[test]
fn a_panic_ends_the_instance() -> Result<()> {
    let (send, receive) = std::sync::mpsc::channel();
    let thread = thread::spawn(move || {
        let pbx = Asterisk::builder().start().unwrap();
        send.send((pbx.pid().unwrap(), pbx.dir().to_owned())).unwrap();
        panic!("as a failing test does");
    });
    assert!(thread.join().is_err());
    let (pid, dir) = receive.recv()?;
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    assert!(!dir.exists());
    Ok(())
}

/// Not a test: the body of the process that [`an_orphan_is_found`] kills.
#[test]
#[ignore = "started by an_orphan_is_found"]
fn orphan_maker() {
    let pbx = Asterisk::builder().start().unwrap();
    let database = Postgres::start().unwrap();
    println!("orphan {} {} {}", pbx.pid().unwrap(), pbx.address(), database.ip());
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn an_orphan_is_found() -> Result<()> {
    let mut maker = Command::new(std::env::current_exe()?)
        .args(["--exact", "orphan_maker", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let lines = BufReader::new(maker.stdout.take().unwrap()).lines();
    let line = lines.map_while(Result::ok).find_map(|line| line.split_once("orphan ").map(|(_, rest)| rest.to_owned()));
    let line = line.expect("the maker starts an instance");
    let words: Vec<&str> = line.split(' ').collect();
    let [pid, addresses @ ..] = words.as_slice() else { panic!("{line}") };
    let process = format!("/proc/{pid}");
    maker.kill()?;
    maker.wait()?;
    for ip in addresses {
        // Its address is free for whoever asks, and what ran there is gone with its ports.
        // Another process of the lab may be about to clean up as well: it holds the address meanwhile.
        let ip = ip.parse()?;
        let place = until("a free address", SOON, || Ok(Place::at(ip).ok()))?;
        assert_eq!(fs::read_dir(place.dir())?.count(), 0);
        assert!(TcpStream::connect((place.ip(), 5038)).is_err());
        assert!(TcpStream::connect((place.ip(), 5432)).is_err());
    }
    let state = fs::read_to_string(format!("{process}/stat")).unwrap_or_default();
    assert!(state.is_empty() || state.contains(") Z "), "{state}");
    Ok(())
}

#[test]
fn phones_register_ring_in_order_answer_and_refuse() -> Result<()> {
    let stranger = Place::take()?;
    let pbx = pbx(stranger.ip())?;
    let wrong = PhoneSpec::new("101", "wrong", pbx.address());
    let refused = Phone::register(&wrong, &Behaviour::Ignore).unwrap_err();
    assert!(refused.to_string().contains("refused: 401"), "{refused:#}");

    let first = phone(&pbx, "101", &Behaviour::Ignore)?;
    let second = phone(&pbx, "102", &Behaviour::answer_after(Duration::from_millis(300)))?;
    let third = phone(&pbx, "103", &Behaviour::reject(486))?;
    let caller = Caller::at(stranger).from("+34911222333").name("Ana");

    // Both at once: the second answers, and the first hears that somebody did.
    caller.call("201", pbx.address())?.expect_answer()?;
    let calls = first.wait_decided(1, SOON)?;
    assert_eq!(calls[0].outcome, Outcome::Cancelled);
    assert_eq!(calls[0].from, "+34911222333");
    assert_eq!(calls[0].from_name.as_deref(), Some("Ana"));
    let answered = second.wait_decided(1, SOON)?.remove(0);
    assert_eq!(answered.outcome, Outcome::Answered);
    assert!(answered.rang_for() >= Some(Duration::from_millis(290)));

    // One after the other: 2 s at the first, then the second.
    let result = caller.call("200", pbx.address())?;
    result.expect_answer()?;
    assert!(result.ringing >= Some(Duration::from_secs(2)), "{result:?}");
    let (one, two) = (first.wait_decided(2, SOON)?.remove(1), second.wait_decided(2, SOON)?.remove(1));
    assert!(one.at < two.at, "{one:?} {two:?}");
    assert_eq!(one.outcome, Outcome::Cancelled);

    caller.call("103", pbx.address())?.expect_code(486)?;
    assert_eq!(third.wait_decided(1, SOON)?[0].outcome, Outcome::Rejected(486));
    caller.call("999", pbx.address())?.expect_code(404)?;
    caller.ring_for(Duration::from_millis(700)).call("101", pbx.address())?.expect_rang_out()?;

    // The phones answered to Asterisk's OPTIONS meanwhile.
    until("the phones being reachable", SOON, || {
        Ok(pbx.cli("pjsip show contacts")?.matches("Avail").count().eq(&3).then_some(()))
    })?;
    first.unregister()?;
    assert_eq!(pbx.cli("pjsip show contacts")?.matches("sip:101@").count(), 0);
    Ok(())
}

#[test]
fn a_phone_calls_with_its_password() -> Result<()> {
    let pbx = pbx(Ipv4Addr::new(127, 9, 9, 9))?;
    let called = phone(&pbx, "101", &Behaviour::answer_after(Duration::ZERO))?;
    let caller = Caller::new()?.as_phone("102", "secret-102");
    caller.call("101", pbx.address())?.expect_answer()?;
    assert_eq!(called.wait_calls(1, SOON)?[0].from, "102");
    let denied = Caller::new()?.as_phone("102", "wrong").call("101", pbx.address())?;
    denied.expect_code(401)?;
    // A call with credentials is given up as well as one without.
    let silent = phone(&pbx, "103", &Behaviour::Ignore)?;
    caller.ring_for(Duration::from_millis(500)).call("103", pbx.address())?.expect_rang_out()?;
    assert_eq!(silent.wait_decided(1, SOON)?[0].outcome, Outcome::Cancelled);
    Ok(())
}

#[test]
fn keys_and_sound_go_both_ways() -> Result<()> {
    let stranger = Place::take()?;
    let pbx = pbx(stranger.ip())?;
    let caller = Caller::at(stranger)
        .from("100")
        .header("P-Asserted-Identity", "\"Eva\" <sip:555@example.com>")
        .keys("42*7")
        .hold();
    let result = caller.call("300", pbx.address())?;
    result.expect_answer()?;
    assert!(result.hung_up);
    wait_log(&pbx, "keys 42*7")?;
    assert!(result.heard.has_tone(500), "{} s heard", result.heard.seconds());
    caller.call("302", pbx.address())?.expect_answer()?;
    wait_log(&pbx, "identity \"Eva\" <555>")?;
    let caller = caller.keys("").say(tone(700, 1_000));
    caller.call("301", pbx.address())?.expect_answer()?;
    let said = pbx.spool().join("said.wav");
    until("the recording", SOON, || Ok(Sound::read(&said).ok().filter(|sound| sound.has_tone(700))))?;
    Ok(())
}

#[test]
fn a_carrier_sees_what_is_dialled() -> Result<()> {
    let place = Place::take()?;
    let pbx = pbx(place.ip())?;
    let carrier = Uas::listen(place, &Behaviour::reject(503))?;
    let caller = Caller::new()?.as_phone("101", "secret-101");
    let result = caller.call("+34600700800", pbx.address())?;
    assert!(!result.answered && result.code >= 480, "{result:?}");
    let call = carrier.wait_decided(1, SOON)?.remove(0);
    assert_eq!((call.to.as_str(), call.from.as_str()), ("+34600700800", "101"));
    assert_eq!(call.from_name.as_deref(), Some("Phone 101"));
    assert_eq!(call.outcome, Outcome::Rejected(503));
    assert!(call.request.header("user-agent").is_some());
    let place = carrier.close();
    let carrier = Uas::listen(
        place,
        &Behaviour::Answer { after: Duration::from_millis(100), hold_for: Some(Duration::from_millis(200)) },
    )?;
    let result = caller.hold().call("+34600700800", pbx.address())?;
    assert!(result.expect_answer()?.hung_up);
    assert!(carrier.wait_calls(1, SOON)?[0].ended.is_some());
    Ok(())
}

#[test]
fn a_floor_registers_over_tls_and_hears() -> Result<()> {
    let pbx = pbx(Ipv4Addr::new(127, 9, 9, 9))?;
    let tcp = FloorPhone { transport: Transport::Tcp, ..FloorPhone::new("102", "secret-102", 600) };
    let phones = [FloorPhone::new("101", "secret-101", 400), tcp, FloorPhone::new("104", "secret-104", 800).tls()];
    let floor = Floor::start(pbx.address(), &phones)?;
    floor.wait_registered(SOON)?;
    floor.call("101", "104")?;
    floor.wait_tone("104", 400, SOON)?;
    floor.wait_tone("101", 800, SOON)?;
    floor.hang_up()?;
    floor.call("104", "102")?;
    floor.wait_tone("102", 800, SOON)?;
    floor.wait_tone("104", 600, SOON)?;
    Ok(())
}

#[test]
fn a_database_answers() -> Result<()> {
    let database = Postgres::start()?;
    assert_eq!(database.sql("select 1")?, "1");
    let url = database.create("mine")?;
    assert!(url.ends_with(":5432/mine"));
    assert!(database.create("mine").is_err());
    Ok(())
}

#[test]
fn mail_is_kept() -> Result<()> {
    let mail = Mail::start()?;
    for n in 1..=2 {
        let mut server = TcpStream::connect((mail.ip(), Mail::PORT))?;
        let mut answers = BufReader::new(server.try_clone()?);
        let message = format!("Subject: report {n}\r\n\r\n.. dots\r\n.\r\n");
        for (say, expect) in [
            ("", "220"),
            ("HELO lab\r\n", "250"),
            ("MAIL FROM:<pbx@example.com>\r\n", "250"),
            ("RCPT TO:<ana@example.com>\r\n", "250"),
            ("DATA\r\n", "354"),
            (&message, "250"),
        ] {
            server.write_all(say.as_bytes())?;
            let mut answer = String::new();
            answers.read_line(&mut answer)?;
            assert!(answer.starts_with(expect), "{say:?}: {answer}");
        }
    }
    let messages = mail.wait_for(2, SOON)?;
    assert!(messages[0].contains("Subject: report 1") && messages[1].contains("Subject: report 2"));
    assert!(messages[0].contains("X-RcptTo: ana@example.com") && messages[0].contains("\n. dots"));
    // As Asterisk mails: through a shell, from a file.
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), "From: Phones <pbx@example.com>\nTo: Rui <rui@example.com>\nSubject: report 3\n\nhello\n")?;
    let shell = format!("{} < {}", mail.command()?, file.path().display());
    assert!(Command::new("sh").args(["-c", &shell]).status()?.success(), "{shell}");
    let message = mail.wait_for(3, SOON)?.remove(2);
    assert!(
        message.contains("X-MailFrom: pbx@example.com") && message.contains("X-RcptTo: rui@example.com"),
        "{message}"
    );
    Ok(())
}
