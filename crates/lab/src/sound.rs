//! Sounds: made, encoded and recognised by their pitch.

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use std::f64::consts::TAU;
use std::path::Path;

/// Samples per second of everything here: telephony's.
pub(crate) const RATE: u32 = 8_000;

/// Sound at 8,000 samples per second, one channel, 16 bits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sound {
    /// The samples.
    pub samples: Vec<i16>,
}

impl Sound {
    /// Reads a WAV file of Asterisk's (8 kHz, 16 bits, one channel), also while it is being written: the lengths in its
    /// header are not looked at, for Asterisk fills them in at the end.
    ///
    /// # Errors
    /// When it cannot be read or is no such file.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(&fs::read(path)?).with_context(|| path.display().to_string())
    }

    /// The same of its bytes.
    ///
    /// # Errors
    /// When they are no such file.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        ensure!(bytes.starts_with(b"RIFF") && bytes.len() >= 44, "no WAV file");
        // The format: PCM, one channel, 8,000 samples per second.
        let format = [1, 0, 1, 0, 0x40, 0x1f, 0, 0];
        ensure!(bytes[20..28] == format && bytes[34..36] == [16, 0], "another kind of WAV file");
        let samples = bytes[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
        Ok(Self { samples })
    }

    /// Its length in seconds.
    pub fn seconds(&self) -> f64 {
        f64::from(u32::try_from(self.samples.len()).unwrap_or(u32::MAX)) / f64::from(RATE)
    }

    /// Whether a tone of this pitch (in hertz) dominates for at least 0.2 s, in windows of 0.1 s.
    pub fn has_tone(&self, hertz: u32) -> bool {
        self.tone_seconds(hertz) > 0.15
    }

    /// For how many seconds a tone of this pitch (in hertz) dominates, to 0.1 s.
    pub fn tone_seconds(&self, hertz: u32) -> f64 {
        let windows = self.samples.chunks_exact(800).filter(|window| share_of(window, hertz) > 0.5).count();
        f64::from(u32::try_from(windows).unwrap_or(u32::MAX)) / 10.0
    }
}

/// A tone, at a third of the loudest.
pub fn tone(hertz: u32, milliseconds: u32) -> Sound {
    let count = RATE / 1000 * milliseconds;
    let step = TAU * f64::from(hertz) / f64::from(RATE);
    let samples = (0..count).map(|n| (f64::from(n) * step).sin() * 10_000.0);
    Sound { samples: samples.map(|sample| sample as i16).collect() }
}

/// The part of a window's energy that one frequency has, from 0 to 1: Goertzel's algorithm.
fn share_of(window: &[i16], hertz: u32) -> f64 {
    let coefficient = 2.0 * (TAU * f64::from(hertz) / f64::from(RATE)).cos();
    let (mut last, mut before, mut energy) = (0.0, 0.0, 0.0);
    for sample in window.iter().copied().map(f64::from) {
        (last, before) = (sample + coefficient * last - before, last);
        energy += sample * sample;
    }
    let count = f64::from(u32::try_from(window.len()).unwrap_or(u32::MAX));
    if energy / count < 10_000.0 {
        return 0.0; // Silence, whose noise has a pitch too.
    }
    (last * last + before * before - coefficient * last * before) / (energy * count / 2.0)
}

/// One sample as G.711 µ-law.
pub(crate) fn to_ulaw(sample: i16) -> u8 {
    let magnitude = i32::from(sample).abs().min(32_635) + 132;
    let exponent = 24 - magnitude.leading_zeros();
    let mantissa = (magnitude >> (exponent + 3)) & 0x0f;
    let sign: u8 = if sample < 0 { 0x80 } else { 0 };
    !(sign | u8::try_from(exponent << 4).unwrap_or(0) | u8::try_from(mantissa).unwrap_or(0))
}

/// One sample from G.711 µ-law.
pub(crate) fn from_ulaw(byte: u8) -> i16 {
    let byte = !byte;
    let exponent = (byte >> 4) & 7;
    let magnitude = ((i16::from(byte & 0x0f) << 3) + 132) << exponent;
    let sample = magnitude - 132;
    if byte & 0x80 == 0 { sample } else { -sample }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_recognised_and_survives_the_wire() {
        let heard = Sound { samples: tone(440, 500).samples.into_iter().map(|s| from_ulaw(to_ulaw(s))).collect() };
        assert!(heard.has_tone(440));
        assert!(!heard.has_tone(620));
        assert!(!Sound { samples: vec![0; 8000] }.has_tone(440));
    }

    #[test]
    fn every_code_survives_decoding_and_encoding() {
        for byte in 0..=u8::MAX {
            let again = to_ulaw(from_ulaw(byte));
            assert!(again == byte || byte & 0x7f == 0x7f, "{byte:#x} became {again:#x}");
        }
    }
}
