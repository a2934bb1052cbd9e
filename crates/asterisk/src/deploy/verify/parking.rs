//! Parking lots, read back.

use std::collections::HashMap;

use super::{ChangedSection, Rejection, Verification, options, read};
use crate::ami::action::Command;
use crate::ami::{AmiError, Client};

/// The lots that Asterisk shows, with what it says of each.
fn lots(lines: &[String]) -> HashMap<&str, HashMap<&str, &str>> {
    let mut all: HashMap<&str, HashMap<&str, &str>> = HashMap::new();
    let mut lot = "";
    for line in lines {
        let Some((key, value)) = line.split_once(':') else { continue };
        let (key, value) = (key.trim(), value.trim());
        if key == "Parking Lot" {
            lot = value;
        }
        all.entry(lot).or_default().insert(key, value);
    }
    all
}

/// Reads back lots.
pub(super) async fn parking(
    client: &Client,
    changed: &[ChangedSection<'_>],
    found: &mut Verification,
) -> Result<(), AmiError> {
    if changed.is_empty() {
        return Ok(());
    }
    let answer = client.call(&Command("parking show".into())).await?;
    let lots = lots(&answer.lines);
    for change in changed {
        found.parking_lots += 1;
        let Some((file, section)) = change.after else {
            let gone = change.before.map(|(_, section)| section.name.as_str()).unwrap_or_default();
            // One in which calls are parked goes with the last of them.
            if lots.get(gone).is_some_and(|lot| lot.get("Enabled") == Some(&"yes")) {
                let message = format!("the parking lot {gone} should be gone, and is still there");
                found.rejections.push(Rejection::general(message));
            }
            continue;
        };
        let name = section.name.as_str();
        let Some(lot) = lots.get(name).filter(|lot| lot.get("Enabled") == Some(&"yes")) else {
            let message = format!("the parking lot {name} is not there");
            found.rejections.push(Rejection::at(change.file, file, section.line, message));
            continue;
        };
        for (key, value, at) in options(file, section) {
            let (shown, meant) = match key {
                "parkpos" => ("Parking Spaces", read(value)),
                "context" => ("Parking Context", read(value)),
                "parkingtime" => ("Parking Time", format!("{value} sec")),
                "comebacktoorigin" => ("Comeback to Origin", read(value)),
                "comebackcontext" => ("Comeback Context", read(value)),
                "parkedmusicclass" => ("MusicOnHold Class", read(value)),
                _ => continue,
            };
            let has = lot.get(shown).copied().unwrap_or_default();
            if has != meant {
                let message = format!("the parking lot {name}: {key} should be {meant}, and is {has}");
                found.rejections.push(Rejection::at(change.file, file, at, message));
            }
        }
    }
    Ok(())
}
