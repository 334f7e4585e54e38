//! What the engine tells the host. A closed enum: a binding matches it in full, so a new event cannot be lost silently.

use std::borrow::Cow;

use bytes::Bytes;
use ferrio::net::exchange::{Head, Response};
use ferrio_protocol::engine::{Frame, Packet, Revision, Transport};
use ferrio_protocol::socket::Payload;
use ferrio_protocol::{Reason, Text};

use crate::client::ClientEvent;
use crate::ids::{AckId, ClientId, ConnId, LinkId, RequestId, SocketId};
use crate::mailbox::Letter;

/// One thing that happened, in the order it happened. Completions travel in the same queue, so an answer never overtakes
/// the event before it.
#[derive(Debug)]
pub enum Event {
    /// An Engine.IO connection opened.
    Open {
        /// The connection. Valid until its `Close`.
        conn: ConnId,
        /// Its session id: secret, known to its own client only.
        sid: Text,
        /// The request or the link (by its number: hosts count both in one) that opened it, where the host owns the port.
        request: Option<RequestId>,
        /// The request itself, where we own the port.
        head: Option<Box<Head>>,
        /// Engine.IO 3 or 4.
        revision: Revision,
        /// What it opened with.
        transport: Transport,
    },
    /// A connection moved from polling to a WebSocket.
    Upgrade {
        /// The connection.
        conn: ConnId,
    },
    /// A client asks to join a namespace. Answer with `Accept` or `Reject`; until then the socket may join rooms and be sent
    /// to, and nothing it sends arrives.
    Connect {
        /// The socket. Valid until the host's `Release`.
        socket: SocketId,
        /// Its connection.
        conn: ConnId,
        /// The namespace asked for, whether or not it exists: the host knows.
        nsp: Text,
        /// The socket's public id.
        sid: Text,
        /// JSON text of the auth object, if any. For a Socket.IO v4 client, an object made of the namespace's query.
        auth: Option<Text>,
        /// The private id by which the client comes back, where state can be recovered. Whatever the host wants such a socket
        /// to find again it keeps by this, until the socket ends for good or `SessionExpired` comes.
        pid: Option<Text>,
        /// It has come back: `sid`, `pid` and its rooms are those it had.
        recovered: bool,
    },
    /// A client sent an event.
    Message {
        /// From whom.
        socket: SocketId,
        /// The client wants an ack under this id: answer with `Command::Ack`.
        id: Option<u64>,
        /// `["name",…]` and attachments.
        payload: Payload,
    },
    /// A message came on a connection without Socket.IO (`"layer": "engineio"`).
    Data {
        /// The connection.
        conn: ConnId,
        /// The message.
        data: Frame,
    },
    /// A watched connection received an Engine.IO packet, or was given one to send. (A server's open packet, and the initial
    /// one behind it, are made before anybody watches.)
    Packet {
        /// The connection.
        conn: ConnId,
        /// Ours, just queued; else the peer's, before anything comes of it.
        sent: bool,
        /// Its type.
        kind: PacketKind,
        /// What it brings, if anything.
        data: Option<Frame>,
    },
    /// A request or a link is refused; its `Response` or `LinkClose` follows.
    Refused {
        /// The request or the link (by its number: hosts count both in one); `None` if it came to a port of the engine's own.
        request: Option<RequestId>,
        /// The number in engine.io's table of errors, 0 to 5.
        code: u8,
        /// The text in that table; in the Python dialect the one that python-engineio logs.
        message: Text,
        /// JSON text: the `context` of `connection_error`.
        context: Text,
    },
    /// A `Command::Write` is done: everything up to it has been handed to the transport of every receiver that has not ended.
    Written {
        /// The number the host gave it.
        receipt: u32,
    },
    /// One answer to an emit with ack. For an emit to one socket nothing follows.
    Ack {
        /// The number the host gave the emit.
        ack: AckId,
        /// Who answered.
        socket: SocketId,
        /// The arguments.
        payload: Payload,
    },
    /// No (further) answer to an emit with ack will come.
    AckEnd {
        /// The number the host gave the emit.
        ack: AckId,
        /// Why.
        end: AckEnd,
        /// Clients that were asked.
        expected: usize,
        /// Clients that answered.
        received: usize,
    },
    /// A socket ended. Its rooms stand until the host's `Release`.
    Disconnect {
        /// The socket.
        socket: SocketId,
        /// Why.
        reason: Reason,
        /// More about it, for logs and `disconnect`'s description. Holds no bytes of the peer's.
        detail: Option<Cow<'static, str>>,
    },
    /// A connection ended; every socket's `Disconnect` came before.
    Close {
        /// The connection.
        conn: ConnId,
        /// Why.
        reason: Reason,
        /// More about it.
        detail: Option<Cow<'static, str>>,
    },
    /// A client that could have come back did not, in time.
    SessionExpired {
        /// The namespace.
        nsp: Text,
        /// The private id: forget what was kept by it.
        pid: Text,
        /// The public id that its socket had.
        sid: Text,
        /// The rooms it was in, its own id's left out.
        rooms: Vec<Text>,
    },
    /// A slow connection has caught up (it was above the high mark and is below half of it).
    Drain {
        /// The connection.
        conn: ConnId,
    },
    /// The answer to a request of the host's.
    Response {
        /// The request.
        request: RequestId,
        /// What to send.
        response: Response,
    },
    /// Send this on a link of the host's.
    LinkWrite {
        /// The link.
        link: LinkId,
        /// In this order.
        data: Vec<LinkData>,
    },
    /// The engine is done with a link: the host closes it (or, after a take-over, forgets its own handle of the socket).
    LinkClose {
        /// The link.
        link: LinkId,
    },
    /// Something happened to a connection to somebody else's server.
    Client {
        /// The number the host gave it.
        client: ClientId,
        /// What.
        event: ClientEvent,
    },
    /// The engine has closed; nothing follows. What was submitted too late to be answered before this never will be.
    Closed,
}

/// The types of Engine.IO packets, by their digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum PacketKind {
    /// The handshake.
    Open = 0,
    /// The end.
    Close = 1,
    /// A heartbeat.
    Ping = 2,
    /// Its answer.
    Pong = 3,
    /// A message, text or binary.
    Message = 4,
    /// The move to another transport.
    Upgrade = 5,
    /// Nothing.
    Noop = 6,
}

impl PacketKind {
    pub(crate) fn split(packet: Packet) -> (Self, Option<Frame>) {
        let text = |text: Text| Some(text).filter(|text| !text.is_empty()).map(Frame::Text);
        match packet {
            Packet::Open(data) => (Self::Open, text(data)),
            Packet::Close => (Self::Close, None),
            Packet::Ping(data) => (Self::Ping, text(data)),
            Packet::Pong(data) => (Self::Pong, text(data)),
            Packet::Message(data) => (Self::Message, text(data)),
            Packet::Binary(data) => (Self::Message, Some(Frame::Binary(data))),
            Packet::Upgrade => (Self::Upgrade, None),
            Packet::Noop => (Self::Noop, None),
        }
    }
}

/// How an emit with ack ended without a (further) answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckEnd {
    /// Everybody answered (broadcasts only).
    Complete,
    /// The timeout came first.
    TimedOut,
    /// The socket left, or the engine closed.
    Disconnected,
}

/// What travels on a link of the host's.
#[derive(Debug, PartialEq, Eq)]
pub enum LinkData {
    /// Raw bytes of the TCP or TLS stream.
    Bytes(Bytes),
    /// A message, where the host's server does the framing (ASGI).
    Frame(Frame),
}

impl Letter for Event {
    fn bytes(&self) -> usize {
        match self {
            Self::Connect { nsp, sid, auth, .. } => nsp.len() + sid.len() + auth.as_ref().map_or(0, |auth| auth.len()),
            Self::Message { payload, .. } | Self::Ack { payload, .. } => payload.size(),
            Self::Data { data, .. } => data.len(),
            Self::Packet { data, .. } => data.as_ref().map_or(0, Frame::len),
            Self::Refused { message, context, .. } => message.len() + context.len(),
            Self::Response { response, .. } => response.body.len(),
            Self::SessionExpired { rooms, .. } => rooms.iter().map(|room| room.len()).sum(),
            Self::LinkWrite { data, .. } => data.iter().map(LinkData::len).sum(),
            Self::Client { event, .. } => event.bytes(),
            Self::Open { .. }
            | Self::Upgrade { .. }
            | Self::Written { .. }
            | Self::AckEnd { .. }
            | Self::Disconnect { .. }
            | Self::Close { .. }
            | Self::Drain { .. }
            | Self::LinkClose { .. }
            | Self::Closed => 0,
        }
    }

    fn bounded(&self) -> bool {
        match self {
            Self::Client { event, .. } => event.bounded(),
            Self::Open { .. }
            | Self::Upgrade { .. }
            | Self::Connect { .. }
            | Self::Message { .. }
            | Self::Data { .. }
            | Self::Packet { .. }
            | Self::Drain { .. }
            | Self::LinkWrite { .. } => true,
            Self::Ack { .. }
            | Self::Refused { .. }
            | Self::Written { .. }
            | Self::AckEnd { .. }
            | Self::Disconnect { .. }
            | Self::Close { .. }
            | Self::Response { .. }
            | Self::SessionExpired { .. }
            | Self::LinkClose { .. }
            | Self::Closed => false,
        }
    }
}

impl LinkData {
    fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Frame(frame) => frame.len(),
        }
    }
}
