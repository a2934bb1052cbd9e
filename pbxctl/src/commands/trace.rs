//! `trace`: where a call would go, and why.

use std::fmt::Write as _;

use clap_complete::engine::ArgValueCompleter;
use jiff::Timestamp;
use pbx_manifest::kinds::ScheduleState;
use pbx_manifest::{At, CallFrom, DialString, Given, Name, Press, TestCall};
use pbx_routing::trace::{Call, End, Entry, Passed, Trace, Tracer, check_call};
use serde_json::json;

use crate::app::App;
use crate::cli::{Format, MaybeFiles, Rows, formats};
use crate::complete;
use crate::failure::{Exit, Failure};
use crate::system::{Places, System, short};
use crate::ui::{Look, Style};

/// Follow a call on paper: which steps it takes, why, and how it ends
///
/// Without `-f` it is the live system's call, with its schedules as somebody has turned them. Whoever is not named as busy or away is there, free, and answers.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl trace --to +351210001000 --from +351912345678 -f office/
  pbxctl trace --to +351210001000 --at 2026-12-25T03:00
  pbxctl trace --to +351210001000 --press 2 --press '' --busy 1001,1002
  pbxctl trace --from 1001 --to 0044123456 --refuses main
  pbxctl trace --to +351210001000 --closed office -o json")]
pub struct TraceArgs {
    /// What is dialled: a DID; by a telephone of the house, anything
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    to: DialString,
    /// Who calls: a number, `anonymous`, or a telephone as `extension/1001` [default: anonymous]
    #[arg(long, value_name = "CALLER", add = ArgValueCompleter::new(complete::extensions))]
    from: Option<CallFrom>,
    /// When, by the clock of the settings' time zone, as `2026-12-25T03:00` [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<At>,
    /// The carrier that the call comes by [default: the DID's own]
    #[arg(long, value_name = "CARRIER")]
    carrier: Option<Name>,
    #[command(flatten)]
    world: World,
    #[command(flatten)]
    files: MaybeFiles,
    #[command(flatten)]
    rows: Rows,
    /// The form of the result
    #[arg(short, long, value_parser = formats(&["table", "json"]), default_value = "table", value_name = "FORM")]
    output: Format,
}

/// How the world is meanwhile.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "How the world is")]
struct World {
    /// What is pressed at the next prompt, `''` for silence; may be repeated
    #[arg(long, value_name = "KEYS", value_delimiter = ',')]
    press: Vec<Press>,
    /// Extensions that are busy or decline
    #[arg(long, value_name = "EXTENSION", value_delimiter = ',', add = ArgValueCompleter::new(complete::extensions))]
    busy: Vec<Name>,
    /// Extensions that ring and are not answered
    #[arg(long, value_name = "EXTENSION", value_delimiter = ',', add = ArgValueCompleter::new(complete::extensions))]
    no_answer: Vec<Name>,
    /// Extensions without a registered telephone
    #[arg(long, value_name = "EXTENSION", value_delimiter = ',', add = ArgValueCompleter::new(complete::extensions))]
    unregistered: Vec<Name>,
    /// Extensions that are not to be disturbed
    #[arg(long = "dnd", value_name = "EXTENSION", value_delimiter = ',', add = ArgValueCompleter::new(complete::extensions))]
    do_not_disturb: Vec<Name>,
    /// Members that have logged in to their queues; those with `autoLogin` are
    #[arg(long, value_name = "EXTENSION", value_delimiter = ',', add = ArgValueCompleter::new(complete::extensions))]
    logged_in: Vec<Name>,
    /// Members that take a break
    #[arg(long, value_name = "EXTENSION", value_delimiter = ',', add = ArgValueCompleter::new(complete::extensions))]
    paused: Vec<Name>,
    /// Queues in which as many wait as may
    #[arg(long, value_name = "QUEUE", value_delimiter = ',')]
    full: Vec<Name>,
    /// How many wait in a queue
    #[arg(long, value_name = "QUEUE=COUNT", value_delimiter = ',', value_parser = waiting)]
    waiting: Vec<(Name, u32)>,
    /// Schedules that are opened by hand
    #[arg(long, value_name = "SCHEDULE", value_delimiter = ',')]
    open: Vec<Name>,
    /// Schedules that are closed by hand
    #[arg(long, value_name = "SCHEDULE", value_delimiter = ',')]
    closed: Vec<Name>,
    /// Carriers that take no call
    #[arg(long, value_name = "CARRIER", value_delimiter = ',')]
    refuses: Vec<Name>,
}

fn waiting(text: &str) -> Result<(Name, u32), String> {
    let wrong = "how many wait is written `queue=count`, as in `support=5`";
    let (name, count) = text.split_once('=').ok_or(wrong)?;
    Ok((name.parse().map_err(|_| wrong)?, count.parse().map_err(|_| wrong)?))
}

impl World {
    fn given(&self) -> Given {
        let states = [(&self.open, ScheduleState::Open), (&self.closed, ScheduleState::Closed)];
        Given {
            busy: self.busy.clone(),
            no_answer: self.no_answer.clone(),
            unregistered: self.unregistered.clone(),
            do_not_disturb: self.do_not_disturb.clone(),
            press: self.press.clone(),
            logged_in: self.logged_in.clone(),
            paused: self.paused.clone(),
            full: self.full.clone(),
            waiting: self.waiting.iter().cloned().collect(),
            schedules: states
                .into_iter()
                .flat_map(|(names, state)| names.iter().map(move |name| (name.clone(), state)))
                .collect(),
            refuses: self.refuses.clone(),
        }
    }
}

/// Runs it.
pub fn run(args: &TraceArgs, app: &mut App) -> Result<Exit, Failure> {
    let system = System::read(app, &args.files.file, args.rows)?;
    let wanted = TestCall { to: args.to.clone(), from: args.from.clone(), at: args.at, carrier: args.carrier.clone() };
    let mut given = args.world.given();
    // Whoever is taken for busy and is not there would change nothing, and nobody would know.
    let wrong = check_call(&system.catalog, &system.graph, &wanted, &given);
    if let Some(first) = wrong.first() {
        let failure = Failure::failed("missing-reference", first.message.clone());
        return Err(first.help.iter().fold(failure, |failure, help| failure.help(help.clone())));
    }
    let call = Call::new(&system.catalog, &wanted, Some(now()));
    if !system.is_declared() {
        as_turned(app, &call, &mut given)?;
    }
    let tracer = Tracer::new(&system.catalog, &system.graph);
    let trace = tracer.trace(&call, &given);
    let mut places = system.places(&app.sources);
    if args.output == Format::Json {
        let document = told(&wanted, &call, &trace, &mut places);
        app.ui.json(&document);
    } else {
        let zone = &system.catalog.settings().time_zone;
        let text = shown(&trace, &mut places, app.ui.look());
        let at = call.at.map(|at| at.to_zoned(zone.rules()).strftime("%a %Y-%m-%d %H:%M").to_string());
        let heading = format!("{}, {} {zone}", described(&wanted, &call), at.unwrap_or_default());
        let heading = app.ui.look().paint(Style::Faint, &heading);
        app.ui.line(&heading);
        app.ui.text(&text);
    }
    drop(places);
    // The process ends soon: taking ten thousand objects apart first would only cost time.
    std::mem::forget(trace);
    std::mem::forget(system);
    Ok(Exit::Done)
}

/// Adds the live system's schedules that somebody has turned over by hand, as far as that holds at the time of the call.
fn as_turned(app: &mut App, call: &Call, given: &mut Given) -> Result<(), Failure> {
    let list = app.ask(|client| async move { client.schedules().await })?;
    for schedule in list.schedules {
        let holds = |until: Option<Timestamp>| until.is_none_or(|until| call.at.is_none_or(|at| at < until));
        if schedule.turned.is_some_and(|turn| holds(turn.until)) {
            given.schedules.entry(schedule.name).or_insert(schedule.state);
        }
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "where a call's time is not named, it is now: the one clock of this command"
)]
fn now() -> Timestamp {
    Timestamp::now()
}

/// A call in words.
fn described(wanted: &TestCall, call: &Call) -> String {
    match (&call.entry, &wanted.from) {
        (Entry::Telephone { extension, number }, _) => format!("extension/{extension} dials {number}"),
        (_, Some(CallFrom::Number(number))) => format!("{number} calls {}", wanted.to),
        _ => format!("an anonymous caller calls {}", wanted.to),
    }
}

/// A trace for scripts.
fn told(wanted: &TestCall, call: &Call, trace: &Trace<'_>, places: &mut Places<'_>) -> serde_json::Value {
    let mut document = json!(trace);
    for (step, shown) in trace.steps.iter().zip(document["steps"].as_array_mut().into_iter().flatten()) {
        if let Some(place) = step.decided.as_ref().and_then(|field| places.of(field)) {
            shown["position"] = json!(place);
        }
    }
    document["call"] = json!({ "to": wanted.to, "from": wanted.from, "carrier": wanted.carrier, "at": call.at });
    document["ends"] = json!(trace.end.words());
    document["answeredBy"] = json!(trace.end.answered_by());
    document
}

/// A trace for people: a line for each step, what happens there below it.
fn shown(trace: &Trace<'_>, places: &mut Places<'_>, look: Look) -> String {
    let widest = |all: &mut dyn Iterator<Item = usize>| all.max().unwrap_or_default();
    let label = widest(&mut trace.steps.iter().map(|step| step.label.chars().count()));
    let why = widest(&mut trace.steps.iter().map(|step| step.why.chars().count())).min(72);
    let mut text = String::new();
    for step in &trace.steps {
        let place = step.decided.as_ref().map(|field| match places.of(field) {
            Some(place) => short(&place),
            None => field.to_string(),
        });
        let pad = |text: &str, to: usize| " ".repeat(to.saturating_sub(text.chars().count()));
        let mut line = format!(
            "{}{}  {}{}  {}",
            look.paint(style(step, trace), &step.label),
            pad(&step.label, label),
            step.why,
            pad(&step.why, why),
            look.paint(Style::Faint, &place.unwrap_or_default()),
        );
        line.truncate(line.trim_end().len());
        text.push_str(&line);
        text.push('\n');
        let mut tell = |what: &str| {
            text.push_str(&look.paint(Style::Faint, &format!("  {what}")));
            text.push('\n');
        };
        for (heard, what) in step.in_order() {
            if !heard.is_empty() {
                tell(&format!("hears {}", heard.join(", ")));
            }
            what.into_iter().for_each(&mut tell);
        }
    }
    let end = match &trace.end {
        End::Answered(_) | End::Outside(_) | End::Conference(_) | End::Service(_) => Style::New,
        End::Voicemail(_) | End::Parked(_) | End::Hangup(_) => Style::Changed,
        End::Unknown | End::Forbidden | End::Waits(_) | End::Endless(_) => Style::Bad,
    };
    let _ = writeln!(text, "{} {}", look.paint(Style::Heading, "ends:"), look.paint(end, &trace.end.words()));
    text
}

/// How a step is shown.
fn style(step: &Passed, trace: &Trace<'_>) -> Style {
    let passed = step.label.ends_with("=passed") || step.label.ends_with("=open");
    let stopped = step.label.ends_with("=denied") || step.label.ends_with("=closed");
    match () {
        () if passed => Style::Faint,
        () if stopped => Style::Changed,
        () if trace.steps.last().is_some_and(|last| std::ptr::eq(last, step)) => Style::Heading,
        () => Style::Hint,
    }
}
