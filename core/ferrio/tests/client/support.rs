//! A server that can be stopped and started again at its address, and what handlers tell the test.

use std::net::SocketAddr;
use std::time::Duration;

use ferrio::client::ClientBuilder;
use ferrio::{Client, Server, ServerBuilder, Transport};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What should come has this long to come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// The ways to a server.
pub(crate) const WAYS: [&[Transport]; 3] =
    [&[Transport::Polling], &[Transport::WebSocket], &[Transport::Polling, Transport::WebSocket]];

/// A server that listens.
pub(crate) struct Host {
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
}

impl Host {
    pub(crate) async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    pub(crate) async fn with(configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Self {
        let server = configure(Server::builder()).build();
        let address = server.listen("127.0.0.1:0").await.unwrap();
        Self { server, address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A client that comes back quickly.
    pub(crate) fn client(&self, way: &[Transport]) -> ClientBuilder {
        client(&self.url()).transports(way.iter().copied())
    }
}

pub(crate) fn client(url: &str) -> ClientBuilder {
    Client::builder(url).reconnection_delay(Duration::from_millis(5), Duration::from_millis(20))
}

/// What should come, comes.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("it does not come")
}

/// What handlers tell the test, in order.
pub(crate) fn journal() -> (Journal, Reading) {
    let (sender, receiver) = unbounded_channel();
    (Journal(sender), Reading(receiver))
}

#[derive(Clone)]
pub(crate) struct Journal(UnboundedSender<String>);

impl Journal {
    pub(crate) fn write(&self, line: impl Into<String>) {
        let _ = self.0.send(line.into());
    }

    /// A handler that writes this.
    pub(crate) fn line(&self, line: &'static str) -> impl Fn() + Send + Sync + 'static {
        let journal = self.clone();
        move || journal.write(line)
    }
}

pub(crate) struct Reading(UnboundedReceiver<String>);

impl Reading {
    pub(crate) async fn next(&mut self) -> String {
        soon(self.0.recv()).await.expect("nobody writes any more")
    }

    pub(crate) async fn expect<const N: usize>(&mut self, lines: [&str; N]) {
        for line in lines {
            assert_eq!(self.next().await, line);
        }
    }

    /// Nothing more was said so far.
    pub(crate) fn is_empty(&mut self) -> bool {
        self.0.try_recv().is_err()
    }
}
