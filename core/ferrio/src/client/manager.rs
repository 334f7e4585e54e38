//! A client: one connection at a time, the namespaces on it, and the way back when it breaks.
//!
//! ```text
//!              wanted                  handshake
//!     Idle ─────────────▶ Connecting ─────────────▶ Open
//!       ▲                  ▲      │                   │
//!       │           back-off      │ failed            │ broken
//!       │                  │      ▼                   │
//!       └── given up ───── Waiting ◀──────────────────┘
//! ```
//!
//! What a program wants are orders in a queue; one task (`actor`) owns everything else and carries them out in their order.
//! So there is never more than one connection, nothing overtakes anything, and no lock is held while the program is called.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ferrio_protocol::Text;
use ferrio_protocol::socket::Payload;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::actor::Actor;
use super::failure::Failure;
use super::member::{Emit, MemberOptions, Waiting};
use super::observer::Observer;
use super::options::Options;
use super::orders::Orders;
use super::target::Target;
use crate::ack::AckError;

/// A client. Dropping it ends the connection.
pub struct Manager {
    shared: Arc<Shared>,
}

/// Between the program's threads and the task.
pub(super) struct Shared {
    pub(super) orders: Orders<Order>,
    pub(super) options: Mutex<Options>,
    /// Bytes of events that are not yet on a connection.
    waiting: Arc<AtomicUsize>,
    /// Bytes that wait in the connection.
    pub(super) in_link: AtomicUsize,
}

/// What a program wants.
pub(super) enum Order {
    Join {
        nsp: Text,
    },
    Declare {
        nsp: Text,
        options: MemberOptions,
    },
    Auth {
        nsp: Text,
        epoch: u64,
        auth: Result<Option<Text>, String>,
    },
    Emit {
        nsp: Text,
        emit: Emit,
        waiting: Waiting,
    },
    Ack {
        nsp: Text,
        asked: Asked,
        payload: Payload,
    },
    Leave {
        nsp: Text,
    },
    Forget {
        nsp: Text,
    },
    CloseEngine,
    /// When the server that was left has been told so.
    Tell {
        gone: oneshot::Sender<()>,
    },
    Shutdown,
}

/// The answer that a server wants to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    pub(super) id: u64,
    /// Of which connection: an answer that is later than that goes nowhere.
    pub(super) epoch: u64,
}

/// More waits than may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too much waits to be sent")]
pub struct Full;

impl Manager {
    /// A client for the server at `url`, whose path (if it has one) is given back as a namespace. It connects when a namespace
    /// is [joined](Self::join). Its task runs on `runtime`.
    ///
    /// # Errors
    /// The URL is none.
    pub fn new(
        url: &str,
        options: Options,
        observer: Arc<dyn Observer>,
        runtime: &Handle,
    ) -> Result<(Self, Text), Failure> {
        let target = Target::parse(url)?;
        let namespace = Text::from(target.namespace.as_str());
        let shared = Arc::new(Shared {
            orders: Orders::new(),
            options: Mutex::new(options),
            waiting: Arc::default(),
            in_link: AtomicUsize::new(0),
        });
        runtime.spawn(Actor::new(target, Arc::clone(&shared), observer).run());
        Ok((Self { shared }, namespace))
    }

    /// Changes options. Those of connections count from the next attempt on.
    pub fn configure(&self, change: impl FnOnce(&mut Options)) {
        change(&mut self.shared.options.lock());
    }

    /// Says how a namespace behaves, before anything else is done with it.
    pub fn declare(&self, nsp: &Text, options: MemberOptions) {
        self.order(Order::Declare { nsp: nsp.clone(), options });
    }

    /// Joins a namespace: now, or when there is a connection, which is made if need be; and again whenever it was made anew.
    pub fn join(&self, nsp: &Text) {
        self.order(Order::Join { nsp: nsp.clone() });
    }

    /// Leaves a namespace. The connection ends with the last one.
    pub fn leave(&self, nsp: &Text) {
        self.order(Order::Leave { nsp: nsp.clone() });
    }

    /// Ends when the server of a connection that was left has been told so, or cannot be told.
    pub async fn told(&self) {
        let (gone, told) = oneshot::channel();
        self.order(Order::Tell { gone });
        let _ = told.await;
    }

    /// Leaves a namespace and forgets what waits in it.
    pub fn forget(&self, nsp: &Text) {
        self.order(Order::Forget { nsp: nsp.clone() });
    }

    /// Sends an event; it waits while the namespace is not joined. One that may get lost is dropped rather than refused.
    ///
    /// # Errors
    /// [`Options::max_buffered`].
    pub fn emit(&self, nsp: &Text, emit: Emit) -> Result<(), Full> {
        let size = emit.payload.size();
        let limit = self.shared.options.lock().max_buffered;
        let limit = limit.saturating_sub(self.shared.in_link.load(Ordering::Acquire));
        let Some(waiting) = Waiting::new(&self.shared.waiting, size + OVERHEAD, limit) else {
            if !emit.volatile {
                return Err(Full);
            }
            if let Some(on_ack) = emit.on_ack {
                on_ack(Err(AckError::Disconnected));
            }
            return Ok(());
        };
        self.order(Order::Emit { nsp: nsp.clone(), emit, waiting });
        Ok(())
    }

    /// Answers an event.
    pub fn ack(&self, nsp: &Text, asked: Asked, payload: Payload) {
        self.order(Order::Ack { nsp: nsp.clone(), asked, payload });
    }

    /// Ends the connection as if it had broken: the client comes back if it may.
    pub fn close_engine(&self) {
        self.order(Order::CloseEngine);
    }

    /// Bytes that wait to be sent.
    pub fn buffered(&self) -> usize {
        self.shared.waiting.load(Ordering::Acquire) + self.shared.in_link.load(Ordering::Acquire)
    }

    fn order(&self, order: Order) {
        self.shared.order(order);
    }
}

/// What an event costs beside its bytes.
const OVERHEAD: usize = 64;

impl Shared {
    fn order(&self, order: Order) {
        self.orders.push(order);
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.order(Order::Shutdown);
    }
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager").field("buffered", &self.buffered()).finish_non_exhaustive()
    }
}

/// Takes the auth for a namespace: JSON text of an object. Dropped without an answer, the namespace is not joined.
pub struct AuthReply {
    shared: Arc<Shared>,
    nsp: Text,
    epoch: u64,
    answered: bool,
}

impl AuthReply {
    pub(super) fn new(shared: &Arc<Shared>, nsp: Text, epoch: u64) -> Self {
        Self { shared: Arc::clone(shared), nsp, epoch, answered: false }
    }

    /// Gives it; `None` for none.
    pub fn give(self, auth: Option<Text>) {
        self.answer(Ok(auth));
    }

    /// There is none, and the namespace is not to be joined.
    pub fn fail(self, why: impl Into<String>) {
        self.answer(Err(why.into()));
    }

    fn answer(mut self, auth: Result<Option<Text>, String>) {
        self.answered = true;
        self.shared.order(Order::Auth { nsp: self.nsp.clone(), epoch: self.epoch, auth });
    }
}

impl Drop for AuthReply {
    fn drop(&mut self) {
        if !self.answered {
            let auth = Err("the program did not give it".to_owned());
            self.shared.order(Order::Auth { nsp: self.nsp.clone(), epoch: self.epoch, auth });
        }
    }
}

impl fmt::Debug for AuthReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthReply").field("nsp", &self.nsp).finish_non_exhaustive()
    }
}
