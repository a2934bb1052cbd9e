//! `doctor`: tests each link of the chain from here to a ringing telephone, and says what to do about each that is broken.
//!
//! It changes nothing, and looks at everything that it can see: what one user may not see is skipped and says so.

mod check;
mod daemon;
mod files;
mod interface;
mod loaded;
mod machine;
mod who;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use fs_err as fs;
use pbx_asterisk::config::FILES;
use pbx_asterisk::setup::{Own, Tree};
use pbx_manifest::Kind;
use serde_json::json;

use super::setup::daemon::Daemon;
use super::setup::site::{Site, Where};
use crate::app::App;
use crate::cli::{Format, formats};
use crate::failure::{Exit, Failure};
use crate::show;
use crate::table;
use crate::ui::Style;

use check::{Checks, NOT_FOR_THIS_USER, State};
use daemon::Pbxd;

/// Test each link of the chain, and say what to do about each that is broken
///
/// From pbxctl to pbxd, from pbxd to Asterisk, from the files to what Asterisk has loaded, and the machine below it all. Changes
/// nothing. What this user may not see is skipped: root sees everything.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sudo pbxctl doctor
  sudo pbxctl doctor -o json      For monitoring

Exit status: 0 all is well, or only warnings; 1 something is broken; 6 all that is broken is that pbxd or Asterisk does not answer")]
pub struct Doctor {
    #[command(flatten)]
    place: Where,
    /// The form of the result
    #[arg(short, long, value_parser = formats(&["table", "json"]), default_value = "table", value_name = "FORM")]
    output: Format,
}

/// Runs it.
pub fn run(args: &Doctor, app: &mut App) -> Result<Exit, Failure> {
    let mut checks = Checks::default();
    let read = Daemon::read(&args.place.pbxd_config);
    // pbxd listens where its configuration says, unless somebody means another one.
    if let (None, Ok(Some(own))) = (app.global.named_socket(), &read) {
        app.global.socket.clone_from(&own.socket);
    }
    let pbxd = daemon::look(app, &mut checks)?;
    let own = match read {
        Ok(None) if pbxd.health.is_none() => {
            checks
                .fail("pbxd-config", format!("there is no {}", args.place.pbxd_config.display()))
                .help("`sudo pbxctl setup` writes it; another one is named with `--pbxd-config FILE`");
            None
        }
        Ok(own) => own,
        Err(failure) => {
            if failure.exit == Exit::NotAllowed {
                checks.skip("pbxd-config", NOT_FOR_THIS_USER);
            } else {
                let check = checks.fail("pbxd-config", failure.message);
                failure.help.into_iter().for_each(|line| {
                    check.help(line);
                });
            }
            None
        }
    };
    // Whoever names a folder means it; then pbxd knows where it writes.
    let mut place = args.place.clone();
    let told = pbxd.health.as_ref().map(|health| PathBuf::from(&health.asterisk.config_dir));
    place.config_dir = place.config_dir.or(told).or_else(|| own.as_ref().map(|own| own.config_dir.clone()));
    // One that this user may not look into is no reason to look elsewhere.
    place.config_dir = place.config_dir.filter(|dir| {
        fs::metadata(dir).map_or_else(|error| error.kind() == ErrorKind::PermissionDenied, |about| about.is_dir())
    });
    match Site::open(&place) {
        Ok(site) => chain(app, args, &mut checks, &site, &pbxd, own.as_ref())?,
        Err(failure) if failure.exit == Exit::NotAllowed => {
            checks.skip("config-dir", NOT_FOR_THIS_USER);
        }
        Err(failure) => {
            let check = checks.fail("config-dir", failure.message);
            failure.help.into_iter().for_each(|line| {
                check.help(line);
            });
        }
    }
    if args.output == Format::Json {
        app.ui.json(&json!({ "healthy": !checks.failed(), "checks": checks.all }));
    } else {
        print(app, &checks);
    }
    Ok(match (checks.failed(), checks.only_silence()) {
        (false, _) => Exit::Done,
        (true, true) => Exit::Unreachable,
        (true, false) => Exit::Failed,
    })
}

/// The links behind pbxd.
fn chain(
    app: &mut App,
    args: &Doctor,
    checks: &mut Checks,
    site: &Site,
    pbxd: &Pbxd,
    own: Option<&Daemon>,
) -> Result<(), Failure> {
    if site.described.is_none() {
        checks
            .fail(
                "asterisk-conf",
                format!("there is no {}: where Asterisk's folders are is a guess", args.place.asterisk_conf.display()),
            )
            .help("the right one is named with `--asterisk-conf FILE`");
    }
    let mut read = |name: &str| match site.tree(name) {
        Ok(tree) => Ok(tree),
        Err(failure) => {
            let why = if failure.exit == Exit::NotAllowed { NOT_FOR_THIS_USER.to_owned() } else { failure.message };
            checks.skip(&format!("reads-{name}"), why);
            Err(())
        }
    };
    let main: Vec<(&str, Result<Option<Tree>, ()>)> = FILES.iter().map(|(name, _)| (*name, read(name))).collect();
    let other = |tree: Result<Option<Tree>, ()>| tree.ok().flatten();
    let (manager, modules, http) = (other(read("manager.conf")), other(read("modules.conf")), other(read("http.conf")));
    let (wizard, sorcery, extconfig) =
        (other(read("pjsip_wizard.conf")), other(read("sorcery.conf")), other(read("extconfig.conf")));
    let tree = |wanted: &str| {
        main.iter().find(|(name, _)| *name == wanted).and_then(|(_, tree)| tree.as_ref().ok().and_then(Option::as_ref))
    };

    let alive = interface::look(app, checks, site, &args.place, own, manager.as_ref(), modules.as_ref())?;
    if pbxd.health.as_ref().is_some_and(|health| health.asterisk.connected) {
        loaded::look(app, checks)?;
    }
    let asterisk = files::asterisk(site);
    files::revisions(checks, site, pbxd.health.as_ref(), pbxd.who.as_ref(), asterisk.as_ref());
    for (name, read) in &main {
        if let Ok(tree) = read {
            files::include(checks, name, tree.as_ref());
        }
    }
    let mine = Own {
        pjsip: tree("pjsip.conf"),
        extensions: tree("extensions.conf"),
        voicemail: tree("voicemail.conf"),
        queues: tree("queues.conf"),
        music: tree("musiconhold.conf"),
        parking: tree("res_parking.conf"),
        conferences: tree("confbridge.conf"),
        wizard: wizard.as_ref(),
        sorcery: sorcery.as_ref(),
        extconfig: extconfig.as_ref(),
    };
    files::own(checks, &mine);
    let log_dir = own.map_or(&site.dirs.log, |own| &own.log_dir);
    files::logs(checks, log_dir, pbxd.who.as_ref());
    files::browsers(checks, tree("pjsip.conf"), http.as_ref());
    files::mail(checks, tree("voicemail.conf"));
    if alive {
        machine::transports(checks, tree("pjsip.conf"));
    }
    machine::room(checks, "room-config", &site.dirs.etc);
    if let Some(path) = own.and_then(|own| own.store.strip_prefix("sqlite://")) {
        machine::room(checks, "room-store", Path::new(path));
    }
    machine::room(checks, "room-spool", &site.dirs.spool);
    let zones = zones(app, pbxd);
    machine::zones(checks, &zones, Path::new("/usr/share/zoneinfo"));
    Ok(())
}

/// The time zones that manifests name.
fn zones(app: &mut App, pbxd: &Pbxd) -> BTreeSet<String> {
    let mut zones = BTreeSet::new();
    if pbxd.health.is_none() {
        return zones;
    }
    for kind in [Kind::Settings, Kind::Schedule] {
        let zone = |view: pbx_api::ObjectView| zones.extend(view.effective["timeZone"].as_str().map(str::to_owned));
        // Whoever may not list objects learns nothing here, and everything else all the same.
        let _ = app.ask(async |client| client.each_object(Some(kind), &[], &["timeZone"], zone).await);
    }
    zones
}

/// Shows all of it as a table, and what is broken in full below.
fn print(app: &mut App, checks: &Checks) {
    let look = app.ui.look();
    let rows: Vec<Vec<String>> = checks
        .all
        .iter()
        .map(|check| vec![check.name.clone(), check.state.word().to_owned(), check.message.clone()])
        .collect();
    app.ui.text(&table::table(&["CHECK", "STATE", "WHAT"], rows, look));
    for check in &checks.all {
        let style = match check.state {
            State::Fail => Style::Bad,
            State::Warn => Style::Changed,
            State::Ok | State::Skip => continue,
        };
        app.ui.line("");
        app.ui.line(&format!("{}: {}: {}", look.paint(style, check.state.word()), check.name, check.message));
        for line in &check.help {
            app.ui.line(&format!("  {}: {line}", look.paint(Style::Hint, "help")));
        }
    }
    let count = |state: State| checks.all.iter().filter(|check| check.state == state).count();
    let (fails, warns, skips) = (count(State::Fail), count(State::Warn), count(State::Skip));
    let mut parts = Vec::new();
    if fails > 0 {
        parts.push(format!("{fails} broken"));
    }
    if warns > 0 {
        parts.push(show::plural(warns, "warning", "warnings"));
    }
    if skips > 0 {
        parts.push(format!("{skips} not seen"));
    }
    let parts = if parts.is_empty() { "all is well".to_owned() } else { parts.join(", ") };
    app.ui.line("");
    app.ui.line(&format!("{}: {parts}.", show::plural(checks.all.len(), "check", "checks")));
}
