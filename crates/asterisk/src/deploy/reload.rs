//! Reloading single modules.

use std::time::Duration;

use crate::ami::action::Reload;
use crate::ami::{AmiError, Client, ReloadStatus};
use crate::config::ConfigTree;

use super::Rejection;

/// How often a reload is asked for again while another one runs.
const TRIES: u32 = 100;

/// Reloads modules one after another, never all of Asterisk, up to the first that fails, which is returned. Each may take `limit`;
/// measured: 3 s for 10,000 endpoints. A module that is not there has nothing to forget: where its file in `to` says nothing, that is
/// well.
pub async fn reload(
    client: &Client,
    modules: &[(&str, &str)],
    to: &ConfigTree,
    limit: Duration,
    mut progress: impl FnMut(&str),
) -> Result<Option<Rejection>, AmiError> {
    for (file, module) in modules {
        progress(module);
        let rejection = one(client, file, module, limit).await?;
        let needed = || to.file(file).is_some_and(|file| !file.sections().is_empty());
        if rejection.as_ref().is_some_and(|(status, _)| *status != ReloadStatus::NotFound || needed()) {
            return Ok(rejection.map(|(_, rejection)| rejection));
        }
    }
    Ok(None)
}

/// Reloads one; how that failed, if it did.
async fn one(
    client: &Client,
    file: &str,
    module: &str,
    limit: Duration,
) -> Result<Option<(ReloadStatus, Rejection)>, AmiError> {
    for _ in 0..TRIES {
        let outcome = match client.call(&Reload::new(module).within(limit)).await {
            Ok(outcome) => outcome,
            Err(AmiError::Refused { message, .. }) => {
                let mut rejection = Rejection::general(format!("Asterisk did not reload {module}, which reads {file}"));
                rejection.asterisk.push(message);
                return Ok(Some((ReloadStatus::Failed, rejection)));
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
                return Ok(Some((other, rejection)));
            }
        }
    }
    let busy = Rejection::general(format!("Asterisk is busy with other reloads; {module} was not reloaded"));
    Ok(Some((ReloadStatus::InProgress, busy)))
}
