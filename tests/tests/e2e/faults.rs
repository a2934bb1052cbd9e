//! What goes wrong: Asterisk rejects something, is not there, or somebody may not.

mod database;
mod files;
mod kills;
mod manager;
mod power;
mod states;
mod together;

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use pbx_lab::{Behaviour, Phone};
use pbx_tests::{CommandOutput, SOON, System, extension, program, settings};

/// Copies a folder with owners, links and times.
pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status()?;
    ensure!(status.success(), "{} cannot be copied", from.display());
    Ok(())
}

/// Two extensions, the first with a telephone.
fn small(system: &System) -> Result<(String, Phone)> {
    let manifests = [settings(""), extension("1001", ""), extension("1002", "")].concat();
    system.apply(&manifests)?;
    let phone = system.phone("1001", &Behaviour::answer_after(Duration::ZERO))?;
    Ok((manifests, phone))
}

/// The revision that Asterisk's files are of.
fn live_files(system: &System) -> Result<String> {
    let target = fs::read_link(system.asterisk().etc().join("pbx.d/current"))?;
    Ok(target.file_name().context("no revision")?.to_string_lossy().into_owned())
}

fn apply(system: &System, manifests: &str, more: &[&str]) -> Result<CommandOutput> {
    system.write("change.yaml", manifests)?;
    system.pbxctl(&[&["apply", "-f", "change.yaml", "--yes"], more].concat())
}

#[test]
fn what_asterisk_rejects_is_taken_back_and_told() -> Result<()> {
    let system = System::start()?;
    let (manifests, phone) = small(&system)?;
    let before = live_files(&system)?;

    // A certificate that is not there; with it, changes that are fine.
    let broken = manifests
        .replace("tcp: {", "tls: { bind: \"{ip}:5061\", certificate: /none.pem, privateKey: /none.key }, tcp: {");
    let broken = broken + &extension("1003", "");
    let output = apply(&system, &broken, &["-o", "json"])?.expect(4)?;
    let failure = output.json()?["error"]["failures"][0].take();
    assert_eq!(failure["object"], "settings/pbx", "{output}");
    let file = failure["file"].as_str().context("no file")?;
    let line = usize::try_from(failure["line"].as_u64().context("no line")?)?;
    let text = fs::read_to_string(system.asterisk().etc().join(file))?;
    assert_eq!(text.lines().nth(line - 1), Some("[pbx-tls]"));
    assert!(output.stdout.contains("Could not create an object of type 'transport' with id 'pbx-tls'"), "{output}");

    // For people: the object, the line, Asterisk's own words, and what is live.
    let output = apply(&system, &broken, &[])?.expect(4)?;
    for part in ["settings/pbx", "pjsip.conf:", "Asterisk says: ", "revision 1 is live again"] {
        assert!(output.stderr.contains(part), "{part}:\n{output}");
    }

    // What was before is live, all of it, and calls go on.
    assert_eq!(live_files(&system)?, before);
    assert_eq!(system.health()?.revision, Some(1));
    system.caller("1002")?.call("1001", system.ip())?.expect_answer()?;
    assert_eq!(phone.wait_calls(1, SOON)?.len(), 1);
    assert!(!system.asterisk().cli("pjsip show endpoints")?.contains("1003"));
    let history = system.pbxctl(&["history"])?.expect(0)?;
    assert!(history.stdout.contains("rolled back"), "{history}");

    // A codec that this Asterisk has not: a telephone would be left without any.
    let output = apply(&system, &manifests.replacen("secret-1001", "secret-1001, codecs: [evs]", 1), &["-o", "json"])?
        .expect(4)?;
    let failure = output.json()?["error"]["failures"][0].take();
    assert_eq!(failure["object"], "extension/1001", "{output}");
    assert!(failure["line"].is_u64() && output.stdout.contains("evs"), "{output}");
    assert_eq!(live_files(&system)?, before);
    system.caller("1002")?.call("1001", system.ip())?.expect_answer()?;
    assert_eq!(phone.wait_calls(2, SOON)?.len(), 2);

    // Mended, it goes through.
    apply(&system, &(manifests + &extension("1003", "")), &[])?.expect(0)?;
    assert!(system.asterisk().cli("pjsip show endpoints")?.contains("1003"));
    Ok(())
}

/// A profile's mistake is a mistake of all who have it: soon told, and not a thousand times.
#[test]
fn what_asterisk_rejects_of_many_is_told_once() -> Result<()> {
    let system = System::start()?;
    let (manifests, _phone) = small(&system)?;
    let profile = "---\nkind: ExtensionProfile\nmetadata: { name: desk }\nspec: { codecs: [evs] }\n";
    let many: String = (2000..2600).map(|number| extension(&number.to_string(), ", profile: desk")).collect();
    let output = apply(&system, &[&manifests, profile, &many].concat(), &[])?.expect(4)?;
    assert!(output.stderr.contains("extension/2000") && output.stderr.contains("Asterisk says: "), "{output}");
    assert!(output.stderr.contains("… and ") && output.stderr.lines().count() < 2500, "{output}");
    // What it is that Asterisk cannot read.
    assert!(output.stderr.contains("Error parsing allow=evs at line "), "{output}");
    assert_eq!(system.health()?.revision, Some(1));
    system.caller("1002")?.call("1001", system.ip())?.expect_answer()?;
    Ok(())
}

#[test]
fn what_a_missing_module_ignores_is_noticed() -> Result<()> {
    let modules = "[modules]\nautoload = yes\nnoload = res_pjsip_outbound_registration.so\nnoload = app_voicemail_odbc.so\n\
        noload = app_voicemail_imap.so\nnoload = chan_iax2.so\nnoload = chan_unistim.so\nnoload = pbx_dundi.so\n\
        noload = res_odbc.so\nnoload = res_config_odbc.so\nnoload = cdr_odbc.so\n";
    let system = System::builder().file("modules.conf", modules).start()?;
    let (manifests, _phone) = small(&system)?;
    let carrier = "---\nkind: Carrier\nmetadata: { name: provider }\nspec: { hosts: [\"192.0.2.1:5060\"], registration: \
        { username: acme, password: provider-secret } }\n";
    let output = apply(&system, &(manifests + carrier), &[])?.expect(4)?;
    assert!(output.stderr.contains("carrier/provider"), "{output}");
    assert_eq!(system.health()?.revision, Some(1));
    system.caller("1002")?.call("1001", system.ip())?.expect_answer()?;
    Ok(())
}

/// Asterisk reads a dialplan that calls a function it has not without a word; nobody could be called any more.
#[test]
fn what_the_dialplan_needs_must_be_loaded() -> Result<()> {
    let system = System::start()?;
    let (manifests, phone) = small(&system)?;
    let more = manifests + &extension("1003", "");
    system.asterisk().cli("module unload func_pjsip_aor.so")?;
    let output = apply(&system, &more, &[])?.expect(4)?;
    assert!(output.stderr.contains("has not loaded func_pjsip_aor.so"), "{output}");
    assert_eq!(system.health()?.revision, Some(1));
    system.asterisk().cli("module load func_pjsip_aor.so")?;
    apply(&system, &more, &[])?.expect(0)?;
    system.caller("1003")?.call("1001", system.ip())?.expect_answer()?;
    assert_eq!(phone.wait_calls(1, SOON)?.len(), 1);
    Ok(())
}

#[test]
fn without_asterisk_nothing_changes_unless_only_files_shall() -> Result<()> {
    let mut system = System::start()?;
    let (manifests, phone) = small(&system)?;
    let (files, history) = (live_files(&system)?, system.pbxctl(&["history", "-o", "name"])?);
    let more = manifests + &extension("1003", ", callForward: { always: extension/1001 }");
    system.asterisk_mut().stop()?;
    let output = apply(&system, &more, &[])?.expect(6)?;
    assert!(output.stderr.contains("Asterisk"), "{output}");
    assert_eq!(live_files(&system)?, files);
    assert_eq!(system.pbxctl(&["history", "-o", "name"])?, history);
    // Looking and planning need no Asterisk.
    system.pbxctl(&["get", "extensions"])?.expect(0)?;
    system.pbxctl(&["diff", "-f", "change.yaml"])?.expect(2)?;

    let output = apply(&system, &more, &["--no-reload", "-o", "json"])?.expect(0)?;
    assert_eq!(output.json()?["outcome"]["result"], "written", "{output}");
    assert_ne!(live_files(&system)?, files);
    // Whoever is told of it can say it.
    let hint = system.pbxctl(&["extension", "disable", "1002", "--yes"])?.expect(6)?;
    assert!(hint.stderr.contains("--no-reload"), "{hint}");
    for args in
        [&["extension", "disable", "1002", "--no-reload", "--yes"][..], &["rollback", "2", "--no-reload", "--yes"]]
    {
        let written = system.pbxctl(args)?.expect(0)?;
        assert!(written.stdout.contains("Asterisk was not asked"), "{written}");
    }
    system.asterisk_mut().start_again()?;
    system.caller("1002")?.call("1003", system.ip())?.expect_answer()?;
    assert_eq!(phone.wait_calls(1, SOON)?.len(), 1);

    system.kill_pbxd();
    let output = system.pbxctl(&["get", "extensions"])?.expect(6)?;
    assert!(output.stderr.contains("pbxd.sock"), "{output}");
    Ok(())
}

/// `pbxctl` as another user of the machine.
pub(super) fn as_user(system: &System, uid: u32, args: &[&str]) -> Result<CommandOutput> {
    // The folder of the build may be closed to others.
    let copy = system.dir().join("pbxctl");
    if !copy.exists() {
        fs::copy(program("pbxctl")?, &copy)?;
    }
    let mut command = Command::new(copy);
    command.args(args).env("PBXCTL_SOCKET", system.socket()).current_dir(system.dir().join("manifests"));
    Ok(command.uid(uid).gid(uid).output()?.into())
}

#[test]
fn others_may_do_what_they_are_allowed() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("left out: only root can be another user");
        return Ok(());
    }
    let system = System::builder().config("\n[access]\nviewer_users = [\"nobody\"]\n").start()?;
    let (manifests, _phone) = small(&system)?;
    system.write("change.yaml", &(manifests + &extension("1003", "")))?;
    let (viewer, stranger) = (65_534, 54_321);
    as_user(&system, viewer, &["get", "extensions"])?.expect(0)?;
    as_user(&system, viewer, &["plan", "-f", "change.yaml"])?.expect(0)?;
    let output = as_user(&system, viewer, &["apply", "-f", "change.yaml", "--yes"])?.expect(3)?;
    assert!(output.stderr.contains("nobody"), "{output}");
    for args in [&["get", "extensions"][..], &["plan", "-f", "change.yaml"], &["history"]] {
        as_user(&system, stranger, args)?.expect(3)?;
    }
    assert_eq!(system.health()?.revision, Some(1));
    Ok(())
}
