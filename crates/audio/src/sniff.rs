//! What a file is, by its first bytes; its name says nothing that can be relied on.

use crate::Broken;

/// A container that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Container {
    Wav,
    Flac,
    Ogg,
    Mp4,
    /// MPEG audio, without a container, behind what tags there are.
    Mpeg,
    /// AAC without a container.
    Adts,
}

/// What is no audio, by what it begins with, or audio of a kind that is not read.
const OTHERS: &[(&[u8], Other)] = &[
    (b"version https://git-lfs", Other::NotAudio("a pointer to a file in Git LFS")),
    (b"%PDF", Other::NotAudio("a PDF document")),
    (b"\x89PNG", Other::NotAudio("a picture (PNG)")),
    (b"\xff\xd8\xff", Other::NotAudio("a picture (JPEG)")),
    (b"GIF8", Other::NotAudio("a picture (GIF)")),
    (b"PK\x03\x04", Other::NotAudio("a ZIP archive")),
    (b"\x1f\x8b", Other::NotAudio("compressed by gzip")),
    (b"7z\xbc\xaf", Other::NotAudio("a 7z archive")),
    (b"Rar!", Other::NotAudio("a RAR archive")),
    (b"\x7fELF", Other::NotAudio("a program")),
    (b"MThd", Other::NotAudio("a MIDI file: notes")),
    (b"#EXTM3U", Other::NotAudio("a playlist")),
    (b"[playlist]", Other::NotAudio("a playlist")),
    (b"\x1aE\xdf\xa3", Other::Unread("Matroska or WebM")),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Other::Unread("Windows Media (WMA)")),
    (b"\x0b\x77", Other::Unread("Dolby Digital (AC-3)")),
    (b"#!AMR", Other::Unread("AMR")),
    (b"caff", Other::Unread("Apple's Core Audio Format")),
    (b"MAC ", Other::Unread("Monkey's Audio")),
    (b"wvpk", Other::Unread("WavPack")),
    (b".snd", Other::Unread("Sun's AU")),
    (b"MPCK", Other::Unread("Musepack")),
    (b"RF64", Other::Unread("a WAV of more than 4 GB (RF64)")),
    (b"riff\x2e\x91\xcf\x11", Other::Unread("Sony's Wave64")),
];

#[derive(Clone, Copy)]
enum Other {
    NotAudio(&'static str),
    Unread(&'static str),
}

/// Which container a file is.
pub(crate) fn container(bytes: &[u8]) -> Result<Container, Broken> {
    if bytes.is_empty() {
        return Err(Broken::Empty);
    }
    if let Some((_, other)) = OTHERS.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Err(match other {
            Other::NotAudio(what) => Broken::NotAudio(what),
            Other::Unread(what) => Broken::Unread((*what).to_owned()),
        });
    }
    match (bytes.get(..4), bytes.get(8..12)) {
        (Some(b"RIFF"), Some(b"WAVE")) => return Ok(Container::Wav),
        (Some(b"RIFF"), Some(b"AVI ")) => return Err(Broken::Unread("a film (AVI)".into())),
        (Some(b"FORM"), Some(b"AIFF" | b"AIFC")) => return Err(Broken::Unread("Apple's AIFF".into())),
        (Some(b"fLaC"), _) => return Ok(Container::Flac),
        (Some(b"OggS"), _) => return ogg(bytes),
        _ => {}
    }
    if matches!(bytes.get(4..8), Some(b"ftyp" | b"moov" | b"wide" | b"mdat")) {
        return Ok(Container::Mp4);
    }
    let sound = behind_tags(bytes);
    if sound.starts_with(b"fLaC") {
        return Ok(Container::Flac);
    }
    match *sound {
        // The layer's two bits are zero in ADTS alone.
        [0xff, second, ..] if second & 0xf6 == 0xf0 => Ok(Container::Adts),
        [0xff, second, ..] if second & 0xe6 == 0xe2 => Ok(Container::Mpeg),
        [0xff, second, ..] if second & 0xe6 == 0xe4 => Err(Broken::Unread("MPEG audio of layer 2 (MP2)".into())),
        [] => Err(Broken::CutShort("its tags are there, and nothing behind them".into())),
        _ if sound.len() < bytes.len() => Ok(Container::Mpeg),
        _ => Err(unknown(bytes)),
    }
}

/// What an Ogg file carries, by its first packet.
fn ogg(bytes: &[u8]) -> Result<Container, Broken> {
    let segments = bytes.get(26).copied().map_or(0, usize::from);
    let packet = bytes.get(27 + segments..).unwrap_or_default();
    let unread = |what: &str| Err(Broken::Unread(what.to_owned()));
    match packet {
        [] => Err(Broken::CutShort("its first page is not all there".into())),
        _ if packet.starts_with(b"OpusHead") => unread("Opus"),
        _ if packet.starts_with(b"Speex") => unread("Speex"),
        _ if packet.starts_with(b"\x80theora") => unread("a film (Theora)"),
        _ => Ok(Container::Ogg),
    }
}

/// What stands behind ID3 tags and the zeros that some programs write after them.
pub(crate) fn behind_tags(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let [b'I', b'D', b'3', _, _, flags, a, b, c, d, ..] = *rest {
        let size = [a, b, c, d].iter().fold(0, |size, byte| size << 7 | usize::from(byte & 0x7f));
        let footer = if flags & 0x10 == 0 { 0 } else { 10 };
        rest = rest.get(10 + size + footer..).unwrap_or_default();
        let zeros = rest.iter().take_while(|byte| **byte == 0).count();
        rest = &rest[zeros..];
    }
    rest
}

fn unknown(bytes: &[u8]) -> Broken {
    let start = &bytes[..bytes.len().min(512)];
    if start.iter().all(|byte| *byte == 0) {
        return Broken::NotAudio("zeros");
    }
    let words = String::from_utf8_lossy(start).trim_start_matches('\u{feff}').trim_start().to_lowercase();
    if words.starts_with("<!doctype html") || words.starts_with("<html") {
        return Broken::NotAudio("a web page (HTML)");
    }
    if words.starts_with("<?xml") || words.starts_with("<svg") {
        return Broken::NotAudio("XML");
    }
    if words.starts_with('{') {
        return Broken::NotAudio("JSON");
    }
    // The last letter may be cut.
    let is_text = match std::str::from_utf8(start) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    if is_text && start.iter().all(|byte| *byte >= b' ' || b"\t\r\n".contains(byte)) {
        return Broken::NotAudio("text");
    }
    Broken::Unknown(bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" "))
}
