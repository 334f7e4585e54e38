use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;

use super::scanner::Scanner;
use super::*;
use crate::net::Head;
use crate::net::refusal::Refusal;

const MAX: usize = 100_000;

fn limits() -> Limits {
    Limits { max_payload: MAX, ..Limits::default() }
}

/// A client's frame: `first` is its first byte, the payload gets masked.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, payload.len());
    let mask = [0x1a, 0x2b, 0x3c, 0x4d];
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// A server's frame: nothing is masked.
fn bare(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, payload.len());
    frame[1] &= 0x7f;
    frame.extend(payload);
    frame
}

/// The bytes before a mask.
fn header(first: u8, length: usize) -> Vec<u8> {
    match length {
        0..=125 => vec![first, 0x80 | length as u8],
        126..=0xffff => [&[first, 0xfe][..], &(length as u16).to_be_bytes()].concat(),
        _ => [&[first, 0xff][..], &(length as u64).to_be_bytes()].concat(),
    }
}

/// Feeds pieces to a fresh codec.
fn feed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Incoming>, Result<(), Fault>) {
    feed_to(Codec::new(&limits()), pieces)
}

fn feed_to<'a>(mut codec: Codec, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Incoming>, Result<(), Fault>) {
    let mut events = Vec::new();
    for piece in pieces {
        let result = codec.feed(piece, &mut |incoming| events.push(incoming));
        if result.is_err() {
            assert!(codec.is_over());
            assert_eq!(codec.feed(&frame(0x81, b"4after"), &mut |_| panic!("nothing after a fault")), Ok(()));
            return (events, result);
        }
    }
    (events, Ok(()))
}

fn code(bytes: &[u8]) -> u16 {
    let whole = feed([bytes]).1.expect_err("a fault").code();
    let cut = feed(bytes.chunks(1)).1.expect_err("a fault").code();
    assert_eq!(whole, cut);
    whole
}

fn text(text: &str) -> Incoming {
    Incoming::Frame(Frame::Text(text.into()))
}

fn binary(bytes: &'static [u8]) -> Incoming {
    Incoming::Frame(Frame::Binary(Bytes::from_static(bytes)))
}

#[test]
fn messages() {
    let bytes = [frame(0x81, b"40"), frame(0x82, &[1, 2]), frame(0x81, "€".as_bytes()), frame(0x82, b"")].concat();
    let expected = vec![text("40"), binary(&[1, 2]), text("€"), binary(&[])];
    assert_eq!(feed([&bytes[..]]), (expected, Ok(())));
}

#[test]
fn fragments_and_what_may_stand_between_them() {
    let euro = "€".as_bytes();
    let bytes = [frame(0x01, &euro[..1]), frame(0x89, b"?"), frame(0x00, &euro[1..]), frame(0x80, b"4")].concat();
    let (events, result) = feed([&bytes[..]]);
    assert_eq!(events, vec![text("€4"), Incoming::Pong(Bytes::from_static(&[0x8a, 1, b'?']))]);
    assert_eq!(result, Ok(()));
}

#[test]
fn only_the_last_ping_of_a_turn_is_answered() {
    let bytes = [frame(0x89, b"1"), frame(0x89, b"2"), frame(0x8a, b"unasked"), frame(0x81, b"4")].concat();
    let (events, _) = feed([&bytes[..]]);
    assert_eq!(events, vec![text("4"), Incoming::Pong(Bytes::from_static(&[0x8a, 1, b'2']))]);
    let longest = frame(0x89, &[7; 125]);
    let (events, _) = feed([&longest[..]]);
    assert!(matches!(&events[..], [Incoming::Pong(pong)] if pong[..3] == [0x8a, 125, 7]));
}

/// H-20, H-21, H-22, H-24: what RFC 6455 forbids.
#[test]
fn protocol_errors() {
    let fin_missing = [&[0x09, 0x80][..], &[0; 4]].concat();
    let rows: [(&str, Vec<u8>); 12] = [
        ("RSV2 and RSV3", frame(0xb1, b"")),
        ("RSV1 without deflate", frame(0xc1, b"4")),
        ("reserved data opcode", frame(0x83, b"")),
        ("reserved control opcode", frame(0x8b, b"")),
        ("no mask", b"\x81\x0240".to_vec()),
        ("ping in fragments", fin_missing),
        ("ping of 126 bytes", vec![0x89, 0xfe, 0, 126]),
        ("ping of 2^63 bytes", [&[0x89, 0xff][..], &[0x80, 0, 0, 0, 0, 0, 0, 0], &[0; 4]].concat()),
        ("continuation of nothing", frame(0x80, b"4")),
        ("text within a text", [frame(0x01, b"4"), frame(0x81, b"4")].concat()),
        ("close of one byte", frame(0x88, b"x")),
        ("another with a whole message before", [frame(0x81, b"4"), frame(0x80, b"")].concat()),
    ];
    for (name, mut bytes) in rows {
        // A mask, for those that are judged by their header alone.
        bytes.extend([0; 4]);
        assert_eq!(code(&bytes), 1002, "{name}");
    }
    let bytes = [frame(0x81, b"4before"), frame(0xb1, b""), frame(0x81, b"4after")].concat();
    assert_eq!(feed([&bytes[..]]).0, vec![text("4before")]);
}

/// H-23, H-26: sizes.
#[test]
fn sizes() {
    let huge = [&[0x82, 0xff, 0x7f][..], &[0xff; 7], &[0; 4]].concat();
    assert_eq!(code(&huge), 1009);
    assert_eq!(code(&[&[0x82, 0xff][..], &[0xff; 8], &[0; 4]].concat()), 1009);
    let (events, result) = feed([&frame(0x82, &vec![7; MAX])[..]]);
    assert!(result.is_ok());
    assert!(matches!(&events[..], [Incoming::Frame(Frame::Binary(bytes))] if bytes.len() == MAX));
    // Said as soon as the header is there.
    assert_eq!(code(&[header(0x82, MAX + 1), vec![0; 4]].concat()), 1009);
    let half = vec![b'4'; MAX / 2];
    assert_eq!(feed([&[frame(0x01, &half), frame(0x80, &half)].concat()[..]]).1, Ok(()));
    let over = [frame(0x01, &half), frame(0x00, &half), frame(0x80, b"4")].concat();
    assert_eq!(feed([&over[..]]).1, Err(Fault::TooBig));
    // A length in more bytes than it needs is against the RFC and harmless; `ws` takes it too.
    let long_winded = [&[0x81, 0xfe, 0, 1][..], &[0; 4], b"4"].concat();
    assert_eq!(feed([&long_winded[..]]), (vec![text("4")], Ok(())));
}

/// H-25: fragments without end. A context that is fed one byte at a time does what one fed at once does.
#[test]
fn fragment_flood() {
    let start = frame(0x02, b"");
    let empty = frame(0x00, b"");
    let end = frame(0x80, b"");
    let message = |between: usize| [&start[..], &empty.repeat(between), &end].concat();
    assert_eq!(feed([&message(1022)[..]]), (vec![binary(&[])], Ok(())));
    assert_eq!(feed([&message(1023)[..]]).1, Err(Fault::Flood(Limit::Fragments)));
    assert_eq!(code(&message(1_000_000)[..100_000]), 1008);
    assert_eq!(Fault::Flood(Limit::Fragments).close_frame(), Bytes::from_static(&[0x88, 2, 3, 240]));
    let two = [message(1000), message(1000)].concat();
    assert_eq!(feed([&two[..]]).1, Ok(()), "counted for each message");
    let none = Limits { fragments: 0, ..limits() };
    assert_eq!(
        feed_to(Codec::new(&none), [&frame(0x82, b"4")[..1], &frame(0x82, b"4")[1..]]).1,
        Ok(()),
        "a whole message is none"
    );
    assert_eq!(feed_to(Codec::new(&none), [&message(0)[..]]).1, Err(Fault::Flood(Limit::Fragments)));
    let many = Limits { fragments: usize::MAX, control_frames: usize::MAX, ..limits() };
    assert_eq!(feed_to(Codec::new(&many), [&message(10_000)[..]]), (vec![binary(&[])], Ok(())));
}

/// H-29: control frames without end.
#[test]
fn ping_flood() {
    let ping = frame(0x89, b"");
    let mut now = Instant::now();
    let mut scanner = Scanner::new(&limits());
    for _ in 0..10 {
        assert_eq!(scanner.scan(&ping.repeat(50), || now).1, Ok(()));
        now += Duration::from_secs(1);
    }
    assert_eq!(scanner.scan(&ping.repeat(50), || now).1, Ok(()));
    assert_eq!(scanner.scan(&ping, || now), (0, Err(Fault::Flood(Limit::ControlFrames))));
    assert_eq!(feed([&ping.repeat(100_000)[..]]).1, Err(Fault::Flood(Limit::ControlFrames)));
}

/// H-27: text that is not UTF-8.
#[test]
fn bad_utf8() {
    let rows: [&[u8]; 6] =
        [b"4\xc3\x28", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xff", "€".as_bytes().split_at(2).0];
    for bytes in rows {
        assert_eq!(code(&frame(0x81, bytes)), 1007, "{bytes:?}");
        let fragments = [frame(0x01, &bytes[..1]), frame(0x80, &bytes[1..])].concat();
        assert_eq!(code(&fragments), 1007, "{bytes:?} in fragments");
    }
    assert_eq!(code(&frame(0x88, &[3, 232, 0xff])), 1007, "the reason of a close");
}

/// H-28: closes. What follows one is not looked at.
#[test]
fn closes() {
    let close = |payload: &[u8]| {
        let bytes = [frame(0x88, payload), frame(0x81, b"4"), frame(0xff, b"")].concat();
        match feed([&bytes[..]]) {
            (mut events, Ok(())) if events.len() == 1 => match events.remove(0) {
                Incoming::Close { reply, .. } => reply,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(close(b""), close_frame(None));
    for sent in [1000_u16, 1001, 1003, 1007, 1011, 3000, 4999] {
        assert_eq!(close(&[&sent.to_be_bytes()[..], b"why"].concat()), close_frame(Some(sent)));
    }
    for bad in [0_u16, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535] {
        assert_eq!(close(&bad.to_be_bytes()), close_frame(Some(1002)), "{bad}");
    }
    let mut codec = Codec::new(&limits());
    let flood = frame(0x88, b"").repeat(10_000);
    let mut count = 0;
    assert_eq!(codec.feed(&flood, &mut |_| count += 1), Ok(()));
    assert_eq!((count, codec.is_over()), (1, true));
}

#[test]
fn the_reason_of_a_close_fits_into_a_control_frame() {
    assert_eq!(&close_frame_saying(1012, "")[..], [0x88, 2, 0x03, 0xF4]);
    assert_eq!(&close_frame_saying(1012, "bye")[..], b"\x88\x05\x03\xF4bye");
    let long = close_frame_saying(1012, &"é".repeat(100));
    assert_eq!((long.len(), long[1]), (2 + 124, 124));
    assert!(std::str::from_utf8(&long[4..]).is_ok());
}

#[test]
fn an_idle_codec_keeps_nothing() {
    let mut codec = Codec::new(&limits());
    let message = frame(0x82, &vec![7; MAX]);
    let (start, end) = message.split_at(5000);
    assert_eq!(codec.feed(start, &mut |_| panic!("not yet")), Ok(()));
    assert!(codec.context.is_some());
    let mut messages = 0;
    assert_eq!(codec.feed(end, &mut |_| messages += 1), Ok(()));
    assert_eq!(messages, 1);
    assert!(codec.context.is_none(), "no buffer of a hundred kilobytes stays behind");
    assert!(size_of::<Codec>() <= 128, "{}", size_of::<Codec>());
}

#[test]
fn handshake() {
    let good = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let head = |change: &[(&'static str, &str)]| {
        let mut head = Head { method: "GET".into(), ..Head::default() };
        for (name, value) in
            good.iter().filter(|(name, _)| !change.iter().any(|(changed, _)| changed == name)).chain(change)
        {
            head.headers.push(((*name).into(), (*value).to_owned()));
        }
        head
    };
    let lines = |change: &[(&'static str, &str)]| {
        let headers = accept(&head(change)).expect("accepted");
        headers.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>()
    };
    let plain = ["upgrade: websocket", "connection: Upgrade", "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="];
    assert_eq!(lines(&[]), plain);
    assert_eq!(lines(&[("sec-websocket-extensions", "permessage-deflate; server_max_window_bits=\"x\"")]), plain);
    let protocol = lines(&[("sec-websocket-protocol", "foo, bar")]);
    assert_eq!(protocol[3], "sec-websocket-protocol: foo");

    let rows = [
        (("connection", "close"), "Invalid Upgrade header"),
        (("upgrade", "h2c"), "Invalid Upgrade header"),
        (("sec-websocket-key", ""), "Missing or invalid Sec-WebSocket-Key header"),
        (("sec-websocket-key", "x"), "Missing or invalid Sec-WebSocket-Key header"),
        (("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="), ""),
        (("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==x"), "Missing or invalid Sec-WebSocket-Key header"),
        (("sec-websocket-key", "dGhlIHNhbXBsZSBub25€=="), "Missing or invalid Sec-WebSocket-Key header"),
        (("sec-websocket-version", "7"), "Missing or invalid Sec-WebSocket-Version header"),
        (("sec-websocket-version", "13x"), "Missing or invalid Sec-WebSocket-Version header"),
        (("sec-websocket-protocol", ", ,"), "Invalid Sec-WebSocket-Protocol header"),
        (("sec-websocket-protocol", "a, b c"), "Invalid Sec-WebSocket-Protocol header"),
    ];
    for (change, expected) in rows {
        let message = match accept(&head(&[change])) {
            Ok(_) => "",
            Err(Refusal::BadUpgrade { message }) => message,
            Err(other) => panic!("{other:?}"),
        };
        assert_eq!(message, expected, "{change:?}");
    }
    assert!(accept(&Head { method: "POST".into(), ..head(&[]) }).is_err());
    assert!(accept(&head(&[("sec-websocket-protocol", &" ".repeat(1 << 20))])).is_err());
    assert!(is_upgrade(&head(&[])) && !is_upgrade(&head(&[("upgrade", "h2c")])));
}

/// Frames of all kinds, good and bad.
fn any_frames(frame: fn(u8, &[u8]) -> Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        4 => Just(0x81_u8), 4 => Just(0x82), 2 => Just(0x01), 4 => Just(0x00), 4 => Just(0x80),
        2 => Just(0x89), 1 => Just(0x8a), 1 => Just(0x88), 1 => any::<u8>(),
    ];
    let payload =
        prop_oneof![8 => vec(b' '..b'~', 0..300), 1 => vec(any::<u8>(), 0..200), 1 => vec(Just(b'x'), 65_530..65_540)];
    vec((first, payload), 0..8)
        .prop_map(move |frames| frames.iter().flat_map(|(first, payload)| frame(*first, payload)).collect())
}

/// Pongs depend on where a turn ends; nothing else may.
fn without_pongs((mut events, result): (Vec<Incoming>, Result<(), Fault>)) -> (Vec<Incoming>, Option<u16>) {
    events.retain(|event| !matches!(event, Incoming::Pong(_)));
    (events, result.err().map(|fault| fault.code()))
}

fn cut<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_messages(bytes in any_frames(frame), cuts in vec(any::<prop::sample::Index>(), 0..20)) {
        let whole = without_pongs(feed([&bytes[..]]));
        prop_assert_eq!(whole, without_pongs(feed(cut(&bytes, &cuts))));
    }

    #[test]
    fn what_is_read_without_tungstenite_is_what_it_reads(bytes in any_frames(frame)) {
        // Five bytes are never a whole frame of a client's.
        prop_assert_eq!(without_pongs(feed([&bytes[..]])), without_pongs(feed(bytes.chunks(5))));
    }

    #[test]
    fn so_is_a_server(bytes in any_frames(bare), cuts in vec(any::<prop::sample::Index>(), 0..20)) {
        let read = |pieces: Vec<&[u8]>| without_pongs(feed_to(Codec::client(&limits()), pieces));
        // One byte is never a whole frame.
        let by_tungstenite = read(bytes.chunks(1).collect());
        prop_assert_eq!(&by_tungstenite, &read(vec![&bytes]));
        prop_assert_eq!(&by_tungstenite, &read(cut(&bytes, &cuts)));
    }

    #[test]
    fn any_bytes_are_survived(bytes in vec(any::<u8>(), 0..400), cuts in vec(any::<prop::sample::Index>(), 0..5)) {
        let _ = feed(cut(&bytes, &cuts));
    }
}
