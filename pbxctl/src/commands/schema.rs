//! `schema`: the language of manifests for editors and pipelines.

use clap_complete::engine::ArgValueCompleter;

use crate::app::App;
use crate::failure::{Exit, Failure};
use crate::{complete, nouns};

/// Print the JSON Schema of manifests
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl schema extension > extension.schema.json
  pbxctl schema --all > pbx.schema.json   For an editor: a file may hold any kind")]
pub struct Schema {
    /// A kind; all of them, where none is named
    #[arg(value_name = "KIND", add = ArgValueCompleter::new(complete::kinds))]
    kind: Option<String>,
    /// One schema for every kind
    #[arg(long, conflicts_with = "kind")]
    all: bool,
    /// The form of the result
    #[arg(short, long, value_parser = crate::cli::formats(&["json"]), default_value = "json", value_name = "FORM")]
    output: crate::cli::Format,
}

/// Runs it.
pub fn run(args: &Schema, app: &mut App) -> Result<Exit, Failure> {
    let schema = match &args.kind {
        Some(word) if nouns::is_call_test(word) => pbx_manifest::test_schema(),
        Some(word) => pbx_manifest::schema(nouns::kind(word)?),
        None => pbx_manifest::schema_of_all(),
    };
    app.ui.page();
    app.ui.json(&schema);
    Ok(Exit::Done)
}
