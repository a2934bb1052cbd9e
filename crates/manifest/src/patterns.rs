//! Many patterns, asked all at once.

use crate::text::{Pattern, Place};

/// Patterns with a rank each: finds the first of those that share a number with another. A tree of places, so that what it costs is
/// what is near: patterns that begin with other digits are never looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct PatternIndex {
    /// The root is the first.
    nodes: Vec<Node>,
}

/// A place of patterns that are alike before it. Nodes are named by where they stand; none is the root, which is below nothing.
#[derive(Debug, Clone, PartialEq)]
struct Node {
    /// What stands at this place.
    set: u16,
    /// The first of those that stand at the next place.
    below: Option<u32>,
    /// The next of those that stand at this place.
    beside: Option<u32>,
    /// The first pattern that goes on from here, or ends.
    first: u32,
    /// The first that ends here, that ends with `.` from here, and with `!`.
    ends: [u32; 3],
}

/// No pattern.
const NONE: u32 = u32::MAX;

/// How a pattern ends.
const CLOSED: usize = 0;
const ONE_OR_MORE: usize = 1;
const NONE_OR_MORE: usize = 2;

impl Node {
    fn new(set: u16) -> Self {
        Self { set, below: None, beside: None, first: NONE, ends: [NONE; 3] }
    }
}

impl Default for PatternIndex {
    fn default() -> Self {
        Self { nodes: vec![Node::new(0)] }
    }
}

impl PatternIndex {
    /// Adds a pattern. Of several, the one with the least rank is the first.
    pub fn insert(&mut self, pattern: &Pattern, rank: u32) {
        let (mut at, mut end) = (0, CLOSED);
        let lower = |first: &mut u32| *first = rank.min(*first);
        lower(&mut self.nodes[at].first);
        for place in pattern.places() {
            match place {
                Place::One(set) => at = self.child(at, set),
                Place::OneOrMore => end = ONE_OR_MORE,
                Place::NoneOrMore => end = NONE_OR_MORE,
            }
            lower(&mut self.nodes[at].first);
        }
        lower(&mut self.nodes[at].ends[end]);
    }

    /// The node below another for a set, made where there is none.
    fn child(&mut self, parent: usize, set: u16) -> usize {
        if let Some(there) = self.below(parent).find(|at| self.nodes[*at].set == set) {
            return there;
        }
        let new = self.nodes.len();
        let beside = self.nodes[parent].below.replace(u32::try_from(new).unwrap_or(NONE));
        self.nodes.push(Node { beside, ..Node::new(set) });
        new
    }

    fn below(&self, parent: usize) -> impl Iterator<Item = usize> {
        let next = |at: Option<u32>| at.map(|at| at as usize);
        std::iter::successors(next(self.nodes[parent].below), move |at| next(self.nodes[*at].beside))
    }

    /// The least rank of the patterns that some number of this one matches too.
    pub fn first_overlap(&self, pattern: &Pattern) -> Option<u32> {
        self.first(&pattern.places())
    }

    /// The least rank of the patterns that match a number.
    pub fn first_match(&self, number: &str) -> Option<u32> {
        self.first(&Pattern::places_of_number(number)?)
    }

    /// The least rank of the patterns that match every number of this one.
    pub fn first_cover(&self, pattern: &Pattern) -> Option<u32> {
        let mut best = NONE;
        self.cover(0, &pattern.places(), &mut best);
        (best != NONE).then_some(best)
    }

    fn cover(&self, at: usize, places: &[Place], best: &mut u32) {
        let node = &self.nodes[at];
        let [closed, one_or_more, none_or_more] = node.ends;
        let mut found = |first: u32| *best = first.min(*best);
        found(none_or_more);
        match places.split_first() {
            None => found(closed),
            // Who takes one or more of anything does not take a number that ends here.
            Some((Place::NoneOrMore, _)) => {}
            Some((Place::OneOrMore, _)) => found(one_or_more),
            Some((Place::One(set), rest)) => {
                found(one_or_more);
                for below in self.below(at) {
                    let node = &self.nodes[below];
                    if node.set & set == *set && node.first < *best {
                        self.cover(below, rest, best);
                    }
                }
            }
        }
    }

    fn first(&self, places: &[Place]) -> Option<u32> {
        let mut best = NONE;
        self.walk(0, places, &mut best);
        (best != NONE).then_some(best)
    }

    fn walk(&self, at: usize, places: &[Place], best: &mut u32) {
        let node = &self.nodes[at];
        let [closed, one_or_more, none_or_more] = node.ends;
        let mut found = |first: u32| *best = first.min(*best);
        // An open end takes whatever the other goes on with.
        found(none_or_more);
        match places.split_first() {
            None => found(closed),
            Some((Place::NoneOrMore, _)) => found(node.first),
            Some((Place::OneOrMore, _)) => {
                found(one_or_more);
                for below in self.below(at) {
                    found(self.nodes[below].first);
                }
            }
            Some((Place::One(set), rest)) => {
                found(one_or_more);
                for below in self.below(at) {
                    let node = &self.nodes[below];
                    if node.set & set != 0 && node.first < *best {
                        self.walk(below, rest, best);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_finds_what_looking_at_each_finds() {
        let pattern = "(_[0-2XZN]{0,2}(\\[0-1\\]|\\[12\\])?[0-2X]{0,2}[.!]?|[0-2]{1,4})";
        let parse = |text: String| text.parse::<Pattern>().ok();
        let patterns = prop::collection::vec(pattern.prop_filter_map("a pattern", parse), 1..12);
        let config = ProptestConfig::with_cases(2_000);
        let mut runner = proptest::test_runner::TestRunner::new(config);
        let found = runner.run(
            &(patterns, pattern.prop_filter_map("a pattern", parse), "[0-3]{1,5}"),
            |(all, other, number)| {
                let mut index = PatternIndex::default();
                // Two of a rank, as those of a route are.
                let ranked = || all.iter().zip(0..).map(|(pattern, at)| (pattern, at / 2));
                for (pattern, rank) in ranked() {
                    index.insert(pattern, rank);
                }
                let overlapping = ranked().find(|(pattern, _)| pattern.overlaps(&other)).map(|(_, rank)| rank);
                prop_assert_eq!(index.first_overlap(&other), overlapping);
                // One that takes every number of the other takes its shortest and its widest, too.
                if let Some(cover) = index.first_cover(&other) {
                    prop_assert!(index.first_overlap(&other).is_some_and(|first| first <= cover));
                    prop_assert!(
                        !other.matches(&number) || index.first_match(&number).is_some_and(|first| first <= cover)
                    );
                }
                let itself = all.iter().all(|own| {
                    let mut alone = PatternIndex::default();
                    alone.insert(own, 0);
                    own != &other || alone.first_cover(&other).is_some()
                });
                prop_assert!(itself);
                let matching = ranked().find(|(pattern, _)| pattern.matches(&number)).map(|(_, rank)| rank);
                prop_assert_eq!(index.first_match(&number), matching);
                Ok(())
            },
        );
        found.unwrap();
    }
}
