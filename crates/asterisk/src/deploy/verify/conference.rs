//! Conferences, read back: their bridges and who is who in them.

use std::collections::HashMap;

use futures_util::stream::TryStreamExt;

use super::{ChangedSection, Rejection, Verification, ask, options, read};
use crate::ami::action::Command;
use crate::ami::{AmiError, Client};
use crate::config::{ConfigFile, Section};

/// Options as a command shows them.
const SHOWN: [(&str, &str); 13] = [
    ("max_members", "Max Members"),
    ("record_conference", "Record Conference"),
    ("record_file", "Record File"),
    ("record_file_timestamp", "Record File Timestamp"),
    ("language", "Language"),
    ("admin", "Admin"),
    ("marked", "Marked User"),
    ("wait_marked", "Wait Marked"),
    ("quiet", "Quiet"),
    ("music_on_hold_when_empty", "MOH When Empty"),
    ("music_on_hold_class", "MOH Class"),
    ("dsp_drop_silence", "Drop_silence"),
    ("pin", "PIN"),
];

/// A value in the words of the file.
fn plain(shown: &str) -> &str {
    match shown {
        "true" | "enabled" => "yes",
        "false" | "disabled" => "no",
        "No Limit" => "0",
        other => other,
    }
}

/// What a section is, and how it is asked for.
fn asked(file: &ConfigFile, section: &Section) -> (&'static str, String) {
    let kind = match options(file, section).find(|(key, ..)| *key == "type").map(|(_, value, _)| value) {
        Some("bridge") => "bridge",
        Some("menu") => return ("menu", format!("confbridge show menu {}", section.name)),
        _ => "user",
    };
    (kind, format!("confbridge show profile {kind} {}", section.name))
}

/// Reads back bridges, profiles and menus.
pub(super) async fn conferences(
    client: &Client,
    changed: &[ChangedSection<'_>],
    found: &mut Verification,
) -> Result<(), AmiError> {
    let wanted: Vec<(&ChangedSection<'_>, &'static str, String)> = changed
        .iter()
        .filter_map(|change| {
            let (file, section) = change.after.or(change.before)?;
            let (kind, command) = asked(file, section);
            Some((change, kind, command))
        })
        .collect();
    let mut answers = ask(client, wanted.iter().map(|(_, _, command)| Command(command.clone())).collect());
    let mut next = wanted.iter();
    while let (Some(answer), Some((change, kind, _))) = (answers.try_next().await?, next.next()) {
        found.conferences += usize::from(*kind == "bridge");
        let lines = answer.map(|answer| answer.lines).unwrap_or_default();
        let there = lines.iter().any(|line| line.trim_start().starts_with("Name:"));
        let Some((file, section)) = change.after else {
            if let Some((_, section)) = change.before.filter(|_| there) {
                let message = format!("the conference {kind} {} should be gone, and is still there", section.name);
                found.rejections.push(Rejection::general(message));
            }
            continue;
        };
        let name = section.name.as_str();
        if !there {
            let message = format!("the conference {kind} {name} is not there");
            found.rejections.push(Rejection::at(change.file, file, section.line, message));
            continue;
        }
        let has: HashMap<&str, &str> = lines
            .iter()
            .filter_map(|line| line.split_once(':'))
            .map(|(key, value)| (key.trim(), value.trim()))
            .collect();
        for (key, value, at) in options(file, section) {
            let shown = SHOWN.iter().find(|(own, _)| *own == key).and_then(|(_, shown)| has.get(shown));
            if let Some(shown) = shown.filter(|shown| plain(shown) != read(value)) {
                let message = format!("the conference {kind} {name}: {key} should be {value}, and is {}", plain(shown));
                found.rejections.push(Rejection::at(change.file, file, at, message));
            }
        }
    }
    Ok(())
}
