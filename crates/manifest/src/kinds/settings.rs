//! What holds for the whole telephone system.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::carrier::{SipUser, Transport};
use super::yes;
use crate::check::Checker;
use crate::diagnostic::Diagnostic;
use crate::kind::{Catalog, Spec};
use crate::secret::Secret;
use crate::text::{Duration, Endpoint, FeatureCode, FilePath, Host, Name, Network, Refused, Text, TimeZone, refuse};

/// How the system is reached from outside when it stands behind address translation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Nat {
    /// The address that the outside sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_address: Option<Host>,
    /// Networks that are reached without translation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub local_networks: Vec<Network>,
}

/// A relay for browsers behind address translation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Turn {
    /// Where it is.
    pub server: Endpoint,
    /// The account's user name.
    pub username: SipUser,
    /// Its password.
    pub password: Secret,
}

/// How browsers find a way through address translation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Ice {
    /// STUN servers; Asterisk uses the first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stun: Vec<Endpoint>,
    /// TURN servers; Asterisk uses the first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub turn: Vec<Turn>,
}

/// A UDP or TCP transport.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UdpTransport {
    /// Turned off, nothing listens.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Address and port.
    #[serde(default = "everywhere")]
    pub bind: Endpoint,
}

impl Default for UdpTransport {
    fn default() -> Self {
        Self { enabled: true, bind: everywhere() }
    }
}

/// A TLS transport.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TlsTransport {
    /// Address and port.
    #[serde(default = "everywhere_tls")]
    pub bind: Endpoint,
    /// The certificate with its chain, PEM, readable by Asterisk.
    pub certificate: FilePath,
    /// Its private key, PEM, readable by Asterisk.
    pub private_key: FilePath,
}

fn everywhere() -> Endpoint {
    "0.0.0.0:5060".parse().unwrap_or_else(|_| unreachable!("an address"))
}

fn everywhere_tls() -> Endpoint {
    "0.0.0.0:5061".parse().unwrap_or_else(|_| unreachable!("an address"))
}

/// Where SIP is listened for. Browsers come by Asterisk's HTTP server, which is set up in `http.conf`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Transports {
    /// Whether they are written here; `false` leaves those of your own `pjsip.conf`, which must be named `udp`, `tcp`, `tls`.
    pub managed: bool,
    /// UDP.
    pub udp: UdpTransport,
    /// TCP.
    pub tcp: UdpTransport,
    /// TLS. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsTransport>,
}

impl Transports {
    /// Whether SIP can travel so. Those of a `pjsip.conf` of one's own are not known here, and browsers' are always there.
    pub fn has(&self, transport: Transport) -> bool {
        !self.managed
            || match transport {
                Transport::Udp => self.udp.enabled,
                Transport::Tcp => self.tcp.enabled,
                Transport::Tls => self.tls.is_some(),
                Transport::Ws | Transport::Wss => true,
            }
    }
}

impl Default for Transports {
    fn default() -> Self {
        Self { managed: true, udp: UdpTransport::default(), tcp: UdpTransport::default(), tls: None }
    }
}

/// What telephones dial for services.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FeatureCodes {
    /// To one's own voicemail box; with the number of a shared box behind it, to that one.
    pub voicemail: FeatureCode,
    /// Hears back what is said.
    pub echo_test: FeatureCode,
    /// Logs in to the queues that one is a member of.
    pub queue_login: FeatureCode,
    /// Logs out of them.
    pub queue_logout: FeatureCode,
    /// Takes a break in them, with the number of a break code behind it for a reason; dialled during a break, ends it.
    pub queue_pause: FeatureCode,
    /// Takes a call that rings in one's pickup group; with an extension behind it, the one that rings there.
    pub pickup: FeatureCode,
    /// Turns do not disturb on, and off again.
    pub do_not_disturb: FeatureCode,
    /// Forwards every call to the number behind it; alone, no longer.
    pub call_forward: FeatureCode,
    /// Finds an extension by its owner's name.
    pub directory: FeatureCode,
    /// During a call: starts and stops its recording.
    pub record: FeatureCode,
    /// During a call: parks the other side, in the first parking lot by name.
    pub park: FeatureCode,
}

impl Default for FeatureCodes {
    fn default() -> Self {
        let code = |text: &str| text.parse().unwrap_or_else(|_| unreachable!("a code"));
        Self {
            voicemail: code("*97"),
            echo_test: code("*43"),
            queue_login: code("*45"),
            queue_logout: code("*44"),
            queue_pause: code("*46"),
            pickup: code("*8"),
            do_not_disturb: code("*78"),
            call_forward: code("*72"),
            directory: code("*411"),
            record: code("*1"),
            park: code("*2"),
        }
    }
}

impl FeatureCodes {
    /// Every code that is dialled as a number, by its field.
    pub fn all(&self) -> [(&'static str, &FeatureCode); 9] {
        [
            ("voicemail", &self.voicemail),
            ("echoTest", &self.echo_test),
            ("queueLogin", &self.queue_login),
            ("queueLogout", &self.queue_logout),
            ("queuePause", &self.queue_pause),
            ("pickup", &self.pickup),
            ("doNotDisturb", &self.do_not_disturb),
            ("callForward", &self.call_forward),
            ("directory", &self.directory),
        ]
    }

    /// Whether digits may be dialled behind the code of a field.
    pub fn takes_digits(field: &str) -> bool {
        ["voicemail", "queuePause", "pickup", "callForward"].contains(&field)
    }
}

/// The UDP ports of speech.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Rtp {
    /// The first port. Default: as `rtp.conf` has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_port: Option<u16>,
    /// The last port. Default: as `rtp.conf` has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_port: Option<u16>,
}

/// What holds for the whole telephone system. There is one, named `pbx`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// Cannot be turned off.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// For those who read manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Text>,
    /// The zone of schedules that name none, and of voicemail's times.
    #[serde(default)]
    pub time_zone: TimeZone,
    /// The language of spoken prompts, as `en` or `pt-br`. Default: Asterisk's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Name>,
    /// How the system is reached from outside.
    #[serde(default)]
    pub nat: Nat,
    /// How browsers find a way through.
    #[serde(default)]
    pub ice: Ice,
    /// Where SIP is listened for.
    #[serde(default)]
    pub transports: Transports,
    /// The UDP ports of speech.
    #[serde(default)]
    pub rtp: Rtp,
    /// What telephones dial for services.
    #[serde(default)]
    pub feature_codes: FeatureCodes,
    /// The longest an outside call may last: a forgotten or stolen line ends. Default: `4h`.
    #[serde(default = "four_hours")]
    pub max_call_duration: Duration,
}

fn four_hours() -> Duration {
    Duration(4 * 3600)
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            description: None,
            time_zone: TimeZone::default(),
            language: None,
            nat: Nat::default(),
            ice: Ice::default(),
            transports: Transports::default(),
            rtp: Rtp::default(),
            feature_codes: FeatureCodes::default(),
            max_call_duration: four_hours(),
        }
    }
}

impl Catalog {
    /// The settings, or the defaults where there are none.
    pub fn settings(&self) -> std::borrow::Cow<'_, Settings> {
        match self.settings.values().next() {
            Some(object) => std::borrow::Cow::Borrowed(&object.spec),
            None => std::borrow::Cow::Owned(Settings::default()),
        }
    }
}

impl Spec for Settings {
    fn check_name(name: &Name) -> Result<(), Refused> {
        if name.as_str() == "pbx" {
            return Ok(());
        }
        refuse(format!("`{name}` cannot be the settings' name"), "there is one Settings object, and its name is `pbx`")
    }

    fn check(&self, _: &Name, checker: &mut Checker<'_>) {
        if !self.enabled {
            checker.add(
                "spec.enabled",
                Diagnostic::error("conflict", "the settings cannot be turned off").help("remove `enabled`"),
            );
        }
        if self.nat.external_address.is_some() && self.nat.local_networks.is_empty() {
            checker.add(
                "spec.nat",
                Diagnostic::error(
                    "missing-field",
                    "which networks are local? telephones in the house would be sent to the outside address",
                )
                .help("add `localNetworks: [10.0.0.0/8]` with your own networks"),
            );
        }
        let codes = self.feature_codes.all();
        for (at, (field, code)) in codes.iter().enumerate() {
            if let Some((other, _)) = codes[..at].iter().find(|(_, other)| other == code) {
                checker.add(
                    &format!("spec.featureCodes.{field}"),
                    Diagnostic::error("number-taken", format!("`{code}` is already the code of `{other}`"))
                        .help("choose another one"),
                );
            }
            // What is dialled behind one code must not be another.
            let behind = |own: &FeatureCode, other: &FeatureCode| {
                other
                    .as_str()
                    .strip_prefix(own.as_str())
                    .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            };
            if FeatureCodes::takes_digits(field)
                && let Some((other, its)) = codes.iter().find(|(_, other)| behind(code, other))
            {
                checker.add(
                    &format!("spec.featureCodes.{field}"),
                    Diagnostic::error(
                        "number-taken",
                        format!(
                            "`{its}`, the code of `{other}`, begins with `{code}`, behind which digits are dialled"
                        ),
                    )
                    .help("choose codes of which none begins with another"),
                );
            }
        }
        match (self.rtp.first_port, self.rtp.last_port) {
            (Some(first), Some(last)) if first < 1024 || last <= first => checker.add(
                "spec.rtp",
                Diagnostic::error("range", format!("{first} to {last} is no range of ports"))
                    .help("from 1024 on, the last above the first, as 10000 and 20000"),
            ),
            (Some(_), None) | (None, Some(_)) => checker.add(
                "spec.rtp",
                Diagnostic::error("missing-field", "a range of ports needs `firstPort` and `lastPort`")
                    .help("as in `rtp: { firstPort: 10000, lastPort: 20000 }`"),
            ),
            _ => {}
        }
        if !(60..=86400).contains(&self.max_call_duration.seconds()) {
            checker.add(
                "spec.maxCallDuration",
                Diagnostic::error("range", format!("`{}` is out of range", self.max_call_duration))
                    .help("from `1m` to `1d`"),
            );
        }
    }

    fn secrets(&self) -> Vec<(String, &Secret)> {
        self.ice
            .turn
            .iter()
            .enumerate()
            .map(|(at, turn)| (format!("ice.turn[{at}].password"), &turn.password))
            .collect()
    }

    fn enabled(&self) -> bool {
        self.enabled
    }
}
