//! The codecs against tables of what stands on the wire and what it means: `transcripts/*.txt`.
//!
//! One case a line; `#` begins a comment.
//!
//! ```text
//! wire  <->  meaning      decodes to this, and encodes back to the same wire
//! wire  -->  meaning      decodes to this
//! ```
//!
//! `<1e>` stands for a byte in hexadecimal; white space around either side does not count. A wire that begins with `binary`
//! is a binary frame or body. Several packets are joined by ` | `, attachments by ` + `.

use bytes::Bytes;
use ferrio_protocol::engine::{self, Frame, Handshake, Revision, payload};
use ferrio_protocol::socket::json::JsonRules;
use ferrio_protocol::socket::{Decoded, Packet};
use ferrio_protocol::{Dialect, Limits, ProtocolError, Text};

#[test]
fn engine_v4() {
    check("engine-v4.txt", include_str!("transcripts/engine-v4.txt"), |wire| engine_packet(wire, Revision::V4));
}

#[test]
fn engine_v3() {
    check("engine-v3.txt", include_str!("transcripts/engine-v3.txt"), |wire| engine_packet(wire, Revision::V3));
}

#[test]
fn payload_v4() {
    check("payload-v4.txt", include_str!("transcripts/payload-v4.txt"), |wire| engine_payload(wire, Revision::V4));
}

#[test]
fn payload_v3() {
    check("payload-v3.txt", include_str!("transcripts/payload-v3.txt"), |wire| engine_payload(wire, Revision::V3));
}

#[test]
fn payload_v3_binary() {
    let table = include_str!("transcripts/payload-v3-binary.txt");
    check("payload-v3-binary.txt", table, |wire| engine_payload(wire, Revision::V3));
}

#[test]
fn handshake() {
    check("handshake.txt", include_str!("transcripts/handshake.txt"), |wire| {
        match Handshake::decode(&Text::from_utf8(wire.bytes).expect("a handshake is text")) {
            Ok(handshake) => {
                let upgrades: Vec<_> = handshake.upgrades.iter().map(|upgrade| upgrade.as_str()).collect();
                let Handshake { sid, ping_interval, ping_timeout, max_payload, .. } = &handshake;
                let upgrades = upgrades.join(",");
                let meaning = format!(
                    "sid={sid} upgrades={upgrades} interval={ping_interval:?} timeout={ping_timeout:?} max={max_payload}"
                );
                Reading { meaning: meaning.into(), again: Some(Wire::text(handshake.encode(Dialect::Node))) }
            }
            Err(error) => Reading::error(&error),
        }
    });
}

#[test]
fn jsonp_in() {
    check("jsonp-in.txt", include_str!("transcripts/jsonp-in.txt"), |wire| match payload::decode_jsonp(&wire.bytes) {
        Ok(body) => Reading { meaning: body.into(), again: None },
        Err(error) => Reading::error(&error),
    });
}

#[test]
fn jsonp_out() {
    check("jsonp-out.txt", include_str!("transcripts/jsonp-out.txt"), |wire| Reading {
        meaning: payload::encode_jsonp(&wire.bytes, 7).into(),
        again: None,
    });
}

#[test]
fn socket() {
    check("socket.txt", include_str!("transcripts/socket.txt"), socket_packet);
}

#[test]
fn socket_binary() {
    check("socket-binary.txt", include_str!("transcripts/socket-binary.txt"), socket_packet);
}

fn engine_packet(wire: Wire, revision: Revision) -> Reading {
    let frame = match wire.binary {
        true => Frame::Binary(wire.bytes),
        false => Frame::Text(Text::from_utf8(wire.bytes).expect("a text frame is UTF-8")),
    };
    match engine::Packet::decode(frame, revision) {
        Ok(packet) => {
            let again = match packet.encode(revision, false) {
                Frame::Text(text) => Wire::text(text),
                Frame::Binary(bytes) => Wire { binary: true, bytes },
            };
            Reading { meaning: engine_meaning(&packet), again: Some(again) }
        }
        Err(error) => Reading::error(&error),
    }
}

fn engine_payload(wire: Wire, revision: Revision) -> Reading {
    let (packets, result) = payload::decode(wire.bytes, revision, wire.binary, &Limits::default());
    let mut parts: Vec<_> = packets.iter().map(engine_meaning).collect();
    if let Err(error) = result {
        parts.push(Reading::error(&error).meaning);
    } else if parts.is_empty() {
        parts.push(b"(none)".to_vec());
    }
    let again = payload::encode(&packets, revision, false);
    Reading { meaning: parts.join(&b" | "[..]), again: Some(Wire { binary: again.binary, bytes: again.bytes }) }
}

fn engine_meaning(packet: &engine::Packet) -> Vec<u8> {
    use engine::Packet;

    let (name, data) = match packet {
        Packet::Open(data) => ("open", data.as_bytes()),
        Packet::Close => ("close", &Bytes::new()),
        Packet::Ping(data) => ("ping", data.as_bytes()),
        Packet::Pong(data) => ("pong", data.as_bytes()),
        Packet::Message(data) => ("message", data.as_bytes()),
        Packet::Binary(data) => ("binary", data),
        Packet::Upgrade => ("upgrade", &Bytes::new()),
        Packet::Noop => ("noop", &Bytes::new()),
    };
    if data.is_empty() { name.into() } else { [name.as_bytes(), b" ", data].concat() }
}

fn socket_packet(wire: Wire) -> Reading {
    let whole = Text::from_utf8(wire.bytes).expect("a Socket.IO packet is text");
    let mut parts = whole.split(" + ");
    let text = Text::from(parts.next().unwrap_or_default());
    match decode_socket(&text, parts) {
        Ok(Decoded::Whole(packet)) => {
            let mut again = Vec::new();
            packet.encode(&mut again);
            append_attachments(&packet, &mut again);
            Reading { meaning: socket_meaning(&packet), again: Some(Wire { binary: false, bytes: again.into() }) }
        }
        Ok(Decoded::Awaiting(reassembly)) => {
            Reading { meaning: format!("awaiting {}", reassembly.awaited()).into(), again: None }
        }
        Err(error) => Reading::error(&error),
    }
}

fn decode_socket<'a>(text: &Text, attachments: impl Iterator<Item = &'a str>) -> Result<Decoded, ProtocolError> {
    let rules = JsonRules { max_depth: 128, nan_literals: false };
    let mut decoded = Packet::decode(text, rules, &Limits::default())?;
    for attachment in attachments {
        let Decoded::Awaiting(reassembly) = decoded else { panic!("an attachment too many in the transcript") };
        decoded = match reassembly.push(Bytes::copy_from_slice(attachment.as_bytes()), &Limits::default())? {
            Ok(packet) => Decoded::Whole(packet),
            Err(reassembly) => Decoded::Awaiting(reassembly),
        };
    }
    Ok(decoded)
}

fn socket_meaning(packet: &Packet) -> Vec<u8> {
    let (name, id, data) = match packet {
        Packet::Connect { data, .. } => ("connect", None, data.as_ref()),
        Packet::Disconnect { .. } => ("disconnect", None, None),
        Packet::Event { id, payload, .. } => ("event", *id, Some(&payload.text)),
        Packet::Ack { id, payload, .. } => ("ack", Some(*id), Some(&payload.text)),
        Packet::ConnectError { data, .. } => ("connect_error", None, Some(data)),
    };
    let mut meaning = format!("{name} {}", packet.nsp());
    if let Some(id) = id {
        meaning += &format!(" id={id}");
    }
    if let Some(data) = data {
        meaning += &format!(" {data}");
    }
    let mut meaning = meaning.into_bytes();
    append_attachments(packet, &mut meaning);
    meaning
}

fn append_attachments(packet: &Packet, to: &mut Vec<u8>) {
    for attachment in packet.attachments() {
        to.extend_from_slice(b" + ");
        to.extend_from_slice(attachment);
    }
}

/// What was read from a wire, and the wire that it makes.
struct Reading {
    meaning: Vec<u8>,
    again: Option<Wire>,
}

impl Reading {
    fn error(error: &ProtocolError) -> Self {
        Self { meaning: format!("error {error}").into(), again: None }
    }
}

struct Wire {
    binary: bool,
    bytes: Bytes,
}

impl Wire {
    fn parse(notation: &str) -> Self {
        match notation.strip_prefix("binary") {
            Some(rest) => Self { binary: true, bytes: unescape(rest.trim_start()).into() },
            None => Self { binary: false, bytes: unescape(notation).into() },
        }
    }

    fn text(text: Text) -> Self {
        Self { binary: false, bytes: text.into_bytes() }
    }
}

fn check(file: &str, table: &str, read: impl Fn(Wire) -> Reading) {
    let mut failures = Vec::new();
    for (index, line) in table.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let mut fail = |what: &str, found: &[u8]| {
            failures.push(format!("{file}:{}: {line}\n    {what}: {}", index + 1, found.escape_ascii()));
        };
        let (both_ways, wire, meaning) = match (line.split_once("<->"), line.split_once("-->")) {
            (Some((wire, meaning)), None) => (true, wire.trim(), meaning.trim()),
            (None, Some((wire, meaning))) => (false, wire.trim(), meaning.trim()),
            _ => panic!("{file}:{}: no arrow, or two", index + 1),
        };
        let reading = read(Wire::parse(wire));
        if reading.meaning != unescape(meaning) {
            fail("decoded to", &reading.meaning);
        }
        let wire = Wire::parse(wire);
        match reading.again {
            _ if !both_ways => {}
            Some(again) if again.binary == wire.binary && again.bytes == wire.bytes => {}
            Some(again) => fail("encoded to", &again.bytes),
            None => fail("encoded to", b"nothing"),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// `<1e>` becomes the byte it names.
fn unescape(notation: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = notation.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escape = match rest {
            [b'<', high, low, b'>', ..] => {
                std::str::from_utf8(&[*high, *low]).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok())
            }
            _ => None,
        };
        bytes.push(escape.unwrap_or(first));
        rest = if escape.is_some() { &rest[4..] } else { after };
    }
    bytes
}
