//! Voicemail boxes that are no extension's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::yes;
use crate::check::{Checker, repeated};
use crate::dest::Destination;
use crate::diagnostic::Diagnostic;
use crate::kind::{Kind, Spec};
use crate::secret::{Secret, value_error_at};
use crate::sound::Audio;
use crate::text::{DisplayName, Duration, Email, Name, Refused, Text, TimeZone, refuse};

/// What callers hear for special reasons, in place of a box's greeting.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Greetings {
    /// When the telephone was busy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub busy: Option<Audio>,
    /// Before all others, as long as it is named: a holiday, an outage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temporary: Option<Audio>,
    /// The name alone, in front of Asterisk's own sentence, where there is no greeting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Audio>,
}

impl Greetings {
    /// The files, by their field.
    pub(super) fn audio(&self) -> impl Iterator<Item = (String, &Audio)> {
        [("busy", &self.busy), ("temporary", &self.temporary), ("name", &self.name)]
            .into_iter()
            .filter_map(|(field, audio)| Some((format!("greetings.{field}"), audio.as_ref()?)))
    }
}

/// A voicemail box that many share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mailbox {
    /// Turned off, there is no box: calls to it end.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// For those who read manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Text>,
    /// Whose it is, in mails and in the list of boxes. Default: its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<DisplayName>,
    /// What telephones dial to leave a message; behind the code of `voicemail`, to hear those that are there. Default: it has no number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<Name>,
    /// Where messages are mailed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// What is typed to hear messages: 4 to 10 digits. Default: generated.
    #[serde(default)]
    pub pin: Secret,
    /// Whether mails carry the message as an attachment.
    #[serde(default = "yes")]
    pub attach: bool,
    /// Whether a message is deleted once it was mailed.
    #[serde(default)]
    pub delete_after_mail: bool,
    /// What callers hear before the tone. Default: Asterisk's own sentence, or what was recorded by telephone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub greeting: Option<Audio>,
    /// What they hear for special reasons.
    #[serde(default)]
    pub greetings: Greetings,
    /// The zone of the times that are said and mailed. Default: the settings'.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<TimeZone>,
    /// How many messages it holds, 1 to 9999. Default: 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 9999))]
    pub max_messages: Option<u32>,
    /// How long a message may be, `1s` to `1h`. Default: as `voicemail.conf` has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<Duration>,
    /// Where callers go who press 0 while they are greeted. Default: 0 does nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<Destination>,
    /// The extensions whose lamp shows new messages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lamps: Vec<Name>,
}

/// A number that a telephone dials.
pub(super) fn dialled(checker: &mut Checker<'_>, number: Option<&Name>) {
    if let Some(number) = number
        && !(number.as_str().len() <= 15 && number.as_str().bytes().all(|b| b.is_ascii_digit()))
    {
        checker.add(
            "spec.number",
            Diagnostic::error("range", format!("`{number}` cannot be dialled")).help("1 to 15 digits"),
        );
    }
}

/// A PIN that stands in the manifest; what others become is seen when they are read.
pub(super) fn pin(checker: &mut Checker<'_>, path: &str, secret: &Secret) {
    if let Secret::Literal(value) = secret
        && value_error_at(path, value).is_some()
    {
        checker.add(path, Diagnostic::error("range", "a PIN has 4 to 10 digits").help("it is typed on a telephone"));
    }
}

/// The limits of a box.
pub(super) fn limits(checker: &mut Checker<'_>, below: &str, messages: Option<u32>, length: Option<Duration>) {
    if let Some(messages) = messages.filter(|messages| !(1..=9999).contains(messages)) {
        checker.add(
            &format!("{below}.maxMessages"),
            Diagnostic::error("range", format!("{messages} is out of range")).help("from 1 to 9999"),
        );
    }
    if let Some(length) = length.filter(|length| !(1..=3600).contains(&length.seconds())) {
        checker.add(
            &format!("{below}.maxLength"),
            Diagnostic::error("range", format!("`{length}` is out of range")).help("from `1s` to `1h`"),
        );
    }
}

impl Spec for Mailbox {
    fn check_name(name: &Name) -> Result<(), Refused> {
        if name.as_str().bytes().all(|b| b.is_ascii_digit()) {
            return refuse(
                format!("`{name}` would be the box of an extension"),
                "a name with a letter, as in `general`; what telephones dial is its `number`",
            );
        }
        Ok(())
    }

    fn check(&self, _: &Name, checker: &mut Checker<'_>) {
        dialled(checker, self.number.as_ref());
        pin(checker, "spec.pin", &self.pin);
        limits(checker, "spec", self.max_messages, self.max_length);
        if let Some(operator) = &self.operator {
            checker.destination("spec.operator", operator);
        }
        for (at, lamp) in self.lamps.iter().enumerate() {
            checker.reference(&format!("spec.lamps[{at}]"), Kind::Extension, lamp);
        }
        for at in repeated(&self.lamps) {
            checker.add(
                &format!("spec.lamps[{at}]"),
                Diagnostic::error("repeated", format!("`{}` is given twice", self.lamps[at]))
                    .help("remove one of them"),
            );
        }
        if self.delete_after_mail && (self.email.is_none() || !self.attach) {
            checker.add(
                "spec.deleteAfterMail",
                Diagnostic::error("lost-messages", "messages would be deleted that nobody was sent")
                    .help("add `email: …` and leave `attach` on, or remove `deleteAfterMail`"),
            );
        }
    }

    fn secrets(&self) -> Vec<(String, &Secret)> {
        if self.enabled { vec![("pin".into(), &self.pin)] } else { Vec::new() }
    }

    fn audio(&self) -> Vec<(String, &Audio)> {
        let own = self.greeting.iter().map(|audio| ("greeting".to_owned(), audio));
        own.chain(self.greetings.audio()).collect()
    }

    fn enabled(&self) -> bool {
        self.enabled
    }
}
