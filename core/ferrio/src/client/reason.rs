//! Why a client's connection to a namespace ended.

use std::fmt;

use ferrio_protocol::Reason;

/// Why a client was disconnected. Its text is that of socket.io-client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DisconnectReason {
    /// The server made the socket leave. The client does not come back by itself.
    ServerDisconnect,
    /// The program called `disconnect`. The client does not come back by itself.
    ClientDisconnect,
    /// The server was not heard of in time.
    PingTimeout,
    /// The server (or something in between) closed the connection.
    TransportClose,
    /// The connection broke.
    TransportError,
    /// The server sent what is no Socket.IO.
    ParseError,
    /// The program closed the connection below.
    ForcedClose,
}

impl DisconnectReason {
    /// `"io server disconnect"`, `"transport close"`…
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ServerDisconnect => "io server disconnect",
            Self::ClientDisconnect => "io client disconnect",
            Self::PingTimeout => "ping timeout",
            Self::TransportClose => "transport close",
            Self::TransportError => "transport error",
            Self::ParseError => "parse error",
            Self::ForcedClose => "forced close",
        }
    }

    /// The client comes back by itself, if it may ([`reconnection`](super::Options::reconnection)).
    pub const fn is_temporary(self) -> bool {
        !matches!(self, Self::ServerDisconnect | Self::ClientDisconnect)
    }
}

/// Of a session that ended, as a client's machine says it.
impl From<Reason> for DisconnectReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::PingTimeout => Self::PingTimeout,
            Reason::TransportClose => Self::TransportClose,
            Reason::TransportError => Self::TransportError,
            Reason::ParseError => Self::ParseError,
            Reason::ForcedClose
            | Reason::ForcedServerClose
            | Reason::RateLimited
            | Reason::ServerShuttingDown
            | Reason::SlowConsumer => Self::ForcedClose,
            Reason::ClientNamespaceDisconnect => Self::ClientDisconnect,
            Reason::ServerNamespaceDisconnect => Self::ServerDisconnect,
        }
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
