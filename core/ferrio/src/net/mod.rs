//! The only code that sees a wire: HTTP requests, WebSocket frames, TLS.
//!
//! Four carriers bring requests to one server: our own [`listener`], a tower stack ([`service`]), Node's `http` and an ASGI
//! server (through `ferrio-embed`). They all speak to it through [`Front`], and to nothing else of it:
//!
//! * a plain request goes to [`Front::request`]; its body is pushed into the [`Exchange`] that comes back, the answer comes
//!   through the [`Responder`];
//! * a request to become a WebSocket goes to [`Front::upgrade`]; an [`Accepted`] one is given the connection by one of its
//!   `attach` methods.
//!
//! What can be said of a request from its head and the configuration alone is decided by [`request`], every answer is built
//! by [`answer`], the frames of a WebSocket are read by [`websocket`]. None of these three does I/O.

pub mod answer;
mod cors;
pub mod exchange;
pub mod fallback;
pub mod files;
pub mod gate;
pub mod listener;
pub mod refusal;
pub mod request;
mod scarcity;
pub mod service;
pub mod tls;
pub mod websocket;

#[cfg(test)]
mod testing;

use std::any::Any;
use std::sync::Arc;

use bytes::Bytes;
use ferrio_protocol::Limit;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

pub use exchange::{BodyError, Exchange, Head, Headers, Responder, Response};

use crate::config::Config;
use crate::host::HostFeed;
pub use crate::lane::HostLink;

/// What a server is to the carriers of its requests. Cheap to clone: every connection holds one.
///
/// The calls return at once and never block; answers come through the closures, from whichever thread has them.
pub trait Front: Clone + Send + Sync + 'static {
    /// The configuration, for the matching of paths and for the limits of a listener. It may change.
    fn config(&self) -> Arc<Config>;

    /// Waits until the server takes more from clients, if it does not: carriers that can wait do so before they hand over a
    /// request that brings something, or opens a session.
    fn open(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Whether newcomers are let in.
    fn is_ready(&self) -> bool {
        true
    }

    /// A peer ran into a limit of a listener.
    fn struck(&self, limit: Limit) {
        let _ = limit;
    }

    /// A plain request on our path.
    ///
    /// The carrier pushes the body into the exchange, sends the answer when it comes and then calls [`Exchange::finish`];
    /// it drops the exchange when the peer is gone.
    fn request(&self, head: Head, responder: Responder) -> Exchange;

    /// A request on our path to become a WebSocket. `extra` are headers a host wants in the 101.
    ///
    /// A refusal is a [`Response`] for the same connection, which is closed after it.
    fn upgrade(&self, head: Head, extra: Headers, decide: Decide);
}

/// Takes the decision on a WebSocket.
pub type Decide = Box<dyn FnOnce(Result<Accepted, Response>) + Send>;

/// A WebSocket that may be opened: the carrier sends [`response`](Self::response), then gives the connection away.
///
/// Dropping it unattached means that the peer is gone; the server's closure is dropped uncalled.
pub struct Accepted {
    headers: Headers,
    attach: Box<dyn FnOnce(Link) + Send>,
}

/// A connection that speaks WebSocket from now on, and the bytes that were read from it together with the request.
pub struct Link {
    /// The connection.
    pub socket: Socket,
    /// Bytes after the request's head: frames the client did not wait to send.
    pub read: Bytes,
    /// Dropped when the connection is closed for good, the last goodbye included.
    pub held: Option<Held>,
}

/// What a carrier gives a connection to hold, to learn of its end.
pub type Held = Box<dyn Any + Send>;

/// How bytes move on a [`Link`].
pub enum Socket {
    /// Plain TCP: read when ready, written straight from any thread.
    Tcp(TcpStream),
    /// A WebSocket whose bytes or messages a host language carries.
    Host {
        /// Where to send.
        link: Box<dyn HostLink>,
        /// Bytes of the stream, not messages.
        raw: bool,
        /// Through which the host tells what arrives.
        feed: Arc<HostFeed>,
    },
    /// Anything else: TLS, a Unix socket, a connection that someone else's server has upgraded.
    Stream(Box<dyn Stream>),
}

/// Bytes both ways.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

impl Accepted {
    /// `headers` are those of the 101 (see [`websocket::accept`]); `attach` starts the connection.
    pub fn new(headers: Headers, attach: impl FnOnce(Link) + Send + 'static) -> Self {
        Self { headers, attach: Box::new(attach) }
    }

    /// The `101 Switching Protocols` to be sent first. [`Response::to_http1`] renders it for a bare connection.
    pub fn response(&self) -> Response {
        Response { status: 101, headers: self.headers.clone(), ..Response::default() }
    }

    /// Starts on a TCP connection.
    pub fn attach_tcp(self, stream: TcpStream, read: Bytes) {
        (self.attach)(Link { socket: Socket::Tcp(stream), read, held: None });
    }

    /// Starts on a TCP connection that a host has handed over; `held` is dropped when it is closed for good.
    pub fn attach_taken(self, stream: TcpStream, read: Bytes, held: Held) {
        (self.attach)(Link { socket: Socket::Tcp(stream), read, held: Some(held) });
    }

    /// Starts on a WebSocket whose bytes (`raw`) or messages a host language carries.
    pub fn attach_host(self, link: Box<dyn HostLink>, raw: bool, feed: Arc<HostFeed>) {
        (self.attach)(Link { socket: Socket::Host { link, raw, feed }, read: Bytes::new(), held: None });
    }

    /// Starts on any other stream.
    pub fn attach_stream(self, stream: Box<dyn Stream>, read: Bytes) {
        (self.attach)(Link { socket: Socket::Stream(stream), read, held: None });
    }
}
