//! Values into a sealed payload.

use std::cell::Cell;
use std::fmt;
use std::io;

use bytes::Bytes;
use ferrio_protocol::Text;
use ferrio_protocol::socket::Payload;
use serde::ser::{self, Impossible, Serialize, SerializeSeq, SerializeTuple, Serializer};

use super::{same, write};
use crate::error::EmitError;

/// A payload in the making.
#[derive(Debug)]
pub struct Sealer {
    text: Vec<u8>,
    attachments: Vec<Bytes>,
}

/// What a value turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// `()`, or `Ok(())`.
    Nothing,
    /// Something.
    Arguments,
    /// The `Err` of a `Result`.
    Error,
}

impl Sealer {
    /// `["name"`.
    pub(crate) fn event(name: &str) -> Result<Self, EmitError> {
        const RESERVED: [&str; 6] =
            ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

        if RESERVED.contains(&name) {
            return Err(EmitError::Reserved(name.to_owned()));
        }
        let mut sealer = Self { text: Vec::with_capacity(512), attachments: Vec::new() };
        sealer.argument(name).map_err(serialize_error)?;
        Ok(sealer)
    }

    /// `[`.
    pub(crate) fn answer() -> Self {
        Self { text: Vec::new(), attachments: Vec::new() }
    }

    pub(crate) fn finish(mut self) -> Result<Payload, EmitError> {
        if self.text.is_empty() {
            self.text.push(b'[');
        }
        self.text.push(b']');
        let text = Text::from_utf8(self.text.into()).map_err(serialize_error)?;
        Ok(Payload { text, attachments: self.attachments })
    }

    /// A tuple is several arguments, `()` is none, everything else is one.
    pub(crate) fn arguments<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EmitError> {
        self.spread(value, Spread::TUPLES).map(drop)
    }

    /// Each item of a tuple or a list is an argument.
    pub(crate) fn each<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EmitError> {
        self.spread(value, Spread { lists: true, results: false }).map(drop)
    }

    /// What a handler returned: `Ok(value)` is `value`, `Err(error)` is `{"error":error}`.
    pub(crate) fn returned<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<Given, EmitError> {
        self.spread(value, Spread { lists: false, results: true })
    }

    pub(crate) fn raw(&mut self, text: &str, attachments: &[Bytes]) {
        if !text.is_empty() {
            self.separate();
            self.text.extend_from_slice(text.as_bytes());
        }
        self.attachments.extend_from_slice(attachments);
    }

    fn spread<T: Serialize + ?Sized>(&mut self, value: &T, spread: Spread) -> Result<Given, EmitError> {
        match value.serialize(Top { sealer: self, spread }) {
            Ok(given) => Ok(given),
            Err(Stop::One) => {
                self.argument(value).map_err(serialize_error)?;
                Ok(Given::Arguments)
            }
            Err(Stop::Failed(error)) => Err(serialize_error(error)),
        }
    }

    fn argument<T: Serialize + ?Sized>(&mut self, value: &T) -> serde_json::Result<()> {
        self.separate();
        if let Some(value) = same::as_value(value) {
            return write::value(value, &mut self.text, &mut self.attachments);
        }
        let formatter = Formatter(&mut self.attachments);
        value.serialize(&mut serde_json::Serializer::with_formatter(&mut self.text, formatter))
    }

    fn separate(&mut self) {
        self.text.push(if self.text.is_empty() { b'[' } else { b',' });
    }
}

/// Does `value` mean that a handler failed? Its text, if so. Nothing else is serialized.
pub(crate) fn failure<T: Serialize + ?Sized>(value: &T) -> Option<String> {
    let mut sealer = Sealer::answer();
    match value.serialize(Top { sealer: &mut sealer, spread: Spread { lists: false, results: true } }) {
        Ok(Given::Error) => Some(String::from_utf8_lossy(&sealer.text[1..]).into_owned()),
        Ok(Given::Nothing | Given::Arguments) | Err(_) => None,
    }
}

fn serialize_error(error: impl fmt::Display) -> EmitError {
    EmitError::Serialize(error.to_string())
}

// Bytes.

thread_local! {
    /// The bytes that are being serialized on this thread, if they are shared ones.
    static LENT: Cell<Option<Bytes>> = const { Cell::new(None) };
}

/// Runs `serialize`, which serializes `bytes`: our formatter then need not copy them.
pub(super) fn lend<R>(bytes: &Bytes, serialize: impl FnOnce() -> R) -> R {
    LENT.set(Some(bytes.clone()));
    let result = serialize();
    LENT.set(None);
    result
}

/// Compact JSON, bytes put aside.
struct Formatter<'a>(&'a mut Vec<Bytes>);

impl serde_json::ser::Formatter for Formatter<'_> {
    fn write_byte_array<W: io::Write + ?Sized>(&mut self, writer: &mut W, value: &[u8]) -> io::Result<()> {
        let lent = LENT.take().filter(|lent| std::ptr::eq::<[u8]>(&**lent, value));
        let index = self.0.len();
        self.0.push(lent.unwrap_or_else(|| Bytes::copy_from_slice(value)));
        write!(writer, r#"{{"_placeholder":true,"num":{index}}}"#)
    }
}

// The top of a value: how many arguments is it?

/// What is taken apart at the top.
#[derive(Clone, Copy)]
struct Spread {
    lists: bool,
    results: bool,
}

impl Spread {
    const TUPLES: Self = Self { lists: false, results: false };
}

/// Serializes what is several arguments or none; stops at the first call for everything else.
struct Top<'a> {
    sealer: &'a mut Sealer,
    spread: Spread,
}

/// Why [`Top`] went no further.
enum Stop {
    /// It is one argument, and nothing has been written.
    One,
    Failed(serde_json::Error),
}

impl From<serde_json::Error> for Stop {
    fn from(error: serde_json::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<EmitError> for Stop {
    fn from(error: EmitError) -> Self {
        Self::Failed(ser::Error::custom(error))
    }
}

macro_rules! one_argument {
    ($($method:ident($($name:ident: $type:ty),*) $(-> $result:ty)?;)*) => {$(
        fn $method(self, $($name: $type),*) -> Result<one_argument!(@ $($result)?), Stop> {
            $(let _ = $name;)*
            Err(Stop::One)
        }
    )*};
    (@ $result:ty) => { $result };
    (@) => { Given };
}

impl<'a> Serializer for Top<'a> {
    type Ok = Given;
    type Error = Stop;
    type SerializeSeq = Several<'a>;
    type SerializeTuple = Several<'a>;
    type SerializeTupleStruct = Impossible<Given, Stop>;
    type SerializeTupleVariant = Impossible<Given, Stop>;
    type SerializeMap = Impossible<Given, Stop>;
    type SerializeStruct = Impossible<Given, Stop>;
    type SerializeStructVariant = Impossible<Given, Stop>;

    fn serialize_unit(self) -> Result<Given, Stop> {
        Ok(Given::Nothing)
    }

    fn serialize_tuple(self, _: usize) -> Result<Several<'a>, Stop> {
        Ok(Several(self.sealer))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Several<'a>, Stop> {
        if self.spread.lists { Ok(Several(self.sealer)) } else { Err(Stop::One) }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Given, Stop> {
        // serde's own `Serialize` for `Result` says exactly this.
        match (self.spread.results && name == "Result", variant) {
            (true, "Ok") => Ok(self.sealer.spread(value, Spread::TUPLES)?),
            (true, "Err") => {
                self.sealer.argument(&Failure { error: value })?;
                Ok(Given::Error)
            }
            _ => Err(Stop::One),
        }
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<Given, Stop> {
        Err(Stop::One)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, _: &T) -> Result<Given, Stop> {
        Err(Stop::One)
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, _: &T) -> Result<Given, Stop> {
        Err(Stop::One)
    }

    one_argument! {
        serialize_bool(value: bool);
        serialize_i8(value: i8);
        serialize_i16(value: i16);
        serialize_i32(value: i32);
        serialize_i64(value: i64);
        serialize_i128(value: i128);
        serialize_u8(value: u8);
        serialize_u16(value: u16);
        serialize_u32(value: u32);
        serialize_u64(value: u64);
        serialize_u128(value: u128);
        serialize_f32(value: f32);
        serialize_f64(value: f64);
        serialize_char(value: char);
        serialize_str(value: &str);
        serialize_bytes(value: &[u8]);
        serialize_none();
        serialize_unit_struct(name: &'static str);
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str);
        serialize_tuple_struct(name: &'static str, len: usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, len: usize)
            -> Self::SerializeTupleVariant;
        serialize_map(len: Option<usize>) -> Self::SerializeMap;
        serialize_struct(name: &'static str, len: usize) -> Self::SerializeStruct;
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, len: usize)
            -> Self::SerializeStructVariant;
    }
}

#[derive(serde::Serialize)]
struct Failure<'a, T: ?Sized> {
    error: &'a T,
}

struct Several<'a>(&'a mut Sealer);

impl SerializeTuple for Several<'_> {
    type Ok = Given;
    type Error = Stop;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
        Ok(self.0.argument(value)?)
    }

    fn end(self) -> Result<Given, Stop> {
        Ok(Given::Arguments)
    }
}

impl SerializeSeq for Several<'_> {
    type Ok = Given;
    type Error = Stop;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
        Ok(self.0.argument(value)?)
    }

    fn end(self) -> Result<Given, Stop> {
        Ok(Given::Arguments)
    }
}

impl ser::Error for Stop {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Failed(ser::Error::custom(message))
    }
}

impl std::error::Error for Stop {}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One => f.write_str("one argument"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
