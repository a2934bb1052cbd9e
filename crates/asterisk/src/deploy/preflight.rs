//! Asterisk's own parser reads the staged files, and its own help names the options there are.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::ami::action::{Command, GetConfig};
use crate::ami::{AmiError, Client};
use crate::config::ConfigTree;
use crate::modules::{self, Module};
use crate::sockets::{self, Listening};

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
        // What adds to a section of the main file cannot be read alone.
        if file.sections().first().is_some_and(|section| file.section_text(section).starts_with("[general](+)")) {
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
    if files.contains(&"pjsip.conf") {
        rejections.extend(unknown_options(client, tree, changed).await?);
        if sockets::is_here(client.addr()).await {
            rejections.extend(sockets::taken(from, tree, &Listening::read()));
        }
    }
    Ok(rejections)
}

/// What would be read without a word, and not work: modules that are needed and not loaded.
async fn without_modules(client: &Client, tree: &ConfigTree) -> Result<Vec<Rejection>, AmiError> {
    if *tree == ConfigTree::empty() {
        return Ok(Vec::new());
    }
    let told = |(module, line): (Module, Option<usize>)| {
        let message = format!(
            "Asterisk has not loaded {0}, which is needed for: {1}; load it with `asterisk -rx 'module load {0}'`",
            module.name, module.purpose
        );
        match line.zip(tree.file("pjsip.conf")) {
            Some((line, file)) => Rejection::at("pjsip.conf", file, line, message),
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
