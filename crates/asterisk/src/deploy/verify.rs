//! Reading back what Asterisk has, and comparing it with what was meant.
//!
//! Only sections that differ from the revision before are read back: the others were verified when they came, and Asterisk did
//! not reload them. What is compared is every option that Asterisk shows; those that it does not show (access lists) are covered by
//! its complaints at the reload.

use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt};
use tokio_util::sync::CancellationToken;

use crate::ami::{Action, AmiError, Client};
use crate::config::{ConfigFile, ConfigTree, Section};

use super::{ChangedSection, Rejection, all_sections};

mod conference;
mod dialplan;
mod music;
mod parking;
mod queue;
mod rtp;
mod sip;
mod voicemail;

pub(super) use queue::ORDER;

/// What was compared, and what is not as it was meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    /// SIP objects that were read back.
    pub sip_objects: usize,
    /// Dialplan contexts that were read back.
    pub contexts: usize,
    /// Voicemail boxes that were read back.
    pub mailboxes: usize,
    /// Queues that were read back.
    pub queues: usize,
    /// Classes of music that were read back.
    pub music: usize,
    /// Parking lots that were read back.
    pub parking_lots: usize,
    /// Conferences that were read back.
    pub conferences: usize,
    /// Entries of Asterisk's own database that were read back.
    pub entries: usize,
    /// What is not as it was meant.
    pub rejections: Vec<Rejection>,
}

/// How many questions are under way at once. Answers come in order; this hides the way there and back.
const AT_ONCE: usize = 64;

/// Asks many things, some at once; the answers, or why one was refused, come in the order of the questions.
fn ask<A>(
    client: &Client,
    questions: Vec<A>,
) -> impl Stream<Item = Result<Result<A::Answer, String>, AmiError>> + Send + Unpin + use<A>
where
    A: Action + Send + Sync + 'static,
    A::Answer: Send,
{
    let client = client.clone();
    Box::pin(
        stream::iter(questions)
            .map(move |question| {
                let client = client.clone();
                async move {
                    match client.call(&question).await {
                        Ok(answer) => Ok(Ok(answer)),
                        Err(AmiError::Refused { message, .. }) => Ok(Err(message)),
                        Err(error) => Err(error),
                    }
                }
            })
            .buffered(AT_ONCE),
    )
}

/// How many SIP endpoints make reading back take so long that it is worth a connection of its own.
const MANY: usize = 300;

/// How long between two looks at whether a reload has come so far.
const LOOK: Duration = Duration::from_millis(50);

/// The moments of a reload that reading back ahead of its end needs to know of, and the one that the reload waits for.
#[derive(Debug, Default)]
pub struct Moments {
    /// It is known how Asterisk's telephones were before: only then may they be reloaded.
    pub seen: CancellationToken,
    /// All but the telephones is reloaded.
    pub others: CancellationToken,
    /// All of it is, or it failed.
    pub ended: CancellationToken,
}

/// What is to be read back after a change.
#[derive(Debug)]
pub struct ReadBack<'t> {
    to: &'t ConfigTree,
    contexts: Vec<ChangedSection<'t>>,
    music: Vec<ChangedSection<'t>>,
    conferences: Vec<ChangedSection<'t>>,
    queues: Vec<ChangedSection<'t>>,
    parking: Vec<ChangedSection<'t>>,
    sip: Option<sip::Wanted<'t>>,
    voicemail: bool,
    pins: Option<&'t ConfigTree>,
    rtp: bool,
}

impl<'t> ReadBack<'t> {
    /// What these sections mean, of which `to` has those that stay.
    pub fn new(changed: &[ChangedSection<'t>], to: &'t ConfigTree) -> Self {
        let of = |name: &str| -> Vec<ChangedSection<'t>> {
            changed.iter().filter(|change| change.file == name).copied().collect()
        };
        let sections = of("pjsip.conf");
        let sip = to.file("pjsip.conf").filter(|_| !sections.is_empty()).map(|file| sip::Wanted::new(file, &sections));
        Self {
            to,
            contexts: of("extensions.conf"),
            music: of("musiconhold.conf"),
            conferences: of("confbridge.conf"),
            queues: of("queues.conf"),
            parking: of("res_parking.conf"),
            sip,
            voicemail: changed.iter().any(|change| change.file == "voicemail.conf"),
            pins: None,
            rtp: changed.iter().any(|change| change.file == "rtp.conf"),
        }
    }

    /// Also the PINs that are not as they were in another tree. What users have set by telephone is as it should be, but for these.
    #[must_use]
    pub fn with_pins(self, from: &'t ConfigTree) -> Self {
        Self { pins: Some(from), ..self }
    }

    /// Reads all of it back. `progress` is told how many answers there are, and of how many.
    pub async fn all(&self, client: &Client, mut progress: impl FnMut(usize, usize)) -> Result<Verification, AmiError> {
        let mut found = Verification::default();
        self.others(client, &mut found, &mut progress).await?;
        if let Some(sip) = &self.sip {
            sip::endpoints(client, sip, &mut found, &mut progress).await?;
        }
        self.rest(client, &mut found).await?;
        Ok(found)
    }

    /// Reads back most of it while the last reload, that of `pjsip.conf`, still goes on: first what the reloads before it have read,
    /// then the telephones, which are there long before it ends (measured: 10,000 endpoints after 1.2 s of 4.7 s), and are replaced as a
    /// whole, type by type, so that what is as it was meant stays so. Over a connection of its own, since a reload holds up whatever else
    /// is asked over its. Nothing where little is to be read, or where something is not as it was meant: then all of it is read when the
    /// reload has ended.
    pub async fn ahead(&self, client: &Client, moments: &Moments) -> Option<Verification> {
        let _begin = moments.seen.clone().drop_guard();
        let sip = self.sip.as_ref().filter(|sip| sip.endpoints() >= MANY)?;
        let own = client.another().await.ok()?;
        let one_of_each = sip.one_of_each_type();
        let mut before = Verification::default();
        sip::endpoints(&own, &one_of_each, &mut before, &mut |_, _| {}).await.ok()?;
        // What cannot be told from what was there before says nothing of the reload.
        if before.rejections.is_empty() {
            return None;
        }
        moments.seen.cancel();
        tokio::select! {
            () = moments.ended.cancelled() => return None,
            () = moments.others.cancelled() => {}
        }
        let mut found = Verification::default();
        self.others(&own, &mut found, &mut |_, _| {}).await.ok()?;
        loop {
            let mut there = Verification::default();
            sip::endpoints(&own, &one_of_each, &mut there, &mut |_, _| {}).await.ok()?;
            if there.rejections.is_empty() {
                break;
            }
            tokio::select! {
                () = moments.ended.cancelled() => return None,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        sip::endpoints(&own, sip, &mut found, &mut |_, _| {}).await.ok()?;
        if let Some(first) = found.rejections.first() {
            tracing::debug!(others = found.rejections.len() - 1, first = first.message, "not all is there yet");
            return None;
        }
        Some(found)
    }

    /// All but the telephones.
    async fn others(
        &self,
        client: &Client,
        found: &mut Verification,
        progress: &mut impl FnMut(usize, usize),
    ) -> Result<(), AmiError> {
        dialplan::contexts(client, &self.contexts, found, progress).await?;
        if self.voicemail {
            voicemail::boxes(client, self.to, found).await?;
        }
        music::music(client, &self.music, found).await?;
        conference::conferences(client, &self.conferences, found).await?;
        queue::queues(client, &self.queues, found).await?;
        parking::parking(client, &self.parking, found).await?;
        if let Some(from) = self.pins {
            voicemail::pins(client, from, self.to, found).await?;
        }
        Ok(())
    }

    /// What a reload comes to at its end: registrations and transports, and the little that is quickly asked.
    pub async fn rest(&self, client: &Client, found: &mut Verification) -> Result<(), AmiError> {
        if let Some(sip) = &self.sip {
            sip::late(client, sip, found).await?;
        }
        if let Some(file) = self.to.file("rtp.conf").filter(|_| self.rtp) {
            rtp::settings(client, file, found).await?;
        }
        Ok(())
    }
}

/// Reads back a whole tree.
pub async fn verify(client: &Client, to: &ConfigTree) -> Result<Verification, AmiError> {
    let nothing = ConfigTree::empty();
    ReadBack::new(&all_sections(&nothing, to), to).all(client, |_, _| {}).await
}

/// The options of a section, as they are written, each with its line (from 1).
pub(super) fn options<'t>(
    file: &'t ConfigFile,
    section: &'t Section,
) -> impl Iterator<Item = (&'t str, &'t str, usize)> {
    let lines = file.section_text(section).lines().enumerate().skip(1);
    lines.filter_map(move |(at, line)| line.split_once(" = ").map(|(key, value)| (key, value, section.line + at)))
}

/// A value as Asterisk reads it from a file.
fn read(written: &str) -> String {
    written.replace("\\;", ";")
}
