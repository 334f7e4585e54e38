//! Where mutation begins: every wire of the transcripts.

use ferrio_protocol::socket::json::JsonRules;
use ferrio_protocol::socket::{Decoded, Packet, msgpack};
use ferrio_protocol::{Limits, Text};

macro_rules! transcript {
    ($name:literal) => {
        include_str!(concat!("../../tests/transcripts/", $name, ".txt"))
    };
}

pub(crate) fn engine_packet() -> Vec<Vec<u8>> {
    let tables = [(0, transcript!("engine-v4")), (1, transcript!("engine-v3"))];
    let wires = tables.into_iter().flat_map(|(revision, table)| wires(table).map(move |wire| (revision, wire)));
    wires
        .map(|(revision, (binary, wire))| {
            let mode = revision | if binary { 2 } else { 0 };
            [vec![mode], wire].concat()
        })
        .collect()
}

pub(crate) fn payload_v4() -> Vec<Vec<u8>> {
    contents(transcript!("payload-v4"))
}

pub(crate) fn payload_v3_text() -> Vec<Vec<u8>> {
    contents(transcript!("payload-v3"))
}

pub(crate) fn payload_v3_binary() -> Vec<Vec<u8>> {
    contents(transcript!("payload-v3-binary"))
}

pub(crate) fn jsonp() -> Vec<Vec<u8>> {
    [contents(transcript!("jsonp-in")), contents(transcript!("jsonp-out"))].concat()
}

pub(crate) fn handshake() -> Vec<Vec<u8>> {
    contents(transcript!("handshake"))
}

/// The payloads of Socket.IO packets: what stands from the first bracket or quote on.
pub(crate) fn json() -> Vec<Vec<u8>> {
    let mut all = handshake();
    for (_, wire) in wires(transcript!("socket")).chain(wires(transcript!("socket-binary"))) {
        all.extend(wire.iter().position(|byte| b"[{\"".contains(byte)).map(|start| wire[start..].to_vec()));
    }
    all
}

pub(crate) fn socket_packet() -> Vec<Vec<u8>> {
    let mut all = contents(transcript!("socket"));
    for (_, wire) in wires(transcript!("socket-binary")) {
        let text = String::from_utf8(wire).expect("a transcript of text");
        let parts: Vec<_> = text.split(" + ").map(str::as_bytes).collect();
        all.push(parts.join(&0xff));
    }
    all
}

/// The packets of the transcripts, packed.
pub(crate) fn msgpack() -> Vec<Vec<u8>> {
    let rules = JsonRules { max_depth: 128, nan_literals: false };
    let mut all: Vec<Vec<u8>> = MSGPACK.iter().map(|packed| packed.to_vec()).collect();
    for wire in contents(transcript!("socket")) {
        let Ok(text) = Text::from_utf8(wire.into()) else { continue };
        if let Ok(Decoded::Whole(packet)) = Packet::decode(&text, rules, &Limits::default()) {
            all.push(msgpack::encode(&packet).to_vec());
        }
    }
    all
}

/// What the codec of npm writes and ours does not.
const MSGPACK: [&[u8]; 3] = [
    b"\x85\xa4type\x02\xa4data\x92\xa1q\x83\xa1u\xd4\x00\x00\xa1n\xc0\xa1b\xc4\x02zz\xa7options\x81\xa8compress\xc3\xa2id\x00\xa3nsp\xa1/",
    b"\x83\xa4type\x02\xa4data\x93\xa1x\xd7\x00\x00\x00\x00\x00\x00\x00\x00\x00\xd6\xff\x39\x45\x79\x80\xa3nsp\xa1/",
    b"\x83\xa4type\x02\xa4data\x94\xa1x\xc7\x02\x00ab\xca\x3f\xc0\x00\x00\xdc\x00\x01\xd0\xdf\xa3nsp\xa1/",
];

pub(crate) fn session() -> Vec<Vec<u8>> {
    crate::session::seeds(&contents(transcript!("engine-v4")), &contents(transcript!("socket")))
}

fn contents(table: &'static str) -> Vec<Vec<u8>> {
    wires(table).map(|(_, wire)| wire).collect()
}

/// The left sides of a transcript (`tests/transcripts.rs` says how to read it), and whether they are binary.
fn wires(table: &'static str) -> impl Iterator<Item = (bool, Vec<u8>)> {
    table.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (wire, _) = line.split_once("-->").or_else(|| line.split_once("<->"))?;
        let wire = wire.trim();
        match wire.strip_prefix("binary") {
            Some(wire) => Some((true, unescape(wire.trim_start()))),
            None => Some((false, unescape(wire))),
        }
    })
}

fn unescape(notation: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = notation.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = rest.get(1..3).filter(|_| first == b'<' && rest.get(3) == Some(&b'>'));
        let escape = digits.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(escape.unwrap_or(first));
        rest = if escape.is_some() { &rest[4..] } else { after };
    }
    bytes
}
