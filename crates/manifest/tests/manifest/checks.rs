//! Checks between objects, and what a schedule says of an instant.

use jiff::Timestamp;
use pbx_manifest::kinds::{Schedule, ScheduleState};
use pbx_manifest::{AnySpec, Catalog, Diagnostic, Kind, ObjectRef, Source, TimeZone, Wanted, check, parse};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::office;

fn catalog(manifests: &[(&str, &str, Json)]) -> Catalog {
    let mut catalog = Catalog::default();
    for (kind, name, spec) in manifests {
        let kind: Kind = kind.parse().unwrap();
        let name: pbx_manifest::Name = name.parse().unwrap();
        catalog.insert(name, std::collections::BTreeMap::new(), AnySpec::from_json(kind, spec).unwrap());
    }
    catalog
}

fn found(manifests: &[(&str, &str, Json)]) -> Vec<String> {
    let mut found: Vec<String> = check(&catalog(manifests))
        .iter()
        .map(|found| format!("{} {} {}", found.code, found.object.as_ref().unwrap(), found.path))
        .collect();
    found.sort();
    found
}

fn schedule(spec: Json) -> Schedule {
    serde_json::from_value(spec).unwrap()
}

fn open(schedule: &Schedule, zone: &str, instant: &str) -> bool {
    let zone: TimeZone = zone.parse().unwrap();
    schedule.at(instant.parse::<Timestamp>().unwrap(), &zone) == ScheduleState::Open
}

#[test]
fn calls_inside_are_among_the_permissions_of_everyone() {
    let all = catalog(&[
        ("extension", "1001", json!({})),
        ("extension", "1002", json!({ "permissions": ["national"] })),
        ("extension", "1003", json!({ "permissions": ["internal", "national"] })),
    ]);
    let shown = |name: &str| {
        let object = format!("extension/{name}").parse().unwrap();
        all.effective(&object, None).unwrap()["permissions"].clone()
    };
    assert_eq!(shown("1001"), json!(["internal"]));
    assert_eq!(shown("1002"), json!(["internal", "national"]));
    assert_eq!(shown("1003"), json!(["internal", "national"]));
}

#[test]
fn a_schedule_is_open_in_its_own_zone() {
    let office = schedule(
        json!({ "open": [{ "days": "mon-fri", "hours": ["09:00-18:00"] }], "closed": [{ "date": "2026-12-25" }] }),
    );
    // Monday in Lisbon, in winter and in summer.
    assert!(
        open(&office, "Europe/Lisbon", "2026-01-05T09:00:00Z")
            && !open(&office, "Europe/Lisbon", "2026-01-05T08:59:59Z")
    );
    assert!(
        open(&office, "Europe/Lisbon", "2026-07-06T08:00:00Z")
            && !open(&office, "Europe/Lisbon", "2026-07-06T17:00:00Z")
    );
    // The weekday is the zone's: Sunday night in UTC is Monday morning in Auckland.
    assert!(open(&office, "Pacific/Auckland", "2026-01-04T21:00:00Z") && !open(&office, "UTC", "2026-01-04T21:00:00Z"));
    // So is the date of a holiday, which begins and ends at the zone's midnight.
    assert!(!open(&office, "Europe/Lisbon", "2026-12-25T10:00:00Z"));
    assert!(
        !open(&office, "Pacific/Auckland", "2026-12-24T21:00:00Z")
            && open(&office, "America/Los_Angeles", "2026-12-25T01:00:00Z")
    );
}

#[test]
fn a_schedule_on_the_days_that_clocks_change() {
    let night = schedule(json!({ "open": [{ "days": "sun", "hours": ["01:30-02:30"] }] }));
    // Lisbon, 29 March 2026: 01:00 becomes 02:00. Half past one does not happen; from two on it is open.
    assert!(!open(&night, "Europe/Lisbon", "2026-03-29T00:59:00Z"));
    assert!(
        open(&night, "Europe/Lisbon", "2026-03-29T01:00:00Z") && !open(&night, "Europe/Lisbon", "2026-03-29T01:30:00Z")
    );
    // 25 October: 02:00 becomes 01:00. Half past one happens twice.
    assert!(open(&night, "Europe/Lisbon", "2026-10-25T00:30:00Z"));
    assert!(
        !open(&night, "Europe/Lisbon", "2026-10-25T01:15:00Z") && open(&night, "Europe/Lisbon", "2026-10-25T01:30:00Z")
    );
    // Twenty-four hours are the whole day, whatever its length.
    let sunday = schedule(json!({ "open": [{ "days": "sun", "hours": ["00:00-24:00"] }] }));
    for instant in ["2026-10-24T23:00:00Z", "2026-10-25T12:00:00Z", "2026-10-25T23:59:59Z"] {
        assert!(open(&sunday, "Europe/Lisbon", instant), "{instant}");
    }
    assert!(
        !open(&sunday, "Europe/Lisbon", "2026-10-26T00:00:00Z")
            && !open(&sunday, "Europe/Lisbon", "2026-10-24T22:59:59Z")
    );
    let off = schedule(json!({ "enabled": false, "open": [] }));
    assert!(open(&off, "UTC", "2026-01-01T00:00:00Z"));
}

#[test]
fn a_name_that_a_kind_cannot_have_is_found_wherever_it_comes_from() {
    // Not only when a file is read: what a program sends over the API has passed no reader.
    assert_eq!(found(&[("extension", "sales", json!({}))]), ["name extension/sales metadata.name"]);
    assert_eq!(found(&[("settings", "other", json!({}))]), ["name settings/other metadata.name"]);
    assert_eq!(
        found(&[("did", "x", json!({ "destination": "hangup" }))]),
        ["name did/x metadata.name", "no-carrier did/x "]
    );
}

#[test]
fn references_lead_somewhere() {
    let all = found(&[
        (
            "extension",
            "1001",
            json!({ "profile": "desk", "callForward": { "busy": "extension/1002", "always": "voicemail/1001", "noAnswer": "external/+1", "unavailable": "extension/1001" } }),
        ),
        ("group", "a", json!({ "members": ["1001", "9"], "failover": "group/a" })),
    ]);
    assert_eq!(
        all,
        [
            "loop extension/1001 spec.callForward.unavailable",
            "loop group/a spec.failover",
            "missing-reference extension/1001 spec.callForward.busy",
            "missing-reference extension/1001 spec.profile",
            "missing-reference group/a spec.members[1]",
            "no-route extension/1001 spec.callForward.noAnswer",
            "no-voicemail extension/1001 spec.callForward.always",
        ]
    );
}

#[test]
fn a_dialled_number_means_one_thing() {
    let carrier = || ("carrier", "c", json!({ "hosts": ["10.0.0.1"] }));
    let all = found(&[
        carrier(),
        ("extension", "112", json!({})),
        ("extension", "113", json!({})),
        ("group", "a", json!({ "members": ["112"], "number": "112" })),
        ("group", "b", json!({ "members": ["112"], "number": "600" })),
        ("settings", "pbx", json!({ "featureCodes": { "voicemail": "600", "echoTest": "113" } })),
        ("route", "e", json!({ "order": 1, "patterns": ["_11X"], "carriers": ["c"], "emergency": true })),
        ("route", "f", json!({ "order": 1, "patterns": ["_1NX"], "carriers": ["c"] })),
        ("route", "g", json!({ "order": 1, "patterns": ["_12."], "carriers": ["c"] })),
        ("did", "+351210001000", json!({ "destination": "hangup" })),
        ("did", "351210001000", json!({ "destination": "hangup" })),
    ]);
    assert_eq!(
        all,
        [
            "number-taken did/351210001000 metadata.name",
            "number-taken group/a spec.number",
            "number-taken route/e spec.patterns[0]",
            "number-taken settings/pbx spec.featureCodes.echoTest",
            "number-taken settings/pbx spec.featureCodes.voicemail",
            "route-order route/g spec.order",
        ]
    );
}

#[test]
fn a_menu_does_not_say_who_calls() {
    let menu = |nodes: Json| found(&[("ivr", "m", json!({ "start": "a", "nodes": nodes }))]);
    assert_eq!(
        menu(json!({
            "a": { "set": { "variables": { "caller": "5555", "tier": "1" } }, "next": "b" },
            "b": { "collect": { "digits": 3, "into": "caller" }, "next": "hangup", "timedOut": "hangup" },
        })),
        ["conflict ivr/m spec.nodes.a.set.variables.caller", "conflict ivr/m spec.nodes.b.collect.into"]
    );
    // A slip in a node's name is told, and not that nothing leads to the node that was meant.
    assert_eq!(
        menu(json!({
            "a": { "menu": {}, "keys": { "1": "salse" }, "invalid": "hangup", "timedOut": "hangup" },
            "sales": { "go": "hangup" },
        })),
        ["missing-node ivr/m spec.nodes.a.keys.1"]
    );
}

#[test]
fn a_number_does_not_call_itself() {
    let all = found(&[
        ("carrier", "c", json!({ "hosts": ["10.0.0.1"] })),
        ("route", "r", json!({ "order": 1, "patterns": ["_+X."], "carriers": ["c"] })),
        ("did", "351210001000", json!({ "destination": "external/+351210001000" })),
        (
            "did",
            "+351210001001",
            json!({ "destination": "external/+351210001000", "callers": [
            { "from": "anonymous", "destination": "external/+351210001001" },
        ] }),
        ),
    ]);
    let loops: Vec<_> = all.iter().filter(|one| one.starts_with("loop")).collect();
    assert_eq!(loops, ["loop did/+351210001001 spec.callers[0].destination", "loop did/351210001000 spec.destination"]);
}

#[test]
fn pins_in_the_open_are_checked() {
    let all = found(&[
        ("mailbox", "b", json!({ "pin": "12" })),
        ("conference", "1", json!({ "pin": "12ab", "adminPin": "123" })),
        ("conference", "2", json!({ "pin": "4711", "adminPin": "4711" })),
        ("conference", "3", json!({ "pin": "4711", "adminPin": "4712" })),
        ("conference", "4", json!({ "pin": { "generate": true }, "adminPin": { "generate": true } })),
        ("extension", "5", json!({ "voicemail": { "pin": "12ab" } })),
    ]);
    assert_eq!(
        all,
        [
            "conflict conference/2 spec.adminPin",
            "range conference/1 spec.adminPin",
            "range conference/1 spec.pin",
            "range extension/5 spec.voicemail.pin",
            "range mailbox/b spec.pin",
        ]
    );
}

#[test]
fn a_level_of_a_tree_rings_no_more_than_a_group() {
    let names: Vec<String> = (100..160).map(|name: u32| name.to_string()).collect();
    let rings = |second: &[String]| {
        let mut all: Vec<_> = names.iter().map(|name| ("extension", name.as_str(), json!({}))).collect();
        all.push(("group", "a", json!({ "members": names[..30] })));
        all.push(("group", "b", json!({ "members": second })));
        let level = json!(["group/a", "group/b", "extension/100"]);
        all.push(("tree", "t", json!({ "ring": ["extension/100"], "noAnswer": { "ring": level } })));
        found(&all)
    };
    assert_eq!(rings(&names[10..50]), Vec::<String>::new(), "each counts once");
    assert_eq!(rings(&names[30..51]), ["range tree/t spec.noAnswer.ring"]);
}

#[test]
fn a_lot_that_calls_are_sent_to_knows_where_they_go_then() {
    let lot = |spec: Json| {
        let mut lot = json!({ "number": "700", "slots": "701-709" });
        lot.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        ("parking", "p", lot)
    };
    let carrier = ("carrier", "c", json!({ "hosts": ["10.0.0.1"] }));
    let did = ("did", "+351210001000", json!({ "destination": "parking/p" }));
    let nodes = json!({ "a": { "go": "parking/p" } });
    let menu = ("ivr", "m", json!({ "start": "a", "nodes": nodes }));
    let extension = ("extension", "1", json!({}));
    let told = found(&[carrier.clone(), extension.clone(), lot(json!({})), did.clone(), menu.clone()]);
    assert_eq!(told, ["no-comeback did/+351210001000 spec.destination", "no-comeback ivr/m spec.nodes.a.go"]);
    assert_eq!(
        found(&[carrier, extension, lot(json!({ "comeback": "extension/1" })), did, menu]),
        Vec::<String>::new()
    );
    // What is transferred there comes back to the telephone that did so.
    assert_eq!(found(&[lot(json!({}))]), Vec::<String>::new());
}

#[test]
fn many_entries_that_are_tried_one_by_one_are_told() {
    let filter = |patterns: usize, rest: Json| {
        let many = |count: usize, of: &dyn Fn(usize) -> Json| (0..count).map(of).collect::<Vec<_>>();
        let mut deny = many(patterns, &|at| json!({ "caller": format!("_{at:04}XX") }));
        deny.extend(many(200, &|at| json!({ "caller": format!("+{}*", 1000 + at) })));
        found(&[("filter", "f", json!({ "deny": deny, "allow": rest }))])
    };
    assert_eq!(filter(100, json!([{ "caller": "+1" }])), Vec::<String>::new());
    assert_eq!(filter(100, json!([{ "regex": "^\\+44" }])), ["slow-filter filter/f spec"]);
}

#[test]
fn numbers_of_carriers_stay_in_range() {
    let all = found(&[(
        "carrier",
        "c",
        json!({ "hosts": ["10.0.0.1"], "maxChannels": 0, "inbound": { "number": { "strip": 4_294_967_295_u32 }, "caller": { "strip": 21 } } }),
    )]);
    assert_eq!(
        all,
        [
            "range carrier/c spec.inbound.caller.strip",
            "range carrier/c spec.inbound.number.strip",
            "range carrier/c spec.maxChannels"
        ]
    );
    for user in ["", "@", "@x", "x@", "a@b@c", "a b", "a;b"] {
        let spec = json!({ "registration": { "username": user, "password": { "env": "P" } } });
        assert!(AnySpec::from_json(Kind::Carrier, &spec).is_err(), "{user:?}");
    }
}

/// A secret that is not in quotes is refused without being repeated, whichever way it comes.
#[test]
fn a_refused_secret_is_not_repeated() {
    for value in [json!(12_345_678), json!(12_345_678.5), json!([12_345_678]), json!("a\n12345678"), json!("12345678é")]
    {
        let error = AnySpec::from_json(Kind::Extension, &json!({ "password": value })).unwrap_err().to_string();
        assert!(!error.contains("12345678"), "{error}");
        let text = json!({ "apiVersion": "pbx/v1", "kind": "Extension", "metadata": { "name": "1" }, "spec": { "password": value } }).to_string();
        let found: Vec<Diagnostic> = parse(&[Source::new("a", text)]).diagnostics;
        assert!(!found.is_empty() && !format!("{found:?}").contains("12345678"), "{found:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn offices_are_accepted_whatever_their_order(seed: u64, size in 1usize..12) {
        let mut all = office::manifests(seed, size);
        let read = |all: &[Json]| parse(&[Source::new("office", office::text(all))]).catalog();
        let catalog = read(&all);
        let found = check(&catalog);
        let errors: Vec<String> = found.iter().filter(|found| found.is_error()).map(ToString::to_string).collect();
        prop_assert!(errors.is_empty(), "{errors:#?}");
        all.reverse();
        prop_assert_eq!(check(&read(&all)), found);
    }

    /// What is made of some fields is what all of them have there.
    #[test]
    fn wanted_fields_are_those_of_the_whole(seed: u64, size in 1usize..6, kept: [u8; 7]) {
        let catalog = parse(&[Source::new("office", office::text(&office::manifests(seed, size)))]).catalog();
        for kind in Kind::ALL {
            for name in catalog.names(*kind) {
                let object = ObjectRef::new(*kind, name.clone());
                let mut whole = catalog.effective(&object, None).unwrap();
                let mut paths = vec!["nothing".to_owned()];
                for (at, (key, value)) in whole.as_object().unwrap().iter().enumerate() {
                    match (kept[at % 7] % 3, value.as_object().and_then(|map| map.keys().next())) {
                        (0, _) => paths.push(key.clone()),
                        (1, Some(inner)) => paths.push(format!("{key}.{inner}")),
                        _ => {}
                    }
                }
                let wanted = Wanted::new(paths.iter().map(String::as_str));
                wanted.keep(&mut whole);
                prop_assert_eq!(catalog.effective(&object, Some(&wanted)).unwrap(), whole, "{} {:?}", object, paths);
            }
        }
    }

    /// What a schedule says against a reading of the clock on the wall, minute by minute over a random week.
    #[test]
    fn a_schedule_agrees_with_the_clock_on_the_wall(second in 1_700_000_000i64..1_900_000_000, zone in prop::sample::select(vec!["UTC", "Europe/Lisbon", "America/Sao_Paulo", "Asia/Kathmandu", "Australia/Lord_Howe"])) {
        let office = schedule(json!({ "open": [{ "days": "mon-thu,sat", "hours": ["08:15-12:00", "22:00-24:00"] }], "closed": [{ "date": "2026-06-10" }] }));
        let zone: TimeZone = zone.parse().unwrap();
        let instant = Timestamp::from_second(second).unwrap();
        let wall = instant.to_zoned(zone.rules()).strftime("%a %H:%M %Y-%m-%d").to_string();
        let (day, time, date) = (&wall[..3], &wall[4..9], &wall[10..]);
        let meant = ["Mon", "Tue", "Wed", "Thu", "Sat"].contains(&day)
            && (("08:15".."12:00").contains(&time) || time >= "22:00")
            && date != "2026-06-10";
        prop_assert_eq!(office.at(instant, &zone) == ScheduleState::Open, meant, "{}", wall);
    }
}

#[test]
fn codes_that_hold_by_default_are_no_emergency_numbers() {
    let all = found(&[
        ("carrier", "c", json!({ "hosts": ["10.0.0.1"] })),
        ("route", "e", json!({ "patterns": ["_*4X", "*97", "112"], "carriers": ["c"], "emergency": true })),
    ]);
    assert_eq!(all, ["number-taken route/e spec.patterns[0]", "number-taken route/e spec.patterns[1]"]);
}

#[test]
fn hosts_that_are_names_are_no_places_that_calls_come_from() {
    let hosts = json!(["192.0.2.1", "sip2.example.com", "sip3.example.com"]);
    let account = json!({ "username": "acme", "password": { "env": "P" } });
    let carrier = |more: Json| {
        let mut spec = json!({ "hosts": hosts });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        found(&[("carrier", "c", spec)])
    };
    let told = ["unknown-host carrier/c spec.hosts[1]", "unknown-host carrier/c spec.hosts[2]"];
    assert_eq!(carrier(json!({})), told);
    assert_eq!(carrier(json!({ "preset": "generic-ip" })), told);
    // Known otherwise, or none of them expected.
    for more in [
        json!({ "addresses": ["192.0.2.0/24"] }),
        json!({ "direction": "outbound" }),
        json!({ "preset": "telnyx" }),
        json!({ "registration": account }),
    ] {
        assert_eq!(carrier(more.clone()), [""; 0], "{more}");
    }
}

#[test]
fn two_carriers_with_the_same_addresses_are_one_mistake() {
    let twilio = |more: Json| {
        let mut spec =
            json!({ "preset": "twilio", "authentication": { "username": "acme", "password": { "env": "P" } } });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    let found = |manifests: &[(&str, &str, Json)]| -> Vec<(String, String)> {
        let found = check(&catalog(manifests));
        found
            .into_iter()
            .map(|found| (format!("{} {}", found.object.unwrap(), found.path), found.help[0].clone()))
            .collect()
    };
    let told = |manifests: &[(&str, &str, Json)], place: &str, help: &str| {
        let all = found(manifests);
        assert!(all.len() == 1 && all[0].0 == place && all[0].1.contains(help), "{all:?}");
    };
    let apart = "set `direction: outbound` at one of them, or make one carrier of both";
    told(
        &[("carrier", "a", twilio(json!({}))), ("carrier", "b", twilio(json!({ "region": "dublin" })))],
        "carrier/b spec.preset",
        apart,
    );
    // What the help says, helps.
    assert_eq!(
        found(&[("carrier", "a", twilio(json!({}))), ("carrier", "b", twilio(json!({ "direction": "outbound" })))]),
        []
    );
    let own = json!({ "hosts": ["10.0.0.1"], "addresses": ["10.0.0.1", "54.172.60.1", "54.172.60.2"] });
    told(
        &[("carrier", "a", twilio(json!({}))), ("carrier", "b", own.clone())],
        "carrier/b spec.addresses[1]",
        "leave it out here",
    );
    told(
        &[("carrier", "a", own), ("carrier", "b", twilio(json!({})))],
        "carrier/b spec.preset",
        "leave it out of carrier/a",
    );
    // Of three, each pair.
    let three = ["a", "b", "c"].map(|name| ("carrier", name, twilio(json!({}))));
    let places: Vec<String> = found(&three).into_iter().map(|(place, _)| place).collect();
    assert_eq!(places, ["carrier/b spec.preset", "carrier/c spec.preset", "carrier/c spec.preset"]);
    // A network and an address in it, whichever is first.
    let of = |address: &str| json!({ "hosts": ["10.0.0.1"], "addresses": [address] });
    for (first, other) in [("10.1.0.0/16", "10.1.2.3"), ("10.1.2.3", "10.1.0.0/16"), ("0.0.0.0/0", "10.1.2.3")] {
        let all = [("carrier", "a", of(first)), ("carrier", "b", of("10.2.0.0/16")), ("carrier", "c", of(other))];
        let overlap = found(&all).into_iter().filter(|(place, _)| place == "carrier/c spec.addresses[0]").count();
        assert_eq!(overlap, 1, "{first} {other}");
    }
    let apart = [
        ("carrier", "a", of("10.1.0.0/16")),
        ("carrier", "b", of("10.0.255.255")),
        ("carrier", "c", of("2001:db8::/32")),
    ];
    assert_eq!(found(&apart), []);
}

#[test]
fn a_day_of_every_year_is_closed_every_year() {
    let office = schedule(json!({
        "open": [{ "days": "daily", "hours": ["00:00-24:00"] }], "closed": [{ "yearly": "01-01" }, { "yearly": "02-29" }, { "date": "2026-06-04" }]
    }));
    for closed in ["2026-01-01T00:00:00Z", "2031-01-01T23:59:59Z", "2028-02-29T12:00:00Z", "2026-06-04T12:00:00Z"] {
        assert!(!open(&office, "UTC", closed), "{closed}");
    }
    for day in [
        "2026-01-02T00:00:00Z",
        "2026-12-31T23:59:59Z",
        "2027-02-28T12:00:00Z",
        "2027-03-01T12:00:00Z",
        "2027-06-04T12:00:00Z",
    ] {
        assert!(open(&office, "UTC", day), "{day}");
    }
    // The day is that of the zone.
    assert!(!open(&office, "America/Los_Angeles", "2027-01-02T07:00:00Z"));
}
