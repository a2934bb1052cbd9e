//! `-f`: from what was named to the texts of manifests.
//!
//! Nothing found is an error everywhere: an empty input must never read as "nothing should exist".

use std::collections::HashSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use pbx_manifest::{Document, Parsed, Source, Table};

use crate::app::App;
use crate::cli::Rows;
use crate::failure::Failure;
use crate::{git, planfile, snippet, workbook};

/// The name of standard input in messages.
const STDIN: &str = "<stdin>";

/// Reads every manifest that was named, in the order of the command line and, inside a folder, of the names.
pub fn read(paths: &[PathBuf], rows: Rows) -> Result<Vec<Source>, Failure> {
    let mut sources = Vec::new();
    let mut seen = HashSet::new();
    for path in paths {
        if path.as_os_str() == "-" {
            if seen.insert(PathBuf::from(STDIN)) {
                let mut bytes = Vec::new();
                std::io::stdin()
                    .lock()
                    .read_to_end(&mut bytes)
                    .map_err(|error| Failure::failed("input", format!("standard input cannot be read: {error}")))?;
                sources.extend(read_as(STDIN, bytes, rows)?);
            }
            continue;
        }
        for file in files(path)? {
            if seen.insert(fs_err::canonicalize(&file).unwrap_or_else(|_| file.clone())) {
                let bytes = fs_err::read(&file).map_err(|error| unreadable(&file, &error))?;
                sources.extend(read_as(&file.display().to_string(), bytes, rows)?);
            }
        }
    }
    Ok(sources)
}

/// Reads manifests for a command that acts on them: mistakes end it, and an input without a manifest is one.
pub fn documents(app: &mut App, paths: &[PathBuf], rows: Rows) -> Result<Vec<Document>, Failure> {
    let parsed = whole(app, paths, rows)?;
    if parsed.documents.is_empty() {
        let failure = nothing(&app.sources);
        let tests = parsed.tests.len();
        return Err(if tests == 0 { failure } else { failure.help("what is there are call tests, for `pbxctl test`") });
    }
    Ok(parsed.documents)
}

/// Reads manifests, and the call tests among them.
pub fn whole(app: &mut App, paths: &[PathBuf], rows: Rows) -> Result<Parsed, Failure> {
    app.sources = read(paths, rows)?;
    let mut parsed = parse(app);
    let (errors, warnings): (Vec<_>, Vec<_>) =
        std::mem::take(&mut parsed.diagnostics).into_iter().partition(pbx_manifest::Diagnostic::is_error);
    if !errors.is_empty() {
        let failure = Failure::failed(
            "invalid",
            crate::show::plural(errors.len(), "error in the manifests", "errors in the manifests"),
        );
        return Err(failure.help("nothing was sent to pbxd; mend them, and run the command again").with(errors));
    }
    if parsed.documents.is_empty() && parsed.tests.is_empty() {
        return Err(nothing(&app.sources));
    }
    if !warnings.is_empty() {
        let text = snippet::all(&app.sources, &warnings, app.ui.style_of_errors());
        app.ui.talk(text.trim_end());
        app.ui.talk("");
    }
    Ok(parsed)
}

/// Reads the sources that were found. From then on they are shown, and nothing more: secrets in tables are covered.
pub fn parse(app: &mut App) -> pbx_manifest::Parsed {
    let parsed = pbx_manifest::parse(&app.sources);
    app.sources.iter_mut().for_each(pbx_manifest::mask);
    parsed
}

/// An input without a manifest.
pub fn nothing(sources: &[Source]) -> Failure {
    let what = match names(sources).as_slice() {
        [one] => format!("there is no manifest in {one}"),
        all => format!("there is no manifest in the {} files that were read", all.len()),
    };
    Failure::failed("empty", what).help("an empty input never means that nothing should exist; `pbxctl delete` deletes")
}

/// The files that sources were read from: of a workbook's sheets, the one.
pub fn names(sources: &[Source]) -> Vec<&str> {
    let mut names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    names.dedup();
    names
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let name = path.display();
    match error.kind() {
        std::io::ErrorKind::NotFound => Failure::failed("input", format!("there is no file or folder `{name}`"))
            .help("`-f` takes files, folders, globs in quotes, and `-` for standard input"),
        std::io::ErrorKind::PermissionDenied => Failure::failed("input", format!("`{name}` may not be read by you"))
            .help(format!("`ls -l {name}` shows who may")),
        _ => Failure::failed("input", format!("`{name}` cannot be read: {error}")),
    }
}

/// What a file is, by its name's ending; of standard input, by what it starts with.
fn read_as(name: &str, bytes: Vec<u8>, rows: Rows) -> Result<Vec<Source>, Failure> {
    let ending = Path::new(name).extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_lowercase();
    match ending.as_str() {
        "csv" | "tsv" if bytes.starts_with(workbook::MAGIC) => {
            Err(Failure::failed("input", format!("`{name}` is a workbook, and not rows of text"))
                .help("name it `.xlsx`, or save it as CSV, UTF-8"))
        }
        "xlsx" | "xlsm" if !bytes.starts_with(workbook::MAGIC) && std::str::from_utf8(&bytes).is_ok() => {
            Err(Failure::failed("input", format!("`{name}` is text, and not a workbook"))
                .help("name it `.csv` if it holds rows, `.yaml` if it holds manifests"))
        }
        "csv" | "tsv" => Ok(vec![table(name, bytes, rows)?]),
        "xlsx" | "xlsm" => workbook::read(name, bytes, rows.kind),
        _ if bytes.starts_with(workbook::MAGIC) => workbook::read(name, bytes, rows.kind),
        _ if name == STDIN
            && (rows.kind.is_some() || std::str::from_utf8(&bytes).is_ok_and(pbx_manifest::is_table)) =>
        {
            Ok(vec![table(name, bytes, rows)?])
        }
        _ => {
            let source = text(name, bytes)?;
            if planfile::is_plan(&source.text) {
                return Err(Failure::usage(format!("{name} is a plan, and no manifest")).help(format!(
                    "`pbxctl show {name}` shows it, and `pbxctl apply {name}` carries it out, without `-f`"
                )));
            }
            Ok(vec![source])
        }
    }
}

/// A CSV file. Of one that is not UTF-8, the first cell to say so is refused, with what it seems to be.
fn table(name: &str, bytes: Vec<u8>, rows: Rows) -> Result<Source, Failure> {
    let mut table = Table { kind: rows.kind, ..Table::default() };
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Source::rows(name, text, table)),
        Err(error) if error.as_bytes().starts_with(&[0xff, 0xfe]) || error.as_bytes().starts_with(&[0xfe, 0xff]) => {
            text(name, error.into_bytes())
        }
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let shown: String = error.as_bytes().iter().map(|byte| windows_1252(*byte)).collect();
            let at: usize = error.as_bytes()[..good].iter().map(|byte| windows_1252(*byte).len_utf8()).sum();
            let cell = Source::rows(name, shown.as_str(), table.clone()).cell_at(at);
            let why = format!(
                "this file is not UTF-8; the cell is shown as Windows would read it\n\
                 in Excel, save it as `CSV UTF-8 (Comma delimited)`\n\
                 or convert it: `iconv -f WINDOWS-1252 -t UTF-8 {name} > utf8.csv`"
            );
            table.unread.push((cell, why));
            Ok(Source::rows(name, shown, table))
        }
    }
}

/// The letter that Windows of western Europe and America means by a byte.
fn windows_1252(byte: u8) -> char {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘',
        '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => HIGH[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

fn text(name: &str, bytes: Vec<u8>) -> Result<Source, Failure> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Failure::failed("encoding", format!("{name}: this file is UTF-16, not UTF-8"))
            .help(format!("`iconv -f UTF-16 -t UTF-8 {name}` converts it")));
    }
    Source::from_bytes(name, bytes).map_err(|(line, column)| {
        Failure::failed("encoding", format!("{name}:{line}:{column}: this byte is not UTF-8"))
            .help(format!("if the file was written on an old system, `iconv -f LATIN1 -t UTF-8 {name}` converts it"))
    })
}

/// Whether a file in a folder is a manifest; those beginning with `~$` are what Excel leaves beside an open one.
fn is_manifest(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let known = [".yaml", ".yml", ".json", ".csv", ".tsv", ".xlsx"].iter().any(|ending| name.ends_with(ending));
    known && !name.starts_with("~$")
}

/// What the names of manifests end in, for messages.
const ENDINGS: &str = "manifests are files that end in .yaml, .yml, .json, .csv or .xlsx";

/// The files that one `-f` names.
fn files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let name = path.display().to_string();
    match fs_err::metadata(path) {
        Ok(about) if about.is_dir() => {
            let mut found = Vec::new();
            walk(path, &mut found)?;
            if found.is_empty() {
                return Err(Failure::failed("empty", format!("there is no manifest in the folder `{name}`"))
                    .help(format!("{ENDINGS}; hidden ones are left out")));
            }
            Ok(found)
        }
        Ok(_) => match path.extension().and_then(|ending| ending.to_str()) {
            Some("xls" | "ods") => Err(Failure::failed("input", format!("`{name}` is no manifest")).help(ENDINGS)),
            _ => Ok(vec![path.to_owned()]),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && name.contains(['*', '?', '[']) => glob(&name),
        Err(error) => Err(unreadable(path, &error)),
    }
}

fn glob(pattern: &str) -> Result<Vec<PathBuf>, Failure> {
    let matches = glob::glob(pattern).map_err(|error| {
        Failure::failed("input", format!("`{pattern}` is not a glob: {}", error.msg)).help("as in `-f 'office/*.yaml'`")
    })?;
    let mut found = Vec::new();
    for path in matches.filter_map(Result::ok) {
        if path.is_dir() {
            walk(&path, &mut found)?;
        } else if is_manifest(&path) {
            found.push(path);
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(Failure::failed("empty", format!("no manifest matches `{pattern}`")).help(ENDINGS));
    }
    Ok(found)
}

/// Every manifest below a folder, by name. Links to folders are not followed, so that there is no way in circles.
fn walk(folder: &Path, into: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let mut entries = fs_err::read_dir(folder)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(folder, &error))?;
    entries.sort_by_key(fs_err::DirEntry::file_name);
    for entry in entries {
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        let kind = entry.file_type().map_err(|error| unreadable(&path, &error))?;
        if kind.is_dir() {
            walk(&path, into)?;
        } else if is_manifest(&path) && (kind.is_file() || path.is_file()) {
            into.push(path);
        }
    }
    Ok(())
}

/// The folder that a source's relative paths start from.
pub fn folder(source: &Source) -> PathBuf {
    if source.name == STDIN {
        return PathBuf::from(".");
    }
    match Path::new(&source.name).parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// From where a change comes, for the history.
pub fn origin(app: &mut App) -> pbx_api::SourceInfo {
    let files: Vec<String> = names(&app.sources).into_iter().map(str::to_owned).collect();
    let command = std::env::args().take(200).collect::<Vec<_>>().join(" ");
    let folder = app.sources.iter().find(|source| source.name != STDIN).map(folder);
    let state = folder.and_then(|folder| app.wait(git::state(folder)).ok().flatten());
    pbx_api::SourceInfo {
        files,
        commit: state.as_ref().map(|state| state.commit.clone()),
        dirty: state.and_then(|state| state.dirty),
        command: Some(command.chars().take(1000).collect()),
        person: person(),
    }
}

/// Who is behind root, and from where, as sudo and ssh leave it in the environment.
fn person() -> Option<String> {
    let named = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let user = named("SUDO_USER").map(|user| format!("{user} by sudo"));
    let address = named("SSH_CONNECTION").and_then(|words| words.split(' ').next().map(|from| format!("from {from}")));
    let parts: Vec<String> = user.into_iter().chain(address).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(paths: &[&str], root: &Path) -> Result<Vec<String>, String> {
        let paths: Vec<PathBuf> = paths.iter().map(|path| root.join(path)).collect();
        let short = |name: &str| name.replace(&format!("{}/", root.display()), "");
        match read(&paths, Rows { kind: None }) {
            Ok(sources) => Ok(sources.iter().map(|source| short(&source.name)).collect()),
            Err(failure) => Err(short(&failure.message)),
        }
    }

    #[test]
    fn what_is_called_by_another_kinds_name_is_told_as_what_it_is() {
        let root = tempfile::tempdir().unwrap();
        fs_err::write(root.path().join("people.csv"), [workbook::MAGIC, &[0, 159, 146, 150]].concat()).unwrap();
        fs_err::write(root.path().join("people.xlsx"), "name,email\n1001,\n").unwrap();
        assert_eq!(
            names(&["people.csv"], root.path()).unwrap_err(),
            "`people.csv` is a workbook, and not rows of text"
        );
        assert_eq!(names(&["people.xlsx"], root.path()).unwrap_err(), "`people.xlsx` is text, and not a workbook");
    }

    #[test]
    fn folders_are_read_in_order_without_what_is_hidden() {
        let root = tempfile::tempdir().unwrap();
        for path in ["b.yml", "a.yaml", "sub/z.YAML", "sub/.hidden.yaml", ".git/x.yaml", "notes.txt"] {
            let path = root.path().join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, "kind: x\n").unwrap();
        }
        assert_eq!(names(&["."], root.path()).unwrap().len(), 3);
        assert_eq!(names(&["*.y*ml"], root.path()).unwrap(), ["a.yaml", "b.yml"]);
        assert_eq!(names(&["sub", "a.yaml", "sub"], root.path()).unwrap(), ["sub/z.YAML", "a.yaml"]);
        assert_eq!(names(&["nothing.yaml"], root.path()).unwrap_err(), "there is no file or folder `nothing.yaml`");
        assert_eq!(names(&["x*.yaml"], root.path()).unwrap_err(), "no manifest matches `x*.yaml`");
        fs_err::create_dir_all(root.path().join("empty")).unwrap();
        assert_eq!(names(&["empty"], root.path()).unwrap_err(), "there is no manifest in the folder `empty`");
        fs_err::write(root.path().join("latin.yaml"), b"kind: Did\nname: Jos\xe9\n").unwrap();
        assert_eq!(names(&["latin.yaml"], root.path()).unwrap_err(), "latin.yaml:2:10: this byte is not UTF-8");
    }
}
