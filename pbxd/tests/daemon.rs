//! The daemon as systemd and its administrator see it: configuration, start, reload, stop. No Asterisk is needed: that is proven
//! end to end elsewhere.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use fs_err as fs;
use pbx_api::{ApplyRequest, Client, ClientError, Declared, ErrorBody, ErrorCode, Event, OutcomeResult, PlanRequest};
use pbx_manifest::{Declaration, Kind, ObjectRef};

/// How long anything may take on a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// A folder with a configuration, and the daemon that runs on it.
struct Daemon {
    dir: tempfile::TempDir,
    child: Option<Child>,
}

impl Daemon {
    /// Prepared, not started. No manager listens where it is told to look.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().display();
        fs::create_dir_all(dir.path().join("asterisk")).unwrap();
        fs::write(
            dir.path().join("pbxd.toml"),
            format!(
                "socket = \"{at}/pbxd.sock\"\nstore = \"sqlite://{at}/pbxd.db\"\nkey_file = \"{at}/key\"\n\
                 [asterisk]\nconfig_dir = \"{at}/asterisk\"\nlog_dir = \"{at}/log\"\n\
                 [ami]\nport = 1\nsecret = \"never-shown\"\n"
            ),
        )
        .unwrap();
        Self { dir, child: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pbxd"));
        command.arg("--config").arg(self.path("pbxd.toml")).stdin(Stdio::null());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PBXD_")) {
            command.env_remove(name);
        }
        command
    }

    fn check(&self) -> Output {
        self.command().arg("--check-config").output().unwrap()
    }

    /// Starts it, and waits until it tells systemd that it is ready.
    fn start(&mut self) -> UnixDatagram {
        let notify = self.path("notify.sock");
        let _ = fs::remove_file(&notify);
        let socket = UnixDatagram::bind(&notify).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        let log = fs::File::create(self.path("pbxd.log")).unwrap();
        self.child = Some(self.command().env("NOTIFY_SOCKET", &notify).stderr(log.into_parts().0).spawn().unwrap());
        assert_eq!(told(&socket), "READY=1");
        socket
    }

    fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Waits for its end: the exit code.
    fn ended(&mut self) -> Option<i32> {
        let child = self.child.as_mut().unwrap();
        let until = Instant::now() + SOON;
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < until, "pbxd did not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn client(&self) -> Client {
        Client::new(self.path("pbxd.sock"))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("pbxd.log")).unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What systemd is told next.
fn told(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 512];
    let length = socket.recv(&mut buffer).expect("systemd was told nothing");
    String::from_utf8_lossy(&buffer[..length]).trim().to_owned()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn one_extension() -> PlanRequest {
    PlanRequest {
        set: "default".into(),
        declarations: vec![Declared {
            declaration: Declaration {
                object: ObjectRef::new(Kind::Extension, "1001".parse().unwrap()),
                meta: pbx_manifest::Meta::default(),
                renamed_from: None,
                spec: serde_json::json!({ "displayName": "Ana Reyes" }),
                scope: None,
            },
            secrets: std::collections::BTreeMap::new(),
        }],
        ..PlanRequest::default()
    }
}

#[test]
fn wrong_usage_is_no_difference() {
    let daemon = Daemon::new();
    let code = |command: &mut Command| command.output().unwrap().status.code();
    assert_eq!(code(daemon.command().arg("--chek-config")), Some(64));
    assert_eq!(code(daemon.command().args(["--ami-port", "abc", "--check-config"])), Some(64));
    assert_eq!(code(daemon.command().arg("--check-config").env("PBXD_AMI_PORT", "abc")), Some(64));
    assert_eq!(code(daemon.command().arg("--help")), Some(0));
    assert_eq!(code(daemon.command().arg("--version")), Some(0));
}

#[test]
fn a_mistake_in_the_configuration_is_told_with_its_line() {
    let daemon = Daemon::new();
    let good = fs::read_to_string(daemon.path("pbxd.toml")).unwrap();
    let output = daemon.check();
    assert!(output.status.success(), "{}", text(&output.stderr));
    for (change, expected) in [
        (
            ("[ami]\nport = 1", "[ami]\nport = \"x\""),
            vec!["line 8: `port` is a whole number, as in `port = 5038`, and not a text", "port = \"x\""],
        ),
        (("port = 1", "port = 70000"), vec!["line 8: `port` is a whole number from 0 to 65535"]),
        (("port = 1", "tls = \"yes\""), vec!["line 8: `tls` is `true` or `false`, as in `tls = true`, and not a text"]),
        (
            ("port = 1", "host = 127"),
            vec!["line 8: `host` is a text in quotes, as in `host = \"…\"`, and not a number"],
        ),
        (("port = 1", "secret_file = true"), vec!["`secret_file` is a text in quotes", "and not `true` or `false`"]),
        (
            ("[asterisk]", "access = 5\n[asterisk]"),
            vec!["line 4: `access` is a section, `[access]` with its fields below"],
        ),
        (
            ("[asterisk]", "keep_revisions = -1\n[asterisk]"),
            vec!["line 4: `keep_revisions` is a whole number from 0 up"],
        ),
        (("[asterisk]", "[access]\nadmin_users = \"ana\"\n[asterisk]"), vec!["line 5: `admin_users` is a list"]),
        (
            ("[asterisk]", "[access]\nadmin_users = [\"ana\", 5]\n[asterisk]"),
            vec!["line 5: `admin_users` is a text in quotes"],
        ),
        (("[asterisk]", "access = { admin_users = 5 }\n[asterisk]"), vec!["line 4: `admin_users` is a list"]),
        (
            ("log_dir", "log_folder"),
            vec!["line 6: there is no `log_folder` here; there are `config_dir`, `config_dir_inside`, `log_dir`"],
        ),
        (("log_dir", "logdir"), vec!["line 6: there is no `logdir` here; did you mean `log_dir`?"]),
        (("port = 1", "colour = 1"), vec!["line 8: there is no `colour` here; there are `host`, `port`"]),
        (("secret = \"never-shown\"", ""), vec!["pbxctl setup"]),
        (("sqlite://", "mysql://"), vec!["sqlite:// or postgres://"]),
        // What stands on the line of a secret is not repeated, whatever is wrong with it.
        (("\"never-shown\"", "never-shown"), vec!["line 9", "`secret` is a text in quotes"]),
        (("\"never-shown\"", "\"never-shown"), vec!["line 9", "`secret` is a text in quotes"]),
        (("\"never-shown\"", "7712345"), vec!["line 9", "`secret` is a text in quotes"]),
        (("store = \"sqlite", "store = sqlite"), vec!["line 2", "`store` is a text in quotes"]),
        (("[asterisk]\n", "log = \"loud\"\n[asterisk]\n"), vec!["`loud` is no level"]),
        (("[ami]\n", "[ami]\nusername = \"\"\n"), vec!["username is empty"]),
    ] {
        fs::write(daemon.path("pbxd.toml"), good.replace(change.0, change.1)).unwrap();
        let output = daemon.check();
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{message}");
        for part in expected {
            assert!(message.contains(part), "`{part}` is missing in: {message}");
        }
        assert!(!message.contains("never-shown") && !message.contains("7712345"), "{message}");
    }
}

#[test]
fn what_the_configuration_names_is_looked_for() {
    let mut daemon = Daemon::new();
    let good = fs::read_to_string(daemon.path("pbxd.toml")).unwrap();
    let checked = |daemon: &Daemon, (old, new): (&str, &str)| {
        fs::write(daemon.path("pbxd.toml"), good.replace(old, new)).unwrap();
        let output = daemon.check();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let at = daemon.dir.path().display().to_string();
    fs::create_dir(daemon.path("log")).unwrap();
    assert_eq!(checked(&daemon, ("", "")).2, "");
    for (change, expected) in [
        (("/asterisk\"", "/astersk\""), format!("[asterisk] config_dir: there is no folder {at}/astersk")),
        (("/log\"", "/logs\""), format!("[asterisk] log_dir: there is no folder {at}/logs")),
        (("port = 1", "host = \"pbx.invalid\""), "[ami] host: `pbx.invalid` has no address now".to_owned()),
        (("port = 1", "tls = true\ntls_ca = \"/none\""), "[ami] tls_ca: there is no file /none".to_owned()),
        (
            ("[ami]", "[access]\nadmin_users = [\"root\", \"nobody-here\"]\n[ami]"),
            "[access] admin_users: there is no user `nobody-here`".to_owned(),
        ),
        (
            ("[ami]", "[access]\nviewer_groups = [\"root\", \"nobodies\"]\n[ami]"),
            "[access] viewer_groups: there is no group `nobodies`".to_owned(),
        ),
    ] {
        let (exit, out, err) = checked(&daemon, change);
        assert!(exit == Some(0) && out.contains("is fine but for the warnings"), "{out}{err}");
        assert_eq!(err.lines().count(), 1, "{err}");
        assert!(err.starts_with(&format!("pbxd: warning: {expected}")), "{err}");
    }
    // What ends pbxd at its start ends the check too.
    for (change, expected) in [
        (("/key\"", "/pbxd.toml/key\""), format!("`key_file`: {at}/pbxd.toml is not a folder")),
        (("/key\"", "/log\""), format!("`key_file`: {at}/log is there, and is not a file")),
        (("/pbxd.db\"", "/log\""), format!("`store`: {at}/log is there, and is not a file")),
        (("/pbxd.db\"", "/pbxd.toml/pbxd.db\""), format!("`store`: {at}/pbxd.toml is not a folder")),
        (("/pbxd.sock\"", "/pbxd.toml\""), format!("`socket`: {at}/pbxd.toml is there, and is not a socket")),
    ] {
        let (exit, out, err) = checked(&daemon, change);
        assert!(exit == Some(1) && out.is_empty() && err.starts_with(&format!("pbxd: {expected}")), "{out}{err}");
        daemon.child = Some(daemon.command().stderr(Stdio::null()).spawn().unwrap());
        assert_eq!(daemon.ended(), Some(1), "{expected}, and still it starts");
    }
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let daemon = Daemon::new();
    let shown = |command: &mut Command| text(&command.arg("--check-config").output().unwrap().stdout);
    assert!(shown(&mut daemon.command()).contains("pbxd.db"));
    assert!(shown(daemon.command().env("PBXD_STORE", "sqlite:///env.db")).contains("sqlite:///env.db"));
    let both = shown(daemon.command().env("PBXD_STORE", "sqlite:///env.db").args(["--store", "postgres://pbx@db/pbx"]));
    assert!(both.contains("postgres://pbx@db:5432/pbx"), "{both}");
}

/// Everybody on the machine sees a command line; the environment and the file are pbxd's own.
#[test]
fn a_password_is_not_taken_from_the_command_line() {
    let daemon = Daemon::new();
    for url in
        ["postgres://pbx:hush@db/pbx", "postgresql://pbx@db/pbx?sslmode=require&password=hush", "mysql://a:hush@db"]
    {
        for flag in [vec!["--store".to_owned(), url.to_owned()], vec![format!("--store={url}")]] {
            let refused = daemon.command().args(flag).output().unwrap();
            let (out, err) = (text(&refused.stdout), text(&refused.stderr));
            assert_eq!(refused.status.code(), Some(64), "{out}{err}");
            assert!(
                err.contains("list of processes") && err.contains("pbxd.toml") && err.contains("PBXD_STORE"),
                "{err}"
            );
            assert!(!out.contains("hush") && !err.contains("hush"), "{out}{err}");
        }
    }
    let taken =
        daemon.command().env("PBXD_STORE", "postgres://pbx:hush@db/pbx").arg("--check-config").output().unwrap();
    let (out, err) = (text(&taken.stdout), text(&taken.stderr));
    assert!(out.contains("postgres://pbx@db:5432/pbx") && !(out + &err).contains("hush"), "{err}");
    for url in ["postgres://pbx@db:5433/pbx", "postgres:///pbx?host=/run/postgresql", "sqlite:///var/lib/a:b@c.db"] {
        let taken = daemon.command().args(["--check-config", "--store", url]).output().unwrap();
        assert_ne!(taken.status.code(), Some(64), "{}", text(&taken.stderr));
    }
}

#[tokio::test]
async fn it_starts_answers_reloads_and_stops() {
    let mut daemon = Daemon::new();
    let systemd = daemon.start();
    let mut health = daemon.client().health().await.unwrap();
    assert_eq!((health.revision, health.objects, health.asterisk.connected), (None, 0, false));
    // The first try to reach Asterisk ends when it ends; then health says why it failed.
    let until = Instant::now() + SOON;
    while health.asterisk.error.is_none() {
        assert!(Instant::now() < until, "{health:?}");
        tokio::task::yield_now().await;
        health = daemon.client().health().await.unwrap();
    }

    // A second one on the same socket is refused, and does the first no harm.
    let second = daemon.command().output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(text(&second.stderr).contains("another pbxd answers"), "{}", text(&second.stderr));
    daemon.client().health().await.unwrap();

    // A broken file is not taken at a reload; a good one is.
    let good = fs::read_to_string(daemon.path("pbxd.toml")).unwrap();
    for (content, expected) in
        [("socket = 1".to_owned(), "was not taken"), (good.replace("port = 1", "port = 2"), "was read again")]
    {
        fs::write(daemon.path("pbxd.toml"), content).unwrap();
        daemon.signal("HUP");
        assert!(told(&systemd).starts_with("RELOADING=1"));
        assert_eq!(told(&systemd), "READY=1");
        assert!(daemon.log().contains(expected), "{}", daemon.log());
    }
    assert!(daemon.client().health().await.unwrap().asterisk.address.ends_with(":2"));

    daemon.signal("TERM");
    assert_eq!(told(&systemd), "STOPPING=1");
    assert_eq!(daemon.ended(), Some(0));
    assert!(!daemon.path("pbxd.sock").exists(), "the socket is left behind");
    assert!(matches!(daemon.client().health().await, Err(ClientError::Unreachable { .. })));
    assert!(!daemon.log().contains("never-shown"));
}

/// Sends what it is told over the socket; the status and the whole answer.
fn raw(daemon: &Daemon, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
    let mut stream = UnixStream::connect(daemon.path("pbxd.sock")).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let length = body.len();
    // In one piece: pbxd may close once it has heard enough to refuse.
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

#[test]
fn refusals_are_what_the_api_says_they_are() {
    let mut daemon = Daemon::new();
    daemon.start();
    let json = "Content-Type: application/json\r\n";
    for (method, path, headers, body) in [
        ("POST", "/v1/plans", "", "{}"),
        ("POST", "/v1/plans", json, "{\"set\":"),
        ("POST", "/v1/plans", json, "{\"set\":5}"),
        ("GET", "/v1/revisions?limit=abc", "", ""),
        ("GET", "/v1/objects/extension/%ff", "", ""),
        ("DELETE", "/v1/objects", "", ""),
    ] {
        let (status, answer) = raw(&daemon, method, path, headers, body);
        let told: ErrorBody = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).expect(&answer);
        assert_eq!((status, told.code), (400, ErrorCode::BadRequest), "{method} {path} {body}");
    }
}

#[tokio::test]
async fn nobody_takes_the_socket_from_the_others_or_holds_up_a_stop() {
    let mut daemon = Daemon::new();
    daemon.start();
    // Whoever asks nothing has it closed in the end, and others are answered meanwhile.
    let open = |_| UnixStream::connect(daemon.path("pbxd.sock")).unwrap();
    let mut idle: Vec<UnixStream> = (0..600).map(open).collect();
    let last = idle.last_mut().unwrap();
    last.set_read_timeout(Some(SOON)).unwrap();
    assert_eq!(last.read(&mut [0]).unwrap(), 0, "one too many is closed");
    drop(idle);
    let until = Instant::now() + SOON;
    while daemon.client().health().await.is_err() {
        assert!(Instant::now() < until, "{}", daemon.log());
    }
    assert!(daemon.log().contains("too many connections"), "{}", daemon.log());

    let mut half = UnixStream::connect(daemon.path("pbxd.sock")).unwrap();
    half.write_all(b"GET /v1/he").unwrap();
    let begin = Instant::now();
    daemon.signal("TERM");
    assert_eq!(daemon.ended(), Some(0));
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn without_asterisk_nothing_changes_unless_files_alone_are_asked_for() {
    let mut daemon = Daemon::new();
    daemon.start();
    let client = daemon.client();
    let plan = client.plan(&one_extension()).await.unwrap();
    let mut events = client.apply(&plan.id, &ApplyRequest::default()).await.unwrap();
    match events.next().await.unwrap() {
        Some(Event::Error(error)) => assert_eq!(error.code, ErrorCode::AsteriskUnreachable),
        other => panic!("{other:?}"),
    }
    assert!(!daemon.path("asterisk/pbx.d").exists(), "files were written");
    assert_eq!(client.revisions(10, None).await.unwrap().revisions.len(), 0);

    // The plan was not used up by that; it is now.
    let mut events =
        client.apply(&plan.id, &ApplyRequest { no_reload: true, ..ApplyRequest::default() }).await.unwrap();
    let mut last = None;
    while let Some(event) = events.next().await.unwrap() {
        last = Some(event);
    }
    let Some(Event::Outcome(outcome)) = last else { panic!("{last:?}") };
    assert_eq!((outcome.result, outcome.live), (OutcomeResult::Written, Some(1)));
    match client.apply(&plan.id, &ApplyRequest::default()).await {
        Err(ClientError::Refused(error)) => assert_eq!(error.code, ErrorCode::Stale),
        other => panic!("{other:?}"),
    }
    let written = fs::read_to_string(daemon.path("asterisk/pbx.d/current/pjsip.conf")).unwrap();
    assert!(written.contains("[1001](pbx-phone)"), "{written}");

    // It is all there after a restart, the password included.
    daemon.signal("TERM");
    assert_eq!(daemon.ended(), Some(0));
    daemon.start();
    let again = daemon.client().plan(&one_extension()).await.unwrap();
    assert!(again.changes.is_empty() && again.files.is_empty(), "{again:?}");
    // Asterisk was never asked: everything would be reloaded and read back.
    assert_eq!(again.reloads.len(), 8, "{again:?}");
}

#[test]
fn a_second_one_on_the_same_store_is_refused_by_name() {
    let mut daemon = Daemon::new();
    daemon.start();
    let first = daemon.child.as_ref().unwrap().id();
    let output = daemon.command().arg("--socket").arg(daemon.path("second.sock")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = text(&output.stderr);
    let folder = daemon.path("asterisk").display().to_string();
    for part in ["another pbxd has this store", &format!("process {first} on "), &folder] {
        assert!(message.contains(part), "{part}: {message}");
    }
    // Killed, it owns nothing any more.
    daemon.signal("KILL");
    daemon.ended();
    daemon.start();
}

#[test]
fn a_database_of_a_newer_version_is_refused_by_name() {
    let mut daemon = Daemon::new();
    daemon.start();
    daemon.signal("TERM");
    assert_eq!(daemon.ended(), Some(0));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(newer(&daemon.path("pbxd.db")));
    let output = daemon.command().output().unwrap();
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("9999 (from the future)"), "{message}");
}

/// Leaves the trace of a migration that this version does not have.
async fn newer(path: &Path) {
    let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'from the future', 1, x'00', 0)",
    )
    .execute(&pool)
    .await
    .unwrap();
    pool.close().await;
}
