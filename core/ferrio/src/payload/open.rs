//! A sealed payload into values.

use std::cell::RefCell;
use std::marker::PhantomData;

use bytes::Bytes;
use ferrio_protocol::Text;
use ferrio_protocol::socket::Payload;
use serde::de::value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer, StrDeserializer, UnitDeserializer};
use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, IgnoredAny, IntoDeserializer, SeqAccess, Visitor};
use serde::{Deserializer, forward_to_deserialize_any};
use serde_json::Error;

use super::Str;
use super::value::{Value, placeholder};
use super::{read, same};
use crate::error::Mismatch;

/// The arguments of an event or an answer, to be opened as a type.
#[derive(Clone, Copy, Debug)]
pub struct Sealed<'a> {
    payload: &'a Payload,
    /// The first item is the event's name.
    named: bool,
}

impl<'a> Sealed<'a> {
    pub(crate) fn event(payload: &'a Payload) -> Self {
        Self { payload, named: true }
    }

    pub(crate) fn answer(payload: &'a Payload) -> Self {
        Self { payload, named: false }
    }

    pub(crate) fn attachments(&self) -> &'a [Bytes] {
        &self.payload.attachments
    }

    /// The arguments' text, without brackets and name.
    pub(crate) fn text(&self) -> Text {
        let text = &self.payload.text;
        let mut inner = text.trim().strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or_default();
        if self.named {
            let name = self.payload.raw_event_name();
            inner = inner.trim_start().strip_prefix(name).unwrap_or_default().trim_start();
            inner = inner.strip_prefix(',').unwrap_or(inner);
        }
        text.slice_of(inner.trim())
    }

    /// All arguments as one tuple or list.
    pub(crate) fn all<T: DeserializeOwned>(&self) -> Result<T, Mismatch> {
        self.open().map_err(Mismatch::new)
    }

    fn open<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let _lent = Lent::new(self.attachments());
        T::deserialize(All(*self))
    }
}

thread_local! {
    /// The attachments of the payload that is being opened on this thread.
    static ATTACHMENTS: RefCell<Vec<Bytes>> = const { RefCell::new(Vec::new()) };
}

/// The attachment that a placeholder stands for.
pub(super) fn attachment(index: usize) -> Option<Bytes> {
    ATTACHMENTS.with_borrow(|attachments| attachments.get(index).cloned())
}

/// Lends attachments to [`attachment`] until dropped.
struct Lent(Option<Vec<Bytes>>);

impl Lent {
    fn new(attachments: &[Bytes]) -> Self {
        let set = !attachments.is_empty();
        Self(set.then(|| ATTACHMENTS.replace(attachments.to_vec())))
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(before) = self.0.take() {
            ATTACHMENTS.replace(before);
        }
    }
}

/// The whole array as a value.
struct All<'a>(Sealed<'a>);

impl<'de> All<'de> {
    fn visit<V: Visitor<'de>>(self, visitor: V, missing: Option<usize>) -> Result<V::Value, Error> {
        let Sealed { payload, named } = self.0;
        let mut items =
            Items { text: &payload.text, at: 0, begun: false, binary: !payload.attachments.is_empty(), missing: None };
        if named {
            items.skip_name()?;
        }
        visitor.visit_seq(Items { missing, ..items })
    }
}

impl<'de> Deserializer<'de> for All<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.visit(visitor, None)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        self.visit(visitor, Some(len))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.visit(visitor, Some(len))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit_struct seq map struct
        enum identifier ignored_any
    }
}

/// The items of the array. Its text has been checked, so nobody looks at those that are not asked for.
struct Items<'de> {
    text: &'de str,
    at: usize,
    begun: bool,
    binary: bool,
    /// How many are asked for: missing ones are null, surplus ones ignored.
    missing: Option<usize>,
}

impl<'de> Items<'de> {
    fn skip_name(&mut self) -> Result<(), Error> {
        if self.advance()? {
            match read::string_end(self.text, self.at) {
                Some(end) => self.at = end,
                None => drop(self.item(PhantomData::<IgnoredAny>)?),
            }
        }
        Ok(())
    }

    /// Goes to where the next item begins; false if there is none.
    fn advance(&mut self) -> Result<bool, Error> {
        let at = read::space_end(self.text, self.at);
        let byte = self.text.as_bytes().get(at);
        if byte == Some(&b']') && self.begun {
            return Ok(false);
        }
        if byte != Some(if self.begun { &b',' } else { &b'[' }) {
            return Err(Error::custom("expected an array"));
        }
        self.at = read::space_end(self.text, at + 1);
        let first = !std::mem::replace(&mut self.begun, true);
        Ok(!(first && self.text.as_bytes().get(self.at) == Some(&b']')))
    }

    /// The item that begins here.
    fn item<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        if same::wants_value::<S>()
            && let Some((value, end)) = read::value(self.text, self.at)
        {
            self.at = end;
            return Ok(same::as_result::<S>(value));
        }
        let mut json = serde_json::Deserializer::from_str(self.text.get(self.at..).unwrap_or_default());
        let value = seed.deserialize(&mut json)?;
        self.at += json.into_iter::<IgnoredAny>().byte_offset();
        Ok(value)
    }

    /// The same, of an item that may hold placeholders.
    fn item_with_bytes<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        // Without attachments at hand, placeholders stay the objects they are.
        let lent = ATTACHMENTS.take();
        let value = self.item(PhantomData::<Value>);
        ATTACHMENTS.set(lent);
        let value = value?;
        if same::wants_value::<S>() {
            return Ok(same::as_result::<S>(filled(value)));
        }
        seed.deserialize(WithBytes(value))
    }
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        if let Some(missing) = &mut self.missing {
            let Some(rest) = missing.checked_sub(1) else { return Ok(None) };
            *missing = rest;
        }
        if self.advance()? {
            let item = if self.binary { self.item_with_bytes(seed) } else { self.item(seed) };
            item.map(Some)
        } else if self.missing.is_some() {
            seed.deserialize(UnitDeserializer::new()).map(Some)
        } else {
            Ok(None)
        }
    }
}

/// With the attachments in the place of their placeholders.
fn filled(value: Value) -> Value {
    if let Some(bytes) = placeholder(&value).and_then(attachment) {
        return Value::Bytes(bytes);
    }
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(filled).collect()),
        Value::Object(fields) => Value::Object(fields.into_iter().map(|(name, value)| (name, filled(value))).collect()),
        other => other,
    }
}

/// A value whose placeholders can be read as bytes. Read as anything else they are the objects they are on the wire.
struct WithBytes(Value);

impl WithBytes {
    fn bytes(&self) -> Option<Bytes> {
        placeholder(&self.0).and_then(attachment)
    }

    fn fields(fields: Vec<(Str, Value)>) -> impl Iterator<Item = (String, Self)> {
        fields.into_iter().map(|(name, value)| (name.into(), Self(value)))
    }
}

impl<'de> Deserializer<'de> for WithBytes {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Number(number) => number.deserialize_any(visitor),
            Value::String(text) => visitor.visit_str(&text),
            Value::Array(items) => SeqDeserializer::new(items.into_iter().map(WithBytes)).deserialize_any(visitor),
            Value::Object(fields) => MapDeserializer::new(Self::fields(fields)).deserialize_any(visitor),
            Value::Bytes(bytes) => visitor.visit_bytes(&bytes),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.bytes() {
            Some(bytes) => visitor.visit_bytes(&bytes),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.bytes() {
            Some(bytes) => visitor.visit_byte_buf(bytes.into()),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            value => visitor.visit_some(Self(value)),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        if name.starts_with("$serde_json") {
            // `RawValue` and its kin talk to their own deserializer.
            return serde_json::to_value(self.0)?.deserialize_newtype_struct(name, visitor);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(fields) if fields.len() == 1 => {
                visitor.visit_enum(MapAccessDeserializer::new(MapDeserializer::new(Self::fields(fields))))
            }
            Value::String(text) => StrDeserializer::<Error>::new(&text).deserialize_enum(name, variants, visitor),
            other => Self(other).deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string unit unit_struct seq tuple tuple_struct
        map struct identifier ignored_any
    }
}

impl IntoDeserializer<'_, Error> for WithBytes {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}
