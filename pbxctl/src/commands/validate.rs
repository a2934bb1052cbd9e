//! `validate`: every mistake in manifests, without pbxd.

use pbx_routing::trace::check_tests;
use pbx_routing::{CallGraph, check_system};
use serde_json::json;

use crate::app::App;
use crate::cli::{Files, Format, Rows, formats};
use crate::failure::{Exit, Failure};
use crate::{audio, input, show, snippet};

/// Find every mistake in manifests
///
/// Reads the manifests and checks them as one whole system, without asking pbxd: references to objects that are declared
/// elsewhere are mistakes here.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl validate -f office/
  pbxctl validate -f 'sites/*/*.yaml' --strict
  pbxctl validate -f people.csv --kind extension
  git show HEAD:office.yaml | pbxctl validate -f - -o json")]
pub struct Validate {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    rows: Rows,
    /// Warnings are mistakes too
    #[arg(long)]
    strict: bool,
    /// The form of the result
    #[arg(short, long, value_parser = formats(&["table", "json"]), default_value = "table", value_name = "FORM")]
    output: Format,
}

/// Runs it.
pub fn run(args: &Validate, app: &mut App) -> Result<Exit, Failure> {
    app.sources = input::read(&args.files.file, args.rows)?;
    let mut parsed = input::parse(app);
    if parsed.documents.is_empty() && parsed.tests.is_empty() && parsed.diagnostics.is_empty() {
        return Err(input::nothing(&app.sources));
    }
    let mut wrong = Vec::new();
    let mut between = parsed.check(&app.sources, |catalog| {
        let graph = CallGraph::new(catalog);
        // Tests alone are of the live system.
        if !catalog.is_empty() {
            wrong = check_tests(catalog, &graph, &parsed.tests, &app.sources);
        }
        check_system(catalog, &graph)
    });
    parsed.diagnostics.append(&mut between);
    parsed.diagnostics.append(&mut wrong);
    let mut recordings = match audio::resolve(&app.sources, &mut parsed.documents) {
        Ok(files) => audio::check(&app.sources, &files),
        Err(found) => found,
    };
    parsed.diagnostics.append(&mut recordings);
    let found = snippet::sorted(&app.sources, &parsed.diagnostics);
    let errors = found.iter().filter(|diagnostic| diagnostic.is_error()).count();
    let warnings = found.len() - errors;
    let good = errors == 0 && (warnings == 0 || !args.strict);
    if args.output == Format::Json {
        app.ui.json(&json!({
            "valid": good,
            "documents": parsed.documents.len(),
            "tests": parsed.tests.len(),
            "errors": errors,
            "warnings": warnings,
            "diagnostics": found,
        }));
    } else {
        let text = snippet::all(&app.sources, &parsed.diagnostics, app.ui.look());
        app.ui.text(&text);
        app.ui.flush();
        if !found.is_empty() && app.ui.result_is_seen() {
            app.ui.talk("");
        }
        let what = [(errors, "error", "errors"), (warnings, "warning", "warnings")];
        let what: Vec<String> = what
            .into_iter()
            .filter(|(count, _, _)| *count > 0)
            .map(|(count, one, many)| show::plural(count, one, many))
            .collect();
        let what = if what.is_empty() { "nothing wrong".to_owned() } else { what.join(" and ") };
        let mut objects = show::plural(parsed.documents.len(), "object", "objects");
        if !parsed.tests.is_empty() {
            objects.push_str(" and ");
            objects.push_str(&show::plural(parsed.tests.len(), "call test", "call tests"));
        }
        let files = show::plural(input::names(&app.sources).len(), "file", "files");
        app.ui.talk(&if errors == 0 {
            format!("{objects} in {files}: {what}.")
        } else {
            format!("{what} in {files}.")
        });
    }
    // The process ends soon: taking ten thousand objects apart first would only cost time.
    std::mem::forget(parsed);
    Ok(if good { Exit::Done } else { Exit::Failed })
}
