//! `export`: the system as manifests.

use std::path::{Path, PathBuf};

use clap_complete::engine::ArgValueCompleter;
use pbx_api::ObjectView;
use pbx_manifest::Kind;

use crate::app::App;
use crate::cli::{Format, Selector, formats};
use crate::failure::{Exit, Failure};
use crate::nouns::{self, Nouns};
use crate::{complete, objects, show};

/// Write objects as manifests that apply again to no change
///
/// Secrets are not written: `{ stored: true }` keeps what is stored.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl export > office.yaml
  pbxctl export --out office/            A file for each kind
  pbxctl export extensions -o csv > extensions.csv")]
pub struct Export {
    /// Kinds, or objects as `extension/1001`; everything, where nothing is named
    #[arg(value_name = "WHAT", add = ArgValueCompleter::new(complete::nouns))]
    what: Vec<String>,
    #[command(flatten)]
    selector: Selector,
    /// Write a file for each kind into this folder
    #[arg(long, value_name = "FOLDER", value_hint = clap::ValueHint::DirPath)]
    out: Option<PathBuf>,
    /// The form of the result
    #[arg(short, long, value_parser = formats(&["yaml", "json", "csv"]), default_value = "yaml", value_name = "FORM")]
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
    let mut all = super::get::read(app, &nouns, &args.selector.label)?.objects;
    all.sort_by(|a, b| a.object.cmp(&b.object));
    match &args.out {
        None => {
            let text = written(&all, args.output)?;
            app.ui.text(&text);
        }
        Some(folder) => {
            let mut files = 0;
            for kind in Kind::ALL {
                let own: Vec<ObjectView> = all.iter().filter(|object| object.object.kind == *kind).cloned().collect();
                if !own.is_empty() {
                    let ending = match args.output {
                        Format::Csv => "csv",
                        Format::Json => "json",
                        _ => "yaml",
                    };
                    write(&folder.join(format!("{}.{ending}", kind.plural())), &written(&own, args.output)?)?;
                    files += 1;
                }
            }
            let objects = show::plural(all.len(), "object", "objects");
            let files = show::plural(files, "file", "files");
            app.ui.talk(&format!("Wrote {objects} to {files} in {}.", folder.display()));
        }
    }
    Ok(Exit::Done)
}

fn written(all: &[ObjectView], output: Format) -> Result<String, Failure> {
    match output {
        Format::Csv => objects::csv(all),
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
pub fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::failed("output", format!("`{}` cannot be written: {error}", path.display()))
            .help("name a folder where you may write")
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    fs_err::create_dir_all(folder).map_err(failed)?;
    let beside = path.with_file_name(format!(".{}.new", path.file_name().unwrap_or_default().to_string_lossy()));
    fs_err::write(&beside, text).and_then(|()| fs_err::rename(&beside, path)).map_err(failed)
}
