//! `setup`: prepares an Asterisk that is there.
//!
//! Every change is shown before it is made, what was there is kept beside it, and Asterisk is asked afterwards. The order keeps an
//! interruption harmless: first what the includes mean, then who may come in, then the includes.

pub(super) mod console;
pub(super) mod daemon;
pub(super) mod prove;
pub(super) mod site;
mod wish;
mod write;

use std::path::PathBuf;

use fs_err as fs;
use jiff::Timestamp;
use pbx_asterisk::ami::AmiError;
use pbx_asterisk::ami::action::Reload;
use pbx_asterisk::config::FILES;
use pbx_asterisk::deploy::Revisions;
use rustix::fs::{FlockOperation, flock};
use serde_json::json;

use crate::app::App;
use crate::cli::{Consent, Format, formats};
use crate::failure::{Exit, Failure};
use crate::show;
use crate::ui::{Look, Style};

use console::{Console, Silence};
use prove::{Doubt, Proof};
use site::{Site, Where};
use wish::Wish;
use write::Written;

/// Prepare an Asterisk for pbxd
///
/// Lets each main configuration file include what pbxd writes, gives pbxd a user of Asterisk's manager interface, and writes pbxd's
/// own configuration. Shows every change, asks, keeps what was there, and has Asterisk prove that it worked; what it does not
/// take is put back. Run again, it finishes what an interrupted run began, and changes nothing where nothing is missing.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sudo pbxctl setup --dry-run      What would change
  sudo pbxctl setup                Show it, ask, do it, prove it
  sudo pbxctl setup --yes          In a script

Exit status: 0 done, nothing to do, or shown (--dry-run), 1 something is in the way, 3 run it as root,
4 Asterisk did not take it and everything was put back, 64 there is nobody to ask")]
pub struct Setup {
    #[command(flatten)]
    pub(super) place: Where,
    #[command(flatten)]
    consent: Consent,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Where pbxd keeps what it knows: sqlite:///PATH or postgres://USER@HOST/DATABASE [default: sqlite:///var/lib/pbxd/pbxd.db]
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// The key that pbxd encrypts secrets with; pbxd makes it
    #[arg(long, default_value = "/var/lib/pbxd/key", value_name = "FILE")]
    key_file: PathBuf,
    /// The user that pbxd runs as [default: pbxd]
    #[arg(long, value_name = "NAME")]
    pbxd_user: Option<String>,
    /// The form of the result
    #[arg(short, long, value_parser = formats(&["table", "json"]), default_value = "table", value_name = "FORM")]
    output: Format,
}

/// What came of it.
#[derive(Default)]
struct Outcome {
    written: Vec<Written>,
    proof: Option<Proof>,
    notes: Vec<String>,
}

/// Runs it.
pub fn run(args: &Setup, app: &mut App) -> Result<Exit, Failure> {
    if !args.consent.yes && !args.dry_run && !app.ui.can_ask() {
        return Err(Failure::usage("there is no terminal to ask on, and `--yes` was not given")
            .help("`pbxctl setup --dry-run` shows what would change; then add `--yes`"));
    }
    if let Some(why) = args.store.as_deref().and_then(daemon::store_error) {
        return Err(Failure::usage(format!("`--store`: {why}; nothing was changed"))
            .help("as in `sqlite:///var/lib/pbxd/pbxd.db` or `postgres://pbxd@localhost/pbxd`"));
    }
    let site = Site::open(&args.place)?;
    let console = Console::new(&args.place, &site.dirs);
    console.refuse_wrong()?;
    if let Ok(settings) = console.ask("core show settings")
        && let Some(other) = site.elsewhere(&settings)
    {
        let doubt = Doubt::Elsewhere { other, described: site.described.clone().unwrap_or_default() };
        return Err(Failure::failed("otherAsterisk", format!("{doubt}; nothing was changed")).help(doubt.cure()));
    }
    let _alone = alone(&site)?;
    let socket = app.global.socket();
    let wish = wish::wish(args, &socket, &site)?;
    if args.output != Format::Json {
        tell(app, &wish);
    }
    let blocks = wish.findings.iter().filter(|found| found.blocks).count();
    if blocks > 0 {
        let what = show::plural(blocks, "thing is in the way", "things are in the way");
        let mut failure = Failure::failed("inTheWay", format!("{what}; nothing was changed"));
        for found in wish.findings.iter().filter(|found| found.blocks) {
            failure = failure.help(format!("{}: {}", place(found), found.help));
            if args.output == Format::Json {
                failure.message = format!("{}; {}: {}", failure.message, place(found), found.message);
            }
        }
        return Err(failure);
    }
    if wish.is_empty() {
        let outcome = nothing(app, args, &site, &wish, &console)?;
        if args.output == Format::Json {
            app.ui.json(&document(&site, &wish, &outcome));
        } else {
            app.ui.line("Nothing to do.");
            end(app, args, &outcome);
        }
        return Ok(Exit::Done);
    }
    let seen = args.output != Format::Json && (app.ui.result_is_seen() || args.consent.yes || args.dry_run);
    if seen {
        let text = shown(&site, &wish, app.ui.look());
        app.ui.text(&text);
    } else if !args.consent.yes && !args.dry_run {
        let text = shown(&site, &wish, app.ui.style_of_errors());
        app.ui.talk(text.trim_end());
    }
    if args.dry_run {
        if args.output == Format::Json {
            app.ui.json(&document(&site, &wish, &Outcome::default()));
        }
        return Ok(Exit::Done);
    }
    if !args.consent.yes && !app.ui.ask("Make these changes?")? {
        return Err(Failure::failed("cancelled", "cancelled; nothing was changed")
            .help("run the command again when it should be"));
    }
    let outcome = carry_out(app, &site, &wish, &console)?;
    if args.output == Format::Json {
        app.ui.json(&document(&site, &wish, &outcome));
    } else {
        end(app, args, &outcome);
    }
    Ok(Exit::Done)
}

/// Two at once would each keep the other's half as what was there before.
fn alone(site: &Site) -> Result<fs::File, Failure> {
    let folder = fs::File::open(&site.dirs.etc).map_err(|error| site::unreadable(&error))?;
    flock(&folder, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
        Failure::new(Exit::Conflict, "busy", format!("another setup of {} is running", site.dirs.etc.display()))
            .help("wait until it has ended, and run the command again")
    })?;
    Ok(folder)
}

fn place(found: &pbx_asterisk::setup::Finding) -> String {
    found.line.map_or_else(|| found.file.clone(), |line| format!("{}:{line}", found.file))
}

/// Says what is in the way.
fn tell(app: &mut App, wish: &Wish) {
    for found in &wish.findings {
        let (style, word) = if found.blocks { (Style::Bad, "in the way") } else { (Style::Changed, "note") };
        let (mark, hint) = (app.ui.mark_err(style, word), app.ui.mark_err(Style::Hint, "help"));
        app.ui.talk(&format!("{mark}: {}: {}\n  {hint}: {}", place(found), found.message, found.help));
    }
    if !wish.findings.is_empty() {
        app.ui.talk("");
    }
}

/// All changes, as they are shown.
fn shown(site: &Site, wish: &Wish, look: Look) -> String {
    let (new, changed) = (look.paint(Style::New, "+"), look.paint(Style::Changed, "~"));
    let root = Revisions::new(&site.dirs.etc).root().display().to_string();
    let mut parts = Vec::new();
    if wish.empty_revision {
        parts.push(format!(
            "{new} {root}/revisions/000000/  {} files that say nothing yet\n{new} {root}/current -> revisions/000000",
            FILES.len()
        ));
    }
    if let Some(uid) = wish.hand_over {
        parts.push(format!("{changed} {root}/  belongs to {}", site::name_of("/etc/passwd", uid)));
    }
    for (folder, owner) in &wish.folders {
        parts.push(format!("{new} {}/  mode {:o}", folder.display(), owner.mode));
    }
    parts.extend(wish.changes.iter().map(|change| show::file(&change.shown(), look)));
    parts.join("\n\n") + "\n\n"
}

/// Where nothing is missing in the files, Asterisk may still not have read them: the earlier run was interrupted there.
fn nothing(app: &mut App, args: &Setup, site: &Site, wish: &Wish, console: &Console) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::default();
    if args.dry_run {
        return Ok(outcome);
    }
    match app.wait(prove::prove(&wish.options, site))? {
        Ok(proof) => outcome.proof = Some(proof),
        Err(Doubt::Ami(
            AmiError::AuthFailed { .. } | AmiError::Unreachable { .. } | AmiError::PermissionDenied { .. },
        )) => match console.ask("manager reload") {
            Ok(_) => match app.wait(prove::prove(&wish.options, site))? {
                Ok(proof) => {
                    outcome.notes.push("Asterisk had not read its manager.conf yet, and has now.".into());
                    outcome.proof = Some(proof);
                }
                Err(doubt) => return Err(doubted(&doubt, site)),
            },
            Err(silence) => outcome.notes.push(by_hand(&silence, console)),
        },
        Err(doubt) => return Err(doubted(&doubt, site)),
    }
    Ok(outcome)
}

/// The files are as they should be, and still it does not work.
fn doubted(doubt: &Doubt, site: &Site) -> Failure {
    let failure = Failure::failed("notProven", format!("the files are prepared, but {doubt}"));
    match doubt {
        Doubt::Ami(_) => failure.help("`pbxctl doctor` looks for the reason"),
        Doubt::Elsewhere { .. } => failure.help(doubt.cure()),
        Doubt::File { name, .. } => failure.help(format!("Asterisk's log says which line of {name}: {}", log(site))),
    }
}

/// How to read Asterisk's log.
pub(super) fn log(site: &Site) -> String {
    format!("`sudo tail {}`", site.dirs.log.join("messages.log").display())
}

/// What is left to do by hand where Asterisk cannot be asked.
fn by_hand(silence: &Silence, console: &Console) -> String {
    match silence {
        Silence::NotRunnable(why) => format!(
            "Asterisk was not asked ({why}): run `{}`, then `pbxctl doctor`.",
            console.by_hand("manager reload")
        ),
        Silence::NoAsterisk(why) => {
            format!("Asterisk does not run ({why}): start it, `sudo systemctl start asterisk`, then `pbxctl doctor`.")
        }
    }
}

/// Makes the changes and has Asterisk prove them; otherwise puts everything back.
fn carry_out(app: &mut App, site: &Site, wish: &Wish, console: &Console) -> Result<Outcome, Failure> {
    let stamp = now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let mut outcome = Outcome::default();
    let mut made = None;
    match write_all(site, wish, &stamp, &mut outcome.written, &mut made) {
        Ok(()) => {}
        Err(failure) => return Err(put_back(&outcome.written, made, console, failure, false)),
    }
    let reloaded = if wish.reload_manager { reload(app, wish, console) } else { Ok(()) };
    if let Err(silence) = reloaded {
        outcome.notes.push(by_hand(&silence, console));
        return Ok(outcome);
    }
    let mut proof = app.wait(prove::prove(&wish.options, site))?;
    if let Err(Doubt::Ami(AmiError::AuthFailed { .. } | AmiError::Unreachable { .. })) = &proof
        && !wish.reload_manager
    {
        // An earlier run wrote manager.conf and went no further.
        if let Err(silence) = reload(app, wish, console) {
            outcome.notes.push(by_hand(&silence, console));
            return Ok(outcome);
        }
        proof = app.wait(prove::prove(&wish.options, site))?;
    }
    match proof {
        Ok(proof) => outcome.proof = Some(proof),
        Err(doubt) => {
            let mut failure = Failure::new(Exit::RolledBack, "rolledBack", format!("{doubt}; everything was put back"));
            if matches!(doubt, Doubt::Ami(AmiError::AuthFailed { .. })) {
                failure = failure.help("`deny`, `permit` and `acl` of that user must let this machine in");
            }
            failure = match doubt {
                Doubt::Elsewhere { .. } => failure.help(doubt.cure()),
                _ => failure.help(format!("Asterisk's log says more: {}", log(site))),
            };
            // Another Asterisk than that of these files has nothing to read again.
            let reload = !matches!(doubt, Doubt::Elsewhere { .. });
            return Err(put_back(&outcome.written, made, console, failure, reload));
        }
    }
    Ok(outcome)
}

/// Has Asterisk read `manager.conf`: by its console, or by a manager user that may already come in.
fn reload(app: &mut App, wish: &Wish, console: &Console) -> Result<(), Silence> {
    let Err(silence) = console.ask("manager reload") else { return Ok(()) };
    let asked = app.wait(async {
        let (client, _) = pbx_asterisk::ami::Client::connect(&wish.options).await?;
        client.call(&Reload::new("manager")).await
    });
    match asked {
        Ok(Ok(_)) => Ok(()),
        _ => Err(silence),
    }
}

fn write_all(
    site: &Site,
    wish: &Wish,
    stamp: &str,
    written: &mut Vec<Written>,
    made: &mut Option<PathBuf>,
) -> Result<(), Failure> {
    let files = |error: &std::io::Error| {
        if error.kind() == std::io::ErrorKind::PermissionDenied {
            Failure::new(Exit::NotAllowed, "notAllowed", error.to_string()).help("run it as root: `sudo pbxctl setup`")
        } else {
            Failure::failed("files", error.to_string())
                .help("nothing was changed; mend this, and run the command again")
        }
    };
    for change in &wish.changes {
        let is = match fs::read(&change.path) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(files(&error)),
        };
        if is != change.before {
            let what = format!("{} was changed by somebody while the changes were shown", change.name);
            return Err(
                Failure::new(Exit::Conflict, "conflict", what).help("run the command again to see the new state")
            );
        }
    }
    let revisions = Revisions::new(&site.dirs.etc);
    if wish.empty_revision {
        if !revisions.root().exists() {
            *made = Some(revisions.root().to_owned());
        }
        revisions.activate_empty(now().into()).map_err(|error| {
            let failure = files(&error.source);
            Failure { message: error.to_string(), ..failure }
        })?;
    }
    if let Some(uid) = wish.hand_over {
        hand_over(revisions.root(), uid).map_err(|error| files(&error))?;
    }
    for (folder, owner) in &wish.folders {
        let make = || -> std::io::Result<()> {
            fs::create_dir_all(folder)?;
            std::os::unix::fs::chown(folder, owner.uid, owner.gid)?;
            fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(owner.mode))
        };
        make().map_err(|error| files(&error))?;
    }
    for change in &wish.changes {
        written.push(write::write(&change.path, &change.after, change.owner, stamp).map_err(|error| files(&error))?);
    }
    Ok(())
}

/// Gives the folder of revisions and everything in it to a user.
fn hand_over(path: &std::path::Path, uid: u32) -> std::io::Result<()> {
    std::os::unix::fs::lchown(path, Some(uid), None)?;
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            hand_over(&entry?.path(), uid)?;
        }
    }
    Ok(())
}

/// Goes back to what was there, last first.
fn put_back(written: &[Written], made: Option<PathBuf>, console: &Console, failure: Failure, reload: bool) -> Failure {
    let mut lost = Vec::new();
    for one in written.iter().rev() {
        if let Err(error) = write::restore(one) {
            lost.push(match &one.backup {
                Some(backup) => {
                    format!("{error}: put it back by hand: `sudo mv {} {}`", backup.display(), one.path.display())
                }
                None => format!("{error}: remove it by hand: `sudo rm {}`", one.path.display()),
            });
        }
    }
    if let Some(root) = made.filter(|_| lost.is_empty())
        && let Err(error) = fs::remove_dir_all(root)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        lost.push(error.to_string());
    }
    if reload && lost.is_empty() && console.ask("manager reload").is_err() {
        lost.push(format!("Asterisk must read its manager.conf again: `{}`", console.by_hand("manager reload")));
    }
    let whole = lost.is_empty();
    let mut failure = lost.into_iter().fold(failure, Failure::help);
    if !whole {
        failure.exit = Exit::RolledBack;
        failure.message = failure.message.replace("; everything was put back", "; not everything could be put back");
    }
    failure
}

/// Says what was done and what is left.
fn end(app: &mut App, args: &Setup, outcome: &Outcome) {
    for one in &outcome.written {
        if let Some(backup) = &one.backup {
            app.ui.line(&format!("{} is kept as {}", one.path.display(), backup.display()));
        }
    }
    if let Some(proof) = &outcome.proof {
        if !outcome.written.is_empty() {
            app.ui.line(&format!(
                "Asterisk {} let pbxd in at {} and reads all {} files.",
                proof.version,
                proof.address,
                FILES.len()
            ));
        }
        for module in &proof.not_loaded {
            app.ui.line(&format!(
                "{module} is not loaded: `sudo asterisk -rx 'module load {module}'`, or restart Asterisk once no call is up."
            ));
        }
    }
    for note in &outcome.notes {
        app.ui.line(note);
    }
    if !outcome.written.is_empty() {
        app.ui.line(&args.place.next());
    }
}

fn document(site: &Site, wish: &Wish, outcome: &Outcome) -> serde_json::Value {
    let changes: Vec<_> = wish.changes.iter().map(wish::Change::shown).collect();
    let findings: Vec<_> = wish
        .findings
        .iter()
        .map(|found| json!({ "file": found.file, "line": found.line, "message": found.message, "help": found.help }))
        .collect();
    let backups: Vec<_> = outcome.written.iter().filter_map(|one| one.backup.as_ref()).collect();
    json!({
        "configDir": site.dirs.etc,
        "changes": changes,
        "emptyRevision": wish.empty_revision,
        "findings": findings,
        "written": !outcome.written.is_empty(),
        "backups": backups,
        "proof": outcome.proof,
        "notes": outcome.notes,
    })
}

#[expect(clippy::disallowed_methods, reason = "the clock of this command, read for the names of what is kept")]
fn now() -> Timestamp {
    Timestamp::now()
}
