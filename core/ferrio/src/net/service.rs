//! The server as a tower service, so that it stands in an axum or hyper program beside other routes.
//!
//! [`EngineLayer`] takes the requests on the server's path and lets all others through. It needs hyper below it: a
//! WebSocket takes the connection out of hyper's hands.

use std::borrow::Cow;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::header::{ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Body;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::server::TlsStream;
use tower_layer::Layer;
use tower_service::Service;

use super::exchange::{Exchange, Head, Headers, Response};
use super::gate::{self, Gate, Verdict};
use super::{Accepted, Front, request, websocket};

/// Puts a server in front of another service.
#[derive(Clone, Debug)]
pub struct EngineLayer<F>(F);

impl<F: Front> EngineLayer<F> {
    /// In front of whatever this is layered on.
    pub fn new(front: F) -> Self {
        Self(front)
    }
}

impl<F: Front, S> Layer<S> for EngineLayer<F> {
    type Service = EngineService<F, S>;

    fn layer(&self, inner: S) -> Self::Service {
        EngineService { front: self.0.clone(), inner }
    }
}

/// A server in front of `S`.
#[derive(Clone, Debug)]
pub struct EngineService<F, S> {
    front: F,
    inner: S,
}

impl<F, S, B, R> Service<Request<B>> for EngineService<F, S>
where
    F: Front,
    S: Service<Request<B>, Response = http::Response<R>>,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
{
    type Response = http::Response<Either<Full<Bytes>, R>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if request::is_ours(target(&request), &self.front.config()) {
            let front = self.front.clone();
            let peer = request.extensions().get::<Peer>().copied().unwrap_or_default();
            Box::pin(async move { Ok(answer(front, request, peer, None).await.map(Either::Left)) })
        } else {
            let answer = self.inner.call(request);
            Box::pin(async move { Ok(answer.await?.map(Either::Right)) })
        }
    }
}

/// Who sent a request. In the extensions of a request it tells the server what only the owner of the port knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// The client's address.
    pub address: Option<IpAddr>,
    /// It came over TLS.
    pub secure: bool,
}

/// Carries one request on our path to the server and the answer back.
pub(super) async fn answer<F, B>(
    front: F,
    mut request: Request<B>,
    peer: Peer,
    gate: Option<&dyn Gate>,
) -> http::Response<Full<Bytes>>
where
    F: Front,
    B: Body + Send + 'static,
    B::Data: Send,
{
    let mut head = head(&request, peer);
    // A poll is answered whatever happens: heartbeats go with it.
    if head.method != "GET" || !head.target.contains("sid=") {
        front.open().await;
    }
    let mut verdict = Verdict::default();
    if let Some(gate) = gate {
        match gate::ask(gate, &head).await {
            Some(said) => verdict = said,
            None => return bare(StatusCode::INTERNAL_SERVER_ERROR),
        }
        head.allowed = verdict.allowed;
    }
    if websocket::is_upgrade(&head) {
        let upgrade = hyper::upgrade::on(&mut request);
        return answer_upgrade(front, head, upgrade).await;
    }
    let (sender, mut answer) = oneshot::channel();
    // Nobody waits any more if the peer is gone.
    let mut exchange = front.request(head, Box::new(move |response| drop(sender.send(response))));
    let body = request.into_body();
    let response = if body.is_end_stream() {
        exchange.end();
        answer.await
    } else {
        let mut body = Box::pin(body);
        // An answer may come before the body has (413, a session that ended): the rest is read and thrown away.
        tokio::select! {
            response = &mut answer => {
                tokio::spawn(tokio::time::timeout(DISCARD_TIME, discard(body)));
                response
            }
            pushed = push(&mut exchange, &mut body) => match pushed {
                Pushed::Whole => answer.await,
                Pushed::Unwanted => {
                    tokio::spawn(tokio::time::timeout(DISCARD_TIME, discard(body)));
                    answer.await
                }
                // Dropping the exchange tells the server. The peer will not read this.
                Pushed::Broken => return bare(StatusCode::BAD_REQUEST),
            },
        }
    };
    match response {
        Ok(response) => {
            exchange.finish();
            render(verdict.dress(response))
        }
        // The server went away with the question.
        Err(_) => bare(StatusCode::SERVICE_UNAVAILABLE),
    }
}

enum Pushed {
    Whole,
    Unwanted,
    Broken,
}

/// Pushes a body into its exchange, piece by piece, as long as it is wanted.
async fn push<B: Body>(exchange: &mut Exchange, body: &mut Pin<Box<B>>) -> Pushed {
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Pushed::Broken };
        if let Ok(mut data) = frame.into_data()
            && !exchange.body(data.copy_to_bytes(data.remaining()))
        {
            return Pushed::Unwanted;
        }
    }
    exchange.end();
    Pushed::Whole
}

/// A client that is still sending does not see an answer if the connection is cut under it. This much and this long it
/// may go on.
const DISCARD_BYTES: usize = 16 << 20;
const DISCARD_TIME: Duration = Duration::from_secs(5);

async fn discard<B: Body>(mut body: Pin<Box<B>>) {
    let mut left = DISCARD_BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        let size = frame.data_ref().map_or(0, Buf::remaining);
        let Some(rest) = left.checked_sub(size) else { return };
        left = rest;
    }
}

async fn answer_upgrade<F: Front>(front: F, head: Head, upgrade: OnUpgrade) -> http::Response<Full<Bytes>> {
    let (sender, decision) = oneshot::channel();
    front.upgrade(head, Headers::new(), Box::new(move |decision| drop(sender.send(decision))));
    match decision.await {
        Ok(Ok(accepted)) => {
            let response = render(accepted.response());
            tokio::spawn(async move {
                // An error means that the client left before the 101, or that this is no connection of hyper's.
                if let Ok(upgraded) = upgrade.await {
                    attach(accepted, upgraded);
                }
            });
            response
        }
        Ok(Err(refusal)) => render(refusal),
        Err(_) => bare(StatusCode::SERVICE_UNAVAILABLE),
    }
}

/// Gives the connection away as what it is: a TCP socket can be written to from any thread.
fn attach(accepted: Accepted, upgraded: Upgraded) {
    let upgraded = match found::<TcpStream>(upgraded) {
        Ok((tcp, read)) => return accepted.attach_tcp(tcp, read),
        Err(upgraded) => upgraded,
    };
    match found::<TlsStream<TcpStream>>(upgraded) {
        Ok((tls, read)) => accepted.attach_stream(Box::new(tls), read),
        Err(upgraded) => accepted.attach_stream(Box::new(TokioIo::new(upgraded)), Bytes::new()),
    }
}

/// The `T` that an upgraded connection is made of, and what has been read from it already. The server was hyper's own
/// (our listener's), or hyper-util's `auto` (axum's), which hides the connection once more.
fn found<T>(upgraded: Upgraded) -> Result<(T, Bytes), Upgraded>
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
{
    match upgraded.downcast::<TokioIo<T>>() {
        Ok(parts) => Ok((parts.io.into_inner(), parts.read_buf)),
        Err(upgraded) => {
            auto::upgrade::downcast::<TokioIo<T>>(upgraded).map(|parts| (parts.io.into_inner(), parts.read_buf))
        }
    }
}

/// The path and query of a request, as a server matches them.
pub(super) fn target<B>(request: &Request<B>) -> &str {
    request.uri().path_and_query().map_or("", |target| target.as_str())
}

/// The head of a request, as servers read it.
pub(super) fn head<B>(request: &Request<B>, peer: Peer) -> Head {
    Head {
        method: request.method().as_str().to_owned(),
        target: target(request).to_owned(),
        headers: headers(request.headers()),
        remote: peer.address.map(spelled).unwrap_or_default(),
        secure: peer.secure,
        sid: None,
        allowed: None,
    }
}

/// As `to_string`, whose formatting machinery takes longer over an IPv4 address than the whole routing of the request.
fn spelled(address: IpAddr) -> String {
    let IpAddr::V4(address) = address else { return address.to_string() };
    let mut text = String::with_capacity("255.255.255.255".len());
    for (index, octet) in address.octets().into_iter().enumerate() {
        if index > 0 {
            text.push('.');
        }
        let digits = [octet / 100, octet / 10 % 10, octet % 10];
        let leading = digits.iter().take(2).take_while(|digit| **digit == 0).count();
        text.extend(digits[leading..].iter().map(|digit| char::from(b'0' + digit)));
    }
    text
}

/// Values that are not UTF-8 keep what is: the originals decode them as Latin-1 and use none of them.
fn headers(map: &HeaderMap) -> Headers {
    let name = |name: &HeaderName| match COMMON.iter().find(|common| **common == name.as_str()) {
        Some(common) => Cow::Borrowed(*common),
        None => Cow::Owned(name.as_str().to_owned()),
    };
    map.iter().map(|(key, value)| (name(key), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect()
}

/// Names that nearly every request carries need no copy.
const COMMON: [&str; 16] = [
    "host",
    "connection",
    "user-agent",
    "accept",
    "accept-encoding",
    "accept-language",
    "origin",
    "referer",
    "cookie",
    "content-type",
    "content-length",
    "upgrade",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-fetch-mode",
    "cache-control",
];

/// An answer as hyper wants it. What cannot be a header is left out.
pub(super) fn render(response: Response) -> http::Response<Full<Bytes>> {
    let mut rendered = http::Response::new(Full::new(response.body));
    *rendered.status_mut() = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in response.headers {
        if let (Some(name), Ok(value)) = (header_name(&name), HeaderValue::try_from(value)) {
            rendered.headers_mut().append(name, value);
        }
    }
    rendered
}

/// The names on nearly every answer of ours need no parsing.
fn header_name(name: &str) -> Option<HeaderName> {
    Some(match name {
        "content-type" => CONTENT_TYPE,
        "cache-control" => CACHE_CONTROL,
        "access-control-allow-origin" => ACCESS_CONTROL_ALLOW_ORIGIN,
        "access-control-allow-credentials" => ACCESS_CONTROL_ALLOW_CREDENTIALS,
        "vary" => VARY,
        name => HeaderName::try_from(name).ok()?,
    })
}

fn bare(status: StatusCode) -> http::Response<Full<Bytes>> {
    let mut response = http::Response::new(Full::default());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests;
