//! Calls that go out, and calls that come in by carriers.

use std::fmt::Write as _;

use md5::{Digest as _, Md5};
use pbx_manifest::kinds::OutboundRoute;
use pbx_manifest::{Destination, Kind, Name};
use pbx_routing::{NodeId, Step};

use super::super::pjsip::{carrier_id, carrier_uri, contact_user};
use super::{ANY, Writer, carrier_context, hashed_name, object};

impl Writer<'_> {
    pub(super) fn routes(&mut self) {
        for (name, route) in &self.graph.outbound.routes {
            self.file.mark(Some(object(Kind::OutboundRoute, name)));
            let context = hashed_name("pbx-route-", name);
            // Included contexts are searched in order, so the order of routes is theirs; one priority alone, because Asterisk
            // looks up each priority anew and would mix the routes' steps.
            self.file.context(&hashed_name("pbx-match-", name));
            for pattern in &route.patterns {
                self.file.exten(pattern.as_str(), &[format!("Goto({context},${{EXTEN}},1)")]);
            }
            if !route.emergency {
                self.file.context(&hashed_name("pbx-deny-", name));
                for pattern in &route.patterns {
                    self.file.exten(pattern.as_str(), &["Goto(pbx-hangup,forbidden,1)".into()]);
                }
            }
            self.file.context(&context);
            let number = sent_number(route, "${EXTEN}");
            let steps = tries(route.carriers.iter().map(|carrier| (carrier, number.as_str(), route.emergency)));
            self.file.node(format_args!("route/{name}"), ANY, &steps);
        }
    }

    pub(super) fn carriers(&mut self) {
        for (name, entry) in self.catalog.carriers.iter().filter(|(_, entry)| entry.spec.enabled) {
            self.file.mark(Some(object(Kind::Carrier, name)));
            if entry.spec.direction.inbound() {
                self.inbound_carrier(name);
            }
            if entry.spec.direction.outbound() {
                self.outbound_carrier(name);
            }
        }
    }

    /// Calls that come in by a carrier.
    fn inbound_carrier(&mut self, name: &Name) {
        let carrier = &self.catalog.carriers[name].spec;
        self.file.context(&carrier_context(name));
        // Calls to a registered account may be sent to its contact; the number that was called then stands in `To` alone.
        // Without one there the call is for the account itself, which may be a number.
        let user = carrier.registers().map(contact_user);
        let numbers = hashed_name("pbx-in-", name);
        if let Some(user) = user {
            let digits = user.trim_start_matches('+');
            let own = digits.bytes().all(|b| b.is_ascii_digit());
            self.file.exten(
                user,
                &[
                    "Set(PBX_TO=${PJSIP_HEADER(read,To)})".into(),
                    "Set(PBX_TO=${CUT(PBX_TO,@,1)})".into(),
                    "Set(PBX_TO=${FILTER(0-9+,${CUT(PBX_TO,:,2)})})".into(),
                    format!("GotoIf($[\"${{PBX_TO}}\"!=\"\"]?{numbers},${{PBX_TO}},1)"),
                    if own { format!("Goto({numbers},{digits},1)") } else { "Goto(pbx-hangup,unknown,1)".into() },
                ],
            );
        }
        self.file.line(format_args!("include => {numbers}"));
        self.file.context(&numbers);
        let rewrite = |rule: &pbx_manifest::kinds::Rewrite, value: &str| {
            let prepend = rule.prepend.as_str().trim_start_matches('+');
            if rule.strip == 0 {
                format!("{prepend}${{{value}}}")
            } else {
                format!("{prepend}${{{value}:{}}}", rule.strip)
            }
        };
        let inbound = &carrier.inbound;
        // A caller who withholds the number is anonymous, even where the network knows better.
        let caller = "${IF($[\"${CALLERID(num-pres):0:6}\"=\"prohib\"]?:${FILTER(0-9,${CALLERID(num)})})}";
        let mut set = format!("PBX_CARRIER={name},PBX_CALLER={caller},GROUP(pbx-in)={name}");
        // What is dialled is kept only where it is not what the carrier says.
        let mut dialled = "FILTER(0-9,${EXTEN})";
        if inbound.number != pbx_manifest::kinds::Rewrite::default() {
            let _ = write!(set, ",PBX_NUMBER={}", rewrite(&inbound.number, dialled));
            dialled = "PBX_NUMBER";
        }
        let mut steps = vec![format!("MSet({set})")];
        if inbound.caller != pbx_manifest::kinds::Rewrite::default() {
            steps.push(format!(
                "ExecIf($[\"${{PBX_CALLER}}\"!=\"\"]?Set(PBX_CALLER={}))",
                rewrite(&inbound.caller, "PBX_CALLER")
            ));
        }
        if let Some(most) = carrier.max_channels {
            steps.push(format!("GotoIf($[{} > {most}]?pbx-hangup,congestion,1)", in_use(name)));
        }
        let digits = self.did_digits;
        let did = format!("pbx-did-${{{dialled}:-{digits}}},${{{dialled}}},1");
        steps.push(format!("GotoIf(${{DIALPLAN_EXISTS({did})}}?{did}:pbx-hangup,unknown,1)"));
        self.file.exten("_[0-9+]!", &steps);
    }

    /// Calls that go out by a carrier: `Gosub(…,s,1(number,emergency))` returns when the next carrier may be tried, with why in
    /// `PBX_STATUS`.
    fn outbound_carrier(&mut self, name: &Name) {
        let carrier = &self.catalog.carriers[name].spec;
        let id = carrier_id(name);
        self.file.context(&hashed_name("pbx-to-", name));
        let mut steps = vec![format!("Set(GROUP(pbx-out)={name})")];
        if let Some(most) = carrier.max_channels {
            steps.push(format!("GotoIf($[\"${{ARG2}}\"!=\"yes\" & {} > {most}]?full)", in_use(name)));
        }
        // What the extension shows outside; else what the carrier shows for everyone, and never what a carrier before it has shown.
        steps.push("Gosub(pbx-own,s,1)".into());
        if let Some(number) = &carrier.caller_id.number {
            steps
                .push(format!("Set(CALLERID(num)=${{IF($[\"${{PBX_CALLERID}}\"!=\"\"]?${{PBX_CALLERID}}:{number})}})"));
        } else {
            steps.push("ExecIf($[\"${PBX_CALLERID}\"!=\"\"]?Set(CALLERID(num)=${PBX_CALLERID}))".into());
        }
        if let Some(shown) = &carrier.caller_id.name {
            steps.push(format!("Set(CALLERID(name)={shown})"));
        }
        let longest = self.catalog.settings().max_call_duration.seconds();
        steps.push(format!("Set(PBX_LIMIT=${{IF($[\"${{ARG2}}\"=\"yes\"]?:S({longest}))}})"));
        for (at, host) in carrier.targets().iter().enumerate() {
            // A host that did not answer when it was asked would hold the caller in silence for 32 s: it is passed over, and called
            // only when nobody else took the call, for it may be one that never answers such questions.
            if carrier.qualify.seconds() > 0 {
                let contact =
                    Md5::digest(carrier_uri(carrier, "", host)).iter().fold(String::new(), |mut hex, byte| {
                        let _ = write!(hex, "{byte:02x}");
                        hex
                    });
                steps.push(format!(
                    "Set(PBX_GONE=${{IF($[\"${{PJSIP_CONTACT({id}@@{contact},status)}}\"=\"Unreachable\"]?yes)}})"
                ));
                steps.push(format!("GotoIf($[\"${{PBX_GONE}}\"=\"${{PBX_INSIST}}\"]?call{at})"));
                steps.push("Set(PBX_PASSED=yes)".into());
                steps.push(format!("Goto(next{at})"));
            } else {
                steps.push(format!("GotoIf($[\"${{PBX_INSIST}}\"=\"yes\"]?next{at})"));
            }
            // What an earlier one has said must not be taken for what this one says.
            steps.push(format!("(call{at})HangupCauseClear()"));
            steps.push(format!(
                "Dial(PJSIP/{id}/{},180,${{PBX_LIMIT}}${{PBX_TOUCH}})",
                carrier_uri(carrier, "${ARG1}", host)
            ));
            steps.push("Set(PBX_STATUS=${DIALSTATUS})".into());
            steps.push("GotoIf($[\"${PBX_STATUS}\"!=\"CHANUNAVAIL\" & \"${PBX_STATUS}\"!=\"CONGESTION\"]?done)".into());
            steps.push("Gosub(pbx-global,s,1)".into());
            steps.push("GotoIf($[\"${GOSUB_RETVAL}\"=\"yes\"]?done)".into());
            steps.push(format!("(next{at})NoOp()"));
        }
        steps.push("Return()".into());
        self.file.node(format_args!("carrier/{name}"), "s", &steps);
        self.file.line(" same => n(full),Set(PBX_STATUS=CONGESTION)");
        self.file.line(" same => n(done),Return()");
    }

    /// Numbers outside that manifests send calls to.
    pub(super) fn externals(&mut self) {
        self.file.mark(None);
        self.file.context("pbx-external");
        for (id, node) in &self.graph.nodes {
            let (NodeId::To(Destination::External(number)), Step::External { tries: list }) = (id, &node.step) else {
                continue;
            };
            let steps = tries(list.iter().map(|next| (&next.carrier, next.number.as_str(), next.emergency)));
            self.file.node(id, number.as_str(), &steps);
        }
    }
}

/// The expression for how many calls a carrier has, both ways together.
fn in_use(name: &Name) -> String {
    format!("${{GROUP_COUNT({name}@pbx-in)}} + ${{GROUP_COUNT({name}@pbx-out)}}")
}

/// The number as a route's carriers get it, from the one that was dialled.
fn sent_number(route: &OutboundRoute, dialled: &str) -> String {
    let rest = if route.strip == 0 { dialled.to_owned() } else { dialled.replace('}', &format!(":{}}}", route.strip)) };
    format!("{}{rest}", route.prepend)
}

/// Tries carriers in order: the next one when a carrier is unreachable, full or refuses. A number that the last one does not know
/// either is told to the caller as that, by its cause: 1 not assigned, 22 changed, 28 incomplete.
fn tries<'t>(list: impl Iterator<Item = (&'t Name, &'t str, bool)>) -> Vec<String> {
    // Two rounds: the second calls hosts that the first has passed over.
    let mut steps: Vec<String> = vec!["Set(PBX_INSIST=)".into(), "Set(PBX_PASSED=)".into()];
    steps.push("(round)Set(PBX_STATUS=CHANUNAVAIL)".into());
    let ended =
        "GotoIf($[\"${PBX_STATUS}\"!=\"CHANUNAVAIL\" & \"${PBX_STATUS}\"!=\"CONGESTION\"]?pbx-hangup,${PBX_STATUS},1)";
    let mut insists = false;
    for (carrier, number, emergency) in list {
        let word = if emergency { "yes" } else { "no" };
        steps.push(format!("Gosub({},s,1({number},{word}))", hashed_name("pbx-to-", carrier)));
        // A call for help that is busy or refused here is made by the next carrier: it may reach another desk.
        if !emergency {
            steps.push(ended.into());
        }
        insists |= emergency;
    }
    steps.push("GotoIf($[\"${PBX_PASSED}\"=\"\" | \"${PBX_INSIST}\"=\"yes\"]?last)".into());
    steps.push("Set(PBX_INSIST=yes)".into());
    steps.push("Goto(round)".into());
    steps.push("(last)NoOp()".into());
    if insists {
        steps.push(ended.into());
    }
    steps.push("GotoIf($[\"${HANGUPCAUSE}\"=\"1\" | \"${HANGUPCAUSE}\"=\"22\" | \"${HANGUPCAUSE}\"=\"28\"]?pbx-hangup,unknown,1)".into());
    steps.push("Goto(pbx-hangup,CONGESTION,1)".into());
    steps
}
