//! Any value that Socket.IO can carry: JSON, and bytes in it.

use std::fmt;

use bytes::Bytes;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Binary, open};

/// Any value that Socket.IO can carry: what `serde_json::Value` is to JSON, with bytes.
///
/// For programs that pass on what they do not know. Where the type is known, a struct is faster and safer.
///
/// ```
/// use ferrio::Value;
/// use serde_json::json;
///
/// let mut value = Value::from(json!({ "name": "a" }));
/// if let Value::Object(fields) = &mut value {
///     fields.push(("data".into(), Value::Bytes(vec![1, 2, 3].into())));
/// }
/// assert_eq!(value.get("name").and_then(Value::as_str), Some("a"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`, a boolean, a number or a string.
    Scalar(serde_json::Value),
    /// `[…]`
    Array(Vec<Self>),
    /// `{…}`, in the order of the fields.
    Object(Vec<(String, Self)>),
    /// An attachment.
    Bytes(Bytes),
}

impl Default for Value {
    fn default() -> Self {
        Self::Scalar(serde_json::Value::Null)
    }
}

impl Value {
    /// The field of an object.
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            // Of two the last counts, as everywhere in JSON.
            Self::Object(fields) => fields.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value),
            Self::Scalar(_) | Self::Array(_) | Self::Bytes(_) => None,
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        self.scalar().and_then(serde_json::Value::as_str)
    }

    /// A number without sign and fraction.
    pub fn as_u64(&self) -> Option<u64> {
        self.scalar().and_then(serde_json::Value::as_u64)
    }

    /// An attachment.
    pub fn as_bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Scalar(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    fn scalar(&self) -> Option<&serde_json::Value> {
        match self {
            Self::Scalar(value) => Some(value),
            Self::Array(_) | Self::Object(_) | Self::Bytes(_) => None,
        }
    }
}

impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Array(items) => Self::Array(items.into_iter().map(Self::from).collect()),
            serde_json::Value::Object(fields) => {
                Self::Object(fields.into_iter().map(|(name, value)| (name, value.into())).collect())
            }
            scalar => Self::Scalar(scalar),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Scalar(text.into())
    }
}

impl From<Bytes> for Value {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Scalar(value) => value.serialize(serializer),
            Self::Array(items) => items.serialize(serializer),
            Self::Object(fields) => serializer.collect_map(fields.iter().map(|(name, value)| (name, value))),
            Self::Bytes(bytes) => super::seal::lend(bytes, || serializer.serialize_bytes(bytes)),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::default())
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::default())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Scalar(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Scalar(value.into()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Scalar(value.into()))
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes(Bytes::copy_from_slice(value)))
    }

    fn visit_byte_buf<E>(self, value: Vec<u8>) -> Result<Value, E> {
        Ok(Value::Bytes(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Vec::new();
        while let Some(field) = map.next_entry()? {
            object.push(field);
        }
        let value = Value::Object(object);
        Ok(match placeholder(&value).and_then(open::attachment) {
            Some(bytes) => Value::Bytes(bytes),
            None => value,
        })
    }
}

/// The index in `{"_placeholder":true,"num":index}`.
pub(super) fn placeholder(value: &Value) -> Option<usize> {
    value.get("_placeholder")?.scalar()?.as_bool().filter(|is| *is)?;
    value.get("num")?.as_u64()?.try_into().ok()
}

impl From<Binary> for Value {
    fn from(Binary(bytes): Binary) -> Self {
        Self::Bytes(bytes)
    }
}
