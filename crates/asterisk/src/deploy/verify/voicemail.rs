//! Voicemail boxes, read back.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

use fs_err as fs;
use futures_util::stream::TryStreamExt;

use super::{MANY, Rejection, Verification, ask, read};
use crate::ami::action::{Command, Getvar, VoicemailUser, VoicemailUsersList};
use crate::ami::{AmiError, Client};
use crate::config::{ConfigFile, ConfigTree};
use crate::sockets;

/// A box as its line means it: `NAME => PIN,full name,address,…`.
struct Line<'t> {
    name: &'t str,
    pin: String,
    full_name: String,
    email: &'t str,
    /// Whether messages are attached to mail, and whether they are deleted then.
    attach: bool,
    delete: bool,
    /// Whether 0 leads to somebody, the zone of its times, how much it holds, and how long a message may be where that is said.
    operator: bool,
    time_zone: &'t str,
    max_messages: Option<u32>,
    max_length: Option<u64>,
    /// Where it stands, from 1.
    at: usize,
}

/// The boxes of a file.
fn lines(file: &ConfigFile) -> impl Iterator<Item = Line<'_>> {
    file.sections().iter().flat_map(move |section| {
        file.section_text(section).lines().enumerate().filter_map(move |(at, line)| {
            let (name, rest) = line.split_once(" => ")?;
            let mut fields = rest.split(',');
            let mut next = || fields.next().unwrap_or_default();
            let (pin, full_name, email) = (read(next()), read(next()), next());
            let options = fields.nth(1).unwrap_or_default();
            let says = |option: &str| options.split('|').any(|own| own == option);
            let value = |option: &str| options.split('|').find_map(|own| own.strip_prefix(option));
            Some(Line {
                name,
                pin,
                full_name,
                email,
                attach: says("attach=yes"),
                delete: says("delete=yes"),
                operator: says("operator=yes"),
                time_zone: value("tz=").unwrap_or_default(),
                max_messages: value("maxmsg=").and_then(|number| number.parse().ok()),
                max_length: value("maxsecs=").and_then(|number| number.parse().ok()),
                at: section.line + at,
            })
        })
    })
}

/// Reads back every box: there is no asking for one.
pub(super) async fn boxes(client: &Client, to: &ConfigTree, found: &mut Verification) -> Result<(), AmiError> {
    let Some(file) = to.file("voicemail.conf") else { return Ok(()) };
    // What is known of each box; nothing but its name where only the command lists boxes, which cuts the rest.
    let has: HashMap<String, Option<VoicemailUser>> = match client.call(&VoicemailUsersList).await {
        Ok(users) => users
            .into_iter()
            .filter(|user| user.context == "pbx")
            .map(|user| (user.mailbox.clone(), Some(user)))
            .collect(),
        // Where a second build of voicemail declined to load after the first, it took the first one's actions with it.
        Err(AmiError::Refused { .. }) => client
            .call(&Command("voicemail show users for pbx".into()))
            .await?
            .lines
            .iter()
            .filter_map(|line| {
                let mut words = line.split_whitespace();
                (words.next() == Some("pbx")).then(|| words.next().map(|name| (name.to_owned(), None))).flatten()
            })
            .collect(),
        Err(error) => return Err(error),
    };
    let mut wanted = BTreeSet::new();
    for one in lines(file) {
        wanted.insert(one.name);
        found.mailboxes += 1;
        let problem = match has.get(one.name) {
            None => format!("voicemail box {} is not there", one.name),
            Some(Some(user)) => {
                let email = user.email.as_deref().unwrap_or_default();
                if user.full_name != one.full_name || email != one.email {
                    format!("voicemail box {} is of `{}`, {email}", one.name, user.full_name)
                } else if user.attach.is_some_and(|attach| attach != one.attach) {
                    format!("voicemail box {}: whether messages are attached to mail is not as it was meant", one.name)
                } else if user.delete.is_some_and(|delete| delete != one.delete) {
                    format!("voicemail box {}: whether mailed messages are deleted is not as it was meant", one.name)
                } else if user.operator.is_some_and(|operator| operator != one.operator) {
                    format!("voicemail box {}: whether 0 leads to somebody is not as it was meant", one.name)
                } else if user.time_zone.as_deref().is_some_and(|zone| zone != one.time_zone) {
                    let zone = user.time_zone.as_deref().unwrap_or_default();
                    format!("voicemail box {}: the zone should be {}, and is {zone}", one.name, one.time_zone)
                } else if let (Some(meant), Some(has)) = (one.max_messages, user.max_messages)
                    && meant != has
                {
                    format!("voicemail box {} should hold {meant} messages, and holds {has}", one.name)
                } else if let (Some(meant), Some(has)) = (one.max_length, user.max_length)
                    && meant != has
                {
                    format!("voicemail box {}: a message may be {has} s long, and should be {meant}", one.name)
                } else {
                    continue;
                }
            }
            Some(None) => continue,
        };
        found.rejections.push(Rejection::at("voicemail.conf", file, one.at, problem));
    }
    for name in has.keys().filter(|name| !wanted.contains(name.as_str())) {
        found.rejections.push(Rejection::general(format!("voicemail box {name} should be gone, and is still there")));
    }
    Ok(())
}

/// The boxes that have a folder for messages, and for a PIN of their user's own; nothing where that cannot be seen from here.
async fn folders(client: &Client) -> Result<Option<HashSet<String>>, AmiError> {
    if !sockets::is_here(client.addr()).await {
        return Ok(None);
    }
    let settings = client.call(&Command("core show settings".into())).await?;
    let spool = settings.lines.iter().find_map(|line| line.trim().strip_prefix("Spool directory:"));
    let Some(spool) = spool.map(|spool| Path::new(spool.trim())) else { return Ok(None) };
    let used = match fs::read_dir(spool.join("voicemail/pbx")) {
        Ok(entries) => {
            entries.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned())).collect()
        }
        // No box was ever used.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && fs::read_dir(spool).is_ok() => Ok(HashSet::new()),
        Err(error) => Err(error),
    };
    Ok(used.ok())
}

/// Reads back the PINs that change from one tree to another: one that its user has set by telephone is kept beside the messages, and
/// goes before the file's. For a PIN that does not change, that is as it should be.
pub(super) async fn pins(
    client: &Client,
    from: &ConfigTree,
    to: &ConfigTree,
    found: &mut Verification,
) -> Result<(), AmiError> {
    let Some(file) = to.file("voicemail.conf") else { return Ok(()) };
    let before: HashMap<&str, String> =
        from.file("voicemail.conf").into_iter().flat_map(lines).map(|one| (one.name, one.pin)).collect();
    let mut changed: Vec<Line<'_>> = lines(file).filter(|one| before.get(one.name) != Some(&one.pin)).collect();
    // Of very many, those alone that have a folder: to ask for each takes as long as to read back its telephone.
    if changed.len() >= MANY
        && let Some(used) = folders(client).await?
    {
        changed.retain(|one| used.contains(one.name));
    }
    let questions = changed.iter().map(|one| Getvar(format!("VM_INFO({}@pbx,password)", one.name))).collect();
    let mut answers = ask(client, questions);
    let mut next = changed.iter();
    while let (Some(answer), Some(Line { name, pin, at, .. })) = (answers.try_next().await?, next.next()) {
        // A manager user that may not ask gets no answer.
        if answer.is_ok_and(|has| has != *pin) {
            let message = format!(
                "voicemail box {name} keeps the PIN that its user has set by telephone, in voicemail/pbx/{name}/secret.conf under \
                 Asterisk's spool folder; remove that file, and apply again"
            );
            found.rejections.push(Rejection::at("voicemail.conf", file, *at, message));
        }
    }
    Ok(())
}
