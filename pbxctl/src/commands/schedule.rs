//! `schedule`: what opening hours say now, and turning them over.

use clap_complete::engine::ArgValueCompleter;
use jiff::Timestamp;
use pbx_api::{ScheduleStatus, Turn, TurnRequest, TurnTo};
use pbx_manifest::kinds::Until;
use pbx_manifest::{Kind, Name, Text, TimeZone, nearest};

use crate::app::App;
use crate::cli::{Format, formats};
use crate::complete;
use crate::failure::{Exit, Failure};
use crate::table::Table;

/// Turn opening hours over by hand, and see what they say
///
/// A schedule that is turned over is open or closed whatever its hours say, from the next call on: nothing is applied and nothing
/// reloaded. It lasts until `auto`, or the time that `--until` names.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl schedule close office --until 18:00 --note 'Fire drill'
  pbxctl schedule open office --until +2h
  pbxctl schedule auto office
  pbxctl schedule status
  pbxctl schedule history office")]
pub struct Schedules {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Open(Over),
    Close(Close),
    Auto(Auto),
    Status(Status),
    History(History),
}

/// Open a schedule, whatever its hours say
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl schedule open office
  pbxctl schedule open office --until 2026-12-25T10:00")]
struct Over {
    #[command(flatten)]
    how: How,
}

/// Close a schedule, whatever its hours say
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl schedule close office
  pbxctl schedule close office --until +2h --note 'Fire drill'")]
struct Close {
    #[command(flatten)]
    how: How,
}

#[derive(Debug, clap::Args)]
struct How {
    /// The schedule
    #[arg(value_name = "NAME", value_parser = name, add = ArgValueCompleter::new(complete::schedules))]
    name: Name,
    /// Until when: `18:00`, `2026-12-25T10:00`, both on the clock of the schedule's zone, or `+2h`
    #[arg(long, value_name = "TIME", value_parser = until)]
    until: Option<Until>,
    #[command(flatten)]
    said: Said,
}

#[derive(Debug, clap::Args)]
struct Said {
    /// Why, for those who ask later
    #[arg(short, long, value_name = "TEXT", value_parser = note)]
    note: Option<Text>,
    /// The form of the result
    #[arg(short, long, value_parser = formats(&["table", "json"]), default_value = "table", value_name = "FORM")]
    output: Format,
}

/// Let a schedule go by its hours again
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl schedule auto office")]
struct Auto {
    /// The schedule
    #[arg(value_name = "NAME", value_parser = name, add = ArgValueCompleter::new(complete::schedules))]
    name: Name,
    #[command(flatten)]
    said: Said,
}

/// Show what schedules say now, why, and when that changes
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl schedule status
  pbxctl schedule status office -o json")]
struct Status {
    /// Schedules; all where none is named
    #[arg(value_name = "NAME", value_parser = name, add = ArgValueCompleter::new(complete::schedules))]
    names: Vec<Name>,
    /// The form of the result
    #[arg(short, long, value_parser = formats(&["table", "json"]), default_value = "table", value_name = "FORM")]
    output: Format,
}

/// Show who turned a schedule over, to what and until when
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl schedule history office")]
struct History {
    /// The schedule
    #[arg(value_name = "NAME", value_parser = name, add = ArgValueCompleter::new(complete::schedules))]
    name: Name,
    /// The form of the result
    #[arg(short, long, value_parser = formats(&["table", "json"]), default_value = "table", value_name = "FORM")]
    output: Format,
}

fn one_line(refused: &pbx_manifest::Refused) -> String {
    refused.0.replace('\n', "; ")
}

fn name(text: &str) -> Result<Name, String> {
    let text = text.strip_prefix("schedule/").unwrap_or(text);
    text.parse::<Name>().map_err(|refused| one_line(&refused))
}

fn until(text: &str) -> Result<Until, String> {
    text.parse::<Until>().map_err(|refused| one_line(&refused))
}

fn note(text: &str) -> Result<Text, String> {
    text.parse::<Text>().map_err(|refused| one_line(&refused))
}

/// Runs it.
pub fn run(args: &Schedules, app: &mut App) -> Result<Exit, Failure> {
    match &args.verb {
        Verb::Open(Over { how }) => turn(&how.name, TurnTo::Open, how.until, &how.said, app),
        Verb::Close(Close { how }) => turn(&how.name, TurnTo::Closed, how.until, &how.said, app),
        Verb::Auto(Auto { name, said }) => turn(name, TurnTo::Auto, None, said, app),
        Verb::Status(args) => status(args, app),
        Verb::History(args) => history(args, app),
    }
}

fn turn(name: &Name, to: TurnTo, until: Option<Until>, said: &Said, app: &mut App) -> Result<Exit, Failure> {
    let request = TurnRequest { to, until, note: said.note.clone() };
    let turned = app.ask(async |client| client.turn_schedule(name, &request).await)?;
    if let Some(why) = &turned.not_told {
        return Err(Failure::new(
            Exit::Unreachable,
            "asteriskUnreachable",
            format!("it is kept that {}, but Asterisk does not know it yet: {why}", line(&turned.schedule)),
        )
        .help("pbxd tells Asterisk as soon as it answers; `pbxctl doctor` tests each link of the chain"));
    }
    if said.output == Format::Json {
        app.ui.json(&turned.schedule);
    } else {
        app.ui.line(&format!("{}.", line(&turned.schedule)));
    }
    Ok(Exit::Done)
}

/// An instant on the clock of a zone.
fn clock(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.rules()).strftime("%a %Y-%m-%d %H:%M %Z").to_string()
}

/// What a schedule says, and why, in a few words.
pub fn state(one: &ScheduleStatus) -> String {
    match &one.turned {
        None => format!("{}, {}", one.state, one.because),
        Some(turn) => format!("{}, {}", one.state, held(turn, &one.time_zone)),
    }
}

/// Who holds it so, and until when.
fn held(turn: &Turn, zone: &TimeZone) -> String {
    let until = turn.until.map(|until| format!(" until {}", clock(until, zone))).unwrap_or_default();
    let note = turn.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
    format!("turned over by {}{until}{note}", turn.by)
}

fn line(one: &ScheduleStatus) -> String {
    let hours = if one.turned.is_some() { format!("; its hours say {}", one.hours) } else { String::new() };
    format!("schedule/{} is {}{hours}", one.name, state(one))
}

/// A schedule that is turned over, in one line for whoever looks at the whole system.
pub fn warning(turn: &Turn) -> String {
    let to = match turn.to {
        TurnTo::Open => "open",
        TurnTo::Closed => "closed",
        TurnTo::Auto => "as its hours say",
    };
    let until = turn.until.map(|until| format!(" until {}", crate::show::instant(until))).unwrap_or_default();
    format!("schedule/{} is {to}, turned over by {}{until}", turn.schedule, turn.by)
}

fn status(args: &Status, app: &mut App) -> Result<Exit, Failure> {
    let mut all = app.ask(async |client| client.schedules().await)?.schedules;
    for name in &args.names {
        if !all.iter().any(|one| one.name == *name) {
            let failure = Failure::failed("notFound", format!("there is no schedule `{name}`"));
            return Err(match nearest(name.as_str(), all.iter().map(|one| one.name.as_str())) {
                Some(near) => failure.help(format!("did you mean `{near}`?")),
                None => failure.help(format!("`pbxctl get {}` lists those there are", Kind::Schedule.plural())),
            });
        }
    }
    all.retain(|one| args.names.is_empty() || args.names.contains(&one.name));
    if args.output == Format::Json {
        match (args.names.as_slice(), all.as_slice()) {
            ([_], [one]) => app.ui.json(one),
            _ => app.ui.json(&all),
        }
        return Ok(Exit::Done);
    }
    if all.is_empty() {
        app.ui.talk("There are no schedules.");
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&["NAME", "STATE", "BECAUSE", "NEXT"]);
    for one in &all {
        let because = one.turned.as_ref().map_or_else(|| one.because.clone(), |turn| held(turn, &one.time_zone));
        let next = one.next.map(|next| format!("{} {}", next.state, clock(next.at, &one.time_zone)));
        table.row([one.name.to_string(), one.state.to_string(), because, next.unwrap_or_default()]);
    }
    let text = table.text(app.ui.look());
    app.ui.text(&text);
    Ok(Exit::Done)
}

fn history(args: &History, app: &mut App) -> Result<Exit, Failure> {
    let turns = app.ask(async |client| client.schedule_turns(&args.name).await)?.turns;
    if args.output == Format::Json {
        app.ui.json(&turns);
        return Ok(Exit::Done);
    }
    if turns.is_empty() {
        app.ui.talk(&format!("Nobody has turned schedule/{} over.", args.name));
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&["WHEN", "WHO", "TO", "UNTIL", "NOTE"]).never_cut("WHEN").gives_way("NOTE");
    for turn in turns {
        let to = match turn.to {
            TurnTo::Open => "open",
            TurnTo::Closed => "closed",
            TurnTo::Auto => "auto",
        };
        let until = turn.until.map(crate::show::instant).unwrap_or_default();
        table.row([crate::show::instant(turn.at), turn.by, to.to_owned(), until, turn.note.unwrap_or_default()]);
    }
    let text = table.text(app.ui.look());
    app.ui.text(&text);
    Ok(Exit::Done)
}
