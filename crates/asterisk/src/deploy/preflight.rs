//! Asterisk's own parser reads the staged files, and its own help names the options there are.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use crate::ami::action::{Command, GetConfig};
use crate::ami::{AmiError, Client};
use crate::config::{ConfigFile, ConfigTree, FFMPEG, Section, keeps_order};
use crate::modules::{self, Module};
use crate::setup::added_to;
use crate::sockets::{self, Listening};

use super::verify::{ORDER, options};
use super::{ChangedSection, DeployError, Rejection, Revisions};

/// The module and type under which `config show help` lists the options of a SIP section.
const OPTIONS: [(&str, &str); 6] = [
    ("endpoint", "res_pjsip"),
    ("auth", "res_pjsip"),
    ("aor", "res_pjsip"),
    ("transport", "res_pjsip"),
    ("identify", "res_pjsip_endpoint_identifier_ip"),
    ("registration", "res_pjsip_outbound_registration"),
];

/// Has Asterisk read the staged `files` of a revision. What it would not read, options and modules it does not have (of the sections
/// that changed), and transports that could not listen are returned.
pub async fn preflight(
    client: &Client,
    id: u64,
    from: &ConfigTree,
    tree: &ConfigTree,
    files: &[&str],
    changed: &[ChangedSection<'_>],
) -> Result<Vec<Rejection>, DeployError> {
    let mut rejections = without_modules(client, tree).await?;
    for (name, file) in tree.files().filter(|(name, _)| files.contains(name)) {
        // What adds to a section of the main file cannot be read alone, and breaks the main file where there is no such section.
        let bases = added_to(name);
        let added: Vec<&Section> =
            file.sections().iter().filter(|section| bases.contains(&section.name.as_str())).collect();
        for section in &added {
            if !has_section(client, name, &section.name).await? {
                let message = format!("{name} has no section [{}] before the line that includes this", section.name);
                let mut rejection = Rejection::at(name, file, section.line, message);
                rejection.help.push("`sudo pbxctl setup` puts it there; then apply again".into());
                rejections.push(rejection);
            }
        }
        if !added.is_empty() {
            continue;
        }
        // A category that is not there: the whole file is parsed, and nothing of it is sent back.
        let path = Revisions::asterisk_path(id, name);
        match client.call(&GetConfig::new(path).category("pbx-preflight")).await {
            Ok(_) => {}
            Err(AmiError::Refused { message, .. }) => {
                let mut rejection = Rejection::at(name, file, 1, "Asterisk's parser does not read this file");
                rejection.asterisk.push(message);
                rejections.push(rejection);
            }
            Err(error) => return Err(error.into()),
        }
    }
    rejections.extend(ones_own(client, from, changed).await?);
    rejections.extend(reordered(changed));
    rejections.extend(without_player(client, id, changed).await?);
    if files.contains(&"pjsip.conf") {
        rejections.extend(unknown_options(client, tree, changed).await?);
        if sockets::is_here(client.addr()).await {
            rejections.extend(sockets::taken(from, tree, &Listening::read()));
        }
    }
    Ok(rejections)
}

/// Whether a main file, as Asterisk's parser reads it now, has a section.
async fn has_section(client: &Client, name: &str, section: &str) -> Result<bool, AmiError> {
    match client.call(&GetConfig::new(name).category(section)).await {
        Ok(config) => Ok(!config.categories.is_empty()),
        // A file that is not read at all is told of elsewhere.
        Err(AmiError::Refused { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Files of which Asterisk takes but one of two sections of a name, or both where one is meant.
const ONCE: [&str; 4] = ["musiconhold.conf", "confbridge.conf", "queues.conf", "res_parking.conf"];

/// New sections of which the main file has one already, that somebody else wrote.
async fn ones_own(
    client: &Client,
    from: &ConfigTree,
    changed: &[ChangedSection<'_>],
) -> Result<Vec<Rejection>, AmiError> {
    let mut rejections = Vec::new();
    for name in ONCE {
        let before: HashSet<&str> =
            from.file(name).into_iter().flat_map(ConfigFile::sections).map(|section| section.name.as_str()).collect();
        let new = changed.iter().filter(|change| change.file == name).filter_map(|change| change.after);
        let mut new = new.filter(|(_, section)| section.name != "general" && !before.contains(section.name.as_str()));
        let Some(first) = new.next() else { continue };
        let there = match client.call(&GetConfig::new(name)).await {
            Ok(config) => config.categories,
            // A file that is not read at all is told of elsewhere.
            Err(AmiError::Refused { .. }) => continue,
            Err(error) => return Err(error),
        };
        let there: HashSet<String> = there.into_iter().map(|category| category.name.to_ascii_lowercase()).collect();
        let mut told = HashSet::new();
        for (file, section) in std::iter::once(first).chain(new) {
            if there.contains(&section.name) && told.insert(&section.name) {
                let message = format!("[{}] is already in {name}, written by somebody else", section.name);
                let mut rejection = Rejection::at(name, file, section.line, message);
                rejection.help.push(format!("remove it from {name}, or give this another name"));
                rejections.push(rejection);
            }
        }
    }
    Ok(rejections)
}

/// Queues that are to keep their members in an order, which Asterisk has made without one.
fn reordered(changed: &[ChangedSection<'_>]) -> Vec<Rejection> {
    let queues = changed.iter().filter(|change| change.file == "queues.conf");
    let mut rejections = Vec::new();
    for change in queues {
        let (Some((old, before)), Some((file, after))) = (change.before, change.after) else { continue };
        let was = options(old, before).any(|(key, value, _)| key == "strategy" && keeps_order(value));
        let will = options(file, after).find(|(key, value, _)| *key == "strategy" && keeps_order(value));
        if let Some((_, strategy, at)) = will.filter(|_| !was) {
            let message = format!("queue {} cannot become {strategy} while it is there", after.name);
            let mut rejection = Rejection::at(change.file, file, at, message);
            rejection.help.push(ORDER.into());
            rejections.push(rejection);
        }
    }
    rejections
}

/// Streams for which the program is not there that plays them: Asterisk would try to run it without end.
async fn without_player(
    client: &Client,
    id: u64,
    changed: &[ChangedSection<'_>],
) -> Result<Vec<Rejection>, DeployError> {
    let streams = changed.iter().filter(|change| change.file == "musiconhold.conf").filter_map(|change| {
        let (file, section) = change.after?;
        let (_, _, at) = options(file, section).find(|(key, ..)| *key == "application")?;
        Some((file, section, at))
    });
    let streams: Vec<_> = streams.collect();
    if streams.is_empty() || !sockets::is_here(client.addr()).await {
        return Ok(Vec::new());
    }
    // In a container or a `chroot` it has programs of its own: there the staged files are not where it says that they are.
    let settings = client.call(&Command("core show settings".into())).await?;
    let said = settings.lines.iter().find_map(|line| line.trim().strip_prefix("Configuration directory:"));
    let staged = said.map(|said| Path::new(said.trim()).join(Revisions::asterisk_path(id, "musiconhold.conf")));
    if !staged.is_some_and(|staged| staged.exists()) || Path::new(FFMPEG).exists() {
        return Ok(Vec::new());
    }
    let told = |(file, section, at)| {
        let section: &crate::config::Section = section;
        let message = format!("the music {} is a stream, and there is no {FFMPEG}, which plays it", section.name);
        let mut rejection = Rejection::at("musiconhold.conf", file, at, message);
        rejection.help.push("`sudo apt-get install ffmpeg` on Asterisk's machine; then apply again".into());
        rejection
    };
    Ok(streams.into_iter().map(told).collect())
}

/// What would be read without a word, and not work: modules that are needed and not loaded.
async fn without_modules(client: &Client, tree: &ConfigTree) -> Result<Vec<Rejection>, AmiError> {
    if *tree == ConfigTree::empty() {
        return Ok(Vec::new());
    }
    let told = |(module, asked): (Module, Option<(&'static str, usize)>)| {
        let message = format!(
            "Asterisk has not loaded {0}, which is needed for: {1}; load it with `asterisk -rx 'module load {0}'`",
            module.name, module.purpose
        );
        match asked.and_then(|(name, line)| Some((name, tree.file(name)?, line))) {
            Some((name, file, line)) => Rejection::at(name, file, line, message),
            None => Rejection::general(message),
        }
    };
    Ok(modules::missing(client, tree).await?.into_iter().map(told).collect())
}

/// Options of SIP sections that the running version does not have.
async fn unknown_options(
    client: &Client,
    tree: &ConfigTree,
    changed: &[ChangedSection<'_>],
) -> Result<Vec<Rejection>, DeployError> {
    let Some(file) = tree.file("pjsip.conf") else { return Ok(Vec::new()) };
    let changed: HashSet<usize> = changed
        .iter()
        .filter(|change| change.file == "pjsip.conf")
        .filter_map(|change| change.after.map(|(_, section)| section.line))
        .collect();
    let mut used: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    let mut types: BTreeMap<&str, &str> = BTreeMap::new();
    for section in file.sections() {
        let text = file.section_text(section);
        let head = text.lines().next().unwrap_or_default();
        if !head.ends_with("(!)") && !changed.contains(&section.line) {
            continue;
        }
        let own = text.lines().find_map(|line| line.strip_prefix("type = "));
        let inherited = head.split_once("](").and_then(|(_, rest)| types.get(rest.trim_end_matches(')')).copied());
        let Some(kind) = own.or(inherited).or_else(|| head.ends_with("(+)").then_some("transport")) else { continue };
        if head.ends_with("(!)") {
            types.insert(&section.name, kind);
        }
        for (at, line) in text.lines().enumerate().skip(1) {
            if let Some((key, _)) = line.split_once(" = ") {
                used.entry(kind).or_default().entry(key).or_insert(section.line + at);
            }
        }
    }
    let mut rejections = Vec::new();
    for (kind, options) in used {
        let Some((_, module)) = OPTIONS.iter().find(|(known, _)| *known == kind) else { continue };
        let answer = client.call(&Command(format!("config show help {module} {kind}"))).await?;
        let known: BTreeSet<&str> = answer
            .lines
            .iter()
            .filter_map(|line| line.split_whitespace().next())
            .map(|word| word.trim_end_matches(':'))
            .collect();
        // A build without its documentation lists nothing: then there is nothing to compare with.
        if !answer.succeeded || known.len() < 5 {
            continue;
        }
        for (option, line) in options {
            if option != "type" && !known.contains(option) {
                rejections.push(Rejection::at(
                    "pjsip.conf",
                    file,
                    line,
                    format!("this Asterisk has no option `{option}` for a {kind}"),
                ));
            }
        }
    }
    Ok(rejections)
}
