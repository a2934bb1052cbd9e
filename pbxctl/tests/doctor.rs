//! `pbxctl doctor` in broken set-ups, on real Asterisks with a real pbxd: it finds what is broken and names the cure.

#![expect(clippy::unwrap_used, reason = "helpers of tests stand outside of test functions")]

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fs_err as fs;
use pbx_asterisk::config::FILES;
use pbx_lab::{Asterisk, until};
use serde_json::Value;

mod lab;

use lab::{Lab, Ran};

/// A pbxd, killed when dropped.
struct Pbxd(Child);

impl Drop for Pbxd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A system that is prepared, with pbxd running.
struct System {
    pbxd: Option<Pbxd>,
    lab: Lab,
}

/// A prepared Asterisk without pbxd.
fn prepared(asterisk: Asterisk) -> Lab {
    let lab = Lab::new(asterisk);
    let folder = lab.folder.path();
    fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    let (store, key) = (format!("sqlite://{}/pbxd.db", folder.display()), folder.join("key"));
    lab.setup(&["--yes", "--store", &store, "--key-file", key.to_str().unwrap()]).ended(0);
    lab
}

fn small() -> Asterisk {
    Asterisk::builder().start().unwrap()
}

impl System {
    /// Everything as it should be.
    fn new() -> Self {
        let mut own = Self { pbxd: None, lab: prepared(small()) };
        own.start(&[]);
        own
    }

    /// Starts pbxd, through another program where one is named.
    fn start(&mut self, through: &[&str]) {
        let program = Path::new(env!("CARGO_BIN_EXE_pbxctl")).with_file_name("pbxd");
        assert!(program.exists(), "{} is not built: `cargo build -p pbxd`", program.display());
        let mut command = match through.split_first() {
            None => Command::new(&program),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(&program);
                command
            }
        };
        let out = fs::File::create(self.lab.folder.path().join("pbxd.out")).unwrap();
        command.arg("--config").arg(self.lab.toml()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(out.into_file());
        self.pbxd = Some(Pbxd(command.spawn().unwrap()));
        let socket = self.lab.folder.path().join("pbxd.sock");
        let begun = until("the start of pbxd", Duration::from_secs(30), || Ok(UnixStream::connect(&socket).ok()));
        let words = fs::read_to_string(self.lab.folder.path().join("pbxd.out")).unwrap_or_default();
        assert!(begun.is_ok(), "{words}");
    }

    /// Looks until pbxd's connection is as it will stay: it connects in the background.
    fn doctor(&self) -> Diagnosis {
        doctor(&self.lab)
    }

    fn etc(&self, name: &str) -> std::path::PathBuf {
        self.lab.asterisk.etc().join(name)
    }
}

/// What doctor said.
struct Diagnosis {
    exit: i32,
    document: Value,
}

fn doctor(lab: &Lab) -> Diagnosis {
    let ask = || {
        let mut command = lab.command("doctor", &lab.console);
        let ran = Ran::new(&command.args(["-o", "json"]).output().unwrap());
        Diagnosis { exit: ran.exit, document: serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}", ran.all)) }
    };
    until("pbxd's first connection", Duration::from_secs(20), || {
        let diagnosis = ask();
        let connecting = diagnosis.document.to_string().contains("has not connected yet");
        Ok((!connecting).then_some(diagnosis))
    })
    .unwrap()
}

impl Diagnosis {
    #[track_caller]
    fn ended(self, exit: i32) -> Self {
        assert_eq!(self.exit, exit, "{:#}", self.document);
        self
    }

    /// A check is in a state, and its message and help have these words.
    #[track_caller]
    fn finds(self, check: &str, state: &str, words: &[&str]) -> Self {
        let all = self.document["checks"].as_array().unwrap();
        let found = all.iter().any(|own| {
            let text = format!("{} {}", own["message"], own["help"]);
            own["check"] == check && own["state"] == state && words.iter().all(|word| text.contains(word))
        });
        assert!(found, "no {check} {state} with {words:?} in {:#}", self.document);
        self
    }

    /// Nothing else is broken.
    #[track_caller]
    fn only(self, checks: &[&str]) -> Self {
        for own in self.document["checks"].as_array().unwrap().iter().filter(|own| own["state"] == "fail") {
            assert!(checks.contains(&own["check"].as_str().unwrap()), "{own:#}");
            assert!(own["help"].as_array().is_some_and(|help| !help.is_empty()), "without a cure: {own:#}");
        }
        self
    }
}

#[test]
fn a_sound_system_is_found_sound() {
    let system = System::new();
    system
        .doctor()
        .ended(0)
        .only(&[])
        .finds("pbxd-to-asterisk", "ok", &[])
        .finds("manager-rights", "ok", &[])
        .finds("asterisk-version", "ok", &["22."])
        .finds("modules", "ok", &[])
        .finds("guarded", "ok", &[])
        .finds("current", "ok", &["nothing applied yet"])
        .finds("include-pjsip.conf", "ok", &[]);
    let mut command = system.lab.command("doctor", &system.lab.console);
    let ran = Ran::new(&command.output().unwrap()).ended(0).hides("lab-secret");
    assert!(ran.out.starts_with("CHECK") && ran.out.contains("checks: all is well."), "{}", ran.all);
}

/// From Debian's stock configuration to an apply, with pbxd as a user who has nothing but what setup gave.
#[test]
fn what_setup_gives_is_enough_for_pbxd() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let mut system = System { pbxd: None, lab: Lab::new(Asterisk::builder().stock().start().unwrap()) };
    let folder = system.lab.folder.path().to_owned();
    fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    let (store, key) = (format!("sqlite://{}/pbxd.db", folder.display()), folder.join("key"));
    let prepare = ["--yes", "--store", &store, "--key-file", key.to_str().unwrap(), "--pbxd-user", "nobody"];
    system.lab.setup(&prepare).ended(0).says("belongs to nobody");
    system.lab.setup(&prepare).ended(0).says("Nothing to do.");
    let group = fs::metadata(system.lab.asterisk.etc()).unwrap().gid().to_string();
    system.start(&["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--groups", &group, "--"]);
    system.doctor().ended(0).only(&[]).finds("pbxd-writes", "ok", &[]).finds("logs", "ok", &[]);

    let ip = system.lab.asterisk.address();
    let manifest = format!(
        "apiVersion: pbx/v1\nkind: Settings\nmetadata: {{ name: pbx }}\nspec:\n  timeZone: Europe/Lisbon\n  transports:\n    \
         udp: {{ bind: \"{ip}:5060\" }}\n    tcp: {{ bind: \"{ip}:5060\" }}\n---\napiVersion: pbx/v1\nkind: Extension\n\
         metadata: {{ name: \"1001\" }}\nspec: {{ displayName: Ana Reyes, voicemail: {{ enabled: true }} }}\n"
    );
    fs::write(folder.join("office.yaml"), manifest).unwrap();
    let mut apply = Command::new(env!("CARGO_BIN_EXE_pbxctl"));
    apply.args(["apply", "--yes", "--socket"]).arg(folder.join("pbxd.sock")).arg("-f").arg(folder.join("office.yaml"));
    Ran::new(&apply.stdin(Stdio::null()).output().unwrap()).ended(0);
    system
        .doctor()
        .ended(0)
        .only(&[])
        .finds("current", "ok", &["revision 1"])
        .finds("transports", "ok", &["udp", "tcp"])
        .finds("guarded", "ok", &[])
        .finds("time-zones", "ok", &["Europe/Lisbon"])
        .finds("as-applied", "ok", &["revision 1"]);
    system.lab.setup(&prepare).ended(0).says("Nothing to do.");

    system.lab.asterisk.cli("dialplan remove context pbx-hints").unwrap();
    let lost = ["context pbx-hints is not there", "pbxctl drift", "pbxctl rollback 1"];
    system.doctor().ended(1).only(&["as-applied"]).finds("as-applied", "fail", &lost);
}

#[test]
fn pbxd_is_down() {
    let lab = prepared(small());
    doctor(&lab).ended(6).only(&["pbxd-socket"]).finds("pbxd-socket", "fail", &["systemctl start pbxd"]);
}

#[test]
fn what_is_not_there_is_said_and_nothing_is_made() {
    let lab = prepared(small());
    let folder = lab.folder.path();
    // Asterisk's program makes its folder to run in before it finds nobody to talk to.
    fs::create_dir_all(folder.join("bin")).unwrap();
    let program = folder.join("bin/asterisk");
    fs::write(&program, format!("#!/bin/sh\nmkdir -p {}/made\nexit 1\n", folder.display())).unwrap();
    fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let conf = folder.join("asterisk.conf");
    let look = |conf: &Path, toml: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pbxctl"));
        command.args(["doctor", "-o", "json", "--asterisk-conf"]).arg(conf).arg("--pbxd-config").arg(toml);
        command.arg("--socket").arg(folder.join("pbxd.sock")).env_clear();
        command.env("PATH", format!("{}:/usr/bin:/bin", folder.join("bin").display())).stdin(Stdio::null());
        let ran = Ran::new(&command.output().unwrap());
        assert!(!folder.join("made").exists(), "{}", ran.all);
        assert!(!ran.all.contains("Asterisk runs as root"), "{}", ran.all);
        Diagnosis { exit: ran.exit, document: serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}", ran.all)) }
    };
    look(&folder.join("nope.conf"), &lab.toml()).ended(1).finds("asterisk-conf", "fail", &["there is no", "nope.conf"]);
    // A description of folders in which nobody runs.
    let own = fs::read_to_string(lab.asterisk.etc().join("asterisk.conf")).unwrap();
    let run = own.lines().find(|line| line.starts_with("astrundir")).unwrap();
    fs::write(&conf, own.replace(run, &format!("astrundir => {}/nobody", folder.display()))).unwrap();
    let toml = folder.join("nope.toml");
    let found = look(&conf, &toml)
        .ended(1)
        .finds("pbxd-config", "fail", &["there is no", "nope.toml"])
        .finds("manager-login", "skip", &["there is no", "nope.toml"])
        .finds("asterisk", "skip", &["could not be asked: there is no", "nobody"]);
    assert!(!found.document.to_string().contains("run it with"), "{:#}", found.document);
}

/// What setup says to do next works as it is.
#[test]
fn the_socket_is_where_pbxds_configuration_says() {
    let mut system = System { pbxd: None, lab: prepared(small()) };
    let look = |lab: &Lab, more: &[&str]| {
        let all = lab.command("doctor", &lab.console);
        let words: Vec<_> = all.get_args().map(std::ffi::OsStr::to_owned).collect();
        let at = words.iter().position(|word| word == "--socket").unwrap();
        let mut command = Command::new(all.get_program());
        command.args(&words[..at]).args(&words[at + 2..]).args(more).args(["-o", "json"]);
        let ran = Ran::new(&command.env_remove("PBXCTL_SOCKET").stdin(Stdio::null()).output().unwrap());
        Diagnosis { exit: ran.exit, document: serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}", ran.all)) }
    };
    let socket = system.lab.folder.path().join("pbxd.sock").display().to_string();
    look(&system.lab, &[]).ended(6).finds("pbxd-socket", "fail", &[&socket]);
    system.start(&[]);
    look(&system.lab, &[]).finds("pbxd-socket", "ok", &[&socket]);
    look(&system.lab, &["--socket", "/nope.sock"]).ended(6).finds("pbxd-socket", "fail", &["/nope.sock"]);
}

#[test]
fn pbxd_was_killed() {
    let lab = prepared(small());
    drop(UnixListener::bind(lab.folder.path().join("pbxd.sock")).unwrap());
    doctor(&lab).ended(6).only(&["pbxd-socket"]).finds(
        "pbxd-socket",
        "fail",
        &["was killed", "systemctl restart pbxd"],
    );
}

/// Asks as a user without any rights, who has the program where everybody may run it.
fn by_a_stranger(lab: &Lab, console: &str) -> Ran {
    let copy = lab.folder.path().join("pbxctl");
    if !copy.exists() {
        fs::copy(env!("CARGO_BIN_EXE_pbxctl"), &copy).unwrap();
    }
    let own = lab.command("doctor", console);
    let output = Command::new("setpriv")
        .args(["--reuid", "64998", "--regid", "64998", "--clear-groups", "--"])
        .arg(&copy)
        .args(own.get_args())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Ran::new(&output)
}

#[test]
fn the_socket_is_not_for_this_user() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let lab = prepared(small());
    let socket = lab.folder.path().join("pbxd.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o660)).unwrap();
    by_a_stranger(&lab, &lab.console).ended(1).says("may not use").says("usermod -aG root $USER");
}

#[test]
fn what_is_for_root_alone_is_skipped_with_a_word_of_sudo() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let system = System::new();
    fs::set_permissions(system.lab.folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let socket = system.lab.folder.path().join("pbxd.sock");
    fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o666)).unwrap();
    let mode = |path: &Path, mode: u32| fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    let etc = system.lab.asterisk.etc();
    for path in [etc.parent().unwrap(), &etc, &system.etc("pbx.d"), &system.etc("pbx.d/revisions")] {
        mode(path, 0o755);
    }
    mode(&system.etc("asterisk.conf"), 0o644);
    let doctor = |console: &str| by_a_stranger(&system.lab, console).hides("install").says("sudo");
    // A program that may not be run; then the folders one by one, from within.
    let command = system.lab.folder.path().join("asterisk");
    fs::write(&command, "").unwrap();
    doctor(&command.display().to_string()).says("Permission denied (os error 13); run it with `sudo`");
    mode(&system.etc("pbx.d/revisions/000000"), 0o700);
    doctor(&system.lab.console).hides("has no pjsip.conf").says("current");
    mode(&etc, 0o700);
    doctor(&system.lab.console).says("config-dir").says("not for this user: run it with `sudo`");
    mode(etc.parent().unwrap(), 0o700);
    doctor(&system.lab.console).says("config-dir").says("not for this user: run it with `sudo`");
}

#[test]
fn the_manager_interface_is_closed() {
    let system = System::new();
    let text = system.lab.read("manager.conf").replace("enabled = yes", "enabled = no");
    system.lab.asterisk.write("manager.conf", &text).unwrap();
    system.lab.asterisk.cli("manager reload").unwrap();
    system.doctor().only(&["manager-login", "pbxd-to-asterisk"]).finds(
        "manager-login",
        "fail",
        &["Asterisk runs, and its manager interface does not listen", "pbxctl setup"],
    );
    // And setup is the cure that it is said to be.
    system.lab.setup(&["--yes"]).ended(0).says("+enabled = yes");
    until("pbxd's way back", Duration::from_mins(1), || Ok((system.doctor().exit == 0).then_some(()))).unwrap();
}

#[test]
fn asterisk_is_down() {
    let mut system = System::new();
    system.lab.asterisk.kill();
    // A connection that was being made while Asterisk ended may have gone without an answer first.
    until("an Asterisk that does not run", Duration::from_secs(20), || {
        let diagnosis = system.doctor();
        Ok((diagnosis.exit == 6 && diagnosis.document.to_string().contains("is Asterisk running?"))
            .then_some(diagnosis))
    })
    .unwrap()
    .only(&["manager-login", "pbxd-to-asterisk"])
    .finds("pbxd-to-asterisk", "fail", &["systemctl status asterisk"]);
}

#[test]
fn the_secret_is_another_one() {
    let mut system = System { pbxd: None, lab: prepared(small()) };
    let text = fs::read_to_string(system.lab.toml()).unwrap();
    fs::write(system.lab.toml(), text.replace("lab-secret", "another")).unwrap();
    system.start(&[]);
    system
        .doctor()
        .ended(1)
        .only(&["manager-login", "pbxd-to-asterisk"])
        .finds("pbxd-to-asterisk", "fail", &["did not accept", "pbxctl setup"])
        .finds("manager-login", "fail", &["did not accept"]);
    system.pbxd = None;
    system.lab.setup(&["--yes"]).ended(0);
    system.start(&[]);
    system.doctor().ended(0);
}

#[test]
fn the_manager_user_lacks_rights() {
    let lab = prepared(small());
    let text = lab.read("manager.conf").replace("write = all", "write = call,originate,agent,user");
    lab.asterisk.write("manager.conf", &text).unwrap();
    lab.asterisk.cli("manager reload").unwrap();
    doctor(&lab).ended(1).only(&["pbxd-socket", "manager-rights"]).finds(
        "manager-rights",
        "fail",
        &["system, command, reporting", "pbxctl setup"],
    );
    // Given in the file, and not yet by Asterisk.
    lab.asterisk.write("manager.conf", &text.replace("write = call,originate,agent,user", "write = all")).unwrap();
    doctor(&lab).ended(1).finds("manager-rights", "fail", &["not read it since", "manager reload"]);
}

#[test]
fn an_include_is_missing() {
    let system = System::new();
    system.lab.asterisk.write("pjsip.conf", "; new, and empty\n").unwrap();
    system.doctor().ended(1).only(&["include-pjsip.conf"]).finds(
        "include-pjsip.conf",
        "fail",
        &["does not include", "pbxctl setup"],
    );
}

#[test]
fn an_include_comes_twice() {
    let system = System::new();
    let text = system.lab.read("extensions.conf");
    let text = format!("{text}#include \"pbx.d/current/extensions.conf\"\n");
    system.lab.asterisk.write("extensions.conf", &text).unwrap();
    system.doctor().ended(1).only(&["include-extensions.conf"]).finds(
        "include-extensions.conf",
        "fail",
        &["2 times", "extensions.conf:6", "extensions.conf:7", "pbxctl setup"],
    );
}

#[test]
fn the_link_points_to_nothing() {
    let system = System::new();
    let link = system.etc("pbx.d/current");
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("revisions/000007", &link).unwrap();
    let reads = FILES.map(|(name, _)| format!("reads-{name}"));
    let told: Vec<&str> = std::iter::once("current").chain(reads.iter().map(String::as_str)).collect();
    system
        .doctor()
        .ended(1)
        .only(&told)
        .finds("current", "fail", &["revision 7, whose folder is gone", "ln -sfn revisions/000000", "do not restart"]);
}

#[test]
fn asterisk_could_write_its_own_configuration() {
    let system = System::new();
    fs::set_permissions(system.etc("pbx.d/revisions"), std::fs::Permissions::from_mode(0o770)).unwrap();
    let found = system.doctor();
    if rustix::process::geteuid().is_root() {
        found.ended(1).only(&["guarded"]).finds("guarded", "fail", &["can write", "chmod -R g-w"]);
    }
}

#[test]
fn a_module_is_not_loaded() {
    let asterisk = Asterisk::builder().prepare().unwrap();
    let text = fs::read_to_string(asterisk.etc().join("modules.conf")).unwrap();
    asterisk.write("modules.conf", &format!("{text}noload = func_devstate.so\n")).unwrap();
    let mut asterisk = asterisk;
    asterisk.start_again().unwrap();
    let lab = prepared(asterisk);
    doctor(&lab).ended(1).only(&["pbxd-socket", "modules"]).finds(
        "modules",
        "fail",
        &["func_devstate.so is not loaded", "of modules.conf keeps it out", "module load func_devstate.so"],
    );
}

#[test]
fn pbxd_may_not_read_the_logs_nor_write_the_files() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let mut system = System { pbxd: None, lab: prepared(small()) };
    let folder = system.lab.folder.path().to_owned();
    std::os::unix::fs::chown(&folder, Some(64_998), None).unwrap();
    for path in [system.lab.toml(), folder.join("etc")] {
        std::os::unix::fs::chown(&path, Some(64_998), None).unwrap();
    }
    fs::set_permissions(system.lab.asterisk.log_dir(), std::fs::Permissions::from_mode(0o700)).unwrap();
    system.start(&["setpriv", "--reuid", "64998", "--regid", "64998", "--clear-groups", "--"]);
    system
        .doctor()
        .ended(1)
        .only(&["pbxd-writes"])
        .finds("pbxd-writes", "fail", &["pbxctl setup --pbxd-user 64998"])
        .finds("logs", "warn", &["may not read", "usermod -aG"]);
}

#[test]
fn a_file_is_not_what_asterisk_reads() {
    let lab = prepared(small());
    let text = lab.read("voicemail.conf");
    lab.asterisk.write("voicemail.conf", &format!("{text}[broken\n")).unwrap();
    doctor(&lab)
        .ended(1)
        .only(&["pbxd-socket", "include-voicemail.conf", "reads-voicemail.conf"])
        .finds("include-voicemail.conf", "fail", &["has no `]`", "mend the line"])
        .finds("reads-voicemail.conf", "fail", &["parser refuses"]);
}

#[test]
fn the_files_are_not_of_pbxds_revision() {
    let system = System::new();
    let revisions = system.etc("pbx.d/revisions");
    fs::create_dir(revisions.join("000009")).unwrap();
    for entry in fs::read_dir(revisions.join("000000")).unwrap() {
        let from = entry.unwrap().path();
        fs::copy(&from, revisions.join("000009").join(from.file_name().unwrap())).unwrap();
    }
    let link = system.etc("pbx.d/current");
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("revisions/000009", &link).unwrap();
    system.doctor().ended(1).finds("current", "fail", &["of revision 9", "live revision is none", "restart pbxd"]);
}

#[test]
fn a_transport_is_not_bound_and_names_are_taken() {
    let lab =
        prepared(Asterisk::builder().file("pjsip.conf", "[mine]\ntype=transport\nbind={ip}:5060\n").start().unwrap());
    doctor(&lab).ended(6).finds("transports", "ok", &["5060"]).finds("own-files", "warn", &["managed: false"]);
    let text = lab.read("pjsip.conf");
    lab.asterisk
        .write("pjsip.conf", &format!("{text}[late]\ntype=transport\nprotocol=tcp\nbind={{ip}}:5099\n"))
        .unwrap();
    doctor(&lab).ended(1).finds("transports", "fail", &["tcp", ":5099", "restart asterisk"]);
}
