//! What the host's thread and the I/O threads have in common: tables by number, and the mailbox. The application of the
//! server below: whatever happens there becomes an event for the host.

use std::borrow::Cow;
use std::sync::Arc;

use ferrio::application::Application;
use ferrio::connection::Connection;
use ferrio::hub::Hub;
use ferrio::namespace::Namespace;
use ferrio::net::refusal::Refusal;
use ferrio::net::{Exchange, Head};
use ferrio::recovery::Expired;
use ferrio::socket::Socket;
use ferrio_protocol::engine::{Frame, Packet};
use ferrio_protocol::socket::Payload;
use ferrio_protocol::{Dialect, Reason, Text};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::bridge::Wake;
use crate::carrier::{self, Carried};
use crate::client::Calls;
use crate::event::{Event, PacketKind};
use crate::ids::{ConnId, LinkId, RequestId, SocketId, Table};
use crate::lifecycle::{Lifecycle, Phase};
use crate::mailbox::{Bell, Mailbox};
use crate::pending::Pending;
use crate::runtime::{self, EngineNumber};

/// See the module. All its locks are leaves: nothing is called while one is held.
pub(crate) struct Shared {
    pub(crate) engine: EngineNumber,
    dialect: Dialect,
    pub(crate) mailbox: Mailbox<Event, Bells>,
    pub(crate) sockets: Mutex<Table<SocketId, Socket>>,
    pub(crate) conns: Mutex<Table<ConnId, Arc<Connection>>>,
    /// Requests of the host's without an answer.
    pub(crate) requests: Pending<RequestId, Exchange>,
    /// WebSockets that came through the host.
    pub(crate) links: Pending<LinkId, Carried>,
    /// Connections to servers of others.
    pub(crate) calls: Arc<Calls>,
    pub(crate) life: Lifecycle,
    /// Signalled when `Event::Closed` has been posted.
    pub(crate) closed: Notify,
}

/// Whom the mailbox tells.
pub(crate) struct Bells {
    host: Arc<dyn Wake>,
    /// Not there before the server is, nor after: it holds us.
    hub: Mutex<Option<Hub>>,
    calls: Arc<Calls>,
}

impl Shared {
    pub(crate) fn new(engine: EngineNumber, dialect: Dialect, mailbox_bytes: usize, host: Arc<dyn Wake>) -> Self {
        let calls = Arc::<Calls>::default();
        let bells = Bells { host, hub: Mutex::default(), calls: Arc::clone(&calls) };
        Self {
            engine,
            dialect,
            mailbox: Mailbox::new(mailbox_bytes, bells),
            sockets: Mutex::default(),
            conns: Mutex::default(),
            requests: Pending::default(),
            links: Pending::default(),
            calls,
            life: Lifecycle::default(),
            closed: Notify::new(),
        }
    }

    /// Tells the host.
    pub(crate) fn post(&self, event: Event) {
        if self.mailbox.push(event, runtime::turn(self.engine)) {
            runtime::owe();
        }
    }

    pub(crate) fn socket(&self, socket: SocketId) -> Option<Socket> {
        self.sockets.lock().get(socket).cloned()
    }

    pub(crate) fn conn(&self, conn: ConnId) -> Option<Arc<Connection>> {
        self.conns.lock().get(conn).cloned()
    }

    /// Has the mailbox resume reading on `hub`, or on none.
    pub(crate) fn set_hub(&self, hub: Option<Hub>) {
        let old = std::mem::replace(&mut *self.mailbox.bell().hub.lock(), hub);
        drop(old);
    }

    // The end.

    /// New requests and links are refused.
    pub(crate) fn refuses(&self) -> bool {
        self.life.has_reached(Phase::Refusing)
    }

    /// Something has ended: was it the last?
    pub(crate) fn settle(&self) {
        let over = self.life.has_reached(Phase::Ending)
            && self.conns.lock().is_empty()
            && self.requests.is_empty()
            && self.links.is_empty()
            && self.calls.is_empty();
        if over {
            self.finish();
        }
    }

    /// The host hears that it is over, whether or not everything has ended.
    pub(crate) fn finish(&self) {
        if self.life.step_to(Phase::Closed) {
            self.mailbox.close(Event::Closed);
            self.closed.notify_waiters();
        }
    }

    /// Forgets everything: the tables hold the server, and the server holds us.
    pub(crate) fn clear(&self) {
        self.set_hub(None);
        let sockets = std::mem::take(&mut *self.sockets.lock());
        for socket in sockets.into_things() {
            // Its namespace holds it.
            socket.release();
        }
        let conns = std::mem::take(&mut *self.conns.lock());
        drop(conns);
        drop(self.requests.take_all());
        drop(self.links.take_all());
        self.calls.clear();
    }
}

impl Application for Shared {
    fn refused(&self, _head: &Head, refusal: &Refusal) {
        let request = carrier::origin();
        // Peers of a port of ours wait for no host: it hears of as many as it can take.
        if request.is_none() && self.mailbox.is_full() {
            return;
        }
        let message = match self.dialect {
            Dialect::Node => Text::from_static(refusal.title()),
            Dialect::Python => Text::from(&*refusal.message(Dialect::Python)),
        };
        self.post(Event::Refused { request, code: refusal.code(), message, context: Text::from(refusal.context()) });
    }

    fn open(&self, connection: &Arc<Connection>, head: Head) {
        let request = carrier::origin();
        let conn = self.conns.lock().insert(Arc::clone(connection));
        connection.set_tag(conn.0);
        if let Some(RequestId(number)) = request {
            // Requests and links share one count, see `Event::Open`.
            self.links.fill(LinkId(number), Carried::Taken(conn));
        }
        self.post(Event::Open {
            conn,
            sid: connection.sid().clone(),
            request,
            // A host that owns the port has the request already.
            head: request.is_none().then(|| Box::new(head)),
            revision: connection.revision(),
            transport: connection.transport(),
        });
    }

    fn upgrade(&self, connection: &Arc<Connection>) {
        self.post(Event::Upgrade { conn: conn_id(connection) });
    }

    fn connect(&self, socket: &Socket, auth: Option<Text>) {
        let id = self.sockets.lock().insert(socket.clone());
        socket.set_tag(id.0);
        self.post(Event::Connect {
            socket: id,
            conn: conn_id(socket.connection()),
            nsp: socket.namespace().name().clone(),
            sid: socket.id().clone(),
            auth,
            pid: socket.pid().cloned(),
            recovered: socket.is_recovered(),
        });
    }

    fn message(&self, socket: &Socket, id: Option<u64>, payload: Payload) {
        self.post(Event::Message { socket: socket_id(socket), id, payload });
    }

    fn data(&self, connection: &Arc<Connection>, data: Frame) {
        self.post(Event::Data { conn: conn_id(connection), data });
    }

    fn packet(&self, connection: &Arc<Connection>, sent: bool, packet: Packet) {
        let (kind, data) = PacketKind::split(packet);
        self.post(Event::Packet { conn: conn_id(connection), sent, kind, data });
    }

    fn disconnect(&self, socket: &Socket, reason: Reason, detail: Option<Cow<'static, str>>) {
        self.post(Event::Disconnect { socket: socket_id(socket), reason, detail });
    }

    fn close(&self, connection: &Arc<Connection>, reason: Reason, detail: Option<Cow<'static, str>>) {
        let conn = conn_id(connection);
        let known = self.conns.lock().remove(conn);
        self.post(Event::Close { conn, reason, detail });
        drop(known);
        self.settle();
    }

    fn drain(&self, connection: &Arc<Connection>) {
        self.post(Event::Drain { conn: conn_id(connection) });
    }

    fn session_expired(&self, namespace: &Namespace, expired: Expired) {
        let Expired { pid, sid, rooms } = expired;
        self.post(Event::SessionExpired { nsp: namespace.name().clone(), pid, sid, rooms });
    }

    fn is_full(&self) -> bool {
        self.mailbox.is_full()
    }
}

impl Bell for Bells {
    fn wake(&self) {
        self.host.wake();
    }

    fn resume(&self) {
        let hub = self.hub.lock().clone();
        if let Some(hub) = hub {
            hub.resume();
        }
        self.calls.resume();
    }
}

/// The number that `connect` gave it.
pub(crate) fn socket_id(socket: &Socket) -> SocketId {
    SocketId(socket.tag())
}

/// The number that `open` gave it.
pub(crate) fn conn_id(connection: &Connection) -> ConnId {
    ConnId(connection.tag())
}
