//! A flowchart for Mermaid, as GitHub and GitLab draw it.

use std::fmt::Write as _;

use super::{Look, Picture};

impl Picture {
    /// As a flowchart.
    pub fn mermaid(&self) -> String {
        let mut text = String::from("flowchart LR\n");
        for (at, step) in self.steps.iter().enumerate() {
            let (open, close) = match step.look {
                Look::Entry => ("([", "])"),
                Look::Asks => ("{{", "}}"),
                Look::Rings | Look::Passes => ("[", "]"),
                Look::End => ("(", ")"),
            };
            let note = if step.note.is_empty() { String::new() } else { format!("<br/>{}", escaped(&step.note)) };
            let _ = writeln!(text, "  n{at}{open}\"{}{note}\"{close}", escaped(&step.label));
        }
        for arrow in &self.arrows {
            let reason =
                if arrow.reason.is_empty() { String::new() } else { format!("|\"{}\"|", escaped(&arrow.reason)) };
            let _ = writeln!(text, "  n{} -->{reason} n{}", arrow.from, arrow.to);
        }
        text
    }
}

/// A text within quotes.
fn escaped(text: &str) -> String {
    text.replace('&', "#amp;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;").replace('`', "#96;")
}
