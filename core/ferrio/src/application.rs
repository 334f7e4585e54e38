//! Who hears what happens: the handlers of a Rust program, or the mailbox of a host language.

use std::borrow::Cow;
use std::sync::Arc;

use ferrio_protocol::engine::{Frame, Packet};
use ferrio_protocol::socket::Payload;
use ferrio_protocol::{ProtocolError, Reason, Text};

use crate::connection::Connection;
use crate::namespace::Namespace;
use crate::net::exchange::{Head, Headers};
use crate::net::refusal::Refusal;
use crate::recovery::Expired;
use crate::socket::Socket;

/// Takes the decision on a handshake, and its head back.
pub type Allow = Box<dyn FnOnce(Head, Result<(), String>) + Send>;

/// The receiver of a server's events. Called from the I/O threads with no lock held; must not block.
///
/// Per connection the calls come in the order things happened.
pub trait Application: Send + Sync + 'static {
    /// May this request open a session? Answer through `decide`, from any thread; `Err` is the text for the client.
    /// (`allowRequest` of engine.io. Called for handshakes only, over either transport.)
    fn allow(&self, head: Head, decide: Allow) {
        decide(head, Ok(()));
    }

    /// Headers for the answer that opens a session (`initial_headers` of engine.io): the first poll's, or the 101. One that
    /// could not stand in HTTP is left out.
    fn initial_headers(&self, head: &Head) -> Headers {
        let _ = head;
        Headers::new()
    }

    /// A request is refused; the answer to it follows. (`connection_error` of engine.io.)
    fn refused(&self, head: &Head, refusal: &Refusal) {
        let _ = (head, refusal);
    }

    /// A connection opened; `head` is the request that did it.
    fn open(&self, connection: &Arc<Connection>, head: Head);

    /// A connection moved from polling to a WebSocket.
    fn upgrade(&self, connection: &Arc<Connection>);

    /// A client asks to join a namespace: answer with [`Socket::accept`] or [`Socket::reject`], now or later.
    fn connect(&self, socket: &Socket, auth: Option<Text>);

    /// An event came. Answer an `id` with [`Socket::ack`].
    fn message(&self, socket: &Socket, id: Option<u64>, payload: Payload);

    /// A message came on a connection without Socket.IO ([`Layer::EngineIo`](ferrio_protocol::session::Layer)).
    fn data(&self, connection: &Arc<Connection>, data: Frame) {
        let _ = (connection, data);
    }

    /// An Engine.IO packet of a watched connection ([`Connection::watch`]): ours, just queued (`sent`), or the peer's, before
    /// anything comes of it.
    fn packet(&self, connection: &Arc<Connection>, sent: bool, packet: Packet) {
        let _ = (connection, sent, packet);
    }

    /// The peer broke the Socket.IO protocol; the disconnect follows. Called for each of its sockets.
    fn fault(&self, socket: &Socket, error: &ProtocolError) {
        let _ = (socket, error);
    }

    /// A socket ended (also one that was never accepted). Its rooms stand until [`Socket::release`], which must be called.
    fn disconnect(&self, socket: &Socket, reason: Reason, detail: Option<Cow<'static, str>>);

    /// A connection ended; its sockets' `disconnect` came before.
    fn close(&self, connection: &Arc<Connection>, reason: Reason, detail: Option<Cow<'static, str>>);

    /// A slow connection has caught up.
    fn drain(&self, connection: &Arc<Connection>) {
        let _ = connection;
    }

    /// A client that could have come back did not, in time ([`Recovery`](crate::config::Recovery)).
    fn session_expired(&self, namespace: &Namespace, expired: Expired) {
        let _ = (namespace, expired);
    }

    /// No more events for now: connections stop reading until [`Hub::resume`](crate::hub::Hub::resume).
    fn is_full(&self) -> bool {
        false
    }
}
