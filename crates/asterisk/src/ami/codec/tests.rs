use proptest::prelude::*;

use super::*;

const WIRE: &[u8] = b"Asterisk Call Manager/11.0.0\r\n\
    Response: Success\r\nActionID: 1\r\nMessage: Authentication accepted\r\n\r\n\
    Event: FullyBooted\r\nPrivilege: system,all\r\nUptime: 35\r\n\r\n\
    Response: Error\r\nActionID: 2\r\nMessage: No Contacts found\n\r\n\r\n\
    \r\n\n\
    Response: Success\r\nActionID: 3\r\nMessage: Command output follows\r\nOutput: a: b\r\nOutput: \r\nOutput:   c\r\n\r\n\
    Event: Newchannel\nChannel: PJSIP/caf\xe9-1\nChanVariable(PJSIP/1:2): x=y\nChanVariable: a=b\nChanVariable: c=d\nEmpty:\n\n\
    Response: Success\r\nActionID: 4\r\nNo categories found\r\n\r\n\
    Response: Follows\r\nPrivilege: Command\r\nActionID: 5\r\nfirst: line\n\nlast--END COMMAND--\r\n\r\n\
    Event: Big\r\nActionID: 6\r\nData: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\nMore: 1\r\n\r\n\
    Event: Shutdown\r\nShutdown: Cleanly\r\n\r\n";

const SMALL: Limits = Limits { line: 64, headers: 8, message: 256 };

/// Decodes chunks as they would be read, up to the first error.
fn decode<'a>(mut codec: Codec, chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Frame>, Option<CodecError>) {
    let mut src = BytesMut::new();
    let mut frames = Vec::new();
    for chunk in chunks {
        src.extend_from_slice(chunk);
        loop {
            match codec.decode(&mut src) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}

fn whole(limits: Limits, wire: &[u8]) -> (Vec<Frame>, Option<CodecError>) {
    decode(Codec::new(limits), [wire])
}

fn messages(wire: &[u8]) -> Vec<Message> {
    let (frames, error) = decode(Codec::without_banner(Limits::default()), [wire]);
    assert_eq!(error, None);
    frames
        .into_iter()
        .map(|frame| match frame {
            Frame::Message(message) => message,
            other => panic!("not a message: {other:?}"),
        })
        .collect()
}

fn pairs(message: &Message) -> Vec<(String, String)> {
    message.iter().map(|(k, v)| (k.into_owned(), v.into_owned())).collect()
}

#[test]
fn the_dialects_of_the_wire() {
    let (frames, error) = whole(SMALL, WIRE);
    assert_eq!(error, None);
    assert_eq!(frames[0], Frame::Banner(AmiVersion { major: 11, minor: 0, patch: 0 }));
    let of = |n: usize| match &frames[n] {
        Frame::Message(message) => message.clone(),
        other => panic!("not a message: {other:?}"),
    };
    assert_eq!(of(1).response().as_deref(), Some("Success"));
    assert_eq!(of(2).event().as_deref(), Some("FullyBooted"));
    assert_eq!(of(3).get("message").as_deref(), Some("No Contacts found"));
    assert_eq!(of(4).get_all("output").collect::<Vec<_>>(), ["a: b", "", "  c"]);
    assert_eq!(of(5).get("CHANNEL").as_deref(), Some("PJSIP/caf\u{fffd}-1"));
    assert_eq!(of(5).get_bytes("Channel"), Some(&b"PJSIP/caf\xe9-1"[..]));
    assert_eq!(of(5).get("ChanVariable(PJSIP/1:2)").as_deref(), Some("x=y"));
    assert_eq!(of(5).get_all("ChanVariable").collect::<Vec<_>>(), ["a=b", "c=d"]);
    assert_eq!(of(5).get("Empty").as_deref(), Some(""));
    assert_eq!(pairs(&of(6))[2], (String::new(), "No categories found".to_owned()));
    assert_eq!(of(7).action_id().as_deref(), Some("5"));
    assert_eq!(of(7).get_all("Output").collect::<Vec<_>>(), ["first: line", "", "last"]);
    let Frame::Skipped(skipped) = &frames[8] else { panic!("not skipped: {:?}", frames[8]) };
    assert_eq!((skipped.excess, skipped.action_id.as_deref()), (Excess::Line, Some("6")));
    assert_eq!(skipped.event.as_deref(), Some("Big"));
    assert_eq!(of(9).event().as_deref(), Some("Shutdown"), "the stream goes on after a message that was skipped");
    assert_eq!(frames.len(), 10);
}

#[test]
fn split_in_two_at_every_byte() {
    let expected = whole(SMALL, WIRE);
    for at in 0..=WIRE.len() {
        let (head, tail) = WIRE.split_at(at);
        assert_eq!(decode(Codec::new(SMALL), [head, tail]), expected, "split at {at}");
    }
    assert_eq!(decode(Codec::new(SMALL), WIRE.chunks(1)), expected, "byte by byte");
}

#[test]
fn what_is_not_asterisk_is_named() {
    let (frames, error) = whole(Limits::default(), b"HTTP/1.1 400 Bad Request\r\n\r\n");
    assert!(frames.is_empty());
    assert_eq!(error, Some(CodecError::NotAmi { got: "HTTP/1.1 400 Bad Request".to_owned() }));
    let (_, error) = whole(Limits::default(), &[b'x'; 4096]);
    assert!(matches!(error, Some(CodecError::NotAmi { .. })));
    let mut codec = Codec::new(Limits::default());
    let error = codec.decode_eof(&mut BytesMut::from(&b"SSH-2.0"[..]));
    assert_eq!(error, Err(CodecError::NotAmi { got: "SSH-2.0".to_owned() }));
}

#[test]
fn a_line_without_end_uses_no_memory() {
    let mut codec = Codec::without_banner(Limits { line: 1024, headers: 8, message: 1 << 20 });
    let mut src = BytesMut::new();
    let mut error = None;
    for _ in 0..4096 {
        src.extend_from_slice(&[b'x'; 1024]);
        assert!(src.len() <= 2048, "{} bytes kept", src.len());
        if let Err(e) = codec.decode(&mut src) {
            error = Some(e);
            break;
        }
    }
    assert_eq!(error, Some(CodecError::Unsynchronised { excess: Excess::Line, bytes: 2 << 20 }));
    assert!(codec.decode(&mut src).is_err(), "and it stays an error");
}

#[test]
fn limits_on_headers_and_bytes() {
    let many = format!("Event: A\r\n{}\r\nEvent: B\r\n\r\n", "K: v\r\n".repeat(8));
    let (frames, error) = decode(Codec::without_banner(SMALL), [many.as_bytes()]);
    assert_eq!(error, None);
    assert!(matches!(&frames[0], Frame::Skipped(s) if s.excess == Excess::Headers));
    assert!(matches!(&frames[1], Frame::Message(m) if m.is("Event", "B")));

    let long = format!("Event: A\r\n{}\r\nEvent: B\r\n\r\n", format!("K: {}\r\n", "v".repeat(50)).repeat(6));
    let (frames, error) = decode(Codec::without_banner(SMALL), [long.as_bytes()]);
    assert_eq!(error, None);
    assert!(matches!(&frames[0], Frame::Skipped(s) if s.excess == Excess::Message && s.bytes == long.len() - 12));
    assert!(matches!(&frames[1], Frame::Message(m) if m.is("Event", "B")));
}

/// Found by the fuzz target: a long line that also went over the limit of the message was called the one or the other, as the bytes
/// were split.
#[test]
fn of_two_limits_the_first_in_the_bytes_counts() {
    for head in ["Event: A\r\n", "Response: Follows\r\n"] {
        let wire = format!("{head}{}{}\r\n\r\n", format!("K: {}\r\n", "v".repeat(50)).repeat(4), "x".repeat(80));
        let expected = decode(Codec::without_banner(SMALL), [wire.as_bytes()]);
        for size in 1..wire.len() {
            assert_eq!(
                decode(Codec::without_banner(SMALL), wire.as_bytes().chunks(size)),
                expected,
                "{head} by {size}"
            );
        }
    }
}

#[test]
fn the_end_of_the_connection_inside_a_message() {
    let mut codec = Codec::without_banner(Limits::default());
    let mut src = BytesMut::from(&b"Event: A\r\nKey: va"[..]);
    assert_eq!(codec.decode_eof(&mut src), Err(CodecError::Truncated { bytes: 17 }));
}

fn encoded(request: &Request) -> Result<BytesMut, EncodeError> {
    let mut dst = BytesMut::new();
    let result = encode(Outgoing { request, action_id: "p-1" }, &mut dst);
    assert!(result.is_ok() || dst.is_empty(), "a refused request must leave nothing behind");
    result.map(|()| dst)
}

#[test]
fn what_cannot_be_carried_is_refused() {
    for (value, what) in [("a\r\nAction: Command", "CR"), ("a\nb", "LF"), ("a\0b", "NUL")] {
        let error = encoded(&Request::new("Ping").header("Ok", "1").header("Key", value)).unwrap_err();
        assert_eq!(error, EncodeError::Forbidden { key: "Key".to_owned(), what });
    }
    assert!(matches!(encoded(&Request::new("Ping\r\nX: y")), Err(EncodeError::Forbidden { .. })));
    for key in ["", "a b", "a:b", "a\rb", "a\0b"] {
        assert!(matches!(encoded(&Request::new("Ping").header(key, "v")), Err(EncodeError::BadKey { .. })), "{key:?}");
    }
    for key in ["action", "ActionID"] {
        assert!(matches!(encoded(&Request::new("Ping").header(key, "v")), Err(EncodeError::Reserved { .. })));
    }
}

#[test]
fn what_asterisk_would_not_read_is_refused() {
    // `Key: ` and 1017 bytes are the 1022 that Asterisk reads.
    assert!(encoded(&Request::new("Ping").header("Key", "v".repeat(1017))).is_ok());
    let error = encoded(&Request::new("Ping").header("Key", "v".repeat(1018))).unwrap_err();
    assert_eq!(error, EncodeError::LineTooLong { key: "Key".to_owned(), bytes: 1023 });
    let with = |n: usize| (0..n).fold(Request::new("Originate"), |r, i| r.header("Variable", format!("v{i}=1")));
    assert!(encoded(&with(126)).is_ok());
    assert_eq!(encoded(&with(127)).unwrap_err(), EncodeError::TooManyHeaders { headers: 129 });
}

proptest! {
    #[test]
    fn random_bytes_never_panic_and_splits_do_not_matter(
        wire in proptest::collection::vec(
            prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'\n'), Just(b':'), Just(b' '), Just(b'A'), any::<u8>()], 0..600),
        size in 1_usize..40,
        banner in any::<bool>(),
    ) {
        let codec = || if banner { Codec::new(SMALL) } else { Codec::without_banner(SMALL) };
        let expected = decode(codec(), [&wire[..]]);
        prop_assert_eq!(decode(codec(), wire.chunks(size)), expected);
    }

    #[test]
    fn lines_in_any_order_split_anywhere(
        lines in proptest::collection::vec(prop_oneof![
            Just("\r\n".to_owned()), Just("\n".to_owned()), Just("\r\r\n".to_owned()),
            Just("Response: Follows\r\n".to_owned()), Just("x--END COMMAND--\r\n".to_owned()),
            Just("ActionID: 1\r\n".to_owned()), Just("Event: E\n".to_owned()), "[a-z: ]{0,80}\r?\n",
        ], 0..60),
        size in 1_usize..64,
    ) {
        let wire = lines.concat().into_bytes();
        let expected = decode(Codec::without_banner(SMALL), [&wire[..]]);
        prop_assert_eq!(decode(Codec::without_banner(SMALL), wire.chunks(size)), expected);
    }

    #[test]
    fn what_is_encoded_is_decoded(
        name in "[A-Za-z]{1,20}",
        headers in proptest::collection::vec(("[A-Za-z][A-Za-z0-9()_-]{0,20}", "[^\r\n\0]{0,60}"), 0..20),
    ) {
        prop_assume!(headers.iter().all(|(k, _)| !k.eq_ignore_ascii_case("action") && !k.eq_ignore_ascii_case("actionid")));
        let request = headers.iter().fold(Request::new(name.clone()), |r, (k, v)| r.header(k.clone(), v.clone()));
        let wire = encoded(&request).unwrap();
        let decoded = messages(&wire);
        prop_assert_eq!(decoded.len(), 1);
        let mut expected = vec![("Action".to_owned(), name), ("ActionID".to_owned(), "p-1".to_owned())];
        expected.extend(headers);
        prop_assert_eq!(pairs(&decoded[0]), expected);
    }
}
