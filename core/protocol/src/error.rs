//! What a peer did wrong.

use std::borrow::Cow;

use crate::limits::Limit;

/// A peer broke the protocol. Costs the peer its connection, nobody else anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProtocolError {
    /// Which layer the fault lies in; it decides the reason of the close.
    pub fault: Fault,
    /// The reference's error text where it has one, else ours. Never holds bytes of the peer's.
    pub message: Cow<'static, str>,
    /// The limit it ran into, if that is what was wrong.
    pub limit: Option<Limit>,
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
        Self { fault: Fault::Engine, message: Cow::Borrowed(message), limit: None }
    }

    /// A fault in a Socket.IO packet.
    pub const fn socket(message: &'static str) -> Self {
        Self { fault: Fault::Socket, message: Cow::Borrowed(message), limit: None }
    }

    /// The same, because of a limit.
    #[must_use]
    pub fn over(self, limit: Limit) -> Self {
        Self { limit: Some(limit), ..self }
    }
}
