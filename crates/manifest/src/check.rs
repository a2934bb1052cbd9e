//! What is wrong between objects: references to nothing, two of what must be one, numbers that collide.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use crate::dest::Destination;
use crate::diagnostic::{Diagnostic, nearest};
use crate::document::{Label, refusal};
use crate::kind::{Catalog, Kind, ObjectRef};
use crate::kinds::Carrier;
use crate::patterns::PatternIndex;
use crate::sound::Prompt;
use crate::text::{Name, Network, Refused};

/// Collects findings about one object after another.
pub struct Checker<'c> {
    catalog: &'c Catalog,
    object: Option<(Kind, &'c Name)>,
    found: Vec<Diagnostic>,
    /// How many references to nothing were compared with all names there are.
    compared: usize,
    /// All names of a kind, once somebody missed one of them.
    names: BTreeMap<Kind, Vec<&'c Name>>,
    /// The patterns of all routes that are turned on.
    carried: PatternIndex,
    /// Names of objects that may be there, of which no more is known; `None`, of any name.
    lost: &'c [Option<String>],
}

/// Of many references to nothing, so many are told what is spelt nearly so: each costs a look at every name.
const COMPARED: usize = 100;

impl<'c> Checker<'c> {
    pub(crate) fn enter(&mut self, kind: Kind, name: &'c Name) {
        self.object = Some((kind, name));
    }

    /// The whole system, for checks that need more than one object.
    pub fn catalog(&self) -> &'c Catalog {
        self.catalog
    }

    /// Adds a finding about a field (`spec.…`) of the object being checked.
    pub fn add(&mut self, path: &str, diagnostic: Diagnostic) {
        let Some((kind, name)) = self.object else { return };
        self.found.push(diagnostic.at(ObjectRef::new(kind, name.clone()), path));
    }

    /// The object's name must be one that its kind can have. A file's reader has looked already; an API's caller has none.
    pub(crate) fn name(&mut self, checked: Result<(), Refused>) {
        if let Err(Refused(text)) = checked {
            self.add("metadata.name", refusal("name", &text));
        }
    }

    /// Labels must be such as a manifest can write: an API's caller may send any text.
    pub(crate) fn labels(&mut self, labels: &BTreeMap<String, String>) {
        for (key, value) in labels {
            for Refused(text) in [key.parse::<Name>().err(), value.parse::<Label>().err()].into_iter().flatten() {
                let path = format!("metadata.labels.{}", key.escape_debug());
                self.add(&path, refusal("value", &text));
            }
        }
    }

    /// A field names an object of a kind: it must be there, and should be turned on.
    pub fn reference(&mut self, path: &str, kind: Kind, name: &Name) {
        match self.catalog.enabled(kind, name.as_str()) {
            Some(true) => {}
            Some(false) => self.add(
                path,
                Diagnostic::warning("disabled-reference", format!("{kind} `{name}` is turned off"))
                    .labelled("nothing answers there")
                    .help(format!("set `enabled: true` on {kind}/{name}, or send calls elsewhere")),
            ),
            None if self.lost.iter().any(|lost| lost.as_ref().is_none_or(|lost| lost == name.as_str())) => {}
            None => {
                let names = self.names.entry(kind).or_insert_with(|| self.catalog.names(kind));
                self.compared += 1;
                let candidates = if self.compared > COMPARED { &[][..] } else { &names[..] };
                let near = nearest(name.as_str(), candidates.iter().map(|name| name.as_str()));
                let help = match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None if names.is_empty() => format!(
                        "there are no {} here; declare it with `kind: {}` and `metadata: {{ name: {name} }}`",
                        kind.plural(),
                        kind.title()
                    ),
                    None if names.len() == 1 => format!("there is only `{}`", names[0]),
                    None if names.len() <= 8 => format!(
                        "the {} are {}",
                        kind.plural(),
                        names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
                    ),
                    None => format!(
                        "none of the {} {} is spelt nearly so; they go from `{}` to `{}`",
                        names.len(),
                        kind.plural(),
                        names[0],
                        names[names.len() - 1]
                    ),
                };
                self.add(
                    path,
                    Diagnostic::error("missing-reference", missing_reference(kind, name))
                        .labelled("not found")
                        .help(help),
                );
            }
        }
    }

    /// A field plays something.
    pub fn prompt(&mut self, path: &str, prompt: &Prompt) {
        if let Some((kind, name)) = prompt.target() {
            self.reference(path, kind, name);
        }
    }

    /// A field sends calls somewhere.
    pub fn destination(&mut self, path: &str, destination: &Destination) {
        if let Some((kind, name)) = destination.target() {
            self.reference(path, kind, name);
        }
        match destination {
            Destination::Voicemail(name)
                if self.catalog.extensions.contains_key(name)
                    && !self.catalog.phone(name).is_some_and(|phone| phone.voicemail) =>
            {
                self.add(
                    path,
                    Diagnostic::error("no-voicemail", format!("extension `{name}` has no voicemail box"))
                        .help(format!("set `voicemail: {{ enabled: true }}` on extension/{name} or on its profile")),
                );
            }
            Destination::Schedule(name)
                if self.catalog.schedules.get(name).is_some_and(|object| object.spec.destination.is_none()) =>
            {
                self.add(
                    path,
                    Diagnostic::error("leads-nowhere", format!("schedule `{name}` does not say where its calls go"))
                        .help(format!("add `destination: …` and `afterHours: …` to schedule/{name}")),
                );
            }
            Destination::Parking(name)
                if self.catalog.parking.get(name).is_some_and(|object| object.spec.comeback.is_none()) =>
            {
                self.add(
                    path,
                    Diagnostic::error(
                        "no-comeback",
                        format!("parking lot `{name}` does not say where calls go that nobody has taken"),
                    )
                    .labelled("no telephone parks these, to which they could come back")
                    .help(format!("add `comeback: extension/…` to parking/{name}")),
                );
            }
            Destination::External(number) if self.carried.first_match(number.as_str()).is_none() => {
                self.add(
                    path,
                    Diagnostic::error("no-route", format!("no outbound route carries `{number}`")).help(
                        "add an OutboundRoute with a pattern that matches it as written here, as in `_+X.` for numbers with a `+`",
                    ),
                );
            }
            _ => {}
        }
    }
}

/// What is said of a reference to nothing.
pub fn missing_reference(kind: Kind, name: &Name) -> String {
    format!("there is no {kind} `{name}`")
}

/// Which items of a list an earlier one already says.
pub(crate) fn repeated<T: std::hash::Hash + Eq>(items: impl IntoIterator<Item = T>) -> Vec<usize> {
    let mut seen = std::collections::HashSet::new();
    items.into_iter().enumerate().filter_map(|(at, item)| (!seen.insert(item)).then_some(at)).collect()
}

/// Everything that is wrong in a system, errors and warnings, in the order of kinds and names.
pub fn check(catalog: &Catalog) -> Vec<Diagnostic> {
    check_among(catalog, &[])
}

/// The same, where objects of some names may be there too: nobody refers to nothing who names one of them.
pub(crate) fn check_among(catalog: &Catalog, lost: &[Option<String>]) -> Vec<Diagnostic> {
    let mut carried = PatternIndex::default();
    for route in catalog.routes.values().filter(|route| route.spec.enabled) {
        for pattern in &route.spec.patterns {
            carried.insert(pattern, 0);
        }
    }
    let (found, names) = (Vec::new(), BTreeMap::new());
    let mut checker = Checker { catalog, object: None, found, compared: 0, names, carried, lost };
    catalog.check_each(&mut checker);
    let mut found = checker.found;
    numbers(catalog, &mut found);
    did_digits(catalog, &mut found);
    carrier_addresses(catalog, &mut found);
    route_orders(catalog, &mut found);
    found
}

/// What a dialled number means: an object, or a service by the field of its code.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Meaning {
    Object(ObjectRef),
    Service(&'static str),
}

impl std::fmt::Display for Meaning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Object(object) => write!(f, "{object}"),
            Self::Service(field) => write!(f, "the code of `{field}`"),
        }
    }
}

/// What a phone dials must mean one thing: extensions, group numbers, feature codes and emergency numbers.
fn numbers(catalog: &Catalog, found: &mut Vec<Diagnostic>) {
    // The codes hold where no object names them, too.
    let settings = catalog.settings();
    let mut taken: HashMap<&str, Meaning> = catalog
        .extensions
        .keys()
        .map(|name| (name.as_str(), Meaning::Object(ObjectRef::new(Kind::Extension, name.clone()))))
        .collect();
    for (this, path, number) in dialled_names(catalog) {
        if let Some(other) = taken.insert(number, Meaning::Object(this.clone())) {
            found.push(
                Diagnostic::error("number-taken", format!("`{number}` is already {other}"))
                    .at(this, path)
                    .help("a number that phones dial must mean one thing; choose another"),
            );
        }
    }
    for (name, lot) in &catalog.parking {
        let slots = lot.spec.slots;
        let this = ObjectRef::new(Kind::ParkingLot, name.clone());
        // Of all slots that are taken, the first is told.
        let clash = (slots.first..=slots.last).map(|slot| slot.to_string()).find_map(|slot| {
            taken
                .get(slot.as_str())
                .filter(|other| **other != Meaning::Object(this.clone()))
                .map(|other| (slot, other.clone()))
        });
        let lots = || catalog.parking.range(..name.clone());
        let other =
            lots().find(|(_, other)| other.spec.slots.first <= slots.last && slots.first <= other.spec.slots.last);
        let clash = clash.or_else(|| {
            let (other, _) = other?;
            Some((slots.to_string(), Meaning::Object(ObjectRef::new(Kind::ParkingLot, other.clone()))))
        });
        if let Some((slot, other)) = clash {
            found.push(
                Diagnostic::error("number-taken", format!("slot `{slot}` is already {other}"))
                    .at(this, "spec.slots")
                    .help("a number that phones dial must mean one thing; choose other slots"),
            );
        }
    }
    for (field, code) in settings.feature_codes.all() {
        match (taken.get(code.as_str()), catalog.settings.keys().next()) {
            (None, _) => {
                taken.insert(code.as_str(), Meaning::Service(field));
            }
            (Some(other @ Meaning::Object(_)), Some(name)) => found.push(
                Diagnostic::error("number-taken", format!("the code `{code}` is already {other}"))
                    .at(ObjectRef::new(Kind::Settings, name.clone()), format!("spec.featureCodes.{field}"))
                    .help("choose a code that starts with `*`"),
            ),
            // Two services with one code are told of the settings by themselves.
            _ => {}
        }
    }
    for (name, route) in catalog.routes.iter().filter(|(_, route)| route.spec.emergency) {
        for (at, pattern) in route.spec.patterns.iter().enumerate() {
            // Emergency numbers are short and few; literals are looked up, true patterns tried on every number.
            let clash = if pattern.as_str().starts_with('_') {
                // Of several, always the same one is told.
                taken.iter().filter(|(number, _)| pattern.matches(number)).map(|(_, other)| other).min()
            } else {
                taken.get(pattern.as_str())
            };
            if let Some(other) = clash {
                let help = match other {
                    Meaning::Object(_) => {
                        format!("give {other} another number: an emergency call must never ring a desk")
                    }
                    Meaning::Service(field) => format!(
                        "choose another `featureCodes.{field}` in Settings, one that starts with `*`: an emergency call must never \
                         end at a service"
                    ),
                };
                found.push(
                    Diagnostic::error("number-taken", format!("the emergency number `{pattern}` is also {other}"))
                        .at(ObjectRef::new(Kind::OutboundRoute, name.clone()), format!("spec.patterns[{at}]"))
                        .help(help),
                );
            }
        }
    }
}

/// What phones dial besides extensions, with the object that has the number and the path of the field that says it.
fn dialled_names(catalog: &Catalog) -> impl Iterator<Item = (ObjectRef, &'static str, &str)> {
    macro_rules! numbers {
        ($($field:ident $Kind:ident),*) => {
            std::iter::empty()$(.chain(catalog.$field.iter().filter_map(|(name, object)| {
                let number = object.spec.number.as_ref()?;
                Some((ObjectRef::new(Kind::$Kind, name.clone()), "spec.number", number.as_str()))
            })))*
        };
    }
    let conferences = catalog.conferences.keys();
    let conferences =
        conferences.map(|name| (ObjectRef::new(Kind::Conference, name.clone()), "metadata.name", name.as_str()));
    let lots = catalog
        .parking
        .iter()
        .map(|(name, lot)| (ObjectRef::new(Kind::ParkingLot, name.clone()), "spec.number", lot.spec.number.as_str()));
    numbers!(groups ExtensionGroup, queues Queue, trees RingTree, ivrs Ivr, mailboxes Mailbox)
        .chain(conferences)
        .chain(lots)
}

/// Two DIDs with the same digits would be one number.
fn did_digits(catalog: &Catalog, found: &mut Vec<Diagnostic>) {
    let mut seen: HashMap<&str, &Name> = HashMap::with_capacity(catalog.dids.len());
    for name in catalog.dids.keys() {
        if let Some(other) = seen.insert(name.digits(), name) {
            found.push(
                Diagnostic::error("number-taken", format!("`{name}` and `{other}` are the same number"))
                    .at(ObjectRef::new(Kind::Did, name.clone()), "metadata.name")
                    .help("a carrier's calls are matched by digits; keep the one with the `+`"),
            );
        }
    }
}

/// Of many carriers with one network, each is told of so many of the others: of all, it would be as many lines as there are pairs.
const SHARED: usize = 8;

/// A call from an address must belong to one carrier. Of two carriers, the first address that both have is told.
fn carrier_addresses(catalog: &Catalog, found: &mut Vec<Diagnostic>) {
    // By address and prefix: networks that share an address lie within each other, so those within another follow it at once.
    let mut seen: BTreeMap<(IpAddr, u8), (Network, Vec<&Name>)> = BTreeMap::new();
    for (name, carrier) in catalog.carriers.iter().filter(|(_, carrier)| carrier.spec.enabled) {
        let sources = carrier.spec.sources();
        let mut told: BTreeSet<&Name> = BTreeSet::new();
        for (at, network) in sources.iter().enumerate() {
            let around = (0..network.prefix).filter_map(|prefix| seen.get(&(network.within(prefix), prefix)));
            let inside = seen.range((network.address, network.prefix)..).map(|(_, there)| there);
            let inside = inside.take_while(|(theirs, _)| theirs.overlaps(network));
            for (theirs, owner) in
                around.chain(inside).flat_map(|(theirs, all)| all.iter().map(move |own| (theirs, *own)))
            {
                if told.insert(owner) {
                    found.push(shared_address(name, &carrier.spec, at, owner, &catalog.carriers[owner].spec, *theirs));
                }
            }
        }
        for network in sources {
            let (_, owners) = seen.entry((network.address, network.prefix)).or_insert_with(|| (network, Vec::new()));
            if owners.len() < SHARED {
                owners.push(name);
            }
        }
    }
}

/// What is said of a carrier's source that overlaps one of another carrier.
fn shared_address(name: &Name, own: &Carrier, at: usize, owner: &Name, other: &Carrier, theirs: Network) -> Diagnostic {
    let network = &own.sources()[at];
    let (known, theirs_known) = (!own.preset_addresses().is_empty(), !other.preset_addresses().is_empty());
    let message = match own.preset {
        Some(preset) if known && theirs_known && own.preset == other.preset => {
            format!("the calls of carrier/{owner} come from the addresses of preset `{}` too", preset.word())
        }
        _ => format!("`{network}` overlaps `{theirs}` of carrier/{owner}"),
    };
    let path = match (known, own.addresses.is_empty()) {
        (true, _) => "spec.preset".to_owned(),
        (false, true) => "spec.hosts".to_owned(),
        (false, false) => format!("spec.addresses[{at}]"),
    };
    let apart = "set `direction: outbound` at one of them, or make one carrier of both, with several `hosts`";
    let help = match (known, theirs_known) {
        (false, false) => {
            "a call's carrier is known by the address it comes from; keep the address at one of them".to_owned()
        }
        (true, true) => format!("a call's carrier is known by the address it comes from: {apart}"),
        (false, true) => format!("carrier/{owner} has it from its preset: leave it out here, or {apart}"),
        (true, false) => format!("this carrier has it from its preset: leave it out of carrier/{owner}, or {apart}"),
    };
    Diagnostic::error("address-taken", message).at(ObjectRef::new(Kind::Carrier, name.clone()), path).help(help)
}

/// Which route is tried first must be said, not guessed.
fn route_orders(catalog: &Catalog, found: &mut Vec<Diagnostic>) {
    let mut seen: HashMap<u32, PatternIndex> = HashMap::new();
    let routes: Vec<_> = catalog.routes.iter().filter(|(_, route)| route.spec.enabled).collect();
    for (rank, (name, route)) in (0..).zip(&routes) {
        let (order, patterns) = (route.spec.order, &route.spec.patterns);
        let same = seen.entry(order).or_default();
        let clash = patterns.iter().filter_map(|pattern| same.first_overlap(pattern)).min();
        if let Some((other, _)) = clash.and_then(|rank| routes.get(rank as usize)) {
            found.push(
                Diagnostic::error(
                    "route-order",
                    format!("routes `{other}` and `{name}` overlap and have the same order {order}"),
                )
                .at(ObjectRef::new(Kind::OutboundRoute, (*name).clone()), "spec.order")
                .help(format!(
                    "give the one that should be tried first a lower `order`, as in `order: {}`",
                    order.saturating_sub(10).max(1)
                )),
            );
        }
        for pattern in patterns {
            same.insert(pattern, rank);
        }
    }
}
