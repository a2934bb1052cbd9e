//! Trunks to the telephone network or to another system.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::preset::Preset;
use super::{MediaEncryption, yes};
use crate::check::Checker;
use crate::diagnostic::Diagnostic;
use crate::kind::Spec;
use crate::secret::Secret;
use crate::text::{
    Codec, DisplayName, Duration, Endpoint, Host, Name, Network, Number, Prefix, Refused, Text, refuse, text_value,
};

/// How SIP travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket.
    Ws,
    /// WebSocket over TLS.
    Wss,
}

impl Transport {
    /// What to do where the settings do not have it.
    pub(crate) fn remedy(self) -> String {
        match self {
            Self::Tls => {
                "add `transports: { tls: { certificate: …, privateKey: … } }` to Settings, or set `transport: udp`"
                    .into()
            }
            other => format!(
                "set `transports: {{ {}: {{ enabled: true }} }}` in Settings, or name another transport",
                other.word()
            ),
        }
    }

    /// As a manifest says it, which is the name of the transport in Asterisk.
    pub fn word(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }
}

/// Which way calls go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    /// In only.
    Inbound,
    /// Out only.
    Outbound,
    /// Both ways.
    #[default]
    Both,
}

impl Direction {
    /// Whether calls come in.
    pub fn inbound(self) -> bool {
        self != Self::Outbound
    }

    /// Whether calls go out.
    pub fn outbound(self) -> bool {
        self != Self::Inbound
    }
}

/// A SIP user name: letters, digits and `. _ - +`, with `@domain` where a carrier wants it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SipUser(Box<str>);

impl SipUser {
    /// The user name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for SipUser {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        let (user, domain) = text.split_once('@').map_or((text, None), |(user, domain)| (user, Some(domain)));
        let word =
            |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-+".contains(&b));
        if text.len() <= 79 && word(user) && domain.is_none_or(word) {
            return Ok(Self(text.into()));
        }
        refuse(
            format!("`{}` is not a SIP user name", text.escape_debug()),
            "letters, digits and `. _ - + @`, at most 79",
        )
    }
}

impl std::fmt::Display for SipUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(SipUser, "SipUser", "a SIP user name", { "pattern": "^[A-Za-z0-9._+-]+(@[A-Za-z0-9._+-]+)?$", "maxLength": 79, "examples": ["acme"] });

/// A user name and its password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Credentials {
    /// The account's SIP user name.
    pub username: SipUser,
    /// The user name for authentication, where the carrier gave another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_username: Option<SipUser>,
    /// Its password.
    pub password: Secret,
}

/// What carriers see on outbound calls when the extension says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CarrierCallerId {
    /// The number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<Number>,
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<DisplayName>,
}

/// How a number that a carrier sends becomes one that manifests know.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Rewrite {
    /// How many digits are cut from the front.
    #[schemars(range(max = 20))]
    pub strip: u32,
    /// What is then put in front.
    pub prepend: Prefix,
}

/// How numbers of inbound calls are read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Inbound {
    /// The called number; after this it must be a DID's.
    pub number: Rewrite,
    /// The caller's number; after this it is compared with callers in manifests.
    pub caller: Rewrite,
}

/// A trunk to the telephone network or another system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Carrier {
    /// Turned off, no call comes in or goes out by it.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// For those who read manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Text>,
    /// What is known of this provider; fields given here win over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// The provider's region, as the preset names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Name>,
    /// Which way calls go.
    #[serde(default)]
    pub direction: Direction,
    /// Where calls are sent, the next one tried when one fails; the first is also where the account registers. Default: the
    /// preset's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<Endpoint>,
    /// What requests go through on their way to the hosts. Default: the preset's, else nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbound_proxy: Option<Endpoint>,
    /// Where its calls come from. Default: the preset's, else those hosts that are addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Network>,
    /// The account to register with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<Credentials>,
    /// The account to answer challenges with, where nothing is registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<Credentials>,
    /// How SIP travels. Default: `udp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<Transport>,
    /// Codecs, the preferred one first. Default: `[alaw, ulaw]`.
    #[serde(default = "telephone_codecs")]
    pub codecs: Vec<Codec>,
    /// How many calls at once, both ways together. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub max_channels: Option<u32>,
    /// What is shown on outbound calls when the extension has no number of its own.
    #[serde(default)]
    pub caller_id: CarrierCallerId,
    /// The user in the `From` of requests, where the carrier asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_user: Option<SipUser>,
    /// The domain in the `From` of requests, where the carrier asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_domain: Option<Host>,
    /// How speech is protected. Default: `sdes` with `tls`, else `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_encryption: Option<MediaEncryption>,
    /// Whether the caller is also sent as `P-Asserted-Identity`, and one received is believed.
    #[serde(default = "yes")]
    pub asserted_identity: bool,
    /// How often the carrier is asked whether it is there; `0s` for never.
    #[serde(default = "minute")]
    pub qualify: Duration,
    /// How numbers of inbound calls are read.
    #[serde(default)]
    pub inbound: Inbound,
}

fn telephone_codecs() -> Vec<Codec> {
    vec![Codec::Alaw, Codec::Ulaw]
}

fn minute() -> Duration {
    Duration(60)
}

impl Carrier {
    /// Where calls are sent; registrations go to the first.
    pub fn targets(&self) -> Vec<Endpoint> {
        if self.hosts.is_empty() {
            self.preset.map_or_else(Vec::new, |preset| preset.facts(self).hosts)
        } else {
            self.hosts.clone()
        }
    }

    /// Where its calls come from; none when it is known by its registration alone.
    pub fn sources(&self) -> Vec<Network> {
        if !self.direction.inbound() {
            return Vec::new();
        }
        if !self.addresses.is_empty() {
            return self.addresses.clone();
        }
        let preset = self.preset_addresses();
        if !preset.is_empty() {
            return preset;
        }
        let mut own: Vec<Network> = self.hosts.iter().filter_map(|host| host.host.as_str().parse().ok()).collect();
        own.dedup();
        own
    }

    /// The addresses that its preset fills in; none where it names its own, or where the preset knows none.
    pub(crate) fn preset_addresses(&self) -> Vec<Network> {
        let preset = self.preset.filter(|_| self.addresses.is_empty());
        preset.map_or_else(Vec::new, |preset| preset.facts(self).addresses)
    }

    /// Hosts whose calls nothing knows as this carrier's: names, where other hosts' addresses are all that it is known by.
    fn unknown_hosts(&self) -> impl Iterator<Item = (usize, &Endpoint)> {
        let by_hosts = self.addresses.is_empty() && self.preset_addresses().is_empty() && self.registers().is_none();
        let some = by_hosts && !self.sources().is_empty();
        let names = move |host: &Endpoint| some && host.host.as_str().parse::<Network>().is_err();
        self.hosts.iter().enumerate().filter(move |(_, host)| names(host))
    }

    /// How SIP travels.
    pub fn carried_by(&self) -> Transport {
        self.transport.unwrap_or(Transport::Udp)
    }

    /// What requests go through on their way to the hosts.
    pub fn proxy(&self) -> Option<Endpoint> {
        self.outbound_proxy.clone().or_else(|| self.preset.and_then(|preset| preset.facts(self).proxy))
    }

    /// How speech is protected.
    pub fn encryption(&self) -> MediaEncryption {
        self.media_encryption.unwrap_or(if self.carried_by() == Transport::Tls {
            MediaEncryption::Sdes
        } else {
            MediaEncryption::None
        })
    }

    /// The account to register with, unless the provider takes no registrations.
    pub fn registers(&self) -> Option<&Credentials> {
        let takes = self.preset.is_none_or(|preset| preset.facts(self).registers);
        self.registration.as_ref().filter(|_| takes)
    }

    /// The account that answers the carrier's challenges.
    pub fn account(&self) -> Option<&Credentials> {
        self.authentication.as_ref().or(self.registration.as_ref())
    }
}

impl Spec for Carrier {
    fn check(&self, _: &Name, checker: &mut Checker<'_>) {
        if let Some(preset) = self.preset {
            let regions = preset.regions();
            match &self.region {
                Some(region) if !preset.knows(region.as_str()) => {
                    let help = match crate::diagnostic::nearest(region.as_str(), regions.iter().copied()) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None if regions.is_empty() => "leave `region` out".into(),
                        None => format!(
                            "the regions are {}",
                            regions.iter().map(|region| format!("`{region}`")).collect::<Vec<_>>().join(", ")
                        ),
                    };
                    checker.add(
                        "spec.region",
                        Diagnostic::error(
                            "unknown-region",
                            format!("preset `{}` has no region `{region}`", preset.word()),
                        )
                        .help(help),
                    );
                }
                _ => {}
            }
        } else if self.region.is_some() {
            checker.add(
                "spec.region",
                Diagnostic::error("missing-field", "a region says nothing without a preset")
                    .help("add `preset: …`, or remove `region`"),
            );
        }
        if self.registration.is_some() && self.authentication.is_some() {
            checker.add(
                "spec.authentication",
                Diagnostic::error("conflict", "`registration` and `authentication` are both given")
                    .help("an account that registers also answers challenges; keep `registration`"),
            );
        }
        if let Some(preset) = self.preset.filter(|_| self.registration.is_some() && self.registers().is_none()) {
            checker.add(
                "spec.registration",
                Diagnostic::warning(
                    "no-registration",
                    format!("preset `{}` takes no registrations: the account only answers challenges", preset.word()),
                )
                .labelled("never registers")
                .help(if preset == Preset::GenericIp {
                    "use `preset: generic-registration` to register, or write `authentication` instead"
                } else {
                    "write `authentication` instead"
                }),
            );
        }
        if self.preset == Some(Preset::GenericRegistration) && self.registration.is_none() {
            checker.add(
                "spec.preset",
                Diagnostic::error("missing-field", "preset `generic-registration` has no account to register with")
                    .help(
                        "add `registration: { username: …, password: … }`, or use `preset: generic-ip` for a carrier that knows \
                         its customers by address",
                    ),
            );
        }
        let preset_hint = |what: &str| {
            format!(
                "{what}{}",
                if matches!(self.preset, Some(Preset::Twilio | Preset::Vonage)) {
                    ", or `authentication` (its user name names the trunk)"
                } else {
                    ""
                }
            )
        };
        if (self.direction.outbound() || self.registration.is_some()) && self.targets().is_empty() {
            checker.add(
                "spec",
                Diagnostic::error("missing-field", "no host is known to send this carrier's calls to")
                    .help(preset_hint("add `hosts: [sip.example.com]`")),
            );
        }
        if self.direction.inbound() && self.sources().is_empty() && self.registers().is_none() {
            checker.add(
                "spec",
                Diagnostic::error(
                    "missing-field",
                    "nothing tells which calls are this carrier's: it has neither addresses nor a registration",
                )
                .help("add `addresses: [203.0.113.10]` or `registration`, or set `direction: outbound`"),
            );
        }
        for (at, host) in self.unknown_hosts() {
            let known = self.sources().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            checker.add(
                &format!("spec.hosts[{at}]"),
                Diagnostic::warning(
                    "unknown-host",
                    format!("calls from `{}` are not known as this carrier's: it is a name", host.host),
                )
                .labelled("calls go out to it only")
                .help(format!(
                    "a call's carrier is known by the address it comes from: add the host's own, as in \
                         `addresses: [{known}, …]`, or set `direction: outbound`"
                )),
            );
        }
        for (at, network) in self.addresses.iter().enumerate() {
            if network.prefix < 8 {
                checker.add(
                    &format!("spec.addresses[{at}]"),
                    Diagnostic::error(
                        "open-carrier",
                        format!("`{network}` lets a large part of the internet call as this carrier"),
                    )
                    .help("list the carrier's own networks"),
                );
            }
        }
        if matches!(self.transport, Some(Transport::Ws | Transport::Wss)) {
            checker.add(
                "spec.transport",
                Diagnostic::error("conflict", "carriers do not speak SIP over WebSocket")
                    .help("one of `udp`, `tcp`, `tls`"),
            );
        }
        let transport = self.carried_by();
        if !checker.catalog().settings().transports.has(transport) {
            let word = transport.word();
            checker.add(
                "spec.transport",
                Diagnostic::error(
                    "no-transport",
                    format!(
                        "this carrier is reached by {}, but the settings have no {} transport",
                        word.to_uppercase(),
                        word.to_uppercase()
                    ),
                )
                .help(transport.remedy()),
            );
        }
        if self.codecs.is_empty() {
            checker.add(
                "spec.codecs",
                Diagnostic::error("empty", "no codec is left").help("leave the field out for the default"),
            );
        }
        if let Some(most) = self.max_channels
            && !(1..=10000).contains(&most)
        {
            checker.add(
                "spec.maxChannels",
                Diagnostic::error("range", format!("{most} is out of range"))
                    .help("from 1 to 10000; leave it out for no limit"),
            );
        }
        for (field, rule) in [("number", &self.inbound.number), ("caller", &self.inbound.caller)] {
            if rule.strip > 20 {
                checker.add(
                    &format!("spec.inbound.{field}.strip"),
                    Diagnostic::error("range", format!("{} is out of range", rule.strip)).help("from 0 to 20"),
                );
            }
        }
    }

    fn secrets(&self) -> Vec<(String, &Secret)> {
        let registration =
            self.registration.iter().map(|account| ("registration.password".to_owned(), &account.password));
        let authentication =
            self.authentication.iter().map(|account| ("authentication.password".to_owned(), &account.password));
        registration.chain(authentication).collect()
    }

    fn enabled(&self) -> bool {
        self.enabled
    }
}
