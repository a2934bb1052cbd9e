//! From a file's bytes to one channel.

use std::io::Cursor;
use std::io::ErrorKind::UnexpectedEof;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_ADPCM_IMA_WAV, CODEC_ID_ADPCM_MS};
use symphonia::core::errors::Error;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::default::formats::{AdtsReader, FlacReader, IsoMp4Reader, MpaReader, OggReader, WavReader};

use crate::resample::Resampler;
use crate::sniff::Container;
use crate::{Broken, LONGEST, WIDE, mp4, sniff};

/// A recording as it is heard.
pub(crate) struct Heard {
    pub(crate) format: &'static str,
    pub(crate) rate: u32,
    pub(crate) channels: u16,
    pub(crate) duration: Duration,
    pub(crate) samples: Vec<f32>,
}

/// Rates that recordings have, in Hz.
const RATES: std::ops::RangeInclusive<u32> = 4_000..=384_000;
/// The most channels that recordings have: 7.1, and some more.
const CHANNELS: usize = 16;
/// How many damaged frames an MP3 may have: one that was cut out of a longer one begins with some.
const MISSES: u64 = 4;

/// Reads a file. Where its reader panics, the file is what is wrong: no program may end because of one.
pub(crate) fn decode(bytes: &[u8]) -> Result<Heard, Broken> {
    let container = sniff::container(bytes)?;
    catch_unwind(AssertUnwindSafe(|| read(bytes, container)))
        .unwrap_or_else(|_| Err(damaged(Duration::ZERO, "its reader could not go on")))
}

fn damaged(at: Duration, why: &str) -> Broken {
    // `isomp4 (stsd): …` says where in a reader's code.
    let why = why.split_once("): ").filter(|(place, _)| place.contains('(')).map_or(why, |(_, why)| why);
    Broken::Damaged { at, why: why.to_owned() }
}

fn broken(error: &Error, at: Duration) -> Broken {
    match error {
        Error::IoError(error) if error.kind() == UnexpectedEof => {
            Broken::CutShort(if at.is_zero() { "its end is missing".into() } else { ends_after(at) })
        }
        Error::DecodeError(why) => damaged(at, why),
        // The reader knows plain AAC (LC) of one or two channels.
        Error::Unsupported(what) if what.starts_with("aac") || what.contains("(mp4a)") => {
            Broken::Unread("AAC that is not plain AAC-LC (HE-AAC, surround and the like)".into())
        }
        Error::Unsupported(what) => Broken::Unread(format!("of an unusual kind ({what})")),
        Error::ResetRequired => Broken::Unread("several recordings one after another in one file".into()),
        other => damaged(at, &other.to_string()),
    }
}

fn ends_after(at: Duration) -> String {
    format!("it ends after {:.1} s, in the middle of something", at.as_secs_f64())
}

fn open(bytes: &[u8], container: Container) -> Result<Box<dyn FormatReader + '_>, Error> {
    // What stands in front of the sound is skipped here: readers take each other's tags for sound.
    let sound = if container == Container::Mp4 { bytes } else { sniff::behind_tags(bytes) };
    let stream = MediaSourceStream::new(Box::new(Cursor::new(sound)), MediaSourceStreamOptions::default());
    let options = FormatOptions::default();
    Ok(match container {
        Container::Wav => Box::new(WavReader::try_new(stream, options)?),
        Container::Flac => Box::new(FlacReader::try_new(stream, options)?),
        Container::Ogg => Box::new(OggReader::try_new(stream, options)?),
        Container::Mp4 => Box::new(IsoMp4Reader::try_new(stream, options)?),
        Container::Mpeg => Box::new(MpaReader::try_new(stream, options)?),
        Container::Adts => Box::new(AdtsReader::try_new(stream, options)?),
    })
}

/// Takes samples, and says when there are more than may be.
struct Sink {
    resampler: Resampler,
    /// What is still to be left out at the beginning, and how much may come then.
    skip: u64,
    length: Option<u64>,
    taken: u64,
    rate: u32,
    mono: Vec<f32>,
}

impl Sink {
    fn at(&self) -> Duration {
        time(self.taken, self.rate)
    }

    /// Takes frames of interleaved channels, as their mean.
    fn push(&mut self, samples: &[f32], channels: usize) -> Result<(), Broken> {
        let frames = samples.len() / channels.max(1);
        let skip = usize::try_from(self.skip).unwrap_or(usize::MAX).min(frames);
        self.skip -= skip as u64;
        let left = self.length.map_or(u64::MAX, |length| length.saturating_sub(self.taken));
        let keep = (frames - skip).min(usize::try_from(left).unwrap_or(usize::MAX));
        let part = 1.0 / channels.max(1) as f32;
        self.mono.clear();
        let heard = samples.chunks_exact(channels.max(1)).skip(skip).take(keep);
        self.mono.extend(heard.map(|frame| {
            let sum = frame.iter().sum::<f32>() * part;
            // Floating point files can hold anything.
            if sum.is_finite() { sum.clamp(-8.0, 8.0) } else { 0.0 }
        }));
        self.taken += keep as u64;
        if self.at() > LONGEST {
            return Err(Broken::TooLong);
        }
        self.resampler.push(&self.mono);
        Ok(())
    }
}

fn time(frames: u64, rate: u32) -> Duration {
    Duration::from_micros(frames.saturating_mul(1_000_000) / u64::from(rate.max(1)))
}

fn read(bytes: &[u8], container: Container) -> Result<Heard, Broken> {
    let mp4 = if container == Container::Mp4 { Some(mp4::look(bytes)?) } else { None };
    let mut reader = open(bytes, container).map_err(|error| broken(&error, Duration::ZERO))?;
    let track = reader.default_track(TrackType::Audio).ok_or(Broken::NoSound)?;
    let id = track.id;
    let unsaid = unsaid(bytes, container);
    let promised = track.num_frames.filter(|_| !unsaid);
    let parameters =
        track.codec_params.as_ref().and_then(|parameters| parameters.audio()).ok_or(Broken::NoSound)?.clone();
    if let Some(promised) = promised
        && container != Container::Mp4
        && parameters.sample_rate.is_some_and(|rate| time(promised, rate) > LONGEST)
    {
        return Err(Broken::TooLong);
    }
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(&parameters, &AudioDecoderOptions::default())
        .map_err(|error| broken(&error, Duration::ZERO))?;
    let adpcm = [CODEC_ID_ADPCM_IMA_WAV, CODEC_ID_ADPCM_MS].contains(&parameters.codec);
    let mut sink: Option<(Sink, usize)> = None;
    let mut samples = Vec::new();
    let mut misses = 0;
    loop {
        let at = sink.as_ref().map_or(Duration::ZERO, |(sink, _)| sink.at());
        let packet = match reader.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            // How much is missing is told below; where no length was said, nothing is.
            Err(Error::IoError(error))
                if error.kind() == UnexpectedEof && sink.is_some() && (unsaid || promised.is_some()) =>
            {
                break;
            }
            Err(error) => return Err(broken(&error, at)),
        };
        if packet.track_id != id {
            continue;
        }
        let decoded = match decoder.decode(&packet) {
            Ok(decoded) => decoded,
            Err(Error::DecodeError(_)) if container == Container::Mpeg && misses < MISSES => {
                misses += 1;
                continue;
            }
            Err(error) => return Err(broken(&error, at)),
        };
        let (rate, channels) = (decoded.spec().rate(), decoded.spec().channels().count());
        if decoded.frames() == 0 {
            continue;
        }
        if !RATES.contains(&rate) || !(1..=CHANNELS).contains(&channels) {
            return Err(Broken::Odd(format!("{channels} channels of {rate} samples a second")));
        }
        if sink.is_none() {
            let resampler = Resampler::new(rate, WIDE)
                .ok_or_else(|| Broken::Odd(format!("{channels} channels of {rate} samples a second")))?;
            let track = mp4.unwrap_or_default();
            let new = Sink { resampler, skip: track.skip, length: track.length, taken: 0, rate, mono: Vec::new() };
            sink = Some((new, channels));
        }
        let Some((sink, first)) = &mut sink else { break };
        if (rate, channels) != (sink.rate, *first) {
            return Err(damaged(at, "its sample rate or its channels change"));
        }
        decoded.copy_to_vec_interleaved(&mut samples);
        sink.push(&samples, channels)?;
    }
    let Some((sink, channels)) = sink.filter(|(sink, _)| sink.taken > 0) else { return Err(Broken::NoSound) };
    if let Some(promised) = mp4.map_or(promised, |track| track.length) {
        // The last of ADPCM's blocks may be padded; a tagged MP3 may lose its last frame; of others, all must be there.
        let slack = match container {
            Container::Mpeg | Container::Mp4 => 2 * 1152,
            Container::Adts => u64::MAX,
            _ if adpcm => 8192,
            _ => 0,
        };
        if sink.taken.saturating_add(slack) < promised {
            return Err(short(sink.at(), time(promised, sink.rate)));
        }
    }
    if container == Container::Ogg && !ogg_ends(bytes) {
        return Err(Broken::CutShort(ends_after(sink.at())));
    }
    Ok(Heard {
        format: match (container, mp4.unwrap_or_default().lossless) {
            (Container::Wav, _) => "WAV",
            (Container::Flac, _) => "FLAC",
            (Container::Ogg, _) => "Ogg Vorbis",
            (Container::Mp4, false) => "M4A (AAC)",
            (Container::Mp4, true) => "M4A (ALAC)",
            (Container::Mpeg, _) => "MP3",
            (Container::Adts, _) => "AAC",
        },
        rate: sink.rate,
        channels: u16::try_from(channels).unwrap_or(u16::MAX),
        duration: sink.at(),
        samples: sink.resampler.end(),
    })
}

fn short(is: Duration, should: Duration) -> Broken {
    Broken::CutShort(format!("{:.1} s of {:.1} s are there", is.as_secs_f64(), should.as_secs_f64()))
}

/// Whether a WAV was written by a program that did not know its length when it began, as to a pipe.
fn unsaid(bytes: &[u8], container: Container) -> bool {
    let mut rest = bytes.get(12..).filter(|_| container == Container::Wav).unwrap_or_default();
    while let [a, b, c, d, e, f, g, h, ..] = *rest {
        let length = u32::from_le_bytes([e, f, g, h]);
        if [a, b, c, d] == *b"data" {
            // ffmpeg writes the most that there is, sox half of it.
            return length >= 0x7fff_0000;
        }
        rest = rest.get(8 + length as usize + (length % 2) as usize..).unwrap_or_default();
    }
    false
}

/// Whether an Ogg file's last page is all there, and says that it is the last.
fn ogg_ends(bytes: &[u8]) -> bool {
    let Some(at) = bytes.windows(4).rposition(|four| four == b"OggS") else { return false };
    let page = &bytes[at..];
    let (Some(flags), Some(segments)) = (page.get(5), page.get(26)) else { return false };
    let table = page.get(27..27 + usize::from(*segments));
    let whole = table.is_some_and(|table| {
        page.len() >= 27 + table.len() + table.iter().map(|length| usize::from(*length)).sum::<usize>()
    });
    flags & 4 != 0 && whole
}
