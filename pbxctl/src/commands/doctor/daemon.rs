//! From here to pbxd, and from pbxd to Asterisk.

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

use fs_err as fs;
use pbx_api::{AsteriskHealth, ClientError, ErrorCode, Health, Unconfirmed};

use super::check::Checks;
use super::who::Who;
use crate::app::App;
use crate::commands::{schedule, setup::site};
use crate::failure::Failure;
use crate::show;

/// What pbxd told, and as whom it runs.
#[derive(Debug, Default)]
pub struct Pbxd {
    /// How it is.
    pub health: Option<Health>,
    /// As whom it runs.
    pub who: Option<Who>,
}

/// Looks at pbxd.
pub fn look(app: &mut App, checks: &mut Checks) -> Result<Pbxd, Failure> {
    let path = app.global.socket();
    let mut pbxd = Pbxd::default();
    match UnixStream::connect(&path) {
        Ok(stream) => {
            let peer = rustix::net::sockopt::socket_peercred(&stream).ok();
            pbxd.who = peer.and_then(|peer| Who::of_process(peer.pid.as_raw_nonzero().get()));
            checks.ok("pbxd-socket", path.display().to_string());
        }
        Err(error) => {
            not_connected(checks, &path, &error);
            checks.skip("pbxd-answers", "pbxd was not reached");
            return Ok(pbxd);
        }
    }
    let client = app.client();
    let limit = std::time::Duration::from_secs(10);
    let answer = app.wait(async { tokio::time::timeout(limit, client.health()).await })?;
    let health = match answer {
        Ok(Ok(health)) => health,
        Err(_) => {
            checks
                .fail("pbxd-answers", "pbxd takes the connection and does not answer within 10 s")
                .help("`journalctl -u pbxd -e` says what it is busy with")
                .help("`sudo systemctl restart pbxd`: calls go on meanwhile")
                .silent();
            return Ok(pbxd);
        }
        Ok(Err(error)) => {
            refused(checks, &error);
            return Ok(pbxd);
        }
    };
    let revision = health.revision.map_or_else(|| "nothing applied yet".to_owned(), |id| format!("revision {id}"));
    checks.ok(
        "pbxd-answers",
        format!("{revision}, {}, to {}", show::plural(health.objects, "object", "objects"), health.you),
    );
    let own = env!("CARGO_PKG_VERSION");
    if health.version == own {
        checks.ok("pbxd-version", own);
    } else {
        checks
            .warn("pbxd-version", format!("pbxd is {}, pbxctl is {own}", health.version))
            .help("install both from one release, then `sudo systemctl restart pbxd`");
    }
    checks.ok("store", health.store.clone());
    if let Some(Unconfirmed { revision, by, until, .. }) = &health.unconfirmed {
        let until = show::instant(*until);
        checks
            .warn(
                "confirmation",
                format!("revision {revision} by {by} is taken back at {until} unless it is confirmed"),
            )
            .help("`pbxctl confirm` keeps it; `pbxctl confirm --back` goes back at once");
    }
    for turn in &health.turned {
        checks
            .warn("schedule-turned-over", schedule::warning(turn))
            .help(format!("if that is over: `pbxctl schedule auto {}`", turn.schedule));
    }
    reaches(checks, &health.asterisk);
    pbxd.health = Some(health);
    Ok(pbxd)
}

fn not_connected(checks: &mut Checks, path: &Path, error: &std::io::Error) {
    use std::io::ErrorKind;
    let shown = path.display();
    match error.kind() {
        ErrorKind::NotFound => {
            checks
                .fail("pbxd-socket", format!("there is no socket {shown}: pbxd does not run"))
                .help("start it: `sudo systemctl start pbxd`; `journalctl -u pbxd -e` says why it ended")
                .help("another socket is named with `--socket PATH` or PBXCTL_SOCKET")
                .silent();
        }
        ErrorKind::PermissionDenied => {
            let group = fs::metadata(path).map(|meta| site::name_of("/etc/group", meta.gid()));
            let group = group.unwrap_or_else(|_| "pbxd".into());
            checks
                .fail("pbxd-socket", format!("this user may not use {shown}"))
                .help(format!("let it in: `sudo usermod -aG {group} $USER`, and log in again"))
                .help("or run the command with `sudo`");
        }
        ErrorKind::ConnectionRefused => {
            checks
                .fail("pbxd-socket", format!("{shown} is there and nobody listens: pbxd was killed"))
                .help("start it: `sudo systemctl restart pbxd`; `journalctl -u pbxd -e` says why it ended")
                .silent();
        }
        _ => {
            checks.fail("pbxd-socket", format!("{shown}: {error}")).help("`systemctl status pbxd`").silent();
        }
    }
}

fn refused(checks: &mut Checks, error: &ClientError) {
    match error {
        ClientError::Refused(body) if body.code == ErrorCode::NotAllowed => {
            checks
                .fail("pbxd-answers", error.to_string())
                .help("name this user, or a group of theirs, in [access] of /etc/pbxd/pbxd.toml; then `sudo systemctl reload pbxd`")
                .help("or run the command with `sudo`");
        }
        ClientError::Unreachable { .. } | ClientError::Broken(_) => {
            checks.fail("pbxd-answers", error.to_string()).help("`journalctl -u pbxd -e` says why").silent();
        }
        _ => {
            checks
                .fail("pbxd-answers", error.to_string())
                .help("is it pbxd that listens there, and of this version? `pbxd --version`, `pbxctl --version`");
        }
    }
}

/// What pbxd says about its connection to Asterisk.
pub fn reaches(checks: &mut Checks, asterisk: &AsteriskHealth) {
    let name = "pbxd-to-asterisk";
    if asterisk.connected {
        checks.ok(name, asterisk.address.clone());
        return;
    }
    let why = asterisk.error.as_deref().unwrap_or("it has not connected yet");
    let check = checks.fail(name, format!("pbxd does not reach Asterisk at {}: {why}", asterisk.address));
    for line in cure(why) {
        check.help(line);
    }
    if unreachable(why) {
        check.silent();
    }
}

/// Whether a failure is that nobody answered.
pub fn unreachable(why: &str) -> bool {
    ["cannot connect", "did not answer", "not connected", "has not connected", "ended", "closed"]
        .iter()
        .any(|words| why.contains(words))
        && !why.contains("did not accept")
}

/// What to do about a failure of the manager interface.
pub fn cure(why: &str) -> Vec<String> {
    let lines: &[&str] = if why.contains("did not accept the manager user") {
        &[
            "its name or secret is another one in Asterisk, or it may not come from there: `sudo pbxctl setup` compares both \
             sides and shows what differs",
            "then `sudo systemctl restart pbxd`",
        ]
    } else if why.contains("may not use") {
        &["`sudo pbxctl setup` gives the manager user what it lacks, then `sudo systemctl restart pbxd`"]
    } else if why.contains("within") || why.contains("silent") || why.contains("timed out") {
        &[
            "Asterisk is too busy or stuck: `sudo asterisk -rx 'core show taskprocessors'`",
            "a firewall in between drops what it should refuse",
        ]
    } else if why.contains("secure connection") {
        &["[ami] tls and tls_ca of /etc/pbxd/pbxd.toml, and tlsenable, tlscertfile of manager.conf must fit together"]
    } else {
        &[
            "is Asterisk running? `systemctl status asterisk`",
            "does its manager interface listen there? `sudo asterisk -rx 'manager show settings'`; `sudo pbxctl setup` opens it",
        ]
    };
    lines.iter().map(|line| (*line).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(error: &str) -> (String, bool) {
        let mut checks = Checks::default();
        let asterisk = AsteriskHealth {
            connected: false,
            version: None,
            address: "127.0.0.1:5038".into(),
            error: Some(error.into()),
            config_dir: "/etc/asterisk".into(),
            proven_revision: None,
            files_revision: None,
        };
        reaches(&mut checks, &asterisk);
        (checks.all[0].help.join(" "), checks.all[0].silent)
    }

    #[test]
    fn each_way_to_be_unreachable_has_its_cure() {
        let cases = [
            (
                "cannot connect to Asterisk's manager interface at x: Connection refused",
                "systemctl status asterisk",
                true,
            ),
            ("Asterisk did not accept the manager user \"pbxd\"", "pbxctl setup", false),
            ("the manager user may not use the action Command", "what it lacks", false),
            ("Asterisk did not answer the greeting within 10s", "busy", true),
            ("no secure connection to x: y", "tls_ca", false),
            ("the connection to Asterisk ended: closed by Asterisk", "systemctl status asterisk", true),
        ];
        for (error, words, silent) in cases {
            let (help, is_silent) = told(error);
            assert!(help.contains(words), "{error}: {help}");
            assert_eq!(is_silent, silent, "{error}");
        }
    }
}
