//! One HTTP request and its answer, whoever owns the port: our listener, a tower stack, Node's `http`, an ASGI server.

use std::borrow::Cow;
use std::mem;

use bytes::{Bytes, BytesMut};
use ferrio_protocol::Text;

/// Header fields, names in lower case.
pub type Headers = Vec<(Cow<'static, str>, String)>;

/// Takes the answer to a plain request.
pub type Responder = Box<dyn FnOnce(Response) + Send>;

/// The head of a request. Only headers the engine reads need be there; a host keeps its own request object.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// `GET`, `POST`…, upper case.
    pub method: String,
    /// Path and query, as they stand in the request line.
    pub target: String,
    /// Names in lower case. A repeated header stands as often as it came.
    pub headers: Headers,
    /// The peer's address, as text; empty when unknown.
    pub remote: String,
    /// The request came over TLS.
    pub secure: bool,
    /// The id for the session, if this request opens one (`generateId` of engine.io). Drawn if not given; refused if taken.
    pub sid: Option<Text>,
    /// The host's word on whether its origin may come, where the host has a rule of its own. The configuration's if not given.
    pub allowed: Option<bool>,
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
    pub headers: Headers,
    /// The whole body.
    pub body: Bytes,
    /// The session this request opened, for the hosts' `initial_headers` and `request` bookkeeping.
    pub opened: Option<Text>,
}

impl Response {
    /// An empty answer.
    pub fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// With one more header. A value that could not stand in one line of HTTP (CR, LF, other control characters) is left
    /// out with its name: whatever it was made of must not write headers of its own.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        if is_header_value(&value) {
            self.headers.push((Cow::Borrowed(name), value));
        }
        self
    }

    /// The bytes of this answer on a bare HTTP/1.1 connection, for a host that hands over an upgrade request's socket.
    pub fn to_http1(&self) -> Bytes {
        let reason = http::StatusCode::from_u16(self.status).ok().and_then(|code| code.canonical_reason());
        let mut text = format!("HTTP/1.1 {} {}\r\n", self.status, reason.unwrap_or_default());
        for (name, value) in &self.headers {
            if is_header_name(name) && is_header_value(value) {
                text.extend([name, ": ", value, "\r\n"]);
            }
        }
        if self.status >= 200 {
            text.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes.into()
    }
}

/// Whether `value` may stand in a header: no control characters but the tab.
pub fn is_header_value(value: &str) -> bool {
    value.bytes().all(|byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f))
}

/// Whether `name` is a token, as the name of a header must be.
pub fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// The server's half of a plain request: takes the body, and learns when the peer goes away.
///
/// The carrier holds it until the answer is sent. An exchange dropped before [`finish`](Self::finish) means that the peer
/// is gone. That may cross with an answer on its way: the server must tell by a ticket of its own whether the request is
/// still the one it waits for.
pub struct Exchange(State);

enum State {
    /// Nothing the peer sends matters any more, nor whether it stays.
    Done,
    /// The answer may take its time (a poll).
    Waiting(Box<dyn FnOnce() + Send>),
    /// The body is being collected.
    Collecting { body: Collected, limit: usize, done: Done },
}

type Done = Box<dyn FnOnce(Result<Bytes, BodyError>) + Send>;

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is longer than the limit. Nothing above the limit was kept.
    #[error("request body over the limit")]
    TooLarge,
    /// The peer went away before the end.
    #[error("request body aborted")]
    Aborted,
}

impl Exchange {
    /// For a request that is answered at once.
    pub fn answered() -> Self {
        Self(State::Done)
    }

    /// For a poll: no body counts; `gone` is called if the peer leaves before the answer was sent.
    pub fn waiting(gone: impl FnOnce() + Send + 'static) -> Self {
        Self(State::Waiting(Box::new(gone)))
    }

    /// For a POST: `done` is called once, with the whole body or with the reason why there is none. (Not at all if the
    /// request was answered before its body was complete.)
    ///
    /// A length announced in `head` and over the limit is refused before the first byte. `done` may be called before this
    /// returns.
    pub fn collecting(head: &Head, limit: usize, done: impl FnOnce(Result<Bytes, BodyError>) + Send + 'static) -> Self {
        let announced = head.header("content-length").and_then(|length| length.trim().parse::<u64>().ok());
        if announced.is_some_and(|length| length > limit as u64) {
            done(Err(BodyError::TooLarge));
            return Self(State::Done);
        }
        Self(State::Collecting { body: Collected::Nothing, limit, done: Box::new(done) })
    }

    /// The next piece of the body. `false` when no more of it is wanted; what still comes may be thrown away.
    pub fn body(&mut self, chunk: Bytes) -> bool {
        let State::Collecting { body, limit, .. } = &mut self.0 else { return false };
        if chunk.len() > *limit - body.len() {
            self.settle(Err(BodyError::TooLarge));
            return false;
        }
        body.push(chunk);
        true
    }

    /// The body is complete.
    pub fn end(&mut self) {
        if let State::Collecting { body, .. } = &mut self.0 {
            let body = mem::replace(body, Collected::Nothing).into_bytes();
            self.settle(Ok(body));
        }
    }

    /// The answer was sent: dropping the exchange means nothing any more.
    pub fn finish(mut self) {
        self.0 = State::Done;
    }

    fn settle(&mut self, result: Result<Bytes, BodyError>) {
        if let State::Collecting { done, .. } = mem::replace(&mut self.0, State::Done) {
            done(result);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        match mem::replace(&mut self.0, State::Done) {
            State::Done => {}
            State::Waiting(gone) => gone(),
            State::Collecting { done, .. } => done(Err(BodyError::Aborted)),
        }
    }
}

/// A body so far. Nearly all come in one piece, which is kept as it is.
enum Collected {
    Nothing,
    One(Bytes),
    Several(BytesMut),
}

impl Collected {
    fn len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::One(bytes) => bytes.len(),
            Self::Several(bytes) => bytes.len(),
        }
    }

    fn push(&mut self, chunk: Bytes) {
        match self {
            Self::Nothing => *self = Self::One(chunk),
            Self::One(first) => {
                let mut bytes = BytesMut::with_capacity(first.len() + chunk.len());
                bytes.extend_from_slice(first);
                bytes.extend_from_slice(&chunk);
                *self = Self::Several(bytes);
            }
            Self::Several(bytes) => bytes.extend_from_slice(&chunk),
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Nothing => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Several(bytes) => bytes.freeze(),
        }
    }
}

#[cfg(test)]
mod tests;
