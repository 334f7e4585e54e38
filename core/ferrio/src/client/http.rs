//! A client's HTTP requests to one server: kept-alive connections, bounded answers, cookies.

use std::error::Error;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use ferrio_protocol::engine::Transport;
use http::header::{CONTENT_ENCODING, COOKIE, HOST, HeaderMap, HeaderValue, SET_COOKIE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::ClientConfig;

use super::cookies::Cookies;
use super::dial::dial;
use super::failure::Failure;
use super::options::Options;
use super::proxy::Proxy;
use super::target::{Target, push_pair};

/// Of one attempt to connect and the connection that comes of it.
pub(super) struct Http {
    target: Target,
    proxy: Option<Proxy>,
    tls: Option<Arc<ClientConfig>>,
    /// Path and query that all requests begin with.
    base: String,
    headers: HeaderMap,
    /// Outlive the connection.
    cookies: Option<Arc<Mutex<Cookies>>>,
    max_body: usize,
    /// Connections that wait for the next request.
    idle: Mutex<Vec<Sender>>,
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
            true => Some(
                options.tls.build().map_err(|error| Failure::Tls { host: target.place(), why: error.to_string() })?,
            ),
            false => None,
        };
        let mut query = target.query.clone();
        for (key, value) in &options.query {
            push_pair(&mut query, key, value);
        }
        push_pair(&mut query, "EIO", "4");
        let slash = if options.add_trailing_slash { "/" } else { "" };
        let base = format!("/{}{slash}?{query}", options.path.trim_matches('/'));
        let mut headers = HeaderMap::new();
        for (name, value) in &options.headers {
            headers.append(name, value.clone());
        }
        if !headers.contains_key(HOST)
            && let Ok(host) = HeaderValue::from_str(&target.authority)
        {
            headers.insert(HOST, host);
        }
        let cookies = options.cookies.then(|| Arc::clone(jar));
        let max_body = options.limits.max_payload;
        Ok(Self { target, proxy, tls, base, headers, cookies, max_body, idle: Mutex::default() })
    }

    /// A request of long-polling; the body of its answer.
    pub(super) async fn poll(&self, method: Method, query: String, body: Bytes) -> Result<Bytes, Failure> {
        let mut request = self.request(method.clone(), &query, body)?;
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
        let body = Limited::new(response.into_body(), self.max_body).collect().await;
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
        let mut request = self.request(Method::GET, &query, Bytes::new())?;
        request.headers_mut().extend(extra);
        let (_, response) =
            self.exchange(self.open(Transport::WebSocket).await?, request, Transport::WebSocket).await?;
        self.remember(&response);
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(response);
        }
        Err(refusal(Transport::WebSocket, response).await)
    }

    fn request(&self, method: Method, query: &str, body: Bytes) -> Result<Request<Full<Bytes>>, Failure> {
        let uri = format!("{}&{query}", self.base);
        let mut request = Request::builder()
            .method(method)
            .uri(&uri)
            .body(Full::new(body))
            .map_err(|error| Failure::Url { url: format!("{}{uri}", self.target.authority), why: error.to_string() })?;
        *request.headers_mut() = self.headers.clone();
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
        let stream = dial(&self.target, self.proxy.as_ref(), self.tls.as_ref()).await?;
        let opened = http1::Builder::new().max_buf_size(64 << 10).handshake(TokioIo::new(stream)).await;
        let (sender, connection) = opened.map_err(|error| Failure::transport(transport, reason(&error)))?;
        // Ends with its sender, or with the server.
        tokio::spawn(connection.with_upgrades());
        Ok(sender)
    }
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
