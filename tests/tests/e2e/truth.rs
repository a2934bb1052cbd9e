//! The trace tells the truth: systems and calls that nobody would think of are followed on paper, then made on a real Asterisk, and the
//! steps that the real channel says are those of the trace, in order.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use pbx_lab::{Behaviour, Caller, Place};
use pbx_manifest::{Catalog, Given, Source, TestCall, parse};
use pbx_routing::CallGraph;
use pbx_routing::trace::{Call, Tracer};
use pbx_tests::{Random, SOON, System, Walk, carrier, samples, settings};
use serde_json::json;

/// Systems for each of the tests below, in `cargo xtask test`: fifty in all.
const SYSTEMS: usize = 10;

/// Calls to each.
const CALLS: usize = 2;

const LINE: &str = "+351210001000";

/// One answers at once, one is busy, one rings and is not answered, one is not there.
const PHONES: [&str; 4] = ["2001", "2002", "2003", "2004"];

/// Who calls: some of them are in filters and rules.
const CALLERS: [&str; 4] = ["+351911111111", "+351922222222", "+15550001111", "anonymous"];

/// What the telephone of the house that calls may dial: a menu, a queue, a group, a tree, telephones, and nobody.
const DIALLED: [&str; 7] = ["500", "600", "610", "620", "2001", "2003", "2999"];

/// The telephone of the house that calls.
const OWN: &str = "2005";

/// When: in summer and in winter, beside midnight, on holidays that have a date, a rule, or Easter.
const CLOCKS: [&str; 8] = [
    "2026-11-27 10:17:00",
    "2026-12-25 10:17:00",
    "2027-03-26 14:17:00",
    "2027-05-31 09:17:00",
    "2026-11-28 00:17:00",
    "2026-07-04 23:17:00",
    "2027-03-28 03:17:00",
    "2027-10-31 01:17:00",
];

/// What is written, object by object. Calls go from objects to those after them alone, so that none goes round.
struct Generator<'r> {
    random: &'r mut Random,
    text: String,
    /// Where calls can go, by how far it is from the end.
    ways: Vec<(usize, String)>,
}

impl Generator<'_> {
    fn once_in(&mut self, times: usize) -> bool {
        self.random.below(times) == 0
    }

    fn one<'o>(&mut self, of: &[&'o str]) -> &'o str {
        of[self.random.below(of.len())]
    }

    /// A destination nearer to the end than this.
    fn way(&mut self, rank: usize) -> String {
        let all: Vec<String> = self.ways.iter().filter(|(own, _)| *own < rank).map(|(_, way)| way.clone()).collect();
        all[self.random.below(all.len())].clone()
    }

    fn some(&mut self, of: &[&str]) -> Vec<String> {
        let mut some: Vec<String> = of.iter().filter(|_| self.random.below(2) == 0).map(ToString::to_string).collect();
        if some.is_empty() {
            some.push(self.one(of).to_owned());
        }
        some
    }

    fn object(&mut self, kind: &str, name: &str, spec: &serde_json::Value) {
        let manifest = json!({ "kind": kind, "metadata": { "name": name }, "spec": spec });
        let _ = write!(self.text, "---\n{manifest}\n");
    }

    fn schedules(&mut self) {
        for name in ["s0", "s1"] {
            let days = self.one(&["mon-fri", "daily", "sat,sun", "fri", "sat"]);
            let hours = self.one(&["09:00-18:00", "22:00-02:00", "00:00-24:00", "10:00-11:00", "18:00-09:00"]);
            let closed = match self.random.below(5) {
                0 => json!([{ "yearly": "12-25" }]),
                1 => json!([{ "yearly": "easter-2" }, { "date": "2026-11-27" }]),
                2 => json!([{ "yearly": "last mon may" }]),
                3 => json!([{ "yearly": "4th fri nov" }, { "yearly": "easter" }]),
                _ => json!([]),
            };
            self.object("Schedule", name, &json!({ "open": [{ "days": days, "hours": [hours] }], "closed": closed }));
        }
    }

    fn filters(&mut self) {
        let mut deny = vec![json!({ "caller": self.one(&["+351911111111", "+3519*", "_1555X.", "anonymous"]) })];
        if self.once_in(2) {
            deny.push(json!({ "regex": self.one(&["^\\+35192", "^\\+1555", "^\\+44(70|90)"]) }));
        }
        let allow = if self.once_in(2) { json!([{ "caller": "+351922222222" }]) } else { json!([]) };
        let denied = self.one(&["hangup/busy", "hangup", "voicemail/general"]);
        self.object("BlockFilter", "f0", &json!({ "deny": deny, "allow": allow, "denied": denied }));
    }

    fn extensions(&mut self) {
        for number in PHONES {
            let mut spec = json!({ "password": format!("secret-{number}"), "qualify": "0s", "ringTimeout": "1s" });
            if self.once_in(2) {
                spec["noAnswer"] = json!(self.way(1));
            }
            if self.once_in(4) {
                spec["callForward"] = json!({ self.one(&["busy", "noAnswer", "unavailable"]): self.way(1) });
            }
            if self.once_in(6) {
                spec["doNotDisturb"] = json!(true);
            }
            if self.once_in(8) {
                spec["callForward"] = json!({ "always": self.way(1) });
            }
            self.object("Extension", number, &spec);
        }
        self.object("Extension", OWN, &json!({ "password": format!("secret-{OWN}"), "qualify": "0s" }));
        self.ways.extend(PHONES.iter().map(|number| (1, format!("extension/{number}"))));
    }

    fn groups(&mut self) {
        for name in ["g0", "g1"] {
            let strategy = self.one(&["ringAll", "hunt", "memoryHunt", "roundRobin"]);
            let mut spec = json!({ "strategy": strategy, "members": self.some(&PHONES), "timeout": "1s" });
            if self.once_in(2) {
                spec["failover"] = json!(self.way(2));
            }
            if name == "g0" {
                spec["number"] = json!("610");
            }
            self.object("ExtensionGroup", name, &spec);
        }
        self.ways.extend(["group/g0", "group/g1"].map(|way| (2, way.to_owned())));
    }

    fn queues(&mut self) {
        for name in ["q0", "q1"] {
            let members: Vec<_> = self
                .some(&PHONES)
                .into_iter()
                .map(|number| json!({ "extension": number, "autoLogin": self.random.below(4) > 0 }))
                .collect();
            let empty = self.one(&["nobodyLoggedIn", "nobodyAvailable", "never"]);
            let mut spec = json!({
                "strategy": self.one(&["leastrecent", "rrmemory", "ringall"]), "members": members, "ringTimeout": "1s", "retry": "1s",
                "maxWait": "7s", "joinEmpty": empty, "leaveEmpty": empty,
            });
            for field in ["onTimeout", "onEmpty"] {
                if self.once_in(2) {
                    spec[field] = json!(self.way(3));
                }
            }
            if name == "q0" {
                spec["number"] = json!("600");
            }
            if self.once_in(3) {
                spec["schedule"] = json!("s1");
                spec["outOfOffice"] = json!(self.way(3));
            }
            if self.once_in(4) {
                spec["blockFilter"] = json!("f0");
            }
            self.object("Queue", name, &spec);
        }
        self.ways.extend(["queue/q0", "queue/q1"].map(|way| (3, way.to_owned())));
    }

    /// A branch of a tree, so many levels from the last.
    fn branch(&mut self, levels: usize) -> serde_json::Value {
        if levels == 0 || self.once_in(3) {
            return json!({ "go": self.way(4) });
        }
        let ring = match self.random.below(4) {
            0 => json!(["queue/q0"]),
            1 => json!(["group/g0", "extension/2003"]),
            _ => json!(self.some(&PHONES).iter().map(|number| format!("extension/{number}")).collect::<Vec<_>>()),
        };
        let mut level = json!({ "ring": ring, "timeout": if ring[0] == "queue/q0" { "6s" } else { "1s" } });
        for field in ["busy", "noAnswer", "otherwise"] {
            if self.once_in(2) {
                level[field] = self.branch(levels - 1);
            }
        }
        level
    }

    fn trees(&mut self) {
        let mut spec = self.branch(3);
        while spec.get("go").is_some() {
            spec = self.branch(3);
        }
        if self.once_in(3) {
            spec["blockFilter"] = json!("f0");
        }
        spec["number"] = json!("620");
        self.object("RingTree", "t0", &spec);
        self.ways.push((4, "tree/t0".to_owned()));
    }

    fn menus(&mut self) {
        for (rank, name) in [(5, "i1"), (6, "i0")] {
            let count = 2 + self.random.below(4);
            let mut nodes = serde_json::Map::new();
            for at in 0..count {
                // To a node further on, or out of the menu.
                let next = |generator: &mut Self| {
                    if at + 1 < count && generator.once_in(2) {
                        format!("n{}", at + 1 + generator.random.below(count - at - 1))
                    } else {
                        generator.way(rank)
                    }
                };
                let beep = "sound/beep";
                let node = match if at == 0 { 0 } else { self.random.below(7) } {
                    0 | 1 => {
                        let mut keys = serde_json::Map::new();
                        for key in ["1", "2", "#"] {
                            let way = if key == "2" && self.once_in(3) { "n0".to_owned() } else { next(self) };
                            keys.insert(key.to_owned(), json!(way));
                        }
                        let menu = json!({
                            "prompt": beep, "timeout": "1s", "retries": self.random.below(2), "invalidPrompt": beep,
                            "bargeIn": self.random.below(3) > 0,
                        });
                        json!({ "menu": menu, "keys": keys, "invalid": next(self), "timedOut": next(self) })
                    }
                    2 => {
                        let digits = 1 + self.random.below(2);
                        let mut collect = json!({
                            "prompt": beep, "digits": digits, "least": 1 + self.random.below(digits), "into": "account",
                            "timeout": "1s", "retries": self.random.below(2),
                        });
                        if self.once_in(2) {
                            collect["invalidPrompt"] = json!(beep);
                        }
                        json!({ "collect": collect, "next": next(self), "timedOut": next(self) })
                    }
                    3 => {
                        let variable = self.one(&["account", "caller"]);
                        let value = if variable == "caller" { "+3519*" } else { "1*" };
                        json!({ "route": variable, "cases": [{ "match": value, "to": next(self) }], "otherwise": next(self) })
                    }
                    4 => json!({ "time": "s0", "open": next(self), "closed": next(self) }),
                    5 => json!({ "set": { "language": "en", "variables": { "account": "12" } }, "next": next(self) }),
                    _ => json!({ "play": beep, "next": next(self) }),
                };
                nodes.insert(format!("n{at}"), node);
            }
            let mut spec = json!({ "start": "n0", "nodes": nodes });
            if name == "i0" {
                spec["number"] = json!("500");
            }
            self.object("Ivr", name, &spec);
            self.ways.push((rank, format!("ivr/{name}")));
        }
    }

    fn line(&mut self) {
        let mut spec = json!({ "carrier": "main", "destination": self.way(9) });
        if self.once_in(2) {
            spec["blockFilter"] = json!("f0");
        }
        if self.once_in(2) {
            spec["callers"] =
                json!([{ "from": self.one(&["+35192*", "anonymous", "_1555X."]), "destination": self.way(9) }]);
        }
        if self.once_in(2) {
            spec["schedule"] = json!("s0");
            spec["afterHours"] = json!(self.way(9));
        }
        self.object("Did", LINE, &spec);
    }
}

/// A system that is valid, whatever the dice say.
fn system(random: &mut Random, carrier_ip: Ipv4Addr) -> String {
    let text = settings("") + &carrier("main", carrier_ip, "");
    let ends = ["hangup", "hangup/busy", "hangup/congestion", "voicemail/general", "conference/8000", "parking/main"];
    let ways = ends.iter().map(|end| (0, (*end).to_owned())).collect();
    let mut generator = Generator { random, text, ways };
    generator.object("Mailbox", "general", &json!({ "pin": "4711" }));
    generator.object("Conference", "8000", &json!({}));
    let lot = json!({ "number": "700", "slots": "701-709", "comeback": "hangup" });
    generator.object("ParkingLot", "main", &lot);
    generator.schedules();
    generator.filters();
    generator.extensions();
    generator.groups();
    generator.queues();
    generator.trees();
    let (open, closed) = (generator.way(5), generator.way(5));
    let spec =
        json!({ "open": [{ "days": "mon-sat", "hours": ["08:00-20:00"] }], "destination": open, "afterHours": closed });
    generator.object("Schedule", "s2", &spec);
    generator.ways.push((5, "schedule/s2".to_owned()));
    generator.menus();
    generator.line();
    generator.text
}

/// A call: who dials what, pressing which keys, while somebody has turned a schedule over.
struct Dialling<'d> {
    to: &'d str,
    from: String,
    press: Vec<&'d str>,
    turned: Option<(&'d str, &'d str)>,
}

impl fmt::Display for Dialling<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} dials {}, presses {:?}, {:?}", self.from, self.to, self.press, self.turned)
    }
}

/// Follows a call on paper.
fn on_paper(text: &str, ip: Ipv4Addr, clock: &str, dialling: &Dialling<'_>) -> Result<Vec<String>> {
    let text = text.replace("{ip}", &ip.to_string());
    let parsed = parse(&[Source::new("system.yaml", text)]);
    ensure!(parsed.diagnostics.iter().all(|found| !found.is_error()), "{:#?}", parsed.diagnostics);
    let mut catalog = Catalog::default();
    for document in parsed.documents {
        catalog.insert(document.object.name, document.meta.labels, document.spec);
    }
    let graph = CallGraph::new(&catalog);
    let turned: BTreeMap<_, _> = dialling.turned.into_iter().collect();
    let given: Given = serde_json::from_value(json!({
        "busy": ["2002"], "noAnswer": ["2003"], "unregistered": ["2004"], "press": dialling.press, "schedules": turned,
    }))?;
    let at: jiff::civil::DateTime = clock.parse()?;
    let at = at.to_zoned(jiff::tz::TimeZone::get("UTC")?)?.timestamp();
    let wanted: TestCall = serde_json::from_value(json!({ "to": dialling.to, "from": dialling.from }))?;
    let trace = Tracer::new(&catalog, &graph).trace(&Call::new(&catalog, &wanted, Some(at)), &given);
    Ok(trace.labels().map(str::to_owned).collect())
}

/// Makes a call, presses what is to be pressed at each prompt, and ends it when it has come where it should, or goes no further.
fn really(
    watch: &Walk,
    system: &System,
    caller: &Caller,
    dialling: &Dialling<'_>,
    expected: &[String],
) -> Result<Vec<String>> {
    let since = watch.len();
    let press = &dialling.press;
    let calling = caller.start(dialling.to, system.ip())?;
    let keypad = calling.keypad();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(move || calling.wait());
        let (begun, mut pressed, mut over) = (Instant::now(), 0, None);
        // What was last said of a call may be heard some time after its end.
        while watch.since(since).len() < expected.len()
            && begun.elapsed() < SOON
            && over.is_none_or(|over: Instant| over.elapsed() < Duration::from_secs(5))
        {
            over = over.or_else(|| waiting.is_finished().then(Instant::now));
            let prompts = watch.prompts(since);
            if prompts > pressed {
                // As soon as it listens.
                std::thread::sleep(Duration::from_millis(150));
                keypad.press(press.get(pressed).copied().unwrap_or_default());
                pressed += 1;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        // It must not go on.
        std::thread::sleep(Duration::from_millis(400));
        let steps = watch.since(since);
        while !waiting.is_finished() {
            system.asterisk().cli("channel request hangup all")?;
            std::thread::sleep(Duration::from_millis(200));
        }
        // How the caller's own end of it went is not asked here: it is hung up on whenever it has come far enough.
        let _ = waiting.join().map_err(|_| anyhow::anyhow!("the caller panicked"))?;
        Ok(steps)
    })
}

fn systems() -> Result<()> {
    let mut random = Random::seeded();
    let place = Place::take()?;
    let clock = CLOCKS[random.below(CLOCKS.len())];
    let pbx = System::builder().clock(clock).start()?;
    let watch = Walk::watch(pbx.asterisk())?;
    let mut phones = Vec::new();
    let mut outside = Caller::at(place).hold();
    let own = pbx.caller(OWN)?.hold();
    for number in 0..samples(SYSTEMS) {
        let text = system(&mut random, outside.ip());
        pbx.apply(&text)?;
        if phones.is_empty() {
            phones.push(pbx.phone("2001", &Behaviour::answer_after(Duration::ZERO))?);
            phones.push(pbx.phone("2002", &Behaviour::reject(486))?);
            phones.push(pbx.phone("2003", &Behaviour::Ignore)?);
        }
        for _ in 0..CALLS {
            let keys = ["1", "2", "#", "7", ""];
            let press: Vec<&str> = (0..random.below(5)).map(|_| keys[random.below(keys.len())]).collect();
            let turned = (random.below(4) == 0)
                .then(|| (["s0", "s1", "s2"][random.below(3)], ["open", "closed"][random.below(2)]));
            let dialling = if random.below(3) == 0 {
                Dialling { to: DIALLED[random.below(DIALLED.len())], from: format!("extension/{OWN}"), press, turned }
            } else {
                Dialling { to: LINE, from: CALLERS[random.below(CALLERS.len())].to_owned(), press, turned }
            };
            if let Some((schedule, state)) = turned {
                let verb = if state == "open" { "open" } else { "close" };
                pbx.pbxctl(&["schedule", verb, schedule])?.expect(0)?;
            }
            let expected = on_paper(&text, pbx.ip(), clock, &dialling)?;
            let steps = if dialling.to == LINE {
                outside = outside.from(&dialling.from);
                really(&watch, &pbx, &outside, &dialling, &expected)
            } else {
                really(&watch, &pbx, &own, &dialling, &expected)
            };
            let steps = steps.with_context(|| format!("system {number}, {dialling}:\n{text}"))?;
            ensure!(
                steps == expected,
                "system {number} at {clock}: {dialling} went\n{steps:?}, and not\n{expected:?}\n{text}"
            );
            if let Some((schedule, _)) = turned {
                pbx.pbxctl(&["schedule", "auto", schedule])?.expect(0)?;
            }
        }
    }
    Ok(())
}

#[test]
fn real_calls_go_where_traces_say_1() -> Result<()> {
    systems()
}

#[test]
fn real_calls_go_where_traces_say_2() -> Result<()> {
    systems()
}

#[test]
fn real_calls_go_where_traces_say_3() -> Result<()> {
    systems()
}

#[test]
fn real_calls_go_where_traces_say_4() -> Result<()> {
    systems()
}

#[test]
fn real_calls_go_where_traces_say_5() -> Result<()> {
    systems()
}
