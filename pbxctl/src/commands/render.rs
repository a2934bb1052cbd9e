//! `render`: the configuration that manifests become, without pbxd.

use std::path::PathBuf;

use pbx_asterisk::config::{Place, Secrets, render_checked};

use crate::app::App;
use crate::cli::{Files, Rows};
use crate::failure::{Exit, Failure};
use crate::{audio, input, show};

/// Write the Asterisk configuration that manifests become
///
/// Without asking pbxd, and without secrets: they are masked, for the files are made to be read and compared.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl render -f office/
  pbxctl render -f office/ -o /tmp/office && less /tmp/office/extensions.conf")]
pub struct Render {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    rows: Rows,
    /// Write the files into this folder
    #[arg(short, long, value_name = "FOLDER", value_hint = clap::ValueHint::DirPath)]
    out: Option<PathBuf>,
}

/// Runs it.
pub fn run(args: &Render, app: &mut App) -> Result<Exit, Failure> {
    let mut documents = input::documents(app, &args.files.file, args.rows)?;
    audio::name(app, &mut documents)?;
    let catalog: pbx_manifest::Catalog = documents.iter().collect();
    let rendered = render_checked(&catalog, &Secrets::default(), &Place::default(), |graph| {
        let mut found = pbx_routing::check_system(&catalog, graph);
        found.retain(pbx_manifest::Diagnostic::is_error);
        if found.is_empty() { Ok(()) } else { Err(found) }
    });
    let tree = rendered.map_err(|mut found| {
        pbx_manifest::locate(&app.sources, &documents, &mut found);
        let message = show::plural(found.len(), "error in the manifests", "errors in the manifests");
        Failure::failed("invalid", message)
            .help("nothing was written; mend them, and run the command again")
            .with(found)
    })?;
    let mut written = 0;
    for (name, file) in tree.files() {
        if let Some(folder) = &args.out {
            super::export::write(&folder.join(name), file.masked())?;
            written += 1;
        } else {
            app.ui.line(&format!(";;;; {name}"));
            app.ui.text(&file.masked());
            app.ui.line("");
        }
    }
    if let Some(folder) = &args.out {
        let files = show::plural(written, "file", "files");
        app.ui.talk(&format!("Wrote {files} to {}; secrets are masked.", folder.display()));
    }
    Ok(Exit::Done)
}
