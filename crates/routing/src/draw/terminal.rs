//! A tree of lines for the terminal.

use std::collections::BTreeSet;

use super::{Look, Picture};

/// A line: what stands before the step, and the step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Branches of the tree.
    pub branch: String,
    /// Why calls come here, with its arrow.
    pub reason: String,
    /// The step.
    pub label: String,
    /// What else is worth knowing.
    pub note: String,
    /// How it looks.
    pub look: Look,
}

/// What branches are drawn with.
struct Signs {
    fork: &'static str,
    last: &'static str,
    down: &'static str,
    arrow: &'static str,
}

const BOXES: Signs = Signs { fork: "├─ ", last: "└─ ", down: "│  ", arrow: " → " };
const PLAIN: Signs = Signs { fork: "|- ", last: "`- ", down: "|  ", arrow: " -> " };

impl Picture {
    /// As a tree, with box characters or without. A step that several lead to is drawn once, and referred to elsewhere.
    pub fn tree(&self, boxes: bool) -> Vec<Line> {
        let signs = if boxes { BOXES } else { PLAIN };
        let mut lines = Vec::new();
        let mut drawn: BTreeSet<usize> = BTreeSet::new();
        // Step, why, what stands before its own line, and before those below it. Not by recursion: a chain may be long.
        let mut stack: Vec<(usize, String, String, String)> =
            self.roots.iter().rev().map(|root| (*root, String::new(), String::new(), String::new())).collect();
        while let Some((at, reason, branch, below)) = stack.pop() {
            let Some(step) = self.steps.get(at) else { continue };
            let arrows = self.leaving(at);
            let again = !drawn.insert(at) && !arrows.is_empty();
            let reason = if reason.is_empty() { reason } else { format!("{reason}{}", signs.arrow) };
            let note = if again { "(above)".to_owned() } else { step.note.clone() };
            if branch.is_empty() && !lines.is_empty() {
                lines.push(Line {
                    branch: String::new(),
                    reason: String::new(),
                    label: String::new(),
                    note: String::new(),
                    look: Look::Passes,
                });
            }
            lines.push(Line { branch, reason, label: step.label.clone(), note, look: step.look });
            if again {
                continue;
            }
            for (index, arrow) in arrows.iter().enumerate().rev() {
                let last = index + 1 == arrows.len();
                let (own, down) = if last { (signs.last, "   ") } else { (signs.fork, signs.down) };
                stack.push((arrow.to, arrow.reason.clone(), format!("{below}{own}"), format!("{below}{down}")));
            }
        }
        lines
    }
}
