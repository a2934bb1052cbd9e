//! `plan`: what an apply would change.

use std::path::PathBuf;

use pbx_api::{Plan, PlanRequest};

use crate::app::App;
use crate::cli::{Files, Format, Rows, formats};
use crate::failure::{Exit, Failure};
use crate::{audio, deploy, input, planfile, secrets, show};

/// How manifests become a plan; the same for `plan`, `diff` and `apply`.
#[derive(Debug, Clone, clap::Args)]
pub struct Wish {
    /// The set that these manifests are: it owns the fields they name
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = crate::cli::set)]
    set: String,
    /// Also delete what this set made earlier and no longer names
    #[arg(long)]
    prune: bool,
    /// Take over fields that other sets own
    #[arg(long)]
    force_conflicts: bool,
    /// Allow so many deletions although they are a large part of their kind
    ///
    /// Of a kind with at least 10 objects, a plan that deletes more than 30 % ends with 7, and names the flag that allows it.
    #[arg(long, value_name = "N")]
    allow_deletes: Option<u32>,
    #[command(flatten)]
    rows: Rows,
}

impl Wish {
    /// Reads the manifests and asks pbxd for the plan.
    pub fn plan(&self, app: &mut App, paths: &[PathBuf]) -> Result<Plan, Failure> {
        let mut documents = input::documents(app, paths, self.rows)?;
        audio::bring(app, &mut documents)?;
        let declarations = secrets::read(&app.sources, &documents)?;
        let request = PlanRequest {
            set: self.set.clone(),
            declarations,
            prune: self.prune,
            force_conflicts: self.force_conflicts,
            allow_deletes: self.allow_deletes,
            source: input::origin(app),
            ..PlanRequest::default()
        };
        deploy::plan(app, &request, &documents)
    }
}

/// Show what an apply would change
///
/// Nothing is changed: objects and their fields, the configuration files that follow, the modules that are reloaded, and who
/// notices.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl plan -f office/
  pbxctl plan -f office/ --diff         With the differences of the configuration files
  pbxctl plan -f office/ --prune -o json
  pbxctl plan -f office/ --out night.plan   To look at now, and `pbxctl apply night.plan` later")]
pub struct PlanArgs {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    wish: Wish,
    /// Show the differences of the configuration files
    #[arg(long)]
    diff: bool,
    /// Keep the plan in a file, for `show` and `apply`
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    out: Option<PathBuf>,
    /// The form of the result
    #[arg(short, long, value_parser = formats(&["table", "wide", "json", "yaml", "name"]), default_value = "table", value_name = "FORM")]
    output: Format,
}

/// Runs it.
pub fn run(args: &PlanArgs, app: &mut App) -> Result<Exit, Failure> {
    let plan = args.wish.plan(app, &args.files.file)?;
    if let Some(path) = &args.out {
        let saved = app.ask(async |client| client.plan_file(&plan.id).await)?;
        planfile::write(path, &saved)?;
    }
    print(app, &plan, args.output, args.diff)?;
    if let Some(path) = &args.out {
        let path = path.display();
        app.ui.talk(&format!("Kept in {path}: `pbxctl show {path}` shows it, `pbxctl apply {path}` carries it out."));
    }
    Ok(Exit::Done)
}

/// Prints a plan.
pub fn print(app: &mut App, plan: &Plan, output: Format, diff: bool) -> Result<(), Failure> {
    match output {
        Format::Json => app.ui.json(plan),
        Format::Yaml => app.ui.text(&crate::objects::yaml(plan)?),
        Format::Name => {
            for change in &plan.changes {
                app.ui.line(&change.object.to_string());
            }
        }
        Format::Table | Format::Wide | Format::Csv | Format::Xlsx => {
            deploy::warnings(app, &plan.diagnostics);
            app.ui.page();
            let text = show::plan(plan, output == Format::Wide, diff, app.ui.look());
            app.ui.text(&text);
            if !text.is_empty() {
                app.ui.line("");
            }
            app.ui.line(&show::summary(plan));
        }
    }
    Ok(())
}
