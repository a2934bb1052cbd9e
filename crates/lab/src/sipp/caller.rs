//! The calling side: with credentials a phone, without them a carrier or a stranger.

use super::scenario::{self, Call};
use super::{Event, SIP, SipMessage, Sipp, Start, plain};
use crate::place::Place;
use crate::rtp::{Cue, Media, Script, Talk, peer_of};
use crate::sound::Sound;
use crate::wait::until;
use anyhow::{Context, Result, bail, ensure};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, SystemTime};

/// Beyond ringing and talking, what a call may take on a busy machine.
const MARGIN: Duration = Duration::from_secs(30);

/// Somebody who calls, from an address of its own; one call at a time.
#[derive(Debug)]
#[must_use]
pub struct Caller {
    place: Place,
    login: Option<(String, String)>,
    from: String,
    name: Option<String>,
    headers: Vec<(String, String)>,
    ring_for: Duration,
    hold_for: Option<Duration>,
    script: Script,
}

impl Caller {
    /// From a place of its own, without credentials, as `anonymous`; rings for 20 s at most, and hangs up as soon as
    /// it is answered and has said what it had to say.
    ///
    /// # Errors
    /// When there is no address left.
    pub fn new() -> Result<Self> {
        Ok(Self::at(Place::take()?))
    }

    /// From this place.
    pub fn at(place: Place) -> Self {
        Self {
            place,
            login: None,
            from: "anonymous".to_owned(),
            name: None,
            headers: Vec::new(),
            ring_for: Duration::from_secs(20),
            hold_for: Some(Duration::ZERO),
            script: Script { after: Duration::from_millis(300), ..Script::default() },
        }
    }

    /// With credentials, and their user as the caller.
    pub fn as_phone(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        let user = user.into();
        self.from.clone_from(&user);
        self.login = Some((user, password.into()));
        self
    }

    /// The number in `From`.
    pub fn from(mut self, number: impl Into<String>) -> Self {
        self.from = number.into();
        self
    }

    /// The name in `From`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// One more header of the INVITE, as `P-Asserted-Identity`.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Gives up after ringing for that long, counted from the last provisional answer.
    pub fn ring_for(mut self, time: Duration) -> Self {
        self.ring_for = time;
        self
    }

    /// Hangs up that long after the answer, but not before everything is said.
    pub fn hold_for(mut self, time: Duration) -> Self {
        self.hold_for = Some(time);
        self
    }

    /// Stays until the other side hangs up.
    pub fn hold(mut self) -> Self {
        self.hold_for = None;
        self
    }

    /// Presses these keys (`0` to `9`, `*`, `#`, `A` to `D`) after the answer, by RFC 4733, 240 ms each.
    pub fn keys(mut self, keys: impl Into<String>) -> Self {
        self.script.keys = keys.into();
        self
    }

    /// Says this after the keys.
    pub fn say(mut self, sound: Sound) -> Self {
        self.script.say = sound;
        self
    }

    /// Waits that long after the answer before keys and sound; otherwise 0.3 s.
    pub fn pause(mut self, time: Duration) -> Self {
        self.script.after = time;
        self
    }

    /// The address that it calls from.
    pub fn ip(&self) -> Ipv4Addr {
        self.place.ip()
    }

    /// Calls, and waits until the call is over.
    ///
    /// # Errors
    /// When SIPp cannot start or the call has no end that it understands. A refused call is a result, not an error.
    pub fn call(&self, number: &str, server: Ipv4Addr) -> Result<CallResult> {
        self.start(number, server)?.wait()
    }

    /// Calls, and comes back at once.
    ///
    /// # Errors
    /// As [`Caller::call`].
    pub fn start(&self, number: &str, server: Ipv4Addr) -> Result<Calling> {
        let (sipp, media, hold_for) = self.play(number, server, Start::ONCE)?;
        let patience = hold_for.map(|time| self.ring_for + time + MARGIN);
        let (keypad, cues) = mpsc::channel();
        let (script, number) = (self.script.clone(), number.to_owned());
        Ok(Calling { sipp, media, script, talk: None, patience, number, keypad: Keypad(keypad), cues: Some(cues) })
    }

    /// Calls that many times, so often a second, and waits until all calls are over. Nothing is said in any.
    ///
    /// # Errors
    /// When one of them was not answered.
    pub fn often(&self, number: &str, server: Ipv4Addr, calls: u32, rate: u32) -> Result<()> {
        let (mut sipp, _media, _) = self.play(number, server, (calls, rate))?;
        let patience = Duration::from_secs((calls / rate).into()) + self.ring_for + MARGIN;
        until(&format!("the end of {calls} calls to {number}"), patience, || Ok(sipp.ended()?.then_some(())))?;
        let answered = sipp.events()?.iter().filter(|event| event.name == "answered").count();
        ensure!(answered == calls as usize, "{answered} of {calls} calls were answered. {}", sipp.complaints());
        Ok(())
    }

    /// Plays the call; how long each is held is returned too.
    fn play(&self, number: &str, server: Ipv4Addr, times: (u32, u32)) -> Result<(Sipp, Media, Option<Duration>)> {
        let media = Media::open(self.place.ip())?;
        let said = self.script.length() + Duration::from_millis(100);
        let speaks = !self.script.keys.is_empty() || !self.script.say.samples.is_empty();
        let hold_for = self.hold_for.map(|time| if speaks { time.max(said) } else { time });
        for text in self.headers.iter().flat_map(|(name, value)| [name, value]).chain(&self.name) {
            plain(text)?;
        }
        let scenario = scenario::call(&Call {
            number: plain(number)?,
            from_user: plain(&self.from)?,
            from_name: self.name.as_deref(),
            headers: &self.headers,
            with_login: self.login.is_some(),
            ring_for: self.ring_for,
            hold_for,
            sdp: &media.sdp()?.replace("\r\n", "\n"),
        });
        let login = self.login.as_ref().map(|(user, password)| (user.as_str(), password.as_str()));
        let to = SocketAddrV4::new(server, SIP);
        let start = Start { name: "call", scenario: &scenario, to: Some(to), login, times };
        Ok((Sipp::start(&self.place, &start)?, media, hold_for))
    }
}

/// A call on its way. Dropped before its end it is cut off without a word, as by a power cut.
#[derive(Debug)]
pub struct Calling {
    sipp: Sipp,
    media: Media,
    script: Script,
    talk: Option<Talk>,
    patience: Option<Duration>,
    number: String,
    keypad: Keypad,
    cues: Option<Receiver<Cue>>,
}

/// The keys and the microphone of a telephone during a call, used one after the other once everything else is said. Keys are pressed by
/// RFC 4733, 240 ms each.
#[derive(Debug, Clone)]
pub struct Keypad(Sender<Cue>);

impl Keypad {
    /// Presses keys, one after the other. Comes back at once.
    pub fn press(&self, keys: &str) {
        for key in keys.chars() {
            // A call that is over hears nothing.
            let _ = self.0.send(Cue::Key(key));
        }
    }

    /// Says something. Comes back at once.
    pub fn say(&self, sound: Sound) {
        let _ = self.0.send(Cue::Sound(sound));
    }
}

impl Calling {
    /// Its keys, to be pressed while somebody waits for the call.
    #[must_use]
    pub fn keypad(&self) -> Keypad {
        self.keypad.clone()
    }

    /// Waits until the call is over.
    ///
    /// # Errors
    /// When it has no end in time, or SIPp did not understand an answer.
    pub fn wait(mut self) -> Result<CallResult> {
        // Five minutes for a call that the other side shall end.
        let patience = self.patience.unwrap_or(Duration::from_mins(5));
        self.advance("the end of", patience, |events| events.iter().any(|event| event.name == "end"))?;
        let events = self.sipp.events()?;
        let heard = self.talk.take().map(Talk::end).unwrap_or_default();
        result(&events, heard).with_context(|| format!("the call to {}. {}", self.number, self.sipp.complaints()))
    }

    /// Waits until the other side rings.
    ///
    /// # Errors
    /// When it does not within `timeout`, or the call ended.
    pub fn wait_ringing(&mut self, timeout: Duration) -> Result<()> {
        self.advance("ringing in", timeout, |events| events.iter().any(|event| event.name == "progress"))
    }

    /// Waits until the other side answers. Keys and sound are only sent by somebody who waits.
    ///
    /// # Errors
    /// When it does not within `timeout`, or the call ended.
    pub fn wait_answered(&mut self, timeout: Duration) -> Result<()> {
        self.advance("an answer to", timeout, |events| events.iter().any(|event| event.name == "answered"))
    }

    /// Waits until the caller hears a tone, whether it heard others before.
    ///
    /// # Errors
    /// When it does not within `timeout`, or the call was not answered.
    pub fn wait_tone(&self, hertz: u32, timeout: Duration) -> Result<()> {
        let talk = self.talk.as_ref().with_context(|| format!("the call to {} was not answered", self.number))?;
        let what = format!("a tone of {hertz} Hz in the call to {}", self.number);
        until(&what, timeout, || Ok(talk.heard().has_tone(hertz).then_some(())))
    }

    /// Waits for something in the log, and starts to talk as soon as the call is answered.
    fn advance(&mut self, what: &str, timeout: Duration, wish: impl Fn(&[Event]) -> bool) -> Result<()> {
        let Self { sipp, media, script, talk, number, cues, .. } = self;
        until(&format!("{what} the call to {number}"), timeout, || {
            // Asked first: what was logged before the end must be read.
            let ended = sipp.ended()?;
            let events = sipp.events()?;
            if talk.is_none()
                && let Some(answered) = events.iter().find(|event| event.name == "answered")
            {
                let peer = peer_of(answered.message.body())
                    .with_context(|| format!("an answer without a session description: {}", answered.message.text))?;
                let cues = cues.take().context("a call is answered once")?;
                *talk = Some(media.talk(peer, script.clone(), cues)?);
            }
            if wish(&events) {
                return Ok(Some(()));
            }
            ensure!(!ended, "the call to {number} ended before. {}", sipp.complaints());
            Ok(None)
        })
        .with_context(|| sipp.complaints())
    }
}

/// How a call went.
#[derive(Debug, Clone)]
pub struct CallResult {
    /// The final SIP status: 200 when it was answered, 487 when the caller gave up.
    pub code: u16,
    /// Its text.
    pub reason: String,
    /// From the first provisional answer (180 to 183) to the final one; `None` when there was none.
    pub ringing: Option<Duration>,
    /// Whether it was answered.
    pub answered: bool,
    /// Whether the caller gave up because nobody answered in time.
    pub gave_up: bool,
    /// Whether the other side ended it after the answer.
    pub hung_up: bool,
    /// When it was answered or refused.
    pub decided: SystemTime,
    /// From the first answer of any kind to the end of the call.
    pub took: Duration,
    /// What was heard since the answer.
    pub heard: Sound,
    /// The final answer: contact, connected line, session description.
    pub response: SipMessage,
}

impl CallResult {
    /// An error unless it was answered.
    ///
    /// # Errors
    /// With what happened instead.
    pub fn expect_answer(&self) -> Result<&Self> {
        ensure!(self.answered, "expected an answer, got {}", self.summary());
        Ok(self)
    }

    /// An error unless it was refused with this code.
    ///
    /// # Errors
    /// With what happened instead.
    pub fn expect_code(&self, code: u16) -> Result<&Self> {
        ensure!(self.code == code && !self.gave_up, "expected {code}, got {}", self.summary());
        Ok(self)
    }

    /// An error unless it rang until the caller gave up.
    ///
    /// # Errors
    /// With what happened instead.
    pub fn expect_rang_out(&self) -> Result<&Self> {
        ensure!(self.gave_up && self.ringing.is_some(), "expected ringing without an answer, got {}", self.summary());
        Ok(self)
    }

    fn summary(&self) -> String {
        let ringing = self.ringing.map(|time| format!(" after ringing for {time:?}")).unwrap_or_default();
        let giving_up = if self.gave_up { ", for the caller gave up" } else { "" };
        format!("{} {}{ringing}{giving_up}", self.code, self.reason)
    }
}

fn result(events: &[Event], heard: Sound) -> Result<CallResult> {
    let named = |name: &str| events.iter().find(|event| event.name == name);
    let gave_up = named("given-up");
    let Some(last) = named("answered").or_else(|| named("failed")).or(gave_up) else {
        bail!("had no final answer");
    };
    let (code, reason) = last.message.status().context("had a final answer without a status")?;
    let between = |from: &Event, to: &Event| to.at.duration_since(from.at).unwrap_or_default();
    let (first, end) = (events.first().unwrap_or(last), events.last().unwrap_or(last));
    Ok(CallResult {
        code,
        reason,
        ringing: named("progress").map(|event| between(event, last)),
        answered: last.name == "answered",
        gave_up: gave_up.is_some(),
        hung_up: named("hung-up").is_some(),
        decided: last.at,
        took: between(first, end),
        heard,
        response: last.message.clone(),
    })
}
