//! Why a socket or a connection ended.

use std::fmt;

use crate::dialect::Dialect;

/// The reason of a disconnect. [`Reason::as_str`] gives the text that the original of a dialect uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The client sent DISCONNECT for the namespace.
    ClientNamespaceDisconnect,
    /// A malformed Socket.IO packet, or the server closed a transport that closes at once.
    ForcedClose,
    /// The server closed for a protocol violation while the transport closes later.
    ForcedServerClose,
    /// A malformed Engine.IO packet.
    ParseError,
    /// No heartbeat in time.
    PingTimeout,
    /// The peer sent more events than it may. None of the originals' reasons: they have no such limit.
    RateLimited,
    /// The server disconnected the socket.
    ServerNamespaceDisconnect,
    /// The server shuts down.
    ServerShuttingDown,
    /// More waits for the peer than the server keeps, or it takes nothing at all. None of the originals' reasons either.
    SlowConsumer,
    /// The peer closed the connection.
    TransportClose,
    /// The connection broke, or the peer misused its transport.
    TransportError,
}

impl Reason {
    /// The text handlers see: `"ping timeout"`, `"transport close"`…
    pub const fn as_str(self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Node => match self {
                Self::ClientNamespaceDisconnect => "client namespace disconnect",
                Self::ForcedClose => "forced close",
                Self::ForcedServerClose => "forced server close",
                Self::ParseError => "parse error",
                Self::PingTimeout => "ping timeout",
                Self::RateLimited => "rate limited",
                Self::ServerNamespaceDisconnect => "server namespace disconnect",
                Self::ServerShuttingDown => "server shutting down",
                Self::SlowConsumer => "slow consumer",
                Self::TransportClose => "transport close",
                Self::TransportError => "transport error",
            },
            // python-socketio knows five reasons (`Server.reason`); two are ours.
            Dialect::Python => match self {
                Self::ClientNamespaceDisconnect => "client disconnect",
                Self::ServerNamespaceDisconnect | Self::ServerShuttingDown | Self::ForcedServerClose => {
                    "server disconnect"
                }
                Self::PingTimeout => "ping timeout",
                Self::RateLimited => "rate limited",
                Self::SlowConsumer => "slow consumer",
                Self::TransportClose => "transport close",
                Self::ForcedClose | Self::ParseError | Self::TransportError => "transport error",
            },
        }
    }

    /// Nobody wanted this end: a client that comes back may find its state as it was (connection state recovery).
    pub const fn is_recoverable(self) -> bool {
        match self {
            Self::ForcedClose
            | Self::ForcedServerClose
            | Self::PingTimeout
            | Self::RateLimited
            | Self::ServerShuttingDown
            | Self::SlowConsumer
            | Self::TransportClose
            | Self::TransportError => true,
            Self::ClientNamespaceDisconnect | Self::ParseError | Self::ServerNamespaceDisconnect => false,
        }
    }
}

/// The text of Node's original, as a Rust program logs it.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str(Dialect::Node))
    }
}
