//! Callers who wait.

use pbx_manifest::kinds::{AutoPause, Emptiness, Queue};
use pbx_manifest::{Caller, Duration, Hangup, Name};

use super::ring::Telephone;
use super::walk::{Turn, Walk};
use super::{End, list};
use crate::{Edge, When};

/// A member of a queue who is logged in, and what the telephone does.
struct Member<'g> {
    name: &'g Name,
    penalty: u32,
    paused: bool,
    telephone: Telephone,
}

impl Member<'_> {
    /// Whether a queue that is empty by this measure is not, for this member's sake.
    fn counts(&self, empty: Emptiness) -> bool {
        let there = self.telephone != Telephone::Gone;
        match empty {
            Emptiness::Never => true,
            Emptiness::NobodyLoggedIn => there,
            Emptiness::NobodyAvailable => there && !self.paused && self.telephone != Telephone::Undisturbed,
            Emptiness::NobodyFree => self.is_free(),
        }
    }

    fn is_free(&self) -> bool {
        !self.paused && matches!(self.telephone, Telephone::Answers | Telephone::Silent)
    }
}

fn is_empty(members: &[Member<'_>], empty: Emptiness) -> bool {
    empty != Emptiness::Never && !members.iter().any(|member| member.counts(empty))
}

impl<'g> Walk<'g, '_> {
    /// The members who are logged in.
    fn members(&self, queue: &'g Queue) -> Vec<Member<'g>> {
        let catalog = self.tracer.catalog;
        let logged_in = |name: &Name| self.given.logged_in.contains(name);
        queue
            .members
            .iter()
            .filter(|member| {
                crate::rings(catalog, &member.extension) && (member.auto_login || logged_in(&member.extension))
            })
            .map(|member| {
                let name = &member.extension;
                Member {
                    name,
                    penalty: member.penalty,
                    paused: self.given.paused.contains(name) || self.taken_out.contains(&name),
                    // Whoever calls is on the telephone.
                    telephone: match self.telephone(name) {
                        Telephone::Answers | Telephone::Silent if self.calls(name) && !queue.ring_in_use => {
                            Telephone::Busy
                        }
                        telephone => telephone,
                    },
                }
            })
            .collect()
    }

    /// A caller comes to a queue.
    pub(super) fn queue(
        &mut self,
        name: &'g Name,
        vip: &[(Caller, u32)],
        longest: Option<Duration>,
        edges: &[Edge],
    ) -> Turn {
        let Some(object) = self.tracer.catalog.queues.get(name) else {
            return Turn::Hangup(Hangup::Congestion, "there is no such queue".into());
        };
        let queue = &object.spec;
        if let Some((who, priority)) = vip.iter().find(|(who, _)| who.matches(self.call.caller.as_deref())) {
            self.happens(format!("a VIP, as `{who}`: priority {priority}"));
        }
        let mut members = self.members(queue);
        // In Asterisk's order: first whether there is anyone, then whether there is room.
        if is_empty(&members, queue.join_empty) {
            return Self::leave(edges, &When::Empty, &emptiness(queue, &members, queue.join_empty));
        }
        let waiting = self.given.waiting.get(name).copied().unwrap_or_default();
        if let Some(most) = queue.max_waiting
            && (waiting >= most || self.given.full.contains(name))
        {
            // A level of a tree takes it for being busy.
            let full = if edges.iter().any(|edge| edge.when == When::Full) { When::Full } else { When::Busy };
            return Self::leave(edges, &full, &format!("{most} wait already"));
        }
        if let Some(music) = &queue.hold_music {
            self.music.push(music.clone());
            self.happens(format!("waits to music/{music}"));
        }
        if let Some(turn) = self.press_while(edges) {
            return turn;
        }
        if let Some(answering) = self.served(queue, &mut members) {
            return Turn::End(End::Answered(answering));
        }
        if is_empty(&members, queue.leave_empty) {
            return Self::leave(edges, &When::Empty, &emptiness(queue, &members, queue.leave_empty));
        }
        let Some(longest) = longest else { return Turn::End(End::Waits(name.clone())) };
        // A level of a tree has no such way out: there it is one where nobody answers.
        let late = if edges.iter().any(|edge| edge.when == When::TimedOut) { When::TimedOut } else { When::NoAnswer };
        Self::leave(edges, &late, &format!("nobody has answered for {longest}"))
    }

    /// Who answers: those of the lowest penalty that are free; the next ones when a queue takes out who lets it ring.
    fn served(&mut self, queue: &'g Queue, members: &mut [Member<'g>]) -> Option<Vec<Name>> {
        loop {
            let lowest = members.iter().filter(|member| member.is_free()).map(|member| member.penalty).min()?;
            let called = members.iter().filter(|member| member.is_free() && member.penalty == lowest);
            let (answering, silent): (Vec<&Member<'_>>, Vec<_>) =
                called.partition(|member| member.telephone == Telephone::Answers);
            if !answering.is_empty() {
                return Some(answering.iter().map(|member| member.name.clone()).collect());
            }
            let silent: Vec<&'g Name> = silent.iter().map(|member| member.name).collect();
            let names: Vec<Name> = silent.iter().map(|name| (*name).clone()).collect();
            self.happens(format!("nobody answers of {}", list(&names)));
            if queue.auto_pause == AutoPause::Never {
                return None;
            }
            self.happens(format!("put on a break: {}", list(&names)));
            members.iter_mut().filter(|member| silent.contains(&member.name)).for_each(|member| member.paused = true);
            self.taken_out.extend(silent);
        }
    }
}

/// Why a queue is empty, in words.
fn emptiness(queue: &Queue, members: &[Member<'_>], empty: Emptiness) -> String {
    match empty {
        _ if queue.members.is_empty() => "it has no members".into(),
        _ if members.is_empty() => "nobody is logged in".into(),
        _ if members.iter().all(|member| member.telephone == Telephone::Gone) => {
            "nobody who is logged in has a telephone registered".into()
        }
        Emptiness::NobodyFree => "nobody is free".into(),
        _ => "nobody is available".into(),
    }
}
