//! A client as a program holds it.

use std::fmt;
use std::sync::Arc;

use ferrio_protocol::Text;
use ferrio_protocol::engine::Transport;
use ferrio_protocol::socket::Payload;

use super::builder::{ClientBuilder, NamespaceBuilder};
use super::dispatch::Dispatcher;
use super::manager::{Asked, Manager};
use super::member::Emit;
use super::occasions::Incoming;
use super::options::Options;
use super::question::EmitWithAck;
use super::space::Space;
use crate::error::EmitError;
use crate::handler::Handler;
use crate::listeners::ListenerId;
use crate::payload::{Arguments, FromArguments, seal_event};

/// A client in one namespace of a server. A handle: cloning it is cheap. When the last one is dropped the client leaves the
/// namespace, and the connection ends with the last namespace.
///
/// See the [module](super) for what it does.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) crowd: Arc<Crowd>,
    pub(super) space: Arc<Space>,
}

/// What all namespaces on one connection share.
pub(super) struct Crowd {
    pub(super) manager: Manager,
    pub(super) dispatcher: Arc<Dispatcher>,
}

impl Client {
    /// A client for the server at `url` (`http`, `https`, `ws` or `wss`). Its path, if it has one, is the namespace; its query
    /// goes with every request.
    pub fn builder(url: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(url.into())
    }

    pub(super) fn from_inner(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// Another namespace, over the same connection.
    pub fn of(&self, namespace: &str) -> NamespaceBuilder {
        NamespaceBuilder::new(Arc::clone(&self.inner.crowd), namespace)
    }

    // How it stands.

    /// Its id in this namespace; none while it is not connected.
    pub fn id(&self) -> Option<String> {
        self.inner.space.status.lock().id.as_ref().map(ToString::to_string)
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.inner.space.nsp
    }

    /// The server has let it in.
    pub fn is_connected(&self) -> bool {
        self.inner.space.status.lock().id.is_some()
    }

    /// It is connected or will be when the server can be reached: it has neither been disconnected on purpose, nor refused,
    /// nor given up.
    pub fn is_active(&self) -> bool {
        self.inner.space.status.lock().active
    }

    /// It came back after the connection broke, and the server had kept its state: it has its old id and rooms, and got what
    /// it missed.
    pub fn recovered(&self) -> bool {
        self.inner.space.status.lock().recovered
    }

    /// The transport of the open connection.
    pub fn transport(&self) -> Option<Transport> {
        *self.inner.crowd.dispatcher.transport.lock()
    }

    /// Bytes that wait to be sent, in all namespaces of the connection.
    pub fn buffered(&self) -> usize {
        self.inner.crowd.manager.buffered()
    }

    // Sending.

    /// Sends an event. While the client is not connected it waits, and is sent, in order, when it is.
    ///
    /// # Errors
    /// A reserved name, arguments that cannot be serialized, or more [waits](Options::max_buffered) than may.
    pub fn emit(&self, event: &str, args: impl Arguments) -> Result<(), EmitError> {
        self.emit_flagged(event, args, false)
    }

    /// Sends an event when awaited, and gives the server's answer.
    pub fn emit_with_ack<T: FromArguments>(&self, event: &str, args: impl Arguments) -> EmitWithAck<T> {
        EmitWithAck::new(self.clone(), seal_event(event, args), false)
    }

    /// What is sent may get lost: if the connection is not ready for it right now, it is not sent at all.
    pub fn volatile(&self) -> Volatile<'_> {
        Volatile(self)
    }

    fn emit_flagged(&self, event: &str, args: impl Arguments, volatile: bool) -> Result<(), EmitError> {
        self.send(Emit { payload: seal_event(event, args)?, on_ack: None, timeout: None, volatile })
    }

    pub(super) fn send(&self, emit: Emit) -> Result<(), EmitError> {
        self.inner.crowd.manager.emit(&self.inner.space.nsp, emit).map_err(|_| EmitError::Full)
    }

    pub(crate) fn ack(&self, asked: Asked, payload: Payload) {
        self.inner.crowd.manager.ack(&self.inner.space.nsp, asked, payload);
    }

    // Coming and going.

    /// Joins again after [`disconnect`](Self::disconnect), a server's refusal or the last attempt to come back.
    pub fn connect(&self) {
        self.inner.space.status.lock().active = true;
        self.inner.crowd.manager.join(&self.inner.space.nsp);
    }

    /// Leaves the namespace. What was emitted before is sent first, in the background: see [`close`](Self::close).
    pub fn disconnect(&self) {
        // At once, as in `connect`; and for one that was not connected nobody says it later.
        self.inner.space.status.lock().active = false;
        self.inner.crowd.manager.leave(&self.inner.space.nsp);
    }

    /// As [`disconnect`](Self::disconnect), and waits until what was emitted before is sent and the server has been told: before
    /// the end of a program, which would cut that off.
    pub async fn close(self) {
        self.disconnect();
        self.inner.crowd.manager.told().await;
    }

    /// Ends the connection below as if it had broken: all its namespaces are disconnected, and come back if they may.
    pub fn close_connection(&self) {
        self.inner.crowd.manager.close_engine();
    }

    /// Changes options; those of connections count from the next attempt on.
    pub fn configure(&self, change: impl FnOnce(&mut Options)) {
        self.inner.crowd.manager.configure(change);
    }

    // Listening.

    /// Calls `handler` for each such event from now on.
    pub fn on<M: 'static>(&self, event: &str, handler: impl Handler<Incoming, M>) -> ListenerId {
        self.inner.space.table.write().events.entry(event.into()).or_default().add(handler, false)
    }

    /// Calls `handler` for the next such event only.
    pub fn once<M: 'static>(&self, event: &str, handler: impl Handler<Incoming, M>) -> ListenerId {
        self.inner.space.table.write().events.entry(event.into()).or_default().add(handler, true)
    }

    /// Calls `handler` for every event, before the event's own handlers. What it returns is no answer.
    pub fn on_any<M: 'static>(&self, handler: impl Handler<Incoming, M>) -> ListenerId {
        self.inner.space.table.write().any.add(handler, false)
    }

    /// Forgets all handlers of an event.
    pub fn off(&self, event: &str) {
        let list = self.inner.space.table.write().events.remove(event);
        // Dropped outside of the lock: what a handler holds may call back.
        drop(list);
    }

    /// Forgets one handler of events. False if it is not there (any more).
    pub fn remove_listener(&self, id: ListenerId) -> bool {
        let list = self.inner.space.table.write().remove(id);
        list.is_some()
    }
}

/// Sends what may get lost. See [`Client::volatile`].
#[derive(Clone, Copy, Debug)]
pub struct Volatile<'a>(&'a Client);

impl Volatile<'_> {
    /// Sends an event, or drops it.
    ///
    /// # Errors
    /// As [`Client::emit`].
    pub fn emit(&self, event: &str, args: impl Arguments) -> Result<(), EmitError> {
        self.0.emit_flagged(event, args, true)
    }

    /// As [`Client::emit_with_ack`]; an event that is dropped has no answer.
    pub fn emit_with_ack<T: FromArguments>(&self, event: &str, args: impl Arguments) -> EmitWithAck<T> {
        EmitWithAck::new(self.0.clone(), seal_event(event, args), true)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let mut spaces = self.crowd.dispatcher.spaces.write();
        let nsp: &Text = &self.space.nsp;
        if spaces.get(nsp).is_some_and(|space| Arc::ptr_eq(space, &self.space)) {
            spaces.remove(nsp);
            self.crowd.manager.forget(nsp);
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("namespace", &self.namespace()).field("id", &self.id()).finish_non_exhaustive()
    }
}
