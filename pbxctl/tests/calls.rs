//! Calls on paper, from the outside: `trace`, `test` and `graph`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops there")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use insta::assert_snapshot;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

/// Everything that can be seen of a command.
fn run(folder: &Path, line: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_pbxctl"))
        .args(line)
        .current_dir(folder)
        .env_clear()
        .env("LANG", "C.UTF-8")
        .env("PBXCTL_SOCKET", "/nonexistent/pbxd.sock")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let mut text = String::from_utf8(output.stdout).unwrap();
    if !output.stderr.is_empty() {
        let _ = write!(text, "------- stderr -------\n{}", String::from_utf8(output.stderr).unwrap());
    }
    let _ = writeln!(text, "[exit {}]", output.status.code().unwrap());
    text
}

/// Several commands, each with what can be seen of it.
fn all(folder: &Path, lines: &[&[&str]]) -> String {
    let mut text = String::new();
    for line in lines {
        let _ = writeln!(text, "$ pbxctl {}\n{}", line.join(" "), run(folder, line));
    }
    text
}

/// A whole office: the examples of every kind, as `explain` shows them.
fn office() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let kinds = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for entry in fs_err::read_dir(kinds).unwrap() {
        let path = entry.unwrap().path();
        fs_err::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    folder
}

#[test]
fn a_call_is_followed_and_every_turn_explained() {
    let place = office();
    let main = ["trace", "-f", ".", "--to", "+351210001000"];
    let with = |more: &[&'static str]| [&main[..], more].concat();
    let lines = [
        with(&["--at", "2026-11-25T10:00", "--from", "+4912345678"]),
        with(&["--at", "2026-12-25T03:00"]),
        with(&["--at", "2026-12-25T03:00", "--from", "+4912345678"]),
        with(&["--at", "2026-11-25T10:00", "--from", "+4912345678", "--busy", "1001"]),
        with(&["--at", "2026-11-25T10:00", "--from", "+4912345678", "--busy", "1001", "--no-answer", "1002"]),
        vec!["trace", "-f", ".", "--from", "1001", "--to", "*97", "--at", "2026-11-25T10:00"],
        vec!["trace", "-f", ".", "--from", "extension/1001", "--to", "0044123456", "--at", "2026-11-25T10:00"],
        vec!["trace", "-f", ".", "--to", "+4412", "--at", "2026-11-25T10:00"],
        vec!["trace", "--to", "+4412"],
        vec!["trace", "-f", ".", "--to", "main"],
        vec!["trace", "-f", ".", "--to", "1", "--press", "x"],
    ];
    assert_snapshot!(all(place.path(), &lines.iter().map(Vec::as_slice).collect::<Vec<_>>()));
    let json = run(place.path(), &[&with(&["--at", "2026-12-25T03:00"])[..], &["-o", "json"]].concat());
    let json: serde_json::Value = serde_json::from_str(json.split("[exit").next().unwrap()).unwrap();
    assert_eq!(json["end"], "hangup/busy");
    assert_eq!(json["steps"][1]["position"]["file"], "./did.yaml");
    assert_eq!(json["steps"][1]["decided"]["path"], "spec.callers[0].destination");
}

const CALLS: &str = "apiVersion: pbx/v1
kind: CallTest
metadata: { name: sales-by-day }
spec:
  call: { to: \"+351210001000\", from: \"+4912345678\", at: 2026-11-25T10:00 }
  expect: { path: [did/+351210001000, group/sales], answeredBy: \"1001\" }
---
kind: CallTest
metadata: { name: nobody-hears-the-box }
spec:
  call: { to: \"+351210001000\", from: \"+4912345678\", at: 2026-11-25T03:00 }
  expect: { path: [did/+351210001000, group/sales], end: answered }
---
kind: CallTest
metadata: { name: any-time }
spec: { call: { to: \"+351210001000\", from: \"+49\" }, expect: { end: answered } }
---
kind: CallTest
metadata: { name: later }
spec: { enabled: false, call: { to: \"1001\" }, expect: { end: answered } }
";

#[test]
fn calls_are_tried_before_a_customer_hears_them() {
    let place = office();
    fs_err::write(place.path().join("calls.yaml"), CALLS).unwrap();
    let lines: [&[&str]; 8] = [
        &["test", "-f", "."],
        &["test", "-f", ".", "--only", "sales-*", "--coverage"],
        &["test", "-f", ".", "--only", "sales-*", "--coverage-min", "80%"],
        &["test", "-f", ".", "-o", "junit"],
        &["test", "-f", ".", "--only", "nobody-*", "-o", "json"],
        &["test", "-f", ".", "--only", "none"],
        &["test", "-f", "calls.yaml"],
        &["apply", "-f", "calls.yaml"],
    ];
    assert_snapshot!(all(place.path(), &lines));
}

#[test]
fn where_calls_go_is_drawn() {
    let place = office();
    let lines: [&[&str]; 5] = [
        &["graph", "-f", "."],
        &["graph", "-f", ".", "ivr/main"],
        &["graph", "-f", ".", "ivr/mian"],
        &["graph", "-f", ".", "-o", "mermaid"],
        &["graph", "-f", ".", "-o", "dot"],
    ];
    assert_snapshot!(all(place.path(), &lines));
    assert_snapshot!(run(place.path(), &["graph", "-f", ".", "-o", "svg"]));
}

#[test]
fn the_examples_calls_go_where_they_should() {
    let text = run(&examples(), &["test", "-f", "small-office"]);
    assert!(text.ends_with("[exit 0]\n"), "{text}");
}
