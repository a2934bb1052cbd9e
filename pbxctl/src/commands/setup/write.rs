//! Files that somebody else wrote, changed so that each is at any instant the old one or the new one, and the old one is kept.

use std::io::{Error, ErrorKind, Result, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;

/// Whose a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The user; nothing for whoever writes it.
    pub uid: Option<u32>,
    /// The group; nothing for that of whoever writes it.
    pub gid: Option<u32>,
    /// Who may read and write it.
    pub mode: u32,
}

/// A file that was written, and the way back.
#[derive(Debug)]
pub struct Written {
    /// The file.
    pub path: PathBuf,
    /// What it was; nothing when it is new.
    pub backup: Option<PathBuf>,
}

/// The file that a path means, which must be in a folder or below it: a link that leads elsewhere is not followed.
pub fn resolve(path: &Path, folder: &Path) -> Result<PathBuf> {
    let root = fs::canonicalize(folder)?;
    let real = match fs::canonicalize(path) {
        Ok(real) => real,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let parent = path.parent().unwrap_or(Path::new("/"));
            fs::canonicalize(parent)?.join(path.file_name().unwrap_or_default())
        }
        Err(error) => return Err(error),
    };
    if real.starts_with(&root) {
        return Ok(real);
    }
    let what = format!("{} is a link to {}, outside of {}", path.display(), real.display(), root.display());
    Err(Error::new(ErrorKind::InvalidInput, what))
}

/// Puts bytes into a new file, durably.
fn create(path: &Path, bytes: &[u8], owner: Owner) -> Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(path)?;
    let filled = || -> Result<()> {
        file.write_all(bytes)?;
        std::os::unix::fs::fchown(file.file(), owner.uid, owner.gid)?;
        file.set_permissions(std::fs::Permissions::from_mode(owner.mode))?;
        file.sync_all()
    };
    let filled = { filled }();
    if filled.is_err() {
        let _ = fs::remove_file(path);
    }
    filled
}

fn beside(path: &Path, more: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(more);
    path.with_file_name(name)
}

fn sync_folder(path: &Path) -> Result<()> {
    fs::File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// Writes a file. One that is there keeps its owner and mode, and its old contents are kept beside it; `new` is whose a new one is.
pub fn write(path: &Path, bytes: &[u8], new: Owner, stamp: &str) -> Result<Written> {
    let (owner, backup) = match fs::metadata(path) {
        Ok(meta) => {
            let owner = Owner { uid: Some(meta.uid()), gid: Some(meta.gid()), mode: meta.mode() & 0o7777 };
            // An earlier run of the same second has its own.
            let names = (1..).map(|n| if n == 1 { format!(".bak-{stamp}") } else { format!(".bak-{stamp}-{n}") });
            let backup = names.map(|name| beside(path, &name)).find(|path| path.symlink_metadata().is_err());
            let backup = backup.unwrap_or_else(|| unreachable!("names do not run out"));
            create(&backup, &fs::read(path)?, owner)?;
            (owner, Some(backup))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => (new, None),
        Err(error) => return Err(error),
    };
    let next = beside(path, ".pbxctl-new");
    if next.symlink_metadata().is_ok() {
        // Left by a run that was killed.
        fs::remove_file(&next)?;
    }
    create(&next, bytes, owner)?;
    fs::rename(&next, path)?;
    sync_folder(path)?;
    Ok(Written { path: path.to_owned(), backup })
}

/// Goes back to what was there.
pub fn restore(written: &Written) -> Result<()> {
    match &written.backup {
        Some(backup) => fs::rename(backup, &written.path)?,
        None => fs::remove_file(&written.path)?,
    }
    sync_folder(&written.path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Owner = Owner { uid: None, gid: None, mode: 0o640 };

    #[test]
    fn a_file_keeps_its_mode_and_can_go_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.conf");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, std::fs::Permissions::from_mode(0o604)).unwrap();
        fs::write(folder.path().join("a.conf.pbxctl-new"), "left behind").unwrap();
        let written = write(&path, b"new", NEW, "20261122T130000Z").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o604);
        let backup = folder.path().join("a.conf.bak-20261122T130000Z");
        assert_eq!(fs::read_to_string(&backup).unwrap(), "old");
        assert_eq!(fs::metadata(&backup).unwrap().mode() & 0o777, 0o604);
        restore(&written).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_new_file_goes_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.conf");
        let written = write(&path, b"new", NEW, "x").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        restore(&written).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn links_that_lead_elsewhere_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (inside, outside) = (folder.path().join("in"), folder.path().join("out"));
        fs::create_dir(&inside).unwrap();
        fs::write(&outside, "").unwrap();
        fs::write(inside.join("real"), "").unwrap();
        std::os::unix::fs::symlink("real", inside.join("near")).unwrap();
        std::os::unix::fs::symlink("../out", inside.join("far")).unwrap();
        assert!(resolve(&inside.join("near"), &inside).unwrap().ends_with("real"));
        assert!(resolve(&inside.join("new"), &inside).unwrap().ends_with("new"));
        assert!(resolve(&inside.join("far"), &inside).unwrap_err().to_string().contains("outside"));
    }
}
