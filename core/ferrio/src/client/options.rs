//! How a client connects: every default, once, with unit and reason.

use std::net::IpAddr;
use std::time::Duration;

use ferrio_protocol::Limits;
use ferrio_protocol::engine::Transport;
use ferrio_protocol::socket::Serializer;
use http::header::{HeaderName, HeaderValue};

use super::proxy::Proxy;
use super::tls::ClientTls;

/// How a client connects and comes back. `Options::default()` is socket.io-client 4.8's defaults, plus limits.
///
/// Read anew at each attempt: what a program changes meanwhile counts at the next one.
#[derive(Clone, Debug)]
pub struct Options {
    /// Path of the HTTP endpoint. `/socket.io`.
    pub path: String,
    /// Ask for `path + "/"`, as servers expect. True.
    pub add_trailing_slash: bool,
    /// Pairs for the query of every request.
    pub query: Vec<(String, String)>,
    /// Headers of every request.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What is different for the requests of one transport.
    pub by_transport: Vec<(Transport, TransportOptions)>,
    /// Whether requests have a parameter of their own in the query, lest a cache answers them: `None` for those of polling,
    /// else all or none.
    pub timestamp_requests: Option<bool>,
    /// Its name. `t`.
    pub timestamp_param: String,
    /// Sub-protocols to offer for the WebSocket. None.
    pub protocols: Vec<String>,
    /// Transports, in the order in which they are tried. Polling, then WebSocket.
    pub transports: Vec<Transport>,
    /// Try the next transport when one does not open (`tryAllTransports`). False, as in the original.
    pub try_all_transports: bool,
    /// Move from polling to a WebSocket where the server offers it. True.
    pub upgrade: bool,
    /// Time for an upgrade. 10 s, as long as servers wait.
    pub upgrade_timeout: Duration,
    /// How packets are written; the server must do it the same way. JSON.
    pub serializer: Serializer,
    /// Keep the server's cookies for later requests. True.
    pub cookies: bool,
    /// TLS. The system's roots.
    pub tls: ClientTls,
    /// Through which proxy. As the environment says.
    pub proxy: ProxyChoice,
    /// The address to connect from. Any.
    pub local_address: Option<IpAddr>,
    /// Connect to addresses of this family only. Either.
    pub family: Option<Family>,
    /// Time for the answer to one request of polling, which a server may hold for as long as it has nothing to say. Any.
    pub request_timeout: Option<Duration>,
    /// Time for one attempt to connect, until the server's handshake; `None` waits forever. 20 s.
    pub timeout: Option<Duration>,
    /// Come back after a connection broke or was not made. True.
    pub reconnection: bool,
    /// Attempts to come back until the client gives up; `None` never does. None.
    pub reconnection_attempts: Option<u32>,
    /// Time before the first attempt to come back; it doubles with each. 1 s.
    pub reconnection_delay: Duration,
    /// The longest time between two attempts. 5 s.
    pub reconnection_delay_max: Duration,
    /// The part of that time (0 to 1) that chance may add or take away, lest all clients come back at once. 0.5.
    pub randomization_factor: f64,
    /// Bytes that may wait to be sent, offline or to a server that does not read. An emit beyond is an error. 16 MiB.
    pub max_buffered: usize,
    /// Limits of what a server sends. A message of 100 MiB, as npm's `ws`; any number of packets in a poll.
    pub limits: Limits,
}

/// What is different for the requests of one transport.
#[derive(Clone, Debug, Default)]
pub struct TransportOptions {
    /// Instead of [`Options::path`].
    pub path: Option<String>,
    /// Beside [`Options::query`], and instead of what has the same name there.
    pub query: Vec<(String, String)>,
    /// Instead of all [`Options::headers`].
    pub headers: Option<Vec<(HeaderName, HeaderValue)>>,
}

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Through which proxy a client connects.
#[derive(Clone, Debug, Default)]
pub enum ProxyChoice {
    /// As `HTTPS_PROXY`, `http_proxy`, `ALL_PROXY` and `NO_PROXY` say.
    #[default]
    Environment,
    /// None.
    Direct,
    /// This one: `http://user:password@host:port`.
    Url(String),
}

impl ProxyChoice {
    pub(super) fn choose(&self, target: &super::target::Target) -> Result<Option<Proxy>, super::failure::Failure> {
        match self {
            Self::Environment => Proxy::from_env(target, |name| std::env::var(name).ok()),
            Self::Direct => Ok(None),
            Self::Url(url) => Proxy::parse(url).map(Some),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            path: "/socket.io".into(),
            add_trailing_slash: true,
            query: Vec::new(),
            headers: Vec::new(),
            by_transport: Vec::new(),
            timestamp_requests: None,
            timestamp_param: "t".into(),
            protocols: Vec::new(),
            transports: vec![Transport::Polling, Transport::WebSocket],
            try_all_transports: false,
            upgrade: true,
            upgrade_timeout: Duration::from_secs(10),
            serializer: Serializer::default(),
            cookies: true,
            tls: ClientTls::new(),
            proxy: ProxyChoice::default(),
            local_address: None,
            family: None,
            request_timeout: None,
            timeout: Some(Duration::from_secs(20)),
            reconnection: true,
            reconnection_attempts: None,
            reconnection_delay: Duration::from_secs(1),
            reconnection_delay_max: Duration::from_secs(5),
            randomization_factor: 0.5,
            max_buffered: 16 << 20,
            limits: Limits {
                max_payload: 100 << 20,
                packets_per_payload: usize::MAX,
                event_name: usize::MAX,
                ..Limits::default()
            },
        }
    }
}
