//! Where a folder's files stand in git, for the history. Not knowing is fine; waiting for it is not.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

/// A folder's commit, and whether anything in it differs from that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The commit.
    pub commit: String,
    /// Whether the folder has changes that are not committed; nothing when git took too long to say.
    pub dirty: Option<bool>,
}

/// Asks git about a folder.
pub async fn state(folder: PathBuf) -> Option<State> {
    let commit = git(&folder, &["rev-parse", "HEAD"]).await?.trim().to_owned();
    let dirty = git(&folder, &["status", "--porcelain", "--", "."]).await.map(|lines| !lines.trim().is_empty());
    (!commit.is_empty()).then_some(State { commit, dirty })
}

async fn git(folder: &PathBuf, words: &[&str]) -> Option<String> {
    let run = tokio::process::Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(words)
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(1), run).await.ok()?.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
