//! How a client is made.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ferrio_protocol::Text;
use ferrio_protocol::engine::Transport;
use ferrio_protocol::socket::Serializer;
use http::header::{HeaderName, HeaderValue};
use parking_lot::{Mutex, RwLock};
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::dispatch::{Dispatcher, Hooks};
use super::failure::Failure;
use super::handle::{Client, Crowd, Inner};
use super::manager::Manager;
use super::member::MemberOptions;
use super::occasions::{Connected, Incoming, Left, NotConnected};
use super::options::{Options, ProxyChoice};
use super::space::{AuthSource, Space};
use super::tls::ClientTls;
use crate::handler::Handler;

/// Makes a client: first what is said about its namespace, then what about its connection.
#[must_use = "nothing is connected until `connect` or `start`"]
pub struct ClientBuilder {
    url: String,
    options: Options,
    /// The first header that is none.
    bad_header: Option<String>,
    hooks: Hooks,
    runtime: Option<Handle>,
    space: Space,
    member: MemberOptions,
}

/// Makes a client in another namespace of a connection. See [`Client::of`].
#[must_use = "nothing is joined until `connect` or `start`"]
pub struct NamespaceBuilder {
    crowd: Arc<Crowd>,
    space: Space,
    member: MemberOptions,
}

/// What is said about a namespace, by either builder.
macro_rules! namespace_methods {
    () => {
        /// Calls `handler` for each such event. Several may listen to one event; they are called in the order they were added.
        pub fn on<M: 'static>(mut self, event: &str, handler: impl Handler<Incoming, M>) -> Self {
            self.space.table.get_mut().events.entry(event.into()).or_default().add(handler, false);
            self
        }

        /// Calls `handler` for every event, before the event's own handlers. What it returns is no answer.
        pub fn on_any<M: 'static>(mut self, handler: impl Handler<Incoming, M>) -> Self {
            self.space.table.get_mut().any.add(handler, false);
            self
        }

        /// Calls `handler` for every event that is sent, when it is: one that waits for a connection later, one that is
        /// retried several times.
        pub fn on_any_outgoing<M: 'static>(mut self, handler: impl Handler<Incoming, M>) -> Self {
            self.space.table.get_mut().outgoing.add(handler, false);
            self
        }

        /// Calls `handler` whenever the server has let the client in.
        pub fn on_connect<M: 'static>(mut self, handler: impl Handler<Connected, M>) -> Self {
            self.space.table.get_mut().connect.add(handler, false);
            self
        }

        /// Calls `handler` whenever the client was not let in (its [`Failure`] is [`Failure::Refused`]; it does not try again
        /// by itself) or did not reach the server (anything else; it does, if it may).
        pub fn on_connect_error<M: 'static>(mut self, handler: impl Handler<NotConnected, M>) -> Self {
            self.space.table.get_mut().connect_error.add(handler, false);
            self
        }

        /// Calls `handler` whenever the client was let in and is not in any more. Its [`DisconnectReason`](super::DisconnectReason)
        /// tells whether it comes back by itself.
        pub fn on_disconnect<M: 'static>(mut self, handler: impl Handler<Left, M>) -> Self {
            self.space.table.get_mut().disconnect.add(handler, false);
            self
        }

        /// What the server is shown when the client asks to be let in: anything that serializes as an object.
        pub fn auth(mut self, auth: impl Serialize) -> Self {
            self.space.auth = AuthSource::value(&auth);
            self
        }

        /// As [`auth`](Self::auth), from a function that is called each time the client asks: for tokens that expire. If it
        /// fails the client does not join, and hears a [`Failure::Auth`].
        pub fn auth_with<F, A, T, E>(mut self, function: F) -> Self
        where
            F: Fn() -> A + Send + Sync + 'static,
            A: Future<Output = Result<T, E>> + Send + 'static,
            T: Serialize,
            E: fmt::Display,
        {
            self.space.auth = AuthSource::function(function);
            self
        }

        /// Sends each event that is not volatile until the server has answered it, `retries` times more at most, one event
        /// at a time and in order: it arrives at least once. Its handlers on the server must answer. Goes well with
        /// [`ack_timeout`](Self::ack_timeout): without one only a broken connection is a reason to send again.
        pub fn retries(mut self, retries: u32) -> Self {
            self.member.retries = Some(retries);
            self
        }

        /// How long to wait for an answer where an emit does not say it.
        pub fn ack_timeout(mut self, timeout: Duration) -> Self {
            self.member.ack_timeout = Some(timeout);
            self
        }
    };
}

impl ClientBuilder {
    pub(super) fn new(url: String) -> Self {
        Self {
            url,
            options: Options::default(),
            bad_header: None,
            hooks: Hooks::default(),
            runtime: None,
            space: Space::default(),
            member: MemberOptions::default(),
        }
    }

    namespace_methods!();

    // The connection.

    /// All options of the connection at once.
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Path of the server's endpoint. `/socket.io`.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.options.path = path.into();
        self
    }

    /// Adds a pair to the query of every request.
    pub fn query(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.query.push((key.into(), value.into()));
        self
    }

    /// Adds a header to every request.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            (Ok(name), Ok(value)) => self.options.headers.push((name, value)),
            _ => self.bad_header = self.bad_header.or_else(|| Some(name.to_owned())),
        }
        self
    }

    /// The transports that may be used, in the order in which they are tried. Polling (and the way from there to a WebSocket),
    /// then WebSocket.
    pub fn transports(mut self, transports: impl IntoIterator<Item = Transport>) -> Self {
        self.options.transports = transports.into_iter().collect();
        self
    }

    /// Tries the next transport where one does not open. False.
    pub fn try_all_transports(mut self, yes: bool) -> Self {
        self.options.try_all_transports = yes;
        self
    }

    /// How packets are written; the server must do it the same way. JSON.
    pub fn serializer(mut self, serializer: Serializer) -> Self {
        self.options.serializer = serializer;
        self
    }

    /// TLS: other roots, a certificate of one's own.
    pub fn tls(mut self, tls: ClientTls) -> Self {
        self.options.tls = tls;
        self
    }

    /// Through which proxy. As the environment says.
    pub fn proxy(mut self, proxy: ProxyChoice) -> Self {
        self.options.proxy = proxy;
        self
    }

    /// Time for one attempt to connect. 20 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// Whether to come back after the connection broke or was not made. True.
    pub fn reconnection(mut self, yes: bool) -> Self {
        self.options.reconnection = yes;
        self
    }

    /// Attempts to come back until the client gives up. No limit.
    pub fn reconnection_attempts(mut self, attempts: u32) -> Self {
        self.options.reconnection_attempts = Some(attempts);
        self
    }

    /// Time before the first attempt to come back, and the longest between two. 1 s and 5 s.
    pub fn reconnection_delay(mut self, first: Duration, longest: Duration) -> Self {
        (self.options.reconnection_delay, self.options.reconnection_delay_max) = (first, longest);
        self
    }

    /// Bytes that may wait to be sent. 16 MiB.
    pub fn max_buffered(mut self, bytes: usize) -> Self {
        self.options.max_buffered = bytes;
        self
    }

    /// The runtime of the client's task and its asynchronous handlers. The one that `start` is called in.
    pub fn runtime(mut self, runtime: Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    // What is told about the connection.

    /// Called with its number when an attempt to come back begins.
    pub fn on_reconnect_attempt(mut self, hook: impl Fn(u32) + Send + Sync + 'static) -> Self {
        self.hooks.reconnect_attempt.push(Box::new(hook));
        self
    }

    /// Called with the number of attempts when the client is back.
    pub fn on_reconnect(mut self, hook: impl Fn(u32) + Send + Sync + 'static) -> Self {
        self.hooks.reconnect.push(Box::new(hook));
        self
    }

    /// Called when an attempt to come back has failed.
    pub fn on_reconnect_error(mut self, hook: impl Fn(&Failure) + Send + Sync + 'static) -> Self {
        self.hooks.reconnect_error.push(Box::new(hook));
        self
    }

    /// Called when the client has given up.
    pub fn on_reconnect_failed(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.hooks.reconnect_failed.push(Box::new(hook));
        self
    }

    /// Called when the connection has moved from polling to a WebSocket.
    pub fn on_upgrade(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.hooks.upgrade.push(Box::new(hook));
        self
    }

    // Go.

    /// Connects, and waits until the server has let the client in.
    ///
    /// # Errors
    /// The first failure; the client then does not try again. [`start`](Self::start) does.
    ///
    /// # Panics
    /// Outside of a tokio runtime, unless [`runtime`](Self::runtime) names one.
    pub async fn connect(mut self) -> Result<Client, Failure> {
        let outcome = wait(&mut self.space);
        let client = self.start()?;
        outcome.await.unwrap_or(Err(Failure::Disconnected))?;
        Ok(client)
    }

    /// Connects in the background, however long it takes.
    ///
    /// # Errors
    /// What can be said at once: the URL or a header is none.
    ///
    /// # Panics
    /// Outside of a tokio runtime, unless [`runtime`](Self::runtime) names one.
    pub fn start(self) -> Result<Client, Failure> {
        let Self { url, options, bad_header, hooks, runtime, mut space, member } = self;
        if let Some(name) = bad_header {
            return Err(Failure::Header { name });
        }
        let runtime = runtime.unwrap_or_else(Handle::current);
        let dispatcher = Arc::new(Dispatcher {
            runtime: runtime.clone(),
            spaces: RwLock::new(HashMap::new()),
            hooks,
            transport: Mutex::new(None),
        });
        let observer = Arc::clone(&dispatcher);
        let (manager, namespace) = Manager::new(&url, options, observer, &runtime)?;
        space.nsp = namespace;
        enter(&Arc::new(Crowd { manager, dispatcher }), space, member)
    }
}

impl NamespaceBuilder {
    pub(super) fn new(crowd: Arc<Crowd>, namespace: &str) -> Self {
        let name = if namespace.starts_with('/') { namespace.to_owned() } else { format!("/{namespace}") };
        Self { crowd, space: Space { nsp: Text::from(name), ..Space::default() }, member: MemberOptions::default() }
    }

    namespace_methods!();

    /// Joins, and waits until the server has let the client in.
    ///
    /// # Errors
    /// The first failure; the client then does not try again. [`start`](Self::start) does.
    pub async fn connect(mut self) -> Result<Client, Failure> {
        let outcome = wait(&mut self.space);
        let client = self.start()?;
        outcome.await.unwrap_or(Err(Failure::Disconnected))?;
        Ok(client)
    }

    /// Joins in the background, however long it takes.
    ///
    /// # Errors
    /// The connection's client is in this namespace already.
    pub fn start(self) -> Result<Client, Failure> {
        enter(&self.crowd, self.space, self.member)
    }
}

fn wait(space: &mut Space) -> oneshot::Receiver<Result<(), Failure>> {
    let (sender, receiver) = oneshot::channel();
    *space.first.get_mut() = Some(sender);
    receiver
}

fn enter(crowd: &Arc<Crowd>, mut space: Space, member: MemberOptions) -> Result<Client, Failure> {
    space.status.get_mut().active = true;
    let nsp = space.nsp.clone();
    let space = Arc::new(space);
    let inner = Arc::new(Inner { crowd: Arc::clone(crowd), space: Arc::clone(&space) });
    *space.client.lock() = Arc::downgrade(&inner);
    {
        let mut spaces = crowd.dispatcher.spaces.write();
        if !spaces.contains_key(&nsp) {
            spaces.insert(nsp.clone(), space);
            crowd.manager.declare(&nsp, member);
            crowd.manager.join(&nsp);
            return Ok(Client::from_inner(inner));
        }
    }
    // Only here: its end takes the lock.
    drop(inner);
    Err(Failure::Taken { namespace: nsp.to_string() })
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("url", &self.url).field("options", &self.options).finish_non_exhaustive()
    }
}

impl fmt::Debug for NamespaceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamespaceBuilder").field("namespace", &self.space.nsp).finish_non_exhaustive()
    }
}
