//! A client's WebSocket frames: masked, each under a key of its own (RFC 6455, 5.3).
//!
//! So they cannot be shared between connections as a server's are ([`message`](crate::message)): they are written into the
//! buffer of the one connection.

use crate::engine::{Frame, Packet, Revision};
use crate::message::{Body, Item, push_header};

/// Text, whole.
pub const TEXT: u8 = 0x81;
/// Bytes, whole.
pub const BINARY: u8 = 0x82;
/// The end of a WebSocket.
pub const CLOSE: u8 = 0x88;
/// The answer to a ping.
pub const PONG: u8 = 0x8a;

/// The bit that says that a key follows the length.
const MASKED: u8 = 0x80;

/// Appends one frame. `first` is its first byte, flags and opcode; `key` must not be guessable.
pub fn write(into: &mut Vec<u8>, first: u8, payload: &[u8], key: [u8; 4]) {
    into.reserve(payload.len() + 14);
    let start = into.len();
    push_header(into, first, payload.len());
    into[start + 1] |= MASKED;
    into.extend_from_slice(&key);
    let start = into.len();
    into.extend_from_slice(payload);
    apply(&mut into[start..], key);
}

/// Appends the frames of an item; `key` is called for each of them.
pub fn write_item(into: &mut Vec<u8>, item: &Item, mut key: impl FnMut() -> [u8; 4]) {
    match &item.body {
        Body::Control(packet) => write_packet(into, packet, &mut key),
        Body::Message(message) => {
            if !message.text().is_empty() {
                write(into, TEXT, message.text(), key());
            }
            for attachment in message.attachments() {
                write(into, BINARY, attachment, key());
            }
        }
    }
}

/// Appends the frame of an Engine.IO packet.
pub fn write_packet(into: &mut Vec<u8>, packet: &Packet, mut key: impl FnMut() -> [u8; 4]) {
    match packet.encode(Revision::V4, false) {
        Frame::Text(text) => write(into, TEXT, text.as_bytes(), key()),
        Frame::Binary(bytes) => write(into, BINARY, &bytes, key()),
    }
}

fn apply(bytes: &mut [u8], key: [u8; 4]) {
    let wide = u64::from_ne_bytes([key[0], key[1], key[2], key[3], key[0], key[1], key[2], key[3]]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::message::Message;

    /// The examples of RFC 6455, 5.7.
    #[test]
    fn as_the_rfc_has_it() {
        let mut frame = Vec::new();
        write(&mut frame, TEXT, b"Hello", [0x37, 0xfa, 0x21, 0x3d]);
        assert_eq!(frame, [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    }

    #[test]
    fn lengths_and_masks_of_all_sizes() {
        for length in [0, 1, 7, 8, 9, 125, 126, 0xFFFF, 0x1_0000] {
            let payload: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let key = [1, 2, 3, 4];
            let mut frame = Vec::new();
            write(&mut frame, BINARY, &payload, key);
            let header = match length {
                0..=125 => vec![0x82, 0x80 | length as u8],
                126..=0xFFFF => [vec![0x82, 0xfe], (length as u16).to_be_bytes().to_vec()].concat(),
                _ => [vec![0x82, 0xff], (length as u64).to_be_bytes().to_vec()].concat(),
            };
            assert!(frame.starts_with(&[header.clone(), key.to_vec()].concat()), "{length}");
            let unmasked: Vec<u8> =
                frame[header.len() + 4..].iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
            assert_eq!(unmasked, payload);
        }
    }

    #[test]
    fn an_item_is_its_text_and_its_attachments() {
        let [message] = Message::raw([Frame::Text("a".into()), Frame::Binary(Bytes::from_static(b"b"))])
            .into_inner()
            .expect("one message");
        let mut frames = Vec::new();
        write_item(&mut frames, &Item::message(message), || [0; 4]);
        assert_eq!(frames, b"\x81\x82\0\0\0\x004a\x82\x81\0\0\0\0b");
    }
}
