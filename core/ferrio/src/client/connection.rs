//! One connection for somebody who comes back by himself: a host language, whose programs have a hand in every attempt.
//!
//! [`Manager`](super::manager) without what it remembers: no namespaces to join again, no buffer, no back-off. Otherwise as
//! there: orders in a queue, one task (`driver`) that carries them out and owns everything else.
//!
//! ```text
//!     dial ──▶ Connecting ──▶ Open ──▶ Over ──▶ gone
//!                  │ Failed     │ Closed ▲
//!                  └────────────┴────────┘
//! ```

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

use ferrio_protocol::engine::{Frame, Handshake, Packet, Transport};
use ferrio_protocol::session::Layer;
use ferrio_protocol::socket::Payload;
use ferrio_protocol::{Reason, Text};
use tokio::runtime::Handle;

use super::driver::Driver;
use super::failure::Failure;
use super::options::Options;
use super::orders::Orders;
use super::target::Target;

/// A connection, to give orders to. It ends when it is told to, or with its server; not when this is dropped.
#[derive(Clone)]
pub struct Connection(Arc<Shared>);

/// Between other threads and the task.
pub(super) struct Shared {
    pub(super) orders: Orders<Order>,
    /// Bytes announced, and not on the connection yet.
    pub(super) announced: AtomicUsize,
    /// Bytes that wait in the connection.
    in_link: AtomicUsize,
    /// What is sent now leaves now.
    writable: AtomicBool,
    /// Somebody was told otherwise, and wants to hear when it changes.
    pub(super) asked: AtomicBool,
    /// Of the transport: 0 for none.
    transport: AtomicU8,
    leaving: AtomicBool,
}

/// What is wanted of a connection. Before it is open, and after its end, all but the last three do nothing.
#[derive(Debug)]
pub enum Order {
    /// Ask to be let into a namespace; `auth` is the JSON text of an object.
    Join {
        /// Its name.
        nsp: Text,
        /// For the server to see.
        auth: Option<Text>,
    },
    /// Leave a namespace.
    Leave {
        /// Its name.
        nsp: Text,
    },
    /// Send an event.
    Emit {
        /// In which namespace.
        nsp: Text,
        /// An answer is wanted under this id.
        id: Option<u64>,
        /// Name and arguments.
        payload: Payload,
        /// Drop it if it cannot leave now.
        volatile: bool,
        /// What of it was announced.
        announced: Announced,
    },
    /// Answer an event.
    Ack {
        /// In which namespace.
        nsp: Text,
        /// The event's id.
        id: u64,
        /// The arguments.
        payload: Payload,
        /// What of it was announced.
        announced: Announced,
    },
    /// Send messages that are none of Socket.IO's.
    Write {
        /// In this order.
        data: Vec<Frame>,
        /// Drop them if they cannot leave now.
        volatile: bool,
        /// What of them was announced.
        announced: Announced,
    },
    /// Tell of every packet of Engine.IO from now on, or no more.
    Watch(bool),
    /// Read nothing from now on, or go on.
    Hold(bool),
    /// End it: what waits is sent first, or dropped.
    HangUp {
        /// Which of the two.
        discard: bool,
    },
}

/// What happens to a connection.
#[derive(Debug)]
pub enum Happening {
    /// It is open.
    Opened {
        /// What the server says of it.
        handshake: Handshake,
        /// By which transport.
        transport: Transport,
    },
    /// A WebSocket takes over from polling as soon as that stands still.
    Upgrading,
    /// It has.
    Upgraded,
    /// There is none, for this reason: polling goes on.
    UpgradeFailed(Cow<'static, str>),
    /// The server has let us into a namespace.
    Joined {
        /// Its name.
        nsp: Text,
        /// JSON text of an object, if the server gave one.
        data: Option<Text>,
    },
    /// The server does not let us into a namespace.
    Refused {
        /// Its name.
        nsp: Text,
        /// JSON text.
        data: Text,
    },
    /// The server made us leave a namespace.
    Left {
        /// Its name.
        nsp: Text,
    },
    /// An event came. (One that comes before `Joined` was sent by a server that has not let us in yet.)
    Message {
        /// In which namespace.
        nsp: Text,
        /// The server wants an answer under this id.
        id: Option<u64>,
        /// Name and arguments.
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
    /// A message that is none of Socket.IO's.
    Data(Frame),
    /// A packet of a connection that is watched.
    Packet {
        /// Ours.
        sent: bool,
        /// The packet.
        packet: Packet,
    },
    /// Everything has been handed to the transport. Told to who has asked (see [`Connection::buffered`]) or watches.
    Drain,
    /// It was never open. Nothing follows.
    Failed {
        /// The transport that was tried last, if it came to that.
        transport: Option<Transport>,
        /// Why.
        failure: Failure,
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

/// Who hears of a connection. Called on its task, one call after the other; must not block.
pub trait Listener: Send + Sync + 'static {
    /// Something happened.
    fn hear(&self, happening: Happening);

    /// Nothing should be read for the time being. Who says so calls [`Connection::resume`] when that is over.
    fn is_full(&self) -> bool {
        false
    }

    /// The connection has ended, and its server has been told so if it can be told. The last call.
    fn gone(&self) {}
}

/// Bytes that are under way to a connection's task; they are no more when this is dropped.
pub struct Announced {
    to: Arc<Shared>,
    bytes: usize,
}

impl Connection {
    /// One that takes orders, for when it is [dialled](Self::dial).
    #[expect(clippy::new_without_default, reason = "nothing is a connection by default")]
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            orders: Orders::new(),
            announced: AtomicUsize::new(0),
            in_link: AtomicUsize::new(0),
            writable: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            transport: AtomicU8::new(0),
            leaving: AtomicBool::new(false),
        }))
    }

    /// Begins: once. Its task runs on `runtime`. `listener` hears either `Failed` or `Closed` in the end.
    pub fn dial(&self, url: &str, options: Options, layer: Layer, listener: Arc<dyn Listener>, runtime: &Handle) {
        let target = Target::parse(url);
        let driver = Driver::new(Arc::clone(&self.0), listener);
        // Boxed: the task should not hold for its life what its beginning needs.
        runtime.spawn(driver.run(target, Box::new(options), layer));
    }

    /// Gives an order.
    pub fn order(&self, order: Order) {
        if let Order::HangUp { .. } = order {
            self.will_leave();
        }
        self.0.orders.push(order);
    }

    /// Counts a message that is to be sent among what waits already now, though its order comes later.
    pub fn announce(&self, bytes: usize) -> Announced {
        self.0.announced.fetch_add(bytes, Ordering::SeqCst);
        Announced { to: Arc::clone(&self.0), bytes }
    }

    /// Reading goes on if the listener is not full any more.
    pub fn resume(&self) {
        self.0.orders.wake();
    }

    /// Bytes that wait to be sent. If there are any, [`Happening::Drain`] tells when there are none.
    pub fn buffered(&self) -> usize {
        // First: what is sent in between is told then, perhaps to somebody who has seen it, but not to nobody.
        self.0.asked.store(true, Ordering::SeqCst);
        let bytes = self.0.bytes();
        if bytes == 0 {
            self.0.asked.store(false, Ordering::SeqCst);
        }
        bytes
    }

    /// It is open, and what is sent now leaves now: a WebSocket takes it, or no POST is under way. If not,
    /// [`Happening::Drain`] tells when it is.
    pub fn is_writable(&self) -> bool {
        self.0.asked.store(true, Ordering::SeqCst);
        let writable = self.0.announced.load(Ordering::SeqCst) == 0 && self.0.writable.load(Ordering::SeqCst);
        if writable {
            self.0.asked.store(false, Ordering::SeqCst);
        }
        writable
    }

    /// The transport that is used now; none before it is open and after its end.
    pub fn transport(&self) -> Option<Transport> {
        match self.0.transport.load(Ordering::Acquire) {
            POLLING => Some(Transport::Polling),
            WEBSOCKET => Some(Transport::WebSocket),
            _ => None,
        }
    }

    /// An order to hang up is on its way.
    pub fn will_leave(&self) {
        self.0.leaving.store(true, Ordering::Release);
    }

    /// It was told to hang up.
    pub fn is_leaving(&self) -> bool {
        self.0.leaving.load(Ordering::Acquire)
    }
}

const POLLING: u8 = 1;
const WEBSOCKET: u8 = 2;

/// What others may ask of a connection without its task.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) in_link: usize,
    pub(super) writable: bool,
    pub(super) transport: Option<Transport>,
}

impl Shared {
    pub(super) fn set_state(&self, state: State) {
        let State { in_link, writable, transport } = state;
        self.in_link.store(in_link, Ordering::SeqCst);
        self.writable.store(writable, Ordering::SeqCst);
        let transport = match transport {
            Some(Transport::Polling) => POLLING,
            Some(Transport::WebSocket) => WEBSOCKET,
            None => 0,
        };
        self.transport.store(transport, Ordering::Release);
    }

    fn bytes(&self) -> usize {
        self.announced.load(Ordering::SeqCst) + self.in_link.load(Ordering::SeqCst)
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        self.to.announced.fetch_sub(self.bytes, Ordering::SeqCst);
    }
}

impl fmt::Debug for Announced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announced").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("buffered", &self.0.bytes()).finish_non_exhaustive()
    }
}
