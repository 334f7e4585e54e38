//! Connections to servers of others: what a host's clients stand on.
//!
//! One connection is one attempt and its life: dialled, open, over. The host does what its programs have a hand in: coming
//! back, what waits for that, which answer belongs to which question. Here is everything up to complete packets.
//!
//! ```text
//!     Dial ──▶ Opened ──▶ Joined, Message, Ack, …  ──▶ Closed
//!       └────────────────────────────────────────────▶ Failed
//! ```

mod calls;
mod options;

use std::borrow::Cow;

use ferrio::client::Failure;
use ferrio_protocol::engine::{Frame, Transport};
use ferrio_protocol::socket::Payload;
use ferrio_protocol::{Reason, Text};

pub(crate) use calls::{Call, Calls, carry_out};

use crate::event::PacketKind;

/// What a host asks of a connection. For one that is not open (any more) all but `Dial`, `Watch`, `Hold` and `HangUp` do
/// nothing.
#[derive(Debug)]
pub enum ClientCommand {
    /// Connect. Ends in exactly one of [`ClientEvent::Failed`] and [`ClientEvent::Closed`].
    Dial {
        /// `http`, `https`, `ws` or `wss`; its path is of no account here.
        url: Text,
        /// JSON object: see `options.rs`.
        options: Text,
    },
    /// Ask to be let into a namespace.
    Join {
        /// Its name.
        nsp: Text,
        /// JSON text of an object for the server to see.
        auth: Option<Text>,
    },
    /// Leave a namespace. If the server has not answered `Join` yet, its answer is dropped, and it is told then.
    Leave {
        /// Its name.
        nsp: Text,
    },
    /// Send an event.
    Emit {
        /// In which namespace.
        nsp: Text,
        /// The server is to answer under this id.
        id: Option<u64>,
        /// `["name",…]` and attachments.
        payload: Payload,
        /// Drop it if it cannot leave now.
        volatile: bool,
    },
    /// Answer an event that came with an id.
    Ack {
        /// In which namespace.
        nsp: Text,
        /// Its id.
        id: u64,
        /// The arguments, `[…]`, and attachments.
        payload: Payload,
    },
    /// Send raw Engine.IO messages, in either layer.
    Write {
        /// In this order.
        data: Vec<Frame>,
        /// Drop them if they cannot leave now.
        volatile: bool,
    },
    /// Tell the host of every Engine.IO packet (`Packet`) and whenever everything has left (`Drain`), or stop it.
    Watch(bool),
    /// Stop reading, or go on. Meanwhile nobody minds that the server's heartbeats are not heard.
    Hold(bool),
    /// End it. `Closed` ("forced close") follows at once, or `Failed` ("aborted") if it is not open yet.
    HangUp {
        /// Drop what waits instead of sending it first.
        discard: bool,
    },
}

/// What happens to a connection.
#[derive(Debug)]
pub enum ClientEvent {
    /// It is open.
    Opened {
        /// The session's id: secret.
        sid: Text,
        /// By which transport.
        transport: Transport,
        /// What the server would move to.
        upgrades: Vec<Transport>,
        /// Time between two heartbeats of the server's, in ms.
        ping_interval: u64,
        /// Time beyond which one that does not come means that the server is gone, in ms.
        ping_timeout: u64,
        /// Bytes of one POST that the server takes; `None` for any number.
        max_payload: Option<u64>,
    },
    /// The server answers on a WebSocket, which takes over when the last poll is back.
    Upgrading,
    /// It has.
    Upgraded,
    /// Polling goes on.
    UpgradeFailed {
        /// Why.
        message: Text,
    },
    /// The server has let us into a namespace.
    Joined {
        /// Its name.
        nsp: Text,
        /// JSON text of an object: `{"sid":…}`, and `pid` where state can be recovered. `None` from servers older than v3.
        data: Option<Text>,
    },
    /// The server does not let us into a namespace.
    Refused {
        /// Its name.
        nsp: Text,
        /// JSON text: `{"message":…}`, or a string from Python's.
        data: Text,
    },
    /// The server made us leave a namespace.
    Left {
        /// Its name.
        nsp: Text,
    },
    /// An event came. (Before `Joined`, too: from a server that emits before it lets us in.)
    Message {
        /// In which namespace.
        nsp: Text,
        /// The server wants an ack under this id.
        id: Option<u64>,
        /// `["name",…]` and attachments.
        payload: Payload,
    },
    /// An answer came.
    Ack {
        /// In which namespace.
        nsp: Text,
        /// The id of our event.
        id: u64,
        /// The arguments.
        payload: Payload,
    },
    /// A message came on a connection without Socket.IO (`"layer": "engineio"`).
    Data {
        /// The message.
        data: Frame,
    },
    /// A watched connection received a packet, or was given one to send. (Never the open packet: that is `Opened`.)
    Packet {
        /// Ours.
        sent: bool,
        /// Its type.
        kind: PacketKind,
        /// What it brings, if anything.
        data: Option<Frame>,
    },
    /// Everything has been handed to the transport. Comes to who watches, and once after
    /// [`client_buffered`](crate::Engine::client_buffered) or [`client_writable`](crate::Engine::client_writable) has said that
    /// something waits.
    Drain,
    /// It was never open. Nothing follows.
    Failed {
        /// What kind of failure it is.
        kind: FailureKind,
        /// What was tried last, if it came to that.
        transport: Option<Transport>,
        /// All of it, as a sentence.
        message: Text,
        /// Of the HTTP answer, if there was one.
        status: Option<u16>,
        /// What the system, the TLS or the server said; of an answer the beginning of its body.
        detail: Text,
    },
    /// It was open, and has ended. Nothing follows.
    Closed {
        /// Why.
        reason: Reason,
        /// More about it.
        detail: Option<Cow<'static, str>>,
        /// Of the HTTP answer that it broke over, if it was one.
        status: Option<u16>,
    },
}

/// Why a connection was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// URL or options are not what they should be.
    Options = 0,
    /// The name is unknown, or nobody answers there.
    Unreachable = 1,
    /// The proxy does not lead there.
    Proxy = 2,
    /// No TLS with this server.
    Tls = 3,
    /// An HTTP answer that is none of a Socket.IO server that lets us in.
    Status = 4,
    /// The connection broke, or what came is no Engine.IO.
    Protocol = 5,
    /// It took too long.
    Timeout = 6,
    /// `HangUp` came first.
    Aborted = 7,
}

impl FailureKind {
    /// `"unreachable"`, `"timeout"`…
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Options => "options",
            Self::Unreachable => "unreachable",
            Self::Proxy => "proxy",
            Self::Tls => "tls",
            Self::Status => "status",
            Self::Protocol => "protocol",
            Self::Timeout => "timeout",
            Self::Aborted => "aborted",
        }
    }
}

impl ClientEvent {
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Message { payload, .. } | Self::Ack { payload, .. } => payload.size(),
            Self::Data { data } => data.len(),
            Self::Packet { data, .. } => data.as_ref().map_or(0, Frame::len),
            Self::Joined { data, .. } => data.as_ref().map_or(0, |data| data.len()),
            Self::Refused { data, .. } => data.len(),
            Self::Failed { message, detail, .. } => message.len() + detail.len(),
            Self::Opened { .. }
            | Self::Upgrading
            | Self::Upgraded
            | Self::UpgradeFailed { .. }
            | Self::Left { .. }
            | Self::Drain
            | Self::Closed { .. } => 0,
        }
    }

    /// What a server can send without end. (An ack can come without a question, too.)
    pub(crate) fn bounded(&self) -> bool {
        match self {
            Self::Message { .. } | Self::Ack { .. } | Self::Data { .. } | Self::Packet { .. } => true,
            Self::Opened { .. }
            | Self::Upgrading
            | Self::Upgraded
            | Self::UpgradeFailed { .. }
            | Self::Joined { .. }
            | Self::Refused { .. }
            | Self::Left { .. }
            | Self::Drain
            | Self::Failed { .. }
            | Self::Closed { .. } => false,
        }
    }

    fn failed(transport: Option<Transport>, failure: &Failure) -> Self {
        let (kind, status, detail) = match failure {
            Failure::Url { why, .. } => (FailureKind::Options, None, why.as_str()),
            Failure::Header { name } => (FailureKind::Options, None, name.as_str()),
            Failure::Unreachable { why, .. } => (FailureKind::Unreachable, None, why.as_str()),
            Failure::Proxy { why, .. } => (FailureKind::Proxy, None, why.as_str()),
            Failure::Tls { why, .. } => (FailureKind::Tls, None, why.as_str()),
            Failure::Status { status, body, .. } => (FailureKind::Status, Some(*status), body.as_str()),
            Failure::Transport { why, .. } => (FailureKind::Protocol, None, why.as_str()),
            Failure::Timeout => (FailureKind::Timeout, None, ""),
            Failure::Disconnected => (FailureKind::Aborted, None, ""),
            // Of a namespace, which is none of a connection's affairs.
            Failure::Refused { message, .. } => (FailureKind::Protocol, None, message.as_str()),
            Failure::Auth { why } => (FailureKind::Options, None, why.as_str()),
            Failure::Taken { namespace } => (FailureKind::Options, None, namespace.as_str()),
        };
        let (message, detail) = (Text::from(failure.to_string()), Text::from(detail));
        Self::Failed { kind, transport, message, status, detail }
    }
}
