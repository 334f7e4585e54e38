//! Where Node's and Python's originals answer differently. Nothing else branches on the host language.

use crate::reason::Reason;

/// Whose answers a server gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// As socket.io 4.8 and engine.io 6.6 answer. The Rust face speaks this one too.
    #[default]
    Node,
    /// As python-socketio 5.18 and python-engineio 4.15 answer.
    Python,
}

/// One row of the table for each point of difference.
impl Dialect {
    /// A request without `transport`: Python takes it for polling, Node answers 400.
    pub const fn missing_transport_is_polling(self) -> bool {
        matches!(self, Self::Python)
    }

    /// Text and `Content-Type` of the answer to a POST.
    pub const fn post_reply(self) -> (&'static str, &'static str) {
        match self {
            Self::Node => ("ok", "text/html"),
            Self::Python => ("OK", "text/plain"),
        }
    }

    /// Whether the handshake writes `pingTimeout` before `pingInterval`.
    pub const fn ping_timeout_first(self) -> bool {
        matches!(self, Self::Python)
    }

    /// Fractions of a second of the ping interval are lost in Python's handshake.
    pub const fn whole_seconds(self) -> bool {
        matches!(self, Self::Python)
    }

    /// A POST over the limit: Node answers 413 and keeps the session, Python answers 400 and ends it.
    pub const fn oversize_post_ends_session(self) -> bool {
        matches!(self, Self::Python)
    }

    /// Status of a refused connection at the Engine.IO level.
    pub const fn refused_status(self) -> u16 {
        match self {
            Self::Node => 403,
            Self::Python => 401,
        }
    }

    /// A close packet over a WebSocket: Node ignores it (and waits for the socket to close), Python closes.
    pub const fn close_packet_closes_websocket(self) -> bool {
        matches!(self, Self::Python)
    }

    /// JSON text of the CONNECT_ERROR for a namespace that does not exist.
    pub const fn unknown_namespace(self) -> &'static str {
        match self {
            Self::Node => r#"{"message":"Invalid namespace"}"#,
            Self::Python => r#""Unable to connect""#,
        }
    }

    /// `OPTIONS` without CORS: Python says 200 `OK`, Node 400.
    pub const fn options_is_ok(self) -> bool {
        matches!(self, Self::Python)
    }

    /// Python's `json` reads and writes `NaN` and `Infinity`.
    pub const fn nan_literals(self) -> bool {
        matches!(self, Self::Python)
    }

    /// The namespace in a client's CONNECT may carry `?query` (Socket.IO v4 habit): Python cuts it off, Node takes it literally.
    pub const fn cuts_namespace_query(self) -> bool {
        matches!(self, Self::Python)
    }

    /// Why a session ended whose client sent the close packet.
    pub const fn close_packet_reason(self) -> Reason {
        match self {
            Self::Node => Reason::TransportClose,
            Self::Python => Reason::ClientNamespaceDisconnect,
        }
    }

    /// A packet for a namespace that was not joined (yet): Node closes the connection, Python ignores the packet.
    pub const fn ignores_stray_packets(self) -> bool {
        matches!(self, Self::Python)
    }

    /// The first ack id a server uses.
    pub const fn first_ack_id(self) -> u64 {
        match self {
            Self::Node => 0,
            Self::Python => 1,
        }
    }

    /// Python counts a socket as a member from the moment it asks (5.18); Node once it has been let in.
    pub const fn broadcasts_reach_pending(self) -> bool {
        matches!(self, Self::Python)
    }

    /// Python's server ends a POST with 400, and the session, over a packet that clients have no business to send (ping,
    /// open, noop); over a WebSocket it looks away. Node's tells the wrong direction of a heartbeat apart, on both.
    pub const fn refuses_posted_control_packets(self) -> bool {
        matches!(self, Self::Python)
    }

    /// The `Content-Type` of a POST must fit the revision; Python does not look.
    pub const fn checks_content_type(self) -> bool {
        matches!(self, Self::Node)
    }

    /// `5` on a WebSocket that was not probed: Node takes it for an upgrade, Python ends the attempt.
    pub const fn upgrade_needs_probe(self) -> bool {
        matches!(self, Self::Python)
    }

    /// Why a session ended whose transport broke rather than closed: Python does not tell the two apart.
    pub const fn broken_transport_reason(self) -> Reason {
        match self {
            Self::Node => Reason::TransportError,
            Self::Python => Reason::TransportClose,
        }
    }
}
