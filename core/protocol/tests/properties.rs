//! What must hold of every input: encoding and decoding undo each other, and nothing that a peer may send panics.

use bytes::Bytes;
use ferrio_protocol::engine::{self, Handshake, Revision, Transport, handshake, payload};
use ferrio_protocol::socket::json::{self, JsonRules, Shape};
use ferrio_protocol::socket::{Decoded, Packet, Payload};
use ferrio_protocol::{Dialect, Limits, Text};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::time::Duration;

proptest! {
    #[test]
    fn engine_packets_survive(packet in engine_packet(), revision in revision(), base64: bool) {
        let frame = packet.encode(revision, base64);
        prop_assert_eq!(engine::Packet::decode(frame, revision), Ok(packet));
    }

    #[test]
    fn payloads_survive(packets in vec(engine_packet(), 1..20), revision in revision(), base64: bool) {
        let body = payload::encode(&packets, revision, base64);
        prop_assert!(!(base64 && body.binary));
        let decoded = payload::decode(body.bytes, revision, body.binary, &Limits::default());
        prop_assert_eq!(decoded, (packets, Ok(())));
    }

    #[test]
    fn payloads_survive_jsonp(packets in vec(engine_packet(), 1..5)) {
        let body = payload::encode(&packets, Revision::V3, true).bytes;

        // To the server: what a browser makes of it, undone.
        let form = jsonp_form(std::str::from_utf8(&body).expect("a text payload"));
        prop_assert_eq!(payload::decode_jsonp(form.as_bytes()), Ok(body.clone()));

        // To the client: the argument of the call is a JSON string, and a script without line separators.
        let script = payload::encode_jsonp(&body, 12);
        let script = std::str::from_utf8(&script).expect("a script is text");
        let argument = script.strip_prefix("___eio[12](").and_then(|rest| rest.strip_suffix(");"));
        let text: String = serde_json::from_str(argument.expect("a call")).expect("a JSON string");
        prop_assert_eq!(text.as_bytes(), &body[..]);
        let separators = ['\n', '\u{2028}', '\u{2029}'];
        prop_assert!(!script.contains(separators));
    }

    #[test]
    fn handshakes_survive(handshake in a_handshake(), python: bool) {
        let dialect = if python { Dialect::Python } else { Dialect::Node };
        prop_assert_eq!(Handshake::decode(&handshake.encode(dialect)), Ok(handshake));
    }

    #[test]
    fn socket_packets_survive(packet in socket_packet()) {
        let decoded = decode_socket(&encode_socket(&packet), packet.attachments());
        prop_assert_eq!(decoded, Some(packet));
    }

    /// Two peers who read each other's packets loosely would still have to agree on what they relay.
    #[test]
    fn what_was_decoded_can_be_sent_on(text in socket_like(), attachments in vec(vec(any::<u8>(), 0..4), 0..3)) {
        let attachments: Vec<_> = attachments.into_iter().map(Bytes::from).collect();
        if let Some(packet) = decode_socket(&text.as_str().into(), &attachments) {
            prop_assert_eq!(decode_socket(&encode_socket(&packet), packet.attachments()), Some(packet));
        }
    }

    #[test]
    fn any_bytes_are_harmless(bytes in vec(any::<u8>(), 0..200), binary: bool) {
        let bytes = Bytes::from(bytes);
        for revision in [Revision::V3, Revision::V4] {
            let _ = payload::decode(bytes.clone(), revision, binary, &Limits::default());
            let _ = engine::Packet::decode(engine::Frame::Binary(bytes.clone()), revision);
        }
        let _ = payload::decode_jsonp(&bytes);
        let _ = payload::encode_jsonp(&bytes, 0);
    }

    #[test]
    fn any_text_is_harmless(text: String) {
        any_text(&text);
    }

    #[test]
    fn any_likely_text_is_harmless(text in prop_oneof![json_like(), socket_like(), "[0-9:b4\u{1e}€]{0,30}"]) {
        any_text(&text);
    }

    #[test]
    fn every_json_value_is_json(value in json_value(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        prop_assert!(json::check(&text.expect("JSON"), RULES).is_ok());
    }

    /// The judge reads the same grammar, and differs in three points: it refuses escapes that are half of a surrogate pair and
    /// numbers beyond a float's range, both of which `JSON.parse` takes, and it nests one level less.
    #[test]
    fn the_check_agrees_with_serde(text in json_like()) {
        let ours = json::check(&text, JsonRules { max_depth: 127, nan_literals: false });
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        match theirs {
            Ok(value) => {
                let shape = match ours.expect(&text) {
                    Shape::Object => value.is_object(),
                    Shape::Array(first) => value.as_array().is_some_and(|items| items.is_empty() == first.is_none()),
                    Shape::String => value.is_string(),
                    Shape::Other => value.is_number() || value.is_boolean() || value.is_null(),
                };
                prop_assert!(shape, "{}", text);
            }
            Err(error) if ours.is_ok() => {
                let error = error.to_string();
                let known = ["surrogate", "end of hex escape", "out of range"].iter().any(|known| error.contains(known));
                prop_assert!(known, "{}: {}", text, error);
            }
            Err(_) => {}
        }
    }

    #[test]
    fn placeholders_are_those_that_serde_finds(value in json_value(), spread: bool) {
        let text = if spread { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let mut found = Vec::new();
        json::placeholders(&text.expect("JSON"), &mut |num| found.push(num.to_owned()));
        let mut expected = Vec::new();
        collect_placeholders(&value, &mut expected);
        found.sort();
        expected.sort();
        prop_assert_eq!(found, expected);
    }
}

const RULES: JsonRules = JsonRules { max_depth: 128, nan_literals: false };

/// Everything that takes text from a peer.
fn any_text(text: &str) {
    let shared = Text::from(text);
    for revision in [Revision::V3, Revision::V4] {
        let _ = engine::Packet::decode(engine::Frame::Text(shared.clone()), revision);
        let _ = payload::decode(shared.as_bytes().clone(), revision, false, &Limits::default());
    }
    let _ = Handshake::decode(&shared);
    let _ = payload::decode_jsonp(text.as_bytes());
    let _ = decode_socket(&shared, &[]);
    let _ = Payload { text: shared, attachments: Vec::new() }.raw_event_name().len();
    let _ = json::check(text, JsonRules { nan_literals: true, ..RULES });
    json::placeholders(text, &mut |_| {});
}

fn encode_socket(packet: &Packet) -> Text {
    let mut encoded = Vec::new();
    packet.encode(&mut encoded);
    Text::from_utf8(encoded.into()).expect("an encoded packet is text")
}

/// `None` if it is refused, or waits for more attachments than there are.
fn decode_socket(text: &Text, attachments: &[Bytes]) -> Option<Packet> {
    let mut decoded = Packet::decode(text, RULES, &Limits::default()).ok()?;
    for attachment in attachments {
        let Decoded::Awaiting(reassembly) = decoded else { break };
        decoded = match reassembly.push(attachment.clone(), &Limits::default()).ok()? {
            Ok(packet) => Decoded::Whole(packet),
            Err(reassembly) => Decoded::Awaiting(reassembly),
        };
    }
    match decoded {
        Decoded::Whole(packet) => Some(packet),
        Decoded::Awaiting(_) => None,
    }
}

/// What a client's form does to a payload: newlines are escaped, escaped ones twice, the rest is percent-encoded.
fn jsonp_form(text: &str) -> String {
    let text = text.replace("\\n", "\\\\n").replace('\n', "\\n");
    let mut form = "d=".to_owned();
    for byte in text.bytes() {
        match byte {
            b' ' => form.push('+'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => form.push(byte.into()),
            _ => form += &format!("%{byte:02X}"),
        }
    }
    form
}

fn collect_placeholders(value: &serde_json::Value, into: &mut Vec<String>) {
    match value {
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect_placeholders(item, into)),
        serde_json::Value::Object(object) => {
            object.values().for_each(|item| collect_placeholders(item, into));
            if object.get("_placeholder") == Some(&true.into()) {
                into.push(object.get("num").map_or_else(String::new, ToString::to_string));
            }
        }
        _ => {}
    }
}

fn revision() -> impl Strategy<Value = Revision> {
    prop_oneof![Just(Revision::V3), Just(Revision::V4)]
}

fn engine_packet() -> impl Strategy<Value = engine::Packet> {
    use engine::Packet;

    prop_oneof![
        engine_text().prop_map(Packet::Open),
        Just(Packet::Close),
        engine_text().prop_map(Packet::Ping),
        engine_text().prop_map(Packet::Pong),
        engine_text().prop_map(Packet::Message),
        vec(any::<u8>(), 0..40).prop_map(|data| Packet::Binary(data.into())),
        Just(Packet::Upgrade),
        Just(Packet::Noop),
    ]
}

/// Any text but for what two formats lose by design: the separator of v4 payloads, and (JSONP) a backslash before a newline.
fn engine_text() -> impl Strategy<Value = Text> {
    let text = prop_oneof![any::<String>(), "[€😀a\\\\n:\"]{0,12}"];
    text.prop_map(|text| text.replace('\u{1e}', "").replace("\\\n", "\n").as_str().into())
        .prop_filter("a backslash before a newline", |text: &Text| !text.contains("\\\n"))
}

prop_compose! {
    fn a_handshake()(
        random: [u8; 15],
        upgrades in vec(prop_oneof![Just(Transport::Polling), Just(Transport::WebSocket)], 0..3),
        interval in 1_u64..2_000_000,
        timeout in 0_u64..2_000_000,
        max_payload in 1_u64..,
    ) -> Handshake {
        Handshake {
            sid: handshake::session_id(random),
            upgrades,
            ping_interval: Duration::from_secs(interval),
            ping_timeout: Duration::from_secs(timeout),
            max_payload,
        }
    }
}

fn socket_packet() -> impl Strategy<Value = Packet> {
    prop_oneof![
        (namespace(), option::of(json_object())).prop_map(|(nsp, data)| Packet::Connect { nsp, data }),
        namespace().prop_map(|nsp| Packet::Disconnect { nsp }),
        (namespace(), option::of(ack_id()), event_payload()).prop_map(|(nsp, id, payload)| Packet::Event {
            nsp,
            id,
            payload
        }),
        (namespace(), ack_id(), payload(vec(json_value(), 0..4))).prop_map(|(nsp, id, payload)| Packet::Ack {
            nsp,
            id,
            payload
        }),
        (namespace(), json_value()).prop_map(|(nsp, data)| Packet::ConnectError { nsp, data: data.to_string().into() }),
    ]
}

fn namespace() -> impl Strategy<Value = Text> {
    prop_oneof![Just("/".to_owned()), "/[a-z/?=€\\[\"0-9-]{0,8}"].prop_map(Text::from)
}

fn ack_id() -> impl Strategy<Value = u64> {
    prop_oneof![0_u64..100, 0..1_u64 << 53]
}

fn event_payload() -> impl Strategy<Value = Payload> {
    let name = prop_oneof!["[a-z]{0,8}".prop_map(serde_json::Value::from), any::<i32>().prop_map(Into::into)];
    payload((name, vec(json_value(), 0..4)).prop_map(|(name, arguments)| {
        let mut items = vec![name];
        items.extend(arguments);
        items
    }))
}

/// Items, and at least as many attachments as any placeholder among them asks for.
fn payload(items: impl Strategy<Value = Vec<serde_json::Value>>) -> impl Strategy<Value = Payload> {
    (items, vec(vec(any::<u8>(), 0..10), 0..4)).prop_map(|(items, mut attachments)| {
        let value = serde_json::Value::from(items);
        let mut nums = Vec::new();
        collect_placeholders(&value, &mut nums);
        let largest = nums.iter().filter_map(|num| num.parse::<usize>().ok()).max();
        if !attachments.is_empty() {
            attachments.resize(attachments.len().max(largest.map_or(0, |num| num + 1)), Vec::new());
        }
        Payload { text: value.to_string().into(), attachments: attachments.into_iter().map(Bytes::from).collect() }
    })
}

fn json_object() -> impl Strategy<Value = Text> {
    json_value().prop_map(|value| serde_json::json!({ "value": value }).to_string().into())
}

/// Values with placeholders among them.
fn json_value() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::{Value, json};

    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        (0..5_usize).prop_map(|num| json!({ "_placeholder": true, "num": num })),
        (0..5_usize).prop_map(|num| json!({ "_placeholder": false, "num": num })),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let key = prop_oneof![any::<String>(), Just("num".to_owned()), Just("a".to_owned())];
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((key, inner), 0..4).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Texts of the parts of JSON, few of them JSON.
fn json_like() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        4 => prop::sample::select(vec!["[", "]", "{", "}", ",", ":", "\"a\"", "\"a\":", "1", " ", "\n"]),
        1 => prop::sample::select(vec![
            "true", "null", "false", "-", "0", ".", "e", "E+", "1.5", "1e400", "-0", "\"", "\\", "\\u", "\"\\ud800\"",
            "\"\\ud83d\\ude00\"", "\"\\u00e9\"", "\"€\"", "\"\t\"", "NaN", "Infinity", "\"_placeholder\":", "\"num\":",
            "\u{7f}", "\u{0}", "\u{a0}", "{\"_placeholder\":true,\"num\":0}",
        ]),
    ];
    let broken = vec(token, 0..16).prop_map(|tokens| tokens.concat());
    let nearly =
        (json_value(), any::<prop::sample::Index>(), "[\\[\\]{},:\"0-9 \\\\]{0,2}").prop_map(|(value, at, insert)| {
            let mut text = value.to_string();
            let mut at = at.index(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            text.insert_str(at, &insert);
            text
        });
    prop_oneof![broken, nearly]
}

/// Texts of the parts of a Socket.IO packet.
fn socket_like() -> impl Strategy<Value = String> {
    let head = "[0-79]?([0-9]{1,2}-)?(/[a-z?]{0,3},?)?[0-9]{0,17} ?";
    let name = prop_oneof![Just("[\"x\",".to_owned()), Just("[".to_owned()), Just(String::new())];
    (head, name, json_like()).prop_map(|(head, name, rest)| match name.as_str() {
        "" => head + &rest,
        name => format!("{head}{name}{rest}]"),
    })
}
