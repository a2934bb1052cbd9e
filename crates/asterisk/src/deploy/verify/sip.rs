//! SIP objects, read back.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures_util::stream::TryStreamExt;

use super::{ChangedSection, Rejection, Verification, ask, read};
use crate::ami::action::{PJSIPShowAuths, PJSIPShowEndpoint, RegistrationDetails};
use crate::ami::{AmiError, Client, Message};
use crate::config::{ConfigFile, Section};
use crate::sockets::{self, Listening};

/// A SIP object as its section means it.
#[derive(Debug, Clone)]
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
    let mut key = String::with_capacity(option.len());
    let mut begins = true;
    for letter in option.chars() {
        if letter == '_' {
            begins = true;
        } else {
            key.push(if begins { letter.to_ascii_uppercase() } else { letter });
            begins = false;
        }
    }
    key
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
        // Most are shown as they are written; only then is it worth to look how else they may be.
        if let [value] = values[..]
            && value == shown
            && !value.contains(';')
        {
            continue;
        }
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

/// Types of objects that are shown with their endpoint, each with the event that shows it.
const SHOWN: [(&str, &str); 4] =
    [("endpoint", "EndpointDetail"), ("auth", "AuthDetail"), ("aor", "AorDetail"), ("identify", "IdentifyDetail")];

/// SIP objects that are to be read back.
#[derive(Debug)]
pub(super) struct Wanted<'t> {
    file: &'t ConfigFile,
    /// By their ids.
    objects: BTreeMap<&'t str, Vec<SipObject<'t>>>,
    /// Ids that must have nothing.
    gone: Vec<&'t str>,
}

impl<'t> Wanted<'t> {
    /// What the changed sections of `pjsip.conf` mean.
    pub(super) fn new(file: &'t ConfigFile, changed: &[ChangedSection<'t>]) -> Self {
        let templates: HashMap<&str, &Section> = file
            .sections()
            .iter()
            .filter(|section| file.section_text(section).lines().next().is_some_and(|head| head.ends_with("(!)")))
            .map(|section| (section.name.as_str(), section))
            .collect();
        let ids: BTreeSet<&'t str> = changed
            .iter()
            .filter_map(|change| change.after.or(change.before))
            .map(|(_, section)| section.name.as_str())
            .collect();
        // A template's change is a change of everything made from it.
        let template_changed = ids.iter().any(|id| templates.contains_key(id));
        let mut objects: BTreeMap<&'t str, Vec<SipObject<'t>>> = BTreeMap::new();
        for section in file.sections() {
            let id = section.name.as_str();
            if !templates.contains_key(id) && (template_changed || ids.contains(id)) {
                objects.entry(id).or_default().push(sip_object(file, section, &templates));
            }
        }
        let gone = ids.into_iter().filter(|id| !objects.contains_key(id) && !templates.contains_key(id)).collect();
        Self { file, objects, gone }
    }

    /// How many endpoints are asked for.
    pub(super) fn endpoints(&self) -> usize {
        self.asked().count()
    }

    /// The ids that are asked for: those of endpoints, and those that must have none.
    fn asked(&self) -> impl Iterator<Item = &'t str> {
        let has_endpoint = |objects: &[SipObject<'_>]| objects.iter().any(|object| object.kind == "endpoint");
        let endpoints = self.objects.iter().filter(move |(_, objects)| has_endpoint(objects)).map(|(id, _)| *id);
        endpoints.chain(self.gone.iter().copied())
    }

    /// An endpoint for each type of object: when these are there, all are that a reload reads.
    pub(super) fn one_of_each_type(&self) -> Self {
        let with = |(kind, _): (&str, &str)| {
            let is = |objects: &[SipObject<'_>], kind: &str| objects.iter().any(|object| object.kind == kind);
            self.objects.iter().rev().find(move |(_, objects)| is(objects, "endpoint") && is(objects, kind))
        };
        let objects = SHOWN.into_iter().filter_map(with).map(|(id, objects)| (*id, objects.clone())).collect();
        Self { file: self.file, objects, gone: Vec::new() }
    }
}

/// Reads back endpoints and what is shown with them.
pub(super) async fn endpoints(
    client: &Client,
    wanted: &Wanted<'_>,
    found: &mut Verification,
    progress: &mut impl FnMut(usize, usize),
) -> Result<(), AmiError> {
    let file = wanted.file;
    let asked: Vec<&str> = wanted.asked().collect();
    let total = asked.len();
    let mut answers = ask(client, asked.iter().map(|id| PJSIPShowEndpoint((*id).to_owned())).collect());
    let mut next = asked.iter();
    let mut done = 0;
    while let (Some(answer), Some(id)) = (answers.try_next().await?, next.next()) {
        done += 1;
        progress(done, total);
        let detail = match answer {
            Ok(detail) => detail,
            // As when its transport is not there: the object was taken, and cannot work.
            Err(why) => {
                let line = wanted.objects.get(id).and_then(|objects| objects.first()).map(|object| object.line);
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
        let Some(objects) = wanted.objects.get(id) else {
            found.sip_objects += 1;
            if detail.is_some() {
                let message = format!("SIP endpoint {id} should be gone, and is still there");
                found.rejections.push(Rejection::general(message));
            }
            continue;
        };
        for (kind, event) in SHOWN {
            let meant = objects.iter().find(|object| object.kind == kind);
            let has = detail
                .as_ref()
                .and_then(|detail| detail.of(event).find(|message| message.get("ObjectName").as_deref() == Some(*id)));
            let (line, problem) = match (meant, has) {
                (None, None) => continue,
                // An outbound account is not listed with its endpoint.
                (Some(object), None) if is_outbound(id, object) => continue,
                (Some(object), has) => (object.line, problem(id, object, has)),
                (None, Some(_)) => {
                    (objects[0].line, Some(format!("SIP {kind} {id} should be gone, and is still there")))
                }
            };
            found.sip_objects += usize::from(meant.is_some());
            if let Some(problem) = problem {
                found.rejections.push(Rejection::at("pjsip.conf", file, line, problem));
            }
        }
    }
    Ok(())
}

/// What is not as it was meant of an object that must be there.
fn problem(id: &str, object: &SipObject<'_>, has: Option<&Message>) -> Option<String> {
    let kind = object.kind;
    match has {
        None => Some(format!("SIP {kind} {id} is not there")),
        Some(message) => differs(object, message).map(|what| format!("SIP {kind} {id}: {what}")),
    }
}

/// Whether it is an account at a carrier's: such are asked for by themselves.
fn is_outbound(id: &str, object: &SipObject<'_>) -> bool {
    object.kind == "auth" && id.starts_with("carrier-")
}

/// Reads back what is not shown with an endpoint.
pub(super) async fn late(client: &Client, wanted: &Wanted<'_>, found: &mut Verification) -> Result<(), AmiError> {
    accounts(client, wanted, found).await?;
    registrations(client, wanted, found).await?;
    transports(client, wanted.file, &wanted.objects, found).await
}

/// Messages by the names of their objects.
fn by_name(messages: &[Message]) -> HashMap<String, &Message> {
    messages.iter().filter_map(|message| Some((message.get("ObjectName")?.into_owned(), message))).collect()
}

/// The accounts that we have at carriers.
async fn accounts(client: &Client, wanted: &Wanted<'_>, found: &mut Verification) -> Result<(), AmiError> {
    let meant: Vec<_> =
        of_kind(&wanted.objects, "auth").into_iter().filter(|(id, object)| is_outbound(id, object)).collect();
    if meant.is_empty() {
        return Ok(());
    }
    let has = client.call(&PJSIPShowAuths).await?;
    let has = by_name(&has);
    for (id, object) in meant {
        found.sip_objects += 1;
        if let Some(problem) = problem(id, object, has.get(id).copied()) {
            found.rejections.push(Rejection::at("pjsip.conf", wanted.file, object.line, problem));
        }
    }
    Ok(())
}

/// The objects of a type, with their ids.
fn of_kind<'w, 't>(wanted: &'w BTreeMap<&'t str, Vec<SipObject<'t>>>, kind: &str) -> Vec<(&'t str, &'w SipObject<'t>)> {
    let mut found = Vec::new();
    for (id, objects) in wanted {
        found.extend(objects.iter().filter(|object| object.kind == kind).map(|object| (*id, object)));
    }
    found
}

async fn registrations(client: &Client, wanted: &Wanted<'_>, found: &mut Verification) -> Result<(), AmiError> {
    let meant = of_kind(&wanted.objects, "registration");
    let ids: BTreeSet<&str> = meant.iter().map(|(id, _)| *id).collect();
    // One that was taken away is asked for too: of a carrier that stays, and of one that goes.
    let carriers = |id: &&str| id.starts_with("carrier-");
    let all = wanted.objects.keys().chain(&wanted.gone).copied();
    let none: Vec<&str> = all.filter(carriers).filter(|id| !ids.contains(id)).collect();
    if meant.is_empty() && none.is_empty() {
        return Ok(());
    }
    // Without the module that registers, Asterisk reads the section without a word, and does not know the question either.
    let (has, unknown) = match client.call(&RegistrationDetails).await {
        Ok(has) => (has, None),
        Err(AmiError::Refused { message, .. }) if message.contains("unknown command") => (Vec::new(), Some(message)),
        Err(error) => return Err(error),
    };
    let has = by_name(&has);
    for (id, object) in meant {
        found.sip_objects += 1;
        if let Some(problem) = problem(id, object, has.get(id).copied()) {
            let mut rejection = Rejection::at("pjsip.conf", wanted.file, object.line, problem);
            rejection.asterisk.extend(unknown.clone());
            found.rejections.push(rejection);
        }
    }
    for id in none.into_iter().filter(|id| has.contains_key(*id)) {
        let message = format!("SIP registration {id} should be gone, and is still there");
        found.rejections.push(Rejection::general(message));
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
    let has = sockets::of_asterisk(client).await?;
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
            Some((_, address)) if !browser && bind.as_ref().is_some_and(|bind| bind != address) => {
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
            let mut rejection = Rejection::at("pjsip.conf", file, object.line, problem);
            if !has.contains_key(id) {
                rejection.help = sockets::help(id);
            }
            found.rejections.push(rejection);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_compared_as_asterisk_shows_them() {
        for (option, written, shown) in [
            ("allow", "g722,alaw", "(g722|alaw)"),
            ("callerid", "\"Ana Reyes\" <1001>", "\"Ana Reyes\" <1001>"),
            ("match", "10.0.0.0/8,203.0.113.9", "203.0.113.9/255.255.255.255,10.0.0.0/255.0.0.0"),
            (
                "match",
                "2001:db8::/32,2001:db8::1",
                "2001:db8::1/ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff,2001:db8::/ffff:ffff::",
            ),
            ("webrtc", "yes", "true"),
            ("auth_type", "userpass", "digest"),
            ("password", "a\\;b", "a;b"),
            // A backslash of its own before a `;`: shown, it is no sign of writing.
            ("password", "a\\\\;b", "a\\;b"),
            ("contact", "sip:h\\;transport=tcp", "sip:h;transport=tcp"),
        ] {
            assert_eq!(comparable(option, &read(written)), comparable(option, shown), "{option}");
        }
        for (option, written, shown) in [
            ("allow", "g722,alaw", "(alaw|g722)"),
            ("match", "10.0.0.0/8", "10.0.0.0/255.255.0.0"),
            ("webrtc", "yes", "false"),
            ("password", "a", "b"),
            ("password", "yes", "true"),
            ("password", "a\\;b", "a\\;b"),
        ] {
            assert_ne!(comparable(option, &read(written)), comparable(option, shown), "{option}");
        }
        assert_eq!(event_key("rtp_timeout"), "RtpTimeout");
    }
}
