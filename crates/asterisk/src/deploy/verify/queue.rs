//! Queues and those who are always logged in to them, read back.

use std::collections::HashMap;

use super::{ChangedSection, Rejection, Verification, options, read};
use crate::ami::action::{QueueMember, QueueParams, QueueStatus};
use crate::ami::{AmiError, Client};
use crate::config::{ConfigFile, Section, keeps_order};

/// A member as its line means it: `INTERFACE,PENALTY,NAME,STATE`.
struct Member<'t> {
    interface: &'t str,
    penalty: &'t str,
    name: String,
    state: &'t str,
    /// Where it stands, from 1.
    at: usize,
}

fn members<'t>(file: &'t ConfigFile, section: &'t Section) -> impl Iterator<Item = Member<'t>> {
    options(file, section).filter(|(key, ..)| *key == "member").map(|(_, value, at)| {
        let mut fields = value.split(',');
        let mut next = || fields.next().unwrap_or_default();
        Member { interface: next(), penalty: next(), name: read(next()), state: next(), at }
    })
}

/// Reads back queues. What Asterisk does not show of them has no other way to be wrong: it takes every line that it knows.
pub(super) async fn queues(
    client: &Client,
    changed: &[ChangedSection<'_>],
    found: &mut Verification,
) -> Result<(), AmiError> {
    if changed.is_empty() {
        return Ok(());
    }
    let has = client.call(&QueueStatus).await?;
    let queues: HashMap<&str, &QueueParams> = has.queues.iter().map(|queue| (queue.name.as_str(), queue)).collect();
    let mut by_queue: HashMap<&str, Vec<&QueueMember>> = HashMap::new();
    for member in has.members.iter().filter(|member| member.membership == "static") {
        by_queue.entry(&member.queue).or_default().push(member);
    }
    for change in changed {
        match (change.after, change.before) {
            (Some((_, section)), _) if section.name == "general" => {}
            (Some((file, section)), _) => {
                found.queues += 1;
                let (name, line) = (section.name.as_str(), section.line);
                let Some(queue) = queues.get(name) else {
                    let message = format!("queue {name} is not there");
                    found.rejections.push(Rejection::at(change.file, file, line, message));
                    continue;
                };
                for (at, what) in differs(file, section, queue) {
                    found.rejections.push(Rejection::at(change.file, file, at, format!("queue {name}: {what}")));
                }
                let own = by_queue.get(name).map_or(&[][..], Vec::as_slice);
                for (at, what, help) in member_differs(file, section, own) {
                    let mut rejection = Rejection::at(change.file, file, at, format!("queue {name}: {what}"));
                    rejection.help.extend(help.map(str::to_owned));
                    found.rejections.push(rejection);
                }
            }
            (None, Some((_, section))) if section.name != "general" => {
                found.queues += 1;
                if queues.contains_key(section.name.as_str()) {
                    let message = format!("queue {} should be gone, and is still there", section.name);
                    found.rejections.push(Rejection::general(message));
                }
            }
            (None, _) => {}
        }
    }
    Ok(())
}

/// The options that Asterisk has otherwise than they were meant, each with its line.
fn differs(file: &ConfigFile, section: &Section, has: &QueueParams) -> Vec<(usize, String)> {
    let mut all = Vec::new();
    for (key, value, at) in options(file, section) {
        let number = |own: Option<u64>| own.map(|own| own.to_string());
        let own = match key {
            "strategy" => Some(has.strategy.clone()),
            "maxlen" => number(has.max),
            "servicelevel" => number(has.service_level),
            "weight" => number(has.weight),
            _ => None,
        };
        if let Some(own) = own.filter(|own| own != value) {
            all.push((at, format!("{key} should be {value}, and is {own}")));
        }
    }
    all
}

/// What to do about members in an order of Asterisk's own.
pub(in crate::deploy) const ORDER: &str = "Asterisk decides when it makes a queue whether its members have an order: apply the queue with \
     `enabled: false`, and then again without; who waits in it goes on to `onEmpty`, and members who logged in by hand log in again";

/// The members that are not as they were meant, each with the line, and what to do where that is not plain.
fn member_differs(
    file: &ConfigFile,
    section: &Section,
    has: &[&QueueMember],
) -> Vec<(usize, String, Option<&'static str>)> {
    let mut all = Vec::new();
    let meant: Vec<Member<'_>> = members(file, section).collect();
    for one in &meant {
        let Some(own) = has.iter().find(|own| own.interface == one.interface) else {
            all.push((one.at, format!("{} is not a member", one.interface), None));
            continue;
        };
        let penalty = own.penalty.map(|penalty| penalty.to_string());
        for (what, meant, own) in [
            ("name", one.name.as_str(), own.name.as_str()),
            ("penalty", one.penalty, penalty.as_deref().unwrap_or(one.penalty)),
            ("state interface", one.state, own.state_interface.as_str()),
        ] {
            if meant != own {
                all.push((one.at, format!("the {what} of {} should be {meant}, and is {own}", one.interface), None));
            }
        }
    }
    for own in has {
        if !meant.iter().any(|one| one.interface == own.interface) {
            all.push((section.line, format!("{} should be no member any more, and is one", own.interface), None));
        }
    }
    let ordered = options(file, section).any(|(key, value, _)| key == "strategy" && keeps_order(value));
    if all.is_empty() && ordered && !meant.iter().zip(has).all(|(one, own)| one.interface == own.interface) {
        all.push((section.line, "its members are not in the order in which they were written".into(), Some(ORDER)));
    }
    all
}
