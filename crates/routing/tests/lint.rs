//! What is allowed and probably not meant.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::time::Instant;

use pbx_manifest::{AnySpec, Catalog, Kind};
use pbx_routing::{CallGraph, check_system};
use serde_json::{Value as Json, json};

fn catalog(manifests: &[(&str, &str, Json)]) -> Catalog {
    let mut catalog = Catalog::default();
    for (kind, name, spec) in manifests {
        let kind: Kind = kind.parse().unwrap();
        let spec = AnySpec::from_json(kind, spec).unwrap_or_else(|error| panic!("{kind}/{name}: {error}"));
        catalog.insert(name.parse().unwrap(), BTreeMap::new(), spec);
    }
    catalog
}

/// An office without a fault, and more.
fn told(more: &[(&str, &str, Json)]) -> Vec<String> {
    let mut all = vec![
        ("carrier", "main", json!({ "hosts": ["10.0.0.1"] })),
        ("extension", "1", json!({ "callForward": { "busy": "extension/2", "noAnswer": "extension/2" } })),
        // Two that ring on the way round are no circle.
        ("extension", "2", json!({ "callForward": { "noAnswer": "extension/1" } })),
        ("extension", "3", json!({ "doNotDisturb": true })),
        ("extension", "4", json!({ "enabled": false })),
    ];
    all.extend_from_slice(more);
    let catalog = catalog(&all);
    let found = check_system(&catalog, &CallGraph::new(&catalog));
    found.iter().map(ToString::to_string).collect()
}

fn did(destination: &str) -> (&'static str, &'static str, Json) {
    ("did", "+351", json!({ "carrier": "main", "destination": destination }))
}

#[expect(clippy::needless_pass_by_value, reason = "written where it is passed")]
fn menu(nodes: Json) -> (&'static str, &'static str, Json) {
    ("ivr", "m", json!({ "start": "a", "nodes": nodes }))
}

#[test]
fn a_good_office_is_left_alone() {
    assert_eq!(told(&[did("extension/1")]), Vec::<String>::new());
}

#[test]
fn circles_are_errors_where_nobody_is_waited_for() {
    let found = told(&[
        did("ivr/m"),
        ("announcement", "x", json!({ "file": "a.mp3" })),
        menu(
            json!({ "a": { "play": "announcement/x", "next": "b" }, "b": { "set": { "language": "pt" }, "next": "ivr/m" } }),
        ),
    ]);
    assert_eq!(
        found,
        ["error: calls would go round without end: ivr/m → ivr/m.a → ivr/m.b → ivr/m (ivr/m spec.start)"]
    );
    let found =
        told(&[did("announcement/x"), ("announcement", "x", json!({ "file": "a.mp3", "then": "announcement/x" }))]);
    assert_eq!(found.len(), 1, "{found:?}");
    let found = told(&[
        did("ivr/m"),
        menu(
            json!({ "a": { "route": "caller", "cases": [{ "match": "+1*", "to": "b" }], "otherwise": "hangup" }, "b": { "go": "a" } }),
        ),
    ]);
    assert_eq!(
        found,
        ["warning: calls may go round without end: ivr/m.a → ivr/m.b → ivr/m.a (ivr/m spec.nodes.a.cases[0].to)"]
    );
}

#[test]
fn a_silent_caller_is_not_asked_for_ever() {
    let asks = |timed_out: &str, invalid: &str| {
        told(&[
            did("ivr/m"),
            menu(
                json!({ "a": { "menu": {}, "keys": { "1": "extension/1" }, "timedOut": timed_out, "invalid": invalid } }),
            ),
        ])
    };
    assert_eq!(asks("hangup", "a"), Vec::<String>::new());
    assert_eq!(
        asks("a", "hangup"),
        [
            "warning: a caller who presses nothing would go round without end: ivr/m.a → ivr/m.a (ivr/m spec.nodes.a.timedOut)"
        ]
    );
    // Who waits in a queue, or hears it ring, has somebody to wait for.
    let found = told(&[
        did("queue/q"),
        (
            "queue",
            "q",
            json!({ "members": [{ "extension": "1" }], "maxWait": "1m", "onTimeout": "queue/q", "onEmpty": "hangup" }),
        ),
    ]);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn circles_where_nobody_is_free_are_told() {
    let found = told(&[
        ("extension", "5", json!({ "callForward": { "unavailable": "extension/6" } })),
        ("extension", "6", json!({ "noAnswer": "extension/5" })),
        ("queue", "a", json!({ "number": "80", "members": [{ "extension": "1" }], "onEmpty": "queue/b" })),
        (
            "queue",
            "b",
            json!({ "members": [{ "extension": "1" }], "onEmpty": "hangup", "maxWaiting": 9, "onFull": "queue/a" }),
        ),
        ("group", "g", json!({ "number": "60", "members": ["1"], "failover": "tree/t" })),
        ("tree", "t", json!({ "ring": ["extension/1"], "noAnswer": { "go": "hangup" }, "busy": { "go": "group/g" } })),
    ]);
    assert_eq!(
        found,
        [
            "extension/5 → extension/6 → extension/5 (extension/5 spec.callForward.unavailable)",
            "group/g → tree/t → group/g (group/g spec.failover)",
            "queue/a → queue/b → queue/a (queue/a spec.onEmpty)",
        ]
        .map(|at| format!("warning: calls would go round without end while nobody is free to take them: {at}"))
    );
    // What takes time is meant, and a queue that never counts as empty sends nobody away.
    let found = told(&[
        (
            "queue",
            "a",
            json!({ "number": "80", "members": [{ "extension": "1" }], "maxWait": "1m", "onTimeout": "queue/b", "onEmpty": "hangup" }),
        ),
        (
            "queue",
            "b",
            json!({ "members": [{ "extension": "1" }], "maxWait": "1m", "onTimeout": "queue/a", "onEmpty": "hangup" }),
        ),
        (
            "tree",
            "t",
            json!({ "number": "60", "ring": ["queue/c"], "noAnswer": { "go": "tree/t" }, "otherwise": { "go": "tree/t" } }),
        ),
        ("queue", "c", json!({ "members": [{ "extension": "1" }], "joinEmpty": "never", "leaveEmpty": "never" })),
    ]);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_denied_caller_gets_to_nobody_by_a_second_step() {
    let denied = |denied: &str| {
        told(&[
            ("did", "+351", json!({ "carrier": "main", "destination": "announcement/on", "blockFilter": "f" })),
            ("filter", "f", json!({ "deny": [{ "caller": "anonymous" }], "denied": denied })),
            ("announcement", "off", json!({ "file": "a.mp3", "then": "hangup" })),
            ("announcement", "on", json!({ "file": "a.mp3", "then": "announcement/far" })),
            ("announcement", "far", json!({ "file": "a.mp3", "then": "voicemail/b" })),
            ("mailbox", "b", json!({ "operator": "extension/1" })),
        ])
    };
    assert_eq!(
        denied("announcement/on"),
        ["error: `announcement/on` would let a denied caller through, to `extension/1` (filter/f spec.denied)"]
    );
    assert_eq!(
        denied("voicemail/b"),
        ["error: `voicemail/b` would let a denied caller through, to `extension/1` (filter/f spec.denied)"]
    );
    assert_eq!(denied("announcement/off"), Vec::<String>::new());
}

#[test]
fn a_queue_that_ends_calls_says_so() {
    let queue = |more: Json| {
        let mut spec = json!({ "members": [{ "extension": "1" }], "maxWaiting": 5, "maxWait": "5m" });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ("queue", "q", spec)
    };
    let called = |more: Json| told(&[did("queue/q"), queue(more)]);
    assert_eq!(
        called(json!({})),
        [
            "warning: queue `q` ends the call when nobody is there, or while `maxWaiting` wait, or after `maxWait` (queue/q spec)"
        ]
    );
    assert_eq!(
        called(json!({ "onEmpty": "hangup", "onFull": "hangup/busy" })),
        ["warning: queue `q` ends the call after `maxWait` (queue/q spec)"]
    );
    let rest = json!({ "joinEmpty": "never", "leaveEmpty": "never", "onFull": "hangup", "onTimeout": "extension/1" });
    assert_eq!(called(rest), Vec::<String>::new());
    // At a tree's level, the tree says what follows.
    assert_eq!(
        told(&[("tree", "t", json!({ "number": "60", "ring": ["queue/q"] })), queue(json!({}))]),
        Vec::<String>::new()
    );
}

#[test]
fn what_is_turned_off_still_says_what_its_objects_are_for() {
    let named = [
        ("schedule", "s", json!({ "open": [{ "days": "daily", "hours": ["09:00-18:00"] }] })),
        ("filter", "f", json!({ "deny": [{ "caller": "anonymous" }], "denied": "announcement/n" })),
        ("mailbox", "b", json!({})),
        ("announcement", "n", json!({ "file": "a.mp3" })),
    ];
    let with = |more: (&'static str, &'static str, Json)| {
        let found = told(&[&named[..], &[more]].concat());
        found.into_iter().filter(|one| one.contains("nothing leads to")).count()
    };
    let queue = json!({ "enabled": false, "members": [{ "extension": "1" }], "schedule": "s", "outOfOffice": "voicemail/b", "blockFilter": "f" });
    assert_eq!(with(("queue", "q", queue)), 0);
    let nodes = json!({ "a": { "play": "announcement/n", "next": "b" }, "b": { "time": "s", "open": "voicemail/b", "closed": "hangup" } });
    assert_eq!(with(("ivr", "m", json!({ "enabled": false, "start": "a", "nodes": nodes }))), 1, "the filter alone");
    let forward = |rest: Json| {
        let mut spec = json!({ "callForward": { "noAnswer": "voicemail/b", "busy": "announcement/n" } });
        spec.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        ("extension", "9", spec)
    };
    assert_eq!(with(forward(json!({ "doNotDisturb": true }))), 2);
    assert_eq!(with(forward(json!({ "enabled": false }))), 2);
    let mut always = forward(json!({}));
    always.2["callForward"]["always"] = json!("hangup");
    assert_eq!(with(always), 2);
    assert_eq!(with(("mailbox", "c", json!({ "enabled": false, "operator": "voicemail/b" }))), 3);
}

#[test]
fn minutes_that_were_meant_to_be_open_are_told() {
    let holes = |open: Json| {
        told(&[
            ("schedule", "s", json!({ "open": open })),
            (
                "did",
                "+351",
                json!({ "carrier": "main", "schedule": "s", "destination": "extension/1", "afterHours": "hangup" }),
            ),
        ])
    };
    assert_eq!(
        holes(json!([
            { "days": "mon-fri", "hours": ["09:00-12:59", "13:00-18:00"] },
            { "days": "sat", "hours": ["00:00-23:59"] },
            { "days": "wed-thu", "hours": ["18:01-20:00"] },
        ])),
        [
            "warning: `09:00-12:59` and `13:00-18:00` leave a minute closed between them (schedule/s spec.open[0].hours[0])",
            "warning: `13:00-18:00` and `18:01-20:00` leave a minute closed between them (schedule/s spec.open[0].hours[1])",
            "warning: `00:00-23:59` leaves the last minute of the day closed (schedule/s spec.open[1].hours[0])",
        ]
    );
    assert_eq!(
        holes(json!([
            { "days": "mon", "hours": ["09:00-12:59", "13:30-24:00"] },
            { "days": "tue", "hours": ["09:00-12:59"] },
            { "days": "wed", "hours": ["13:00-18:00"] },
            { "days": "thu", "hours": ["18:00-23:59"] },
            { "days": "thu,fri", "hours": ["22:00-02:00"] },
        ])),
        Vec::<String>::new()
    );
}

#[test]
fn cases_of_a_menu_that_no_value_comes_to_are_told() {
    let cases = |collect: Json, timed_out: &str| {
        told(&[
            did("ivr/m"),
            menu(json!({
                "a": { "collect": collect, "next": "b", "timedOut": timed_out },
                "b": { "route": "acc", "otherwise": "hangup", "cases": [
                    { "match": "12*", "to": "extension/1" }, { "match": "123", "to": "hangup" }, { "match": "_1XX", "to": "hangup" },
                    { "match": "_XXXX", "to": "hangup" }, { "match": "34", "to": "hangup" }, { "match": "5555*", "to": "hangup" },
                    { "match": "_67.", "to": "hangup" }, { "match": "anonymous", "to": "hangup" },
                ] },
            })),
        ])
    };
    let at = |case: usize| format!("(ivr/m spec.nodes.b.cases[{case}].match)");
    assert_eq!(
        cases(json!({ "digits": 3, "into": "acc" }), "hangup"),
        [
            format!("warning: an earlier rule, `12*`, already takes `123` {}", at(1)),
            format!("warning: `_XXXX` never matches: `acc` has 3 digits {}", at(3)),
            format!("warning: `34` never matches: `acc` has 3 digits {}", at(4)),
            format!("warning: `5555*` never matches: `acc` has 3 digits {}", at(5)),
            format!("warning: `anonymous` never matches: `acc` always has digits {}", at(7)),
        ]
    );
    // Who gave too few digits comes there without any.
    assert_eq!(
        cases(json!({ "digits": 4, "least": 2, "into": "acc" }), "b"),
        [format!("warning: an earlier rule, `12*`, already takes `123` {}", at(1))]
    );
    // Another menu may have set it, of any length.
    let other = json!({ "start": "x", "number": "60", "nodes": { "x": { "set": { "variables": { "acc": "1234" } }, "next": "ivr/m" } } });
    let found = told(&[
        ("ivr", "n", other),
        menu(json!({
            "a": { "collect": { "digits": 3, "into": "acc" }, "next": "b", "timedOut": "hangup" },
            "b": { "route": "acc", "otherwise": "hangup", "cases": [{ "match": "1234", "to": "extension/1" }] },
        })),
    ]);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn what_nothing_leads_to_is_told() {
    let objects = [
        ("schedule", "s", json!({ "open": [{ "days": "daily", "hours": ["09:00-18:00"] }] })),
        ("group", "g", json!({ "members": ["1"] })),
        ("filter", "f", json!({ "deny": [{ "caller": "anonymous" }] })),
        ("tree", "t", json!({ "ring": ["group/g"] })),
        (
            "queue",
            "q",
            json!({ "members": [{ "extension": "1" }], "onEmpty": "hangup", "announce": { "comfort": { "every": "1m", "play": "announcement/c" } } }),
        ),
        ("mailbox", "b", json!({ "email": "a@example.com" })),
        ("announcement", "n", json!({ "file": "a.mp3" })),
        ("announcement", "c", json!({ "file": "a.mp3" })),
        menu(
            json!({ "a": { "menu": { "prompt": "announcement/n" }, "keys": { "1": "queue/q" }, "timedOut": "voicemail/b", "invalid": "tree/t" } }),
        ),
    ];
    let whole = |more: (&'static str, &'static str, Json)| told(&[&objects[..], &[more]].concat());
    let found = whole(did("extension/1"));
    assert_eq!(found.len(), 9, "{found:#?}");
    assert!(found.contains(&"warning: nothing leads to ivr `m` (ivr/m)".to_owned()), "{found:#?}");
    let used = json!({ "carrier": "main", "blockFilter": "f", "schedule": "s", "destination": "ivr/m", "afterHours": "hangup" });
    assert_eq!(whole(("did", "+351", used.clone())), Vec::<String>::new());
    // Turned off for a while, the number still says what all this is for.
    let mut off = used;
    off["enabled"] = json!(false);
    assert_eq!(whole(("did", "+351", off)), Vec::<String>::new());
    assert_eq!(
        told(&[("queue", "q", json!({ "number": "80", "members": [{ "extension": "1" }], "onEmpty": "hangup" }))]),
        Vec::<String>::new()
    );
}

#[test]
fn where_nobody_can_be_is_told() {
    let found = told(&[
        ("group", "g", json!({ "number": "60", "members": ["3", "4"] })),
        ("queue", "q", json!({ "number": "61", "members": [{ "extension": "3" }] })),
        ("tree", "t", json!({ "number": "62", "ring": ["extension/1"], "noAnswer": { "ring": ["extension/3"] } })),
    ]);
    let at: Vec<&str> = found.iter().filter_map(|one| one.rsplit_once('(').map(|(_, at)| at)).collect();
    assert!(at.contains(&"group/g spec.members)"), "{found:#?}");
    assert!(at.contains(&"queue/q spec.members)") && at.contains(&"tree/t spec.noAnswer.ring)"), "{found:#?}");
}

#[test]
fn hours_that_never_come_are_told() {
    let found = told(&[
        (
            "schedule",
            "s",
            json!({ "open": [{ "days": "mon-fri", "hours": ["09:00-18:00"] }, { "days": "wed", "hours": ["10:00-12:00", "19:00-20:00"] }] }),
        ),
        ("schedule", "never", json!({ "open": [] })),
        (
            "did",
            "+351",
            json!({ "carrier": "main", "schedule": "s", "destination": "extension/1", "afterHours": "hangup" }),
        ),
        (
            "did",
            "+352",
            json!({ "carrier": "main", "schedule": "never", "destination": "extension/1", "afterHours": "hangup" }),
        ),
    ]);
    assert_eq!(
        found,
        [
            "warning: this schedule is never open (schedule/never spec.open)",
            "warning: `mon-fri 09:00-18:00` already holds `wed 10:00-12:00` (schedule/s spec.open[1].hours[0])",
            "warning: this DID is never open: schedule `never` has no hours (did/+352 spec.schedule)",
        ]
    );
}

#[test]
fn rules_that_an_earlier_one_takes_are_told() {
    let found = told(&[
        (
            "filter",
            "f",
            json!({ "deny": [{ "caller": "+49*" }, { "caller": "+44*", "expires": "30d" }], "allow": [{ "caller": "+495" }] }),
        ),
        (
            "did",
            "+351",
            json!({ "carrier": "main", "destination": "extension/1", "callers": [
                { "from": "+35191*", "destination": "extension/2" }, { "from": "+351912", "destination": "hangup" },
                { "from": "_1XXX", "destination": "extension/2" }, { "from": "_19XX", "destination": "hangup" }, { "from": "_1X", "destination": "hangup" },
                { "from": "anonymous", "destination": "hangup" },
            ] }),
        ),
        (
            "queue",
            "q",
            json!({ "number": "80", "blockFilter": "f", "members": [{ "extension": "1" }], "onEmpty": "hangup", "vip": [
                { "caller": "+491", "priority": 1 }, { "caller": "+495", "priority": 1 }, { "caller": "+441", "priority": 1 },
            ] }),
        ),
        ("did", "+351210001000", json!({ "carrier": "main", "destination": "extension/1" })),
        ("did", "210001000", json!({ "carrier": "main", "destination": "extension/2" })),
    ]);
    assert_eq!(
        found,
        [
            "warning: an earlier rule, `+35191*`, already takes `+351912` (did/+351 spec.callers[1].from)",
            "warning: an earlier rule, `_1XXX`, already takes `_19XX` (did/+351 spec.callers[3].from)",
            "warning: `+491` never gets so far: filter `f` denies the caller (queue/q spec.vip[0].caller)",
            "warning: `+351210001000` and `210001000` may be one number, and lead to different places (did/+351210001000 metadata.name)",
        ]
    );
}

#[test]
fn routes_that_never_carry_or_carry_for_everybody_are_told() {
    let found = told(&[
        ("route", "help", json!({ "order": 1, "patterns": ["112", "_1XX!"], "carriers": ["main"], "emergency": true })),
        ("route", "wide", json!({ "order": 10, "patterns": ["_9XXXXXXXX", "_2X."], "carriers": ["main"] })),
        ("route", "late", json!({ "order": 20, "patterns": ["_91XXXXXXX", "_21XX", "_3XX"], "carriers": ["main"] })),
        ("carrier", "off", json!({ "enabled": false, "hosts": ["10.0.0.9"] })),
        ("route", "dead", json!({ "order": 30, "patterns": ["_4XX"], "carriers": ["off"] })),
    ]);
    let told = |at: &str| found.iter().filter(|one| one.ends_with(at)).count();
    assert_eq!(told("(route/help spec.patterns[1])"), 1, "{found:#?}");
    assert_eq!((told("(route/late spec.patterns[0])"), told("(route/late spec.patterns[1])")), (1, 1), "{found:#?}");
    assert_eq!((told("(route/late spec.patterns[2])"), told("(route/dead spec.carriers)")), (0, 1), "{found:#?}");
}

/// Menus that lead to menus, DIDs, rules: of twice as much, it takes about twice as long.
fn large(size: usize) -> Catalog {
    let mut all = vec![("carrier", "main".to_owned(), json!({ "hosts": ["10.0.0.1"] }))];
    for at in 0..size {
        let next = format!("ivr/m{}", (at + 1) % size);
        let spec = json!({ "start": "a", "nodes": { "a": { "menu": {}, "keys": { "1": "extension/100000" }, "timedOut": next, "invalid": "hangup" } } });
        all.push(("ivr", format!("m{at}"), spec));
        let name = format!("+351{:09}", at + 100_000_000);
        all.push(("did", name, json!({ "carrier": "main", "destination": format!("ivr/m{at}") })));
        let pattern = format!("_9{at:06}X");
        all.push((
            "route",
            format!("r{at}"),
            json!({ "order": 1 + at % 9000, "patterns": [pattern], "carriers": ["main"] }),
        ));
    }
    all.push(("extension", "100000".into(), json!({})));
    let all: Vec<_> = all.iter().map(|(kind, name, spec)| (*kind, name.as_str(), spec.clone())).collect();
    catalog(&all)
}

#[test]
fn its_cost_grows_with_the_system_and_no_faster() {
    let cost = |size: usize| {
        let catalog = large(size);
        let graph = CallGraph::new(&catalog);
        let times = (0..3).map(|_| {
            let begin = Instant::now();
            let found = check_system(&catalog, &graph);
            assert!(found.iter().any(|one| one.code == "loop"));
            begin.elapsed()
        });
        times.min().unwrap()
    };
    let (small, large) = (cost(1_000), cost(8_000));
    // By the square of its size it would be 64 times; the machine may be busy with something else meanwhile.
    assert!(large < small * 32, "{small:?} and {large:?}");
}
