//! Secrets: what a manifest says of them, never their value in the open.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::diagnostic::Diagnostic;
use crate::kind::{Kind, ObjectRef};

/// Where a secret comes from: `{generate: true}`, `{env: NAME}`, `{file: PATH}`, or a literal, which is accepted with a warning.
///
/// A literal is never written back: wherever a manifest is shown again, it reads `{stored: true}`, which keeps what is stored.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum Secret {
    /// Made by pbxd the first time, kept afterwards.
    #[default]
    Generate,
    /// Read from an environment variable of whoever applies the manifest.
    Env(String),
    /// Read from a file on the machine of whoever applies the manifest.
    File(String),
    /// Whatever is stored stays.
    Stored,
    /// Written in the manifest.
    Literal(String),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Generate => f.write_str("Generate"),
            Self::Env(name) => write!(f, "Env({name})"),
            Self::File(path) => write!(f, "File({path})"),
            Self::Stored => f.write_str("Stored"),
            Self::Literal(_) => f.write_str("Literal(..)"),
        }
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Generate => map.serialize_entry("generate", &true)?,
            Self::Env(name) => map.serialize_entry("env", name)?,
            Self::File(path) => map.serialize_entry("file", path)?,
            Self::Stored | Self::Literal(_) => map.serialize_entry("stored", &true)?,
        }
        map.end()
    }
}

const FORMS: &[&str] = &["generate", "env", "file", "stored"];

/// A form's word: refused where it stands.
struct Form(String);

impl<'de> Deserialize<'de> for Form {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        if FORMS.contains(&word.as_str()) { Ok(Self(word)) } else { Err(de::Error::unknown_field(&word, FORMS)) }
    }
}

/// The name of an environment variable.
struct Variable(String);

impl<'de> Deserialize<'de> for Variable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let word = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if word && (1..=255).contains(&name.len()) && !name.starts_with(|c: char| c.is_ascii_digit()) {
            return Ok(Self(name));
        }
        Err(de::Error::custom(format!(
            "`{}` is not the name of an environment variable\nletters, digits and `_`, as in `ANA_PASSWORD`",
            name.escape_debug()
        )))
    }
}

/// A file's path, from the manifest's folder or from the root.
struct Path(String);

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = String::deserialize(deserializer)?;
        if (1..=4095).contains(&path.len()) && !path.chars().any(crate::text::invisible) {
            return Ok(Self(path));
        }
        Err(de::Error::custom(format!(
            "`{}` is not a path of a file\na path from the manifest's folder or from the root, as in `secrets/ana`",
            path.escape_debug()
        )))
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;
        impl<'de> Visitor<'de> for Forms {
            type Value = Secret;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`{generate: true}`, `{env: NAME}`, `{file: PATH}`, or the secret in quotes")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
                value_error(text).map_or_else(|| Ok(Secret::Literal(text.to_owned())), |why| Err(E::custom(why)))
            }
            // Numbers and the like are refused without being repeated: they may be the secret.
            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Secret, E> {
                Err(E::custom("a secret of digits must be in quotes\nor its leading zeros would be lost"))
            }
            fn visit_u64<E: de::Error>(self, _: u64) -> Result<Secret, E> {
                self.visit_i64(0)
            }
            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Secret, E> {
                self.visit_i64(0)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
                let Some(Form(form)) = map.next_key()? else {
                    return Err(de::Error::custom(
                        "a secret needs a form\n`{generate: true}`, `{env: NAME}` or `{file: PATH}`",
                    ));
                };
                let secret = match form.as_str() {
                    "generate" | "stored" if !map.next_value::<bool>()? => {
                        return Err(de::Error::custom(format!(
                            "`{form}: false` says nothing\nleave it out, or use `env` or `file`"
                        )));
                    }
                    "generate" => Secret::Generate,
                    "stored" => Secret::Stored,
                    "env" => Secret::Env(map.next_value::<Variable>()?.0),
                    "file" => Secret::File(map.next_value::<Path>()?.0),
                    other => return Err(de::Error::unknown_field(other, FORMS)),
                };
                if map.next_key::<de::IgnoredAny>()?.is_some() {
                    return Err(de::Error::custom("a secret has one form\neither `generate`, `env` or `file`"));
                }
                Ok(secret)
            }
        }
        deserializer.deserialize_any(Forms)
    }
}

/// Why a value cannot be carried to Asterisk as a secret, if it cannot. Never repeats the value.
pub fn value_error(value: &str) -> Option<String> {
    if value.is_empty() {
        return Some("a secret cannot be empty\nleave the field out for a generated one".into());
    }
    if value.len() > 128 {
        return Some("a secret of more than 128 bytes is not accepted by telephones\n24 letters and digits that nobody guesses are enough".into());
    }
    if value.trim() != value || value.chars().any(|c| !c.is_ascii_graphic() && c != ' ') {
        return Some("a secret has only letters without accents, digits and punctuation, and no space at its ends\nAsterisk's files cannot carry others unchanged".into());
    }
    None
}

/// Whether a field's secret is typed on a telephone, by its path.
fn is_pin(path: &str) -> bool {
    path.rsplit('.').next().is_some_and(|field| field == "pin" || field == "adminPin")
}

/// Why a value cannot be the secret of a field, by the field's path: a PIN is typed on a telephone.
pub fn value_error_at(path: &str, value: &str) -> Option<String> {
    if is_pin(path) && !((4..=10).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit())) {
        return Some("a PIN has 4 to 10 digits\nit is typed on a telephone".into());
    }
    value_error(value)
}

/// A SIP password shorter than this is found by trying: scanners try without end, and at thousands a minute.
const SHORTEST: usize = 8;

/// What is said of a secret of an object that is soon guessed. Never repeats the value.
pub fn weakness(object: &ObjectRef, path: &str, value: &str) -> Option<Diagnostic> {
    if object.kind != Kind::Extension {
        return None;
    }
    let message = match path {
        "password" | "voicemail.pin" if value == object.name.as_str() => {
            "this secret is the extension's own number".into()
        }
        "password" if value.chars().count() < SHORTEST => {
            format!("this password has fewer than {SHORTEST} characters")
        }
        _ => return None,
    };
    let why = if path == "password" { "makes calls at your cost" } else { "hears the messages" };
    let help = format!("whoever guesses it {why}; `{{ generate: true }}` makes one that nobody guesses");
    Some(Diagnostic::warning("weak-secret", message).at(object.clone(), format!("spec.{path}")).help(help))
}

/// What is said of a conference whose two PINs are one: the PIN that is typed decides who is an admin.
pub(crate) fn same_pins() -> Diagnostic {
    Diagnostic::error("conflict", "`adminPin` is the same as `pin`: nobody could come in as an admin")
        .help("choose another one; `{ generate: true }` makes one")
}

/// What is wrong between the secrets of an object, once their values are known. Never repeats one.
pub fn clash(object: &ObjectRef, values: &BTreeMap<String, String>) -> Option<Diagnostic> {
    let pins = values.get("pin").zip(values.get("adminPin"));
    let same = object.kind == Kind::Conference && pins.is_some_and(|(pin, admin)| pin == admin);
    same.then(|| same_pins().at(object.clone(), "spec.adminPin"))
}

/// Letters of a secret that is made: none that people confuse, none that any format escapes.
const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// How long a secret that is made is: 24 of 56 letters are 139 bits.
const LENGTH: usize = 24;

/// How many digits a PIN that is made has.
const PIN_DIGITS: usize = 6;

/// Makes a secret for a field, by its path. `random` fills what it is given with random bytes.
///
/// # Errors
///
/// What `random` says.
pub fn make<E>(path: &str, mut random: impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<String, E> {
    let (letters, length) = if is_pin(path) { (&b"0123456789"[..], PIN_DIGITS) } else { (LETTERS, LENGTH) };
    // Bytes past the last whole multiple would make the first letters likelier.
    let fair = 256 - 256 % letters.len();
    let mut text = String::with_capacity(length);
    let mut bytes = [0; 64];
    while text.len() < length {
        random(&mut bytes)?;
        let drawn = bytes.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < fair);
        text.extend(drawn.take(length - text.len()).map(|byte| letters[byte % letters.len()] as char));
    }
    Ok(text)
}

impl schemars::JsonSchema for Secret {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A secret: `{generate: true}`, `{env: NAME}`, `{file: PATH}`, or a literal (accepted, warned about, never shown).",
            "oneOf": [
                { "type": "object", "properties": { "generate": { "const": true } }, "required": ["generate"], "additionalProperties": false },
                { "type": "object", "properties": { "env": { "type": "string" } }, "required": ["env"], "additionalProperties": false },
                { "type": "object", "properties": { "file": { "type": "string" } }, "required": ["file"], "additionalProperties": false },
                { "type": "object", "properties": { "stored": { "const": true } }, "required": ["stored"], "additionalProperties": false },
                { "type": "string" }
            ]
        })
    }
}
