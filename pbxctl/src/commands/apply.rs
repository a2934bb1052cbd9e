//! `apply`: makes the system what manifests say.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use pbx_api::{ApplyRequest, Plan};

use super::plan::Wish;
use crate::app::App;
use crate::cli::{Consent, Format, formats};
use crate::deploy::{self, How};
use crate::failure::{Exit, Failure};
use crate::planfile;

/// Make the system what manifests say
///
/// Shows the plan, asks, writes the configuration, has Asterisk reload what changed, and reads back that Asterisk has it. What
/// Asterisk does not take is rolled back, and ends with 4. Objects that no manifest names stay, unless `--prune` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl apply -f office/ -m 'Ana moves to sales'
  pbxctl apply -f office/ --prune
  pbxctl apply -f people.xlsx               Rows, as `pbxctl export -o xlsx` writes them
  pbxctl apply -f office/ --yes -o json     In a pipeline
  pbxctl apply -f office/ --yes --wait 60s  After whoever is at it
  pbxctl apply -f office/ --confirm-within 5m   Taken back unless `pbxctl confirm` comes
  pbxctl apply night.plan                   What `pbxctl plan --out night.plan` kept")]
pub struct Apply {
    /// A plan that `pbxctl plan --out` kept, instead of manifests
    #[arg(value_name = "PLAN", conflicts_with_all = ["file", "set", "prune", "force_conflicts", "allow_deletes", "kind"], value_hint = clap::ValueHint::FilePath)]
    plan: Option<PathBuf>,
    /// Files, folders (with everything below), globs, or `-` for standard input; may be repeated
    #[arg(short = 'f', long = "file", value_name = "PATH", num_args = 1.., value_hint = clap::ValueHint::AnyPath)]
    file: Vec<PathBuf>,
    #[command(flatten)]
    wish: Wish,
    #[command(flatten)]
    consent: Consent,
    /// Why, for the history
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// How long to wait while somebody else is changing the system
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = crate::cli::seconds)]
    wait: Duration,
    /// Go back unless `pbxctl confirm` comes within this time, and at once where telephony gets worse
    #[arg(long, value_name = "TIME", value_parser = crate::cli::some_seconds, conflicts_with = "no_reload")]
    confirm_within: Option<Duration>,
    /// Write the files without asking Asterisk: for building images
    #[arg(long)]
    no_reload: bool,
    /// Write over configuration files that somebody has changed by hand
    #[arg(long)]
    overwrite_drift: bool,
    /// Show the differences of the configuration files
    #[arg(long)]
    diff: bool,
    /// The form of the result
    #[arg(short, long, value_parser = formats(&["table", "wide", "json"]), default_value = "table", value_name = "FORM")]
    output: Format,
}

impl Apply {
    fn make(&self, app: &mut App) -> Result<Plan, Failure> {
        match &self.plan {
            None => self.wish.plan(app, &self.file),
            Some(path) => {
                let saved = planfile::read(path)?;
                app.ask(async |client| client.plan_again(&saved).await)
            }
        }
    }
}

/// Runs it.
pub fn run(args: &Apply, app: &mut App) -> Result<Exit, Failure> {
    if args.plan.is_none() && args.file.is_empty() {
        return Err(Failure::usage("apply what? neither manifests nor a plan were named")
            .help("manifests: `pbxctl apply -f office/`; a plan that was kept: `pbxctl apply night.plan`"));
    }
    let until = Instant::now() + args.wait;
    let mut yes = args.consent.yes;
    let mut plan = args.make(app)?;
    deploy::must_be_able_to_ask(app, yes, "`pbxctl plan` or `diff`")?;
    loop {
        let request = ApplyRequest {
            message: args.message.clone(),
            no_reload: args.no_reload,
            overwrite_drift: args.overwrite_drift,
            confirm_within_seconds: args.confirm_within.map_or(0, |within| within.as_secs()),
            wait_seconds: until.saturating_duration_since(Instant::now()).as_secs(),
        };
        let how = How { yes, dry_run: false, output: args.output, diff: args.diff, verb: "Apply", request };
        match deploy::carry_out(app, &plan, &how) {
            // Whoever was waited for has changed the system: what the manifests say is compared with what is there now.
            Err(failure)
                if failure.code == "stale"
                    && args.plan.is_none()
                    && !args.wait.is_zero()
                    && args.file.iter().all(|path| path.as_os_str() != "-")
                    && Instant::now() < until =>
            {
                app.ui.talk("The system has changed meanwhile; the plan is made again.\n");
                let again = args.make(app)?;
                // The same changes were agreed to already.
                yes |= again.changes == plan.changes;
                plan = again;
            }
            end => return end,
        }
    }
}
