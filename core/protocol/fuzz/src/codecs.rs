//! One function for each decoder.

use bytes::Bytes;
use ferrio_protocol::engine::{Frame, Handshake, Packet, Revision, payload};
use ferrio_protocol::socket::json::{self, JsonRules, Shape};
use ferrio_protocol::socket::{self, Decoded};
use ferrio_protocol::{Dialect, Limits, ProtocolError, Text};

/// The first byte says which revision, and whether text or binary.
pub(crate) fn engine_packet(data: &[u8]) {
    let Some((&mode, data)) = data.split_first() else { return };
    let revision = if mode & 1 == 0 { Revision::V4 } else { Revision::V3 };
    let frame = match mode & 2 {
        0 => Frame::Text(text(data)),
        _ => Frame::Binary(Bytes::copy_from_slice(data)),
    };
    if let Ok(packet) = Packet::decode(frame, revision) {
        for base64 in [false, true] {
            let again = Packet::decode(packet.encode(revision, base64), revision);
            assert_eq!(again.as_ref(), Ok(&packet));
        }
    }
}

pub(crate) fn payload_v4(data: &[u8]) {
    check_payload(data, Revision::V4, false);
}

pub(crate) fn payload_v3_text(data: &[u8]) {
    check_payload(data, Revision::V3, false);
}

pub(crate) fn payload_v3_binary(data: &[u8]) {
    check_payload(data, Revision::V3, true);
}

pub(crate) fn jsonp(data: &[u8]) {
    if let Ok(body) = payload::decode_jsonp(data) {
        assert!(std::str::from_utf8(&body).is_ok());
    }
    let script = payload::encode_jsonp(&Bytes::copy_from_slice(data), 7);
    let script = std::str::from_utf8(&script).expect("a script is text");
    assert!(!script.contains(['\n', '\r', '\u{2028}', '\u{2029}']));
    let argument = script.strip_prefix("___eio[7](").and_then(|rest| rest.strip_suffix(");")).expect("a call");
    let read: String = serde_json::from_str(argument).expect("a string");
    assert_eq!(read, String::from_utf8_lossy(data));
}

pub(crate) fn handshake(data: &[u8]) {
    if let Ok(handshake) = Handshake::decode(&text(data)) {
        // Fractions of a millisecond may be lost once.
        let again = Handshake::decode(&handshake.encode(Dialect::Node)).expect("our own handshake");
        assert_eq!(Handshake::decode(&again.encode(Dialect::Node)), Ok(again));
    }
}

pub(crate) fn json(data: &[u8]) {
    let text = text(data);
    let _ = json::check(&text, JsonRules { max_depth: 128, nan_literals: true });
    let mut count = 0;
    json::placeholders(&text, &mut |_| count += 1);
    assert!(count <= text.len());

    // serde_json nests one level less, and refuses half surrogate pairs and numbers beyond a float's range.
    let ours = json::check(&text, JsonRules { max_depth: 127, nan_literals: false });
    match (ours, serde_json::from_str::<serde_json::Value>(&text)) {
        (Ok(shape), Ok(value)) => assert_eq!(matches!(shape, Shape::Array(_)), value.is_array()),
        (Ok(_), Err(error)) => {
            let error = error.to_string();
            let known = ["surrogate", "end of hex escape", "out of range"].iter().any(|known| error.contains(known));
            assert!(known, "only serde refuses: {error}");
        }
        (Err(error), Ok(_)) => panic!("only we refuse: {error}"),
        (Err(_), Err(_)) => {}
    }
}

/// A text and its attachments, separated by `0xff`, which no text contains.
pub(crate) fn socket_packet(data: &[u8]) {
    let mut parts = data.split(|&byte| byte == 0xff);
    let text = text(parts.next().unwrap_or_default());
    let attachments: Vec<_> = parts.map(Bytes::copy_from_slice).collect();
    if let Ok(Some(packet)) = decode_socket(&text, &attachments) {
        let mut encoded = Vec::new();
        packet.encode(&mut encoded);
        let encoded = Text::from_utf8(encoded.into()).expect("an encoded packet is text");
        assert_eq!(decode_socket(&encoded, packet.attachments()), Ok(Some(packet)));
    }
}

/// A whole packet.
pub(crate) fn msgpack(data: &[u8]) {
    let rules = JsonRules { max_depth: 128, nan_literals: false };
    let decode = |bytes: &Bytes| socket::msgpack::decode(bytes, rules, &Limits::default());
    if let Ok(packet) = decode(&Bytes::copy_from_slice(data)) {
        let again = decode(&socket::msgpack::encode(&packet)).expect("our own packet");
        // A map that looks like a placeholder, beside a real attachment, becomes one more attachment.
        if packet.attachments().is_empty() {
            assert_eq!(again, packet);
        } else {
            assert!(again.attachments().len() >= packet.attachments().len().min(1));
        }
    }
}

fn decode_socket(text: &Text, attachments: &[Bytes]) -> Result<Option<socket::Packet>, ProtocolError> {
    let rules = JsonRules { max_depth: 128, nan_literals: false };
    let mut decoded = socket::Packet::decode(text, rules, &Limits::default())?;
    let mut attachments = attachments.iter();
    loop {
        decoded = match (decoded, attachments.next()) {
            (Decoded::Whole(packet), _) => {
                if let socket::Packet::Event { payload, .. } = &packet {
                    assert!(!payload.raw_event_name().is_empty());
                }
                return Ok(Some(packet));
            }
            (Decoded::Awaiting(_), None) => return Ok(None),
            (Decoded::Awaiting(reassembly), Some(attachment)) => {
                match reassembly.push(attachment.clone(), &Limits::default())? {
                    Ok(packet) => Decoded::Whole(packet),
                    Err(reassembly) => Decoded::Awaiting(reassembly),
                }
            }
        };
    }
}

fn check_payload(data: &[u8], revision: Revision, binary: bool) {
    let limits = Limits::default();
    let (packets, _) = payload::decode(Bytes::copy_from_slice(data), revision, binary, &limits);
    assert!(packets.len() <= limits.packets_per_payload);
    if packets.is_empty() {
        return;
    }
    for base64 in [false, true] {
        let body = payload::encode(&packets, revision, base64);
        let (again, result) = payload::decode(body.bytes, revision, body.binary, &limits);
        assert_eq!((&again, result), (&packets, Ok(())));
    }
}

fn text(data: &[u8]) -> Text {
    Text::from(&*String::from_utf8_lossy(data))
}
