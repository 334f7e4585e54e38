//! MessagePack to JSON text and attachments.
//!
//! A loop, not recursion, and nothing is allocated because of a length that a peer merely claims.

use std::fmt::Write as _;

use bytes::Bytes;
use rmp::Marker;
use rmp::decode::{self, RmpRead};

use super::MALFORMED;
use super::time::Iso;
use crate::error::ProtocolError;
use crate::limits::Limit;
use crate::socket::json::JsonRules;

/// A value as JSON text, and what its placeholders stand for.
#[derive(Debug, Default)]
pub(super) struct Unpacked {
    /// Empty for `undefined`.
    pub(super) json: String,
    pub(super) attachments: Vec<Bytes>,
}

/// Reads a message from front to back.
pub(super) struct Reader<'a> {
    message: &'a Bytes,
    rest: decode::Bytes<'a>,
    rules: JsonRules,
}

/// A value, or the beginning of one that contains others.
enum Token<'a> {
    Array(u32),
    Map(u32),
    Undefined,
    Nil,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    /// Milliseconds since 1970.
    Time(i64),
}

/// A container under way.
struct Open {
    map: bool,
    left: u32,
    /// Something was written into it.
    begun: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(message: &'a Bytes, rules: JsonRules) -> Self {
        Self { message, rest: decode::Bytes::new(message), rules }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.remaining_slice().is_empty()
    }

    /// How many entries a map has.
    pub(super) fn map(&mut self) -> Option<u32> {
        match self.token()? {
            Token::Map(entries) => Some(entries),
            _ => None,
        }
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        match self.token()? {
            Token::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn whole_number(&mut self) -> Option<u64> {
        self.whole_number_if_any().flatten()
    }

    /// `Some(None)` for none: JavaScript writes a key without a value, Python nil.
    pub(super) fn whole_number_if_any(&mut self) -> Option<Option<u64>> {
        match self.token()? {
            Token::Unsigned(number) => Some(Some(number)),
            Token::Undefined | Token::Nil => Some(None),
            _ => None,
        }
    }

    /// The next value, whatever it is.
    pub(super) fn value(&mut self) -> Result<Unpacked, ProtocolError> {
        let mut unpacked = Unpacked::default();
        let mut open: Vec<Open> = Vec::new();
        loop {
            if let Some(container) = self.item(open.last_mut(), &mut unpacked)? {
                if open.len() >= self.rules.max_depth {
                    return Err(ProtocolError::socket("payload nested too deeply").over(Limit::JsonDepth));
                }
                unpacked.json.push(if container.map { '{' } else { '[' });
                open.push(container);
            }
            while open.last().is_some_and(|container| container.left == 0) {
                let map = open.pop().is_some_and(|container| container.map);
                unpacked.json.push(if map { '}' } else { ']' });
            }
            if open.is_empty() {
                return Ok(unpacked);
            }
        }
    }

    /// Writes the next item of `parent`. One that contains others is only given back.
    fn item(&mut self, parent: Option<&mut Open>, unpacked: &mut Unpacked) -> Result<Option<Open>, ProtocolError> {
        let in_map = parent.as_ref().is_some_and(|parent| parent.map);
        let key = if in_map { Some(self.text().ok_or(MALFORMED)?) } else { None };
        let token = self.token().ok_or(MALFORMED)?;
        let in_array = parent.is_some() && !in_map;
        if let Some(parent) = parent {
            parent.left -= 1;
            if in_map && matches!(token, Token::Undefined) {
                return Ok(None);
            }
            if std::mem::replace(&mut parent.begun, true) {
                unpacked.json.push(',');
            }
        }
        if let Some(key) = key {
            push_text(&mut unpacked.json, key);
            unpacked.json.push(':');
        }
        match token {
            Token::Array(left) => return Ok(Some(Open { map: false, left, begun: false })),
            Token::Map(left) => return Ok(Some(Open { map: true, left, begun: false })),
            Token::Undefined if !in_array => {}
            Token::Undefined | Token::Nil => unpacked.json.push_str("null"),
            Token::Bool(value) => unpacked.json.push_str(if value { "true" } else { "false" }),
            Token::Unsigned(number) => push(&mut unpacked.json, number),
            Token::Signed(number) => push(&mut unpacked.json, number),
            Token::Float(number) => self.push_float(&mut unpacked.json, number),
            Token::Text(text) => push_text(&mut unpacked.json, text),
            Token::Bytes(bytes) => {
                if unpacked.attachments.len() >= MAX_ATTACHMENTS {
                    return Err(ProtocolError::socket("too many attachments").over(Limit::Attachments));
                }
                let number = unpacked.attachments.len();
                push(&mut unpacked.json, format_args!(r#"{{"_placeholder":true,"num":{number}}}"#));
                unpacked.attachments.push(self.message.slice_ref(bytes));
            }
            Token::Time(ms) => match Iso::from_ms(ms) {
                Some(time) => push(&mut unpacked.json, format_args!("\"{time}\"")),
                None => unpacked.json.push_str("null"),
            },
        }
        Ok(None)
    }

    fn push_float(&self, json: &mut String, number: f64) {
        // The shortest text that reads the same, as JavaScript and Python have it.
        match serde_json::Number::from_f64(number) {
            Some(number) => push(json, number),
            None if !self.rules.nan_literals => json.push_str("null"),
            None if number.is_nan() => json.push_str("NaN"),
            None => json.push_str(if number > 0.0 { "Infinity" } else { "-Infinity" }),
        }
    }

    /// `None` if the message is cut off here, or is none.
    fn token(&mut self) -> Option<Token<'a>> {
        let rest = &mut self.rest;
        Some(match decode::read_marker(rest).ok()? {
            Marker::FixPos(number) => Token::Unsigned(number.into()),
            Marker::U8 => Token::Unsigned(rest.read_data_u8().ok()?.into()),
            Marker::U16 => Token::Unsigned(rest.read_data_u16().ok()?.into()),
            Marker::U32 => Token::Unsigned(rest.read_data_u32().ok()?.into()),
            Marker::U64 => Token::Unsigned(rest.read_data_u64().ok()?),
            Marker::FixNeg(number) => Token::Signed(number.into()),
            Marker::I8 => signed(rest.read_data_i8().ok()?.into()),
            Marker::I16 => signed(rest.read_data_i16().ok()?.into()),
            Marker::I32 => signed(rest.read_data_i32().ok()?.into()),
            Marker::I64 => signed(rest.read_data_i64().ok()?),
            Marker::F32 => Token::Float(rest.read_data_f32().ok()?.into()),
            Marker::F64 => Token::Float(rest.read_data_f64().ok()?),
            Marker::Null => Token::Nil,
            Marker::True => Token::Bool(true),
            Marker::False => Token::Bool(false),
            Marker::FixStr(length) => self.take_text(length.into())?,
            Marker::Str8 => {
                let length = rest.read_data_u8().ok()?;
                self.take_text(length.into())?
            }
            Marker::Str16 => {
                let length = rest.read_data_u16().ok()?;
                self.take_text(length.into())?
            }
            Marker::Str32 => {
                let length = rest.read_data_u32().ok()?;
                self.take_text(length as usize)?
            }
            Marker::Bin8 => {
                let length = rest.read_data_u8().ok()?;
                Token::Bytes(self.take(length.into())?)
            }
            Marker::Bin16 => {
                let length = rest.read_data_u16().ok()?;
                Token::Bytes(self.take(length.into())?)
            }
            Marker::Bin32 => {
                let length = rest.read_data_u32().ok()?;
                Token::Bytes(self.take(length as usize)?)
            }
            Marker::FixArray(length) => Token::Array(length.into()),
            Marker::Array16 => Token::Array(rest.read_data_u16().ok()?.into()),
            Marker::Array32 => Token::Array(rest.read_data_u32().ok()?),
            Marker::FixMap(length) => Token::Map(length.into()),
            Marker::Map16 => Token::Map(rest.read_data_u16().ok()?.into()),
            Marker::Map32 => Token::Map(rest.read_data_u32().ok()?),
            Marker::FixExt1 => self.extension(1)?,
            Marker::FixExt2 => self.extension(2)?,
            Marker::FixExt4 => self.extension(4)?,
            Marker::FixExt8 => self.extension(8)?,
            Marker::FixExt16 => self.extension(16)?,
            Marker::Ext8 => {
                let length = rest.read_data_u8().ok()?;
                self.extension_of_length(length.into())?
            }
            Marker::Ext16 => {
                let length = rest.read_data_u16().ok()?;
                self.extension_of_length(length.into())?
            }
            Marker::Ext32 => {
                let length = rest.read_data_u32().ok()?;
                self.extension_of_length(length as usize)?
            }
            Marker::Reserved => return None,
        })
    }

    /// Those that the parsers of JavaScript write. Type 0 is of their own make, -1 the timestamp of MessagePack.
    fn extension(&mut self, length: usize) -> Option<Token<'a>> {
        let kind = self.rest.read_data_i8().ok()?;
        let data = self.take(length)?;
        match (kind, data) {
            (0, [_]) => Some(Token::Undefined),
            (0, data) => Some(Token::Time(i64::from_be_bytes(*data.first_chunk().filter(|_| data.len() == 8)?))),
            (-1, data) => timestamp(data).map(Token::Time),
            _ => None,
        }
    }

    fn extension_of_length(&mut self, length: usize) -> Option<Token<'a>> {
        let kind = self.rest.read_data_i8().ok()?;
        let data = self.take(length)?;
        match kind {
            // An `ArrayBuffer`.
            0 => Some(Token::Bytes(data)),
            -1 => timestamp(data).map(Token::Time),
            _ => None,
        }
    }

    fn take_text(&mut self, length: usize) -> Option<Token<'a>> {
        std::str::from_utf8(self.take(length)?).ok().map(Token::Text)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.remaining_slice().split_at_checked(length)?;
        self.rest = decode::Bytes::new(rest);
        Some(taken)
    }
}

fn signed(number: i64) -> Token<'static> {
    u64::try_from(number).map_or(Token::Signed(number), Token::Unsigned)
}

/// Seconds, or nanoseconds and seconds.
fn timestamp(data: &[u8]) -> Option<i64> {
    let (seconds, nanoseconds) = match data.len() {
        4 => (i64::from(u32::from_be_bytes(*data.first_chunk()?)), 0),
        8 => {
            let both = u64::from_be_bytes(*data.first_chunk()?);
            ((both & ((1 << 34) - 1)) as i64, (both >> 34) as u32)
        }
        12 => (i64::from_be_bytes(*data.last_chunk()?), u32::from_be_bytes(*data.first_chunk()?)),
        _ => return None,
    };
    seconds.checked_mul(1000)?.checked_add(i64::from(nanoseconds / 1_000_000))
}

fn push(json: &mut String, value: impl std::fmt::Display) {
    // A string takes whatever is written to it.
    let _ = write!(json, "{value}");
}

fn push_text(json: &mut String, text: &str) {
    json.push('"');
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        if !matches!(byte, b'"' | b'\\' | 0..=0x1f) {
            continue;
        }
        json.push_str(&text[plain..at]);
        plain = at + 1;
        match byte {
            b'"' => json.push_str("\\\""),
            b'\\' => json.push_str("\\\\"),
            b'\n' => json.push_str("\\n"),
            b'\r' => json.push_str("\\r"),
            b'\t' => json.push_str("\\t"),
            _ => push(json, format_args!("\\u{byte:04x}")),
        }
    }
    json.push_str(&text[plain..]);
    json.push('"');
}

/// Attachments of one packet. They are not announced, so the limit of the text format does not fit; each costs some memory
/// beyond its two bytes.
const MAX_ATTACHMENTS: usize = 1000;
