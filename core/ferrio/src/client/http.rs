//! A client's HTTP requests to one server: kept-alive connections, bounded answers, cookies.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use ferrio_protocol::Limits;
use ferrio_protocol::engine::Transport;
use http::header::{CONTENT_ENCODING, COOKIE, HOST, HeaderMap, HeaderValue, SET_COOKIE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;

use super::cookies::Cookies;
use super::dial::{From, Secure, dial};
use super::failure::Failure;
use super::options::{Options, TransportOptions};
use super::proxy::Proxy;
use super::target::{Target, push_pair};
use crate::net::tls::TlsError;

/// Of one attempt to connect and the connection that comes of it.
pub(super) struct Http {
    target: Target,
    proxy: Option<Proxy>,
    tls: Option<Secure>,
    /// Of polling, and of WebSockets.
    routes: [Route; 2],
    timestamp_requests: Option<bool>,
    timestamp_param: String,
    protocols: Vec<String>,
    from: From,
    request_timeout: Option<Duration>,
    /// Outlive the connection.
    cookies: Option<Arc<Mutex<Cookies>>>,
    limits: Limits,
    /// Connections that wait for the next request.
    idle: Mutex<Vec<Sender>>,
}

/// What the requests of one transport have in common.
struct Route {
    /// Path and query that they begin with.
    base: String,
    headers: HeaderMap,
}

type Sender = SendRequest<Full<Bytes>>;

/// A GET and a POST.
const IDLE: usize = 2;
/// Body of a refusal, and how much of it is told.
const LARGEST_REFUSAL: usize = 64 << 10;
const SHOWN: usize = 200;

impl Http {
    /// # Errors
    /// A proxy that is none, TLS that cannot be.
    pub(super) fn new(target: Target, options: &Options, jar: &Arc<Mutex<Cookies>>) -> Result<Self, Failure> {
        let proxy = options.proxy.choose(&target)?;
        let tls = match target.secure {
            true => {
                let failed = |error: TlsError| Failure::Tls { host: target.place(), why: error.to_string() };
                Some(Secure { config: options.tls.build().map_err(failed)?, name: options.tls.name() })
            }
            false => None,
        };
        let routes =
            [Transport::Polling, Transport::WebSocket].map(|transport| Route::new(&target, options, transport));
        let cookies = options.cookies.then(|| Arc::clone(jar));
        Ok(Self {
            target,
            proxy,
            tls,
            routes,
            timestamp_requests: options.timestamp_requests,
            timestamp_param: options.timestamp_param.clone(),
            protocols: options.protocols.clone(),
            from: From { address: options.local_address, family: options.family },
            request_timeout: options.request_timeout,
            cookies,
            limits: options.limits.clone(),
            idle: Mutex::default(),
        })
    }

    /// What the server may send.
    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Sub-protocols to offer for a WebSocket.
    pub(super) fn protocols(&self) -> &[String] {
        &self.protocols
    }

    /// What the query of a request ends with.
    pub(super) fn query(&self, transport: Transport, sid: Option<&str>) -> String {
        let mut query = String::new();
        push_pair(&mut query, "transport", transport.as_str());
        if self.timestamp_requests.unwrap_or(transport == Transport::Polling) {
            push_pair(&mut query, &self.timestamp_param, &unique());
        }
        if let Some(sid) = sid {
            push_pair(&mut query, "sid", sid);
        }
        query
    }

    /// A request of long-polling; the body of its answer.
    pub(super) async fn poll(&self, method: Method, query: String, body: Bytes) -> Result<Bytes, Failure> {
        let polled = self.poll_forever(method, query, body);
        let Some(limit) = self.request_timeout else { return polled.await };
        let late = || {
            let why = format!("no answer within {} ms", limit.as_millis());
            Failure::unreachable(self.target.place(), &io::Error::new(io::ErrorKind::TimedOut, why))
        };
        tokio::time::timeout(limit, polled).await.unwrap_or_else(|_| Err(late()))
    }

    async fn poll_forever(&self, method: Method, query: String, body: Bytes) -> Result<Bytes, Failure> {
        let mut request = self.request(Transport::Polling, method.clone(), &query, body)?;
        if method == Method::POST {
            let plain = HeaderValue::from_static("text/plain;charset=UTF-8");
            request.headers_mut().entry(http::header::CONTENT_TYPE).or_insert(plain);
        }
        let (mut sender, response) = self.send(request).await?;
        self.remember(&response);
        let status = response.status();
        let encoded = response.headers().contains_key(CONTENT_ENCODING);
        if status != StatusCode::OK {
            return Err(refusal(Transport::Polling, response).await);
        }
        let body = Limited::new(response.into_body(), self.limits.max_payload).collect().await;
        let body = body.map_err(|error| Failure::transport(Transport::Polling, reason(&*error)))?.to_bytes();
        if sender.ready().await.is_ok() {
            let mut idle = self.idle.lock();
            if idle.len() < IDLE {
                idle.push(sender);
            }
        }
        if encoded {
            return Err(Failure::transport(Transport::Polling, "the answer is compressed, which nobody asked for"));
        }
        Ok(body)
    }

    /// A request to become a WebSocket: the answer, and whatever becomes of the connection.
    pub(super) async fn upgrade(&self, query: String, extra: HeaderMap) -> Result<Response<Incoming>, Failure> {
        let mut request = self.request(Transport::WebSocket, Method::GET, &query, Bytes::new())?;
        request.headers_mut().extend(extra);
        let (_, response) =
            self.exchange(self.open(Transport::WebSocket).await?, request, Transport::WebSocket).await?;
        self.remember(&response);
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(response);
        }
        Err(refusal(Transport::WebSocket, response).await)
    }

    fn request(
        &self,
        transport: Transport,
        method: Method,
        query: &str,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let Route { base, headers } = &self.routes[usize::from(transport == Transport::WebSocket)];
        let uri = format!("{base}&{query}");
        let mut request = Request::builder()
            .method(method)
            .uri(&uri)
            .body(Full::new(body))
            .map_err(|error| Failure::Url { url: format!("{}{uri}", self.target.authority), why: error.to_string() })?;
        headers.clone_into(request.headers_mut());
        if let Some(cookies) = &self.cookies
            && let Some(value) = cookies.lock().header(SystemTime::now())
            && let Ok(value) = HeaderValue::from_str(&value)
        {
            request.headers_mut().append(COOKIE, value);
        }
        Ok(request)
    }

    fn remember(&self, response: &Response<Incoming>) {
        if let Some(cookies) = &self.cookies {
            cookies.lock().take(&response.headers().get_all(SET_COOKIE), SystemTime::now());
        }
    }

    /// On a connection that waits, or a new one. A server may have closed the former just now: then nothing was sent.
    async fn send(&self, request: Request<Full<Bytes>>) -> Result<(Sender, Response<Incoming>), Failure> {
        let mut request = request;
        loop {
            let waiting = self.idle.lock().pop();
            let Some(mut sender) = waiting else { break };
            if sender.is_closed() {
                continue;
            }
            match sender.try_send_request(request).await {
                Ok(response) => return Ok((sender, response)),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(Failure::transport(Transport::Polling, reason(error.error()))),
                },
            }
        }
        self.exchange(self.open(Transport::Polling).await?, request, Transport::Polling).await
    }

    async fn exchange(
        &self,
        mut sender: Sender,
        request: Request<Full<Bytes>>,
        transport: Transport,
    ) -> Result<(Sender, Response<Incoming>), Failure> {
        match sender.send_request(request).await {
            Ok(response) => Ok((sender, response)),
            Err(error) => Err(Failure::transport(transport, reason(&error))),
        }
    }

    async fn open(&self, transport: Transport) -> Result<Sender, Failure> {
        let stream = dial(&self.target, self.from, self.proxy.as_ref(), self.tls.as_ref()).await?;
        let opened = http1::Builder::new().max_buf_size(64 << 10).handshake(TokioIo::new(stream)).await;
        let (sender, connection) = opened.map_err(|error| Failure::transport(transport, reason(&error)))?;
        // Ends with its sender, or with the server.
        tokio::spawn(connection.with_upgrades());
        Ok(sender)
    }
}

impl Route {
    fn new(target: &Target, options: &Options, transport: Transport) -> Self {
        let none = TransportOptions::default();
        let own = options.by_transport.iter().find(|(of, _)| *of == transport).map_or(&none, |(_, own)| own);
        let mut query = target.query.clone();
        let common = options.query.iter().filter(|(key, _)| own.query.iter().all(|(other, _)| other != key));
        for (key, value) in common.chain(&own.query) {
            push_pair(&mut query, key, value);
        }
        push_pair(&mut query, "EIO", "4");
        let path = own.path.as_ref().unwrap_or(&options.path).trim_matches('/');
        let slash = if options.add_trailing_slash && !path.is_empty() { "/" } else { "" };
        let base = format!("/{path}{slash}?{query}");
        let mut headers = HeaderMap::new();
        for (name, value) in own.headers.as_ref().unwrap_or(&options.headers) {
            headers.append(name, value.clone());
        }
        if !headers.contains_key(HOST)
            && let Ok(host) = HeaderValue::from_str(&target.authority)
        {
            headers.insert(HOST, host);
        }
        Self { base, headers }
    }
}

/// Keeps caches from answering for the server.
fn unique() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);

    let millis = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_millis() as u64);
    format!("{millis:x}.{:x}", NEXT.fetch_add(1, Ordering::Relaxed))
}

async fn refusal(transport: Transport, response: Response<Incoming>) -> Failure {
    let status = response.status().as_u16();
    // What it says is worth a look.
    let body = Limited::new(response.into_body(), LARGEST_REFUSAL).collect().await.map(|body| body.to_bytes());
    let body = body.unwrap_or_default();
    let body = String::from_utf8_lossy(&body[..body.len().min(SHOWN)]);
    let shown = body.split_whitespace().collect::<Vec<_>>().join(" ");
    Failure::Status { transport, status, body: shown }
}

/// An error with its causes.
fn reason(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
