//! What a call costs Asterisk: through the generated dialplan, and through one that an administrator would write by hand for the same.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result};
use fs_err as fs;
use pbx_lab::{Asterisk, Caller};
use pbx_tests::{System, carrier, did, extension, manifest, processor_time, settings};

use super::{line, took};

const LINE: &str = "+351210001000";
const FROM: &str = "+351911234567";

/// So many calls are placed at a time, so many a second.
const CALLS: u32 = 600;
const RATE: u32 = 100;

/// Each kind of call is placed that many times in turn; the cheapest counts.
const ROUNDS: usize = 4;

/// Filters of these sizes are compared.
const FEW: u32 = 10;
const MANY: u32 = 100_000;

/// A number that is called, with a filter of a size, hours, and a queue behind them.
fn office(entries: u32, ip: std::net::Ipv4Addr) -> String {
    let mut filter =
        String::from("---\nkind: BlockFilter\nmetadata: { name: spam }\nspec:\n  deny:\n    - { caller: \"+44*\" }\n");
    for n in 1..entries {
        let _ = writeln!(filter, "    - {{ caller: \"+4930{n:07}\" }}");
    }
    [
        &settings(""),
        &extension("1001", ""),
        &carrier("main", ip, ""),
        filter.as_str(),
        &manifest("Schedule", "office", "open: [{ days: daily, hours: [\"00:00-24:00\"] }]"),
        &manifest("Queue", "support", "members: [{ extension: \"1001\", autoLogin: true }], joinEmpty: never"),
        &did(
            LINE,
            "carrier: main, blockFilter: spam, schedule: office, afterHours: hangup, destination: queue/support",
        ),
    ]
    .concat()
}

/// The same by hand: another carrier, whose calls come into this context. Entries expire, somebody may have turned the hours over, and
/// how the queue ended decides about the end: what the generated one does too.
fn by_hand(asterisk: &Asterisk, ip: std::net::Ipv4Addr) -> Result<()> {
    let more = |name: &str, text: &str| -> Result<()> {
        let before = fs::read_to_string(asterisk.etc().join(name))?;
        asterisk.write(name, &[&before, "\n", text].concat())
    };
    more(
        "pjsip.conf",
        &format!(
            "[hand]\ntype = endpoint\ncontext = hand\ndisallow = all\nallow = ulaw\n[hand]\ntype = identify\nendpoint = hand\nmatch = {ip}\n"
        ),
    )?;
    more(
        "extensions.conf",
        &format!(
            "[hand]\nexten => {LINE},1,GotoIf($[0${{DB(hand/number/${{CALLERID(num)}})}} > ${{EPOCH}}]?blocked)\n \
             same => n,GotoIf($[0${{DB(hand/prefix/${{CALLERID(num):0:3}})}} > ${{EPOCH}}]?blocked)\n \
             same => n,GotoIf($[\"${{DB(hand/office)}}\"=\"closed\"]?blocked)\n \
             same => n,GotoIf($[\"${{DB(hand/office)}}\"=\"open\"]?open)\n \
             same => n,GotoIfTime(00:00-23:59,mon-sun,*,*?open)\n same => n,Hangup()\n \
             same => n(open),Answer()\n same => n,Queue(support)\n \
             same => n,GotoIf($[\"${{QUEUESTATUS:0:4}}\"=\"JOIN\"]?busy)\n same => n,Hangup()\n \
             same => n(busy),Hangup(34)\n same => n(blocked),Hangup(19)\n"
        ),
    )?;
    for command in ["module reload res_pjsip.so", "dialplan reload", "database put hand prefix/+44 9999999999"] {
        asterisk.cli(command)?;
    }
    Ok(())
}

/// What one of many calls costs.
fn cost(system: &System, caller: &Caller) -> Result<Duration> {
    let id = system.asterisk().pid().context("Asterisk does not run")?;
    let before = processor_time(id)?;
    caller.often(LINE, system.ip(), CALLS, RATE)?;
    Ok(processor_time(id)?.saturating_sub(before) / CALLS)
}

/// Calls through the dialplan.
pub(super) fn calls(table: &mut String) -> Result<()> {
    let caller = || Caller::new().map(|caller| caller.from(FROM));
    let (ours, theirs) = (caller()?, caller()?);
    let system = System::start()?;
    system.apply(&office(FEW, ours.ip()))?;
    by_hand(system.asterisk(), theirs.ip())?;
    let (mut generated, mut hand) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        hand = hand.min(cost(&system, &theirs)?);
        generated = generated.min(cost(&system, &ours)?);
    }
    let times = generated.as_secs_f64() / hand.as_secs_f64();
    line(
        table,
        "a call through DID, filter, schedule and queue: Asterisk's time on the processor",
        &took(generated),
        &format!("through a dialplan by hand that does the same: {} ({times:.2} times; at most 1.2)", took(hand)),
    );
    system.apply(&office(MANY, ours.ip()))?;
    let (mut few, mut many) = (generated, Duration::MAX);
    for _ in 0..ROUNDS {
        many = many.min(cost(&system, &ours)?);
    }
    system.apply(&office(FEW, ours.ip()))?;
    few = few.min(cost(&system, &ours)?);
    line(
        table,
        &format!("the same with {MANY} entries in the filter"),
        &took(many),
        &format!("with {FEW}: {} ({:.2} times)", took(few), many.as_secs_f64() / few.as_secs_f64()),
    );
    Ok(())
}
