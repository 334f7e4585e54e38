//! Our own port: TCP, TLS if wanted, HTTP/1.1 by hyper.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ferrio_protocol::Limit;
use http::Request;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
#[cfg(any(target_os = "linux", target_os = "android"))]
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, TcpStream, ToSocketAddrs, lookup_host};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::answer::{not_found, readiness};
use super::fallback::{self, Ends, Fallback, VisitorBody};
use super::gate::Gate;
use super::scarcity::Scarcity;
use super::service;
use super::tls::Tls;
use super::{Front, Stream, request};
use crate::config::Config;

/// Connections the kernel may hold for us before they are accepted; it takes its own limit if that is lower.
const BACKLOG: u32 = 4096;
/// hyper reads no less at a time.
const MIN_BUFFER: usize = 8 << 10;

/// A bound port, not yet served.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    surroundings: Surroundings,
}

/// What every connection of a port has in common.
#[derive(Clone, Default)]
struct Surroundings {
    tls: Option<Tls>,
    /// Who answers what is not the server's.
    fallback: Option<Arc<dyn Fallback>>,
    /// Who has a say on what is.
    gate: Option<Arc<dyn Gate>>,
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Surroundings").field("tls", &self.tls).finish_non_exhaustive()
    }
}

impl Listener {
    /// Binds the first address that can be bound. Port 0 takes a free one.
    ///
    /// # Errors
    /// No address could be resolved or bound.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        let mut failure = io::Error::new(io::ErrorKind::InvalidInput, "no address to bind");
        for address in lookup_host(address).await? {
            match listen(address) {
                Ok(tcp) => return Ok(Self { tcp, surroundings: Surroundings::default() }),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Takes over a port that is listening already. Must be called within a runtime.
    ///
    /// # Errors
    /// The runtime cannot register it.
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self { tcp: TcpListener::from_std(listener)?, surroundings: Surroundings::default() })
    }

    /// Speaks TLS.
    #[must_use]
    pub fn with_tls(mut self, tls: Tls) -> Self {
        self.surroundings.tls = Some(tls);
        self
    }

    /// Lets somebody else answer the requests that are not on the server's path, instead of 404.
    #[must_use]
    pub fn with_fallback(mut self, fallback: Arc<dyn Fallback>) -> Self {
        self.surroundings.fallback = Some(fallback);
        self
    }

    /// Lets somebody else have a say on the requests that are on the server's path.
    #[must_use]
    pub fn with_gate(mut self, gate: Arc<dyn Gate>) -> Self {
        self.surroundings.gate = Some(gate);
        self
    }

    /// The address it is bound to.
    ///
    /// # Errors
    /// The system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Serves `front` on this port until the handle stops it. Dropping the handle leaves it running.
    ///
    /// # Panics
    /// Outside a runtime.
    pub fn start<F: Front>(self, front: F) -> Listening {
        let (stop, stopped) = watch::channel(None);
        Listening { stop, task: tokio::spawn(accept(self, front, stopped)) }
    }
}

/// A port that is being served.
#[derive(Debug)]
pub struct Listening {
    stop: watch::Sender<Option<Duration>>,
    task: JoinHandle<()>,
}

impl Listening {
    /// Closes the port at once, lets requests under way be answered for as long as `grace`, then cuts their connections.
    /// WebSockets are not its affair: the server has them.
    pub async fn stop(self, grace: Duration) {
        self.stop.send_replace(Some(grace));
        // It does not panic, and nobody else can abort it.
        let _ = self.task.await;
    }
}

type Stopped = watch::Receiver<Option<Duration>>;

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // On Windows it would let others take the port.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept<F: Front>(listener: Listener, front: F, stopped: Stopped) {
    let Listener { tcp, surroundings } = listener;
    let mut connections = JoinSet::new();
    let mut scarcity = Scarcity::new();
    let grace = {
        let mut until_stopped = pin!(until_stopped(stopped.clone()));
        loop {
            tokio::select! {
                accepted = tcp.accept() => match accepted {
                    Ok((stream, address)) => {
                        scarcity.is_over();
                        connections.spawn(serve(front.clone(), stream, address, surroundings.clone(), stopped.clone()));
                    }
                    Err(error) if is_the_peers(&error) => {}
                    Err(error) => {
                        let pause = scarcity.strikes(&tcp, &error).await;
                        tokio::select! {
                            () = sleep(pause) => {}
                            grace = &mut until_stopped => break grace,
                        }
                    }
                },
                Some(_) = connections.join_next() => {}
                grace = &mut until_stopped => break grace,
            }
        }
    };
    drop(tcp);
    let rest = async { while connections.join_next().await.is_some() {} };
    if timeout(grace, rest).await.is_err() {
        connections.shutdown().await;
    }
}

/// The connection was gone before it was accepted: nothing is wrong with the port.
fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn until_stopped(mut stopped: Stopped) -> Duration {
    // Without a handle nobody can stop it.
    let Ok(grace) = stopped.wait_for(Option::is_some).await.map(|grace| grace.unwrap_or_default()) else {
        return std::future::pending().await;
    };
    grace
}

async fn serve<F: Front>(
    front: F,
    stream: TcpStream,
    address: SocketAddr,
    surroundings: Surroundings,
    stopped: Stopped,
) {
    // Small packets must not wait for the peer's acknowledgement of earlier ones.
    let _ = stream.set_nodelay(true);
    give_up_after(&stream, front.config().write_timeout);
    let ends = Ends { client: Some(address), server: stream.local_addr().ok(), secure: surroundings.tls.is_some() };
    let Some(tls) = surroundings.tls.clone() else {
        return serve_http(front, stream, ends, surroundings, stopped).await;
    };
    // Whoever does not get through the handshake gets no answer either: there is no language to say it in.
    if let Ok(Ok(stream)) = timeout(front.config().header_timeout, tls.accept(stream)).await {
        serve_http(front, stream, ends, surroundings, stopped).await;
    }
}

async fn serve_http<F: Front>(front: F, stream: impl Stream, ends: Ends, surroundings: Surroundings, stopped: Stopped) {
    let http = http(&front.config());
    let counted = front.clone();
    let service = service_fn(move |request| respond(front.clone(), request, ends, surroundings.clone()));
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service).with_upgrades());
    let result = tokio::select! {
        result = connection.as_mut() => result,
        _ = until_stopped(stopped) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        if error.is_parse_too_large() {
            counted.struck(Limit::MaxHeaderBytes);
        } else if error.is_timeout() {
            counted.struck(Limit::HeaderTimeout);
        }
        tracing::debug!(%error, "connection ended");
    }
}

fn http(config: &Config) -> http1::Builder {
    let mut http = http1::Builder::new();
    // The timeout also ends connections that are idle between two requests.
    http.timer(TokioTimer::new())
        .header_read_timeout(config.header_timeout)
        .max_buf_size(config.max_header_bytes.max(MIN_BUFFER))
        .max_headers(config.max_headers);
    http
}

async fn respond<F: Front>(
    front: F,
    request: Request<Incoming>,
    ends: Ends,
    surroundings: Surroundings,
) -> Result<http::Response<Either<Full<Bytes>, VisitorBody>>, Infallible> {
    let config = front.config();
    if config.ready_path.as_deref() == Some(request.uri().path()) {
        return Ok(service::render(readiness(front.is_ready())).map(Either::Left));
    }
    if request::is_ours(service::target(&request), &config) {
        let gate = surroundings.gate.as_deref();
        return Ok(service::answer(front, request, ends.peer(), gate).await.map(Either::Left));
    }
    Ok(match surroundings.fallback {
        Some(fallback) => match fallback::answer(fallback, request, ends, &config).await {
            Ok(answer) => answer.map(Either::Right),
            Err(refusal) => service::render(refusal).map(Either::Left),
        },
        None => service::render(not_found(config.dialect)).map(Either::Left),
    })
}

/// Has the kernel end a connection whose peer has not acknowledged anything for twice the write timeout: one that has vanished
/// is not noticed otherwise where nothing of ours waits for it. The second line: our own clock, which knows a reason, goes first.
pub(crate) fn give_up_after(stream: &TcpStream, time: Duration) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = SockRef::from(stream).set_tcp_user_timeout(Some(time.saturating_mul(2)));
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = (stream, time);
}

#[cfg(test)]
mod tests;
