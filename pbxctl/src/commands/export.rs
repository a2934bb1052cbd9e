//! `export`: the system as manifests.

use std::path::{Path, PathBuf};

use clap_complete::engine::ArgValueCompleter;
use pbx_api::ObjectView;
use pbx_manifest::Kind;

use crate::app::App;
use crate::cli::{Format, Selector, formats};
use crate::failure::{Exit, Failure};
use crate::nouns::{self, Nouns};
use crate::{complete, objects, show, workbook};

/// Write objects as manifests that apply again to no change
///
/// Values of secrets are not written. One that was made or given keeps what is stored, `{ stored: true }`; one that its manifest reads from
/// a variable or a file is written as it was said, `{ env: NAME }`, and read from there again.
///
/// CSV has one kind, a workbook a sheet for each. Their columns are the fields that some object names, and applied again they change
/// these fields only. CSV is written as it is, so that `+351…` comes back: a spreadsheet may take it for a formula. In a workbook
/// every cell is text.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl export > office.yaml
  pbxctl export --out office/            A file for each kind
  pbxctl export --out office.yaml        All in one file
  pbxctl export extensions -o csv --out extensions.csv
  pbxctl export extensions -o csv --columns name,displayName,email
  pbxctl export -o xlsx --out office.xlsx")]
pub struct Export {
    /// Kinds, or objects as `extension/1001`; everything, where nothing is named
    #[arg(value_name = "WHAT", add = ArgValueCompleter::new(complete::nouns))]
    what: Vec<String>,
    #[command(flatten)]
    selector: Selector,
    /// Write to this file, where the name ends as its form does; else a file for each kind into this folder
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    out: Option<PathBuf>,
    /// The columns of CSV or a workbook, as `name,displayName,labels.team`; those that some object fills, where none is named
    #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
    columns: Vec<String>,
    /// The form of the result
    #[arg(short, long, value_parser = formats(&["yaml", "json", "csv", "xlsx"]), default_value = "yaml", value_name = "FORM")]
    output: Format,
}

/// Runs it.
pub fn run(args: &Export, app: &mut App) -> Result<Exit, Failure> {
    let nouns = match args.what.as_slice() {
        [] => Nouns::Kinds(Kind::ALL.to_vec()),
        // Several kinds one after another, as well as by commas.
        words if words.len() > 1 && words.iter().all(|word| Kind::find(word).is_some()) => {
            nouns::parse(&[words.join(",")])?
        }
        words => nouns::parse(words)?,
    };
    if !args.columns.is_empty() && !matches!(args.output, Format::Csv | Format::Xlsx) {
        return Err(Failure::usage("`--columns` is for CSV and workbooks").help("add `-o csv` or `-o xlsx`"));
    }
    if args.output == Format::Xlsx && args.out.is_none() && app.ui.result_is_seen() {
        return Err(
            Failure::usage("a workbook is not for a terminal").help("add `--out office.xlsx`, or `> office.xlsx`")
        );
    }
    let one_file = args.out.as_deref().map(|path| is_file(args.output, path)).transpose()?.unwrap_or_default();
    let mut all = super::get::read(app, &nouns, &args.selector.label)?.objects;
    all.sort_by(|a, b| a.object.cmp(&b.object));
    let kinds: Vec<Kind> = match &nouns {
        Nouns::Kinds(kinds) => kinds.clone(),
        Nouns::Objects(objects) => objects.iter().map(|object| object.kind).collect(),
    };
    if args.output == Format::Xlsx {
        return workbook(args, app, &all, &kinds);
    }
    match &args.out {
        None => {
            let text = written(args, &all, &kinds)?;
            app.ui.text(&text);
        }
        Some(path) if one_file => {
            write(path, &written(args, &all, &kinds)?)?;
            app.ui.talk(&format!("Wrote {} to {}.", show::plural(all.len(), "object", "objects"), path.display()));
        }
        Some(folder) => {
            let mut files = 0;
            for (kind, own) in by_kind(&all) {
                let ending = endings(args.output)[0];
                write(&folder.join(format!("{}.{ending}", kind.plural())), &written(args, &own, &[kind])?)?;
                files += 1;
            }
            let objects = show::plural(all.len(), "object", "objects");
            let files = show::plural(files, "file", "files");
            app.ui.talk(&format!("Wrote {objects} to {files} in {}.", folder.display()));
        }
    }
    Ok(Exit::Done)
}

/// What the names of files of a form end in; the first is what we give them.
fn endings(form: Format) -> &'static [&'static str] {
    match form {
        Format::Csv => &["csv"],
        Format::Json => &["json"],
        Format::Xlsx => &["xlsx"],
        _ => &["yaml", "yml"],
    }
}

/// Whether a path names one file rather than a folder. A name that ends as another form's files do is refused: whoever reads it goes
/// by its ending.
fn is_file(form: Format, path: &Path) -> Result<bool, Failure> {
    let Some(ending) = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()) else { return Ok(false) };
    if path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Ok(false);
    }
    if endings(form).contains(&ending.as_str()) {
        return Ok(true);
    }
    match [Format::Yaml, Format::Json, Format::Csv, Format::Xlsx]
        .into_iter()
        .find(|other| endings(*other).contains(&ending.as_str()))
    {
        Some(other) => {
            let (shown, wanted) = (path.display(), endings(other)[0]);
            let own = path.with_extension(endings(form)[0]);
            Err(Failure::usage(format!("`{shown}` is not the name of {}", form_name(form)))
                .help(format!("add `-o {wanted}`, or write `--out {}`", own.display())))
        }
        None => Ok(false),
    }
}

fn form_name(form: Format) -> &'static str {
    match form {
        Format::Csv => "a CSV file",
        Format::Json => "a JSON file",
        Format::Xlsx => "a workbook",
        _ => "a YAML file",
    }
}

fn by_kind(all: &[ObjectView]) -> Vec<(Kind, Vec<ObjectView>)> {
    let own = |kind: Kind| all.iter().filter(|object| object.object.kind == kind).cloned().collect();
    let kinds = Kind::ALL.iter().map(|kind| (*kind, own(*kind)));
    kinds.filter(|(_, own): &(_, Vec<ObjectView>)| !own.is_empty()).collect()
}

/// A workbook, with a sheet for each kind that has objects; for the first of those asked for, where none has.
fn workbook(args: &Export, app: &mut App, all: &[ObjectView], kinds: &[Kind]) -> Result<Exit, Failure> {
    let mut groups = by_kind(all);
    if groups.is_empty() {
        groups = kinds.first().map(|kind| (*kind, Vec::new())).into_iter().collect();
    }
    let mut sheets = Vec::new();
    for (kind, own) in groups {
        sheets.push((kind, objects::grid(&own, &[kind], &args.columns)?));
    }
    let bytes = workbook::write(&sheets)?;
    match &args.out {
        None => app.ui.bytes(&bytes),
        Some(path) => {
            if !path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("xlsx")) {
                return Err(Failure::usage(format!("`{}` is no workbook's name", path.display()))
                    .help("a workbook is one file with a sheet for each kind, as in `--out office.xlsx`"));
            }
            write(path, &bytes)?;
            let objects = show::plural(all.len(), "object", "objects");
            let sheets = show::plural(sheets.len(), "sheet", "sheets");
            app.ui.talk(&format!("Wrote {objects} to {sheets} in {}.", path.display()));
        }
    }
    Ok(Exit::Done)
}

fn written(args: &Export, all: &[ObjectView], kinds: &[Kind]) -> Result<String, Failure> {
    match args.output {
        Format::Csv => {
            let several: Vec<&str> = by_kind(all).into_iter().map(|(kind, _)| kind.plural()).collect();
            if several.len() > 1 {
                return Err(Failure::usage(format!("CSV has one kind, and these are {}", several.join(", ")))
                    .help("name one, as in `pbxctl export extensions -o csv`")
                    .help("`--out FOLDER` writes a file for each, and `-o xlsx` a sheet"));
            }
            objects::csv(&objects::grid(all, kinds, &args.columns)?)
        }
        Format::Json => {
            let documents: Vec<serde_json::Value> = all.iter().map(objects::document).collect();
            serde_json::to_string_pretty(&documents)
                .map(|text| text + "\n")
                .map_err(|error| Failure::failed("internal", format!("it cannot be written as JSON: {error}")))
        }
        _ => objects::manifests(all),
    }
}

/// Writes a file whole or not at all.
pub fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::failed("output", format!("`{}` cannot be written: {error}", path.display()))
            .help("name a folder where you may write")
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    fs_err::create_dir_all(folder).map_err(failed)?;
    let beside = path.with_file_name(format!(".{}.new", path.file_name().unwrap_or_default().to_string_lossy()));
    fs_err::write(&beside, content).and_then(|()| fs_err::rename(&beside, path)).map_err(failed)
}
