//! Values of a program, and the sealed payload that travels: one pass each way.
//!
//! Bytes (`Binary`, `bytes::Bytes`, `serde_bytes`) leave the JSON text as attachments, with a placeholder in their place.

mod open;
mod read;
mod same;
mod seal;
mod str;
mod value;
mod write;

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;
use ferrio_protocol::Text;
use ferrio_protocol::socket::Payload;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{EmitError, Mismatch};

pub(crate) use open::Sealed;
pub(crate) use seal::{Given, Sealer, failure};
pub use str::Str;
pub use value::Value;

/// What an emit or an answer can carry: anything [`Serialize`].
///
/// A tuple (or an array) is several arguments, everything else is one, `()` is none:
///
/// ```
/// # fn show(server: &ferrio::Server) -> Result<(), ferrio::EmitError> {
/// server.emit("tick", ())?; // tick
/// server.emit("message", "hello")?; // message, "hello"
/// server.emit("moved", (1, 2))?; // moved, 1, 2
/// server.emit("list", vec![1, 2])?; // list, [1, 2]
/// # Ok(())
/// # }
/// ```
pub trait Arguments {
    #[doc(hidden)]
    fn seal(&self, sealer: &mut Sealer) -> Result<(), EmitError>;
}

/// What the arguments of an event or an answer can become: anything [`Deserialize`] (the first argument), [`Args`] (all of
/// them), or [`RawArgs`] (all of them, unopened).
pub trait FromArguments: Sized {
    #[doc(hidden)]
    fn open(sealed: &Sealed<'_>) -> Result<Self, Mismatch>;
}

/// All arguments: a tuple for a fixed number of them, a `Vec` for any number.
///
/// As an extractor and as the type of an answer: missing arguments count as `null`, which an `Option` accepts; surplus ones
/// are ignored. As arguments of an emit: `Args(vec)` sends each item as an argument of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Args<T>(pub T);

/// All arguments as they came: still sealed, so passing them on costs no parsing and keeps attachments where they are.
///
/// ```
/// # fn show(server: &ferrio::Server) {
/// use ferrio::{RawArgs, Socket};
///
/// server.on("echo", |socket: Socket, args: RawArgs| socket.emit("echo", args));
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawArgs {
    /// `1,"two"`: what stands between the brackets, event name left out.
    text: Text,
    attachments: Vec<Bytes>,
}

impl RawArgs {
    /// The JSON text of the arguments, separated by commas. Bytes are placeholders in it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What the placeholders stand for.
    pub fn attachments(&self) -> &[Bytes] {
        &self.attachments
    }

    /// Opens them after all.
    ///
    /// # Errors
    /// They are something else.
    pub fn parse<T: FromArguments>(&self) -> Result<T, Mismatch> {
        let text = Text::from(format!("[{}]", self.text));
        T::open(&Sealed::answer(&Payload { text, attachments: self.attachments.clone() }))
    }
}

/// Bytes that travel as an attachment, uncopied both ways.
///
/// ```
/// use ferrio::Binary;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Image {
///     name: String,
///     data: Binary,
/// }
/// ```
///
/// `bytes::Bytes` (with its `serde` feature) and `Vec<u8>` under `serde_bytes` work too and are copied once. A
/// `serde_json::Value` has no bytes: there they stay the placeholders they are on the wire (and
/// [`Attachments`](crate::Attachments) has the bytes); [`Value`] has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Binary(pub Bytes);

impl Deref for Binary {
    type Target = Bytes;

    fn deref(&self) -> &Bytes {
        &self.0
    }
}

impl From<Bytes> for Binary {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl From<Vec<u8>> for Binary {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

/// The payload of an event.
pub(crate) fn seal_event(event: &str, args: impl Arguments) -> Result<Payload, EmitError> {
    let mut sealer = Sealer::event(event)?;
    args.seal(&mut sealer)?;
    sealer.finish()
}

impl<T: Serialize> Arguments for T {
    fn seal(&self, sealer: &mut Sealer) -> Result<(), EmitError> {
        sealer.arguments(self)
    }
}

impl<T: Serialize> Arguments for Args<T> {
    fn seal(&self, sealer: &mut Sealer) -> Result<(), EmitError> {
        sealer.each(&self.0)
    }
}

impl<T: Serialize> Arguments for &Args<T> {
    fn seal(&self, sealer: &mut Sealer) -> Result<(), EmitError> {
        (**self).seal(sealer)
    }
}

impl Arguments for RawArgs {
    fn seal(&self, sealer: &mut Sealer) -> Result<(), EmitError> {
        sealer.raw(&self.text, &self.attachments);
        Ok(())
    }
}

impl Arguments for &RawArgs {
    fn seal(&self, sealer: &mut Sealer) -> Result<(), EmitError> {
        (**self).seal(sealer)
    }
}

impl<T: DeserializeOwned> FromArguments for T {
    fn open(sealed: &Sealed<'_>) -> Result<Self, Mismatch> {
        sealed.all::<(T,)>().map(|(first,)| first)
    }
}

impl<T: DeserializeOwned> FromArguments for Args<T> {
    fn open(sealed: &Sealed<'_>) -> Result<Self, Mismatch> {
        sealed.all().map(Self)
    }
}

impl FromArguments for RawArgs {
    fn open(sealed: &Sealed<'_>) -> Result<Self, Mismatch> {
        Ok(Self { text: sealed.text(), attachments: sealed.attachments().to_vec() })
    }
}

impl Serialize for Binary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        seal::lend(&self.0, || serializer.serialize_bytes(&self.0))
    }
}

impl<'de> Deserialize<'de> for Binary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A placeholder is an object wherever serde has put it meanwhile (`flatten`, untagged enums).
        deserializer.deserialize_any(BinaryVisitor)
    }
}

struct BinaryVisitor;

impl<'de> Visitor<'de> for BinaryVisitor {
    type Value = Binary;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("binary")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Binary, A::Error> {
        let mut index = None;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "_placeholder" => drop(map.next_value::<bool>()?),
                "num" => index = Some(map.next_value::<usize>()?),
                _ => return Err(serde::de::Error::custom("expected binary, found an object")),
            }
        }
        let attachment = index.and_then(open::attachment);
        attachment.map(Binary).ok_or_else(|| serde::de::Error::custom("expected binary, found an object"))
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Binary, E> {
        Ok(Binary(Bytes::copy_from_slice(bytes)))
    }

    fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<Binary, E> {
        Ok(Binary(bytes.into()))
    }
}

#[cfg(test)]
mod tests;
