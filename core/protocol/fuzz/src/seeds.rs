//! Where mutation begins: every wire of the transcripts.

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
