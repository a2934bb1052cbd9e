//! `filter`: who may not call, entry by entry.

use std::collections::{BTreeMap, BTreeSet};

use clap_complete::engine::ArgValueCompleter;
use jiff::Timestamp;
use pbx_api::{ObjectView, PlanRequest};
use pbx_manifest::kinds::{BlockFilter, CallerRegex, Expiry, FilterEntry};
use pbx_manifest::{AnySpec, Caller, Kind, Name, Number, ObjectRef, Patch, Text, TimeZone};
use serde_json::{Value as Json, json};

use crate::app::App;
use crate::cli::{Format, Manner, formats};
use crate::clock::now;
use crate::failure::{Exit, Failure};
use crate::table::Table;
use crate::{complete, deploy, show};

/// See and change who may not call
///
/// Entries of a block filter come and go one by one, as a plan that is shown before it is carried out, and without a reload. Lists that
/// are changed here belong to the set `manual` until a manifest takes them over.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl filter list spam
  pbxctl filter add spam +351912345678 --expires 30d --note 'Silent calls'
  pbxctl filter add spam '+44870*' anonymous
  pbxctl filter add spam --allow +44870111222
  pbxctl filter remove spam anonymous
  pbxctl filter check spam +44870111222")]
pub struct Filter {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    List(List),
    Add(Add),
    Remove(Remove),
    Check(Check),
}

/// Show the entries of filters, those that no longer count too
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl filter list
  pbxctl filter list spam -o json")]
struct List {
    /// Filters; all where none is named
    #[arg(value_name = "NAME", value_parser = name, add = ArgValueCompleter::new(complete::filters))]
    names: Vec<Name>,
    /// The form of the result
    #[arg(short, long, value_parser = formats(&["table", "json"]), default_value = "table", value_name = "FORM")]
    output: Format,
}

/// Add entries to a filter
///
/// An entry that is there already gets the expiry and the note that are given, from now on.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl filter add spam +351912345678 --expires 30d
  pbxctl filter add spam '_1900NXXXXXX' --expires 2026-12-25 --note 'Premium'
  pbxctl filter add spam --regex '^\\+44(70|90)'
  pbxctl filter add spam --allow +44870111222 --yes")]
struct Add {
    #[command(flatten)]
    who: Who,
    /// When they stop counting: `30d`, `2026-12-25`, `2026-12-25T18:00`
    #[arg(long, value_name = "WHEN", value_parser = expiry)]
    expires: Option<Expiry>,
    /// Why they are there
    #[arg(long, value_name = "TEXT", value_parser = text)]
    note: Option<Text>,
    #[command(flatten)]
    manner: Manner,
}

/// Remove entries from a filter
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl filter remove spam +351912345678
  pbxctl filter remove spam --allow +44870111222 --yes")]
struct Remove {
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    manner: Manner,
}

#[derive(Debug, clap::Args)]
struct Who {
    /// The filter
    #[arg(value_name = "NAME", value_parser = name, add = ArgValueCompleter::new(complete::filters))]
    name: Name,
    /// Callers: `+351912345678`, `+35191*`, `anonymous`, `_3519XXXXXXXX`
    #[arg(value_name = "CALLER", required = true)]
    callers: Vec<String>,
    /// The callers are regular expressions of `+` and digits
    #[arg(long)]
    regex: bool,
    /// Entries that let callers through, instead of those that deny them
    #[arg(long)]
    allow: bool,
}

/// Say whether a filter denies a caller now, and by which entry
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl filter check spam +351912345678
  pbxctl filter check spam anonymous")]
struct Check {
    /// The filter
    #[arg(value_name = "NAME", value_parser = name, add = ArgValueCompleter::new(complete::filters))]
    name: Name,
    /// A number as `+351912345678`, or `anonymous`
    #[arg(value_name = "CALLER")]
    caller: String,
    /// The form of the result
    #[arg(short, long, value_parser = formats(&["table", "json"]), default_value = "table", value_name = "FORM")]
    output: Format,
}

fn one_line(refused: &pbx_manifest::Refused) -> String {
    refused.0.replace('\n', "; ")
}

fn name(text: &str) -> Result<Name, String> {
    text.strip_prefix("filter/").unwrap_or(text).parse::<Name>().map_err(|refused| one_line(&refused))
}

fn expiry(text: &str) -> Result<Expiry, String> {
    text.parse::<Expiry>().map_err(|refused| one_line(&refused))
}

fn text(text: &str) -> Result<Text, String> {
    text.parse::<Text>().map_err(|refused| one_line(&refused))
}

/// Runs it.
pub fn run(args: &Filter, app: &mut App) -> Result<Exit, Failure> {
    match &args.verb {
        Verb::List(args) => list(args, app),
        Verb::Add(args) => add(args, app),
        Verb::Remove(args) => remove(args, app),
        Verb::Check(args) => check(args, app),
    }
}

/// The zone of dates.
pub fn zone(app: &mut App) -> Result<TimeZone, Failure> {
    let settings =
        ObjectRef::new(Kind::Settings, "pbx".parse().map_err(|_| Failure::failed("internal", "no settings"))?);
    match app.ask(async |client| client.object(&settings).await) {
        Ok(view) => Ok(view.effective["timeZone"].as_str().and_then(|zone| zone.parse().ok()).unwrap_or_default()),
        Err(failure) if failure.code == "notFound" => Ok(TimeZone::default()),
        Err(failure) => Err(failure),
    }
}

fn filter(name: &Name, app: &mut App) -> Result<ObjectView, Failure> {
    super::get::one(app, &ObjectRef::new(Kind::BlockFilter, name.clone()))
}

fn spec(view: &ObjectView) -> Result<BlockFilter, Failure> {
    match AnySpec::from_json(Kind::BlockFilter, &view.effective) {
        Ok(AnySpec::BlockFilter(filter)) => Ok(*filter),
        other => {
            let why = other.err().map_or_else(|| "another kind".to_owned(), |error| error.to_string());
            Err(Failure::failed("internal", format!("{} is not understood: {why}", view.object))
                .help("install pbxctl and pbxd from one release"))
        }
    }
}

/// How many entries of a list there are, and how many of them no longer count.
pub fn count(entries: &Json, at: Timestamp, zone: &TimeZone) -> Option<String> {
    let entries: Vec<FilterEntry> = serde_json::from_value(entries.clone()).ok()?;
    let over = entries.iter().filter(|entry| entry.is_over(at, zone)).count();
    let all = show::plural(entries.len(), "entry", "entries");
    Some(match over {
        0 if entries.is_empty() => String::new(),
        0 => all,
        over => format!("{all}, {} expired", show::thousands(over)),
    })
}

fn list(args: &List, app: &mut App) -> Result<Exit, Failure> {
    let views = if args.names.is_empty() {
        app.ask(async |client| client.objects(Some(Kind::BlockFilter), &[]).await)?.objects
    } else {
        args.names.iter().map(|name| filter(name, app)).collect::<Result<_, _>>()?
    };
    let (zone, at) = (zone(app)?, now());
    let mut rows = Vec::new();
    let mut table = Table::new(&["FILTER", "LIST", "CALLER", "EXPIRES", "STATE", "NOTE"]).gives_way("NOTE");
    for view in &views {
        let filter = spec(view)?;
        for (list, entries) in [("deny", &filter.deny), ("allow", &filter.allow)] {
            for entry in entries {
                let (until, over) = (entry.until(&zone), entry.is_over(at, &zone));
                let state = if !filter.enabled {
                    "off"
                } else if over {
                    "expired"
                } else {
                    "counts"
                };
                let note = entry.note.as_ref().map(ToString::to_string);
                table.row([
                    view.object.name.as_str(),
                    list,
                    &entry.who(),
                    &until.map(|until| clock(until, &zone)).unwrap_or_default(),
                    state,
                    note.as_deref().unwrap_or_default(),
                ]);
                rows.push(json!({
                    "filter": view.object.name,
                    "list": list,
                    "entry": entry,
                    "until": until,
                    "expired": over,
                }));
            }
        }
    }
    if args.output == Format::Json {
        app.ui.json(&rows);
    } else if rows.is_empty() {
        app.ui.talk("There are no entries.");
    } else {
        app.ui.page();
        let text = table.text(app.ui.look());
        app.ui.text(&text);
    }
    Ok(Exit::Done)
}

/// An instant on the clock of a zone.
fn clock(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.rules()).strftime("%Y-%m-%d %H:%M %Z").to_string()
}

impl Who {
    fn field(&self) -> &'static str {
        if self.allow { "allow" } else { "deny" }
    }

    /// The entries that are meant.
    fn entries(&self) -> Result<Vec<FilterEntry>, Failure> {
        let refused = |refused: pbx_manifest::Refused| {
            let mut lines = refused.0.lines().map(str::to_owned);
            let failure = Failure::usage(lines.next().unwrap_or_default());
            lines.fold(failure, Failure::help)
        };
        let entry = |text: &String| {
            let (caller, regex) = if self.regex {
                (None, Some(text.parse::<CallerRegex>().map_err(refused)?))
            } else {
                (Some(text.parse::<Caller>().map_err(refused)?), None)
            };
            Ok(FilterEntry { caller, regex, expires: None, note: None })
        };
        self.callers.iter().map(entry).collect()
    }

    /// Carries out what becomes of the list, as long as nobody else has changed it since it was looked at.
    fn change(
        &self,
        manner: &Manner,
        app: &mut App,
        becomes: impl Fn(Vec<FilterEntry>) -> Result<Vec<FilterEntry>, Failure>,
    ) -> Result<Exit, Failure> {
        manner.must_be_able_to_ask(app)?;
        let path = format!("spec.{}", self.field());
        let view = filter(&self.name, app)?;
        let filter = spec(&view)?;
        let there = if self.allow { filter.allow } else { filter.deny };
        let wanted = becomes(there.clone())?;
        let (before, after) = (view.spec.get(self.field()), json!(wanted));
        let set = if wanted == there { BTreeMap::new() } else { BTreeMap::from([(path.clone(), after)]) };
        let patches: Vec<Patch> = Some(Patch { object: view.object.clone(), set, unset: BTreeSet::new() })
            .into_iter()
            .filter(|patch| !patch.set.is_empty())
            .collect();
        let plan = deploy::plan_by_hand(app, PlanRequest { patches, ..PlanRequest::default() }, &[])?;
        let fields = plan.changes.iter().flat_map(|change| &change.fields);
        if fields.into_iter().any(|field| field.path == path && field.before.as_ref() != before) {
            return Err(Failure::new(
                Exit::Conflict,
                "stale",
                format!("somebody else has changed {} meanwhile", view.object),
            )
            .help("run the command again"));
        }
        deploy::carry_out(app, &plan, &manner.how("Apply"))
    }
}

fn add(args: &Add, app: &mut App) -> Result<Exit, Failure> {
    let entries = args.who.entries()?;
    args.who.change(&args.manner, app, |mut list| {
        for mut new in entries.clone() {
            new.note.clone_from(&args.note);
            new.expires.clone_from(&args.expires);
            let Some(old) = list.iter_mut().find(|old| old.who() == new.who()) else {
                list.push(new);
                continue;
            };
            if args.expires.is_none() && args.note.is_none() {
                continue;
            }
            // Said anew, it counts from now on.
            if let Some(Expiry::After { since, .. }) = &mut new.expires {
                *since = Timestamp::from_second(now().as_second()).ok();
            }
            old.expires = new.expires.or_else(|| old.expires.take());
            old.note = new.note.or_else(|| old.note.take());
        }
        Ok(list)
    })
}

fn remove(args: &Remove, app: &mut App) -> Result<Exit, Failure> {
    let entries = args.who.entries()?;
    args.who.change(&args.manner, app, |mut list| {
        for gone in &entries {
            let before = list.len();
            list.retain(|entry| entry.who() != gone.who());
            if list.len() == before {
                let failure =
                    format!("filter/{} has no entry `{}` under `{}`", args.who.name, gone.who(), args.who.field());
                return Err(Failure::failed("notFound", failure)
                    .help(format!("`pbxctl filter list {}` shows those there are", args.who.name)));
            }
        }
        Ok(list)
    })
}

fn check(args: &Check, app: &mut App) -> Result<Exit, Failure> {
    let digits = match args.caller.as_str() {
        "anonymous" => None,
        text => match text.parse::<Number>() {
            Ok(number) => Some(number.digits().to_owned()),
            Err(_) => {
                return Err(Failure::usage(format!("`{}` is not a caller", text.escape_debug()))
                    .help("a number as `+351912345678`, or `anonymous`"));
            }
        },
    };
    let view = filter(&args.name, app)?;
    let filter = spec(&view)?;
    let (zone, at) = (zone(app)?, now());
    let (deny, allow) = filter.entries_for(digits.as_deref(), at, &zone);
    let denied = filter.denies(digits.as_deref(), at, &zone);
    if args.output == Format::Json {
        app.ui.json(&json!({
            "filter": args.name,
            "caller": args.caller,
            "denied": denied,
            "enabled": filter.enabled,
            "deny": deny,
            "allow": allow,
            "goesTo": denied.then(|| filter.denied.to_string()),
        }));
        return Ok(Exit::Done);
    }
    let told = |entry: &FilterEntry| {
        let until = entry.until(&zone).map(|until| format!(", until {}", clock(until, &zone))).unwrap_or_default();
        let note = entry.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
        format!("`{}`{until}{note}", entry.who())
    };
    let why = match (filter.enabled, deny, allow) {
        (false, ..) => "the filter is turned off".to_owned(),
        (true, None, _) => "no entry denies it".to_owned(),
        (true, Some(deny), None) => format!("by {}; the call goes to {}", told(deny), filter.denied),
        (true, Some(deny), Some(allow)) => format!("{} denies it, and {} lets it through", told(deny), told(allow)),
    };
    let verdict = if denied { "denied" } else { "let through" };
    app.ui.line(&format!("{} is {verdict}: {why}.", args.caller));
    Ok(Exit::Done)
}
