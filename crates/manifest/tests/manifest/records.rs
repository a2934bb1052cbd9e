//! Records: who owns a field, what merging does, what counts as a change.

use std::collections::BTreeMap;

use pbx_lab::samples;
use pbx_manifest::{Action, Declaration, Meta, Patch, Record, Records, changes, fields};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

fn says(spec: Json) -> Declaration {
    Declaration {
        object: "extension/1001".parse().unwrap(),
        meta: Meta::default(),
        renamed_from: None,
        spec,
        scope: None,
    }
}

fn record(spec: Json) -> Record {
    Record::new(says(spec), "default")
}

fn patch(set: Json, unset: &[&str]) -> Patch {
    Patch {
        object: "extension/1001".parse().unwrap(),
        set: serde_json::from_value(set).unwrap(),
        unset: unset.iter().map(|path| (*path).to_owned()).collect(),
    }
}

#[test]
fn a_field_that_its_set_stops_naming_falls_back() {
    let mut record = record(json!({ "displayName": "Ana", "callForward": { "busy": "hangup" } }));
    assert!(record.merge(&says(json!({ "email": "a@b.c" })), "default", false).is_empty());
    assert_eq!(record.spec, json!({ "email": "a@b.c" }));
}

#[test]
fn a_field_that_a_set_never_named_stays() {
    let mut record = record(json!({ "displayName": "Ana" }));
    record.patch(&patch(json!({ "spec.callForward.busy": "hangup", "metadata.labels.team": "x" }), &[]), "manual");
    assert!(record.merge(&says(json!({ "displayName": "Eva" })), "default", false).is_empty());
    assert_eq!(record.spec, json!({ "displayName": "Eva", "callForward": { "busy": "hangup" } }));
    assert_eq!(record.owner_of("spec.callForward.busy"), "manual");
    assert_eq!(record.owner_of("spec.displayName"), "default");
    assert_eq!(record.meta.labels["team"], "x");
}

#[test]
fn a_field_is_taken_over_although_its_value_is_the_same() {
    let mut record = record(json!({ "displayName": "Ana" }));
    record.patch(&patch(json!({ "spec.email": "a@b.c" }), &[]), "manual");
    let agreed = says(json!({ "displayName": "Ana", "email": "a@b.c" }));
    assert!(record.merge(&agreed, "default", false).is_empty());
    assert_eq!(record.owner_of("spec.email"), "manual");
    assert!(record.merge(&agreed, "default", true).is_empty());
    assert_eq!(record.owner_of("spec.email"), "default");
}

#[test]
fn two_owners_of_a_field_are_both_named() {
    let mut record = record(json!({ "displayName": "Ana", "email": "a@b.c" }));
    let conflicts = record.merge(&says(json!({ "displayName": "Eva", "email": "a@b.c", "owner": "IT" })), "it", false);
    assert_eq!(conflicts.len(), 1);
    let conflict = &conflicts[0];
    assert_eq!(
        (
            conflict.path.as_str(),
            conflict.owner.as_str(),
            conflict.value.as_deref().unwrap(),
            conflict.set.as_str(),
            conflict.wanted.as_deref()
        ),
        ("spec.displayName", "default", "`Ana`", "it", Some("`Eva`"))
    );
    let said = conflict.diagnostic();
    for words in ["default", "it", "Ana", "Eva"] {
        assert!(said.message.contains(words), "{}", said.message);
    }
    // What does not conflict: a field of its own, and one on whose value they agree.
    assert_eq!(record.spec["owner"], "IT");
    assert_eq!(record.owner_of("spec.owner"), "it");
    assert_eq!(record.owner_of("spec.email"), "default");
    // Taken over, it is the other's.
    assert!(record.merge(&says(json!({ "displayName": "Eva" })), "it", true).is_empty());
    assert_eq!((record.owner_of("spec.displayName"), &record.spec["displayName"]), ("it", &json!("Eva")));
    assert!(record.spec.get("owner").is_none());
}

#[test]
fn a_group_of_fields_is_patched_field_by_field() {
    let mut record = record(json!({ "displayName": "Ana" }));
    record.patch(&patch(json!({ "spec.callForward": { "busy": "hangup", "noAnswer": "hangup/busy" } }), &[]), "manual");
    assert_eq!(record.owner_of("spec.callForward.busy"), "manual");
    // The set that made the object never named them.
    assert!(record.merge(&says(json!({ "displayName": "Ana" })), "default", false).is_empty());
    assert_eq!(record.spec["callForward"]["busy"], "hangup");
    // And a group that goes leaves no owners behind.
    record.patch(&patch(json!({}), &["spec.callForward"]), "manual");
    assert_eq!(record, self::record(json!({ "displayName": "Ana" })));
}

#[test]
fn what_was_taken_away_by_hand_does_not_come_back_in_silence() {
    let mut office =
        says(json!({ "displayName": "Ana", "callForward": { "always": "external/0123", "busy": "hangup" } }));
    office.meta.labels.insert("team".into(), "sales".into());
    office.meta.protected = true;
    let made = Record::new(office.clone(), "default");
    let by_hand = patch(json!({ "metadata.protected": false }), &["spec.callForward", "metadata.labels.team"]);
    let mut record = made.clone();
    record.patch(&by_hand, "manual");
    assert_eq!(record.spec, json!({ "displayName": "Ana" }));
    let taken = ["metadata.labels.team", "metadata.protected", "spec.callForward.always", "spec.callForward.busy"];
    assert_eq!(record.owners, taken.map(|path| (path.to_owned(), "manual".to_owned())).into());
    // Taken away again, it stays so.
    record.patch(&by_hand, "manual");
    assert_eq!(record.owners.len(), 4);
    let kept = record.clone();
    let conflicts = record.merge(&office, "default", false);
    assert_eq!(conflicts.iter().map(|conflict| conflict.path.as_str()).collect::<Vec<_>>(), taken);
    let said = conflicts[2].diagnostic().message;
    assert_eq!(said, "`default` wants `external/0123` here, but `manual` has taken it away");
    assert_eq!(record, kept);
    // Another set that never spoke of it leaves it so; the one that made the object agrees when it names it no longer, and so does
    // a table with an empty cell.
    assert!(record.merge(&says(json!({ "email": "a@b.c" })), "people", false).is_empty());
    assert_eq!(record.owner_of("spec.callForward.always"), "manual");
    let row = Declaration { scope: Some(vec!["spec.callForward.busy".into()]), ..says(json!({})) };
    assert!(record.merge(&row, "default", false).is_empty());
    assert_eq!((record.owner_of("spec.callForward.busy"), record.owners.len()), ("default", 4));
    assert!(record.merge(&says(json!({ "displayName": "Ana" })), "default", false).is_empty());
    assert_eq!(record.owners, BTreeMap::from([("spec.email".into(), "people".into())]));
    // Taken over, it is there again.
    let mut record = kept;
    assert!(record.merge(&office, "default", true).is_empty());
    assert_eq!(record, made);
    // What was set by hand over a value of nobody's is undone by hand.
    record.patch(&patch(json!({ "spec.callForward": { "busy": "hangup", "noAnswer": "hangup" } }), &[]), "manual");
    assert_eq!(
        (record.owner_of("spec.callForward.always"), record.owner_of("spec.callForward.noAnswer")),
        ("manual", "manual")
    );
    record.patch(&patch(json!({}), &["spec.callForward.noAnswer"]), "manual");
    assert!(!record.owners.contains_key("spec.callForward.noAnswer"));
}

#[test]
fn a_spec_is_a_group_whatever_its_only_field_is_called() {
    for form in ["file", "env", "generate", "stored"] {
        let mut record = record(json!({ form: "x" }));
        assert_eq!(record.fields(), BTreeMap::from([(format!("spec.{form}"), json!("x"))]));
        record.patch(&patch(json!({ "spec.other": 1 }), &[]), "manual");
        assert_eq!(record.spec, json!({ form: "x", "other": 1 }));
        assert!(record.merge(&says(json!({ form: "y" })), "default", false).is_empty());
        assert_eq!(record.spec, json!({ form: "y", "other": 1 }));
        assert_eq!(record.owner_of("spec.other"), "manual");
    }
}

#[test]
fn what_was_sent_malformed_is_told() {
    for spec in [json!(null), json!(5), json!("x"), json!(["a"])] {
        assert_eq!(says(spec).fault().unwrap().path, "spec");
    }
    assert_eq!(says(json!({})).fault(), None);
    let scoped = |path: &str| Declaration { scope: Some(vec!["spec.email".into(), path.into()]), ..says(json!({})) };
    for path in ["", "email", "spec.", "spec.members[0]", "metadata.labels.X", "metadata.name"] {
        assert_eq!(scoped(path).fault().unwrap().path, path);
    }
    assert_eq!(scoped("metadata.labels.team").fault(), None);
    for path in [
        "",
        "spec",
        "spec.",
        "spec..a",
        "spec.a.",
        "spec.a[0]",
        "spec.a b",
        "displayName",
        "metadata.name",
        "metadata.labels",
        "metadata.labels.A",
        "metadata.labels.a.b",
    ] {
        assert_eq!(patch(json!({ path: "x" }), &[]).fault().unwrap().path, path);
        assert_eq!(patch(json!({}), &[path]).fault().unwrap().path, path);
    }
    for value in [json!(5), json!(null), json!("a b"), json!("x".repeat(64))] {
        assert!(patch(json!({ "metadata.labels.team": value }), &[]).fault().is_some(), "{value}");
    }
    assert_eq!(patch(json!({ "spec.callForward.busy": 5, "metadata.labels.team": "A.b" }), &["spec.x"]).fault(), None);
}

#[test]
fn a_secret_is_one_field_in_any_form() {
    let mut record = record(json!({ "password": { "generate": true } }));
    record.patch(&patch(json!({ "spec.password": { "env": "P" } }), &[]), "manual");
    assert_eq!(record.spec, json!({ "password": { "env": "P" } }));
    assert_eq!(record.owner_of("spec.password"), "manual");
    record.patch(&patch(json!({}), &["spec.password"]), "manual");
    assert_eq!((record.spec, record.owners), (json!({}), BTreeMap::new()));
}

#[test]
fn a_secret_that_changes_is_told_without_its_value() {
    let object = "extension/1001".parse::<pbx_manifest::ObjectRef>().unwrap();
    let with = |fingerprint: &str| {
        let mut record = record(json!({ "password": { "env": "P" } }));
        record.secrets.insert("password".into(), fingerprint.to_owned());
        Records::from([(object.clone(), record.into())])
    };
    let found = changes(&with("aaa"), &with("bbb"));
    assert_eq!(found.len(), 1);
    let field = &found[0].fields[0];
    assert!(field.secret && field.before.is_none() && field.after.is_none() && field.path == "spec.password");
    assert!(changes(&with("aaa"), &with("aaa")).is_empty());
}

fn leaf() -> impl Strategy<Value = Json> {
    prop_oneof![
        (0..3u8).prop_map(|n| json!(n)),
        any::<bool>().prop_map(Json::from),
        Just(json!(["a", "b"])),
        Just(json!([])),
        Just(json!({ "generate": true })),
        Just(json!({ "env": "P" })),
    ]
}

/// Specs over a few fields of fixed shape, so that they meet.
fn spec() -> impl Strategy<Value = Json> {
    let leaves = || prop::collection::btree_map(prop::sample::select(vec!["a", "b", "c"]), leaf(), 0..4);
    (leaves(), leaves(), leaves()).prop_map(|(own, inner, deep)| {
        let mut spec: serde_json::Map<String, Json> =
            own.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let mut group: serde_json::Map<String, Json> =
            inner.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        if !deep.is_empty() {
            group.insert("deep".into(), json!(deep));
        }
        if !group.is_empty() {
            spec.insert("group".into(), Json::Object(group));
        }
        Json::Object(spec)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(samples(256)))]

    #[test]
    fn merging_twice_is_merging_once(first in spec(), other in spec(), again in spec(), force: bool) {
        let mut record = record(first);
        record.merge(&says(other), "other", force);
        record.patch(&patch(json!({}), &["spec.a", "spec.group.deep"]), "manual");
        let mut once = record.clone();
        once.merge(&says(again.clone()), "default", force);
        let mut twice = once.clone();
        twice.merge(&says(again), "default", force);
        prop_assert_eq!(&once, &twice);
    }

    /// Sets that name different fields come to the same, whoever is first.
    #[test]
    fn sets_of_different_fields_commute(all in spec(), mine: u64) {
        let mut halves = [record(json!({})).spec, json!({})];
        for (at, (path, value)) in fields(&Meta::default(), &all).into_iter().enumerate() {
            let mut half = record(halves[usize::from(mine >> at & 1 == 1)].take());
            half.set(&path, value, "default");
            halves[usize::from(mine >> at & 1 == 1)] = half.spec;
        }
        let [one, other] = halves;
        let in_order = |first: (&Json, &str), second: (&Json, &str)| {
            let mut record = Record::new(says(first.0.clone()), first.1);
            let conflicts = record.merge(&says(second.0.clone()), second.1, false);
            (record, conflicts)
        };
        let (a, told) = in_order((&one, "one"), (&other, "other"));
        let (b, told_too) = in_order((&other, "other"), (&one, "one"));
        prop_assert!(told.is_empty() && told_too.is_empty());
        prop_assert_eq!(a.fields(), b.fields());
        prop_assert_eq!(a.fields(), fields(&Meta::default(), &all));
        for path in a.fields().keys() {
            prop_assert_eq!(a.owner_of(path), b.owner_of(path), "{}", path);
        }
    }

    /// A patch of some fields and one of others, in either order; and one made twice.
    #[test]
    fn patches_of_different_fields_commute(first in spec(), one in leaf(), other in leaf()) {
        let one = patch(json!({ "spec.group.a": one }), &["spec.b"]);
        let other = patch(json!({ "spec.group.deep.c": other }), &["spec.c"]);
        let after = |patches: [&Patch; 2]| {
            let mut record = record(first.clone());
            for patch in patches {
                record.patch(patch, "manual");
            }
            record
        };
        prop_assert_eq!(after([&one, &other]), after([&other, &one]));
        prop_assert_eq!(after([&one, &one]).fields(), { let mut once = record(first.clone()); once.patch(&one, "manual"); once.fields() });
    }

    /// The rules of ownership, field by field.
    #[test]
    fn what_a_merge_does_to_each_field(first in spec(), other in spec(), now in spec(), set in prop::sample::select(vec!["default", "other", "third"]), force: bool) {
        let mut before = record(first);
        before.merge(&says(other), "other", true);
        let mut after = before.clone();
        let conflicts = after.merge(&says(now.clone()), set, force);
        let (old, wanted, new) = (before.fields(), fields(&Meta::default(), &now), after.fields());
        prop_assert!(!force || conflicts.is_empty());
        for path in old.keys().chain(wanted.keys()) {
            let ours = before.owner_of(path) == set;
            let conflicting = conflicts.iter().any(|conflict| conflict.path == *path);
            match (old.get(path), wanted.get(path)) {
                (Some(there), None) if !ours => prop_assert_eq!(new.get(path), Some(there), "{} was never {}'s", path, set),
                (Some(_), None) => prop_assert!(!new.contains_key(path), "{} falls back", path),
                (Some(there), Some(value)) if there != value && !ours && !force => {
                    prop_assert!(conflicting);
                    prop_assert_eq!(new.get(path), Some(there));
                }
                (_, Some(value)) => {
                    prop_assert!(!conflicting);
                    prop_assert_eq!(new.get(path), Some(value));
                    if old.get(path) != Some(value) {
                        prop_assert_eq!(after.owner_of(path), set);
                    }
                }
                (None, None) => {}
            }
        }
        prop_assert!(new.keys().all(|path| old.contains_key(path) || wanted.contains_key(path)));
        // Owners are kept of fields that are there.
        prop_assert!(after.owners.keys().all(|path| new.contains_key(path)), "{:?}", after);
    }

    #[test]
    fn changes_are_empty_when_nothing_changes(a in spec(), b in spec()) {
        let object = "extension/1001".parse::<pbx_manifest::ObjectRef>().unwrap();
        let records = |spec: &Json| Records::from([(object.clone(), record(spec.clone()).into())]);
        let (one, other) = (records(&a), records(&b));
        prop_assert!(changes(&one, &one).is_empty());
        prop_assert_eq!(changes(&one, &other).is_empty(), one == other);
        prop_assert_eq!(changes(&Records::new(), &one)[0].action, Action::Create);
        prop_assert_eq!(changes(&one, &Records::new())[0].action, Action::Delete);
        // What changes, applied as a patch, gets there.
        let mut patched = record(a.clone());
        for field in changes(&one, &other).into_iter().flat_map(|change| change.fields) {
            match field.after {
                Some(value) => patched.set(&field.path, value, "default"),
                None => patched.unset(&field.path),
            }
        }
        prop_assert_eq!(patched.fields(), record(b).fields());
    }

    #[test]
    fn a_patch_is_owned_and_undone(first in spec(), value in leaf()) {
        let start = record(first);
        let mut patched = start.clone();
        patched.patch(&patch(json!({ "spec.group.deep.new": value }), &[]), "manual");
        prop_assert_eq!(patched.owner_of("spec.group.deep.new"), "manual");
        patched.patch(&patch(json!({}), &["spec.group.deep.new"]), "manual");
        prop_assert_eq!(patched, start);
    }
}

#[test]
fn a_table_leaves_alone_what_it_has_no_column_for() {
    let mut kept =
        record(json!({ "displayName": "Ana", "email": "a@b.c", "voicemail": { "enabled": true, "attach": false } }));
    kept.meta.labels.insert("team".into(), "sales".into());
    let row = |spec: Json, scope: &[&str]| Declaration {
        scope: Some(scope.iter().map(|path| (*path).to_owned()).collect()),
        ..says(spec)
    };
    // Another column's fields stay, although the same set named them.
    let mut record = kept.clone();
    assert!(record.merge(&row(json!({ "displayName": "Eva" }), &["spec.displayName"]), "default", false).is_empty());
    assert_eq!(
        record,
        Record {
            spec: {
                let mut spec = kept.spec.clone();
                spec["displayName"] = json!("Eva");
                spec
            },
            ..kept.clone()
        }
    );
    // An empty cell falls back; a path that only begins alike is another one.
    assert!(
        record
            .merge(&row(json!({}), &["spec.email", "spec.display", "metadata.labels.team"]), "default", false)
            .is_empty()
    );
    assert_eq!(record.spec, json!({ "displayName": "Eva", "voicemail": { "enabled": true, "attach": false } }));
    assert!(record.meta.labels.is_empty());
    // A group is all that is in it.
    assert!(
        record
            .merge(&row(json!({ "voicemail": { "enabled": false } }), &["spec.voicemail"]), "default", false)
            .is_empty()
    );
    assert_eq!(record.spec, json!({ "displayName": "Eva", "voicemail": { "enabled": false } }));
    // A manifest of the same set speaks of all again.
    assert!(record.merge(&says(json!({ "displayName": "Eva" })), "default", false).is_empty());
    assert_eq!(record.spec, json!({ "displayName": "Eva" }));
}

#[test]
fn an_empty_cell_against_what_another_set_says_is_a_conflict() {
    let mut record = record(json!({ "displayName": "Ana", "email": "a@b.c" }));
    let row = Declaration {
        scope: Some(vec!["spec.displayName".into(), "spec.email".into()]),
        ..says(json!({ "displayName": "Ana" }))
    };
    let conflicts = record.merge(&row, "people", false);
    assert_eq!(conflicts.len(), 1);
    assert_eq!(conflicts[0].diagnostic().message, "`people` wants the default here, but `default` has set `a@b.c`");
    assert_eq!(record.spec["email"], "a@b.c");
    assert!(record.merge(&row, "people", true).is_empty());
    assert_eq!(record.spec, json!({ "displayName": "Ana" }));
}
