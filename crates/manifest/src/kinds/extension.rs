//! Extensions and what they share.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::mailbox::{Greetings, limits, pin};
use super::{Transport, yes};
use crate::check::Checker;
use crate::dest::Destination;
use crate::diagnostic::Diagnostic;
use crate::kind::{Catalog, Kind, Spec};
use crate::secret::Secret;
use crate::sound::Audio;
use crate::text::{
    Codec, DisplayName, Duration, Email, Name, Network, Number, Permission, Refused, Text, TimeZone, refuse,
};

/// What others see when this telephone calls.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CallerId {
    /// Shown outside, on calls by a carrier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<Number>,
    /// Shown instead of the display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<DisplayName>,
}

/// Where calls go instead of ringing, or after it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CallForward {
    /// Every call, without ringing. Groups leave the telephone out: a call to all of them is not for one to send away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub always: Option<Destination>,
    /// When the telephone is busy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub busy: Option<Destination>,
    /// When nobody answers within the ring timeout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_answer: Option<Destination>,
    /// When no telephone is registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<Destination>,
}

/// Which calls are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Recording {
    /// None.
    #[default]
    Never,
    /// Every call that is answered.
    Always,
    /// Those for which someone dials the recording code during the call.
    OnDemand,
}

/// How speech is protected on the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum MediaEncryption {
    /// Not at all.
    #[default]
    None,
    /// SRTP with keys in the signalling; use it with `transport: tls`.
    Sdes,
}

/// An extension's voicemail box.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Voicemail {
    /// Whether there is a box. Default: the profile's, else no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Whether mails carry the message as an attachment. Default: the profile's, else yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attach: Option<bool>,
    /// Whether a message is deleted once it was mailed. Default: the profile's, else no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete_after_mail: Option<bool>,
    /// What its owner types to hear messages: 4 to 10 digits. Default: generated.
    pub pin: Secret,
    /// What callers hear before the tone. Default: Asterisk's own sentence, or what was recorded by telephone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub greeting: Option<Audio>,
    /// What they hear for special reasons.
    pub greetings: Greetings,
    /// The zone of the times that are said and mailed. Default: the settings'.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<TimeZone>,
    /// How many messages it holds, 1 to 9999. Default: 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 9999))]
    pub max_messages: Option<u32>,
    /// How long a message may be, `1s` to `1h`. Default: as `voicemail.conf` has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<Duration>,
    /// Where callers go who press 0 while they are greeted. Default: 0 does nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<Destination>,
}

/// What the voicemail boxes of a profile's extensions share.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProfileVoicemail {
    /// Whether there is a box.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Whether mails carry the message as an attachment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attach: Option<bool>,
    /// Whether a message is deleted once it was mailed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete_after_mail: Option<bool>,
}

/// Declares a type with its own fields and those that an extension takes from its profile when it does not name them.
macro_rules! with_shared_fields {
    ($(#[$meta:meta])* pub struct $Name:ident { $($own:tt)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $Name {
            $($own)*
            /// Codecs, the preferred one first. Default: `[g722, alaw, ulaw]`; for `webrtc`, `[opus, g722, alaw, ulaw]`.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub codecs: Option<Vec<Codec>>,
            /// How many telephones may register at once, 1 to 10; all of them ring. Default: 1.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[schemars(range(min = 1, max = 10))]
            pub max_contacts: Option<u32>,
            /// How many calls at once before it counts as busy, 1 to 100. Default: 2.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[schemars(range(min = 1, max = 100))]
            pub max_calls: Option<u32>,
            /// What calls to the telephone are sent by. It may register and call by any. Default: what it has registered by.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub transport: Option<Transport>,
            /// Whether a browser may register: WebSocket, ICE, DTLS-SRTP. Default: no.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub webrtc: Option<bool>,
            /// How speech is protected. Default: `none`; `webrtc` always uses DTLS.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub media_encryption: Option<MediaEncryption>,
            /// Whether speech may flow past Asterisk between telephones. Default: no.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub direct_media: Option<bool>,
            /// How often a registered telephone is asked whether it is there; `0s` for never. Default: `60s`.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub qualify: Option<Duration>,
            /// Networks that a telephone may register and call from. Default: any.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub allow_from: Option<Vec<Network>>,
            /// Classes of outside calls that it may make, as the outbound routes name them. Default: `[internal]`, none.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub permissions: Option<Vec<Permission>>,
            /// How long it rings before `noAnswer`, `1s` to `10m`. Default: `25s`.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub ring_timeout: Option<Duration>,
            /// Which calls are recorded. Default: `never`.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub record: Option<Recording>,
            /// The language of spoken prompts, as `en` or `pt-br`. Default: the settings'.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub language: Option<Name>,
            /// Telephones with the same name here take each other's calls by the code of `pickup`. Default: none.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub pickup_group: Option<Name>,
            /// What is played to those that it puts on hold. Default: Asterisk's own music.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub hold_music: Option<Name>,
        }
    };
}

with_shared_fields! {
    /// A person's or device's telephone: a SIP endpoint with its number.
    pub struct Extension {
        /// Turned off, the telephone can neither register nor be called; its number stays its own, and callers are told that it is
        /// unknown.
        #[serde(default = "yes")]
        pub enabled: bool,
        /// For those who read manifests.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub description: Option<Text>,
        /// Shown on the telephones it calls.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub display_name: Option<DisplayName>,
        /// Where voicemail is mailed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub email: Option<Email>,
        /// Who answers for it: a person, a department.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub owner: Option<Text>,
        /// The profile whose fields hold where this extension names none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub profile: Option<Name>,
        /// What others see when it calls.
        #[serde(default)]
        pub caller_id: CallerId,
        /// The telephone's SIP password; its user name is the extension's number.
        #[serde(default)]
        pub password: Secret,
        /// Where calls go instead of ringing, or after it.
        #[serde(default)]
        pub call_forward: CallForward,
        /// Where unanswered, busy and unreachable calls go unless `callForward` says otherwise. Default: its voicemail box,
        /// if there is one; else the call ends.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub no_answer: Option<Destination>,
        /// Does not ring: callers go where busy ones go, and groups leave the telephone out.
        #[serde(default)]
        pub do_not_disturb: bool,
        /// Its voicemail box.
        #[serde(default)]
        pub voicemail: Voicemail,
    }
}

with_shared_fields! {
    /// What many extensions share.
    pub struct ExtensionProfile {
        /// Turned off, it may not be used.
        #[serde(default = "yes")]
        pub enabled: bool,
        /// For those who read manifests.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub description: Option<Text>,
        /// What others see when one of its extensions calls.
        #[serde(default)]
        pub caller_id: CallerId,
        /// What its extensions' voicemail boxes share.
        #[serde(default)]
        pub voicemail: ProfileVoicemail,
    }
}

/// An extension with its profile and the defaults applied: everything that is rendered, nothing left open.
#[derive(Debug, Clone, PartialEq)]
pub struct Phone<'c> {
    /// Its number, which is its SIP user name.
    pub name: &'c Name,
    /// The manifest's own fields.
    pub spec: &'c Extension,
    /// Codecs, the preferred one first.
    pub codecs: Vec<Codec>,
    /// How many telephones may register.
    pub max_contacts: u32,
    /// How many calls at once before it is busy.
    pub max_calls: u32,
    /// What calls to it are sent by, if not what it has registered by.
    pub transport: Option<Transport>,
    /// Whether it is a browser.
    pub webrtc: bool,
    /// How speech is protected.
    pub media_encryption: MediaEncryption,
    /// Whether speech may flow past Asterisk.
    pub direct_media: bool,
    /// How often it is asked whether it is there.
    pub qualify: Duration,
    /// Networks it may come from; empty for any.
    pub allow_from: &'c [Network],
    /// What it may dial outside; `internal` left out.
    pub permissions: BTreeSet<&'c str>,
    /// How long it rings.
    pub ring_timeout: Duration,
    /// Which calls are recorded.
    pub record: Recording,
    /// The language of prompts, where one is named.
    pub language: Option<&'c Name>,
    /// Whose calls it may take, and who may take its.
    pub pickup_group: Option<&'c Name>,
    /// What is played to those that it puts on hold.
    pub hold_music: Option<&'c Name>,
    /// The number shown outside.
    pub outside_number: Option<&'c Number>,
    /// The name shown.
    pub display_name: Option<&'c DisplayName>,
    /// Whether it has a voicemail box.
    pub voicemail: bool,
    /// Whether mails carry the message.
    pub voicemail_attach: bool,
    /// Whether mailed messages are deleted.
    pub voicemail_delete: bool,
}

impl Phone<'_> {
    /// The fields that an extension shares with profiles, each with the value that holds: its own, its profile's, or the default.
    /// Only those that are wanted; null where there is no value.
    pub(crate) fn shared(&self, wanted: impl Fn(&str) -> bool) -> Json {
        let mut shared = Map::new();
        let mut put = |field: &str, value: &dyn Fn() -> Json| {
            if wanted(field) {
                shared.insert(field.to_owned(), value());
            }
        };
        put("callerId", &|| json!({ "number": self.outside_number, "name": self.display_name }));
        put("codecs", &|| json!(self.codecs));
        put("maxContacts", &|| json!(self.max_contacts));
        put("maxCalls", &|| json!(self.max_calls));
        put("transport", &|| json!(self.transport));
        put("webrtc", &|| json!(self.webrtc));
        put("mediaEncryption", &|| json!(self.media_encryption));
        put("directMedia", &|| json!(self.direct_media));
        put("qualify", &|| json!(self.qualify));
        put("allowFrom", &|| json!(self.allow_from));
        put("permissions", &|| {
            json!(std::iter::once("internal").chain(self.permissions.iter().copied()).collect::<Vec<_>>())
        });
        put("ringTimeout", &|| json!(self.ring_timeout));
        put("record", &|| json!(self.record));
        put("language", &|| json!(self.language));
        put("pickupGroup", &|| json!(self.pickup_group));
        put("holdMusic", &|| json!(self.hold_music));
        put("voicemail", &|| {
            json!({
                "enabled": self.voicemail,
                "attach": self.voicemail_attach,
                "deleteAfterMail": self.voicemail_delete,
            })
        });
        Json::Object(shared)
    }

    /// Where calls go that found it busy, unanswered or unreachable, and no forward of their own.
    pub fn fallback(&self) -> Option<Destination> {
        self.spec.no_answer.clone().or_else(|| self.voicemail.then(|| Destination::Voicemail(self.name.clone())))
    }
}

impl Catalog {
    /// An extension with its profile and the defaults applied.
    pub fn phone(&self, name: &Name) -> Option<Phone<'_>> {
        let (name, extension) = self.extensions.get_key_value(name)?;
        let spec = &extension.spec;
        let profile = spec.profile.as_ref().and_then(|profile| self.profiles.get(profile)).map(|object| &object.spec);
        macro_rules! either {
            ($field:ident) => {
                spec.$field.as_ref().or_else(|| profile.and_then(|profile| profile.$field.as_ref()))
            };
            ($part:ident.$field:ident) => {
                spec.$part.$field.as_ref().or_else(|| profile.and_then(|profile| profile.$part.$field.as_ref()))
            };
        }
        let webrtc = either!(webrtc).copied().unwrap_or(false);
        let codecs = either!(codecs).cloned().unwrap_or_else(|| {
            let opus = webrtc.then_some(Codec::Opus);
            opus.into_iter().chain([Codec::G722, Codec::Alaw, Codec::Ulaw]).collect()
        });
        Some(Phone {
            name,
            spec,
            codecs,
            max_contacts: either!(max_contacts).copied().unwrap_or(1),
            max_calls: either!(max_calls).copied().unwrap_or(2),
            transport: either!(transport).copied(),
            webrtc,
            media_encryption: either!(media_encryption).copied().unwrap_or_default(),
            direct_media: either!(direct_media).copied().unwrap_or(false),
            qualify: either!(qualify).copied().unwrap_or(Duration(60)),
            allow_from: either!(allow_from).map_or(&[], Vec::as_slice),
            permissions: either!(permissions)
                .map(|names| names.iter().map(Name::as_str).filter(|name| *name != "internal").collect())
                .unwrap_or_default(),
            ring_timeout: either!(ring_timeout).copied().unwrap_or(Duration(25)),
            record: either!(record).copied().unwrap_or_default(),
            language: either!(language)
                .or_else(|| self.settings.values().next().and_then(|settings| settings.spec.language.as_ref())),
            pickup_group: either!(pickup_group),
            hold_music: either!(hold_music),
            outside_number: either!(caller_id.number),
            display_name: either!(caller_id.name).or(spec.display_name.as_ref()),
            voicemail: either!(voicemail.enabled).copied().unwrap_or(false),
            voicemail_attach: either!(voicemail.attach).copied().unwrap_or(true),
            voicemail_delete: either!(voicemail.delete_after_mail).copied().unwrap_or(false),
        })
    }
}

/// Checks the fields that extensions and profiles share.
macro_rules! check_shared {
    ($spec:expr, $checker:expr) => {{
        let (spec, checker) = ($spec, &mut *$checker);
        in_range(checker, "spec.maxContacts", spec.max_contacts, 1, 10);
        in_range(checker, "spec.maxCalls", spec.max_calls, 1, 100);
        if let Some(codecs) = &spec.codecs {
            if codecs.is_empty() {
                checker.add(
                    "spec.codecs",
                    Diagnostic::error("empty", "no codec is left").help("leave the field out for the default"),
                );
            }
            if let Some(at) = (1..codecs.len()).find(|at| codecs[..*at].contains(&codecs[*at])) {
                checker.add(
                    &format!("spec.codecs[{at}]"),
                    Diagnostic::error("repeated", format!("codec `{}` is given twice", codecs[at]))
                        .help("remove one of them"),
                );
            }
        }
        if let Some(timeout) = spec.ring_timeout
            && !(1..=600).contains(&timeout.seconds())
        {
            checker.add(
                "spec.ringTimeout",
                Diagnostic::error("range", format!("`{timeout}` is out of range")).help("from `1s` to `10m`"),
            );
        }
        if let Some(qualify) = spec.qualify
            && qualify.seconds() > 86400
        {
            checker.add(
                "spec.qualify",
                Diagnostic::error("range", format!("`{qualify}` is out of range")).help("from `0s` (never) to `1d`"),
            );
        }
        if let Some(music) = &spec.hold_music {
            checker.reference("spec.holdMusic", Kind::HoldMusic, music);
        }
        for (at, permission) in spec.permissions.iter().flatten().enumerate() {
            known_permission(checker, &format!("spec.permissions[{at}]"), permission);
        }
    }};
}

fn in_range(checker: &mut Checker<'_>, path: &str, value: Option<u32>, least: u32, most: u32) {
    if let Some(value) = value
        && !(least..=most).contains(&value)
    {
        checker.add(
            path,
            Diagnostic::error("range", format!("{value} is out of range")).help(format!("from {least} to {most}")),
        );
    }
}

/// A permission that no route asks for allows nothing: probably a slip.
fn known_permission(checker: &mut Checker<'_>, path: &str, permission: &Permission) {
    let catalog = checker.catalog();
    let known =
        |class: &str| class == "internal" || catalog.routes.values().any(|r| r.spec.permission.as_str() == class);
    if known(permission.as_str()) {
        return;
    }
    let mut classes: BTreeSet<&str> = catalog.routes.values().map(|route| route.spec.permission.as_str()).collect();
    classes.insert("internal");
    let help = match crate::diagnostic::nearest(permission.as_str(), classes.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!(
            "the routes' classes are {}",
            classes.iter().map(|class| format!("`{class}`")).collect::<Vec<_>>().join(", ")
        ),
    };
    checker.add(
        path,
        Diagnostic::warning("unknown-permission", format!("no outbound route has the permission class `{permission}`"))
            .help(help),
    );
}

impl Spec for Extension {
    fn check_name(name: &Name) -> Result<(), Refused> {
        if (1..=15).contains(&name.as_str().len()) && name.as_str().bytes().all(|b| b.is_ascii_digit()) {
            return Ok(());
        }
        refuse(
            format!("`{name}` cannot be an extension's number"),
            "1 to 15 digits, as in `\"1001\"`; a person's name goes into `displayName`",
        )
    }

    fn check(&self, name: &Name, checker: &mut Checker<'_>) {
        if let Some(profile) = &self.profile {
            checker.reference("spec.profile", Kind::ExtensionProfile, profile);
        }
        check_shared!(self, checker);
        let forwards = [
            ("always", &self.call_forward.always),
            ("busy", &self.call_forward.busy),
            ("noAnswer", &self.call_forward.no_answer),
            ("unavailable", &self.call_forward.unavailable),
        ];
        for (field, destination) in forwards {
            let path = format!("spec.callForward.{field}");
            if let Some(destination) = destination {
                checker.destination(&path, destination);
                to_itself(checker, &path, name, destination);
            }
        }
        if let Some(destination) = &self.no_answer {
            checker.destination("spec.noAnswer", destination);
            to_itself(checker, "spec.noAnswer", name, destination);
        }
        limits(checker, "spec.voicemail", self.voicemail.max_messages, self.voicemail.max_length);
        if let Some(operator) = &self.voicemail.operator {
            checker.destination("spec.voicemail.operator", operator);
        }
        pin(checker, "spec.voicemail.pin", &self.voicemail.pin);
        let Some(phone) = checker.catalog().phone(name) else { return };
        if phone.webrtc && phone.transport.is_some_and(|transport| !matches!(transport, Transport::Ws | Transport::Wss))
        {
            checker.add(
                "spec.transport",
                Diagnostic::error("conflict", "a browser registers by WebSocket only")
                    .help("leave `transport` out, or use `wss`"),
            );
        }
        if let Some(transport) = phone.transport
            && !checker.catalog().settings().transports.has(transport)
        {
            let word = transport.word().to_uppercase();
            checker.add(
                if self.transport.is_some() { "spec.transport" } else { "spec.profile" },
                Diagnostic::error(
                    "no-transport",
                    format!("telephones are to use {word}, but the settings have no {word} transport"),
                )
                .help(transport.remedy()),
            );
        }
        if phone.media_encryption == MediaEncryption::Sdes && phone.transport != Some(Transport::Tls) && !phone.webrtc {
            checker.add(
                if self.media_encryption.is_some() { "spec.mediaEncryption" } else { "spec.profile" },
                Diagnostic::warning(
                    "weak-encryption",
                    "keys of `sdes` travel in the signalling, which is not encrypted here",
                )
                .help("set `transport: tls`"),
            );
        }
        if phone.voicemail && phone.voicemail_delete && self.email.is_none() {
            checker.add(
                "spec.voicemail",
                Diagnostic::error(
                    "lost-messages",
                    "messages would be deleted after mailing, but there is no `email` to mail them to",
                )
                .help("add `email`, or set `deleteAfterMail: false`"),
            );
        }
    }

    fn audio(&self) -> Vec<(String, &Audio)> {
        let own = self.voicemail.greeting.iter().map(|audio| ("voicemail.greeting".to_owned(), audio));
        let special = self.voicemail.greetings.audio().map(|(field, audio)| (format!("voicemail.{field}"), audio));
        own.chain(special).collect()
    }

    fn secrets(&self) -> Vec<(String, &Secret)> {
        // The box may be turned on by a profile: its PIN is there whether or not it is used today.
        vec![("password".into(), &self.password), ("voicemail.pin".into(), &self.voicemail.pin)]
    }

    fn enabled(&self) -> bool {
        self.enabled
    }
}

fn to_itself(checker: &mut Checker<'_>, path: &str, name: &Name, destination: &Destination) {
    if matches!(destination, Destination::Extension(target) if target == name) {
        checker.add(
            path,
            Diagnostic::error("loop", format!("extension `{name}` forwards to itself"))
                .help("send the call elsewhere, as to `voicemail/…`"),
        );
    }
}

impl Spec for ExtensionProfile {
    fn check(&self, _: &Name, checker: &mut Checker<'_>) {
        check_shared!(self, checker);
    }

    fn enabled(&self) -> bool {
        self.enabled
    }
}
