//! The scenarios, in SIPp's XML.
//!
//! SIPp matches a response by number only, so every final code that Asterisk may send is listed. The INVITE without
//! and the one with credentials have blocks of their own, because CANCEL and ACK must repeat the branch of theirs.

use super::phone::Behaviour;
use std::fmt::Write as _;
use std::time::Duration;

/// Final answers that end an attempt to call or to register.
const FAILURES: &[u16] = &[
    300, 301, 302, 305, 400, 401, 402, 403, 404, 405, 406, 407, 408, 410, 413, 414, 415, 416, 420, 421, 422, 423, 480,
    481, 482, 483, 484, 485, 486, 487, 488, 489, 491, 493, 494, 500, 501, 502, 503, 504, 505, 513, 580, 600, 603, 604,
    606, 607, 608,
];

/// Provisional answers that say that the call progresses.
const PROGRESS: &[u16] = &[180, 181, 182, 183];

/// How long any answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Logs an event with the message that was received last. It is a step of its own, because within the action of a
/// `recv` SIPp still has the message before.
fn log(event: &str) -> String {
    format!("<nop><action><log message=\"@@{event} [timestamp] [call_id]\n[last_message]\n@@end\"/></action></nop>\n")
}

fn document(name: &str, body: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<scenario name=\"{name}\">\n{body}</scenario>\n")
}

/// A message to send. SIPp takes the first line as it is and strips the indentation of none, so there is none.
fn send(attributes: &str, message: &str) -> String {
    format!("<send{attributes}><![CDATA[\n\n{message}\n]]></send>\n")
}

fn label(id: u32) -> String {
    format!("<label id=\"{id}\"/>\n")
}

/// An unconditional jump.
fn jump(to: u32) -> String {
    format!("<nop next=\"{to}\"/>\n")
}

/// Registers once, with credentials.
pub(super) fn register(user: &str, expires: Duration) -> String {
    let seconds = expires.as_secs();
    let message = |cseq: u32, login: &str| {
        format!(
            "REGISTER sip:[remote_ip]:[remote_port];transport=[transport] SIP/2.0\n\
             Via: SIP/2.0/[transport] [local_ip]:[local_port];rport;branch=[branch]\n\
             From: <sip:{user}@[remote_ip]>;tag=[pid]reg[call_number]\n\
             To: <sip:{user}@[remote_ip]>\n\
             Call-ID: [call_id]\n\
             CSeq: {cseq} REGISTER\n\
             Contact: <sip:{user}@[local_ip]:[local_port];transport=[transport]>\n\
             Max-Forwards: 70\n\
             Expires: {seconds}\n\
             {login}User-Agent: pbx-lab\n\
             Content-Length: 0\n"
        )
    };
    let mut body = send(" retrans=\"500\"", &message(1, ""));
    // Asterisk asks for credentials first; an endpoint without them is accepted at once.
    body += &received(401, " auth=\"true\" optional=\"true\" next=\"1\"", PATIENCE);
    body += &failures(2, Duration::ZERO, &[401]);
    body += &received(200, " next=\"3\"", Duration::ZERO);
    body += &label(1);
    body += &send(" retrans=\"500\"", &message(2, "[authentication]\n"));
    body += &failures(2, PATIENCE, &[]);
    body += &received(200, " next=\"3\"", Duration::ZERO);
    body += &label(2);
    body += &log("failed");
    body += &jump(4);
    body += &label(3);
    body += &log("registered");
    body += &label(4);
    body += &log("end");
    document("register", &body)
}

/// Waits for a response. A timeout of zero is none: in a group of alternatives only the first has one.
fn received(code: u16, attributes: &str, timeout: Duration) -> String {
    let timeout = if timeout.is_zero() { String::new() } else { format!(" timeout=\"{}\"", timeout.as_millis()) };
    format!("<recv response=\"{code}\"{attributes}{timeout}></recv>\n")
}

/// All final failures but some, which lead to a label. A provisional answer comes first and has the timeout.
fn failures(next: u32, timeout: Duration, but: &[u16]) -> String {
    let provisional = received(100, " optional=\"true\"", timeout);
    FAILURES.iter().filter(|code| !but.contains(code)).fold(provisional, |mut text, code| {
        text += &received(*code, &format!(" optional=\"true\" next=\"{next}\""), Duration::ZERO);
        text
    })
}

/// What the scenario of a caller depends on; texts are checked by the caller.
pub(super) struct Call<'a> {
    pub(super) number: &'a str,
    pub(super) from_user: &'a str,
    pub(super) from_name: Option<&'a str>,
    pub(super) headers: &'a [(String, String)],
    pub(super) with_login: bool,
    pub(super) ring_for: Duration,
    pub(super) hold_for: Option<Duration>,
    pub(super) sdp: &'a str,
}

/// Calls, talks and hangs up; gives up when nobody answers in time.
pub(super) fn call(call: &Call<'_>) -> String {
    let Call { number, from_user, headers, sdp, .. } = call;
    let number = number.replace('#', "%23");
    let name = call.from_name.map(|name| format!("\"{name}\" ")).unwrap_or_default();
    let extra = headers.iter().fold(String::new(), |mut text, (key, value)| {
        let _ = writeln!(text, "{key}: {value}");
        text
    });
    let request = |method: &str, uri: &str, branch: &str, cseq: u32, to: &str, rest: &str| {
        format!(
            "{method} {uri} SIP/2.0\n\
             Via: SIP/2.0/[transport] [local_ip]:[local_port];rport;branch=z9hG4bK-[pid]-[call_number]-{branch}\n\
             From: {name}<sip:{from_user}@[local_ip]>;tag=[pid]uac[call_number]\n\
             {to}\n\
             Call-ID: [call_id]\n\
             CSeq: {cseq} {method}\n\
             Max-Forwards: 70\n\
             {rest}\n"
        )
    };
    let uri = format!("sip:{number}@[remote_ip]:[remote_port]");
    let to = format!("To: <{uri}>");
    let invite = |branch: &str, cseq: u32, login: &str| {
        let rest = format!(
            "Contact: <sip:{from_user}@[local_ip]:[local_port];transport=[transport]>\n\
             Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, NOTIFY\n\
             User-Agent: pbx-lab\n{login}{extra}Content-Type: application/sdp\nContent-Length: [len]\n\n{sdp}"
        );
        send(" retrans=\"500\"", &request("INVITE", &uri, branch, cseq, &to, &rest))
    };
    let ack_failure =
        |branch: &str, cseq: u32| send("", &request("ACK", &uri, branch, cseq, "[last_To:]", "Content-Length: 0\n"));
    // Labels of an attempt: base+1 refused, base+2 nobody answers in time, base+3 waiting, base+4 progress.
    let mut body = String::new();
    for (base, branch, cseq) in [(10, "a", 1), (20, "b", 2)] {
        let second = base == 20;
        if second {
            if !call.with_login {
                break;
            }
            // The refusal of the first attempt is acknowledged, then comes the second with credentials.
            body += &label(2);
            body += &ack_failure("a", 1);
        }
        body += &invite(branch, cseq, if second { "[authentication]\n" } else { "" });
        body += &label(base + 3);
        body += &received(
            100,
            &format!(" optional=\"true\" ontimeout=\"{}\"", base + 2),
            call.ring_for.max(Duration::from_millis(1)),
        );
        for code in PROGRESS {
            let next = format!(" optional=\"true\" next=\"{}\"", base + 4);
            body += &received(*code, &next, Duration::ZERO);
        }
        let challenged = call.with_login && !second;
        for code in FAILURES {
            body += &if challenged && [401, 407].contains(code) {
                received(*code, " auth=\"true\" optional=\"true\" next=\"2\"", Duration::ZERO)
            } else {
                let next = format!(" optional=\"true\" next=\"{}\"", base + 1);
                received(*code, &next, Duration::ZERO)
            };
        }
        body += "<recv response=\"200\" rrs=\"true\" next=\"3\"><action><ereg regexp=\"[^ ].*\" search_in=\"hdr\" \
                 header=\"To:\" assign_to=\"to\"/></action></recv>\n";
        body += &label(base + 4);
        body += &log("progress");
        body += &jump(base + 3);
        body += &label(base + 1);
        body += &log("failed");
        body += &ack_failure(branch, cseq);
        body += &jump(9);
        body += &label(base + 2);
        body += &log("giving-up");
        body += &send(" retrans=\"500\"", &request("CANCEL", &uri, branch, cseq, &to, "Content-Length: 0\n"));
        body += &received(200, " optional=\"true\"", PATIENCE);
        body += &received(487, "", Duration::ZERO);
        body += &log("given-up");
        body += &ack_failure(branch, cseq);
        body += &jump(9);
    }
    // By then the last message may be a request of the other side, whose `To` is us: the answer's is kept.
    let in_dialog = |method: &str, branch: &str, cseq: u32| {
        request(method, "[next_url]", branch, cseq, "To: [$to]", "[routes]\nContent-Length: 0\n")
    };
    body += &label(3);
    body += &log("answered");
    body += &send("", &in_dialog("ACK", "ack", if call.with_login { 2 } else { 1 }));
    body += &hold(call.hold_for, sdp);
    body += &send(" retrans=\"500\"", &in_dialog("BYE", "bye", 9));
    body += &received(200, " next=\"9\"", PATIENCE);
    body += &label(9);
    body += &log("end");
    document("call", &body)
}

/// Stays in an answered call until the other side hangs up (label 9) or the time is over (falls through).
fn hold(hold_for: Option<Duration>, sdp: &str) -> String {
    let mut body = label(4);
    let timeout = hold_for.map(|time| format!(" timeout=\"{}\" ontimeout=\"6\"", time.as_millis().max(1)));
    let _ =
        writeln!(body, "<recv request=\"INVITE\" optional=\"true\" next=\"5\"{}></recv>", timeout.unwrap_or_default());
    body += "<recv request=\"ACK\" optional=\"true\" next=\"4\"></recv>\n";
    body += "<recv request=\"BYE\"></recv>\n";
    body += &log("hung-up");
    body += &send("", &response("200 OK", "", "Content-Length: 0\n"));
    body += &jump(9);
    // A new offer within the call: connected line updates come as such.
    body += &label(5);
    let answer = format!("Content-Type: application/sdp\nContent-Length: [len]\n\n{sdp}");
    body += &send(" retrans=\"500\"", &response("200 OK", "", &answer));
    body += "<recv request=\"ACK\" next=\"4\"></recv>\n";
    body += &label(6);
    body += &log("hanging-up");
    body
}

/// A response to the request received last; `tag` is added to its `To` outside of a dialog.
fn response(status: &str, tag: &str, rest: &str) -> String {
    format!(
        "SIP/2.0 {status}\n[last_Via:]\n[last_From:]\n[last_To:]{tag}\n[last_Call-ID:]\n[last_CSeq:]\n\
         [last_Record-Route:]\nContact: <sip:[local_ip]:[local_port];transport=[transport]>\n{rest}"
    )
}

/// Waits for calls and behaves.
pub(super) fn answer(behaviour: &Behaviour, sdp: &str) -> String {
    const TAG: &str = ";tag=[pid]uas[call_number]";
    const EMPTY: &str = "Content-Length: 0\n";
    let mut body = String::new();
    for (request, next) in [("OPTIONS", 8), ("NOTIFY", 10)] {
        let _ = writeln!(body, "<recv request=\"{request}\" optional=\"true\" next=\"{next}\"></recv>");
    }
    let _ = writeln!(
        body,
        "<recv request=\"INVITE\" rrs=\"true\"><action>\
         <ereg regexp=\"[0-9]+\" search_in=\"hdr\" header=\"CSeq:\" assign_to=\"cseq\"/>\
         <ereg regexp=\"[^ ].*\" search_in=\"hdr\" header=\"From:\" assign_to=\"from\"/>\
         <ereg regexp=\"[^ ].*\" search_in=\"hdr\" header=\"To:\" assign_to=\"to\"/></action></recv>"
    );
    body += &log("invite");
    body += "<Reference variables=\"cseq,from,to\"/>\n";
    let ringing = send("", &response("180 Ringing", TAG, EMPTY));
    match behaviour {
        Behaviour::Silent => {
            // Retransmissions are recognised and swallowed; the call ends when Asterisk gives up.
            body += "<recv request=\"CANCEL\"></recv>\n";
            body += &jump(9);
        }
        Behaviour::Reject { after, code, reason } => {
            if !after.is_zero() {
                body += &ringing;
                body += &cancelled_or(Some(*after));
            }
            body += &label(3);
            body += &send(" retrans=\"500\"", &response(&format!("{code} {reason}"), TAG, EMPTY));
            body += "<recv request=\"ACK\"></recv>\n";
            body += &log(&format!("rejected-{code}"));
            body += &jump(9);
        }
        Behaviour::Ignore => {
            body += &ringing;
            body += &cancelled_or(None);
        }
        Behaviour::Answer { after, hold_for } => {
            if !after.is_zero() {
                body += &ringing;
                body += &cancelled_or(Some(*after));
            }
            body += &label(3);
            let answer = format!("Content-Type: application/sdp\nContent-Length: [len]\n\n{sdp}");
            body += &send(" retrans=\"500\"", &response("200 OK", TAG, &answer));
            body += "<recv request=\"ACK\"></recv>\n";
            body += &log("answered");
            body += &hold(*hold_for, sdp);
            body += &send(
                " retrans=\"500\"",
                &format!(
                    "BYE [next_url] SIP/2.0\n\
                     Via: SIP/2.0/[transport] [local_ip]:[local_port];rport;branch=[branch]\n\
                     From: [$to]{TAG}\n\
                     To: [$from]\n\
                     Call-ID: [call_id]\n\
                     CSeq: 1 BYE\n\
                     Max-Forwards: 70\n\
                     Content-Length: 0\n"
                ),
            );
            body += &received(200, " next=\"9\"", PATIENCE);
        }
    }
    body += &label(7);
    body += &log("cancelled");
    body += &send("", &response("200 OK", TAG, EMPTY));
    body += &send(
        " retrans=\"500\"",
        &format!(
            "SIP/2.0 487 Request Terminated\n[last_Via:]\n[last_From:]\n[last_To:]{TAG}\n[last_Call-ID:]\n\
             CSeq: [$cseq] INVITE\nContent-Length: 0\n"
        ),
    );
    body += "<recv request=\"ACK\" next=\"9\"></recv>\n";
    body += &label(10);
    body += &log("notify");
    body += &label(8);
    body += &send("", &response("200 OK", TAG, EMPTY));
    body += &label(9);
    document("answer", &body)
}

/// Rings until cancelled (label 7) or, after a time, goes on (label 3).
fn cancelled_or(after: Option<Duration>) -> String {
    let timeout = after.map(|after| format!(" timeout=\"{}\" ontimeout=\"3\"", after.as_millis().max(1)));
    format!("<recv request=\"CANCEL\" next=\"7\"{}></recv>\n", timeout.unwrap_or_default())
}
