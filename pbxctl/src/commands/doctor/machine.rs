//! The machine that all of it runs on.

use std::collections::BTreeSet;
use std::path::Path;

use pbx_asterisk::setup::{Tree, sip_sections};
use pbx_asterisk::sockets::{Listening, bind_of};
use rustix::fs::StatVfs;

use super::check::Checks;

/// Looks whether somebody listens where the transports say.
pub fn transports(checks: &mut Checks, pjsip: Option<&Tree>) {
    let Some(tree) = pjsip else { return };
    let listening = Listening::read();
    let all = [true, false].into_iter().flat_map(|generated| sip_sections(tree, generated));
    let mut good = Vec::new();
    let mut bad = 0;
    for (_, section) in all.filter(|(kind, _)| kind == "transport") {
        let protocol = section.value("protocol").unwrap_or("udp").to_ascii_lowercase();
        let bind = section.value("bind").unwrap_or_default();
        let Some((carried, address)) = bind_of(&protocol, bind) else { continue };
        let listening = listening.of(carried);
        if listening.contains(&address) {
            good.push(format!("{protocol} {bind}"));
            continue;
        }
        let port = address.port();
        bad += 1;
        let check = checks.fail("transports", format!("nobody listens on {protocol} {address} ([{}])", section.name));
        let other: Vec<String> =
            listening.iter().filter(|other| other.port() == port).map(ToString::to_string).collect();
        if !other.is_empty() {
            let who = format!("`sudo ss -lnp sport = :{port}`");
            check.help(format!("something listens on {} and may hold the port: {who}", other.join(", ")));
        }
        check.help(
            "Asterisk's log says why it could not bind; `sudo asterisk -rx 'pjsip show transports'` lists those it has",
        );
        check.help("a transport that was added or moved may need a restart: `sudo systemctl restart asterisk` once no call is up");
    }
    if bad == 0 && !good.is_empty() {
        checks.ok("transports", good.join(", "));
    }
}

/// Looks at the room that is left, in bytes and in files.
pub fn room(checks: &mut Checks, name: &str, path: &Path) {
    let mut there = path;
    while !there.exists() {
        let Some(parent) = there.parent() else { return };
        there = parent;
    }
    match rustix::fs::statvfs(there) {
        Ok(stat) => judge(checks, name, there, &stat),
        Err(error) => checks.skip(name, error.to_string()),
    }
}

fn judge(checks: &mut Checks, name: &str, path: &Path, stat: &StatVfs) {
    const MIB: u64 = 1 << 20;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let shown = path.display();
    let read_only = stat.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY);
    // Some file systems have no such limit, and say 0 of 0.
    let inodes = stat.f_files > 0;
    if read_only {
        checks
            .fail(name, format!("{shown} is on a file system that is read-only"))
            .help("`dmesg` says whether the disk failed; `findmnt -T` names the mount");
    } else if free < 20 * MIB || inodes && stat.f_favail < 100 {
        let what = if free < 20 * MIB { format!("{} MB", free / MIB) } else { format!("{} files", stat.f_favail) };
        checks
            .fail(name, format!("there is room for {what} at {shown}: an apply would fail, and call records are lost"))
            .help(format!("make room: `df -h {shown}`, `df -i {shown}`; recordings and logs are the usual reason"));
    } else if free < 500 * MIB || inodes && stat.f_favail < 5000 {
        checks
            .warn(name, format!("{} MB and {} files are left at {shown}", free / MIB, stat.f_favail))
            .help(format!("make room before it runs out: `df -h {shown}`, `df -i {shown}`"));
    } else {
        checks.ok(name, format!("{} MB free at {shown}", free / MIB));
    }
}

/// Looks for the time zones that the system uses: one that Asterisk does not find, it takes for UTC in silence.
pub fn zones(checks: &mut Checks, used: &BTreeSet<String>, root: &Path) {
    if !root.is_dir() {
        checks
            .fail("time-zones", format!("there is no {}: Asterisk takes every time zone for UTC", root.display()))
            .help("`sudo apt install tzdata`");
        return;
    }
    let missing: Vec<&str> = used.iter().map(String::as_str).filter(|zone| !root.join(zone).is_file()).collect();
    if missing.is_empty() {
        let shown: Vec<&str> = used.iter().map(String::as_str).collect();
        checks.ok("time-zones", if shown.is_empty() { root.display().to_string() } else { shown.join(", ") });
    } else {
        checks
            .fail(
                "time-zones",
                format!("{} is not in {}: Asterisk takes it for UTC", missing.join(", "), root.display()),
            )
            .help("`sudo apt install tzdata tzdata-legacy`");
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::State;
    use super::*;

    fn stat(free: u64, files: u64) -> StatVfs {
        StatVfs {
            f_bsize: 4096,
            f_frsize: 4096,
            f_blocks: 1 << 30,
            f_bfree: free / 4096,
            f_bavail: free / 4096,
            f_files: 1 << 20,
            f_ffree: files,
            f_favail: files,
            f_fsid: 0,
            f_flag: rustix::fs::StatVfsMountFlags::empty(),
            f_namemax: 255,
        }
    }

    #[test]
    fn room_runs_out_in_bytes_or_in_files() {
        let cases = [
            (stat(1 << 20, 1 << 19), State::Fail),
            (stat(1 << 30, 3), State::Fail),
            (stat(100 << 20, 1 << 19), State::Warn),
            (stat(1 << 30, 1 << 19), State::Ok),
            (StatVfs { f_files: 0, ..stat(1 << 30, 0) }, State::Ok),
            (StatVfs { f_flag: rustix::fs::StatVfsMountFlags::RDONLY, ..stat(1 << 30, 9) }, State::Fail),
        ];
        for (stat, state) in cases {
            let mut checks = Checks::default();
            judge(&mut checks, "room", Path::new("/"), &stat);
            assert_eq!(checks.all[0].state, state, "{:?}", checks.all[0]);
        }
    }

    #[test]
    fn zones_that_are_not_there_are_told() {
        let root = tempfile::tempdir().unwrap();
        fs_err::write(root.path().join("UTC"), "").unwrap();
        let mut checks = Checks::default();
        zones(&mut checks, &BTreeSet::from(["UTC".into()]), root.path());
        zones(&mut checks, &BTreeSet::from(["Europe/Lisbon".into()]), root.path());
        zones(&mut checks, &BTreeSet::new(), &root.path().join("gone"));
        let states: Vec<State> = checks.all.iter().map(|check| check.state).collect();
        assert_eq!(states, [State::Ok, State::Fail, State::Fail]);
    }
}
