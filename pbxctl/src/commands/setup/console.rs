//! Asterisk's console: the way in while there is no manager user yet.

use std::process::{Command, Stdio};

use pbx_asterisk::setup::Directories;

use super::site::{self, Where};
use crate::failure::Failure;

/// Why the console gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Silence {
    /// It cannot be run: not here, or not by this user.
    NotRunnable(String),
    /// Asterisk does not run, or does not let this user in.
    NoAsterisk(String),
}

/// What the console says that finds no Asterisk to talk to.
const NOT_RUNNING: &str = "Unable to connect to remote asterisk";

/// How the console is called.
#[derive(Debug, Clone)]
pub struct Console {
    words: Vec<String>,
    /// The command line named it.
    named: bool,
    /// Why there is nobody to ask. Where no Asterisk runs, its program makes a folder to run in before it finds out.
    nobody: Option<String>,
}

impl Console {
    /// As the command line says, for the Asterisk of some folders.
    pub fn new(place: &Where, dirs: &Directories) -> Self {
        let words = match &place.asterisk_command {
            Some(command) => command.split_whitespace().map(str::to_owned).collect(),
            None if place.asterisk_conf.to_str() == Some("/etc/asterisk/asterisk.conf") => vec!["asterisk".to_owned()],
            None => ["asterisk", "-C"]
                .map(str::to_owned)
                .into_iter()
                .chain([place.asterisk_conf.display().to_string()])
                .collect(),
        };
        // A command that was named may lead to where other paths hold.
        let named = place.asterisk_command.is_some();
        let needed = [place.asterisk_conf.as_path(), dirs.run.as_path()];
        let gone = needed.into_iter().filter(|_| !named).find(|path| site::is_gone(path));
        Self { words, named, nobody: gone.map(|path| format!("there is no {}", path.display())) }
    }

    /// Refuses a command that was named and calls no console of Asterisk's. An Asterisk that does not run is none of its fault.
    pub fn refuse_wrong(&self) -> Result<(), Failure> {
        if !self.named {
            return Ok(());
        }
        let why = match self.ask("core show version") {
            Ok(answer) if answer.lines().any(|line| line.starts_with("Asterisk ")) => return Ok(()),
            Err(Silence::NoAsterisk(why)) if why.contains(NOT_RUNNING) => return Ok(()),
            Ok(answer) | Err(Silence::NoAsterisk(answer)) => {
                format!("does not answer as Asterisk's console does: {}", answer.lines().next().unwrap_or("no answer"))
            }
            Err(Silence::NotRunnable(why)) => format!("cannot be run: {why}"),
        };
        if self.words.is_empty() {
            return Err(Failure::usage("`--asterisk-command` names no program; nothing was changed")
                .help("leave it out where `asterisk` is in its usual place"));
        }
        let command = self.words.join(" ");
        Err(Failure::usage(format!("the command `{command}` of `--asterisk-command` {why}; nothing was changed"))
            .help(format!("it is right when `{}` shows a version", self.by_hand("core show version")))
            .help("leave `--asterisk-command` out where `asterisk` is in its usual place"))
    }

    /// Whether there may be somebody to ask.
    pub fn may_answer(&self) -> bool {
        self.nobody.is_none()
    }

    /// How somebody runs a command by hand.
    pub fn by_hand(&self, command: &str) -> String {
        format!("sudo {} -rx '{command}'", self.words.join(" "))
    }

    /// Asks.
    pub fn ask(&self, command: &str) -> Result<String, Silence> {
        let Some((program, words)) = self.words.split_first() else {
            return Err(Silence::NotRunnable("no command is named".into()));
        };
        if let Some(why) = &self.nobody {
            return Err(Silence::NoAsterisk(why.clone()));
        }
        let run = Command::new(program)
            .args(words)
            .args(["-rx", command])
            .env("TERM", "dumb")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| Silence::NotRunnable(format!("{program}: {error}")))?;
        let answer = String::from_utf8_lossy(&run.stdout).trim_end().to_owned();
        let talk = format!("{answer}\n{}", String::from_utf8_lossy(&run.stderr));
        if !run.status.success() || talk.contains(NOT_RUNNING) {
            return Err(Silence::NoAsterisk(talk.trim().lines().last().unwrap_or("no answer").to_owned()));
        }
        Ok(answer)
    }
}
