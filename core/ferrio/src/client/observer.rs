//! Who hears what happens to a client: the handlers of a Rust program, or a host language.

use ferrio_protocol::Text;
use ferrio_protocol::engine::Transport;
use ferrio_protocol::socket::Payload;

use super::failure::Failure;
use super::manager::{Asked, AuthReply};
use super::reason::DisconnectReason;

/// The receiver of a client's events. Called on the client's task, one call after the other, in the order in which things
/// happened; must not block.
pub trait Observer: Send + Sync + 'static {
    /// The connection is open: an Engine.IO session with this (secret) id.
    fn opened(&self, sid: &Text, transport: Transport) {
        let _ = (sid, transport);
    }

    /// The connection moved from polling to a WebSocket.
    fn upgraded(&self) {}

    /// The connection ended; its namespaces' `disconnect` came before.
    fn closed(&self, reason: DisconnectReason, detail: Option<&str>) {
        let _ = (reason, detail);
    }

    /// An attempt to connect failed. Each namespace that waits for the connection hears a `connect_error`, too.
    fn failed(&self, failure: &Failure) {
        let _ = failure;
    }

    /// An attempt to come back begins, the first or a later one.
    fn reconnect_attempt(&self, attempt: u32) {
        let _ = attempt;
    }

    /// It succeeded.
    fn reconnected(&self, attempt: u32) {
        let _ = attempt;
    }

    /// It failed.
    fn reconnect_error(&self, failure: &Failure) {
        let _ = failure;
    }

    /// No more attempts.
    fn reconnect_failed(&self) {}

    /// The auth for a namespace is wanted, at each attempt anew: answer now or later.
    fn auth(&self, nsp: &Text, reply: AuthReply);

    /// The server lets us in. What it sent before that follows, then `connect`.
    fn joined(&self, nsp: &Text, sid: &Text, recovered: bool);

    /// The namespace is joined, and what waited has been sent.
    fn connect(&self, nsp: &Text);

    /// The namespace is not joined: the connection failed (the client tries again by itself, if it may), or the server
    /// refuses (it does not).
    fn connect_error(&self, nsp: &Text, failure: &Failure);

    /// An event came. The server wants an answer if `asked`: give it by [`Manager::ack`](super::manager::Manager::ack).
    fn message(&self, nsp: &Text, asked: Option<Asked>, payload: Payload);

    /// An event goes out to the server.
    fn outgoing(&self, nsp: &Text, payload: &Payload) {
        let _ = (nsp, payload);
    }

    /// The namespace is left. `was_joined` is false if the server had not let us in yet.
    fn disconnect(&self, nsp: &Text, was_joined: bool, reason: DisconnectReason, detail: Option<&str>);
}
