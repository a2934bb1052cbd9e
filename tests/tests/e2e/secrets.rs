//! Secrets: changed without being shown, and kept with another key.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use pbx_lab::{Behaviour, Phone, PhoneSpec, until};
use pbx_tests::{CommandOutput, SOON, System, extension, manifest, program, settings};

use crate::waiting::asked;

/// Runs pbxctl with something to read.
fn told(system: &System, args: &[&str], input: &str) -> Result<CommandOutput> {
    let mut child =
        system.command(args)?.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    child.stdin.take().context("no standard input")?.write_all(input.as_bytes())?;
    Ok(child.wait_with_output()?.into())
}

/// Whether a telephone with this password may register.
fn registers(system: &System, number: &str, password: &str) -> bool {
    let phone = PhoneSpec::new(number, password, system.ip());
    Phone::register(&phone, &Behaviour::answer_after(Duration::ZERO)).is_ok()
}

const OFFICE: &str = "---\nkind: Extension\nmetadata: { name: \"1001\" }\nspec: { displayName: Ana Reyes, voicemail: { enabled: true } }\n\
    ---\nkind: Extension\nmetadata: { name: \"1002\", labels: { team: sales } }\n\
    ---\nkind: Extension\nmetadata: { name: \"1003\", labels: { team: sales } }\n\
    ---\nkind: Extension\nmetadata: { name: \"1004\" }\nspec: { password: { file: four } }\n";

#[test]
fn a_password_is_changed_and_never_shown() -> Result<()> {
    let system = System::start()?;
    system.write("four", "the-fourth-one\n")?;
    system.write("office.yaml", &[settings(""), OFFICE.to_owned()].concat())?;
    system.pbxctl(&["apply", "-f", "office.yaml", "--yes"])?.expect(0)?;

    // One, from standard input. What manifests say of it stays true.
    let secret = "quite-another-one";
    let changed = told(&system, &["extension", "passwd", "1001", "--yes"], &format!("{secret}\n"))?.expect(0)?;
    ensure!(changed.stdout.contains("password") && !changed.to_string().contains(secret), "{changed}");
    ensure!(registers(&system, "1001", secret), "the new password is not taken");
    let again = system.pbxctl(&["apply", "-f", "office.yaml", "--yes"])?.expect(0)?;
    ensure!(again.stdout.contains("Nothing to change."), "{again}");
    let same = told(&system, &["extension", "passwd", "1001", "--yes"], secret)?.expect(0)?;
    ensure!(same.stdout.contains("Nothing to change."), "{same}");
    told(&system, &["extension", "passwd", "1001", "--pin", "--yes"], "482913\n")?.expect(0)?;
    let boxes = fs::read_to_string(system.asterisk().etc().join("pbx.d/current/voicemail.conf"))?;
    ensure!(boxes.contains("1001 => 482913,"), "{boxes}");

    // One that its user has set by telephone goes before the file's: no success is told that is none.
    let own = system.asterisk().spool().join("voicemail/pbx/1001/secret.conf");
    fs::create_dir_all(own.parent().context("a folder")?)?;
    fs::write(&own, "[general]\npassword=8642\n")?;
    let kept = told(&system, &["extension", "passwd", "1001", "--pin", "--yes"], "777123\n")?.expect(4)?;
    ensure!(kept.stderr.contains("keeps the PIN that its user has set by telephone"), "{kept}");
    ensure!(kept.stderr.contains("is live again"), "{kept}");
    fs::remove_file(&own)?;
    told(&system, &["extension", "passwd", "1001", "--pin", "--yes"], "777123\n")?.expect(0)?;

    let blame = system.pbxctl(&["blame", "extension/1001"])?.expect(0)?.stdout;
    let traces = blame.lines().filter(|line| line.contains("(a secret changed)")).count();
    ensure!(traces == 2 && blame.contains("\npassword ") && blame.contains("\nvoicemail.pin "), "{blame}");

    // What cannot be is refused, and nothing of it repeated.
    for (args, input, code, words) in [
        (&["1001", "--yes"][..], "mañana\n", 1, "letters without accents"),
        (&["1001", "--yes"], "\n", 1, "cannot be empty"),
        (&["1001", "--pin", "--yes"], "12\n", 1, "4 to 10 digits"),
        (&["1004", "--pin", "--yes"], "482913\n", 1, "extension/1004 has no mailbox"),
        (&["1002", "1003", "--yes"], "shared-by-two\n", 64, "cannot share one password"),
        (&["1009", "--yes"], "of-nobody-at-all\n", 1, "1009"),
        (&["1004", "--yes"], "behind-its-back\n", 5, "{ file: four }"),
        (&["1004"], "behind-its-back\n", 5, "{ file: four }"),
        (&["1001"], "nobody-says-yes\n", 64, "--yes"),
    ] {
        let refused = told(&system, &[&["extension", "passwd"], args].concat(), input)?.expect(code)?;
        let said = refused.to_string();
        ensure!(said.contains(words) && (input.len() < 4 || !said.contains(input.trim())), "{refused}");
    }

    // Many, made, into a file of one's own.
    let made = system
        .pbxctl(&["extension", "passwd", "-l", "team=sales", "--generate", "--out", "new.csv", "--yes"])?
        .expect(0)?;
    let file = system.dir().join("manifests/new.csv");
    let file = if file.exists() { file } else { system.dir().join("new.csv") };
    assert_eq!(fs::metadata(&file)?.permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&file)?;
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.iter().map(|row| row[1]).collect::<Vec<_>>(), ["name", "1002", "1003"]);
    for row in &rows[1..] {
        ensure!(!made.to_string().contains(row[2]), "{made}");
        ensure!(registers(&system, row[1], row[2]), "{} has another password", row[1]);
    }
    let there =
        system.pbxctl(&["extension", "passwd", "1002", "--generate", "--out", "new.csv", "--yes"])?.expect(1)?;
    ensure!(there.stderr.contains("is there already"), "{there}");
    assert_eq!(fs::read_to_string(&file)?, text);
    let refused = system.pbxctl(&["extension", "passwd", "1004", "--generate", "--out", "none.csv", "--yes"])?;
    refused.expect(5)?;
    ensure!(!file.with_file_name("none.csv").exists(), "a file of passwords that were refused");

    // Nothing that is kept or told holds one in the open.
    let mut kept = vec![system.pbxd_log()];
    for args in [
        &["history", "-o", "json"][..],
        &["history", "2", "-o", "json"],
        &["blame", "extension/1001"],
        &["get", "all", "-o", "yaml"],
    ] {
        kept.push(system.pbxctl(args)?.expect(0)?.to_string());
    }
    for secret in [secret, "the-fourth-one", rows[1][2], rows[2][2]] {
        ensure!(!kept.iter().any(|text| text.contains(secret)), "a secret in the open");
    }
    Ok(())
}

#[test]
fn another_key_changes_nothing_that_is_seen() -> Result<()> {
    let mut system = System::start()?;
    system.write("four", "the-fourth-one\n")?;
    system.write("office.yaml", &[settings(""), OFFICE.to_owned()].concat())?;
    system.pbxctl(&["apply", "-f", "office.yaml", "--yes"])?.expect(0)?;
    told(&system, &["extension", "passwd", "1001", "--yes"], "quite-another-one\n")?.expect(0)?;
    let rotate = |system: &System| -> Result<CommandOutput> {
        let mut pbxd = Command::new(program("pbxd")?);
        Ok(pbxd.arg("--config").arg(system.dir().join("pbxd.toml")).arg("--rotate-key").output()?.into())
    };
    let refused = rotate(&system)?.expect(1)?;
    ensure!(refused.stderr.contains("stop pbxd first"), "{refused}");
    system.kill_pbxd();
    let rotated = rotate(&system)?.expect(0)?;
    ensure!(rotated.stdout.contains("is in force"), "{rotated}");
    system.start_pbxd()?;
    let plan = system.pbxctl(&["plan", "-f", "office.yaml"])?.expect(0)?;
    ensure!(plan.stdout.starts_with("No changes"), "{plan}");
    ensure!(registers(&system, "1001", "quite-another-one"), "the password is lost");
    // Secrets of earlier revisions come back with the new key, too.
    system.pbxctl(&["rollback", "1", "--yes"])?.expect(0)?;
    ensure!(!registers(&system, "1001", "quite-another-one"), "the password of revision 2 is still there");
    ensure!(registers(&system, "1004", "the-fourth-one"), "a password is lost");
    Ok(())
}

/// A number that is given again may have a PIN that somebody set by telephone long ago; of many new boxes it is found, too.
#[test]
fn a_pin_of_long_ago_is_told_among_many() -> Result<()> {
    let system = System::start()?;
    let own = system.asterisk().spool().join("voicemail/pbx/2100/secret.conf");
    fs::create_dir_all(own.parent().context("a folder")?)?;
    fs::write(&own, "[general]\npassword=8642\n")?;
    let boxes = (2000..2350).map(|number| extension(&number.to_string(), ", voicemail: { enabled: true }"));
    system.write("many.yaml", &(settings("") + &boxes.collect::<String>()))?;
    let kept = system.pbxctl(&["apply", "-f", "many.yaml", "--yes"])?.expect(4)?;
    ensure!(kept.stderr.contains("voicemail box 2100 keeps the PIN that its user has set by telephone"), "{kept}");
    fs::remove_file(&own)?;
    system.pbxctl(&["apply", "-f", "many.yaml", "--yes"])?.expect(0)?;
    Ok(())
}

/// A core file would hold every secret.
#[test]
fn pbxd_leaves_no_core_file() -> Result<()> {
    let mut system = System::start()?;
    system.kill_pbxd();
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -c unlimited; exec \"$0\" --config \"$1\""]).arg(program("pbxd")?);
    let mut pbxd = shell.arg(system.dir().join("pbxd.toml")).current_dir(system.dir()).stderr(Stdio::null()).spawn()?;
    pbx_lab::until("an answer of pbxd", pbx_tests::SOON, || Ok(system.health().ok()))?;
    let status = Command::new("kill").args(["-ABRT", &pbxd.id().to_string()]).status()?;
    ensure!(status.success(), "kill: {status}");
    let ended = pbxd.wait()?;
    ensure!(ended.signal() == Some(6) && !ended.core_dumped(), "{ended}");
    Ok(())
}

/// PINs that were made for many to share can be learnt: new ones, in a file.
#[test]
fn shared_pins_are_given_and_let_callers_in() -> Result<()> {
    let system = System::start()?;
    let parts = [
        settings(""),
        extension("1001", ", voicemail: { enabled: true }"),
        manifest("Mailbox", "general", "number: \"790\""),
        manifest("Conference", "8000", "pin: { generate: true }, adminPin: { generate: true }"),
        manifest("Conference", "8001", ""),
    ];
    system.apply(&parts.concat())?;
    let made = ["pin", "mailbox/general", "conference/8000", "--generate", "--out", "pins.csv", "--yes"];
    let told_made = system.pbxctl(&made)?.expect(0)?;
    let file = system.dir().join("manifests/pins.csv");
    ensure!(fs::metadata(&file)?.permissions().mode() & 0o777 == 0o600, "others can read the file");
    let rows = fs::read_to_string(&file)?;
    let pin = |of: &str| -> Result<String> {
        let row = rows.lines().find(|row| row.starts_with(of)).with_context(|| rows.clone())?;
        Ok(row.rsplit(',').next().unwrap_or_default().to_owned())
    };
    let (shared, room) = (pin("Mailbox,general,")?, pin("Conference,8000,")?);
    ensure!(!told_made.to_string().contains(&shared) && !told_made.to_string().contains(&room), "{told_made}");
    let boxes = fs::read_to_string(system.asterisk().etc().join("pbx.d/current/voicemail.conf"))?;
    ensure!(boxes.contains(&format!("general => {shared},")), "{boxes}");
    // The PIN opens the conference; another one does not.
    let enters = |pin: &str| -> Result<bool> {
        let caller = system.caller("1001")?.hold();
        let mut calling = caller.start("8000", system.ip())?;
        calling.wait_answered(SOON)?;
        std::thread::sleep(Duration::from_millis(500));
        calling.keypad().press(&format!("{pin}#"));
        let entered = until("somebody in the conference", Duration::from_secs(5), || {
            Ok(asked(&system, "confbridge list")?.lines().any(|line| line.starts_with("8000")).then_some(()))
        });
        asked(&system, "channel request hangup all")?;
        calling.wait()?;
        Ok(entered.is_ok())
    };
    ensure!(enters(&room)?, "the new PIN opens nothing");
    ensure!(!enters("00000000")?, "any PIN opens it");

    told(&system, &["pin", "conference/8000", "--admin", "--yes"], "482913\n")?.expect(0)?;
    told(&system, &["pin", "extension/1001", "--yes"], "482914\n")?.expect(0)?;
    for (args, input, code, words) in [
        (&["pin", "conference/8001", "--yes"][..], "482913\n", 1, "asks for no `pin`"),
        (&["pin", "mailbox/general", "--admin", "--yes"], "482913\n", 64, "no PIN for those who lead it"),
        (&["pin", "queue/sales", "--yes"], "482913\n", 64, "queue/sales has no PIN"),
        (&["pin", "mailbox/nobody", "--yes"], "482913\n", 1, "there is no mailbox `nobody`"),
        (&["pin", "mailbox/general", "--yes"], "12\n", 1, "4 to 10 digits"),
        (&["pin", "mailbox/general", "conference/8000", "--yes"], "482913\n", 64, "cannot share one PIN"),
    ] {
        let refused = told(&system, args, input)?.expect(code)?;
        ensure!(refused.to_string().contains(words), "{args:?}: {refused}");
    }
    Ok(())
}
