//! The configuration of a server: every default of the project, once, with unit and reason.

use std::time::Duration;

use ferrio_protocol::engine::{Frame, Transport};
use ferrio_protocol::session::Layer;
use ferrio_protocol::socket::Serializer;
use ferrio_protocol::{Dialect, Limits};

use crate::net::files::ClientFiles;

/// How a server behaves. `Config::default()` is socket.io 4.8's defaults plus the limits of [`Limits`].
#[derive(Clone, Debug)]
pub struct Config {
    /// Whose answers the server gives where Node's and Python's originals differ.
    pub dialect: Dialect,
    /// Path of the HTTP endpoint, without trailing slash. `/socket.io`.
    pub path: String,
    /// Match `path + "/"` (the originals' rule) instead of `path`. True.
    pub add_trailing_slash: bool,
    /// Transports clients may use. Both.
    pub transports: Vec<Transport>,
    /// Whether a polling session may move to a WebSocket. True.
    pub allow_upgrades: bool,
    /// Accept Engine.IO v3 (Socket.IO 1.x and 2.x clients). False.
    pub allow_eio3: bool,
    /// Time between heartbeats. 25 s: below the 30-60 s idle limit of common proxies.
    pub ping_interval: Duration,
    /// What clients are told on top of it: they wait so much longer for a heartbeat that is late. 0.
    pub ping_grace: Duration,
    /// Time a heartbeat may go unanswered. 20 s.
    pub ping_timeout: Duration,
    /// Time a WebSocket may take to replace polling. 10 s.
    pub upgrade_timeout: Duration,
    /// Time a connection may stay without having joined a namespace. 45 s.
    pub connect_timeout: Duration,
    /// Time a closing polling session waits for the GET that fetches the close. 30 s.
    pub close_timeout: Duration,
    /// Cookie set on a polling handshake. None.
    pub cookie: Option<Cookie>,
    /// Cross-origin rule.
    pub cors: Cors,
    /// Compress a poll's body from this many bytes on; `None` never. 1024, as both originals.
    pub compression_threshold: Option<usize>,
    /// Bytes waiting for one connection above which it counts as slow (`drain` follows when it has caught up). 1 MiB.
    pub high_mark: usize,
    /// Bytes waiting for one connection that are too many: it will not catch up. 16 MiB.
    pub hard_limit: usize,
    /// What becomes of a connection at the hard limit. It is closed.
    pub slow_consumer: SlowConsumer,
    /// Time a connection may take nothing of what waits for it; then it is closed. 45 s: as long as a client of Engine.IO 4 may
    /// be silent.
    pub write_timeout: Duration,
    /// Who may come in, and how much may come of whom. Everybody, and everything.
    pub admission: Admission,
    /// Path on our own listener that tells whether newcomers are let in: 200 while they are, 503 once the server drains. None.
    pub ready_path: Option<String>,
    /// Header block of a request on our own listener, in bytes. 16 KiB.
    pub max_header_bytes: usize,
    /// Headers of a request on our own listener. 100.
    pub max_headers: usize,
    /// Time for a request's headers to arrive on our own listener. 10 s (slow-loris).
    pub header_timeout: Duration,
    /// Drop a dynamic namespace when its last socket leaves. False.
    pub cleanup_empty_child_namespaces: bool,
    /// Dynamic namespaces at once, those of all patterns and functions together: clients think up their names. Who asks for one
    /// more is refused. 100,000: some hundred megabytes, and more than any program we know of names.
    pub max_child_namespaces: usize,
    /// What stands above Engine.IO. Socket.IO.
    pub layer: Layer,
    /// A message that every client is sent right behind the open packet. None.
    pub initial_packet: Option<Frame>,
    /// Tell the application of every Engine.IO packet of a connection
    /// ([`Application::packet`](crate::application::Application::packet)). False.
    pub watch: bool,
    /// What Socket.IO packets are on the wire; clients must have the same. Text with JSON.
    pub serializer: Serializer,
    /// Connection state recovery. None: off.
    pub recovery: Option<Recovery>,
    /// The files of `socket.io-client` that browsers load from the server, under its path. None.
    pub client_files: Option<ClientFiles>,
    /// Limits of the protocol.
    pub limits: Limits,
}

/// What becomes of a connection for which more than the [hard limit](Config::hard_limit) would wait. Volatile events that wait
/// are dropped first; if that is enough, nothing else happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlowConsumer {
    /// It is closed, for the reason [`SlowConsumer`](ferrio_protocol::Reason::SlowConsumer).
    #[default]
    Disconnect,
    /// It stays, and does not get the event: it gets others again when there is room. What the protocol needs (heartbeats,
    /// answers to those who join) goes out all the same.
    Drop,
}

/// Who may come in, and how much may come of whom. `Admission::default()` limits nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Admission {
    /// Connections at once. Who comes then is answered 503 with `Retry-After`.
    pub max_connections: Option<usize>,
    /// Connections at once that have not joined their first namespace yet, from the request on. The same answer.
    pub max_handshakes: Option<usize>,
    /// New sessions of one address (of IPv6, one network of 64 bits). Who comes more often is answered 429 with `Retry-After`.
    /// Requests whose address is not known (over a Unix socket) are not counted.
    pub sessions_per_address: Option<Rate>,
    /// Events of one client, in all its namespaces together, and its requests to join one. At one more its connection is
    /// closed, for the reason [`RateLimited`](ferrio_protocol::Reason::RateLimited).
    pub events_per_client: Option<Rate>,
    /// Proxies in front of the server that write `X-Forwarded-For`: an address is what the outermost of them saw. With 0 the
    /// header is not believed, and a proxy's clients are all one address.
    pub trusted_proxies: usize,
}

/// How often something may happen: so often in the long run, and so many at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// In one second; may be a fraction. Above 0.
    pub per_second: f64,
    /// At once. At least 1.
    pub burst: u32,
}

/// The session cookie of a polling handshake: `name=<sid>` and attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// Its name. `io`.
    pub name: String,
    /// What follows the value, ready to be sent: `Path=/; HttpOnly; SameSite=Lax`.
    pub attributes: String,
}

/// Which origins a browser may come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cors {
    /// The dialect's own rule: Node sends no headers and refuses nobody; Python refuses foreign origins.
    #[default]
    Dialect,
    /// No CORS handling at all: nothing is sent, nobody refused (Python's `[]`; or the host does it).
    Off,
    /// Every origin, `Access-Control-Allow-Origin: <origin>` (`*` without credentials).
    Any {
        /// Send `Access-Control-Allow-Credentials: true`.
        credentials: bool,
    },
    /// The server's own origin only.
    SameOrigin {
        /// Send `Access-Control-Allow-Credentials: true`.
        credentials: bool,
    },
    /// These origins only.
    List {
        /// `scheme://host[:port]`.
        origins: Vec<String>,
        /// Send `Access-Control-Allow-Credentials: true`.
        credentials: bool,
    },
}

impl Default for Config {
    fn default() -> Self {
        Self {
            dialect: Dialect::Node,
            path: "/socket.io".into(),
            add_trailing_slash: true,
            transports: vec![Transport::Polling, Transport::WebSocket],
            allow_upgrades: true,
            allow_eio3: false,
            ping_interval: Duration::from_secs(25),
            ping_grace: Duration::ZERO,
            ping_timeout: Duration::from_secs(20),
            upgrade_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(45),
            close_timeout: Duration::from_secs(30),
            cookie: None,
            cors: Cors::Dialect,
            compression_threshold: Some(1024),
            high_mark: 1 << 20,
            hard_limit: 16 << 20,
            slow_consumer: SlowConsumer::Disconnect,
            write_timeout: Duration::from_secs(45),
            admission: Admission::default(),
            ready_path: None,
            max_header_bytes: 16 << 10,
            max_headers: 100,
            header_timeout: Duration::from_secs(10),
            cleanup_empty_child_namespaces: false,
            max_child_namespaces: 100_000,
            layer: Layer::SocketIo,
            initial_packet: None,
            watch: false,
            serializer: Serializer::Json,
            recovery: None,
            client_files: None,
            limits: Limits::default(),
        }
    }
}

/// Connection state recovery: a client whose connection broke comes back to its id, rooms and data, and gets what it missed.
/// `Recovery::default()` is socket.io's defaults plus two limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// How long a client may be away. 2 min.
    pub max_disconnection: Duration,
    /// Let a client that comes back in without asking the middlewares again. True.
    pub skip_middlewares: bool,
    /// Bytes of events that are kept for those who are away, in all namespaces together; the oldest go first. 64 MiB.
    pub max_bytes: usize,
    /// Clients that may be away at once; who has been longest expires first. 100,000.
    pub max_sessions: usize,
}

impl Default for Recovery {
    fn default() -> Self {
        Self {
            max_disconnection: Duration::from_secs(120),
            skip_middlewares: true,
            max_bytes: 64 << 20,
            max_sessions: 100_000,
        }
    }
}
