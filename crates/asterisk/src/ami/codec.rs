//! Bytes to messages and requests to bytes, within limits.
//!
//! The server speaks first, with one line and no blank line after it (manager.c:7445). Then every message is lines of
//! `Key: Value` and a blank line. Asterisk does not escape: a value may end in a bare LF before the CRLF
//! (`Message: No Contacts found\n\r\n\r\n`), which a reader of lines sees as an early end and a stray blank line. So lines
//! end at LF, CRs before it are dropped, and messages without headers do not exist.

use std::fmt;

use bytes::{Buf, BufMut, BytesMut};
use memchr::memchr;
use tokio_util::codec::{Decoder, Encoder};

use super::{
    action::Request,
    message::{Message, OUTPUT_KEY, Span},
};

/// The most bytes of `Key: Value` that Asterisk reads from one line (inbuf of 1025 bytes, manager.c:7176; measured: 1022
/// passes, 1023 fails).
pub const MAX_LINE_OUT: usize = 1022;

/// The most headers in one request, `Action` and `ActionID` included (`AST_MAX_MANHEADERS`, manager.h:100).
pub const MAX_HEADERS_OUT: usize = 128;

/// The longest banner worth reading. Asterisk's has 28 bytes.
const MAX_BANNER: usize = 255;

const BANNER: &str = "Asterisk Call Manager/";
const END_COMMAND: &[u8] = b"--END COMMAND--";

/// How much one incoming message may weigh. Asterisk itself has no limit on output, so these are ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in one line, without its LF.
    pub line: usize,
    /// Headers in one message; each line of command output is one.
    pub headers: usize,
    /// Bytes in one message. `dialplan show` with 100,000 extensions is one message of some 20 MB. Never more than 4 GiB.
    pub message: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { line: 64 << 10, headers: 1 << 20, message: 64 << 20 }
    }
}

/// Which limit a message went over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excess {
    /// [`Limits::line`].
    Line,
    /// [`Limits::headers`].
    Headers,
    /// [`Limits::message`].
    Message,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Line => "a line that is too long",
            Self::Headers => "too many headers",
            Self::Message => "too many bytes",
        })
    }
}

/// Why the stream of messages cannot go on. The connection is of no use after any of these.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The other end does not speak AMI.
    #[error("expected the greeting of an Asterisk manager, got {got:?}")]
    NotAmi {
        /// The beginning of what came instead.
        got: String,
    },
    /// A message went over a limit, and its end did not come within [`Limits::message`] bytes more.
    #[error("lost the message boundaries: a message has {excess}, and no end was found in {bytes} bytes")]
    Unsynchronised {
        /// The limit it went over.
        excess: Excess,
        /// How many bytes were thrown away looking for its end.
        bytes: usize,
    },
    /// The connection ended inside a message.
    #[error("the connection ended inside a message, after {bytes} bytes of it")]
    Truncated {
        /// How many bytes of it had come.
        bytes: usize,
    },
    /// Bytes that are no message where exactly one was expected, see [`Message::parse`].
    #[error("not exactly one message")]
    NotOne,
    /// The socket under a `Framed` failed.
    #[error("{0}")]
    Io(String),
}

impl From<std::io::Error> for CodecError {
    fn from(e: std::io::Error) -> Self {
        Self::Io(e.to_string())
    }
}

/// Why a request cannot be written. Nothing of it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// CR, LF or NUL in a value: AMI has no escaping, this would be another header or another action.
    #[error("the value of {key} contains {what}, which the manager protocol cannot carry")]
    Forbidden {
        /// The header.
        key: String,
        /// `CR`, `LF` or `NUL`.
        what: &'static str,
    },
    /// An empty key, or one with a colon, a blank or a control character.
    #[error("{key:?} cannot be the name of a header")]
    BadKey {
        /// The key.
        key: String,
    },
    /// `Action` and `ActionID` are written by the client.
    #[error("{key} is not for the caller to set")]
    Reserved {
        /// The key.
        key: String,
    },
    /// Asterisk reads [`MAX_LINE_OUT`] bytes of a line.
    #[error("the line of {key} has {bytes} bytes; Asterisk reads {MAX_LINE_OUT}")]
    LineTooLong {
        /// The header.
        key: String,
        /// How long `Key: Value` is.
        bytes: usize,
    },
    /// Asterisk reads [`MAX_HEADERS_OUT`] headers.
    #[error("{headers} headers; Asterisk reads {MAX_HEADERS_OUT}")]
    TooManyHeaders {
        /// How many there are.
        headers: usize,
    },
    /// The socket under a `Framed` failed.
    #[error("{0}")]
    Io(String),
}

impl From<std::io::Error> for EncodeError {
    fn from(e: std::io::Error) -> Self {
        Self::Io(e.to_string())
    }
}

/// The version of the protocol, from the greeting. Its major number tells the branch of Asterisk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AmiVersion {
    /// Changes with each branch of Asterisk.
    pub major: u16,
    /// Changes with additions.
    pub minor: u16,
    /// Changes with fixes.
    pub patch: u16,
}

impl AmiVersion {
    /// The branch of Asterisk (18, 20, 21, 22, 23), if it is one of the known ones.
    pub fn asterisk(self) -> Option<u16> {
        match self.major {
            7 => Some(18),
            9 => Some(20),
            10 => Some(21),
            11 => Some(22),
            12 => Some(23),
            _ => None,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().splitn(3, '.').map(str::parse);
        let mut next = || parts.next().and_then(Result::ok);
        Some(Self { major: next()?, minor: next().unwrap_or(0), patch: next().unwrap_or(0) })
    }
}

impl fmt::Display for AmiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// What the decoder hands out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The greeting: first, and once.
    Banner(AmiVersion),
    /// A message.
    Message(Message),
    /// A message over a limit was thrown away; the stream goes on after it.
    Skipped(Skipped),
}

/// What is known of a message that was thrown away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The limit it went over.
    pub excess: Excess,
    /// Its `ActionID`, if that had come by then.
    pub action_id: Option<String>,
    /// Its `Event`, if it was one.
    pub event: Option<String>,
    /// How many bytes it had.
    pub bytes: usize,
}

#[derive(Debug)]
enum State {
    Banner,
    Headers,
    /// After `Response: Follows`: text until `--END COMMAND--`.
    Follows,
    /// Looking for the end of a message that went over a limit.
    Discard {
        skipped: Skipped,
        nonblank: bool,
    },
    Failed(CodecError),
}

/// Decodes [`Frame`]s and encodes [`Outgoing`] requests.
///
/// The result does not depend on how the bytes were split. Memory is bounded by [`Limits`]: the buffer never needs more
/// than one message and one read.
#[derive(Debug)]
pub struct Codec {
    state: State,
    limits: Limits,
    /// Headers of the message in progress, relative to its first byte, which is the buffer's first byte.
    spans: Vec<Span>,
    /// Where the line in progress begins.
    line: usize,
    /// How far the line in progress was searched for its end.
    scanned: usize,
}

impl Codec {
    /// For a client: expects the greeting first.
    pub fn new(limits: Limits) -> Self {
        Self { state: State::Banner, limits, spans: Vec::new(), line: 0, scanned: 0 }
    }

    /// Without a greeting: for reading what a client sends.
    pub fn without_banner(limits: Limits) -> Self {
        Self { state: State::Headers, ..Self::new(limits) }
    }

    fn restart(&mut self) {
        // A message with many headers must not pin their index for the life of the connection.
        if self.spans.capacity() > 4096 {
            self.spans = Vec::new();
        }
        self.spans.clear();
        self.line = 0;
        self.scanned = 0;
        self.state = State::Headers;
    }

    fn fail(&mut self, error: CodecError) -> CodecError {
        self.state = State::Failed(error.clone());
        error
    }

    /// Gives up the message in progress, and goes looking for its end from the current line on.
    fn discard(&mut self, src: &mut BytesMut, excess: Excess) -> Result<(), CodecError> {
        if matches!(self.state, State::Follows) {
            // Blank lines are part of such text, so its end cannot be told without reading it.
            return Err(self.fail(CodecError::Unsynchronised { excess, bytes: 0 }));
        }
        let head = |key: &str, only_first: bool| {
            let spans = if only_first { self.spans.get(..1).unwrap_or_default() } else { &self.spans[..] };
            spans
                .iter()
                .find(|s| s.key(src).eq_ignore_ascii_case(key.as_bytes()))
                .map(|s| String::from_utf8_lossy(s.value(src)).into_owned())
        };
        let skipped =
            Skipped { excess, action_id: head("ActionID", false), event: head("Event", true), bytes: self.line };
        src.advance(self.line);
        self.restart();
        self.state = State::Discard { skipped, nonblank: false };
        Ok(())
    }

    /// Looks for the end of a discarded message; `None` if it has not come.
    fn resync(&mut self, src: &mut BytesMut) -> Result<Option<Skipped>, CodecError> {
        let State::Discard { skipped, nonblank } = &mut self.state else { return Ok(None) };
        // The message itself may have had `limits.message` bytes before it went over.
        let most = self.limits.message.saturating_mul(2);
        let found = loop {
            let end = memchr(b'\n', src);
            let part = end.unwrap_or(src.len());
            *nonblank |= src[..part].iter().any(|&b| b != b'\r');
            let Some(end) = end else {
                skipped.bytes += part;
                src.clear();
                break false;
            };
            skipped.bytes += end + 1;
            src.advance(end + 1);
            if !std::mem::take(nonblank) || skipped.bytes > most {
                break true;
            }
        };
        if skipped.bytes > most {
            let error = CodecError::Unsynchronised { excess: skipped.excess, bytes: most };
            return Err(self.fail(error));
        }
        if !found {
            return Ok(None);
        }
        let skipped = skipped.clone();
        self.restart();
        Ok(Some(skipped))
    }

    fn banner(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, CodecError> {
        let window = &src[..src.len().min(MAX_BANNER)];
        let Some(end) = memchr(b'\n', window) else {
            if src.len() < MAX_BANNER {
                return Ok(None);
            }
            let got = String::from_utf8_lossy(&window[..80]).into_owned();
            return Err(self.fail(CodecError::NotAmi { got }));
        };
        let line = String::from_utf8_lossy(trim_cr(&src[..end])).into_owned();
        let Some(version) = line.strip_prefix(BANNER).and_then(AmiVersion::parse) else {
            let got = line.chars().take(80).collect();
            return Err(self.fail(CodecError::NotAmi { got }));
        };
        src.advance(end + 1);
        self.restart();
        Ok(Some(Frame::Banner(version)))
    }

    /// Takes in the line `self.line..end`. True when it ended a message.
    fn line(&mut self, src: &BytesMut, end: usize) -> Result<bool, Excess> {
        let start = self.line;
        let content = trim_cr(&src[start..end]);
        let follows = matches!(self.state, State::Follows);
        if content.is_empty() && !follows {
            return Ok(true);
        }
        if self.spans.len() >= self.limits.headers {
            return Err(Excess::Headers);
        }
        let at = |offset: usize| u32::try_from(start + offset).map_err(|_| Excess::Message);
        let span = |key: (usize, usize), value: (usize, usize)| -> Result<Span, Excess> {
            Ok(Span { key_start: at(key.0)?, key_end: at(key.1)?, value_start: at(value.0)?, value_end: at(value.1)? })
        };
        let output = |len: usize| -> Result<Span, Excess> {
            Ok(Span { key_start: OUTPUT_KEY, key_end: OUTPUT_KEY, value_start: at(0)?, value_end: at(len)? })
        };
        let len = content.len();
        if follows {
            let head = self.spans.iter().all(|s| s.key_start != OUTPUT_KEY);
            if let Some(rest) = content.strip_suffix(END_COMMAND) {
                if !rest.is_empty() {
                    self.spans.push(output(rest.len())?);
                }
                self.state = State::Headers;
                return Ok(false);
            }
            let is_head = |key: &str| content.get(..key.len()).is_some_and(|k| k.eq_ignore_ascii_case(key.as_bytes()));
            if !(head && (is_head("Privilege: ") || is_head("ActionID: "))) {
                self.spans.push(output(len)?);
                return Ok(false);
            }
        }
        let header = match separator(content) {
            Some((key_end, value)) => span((0, key_end), (value, len))?,
            None => span((0, 0), (0, len))?,
        };
        if self.spans.is_empty()
            && content[..header.key_end as usize - start].eq_ignore_ascii_case(b"Response")
            && content[header.value_start as usize - start..].eq_ignore_ascii_case(b"Follows")
        {
            self.state = State::Follows;
        }
        self.spans.push(header);
        Ok(false)
    }
}

/// Where the key ends and the value begins: at the first `: `, or at a colon that ends the line.
fn separator(content: &[u8]) -> Option<(usize, usize)> {
    let mut from = 0;
    while let Some(colon) = memchr(b':', &content[from..]).map(|i| from + i) {
        match content.get(colon + 1) {
            Some(b' ') => return Some((colon, colon + 2)),
            None => return Some((colon, colon + 1)),
            Some(_) => from = colon + 1,
        }
    }
    None
}

fn trim_cr(mut line: &[u8]) -> &[u8] {
    while let [rest @ .., b'\r'] = line {
        line = rest;
    }
    line
}

impl Decoder for Codec {
    type Item = Frame;
    type Error = CodecError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, CodecError> {
        loop {
            match &self.state {
                State::Failed(error) => return Err(error.clone()),
                State::Banner => return self.banner(src),
                State::Discard { .. } => return Ok(self.resync(src)?.map(Frame::Skipped)),
                State::Headers | State::Follows => {}
            }
            let found = memchr(b'\n', &src[self.scanned..]).map(|i| self.scanned + i);
            let end = found.unwrap_or(src.len());
            // Checked with and without the line's end alike, and the limit that comes first in the bytes is the one that counts, so
            // that the split does not matter.
            let (line, message) = (self.line.saturating_add(self.limits.line), self.limits.message);
            if end > line.min(message) {
                self.discard(src, if line <= message { Excess::Line } else { Excess::Message })?;
                continue;
            }
            let Some(end) = found else {
                self.scanned = end;
                return Ok(None);
            };
            match self.line(src, end) {
                Err(excess) => self.discard(src, excess)?,
                Ok(false) => {
                    self.line = end + 1;
                    self.scanned = end + 1;
                }
                Ok(true) if self.spans.is_empty() => {
                    src.advance(end + 1);
                    self.restart();
                }
                Ok(true) => {
                    let bytes = src.split_to(end + 1).freeze();
                    let message = Message::new(bytes, &self.spans);
                    self.restart();
                    return Ok(Some(Frame::Message(message)));
                }
            }
        }
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, CodecError> {
        if let Some(frame) = self.decode(src)? {
            return Ok(Some(frame));
        }
        match self.state {
            State::Banner if !src.is_empty() => {
                let got = String::from_utf8_lossy(src).chars().take(80).collect();
                Err(self.fail(CodecError::NotAmi { got }))
            }
            State::Headers | State::Follows if !src.is_empty() => {
                Err(self.fail(CodecError::Truncated { bytes: src.len() }))
            }
            State::Discard { ref skipped, .. } => Err(CodecError::Truncated { bytes: skipped.bytes }),
            _ => Ok(None),
        }
    }
}

/// A request with the `ActionID` that its answers will carry.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// What is asked.
    pub request: &'a Request,
    /// Unique on the connection.
    pub action_id: &'a str,
}

impl Encoder<Outgoing<'_>> for Codec {
    type Error = EncodeError;

    /// Writes the whole request, or nothing.
    fn encode(&mut self, item: Outgoing<'_>, dst: &mut BytesMut) -> Result<(), EncodeError> {
        encode(item, dst)
    }
}

/// Writes the whole request, or nothing. `Action` and `ActionID` come first: of repeated headers Asterisk takes the first.
pub(super) fn encode(item: Outgoing<'_>, dst: &mut BytesMut) -> Result<(), EncodeError> {
    let Outgoing { request, action_id } = item;
    let own = [("Action", request.name()), ("ActionID", action_id)];
    let headers = own.into_iter().chain(request.headers());
    let mut count = 0;
    let mut size = 2;
    for (key, value) in headers.clone() {
        check(key, value)?;
        if count >= own.len() && own.iter().any(|(k, _)| k.eq_ignore_ascii_case(key)) {
            return Err(EncodeError::Reserved { key: key.to_owned() });
        }
        count += 1;
        size += key.len() + value.len() + 4;
    }
    if count > MAX_HEADERS_OUT {
        return Err(EncodeError::TooManyHeaders { headers: count });
    }
    dst.reserve(size);
    for (key, value) in headers {
        dst.put_slice(key.as_bytes());
        dst.put_slice(b": ");
        dst.put_slice(value.as_bytes());
        dst.put_slice(b"\r\n");
    }
    dst.put_slice(b"\r\n");
    Ok(())
}

fn check(key: &str, value: &str) -> Result<(), EncodeError> {
    if key.is_empty() || key.bytes().any(|b| b == b':' || b <= b' ' || b == 0x7f) {
        return Err(EncodeError::BadKey { key: key.to_owned() });
    }
    if let Some(bad) = value.bytes().find(|b| matches!(b, b'\r' | b'\n' | 0)) {
        let what = match bad {
            b'\r' => "CR",
            b'\n' => "LF",
            _ => "NUL",
        };
        return Err(EncodeError::Forbidden { key: key.to_owned(), what });
    }
    let bytes = key.len() + 2 + value.len();
    if bytes > MAX_LINE_OUT {
        return Err(EncodeError::LineTooLong { key: key.to_owned(), bytes });
    }
    Ok(())
}

impl Message {
    /// Reads exactly one message, blank line included; for tests and fixtures.
    pub fn parse(wire: &[u8]) -> Result<Self, CodecError> {
        let mut codec = Codec::without_banner(Limits::default());
        let mut src = BytesMut::from(wire);
        let first = codec.decode(&mut src)?;
        match (first, codec.decode_eof(&mut src)?) {
            (Some(Frame::Message(message)), None) => Ok(message),
            _ => Err(CodecError::NotOne),
        }
    }
}

#[cfg(test)]
mod tests;
