//! One HTTP request and its answer, whoever owns the port: our listener, a tower stack, Node's `http`, an ASGI server.

use std::borrow::Cow;

use bytes::Bytes;
use ferrio_protocol::Text;

/// The head of a request. Only headers the engine reads need be there; a host keeps its own request object.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// `GET`, `POST`…, upper case.
    pub method: String,
    /// Path and query, as they stand in the request line.
    pub target: String,
    /// Names in lower case. A repeated header stands as often as it came.
    pub headers: Vec<(Cow<'static, str>, String)>,
    /// The peer's address, as text; empty when unknown.
    pub remote: String,
    /// The request came over TLS.
    pub secure: bool,
}

impl Head {
    /// The first header of this (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// An answer. `Content-Length` is the carrier's to add.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(Cow<'static, str>, String)>,
    /// The whole body.
    pub body: Bytes,
    /// The session this request opened, for the hosts' `initial_headers` and `request` bookkeeping.
    pub opened: Option<Text>,
}
