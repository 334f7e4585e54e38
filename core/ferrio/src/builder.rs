//! A server's configuration in the making.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ferrio_protocol::engine::Transport;
use ferrio_protocol::socket::Serializer;
use ferrio_protocol::{Limits, Text};
use tokio::runtime::Handle;

use crate::config::{Admission, Config, Cookie, Cors, Recovery, SlowConsumer};
use crate::handshake::Request;
use crate::hub::Hub;
use crate::net::files::ClientFiles;
use crate::router::{AllowRequest, InitialHeaders, Router, Settings, Shared};
use crate::server::Server;
use crate::typemap::TypeMap;

/// How a server is to be: see [`Config`] for the defaults.
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
    initial_headers: Option<InitialHeaders>,
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

    /// Serve the client's files under the path: `/socket.io/socket.io.js` and its kind.
    pub fn client_files(mut self, files: ClientFiles) -> Self {
        self.config.client_files = Some(files);
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

    /// Bytes waiting for one connection, or for one socket's handlers, that are too many: see
    /// [`slow_consumer`](Self::slow_consumer).
    pub fn hard_limit(mut self, bytes: usize) -> Self {
        self.config.hard_limit = bytes;
        self
    }

    /// What becomes of a client for which more than the hard limit would wait.
    pub fn slow_consumer(mut self, policy: SlowConsumer) -> Self {
        self.config.slow_consumer = policy;
        self
    }

    /// Time a client may take nothing of what waits for it before its connection is closed.
    pub fn write_timeout(mut self, timeout: Duration) -> Self {
        self.config.write_timeout = timeout;
        self
    }

    /// Who may come in, and how much may come of whom.
    ///
    /// ```
    /// use ferrio::{Admission, Rate, Server};
    ///
    /// let builder = Server::builder().admission(Admission {
    ///     max_connections: Some(50_000),
    ///     sessions_per_address: Some(Rate { per_second: 1.0, burst: 20 }),
    ///     ..Admission::default()
    /// });
    /// ```
    pub fn admission(mut self, admission: Admission) -> Self {
        self.config.admission = admission;
        self
    }

    /// Path on ports of the server's own that tells whether newcomers are let in: 200, or 503 once it drains.
    pub fn ready_path(mut self, path: impl Into<String>) -> Self {
        self.config.ready_path = Some(path.into());
        self
    }

    /// What one packet or connection may have in it.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// Bytes of a request's header block, on a port of its own.
    pub fn max_header_bytes(mut self, bytes: usize) -> Self {
        self.config.max_header_bytes = bytes;
        self
    }

    /// Headers of one request, on a port of its own.
    pub fn max_headers(mut self, count: usize) -> Self {
        self.config.max_headers = count;
        self
    }

    /// Time for a request's headers to arrive, on a port of its own.
    pub fn header_timeout(mut self, timeout: Duration) -> Self {
        self.config.header_timeout = timeout;
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

    /// Lets clients whose connection broke come back to their id, rooms and extensions, and get what they missed. Off unless
    /// said. Events then carry one more argument, their last.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use ferrio::{Recovery, Server};
    ///
    /// let builder = Server::builder()
    ///     .connection_state_recovery(Recovery { max_disconnection: Duration::from_secs(60), ..Recovery::default() });
    /// ```
    pub fn connection_state_recovery(mut self, recovery: Recovery) -> Self {
        self.config.recovery = Some(recovery);
        self
    }

    /// What packets are on the wire: text with JSON unless said otherwise. All clients must have the same:
    /// [`Serializer::MsgPack`] is `socket.io-msgpack-parser` in JavaScript, `serializer="msgpack"` in Python.
    pub fn serializer(mut self, serializer: Serializer) -> Self {
        self.config.serializer = serializer;
        self
    }

    /// Forget a dynamic namespace when its last socket leaves: otherwise clients who think up names make the server grow.
    pub fn cleanup_empty_child_namespaces(mut self, cleanup: bool) -> Self {
        self.config.cleanup_empty_child_namespaces = cleanup;
        self
    }

    /// How many dynamic namespaces there may be at once, of all patterns and functions together: 100,000. A client that asks for
    /// one more is refused, and `max_child_namespaces` of [`Server::stats`] counts it. What the program names itself is not
    /// limited.
    pub fn max_child_namespaces(mut self, namespaces: usize) -> Self {
        self.config.max_child_namespaces = namespaces;
        self
    }

    /// One thing after the other for each socket, in namespaces that do not say otherwise: see
    /// [`ordered`](crate::Namespace::ordered).
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

    /// Adds headers to the answer that opens a connection: to the first poll, or to the 101 of a WebSocket. One that could not
    /// stand in HTTP is left out. It must not block. (`initial_headers` of engine.io.)
    ///
    /// ```
    /// let builder = ferrio::Server::builder().initial_headers(|_| vec![("x-served-by".into(), "eu-1".into())]);
    /// ```
    pub fn initial_headers(
        mut self,
        headers: impl Fn(&Request) -> Vec<(String, String)> + Send + Sync + 'static,
    ) -> Self {
        self.initial_headers = Some(Box::new(headers));
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
        let Self { config, states, allow, initial_headers, ordered, runtime } = self;
        let runtime = runtime.unwrap_or_else(Handle::current);
        let shared = Shared::new(Settings {
            runtime: runtime.clone(),
            states,
            max_waiting: config.hard_limit,
            ordered,
            cleanup: config.cleanup_empty_child_namespaces,
            allow,
            initial_headers,
        });
        let hub = Hub::new(config, Arc::new(Router(Arc::clone(&shared))), runtime);
        hub.declare(&Text::from_static("/"));
        Server::from_parts(hub, shared)
    }
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}
