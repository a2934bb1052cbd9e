//! `get`: what there is.

use clap_complete::engine::ArgValueCompleter;
use pbx_api::{ObjectList, ObjectView};
use pbx_manifest::{ObjectRef, nearest};

use crate::app::App;
use crate::cli::{Format, Selector, formats};
use crate::failure::{Exit, Failure};
use crate::nouns::{self, Nouns};
use crate::{complete, objects};

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
    let list = read(app, &nouns, &args.selector.label)?;
    match args.output {
        Format::Json => match (&nouns, list.objects.as_slice()) {
            (Nouns::Objects(named), [one]) if named.len() == 1 => app.ui.json(one),
            _ => app.ui.json(&list),
        },
        Format::Yaml => {
            let text = objects::manifests(&list.objects)?;
            app.ui.text(&text);
        }
        Format::Csv => {
            let text = objects::csv(&objects::grid(&list.objects, &[], &[])?)?;
            app.ui.text(&text);
        }
        Format::Name => {
            for object in &list.objects {
                app.ui.line(&object.object.to_string());
            }
        }
        Format::Table | Format::Wide | Format::Xlsx => {
            if list.objects.is_empty() {
                app.ui.talk("Nothing found.");
            }
            app.ui.page();
            let text = objects::tables(&list.objects, args.output == Format::Wide, app.ui.look());
            app.ui.text(&text);
        }
    }
    Ok(Exit::Done)
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
            let others = app.ask(async |client| client.objects(Some(object.kind), &[]).await)?;
            let names = others.objects.iter().map(|other| other.object.name.as_str());
            let failure = Failure::failed("notFound", format!("there is no {} `{}`", object.kind, object.name));
            Err(match nearest(object.name.as_str(), names) {
                Some(near) => failure.help(format!("did you mean `{}/{near}`?", object.kind)),
                None if others.objects.is_empty() => failure.help(format!("there are no {} yet", object.kind.plural())),
                None => failure.help(format!("`pbxctl get {}` lists those there are", object.kind.plural())),
            })
        }
        other => other,
    }
}
