//! A root folder with Asterisk 22, built once per machine.
//!
//! Debian's development suite has Asterisk 22; the stable one that we build on has not. So the lab unpacks a small
//! system into a folder and runs Asterisk from it with the loader of that same folder: no `chroot`, and every path is
//! the same inside and outside.

use crate::packages::ensure_packages;
use crate::place::unprivileged;
use crate::prepare::for_root;
use anyhow::{Context, Result, bail, ensure};
use fs_err as fs;
use rustix::fs::{FlockOperation, flock};
use rustix::process::geteuid;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What is built, and so the key of the cache: a change here builds a new root folder.
const RECIPE: &[&str] = &[
    "--variant=apt",
    "--mode=root",
    // A mirror may lag behind the date in its signature.
    "--aptopt=Acquire::Check-Valid-Until \"false\"",
    "--aptopt=APT::Install-Recommends \"false\"",
    "--include=asterisk,asterisk-modules,asterisk-core-sounds-en-gsm,libfaketime",
    // Debian links the prompts by absolute paths, which lead out of the folder.
    "--customize-hook=for name in en en_US; do ln -sfn en_US_f_Allison \"$1/usr/share/asterisk/sounds/$name\"; done",
    // The stock configuration is for everybody who starts from it, not only for root.
    "--customize-hook=chmod -R a+rX \"$1/etc/asterisk\"",
    "sid",
];

/// A finished root folder: read-only for everybody, shared by all instances.
#[derive(Debug, Clone)]
pub struct AsteriskRoot {
    dir: PathBuf,
    triplet: String,
}

impl AsteriskRoot {
    /// The root folder of this machine; built when it is not there yet, which takes about 40 s on an idle machine.
    ///
    /// Two processes that want it at once build it once. It is built beside its place and renamed when complete, so an
    /// interrupted build leaves nothing that looks whole; what it leaves is removed by the next.
    ///
    /// # Errors
    /// When it has to be built and the user is not root, or the build fails, with its last words.
    pub fn ensure() -> Result<Self> {
        let dir = Self::place();
        if let Some(command) = Self::construction() {
            if !geteuid().is_root() {
                return Err(for_root(&[command]));
            }
            let cache = cache()?;
            build_once(&cache, &dir, |part| {
                ensure_packages(&["mmdebstrap"])?;
                tracing::info!("building a root folder with Asterisk 22 in {}, a minute or two", cache.display());
                mmdebstrap(part)
            })?;
        }
        Self::open(dir)
    }

    /// The command that builds it, if it is not there.
    pub(crate) fn construction() -> Option<String> {
        if Self::place().exists() {
            return None;
        }
        let cache = chosen_cache().map_or_else(String::new, |dir| format!("PBX_LAB_CACHE={} ", dir.display()));
        Some(format!("{cache}{} lab root", xtask()))
    }

    fn place() -> PathBuf {
        cache_path().join(format!("asterisk-{}", key(RECIPE)))
    }

    /// The root folder that a running instance says it uses.
    pub(crate) fn at(dir: &Path) -> Result<Self> {
        Self::open(dir.to_owned())
    }

    fn open(dir: PathBuf) -> Result<Self> {
        let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
        let root = Self { dir, triplet };
        for file in [root.program(), root.loader()?, root.modules()] {
            ensure!(file.exists(), "{} is missing: remove {} to build it again", file.display(), root.dir.display());
        }
        Ok(root)
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// `astmoddir`: the folder of Asterisk's modules.
    pub fn modules(&self) -> PathBuf {
        self.libraries().join("asterisk/modules")
    }

    /// `astdatadir`: prompts, documentation, keys.
    pub fn data(&self) -> PathBuf {
        self.dir.join("usr/share/asterisk")
    }

    /// Debian's own `/etc/asterisk`, for instances that start from the stock configuration.
    pub fn stock_etc(&self) -> PathBuf {
        self.dir.join("etc/asterisk")
    }

    /// `asterisk -C <conf>` as the unprivileged user of the lab; `clock` preloads libfaketime.
    pub(crate) fn asterisk(&self, conf: &Path, clock: bool) -> Result<Command> {
        let mut command = unprivileged(&self.loader()?);
        self.arguments(&mut command, conf, clock);
        Ok(command)
    }

    /// The same as the present user, for `-rx`.
    pub(crate) fn console(&self, conf: &Path) -> Result<Command> {
        let mut command = Command::new(self.loader()?);
        self.arguments(&mut command, conf, false);
        Ok(command)
    }

    fn arguments(&self, command: &mut Command, conf: &Path, clock: bool) {
        command.arg("--library-path").arg(self.libraries());
        if clock {
            // The variant for threads; by the loader's option, because LD_PRELOAD would also reach `setpriv`, which is
            // the host's and may have an older libc.
            command.arg("--preload").arg(self.libraries().join("faketime/libfaketimeMT.so.1"));
        }
        command.arg(self.program()).arg("-C").arg(conf);
    }

    fn program(&self) -> PathBuf {
        self.dir.join("usr/sbin/asterisk")
    }

    fn libraries(&self) -> PathBuf {
        self.dir.join("usr/lib").join(&self.triplet)
    }

    /// The dynamic loader: the only file of the root folder that the kernel has to find by itself.
    fn loader(&self) -> Result<PathBuf> {
        let entries = fs::read_dir(self.libraries())?;
        entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                name.starts_with("ld-linux") && name.contains(".so.")
            })
            .with_context(|| format!("no loader (ld-linux*.so.*) in {}", self.libraries().display()))
    }
}

/// Runs `build` on a temporary sibling of `dir` and renames it, unless somebody else did meanwhile.
fn build_once(cache: &Path, dir: &Path, build: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let lock = fs::File::create(cache.join("root.lock"))?;
    flock(&lock, FlockOperation::LockExclusive).context("cannot lock the cache of the lab")?;
    if dir.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(cache)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(".part") {
            tracing::info!("removing {}, an interrupted build", entry.path().display());
            fs::remove_dir_all(entry.path())?;
        }
    }
    let part = dir.with_extension("part");
    build(&part)?;
    fs::rename(&part, dir)?;
    Ok(())
}

fn mmdebstrap(part: &Path) -> Result<()> {
    let (suite, options) = RECIPE.split_last().context("the recipe is empty")?;
    let output = Command::new("mmdebstrap")
        .args(options)
        .arg(suite)
        .arg(part)
        .stdin(Stdio::null())
        .output()
        .context("cannot run mmdebstrap")?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = words.lines().collect();
        bail!("mmdebstrap failed:\n{}", lines[lines.len().saturating_sub(20)..].join("\n"));
    }
    Ok(())
}

/// The folder for what root makes, slowly, for everybody on this machine: `$PBX_LAB_CACHE`, else `/var/cache/pbx-lab`.
fn cache_path() -> PathBuf {
    chosen_cache().unwrap_or_else(|| PathBuf::from("/var/cache/pbx-lab"))
}

fn chosen_cache() -> Option<PathBuf> {
    std::env::var_os("PBX_LAB_CACHE").filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The same, created when it is not there.
pub(crate) fn cache() -> Result<PathBuf> {
    let dir = cache_path();
    fs::create_dir_all(&dir)?;
    Ok(dir)
}

/// The program of the project's chores: root often has no cargo, and cargo run by root would leave files that the user
/// cannot write. It is in the folder of the present program, or for a test in the one above.
fn xtask() -> String {
    let here = std::env::current_exe().unwrap_or_default();
    let found = here.ancestors().skip(1).take(2).map(|dir| dir.join("xtask")).find(|path| path.is_file());
    found.map_or_else(|| "cargo xtask".to_owned(), |path| path.display().to_string())
}

fn key(recipe: &[&str]) -> String {
    let digest = Sha256::digest(recipe.join("\0"));
    digest.iter().take(6).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn one_of_many_builds_and_leftovers_go() {
        let cache = tempfile::tempdir().unwrap();
        fs::create_dir(cache.path().join("asterisk-old.part")).unwrap();
        let dir = cache.path().join("asterisk-new");
        let builds = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    build_once(cache.path(), &dir, |part| {
                        builds.fetch_add(1, Ordering::SeqCst);
                        Ok(fs::create_dir(part)?)
                    })
                });
            }
        });
        assert_eq!(builds.load(Ordering::SeqCst), 1);
        assert!(dir.exists());
        assert!(!cache.path().join("asterisk-old.part").exists());
    }

    #[test]
    fn a_failed_build_leaves_nothing_that_looks_whole() {
        let cache = tempfile::tempdir().unwrap();
        let dir = cache.path().join("asterisk-new");
        let failed = build_once(cache.path(), &dir, |part| {
            fs::create_dir(part)?;
            bail!("no network")
        });
        assert!(failed.is_err());
        assert!(!dir.exists());
        build_once(cache.path(), &dir, |part| Ok(fs::create_dir(part)?)).unwrap();
        assert!(dir.exists());
    }
}
