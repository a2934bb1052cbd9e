//! What a process may do with a file, by the rules of the file system.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;

/// To read.
pub const READ: u32 = 4;
/// To write.
pub const WRITE: u32 = 2;
/// To enter.
pub const ENTER: u32 = 1;

/// As whom a process runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// Its user.
    pub uid: u32,
    /// Its groups.
    pub groups: Vec<u32>,
}

impl Who {
    /// A running process.
    pub fn of_process(pid: i32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
    }

    fn parse(status: &str) -> Option<Self> {
        let numbers = |key: &str| -> Option<Vec<u32>> {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_whitespace().map(|number| number.parse().ok()).collect()
        };
        // The second of each: what counts now.
        let (uid, gid) = (*numbers("Uid:")?.get(1)?, *numbers("Gid:")?.get(1)?);
        let mut groups = numbers("Groups:").unwrap_or_default();
        groups.push(gid);
        Some(Self { uid, groups })
    }

    /// Whether a mode lets it.
    fn may_by(&self, owner: u32, group: u32, mode: u32, what: u32) -> bool {
        let bits = if self.uid == 0 {
            return true;
        } else if owner == self.uid {
            mode >> 6
        } else if self.groups.contains(&group) {
            mode >> 3
        } else {
            mode
        };
        bits & what == what
    }

    /// What on the way to a path, or the path itself, does not let it; nothing when it may.
    pub fn stopped_at(&self, path: &Path, what: u32) -> std::io::Result<Option<PathBuf>> {
        let real = fs::canonicalize(path)?;
        for step in real.ancestors().collect::<Vec<_>>().into_iter().rev() {
            let meta = fs::metadata(step)?;
            let wanted = if step == real { what } else { ENTER };
            if !self.may_by(meta.uid(), meta.gid(), meta.mode(), wanted) {
                return Ok(Some(step.to_owned()));
            }
        }
        Ok(None)
    }

    /// Whether it could change a file or what is in a folder: whoever owns it can give itself the right.
    pub fn could_change(&self, path: &Path) -> std::io::Result<bool> {
        let meta = fs::symlink_metadata(path)?;
        // Of a link, its folder says who may change it.
        Ok(!meta.is_symlink() && (meta.uid() == self.uid || self.may_by(meta.uid(), meta.gid(), meta.mode(), WRITE)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_whom_its_status_says() {
        let who = Who::parse("Name:\tx\nUid:\t0\t998\t0\t0\nGid:\t1\t997\t1\t1\nGroups:\t5 7 \n").unwrap();
        assert_eq!(who, Who { uid: 998, groups: vec![5, 7, 997] });
    }

    #[test]
    fn modes_are_read_as_the_system_reads_them() {
        let who = Who { uid: 1, groups: vec![2] };
        assert!(who.may_by(1, 9, 0o400, READ) && !who.may_by(1, 2, 0o060, READ));
        assert!(who.may_by(9, 2, 0o040, READ) && !who.may_by(9, 2, 0o704, READ));
        assert!(who.may_by(9, 9, 0o004, READ) && !who.may_by(9, 9, 0o770, READ));
        assert!(Who { uid: 0, groups: Vec::new() }.may_by(9, 9, 0, WRITE));
    }
}
