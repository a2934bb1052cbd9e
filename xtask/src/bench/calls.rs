//! Calls on paper, from the shell: what a person waits for, and what a pipeline does.

use std::fmt::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};
use fs_err as fs;
use pbx_tests::program;

use super::{best, office, row};

const EXTENSIONS: u32 = 10_000;
const QUEUES: u32 = 200;
const TESTS: u32 = 10_000;

/// An office with a DID for each tenth extension, and queues with a menu before each.
fn large() -> String {
    let mut text = office(EXTENSIONS);
    for n in 0..QUEUES {
        let member = 1_000_000 + n * 10;
        let _ = write!(
            text,
            "---\nkind: Queue\nmetadata: {{ name: q{n} }}\nspec: {{ number: \"2{n:03}\", members: [{{ extension: \"{member}\", autoLogin: true }}] }}\n\
             ---\nkind: Ivr\nmetadata: {{ name: m{n} }}\nspec:\n  number: \"3{n:03}\"\n  start: menu\n  nodes:\n    \
             menu: {{ menu: {{}}, keys: {{ \"1\": queue/q{n} }}, invalid: hangup, timedOut: hangup }}\n"
        );
    }
    text
}

/// A test for each extension's DID, again and again.
fn tests() -> String {
    let mut text = String::from("apiVersion: pbx/v1\n");
    for n in 0..TESTS {
        let number = 1_000_000 + (n * 10) % EXTENSIONS;
        let _ = write!(
            text,
            "{}kind: CallTest\nmetadata: {{ name: t{n} }}\nspec:\n  call: {{ to: \"+35121{number}\", from: \"+49{n}\" }}\n  \
             expect: {{ path: [did/+35121{number}, extension/{number}], answeredBy: \"{number}\" }}\n",
            if n == 0 { "" } else { "---\n" }
        );
    }
    text
}

/// One call through a large system, and very many call tests.
pub(super) fn paper(table: &mut String) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (office, calls) = (path("office.yaml"), path("calls.yaml"));
    fs::write(&office, large())?;
    fs::write(&calls, tests())?;
    let pbxctl = program("pbxctl")?;
    let run = |line: &[&str]| {
        best(|| {
            Command::new(&pbxctl)
                .args(line)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
        })
    };
    let (one, went) = run(&["trace", "-f", &office, "--to", "+351211000000", "--from", "+4912"]);
    ensure!(went, "a call was not followed");
    row(
        table,
        &format!("`pbxctl trace` of a call among {EXTENSIONS} extensions, 1000 DIDs, {QUEUES} queues"),
        one,
        "at most 150 ms",
    );
    let (many, passed) = run(&["test", "-f", &office, &calls]);
    ensure!(passed, "a call test failed");
    row(table, &format!("`pbxctl test` of {TESTS} call tests there"), many, "at most 2 s");
    Ok(())
}
