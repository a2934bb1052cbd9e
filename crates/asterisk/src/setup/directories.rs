//! Where an Asterisk keeps its files.

use std::path::PathBuf;

use super::Tree;

/// The folders that matter here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directories {
    /// Configuration.
    pub etc: PathBuf,
    /// Logs.
    pub log: PathBuf,
    /// Voicemail, recordings.
    pub spool: PathBuf,
    /// The control socket.
    pub run: PathBuf,
    /// Modules.
    pub modules: Option<PathBuf>,
}

impl Default for Directories {
    /// As every distribution builds it.
    fn default() -> Self {
        Self {
            etc: "/etc/asterisk".into(),
            log: "/var/log/asterisk".into(),
            spool: "/var/spool/asterisk".into(),
            run: "/var/run/asterisk".into(),
            modules: None,
        }
    }
}

impl Directories {
    /// As `asterisk.conf` says. A section `[directories](!)`, as Debian ships it, is a template and says nothing: Asterisk then
    /// uses what it was built with.
    pub fn of(asterisk_conf: &Tree) -> Self {
        let mut own = Self::default();
        let Some(section) = asterisk_conf.section("directories") else { return own };
        let take = |key: &str, to: &mut PathBuf| {
            if let Some(value) = section.value(key).filter(|value| !value.is_empty()) {
                *to = value.into();
            }
        };
        take("astetcdir", &mut own.etc);
        take("astlogdir", &mut own.log);
        take("astspooldir", &mut own.spool);
        take("astrundir", &mut own.run);
        own.modules = section.value("astmoddir").filter(|value| !value.is_empty()).map(PathBuf::from);
        own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Directories {
        let none = &mut |_: &str| Ok::<_, ()>(Vec::new());
        Directories::of(&Tree::read("asterisk.conf", text.as_bytes().to_vec(), none).unwrap())
    }

    #[test]
    fn folders_are_where_the_file_says() {
        let own = of("[directories]\nastetcdir => /a/etc ; here\nastlogdir = /a/log\nastmoddir => /m\n");
        assert_eq!((own.etc, own.log), ("/a/etc".into(), "/a/log".into()));
        assert_eq!((own.run, own.modules), ("/var/run/asterisk".into(), Some("/m".into())));
    }

    #[test]
    fn a_template_says_nothing() {
        assert_eq!(of("[directories](!)\nastetcdir => /a/etc\n"), Directories::default());
        assert_eq!(of(""), Directories::default());
    }
}
