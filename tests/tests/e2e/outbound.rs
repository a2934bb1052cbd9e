//! Calls that go out: what the carrier sees, who may call what, what happens when a carrier fails.

use std::time::{Duration, Instant};

use anyhow::Result;
use pbx_lab::{Behaviour, Outcome, Place, Uas, until};
use pbx_tests::{SOON, System, carrier, extension, settings};

const ROUTES: &str = "---
kind: OutboundRoute
metadata: { name: national }
spec: { order: 10, patterns: [_9XXXXXXXX], prepend: \"+351\", carriers: [first, second], permission: national }
---
kind: OutboundRoute
metadata: { name: international }
spec: { order: 20, patterns: [_00X.], strip: 2, prepend: \"+\", carriers: [second], permission: international }
---
kind: OutboundRoute
metadata: { name: emergency }
spec: { order: 30, patterns: [\"112\"], carriers: [first, second], emergency: true }
";

fn answers() -> Behaviour {
    Behaviour::answer_after(Duration::ZERO)
}

#[test]
fn numbers_go_out_as_carriers_want_them_to_those_who_may() -> Result<()> {
    let (first, second) = (Place::take()?, Place::take()?);
    let system = System::start()?;
    system.apply(&[
        settings(""),
        extension("1001", ", permissions: [national, international], callerId: { number: \"+351210001001\" }, displayName: Ana Reyes"),
        extension("1002", ""),
        extension("1003", ", permissions: [national]"),
        extension("1004", ", callForward: { always: external/+441234567890 }"),
        carrier("first", first.ip(), ", callerId: { number: \"+351210001000\" }"),
        carrier("second", second.ip(), ", callerId: { number: \"+351210002000\", name: House }"),
        ROUTES.to_owned(),
        // A manifest may send calls where a telephone may not dial.
        "---\nkind: OutboundRoute\nmetadata: { name: abroad }\nspec: { patterns: [_+44X.], carriers: [second], permission: abroad }\n".to_owned(),
    ]
    .concat())?;
    // The first carrier has no line free, so the second gets the call, with the same number.
    let refusing = Uas::listen(first, &Behaviour::reject(503))?;
    let taking = Uas::listen(second, &answers())?;
    let ana = system.caller("1001")?;
    ana.call("912345678", system.ip())?.expect_answer()?;
    let tried = refusing.wait_decided(1, SOON)?.remove(0);
    assert_eq!((tried.to.as_str(), tried.from.as_str()), ("+351912345678", "+351210001001"));
    assert_eq!(tried.outcome, Outcome::Rejected(503));
    let taken = taking.wait_decided(1, SOON)?.remove(0);
    assert_eq!((taken.to.as_str(), taken.from.as_str()), ("+351912345678", "+351210001001"));
    assert_eq!(taken.from_name.as_deref(), Some("House"));
    assert!(taken.request.header("P-Asserted-Identity").is_some_and(|text| text.contains("+351210001001")));

    // Two digits go, a plus comes.
    ana.call("00441234567890", system.ip())?.expect_answer()?;
    let taken = taking.wait_decided(2, SOON)?.remove(1);
    assert_eq!((taken.to.as_str(), refusing.calls()?.len()), ("+441234567890", 1));

    // Without the permission, with another one, and for a number that no route takes.
    let (nobody, national) = (system.caller("1002")?, system.caller("1003")?);
    nobody.call("912345678", system.ip())?.expect_code(403)?;
    national.call("00441234567890", system.ip())?.expect_code(403)?;
    ana.call("5551234", system.ip())?.expect_code(404)?;
    assert_eq!((refusing.calls()?.len(), taking.calls()?.len()), (1, 2));

    // An extension without a number of its own shows the carrier's.
    national.call("912345678", system.ip())?.expect_answer()?;
    assert_eq!(refusing.wait_decided(2, SOON)?[1].from, "+351210001000");
    assert_eq!(taking.wait_decided(3, SOON)?[2].from, "+351210002000");

    // Emergency calls are everybody's.
    nobody.call("112", system.ip())?.expect_answer()?;
    assert_eq!(refusing.wait_decided(3, SOON)?[2].to, "112");
    assert_eq!(taking.wait_decided(4, SOON)?[3].to, "112");

    // A forward outside goes by the routes, whatever the permissions of who calls.
    nobody.call("1004", system.ip())?.expect_answer()?;
    let forwarded = taking.wait_decided(5, SOON)?.remove(4);
    assert_eq!((forwarded.to.as_str(), forwarded.from.as_str()), ("+441234567890", "+351210002000"));
    Ok(())
}

#[test]
fn what_the_called_says_is_no_reason_to_try_another_carrier() -> Result<()> {
    let (first, second) = (Place::take()?, Place::take()?);
    let system = System::start()?;
    system.apply(
        &[
            settings(""),
            extension("1001", ", permissions: [national]"),
            carrier("first", first.ip(), ""),
            carrier("second", second.ip(), ""),
            ROUTES.to_owned(),
        ]
        .concat(),
    )?;
    let busy = Uas::listen(first, &Behaviour::reject(486))?;
    let other = Uas::listen(second, &answers())?;
    system.caller("1001")?.call("912345678", system.ip())?.expect_code(486)?;
    assert_eq!((busy.wait_decided(1, SOON)?.len(), other.calls()?.len()), (1, 0));
    // A call for help may be answered at another desk.
    system.caller("1001")?.call("112", system.ip())?.expect_answer()?;
    assert_eq!((busy.wait_decided(2, SOON)?.len(), other.wait_decided(1, SOON)?.len()), (2, 1));
    // Nobody is rung again who has declined, and what exists nowhere is not looked for elsewhere.
    let declined = Uas::listen(busy.close(), &Behaviour::reject(603))?;
    system.caller("1001")?.call("912345678", system.ip())?.expect_code(486)?;
    assert_eq!((declined.wait_decided(1, SOON)?.len(), other.calls()?.len()), (1, 1));
    let nowhere = Uas::listen(declined.close(), &Behaviour::reject(604))?;
    system.caller("1001")?.call("912345678", system.ip())?.expect_code(404)?;
    assert_eq!((nowhere.wait_decided(1, SOON)?.len(), other.calls()?.len()), (1, 1));
    // A carrier that does not want the call says nothing of the called.
    let refusing = Uas::listen(nowhere.close(), &Behaviour::reject(403))?;
    system.caller("1001")?.call("912345678", system.ip())?.expect_answer()?;
    assert_eq!((refusing.wait_decided(1, SOON)?.len(), other.wait_decided(2, SOON)?.len()), (1, 2));
    // A number that one carrier does not know may be known to the next; what none of them knows is unknown.
    let unknown = Uas::listen(refusing.close(), &Behaviour::reject(404))?;
    system.caller("1001")?.call("912345678", system.ip())?.expect_answer()?;
    assert_eq!((unknown.wait_decided(1, SOON)?.len(), other.wait_decided(3, SOON)?.len()), (1, 3));
    // The last word counts, not the first.
    let declined = Uas::listen(other.close(), &Behaviour::reject(603))?;
    system.caller("1001")?.call("912345678", system.ip())?.expect_code(486)?;
    assert_eq!((unknown.wait_decided(2, SOON)?.len(), declined.wait_decided(1, SOON)?.len()), (2, 1));
    let _other = Uas::listen(declined.close(), &Behaviour::reject(404))?;
    system.caller("1001")?.call("912345678", system.ip())?.expect_code(404)?;
    Ok(())
}

/// What one carrier shows for everyone is not for the next one to see.
#[test]
fn every_carrier_shows_a_caller_of_its_own() -> Result<()> {
    let places = [Place::take()?, Place::take()?, Place::take()?, Place::take()?];
    let shown =
        [", callerId: { number: \"+111111\", name: Hospital A }", "", ", callerId: { number: \"+333333\" }", ""];
    let names = ["a", "b", "c", "d"];
    let carriers: String =
        names.iter().zip(&places).zip(shown).map(|((name, place), more)| carrier(name, place.ip(), more)).collect();
    let system = System::start()?;
    system.apply(&[
        settings(""),
        extension("1001", ", permissions: [national], displayName: Ana Reyes"),
        extension("1002", ", permissions: [national], callerId: { number: \"+351210001002\" }"),
        carriers,
        "---\nkind: OutboundRoute\nmetadata: { name: national }\nspec: { patterns: [_9XXXXXXXX], carriers: [a, b, c, d] }\n".to_owned(),
    ]
    .concat())?;
    let refusing = Behaviour::reject(503);
    let behaviours = [&refusing, &refusing, &refusing, &answers()];
    let lines = places.into_iter().zip(behaviours).map(|(place, behaviour)| Uas::listen(place, behaviour));
    let lines = lines.collect::<Result<Vec<_>>>()?;
    let seen = |count: usize| -> Result<Vec<(String, Option<String>)>> {
        let calls = lines.iter().map(|line| Ok(line.wait_decided(count, SOON)?.remove(count - 1)));
        calls.map(|call: Result<_>| call.map(|call| (call.from, call.from_name))).collect()
    };
    let is = |number: &str, name: Option<&str>| (number.to_owned(), name.map(ToOwned::to_owned));
    system.caller("1001")?.call("912345678", system.ip())?.expect_answer()?;
    let own = Some("Ana Reyes");
    assert_eq!(seen(1)?, [is("+111111", Some("Hospital A")), is("1001", own), is("+333333", own), is("1001", own)]);
    // An extension's own number goes before those of the carriers; a name it has not is nobody else's.
    system.caller("1002")?.call("912345678", system.ip())?.expect_answer()?;
    let number = "+351210001002";
    let rest = seen(2)?;
    assert_eq!(rest[0], is(number, Some("Hospital A")));
    assert!(rest[1..].iter().all(|(from, name)| from == number && name.is_none()), "{rest:?}");
    Ok(())
}

#[test]
fn a_carrier_of_several_hosts_is_tried_at_each() -> Result<()> {
    let (first, second, other) = (Place::take()?, Place::take()?, Place::take()?);
    let system = System::start()?;
    let hosts = format!("{}:5060\", \"{}", first.ip(), second.ip());
    system.apply(
        &[
            settings(""),
            extension("1001", ", permissions: [national]"),
            carrier("first", hosts, ""),
            carrier("second", other.ip(), ""),
            ROUTES.to_owned(),
        ]
        .concat(),
    )?;
    let refusing = Uas::listen(first, &Behaviour::reject(503))?;
    let taking = Uas::listen(second, &answers())?;
    let next = Uas::listen(other, &answers())?;
    let caller = system.caller("1001")?;
    caller.call("912345678", system.ip())?.expect_answer()?;
    assert_eq!(refusing.wait_decided(1, SOON)?[0].outcome, Outcome::Rejected(503));
    let taken = taking.wait_decided(1, SOON)?.remove(0);
    assert_eq!((taken.to.as_str(), taken.outcome), ("+351912345678", Outcome::Answered));
    assert_eq!(next.calls()?.len(), 0);
    // Where all hosts refuse, the next carrier is tried.
    let both = Uas::listen(taking.close(), &Behaviour::reject(503))?;
    caller.call("912345678", system.ip())?.expect_answer()?;
    assert_eq!((refusing.wait_decided(2, SOON)?.len(), both.wait_decided(1, SOON)?.len()), (2, 1));
    assert_eq!(next.wait_decided(1, SOON)?.len(), 1);
    Ok(())
}

#[test]
fn a_carrier_sees_the_from_that_it_asks_for() -> Result<()> {
    let place = Place::take()?;
    let system = System::start()?;
    system.apply(
        &[
            settings(""),
            extension("1001", ", permissions: [national], callerId: { number: \"+351210001001\" }"),
            carrier("first", place.ip(), ", fromUser: acme-1, fromDomain: sip.example.com"),
            ROUTES.replace(", second]", "]").replace("[second]", "[first]"),
        ]
        .concat(),
    )?;
    let line = Uas::listen(place, &answers())?;
    system.caller("1001")?.call("912345678", system.ip())?.expect_answer()?;
    let taken = line.wait_decided(1, SOON)?.remove(0);
    let header = |name: &str| taken.request.header(name).unwrap_or_default().to_owned();
    assert!(header("From").contains("<sip:acme-1@sip.example.com>"), "{}", header("From"));
    // The caller's number stands beside it.
    assert!(header("P-Asserted-Identity").contains("+351210001001"), "{}", header("P-Asserted-Identity"));
    Ok(())
}

/// Waits until Asterisk has asked a carrier and got no answer.
fn wait_gone(system: &System, carrier: &str, ip: std::net::Ipv4Addr) -> Result<()> {
    system.asterisk().cli(&format!("pjsip qualify carrier-{carrier}"))?;
    until("Asterisk's notice that a carrier is gone", SOON, || {
        let contacts = system.asterisk().cli("pjsip show contacts")?;
        let line = contacts.lines().find(|line| line.contains(&ip.to_string()));
        Ok(line.is_some_and(|line| line.contains("Unavail")).then_some(()))
    })
}

#[test]
fn a_carrier_that_is_gone_is_passed_over_and_called_last() -> Result<()> {
    let (first, second) = (Place::take()?, Place::take()?);
    let system = System::start()?;
    let asked = |name: &str, host: &Place| carrier(name, host.ip(), "").replace("qualify: 0s", "qualify: 1h");
    system.apply(
        &[
            settings(""),
            extension("1001", ", permissions: [national]"),
            asked("first", &first),
            asked("second", &second),
            ROUTES.to_owned(),
        ]
        .concat(),
    )?;
    let taking = Uas::listen(second, &answers())?;
    wait_gone(&system, "first", first.ip())?;
    // Nobody would wait in silence for half a minute.
    let begin = Instant::now();
    let caller = system.caller("1001")?;
    caller.call("912345678", system.ip())?.expect_answer()?;
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    assert_eq!(taking.wait_decided(1, SOON)?.len(), 1);
    // Where nobody else takes the call it is worth a try: not every carrier answers when it is asked.
    let refusing = Uas::listen(taking.close(), &Behaviour::reject(503))?;
    let back = Uas::listen(first, &answers())?;
    caller.call("912345678", system.ip())?.expect_answer()?;
    assert_eq!((refusing.wait_decided(1, SOON)?.len(), back.wait_decided(1, SOON)?.len()), (1, 1));
    Ok(())
}

#[test]
fn calls_beyond_the_limit_of_a_carrier_are_refused() -> Result<()> {
    let place = Place::take()?;
    let number = "---\nkind: Did\nmetadata: { name: \"+351210001000\" }\nspec: { destination: extension/1001 }\n";
    let routes = ROUTES.replace(", second]", "]").replace("[second]", "[first]");
    let system = System::start()?;
    system.apply(
        &[
            settings(""),
            extension("1001", ", maxCalls: 5, permissions: [national]"),
            extension("1002", ", permissions: [national]"),
            carrier("first", place.ip(), ", maxChannels: 1"),
            number.to_owned(),
            routes,
        ]
        .concat(),
    )?;
    let _phone = system.phone("1001", &answers())?;
    let line = Uas::listen(place, &answers())?;
    let out = system.caller("1002")?.hold();
    let mut talking = out.start("912345678", system.ip())?;
    talking.wait_answered(SOON)?;
    system.caller("1001")?.call("912345678", system.ip())?.expect_code(503)?;
    // Emergency calls are not held back.
    system.caller("1001")?.call("112", system.ip())?.expect_answer()?;
    assert_eq!(line.calls()?.len(), 2);
    drop(talking);
    drop(out);
    system.asterisk().cli("channel request hangup all")?;
    until("the end of all calls", SOON, || {
        Ok(system.asterisk().cli("core show channels count")?.contains("0 active channels").then_some(()))
    })?;
    // A call that comes in counts as well.
    let place = line.close();
    let carrier = pbx_lab::Caller::at(place).from("+351911111111").hold_for(Duration::from_secs(3));
    let mut inside = carrier.start("+351210001000", system.ip())?;
    inside.wait_answered(SOON)?;
    system.caller("1002")?.call("912345678", system.ip())?.expect_code(503)?;
    inside.wait()?.expect_answer()?;
    Ok(())
}
