//! What is asked for, merged with what is.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use pbx_api::{ErrorBody, ErrorCode, PlanRequest};
use pbx_asterisk::config::Secrets;
use pbx_manifest::kinds::{stamp_entries, stamp_filter};
use pbx_manifest::{Declaration, Diagnostic, Kind, ObjectRef, Record, Records};
use pbx_store::{RevisionId, Store, StoreError};

use super::{internal, invalid};
use crate::live::{self, Live};

/// The objects as they would be, and the secrets that came with them.
pub(super) struct Wanted {
    /// The objects.
    pub(super) records: Records,
    /// Values of secrets, by object and path.
    pub(super) given: BTreeMap<ObjectRef, BTreeMap<String, String>>,
    /// Secrets to fall back to when none is given: those of now, or those of the revision that is gone back to.
    pub(super) kept: Secrets,
    /// What may not be meant so.
    pub(super) told: Vec<Diagnostic>,
}

/// The objects of an earlier revision.
pub(super) async fn going_back(store: &Store, revision: u64) -> Result<Wanted, ErrorBody> {
    let Some(id) = i64::try_from(revision).ok().and_then(|id| RevisionId::try_from(id).ok()) else {
        return Err(live::no_revision(store, revision).await);
    };
    let rows = match store.objects_at(id).await {
        Ok(rows) => rows,
        Err(StoreError::Missing { .. }) => return Err(live::no_revision(store, revision).await),
        Err(StoreError::NotInForce { .. }) => {
            return Err(ErrorBody::new(ErrorCode::BadRequest, format!("revision {revision} was never live"))
                .help("`pbxctl history` shows which were"));
        }
        Err(other) => return Err(internal(&other)),
    };
    let (records, _) = live::records(&rows).map_err(|error| internal(&error))?;
    let kept = live::secret_values(store.secrets_at(id).await.map_err(|error| internal(&error))?);
    Ok(Wanted { records, given: BTreeMap::new(), kept, told: Vec::new() })
}

/// The live objects with what is asked for merged in.
pub(super) fn merged(live: &Live, request: &PlanRequest, at: Timestamp) -> Result<Wanted, ErrorBody> {
    let set = request.set.as_str();
    if set.is_empty() || set.parse::<pbx_manifest::Name>().is_err() {
        return Err(ErrorBody::new(ErrorCode::BadRequest, format!("`{set}` is not a name for a set"))
            .help("lower-case letters, digits and `-`, as in `default`"));
    }
    let mut records = live.records.clone();
    let mut given = BTreeMap::new();
    let mut conflicts = Vec::new();
    let mut malformed: Vec<Diagnostic> = Vec::new();
    let mut seen = BTreeSet::new();
    for Declaration { object, .. } in request.declarations.iter().map(|declared| &declared.declaration) {
        if !seen.insert(object) {
            // The second would be merged into the first as if it were what the set says now.
            let twice = Diagnostic::error("repeated-object", format!("{object} is declared twice"));
            malformed.push(twice.at(object.clone(), "metadata.name").help("keep one of them"));
        }
    }
    malformed.extend(request.declarations.iter().filter_map(|declared| declared.declaration.fault()));
    malformed.extend(request.patches.iter().filter_map(pbx_manifest::Patch::fault));
    if !malformed.is_empty() {
        return Err(invalid(malformed));
    }
    let mut kept = live.secrets.clone();
    let told = renamed(&mut records, &mut kept, request)?;
    for declared in &request.declarations {
        let declaration = stamped(&declared.declaration, &records, at);
        if let Some(record) = records.get_mut(&declaration.object) {
            let merge = |record: &mut Record| record.merge(&declaration, set, request.force_conflicts);
            conflicts.extend(pbx_manifest::revise(record, merge));
        } else {
            let record = Record::new(declaration.clone().into_owned(), set);
            records.insert(declaration.object.clone(), Arc::new(record));
        }
        if !declared.secrets.is_empty() {
            given.insert(declaration.object.clone(), declared.secrets.clone());
        }
    }
    if !conflicts.is_empty() {
        let message = format!(
            "{} {} by another set",
            conflicts.len(),
            if conflicts.len() == 1 { "field is owned" } else { "fields are owned" }
        );
        return Err(ErrorBody {
            diagnostics: conflicts.iter().map(pbx_manifest::Conflict::diagnostic).collect(),
            ..ErrorBody::new(ErrorCode::Conflict, message)
                .help("agree on the values, or take the fields over with --force-conflicts")
        });
    }
    let unknown = |object: &ObjectRef| {
        let near = pbx_manifest::nearest(
            object.name.as_str(),
            live.records.keys().filter(|o| o.kind == object.kind).map(|o| o.name.as_str()),
        );
        ErrorBody::new(ErrorCode::NotFound, format!("there is no {object}")).help(match near {
            Some(near) => format!("did you mean `{}/{near}`?", object.kind),
            None => format!("`pbxctl get {}` lists those there are", object.kind.plural()),
        })
    };
    for patch in &request.patches {
        let record = records.get_mut(&patch.object).ok_or_else(|| unknown(&patch.object))?;
        let mut patch = Cow::Borrowed(patch);
        if patch.object.kind == Kind::BlockFilter {
            let lists = patch.to_mut().set.iter_mut();
            for (list, entries) in lists.filter_map(|(path, new)| Some((path.strip_prefix("spec.")?, new))) {
                stamp_entries(entries, record.spec.get(list), at);
            }
        }
        pbx_manifest::revise(record, |record| record.patch(&patch, set));
    }
    let mut elsewhere = Vec::new();
    for new in &request.new_secrets {
        let record = records.get(&new.object).ok_or_else(|| unknown(&new.object))?;
        elsewhere.extend(new.secrets.keys().filter_map(|path| kept_elsewhere(&new.object, record, path)));
        given.entry(new.object.clone()).or_default().extend(new.secrets.clone());
    }
    if !elsewhere.is_empty() {
        return Err(ErrorBody {
            diagnostics: elsewhere,
            ..ErrorBody::new(ErrorCode::Conflict, "a manifest says where this secret comes from")
                .help("change it there, and apply the manifest: its next apply would bring the old one back")
        });
    }
    for object in &request.deletes {
        records.remove(object).ok_or_else(|| unknown(object))?;
    }
    if request.prune {
        if request.declarations.is_empty() {
            return Err(ErrorBody::new(
                ErrorCode::Limit,
                "nothing is declared, and --prune would delete all that this set ever made",
            )
            .help("check the path after -f; to delete objects, name them: pbxctl delete KIND/NAME"));
        }
        let declared: BTreeSet<&ObjectRef> =
            request.declarations.iter().map(|declared| &declared.declaration.object).collect();
        records.retain(|object, record| record.owner != set || declared.contains(object));
    }
    Ok(Wanted { records, given, kept, told })
}

/// A declaration whose entries that count for a length of time say since when: from now on, or as those that are there do.
fn stamped<'d>(declaration: &'d Declaration, records: &Records, at: Timestamp) -> Cow<'d, Declaration> {
    if declaration.object.kind != Kind::BlockFilter {
        return Cow::Borrowed(declaration);
    }
    let mut declaration = declaration.clone();
    stamp_filter(&mut declaration.spec, records.get(&declaration.object).map(|record| &record.spec), at);
    Cow::Owned(declaration)
}

/// A secret whose manifest reads it from an environment variable or a file is not given another value behind its back.
fn kept_elsewhere(object: &ObjectRef, record: &Record, path: &str) -> Option<Diagnostic> {
    let form = path.split('.').try_fold(&record.spec, |value, step| value.get(step))?;
    let from =
        ["env", "file"].into_iter().find_map(|word| Some(format!("{{ {word}: {} }}", form.get(word)?.as_str()?)))?;
    let path = format!("spec.{path}");
    let set = record.owner_of(&path);
    let message = format!("the set `{set}` reads this secret from `{from}`");
    Some(Diagnostic::error("secret", message).at(object.clone(), path))
}

/// Of many names that are not there, so many are told what is spelt nearly so.
const COMPARED: usize = 50;

/// Gives objects the names that their declarations say they have from now on: fields, owners, secrets and history come along. A
/// name that was taken earlier already, by the same manifests, is as it should be. Where neither name is there, the old one may be
/// misspelt, and the new object would begin without what it should keep: that is told.
fn renamed(records: &mut Records, kept: &mut Secrets, request: &PlanRequest) -> Result<Vec<Diagnostic>, ErrorBody> {
    let declared: BTreeSet<&ObjectRef> =
        request.declarations.iter().map(|declared| &declared.declaration.object).collect();
    let (mut found, mut told) = (Vec::new(), Vec::new());
    for declaration in request.declarations.iter().map(|declared| &declared.declaration) {
        let Some(name) = &declaration.renamed_from else { continue };
        let (old, new) = (ObjectRef::new(declaration.object.kind, name.clone()), &declaration.object);
        let mut complain = |message: String, help: String| {
            found.push(Diagnostic::error("rename", message).at(new.clone(), "metadata.renamedFrom").help(help));
        };
        if old == *new {
            complain(format!("{new} cannot be renamed to itself"), "name the object it was until now".into());
        } else if declared.contains(&old) {
            complain(format!("{old} is declared as well"), "an object that gets another name is declared once".into());
        } else if records.contains_key(&old) && records.contains_key(new) {
            complain(
                format!("both {old} and {new} are there"),
                format!("delete one of them first, or take `renamedFrom` away: `pbxctl delete {old}`"),
            );
        } else if let Some(mut record) = records.remove(&old) {
            Arc::make_mut(&mut record).renamed_from = Some(name.clone());
            records.insert(new.clone(), record);
            kept.replace(new, kept.of(&old).cloned().unwrap_or_default());
        } else if !records.contains_key(new) {
            let others = || records.keys().filter(|other| other.kind == old.kind && !declared.contains(other));
            // Where there are no others, as on a new system, nothing can be lost.
            if others().next().is_some() {
                // Each costs a look at every name.
                let near = (told.len() < COMPARED)
                    .then(|| pbx_manifest::nearest(old.name.as_str(), others().map(|other| other.name.as_str())))
                    .flatten();
                let message = format!("there is no {old} to rename: {new} is made anew, and keeps nothing of another");
                let warning = Diagnostic::warning("rename", message).at(new.clone(), "metadata.renamedFrom");
                told.push(warning.help(match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("`pbxctl get {}` lists those there are", old.kind.plural()),
                }));
            }
        }
    }
    if found.is_empty() { Ok(told) } else { Err(invalid(found)) }
}
