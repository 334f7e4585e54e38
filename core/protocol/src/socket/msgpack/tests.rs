use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::socket::Payload;

const RULES: JsonRules = JsonRules { max_depth: 8, nan_literals: false };

fn unpack(bytes: &[u8]) -> Result<Packet, ProtocolError> {
    decode(&Bytes::copy_from_slice(bytes), RULES, &Limits::default())
}

fn event(text: &str, attachments: &[&'static [u8]]) -> Packet {
    let attachments = attachments.iter().map(|bytes| Bytes::from_static(bytes)).collect();
    Packet::Event { nsp: "/".into(), id: None, payload: Payload { text: text.into(), attachments } }
}

/// An event around the bytes of a second argument.
fn around(argument: &[u8]) -> Vec<u8> {
    [b"\x83\xa4type\x02\xa4data\x92\xa1x" as &[u8], argument, b"\xa3nsp\xa1/"].concat()
}

fn argument(bytes: &[u8]) -> Result<String, ProtocolError> {
    unpack(&around(bytes)).map(|packet| {
        let Packet::Event { payload, .. } = packet else { panic!("no event") };
        payload.text.strip_prefix(r#"["x","#).and_then(|text| text.strip_suffix(']')).expect("an array").to_owned()
    })
}

#[test]
fn what_the_packages_write() {
    // Recorded from socket.io-msgpack-parser 3.0.2 (notepack.io 2.2.0), clients and servers.
    let auth = Packet::Connect { nsp: "/".into(), data: Some(r#"{"t":1}"#.into()) };
    assert_eq!(unpack(b"\x83\xa4type\x00\xa4data\x81\xa1t\x01\xa3nsp\xa1/"), Ok(auth));
    let bare = Packet::Connect { nsp: "/x".into(), data: None };
    assert_eq!(unpack(b"\x83\xa4type\x00\xa4data\xd4\x00\x00\xa3nsp\xa2/x"), Ok(bare.clone()));
    let payload = Payload {
        text: r#"["q",{"n":null,"b":{"_placeholder":true,"num":0}}]"#.into(),
        attachments: vec![Bytes::from_static(b"zz")],
    };
    let asking = b"\x85\xa4type\x02\xa4data\x92\xa1q\x83\xa1u\xd4\x00\x00\xa1n\xc0\xa1b\xc4\x02zz\
        \xa7options\x81\xa8compress\xc3\xa2id\x00\xa3nsp\xa1/";
    assert_eq!(unpack(asking), Ok(Packet::Event { nsp: "/".into(), id: Some(0), payload }));
    let answer =
        Payload { text: r#"["x",{"_placeholder":true,"num":0}]"#.into(), attachments: vec![Bytes::from_static(b"y")] };
    let answering = b"\x84\xa2id\x00\xa4type\x03\xa4data\x92\xa1x\xc4\x01y\xa3nsp\xa1/";
    assert_eq!(unpack(answering), Ok(Packet::Ack { nsp: "/".into(), id: 0, payload: answer }));
    assert_eq!(unpack(b"\x82\xa4type\x01\xa3nsp\xa1/"), Ok(Packet::Disconnect { nsp: "/".into() }));
    let refused = Packet::ConnectError { nsp: "/x".into(), data: r#"{"message":"no"}"#.into() };
    let refusing = b"\x83\xa4type\x04\xa4data\x82\xa7message\xa2no\xa4data\xd4\x00\x00\xa3nsp\xa2/x";
    assert_eq!(unpack(refusing), Ok(refused));
    // python-socketio 5.18: what is not there is nil.
    assert_eq!(unpack(b"\x83\xa4type\x00\xa4data\xc0\xa3nsp\xa2/x"), Ok(bare));
    assert_eq!(unpack(b"\x83\xa4type\x01\xa4data\xc0\xa3nsp\xa1/"), Ok(Packet::Disconnect { nsp: "/".into() }));
}

#[test]
fn what_we_write() {
    assert_eq!(&encode(&Packet::Disconnect { nsp: "/".into() })[..], b"\x82\xa4type\x01\xa3nsp\xa1/");
    let packet = Packet::Ack { nsp: "/x".into(), id: 300, payload: Payload::from(Text::from(r#"[ 1 , "\u00e9\n" ]"#)) };
    let packed = b"\x84\xa4type\x03\xa4data\x92\x01\xa3\xc3\xa9\n\xa3nsp\xa2/x\xa2id\xcd\x01\x2c";
    assert_eq!(&encode(&packet)[..], packed);
    let text = r#"["x",{"_placeholder":true,"num":1},{"num":0,"_placeholder":true,"more":1},{ "num" : 0, "_placeholder" : true }]"#;
    let packed = encode(&event(text, &[b"zero", b"one"]));
    let expected = b"\x83\xa4type\x02\xa4data\x94\xa1x\xc4\x03one\x83\xa3num\x00\xac_placeholder\xc3\xa4more\x01\
        \xc4\x04zero\xa3nsp\xa1/";
    assert_eq!(&packed[..], expected);
    // Without attachments it is what a program made it.
    let alike = encode(&event(r#"["x",{"_placeholder":true,"num":0}]"#, &[]));
    assert!(alike.windows(12).any(|part| part == b"_placeholder"));
}

#[test]
fn numbers() {
    let written = |text: &str| {
        let packed = encode(&event(&format!(r#"["x",{text}]"#), &[]));
        packed[15..packed.len() - 6].to_vec()
    };
    for (text, bytes) in [
        ("0", b"\x00" as &[u8]),
        ("-0", b"\x00"),
        ("127", b"\x7f"),
        ("128", b"\xcc\x80"),
        ("-1", b"\xff"),
        ("-33", b"\xd0\xdf"),
        ("65536", b"\xce\x00\x01\x00\x00"),
        ("18446744073709551615", b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
        ("-9223372036854775808", b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00"),
        ("1.5", b"\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00"),
        ("1e400", b"\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00"),
        ("-Infinity", b"\xcb\xff\xf0\x00\x00\x00\x00\x00\x00"),
    ] {
        assert_eq!(written(text), bytes, "{text}");
    }
    for (bytes, text) in [
        (b"\xe0" as &[u8], "-32"),
        (b"\xd0\x05", "5"),
        (b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00", "-9223372036854775808"),
        (b"\xca\x3f\xc0\x00\x00", "1.5"),
        (b"\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00", "1.0"),
        (b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", "null"),
        (b"\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", "null"),
    ] {
        assert_eq!(argument(bytes).as_deref(), Ok(text));
    }
    let python = JsonRules { nan_literals: true, ..RULES };
    for (bytes, text) in [(0x7ff8_u16, "NaN"), (0x7ff0, "Infinity"), (0xfff0, "-Infinity")] {
        let [a, b] = bytes.to_be_bytes();
        let message = Bytes::from(around(&[0xcb, a, b, 0, 0, 0, 0, 0, 0]));
        let packet = decode(&message, python, &Limits::default());
        assert_eq!(packet, Ok(event(&format!(r#"["x",{text}]"#), &[])));
    }
}

#[test]
fn what_json_has_not_got() {
    assert_eq!(argument(b"\xd4\x00\x00").as_deref(), Ok("null"));
    assert_eq!(argument(b"\x93\xd4\x00\x00\x01\xd4\x00\x00").as_deref(), Ok("[null,1,null]"));
    assert_eq!(argument(b"\x82\xa1a\xd4\x00\x00\xa1b\x01").as_deref(), Ok(r#"{"b":1}"#));
    assert_eq!(argument(b"\xd7\x00\x00\x00\x00\xdd\x9a\xa6\xe0\x00").as_deref(), Ok(r#""2000-02-29T00:00:00.000Z""#));
    assert_eq!(argument(b"\xd7\x00\x7f\xff\xff\xff\xff\xff\xff\xff").as_deref(), Ok("null"));
    assert_eq!(argument(b"\xd6\xff\x39\x45\x79\x80").as_deref(), Ok(r#""2000-06-13T00:00:00.000Z""#));
    let bytes = unpack(&around(b"\xc7\x02\x00ab"));
    assert_eq!(bytes, Ok(event(r#"["x",{"_placeholder":true,"num":0}]"#, &[b"ab"])));
    assert_eq!(argument(b"\xd4\x05\x00"), Err(MALFORMED));
}

#[test]
fn long_ones() {
    let items = (0..70_000).map(|item| item.to_string()).collect::<Vec<_>>().join(",");
    let entries = (0..20).map(|entry| format!(r#""key {entry}":[[],{{}}]"#)).collect::<Vec<_>>().join(",");
    let text = format!(r#"["x",[{items}],{{{entries}}},[0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5]]"#);
    let packed = encode(&event(&text, &[]));
    assert_eq!(decode(&packed, RULES, &Limits::default()), Ok(event(&text, &[])));
}

#[test]
fn what_is_no_packet() {
    let refused = |bytes: &[u8]| unpack(bytes).expect_err("no packet").message.to_string();
    for (bytes, error) in [
        (b"" as &[u8], "invalid packet type"),
        (b"\x93\x01\x02\x03", "invalid packet type"),
        (b"\x80", "invalid packet type"),
        (b"\x82\xa4type\x05\xa3nsp\xa1/", "invalid packet type"),
        (b"\x82\xa4type\xff\xa3nsp\xa1/", "invalid packet type"),
        (b"\x82\xa4type\xcc\xff\xa3nsp\xa1/", "invalid packet type"),
        (b"\x81\xa4type\x01", "invalid namespace"),
        (b"\x82\xa4type\x01\xa3nsp\x01", "invalid namespace"),
        (b"\x82\xa4type\x01\xa3nsp\xa1x", "invalid namespace"),
        (b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x81\xa1a\x01", "invalid payload"),
        (b"\x82\xa4type\x02\xa3nsp\xa1/", "invalid payload"),
        (b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x90", "invalid payload"),
        (b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x91\xa7connect", "invalid payload"),
        (b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x91\xc4\x01x", "invalid payload"),
        (b"\x83\xa4type\x03\xa3nsp\xa1/\xa4data\x90", "missing ack id"),
        (b"\x84\xa4type\x02\xa3nsp\xa1/\xa4data\x91\xa1x\xa2id\xff", "invalid packet id"),
        (
            b"\x84\xa4type\x02\xa3nsp\xa1/\xa4data\x91\xa1x\xa2id\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
            "ack id too large",
        ),
        (b"\x83\xa4type\x00\xa3nsp\xa1/\xa4data\xc4\x01x", "invalid payload"),
        (b"\x82\xa4type\x01\xa3nsp\xa1/\xc0", "malformed msgpack"),
        (b"\x82\x01\x02\xa3nsp\xa1/", "malformed msgpack"),
        (b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1x\xa2\xff\xfe", "malformed msgpack"),
        (b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\xdd\xff\xff\xff\xff", "malformed msgpack"),
        (b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\xdf\xff\xff\xff\xff\xa1x", "malformed msgpack"),
        (b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x91\xdb\xff\xff\xff\xffx", "malformed msgpack"),
        (b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1x\x81\x01\x02", "malformed msgpack"),
    ] {
        assert_eq!(refused(bytes), error, "{bytes:?}");
    }
    let long = format!("/{}", "x".repeat(512));
    let mut packed = b"\x82\xa4type\x01\xa3nsp".to_vec();
    pack::text(&mut packed, &long);
    assert_eq!(refused(&packed), "namespace name too long");
    assert_eq!(argument(&[b"\x91".repeat(7), vec![0]].concat()).as_deref(), Ok("[[[[[[[0]]]]]]]"));
    assert_eq!(refused(&around(&[b"\x91".repeat(8), vec![0]].concat())), "payload nested too deeply");
    // Nobody's stack.
    assert_eq!(refused(&around(&b"\x91".repeat(100_000))), "payload nested too deeply");
    assert_eq!(refused(&around(&[&b"\xdc\xff\xff"[..], &b"\xc4\x00".repeat(0xffff)].concat())), "too many attachments");
    // A map that looks like a placeholder must stand for something.
    let forged = b"\x92\xc4\x01x\x82\xac_placeholder\xc3\xa3num\x05";
    assert_eq!(refused(&around(forged)), "illegal attachments");
}

#[test]
fn half_a_surrogate_pair() {
    let packed = encode(&event(r#"["\ud83d\ude00","\ud83dx","\ud83d\ud83d\ude00","\ude00"]"#, &[]));
    assert_eq!(
        decode(&packed, RULES, &Limits::default()),
        Ok(event("[\"😀\",\"\u{fffd}x\",\"\u{fffd}😀\",\"\u{fffd}\"]", &[]))
    );
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 40, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..40).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..40)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_packed_unpacks_the_same(value in json(), id in prop::option::of(0..1_u64 << 53)) {
        let payload = Payload::from(Text::from(serde_json::json!(["x", value]).to_string()));
        let packet = Packet::Event { nsp: "/n".into(), id, payload: payload.clone() };
        let Ok(Packet::Event { nsp, id: again, payload: Payload { text, attachments } }) =
            decode(&encode(&packet), RULES, &Limits::default())
        else {
            panic!("no event")
        };
        prop_assert_eq!((nsp.as_str(), again), ("/n", id));
        prop_assert!(attachments.is_empty());
        let before: Value = serde_json::from_str(&payload.text).expect("JSON");
        let after: Value = serde_json::from_str(&text).expect("JSON");
        prop_assert_eq!(before, after);
    }

    #[test]
    fn no_message_hurts(bytes: Vec<u8>) {
        let _ = unpack(&bytes);
        let _ = unpack(&around(&bytes));
    }
}
