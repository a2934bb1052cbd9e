//! The real binary, from the outside: what it writes to both streams, and how it ends.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops there")]

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use insta::assert_snapshot;

/// A folder of its own, and a command line in it.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn write(&self, name: &str, text: &str) -> &Self {
        let path = self.folder.path().join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
        self
    }

    fn command(&self, line: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pbxctl"));
        command
            .args(line)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("TZ", "Europe/Lisbon")
            .env("PBXCTL_SOCKET", self.folder.path().join("pbxd.sock"))
            .stdin(Stdio::null());
        command
    }

    /// Everything that can be seen of a command.
    fn run(&self, line: &[&str]) -> String {
        self.shown(&self.command(line).output().unwrap())
    }

    fn run_with_input(&self, line: &[&str], input: &str) -> String {
        let mut child =
            self.command(line).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        self.shown(&child.wait_with_output().unwrap())
    }

    /// What is seen on a terminal on which somebody types.
    fn run_on_terminal(&self, line: &[&str], typed: &str) -> String {
        let mut child = self.on_terminal(&mut self.command(line), typed);
        let status = child.0.wait().unwrap();
        format!("{}[exit {}]\n", child.1.join().unwrap(), status.code().unwrap())
    }

    /// Starts a command on a terminal; what it writes comes when everybody has left the terminal.
    fn on_terminal(
        &self,
        command: &mut Command,
        typed: &str,
    ) -> (std::process::Child, std::thread::JoinHandle<String>) {
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        let theirs = fs_err::OpenOptions::new().read(true).write(true).open(name).unwrap().into_parts().0;
        let mut ours = std::fs::File::from(ours);
        ours.write_all(typed.as_bytes()).unwrap();
        let child = command
            .stdin(theirs.try_clone().unwrap())
            .stdout(theirs.try_clone().unwrap())
            .stderr(theirs)
            .spawn()
            .unwrap();
        // The command line that was built keeps its ends of the terminal open.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let place = self.folder.path().display().to_string();
        let read = std::thread::spawn(move || {
            let mut all = Vec::new();
            let mut buffer = [0; 4096];
            // A terminal that everybody has left is an error, and not an end.
            while let Ok(count @ 1..) = ours.read(&mut buffer) {
                all.extend_from_slice(&buffer[..count]);
            }
            String::from_utf8_lossy(&all).replace("\r\n", "\n").replace(&place, "[PLACE]")
        });
        (child, read)
    }

    fn shown(&self, output: &Output) -> String {
        shown(output).replace(&self.folder.path().display().to_string(), "[PLACE]")
    }
}

fn shown(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.stderr.is_empty() {
        text.push_str("------- stderr -------\n");
        text.push_str(&String::from_utf8_lossy(&output.stderr));
    }
    match output.status.code() {
        Some(code) => writeln!(text, "[exit {code}]").unwrap(),
        None => writeln!(text, "[{}]", output.status).unwrap(),
    }
    text
}

const GOOD: &str = "apiVersion: pbx/v1
kind: Extension
metadata: { name: \"1001\", labels: { team: sales } }
spec: { displayName: Ana Reyes }
---
kind: Extension
metadata: { name: \"1002\" }
spec: { displayName: Rui Costa, noAnswer: extension/1001 }
";

const BAD: &str = "apiVersion: pbx/v1
kind: Extension
metadata: { name: \"1001\" }
spec: { displyName: Ana Reyes }
";

const BAD_JSON: &str = r#"[{"apiVersion":"pbx/v1","kind":"Extension","metadata":{"name":"1001"},"spec":{"displayName":"Ana"}},
{"apiVersion":"pbx/v1","kind":"Extension","metadata":{"name":"1002"},"spec":{"displyName":"Rui","email":"a@b.cc"}}]
"#;

/// Every file of `tests/bad` and the words that answer it, in the `.txt` beside it; `PBXCTL_BLESS=1` writes those anew.
#[test]
fn every_bad_manifest_gets_its_words() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad");
    let mut cases: Vec<PathBuf> = fs_err::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml" || ending == "csv"))
        .collect();
    cases.sort();
    assert!(cases.len() >= 70, "only {} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let name = case.file_name().unwrap().to_str().unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_pbxctl"))
            .args(["validate", "-f", name])
            .current_dir(&folder)
            .env_clear()
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let words = shown(&output);
        let expected = case.with_extension("txt");
        if std::env::var_os("PBXCTL_BLESS").is_some() {
            fs_err::write(&expected, &words).unwrap();
        } else if fs_err::read_to_string(&expected).unwrap_or_default() != words {
            wrong.push(format!("{name} says now:\n{words}"));
        }
    }
    assert!(wrong.is_empty(), "PBXCTL_BLESS=1 accepts these:\n\n{}", wrong.join("\n"));
}

#[test]
fn alone_it_shows_help() {
    let place = Place::new();
    assert_snapshot!(place.run(&[]));
    assert!(place.run(&["--help"]).ends_with("[exit 0]\n"));
    assert!(place.run(&["--version"]).starts_with("pbxctl 0."));
}

#[test]
fn every_verb_has_help_with_examples() {
    let place = Place::new();
    let mut all = String::new();
    for verb in pbxctl::command().get_subcommands().map(clap_name) {
        let help = place.run(&[&verb, "--help"]);
        assert!(help.contains("Examples:") && help.ends_with("[exit 0]\n"), "{verb}: {help}");
        writeln!(all, "$ pbxctl {verb} --help\n{help}").unwrap();
    }
    assert_snapshot!(all);
}

fn clap_name(command: &clap::Command) -> String {
    command.get_name().to_owned()
}

#[test]
fn wrong_usage_ends_with_64() {
    let place = Place::new();
    place.write("night.plan", "{\n  \"format\": \"pbx/plan/v1\",\n  \"set\": \"default\"\n}\n");
    let mut all = String::new();
    for line in [
        &["aply"][..],
        &["get"],
        &["get", "extenions"],
        &["get", "ext", "ana"],
        &["get", "ext", "1000-1003"],
        &["get", "ext", "-o", "xml"],
        &["get", "ext", "-l", "team"],
        &["get", "ext", "-l", "team!=sales"],
        &["export", "-l", "team==sales"],
        &["extension", "disable", "-l", "Team=sales", "--yes"],
        &["get", "all", "1001"],
        &["edit", "settings"],
        &["delete", "all", "--yes"],
        &["extension", "set", "2000", "=", "--yes"],
        &["extension", "passwd", "2000", "secret99", "--yes"],
        &["extension", "passwd", "2000", "12345678", "--yes"],
        &["plan", "-f", "night.plan"],
        &["describe", "ext"],
        &["diff"],
        &["diff", "--to", "3"],
        &["apply"],
        &["apply", "-f", "good.yaml", "--yes", "--confirm-within", "0s"],
        &["plan", "-f", "good.yaml", "--set", "Bad Set"],
        &["history", "one"],
        &["explain", "extension.callForward.bussy"],
        &["explain", "extension.displayName.first"],
        &["schema", "quue"],
        &["completion", "tcsh"],
        &["aply", "-o", "json"],
        &["get", "extenions", "-o", "json"],
    ] {
        let said = place.run(line);
        assert!(said.ends_with("[exit 64]\n"), "{line:?}: {said}");
        writeln!(all, "$ pbxctl {}\n{said}", line.join(" ")).unwrap();
    }
    assert_snapshot!(all);
}

#[test]
fn the_examples_are_right() {
    let place = Place::new();
    for example in ["small-office", "bulk", "call-center"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(example);
        let said = place.run(&["validate", "--strict", "-f", folder.to_str().unwrap()]);
        assert!(said.contains("nothing wrong") && said.contains("[exit 0]"), "{example}: {said}");
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/call-center");
    let said = place.run(&["test", "--coverage", "--coverage-min", "90%", "-f", folder.to_str().unwrap()]);
    assert!(said.contains("all passed") && said.contains("[exit 0]"), "{said}");
}

#[test]
fn inputs_are_read_or_refused() {
    let place = Place::new();
    place.write("good.yaml", GOOD).write("bad.yaml", BAD).write("folder/a.yaml", GOOD).write("folder/.b.yaml", BAD);
    place.write("none/readme.txt", "hello").write("blank.yaml", "# nothing\n").write("list.csv", "kind,name\n");
    place.write("list.json", "[]").write("office.json", BAD_JSON).write("sheet.ods", "");
    let mut all = String::new();
    for line in [
        &["validate", "-f", "good.yaml"][..],
        &["validate", "-f", "bad.yaml"],
        &["validate", "-f", "folder"],
        &["validate", "-f", "*.yaml"],
        &["validate", "-f", "none"],
        &["validate", "-f", "blank.yaml"],
        &["validate", "-f", "missing.yaml"],
        &["validate", "-f", "x*.yaml"],
        &["validate", "-f", "list.csv"],
        &["validate", "-f", "list.json"],
        &["validate", "-f", "office.json"],
        &["validate", "-f", "sheet.ods"],
        &["validate", "-f", "good.yaml", "-o", "json"],
        &["validate", "-f", "bad.yaml", "-o", "json"],
        &["validate", "-f", "missing.yaml", "-o", "json"],
        &["plan", "-f", "bad.yaml"],
        &["plan", "-f", "blank.yaml"],
        &["plan", "-f", "none", "-o", "json"],
        &["apply", "--yes", "-f", "blank.yaml"],
        &["delete", "-f", "blank.yaml", "--yes"],
    ] {
        writeln!(all, "$ pbxctl {}\n{}", line.join(" "), place.run(line)).unwrap();
    }
    for (name, text) in [("bad.yaml", BAD), ("office.json", BAD_JSON)] {
        let said = place.run_with_input(&["validate", "-f", "-"], text);
        writeln!(all, "$ pbxctl validate -f - < {name}\n{said}").unwrap();
    }
    assert_snapshot!(all);
}

#[test]
fn warnings_pass_unless_strict() {
    let place = Place::new();
    place.write("a.yaml", &GOOD.replace("Ana Reyes }", "Ana Reyes, password: hunter22 }"));
    assert_snapshot!(format!(
        "{}\n{}",
        place.run(&["validate", "-f", "a.yaml"]),
        place.run(&["validate", "-f", "a.yaml", "--strict"])
    ));
    place.write(
        "a.yaml",
        &GOOD.replace("Ana Reyes }", "Ana Reyes, password: h2, voicemail: { enabled: true, pin: \"1001\" } }"),
    );
    assert_snapshot!("a_secret_that_is_soon_guessed", place.run(&["validate", "-f", "a.yaml", "--strict"]));
}

#[test]
fn without_asterisk_it_says_where_one_comes_from() {
    let place = Place::new();
    let nowhere = ["--asterisk-conf", "none/asterisk.conf", "--pbxd-config", "none.toml"];
    for verb in [&["setup", "--yes"][..], &["doctor"]] {
        let said = place.run(&[verb, &nowhere].concat());
        assert!(said.contains("there is no Asterisk here: none/asterisk.conf does not exist"), "{said}");
        assert!(said.contains("Debian 12 has none") && !said.contains("apt install asterisk"), "{said}");
    }
}

#[test]
fn without_pbxd_it_says_what_to_do() {
    let place = Place::new();
    place.write("good.yaml", GOOD);
    let mut all = String::new();
    for line in [
        &["get", "extensions"][..],
        &["get", "extension/1001", "-o", "json"],
        &["describe", "extension/1001"],
        &["export"],
        &["history"],
        &["plan", "-f", "good.yaml"],
        &["diff", "-f", "good.yaml", "-o", "json"],
        &["apply", "-f", "good.yaml", "--yes"],
        &["delete", "extension/1001", "--yes"],
        &["rollback", "1", "--yes"],
        &["edit", "extension/1001", "--yes"],
    ] {
        let said = place.run(line);
        assert!(said.ends_with("[exit 6]\n"), "{line:?}: {said}");
        writeln!(all, "$ pbxctl {}\n{said}", line.join(" ")).unwrap();
    }
    assert_snapshot!(all);
}

#[test]
fn a_pipe_is_never_asked() {
    let place = Place::new();
    let _fake = Fake::start(&place, ALL);
    place.write("good.yaml", GOOD);
    let mut all = String::new();
    for line in [
        &["apply", "-f", "good.yaml"][..],
        &["delete", "extension/1001"],
        &["rollback", "1"],
        &["edit", "extension/1001"],
        &["apply", "-f", "good.yaml", "-o", "json"],
    ] {
        let said = place.run(line);
        assert!(said.ends_with("[exit 64]\n"), "{line:?}: {said}");
        writeln!(all, "$ pbxctl {}\n{said}", line.join(" ")).unwrap();
    }
    assert_snapshot!(all);
}

#[test]
fn secrets_are_read_here_and_never_shown() {
    let place = Place::new();
    place.write(
        "office/a.yaml",
        "apiVersion: pbx/v1
kind: Extension
metadata: { name: \"1001\" }
spec:
  password: { env: PBX_NOT_SET }
  voicemail: { enabled: true, pin: { file: pin } }
---
kind: Extension
metadata: { name: \"1002\" }
spec:
  password: { file: nowhere }
",
    );
    place.write("office/pin", "12\n");
    let said = place.run(&["plan", "-f", "office"]);
    assert!(said.ends_with("[exit 1]\n"));
    assert_snapshot!(said);
}

#[test]
fn a_reader_that_leaves_ends_nothing_badly() {
    let place = Place::new();
    let mut child = place.command(&["schema"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
    let full = fs_err::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = place.command(&["schema"]).stdout(full.into_parts().0).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("No space left"));
}

#[test]
fn what_needs_no_pbxd_needs_none() {
    let place = Place::new();
    place.write("good.yaml", GOOD);
    assert_snapshot!("explain", place.run(&["explain"]));
    assert_snapshot!("explain-did", place.run(&["explain", "did"]));
    assert_snapshot!("explain-field", place.run(&["explain", "ext.callForward.busy"]));
    assert_snapshot!("explain-secret", place.run(&["explain", "extension.password"]));
    assert_snapshot!("explain-permission", place.run(&["explain", "route.permission"]));
    assert_snapshot!("explain-nested", place.run(&["explain", "carrier.registration"]));
    assert_snapshot!("explain-values", place.run(&["explain", "queue.joinEmpty"]));
    assert_snapshot!("explain-names", place.run(&["explain", "ivr.nodes"]));
    assert!(place.run(&["schema", "extension"]).contains("\"const\": \"Extension\""));
    assert!(place.run(&["schema", "--all"]).contains("\"oneOf\""));
    assert!(place.run(&["completion", "bash"]).contains("pbxctl"));
    let rendered = place.run(&["render", "-f", "good.yaml"]);
    assert!(rendered.contains(";;;; pjsip.conf") && rendered.ends_with("[exit 0]\n"), "{rendered}");
    let written = place.run(&["render", "-f", "good.yaml", "-o", "out"]);
    assert!(place.folder.path().join("out/extensions.conf").exists(), "{written}");
}

/// A pbxd that answers what it was told to, and keeps what it was asked.
struct Fake {
    asked: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
}

impl Fake {
    /// Answers the first of `answers` whose words the request's line starts with: status, body.
    fn start(place: &Place, answers: &'static [(&'static str, u16, &'static str)]) -> Self {
        let listener = UnixListener::bind(place.folder.path().join("pbxd.sock")).unwrap();
        let asked = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let kept = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut request = Vec::new();
                let mut buffer = [0; 8192];
                let (head, length) = loop {
                    let count = stream.read(&mut buffer).unwrap_or(0);
                    request.extend_from_slice(&buffer[..count]);
                    let text = String::from_utf8_lossy(&request).to_lowercase();
                    if let Some(end) = text.find("\r\n\r\n") {
                        let length =
                            text.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
                        break (end + 4, length.unwrap_or(0));
                    }
                    if count == 0 {
                        return;
                    }
                };
                while request.len() < head + length {
                    let count = stream.read(&mut buffer).unwrap_or(0);
                    request.extend_from_slice(&buffer[..count]);
                }
                let text = String::from_utf8_lossy(&request).into_owned();
                kept.lock().unwrap().push(text.clone());
                let (status, body) = answers.iter().find(|(words, _, _)| text.starts_with(words)).map_or(
                    (404, "{\"code\":\"notFound\",\"message\":\"there is no such thing\"}"),
                    |(_, status, body)| (*status, *body),
                );
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        Self { asked }
    }

    fn bodies(&self, words: &str) -> Vec<serde_json::Value> {
        let asked = self.asked.lock().unwrap();
        let bodies = asked.iter().filter(|text| text.starts_with(words));
        bodies.map(|text| serde_json::from_str(text.split("\r\n\r\n").nth(1).unwrap()).unwrap()).collect()
    }
}

const ANA: &str = r#"{"object":"extension/1001","labels":{"team":"sales"},"spec":{"displayName":"Ana Reyes","voicemail":{"enabled":true},"password":{"generate":true}},
"effective":{"enabled":true,"displayName":"Ana Reyes","callerId":{},"password":{"generate":true},"callForward":{},"doNotDisturb":false,"voicemail":{"enabled":true,"pin":{"generate":true}}},
"owner":"default","owners":{"spec.displayName":"manual"},"revision":7}"#;

const LIST: &str = r#"{"revision":7,"objects":[
{"object":"extension/1001","labels":{"team":"sales"},"spec":{"displayName":"Ana Reyes"},"effective":{"enabled":true,"displayName":"Ana Reyes","profile":"desk"},"owner":"default","revision":7},
{"object":"extension/1002","spec":{"displayName":"Rui Costa","codecs":["alaw","ulaw"]},"effective":{"enabled":false,"displayName":"Rui Costa","codecs":["alaw","ulaw"]},"owner":"default","revision":7},
{"object":"group/sales","spec":{"members":["1001","1002"]},"effective":{"enabled":true,"strategy":"ringAll","members":["1001","1002"],"timeout":"20s"},"owner":"default","revision":6}
]}"#;

const PLAN: &str = r#"{"id":"p1","base":6,"unchanged":12,
"changes":[
{"object":"extension/1001","action":"update","fields":[{"path":"spec.displayName","before":"Ana","after":"Ana Reyes"},{"path":"spec.noAnswer","before":"hangup"},{"path":"spec.password","secret":true}]},
{"object":"extension/1002","action":"create","fields":[{"path":"metadata.labels.team","after":"sales"},{"path":"spec.codecs","after":["alaw","ulaw"]},{"path":"spec.password","after":{"generate":true}}]},
{"object":"group/old","action":"delete","fields":[]}],
"files":[{"name":"pjsip.conf","action":"change","added":12,"removed":3,"diff":"@@ -1 +1 @@\n-callerid=Ana\n+callerid=Ana Reyes\n"},{"name":"extensions.conf","action":"change","added":2,"removed":0,"diff":""}],
"reloads":[{"module":"pbx_config.so","files":["extensions.conf"]},{"module":"res_pjsip.so","files":["pjsip.conf"]}],
"blast":{"effects":["Telephones that change register anew at their next turn."],"activeCalls":2,"registeredPhones":1},
"diagnostics":[{"severity":"warning","code":"disabled-reference","message":"extension `1001` is turned off","object":"extension/1002","path":"spec.noAnswer","help":["set `enabled: true`"]}]}"#;

const EMPTY_PLAN: &str = r#"{"id":"p2","base":7,"changes":[],"unchanged":14,"files":[],"reloads":[],"blast":{"effects":[]},"diagnostics":[]}"#;

const HEALTH: &str = r#"{"version":"0.1.0","revision":7,"objects":14,"store":"sqlite","asterisk":{"connected":true,"address":"127.0.0.1:5038","configDir":"/etc/asterisk"},"you":"ana"}"#;

const WAITING: &str = r#"{"version":"0.1.0","revision":7,"objects":14,"store":"sqlite","asterisk":{"connected":true,"address":"127.0.0.1:5038","configDir":"/etc/asterisk"},"you":"ana",
"unconfirmed":{"revision":7,"base":6,"by":"ana","until":"2026-07-01T08:35:00Z"}}"#;

const APPLIED: &str = r#"{"progress":{"step":"stage","what":"pjsip.conf","done":1,"total":2}}
{"outcome":{"revision":7,"result":"applied","live":7,"verified":{"sipObjects":12,"contexts":4,"mailboxes":0},"changed":3,"milliseconds":812}}
"#;

const ROLLED_BACK: &str = r#"{"progress":{"step":"verify","done":1,"total":2}}
{"outcome":{"revision":7,"result":"rolledBack","live":6,"failures":[{"object":"extension/1002","file":"pjsip.conf","line":214,"message":"Asterisk has no endpoint `1002`","asterisk":["ERROR: Could not create an object of type 'endpoint' with id '1002'"]}],"verified":{"sipObjects":0,"contexts":0,"mailboxes":0},"changed":3,"milliseconds":1500}}
"#;

const REVISION: &str = r#"{"id":7,"base":6,"at":"2026-07-01T08:30:00Z","actor":"ana","set":"default","source":{"files":["office/a.yaml"],"commit":"0123456789abcdef0123","dirty":true,"command":"pbxctl apply -f office"},"message":"Ana moves","state":"committed","created":1,"updated":1,"deleted":1,"live":true}"#;

const REVISIONS: &str = r#"{"revisions":[
{"id":3,"base":2,"at":"2026-07-01T08:35:00Z","actor":"pbxd","set":"manual","source":{},"message":"Back to revision 1: nobody confirmed it within 300 s","state":"committed","created":0,"updated":1,"deleted":0,"live":true},
{"id":2,"base":1,"at":"2026-07-01T08:30:00Z","actor":"ana","set":"default","source":{},"state":"committed","detail":"gone back from in revision 3: nobody confirmed it within 300 s","created":0,"updated":1,"deleted":0,"live":false},
{"id":1,"at":"2026-07-01T08:20:00Z","actor":"ana","set":"default","source":{},"state":"committed","detail":"confirmed by ana","created":2,"updated":0,"deleted":0,"live":false}]}"#;

const ALL: &[(&str, u16, &str)] = &[
    ("GET /v1/objects/extension/1001", 200, ANA),
    ("GET /v1/objects/extension/9", 404, r#"{"code":"notFound","message":"there is no extension `9`"}"#),
    ("GET /v1/objects", 200, LIST),
    ("POST /v1/plans/p1/apply", 200, APPLIED),
    ("POST /v1/plans", 200, PLAN),
    (
        "GET /v1/revisions/7/changes",
        200,
        r#"{"from":6,"to":7,"changes":[{"object":"group/old","action":"delete","fields":[]}]}"#,
    ),
    ("GET /v1/revisions/7", 200, REVISION),
    (
        "GET /v1/revisions/8",
        404,
        r#"{"code":"notFound","message":"there is no revision 8","help":["`pbxctl history` lists them"]}"#,
    ),
];

#[test]
fn objects_are_listed_in_every_form() {
    let place = Place::new();
    let _fake = Fake::start(&place, ALL);
    let mut all = String::new();
    for line in [
        &["get", "extensions"][..],
        &["get", "ext,group"],
        &["get", "ext", "-o", "wide"],
        &["get", "all", "-o", "name"],
        &["get", "ext", "-o", "yaml"],
        &["get", "all", "-o", "csv"],
        &["get", "ext", "1001", "-o", "json"],
        &["get", "carriers"],
        &["get", "ext", "9991"],
        &["get", "ext", "9991", "-o", "json"],
        &["describe", "extension/1001"],
        &["export"],
        &["export", "groups", "-o", "json"],
        &["export", "--out", "out"],
    ] {
        writeln!(all, "$ pbxctl {}\n{}", line.join(" "), place.run(line)).unwrap();
    }
    assert_snapshot!(all);
    // Of this group nobody knows who calls it.
    let validated = place.run(&["validate", "-f", "out"]);
    assert!(validated.ends_with("------- stderr -------\n3 objects in 2 files: 1 warning.\n[exit 0]\n"), "{validated}");
}

#[test]
fn plans_and_their_outcomes() {
    let place = Place::new();
    place.write("good.yaml", &GOOD.replace("Ana Reyes }", "Ana Reyes, password: hunter22 }"));
    let fake = Fake::start(&place, ALL);
    let mut all = String::new();
    for line in [
        &["plan", "-f", "good.yaml"][..],
        &["plan", "-f", "good.yaml", "--diff", "-o", "wide"],
        &["plan", "-f", "good.yaml", "-o", "name"],
        &["diff", "-f", "good.yaml"],
        &["diff", "--from", "6", "--to", "7"],
        &["apply", "-f", "good.yaml", "--yes", "-m", "Ana moves"],
        &["delete", "extension/1001", "--yes"],
        &["history", "7"],
        &["history", "8"],
    ] {
        writeln!(all, "$ pbxctl {}\n{}", line.join(" "), place.run(line)).unwrap();
    }
    assert!(!all.contains("hunter22") || !all.replace("password: hunter22", "").contains("hunter22"), "{all}");
    assert_snapshot!(all);
    let asked = &fake.bodies("POST /v1/plans HTTP")[0];
    assert_eq!(asked["set"], "default");
    assert_eq!(asked["declarations"][0]["secrets"]["password"], "hunter22");
    assert_eq!(asked["declarations"][0]["declaration"]["spec"]["password"], serde_json::json!({ "stored": true }));
    assert_eq!(asked["source"]["files"], serde_json::json!(["good.yaml"]));
    let json: serde_json::Value = serde_json::from_slice(
        &place.command(&["apply", "-f", "good.yaml", "--yes", "-o", "json"]).output().unwrap().stdout,
    )
    .unwrap();
    assert_eq!(json["outcome"]["revision"], 7);
}

#[test]
fn an_empty_plan_asks_nothing() {
    let place = Place::new();
    place.write("good.yaml", GOOD);
    let _fake = Fake::start(&place, &[("POST /v1/plans", 200, EMPTY_PLAN), ("GET /v1/health", 200, HEALTH)]);
    assert_snapshot!(
        format!(
            "{}{}{}",
            place.run(&["plan", "-f", "good.yaml"]),
            place.run(&["diff", "-f", "good.yaml"]),
            place.run(&["apply", "-f", "good.yaml", "--yes"])
        ),
        @r"
    No changes: 14 objects stay as they are.
    [exit 0]
    [exit 0]
    Nothing to change.
    [exit 0]
    "
    );
}

#[test]
fn what_waits_for_its_confirmation_is_not_done() {
    let place = Place::new();
    place.write("good.yaml", GOOD);
    let fake = Fake::start(&place, &[("POST /v1/plans", 200, EMPTY_PLAN), ("GET /v1/health", 200, WAITING)]);
    let apply = ["apply", "-f", "good.yaml", "--yes"];
    assert_snapshot!(format!("{}{}", place.run(&apply), place.run(&[&apply[..], &["-o", "json"]].concat())));
    assert_eq!(fake.bodies("POST /v1/plans HTTP").len(), 2);
}

#[test]
fn a_revision_that_was_taken_back_is_not_called_applied() {
    let place = Place::new();
    let _fake = Fake::start(
        &place,
        &[("GET /v1/revisions?limit=20&before=1 ", 200, "{\"revisions\":[]}"), ("GET /v1/revisions", 200, REVISIONS)],
    );
    assert_snapshot!(format!("{}{}", place.run(&["history"]), place.run(&["history", "--before", "1"])));
}

#[test]
fn only_a_whole_yes_is_a_yes() {
    let place = Place::new();
    place.write("good.yaml", GOOD);
    let fake = Fake::start(&place, ALL);
    let line = ["--color", "never", "--no-progress", "apply", "-f", "good.yaml"];
    for no in ["maybe\n", "n\n", "\n", "yeah\n", "yes please\n"] {
        let said = place.run_on_terminal(&line, no);
        assert!(said.contains("Apply this plan? [y/N]") && said.contains("nothing was changed"), "{no:?}: {said}");
        assert!(said.ends_with("[exit 1]\n"), "{no:?}: {said}");
    }
    let said = place.run_on_terminal(&line, "\u{4}");
    assert!(said.contains("no answer") && said.ends_with("[exit 1]\n"), "{said}");
    assert_eq!(fake.bodies("POST /v1/plans/p1/apply").len(), 0);
    for (yes, count) in [("y\n", 1), ("yes\n", 2), ("Yes\n", 3)] {
        let said = place.run_on_terminal(&line, yes);
        assert!(said.contains("Applied revision 7") && said.ends_with("[exit 0]\n"), "{said}");
        assert_eq!(fake.bodies("POST /v1/plans/p1/apply").len(), count);
    }
}

#[test]
fn what_asterisk_refuses_is_said_in_its_own_words() {
    let place = Place::new();
    place.write("good.yaml", GOOD);
    let _fake = Fake::start(&place, &[("POST /v1/plans/p1/apply", 200, ROLLED_BACK), ("POST /v1/plans", 200, PLAN)]);
    let said = place.run(&["apply", "-f", "good.yaml", "--yes"]);
    assert!(said.ends_with("[exit 4]\n"));
    assert_snapshot!(format!("{said}{}", place.run(&["apply", "-f", "good.yaml", "--yes", "-o", "json"])));
}

#[test]
fn refusals_of_pbxd_have_places_and_exits() {
    let mut all = String::new();
    for (body, exit) in [
        (
            r#"{"code":"invalid","message":"the system would have 1 error","diagnostics":[{"severity":"error","code":"missing-reference","message":"there is no profile `dekc`","object":"extension/1002","path":"spec.noAnswer","help":["did you mean `desk`?"]},{"severity":"error","code":"missing-reference","message":"there is no extension `1001`","object":"group/sales","path":"spec.members[0]"}]}"#,
            1,
        ),
        (r#"{"code":"notAllowed","message":"`rui` may not make plans"}"#, 3),
        (
            r#"{"code":"conflict","message":"1 field belongs to another set","diagnostics":[{"severity":"error","code":"conflict","message":"`default` wants `Ana Reyes` here, but `manual` has set `Ana`","object":"extension/1001","path":"spec.displayName"}]}"#,
            5,
        ),
        (r#"{"code":"busy","message":"`ana` is applying revision 7 since 10:31"}"#, 5),
        (
            r#"{"code":"limit","message":"this would delete 8 of 10 extensions","help":["if that is meant, add `--allow-deletes 8`"]}"#,
            7,
        ),
        (r#"{"code":"asteriskUnreachable","message":"Asterisk does not answer at 127.0.0.1:5038"}"#, 6),
        ("not json", 1),
    ] {
        let place = Place::new();
        place.write("good.yaml", GOOD);
        let answers: &'static [(&str, u16, &str)] = Box::leak(Box::new([("POST /v1/plans", 422, body)]));
        let _fake = Fake::start(&place, answers);
        let said = place.run(&["plan", "-f", "good.yaml"]);
        assert!(said.ends_with(&format!("[exit {exit}]\n")), "{said}");
        writeln!(all, "{said}").unwrap();
    }
    assert_snapshot!(all);
}

#[test]
fn an_edit_sends_only_what_was_changed() {
    let place = Place::new();
    let fake = Fake::start(&place, ALL);
    let edit = |editor: &str| {
        place.write("editor", &format!("#!/bin/sh\n{editor}\n"));
        let line = ["edit", "extension/1001", "--yes"];
        let output = place
            .command(&line)
            .env("EDITOR", format!("sh {}/editor", place.folder.path().display()))
            .output()
            .unwrap();
        place.shown(&output)
    };
    assert_eq!(edit("true"), "Nothing was changed.\n[exit 0]\n");
    assert!(edit("exit 3").contains("ended with exit status: 3"));
    let said = edit("sed -i -e 's/Ana Reyes/Ana R. Costa/' -e '/team/d' -e '/labels/d' \"$1\"");
    assert!(said.contains("Applied revision 7"), "{said}");
    let patch = &fake.bodies("POST /v1/plans HTTP")[0];
    assert_eq!(patch["set"], "manual");
    assert_eq!(
        patch["patches"],
        serde_json::json!([{ "object": "extension/1001", "set": { "spec.displayName": "Ana R. Costa" }, "unset": ["metadata.labels.team"] }])
    );
    let said = edit("sed -i 's/displayName/displyName/' \"$1\"");
    assert!(said.contains("did you mean `displayName`?") && said.contains("your text is kept in"), "{said}");
    let said = edit("sed -i 's/\"1001\"/\"1002\"/; s/.1001./\"1002\"/' \"$1\"");
    assert!(said.contains("this was extension/1001, and is now extension/1002"), "{said}");
    let said = edit("sed -i 's/generate: true/env: HOME/' \"$1\"");
    assert!(said.contains("a secret's value is not set by `edit`"), "{said}");
}

/// An editor that nobody holds makes its mistake again and again.
#[test]
fn an_editor_that_mends_nothing_ends_the_edit() {
    let place = Place::new();
    let _fake = Fake::start(&place, ALL);
    let edit = |editor: &str| {
        place.write("editor", &format!("#!/bin/sh\necho x >> runs\n{editor}\n"));
        let mut command = place.command(&["--color", "never", "edit", "extension/1001"]);
        command.env("EDITOR", "sh ./editor");
        let (mut child, said) = place.on_terminal(&mut command, "n\n");
        let status = child.wait().unwrap();
        let runs = fs_err::read_to_string(place.folder.path().join("runs")).unwrap().lines().count();
        fs_err::remove_file(place.folder.path().join("runs")).unwrap();
        (said.join().unwrap(), status.code(), runs)
    };
    for editor in [
        // The words of the mistake are put above the text, and change with it.
        "sed -i 's/displayName/dispName/' \"$1\"",
        "sed -i -e 's/displayName/dispName/' -e '/^#!/d' \"$1\"",
        "sed -i -e 's/displayName/dispName/' -e 's/ *$//' \"$1\"",
    ] {
        let (said, code, runs) = edit(editor);
        assert_eq!((code, runs), (Some(1), 2), "{editor}: {said}");
        assert!(said.contains("unknown field `dispName`"), "{said}");
        let kept = said.split("your text is kept in ").nth(1).unwrap().lines().next().unwrap();
        let text = fs_err::read_to_string(kept).unwrap();
        assert!(text.contains("dispName: Ana Reyes") && !text.contains("#!"), "{text}");
        fs_err::remove_file(kept).unwrap();
    }
    // Whoever mends it is asked as ever.
    let (said, code, runs) =
        edit("sed -i -e 's/displyName/displayName/' -e t -e 's/displayName: .*/displyName: Ana R./' \"$1\"");
    assert_eq!((code, runs), (Some(1), 2), "{said}");
    assert!(said.contains("Apply this plan?") && said.contains("cancelled"), "{said}");
}

/// A workbook with a sheet of people, one of notes and a hidden one.
fn people(place: &Place) {
    let mut workbook = rust_xlsxwriter::Workbook::new();
    let sheet = workbook.add_worksheet().set_name("People").unwrap();
    for (row, cells) in (0..).zip([
        ["kind", "name", "displayName", "email", "voicemail.enabled"],
        ["Extension", "1001", "Ana Reyes", "ana@example.com", "yes"],
        ["Extension", "1002", "Bruno Costa", "bruno(at)example.com", "perhaps"],
    ]) {
        sheet.write_row(row, 0, cells).unwrap();
    }
    sheet.write(3, 0, "Extension").unwrap().write(3, 1, 1_003).unwrap();
    sheet.write_formula(3, 2, rust_xlsxwriter::Formula::new("=VLOOKUP(1,A:B,2)").set_result("#N/A")).unwrap();
    workbook.add_worksheet().set_name("Notes").unwrap().write(0, 0, "Call Bruno about his address").unwrap();
    workbook.add_worksheet().set_name("Dids").unwrap().write(0, 0, "name").unwrap().write(1, 0, 351).unwrap();
    workbook.add_worksheet().set_name("Old").unwrap().set_hidden(true).write(0, 0, "name").unwrap();
    workbook.save(place.folder.path().join("people.xlsx")).unwrap();
}

#[test]
fn a_workbook_is_told_of_by_sheet_and_cell() {
    let place = Place::new();
    people(&place);
    place.write("notes.xlsx", "not a workbook").write("old.xls", "x");
    let mut all = String::new();
    for line in [
        &["validate", "-f", "people.xlsx"][..],
        &["validate", "-f", "notes.xlsx"],
        &["validate", "-f", "old.xls"],
        &["plan", "-f", "people.xlsx"],
    ] {
        writeln!(all, "$ pbxctl {}\n{}", line.join(" "), place.run(line)).unwrap();
    }
    assert_snapshot!(all);
    let json = place.command(&["validate", "-f", "people.xlsx", "-o", "json"]).output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let position = &json["diagnostics"][0]["position"];
    assert_eq!(
        (&position["file"], &position["sheet"], &position["cell"], &position["line"]),
        (&"people.xlsx".into(), &"People".into(), &"D3".into(), &3.into())
    );
}

#[test]
fn rows_come_from_standard_input_and_folders() {
    let place = Place::new();
    let good = "kind;name;displayName\r\nExtension;1001;Ana Reyes\r\n";
    place
        .write("folder/people.csv", good)
        .write("folder/~$people.xlsx", "")
        .write("folder/more.yaml", &GOOD.replace("\"1001\", labels", "\"1003\", labels"))
        .write(
            "folder/one.json",
            "{\"apiVersion\": \"pbx/v1\", \"kind\": \"Extension\", \"metadata\": {\"name\": \"1005\"}}",
        );
    let fine = |objects: &str| format!("------- stderr -------\n{objects}: nothing wrong.\n[exit 0]\n");
    assert_eq!(place.run_with_input(&["validate", "-f", "-"], good), fine("1 object in 1 file"));
    assert_eq!(
        place.run_with_input(&["validate", "-f", "-", "--kind", "ext"], "name,email\n1001,a@b.cc\n1002,\n"),
        fine("2 objects in 1 file")
    );
    assert_eq!(place.run(&["validate", "-f", "folder"]), fine("4 objects in 3 files"));
    assert!(place.run(&["validate", "-f", "-", "--kind", "exts"]).ends_with("[exit 64]\n"));
}

#[test]
fn a_row_sends_which_fields_it_speaks_of() {
    let place = Place::new();
    place.write("people.csv", "kind,name,displayName,labels.team,voicemail.enabled\nExtension,1001,Ana Reyes,,\n");
    let fake = Fake::start(&place, ALL);
    assert!(place.run(&["plan", "-f", "people.csv"]).ends_with("[exit 0]\n"));
    place.write("ana.yaml", GOOD);
    assert!(place.run(&["plan", "-f", "ana.yaml"]).ends_with("[exit 0]\n"));
    let asked = fake.bodies("POST /v1/plans HTTP");
    assert_eq!(
        asked[0]["declarations"][0]["declaration"],
        serde_json::json!({
            "object": "extension/1001",
            "spec": { "displayName": "Ana Reyes" },
            "scope": ["spec.displayName", "metadata.labels.team", "spec.voicemail.enabled"],
        })
    );
    assert!(asked[1]["declarations"][0]["declaration"].get("scope").is_none());
}

#[test]
fn objects_are_exported_as_rows() {
    let place = Place::new();
    let _fake = Fake::start(&place, ALL);
    let mut all = String::new();
    for line in [
        &["export", "extensions", "-o", "csv"][..],
        &["export", "extensions", "-o", "csv", "--columns", "name,displayName,labels.team"],
        &["export", "extensions", "-o", "csv", "--columns", "name,dispalyName"],
        &["export", "extensions", "--columns", "name"],
        &["export", "-o", "csv"],
        &["export", "-o", "csv", "--out", "out"],
        &["export", "-o", "xlsx", "--out", "out/office.xlsx"],
        &["export", "-o", "xlsx", "--out", "out"],
        &["export", "extensions", "-o", "csv", "--out", "files/people.CSV"],
        &["export", "-o", "csv", "--out", "files/all.csv"],
        &["export", "--out", "files/office.yml"],
        &["export", "-o", "json", "--out", "files/office.json"],
        &["export", "--out", "files/people.csv"],
        &["export", "-o", "json", "--out", "files/office.xlsx"],
        &["export", "-o", "json", "--out", "v1.0"],
        &["validate", "-f", "out/office.xlsx"],
        &["validate", "-f", "out/extensions.csv", "-f", "out/groups.csv"],
        &["validate", "-f", "files/people.CSV"],
        &["validate", "-f", "files/office.yml"],
        &["validate", "-f", "files/office.json"],
        &["validate", "-f", "v1.0"],
    ] {
        writeln!(all, "$ pbxctl {}\n{}", line.join(" "), place.run(line)).unwrap();
    }
    assert_snapshot!(all);
    let piped = place.command(&["export", "-o", "xlsx"]).output().unwrap();
    assert_eq!(piped.stdout, fs_err::read(place.folder.path().join("out/office.xlsx")).unwrap());
}

#[test]
fn many_extensions_change_in_one_plan() {
    let place = Place::new();
    let fake = Fake::start(&place, ALL);
    let mut all = String::new();
    for line in [
        &["extension", "set", "1000-1999", "displyName=Ana", "ringTimeout=30", "maxCalls=many"][..],
        &["extension", "set", "1001", "password=hunter22", "email=a@b.cc"],
        &["extension", "set", "1001", "email=a@b.cc", "email=b@b.cc", "labels.Team=x"],
        &["extension", "set", "1001", "password=hunter22", "ringTimeout=30"],
        &["extension", "set", "1001", "name=4000"],
        &["extension", "set", "1001"],
        &["extension", "set", "email=a@b.cc"],
        &["extension", "set", "1001", "webrtc=maybe"],
        &["extension", "disable"],
        &["extension", "disable", "1009", "--yes"],
        &["extension", "disable", "2000-2999", "--yes"],
        &["extension", "enable", "-l", "team=it", "--yes"],
        &["extension", "enable", "ana", "--yes"],
        &["extension", "delete", "1000-1999"],
        &["extension", "disable", "--help"],
    ] {
        writeln!(all, "$ pbxctl {}\n{}", line.join(" "), place.run(line)).unwrap();
    }
    assert_snapshot!(all);
    assert!(!all.lines().any(|line| line.contains("hunter22") && !line.starts_with("$ ")), "{all}");
    assert_eq!(fake.bodies("POST /v1/plans HTTP").len(), 0);
    for line in [
        &["extension", "disable", "1000-1999", "--yes"][..],
        &[
            "extension",
            "set",
            "-l",
            "team=sales",
            "displayName=",
            "codecs=alaw;ulaw",
            "webrtc=no",
            "labels.floor=3",
            "--yes",
        ],
        &["extension", "delete", "1000-1999", "--allow-deletes", "2", "--yes"],
    ] {
        let said = place.run(line);
        assert!(said.contains("Applied revision 7"), "{said}");
    }
    let asked = fake.bodies("POST /v1/plans HTTP");
    assert!(asked.iter().all(|asked| asked["set"] == "manual" && asked["source"].get("files").is_none()), "{asked:?}");
    // The one that is off already is left as it is.
    assert_eq!(
        asked[0]["patches"],
        serde_json::json!([{ "object": "extension/1001", "set": { "spec.enabled": false }, "unset": [] }])
    );
    assert_eq!(
        asked[1]["patches"],
        serde_json::json!([{
            "object": "extension/1001",
            "set": { "metadata.labels.floor": "3", "spec.codecs": ["alaw", "ulaw"], "spec.webrtc": false },
            "unset": ["spec.displayName"],
        }])
    );
    assert_eq!(
        (&asked[2]["deletes"], &asked[2]["allowDeletes"]),
        (&serde_json::json!(["extension/1001", "extension/1002"]), &2.into())
    );
}

#[test]
fn live_names_complete_and_silence_is_kept_without_pbxd() {
    let place = Place::new();
    let complete = |words: &[&str]| {
        let mut line = vec!["--", "pbxctl"];
        line.extend(words);
        let mut command = place.command(&line);
        command.env("COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", words.len().to_string()).env("_CLAP_IFS", "\n");
        let output = command.output().unwrap();
        (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(complete(&["get", "extension/10"]), (String::new(), String::new()));
    let _fake = Fake::start(&place, ALL);
    assert_eq!(complete(&["get", "extension/10"]).0.trim(), "extension/1001\nextension/1002");
    assert!(complete(&["describe", "ext", "100"]).0.contains("1002"));
    assert!(complete(&["get", "gro"]).0.contains("groups"));
    assert!(complete(&["explain", "extension.callF"]).0.contains("extension.callForward"));
}
