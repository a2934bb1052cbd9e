//! Tables that survive being copied: columns and blanks, nothing else.

use std::borrow::Cow;

use dialoguer::console::{measure_text_width, truncate_str};
use tabled::builder::Builder;
use tabled::settings::{Padding, Style as Frame};

use crate::ui::{Look, Style};

/// How narrow a column may become before another one gives way.
const LEAST: usize = 8;

/// From how many rows on a table is written by ourselves: `tabled` keeps several strings for each cell, and of ten thousand rows
/// that was more of the command's time than all else that it does with them.
const MANY: usize = 1000;

/// Writes rows under headings. On a terminal they fit its width: the widest columns are cut first, never the first column.
pub fn table(headings: &[&str], rows: Vec<Vec<String>>, look: Look) -> String {
    let mut table = Table::new(headings);
    for row in rows {
        table.row(row);
    }
    table.text(look)
}

/// Rows under headings, to be laid out at once.
#[derive(Debug, Clone)]
pub struct Table {
    headings: Vec<String>,
    /// All cells, row by row, one after another,
    text: String,
    /// and where each of them ends.
    ends: Vec<usize>,
    never_cut: Option<&'static str>,
    gives_way: Option<&'static str>,
}

impl Table {
    /// Without rows.
    pub fn new(headings: &[&str]) -> Self {
        Self {
            headings: headings.iter().map(|heading| (*heading).to_owned()).collect(),
            text: String::new(),
            ends: Vec::new(),
            never_cut: None,
            gives_way: None,
        }
    }

    /// With a column that is shown in full however narrow the terminal is, as the first one always is: half an instant says nothing.
    #[must_use]
    pub fn never_cut(self, heading: &'static str) -> Self {
        Self { never_cut: Some(heading), ..self }
    }

    /// With a column that is cut before any other: free text, which is understood by its beginning.
    #[must_use]
    pub fn gives_way(self, heading: &'static str) -> Self {
        Self { gives_way: Some(heading), ..self }
    }

    /// Adds a row. Cells that are missing or empty have a mark.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl AsRef<str>>) {
        let mut cells = cells.into_iter();
        for _ in 0..self.headings.len() {
            let cell = cells.next();
            let cell = cell.as_ref().map(AsRef::as_ref).filter(|cell| !cell.is_empty());
            self.text.push_str(cell.unwrap_or("-"));
            self.ends.push(self.text.len());
        }
    }

    /// Takes a column out.
    pub fn without(&mut self, heading: &str) {
        let Some(gone) = self.headings.iter().position(|own| own == heading) else { return };
        let mut other = Self { headings: self.headings.clone(), text: String::new(), ends: Vec::new(), ..*self };
        other.headings.remove(gone);
        for row in 0..self.rows() {
            other.row((0..self.headings.len()).filter(|at| *at != gone).map(|at| self.cell(row, at)));
        }
        *self = other;
    }

    /// Puts a word before each cell of the first column.
    pub fn begin_first(&mut self, word: &str) {
        let mut other = Self { headings: self.headings.clone(), text: String::new(), ends: Vec::new(), ..*self };
        for row in 0..self.rows() {
            let first = format!("{word}{}", self.cell(row, 0));
            let rest = (1..self.headings.len()).map(|at| self.cell(row, at));
            other.row(std::iter::once(first.as_str()).chain(rest));
        }
        *self = other;
    }

    fn rows(&self) -> usize {
        self.ends.len().checked_div(self.headings.len()).unwrap_or(0)
    }

    fn cell(&self, row: usize, column: usize) -> &str {
        let at = row * self.headings.len() + column;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[at]]
    }

    /// How wide each column is.
    fn widths(&self, look: Look) -> Vec<usize> {
        let columns = self.headings.len();
        let mut widths: Vec<usize> = self.headings.iter().map(String::len).collect();
        for row in 0..self.rows() {
            for (at, widest) in widths.iter_mut().enumerate() {
                *widest = (*widest).max(width(self.cell(row, at)));
            }
        }
        let Some(wanted) = look.width else { return widths };
        let may_go = |at: usize| self.never_cut.is_none_or(|heading| self.headings[at] != heading);
        let first = self.gives_way.and_then(|heading| self.headings.iter().position(|own| own == heading));
        let least = |at: usize| self.headings[at].len().max(LEAST);
        while widths.iter().sum::<usize>() + 2 * columns.saturating_sub(1) > wanted {
            let first = first.filter(|at| widths[*at] > least(*at));
            let widest = (1..columns)
                .filter(|at| may_go(*at))
                .max_by_key(|at| widths[*at])
                .filter(|at| widths[*at] > least(*at));
            let Some(at) = first.or(widest) else { break };
            widths[at] -= 1;
        }
        widths
    }

    /// The table as text.
    pub fn text(&self, look: Look) -> String {
        let widths = self.widths(look);
        let cut = |row: usize, at: usize| {
            let cell = self.cell(row, at);
            if width(cell) > widths[at] { truncate_str(cell, widths[at], "…") } else { Cow::Borrowed(cell) }
        };
        let text = if self.rows() > MANY && !self.text.contains('\n') {
            self.written(&widths, cut)
        } else {
            let mut builder = Builder::with_capacity(self.rows() + 1, widths.len());
            builder.push_record(&self.headings);
            for row in 0..self.rows() {
                builder.push_record((0..widths.len()).map(|at| cut(row, at)));
            }
            builder.build().with(Frame::empty()).with(Padding::new(0, 2, 0, 0)).to_string()
        };
        let mut out = String::with_capacity(text.len());
        for (at, line) in text.lines().enumerate() {
            let line = line.trim_end();
            if at == 0 {
                out.push_str(&look.paint(Style::Heading, line));
            } else {
                out.push_str(line);
            }
            out.push('\n');
        }
        out
    }

    /// The lines, each cell as wide as its column and two blanks.
    fn written<'c>(&self, widths: &[usize], cut: impl Fn(usize, usize) -> Cow<'c, str>) -> String {
        let line = widths.iter().sum::<usize>() + 2 * widths.len() + 1;
        let mut text = String::with_capacity(line * (self.rows() + 1));
        let mut put = |cell: &str, to: usize, last: bool| {
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', to.saturating_sub(width(cell)) + 2));
            if last {
                text.push('\n');
            }
        };
        let last = widths.len().saturating_sub(1);
        for (at, heading) in self.headings.iter().enumerate() {
            put(heading, widths[at], at == last);
        }
        for row in 0..self.rows() {
            for (at, to) in widths.iter().enumerate() {
                put(&cut(row, at), *to, at == last);
            }
        }
        text
    }
}

/// How many columns a text takes.
fn width(text: &str) -> usize {
    let plain = text.bytes().all(|b| (b' '..=b'~').contains(&b));
    if plain { text.len() } else { measure_text_width(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<String>> {
        vec![
            vec!["1001".into(), "Ana Reyes".into(), "desk".into()],
            vec!["1002".into(), "Bartholomew Featherstonehaugh of the third floor".into(), String::new()],
        ]
    }

    #[test]
    fn columns_are_aligned_and_empty_cells_have_a_mark() {
        let look = Look { color: false, width: None };
        assert_eq!(
            table(&["NAME", "DISPLAY NAME", "PROFILE"], rows(), look),
            "NAME  DISPLAY NAME                                      PROFILE\n\
             1001  Ana Reyes                                         desk\n\
             1002  Bartholomew Featherstonehaugh of the third floor  -\n"
        );
    }

    #[test]
    fn on_a_terminal_the_widest_column_gives_way() {
        let look = Look { color: false, width: Some(40) };
        let text = table(&["NAME", "DISPLAY NAME", "PROFILE"], rows(), look);
        assert!(text.lines().all(|line| measure_text_width(line) <= 40), "{text}");
        assert!(text.contains("Bartholomew"), "{text}");
        assert!(text.contains('…'), "{text}");
    }

    #[test]
    fn free_text_gives_way_first_and_an_instant_never() {
        let mut table = Table::new(&["REVISION", "WHEN", "WHO", "MESSAGE"]).never_cut("WHEN").gives_way("MESSAGE");
        table.row(["1", "2026-11-27 05:10:00 UTC", "ana@office", "move the sales floor"]);
        let text = table.text(Look { color: false, width: Some(60) });
        assert!(text.contains("2026-11-27 05:10:00 UTC  ana@office  move the"), "{text}");
        assert!(text.lines().all(|line| measure_text_width(line) <= 60), "{text}");
        let narrow = table.text(Look { color: false, width: Some(20) });
        assert!(narrow.contains("2026-11-27 05:10:00 UTC  ana@off…"), "{narrow}");
    }

    #[test]
    fn a_large_table_is_laid_out_as_a_small_one() {
        let all = || rows().into_iter().chain([vec!["1003".to_owned(), "Zoë 東京".to_owned()]]);
        for width in [None, Some(40), Some(24)] {
            let look = Look { color: true, width };
            let small = table(&["NAME", "DISPLAY NAME", "PROFILE"], all().collect(), look);
            let large = table(&["NAME", "DISPLAY NAME", "PROFILE"], (0..MANY).flat_map(|_| all()).collect(), look);
            let lines: Vec<&str> = large.lines().take(4).collect();
            assert_eq!(lines, small.lines().collect::<Vec<_>>());
            assert_eq!(large.lines().count(), 3 * MANY + 1);
        }
    }

    #[test]
    fn a_column_that_is_taken_out_is_not_seen() {
        let mut table = Table::new(&["NAME", "ENABLED", "OWNER"]);
        table.row(["1001", "yes", "default"]);
        table.without("ENABLED");
        assert_eq!(table.text(Look { color: false, width: None }), "NAME  OWNER\n1001  default\n");
    }
}
