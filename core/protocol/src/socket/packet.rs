//! One Socket.IO packet: `<type>[<n>-][<nsp>,][<id>][<json>]` and the attachments that follow it.

use bytes::Bytes;

use super::binary::{self, Reassembly};
use super::json::{self, ItemShape, JsonRules, Shape};
use crate::error::ProtocolError;
use crate::limits::{Limit, Limits, MAX_ACK_ID};
use crate::text::Text;

/// The arguments of an event or an ack, sealed: JSON text of an array, placeholders in it, and what they stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// A JSON array. For an event its first item is the name.
    pub text: Text,
    /// What `{"_placeholder":true,"num":k}` stands for, by `k`.
    pub attachments: Vec<Bytes>,
}

/// One Socket.IO packet, whole. `nsp` always begins with `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// `0`: join a namespace (with auth), or the server's yes (with `{"sid":…}`).
    Connect {
        /// The namespace.
        nsp: Text,
        /// JSON object text, if any.
        data: Option<Text>,
    },
    /// `1`: leave a namespace.
    Disconnect {
        /// The namespace.
        nsp: Text,
    },
    /// `2`, `5`: an event.
    Event {
        /// The namespace.
        nsp: Text,
        /// The sender wants an ack under this id.
        id: Option<u64>,
        /// Name and arguments.
        payload: Payload,
    },
    /// `3`, `6`: the answer to an event.
    Ack {
        /// The namespace.
        nsp: Text,
        /// The event's id.
        id: u64,
        /// The arguments.
        payload: Payload,
    },
    /// `4`: the server's no.
    ConnectError {
        /// The namespace.
        nsp: Text,
        /// JSON text: an object or a string (any value in Socket.IO v4).
        data: Text,
    },
}

/// What the first, textual part of a packet amounts to.
#[derive(Debug)]
pub enum Decoded {
    /// Nothing more belongs to it.
    Whole(Packet),
    /// So many attachments follow.
    Awaiting(Reassembly),
}

impl Packet {
    /// Decodes the text of an Engine.IO message (without its type digit). Text and attachments of the result share `text`'s memory.
    ///
    /// # Errors
    /// Every malformed input of protocol section G, with the reference's error text; id above 2^53-1; limits exceeded.
    pub fn decode(text: &Text, rules: JsonRules, limits: &Limits) -> Result<Decoded, ProtocolError> {
        let (kind, mut rest) = kind(text)?;
        let awaited = if kind.is_binary() { Some(attachment_count(&mut rest, limits)?) } else { None };
        let nsp = namespace(text, &mut rest, limits)?;
        // A v4 server's error may be a number, which an id would swallow.
        let id = if matches!(kind, Kind::ConnectError) { None } else { ack_id(&mut rest)? };
        let data = trim(rest);
        let data = if data.is_empty() { None } else { Some((text.slice_of(data), json::check(data, rules)?)) };

        let packet = Self::assemble(kind, nsp, id, data, limits)?;
        Ok(match awaited {
            Some(awaited) => Decoded::Awaiting(Reassembly::new(packet, awaited)),
            None => Decoded::Whole(packet),
        })
    }

    /// A packet of its parts, if they go together.
    pub(super) fn assemble(
        kind: Kind,
        nsp: Text,
        id: Option<u64>,
        data: Option<(Text, Shape)>,
        limits: &Limits,
    ) -> Result<Self, ProtocolError> {
        Ok(match (kind, data) {
            (Kind::Connect, None) => Self::Connect { nsp, data: None },
            (Kind::Connect, Some((data, Shape::Object))) => Self::Connect { nsp, data: Some(data) },
            (Kind::Disconnect, None) => Self::Disconnect { nsp },
            (Kind::Event | Kind::BinaryEvent, Some((text, Shape::Array(Some(name))))) => {
                check_event_name(&text, name, limits)?;
                Self::Event { nsp, id, payload: text.into() }
            }
            (Kind::Ack | Kind::BinaryAck, Some((text, Shape::Array(_)))) => match id {
                Some(id) => Self::Ack { nsp, id, payload: text.into() },
                None => return Err(ProtocolError::socket("missing ack id")),
            },
            // v5 asks for an object or a string; a v4 server sends whatever a middleware's error carried.
            (Kind::ConnectError, Some((data, _))) => Self::ConnectError { nsp, data },
            _ => return Err(INVALID_PAYLOAD),
        })
    }

    /// With what its placeholders stand for, if it can have any.
    pub(super) fn with_attachments(mut self, attachments: Vec<Bytes>) -> Result<Self, ProtocolError> {
        if attachments.is_empty() {
            return Ok(self);
        }
        let payload = self.payload_mut().ok_or(INVALID_PAYLOAD)?;
        if !binary::placeholders_point_to(attachments.len(), &payload.text) {
            return Err(binary::ILLEGAL);
        }
        payload.attachments = attachments;
        Ok(self)
    }

    /// Its kind, its id and its data.
    pub(super) fn parts(&self) -> (Kind, Option<u64>, Option<&str>) {
        match self {
            Self::Connect { data, .. } => (Kind::Connect, None, data.as_deref()),
            Self::Disconnect { .. } => (Kind::Disconnect, None, None),
            Self::Event { id, payload, .. } => {
                (payload.kind(Kind::Event, Kind::BinaryEvent), *id, Some(&*payload.text))
            }
            Self::Ack { id, payload, .. } => {
                (payload.kind(Kind::Ack, Kind::BinaryAck), Some(*id), Some(&*payload.text))
            }
            Self::ConnectError { data, .. } => (Kind::ConnectError, None, Some(&**data)),
        }
    }

    /// The textual part. Attachments are announced by count; they are sent after it, in order.
    pub fn encode(&self, into: &mut Vec<u8>) {
        let (kind, id, data) = self.parts();
        let (nsp, data) = (self.nsp(), data.unwrap_or_default());
        into.reserve(nsp.len() + data.len() + ENVELOPE);
        into.push(b'0' + kind as u8);
        if kind.is_binary() {
            push_number(into, self.attachments().len() as u64);
            into.push(b'-');
        }
        if *nsp != "/" {
            into.extend_from_slice(nsp.as_bytes());
            into.push(b',');
        }
        if let Some(id) = id {
            push_number(into, id);
        }
        into.extend_from_slice(data.as_bytes());
    }

    /// Room that [`Self::encode`] needs at most.
    pub fn encoded_room(&self) -> usize {
        let data = match self {
            Self::Event { payload, .. } | Self::Ack { payload, .. } => payload.text.len(),
            Self::Connect { data, .. } => data.as_ref().map_or(0, |data| data.len()),
            Self::ConnectError { data, .. } => data.len(),
            Self::Disconnect { .. } => 0,
        };
        self.nsp().len() + data + ENVELOPE
    }

    /// The namespace.
    pub fn nsp(&self) -> &Text {
        match self {
            Self::Connect { nsp, .. }
            | Self::Disconnect { nsp }
            | Self::Event { nsp, .. }
            | Self::Ack { nsp, .. }
            | Self::ConnectError { nsp, .. } => nsp,
        }
    }

    /// What follows the text.
    pub fn attachments(&self) -> &[Bytes] {
        match self {
            Self::Event { payload, .. } | Self::Ack { payload, .. } => &payload.attachments,
            Self::Connect { .. } | Self::Disconnect { .. } | Self::ConnectError { .. } => &[],
        }
    }

    /// What follows the text, without the rest.
    pub fn into_attachments(self) -> Vec<Bytes> {
        match self {
            Self::Event { payload, .. } | Self::Ack { payload, .. } => payload.attachments,
            Self::Connect { .. } | Self::Disconnect { .. } | Self::ConnectError { .. } => Vec::new(),
        }
    }

    /// Where attachments go.
    pub(super) fn payload_mut(&mut self) -> Option<&mut Payload> {
        match self {
            Self::Event { payload, .. } | Self::Ack { payload, .. } => Some(payload),
            Self::Connect { .. } | Self::Disconnect { .. } | Self::ConnectError { .. } => None,
        }
    }
}

impl Payload {
    /// Bytes of the text and the attachments.
    pub fn size(&self) -> usize {
        self.text.len() + self.attachments.iter().map(Bytes::len).sum::<usize>()
    }

    /// The event name as it stands in the text, quotes and escapes included (a number for the rare `42[1]`).
    /// Empty if the payload is not a checked event payload.
    pub fn raw_event_name(&self) -> &str {
        match json::shape(&self.text) {
            Shape::Array(Some(ItemShape::String { start, end } | ItemShape::Number { start, end })) => {
                &self.text[start..end]
            }
            _ => "",
        }
    }

    fn kind(&self, plain: Kind, binary: Kind) -> Kind {
        if self.attachments.is_empty() { plain } else { binary }
    }
}

impl From<Text> for Payload {
    fn from(text: Text) -> Self {
        Self { text, attachments: Vec::new() }
    }
}

/// The type of a packet as its first digit says it.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Connect = 0,
    Disconnect = 1,
    Event = 2,
    Ack = 3,
    ConnectError = 4,
    BinaryEvent = 5,
    BinaryAck = 6,
}

impl Kind {
    /// The kind that a number stands for where attachments need no kinds of their own.
    pub(super) fn packed(number: u64) -> Option<Self> {
        Some(match number {
            0 => Self::Connect,
            1 => Self::Disconnect,
            2 => Self::Event,
            3 => Self::Ack,
            4 => Self::ConnectError,
            _ => return None,
        })
    }

    /// The same kind without attachments.
    pub(super) fn without_binary(self) -> Self {
        match self {
            Self::BinaryEvent => Self::Event,
            Self::BinaryAck => Self::Ack,
            Self::Connect | Self::Disconnect | Self::Event | Self::Ack | Self::ConnectError => self,
        }
    }

    fn is_binary(self) -> bool {
        matches!(self, Self::BinaryEvent | Self::BinaryAck)
    }
}

// The steps of decoding, in the order in which the parts stand in the text. Each takes its part off `rest`.

const INVALID_PAYLOAD: ProtocolError = ProtocolError::socket("invalid payload");

fn kind(text: &str) -> Result<(Kind, &str), ProtocolError> {
    let kind = match text.as_bytes().first() {
        Some(b'0') => Kind::Connect,
        Some(b'1') => Kind::Disconnect,
        Some(b'2') => Kind::Event,
        Some(b'3') => Kind::Ack,
        Some(b'4') => Kind::ConnectError,
        Some(b'5') => Kind::BinaryEvent,
        Some(b'6') => Kind::BinaryAck,
        Some(b'7') => return Err(ProtocolError::socket("unknown packet type 7")),
        Some(b'8') => return Err(ProtocolError::socket("unknown packet type 8")),
        Some(b'9') => return Err(ProtocolError::socket("unknown packet type 9")),
        Some(_) => return Err(ProtocolError::socket("unknown packet type NaN")),
        None => return Err(ProtocolError::socket("empty packet")),
    };
    Ok((kind, &text[1..]))
}

fn attachment_count(rest: &mut &str, limits: &Limits) -> Result<usize, ProtocolError> {
    const ILLEGAL: ProtocolError = ProtocolError::socket("Illegal attachments");

    let (digits, after) = split_digits(rest);
    *rest = after.strip_prefix('-').ok_or(ILLEGAL)?;
    match number(digits, limits.attachments as u64) {
        // CVE-2026-69185: after an announcement of none the reference's decoder waited for ever.
        _ if digits.bytes().all(|digit| digit == b'0') => Err(ILLEGAL),
        Some(count) => Ok(count as usize),
        None => Err(ProtocolError::socket("too many attachments").over(Limit::Attachments)),
    }
}

fn namespace(text: &Text, rest: &mut &str, limits: &Limits) -> Result<Text, ProtocolError> {
    if !rest.starts_with('/') {
        return Ok(Text::from_static("/"));
    }
    let (nsp, after) = rest.split_once(',').unwrap_or((rest, ""));
    // Old clients put their auth behind a `?`, which may be long; the name itself is what is kept and looked up.
    let name = nsp.split_once('?').map_or(nsp, |(name, _)| name);
    if name.len() > limits.namespace_name {
        return Err(ProtocolError::socket("namespace name too long").over(Limit::NamespaceName));
    }
    *rest = after;
    Ok(text.slice_of(nsp))
}

fn ack_id(rest: &mut &str) -> Result<Option<u64>, ProtocolError> {
    let (digits, after) = split_digits(rest);
    if digits.is_empty() {
        return Ok(None);
    }
    *rest = after;
    match number(digits, MAX_ACK_ID) {
        Some(id) => Ok(Some(id)),
        None => Err(ProtocolError::socket("ack id too large")),
    }
}

/// White space around JSON is legal, but then nobody behind us has to expect it.
fn trim(json: &str) -> &str {
    json.trim_matches([' ', '\t', '\n', '\r'])
}

fn check_event_name(text: &str, name: ItemShape, limits: &Limits) -> Result<(), ProtocolError> {
    let (start, end) = match name {
        ItemShape::String { start, end } if is_reserved(&text.as_bytes()[start..end]) => return Err(INVALID_PAYLOAD),
        ItemShape::String { start, end } | ItemShape::Number { start, end } => (start, end),
        ItemShape::Other => return Err(INVALID_PAYLOAD),
    };
    if end - start > limits.event_name {
        return Err(ProtocolError::socket("event name too long").over(Limit::EventName));
    }
    Ok(())
}

/// Names that belong to the host's own events: a peer must not fire those. `raw` has its quotes.
fn is_reserved(raw: &[u8]) -> bool {
    const NAMES: [&str; 6] =
        ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

    // Most names are told apart by their first letter, unless it is spelled as an escape.
    matches!(raw, [_, b'c' | b'd' | b'n' | b'r' | b'\\', ..]) && NAMES.iter().any(|name| json::spells(raw, name))
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

/// The number that `digits` spell, if it is not above `max`.
fn number(digits: &str, max: u64) -> Option<u64> {
    digits.parse().ok().filter(|&number| number <= max)
}

/// Room for the digit, a count, an id and the separators.
const ENVELOPE: usize = 24;

fn push_number(into: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    into.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    // What each packet looks like on the wire, and every refusal, stand in tests/transcripts.

    fn decode(text: &str, limits: &Limits) -> Result<Packet, ProtocolError> {
        match Packet::decode(&text.into(), JsonRules { max_depth: limits.json_depth, nan_literals: false }, limits)? {
            Decoded::Whole(packet) => Ok(packet),
            Decoded::Awaiting(_) => panic!("{text} announces attachments"),
        }
    }

    #[test]
    fn decoding_copies_nothing() {
        let text = Text::from(r#"2/admin,["hello"]"#);
        let rules = JsonRules { max_depth: 1, nan_literals: false };
        let Ok(Decoded::Whole(packet)) = Packet::decode(&text, rules, &Limits::default()) else { panic!() };
        assert_eq!(packet.nsp().as_bytes().as_ptr(), text[1..].as_ptr());
        let Packet::Event { payload, .. } = packet else { panic!() };
        assert_eq!(payload.text.as_bytes().as_ptr(), text[8..].as_ptr());
    }

    #[test]
    fn names_are_bounded() {
        let limits = Limits { namespace_name: 6, event_name: 5, ..Limits::default() };
        assert!(decode("0/admin,", &limits).is_ok());
        assert!(decode("0/admin?token=1234567890,", &limits).is_ok());
        assert_eq!(
            decode("0/admins,", &limits),
            Err(ProtocolError::socket("namespace name too long").over(Limit::NamespaceName))
        );
        assert_eq!(
            decode("0/admins", &limits),
            Err(ProtocolError::socket("namespace name too long").over(Limit::NamespaceName))
        );
        assert!(decode(r#"2["abc"]"#, &limits).is_ok());
        assert!(decode("2[12345]", &limits).is_ok());
        assert_eq!(
            decode(r#"2["abcd"]"#, &limits),
            Err(ProtocolError::socket("event name too long").over(Limit::EventName))
        );
        assert_eq!(
            decode("2[123456]", &limits),
            Err(ProtocolError::socket("event name too long").over(Limit::EventName))
        );
    }

    #[test]
    fn attachments_are_bounded() {
        let announce = |count: usize, attachments| {
            let limits = Limits { attachments, ..Limits::default() };
            let text = format!(r#"5{count}-["x"]"#);
            Packet::decode(&text.into(), JsonRules { max_depth: 1, nan_literals: false }, &limits)
        };
        assert!(matches!(announce(3, 3), Ok(Decoded::Awaiting(reassembly)) if reassembly.awaited() == 3));
        for (count, attachments) in [(4, 3), (1, 0), (usize::MAX, 3)] {
            let error = announce(count, attachments).expect_err("one too many");
            assert_eq!(error, ProtocolError::socket("too many attachments").over(Limit::Attachments));
        }
    }

    #[test]
    fn depth_is_bounded() {
        let limits = Limits { json_depth: 2, ..Limits::default() };
        assert!(decode(r#"2["x",[]]"#, &limits).is_ok());
        assert_eq!(
            decode(r#"2["x",[[]]]"#, &limits),
            Err(ProtocolError::socket("payload nested too deeply").over(Limit::JsonDepth))
        );
    }

    #[test]
    fn the_event_name_is_raw() {
        let name = |text: &str| Payload::from(Text::from(text)).raw_event_name().to_owned();
        assert_eq!(name(r#"["hello",1]"#), r#""hello""#);
        assert_eq!(name(r#" [ "a\"b\u0063" ]"#), r#""a\"b\u0063""#);
        assert_eq!(name("[12,1]"), "12");
        for text in ["", "[", "[]", "[null]", "{}", r#""x""#, r#"["x"#, "[-]"] {
            assert_eq!(name(text), "", "{text}");
        }
    }
}
