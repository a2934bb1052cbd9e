//! `queues.conf`: where callers wait for whoever is free.
//!
//! Every option is written: what app_queue does where one is missing has changed between versions, and is seldom what is wanted.

use pbx_manifest::kinds::{AutoPause, Emptiness, Phone, Queue, QueueStrategy};
use pbx_manifest::{Catalog, Duration, Kind, Name, ObjectRef};

use super::file::ConfigFile;
use super::{Place, sound, yes_no};

/// The context in which those who wait may press keys.
pub(super) fn keys_context(name: &Name) -> String {
    format!("pbx-keys-{name}")
}

/// The context in which a member rings whose extension has several telephones.
pub(super) const AGENTS: &str = "pbx-agent";

/// What is called for a member, and what says whether it is free.
pub(super) fn member_interfaces(phone: &Phone<'_>) -> (String, String) {
    let state = format!("PJSIP/{}", phone.name);
    let called = if phone.max_contacts > 1 { format!("Local/{}@{AGENTS}/n", phone.name) } else { state.clone() };
    (called, state)
}

/// A member's name in lists and events. Asterisk splits a member's line at commas that stand outside of brackets and quotes, and what
/// it keeps of members at `;` and `|`, and knows no escape there.
pub(super) fn member_name(phone: &Phone<'_>) -> String {
    let shown = phone.display_name.map(ToString::to_string).unwrap_or_default();
    let kept = |c: char| c.is_alphanumeric() || " .-_'@&/+:!?#%=".contains(c);
    let plain: String = shown.chars().map(|c| if kept(c) { c } else { ' ' }).collect();
    let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    if plain.is_empty() { phone.name.to_string() } else { plain }
}

/// As Asterisk names a strategy.
fn strategy(strategy: QueueStrategy) -> &'static str {
    match strategy {
        QueueStrategy::RingAll => "ringall",
        QueueStrategy::LeastRecent => "leastrecent",
        QueueStrategy::FewestCalls => "fewestcalls",
        QueueStrategy::Random => "random",
        QueueStrategy::RrMemory => "rrmemory",
        QueueStrategy::RrOrdered => "rrordered",
        QueueStrategy::Linear => "linear",
        QueueStrategy::WRandom => "wrandom",
    }
}

/// Whether a queue keeps its members in an order: Asterisk decides that when it makes the queue, and never again.
pub(crate) fn keeps_order(strategy: &str) -> bool {
    ["linear", "rrordered"].contains(&strategy)
}

/// The states that members count as missing in; nothing for none.
fn missing(empty: Emptiness) -> Option<&'static str> {
    match empty {
        Emptiness::Never => None,
        Emptiness::NobodyLoggedIn => Some("invalid,unavailable"),
        Emptiness::NobodyAvailable => Some("invalid,unavailable,paused"),
        Emptiness::NobodyFree => Some("invalid,unavailable,paused,inuse,ringing,wrapup"),
    }
}

pub(super) fn render(catalog: &Catalog, place: &Place) -> ConfigFile {
    let mut file = ConfigFile::new(super::about("queues.conf"));
    let mut queues = catalog.queues.iter().filter(|(_, object)| object.spec.enabled).peekable();
    if queues.peek().is_none() {
        return file;
    }
    // Of an option that is there twice, the first counts: what the main file says stays.
    file.section("general", "(+)");
    file.set("persistentmembers", "yes");
    file.set("autofill", "yes");
    file.set("shared_lastcall", "yes");
    // A name may change and be somebody else's; an interface has the extension's number in it.
    file.set("log_membername_as_agent", "no");
    for (name, object) in queues {
        file.mark(Some(ObjectRef::new(Kind::Queue, name.clone())));
        queue(&mut file, catalog, place, name, &object.spec);
    }
    file
}

fn queue(file: &mut ConfigFile, catalog: &Catalog, place: &Place, name: &Name, queue: &Queue) {
    file.section(name.as_str(), "");
    file.set("strategy", strategy(queue.strategy));
    file.set("timeout", queue.ring_timeout.seconds());
    file.set("retry", queue.retry.seconds());
    file.set("timeoutrestart", "yes");
    file.set("wrapuptime", queue.wrap_up.seconds());
    file.set("weight", queue.weight);
    file.set("maxlen", queue.max_waiting.unwrap_or(0));
    file.set("joinempty", missing(queue.join_empty).unwrap_or("yes"));
    file.set("leavewhenempty", missing(queue.leave_empty).unwrap_or("no"));
    file.set("ringinuse", yes_no(queue.ring_in_use));
    let pause = match queue.auto_pause {
        AutoPause::Never => "no",
        AutoPause::Queue => "yes",
        AutoPause::All => "all",
    };
    file.set("autopause", pause);
    file.set("autofill", "yes");
    file.set("servicelevel", queue.service_level.within.seconds());
    file.set("musicclass", sound::music_or_default(catalog, queue.hold_music.as_ref()));
    if !queue.keys.is_empty() {
        file.set("context", keys_context(name));
    }
    let announce = &queue.announce;
    let every = announce.every.map_or(60, Duration::seconds);
    let often = if announce.position || announce.hold_time { every } else { 0 };
    file.set("announce-frequency", often);
    // Asterisk says nothing sooner than this after the last time, however often it should.
    file.set("min-announce-frequency", every.min(15));
    file.set("announce-position", yes_no(announce.position));
    file.set("announce-holdtime", yes_no(announce.hold_time));
    let comfort = announce
        .comfort
        .as_ref()
        .and_then(|comfort| Some((sound::prompt(catalog, place, &comfort.play)?, comfort.every.seconds())));
    file.set("periodic-announce-frequency", comfort.as_ref().map_or(0, |(_, every)| *every));
    if let Some((play, _)) = comfort {
        file.set("periodic-announce", play);
    }
    if let Some(member) = announce.member.as_ref().and_then(|member| sound::prompt(catalog, place, member)) {
        file.set("announce", member);
    }
    file.set("reportholdtime", "no");
    file.set("memberdelay", 0);
    // For the dialplan and for whoever listens: who has the call, how long it waited.
    file.set("setinterfacevar", "yes");
    file.set("setqueuevar", "yes");
    file.set("setqueueentryvar", "yes");
    let phones = queue.members.iter().filter(|member| member.auto_login).filter_map(|member| {
        // Who lets no call ring is no member, as in groups.
        let takes_part = |phone: &Phone<'_>| pbx_routing::rings(catalog, phone.name);
        catalog.phone(&member.extension).filter(takes_part).map(|phone| (phone, member.penalty))
    });
    for (phone, penalty) in phones {
        let (called, state) = member_interfaces(&phone);
        file.set("member", format_args!("{called},{penalty},{},{state}", member_name(&phone)));
    }
}
