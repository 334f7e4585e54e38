//! What a peer did wrong.

use std::borrow::Cow;

/// A peer broke the protocol. Costs the peer its connection, nobody else anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProtocolError {
    /// Which layer the fault lies in; it decides the reason of the close.
    pub fault: Fault,
    /// The reference's error text where it has one, else ours. Never holds bytes of the peer's.
    pub message: Cow<'static, str>,
}

/// The layer a protocol error belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Engine.IO packet or payload: closes with `parse error`.
    Engine,
    /// Socket.IO packet: an `error` event, then closes with `forced close`.
    Socket,
}

impl ProtocolError {
    /// A fault in an Engine.IO packet or payload.
    pub const fn engine(message: &'static str) -> Self {
        Self { fault: Fault::Engine, message: Cow::Borrowed(message) }
    }

    /// A fault in a Socket.IO packet.
    pub const fn socket(message: &'static str) -> Self {
        Self { fault: Fault::Socket, message: Cow::Borrowed(message) }
    }
}
