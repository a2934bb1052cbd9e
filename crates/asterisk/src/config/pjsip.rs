//! `pjsip.conf`: transports, telephones, carriers.

use std::collections::{BTreeMap, BTreeSet};

use pbx_manifest::kinds::{Carrier, Credentials, MediaEncryption, Phone, Recording, Settings, Transport};
use pbx_manifest::{Catalog, Codec, Endpoint, Kind, Name, ObjectRef};
use pbx_routing::CallGraph;

use super::file::ConfigFile;
use super::{Secrets, dialplan, sound, voicemail, yes_no};

/// The id of a carrier's SIP objects: apart from extensions, whatever it is called.
pub(super) fn carrier_id(name: &Name) -> String {
    format!("carrier-{name}")
}

/// The id of a transport.
fn transport_id(settings: &Settings, transport: Transport) -> String {
    let managed = settings.transports.managed || matches!(transport, Transport::Ws | Transport::Wss);
    format!("{}{}", if managed { "pbx-" } else { "" }, transport.word())
}

fn codecs(codecs: &[Codec]) -> String {
    codecs.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

pub(super) fn render(catalog: &Catalog, secrets: &Secrets) -> ConfigFile {
    let mut file = ConfigFile::new(super::about("pjsip.conf"));
    let settings = catalog.settings();
    let phones: Vec<Phone<'_>> = catalog
        .extensions
        .iter()
        .filter(|(_, object)| object.spec.enabled)
        .filter_map(|(name, _)| catalog.phone(name))
        .collect();
    transports(&mut file, catalog, &settings, phones.iter().any(|phone| phone.webrtc));
    templates(&mut file);
    let house = House {
        lamps: lamps(catalog),
        recorders: recorders(catalog),
        lot: catalog.parking.iter().find(|(_, object)| object.spec.enabled).map(|(name, _)| name),
    };
    for phone in &phones {
        telephone(&mut file, catalog, &settings, phone, &house, secrets);
    }
    for (name, object) in catalog.carriers.iter().filter(|(_, object)| object.spec.enabled) {
        carrier(&mut file, &settings, name, &object.spec, secrets);
    }
    file
}

/// What telephones have of other objects.
struct House<'c> {
    /// The shared boxes whose messages an extension's lamp shows.
    lamps: BTreeMap<&'c Name, Vec<&'c Name>>,
    /// Who records calls of a queue on demand.
    recorders: BTreeSet<&'c Name>,
    /// Where a call is parked by its code.
    lot: Option<&'c Name>,
}

/// The members of queues whose calls are recorded on demand.
fn recorders(catalog: &Catalog) -> BTreeSet<&Name> {
    let queues = catalog.queues.values().map(|object| &object.spec).filter(|queue| queue.enabled);
    let on_demand = queues.filter(|queue| queue.record == Recording::OnDemand);
    on_demand.flat_map(|queue| &queue.members).map(|member| &member.extension).collect()
}

/// The shared boxes whose messages an extension's lamp shows, by extension.
fn lamps(catalog: &Catalog) -> BTreeMap<&Name, Vec<&Name>> {
    let mut lamps: BTreeMap<&Name, Vec<&Name>> = BTreeMap::new();
    for (name, object) in catalog.mailboxes.iter().filter(|(_, object)| object.spec.enabled) {
        for extension in &object.spec.lamps {
            lamps.entry(extension).or_default().push(name);
        }
    }
    lamps
}

fn transports(file: &mut ConfigFile, catalog: &Catalog, settings: &Settings, browsers: bool) {
    file.mark(catalog.settings.keys().next().map(|name| ObjectRef::new(Kind::Settings, name.clone())));
    let mut open = |transport: Transport, protocol: &str, bind: &Endpoint| {
        let file = &mut *file;
        file.section(&transport_id(settings, transport), "");
        file.set("type", "transport");
        file.set("protocol", protocol);
        file.set("bind", bind);
        // A change is taken at the reload; its connections begin anew. An unchanged transport is left alone.
        file.set("allow_reload", "yes");
        if let Some(address) = &settings.nat.external_address {
            file.set("external_media_address", address);
            file.set("external_signaling_address", address);
        }
        for network in &settings.nat.local_networks {
            file.set("local_net", network);
        }
    };
    let everywhere = "0.0.0.0".parse::<Endpoint>().unwrap_or_else(|_| unreachable!("an address"));
    if settings.transports.managed {
        for (transport, own) in [(Transport::Udp, &settings.transports.udp), (Transport::Tcp, &settings.transports.tcp)]
        {
            if own.enabled {
                open(transport, transport.word(), &own.bind);
            }
        }
        if let Some(tls) = &settings.transports.tls {
            open(Transport::Tls, "tls", &tls.bind);
        }
    }
    if browsers {
        // Their connections come by Asterisk's HTTP server; nothing is bound here.
        open(Transport::Ws, "ws", &everywhere);
        open(Transport::Wss, "wss", &everywhere);
    }
    if let Some(tls) = settings.transports.tls.as_ref().filter(|_| settings.transports.managed) {
        file.section(&transport_id(settings, Transport::Tls), "(+)");
        file.set("cert_file", &tls.certificate);
        file.set("priv_key_file", &tls.private_key);
        file.set("method", "tlsv1_2");
    }
}

/// What all telephones and all carriers share: the choices of a careful administrator.
fn templates(file: &mut ConfigFile) {
    file.mark(None);
    file.section("pbx-phone", "(!)");
    file.set("type", "endpoint");
    file.set("disallow", "all");
    file.set("identify_by", "username");
    file.set("rtp_symmetric", "yes");
    file.set("force_rport", "yes");
    file.set("rewrite_contact", "yes");
    file.set("dtmf_mode", "auto_info");
    file.set("trust_id_inbound", "no");
    file.set("send_pai", "yes");
    file.set("subscribe_context", dialplan::HINTS);
    file.set("message_context", dialplan::MESSAGES);
    file.set("rtp_timeout", "300");
    file.set("rtp_timeout_hold", "3600");
    file.section("pbx-auth", "(!)");
    file.set("type", "auth");
    file.set("auth_type", "userpass");
    file.section("pbx-aor", "(!)");
    file.set("type", "aor");
    file.set("remove_existing", "yes");
    file.set("minimum_expiration", "60");
    file.set("default_expiration", "600");
    file.set("maximum_expiration", "3600");
    file.section("pbx-carrier", "(!)");
    file.set("type", "endpoint");
    file.set("disallow", "all");
    file.set("direct_media", "no");
    file.set("rtp_symmetric", "yes");
    file.set("force_rport", "yes");
    file.set("dtmf_mode", "auto");
    // A carrier transfers nobody's calls: that would be dialling out at our cost.
    file.set("allow_transfer", "no");
    file.set("allow_subscribe", "no");
    file.set("message_context", dialplan::MESSAGES);
    file.set("rtp_timeout", "300");
    file.set("rtp_timeout_hold", "3600");
}

fn telephone(
    file: &mut ConfigFile,
    catalog: &Catalog,
    settings: &Settings,
    phone: &Phone<'_>,
    house: &House<'_>,
    secrets: &Secrets,
) {
    let name = phone.name;
    let id = name.as_str();
    file.mark(Some(ObjectRef::new(Kind::Extension, name.clone())));
    file.section(id, "(pbx-phone)");
    let class = dialplan::class_context(&CallGraph::class_of(phone));
    file.set("context", &class);
    file.set("allow", codecs(&phone.codecs));
    file.set("auth", id);
    file.set("aors", id);
    match phone.display_name {
        Some(shown) => file.set("callerid", format_args!("\"{shown}\" <{name}>")),
        None => file.set("callerid", name),
    }
    let own = phone.voicemail.then_some(name);
    let lamps = house.lamps.get(name).map_or(&[][..], Vec::as_slice);
    let boxes: Vec<String> =
        own.into_iter().chain(lamps.iter().copied()).map(|name| format!("{name}@{}", voicemail::CONTEXT)).collect();
    if !boxes.is_empty() {
        file.set("mailboxes", boxes.join(","));
    }
    if let Some(group) = phone.pickup_group {
        file.set("named_call_group", group);
        file.set("named_pickup_group", group);
    }
    if let Some(music) = sound::music(catalog, phone.hold_music) {
        file.set("moh_suggest", music);
    }
    file.set("device_state_busy_at", phone.max_calls);
    file.set("direct_media", yes_no(phone.direct_media && !phone.webrtc));
    if phone.webrtc {
        file.set("webrtc", "yes");
    } else if phone.media_encryption == MediaEncryption::Sdes {
        file.set("media_encryption", "sdes");
    }
    if let Some(transport) = phone.transport {
        file.set("transport", transport_id(settings, transport));
    }
    if let Some(language) = phone.language {
        file.set("language", language);
    }
    if !phone.allow_from.is_empty() {
        for option in ["deny", "contact_deny"] {
            file.set(option, "0.0.0.0/0.0.0.0");
            file.set(option, "::/0");
        }
        for network in phone.allow_from {
            file.set("permit", network);
            file.set("contact_permit", network);
        }
    }
    // A call that this telephone transfers may go where the telephone may.
    file.set("set_var", format_args!("TRANSFER_CONTEXT={class}"));
    if let Some(number) = phone.outside_number {
        file.set("set_var", format_args!("PBX_CALLERID={number}"));
    }
    if phone.record != Recording::Never {
        file.set("set_var", format_args!("PBX_RECORD={}", dialplan::record_word(phone.record)));
    }
    if phone.record == Recording::OnDemand || house.recorders.contains(name) {
        file.set("set_var", format_args!("FEATUREMAP(automixmon)={}", settings.feature_codes.record));
    }
    if let Some(lot) = house.lot {
        file.set("set_var", format_args!("FEATUREMAP(parkcall)={}", settings.feature_codes.park));
        // Where no lot is named, a call would be parked in `default`, which is nobody's.
        file.set("set_var", format_args!("PARKINGLOT={lot}"));
    }
    file.section(id, "(pbx-auth)");
    file.set("username", id);
    file.secret("password", secrets.get(Kind::Extension, name, "password"));
    file.section(id, "(pbx-aor)");
    file.set("max_contacts", phone.max_contacts);
    file.set("qualify_frequency", phone.qualify.seconds());
}

/// The URI of a carrier's host, with the transport where it is not the usual one.
pub(super) fn carrier_uri(carrier: &Carrier, user: &str, host: &Endpoint) -> String {
    let transport = match carrier.carried_by() {
        Transport::Tcp => ";transport=tcp",
        Transport::Tls => ";transport=tls",
        _ => "",
    };
    let at = if user.is_empty() { "" } else { "@" };
    format!("sip:{user}{at}{host}{transport}")
}

/// Extensions that Asterisk goes to by itself: at the end of a call, when nothing is dialled, and the like.
const SPECIAL: [&str; 10] = ["a", "e", "failed", "fax", "h", "i", "o", "s", "t", "T"];

/// The user that a carrier calls when it calls a registered account: the account's, unless the dialplan takes that for something of
/// its own, a pattern or a special extension. Which user it is, is for the registration to say.
pub(super) fn contact_user(account: &Credentials) -> &str {
    let user = account.username.as_str();
    let user = user.split_once('@').map_or(user, |(user, _)| user);
    if user.starts_with('_') || SPECIAL.contains(&user) { "account" } else { user }
}

fn carrier(file: &mut ConfigFile, settings: &Settings, name: &Name, carrier: &Carrier, secrets: &Secrets) {
    let id = carrier_id(name);
    file.mark(Some(ObjectRef::new(Kind::Carrier, name.clone())));
    let targets = carrier.targets();
    let transport = transport_id(settings, carrier.carried_by());
    let proxy = carrier.proxy().map(|proxy| format!("{};lr", carrier_uri(carrier, "", &proxy)));
    file.section(&id, "(pbx-carrier)");
    let comes_in = carrier.direction.inbound();
    // By a carrier that is for calls out alone nothing comes in.
    file.set("context", if comes_in { dialplan::carrier_context(name) } else { dialplan::UNKNOWN.to_owned() });
    file.set("allow", codecs(&carrier.codecs));
    file.set("aors", &id);
    file.set("transport", &transport);
    // Known by where its calls come from or by its registration, never by a name that anyone can write into a request.
    file.set("identify_by", "ip");
    if carrier.encryption() == MediaEncryption::Sdes {
        file.set("media_encryption", "sdes");
    }
    file.set("trust_id_inbound", yes_no(carrier.asserted_identity));
    file.set("send_pai", yes_no(carrier.asserted_identity));
    if let Some(user) = &carrier.from_user {
        file.set("from_user", user);
    }
    // In a URI, a host that is an IPv6 address stands in brackets.
    let own_domain = carrier.from_domain.clone().map(|host| Endpoint { host, port: None });
    if let Some(domain) = &own_domain {
        file.set("from_domain", domain);
    }
    if let Some(proxy) = &proxy {
        file.set("outbound_proxy", proxy);
    }
    if let Some(account) = carrier.account() {
        file.set("outbound_auth", &id);
        file.section(&id, "(pbx-auth)");
        file.set("username", account.auth_username.as_ref().unwrap_or(&account.username));
        let path = if carrier.authentication.is_some() { "authentication.password" } else { "registration.password" };
        file.secret("password", secrets.get(Kind::Carrier, name, path));
    }
    file.section(&id, "");
    file.set("type", "aor");
    for host in &targets {
        file.set("contact", carrier_uri(carrier, "", host));
    }
    file.set("qualify_frequency", if targets.is_empty() { 0 } else { carrier.qualify.seconds() });
    if let Some(proxy) = &proxy {
        file.set("outbound_proxy", proxy);
    }
    let sources = carrier.sources();
    if !sources.is_empty() {
        file.section(&id, "");
        file.set("type", "identify");
        file.set("endpoint", &id);
        for network in sources {
            file.set("match", network);
        }
    }
    if let (Some(account), Some(host)) = (carrier.registers(), targets.first()) {
        file.section(&id, "");
        file.set("type", "registration");
        file.set("transport", &transport);
        file.set("server_uri", carrier_uri(carrier, "", host));
        let domain = own_domain.as_ref().unwrap_or(host);
        let user = account.username.as_str();
        file.set("client_uri", if user.contains('@') { format!("sip:{user}") } else { format!("sip:{user}@{domain}") });
        file.set("contact_user", contact_user(account));
        file.set("outbound_auth", &id);
        if comes_in {
            // The answer to a registration names a line; calls that come by it are this carrier's.
            file.set("endpoint", &id);
            file.set("line", "yes");
        }
        file.set("expiration", "600");
        file.set("retry_interval", "30");
        file.set("forbidden_retry_interval", "300");
        file.set("fatal_retry_interval", "300");
        file.set("max_retries", "1000000");
        file.set("auth_rejection_permanent", "no");
        if let Some(proxy) = &proxy {
            file.set("outbound_proxy", proxy);
        }
    }
}
