//! What a call costs Asterisk: through the generated dialplan, and through one that an administrator would write by hand for the same.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result};
use fs_err as fs;
use pbx_lab::{Asterisk, Caller};
use pbx_tests::{System, carrier, did, extension, settings};

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
        "---\nkind: Schedule\nmetadata: { name: office }\nspec: { open: [{ days: daily, hours: [\"00:00-24:00\"] }] }\n",
        "---\nkind: Queue\nmetadata: { name: support }\nspec: { members: [{ extension: \"1001\", autoLogin: true }], joinEmpty: never }\n",
        &did(LINE, "carrier: main, blockFilter: spam, schedule: office, afterHours: hangup, destination: queue/support"),
    ]
    .concat()
}

/// The same by hand: another carrier, whose calls come into this context.
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
            "[hand]\nexten => {LINE},1,GotoIf(${{DB_EXISTS(hand/${{CALLERID(num)}})}}?blocked)\n \
             same => n,GotoIf(${{DB_EXISTS(hand/${{CALLERID(num):0:3}})}}?blocked)\n \
             same => n,GotoIfTime(00:00-23:59,mon-sun,*,*?open)\n same => n,Hangup()\n \
             same => n(open),Answer()\n same => n,Queue(support)\n same => n,Hangup()\n \
             same => n(blocked),Hangup(21)\n"
        ),
    )?;
    for command in ["module reload res_pjsip.so", "dialplan reload", "database put hand +44 0"] {
        asterisk.cli(command)?;
    }
    Ok(())
}

/// How long Asterisk was on a processor so far (proc_pid_stat(5): `utime` and `stime`, in hundredths of a second).
fn processor(asterisk: &Asterisk) -> Result<Duration> {
    let id = asterisk.pid().context("Asterisk does not run")?;
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    let behind = stat.rsplit_once(')').context("a stat without a name")?.1;
    let ticks: Result<u64> = behind.split_whitespace().skip(11).take(2).map(|ticks| Ok(ticks.parse::<u64>()?)).sum();
    Ok(Duration::from_millis(ticks? * 10))
}

/// What one of many calls costs.
fn cost(system: &System, caller: &Caller) -> Result<Duration> {
    let before = processor(system.asterisk())?;
    caller.often(LINE, system.ip(), CALLS, RATE)?;
    Ok(processor(system.asterisk())?.saturating_sub(before) / CALLS)
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
