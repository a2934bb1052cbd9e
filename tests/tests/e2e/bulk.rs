//! Bulk: ten thousand people in a spreadsheet, and one change to many telephones.

use std::fmt::Write as _;
use std::ops::Range;
use std::time::Duration;

use anyhow::{Context as _, Result};
use fs_err as fs;
use pbx_lab::Behaviour;
use pbx_tests::{SOON, System, settings};

/// Ten thousand people's numbers.
const PEOPLE: Range<usize> = 10_001..20_001;

/// A row for each number, as `export` writes them.
fn people(numbers: Range<usize>, row: impl Fn(usize) -> String) -> String {
    let mut text = "kind,name,labels.team,displayName,email,password,qualify\n".to_owned();
    for number in numbers {
        let _ = writeln!(text, "{}", row(number));
    }
    text
}

fn person(number: usize) -> String {
    let team = if number.is_multiple_of(2) { "sales" } else { "" };
    format!("Extension,{number},{team},Person {number},p{number}@example.com,secret-{number},0s")
}

/// What `export` gives of the same columns but secrets.
const COLUMNS: &str = "kind,name,labels.team,displayName,email,qualify";

fn without_secrets(text: &str) -> String {
    let line = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        [&cells[..5], &cells[6..]].concat().join(",") + "\n"
    };
    text.lines().map(line).collect()
}

/// What a terminal shows of a command.
fn in_a_terminal(system: &System, line: &str) -> Result<String> {
    let pbxctl = system.command(&[])?;
    let line = format!("{} {line}", pbxctl.get_program().display());
    let mut script = std::process::Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).env("PBXCTL_SOCKET", system.socket()).env("TERM", "xterm");
    let folder = pbxctl.get_current_dir().context("no folder")?;
    let output = script.current_dir(folder).stdin(std::process::Stdio::null()).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn ten_thousand_people_come_from_a_spreadsheet() -> Result<()> {
    let system = System::start()?;
    system.apply(&settings(""))?;
    // One slip stops all of them, and its cell is named.
    let slip = |number| if number == 15_000 { person(number).replace('@', "(at)") } else { person(number) };
    let slip = people(PEOPLE, slip);
    system.write("people.csv", &slip)?;
    let refused = system.pbxctl(&["apply", "-f", "people.csv", "--yes"])?.expect(1)?;
    assert!(refused.stderr.contains("--> people.csv:5001:5"), "{refused}");
    assert!(refused.stderr.contains("p15000(at)example.com") && !refused.stderr.contains("secret-15000"), "{refused}");
    assert!(!system.pbxctl(&["get", "extensions", "-o", "name"])?.stdout.contains("extension/"));

    // Who watches sees how far it is.
    system.write("people.csv", &people(PEOPLE, person))?;
    let seen = in_a_terminal(&system, "apply -f people.csv --yes")?;
    assert!(seen.contains("Verifying") && seen.contains("Applied revision 2"), "{seen}");
    let exported = system.pbxctl(&["export", "extensions", "-o", "csv", "--columns", COLUMNS])?.expect(0)?;
    assert_eq!(exported.stdout, without_secrets(&people(PEOPLE, person)));
    system.phone("10042", &Behaviour::answer_after(Duration::ZERO))?;

    // Another spreadsheet's columns, and a hand's work, stay.
    system.pbxctl(&["extension", "set", "10001-10010", "maxCalls=5", "--yes"])?.expect(0)?;
    let changed = |number: usize| match number {
        10_001..=10_500 => person(number).replace("Person", "Changed"),
        _ => person(number),
    };
    system.write("people.csv", &without_secrets(&people(PEOPLE, changed)))?;
    let plan = system.pbxctl(&["plan", "-f", "people.csv", "-o", "json"])?.expect(0)?.json()?;
    let changes = plan["changes"].as_array().context("no changes")?;
    assert_eq!(changes.len(), 500);
    for (change, number) in changes.iter().zip(10_001..) {
        let fields: Vec<&str> =
            change["fields"].as_array().into_iter().flatten().filter_map(|field| field["path"].as_str()).collect();
        assert_eq!((&change["object"], fields), (&format!("extension/{number}").into(), vec!["spec.displayName"]));
    }
    let applied = system.pbxctl(&["apply", "-f", "people.csv", "--yes"])?.expect(0)?;
    assert!(!applied.to_string().contains("Verifying") && !applied.to_string().contains('\r'), "{applied}");
    let exported = system.pbxctl(&["export", "extensions", "-o", "csv", "--columns", COLUMNS])?.expect(0)?;
    assert_eq!(exported.stdout, without_secrets(&people(PEOPLE, changed)));
    assert_eq!(system.pbxctl(&["get", "extension/10001", "-o", "json"])?.json()?["spec"]["maxCalls"], 5);
    // The password had no column any more, and is the one that was given.
    system.phone("10043", &Behaviour::answer_after(Duration::ZERO))?;

    // All there is, as CSV and as a workbook, applied again changes nothing.
    let all = system.pbxctl(&["export", "extensions", "-o", "csv"])?.expect(0)?;
    system.write("again.csv", &all.stdout)?;
    system.pbxctl(&["export", "-o", "xlsx", "--out", "office.xlsx"])?.expect(0)?;
    for name in ["again.csv", "office.xlsx"] {
        let nothing = system.pbxctl(&["diff", "-f", name, "-o", "name"])?.expect(0)?;
        assert_eq!(nothing.stdout, "", "{name}");
    }
    assert!(!all.stdout.contains("secret-"));
    let first = fs::read(system.dir().join("manifests/office.xlsx"))?;
    system.pbxctl(&["export", "-o", "xlsx", "--out", "office.xlsx"])?.expect(0)?;
    assert!(fs::read(system.dir().join("manifests/office.xlsx"))? == first);
    Ok(())
}

#[test]
fn an_empty_cell_falls_back_and_a_column_that_is_not_there_does_not() -> Result<()> {
    let system = System::start()?;
    system.apply(&settings(""))?;
    let apply = |text: &str, code: i32| {
        system.write("people.csv", text)?;
        system.pbxctl(&["apply", "-f", "people.csv", "--kind", "extension", "--yes"])?.expect(code)
    };
    apply("name;displayName;email;codecs\n1001;Ana Reyes;ana@example.com;\"alaw;ulaw\"\n1002;Rui;;\n", 0)?;
    apply("name,email\n1001,\n", 0)?;
    let spec = |number: &str| -> Result<_> {
        Ok(system.pbxctl(&["get", &format!("extension/{number}"), "-o", "json"])?.expect(0)?.json()?["spec"].clone())
    };
    assert_eq!(spec("1001")?, serde_json::json!({ "displayName": "Ana Reyes", "codecs": ["alaw", "ulaw"] }));
    // What someone set by hand is not taken back without being said.
    system.pbxctl(&["extension", "set", "1002", "email=rui@example.com", "--yes"])?.expect(0)?;
    let refused = apply("name,email\n1002,\n", 5)?;
    assert!(refused.stderr.contains("people.csv:2:2") && refused.stderr.contains("the default"), "{refused}");
    assert_eq!(spec("1002")?["email"], "rui@example.com");
    // A manifest of the set speaks of all fields again.
    system.apply("apiVersion: pbx/v1\nkind: Extension\nmetadata: { name: \"1001\" }\nspec: { displayName: Ana }\n")?;
    assert_eq!(spec("1001")?, serde_json::json!({ "displayName": "Ana" }));
    Ok(())
}

#[test]
fn a_range_of_telephones_is_turned_off_and_on() -> Result<()> {
    let system = System::start()?;
    system.apply(&settings(""))?;
    let rows = people(1001..1021, person);
    system.write("people.csv", &rows)?;
    system.pbxctl(&["apply", "-f", "people.csv", "--yes"])?.expect(0)?;
    let phone = system.phone("1003", &Behaviour::answer_after(Duration::ZERO))?;
    system.caller("1011")?.call("1003", system.ip())?.expect_answer()?;
    assert_eq!(phone.wait_calls(1, SOON)?.len(), 1);

    let off = system.pbxctl(&["extension", "disable", "1000-1009", "--yes", "-o", "json"])?.expect(0)?.json()?;
    assert_eq!(off["plan"]["changes"].as_array().map(Vec::len), Some(9));
    assert!(!system.asterisk().cli("pjsip show endpoints")?.contains("1003"));
    system.caller("1011")?.call("1003", system.ip())?.expect_code(404)?;
    assert!(system.phone("1004", &Behaviour::answer_after(Duration::ZERO)).is_err());
    let again = system.pbxctl(&["extension", "disable", "1000-1009", "--yes"])?.expect(0)?;
    assert_eq!(again.stdout, "Nothing to change.\n");

    system.pbxctl(&["extension", "enable", "1000-1009", "--yes"])?.expect(0)?;
    drop(phone);
    let phone = system.phone("1003", &Behaviour::answer_after(Duration::ZERO))?;
    system.caller("1011")?.call("1003", system.ip())?.expect_answer()?;
    assert_eq!(phone.wait_calls(1, SOON)?.len(), 1);

    // A part of all of them goes only when it is meant.
    system.pbxctl(&["extension", "delete", "-l", "team=sales", "--yes"])?.expect(7)?;
    let shown =
        system.pbxctl(&["extension", "delete", "-l", "team=sales", "--allow-deletes", "10", "--dry-run"])?.expect(0)?;
    let history = system.pbxctl(&["history", "-o", "name"])?.expect(0)?.stdout;
    assert!(shown.stdout.contains("to delete") && !shown.stdout.contains("Applied"), "{shown}");
    system.pbxctl(&["extension", "delete", "-l", "team=sales", "--allow-deletes", "10", "--yes"])?.expect(0)?;
    assert_ne!(system.pbxctl(&["history", "-o", "name"])?.expect(0)?.stdout, history);
    let left = system.pbxctl(&["get", "extensions", "-o", "name"])?.stdout;
    assert!(left.lines().count() == 10 && !left.contains("1002"), "{left}");
    system.pbxctl(&["extension", "enable", "1900-1999", "--yes"])?.expect(1)?;
    Ok(())
}
