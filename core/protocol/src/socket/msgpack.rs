//! Socket.IO packets as MessagePack instead of text: each packet is one binary message of Engine.IO, a map of `type`, `data`,
//! `nsp` and `id`. Attachments stand where they belong, as `bin`.
//!
//! The wire is that of the npm package `socket.io-msgpack-parser` and of python-socketio's `msgpack` serializer. Inside, an
//! event is sealed as ever: JSON text and attachments ([`Payload`](super::Payload)). What JSON has not got becomes what it
//! would be in JSON: a time its ISO text; `undefined` is null in an array and left out of an object.

mod pack;
mod time;
mod unpack;

use bytes::Bytes;

use super::json::{self, JsonRules};
use super::packet::{Kind, Packet};
use crate::error::ProtocolError;
use crate::limits::{Limit, Limits, MAX_ACK_ID};
use crate::text::Text;

use self::unpack::{Reader, Unpacked};

/// Encodes a packet.
pub fn encode(packet: &Packet) -> Bytes {
    let (kind, id, data) = packet.parts();
    let mut packed = Vec::with_capacity(packet.encoded_room() + ENVELOPE);
    // A vector takes whatever is written to it.
    pack::map(&mut packed, 2 + u32::from(data.is_some()) + u32::from(id.is_some()));
    pack::text(&mut packed, "type");
    pack::number(&mut packed, kind.without_binary() as u64);
    if let Some(data) = data {
        pack::text(&mut packed, "data");
        packed = pack::value(packed, data, packet.attachments());
    }
    pack::text(&mut packed, "nsp");
    pack::text(&mut packed, packet.nsp());
    if let Some(id) = id {
        pack::text(&mut packed, "id");
        pack::number(&mut packed, id);
    }
    packed.into()
}

/// Decodes a binary message. Attachments of the result share its memory.
///
/// # Errors
/// What is no packet, with the error texts of `socket.io-msgpack-parser`; limits exceeded.
pub fn decode(message: &Bytes, rules: JsonRules, limits: &Limits) -> Result<Packet, ProtocolError> {
    let mut reader = Reader::new(message, rules);
    let entries = reader.map().ok_or(ProtocolError::socket("invalid packet type"))?;
    let (mut kind, mut nsp, mut id, mut data) = (None, None, None, Unpacked::default());
    for _ in 0..entries {
        match reader.text().ok_or(MALFORMED)? {
            "type" => kind = reader.whole_number(),
            "nsp" => nsp = Some(reader.text().ok_or(ProtocolError::socket("invalid namespace"))?),
            "id" => id = reader.whole_number_if_any().ok_or(ProtocolError::socket("invalid packet id"))?,
            "data" => data = reader.value()?,
            // What a program said about compression, say.
            _ => drop(reader.value()?),
        }
    }
    if !reader.is_at_end() {
        return Err(MALFORMED);
    }
    let kind = kind.and_then(Kind::packed).ok_or(ProtocolError::socket("invalid packet type"))?;
    let nsp = nsp.filter(|nsp| nsp.starts_with('/')).ok_or(ProtocolError::socket("invalid namespace"))?;
    if nsp.split_once('?').map_or(nsp, |(name, _)| name).len() > limits.namespace_name {
        return Err(ProtocolError::socket("namespace name too long").over(Limit::NamespaceName));
    }
    if id.is_some_and(|id| id > MAX_ACK_ID) {
        return Err(ProtocolError::socket("ack id too large"));
    }
    let Unpacked { json, attachments } = data;
    let nothing = matches!(kind, Kind::Connect | Kind::Disconnect) && json == "null";
    let data = match json {
        // python-socketio says it has none.
        json if json.is_empty() || nothing => None,
        json => {
            let shape = json::check(&json, rules)?;
            Some((Text::from(json), shape))
        }
    };
    Packet::assemble(kind, Text::from(nsp), id, data, limits)?.with_attachments(attachments)
}

const MALFORMED: ProtocolError = ProtocolError::socket("malformed msgpack");

/// Room for the keys.
const ENVELOPE: usize = 32;

#[cfg(test)]
mod tests;
