//! An Asterisk, a place for pbxd's configuration, and the real binary between them.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use fs_err as fs;
use pbx_lab::{Asterisk, AsteriskRoot};

/// An Asterisk and a place for pbxd's configuration.
pub struct Lab {
    pub asterisk: Asterisk,
    pub folder: tempfile::TempDir,
    pub console: String,
}

/// The command that calls an instance's console: the loader of its root folder, as the lab starts it.
pub fn console(asterisk: &Asterisk) -> String {
    let root = AsteriskRoot::ensure().unwrap();
    let libraries = root.modules().parent().unwrap().parent().unwrap().to_owned();
    let loader = fs::read_dir(&libraries)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_name().unwrap().to_string_lossy().starts_with("ld-linux"))
        .unwrap();
    let program = root.dir().join("usr/sbin/asterisk");
    let conf = asterisk.etc().join("asterisk.conf");
    format!("{} --library-path {} {} -C {}", loader.display(), libraries.display(), program.display(), conf.display())
}

impl Lab {
    pub fn new(asterisk: Asterisk) -> Self {
        Self { console: console(&asterisk), asterisk, folder: tempfile::tempdir().unwrap() }
    }

    pub fn toml(&self) -> PathBuf {
        self.folder.path().join("etc/pbxd.toml")
    }

    pub fn setup(&self, more: &[&str]) -> Ran {
        self.setup_by(&self.console, more)
    }

    pub fn setup_by(&self, console: &str, more: &[&str]) -> Ran {
        Ran::new(&self.command("setup", console).args(more).output().unwrap())
    }

    /// A verb that is told where everything is.
    pub fn command(&self, verb: &str, console: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pbxctl"));
        command
            .arg(verb)
            .arg("--socket")
            .arg(self.folder.path().join("pbxd.sock"))
            .arg("--asterisk-conf")
            .arg(self.asterisk.etc().join("asterisk.conf"))
            .args(["--asterisk-command", console])
            .arg("--pbxd-config")
            .arg(self.toml())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::null());
        command
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.asterisk.etc().join(name)).unwrap()
    }
}

/// How a command ended.
pub struct Ran {
    pub out: String,
    pub all: String,
    pub exit: i32,
}

impl Ran {
    pub fn new(output: &Output) -> Self {
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        let all = format!("{out}{}", String::from_utf8_lossy(&output.stderr));
        Self { out, all, exit: output.status.code().unwrap() }
    }

    #[track_caller]
    pub fn ended(self, exit: i32) -> Self {
        assert_eq!(self.exit, exit, "{}", self.all);
        self
    }

    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(self.all.contains(words), "no {words:?} in:\n{}", self.all);
        self
    }

    #[track_caller]
    pub fn hides(self, words: &str) -> Self {
        assert!(!self.all.contains(words), "{words:?} in:\n{}", self.all);
        self
    }
}
