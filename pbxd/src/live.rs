//! What the system is: the live revision, read once and kept in memory.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context;
use pbx_api::{ErrorBody, ErrorCode};
use pbx_asterisk::config::{ConfigTree, Place, Secrets, render};
use pbx_manifest::{Catalog, Kind, ObjectRef, Record, Records};
use pbx_store::{ObjectRow, Secret, SecretId, Store};

/// The live revision and all that follows from it.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// Its number; nothing before the first.
    pub(crate) revision: Option<u64>,
    /// Its objects, as they are kept.
    pub(crate) records: Records,
    /// The revision that last changed each.
    pub(crate) changed_in: HashMap<ObjectRef, u64>,
    /// Its objects, typed.
    pub(crate) catalog: Catalog,
    /// Its secrets.
    pub(crate) secrets: Secrets,
    /// Where Asterisk finds them.
    pub(crate) place: Place,
    /// Its files.
    pub(crate) tree: ConfigTree,
}

/// The files of a checked catalog with its secrets.
fn files(catalog: &Catalog, secrets: &Secrets, place: &Place) -> ConfigTree {
    if catalog.is_empty() { ConfigTree::empty() } else { render(catalog, secrets, place) }
}

/// Objects from their rows.
pub(crate) fn records(rows: &[ObjectRow]) -> anyhow::Result<(Records, HashMap<ObjectRef, u64>)> {
    let mut records = Records::new();
    let mut changed_in = HashMap::with_capacity(rows.len());
    for row in rows {
        let kind = Kind::find(&row.kind)
            .with_context(|| format!("the store has an object of a kind `{}` that is not known", row.kind))?;
        let name = row
            .name
            .parse()
            .map_err(|error| anyhow::anyhow!("the store has an object `{}/{}`: {error}", row.kind, row.name))?;
        let object = ObjectRef::new(kind, name);
        changed_in.insert(object.clone(), row.revision.get().unsigned_abs());
        records.insert(object, Arc::new(row.read::<Record>()?));
    }
    Ok((records, changed_in))
}

/// Secrets from what the store gives.
pub(crate) fn secret_values(stored: impl IntoIterator<Item = (SecretId, Secret)>) -> Secrets {
    let mut secrets = Secrets::default();
    for (id, secret) in stored {
        if let (Some(kind), Ok(name), Some(value)) = (Kind::find(&id.kind), id.name.parse(), secret.expose_str()) {
            secrets.insert(ObjectRef::new(kind, name), id.field, value);
        }
    }
    secrets
}

impl Live {
    /// Reads the live revision from the store.
    pub(crate) async fn load(store: &Store, place: Place) -> anyhow::Result<Self> {
        let snapshot = store.snapshot().await?;
        let (records, changed_in) = records(&snapshot.objects)?;
        let (catalog, found) = pbx_manifest::catalog(&records);
        if let Some(first) = found.first() {
            anyhow::bail!("the store has an object that this version cannot read: {first}");
        }
        let secrets = secret_values(store.secrets().await?);
        let tree = files(&catalog, &secrets, &place);
        Ok(Self {
            revision: snapshot.head.map(|head| head.get().unsigned_abs()),
            records,
            changed_in,
            catalog,
            secrets,
            place,
            tree,
        })
    }
}

/// There is no revision of this number: says which there are.
pub(crate) async fn no_revision(store: &Store, revision: impl std::fmt::Display) -> ErrorBody {
    let newest = store.revisions(1, None).await.ok().and_then(|all| all.into_iter().next());
    let body = ErrorBody::new(ErrorCode::NotFound, format!("there is no revision {revision}"));
    match newest {
        Some(newest) => body.help(format!("the newest is {}; `pbxctl history` lists those there are", newest.id)),
        None => body.help("there is none yet: `pbxctl apply` makes the first one"),
    }
}
