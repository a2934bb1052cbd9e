use super::*;

fn step(extension: &str, priority: &str, application: &str, arguments: &str) -> DialplanLine {
    (extension.into(), priority.into(), application.into(), arguments.into())
}

#[test]
fn a_context_means_its_steps() {
    let text = "[a]\nexten => _X!,1,Set(A=b,c\\;d)\n same => n(here),Goto(x,${EXTEN},1)\n same => n,GotoIf($[(1)]?here)\n\
                exten => s,1,Return()\ninclude => b\nexten => _XXXX,hint,PJSIP/${EXTEN}\n; a comment\n";
    let found = meant(text);
    assert_eq!(
        found,
        [
            (step("_X!", "1", "Set", "A=b,c;d"), 1),
            (step("_X!", "2", "Goto", "x,${EXTEN},1"), 2),
            (step("_X!", "3", "GotoIf", "$[(1)]?here"), 3),
            (step("s", "1", "Return", ""), 4),
            (step("", "include", "", "b"), 5),
            (step("_XXXX", "hint", "PJSIP/${EXTEN}", ""), 6),
        ]
    );
}

#[test]
fn values_are_compared_as_asterisk_shows_them() {
    for (option, written, shown) in [
        ("allow", "g722,alaw", "(g722|alaw)"),
        ("callerid", "\"Ana Reyes\" <1001>", "\"Ana Reyes\" <1001>"),
        ("match", "10.0.0.0/8,203.0.113.9", "203.0.113.9/255.255.255.255,10.0.0.0/255.0.0.0"),
        (
            "match",
            "2001:db8::/32,2001:db8::1",
            "2001:db8::1/ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff,2001:db8::/ffff:ffff::",
        ),
        ("webrtc", "yes", "true"),
        ("auth_type", "userpass", "digest"),
        ("password", "a\\;b", "a;b"),
        // A backslash of its own before a `;`: shown, it is no sign of writing.
        ("password", "a\\\\;b", "a\\;b"),
        ("contact", "sip:h\\;transport=tcp", "sip:h;transport=tcp"),
    ] {
        assert_eq!(comparable(option, &read(written)), comparable(option, shown), "{option}");
    }
    for (option, written, shown) in [
        ("allow", "g722,alaw", "(alaw|g722)"),
        ("match", "10.0.0.0/8", "10.0.0.0/255.255.0.0"),
        ("webrtc", "yes", "false"),
        ("password", "a", "b"),
        ("password", "yes", "true"),
        ("password", "a\\;b", "a\\;b"),
    ] {
        assert_ne!(comparable(option, &read(written)), comparable(option, shown), "{option}");
    }
    assert_eq!(event_key("rtp_timeout"), "RtpTimeout");
}
