//! The files between pbxd and Asterisk.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use fs_err as fs;
use pbx_api::Health;
use pbx_asterisk::config::FILES;
use pbx_asterisk::deploy::Revisions;
use pbx_asterisk::setup::{Entry, Own, Tree, added_to, conflicts, included, sip_sections, target};

use super::check::{Checks, NOT_FOR_THIS_USER};
use super::who::{ENTER, READ, WRITE, Who};
use crate::commands::setup::site::{self, Site};
use crate::show;

/// Why something could not be looked at.
fn unseen(error: &std::io::Error) -> String {
    if error.kind() == std::io::ErrorKind::PermissionDenied {
        return NOT_FOR_THIS_USER.into();
    }
    error.to_string()
}

/// As whom Asterisk runs: whom its process is, else who owns its folder for running.
pub fn asterisk(site: &Site) -> Option<Who> {
    let pid = fs::read_to_string(site.dirs.run.join("asterisk.pid")).ok();
    let running = pid.and_then(|text| Who::of_process(text.trim().parse().ok()?));
    running.or_else(|| {
        let meta = fs::metadata(&site.dirs.run).ok()?;
        Some(Who { uid: meta.uid(), groups: vec![meta.gid()] })
    })
}

/// Looks at `pbx.d`: the link, the folder it means, who may write there.
pub fn revisions(
    checks: &mut Checks,
    site: &Site,
    health: Option<&Health>,
    pbxd: Option<&Who>,
    asterisk: Option<&Who>,
) {
    let revisions = Revisions::new(&site.dirs.etc);
    let root = revisions.root();
    match fs::symlink_metadata(root) {
        Ok(_) => checks.ok("config-dir", root.display().to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            checks.fail("config-dir", format!("{} is not there", root.display())).help("`sudo pbxctl setup` makes it");
            return;
        }
        Err(error) => {
            checks.skip("config-dir", unseen(&error));
            return;
        }
    }
    let link = root.join("current");
    match (revisions.current(), link.symlink_metadata()) {
        (Err(error), _) => checks.skip("current", unseen(&error.source)),
        (_, Err(error)) if error.kind() != std::io::ErrorKind::NotFound => checks.skip("current", unseen(&error)),
        (Ok(None), Ok(_)) => {
            checks
                .fail("current", format!("{} is not the link to a revision that it should be", link.display()))
                .help("remove it; `sudo pbxctl setup` makes it anew");
        }
        (Ok(None), _) => {
            checks.fail("current", format!("there is no {}", link.display())).help("`sudo pbxctl setup` makes it");
        }
        (Ok(Some(id)), _) => current(checks, &revisions, id, health),
    }
    if let Some(who) = asterisk {
        guarded(checks, &revisions, who);
    }
    if let Some(who) = pbxd {
        match who.stopped_at(root, READ | WRITE | ENTER) {
            Ok(None) => checks.ok("pbxd-writes", root.display().to_string()),
            Ok(Some(at)) => {
                let name = site::name_of("/etc/passwd", who.uid);
                checks
                    .fail("pbxd-writes", format!("pbxd runs as {name} and may not write below {}", at.display()))
                    .help(format!("`sudo pbxctl setup --pbxd-user {name}` hands {} over", root.display()))
                    .help(format!("to get there, {name} must be in the group of {}", site.dirs.etc.display()));
            }
            Err(error) => checks.skip("pbxd-writes", unseen(&error)),
        }
    }
}

fn current(checks: &mut Checks, revisions: &Revisions, id: u64, health: Option<&Health>) {
    let folder = revisions.folder(id);
    let missing: Vec<&str> = FILES.iter().map(|(name, _)| *name).filter(|name| !folder.join(name).is_file()).collect();
    // Who may not enter it sees none of its files.
    if let Err(error) = fs::symlink_metadata(folder.join("."))
        && error.kind() == std::io::ErrorKind::PermissionDenied
    {
        checks.skip("current", unseen(&error));
        return;
    }
    if !missing.is_empty() {
        let what = if folder.is_dir() {
            format!("revision {id} has no {}", missing.join(", "))
        } else {
            format!("`current` points to revision {id}, whose folder is gone")
        };
        let link = revisions.root().join("current");
        let others = revisions.list().unwrap_or_default();
        let whole = others
            .into_iter()
            .rev()
            .find(|own| *own != id && FILES.iter().all(|(name, _)| revisions.folder(*own).join(name).is_file()));
        let check = checks.fail("current", format!("{what}: Asterisk rejects every main file that includes it"));
        check.help("do not restart Asterisk before this is mended: it would start without your configuration");
        match whole {
            Some(whole) => {
                check.help(format!(
                    "go back to one that is whole: `sudo ln -sfn revisions/{whole:06} {}`",
                    link.display()
                ));
                check.help("then `sudo systemctl restart pbxd` and `pbxctl apply`");
            }
            None => {
                check.help(format!("`sudo rm {}`, then `sudo pbxctl setup` and `pbxctl apply`", link.display()));
            }
        }
        return;
    }
    let shown = if id == 0 { "nothing applied yet".to_owned() } else { format!("revision {id}") };
    let Some(health) = health else {
        checks.ok("current", shown);
        return;
    };
    if health.revision.unwrap_or(0) == id {
        checks.ok("current", shown);
    } else {
        let live = health.revision.map_or_else(|| "none".to_owned(), |id| id.to_string());
        checks
            .fail("current", format!("the files are of revision {id}, and pbxd's live revision is {live}"))
            .help("`sudo systemctl restart pbxd`: at its start it finishes or takes back what was interrupted")
            .help("is another pbxd, with another store, writing here? `ps -C pbxd -f`");
    }
}

/// Whoever writes here runs commands as Asterisk's user at the next reload: that must not be Asterisk's user itself.
fn guarded(checks: &mut Checks, revisions: &Revisions, who: &Who) {
    if who.uid == 0 {
        checks.warn("guarded", "Asterisk runs as root: a hole in it is one in the machine").help(
            "run it as a user of its own: `runuser = asterisk` in asterisk.conf, or the unit of the distribution",
        );
        return;
    }
    let mut paths = vec![revisions.root().to_owned(), revisions.root().join("revisions")];
    if let Ok(Some(id)) = revisions.current() {
        let folder = revisions.folder(id);
        paths.extend(FILES.iter().map(|(name, _)| folder.join(name)));
        paths.push(folder);
    }
    let mut writable: Option<PathBuf> = None;
    let mut closed: Option<(PathBuf, PathBuf)> = None;
    for path in paths {
        match who.could_change(&path) {
            Ok(true) if writable.is_none() => writable = Some(path.clone()),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => {
                checks.skip("guarded", unseen(&error));
                return;
            }
        }
        let wanted = if path.is_dir() { READ | ENTER } else { READ };
        if let Ok(Some(at)) = who.stopped_at(&path, wanted) {
            closed.get_or_insert((path, at));
        }
    }
    let root = revisions.root().display();
    let name = site::name_of("/etc/passwd", who.uid);
    if let Some(path) = writable {
        checks
            .fail(
                "guarded",
                format!("Asterisk's user {name} can write {}: whoever gets into Asterisk stays in", path.display()),
            )
            .help(format!(
                "`sudo chown -Rh pbxd {root}` (root, where pbxd runs as root), `sudo chmod -R g-w,o= {root}`"
            ));
    } else if let Some((path, at)) = closed {
        checks
            .fail(
                "guarded",
                format!("Asterisk's user {name} cannot read {}: {} is closed to it", path.display(), at.display()),
            )
            .help(format!("`sudo chgrp -R {} {root}`, `sudo chmod -R g+rX {root}`", group(who)));
    } else {
        checks.ok("guarded", format!("{name} reads it and cannot write it"));
    }
}

fn group(who: &Who) -> String {
    site::name_of("/etc/group", who.groups.last().copied().unwrap_or_default())
}

/// Looks at the line by which each main file takes what pbxd writes.
pub fn include(checks: &mut Checks, name: &str, tree: Option<&Tree>) {
    let check = format!("include-{name}");
    let Some(tree) = tree else {
        checks.fail(&check, format!("there is no {name}")).help("`sudo pbxctl setup` makes it");
        return;
    };
    let places = included(tree, name);
    let shown: Vec<String> = places.iter().map(|place| format!("{}:{}", tree.file(*place), place.line)).collect();
    if tree.include_once(name).is_empty() {
        checks.ok(&check, shown.join(", "));
    } else if places.is_empty() {
        checks
            .fail(&check, format!("{name} does not include {}: nothing that is applied reaches Asterisk", target(name)))
            .help("`sudo pbxctl setup` adds the line");
    } else if places.len() > 1 {
        checks
            .fail(&check, format!("{} is included {} times: {}", target(name), places.len(), shown.join(", ")))
            .help("every object is there as often, and Asterisk refuses them: `sudo pbxctl setup` leaves one line");
    } else {
        checks
            .fail(
                &check,
                format!(
                    "{}: the include comes before [{}], to which it adds",
                    shown.join(", "),
                    added_to(name).join("] or [")
                ),
            )
            .help("`sudo pbxctl setup` moves it");
    }
    if let Some((place, why)) = tree.fatal().filter(|(_, why)| !why.contains("pbx.d/current")) {
        checks
            .fail(&check, format!("{}:{}: Asterisk rejects {name}: {why}", tree.file(place), place.line))
            .help("mend the line: a restart of Asterisk would leave the whole file out");
    }
}

/// Looks for what is in the way in somebody's own files.
pub fn own(checks: &mut Checks, own: &Own<'_>) {
    let found = conflicts(own);
    if found.is_empty() {
        checks.ok("own-files", "nothing in the way of what pbxd writes");
    }
    for found in found {
        let place = found.line.map_or_else(|| found.file.clone(), |line| format!("{}:{line}", found.file));
        let message = format!("{place}: {}", found.message);
        let check = if found.blocks { checks.fail("own-files", message) } else { checks.warn("own-files", message) };
        check.help(found.help);
    }
}

/// Looks at Asterisk's logs, in which its complaints are found.
pub fn logs(checks: &mut Checks, dir: &Path, pbxd: Option<&Who>) {
    if let Err(error) = fs::metadata(dir) {
        if error.kind() == std::io::ErrorKind::NotFound {
            checks
                .warn("logs", format!("{} is not there: Asterisk's complaints will not be told", dir.display()))
                .help("`astlogdir` in asterisk.conf and `log_dir` in pbxd.toml must name the same folder");
        } else {
            checks.skip("logs", unseen(&error));
        }
        return;
    }
    let Some(who) = pbxd else {
        match fs::read_dir(dir) {
            Ok(_) => checks.ok("logs", dir.display().to_string()),
            Err(error) => checks.skip("logs", unseen(&error)),
        }
        return;
    };
    match who.stopped_at(dir, READ | ENTER) {
        Ok(None) => checks.ok("logs", dir.display().to_string()),
        Ok(Some(at)) => {
            let name = site::name_of("/etc/passwd", who.uid);
            let group = fs::metadata(&at).map(|meta| site::name_of("/etc/group", meta.gid()));
            let group = group.unwrap_or_else(|_| "asterisk".into());
            checks
                .warn(
                    "logs",
                    format!(
                        "pbxd runs as {name} and may not read {}: Asterisk's complaints are not told",
                        at.display()
                    ),
                )
                .help(format!(
                    "`sudo usermod -aG {group} {name}`, `sudo chmod g+rx {}`, `sudo systemctl restart pbxd`",
                    at.display()
                ));
        }
        Err(error) => checks.skip("logs", unseen(&error)),
    }
}

/// Looks at the HTTP server, by which browsers come; only where there are any.
pub fn browsers(checks: &mut Checks, pjsip: Option<&Tree>, http: Option<&Tree>) {
    let browsers = pjsip.is_some_and(|tree| {
        sip_sections(tree, true).iter().any(|(kind, section)| kind == "transport" && section.name == "pbx-wss")
    });
    if !browsers {
        return;
    }
    let general = http.and_then(|tree| tree.section("general"));
    let value = |key: &str| general.as_ref().and_then(|section| section.value(key)).unwrap_or_default().to_owned();
    let yes = |key: &str| ["yes", "true", "y", "t", "1", "on"].contains(&value(key).to_ascii_lowercase().as_str());
    if !yes("enabled") || !yes("tlsenable") || value("tlscertfile").is_empty() {
        checks
            .fail("browsers", "there are extensions for browsers, and Asterisk's HTTPS server is off")
            .help("in [general] of http.conf: enabled = yes, tlsenable = yes, tlsbindaddr, tlscertfile, tlsprivatekey")
            .help("then `sudo asterisk -rx 'module reload http'`; `http show status` shows it");
    } else if matches!(Path::new(&value("tlscertfile")).try_exists(), Ok(false)) {
        checks
            .fail("browsers", format!("{} is not there: browsers cannot connect", value("tlscertfile")))
            .help("`tlscertfile` in http.conf names the certificate with its chain, readable by Asterisk");
    } else {
        checks.ok("browsers", "HTTPS is on");
    }
}

/// The command by which Asterisk mails where nothing else is said (`SENDMAIL` in `app_voicemail.c`).
const SENDMAIL: &str = "/usr/sbin/sendmail -t";

/// Where a shell finds a program that is named without its folder.
const PATH: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Looks for the program by which voicemail is mailed; only where a box has an address. Asterisk starts it and does not look whether
/// that went well.
pub fn mail(checks: &mut Checks, voicemail: Option<&Tree>) {
    let Some(tree) = voicemail else { return };
    let has_address = |entry: &&Entry| entry.value.split(',').nth(2).is_some_and(|address| !address.trim().is_empty());
    let boxes = tree.section("pbx").map_or(0, |section| section.entries.iter().filter(has_address).count());
    if boxes == 0 {
        return;
    }
    // The first counts.
    let own = tree.section("general").and_then(|section| {
        section.entries.into_iter().find(|entry| entry.key.eq_ignore_ascii_case("mailcmd")).map(|entry| entry.value)
    });
    let command = own.unwrap_or_else(|| SENDMAIL.to_owned());
    let program = command.split_whitespace().next().unwrap_or_default().trim_matches(['"', '\'']);
    let there =
        |path: &Path| fs::metadata(path).map(|about| about.is_file() && about.permissions().mode() & 0o111 != 0);
    let found = match there(Path::new(program)) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            checks.skip("mail", unseen(&error));
            return;
        }
        _ if !program.contains('/') => PATH.iter().any(|dir| matches!(there(&Path::new(dir).join(program)), Ok(true))),
        found => matches!(found, Ok(true)),
    };
    let boxes = show::plural(boxes, "voicemail box", "voicemail boxes");
    if found {
        // What follows the program may be a password.
        checks.ok("mail", format!("{boxes} with an address, by {program}"));
        return;
    }
    checks
        .fail("mail", format!("there is no program {program}, by which {boxes} would be mailed: nobody gets a mail"))
        .help("`sudo apt install msmtp-mta`, and your mail server's name and account in /etc/msmtprc, where Asterisk may read it")
        .help("a mail server on this machine, as postfix, also keeps a mail and tries again when yours cannot be reached")
        .help("another program is named in [general] of voicemail.conf, as in `mailcmd = /usr/bin/msmtp -t`; then `sudo asterisk -rx 'voicemail reload'`");
}

#[cfg(test)]
mod tests {
    use super::super::check::State;
    use super::*;

    fn looked(text: &str) -> Checks {
        let tree = Tree::read("voicemail.conf", text.as_bytes().to_vec(), &mut |_| Ok::<_, ()>(Vec::new())).unwrap();
        let mut checks = Checks::default();
        mail(&mut checks, Some(&tree));
        checks
    }

    #[test]
    fn the_program_that_mails_is_looked_for_where_there_is_something_to_mail() {
        let boxes = "[pbx]\n1001 => 4711,Ana,ana@example.com,,attach=yes\n1002 => 4711,Rui,,,attach=yes\n";
        assert_eq!(looked("[general]\nmailcmd = /nowhere/sendmail\n[pbx]\n1002 => 4711,Rui,,,attach=yes\n").all, []);
        for (command, state, said) in [
            ("/nowhere/sendmail -t", State::Fail, "no program /nowhere/sendmail, by which 1 voicemail box would"),
            ("nowhere-sendmail -t", State::Fail, "no program nowhere-sendmail"),
            // It is there, and nobody can run it.
            ("/etc/passwd", State::Fail, "no program /etc/passwd"),
            ("/bin/sh -c true", State::Ok, "1 voicemail box with an address, by /bin/sh"),
            ("sh -c true", State::Ok, "by sh"),
        ] {
            let checks = looked(&format!("[general]\nmailcmd = {command}\nmailcmd = /bin/true\n{boxes}"));
            assert_eq!(checks.all.len(), 1);
            assert!(checks.all[0].state == state && checks.all[0].message.contains(said), "{:?}", checks.all[0]);
        }
        let usual = looked(&format!("[general]\n{boxes}"));
        assert!(usual.all[0].message.contains("/usr/sbin/sendmail"), "{:?}", usual.all[0]);
    }
}
