//! Any bytes as what Asterisk sends, split anywhere: the messages are the same, and each can be looked at.

#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use pbx_asterisk::ami::codec::{Codec, CodecError, Frame, Limits};
use pbx_asterisk::ami::{Event, Message};
use tokio_util::codec::Decoder;

const SMALL: Limits = Limits { line: 64, headers: 8, message: 256 };

fuzz_target!(|bytes: &[u8]| {
    let [choice, step, wire @ ..] = bytes else { return };
    let limits = if choice & 2 == 0 { SMALL } else { Limits::default() };
    let codec = || if choice & 1 == 0 { Codec::new(limits) } else { Codec::without_banner(limits) };
    let whole = decode(codec(), std::iter::once(wire), limits);
    // Pieces whose lengths the bytes themselves choose.
    let mut pieces = Vec::new();
    let mut rest = wire;
    let mut size = usize::from(*step);
    while !rest.is_empty() {
        let (piece, more) = rest.split_at((size % 17 + 1).min(rest.len()));
        pieces.push(piece);
        size = size.wrapping_mul(31).wrapping_add(usize::from(piece[0]));
        rest = more;
    }
    assert_eq!(decode(codec(), pieces.into_iter(), limits), whole);
    assert_eq!(decode(codec(), wire.chunks(1), limits), whole);
    for frame in &whole.0 {
        if let Frame::Message(message) = frame {
            looked_at(message);
        }
    }
    drop(Message::parse(wire));
});

/// Everything that came, up to the first error, and how the end of the connection reads.
fn decode<'w>(
    mut codec: Codec,
    pieces: impl Iterator<Item = &'w [u8]>,
    limits: Limits,
) -> (Vec<Frame>, Option<CodecError>) {
    let mut kept = BytesMut::new();
    let mut frames = Vec::new();
    for piece in pieces {
        kept.extend_from_slice(piece);
        loop {
            match codec.decode(&mut kept) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => {
                    assert!(codec.decode(&mut kept).is_err(), "an error stays one");
                    return (frames, Some(error));
                }
            }
        }
        assert!(kept.len() <= limits.message + limits.line + 256, "{} bytes are kept", kept.len());
    }
    loop {
        match codec.decode_eof(&mut kept) {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) => return (frames, None),
            Err(error) => return (frames, Some(error)),
        }
    }
}

/// Whoever acts on messages asks these.
fn looked_at(message: &Message) {
    drop((message.response(), message.event(), message.action_id()));
    for (key, value) in message.iter() {
        if !key.is_empty() && !key.contains(char::REPLACEMENT_CHARACTER) {
            assert!(message.get_all(&key).any(|own| own == value), "{key}");
        }
    }
    drop(format!("{message:?}"));
    drop(Event::read(message));
}
