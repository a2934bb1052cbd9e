//! What there is.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use pbx_api::{ErrorBody, ErrorCode, ObjectView};
use pbx_manifest::{Kind, Label, Meta, Name, ObjectRef, Record, Wanted};
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::Refusal;
use super::extract::{Path, Query};
use super::handlers::{Answer, bad};
use crate::live::Live;
use crate::system::System;

/// Objects as they are told. What is the same for many of them is made once.
struct Views<'l> {
    live: &'l Live,
    /// Of each profile: itself, and the paths of its fields that its extensions take over.
    profiles: HashMap<&'l Name, Option<(ObjectRef, Vec<String>)>>,
}

impl<'l> Views<'l> {
    fn of(live: &'l Live) -> Self {
        Self { live, profiles: HashMap::new() }
    }

    /// All of an object.
    fn whole(&mut self, object: &ObjectRef, record: &Record) -> ObjectView {
        ObjectView {
            meta: record.meta.clone(),
            spec: record.spec.clone(),
            effective: self.live.catalog.effective(object, None).unwrap_or_default(),
            owners: record.owners.clone(),
            inherited: self.inherited(object, record),
            ..self.bare(object, record)
        }
    }

    /// Of an object's fields only some.
    fn some(&self, object: &ObjectRef, record: &Record, wanted: &Wanted, labels: bool) -> ObjectView {
        let mut view = self.bare(object, record);
        view.effective = self.live.catalog.effective(object, Some(wanted)).unwrap_or_default();
        if labels {
            view.meta.labels.clone_from(&record.meta.labels);
        }
        view
    }

    fn bare(&self, object: &ObjectRef, record: &Record) -> ObjectView {
        ObjectView {
            object: object.clone(),
            meta: Meta::default(),
            spec: Value::Null,
            effective: Value::Null,
            owner: record.owner.clone(),
            owners: BTreeMap::new(),
            inherited: BTreeMap::new(),
            revision: self.live.changed_in.get(object).copied().unwrap_or_default(),
        }
    }

    /// An extension's fields whose values are its profile's.
    fn inherited(&mut self, object: &ObjectRef, record: &Record) -> BTreeMap<String, ObjectRef> {
        let live = self.live;
        let extension = (object.kind == Kind::Extension).then(|| live.catalog.extensions.get(&object.name)).flatten();
        let Some(name) = extension.and_then(|extension| extension.spec.profile.as_ref()) else {
            return BTreeMap::new();
        };
        let shared = self.profiles.entry(name).or_insert_with(|| {
            let profile = ObjectRef::new(Kind::ExtensionProfile, name.clone());
            let fields = live.records.get(&profile)?.fields().into_keys();
            let fields = fields.filter(|path| path.starts_with("spec.") && path != "spec.description").collect();
            Some((profile, fields))
        });
        let Some((profile, fields)) = shared else { return BTreeMap::new() };
        let own = record.fields();
        let taken = fields.iter().filter(|path| !own.contains_key(*path));
        taken.map(|path| (path.clone(), profile.clone())).collect()
    }
}

/// All of one object.
pub(super) fn view(live: &Live, object: &ObjectRef, record: &Record) -> ObjectView {
    Views::of(live).whole(object, record)
}

#[derive(Deserialize)]
pub(super) struct Selection {
    kind: Option<String>,
    label: Option<String>,
    fields: Option<String>,
}

pub(super) async fn objects(
    State(system): State<Arc<System>>,
    Query(selection): Query<Selection>,
) -> Result<Response, Refusal> {
    let live = system.live();
    let kind = selection.kind.map(|word| word.parse::<Kind>()).transpose();
    let kind = kind.map_err(|refused| bad(refused.0.replace('\n', "; "), "as in kind=extension"))?;
    let mut labels = Vec::new();
    for pair in selection.label.iter().flat_map(|text| text.split(',')) {
        match pair.split_once('=') {
            Some((key, value)) if key.parse::<Name>().is_ok() && value.parse::<Label>().is_ok() => {
                labels.push((key, value));
            }
            _ => return Err(bad(format!("`{pair}` is not a label"), "a key and its value, as in team=sales")),
        }
    }
    let list = List { live: &live, kind, labels, fields: selection.fields.as_deref() };
    Ok(axum::Json(list).into_response())
}

/// Objects that are told one after another: ten thousand views at once would take longer to make than to write.
struct List<'l> {
    live: &'l Live,
    kind: Option<Kind>,
    labels: Vec<(&'l str, &'l str)>,
    fields: Option<&'l str>,
}

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // As an `ObjectList`.
        let mut list = serializer.serialize_struct("ObjectList", 2)?;
        list.serialize_field("revision", &self.live.revision)?;
        list.serialize_field("objects", &Objects(self))?;
        list.end()
    }
}

struct Objects<'l>(&'l List<'l>);

impl Serialize for Objects<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let List { live, kind, labels, fields } = self.0;
        let wanted = fields.map(|paths| Wanted::new(paths.split(',')));
        let labelled = fields.is_some_and(|paths| paths.split(',').any(|path| path == "metadata.labels"));
        let mut views = Views::of(live);
        let all = live.records.iter().filter(|(object, _)| kind.is_none_or(|kind| object.kind == kind)).filter(
            |(_, record)| {
                labels.iter().all(|(key, value)| record.meta.labels.get(*key).is_some_and(|own| own == value))
            },
        );
        serializer.collect_seq(all.map(|(object, record)| match &wanted {
            Some(wanted) => views.some(object, record, wanted, labelled),
            None => views.whole(object, record),
        }))
    }
}

pub(super) async fn object(
    State(system): State<Arc<System>>,
    Path((kind, name)): Path<(String, String)>,
) -> Answer<ObjectView> {
    let live = system.live();
    let kind = kind.parse::<Kind>().map_err(|refused| bad(refused.0.replace('\n', "; "), "as in extension/1001"))?;
    let found =
        name.parse().ok().map(|name| ObjectRef::new(kind, name)).and_then(|object| live.records.get_key_value(&object));
    if let Some((object, record)) = found {
        return Ok(axum::Json(view(&live, object, record)));
    }
    let names = live.records.keys().filter(|object| object.kind == kind).map(|object| object.name.as_str());
    let help = match pbx_manifest::nearest(&name, names) {
        Some(near) => format!("did you mean `{kind}/{near}`?"),
        None => format!("`pbxctl get {}` lists those there are", kind.plural()),
    };
    Err(Refusal(ErrorBody::new(ErrorCode::NotFound, format!("there is no {kind} `{name}`")).help(help)))
}
