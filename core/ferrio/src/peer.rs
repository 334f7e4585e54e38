//! One client in one namespace, as a program sees it.

use std::fmt;
use std::sync::Arc;

use ferrio_protocol::engine::{Revision, Transport};
use ferrio_protocol::socket::Payload;

use crate::error::EmitError;
use crate::extract::{Incoming, Left};
use crate::handler::Handler;
use crate::handshake::Handshake;
use crate::life::Life;
use crate::listeners::ListenerId;
use crate::namespace::Receivers;
use crate::payload::{Arguments, FromArguments, seal_event};
use crate::reply::EmitWithAck;
use crate::server::Server;
use crate::socket::{self, Flags};
use crate::space::Namespace;
use crate::target::{IntoRooms, Target};
use crate::turn::Turn;

/// A client in a namespace. A handle: cloning it is cheap, and it may outlive the client (calls then do nothing).
///
/// ```
/// # fn show(server: ferrio::Server) {
/// use ferrio::{Data, Socket};
///
/// server.on_connect(|socket: Socket| {
///     socket.join("lobby");
///     let _ = socket.emit("welcome", socket.id());
/// });
/// server.on("say", |socket: Socket, Data(text): Data<String>| {
///     socket.to("lobby").emit("said", (socket.id(), text)) // to the others
/// });
/// # }
/// ```
#[derive(Clone)]
pub struct Socket {
    core: socket::Socket,
    life: Arc<Life>,
}

impl Socket {
    pub(crate) fn new(core: socket::Socket, life: Arc<Life>) -> Self {
        Self { core, life }
    }

    /// A socket of the core; `None` while its namespace is not known, or if that does not exist.
    pub(crate) fn of(core: &socket::Socket) -> Option<Self> {
        Life::of(core).map(|life| Self { core: core.clone(), life: Arc::clone(life) })
    }

    pub(crate) fn core(&self) -> &socket::Socket {
        &self.core
    }

    pub(crate) fn life(&self) -> &Life {
        &self.life
    }

    // Who it is.

    /// Its public id: 20 characters, another one in each namespace. It is also the name of a room of its own.
    pub fn id(&self) -> &str {
        self.core.id()
    }

    /// The namespace it is in.
    pub fn namespace(&self) -> Namespace {
        Namespace::new(self.server(), Arc::clone(&self.life.space), Arc::clone(self.core.namespace()))
    }

    /// The server it is connected to.
    pub fn server(&self) -> Server {
        Server::from_parts(self.core.connection().hub().clone(), Arc::clone(&self.life.shared))
    }

    /// How it came: headers, query, address, auth.
    pub fn handshake(&self) -> &Handshake {
        &self.life.handshake
    }

    /// Let in, and not gone.
    pub fn is_connected(&self) -> bool {
        self.core.is_connected()
    }

    /// It came back after its connection broke, within the time that [`Recovery`](crate::Recovery) gives: its id, rooms and
    /// [extensions](Self::extension) are those it had, and its client has got what it missed.
    pub fn recovered(&self) -> bool {
        self.core.is_recovered()
    }

    /// The transport its connection uses right now.
    pub fn transport(&self) -> Transport {
        self.core.connection().transport()
    }

    // Rooms.

    /// Joins a room, or several.
    pub fn join(&self, rooms: impl IntoRooms) {
        rooms.each(&mut |room| {
            self.core.join(room);
        });
    }

    /// Leaves a room, or several.
    pub fn leave(&self, rooms: impl IntoRooms) {
        rooms.each(&mut |room| {
            self.core.leave(&room);
        });
    }

    /// The rooms it is in, its own id first; none once it has left.
    pub fn rooms(&self) -> Vec<String> {
        self.core.rooms().iter().map(ToString::to_string).collect()
    }

    // Sending to this client.

    /// Sends an event to this client.
    ///
    /// It is queued, and never lost while the client stays: see [`buffered`](Self::buffered) for what waits.
    ///
    /// # Errors
    /// A reserved name, arguments that cannot be serialized, or the client has left.
    pub fn emit(&self, event: &str, args: impl Arguments) -> Result<(), EmitError> {
        Direct::new(self).emit(event, args)
    }

    /// Asks this client: sends an event when awaited, and gives its answer.
    ///
    /// ```
    /// # async fn show(socket: ferrio::Socket) -> Result<(), ferrio::AckError> {
    /// use std::time::Duration;
    ///
    /// let sum: i32 = socket.emit_with_ack("add", (1, 2)).timeout(Duration::from_secs(5)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn emit_with_ack<T: FromArguments>(&self, event: &str, args: impl Arguments) -> EmitWithAck<T> {
        Direct::new(self).emit_with_ack(event, args)
    }

    /// What is sent may get lost: if the client is not ready for it right now, it does not get it at all.
    pub fn volatile(&self) -> Direct<'_> {
        Direct::new(self).volatile()
    }

    /// Whether a long-polling answer that carries what is sent may be compressed. True unless said otherwise.
    pub fn compress(&self, compress: bool) -> Direct<'_> {
        Direct::new(self).compress(compress)
    }

    /// Bytes that wait to be sent on the client's connection. At the [hard limit](crate::Config::hard_limit) it is closed.
    pub fn buffered(&self) -> usize {
        self.core.connection().buffered().0
    }

    /// Waits until the client keeps up: fewer bytes wait than the [high mark](crate::Config::high_mark), or it has left.
    pub async fn ready(&self) {
        loop {
            let ready = self.life.own().ready.notified();
            if !self.core.connection().buffered().1 || self.life.is_over() {
                return;
            }
            ready.await;
        }
    }

    // Sending to others.

    /// Chooses everybody in the namespace but this client.
    pub fn broadcast(&self) -> Target {
        self.namespace().target().except(self.id())
    }

    /// Chooses the members of a room or of several, without this client: each once, however many of them it is in.
    pub fn to(&self, rooms: impl IntoRooms) -> Target {
        self.broadcast().to(rooms)
    }

    /// The same as [`to`](Self::to).
    pub fn in_(&self, rooms: impl IntoRooms) -> Target {
        self.broadcast().to(rooms)
    }

    /// Chooses everybody but this client and the members of these rooms.
    pub fn except(&self, rooms: impl IntoRooms) -> Target {
        self.broadcast().except(rooms)
    }

    /// Chooses everybody but this client, on this server only.
    pub fn local(&self) -> Target {
        self.broadcast().local()
    }

    // Listening to this client. (What all sockets do alike is cheaper registered on the namespace.)

    /// Calls `handler` for each such event of this socket, after the namespace's handlers and those added before it.
    pub fn on<M: 'static>(&self, event: &str, handler: impl Handler<Incoming, M>) -> ListenerId {
        self.listen(|life| life.own().listeners.on(event, handler, false))
    }

    /// The same, for the next such event only.
    pub fn once<M: 'static>(&self, event: &str, handler: impl Handler<Incoming, M>) -> ListenerId {
        self.listen(|life| life.own().listeners.on(event, handler, true))
    }

    /// Forgets all handlers of an event on this socket.
    pub fn off(&self, event: &str) {
        if let Some(own) = self.life.has_own() {
            own.listeners.off(event);
        }
    }

    /// Forgets one handler of this socket, of whichever kind. False if it was not there.
    pub fn remove_listener(&self, id: ListenerId) -> bool {
        self.life.has_own().is_some_and(|own| own.listeners.remove(id))
    }

    /// Calls `handler` for every event of this socket, before the event's own handlers. What it returns is no answer.
    pub fn on_any<M: 'static>(&self, handler: impl Handler<Incoming, M>) -> ListenerId {
        self.listen(|life| life.own().listeners.change(|table| table.any.add(handler, false)))
    }

    /// Calls `handler` for every event that is sent to this socket, broadcasts included, answers not.
    pub fn on_any_outgoing<M: 'static>(&self, handler: impl Handler<Incoming, M>) -> ListenerId {
        self.life.shared.listen_outgoing();
        self.listen(|life| life.own().listeners.change(|table| table.outgoing.add(handler, false)))
    }

    /// Calls `handler` when this socket has ended, but is still in its rooms.
    pub fn on_disconnecting<M: 'static>(&self, handler: impl Handler<Left, M>) -> ListenerId {
        self.listen(|life| life.own().listeners.change(|table| table.disconnecting.add(handler, false)))
    }

    /// Calls `handler` when this socket has ended and left its rooms.
    pub fn on_disconnect<M: 'static>(&self, handler: impl Handler<Left, M>) -> ListenerId {
        self.listen(|life| life.own().listeners.change(|table| table.disconnect.add(handler, false)))
    }

    // Extensions.

    /// Keeps a value with this socket, one of each type; gives back the one that was there. See
    /// [`Extension`](crate::Extension).
    pub fn insert<T: Send + Sync + 'static>(&self, value: T) -> Option<Arc<T>> {
        self.life.own().extensions.lock().insert(value)
    }

    /// The value of this type.
    pub fn extension<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.life.has_own().and_then(|own| own.extensions.lock().get())
    }

    /// Takes the value of this type away.
    pub fn remove<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.life.has_own().and_then(|own| own.extensions.lock().remove())
    }

    // The end.

    /// Disconnects the client from this namespace; with `close` from all of them, and closes its connection. Does nothing
    /// in a middleware: that refuses by its result.
    pub fn disconnect(&self, close: bool) {
        if self.is_connected() {
            let _turn = Turn::enter();
            self.core.disconnect(close);
        }
    }

    /// It speaks Socket.IO as of version 2.
    pub(crate) fn speaks_v3(&self) -> bool {
        self.core.connection().revision() == Revision::V3
    }

    pub(crate) fn namespace_name(&self) -> &str {
        self.core.namespace().name()
    }

    /// The payload, if this socket can still be sent something.
    pub(crate) fn sendable(&self, payload: Result<Payload, EmitError>) -> Result<Payload, EmitError> {
        let payload = payload?;
        if !self.core.is_connected() && !self.core.is_pending() {
            return Err(EmitError::Disconnected);
        }
        self.life.shared.notify_outgoing(|| Receivers::one(self.core.clone()), &payload);
        Ok(payload)
    }

    fn listen(&self, add: impl FnOnce(&Life) -> ListenerId) -> ListenerId {
        let id = add(&self.life);
        if self.life.is_over() {
            // Nothing would ever take it away again: it may hold the socket.
            self.remove_listener(id);
        }
        id
    }
}

/// Sends to one client, in a certain way.
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is sent before `emit`"]
pub struct Direct<'a> {
    socket: &'a Socket,
    flags: Flags,
}

impl<'a> Direct<'a> {
    fn new(socket: &'a Socket) -> Self {
        Self { socket, flags: Flags::default() }
    }

    /// See [`Socket::volatile`].
    pub fn volatile(mut self) -> Self {
        self.flags.volatile = true;
        self
    }

    /// See [`Socket::compress`].
    pub fn compress(mut self, compress: bool) -> Self {
        self.flags.compress = compress;
        self
    }

    /// Chooses everybody in the namespace but this client.
    pub fn broadcast(self) -> Target {
        self.socket.broadcast().flags(self.flags)
    }

    /// Chooses the members of these rooms, without this client.
    pub fn to(self, rooms: impl IntoRooms) -> Target {
        self.broadcast().to(rooms)
    }

    /// See [`Socket::emit`].
    ///
    /// # Errors
    /// A reserved name, arguments that cannot be serialized, or the client has left.
    pub fn emit(self, event: &str, args: impl Arguments) -> Result<(), EmitError> {
        let payload = self.socket.sendable(seal_event(event, args))?;
        self.socket.core.emit(payload, self.flags);
        Ok(())
    }

    /// See [`Socket::emit_with_ack`].
    pub fn emit_with_ack<T: FromArguments>(self, event: &str, args: impl Arguments) -> EmitWithAck<T> {
        EmitWithAck::new(self.socket.clone(), seal_event(event, args), self.flags)
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core.fmt(f)
    }
}

impl PartialEq for Socket {
    fn eq(&self, other: &Self) -> bool {
        self.core == other.core
    }
}

impl Eq for Socket {}
