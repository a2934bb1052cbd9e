//! Offices that nobody would think of: systems that are accepted, made from a seed, with every text as hostile as its type lets it be.
//!
//! Used by the tests of every crate that takes a catalog.

use std::collections::BTreeMap;

use pbx_manifest::{Document, Parsed, Source, parse};
use serde_json::{Map, Value as Json, json};

/// A small generator of numbers: the same seed gives the same office anywhere.
pub struct Dice {
    state: u64,
    /// How the first throws fall, a byte each.
    loaded: std::collections::VecDeque<u8>,
}

impl Dice {
    /// Dice that fall as the seed says.
    pub fn new(seed: u64) -> Self {
        Self::loaded(seed, &[])
    }

    /// Dice that fall as somebody chose, as far as the bytes go: a fuzzer that changes one of them changes one throw.
    pub fn loaded(seed: u64, bytes: &[u8]) -> Self {
        Self { state: seed, loaded: bytes.iter().copied().collect() }
    }

    /// A number below `sides`.
    pub fn below(&mut self, sides: usize) -> usize {
        if let Some(chosen) = self.loaded.pop_front() {
            // Of more sides than a byte can choose among, the byte chooses where the others are thrown from.
            if sides <= 256 {
                return usize::from(chosen) % sides;
            }
            self.state = self.state.rotate_left(8) ^ u64::from(chosen);
        }
        // splitmix64
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }

    /// Once in so many times.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of several.
    pub fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }
}

/// Texts that are accepted and that a careless writer would trip over.
pub const TEXTS: [&str; 24] = [
    "Ana Reyes",
    "a;b",
    "a;--b",
    ";-- eaten --;",
    "--;",
    "end;",
    ";",
    "#include x",
    "[general](!)",
    "key = value",
    "= same",
    "=",
    "Hangup()",
    "a)b(c",
    "50% $ off",
    "$",
    "{EXTEN}$",
    "R&D @ 5:00 ?",
    "it's",
    "n(label)",
    "Zoë Müller 東京",
    "🙂",
    "exten = s",
    "same",
];

struct Office {
    dice: Dice,
    all: Vec<Json>,
    extensions: Vec<String>,
    boxes: Vec<String>,
    groups: Vec<String>,
    outside: bool,
    /// The names of objects of kinds that are only named here, by the word that destinations have for them.
    named: BTreeMap<&'static str, Vec<String>>,
}

/// The manifests of an office with about `size` objects of each kind. They are accepted: `check` finds no error.
pub fn manifests(seed: u64, size: usize) -> Vec<Json> {
    thrown(Dice::new(seed), size)
}

/// The same, for dice that fall otherwise.
pub fn thrown(dice: Dice, size: usize) -> Vec<Json> {
    let mut office = Office {
        dice,
        all: Vec::new(),
        extensions: Vec::new(),
        boxes: Vec::new(),
        groups: Vec::new(),
        outside: false,
        named: BTreeMap::new(),
    };
    office.build(size);
    office.all
}

/// Manifests as the text of one file, in whatever order they come.
pub fn text(manifests: &[Json]) -> String {
    manifests.iter().flat_map(|manifest| ["---\n".to_owned(), manifest.to_string(), "\n".to_owned()]).collect()
}

/// The documents of a text that is accepted.
pub fn documents(text: String) -> Vec<Document> {
    let Parsed { documents, diagnostics, .. } = parse(&[Source::new("office.yaml", text)]);
    let errors: Vec<String> = diagnostics.iter().filter(|found| found.is_error()).map(ToString::to_string).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    documents
}

impl Office {
    fn add(&mut self, kind: &str, name: &str, spec: &Map<String, Json>) {
        let labels = if self.dice.once_in(3) { json!({ "team": "sales", "x": "A.b_c-1" }) } else { json!({}) };
        self.all.push(json!({
            "apiVersion": "pbx/v1", "kind": kind, "metadata": { "name": name, "labels": labels }, "spec": spec,
        }));
    }

    fn text(&mut self) -> Json {
        json!(self.dice.of(&TEXTS))
    }

    fn destination(&mut self) -> Json {
        loop {
            let chosen = match self.dice.below(10) {
                0 | 1 => self.extensions.get(self.dice.below(self.extensions.len())).map(|n| format!("extension/{n}")),
                2 if !self.boxes.is_empty() => {
                    Some(format!("voicemail/{}", self.boxes[self.dice.below(self.boxes.len())]))
                }
                3 if !self.groups.is_empty() => {
                    Some(format!("group/{}", self.groups[self.dice.below(self.groups.len())]))
                }
                4 if self.outside => Some(format!("external/+3519{:08}", self.dice.below(99_999_999))),
                5 => Some(self.dice.of(&["hangup", "hangup/busy", "hangup/congestion"]).to_owned()),
                6..=8 => {
                    let kind =
                        self.dice.of(&["queue", "tree", "ivr", "voicemail", "announcement", "conference", "parking"]);
                    self.name(kind).map(|name| format!("{kind}/{name}"))
                }
                _ => None,
            };
            if let Some(chosen) = chosen {
                return json!(chosen);
            }
        }
    }

    /// One of the objects of a kind, if there are any.
    fn name(&mut self, kind: &str) -> Option<String> {
        let names = self.named.get(kind).filter(|names| !names.is_empty())?;
        Some(names[self.dice.below(names.len())].clone())
    }

    /// A file of audio that was uploaded.
    fn audio(&mut self) -> Json {
        let name = self.dice.of(&["welcome", "a b", "Müller;x", "--"]);
        json!(format!("audio/{name}.mp3@{:032x}", self.dice.below(usize::MAX)))
    }

    fn prompt(&mut self) -> Json {
        let announcement = self.name("announcement").map(|name| format!("announcement/{name}"));
        json!(announcement.filter(|_| self.dice.once_in(2)).unwrap_or_else(|| "sound/vm-goodbye".into()))
    }

    /// A field that names an object of a kind, where there is one.
    fn maybe_named(&mut self, spec: &mut Map<String, Json>, field: &str, kind: &str) {
        if let Some(name) = self.name(kind).filter(|_| self.dice.once_in(2)) {
            spec.insert(field.into(), json!(name));
        }
    }

    fn maybe(
        &mut self,
        spec: &mut Map<String, Json>,
        times: usize,
        field: &str,
        value: impl FnOnce(&mut Self) -> Json,
    ) {
        if self.dice.once_in(times) {
            let value = value(self);
            spec.insert(field.into(), value);
        }
    }

    fn build(&mut self, size: usize) {
        let mut taken = std::collections::BTreeSet::new();
        while taken.len() < size + 1 {
            let digits = self.dice.below(5) + 1;
            let number = self.dice.below(10_usize.pow(digits as u32));
            taken.insert(format!("{number:0digits$}"));
        }
        self.extensions = taken.into_iter().filter(|number| number != "112").collect();
        self.boxes = self.extensions.iter().step_by(2).cloned().collect();
        self.groups = (0..self.dice.below(size + 1)).map(|at| format!("g-{at}")).collect();
        let carriers: Vec<String> =
            (0..self.dice.below(4)).map(|at| format!("c{at}-{}", "x".repeat(at * 20))).collect();
        self.outside = !carriers.is_empty();
        for (kind, prefix) in [
            ("queue", "q-"),
            ("tree", "tree-"),
            ("ivr", "menu-"),
            ("voicemail", "box-"),
            ("announcement", "said-"),
            ("music", "jazz-"),
            ("filter", "spam-"),
            ("soundboard", "clips-"),
            ("parking", "lot-"),
            ("conference", "95000"),
        ] {
            let names = (0..self.dice.below(3)).map(|at| format!("{prefix}{at}")).collect();
            self.named.insert(kind, names);
        }
        self.settings();
        let schedules = self.schedules();
        let profiles = self.profiles();
        for (at, name) in self.extensions.clone().into_iter().enumerate() {
            self.extension(at, &name, &profiles);
        }
        for (at, name) in self.groups.clone().into_iter().enumerate() {
            let mut spec = Map::new();
            let members: Vec<String> =
                self.extensions.clone().into_iter().filter(|_| self.dice.once_in(2)).take(50).collect();
            let members = if members.is_empty() { vec![self.extensions[0].clone()] } else { members };
            spec.insert("members".into(), json!(members));
            self.maybe(&mut spec, 2, "displayName", Self::text);
            self.maybe(&mut spec, 2, "number", |_| json!(format!("80000{at}")));
            self.maybe(&mut spec, 1, "strategy", |o| {
                json!(o.dice.of(&["ringAll", "hunt", "memoryHunt", "roundRobin"]))
            });
            self.maybe(&mut spec, 2, "timeout", |o| json!(format!("{}s", 1 + o.dice.below(600))));
            if let Some(failover) = Some(self.destination()).filter(|to| *to != json!(format!("group/{name}"))) {
                spec.insert("failover".into(), failover);
            }
            self.maybe(&mut spec, 8, "enabled", |_| json!(false));
            self.add("ExtensionGroup", &name, &spec);
        }
        for (at, name) in carriers.iter().enumerate() {
            self.carrier(at, name);
        }
        if self.outside {
            self.routes(&carriers);
        }
        for at in 0..self.dice.below(size + 1) {
            self.did(at, &carriers, &schedules);
        }
        self.heard();
        self.queues(&schedules);
        self.trees();
        self.menus(&schedules);
        self.rooms();
        self.filters();
        self.work();
    }

    fn settings(&mut self) {
        let mut spec = Map::new();
        self.maybe(&mut spec, 2, "timeZone", |o| {
            json!(o.dice.of(&["Europe/Lisbon", "America/Sao_Paulo", "Asia/Kolkata"]))
        });
        self.maybe(&mut spec, 2, "language", |_| json!("pt-br"));
        self.maybe(&mut spec, 2, "description", Self::text);
        self.maybe(
            &mut spec,
            3,
            "nat",
            |_| json!({ "externalAddress": "203.0.113.9", "localNetworks": ["10.0.0.0/8", "fd00::/8"] }),
        );
        self.maybe(&mut spec, 3, "ice", |_| {
            json!({ "stun": ["stun.example.com:3478"], "turn": [{ "server": "[2001:db8::1]:3478", "username": "pbx", "password": { "env": "TURN" } }] })
        });
        self.maybe(&mut spec, 3, "rtp", |_| json!({ "firstPort": 10000, "lastPort": 20000 }));
        self.maybe(&mut spec, 3, "featureCodes", |_| json!({ "voicemail": "*98", "record": "#1" }));
        spec.insert(
            "transports".into(),
            json!({ "tls": { "certificate": "/etc/k/c.pem", "privateKey": "/etc/k/k ey.pem" } }),
        );
        self.add("Settings", "pbx", &spec);
    }

    fn schedules(&mut self) -> Vec<String> {
        let names: Vec<String> = (0..self.dice.below(3)).map(|at| format!("hours-{at}")).collect();
        for name in &names {
            let mut spec = Map::new();
            let days = self.dice.of(&["mon-fri", "sat", "fri-mon", "daily", "mon,wed,sun"]);
            spec.insert("open".into(), json!([{ "days": days, "hours": ["00:00-09:30", "10:00-24:00"] }]));
            self.maybe(&mut spec, 2, "timeZone", |_| json!("Europe/Berlin"));
            self.maybe(
                &mut spec,
                2,
                "closed",
                |o| json!([{ "date": "2026-12-25", "name": o.text() }, { "yearly": "02-29" }]),
            );
            self.maybe(&mut spec, 4, "enabled", |_| json!(false));
            self.add("Schedule", name, &spec);
        }
        names
    }

    fn profiles(&mut self) -> Vec<String> {
        let names: Vec<String> = (0..self.dice.below(3)).map(|at| format!("desk{at}")).collect();
        for name in &names {
            let mut spec = Map::new();
            self.maybe(&mut spec, 2, "callerId", |o| json!({ "number": "+351210001000", "name": o.text() }));
            self.maybe(&mut spec, 2, "maxContacts", |_| json!(3));
            self.maybe(&mut spec, 2, "permissions", |_| json!(["internal", "national"]));
            self.maybe(&mut spec, 2, "record", |_| json!("onDemand"));
            self.maybe(&mut spec, 2, "allowFrom", |_| json!(["10.0.0.0/8", "2001:db8::/32"]));
            self.maybe(&mut spec, 2, "pickupGroup", |_| json!("floor-1"));
            self.maybe_named(&mut spec, "holdMusic", "music");
            self.add("ExtensionProfile", name, &spec);
        }
        names
    }

    fn extension(&mut self, at: usize, name: &str, profiles: &[String]) {
        let mut spec = Map::new();
        self.maybe(&mut spec, 2, "displayName", Self::text);
        self.maybe(&mut spec, 3, "description", Self::text);
        self.maybe(&mut spec, 3, "owner", Self::text);
        self.maybe(&mut spec, 2, "email", |_| json!("o'hara+x%y{z}|~@ex-ample.com".replace('|', "")));
        if !profiles.is_empty() {
            self.maybe(&mut spec, 2, "profile", |o| json!(profiles[o.dice.below(profiles.len())]));
        }
        self.maybe(&mut spec, 3, "callerId", |o| json!({ "name": o.text() }));
        self.maybe(&mut spec, 3, "permissions", |o| {
            json!([
                o.dice.of(&["national", "international", "a-very-long-class-of-calls-that-nobody-would-name-so"]),
                "internal"
            ])
        });
        self.maybe(&mut spec, 4, "webrtc", |_| json!(true));
        self.maybe(&mut spec, 3, "record", |o| json!(o.dice.of(&["never", "always", "onDemand"])));
        self.maybe(&mut spec, 8, "doNotDisturb", |_| json!(true));
        self.maybe(&mut spec, 8, "enabled", |_| json!(false));
        self.maybe(&mut spec, 4, "language", |_| json!("de"));
        for (times, field) in [(10, "always"), (4, "busy"), (4, "noAnswer"), (4, "unavailable")] {
            let to = self.destination();
            if self.dice.once_in(times) && to != json!(format!("extension/{name}")) {
                spec.entry("callForward").or_insert(json!({}))[field] = to;
            }
        }
        self.maybe_named(&mut spec, "holdMusic", "music");
        self.maybe(&mut spec, 3, "pickupGroup", |_| json!("floor-2"));
        self.maybe(&mut spec, 3, "maxContacts", |_| json!(2));
        let mut voicemail = Map::new();
        voicemail.insert("enabled".into(), json!(at.is_multiple_of(2)));
        self.mailbox(&mut voicemail);
        spec.insert("voicemail".into(), json!(voicemail));
        self.add("Extension", name, &spec);
    }

    /// What all voicemail boxes may have.
    fn mailbox(&mut self, spec: &mut Map<String, Json>) {
        self.maybe(spec, 3, "timeZone", |o| {
            json!(o.dice.of(&["Europe/Berlin", "America/Argentina/Buenos_Aires", "UTC"]))
        });
        self.maybe(spec, 3, "maxMessages", |o| json!(1 + o.dice.below(9999)));
        self.maybe(spec, 3, "maxLength", |o| json!(format!("{}s", 1 + o.dice.below(3600))));
        self.maybe(spec, 3, "operator", Self::destination);
        self.maybe(spec, 3, "greeting", Self::audio);
        self.maybe(spec, 4, "greetings", |o| json!({ "busy": o.audio(), "temporary": o.audio(), "name": o.audio() }));
    }

    /// Announcements, music and soundboards.
    fn heard(&mut self) {
        for name in self.named["announcement"].clone() {
            let mut spec = Map::new();
            spec.insert("file".into(), self.audio());
            self.maybe(&mut spec, 2, "then", Self::destination);
            self.maybe(&mut spec, 6, "enabled", |_| json!(false));
            self.add("Announcement", &name, &spec);
        }
        for name in self.named["music"].clone() {
            let mut spec = Map::new();
            if self.dice.once_in(3) {
                spec.insert("stream".into(), json!("https://radio.example.com:8000/a_b/c.mp3?x=1&y=%20"));
            } else {
                spec.insert("files".into(), json!([self.audio(), self.audio()]));
                self.maybe(&mut spec, 2, "order", |o| json!(o.dice.of(&["random", "ordered"])));
            }
            self.maybe(&mut spec, 6, "enabled", |_| json!(false));
            self.add("HoldMusic", &name, &spec);
        }
        for name in self.named["soundboard"].clone() {
            let mut spec = Map::new();
            let title = self.text();
            spec.insert(
                "clips".into(),
                json!({ "one": { "file": self.audio(), "key": "1", "title": title }, "two": { "file": self.audio() } }),
            );
            self.add("Soundboard", &name, &spec);
        }
    }

    fn queues(&mut self, schedules: &[String]) {
        for (at, name) in self.named["queue"].clone().into_iter().enumerate() {
            let mut spec = Map::new();
            let mut members = Vec::new();
            for number in self.extensions.clone() {
                if self.dice.once_in(2) {
                    let (penalty, auto) = (self.dice.below(1001), self.dice.once_in(2));
                    members.push(json!({ "extension": number, "penalty": penalty, "autoLogin": auto }));
                }
            }
            spec.insert("members".into(), json!(members));
            self.maybe(&mut spec, 2, "description", Self::text);
            self.maybe(&mut spec, 2, "displayName", Self::text);
            self.maybe(&mut spec, 2, "number", |_| json!(format!("91000{at}")));
            self.maybe(&mut spec, 1, "strategy", |o| {
                json!(o.dice.of(&[
                    "ringall",
                    "leastrecent",
                    "fewestcalls",
                    "random",
                    "rrmemory",
                    "rrordered",
                    "linear",
                    "wrandom"
                ]))
            });
            for (field, least, most) in
                [("ringTimeout", 1, 600), ("retry", 1, 60), ("wrapUp", 0, 3600), ("maxWait", 1, 86_400)]
            {
                self.maybe(&mut spec, 2, field, |o| json!(format!("{}s", least + o.dice.below(most - least + 1))));
            }
            self.maybe(&mut spec, 2, "weight", |o| json!(o.dice.below(1001)));
            self.maybe(&mut spec, 2, "maxWaiting", |o| json!(1 + o.dice.below(10_000)));
            for field in ["joinEmpty", "leaveEmpty"] {
                self.maybe(&mut spec, 2, field, |o| {
                    json!(o.dice.of(&["never", "nobodyLoggedIn", "nobodyAvailable", "nobodyFree"]))
                });
            }
            self.maybe(&mut spec, 2, "ringInUse", |_| json!(true));
            self.maybe(&mut spec, 2, "autoPause", |o| json!(o.dice.of(&["never", "queue", "all"])));
            self.maybe_named(&mut spec, "holdMusic", "music");
            self.maybe_named(&mut spec, "blockFilter", "filter");
            self.maybe_named(&mut spec, "soundboard", "soundboard");
            self.maybe(&mut spec, 2, "announce", |o| {
                json!({
                    "position": o.dice.once_in(2), "holdTime": o.dice.once_in(2), "every": format!("{}s", 5 + o.dice.below(3596)),
                    "comfort": { "every": format!("{}s", 5 + o.dice.below(3596)), "play": o.prompt() }, "member": o.prompt(),
                })
            });
            self.maybe(
                &mut spec,
                2,
                "vip",
                |_| json!([{ "caller": "+35191*", "priority": 10 }, { "caller": "anonymous", "priority": 1 }]),
            );
            if !schedules.is_empty() && self.dice.once_in(2) {
                spec.insert("schedule".into(), json!(schedules[self.dice.below(schedules.len())]));
                spec.insert("outOfOffice".into(), self.destination());
            }
            self.maybe(&mut spec, 2, "record", |o| json!(o.dice.of(&["never", "always", "onDemand"])));
            self.maybe(
                &mut spec,
                2,
                "serviceLevel",
                |_| json!({ "target": "90%", "within": "30s", "shortAbandon": "3s", "formula": "A" }),
            );
            self.maybe(&mut spec, 2, "disposition", |_| json!({ "required": true, "within": "60s" }));
            for field in ["onTimeout", "onFull", "onEmpty"] {
                let to = self.destination();
                if self.dice.once_in(2) && to != json!(format!("queue/{name}")) {
                    spec.insert(field.into(), to);
                }
            }
            self.maybe(&mut spec, 2, "keys", |o| json!({ "0": o.destination(), "#": o.destination() }));
            self.maybe(&mut spec, 6, "enabled", |_| json!(false));
            self.add("Queue", &name, &spec);
        }
    }

    fn trees(&mut self) {
        for (at, name) in self.named["tree"].clone().into_iter().enumerate() {
            let mut spec = Map::new();
            let first = format!("extension/{}", self.extensions[0]);
            spec.insert("ring".into(), json!([first]));
            self.maybe(&mut spec, 2, "number", |_| json!(format!("92000{at}")));
            self.maybe(&mut spec, 2, "timeout", |_| json!("7s"));
            self.maybe_named(&mut spec, "blockFilter", "filter");
            self.maybe(&mut spec, 2, "busy", |o| json!({ "go": o.destination() }));
            self.maybe(&mut spec, 2, "noAnswer", |o| {
                let then = o.destination();
                match o.name("queue") {
                    Some(queue) => {
                        json!({ "ring": [format!("queue/{queue}")], "timeout": "2m", "otherwise": { "go": then } })
                    }
                    None => json!({ "ring": [first], "busy": { "ring": [first], "otherwise": { "go": then } } }),
                }
            });
            self.maybe(&mut spec, 6, "enabled", |_| json!(false));
            self.add("RingTree", &name, &spec);
        }
    }

    fn menus(&mut self, schedules: &[String]) {
        for (at, name) in self.named["ivr"].clone().into_iter().enumerate() {
            let mut spec = Map::new();
            spec.insert("start".into(), json!("welcome"));
            self.maybe(&mut spec, 2, "number", |_| json!(format!("93000{at}")));
            self.maybe(&mut spec, 2, "directDial", |o| {
                if o.dice.once_in(2) { json!(true) } else { json!({ "team": "sales" }) }
            });
            let hours = match schedules.first() {
                Some(schedule) => json!({ "time": schedule, "open": self.destination(), "closed": "menu" }),
                None => json!({ "go": self.destination() }),
            };
            spec.insert(
                "nodes".into(),
                json!({
                    "welcome": { "play": self.prompt(), "next": "menu" },
                    "menu": {
                        "menu": { "prompt": self.prompt(), "timeout": "5s", "retries": self.dice.below(11), "invalidPrompt": self.prompt() },
                        "keys": { "1": "hours", "2": self.destination(), "*": "account", "9": "menu" },
                        "invalid": "operator", "timedOut": self.destination(),
                    },
                    "hours": hours,
                    "account": {
                        "collect": { "prompt": self.prompt(), "digits": 6, "least": 2, "into": "account" },
                        "next": "tier", "timedOut": "hangup",
                    },
                    "tier": { "route": "account", "cases": [{ "match": "9*", "to": self.destination() }], "otherwise": "spoken" },
                    "spoken": { "set": { "language": "de", "variables": { "tier": "1" } }, "next": "operator" },
                    "operator": { "go": self.destination() },
                }),
            );
            self.maybe(&mut spec, 6, "enabled", |_| json!(false));
            self.add("Ivr", &name, &spec);
        }
    }

    /// Shared boxes, parking lots and conferences.
    fn rooms(&mut self) {
        for (at, name) in self.named["voicemail"].clone().into_iter().enumerate() {
            let mut spec = Map::new();
            self.mailbox(&mut spec);
            self.maybe(&mut spec, 2, "displayName", Self::text);
            self.maybe(&mut spec, 2, "number", |_| json!(format!("94000{at}")));
            self.maybe(&mut spec, 2, "email", |_| json!("office@example.com"));
            self.maybe(&mut spec, 2, "attach", |_| json!(true));
            let lamps: Vec<String> = self.extensions.clone().into_iter().filter(|_| self.dice.once_in(3)).collect();
            spec.insert("lamps".into(), json!(lamps));
            self.maybe(&mut spec, 6, "enabled", |_| json!(false));
            self.add("Mailbox", &name, &spec);
        }
        for (at, name) in self.named["parking"].clone().into_iter().enumerate() {
            let mut spec = Map::new();
            spec.insert("number".into(), json!(format!("96000{at}")));
            spec.insert("slots".into(), json!(format!("9610{at}1-9610{at}9")));
            self.maybe(&mut spec, 2, "timeout", |o| json!(format!("{}s", 5 + o.dice.below(86_000))));
            // Anything may lead there.
            spec.insert("comeback".into(), self.destination());
            self.maybe_named(&mut spec, "holdMusic", "music");
            self.maybe(&mut spec, 6, "enabled", |_| json!(false));
            self.add("ParkingLot", &name, &spec);
        }
        for name in self.named["conference"].clone() {
            let mut spec = Map::new();
            if self.dice.once_in(2) {
                spec.insert("pin".into(), json!({ "env": "P" }));
                if self.dice.once_in(2) {
                    spec.insert("adminPin".into(), json!({ "file": "/p" }));
                    self.maybe(&mut spec, 2, "waitForAdmin", |_| json!(true));
                }
            }
            self.maybe(&mut spec, 2, "displayName", Self::text);
            self.maybe(&mut spec, 2, "record", |_| json!(true));
            self.maybe(&mut spec, 2, "announceJoins", |_| json!(true));
            self.maybe(&mut spec, 2, "maxMembers", |o| json!(2 + o.dice.below(999)));
            self.maybe_named(&mut spec, "holdMusic", "music");
            self.maybe(&mut spec, 6, "enabled", |_| json!(false));
            self.add("Conference", &name, &spec);
        }
    }

    fn filters(&mut self) {
        for name in self.named["filter"].clone() {
            let mut spec = Map::new();
            let note = self.text();
            spec.insert(
                "deny".into(),
                json!([
                    { "caller": "+15550001111", "expires": "30d", "note": note },
                    { "caller": "+1900*" },
                    { "regex": "^\\+44(70|90)" },
                    { "caller": "anonymous" },
                ]),
            );
            self.maybe(&mut spec, 2, "allow", |_| json!([{ "caller": "+15550001112", "expires": "2099-12-25" }]));
            self.maybe(&mut spec, 2, "denied", |o| json!(o.dice.of(&["hangup", "hangup/busy"])));
            self.maybe(&mut spec, 6, "enabled", |_| json!(false));
            self.add("BlockFilter", &name, &spec);
        }
    }

    /// What agents pick from.
    fn work(&mut self) {
        for at in 0..self.dice.below(3) {
            let mut spec = Map::new();
            spec.insert("title".into(), self.text());
            self.maybe(&mut spec, 2, "number", |_| json!(format!("{at}")));
            self.maybe(&mut spec, 2, "paid", |_| json!(true));
            self.maybe(&mut spec, 2, "maximum", |_| json!("60m"));
            self.maybe(&mut spec, 2, "color", |_| json!("#f59e0b"));
            self.add("BreakCode", &format!("break-{at}"), &spec);
            let mut spec = Map::new();
            spec.insert("title".into(), self.text());
            self.maybe(&mut spec, 2, "requiresCallback", |_| json!(true));
            self.add("Disposition", &format!("disp-{at}"), &spec);
        }
    }

    fn carrier(&mut self, at: usize, name: &str) {
        let mut spec = Map::new();
        spec.insert("hosts".into(), json!([format!("10.1.{at}.1:5080"), format!("[2001:db8:{at}::1]")]));
        self.maybe(&mut spec, 2, "registration", |o| {
            json!({ "username": o.dice.of(&["acme", "+351210001000", "351210001000", "u@example.com"]), "password": { "env": "P" } })
        });
        if !spec.contains_key("registration") {
            self.maybe(
                &mut spec,
                2,
                "authentication",
                |_| json!({ "username": "acme", "authUsername": "other", "password": { "file": "/p" } }),
            );
        }
        self.maybe(&mut spec, 2, "transport", |o| json!(o.dice.of(&["udp", "tcp", "tls"])));
        self.maybe(&mut spec, 2, "maxChannels", |_| json!(3));
        self.maybe(&mut spec, 2, "callerId", |o| json!({ "number": "+351210001000", "name": o.text() }));
        self.maybe(
            &mut spec,
            3,
            "inbound",
            |_| json!({ "number": { "strip": 2, "prepend": "+351" }, "caller": { "prepend": "00" } }),
        );
        self.maybe(&mut spec, 4, "outboundProxy", |_| json!("proxy.example.com"));
        self.maybe(&mut spec, 4, "fromDomain", |_| json!("example.com"));
        self.add("Carrier", name, &spec);
    }

    fn routes(&mut self, carriers: &[String]) {
        let long = "a-very-long-class-of-calls-that-nobody-would-name-so";
        let routes: [(&str, Json, &str); 4] = [
            ("emergency", json!(["112", "_9[12]X"]), "national"),
            ("plus", json!(["_+X."]), "international"),
            ("nat-ional", json!(["_00X.", "_[2-57]XXNXXXXXXX", "_*5!"]), "national"),
            ("long", json!(["_0#X."]), long),
        ];
        for (at, (name, patterns, permission)) in routes.into_iter().enumerate() {
            let mut spec = Map::new();
            spec.insert("order".into(), json!(10 + at));
            spec.insert("patterns".into(), patterns);
            let some: Vec<&String> = carriers.iter().filter(|_| self.dice.once_in(2)).collect();
            spec.insert("carriers".into(), if some.is_empty() { json!([carriers[0]]) } else { json!(some) });
            if name == "emergency" {
                // Its numbers must be nobody's: patterns of three digits would meet extensions.
                spec.insert("patterns".into(), json!(["112"]));
                spec.insert("emergency".into(), json!(true));
            } else {
                spec.insert("permission".into(), json!(permission));
                self.maybe(&mut spec, 2, "strip", |_| json!(1));
                self.maybe(&mut spec, 2, "prepend", |_| json!("+#*1"));
                if name != "plus" {
                    self.maybe(&mut spec, 6, "enabled", |_| json!(false));
                }
            }
            self.add("OutboundRoute", name, &spec);
        }
    }

    fn did(&mut self, at: usize, carriers: &[String], schedules: &[String]) {
        let mut spec = Map::new();
        spec.insert("destination".into(), self.destination());
        if !carriers.is_empty() {
            self.maybe(&mut spec, 2, "carrier", |o| json!(carriers[o.dice.below(carriers.len())]));
        }
        self.maybe(&mut spec, 2, "callers", |o| {
            json!([
                { "from": "anonymous", "destination": o.destination() },
                { "from": "+35191*", "destination": o.destination() },
                { "from": "+351912345678", "destination": o.destination() },
                { "from": o.dice.of(&["_+3519[1-3]X.", "_00X!", "_ZN#*"]), "destination": o.destination() },
            ])
        });
        if !schedules.is_empty() && self.dice.once_in(2) {
            spec.insert("schedule".into(), json!(schedules[self.dice.below(schedules.len())]));
            spec.insert("afterHours".into(), self.destination());
        }
        self.maybe(&mut spec, 8, "enabled", |_| json!(false));
        let plus = self.dice.of(&["+", ""]);
        self.add("Did", &format!("{plus}3512{at}"), &spec);
    }
}
