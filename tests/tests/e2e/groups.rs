//! Groups: who rings, in which order, for how long, and what comes after.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use pbx_lab::{Behaviour, Caller, Outcome, Phone, Place, RangCall, Uas};
use pbx_tests::{SOON, System, carrier, did, extension, settings};

use crate::hostile::Liar;

/// How long a try rings, and what a busy machine makes of it: a machine that stood still for seconds must not be taken for a fault, and
/// whoever did not take the second that is declared would ring for the usual 20.
const TRY: Duration = Duration::from_secs(1);
const SHORTEST: Duration = Duration::from_millis(900);
const LONGEST: Duration = Duration::from_secs(10);

fn group(name: &str, number: &str, strategy: &str, members: &str, more: &str) -> String {
    format!(
        "---\nkind: ExtensionGroup\nmetadata: {{ name: {name} }}\nspec: {{ number: \"{number}\", strategy: {strategy}, \
         members: [{members}], timeout: 1s, failover: extension/1009{more} }}\n"
    )
}

/// The calls that each telephone has got, once all of them are decided.
fn calls(phones: &[Phone], counts: [usize; 3]) -> Result<Vec<Vec<RangCall>>> {
    phones
        .iter()
        .zip(counts)
        .map(|(phone, count)| {
            let calls = phone.wait_decided(count, SOON)?;
            assert_eq!(calls.len(), count, "{calls:?}");
            Ok(calls)
        })
        .collect()
}

/// The time from one call's beginning to another's.
fn apart(from: &RangCall, to: &RangCall) -> Result<Duration> {
    to.at.duration_since(from.at).context("the order is wrong")
}

/// That calls began at once: which of them is first is nobody's promise.
fn assert_together(one: &RangCall, other: &RangCall) {
    let between = one.at.duration_since(other.at).unwrap_or_else(|later| later.duration());
    assert!(between < SHORTEST, "{between:?} between two calls that begin together");
}

fn assert_tries(list: &[&RangCall]) -> Result<()> {
    for pair in list.windows(2) {
        let between = apart(pair[0], pair[1])?;
        assert!((SHORTEST..LONGEST).contains(&between), "{between:?} between two tries");
    }
    Ok(())
}

#[test]
fn groups_ring_by_their_strategy_and_fail_over() -> Result<()> {
    let system = System::start()?;
    let three = "\"1001\", \"1002\", \"1003\"";
    system.apply(
        &[
            settings(""),
            ["1001", "1002", "1003", "1009", "1010"].map(|number| extension(number, "")).concat(),
            group("all", "600", "ringAll", three, ", displayName: Sales"),
            group("hunt", "601", "hunt", three, ""),
            group("memory", "602", "memoryHunt", three, ""),
            group("round", "603", "roundRobin", three, ""),
            group("off", "604", "ringAll", three, ", enabled: false"),
        ]
        .concat(),
    )?;
    let phones = ["1001", "1002", "1003"]
        .map(|number| system.phone(number, &Behaviour::Ignore))
        .into_iter()
        .collect::<Result<Vec<_>>>()?;
    let last = system.phone("1009", &Behaviour::answer_after(Duration::ZERO))?;
    let caller = system.caller("1010")?;
    let call = |number: &str| -> Result<RangCall> {
        caller.call(number, system.ip())?.expect_answer()?;
        last.calls()?.pop().context("the failover did not ring")
    };

    let after = call("600")?;
    let rang = calls(&phones, [1, 1, 1])?;
    for calls in &rang {
        assert_together(&rang[0][0], &calls[0]);
    }
    assert!(rang.iter().all(|calls| calls[0].outcome == Outcome::Cancelled));
    assert_eq!(rang[0][0].from_name.as_deref(), Some("Sales: 1010"));
    assert_tries(&[&rang[0][0], &after])?;

    let after = call("601")?;
    let rang = calls(&phones, [2, 2, 2])?;
    assert_tries(&[&rang[0][1], &rang[1][1], &rang[2][1], &after])?;

    // The first; the first two; all three.
    let after = call("602")?;
    let rang = calls(&phones, [5, 4, 3])?;
    assert_tries(&[&rang[0][2], &rang[0][3], &rang[0][4], &after])?;
    assert_together(&rang[0][3], &rang[1][2]);
    assert_together(&rang[0][4], &rang[1][3]);
    assert_together(&rang[0][4], &rang[2][2]);

    // Each call begins one further on, and goes round.
    let after = call("603")?;
    let rang = calls(&phones, [6, 5, 4])?;
    assert_tries(&[&rang[0][5], &rang[1][4], &rang[2][3], &after])?;
    let after = call("603")?;
    let rang = calls(&phones, [7, 6, 5])?;
    assert_tries(&[&rang[1][5], &rang[2][4], &rang[0][6], &after])?;

    // Turned off, it rings nobody.
    call("604")?;
    calls(&phones, [7, 6, 5])?;
    Ok(())
}

#[test]
fn a_member_answers_and_those_who_cannot_are_passed_over() -> Result<()> {
    let system = System::start()?;
    system.apply(
        &[
            settings(""),
            extension("1001", ", doNotDisturb: true"),
            ["1002", "1003", "1009", "1010"].map(|number| extension(number, "")).concat(),
            group("hunt", "601", "hunt", "\"1001\", \"1002\", \"1003\"", ""),
            group("all", "600", "ringAll", "\"1002\", \"1003\"", ""),
        ]
        .concat(),
    )?;
    let undisturbed = system.phone("1001", &Behaviour::answer_after(Duration::ZERO))?;
    let caller = system.caller("1010")?;
    let third = system.phone("1003", &Behaviour::answer_after(Duration::from_millis(200)))?;
    // 1002 is not there: the call is at 1003 at once.
    let result = caller.call("601", system.ip())?;
    assert!(result.expect_answer()?.ringing < Some(TRY), "{result:?}");
    let second = system.phone("1002", &Behaviour::reject(486))?;
    caller.call("601", system.ip())?.expect_answer()?;
    assert_eq!(second.wait_decided(1, SOON)?[0].outcome, Outcome::Rejected(486));
    caller.call("600", system.ip())?.expect_answer()?;
    assert_eq!(second.wait_decided(2, SOON)?[1].outcome, Outcome::Rejected(486));
    assert_eq!((undisturbed.calls()?.len(), third.calls()?.len()), (0, 3));
    Ok(())
}

/// A group's prefix is for its members: whoever comes after the group is shown the caller, or the prefix of a group of its own.
#[test]
fn a_prefix_ends_with_its_group() -> Result<()> {
    let (inside, outside) = (Place::take()?, Place::take()?);
    let system = System::start()?;
    let group = |name: &str, number: &str, strategy: &str, prefix: &str, failover: &str| {
        group(name, number, strategy, "\"1001\"", &format!(", displayName: {prefix}"))
            .replace("extension/1009", failover)
    };
    system.apply(
        &[
            settings(""),
            extension("1001", ""),
            extension("1010", ", displayName: Ana Reyes"),
            group("sales", "600", "ringAll", "Sales", "group/help"),
            group("help", "601", "roundRobin", "Help", "external/912345678"),
            carrier("in", inside.ip(), ""),
            carrier("out", outside.ip(), ""),
            did("+351210001000", "carrier: in, destination: group/sales"),
            "---\nkind: OutboundRoute\nmetadata: { name: all }\nspec: { patterns: [_9XXXXXXXX], carriers: [out] }\n"
                .to_owned(),
        ]
        .concat(),
    )?;
    let member = system.phone("1001", &Behaviour::Ignore)?;
    let line = Uas::listen(outside, &Behaviour::answer_after(Duration::ZERO))?;
    let shown = |call: &RangCall| call.from_name.clone();
    system.caller("1010")?.call("600", system.ip())?.expect_answer()?;
    let rung = member.wait_decided(2, SOON)?;
    assert_eq!(shown(&rung[0]).as_deref(), Some("Sales: Ana Reyes"));
    assert_eq!(shown(&rung[1]).as_deref(), Some("Help: Ana Reyes"));
    assert_eq!(shown(&line.wait_decided(1, SOON)?[0]).as_deref(), Some("Ana Reyes"));
    // Of a caller without a name the number is shown, and no name is made of it.
    Caller::at(inside).from("+351911111111").call("+351210001000", system.ip())?.expect_answer()?;
    let rung = member.wait_decided(4, SOON)?;
    assert_eq!(shown(&rung[2]).as_deref(), Some("Sales: +351911111111"));
    assert_eq!(shown(&rung[3]).as_deref(), Some("Help: +351911111111"));
    let taken = line.wait_decided(2, SOON)?.remove(1);
    assert_eq!((taken.from.as_str(), taken.from_name), ("+351911111111", None));
    Ok(())
}

/// Whoever forwards every call takes no part: the telephone does not ring, and the call is not taken away from the others.
#[test]
fn a_member_that_forwards_every_call_is_left_out() -> Result<()> {
    let system = System::start()?;
    system.apply(
        &[
            settings(""),
            extension("1001", ", callForward: { always: extension/1004 }"),
            ["1002", "1003", "1004", "1009", "1010"].map(|number| extension(number, "")).concat(),
            group("all", "600", "ringAll", "\"1001\", \"1002\"", ""),
            group("hunt", "601", "hunt", "\"1001\", \"1003\"", ""),
            group("away", "602", "ringAll", "\"1001\"", ""),
        ]
        .concat(),
    )?;
    let answers = Behaviour::answer_after(Duration::ZERO);
    let (forwarding, target) = (system.phone("1001", &answers)?, system.phone("1004", &answers)?);
    let (second, third) = (system.phone("1002", &answers)?, system.phone("1003", &answers)?);
    let last = system.phone("1009", &answers)?;
    let caller = system.caller("1010")?;
    caller.call("600", system.ip())?.expect_answer()?;
    caller.call("601", system.ip())?.expect_answer()?;
    // Of a group that nobody is left in, calls go on at once.
    caller.call("602", system.ip())?.expect_answer()?;
    let counts = [&second, &third, &last].map(|phone| phone.wait_decided(1, SOON).map(|calls| calls.len()));
    assert_eq!(counts.into_iter().collect::<Result<Vec<_>>>()?, [1, 1, 1]);
    assert_eq!((forwarding.calls()?.len(), target.calls()?.len()), (0, 0));
    // Called by its own number, it forwards.
    caller.call("1001", system.ip())?.expect_answer()?;
    assert_eq!((forwarding.calls()?.len(), target.wait_decided(1, SOON)?.len()), (0, 1));
    Ok(())
}

/// A variable of Asterisk's holds 4095 bytes, and what is more is cut: fifty telephones whose contacts are long are more than that.
#[test]
fn fifty_telephones_with_long_contacts_ring_all_at_once() -> Result<()> {
    let system = System::start()?;
    let numbers: Vec<String> = (2000..2050).map(|number| number.to_string()).collect();
    let quoted: Vec<String> = numbers.iter().map(|number| format!("\"{number}\"")).collect();
    let members = format!(
        "---\nkind: ExtensionGroup\nmetadata: {{ name: all }}\nspec: {{ number: \"600\", members: [{}], timeout: 3s }}\n",
        quoted.join(", ")
    );
    let extensions: String = numbers.iter().map(|number| extension(number, "")).collect();
    system.apply(&[settings(""), extensions, extension("1010", ""), members].concat())?;
    let place = Place::take()?;
    let (own, server) = (place.ip(), system.ip());
    let mut all = Liar::new(own, server)?;
    for number in &numbers {
        let contact = format!("Contact: <sip:{number}@{own}:5060;x={}>\r\nExpires: 60\r\n", "y".repeat(150));
        let (uri, password) = (format!("sip:{server}"), format!("secret-{number}"));
        assert_eq!(all.ask("REGISTER", &uri, number, Some(&password), &contact)?, 200);
    }
    let caller = system.caller("1010")?.ring_for(Duration::from_secs(10));
    let call = caller.start("600", server)?;
    let mut rung = BTreeSet::new();
    while rung.len() < numbers.len() {
        let request = all.hear("INVITE")?;
        let user = request.split(['@', ' ']).nth(1).and_then(|uri| uri.strip_prefix("sip:")).context("no user")?;
        rung.insert(user.to_owned());
    }
    assert!(rung.iter().eq(&numbers), "{rung:?}");
    assert!(!call.wait()?.answered);
    Ok(())
}
