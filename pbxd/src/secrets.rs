//! Secrets while a plan is made: given, generated, kept.

use std::collections::BTreeMap;

use pbx_manifest::{
    Diagnostic, ObjectRef, Record, Secret, make_secret, secret_clash, secret_error_at, secret_weakness,
};
use pbx_store::Store;
use serde_json::Value as Json;

use crate::surroundings::fill_random;

/// The secrets that are kept of an object whose spec becomes another. Those of a list's items go with their item: a TURN server that
/// moves up in its list takes its password along. An item that was only edited where it stands keeps its own.
pub(crate) fn with_their_items(
    kept: &BTreeMap<String, String>,
    before: &Json,
    after: &Json,
) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (path, value) in kept {
        let Some((list, index, field)) = in_list(path) else {
            all.insert(path.clone(), value.clone());
            continue;
        };
        let (old, new) = (items(before, list, field), items(after, list, field));
        let Some(own) = old.get(index) else { continue };
        let mut at: Vec<usize> = (0..new.len()).filter(|at| new[*at] == *own).collect();
        if at.is_empty() && new.get(index).is_some_and(|edited| !old.contains(edited)) {
            at.push(index);
        }
        for at in at {
            all.insert(format!("{list}[{at}].{field}"), value.clone());
        }
    }
    all
}

/// The parts of a path as `ice.turn[0].password`.
fn in_list(path: &str) -> Option<(&str, usize, &str)> {
    let (list, rest) = path.split_once('[')?;
    let (index, field) = rest.split_once("].")?;
    Some((list, index.parse().ok()?, field))
}

/// The items of a list, without what is secret in them.
fn items(spec: &Json, list: &str, field: &str) -> Vec<Json> {
    let list = list.split('.').try_fold(spec, |value, step| value.get(step)).and_then(Json::as_array);
    let mut items = list.cloned().unwrap_or_default();
    for map in items.iter_mut().filter_map(Json::as_object_mut) {
        map.remove(field);
    }
    items
}

/// Settles an object's secrets: values that were given, those that are kept, and new ones where one is to be generated. The record
/// keeps their fingerprints; what is returned, their values.
pub(crate) fn settle(
    store: &Store,
    object: &ObjectRef,
    record: &mut Record,
    declared: &[(String, &Secret)],
    given: &BTreeMap<String, String>,
    kept: &BTreeMap<String, String>,
    found: &mut Vec<Diagnostic>,
) -> anyhow::Result<BTreeMap<String, String>> {
    let mut values = BTreeMap::new();
    for path in given.keys().filter(|path| !declared.iter().any(|(declared, _)| declared == *path)) {
        let unknown = Diagnostic::error("secret", format!("{} has no secret here", object.kind));
        found.push(unknown.at(object.clone(), format!("spec.{path}")));
    }
    for (path, secret) in declared {
        let mut complain = |message: &str, help: &str| {
            found.push(Diagnostic::error("secret", message).at(object.clone(), format!("spec.{path}")).help(help));
        };
        if matches!(secret, Secret::Literal(_)) {
            // It would be kept in the record, for everyone to read.
            complain("a secret stands in the open here", "send `{ stored: true }`, and its value among the secrets");
            continue;
        }
        let value = match (given.get(path), kept.get(path), secret) {
            (Some(value), _, _) => {
                if let Some(why) = secret_error_at(path, value) {
                    complain(why.lines().next().unwrap_or_default(), "the value comes from where this field says");
                    continue;
                }
                found.extend(secret_weakness(object, path, value));
                value.clone()
            }
            (None, Some(value), _) => value.clone(),
            (None, None, Secret::Generate) => made(path, &values)?,
            (None, None, Secret::Stored) => {
                complain(
                    "no secret is stored here yet",
                    "use `{ generate: true }`, `{ env: NAME }` or `{ file: PATH }`",
                );
                continue;
            }
            (None, None, _) => {
                complain("its value was not sent", "apply the manifest from where its secrets can be read");
                continue;
            }
        };
        values.insert(path.clone(), value);
    }
    found.extend(secret_clash(object, &values));
    record.secrets = values.iter().map(|(path, value)| (path.clone(), store.fingerprint(value.as_bytes()))).collect();
    Ok(values)
}

/// A new secret, unlike those that its object has already: of a million PINs, two may be drawn alike.
fn made(path: &str, others: &BTreeMap<String, String>) -> anyhow::Result<String> {
    loop {
        let value = make_secret(path, fill_random)?;
        if !others.values().any(|other| *other == value) {
            return Ok(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_of_a_list_go_with_their_items() {
        let turn = |servers: &[(&str, &str)]| {
            let items = servers
                .iter()
                .map(|(server, user)| json!({ "server": server, "username": user, "password": { "stored": true } }));
            json!({ "ice": { "turn": items.collect::<Vec<_>>() } })
        };
        let before = turn(&[("a", "u"), ("b", "u")]);
        let kept = BTreeMap::from(
            [("password", "own"), ("ice.turn[0].password", "of a"), ("ice.turn[1].password", "of b")]
                .map(|(path, value)| (path.to_owned(), value.to_owned())),
        );
        let after = |servers: &[(&str, &str)]| -> Vec<String> {
            let all = with_their_items(&kept, &before, &turn(servers));
            assert_eq!(all["password"], "own");
            (0..servers.len())
                .map(|at| all.get(&format!("ice.turn[{at}].password")).cloned().unwrap_or_default())
                .collect()
        };
        assert_eq!(after(&[("a", "u"), ("b", "u")]), ["of a", "of b"]);
        assert_eq!(after(&[("b", "u"), ("a", "u")]), ["of b", "of a"]);
        assert_eq!(after(&[("b", "u")]), ["of b"]);
        assert_eq!(after(&[("c", "u"), ("a", "u")]), ["", "of a"], "another server has another's password");
        assert_eq!(after(&[("a", "u"), ("b", "other")]), ["of a", "of b"], "edited where it stands");
        assert_eq!(after(&[("x", "u"), ("a", "u"), ("b", "u")]), ["", "of a", "of b"]);
    }
}
