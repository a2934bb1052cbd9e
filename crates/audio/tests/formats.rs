//! Files as people have them, and what becomes of them. The fixtures are a second of 440 Hz each, as ffmpeg writes it.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "counts of samples, and shares of them"
)]

use std::time::Duration;

use pbx_audio::{Broken, NARROW, Recording, TARGET, WIDE};
use proptest::prelude::*;

const FIXTURES: &[(&str, &str, &[u8])] = &[
    ("tone.mp3", "MP3", include_bytes!("data/tone.mp3")),
    ("tone.flac", "FLAC", include_bytes!("data/tone.flac")),
    ("tone.ogg", "Ogg Vorbis", include_bytes!("data/tone.ogg")),
    ("tone.m4a", "M4A (AAC)", include_bytes!("data/tone.m4a")),
    ("tone-alac.m4a", "M4A (ALAC)", include_bytes!("data/tone-alac.m4a")),
    ("tone.aac", "AAC", include_bytes!("data/tone.aac")),
    ("tone-adpcm.wav", "WAV", include_bytes!("data/tone-adpcm.wav")),
];

/// How much of one tone is in samples: its amplitude, after Goertzel.
fn tone_in(samples: &[f64], rate: u32, hertz: f64) -> f64 {
    let step = std::f64::consts::TAU * hertz / f64::from(rate);
    let (mut one, mut two) = (0.0, 0.0);
    for sample in samples {
        (one, two) = (sample + 2.0 * step.cos() * one - two, one);
    }
    let power = one * one + two * two - 2.0 * step.cos() * one * two;
    power.max(0.0).sqrt() * 2.0 / samples.len() as f64
}

/// The samples of a WAV that was written here.
fn samples(wav: &[u8], rate: u32) -> Vec<f64> {
    assert_eq!((&wav[..4], &wav[8..16], &wav[36..40]), (&b"RIFF"[..], &b"WAVEfmt "[..], &b"data"[..]));
    assert_eq!(&wav[20..24], [1, 0, 1, 0], "PCM, one channel");
    assert_eq!(wav[24..28], rate.to_le_bytes());
    assert_eq!(wav[40..44], (wav.len() as u32 - 44).to_le_bytes());
    assert_eq!(wav[4..8], (wav.len() as u32 - 8).to_le_bytes());
    wav[44..].chunks_exact(2).map(|two| f64::from(i16::from_le_bytes([two[0], two[1]])) / 32_768.0).collect()
}

/// A WAV of 16 bits, each sample by its time in seconds and its channel.
fn wav(rate: u32, channels: u16, seconds: f64, sound: impl Fn(f64, u16) -> f64) -> Vec<u8> {
    let frames = (f64::from(rate) * seconds).round() as u32;
    let length = frames * u32::from(channels) * 2;
    let mut file = b"RIFF".to_vec();
    file.extend((36 + length).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0");
    file.extend(channels.to_le_bytes());
    file.extend(rate.to_le_bytes());
    file.extend((rate * u32::from(channels) * 2).to_le_bytes());
    file.extend((channels * 2).to_le_bytes());
    file.extend(b"\x10\0data");
    file.extend(length.to_le_bytes());
    for frame in 0..frames {
        for channel in 0..channels {
            let sample = sound(f64::from(frame) / f64::from(rate), channel);
            file.extend(((sample * 32_767.0).round() as i16).to_le_bytes());
        }
    }
    file
}

fn sine(hertz: f64, time: f64) -> f64 {
    (time * hertz * std::f64::consts::TAU).sin()
}

#[test]
fn every_format_is_heard_as_it_was_and_as_loud_as_all_others() {
    for (name, format, bytes) in FIXTURES {
        let recording = Recording::read(bytes).unwrap_or_else(|broken| panic!("{name}: {broken}"));
        let about = recording.about();
        assert_eq!(&about.format, format, "{name}");
        // What has no place to say how much of its frames is padding plays that, too.
        let pads = if *name == "tone.aac" {
            0.05
        } else if *name == "tone-adpcm.wav" {
            0.1
        } else {
            0.001
        };
        let length = about.duration.as_secs_f64();
        assert!((1.0 - 0.001..1.0 + pads).contains(&length), "{name}: {length}");
        for (wav, rate) in [(recording.narrow(), NARROW), (recording.wide(), WIDE)] {
            let samples = samples(&wav, rate);
            assert!((samples.len() as f64 / f64::from(rate) - length).abs() < 0.001, "{name}: {}", samples.len());
            let middle = &samples[rate as usize / 4..][..rate as usize / 2];
            // A sine of -20 LUFS has -17 dBFS.
            let tone = 20.0 * tone_in(middle, rate, 440.0).log10();
            assert!((tone - TARGET - 3.0).abs() < 0.7, "{name}: {tone} dBFS at {rate}");
            assert!(tone_in(middle, rate, 880.0) < 0.003 && tone_in(middle, rate, 1234.0) < 0.003, "{name}");
        }
    }
}

#[test]
fn what_a_narrow_telephone_cannot_carry_does_not_fold_into_it() {
    let file =
        wav(48_000, 2, 1.0, |time, _| 0.1 * sine(1000.0, time) + 0.1 * sine(5000.0, time) + 0.1 * sine(10_000.0, time));
    let recording = Recording::read(&file).unwrap();
    let (narrow, wide) = (samples(&recording.narrow(), NARROW), samples(&recording.wide(), WIDE));
    let (narrow, wide) = (&narrow[2000..6000], &wide[4000..12_000]);
    let own = tone_in(narrow, NARROW, 1000.0);
    assert!(own > 0.05);
    // 5 kHz would be heard as 3 kHz, 10 kHz as 2 kHz; of wideband, 10 kHz as 6 kHz.
    for hertz in [3000.0, 2000.0] {
        assert!(20.0 * (tone_in(narrow, NARROW, hertz) / own).log10() < -70.0, "{hertz}");
    }
    assert!((tone_in(wide, WIDE, 5000.0) / tone_in(wide, WIDE, 1000.0) - 1.0).abs() < 0.02);
    assert!(20.0 * (tone_in(wide, WIDE, 6000.0) / own).log10() < -70.0);
}

#[test]
fn any_rate_and_any_channels_come_out_as_one_of_the_same_length() {
    for rate in [8000, 11_025, 16_000, 22_050, 32_000, 44_100, 44_101, 48_000, 96_000, 192_000] {
        for channels in [1, 2, 6] {
            let file = wav(rate, channels, 0.5, |time, _| 0.3 * sine(700.0, time));
            let recording = Recording::read(&file).unwrap();
            assert_eq!((recording.about().rate, recording.about().channels), (rate, channels));
            let wide = samples(&recording.wide(), WIDE);
            assert!((wide.len() as i64 - 8000).abs() <= 1, "{rate}: {}", wide.len());
            // In time too: the tone begins where it began.
            let drift = (0..800).map(|at| (wide[at + 3000] - 0.141 * sine(700.0, (at + 3000) as f64 / 16_000.0)).abs());
            let worst = drift.fold(0.0, f64::max);
            assert!(worst < 0.03, "{rate}, {channels} channels: {worst}");
        }
    }
}

#[test]
fn what_is_cut_short_is_told_so() {
    for (name, _, bytes) in FIXTURES {
        if *name == "tone.aac" {
            // It says nothing of its length; its last frame alone can be seen to be cut.
            continue;
        }
        let cut = &bytes[..bytes.len() * 6 / 10];
        let told = Recording::read(cut).unwrap_err();
        assert!(matches!(told, Broken::CutShort(_) | Broken::Damaged { .. }), "{name}: {told}");
    }
    let whole = wav(8000, 1, 1.0, |time, _| 0.3 * sine(440.0, time));
    assert_eq!(Recording::read(&whole[..8044]).unwrap_err().to_string(), "it is cut short: 0.5 s of 1.0 s are there");
    // A program that writes to a pipe does not know the length when it writes the header.
    for unknown in [0x7fff_f000_u32, u32::MAX] {
        let mut piped = whole.clone();
        piped[4..8].copy_from_slice(&unknown.saturating_add(36).to_le_bytes());
        piped[40..44].copy_from_slice(&unknown.to_le_bytes());
        let heard = Recording::read(&piped).map(|recording| recording.about().duration);
        assert_eq!(heard, Ok(Duration::from_secs(1)), "{unknown}");
    }
}

#[test]
fn what_is_no_recording_is_told_as_what_it_is() {
    let told = |bytes: &[u8]| Recording::read(bytes).unwrap_err().to_string();
    assert_eq!(told(b""), "it is empty");
    assert_eq!(told(b"\n<!DOCTYPE html><html>404"), "it is a web page (HTML), and no recording");
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n";
    assert_eq!(told(pointer), "it is a pointer to a file in Git LFS, and no recording");
    assert_eq!(Recording::read(pointer).unwrap_err().help(), "`git lfs pull` brings the file itself");
    assert_eq!(told(b"kind: Announcement\n"), "it is text, and no recording");
    assert_eq!(told(&[0; 999]), "it is zeros, and no recording");
    assert_eq!(told(b"PK\x03\x04 and so on"), "it is a ZIP archive, and no recording");
    assert_eq!(told(b"\x01\x02\x03\x04\x05"), "it is no recording of a known format: it begins with 01 02 03 04 05");
    assert_eq!(told(include_bytes!("data/opus.ogg")), "it is Opus, which cannot be read here");
    assert_eq!(told(include_bytes!("data/opus.m4a")), "it is Opus in an MP4, which cannot be read here");
    assert_eq!(told(include_bytes!("data/ac3.m4a")), "it is Dolby Digital (AC-3) in an MP4, which cannot be read here");
    let bought: Vec<u8> = FIXTURES[3].2.to_vec();
    let at = bought.windows(4).position(|name| name == b"mp4a").unwrap();
    let bought = [&bought[..at], b"drms", &bought[at + 4..]].concat();
    assert_eq!(told(&bought), "it is protected against copying (DRM), and plays only where it was bought");
    // Object type 5, with spectral band replication, where a plain one says 2.
    let at = FIXTURES[3].2.windows(3).position(|bytes| bytes == [5, 0x12, 0x08]).unwrap();
    let rich = [&FIXTURES[3].2[..=at], &[0x2a, 0x09, 0x88], &FIXTURES[3].2[at + 4..]].concat();
    assert_eq!(
        told(&rich),
        "it is AAC that is not plain AAC-LC (HE-AAC, surround and the like), which cannot be read here"
    );
    assert_eq!(told(&wav(8000, 1, 0.0, |_, _| 0.0)), "there is no sound in it");
    let mut odd = wav(8000, 1, 0.1, |_, _| 0.0);
    odd[24..28].copy_from_slice(&7_u32.to_le_bytes());
    assert_eq!(told(&odd), "it says that it has 1 channels of 7 samples a second");
}

#[test]
fn an_hour_is_enough() {
    let mut long = wav(8000, 1, 3601.0, |_, _| 0.0);
    assert_eq!(Recording::read(&long), Err(Broken::TooLong));
    // Also where it does not say so beforehand.
    long[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    long[40..44].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(Recording::read(&long), Err(Broken::TooLong));
}

#[test]
fn tags_in_front_are_no_sound() {
    let (_, _, mp3) = FIXTURES[0];
    let mut tagged = b"ID3\x04\0\0\0\0\x10\0".to_vec();
    tagged.resize(10 + 2048, 0xff);
    tagged.extend_from_slice(mp3);
    assert_eq!(Recording::read(&tagged).unwrap().about(), Recording::read(mp3).unwrap().about());
    assert_eq!(
        Recording::read(&tagged[..2058]).unwrap_err().to_string(),
        "it is cut short: its tags are there, and nothing behind them"
    );
}

#[test]
fn silence_stays_silent_and_short_sounds_are_made_as_loud() {
    let quiet = Recording::read(&wav(8000, 1, 2.0, |_, _| 0.0)).unwrap();
    assert_eq!((quiet.about().loudness, quiet.about().gain), (None, 0.0));
    assert!(samples(&quiet.narrow(), NARROW).iter().all(|sample| sample.abs() < 1e-4));
    let beep = Recording::read(&wav(8000, 1, 0.1, |time, _| 0.02 * sine(1000.0, time))).unwrap();
    assert!(beep.about().gain > 10.0, "{:?}", beep.about());
}

#[test]
fn a_file_is_named_by_its_content() {
    assert_eq!(pbx_audio::name_of(b""), "e3b0c44298fc1c149afbf4c8996fb924");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever is done to a file, its reader says something about it.
    #[test]
    fn hostile_bytes_are_read_or_refused(
        fixture in 0..FIXTURES.len(),
        keep in 0.0_f64..1.0,
        changes in prop::collection::vec((0.0_f64..1.0, any::<u8>()), 0..20),
        front in any::<bool>(),
    ) {
        let mut bytes = FIXTURES[fixture].2.to_vec();
        let end = (bytes.len() as f64 * keep.sqrt()) as usize;
        bytes.truncate(end.max(8));
        let reach = if front { bytes.len().min(400) } else { bytes.len() };
        for (at, byte) in changes {
            let at = (reach as f64 * at) as usize;
            bytes[at] = byte;
        }
        if let Ok(recording) = Recording::read(&bytes) {
            prop_assert!(recording.narrow().len() <= recording.wide().len());
        }
    }
}
