//! The server below the handlers: its sessions, its namespaces, its clock. How requests come to it: `hub/front.rs`.

mod front;

use std::borrow::Borrow;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ferrio_protocol::engine::{Revision, Transport, handshake};
use ferrio_protocol::message::Item;
use ferrio_protocol::session::Settings;
use ferrio_protocol::socket::{Payload, Serializer};
use ferrio_protocol::{Dialect, Limit, Limits, Message, Text};
use parking_lot::{Mutex, RwLock};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::ack::{Ask, Gather, Waiter};
use crate::admission::Admission;
use crate::application::Application;
use crate::clock::Clock;
use crate::config::Config;
use crate::connection::Connection;
use crate::namespace::{Namespace, Receivers};
use crate::rate::Meter;
use crate::recovery::{self, Claim, Claimed, Rules};
use crate::socket::{Flags, Socket};
use crate::stats::{Counters, Stats};

/// One server. A handle: cloning it is cheap.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

/// What a hub is made of.
pub struct Inner {
    pub(crate) app: Arc<dyn Application>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) runtime: Handle,
    pub(crate) admission: Arc<Admission>,
    /// How many events a client may send, if that is limited, by a clock that began with the server.
    event_meter: Option<Meter>,
    start: Instant,
    /// Which dialect its sessions speak. Never changes.
    dialect: Dialect,
    /// Never changes either: clients would have to change with it.
    serializer: Serializer,
    /// Changed with `sessions` locked, so that no session is left out.
    live: RwLock<Live>,
    recovery: Option<Arc<Rules>>,
    sessions: Mutex<HashMap<Text, Arc<Connection>>>,
    namespaces: RwLock<HashMap<Text, Arc<Namespace>>>,
    /// The application takes events again. Who waits is woken one after the other, first come, first served: if all were, those
    /// who read first would fill it up again, and be the first the next time, too.
    resume: Notify,
    /// Some connection is held no more.
    release: Notify,
    /// When the application last began to take events again, in milliseconds since the start.
    resumed: AtomicU64,
    closing: AtomicBool,
    next: AtomicU64,
    pub(crate) counters: Counters,
}

/// The configuration, and what of it the sessions need.
#[derive(Clone)]
struct Live {
    config: Arc<Config>,
    settings: Arc<Settings>,
}

impl Live {
    fn new(config: Config) -> Self {
        let settings = Settings {
            dialect: config.dialect,
            limits: config.limits.clone(),
            ping_interval: config.ping_interval,
            ping_timeout: config.ping_timeout,
            upgrade_timeout: config.upgrade_timeout,
            connect_timeout: config.connect_timeout,
            close_timeout: config.close_timeout,
            serializer: config.serializer,
            allow_upgrades: config.allow_upgrades && config.transports.contains(&Transport::WebSocket),
            layer: config.layer,
            initial: Message::raw(config.initial_packet.clone()).pop().map(Arc::new),
            watch: config.watch,
        };
        Self { config: Arc::new(config), settings: Arc::new(settings) }
    }
}

impl std::ops::Deref for Hub {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Hub {
    /// Starts a server's clock on `runtime`. It has no port yet: see [`Front`](crate::net::Front) for the ways requests come in.
    pub fn new(config: Config, app: Arc<dyn Application>, runtime: Handle) -> Self {
        let recovery = config.recovery.clone().map(|recovery| Arc::new(Rules::new(recovery, config.hard_limit)));
        let clock = Arc::new(Clock::default());
        runtime.spawn(Arc::clone(&clock).run());
        Self(Arc::new(Inner {
            app,
            clock,
            runtime,
            admission: Admission::new(),
            event_meter: config.admission.events_per_client.map(Meter::new),
            start: Instant::now(),
            dialect: config.dialect,
            serializer: config.serializer,
            live: RwLock::new(Live::new(config)),
            recovery,
            sessions: Mutex::default(),
            namespaces: RwLock::default(),
            resume: Notify::new(),
            release: Notify::new(),
            resumed: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            next: AtomicU64::new(0),
            counters: Counters::default(),
        }))
    }

    /// Another configuration: for requests and sessions from now on, and for the time limits that begin from now on in the
    /// sessions there are. The dialect, the serializer, recovery, the rate of events, and the limits of queues that exist, stay.
    pub fn configure(&self, config: Config) {
        let live = Live::new(Config { dialect: self.dialect, serializer: self.serializer, ..config });
        let connections: Vec<_> = {
            let sessions = self.sessions.lock();
            *self.live.write() = live.clone();
            sessions.values().cloned().collect()
        };
        for connection in connections {
            connection.configure(Arc::clone(&live.settings));
        }
    }

    /// The namespace of this name, made if it is not there; from here on it stays, whoever is in it.
    pub fn declare(&self, name: &Text) -> Arc<Namespace> {
        let mut namespaces = self.namespaces.write();
        let make = || Arc::new(self.new_namespace(name.clone()));
        let namespace = namespaces.entry(name.clone()).or_insert_with(make);
        namespace.declare();
        Arc::clone(namespace)
    }

    /// Whether one more dynamic namespace may be made where the application has so many. If not, that is counted.
    pub fn has_room_for_child(&self, children: usize) -> bool {
        let has_room = children < self.live.read().config.max_child_namespaces;
        if !has_room {
            self.counters.limit(Limit::MaxChildNamespaces);
        }
        has_room
    }

    /// The namespace of this name, if it is there.
    pub fn find_namespace(&self, name: &str) -> Option<Arc<Namespace>> {
        self.namespaces.read().get(name).cloned()
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.sessions.lock().len()
    }

    /// All connections.
    pub(crate) fn all(&self) -> Vec<Arc<Connection>> {
        self.sessions.lock().values().cloned().collect()
    }

    /// Its state, and what it has counted. Asks every connection how much waits for it.
    pub fn stats(&self) -> Stats {
        let connections: Vec<_> = self.sessions.lock().values().cloned().collect();
        Stats {
            connections: connections.len(),
            buffered_bytes: connections.iter().map(|connection| connection.waiting()).sum(),
            ..self.counters.read(self.dialect)
        }
    }

    /// The connection with this session id.
    pub fn connection(&self, sid: &str) -> Option<Arc<Connection>> {
        self.sessions.lock().get(sid).cloned()
    }

    /// Sends an event to many: encoded once, shared by all. Call it inside a [`Turn`](crate::turn::Turn).
    pub fn broadcast(&self, namespace: &Arc<Namespace>, receivers: &Receivers, payload: Payload, flags: Flags) {
        self.broadcast_to(namespace, || receivers, payload, flags);
    }

    /// As [`Self::broadcast`]. Where state can be recovered, `receivers` are chosen at the moment that the event gets its
    /// place in the order: a thread that chose before might miss a client that comes back meanwhile.
    pub(crate) fn broadcast_to<R: Borrow<Receivers>>(
        &self,
        namespace: &Arc<Namespace>,
        receivers: impl FnOnce() -> R,
        payload: Payload,
        flags: Flags,
    ) {
        match namespace.memory() {
            Some(memory) if !flags.volatile => memory.publish(self, namespace, payload, flags, receivers),
            Some(_) | None => {
                let item = flags.item(namespace.event(None, payload));
                receivers().borrow().deliver(&item);
            }
        }
    }

    /// Sends an event to many and gathers their answers. Call it inside a [`Turn`](crate::turn::Turn).
    pub fn broadcast_with_ack(
        &self,
        namespace: &Namespace,
        receivers: &Receivers,
        payload: Payload,
        flags: Flags,
        ask: Ask,
    ) {
        let Ask { timeout, on_each, on_end } = ask;
        let id = namespace.next_ack_id();
        let item: Item = flags.item(namespace.event(Some(id), payload));
        let gather = Arc::new(Gather::new(on_each, on_end));
        let mut asked = Vec::new();
        receivers.for_each_reachable(|socket| {
            gather.ask();
            socket.await_ack(id, Waiter::Many(Arc::clone(&gather)));
            socket.push(item.clone());
            asked.push(socket.clone());
        });
        let timer = timeout.and_then(|timeout| Instant::now().checked_add(timeout)).map(|at| {
            let (gather, clock) = (Arc::clone(&gather), Arc::clone(&self.clock));
            self.clock.schedule(at, move || {
                for socket in asked {
                    socket.forget_ack(id);
                }
                gather.time_out(&clock);
            })
        });
        gather.asked_all(&self.clock, timer);
    }

    /// The application takes events again.
    pub fn resume(&self) {
        self.resumed.store(self.start.elapsed().as_millis() as u64, Ordering::Release);
        self.resume.notify_one();
    }

    /// A connection is held no more.
    pub(crate) fn release(&self) {
        self.release.notify_waiters();
    }

    /// Whether connections are not being read at `now`, or were not until a moment ago: those that do not answer may have done so.
    pub(crate) fn deafness(&self, now: Instant) -> Option<Deafness> {
        if self.app.is_full() {
            return Some(Deafness::Now);
        }
        let resumed = Duration::from_millis(self.resumed.load(Ordering::Acquire));
        let since = now.saturating_duration_since(self.start + resumed);
        (!resumed.is_zero() && since < CATCH_UP).then_some(Deafness::Over)
    }

    /// Waits until the application takes events.
    pub(crate) async fn until_hearing(&self) {
        loop {
            if !self.app.is_full() {
                return;
            }
            self.resume.notified().await;
            if !self.app.is_full() {
                self.resume.notify_one();
            }
        }
    }

    /// Waits until the application takes events of this connection.
    pub(crate) async fn until_ready(&self, connection: &Connection) {
        loop {
            let released = self.release.notified();
            if connection.is_held() {
                released.await;
            } else if self.app.is_full() {
                self.until_hearing().await;
            } else {
                return;
            }
        }
    }

    /// Ends all connections with "server shutting down" and refuses new ones. Idempotent.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Release);
        for connection in self.all() {
            connection.shut_down();
        }
        self.clock.stop();
    }

    fn live(&self) -> Live {
        self.live.read().clone()
    }

    // For connections and sockets.

    /// The socket of a client that asks to join `nsp`, and the namespace if it is the first to ask. `None` if it has to wait
    /// for the end of the socket it had: it asks again then.
    pub(crate) fn new_socket(&self, connection: &Arc<Connection>, nsp: Text, auth: Option<&Text>) -> Option<Socket> {
        match self.claim(connection, &nsp, auth) {
            Claimed::Nothing => Some(self.newcomer(connection, nsp)),
            Claimed::Socket(socket) => Some(socket),
            Claimed::Later => None,
        }
    }

    /// The socket of a client that comes back, if it can.
    fn claim(&self, connection: &Arc<Connection>, nsp: &Text, auth: Option<&Text>) -> Claimed {
        let offered = self.recovery.is_some() && recovery::is_offered_to(connection.revision());
        let Some(claim) = auth.filter(|_| offered).and_then(|auth| Claim::read(auth)) else { return Claimed::Nothing };
        let Some(namespace) = self.find_namespace(nsp) else { return Claimed::Nothing };
        let Some(memory) = namespace.memory() else { return Claimed::Nothing };
        memory.claim(&claim, connection, nsp, auth, |id, member| {
            Socket::new(self.next(), id, Arc::clone(&namespace), Arc::clone(connection), Some(member))
        })
    }

    fn newcomer(&self, connection: &Arc<Connection>, nsp: Text) -> Socket {
        let id = match connection.revision() {
            Revision::V4 => random_id(),
            // Socket.IO v4 has no id of its own on the wire.
            Revision::V3 if nsp == "/" => connection.sid().clone(),
            Revision::V3 => Text::from(format!("{nsp}#{}", connection.sid())),
        };
        let make = |namespace: &Arc<Namespace>| {
            let make =
                |member| Socket::new(self.next(), id.clone(), Arc::clone(namespace), Arc::clone(connection), member);
            match namespace.memory() {
                Some(memory) if recovery::is_offered_to(connection.revision()) => {
                    memory.newcomer(random_id(), |member| make(Some(member)))
                }
                Some(_) | None => make(None),
            }
        };
        // Within the lock, so that a namespace cannot be forgotten between being found and being entered.
        if let Some(namespace) = self.namespaces.read().get(&nsp) {
            return make(namespace);
        }
        let mut namespaces = self.namespaces.write();
        let namespace = namespaces.entry(nsp.clone()).or_insert_with(|| Arc::new(self.new_namespace(nsp)));
        make(namespace)
    }

    pub(crate) fn forget(&self, sid: &str) {
        let connection = self.sessions.lock().remove(sid);
        drop(connection);
    }

    /// A socket has left for good. A namespace that nobody declared goes with its last socket: clients choose the names.
    pub(crate) fn socket_left(&self, namespace: &Namespace) {
        if namespace.is_disposable() {
            let mut namespaces = self.namespaces.write();
            if namespaces.get(namespace.name()).is_some_and(|held| held.is_disposable()) {
                namespaces.remove(namespace.name());
            }
        }
    }

    fn new_namespace(&self, name: Text) -> Namespace {
        Namespace::new(name, self.dialect, self.serializer, self.recovery.as_ref())
    }

    /// It ends: nobody need be waited for any more.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Recovered sockets need not ask the middlewares again.
    pub(crate) fn skips_middlewares(&self) -> bool {
        self.recovery.as_ref().is_some_and(|rules| rules.skips_middlewares())
    }

    /// How many events a client may send, if that is limited, and the microseconds that it is measured by.
    pub(crate) fn event_meter(&self) -> Option<(Meter, u64)> {
        self.event_meter.map(|meter| (meter, self.start.elapsed().as_micros() as u64))
    }

    pub(crate) fn with_limits<R>(&self, read: impl FnOnce(&Limits) -> R) -> R {
        read(&self.live.read().config.limits)
    }

    pub(crate) fn write_timeout(&self) -> Duration {
        self.live.read().config.write_timeout
    }

    fn next(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

/// Whether connections are read: see [`Hub::deafness`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deafness {
    Now,
    Over,
}

/// What has waited in the sockets has been read by then.
const CATCH_UP: Duration = Duration::from_secs(1);

fn random_id() -> Text {
    let mut random = [0; 15];
    // Without randomness from the system there are no secrets, and so no sessions: nothing sensible can go on.
    #[expect(
        clippy::expect_used,
        reason = "no input can cause it, and predictable session ids must never be handed out"
    )]
    getrandom::fill(&mut random).expect("the operating system has no random numbers");
    handshake::session_id(random)
}
