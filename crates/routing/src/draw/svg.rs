//! A drawing of our own: steps in columns, from left to right.

use std::collections::VecDeque;
use std::fmt::Write as _;

use super::{Look, Picture};

/// How wide a letter is, in a font of 12 pixels.
const LETTER: usize = 7;
/// How high a line of text is.
const LINE: usize = 18;
/// Between boxes above each other, and around all.
const GAP: usize = 18;
/// What an arrow needs besides its words.
const BEND: usize = 56;

/// Where a step is drawn.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    column: usize,
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

impl Picture {
    /// As SVG, for a browser or a wiki.
    pub fn svg(&self) -> String {
        let places = self.places();
        let width = places.iter().map(|place| place.x + place.width).max().unwrap_or_default() + GAP + BEND;
        let height = places.iter().map(|place| place.y + place.height).max().unwrap_or_default() + 2 * GAP;
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"ui-monospace, monospace\" font-size=\"12\">\n\
             <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
             <path d=\"M0 0L8 4L0 8z\" fill=\"#64748b\"/></marker></defs>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
        );
        for (step, place) in places.iter().enumerate() {
            for (index, arrow) in self.leaving(step).iter().enumerate() {
                draw(&mut text, *place, places[arrow.to], index, &arrow.reason, height);
            }
        }
        for (step, place) in self.steps.iter().zip(&places) {
            let (fill, stroke, round) = match step.look {
                Look::Entry => ("#dbeafe", "#2563eb", 14),
                Look::Asks => ("#fef3c7", "#d97706", 3),
                Look::Rings => ("#dcfce7", "#16a34a", 3),
                Look::Passes => ("#f8fafc", "#94a3b8", 3),
                Look::End => ("#fee2e2", "#dc2626", 14),
            };
            let Place { x, y, width, height, .. } = *place;
            let _ = writeln!(
                text,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{round}\" fill=\"{fill}\" stroke=\"{stroke}\"/>"
            );
            let _ = writeln!(
                text,
                "<text x=\"{}\" y=\"{}\" font-weight=\"bold\" fill=\"#0f172a\">{}</text>",
                x + 10,
                y + 17,
                escaped(&step.label)
            );
            if !step.note.is_empty() {
                let _ = writeln!(
                    text,
                    "<text x=\"{}\" y=\"{}\" fill=\"#475569\">{}</text>",
                    x + 10,
                    y + 17 + LINE,
                    escaped(&step.note)
                );
            }
        }
        text.push_str("</svg>\n");
        text
    }

    /// Columns by how far a step is from where calls come in; in each, a step stands near those that lead to it.
    fn places(&self) -> Vec<Place> {
        let mut places: Vec<Place> = self.steps.iter().enumerate().map(|(at, step)| self.size(at, step)).collect();
        let mut seen = vec![false; places.len()];
        let mut queue: VecDeque<usize> = self.roots.iter().copied().collect();
        self.roots.iter().for_each(|root| seen[*root] = true);
        let mut columns: Vec<Vec<usize>> = Vec::new();
        while let Some(at) = queue.pop_front() {
            let column = places[at].column;
            if columns.len() <= column {
                columns.resize(column + 1, Vec::new());
            }
            columns[column].push(at);
            for arrow in self.leaving(at) {
                if !seen[arrow.to] {
                    seen[arrow.to] = true;
                    places[arrow.to].column = column + 1;
                    queue.push_back(arrow.to);
                }
            }
        }
        let mut x = GAP;
        let mut wanted: Vec<Option<usize>> = vec![None; places.len()];
        for column in columns {
            let mut column = column;
            // The first that leads to a step has it beside itself; the order of reasons is kept.
            column.sort_by_key(|at| wanted[*at].unwrap_or(usize::MAX));
            let (mut y, mut widest, mut words) = (GAP, 0, 0);
            for at in column {
                let place = &mut places[at];
                (place.x, place.y) = (x, y.max(wanted[at].unwrap_or_default()));
                y = place.y + place.height + GAP;
                widest = widest.max(place.width);
                let top = place.y;
                for (index, arrow) in self.leaving(at).iter().enumerate() {
                    wanted[arrow.to].get_or_insert(top + index);
                    words = words.max(arrow.reason.chars().count());
                }
            }
            x += widest + words * LETTER + BEND;
        }
        places
    }

    fn size(&self, at: usize, step: &super::Shown) -> Place {
        let letters = step.label.chars().count().max(step.note.chars().count());
        let lines = (1 + usize::from(!step.note.is_empty())).max(self.leaving(at).len());
        // Bold letters are a little wider.
        Place { width: letters * (LETTER + 1) + 20, height: lines * LINE + 8, ..Place::default() }
    }
}

/// An arrow, its words beside where it begins: there every one has room.
fn draw(text: &mut String, from: Place, to: Place, index: usize, reason: &str, bottom: usize) {
    let (x, y) = (from.x + from.width, from.y + 13 + index * LINE);
    let words = x + 6 + reason.chars().count() * LETTER + 4;
    let (end, middle) = (to.x, to.y + 13);
    let path = if to.column > from.column {
        let bend = (end.saturating_sub(words) / 2).max(20);
        format!("M{x} {y}H{words}C{} {y} {} {middle} {end} {middle}", words + bend, end.saturating_sub(bend))
    } else {
        // Back to an earlier column: around below both.
        let low = (from.y + from.height).max(to.y + to.height) + GAP / 2;
        let low = low.min(bottom.saturating_sub(4));
        format!(
            "M{x} {y}H{words}C{} {y} {} {low} {words} {low}H{}C{} {low} {} {middle} {end} {middle}",
            words + 30,
            words + 30,
            end.saturating_sub(10),
            end.saturating_sub(30),
            end.saturating_sub(30)
        )
    };
    let _ = writeln!(text, "<path d=\"{path}\" fill=\"none\" stroke=\"#64748b\" marker-end=\"url(#tip)\"/>");
    if !reason.is_empty() {
        let _ = writeln!(
            text,
            "<text x=\"{}\" y=\"{}\" font-size=\"11\" fill=\"#334155\" stroke=\"#ffffff\" stroke-width=\"3\" paint-order=\"stroke\">{}</text>",
            x + 6,
            y - 3,
            escaped(reason)
        );
    }
}

/// A text as XML carries it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
