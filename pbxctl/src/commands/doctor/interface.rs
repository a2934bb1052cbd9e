//! Asterisk itself, asked as pbxd asks it; by its console where that is not possible.

use std::path::Path;

use pbx_asterisk::ami::action::{Command, CoreSettings, ModuleCheck, VoicemailUsersList};
use pbx_asterisk::ami::{AmiError, Client};
use pbx_asterisk::config::FILES;
use pbx_asterisk::modules::{self, Module, NEEDED};
use pbx_asterisk::setup::{Manager, Tree, WRITE, missing_classes, target};

use super::check::{Checks, NOT_FOR_THIS_USER};
use super::daemon::{cure, unreachable};
use crate::app::App;
use crate::commands::setup;
use crate::commands::setup::console::{Console, Silence};
use crate::commands::setup::daemon::Daemon;
use crate::commands::setup::prove::{Doubt, parses};
use crate::commands::setup::site::{self, Site, Where};
use crate::failure::Failure;

/// Looks at Asterisk.
pub fn look(
    app: &mut App,
    checks: &mut Checks,
    site: &Site,
    place: &Where,
    daemon: Option<&Daemon>,
    manager: Option<&Tree>,
    modules: Option<&Tree>,
) -> Result<bool, Failure> {
    let console = &Console::new(place, &site.dirs);
    let uptime = console.ask("core show uptime");
    let client = match daemon.and_then(Daemon::options) {
        None => {
            checks.skip("manager-login", no_way_in(daemon, &place.pbxd_config));
            None
        }
        Some(options) => match app.wait(Client::connect(&options))? {
            Ok((client, _)) => {
                checks.ok("manager-login", format!("as {} at {}", options.user, options.addr));
                Some(client)
            }
            Err(error) => {
                no_login(checks, &error, &uptime, &options.addr);
                None
            }
        },
    };
    let alive = client.is_some() || uptime.is_ok();
    if let Some(client) = client {
        let user = daemon.map_or("pbxd", |daemon| daemon.username.as_str());
        app.wait(by_manager(checks, site, &client, user, console, manager, modules))?;
        return Ok(alive);
    }
    if let Err(silence) = &uptime {
        let (Silence::NotRunnable(why) | Silence::NoAsterisk(why)) = silence;
        // Its console is root's, and its program lies where the search path of others does not lead.
        let cure =
            if rustix::process::geteuid().is_root() || !console.may_answer() { "" } else { "; run it with `sudo`" };
        checks.skip("asterisk", format!("could not be asked: {why}{cure}"));
        return Ok(alive);
    }
    elsewhere(checks, site, &console.ask("core show settings").unwrap_or_default());
    version(checks, &console.ask("core show version").unwrap_or_default());
    let mut missing = Vec::new();
    let needed = needed(site);
    for module in &needed {
        let shown = console.ask(&format!("module show like {}", module.name)).unwrap_or_default();
        if !shown.lines().any(|line| line.starts_with(module.name)) {
            missing.push(*module);
        }
    }
    told(checks, needed.len(), &missing, console, modules);
    Ok(alive)
}

/// Looks whether the Asterisk that answers is the one whose files are looked at.
fn elsewhere(checks: &mut Checks, site: &Site, settings: &str) {
    let Some(other) = site.elsewhere(settings) else { return };
    let described = site.described.clone().unwrap_or_default();
    let doubt = Doubt::Elsewhere { other, described };
    checks.fail("asterisk-conf", doubt.to_string()).help(doubt.cure());
}

/// Why pbxd's way in is not tried.
fn no_way_in(daemon: Option<&Daemon>, path: &Path) -> String {
    match daemon {
        None if site::is_gone(path) => format!("there is no {}, which says how pbxd comes in", path.display()),
        None if site::is_hidden(path) => NOT_FOR_THIS_USER.to_owned(),
        None => format!("{} cannot be read, which says how pbxd comes in", path.display()),
        Some(daemon) if daemon.tls => {
            "by TLS, which is not tried here; pbxd-to-asterisk says whether it works".to_owned()
        }
        Some(daemon) => format!("{} has no secret of the manager user", daemon.path.display()),
    }
}

fn no_login(checks: &mut Checks, error: &AmiError, uptime: &Result<String, Silence>, addr: &str) {
    let why = error.to_string();
    if matches!(error, AmiError::Unreachable { .. }) && uptime.is_ok() {
        checks
            .fail("manager-login", format!("Asterisk runs, and its manager interface does not listen at {addr}"))
            .help("`sudo pbxctl setup` opens it; what listens is shown by `sudo asterisk -rx 'manager show settings'`")
            .help(
                "`port` and `bindaddr` in [general] of manager.conf, and [ami] in pbxd.toml, must name the same place",
            )
            .silent();
        return;
    }
    let check = checks.fail("manager-login", why.clone());
    for line in cure(&why) {
        check.help(line);
    }
    if unreachable(&why) {
        check.silent();
    }
}

async fn by_manager(
    checks: &mut Checks,
    site: &Site,
    client: &Client,
    user: &str,
    console: &Console,
    manager: Option<&Tree>,
    modules: Option<&Tree>,
) {
    let mut lacks: Vec<&str> = Vec::new();
    let denied = |error: &AmiError| matches!(error, AmiError::PermissionDenied { .. });
    let system = match client.call(&ModuleCheck("res_pjsip.so".into())).await {
        Err(error) if denied(&error) => {
            lacks.push("system");
            false
        }
        _ => true,
    };
    match client.call(&Command("core show settings".into())).await {
        Ok(answer) => elsewhere(checks, site, &answer.lines.join("\n")),
        Err(error) if denied(&error) => lacks.push("command"),
        Err(_) => {}
    }
    if client.call(&VoicemailUsersList).await.is_err_and(|error| denied(&error)) {
        lacks.push("reporting");
    }
    // What Asterisk has may be older than what is written.
    let user = manager.and_then(|tree| Manager::user(tree, user));
    let written: Vec<&str> = user.as_ref().map(|user| missing_classes(&user.write, &WRITE)).unwrap_or_default();
    let only_live: Vec<&str> = lacks.iter().copied().filter(|class| !written.contains(class)).collect();
    let mut all = written.clone();
    all.extend(&only_live);
    if all.is_empty() {
        checks.ok("manager-rights", WRITE.join(", "));
    } else {
        let check = checks.fail("manager-rights", format!("the manager user lacks `write` for: {}", all.join(", ")));
        if written.is_empty() && user.is_some() {
            check.help(format!(
                "manager.conf gives it, and Asterisk has not read it since: `{}`, then `sudo systemctl restart pbxd`",
                console.by_hand("manager reload")
            ));
        } else {
            check.help("`sudo pbxctl setup` gives it what it lacks, then `sudo systemctl restart pbxd`");
        }
    }
    match client.call(&CoreSettings).await {
        Ok(settings) => version(checks, &settings.asterisk_version),
        Err(error) => checks.skip("asterisk-version", error.to_string()),
    }
    if system {
        let mut missing = Vec::new();
        let needed = needed(site);
        for module in &needed {
            if client.call(&ModuleCheck(module.name.to_owned())).await.is_ok_and(|loaded| !loaded.0) {
                missing.push(*module);
            }
        }
        told(checks, needed.len(), &missing, console, modules);
    } else {
        checks.skip("modules", "the manager user may not ask");
    }
    for (name, _) in FILES {
        match parses(client, name).await {
            Ok(None) => checks.ok(&format!("reads-{name}"), "Asterisk's parser reads it"),
            Ok(Some(words)) => {
                checks
                    .fail(&format!("reads-{name}"), format!("Asterisk's parser refuses {name}: {words}"))
                    .help("a reload would change nothing, and a restart would leave it out: mend the file first")
                    .help(format!("Asterisk's log names the line: {}", setup::log(site)));
            }
            Err(error) => checks.skip(&format!("reads-{name}"), error.to_string()),
        }
    }
}

/// The modules that every system needs, and those that what is live asks for.
fn needed(site: &Site) -> Vec<Module> {
    let live = |name: &str| fs_err::read(site.path(&target(name))).unwrap_or_default();
    let live = FILES.map(|(name, _)| (name, String::from_utf8_lossy(&live(name)).into_owned()));
    let text = |wanted: &str| live.iter().find(|(name, _)| *name == wanted).map_or("", |(_, text)| text.as_str());
    let more = modules::optional(text).into_iter().map(|(module, ..)| module);
    NEEDED.into_iter().chain(more).collect()
}

/// Modules that are not loaded.
fn told(checks: &mut Checks, needed: usize, missing: &[Module], console: &Console, modules: Option<&Tree>) {
    if missing.is_empty() {
        checks.ok("modules", format!("all {needed} that are needed"));
    }
    for Module { name: module, purpose, .. } in missing {
        let check = checks.fail("modules", format!("{module} is not loaded, which is needed for: {purpose}"));
        let bare = module.trim_end_matches(".so");
        let held = modules.and_then(|tree| tree.section("modules")).and_then(|section| {
            let lines = section.entries.into_iter().filter(|entry| entry.key.eq_ignore_ascii_case("noload"));
            lines.into_iter().find(|entry| entry.value.trim_end_matches(".so") == bare)
        });
        if let Some(entry) = held {
            check.help(format!("line {} of modules.conf keeps it out (`noload`): remove it", entry.place.line));
        }
        check.help(format!("then load it: `{}`", console.by_hand(&format!("module load {module}"))));
        check.help(
            "if that fails: is its file there? Debian's packages have it in `asterisk-modules`; built from source, `make menuselect` chooses it",
        );
    }
}

/// Asterisk's version, from a text that has it.
fn version(checks: &mut Checks, text: &str) {
    let number = text.split(|c: char| !c.is_ascii_digit() && c != '.').find(|word| word.contains('.'));
    let parts: Vec<u32> = number.unwrap_or_default().split('.').filter_map(|part| part.parse().ok()).collect();
    let shown = number.unwrap_or(text);
    match parts.as_slice() {
        [] => checks.skip("asterisk-version", format!("not understood: {text}")),
        [22, rest @ ..] if rest >= &[10, 1][..] => checks.ok("asterisk-version", shown),
        [22, ..] => {
            checks
                .warn("asterisk-version", format!("{shown} is older than 22.10.1"))
                .help("22.10.1 mends reloads that never end and holes in its security: update it");
        }
        _ => {
            checks
                .fail("asterisk-version", format!("{shown} is not Asterisk 22, which pbxd is made for"))
                .help(format!("install Asterisk 22, the long-term release: {}", site::WHENCE));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::State;
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        let cases = [
            ("22.10.1~dfsg+~cs6.16", State::Ok),
            ("Asterisk 22.11.0 built by x", State::Ok),
            ("22.9.4", State::Warn),
            ("22.10", State::Warn),
            ("20.20.1", State::Fail),
            ("23.1.0", State::Fail),
            ("GIT-master", State::Skip),
        ];
        for (text, state) in cases {
            let mut checks = Checks::default();
            version(&mut checks, text);
            assert_eq!(checks.all[0].state, state, "{text}");
        }
    }
}
