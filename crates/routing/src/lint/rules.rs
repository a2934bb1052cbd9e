//! Rules that an earlier one takes, and numbers that may be the same.

use std::collections::HashMap;

use pbx_manifest::kinds::BlockFilter;
use pbx_manifest::{Caller, Catalog, Diagnostic, Kind, Name, ObjectRef, Pattern, PatternIndex};

pub(super) fn check(catalog: &Catalog, found: &mut Vec<Diagnostic>) {
    for (name, object) in &catalog.dids {
        let object_ref = || ObjectRef::new(Kind::Did, name.clone());
        taken(object.spec.callers.iter().map(|rule| &rule.from), |at, earlier| {
            told(
                object_ref(),
                format!("spec.callers[{at}].from"),
                &object.spec.callers[at].from,
                &object.spec.callers[earlier].from,
                found,
            );
        });
    }
    for (name, object) in catalog.queues.iter().filter(|(_, object)| !object.spec.vip.is_empty()) {
        let vip = &object.spec.vip;
        let object_ref = || ObjectRef::new(Kind::Queue, name.clone());
        taken(vip.iter().map(|rule| &rule.caller), |at, earlier| {
            told(object_ref(), format!("spec.vip[{at}].caller"), &vip[at].caller, &vip[earlier].caller, found);
        });
        let filter = object.spec.block_filter.as_ref().and_then(|name| Some((name, &catalog.filters.get(name)?.spec)));
        if let Some((filter_name, filter)) = filter.filter(|(_, filter)| filter.enabled) {
            for (at, rule) in vip.iter().enumerate().filter(|(_, rule)| denied(filter, &rule.caller)) {
                let message = format!("`{}` never gets so far: filter `{filter_name}` denies the caller", rule.caller);
                found.push(
                    Diagnostic::warning("unreachable", message)
                        .at(object_ref(), format!("spec.vip[{at}].caller"))
                        .help(format!("remove it, or allow the caller in filter/{filter_name}")),
                );
            }
        }
    }
    same_numbers(catalog, found);
}

/// What is said of a rule that an earlier one takes.
pub(super) fn told(object: ObjectRef, path: String, rule: &Caller, earlier: &Caller, found: &mut Vec<Diagnostic>) {
    found.push(
        Diagnostic::warning("unreachable", format!("an earlier rule, `{earlier}`, already takes `{rule}`"))
            .at(object, path)
            .help("the first rule that matches counts: put the narrower one first"),
    );
}

/// A caller as a pattern; nothing for an anonymous one.
pub(super) fn pattern(caller: &Caller) -> Option<Pattern> {
    match caller {
        Caller::Anonymous => None,
        Caller::Number(number) => number.digits().parse().ok(),
        Caller::Prefix(number) => format!("_{}!", number.digits()).parse().ok(),
        Caller::Pattern(pattern) => Some(pattern.clone()),
    }
}

/// The rules that an earlier one takes wholly, with which.
pub(super) fn taken<'r>(rules: impl Iterator<Item = &'r Caller>, mut tell: impl FnMut(usize, usize)) {
    let mut index = PatternIndex::default();
    let mut anonymous = None;
    for ((at, rule), rank) in rules.enumerate().zip(0_u32..) {
        let Some(pattern) = pattern(rule) else {
            if let Some(earlier) = anonymous.replace(at) {
                tell(at, earlier);
            }
            continue;
        };
        if let Some(earlier) = index.first_cover(&pattern) {
            tell(at, earlier as usize);
        }
        index.insert(&pattern, rank);
    }
}

/// Whether a filter always denies a caller who is named by a number alone.
fn denied(filter: &BlockFilter, caller: &Caller) -> bool {
    let Caller::Number(number) = caller else { return false };
    // An entry that expires is one that is gone one day.
    let meant = |entry: &pbx_manifest::kinds::FilterEntry| {
        let own = entry.caller.as_ref().is_some_and(|own| own.matches(Some(number.digits())));
        own || entry.regex.as_ref().is_some_and(|regex| regex.matches(number.digits()))
    };
    filter.deny.iter().any(|entry| entry.expires.is_none() && meant(entry)) && !filter.allow.iter().any(meant)
}

/// How many digits a country code, and what stands in front of it, may have.
const IN_FRONT: usize = 5;

/// From how many digits on two numbers of which one ends in the other may be the same.
const ALIKE: usize = 7;

/// A DID that ends in another one, and leads elsewhere: probably one number in two forms.
fn same_numbers(catalog: &Catalog, found: &mut Vec<Diagnostic>) {
    let by_digits: HashMap<&str, &Name> = catalog.dids.keys().map(|name| (name.digits(), name)).collect();
    for (name, object) in &catalog.dids {
        let digits = name.digits();
        let mut other = (1..=IN_FRONT).filter_map(|cut| digits.get(cut..)).take_while(|rest| rest.len() >= ALIKE);
        let Some(other) = other.find_map(|rest| by_digits.get(rest)) else { continue };
        let theirs = &catalog.dids[*other].spec;
        let mine = &object.spec;
        let apart = mine.carrier.is_some() && theirs.carrier.is_some() && mine.carrier != theirs.carrier;
        if !apart && mine.enabled && theirs.enabled && mine.destination != theirs.destination {
            found.push(
                Diagnostic::warning(
                    "overlap",
                    format!("`{name}` and `{other}` may be one number, and lead to different places"),
                )
                .at(ObjectRef::new(Kind::Did, name.clone()), "metadata.name")
                .help("a carrier sends a number in one form: keep that one, or let both lead to the same place"),
            );
        }
    }
}
