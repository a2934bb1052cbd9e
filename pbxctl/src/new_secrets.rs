//! New passwords and PINs, given by somebody or made; none is ever printed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};

use fs_err::os::unix::fs::OpenOptionsExt as _;
use pbx_api::{NewSecrets, PlanRequest};
use pbx_manifest::{ObjectRef, make_secret, secret_error_at};

use crate::app::App;
use crate::cli::Manner;
use crate::deploy;
use crate::failure::{Exit, Failure};
use crate::random;

/// What gets a new secret.
pub struct Asked {
    /// Whose it is.
    pub object: ObjectRef,
    /// Its field, as `password` or `voicemail.pin`.
    pub path: &'static str,
}

/// Where new secrets come from.
#[derive(Debug, clap::Args)]
pub struct Making {
    /// Make new ones, one for each
    #[arg(long, requires = "out")]
    pub generate: bool,
    /// Where made ones are written, as CSV; the file must not be there yet
    #[arg(long, value_name = "FILE", requires = "generate", value_hint = clap::ValueHint::FilePath)]
    out: Option<PathBuf>,
    #[command(flatten)]
    manner: Manner,
}

/// Gives each its own: one that somebody has in mind, or made ones that a file keeps.
pub fn give(asked: &[Asked], making: &Making, app: &mut App) -> Result<Exit, Failure> {
    let Making { generate, out, manner } = making;
    let plan = |values: &[String], app: &mut App| deploy::plan_by_hand(app, request(asked, values), &[]);
    if asked.len() == 1 && !generate {
        // Nobody is asked for what would be refused, whatever it is.
        plan(&made(asked)?, app)?;
    }
    manner.must_be_able_to_ask(app)?;
    let values = if *generate { made(asked)? } else { vec![given(asked, app)?] };
    let kept = out.as_ref().filter(|_| !manner.dry_run).map(|file| Kept::write(file, asked, &values)).transpose()?;
    let ended = plan(&values, app).and_then(|plan| deploy::carry_out(app, &plan, &manner.how("Apply")));
    if let Some(kept) = kept {
        kept.settle(&ended, app);
    }
    ended
}

/// What gives each its own.
fn request(asked: &[Asked], values: &[String]) -> PlanRequest {
    let new_secrets = asked.iter().zip(values).map(|(asked, value)| NewSecrets {
        object: asked.object.clone(),
        secrets: BTreeMap::from([(asked.path.to_owned(), value.clone())]),
    });
    PlanRequest { new_secrets: new_secrets.collect(), ..PlanRequest::default() }
}

/// A new one for each.
fn made(asked: &[Asked]) -> Result<Vec<String>, Failure> {
    asked.iter().map(|asked| make_secret(asked.path, random::fill)).collect()
}

/// The one that somebody has in mind.
fn given(asked: &[Asked], app: &mut App) -> Result<String, Failure> {
    let [Asked { object, path }] = asked else {
        return Err(Failure::usage(format!("{} objects cannot share one secret", asked.len()))
            .help("`--generate --out FILE` makes one for each"));
    };
    let value = if app.ui.can_ask() {
        app.ui.ask_hidden(&format!("New {} of {object}", path.rsplit('.').next().unwrap_or(path)))?
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
    fn write(file: &'a Path, asked: &[Asked], values: &[String]) -> Result<Self, Failure> {
        let unwritable = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                Failure::failed("output", format!("`{}` is there already", file.display()))
                    .help("name another file: passwords that may still be needed are not written over")
            }
            _ => Failure::failed("output", error.to_string()).help("nothing was changed"),
        };
        let path = asked.first().map_or("password", |asked| asked.path);
        // Rows of manifests, where all have one field; else a list.
        let alike = asked.iter().all(|asked| asked.path == path);
        let mut text = format!("kind,name,{}\n", if alike { path } else { "field,value" });
        for (Asked { object, path }, value) in asked.iter().zip(values) {
            let field = if alike { String::new() } else { format!("{path},") };
            let _ = writeln!(text, "{},{},{field}{value}", object.kind.title(), object.name);
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
