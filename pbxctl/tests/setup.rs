//! `pbxctl setup` on real Asterisks: Debian's stock configuration, and one whose files are all its own.

#![expect(clippy::unwrap_used, reason = "helpers of tests stand outside of test functions")]

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};

use fs_err as fs;
use pbx_asterisk::config::FILES;
use pbx_lab::Asterisk;
use serde_json::Value;

mod lab;

use lab::{Lab, Ran, console};

/// What setup leaves behind.
trait Left {
    fn state(&self) -> Vec<String>;
    fn backups(&self) -> Vec<String>;
    fn secret(&self) -> String;
}

impl Left for Lab {
    /// Everything in the configuration folder: names, owners, modes and contents.
    fn state(&self) -> Vec<String> {
        let mut all = Vec::new();
        let mut folders = vec![self.asterisk.etc()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let meta = fs::symlink_metadata(&path).unwrap();
                let what = if meta.is_dir() {
                    folders.push(path.clone());
                    String::new()
                } else if meta.is_symlink() {
                    fs::read_link(&path).unwrap().display().to_string()
                } else {
                    String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()
                };
                all.push(format!("{} {}:{} {:o} {what}", path.display(), meta.uid(), meta.gid(), meta.mode()));
            }
        }
        all.sort();
        all
    }

    fn backups(&self) -> Vec<String> {
        let names = fs::read_dir(self.asterisk.etc()).unwrap();
        let mut names: Vec<String> =
            names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.retain(|name| name.contains(".bak-"));
        names.sort();
        names
    }

    /// The secret that was made, wherever it is.
    fn secret(&self) -> String {
        let text = fs::read_to_string(self.toml()).unwrap();
        text.lines().find_map(|line| line.strip_prefix("secret = ")).unwrap().trim_matches('"').to_owned()
    }
}

fn stock() -> Lab {
    Lab::new(Asterisk::builder().stock().start().unwrap())
}

/// A minute of an administrator's life: look, do, do again.
#[test]
fn debians_stock_configuration_is_prepared_and_proven() {
    let lab = stock();
    let before = lab.state();
    lab.setup(&[]).ended(64).says("--yes").says("--dry-run");
    let shown = lab.setup(&["--dry-run"]).ended(0);
    assert_eq!(lab.state(), before, "a dry run changes nothing");
    let shown = shown
        .says("+ manager.d/pbxd.conf")
        .says("~ pjsip.conf")
        .says("+#include \"pbx.d/current/extensions.conf\"")
        .says("secret = ********")
        .says("pbx.d/current -> revisions/000000")
        // The last boxes of the stock voicemail.conf stand right before what is added.
        .hides("=> ********,Andrew")
        .hides("rockh@mmer")
        .hides("not loaded");
    assert!(shown.out.contains("[pbxd]"), "{}", shown.out);

    let done = lab.setup(&["--yes"]).ended(0);
    let secret = lab.secret();
    assert!(secret.len() >= 24 && secret.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{secret}");
    let done = done.says("let pbxd in at").says("is kept as").hides(&secret);
    // The unit would read another file.
    let done = done.says(&format!("sudo pbxd --config {}", lab.toml().display())).hides("systemctl enable");
    assert_eq!(lab.backups().len(), FILES.len(), "{}", done.all);
    let after = lab.state();
    for (name, _) in FILES {
        let text = lab.read(name);
        assert_eq!(text.matches("#include \"pbx.d/current/").count(), 1, "{name}");
        assert!(lab.asterisk.etc().join("pbx.d/current").join(name).is_file(), "{name}");
        let owner = fs::metadata(lab.asterisk.etc()).unwrap();
        let meta = fs::metadata(lab.asterisk.etc().join(name)).unwrap();
        assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o777), (owner.uid(), owner.gid(), 0o640), "{name}");
    }
    let user = fs::metadata(lab.asterisk.etc().join("manager.d/pbxd.conf")).unwrap();
    assert_eq!(user.mode() & 0o777, 0o640);
    assert_eq!(fs::metadata(lab.toml()).unwrap().mode() & 0o777, 0o640);
    let shown = lab.asterisk.cli("manager show user pbxd").unwrap();
    assert!(shown.contains("system") && shown.contains("acl: yes") || shown.contains("ACL"), "{shown}");
    // Asterisk itself takes all of it at a reload and at a start.
    for (_, module) in FILES {
        assert!(!lab.asterisk.cli(&format!("module reload {module}")).unwrap().contains("rror"), "{module}");
    }

    lab.setup(&["--yes"]).ended(0).says("Nothing to do.").hides("is kept as");
    assert_eq!(lab.state(), after, "the second run changes nothing");
    lab.setup(&["--dry-run"]).ended(0).says("Nothing to do.");
}

#[test]
fn files_of_ones_own_keep_their_bytes_and_their_user() {
    let own = "; caf\u{e9}\r\n[general]\r\nstatic=yes\r\n[from-outside]\r\nexten => s,1,NoOp(a\\;b) ; here";
    let lab = Lab::new(
        Asterisk::builder()
            .file("extensions.conf", own)
            .file(
                "pjsip.conf",
                "[mine]\ntype=transport\nprotocol=udp\nbind={ip}:5060\n[1001]\ntype=endpoint\nauth=1001\naors=1001\n\
                 [1001]\ntype=auth\npassword=hush\n[1001]\ntype=aor\n",
            )
            .file("rtp.conf", "; nothing in it\n")
            .file("voicemail.conf", "[general]\n[own]\n1 => 4711,A,,,imappassword=hush\n")
            .start()
            .unwrap(),
    );
    fs::set_permissions(lab.asterisk.etc().join("extensions.conf"), std::fs::Permissions::from_mode(0o664)).unwrap();
    let manager = lab.read("manager.conf");
    lab.setup(&["--yes"])
        .ended(0)
        .says("the transport [mine] listens on udp")
        .says("managed: false")
        .says("1 SIP endpoint of your own: 1001")
        .hides("hush")
        .hides("lab-secret");
    assert_eq!(lab.read("manager.conf"), manager, "a user with every right is left alone");
    assert_eq!(lab.secret(), "lab-secret", "and known to pbxd");
    let text = lab.read("extensions.conf");
    assert!(text.starts_with(own), "{text}");
    assert_eq!(fs::metadata(lab.asterisk.etc().join("extensions.conf")).unwrap().mode() & 0o777, 0o664);
    assert!(lab.read("rtp.conf").contains("\n[general]\n"));
    assert!(lab.asterisk.cli("dialplan show from-outside").unwrap().contains("a;b"));
    lab.setup(&["--yes"]).ended(0).says("Nothing to do.");
}

#[test]
fn what_is_missing_is_made() {
    let lab = Lab::new(Asterisk::builder().start().unwrap());
    for (name, _) in FILES {
        fs::remove_file(lab.asterisk.etc().join(name)).unwrap();
    }
    lab.setup(&["--yes"]).ended(0).says("+ voicemail.conf").says("let pbxd in");
    assert!(lab.read("voicemail.conf").contains("[general]\n"));
    assert!(lab.backups().is_empty());
    lab.setup(&["--yes"]).ended(0).says("Nothing to do.");
}

#[test]
fn what_an_interrupted_run_left_is_finished() {
    let lab = stock();
    lab.setup(&["--yes"]).ended(0);
    let whole = lab.read("pjsip.conf");
    // Killed after pbxd's own configuration, before the rest.
    fs::remove_file(lab.asterisk.etc().join("manager.d/pbxd.conf")).unwrap();
    lab.asterisk.write("pjsip.conf", whole.split("\n; What pbxd manages").next().unwrap()).unwrap();
    fs::remove_dir_all(lab.asterisk.etc().join("pbx.d/revisions/000000")).unwrap();
    lab.asterisk.cli("manager reload").unwrap();
    let secret = lab.secret();
    lab.setup(&["--yes"]).ended(0).says("+ manager.d/pbxd.conf").says("let pbxd in");
    assert_eq!(lab.secret(), secret, "the secret that pbxd has is the one that Asterisk gets");
    lab.setup(&["--yes"]).ended(0).says("Nothing to do.");

    // Killed after the files, before Asterisk read manager.conf.
    let user = lab.read("manager.d/pbxd.conf");
    fs::remove_file(lab.asterisk.etc().join("manager.d/pbxd.conf")).unwrap();
    lab.asterisk.cli("manager reload").unwrap();
    lab.asterisk.write("manager.d/pbxd.conf", &user).unwrap();
    lab.setup(&["--yes"]).ended(0).says("Nothing to do.").says("had not read its manager.conf yet");
    lab.setup(&["--yes"]).ended(0).says("Nothing to do.").hides("had not read");
}

#[test]
fn pbxd_and_asterisk_agree_on_the_secret_or_are_made_to() {
    let lab = stock();
    lab.setup(&["--yes"]).ended(0);
    let secret = lab.secret();
    let text = fs::read_to_string(lab.toml()).unwrap();
    fs::write(lab.toml(), text.replace(&secret, "something-else")).unwrap();
    lab.setup(&["--dry-run"]).ended(0).says("+secret = ******** (new)").hides("something-else").hides(&secret);
    lab.setup(&["--yes"]).ended(0).hides("something-else").hides(&secret);
    assert_eq!(fs::read_to_string(lab.toml()).unwrap(), text);
    // A right taken away is given back.
    let user = lab.read("manager.d/pbxd.conf");
    lab.asterisk.write("manager.d/pbxd.conf", &user.replace(",command", "")).unwrap();
    lab.asterisk.cli("manager reload").unwrap();
    lab.setup(&["--yes"]).ended(0).says("+write = ");
}

#[test]
fn what_asterisk_does_not_take_is_put_back() {
    let lab = stock();
    // A user that may not come from here: written, reloaded, refused.
    lab.asterisk
        .write("manager.d/mine.conf", "[pbxd]\nsecret = hush\nread = all\nwrite = all\ndeny = 0.0.0.0/0.0.0.0\n")
        .unwrap();
    lab.asterisk.cli("manager reload").unwrap();
    let before = lab.state();
    lab.setup(&["--yes"]).ended(4).says("everything was put back").says("messages.log").hides("hush");
    assert_eq!(lab.state(), before);
    assert!(!lab.toml().exists());
}

#[test]
fn what_is_in_the_way_is_told_before_anything_is_written() {
    let lab = Lab::new(
        Asterisk::builder()
            .file("extensions.conf", "[general]\n[pbx-mine]\n;-- and so on\n")
            .file("voicemail.conf", "[general]\n[broken\n")
            .file("extconfig.conf", "[settings]\npjsip.conf => odbc,asterisk\n")
            .prepare()
            .unwrap(),
    );
    let outside = lab.folder.path().join("outside.conf");
    fs::write(&outside, "[general]\n").unwrap();
    fs::remove_file(lab.asterisk.etc().join("rtp.conf")).unwrap();
    std::os::unix::fs::symlink(&outside, lab.asterisk.etc().join("rtp.conf")).unwrap();
    let before = lab.state();
    lab.setup(&["--yes"])
        .ended(1)
        .says("extensions.conf:3: a comment is opened")
        .says("extensions.conf:2: the context [pbx-mine]")
        .says("voicemail.conf:2: Asterisk rejects voicemail.conf as it is")
        .says("reads pjsip.conf from a database")
        .says("is a link to")
        .says("nothing was changed");
    assert_eq!(lab.state(), before);
    let document: Value = serde_json::from_str(&lab.setup(&["--yes", "-o", "json"]).ended(1).out).unwrap();
    assert_eq!(document["error"]["code"], "inTheWay");
}

#[test]
fn what_pbxd_could_not_start_with_is_refused_first() {
    let lab = Lab::new(Asterisk::builder().prepare().unwrap());
    let before = lab.state();
    lab.setup(&["--yes", "--store", "foo"]).ended(64).says("sqlite://").says("nothing was changed");
    lab.setup(&["--yes", "--store", "mysql://pbxd:hush@db/pbx"]).ended(64).hides("hush");
    lab.setup(&["--dry-run", "--pbxd-user", "nosuch"]).ended(64).says("there is no user `nosuch`");
    assert_eq!((lab.state(), lab.toml().exists()), (before, false));

    let other = "postgres://pbxd:hush@db.example/pbx";
    lab.setup(&["--yes"]).ended(0).hides("another store");
    lab.setup(&["--yes", "--store", other]).ended(0).says("names another store than `--store`").hides("hush");
    assert!(fs::read_to_string(lab.toml()).unwrap().contains("store = \"sqlite:///var/lib/pbxd/pbxd.db\""));
    lab.setup(&["--yes", "--store", "sqlite:///var/lib/pbxd/pbxd.db"]).ended(0).hides("another store");
}

/// A copy of a configuration, whose console leads to the Asterisk of the original.
#[test]
fn a_copy_of_the_configuration_is_not_what_asterisk_reads() {
    let lab = Lab::new(Asterisk::builder().start().unwrap());
    let copy = lab.folder.path().join("copy");
    fs::create_dir_all(&copy).unwrap();
    for entry in fs::read_dir(lab.asterisk.etc()).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
        fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    let etc = lab.asterisk.etc().display().to_string();
    let text = lab.read("asterisk.conf");
    let run = text.lines().find(|line| line.starts_with("astrundir")).unwrap().to_owned();
    let conf = text.replace(&etc, &copy.display().to_string());
    assert_ne!(conf, text);
    fs::write(copy.join("asterisk.conf"), &conf).unwrap();
    let files = || {
        let mut all: Vec<_> =
            fs::read_dir(&copy).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
        all.sort();
        all
    };
    let before = files();
    let there = format!("--asterisk-conf={}/asterisk.conf", copy.display());
    let run_with = |verb: &str, more: &[&str]| {
        let console = lab.console.replace(&etc, &copy.display().to_string());
        let mut all = lab.command(verb, &console);
        let words: Vec<_> = all.get_args().map(std::ffi::OsStr::to_owned).collect();
        let at = words.iter().position(|word| word == "--asterisk-conf").unwrap();
        all = Command::new(all.get_program());
        all.args(&words[..at]).args(&words[at + 2..]).arg(&there).args(more);
        Ran::new(&all.stdin(Stdio::null()).output().unwrap())
    };
    let words = format!("reads its configuration in {etc}, and not in {}", copy.display());
    let cure = format!("--asterisk-conf {etc}/asterisk.conf");
    run_with("setup", &["--dry-run"]).ended(1).says(&words).says("nothing was changed").says(&cure);
    run_with("setup", &["--yes"]).ended(1).says(&words);
    run_with("doctor", &[]).ended(1).says(&words);
    assert_eq!((files(), lab.toml().exists()), (before.clone(), false));

    // Its console leads nowhere, its manager.conf to the same Asterisk.
    fs::create_dir_all(lab.folder.path().join("nobody")).unwrap();
    let nobody = format!("astrundir => {}/nobody", lab.folder.path().display());
    fs::write(copy.join("asterisk.conf"), conf.replace(&run, &nobody)).unwrap();
    let before = files();
    run_with("setup", &["--yes"]).ended(4).says(&words).says("everything was put back").says(&cure);
    assert_eq!((files(), lab.toml().exists()), (before, false));
    lab.setup(&["--yes"]).ended(0).says("reads all 8 files");
}

#[test]
fn includes_that_came_twice_come_once() {
    let lab = Lab::new(Asterisk::builder().start().unwrap());
    lab.setup(&["--yes"]).ended(0);
    let text = lab.read("pjsip.conf");
    lab.asterisk.write("pjsip.conf", &format!("{text}#include \"pbx.d/current/pjsip.conf\"\n")).unwrap();
    lab.setup(&["--yes"]).ended(0).says("-#include");
    assert_eq!(lab.read("pjsip.conf"), text);
}

#[test]
fn without_asterisk_the_files_are_prepared_and_the_rest_is_told() {
    let mut asterisk = Asterisk::builder().stock().prepare().unwrap();
    let lab_console = console(&asterisk);
    asterisk.kill();
    let lab = Lab { asterisk, folder: tempfile::tempdir().unwrap(), console: lab_console };
    let mut unnamed = lab.command("setup", "");
    let words: Vec<_> = unnamed.get_args().map(std::ffi::OsStr::to_owned).collect();
    unnamed = Command::new(unnamed.get_program());
    let without = words.iter().filter(|word| *word != "--asterisk-command" && !word.is_empty());
    let ran = Ran::new(&unnamed.args(without).arg("--yes").env("PATH", "/nonexistent").output().unwrap());
    ran.ended(0).says("Asterisk was not asked").says("asterisk.conf -rx 'manager reload'");
    lab.setup(&["--yes"]).ended(0).says("Nothing to do.").says("Asterisk does not run");
    let Lab { mut asterisk, folder, console } = lab;
    asterisk.start_again().unwrap();
    let lab = Lab { asterisk, folder, console };
    let document: Value = serde_json::from_str(&lab.setup(&["--yes", "-o", "json"]).ended(0).out).unwrap();
    assert_eq!(document["changes"], serde_json::json!([]));
    assert!(document["proof"]["version"].as_str().unwrap().starts_with("22."), "{document}");
    assert_eq!(document["proof"]["notLoaded"], serde_json::json!([]));
}

#[test]
fn a_command_that_is_not_asterisks_is_refused_first() {
    let lab = Lab::new(Asterisk::builder().stock().prepare().unwrap());
    let before = lab.state();
    for (command, why) in [
        ("/no/such/asterisk", "cannot be run: /no/such/asterisk: No such file or directory"),
        ("true", "does not answer as Asterisk's console does: no answer"),
        ("echo hello", "does not answer as Asterisk's console does: hello -rx core show version"),
        ("", "names no program"),
    ] {
        for how in ["--yes", "--dry-run"] {
            lab.setup_by(command, &[how]).ended(64).says(why).says("nothing was changed");
        }
    }
    assert_eq!(lab.state(), before);
}

#[test]
fn on_a_terminal_it_asks() {
    let lab = stock();
    let before = lab.state();
    let answer = |key: &str| {
        let command = lab.command("setup", &lab.console);
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let line: Vec<String> = words.map(|word| format!("'{}'", word.to_string_lossy())).collect();
        // A terminal of its own: the key is typed when the question is there, or waits for it.
        let output = Command::new("script")
            .args(["-qec", &line.join(" "), "/dev/null"])
            .env("TERM", "xterm")
            .stdin({
                let (reader, mut writer) = std::io::pipe().unwrap();
                std::io::Write::write_all(&mut writer, key.as_bytes()).unwrap();
                reader
            })
            .output()
            .unwrap();
        Ran::new(&output)
    };
    answer("n\n").ended(1).says("Make these changes?").says("pbx.d/current/pjsip.conf").says("nothing was changed");
    assert_eq!(lab.state(), before);
    answer("y\n").ended(0).says("let pbxd in");
}

#[test]
fn whoever_may_not_write_there_is_told() {
    if !rustix::process::geteuid().is_root() {
        // Becoming somebody else takes root; whoever is not may write in the lab's folders.
        return;
    }
    let lab = stock();
    let copy = lab.folder.path().join("pbxctl");
    fs::copy(env!("CARGO_BIN_EXE_pbxctl"), &copy).unwrap();
    fs::set_permissions(lab.folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let run = |uid: &str| {
        let output = Command::new("setpriv")
            .args(["--reuid", uid, "--regid", uid, "--clear-groups", "--"])
            .arg(Path::new(&copy))
            .args(["setup", "--yes", "--asterisk-conf"])
            .arg(lab.asterisk.etc().join("asterisk.conf"))
            .arg("--pbxd-config")
            .arg(lab.toml())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Ran::new(&output)
    };
    run("64998").ended(3).says("sudo");
}
