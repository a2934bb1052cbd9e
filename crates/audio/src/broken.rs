//! What can be wrong with a file.

use std::time::Duration;

use crate::LARGEST;

/// What is wrong with a file, as the end of a sentence that begins with its name: `welcome.mp3: it is empty`.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Broken {
    /// No byte.
    #[error("it is empty")]
    Empty,
    /// Something else than audio, by what it begins with.
    #[error("it is {0}, and no recording")]
    NotAudio(&'static str),
    /// Nothing that is known.
    #[error("it is no recording of a known format: it begins with {0}")]
    Unknown(String),
    /// Audio in a format that is not read.
    #[error("it is {0}, which cannot be read here")]
    Unread(String),
    /// Audio that only its shop's programs can play.
    #[error("it is protected against copying (DRM), and plays only where it was bought")]
    Protected,
    /// The end is missing, as the file itself says.
    #[error("it is cut short: {0}")]
    CutShort(String),
    /// It makes no sense from some point on.
    #[error("it is damaged {}: {why}", place(*.at))]
    Damaged {
        /// Where, in playing time.
        at: Duration,
        /// What the reader stumbled over.
        why: String,
    },
    /// There is not one sample.
    #[error("there is no sound in it")]
    NoSound,
    /// Rates and channels that no recording has.
    #[error("it says that it has {0}")]
    Odd(String),
    /// Longer than [`crate::LONGEST`].
    #[error("it plays for more than an hour")]
    TooLong,
    /// Larger than [`LARGEST`].
    #[error("it is larger than {} MB", LARGEST >> 20)]
    TooLarge,
}

fn place(at: Duration) -> String {
    if at.is_zero() { "at its beginning".into() } else { format!("after {:.1} s", at.as_secs_f64()) }
}

impl Broken {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::NotAudio("a pointer to a file in Git LFS") => "`git lfs pull` brings the file itself",
            Self::Empty | Self::CutShort(_) | Self::Damaged { .. } => {
                "copy or export it again; does it play to its end elsewhere?"
            }
            Self::NotAudio(_) | Self::Unknown(_) | Self::NoSound | Self::Odd(_) => {
                "what can be read: MP3, WAV, FLAC, Ogg Vorbis, M4A and AAC"
            }
            Self::Unread(_) => {
                "what can be read: MP3, WAV, FLAC, Ogg Vorbis, M4A and AAC; `ffmpeg -i FILE FILE.flac` converts almost anything"
            }
            Self::Protected => "export it from where it plays as WAV or MP3, if its licence lets callers hear it",
            Self::TooLong => "cut it; hold music begins again at its end, and may be several files",
            Self::TooLarge => {
                "as FLAC it is half as large, as MP3 a tenth, and no telephone lets one hear the difference"
            }
        }
    }
}
