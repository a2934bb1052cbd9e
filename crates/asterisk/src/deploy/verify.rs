//! Reading back what Asterisk has, and comparing it with what was meant.
//!
//! Only sections that differ from the revision before are read back: the others were verified when they came, and Asterisk did
//! not reload them. What is compared is every option that Asterisk shows; those that it does not show (access lists) are covered by
//! its complaints at the reload.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};

use crate::ami::action::{Command, PJSIPShowEndpoint, PJSIPShowRegistrationsOutbound, ShowDialPlan};
use crate::ami::{Action, AmiError, Client, Message};
use crate::config::{ConfigFile, ConfigTree, Section};
use crate::sockets::{self, Listening};

use super::{ChangedSection, Rejection, changed_sections};

#[cfg(test)]
mod tests;
mod voicemail;

pub use self::voicemail::pins;

/// What was compared, and what is not as it was meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    /// SIP objects that were read back.
    pub sip_objects: usize,
    /// Dialplan contexts that were read back.
    pub contexts: usize,
    /// Voicemail boxes that were read back.
    pub mailboxes: usize,
    /// What is not as it was meant.
    pub rejections: Vec<Rejection>,
}

/// How many questions are under way at once. Answers come in order; this hides the way there and back.
const AT_ONCE: usize = 64;

/// Asks many things, some at once; the answers, or why one was refused, come in the order of the questions.
fn ask<A>(
    client: &Client,
    questions: Vec<A>,
) -> impl Stream<Item = Result<Result<A::Answer, String>, AmiError>> + Send + Unpin + use<A>
where
    A: Action + Send + Sync + 'static,
    A::Answer: Send,
{
    let client = client.clone();
    Box::pin(
        stream::iter(questions)
            .map(move |question| {
                let client = client.clone();
                async move {
                    match client.call(&question).await {
                        Ok(answer) => Ok(Ok(answer)),
                        Err(AmiError::Refused { message, .. }) => Ok(Err(message)),
                        Err(error) => Err(error),
                    }
                }
            })
            .buffered(AT_ONCE),
    )
}

/// Reads back what changed from one tree to another.
pub async fn verify(
    client: &Client,
    from: &ConfigTree,
    to: &ConfigTree,
    mut progress: impl FnMut(usize, usize),
) -> Result<Verification, AmiError> {
    let changed = changed_sections(from, to);
    let mut found = Verification::default();
    let of = |name: &str| -> Vec<ChangedSection<'_>> {
        changed.iter().filter(|change| change.file == name).copied().collect()
    };
    let (contexts, sections) = (of("extensions.conf"), of("pjsip.conf"));
    dialplan(client, &contexts, &mut found, &mut progress).await?;
    sip(client, to, &sections, &mut found, &mut progress).await?;
    if changed.iter().any(|change| change.file == "voicemail.conf") {
        voicemail::boxes(client, to, &mut found).await?;
    }
    if let Some(file) = to.file("rtp.conf").filter(|_| changed.iter().any(|change| change.file == "rtp.conf")) {
        rtp(client, file, &mut found).await?;
    }
    Ok(found)
}

/// One line of a context, as Asterisk lists it: extension, priority (a number or `hint`), application, arguments; an include has
/// its context as arguments.
type DialplanLine = (String, String, String, String);

/// The lines that a context's text means.
fn meant(text: &str) -> Vec<(DialplanLine, usize)> {
    let mut lines = Vec::new();
    let mut extension = String::new();
    let mut priority = 0;
    for (at, line) in text.lines().enumerate() {
        if let Some(context) = line.strip_prefix("include => ") {
            lines.push(((String::new(), "include".into(), String::new(), context.to_owned()), at));
            continue;
        }
        let step = if let Some(rest) = line.strip_prefix("exten => ") {
            let Some((name, rest)) = rest.split_once(',') else { continue };
            name.clone_into(&mut extension);
            if let Some(devices) = rest.strip_prefix("hint,") {
                lines.push(((extension.clone(), "hint".into(), devices.to_owned(), String::new()), at));
                continue;
            }
            priority = 1;
            rest.split_once(',').map_or("", |(_, step)| step)
        } else if let Some(rest) = line.strip_prefix(" same => n") {
            priority += 1;
            rest.split_once(',').map_or("", |(_, step)| step)
        } else {
            continue;
        };
        let step = read(step);
        let (application, arguments) = step.split_once('(').unwrap_or((&step, ""));
        let arguments = arguments.strip_suffix(')').unwrap_or(arguments);
        lines.push(((extension.clone(), priority.to_string(), application.to_owned(), arguments.to_owned()), at));
    }
    lines
}

async fn dialplan(
    client: &Client,
    changed: &[ChangedSection<'_>],
    found: &mut Verification,
    progress: &mut impl FnMut(usize, usize),
) -> Result<(), AmiError> {
    let total = changed.len();
    let names: Vec<String> = changed
        .iter()
        .map(|change| change.after.or(change.before).map_or_else(String::new, |(_, section)| section.name.clone()))
        .collect();
    let mut answers = ask(client, names.into_iter().map(ShowDialPlan).collect());
    let mut next = changed.iter();
    while let (Some(answer), Some(change)) = (answers.try_next().await?, next.next()) {
        found.contexts += 1;
        progress(found.contexts, total);
        let items = match answer {
            Ok(items) => items,
            Err(why) => {
                let mut rejection = match change.after {
                    Some((file, section)) => Rejection::at(
                        "extensions.conf",
                        file,
                        section.line,
                        format!("context {} cannot be read back", section.name),
                    ),
                    None => Rejection::general("a context that should be gone cannot be read back"),
                };
                rejection.asterisk.push(why);
                found.rejections.push(rejection);
                continue;
            }
        };
        let has: BTreeSet<DialplanLine> = items
            .into_iter()
            .filter(|item| item.registrar.as_deref() == Some("pbx_config"))
            .map(|item| match item.include {
                Some(context) => (String::new(), "include".into(), String::new(), context),
                None => (
                    item.extension.unwrap_or_default(),
                    item.priority.unwrap_or_default(),
                    item.application.unwrap_or_default(),
                    item.arguments,
                ),
            })
            .collect();
        let Some((file, section)) = change.after else {
            if let Some((_, section)) = change.before.filter(|_| !has.is_empty()) {
                found
                    .rejections
                    .push(Rejection::general(format!("context {} should be gone, and is still there", section.name)));
            }
            continue;
        };
        let wants = meant(file.section_text(section));
        if has.is_empty() && !wants.is_empty() {
            let message = format!("context {} is not there", section.name);
            found.rejections.push(Rejection::at("extensions.conf", file, section.line, message));
            continue;
        }
        let mut missing = wants.iter().filter(|(line, _)| !has.contains(line));
        if let Some(((extension, priority, application, _), at)) = missing.next() {
            let more = missing.count();
            let what = match priority.as_str() {
                "include" => "an include is missing".to_owned(),
                "hint" => format!("hint {extension} is missing"),
                _ => format!("step {priority} of {extension}, {application}, is not as it was written"),
            };
            let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
            found.rejections.push(Rejection::at(
                "extensions.conf",
                file,
                section.line + at,
                format!("in context {}: {what}{more}", section.name),
            ));
        }
        let wanted: BTreeSet<&DialplanLine> = wants.iter().map(|(line, _)| line).collect();
        if let Some((extension, priority, application, _)) = has.iter().find(|line| !wanted.contains(line)) {
            found.rejections.push(Rejection::at(
                "extensions.conf",
                file,
                section.line,
                format!(
                    "context {} also has step {priority} of {extension}, {application}, which was not written",
                    section.name
                ),
            ));
        }
    }
    Ok(())
}

/// A SIP object as its section means it.
struct SipObject<'t> {
    kind: &'t str,
    /// Options with their values; several of a name are several values.
    options: BTreeMap<&'t str, Vec<&'t str>>,
    line: usize,
}

/// The options of a section, its template's first.
fn sip_object<'t>(
    file: &'t ConfigFile,
    section: &'t Section,
    templates: &HashMap<&'t str, &'t Section>,
) -> SipObject<'t> {
    let text = file.section_text(section);
    let head = text.lines().next().unwrap_or_default();
    let template = head.split_once("](").and_then(|(_, rest)| templates.get(rest.trim_end_matches(')')));
    let inherited = template.map_or("", |template| file.section_text(template));
    let mut object = SipObject { kind: "", options: BTreeMap::new(), line: section.line };
    for (own, text) in [(false, inherited), (true, text)] {
        for line in text.lines().skip(1) {
            let Some((key, value)) = line.split_once(" = ") else { continue };
            match key {
                "type" => object.kind = value,
                // Of a single-valued option the section's own value counts; repeated ones add up.
                _ if own && matches!(key, "set_var" | "contact" | "match" | "local_net") => {
                    object.options.entry(key).or_default().push(value);
                }
                _ => {
                    object.options.insert(key, vec![value]);
                }
            }
        }
    }
    object
}

/// `rtp_timeout` as Asterisk's events name it: `RtpTimeout`.
fn event_key(option: &str) -> String {
    option.split('_').map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

/// A value as Asterisk reads it from a file.
fn read(written: &str) -> String {
    written.replace("\\;", ";")
}

/// A value, as it was read, in a form in which the configuration's and the event's can be compared.
fn comparable(option: &str, value: &str) -> String {
    let value = value.trim();
    match (option, value) {
        // A secret is the very same or another one.
        ("password", _) => value.to_owned(),
        (_, "yes" | "true" | "Yes") => "yes".into(),
        (_, "no" | "false" | "No") => "no".into(),
        ("allow", _) => value.trim_matches(['(', ')']).replace('|', ","),
        ("callerid", _) => value.replace(['"', ' '], ""),
        ("match", _) => networks(value),
        ("auth_type", "userpass" | "digest") => "digest".into(),
        _ => value.to_owned(),
    }
}

/// Networks in CIDR notation, in order: Asterisk shows `10.0.0.0/255.0.0.0` for `10.0.0.0/8`.
fn networks(value: &str) -> String {
    let mut all: Vec<String> = value
        .split(',')
        .map(|network| {
            let (address, mask) = network.trim().split_once('/').unwrap_or((network.trim(), ""));
            let bits = match mask.parse::<std::net::IpAddr>() {
                Ok(std::net::IpAddr::V4(mask)) => u32::from(mask).count_ones().to_string(),
                Ok(std::net::IpAddr::V6(mask)) => u128::from(mask).count_ones().to_string(),
                Err(_) => mask.to_owned(),
            };
            let host = if address.contains(':') { "128" } else { "32" };
            if bits.is_empty() || bits == host { address.to_owned() } else { format!("{address}/{bits}") }
        })
        .collect();
    all.sort();
    all.join(",")
}

/// Options that no event shows.
const NOT_SHOWN: [&str; 6] = ["disallow", "deny", "permit", "contact_deny", "contact_permit", "allow_reload"];

/// Finds the first option that Asterisk has otherwise than it was meant. What it does not show is not compared.
fn differs(object: &SipObject<'_>, has: &Message) -> Option<String> {
    for (option, values) in object.options.iter().filter(|(option, _)| !NOT_SHOWN.contains(option)) {
        let key = if *option == "contact" { "Contacts".to_owned() } else { event_key(option) };
        let Some(shown) = has.get(&key) else { continue };
        let wanted = comparable(option, &read(&values.join(",")));
        let shown = comparable(option, &shown);
        if wanted != shown
            && !(*option == "contact" && values.iter().all(|value| shown.contains(&comparable(option, &read(value)))))
        {
            let secret = matches!(*option, "password");
            return Some(if secret {
                format!("{option} is not the one that was meant")
            } else {
                format!("{option} should be `{wanted}`, and is `{shown}`")
            });
        }
    }
    None
}

async fn sip(
    client: &Client,
    to: &ConfigTree,
    changed: &[ChangedSection<'_>],
    found: &mut Verification,
    progress: &mut impl FnMut(usize, usize),
) -> Result<(), AmiError> {
    let Some(file) = to.file("pjsip.conf") else { return Ok(()) };
    let templates: HashMap<&str, &Section> = file
        .sections()
        .iter()
        .filter(|section| file.section_text(section).lines().next().is_some_and(|head| head.ends_with("(!)")))
        .map(|section| (section.name.as_str(), section))
        .collect();
    // A template's change is a change of everything made from it.
    let template_changed = changed
        .iter()
        .any(|change| change.after.or(change.before).is_some_and(|(_, s)| templates.contains_key(s.name.as_str())));
    let mut wanted: BTreeMap<&str, Vec<SipObject<'_>>> = BTreeMap::new();
    let ids: BTreeSet<&str> = changed
        .iter()
        .filter_map(|change| change.after.or(change.before))
        .map(|(_, section)| section.name.as_str())
        .collect();
    for section in file.sections() {
        let id = section.name.as_str();
        if !templates.contains_key(id) && (template_changed || ids.contains(id)) {
            wanted.entry(id).or_default().push(sip_object(file, section, &templates));
        }
    }
    let gone: Vec<&str> =
        ids.iter().copied().filter(|id| !wanted.contains_key(id) && !templates.contains_key(id)).collect();
    let asked: Vec<&str> = wanted
        .iter()
        .filter(|(_, objects)| objects.iter().any(|object| object.kind == "endpoint"))
        .map(|(id, _)| *id)
        .chain(gone.iter().copied())
        .collect();
    let total = asked.len();
    let questions = asked.iter().map(|id| PJSIPShowEndpoint((*id).to_owned())).collect();
    let mut answers = ask(client, questions);
    let mut next = asked.iter();
    let mut done = 0;
    while let (Some(answer), Some(id)) = (answers.try_next().await?, next.next()) {
        done += 1;
        progress(done, total);
        let detail = match answer {
            Ok(detail) => detail,
            // As when its transport is not there: the object was taken, and cannot work.
            Err(why) => {
                let line = wanted.get(*id).and_then(|objects| objects.first()).map(|object| object.line);
                let message = format!("SIP endpoint {id} cannot be read back");
                let mut rejection = match line {
                    Some(line) => Rejection::at("pjsip.conf", file, line, message),
                    None => Rejection::general(message),
                };
                rejection.asterisk.push(why);
                found.rejections.push(rejection);
                continue;
            }
        };
        let Some(objects) = wanted.get(*id) else {
            found.sip_objects += 1;
            if detail.is_some() {
                found
                    .rejections
                    .push(Rejection::general(format!("SIP endpoint {id} should be gone, and is still there")));
            }
            continue;
        };
        for object in objects.iter().filter(|object| matches!(object.kind, "endpoint" | "auth" | "aor" | "identify")) {
            found.sip_objects += 1;
            let event = match object.kind {
                "endpoint" => "EndpointDetail",
                "auth" => "AuthDetail",
                "aor" => "AorDetail",
                _ => "IdentifyDetail",
            };
            let has = detail
                .as_ref()
                .and_then(|detail| detail.of(event).find(|message| message.get("ObjectName").as_deref() == Some(*id)));
            // An outbound account is not listed with its endpoint; a carrier's is read back with its registration, if it has one.
            if has.is_none() && object.kind == "auth" && id.starts_with("carrier-") {
                continue;
            }
            let problem = match has {
                None => Some(format!("SIP {} {id} is not there", object.kind)),
                Some(message) => differs(object, message).map(|what| format!("SIP {} {id}: {what}", object.kind)),
            };
            if let Some(problem) = problem {
                found.rejections.push(Rejection::at("pjsip.conf", file, object.line, problem));
            }
        }
    }
    registrations(client, file, &wanted, found).await?;
    transports(client, file, &wanted, found).await
}

/// The objects of a type, with their ids.
fn of_kind<'w, 't>(wanted: &'w BTreeMap<&'t str, Vec<SipObject<'t>>>, kind: &str) -> Vec<(&'t str, &'w SipObject<'t>)> {
    let mut found = Vec::new();
    for (id, objects) in wanted {
        found.extend(objects.iter().filter(|object| object.kind == kind).map(|object| (*id, object)));
    }
    found
}

async fn registrations(
    client: &Client,
    file: &ConfigFile,
    wanted: &BTreeMap<&str, Vec<SipObject<'_>>>,
    found: &mut Verification,
) -> Result<(), AmiError> {
    let meant = of_kind(wanted, "registration");
    if meant.is_empty() {
        return Ok(());
    }
    // Without the module that registers, Asterisk reads the section without a word, and does not know the question either.
    let (has, unknown) = match client.call(&PJSIPShowRegistrationsOutbound).await {
        Ok(has) => (has, None),
        Err(AmiError::Refused { message, .. }) if message.contains("unknown command") => (Vec::new(), Some(message)),
        Err(error) => return Err(error),
    };
    for (id, object) in meant {
        found.sip_objects += 1;
        let there = has.iter().find(|registration| registration.name == id);
        let uri = object.options.get("server_uri").map(|values| comparable("server_uri", &values.join(",")));
        let problem = match there {
            None => Some(format!("SIP registration {id} is not there")),
            Some(registration) if uri.as_ref().is_some_and(|uri| *uri != registration.server_uri) => {
                Some(format!("SIP registration {id}: server_uri is `{}`", registration.server_uri))
            }
            Some(_) => None,
        };
        if let Some(problem) = problem {
            let mut rejection = Rejection::at("pjsip.conf", file, object.line, problem);
            rejection.asterisk.extend(unknown.clone());
            found.rejections.push(rejection);
        }
    }
    Ok(())
}

async fn transports(
    client: &Client,
    file: &ConfigFile,
    wanted: &BTreeMap<&str, Vec<SipObject<'_>>>,
    found: &mut Verification,
) -> Result<(), AmiError> {
    let meant = of_kind(wanted, "transport");
    if meant.is_empty() {
        return Ok(());
    }
    // No action lists transports; the command's lines are `Transport:  <id>  <protocol>  <cos>  <tos>  <address>`.
    let answer = client.call(&Command("pjsip show transports".into())).await?;
    let has: HashMap<&str, &str> = answer
        .lines
        .iter()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some("Transport:")).then_some(())?;
            let id = words.next()?;
            Some((id, words.last()?))
        })
        .collect();
    let listening = sockets::is_here(client.addr()).await.then(Listening::read);
    for (id, object) in meant {
        found.sip_objects += 1;
        let bind = object.options.get("bind").map(|values| values.join(","));
        let protocol = object.options.get("protocol").map_or("", |values| values[0]);
        let browser = protocol.starts_with("ws");
        // One whose socket was lost is listed as if it had it.
        let silent = bind.as_ref().and_then(|bind| sockets::bind_of(protocol, bind)).filter(|(carried, address)| {
            listening.as_ref().is_some_and(|listening| !listening.of(*carried).contains(address))
        });
        let problem = match has.get(id) {
            None => Some(format!("SIP transport {id} is not there; is its address taken?")),
            Some(address) if !browser && bind.as_ref().is_some_and(|bind| bind != address) => {
                Some(format!("SIP transport {id} listens on {address}"))
            }
            Some(_) => silent.map(|(_, address)| {
                format!(
                    "nobody listens on {address}, where SIP transport {id} should: a restart of Asterisk brings it back, \
                     `sudo systemctl restart asterisk`"
                )
            }),
        };
        if let Some(problem) = problem {
            found.rejections.push(Rejection::at("pjsip.conf", file, object.line, problem));
        }
    }
    Ok(())
}

async fn rtp(client: &Client, file: &ConfigFile, found: &mut Verification) -> Result<(), AmiError> {
    let Some(section) = file.sections().first() else { return Ok(()) };
    let answer = client.call(&Command("rtp show settings".into())).await?;
    let shown = |label: &str| answer.lines.iter().find_map(|line| line.trim().strip_prefix(label)).map(str::trim);
    for (at, line) in file.section_text(section).lines().enumerate() {
        let Some((key, value)) = line.split_once(" = ") else { continue };
        let label = match key {
            "rtpstart" => "Port start:",
            "rtpend" => "Port end:",
            _ => continue,
        };
        if let Some(has) = shown(label).filter(|has| *has != value) {
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
