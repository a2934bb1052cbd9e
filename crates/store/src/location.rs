//! Where a database is: its URL, taken apart once, and shown without its password ever after.

use std::{fmt, path::PathBuf, str::FromStr};

use sqlx::postgres::PgConnectOptions;

use crate::error::StoreError;

/// Where a database is.
pub enum Location {
    /// A file.
    Sqlite(PathBuf),
    /// A server.
    Postgres(Box<PgConnectOptions>),
}

impl FromStr for Location {
    type Err = StoreError;

    fn from_str(url: &str) -> Result<Self, StoreError> {
        let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
        // Before it is taken apart it is unknown where the password is, if not which part it cannot be.
        let refuse = |what: &str| StoreError::Url { url: format!("{scheme}:…"), what: what.to_owned() };
        match scheme {
            "sqlite" => {
                let path = rest.strip_prefix("//").unwrap_or(rest);
                if !path.starts_with('/') {
                    return Err(refuse("the file's path must be absolute"));
                }
                if path.ends_with('/') {
                    return Err(refuse("it names a folder, not a file"));
                }
                if path.contains(['?', '#', '%']) {
                    return Err(refuse("the file's path is taken as it is, and cannot have ?, # or % in it"));
                }
                Ok(Self::Sqlite(path.into()))
            }
            "postgres" | "postgresql" => {
                let options = url.parse::<PgConnectOptions>().map_err(|error| refuse(&error.to_string()))?;
                Ok(Self::Postgres(Box::new(options.application_name("pbxd"))))
            }
            _ if rest.is_empty() => {
                Err(StoreError::Url { url: "what was given".to_owned(), what: "it has no scheme".to_owned() })
            }
            _ => Err(refuse("the scheme is unknown")),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(options) => {
                write!(f, "postgres://{}@", options.get_username())?;
                match options.get_socket() {
                    Some(socket) => write!(f, "{}", socket.display())?,
                    None => write!(f, "{}:{}", options.get_host(), options.get_port())?,
                }
                write!(f, "/{}", options.get_database().unwrap_or(options.get_username()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(url: &str) -> String {
        match url.parse::<Location>() {
            Ok(location) => location.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_location_is_shown_without_its_password() {
        assert_eq!(show("sqlite:///var/lib/pbxd/pbxd.db"), "sqlite:///var/lib/pbxd/pbxd.db");
        assert_eq!(show("postgres://pbxd:hunter2@db.example:5433/pbx"), "postgres://pbxd@db.example:5433/pbx");
        for url in [
            "postgres://pbxd:hunter2@db.example:54x33/pbx",
            "postgresql://pbxd:hunter2@[::1/pbx",
            "postgres://pbxd:hunter2@db.example/pbx?sslmode=perhaps",
            "mysql://pbxd:hunter2@db.example/pbx",
            "hunter2",
        ] {
            let shown = show(url);
            assert!(shown.contains("is not the URL of a database"), "{shown}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn a_file_is_named_by_its_absolute_path() {
        for url in ["sqlite::memory:", "sqlite://pbxd.db", "sqlite:", "sqlite:///var/lib/", "sqlite:///a.db?mode=ro"] {
            assert!(show(url).contains("is not the URL of a database"), "{url}");
        }
    }
}
