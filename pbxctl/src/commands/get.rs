//! `get`: what there is.

use clap_complete::engine::ArgValueCompleter;
use jiff::Timestamp;
use pbx_api::{ObjectList, ObjectView, ScheduleStatus};
use pbx_manifest::{Kind, ObjectRef, TimeZone, nearest};
use serde_json::json;

use crate::app::App;
use crate::cli::{Format, Selector, formats};
use crate::clock;
use crate::complete;
use crate::failure::{Exit, Failure};
use crate::nouns::{self, Nouns};
use crate::objects::{self, Tables};

/// List objects
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl get extensions
  pbxctl get ext 1001 1002
  pbxctl get extension/1001 did/+351210001000
  pbxctl get all -l team=sales -o name
  pbxctl get ext,groups -o wide")]
pub struct Get {
    /// Kinds (`extensions`, `ext,groups`, `all`), a kind and names, or objects as `extension/1001`
    #[arg(value_name = "WHAT", required = true, add = ArgValueCompleter::new(complete::nouns))]
    what: Vec<String>,
    #[command(flatten)]
    selector: Selector,
    /// The form of the result
    #[arg(short, long, value_parser = formats(&["table", "wide", "json", "yaml", "csv", "name"]), default_value = "table", value_name = "FORM")]
    output: Format,
}

/// Runs it.
pub fn run(args: &Get, app: &mut App) -> Result<Exit, Failure> {
    let nouns = nouns::parse(&args.what)?;
    let labels = &args.selector.label;
    match args.output {
        Format::Json => {
            let list = read(app, &nouns, labels)?;
            match (&nouns, list.objects.as_slice()) {
                (Nouns::Objects(named), [one]) if named.len() == 1 => app.ui.json(one),
                _ => app.ui.json(&list),
            }
        }
        Format::Yaml => {
            let text = objects::manifests(&read(app, &nouns, labels)?.objects)?;
            app.ui.text(&text);
        }
        Format::Csv => {
            let text = objects::csv(&objects::grid(&read(app, &nouns, labels)?.objects, &[], &[])?)?;
            app.ui.text(&text);
        }
        Format::Name => {
            let mut names = String::new();
            each(app, &nouns, labels, &[], |view| {
                names.push_str(&view.object.to_string());
                names.push('\n');
            })?;
            app.ui.text(&names);
        }
        Format::Table | Format::Wide | Format::Xlsx => {
            let wide = args.output == Format::Wide;
            let mut tables = Tables::new(wide);
            let fields = match &nouns {
                Nouns::Kinds(kinds) => objects::shown(kinds, wide),
                Nouns::Objects(_) => Vec::new(),
            };
            let now = Now::read(app, &nouns)?;
            each(app, &nouns, labels, &fields, |mut view| {
                now.tell(&mut view);
                tables.add(&view);
            })?;
            if tables.is_empty() {
                app.ui.talk("Nothing found.");
            }
            app.ui.page();
            let text = tables.text(app.ui.look());
            app.ui.text(&text);
        }
    }
    Ok(Exit::Done)
}

/// What tables say of an instant rather than of a spec: what schedules say, and which entries of filters no longer count.
struct Now {
    schedules: Vec<ScheduleStatus>,
    at: Timestamp,
    zone: TimeZone,
}

impl Now {
    fn read(app: &mut App, nouns: &Nouns) -> Result<Self, Failure> {
        let asks = |kind: Kind| match nouns {
            Nouns::Kinds(kinds) => kinds.contains(&kind),
            Nouns::Objects(named) => named.iter().any(|object| object.kind == kind),
        };
        let schedules =
            if asks(Kind::Schedule) { app.ask(async |client| client.schedules().await)?.schedules } else { Vec::new() };
        let zone = if asks(Kind::BlockFilter) { super::filter::zone(app)? } else { TimeZone::default() };
        Ok(Self { schedules, at: clock::now(), zone })
    }

    fn tell(&self, view: &mut ObjectView) {
        match view.object.kind {
            Kind::Schedule => {
                let one = self.schedules.iter().find(|one| one.name == view.object.name);
                if let (Some(one), Some(fields)) = (one, view.effective.as_object_mut()) {
                    let over = if one.turned.is_some() { " (turned over)" } else { "" };
                    fields.insert(objects::STATE.to_owned(), json!(format!("{}{over}", one.state)));
                }
            }
            Kind::BlockFilter => {
                for list in ["deny", "allow"] {
                    let told = view.effective.get(list).and_then(|all| super::filter::count(all, self.at, &self.zone));
                    if let Some(told) = told {
                        view.effective[list] = json!(told);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Goes through what was named, with no more than these fields of what a list has.
fn each(
    app: &mut App,
    nouns: &Nouns,
    labels: &[String],
    fields: &[&str],
    mut each: impl FnMut(ObjectView),
) -> Result<(), Failure> {
    let Nouns::Kinds(kinds) = nouns else {
        read(app, nouns, labels)?.objects.into_iter().for_each(each);
        return Ok(());
    };
    let one = if let [kind] = kinds.as_slice() { Some(*kind) } else { None };
    let wanted = |view: ObjectView| {
        if kinds.contains(&view.object.kind) {
            each(view);
        }
    };
    app.ask(async |client| client.each_object(one, labels, fields, wanted).await)
}

/// Reads what was named, in the order of kinds and names, or of the command line where objects were named.
pub fn read(app: &mut App, nouns: &Nouns, labels: &[String]) -> Result<ObjectList, Failure> {
    match nouns {
        Nouns::Kinds(kinds) => {
            let one = if let [kind] = kinds.as_slice() { Some(*kind) } else { None };
            let mut list = app.ask(async |client| client.objects(one, labels).await)?;
            list.objects.retain(|object| kinds.contains(&object.object.kind));
            list.objects.sort_by(|a, b| a.object.cmp(&b.object));
            Ok(list)
        }
        Nouns::Objects(named) => {
            let mut found = Vec::new();
            for object in named {
                let view = one(app, object)?;
                let matches = labels.iter().all(|label| {
                    label
                        .split_once('=')
                        .is_some_and(|(key, value)| view.meta.labels.get(key).is_some_and(|own| own == value))
                });
                if matches {
                    found.push(view);
                }
            }
            Ok(ObjectList { revision: None, objects: found })
        }
    }
}

/// Reads one object; where there is none, says which one may have been meant.
pub fn one(app: &mut App, object: &ObjectRef) -> Result<ObjectView, Failure> {
    match app.ask(async |client| client.object(object).await) {
        Err(failure) if failure.code == "notFound" => {
            let mut others = Vec::new();
            let other = |view: ObjectView| others.push(view.object.name);
            app.ask(async |client| client.each_object(Some(object.kind), &[], &[], other).await)?;
            let names = others.iter().map(pbx_manifest::Name::as_str);
            let failure = Failure::failed("notFound", format!("there is no {} `{}`", object.kind, object.name));
            // Whoever may not look into the history is helped by the names alone.
            let history = app.ask(async |client| client.object_history(object).await);
            if let Ok(Some(now)) = history.map(|history| history.now) {
                return Err(failure.help(format!("it is `{}` since revision {}", now.object, now.revision)));
            }
            Err(match nearest(object.name.as_str(), names) {
                Some(near) => failure.help(format!("did you mean `{}/{near}`?", object.kind)),
                None if others.is_empty() => failure.help(format!("there are no {} yet", object.kind.plural())),
                None => failure.help(format!("`pbxctl get {}` lists those there are", object.kind.plural())),
            })
        }
        other => other,
    }
}
