//! What pbxd is told: a file, over it the environment, over that the command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use pbx_asterisk::ami;
use pbx_asterisk::config::Place;
use serde::Deserialize;
use tracing::level_filters::LevelFilter;

/// Where the configuration is unless another file is named.
const DEFAULT_FILE: &str = "/etc/pbxd/pbxd.toml";

/// Keeps the desired state of an Asterisk system, and makes Asterisk match it.
#[derive(Debug, Clone, Parser)]
#[command(name = "pbxd", version, about)]
pub struct Args {
    /// The configuration file.
    #[arg(long, env = "PBXD_CONFIG", default_value = DEFAULT_FILE, value_name = "FILE")]
    pub config: PathBuf,
    /// Check the configuration, and whether what it names is there, and exit.
    #[arg(long)]
    pub check_config: bool,
    /// Make a new key, encrypt every secret with it, and exit. Stop pbxd before, and start it after; calls go on.
    #[arg(long, conflicts_with = "check_config")]
    pub rotate_key: bool,
    /// The socket to serve the API on.
    #[arg(long, env = "PBXD_SOCKET", value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// The store: sqlite:///PATH or postgres://USER@HOST/DATABASE. A password does not belong on the command line, where everybody sees
    /// it: it is taken from the file, the environment, or ~/.pgpass.
    #[arg(long, env = "PBXD_STORE", value_name = "URL", hide_env_values = true)]
    pub store: Option<String>,
    /// The file of the key that secrets are encrypted with; made at the first start.
    #[arg(long, env = "PBXD_KEY_FILE", value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// What to log: error, warn, info, debug, trace, or directives of tracing.
    #[arg(long, env = "PBXD_LOG", value_name = "LEVEL")]
    pub log: Option<String>,
    /// Asterisk's configuration folder.
    #[arg(long, env = "PBXD_ASTERISK_CONFIG_DIR", value_name = "DIR")]
    pub asterisk_config_dir: Option<PathBuf>,
    /// Asterisk's log folder.
    #[arg(long, env = "PBXD_ASTERISK_LOG_DIR", value_name = "DIR")]
    pub asterisk_log_dir: Option<PathBuf>,
    /// The host of Asterisk's manager interface.
    #[arg(long, env = "PBXD_AMI_HOST", value_name = "HOST")]
    pub ami_host: Option<String>,
    /// The port of Asterisk's manager interface.
    #[arg(long, env = "PBXD_AMI_PORT", value_name = "PORT")]
    pub ami_port: Option<u16>,
    /// The user of Asterisk's manager interface.
    #[arg(long, env = "PBXD_AMI_USERNAME", value_name = "NAME")]
    pub ami_username: Option<String>,
    /// A file with that user's secret.
    #[arg(long, env = "PBXD_AMI_SECRET_FILE", value_name = "FILE")]
    pub ami_secret_file: Option<PathBuf>,
}

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The socket to serve the API on.
    pub socket: PathBuf,
    /// The store's URL.
    pub store: String,
    /// The file of the key that secrets are encrypted with.
    pub key_file: PathBuf,
    /// What to log.
    pub log: String,
    /// Where Asterisk's files are.
    pub asterisk: Asterisk,
    /// How Asterisk is reached.
    pub ami: Ami,
    /// Who may do what.
    pub access: Access,
    /// How many revisions' folders are kept. The live one and the one before always are.
    pub keep_revisions: usize,
    /// For how many days a revision's folder is kept at most. The live one and the one before stay.
    pub keep_days: u64,
}

/// Where Asterisk's files are.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Asterisk {
    /// Its configuration folder.
    pub config_dir: PathBuf,
    /// The same as Asterisk itself calls it, where that is otherwise: it runs in a container or a `chroot`.
    pub config_dir_inside: Option<PathBuf>,
    /// Its log folder; without it, Asterisk's complaints are not told.
    pub log_dir: PathBuf,
    /// How many seconds it may take to reload a module, and to come back when it goes away while a change is made. With very many
    /// telephones it may take longer.
    pub patience: u64,
}

/// How Asterisk's manager interface is reached.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ami {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The user.
    pub username: String,
    /// The user's secret.
    pub secret: Option<String>,
    /// A file with the user's secret.
    pub secret_file: Option<PathBuf>,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// The certificate of who signed its certificate; the public ones where none is named.
    pub tls_ca: Option<PathBuf>,
}

impl std::fmt::Debug for Ami {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ami({}@{}:{})", self.username, self.host, self.port)
    }
}

/// Who may do what, by the user on the other side of the socket. Root and pbxd's own user may do everything.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Access {
    /// Users who may do everything.
    pub admin_users: Vec<String>,
    /// Groups whose members may do everything.
    pub admin_groups: Vec<String>,
    /// Users who may look and plan.
    pub viewer_users: Vec<String>,
    /// Groups whose members may look and plan.
    pub viewer_groups: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            socket: "/run/pbxd/pbxd.sock".into(),
            store: "sqlite:///var/lib/pbxd/pbxd.db".into(),
            key_file: "/var/lib/pbxd/key".into(),
            log: "info".into(),
            asterisk: Asterisk::default(),
            ami: Ami::default(),
            access: Access::default(),
            keep_revisions: 20,
            keep_days: 90,
        }
    }
}

impl Default for Asterisk {
    fn default() -> Self {
        Self {
            config_dir: "/etc/asterisk".into(),
            config_dir_inside: None,
            log_dir: "/var/log/asterisk".into(),
            patience: 180,
        }
    }
}

impl Asterisk {
    /// Where Asterisk finds what is written for it.
    pub fn place(&self) -> Place {
        Place::new(&self.inside().to_string_lossy()).unwrap_or_default()
    }

    fn inside(&self) -> &Path {
        self.config_dir_inside.as_ref().unwrap_or(&self.config_dir)
    }

    /// How long it may take to reload a module, and to come back when it goes away while a change is made.
    pub fn patience(&self) -> Duration {
        Duration::from_secs(self.patience)
    }
}

impl Default for Ami {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".into(),
            port: 5038,
            username: "pbxd".into(),
            secret: None,
            secret_file: None,
            tls: false,
            tls_ca: None,
        }
    }
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{0}\n  {help}", help = reading_help(.0))]
    Read(std::io::Error),
    /// The file is not what it should be; the parser's message shows line and column.
    #[error("{}: {message}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        message: String,
    },
    /// A value cannot be used.
    #[error("{0}")]
    Value(String),
}

fn reading_help(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            "it holds a secret, and only root and pbxd's own user may read it: try with sudo"
        }
        std::io::ErrorKind::NotFound => "`pbxctl setup` writes this file; --config names another one",
        _ => "--config names another one",
    }
}

/// A mistake in the file, with its line, unless a secret may stand there.
fn told(text: &str, error: &toml::de::Error) -> String {
    let at = error.span().map_or(0, |span| span.start.min(text.len()));
    let from = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[from..].lines().next().unwrap_or_default();
    let number = text[..from].matches('\n').count() + 1;
    // A quote that is not closed is missed on the line after it.
    let before = text[..from.saturating_sub(1)].lines().next_back().unwrap_or_default();
    let key = |line: &str| line.split('=').next().unwrap_or_default().trim().trim_matches(['"', '\'']).to_owned();
    for (line, number) in [(line, number), (before, number.saturating_sub(1))] {
        let key = key(line);
        let whole = line.split_once('=').is_some_and(|(_, value)| {
            let value = value.trim();
            value.len() > 1 && value.starts_with(['"', '\'']) && value.ends_with(['"', '\''])
        });
        if ["secret", "store"].contains(&key.as_str()) && !whole {
            return format!("line {number}: `{key}` is a text in quotes, as in `{key} = \"…\"`");
        }
    }
    let shown = if ["secret", "store"].contains(&key(line).as_str()) {
        String::new()
    } else {
        let bar = " ".repeat(number.to_string().len());
        let column = text[from..at].chars().count();
        format!("\n{bar} |\n{number} | {line}\n{bar} | {}^\n", " ".repeat(column))
    };
    let message = error.message().trim_end();
    let words = in_plain_words(message, &key_before(text, at)).unwrap_or_else(|| message.to_owned());
    format!("line {number}: {words}{shown}")
}

/// The key whose value begins at a byte; of an item, its list's.
fn key_before(text: &str, at: usize) -> String {
    let mut head = text[..at].trim_end();
    if let Some(list) =
        head.rfind('[').filter(|list| !head[*list..].contains(']') && head[..*list].trim_end().ends_with('='))
    {
        head = head[..list].trim_end();
    }
    let key = head.strip_suffix('=').unwrap_or_default().trim_end();
    key.rsplit(['\n', ',', '{', ' ']).next().unwrap_or_default().trim_matches(['"', '\'']).to_owned()
}

/// What the reader says, for somebody who knows the file and not how it is read; nothing where it is plain already.
fn in_plain_words(message: &str, key: &str) -> Option<String> {
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let mut words = rest.split('`').skip(1).step_by(2);
        let field = words.next()?;
        let known: Vec<&str> = words.collect();
        let near = pbx_manifest::nearest(field, known.iter().copied());
        return Some(match near {
            Some(near) => format!("there is no `{field}` here; did you mean `{near}`?"),
            None => format!("there is no `{field}` here; there are `{}`", known.join("`, `")),
        });
    }
    let (what, rest) = message.split_once(": ")?;
    let (found, expected) = rest.rsplit_once(", expected ")?;
    let number = ["u16", "u64", "usize"].contains(&expected);
    if what == "invalid value" && number {
        let most = if expected == "u16" { "from 0 to 65535" } else { "from 0 up" };
        return Some(format!("`{key}` is a whole number {most}"));
    }
    if what != "invalid type" {
        return None;
    }
    let found = match found.split(' ').next()? {
        "string" => "a text",
        "integer" => "a number",
        "floating" => "a number with a fraction",
        "boolean" => "`true` or `false`",
        "sequence" => "a list",
        "map" => "a section",
        _ => return None,
    };
    let usual = Config::default();
    let (expected, value) = match expected {
        _ if number => {
            let value = match key {
                "port" => u64::from(usual.ami.port),
                "patience" => usual.asterisk.patience,
                "keep_days" => usual.keep_days,
                _ => usual.keep_revisions as u64,
            };
            ("a whole number", value.to_string())
        }
        "a boolean" => ("`true` or `false`", "true".to_owned()),
        "a sequence" => ("a list", "[\"…\"]".to_owned()),
        "a string" | "path string" => ("a text in quotes", "\"…\"".to_owned()),
        section if section.starts_with("struct ") => {
            return Some(format!("`{key}` is a section, `[{key}]` with its fields below, and not {found}"));
        }
        _ => return None,
    };
    Some(format!("`{key}` is {expected}, as in `{key} = {value}`, and not {found}"))
}

/// Whether the URL of a store has a password in it.
fn has_password(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let user = rest.split('/').next().and_then(|authority| authority.rsplit_once('@')).map_or("", |(user, _)| user);
    user.contains(':') || query.split('&').any(|option| option.starts_with("password="))
}

impl Args {
    /// Reads a command line. `list` is all of it, with the program's name.
    ///
    /// # Errors
    ///
    /// Wrong usage, to which a password belongs: whoever may list the machine's processes would read it.
    pub fn read(list: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<Self, clap::Error> {
        let mut command = Self::command();
        let matches = command.try_get_matches_from_mut(list)?;
        let args = Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
        let shown = matches.value_source("store") == Some(ValueSource::CommandLine);
        if shown && args.store.as_deref().is_some_and(has_password) {
            let message = format!(
                "--store has a password in it, and everybody on this machine can see it in the list of processes: change it, and put \
                 the URL into {} as `store = \"…\"`, or into the environment as PBXD_STORE; or leave the password out, and put it into \
                 ~/.pgpass",
                args.config.display()
            );
            return Err(command.error(ErrorKind::ValueValidation, message));
        }
        Ok(args)
    }
}

impl Config {
    /// Reads the file and lays environment and flags over it. A file that is not there is an error unless it is the default one
    /// and everything needed comes from the environment.
    pub fn load(args: &Args) -> Result<Self, ConfigError> {
        let mut config = match fs_err::read_to_string(&args.config) {
            Ok(text) => Self::parse(&args.config, &text)?,
            Err(error)
                if error.kind() == std::io::ErrorKind::NotFound
                    && args.config.as_os_str() == DEFAULT_FILE
                    && args.ami_secret_file.is_some() =>
            {
                Self::default()
            }
            Err(error) => return Err(ConfigError::Read(error)),
        };
        macro_rules! over {
            ($($arg:ident => $($field:ident).+;)*) => {$(
                if let Some(value) = &args.$arg {
                    config.$($field).+ = value.clone().into();
                }
            )*};
        }
        over! {
            socket => socket;
            store => store;
            key_file => key_file;
            log => log;
            asterisk_config_dir => asterisk.config_dir;
            asterisk_log_dir => asterisk.log_dir;
            ami_host => ami.host;
            ami_port => ami.port;
            ami_username => ami.username;
            ami_secret_file => ami.secret_file;
        }
        if let Some(path) = &config.ami.secret_file {
            let secret = fs_err::read_to_string(path)
                .map_err(|error| ConfigError::Value(format!("[ami] secret_file: {error}")))?;
            config.ami.secret = Some(secret.trim_end().to_owned());
        }
        config.check()?;
        Ok(config)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| ConfigError::Parse { path: path.to_owned(), message: told(text, &error) })
    }

    fn check(&self) -> Result<(), ConfigError> {
        let wrong = |message: String| Err(ConfigError::Value(message));
        if self.ami.secret.as_ref().is_none_or(String::is_empty) {
            return wrong(
                "[ami] needs `secret` or `secret_file`: the secret of the manager user; `pbxctl setup` makes one"
                    .into(),
            );
        }
        if let Err(error) = self.store.parse::<pbx_store::Location>() {
            return wrong(format!(
                "`store`: {error}; it starts with sqlite:// or postgres://, as in `sqlite:///var/lib/pbxd/pbxd.db`"
            ));
        }
        if !self.socket.is_absolute() {
            return wrong(format!("`socket` must be an absolute path, not `{}`", self.socket.display()));
        }
        if self.ami.username.is_empty() {
            return wrong("[ami] username is empty; `pbxctl setup` makes a manager user named `pbxd`".into());
        }
        if !self.asterisk.config_dir.is_absolute() {
            return wrong(format!(
                "[asterisk] config_dir must be an absolute path, not `{}`",
                self.asterisk.config_dir.display()
            ));
        }
        if Place::new(&self.asterisk.inside().to_string_lossy()).is_none() {
            return wrong(format!(
                "[asterisk] {} must be an absolute path without `, ; | & ^ $` and brackets, which Asterisk's files cannot carry, not `{}`",
                if self.asterisk.config_dir_inside.is_some() { "config_dir_inside" } else { "config_dir" },
                self.asterisk.inside().display()
            ));
        }
        if self.keep_revisions < 2 {
            return wrong("`keep_revisions` must be at least 2: the live one and the one before".into());
        }
        if self.keep_days < 1 {
            return wrong("`keep_days` must be at least 1".into());
        }
        if self.asterisk.patience < 1 {
            return wrong("[asterisk] patience must be at least 1, in seconds: how long a reload may take".into());
        }
        // A word that is no level would be taken for the name of a part of pbxd, and everything else be silent.
        let level = |word: &str| word.contains('=') || word.trim().parse::<LevelFilter>().is_ok();
        if !self.log.split(',').all(level) || self.log.parse::<tracing_subscriber::filter::Targets>().is_err() {
            return wrong(format!("`log`: `{}` is no level; one of error, warn, info, debug, trace", self.log));
        }
        Ok(())
    }

    /// For how long a revision's folder is kept at most.
    pub fn keep_for(&self) -> Duration {
        Duration::from_secs(self.keep_days.saturating_mul(86_400))
    }

    /// The store's URL without a password.
    pub fn store_shown(&self) -> String {
        self.store
            .parse::<pbx_store::Location>()
            .map_or_else(|_| "not a store's URL".into(), |location| location.to_string())
    }

    /// How Asterisk is reached, for the client.
    pub fn ami_options(&self) -> ami::Options {
        let host = if self.ami.host.contains(':') { format!("[{}]", self.ami.host) } else { self.ami.host.clone() };
        let mut options = ami::Options::new(
            format!("{host}:{}", self.ami.port),
            &self.ami.username,
            self.ami.secret.as_deref().unwrap_or_default(),
        );
        // What does not take long is waited for no longer than what does.
        options.action_timeout = options.action_timeout.min(self.asterisk.patience());
        if self.ami.tls {
            options.tls = Some(ami::Tls { ca: self.ami.tls_ca.clone(), server_name: Some(self.ami.host.clone()) });
        }
        options
    }
}
