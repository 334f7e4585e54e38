//! What the host asks of the engine. A closed enum; a batch crosses in one call.

use std::net::TcpStream;
use std::time::Duration;

use bytes::Bytes;
use ferrio::net::exchange::Head;
use ferrio_protocol::Text;
use ferrio_protocol::engine::Frame;
use ferrio_protocol::socket::Payload;

use crate::client::ClientCommand;
use crate::event::LinkData;
use crate::ids::{AckId, ClientId, ConnId, LinkId, RequestId, SocketId};

/// One thing to do. Commands of all batches are carried out in the order they were submitted; membership (`Accept`,
/// `Join`, `Leave`, `Release`) and the choice of receivers happen within `submit`, the rest on the I/O threads.
///
/// A command for a socket or connection that is gone does nothing: it raced with the `Disconnect` on its way to the host.
#[derive(Debug)]
pub enum Command {
    /// Let a socket in: it counts as a member of its namespace, and the client is told.
    Accept {
        /// From `Event::Connect`.
        socket: SocketId,
    },
    /// Refuse a socket; it is released at once.
    Reject {
        /// From `Event::Connect`.
        socket: SocketId,
        /// JSON text of the CONNECT_ERROR: `{"message":…}` or a string.
        data: Text,
    },
    /// Send an event.
    Emit {
        /// To whom.
        target: Target,
        /// `["name",…]` and attachments.
        payload: Payload,
        /// How.
        flags: Flags,
        /// With an ack.
        ack: Option<AckRequest>,
    },
    /// Answer an event that came with an id.
    Ack {
        /// Who asked.
        socket: SocketId,
        /// Its id.
        id: u64,
        /// The arguments, `[…]`, and attachments.
        payload: Payload,
    },
    /// Add a socket to rooms.
    Join {
        /// Who.
        socket: SocketId,
        /// Rooms, any number.
        rooms: Vec<Text>,
    },
    /// Take a socket out of a room.
    Leave {
        /// Who.
        socket: SocketId,
        /// The room.
        room: Text,
    },
    /// Disconnect a socket: DISCONNECT to the client, then `Event::Disconnect` with the server's reason.
    Disconnect {
        /// Who.
        socket: SocketId,
        /// Close the whole connection: every namespace of it is told first.
        close: bool,
    },
    /// The host is done with a socket whose `Disconnect` event it has seen: leave all rooms, forget the id. It takes effect
    /// within `submit`, so one that came before that event would drop what is still on its way to the client.
    Release {
        /// Who.
        socket: SocketId,
    },
    /// Send raw Engine.IO messages, in either layer: encoded once, for however many connections.
    Write {
        /// To whom.
        conns: Vec<ConnId>,
        /// Messages. A receiver of volatile ones gets all of them or none.
        data: Vec<Frame>,
        /// How.
        flags: Flags,
        /// The host's number for it, if it wants an `Event::Written`. With no messages at all it waits for what was sent before.
        receipt: Option<u32>,
    },
    /// Tell the host of every Engine.IO packet of a connection (`Event::Packet`), or stop it.
    Watch {
        /// Which.
        conn: ConnId,
        /// From now on, or no more.
        on: bool,
    },
    /// Stop reading what a connection's client sends, but for what is under way, or go on. (A link that the host feeds is the
    /// host's to hold.)
    Hold {
        /// Which.
        conn: ConnId,
        /// From now on, or no more.
        on: bool,
    },
    /// Close a connection.
    Close {
        /// Which.
        conn: ConnId,
        /// Drop what is still queued for it instead of sending it first.
        discard: bool,
    },
    /// A request that the host's HTTP server received for our path. Answered by one `Event::Response`, always. (Its head, as
    /// those of the links below, may bring an id for the session that it opens.)
    Request {
        /// The host's number for it.
        request: RequestId,
        /// Its head.
        head: Head,
        /// No body follows.
        end: bool,
    },
    /// A part of a request's body.
    Body {
        /// The request.
        request: RequestId,
        /// Bytes of the body.
        chunk: Bytes,
        /// It was the last.
        end: bool,
    },
    /// The client of a request went away before it was answered (or before its body was whole).
    Abort {
        /// The request.
        request: RequestId,
    },
    /// A WebSocket upgrade whose TCP connection the host hands over. The engine answers it (101 or 400) and owns the socket
    /// from here; `Event::LinkClose` says when it is done with it.
    TakeOver {
        /// The host's number for it.
        link: LinkId,
        /// The upgrade request.
        head: Head,
        /// The connection: a duplicate of the host's descriptor.
        stream: TcpStream,
        /// Bytes the host had already read past the head.
        read: Bytes,
        /// Headers the host wants on the answer.
        headers: Vec<(String, String)>,
    },
    /// A WebSocket that the host keeps: bytes or messages are fed (`Feed`) and come back (`Event::LinkWrite`).
    OpenLink {
        /// The host's number for it.
        link: LinkId,
        /// The upgrade request.
        head: Head,
        /// Raw bytes (the engine frames, and writes the 101), or whole messages (the host's server frames, and has
        /// accepted already).
        raw: bool,
        /// Headers the host wants on the answer (raw links).
        headers: Vec<(String, String)>,
    },
    /// Something arrived on a link.
    Feed {
        /// The link.
        link: LinkId,
        /// What.
        data: LinkData,
    },
    /// A link closed under the host's hands.
    LinkClosed {
        /// The link.
        link: LinkId,
        /// By an error, not by a close.
        error: bool,
    },
    /// The host has taken what it had been sent on a link: bytes that count against the connection's queue no more.
    LinkSent {
        /// The link.
        link: LinkId,
        /// How many bytes.
        bytes: usize,
    },
    /// To do with a connection to somebody else's server.
    Client {
        /// The host's number for it.
        client: ClientId,
        /// What.
        command: ClientCommand,
    },
}

/// Who receives an emit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One socket.
    Socket(SocketId),
    /// Members of rooms of a namespace. No room at all means everybody in it.
    Rooms {
        /// The namespace.
        nsp: Text,
        /// The union of these (a socket's own id is a room of its own).
        rooms: Vec<Text>,
        /// Without the members of these.
        except: Vec<Text>,
    },
}

/// How an emit travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Drop it for receivers that are not writable right now.
    pub volatile: bool,
    /// Let a poll's body that holds it be compressed. The originals' default is true; so is a host's.
    pub compress: bool,
    /// The payload ends with the offset that [`Engine::stamp`](crate::Engine::stamp) gave for it. (Not with an ack, nor volatile.)
    pub stamped: bool,
}

/// The ack an emit asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckRequest {
    /// The host's number for it.
    pub ack: AckId,
    /// How long to wait; `None` as long as the socket lives.
    pub timeout: Option<Duration>,
}
