//! Asterisk's warnings and errors while it takes a configuration, caught by a log of its own for that moment.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;
use tokio::time::Instant;

use crate::ami::action::{Command, Hangup};
use crate::ami::{AmiError, Client};

/// How long Asterisk's log may take to be written. Its own thread writes it, behind everything that was logged before.
const WRITTEN_WITHIN: Duration = Duration::from_secs(5);
/// How long until it is asked again, and between two looks.
const ASK_AGAIN: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(3);

/// A log of Asterisk's, as long as complaints are caught.
#[derive(Debug)]
pub struct Complaints {
    name: String,
    path: PathBuf,
}

impl Complaints {
    /// Catches what Asterisk logs as a warning or an error from now on. `log_dir` is its log folder; where it is not, nothing is heard.
    /// One of [`heard`](Self::heard) and [`ignore`](Self::ignore) ends it: a log that nobody reads must not grow.
    pub async fn catch(client: &Client, log_dir: &Path, tag: &str) -> Result<Self, AmiError> {
        forget(client, log_dir).await?;
        let name = format!("pbxd-{tag}.log");
        let path = log_dir.join(&name);
        // One begins to catch by making way for its log.
        let _ = fs::remove_file(&path);
        client.call(&Command(format!("logger add channel {name} notice,warning,error"))).await?;
        Ok(Self { name, path })
    }

    /// All of what was logged, and the end of it.
    ///
    /// What Asterisk logs is written by a thread of its own, some time later, and is lost when the log is removed before (`logger.c`,
    /// `logger_thread`). So something is logged last, and waited for: that a channel of the log's name cannot be hung up (`manager.c`,
    /// `ast_manager_hangup_helper`), which is a mere notice to whoever reads the other logs.
    pub async fn heard(self, client: &Client) -> Result<Vec<String>, AmiError> {
        let heard = self.wait(client).await;
        let ended = self.end(client).await;
        let text = heard?;
        ended?;
        Ok(text.lines().map(plain).filter(|line| !line.contains(" NOTICE[")).collect())
    }

    async fn wait(&self, client: &Client) -> Result<String, AmiError> {
        let last = Hangup { channel: self.name.clone(), cause: None };
        let begun = Instant::now();
        loop {
            // Again and again: of very many messages at once, Asterisk drops notices.
            client.call(&last).await?;
            let asked = Instant::now();
            while asked.elapsed() < ASK_AGAIN {
                let Ok(bytes) = fs::read(&self.path) else { return Ok(String::new()) };
                let text = String::from_utf8_lossy(&bytes);
                if text.contains(&self.name) || begun.elapsed() > WRITTEN_WITHIN {
                    return Ok(text.into_owned());
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// The end of it, without a look at what was logged.
    pub async fn ignore(self, client: &Client) {
        let _ = self.end(client).await;
    }

    async fn end(&self, client: &Client) -> Result<(), AmiError> {
        // Its file stays where Asterisk could not be told: it says that there is a log to end.
        client.call(&Command(format!("logger remove channel {}", self.name))).await?;
        let _ = fs::remove_file(&self.path);
        Ok(())
    }
}

/// Ends the logs that are left of an apply that was cut short: Asterisk would go on writing them until it is restarted.
pub async fn forget(client: &Client, log_dir: &Path) -> Result<(), AmiError> {
    let Ok(entries) = fs::read_dir(log_dir) else { return Ok(()) };
    for path in entries.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if is_ours(name) {
            client.call(&Command(format!("logger remove channel {name}"))).await?;
            let _ = fs::remove_file(&path);
        }
    }
    Ok(())
}

/// Whether a log is of an apply: `pbxd-12-new.log`. Others may keep logs there whose names begin so.
fn is_ours(name: &str) -> bool {
    let tag = name.strip_prefix("pbxd-").and_then(|rest| rest.strip_suffix(".log"));
    tag.and_then(|tag| tag.split_once('-')).is_some_and(|(id, way)| {
        !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()) && ["new", "back"].contains(&way)
    })
}

/// A logged line without its colours.
fn plain(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        out.push_str(before);
        rest = after.split_once('m').map_or("", |(_, rest)| rest);
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::{is_ours, plain};

    #[test]
    fn only_logs_of_applies_are_ours() {
        assert!(is_ours("pbxd-12-new.log") && is_ours("pbxd-12-back.log"));
        for other in
            ["pbxd-audit.log", "pbxd-.log", "pbxd--new.log", "pbxd-12-new.log.1", "pbxd-1\n2-new.log", "messages.log"]
        {
            assert!(!is_ours(other), "{other}");
        }
    }

    #[test]
    fn colours_go() {
        assert_eq!(plain("\u{1b}[1;31mERROR\u{1b}[0m[12]: sorcery.c"), "ERROR[12]: sorcery.c");
        assert_eq!(plain("nothing"), "nothing");
    }
}
