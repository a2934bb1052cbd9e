//! What telephones dial besides extensions: numbers of groups and queues, codes of services, slots of parking lots.

use pbx_manifest::Kind;
use pbx_routing::{Dialled, Service};

use super::{Writer, object};
use crate::config::voicemail;

/// The extension whose telephone calls.
const OWN: &str = "Set(PBX_OWN_EXTENSION=${FILTER(0-9,${CHANNEL(endpoint)})})";

impl Writer<'_> {
    pub(super) fn numbers(&mut self) {
        self.file.mark(None);
        self.file.context("pbx-number");
        for (number, dialled) in &self.graph.numbers {
            match dialled {
                Dialled::Node(id) => self.file.exten(number, &[format!("Goto({})", self.target(id))]),
                Dialled::Slot(lot) => {
                    self.file.mark(Some(object(Kind::ParkingLot, lot)));
                    let take = format!("ParkedCall({lot},{number})");
                    self.file.node(format_args!("parking/{lot}"), number, &serves(&[&take]));
                    self.file.mark(None);
                }
                Dialled::Messages(name) => {
                    self.file.mark(Some(object(Kind::Mailbox, name)));
                    let listen = format!("VoiceMailMain({name}@{})", voicemail::CONTEXT);
                    self.file.node("voicemail", number, &serves(&["Answer()", &listen]));
                    self.file.mark(None);
                }
                Dialled::Service(service) => self.service(number, *service),
            }
        }
    }

    fn service(&mut self, code: &str, service: Service) {
        let word = service.word();
        let members = self.catalog.queues.values().any(|object| object.spec.enabled && !object.spec.members.is_empty());
        // What stands behind the code.
        let behind = |file: &mut super::ConfigFile, steps: &[String]| file.node(word, &format!("_{code}X!"), steps);
        let rest = format!("${{EXTEN:{}}}", code.len());
        // Queues know no telephone that is not to be disturbed: its owner takes a break in them, unless on one already. Which of the two it
        // is, the key says, so that the one does not end with the other.
        let (away, back) = if members {
            (
                [
                    "GosubIf(${DIALPLAN_EXISTS(pbx-paused,${PBX_OWN_EXTENSION},1)}?pbx-paused,${PBX_OWN_EXTENSION},1)",
                    "ExecIf($[\"${GOSUB_RETVAL}\"=\"1\"]?Set(DB(pbx-dnd/${PBX_OWN_EXTENSION})=break))",
                    "GosubIf($[\"${GOSUB_RETVAL}\"=\"0\"]?pbx-interface,${PBX_OWN_EXTENSION},1)",
                    "ExecIf($[${LEN(${GOSUB_RETVAL})} > 1]?PauseQueueMember(,${GOSUB_RETVAL},,do-not-disturb))",
                ],
                [
                    "GosubIf($[\"${PBX_WAS}\"=\"yes\" & ${DIALPLAN_EXISTS(pbx-interface,${PBX_OWN_EXTENSION},1)}]?pbx-interface,${PBX_OWN_EXTENSION},1)",
                    "ExecIf($[\"${GOSUB_RETVAL}\"!=\"\"]?UnpauseQueueMember(,${GOSUB_RETVAL}))",
                ],
            )
        } else {
            (["NoOp()"; 4], ["NoOp()"; 2])
        };
        let file = &mut self.file;
        match service {
            Service::Voicemail => {
                let listen = format!("VoiceMailMain(${{FILTER(0-9,${{CHANNEL(endpoint)}})}}@{})", voicemail::CONTEXT);
                file.node(word, code, &serves(&["Answer()", &listen]));
            }
            Service::EchoTest => file.node(word, code, &serves(&["Answer()", "Echo()"])),
            Service::QueueLogin | Service::QueueLogout => {
                if !members {
                    return file.node(word, code, &serves(&["Answer()", "Playback(pbx-invalid)"]));
                }
                // Whoever logs in and is not to be disturbed is on that break.
                let undisturbed = [
                    "GosubIf($[\"${DB(pbx-dnd/${PBX_OWN_EXTENSION})}\"=\"yes\"]?pbx-interface,${PBX_OWN_EXTENSION},1)",
                    "ExecIf($[\"${GOSUB_RETVAL}\"!=\"\"]?PauseQueueMember(,${GOSUB_RETVAL},,do-not-disturb))",
                ];
                let (context, state, said, more) = if service == Service::QueueLogin {
                    ("pbx-login", "INUSE", "agent-loginok", undisturbed)
                } else {
                    ("pbx-logout", "NOT_INUSE", "agent-loggedoff", ["NoOp()"; 2])
                };
                file.node(
                    word,
                    code,
                    &serves(&[
                        "Answer()",
                        OWN,
                        &format!("GotoIf(${{DIALPLAN_EXISTS({context},${{PBX_OWN_EXTENSION}},1)}}?known)"),
                        "Playback(pbx-invalid)",
                        "Hangup()",
                        &format!("(known)Gosub({context},${{PBX_OWN_EXTENSION}},1)"),
                        more[0],
                        more[1],
                        &format!("Set(DEVICE_STATE(Custom:pbx-login-${{PBX_OWN_EXTENSION}})={state})"),
                        &format!("Playback({said})"),
                    ]),
                );
            }
            Service::QueuePause => self.pause(code, members),
            Service::Pickup => {
                file.node(word, code, &serves(&["Pickup()"]));
                behind(file, &serves(&[&format!("PickupChan(PJSIP/{rest}-,p)")]));
            }
            Service::DoNotDisturb => file.node(
                word,
                code,
                &serves(&[
                    "Answer()",
                    OWN,
                    "GotoIf($[\"${DB(pbx-dnd/${PBX_OWN_EXTENSION})}\"!=\"\"]?on)",
                    "Set(DB(pbx-dnd/${PBX_OWN_EXTENSION})=yes)",
                    "Set(DEVICE_STATE(Custom:pbx-dnd-${PBX_OWN_EXTENSION})=INUSE)",
                    away[0],
                    away[1],
                    away[2],
                    away[3],
                    "Playback(do-not-disturb&activated)",
                    "Hangup()",
                    "(on)Set(PBX_WAS=${DB_DELETE(pbx-dnd/${PBX_OWN_EXTENSION})})",
                    "Set(DEVICE_STATE(Custom:pbx-dnd-${PBX_OWN_EXTENSION})=NOT_INUSE)",
                    back[0],
                    back[1],
                    "Playback(do-not-disturb&de-activated)",
                ]),
            ),
            Service::CallForward => {
                file.node(
                    word,
                    code,
                    &serves(&[
                        "Answer()",
                        OWN,
                        "Set(PBX_WAS=${DB_DELETE(pbx-forward/${PBX_OWN_EXTENSION})})",
                        "Set(DEVICE_STATE(Custom:pbx-forward-${PBX_OWN_EXTENSION})=NOT_INUSE)",
                        "Playback(call-forwarding&de-activated)",
                    ]),
                );
                // It goes where its owner may dial, and no further.
                behind(
                    file,
                    &serves(&[
                        "Answer()",
                        OWN,
                        &format!("GotoIf($[\"{rest}\"=\"${{PBX_OWN_EXTENSION}}\"]?no)"),
                        &format!("Set(DB(pbx-forward/${{PBX_OWN_EXTENSION}})=${{TRANSFER_CONTEXT}}/{rest})"),
                        "Set(DEVICE_STATE(Custom:pbx-forward-${PBX_OWN_EXTENSION})=INUSE)",
                        "Playback(call-forwarding&activated)",
                        "Hangup()",
                        "(no)Playback(pbx-invalid)",
                    ]),
                );
            }
            Service::Directory => {
                let find = format!("Directory({},${{TRANSFER_CONTEXT}},b)", voicemail::CONTEXT);
                file.node(word, code, &serves(&["Answer()", &find]));
            }
        }
    }

    /// Breaks: the code alone begins one without a reason, or ends it; with a break code behind it, it has that reason.
    fn pause(&mut self, code: &str, members: bool) {
        let word = Service::QueuePause.word();
        let rest = format!("${{EXTEN:{}}}", code.len());
        let codes = self.catalog.break_codes.values().any(|object| object.spec.enabled && object.spec.number.is_some());
        if !members {
            return self.file.node(word, code, &serves(&["Answer()", "Playback(pbx-invalid)"]));
        }
        let known = [
            "Answer()",
            OWN,
            "GotoIf($[${DIALPLAN_EXISTS(pbx-interface,${PBX_OWN_EXTENSION},1)}=0]?no)",
            "Gosub(pbx-interface,${PBX_OWN_EXTENSION},1)",
            "Set(PBX_INTERFACE=${GOSUB_RETVAL})",
        ];
        // Where a telephone is not to be disturbed, its owner is on that break until this one, and again after it.
        let undisturbed = |step: &str| format!("ExecIf($[\"${{DB(pbx-dnd/${{PBX_OWN_EXTENSION}})}}\"!=\"\"]?{step})");
        let pause = |reason: &str| {
            [
                undisturbed("Set(DB(pbx-dnd/${PBX_OWN_EXTENSION})=break)"),
                format!("PauseQueueMember(,${{PBX_INTERFACE}},,{reason})"),
                "Set(DEVICE_STATE(Custom:pbx-pause-${PBX_OWN_EXTENSION})=INUSE)".to_owned(),
                "Playback(activated)".to_owned(),
                "Hangup()".to_owned(),
            ]
        };
        let owned = |steps: &[&str]| steps.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut alone = owned(&known);
        alone.extend(owned(&[
            "Gosub(pbx-paused,${PBX_OWN_EXTENSION},1)",
            "GotoIf($[\"${GOSUB_RETVAL}\"=\"1\" & \"${DB(pbx-dnd/${PBX_OWN_EXTENSION})}\"!=\"yes\"]?paused)",
        ]));
        alone.extend(pause(""));
        alone.extend([
            "(paused)UnpauseQueueMember(,${PBX_INTERFACE})".to_owned(),
            undisturbed("PauseQueueMember(,${PBX_INTERFACE},,do-not-disturb)"),
            undisturbed("Set(DB(pbx-dnd/${PBX_OWN_EXTENSION})=yes)"),
        ]);
        alone.extend(owned(&[
            "Set(DEVICE_STATE(Custom:pbx-pause-${PBX_OWN_EXTENSION})=NOT_INUSE)",
            "Playback(de-activated)",
            "Hangup()",
            "(no)Playback(pbx-invalid)",
        ]));
        let steps: Vec<&str> = alone.iter().map(String::as_str).collect();
        self.file.node(word, code, &serves(&steps));
        if !codes {
            return;
        }
        let mut reason = owned(&known);
        reason.push(format!("GotoIf($[${{DIALPLAN_EXISTS(pbx-break,{rest},1)}}=0]?no)"));
        reason.push(format!("Gosub(pbx-break,{rest},1)"));
        reason.push("Set(PBX_REASON=${GOSUB_RETVAL})".to_owned());
        reason.extend(pause("${PBX_REASON}"));
        reason.push("(no)Playback(pbx-invalid)".to_owned());
        let steps: Vec<&str> = reason.iter().map(String::as_str).collect();
        self.file.node(word, &format!("_{code}X!"), &serves(&steps));
    }
}

/// What a service does, and the end.
fn serves(steps: &[&str]) -> Vec<String> {
    // What does nothing in this system is left out.
    let steps = steps.iter().filter(|step| **step != "NoOp()");
    steps.map(ToString::to_string).chain(["Hangup()".to_owned()]).collect()
}
