//! The kinds: one list from which everything that must know them all follows.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value as Json;

use crate::check::Checker;
use crate::de;
use crate::diagnostic::nearest;
use crate::effective::Wanted;
use crate::secret::Secret;
use crate::sound::Audio;
use crate::text::{Name, Refused, refuse, text_value};
use crate::yaml::Node;

/// What a kind's type must say of itself. Adding a kind is a file in `kinds/` with its type and this, and a line in the list below.
pub trait Spec:
    Serialize + serde::de::DeserializeOwned + schemars::JsonSchema + Clone + PartialEq + fmt::Debug
{
    /// Refuses a name that the kind cannot have.
    fn check_name(_name: &Name) -> Result<(), Refused> {
        Ok(())
    }

    /// Finds what is wrong beyond single values: references, ranges, fields that need each other.
    fn check(&self, _name: &Name, _checker: &mut Checker<'_>) {}

    /// Its secrets, by the path of their field below `spec`. A secret of a part that is turned off is left out.
    fn secrets(&self) -> Vec<(String, &Secret)> {
        Vec::new()
    }

    /// Its files of audio, by the path of their field below `spec`.
    fn audio(&self) -> Vec<(String, &Audio)> {
        Vec::new()
    }

    /// Whether the object takes part; an object that is turned off is kept and not rendered.
    fn enabled(&self) -> bool;
}

/// An object of a kind: what was written around its spec, and the spec.
#[derive(Debug, Clone, PartialEq)]
pub struct Object<S> {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What it is.
    pub spec: S,
}

macro_rules! kinds {
    ($($Kind:ident, $field:ident, $one:literal, $many:literal, $short:literal, $about:literal;)*) => {
        /// A kind of object.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $(#[doc = $about] $Kind,)*
        }

        impl Kind {
            /// Every kind, in the order in which they are shown.
            pub const ALL: &'static [Kind] = &[$(Kind::$Kind),*];

            /// As a manifest's `kind` says it.
            pub fn title(self) -> &'static str {
                match self { $(Kind::$Kind => stringify!($Kind),)* }
            }

            /// As commands and references say it: `extension`.
            pub fn singular(self) -> &'static str {
                match self { $(Kind::$Kind => $one,)* }
            }

            /// As lists say it: `extensions`.
            pub fn plural(self) -> &'static str {
                match self { $(Kind::$Kind => $many,)* }
            }

            /// As quick hands type it.
            pub fn short(self) -> &'static str {
                match self { $(Kind::$Kind => $short,)* }
            }

            /// What it is, in a sentence.
            pub fn about(self) -> &'static str {
                match self { $(Kind::$Kind => $about,)* }
            }

            /// The JSON Schema of its spec.
            pub fn spec_schema(self, generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                match self { $(Kind::$Kind => generator.subschema_for::<crate::kinds::$Kind>(),)* }
            }

            /// Refuses a name that the kind cannot have.
            pub fn check_name(self, name: &Name) -> Result<(), Refused> {
                match self { $(Kind::$Kind => <crate::kinds::$Kind as Spec>::check_name(name),)* }
            }
        }

        /// The spec of an object of any kind.
        #[derive(Debug, Clone, PartialEq)]
        pub enum AnySpec {
            $(#[doc = $about] $Kind(Box<crate::kinds::$Kind>),)*
        }

        impl AnySpec {
            /// Reads the spec of a kind from a node.
            pub(crate) fn from_node(kind: Kind, node: &Node<'_>) -> Result<Self, de::Error> {
                match kind { $(Kind::$Kind => de::from_node(node).map(|spec| Self::$Kind(Box::new(spec))),)* }
            }

            /// Reads the spec of a kind from JSON, as records keep it.
            pub fn from_json(kind: Kind, json: &Json) -> Result<Self, serde_json::Error> {
                match kind { $(Kind::$Kind => serde::Deserialize::deserialize(json).map(|spec| Self::$Kind(Box::new(spec))),)* }
            }

            /// Every field with its value, defaults included.
            pub fn to_json(&self) -> Json {
                match self { $(Self::$Kind(spec) => serde_json::to_value(spec).unwrap_or_default(),)* }
            }

            /// Its kind.
            pub fn kind(&self) -> Kind {
                match self { $(Self::$Kind(_) => Kind::$Kind,)* }
            }

            /// Its secrets, by the path of their field below `spec`.
            pub fn secrets(&self) -> Vec<(String, &Secret)> {
                match self { $(Self::$Kind(spec) => spec.secrets(),)* }
            }

            /// Its files of audio, by the path of their field below `spec`.
            pub fn audio(&self) -> Vec<(String, &Audio)> {
                match self { $(Self::$Kind(spec) => spec.audio(),)* }
            }
        }

        /// A whole system: every object, by kind and name. A copy shares its objects: one of ten thousand that differs costs one.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct Catalog {
            $(#[doc = $about] pub $field: BTreeMap<Name, Arc<Object<crate::kinds::$Kind>>>,)*
        }

        impl Catalog {
            /// Puts an object in, in place of one of the same kind and name.
            pub fn insert(&mut self, name: Name, labels: BTreeMap<String, String>, spec: AnySpec) {
                match spec { $(AnySpec::$Kind(spec) => { self.$field.insert(name, Arc::new(Object { labels, spec: *spec })); })* }
            }

            /// Takes an object out.
            pub fn remove(&mut self, object: &ObjectRef) {
                match object.kind { $(Kind::$Kind => { self.$field.remove(&object.name); })* }
            }

            /// Whether there is an object of a kind and name.
            pub fn contains(&self, kind: Kind, name: &str) -> bool {
                match kind { $(Kind::$Kind => self.$field.contains_key(name),)* }
            }

            /// Whether there is one and it is turned on; `None` when there is none.
            pub fn enabled(&self, kind: Kind, name: &str) -> Option<bool> {
                match kind { $(Kind::$Kind => self.$field.get(name).map(|object| object.spec.enabled()),)* }
            }

            /// The fields of an object's spec with their values, defaults included: all, or those that are wanted.
            pub(crate) fn spec_json(&self, object: &ObjectRef, wanted: Option<&Wanted>) -> Option<Json> {
                match object.kind {
                    $(Kind::$Kind => {
                        let found = self.$field.get(&object.name)?;
                        Some(match wanted {
                            None => serde_json::to_value(&found.spec).unwrap_or_default(),
                            Some(wanted) => wanted.of(&found.spec),
                        })
                    })*
                }
            }

            /// The names of a kind.
            pub fn names(&self, kind: Kind) -> Vec<&Name> {
                match kind { $(Kind::$Kind => self.$field.keys().collect(),)* }
            }

            /// Every file of audio, with the object that names it and the path of its field below `spec`.
            pub fn audio(&self) -> impl Iterator<Item = (ObjectRef, String, &Audio)> {
                let all = std::iter::empty();
                $(let all = all.chain(self.$field.iter().flat_map(|(name, object)| {
                    let own = object.spec.audio().into_iter();
                    own.map(|(path, audio)| (ObjectRef::new(Kind::$Kind, name.clone()), path, audio))
                }));)*
                all
            }

            /// How many objects there are of all kinds.
            pub fn len(&self) -> usize {
                0 $(+ self.$field.len())*
            }

            /// Runs every kind's own checks.
            pub(crate) fn check_each<'c>(&'c self, checker: &mut Checker<'c>) {
                $(for (name, object) in &self.$field {
                    checker.enter(Kind::$Kind, name);
                    checker.name(<crate::kinds::$Kind as Spec>::check_name(name));
                    checker.labels(&object.labels);
                    object.spec.check(name, checker);
                })*
            }
        }
    };
}

kinds! {
    Settings, settings, "settings", "settings", "set", "What holds for the whole telephone system: zone, language, addresses, codes.";
    Schedule, schedules, "schedule", "schedules", "sched", "Opening hours by weekday in a time zone, with holidays.";
    ExtensionProfile, profiles, "profile", "profiles", "prof", "What many extensions share.";
    Extension, extensions, "extension", "extensions", "ext", "A person's or device's telephone: a SIP endpoint with its number.";
    ExtensionGroup, groups, "group", "groups", "grp", "Extensions that ring together or one after another.";
    Carrier, carriers, "carrier", "carriers", "car", "A trunk to the telephone network or another system.";
    OutboundRoute, routes, "route", "routes", "rt", "Which dialled numbers go out by which carriers, and who may dial them.";
    Did, dids, "did", "dids", "did", "A number that callers dial from outside, and where its calls go.";
    BlockFilter, filters, "filter", "filters", "blk", "Who may not call: numbers, prefixes, patterns, each for as long as it says.";
    Ivr, ivrs, "ivr", "ivrs", "ivr", "A menu: a flow of named nodes that callers walk by keys, hours and numbers.";
    RingTree, trees, "tree", "trees", "tree", "What rings, and what then, up to three levels deep.";
    Queue, queues, "queue", "queues", "q", "Callers wait for whoever is free of its members.";
    Mailbox, mailboxes, "mailbox", "mailboxes", "box", "A voicemail box that many share.";
    Announcement, announcements, "announcement", "announcements", "ann", "Something that is said to callers.";
    HoldMusic, music, "music", "music", "moh", "What callers hear while they wait.";
    Soundboard, soundboards, "soundboard", "soundboards", "snd", "Clips that agents play into calls.";
    ParkingLot, parking, "parking", "parking", "lot", "Where calls are parked, and taken by dialling a slot's number.";
    Conference, conferences, "conference", "conferences", "conf", "A room in which callers speak with each other.";
    BreakCode, break_codes, "break", "breaks", "brk", "Why an agent takes a break.";
    Disposition, dispositions, "disposition", "dispositions", "disp", "What became of a call.";
}

impl Catalog {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Kind {
    /// Finds a kind by any of its words: `Extension`, `extension`, `extensions`, `ext`.
    pub fn find(word: &str) -> Option<Self> {
        // As it is nearly always written: an answer has ten thousand of them.
        if let Some(kind) = Self::ALL.iter().copied().find(|kind| kind.singular() == word) {
            return Some(kind);
        }
        let word = word.to_lowercase();
        Self::ALL.iter().copied().find(|kind| {
            [kind.singular(), kind.plural(), kind.short(), kind.title().to_lowercase().as_str()]
                .contains(&word.as_str())
                || word.strip_suffix('s') == Some(kind.title().to_lowercase().as_str())
        })
    }

    /// The nearest kind to a word that is none, as manifests write it.
    pub fn nearest(word: &str) -> Option<&'static str> {
        nearest(word, Self::ALL.iter().map(|kind| kind.title()))
    }

    /// The nearest kind to a word that is none, as commands write it.
    pub fn nearest_noun(word: &str) -> Option<&'static str> {
        nearest(word, Self::ALL.iter().flat_map(|kind| [kind.singular(), kind.plural()]))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.singular())
    }
}

impl FromStr for Kind {
    type Err = Refused;
    fn from_str(word: &str) -> Result<Self, Refused> {
        if let Some(kind) = Self::find(word) {
            return Ok(kind);
        }
        let all = Self::ALL.iter().map(|kind| kind.plural()).collect::<Vec<_>>().join(", ");
        refuse(
            format!("`{}` is not a kind", word.escape_debug()),
            Self::nearest_noun(word).map_or(format!("the kinds are {all}"), |near| format!("did you mean `{near}`?")),
        )
    }
}

text_value!(Kind, "Kind", "a kind", { "examples": ["extension"] });

/// An object's kind and name, written `extension/1001`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: Name,
}

impl ObjectRef {
    /// A reference to an object of a kind and name.
    pub fn new(kind: Kind, name: Name) -> Self {
        Self { kind, name }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

impl FromStr for ObjectRef {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        match text.split_once('/') {
            Some((kind, name)) => Ok(Self { kind: kind.parse()?, name: name.parse()? }),
            None => refuse(
                format!("`{}` names no object", text.escape_debug()),
                "a kind and a name, as in `extension/1001`",
            ),
        }
    }
}

text_value!(ObjectRef, "ObjectRef", "an object as `extension/1001`", { "examples": ["extension/1001"] });
