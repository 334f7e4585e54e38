//! What goes into a [`Session`](crate::Session) and what comes out of it.

use std::borrow::Cow;
use std::time::Instant;

use bytes::Bytes;

use crate::engine::{self, Frame, Handshake};
use crate::error::ProtocolError;
use crate::limits::Limit;
use crate::message::Item;
use crate::reason::Reason;
use crate::socket::Payload;
use crate::text::Text;

/// Something that happened on a transport, or the clock.
#[derive(Debug)]
pub enum Input {
    /// A WebSocket frame.
    Frame {
        /// On which of the session's transports.
        via: Via,
        /// The frame.
        frame: Frame,
    },
    /// A GET arrived and waits for packets. Refused by [`Output::Refuse`], else it waits.
    Poll,
    /// The client of the waiting GET went away.
    PollAborted,
    /// A POST's head arrived.
    PostBegin,
    /// A POST's body is whole (server), or a GET was answered with it (client).
    Payload {
        /// The body.
        body: Bytes,
        /// Its `Content-Type` was `application/octet-stream`.
        binary: bool,
    },
    /// A POST's body is larger than the limit.
    PostTooLarge,
    /// The client of a POST went away before its body was whole.
    PostAborted,
    /// A WebSocket for this session opened beside polling.
    Candidate,
    /// Client: polling is paused, nothing of it is under way any more (answers [`Output::Pause`]).
    Paused,
    /// A transport ended.
    Closed {
        /// Which.
        via: Via,
        /// How.
        cause: Cause,
    },
    /// A deadline of [`Output::Wait`] has come.
    Timeout,
}

/// Which of a session's transports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// The one in use.
    Main,
    /// The WebSocket that wants to replace polling.
    Candidate,
}

/// How a transport ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The peer closed it.
    Closed,
    /// It broke; what is known about it.
    Error(Cow<'static, str>),
    /// The driver gave it up, for the peer does not take what is sent to it.
    Slow(Cow<'static, str>),
}

/// What the driver of a session must do, in this order.
#[derive(Debug)]
pub enum Output {
    /// Queue this for the peer.
    Send(Item),
    /// Send this on the candidate, past the queue.
    SendCandidate(engine::Packet),
    /// The queue goes to the candidate from here on; it is the main transport now. A GET still waiting ends with a noop.
    Switch,
    /// Close the candidate.
    DropCandidate,
    /// End the waiting GET, with a noop if nothing else is queued.
    Nudge,
    /// Client: stop polling, tell [`Input::Paused`] when nothing is under way.
    Pause,
    /// Answer the request that this input stood for with an empty body and this status.
    Refuse(u16),
    /// Tell the application.
    Event(Event),
    /// Send what is queued, then end the main transport: a waiting GET gets `end` last.
    Finish {
        /// `Close`, or `Noop` when the peer itself said goodbye.
        end: engine::Packet,
        /// Drop what is queued instead.
        discard: bool,
    },
    /// The session is over: forget it.
    Gone,
    /// Nothing more to do until this time (`None`: until something happens).
    Wait(Option<Instant>),
}

/// What the application learns.
#[derive(Debug)]
pub enum Event {
    /// The peer ran into a limit. What follows from it comes next, if anything does.
    Limit(Limit),
    /// Client: the server's handshake.
    Opened(Handshake),
    /// The session moved to the WebSocket.
    Upgraded,
    /// Server: the client asks to join. Answer with `accept` or `reject`.
    /// Client: the server let us in; `data` is its object.
    Connect {
        /// The namespace.
        nsp: Text,
        /// JSON object text: auth, or the answer.
        data: Option<Text>,
    },
    /// Client: the server refused us.
    ConnectError {
        /// The namespace.
        nsp: Text,
        /// JSON text.
        data: Text,
    },
    /// An event.
    Message {
        /// The namespace.
        nsp: Text,
        /// An ack is wanted under this id.
        id: Option<u64>,
        /// Name and arguments.
        payload: Payload,
    },
    /// An ack.
    Ack {
        /// The namespace.
        nsp: Text,
        /// The id of our event.
        id: u64,
        /// The arguments.
        payload: Payload,
    },
    /// The peer left a namespace.
    Disconnect {
        /// The namespace.
        nsp: Text,
    },
    /// Without Socket.IO above it ([`Layer::EngineIo`](crate::session::Layer)): a message.
    Data(Frame),
    /// An Engine.IO packet of a [watched](crate::Session::watch) session, before anything comes of it.
    Packet {
        /// Ours, just made; else the peer's, just received.
        sent: bool,
        /// The packet.
        packet: engine::Packet,
    },
    /// The peer broke the Socket.IO protocol; `Closed` follows.
    Fault(ProtocolError),
    /// The connection is over for the application. The transport may live a little longer to say so.
    Closed {
        /// Why.
        reason: Reason,
        /// More about it, none of it the peer's words.
        detail: Option<Cow<'static, str>>,
    },
}
