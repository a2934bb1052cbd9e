//! What is known of providers: where they are, where their calls come from, how they authenticate.
//!
//! Addresses are the providers' published signalling addresses; they change rarely, and a manifest's own fields win.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::carrier::Carrier;
use crate::text::{Endpoint, Name, Network};

/// A provider that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Twilio Elastic SIP Trunking: takes no registrations; the account's user name is the trunk's name in `NAME.pstn.twilio.com`.
    Twilio,
    /// Telnyx.
    Telnyx,
    /// Vonage: takes no registrations; the account's user name is the trunk's name in `NAME.sip-us.vonage.com`.
    Vonage,
    /// RingCentral, as a registered device.
    Ringcentral,
    /// Any provider that one registers with.
    GenericRegistration,
    /// Any provider that knows its customers by address.
    GenericIp,
}

/// What a preset fills in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PresetFacts {
    /// Where calls are sent.
    pub hosts: Vec<Endpoint>,
    /// Where calls come from.
    pub addresses: Vec<Network>,
    /// What requests go through on their way to the host.
    pub proxy: Option<Endpoint>,
    /// Whether the provider takes registrations.
    pub registers: bool,
}

/// A region: the name that manifests use, the provider's older name for it, and the part of a host that it decides.
type Region = (&'static str, &'static str, &'static str);

/// The edges of `TRUNK.pstn.EDGE.twilio.com`, with the older names of their regions.
const TWILIO: &[Region] = &[
    ("ashburn", "us1", "ashburn"),
    ("umatilla", "us2", "umatilla"),
    ("dublin", "ie1", "dublin"),
    ("frankfurt", "de1", "frankfurt"),
    ("tokyo", "jp1", "tokyo"),
    ("singapore", "sg1", "singapore"),
    ("sydney", "au1", "sydney"),
    ("sao-paulo", "br1", "sao-paulo"),
];

/// Twilio asks that all of its regions be let in, whichever is used: calls fail over between them.
const TWILIO_ADDRESSES: &[&str] = &[
    "54.172.60.0/30",
    "54.244.51.0/30",
    "54.171.127.192/30",
    "35.156.191.128/30",
    "54.65.63.192/30",
    "54.169.127.128/30",
    "54.252.254.64/30",
    "177.71.206.192/30",
];

const TELNYX: &[Region] = &[
    ("us", "us", "sip.telnyx.com"),
    ("eu", "eu", "sip.telnyx.eu"),
    ("au", "au", "sip.telnyx.com.au"),
    ("ca", "ca", "sip.telnyx.ca"),
];

/// Both addresses of a region: calls come from either, though its name resolves to the first alone.
fn telnyx_addresses(region: &str) -> &'static [&'static str] {
    match region {
        "eu" => &["185.246.41.140", "185.246.41.141"],
        "au" => &["103.115.244.145", "103.115.244.146"],
        "ca" => &["192.76.120.31", "64.16.250.13"],
        _ => &["192.76.120.10", "64.16.250.10"],
    }
}

/// The regions of `TRUNK.REGION.vonage.com`.
const VONAGE: &[Region] = &[("us", "us", "sip-us"), ("eu", "eu", "sip-eu"), ("ap", "ap", "sip-ap")];

const VONAGE_ADDRESSES: &[&str] = &[
    "216.147.0.1",
    "216.147.0.2",
    "216.147.1.1",
    "216.147.1.2",
    "216.147.2.1",
    "216.147.2.2",
    "216.147.3.1",
    "216.147.3.2",
    "216.147.4.1",
    "216.147.4.2",
    "216.147.5.1",
    "216.147.5.2",
];

/// RingCentral's domain is one; its proxies are regional.
const RINGCENTRAL: &[Region] = &[
    ("na", "us", "sip10.ringcentral.com:5090"),
    ("emea", "eu", "sip40.ringcentral.com:5090"),
    ("apac", "ap", "sip71.ringcentral.com:5090"),
    ("latam", "br", "sip80.ringcentral.com:5090"),
];

impl Preset {
    fn table(self) -> &'static [Region] {
        match self {
            Self::Twilio => TWILIO,
            Self::Telnyx => TELNYX,
            Self::Vonage => VONAGE,
            Self::Ringcentral => RINGCENTRAL,
            Self::GenericRegistration | Self::GenericIp => &[],
        }
    }

    /// The regions it knows, the default one first.
    pub fn regions(self) -> Vec<&'static str> {
        self.table().iter().map(|(name, _, _)| *name).collect()
    }

    /// Whether a region is one it knows, by its name or its older name.
    pub fn knows(self, region: &str) -> bool {
        self.table().iter().any(|(name, older, _)| *name == region || *older == region)
    }

    /// As a manifest says it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Twilio => "twilio",
            Self::Telnyx => "telnyx",
            Self::Vonage => "vonage",
            Self::Ringcentral => "ringcentral",
            Self::GenericRegistration => "generic-registration",
            Self::GenericIp => "generic-ip",
        }
    }

    /// What it fills in for a carrier, by its region and account.
    pub fn facts(self, carrier: &Carrier) -> PresetFacts {
        let table = self.table();
        let wanted = carrier.region.as_ref().map(Name::as_str);
        let region = table
            .iter()
            .find(|(name, older, _)| wanted.is_some_and(|wanted| wanted == *name || wanted == *older))
            .or(table.first());
        let (name, part) = region.map_or(("", ""), |(name, _, part)| (*name, *part));
        let trunk = carrier.account().map(|account| account.username.as_str());
        let (host, addresses, proxy): (Option<String>, &[&str], Option<&str>) = match self {
            Self::Twilio => (trunk.map(|trunk| format!("{trunk}.pstn.{part}.twilio.com")), TWILIO_ADDRESSES, None),
            Self::Telnyx => (Some(part.to_owned()), telnyx_addresses(name), None),
            Self::Vonage => (trunk.map(|trunk| format!("{trunk}.{part}.vonage.com")), VONAGE_ADDRESSES, None),
            Self::Ringcentral => (Some("sip.ringcentral.com".to_owned()), &[], Some(part)),
            Self::GenericRegistration | Self::GenericIp => (None, &[], None),
        };
        PresetFacts {
            hosts: host.and_then(|host| host.parse().ok()).into_iter().collect(),
            addresses: addresses.iter().filter_map(|text| text.parse().ok()).collect(),
            proxy: proxy.and_then(|proxy| proxy.parse().ok()),
            registers: !matches!(self, Self::Twilio | Self::Vonage | Self::GenericIp),
        }
    }
}
