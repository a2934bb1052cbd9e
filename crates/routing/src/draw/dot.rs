//! A graph for Graphviz.

use std::fmt::Write as _;

use super::{Look, Picture};

impl Picture {
    /// As a graph in DOT.
    pub fn dot(&self) -> String {
        let mut text = String::from(
            "digraph calls {\n  rankdir=LR;\n  node [fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\", fontsize=10];\n",
        );
        for (at, step) in self.steps.iter().enumerate() {
            let shape = match step.look {
                Look::Entry => "cds",
                Look::Asks => "hexagon",
                Look::Rings => "box",
                Look::Passes => "plaintext",
                Look::End => "oval",
            };
            let note = if step.note.is_empty() { String::new() } else { format!("\\n{}", escaped(&step.note)) };
            let _ = writeln!(text, "  n{at} [shape={shape}, label=\"{}{note}\"];", escaped(&step.label));
        }
        for arrow in &self.arrows {
            let label = if arrow.reason.is_empty() {
                String::new()
            } else {
                format!(" [label=\"{}\"]", escaped(&arrow.reason))
            };
            let _ = writeln!(text, "  n{} -> n{}{label};", arrow.from, arrow.to);
        }
        text.push_str("}\n");
        text
    }
}

/// A text within quotes.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
