//! One client in one namespace.
//!
//! ```text
//!   CONNECT           admit             welcome                DISCONNECT, either side; connection over
//!  ─────────▶ Pending ─────▶ Admitted ─────────▶ Connected ──────────────────────▶ Disconnected ──release──▶ Released
//!                │               └───────────────────┴── connection over ──────────────▲       (out of all rooms)
//!                └── reject, connection over ──────────────────────────────────────────┘
//! ```
//! `accept` is `admit` and `welcome`: a host decides on its own thread, the client is told by an I/O thread. What the host
//! sent to a room in between was not meant for the newcomer, and must not arrive before the answer to its CONNECT.

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ferrio_protocol::message::{Body, Item};
use ferrio_protocol::socket::{Acks, Payload};
use ferrio_protocol::{Message, Reason, Text};
use parking_lot::Mutex;

use crate::ack::{AckError, Gather, OnAck, Waiter};
use crate::connection::Connection;
use crate::namespace::{Namespace, Receivers};
use crate::recovery::{Member, Released, Stamp};

/// A client in a namespace. A handle: cloning it is cheap, and it may outlive the connection (calls then do nothing).
#[derive(Clone)]
pub struct Socket(Arc<Inner>);

struct Inner {
    key: u64,
    id: Text,
    namespace: Arc<Namespace>,
    connection: Arc<Connection>,
    state: AtomicU8,
    /// Events of the client's that asked for an answer and have none yet.
    owed: AtomicU32,
    tag: AtomicU64,
    acks: Mutex<Acks<Waiter>>,
    data: OnceLock<Box<dyn Any + Send + Sync>>,
    /// Its part in recovery, if its state can be recovered.
    member: Option<Box<Member>>,
}

const PENDING: u8 = 0;
const ADMITTED: u8 = 1;
const CONNECTED: u8 = 2;
const DISCONNECTED: u8 = 3;
const RELEASED: u8 = 4;

/// How an emit travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags {
    /// Drop it for receivers that are not writable right now.
    pub volatile: bool,
    /// A poll's body that holds it may be compressed. True.
    pub compress: bool,
    /// Its place among the events that can be recovered; `None` until it is sent.
    pub stamp: Option<Stamp>,
}

impl Default for Flags {
    fn default() -> Self {
        Self { volatile: false, compress: true, stamp: None }
    }
}

impl Flags {
    /// A message with these flags, ready for the queues.
    pub fn item(self, message: Message) -> Item {
        Item { body: Body::Message(Arc::new(message)), volatile: self.volatile, compress: self.compress }
    }
}

impl Socket {
    pub(crate) fn new(
        key: u64,
        id: Text,
        namespace: Arc<Namespace>,
        connection: Arc<Connection>,
        member: Option<Member>,
    ) -> Self {
        let socket = Self(Arc::new(Inner {
            key,
            id: id.clone(),
            namespace,
            connection,
            state: AtomicU8::new(PENDING),
            owed: AtomicU32::new(0),
            tag: AtomicU64::new(u64::MAX),
            acks: Mutex::default(),
            data: OnceLock::new(),
            member: member.map(Box::new),
        }));
        socket.0.namespace.with_rooms(|rooms| rooms.add(key, id, socket.clone()));
        socket
    }

    /// The public id: 20 characters, another one in each namespace, and not the connection's secret one.
    pub fn id(&self) -> &Text {
        &self.0.id
    }

    /// Unique in this process.
    pub fn key(&self) -> u64 {
        self.0.key
    }

    /// The namespace.
    pub fn namespace(&self) -> &Arc<Namespace> {
        &self.0.namespace
    }

    /// The connection it shares with the client's other namespaces.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.0.connection
    }

    /// Let in and not gone.
    pub fn is_connected(&self) -> bool {
        matches!(self.state(), ADMITTED | CONNECTED)
    }

    /// Let in, told so, and not gone.
    pub(crate) fn is_welcomed(&self) -> bool {
        self.state() == CONNECTED
    }

    /// Asked, not answered.
    pub fn is_pending(&self) -> bool {
        self.state() == PENDING
    }

    /// Disconnected.
    pub(crate) fn has_ended(&self) -> bool {
        self.state() >= DISCONNECTED
    }

    /// A number of the application's own; `u64::MAX` until set.
    pub fn tag(&self) -> u64 {
        self.0.tag.load(Ordering::Acquire)
    }

    /// Sets the application's number.
    pub fn set_tag(&self, tag: u64) {
        self.0.tag.store(tag, Ordering::Release);
    }

    /// What the application keeps with the socket, once it does.
    pub(crate) fn data(&self) -> Option<&(dyn Any + Send + Sync)> {
        self.0.data.get().map(AsRef::as_ref)
    }

    /// Keeps something with the socket. The first value stays.
    pub(crate) fn set_data(&self, data: Box<dyn Any + Send + Sync>) {
        let _ = self.0.data.set(data);
    }

    // Recovery.

    pub(crate) fn member(&self) -> Option<&Member> {
        self.0.member.as_deref()
    }

    /// The private id that its client comes back with, if it can.
    pub fn pid(&self) -> Option<&Text> {
        self.member().map(Member::pid)
    }

    /// It came back: its id and rooms are those it had.
    pub fn is_recovered(&self) -> bool {
        self.member().is_some_and(Member::is_recovered)
    }

    /// It is being sent away: whatever the reason it ends by, it must not come back by recovery.
    pub fn revoke(&self) {
        if let Some(member) = self.member() {
            member.revoke();
        }
    }

    // Admission.

    /// Lets the client in: it becomes a member and is told. False if it has gone meanwhile.
    pub fn accept(&self) -> bool {
        self.admit() && self.welcome()
    }

    /// The first half of [`Self::accept`]: broadcasts reach it from here on.
    pub fn admit(&self) -> bool {
        if !self.step(PENDING, ADMITTED) {
            return false;
        }
        let (key, socket) = (self.0.key, self.clone());
        self.0.namespace.with_rooms(|rooms| rooms.admit(key, socket));
        if self.state() == RELEASED {
            // The connection ended between the two steps above, and its release came before the index entry.
            self.leave_everything();
            return false;
        }
        true
    }

    /// The second half: the client is told.
    pub fn welcome(&self) -> bool {
        if let (Some(memory), Some(member)) = (self.0.namespace.memory(), self.member()) {
            return memory.welcome(self, member);
        }
        let data = Text::from(format!(r#"{{"sid":"{}"}}"#, self.0.id));
        self.0.connection.accept(&self.0.namespace, data) && self.is_told()
    }

    /// The client has its answer. False if the socket has ended meanwhile.
    pub(crate) fn is_told(&self) -> bool {
        self.step(ADMITTED, CONNECTED)
    }

    /// Refuses the client; `data` is JSON text. The socket is released.
    pub fn reject(&self, data: Text) {
        if self.step(PENDING, DISCONNECTED) {
            self.0.connection.reject(self, data);
        }
        self.release();
    }

    // Rooms.

    /// Joins a room. False if it was in there, or is gone.
    pub fn join(&self, room: Text) -> bool {
        if self.state() == RELEASED || room == *self.0.id {
            return false;
        }
        let (key, socket) = (self.0.key, self.clone());
        let joined = self.0.namespace.with_rooms(|rooms| rooms.join(key, socket, room));
        if self.state() == RELEASED {
            self.leave_everything();
        }
        joined
    }

    /// Leaves a room. False if it was not in there.
    pub fn leave(&self, room: &str) -> bool {
        self.0.namespace.with_rooms(|rooms| rooms.leave(self.0.key, room))
    }

    /// Its rooms, its own id first.
    pub fn rooms(&self) -> Vec<Text> {
        if self.state() == RELEASED {
            return Vec::new();
        }
        let mut all = vec![self.0.id.clone()];
        self.0.namespace.with_rooms(|rooms| all.extend_from_slice(rooms.of(self.0.key)));
        all
    }

    // Sending.

    /// Sends an event: `["name",…]` and attachments.
    pub fn emit(&self, payload: Payload, flags: Flags) {
        let namespace = &self.0.namespace;
        if let Some(memory) = namespace.memory()
            && !flags.volatile
        {
            let hub = self.0.connection.hub();
            return memory.publish(hub, namespace, payload, flags, || Receivers::one(self.clone()));
        }
        self.push(flags.item(namespace.event(None, payload)));
    }

    /// Sends an event and waits for the client's answer, at most for `timeout`.
    pub fn emit_with_ack(&self, payload: Payload, flags: Flags, timeout: Option<Duration>, on_ack: OnAck) {
        let id = self.0.namespace.next_ack_id();
        let hub = self.0.connection.hub();
        // A time that no clock will show is no timeout.
        let timer = timeout.and_then(|timeout| Instant::now().checked_add(timeout)).map(|at| {
            let socket = self.clone();
            hub.clock.schedule(at, move || socket.time_out(id))
        });
        self.await_ack(id, Waiter::One(on_ack, timer));
        self.push(flags.item(self.0.namespace.event(Some(id), payload)));
    }

    /// Answers an event that came with an id.
    pub fn ack(&self, id: u64, payload: Payload) {
        // A handler may answer twice.
        let _ = self.0.owed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |owed| owed.checked_sub(1));
        self.push(Flags::default().item(self.0.namespace.answer(id, payload)));
    }

    /// Queues an item. Nothing happens once the socket is disconnected.
    pub(crate) fn push(&self, item: Item) {
        if self.state() <= CONNECTED {
            self.0.connection.push(item);
        }
    }

    // Acks.

    /// An event has come that asks for an answer.
    pub(crate) fn owes_answer(&self) {
        self.0.owed.fetch_add(1, Ordering::Relaxed);
    }

    /// One side waits for an answer of the other's.
    pub(crate) fn has_open_questions(&self) -> bool {
        self.is_connected() && (self.0.owed.load(Ordering::Relaxed) > 0 || !self.0.acks.lock().is_empty())
    }

    /// Waits for an answer under `id`. The waiter learns at once if the socket is gone.
    pub(crate) fn await_ack(&self, id: u64, waiter: Waiter) {
        self.0.acks.lock().insert(id, None, waiter);
        if self.state() > CONNECTED {
            self.abandon_acks();
        }
    }

    pub(crate) fn answered(&self, id: u64, payload: Payload) {
        // The guard is gone before anybody is called.
        let waiter = self.0.acks.lock().take(id);
        let clock = &self.0.connection.hub().clock;
        match waiter {
            Some(Waiter::One(on_ack, timer)) => {
                if let Some(timer) = timer {
                    clock.cancel(timer);
                }
                on_ack(Ok(payload));
            }
            Some(Waiter::Many(gather)) => gather.answer(self, payload, clock),
            // Unknown, late or repeated: ignored, as the originals do.
            None => {}
        }
    }

    pub(crate) fn time_out(&self, id: u64) {
        let waiter = self.0.acks.lock().take(id);
        if let Some(Waiter::One(on_ack, _)) = waiter {
            on_ack(Err(AckError::Timeout));
        }
    }

    /// Forgets that a broadcast's answer is awaited.
    pub(crate) fn forget_ack(&self, id: u64) {
        let waiter = self.0.acks.lock().take(id);
        drop(waiter);
    }

    // The end.

    /// Disconnects the client from this namespace (DISCONNECT, then the application hears of it), or with `close` from all
    /// of them and from the server.
    pub fn disconnect(&self, close: bool) {
        if close {
            self.0.connection.disconnect_all();
        } else {
            self.0.connection.disconnect(self);
        }
    }

    /// The application is done with a socket whose disconnect it has heard of: it leaves its rooms.
    pub fn release(&self) {
        if self.0.state.swap(RELEASED, Ordering::AcqRel) != RELEASED {
            let namespace = &self.0.namespace;
            let released = match (namespace.memory(), self.member()) {
                (Some(memory), Some(member)) => memory.release(self, member),
                _ => Released::default(),
            };
            self.leave_everything();
            self.abandon_acks();
            released.carry_out(self.0.connection.hub(), namespace);
        }
    }

    /// Marks it as gone. False if it was already, true for the one call that must tell the application.
    pub(crate) fn end(&self) -> bool {
        // A step forward may come between two of these; there is none after the last.
        let ended = [PENDING, ADMITTED, CONNECTED].into_iter().any(|from| self.step(from, DISCONNECTED));
        if ended {
            self.abandon_acks();
        }
        ended
    }

    pub(crate) fn tell_disconnect(&self, reason: Reason, detail: Option<std::borrow::Cow<'static, str>>) {
        if let (Some(memory), Some(member)) = (self.0.namespace.memory(), self.member()) {
            memory.is_about_to_end(member);
        }
        if self.end() {
            if let Some(member) = self.member() {
                member.end(reason.is_recoverable());
            }
            self.0.connection.hub().app.disconnect(self, reason, detail);
        }
    }

    fn abandon_acks(&self) {
        let waiters = self.0.acks.lock().drain();
        let clock = &self.0.connection.hub().clock;
        for waiter in waiters {
            match waiter {
                Waiter::One(on_ack, timer) => {
                    if let Some(timer) = timer {
                        clock.cancel(timer);
                    }
                    on_ack(Err(AckError::Disconnected));
                }
                // A broadcast waits on for the others; when this was the last, dropping it ends the wait.
                Waiter::Many(gather) => drop::<Arc<Gather>>(gather),
            }
        }
    }

    fn leave_everything(&self) {
        self.0.namespace.with_rooms(|rooms| rooms.remove(self.0.key, &self.0.id));
        self.0.connection.hub().socket_left(&self.0.namespace);
    }

    fn state(&self) -> u8 {
        self.0.state.load(Ordering::Acquire)
    }

    fn step(&self, from: u8, to: u8) -> bool {
        self.0.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("id", &self.0.id).field("namespace", self.0.namespace.name()).finish()
    }
}

impl PartialEq for Socket {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Socket {}
