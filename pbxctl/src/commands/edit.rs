//! `edit`: an object in the editor that one likes.
//!
//! Only the fields that were changed are sent, owned by hand from then on. A text with mistakes comes back with them above the
//! lines, and whatever goes wrong, what was typed is kept.

use std::fmt::Write as _;

use std::path::{Path, PathBuf};
use std::process::Command;

use clap_complete::engine::ArgValueCompleter;
use pbx_api::{ObjectView, PlanRequest};
use pbx_manifest::{Diagnostic, Document, Patch, Secret, Source, fields};

use crate::app::App;
use crate::cli::Manner;
use crate::deploy;
use crate::failure::{Exit, Failure};
use crate::ui::Look;
use crate::{audio, complete, nouns, objects, snippet};

/// What starts a line that was put there for the reader.
const NOTE: &str = "#!";

/// Change an object in an editor
///
/// Opens the object's manifest in $VISUAL or $EDITOR, shows what would change, asks, and applies it. Leaving it as it is changes
/// nothing. Fields changed here belong to the set `manual` until a manifest takes them over.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl edit extension/1001
  EDITOR=nano pbxctl edit did +351210001000")]
pub struct Edit {
    /// An object as `extension/1001`, or a kind and a name
    #[arg(value_name = "OBJECT", required = true, num_args = 1..=2, add = ArgValueCompleter::new(complete::nouns))]
    what: Vec<String>,
    #[command(flatten)]
    manner: Manner,
}

/// Runs it.
pub fn run(args: &Edit, app: &mut App) -> Result<Exit, Failure> {
    let named = nouns::objects(&args.what)?;
    let [object] = named.as_slice() else {
        return Err(Failure::usage("one object at a time").help("as in `pbxctl edit extension/1001`"));
    };
    let view = super::get::one(app, object)?;
    args.manner.must_be_able_to_ask(app)?;
    let folder = tempfile::Builder::new().prefix("pbxctl-").tempdir().map_err(|error| {
        Failure::failed("output", format!("no temporary folder can be made: {error}"))
            .help("`df -h /tmp` shows whether there is room")
    })?;
    let path = folder.path().join(format!("{}-{}.yaml", object.kind, object.name.digits()));
    let original = objects::manifest(&view)?;
    let mut text = original.clone();
    let mut refused = None;
    loop {
        write(&path, &text)?;
        editor(&path)?;
        let edited = fs_err::read_to_string(&path).map_err(|error| Failure::failed("input", error.to_string()))?;
        let cleaned: String = edited.split_inclusive('\n').filter(|line| !line.starts_with(NOTE)).collect();
        if cleaned.trim() == original.trim() || cleaned.trim().is_empty() {
            app.ui.line("Nothing was changed.");
            return Ok(Exit::Done);
        }
        // The same text, saved again with the same mistakes below whatever was said of them: there is no way on from here.
        let given_up = refused.as_deref() == Some(cleaned.trim_end());
        let failure = match attempt(app, args, &view, &cleaned) {
            Ok(exit) => return Ok(exit),
            Err(failure) => failure,
        };
        if given_up || failure.exit != Exit::Failed || failure.code == "cancelled" || !app.ui.can_ask() {
            let kept = keep(&path, &cleaned);
            return Err(match kept {
                Some(kept) => failure.help(format!("your text is kept in {}", kept.display())),
                None => failure,
            });
        }
        text = format!("{}{cleaned}", comments(app, &failure));
        refused = Some(cleaned.trim_end().to_owned());
    }
}

/// Reads the edited text, and carries out what it changes.
fn attempt(app: &mut App, args: &Edit, view: &ObjectView, text: &str) -> Result<Exit, Failure> {
    app.sources = vec![Source::new("the edited text", text)];
    let mut parsed = pbx_manifest::parse(&app.sources);
    let errors: Vec<Diagnostic> =
        std::mem::take(&mut parsed.diagnostics).into_iter().filter(Diagnostic::is_error).collect();
    if !errors.is_empty() {
        return Err(Failure::failed("invalid", "the edited text has mistakes").with(errors));
    }
    let [document] = parsed.documents.as_slice() else {
        return Err(Failure::failed("invalid", "the edited text must be one manifest"));
    };
    if document.object != view.object {
        return Err(Failure::failed("invalid", format!("this was {}, and is now {}", view.object, document.object))
            .help("an object's kind and name stay; declare a new object with `pbxctl apply`"));
    }
    // A path starts from where the command runs: the text has no folder of its own.
    audio::bring(app, &mut parsed.documents)?;
    let patch = patch(view, &parsed.documents[0])?;
    if patch.set.is_empty() && patch.unset.is_empty() {
        app.ui.line("Nothing was changed.");
        return Ok(Exit::Done);
    }
    let request = PlanRequest {
        patches: vec![patch],
        // By hand means now: whoever edits has seen the value that is there.
        force_conflicts: true,
        ..PlanRequest::default()
    };
    let plan = deploy::plan_by_hand(app, request, &parsed.documents)?;
    deploy::carry_out(app, &plan, &args.manner.how("Apply"))
}

/// The fields that differ from what was there.
fn patch(view: &ObjectView, document: &Document) -> Result<Patch, Failure> {
    for (path, secret) in document.spec.secrets() {
        if matches!(secret, Secret::Literal(_) | Secret::Env(_) | Secret::File(_)) {
            let before = objects::at(&view.spec, &path);
            if before != objects::at(&document.fields, &path) || matches!(secret, Secret::Literal(_)) {
                return Err(Failure::failed("secret", format!("`{path}`: a secret's value is not set by `edit`"))
                    .help(
                        "`{ generate: true }` makes a new one here; a value of your own comes with `pbxctl apply -f`",
                    ));
            }
        }
    }
    let before = fields(&view.meta, &view.spec);
    let after = fields(&document.meta, &document.fields);
    Ok(Patch {
        object: view.object.clone(),
        set: after
            .iter()
            .filter(|(path, value)| before.get(*path) != Some(value))
            .map(|(path, value)| (path.clone(), value.clone()))
            .collect(),
        unset: before.keys().filter(|path| !after.contains_key(*path)).cloned().collect(),
    })
}

/// A failure as comments on top of the text.
fn comments(app: &App, failure: &Failure) -> String {
    let plain = Look { color: false, width: None };
    let found = snippet::all(&app.sources, &failure.diagnostics, plain);
    let lines = found.lines().map(str::to_owned).chain([format!("error: {}", failure.message)]);
    let lines = lines.chain(failure.help.iter().map(|help| format!("help: {help}")));
    let mut text = String::new();
    for line in lines {
        let _ = writeln!(text, "{NOTE} {line}");
    }
    let _ = writeln!(text, "{NOTE} Mend it and save, or save it as it is to give up. These lines go by themselves.");
    text
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs_err::write(path, text).map_err(|error| Failure::failed("output", error.to_string()))
}

/// Runs the user's editor on a file.
fn editor(path: &Path) -> Result<(), Failure> {
    let wanted = ["VISUAL", "EDITOR"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|text| !text.trim().is_empty());
    let wanted = wanted.unwrap_or_else(|| "vi".into());
    // An editor with options, as `code --wait`, is a command line: the shell reads it, and the file stays one word.
    let status = Command::new("/bin/sh").arg("-c").arg(format!("{wanted} \"$1\"")).arg("sh").arg(path).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::failed("editor", format!("the editor `{wanted}` ended with {status}"))
            .help("nothing was changed; name another one in EDITOR")),
        Err(error) => Err(Failure::failed("editor", format!("the editor `{wanted}` does not start: {error}"))
            .help("name another one in EDITOR")),
    }
}

/// Keeps what was typed where it survives the command.
fn keep(path: &Path, text: &str) -> Option<PathBuf> {
    let name = path.file_name()?.to_string_lossy().into_owned();
    let kept = tempfile::Builder::new().prefix("pbxctl-kept-").suffix(&format!("-{name}")).tempfile().ok()?;
    fs_err::write(kept.path(), text).ok()?;
    kept.keep().ok().map(|(_, path)| path)
}
