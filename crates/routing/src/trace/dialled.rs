//! Where calls come in, and where they go out.

use pbx_manifest::{Destination, Kind, Name};

use super::walk::Walk;
use super::{End, Entry, Tried};
use crate::{CallGraph, Dialled, Field, NodeId, Service};

/// A carrier that is tried: the route that says so, and the number that it is sent.
type Next<'g> = (&'g Name, &'g Name, String);

impl<'g> Walk<'g, '_> {
    /// The call comes in, and goes to its end.
    pub(super) fn come_in(&mut self) -> End {
        let call = self.call;
        match &call.entry {
            Entry::Outside { number, carrier } => {
                let by = carrier.as_ref().map(|carrier| format!(" by {carrier}")).unwrap_or_default();
                let who = call.caller.as_ref().map_or("an anonymous caller".to_owned(), |digits| format!("`{digits}`"));
                match self.did(number) {
                    Some(id) => self.walk(
                        id,
                        format!("{who} calls{by}"),
                        id.object().map(|own| Field::whole(own.kind, &own.name)),
                    ),
                    None => self.refused(End::Unknown, format!("no DID is `{number}`"), None),
                }
            }
            Entry::Telephone { extension, number } => {
                let (extension, number) = (extension.clone(), number.clone());
                self.dial(&extension, &number)
            }
        }
    }

    /// The step of a DID, by its digits.
    fn did(&self, digits: &str) -> Option<&'g NodeId> {
        [format!("+{digits}"), digits.to_owned()].iter().find_map(|name| {
            let id = NodeId::Did(name.parse().ok()?);
            self.graph().nodes.get_key_value(&id).map(|(id, _)| id)
        })
    }

    /// Why a call that came by another carrier than a DID's own is refused.
    pub(super) fn by_another_carrier(&self, own: Option<&Name>) -> Option<String> {
        let Entry::Outside { carrier: Some(by), .. } = &self.call.entry else { return None };
        let own = own.filter(|own| *own != by)?;
        Some(format!("it takes calls by `{own}` alone, and this one came by `{by}`"))
    }

    /// A telephone dials.
    fn dial(&mut self, extension: &Name, dialled: &str) -> End {
        let number: String = dialled.chars().filter(|c| c.is_ascii_digit() || "*#+".contains(*c)).collect();
        let Some(phone) = self.tracer.catalog.phone(extension).filter(|phone| phone.spec.enabled) else {
            let why = format!("there is no telephone `{extension}` that could dial");
            return self.refused(End::Forbidden, why, Some(Field::whole(Kind::Extension, extension)));
        };
        let why = format!("{extension} dials {number}");
        let to = number.parse().ok().map(|name| NodeId::To(Destination::Extension(name)));
        if let Some((id, _)) = to.and_then(|id| self.graph().nodes.get_key_value(&id)) {
            return self.walk(id, why, id.object().map(|own| Field::whole(own.kind, &own.name)));
        }
        if let Some(meant) = self.meaning(&number) {
            return match meant {
                Dialled::Node(id) => {
                    let field = id.object().map(|own| Field::new(own.kind, &own.name, "number"));
                    self.walk(id, why, field)
                }
                Dialled::Slot(lot) => {
                    self.say(format_args!("parking/{lot}"), why, Some(Field::new(Kind::ParkingLot, lot, "slots")));
                    End::Service("slot")
                }
                Dialled::Messages(name) => {
                    self.say(Service::Voicemail.word(), why, Some(Field::new(Kind::Mailbox, name, "number")));
                    End::Service(Service::Voicemail.word())
                }
                Dialled::Service(service) => {
                    let settings = self.tracer.catalog.settings.keys().next();
                    let field = settings.map(|name| Field::new(Kind::Settings, name, "featureCodes"));
                    self.say(service.word(), why, field);
                    End::Service(service.word())
                }
            };
        }
        let outbound = &self.graph().outbound;
        let Some((name, route)) = outbound.route_of(&number) else {
            return self.refused(End::Unknown, format!("{why}: nobody has it, and no route carries it"), None);
        };
        let class = CallGraph::class_of(&phone);
        let allowed = outbound.classes.get(&class).is_some_and(|class| class.routes.contains(name));
        if !allowed {
            let why = format!("{why}: route/{name} needs `{}`", route.permission);
            return self.refused(End::Forbidden, why, Some(Field::new(Kind::OutboundRoute, name, "permission")));
        }
        let pattern = route.patterns.iter().position(|pattern| pattern.matches(&number)).unwrap_or_default();
        let matched = route.patterns.get(pattern).map(|pattern| format!(", which is `{pattern}`")).unwrap_or_default();
        let field = Field::new(Kind::OutboundRoute, name, format_args!("patterns[{pattern}]"));
        self.say(format_args!("route/{name}"), format!("{why}{matched}"), Some(field));
        let tries = outbound.tries(&number);
        let tries: Vec<Next<'_>> = tries.iter().map(|next| (&next.route, &next.carrier, next.number.clone())).collect();
        match self.carry(&tries) {
            Ok(end) => end,
            Err(why) => self.refused(End::Hangup(pbx_manifest::Hangup::Congestion), why, None),
        }
    }

    /// What a number means inside the house; behind some codes stand digits.
    fn meaning(&self, number: &str) -> Option<&'g Dialled> {
        let numbers = &self.graph().numbers;
        numbers.get(number).or_else(|| {
            let takes_digits = |meant: &&Dialled| {
                matches!(meant, Dialled::Service(Service::QueuePause | Service::Pickup | Service::CallForward))
            };
            (1..number.len()).rev().find_map(|end| numbers.get(number.get(..end)?).filter(takes_digits))
        })
    }

    /// Carriers are tried; why nobody took the call, else.
    pub(super) fn carry(&mut self, tries: &[Next<'_>]) -> Result<End, String> {
        for (route, carrier, number) in tries {
            let at = self
                .tracer
                .catalog
                .routes
                .get(*route)
                .and_then(|object| object.spec.carriers.iter().position(|own| own == *carrier));
            let field = at.map(|at| Field::new(Kind::OutboundRoute, route, format_args!("carriers[{at}]")));
            let first = self.carriers.is_empty();
            let why = if first { "the first of the carriers" } else { "the next carrier" };
            self.say(format_args!("carrier/{carrier}"), format!("{why} of route/{route}"), field);
            self.happens(format!("is sent {number}"));
            let took = !self.given.refuses.contains(carrier);
            self.carriers.push(Tried { carrier: (*carrier).clone(), number: number.clone(), took });
            if took {
                return Ok(End::Outside(number.clone()));
            }
            self.happens("takes no call");
        }
        Err(if tries.is_empty() { "no carrier is there to take it".into() } else { "no carrier took it".into() })
    }
}
