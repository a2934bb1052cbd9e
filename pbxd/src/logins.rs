//! Who has logged in to queues, after a change of who may.

use std::collections::BTreeMap;

use pbx_asterisk::ami::action::{QueueAdd, QueuePenalty, QueueRemove, QueueStatus};
use pbx_asterisk::ami::{AmiError, Client};
use pbx_asterisk::config::logins::Changes;
use pbx_manifest::{Catalog, Kind, ObjectChange};
use tracing::{info, warn};

/// Takes those out of queues who are no members of them any more, and lets the others stay as what they are called now, on their break
/// if they are on one. Tried once, when the new system is live: calls go on either way.
pub(crate) async fn follow(client: &Client, from: &Catalog, to: &Catalog, changes: &[ObjectChange]) {
    let extensions = changes.iter().filter(|change| change.object.kind == Kind::Extension);
    let renamed: BTreeMap<_, _> = extensions
        .filter_map(|change| Some((change.renamed_from.as_ref()?.name.clone(), change.object.name.clone())))
        .collect();
    let changes = Changes::between(from, to, &renamed);
    if changes.is_empty() {
        return;
    }
    if let Err(error) = carry_out(client, &changes).await {
        warn!(%error, "some of those who have logged in to queues may be members as before");
    }
}

async fn carry_out(client: &Client, changes: &Changes) -> Result<(), AmiError> {
    let now = client.call(&QueueStatus).await?.members;
    let find = |queue: &str, interface: &str| {
        now.iter()
            .find(|member| member.queue == queue && member.interface == interface && member.membership == "dynamic")
    };
    for (login, after) in &changes.gone {
        let Some(member) = find(login.queue.as_str(), &login.interface) else { continue };
        let (queue, interface) = (member.queue.clone(), member.interface.clone());
        client.call(&QueueRemove { queue, interface }).await?;
        info!(queue = %login.queue, member = login.interface, "logged out, for it is no member any more");
        let Some(after) = after else { continue };
        let paused = member.paused.unwrap_or_default().then(|| member.paused_reason.clone());
        let add = QueueAdd {
            queue: after.queue.to_string(),
            interface: after.interface.clone(),
            state_interface: after.state.clone(),
            name: after.shown.clone(),
            penalty: after.penalty,
            paused,
        };
        client.call(&add).await?;
        info!(queue = %after.queue, member = after.interface, "logged in, as what it is called now");
    }
    for login in &changes.penalties {
        if find(login.queue.as_str(), &login.interface).is_some() {
            let (queue, interface) = (login.queue.to_string(), login.interface.clone());
            client.call(&QueuePenalty { queue, interface, penalty: login.penalty }).await?;
        }
    }
    Ok(())
}
