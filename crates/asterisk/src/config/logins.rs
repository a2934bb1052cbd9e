//! Who may log in to queues by hand: what a change of the system means to those who are.
//!
//! Asterisk keeps who has logged in through reloads and restarts, whatever its files say. So whoever is no longer a member has to be
//! taken out, or would be rung for good: no code of a telephone's reaches a queue that its extension has nothing to do with any more.

use std::collections::{BTreeMap, BTreeSet};

use pbx_manifest::{Catalog, Name};

use super::queue::{member_interfaces, member_name};

/// A member as a queue has it that has logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The queue.
    pub queue: Name,
    /// What is called for it.
    pub interface: String,
    /// What says whether it is free.
    pub state: String,
    /// What lists and events call it.
    pub shown: String,
    /// Who is called first: those with less.
    pub penalty: u32,
}

/// What becomes of logins when one system follows another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// No member any more, and as what the same extension is one now, if it is.
    pub gone: Vec<(Login, Option<Login>)>,
    /// Members whose penalty is another one.
    pub penalties: Vec<Login>,
}

impl Changes {
    /// From one system to another, in which some extensions have another name than before: old names with new ones.
    pub fn between(from: &Catalog, to: &Catalog, renamed: &BTreeMap<Name, Name>) -> Self {
        let (before, after) = (logins(from, true), logins(to, true));
        let mut changes = Self::default();
        if before == after {
            return changes;
        }
        let there: BTreeSet<(Name, String)> =
            logins(to, false).into_iter().map(|((queue, _), login)| (queue, login.interface)).collect();
        for ((queue, extension), login) in before {
            let extension = renamed.get(&extension).cloned().unwrap_or(extension);
            let now = after.get(&(queue.clone(), extension));
            if there.contains(&(queue, login.interface.clone())) {
                let other = now.filter(|now| now.interface == login.interface && now.penalty != login.penalty);
                changes.penalties.extend(other.cloned());
            } else {
                changes.gone.push((login, now.cloned()));
            }
        }
        changes
    }

    /// Whether nobody is concerned.
    pub fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.penalties.is_empty()
    }
}

/// All members, or those alone who log in by hand, by queue and extension.
fn logins(catalog: &Catalog, by_hand: bool) -> BTreeMap<(Name, Name), Login> {
    let mut all = BTreeMap::new();
    for (queue, object) in catalog.queues.iter().filter(|(_, object)| object.spec.enabled) {
        let members = object.spec.members.iter().filter(|member| !(by_hand && member.auto_login));
        for member in members.filter(|member| pbx_routing::rings(catalog, &member.extension)) {
            let Some(phone) = catalog.phone(&member.extension) else { continue };
            let (interface, state) = member_interfaces(&phone);
            let (queue, shown) = (queue.clone(), member_name(&phone));
            let login = Login { queue: queue.clone(), interface, state, shown, penalty: member.penalty };
            all.insert((queue, member.extension.clone()), login);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use pbx_manifest::{AnySpec, Kind};
    use serde_json::{Value as Json, json};

    use super::*;

    fn system(members: &Json, contacts: u32) -> Catalog {
        let mut catalog = Catalog::default();
        let mut add = |kind, name: &str, spec: Json| {
            let spec = AnySpec::from_json(kind, &spec).unwrap();
            catalog.insert(name.parse().unwrap(), BTreeMap::new(), spec);
        };
        add(Kind::Settings, "pbx", json!({ "timeZone": "Europe/Lisbon" }));
        for number in ["1001", "1002"] {
            add(Kind::Extension, number, json!({ "password": "secret-1001", "maxContacts": contacts }));
        }
        add(Kind::Queue, "sales", json!({ "members": members }));
        catalog
    }

    fn told(from: &Catalog, to: &Catalog, renamed: &[(&str, &str)]) -> Vec<String> {
        let renamed = renamed.iter().map(|(old, new)| (old.parse().unwrap(), new.parse().unwrap())).collect();
        let changes = Changes::between(from, to, &renamed);
        let gone = changes
            .gone
            .iter()
            .map(|(login, now)| format!("{} {:?}", login.interface, now.as_ref().map(|now| now.interface.as_str())));
        gone.chain(changes.penalties.iter().map(|login| format!("{} {}", login.interface, login.penalty))).collect()
    }

    #[test]
    fn those_who_are_no_members_any_more_are_found() {
        let both = json!([{ "extension": "1001" }, { "extension": "1002" }]);
        let from = system(&both, 1);
        assert!(told(&from, &system(&both, 1), &[]).is_empty());
        assert_eq!(told(&from, &system(&json!([{ "extension": "1002" }]), 1), &[]), ["PJSIP/1001 None"]);
        // Called by another name, with two telephones.
        assert_eq!(
            told(&from, &system(&both, 2), &[]),
            [r#"PJSIP/1001 Some("Local/1001@pbx-agent/n")"#, r#"PJSIP/1002 Some("Local/1002@pbx-agent/n")"#]
        );
        let one = system(&json!([{ "extension": "1001" }]), 1);
        let other = system(&json!([{ "extension": "1002" }]), 1);
        assert_eq!(told(&one, &other, &[("1001", "1002")]), [r#"PJSIP/1001 Some("PJSIP/1002")"#]);
        let penalty = system(&json!([{ "extension": "1001", "penalty": 3 }, { "extension": "1002" }]), 1);
        assert_eq!(told(&from, &penalty, &[]), ["PJSIP/1001 3"]);
        // Who is one of itself now is taken over by the queue itself.
        let auto = system(&json!([{ "extension": "1001", "autoLogin": true }, { "extension": "1002" }]), 1);
        assert!(told(&from, &auto, &[]).is_empty());
    }
}
