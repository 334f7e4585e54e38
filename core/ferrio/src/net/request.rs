//! What a request wants, as far as its head and the configuration tell.
//!
//! The checks stand in the order of the originals, because a request that fails two of them must get the answer to the
//! first. Those that need the session (does it exist, on which transport, in which revision) are the server's:
//! [`Request::check`] and [`Candidate::check`] hold them ready.

use std::borrow::Cow;

use ferrio_protocol::engine::{Revision, Transport};
use ferrio_protocol::{Dialect, Text, query};

use super::cors;
use super::exchange::{Head, is_header_value};
use super::refusal::Refusal;
use crate::config::Config;

/// Whether a request is ours: a plain prefix in Node, which takes `/socket.io/anything` too; Python forgives a missing
/// slash at the end.
pub fn is_ours(target: &str, config: &Config) -> bool {
    let Some(rest) = target.strip_prefix(config.path.as_str()) else { return false };
    let missing_slash = config.dialect == Dialect::Python && (rest.is_empty() || rest.starts_with('?'));
    !config.add_trailing_slash || rest.starts_with('/') || missing_slash
}

/// What a plain request wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `OPTIONS` to be answered by [`Reply::options`](super::answer::Reply::options).
    Options,
    /// A new session on polling.
    Handshake {
        /// The revision it will speak.
        revision: Revision,
        /// Binary must travel as text.
        base64: bool,
        /// Answer with a script (`j`). Node's original keeps it for the whole session.
        jsonp: Option<u64>,
    },
    /// Something of a session, if that exists.
    Session(Request),
}

/// A plain request with a session id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The session.
    pub sid: Text,
    /// The transport it names.
    pub transport: Transport,
    /// The revision it names; Python's original does not look.
    pub revision: Revision,
    /// What it does.
    pub action: Action,
}

/// What a plain request does with its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// GET: waits for packets.
    Poll {
        /// Answer with a script.
        jsonp: Option<u64>,
    },
    /// POST: brings packets.
    Post(Content),
    /// Any other method: 500 and nothing else happens, once the session has been found.
    Other,
}

/// What the body of a POST is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A text payload.
    Text,
    /// `application/octet-stream`: legal in revision 3 only.
    Binary,
    /// A form with the payload in `d` (JSONP).
    Form,
}

/// A WebSocket: for a new session, or to replace the polling of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The session to upgrade.
    pub sid: Option<Text>,
    /// The revision it names.
    pub revision: Revision,
    /// Binary must travel as text.
    pub base64: bool,
}

/// Decides on a plain request.
///
/// # Errors
/// The first check that fails.
pub fn route(head: &Head, config: &Config) -> Result<Route, Refusal> {
    let query = Query::parse(&head.target, config.dialect);
    match config.dialect {
        Dialect::Node => node_route(head, config, query),
        Dialect::Python => python_route(head, config, query),
    }
}

/// Decides on a request to become a WebSocket. The headers of the WebSocket handshake come after it, see
/// [`websocket::accept`](super::websocket::accept).
///
/// # Errors
/// The first check that fails.
pub fn route_websocket(head: &Head, config: &Config) -> Result<Candidate, Refusal> {
    let query = Query::parse(&head.target, config.dialect);
    check_foreign_origin(head, config)?;
    // The originals open a WebSocket for `transport=polling` too, only to close it at once.
    if query.transport(config)? != Transport::WebSocket {
        return Err(Refusal::UnknownTransport { transport: query.transport.map(Cow::into_owned) });
    }
    check_origin_characters(head)?;
    if query.sid.is_none() {
        if head.method != "GET" {
            return Err(Refusal::BadHandshakeMethod { method: head.method.clone() });
        }
        check_revision(&query, config)?;
    }
    Ok(Candidate { revision: query.revision, base64: query.base64, sid: query.sid })
}

impl Request {
    /// The checks against the session `sid` names: `transport` and `revision` are the session's.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn check(&self, transport: Transport, revision: Revision, dialect: Dialect) -> Result<(), Refusal> {
        match dialect {
            Dialect::Node if self.transport != transport => {
                Err(Refusal::TransportMismatch { transport: self.transport, previous: transport })
            }
            Dialect::Node => {
                check_session_revision(self.revision, revision)?;
                // Both say `websocket`. Node's original lets such a request hang for ever.
                if transport == Transport::WebSocket { Err(Refusal::NoUpgrade) } else { Ok(()) }
            }
            Dialect::Python if self.action == Action::Other => Ok(()),
            Dialect::Python if transport == Transport::WebSocket => Err(Refusal::Upgraded),
            // Only a GET is asked for its transport.
            Dialect::Python if self.transport != transport && matches!(self.action, Action::Poll { .. }) => {
                Err(Refusal::TransportMismatch { transport: self.transport, previous: transport })
            }
            Dialect::Python => Ok(()),
        }
    }
}

impl Candidate {
    /// The check against the session `sid` names. That it is not on a WebSocket already is the session machine's to see.
    ///
    /// # Errors
    /// The session speaks another revision.
    pub fn check(&self, revision: Revision, dialect: Dialect) -> Result<(), Refusal> {
        match dialect {
            Dialect::Node => check_session_revision(self.revision, revision),
            Dialect::Python => Ok(()),
        }
    }
}

/// engine.io's `verify`, with the EIO check of its `handshake` at the end.
fn node_route(head: &Head, config: &Config, query: Query<'_>) -> Result<Route, Refusal> {
    if head.method == "OPTIONS" && cors::has_rule(config) {
        // The `cors` package sits before the engine and answers every preflight.
        return Ok(Route::Options);
    }
    let transport = query.transport(config)?;
    check_origin_characters(head)?;
    if let Some(sid) = query.sid {
        let action = match head.method.as_str() {
            "GET" => Action::Poll { jsonp: query.jsonp.map(node_index) },
            "POST" => Action::Post(content(head, query.jsonp.is_some())),
            _ => Action::Other,
        };
        return Ok(Route::Session(Request { sid, transport, revision: query.revision, action }));
    }
    if head.method != "GET" {
        return Err(Refusal::BadHandshakeMethod { method: head.method.clone() });
    }
    if transport == Transport::WebSocket {
        return Err(Refusal::NoUpgrade);
    }
    check_revision(&query, config)?;
    Ok(Route::Handshake { revision: query.revision, base64: query.base64, jsonp: query.jsonp.map(node_index) })
}

/// python-engineio's `handle_request`.
fn python_route(head: &Head, config: &Config, query: Query<'_>) -> Result<Route, Refusal> {
    check_foreign_origin(head, config)?;
    let transport = query.transport(config)?;
    if query.sid.is_none() {
        check_revision(&query, config)?;
    }
    let jsonp = match &query.jsonp {
        Some(index) => Some(index.trim().parse().map_err(|_| Refusal::BadJsonpIndex)?),
        None => None,
    };
    let action = match head.method.as_str() {
        "GET" => Action::Poll { jsonp },
        "POST" => Action::Post(content(head, jsonp.is_some())),
        "OPTIONS" => return Ok(Route::Options),
        _ => return Err(Refusal::MethodNotFound),
    };
    match (query.sid, action) {
        (Some(sid), action) => Ok(Route::Session(Request { sid, transport, revision: query.revision, action })),
        (None, Action::Poll { .. }) if transport == Transport::WebSocket => Err(Refusal::NoUpgrade),
        (None, Action::Poll { .. }) => Ok(Route::Handshake { revision: query.revision, base64: query.base64, jsonp }),
        (None, Action::Post(_) | Action::Other) => Err(Refusal::UnknownSession { sid: None }),
    }
}

/// Python's original refuses foreign origins before it looks at anything else; Node's never does.
fn check_foreign_origin(head: &Head, config: &Config) -> Result<(), Refusal> {
    match head.header("origin") {
        Some(origin) if !cors::is_accepted(head, config) => Err(Refusal::ForeignOrigin { origin: origin.to_owned() }),
        _ => Ok(()),
    }
}

fn check_origin_characters(head: &Head) -> Result<(), Refusal> {
    match head.header("origin") {
        Some(origin) if !is_header_value(origin) => Err(Refusal::InvalidOrigin { origin: origin.to_owned() }),
        _ => Ok(()),
    }
}

fn check_revision(query: &Query, config: &Config) -> Result<(), Refusal> {
    match query.revision {
        Revision::V4 => Ok(()),
        Revision::V3 if config.allow_eio3 => Ok(()),
        Revision::V3 => Err(Refusal::UnsupportedProtocol { revision: Revision::V3 }),
    }
}

fn check_session_revision(revision: Revision, previous: Revision) -> Result<(), Refusal> {
    if revision == previous { Ok(()) } else { Err(Refusal::ProtocolMismatch { revision, previous }) }
}

fn content(head: &Head, jsonp: bool) -> Content {
    match head.header("content-type") {
        Some("application/octet-stream") => Content::Binary,
        _ if jsonp => Content::Form,
        _ => Content::Text,
    }
}

/// Only the digits count, as in the original: what stands between them must not reach the script. One that sends none (or
/// more than any client does) gets a script with another index than it asked for.
fn node_index(index: Cow<'_, str>) -> u64 {
    let digits: String = index.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_default()
}

/// The parameters that mean something, as the dialect's original reads them.
#[derive(Debug)]
struct Query<'a> {
    transport: Option<Cow<'a, str>>,
    sid: Option<Text>,
    /// Anything but 4, and nothing at all, counts as 3.
    revision: Revision,
    jsonp: Option<Cow<'a, str>>,
    base64: bool,
}

impl<'a> Query<'a> {
    /// Node lets the last of two win and an empty `sid` counts as none. Python lets the first win, drops empty values
    /// altogether, and takes two `EIO` for a wrong one.
    fn parse(target: &'a str, dialect: Dialect) -> Self {
        let text = target.split_once('?').map_or("", |(_, query)| query.split('#').next().unwrap_or_default());
        let (mut transport, mut sid, mut eio, mut jsonp, mut base64) = (None, None, None, None, None);
        for (name, value) in query::pairs(text) {
            let slot: &mut Option<Cow<'a, str>> = match &*name {
                "transport" => &mut transport,
                "sid" => &mut sid,
                "EIO" => &mut eio,
                "j" => &mut jsonp,
                "b64" => &mut base64,
                _ => continue,
            };
            match dialect {
                Dialect::Node => *slot = Some(value),
                Dialect::Python if value.is_empty() => {}
                Dialect::Python if name == "EIO" && slot.is_some() => *slot = Some(Cow::Borrowed("")),
                Dialect::Python => *slot = slot.take().or(Some(value)),
            }
        }
        Self {
            transport,
            sid: sid.filter(|sid| !sid.is_empty()).map(|sid| Text::from(&*sid)),
            revision: if eio.as_deref() == Some("4") { Revision::V4 } else { Revision::V3 },
            jsonp,
            // `b64=0` is true: the originals ask whether there is a value.
            base64: base64.is_some_and(|value| !value.is_empty()),
        }
    }

    /// The transport, if it is one that is enabled.
    fn transport(&self, config: &Config) -> Result<Transport, Refusal> {
        let transport = match self.transport.as_deref() {
            Some("polling") => Some(Transport::Polling),
            Some("websocket") => Some(Transport::WebSocket),
            None if config.dialect.missing_transport_is_polling() => Some(Transport::Polling),
            _ => None,
        };
        transport
            .filter(|transport| config.transports.contains(transport))
            .ok_or_else(|| Refusal::UnknownTransport { transport: self.transport.as_deref().map(str::to_owned) })
    }
}

#[cfg(test)]
mod tests;
