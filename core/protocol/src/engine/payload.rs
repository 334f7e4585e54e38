//! Polling payloads: several packets in one HTTP body.
//!
//! * v4: packets joined by `\x1e`, binary as `b` + base64.
//! * v3: `<length>:<packet>` with the length in UTF-16 units, or the binary form (`00|01`, digits, `0xFF`, content).
//!
//! Every decoder reads its body once, from front to back (CVE-2020-36048: the reference's did not).

use bytes::Bytes;

use super::{Frame, Packet, Revision};
use crate::error::ProtocolError;
use crate::limits::{Limit, Limits};
use crate::text::Text;

pub use super::jsonp::{decode_jsonp, encode_jsonp};

/// A body ready to be sent, with what its `Content-Type` must say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// The encoded packets.
    pub bytes: Bytes,
    /// `application/octet-stream` (v3 binary payloads only), else `text/plain; charset=UTF-8`.
    pub binary: bool,
}

/// Decodes a request body. Packets before the first bad one are kept: the reference handles those, then ends the session.
///
/// `binary` says that the request's `Content-Type` was `application/octet-stream` (legal in v3 only).
pub fn decode(
    body: Bytes,
    revision: Revision,
    binary: bool,
    limits: &Limits,
) -> (Vec<Packet>, Result<(), ProtocolError>) {
    let mut packets = Packets { list: Vec::new(), revision, limit: limits.packets_per_payload };
    let result = match (revision, binary) {
        (Revision::V4, true) => Err(ProtocolError::engine("binary payload")),
        (Revision::V4, false) => utf8(body).and_then(|text| decode_joined(&text, &mut packets)),
        (Revision::V3, true) => decode_binary(&body, &mut packets),
        (Revision::V3, false) => utf8(body).and_then(|text| decode_counted(&text, &mut packets)),
    };
    (packets.list, result)
}

/// Encodes packets into one body. With `base64` (or without any binary packet) a v3 body takes the text form.
pub fn encode(packets: &[Packet], revision: Revision, base64: bool) -> Body {
    let any_binary = || packets.iter().any(|packet| matches!(packet, Packet::Binary(_)));
    match revision {
        Revision::V4 => Body { bytes: encode_joined(packets).into(), binary: false },
        Revision::V3 if base64 || !any_binary() => Body { bytes: encode_counted(packets).into(), binary: false },
        Revision::V3 => Body { bytes: encode_binary(packets).into(), binary: true },
    }
}

/// The packets decoded so far.
struct Packets {
    list: Vec<Packet>,
    revision: Revision,
    limit: usize,
}

impl Packets {
    fn push(&mut self, frame: Frame) -> Result<(), ProtocolError> {
        if self.list.len() >= self.limit {
            return Err(ProtocolError::engine("too many packets in payload").over(Limit::PacketsPerPayload));
        }
        self.list.push(Packet::decode(frame, self.revision)?);
        Ok(())
    }
}

fn utf8(body: Bytes) -> Result<Text, ProtocolError> {
    Text::from_utf8(body).map_err(|_| ProtocolError::engine("payload is not UTF-8"))
}

// v4: packets joined by a separator.

/// Between the packets of a v4 payload. JSON never contains it, for it escapes control characters.
const SEPARATOR: char = '\x1e';

fn decode_joined(body: &Text, packets: &mut Packets) -> Result<(), ProtocolError> {
    body.split(SEPARATOR).try_for_each(|packet| packets.push(Frame::Text(body.slice_of(packet))))
}

fn encode_joined(packets: &[Packet]) -> String {
    let mut body = String::with_capacity(packets.iter().map(|packet| packet.text_capacity() + 1).sum());
    for (i, packet) in packets.iter().enumerate() {
        if i > 0 {
            body.push(SEPARATOR);
        }
        packet.write_text(Revision::V4, &mut body);
    }
    body
}

// v3, text form: `<length>:<packet>`.

fn decode_counted(body: &Text, packets: &mut Packets) -> Result<(), ProtocolError> {
    const BAD_LENGTH: ProtocolError = ProtocolError::engine("bad payload length");

    if body.is_empty() {
        return Err(ProtocolError::engine("empty payload"));
    }
    let ascii = body.is_ascii();
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).take(LENGTH_DIGITS + 1).count();
        let length = length(rest[..digits].bytes().map(|digit| digit - b'0')).ok_or(BAD_LENGTH)?;
        rest = rest[digits..].strip_prefix(':').ok_or(BAD_LENGTH)?;
        let end = if ascii { (length <= rest.len()).then_some(length) } else { utf16_index(rest, length) };
        let (packet, after) = rest.split_at(end.ok_or(BAD_LENGTH)?);
        // `0:` is how the reference writes a payload without packets.
        if !packet.is_empty() {
            packets.push(Frame::Text(body.slice_of(packet)))?;
        }
        rest = after;
    }
    Ok(())
}

fn encode_counted(packets: &[Packet]) -> String {
    if packets.is_empty() {
        return "0:".to_owned();
    }
    let mut body = String::with_capacity(packets.iter().map(|packet| packet.text_capacity() + 8).sum());
    let mut text = String::new();
    for packet in packets {
        text.clear();
        packet.write_text(Revision::V3, &mut text);
        body.push_str(&utf16_len(&text).to_string());
        body.push(':');
        body.push_str(&text);
    }
    body
}

/// The byte index behind the first `units` UTF-16 units of `text`; `None` if it is shorter or they end inside a pair.
fn utf16_index(text: &str, units: usize) -> Option<usize> {
    let mut left = units;
    for (index, character) in text.char_indices() {
        if left == 0 {
            return Some(index);
        }
        left = left.checked_sub(character.len_utf16())?;
    }
    (left == 0).then_some(text.len())
}

fn utf16_len(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().map(char::len_utf16).sum() }
}

// v3, binary form: `00|01`, digits as bytes 0 to 9, `0xFF`, content.

const TEXT: u8 = 0;
const BINARY: u8 = 1;
const LENGTH_END: u8 = 0xff;

fn decode_binary(body: &Bytes, packets: &mut Packets) -> Result<(), ProtocolError> {
    const BAD_LENGTH: ProtocolError = ProtocolError::engine("bad payload length");

    let mut rest = body.clone();
    while let Some(&kind) = rest.first() {
        let digits = rest[1..].iter().take_while(|&&digit| digit <= 9).take(LENGTH_DIGITS + 1).count();
        let length = length(rest[1..=digits].iter().copied()).ok_or(BAD_LENGTH)?;
        if rest.get(1 + digits) != Some(&LENGTH_END) {
            return Err(BAD_LENGTH);
        }
        rest = rest.slice(digits + 2..);
        if length > rest.len() {
            return Err(BAD_LENGTH);
        }
        let content = rest.split_to(length);
        packets.push(match kind {
            TEXT => Frame::Text(utf8(content)?),
            BINARY => Frame::Binary(content),
            _ => return Err(ProtocolError::engine("bad payload")),
        })?;
    }
    Ok(())
}

fn encode_binary(packets: &[Packet]) -> Vec<u8> {
    let mut body = Vec::with_capacity(packets.iter().map(|packet| packet.text_capacity() + 8).sum());
    for packet in packets {
        match packet.encode(Revision::V3, false) {
            Frame::Text(text) => push_binary(TEXT, text.as_bytes(), &mut body),
            Frame::Binary(data) => push_binary(BINARY, &data, &mut body),
        }
    }
    body
}

fn push_binary(kind: u8, content: &[u8], body: &mut Vec<u8>) {
    body.push(kind);
    body.extend(content.len().to_string().bytes().map(|digit| digit - b'0'));
    body.push(LENGTH_END);
    body.extend_from_slice(content);
}

/// Digits of a length at most: more than any body may hold, few enough not to overflow.
const LENGTH_DIGITS: usize = 10;

fn length(digits: impl ExactSizeIterator<Item = u8>) -> Option<usize> {
    if digits.len() == 0 || digits.len() > LENGTH_DIGITS {
        return None;
    }
    let length = digits.fold(0_u64, |length, digit| length * 10 + u64::from(digit));
    usize::try_from(length).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    // What each payload looks like on the wire stands in tests/transcripts.

    #[test]
    fn packets_are_counted() {
        let limits = Limits { packets_per_payload: 3, ..Limits::default() };
        let bodies: [(&[u8], Revision, bool); 3] = [
            (b"4a\x1e4b\x1e4c\x1e4d", Revision::V4, false),
            (b"2:4a2:4b0:2:4c2:4d", Revision::V3, false),
            (b"\0\x02\xff4a\0\x02\xff4b\0\x02\xff4c\0\x02\xff4d", Revision::V3, true),
        ];
        for (body, revision, binary) in bodies {
            let (packets, result) = decode(Bytes::from_static(body), revision, binary, &limits);
            let expected: Vec<_> = ["a", "b", "c"].map(|text| Packet::Message(text.into())).into();
            assert_eq!(packets, expected);
            assert_eq!(
                result,
                Err(ProtocolError::engine("too many packets in payload").over(Limit::PacketsPerPayload))
            );
        }
    }

    /// Bodies of a million bytes made of the smallest packets (CVE-2020-36048). Were any decoder to look at its input more
    /// than a few times, this test would not end.
    #[test]
    fn time_is_linear() {
        let limits = Limits { packets_per_payload: usize::MAX, ..Limits::default() };
        let whole = |unit: &[u8], revision, binary| {
            let count = 1_000_000 / unit.len();
            let (packets, _) = decode(unit.repeat(count).into(), revision, binary, &limits);
            assert_eq!(packets.len(), count, "{}", unit.escape_ascii());
        };
        whole(b"2:4\xc2\xbc", Revision::V3, false);
        whole(b"2:4a", Revision::V3, false);
        whole(b"\0\x01\xff6", Revision::V3, true);
        whole(b"6\x1e", Revision::V4, false);
    }

    #[test]
    fn decoding_copies_nothing() {
        let body = Bytes::from("4a\x1e4hello");
        let (packets, _) = decode(body.clone(), Revision::V4, false, &Limits::default());
        let Some(Packet::Message(text)) = packets.last() else { panic!() };
        assert_eq!(text.as_bytes().as_ptr(), body[4..].as_ptr());
    }

    #[test]
    fn v3_binary_becomes_text_when_asked_to() {
        let packets = [Packet::Binary(Bytes::from_static(&[1, 2, 3])), Packet::Message("€".into())];
        let body = encode(&packets, Revision::V3, true);
        assert_eq!(body, Body { bytes: "6:b4AQID2:4€".into(), binary: false });
        assert!(encode(&packets, Revision::V3, false).binary);
    }
}
