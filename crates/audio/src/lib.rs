//! Recordings, from what people have to what Asterisk plays.
//!
//! [`Recording::read`] takes the bytes of an MP3, WAV, FLAC, Ogg Vorbis, M4A or AAC file, mixes it to one channel and resamples it to
//! [`WIDE`]; [`Recording::wav`] makes it as loud as Asterisk's own prompts and writes it as 16-bit WAV at [`NARROW`] or [`WIDE`], which
//! Asterisk plays without transcoding (`.wav` and `.wav16`, `formats/format_wav.c`). What cannot be read is refused with what is wrong
//! with it. Pure: bytes in, values out.
//!
//! A file is read as a stream: of a recording of an hour, no more is held than its samples at [`WIDE`] (230 MB).

#![expect(
    clippy::cast_precision_loss,
    reason = "what becomes a float here are counts of samples and channels, all far below 2^52"
)]

mod broken;
mod decode;
mod loudness;
mod mp4;
mod resample;
mod sniff;
mod wav;

use std::fmt::Write as _;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

pub use broken::Broken;
pub use loudness::{CEILING, MOST_GAIN, TARGET};

/// The rate of the telephone network: G.711 and most else.
pub const NARROW: u32 = 8_000;
/// The rate of wideband telephones: G.722, and Opus as it is used by most.
pub const WIDE: u32 = 16_000;
/// The longest recording that is taken.
pub const LONGEST: Duration = Duration::from_hours(1);
/// The largest file that is taken.
pub const LARGEST: usize = 256 * 1024 * 1024;
/// How many hex digits of a file's SHA-256 name it.
pub const DIGITS: usize = 32;

/// What names a file's content: the first [`DIGITS`] hex digits of its SHA-256.
pub fn name_of(bytes: &[u8]) -> String {
    named(&Sha256::digest(bytes))
}

/// The same, of a SHA-256 that was made piece by piece.
pub fn named(digest: &[u8]) -> String {
    digest.iter().take(DIGITS / 2).fold(String::new(), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    })
}

/// What a recording was, before it was converted.
#[derive(Debug, Clone, PartialEq)]
pub struct About {
    /// As people call it: `MP3`, `Ogg Vorbis`, `M4A (AAC)`.
    pub format: &'static str,
    /// Samples a second.
    pub rate: u32,
    /// Channels.
    pub channels: u16,
    /// How long it plays.
    pub duration: Duration,
    /// Its integrated loudness after ITU-R BS.1770, in LUFS; nothing of silence.
    pub loudness: Option<f64>,
    /// By how much it is made louder (or, below zero, quieter), in dB.
    pub gain: f64,
}

/// A recording, one channel at [`WIDE`].
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    about: About,
    samples: Vec<f32>,
}

impl Recording {
    /// Reads a file.
    pub fn read(bytes: &[u8]) -> Result<Self, Broken> {
        if bytes.len() > LARGEST {
            return Err(Broken::TooLarge);
        }
        let heard = decode::decode(bytes)?;
        let loudness = loudness::measure(&heard.samples);
        let about = About {
            format: heard.format,
            rate: heard.rate,
            channels: heard.channels,
            duration: heard.duration,
            loudness,
            gain: loudness::gain(loudness),
        };
        Ok(Self { about, samples: heard.samples })
    }

    /// What it was.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// A WAV file of 16 bits at [`WIDE`], as loud as it should be.
    pub fn wide(&self) -> Vec<u8> {
        wav::write(&loudness::level(&self.samples, self.about.gain), WIDE)
    }

    /// A WAV file of 16 bits at [`NARROW`], as loud as it should be.
    pub fn narrow(&self) -> Vec<u8> {
        wav::write(&loudness::level(&resample::halve(&self.samples), self.about.gain), NARROW)
    }
}
