//! What has to change before pbxd can administer an Asterisk.

use std::path::{Path, PathBuf};

use fs_err as fs;
use pbx_api::{FileAction, FileChange};
use pbx_asterisk::ami::Options;
use pbx_asterisk::config::{FILES, MASK};
use pbx_asterisk::deploy::Revisions;
use pbx_asterisk::setup::{Edit, Finding, Manager, NeededUser, Own, Tree, apply, conflicts, main_file, masked, target};
use similar::TextDiff;

use super::Setup;
use super::daemon::{self, Daemon};
use super::site::{self, Site};
use super::write::{self, Owner};
use crate::failure::{Exit, Failure};

/// A file that is written.
pub struct Change {
    /// Where, links followed.
    pub path: PathBuf,
    /// As it is shown.
    pub name: String,
    /// What it was; nothing when it is new.
    pub before: Option<Vec<u8>>,
    /// What it will be.
    pub after: Vec<u8>,
    /// Whose it is, when it is new.
    pub owner: Owner,
    /// Whether there is nothing but a secret in it.
    pub secret: bool,
}

impl Change {
    /// As it is shown: a unified diff without secrets.
    pub fn shown(&self) -> FileChange {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (before, after) = (text(self.before.as_deref().unwrap_or_default()), text(&self.after));
        let (before, after) = if self.secret {
            (if before.is_empty() { before } else { format!("{MASK}\n") }, format!("{MASK} (new)\n"))
        } else {
            masked(&self.name, &before, &after)
        };
        let diff = TextDiff::from_lines(&before, &after);
        let count = |tag: similar::ChangeTag| diff.iter_all_changes().filter(|change| change.tag() == tag).count();
        // Without the lines around: in somebody's own dialplan or mailboxes, any of them may hold a secret.
        let unified = diff.unified_diff().context_radius(0).to_string();
        FileChange {
            name: self.name.clone(),
            action: if self.before.is_some() { FileAction::Change } else { FileAction::Create },
            added: count(similar::ChangeTag::Insert),
            removed: count(similar::ChangeTag::Delete),
            diff: unified,
        }
    }
}

/// All that has to change.
pub struct Wish {
    /// Files, in the order in which they are written.
    pub changes: Vec<Change>,
    /// There is no revision yet: an empty one makes the includes mean something.
    pub empty_revision: bool,
    /// `pbx.d` must be handed to pbxd's user.
    pub hand_over: Option<u32>,
    /// Folders that are made.
    pub folders: Vec<(PathBuf, Owner)>,
    /// What is in the way.
    pub findings: Vec<Finding>,
    /// Whether the manager interface must read its configuration again.
    pub reload_manager: bool,
    /// How pbxd will come in.
    pub options: Options,
}

impl Wish {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && !self.empty_revision && self.hand_over.is_none()
    }
}

struct Maker<'a> {
    site: &'a Site,
    owner: Owner,
    changes: Vec<Change>,
    findings: Vec<Finding>,
}

impl Maker<'_> {
    /// A finding that nothing can work with.
    fn block(&mut self, file: &str, line: Option<usize>, message: String, help: String) {
        self.findings.push(Finding { file: file.to_owned(), line, message, help, blocks: true });
    }

    /// Edits of the files of a tree become changes.
    fn edit(&mut self, tree: &Tree, edits: &[(usize, Edit)]) {
        for (at, file) in tree.files.iter().enumerate() {
            let own: Vec<Edit> = edits.iter().filter(|(file, _)| *file == at).map(|(_, edit)| edit.clone()).collect();
            if own.is_empty() {
                continue;
            }
            if let Some(line) = file.open_comment
                && at == 0
                && own.iter().any(|edit| matches!(edit, Edit::Append(_)))
            {
                let message = "a comment is opened by `;--` here and closed nowhere: what is added would be part of it";
                let help = "close it by `--;`, or write `\\;` where a `;` is meant".to_owned();
                self.block(&file.name, Some(line), message.to_owned(), help);
                continue;
            }
            let after = apply(&file.bytes, &own);
            self.put(&file.name, Some(file.bytes.clone()), after);
        }
    }

    /// A file gets contents.
    fn put(&mut self, name: &str, before: Option<Vec<u8>>, after: Vec<u8>) {
        let path = self.site.path(name);
        match write::resolve(&path, &self.site.dirs.etc) {
            Ok(path) if self.changes.iter().any(|change| change.path == path) => {
                let what = "it would be changed for two reasons at once: several main files include it".to_owned();
                self.block(name, None, what, "give each main file its own files to include".to_owned());
            }
            Ok(path) => {
                self.changes.push(Change {
                    path,
                    name: name.to_owned(),
                    before,
                    after,
                    owner: self.owner,
                    secret: false,
                });
            }
            Err(error) => {
                let help = "put a file in the link's place, or have the link lead to one in this folder";
                self.block(name, None, error.to_string(), help.to_owned());
            }
        }
    }
}

/// Finds out what has to change.
pub fn wish(args: &Setup, socket: &Path, site: &Site) -> Result<Wish, Failure> {
    let (uid, gid) = site.owner()?;
    let mut maker = Maker {
        site,
        owner: Owner { uid: Some(uid), gid: Some(gid), mode: 0o640 },
        changes: Vec::new(),
        findings: Vec::new(),
    };
    let revisions = Revisions::new(&site.dirs.etc);
    let current = revisions.current().map_err(|error| site::unreadable(&error.source))?;
    let link = revisions.root().join("current");
    let empty_revision = match current {
        None if link.symlink_metadata().is_ok() => {
            let help = "remove it, and run the command again".to_owned();
            maker.block("pbx.d/current", None, "it is not the link to a revision that it should be".into(), help);
            false
        }
        None => true,
        // Made by an earlier run and damaged since, or for fewer files than there are by now: it says nothing, so it is made again.
        Some(0) => FILES.iter().any(|(name, _)| !site.path(&target(name)).exists()),
        Some(id) => {
            for (name, _) in FILES {
                if !site.path(&target(name)).exists() {
                    let newest = revisions.list().unwrap_or_default().into_iter().rev().find(|own| *own != id);
                    let mut help = "have pbxd write the files again: `sudo systemctl restart pbxd`".to_owned();
                    if let Some(newest) = newest.filter(|_| !revisions.folder(id).exists()) {
                        help = format!(
                            "point it at one that exists: `sudo ln -sfn revisions/{newest:06} {}`",
                            link.display()
                        );
                    }
                    maker.block(&target(name), None, format!("revision {id} has no such file"), help);
                }
            }
            false
        }
    };

    let daemon = Daemon::read(&args.place.pbxd_config)?;
    let account = account(args.pbxd_user.as_deref())?;
    if let (Some(own), Some(wanted)) = (&daemon, &args.store)
        && own.store != *wanted
    {
        // Neither is shown: either may hold a password.
        maker.findings.push(Finding {
            file: own.path.display().to_string(),
            line: None,
            message: "it names another store than `--store` does, and keeps it".into(),
            help: "to change it: stop pbxd, write the other one into the file, and start pbxd; nothing moves by itself"
                .into(),
            blocks: false,
        });
    }
    let (options, reload_manager, user, host, port) = manager(&mut maker, daemon.as_ref())?;
    let folders = pbxd_config(&mut maker, args, socket, daemon, &user, (&host, port), account)?;
    // Those that let pbxd in come last here and first there: an include must never be without its file, and pbxd's own
    // configuration is no use to Asterisk.
    let mut trees = Vec::new();
    for (name, _) in FILES {
        if let Some(tree) = site.tree(name)? {
            let fatal = tree.fatal().filter(|(_, why)| !why.contains("pbx.d/current/"));
            if let Some((place, why)) = fatal {
                let message = format!("Asterisk rejects {name} as it is: {why}");
                maker.block(tree.file(place), Some(place.line), message, "mend it first".into());
            }
            let edits = tree.include_once(name);
            maker.edit(&tree, &edits);
            trees.push((name, tree));
        } else {
            let text = format!("{}\n#include \"{}\"\n", main_file(name), target(name));
            maker.put(name, None, text.into_bytes());
        }
    }
    let tree = |name: &str| trees.iter().find(|(own, _)| *own == name).map(|(_, tree)| tree);
    let (wizard, sorcery, extconfig) =
        (site.tree("pjsip_wizard.conf")?, site.tree("sorcery.conf")?, site.tree("extconfig.conf")?);
    let own = Own {
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
    let told = conflicts(&own);
    maker.findings.extend(told);
    maker.findings.dedup_by(|a, b| a.file == b.file && a.line == b.line && a.blocks == b.blocks && a.help == b.help);

    let hand_over = account.map(|(uid, _)| uid).filter(|uid| !belongs(revisions.root(), *uid));
    Ok(Wish {
        changes: maker.changes,
        empty_revision,
        hand_over,
        folders,
        findings: maker.findings,
        reload_manager,
        options,
    })
}

/// The user and the group that pbxd runs as; the usual one need not be there yet.
fn account(named: Option<&str>) -> Result<Option<(u32, u32)>, Failure> {
    let Some(name) = named else { return Ok(site::user("pbxd")) };
    match site::user(name) {
        Some(account) => Ok(Some(account)),
        None => Err(Failure::usage(format!("`--pbxd-user`: there is no user `{name}`; nothing was changed"))
            .help(format!("make it first: `sudo useradd --system {name}`"))),
    }
}

/// Whether the folder of revisions, as far as it is there, belongs to a user.
fn belongs(root: &Path, uid: u32) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let own = |path: &Path| fs::symlink_metadata(path).is_ok_and(|meta| meta.uid() == uid);
    own(root) && own(&root.join("revisions"))
}

/// What of `manager.conf` changes, and how pbxd comes in.
fn manager(
    maker: &mut Maker<'_>,
    daemon: Option<&Daemon>,
) -> Result<(Options, bool, NeededUser, String, u16), Failure> {
    let name = daemon.map_or("pbxd", |daemon| daemon.username.as_str()).to_owned();
    let tree = maker.site.tree("manager.conf")?;
    let before = maker.changes.len();
    let there = tree.is_some();
    let tree = match tree {
        Some(tree) => tree,
        None => {
            Tree::read("manager.conf", Manager::new_file().into_bytes(), &mut |_: &str| Ok::<_, Failure>(Vec::new()))?
        }
    };
    if let Some((place, why)) = tree.fatal() {
        let message = format!("Asterisk rejects manager.conf as it is: {why}");
        maker.block(tree.file(place), Some(place.line), message, "mend it first".into());
    }
    let own = Manager::of(&tree);
    let known = Manager::user(&tree, &name);
    // What Asterisk has counts; what pbxd has, where Asterisk has nothing.
    let secret = match known.as_ref().and_then(|user| user.secret.clone()) {
        Some(secret) => secret,
        None => match daemon.and_then(|daemon| daemon.secret.clone()) {
            Some(secret) => secret,
            None => pbx_manifest::make_secret("secret", crate::random::fill)?,
        },
    };
    let needed = NeededUser { name, secret };
    let mut edits = own.open(&tree);
    let mut beside = None;
    if let Some(user) = &known {
        edits.extend(Manager::mend(user, &needed));
    } else {
        let text = own.new_user(&needed);
        match &own.folder {
            Some(folder) if maker.site.path(folder).is_dir() => {
                beside = Some((format!("{folder}/pbxd.conf"), text));
            }
            _ => edits.push((0, Edit::Append(format!("\n{text}")))),
        }
    }
    if let Some((name, text)) = beside {
        let path = maker.site.path(&name);
        let old = fs::read(&path).ok();
        let after = match &old {
            Some(old) => apply(old, &[Edit::Append(format!("\n{text}"))]),
            None => text.into_bytes(),
        };
        maker.put(&name, old, after);
    }
    if there {
        maker.edit(&tree, &edits);
    } else {
        let edits: Vec<Edit> = edits.into_iter().map(|(_, edit)| edit).collect();
        let after = apply(&tree.files[0].bytes, &edits);
        maker.put("manager.conf", None, after);
    }
    if own.enabled && own.is_open() {
        let bind = own.bind.as_deref().unwrap_or("all addresses");
        maker.findings.push(Finding {
            file: "manager.conf".into(),
            line: tree.section("general").map(|section| section.place.line),
            message: format!("the manager interface listens on {bind}: other machines can reach it"),
            help: "`bindaddr = 127.0.0.1` in [general] closes it, where nothing else needs it".into(),
            blocks: false,
        });
    }
    let options = daemon::options(own.host(), own.port, &needed.name, &needed.secret);
    let changed = maker.changes.len() > before;
    Ok((options, changed, needed, own.host().to_owned(), own.port))
}

/// What of pbxd's own configuration changes, and the folders that it needs.
fn pbxd_config(
    maker: &mut Maker<'_>,
    args: &Setup,
    socket: &Path,
    daemon: Option<Daemon>,
    user: &NeededUser,
    (host, port): (&str, u16),
    account: Option<(u32, u32)>,
) -> Result<Vec<(PathBuf, Owner)>, Failure> {
    let path = &args.place.pbxd_config;
    let shown = path.display().to_string();
    let owner = Owner { uid: None, gid: account.map(|(_, gid)| gid), mode: 0o640 };
    let etc = &maker.site.dirs.etc;
    let mut folders = Vec::new();
    let Some(own) = daemon else {
        let parent = path.parent().unwrap_or(Path::new("/"));
        if !parent.exists() {
            folders.push((parent.to_owned(), Owner { mode: 0o750, ..owner }));
        }
        let new = daemon::New {
            socket,
            store: args.store.as_deref().unwrap_or(daemon::STORE),
            key_file: &args.key_file,
            config_dir: etc,
            log_dir: &maker.site.dirs.log,
            host,
            port,
            username: &user.name,
            secret: &user.secret,
        };
        let text = new.text();
        // A value that breaks the file would be found by pbxd only.
        Daemon::parse(path, text.clone())?;
        let change =
            Change { path: path.clone(), name: shown, before: None, after: text.into_bytes(), owner, secret: false };
        maker.changes.push(change);
        return Ok(folders);
    };
    let mut text = own.text.clone();
    let secret = own.secret.as_deref() == Some(&user.secret);
    let mut change = |key: &str, value: String| text = daemon::set(&text, "ami", key, &value);
    if own.port != port && !own.tls {
        change("port", port.to_string());
    }
    let both = |a: &str, b: &str| a.parse::<std::net::IpAddr>().is_ok() && b.parse::<std::net::IpAddr>().is_ok();
    if own.host != host && !own.tls && both(&own.host, host) {
        change("host", daemon::quoted(host));
    }
    if !secret && own.secret_file.is_none() {
        change("secret", daemon::quoted(&user.secret));
    }
    let same =
        |a: &Path, b: &Path| a == b || matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b);
    if !same(&own.config_dir, etc) {
        text = daemon::set(&text, "asterisk", "config_dir", &daemon::quoted(&etc.to_string_lossy()));
    }
    let in_its_folder = |path: &Path| {
        let parent = path.parent().unwrap_or(Path::new("/"));
        write::resolve(path, parent).map_err(|error| site::unreadable(&error))
    };
    if text != own.text {
        let again = Daemon::parse(path, text.clone())?;
        let good = (again.tls || again.port == port)
            && (own.secret_file.is_some() || again.secret.as_deref() == Some(&user.secret))
            && same(&again.config_dir, etc);
        if !good {
            let what = format!("{shown} does not agree with Asterisk, and is written in a way that is not edited here");
            return Err(Failure::new(Exit::Failed, "pbxdConfig", what).help(format!(
                "[ami] needs port = {port}, username = \"{}\" and its secret; [asterisk] config_dir = \"{}\"",
                user.name,
                etc.display()
            )));
        }
        let change = Change {
            path: in_its_folder(path)?,
            name: shown,
            before: Some(own.text.clone().into_bytes()),
            after: text.into_bytes(),
            owner,
            secret: false,
        };
        maker.changes.push(change);
    }
    if let Some(file) = own.secret_file.filter(|_| !secret) {
        let change = Change {
            path: in_its_folder(&file)?,
            name: file.display().to_string(),
            before: fs::read(&file).ok(),
            after: format!("{}\n", user.secret).into_bytes(),
            owner,
            secret: true,
        };
        maker.changes.push(change);
    }
    Ok(folders)
}
