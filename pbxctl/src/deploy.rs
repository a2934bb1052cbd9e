//! From a wish to its outcome: make the plan, show it, ask, carry it out, say how it ended.
//!
//! `apply`, `delete`, `edit` and `rollback` differ in what they wish for, and in nothing else.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use pbx_api::{ApplyRequest, Event, Outcome, OutcomeResult, Plan, PlanRequest, Step};
use pbx_manifest::{Diagnostic, Document};
use serde_json::json;

use crate::app::App;
use crate::cli::{Format, Manner};
use crate::failure::{Exit, Failure};
use crate::input;
use crate::show;
use crate::snippet;

/// How a plan is carried out.
#[derive(Debug, Clone)]
pub struct How {
    /// Without asking.
    pub yes: bool,
    /// Only shown.
    pub dry_run: bool,
    /// The form of the result.
    pub output: Format,
    /// With the files' differences.
    pub diff: bool,
    /// What is asked, as a sentence's beginning: `Apply`.
    pub verb: &'static str,
    /// The rest of the request.
    pub request: ApplyRequest,
}

impl Manner {
    /// How its plan is carried out.
    pub fn how(&self, verb: &'static str) -> How {
        let request = ApplyRequest {
            message: self.message.clone(),
            overwrite_drift: self.overwrite_drift,
            no_reload: self.no_reload,
            ..ApplyRequest::default()
        };
        How { yes: self.consent.yes, dry_run: self.dry_run, output: self.output, diff: false, verb, request }
    }

    /// Refuses at once what would otherwise have to ask where nobody can answer.
    pub fn must_be_able_to_ask(&self, app: &App) -> Result<(), Failure> {
        must_be_able_to_ask(app, self.consent.yes || self.dry_run, "`--dry-run`")
    }
}

/// Refuses at once what would otherwise have to ask where nobody can answer. `shows` names what shows the changes.
pub fn must_be_able_to_ask(app: &App, yes: bool, shows: &str) -> Result<(), Failure> {
    if yes || app.ui.can_ask() {
        return Ok(());
    }
    Err(Failure::usage("there is no terminal to ask on, and `--yes` was not given")
        .help(format!("{shows} shows what would change; then add `--yes`")))
}

/// The set that owns what people change one by one.
pub const BY_HAND: &str = "manual";

/// Asks pbxd for a plan of what somebody changes by hand, and no file says.
pub fn plan_by_hand(app: &mut App, mut request: PlanRequest, documents: &[Document]) -> Result<Plan, Failure> {
    request.set = BY_HAND.into();
    request.source = input::origin(app);
    request.source.files.clear();
    plan(app, &request, documents)
}

/// Asks pbxd for a plan. Findings come back with the places of the files at hand.
pub fn plan(app: &mut App, request: &PlanRequest, documents: &[Document]) -> Result<Plan, Failure> {
    match app.ask(async |client| client.plan(request).await) {
        Ok(mut plan) => {
            pbx_manifest::locate(&app.sources, documents, &mut plan.diagnostics);
            Ok(plan)
        }
        Err(mut failure) => {
            pbx_manifest::locate(&app.sources, documents, &mut failure.diagnostics);
            Err(failure)
        }
    }
}

/// Says a plan's warnings.
pub fn warnings(app: &mut App, found: &[Diagnostic]) {
    if !found.is_empty() {
        let text = snippet::all(&app.sources, found, app.ui.style_of_errors());
        app.ui.talk(text.trim_end());
        app.ui.talk("");
    }
}

/// Shows a plan, asks, carries it out and says how it ended.
pub fn carry_out(app: &mut App, plan: &Plan, how: &How) -> Result<Exit, Failure> {
    warnings(app, &plan.diagnostics);
    let json = how.output == Format::Json;
    if plan.is_empty() {
        if !how.dry_run {
            nothing_waits(app)?;
        }
        if json {
            app.ui.json(&json!({ "plan": plan, "outcome": null }));
        } else {
            app.ui.line("Nothing to change.");
        }
        return Ok(Exit::Done);
    }
    if how.dry_run {
        if json {
            app.ui.json(&json!({ "plan": plan, "outcome": null }));
        } else {
            let text = show::plan(plan, how.output == Format::Wide, how.diff, app.ui.look());
            app.ui.text(&text);
            app.ui.line("");
            app.ui.line(&show::summary(plan));
        }
        return Ok(Exit::Done);
    }
    let asking = !how.yes;
    let wide = how.output == Format::Wide;
    if !json && (app.ui.result_is_seen() || !asking) {
        let text = show::plan(plan, wide, how.diff, app.ui.look());
        app.ui.text(&text);
        app.ui.line("");
        app.ui.line(&show::summary(plan));
    } else if asking {
        // Whoever is asked must see what about.
        let text = show::plan(plan, wide, how.diff, app.ui.style_of_errors());
        app.ui.talk(&format!("{text}\n{}", show::summary(plan)));
    }
    if asking && !app.ui.ask(&format!("{} this plan?", how.verb))? {
        return Err(Failure::failed("cancelled", "cancelled; nothing was changed")
            .help("run the command again when it should be"));
    }
    let outcome = follow(app, plan, &how.request)?;
    end(app, plan, &outcome, json)
}

/// Refuses to call something done that is there only until somebody does not confirm it.
fn nothing_waits(app: &mut App) -> Result<(), Failure> {
    let Some(waiting) = app.ask(async |client| client.health().await)?.unconfirmed else { return Ok(()) };
    Err(Failure::new(
        Exit::Conflict,
        "busy",
        format!(
            "there is nothing to change, but revision {} by {} waits for its confirmation until {}",
            waiting.revision,
            waiting.by,
            show::instant(waiting.until)
        ),
    )
    .help("`pbxctl confirm` keeps it; without that, everything goes back to how it was before"))
}

/// Says how an apply ended.
fn end(app: &mut App, plan: &Plan, outcome: &Outcome, json: bool) -> Result<Exit, Failure> {
    if json && succeeded(outcome) {
        app.ui.json(&json!({ "plan": plan, "outcome": outcome }));
        return Ok(Exit::Done);
    }
    ended(app, outcome)
}

/// Whether Asterisk has what was meant, or will have it when it starts.
pub fn succeeded(outcome: &Outcome) -> bool {
    matches!(outcome.result, OutcomeResult::Applied | OutcomeResult::Written)
}

/// Says in words how an apply ended.
pub fn ended(app: &mut App, outcome: &Outcome) -> Result<Exit, Failure> {
    if succeeded(outcome) {
        app.ui.line(&show::outcome(outcome));
        if let Some(until) = outcome.confirm_by {
            app.ui.line(&format!("It is taken back at {} unless `pbxctl confirm` comes before.", show::instant(until)));
        }
        return Ok(Exit::Done);
    }
    let mut failure = Failure::new(Exit::RolledBack, "rolledBack", show::outcome(outcome));
    failure.failures.clone_from(&outcome.failures);
    Err(match outcome.result {
        OutcomeResult::Failed => {
            failure.code = "failed";
            failure
                .help("look at Asterisk now: `pbxctl doctor`, `asterisk -rx 'core show uptime'`, `journalctl -u asterisk`")
                .help(format!("`pbxctl history {}` shows what was tried", outcome.revision))
        }
        _ => failure
            .help("calls go on as before; mend what is shown above, and apply again")
            .help(format!("`pbxctl history {}` shows what was tried", outcome.revision)),
    })
}

/// Carries a plan out and shows each step while it happens.
fn follow(app: &mut App, plan: &Plan, request: &ApplyRequest) -> Result<Outcome, Failure> {
    app.ui.flush();
    let bar = app.ui.progress.then(progress);
    let client = app.client();
    let ended = app.wait(async {
        let run = async {
            let mut events = client.apply(&plan.id, request).await?;
            while let Some(event) = events.next().await? {
                match event {
                    Event::Progress { step, what, done, total } => {
                        if let Some(bar) = &bar {
                            bar.set_length(total.max(done).max(1));
                            bar.set_position(done);
                            bar.set_prefix(step_words(step));
                            bar.set_message(what);
                        }
                    }
                    Event::Outcome(outcome) => return Ok(outcome),
                    Event::Error(body) => return Err(Failure::from(body)),
                }
            }
            Err(Failure::new(Exit::Unreachable, "unreachable", "pbxd ended the answer before the apply ended")
                .help("pbxd finishes or takes back an apply by itself; `pbxctl history` shows how it ended"))
        };
        tokio::select! {
            ended = run => ended,
            _ = tokio::signal::ctrl_c() => Err(Failure::new(Exit::Failed, "interrupted", "not waiting any longer")
                .help("pbxd goes on with the apply; `pbxctl history` shows how it ends")),
        }
    })?;
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    // Between the first step and the outcome, a broken connection says nothing of what happened.
    ended.map_err(|failure| {
        if failure.code == "unreachable" && !failure.message.contains("cannot be reached") && failure.help.len() < 3 {
            failure.help("pbxd finishes or takes back an apply by itself; `pbxctl history` shows how it ended")
        } else {
            failure
        }
    })
}

fn progress() -> ProgressBar {
    let bar = ProgressBar::new(1);
    let style = ProgressStyle::with_template("{spinner} {prefix:22} {bar:30} {pos}/{len} {elapsed} {wide_msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

fn step_words(step: Step) -> &'static str {
    match step {
        Step::Stage => "Writing files",
        Step::Preflight => "Asterisk reads them",
        Step::Activate => "Switching over",
        Step::Database => "Entries of filters",
        Step::Reload => "Reloading",
        Step::Verify => "Verifying",
        Step::Commit => "Keeping the revision",
        Step::Rollback => "Going back",
    }
}
