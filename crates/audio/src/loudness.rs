//! How loud a recording is, and making all equally so.
//!
//! Loudness is the integrated loudness of ITU-R BS.1770-5 (K-weighted, gated at -70 LUFS and 10 LU below the ungated mean), as EBU R 128
//! measures programmes, of the one channel that is played, at the rate of wideband telephones. It follows how loud people hear speech and
//! music, where a mean over all would call a prompt with pauses quiet.
//!
//! The peaks that a higher gain makes are held down by a limiter that looks ahead; nothing clips.

use ebur128::{EbuR128, Mode};

use crate::WIDE;

/// How loud recordings are made, in LUFS: as loud as Asterisk's own prompts, so that both can follow each other (a dozen of them, of
/// asterisk-core-sounds-en-gsm, have -19.3 LUFS in the mean), and with room for the peaks of speech.
pub const TARGET: f64 = -20.0;
/// The highest gain, in dB: what is quieter than that is noise as likely as speech.
pub const MOST_GAIN: f64 = 20.0;
/// The highest peak, in dB below full scale, between samples too.
pub const CEILING: f64 = -1.5;

/// What is measured at once: the gating block of BS.1770, 400 ms.
const BLOCK: usize = WIDE as usize * 2 / 5;
/// How far the limiter looks ahead and holds on, at either rate: 5 ms at the higher one.
const AHEAD: usize = 80;

/// The integrated loudness of samples at [`WIDE`], in LUFS; nothing of silence.
pub(crate) fn measure(samples: &[f32]) -> Option<f64> {
    let mut meter = EbuR128::new(1, WIDE, Mode::I).ok()?;
    if samples.len() < BLOCK {
        // Shorter than one block, as a beep: as if it went on.
        let going_on: Vec<f32> = samples.iter().copied().cycle().take(BLOCK).collect();
        meter.add_frames_f32(&going_on).ok()?;
    } else {
        meter.add_frames_f32(samples).ok()?;
    }
    meter.loudness_global().ok().filter(|loudness| loudness.is_finite())
}

/// The gain that makes it as loud as it should be, in dB.
pub(crate) fn gain(loudness: Option<f64>) -> f64 {
    loudness.map_or(0.0, |loudness| (TARGET - loudness).min(MOST_GAIN))
}

/// Samples with a gain, their peaks held under the ceiling.
pub(crate) fn level(samples: &[f32], gain: f64) -> Vec<f32> {
    let factor = linear(gain);
    let ceiling = linear(CEILING);
    // What each sample may at most be multiplied by, its surroundings' peaks between samples included.
    let mut most: Vec<f32> = peaks(samples).map(|peak| (ceiling / (peak * factor)).min(1.0)).collect();
    if most.iter().all(|most| *most >= 1.0) {
        return samples.iter().map(|sample| sample * factor).collect();
    }
    most = lowest(&most);
    // The mean over what each of which already is low enough is low enough, and smooth.
    let mut sum: f64 = most.iter().take(AHEAD).map(|most| f64::from(*most)).sum();
    let mut count = AHEAD.min(most.len());
    let mut levelled = Vec::with_capacity(samples.len());
    for (at, sample) in samples.iter().enumerate() {
        if let Some(next) = most.get(at + AHEAD) {
            sum += f64::from(*next);
            count += 1;
        }
        if let Some(gone) = at.checked_sub(AHEAD + 1) {
            sum -= f64::from(most[gone]);
            count -= 1;
        }
        levelled.push(sample * factor * (sum / count as f64) as f32);
    }
    levelled
}

fn linear(decibels: f64) -> f32 {
    10_f64.powf(decibels / 20.0) as f32
}

/// How many samples on each side tell what is between two.
const SIDE: usize = 6;

/// The peak at each sample and between it and the next, at three points: four times the rate, as BS.1770 (annex 2) has it.
fn peaks(samples: &[f32]) -> impl Iterator<Item = f32> {
    let filters = [0.25, 0.5, 0.75].map(filter);
    (0..samples.len()).map(move |now| {
        let first = now.saturating_sub(SIDE - 1);
        let near = &samples[first..samples.len().min(now + SIDE + 1)];
        let skip = SIDE - 1 - (now - first);
        filters.iter().fold(samples[now].abs(), |peak, filter| {
            let between: f32 = filter[skip..].iter().zip(near).map(|(part, sample)| part * sample).sum();
            peak.max(between.abs())
        })
    })
}

/// What each of the samples around adds at a point between two: a sine over its argument, under a window of Hann's.
fn filter(at: f64) -> [f32; 2 * SIDE] {
    use std::f64::consts::PI;
    std::array::from_fn(|tap| {
        let away = tap as f64 - (SIDE as f64 - 1.0) - at;
        let window = (PI * away / (2.0 * (SIDE as f64 + 0.5))).cos().powi(2);
        ((PI * away).sin() / (PI * away) * window) as f32
    })
}

/// The lowest value within [`AHEAD`] on both sides, of each.
fn lowest(values: &[f32]) -> Vec<f32> {
    let mut rising: std::collections::VecDeque<usize> = std::collections::VecDeque::new();
    let mut lowest = Vec::with_capacity(values.len());
    for at in 0..values.len() + AHEAD {
        if let Some(value) = values.get(at) {
            while rising.back().is_some_and(|last| values[*last] >= *value) {
                rising.pop_back();
            }
            rising.push_back(at);
        }
        if let Some(middle) = at.checked_sub(AHEAD) {
            while rising.front().is_some_and(|first| first + AHEAD < middle) {
                rising.pop_front();
            }
            lowest.push(rising.front().map_or(1.0, |first| values[*first]));
        }
    }
    lowest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f32, amplitude: f32, seconds: usize) -> Vec<f32> {
        let rate = WIDE as f32;
        (0..WIDE as usize * seconds)
            .map(|at| amplitude * (at as f32 * hertz * std::f32::consts::TAU / rate).sin())
            .collect()
    }

    #[test]
    fn a_tone_is_as_loud_as_the_standard_says() {
        // EBU Tech 3341, case 1, in one channel: a sine of 1 kHz at -23 dBFS has -26 LUFS.
        let loudness = measure(&tone(1000.0, linear(-23.0), 5)).unwrap();
        assert!((loudness + 26.0).abs() < 0.2, "{loudness}");
        let short = measure(&tone(1000.0, linear(-23.0), 1)[..3200]).unwrap();
        assert!((short + 26.0).abs() < 0.5, "{short}");
        assert_eq!(measure(&vec![0.0; 32_000]), None);
        assert_eq!(measure(&[]), None);
    }

    #[test]
    fn noise_and_silence_are_not_raised_to_the_sky() {
        assert!(gain(None).abs() < 1e-9);
        assert!((gain(Some(-65.0)) - MOST_GAIN).abs() < 1e-9);
        assert!((gain(Some(-14.0)) + 6.0).abs() < 1e-9);
    }

    #[test]
    fn peaks_are_held_down_and_nothing_else() {
        // Quiet speech with one loud word.
        let mut samples = tone(300.0, 0.02, 3);
        samples[16_000..24_000].copy_from_slice(&tone(700.0, 0.5, 1)[..8000]);
        let levelled = level(&samples, 14.0);
        assert_eq!(levelled.len(), samples.len());
        let peak = levelled.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        assert!(peak <= linear(CEILING) + 1e-4 && peak > 0.7, "{peak}");
        for at in [1000, 8000, 30_000, 47_999] {
            assert!((levelled[at] - samples[at] * linear(14.0)).abs() < 1e-4, "{at}");
        }
    }

    #[test]
    fn peaks_between_samples_count() {
        // A quarter of the rate, half a sample off: every sample is at 0.7 of the peak.
        let samples: Vec<f32> = (0..16_000)
            .map(|at| (at as f32 * std::f32::consts::FRAC_PI_2 + std::f32::consts::FRAC_PI_4).sin())
            .collect();
        let levelled = level(&samples, 0.0);
        let peak = levelled.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        assert!(peak < 0.69, "{peak}");
    }
}
