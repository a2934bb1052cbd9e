//! pbxd's own configuration.

use std::path::{Path, PathBuf};

use fs_err as fs;
use pbx_asterisk::ami::Options;

use super::site::unreadable;
use crate::failure::Failure;

/// Where pbxd keeps what it knows unless somebody says otherwise.
pub const STORE: &str = "sqlite:///var/lib/pbxd/pbxd.db";

/// Why pbxd would refuse a store's URL, as far as that shows without the database's own library. The URL is not repeated: it may
/// hold a password.
pub fn store_error(url: &str) -> Option<&'static str> {
    let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
    let behind = rest.strip_prefix("//");
    match scheme {
        _ if rest.is_empty() => Some("this is no URL: it begins with sqlite:// or postgres://"),
        "sqlite" => {
            let path = behind.unwrap_or(rest);
            if !path.starts_with('/') {
                return Some("the path of a SQLite file is absolute, with three slashes in all");
            }
            if path.ends_with('/') {
                return Some("it names a folder, and not a file");
            }
            path.contains(['?', '#', '%']).then_some("the path of a SQLite file has no ?, # or % in it")
        }
        "postgres" | "postgresql" => {
            let place = behind.unwrap_or(rest).split(['/', '?', '#']).next().unwrap_or_default();
            let host = place.rsplit('@').next().unwrap_or_default();
            let port = host.rsplit(']').next().unwrap_or_default().split_once(':').map_or("", |(_, port)| port);
            (!port.is_empty() && port.parse::<u16>().is_err()).then_some("the port is no number that a port can have")
        }
        _ => Some("it begins with sqlite:// or postgres://, and with nothing else"),
    }
}

/// What of pbxd's configuration matters here.
#[derive(Clone)]
pub struct Daemon {
    /// The file.
    pub path: PathBuf,
    /// What is in it.
    pub text: String,
    /// pbxd's socket, where it names one.
    pub socket: Option<PathBuf>,
    /// Where the manager interface is.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The manager user.
    pub username: String,
    /// Its secret.
    pub secret: Option<String>,
    /// The file that the secret is in, if it is in one of its own.
    pub secret_file: Option<PathBuf>,
    /// Asterisk's configuration folder.
    pub config_dir: PathBuf,
    /// Asterisk's log folder.
    pub log_dir: PathBuf,
    /// The store's URL.
    pub store: String,
    /// Whether it speaks TLS, on a port of its own.
    pub tls: bool,
}

impl std::fmt::Debug for Daemon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Daemon({})", self.path.display())
    }
}

impl Daemon {
    /// As the file says; nothing when it is not there.
    pub fn read(path: &Path) -> Result<Option<Self>, Failure> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(&error)),
        };
        Self::parse(path, text).map(Some)
    }

    /// What a text says.
    pub fn parse(path: &Path, text: String) -> Result<Self, Failure> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            Failure::failed("pbxdConfig", format!("{}: {}", path.display(), error.message()))
                .help("`pbxd --check-config` says where")
        })?;
        let value = |section: &str, key: &str| {
            if section.is_empty() { table.get(key) } else { table.get(section).and_then(|own| own.get(key)) }
        };
        let word = |section: &str, key: &str| value(section, key).and_then(|own| own.as_str()).map(str::to_owned);
        let or = |section: &str, key: &str, usual: &str| word(section, key).unwrap_or_else(|| usual.to_owned());
        let secret_file = word("ami", "secret_file").map(PathBuf::from);
        let secret = match &secret_file {
            Some(file) => match fs::read_to_string(file) {
                Ok(secret) => Some(secret.trim_end().to_owned()),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
                Err(error) => return Err(unreadable(&error)),
            },
            None => word("ami", "secret"),
        };
        let port = value("ami", "port").and_then(toml::Value::as_integer).and_then(|port| u16::try_from(port).ok());
        Ok(Self {
            path: path.to_owned(),
            socket: word("", "socket").map(PathBuf::from),
            host: or("ami", "host", "127.0.0.1"),
            port: port.unwrap_or(5038),
            username: or("ami", "username", "pbxd"),
            secret: secret.filter(|secret| !secret.is_empty()),
            secret_file,
            config_dir: or("asterisk", "config_dir", "/etc/asterisk").into(),
            log_dir: or("asterisk", "log_dir", "/var/log/asterisk").into(),
            store: or("", "store", STORE),
            tls: value("ami", "tls").and_then(toml::Value::as_bool).unwrap_or(false),
            text,
        })
    }

    /// How it connects; nothing when it has no secret, or connects in a way that is not tried here.
    pub fn options(&self) -> Option<Options> {
        let secret = self.secret.as_deref().filter(|_| !self.tls)?;
        Some(options(&self.host, self.port, &self.username, secret))
    }
}

/// How to connect to a manager interface.
pub fn options(host: &str, port: u16, user: &str, secret: &str) -> Options {
    let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
    Options::new(format!("{host}:{port}"), user, secret)
}

/// A text as a value of the file.
pub fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// The text after which a key of a table has a value: one line replaced or added, everything else as it was.
pub fn set(text: &str, table: &str, key: &str, value: &str) -> String {
    let line = format!("{key} = {value}");
    let mut lines: Vec<&str> = text.lines().collect();
    let header = format!("[{table}]");
    let Some(start) = lines.iter().position(|line| line.trim_start().starts_with(&header)) else {
        return format!("{}\n\n{header}\n{line}\n", text.trim_end());
    };
    let body = &lines[start + 1..];
    let end = body.iter().position(|line| line.trim_start().starts_with('[')).map_or(lines.len(), |n| start + 1 + n);
    let sets = |line: &&str| line.split_once('=').is_some_and(|(own, _)| own.trim() == key);
    match lines[start + 1..end].iter().position(sets) {
        Some(at) => lines[start + 1 + at] = &line,
        None => lines.insert(start + 1, &line),
    }
    lines.join("\n") + "\n"
}

/// What a new file says.
pub struct New<'a> {
    /// pbxd's socket.
    pub socket: &'a Path,
    /// The store's URL.
    pub store: &'a str,
    /// The file of the key.
    pub key_file: &'a Path,
    /// Asterisk's configuration folder.
    pub config_dir: &'a Path,
    /// Asterisk's log folder.
    pub log_dir: &'a Path,
    /// Where the manager interface is.
    pub host: &'a str,
    /// Its port.
    pub port: u16,
    /// The manager user.
    pub username: &'a str,
    /// Its secret.
    pub secret: &'a str,
}

impl New<'_> {
    /// Its text.
    pub fn text(&self) -> String {
        let path = |path: &Path| quoted(&path.to_string_lossy());
        format!(
            "# pbxd's configuration. It holds a secret: pbxd reads it, nobody else needs to.\n\
             socket = {}\nstore = {}\nkey_file = {}\n\n\
             [asterisk]\nconfig_dir = {}\nlog_dir = {}\n\n\
             [ami]\nhost = {}\nport = {}\nusername = {}\nsecret = {}\n",
            path(self.socket),
            quoted(self.store),
            path(self.key_file),
            path(self.config_dir),
            path(self.log_dir),
            quoted(self.host),
            self.port,
            quoted(self.username),
            quoted(self.secret),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let new = New {
            socket: Path::new("/run/pbxd/pbxd.sock"),
            store: "sqlite:///var/lib/pbxd/pbxd.db",
            key_file: Path::new("/var/lib/pbxd/key"),
            config_dir: Path::new("/etc/a\"b"),
            log_dir: Path::new("/var/log/asterisk"),
            host: "127.0.0.1",
            port: 5039,
            username: "pbxd",
            secret: "s",
        };
        let own = Daemon::parse(Path::new("pbxd.toml"), new.text()).unwrap();
        assert_eq!((own.port, own.username.as_str(), own.secret.as_deref()), (5039, "pbxd", Some("s")));
        assert_eq!(own.config_dir, Path::new("/etc/a\"b"));
    }

    #[test]
    fn what_pbxd_refuses_is_refused_before_it_is_written() {
        for url in [
            STORE,
            "sqlite:/a.db",
            "postgres://pbxd@db.example:5433/pbx",
            "postgres://pbxd:a:b@[::1]:5432/pbx",
            "postgresql://db.example/pbx?sslmode=require",
            "postgres:///pbx",
            "foo",
            "sqlite",
            "sqlite://pbxd.db",
            "sqlite:///var/lib/",
            "sqlite:///a.db?mode=ro",
            "mysql://pbxd@db.example/pbx",
            "/var/lib/pbxd.db",
            "postgres",
            "postgres:pbx",
            "postgres://pbxd@db.example:54x33/pbx",
            "",
        ] {
            let pbxd = url.parse::<pbx_store::Location>();
            assert_eq!(store_error(url).is_some(), pbxd.is_err(), "{url}: {:?}", store_error(url));
        }
    }

    #[test]
    fn one_key_changes_and_nothing_else() {
        let text = "# a\nstore = \"x\"\n[ami]\n# secret = \"no\"\nsecret = \"a\"\n[access]\nsecret = 1\n";
        assert_eq!(
            set(text, "ami", "secret", "\"b\""),
            "# a\nstore = \"x\"\n[ami]\n# secret = \"no\"\nsecret = \"b\"\n[access]\nsecret = 1\n"
        );
        assert_eq!(set("a = 1\n", "ami", "port", "5"), "a = 1\n\n[ami]\nport = 5\n");
        assert_eq!(set("[ami]\n", "ami", "port", "5"), "[ami]\nport = 5\n");
    }
}
