//! The recordings that Asterisk can play: `pbx.d/audio` beside the revisions, named by their content.
//!
//! `HASH.wav` is what narrow telephones hear, `HASH.wav16` what wideband ones do; Asterisk picks by the call. `HASH.json` says what it
//! was, and is written last: a recording is there when it is. Nothing is ever written twice under one name, so a revision that plays a
//! recording today plays the same one when it is gone back to.

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::revisions::{FilesError, Revisions, doing, own, sync_dir};

/// What the files of a recording end in, the last one written last.
const ENDINGS: [&str; 3] = ["wav", "wav16", "json"];

/// `pbx.d/audio` under Asterisk's configuration folder.
#[derive(Debug, Clone)]
pub struct AudioFolder {
    root: PathBuf,
}

impl AudioFolder {
    /// The recordings beside revisions.
    pub fn beside(revisions: &Revisions) -> Self {
        Self { root: revisions.root().join("audio") }
    }

    /// The folder, made where there is none.
    pub fn made(&self) -> Result<&Path, FilesError> {
        if let Some(above) = self.root.parent() {
            let gid = self.group()?;
            Revisions::make(above, gid)?;
            Revisions::make(&self.root, gid)?;
        }
        Ok(&self.root)
    }

    fn path(&self, hash: &str, ending: &str) -> PathBuf {
        self.root.join(format!("{hash}.{ending}"))
    }

    /// Whether a recording is there, all of it.
    pub fn has(&self, hash: &str) -> bool {
        ENDINGS.iter().all(|ending| self.path(hash, ending).is_file())
    }

    /// Keeps a recording, durably: each file is whole under its name or not there at all.
    pub fn keep(&self, hash: &str, narrow: &[u8], wide: &[u8], about: &[u8]) -> Result<(), FilesError> {
        self.made()?;
        let gid = self.group()?;
        for (ending, bytes) in ENDINGS.into_iter().zip([narrow, wide, about]) {
            let (next, path) = (self.root.join(format!(".{hash}.{ending}.next")), self.path(hash, ending));
            let written = || -> std::io::Result<()> {
                let mut out = fs::File::create(&next)?;
                out.write_all(bytes)?;
                out.set_permissions(std::fs::Permissions::from_mode(0o640))?;
                own(&next, gid)?;
                out.sync_all()?;
                fs::rename(&next, &path)
            };
            let written = doing(format!("writing {}", path.display()), written());
            if written.is_err() {
                // Of a disk that is full, every byte counts. What cannot be removed now goes at the next start.
                let _ = fs::remove_file(&next);
            }
            written?;
            // The last name must not be there before the others are.
            sync_dir(&self.root)?;
        }
        Ok(())
    }

    /// Removes what a crash left of files that were being written. Nobody may be writing one.
    pub fn tidy(&self) -> Result<(), FilesError> {
        let unfinished =
            |name: &String| name.strip_prefix('.').is_some_and(|name| name.strip_suffix(".next").is_some());
        for name in self.names()?.into_iter().filter(unfinished) {
            let path = self.root.join(name);
            doing(format!("removing {}", path.display()), fs::remove_file(&path))?;
        }
        Ok(())
    }

    /// What is in the folder.
    fn names(&self) -> Result<Vec<String>, FilesError> {
        if !self.root.is_dir() {
            return Ok(Vec::new());
        }
        let read = || fs::read_dir(&self.root)?.collect::<std::io::Result<Vec<_>>>();
        let entries = doing(format!("reading {}", self.root.display()), read())?;
        Ok(entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok()).collect())
    }

    /// What was kept of a recording besides its sound.
    pub fn about(&self, hash: &str) -> Result<Vec<u8>, FilesError> {
        let path = self.path(hash, "json");
        doing(format!("reading {}", path.display()), fs::read(&path))
    }

    /// A recording as wideband telephones hear it.
    pub fn wide(&self, hash: &str) -> Result<Vec<u8>, FilesError> {
        let path = self.path(hash, "wav16");
        doing(format!("reading {}", path.display()), fs::read(&path))
    }

    /// The recordings that are there, in the order of their hashes.
    pub fn list(&self) -> Result<Vec<String>, FilesError> {
        let names = self.names()?;
        let hashes = names.iter().filter_map(|name| name.strip_suffix(".json"));
        let mut all: Vec<String> =
            hashes.filter(|hash| !hash.starts_with('.') && self.has(hash)).map(str::to_owned).collect();
        all.sort_unstable();
        Ok(all)
    }

    /// Takes a recording away: first what says that it is there.
    pub fn remove(&self, hash: &str) -> Result<(), FilesError> {
        for ending in ENDINGS.into_iter().rev() {
            let path = self.path(hash, ending);
            if path.symlink_metadata().is_ok() {
                doing(format!("removing {}", path.display()), fs::remove_file(&path))?;
                sync_dir(&self.root)?;
            }
        }
        Ok(())
    }

    /// The group of Asterisk's configuration folder.
    fn group(&self) -> Result<u32, FilesError> {
        let config_dir = self.root.ancestors().nth(2).unwrap_or(&self.root);
        doing(format!("looking at {}", config_dir.display()), fs::metadata(config_dir)).map(|meta| meta.gid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "00112233445566778899aabbccddeeff";

    #[test]
    fn a_recording_is_there_as_a_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let audio = AudioFolder::beside(&Revisions::new(folder.path()));
        assert_eq!(audio.list().unwrap(), Vec::<String>::new());
        assert!(!audio.has(HASH));
        audio.keep(HASH, b"narrow", b"wide", b"{}").unwrap();
        assert_eq!(audio.list().unwrap(), [HASH]);
        assert_eq!((audio.wide(HASH).unwrap(), audio.about(HASH).unwrap()), (b"wide".to_vec(), b"{}".to_vec()));
        let root = folder.path().join("pbx.d/audio");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(&root), mode(&root.join(format!("{HASH}.wav")))), (0o750, 0o640));
        assert!(
            fs::read_dir(&root).unwrap().all(|entry| !entry.unwrap().file_name().to_string_lossy().starts_with('.'))
        );
        // What a crash left: the sound, and nothing that says what it is.
        fs::remove_file(root.join(format!("{HASH}.json"))).unwrap();
        assert!(!audio.has(HASH) && audio.list().unwrap().is_empty());
        fs::write(root.join(format!(".{HASH}.json.next")), "{").unwrap();
        audio.tidy().unwrap();
        audio.keep(HASH, b"narrow", b"wide", b"{}").unwrap();
        audio.remove(HASH).unwrap();
        assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
        audio.remove(HASH).unwrap();
    }
}
