//! The configuration that a system needs: from a catalog, its graph and its secrets to files.

mod conference;
pub mod database;
mod dialplan;
mod file;
pub mod logins;
mod music;
mod parking;
mod pjsip;
mod queue;
mod rtp;
mod sound;
mod voicemail;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use pbx_manifest::{Catalog, Kind, Name, ObjectRef};
use pbx_routing::CallGraph;

pub(crate) use file::REMARK;
pub use file::{ConfigFile, MASK, Section};
pub(crate) use music::FFMPEG;
pub(crate) use queue::keeps_order;

/// The values of secrets, by object and path below `spec`. Never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    values: HashMap<ObjectRef, Arc<BTreeMap<String, String>>>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({} objects)", self.values.len())
    }
}

impl Secrets {
    /// Puts a value in.
    pub fn insert(&mut self, object: ObjectRef, path: impl Into<String>, value: impl Into<String>) {
        Arc::make_mut(self.values.entry(object).or_default()).insert(path.into(), value.into());
    }

    /// The secrets of an object, by path.
    pub fn of(&self, object: &ObjectRef) -> Option<&BTreeMap<String, String>> {
        self.values.get(object).map(Arc::as_ref)
    }

    /// Puts the secrets of an object in place of those it had.
    pub fn replace(&mut self, object: &ObjectRef, secrets: BTreeMap<String, String>) {
        if secrets.is_empty() {
            self.values.remove(object);
        } else {
            self.values.insert(object.clone(), Arc::new(secrets));
        }
    }

    /// The value of a secret. One that is missing reads as empty, which Asterisk takes for "no password is accepted".
    pub fn get(&self, kind: Kind, name: &Name, path: &str) -> &str {
        let object = ObjectRef::new(kind, name.clone());
        self.values.get(&object).and_then(|all| all.get(path)).map_or("", String::as_str)
    }
}

/// Where Asterisk finds what pbxd writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Asterisk's configuration folder as Asterisk itself calls it, which in a container or a `chroot` is not as others do. Without a
    /// slash at its end.
    pub directory: String,
}

impl Default for Place {
    /// As every distribution has it.
    fn default() -> Self {
        Self { directory: "/etc/asterisk".to_owned() }
    }
}

impl Place {
    /// The folder of a path, unless its name cannot stand in Asterisk's files: some of them split such names.
    pub fn new(directory: &str) -> Option<Self> {
        let plain = |c: char| !c.is_control() && !",|;&^$\"()[]{}<>\\".contains(c);
        let trimmed = directory.trim_end_matches('/');
        (directory.starts_with('/') && trimmed.chars().all(plain)).then(|| Self { directory: trimmed.to_owned() })
    }
}

/// The files of a revision, by name. Each is included once by the main file of the same name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigTree {
    files: BTreeMap<&'static str, Arc<ConfigFile>>,
}

/// The files that every revision has, with the module that each is read by, in the order in which modules are reloaded: where
/// calls go must be there before what sends them, music before the queue that plays it, a queue before the dialplan, and that before
/// the telephones.
pub const FILES: [(&str, &str); 8] = [
    ("rtp.conf", "res_rtp_asterisk.so"),
    ("voicemail.conf", "app_voicemail.so"),
    ("musiconhold.conf", "res_musiconhold.so"),
    ("confbridge.conf", "app_confbridge.so"),
    ("queues.conf", "app_queue.so"),
    ("res_parking.conf", "res_parking.so"),
    ("extensions.conf", "pbx_config.so"),
    ("pjsip.conf", "res_pjsip.so"),
];

/// What a file says of itself in its first line.
fn about(name: &str) -> &'static str {
    match name {
        "pjsip.conf" => "SIP: transports, telephones, carriers.",
        "extensions.conf" => "Where calls go.",
        "voicemail.conf" => "Voicemail boxes.",
        "musiconhold.conf" => "What callers hear while they wait.",
        "confbridge.conf" => "Conferences.",
        "queues.conf" => "Queues and those who are always logged in to them.",
        "res_parking.conf" => "Where calls are parked.",
        _ => "Speech: ports, STUN and TURN.",
    }
}

fn yes_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

/// The id of an object's SIP objects in Asterisk; nothing for objects that have none. A group may be named as an extension is.
pub fn sip_id(object: &ObjectRef) -> Option<String> {
    match object.kind {
        Kind::Extension => Some(object.name.to_string()),
        Kind::Carrier => Some(pjsip::carrier_id(&object.name)),
        _ => None,
    }
}

impl ConfigTree {
    /// The configuration of nothing at all: the files are there and say nothing.
    pub fn empty() -> Self {
        Self { files: FILES.into_iter().map(|(name, _)| (name, Arc::new(ConfigFile::new(about(name))))).collect() }
    }

    /// The files, by name.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &ConfigFile)> {
        self.files.iter().map(|(name, file)| (*name, file.as_ref()))
    }

    /// A file by its name.
    pub fn file(&self, name: &str) -> Option<&ConfigFile> {
        self.files.get(name).map(Arc::as_ref)
    }

    /// The modules that must be reloaded to get from one tree to another, in order, with the files that ask for it.
    pub fn reloads(&self, from: &Self) -> Vec<(&'static str, &'static str)> {
        FILES
            .into_iter()
            .filter(|(name, _)| self.file(name).map(ConfigFile::text) != from.file(name).map(ConfigFile::text))
            .collect()
    }
}

/// Writes the configuration of a checked system. Deterministic: the same input gives the same bytes.
pub fn render(catalog: &Catalog, secrets: &Secrets, place: &Place) -> ConfigTree {
    let Ok(tree) = render_checked(catalog, secrets, place, |_| Ok::<_, std::convert::Infallible>(()));
    tree
}

/// [`render`] for a system whose `check`, which looks at its graph, is still to be made. Files are written side by side, and while it is
/// being made: what it refuses was written in vain.
pub fn render_checked<E>(
    catalog: &Catalog,
    secrets: &Secrets,
    place: &Place,
    check: impl FnOnce(&CallGraph) -> Result<(), E>,
) -> Result<ConfigTree, E> {
    let (dialplan, rest) = std::thread::scope(|scope| {
        // Those that need no graph.
        let rest = scope.spawn(|| {
            [
                ("pjsip.conf", pjsip::render(catalog, secrets)),
                ("voicemail.conf", voicemail::render(catalog, secrets)),
                ("musiconhold.conf", music::render(catalog, place)),
                ("confbridge.conf", conference::render(catalog)),
                ("queues.conf", queue::render(catalog, place)),
                ("res_parking.conf", parking::render(catalog)),
                ("rtp.conf", rtp::render(catalog, secrets)),
            ]
        });
        let graph = CallGraph::new(catalog);
        let dialplan = check(&graph).map(|()| dialplan::render(catalog, &graph, secrets));
        (dialplan, rest.join())
    });
    // First what is wrong: it may be why something could not be written.
    let dialplan = dialplan?;
    let rest = rest.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let files = rest.into_iter().chain([("extensions.conf", dialplan)]);
    Ok(ConfigTree { files: files.map(|(name, file)| (name, Arc::new(file))).collect() })
}
