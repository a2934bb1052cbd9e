//! `extension passwd`: new passwords, which are never printed.

use pbx_api::ObjectView;

use super::{Choice, Which, choose, word};
use crate::app::App;
use crate::failure::{Exit, Failure};
use crate::new_secrets::{self, Asked, Making};
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
    #[command(flatten)]
    making: Making,
}

/// Runs it.
pub fn run(args: &Passwd, app: &mut App) -> Result<Exit, Failure> {
    let path = if args.pin { "voicemail.pin" } else { "password" };
    let which = which(args)?;
    let chosen = which.among(app)?;
    if args.pin {
        have_a_mailbox(&chosen)?;
    }
    let chosen: Vec<Asked> = chosen.into_iter().map(|view| Asked { object: view.object, path }).collect();
    new_secrets::give(&chosen, &args.making, app)
}

/// The extensions that are meant. Words that name none, and those behind a first one that is to be given a password, may be the
/// password itself: they are not shown.
fn which(args: &Passwd) -> Result<Which, Failure> {
    let Choice { which, selector } = &args.choice;
    let words = || which.iter().flat_map(|words| words.split(','));
    if words().all(|text| word(text).is_ok()) && (args.making.generate || words().count() < 2) {
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
