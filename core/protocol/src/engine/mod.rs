//! Engine.IO: one reliable, ordered channel of texts and binaries over long-polling or a WebSocket.

pub mod handshake;
mod jsonp;
pub mod packet;
pub mod payload;

pub use handshake::Handshake;
pub use packet::{Frame, Packet};

/// Which revision of Engine.IO a peer speaks. A property of the session: it never changes after the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Revision {
    /// `EIO=3`: Socket.IO v4 rides on it (clients 1.x and 2.x).
    V3,
    /// `EIO=4`: Socket.IO v5 rides on it (clients 3.x and 4.x).
    V4,
}

/// What carries Engine.IO packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// HTTP long-polling: GET brings packets down, POST takes them up.
    Polling,
    /// One WebSocket.
    WebSocket,
}

impl Transport {
    /// The name in the query and in the handshake.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::WebSocket => "websocket",
        }
    }
}
