//! What callers hear: files of audio, and the prompts that objects play.

use std::fmt;
use std::str::FromStr;

use crate::kind::Kind;
use crate::text::{Name, Refused, invisible, refuse, text_value};

/// How many hex digits of the SHA-256 of a file name its content.
pub const CONTENT_DIGITS: usize = 32;

/// A file of audio, by its path beside the manifest (`audio/welcome.mp3`). Once it was uploaded, its content is named behind it, as
/// in `audio/welcome.mp3@3f2a…`: the first 32 hex digits of the SHA-256 of the file. So another file of the same name is a change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Audio {
    path: Box<str>,
    content: Option<Box<str>>,
}

impl Audio {
    /// Audio of a content that is known.
    #[must_use]
    pub fn with_content(&self, content: &str) -> Self {
        Self { path: self.path.clone(), content: Some(content.into()) }
    }

    /// Its path, relative to the manifest's folder unless it is absolute.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its content, where it is known: 32 hex digits.
    pub fn content(&self) -> Option<&str> {
        self.content.as_deref()
    }

    /// Whether the path stands for as many files as match it.
    pub fn is_glob(&self) -> bool {
        self.content.is_none() && self.path.contains(['*', '?', '['])
    }
}

impl FromStr for Audio {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        let hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        let (path, content) = match text.rsplit_once('@') {
            Some((path, content)) if content.len() == CONTENT_DIGITS && content.bytes().all(hex) => {
                (path, Some(content))
            }
            _ => (text, None),
        };
        if path.is_empty() || path.len() > 255 || path.chars().any(invisible) || path.contains('\\') {
            return refuse(
                format!("`{}` is not a file of audio", text.escape_debug()),
                "a path beside the manifest, as in `audio/welcome.mp3`, or what `pbxctl audio upload` says",
            );
        }
        Ok(Self { path: path.into(), content: content.map(Into::into) })
    }
}

impl fmt::Display for Audio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.content {
            Some(content) => write!(f, "{}@{content}", self.path),
            None => f.write_str(&self.path),
        }
    }
}

text_value!(Audio, "Audio", "a file of audio", {
    "examples": ["audio/welcome.mp3"],
    "description": "A file of audio beside the manifest (MP3, WAV, FLAC, OGG, M4A), or one that was uploaded."
});

/// What is played: an `announcement/NAME`, or one of Asterisk's own sounds as `sound/vm-goodbye`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prompt {
    /// An announcement.
    Announcement(Name),
    /// A sound that Asterisk brings, in the caller's language, by its path below `sounds/LANGUAGE`.
    Sound(Box<str>),
}

impl Prompt {
    /// The object that it names, if it names one.
    pub fn target(&self) -> Option<(Kind, &Name)> {
        match self {
            Self::Announcement(name) => Some((Kind::Announcement, name)),
            Self::Sound(_) => None,
        }
    }
}

impl FromStr for Prompt {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        let sound = |name: &str| {
            let letters = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_/".contains(&b));
            letters && (1..=79).contains(&name.len()) && !name.starts_with('/')
        };
        match text.split_once('/') {
            Some(("announcement", name)) if name.parse::<Name>().is_ok() => Ok(Self::Announcement(name.parse()?)),
            Some(("sound", name)) if sound(name) => Ok(Self::Sound(name.into())),
            _ => refuse(
                format!("`{}` is nothing to play", text.escape_debug()),
                "`announcement/` and its name, or one of Asterisk's own sounds, as in `sound/vm-goodbye`",
            ),
        }
    }
}

impl fmt::Display for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Announcement(name) => write!(f, "announcement/{name}"),
            Self::Sound(name) => write!(f, "sound/{name}"),
        }
    }
}

text_value!(Prompt, "Prompt", "something to play", {
    "pattern": "^(announcement/[a-z0-9-]+|sound/[A-Za-z0-9_/-]+)$",
    "examples": ["announcement/welcome", "sound/vm-goodbye"],
    "description": "What is played: an `announcement/NAME`, or one of Asterisk's own sounds as `sound/vm-goodbye`."
});
