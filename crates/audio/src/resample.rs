//! From any rate to that of wideband telephones, piece by piece, and from there to half of it.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler as _};

use crate::{NARROW, WIDE};

/// How many samples are resampled at a time, about.
const CHUNK: usize = 4096;
/// In so many pieces. Each of about a thousand samples: the filter is steep, and nothing above half of the new rate comes through
/// (less than one step of 16 bits).
const PIECES: usize = 4;

/// Resamples one channel.
pub(crate) struct Resampler {
    fft: Option<Fft<f32>>,
    ratio: f64,
    waiting: Vec<f32>,
    made: Vec<f32>,
    room: Vec<f32>,
    /// What the filter's delay puts before the first sample.
    late: usize,
    taken: u64,
}

impl Resampler {
    /// From a rate to another; nothing where no filter can be made for them.
    pub(crate) fn new(from: u32, to: u32) -> Option<Self> {
        let fft = if from == to {
            None
        } else {
            let window = rubato::WindowFunction::BlackmanHarris2;
            Some(Fft::new_custom(from as usize, to as usize, CHUNK, PIECES, 1, window, FixedSync::Both).ok()?)
        };
        let (late, room) = fft.as_ref().map_or((0, 0), |fft| (fft.output_delay(), fft.output_frames_max()));
        Some(Self {
            fft,
            ratio: f64::from(to) / f64::from(from),
            waiting: Vec::new(),
            made: Vec::new(),
            room: vec![0.0; room],
            late,
            taken: 0,
        })
    }

    /// Takes more samples.
    pub(crate) fn push(&mut self, samples: &[f32]) {
        self.taken += samples.len() as u64;
        if self.fft.is_none() {
            self.made.extend_from_slice(samples);
            return;
        }
        self.waiting.extend_from_slice(samples);
        self.work();
    }

    /// Resamples what is enough for a chunk.
    fn work(&mut self) {
        let Some(fft) = &mut self.fft else { return };
        let mut at = 0;
        loop {
            let need = fft.input_frames_next();
            let Some(chunk) = self.waiting.get(at..at + need) else { break };
            let frames = self.room.len();
            let (Ok(input), Ok(mut output)) =
                (InterleavedSlice::new(chunk, 1, need), InterleavedSlice::new_mut(&mut self.room, 1, frames))
            else {
                break;
            };
            let Ok((taken, made)) = fft.process_into_buffer(&input, &mut output, None::<&Indexing>) else { break };
            at += taken;
            let skip = self.late.min(made);
            self.late -= skip;
            self.made.extend_from_slice(&self.room[skip..made]);
        }
        self.waiting.drain(..at);
    }

    /// The resampled samples, as long as those that were taken.
    #[expect(
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a count of samples, at most some hundred millions"
    )]
    pub(crate) fn end(mut self) -> Vec<f32> {
        let length = (self.taken as f64 * self.ratio).round() as usize;
        while self.made.len() < length && self.fft.is_some() {
            // Silence pushes out what is still in the filter.
            let before = self.made.len() + self.late;
            let more = self.fft.as_ref().map_or(0, rubato::Resampler::input_frames_next);
            self.waiting.resize(self.waiting.len() + more, 0.0);
            let late = self.late;
            self.work();
            if self.made.len() + self.late == before && self.late == late {
                break;
            }
        }
        self.made.resize(length, 0.0);
        self.made
    }
}

/// From [`WIDE`] to [`NARROW`].
pub(crate) fn halve(samples: &[f32]) -> Vec<f32> {
    let Some(mut resampler) = Resampler::new(WIDE, NARROW) else { return Vec::new() };
    for piece in samples.chunks(1 << 16) {
        resampler.push(piece);
    }
    resampler.end()
}
