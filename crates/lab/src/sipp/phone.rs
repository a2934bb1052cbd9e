//! The called side: phones that register, and carriers that do not.

use super::{Event, SIP, SipMessage, Sipp, Start, plain, scenario};
use crate::place::{Place, is_bound};
use crate::rtp::Media;
use crate::wait::until;
use anyhow::{Context, Result, bail, ensure};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, SystemTime};

/// What the called side does with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    /// Rings (unless `after` is zero) and answers.
    Answer {
        /// How long it rings.
        after: Duration,
        /// How long it talks before hanging up; `None` leaves that to the other side.
        hold_for: Option<Duration>,
    },
    /// Rings (unless `after` is zero) and refuses.
    Reject {
        /// How long it rings.
        after: Duration,
        /// The SIP status, as 486.
        code: u16,
        /// Its text, as `Busy Here`.
        reason: String,
    },
    /// Rings and never answers.
    Ignore,
    /// Says nothing at all, as a phone whose network is gone.
    Silent,
}

impl Behaviour {
    /// Rings for a while, answers, and stays until the other side hangs up.
    pub fn answer_after(after: Duration) -> Self {
        Self::Answer { after, hold_for: None }
    }

    /// Refuses at once.
    pub fn reject(code: u16) -> Self {
        let reason = match code {
            404 => "Not Found",
            480 => "Temporarily Unavailable",
            486 => "Busy Here",
            503 => "Service Unavailable",
            603 => "Decline",
            _ => "Refused",
        };
        Self::Reject { after: Duration::ZERO, code, reason: reason.to_owned() }
    }
}

/// Who registers where.
#[derive(Debug, Clone)]
pub struct PhoneSpec {
    /// User of the address of record and of the credentials.
    pub user: String,
    /// Its password.
    pub password: String,
    /// The registrar: UDP port 5060 of this address. Phones over TCP and TLS are on a [`crate::Floor`]: SIPp registers
    /// from a passing port there, which is where `rewrite_contact` would send the calls.
    pub server: Ipv4Addr,
    /// How long the registration shall last. It is not renewed: a test is shorter than that.
    pub expires: Duration,
}

impl PhoneSpec {
    /// For an hour.
    pub fn new(user: impl Into<String>, password: impl Into<String>, server: Ipv4Addr) -> Self {
        let (user, password) = (user.into(), password.into());
        Self { user, password, server, expires: Duration::from_hours(1) }
    }
}

/// What became of a call that came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is still ringing (or nobody has answered to the caller's last word yet).
    Pending,
    /// It was answered.
    Answered,
    /// It was refused with this code.
    Rejected(u16),
    /// The caller gave up, or somebody else answered.
    Cancelled,
}

/// A call that came in. Times come from one clock for all phones of a machine, so they compare.
#[derive(Debug, Clone)]
pub struct RangCall {
    /// When the request arrived.
    pub at: SystemTime,
    /// When the outcome was known.
    pub decided: Option<SystemTime>,
    /// When the call ended after it was answered.
    pub ended: Option<SystemTime>,
    /// The user that the request was for: a carrier's dialled number.
    pub to: String,
    /// The user in `From`: the caller's number.
    pub from: String,
    /// The name in `From`.
    pub from_name: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// The whole request, for its other headers.
    pub request: SipMessage,
}

impl RangCall {
    /// From the request to the outcome.
    pub fn rang_for(&self) -> Option<Duration> {
        self.decided?.duration_since(self.at).ok()
    }
}

/// A place that answers calls from anybody, without registration: a carrier, or the second half of a phone.
#[derive(Debug)]
pub struct Uas {
    sipp: Sipp,
    place: Place,
    /// Bound, so that audio does not come back as "port unreachable".
    _media: Media,
}

impl Uas {
    /// Listens on UDP port 5060 of a place until dropped.
    ///
    /// # Errors
    /// When SIPp cannot start.
    pub fn listen(place: Place, behaviour: &Behaviour) -> Result<Self> {
        if let Behaviour::Reject { reason, .. } = behaviour {
            plain(reason)?;
        }
        let media = Media::open(place.ip())?;
        let scenario = scenario::answer(behaviour, &media.sdp()?.replace("\r\n", "\n"));
        let start = Start { name: "uas", scenario: &scenario, to: None, login: None, times: Start::ONCE };
        let mut sipp = Sipp::start(&place, &start)?;
        let address = SocketAddrV4::new(place.ip(), SIP);
        until(&format!("SIPp listening at {address}"), Duration::from_secs(20), || {
            sipp.ensure_running()?;
            Ok(is_bound("udp", address)?.then_some(()))
        })?;
        Ok(Self { sipp, place, _media: media })
    }

    /// Its address; the port is 5060.
    pub fn ip(&self) -> Ipv4Addr {
        self.place.ip()
    }

    /// The calls that have come in so far, in order.
    ///
    /// # Errors
    /// When SIPp's log cannot be understood.
    pub fn calls(&self) -> Result<Vec<RangCall>> {
        let mut calls: Vec<(String, RangCall)> = Vec::new();
        for event in self.sipp.events()? {
            if event.name == "invite" {
                calls.push((event.call.clone(), rang_call(event)));
            } else if let Some((_, call)) = calls.iter_mut().rev().find(|(id, _)| *id == event.call) {
                take_note(call, &event);
            }
        }
        Ok(calls.into_iter().map(|(_, call)| call).collect())
    }

    /// Waits until that many calls have come in, and gives them.
    ///
    /// # Errors
    /// When they do not come in time.
    pub fn wait_calls(&self, count: usize, timeout: Duration) -> Result<Vec<RangCall>> {
        self.wait(&format!("call {count} to {}", self.ip()), timeout, |calls| calls.len() >= count)
    }

    /// Waits until that many calls have come in and none of them is pending, and gives them.
    ///
    /// # Errors
    /// When they are not decided in time.
    pub fn wait_decided(&self, count: usize, timeout: Duration) -> Result<Vec<RangCall>> {
        self.wait(&format!("the outcome of call {count} to {}", self.ip()), timeout, |calls| {
            calls.len() >= count && calls.iter().all(|call| call.outcome != Outcome::Pending)
        })
    }

    /// Waits until the calls are as wished, as "the last one was cancelled", and gives them.
    ///
    /// # Errors
    /// When they are not in time.
    pub fn wait(&self, what: &str, timeout: Duration, wish: impl Fn(&[RangCall]) -> bool) -> Result<Vec<RangCall>> {
        until(what, timeout, || Ok(Some(self.calls()?).filter(|calls| wish(calls))))
    }

    /// What it was notified of so far, in order, without being asked: lamps.
    ///
    /// # Errors
    /// When SIPp's log cannot be understood.
    pub fn notifications(&self) -> Result<Vec<SipMessage>> {
        let events = self.sipp.events()?.into_iter();
        Ok(events.filter(|event| event.name == "notify").map(|event| event.message).collect())
    }

    /// Stops answering and gives the place back, as a phone whose power is cut.
    pub fn close(self) -> Place {
        drop(self.sipp);
        self.place
    }
}

fn rang_call(event: Event) -> RangCall {
    let request = event.message;
    RangCall {
        at: event.at,
        decided: None,
        ended: None,
        to: request.user("").unwrap_or_default(),
        from: request.user("From").unwrap_or_default(),
        from_name: request.display_name("From"),
        outcome: Outcome::Pending,
        request,
    }
}

fn take_note(call: &mut RangCall, event: &Event) {
    match event.name.as_str() {
        "answered" => call.outcome = Outcome::Answered,
        "cancelled" => call.outcome = Outcome::Cancelled,
        "hung-up" | "hanging-up" => {
            call.ended = Some(event.at);
            return;
        }
        other => match other.strip_prefix("rejected-").and_then(|code| code.parse().ok()) {
            Some(code) => call.outcome = Outcome::Rejected(code),
            None => return,
        },
    }
    call.decided = Some(event.at);
}

/// A registered phone.
#[derive(Debug)]
pub struct Phone {
    spec: PhoneSpec,
    uas: Uas,
}

impl Phone {
    /// Registers from a place of its own, and then behaves.
    ///
    /// # Errors
    /// When the registrar refuses, with its answer.
    pub fn register(spec: &PhoneSpec, behaviour: &Behaviour) -> Result<Self> {
        Self::register_at(Place::take()?, spec, behaviour)
    }

    /// Registers from this place.
    ///
    /// # Errors
    /// As [`Phone::register`].
    pub fn register_at(place: Place, spec: &PhoneSpec, behaviour: &Behaviour) -> Result<Self> {
        bind(&place, spec, spec.expires)?;
        let uas = Uas::listen(place, behaviour)?;
        Ok(Self { spec: spec.clone(), uas })
    }

    /// Its address; the port is 5060.
    pub fn ip(&self) -> Ipv4Addr {
        self.uas.ip()
    }

    /// The calls that have come in so far, in order.
    ///
    /// # Errors
    /// When SIPp's log cannot be understood.
    pub fn calls(&self) -> Result<Vec<RangCall>> {
        self.uas.calls()
    }

    /// As [`Uas::wait_calls`].
    ///
    /// # Errors
    /// When they do not come in time.
    pub fn wait_calls(&self, count: usize, timeout: Duration) -> Result<Vec<RangCall>> {
        self.uas.wait_calls(count, timeout)
    }

    /// As [`Uas::wait_decided`].
    ///
    /// # Errors
    /// When they are not decided in time.
    pub fn wait_decided(&self, count: usize, timeout: Duration) -> Result<Vec<RangCall>> {
        self.uas.wait_decided(count, timeout)
    }

    /// As [`Uas::wait`].
    ///
    /// # Errors
    /// When they are not in time.
    pub fn wait(&self, what: &str, timeout: Duration, wish: impl Fn(&[RangCall]) -> bool) -> Result<Vec<RangCall>> {
        self.uas.wait(what, timeout, wish)
    }

    /// As [`Uas::notifications`].
    ///
    /// # Errors
    /// When SIPp's log cannot be understood.
    pub fn notifications(&self) -> Result<Vec<SipMessage>> {
        self.uas.notifications()
    }

    /// Waits until the lamp for messages is lit, or out, and gives the notification that did it: RFC 3842, section 5.4.
    ///
    /// # Errors
    /// When it is not in time, with the last notification.
    pub fn wait_lamp(&self, lit: bool, timeout: Duration) -> Result<SipMessage> {
        let wanted = format!("Messages-Waiting: {}", if lit { "yes" } else { "no" });
        let mut last = None;
        until(&format!("`{wanted}` at {}", self.ip()), timeout, || {
            last = self.notifications()?.pop();
            Ok(last.clone().filter(|message| message.body().lines().any(|line| line.trim() == wanted)))
        })
        .with_context(|| last.map_or_else(|| "no notification".to_owned(), |message| message.text))
    }

    /// Stops answering without a word: the registrar still believes in it.
    pub fn vanish(self) -> Place {
        self.uas.close()
    }

    /// Unregisters, and stops answering.
    ///
    /// # Errors
    /// When the registrar refuses.
    pub fn unregister(self) -> Result<Place> {
        let place = self.uas.close();
        bind(&place, &self.spec, Duration::ZERO)?;
        Ok(place)
    }
}

/// One registration, from the port where calls shall arrive: behind `rewrite_contact` the registrar looks at that, not
/// at the contact.
fn bind(place: &Place, spec: &PhoneSpec, expires: Duration) -> Result<()> {
    let scenario = scenario::register(plain(&spec.user)?, expires);
    let to = SocketAddrV4::new(spec.server, SIP);
    let login = Some((spec.user.as_str(), spec.password.as_str()));
    let start = Start { name: "register", scenario: &scenario, to: Some(to), login, times: Start::ONCE };
    let mut sipp = Sipp::start(place, &start)?;
    let what = format!("an answer of {} to the registration of {}", spec.server, spec.user);
    until(&what, Duration::from_secs(30), || Ok(sipp.ended()?.then_some(())))?;
    let events = sipp.events()?;
    ensure!(!events.is_empty(), "{what} did not come. {}", sipp.complaints());
    if let Some((code, reason)) = events.iter().find(|event| event.name == "failed").and_then(|e| e.message.status()) {
        bail!("the registration of {} was refused: {code} {reason}", spec.user);
    }
    Ok(())
}
