//! What a peer may cost. Every limit has a name, a unit, a default and a reason.

use std::time::Duration;

/// The limits of a connection: a [`Session`](crate::Session) enforces them, but for the last two, which count WebSocket frames
/// before it sees any. Those of the HTTP layer live with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest POST body and WebSocket message, in bytes. 1e6, as both originals (`maxHttpBufferSize`).
    pub max_payload: usize,
    /// Packets in one POST. 1000: python-engineio's 16 is a frequent complaint, the reference has no limit at all.
    pub packets_per_payload: usize,
    /// Attachments of one packet. 10, as socket.io-parser since 4.2.6 (CVE-2026-33151).
    pub attachments: usize,
    /// Time for announced attachments to arrive. 30 s: a peer that announces and never sends holds memory.
    pub reassembly: Duration,
    /// Nesting of a JSON payload. 128: deeper than any honest payload, shallow enough for every parser behind us.
    pub json_depth: usize,
    /// Namespaces one connection may join or await. 64.
    pub namespaces: usize,
    /// Bytes of a namespace's name. 512.
    pub namespace_name: usize,
    /// Bytes of an event's name, as it stands in the JSON text. 1 KiB.
    pub event_name: usize,
    /// Frames of one WebSocket message, empty ones included. 1024: who cuts finer than this wants to cost time.
    pub fragments: usize,
    /// Pings, pongs and closes on one WebSocket in a second. 50: clients of Engine.IO send none at all, browsers answer ours.
    pub control_frames: usize,
}

/// A limit that a peer ran into: what a server counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum Limit {
    /// A body or message over [`Limits::max_payload`].
    MaxPayload,
    /// [`Limits::packets_per_payload`].
    PacketsPerPayload,
    /// [`Limits::attachments`], in number or in bytes.
    Attachments,
    /// [`Limits::reassembly`].
    Reassembly,
    /// [`Limits::json_depth`].
    JsonDepth,
    /// [`Limits::namespaces`].
    Namespaces,
    /// [`Limits::namespace_name`].
    NamespaceName,
    /// [`Limits::event_name`].
    EventName,
    /// [`Limits::fragments`].
    Fragments,
    /// [`Limits::control_frames`].
    ControlFrames,
    /// No namespace was joined in time.
    ConnectTimeout,
    /// A heartbeat was not answered in time.
    PingTimeout,
    /// A WebSocket did not replace polling in time.
    UpgradeTimeout,
    /// More would have waited for a connection than the hard limit.
    HardLimit,
    /// A connection took nothing of what waited for it.
    WriteTimeout,
    /// The header block of a request on a listener of ours.
    MaxHeaderBytes,
    /// A request on a listener of ours whose headers did not come in time (or a connection between two requests).
    HeaderTimeout,
    /// A newcomer beyond the connections that there may be.
    MaxConnections,
    /// A newcomer beyond those that may be without a namespace.
    MaxHandshakes,
    /// A newcomer whose address has opened enough sessions.
    SessionsPerAddress,
    /// A client that sent more events than it may.
    EventsPerClient,
    /// A name that a client thought up, beyond the namespaces that may be made so.
    MaxChildNamespaces,
}

impl Limit {
    /// Each of them; `limit as usize` is its place.
    pub const ALL: [Self; 22] = [
        Self::MaxPayload,
        Self::PacketsPerPayload,
        Self::Attachments,
        Self::Reassembly,
        Self::JsonDepth,
        Self::Namespaces,
        Self::NamespaceName,
        Self::EventName,
        Self::Fragments,
        Self::ControlFrames,
        Self::ConnectTimeout,
        Self::PingTimeout,
        Self::UpgradeTimeout,
        Self::HardLimit,
        Self::WriteTimeout,
        Self::MaxHeaderBytes,
        Self::HeaderTimeout,
        Self::MaxConnections,
        Self::MaxHandshakes,
        Self::SessionsPerAddress,
        Self::EventsPerClient,
        Self::MaxChildNamespaces,
    ];

    /// The name of its option, in words joined by `_`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MaxPayload => "max_payload",
            Self::PacketsPerPayload => "packets_per_payload",
            Self::Attachments => "attachments",
            Self::Reassembly => "reassembly",
            Self::JsonDepth => "json_depth",
            Self::Namespaces => "namespaces",
            Self::NamespaceName => "namespace_name",
            Self::EventName => "event_name",
            Self::Fragments => "fragments",
            Self::ControlFrames => "control_frames",
            Self::ConnectTimeout => "connect_timeout",
            Self::PingTimeout => "ping_timeout",
            Self::UpgradeTimeout => "upgrade_timeout",
            Self::HardLimit => "hard_limit",
            Self::WriteTimeout => "write_timeout",
            Self::MaxHeaderBytes => "max_header_bytes",
            Self::HeaderTimeout => "header_timeout",
            Self::MaxConnections => "max_connections",
            Self::MaxHandshakes => "max_handshakes",
            Self::SessionsPerAddress => "sessions_per_address",
            Self::EventsPerClient => "events_per_client",
            Self::MaxChildNamespaces => "max_child_namespaces",
        }
    }
}

/// Largest ack id: what a JavaScript number holds exactly (2^53 - 1).
pub const MAX_ACK_ID: u64 = (1 << 53) - 1;

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_payload: 1_000_000,
            packets_per_payload: 1000,
            attachments: 10,
            reassembly: Duration::from_secs(30),
            json_depth: 128,
            namespaces: 64,
            namespace_name: 512,
            event_name: 1024,
            fragments: 1024,
            control_frames: 50,
        }
    }
}
