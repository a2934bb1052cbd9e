//! `--check-config`: whether what the configuration names is there.

use std::fs::FileType;
use std::net::ToSocketAddrs as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use pbx_store::Location;

use crate::config::Config;
use crate::identity::Accounts;

/// What was found, a sentence each.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// What would end pbxd at its start.
    pub(crate) errors: Vec<String>,
    /// What it starts with, and does not work as it is written.
    pub(crate) warnings: Vec<String>,
}

/// Looks at what is named. Names of hosts are resolved, which may take seconds.
pub(crate) fn look(config: &Config, accounts: &Accounts) -> Found {
    let mut found = Found::default();
    found.file("socket", &config.socket, FileType::is_socket, "a socket");
    let store = config.store.parse::<Location>();
    found.file("key_file", &config.key_file, FileType::is_file, "a file");
    let mut made = vec![("socket", config.socket.as_path()), ("key_file", &config.key_file)];
    if let Ok(Location::Sqlite(path)) = &store {
        found.file("store", path, FileType::is_file, "a file");
        made.push(("store", path));
    }
    for (name, path) in made {
        // Its folder is made with all that lead to it, where none of them is something else.
        let there = path.ancestors().skip(1).find(|above| above.exists());
        if let Some(there) = there.filter(|above| !above.is_dir()) {
            found.errors.push(format!("`{name}`: {} is not a folder; remove it or name another", there.display()));
        }
    }
    found.folder("config_dir", &config.asterisk.config_dir, "`pbxctl setup` prepares Asterisk's configuration folder");
    found.folder("log_dir", &config.asterisk.log_dir, "without it, Asterisk's complaints are not told");
    if let Some(path) = config.ami.tls_ca.as_ref().filter(|path| config.ami.tls && !path.is_file()) {
        found.warnings.push(format!("[ami] tls_ca: there is no file {}: pbxd cannot connect", path.display()));
    }
    found.host("[ami] host", &config.ami.host, config.ami.port);
    if let Ok(Location::Postgres(options)) = &store
        && !options.get_host().starts_with('/')
    {
        found.host("`store`", options.get_host(), options.get_port());
    }
    let access = &config.access;
    for (key, users) in [("admin_users", &access.admin_users), ("viewer_users", &access.viewer_users)] {
        for user in users.iter().filter(|user| !accounts.has_user(user)) {
            found.warnings.push(format!("[access] {key}: there is no user `{user}` in /etc/passwd"));
        }
    }
    for (key, groups) in [("admin_groups", &access.admin_groups), ("viewer_groups", &access.viewer_groups)] {
        for group in groups.iter().filter(|group| !accounts.has_group(group)) {
            found.warnings.push(format!("[access] {key}: there is no group `{group}` in /etc/group"));
        }
    }
    found
}

impl Found {
    /// What pbxd makes where it is missing must not be something else.
    fn file(&mut self, name: &str, path: &Path, right: impl Fn(&FileType) -> bool, what: &str) {
        if fs_err::metadata(path).is_ok_and(|meta| !right(&meta.file_type())) {
            self.errors
                .push(format!("`{name}`: {} is there, and is not {what}; remove it or name another", path.display()));
        }
    }

    fn folder(&mut self, key: &str, path: &Path, why: &str) {
        if !path.is_dir() {
            self.warnings.push(format!("[asterisk] {key}: there is no folder {}; {why}", path.display()));
        }
    }

    fn host(&mut self, name: &str, host: &str, port: u16) {
        if let Err(error) = (host.trim_matches(['[', ']']), port).to_socket_addrs() {
            self.warnings.push(format!("{name}: `{host}` has no address now: {error}"));
        }
    }
}
