//! `graph`: pictures of where calls go.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap_complete::engine::ArgValueCompleter;
use pbx_manifest::{Destination, nearest};
use pbx_routing::draw::{Line, Look as Sort, Picture};
use pbx_routing::{Dialled, NodeId};

use crate::app::App;
use crate::cli::{MaybeFiles, Rows};
use crate::complete;
use crate::failure::{Exit, Failure};
use crate::system::System;
use crate::ui::{Look, Style};

/// Draw where calls go
///
/// From a DID, a menu or any other place on; without one, from every DID. Without `-f` it is the live system.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl graph
  pbxctl graph did/+351210001000 -f office/
  pbxctl graph ivr/main queue/support
  pbxctl graph --all -o svg > calls.svg
  pbxctl graph -f office/ -o mermaid >> README.md")]
pub struct Graph {
    /// Where it begins: `did/+351210001000`, `ivr/main`, `queue/support`, …
    #[arg(value_name = "WHERE", add = ArgValueCompleter::new(complete::nouns))]
    places: Vec<String>,
    /// From everywhere that can be called: DIDs, extensions, numbers of groups, queues, menus and trees
    #[arg(long, conflicts_with = "places")]
    all: bool,
    #[command(flatten)]
    files: MaybeFiles,
    #[command(flatten)]
    rows: Rows,
    /// The form of the result
    #[arg(short, long, default_value = "terminal", value_name = "FORM")]
    output: Form,
}

/// The form of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// A tree of lines
    Terminal,
    /// A flowchart, as GitHub and GitLab draw it
    Mermaid,
    /// For Graphviz
    Dot,
    /// For a browser
    Svg,
    /// For scripts
    Json,
}

/// Runs it.
pub fn run(args: &Graph, app: &mut App) -> Result<Exit, Failure> {
    // Behind `-f` there may be several files: a place is taken for what it is.
    let is_place = |word: &&PathBuf| {
        let said = word.to_str().filter(|word| word.parse::<pbx_manifest::ObjectRef>().is_ok());
        said.is_some() && !word.exists()
    };
    let (behind, files): (Vec<&PathBuf>, Vec<&PathBuf>) = args.files.file.iter().partition(is_place);
    let files: Vec<PathBuf> = files.into_iter().cloned().collect();
    let behind = behind.into_iter().map(|place| place.display().to_string());
    let places: Vec<String> = args.places.iter().cloned().chain(behind).collect();
    let system = System::read(app, &files, args.rows)?;
    let roots = roots(args.all, &places, &system)?;
    if roots.is_empty() {
        return Err(Failure::failed("empty", "there is no DID from which calls could come in")
            .help("`--all` begins wherever telephones can call, too"));
    }
    let picture = Picture::new(&system.catalog, &system.graph, &roots);
    app.ui.page();
    match args.output {
        Form::Terminal => {
            let look = app.ui.look();
            let text: String = picture.tree(speaks_utf8()).iter().map(|line| shown(line, look)).collect();
            app.ui.text(&text);
        }
        Form::Mermaid => app.ui.text(&picture.mermaid()),
        Form::Dot => app.ui.text(&picture.dot()),
        Form::Svg => app.ui.text(&picture.svg()),
        Form::Json => app.ui.json(&picture),
    }
    Ok(Exit::Done)
}

/// Where the picture begins.
fn roots(all: bool, places: &[String], system: &System) -> Result<Vec<NodeId>, Failure> {
    let nodes = &system.graph.nodes;
    if !places.is_empty() {
        return places.iter().map(|place| find(place, system)).collect();
    }
    let is_did = |id: &&NodeId| matches!(id, NodeId::Did(_));
    let numbered: BTreeSet<&NodeId> = system
        .graph
        .numbers
        .values()
        .filter_map(|dialled| match dialled {
            Dialled::Node(id) => Some(id),
            _ => None,
        })
        .collect();
    let is_called = |id: &&NodeId| matches!(id, NodeId::To(Destination::Extension(_))) || numbered.contains(*id);
    let dids = nodes.keys().filter(is_did);
    if !all {
        return Ok(dids.cloned().collect());
    }
    // What DIDs lead to is drawn there.
    let others = nodes.keys().filter(|id| !is_did(id)).filter(is_called);
    Ok(dids.chain(others).cloned().collect())
}

fn find(place: &str, system: &System) -> Result<NodeId, Failure> {
    let nodes = &system.graph.nodes;
    let did = place.strip_prefix("did/").unwrap_or(place).parse().ok().map(NodeId::Did);
    let destination = place.parse().ok().map(NodeId::To);
    if let Some(id) = did.into_iter().chain(destination).find(|id| nodes.contains_key(id)) {
        return Ok(id);
    }
    let names: Vec<String> = nodes.keys().map(ToString::to_string).collect();
    if let Some(at) = names.iter().position(|name| name == place) {
        return nodes.keys().nth(at).cloned().ok_or_else(|| Failure::usage("no such step"));
    }
    let failure = Failure::failed("notFound", format!("no call comes to `{place}`"));
    Err(match nearest(place, names.iter().map(String::as_str)) {
        Some(near) => failure.help(format!("did you mean `{near}`?")),
        None => failure.help("a place as `did/+351210001000`, `ivr/main`, `queue/support`, `extension/1001`"),
    })
}

/// Whether the terminal shows more than ASCII, as the locale says.
fn speaks_utf8() -> bool {
    let named = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    named.is_some_and(|locale| {
        let locale = locale.to_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

fn shown(line: &Line, look: Look) -> String {
    let style = match line.look {
        Sort::Entry => Style::Heading,
        Sort::Asks => Style::Changed,
        Sort::Rings => Style::New,
        Sort::Passes => Style::Hint,
        Sort::End => Style::Gone,
    };
    if line.label.is_empty() {
        return "\n".to_owned();
    }
    let note = if line.note.is_empty() { String::new() } else { look.paint(Style::Faint, &format!("  {}", line.note)) };
    format!("{}{}{}{note}\n", look.paint(Style::Faint, &line.branch), line.reason, look.paint(style, &line.label))
}
