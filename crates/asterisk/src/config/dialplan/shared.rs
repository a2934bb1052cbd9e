//! What every system has: ringing, recording, messages, ends.

use pbx_manifest::Name;

use super::super::file::escape;
use super::{HINTS, MESSAGES, PASS, PASSED, Writer, hashed_name};

impl Writer<'_> {
    /// What every system has: ringing, recording, messages, ends.
    pub(super) fn shared(&mut self) {
        let park = if self.parks() { "k" } else { "" };
        let file = &mut self.file;
        file.mark(None);
        // Gosub(pbx-contacts,s,1(extension)): returns its telephones as `Dial` takes them. A telephone chooses its own contact, so
        // only letters that separate nothing are let through: `&` or `,` in it would dial for somebody else.
        file.context("pbx-contacts");
        file.exten("s", &["Set(LOCAL(ids)=${PJSIP_AOR(${ARG1},contact)})".into(), "Set(LOCAL(found)=)".into()]);
        file.line(" same => n(next),Set(LOCAL(id)=${SHIFT(ids)})");
        file.line(" same => n,GotoIf($[\"${id}\"=\"\"]?done)");
        file.line(format_args!(
            " same => n,Set(LOCAL(uri)=${{FILTER({},${{PJSIP_CONTACT(${{id}},uri)}})}})",
            escape(CONTACT_LETTERS)
        ));
        file.line(" same => n,GotoIf($[\"${uri}\"=\"\"]?next)");
        file.line(" same => n,Set(LOCAL(found)=${found}${IF($[\"${found}\"=\"\"]?:&)}PJSIP/${ARG1}/${uri})");
        file.line(" same => n,Goto(next)");
        file.line(" same => n(done),Return(${found})");
        // Gosub(pbx-ring,s,1(extension,seconds,record)): rings all of its telephones; returns unless it was answered.
        file.context("pbx-ring");
        file.exten(
            "s",
            &[
                // What its owner has dialled: to be called elsewhere, which is counted there, or to be left alone.
                "GotoIf($[\"${DB(pbx-dnd/${ARG1})}\"=\"\" & \"${DB(pbx-forward/${ARG1})}\"!=\"\"]?pbx-forwarded,${ARG1},1)".into(),
                format!("Set({PASS})"),
                PASSED.into(),
                "GotoIf($[\"${DB(pbx-dnd/${ARG1})}\"!=\"\"]?busy)".into(),
                "GotoIf($[\"${DEVICE_STATE(PJSIP/${ARG1})}\"=\"BUSY\"]?busy)".into(),
                "Gosub(pbx-contacts,s,1(${ARG1}))".into(),
                "Set(LOCAL(contacts)=${GOSUB_RETVAL})".into(),
                "GotoIf($[\"${contacts}\"=\"\"]?gone)".into(),
                "GosubIf($[\"${ARG3}\"=\"always\"]?pbx-record,s,1)".into(),
                "Set(LOCAL(touch)=${IF($[\"${ARG3}\"=\"onDemand\"]?x)})".into(),
                format!("Dial(${{contacts}},${{ARG2}},${{touch}}{park}${{PBX_TOUCH}})"),
                "Set(PBX_STATUS=${DIALSTATUS})".into(),
                // A call that was declined (cause 21) found somebody, who was busy with something else.
                "ExecIf($[\"${PBX_STATUS}\"=\"CHANUNAVAIL\" & \"${HANGUPCAUSE}\"=\"21\"]?Set(PBX_STATUS=BUSY))".into(),
                "Return()".into(),
            ],
        );
        file.line(" same => n(busy),Set(PBX_STATUS=BUSY)");
        file.line(" same => n,Return()");
        file.line(" same => n(gone),Set(PBX_STATUS=CHANUNAVAIL)");
        file.line(" same => n,Return()");
        // Where an extension's owner has sent its calls: a class of service, and what was dialled.
        file.context("pbx-forwarded");
        file.exten(
            "_X!",
            &[
                format!("MSet({PASS},PBX_FORWARD=${{DB(pbx-forward/${{EXTEN}})}})"),
                PASSED.into(),
                "Goto(${CUT(PBX_FORWARD,/,1)},${CUT(PBX_FORWARD,/,2)},1)".into(),
            ],
        );
        // Gosub(pbx-ring-many,s,1(extension&extension…,seconds)): rings those that are there and not busy.
        file.context("pbx-ring-many");
        file.exten("s", &["MSet(LOCAL(members)=${ARG1},LOCAL(targets)=,LOCAL(busy)=)".into()]);
        file.line(" same => n(next),Set(LOCAL(member)=${SHIFT(members,&)})");
        file.line(" same => n,GotoIf($[\"${member}\"=\"\"]?ring)");
        file.line(" same => n,GotoIf($[\"${DB(pbx-dnd/${member})}${DB(pbx-forward/${member})}\"!=\"\"]?next)");
        file.line(" same => n,GotoIf($[\"${DEVICE_STATE(PJSIP/${member})}\"!=\"BUSY\"]?free)");
        file.line(" same => n,Set(LOCAL(busy)=yes)");
        file.line(" same => n,Goto(next)");
        file.line(" same => n(free),Gosub(pbx-contacts,s,1(${member}))");
        file.line(" same => n,GotoIf($[\"${GOSUB_RETVAL}\"=\"\"]?next)");
        // A variable holds 4095 bytes, and what is more is cut. Fifty telephones with long contacts are more; one that is named by its
        // number alone takes 21, and rings at one of its contacts.
        file.line(" same => n,Set(LOCAL(target)=${GOSUB_RETVAL})");
        file.line(
            " same => n,ExecIf($[${LEN(${targets})} + ${LEN(${target})} >= 3000]?Set(LOCAL(target)=PJSIP/${member}))",
        );
        file.line(" same => n,Set(LOCAL(targets)=${targets}${IF($[\"${targets}\"=\"\"]?:&)}${target})");
        file.line(" same => n,Goto(next)");
        file.line(" same => n(ring),GotoIf($[\"${targets}\"=\"\"]?gone)");
        // Whoever answers decides about the recording: who that is, nobody knows before.
        file.line(format_args!(
            " same => n,Dial(${{targets}},${{ARG2}},x{park}U(pbx-member^${{PBX_RECORDING}})${{PBX_TOUCH}})"
        ));
        file.line(" same => n,Set(PBX_STATUS=${DIALSTATUS})");
        file.line(
            " same => n,ExecIf($[\"${PBX_STATUS}\"=\"CHANUNAVAIL\" & \"${HANGUPCAUSE}\"=\"21\"]?Set(PBX_STATUS=BUSY))",
        );
        file.line(" same => n,Return()");
        // Where all who are there are busy, so are they all.
        file.line(" same => n(gone),Set(PBX_STATUS=${IF($[\"${busy}\"=\"yes\"]?BUSY:CHANUNAVAIL)})");
        file.line(" same => n,Return()");
        // Gosub(pbx-member,s,1(recording)), on the channel of the member that answers: records the call by that member's own wish,
        // unless it is recorded already. `Dial` lets every member record on demand; those who may not have no code for it.
        file.context("pbx-member");
        file.exten(
            "s",
            &[
                "GosubIf($[\"${PBX_RECORD}\"=\"always\" & \"${ARG1}\"=\"\"]?pbx-record,s,1)".into(),
                "ExecIf($[\"${PBX_RECORD}\"!=\"onDemand\"]?Set(FEATUREMAP(automixmon)=))".into(),
                "Return()".into(),
            ],
        );
        // Gosub(pbx-bare,s,1): a call that leaves a group has its caller's own name again, without the group's prefix.
        file.context("pbx-bare");
        file.exten(
            "s",
            &[
                "Set(CALLERID(name)=${PBX_BARE_NAME})".into(),
                "MSet(CALLERID(name-valid)=${PBX_BARE_NAME_VALID},PBX_PREFIXED=)".into(),
                "Return()".into(),
            ],
        );
        // Gosub(pbx-own,s,1): keeps who the caller is at a call's first carrier, and gives it back at every later one, for each carrier
        // shows a caller of its own. Whether there is a number or a name at all is kept too: an empty one is not none.
        file.context("pbx-own");
        file.exten(
            "s",
            &[
                "GotoIf($[\"${PBX_OWN}\"=\"kept\"]?back)".into(),
                "Set(PBX_OWN_NUMBER=${CALLERID(num)})".into(),
                "Set(PBX_OWN_NUMBER_VALID=${CALLERID(num-valid)})".into(),
                "Set(PBX_OWN_NAME=${CALLERID(name)})".into(),
                "Set(PBX_OWN_NAME_VALID=${CALLERID(name-valid)})".into(),
                "Set(PBX_OWN=kept)".into(),
                "Return()".into(),
            ],
        );
        file.line(" same => n(back),Set(CALLERID(num)=${PBX_OWN_NUMBER})");
        file.line(" same => n,Set(CALLERID(num-valid)=${PBX_OWN_NUMBER_VALID})");
        file.line(" same => n,Set(CALLERID(name)=${PBX_OWN_NAME})");
        file.line(" same => n,Set(CALLERID(name-valid)=${PBX_OWN_NAME_VALID})");
        file.line(" same => n,Return()");
        // Gosub(pbx-global,s,1): returns `yes` where the called has refused by a 6xx, which holds wherever else the number is called:
        // `PBX_STATUS` then says so. The cause alone does not tell: a carrier that refuses by 403 has the cause of a 603.
        file.context("pbx-global");
        file.exten("s", &["Set(LOCAL(channel)=${HANGUPCAUSE_KEYS()})".into()]);
        file.line(" same => n,Set(LOCAL(channel)=${SHIFT(channel)})");
        file.line(" same => n,GotoIf($[\"${channel}\"=\"\"]?no)");
        file.line(" same => n,Set(LOCAL(said)=${HANGUPCAUSE(${channel},tech)})");
        file.line(" same => n,GotoIf($[\"${said:0:5}\"=\"SIP 6\"]?yes)");
        file.line(" same => n(no),Return(no)");
        // 604, a number that exists nowhere, has the cause 1.
        file.line(" same => n(yes),Set(PBX_STATUS=${IF($[\"${HANGUPCAUSE}\"=\"1\"]?unknown:BUSY)})");
        file.line(" same => n,Return(yes)");
        // Where messages between telephones end: without a context of their own, Asterisk would send them through the dialplan of calls.
        file.context(MESSAGES);
        // Gosub(pbx-record,s,1): records the call from its answer on, once.
        file.context("pbx-record");
        file.exten(
            "s",
            &[
                "GotoIf($[\"${PBX_RECORDING}\"!=\"\"]?done)".into(),
                "Set(PBX_RECORDING=${STRFTIME(,UTC,%Y%m%d-%H%M%S)}-${FILTER(0-9.,${UNIQUEID})}.wav)".into(),
                "MixMonitor(pbx/${PBX_RECORDING},b)".into(),
            ],
        );
        file.line(" same => n(done),Return()");
        file.context("pbx-hangup");
        // Ends that a manifest names, and those that `DIALSTATUS` names; the cause decides what the caller is told: 17 busy, 19 no
        // answer, 1 unknown number, 21 forbidden, 20 not registered, 34 congestion.
        for (name, node, cause) in [
            ("normal", "hangup", 19),
            ("busy", "hangup/busy", 17),
            ("congestion", "hangup/congestion", 34),
            ("unknown", "unknown", 1),
            ("forbidden", "forbidden", 21),
            ("BUSY", "hangup/busy", 17),
            ("NOANSWER", "hangup", 19),
            ("CHANUNAVAIL", "hangup/congestion", 20),
            ("CONGESTION", "hangup/congestion", 34),
        ] {
            file.node(node, name, &[format!("Hangup({cause})")]);
        }
        file.exten("_[A-Z]!", &["Hangup()".into()]);
    }

    /// One pattern for each length of number: literal hints cost Asterisk 20 s for 10,000, a pattern's are made when someone asks.
    pub(super) fn hints(&mut self) {
        self.file.mark(None);
        self.file.context(HINTS);
        let mut lengths: Vec<usize> = self.catalog.extensions.keys().map(|name| name.as_str().len()).collect();
        lengths.sort_unstable();
        lengths.dedup();
        for length in lengths {
            self.file.line(format_args!("exten => _{},hint,PJSIP/${{EXTEN}}", "X".repeat(length)));
        }
        for (name, object) in self.catalog.parking.iter().filter(|(_, object)| object.spec.enabled) {
            for slot in object.spec.slots.first..=object.spec.slots.last {
                self.file.line(format_args!("exten => {slot},hint,park:{slot}@{}", parked_context(name)));
            }
        }
        // A service of an extension: its code with the extension behind it.
        let settings = self.catalog.settings();
        let codes = &settings.feature_codes;
        for (code, state) in [
            (&codes.queue_login, "login"),
            (&codes.queue_pause, "pause"),
            (&codes.do_not_disturb, "dnd"),
            (&codes.call_forward, "forward"),
        ] {
            let digits = code.as_str().len();
            self.file.line(format_args!("exten => _{code}X!,hint,Custom:pbx-{state}-${{EXTEN:{digits}}}"));
        }
    }
}

/// Where Asterisk keeps the slots of a parking lot.
pub(crate) fn parked_context(lot: &Name) -> String {
    hashed_name("pbx-parked-", lot)
}

/// What a telephone's contact may be made of, as `FILTER` takes it: no separator of `Dial`, of options, or of expressions.
const CONTACT_LETTERS: &str = "A-Za-z0-9:;=@._~%+*[]\\x2D";
