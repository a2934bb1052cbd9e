//! What an MP4's boxes say that the reader does not: the codec by its name, what an edit list leaves out, and whether all is there
//! (ISO/IEC 14496-12).

use crate::Broken;

/// What is known of a file's first audio track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Track {
    /// Samples before the first one that is meant to be heard.
    pub(crate) skip: u64,
    /// How many are meant to be heard, where the file says so.
    pub(crate) length: Option<u64>,
    /// Whether it is Apple's lossless codec, and not AAC.
    pub(crate) lossless: bool,
}

/// A box: its name, and what is in it.
struct Atom<'b> {
    name: [u8; 4],
    body: &'b [u8],
    /// Whether it says that it is longer than what is left.
    cut: bool,
}

/// Boxes, one after another.
fn atoms(mut bytes: &[u8]) -> impl Iterator<Item = Atom<'_>> {
    std::iter::from_fn(move || {
        let size = u64::from(u32_at(bytes, 0)?);
        let name = bytes.get(4..8)?.try_into().ok()?;
        let (head, size) = match size {
            0 => (8, bytes.len() as u64),
            1 => (16, u64_at(bytes, 8)?),
            _ => (8, size),
        };
        let end = usize::try_from(size).unwrap_or(usize::MAX).max(head);
        let cut = end > bytes.len();
        let (atom, rest) = bytes.split_at(end.min(bytes.len()));
        bytes = rest;
        Some(Atom { name, body: atom.get(head..).unwrap_or_default(), cut })
    })
}

fn child<'b>(bytes: &'b [u8], path: &[&[u8; 4]]) -> Option<&'b [u8]> {
    path.iter().try_fold(bytes, |bytes, name| atoms(bytes).find(|atom| atom.name == **name).map(|atom| atom.body))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// A number that is of 32 or 64 bits by the box's version.
fn either(bytes: &[u8], narrow: usize, wide: usize) -> Option<u64> {
    if bytes.first()? == &0 { u32_at(bytes, narrow).map(u64::from) } else { u64_at(bytes, wide) }
}

/// What time is counted in, in `mvhd` and `mdhd`.
fn timescale(header: &[u8]) -> Option<u64> {
    u32_at(header, if header.first()? == &0 { 12 } else { 20 }).map(u64::from)
}

/// Looks at a file's boxes, and refuses what nothing here can play.
pub(crate) fn look(bytes: &[u8]) -> Result<Track, Broken> {
    let cut = atoms(bytes).any(|atom| atom.cut);
    let moov = atoms(bytes).find(|atom| atom.name == *b"moov");
    let Some(moov) = moov else {
        return Err(if cut || child(bytes, &[b"mdat"]).is_some() {
            Broken::CutShort("its index (`moov`), which stands at its end, is missing".into())
        } else {
            Broken::NoSound
        });
    };
    let is_sound = |trak: &Atom<'_>| {
        trak.name == *b"trak" && child(trak.body, &[b"mdia", b"hdlr"]).and_then(|hdlr| hdlr.get(8..12)) == Some(b"soun")
    };
    let Some(trak) = atoms(moov.body).find(is_sound) else { return Err(Broken::NoSound) };
    let entry = child(trak.body, &[b"mdia", b"minf", b"stbl", b"stsd"]).and_then(|stsd| stsd.get(12..16));
    let lossless = match entry {
        Some(b"mp4a") => false,
        Some(b"alac") => true,
        Some(b"drms" | b"enca" | b"p608") => return Err(Broken::Protected),
        other => return Err(Broken::Unread(codec(other))),
    };
    if cut {
        return Err(Broken::CutShort("its boxes say that it is longer".into()));
    }
    Ok(edited(moov.body, trak.body).unwrap_or_default()).map(|track| Track { lossless, ..track })
}

/// What the one edit of a track leaves out. What several leave out is left in.
fn edited(moov: &[u8], trak: &[u8]) -> Option<Track> {
    let list = child(trak, &[b"edts", b"elst"])?;
    if u32_at(list, 4)? != 1 {
        return None;
    }
    let duration = either(list, 8, 8)?;
    let start = either(list, 12, 16)?;
    // -1 is an empty edit.
    let start = if start >= u64::from(u32::MAX) { return None } else { start };
    let whole = timescale(child(moov, &[b"mvhd"])?)?;
    let own = timescale(child(trak, &[b"mdia", b"mdhd"])?)?;
    let length = duration.checked_mul(own)?.checked_add(whole / 2)?.checked_div(whole)?;
    // Within the movie's own tick, the track's length is the exact one.
    let all = either(child(trak, &[b"mdia", b"mdhd"])?, 16, 24)?.saturating_sub(start);
    let exact = all.abs_diff(length) <= own.checked_div(whole)? + 1;
    Some(Track {
        skip: start,
        length: Some(if exact { all } else { length }).filter(|length| *length > 0),
        lossless: false,
    })
}

/// A codec as people call it.
fn codec(name: Option<&[u8]>) -> String {
    match name {
        Some(b"Opus") => "Opus in an MP4".into(),
        Some(b"ac-3") => "Dolby Digital (AC-3) in an MP4".into(),
        Some(b"ec-3") => "Dolby Digital Plus in an MP4".into(),
        Some(b"ac-4") => "Dolby AC-4 in an MP4".into(),
        Some(b"samr" | b"sawb") => "AMR in an MP4".into(),
        Some(b".mp3" | b"mp3 ") => "MP3 in an MP4".into(),
        Some(b"fLaC") => "FLAC in an MP4".into(),
        Some(other) => format!("`{}` in an MP4", other.escape_ascii()),
        None => "an MP4 of an unknown codec".into(),
    }
}
