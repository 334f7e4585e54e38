//! What can go wrong in a program's own calls.
//!
//! The first three are `Serialize` (as their text), so that a handler may answer with them: `?` works on an emit whose
//! failure the client should hear of.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value;

/// Why an event was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmitError {
    /// The client has left.
    #[error("the socket is disconnected")]
    Disconnected,
    /// A client has more to send than it may keep ([`max_buffered`](crate::client::Options::max_buffered)).
    #[error("too much waits to be sent")]
    Full,
    /// The name belongs to the library: `connect`, `connect_error`, `disconnect`, `disconnecting`, `newListener`,
    /// `removeListener`.
    #[error("\"{0}\" is a reserved event name")]
    Reserved(String),
    /// An argument is not serializable as JSON (a map whose keys are no strings, say).
    #[error("cannot serialize the arguments: {0}")]
    Serialize(String),
}

/// Why an answer did not come.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AckError {
    /// The client left before it answered.
    #[error("the socket was disconnected before it answered")]
    Disconnected,
    /// The question was not sent.
    #[error(transparent)]
    Emit(#[from] EmitError),
    /// It answered something of another type than was asked for.
    #[error("the answer has another type: {0}")]
    Mismatch(#[from] Mismatch),
    /// The timeout came first.
    #[error("operation has timed out")]
    Timeout,
}

/// What came is not of the type that a handler asks for. The handler is not called, nobody is answered, and the reason
/// stands in the log at debug level: an honest client and a program that agree with each other never meet it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Mismatch(String);

impl Mismatch {
    /// `why` goes to the log.
    pub fn new(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }
}

/// A client is not let in. Its `connect_error` event carries message and data.
///
/// Made from any text by `?` or [`into`](Into::into).
///
/// ```
/// use ferrio::ConnectError;
/// use serde_json::json;
///
/// let error = ConnectError::new("unknown token").data(json!({ "code": 401 }));
/// ```
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ConnectError {
    message: String,
    data: Option<Value>,
}

impl ConnectError {
    /// `message` is what the client reads as `error.message`.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), data: None }
    }

    /// Adds what the client reads as `error.data`.
    #[must_use]
    pub fn data(mut self, data: impl Into<Value>) -> Self {
        self.data = Some(data.into());
        self
    }

    /// The JSON text on the wire: an object, or for clients of Socket.IO 2 the data alone or the message alone.
    pub(crate) fn to_json(&self, old: bool) -> String {
        let json = match (&self.data, old) {
            (Some(data), true) => return data.to_string(),
            (None, true) => return Value::from(self.message.as_str()).to_string(),
            (Some(data), false) => serde_json::json!({ "message": self.message, "data": data }),
            (None, false) => serde_json::json!({ "message": self.message }),
        };
        json.to_string()
    }
}

impl From<String> for ConnectError {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

impl From<&str> for ConnectError {
    fn from(message: &str) -> Self {
        Self::new(message)
    }
}

impl From<Mismatch> for ConnectError {
    fn from(_: Mismatch) -> Self {
        // What exactly did not fit is for the log: types of a program are none of a stranger's business.
        Self::new("invalid auth")
    }
}

impl Serialize for EmitError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for AckError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Mismatch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
