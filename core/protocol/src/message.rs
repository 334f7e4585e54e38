//! One Socket.IO packet encoded once, to be shared by every receiver.
//!
//! A server's WebSocket frames are not masked, so they are the same bytes for everybody: the frame is written around the
//! packet at encoding time, and long-polling takes the packet out of it again by slicing.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use smallvec::SmallVec;

use crate::engine::{self, Frame, Revision};
use crate::socket::{Packet, Payload};
use crate::text::Text;

/// Longest WebSocket header of a server: two bytes and a 64-bit length.
const HEADER_ROOM: usize = 10;

/// An encoded Socket.IO packet with its attachments: one item everywhere, never split, never interleaved.
#[derive(Debug)]
pub struct Message {
    /// The text frame: WebSocket header, `4`, packet.
    frame: Bytes,
    /// Where the `4` stands in `frame`.
    body: usize,
    attachments: Vec<Bytes>,
    /// Frames of the attachments, made when a WebSocket first wants them: v3 and v4 differ by a type byte.
    binary: [OnceLock<Vec<Bytes>>; 2],
}

impl Message {
    /// Encodes a packet.
    pub fn new(packet: Packet) -> Self {
        let mut buffer = Vec::with_capacity(HEADER_ROOM + 1 + packet.encoded_room());
        buffer.resize(HEADER_ROOM, 0);
        buffer.push(b'4');
        packet.encode(&mut buffer);
        let length = buffer.len() - HEADER_ROOM;
        let mut header = SmallVec::<[u8; HEADER_ROOM]>::new();
        push_header(&mut header, 0x81, length);
        let start = HEADER_ROOM - header.len();
        buffer[start..HEADER_ROOM].copy_from_slice(&header);
        Self {
            frame: Bytes::from(buffer).slice(start..),
            body: header.len(),
            attachments: packet.into_attachments(),
            binary: [OnceLock::new(), OnceLock::new()],
        }
    }

    /// Encodes an event.
    pub fn event(nsp: &Text, id: Option<u64>, payload: Payload) -> Self {
        Self::new(Packet::Event { nsp: nsp.clone(), id, payload })
    }

    /// Encodes an ack.
    pub fn ack(nsp: &Text, id: u64, payload: Payload) -> Self {
        Self::new(Packet::Ack { nsp: nsp.clone(), id, payload })
    }

    /// The Engine.IO packet: `4` and the Socket.IO packet.
    pub fn text(&self) -> &[u8] {
        &self.frame[self.body..]
    }

    /// The Engine.IO packets for a polling payload, text first.
    pub fn packets(&self, mut push: impl FnMut(engine::Packet)) {
        // The builder wrote a digit and text into the frame, so the check cannot fail.
        if let Ok(text) = Text::from_utf8(self.frame.slice(self.body + 1..)) {
            push(engine::Packet::Message(text));
        }
        for attachment in &self.attachments {
            push(engine::Packet::Binary(attachment.clone()));
        }
    }

    /// The bytes for a server's WebSocket, in order. With `base64` attachments travel as text.
    pub fn frames(&self, revision: Revision, base64: bool, mut push: impl FnMut(Bytes)) {
        push(self.frame.clone());
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
    /// A Socket.IO packet, shared.
    Message(Arc<Message>),
}

impl Item {
    /// A control packet.
    pub fn control(packet: engine::Packet) -> Self {
        Self { body: Body::Control(packet), volatile: false, compress: false }
    }

    /// A message with default flags.
    pub fn message(message: Message) -> Self {
        Self { body: Body::Message(Arc::new(message)), volatile: false, compress: true }
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

fn push_header(buffer: &mut impl Extend<u8>, opcode: u8, length: usize) {
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
