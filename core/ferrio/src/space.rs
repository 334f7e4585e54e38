//! Namespaces as a program sees them: who may come in, who listens, and how its sockets are served.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ferrio_protocol::Text;
use parking_lot::RwLock;
use regex::Regex;
use smallvec::SmallVec;

use crate::error::EmitError;
use crate::extract::{Asking, Joined};
use crate::handler::Handler;
use crate::handshake::Handshake;
use crate::listeners::{List, Listeners};
use crate::methods::{operators, registrations};
use crate::namespace;
use crate::payload::{Arguments, seal_event};
use crate::peer::Socket;
use crate::router::Shared;
use crate::server::Server;
use crate::target::Target;

/// One namespace. A handle: cloning it is cheap.
///
/// ```
/// use ferrio::{Auth, ConnectError, Data, Server, Socket};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Credentials {
///     token: String,
/// }
///
/// # fn show(server: &Server) {
/// let admin = server.of("/admin");
/// admin.with(async |Auth(credentials): Auth<Credentials>| {
///     if credentials.token == "secret" { Ok(()) } else { Err(ConnectError::new("not you")) }
/// });
/// admin.on_connect(|socket: Socket| println!("{} is in", socket.id()));
/// admin.on("say", |socket: Socket, Data(text): Data<String>| socket.to("everybody").emit("say", text));
/// # }
/// ```
#[derive(Clone)]
pub struct Namespace {
    server: Server,
    space: Arc<Space>,
    core: Arc<namespace::Namespace>,
}

impl Namespace {
    pub(crate) fn new(server: Server, space: Arc<Space>, core: Arc<namespace::Namespace>) -> Self {
        Self { server, space, core }
    }

    /// Its name, `/` first.
    pub fn name(&self) -> &str {
        self.core.name()
    }

    /// The server it belongs to.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The socket with this id, if it is connected.
    pub fn socket(&self, id: &str) -> Option<Socket> {
        self.core.socket(id).and_then(|socket| Socket::of(&socket)).filter(Socket::is_connected)
    }

    /// How many sockets have been let in.
    pub fn len(&self) -> usize {
        self.core.len()
    }

    /// Nobody is in.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The names of all rooms that somebody is in; sockets' own ids are left out.
    pub fn room_names(&self) -> Vec<String> {
        self.core.room_names().iter().map(ToString::to_string).collect()
    }

    pub(crate) fn target(&self) -> Target {
        Target::new(Arc::clone(self.server.shared()), self.server.hub().clone(), Arc::clone(&self.core))
    }

    fn space(&self) -> (&Space, &Shared) {
        (&self.space, self.server.shared())
    }

    registrations!();
    operators!();
}

/// Namespaces whose names match a pattern, or please a function: each is made when the first client asks for it.
///
/// Middlewares and handlers are those of all its children, whenever they were registered. See [`Server::of_regex`].
#[derive(Clone)]
pub struct ParentNamespace {
    server: Server,
    family: Arc<Family>,
}

impl ParentNamespace {
    pub(crate) fn new(server: Server, family: Arc<Family>) -> Self {
        Self { server, family }
    }

    /// The namespaces that exist right now.
    pub fn children(&self) -> Vec<Namespace> {
        let spaces = self.server.shared().children(&self.family);
        // Found, not declared: being looked at does not make one stay.
        let find = |space: Arc<Space>| {
            let core = self.server.hub().find_namespace(&space.name)?;
            Some(Namespace::new(self.server.clone(), space, core))
        };
        spaces.into_iter().filter_map(find).collect()
    }

    /// Sends an event to everybody in all of them.
    ///
    /// # Errors
    /// A reserved name, or arguments that cannot be serialized.
    pub fn emit(&self, event: &str, args: impl Arguments) -> Result<(), EmitError> {
        let payload = seal_event(event, args)?;
        self.children().iter().for_each(|child| child.target().send(payload.clone()));
        Ok(())
    }

    fn space(&self) -> (&Space, &Shared) {
        (&self.family.space, self.server.shared())
    }

    registrations!();
}

/// What is registered for one namespace, or for all children of a family.
pub(crate) struct Space {
    name: Text,
    parent: Option<Arc<Self>>,
    ordered: AtomicBool,
    middlewares: RwLock<List<Asking>>,
    connects: RwLock<List<Joined>>,
    pub(crate) listeners: Listeners,
}

/// Own and inherited, inherited first.
type Both<C> = SmallVec<[List<C>; 2]>;

impl Space {
    pub(crate) fn new(name: Text, ordered: bool, parent: Option<Arc<Self>>) -> Self {
        Self {
            name,
            parent,
            ordered: AtomicBool::new(ordered),
            middlewares: RwLock::default(),
            connects: RwLock::default(),
            listeners: Listeners::default(),
        }
    }

    pub(crate) fn name(&self) -> &Text {
        &self.name
    }

    pub(crate) fn is_child(&self) -> bool {
        self.parent.is_some()
    }

    pub(crate) fn is_child_of(&self, parent: &Arc<Self>) -> bool {
        self.parent.as_ref().is_some_and(|own| Arc::ptr_eq(own, parent))
    }

    pub(crate) fn clear(&self) {
        let middlewares = std::mem::take(&mut *self.middlewares.write());
        let connects = std::mem::take(&mut *self.connects.write());
        drop((middlewares, connects));
        self.listeners.clear();
    }

    /// One after the other.
    pub(crate) fn is_ordered(&self) -> bool {
        self.ordered.load(Ordering::Relaxed) || self.parent.as_ref().is_some_and(|parent| parent.is_ordered())
    }

    /// The parent, then the space itself.
    pub(crate) fn each(&self, mut visit: impl FnMut(&Self)) {
        if let Some(parent) = &self.parent {
            visit(parent);
        }
        visit(self);
    }

    pub(crate) fn set_ordered(&self, ordered: bool) {
        self.ordered.store(ordered, Ordering::Relaxed);
    }

    pub(crate) fn add_middleware<M: 'static>(&self, middleware: impl Handler<Asking, M>) {
        self.middlewares.write().add(middleware, false);
    }

    pub(crate) fn add_connect<M: 'static>(&self, handler: impl Handler<Joined, M>) {
        self.connects.write().add(handler, false);
    }

    pub(crate) fn has_middlewares(&self) -> bool {
        let mut any = false;
        self.each(|space| any |= !space.middlewares.read().is_empty());
        any
    }

    pub(crate) fn middlewares(&self) -> Both<Asking> {
        let mut both = Both::new();
        self.each(|space| both.push(space.middlewares.read().clone()));
        both
    }

    pub(crate) fn connects(&self) -> Both<Joined> {
        let mut both = Both::new();
        self.each(|space| both.push(space.connects.read().clone()));
        both
    }
}

/// A parent of namespaces that clients name.
pub(crate) struct Family {
    pub(crate) matches: Matches,
    pub(crate) space: Arc<Space>,
}

/// Which names a family takes.
pub(crate) enum Matches {
    Pattern(Regex),
    Function(Allows),
}

/// Says whether a client may name this namespace.
pub(crate) type Allows = Box<dyn Fn(&str, &Handshake) -> bool + Send + Sync>;

impl Matches {
    /// Without a handshake it is the program that asks, not a client.
    pub(crate) fn take(&self, name: &str, handshake: Option<&Handshake>) -> bool {
        match (self, handshake) {
            (Self::Pattern(pattern), _) => pattern.is_match(name),
            (Self::Function(function), Some(handshake)) => {
                let asked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| function(name, handshake)));
                asked.unwrap_or_else(|_| {
                    tracing::error!(namespace = name, "the function of a dynamic namespace panicked");
                    false
                })
            }
            (Self::Function(_), None) => false,
        }
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Namespace").field(&self.name()).finish()
    }
}

impl fmt::Debug for ParentNamespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ParentNamespace").field(&self.family.space.name).finish()
    }
}
