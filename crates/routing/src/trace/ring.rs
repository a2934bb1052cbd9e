//! Telephones that ring.

use pbx_manifest::kinds::Strategy;
use pbx_manifest::{Duration, Hangup, Name};

use super::walk::{Status, Turn, Walk};
use super::{End, Entry, list};
use crate::{Edge, When};

/// What an extension does when it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Telephone {
    Answers,
    Busy,
    Silent,
    Gone,
    Undisturbed,
}

impl Walk<'_, '_> {
    pub(super) fn telephone(&self, name: &Name) -> Telephone {
        let given = self.given;
        // In the order in which it is asked: who is not to be disturbed is not even looked for.
        match () {
            () if given.do_not_disturb.contains(name) => Telephone::Undisturbed,
            () if given.unregistered.contains(name) => Telephone::Gone,
            () if given.busy.contains(name) => Telephone::Busy,
            () if given.no_answer.contains(name) => Telephone::Silent,
            () => Telephone::Answers,
        }
    }

    /// Whether it is the caller's own.
    pub(super) fn calls(&self, name: &Name) -> bool {
        matches!(&self.call.entry, Entry::Telephone { extension, .. } if extension == name)
    }

    /// One extension rings.
    pub(super) fn ring(&mut self, name: &Name, timeout: Duration, edges: &[Edge]) -> Turn {
        let (status, what) = match self.telephone(name) {
            Telephone::Answers => {
                self.happens(format!("rings, at most {timeout}"));
                return Turn::End(End::Answered(vec![name.clone()]));
            }
            Telephone::Busy => (Status::Busy, "it is busy"),
            Telephone::Undisturbed => (Status::Busy, "it is not to be disturbed"),
            Telephone::Silent => {
                self.happens(format!("rings for {timeout}"));
                (Status::NoAnswer, "nobody answers")
            }
            Telephone::Gone => (Status::Unavailable, "no telephone is registered"),
        };
        self.status = Some(status);
        let wanted = match status {
            Status::Busy => When::Busy,
            Status::NoAnswer => When::NoAnswer,
            Status::Unavailable => When::Unavailable,
        };
        match edges.iter().position(|edge| edge.when == wanted) {
            Some(at) => Turn::Way(at, what.into()),
            None => Turn::Hangup(Hangup::Congestion, what.into()),
        }
    }

    /// Extensions ring at once: those that may answer; else how it ended.
    fn together(&mut self, members: &[Name], timeout: Duration) -> Result<Vec<Name>, Status> {
        let states: Vec<(&Name, Telephone)> = members.iter().map(|name| (name, self.telephone(name))).collect();
        let of = |wanted: Telephone| -> Vec<Name> {
            states.iter().filter(|(_, state)| *state == wanted).map(|(name, _)| (*name).clone()).collect()
        };
        let (answering, silent, busy) = (of(Telephone::Answers), of(Telephone::Silent), of(Telephone::Busy));
        for (who, what) in [
            (&busy, "busy"),
            (&of(Telephone::Gone), "not registered"),
            (&of(Telephone::Undisturbed), "not to be disturbed"),
        ] {
            if !who.is_empty() {
                self.happens(format!("{what}: {}", list(who)));
            }
        }
        let ringing: Vec<Name> = states
            .iter()
            .filter(|(_, state)| matches!(state, Telephone::Answers | Telephone::Silent))
            .map(|(name, _)| (*name).clone())
            .collect();
        if !ringing.is_empty() {
            let most = if answering.is_empty() { "for" } else { "at most" };
            self.happens(format!(
                "{} ring{} {most} {timeout}",
                list(&ringing),
                if ringing.len() == 1 { "s" } else { "" }
            ));
        }
        match () {
            () if !answering.is_empty() => Ok(answering),
            () if !silent.is_empty() => Err(Status::NoAnswer),
            () if !busy.is_empty() => Err(Status::Busy),
            () => Err(Status::Unavailable),
        }
    }

    /// The members of a group ring.
    pub(super) fn ring_members(
        &mut self,
        strategy: Strategy,
        members: &[Name],
        timeout: Duration,
        edges: &[Edge],
    ) -> Turn {
        let rounds: Vec<&[Name]> = match strategy {
            Strategy::RingAll => vec![members],
            // Whose turn it is follows from the calls before: on paper there were none.
            Strategy::Hunt | Strategy::RoundRobin => members.iter().map(std::slice::from_ref).collect(),
            Strategy::MemoryHunt => (1..=members.len()).map(|count| &members[..count]).collect(),
        };
        for round in rounds {
            match self.together(round, timeout) {
                Ok(answering) => return Turn::End(End::Answered(answering)),
                Err(status) => self.status = Some(status),
            }
        }
        match edges.iter().position(|edge| edge.when == When::Otherwise) {
            Some(at) => Turn::Way(at, "nobody took it".into()),
            None => Turn::Hangup(Hangup::Normal, "nobody took it".into()),
        }
    }

    /// A level of a tree rings.
    pub(super) fn ring_together(&mut self, members: &[Name], timeout: Duration, edges: &[Edge]) -> Turn {
        let status = match self.together(members, timeout) {
            Ok(answering) => return Turn::End(End::Answered(answering)),
            Err(status) => status,
        };
        self.status = Some(status);
        match status {
            Status::Busy => Self::leave(edges, &When::Busy, "all are busy"),
            Status::NoAnswer => Self::leave(edges, &When::NoAnswer, "nobody answers"),
            Status::Unavailable => Self::leave(edges, &When::Otherwise, "nobody is there"),
        }
    }

    /// The way out for a reason, or the one for every other reason.
    pub(super) fn leave(edges: &[Edge], wanted: &When, why: &str) -> Turn {
        let find = |when: &When| edges.iter().position(|edge| edge.when == *when);
        match find(wanted).or_else(|| find(&When::Otherwise)) {
            Some(at) => Turn::Way(at, why.into()),
            None => Turn::Hangup(Hangup::Normal, why.into()),
        }
    }
}
