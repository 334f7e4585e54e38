//! One Engine.IO packet, and how a WebSocket carries it (protocol specification, section "Packet encoding").

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

use super::Revision;
use crate::error::ProtocolError;
use crate::text::Text;

/// A data frame of a WebSocket, checked as UTF-8 where it is text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A text message.
    Text(Text),
    /// A binary message.
    Binary(Bytes),
}

impl Frame {
    /// Its bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One Engine.IO packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// `0`: the handshake, JSON text.
    Open(Text),
    /// `1`: the session ends.
    Close,
    /// `2`: heartbeat, or `2probe`.
    Ping(Text),
    /// `3`: its answer.
    Pong(Text),
    /// `4`: a text message.
    Message(Text),
    /// A binary message (`b…` in a payload, a binary frame on a WebSocket).
    Binary(Bytes),
    /// `5`: the client moves to the new transport.
    Upgrade,
    /// `6`: ends a poll that has nothing to say.
    Noop,
}

impl Packet {
    /// Decodes one WebSocket frame (or one packet of a v4 payload, given as text).
    ///
    /// Data behind a close, upgrade or noop is dropped, as the reference does.
    ///
    /// # Errors
    /// An unknown type digit, bad base64, an empty packet.
    pub fn decode(frame: Frame, revision: Revision) -> Result<Self, ProtocolError> {
        match frame {
            Frame::Text(text) => Self::decode_text(&text, revision),
            Frame::Binary(data) => Self::decode_binary(data, revision),
        }
    }

    /// Encodes for a WebSocket. With `base64` a binary message becomes text (`b64=1` in the query).
    pub fn encode(&self, revision: Revision, base64: bool) -> Frame {
        match self {
            Self::Binary(data) if !base64 => match revision {
                Revision::V4 => Frame::Binary(data.clone()),
                Revision::V3 => Frame::Binary([&[BINARY_MESSAGE], data.as_ref()].concat().into()),
            },
            packet => {
                let mut text = String::with_capacity(packet.text_capacity());
                packet.write_text(revision, &mut text);
                Frame::Text(text.into())
            }
        }
    }

    /// Appends the textual form, which every packet has.
    pub(super) fn write_text(&self, revision: Revision, into: &mut String) {
        let (digit, data) = match self {
            Self::Open(data) => ('0', data.as_str()),
            Self::Close => ('1', ""),
            Self::Ping(data) => ('2', data.as_str()),
            Self::Pong(data) => ('3', data.as_str()),
            Self::Message(data) => ('4', data.as_str()),
            Self::Upgrade => ('5', ""),
            Self::Noop => ('6', ""),
            Self::Binary(data) => {
                into.push_str(base64_prefix(revision));
                BASE64.encode_string(data, into);
                return;
            }
        };
        into.push(digit);
        into.push_str(data);
    }

    /// Bytes that [`Self::write_text`] appends, or a few more.
    pub(super) fn text_capacity(&self) -> usize {
        match self {
            Self::Open(data) | Self::Ping(data) | Self::Pong(data) | Self::Message(data) => 1 + data.len(),
            Self::Binary(data) => 2 + data.len().div_ceil(3) * 4,
            Self::Close | Self::Upgrade | Self::Noop => 1,
        }
    }

    fn decode_text(text: &Text, revision: Revision) -> Result<Self, ProtocolError> {
        let Some(&kind) = text.as_bytes().first() else {
            return Err(ProtocolError::engine("empty packet"));
        };
        // Every known type is one ASCII byte, so that what follows begins at a character border.
        match kind {
            b'0' => Ok(Self::Open(text.slice_from(1))),
            b'1' => Ok(Self::Close),
            b'2' => Ok(Self::Ping(text.slice_from(1))),
            b'3' => Ok(Self::Pong(text.slice_from(1))),
            b'4' => Ok(Self::Message(text.slice_from(1))),
            b'5' => Ok(Self::Upgrade),
            b'6' => Ok(Self::Noop),
            b'b' => Self::decode_base64(text, revision),
            _ => Err(ProtocolError::engine("unknown packet type")),
        }
    }

    fn decode_base64(text: &str, revision: Revision) -> Result<Self, ProtocolError> {
        // In v3 a digit tells the type. Only messages are ever binary; the reference would take a binary ping, too.
        let Some(data) = text.strip_prefix(base64_prefix(revision)) else {
            return Err(ProtocolError::engine("unknown packet type"));
        };
        match BASE64.decode(data) {
            Ok(data) => Ok(Self::Binary(data.into())),
            Err(_) => Err(ProtocolError::engine("bad base64")),
        }
    }

    fn decode_binary(data: Bytes, revision: Revision) -> Result<Self, ProtocolError> {
        match revision {
            Revision::V4 => Ok(Self::Binary(data)),
            Revision::V3 => match data.first() {
                Some(&BINARY_MESSAGE) => Ok(Self::Binary(data.slice(1..))),
                Some(_) => Err(ProtocolError::engine("unknown packet type")),
                None => Err(ProtocolError::engine("empty packet")),
            },
        }
    }
}

fn base64_prefix(revision: Revision) -> &'static str {
    match revision {
        Revision::V3 => "b4",
        Revision::V4 => "b",
    }
}

/// The type byte in front of a v3 binary message.
const BINARY_MESSAGE: u8 = 4;

/// Padding is written, but not asked for: Node reads base64 without it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

#[cfg(test)]
mod tests {
    use super::*;

    // What each packet looks like on the wire stands in tests/transcripts.

    #[test]
    fn decoding_copies_nothing() {
        let text = Text::from("4hello");
        let Ok(Packet::Message(message)) = Packet::decode(Frame::Text(text.clone()), Revision::V4) else { panic!() };
        assert_eq!(message.as_bytes().as_ptr(), text[1..].as_ptr());

        let data = Bytes::from(vec![4, 1, 2]);
        let Ok(Packet::Binary(rest)) = Packet::decode(Frame::Binary(data.clone()), Revision::V3) else { panic!() };
        assert_eq!(rest.as_ptr(), data[1..].as_ptr());
    }

    #[test]
    fn a_peer_without_binary_frames_gets_base64() {
        let packet = Packet::Binary(Bytes::from_static(&[1, 2, 3, 4]));
        assert_eq!(packet.encode(Revision::V4, true), Frame::Text("bAQIDBA==".into()));
        assert_eq!(packet.encode(Revision::V3, true), Frame::Text("b4AQIDBA==".into()));
        assert_eq!(Packet::Message("x".into()).encode(Revision::V4, true), Frame::Text("4x".into()));
    }

    #[test]
    fn capacity_is_enough() {
        for length in 0..10 {
            for packet in
                [Packet::Binary(vec![0; length].into()), Packet::Message("x".repeat(length).into()), Packet::Noop]
            {
                let mut text = String::new();
                packet.write_text(Revision::V3, &mut text);
                assert!(text.len() <= packet.text_capacity(), "{packet:?}");
            }
        }
    }
}
