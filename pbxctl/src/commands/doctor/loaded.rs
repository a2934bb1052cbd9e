//! Whether Asterisk has what is live: pbxd asks it, and says what differs.

use std::time::Duration;

use super::check::Checks;
use crate::app::App;
use crate::failure::Failure;

/// How long pbxd may compare: a second for some thousand extensions.
const WITHIN: Duration = Duration::from_mins(1);

/// Looks at what Asterisk has loaded, and at the files.
pub fn look(app: &mut App, checks: &mut Checks) -> Result<(), Failure> {
    let client = app.client();
    let drift = match app.wait(async { tokio::time::timeout(WITHIN, client.drift()).await })? {
        Ok(Ok(drift)) => drift,
        Ok(Err(error)) => {
            checks.skip("as-applied", error.to_string());
            return Ok(());
        }
        Err(_) => {
            checks.skip("as-applied", format!("pbxd did not compare within {} s", WITHIN.as_secs()));
            return Ok(());
        }
    };
    let Some(revision) = drift.revision else { return Ok(()) };
    if let Some(why) = &drift.not_asked {
        checks.skip("as-applied", format!("Asterisk was not asked: {why}"));
        return Ok(());
    }
    let files = drift.files.len() + usize::from(drift.files_revision.is_some());
    let differs = files + drift.asterisk.len();
    if differs == 0 {
        checks.ok("as-applied", format!("files and Asterisk have what revision {revision} says"));
        return Ok(());
    }
    let first = drift.asterisk.first().map_or_else(
        || drift.files.first().map_or_else(String::new, |file| format!("{} is not as it was written", file.name)),
        |failure| failure.message.clone(),
    );
    let more = if differs > 1 { format!(" (and {} more)", differs - 1) } else { String::new() };
    checks
        .fail("as-applied", format!("not what revision {revision} says: {first}{more}"))
        .help("`pbxctl drift` shows all of it")
        .help(format!(
            "`pbxctl rollback {revision}` brings it back; with --overwrite-drift where files were changed by hand"
        ));
    Ok(())
}
