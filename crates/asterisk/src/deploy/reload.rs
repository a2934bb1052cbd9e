//! Reloading single modules, with Asterisk's complaints caught by a log of its own for that moment.

use std::path::Path;
use std::time::Duration;

use fs_err as fs;

use crate::ami::action::{Command, Reload};
use crate::ami::{AmiError, Client, ReloadStatus};

use super::Rejection;

/// What a reload came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Modules that did not reload.
    pub rejections: Vec<Rejection>,
    /// The warnings and errors that Asterisk logged meanwhile.
    pub log: Vec<String>,
}

/// How often a reload is asked for again while another one runs.
const TRIES: u32 = 100;

/// Reloads modules one after another, never all of Asterisk. Stops at the first that fails. Each may take `limit`; measured: 3 s for
/// 10,000 endpoints.
///
/// `log_dir` is Asterisk's log folder, where it can be read; without it, complaints are not caught.
pub async fn reload(
    client: &Client,
    modules: &[(&str, &str)],
    log_dir: Option<&Path>,
    tag: &str,
    limit: Duration,
    mut progress: impl FnMut(&str),
) -> Result<Reloaded, AmiError> {
    let mut reloaded = Reloaded::default();
    let name = format!("pbxd-{tag}.log");
    let caught = log_dir.map(|dir| dir.join(&name));
    if let Some(path) = &caught {
        let _ = fs::remove_file(path);
        client.call(&Command(format!("logger add channel {name} warning,error"))).await?;
    }
    let done = each(client, modules, limit, &mut progress).await;
    if let Some(path) = &caught {
        // Also when a reload got no answer: a log that nobody reads must not grow.
        let removed = client.call(&Command(format!("logger remove channel {name}"))).await;
        if done.is_ok() {
            removed?;
        }
        if let Ok(bytes) = fs::read(path) {
            reloaded.log = String::from_utf8_lossy(&bytes).lines().map(plain).collect();
        }
        let _ = fs::remove_file(path);
    }
    reloaded.rejections.extend(done?);
    Ok(reloaded)
}

/// Reloads modules one after another, up to the first that fails.
async fn each(
    client: &Client,
    modules: &[(&str, &str)],
    limit: Duration,
    progress: &mut impl FnMut(&str),
) -> Result<Option<Rejection>, AmiError> {
    for (file, module) in modules {
        progress(module);
        let rejection = one(client, file, module, limit).await?;
        if rejection.is_some() {
            return Ok(rejection);
        }
    }
    Ok(None)
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

async fn one(client: &Client, file: &str, module: &str, limit: Duration) -> Result<Option<Rejection>, AmiError> {
    for _ in 0..TRIES {
        let outcome = match client.call(&Reload::new(module).within(limit)).await {
            Ok(outcome) => outcome,
            Err(AmiError::Refused { message, .. }) => {
                let mut rejection = Rejection::general(format!("Asterisk did not reload {module}, which reads {file}"));
                rejection.asterisk.push(message);
                return Ok(Some(rejection));
            }
            Err(error) => return Err(error),
        };
        match outcome.status {
            ReloadStatus::Done => return Ok(None),
            // Somebody else's reload: ours must come after it.
            ReloadStatus::InProgress | ReloadStatus::Queued => tokio::time::sleep(Duration::from_millis(100)).await,
            other => {
                let mut rejection =
                    Rejection::general(format!("Asterisk did not reload {module}, which reads {file}: {other}"));
                rejection.asterisk.extend(Some(outcome.message).filter(|message| !message.is_empty()));
                return Ok(Some(rejection));
            }
        }
    }
    Ok(Some(Rejection::general(format!("Asterisk is busy with other reloads; {module} was not reloaded"))))
}
