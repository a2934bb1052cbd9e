//! `extension passwd`: new passwords, which are never printed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};

use fs_err::os::unix::fs::OpenOptionsExt as _;
use pbx_api::{NewSecrets, ObjectView, PlanRequest};
use pbx_manifest::{make_secret, secret_error_at};

use super::{Choice, Which, carry_out, choose, plan, word};
use crate::app::App;
use crate::cli::Manner;
use crate::failure::{Exit, Failure};
use crate::random;
use crate::show::thousands;

/// Give extensions new passwords
///
/// The new password of one extension is asked for twice, and not shown; where there is no terminal, it is the first line of standard
/// input. With `--generate`, long ones are made, one for each extension, and written to a file that only you can read: no password
/// is ever printed. A telephone that still has the old one is refused from then on.
///
/// A password that a manifest reads from an environment variable or a file is changed there.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl extension passwd 1001                             Asks for it
  pbxctl extension passwd 1001 --yes < new-password
  pbxctl extension passwd 1001 --pin                       The PIN of the voicemail box
  pbxctl extension passwd 1000-1999 --generate --out new-passwords.csv")]
pub struct Passwd {
    #[command(flatten)]
    choice: Choice,
    /// The PIN of the voicemail box instead
    #[arg(long)]
    pin: bool,
    /// Make new ones, one for each extension
    #[arg(long, requires = "out")]
    generate: bool,
    /// Where made ones are written, as CSV; the file must not be there yet
    #[arg(long, value_name = "FILE", requires = "generate", value_hint = clap::ValueHint::FilePath)]
    out: Option<PathBuf>,
    #[command(flatten)]
    manner: Manner,
}

/// Runs it.
pub fn run(args: &Passwd, app: &mut App) -> Result<Exit, Failure> {
    let path = if args.pin { "voicemail.pin" } else { "password" };
    let which = which(args)?;
    let chosen = which.among(app)?;
    if args.pin {
        have_a_mailbox(&chosen)?;
    }
    if chosen.len() == 1 && !args.generate {
        // Nobody is asked for what would be refused, whatever it is.
        plan(request(&chosen, path, &made(&chosen, path)?), app)?;
    }
    args.manner.must_be_able_to_ask(app)?;
    let values = if args.generate { made(&chosen, path)? } else { vec![given(&chosen, path, app)?] };
    let kept = args
        .out
        .as_ref()
        .filter(|_| !args.manner.dry_run)
        .map(|file| Kept::write(file, path, &chosen, &values))
        .transpose()?;
    let ended = carry_out(request(&chosen, path, &values), &args.manner, "Apply", app);
    if let Some(kept) = kept {
        kept.settle(&ended, app);
    }
    ended
}

/// The extensions that are meant. Words that name none, and those behind a first one that is to be given a password, may be the
/// password itself: they are not shown.
fn which(args: &Passwd) -> Result<Which, Failure> {
    let Choice { which, selector } = &args.choice;
    let words = || which.iter().flat_map(|words| words.split(','));
    if words().all(|text| word(text).is_ok()) && (args.generate || words().count() < 2) {
        return choose(which, &selector.label);
    }
    let failure = if words().all(|text| word(text).is_ok()) {
        Failure::usage("several extensions cannot share one password")
            .help("`--generate --out FILE` makes one for each")
    } else {
        Failure::usage("a word that names no extensions was given; it is not shown, for it may be a password")
            .help("name extensions by numbers as `1001`, or ranges as `1000-1999`")
    };
    Err(failure.help(
        "a password is not given on the command line, where others can read it: it is asked for, or read from standard input",
    ))
}

/// What gives each its own.
fn request(chosen: &[ObjectView], path: &str, values: &[String]) -> PlanRequest {
    let new_secrets = chosen.iter().zip(values).map(|(view, value)| NewSecrets {
        object: view.object.clone(),
        secrets: BTreeMap::from([(path.to_owned(), value.clone())]),
    });
    PlanRequest { new_secrets: new_secrets.collect(), ..PlanRequest::default() }
}

/// A PIN that opens no box is a slip.
fn have_a_mailbox(chosen: &[ObjectView]) -> Result<(), Failure> {
    let none = |view: &&ObjectView| view.effective["voicemail"]["enabled"] != serde_json::json!(true);
    let without: Vec<&ObjectView> = chosen.iter().filter(none).collect();
    let Some(first) = without.first() else { return Ok(()) };
    let told = match without.len() - 1 {
        0 => format!("{} has no mailbox", first.object),
        more => format!("{} and {} more have no mailbox", first.object, thousands(more)),
    };
    Err(Failure::failed("mailbox", told)
        .help(format!("one is given by `pbxctl extension set {} voicemail.enabled=true`", first.object.name))
        .help("nothing was changed"))
}

/// A new one for each.
fn made(chosen: &[ObjectView], path: &str) -> Result<Vec<String>, Failure> {
    chosen.iter().map(|_| make_secret(path, random::fill)).collect()
}

/// The one that somebody has in mind.
fn given(chosen: &[ObjectView], path: &str, app: &mut App) -> Result<String, Failure> {
    let [view] = chosen else {
        return Err(Failure::usage(format!("{} extensions cannot share one password", chosen.len()))
            .help("`--generate --out FILE` makes one for each"));
    };
    let value = if app.ui.can_ask() {
        app.ui.ask_hidden(&format!("New {} of {}", path.rsplit('.').next().unwrap_or(path), view.object))?
    } else {
        let mut line = String::new();
        std::io::stdin()
            .lock()
            .read_line(&mut line)
            .map_err(|error| Failure::failed("input", format!("standard input cannot be read: {error}")))?;
        line.trim_end_matches(['\n', '\r']).to_owned()
    };
    match secret_error_at(path, &value) {
        None => Ok(value),
        Some(why) => {
            let mut lines = why.lines();
            let failure = Failure::failed("secret", lines.next().unwrap_or_default());
            Err(lines.fold(failure, Failure::help).help("nothing was changed"))
        }
    }
}

/// The file with what was made. It is there before Asterisk has the passwords, so that none is ever lost.
struct Kept<'a> {
    file: &'a Path,
}

impl<'a> Kept<'a> {
    fn write(file: &'a Path, path: &str, chosen: &[ObjectView], values: &[String]) -> Result<Self, Failure> {
        let unwritable = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                Failure::failed("output", format!("`{}` is there already", file.display()))
                    .help("name another file: passwords that may still be needed are not written over")
            }
            _ => Failure::failed("output", error.to_string()).help("nothing was changed"),
        };
        let mut text = format!("kind,name,{path}\n");
        for (view, value) in chosen.iter().zip(values) {
            let _ = writeln!(text, "Extension,{},{value}", view.object.name);
        }
        let mut options = fs_err::OpenOptions::new();
        let mut out = options.write(true).create_new(true).mode(0o600).open(file).map_err(unwritable)?;
        out.write_all(text.as_bytes()).and_then(|()| out.sync_all()).map_err(|error| {
            // What is half written is of no use.
            fs_err::remove_file(file).ok();
            unwritable(error)
        })?;
        Ok(Self { file })
    }

    /// Passwords that were refused are forgotten; those that may have been taken stay, whatever else went wrong.
    fn settle(&self, ended: &Result<Exit, Failure>, app: &mut App) {
        let file = self.file.display();
        match ended {
            Ok(_) => app
                .ui
                .talk(&format!("The new ones are in {file}, which only you can read; remove it when nobody needs it.")),
            Err(failure)
                if failure.code == "unreachable" || failure.code == "interrupted" || failure.code == "failed" =>
            {
                app.ui.talk(&format!(
                    "Whether they were taken is not known; they are in {file}, which only you can read."
                ));
            }
            Err(_) => {
                fs_err::remove_file(self.file).ok();
            }
        }
    }
}
