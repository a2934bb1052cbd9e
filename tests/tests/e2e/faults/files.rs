//! Disks that are full, read-only or broken, and folders that may not be written: at each call of an apply that changes files.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use pbx_tests::{Random, System, samples};

use super::states::States;
use super::{copy, kills};

/// Each call of an apply that changes files: what it does, the call, the path, and which of them. `{n}` is the revision's folder.
const CALLS: [(&str, &str, &str, u32); 14] = [
    ("makes the folder", "?mkdir,mkdirat", "{n}", 1),
    ("sets the folder's mode", "?chmod,fchmodat", "{n}", 1),
    ("makes a file", "?open,openat", "{n}/pjsip.conf", 1),
    ("writes a file", "write", "{n}/pjsip.conf", 1),
    ("sets a file's mode", "fchmod", "{n}/pjsip.conf", 1),
    ("sets a file's time", "utimensat", "{n}/pjsip.conf", 1),
    ("gives a file away", "?chown,fchownat", "{n}/pjsip.conf", 1),
    ("flushes a file", "fsync", "{n}/pjsip.conf", 1),
    ("flushes the folder", "fsync", "{n}", 1),
    ("flushes the folder of all", "fsync", "pbx.d", 1),
    ("forgets what was proven", "?unlink,unlinkat", "pbx.d/proven", 1),
    ("makes the new link", "?symlink,symlinkat", "pbx.d/.current.next", 1),
    ("switches the link", "?rename,renameat,renameat2", "pbx.d/.current.next", 1),
    ("flushes the switch", "fsync", "pbx.d", 2),
];

/// How disks fail: full, of space or of inodes; read-only; not to be written by us; over a quota; broken.
const ERRORS: [&str; 5] = ["ENOSPC", "EROFS", "EACCES", "EDQUOT", "EIO"];

#[test]
fn a_disk_that_fails_at_each_call() -> Result<()> {
    let mut random = Random::seeded();
    let system = System::start()?;
    let mut states = States::learn(&system)?;
    // Each call with one of the errors, and with all of them in a soak.
    let each = samples(1).min(ERRORS.len());
    for call in CALLS {
        let first = random.below(ERRORS.len());
        for error in (0..each).map(|more| ERRORS[(first + more) % ERRORS.len()]) {
            let what = format!("{error} when it {}", call.0);
            let trace = system.inject(&kills::at(&system, call, &format!("error={error}"))?)?;
            let told = states.change(&system)?.end()?;
            ensure!(trace.has_injected()?, "there was no {what}: {}", told.1);
            trace.end()?;
            if call.1 == "?chown,fchownat" && error == "EACCES" {
                // Who may not give a file to a group is in it, or so pbxd hopes; Asterisk, asked to read the file, says that it is not.
                told.1.clone().expect(4).with_context(|| what.clone())?;
            } else {
                told.1.clone().expect(1).with_context(|| what.clone())?;
                let words = &told.1.stderr;
                ensure!(words.contains("pbx.d") && words.contains("os error"), "{what}: {words}");
            }
            states.check(&system, Some(&told)).with_context(|| what.clone())?;
            states.go_on(&system).context(what)?;
        }
    }
    Ok(())
}

#[test]
fn what_is_proven_need_not_be_kept() -> Result<()> {
    let system = System::start()?;
    let mut states = States::learn(&system)?;
    let call = ("", "?rename,renameat,renameat2", "pbx.d/.proven.next", 1);
    let trace = system.inject(&kills::at(&system, call, "error=ENOSPC")?)?;
    let told = states.change(&system)?.end()?;
    ensure!(trace.has_injected()?, "{}", told.1);
    trace.end()?;
    // It was applied. That it was proven is forgotten, so the next apply proves all of it.
    told.1.expect(0)?;
    assert_eq!(system.health()?.asterisk.proven_revision, None);
    states.took();
    states.go_on(&system)
}

/// A file system of its own on a folder, until dropped.
struct Mounted(PathBuf);

impl Mounted {
    /// With what was in the folder before. `None` where that is not allowed.
    fn over(folder: &Path, options: &str) -> Result<Option<Self>> {
        let kept = folder.with_extension("kept");
        fs::rename(folder, &kept)?;
        fs::create_dir(folder)?;
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder).output()?;
        if !mount.status.success() {
            fs::remove_dir(folder)?;
            fs::rename(&kept, folder)?;
            return Ok(None);
        }
        let mounted = Self(folder.to_owned());
        copy(&kept.join("."), folder)?;
        Ok(Some(mounted))
    }

    fn remount(&self, options: &str) -> Result<()> {
        let status = Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.0).status()?;
        ensure!(status.success(), "it cannot be mounted with {options}");
        Ok(())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// The same without a word of strace: short writes, and faults that last for all of an apply.
#[test]
fn a_real_disk_that_is_full_or_read_only() -> Result<()> {
    let system = System::start()?;
    let mut states = States::learn(&system)?;
    let folder = system.asterisk().etc().join("pbx.d");
    let Some(disk) = Mounted::over(&folder, "size=512k,nr_inodes=200,mode=750")? else {
        eprintln!("left out: nothing can be mounted here");
        return Ok(());
    };
    states.go_on(&system)?;

    // So full that the first page of a file still fits, and the second does not.
    let ballast = folder.join("ballast");
    let filled = fs::write(&ballast, vec![0; 1 << 20]);
    ensure!(filled.is_err(), "the disk is not full");
    for room in [0, 4096, 8192] {
        let length = fs::metadata(&ballast)?.len();
        fs::OpenOptions::new().write(true).open(&ballast)?.set_len(length.saturating_sub(room))?;
        let told = states.change(&system)?.end()?;
        ensure!(told.1.stderr.contains("No space left on device"), "{}", told.1);
        told.1.clone().expect(1)?;
        states.check(&system, Some(&told))?;
    }
    fs::remove_file(&ballast)?;
    states.go_on(&system)?;

    let mut inodes = Vec::new();
    while let Ok(file) = fs::File::create(folder.join(format!("file-{}", inodes.len()))) {
        inodes.push(file.path().to_owned());
    }
    let told = states.change(&system)?.end()?;
    told.1.clone().expect(1)?;
    states.check(&system, Some(&told))?;
    for path in inodes {
        fs::remove_file(path)?;
    }
    states.go_on(&system)?;

    disk.remount("ro")?;
    let told = states.change(&system)?.end()?;
    ensure!(told.1.stderr.contains("Read-only file system"), "{}", told.1);
    told.1.clone().expect(1)?;
    states.check(&system, Some(&told))?;
    disk.remount("rw")?;
    states.go_on(&system)
}
