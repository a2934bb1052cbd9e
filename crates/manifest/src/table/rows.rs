//! CSV text to cells that know where they stand.
//!
//! The crate `csv` reads faster than anyone needs and cannot say where a cell begins; so it writes what we export, is the judge of
//! this reader in the tests, and the reading is done here: every message about a cell has to show it.

use std::borrow::Cow;

use crate::source::Source;

/// A cell and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell<'t> {
    /// Its text, without the quotes around it.
    pub(crate) text: Cow<'t, str>,
    /// Its bytes in the text, with the quotes.
    pub(crate) bytes: (usize, usize),
    /// What is wrong with its quotes; lines after the first are help.
    pub(crate) wrong: Option<&'static str>,
}

impl Cell<'_> {
    /// Its text without the blanks around it, which are a slip. Other white space stays: it is told where it cannot be.
    pub(crate) fn words(&self) -> &str {
        self.text.trim_matches(' ')
    }
}

/// A row and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row<'t> {
    /// Its cells, at least one.
    pub(crate) cells: Vec<Cell<'t>>,
    /// Its bytes in the text, without the line break.
    pub(crate) bytes: (usize, usize),
    /// Whether a line break ends it.
    pub(crate) ended: bool,
    /// Where the next row starts.
    next: usize,
}

impl Row<'_> {
    /// Whether there is nothing in it.
    pub(crate) fn is_blank(&self) -> bool {
        self.cells.iter().all(|cell| cell.text.trim().is_empty())
    }
}

/// The rows of a text.
#[derive(Debug, Clone)]
pub(crate) struct Rows<'t> {
    text: &'t str,
    /// What stands between cells.
    pub(crate) delimiter: u8,
    /// Another delimiter that the header could have as well.
    pub(crate) or: Option<u8>,
    at: usize,
}

/// What spreadsheets put between cells.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

impl<'t> Rows<'t> {
    /// The rows of a source, its delimiter found out from the header: the one that leaves a cell `name`, else the one that makes
    /// the most cells. A spreadsheet's first line `sep=;` says it.
    pub(crate) fn of(source: &'t Source) -> Self {
        let text = source.text.as_str();
        let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let mut rows = Self { text, delimiter: b',', or: None, at: start };
        if source.sheet().is_some() {
            return rows;
        }
        let first = text[start..].lines().next().unwrap_or_default().trim_end();
        if let Some(&[said]) = first.strip_prefix("sep=").map(str::as_bytes)
            && DELIMITERS.contains(&said)
        {
            rows.delimiter = said;
            return rows;
        }
        let mut tried: Vec<(bool, usize, u8)> = DELIMITERS
            .into_iter()
            .map(|delimiter| {
                let header = Self { delimiter, ..rows.clone() }.find(|row| !row.is_blank());
                let cells = header.map(|row| row.cells).unwrap_or_default();
                (cells.iter().any(|cell| is_name(&cell.text)), cells.len(), delimiter)
            })
            .collect();
        // Stable: of equals, the comma.
        tried.sort_by_key(|(named, cells, _)| std::cmp::Reverse((*named, *cells)));
        rows.delimiter = tried[0].2;
        rows.or = (tried[0].1 > 1 && (tried[0].0, tried[0].1) == (tried[1].0, tried[1].1)).then_some(tried[1].2);
        rows
    }

    /// The row that starts at a byte.
    pub(crate) fn at(&self, start: usize) -> Row<'t> {
        let bytes = self.text.as_bytes();
        let mut cells = Vec::new();
        let mut at = start;
        loop {
            let cell = self.cell(at);
            at = cell.bytes.1;
            cells.push(cell);
            match bytes.get(at) {
                Some(&byte) if byte == self.delimiter => at += 1,
                ending => {
                    let length = match ending {
                        None => 0,
                        Some(b'\r') if bytes.get(at + 1) == Some(&b'\n') => 2,
                        Some(_) => 1,
                    };
                    return Row { cells, bytes: (start, at), ended: length > 0, next: at + length };
                }
            }
        }
    }

    /// The cell that starts at a byte, up to a delimiter, a line break or the end.
    fn cell(&self, start: usize) -> Cell<'t> {
        let bytes = self.text.as_bytes();
        let ends = |byte: u8| byte == self.delimiter || byte == b'\n' || byte == b'\r';
        let until = |from: usize| bytes[from..].iter().position(|byte| ends(*byte)).map_or(bytes.len(), |at| from + at);
        if bytes.get(start) != Some(&b'"') {
            let end = until(start);
            return Cell { text: Cow::Borrowed(&self.text[start..end]), bytes: (start, end), wrong: None };
        }
        let mut text = Cow::Borrowed("");
        let mut from = start + 1;
        loop {
            let Some(quote) = bytes[from..].iter().position(|byte| *byte == b'"').map(|at| from + at) else {
                let end = until(start);
                let wrong = "the quote that opens this cell is not closed\nadd the quote at the cell's end; a quote inside a cell is written twice";
                return Cell { text: Cow::Borrowed(&self.text[start..end]), bytes: (start, end), wrong: Some(wrong) };
            };
            let doubled = bytes.get(quote + 1) == Some(&b'"');
            let piece = &self.text[from..quote + usize::from(doubled)];
            if text.is_empty() {
                text = Cow::Borrowed(piece);
            } else {
                text.to_mut().push_str(piece);
            }
            if doubled {
                from = quote + 2;
                continue;
            }
            let end = until(quote + 1);
            let wrong = (end > quote + 1 && !self.text[quote + 1..end].trim().is_empty())
                .then_some("text stands behind the quote that closes this cell\na quote inside a cell is written twice, as in `\"Ana \"\"Tita\"\" Reyes\"`");
            return Cell { text, bytes: (start, end), wrong };
        }
    }
}

impl<'t> Iterator for Rows<'t> {
    type Item = Row<'t>;

    fn next(&mut self) -> Option<Row<'t>> {
        if self.at >= self.text.len() {
            return None;
        }
        let row = self.at(self.at);
        self.at = row.next;
        Some(row)
    }
}

/// Whether a header's cell is that of names.
pub(crate) fn is_name(title: &str) -> bool {
    matches!(title.trim(), "name" | "metadata.name")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Table;
    use proptest::prelude::*;

    fn source(text: &str) -> Source {
        Source::rows("a.csv", text, Table::default())
    }

    fn texts(source: &Source) -> Vec<Vec<String>> {
        Rows::of(source).map(|row| row.cells.iter().map(|cell| cell.text.to_string()).collect()).collect()
    }

    #[test]
    fn the_header_says_what_stands_between_cells() {
        for (text, delimiter, or) in [
            ("kind,name\nExtension,1001\n", b',', None),
            ("kind;name\nExtension;1001\n", b';', None),
            ("\u{feff}name;codecs\n1001;\"alaw;ulaw\"\n", b';', None),
            ("name\tcodecs\n1001\talaw;ulaw\n", b'\t', None),
            ("name\n1001\n", b',', None),
            ("sep=;\nname;a,b\n", b';', None),
            ("\n\nname,a;b\n", b',', None),
            ("a;b;c,d\n", b';', None),
            ("name,a;name\n", b',', Some(b';')),
        ] {
            let source = source(text);
            let rows = Rows::of(&source);
            assert_eq!((rows.delimiter, rows.or), (delimiter, or), "{text:?}");
        }
    }

    #[test]
    fn quotes_that_do_not_match_are_wrong() {
        let source = source("name,b\n\"a\"b,c\n\"ab \" ,c\nx,\"open,\ny\n");
        let wrong: Vec<(String, bool)> = Rows::of(&source)
            .flat_map(|row| row.cells)
            .filter(|cell| cell.text != "c")
            .map(|cell| (source.text[cell.bytes.0..cell.bytes.1].to_owned(), cell.wrong.is_some()))
            .collect();
        let wrong: Vec<(&str, bool)> = wrong.iter().map(|(text, wrong)| (text.as_str(), *wrong)).collect();
        assert_eq!(
            wrong,
            [
                ("name", false),
                ("b", false),
                ("\"a\"b", true),
                ("\"ab \" ", false),
                ("x", false),
                ("\"open", true),
                ("", false),
                ("y", false)
            ]
        );
    }

    proptest! {
        #[test]
        fn it_reads_what_the_crate_csv_reads(
            table in prop::collection::vec(prop::collection::vec("[a-c,;\"\r\n é=+]{0,5}", 2..5), 1..6),
            crlf: bool,
        ) {
            let mut writer = csv::WriterBuilder::new();
            writer.flexible(true);
            if crlf {
                writer.terminator(csv::Terminator::CRLF);
            }
            let mut writer = writer.from_writer(Vec::new());
            writer.write_record(["name", "x"]).unwrap();
            for row in &table {
                writer.write_record(row).unwrap();
            }
            let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            let source = source(&text);
            prop_assert_eq!(&texts(&source)[1..], &table[..]);
            for row in Rows::of(&source) {
                prop_assert!(row.cells.iter().all(|cell| cell.wrong.is_none()));
                prop_assert!(row.cells.windows(2).all(|pair| pair[0].bytes.1 + 1 == pair[1].bytes.0));
            }
        }

        #[test]
        fn any_text_is_read_to_its_end(text in "[name,;\"\r\n\té\u{feff}]{0,40}") {
            let source = source(&text);
            let rows: Vec<Row<'_>> = Rows::of(&source).collect();
            prop_assert!(rows.iter().all(|row| !row.cells.is_empty()));
            prop_assert!(rows.last().is_none_or(|row| row.next == text.len()));
            prop_assert!(rows.windows(2).all(|pair| pair[0].next == pair[1].bytes.0));
        }
    }
}
