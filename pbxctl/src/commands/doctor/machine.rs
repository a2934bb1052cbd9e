//! The machine that all of it runs on.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

use fs_err as fs;
use pbx_asterisk::setup::{Tree, sip_sections};
use rustix::fs::StatVfs;

use super::check::Checks;

/// Where somebody listens: address and port.
type Listener = (IpAddr, u16);

/// The ends of a table of the kernel's, `/proc/net/udp` and its like; of TCP, those that listen.
fn listeners(table: &str, tcp: bool) -> BTreeSet<Listener> {
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            let (local, _, state) = (words.next()?, words.next()?, words.next()?);
            if tcp && state != "0A" {
                return None;
            }
            let (address, port) = local.split_once(':')?;
            let words: Vec<u32> = (0..address.len() / 8)
                .filter_map(|at| u32::from_str_radix(address.get(at * 8..at * 8 + 8)?, 16).ok())
                .collect();
            let address: IpAddr = match words.as_slice() {
                [word] => word.to_ne_bytes().into(),
                [a, b, c, d] => {
                    let mut bytes = [0; 16];
                    for (to, word) in bytes.chunks_exact_mut(4).zip([a, b, c, d]) {
                        to.copy_from_slice(&word.to_ne_bytes());
                    }
                    IpAddr::from(bytes).to_canonical()
                }
                _ => return None,
            };
            Some((address, u16::from_str_radix(port, 16).ok()?))
        })
        .collect()
}

/// Looks whether somebody listens where the transports say.
pub fn transports(checks: &mut Checks, pjsip: Option<&Tree>) {
    let Some(tree) = pjsip else { return };
    let table = |name: &str| fs::read_to_string(format!("/proc/net/{name}")).unwrap_or_default();
    let udp: BTreeSet<Listener> = ["udp", "udp6"].iter().flat_map(|name| listeners(&table(name), false)).collect();
    let tcp: BTreeSet<Listener> = ["tcp", "tcp6"].iter().flat_map(|name| listeners(&table(name), true)).collect();
    let all = [true, false].into_iter().flat_map(|generated| sip_sections(tree, generated));
    let mut good = Vec::new();
    let mut bad = 0;
    for (_, section) in all.filter(|(kind, _)| kind == "transport") {
        let protocol = section.value("protocol").unwrap_or("udp").to_ascii_lowercase();
        let usual = match protocol.as_str() {
            "udp" | "tcp" => 5060,
            "tls" => 5061,
            _ => continue,
        };
        let bind = section.value("bind").unwrap_or_default();
        let parsed = bind.parse::<std::net::SocketAddr>().map(|bind| (bind.ip(), bind.port()));
        let parsed = parsed.or_else(|_| bind.trim_matches(['[', ']']).parse::<IpAddr>().map(|ip| (ip, usual)));
        let Ok((address, port)) = parsed else { continue };
        let listening = if protocol == "udp" { &udp } else { &tcp };
        if listening.contains(&(address, port)) {
            good.push(format!("{protocol} {bind}"));
            continue;
        }
        bad += 1;
        let check =
            checks.fail("transports", format!("nobody listens on {protocol} {address}:{port} ([{}])", section.name));
        let other: Vec<String> =
            listening.iter().filter(|(_, other)| *other == port).map(|(ip, port)| format!("{ip}:{port}")).collect();
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

    #[test]
    fn the_kernels_tables_are_read() {
        let table = "  sl  local_address rem_address   st\n\
            0: 0100007F:13C4 00000000:0000 0A 0\n 1: 0200007F:13C4 0300007F:0050 01 0\n";
        assert_eq!(listeners(table, true), BTreeSet::from([("127.0.0.1".parse().unwrap(), 5060)]));
        let six = "head\n 0: 00000000000000000000000000000000:13C4 0:0 07 0\n";
        assert_eq!(listeners(six, false), BTreeSet::from([("::".parse().unwrap(), 5060)]));
    }

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
        fs::write(root.path().join("UTC"), "").unwrap();
        let mut checks = Checks::default();
        zones(&mut checks, &BTreeSet::from(["UTC".into()]), root.path());
        zones(&mut checks, &BTreeSet::from(["Europe/Lisbon".into()]), root.path());
        zones(&mut checks, &BTreeSet::new(), &root.path().join("gone"));
        let states: Vec<State> = checks.all.iter().map(|check| check.state).collect();
        assert_eq!(states, [State::Ok, State::Fail, State::Fail]);
    }
}
