//! One Socket.IO packet encoded once, to be shared by every receiver.
//!
//! A server's WebSocket frames are not masked, so they are the same bytes for everybody: the frame is written around the
//! packet at encoding time, and long-polling takes the packet out of it again by slicing.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use smallvec::SmallVec;

use crate::engine::{self, Frame, Revision};
use crate::socket::{Packet, Payload, Serializer, msgpack};
use crate::text::Text;

/// Longest WebSocket header of a server: two bytes and a 64-bit length.
const HEADER_ROOM: usize = 10;

/// An encoded Socket.IO packet with its attachments: one item everywhere, never split, never interleaved. (As MessagePack, all
/// of it is one binary message.) Or, without Socket.IO, a text message and binary ones behind it, any of which may be missing.
#[derive(Debug)]
pub struct Message {
    /// The text frame: WebSocket header, `4`, packet. Empty where there is no text.
    frame: Bytes,
    /// Where the `4` stands in `frame`.
    body: usize,
    attachments: Vec<Bytes>,
    /// Frames of the attachments, made when a WebSocket first wants them: v3 and v4 differ by a type byte.
    binary: [OnceLock<Vec<Bytes>>; 2],
    receipt: Option<Receipt>,
}

/// Dropped when the last of a message's receivers has handed it to its transport, or has ended. That may happen with locks
/// held: the drop may only queue.
pub type Receipt = Box<dyn Any + Send + Sync>;

impl Message {
    /// Encodes a packet.
    pub fn new(packet: Packet, serializer: Serializer) -> Self {
        match serializer {
            Serializer::Json => {
                let (frame, body) = text_frame(packet.encoded_room(), |buffer| packet.encode(buffer));
                Self::with(frame, body, packet.into_attachments())
            }
            Serializer::MsgPack => Self::with(Bytes::new(), 0, vec![msgpack::encode(&packet)]),
        }
    }

    /// Encodes messages that are none of Socket.IO's, in as few items as their order allows: a text begins a new one.
    pub fn raw(data: impl IntoIterator<Item = Frame>) -> SmallVec<[Self; 1]> {
        let mut messages: SmallVec<[Self; 1]> = SmallVec::new();
        for frame in data {
            match (frame, messages.last_mut()) {
                (Frame::Text(text), _) => {
                    let (frame, body) = text_frame(text.len(), |buffer| buffer.extend_from_slice(text.as_bytes()));
                    messages.push(Self::with(frame, body, Vec::new()));
                }
                (Frame::Binary(bytes), Some(last)) => last.attachments.push(bytes),
                (Frame::Binary(bytes), None) => messages.push(Self::with(Bytes::new(), 0, vec![bytes])),
            }
        }
        messages
    }

    fn with(frame: Bytes, body: usize, attachments: Vec<Bytes>) -> Self {
        Self { frame, body, attachments, binary: [OnceLock::new(), OnceLock::new()], receipt: None }
    }

    /// Nothing to send: its receipt tells when everything queued before it has been handed over.
    pub fn marker(receipt: Receipt) -> Self {
        Self::with(Bytes::new(), 0, Vec::new()).with_receipt(receipt)
    }

    /// There is nothing to send.
    pub fn is_marker(&self) -> bool {
        self.frame.is_empty() && self.attachments.is_empty()
    }

    /// Has `receipt` dropped when every receiver is done with this message.
    #[must_use]
    pub fn with_receipt(self, receipt: Receipt) -> Self {
        Self { receipt: Some(receipt), ..self }
    }

    /// Somebody wants to know when it has been handed to the transports.
    pub fn has_receipt(&self) -> bool {
        self.receipt.is_some()
    }

    /// Encodes an event.
    pub fn event(nsp: &Text, id: Option<u64>, payload: Payload, serializer: Serializer) -> Self {
        Self::new(Packet::Event { nsp: nsp.clone(), id, payload }, serializer)
    }

    /// Encodes an event with one more argument, the last: a text that needs no escapes.
    pub fn stamped_event(nsp: &Text, payload: Payload, stamp: &str, serializer: Serializer) -> Self {
        match serializer {
            Serializer::Json => {
                let packet = Packet::Event { nsp: nsp.clone(), id: None, payload };
                let room = packet.encoded_room() + stamp.len() + STAMP_ROOM;
                let (frame, body) = text_frame(room, |buffer| {
                    packet.encode(buffer);
                    push_last(buffer, stamp);
                });
                Self::with(frame, body, packet.into_attachments())
            }
            Serializer::MsgPack => {
                let Payload { text, attachments } = payload;
                let mut stamped = Vec::with_capacity(text.len() + stamp.len() + STAMP_ROOM);
                stamped.extend_from_slice(text.as_bytes());
                push_last(&mut stamped, stamp);
                let text = Text::from_utf8(stamped.into()).unwrap_or(text);
                Self::event(nsp, None, Payload { text, attachments }, serializer)
            }
        }
    }

    /// Encodes an ack.
    pub fn ack(nsp: &Text, id: u64, payload: Payload, serializer: Serializer) -> Self {
        Self::new(Packet::Ack { nsp: nsp.clone(), id, payload }, serializer)
    }

    /// The Engine.IO packet: `4` and the Socket.IO packet (or the text). Empty where there is no text.
    pub fn text(&self) -> &[u8] {
        &self.frame[self.body..]
    }

    /// The Engine.IO packets for a polling payload, text first.
    pub fn packets(&self, mut push: impl FnMut(engine::Packet)) {
        // The builder wrote a digit and text into the frame, so the check cannot fail.
        if !self.frame.is_empty()
            && let Ok(text) = Text::from_utf8(self.frame.slice(self.body + 1..))
        {
            push(engine::Packet::Message(text));
        }
        for attachment in &self.attachments {
            push(engine::Packet::Binary(attachment.clone()));
        }
    }

    /// The bytes for a server's WebSocket, in order. With `base64` attachments travel as text.
    pub fn frames(&self, revision: Revision, base64: bool, mut push: impl FnMut(Bytes)) {
        if !self.frame.is_empty() {
            push(self.frame.clone());
        }
        if self.attachments.is_empty() {
            return;
        }
        if base64 {
            for attachment in &self.attachments {
                push(frame(&engine::Packet::Binary(attachment.clone()).encode(revision, true)));
            }
            return;
        }
        let slot = usize::from(revision == Revision::V4);
        for part in self.binary[slot].get_or_init(|| binary_frames(&self.attachments, revision)) {
            push(part.clone());
        }
    }

    /// What follows the text.
    pub fn attachments(&self) -> &[Bytes] {
        &self.attachments
    }

    /// Bytes it counts in an outbound queue.
    pub fn weight(&self) -> usize {
        self.frame.len() + self.attachments.iter().map(Bytes::len).sum::<usize>()
    }
}

/// An item of an outbound queue.
#[derive(Clone, Debug)]
pub struct Item {
    /// What to send.
    pub body: Body,
    /// Drop it if the receiver is not writable right now.
    pub volatile: bool,
    /// A poll's body that holds it may be compressed.
    pub compress: bool,
}

/// The two things a queue holds.
#[derive(Clone, Debug)]
pub enum Body {
    /// A packet of the engine's own: open, ping, pong, close, noop.
    Control(engine::Packet),
    /// A Socket.IO packet (or raw messages), shared.
    Message(Arc<Message>),
}

impl Item {
    /// A control packet.
    pub fn control(packet: engine::Packet) -> Self {
        Self { body: Body::Control(packet), volatile: false, compress: false }
    }

    /// A message with default flags.
    pub fn message(message: Message) -> Self {
        Self::shared(Arc::new(message))
    }

    /// A message that others hold, too, with default flags.
    pub fn shared(message: Arc<Message>) -> Self {
        Self { body: Body::Message(message), volatile: false, compress: true }
    }

    /// The Engine.IO packets it is made of.
    pub fn packets(&self, mut push: impl FnMut(engine::Packet)) {
        match &self.body {
            Body::Control(packet) => push(packet.clone()),
            Body::Message(message) => message.packets(push),
        }
    }

    /// There is nothing to send: see [`Message::marker`].
    pub fn is_marker(&self) -> bool {
        matches!(&self.body, Body::Message(message) if message.is_marker())
    }

    /// Bytes it counts in an outbound queue.
    pub fn weight(&self) -> usize {
        match &self.body {
            Body::Control(_) => 16,
            Body::Message(message) => message.weight(),
        }
    }
}

/// A server's WebSocket frame around `content`.
pub fn frame(content: &Frame) -> Bytes {
    let (opcode, bytes): (u8, &[u8]) = match content {
        Frame::Text(text) => (0x81, text.as_bytes()),
        Frame::Binary(bytes) => (0x82, bytes),
    };
    let mut buffer = Vec::with_capacity(HEADER_ROOM + bytes.len());
    push_header(&mut buffer, opcode, bytes.len());
    buffer.extend_from_slice(bytes);
    buffer.into()
}

/// The frame of a text message, and where in it the message begins.
fn text_frame(room: usize, write: impl FnOnce(&mut Vec<u8>)) -> (Bytes, usize) {
    let mut buffer = Vec::with_capacity(HEADER_ROOM + 1 + room);
    buffer.resize(HEADER_ROOM, 0);
    buffer.push(b'4');
    write(&mut buffer);
    let length = buffer.len() - HEADER_ROOM;
    let mut header = SmallVec::<[u8; HEADER_ROOM]>::new();
    push_header(&mut header, 0x81, length);
    let start = HEADER_ROOM - header.len();
    buffer[start..HEADER_ROOM].copy_from_slice(&header);
    (Bytes::from(buffer).slice(start..), header.len())
}

fn binary_frames(attachments: &[Bytes], revision: Revision) -> Vec<Bytes> {
    let type_byte = usize::from(revision == Revision::V3);
    let mut parts = Vec::with_capacity(attachments.len() * 2);
    for attachment in attachments {
        let mut header = Vec::with_capacity(HEADER_ROOM + 1);
        push_header(&mut header, 0x82, attachment.len() + type_byte);
        if type_byte == 1 {
            header.push(4);
        }
        parts.push(header.into());
        parts.push(attachment.clone());
    }
    parts
}

/// What a stamp costs besides its own length: a comma and two quotes.
const STAMP_ROOM: usize = 3;

/// Adds a text to the array at the end of `buffer`.
fn push_last(buffer: &mut Vec<u8>, text: &str) {
    // White space behind an array is legal.
    while matches!(buffer.last(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        buffer.pop();
    }
    if buffer.pop_if(|byte| *byte == b']').is_some() {
        buffer.extend_from_slice(b",\"");
        buffer.extend_from_slice(text.as_bytes());
        buffer.extend_from_slice(b"\"]");
    }
}

pub(crate) fn push_header(buffer: &mut impl Extend<u8>, opcode: u8, length: usize) {
    match length {
        0..=125 => buffer.extend([opcode, length as u8]),
        126..=0xFFFF => {
            buffer.extend([opcode, 126]);
            buffer.extend((length as u16).to_be_bytes());
        }
        _ => {
            buffer.extend([opcode, 127]);
            buffer.extend((length as u64).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(message: &Message) -> Vec<engine::Packet> {
        let mut packets = Vec::new();
        message.packets(|packet| packets.push(packet));
        packets
    }

    #[test]
    fn raw_messages_keep_their_order() {
        let (one, two) = (Bytes::from_static(b"1"), Bytes::from_static(b"2"));
        let data =
            [Frame::Binary(one.clone()), Frame::Text("a".into()), Frame::Text("".into()), Frame::Binary(two.clone())];
        let messages = Message::raw(data);
        assert_eq!(messages.len(), 3);
        let all: Vec<_> = messages.iter().flat_map(packets).collect();
        let text = |text: &str| engine::Packet::Message(text.into());
        assert_eq!(all, [engine::Packet::Binary(one), text("a"), text(""), engine::Packet::Binary(two)]);
        let mut wire = Vec::new();
        for message in &messages {
            message.frames(Revision::V4, false, |bytes| wire.extend_from_slice(&bytes));
        }
        assert_eq!(wire, b"\x82\x011\x81\x024a\x81\x014\x82\x012");
        assert!(Message::raw([]).is_empty());
    }

    #[test]
    fn a_receipt_lives_as_long_as_a_receiver_has_the_message() {
        let witness = Arc::new(());
        let [message] = Message::raw([Frame::Text("a".into())]).into_inner().expect("one message");
        let item = Item::message(message.with_receipt(Box::new(Arc::clone(&witness))));
        let other = item.clone();
        drop(item);
        assert_eq!(Arc::strong_count(&witness), 2);
        drop(other);
        assert_eq!(Arc::strong_count(&witness), 1);
    }
}
