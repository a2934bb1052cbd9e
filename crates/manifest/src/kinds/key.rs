//! What is pressed on a telephone, and small values that several kinds have.

use std::fmt;
use std::str::FromStr;

use crate::text::{Refused, refuse, text_value};

/// A key of a telephone: a digit, `*` or `#`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(u8);

impl Key {
    /// Its sign.
    pub fn as_char(self) -> char {
        char::from(self.0)
    }
}

impl FromStr for Key {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        match text.as_bytes() {
            [key] if key.is_ascii_digit() || b"*#".contains(key) => Ok(Self(*key)),
            _ => refuse(
                format!("`{}` is not a key", text.escape_debug()),
                "one digit, `*` or `#`, in quotes, as in `\"1\"`",
            ),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_char())
    }
}

text_value!(Key, "Key", "a key of a telephone", { "pattern": "^[0-9*#]$", "examples": ["1"] });

/// A share of a whole, written `80%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(pub u8);

impl FromStr for Percent {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        match text.strip_suffix('%').map(|number| (number.len(), number.parse::<u8>())) {
            Some((1..=3, Ok(share))) if share <= 100 => Ok(Self(share)),
            _ => refuse(format!("`{}` is not a share", text.escape_debug()), "from `0%` to `100%`, as in `80%`"),
        }
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

text_value!(Percent, "Percent", "a share", { "pattern": "^[0-9]{1,3}%$", "examples": ["80%"] });

/// A colour, as screens are told it: `#f59e0b`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Color(Box<str>);

impl FromStr for Color {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        match text.strip_prefix('#') {
            Some(hex) if hex.len() == 6 && hex.bytes().all(|b| b.is_ascii_hexdigit()) => {
                Ok(Self(text.to_ascii_lowercase().into()))
            }
            _ => refuse(
                format!("`{}` is not a colour", text.escape_debug()),
                "red, green and blue as six hex digits, in quotes, as in `\"#f59e0b\"`",
            ),
        }
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(Color, "Color", "a colour", { "pattern": "^#[0-9a-fA-F]{6}$", "examples": ["#f59e0b"] });
