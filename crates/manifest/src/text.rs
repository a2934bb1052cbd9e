//! Values that are written as text and mean more than text: names, numbers, durations, hosts.
//!
//! Each type accepts exactly what every format it is rendered to can carry, and says what it would accept; so nothing past
//! this module needs to escape, cut or doubt.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text was refused: a sentence, and on the following lines what would be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// A refusal with a line of help.
pub(crate) fn refuse<T>(message: impl fmt::Display, help: impl fmt::Display) -> Result<T, Refused> {
    Err(Refused(format!("{message}\n{help}")))
}

/// Gives a type that has `FromStr` and `Display` the text form in YAML, JSON and the schema.
macro_rules! text_value {
    ($Type:ty, $name:literal, $expects:literal, { $($schema:tt)* }) => {
        impl serde::Serialize for $Type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $Type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Written;
                impl serde::de::Visitor<'_> for Written {
                    type Value = $Type;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($expects)
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$Type, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Written)
            }
        }

        impl schemars::JsonSchema for $Type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", $($schema)* })
            }
        }
    };
}
pub(crate) use text_value;

/// Letters that would turn a line around, end it, or hide in it: refused wherever people read text.
pub(crate) fn invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Why a free text cannot be carried by Asterisk's formats, if it cannot.
fn uncarried(text: &str) -> Option<String> {
    for (at, c) in text.chars().enumerate() {
        if invisible(c) {
            let what = match c {
                '\n' | '\r' | '\u{2028}' | '\u{2029}' => "a line break".to_owned(),
                '\t' => "a tab".to_owned(),
                c if c.is_control() => format!("a control character (U+{:04X})", c as u32),
                c => format!("invisible or turns the text around (U+{:04X})", c as u32),
            };
            return Some(format!("character {} is {what}, which cannot be carried to Asterisk", at + 1));
        }
        if matches!(c, '"' | '\\' | '<' | '>' | '|' | '^' | '`') {
            return Some(format!("`{c}` cannot be carried to Asterisk unchanged"));
        }
    }
    ["${", "$["]
        .into_iter()
        .find(|bad| text.contains(bad))
        .map(|bad| format!("`{bad}` would be run by Asterisk's dialplan"))
}

/// A short text that people read: a display name, a description. At most 200 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Text(String);

impl Text {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Text {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        // Blanks around it are a slip; a line break or a tab is told, for it would be lost.
        let text = text.trim_matches(' ');
        if let Some(why) = uncarried(text) {
            return refuse(why, "letters, digits, spaces and . , : ; ' ( ) / - _ + & @ ! ? and the like are fine");
        }
        if text.len() > 200 {
            return refuse(
                format!("this text is too long: {} bytes", text.len()),
                "at most 200 bytes: letters with accents count two or more",
            );
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(Text, "Text", "text", { "maxLength": 200 });

/// A name shown on a telephone's display. At most 79 bytes: Asterisk cuts longer ones, perhaps inside a letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DisplayName(String);

impl DisplayName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DisplayName {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        let text: Text = text.parse()?;
        if text.0.is_empty() {
            return refuse("a name cannot be empty", "leave the field out for none");
        }
        if text.0.len() > 79 {
            return refuse(
                format!("this is too long for a telephone's display: {} bytes", text.0.len()),
                "at most 79 bytes: letters with accents count two or more",
            );
        }
        if text.0.contains(',') {
            return refuse("`,` cannot be carried in a display name", "write `Ana Reyes`, not `Reyes, Ana`");
        }
        Ok(Self(text.0))
    }
}

impl fmt::Display for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(DisplayName, "DisplayName", "text", { "maxLength": 79, "examples": ["Ana Reyes"] });

/// An object's name: `sales`, `1001`, `+351210001000`.
///
/// Which names a kind accepts is the kind's to say; every name is a word that any format can carry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<str>);

impl Name {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name without a leading `+`: the digits of a number.
    pub fn digits(&self) -> &str {
        self.0.strip_prefix('+').unwrap_or(&self.0)
    }
}

impl FromStr for Name {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        let word = text.strip_prefix('+').unwrap_or(text);
        let good = !word.is_empty()
            && text.len() <= 63
            && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !word.starts_with('-')
            && (text == word || word.bytes().all(|b| b.is_ascii_digit()));
        if good {
            return Ok(Self(text.into()));
        }
        let folded: String = text
            .trim()
            .to_lowercase()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect::<String>()
            .split('-')
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("-");
        let example = if folded.is_empty() || folded.len() > 63 { "sales" } else { &folded };
        refuse(
            format!("`{}` is not a name", text.escape_debug()),
            format!("lower-case letters, digits and `-`, at most 63, as in `{example}`; or a number with its `+`"),
        )
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

text_value!(Name, "Name", "a name", {
    "pattern": r"^(\+[0-9]{1,62}|[a-z0-9][a-z0-9-]{0,62})$", "examples": ["sales", "1001"]
});

/// A telephone number: digits, with a `+` when it is international.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(Box<str>);

impl Number {
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without the `+`.
    pub fn digits(&self) -> &str {
        self.0.strip_prefix('+').unwrap_or(&self.0)
    }
}

impl FromStr for Number {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        let accepted = |text: &str| {
            let digits = text.strip_prefix('+').unwrap_or(text);
            (1..=20).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
        };
        if !accepted(text) {
            let only: String = text.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
            let example = if only.len() > 3 && accepted(&only) { &only } else { "+351210001000" };
            return refuse(
                format!("`{}` is not a telephone number", text.escape_debug()),
                format!("digits, with a `+` in front of a country code, as in `{example}`"),
            );
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(Number, "Number", "a telephone number", { "pattern": r"^\+?[0-9]{1,20}$", "examples": ["+351210001000"] });

/// An e-mail address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Email(Box<str>);

impl Email {
    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Email {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        let word = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b".!#%&'*+/=?_{}~-".contains(&b))
        };
        match text.split_once('@') {
            Some((local, domain)) if word(local) && domain.parse::<Host>().is_ok() && text.len() <= 254 => {
                Ok(Self(text.into()))
            }
            _ => refuse(
                format!("`{}` is not an e-mail address", text.escape_debug()),
                "one address, as in `ana@example.com`",
            ),
        }
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(Email, "Email", "an e-mail address", { "format": "email", "examples": ["ana@example.com"] });

/// A host: a name or an address, without a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(Box<str>);

impl Host {
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Host {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        let label = |part: &str| {
            !part.is_empty()
                && part.len() <= 63
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
                && !part.starts_with('-')
        };
        let address = text.parse::<IpAddr>().is_ok();
        let dotted_number = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if address || (!dotted_number && text.len() <= 253 && text.split('.').all(label)) {
            return Ok(Self(text.into()));
        }
        refuse(
            format!("`{}` is not a host", text.escape_debug()),
            "a name as `sip.example.com`, or an address as `203.0.113.10`",
        )
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(Host, "Host", "a host", { "examples": ["sip.example.com", "203.0.113.10"] });

/// A host with an optional port: `sip.example.com`, `203.0.113.10:5080`, `[2001:db8::1]:5060`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The host.
    pub host: Host,
    /// The port, where one was written.
    pub port: Option<u16>,
}

impl FromStr for Endpoint {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        if let Some((_, rest)) = text
            .split_once("://")
            .or_else(|| text.split_once(':').filter(|(scheme, _)| scheme.starts_with("sip") && scheme.len() <= 4))
        {
            return refuse(
                format!("`{}` is an address with a scheme, not a host", text.escape_debug()),
                format!("write the host alone: `{}`", rest.trim_matches('/').escape_debug()),
            );
        }
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            // Whatever else stands behind the bracket is refused with it.
            Some((host, rest)) => rest.strip_prefix(':').map_or((text, None), |port| (host, Some(port))),
            None if text.matches(':').count() > 1 => (text, None),
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        let port = match port {
            None => None,
            Some(digits) => match digits.parse::<u16>() {
                Ok(port) if port > 0 && !digits.starts_with('+') => Some(port),
                _ => {
                    return refuse(
                        format!("`{}` is not a port", digits.escape_debug()),
                        "a number from 1 to 65535, as in `sip.example.com:5080`",
                    );
                }
            },
        };
        Ok(Self { host: host.parse()?, port })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v6 = self.host.as_str().contains(':');
        match (v6, self.port) {
            (true, Some(port)) => write!(f, "[{}]:{port}", self.host),
            (true, None) => write!(f, "[{}]", self.host),
            (false, Some(port)) => write!(f, "{}:{port}", self.host),
            (false, None) => write!(f, "{}", self.host),
        }
    }
}

text_value!(Endpoint, "HostPort", "a host, with a port if it is not the usual one", { "examples": ["sip.example.com", "203.0.113.10:5080"] });

/// An address or a network in CIDR notation: `203.0.113.10`, `10.0.0.0/8`, `2001:db8::/32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    /// The network's address.
    pub address: IpAddr,
    /// Leading bits that count; all of them for one host.
    pub prefix: u8,
}

impl Network {
    /// Whether an address lies in the network.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.bits(address) == self.bits(self.address)
    }

    /// Whether two networks share an address.
    pub fn overlaps(&self, other: &Self) -> bool {
        let wider = if self.prefix <= other.prefix { (self, other) } else { (other, self) };
        wider.0.contains(wider.1.address)
    }

    /// The address of the network of so many leading bits that it lies in.
    pub(crate) fn within(&self, prefix: u8) -> IpAddr {
        let prefix = u32::from(prefix);
        match self.address {
            IpAddr::V4(v4) => IpAddr::V4((u32::from(v4) & !u32::MAX.checked_shr(prefix).unwrap_or(0)).into()),
            IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::MAX.checked_shr(prefix).unwrap_or(0)).into()),
        }
    }

    /// The leading bits of an address that count, with its family; of another family than ours, none of ours.
    fn bits(&self, address: IpAddr) -> (bool, u128) {
        match address {
            IpAddr::V4(v4) => {
                (false, u128::from(u32::from(v4).checked_shr(32 - u32::from(self.prefix.min(32))).unwrap_or(0)))
            }
            IpAddr::V6(v6) => (true, u128::from(v6).checked_shr(128 - u32::from(self.prefix)).unwrap_or(0)),
        }
    }
}

impl FromStr for Network {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let help = "an address as `203.0.113.10` or a network as `10.0.0.0/8`; names are not looked up here";
        let Ok(address) = address.parse::<IpAddr>() else {
            return refuse(format!("`{}` is not an address or a network", text.escape_debug()), help);
        };
        let all = if address.is_ipv4() { 32 } else { 128 };
        let network = match prefix.map(|digits| digits.parse().ok().filter(|_| !digits.starts_with('+'))) {
            None => Self { address, prefix: all },
            Some(Some(prefix)) if prefix <= all => Self { address, prefix },
            Some(_) => {
                return refuse(
                    format!("`{}` is not a network", text.escape_debug()),
                    format!("behind the `/` stands how many bits count, from 0 to {all}, as in `10.0.0.0/8`"),
                );
            }
        };
        let host_bits = match address {
            IpAddr::V4(v4) if network.prefix < 32 => u32::from(v4) << network.prefix != 0,
            IpAddr::V6(v6) if network.prefix < 128 => u128::from(v6) << network.prefix != 0,
            _ => false,
        };
        if host_bits {
            let first = network.within(network.prefix);
            return refuse(
                format!("`{text}` is one address and a whole network at once"),
                format!("write `{first}/{}` for the network, or `{address}` for the one address", network.prefix),
            );
        }
        Ok(network)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = if self.address.is_ipv4() { 32 } else { 128 };
        if self.prefix == all { write!(f, "{}", self.address) } else { write!(f, "{}/{}", self.address, self.prefix) }
    }
}

text_value!(Network, "Network", "an address or a network", { "examples": ["203.0.113.10", "10.0.0.0/8"] });

/// A length of time in whole seconds, written `25s`, `5m`, `1h30m`, `90d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(pub u64);

impl Duration {
    /// In seconds.
    pub fn seconds(self) -> u64 {
        self.0
    }
}

impl FromStr for Duration {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        let mut total: u64 = 0;
        let mut digits = String::new();
        let bad = || {
            let help = if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() {
                format!("a number needs its unit: `{text}s` for seconds, `{text}m` for minutes")
            } else {
                "a number and its unit: `25s`, `5m`, `1h30m`, `90d`".to_owned()
            };
            refuse(format!("`{}` is not a length of time", text.escape_debug()), help)
        };
        for c in text.chars() {
            let unit = match c {
                '0'..='9' => {
                    digits.push(c);
                    continue;
                }
                's' => 1,
                'm' => 60,
                'h' => 3600,
                'd' => 86400,
                _ => return bad(),
            };
            match digits.parse::<u64>().ok().and_then(|n| n.checked_mul(unit)).and_then(|n| n.checked_add(total)) {
                Some(sum) if sum <= 36500 * 86400 => total = sum,
                _ => return bad(),
            }
            digits.clear();
        }
        if !digits.is_empty() || text.is_empty() { bad() } else { Ok(Self(total)) }
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, letter) in [(86400, 'd'), (3600, 'h'), (60, 'm'), (1, 's')] {
            if rest >= unit {
                write!(f, "{}{letter}", rest / unit)?;
                rest %= unit;
            }
        }
        Ok(())
    }
}

text_value!(Duration, "Duration", "a length of time", { "pattern": "^([0-9]+[smhd])+$", "examples": ["25s", "1h30m"] });

/// A time zone of the IANA database, as `Europe/Lisbon`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeZone(Box<str>);

impl TimeZone {
    /// The zone's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The zone's rules.
    pub fn rules(&self) -> jiff::tz::TimeZone {
        jiff::tz::TimeZone::get(&self.0).unwrap_or(jiff::tz::TimeZone::UTC)
    }
}

impl Default for TimeZone {
    fn default() -> Self {
        Self("UTC".into())
    }
}

impl FromStr for TimeZone {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        if let Ok(zone) = jiff::tz::TimeZone::get(text)
            && let Some(name) = zone.iana_name()
        {
            return Ok(Self(name.into()));
        }
        let database = jiff::tz::db();
        let names: Vec<String> = database.available().map(|name| name.as_str().to_owned()).collect();
        let near =
            crate::diagnostic::nearest(text, names.iter().map(String::as_str)).map(str::to_owned).or_else(|| {
                // `Lisbon` alone is how people say it.
                names
                    .iter()
                    .find(|name| name.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(text)))
                    .cloned()
            });
        refuse(
            format!("`{}` is not a time zone", text.escape_debug()),
            near.map_or("a name of the IANA database, as `Europe/Lisbon`".to_owned(), |near| {
                format!("did you mean `{near}`?")
            }),
        )
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(TimeZone, "TimeZone", "a time zone", { "examples": ["Europe/Lisbon"] });

/// A codec that Asterisk 22 knows by this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// G.711 A-law, the telephone network's codec outside North America and Japan.
    Alaw,
    /// G.711 µ-law, the telephone network's codec in North America and Japan.
    Ulaw,
    /// G.722, wideband.
    G722,
    /// Opus; Asterisk passes it through, and transcodes it only with a module that Debian does not ship.
    Opus,
    /// G.729.
    G729,
    /// G.726.
    G726,
    /// GSM full rate.
    Gsm,
    /// iLBC.
    Ilbc,
    /// Speex.
    Speex,
    /// Signed linear, 8 kHz.
    Slin,
    /// Signed linear, 16 kHz.
    Slin16,
    /// H.264 video.
    H264,
    /// VP8 video.
    Vp8,
    /// VP9 video.
    Vp9,
    /// Codec 2.
    Codec2,
    /// Siren 7 (G.722.1).
    Siren7,
    /// Siren 14 (G.722.1C).
    Siren14,
    /// Enhanced Voice Services; Asterisk has it only with a module that neither it nor Debian ships.
    Evs,
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A pattern of dialled numbers, in Asterisk's language: `_` and then digits, `X` (0-9), `Z` (1-9), `N` (2-9), `[2-57]`, and at
/// the end `.` (one or more) or `!` (none or more). A number without `_` stands for itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(Box<str>);

/// One place of a pattern: the set of characters that it accepts, or the open end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// One character of a set: bit n is digit n, bit 10 `*`, bit 11 `#`, bit 12 `+`.
    One(u16),
    /// One or more of anything.
    OneOrMore,
    /// None or more of anything.
    NoneOrMore,
}

impl Pattern {
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn bit(c: u8) -> Option<u16> {
        match c {
            b'0'..=b'9' => Some(1 << (c - b'0')),
            b'*' => Some(1 << 10),
            b'#' => Some(1 << 11),
            b'+' => Some(1 << 12),
            _ => None,
        }
    }

    fn places_of(text: &str) -> Result<Vec<Place>, &'static str> {
        let Some(body) = text.strip_prefix('_') else {
            return text
                .bytes()
                .map(|c| {
                    Self::bit(c)
                        .map(Place::One)
                        .ok_or("a pattern starts with `_`, and a number has only digits, `*`, `#` and `+`")
                })
                .collect();
        };
        let mut places = Vec::new();
        let mut bytes = body.bytes().enumerate().peekable();
        while let Some((at, c)) = bytes.next() {
            let set = match c {
                b'X' => 0b11_1111_1111,
                b'Z' => 0b11_1111_1110,
                b'N' => 0b11_1111_1100,
                b'.' | b'!' if at + 1 != body.len() => return Err("`.` and `!` stand only at the end"),
                b'.' => {
                    places.push(Place::OneOrMore);
                    continue;
                }
                b'!' => {
                    places.push(Place::NoneOrMore);
                    continue;
                }
                b'[' => {
                    let mut set = 0;
                    let mut last: Option<u8> = None;
                    loop {
                        match bytes.next() {
                            Some((_, b']')) => break,
                            Some((_, b'-')) => {
                                let (Some(from), Some((_, to))) = (last.take(), bytes.next()) else {
                                    return Err("a range in brackets is written `[2-5]`");
                                };
                                if !from.is_ascii_digit() || !to.is_ascii_digit() || from >= to {
                                    return Err("a range in brackets goes up, as in `[2-5]`");
                                }
                                for digit in from..=to {
                                    set |= 1 << (digit - b'0');
                                }
                            }
                            Some((_, c)) => {
                                set |= Self::bit(c).ok_or("brackets hold digits and ranges, as in `[2-57]`")?;
                                last = Some(c);
                            }
                            None => return Err("a bracket is not closed"),
                        }
                    }
                    if set == 0 {
                        return Err("a bracket is empty");
                    }
                    set
                }
                c => Self::bit(c).ok_or("after `_` come digits, X, Z, N, brackets, and at the end `.` or `!`")?,
            };
            places.push(Place::One(set));
        }
        Ok(places)
    }

    /// The pattern, place by place.
    pub fn places(&self) -> Vec<Place> {
        Self::places_of(&self.0).unwrap_or_default()
    }

    /// A dialled number, place by place; nothing where no telephone could dial it.
    pub(crate) fn places_of_number(number: &str) -> Option<Vec<Place>> {
        number.bytes().map(|c| Self::bit(c).map(Place::One)).collect()
    }

    /// Whether a dialled number matches.
    pub fn matches(&self, number: &str) -> bool {
        let mut rest = number.bytes();
        for place in self.places() {
            match place {
                Place::One(set) => match rest.next().and_then(Self::bit) {
                    Some(bit) if set & bit != 0 => {}
                    _ => return false,
                },
                Place::OneOrMore => return rest.next().is_some(),
                Place::NoneOrMore => return true,
            }
        }
        rest.next().is_none()
    }

    /// Whether some number matches both.
    pub fn overlaps(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.places(), other.places());
        for at in 0.. {
            match (ours.get(at), theirs.get(at)) {
                (Some(Place::One(a)), Some(Place::One(b))) if a & b == 0 => return false,
                (Some(Place::One(_)), Some(Place::One(_))) => {}
                (None, None | Some(Place::NoneOrMore)) | (Some(Place::NoneOrMore), None) => return true,
                (None, Some(_)) | (Some(_), None) => return false,
                // An open end takes whatever the other goes on with; both have at least one character here.
                _ => return true,
            }
        }
        true
    }

    /// How many characters every matching number has at the least.
    pub fn shortest(&self) -> usize {
        self.places().iter().filter(|place| !matches!(place, Place::NoneOrMore)).count()
    }
}

impl FromStr for Pattern {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        match Self::places_of(text) {
            Ok(places) if !places.is_empty() && text.len() <= 60 => Ok(Self(text.into())),
            Ok(_) => refuse(
                format!("`{}` is not a pattern", text.escape_debug()),
                "between 1 and 60 characters, as in `_00X.`",
            ),
            Err(why) => refuse(
                format!("`{}` is not a pattern: {why}", text.escape_debug()),
                "as in `_00X.`, `_9[1-3]XXXXXXX`, `112`",
            ),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(Pattern, "Pattern", "a pattern of numbers", { "examples": ["_00X.", "112"] });

/// Digits that are put in front of a number: `+`, `00`, `9`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Prefix(Box<str>);

impl Prefix {
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Prefix {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        if text.len() <= 20
            && text
                .bytes()
                .enumerate()
                .all(|(at, b)| b.is_ascii_digit() || b"*#".contains(&b) || (b == b'+' && at == 0))
        {
            return Ok(Self(text.into()));
        }
        refuse(
            format!("`{}` cannot stand in front of a number", text.escape_debug()),
            "at most 20 digits, `*` and `#`, with a `+` only at the start",
        )
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(Prefix, "Prefix", "digits to put in front", { "pattern": r"^\+?[0-9*#]{0,20}$", "examples": ["+", "00"] });

/// What a phone dials for a service: `*97`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeatureCode(Box<str>);

impl FeatureCode {
    /// As dialled.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FeatureCode {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        if (1..=10).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit() || b"*#".contains(&b)) {
            return Ok(Self(text.into()));
        }
        refuse(
            format!("`{}` cannot be dialled as a code", text.escape_debug()),
            "1 to 10 of digits, `*` and `#`, in quotes, as in `\"*97\"`",
        )
    }
}

impl fmt::Display for FeatureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(FeatureCode, "FeatureCode", "a code to dial", { "pattern": r"^[0-9*#]{1,10}$", "examples": ["*97"] });

/// An absolute path of a file on the telephone system's machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilePath(Box<str>);

impl FilePath {
    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FilePath {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        if text.starts_with('/') && text.len() <= 255 && uncarried(text).is_none() && !text.contains([';', ',']) {
            return Ok(Self(text.into()));
        }
        refuse(
            format!("`{}` is not a path of a file", text.escape_debug()),
            "an absolute path without special characters, as in `/etc/asterisk/keys/pbx.pem`",
        )
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(FilePath, "FilePath", "an absolute path", { "pattern": "^/", "examples": ["/etc/asterisk/keys/pbx.pem"] });

/// A class of calls that an extension may be allowed to make: `national`, `international`.
pub type Permission = Name;
