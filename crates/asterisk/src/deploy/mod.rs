//! Getting a configuration into Asterisk, and proof that it is there.
//!
//! The steps, in the order in which they are taken: [`Revisions::stage`] writes a new folder, [`preflight`] has Asterisk's own
//! parser read it, [`Revisions::activate`] switches to it by one rename, [`reload`] reloads the modules whose files changed, and [`verify`] reads back what Asterisk now has and compares it with what was meant:
//! Asterisk answers success even when it rejected an object.

mod audio;
mod changed;
pub mod complaints;
pub mod database;
mod drift;
mod preflight;
mod reload;
mod revisions;
#[cfg(test)]
mod tests;
mod verify;

use std::collections::{BTreeMap, HashMap};

use pbx_manifest::{Kind, ObjectRef};

use crate::ami::AmiError;
use crate::config::ConfigFile;

pub use audio::AudioFolder;
pub use changed::{ChangedSection, all_sections, changed_sections};
pub use complaints::Complaints;
pub use drift::Drifted;
pub use preflight::preflight;
pub use reload::{reload, time_for};
pub use revisions::{FilesError, Revisions, Staged};
pub use verify::{Moments, ReadBack, Verification, verify};

/// Something that Asterisk did not take as it was meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The object that it came from, where that is known.
    pub object: Option<ObjectRef>,
    /// The file in the revision's folder, where that is known.
    pub file: Option<String>,
    /// Its line, from 1.
    pub line: Option<usize>,
    /// What is not as it was meant.
    pub message: String,
    /// What Asterisk said about it.
    pub asterisk: Vec<String>,
    /// What to do, a line each.
    pub help: Vec<String>,
}

impl Rejection {
    /// A rejection of something in a file.
    pub(crate) fn at(name: &str, file: &ConfigFile, line: usize, message: impl Into<String>) -> Self {
        Self {
            object: file.object_at(line).cloned(),
            file: Some(name.to_owned()),
            line: Some(line),
            message: message.into(),
            asterisk: Vec::new(),
            help: Vec::new(),
        }
    }

    /// A rejection that belongs to no line.
    pub fn general(message: impl Into<String>) -> Self {
        Self { object: None, file: None, line: None, message: message.into(), asterisk: Vec::new(), help: Vec::new() }
    }
}

/// Why a step could not be carried out: not a rejection, but no answer.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// Asterisk did not answer.
    #[error(transparent)]
    Ami(#[from] AmiError),
    /// Files could not be read or written.
    #[error(transparent)]
    Files(#[from] FilesError),
}

/// Gives rejections the words that Asterisk logged about them: those that name an object's id in quotes. A complaint about a
/// section that changed, and that nothing read back explains, is a rejection of its own.
pub fn attribute(rejections: &mut Vec<Rejection>, log: &[String], changed: &[ChangedSection<'_>]) {
    let mut by_id: HashMap<String, Vec<usize>> = HashMap::new();
    let mut by_source: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    let objects: Vec<Option<ObjectRef>> = rejections.iter().map(|rejection| rejection.object.clone()).collect();
    for (at, object) in objects.iter().enumerate().filter_map(|(at, object)| Some((at, object.as_ref()?))) {
        if let Some(id) = crate::config::sip_id(object) {
            by_id.entry(id).or_default().push(at);
        } else if let Some((_, source)) = SOURCES_OF.iter().find(|(kind, _)| *kind == object.kind) {
            by_source.entry((source, object.name.as_str())).or_default().push(at);
        }
    }
    // Other files' sections are named by common words, as `general`.
    let mut sections: HashMap<&str, (&'static str, &ConfigFile, usize)> = HashMap::new();
    let mut lines: BTreeMap<usize, &str> = BTreeMap::new();
    for change in changed.iter().filter(|change| change.file == "pjsip.conf") {
        if let Some((file, section)) = change.after {
            sections.entry(&section.name).or_insert((change.file, file, section.line));
            lines.insert(section.line, &section.name);
        }
    }
    for line in log.iter().filter(|line| {
        about_configuration(line) || SOURCES_OF.iter().any(|(_, source)| source_of(line).contains(source))
    }) {
        let mut told = false;
        // Calls make these sources complain, too: what they say is only told of what was found to be wrong.
        if let Some((_, source)) = SOURCES_OF.iter().find(|(_, source)| source_of(line).contains(source)) {
            for at in quoted(line).filter_map(|name| by_source.get(&(*source, name))).flatten() {
                rejections[*at].asterisk.push(line.clone());
            }
            continue;
        }
        // By its line: what cannot be read in it, before the object that therefore cannot be made is named.
        let of_line = line_of(line).and_then(|at| lines.range(..=at).next_back()).map(|(_, id)| *id);
        for id in quoted(line).chain(of_line) {
            for rejection in by_id.get(id).into_iter().flatten() {
                rejections[*rejection].asterisk.push(line.clone());
                told = true;
            }
        }
        if told {
            continue;
        }
        if let Some((id, (name, file, at))) = quoted(line).find_map(|id| sections.get_key_value(id)) {
            let mut rejection = Rejection::at(name, file, *at, "Asterisk complained when it loaded this");
            rejection.asterisk.push(line.clone());
            // What else is said of it belongs here.
            by_id.entry((*id).to_owned()).or_default().push(rejections.len());
            rejections.push(rejection);
        }
    }
}

/// The line of `pjsip.conf` that a logged line is about: `Error parsing allow=evs at line 170 of /etc/asterisk/pbx.d/current/pjsip.conf`.
fn line_of(logged: &str) -> Option<usize> {
    let (_, rest) = logged.split_once(" at line ")?;
    let (number, path) = rest.split_once(" of ")?;
    path.trim_end().ends_with("pbx.d/current/pjsip.conf").then(|| number.parse().ok()).flatten()
}

/// What stands in quotes in a logged line: such messages of Asterisk have ids so.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    ['\'', '"'].into_iter().flat_map(|quote| line.split(quote).skip(1))
}

/// Where Asterisk reads what objects of some kinds are made of.
const SOURCES_OF: [(Kind, &str); 4] = [
    (Kind::Queue, "app_queue"),
    (Kind::HoldMusic, "res_musiconhold"),
    (Kind::ParkingLot, "parking"),
    (Kind::Conference, "confbridge"),
];

/// The source file that a logged line comes from; all of it where that is not plain.
fn source_of(line: &str) -> &str {
    let source = line.split_once("] ").map_or(line, |(_, rest)| rest).split_once("]: ").map_or(line, |(_, rest)| rest);
    source.split_whitespace().find(|word| word.contains(".c:")).unwrap_or(line)
}

/// Whether a logged line comes from where Asterisk reads configuration, and not from a call that happened to go on meanwhile.
fn about_configuration(line: &str) -> bool {
    const SOURCES: [&str; 10] = [
        "sorcery",
        "config",
        "pbx.c",
        "acl.c",
        "app_voicemail",
        "outbound_registration",
        "identifier_ip",
        "location.c",
        "rtp",
        "sip_cli",
    ];
    let source = source_of(line);
    SOURCES.iter().any(|part| source.contains(part))
}
