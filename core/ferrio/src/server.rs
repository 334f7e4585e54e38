//! The server: its namespaces, its ports, its end.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ferrio_protocol::Text;
use parking_lot::Mutex;
use tokio::net::ToSocketAddrs;
use tokio::sync::watch;

use crate::builder::ServerBuilder;
use crate::config::Config;
use crate::drain::Drain;
use crate::handshake::Handshake;
use crate::hub::Hub;
use crate::life;
use crate::methods::{operators, registrations};
use crate::net::Front;
use crate::net::listener::{Listener, Listening};
use crate::net::service::EngineLayer;
use crate::net::tls::Tls;
use crate::router::Shared;
use crate::space::{Matches, Namespace, ParentNamespace, Space};
use crate::stats::Stats;
use crate::target::Target;

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
    ///
    /// Handlers may await it, too: the end of their own socket is then not waited for.
    pub async fn close(&self) {
        life::outlive(self.end()).await;
    }

    async fn end(&self) {
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
            self.shared.end();
            self.shared.ports.closed.send_replace(true);
        }
        self.closed().await;
    }

    /// Ends the server so that others can take over from it: nobody new is let in (503, and [`is_ready`](Self::is_ready) says
    /// so), answers under way are waited for, clients are closed over time in a way that makes them come back, to another
    /// server. Then it is [closed](Self::close). A call of `close` meanwhile ends it at once.
    ///
    /// ```no_run
    /// # async fn show(server: ferrio::Server) -> std::io::Result<()> {
    /// use ferrio::Drain;
    /// use tokio::signal::unix::{SignalKind, signal};
    ///
    /// let mut terminate = signal(SignalKind::terminate())?;
    /// terminate.recv().await;
    /// tokio::select! {
    ///     () = server.drain(Drain::default()) => {}
    ///     // Somebody has no patience.
    ///     _ = terminate.recv() => server.close().await,
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn drain(&self, how: Drain) {
        tokio::select! {
            () = self.hub.drain(&how) => self.close().await,
            () = self.closed() => {}
        }
    }

    /// Whether newcomers are let in: not once the server [drains](Self::drain) or closes. For the readiness probe of whoever
    /// balances the load; see also [`ready_path`](crate::ServerBuilder::ready_path).
    pub fn is_ready(&self) -> bool {
        self.hub.is_ready()
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

    /// What it has counted since it was built: refusals, limits that struck, how connections ended; and its state. For a
    /// metrics page or a log line now and then: it asks every connection how much waits for it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let server = ferrio::Server::new();
    /// assert_eq!(server.stats().limits["hard_limit"], 0);
    /// # }
    /// ```
    pub fn stats(&self) -> Stats {
        self.hub.stats()
    }

    /// The configuration.
    pub fn config(&self) -> Arc<Config> {
        self.hub.config()
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

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("connections", &self.connections()).finish_non_exhaustive()
    }
}
