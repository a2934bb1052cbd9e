//! The folders of revisions under Asterisk's configuration folder, and the one link that says which is live.

use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fs_err as fs;

use super::drift;
use crate::config::ConfigTree;

#[cfg(test)]
mod tests;

/// Why files could not be written, with what to do.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {source}")]
pub struct FilesError {
    /// What was being done, with the path.
    pub doing: String,
    /// Why it failed.
    pub source: std::io::Error,
}

impl FilesError {
    /// A file cannot be read.
    pub(super) fn reading(path: &Path, source: std::io::Error) -> Self {
        Self { doing: format!("reading {}", path.display()), source }
    }
}

/// What staging did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Staged {
    /// Files that are new or differ from the revision before.
    pub changed: Vec<&'static str>,
    /// Files that are links to the revision before's.
    pub linked: Vec<&'static str>,
}

/// `pbx.d` under Asterisk's configuration folder: `revisions/000042/…`, and `current`, a link to one of them.
#[derive(Debug, Clone)]
pub struct Revisions {
    root: PathBuf,
}

pub(super) fn doing<T>(what: impl Into<String>, result: std::io::Result<T>) -> Result<T, FilesError> {
    result.map_err(|source| FilesError { doing: what.into(), source })
}

/// Makes a folder's entries durable.
pub(super) fn sync_dir(path: &Path) -> Result<(), FilesError> {
    doing(format!("flushing {}", path.display()), fs::File::open(path).and_then(|dir| dir.sync_all()))
}

impl Revisions {
    /// The revisions under a configuration folder (`/etc/asterisk`).
    pub fn new(config_dir: &Path) -> Self {
        Self { root: config_dir.join("pbx.d") }
    }

    /// The folder of all revisions.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a revision.
    pub fn folder(&self, id: u64) -> PathBuf {
        self.root.join("revisions").join(format!("{id:06}"))
    }

    /// A revision's file as Asterisk is told of it: relative to its configuration folder.
    pub fn asterisk_path(id: u64, name: &str) -> String {
        format!("pbx.d/revisions/{id:06}/{name}")
    }

    /// The revision that is live, by the link; nothing when there is no link yet.
    pub fn current(&self) -> Result<Option<u64>, FilesError> {
        let link = self.root.join("current");
        match std::fs::read_link(&link) {
            Ok(target) => Ok(target.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(FilesError { doing: format!("reading {}", link.display()), source }),
        }
    }

    /// Writes a revision's folder, durably. A file that does not differ from that of `base` becomes a hard link to it, so that
    /// Asterisk sees it unchanged; one that does gets a modification time after its predecessor's: Asterisk compares size and
    /// modification time alone, and two files of one size written within one tick of the clock would pass for the same.
    ///
    /// A folder left by an interrupted try is removed first.
    pub fn stage(&self, id: u64, tree: &ConfigTree, base: Option<u64>, now: SystemTime) -> Result<Staged, FilesError> {
        let folder = self.folder(id);
        let gid = self.owner_group()?;
        Self::make(&self.root, gid)?;
        Self::make(&self.root.join("revisions"), gid)?;
        if folder.exists() {
            doing(format!("removing what was left in {}", folder.display()), fs::remove_dir_all(&folder))?;
        }
        Self::make(&folder, gid)?;
        let mut staged = Staged::default();
        for (name, file) in tree.files() {
            let path = folder.join(name);
            let before = base.map(|base| self.folder(base).join(name));
            let same = before
                .as_ref()
                .is_some_and(|before| fs::read(before).is_ok_and(|bytes| bytes == file.text().as_bytes()));
            if let Some(before) = before.as_ref().filter(|_| same)
                && fs::hard_link(before, &path).is_ok()
            {
                // Whatever somebody has made of its mode: who may write it decides what Asterisk runs.
                let mode = std::fs::Permissions::from_mode(0o640);
                doing(format!("setting the mode of {}", path.display()), fs::set_permissions(&path, mode))?;
                staged.linked.push(name);
                continue;
            }
            let written = || -> std::io::Result<()> {
                let mut out = fs::OpenOptions::new().write(true).create_new(true).open(&path)?;
                out.write_all(file.text().as_bytes())?;
                out.set_permissions(std::fs::Permissions::from_mode(0o640))?;
                let earlier =
                    before.as_ref().and_then(|before| fs::metadata(before).ok()).and_then(|meta| meta.modified().ok());
                let after = earlier.map_or(now, |earlier| now.max(earlier + Duration::from_millis(1)));
                out.file().set_modified(after)?;
                own(&path, gid)?;
                out.sync_all()
            };
            doing(format!("writing {}", path.display()), written())?;
            staged.changed.push(name);
        }
        let sums = folder.join(drift::CHECKSUMS);
        let written = || -> std::io::Result<()> {
            let mut out = fs::OpenOptions::new().write(true).create_new(true).open(&sums)?;
            let kept = base.map(|base| drift::kept(&self.folder(base))).unwrap_or_default();
            out.write_all(
                drift::checksums(tree, |name| kept.get(name).filter(|_| staged.linked.contains(&name))).as_bytes(),
            )?;
            out.set_permissions(std::fs::Permissions::from_mode(0o640))?;
            own(&sums, gid)?;
            out.sync_all()
        };
        doing(format!("writing {}", sums.display()), written())?;
        // Up to the folder that was there before the first revision: any of them may be new.
        for dir in folder.ancestors().take(4) {
            sync_dir(dir)?;
        }
        Ok(staged)
    }

    /// Whether a revision's files are there and say what a tree says.
    pub fn has(&self, id: u64, tree: &ConfigTree) -> bool {
        let folder = self.folder(id);
        tree.files().all(|(name, file)| fs::read(folder.join(name)).is_ok_and(|bytes| bytes == file.text().as_bytes()))
    }

    /// Makes a revision the live one, by one rename: at any instant, all files that Asterisk reads are of one revision.
    pub fn activate(&self, id: u64) -> Result<(), FilesError> {
        let next = self.root.join(".current.next");
        let link = self.root.join("current");
        let switch = || -> std::io::Result<()> {
            if next.symlink_metadata().is_ok() {
                fs::remove_file(&next)?;
            }
            std::os::unix::fs::symlink(format!("revisions/{id:06}"), &next)?;
            fs::rename(&next, &link)
        };
        doing(format!("switching {} to revision {id}", link.display()), switch())?;
        sync_dir(&self.root)
    }

    /// Takes the link away: for going back to before the first revision. An empty revision takes its place, because a missing
    /// file would make Asterisk reject the main file that includes it.
    pub fn activate_empty(&self, now: SystemTime) -> Result<(), FilesError> {
        let empty = ConfigTree::empty();
        // What is live and whole is never written anew: Asterisk may be reading it.
        let whole = || empty.files().all(|(name, _)| self.folder(0).join(name).is_file());
        if self.current()? == Some(0) && whole() {
            return Ok(());
        }
        self.stage(0, &empty, None, now)?;
        self.activate(0)
    }

    /// The revision that Asterisk last said it has, read back in full; nothing while that is not known.
    pub fn proven(&self) -> Option<u64> {
        fs::read_to_string(self.root.join("proven")).ok().and_then(|text| text.trim().parse().ok())
    }

    /// From here on it is not known what Asterisk has: said, durably, before anything is switched.
    pub fn unprove(&self) -> Result<(), FilesError> {
        self.forget("proven")
    }

    /// Asterisk has said that it has a revision.
    pub fn prove(&self, id: u64) -> Result<(), FilesError> {
        self.keep("proven", &id.to_string())
    }

    /// Writes a mark, durably and whole.
    fn keep(&self, mark: &str, line: &str) -> Result<(), FilesError> {
        let (next, path) = (self.root.join(format!(".{mark}.next")), self.root.join(mark));
        let written = || -> std::io::Result<()> {
            let mut out = fs::File::create(&next)?;
            writeln!(out, "{line}")?;
            out.sync_all()?;
            fs::rename(&next, &path)
        };
        doing(format!("writing {}", path.display()), written())?;
        sync_dir(&self.root)
    }

    /// Takes a mark away, durably.
    fn forget(&self, mark: &str) -> Result<(), FilesError> {
        let path = self.root.join(mark);
        if path.symlink_metadata().is_ok() {
            doing(format!("removing {}", path.display()), fs::remove_file(&path))?;
            sync_dir(&self.root)?;
        }
        Ok(())
    }

    /// The revision that waits for somebody to confirm it, and the one to go back to otherwise.
    pub fn unconfirmed(&self) -> Option<(u64, u64)> {
        let text = fs::read_to_string(self.root.join("unconfirmed")).ok()?;
        let (revision, base) = text.trim().split_once(' ')?;
        Some((revision.parse().ok()?, base.parse().ok()?))
    }

    /// Keeps, durably, that a revision must be confirmed or gone back from: said before it is switched to, so that no crash makes it
    /// stay.
    pub fn await_confirmation(&self, revision: u64, base: u64) -> Result<(), FilesError> {
        self.keep("unconfirmed", &format!("{revision} {base}"))
    }

    /// Nothing waits for a confirmation any more.
    pub fn confirmed(&self) -> Result<(), FilesError> {
        self.forget("unconfirmed")
    }

    /// The revisions whose folders exist, in order.
    pub fn list(&self) -> Result<Vec<u64>, FilesError> {
        let folder = self.root.join("revisions");
        let mut all = Vec::new();
        if folder.exists() {
            for entry in doing(format!("reading {}", folder.display()), fs::read_dir(&folder))? {
                let entry = doing(format!("reading {}", folder.display()), entry)?;
                all.extend(entry.file_name().to_str().and_then(|name| name.parse::<u64>().ok()));
            }
        }
        all.sort_unstable();
        Ok(all)
    }

    /// Removes the folders of old revisions: all but the newest `keep`, and of these what is older than `age`. What is in `never` stays
    /// whatever its number and age. One that cannot be removed does not keep the others; the first such error is told at the end.
    pub fn prune(&self, keep: usize, age: Duration, now: SystemTime, never: &[u64]) -> Result<(), FilesError> {
        let all = self.list()?;
        let surplus = all.len().saturating_sub(keep);
        let mut done = Ok(());
        for (at, id) in all.iter().enumerate().filter(|(_, id)| !never.contains(id)) {
            let folder = self.folder(*id);
            let made = fs::metadata(&folder).and_then(|meta| meta.modified());
            let is_old = made.is_ok_and(|made| now.duration_since(made).is_ok_and(|passed| passed > age));
            if at < surplus || is_old {
                let removed = doing(format!("removing {}", folder.display()), fs::remove_dir_all(&folder));
                done = done.and(removed);
            }
        }
        done
    }

    /// The group of Asterisk's configuration folder: it may read what is written, never write it.
    fn owner_group(&self) -> Result<u32, FilesError> {
        let config_dir = self.root.parent().unwrap_or(&self.root);
        doing(format!("looking at {}", config_dir.display()), fs::metadata(config_dir)).map(|meta| meta.gid())
    }

    /// Makes a folder where there is none.
    pub(super) fn make(path: &Path, gid: u32) -> Result<(), FilesError> {
        if path.is_dir() {
            return Ok(());
        }
        let made = || -> std::io::Result<()> {
            fs::create_dir(path)?;
            fs::set_permissions(path, std::fs::Permissions::from_mode(0o750))?;
            own(path, gid)
        };
        doing(format!("making {}", path.display()), made())
    }
}

/// Gives a path's group, where that is allowed; where it is not, pbxd runs as one user with Asterisk's group already.
pub(super) fn own(path: &Path, gid: u32) -> std::io::Result<()> {
    match std::os::unix::fs::chown(path, None, Some(gid)) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(()),
        other => other,
    }
}
