//! The audio of a caller: tones, keys by RFC 4733, and what the other side says.
//!
//! SIPp can play keys too, but needs raw sockets (root) for it and records nothing; this needs a UDP socket.

use crate::sound::{Sound, from_ulaw, to_ulaw};
use anyhow::{Context, Result};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// One packet carries 20 ms of sound.
const FRAME: Duration = Duration::from_millis(20);
const SAMPLES: u32 = 160;
const ULAW: u8 = 0;

/// The payload type of keys that our session descriptions announce.
pub(crate) const EVENTS: u8 = 101;

/// The volume of keys: 10 dB below the loudest.
const VOLUME: u8 = 0x0a;

/// A key is down for this many packets, and then up for as many.
const KEY_FRAMES: u16 = 6;

/// What a caller sends once its call is answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script {
    /// Silence before anything is sent, so that the other side is there to hear it.
    pub(crate) after: Duration,
    /// Keys, one after the other.
    pub(crate) keys: String,
    /// Then this sound, once.
    pub(crate) say: Sound,
}

impl Script {
    /// How long it takes.
    pub(crate) fn length(&self) -> Duration {
        let keys = u32::try_from(self.keys.chars().count()).unwrap_or(0) * u32::from(KEY_FRAMES) * 2;
        let frames = u32::try_from(self.say.samples.len()).unwrap_or(0).div_ceil(SAMPLES);
        self.after + FRAME * (keys + frames)
    }
}

/// Something that a caller sends after its script, when it is told to.
#[derive(Debug)]
pub(crate) enum Cue {
    /// A key.
    Key(char),
    /// A sound.
    Sound(Sound),
}

/// A socket for audio: bound from the start, for its port is part of the offer.
#[derive(Debug)]
pub(crate) struct Media {
    socket: UdpSocket,
    ip: Ipv4Addr,
}

impl Media {
    pub(crate) fn open(ip: Ipv4Addr) -> Result<Self> {
        let socket = UdpSocket::bind(SocketAddrV4::new(ip, 0)).with_context(|| format!("no port for audio at {ip}"))?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, ip })
    }

    pub(crate) fn port(&self) -> Result<u16> {
        Ok(self.socket.local_addr()?.port())
    }

    /// A session description that offers G.711 and keys on this socket.
    pub(crate) fn sdp(&self) -> Result<String> {
        Ok(sdp(self.ip, self.port()?))
    }

    /// Plays the script to `peer`, then follows the cues that come, and hears what comes, until [`Talk::end`].
    pub(crate) fn talk(&self, peer: SocketAddrV4, script: Script, cues: Receiver<Cue>) -> Result<Talk> {
        let socket = self.socket.try_clone()?;
        let over = Arc::new(AtomicBool::new(false));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (stop, ear) = (Arc::clone(&over), Arc::clone(&heard));
        let thread = thread::spawn(move || run(&socket, peer, &script, &cues, &ear, &stop));
        Ok(Talk { over, heard, thread: Some(thread) })
    }
}

/// A session description of G.711 and keys.
pub(crate) fn sdp(ip: Ipv4Addr, port: u16) -> String {
    format!(
        "v=0\r\no=lab 1 1 IN IP4 {ip}\r\ns=lab\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 8 {EVENTS}\r\n\
         a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:{EVENTS} telephone-event/8000\r\n\
         a=fmtp:{EVENTS} 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
    )
}

/// Where a session description wants its audio.
pub(crate) fn peer_of(sdp: &str) -> Option<SocketAddrV4> {
    let ip = sdp.lines().find_map(|line| line.trim().strip_prefix("c=IN IP4 "))?.parse().ok()?;
    let port = sdp.lines().find_map(|line| line.strip_prefix("m=audio "))?.split(' ').next()?.parse().ok()?;
    Some(SocketAddrV4::new(ip, port))
}

/// A conversation in a thread of its own.
#[derive(Debug)]
pub(crate) struct Talk {
    over: Arc<AtomicBool>,
    heard: Arc<Mutex<Vec<i16>>>,
    thread: Option<JoinHandle<()>>,
}

impl Talk {
    /// Ends it, and gives what was heard.
    pub(crate) fn end(mut self) -> Sound {
        self.over.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
        self.heard()
    }

    /// What was heard so far.
    pub(crate) fn heard(&self) -> Sound {
        Sound { samples: self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone() }
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn run(
    socket: &UdpSocket,
    peer: SocketAddrV4,
    script: &Script,
    cues: &Receiver<Cue>,
    heard: &Mutex<Vec<i16>>,
    over: &AtomicBool,
) {
    let mut stream = Stream { sequence: 1, clock: 0 };
    let mut due = Instant::now();
    let mut send = |packet: Vec<u8>| {
        listen(socket, &mut heard.lock().unwrap_or_else(PoisonError::into_inner));
        let _ = socket.send_to(&packet, peer);
        // The next packet is due 20 ms after the last was due, not after it went: delays do not add up.
        due += FRAME;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        !over.load(Ordering::Relaxed)
    };
    let quiet = script.after.as_millis() / FRAME.as_millis();
    let alive = (0..quiet).all(|_| send(stream.sound(&[])))
        && script.keys.chars().filter_map(event).all(|key| press(key, &mut stream, &mut send))
        && say(&script.say, &mut stream, &mut send);
    if alive {
        while match cues.try_recv() {
            Ok(Cue::Key(key)) => event(key).is_none_or(|key| press(key, &mut stream, &mut send)),
            Ok(Cue::Sound(sound)) => say(&sound, &mut stream, &mut send),
            Err(_) => send(stream.sound(&[])),
        } {}
    }
}

/// Says something from its beginning to its end.
fn say(sound: &Sound, stream: &mut Stream, send: &mut impl FnMut(Vec<u8>) -> bool) -> bool {
    sound.samples.chunks(SAMPLES as usize).all(|frame| send(stream.sound(frame)))
}

/// Presses a key, and lets it go.
fn press(key: u8, stream: &mut Stream, send: &mut impl FnMut(Vec<u8>) -> bool) -> bool {
    let begin = stream.clock;
    (0..KEY_FRAMES).all(|n| send(stream.key(key, begin, n))) && (0..KEY_FRAMES).all(|_| send(stream.sound(&[])))
}

fn listen(socket: &UdpSocket, heard: &mut Vec<i16>) {
    let mut packet = [0; 2048];
    while let Ok((length, _)) = socket.recv_from(&mut packet) {
        if length > 12 && packet[1] & 0x7f == ULAW {
            heard.extend(packet[12..length].iter().copied().map(from_ulaw));
        }
    }
}

/// The event of a key: RFC 4733, section 3.2.
fn event(key: char) -> Option<u8> {
    "0123456789*#ABCD".find(key.to_ascii_uppercase()).and_then(|event| u8::try_from(event).ok())
}

/// Counters of what has been sent.
struct Stream {
    sequence: u16,
    clock: u32,
}

impl Stream {
    fn header(&mut self, kind: u8, clock: u32) -> Vec<u8> {
        let mut packet = vec![0x80, kind];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(clock.to_be_bytes());
        packet.extend(0x1ab_u32.to_be_bytes());
        self.sequence = self.sequence.wrapping_add(1);
        self.clock = self.clock.wrapping_add(SAMPLES);
        packet
    }

    /// 20 ms of sound, filled up with silence.
    fn sound(&mut self, samples: &[i16]) -> Vec<u8> {
        let mut packet = self.header(ULAW, self.clock);
        packet.extend(samples.iter().copied().map(to_ulaw));
        packet.resize(12 + SAMPLES as usize, 0xff);
        packet
    }

    /// The `n`th packet of a key: all of them carry the time at which it went down, and its length so far.
    fn key(&mut self, key: u8, begin: u32, n: u16) -> Vec<u8> {
        let marker = if n == 0 { 0x80 } else { 0 };
        // The end is said three times, since any packet may be lost.
        let end = if n + 3 >= KEY_FRAMES { 0x80 } else { 0 };
        let mut packet = self.header(EVENTS | marker, begin);
        packet.extend([key, end | VOLUME]);
        let length = (n + 1).min(KEY_FRAMES - 2) * 160;
        packet.extend(length.to_be_bytes());
        packet
    }
}
