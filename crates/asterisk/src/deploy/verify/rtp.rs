//! Settings of speech, read back.

use super::{Rejection, Verification};
use crate::ami::action::Command;
use crate::ami::{AmiError, Client};
use crate::config::ConfigFile;

/// The port that STUN has where none is written.
const STUN_PORT: &str = ":3478";

/// Compares what Asterisk shows: the ports and the STUN server. Of TURN it shows nothing.
pub(super) async fn settings(client: &Client, file: &ConfigFile, found: &mut Verification) -> Result<(), AmiError> {
    let Some(section) = file.sections().first() else { return Ok(()) };
    let answer = client.call(&Command("rtp show settings".into())).await?;
    let shown = |label: &str| answer.lines.iter().find_map(|line| line.trim().strip_prefix(label)).map(str::trim);
    for (at, line) in file.section_text(section).lines().enumerate() {
        let Some((key, value)) = line.split_once(" = ") else { continue };
        let labels: &[&str] = match key {
            "rtpstart" => &["Port start:"],
            "rtpend" => &["Port end:"],
            // A name as it was written, an address as it was read.
            "stunaddr" => &["Hostname:", "Address:"],
            _ => continue,
        };
        let has = labels.iter().find_map(|label| shown(label));
        let same = |has: &str| has == value || (key == "stunaddr" && has.strip_suffix(STUN_PORT) == Some(value));
        if let Some(has) = has.filter(|has| !same(has)) {
            found.rejections.push(Rejection::at(
                "rtp.conf",
                file,
                section.line + at,
                format!("{key} should be {value}, and is {has}"),
            ));
        }
    }
    Ok(())
}
