//! A picture of a terminal, from what programs really wrote to it: text with colours to SVG.

use std::fmt::Write;

/// One cell's looks.
#[derive(Clone, Copy, Default, PartialEq)]
struct Style {
    bold: bool,
    dim: bool,
    colour: Option<u8>,
}

/// The sixteen colours, on a dark ground.
const COLOURS: [&str; 16] = [
    "#3b4252", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d8dee9", "#7f8794", "#ff7b86",
    "#b5e890", "#ffd787", "#82c7ff", "#e296ff", "#7fe0ea", "#ffffff",
];

/// How wide a cell is, in tenths of a pixel, and how tall, in pixels.
const CELL: (usize, usize) = (84, 18);

/// Applies the codes of one `ESC [ … m`.
fn restyle(style: &mut Style, codes: &str) {
    let mut codes = codes.split(';').map(|code| code.parse::<u8>().unwrap_or(0));
    while let Some(code) = codes.next() {
        match code {
            0 => *style = Style::default(),
            1 => style.bold = true,
            2 => style.dim = true,
            22 => (style.bold, style.dim) = (false, false),
            30..=37 => style.colour = Some(code - 30),
            90..=97 => style.colour = Some(code - 90 + 8),
            39 => style.colour = None,
            // `38;5;n`: of 256 colours the first sixteen are these.
            38 if codes.next() == Some(5) => style.colour = codes.next().filter(|colour| *colour < 16),
            _ => {}
        }
    }
}

/// The runs of one look in a line.
fn runs(line: &str, style: &mut Style) -> Vec<(Style, String)> {
    let mut runs = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let (text, after) = rest.split_once("\u{1b}[").map_or((rest, None), |(text, after)| (text, Some(after)));
        if !text.is_empty() {
            runs.push((*style, text.to_owned()));
        }
        let Some(after) = after else { break };
        let end = after.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(after.len());
        if after[end..].starts_with('m') {
            restyle(style, &after[..end]);
        }
        rest = after.get(end + 1..).unwrap_or_default();
    }
    runs
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Draws what a terminal of so many columns showed.
pub(crate) fn svg(screen: &str, columns: usize) -> String {
    let lines: Vec<&str> = screen.lines().collect();
    let (width, height) = (columns * CELL.0 / 10 + 32, lines.len() * CELL.1 + 56);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" font-size=\"14\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#1e222a\"/>\n\
         <circle cx=\"20\" cy=\"18\" r=\"6\" fill=\"#e06c75\"/><circle cx=\"40\" cy=\"18\" r=\"6\" fill=\"#e5c07b\"/>\
         <circle cx=\"60\" cy=\"18\" r=\"6\" fill=\"#98c379\"/>\n"
    );
    let mut style = Style::default();
    for (row, line) in lines.into_iter().enumerate() {
        let y = 48 + row * CELL.1;
        let _ = write!(svg, "<text xml:space=\"preserve\" x=\"16\" y=\"{y}\" fill=\"#d8dee9\">");
        for (style, text) in runs(line, &mut style) {
            let colour = style.colour.map(|colour| COLOURS[usize::from(colour)]);
            let _ = write!(
                svg,
                "<tspan{}{}{}>{}</tspan>",
                colour.map_or_else(String::new, |colour| format!(" fill=\"{colour}\"")),
                if style.bold { " font-weight=\"bold\"" } else { "" },
                if style.dim { " opacity=\"0.7\"" } else { "" },
                escaped(&text)
            );
        }
        svg.push_str("</text>\n");
    }
    svg.push_str("</svg>\n");
    svg
}
