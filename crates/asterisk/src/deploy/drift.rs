//! Whether the files that Asterisk reads are still as they were written.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::SystemTime;

use fs_err as fs;
use sha2::{Digest as _, Sha256};
use similar::TextDiff;

use super::revisions::{FilesError, Revisions};
use crate::config::ConfigTree;
use crate::setup::masked;

/// The file in a revision's folder that keeps what was written: a SHA-256 and a name a line, as `sha256sum --check` reads it.
pub(super) const CHECKSUMS: &str = "checksums";

/// How many lines of a file's diff are told.
const DIFF_LINES: usize = 200;

/// How long the smallest diff is looked for, before a larger one will do.
const DIFF_WITHIN: std::time::Duration = std::time::Duration::from_millis(200);

/// A file of the live revision that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drifted {
    /// Its name.
    pub name: &'static str,
    /// Whether it is gone, rather than changed.
    pub missing: bool,
    /// When it was changed.
    pub modified: Option<SystemTime>,
    /// Whose it is now: an editor that writes anew makes it its user's.
    pub uid: Option<u32>,
    /// A unified diff from what was written, secrets masked.
    pub diff: String,
}

fn checksum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// What is kept of a tree's files. Of one whose sum is known already, none is made.
pub(super) fn checksums<'k>(tree: &ConfigTree, known: impl Fn(&str) -> Option<&'k String>) -> String {
    tree.files().fold(String::new(), |text, (name, file)| {
        let sum = known(name).cloned().unwrap_or_else(|| checksum(file.text().as_bytes()));
        text + &sum + "  " + name + "\n"
    })
}

/// What was kept of the files in a folder, by their names.
pub(super) fn kept(folder: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(folder.join(CHECKSUMS)).unwrap_or_default();
    text.lines().filter_map(|line| line.split_once("  ")).map(|(sum, name)| (name.to_owned(), sum.to_owned())).collect()
}

impl Revisions {
    /// The files of a revision that somebody has changed since they were written. What a newer version would write otherwise is no
    /// drift: the checksums kept beside the files say what was written.
    ///
    /// # Errors
    ///
    /// When a file is there and cannot be read.
    pub fn drift(&self, id: u64, tree: &ConfigTree) -> Result<Vec<Drifted>, FilesError> {
        let folder = self.folder(id);
        let kept = kept(&folder);
        let mut drifted = Vec::new();
        for (name, file) in tree.files() {
            let path = folder.join(name);
            let bytes = match fs::read(&path) {
                Ok(bytes) => Some(bytes),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
                Err(source) => return Err(FilesError::reading(&path, source)),
            };
            let as_written = bytes.as_ref().is_some_and(|bytes| {
                bytes == file.text().as_bytes() || kept.get(name).is_some_and(|sum| *sum == checksum(bytes))
            });
            if as_written {
                continue;
            }
            let meta = fs::symlink_metadata(&path).ok();
            let now = bytes.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            drifted.push(Drifted {
                name,
                missing: now.is_none(),
                modified: meta.as_ref().and_then(|meta| meta.modified().ok()),
                uid: meta.map(|meta| meta.uid()),
                diff: now.map(|now| diff(name, file.text(), &now)).unwrap_or_default(),
            });
        }
        Ok(drifted)
    }
}

fn diff(name: &str, before: &str, after: &str) -> String {
    let (before, after) = masked(name, before, after);
    let diff = TextDiff::configure().timeout(DIFF_WITHIN).diff_lines(&before, &after);
    let text = diff.unified_diff().context_radius(2).to_string();
    let mut lines: Vec<&str> = text.lines().take(DIFF_LINES + 1).collect();
    if lines.len() > DIFF_LINES {
        lines[DIFF_LINES] = "… (cut here)";
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_changed_is_found_and_their_secrets_are_not_told() {
        let folder = tempfile::tempdir().unwrap();
        let revisions = Revisions::new(folder.path());
        let tree = ConfigTree::empty();
        revisions.stage(1, &tree, None, SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(revisions.drift(1, &tree).unwrap(), []);
        let path = revisions.folder(1).join("pjsip.conf");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.clone() + "[x]\ntype=auth\npassword=hunter22\n").unwrap();
        fs::remove_file(revisions.folder(1).join("rtp.conf")).unwrap();
        let drifted = revisions.drift(1, &tree).unwrap();
        let told: Vec<(&str, bool)> = drifted.iter().map(|one| (one.name, one.missing)).collect();
        assert_eq!(told, [("pjsip.conf", false), ("rtp.conf", true)]);
        assert!(drifted[0].diff.contains("+type=auth") && !drifted[0].diff.contains("hunter22"), "{drifted:?}");
        // As written by another version that said it otherwise.
        let other = text + "; said otherwise\n";
        fs::write(&path, &other).unwrap();
        let sums = checksums(&tree, |_| None);
        let sums = sums.lines().map(|line| match line.split_once("  ") {
            Some((_, "pjsip.conf")) => format!("{}  pjsip.conf\n", checksum(other.as_bytes())),
            _ => format!("{line}\n"),
        });
        fs::write(revisions.folder(1).join(CHECKSUMS), sums.collect::<String>()).unwrap();
        assert_eq!(revisions.drift(1, &tree).unwrap().len(), 1);
    }
}
