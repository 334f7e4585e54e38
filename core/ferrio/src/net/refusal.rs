//! Why a request is turned away: the originals' reasons, with what they tell the application about each.

use std::borrow::Cow;

use ferrio_protocol::engine::{Revision, Transport};
use ferrio_protocol::{Dialect, Text};
use serde_json::json;

/// A request that gets no session. The answer to it is [`Reply::refuse`](super::answer::Reply::refuse)'s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `transport` is missing, unknown or not enabled.
    UnknownTransport {
        /// What the query says.
        transport: Option<String>,
    },
    /// No session has this id.
    UnknownSession {
        /// The id; `None` is a POST without one, in the Python dialect.
        sid: Option<Text>,
    },
    /// A session is opened by a GET.
    BadHandshakeMethod {
        /// The method used.
        method: String,
    },
    /// `Origin` holds a control character.
    InvalidOrigin {
        /// The header.
        origin: String,
    },
    /// The session uses another transport, and this is no upgrade.
    TransportMismatch {
        /// The request's.
        transport: Transport,
        /// The session's.
        previous: Transport,
    },
    /// The session speaks another revision of Engine.IO.
    ProtocolMismatch {
        /// The request's.
        revision: Revision,
        /// The session's.
        previous: Revision,
    },
    /// `transport=websocket` and no WebSocket.
    NoUpgrade,
    /// The headers of a WebSocket handshake are wrong.
    BadUpgrade {
        /// Which, in the words of npm's `ws`.
        message: &'static str,
    },
    /// The application's generator of session ids failed.
    IdGeneration {
        /// What it said.
        error: String,
    },
    /// A middleware of the application failed.
    Middleware,
    /// The application said no (`allowRequest`; Python's Engine.IO connect handler).
    Forbidden {
        /// Its reason.
        message: Option<String>,
    },
    /// A revision of Engine.IO that is not spoken here.
    UnsupportedProtocol {
        /// The revision asked for.
        revision: Revision,
    },
    /// The server lets nobody in, for now. None of the originals' reasons.
    Unavailable {
        /// Why.
        why: Unavailable,
        /// Seconds after which the client may try again.
        retry_after: u64,
    },
    /// Python dialect: the origin is not among the allowed ones.
    ForeignOrigin {
        /// The header.
        origin: String,
    },
    /// Python dialect: `j` is not a number.
    BadJsonpIndex,
    /// Python dialect: neither GET, POST nor OPTIONS.
    MethodNotFound,
    /// Python dialect: a plain request for a session that lives on a WebSocket.
    Upgraded,
}

/// Why nobody is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// As many connections as there may be.
    Connections,
    /// As many connections that have not joined a namespace as there may be.
    Handshakes,
    /// This address has opened too many sessions.
    Address,
    /// The server is about to end.
    ShuttingDown,
}

impl Unavailable {
    /// The status of the answer.
    pub fn status(self) -> u16 {
        match self {
            Self::Address => 429,
            Self::Connections | Self::Handshakes | Self::ShuttingDown => 503,
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::Connections => "Too many connections",
            Self::Handshakes => "Too many handshakes",
            Self::Address => "Too many sessions from this address",
            Self::ShuttingDown => "Server shutting down",
        }
    }

    /// As the `context` of `connection_error` has it.
    fn name(self) -> &'static str {
        match self {
            Self::Connections => "TOO_MANY_CONNECTIONS",
            Self::Handshakes => "TOO_MANY_HANDSHAKES",
            Self::Address => "TOO_MANY_SESSIONS",
            Self::ShuttingDown => "SERVER_SHUTTING_DOWN",
        }
    }
}

impl Refusal {
    /// The number in the original's error table, 0 to 5.
    pub fn code(&self) -> u8 {
        match self {
            Self::UnknownTransport { .. } => 0,
            Self::UnknownSession { .. } => 1,
            Self::BadHandshakeMethod { .. } | Self::MethodNotFound => 2,
            Self::InvalidOrigin { .. }
            | Self::TransportMismatch { .. }
            | Self::ProtocolMismatch { .. }
            | Self::NoUpgrade
            | Self::BadUpgrade { .. }
            | Self::IdGeneration { .. }
            | Self::Middleware
            | Self::ForeignOrigin { .. }
            | Self::BadJsonpIndex
            | Self::Upgraded => 3,
            Self::Forbidden { .. } | Self::Unavailable { .. } => 4,
            Self::UnsupportedProtocol { .. } => 5,
        }
    }

    /// The text the peer gets to see.
    pub fn message(&self, dialect: Dialect) -> Cow<'_, str> {
        match dialect {
            Dialect::Node => self.node_message(),
            Dialect::Python => self.python_message(),
        }
    }

    /// The text of the original's error table, without what an application adds: `message` of Node's `connection_error`.
    pub fn title(&self) -> &'static str {
        match self.code() {
            0 => "Transport unknown",
            1 => "Session ID unknown",
            2 => "Bad handshake method",
            3 => "Bad request",
            4 => "Forbidden",
            _ => "Unsupported protocol version",
        }
    }

    /// `context` of Node's `connection_error`, as JSON text.
    pub fn context(&self) -> String {
        let context = match self {
            Self::UnknownTransport { transport: None } => json!({}),
            Self::UnknownTransport { transport } => json!({ "transport": transport }),
            Self::UnknownSession { sid } => json!({ "sid": sid.as_deref() }),
            Self::BadHandshakeMethod { method } => json!({ "method": method }),
            Self::InvalidOrigin { origin } => json!({ "name": "INVALID_ORIGIN", "origin": origin }),
            Self::TransportMismatch { transport, previous } => json!({
                "name": "TRANSPORT_MISMATCH",
                "transport": transport.as_str(),
                "previousTransport": previous.as_str(),
            }),
            Self::ProtocolMismatch { revision, previous } => json!({
                "name": "PROTOCOL_MISMATCH",
                "protocol": number(*revision),
                "previousProtocol": number(*previous),
            }),
            Self::NoUpgrade => json!({ "name": "TRANSPORT_HANDSHAKE_ERROR" }),
            Self::BadUpgrade { message } => json!({ "name": "TRANSPORT_HANDSHAKE_ERROR", "error": message }),
            Self::IdGeneration { error } => json!({ "name": "ID_GENERATION_ERROR", "error": error }),
            Self::Middleware => json!({ "name": "MIDDLEWARE_FAILURE" }),
            Self::Forbidden { message } => json!({ "message": message }),
            Self::Unavailable { why, retry_after } => json!({
                "name": why.name(),
                "message": why.message(),
                "retryAfter": retry_after,
            }),
            Self::UnsupportedProtocol { revision } => json!({ "protocol": number(*revision) }),
            Self::ForeignOrigin { origin } => json!({ "name": "INVALID_ORIGIN", "origin": origin }),
            Self::BadJsonpIndex | Self::MethodNotFound | Self::Upgraded => json!({}),
        };
        context.to_string()
    }

    fn node_message(&self) -> Cow<'_, str> {
        match self {
            Self::Forbidden { message: Some(message) } if !message.is_empty() => Cow::Borrowed(message),
            Self::BadUpgrade { message } => Cow::Borrowed(message),
            Self::Unavailable { why, .. } => Cow::Borrowed(why.message()),
            _ => Cow::Borrowed(self.title()),
        }
    }

    fn python_message(&self) -> Cow<'_, str> {
        Cow::Borrowed(match self {
            Self::UnknownSession { sid } => {
                return Cow::Owned(format!("Invalid session {}", sid.as_deref().unwrap_or("None")));
            }
            Self::ForeignOrigin { origin } => return Cow::Owned(format!("{origin} is not an accepted origin.")),
            Self::Forbidden { message: Some(message) } if !message.is_empty() => message,
            Self::BadUpgrade { message } => message,
            Self::Unavailable { why, .. } => why.message(),
            Self::UnknownTransport { .. } | Self::TransportMismatch { .. } => "Invalid transport",
            Self::ProtocolMismatch { .. } | Self::UnsupportedProtocol { .. } => {
                "The client is using an unsupported version of the Socket.IO or Engine.IO protocols"
            }
            Self::NoUpgrade => "Invalid websocket upgrade",
            Self::BadJsonpIndex => "Invalid JSONP index number",
            Self::BadHandshakeMethod { .. } | Self::MethodNotFound => "Method Not Found",
            Self::Forbidden { .. } => "Unauthorized",
            Self::Upgraded => "Unexpected HTTP request",
            Self::InvalidOrigin { .. } | Self::IdGeneration { .. } | Self::Middleware => "Bad Request",
        })
    }
}

fn number(revision: Revision) -> u8 {
    match revision {
        Revision::V3 => 3,
        Revision::V4 => 4,
    }
}
