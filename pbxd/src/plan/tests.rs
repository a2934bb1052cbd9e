//! Plans over a store in a folder of their own: what would change, what is refused, what is kept.

use std::collections::BTreeSet;

use pbx_api::Declared;
use pbx_manifest::{Declaration, Meta, Patch};
use pbx_store::{Change, NewRevision, RevisionId, Secret, SecretChange, SecretId};
use serde_json::{Value as Json, json};

use super::*;

#[path = "../../../crates/manifest/tests/manifest/office.rs"]
mod office;

struct Place {
    store: Store,
    live: Live,
    _folder: tempfile::TempDir,
}

fn declared(object: &str, spec: Json, secrets: &[(&str, &str)]) -> Declared {
    let secrets = secrets.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect();
    Declared {
        declaration: Declaration {
            object: object.parse().unwrap(),
            meta: Meta::default(),
            renamed_from: None,
            spec,
            scope: None,
        },
        secrets,
    }
}

fn wants(declarations: Vec<Declared>) -> PlanRequest {
    PlanRequest { set: "default".into(), declarations, ..PlanRequest::default() }
}

fn extensions(count: usize) -> Vec<Declared> {
    (0..count)
        .map(|at| declared(&format!("extension/{}", 1000 + at), json!({ "displayName": format!("P {at}") }), &[]))
        .collect()
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("pbxd.db").display());
        let store = Store::open(&url, &folder.path().join("key")).await.unwrap();
        let live = Live::load(&store, pbx_asterisk::config::Place::default()).await.unwrap();
        Self { store, live, _folder: folder }
    }

    async fn plan(&self, request: PlanRequest) -> Result<Planned, ErrorBody> {
        self.plan_at(request, crate::surroundings::now()).await
    }

    async fn plan_at(&self, request: PlanRequest, at: Timestamp) -> Result<Planned, ErrorBody> {
        plan(&self.store, &self.live, "p".into(), request, at, Limits::Kept).await
    }

    /// Keeps a plan as an apply does, and reads the store as a start does.
    async fn keep(&mut self, planned: &Planned) -> u64 {
        let mut changes = Vec::new();
        let mut secrets = Vec::new();
        for change in &planned.view.changes {
            let (kind, name) = (change.object.kind.singular(), change.object.name.as_str());
            let after = planned.records.get(&change.object).map(|record| serde_json::to_value(record).unwrap());
            changes.push(Change { kind: kind.into(), name: name.into(), after });
            if let Some(old) = &change.renamed_from {
                changes.push(Change { kind: kind.into(), name: old.name.as_str().into(), after: None });
            }
            for (field, value) in planned.secrets.of(&change.object).into_iter().flatten() {
                let id = SecretId::new(kind, name, field);
                secrets.push(SecretChange { id, after: Some(Secret::new(value.as_bytes())) });
            }
        }
        let base = self.live.revision.map(|id| RevisionId::try_from(i64::try_from(id).unwrap()).unwrap());
        let new = NewRevision {
            base,
            actor: "test".into(),
            origin: json!({}),
            message: String::new(),
            at: crate::surroundings::now(),
            changes,
            secrets,
        };
        let id = self.store.begin(new).await.unwrap();
        self.store.commit(id, crate::surroundings::now()).await.unwrap();
        self.live = Live::load(&self.store, pbx_asterisk::config::Place::default()).await.unwrap();
        id.get().unsigned_abs()
    }

    async fn apply(&mut self, request: PlanRequest) -> u64 {
        let planned = self.plan(request).await.unwrap();
        self.keep(&planned).await
    }

    fn secret(&self, object: &str, path: &str) -> &str {
        &self.live.secrets.of(&object.parse().unwrap()).unwrap()[path]
    }
}

#[tokio::test]
async fn a_plan_after_its_apply_is_empty() {
    let mut place = Place::new().await;
    let office = || {
        let mut all = extensions(3);
        all.push(declared(
            "carrier/main",
            json!({ "hosts": ["10.0.0.1"], "authentication": { "username": "a", "password": { "env": "P" } } }),
            &[("authentication.password", "s3cret;--of its own")],
        ));
        wants(all)
    };
    let first = place.plan(office()).await.unwrap();
    assert_eq!((first.view.changes.len(), first.view.unchanged, first.view.base), (4, 0, None));
    let kept = place.keep(&first).await;
    assert_eq!(first.tree, place.live.tree, "what is read at a start is what was planned");
    let again = place.plan(office()).await.unwrap();
    assert_eq!((again.view.changes.as_slice(), again.view.files.len(), again.view.reloads.len()), (&[][..], 0, 0));
    assert_eq!((again.view.unchanged, again.view.base), (4, Some(kept)));
}

#[tokio::test]
async fn a_secret_is_generated_once_and_kept() {
    let mut place = Place::new().await;
    place.apply(wants(extensions(2))).await;
    let (first, pin) = (
        place.secret("extension/1000", "password").to_owned(),
        place.secret("extension/1000", "voicemail.pin").to_owned(),
    );
    assert!(first.len() == 24 && pin.len() == 6 && pin.bytes().all(|b| b.is_ascii_digit()));
    assert_ne!(first, place.secret("extension/1001", "password"));
    place
        .apply(wants(vec![
            declared("extension/1000", json!({ "displayName": "Eva" }), &[]),
            declared("extension/1001", json!({}), &[]),
        ]))
        .await;
    assert_eq!(
        (place.secret("extension/1000", "password"), place.secret("extension/1000", "voicemail.pin")),
        (first.as_str(), pin.as_str())
    );
}

#[tokio::test]
async fn a_given_secret_that_changes_is_told_by_field_and_never_by_value() {
    let mut place = Place::new().await;
    let office = |value: &str| {
        wants(vec![declared("extension/1000", json!({ "password": { "env": "P" } }), &[("password", value)])])
    };
    place.apply(office("first-of-its-kind")).await;
    let planned = place.plan(office("second-of-its-kind")).await.unwrap();
    let field = &planned.view.changes[0].fields[0];
    assert!(field.secret && field.before.is_none() && field.after.is_none() && field.path == "spec.password");
    let told = serde_json::to_string(&planned.view).unwrap() + &format!("{planned:?}");
    assert!(!told.contains("of-its-kind"), "{told}");
    assert!(planned.view.files[0].diff.contains("a secret changes"));
    // Nor when it is refused.
    let refused = place.plan(office("of-its-kind\nmore")).await.unwrap_err();
    assert!(!format!("{refused:?}").contains("of-its-kind"));
    assert_eq!(refused.diagnostics[0].path, "spec.password");
}

#[tokio::test]
async fn a_secret_in_the_open_is_not_kept_in_the_open() {
    let place = Place::new().await;
    let refused = place
        .plan(wants(vec![declared(
            "extension/1000",
            json!({ "password": "hunter22222" }),
            &[("password", "hunter22222")],
        )]))
        .await;
    let refused = refused.unwrap_err();
    assert!(
        refused.diagnostics[0].path == "spec.password" && !format!("{refused:?}").contains("hunter"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn two_pins_of_a_conference_are_two() {
    let mut place = Place::new().await;
    let room = |pin: Json, secrets: &[(&str, &str)]| {
        let spec = json!({ "pin": pin, "adminPin": { "env": "ADMIN" } });
        wants(vec![declared("conference/8000", spec, secrets)])
    };
    let both = room(json!({ "file": "/pin" }), &[("pin", "471147"), ("adminPin", "471147")]);
    let refused = place.plan(both).await.unwrap_err();
    let [one] = &refused.diagnostics[..] else { panic!("{:?}", refused.diagnostics) };
    assert_eq!((one.path.as_str(), one.code.as_str()), ("spec.adminPin", "conflict"));
    assert!(!format!("{one:?}").contains("471147"));
    // So is one that becomes the same as the one that is kept.
    place.apply(room(json!({ "generate": true }), &[("adminPin", "471147")])).await;
    let kept = place.secret("conference/8000", "pin").to_owned();
    assert!(place.plan(room(json!({ "generate": true }), &[("adminPin", &kept)])).await.is_err());
}

#[tokio::test]
async fn names_are_checked_whoever_sends_them() {
    let place = Place::new().await;
    let refused = place.plan(wants(vec![declared("extension/sales", json!({}), &[])])).await.unwrap_err();
    assert_eq!(refused.diagnostics[0].path, "metadata.name");
}

/// What `pbxctl apply` sends of an office, with every secret that a manifest does not have generated.
fn of_office(seed: u64, size: usize) -> PlanRequest {
    let documents = office::documents(office::text(&office::manifests(seed, size)));
    let declared = |document: pbx_manifest::Document| {
        let given =
            document.spec.secrets().into_iter().filter(|(_, secret)| **secret != pbx_manifest::Secret::Generate);
        let value = |path: &str| match path {
            "adminPin" => "114711".to_owned(),
            path if path.ends_with("pin") => "471147".to_owned(),
            path => format!("value of {path};--"),
        };
        let secrets = given.map(|(path, _)| (path.clone(), value(&path))).collect();
        let declaration = Declaration {
            object: document.object,
            meta: document.meta,
            renamed_from: None,
            spec: document.fields,
            scope: None,
        };
        Declared { declaration, secrets }
    };
    wants(documents.into_iter().map(declared).collect())
}

#[tokio::test]
async fn a_plan_after_the_apply_of_any_office_is_empty() {
    for seed in 0..u64::from(pbx_lab::samples(12)) {
        let mut place = Place::new().await;
        let size = seed as usize % 7 + 1;
        // From another office, so that there is what is deleted and what stays.
        place.apply(of_office(!seed, size)).await;
        let whole = || PlanRequest { prune: true, allow_deletes: Some(u32::MAX), ..of_office(seed, size) };
        place.apply(whole()).await;
        let mut backwards = whole();
        backwards.declarations.reverse();
        for request in [whole(), backwards] {
            let planned = place.plan(request).await.unwrap();
            assert_eq!(planned.view.changes, [], "office {seed}");
            assert!(planned.view.files.is_empty() && planned.view.reloads.is_empty(), "office {seed}");
            assert_eq!((&planned.records, &planned.tree), (&place.live.records, &place.live.tree), "office {seed}");
        }
    }
}

#[tokio::test]
async fn an_object_is_declared_once_whoever_sends_it() {
    let mut place = Place::new().await;
    let twice = || {
        wants(vec![
            declared("extension/1000", json!({ "displayName": "Ana" }), &[]),
            declared("extension/1000", json!({ "email": "a@b.c" }), &[]),
        ])
    };
    for _ in 0..2 {
        let refused = place.plan(twice()).await.unwrap_err();
        assert_eq!((refused.code, refused.diagnostics[0].code.as_str()), (ErrorCode::Invalid, "repeated-object"));
        place.apply(wants(extensions(1))).await;
    }
}

#[tokio::test]
async fn labels_are_checked_whoever_sends_them() {
    let mut place = Place::new().await;
    for (key, value) in [("team", "a b"), ("team", "x\ny"), ("Team", "x"), ("a.b", "x"), ("", "x")] {
        let mut labelled = declared("extension/1000", json!({}), &[]);
        labelled.declaration.meta.labels.insert(key.into(), value.into());
        let refused = place.plan(wants(vec![labelled])).await.unwrap_err();
        assert_eq!(refused.diagnostics[0].path, format!("metadata.labels.{key}"), "{key}={value}");
    }
    place.apply(wants(extensions(1))).await;
    for (path, value) in [("metadata.labels.team", json!("a b")), ("metadata.name", json!("x")), ("email", json!("x"))]
    {
        let patch = Patch {
            object: "extension/1000".parse().unwrap(),
            set: BTreeMap::from([(path.to_owned(), value)]),
            unset: BTreeSet::new(),
        };
        let request = PlanRequest { set: "manual".into(), patches: vec![patch], ..PlanRequest::default() };
        assert_eq!(place.plan(request).await.unwrap_err().diagnostics[0].path, path);
    }
}

#[tokio::test]
async fn what_is_refused_is_named_whoever_sends_it() {
    let place = Place::new().await;
    for (spec, path) in [
        (json!({ "callForward": { "busy": "x\n" } }), "spec.callForward.busy"),
        (json!({ "permissions": ["national", "x y"] }), "spec.permissions[1]"),
        (json!({ "displayName": 5 }), "spec"),
        (json!({ "displayname": "Ana" }), "spec.displayname"),
        (json!([]), "spec"),
    ] {
        let refused = place.plan(wants(vec![declared("extension/1000", spec, &[])])).await.unwrap_err();
        assert_eq!(refused.diagnostics[0].path, path, "{refused:?}");
    }
}

#[tokio::test]
async fn many_deletes_are_a_slip_until_their_number_is_said() {
    let mut place = Place::new().await;
    place.apply(wants(extensions(10))).await;
    let fewer = |count: usize, allow: Option<u32>| PlanRequest {
        prune: true,
        allow_deletes: allow,
        ..wants(extensions(count))
    };
    assert_eq!(place.plan(fewer(7, None)).await.unwrap().view.changes.len(), 3);
    let refused = place.plan(fewer(6, None)).await.unwrap_err();
    assert_eq!((refused.code, refused.message.as_str()), (ErrorCode::Limit, "this would delete 4 of 10 extensions"));
    assert!(refused.help[0].ends_with("--allow-deletes 4"), "{refused:?}");
    assert!(place.plan(fewer(6, Some(3))).await.is_err());
    assert!(place.plan(fewer(6, Some(4))).await.is_ok());
    // Nine are too few to be protected.
    place.apply(fewer(9, None)).await;
    assert!(place.plan(fewer(1, None)).await.is_ok());
    // But a set that names none of them has lost its file.
    let other = |allow| PlanRequest {
        prune: true,
        allow_deletes: allow,
        ..wants(vec![declared("profile/desk", json!({}), &[])])
    };
    assert_eq!(place.plan(other(None)).await.unwrap_err().message, "this would delete all 9 extensions");
    assert!(place.plan(other(Some(9))).await.is_ok());
    // Whoever names them has seen them.
    let named = PlanRequest {
        deletes: (0..9).map(|at| format!("extension/{}", 1000 + at).parse().unwrap()).collect(),
        ..wants(vec![])
    };
    assert!(place.plan(named).await.is_ok());
}

fn deletes(objects: &[&str]) -> PlanRequest {
    PlanRequest { deletes: objects.iter().map(|object| object.parse().unwrap()).collect(), ..wants(vec![]) }
}

#[tokio::test]
async fn what_is_protected_is_not_deleted() {
    let mut place = Place::new().await;
    let office = |protected| {
        let mut all = extensions(2);
        all[1].declaration.meta.protected = protected;
        wants(all)
    };
    place.apply(office(true)).await;
    let forced = PlanRequest { allow_deletes: Some(9), ..deletes(&["extension/1000", "extension/1001"]) };
    let refused = place.plan(forced).await.unwrap_err();
    assert_eq!((refused.code, refused.message.as_str()), (ErrorCode::Limit, "extension/1001 is protected"));
    assert_eq!(
        place.plan(PlanRequest { prune: true, ..wants(extensions(1)) }).await.unwrap_err().code,
        ErrorCode::Limit
    );
    let open = place.plan(office(false)).await.unwrap();
    assert_eq!(open.view.changes[0].fields[0].path, "metadata.protected");
    place.keep(&open).await;
    assert!(place.plan(deletes(&["extension/1001"])).await.is_ok());
}

#[tokio::test]
async fn the_last_way_to_the_emergency_services_is_not_lost_by_a_slip() {
    let mut place = Place::new().await;
    place
        .apply(wants(vec![
            declared("carrier/main", json!({ "hosts": ["10.0.0.1"] }), &[]),
            declared(
                "route/sos",
                json!({ "order": 1, "patterns": ["112"], "carriers": ["main"], "emergency": true }),
                &[],
            ),
        ]))
        .await;
    let refused = place.plan(deletes(&["route/sos"])).await.unwrap_err();
    assert_eq!(
        (refused.code, refused.message.as_str()),
        (ErrorCode::Limit, "no route for emergency calls would be left")
    );
    let meant = PlanRequest { allow_deletes: Some(1), ..deletes(&["route/sos"]) };
    let effects = place.plan(meant).await.unwrap().view.blast.effects;
    assert!(effects.contains(&"emergency numbers can no longer be dialled".to_owned()), "{effects:?}");
}

#[tokio::test]
async fn who_still_uses_what_would_be_gone_is_named() {
    let mut place = Place::new().await;
    let mut all = extensions(2);
    all.push(declared("group/sales", json!({ "members": ["1000", "1001"] }), &[]));
    place.apply(wants(all)).await;
    let refused = place.plan(deletes(&["extension/1000"])).await.unwrap_err();
    assert_eq!(refused.message, "extension/1000 is still used by group/sales");
    let told = &refused.diagnostics[0];
    assert_eq!(
        (told.code.as_str(), told.path.as_str(), told.message.as_str()),
        ("still-used", "spec.members[0]", "extension/1000 is used here, and would be gone")
    );
    assert!(place.plan(deletes(&["extension/1000", "group/sales"])).await.is_ok());
}

#[tokio::test]
async fn a_rename_keeps_the_object() {
    let mut place = Place::new().await;
    let office = |number: &str, from: Option<&str>| {
        let mut ana = declared(&format!("extension/{number}"), json!({ "displayName": "Ana" }), &[]);
        ana.declaration.renamed_from = from.map(|name| name.parse().unwrap());
        vec![ana]
    };
    let first = place.apply(wants(office("1001", None))).await;
    let by_hand = PlanRequest {
        patches: vec![Patch {
            object: "extension/1001".parse().unwrap(),
            set: BTreeMap::from([("spec.language".into(), json!("pt"))]),
            unset: BTreeSet::new(),
        }],
        set: "manual".into(),
        ..PlanRequest::default()
    };
    place.apply(by_hand).await;
    let (password, pin) = (
        place.secret("extension/1001", "password").to_owned(),
        place.secret("extension/1001", "voicemail.pin").to_owned(),
    );
    let renamed = PlanRequest { prune: true, ..wants(office("2001", Some("1001"))) };
    let planned = place.plan(renamed.clone()).await.unwrap();
    assert_eq!(planned.view.changes.len(), 1);
    let change = &planned.view.changes[0];
    assert_eq!(
        (change.action, change.renamed_from.as_ref().unwrap().to_string()),
        (Action::Update, "extension/1001".into())
    );
    assert!(change.fields.is_empty(), "{change:?}");
    place.keep(&planned).await;
    assert_eq!(place.secret("extension/2001", "password"), password);
    assert_eq!(place.secret("extension/2001", "voicemail.pin"), pin);
    let record = &place.live.records[&"extension/2001".parse::<ObjectRef>().unwrap()];
    assert_eq!((record.owner_of("spec.language"), record.owner_of("spec.displayName")), ("manual", "default"));
    assert!(place.plan(renamed).await.unwrap().view.changes.is_empty(), "the same manifests again change nothing");
    // An old name that nobody has is told, and what may have been meant; on a new system it is no slip.
    let slip = PlanRequest { prune: true, ..wants(office("3001", Some("2002"))) };
    let found = place.plan(slip.clone()).await.unwrap().view.diagnostics;
    assert_eq!((found.len(), found[0].path.as_str(), found[0].is_error()), (1, "metadata.renamedFrom", false));
    assert_eq!(
        found[0].message,
        "there is no extension/2002 to rename: extension/3001 is made anew, and keeps nothing of another"
    );
    assert_eq!(found[0].help, ["did you mean `2001`?"]);
    assert!(Place::new().await.plan(slip).await.unwrap().view.diagnostics.is_empty());
    // Both cannot be meant.
    let mut both = office("2001", Some("1001"));
    both.extend(office("1001", None));
    assert_eq!(place.plan(wants(both)).await.unwrap_err().diagnostics[0].code, "rename");
    // And back.
    let back = place.plan(PlanRequest { rollback: Some(first), ..wants(vec![]) }).await.unwrap();
    assert_eq!(back.view.changes[0].renamed_from.as_ref().unwrap().to_string(), "extension/2001");
    place.keep(&back).await;
    assert_eq!(place.secret("extension/1001", "password"), password);
}

#[tokio::test]
async fn prune_deletes_what_its_own_set_made_and_no_longer_names() {
    let mut place = Place::new().await;
    place.apply(wants(extensions(3))).await;
    let other = PlanRequest { set: "other".into(), ..wants(vec![declared("extension/2000", json!({}), &[])]) };
    place.apply(other).await;
    let empty = PlanRequest { prune: true, ..wants(Vec::new()) };
    assert_eq!(place.plan(empty).await.unwrap_err().code, ErrorCode::Limit);
    // Without `prune` nothing goes.
    assert!(place.plan(wants(extensions(1))).await.unwrap().view.changes.is_empty());
    let planned = place.plan(PlanRequest { prune: true, ..wants(extensions(2)) }).await.unwrap();
    let gone: Vec<String> =
        planned.view.changes.iter().map(|change| format!("{:?} {}", change.action, change.object)).collect();
    assert_eq!(gone, ["Delete extension/1002"]);
    assert_eq!(planned.secrets.of(&"extension/1002".parse().unwrap()), None);
    assert_eq!(planned.view.blast.effects, ["1 telephone can no longer register"]);
}

#[tokio::test]
async fn going_back_brings_objects_and_secrets_back() {
    let mut place = Place::new().await;
    let office = |name: &str, secret: &str| {
        wants(vec![declared(
            "extension/1000",
            json!({ "displayName": name, "password": { "env": "P" } }),
            &[("password", secret)],
        )])
    };
    let first = place.apply(office("Ana", "first-of-its-kind")).await;
    let before = place.live.tree.clone();
    place.apply(office("Eva", "second-of-its-kind")).await;
    place.apply(wants(extensions(2))).await;
    let back = |revision| PlanRequest { rollback: Some(revision), ..wants(Vec::new()) };
    let planned = place.plan(back(first)).await.unwrap();
    assert_eq!(planned.tree, before);
    place.keep(&planned).await;
    assert_eq!(place.live.tree, before);
    assert_eq!(place.secret("extension/1000", "password"), "first-of-its-kind");
    assert!(place.plan(back(first)).await.unwrap().view.changes.is_empty());
    for missing in [99, 0, u64::MAX] {
        assert_eq!(place.plan(back(missing)).await.unwrap_err().code, ErrorCode::NotFound);
    }
}

#[tokio::test]
async fn what_is_not_there_cannot_be_changed() {
    let mut place = Place::new().await;
    place.apply(wants(extensions(2))).await;
    let patch = |object: &str| Patch {
        object: object.parse().unwrap(),
        set: BTreeMap::from([("spec.enabled".into(), json!(false))]),
        unset: BTreeSet::new(),
    };
    let request = |patches, deletes| PlanRequest { set: "manual".into(), patches, deletes, ..PlanRequest::default() };
    assert_eq!(place.plan(request(vec![patch("extension/9")], vec![])).await.unwrap_err().code, ErrorCode::NotFound);
    assert_eq!(
        place.plan(request(vec![], vec!["extension/100".parse().unwrap()])).await.unwrap_err().help,
        ["did you mean `extension/1000`?"]
    );
    place.apply(request(vec![patch("extension/1000")], vec![])).await;
    // What was done by hand stays, and is somebody's.
    let conflict =
        place.plan(wants(vec![declared("extension/1000", json!({ "enabled": true }), &[])])).await.unwrap_err();
    assert_eq!((conflict.code, conflict.diagnostics[0].path.as_str()), (ErrorCode::Conflict, "spec.enabled"));
    let forced = PlanRequest {
        force_conflicts: true,
        ..wants(vec![declared("extension/1000", json!({ "enabled": true }), &[])])
    };
    assert!(place.plan(forced).await.is_ok());
    for set in ["", "A b", "x/y"] {
        assert_eq!(
            place.plan(PlanRequest { set: set.into(), ..PlanRequest::default() }).await.unwrap_err().code,
            ErrorCode::BadRequest
        );
    }
}

#[tokio::test]
async fn a_carrier_is_named_as_it_is() {
    let mut place = Place::new().await;
    let office = |host: &str| wants(vec![declared("carrier/carrier-x", json!({ "hosts": [host] }), &[])]);
    place.apply(office("10.0.0.1")).await;
    let effects = place.plan(office("10.0.0.2")).await.unwrap().view.blast.effects;
    assert_eq!(effects, ["new calls by carrier-x use the new settings; calls in progress go on"]);
}

#[tokio::test]
async fn who_may_not_apply_cannot_guess_secrets() {
    let mut place = Place::new().await;
    let with = |pin: &str| {
        let spec =
            json!({ "voicemail": { "enabled": true, "pin": { "env": "PIN" } }, "password": { "generate": true } });
        wants(vec![declared("extension/1001", spec, &[("voicemail.pin", pin)])])
    };
    let planned = place.plan(with("4711")).await.unwrap();
    place.keep(&planned).await;
    let mut seen = Vec::new();
    for pin in ["4711", "4712"] {
        let mut request = with(pin);
        let told = unseen(&place.live, &mut request).unwrap().expect("a word on what was not compared");
        assert_eq!(told.message, "one secret was not compared with what is kept");
        let view = place.plan(request).await.unwrap().view;
        seen.push((view.changes, view.files, view.reloads));
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0].0, []);
    // Nor by giving it another name.
    seen.clear();
    for pin in ["4711", "4712"] {
        let mut request = with(pin);
        let declaration = &mut request.declarations[0].declaration;
        declaration.object = "extension/2001".parse().unwrap();
        declaration.renamed_from = Some("1001".parse().unwrap());
        unseen(&place.live, &mut request).unwrap().expect("a word on what was not compared");
        let view = place.plan(request).await.unwrap().view;
        seen.push((view.changes, view.files, view.reloads));
    }
    assert_eq!(seen[0], seen[1]);
    // Those who may, see it.
    assert_eq!(place.plan(with("4712")).await.unwrap().view.changes.len(), 1);
    let asked = pbx_api::NewSecrets { object: "extension/1001".parse().unwrap(), secrets: BTreeMap::new() };
    let mut new = PlanRequest { new_secrets: vec![asked], ..PlanRequest::default() };
    assert_eq!(unseen(&place.live, &mut new).unwrap_err().code, ErrorCode::NotAllowed);
}

#[tokio::test]
async fn whose_telephones_are_turned_off_or_on_is_told() {
    let mut place = Place::new().await;
    let all = |enabled: [bool; 3]| {
        let one = |(at, enabled)| declared(&format!("extension/{}", 1000 + at), json!({ "enabled": enabled }), &[]);
        wants(enabled.into_iter().enumerate().map(one).collect())
    };
    let effects = async |place: &Place, request| place.plan(request).await.unwrap().view.blast.effects;
    place.apply(all([true; 3])).await;
    let off = all([true, false, false]);
    assert_eq!(effects(&place, off.clone()).await, ["2 telephones can no longer register or be called"]);
    place.apply(off).await;
    let on = all([true, true, false]);
    assert_eq!(effects(&place, on).await, ["1 telephone can register and be called again"]);
    // Nobody can miss what was off already: not its deletion, nor another name, nor another password.
    let gone = PlanRequest { allow_deletes: Some(2), ..deletes(&["extension/1000", "extension/1002"]) };
    assert_eq!(effects(&place, gone).await, ["1 telephone can no longer register"]);
    let mut renamed = declared(
        "extension/1009",
        json!({ "enabled": false, "password": { "env": "P" } }),
        &[("password", "another-secret")],
    );
    renamed.declaration.renamed_from = Some("1002".parse().unwrap());
    assert_eq!(effects(&place, wants(vec![renamed])).await, [""; 0]);
}

/// What counts for a length of time counts from its first apply on, whatever is planned and applied after.
#[tokio::test]
async fn an_expiry_counts_from_the_first_apply() {
    let mut place = Place::new().await;
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let filter = |expires: &str| {
        let deny = json!([{ "caller": "+351911111111", "expires": expires }, { "caller": "_+44X." }]);
        wants(vec![declared("filter/spam", json!({ "deny": deny }), &[])])
    };
    let expires =
        |planned: &Planned| planned.records[&"filter/spam".parse().unwrap()].spec["deny"][0]["expires"].clone();
    let looked = place.plan_at(filter("30d"), at("2026-11-01T00:00:00Z")).await.unwrap();
    assert_eq!(expires(&looked), "30d@2026-11-01T00:00:00Z");
    let first = place.plan_at(filter("30d"), at("2026-11-02T00:00:00.5Z")).await.unwrap();
    assert_eq!(expires(&first), "30d@2026-11-02T00:00:00Z");
    assert!(first.view.files.iter().all(|file| !file.diff.contains("911111111")), "entries are in no file");
    place.keep(&first).await;
    let again = place.plan_at(filter("30d"), at("2026-12-24T00:00:00Z")).await.unwrap();
    assert!(again.view.changes.is_empty(), "{:?}", again.view.changes);
    let other = place.plan_at(filter("60d"), at("2026-12-24T00:00:00Z")).await.unwrap();
    assert_eq!(expires(&other), "60d@2026-12-24T00:00:00Z");
    assert!(other.view.reloads.is_empty() && other.view.files.is_empty(), "{:?}", other.view.reloads);
    // By hand, and by another set that says the same.
    let patch = Patch {
        object: "filter/spam".parse().unwrap(),
        set: [(
            "spec.deny".to_owned(),
            json!([{ "caller": "351911111111", "expires": "30d" }, { "caller": "+351911111111", "expires": "30d" }]),
        )]
        .into(),
        unset: BTreeSet::new(),
    };
    let by_hand = PlanRequest { set: "manual".into(), patches: vec![patch], ..PlanRequest::default() };
    let by_hand = place.plan_at(by_hand, at("2026-12-24T00:00:00Z")).await.unwrap();
    let deny = &by_hand.records[&"filter/spam".parse().unwrap()].spec["deny"];
    assert_eq!(deny[1]["expires"], "30d@2026-11-02T00:00:00Z");
    assert_eq!(deny[0]["expires"], "30d@2026-12-24T00:00:00Z");
    let same = PlanRequest { set: "other".into(), ..filter("30d") };
    assert!(place.plan_at(same, at("2026-12-24T00:00:00Z")).await.unwrap().view.changes.is_empty());
}
