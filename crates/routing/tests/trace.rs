//! Calls that are followed through the graph, a test for each sort of step.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use jiff::Timestamp;
use pbx_manifest::{AnySpec, Catalog, Given, Kind, TestCall};
use pbx_routing::CallGraph;
use pbx_routing::trace::{Call, End, Tracer};
use serde_json::{Value as Json, json};

/// Manifests of a kind and name each.
fn catalog(manifests: &[(&str, &str, Json)]) -> Catalog {
    let mut catalog = Catalog::default();
    for (kind, name, spec) in manifests {
        let kind: Kind = kind.parse().unwrap();
        let labels = BTreeMap::from([("team".to_owned(), "sales".to_owned())]);
        let spec = AnySpec::from_json(kind, spec).unwrap_or_else(|error| panic!("{kind}/{name}: {error}"));
        catalog.insert(name.parse().unwrap(), labels, spec);
    }
    catalog
}

/// What a trace says, a line each: its steps, what is heard, and its end.
struct Said {
    labels: Vec<String>,
    whys: Vec<String>,
    fields: Vec<String>,
    heard: Vec<String>,
    end: End,
}

impl Said {
    fn path(&self) -> String {
        self.labels.join(" ")
    }
}

/// Wednesday, three in the afternoon.
const NOON: &str = "2026-11-25T15:00:00Z";

fn trace(catalog: &Catalog, call: Json, given: Json) -> Said {
    let graph = CallGraph::new(catalog);
    let call: TestCall = serde_json::from_value(call).unwrap();
    let given: Given = serde_json::from_value(given).unwrap();
    let call = Call::new(catalog, &call, Some(NOON.parse::<Timestamp>().unwrap()));
    let trace = Tracer::new(catalog, &graph).trace(&call, &given);
    for walked in &trace.walked {
        assert!(graph.nodes.contains_key(walked.node));
    }
    Said {
        labels: trace.labels().map(str::to_owned).collect(),
        whys: trace.steps.iter().map(|step| step.why.clone()).collect(),
        fields: trace
            .steps
            .iter()
            .map(|step| step.decided.as_ref().map(ToString::to_string).unwrap_or_default())
            .collect(),
        heard: trace.heard,
        end: trace.end,
    }
}

fn office(more: &[(&str, &str, Json)]) -> Catalog {
    let mut all = vec![
        ("carrier", "main", json!({ "hosts": ["10.0.0.1"] })),
        ("carrier", "spare", json!({ "hosts": ["10.0.0.2"] })),
        ("did", "+351", json!({ "carrier": "main", "destination": "extension/1" })),
        ("extension", "1", json!({ "voicemail": { "enabled": true }, "callForward": { "busy": "extension/2" } })),
        ("extension", "2", json!({ "permissions": ["national"] })),
        ("extension", "3", json!({ "doNotDisturb": true })),
        ("extension", "4", json!({ "enabled": false })),
        ("mailbox", "general", json!({ "email": "a@example.com", "operator": "extension/2" })),
    ];
    all.extend_from_slice(more);
    catalog(&all)
}

fn answered(end: &End) -> Vec<&str> {
    let End::Answered(all) = end else { panic!("{end:?}") };
    all.iter().map(pbx_manifest::Name::as_str).collect()
}

#[test]
fn telephones_ring_are_busy_silent_or_gone() {
    let catalog = office(&[]);
    let call = || json!({ "to": "+351", "from": "+4912" });
    let said = trace(&catalog, call(), json!({}));
    assert_eq!((said.path().as_str(), answered(&said.end)), ("did/+351 extension/1", vec!["1"]));
    assert_eq!(said.whys[0], "`4912` calls");
    assert_eq!(said.fields[1], "did/+351 spec.destination");
    let said = trace(&catalog, call(), json!({ "busy": ["1"] }));
    assert_eq!((said.path().as_str(), answered(&said.end)), ("did/+351 extension/1 extension/2", vec!["2"]));
    assert_eq!(said.fields[2], "extension/1 spec.callForward.busy");
    let said = trace(&catalog, call(), json!({ "doNotDisturb": ["1"], "unregistered": ["2"] }));
    assert_eq!(said.path(), "did/+351 extension/1 extension/2 hangup/congestion");
    for (state, why) in [("noAnswer", "nobody answers"), ("unregistered", "no telephone is registered")] {
        let said = trace(&catalog, call(), json!({ state: ["1"] }));
        assert_eq!(said.path(), "did/+351 extension/1 voicemail/1");
        assert_eq!((said.whys[2].as_str(), said.fields[2].as_str()), (why, "extension/1 spec.voicemail.enabled"));
        assert_eq!(said.end, End::Voicemail("1".parse().unwrap()));
    }
}

#[test]
fn what_is_not_there_is_refused() {
    let catalog = office(&[]);
    let said = trace(&catalog, json!({ "to": "+3519" }), json!({}));
    assert_eq!((said.path().as_str(), &said.end), ("unknown", &End::Unknown));
    let said = trace(&catalog, json!({ "to": "+351", "carrier": "spare" }), json!({}));
    assert_eq!((said.path().as_str(), said.fields[1].as_str()), ("did/+351 unknown", "did/+351 spec.carrier"));
    let said = trace(&catalog, json!({ "to": "4", "from": "1" }), json!({}));
    assert_eq!(said.path(), "extension/4 unknown");
    let said = trace(&catalog, json!({ "to": "3", "from": "1" }), json!({}));
    assert_eq!(said.path(), "extension/3 hangup/busy");
    let said = trace(&catalog, json!({ "to": "1", "from": "extension/4" }), json!({}));
    assert_eq!(said.end, End::Forbidden);
}

#[test]
fn callers_filters_and_hours_decide_in_their_order() {
    let catalog = office(&[
        (
            "filter",
            "spam",
            json!({ "deny": [{ "caller": "+1900*" }, { "caller": "anonymous" }], "allow": [{ "caller": "+19005" }], "denied": "hangup/busy" }),
        ),
        (
            "schedule",
            "office",
            json!({ "timeZone": "Europe/Lisbon", "open": [{ "days": "mon-fri", "hours": ["09:00-13:00", "14:00-18:00"] }], "closed": [{ "yearly": "12-25", "name": "Christmas" }] }),
        ),
        (
            "did",
            "+352",
            json!({ "blockFilter": "spam", "callers": [{ "from": "+4912*", "destination": "extension/2" }], "schedule": "office", "destination": "extension/1", "afterHours": "voicemail/general" }),
        ),
    ]);
    let at =
        |from: &str, at: &str, given: Json| trace(&catalog, json!({ "to": "+352", "from": from, "at": at }), given);
    let said = at("+19001", "2026-11-25T15:00", json!({}));
    assert_eq!(said.path(), "did/+352 filter/spam=denied hangup/busy");
    assert_eq!(said.fields[1..], ["filter/spam spec.deny[0]", "did/+352 spec.blockFilter"]);
    assert_eq!(at("anonymous", "2026-11-25T15:00", json!({})).labels[1], "filter/spam=denied");
    let said = at("+19005", "2026-11-25T15:00", json!({}));
    assert_eq!(said.path(), "did/+352 filter/spam=passed schedule/office=open extension/1");
    assert_eq!(said.fields[1..3], ["filter/spam spec.allow[0]", "schedule/office spec.open[0].hours[1]"]);
    assert_eq!(at("+49123", "2026-11-25T03:00", json!({})).path(), "did/+352 filter/spam=passed extension/2");
    let said = at("+5", "2026-12-25T15:00", json!({}));
    assert_eq!(said.path(), "did/+352 filter/spam=passed schedule/office=closed voicemail/general");
    assert_eq!(
        (said.whys[2].as_str(), said.fields[2].as_str()),
        ("2026-12-25 is Christmas", "schedule/office spec.closed[0]")
    );
    assert_eq!(said.fields[3], "did/+352 spec.afterHours");
    assert_eq!(at("+5", "2026-11-25T13:30", json!({})).whys[2], "wed 13:30 is outside of its hours");
    let said = at("+5", "2026-11-25T13:30", json!({ "schedules": { "office": "open" } }));
    assert_eq!((said.labels[2].as_str(), said.whys[2].as_str()), ("schedule/office=open", "somebody has opened it"));
}

#[test]
fn groups_ring_by_their_strategy() {
    for (strategy, quickest) in [("ringAll", "12"), ("hunt", "1"), ("memoryHunt", "1"), ("roundRobin", "1")] {
        let catalog = office(&[(
            "group",
            "g",
            json!({ "strategy": strategy, "number": "60", "members": ["1", "2", "3"], "failover": "voicemail/general" }),
        )]);
        let dial = |given: Json| trace(&catalog, json!({ "to": "60", "from": "2" }), given);
        let said = dial(json!({}));
        assert_eq!((said.path().as_str(), answered(&said.end).concat().as_str()), ("group/g", quickest), "{strategy}");
        assert_eq!(answered(&dial(json!({ "busy": ["1"] })).end), ["2"]);
        let said = dial(json!({ "noAnswer": ["1"], "unregistered": ["2"] }));
        assert_eq!(said.path(), "group/g voicemail/general");
        assert_eq!(said.fields, ["group/g spec.number", "group/g spec.failover"]);
    }
}

#[test]
fn trees_leave_by_what_happened() {
    let level = |more: Json| {
        let mut tree = json!({ "number": "70", "ring": ["extension/1", "extension/2"], "timeout": "15s" });
        tree.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        office(&[("tree", "t", tree), ("queue", "q", json!({ "members": [{ "extension": "2", "autoLogin": true }] }))])
    };
    let whole = level(json!({
        "busy": { "go": "hangup/busy" },
        "noAnswer": { "ring": ["extension/2"], "otherwise": { "ring": ["queue/q"], "timeout": "60s", "noAnswer": { "go": "voicemail/general" } } },
        "otherwise": { "go": "hangup/congestion" },
    }));
    let dial = |catalog: &Catalog, given: Json| trace(catalog, json!({ "to": "70", "from": "1" }), given);
    assert_eq!(dial(&whole, json!({ "busy": ["1", "2"] })).path(), "tree/t hangup/busy");
    assert_eq!(dial(&whole, json!({ "busy": ["1"], "unregistered": ["2"] })).path(), "tree/t hangup/busy");
    assert_eq!(dial(&whole, json!({ "unregistered": ["1", "2"] })).path(), "tree/t hangup/congestion");
    let said = dial(&whole, json!({ "noAnswer": ["1", "2"] }));
    assert_eq!(said.path(), "tree/t tree/t.noAnswer tree/t.noAnswer.otherwise voicemail/general");
    assert_eq!(
        said.fields[1..],
        ["tree/t spec.noAnswer", "tree/t spec.noAnswer.otherwise", "tree/t spec.noAnswer.otherwise.noAnswer"]
    );
    let bare = level(json!({ "otherwise": { "go": "voicemail/general" } }));
    for given in
        [json!({ "busy": ["1", "2"] }), json!({ "noAnswer": ["1", "2"] }), json!({ "unregistered": ["1", "2"] })]
    {
        assert_eq!(dial(&bare, given).path(), "tree/t voicemail/general");
    }
    assert_eq!(dial(&level(json!({})), json!({ "noAnswer": ["1"], "busy": ["2"] })).path(), "tree/t hangup");
}

#[test]
fn callers_wait_in_queues_until_somebody_is_there() {
    let queue = |more: Json| {
        let mut queue = json!({ "number": "80", "holdMusic": "jazz", "members": [
            { "extension": "1", "autoLogin": true }, { "extension": "2", "penalty": 5, "autoLogin": true }, { "extension": "5" },
        ] });
        queue.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        office(&[
            ("queue", "q", queue),
            ("extension", "5", json!({})),
            ("music", "jazz", json!({ "files": ["a.mp3"] })),
        ])
    };
    let dial = |catalog: &Catalog, given: Json| trace(catalog, json!({ "to": "80", "from": "3" }), given);
    let plain = queue(
        json!({ "maxWaiting": 2, "maxWait": "10m", "onTimeout": "voicemail/general", "onFull": "hangup/busy", "keys": { "0": "extension/5" } }),
    );
    assert_eq!(answered(&dial(&plain, json!({})).end), ["1"]);
    assert_eq!(answered(&dial(&plain, json!({ "paused": ["1"] })).end), ["2"]);
    assert_eq!(answered(&dial(&plain, json!({ "loggedIn": ["5"], "busy": ["1"] })).end), ["5"]);
    // Whoever lets it ring stays the first to be called.
    let said = dial(&plain, json!({ "noAnswer": ["1"] }));
    assert_eq!(
        (said.path().as_str(), said.fields[1].as_str()),
        ("queue/q voicemail/general", "queue/q spec.onTimeout")
    );
    assert_eq!(dial(&plain, json!({ "waiting": { "q": 2 } })).path(), "queue/q hangup/busy");
    assert_eq!(dial(&plain, json!({ "full": ["q"] })).path(), "queue/q hangup/busy");
    assert_eq!(dial(&plain, json!({ "press": ["0"] })).path(), "queue/q extension/5");
    assert_eq!(dial(&plain, json!({ "press": ["7"] })).path(), "queue/q");
    let said = dial(&plain, json!({ "unregistered": ["1", "2"], "full": ["q"] }));
    assert_eq!(said.path(), "queue/q hangup/congestion");
    // Taken out for not answering, the first lets the second ring.
    assert_eq!(answered(&dial(&queue(json!({ "autoPause": "queue" })), json!({ "noAnswer": ["1"] })).end), ["2"]);
    let patient = queue(json!({ "joinEmpty": "never", "leaveEmpty": "nobodyFree", "onEmpty": "voicemail/general" }));
    assert_eq!(dial(&patient, json!({ "busy": ["1", "2"] })).path(), "queue/q voicemail/general");
    let endless = queue(json!({ "joinEmpty": "never", "leaveEmpty": "never" }));
    assert_eq!(dial(&endless, json!({ "busy": ["1", "2"] })).end, End::Waits("q".parse().unwrap()));
}

#[test]
fn menus_are_walked_by_keys() {
    let catalog = office(&[
        ("announcement", "welcome", json!({ "file": "a.mp3" })),
        ("announcement", "off", json!({ "enabled": false, "file": "a.mp3" })),
        (
            "ivr",
            "main",
            json!({ "number": "90", "start": "welcome", "directDial": true, "nodes": {
                "welcome": { "play": "announcement/welcome", "next": "set" },
                "set": { "set": { "language": "pt", "variables": { "tier": "9" } }, "next": "menu" },
                "menu": { "menu": { "prompt": "sound/press-1", "invalidPrompt": "sound/invalid", "timeoutPrompt": "announcement/off", "retries": 1 },
                          "keys": { "1": "account", "9": "menu" }, "invalid": "extension/1", "timedOut": "extension/2" },
                "account": { "collect": { "prompt": "sound/account", "digits": 4, "least": 2, "into": "account", "retries": 0 }, "next": "route", "timedOut": "hangup" },
                "route": { "route": "account", "cases": [{ "match": "9*", "to": "voicemail/general" }], "otherwise": "who" },
                "who": { "route": "caller", "cases": [{ "match": "anonymous", "to": "hangup/busy" }], "otherwise": "tier" },
                "tier": { "route": "tier", "cases": [{ "match": "9", "to": "extension/2" }], "otherwise": "hangup" },
            } }),
        ),
        ("did", "+353", json!({ "destination": "ivr/main" })),
    ]);
    let press = |keys: &[&str]| trace(&catalog, json!({ "to": "+353" }), json!({ "press": keys }));
    let into = "did/+353 ivr/main ivr/main.welcome ivr/main.set ivr/main.menu";
    let said = press(&[]);
    assert_eq!(said.path(), format!("{into} extension/2"));
    assert_eq!(said.heard, ["announcement/welcome", "sound/press-1", "sound/press-1"]);
    assert_eq!(said.fields[5], "ivr/main spec.nodes.menu.timedOut");
    assert_eq!(press(&["7", ""]).path(), format!("{into} extension/2"));
    // An extension of one digit, unless the key is one of the menu's.
    assert_eq!(press(&["3"]).path(), format!("{into} extension/3 hangup/busy"));
    let said = press(&["", "7"]);
    assert_eq!(said.path(), format!("{into} extension/1"));
    assert_eq!(said.heard.last().unwrap(), "sound/invalid");
    assert_eq!(press(&["7", "7"]).path(), format!("{into} extension/1"));
    assert_eq!(
        press(&["7", "1", "12"]).path(),
        format!("{into} ivr/main.account ivr/main.route ivr/main.who hangup/busy")
    );
    assert_eq!(press(&["1", "97#5"]).path(), format!("{into} ivr/main.account ivr/main.route voicemail/general"));
    assert_eq!(press(&["1", "9#"]).path(), format!("{into} ivr/main.account hangup"));
    // A key that leads back to the menu asks again.
    assert_eq!(
        press(&["9", "9", "1", "1"]).path(),
        format!("{into} ivr/main.menu ivr/main.menu ivr/main.account hangup")
    );
    let known = trace(&catalog, json!({ "to": "+353", "from": "+4912" }), json!({ "press": ["1", "12"] }));
    assert!(known.path().ends_with("ivr/main.who ivr/main.tier extension/2"), "{}", known.path());
}

#[test]
fn extensions_are_dialled_at_a_menu_that_lets_them() {
    let menu = |direct: Json| {
        catalog(&[
            ("extension", "1001", json!({})),
            ("extension", "2001", json!({ "enabled": false })),
            (
                "ivr",
                "main",
                json!({ "number": "90", "start": "menu", "directDial": direct, "nodes": { "menu": { "menu": { "retries": 0 }, "keys": { "1": "hangup/busy" }, "invalid": "hangup", "timedOut": "hangup" } } }),
            ),
        ])
    };
    let press = |catalog: &Catalog, keys: &str| {
        trace(catalog, json!({ "to": "90", "from": "1001" }), json!({ "press": [keys] }))
    };
    let open = menu(json!({ "team": "sales" }));
    let said = press(&open, "1001");
    assert_eq!(
        (said.path().as_str(), said.fields[2].as_str()),
        ("ivr/main ivr/main.menu extension/1001", "ivr/main spec.directDial")
    );
    assert_eq!(press(&open, "1").path(), "ivr/main ivr/main.menu hangup/busy");
    assert_eq!(press(&open, "2001").path(), "ivr/main ivr/main.menu hangup");
    assert_eq!(press(&menu(json!(false)), "1001").path(), "ivr/main ivr/main.menu hangup/busy");
}

#[test]
fn calls_go_out_by_route_carrier_and_permission() {
    let catalog = office(&[
        (
            "route",
            "national",
            json!({ "order": 10, "patterns": ["_2XX", "_9XX"], "prepend": "+351", "carriers": ["main", "spare"] }),
        ),
        (
            "route",
            "world",
            json!({ "order": 20, "patterns": ["_00X."], "strip": 2, "prepend": "+", "carriers": ["main"], "permission": "international" }),
        ),
        ("route", "help", json!({ "order": 1, "patterns": ["112"], "carriers": ["main"], "emergency": true })),
        ("did", "+354", json!({ "destination": "external/912" })),
    ]);
    let dial = |to: &str, given: Json| trace(&catalog, json!({ "to": to, "from": "2" }), given);
    let said = dial("912", json!({}));
    assert_eq!((said.path().as_str(), &said.end), ("route/national carrier/main", &End::Outside("+351912".into())));
    assert_eq!(said.fields, ["route/national spec.patterns[1]", "route/national spec.carriers[0]"]);
    assert_eq!(dial("912", json!({ "refuses": ["main"] })).path(), "route/national carrier/main carrier/spare");
    let said = dial("912", json!({ "refuses": ["main", "spare"] }));
    assert_eq!(said.path(), "route/national carrier/main carrier/spare hangup/congestion");
    let said = dial("0044", json!({}));
    assert_eq!((said.path().as_str(), said.fields[0].as_str()), ("forbidden", "route/world spec.permission"));
    assert_eq!(dial("5555", json!({})).path(), "unknown");
    assert_eq!(dial("112", json!({})).path(), "route/help carrier/main");
    assert_eq!(trace(&catalog, json!({ "to": "+354" }), json!({})).path(), "did/+354 external/912 carrier/main");
    let none = trace(&catalog, json!({ "to": "+354" }), json!({ "refuses": ["main", "spare"] }));
    assert_eq!(none.path(), "did/+354 external/912 carrier/main carrier/spare hangup/congestion");
}

#[test]
fn rooms_services_and_boxes_are_ends() {
    let catalog = office(&[
        ("conference", "8000", json!({})),
        ("parking", "main", json!({ "number": "700", "slots": "701-720" })),
        ("did", "+355", json!({ "destination": "schedule/office" })),
        ("schedule", "office", json!({ "open": [], "destination": "extension/1", "afterHours": "voicemail/general" })),
    ]);
    let dial = |to: &str, given: Json| trace(&catalog, json!({ "to": to, "from": "1" }), given);
    assert_eq!(dial("8000", json!({})).end, End::Conference("8000".parse().unwrap()));
    assert_eq!(dial("700", json!({})).end, End::Parked("main".parse().unwrap()));
    assert_eq!(dial("705", json!({})).path(), "parking/main");
    for (code, word) in
        [("*97", "voicemail"), ("*43", "echo"), ("*8", "pickup"), ("*81001", "pickup"), ("*72912", "call-forward")]
    {
        assert_eq!(dial(code, json!({})).path(), word);
    }
    assert_eq!(dial("*971", json!({})).path(), "unknown");
    // A schedule that calls are sent to says only what it is asked, and a box has a key for its operator.
    let call = |keys: &[&str]| trace(&catalog, json!({ "to": "+355" }), json!({ "press": keys }));
    assert_eq!(call(&[]).path(), "did/+355 schedule/office=closed voicemail/general");
    assert_eq!(call(&["0"]).path(), "did/+355 schedule/office=closed voicemail/general extension/2");
}

#[test]
fn a_call_that_goes_round_has_no_end() {
    let catalog = office(&[
        ("did", "+356", json!({ "destination": "ivr/round" })),
        (
            "ivr",
            "round",
            json!({ "start": "menu", "nodes": { "menu": { "menu": { "retries": 0 }, "keys": { "1": "hangup" }, "invalid": "menu", "timedOut": "again" }, "again": { "go": "ivr/round" } } }),
        ),
        ("extension", "7", json!({ "callForward": { "busy": "extension/8" } })),
        ("extension", "8", json!({ "callForward": { "busy": "extension/7" } })),
    ]);
    let said = trace(&catalog, json!({ "to": "+356" }), json!({ "press": ["5"] }));
    assert_eq!(said.path(), "did/+356 ivr/round ivr/round.menu ivr/round.menu ivr/round.again ivr/round");
    assert_eq!(said.end, End::Endless("ivr/round.menu".into()));
    let said = trace(&catalog, json!({ "to": "7", "from": "1" }), json!({ "busy": ["7", "8"] }));
    assert_eq!((said.path().as_str(), said.end), ("extension/7 extension/8", End::Endless("extension/7".into())));
}

#[test]
fn a_test_says_what_it_expects_and_is_told_what_happened() {
    use pbx_manifest::Expect;
    use pbx_routing::trace::judge;
    let catalog = office(&[
        ("filter", "spam", json!({ "deny": [{ "caller": "anonymous" }] })),
        ("schedule", "office", json!({ "open": [{ "days": "daily", "hours": ["09:00-18:00"] }] })),
        ("announcement", "welcome", json!({ "file": "a.mp3" })),
        (
            "ivr",
            "main",
            json!({ "start": "hi", "nodes": { "hi": { "play": "announcement/welcome", "next": "extension/1" } } }),
        ),
        (
            "did",
            "+352",
            json!({ "blockFilter": "spam", "schedule": "office", "destination": "ivr/main", "afterHours": "voicemail/general" }),
        ),
    ]);
    let graph = CallGraph::new(&catalog);
    let tracer = Tracer::new(&catalog, &graph);
    let misses = |at: Option<&str>, expect: Json| {
        let call = json!({ "to": "+352", "from": "+49", "at": at });
        let call: TestCall = serde_json::from_value(call).unwrap();
        let expect: Expect = serde_json::from_value(expect).unwrap();
        let trace = tracer.trace(&Call::new(&catalog, &call, None), &Given::default());
        judge(&expect, &trace)
            .into_iter()
            .map(|miss| format!("{}: {}, not {}", miss.path, miss.traced, miss.expected))
            .collect::<Vec<_>>()
    };
    let day = Some("2026-11-25T15:00");
    let whole = ["did/+352", "filter/spam=passed", "schedule/office=open", "ivr/main", "ivr/main.hi", "extension/1"];
    assert!(
        misses(day, json!({ "path": whole, "end": "answered", "answeredBy": "1", "heard": ["announcement/welcome"] }))
            .is_empty()
    );
    assert!(
        misses(day, json!({ "path": ["did/+352", "ivr/main", "extension/1"], "answeredBy": "extension/1" })).is_empty()
    );
    let path = |path: &[&str]| misses(day, json!({ "path": path }));
    assert_eq!(path(&["did/+352", "extension/1"]), ["spec.expect.path[1]: ivr/main, not extension/1"]);
    assert_eq!(path(&["did/+352", "ivr/main"]), ["spec.expect.path[1]: extension/1, not no step behind it"]);
    let more = ["did/+352", "ivr/main", "extension/1", "voicemail/1"];
    assert_eq!(path(&more), ["spec.expect.path[3]: the end: answered, not voicemail/1"]);
    let all = json!({ "end": "hangup", "answeredBy": "2", "heard": ["sound/bye"], "music": "jazz", "carrier": "main" });
    assert_eq!(misses(day, all).len(), 5);
    assert_eq!(misses(None, json!({ "end": "answered" })).len(), 1);
    assert!(misses(None, json!({ "end": "answered" }))[0].contains("schedule/office is asked"));
    let night = misses(Some("2026-11-25T03:00"), json!({ "path": ["did/+352", "ivr/main", "extension/1"] }));
    assert_eq!(night, ["spec.expect.path[1]: schedule/office=closed, not ivr/main"]);
}

#[test]
fn what_no_call_has_walked_is_counted_and_told() {
    use pbx_routing::trace::Coverage;
    let catalog = office(&[
        ("did", "+352", json!({ "callers": [{ "from": "+1*", "destination": "hangup" }], "destination": "group/g" })),
        ("group", "g", json!({ "members": ["2"], "failover": "extension/1" })),
    ]);
    let graph = CallGraph::new(&catalog);
    let tracer = Tracer::new(&catalog, &graph);
    let mut coverage = Coverage::new(&catalog, &graph);
    let missing = |coverage: &Coverage<'_>| {
        let told = coverage.missing().into_iter().map(|one| match (one.reason, one.to) {
            (Some(reason), Some(to)) => format!("{} {reason} → {to}", one.step),
            _ => one.step,
        });
        told.collect::<Vec<_>>()
    };
    let all = ["did/+351", "did/+352", "extension/1", "extension/2", "group/g", "voicemail/1"];
    assert_eq!((coverage.counts().0, missing(&coverage)), (0, all.map(str::to_owned).to_vec()));
    let mut call = |to: &str, given: Json| {
        let call: TestCall = serde_json::from_value(json!({ "to": to, "from": "+49" })).unwrap();
        let given: Given = serde_json::from_value(given).unwrap();
        let trace = tracer.trace(&Call::new(&catalog, &call, None), &given);
        coverage.add(&trace);
        (coverage.counts(), missing(&coverage))
    };
    call("+352", json!({}));
    let (counts, left) = call("+352", json!({ "busy": ["2"], "noAnswer": ["1"] }));
    assert_eq!(left, ["did/+351", "did/+352 caller +1* → hangup", "extension/1 busy → extension/2", "extension/2"]);
    assert!(counts.0 > 3 && counts.0 < counts.1, "{counts:?}");
}
