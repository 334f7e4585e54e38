//! From the core's events to the handlers of a Rust program: the [`Application`] behind [`Server`](crate::Server).

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ferrio_protocol::engine::Revision;
use ferrio_protocol::socket::Payload;
use ferrio_protocol::{Dialect, Reason, Text};
use parking_lot::{Mutex, RwLock};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::application::{Allow, Application};
use crate::connection::Connection;
use crate::dispatch;
use crate::error::ConnectError;
use crate::handshake::{Handshake, Request};
use crate::life::{self, Life, Work};
use crate::namespace::Receivers;
use crate::net::{Head, Headers};
use crate::peer::Socket;
use crate::server::Ports;
use crate::socket;
use crate::space::{Family, Matches, Space};
use crate::turn::Turn;
use crate::typemap::TypeMap;

/// May this request open a session? `Err` is the text for the client.
pub(crate) type InitialHeaders = Box<dyn Fn(&Request) -> Vec<(String, String)> + Send + Sync>;
pub(crate) type AllowRequest = Box<dyn Fn(&Request) -> Result<(), String> + Send + Sync>;

/// What all handles of one server share.
pub(crate) struct Shared {
    pub(crate) runtime: Handle,
    pub(crate) states: TypeMap,
    /// Bytes of events that may wait for one socket's handlers.
    pub(crate) max_waiting: usize,
    ordered: bool,
    cleanup: bool,
    allow: Option<AllowRequest>,
    initial_headers: Option<InitialHeaders>,
    pub(crate) ports: Ports,
    /// The space of `/`.
    pub(crate) root: Arc<Space>,
    spaces: RwLock<HashMap<Text, Arc<Space>>>,
    /// Children of families among them, whoever has named them. Changed under their lock only.
    children_made: AtomicUsize,
    families: RwLock<Vec<Arc<Family>>>,
    /// The requests of open connections, by their connections' keys.
    requests: Mutex<HashMap<u64, Arc<Request>>>,
    /// Somebody listens to what goes out: otherwise a broadcast need not look at its receivers for that.
    outgoing: AtomicBool,
    /// Sockets whose disconnect handlers are not done; and those among them that the end waits for.
    leaving: AtomicUsize,
    awaited: AtomicUsize,
    all_left: Notify,
    /// The end has come, and handlers are of use only to those who are still leaving.
    over: AtomicBool,
}

/// Why a client cannot join the namespace it names.
enum NoSpace {
    /// There is none, and no family takes the name.
    Unknown,
    /// It would have to be made, and there are enough.
    Full,
}

/// What a server is made with.
pub(crate) struct Settings {
    pub(crate) runtime: Handle,
    pub(crate) states: TypeMap,
    pub(crate) max_waiting: usize,
    pub(crate) ordered: bool,
    pub(crate) cleanup: bool,
    pub(crate) allow: Option<AllowRequest>,
    pub(crate) initial_headers: Option<InitialHeaders>,
}

impl Shared {
    pub(crate) fn new(settings: Settings) -> Arc<Self> {
        let Settings { runtime, states, max_waiting, ordered, cleanup, allow, initial_headers } = settings;
        let root = Arc::new(Space::new(Text::from_static("/"), ordered, None));
        let spaces = HashMap::from([(root.name().clone(), Arc::clone(&root))]);
        Arc::new(Self {
            ports: Ports::default(),
            root,
            runtime,
            states,
            max_waiting,
            ordered,
            cleanup,
            allow,
            initial_headers,
            spaces: RwLock::new(spaces),
            children_made: AtomicUsize::new(0),
            families: RwLock::default(),
            requests: Mutex::default(),
            outgoing: AtomicBool::new(false),
            leaving: AtomicUsize::new(0),
            awaited: AtomicUsize::new(0),
            all_left: Notify::new(),
            over: AtomicBool::new(false),
        })
    }

    // Namespaces.

    /// The space of a namespace that the program names; made, as a child of the first family it matches, if it is not there.
    pub(crate) fn declare(&self, name: &Text) -> Arc<Space> {
        let parent = self.parent_of(name, None);
        let make = || {
            self.children_made.fetch_add(usize::from(parent.is_some()), Ordering::Relaxed);
            Arc::new(Space::new(name.clone(), self.ordered, parent))
        };
        Arc::clone(self.spaces.write().entry(name.clone()).or_insert_with(make))
    }

    pub(crate) fn add_family(&self, matches: Matches) -> Arc<Family> {
        let mut families = self.families.write();
        // As the original names them.
        let name = Text::from(format!("/_{}", families.len()));
        let family = Arc::new(Family { matches, space: Arc::new(Space::new(name, self.ordered, None)) });
        families.push(Arc::clone(&family));
        family
    }

    /// The space of a namespace that a client names, if it may.
    fn find(&self, socket: &socket::Socket, auth: &Handshake) -> Result<Arc<Space>, NoSpace> {
        let name = socket.namespace().name();
        if let Some(space) = self.spaces.read().get(name) {
            return Ok(Arc::clone(space));
        }
        let parent = self.parent_of(name, Some(auth)).ok_or(NoSpace::Unknown)?;
        let hub = socket.connection().hub();
        let mut spaces = self.spaces.write();
        let children = self.children_made.load(Ordering::Relaxed);
        let space = match spaces.entry(name.clone()) {
            Entry::Occupied(made) => Arc::clone(made.get()),
            Entry::Vacant(_) if !hub.has_room_for_child(children) => return Err(NoSpace::Full),
            Entry::Vacant(place) => {
                self.children_made.store(children + 1, Ordering::Relaxed);
                Arc::clone(place.insert(Arc::new(Space::new(name.clone(), self.ordered, Some(parent)))))
            }
        };
        drop(spaces);
        if !self.cleanup {
            hub.declare(name);
        }
        Ok(space)
    }

    /// The space of the first family that takes this name. Without a handshake only patterns are asked.
    fn parent_of(&self, name: &str, handshake: Option<&Handshake>) -> Option<Arc<Space>> {
        // Not under the lock: a family may be a function of the program's.
        let families = self.families.read().clone();
        families.iter().find(|family| family.matches.take(name, handshake)).map(|family| Arc::clone(&family.space))
    }

    /// The namespaces of a family that clients are in, or the program has named.
    pub(crate) fn children(&self, family: &Family) -> Vec<Arc<Space>> {
        let spaces = self.spaces.read();
        spaces.values().filter(|space| space.is_child_of(&family.space)).cloned().collect()
    }

    /// A socket is gone. A namespace that a client has named, and that is to be forgotten when it is empty, may be empty.
    pub(crate) fn cleanup(&self, socket: &Socket) {
        if self.cleanup && socket.life().space.is_child() {
            let name = socket.core().namespace().name();
            let mut spaces = self.spaces.write();
            if socket.core().connection().hub().find_namespace(name).is_none() {
                let space = spaces.remove(name);
                if space.is_some() {
                    self.children_made.fetch_sub(1, Ordering::Relaxed);
                }
                drop(spaces);
                drop(space);
            }
        }
    }

    // What goes out.

    pub(crate) fn listen_outgoing(&self) {
        self.outgoing.store(true, Ordering::Release);
    }

    /// Shows an event that goes out to those who listen for that.
    pub(crate) fn notify_outgoing(&self, receivers: impl FnOnce() -> Receivers, payload: &Payload) {
        if !self.outgoing.load(Ordering::Acquire) {
            return;
        }
        for socket in receivers().collect() {
            if let Some(socket) = Socket::of(&socket) {
                dispatch::outgoing(&socket, payload);
            }
        }
    }

    // The end.

    /// Waits until all disconnect handlers that have begun are done.
    pub(crate) async fn all_left(&self) {
        loop {
            let left = self.all_left.notified();
            if self.awaited.load(Ordering::Acquire) == 0 {
                return;
            }
            left.await;
        }
    }

    /// The end has one more to wait for.
    pub(crate) fn wait_for_one_more(&self) {
        self.awaited.fetch_add(1, Ordering::AcqRel);
    }

    /// One less, if this one was counted.
    pub(crate) fn need_not_wait_for(&self, counts: &AtomicBool) {
        if counts.swap(false, Ordering::AcqRel) && self.awaited.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.all_left.notify_waiters();
        }
    }

    /// The end has come.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
        if self.leaving.load(Ordering::SeqCst) == 0 {
            self.forget_handlers();
        }
    }

    /// Forgets all handlers: they may hold the server, and so themselves.
    fn forget_handlers(&self) {
        let spaces = std::mem::take(&mut *self.spaces.write());
        let families = std::mem::take(&mut *self.families.write());
        drop((spaces, families));
        self.root.clear();
    }
}

/// A socket whose disconnect handlers are not done. Whether it is [waited for](Shared::all_left) can be taken back.
pub(crate) struct Leaving {
    shared: Arc<Shared>,
    counts: Arc<AtomicBool>,
}

impl Leaving {
    fn new(shared: &Arc<Shared>, life: &Life) -> Self {
        shared.leaving.fetch_add(1, Ordering::SeqCst);
        Self { shared: Arc::clone(shared), counts: life.leaves() }
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.shared.need_not_wait_for(&self.counts);
        if self.shared.leaving.fetch_sub(1, Ordering::SeqCst) == 1 && self.shared.over.load(Ordering::SeqCst) {
            self.shared.forget_handlers();
        }
    }
}

/// The application: a handle to what is shared.
pub(crate) struct Router(pub(crate) Arc<Shared>);

impl Application for Router {
    fn allow(&self, head: Head, decide: Allow) {
        let Some(allow) = &self.0.allow else { return decide(head, Ok(())) };
        let request = Request::new(head);
        let decision = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| allow(&request)));
        let decision = decision.unwrap_or_else(|_| {
            tracing::error!("the allow function panicked");
            Err("Forbidden".into())
        });
        decide(request.into_head(), decision);
    }

    fn initial_headers(&self, head: &Head) -> Headers {
        let Some(headers) = &self.0.initial_headers else { return Headers::new() };
        let request = Request::new(head.clone());
        let headers = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| headers(&request)));
        let headers = headers.unwrap_or_else(|_| {
            tracing::error!("the function for initial headers panicked");
            Vec::new()
        });
        headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase().into(), value)).collect()
    }

    fn open(&self, connection: &Arc<Connection>, head: Head) {
        self.0.requests.lock().insert(connection.key(), Arc::new(Request::new(head)));
    }

    fn upgrade(&self, _: &Arc<Connection>) {}

    fn connect(&self, socket: &socket::Socket, auth: Option<Text>) {
        let _turn = Turn::enter();
        let request = self.0.requests.lock().get(&socket.connection().key()).cloned();
        // Without one the connection is over.
        let Some(request) = request else { return socket.release() };
        let handshake = Handshake::new(request, auth);
        let space = match self.0.find(socket, &handshake) {
            Ok(space) => space,
            Err(why) => {
                let old = socket.connection().revision() == Revision::V3;
                let json = match why {
                    NoSpace::Unknown if old => ConnectError::new("Invalid namespace").to_json(false),
                    NoSpace::Unknown => Dialect::Node.unknown_namespace().to_owned(),
                    NoSpace::Full => ConnectError::new("Too many namespaces").to_json(false),
                };
                return socket.reject(json.into());
            }
        };
        let life = Arc::new(Life::new(Arc::clone(&self.0), space, handshake));
        life.find_again(socket);
        socket.set_data(Box::new(Arc::clone(&life)));
        life::ask(&Socket::new(socket.clone(), life));
    }

    fn message(&self, socket: &socket::Socket, id: Option<u64>, payload: Payload) {
        if let Some(socket) = Socket::of(socket) {
            let _turn = Turn::enter();
            life::submit(&socket, Work::Event { id, payload });
        }
    }

    fn disconnect(&self, socket: &socket::Socket, reason: Reason, detail: Option<Cow<'static, str>>) {
        match Socket::of(socket) {
            Some(socket) => {
                let _turn = Turn::enter();
                let leaving = Leaving::new(&self.0, socket.life());
                life::submit(&socket, Work::Leave { reason, detail, leaving });
            }
            None => socket.release(),
        }
    }

    fn close(&self, connection: &Arc<Connection>, _: Reason, _: Option<Cow<'static, str>>) {
        let request = self.0.requests.lock().remove(&connection.key());
        drop(request);
    }

    fn drain(&self, connection: &Arc<Connection>) {
        for socket in connection.sockets() {
            if let Some(own) = Life::of(&socket).and_then(|life| life.has_own()) {
                own.ready.notify_waiters();
            }
        }
    }
}
