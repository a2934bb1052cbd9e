//! What is kept of an object, and how a set of manifests is merged into it.
//!
//! A record holds only the fields that someone named, and who named each. So a field that a set stops naming falls back to its
//! default, a field it never named stays, and two sets that want different values are told about each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::diagnostic::Diagnostic;
use crate::document::{Label, read_spec, refusal};
use crate::kind::{Catalog, ObjectRef};
use crate::sound::Audio;
use crate::text::{Name, Refused, refuse};

/// What is said of an object besides its name and its spec.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// Words to select it by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Whether it is refused to be deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub protected: bool,
}

/// What is kept of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Its labels, and whether it is protected.
    #[serde(flatten)]
    pub meta: Meta,
    /// The name it had before it was given its present one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<Name>,
    /// The fields that were named.
    pub spec: Json,
    /// The set that made it, which owns every field that is not in `owners`.
    pub owner: String,
    /// Fields of another owner, by path. One that is not there was taken away by its owner, who wants the default.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub owners: BTreeMap<String, String>,
    /// A keyed fingerprint of each secret, by path below `spec`: tells that it changed, not what it is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, String>,
}

/// Every object, as it is kept. A copy shares its records: [`revise`] changes one.
pub type Records = BTreeMap<ObjectRef, Arc<Record>>;

/// Changes a shared record. One that comes out as it was stays shared: what comes after sees at once that nothing changed.
pub fn revise<T>(shared: &mut Arc<Record>, change: impl FnOnce(&mut Record) -> T) -> T {
    let mut record = Record::clone(shared);
    let done = change(&mut record);
    if record != **shared {
        *shared = Arc::new(record);
    }
    done
}

/// What a set says of an object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Declaration {
    /// Which object.
    pub object: ObjectRef,
    /// Its labels, and whether it is protected.
    #[serde(flatten)]
    pub meta: Meta,
    /// The name it has had until now: the object of that name becomes this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<Name>,
    /// The fields that it names.
    pub spec: Json,
    /// The fields that it speaks of, by path (`spec.email`), those below them included; nothing when it speaks of all. A
    /// spreadsheet speaks of its columns: what it does not speak of stays, and what it speaks of and does not name is meant to be
    /// the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Vec<String>>,
}

impl Declaration {
    /// Whether it speaks of a field.
    fn speaks_of(&self, path: &str) -> bool {
        self.scope.as_ref().is_none_or(|scope| scope.iter().any(|own| within(path, own)))
    }
}

/// Whether a path is that of a field or group, or below it.
fn within(path: &str, group: &str) -> bool {
    path.strip_prefix(group).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// A change of single fields, whoever owns them: what `edit`, `enable` and `set` do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Patch {
    /// Which object.
    pub object: ObjectRef,
    /// Fields to set, by path (`spec.displayName`, `metadata.labels.team`).
    #[serde(default)]
    pub set: BTreeMap<String, Json>,
    /// Fields to fall back to their defaults.
    #[serde(default)]
    pub unset: BTreeSet<String>,
}

/// Two owners want different values of a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Conflict {
    /// Of which object.
    pub object: ObjectRef,
    /// Which field.
    pub path: String,
    /// Who owns it.
    pub owner: String,
    /// Its value; nothing when its owner has taken it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Who wants another.
    pub set: String,
    /// Which one; nothing for the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<String>,
}

impl Conflict {
    /// As a finding.
    pub fn diagnostic(&self) -> Diagnostic {
        let wanted = self.wanted.as_deref().unwrap_or("the default");
        let there = self.value.as_ref().map_or_else(|| "taken it away".to_owned(), |value| format!("set {value}"));
        Diagnostic::error("conflict", format!("`{}` wants {wanted} here, but `{}` has {there}", self.set, self.owner))
            .at(self.object.clone(), &self.path)
            .help("agree on one value, or take the field over with `--force-conflicts`")
    }
}

/// Whether a value is one field rather than a group of them: lists are one field, and so is a secret's form. No group of a kind has
/// a field that is named like one of the forms; a test of the schema sees to it. A spec itself may have one, and a group that holds a
/// file of audio, whose content stands behind its path.
fn is_leaf(value: &Json) -> bool {
    !value.is_object() || is_secret_form(value)
}

/// Whether a value is what stands for a secret: `{generate: true}`, `{env: NAME}` and the like.
pub fn is_secret_form(value: &Json) -> bool {
    let Some(map) = value.as_object().filter(|map| map.len() == 1) else { return false };
    map.iter().all(|(key, value)| match key.as_str() {
        "generate" | "env" | "stored" => true,
        "file" => {
            value.as_str().and_then(|text| text.parse::<Audio>().ok()).is_none_or(|audio| audio.content().is_none())
        }
        _ => false,
    })
}

fn collect(prefix: &str, value: &Json, into: &mut BTreeMap<String, Json>) {
    match value {
        Json::Object(map) if !is_leaf(value) => {
            for (key, value) in map {
                collect(&format!("{prefix}.{key}"), value, into);
            }
        }
        _ => {
            into.insert(prefix.to_owned(), value.clone());
        }
    }
}

/// Where `protected` stands.
const PROTECTED: &str = "metadata.protected";

/// The fields of an object, by path.
pub fn fields(meta: &Meta, spec: &Json) -> BTreeMap<String, Json> {
    let mut into = BTreeMap::new();
    for (key, value) in &meta.labels {
        into.insert(format!("metadata.labels.{key}"), Json::String(value.clone()));
    }
    if meta.protected {
        into.insert(PROTECTED.to_owned(), Json::Bool(true));
    }
    if let Json::Object(map) = spec {
        for (key, value) in map {
            collect(&format!("spec.{key}"), value, &mut into);
        }
    }
    into
}

/// Sets a field of a spec. The spec itself is a group whatever its fields are called; below it, a secret's form gives way.
fn set_in(value: &mut Json, path: &[&str], new: Json) {
    let Some((first, rest)) = path.split_first() else {
        *value = new;
        return;
    };
    if !value.is_object() {
        *value = Json::Object(Map::new());
    }
    if let Json::Object(map) = value {
        let inner = map.entry((*first).to_owned()).or_insert(Json::Null);
        if !rest.is_empty() && is_leaf(inner) {
            *inner = Json::Object(Map::new());
        }
        set_in(inner, rest, new);
    }
}

fn unset_in(value: &mut Json, path: &[&str]) {
    let (Json::Object(map), Some((first, rest))) = (value, path.split_first()) else { return };
    if rest.is_empty() {
        map.shift_remove(*first);
    } else if let Some(inner) = map.get_mut(*first) {
        unset_in(inner, rest);
        if inner.as_object().is_some_and(Map::is_empty) {
            map.shift_remove(*first);
        }
    }
}

impl Declaration {
    /// What keeps it from meaning what it says: a spec that is no group of fields would read as one that names none, and a scope
    /// that leads nowhere as one that leaves all fields alone.
    pub fn fault(&self) -> Option<Diagnostic> {
        let told = || {
            Diagnostic::error("type", "a spec is a map of fields")
                .at(self.object.clone(), "spec")
                .help("as in `{ \"displayName\": \"Ana Reyes\" }`; `{}` names none")
        };
        let lost = || {
            self.scope.iter().flatten().find_map(|path| {
                let refused = field_path(path, None).err()?;
                Some(refusal("value", &refused.0).at(self.object.clone(), path))
            })
        };
        if self.spec.is_object() { lost() } else { Some(told()) }
    }
}

impl Patch {
    /// What keeps it from meaning what it says: a path that leads nowhere, a label that no manifest could write.
    pub fn fault(&self) -> Option<Diagnostic> {
        let unset = self.unset.iter().map(|path| (path, None));
        let set = self.set.iter().map(|(path, new)| (path, Some(new)));
        unset.chain(set).find_map(|(path, new)| {
            let refused = field_path(path, new).err()?;
            Some(refusal("value", &refused.0).at(self.object.clone(), path))
        })
    }
}

/// Whether a path is one of a field or a label, and the value one that it can have.
fn field_path(path: &str, new: Option<&Json>) -> Result<(), Refused> {
    if let Some(label) = path.strip_prefix("metadata.labels.") {
        label.parse::<Name>()?;
        return match new {
            None => Ok(()),
            Some(Json::String(value)) => value.parse::<Label>().map(drop),
            Some(_) => refuse("a label's value is text", "letters, digits and `. _ -`, at most 63"),
        };
    }
    if path == PROTECTED {
        return match new {
            None | Some(Json::Bool(_)) => Ok(()),
            Some(_) => refuse("`protected` is true or false", "as in `protected: true`"),
        };
    }
    let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric());
    match path.strip_prefix("spec.") {
        Some(fields) if fields.split('.').all(word) => Ok(()),
        _ => refuse(
            format!("`{}` is not the path of a field", path.escape_debug()),
            "as in `spec.callForward.busy` or `metadata.labels.team`; a list is one field",
        ),
    }
}

impl Record {
    /// A new object, wholly of one set.
    pub fn new(declaration: Declaration, set: &str) -> Self {
        Self {
            meta: declaration.meta,
            renamed_from: None,
            spec: declaration.spec,
            owner: set.to_owned(),
            owners: BTreeMap::new(),
            secrets: BTreeMap::new(),
        }
    }

    /// Who owns a field.
    pub fn owner_of(&self, path: &str) -> &str {
        self.owners.get(path).unwrap_or(&self.owner)
    }

    /// Its fields, by path.
    pub fn fields(&self) -> BTreeMap<String, Json> {
        fields(&self.meta, &self.spec)
    }

    /// Sets a field for an owner; a group of fields, each of them.
    pub fn set(&mut self, path: &str, value: Json, owner: &str) {
        if path.starts_with("spec.") && !is_leaf(&value) {
            let mut each = BTreeMap::new();
            collect(path, &value, &mut each);
            self.take_away(path, owner);
            for (path, value) in each {
                self.set(&path, value, owner);
            }
            return;
        }
        if let Some(label) = path.strip_prefix("metadata.labels.") {
            self.meta.labels.insert(label.to_owned(), value.as_str().unwrap_or_default().to_owned());
        } else if path == PROTECTED {
            self.meta.protected = value == Json::Bool(true);
        } else if let Some(path) = path.strip_prefix("spec.") {
            set_in(&mut self.spec, &path.split('.').collect::<Vec<_>>(), value);
        }
        if owner == self.owner {
            self.owners.remove(path);
        } else {
            self.owners.insert(path.to_owned(), owner.to_owned());
        }
    }

    /// Lets a field fall back to its default.
    pub fn unset(&mut self, path: &str) {
        if let Some(label) = path.strip_prefix("metadata.labels.") {
            self.meta.labels.remove(label);
        } else if path == PROTECTED {
            self.meta.protected = false;
        } else if let Some(path) = path.strip_prefix("spec.") {
            unset_in(&mut self.spec, &path.split('.').collect::<Vec<_>>());
        }
        self.owners.retain(|own, _| !within(own, path));
    }

    /// Lets a field, or each of a group, fall back to its default, and remembers for whom, so that it does not come back in silence:
    /// who took away a field of another owner owns it from now on. Who takes away a field of its own gives it up.
    fn take_away(&mut self, path: &str, owner: &str) {
        let there = self.fields();
        let gone = there.keys().filter(|own| within(own, path) && self.owner_of(own) != owner);
        let gone = gone.chain(self.owners.keys().filter(|own| within(own, path) && !there.contains_key(*own)));
        let gone: Vec<String> = gone.cloned().collect();
        self.unset(path);
        self.owners.extend(gone.into_iter().map(|path| (path, owner.to_owned())));
    }

    /// Applies what a set says now: the fields it names are set and its own, those it no longer names fall back, and those of
    /// others stay. A declaration that says which fields it speaks of leaves all others as they are, and wants the default where it
    /// speaks of a field and does not name it. With `force`, fields of others are taken over instead of conflicting. A field that
    /// another has taken away is that other's too, until the set that made the object no longer names it either.
    pub fn merge(&mut self, declaration: &Declaration, set: &str, force: bool) -> Vec<Conflict> {
        let wanted = fields(&declaration.meta, &declaration.spec);
        let present = self.fields();
        let mut conflicts = Vec::new();
        let conflict = |record: &Self, path: &str, there: Option<&Json>, wanted: Option<&Json>| Conflict {
            object: declaration.object.clone(),
            path: path.to_owned(),
            owner: record.owner_of(path).to_owned(),
            value: there.map(plain),
            set: set.to_owned(),
            wanted: wanted.map(plain),
        };
        for (path, there) in present.iter().filter(|(path, _)| !wanted.contains_key(*path)) {
            if !declaration.speaks_of(path) {
                continue;
            }
            if self.owner_of(path) == set || (force && declaration.scope.is_some()) {
                self.unset(path);
            } else if declaration.scope.is_some() {
                conflicts.push(conflict(self, path, Some(there), None));
            }
        }
        let agreed =
            |path: &str| !present.contains_key(path) && !wanted.contains_key(path) && declaration.speaks_of(path);
        if self.owner == set {
            self.owners.retain(|path, _| !agreed(path));
        }
        for (path, value) in wanted {
            match present.get(&path) {
                // With `force` the same value is taken over too: nobody else's it is then.
                Some(there) if *there == value && (!force || self.owner_of(&path) == set) => {}
                None if !self.owners.contains_key(&path) => self.set(&path, value, set),
                there if self.owner_of(&path) != set && !force => {
                    conflicts.push(conflict(self, &path, there, Some(&value)));
                }
                _ => self.set(&path, value, set),
            }
        }
        conflicts
    }

    /// Applies a patch; every field it names is then owned by `owner`, those of others that it takes away too.
    pub fn patch(&mut self, patch: &Patch, owner: &str) {
        for path in &patch.unset {
            self.take_away(path, owner);
        }
        for (path, value) in &patch.set {
            self.set(path, value.clone(), owner);
        }
    }
}

/// A value as people write it: text without quotes, the rest as JSON.
pub fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

/// What happens to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is new.
    Create,
    /// Some of its fields change.
    Update,
    /// It goes.
    Delete,
}

/// A field that changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldChange {
    /// Which field.
    pub path: String,
    /// What it was; nothing when it was not named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Json>,
    /// What it will be; nothing when it falls back to its default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Json>,
    /// Its value is a secret that changes; neither value is shown.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secret: bool,
}

/// An object that changes, field by field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectChange {
    /// Which object.
    pub object: ObjectRef,
    /// What happens to it.
    pub action: Action,
    /// The object it was until now, when it gets another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<ObjectRef>,
    /// Its fields that change, by path.
    pub fields: Vec<FieldChange>,
}

fn changed_fields(before: Option<&Record>, after: Option<&Record>) -> Vec<FieldChange> {
    let old = before.map(Record::fields).unwrap_or_default();
    let new = after.map(Record::fields).unwrap_or_default();
    let mut changes: Vec<FieldChange> = old
        .keys()
        .chain(new.keys())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .filter(|path| old.get(*path) != new.get(*path))
        .map(|path| FieldChange {
            path: path.clone(),
            before: old.get(path).cloned(),
            after: new.get(path).cloned(),
            secret: false,
        })
        .collect();
    if let (Some(before), Some(after)) = (before, after) {
        for (path, fingerprint) in &after.secrets {
            if before.secrets.get(path).is_some_and(|old| old != fingerprint) {
                let path = format!("spec.{path}");
                changes.retain(|change| change.path != path);
                changes.push(FieldChange { path, before: None, after: None, secret: true });
            }
        }
    }
    changes
}

/// What changes between two states of a system, by kind and name.
pub fn changes(before: &Records, after: &Records) -> Vec<ObjectChange> {
    let mut all = Vec::new();
    let mut renamed: BTreeMap<ObjectRef, ObjectRef> = BTreeMap::new();
    for (object, new) in after.iter().filter(|(object, _)| !before.contains_key(*object)) {
        if let Some(name) = &new.renamed_from {
            let old = ObjectRef::new(object.kind, name.clone());
            if before.contains_key(&old) && !after.contains_key(&old) {
                renamed.insert(object.clone(), old);
            }
        }
    }
    // A way back gives the earlier name back.
    for (object, old) in before.iter().filter(|(object, _)| !after.contains_key(*object)) {
        if let Some(name) = &old.renamed_from {
            let earlier = ObjectRef::new(object.kind, name.clone());
            if after.contains_key(&earlier) && !before.contains_key(&earlier) {
                renamed.insert(earlier, object.clone());
            }
        }
    }
    let gone: BTreeSet<&ObjectRef> = renamed.values().collect();
    for (object, old) in before.iter().filter(|(object, _)| !gone.contains(object)) {
        match after.get(object) {
            None => all.push(ObjectChange {
                object: object.clone(),
                action: Action::Delete,
                renamed_from: None,
                fields: changed_fields(Some(old), None),
            }),
            Some(new) if new != old => {
                let fields = changed_fields(Some(old), Some(new));
                // An owner that changes is kept, and is no change of the telephone system.
                all.push(ObjectChange { object: object.clone(), action: Action::Update, renamed_from: None, fields });
            }
            Some(_) => {}
        }
    }
    for (object, new) in after.iter().filter(|(object, _)| !before.contains_key(*object)) {
        let old = renamed.get(object).cloned();
        let was = old.as_ref().and_then(|old| before.get(old));
        all.push(ObjectChange {
            object: object.clone(),
            action: if old.is_some() { Action::Update } else { Action::Create },
            fields: changed_fields(was.map(Arc::as_ref), Some(new)),
            renamed_from: old,
        });
    }
    all.sort_by(|a, b| a.object.cmp(&b.object));
    all
}

/// The typed system that records describe, and what cannot be read of them.
pub fn catalog(records: &Records) -> (Catalog, Vec<Diagnostic>) {
    let mut catalog = Catalog::default();
    let mut found = Vec::new();
    for (object, record) in records {
        match read_spec(object, &record.spec) {
            Ok(spec) => catalog.insert(object.name.clone(), record.meta.labels.clone(), spec),
            Err(diagnostic) => found.push(*diagnostic),
        }
    }
    (catalog, found)
}
