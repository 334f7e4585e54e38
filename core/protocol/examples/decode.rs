//! What ferrio makes of packets, for the comparison with npm's parsers (tests/differential): one JSON list of frames a line comes
//! in, one JSON value a line goes out. A frame is text, or `{"hex": …}`. Built as `ferrio-decode`.
//!
//! `["sio", frames]` is one Socket.IO packet with its attachments, `["eio", frame]` one Engine.IO packet, `["payload", text]` a
//! body of Engine.IO 4.

use std::io::{self, BufRead, Write};

use bytes::Bytes;
use ferrio_protocol::engine::{Frame, Packet as EnginePacket, Revision, payload};
use ferrio_protocol::socket::json::JsonRules;
use ferrio_protocol::socket::{Decoded, Packet};
use ferrio_protocol::{Limits, ProtocolError, Text};
use serde_json::{Value, json};

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let question: (String, Vec<Value>) = serde_json::from_str(&line?)?;
        let frames: Vec<Frame> = question.1.iter().map(frame).collect();
        let answer = match question.0.as_str() {
            "sio" => socket_packet(&frames),
            "eio" => engine_packet(&frames[0]).map(|packet| engine_value(&packet)),
            _ => Ok(packets(&frames[0])),
        };
        writeln!(out, "{}", answer.unwrap_or_else(|error| json!({ "refused": error.to_string() })))?;
    }
    Ok(())
}

fn frame(value: &Value) -> Frame {
    match value.as_str() {
        Some(text) => Frame::Text(Text::from(text)),
        None => Frame::Binary(bytes(value["hex"].as_str().unwrap_or_default())),
    }
}

fn bytes(hex: &str) -> Bytes {
    (0..hex.len() / 2).map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap_or_default()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn engine_packet(frame: &Frame) -> Result<EnginePacket, ProtocolError> {
    EnginePacket::decode(frame.clone(), Revision::V4)
}

fn engine_value(packet: &EnginePacket) -> Value {
    match packet {
        EnginePacket::Open(data) => json!({ "type": "open", "data": data.as_str() }),
        EnginePacket::Close => json!({ "type": "close" }),
        EnginePacket::Ping(data) => json!({ "type": "ping", "data": data.as_str() }),
        EnginePacket::Pong(data) => json!({ "type": "pong", "data": data.as_str() }),
        EnginePacket::Message(data) => json!({ "type": "message", "data": data.as_str() }),
        EnginePacket::Binary(data) => json!({ "type": "message", "hex": hex(data) }),
        EnginePacket::Upgrade => json!({ "type": "upgrade" }),
        EnginePacket::Noop => json!({ "type": "noop" }),
    }
}

/// The packets of a payload, up to the first that cannot be read.
fn packets(frame: &Frame) -> Value {
    let body = match frame {
        Frame::Text(text) => Bytes::copy_from_slice(text.as_bytes()),
        Frame::Binary(bytes) => bytes.clone(),
    };
    let (packets, end) = payload::decode(body, Revision::V4, false, &Limits::default());
    json!({ "packets": packets.iter().map(engine_value).collect::<Vec<_>>(), "whole": end.is_ok() })
}

fn socket_packet(frames: &[Frame]) -> Result<Value, ProtocolError> {
    let (limits, rules) = (Limits::default(), JsonRules { max_depth: 128, nan_literals: false });
    let mut state = None;
    for frame in frames {
        state = Some(match (state, frame) {
            (None, Frame::Text(text)) => Packet::decode(text, rules, &limits)?,
            (None, Frame::Binary(_)) => {
                return Err(ProtocolError::socket("got binary data when not reconstructing a packet"));
            }
            (Some(Decoded::Awaiting(reassembly)), Frame::Binary(bytes)) => {
                match reassembly.push(bytes.clone(), &limits)? {
                    Ok(packet) => Decoded::Whole(packet),
                    Err(reassembly) => Decoded::Awaiting(reassembly),
                }
            }
            (Some(Decoded::Awaiting(_)), Frame::Text(_)) => {
                return Err(ProtocolError::socket("got plaintext data when reconstructing a packet"));
            }
            (Some(Decoded::Whole(_)), _) => return Err(ProtocolError::socket("more frames than one packet")),
        });
    }
    Ok(match state {
        Some(Decoded::Whole(packet)) => socket_value(&packet),
        Some(Decoded::Awaiting(_)) | None => json!({ "waits": true }),
    })
}

/// `json` is text, as the language of the handler gets it.
fn socket_value(packet: &Packet) -> Value {
    let (kind, id, json, attachments) = match packet {
        Packet::Connect { data, .. } => (0, None, data.as_ref(), &[][..]),
        Packet::Disconnect { .. } => (1, None, None, &[][..]),
        Packet::Event { id, payload, .. } => (2, *id, Some(&payload.text), &payload.attachments[..]),
        Packet::Ack { id, payload, .. } => (3, Some(*id), Some(&payload.text), &payload.attachments[..]),
        Packet::ConnectError { data, .. } => (4, None, Some(data), &[][..]),
    };
    let attachments: Vec<String> = attachments.iter().map(|bytes| hex(bytes)).collect();
    json!({ "type": kind, "nsp": packet.nsp().as_str(), "id": id, "json": json.map(|text| text.as_str()), "attachments": attachments })
}
