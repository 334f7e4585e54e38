//! The server: its configuration, its namespaces, its ports.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ferrio_protocol::Text;
use ferrio_protocol::engine::Transport;
use parking_lot::Mutex;
use tokio::net::ToSocketAddrs;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::config::{Config, Cookie, Cors};
use crate::handshake::{Handshake, Request};
use crate::hub::Hub;
use crate::methods::{operators, registrations};
use crate::net::listener::{Listener, Listening};
use crate::net::service::EngineLayer;
use crate::net::tls::Tls;
use crate::router::{AllowRequest, Router, Settings, Shared};
use crate::space::{Matches, Namespace, ParentNamespace, Space};
use crate::target::Target;
use crate::typemap::TypeMap;

/// Time that requests under way have to be answered when the server closes.
const GRACE: Duration = Duration::from_secs(2);

/// A Socket.IO server. A handle: cloning it is cheap, and all clones are the same server.
///
/// What is registered on the server itself is registered on its main namespace, `/`.
///
/// ```no_run
/// use ferrio::{Data, Server, Socket};
///
/// #[tokio::main]
/// async fn main() -> std::io::Result<()> {
///     let server = Server::new();
///     server.on("message", |socket: Socket, Data(text): Data<String>| socket.broadcast().emit("message", text));
///     server.serve("127.0.0.1:3000").await
/// }
/// ```
#[derive(Clone)]
pub struct Server {
    hub: Hub,
    shared: Arc<Shared>,
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// A server with the default [`Config`].
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A server with a configuration of its own.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    // Namespaces.

    /// The namespace of this name, made if it is not there. `chat` is `/chat`.
    ///
    /// Clients can only connect to namespaces that were made before, or that [`of_regex`](Self::of_regex) or
    /// [`of_fn`](Self::of_fn) allow. `/` is always there.
    pub fn of(&self, path: &str) -> Namespace {
        let name = if path.starts_with('/') { Text::from(path) } else { Text::from(format!("/{path}")) };
        let (space, core) = (self.shared.declare(&name), self.hub.declare(&name));
        Namespace::new(self.clone(), space, core)
    }

    /// Namespaces whose whole names match a pattern: each is made when the first client asks for it.
    ///
    /// ```
    /// # fn show(server: ferrio::Server) -> Result<(), ferrio::PatternError> {
    /// use ferrio::{Data, Socket};
    ///
    /// let rooms = server.of_regex(r"/room-\d+")?;
    /// rooms.on("say", |socket: Socket, Data(text): Data<String>| socket.broadcast().emit("said", text));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// It is no regular expression.
    pub fn of_regex(&self, pattern: &str) -> Result<ParentNamespace, PatternError> {
        let whole = regex::Regex::new(&format!("^(?:{pattern})$"))?;
        Ok(ParentNamespace::new(self.clone(), self.shared.add_family(Matches::Pattern(whole))))
    }

    /// Namespaces whose names please a function, which also sees how the first client came. It is asked until the namespace
    /// is there, and must not block: who may come in, and what takes time, are a [middleware's](ParentNamespace::with)
    /// business.
    ///
    /// ```
    /// # fn show(server: ferrio::Server) {
    /// let tenants = server.of_fn(|name, _| name.starts_with("/tenant-"));
    /// # }
    /// ```
    pub fn of_fn(&self, allows: impl Fn(&str, &Handshake) -> bool + Send + Sync + 'static) -> ParentNamespace {
        ParentNamespace::new(self.clone(), self.shared.add_family(Matches::Function(Box::new(allows))))
    }

    registrations!();
    operators!();

    // Ports.

    /// Serves an address until the server is [closed](Self::close).
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn serve(&self, address: impl ToSocketAddrs) -> io::Result<()> {
        self.listen(address).await?;
        self.closed().await;
        Ok(())
    }

    /// Serves an address in the background and says which it is: port 0 takes a free one.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn listen(&self, address: impl ToSocketAddrs) -> io::Result<SocketAddr> {
        self.serve_listener(Listener::bind(address).await?)
    }

    /// The same with TLS.
    ///
    /// ```no_run
    /// # async fn show(server: ferrio::Server) -> Result<(), Box<dyn std::error::Error>> {
    /// use ferrio::Tls;
    ///
    /// server.listen_tls("0.0.0.0:443", Tls::from_files("chain.pem", "key.pem")?).await?;
    /// server.closed().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn listen_tls(&self, address: impl ToSocketAddrs, tls: Tls) -> io::Result<SocketAddr> {
        self.serve_listener(Listener::bind(address).await?.with_tls(tls))
    }

    /// Serves a port that is bound already, in the background.
    ///
    /// # Errors
    /// Its address cannot be told.
    pub fn serve_listener(&self, listener: Listener) -> io::Result<SocketAddr> {
        let address = listener.address()?;
        let _context = self.shared.runtime.enter();
        self.shared.ports.open(listener.start(self.hub.clone()));
        Ok(address)
    }

    /// A tower layer that takes the requests on the server's path and lets others through: for axum and everything else on
    /// hyper.
    ///
    /// ```
    /// # fn show(server: ferrio::Server) {
    /// use axum::{Router, routing::get};
    ///
    /// let app: Router = Router::new().route("/", get(|| async { "hello" })).layer(server.layer());
    /// # }
    /// ```
    pub fn layer(&self) -> EngineLayer<Hub> {
        EngineLayer::new(self.hub.clone())
    }

    // The end.

    /// Closes: ports first, then every socket ends with "server shutting down", and when their disconnect handlers are done
    /// and all connections are closed, so is the server. A second call waits for the first.
    pub async fn close(&self) {
        if let Some(ports) = self.shared.ports.close() {
            let stop = async {
                for port in ports {
                    port.stop(GRACE).await;
                }
            };
            let end = async {
                // New connections are refused from here on, and polls that wait are answered: the ports need not wait for them.
                self.hub.close();
                self.shared.all_left().await;
            };
            tokio::join!(stop, end);
            self.shared.forget_handlers();
            self.shared.ports.closed.send_replace(true);
        }
        self.closed().await;
    }

    /// Waits until the server is closed.
    pub async fn closed(&self) {
        let mut closed = self.shared.ports.closed.subscribe();
        // It cannot fail: `self` holds the sender.
        let _ = closed.wait_for(|closed| *closed).await;
    }

    /// How many clients are connected, whichever namespaces they are in.
    pub fn connections(&self) -> usize {
        self.hub.connections()
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        crate::net::Front::config(&self.hub)
    }

    pub(crate) fn from_parts(hub: Hub, shared: Arc<Shared>) -> Self {
        Self { hub, shared }
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn space(&self) -> (&Space, &Shared) {
        (&self.shared.root, &self.shared)
    }

    fn target(&self) -> Target {
        Target::new(Arc::clone(&self.shared), self.hub.clone(), self.hub.declare(&Text::from_static("/")))
    }
}

/// What is wrong with a pattern of namespaces.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub struct PatternError(#[from] regex::Error);

/// The ports of a server, while it has any.
pub(crate) struct Ports {
    /// `None` once it closes.
    open: Mutex<Option<Vec<Listening>>>,
    closed: watch::Sender<bool>,
}

impl Default for Ports {
    fn default() -> Self {
        Self { open: Mutex::new(Some(Vec::new())), closed: watch::Sender::new(false) }
    }
}

impl Ports {
    fn open(&self, port: Listening) {
        match &mut *self.open.lock() {
            Some(open) => open.push(port),
            // Closed meanwhile.
            None => drop(tokio::spawn(port.stop(Duration::ZERO))),
        }
    }

    /// The ports to close; `None` if somebody does that already.
    fn close(&self) -> Option<Vec<Listening>> {
        self.open.lock().take()
    }
}

/// A server's configuration in the making.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::time::Duration;
///
/// use ferrio::{Cors, Server};
///
/// let server = Server::builder()
///     .ping_interval(Duration::from_secs(10))
///     .max_payload(10 << 20)
///     .cors(Cors::Any { credentials: false })
///     .state(String::from("shared by all handlers"))
///     .build();
/// # }
/// ```
#[derive(Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct ServerBuilder {
    config: Config,
    states: TypeMap,
    allow: Option<AllowRequest>,
    ordered: bool,
    runtime: Option<Handle>,
}

/// Each option with its default: see [`Config`].
impl ServerBuilder {
    /// All options at once, instead of those set so far.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Path of the HTTP endpoint.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.config.path = path.into().trim_end_matches('/').to_owned();
        self
    }

    /// Transports clients may use.
    pub fn transports(mut self, transports: impl Into<Vec<Transport>>) -> Self {
        self.config.transports = transports.into();
        self
    }

    /// Whether a polling client may move to a WebSocket.
    pub fn allow_upgrades(mut self, allow: bool) -> Self {
        self.config.allow_upgrades = allow;
        self
    }

    /// Accept clients of Socket.IO 1 and 2.
    pub fn allow_eio3(mut self, allow: bool) -> Self {
        self.config.allow_eio3 = allow;
        self
    }

    /// Time between heartbeats.
    pub fn ping_interval(mut self, interval: Duration) -> Self {
        self.config.ping_interval = interval;
        self
    }

    /// Time a heartbeat may go unanswered.
    pub fn ping_timeout(mut self, timeout: Duration) -> Self {
        self.config.ping_timeout = timeout;
        self
    }

    /// Time a WebSocket may take to replace polling.
    pub fn upgrade_timeout(mut self, timeout: Duration) -> Self {
        self.config.upgrade_timeout = timeout;
        self
    }

    /// Time a connection may stay without having joined a namespace.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.config.connect_timeout = timeout;
        self
    }

    /// Largest message of a client, in bytes.
    pub fn max_payload(mut self, bytes: usize) -> Self {
        self.config.limits.max_payload = bytes;
        self
    }

    /// Bytes waiting for one connection above which it counts as slow ([`Socket::ready`](crate::Socket::ready)).
    pub fn high_mark(mut self, bytes: usize) -> Self {
        self.config.high_mark = bytes;
        self
    }

    /// Bytes waiting for one connection, or for one socket's handlers, at which the connection is closed.
    pub fn hard_limit(mut self, bytes: usize) -> Self {
        self.config.hard_limit = bytes;
        self
    }

    /// Cookie of a polling handshake.
    pub fn cookie(mut self, cookie: Cookie) -> Self {
        self.config.cookie = Some(cookie);
        self
    }

    /// Which origins a browser may come from.
    pub fn cors(mut self, cors: Cors) -> Self {
        self.config.cors = cors;
        self
    }

    /// Compress long-polling answers from this many bytes on; `None` never.
    pub fn compression_threshold(mut self, bytes: Option<usize>) -> Self {
        self.config.compression_threshold = bytes;
        self
    }

    /// Forget a dynamic namespace when its last socket leaves.
    pub fn cleanup_empty_child_namespaces(mut self, cleanup: bool) -> Self {
        self.config.cleanup_empty_child_namespaces = cleanup;
        self
    }

    /// One thing after the other for each socket, in namespaces that do not say otherwise: see
    /// [`ordered`](Namespace::ordered).
    pub fn ordered(mut self, ordered: bool) -> Self {
        self.ordered = ordered;
        self
    }

    /// Shares a value with all handlers, which ask for it by [`State`](crate::State). One of each type.
    pub fn state<S: Send + Sync + 'static>(mut self, state: S) -> Self {
        self.states.insert(state);
        self
    }

    /// Asks `allow` about each request that wants to open a connection; `Err` is what the client reads. It must not block.
    ///
    /// ```
    /// let builder = ferrio::Server::builder().allow_request(|request| match request.header("x-key") {
    ///     Some("secret") => Ok(()),
    ///     _ => Err("no key".into()),
    /// });
    /// ```
    pub fn allow_request(mut self, allow: impl Fn(&Request) -> Result<(), String> + Send + Sync + 'static) -> Self {
        self.allow = Some(Box::new(allow));
        self
    }

    /// The runtime that serves. The current one unless said otherwise.
    pub fn runtime(mut self, runtime: Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// The server. It has no port yet.
    ///
    /// # Panics
    /// Outside of a tokio runtime, unless it was given one.
    pub fn build(self) -> Server {
        let Self { config, states, allow, ordered, runtime } = self;
        let runtime = runtime.unwrap_or_else(Handle::current);
        let shared = Shared::new(Settings {
            runtime: runtime.clone(),
            states,
            max_waiting: config.hard_limit,
            ordered,
            cleanup: config.cleanup_empty_child_namespaces,
            allow,
        });
        let hub = Hub::new(config, Arc::new(Router(Arc::clone(&shared))), runtime);
        hub.declare(&Text::from_static("/"));
        Server { hub, shared }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("connections", &self.connections()).finish_non_exhaustive()
    }
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}
