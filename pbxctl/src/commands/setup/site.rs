//! The Asterisk of this machine, as its files are.

use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;
use pbx_asterisk::setup::{Directories, Tree};

use crate::failure::{Exit, Failure};

/// What describes the Asterisk of this machine where nothing else is said.
const ASTERISK_CONF: &str = "/etc/asterisk/asterisk.conf";

/// The configuration that pbxd reads where nothing else is said, as its systemd unit does.
const PBXD_CONFIG: &str = "/etc/pbxd/pbxd.toml";

/// Where Asterisk comes from.
pub const WHENCE: &str = "`apt-cache policy asterisk` shows whether this system has a package of version 22 (Debian's sid has one, \
     Debian 12 has none); otherwise it is built from its source, which is at downloads.asterisk.org";

/// Where things are, where that is not where they usually are.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Where things are")]
pub struct Where {
    /// Asterisk's own description of its folders
    #[arg(long, default_value = ASTERISK_CONF, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub asterisk_conf: PathBuf,
    /// Asterisk's configuration folder; otherwise as its asterisk.conf says
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub config_dir: Option<PathBuf>,
    /// What calls Asterisk's console, where it is not `asterisk`; `-rx` and the command are added
    #[arg(long, value_name = "COMMAND")]
    pub asterisk_command: Option<String>,
    /// pbxd's configuration
    #[arg(
        long,
        env = "PBXD_CONFIG",
        hide_env_values = true,
        default_value = PBXD_CONFIG,
        value_name = "FILE",
        value_hint = clap::ValueHint::FilePath
    )]
    pub pbxd_config: PathBuf,
}

impl Where {
    /// How pbxd is started with its configuration, and looked at then.
    pub fn next(&self) -> String {
        let is = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if is(&self.pbxd_config) == is(Path::new(PBXD_CONFIG)) {
            return "Next: `sudo systemctl enable --now pbxd`, then `sudo pbxctl doctor`.".to_owned();
        }
        let path = self.pbxd_config.display();
        // Whoever named another Asterisk here means the same one there.
        let mut doctor = format!("sudo pbxctl doctor --pbxd-config {path}");
        if self.asterisk_conf != Path::new(ASTERISK_CONF) {
            let _ = write!(doctor, " --asterisk-conf {}", self.asterisk_conf.display());
        }
        if let Some(folder) = &self.config_dir {
            let _ = write!(doctor, " --config-dir {}", folder.display());
        }
        if let Some(command) = &self.asterisk_command {
            let _ = write!(doctor, " --asterisk-command '{command}'");
        }
        format!(
            "Next: `sudo pbxd --config {path}`, then `{doctor}`; pbxd's systemd unit reads {PBXD_CONFIG}, and not this file."
        )
    }
}

/// The folders of an Asterisk.
#[derive(Debug, Clone)]
pub struct Site {
    /// All of them.
    pub dirs: Directories,
    /// The configuration folder as its `asterisk.conf` says, in its own words; nothing where that is not there.
    pub described: Option<PathBuf>,
}

impl Site {
    /// As `asterisk.conf` says.
    pub fn open(place: &Where) -> Result<Self, Failure> {
        let read = match fs::read(&place.asterisk_conf) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(unreadable(&error)),
        };
        if read.is_none() && place.config_dir.is_none() {
            let what = format!("there is no Asterisk here: {} does not exist", place.asterisk_conf.display());
            return Err(Failure::failed("noAsterisk", what)
                .help(format!("install it first: {WHENCE}"))
                .help("one that lives elsewhere is named with `--asterisk-conf FILE`"));
        }
        let folder = place.asterisk_conf.parent().unwrap_or(Path::new("/")).to_owned();
        let there = read.is_some();
        let tree = Tree::read("asterisk.conf", read.unwrap_or_default(), &mut |name| find(&folder, name))?;
        let mut dirs = Directories::of(&tree);
        let described = there.then(|| dirs.etc.clone());
        if let Some(dir) = &place.config_dir {
            dirs.etc.clone_from(dir);
        }
        if let Err(error) = fs::metadata(&dirs.etc)
            && error.kind() == std::io::ErrorKind::PermissionDenied
        {
            return Err(unreadable(&error));
        }
        if !dirs.etc.is_dir() {
            return Err(Failure::failed("noAsterisk", format!("{} is not a folder", dirs.etc.display()))
                .help("Asterisk's configuration folder is named with `--config-dir DIR`"));
        }
        Ok(Self { dirs, described })
    }

    /// The configuration folder of the Asterisk that answers with these settings (`core show settings`), where it is another one
    /// than this `asterisk.conf` says: whoever names a copy of the file reaches the Asterisk of the original all the same.
    pub fn elsewhere(&self, settings: &str) -> Option<PathBuf> {
        let described = self.described.as_ref()?;
        let said = settings.lines().find_map(|line| line.trim().strip_prefix("Configuration directory:"))?.trim();
        let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        (!said.is_empty() && real(Path::new(said)) != real(described)).then(|| said.into())
    }

    /// The path of a file below the configuration folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dirs.etc.join(name)
    }

    /// A main file with what it includes; nothing when it is not there.
    pub fn tree(&self, name: &str) -> Result<Option<Tree>, Failure> {
        let bytes = match fs::read(self.path(name)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(&error)),
        };
        Tree::read(name, bytes, &mut |wanted| find(&self.dirs.etc, wanted)).map(Some)
    }

    /// The user and the group that the configuration folder belongs to.
    pub fn owner(&self) -> Result<(u32, u32), Failure> {
        let meta = fs::metadata(&self.dirs.etc).map_err(|error| unreadable(&error))?;
        Ok((meta.uid(), meta.gid()))
    }
}

/// Whether there is nothing at a path, as far as this user sees.
pub fn is_gone(path: &Path) -> bool {
    fs::metadata(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

/// Whether a file is not for this user.
pub fn is_hidden(path: &Path) -> bool {
    fs::File::open(path).is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
}

/// A file that cannot be read.
pub fn unreadable(error: &std::io::Error) -> Failure {
    if error.kind() == std::io::ErrorKind::PermissionDenied {
        return Failure::new(Exit::NotAllowed, "notAllowed", error.to_string())
            .help("Asterisk's files are for its own user and root: run the command with `sudo`");
    }
    Failure::failed("files", error.to_string()).help("mend this, and run the command again")
}

/// The files that an include stands for: regular ones, sorted.
fn find(folder: &Path, wanted: &str) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let pattern = folder.join(wanted);
    let paths: Vec<PathBuf> = if wanted.contains(['*', '?', '[']) {
        glob::glob(&pattern.to_string_lossy()).map(|found| found.filter_map(Result::ok).collect()).unwrap_or_default()
    } else {
        vec![pattern]
    };
    let mut found = Vec::new();
    for path in paths.into_iter().filter(|path| path.is_file()) {
        let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
        found.push((name, fs::read(&path).map_err(|error| unreadable(&error))?));
    }
    Ok(found)
}

/// A user of this machine: its id and its group's, by its name.
pub fn user(name: &str) -> Option<(u32, u32)> {
    let text = fs::read_to_string("/etc/passwd").ok()?;
    let line = text.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// The name of a user or group by its id, from `/etc/passwd` or `/etc/group`; the number where there is none.
pub fn name_of(table: &str, id: u32) -> String {
    let text = fs::read_to_string(table).unwrap_or_default();
    let wanted = id.to_string();
    let line = text.lines().find(|line| line.split(':').nth(2) == Some(&wanted));
    line.and_then(|line| line.split(':').next()).map_or(wanted.clone(), str::to_owned)
}
