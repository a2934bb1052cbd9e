//! The AMI client against a scripted Asterisk, for the faults that a real one does not produce on demand.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests stand outside of test functions, where unwrap is not let pass"
)]

use std::{
    future::Future,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::BytesMut;
use pbx_asterisk::ami::{
    AmiError, Auth, Backoff, Client, CloseReason, Codec, CodecError, Delivery, EncodeError, EventClass, EventMask,
    Limits, Link, LinkState, Message, Options, Request, Subscription, Tls,
    action::{self, CoreShowChannels, CoreStatus, PJSIPShowContacts, PJSIPShowRegistrationsOutbound, Ping},
    codec::Frame,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex},
    net::TcpListener,
    time::Instant,
};
use tokio_util::codec::Decoder;

const BANNER: &str = "Asterisk Call Manager/11.0.0\r\n";
const USER: &str = "pbx";
const SECRET: &str = "mysecret";
/// `printf 840415273mysecret | md5sum`
const KEY: &str = "72ee2809cbf69e9bdb27bdd924cda8e3";

/// The other end: reads actions, writes what the test says.
struct Fake<S> {
    stream: S,
    codec: Codec,
    input: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Fake<S> {
    fn new(stream: S) -> Self {
        Self { stream, codec: Codec::without_banner(Limits::default()), input: BytesMut::new() }
    }

    async fn say(&mut self, text: impl AsRef<[u8]>) {
        self.stream.write_all(text.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The next action, or `None` when the client is gone.
    async fn hear(&mut self) -> Option<Message> {
        loop {
            if let Some(Frame::Message(message)) = self.codec.decode(&mut self.input).unwrap() {
                return Some(message);
            }
            if self.stream.read_buf(&mut self.input).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// Expects this action; gives its id.
    async fn expect(&mut self, action: &str) -> String {
        let message = self.hear().await.expect("the client went away");
        assert_eq!(message.text("Action"), action);
        message.text("ActionID")
    }

    async fn answer(&mut self, id: &str, headers: &str) {
        self.say(format!("Response: Success\r\nActionID: {id}\r\n{headers}\r\n")).await;
    }

    async fn pong(&mut self) {
        let id = self.expect("Ping").await;
        self.answer(&id, "Ping: Pong\r\n").await;
    }

    /// Greets, and refuses the login.
    async fn refuse(&mut self) {
        self.say(BANNER).await;
        let id = self.expect("Challenge").await;
        self.answer(&id, "Challenge: 1\r\n").await;
        let id = self.expect("Login").await;
        self.say(format!("Response: Error\r\nActionID: {id}\r\nMessage: Authentication failed\r\n\r\n")).await;
    }

    /// Greets and lets the client in by challenge.
    async fn login(&mut self) {
        self.say(BANNER).await;
        let id = self.expect("Challenge").await;
        self.answer(&id, "Challenge: 840415273\r\n").await;
        let login = self.hear().await.unwrap();
        assert_eq!((login.text("Username").as_str(), login.text("Key").as_str()), (USER, KEY));
        assert_eq!(login.get("Secret"), None);
        self.answer(&login.text("ActionID"), "Message: Authentication accepted\r\n").await;
    }
}

fn options() -> Options {
    Options::new("127.0.0.1:5038", USER, SECRET).events(EventMask::On)
}

/// A client that is logged in to a fake.
async fn pair(options: &Options) -> (Client, Subscription, Fake<DuplexStream>) {
    let (near, far) = duplex(1 << 16);
    let mut fake = Fake::new(far);
    let (client, ()) = tokio::join!(Client::over(near, options), fake.login());
    let (client, mut events) = client.unwrap();
    assert!(matches!(events.next().await, Some(Delivery::Connected { .. })));
    (client, events, fake)
}

async fn event(events: &mut Subscription) -> Message {
    match events.next().await {
        Some(Delivery::Event(message)) => message,
        other => panic!("not an event: {other:?}"),
    }
}

/// What a client makes of a server that does this.
async fn attempt<F: Future<Output = ()>>(serve: impl FnOnce(Fake<DuplexStream>) -> F) -> AmiError {
    let (near, far) = duplex(1 << 16);
    let options = options();
    let (client, ()) = tokio::join!(Client::over(near, &options), serve(Fake::new(far)));
    client.map(drop).unwrap_err()
}

/// Asks `action` of a fake that answers with this, `{id}` replaced.
async fn ask<A: action::Action>(action: A, wire: &str) -> Result<A::Answer, AmiError> {
    let (client, _events, mut fake) = pair(&options()).await;
    let serve = async {
        let id = fake.hear().await.unwrap().text("ActionID");
        fake.say(wire.replace("{id}", &id)).await;
    };
    tokio::join!(client.call(&action), serve).0
}

#[tokio::test(start_paused = true)]
async fn the_version_tells_the_branch() {
    let (client, _events, _fake) = pair(&options()).await;
    assert_eq!(client.version().to_string(), "11.0.0");
    assert_eq!(client.version().asterisk(), Some(22));
}

#[tokio::test(start_paused = true)]
async fn plain_login_sends_the_classes_that_were_asked_for() {
    let mask = EventMask::Classes(vec![EventClass::System, EventClass::Call]);
    let options = Options { auth: Auth::Plain, ..options().events(mask) };
    let (near, far) = duplex(1 << 16);
    let mut fake = Fake::new(far);
    let serve = async {
        fake.say(BANNER).await;
        let login = fake.hear().await.unwrap();
        assert_eq!((login.text("Secret").as_str(), login.text("Events").as_str()), (SECRET, "system,call"));
        fake.answer(&login.text("ActionID"), "Message: Authentication accepted\r\n").await;
    };
    let (client, ()) = tokio::join!(Client::over(near, &options), serve);
    client.unwrap();
    assert!(!format!("{options:?}").contains(SECRET));
}

#[tokio::test(start_paused = true)]
async fn a_login_that_is_refused_names_the_user() {
    let error = attempt(async |mut fake| fake.refuse().await).await;
    assert!(matches!(error, AmiError::AuthFailed { ref user } if user == USER), "{error}");
    assert!(!error.is_transient());
}

#[tokio::test(start_paused = true)]
async fn what_is_not_asterisk_or_does_not_greet_is_told_apart() {
    let error = attempt(async |mut fake| fake.say("SSH-2.0-OpenSSH_9.2\r\n").await).await;
    assert!(matches!(error, AmiError::Codec(CodecError::NotAmi { ref got }) if got.starts_with("SSH")), "{error}");
    let error = attempt(async |fake| drop(fake)).await;
    assert!(matches!(error, AmiError::Closed { reason: CloseReason::Eof }), "{error}");
    let error = attempt(async |_fake| tokio::time::sleep(Duration::from_mins(1)).await).await;
    assert!(matches!(error, AmiError::Timeout { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn one_byte_at_a_time() {
    let (client, mut events, mut fake) = pair(&options()).await;
    let serve = async {
        let id = fake.expect("Ping").await;
        let answer = format!("Response: Success\r\nActionID: {id}\r\nPing: Pong\r\nTimestamp: 1.5\r\n\r\n");
        for byte in ["Event: FullyBooted\r\nUptime: 1\r\n\r\n", &answer].concat().bytes() {
            fake.say([byte]).await;
            tokio::task::yield_now().await;
        }
    };
    let (pong, ()) = tokio::join!(client.call(&Ping), serve);
    assert_eq!(pong.unwrap().timestamp.as_deref(), Some("1.5"));
    assert!(event(&mut events).await.is("Event", "FullyBooted"));
}

#[tokio::test(start_paused = true)]
async fn many_in_flight_each_gets_its_own_answer() {
    let (client, _events, mut fake) = pair(&options()).await;
    let asks = (0..100).map(|n| {
        let client = client.clone();
        async move { client.send(Request::new("Echo").header("N", n.to_string())).await.unwrap().response.text("N") }
    });
    let serve = async {
        let mut heard = Vec::new();
        for _ in 0..100 {
            heard.push(fake.hear().await.unwrap());
        }
        // A real Asterisk answers in order; correlation must not need that.
        for message in heard.iter().rev() {
            fake.answer(&message.text("ActionID"), &format!("N: {}\r\n", message.text("N"))).await;
        }
    };
    let (answers, ()) = tokio::join!(futures_util::future::join_all(asks), serve);
    assert_eq!(answers, (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_list_interleaved_with_events_and_a_false_friend() {
    let (client, mut events, mut fake) = pair(&options()).await;
    let serve = async {
        let list = fake.expect("CoreShowChannels").await;
        let ping = fake.expect("Ping").await;
        fake.answer(&list, "EventList: start\r\nMessage: Channels will follow\r\n").await;
        fake.say(format!("Event: CoreShowChannel\r\nChannel: A\r\nActionID: {list}\r\n\r\n")).await;
        fake.say("Event: Newchannel\r\nPrivilege: call,all\r\nChannel: B\r\n\r\n").await;
        // UserEvent copies the ActionID of whoever sent it.
        fake.say(format!("Event: UserEvent\r\nUserEvent: x\r\nActionID: {list}\r\n\r\n")).await;
        fake.say(format!("Event: UserEvent\r\nUserEvent: y\r\nActionID: {ping}\r\n\r\n")).await;
        fake.answer(&ping, "Ping: Pong\r\n").await;
        fake.say(format!("Event: CoreShowChannel\r\nActionID: {list}\r\nChannel: C\r\n\r\n")).await;
        let end = "EventList: Complete\r\nListItems: 2";
        fake.say(format!("Event: CoreShowChannelsComplete\r\nActionID: {list}\r\n{end}\r\n\r\n")).await;
    };
    let (channels, pong, ()) = tokio::join!(client.call(&CoreShowChannels), client.call(&Ping), serve);
    pong.unwrap();
    let names: Vec<String> = channels.unwrap().into_iter().map(|c| c.channel).collect();
    assert_eq!(names, ["A", "C"]);
    assert_eq!(event(&mut events).await.text("Channel"), "B");
    assert_eq!(event(&mut events).await.text("UserEvent"), "x");
    assert_eq!(event(&mut events).await.text("UserEvent"), "y");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_told_apart_from_no_answer() {
    // As measured: an error whose message ends in a bare LF.
    let none =
        ask(PJSIPShowContacts, "Response: Error\r\nActionID: {id}\r\nMessage: No Contacts found\n\r\n\r\n").await;
    assert_eq!(none.unwrap(), []);
    let boxes =
        "Response: Success\r\nActionID: {id}\r\nMessage: There are no voicemail users currently defined.\r\n\r\n";
    assert_eq!(ask(action::VoicemailUsersList, boxes).await.unwrap(), []);
    let denied =
        ask(PJSIPShowContacts, "Response: Error\r\nActionID: {id}\r\nMessage: Permission denied\r\n\r\n").await;
    assert!(matches!(denied, Err(AmiError::PermissionDenied { ref action }) if action == "PJSIPShowContacts"));
    let other = ask(PJSIPShowContacts, "Response: Success\r\nActionID: {id}\r\nMessage: Fine\r\n\r\n").await;
    assert!(matches!(other, Err(AmiError::Unexpected { .. })));
    let start = "Response: Success\r\nActionID: {id}\r\nEventList: start\r\n\r\nEvent: End\r\nActionID: {id}\r\n";
    let short = ask(PJSIPShowContacts, &format!("{start}EventList: Complete\r\nListItems: 3\r\n\r\n")).await;
    let expected = "Asterisk answered PJSIPShowContacts with a list of 0 items that announces 3";
    assert_eq!(short.unwrap_err().to_string(), expected);
    let cancelled = ask(PJSIPShowContacts, &format!("{start}EventList: cancelled\r\n\r\n")).await;
    assert!(matches!(cancelled, Err(AmiError::Unexpected { .. })));
}

#[tokio::test(start_paused = true)]
async fn registrations_come_with_objects_that_are_not_counted() {
    let wire = "Response: Success\r\nActionID: {id}\r\nEventList: start\r\n\r\n\
        Event: OutboundRegistrationDetail\r\nActionID: {id}\r\nObjectName: carrier\r\nNextReg: 9\r\n\r\n\
        Event: AuthDetail\r\nActionID: {id}\r\nPassword: x\r\n\r\n\
        Event: OutboundRegistrationDetailComplete\r\nActionID: {id}\r\nEventList: Complete\r\nListItems: 1\r\n\r\n";
    let items = ask(PJSIPShowRegistrationsOutbound, wire).await.unwrap();
    assert_eq!((items.len(), items[0].name.as_str(), items[0].next), (1, "carrier", Some(9)));
}

#[tokio::test(start_paused = true)]
async fn an_action_that_is_never_answered_names_itself_and_its_limit() {
    let (client, _events, mut fake) = pair(&options()).await;
    let begin = Instant::now();
    let reload = action::Reload::new("res_pjsip.so").within(Duration::from_secs(4));
    let (error, id) = tokio::join!(client.call(&reload), fake.expect("Reload"));
    assert_eq!(error.unwrap_err().to_string(), "Asterisk did not answer Reload within 4s");
    assert_eq!(begin.elapsed(), Duration::from_secs(4));
    // The answer that comes late is nobody's, and the connection is as good as before.
    let serve = async {
        fake.answer(&id, "Message: Module Reloaded\r\n").await;
        let id = fake.expect("CoreStatus").await;
        fake.answer(&id, "CoreStartupDate: today\r\n").await;
    };
    let (status, ()) = tokio::join!(client.call(&CoreStatus), serve);
    assert_eq!(status.unwrap().startup_date, "today");
}

#[tokio::test(start_paused = true)]
async fn a_half_open_connection_is_found_dead_in_ten_seconds() {
    let (client, mut events, mut fake) = pair(&options()).await;
    let begin = Instant::now();
    fake.expect("Ping").await;
    assert_eq!(begin.elapsed().as_secs(), 5);
    assert!(matches!(client.closed().await, CloseReason::Silent(_)));
    assert_eq!(begin.elapsed().as_secs(), 10);
    let error = client.call(&Ping).await.unwrap_err();
    assert!(matches!(error, AmiError::Closed { reason: CloseReason::Silent(_) }), "{error}");
    assert!(matches!(events.next().await, Some(Delivery::Disconnected(CloseReason::Silent(_)))));
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_ping_that_is_answered_keeps_the_connection() {
    let (client, _events, mut fake) = pair(&options()).await;
    let begin = Instant::now();
    for _ in 0..20 {
        fake.pong().await;
    }
    assert_eq!(begin.elapsed().as_secs(), 100);
    assert_eq!(client.close_reason(), None);
}

#[tokio::test(start_paused = true)]
async fn an_asterisk_that_is_busy_with_a_long_reload_is_not_dead() {
    let (client, _events, mut fake) = pair(&options()).await;
    let serve = async {
        let id = fake.expect("Reload").await;
        tokio::time::sleep(Duration::from_secs(40)).await;
        fake.answer(&id, "Message: Module Reloaded\r\n").await;
    };
    let reload = action::Reload::new("res_pjsip.so");
    let (outcome, ()) = tokio::join!(client.call(&reload), serve);
    assert!(outcome.unwrap().status.is_done());
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_connection_fails_everything_in_flight() {
    let (client, mut events, mut fake) = pair(&options()).await;
    let serve = async {
        fake.expect("Ping").await;
        let list = fake.expect("CoreShowChannels").await;
        fake.answer(&list, "EventList: start\r\n").await;
        fake.say("Event: Shutdown\r\nPrivilege: system,all\r\nShutdown: Cleanly\r\nRestart: True\r\n\r\n").await;
        drop(fake);
    };
    let (ping, list, ()) = tokio::join!(client.call(&Ping), client.call(&CoreShowChannels), serve);
    for error in [ping.unwrap_err(), list.unwrap_err(), client.call(&Ping).await.unwrap_err()] {
        assert_eq!(error.to_string(), "the connection to Asterisk ended: Asterisk is restarting");
    }
    assert!(event(&mut events).await.is("Event", "Shutdown"));
    assert!(matches!(events.next().await, Some(Delivery::Disconnected(CloseReason::Shutdown { restart: true }))));
}

#[tokio::test(start_paused = true)]
async fn a_slow_subscriber_is_told_what_it_lost_and_holds_up_nobody() {
    let options = Options { queue: 16, ..options() };
    let (client, mut slow, mut fake) = pair(&options).await;
    let serve = async {
        for n in 0..10_000 {
            fake.say(format!("Event: Newstate\r\nN: {n}\r\n\r\n")).await;
        }
        fake.pong().await;
    };
    let (pong, ()) = tokio::join!(client.call(&Ping), serve);
    pong.unwrap();
    let Some(Delivery::Lagged { missed }) = slow.next().await else { panic!("nothing lost?") };
    assert_eq!(missed, 10_000 - 16);
    assert_eq!(event(&mut slow).await.text("N"), missed.to_string());
}

#[tokio::test(start_paused = true)]
async fn a_line_over_64_kib_is_skipped_and_said() {
    let (client, mut events, mut fake) = pair(&options()).await;
    let serve = async {
        let id = fake.expect("Ping").await;
        let long = "x".repeat(70 << 10);
        fake.say(format!("Event: VarSet\r\nValue: {long}\r\n\r\nEvent: Newstate\r\n\r\n")).await;
        fake.say(format!("Response: Success\r\nActionID: {id}\r\nPing: {long}\r\n\r\n")).await;
        fake.pong().await;
    };
    let calls = async {
        let error = client.call(&Ping).await.unwrap_err();
        assert!(matches!(error, AmiError::Unexpected { .. }), "{error}");
        client.call(&Ping).await.unwrap();
    };
    tokio::join!(calls, serve);
    assert!(matches!(events.next().await, Some(Delivery::Lagged { missed: 1 })));
    assert!(event(&mut events).await.is("Event", "Newstate"));
}

#[tokio::test(start_paused = true)]
async fn a_missing_cr_and_garbage_between_messages() {
    let (client, mut events, mut fake) = pair(&options()).await;
    let serve = async {
        let id = fake.expect("Ping").await;
        fake.say(b"\n\r\n\xff\xfe garbage\r\n\r\n").await;
        fake.say(b"Event: Newstate\nName: Jos\xe9\n\n").await;
        fake.say(format!("Response: Success\nActionID: {id}\nPing: Pong\n\n")).await;
    };
    let (pong, ()) = tokio::join!(client.call(&Ping), serve);
    pong.unwrap();
    assert_eq!(event(&mut events).await.text("Name"), "Jos\u{fffd}");
}

#[tokio::test(start_paused = true)]
async fn an_injected_line_never_leaves_the_house() {
    let (client, _events, mut fake) = pair(&options()).await;
    let value = "v\r\n\r\nAction: Command\r\nCommand: core stop now".to_owned();
    let evil = action::DbPut { family: "f".to_owned(), key: "k".to_owned(), value };
    let error = client.call(&evil).await.unwrap_err();
    assert!(matches!(error, AmiError::Invalid { source: EncodeError::Forbidden { .. }, .. }), "{error}");
    // The first thing that the other end hears is what was asked next.
    let (pong, ()) = tokio::join!(client.call(&Ping), fake.pong());
    pong.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_logs_off() {
    let (client, _events, mut fake) = pair(&options()).await;
    drop(client);
    fake.expect("Logoff").await;
    assert!(fake.hear().await.is_none());
}

/// A backoff that does not make the tests wait.
const QUICK: Backoff =
    Backoff { base: Duration::from_millis(5), cap: Duration::from_millis(20), stable: Duration::from_secs(1) };

#[tokio::test]
async fn a_link_comes_back_and_says_what_happened_meanwhile() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = Options { addr: listener.local_addr().unwrap().to_string(), ..options() };
    let (link, mut events) = Link::start(options, QUICK, Arc::new(|| u64::MAX));
    assert!(matches!(link.client(), Err(AmiError::Down { last: None, .. })));
    for boot in ["12:00:00", "12:30:00"] {
        let mut fake = Fake::new(listener.accept().await.unwrap().0);
        fake.login().await;
        let id = fake.expect("CoreStatus").await;
        fake.answer(&id, &format!("CoreStartupDate: 2026-11-22\r\nCoreStartupTime: {boot}\r\n")).await;
        let client = link.connected(Duration::from_secs(5)).await.unwrap();
        let LinkState::Connected { boot: Some(seen), .. } = link.state() else { panic!("{:?}", link.state()) };
        assert_eq!(seen.0, format!("2026-11-22 {boot}"));
        assert!(matches!(events.next().await, Some(Delivery::Connected { .. })));
        fake.say("Event: Newstate\r\n\r\n").await;
        event(&mut events).await;
        drop(fake);
        assert_eq!(client.closed().await, CloseReason::Eof);
        assert!(matches!(events.next().await, Some(Delivery::Disconnected(CloseReason::Eof))));
        let down = link.client().unwrap_err();
        assert!(matches!(down, AmiError::Down { last: Some(_), .. }), "{down}");
    }
}

#[tokio::test]
async fn a_login_that_is_revoked_is_a_state_of_its_own() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = Options { addr: listener.local_addr().unwrap().to_string(), ..options() };
    let refused = AtomicU32::new(0);
    let begin = Instant::now();
    let (link, _events) = Link::start(options, QUICK, Arc::new(|| 0));
    let serve = async {
        loop {
            Fake::new(listener.accept().await.unwrap().0).refuse().await;
            refused.fetch_add(1, Ordering::Relaxed);
        }
    };
    let mut state = link.watch();
    let seen = state.wait_for(|s| matches!(s, LinkState::AuthFailed { attempt: 3, .. }));
    tokio::select! {
        () = serve => {}
        seen = seen => drop(seen.unwrap()),
    }
    assert_eq!(refused.into_inner(), 2);
    // Even without jitter, a refused login waits the whole cap.
    assert!(begin.elapsed() >= QUICK.cap);
    let error = link.client().unwrap_err().to_string();
    assert!(error.contains("did not accept the manager user"), "{error}");
}

#[tokio::test]
async fn nobody_listening_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    drop(listener);
    let error = Client::connect(&Options { addr: addr.clone(), ..options() }).await.map(drop).unwrap_err();
    assert!(matches!(error, AmiError::Unreachable { addr: ref a, .. } if *a == addr), "{error}");
}

#[tokio::test]
async fn tls_is_checked_against_the_authority_that_was_given() {
    let own = rcgen::generate_simple_self_signed(vec!["ami.test".to_owned()]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    fs_err::write(&ca, own.cert.pem()).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let Ok(tls) = acceptor.accept(tcp).await else { continue };
            let mut fake = Fake::new(tls);
            fake.login().await;
            fake.pong().await;
            fake.hear().await;
        }
    });
    let with = |ca: Option<&Path>, name: Option<&str>| {
        let tls = Tls { ca: ca.map(Into::into), server_name: name.map(str::to_owned) };
        Options { addr: addr.clone(), tls: Some(tls), ..options() }
    };
    let (client, _events) = Client::connect(&with(Some(&ca), Some("ami.test"))).await.unwrap();
    client.call(&Ping).await.unwrap();
    drop(client);
    for options in [with(Some(&ca), None), with(None, Some("ami.test")), with(Some(dir.path()), None)] {
        let error = Client::connect(&options).await.map(drop).unwrap_err();
        assert!(matches!(error, AmiError::Tls { .. }), "{error}");
    }
}
