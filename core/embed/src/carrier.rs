//! Requests and WebSockets that come through the host: it owns the port, we own the answers.

use std::borrow::Cow;
use std::cell::Cell;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ferrio::host::HostFeed;
use ferrio::net::{Accepted, Front, Head, Headers, HostLink, Response};
use ferrio_protocol::engine::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::event::{Event, LinkData};
use crate::ids::{ConnId, LinkId, RequestId};
use crate::shared::Shared;
use crate::work::Worker;

/// What the host asks of us here: the commands of the same names.
pub(crate) enum Order {
    Request { request: RequestId, head: Head, end: bool },
    Body { request: RequestId, chunk: Bytes, end: bool },
    Abort { request: RequestId },
    TakeOver { link: LinkId, head: Head, stream: std::net::TcpStream, read: Bytes, headers: Vec<(String, String)> },
    OpenLink { link: LinkId, head: Head, raw: bool, headers: Vec<(String, String)> },
    Feed { link: LinkId, data: LinkData },
    LinkClosed { link: LinkId, error: bool },
    LinkSent { link: LinkId, bytes: usize },
}

/// A WebSocket of the host's.
#[derive(Clone)]
pub(crate) enum Carried {
    /// The host feeds us.
    Fed(Arc<HostFeed>),
    /// We have its TCP connection; known once it has opened a connection of its own.
    Taken(ConnId),
}

pub(crate) fn carry_out(worker: &Worker, order: Order) {
    let Worker { shared, hub } = worker;
    match order {
        Order::Request { request, head, end } => begin(worker, request, head, end),
        Order::Body { request, chunk, end } => body(shared, request, chunk, end),
        // Dropping it says that the peer is gone; the answer that follows from that ends the request.
        Order::Abort { request } => drop(shared.requests.take(request)),
        Order::TakeOver { link, head, stream, read, headers } => {
            let open = OpenLink::new(shared, link);
            if !shared.refuses() {
                let decide = Box::new(move |decided| take_over(open, decided, stream, read));
                with_origin(link.0, || hub.upgrade(head, owned(headers), decide));
            }
        }
        Order::OpenLink { link, head, raw, headers } => {
            let open = OpenLink::new(shared, link);
            if !shared.refuses() {
                let decide = Box::new(move |decided| attach(open, decided, raw));
                with_origin(link.0, || hub.upgrade(head, owned(headers), decide));
            }
        }
        Order::Feed { link, data } => {
            if let Some(Carried::Fed(feed)) = shared.links.get(link) {
                match data {
                    LinkData::Bytes(bytes) => feed.bytes(&bytes),
                    LinkData::Frame(frame) => feed.frame(frame),
                }
            }
        }
        Order::LinkClosed { link, error } => match shared.links.get(link) {
            Some(Carried::Fed(feed)) => feed.closed(error.then_some(Cow::Borrowed("connection error"))),
            Some(Carried::Taken(conn)) => {
                if let Some(conn) = shared.conn(conn) {
                    conn.lose(error);
                }
            }
            None => {}
        },
        Order::LinkSent { link, bytes } => {
            if let Some(Carried::Fed(feed)) = shared.links.get(link) {
                feed.sent(bytes);
            }
        }
    }
}

/// The request or link of the host's that is being served on this thread right now: whatever opens now, it opened.
pub(crate) fn origin() -> Option<RequestId> {
    ORIGIN.get()
}

// Requests.

fn begin(worker: &Worker, request: RequestId, head: Head, end: bool) {
    let Worker { shared, hub } = worker;
    shared.requests.begin(request);
    let answer = Answer { shared: Arc::clone(shared), request, response: None };
    if shared.refuses() {
        return;
    }
    let exchange = with_origin(request.0, || hub.request(head, Box::new(move |response| answer.send(response))));
    if let Err(exchange) = shared.requests.put(request, exchange) {
        exchange.finish();
    } else if end {
        body(shared, request, Bytes::new(), true);
    }
}

fn body(shared: &Shared, request: RequestId, chunk: Bytes, end: bool) {
    // Out of the table meanwhile: the end of a body may be answered at once.
    let Some(mut exchange) = shared.requests.take(request) else { return };
    if !chunk.is_empty() {
        exchange.body(chunk);
    }
    if end {
        exchange.end();
    }
    if let Err(exchange) = shared.requests.put(request, exchange) {
        exchange.finish();
    }
}

/// Answers a request of the host's once: at the latest, and with 503, when nobody can any more.
struct Answer {
    shared: Arc<Shared>,
    request: RequestId,
    response: Option<Response>,
}

impl Answer {
    fn send(mut self, response: Response) {
        self.response = Some(response);
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let response = self.response.take().unwrap_or_else(|| Response::new(503));
        self.shared.post(Event::Response { request: self.request, response });
        if let Some(Some(exchange)) = self.shared.requests.end(self.request) {
            exchange.finish();
        }
        self.shared.settle();
    }
}

// Links.

/// A link that the host has been promised a `LinkClose` for. The drop keeps the promise.
struct OpenLink {
    shared: Arc<Shared>,
    link: LinkId,
}

impl OpenLink {
    fn new(shared: &Arc<Shared>, link: LinkId) -> Self {
        shared.links.begin(link);
        Self { shared: Arc::clone(shared), link }
    }
}

impl Drop for OpenLink {
    fn drop(&mut self) {
        self.shared.links.end(self.link);
        self.shared.post(Event::LinkClose { link: self.link });
        self.shared.settle();
    }
}

/// Answers an upgrade request on the connection itself, and gives the connection to the server. An error on the way means
/// that the peer is gone: then everything is dropped, the promise of a `LinkClose` with it.
fn take_over(open: OpenLink, decided: Result<Accepted, Response>, stream: std::net::TcpStream, read: Bytes) {
    let head = match &decided {
        Ok(accepted) => accepted.response().to_http1(),
        Err(response) => response.to_http1(),
    };
    let Ok((tcp, sent)) = write_now(stream, &head) else { return };
    match decided {
        Ok(accepted) if sent == head.len() => attach_taken(open, accepted, tcp, read),
        decided => {
            tokio::spawn(answer_slowly(open, decided, tcp, head.slice(sent..), read));
        }
    }
}

/// A socket that has sent nothing yet takes a whole answer at once. tokio would first wait to be told that it can.
fn write_now(stream: std::net::TcpStream, head: &[u8]) -> io::Result<(TcpStream, usize)> {
    stream.set_nonblocking(true)?;
    let sent = match (&stream).write(head) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
        result => result?,
    };
    Ok((TcpStream::from_std(stream)?, sent))
}

async fn answer_slowly(
    open: OpenLink,
    decided: Result<Accepted, Response>,
    mut tcp: TcpStream,
    rest: Bytes,
    read: Bytes,
) {
    match tokio::time::timeout(ANSWER_LIMIT, tcp.write_all(&rest)).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) | Err(_) => return,
    }
    match decided {
        Ok(accepted) => attach_taken(open, accepted, tcp, read),
        Err(_) => {
            // A byte that we have not read would turn our close into a reset, which overtakes the answer.
            let goodbye = async {
                tcp.shutdown().await?;
                let mut sink = [0; 1024];
                while tcp.read(&mut sink).await? > 0 {}
                io::Result::Ok(())
            };
            let _ = tokio::time::timeout(LINGER, goodbye).await;
        }
    }
}

fn attach_taken(open: OpenLink, accepted: Accepted, tcp: TcpStream, read: Bytes) {
    with_origin(open.link.0, || accepted.attach_taken(tcp, read, Box::new(open)));
}

/// Gives a link to the server that the host carries on.
fn attach(open: OpenLink, decided: Result<Accepted, Response>, raw: bool) {
    let OpenLink { shared, link } = &open;
    let (shared, link) = (Arc::clone(shared), *link);
    let write = |response: &Response| {
        let data = vec![LinkData::Bytes(response.to_http1())];
        shared.post(Event::LinkWrite { link, data });
    };
    match decided {
        Ok(accepted) => {
            let feed = Arc::new(HostFeed::default());
            shared.links.fill(link, Carried::Fed(Arc::clone(&feed)));
            if raw {
                write(&accepted.response());
            }
            let wire = Box::new(HostWire { open: Some(open) });
            with_origin(link.0, || accepted.attach_host(wire, raw, feed));
        }
        Err(response) if raw => write(&response),
        // The host's server has accepted already; a closed WebSocket says it all.
        Err(_) => {}
    }
}

/// The sending end of a link of the host's.
struct HostWire {
    open: Option<OpenLink>,
}

impl HostWire {
    fn write(&self, data: Vec<LinkData>) {
        if let Some(OpenLink { shared, link }) = &self.open
            && !data.is_empty()
        {
            shared.post(Event::LinkWrite { link: *link, data });
        }
    }
}

impl HostLink for HostWire {
    fn write_bytes(&mut self, bytes: Vec<Bytes>) {
        self.write(bytes.into_iter().map(LinkData::Bytes).collect());
    }

    fn write_frames(&mut self, frames: Vec<Frame>) {
        self.write(frames.into_iter().map(LinkData::Frame).collect());
    }

    fn close(&mut self) {
        drop(self.open.take());
    }
}

fn with_origin<T>(number: u64, run: impl FnOnce() -> T) -> T {
    let before = ORIGIN.replace(Some(RequestId(number)));
    let result = run();
    ORIGIN.set(before);
    result
}

fn owned(headers: Vec<(String, String)>) -> Headers {
    headers.into_iter().map(|(name, value)| (Cow::Owned(name), value)).collect()
}

/// Time for the answer to an upgrade request to leave.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Time for a refused peer to go.
const LINGER: Duration = Duration::from_secs(2);

thread_local! {
    static ORIGIN: Cell<Option<RequestId>> = const { Cell::new(None) };
}
