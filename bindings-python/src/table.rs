//! What the binding knows of each connection and socket: the Python objects that stand for them, by the engine's ids.

use std::cell::{RefCell, RefMut};
use std::collections::VecDeque;

use ferrio_embed::{ConnId, Event, SocketId};
use ferrio_protocol::Text;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use smallvec::SmallVec;

/// State that the GIL guards: it can be reached with a `Python` token only. Borrowing it twice panics, so no borrow may
/// last while Python code runs (a call, or the last reference of an object with a `__del__`).
pub(crate) struct Gil<T>(RefCell<T>);

// SAFETY: `borrow` asks for the token, so that one thread at a time holds the flag and the value.
unsafe impl<T> Sync for Gil<T> {}
// SAFETY: as above; what is inside is dropped where Python drops the object, under the GIL.
unsafe impl<T> Send for Gil<T> {}

impl<T> Gil<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(RefCell::new(value))
    }

    pub(crate) fn borrow<'a>(&'a self, _py: Python<'a>) -> RefMut<'a, T> {
        self.0.borrow_mut()
    }

    /// For the garbage collector, which has no token and may come while a borrow lasts.
    pub(crate) fn try_borrow(&self) -> Option<RefMut<'_, T>> {
        self.0.try_borrow_mut().ok()
    }
}

/// One Engine.IO connection.
pub(crate) struct Connection {
    pub(crate) eio_sid: Py<PyString>,
    pub(crate) eio_sid_text: Text,
    /// What `environ` is made of when somebody asks for it.
    pub(crate) source: Source,
    pub(crate) environ: Option<Py<PyAny>>,
    /// Its handlers run in copies of this context.
    pub(crate) context: Py<PyAny>,
    /// Sessions by namespace.
    pub(crate) sessions: Option<Py<PyDict>>,
    pub(crate) sockets: SmallVec<[SocketId; 1]>,
    /// A program plays its client.
    pub(crate) scripted: bool,
    /// A handler that its connection waits for is running: `parked` comes after it.
    pub(crate) busy: bool,
    pub(crate) parked: VecDeque<Event>,
    /// So much is parked that the engine was told to read no more of it.
    pub(crate) held: bool,
    /// Those who read its WebSocket for us, if the host's server frames it, wait with these meanwhile.
    pub(crate) feeders: Vec<Py<PyAny>>,
    /// Bytes given to it since the engine was last asked how much waits.
    pub(crate) sent: usize,
    /// It is above the high mark; these wait for it to catch up.
    pub(crate) slow: bool,
    pub(crate) waiters: Vec<Py<PyAny>>,
    pub(crate) closed: bool,
}

/// The request that opened a connection.
#[derive(Default)]
pub(crate) enum Source {
    /// Nothing (more): the `environ` was made, or there is none.
    #[default]
    Gone,
    /// Of an ASGI server: `(scope, receive, send)`.
    Asgi(Py<PyAny>),
    /// On our own listener: its head, packed (`http::pack`), for an idle connection keeps it for as long as it lives.
    Head(Box<str>),
}

/// One socket: a connection's membership of a namespace.
pub(crate) struct Socket {
    pub(crate) conn: ConnId,
    pub(crate) sid: Py<PyString>,
    pub(crate) sid_text: Text,
    pub(crate) nsp: Py<PyString>,
    pub(crate) nsp_text: Text,
    pub(crate) phase: Phase,
    /// The engine has said that it ended.
    pub(crate) ended: bool,
    /// What a client that lost its connection comes back by, where state can be recovered.
    pub(crate) pid: Option<Box<str>>,
    /// It has come back.
    pub(crate) recovered: bool,
}

/// Where a socket stands.
///
/// ```text
/// Connecting --accept--> Connected --disconnect()/Event::Disconnect--> Leaving --release--> (gone)
///     '--- reject, or Event::Disconnect --> (gone)
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The connect handler runs: it can be emitted to and put in rooms.
    Connecting,
    /// Its events are dispatched.
    Connected,
    /// The disconnect handler runs: rooms, session and environ are still there.
    Leaving,
}

/// Values by an id of slot (low 32 bits) and generation.
pub(crate) struct Slots<T>(Vec<Option<(u64, T)>>);

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Slots<T> {
    pub(crate) fn insert(&mut self, id: u64, value: T) -> Option<T> {
        let slot = slot(id);
        if slot >= self.0.len() {
            self.0.resize_with(slot + 1, || None);
        }
        self.0[slot].replace((id, value)).map(|(_, old)| old)
    }

    pub(crate) fn get(&mut self, id: u64) -> Option<&mut T> {
        match self.0.get_mut(slot(id)) {
            Some(Some((own, value))) if *own == id => Some(value),
            _ => None,
        }
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<T> {
        self.get(id)?;
        self.0[slot(id)].take().map(|(_, value)| value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.0.iter().flatten().map(|(id, value)| (*id, value))
    }

    pub(crate) fn drain(&mut self) -> Vec<T> {
        self.0.drain(..).flatten().map(|(_, value)| value).collect()
    }
}

fn slot(id: u64) -> usize {
    // The low 32 bits, by contract.
    (id & 0xffff_ffff) as usize
}
