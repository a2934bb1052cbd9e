//! `pin`: new PINs of boxes and conferences, which are never printed.

use clap_complete::engine::ArgValueCompleter;
use pbx_manifest::{Kind, ObjectRef};
use serde_json::Value as Json;

use crate::app::App;
use crate::failure::{Exit, Failure};
use crate::new_secrets::{self, Asked, Making};
use crate::{complete, nouns};

/// Give mailboxes and conferences new PINs
///
/// The new PIN of one is asked for twice, and not shown; where there is no terminal, it is the first line of standard input. With
/// `--generate` they are made, one for each, and written to a file that only you can read: no PIN is ever printed.
///
/// A PIN that a manifest reads from an environment variable or a file is changed there.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pbxctl pin mailbox/general                               Asks for it
  pbxctl pin conference/8000 --admin --yes < new-pin       The PIN of those who lead it
  pbxctl pin extension/1001                                The PIN of the voicemail box
  pbxctl pin mailbox/general conference/8000 --generate --out pins.csv")]
pub struct Pin {
    /// Mailboxes, conferences, and extensions for their voicemail, as `mailbox/general`
    #[arg(value_name = "WHOSE", required = true, add = ArgValueCompleter::new(complete::nouns))]
    whose: Vec<String>,
    /// The PIN of those who lead a conference instead
    #[arg(long)]
    admin: bool,
    #[command(flatten)]
    making: Making,
}

/// Runs it.
pub fn run(args: &Pin, app: &mut App) -> Result<Exit, Failure> {
    let mut asked = Vec::new();
    for object in nouns::objects(&args.whose)? {
        let path = path(&object, args.admin)?;
        let view = app.ask(async |client| client.object(&object).await)?;
        has_one(&object, path, &view.effective)?;
        asked.push(Asked { object, path });
    }
    if asked.len() > 1 && !args.making.generate {
        return Err(Failure::usage("several cannot share one PIN").help("`--generate --out FILE` makes one for each"));
    }
    new_secrets::give(&asked, &args.making, app)
}

/// The field of an object's PIN.
fn path(object: &ObjectRef, admin: bool) -> Result<&'static str, Failure> {
    match (object.kind, admin) {
        (Kind::Conference, true) => Ok("adminPin"),
        (Kind::Mailbox | Kind::Conference, false) => Ok("pin"),
        (Kind::Extension, false) => Ok("voicemail.pin"),
        (Kind::Mailbox | Kind::Extension, true) => {
            Err(Failure::usage(format!("{object} has no PIN for those who lead it"))
                .help("conferences have: leave out `--admin`"))
        }
        _ => Err(Failure::usage(format!("{object} has no PIN"))
            .help("mailboxes and conferences have, and extensions for their voicemail")),
    }
}

/// A PIN that nothing asks for is a slip.
fn has_one(object: &ObjectRef, path: &str, effective: &Json) -> Result<(), Failure> {
    let failure = match path {
        "voicemail.pin" if effective["voicemail"]["enabled"] != Json::Bool(true) => {
            Failure::failed("mailbox", format!("{object} has no mailbox"))
                .help(format!("one is given by `pbxctl extension set {} voicemail.enabled=true`", object.name))
        }
        "pin" | "adminPin" if object.kind == Kind::Conference && effective[path].is_null() => {
            Failure::failed("pin", format!("{object} asks for no `{path}`"))
                .help(format!("its manifest says that it does: `{path}: {{ generate: true }}`"))
        }
        _ => return Ok(()),
    };
    Err(failure.help("nothing was changed"))
}
