//! Excel workbooks: each sheet that is a table becomes a source of rows, and rows become sheets.
//!
//! A sheet is written out as CSV with the same rows and columns, so that there is one reader of tables. What is lost on the way
//! does not matter to it: types are the columns', not the cells'. A number becomes the digits that Excel shows, a date is written
//! as manifests write dates, and a formula is the value that was there when the file was saved.

use std::collections::{BTreeMap, HashSet};
use std::io::Cursor;

use calamine::{DataRef, ExcelDateTime, Reader as _, SheetType, SheetVisible, Xlsx, XlsxError};
use pbx_manifest::{Grid, Kind, Source, Table};
use rust_xlsxwriter::{DocProperties, ExcelDateTime as Written, Format, Workbook, XlsxError as WriteError};

use crate::failure::Failure;

/// What every workbook begins with.
pub const MAGIC: &[u8] = b"PK\x03\x04";

/// What files of Excel before 2007 begin with, and encrypted ones of today.
const OLD: &[u8] = b"\xd0\xcf\x11\xe0";

/// How many columns are read: far beyond any kind's fields, far below what a stray cell at a sheet's end would cost.
const MOST_COLUMNS: u32 = 1000;

/// From here on Excel no longer keeps every digit of a number.
const INEXACT: f64 = 1e15;

/// Reads the sheets of a workbook that are tables.
pub fn read(name: &str, bytes: Vec<u8>, kind: Option<Kind>) -> Result<Vec<Source>, Failure> {
    if bytes.starts_with(OLD) {
        return Err(Failure::failed("input", format!("`{name}` is protected by a password, or of a very old Excel"))
            .help("save it as `Excel Workbook (*.xlsx)` without a password, or as `CSV UTF-8`"));
    }
    let broken = |error: XlsxError| {
        Failure::failed("input", format!("`{name}` cannot be read as a workbook: {error}"))
            .help("open it in Excel or LibreOffice, and save it again as `Excel Workbook (*.xlsx)`")
    };
    let mut workbook = Xlsx::new(Cursor::new(bytes)).map_err(broken)?;
    let sheets = workbook.sheets_metadata().to_vec();
    let mut sources = Vec::new();
    let mut seen = Vec::new();
    for sheet in sheets.iter().filter(|sheet| sheet.typ == SheetType::WorkSheet) {
        let Some(cells) = cells(&mut workbook, &sheet.name).map_err(broken)? else {
            return Err(Failure::failed(
                "input",
                format!("{name}: sheet {} has cells beyond column {MOST_COLUMNS}", sheet.name),
            )
            .help("delete the columns behind the table: Ctrl+End goes to the last cell that Excel knows of"));
        };
        let hidden = sheet.visible != SheetVisible::Visible;
        if cells.is_table(&sheet.name) {
            let table = Table { sheet: Some(sheet.name.clone()), kind, hidden, unread: cells.unread.clone() };
            sources.push(Source::rows(name, cells.text(), table));
        } else {
            seen.push(format!("`{}`", sheet.name));
        }
    }
    if sources.is_empty() {
        let help =
            "a table's first row names the fields, and one of them is `name`, as in `name`, `displayName`, `email`";
        let failure = Failure::failed("empty", format!("no sheet of `{name}` is a table of objects")).help(help);
        return Err(if seen.is_empty() { failure } else { failure.help(format!("looked at {}", seen.join(", "))) });
    }
    Ok(sources)
}

/// What stands in a sheet.
#[derive(Debug, Default)]
struct Cells {
    /// By row and column, from 0; nothing that is blank.
    texts: BTreeMap<(u32, u32), String>,
    unread: Vec<((u32, u32), String)>,
}

impl Cells {
    /// Whether the rows are objects: the first one names a field `name` or `kind`, or the sheet has the name of a kind.
    fn is_table(&self, sheet: &str) -> bool {
        let Some(((header, _), _)) = self.texts.first_key_value() else { return false };
        let mut titles = self.texts.range((*header, 0)..(header + 1, 0)).map(|(_, text)| text.trim());
        Kind::find(sheet).is_some() || titles.any(|title| matches!(title, "name" | "metadata.name" | "kind"))
    }

    /// As CSV with the same rows and columns.
    fn text(&self) -> String {
        let mut text = String::new();
        let (mut row, mut column) = (0, 0);
        for ((to_row, to_column), cell) in &self.texts {
            while row < *to_row {
                text.push('\n');
                (row, column) = (row + 1, 0);
            }
            while column < *to_column {
                text.push(',');
                column += 1;
            }
            if cell.contains([',', '"', '\n', '\r']) {
                text.extend(["\"", &cell.replace('"', "\"\""), "\""]);
            } else {
                text.push_str(cell);
            }
        }
        // A cell that could not be read has its row, too.
        let last = self.unread.iter().map(|((row, _), _)| *row).max().unwrap_or(0);
        text.extend(std::iter::repeat_n('\n', (last.max(row) - row + 1) as usize));
        text
    }
}

/// Reads a sheet, cell by cell; nothing when it is too wide.
fn cells(workbook: &mut Xlsx<Cursor<Vec<u8>>>, sheet: &str) -> Result<Option<Cells>, XlsxError> {
    let mut cells = Cells::default();
    let mut valueless = HashSet::new();
    let mut reader = workbook.worksheet_cells_reader(sheet)?;
    while let Some((cell, style)) = reader.next_cell_with_style_id()? {
        let at = cell.get_position();
        let format = || {
            reader
                .styles()
                .get(style)
                .and_then(|style| style.number_format.as_ref())
                .map(|format| format.format_code.as_str())
        };
        let text = match cell.get_value() {
            DataRef::Empty => {
                valueless.insert(at);
                continue;
            }
            DataRef::String(text) | DataRef::DurationIso(text) => text.clone(),
            DataRef::SharedString(text) => (*text).to_owned(),
            DataRef::Bool(truth) => truth.to_string(),
            DataRef::Int(number) => as_shown(&number.to_string(), format()),
            DataRef::Float(number) if number.abs() >= INEXACT => {
                let why = "Excel has kept 15 digits of this number, and the others are lost\nformat the column as text, and write the number again";
                cells.unread.push((at, why.into()));
                number.to_string()
            }
            DataRef::Float(number) => as_shown(&number.to_string(), format()),
            DataRef::DateTime(date) => date_text(date),
            DataRef::DateTimeIso(text) => text.strip_suffix("T00:00:00").unwrap_or(text).to_owned(),
            DataRef::Error(error) => error.to_string(),
        };
        if text.trim().is_empty() {
            continue;
        }
        if at.1 >= MOST_COLUMNS {
            return Ok(None);
        }
        cells.texts.insert(at, text);
    }
    drop(reader);
    if !valueless.is_empty() {
        // A formula that was never calculated would read as an empty cell.
        let mut reader = workbook.worksheet_cells_reader(sheet)?;
        while let Some(formula) = reader.next_formula()? {
            let at = formula.get_position();
            if valueless.contains(&at) && !formula.get_value().is_empty() {
                let why = "this formula has no value in the file\nopen the file in Excel or LibreOffice, and save it";
                cells.unread.push((at, why.into()));
            }
        }
    }
    Ok(Some(cells))
}

/// A whole number with the zeros and the `+` that its format puts in front of it.
fn as_shown(digits: &str, format: Option<&str>) -> String {
    let format = format.unwrap_or_default().replace(['"', '\\'], "");
    let (plus, zeros) = format.strip_prefix('+').map_or(("", format.as_str()), |rest| ("+", rest));
    let plain = !zeros.is_empty()
        && zeros.bytes().all(|b| b == b'0' || b == b'#')
        && digits.bytes().all(|b| b.is_ascii_digit());
    if plain {
        let width = zeros.bytes().filter(|b| *b == b'0').count();
        return format!("{plus}{digits:0>width$}");
    }
    digits.to_owned()
}

/// A date as manifests write it, with its time where it has one; a time alone, too.
fn date_text(date: &ExcelDateTime) -> String {
    let (year, month, day, hour, minute, second, _) = date.to_ymd_hms_milli();
    let time = if second > 0 { format!("{hour:02}:{minute:02}:{second:02}") } else { format!("{hour:02}:{minute:02}") };
    let alone = date.is_duration() || (0.0..1.0).contains(&date.as_f64());
    match (alone, hour, minute, second) {
        (true, ..) => time,
        (false, 0, 0, 0) => format!("{year:04}-{month:02}-{day:02}"),
        (false, ..) => format!("{year:04}-{month:02}-{day:02}T{time}"),
    }
}

/// A workbook with a sheet for each kind. Every cell is text, so that nothing in it is ever a formula, and `0123` and `+351…` stay
/// what they are when someone types over them. The same objects give the same bytes.
pub fn write(sheets: &[(Kind, Grid)]) -> Result<Vec<u8>, Failure> {
    let failed = |error: WriteError| {
        Failure::failed("output", format!("the workbook cannot be written: {error}")).help("`-o csv` has no limits")
    };
    let mut workbook = Workbook::new();
    // No clock: what is kept under version control changes when the objects do.
    let epoch = Written::from_ymd(2000, 1, 1).map_err(failed)?;
    workbook.set_properties(&DocProperties::new().set_creation_datetime(&epoch));
    let text = Format::new().set_num_format("@");
    let bold = Format::new().set_num_format("@").set_bold();
    for (kind, grid) in sheets {
        let sheet = workbook.add_worksheet();
        sheet.set_name(kind.plural()).map_err(failed)?;
        sheet.set_freeze_panes(1, 0).map_err(failed)?;
        for (column, title) in (0..).zip(&grid.header) {
            let width = grid.rows.iter().map(|row| row[usize::from(column)].chars().count()).chain([title.len()]).max();
            sheet.set_column_width(column, width.unwrap_or_default().clamp(8, 40) as u32 + 2).map_err(failed)?;
            sheet.set_column_format(column, &text).map_err(failed)?;
            sheet.write_string_with_format(0, column, title, &bold).map_err(failed)?;
        }
        for (at, row) in (1..).zip(&grid.rows) {
            for (column, cell) in (0..).zip(row).filter(|(_, cell)| !cell.is_empty()) {
                sheet.write_string_with_format(at, column, cell, &text).map_err(failed)?;
            }
        }
    }
    workbook.save_to_buffer().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_xlsxwriter::{Formula, Worksheet};

    fn workbook(fill: impl FnOnce(&mut Workbook) -> Result<(), WriteError>) -> Vec<u8> {
        let mut workbook = Workbook::new();
        fill(&mut workbook).unwrap();
        workbook.save_to_buffer().unwrap()
    }

    fn sheet(fill: impl FnOnce(&mut Worksheet) -> Result<(), WriteError>) -> Source {
        let bytes = workbook(|workbook| fill(workbook.add_worksheet().set_name("extensions")?));
        read("a.xlsx", bytes, None).unwrap().remove(0)
    }

    #[test]
    fn cells_read_as_they_are_shown() {
        let source = sheet(|sheet| {
            let format = |code: &str| Format::new().set_num_format(code);
            let date = Written::from_ymd(2026, 12, 25)?;
            sheet.write(1, 1, "name")?.write(1, 2, "owner")?;
            sheet.write(2, 1, 1001)?.write(2, 2, "0123")?;
            sheet.write(3, 1, 351_210_001_000_i64)?.write(3, 2, true)?;
            sheet.write_with_format(4, 1, 123, &format("0000"))?.write_with_format(
                4,
                2,
                &date,
                &format("yyyy-mm-dd"),
            )?;
            sheet.write_with_format(5, 1, 351_210_001_000_i64, &format("\"+\"0"))?;
            sheet.write_with_format(5, 2, &date.and_hms(3, 0, 0)?, &format("dd/mm/yyyy hh:mm"))?;
            sheet.write_with_format(6, 1, 0.375, &format("hh:mm"))?.write(6, 2, "a \"b\",\nc")?;
            sheet.write_with_format(7, 1, 1234.5, &format("#,##0"))?.write(7, 2, "  ")?;
            sheet.write_formula(9, 1, Formula::new("=1+1").set_result("1002"))?;
            sheet.write_formula(9, 2, Formula::new("=NA()").set_result("#N/A"))?;
            Ok(())
        });
        assert_eq!(
            source.text,
            "\n,name,owner\n,1001,0123\n,351210001000,true\n,0123,2026-12-25\n,+351210001000,2026-12-25T03:00\n\
             ,09:00,\"a \"\"b\"\",\nc\"\n,1234.5\n\n,1002,#N/A\n"
        );
        assert_eq!(source.table.unwrap().unread, []);
    }

    #[test]
    fn what_excel_does_not_know_is_not_guessed() {
        let source = sheet(|sheet| {
            sheet.write(0, 0, "name")?.write(1, 0, 1e15)?.write(2, 0, 1.0)?;
            sheet.write_formula(3, 0, Formula::new("=A2").set_result(""))?;
            Ok(())
        });
        let unread = source.table.unwrap().unread;
        assert_eq!(unread[0].0, (1, 0));
        assert!(unread[0].1.starts_with("Excel has kept 15 digits"), "{unread:?}");
    }

    #[test]
    fn sheets_are_tables_or_left_out() {
        let bytes = workbook(|workbook| {
            workbook.add_worksheet().set_name("Notes")?.write(0, 0, "hello")?;
            workbook.add_worksheet().set_name("People")?.write(0, 0, "kind")?.write(0, 1, "name")?;
            workbook.add_worksheet().set_name("Empty")?;
            workbook.add_worksheet().set_name("Old")?.set_hidden(true).write(0, 0, "name")?;
            workbook.add_worksheet().set_name("Groups")?.write(4, 2, "Name")?;
            Ok(())
        });
        let sources = read("a.xlsx", bytes, None).unwrap();
        let found: Vec<(&str, bool)> =
            sources.iter().map(|source| (source.sheet().unwrap(), source.table.as_ref().unwrap().hidden)).collect();
        assert_eq!(found, [("People", false), ("Old", true), ("Groups", false)]);
        let bytes = workbook(|workbook| workbook.add_worksheet().set_name("Notes")?.write(0, 0, "hello").map(drop));
        let failure = read("a.xlsx", bytes, None).unwrap_err();
        assert_eq!(failure.message, "no sheet of `a.xlsx` is a table of objects");
        assert_eq!(failure.help[1], "looked at `Notes`");
    }

    #[test]
    fn a_sheet_with_a_cell_at_its_far_end_costs_little() {
        let source =
            sheet(|sheet| sheet.write(0, 0, "name")?.write(1, 0, "1001")?.write(1_048_575, 0, "1002").map(drop));
        assert_eq!(source.text.len(), 1_048_576 + "name10011002".len());
        let bytes = workbook(|workbook| workbook.add_worksheet().write(0, 0, "name")?.write(1, 16_383, "x").map(drop));
        assert!(read("a.xlsx", bytes, None).unwrap_err().message.ends_with("has cells beyond column 1000"));
    }

    #[test]
    fn what_is_no_workbook_is_said() {
        assert!(
            read("a.xlsx", b"PK\x03\x04 and so on".to_vec(), None)
                .unwrap_err()
                .message
                .contains("cannot be read as a workbook")
        );
        assert!(read("a.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1".to_vec(), None).unwrap_err().message.contains("protected"));
        assert!(read("a.xlsx", Vec::new(), None).is_err());
    }

    /// The example's workbook has the second telephones of the people in its CSV file: the folder as a whole is one system, too.
    /// `PBXCTL_BLESS=1` writes the workbook anew.
    #[test]
    fn the_example_reads_as_csv_and_as_a_workbook() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/bulk");
        let text = fs_err::read_to_string(folder.join("people.csv")).unwrap();
        let text = text.replace("Extension,1", "Extension,2").replace("@example.com,desk", "@example.com,mobile");
        if std::env::var_os("PBXCTL_BLESS").is_some() {
            let mut rows: Vec<Vec<String>> = csv::ReaderBuilder::new()
                .has_headers(false)
                .from_reader(text.as_bytes())
                .records()
                .map(|row| row.unwrap().iter().map(str::to_owned).collect())
                .collect();
            let header = rows.remove(0);
            let grid = Grid { header, rows };
            fs_err::write(folder.join("mobiles.xlsx"), write(&[(Kind::Extension, grid)]).unwrap()).unwrap();
        }
        let workbook = read("mobiles.xlsx", fs_err::read(folder.join("mobiles.xlsx")).unwrap(), None).unwrap();
        let of = |source: Source| {
            let parsed = pbx_manifest::parse(&[source]);
            assert_eq!(parsed.diagnostics, []);
            parsed
                .documents
                .into_iter()
                .map(|document| (document.object, document.meta, document.fields))
                .collect::<Vec<_>>()
        };
        let (rows, cells) = (of(Source::rows("people.csv", text, Table::default())), workbook.into_iter().flat_map(of));
        assert_eq!(rows.len(), 20);
        assert_eq!(rows, cells.collect::<Vec<_>>());
    }

    #[test]
    fn what_is_written_reads_back_and_is_the_same_each_time() {
        let rows = [["1001", "+351210001000", ""], ["0123", "=1+1", "a\nb"], ["@x", "-1", "2026-12-25"]];
        let grid = Grid {
            header: ["name", "owner", "description"].map(str::to_owned).into(),
            rows: rows.iter().map(|row| row.map(str::to_owned).into()).collect(),
        };
        let sheets = [(Kind::Extension, grid.clone()), (Kind::Did, grid)];
        let bytes = write(&sheets).unwrap();
        let sources = read("a.xlsx", bytes.clone(), None).unwrap();
        for (source, sheet) in sources.iter().zip(["extensions", "dids"]) {
            assert_eq!(source.sheet(), Some(sheet));
            assert_eq!(
                source.text,
                "name,owner,description\n1001,+351210001000\n0123,=1+1,\"a\nb\"\n@x,-1,2026-12-25\n"
            );
        }
        assert!(bytes == write(&sheets).unwrap());
    }
}
