//! Menus: what callers hear, and where their keys, their silence and their numbers lead.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Result, ensure};
use pbx_lab::{Behaviour, Caller, Keypad, Place, until};
use pbx_tests::{SOON, System, Walk, carrier, did, extension, settings};

const LINE: &str = "+351210001000";

/// What is pressed when a call comes to a step; nothing is silence.
type Presses<'p> = &'p [(&'p str, &'p str)];

/// Calls, presses keys at steps, and gives the steps that were gone.
pub(crate) fn walk(
    walk: &Walk,
    system: &System,
    caller: &Caller,
    number: &str,
    presses: Presses<'_>,
) -> Result<Vec<String>> {
    let since = walk.len();
    let calling = caller.start(number, system.ip())?;
    let keypad: Keypad = calling.keypad();
    std::thread::scope(|scope| {
        let pressing = scope.spawn(move || -> Result<()> {
            let mut count = 0;
            for (step, keys) in presses {
                loop {
                    count += 1;
                    let steps = walk.wait(since, count, SOON)?;
                    if steps[count - 1] == *step {
                        break;
                    }
                }
                // A key that comes before the step listens would be lost.
                std::thread::sleep(Duration::from_millis(400));
                keypad.press(keys);
            }
            Ok(())
        });
        calling.wait()?;
        pressing.join().map_err(|_| anyhow::anyhow!("the presser panicked"))??;
        walk.whole(since, SOON)
    })
}

fn office(carrier_ip: Ipv4Addr) -> String {
    let menu = "---
kind: Ivr
metadata: { name: main }
spec:
  start: menu
  directDial: { team: sales }
  nodes:
    menu:
      menu: { prompt: sound/hello-world, timeout: 1s, retries: 1, invalidPrompt: sound/pbx-invalid }
      keys: { \"1\": extension/2001, \"2\": account, \"*\": again, \"#\": hangup/busy }
      invalid: wrong
      timedOut: quiet
    again: { play: sound/beep, next: menu }
    account:
      collect: { prompt: sound/beep, digits: 4, least: 3, into: account, timeout: 1s, retries: 1 }
      next: tier
      timedOut: quiet
    tier:
      route: account
      cases: [{ match: \"9*\", to: extension/2001 }, { match: _8XX, to: extension/2002 }]
      otherwise: who
    who: { route: caller, cases: [{ match: \"+35191*\", to: extension/2002 }], otherwise: say }
    say: { set: { variables: { account: \"1\" } }, next: bye }
    bye: { play: sound/beep, next: hangup }
    wrong: { go: extension/2002 }
    quiet: { play: sound/beep, next: hangup }
";
    let phones = ["2001", "2002"].map(|number| extension(number, "")).concat();
    let sales = "---\nkind: Extension\nmetadata: { name: \"3001\", labels: { team: sales } }\nspec: { password: secret-3001, qualify: 0s }\n";
    let line = did(LINE, "carrier: main, destination: ivr/main");
    [settings(""), phones, sales.to_owned(), menu.to_owned(), carrier("main", carrier_ip, ""), line].concat()
}

#[test]
fn keys_silence_and_numbers_lead_where_the_menu_says() -> Result<()> {
    let place = Place::take()?;
    let system = System::start()?;
    system.apply(&office(place.ip()))?;
    let watch = Walk::watch(system.asterisk())?;
    let phones: Vec<_> = ["2001", "2002", "3001"]
        .iter()
        .map(|number| system.phone(number, &Behaviour::answer_after(Duration::ZERO)))
        .collect::<Result<_>>()?;
    let caller = Caller::at(place).from("+351210000000").hold_for(Duration::from_secs(7));
    let menu = "ivr/main.menu";
    let cases: [(Presses<'_>, &[&str]); 9] = [
        (&[(menu, "1")], &["extension/2001"]),
        (&[(menu, "#")], &["hangup/busy"]),
        (&[(menu, "*"), (menu, "1")], &["ivr/main.again", menu, "extension/2001"]),
        (&[(menu, "3001")], &["extension/3001"]),
        // One wrong key, and another: the menu says it twice.
        (&[(menu, "77")], &["ivr/main.wrong", "extension/2002"]),
        (&[], &["ivr/main.quiet", "hangup"]),
        (&[(menu, "2"), ("ivr/main.account", "9123")], &["ivr/main.account", "ivr/main.tier", "extension/2001"]),
        // Fewer digits than there may be are enough, when no more come.
        (&[(menu, "2"), ("ivr/main.account", "812")], &["ivr/main.account", "ivr/main.tier", "extension/2002"]),
        (
            &[(menu, "2"), ("ivr/main.account", "1111")],
            &["ivr/main.account", "ivr/main.tier", "ivr/main.who", "ivr/main.say", "ivr/main.bye", "hangup"],
        ),
    ];
    for (presses, expected) in cases {
        let steps = walk(&watch, &system, &caller, LINE, presses)?;
        let start = [&format!("did/{LINE}"), "ivr/main", menu];
        let expected: Vec<&str> = start.into_iter().map(|step| step as &str).chain(expected.iter().copied()).collect();
        ensure!(steps == expected, "{presses:?}: {steps:?}, not {expected:?}");
    }
    let caller = caller.from("+351912345678");
    let steps = walk(&watch, &system, &caller, LINE, &[(menu, "2"), ("ivr/main.account", "2222")])?;
    ensure!(steps.last().is_some_and(|last| last == "extension/2002"), "{steps:?}");
    drop(phones);
    Ok(())
}

/// Nodes of a long menu, and after how many its pattern comes again: there is a key to press at the first of them, and at the sixth.
const NODES: usize = 200;
const PATTERN: usize = 20;

/// A menu of very many nodes, each of which leads to the next one.
fn long(carrier_ip: Ipv4Addr) -> String {
    let mut menu = String::from("---\nkind: Ivr\nmetadata: { name: long }\nspec:\n  start: n0\n  nodes:\n");
    for at in 0..NODES {
        let next = if at + 1 < NODES { format!("n{}", at + 1) } else { "hangup".to_owned() };
        let block = at / PATTERN;
        let node = match at % PATTERN {
            0 => format!(
                "menu: {{ timeout: 2s, retries: 0 }}, keys: {{ \"1\": {next} }}, invalid: lost, timedOut: quiet"
            ),
            5 => format!(
                "collect: {{ digits: 1, into: v{block}, timeout: 2s, retries: 0 }}, next: {next}, timedOut: quiet"
            ),
            6 => format!("route: v{block}, cases: [{{ match: \"5\", to: {next} }}], otherwise: lost"),
            10 => format!("set: {{ variables: {{ seen: \"{at}\" }} }}, next: {next}"),
            _ => format!("go: {next}"),
        };
        let _ = writeln!(menu, "    n{at}: {{ {node} }}");
    }
    menu.push_str("    lost: { go: hangup/busy }\n    quiet: { go: hangup/congestion }\n");
    let line = did(LINE, "carrier: main, destination: ivr/long");
    [settings(""), menu, carrier("main", carrier_ip, ""), line].concat()
}

#[test]
fn a_menu_of_200_nodes_is_walked_to_its_end() -> Result<()> {
    let place = Place::take()?;
    let system = System::start()?;
    system.apply(&long(place.ip()))?;
    let watch = Walk::watch(system.asterisk())?;
    let caller = Caller::at(place).from("+351912345678").hold();
    let steps: Vec<(String, &str)> = (0..NODES)
        .filter_map(|at| {
            Some((format!("ivr/long.n{at}"), [(0, "1"), (5, "5")].iter().find(|of| of.0 == at % PATTERN)?.1))
        })
        .collect();
    let presses: Vec<(&str, &str)> = steps.iter().map(|(step, key)| (step.as_str(), *key)).collect();
    let traced = |keys: &[(&str, &str)]| -> Result<Vec<String>> {
        let presses = keys.iter().flat_map(|(_, key)| ["--press", key]);
        system.trace(&["--to", LINE, "--from", "+351912345678"].into_iter().chain(presses).collect::<Vec<_>>())
    };
    let wrong = [presses[0], presses[1], presses[2], (presses[3].0, "4")];
    // All the way, a wrong digit that is routed elsewhere, a wrong key, and silence.
    for keys in [&presses[..], &wrong, &[presses[0], presses[1], (presses[2].0, "9")], &presses[..3]] {
        let steps = walk(&watch, &system, &caller, LINE, keys)?;
        let expected = traced(keys)?;
        ensure!(steps == expected, "{keys:?}: {steps:?}, not {expected:?}");
        ensure!(keys.len() < presses.len() || steps.len() > NODES, "{} steps alone", steps.len());
    }
    // Who hangs up is gone, wherever that was.
    let since = watch.len();
    let caller = caller.hold_for(Duration::from_millis(700));
    caller.call(LINE, system.ip())?;
    until("the end of the channel", SOON, || {
        Ok(system.asterisk().cli("core show channels count")?.contains("0 active channels").then_some(()))
    })?;
    let steps = watch.since(since);
    ensure!(steps.last().is_some_and(|last| last == "ivr/long.n0"), "{steps:?}");
    Ok(())
}
