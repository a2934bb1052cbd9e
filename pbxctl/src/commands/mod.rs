//! One file per verb.

mod apply;
mod audio;
mod blame;
mod completion;
mod confirm;
mod delete;
mod describe;
mod diff;
mod doctor;
mod drift;
mod edit;
mod explain;
mod export;
mod extension;
mod filter;
mod get;
mod graph;
mod history;
mod pin;
mod plan;
mod render;
mod rollback;
mod schedule;
mod schema;
mod setup;
mod show;
mod test;
mod trace;
mod validate;

use clap::Subcommand;

use crate::app::App;
use crate::failure::{Exit, Failure};

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    Validate(validate::Validate),
    Render(render::Render),
    Plan(plan::PlanArgs),
    Diff(diff::Diff),
    Apply(apply::Apply),
    Show(show::Show),
    Confirm(confirm::Confirm),
    Get(get::Get),
    Describe(describe::Describe),
    Edit(edit::Edit),
    Delete(delete::Delete),
    Export(export::Export),
    #[command(alias = "ext")]
    Extension(extension::Extension),
    Pin(pin::Pin),
    Trace(Box<trace::TraceArgs>),
    Test(test::TestArgs),
    Graph(graph::Graph),
    Filter(filter::Filter),
    Schedule(schedule::Schedules),
    Audio(audio::Audio),
    Explain(explain::Explain),
    Schema(schema::Schema),
    Drift(drift::DriftArgs),
    History(history::History),
    Blame(blame::Blame),
    Rollback(rollback::Rollback),
    Setup(setup::Setup),
    Doctor(doctor::Doctor),
    Completion(completion::Completion),
}

/// Does it.
pub fn run(command: Command, app: &mut App) -> Result<Exit, Failure> {
    match command {
        Command::Validate(args) => validate::run(&args, app),
        Command::Render(args) => render::run(&args, app),
        Command::Plan(args) => plan::run(&args, app),
        Command::Diff(args) => diff::run(&args, app),
        Command::Apply(args) => apply::run(&args, app),
        Command::Confirm(args) => confirm::run(&args, app),
        Command::Show(args) => show::run(&args, app),
        Command::Get(args) => get::run(&args, app),
        Command::Describe(args) => describe::run(&args, app),
        Command::Edit(args) => edit::run(&args, app),
        Command::Delete(args) => delete::run(&args, app),
        Command::Export(args) => export::run(&args, app),
        Command::Extension(args) => extension::run(&args, app),
        Command::Pin(args) => pin::run(&args, app),
        Command::Trace(args) => trace::run(&args, app),
        Command::Test(args) => test::run(&args, app),
        Command::Graph(args) => graph::run(&args, app),
        Command::Filter(args) => filter::run(&args, app),
        Command::Schedule(args) => schedule::run(&args, app),
        Command::Audio(args) => audio::run(&args, app),
        Command::Explain(args) => explain::run(&args, app),
        Command::Schema(args) => schema::run(&args, app),
        Command::Drift(args) => drift::run(&args, app),
        Command::History(args) => history::run(&args, app),
        Command::Blame(args) => blame::run(&args, app),
        Command::Rollback(args) => rollback::run(&args, app),
        Command::Setup(args) => setup::run(&args, app),
        Command::Doctor(args) => doctor::run(&args, app),
        Command::Completion(args) => completion::run(&args, app),
    }
}
