//! Tables that survive being copied: columns and blanks, nothing else.

use dialoguer::console::{measure_text_width, truncate_str};
use tabled::builder::Builder;
use tabled::settings::{Padding, Style as Frame};

use crate::ui::{Look, Style};

/// How narrow a column may become before another one gives way.
const LEAST: usize = 8;

/// Writes rows under headings. On a terminal they fit its width: the widest columns are cut first, never the first column.
pub fn table(headings: &[&str], mut rows: Vec<Vec<String>>, look: Look) -> String {
    let columns = headings.len();
    for row in &mut rows {
        row.resize(columns, String::new());
        for cell in row.iter_mut().filter(|cell| cell.is_empty()) {
            cell.push('-');
        }
    }
    if let Some(width) = look.width {
        let mut widths: Vec<usize> = (0..columns)
            .map(|at| {
                rows.iter().map(|row| measure_text_width(&row[at])).chain([headings[at].len()]).max().unwrap_or(0)
            })
            .collect();
        while widths.iter().sum::<usize>() + 2 * columns.saturating_sub(1) > width {
            let widest =
                (1..columns).max_by_key(|at| widths[*at]).filter(|at| widths[*at] > headings[*at].len().max(LEAST));
            let Some(at) = widest else { break };
            widths[at] -= 1;
        }
        for row in &mut rows {
            for (at, cell) in row.iter_mut().enumerate() {
                if measure_text_width(cell) > widths[at] {
                    *cell = truncate_str(cell, widths[at], "…").into_owned();
                }
            }
        }
    }
    let mut builder = Builder::with_capacity(rows.len() + 1, columns);
    builder.push_record(headings.iter().copied());
    for row in rows {
        builder.push_record(row);
    }
    let text = builder.build().with(Frame::empty()).with(Padding::new(0, 2, 0, 0)).to_string();
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
}
