//! Asterisk's console: the way in while there is no manager user yet.

use std::process::{Command, Stdio};

use super::site::Where;

/// Why the console gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Silence {
    /// It cannot be run: not here, or not by this user.
    NotRunnable(String),
    /// Asterisk does not run, or does not let this user in.
    NoAsterisk(String),
}

/// How the console is called.
#[derive(Debug, Clone)]
pub struct Console {
    words: Vec<String>,
}

impl Console {
    /// As the command line says.
    pub fn new(place: &Where) -> Self {
        let words = match &place.asterisk_command {
            Some(command) => command.split_whitespace().map(str::to_owned).collect(),
            None if place.asterisk_conf.to_str() == Some("/etc/asterisk/asterisk.conf") => vec!["asterisk".to_owned()],
            None => ["asterisk", "-C"]
                .map(str::to_owned)
                .into_iter()
                .chain([place.asterisk_conf.display().to_string()])
                .collect(),
        };
        Self { words }
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
        let run = Command::new(program)
            .args(words)
            .args(["-rx", command])
            .env("TERM", "dumb")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| Silence::NotRunnable(format!("{program}: {error}")))?;
        let answer = String::from_utf8_lossy(&run.stdout).trim_end().to_owned();
        let talk = format!("{answer}\n{}", String::from_utf8_lossy(&run.stderr));
        if !run.status.success() || talk.contains("Unable to connect to remote asterisk") {
            return Err(Silence::NoAsterisk(talk.trim().lines().last().unwrap_or("no answer").to_owned()));
        }
        Ok(answer)
    }
}
