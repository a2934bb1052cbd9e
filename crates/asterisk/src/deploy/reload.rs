//! Reloading single modules.

use std::time::Duration;

use crate::ami::action::Reload;
use crate::ami::{AmiError, Client, ReloadStatus};
use crate::config::{ConfigFile, ConfigTree};

use super::Rejection;

/// How often a reload is asked for again while another one runs.
const TRIES: u32 = 100;

/// What two telephones, or two boxes, may take of each other's time: several times what was measured on a slow machine.
const EACH_PAIR: Duration = Duration::from_nanos(250);

/// How long Asterisk may take to read a file: `patience`, and with very many telephones or voicemail boxes the more, by the square of
/// their number, as measured (10,000 telephones 3 s, 20,000 11 s, 40,000 50 s). It puts all of them into lists in order, one by one
/// (`sorcery.c`, `ast_sorcery_retrieve_by_fields`), looks through 1 in 53 of them for each (`pjsip_configuration.c`,
/// `persistent_endpoints`), and through all boxes for each (`app_voicemail.c`, `find_or_create`).
fn limit(patience: Duration, name: &str, file: &ConfigFile) -> Duration {
    let many = match name {
        // A telephone is three sections, a box is a line.
        "pjsip.conf" => file.sections().len() / 3,
        "voicemail.conf" => file.text().lines().count(),
        _ => 0,
    };
    let many = u32::try_from(many).unwrap_or(u32::MAX);
    patience.saturating_add(EACH_PAIR.saturating_mul(many).saturating_mul(many))
}

/// How long Asterisk may take to read a whole tree: see [`reload`].
pub fn time_for(tree: &ConfigTree, patience: Duration) -> Duration {
    let more = tree.files().map(|(name, file)| limit(Duration::ZERO, name, file));
    more.fold(patience, Duration::saturating_add)
}

/// Reloads modules one after another, never all of Asterisk, up to the first that fails, which is returned. Each may take `patience`,
/// and more where there is very much to read. A module that is not there has nothing to forget: where its file in `to` says nothing,
/// that is well.
pub async fn reload(
    client: &Client,
    modules: &[(&str, &str)],
    to: &ConfigTree,
    patience: Duration,
    mut progress: impl FnMut(&str),
) -> Result<Option<Rejection>, AmiError> {
    for (file, module) in modules {
        progress(module);
        let limit = to.file(file).map_or(patience, |to| limit(patience, file, to));
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
