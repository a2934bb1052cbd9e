//! WAV: a header of 44 bytes, and samples (`formats/format_wav.c` wants PCM, 16 bits, one channel).

/// Samples as a WAV file.
#[expect(clippy::cast_sign_loss, reason = "samples are written as the two's complement that they are")]
pub(crate) fn write(samples: &[f32], rate: u32) -> Vec<u8> {
    let length = u32::try_from(samples.len() * 2).unwrap_or(u32::MAX - 36);
    let mut file = Vec::with_capacity(44 + samples.len() * 2);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(36 + length).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend_from_slice(&rate.to_le_bytes());
    file.extend_from_slice(&(rate * 2).to_le_bytes());
    file.extend_from_slice(b"\x02\0\x10\0data");
    file.extend_from_slice(&length.to_le_bytes());
    for sample in samples {
        // Saturates, and what is no number becomes zero.
        let sample = (sample * 32_767.0).round() as i16;
        file.extend_from_slice(&(sample as u16).to_le_bytes());
    }
    file
}
