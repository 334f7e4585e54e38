//! The engine as a host sees it.

use std::collections::BTreeMap;
use std::io;
use std::mem::ManuallyDrop;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ferrio::Drain;
use ferrio::client::connection::Connection;
use ferrio::config::Config;
use ferrio::hub::Hub;
use ferrio::namespace::Namespace;
use ferrio::net::fallback::Fallback;
use ferrio::net::gate::Gate;
use ferrio::net::listener::{Listener, Listening};
use ferrio::recovery::{Offset, Stamp};
use ferrio::socket::{self, Socket};
use ferrio_protocol::Text;
use ferrio_protocol::engine::Frame;
use ferrio_protocol::socket::Payload;
use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::carrier::Order;
use crate::command::{Command, Flags, Target};
use crate::event::{AckEnd, Event};
use crate::ids::{ClientId, ConnId, SocketId};
use crate::lifecycle::Phase;
use crate::options::Options;
use crate::runtime::{EngineNumber, Forked, Runtime};
use crate::shared::{Shared, socket_id};
use crate::work::{self, Queue, Work, Worker};
use crate::{StartError, Tls};

/// Wakes the host's loop: called from engine threads, once before the first drain and then at most once between two drains
/// that found nothing.
pub trait Wake: Send + Sync + 'static {
    /// Makes the host call [`Engine::drain`] soon. Must not block and must not call back into the engine.
    fn wake(&self);
}

/// One Socket.IO server for a host language.
///
/// In a child of the process that started it every call does nothing (see [`Engine::check`]), and dropping it leaks it.
pub struct Engine {
    parts: ManuallyDrop<Parts>,
}

struct Parts {
    shared: Arc<Shared>,
    hub: Hub,
    queue: Arc<Queue>,
    worker: Worker,
    listening: Arc<Mutex<Vec<Listening>>>,
    /// As it was last asked to be.
    config: Mutex<Config>,
    runtime: Runtime,
}

impl Engine {
    /// Starts the I/O threads. `options` is a JSON object (see `options.rs`; times in ms).
    ///
    /// # Errors
    /// An unknown or impossible option, named; threads that cannot be started.
    pub fn start(options: &str, wake: Arc<dyn Wake>) -> Result<Self, StartError> {
        let Options { config, io_threads, mailbox_bytes } = Options::parse(options)?;
        let engine = EngineNumber::new();
        let shared = Arc::new(Shared::new(engine, config.dialect, mailbox_bytes, wake));
        let on_turn_end = Arc::downgrade(&shared);
        let runtime = Runtime::start(engine, io_threads, move || {
            if let Some(shared) = on_turn_end.upgrade() {
                shared.mailbox.end_turn();
            }
        })?;
        let hub = Hub::new(config.clone(), Arc::clone(&shared) as _, runtime.handle().clone());
        shared.set_hub(Some(hub.clone()));
        let queue = Arc::new(Queue::default());
        let worker = Worker { shared: Arc::clone(&shared), hub: hub.clone() };
        runtime.handle().spawn(worker.clone().run(Arc::clone(&queue)));
        let parts =
            Parts { shared, hub, queue, worker, listening: Arc::default(), config: Mutex::new(config), runtime };
        Ok(Self { parts: ManuallyDrop::new(parts) })
    }

    /// Whether this process may use the engine.
    ///
    /// # Errors
    /// It is a fork of the process that started it: the memory is here, the threads are not.
    pub fn check(&self) -> Result<(), Forked> {
        self.parts.runtime.check()
    }

    /// Opens an own listener (native `serve`). May be called again for further addresses. Port 0 picks one. `fallback` answers
    /// what is not on the server's path, which is 404 otherwise; `gate` has a say on what is.
    ///
    /// # Errors
    /// What binding the address, or reading the TLS files, said.
    pub fn listen(
        &self,
        address: &str,
        tls: Option<&Tls>,
        fallback: Option<Arc<dyn Fallback>>,
        gate: Option<Arc<dyn Gate>>,
    ) -> io::Result<SocketAddr> {
        self.check().map_err(io::Error::other)?;
        let Parts { hub, listening, runtime, .. } = &*self.parts;
        let tls = tls.map(|Tls { certificate, key }| ferrio::net::tls::Tls::from_files(certificate, key));
        let tls = tls.transpose().map_err(io::Error::other)?;
        let _context = runtime.handle().enter();
        let mut listener = runtime.handle().block_on(Listener::bind(address))?;
        if let Some(tls) = tls {
            listener = listener.with_tls(tls);
        }
        if let Some(fallback) = fallback {
            listener = listener.with_fallback(fallback);
        }
        if let Some(gate) = gate {
            listener = listener.with_gate(gate);
        }
        let bound = listener.address()?;
        listening.lock().push(listener.start(hub.clone()));
        Ok(bound)
    }

    /// Changes options while the engine runs, after the commands that were submitted before. `options` is a JSON object as for
    /// [`Self::start`]; which of them can change stands in `options.rs`. It counts for requests and sessions from now on; in
    /// sessions that are open, for the time limits that begin from now on.
    ///
    /// # Errors
    /// An option that is unknown, impossible or cannot change, named: then none has changed. A fork.
    pub fn configure(&self, options: &str) -> Result<(), StartError> {
        self.check().map_err(io::Error::other)?;
        let mut config = self.parts.config.lock();
        let changed = Options::change(&config, options)?;
        *config = changed.clone();
        // Still locked: two callers must not come to the queue in another order.
        self.parts.queue.append(vec![Work::Configure(Box::new(changed))]);
        Ok(())
    }

    /// Carries out a batch of commands, in order, with at most one wake of an I/O thread; with none, on this thread, if it is a
    /// few small sends and the I/O threads sleep.
    pub fn submit(&self, commands: Vec<Command>) {
        if self.check().is_err() {
            return;
        }
        let mut batch = Vec::with_capacity(commands.len());
        batch.extend(commands.into_iter().filter_map(|command| self.parts.resolve(command)));
        let Parts { queue, worker, runtime, .. } = &*self.parts;
        if runtime.sleeps()
            && work::is_little(&batch)
            && let Some(_claim) = queue.claim()
        {
            let _context = runtime.handle().enter();
            worker.carry_out(batch);
            return;
        }
        queue.append(batch);
    }

    /// Moves waiting events to the end of `batch`: at most about `max_events`, `max_bytes` of payload. Returns whether it found
    /// any: call again until it does not. Then the mailbox is armed: the next event wakes the host.
    pub fn drain(&self, batch: &mut Vec<Event>, max_events: usize, max_bytes: usize) -> bool {
        self.check().is_ok() && self.parts.shared.mailbox.drain(batch, max_events, max_bytes)
    }

    /// Rooms of a socket, its own id first. Empty for a socket that is gone.
    pub fn rooms(&self, socket: SocketId) -> Vec<Text> {
        self.socket(socket).map(|socket| socket.rooms()).unwrap_or_default()
    }

    /// The sockets a target means right now.
    pub fn members(&self, target: &Target) -> Vec<SocketId> {
        match target {
            Target::Socket(id) => {
                self.socket(*id).filter(Socket::is_connected).map(|socket| socket_id(&socket)).into_iter().collect()
            }
            Target::Rooms { nsp, rooms, except } => {
                let Some(namespace) = self.namespace(nsp) else { return Vec::new() };
                let mut members = Vec::new();
                namespace.resolve(rooms, except).for_each(|socket| members.push(socket_id(socket)));
                members
            }
        }
    }

    /// The state of the server and what it has counted, as a JSON object: `connections`, `bufferedBytes`, `opened`, `refused`
    /// (by code), `closed` (by reason) and `limits` (by name, words joined by `_`).
    pub fn stats(&self) -> String {
        let stats = self.parts.hub.stats();
        serde_json::json!({
            "connections": stats.connections,
            "bufferedBytes": stats.buffered_bytes,
            "opened": stats.opened,
            "refused": stats.refused.iter().map(|(code, count)| (code.to_string(), count)).collect::<BTreeMap<_, _>>(),
            "closed": stats.closed,
            "limits": stats.limits,
        })
        .to_string()
    }

    /// All rooms of a namespace that have members, own-id rooms excluded.
    pub fn room_names(&self, nsp: &str) -> Vec<Text> {
        self.namespace(nsp).map(|namespace| namespace.room_names()).unwrap_or_default()
    }

    /// The offset of the next event in a namespace whose sockets can be recovered: to be written as its last argument by a host
    /// that wants to see it, in the next `Emit` there ([`Flags::stamped`]). `None` if there is nobody or no recovery.
    pub fn stamp(&self, nsp: &str) -> Option<String> {
        self.namespace(nsp)?.stamp().map(|offset| offset.to_string())
    }

    /// Bytes waiting to be sent to the socket's connection, and whether that is above the high mark: then `Event::Drain`
    /// follows. What was submitted for it alone and not carried out yet is counted, too; broadcasts are not.
    pub fn buffered(&self, socket: SocketId) -> (usize, bool) {
        self.socket(socket).map(|socket| socket.connection().buffered()).unwrap_or_default()
    }

    /// [`Self::buffered`], of a connection.
    pub fn conn_buffered(&self, conn: ConnId) -> usize {
        let conn = self.check().ok().and_then(|()| self.parts.shared.conn(conn));
        conn.map_or(0, |conn| conn.buffered().0)
    }

    /// Whether what is sent to a connection now leaves now: a GET waits, or the WebSocket takes bytes.
    pub fn writable(&self, conn: ConnId) -> bool {
        self.check().is_ok() && self.parts.shared.conn(conn).is_some_and(|conn| conn.is_writable())
    }

    /// The transport the socket's connection uses now: `"polling"` or `"websocket"`.
    pub fn transport(&self, socket: SocketId) -> Option<&'static str> {
        self.socket(socket).map(|socket| socket.connection().transport().as_str())
    }

    /// Begins to close: listeners stop, sockets end with "server shutting down", every pending request and ack completes,
    /// then `Event::Closed` comes. What was submitted before is carried out before. Idempotent. Dropping the engine afterwards
    /// ends the threads.
    pub fn close(&self) {
        if self.check().is_ok() && self.parts.shared.life.step_to(Phase::Closing) {
            let listening = std::mem::take(&mut *self.parts.listening.lock());
            self.parts.queue.append(vec![Work::ShutDown(listening)]);
        }
    }

    /// Ends the engine so that others can take over from it: see [`Drain`]. What was submitted before is carried out before.
    /// `Event::Closed` comes when it is over; [`Self::close`] ends it at once. Once only: further calls do nothing.
    pub fn drain_clients(&self, how: Drain) {
        if self.check().is_ok() && self.parts.hub.begin_drain() {
            let listening = Arc::clone(&self.parts.listening);
            let ports = Box::new(move || std::mem::take(&mut *listening.lock()));
            self.parts.queue.append(vec![Work::Drain(how, ports)]);
        }
    }

    /// Whether one more namespace may be made that a client has named, where the host has so many. If not, that is counted
    /// (`max_child_namespaces`), and the client is to be refused.
    pub fn has_room_for_child(&self, children: usize) -> bool {
        self.parts.hub.has_room_for_child(children)
    }

    /// Whether newcomers are let in: not once the engine drains or closes.
    pub fn is_ready(&self) -> bool {
        self.check().is_ok() && !self.parts.shared.life.has_reached(Phase::Closing) && self.parts.hub.is_ready()
    }

    pub(crate) fn call(&self, client: ClientId) -> Option<Connection> {
        self.check().ok().and_then(|()| self.parts.shared.calls.get(client))
    }

    fn socket(&self, socket: SocketId) -> Option<Socket> {
        self.check().ok().and_then(|()| self.parts.shared.socket(socket))
    }

    fn namespace(&self, name: &str) -> Option<Arc<Namespace>> {
        self.check().ok().and_then(|()| self.parts.hub.find_namespace(name))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.check().is_err() {
            return;
        }
        // SAFETY: `self` is being dropped: nobody uses `parts` after this.
        let Parts { shared, hub, runtime, .. } = unsafe { ManuallyDrop::take(&mut self.parts) };
        // The host hears no more: its side of `Wake` may be half gone.
        shared.mailbox.mute();
        hub.close();
        // Nobody may wait on a thread of a runtime.
        if Handle::try_current().is_err() {
            runtime.handle().block_on(shared.calls.until_told(GOODBYE_LIMIT));
        }
        runtime.shut_down(SHUTDOWN_LIMIT);
        shared.clear();
    }
}

impl Parts {
    /// The host's share of a command: membership, and the choice of receivers. What is left is work for the I/O threads.
    fn resolve(&self, command: Command) -> Option<Work> {
        let Self { shared, hub, .. } = self;
        Some(match command {
            Command::Accept { socket } => {
                let socket = shared.socket(socket)?;
                if !socket.admit() {
                    return None;
                }
                Work::Welcome(socket)
            }
            Command::Reject { socket, data } => {
                let socket = shared.sockets.lock().remove(socket)?;
                Work::Reject(socket, data)
            }
            Command::Emit { target, payload, flags, ack } => {
                let stamp = |namespace: &Namespace| stamp(namespace, &payload, flags, ack.is_some());
                let flags = |stamp| socket::Flags { volatile: flags.volatile, compress: flags.compress, stamp };
                match target {
                    Target::Socket(id) => match shared.socket(id) {
                        Some(socket) => {
                            let flags = flags(stamp(socket.namespace()));
                            let announced = socket.connection().announce(payload.size());
                            Work::Send { socket, payload, flags, ack, announced }
                        }
                        None => Work::Unheard(ack?.ack, AckEnd::Disconnected),
                    },
                    Target::Rooms { nsp, rooms, except } => match hub.find_namespace(&nsp) {
                        Some(to) => {
                            let (receivers, flags) = (to.resolve(&rooms, &except), flags(stamp(&to)));
                            Work::Broadcast { to, receivers, payload, flags, ack }
                        }
                        None => Work::Unheard(ack?.ack, AckEnd::Complete),
                    },
                }
            }
            Command::Ack { socket, id, payload } => {
                let socket = shared.socket(socket)?;
                let announced = socket.connection().announce(payload.size());
                Work::Ack { socket, id, payload, announced }
            }
            Command::Join { socket, rooms } => {
                let socket = shared.socket(socket)?;
                for room in rooms {
                    socket.join(room);
                }
                return None;
            }
            Command::Leave { socket, room } => {
                shared.socket(socket)?.leave(&room);
                return None;
            }
            Command::Disconnect { socket, close } => {
                let socket = shared.socket(socket)?;
                // Before a release of the host's, should it have ended already: what is sent away must not come back.
                socket.revoke();
                Work::Disconnect { socket, close }
            }
            Command::Release { socket } => {
                let socket = shared.sockets.lock().remove(socket)?;
                socket.release();
                return None;
            }
            Command::Write { conns, data, flags, receipt } => {
                let flags =
                    socket::Flags { volatile: flags.volatile, compress: flags.compress, ..socket::Flags::default() };
                // Of many, as of a broadcast, the worker looks after each.
                let announced = match conns[..] {
                    [conn] => shared.conn(conn).map(|conn| conn.announce(data.iter().map(Frame::len).sum())),
                    _ => None,
                };
                Work::Write { conns, data, flags, receipt, announced }
            }
            Command::Hold { conn, on } => Work::Hold { conn: shared.conn(conn)?, on },
            Command::Watch { conn, on } => Work::Watch { conn: shared.conn(conn)?, on },
            Command::Close { conn, discard } => Work::Close { conn: shared.conn(conn)?, discard },
            Command::Request { request, head, end } => Work::Carry(Order::Request { request, head, end }),
            Command::Body { request, chunk, end } => Work::Carry(Order::Body { request, chunk, end }),
            Command::Abort { request } => Work::Carry(Order::Abort { request }),
            Command::TakeOver { link, head, stream, read, headers } => {
                Work::Carry(Order::TakeOver { link, head, stream, read, headers })
            }
            Command::OpenLink { link, head, raw, headers } => Work::Carry(Order::OpenLink { link, head, raw, headers }),
            Command::Feed { link, data } => Work::Carry(Order::Feed { link, data }),
            Command::LinkClosed { link, error } => Work::Carry(Order::LinkClosed { link, error }),
            Command::LinkSent { link, bytes } => Work::Carry(Order::LinkSent { link, bytes }),
            Command::Client { client, command } => Work::Call(shared.calls.resolve(client, command)?),
        })
    }
}

/// The place of an event among those that can be recovered. Given here, where events come in their order: a host may have
/// been given the stamp of a later one.
fn stamp(namespace: &Namespace, payload: &Payload, flags: Flags, asks: bool) -> Option<Stamp> {
    if asks || flags.volatile {
        None
    } else if flags.stamped {
        Offset::at_end_of(&payload.text).map(Stamp::Written)
    } else {
        namespace.stamp().map(Stamp::Given)
    }
}

/// Time for the goodbyes of clients that were told to hang up, when the engine is dropped behind that.
const GOODBYE_LIMIT: Duration = Duration::from_secs(1);
/// Time for the threads to end when the engine is dropped.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(2);
