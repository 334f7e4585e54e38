//! The transports of one connection: what carries packets, polled as one thing.
//!
//! ```text
//!   websocket:  Dialing ──▶ WebSocket
//!   polling:    Polling (one GET, one POST at a time) ── probe: a candidate ──▶ pause ──▶ switch ──▶ WebSocket
//! ```

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use ferrio_protocol::engine::{Frame, Packet, Revision, Transport, payload};
use ferrio_protocol::message::Item;
use ferrio_protocol::{Cause, Text, Via};
use http::Method;
use tokio::task::JoinHandle;

use super::failure::Failure;
use super::http::Http;
use super::websocket::WebSocket;

/// The transports of one connection.
pub(super) struct Link {
    /// Known once the server's handshake is there.
    sid: Option<Text>,
    /// Bytes of one POST that the server takes.
    max_post: usize,
    main: Main,
    candidate: Candidate,
    /// Why the main transport ended.
    pub(super) failure: Option<Failure>,
    /// The task that says goodbye.
    pub(super) goodbye: Option<JoinHandle<()>>,
}

enum Main {
    Dialing(Pending<WebSocket>),
    WebSocket(Box<WebSocket>),
    Polling(Polling),
    Ended,
}

enum Candidate {
    None,
    Dialing(Pending<WebSocket>),
    Open(Box<WebSocket>),
}

struct Polling {
    /// Gone with polling: an open WebSocket has nothing to request.
    http: Arc<Http>,
    get: Option<Pending<Bytes>>,
    post: Option<Pending<Bytes>>,
    posts: Posts,
    /// Nothing new is begun.
    pausing: bool,
    paused: bool,
}

/// What waits for the next POST.
#[derive(Default)]
struct Posts {
    queue: VecDeque<Packet>,
    queued: usize,
}

type Pending<T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send>>;

/// What a transport brings.
pub(super) enum Happening {
    Frame(Via, Frame),
    Payload(Bytes),
    /// A candidate is open.
    Candidate,
    /// Polling stands still, as it was told to.
    Paused,
    Closed(Via, Cause),
}

/// Packets of one POST: python-engineio's servers close a session that sends more.
const PACKETS: usize = 16;
/// Time for the last request of a polling connection.
const GOODBYE: Duration = Duration::from_secs(2);

impl Link {
    pub(super) fn open(http: Arc<Http>, transport: Transport) -> Self {
        let main = match transport {
            Transport::WebSocket => Main::Dialing(dial(http, None)),
            Transport::Polling => Main::Polling(Polling {
                get: Some(request(&http, None, Method::GET, Bytes::new())),
                http,
                post: None,
                posts: Posts::default(),
                pausing: false,
                paused: false,
            }),
        };
        Self { sid: None, max_post: usize::MAX, main, candidate: Candidate::None, failure: None, goodbye: None }
    }

    /// The server's handshake is there.
    pub(super) fn opened(&mut self, sid: Text, max_post: u64) {
        self.sid = Some(sid);
        self.max_post = usize::try_from(max_post).unwrap_or(usize::MAX);
    }

    /// Opens a WebSocket beside polling.
    pub(super) fn probe(&mut self, timeout: Duration) {
        if let Main::Polling(polling) = &self.main {
            let dial = dial(Arc::clone(&polling.http), self.sid.as_deref());
            self.candidate = Candidate::Dialing(Box::pin(async move {
                tokio::time::timeout(timeout, dial).await.unwrap_or(Err(Failure::Timeout))
            }));
        }
    }

    // Sending.

    /// What is sent now is on its way at once.
    pub(super) fn is_writable(&self) -> bool {
        match &self.main {
            Main::WebSocket(socket) => socket.buffered() == 0,
            Main::Polling(polling) => polling.post.is_none() && polling.posts.queue.is_empty() && !polling.pausing,
            Main::Dialing(_) | Main::Ended => false,
        }
    }

    /// Bytes that wait to be sent.
    pub(super) fn buffered(&self) -> usize {
        match &self.main {
            Main::WebSocket(socket) => socket.buffered(),
            Main::Polling(polling) => polling.posts.queued,
            Main::Dialing(_) | Main::Ended => 0,
        }
    }

    pub(super) fn send(&mut self, item: &Item) {
        match &mut self.main {
            Main::WebSocket(socket) => socket.push(item),
            Main::Polling(polling) => item.packets(|packet| polling.posts.push(packet)),
            Main::Dialing(_) | Main::Ended => {}
        }
    }

    pub(super) fn send_candidate(&mut self, packet: &Packet) {
        if let Candidate::Open(socket) = &mut self.candidate {
            socket.push_packet(packet);
        }
    }

    // Upgrade.

    pub(super) fn pause(&mut self) {
        if let Main::Polling(polling) = &mut self.main {
            polling.pausing = true;
        }
    }

    /// The candidate is the main transport from here on; what waits goes over it.
    pub(super) fn switch(&mut self) {
        let Candidate::Open(mut socket) = std::mem::replace(&mut self.candidate, Candidate::None) else { return };
        if let Main::Polling(polling) = &mut self.main {
            for packet in polling.posts.queue.drain(..) {
                socket.push_packet(&packet);
            }
        }
        self.main = Main::WebSocket(socket);
    }

    /// Polling goes on.
    pub(super) fn drop_candidate(&mut self) {
        if let Candidate::Open(socket) = std::mem::replace(&mut self.candidate, Candidate::None) {
            tokio::spawn(socket.finish(true));
        }
        self.resume();
    }

    fn resume(&mut self) {
        if let Main::Polling(polling) = &mut self.main {
            (polling.pausing, polling.paused) = (false, false);
        }
    }

    // The end.

    /// Sends what waits (unless it is to be dropped) and says goodbye (unless the server has), in a task of its own.
    pub(super) fn finish(&mut self, end: &Packet, discard: bool) {
        self.candidate = Candidate::None;
        match std::mem::replace(&mut self.main, Main::Ended) {
            Main::WebSocket(socket) => self.goodbye = Some(tokio::spawn(socket.finish(discard))),
            Main::Polling(mut polling) if self.sid.is_some() && self.failure.is_none() && *end == Packet::Close => {
                if discard {
                    polling.posts = Posts::default();
                }
                let mut bodies = Vec::new();
                while !polling.posts.queue.is_empty() {
                    bodies.push(polling.posts.body(self.max_post));
                }
                // In a payload of its own: npm's server forgets a DISCONNECT, or an event, that comes together with it.
                polling.posts.push(Packet::Close);
                bodies.push(polling.posts.body(self.max_post));
                let sid = self.sid.as_deref();
                let post = |body| request(&polling.http, sid, Method::POST, body);
                let last: Vec<_> = bodies.into_iter().map(post).collect();
                let (get, post) = (polling.get.take(), polling.post.take());
                self.goodbye = Some(tokio::spawn(async move {
                    let goodbye = async {
                        for post in post.into_iter().chain(last) {
                            if post.await.is_err() {
                                return;
                            }
                        }
                    };
                    let _ = tokio::time::timeout(GOODBYE, goodbye).await;
                    // Had it been dropped first, the server would see a broken connection instead of a goodbye.
                    drop(get);
                }));
            }
            Main::Polling(_) | Main::Dialing(_) | Main::Ended => {}
        }
    }

    // Receiving.

    /// The next thing that a transport brings. Writes what waits, too.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Happening> {
        if let Poll::Ready(happening) = self.poll_candidate(context) {
            return Poll::Ready(happening);
        }
        self.poll_main(context)
    }

    /// Writes what waits, and reads nothing: not a WebSocket's frames, nor the answer to a GET.
    pub(super) fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<Happening> {
        match &mut self.main {
            Main::WebSocket(socket) => match socket.poll_write(context) {
                Poll::Ready(Err(error)) => {
                    Poll::Ready(Happening::Closed(Via::Main, Cause::Error(error.to_string().into())))
                }
                Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
            },
            Main::Polling(_) => self.poll_posts(context),
            Main::Dialing(_) | Main::Ended => Poll::Pending,
        }
    }

    fn poll_candidate(&mut self, context: &mut Context<'_>) -> Poll<Happening> {
        match &mut self.candidate {
            Candidate::None => Poll::Pending,
            Candidate::Dialing(dial) => match dial.as_mut().poll(context) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Ok(socket)) => {
                    self.candidate = Candidate::Open(Box::new(socket));
                    Poll::Ready(Happening::Candidate)
                }
                Poll::Ready(Err(failure)) => {
                    tracing::debug!(%failure, "no upgrade");
                    self.candidate = Candidate::None;
                    Poll::Ready(Happening::Closed(Via::Candidate, Cause::Error(failure.to_string().into())))
                }
            },
            Candidate::Open(socket) => match socket.poll(context) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Ok(frame)) => Poll::Ready(Happening::Frame(Via::Candidate, frame)),
                Poll::Ready(Err(cause)) => {
                    self.candidate = Candidate::None;
                    self.resume();
                    Poll::Ready(Happening::Closed(Via::Candidate, cause))
                }
            },
        }
    }

    fn poll_main(&mut self, context: &mut Context<'_>) -> Poll<Happening> {
        loop {
            match &mut self.main {
                Main::Ended => return Poll::Pending,
                Main::Dialing(dial) => match dial.as_mut().poll(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(socket)) => self.main = Main::WebSocket(Box::new(socket)),
                    Poll::Ready(Err(failure)) => return Poll::Ready(self.failed(failure)),
                },
                Main::WebSocket(socket) => {
                    return match socket.poll(context) {
                        Poll::Pending => Poll::Pending,
                        Poll::Ready(Ok(frame)) => Poll::Ready(Happening::Frame(Via::Main, frame)),
                        Poll::Ready(Err(cause)) => Poll::Ready(Happening::Closed(Via::Main, cause)),
                    };
                }
                Main::Polling(_) => return self.poll_polling(context),
            }
        }
    }

    fn poll_polling(&mut self, context: &mut Context<'_>) -> Poll<Happening> {
        if let Poll::Ready(happening) = self.poll_posts(context) {
            return Poll::Ready(happening);
        }
        let Main::Polling(polling) = &mut self.main else { return Poll::Pending };
        let got = polling.get.as_mut().map(|get| get.as_mut().poll(context));
        match got {
            Some(Poll::Ready(Ok(body))) => {
                polling.get = None;
                return Poll::Ready(Happening::Payload(body));
            }
            Some(Poll::Ready(Err(failure))) => return Poll::Ready(self.failed(failure)),
            Some(Poll::Pending) | None => {}
        }
        if polling.pausing && !polling.paused && polling.get.is_none() && polling.post.is_none() {
            polling.paused = true;
            return Poll::Ready(Happening::Paused);
        }
        Poll::Pending
    }

    fn poll_posts(&mut self, context: &mut Context<'_>) -> Poll<Happening> {
        loop {
            self.begin_requests();
            let Main::Polling(polling) = &mut self.main else { return Poll::Pending };
            let posted = polling.post.as_mut().map(|post| post.as_mut().poll(context));
            match posted {
                Some(Poll::Ready(Ok(_))) => polling.post = None,
                Some(Poll::Ready(Err(failure))) => return Poll::Ready(self.failed(failure)),
                Some(Poll::Pending) | None => return Poll::Pending,
            }
        }
    }

    /// A GET, and a POST if something waits.
    fn begin_requests(&mut self) {
        let Self { main: Main::Polling(polling), sid, .. } = self else { return };
        // The first GET was the handshake.
        if polling.pausing || sid.is_none() {
            return;
        }
        let sid = sid.as_deref();
        let Polling { http, get, post, posts, .. } = polling;
        get.get_or_insert_with(|| request(http, sid, Method::GET, Bytes::new()));
        if post.is_none() && !posts.queue.is_empty() {
            *post = Some(request(http, sid, Method::POST, posts.body(self.max_post)));
        }
    }

    fn failed(&mut self, failure: Failure) -> Happening {
        let cause = Cause::Error(failure.to_string().into());
        self.failure = Some(failure);
        Happening::Closed(Via::Main, cause)
    }
}

fn dial(http: Arc<Http>, sid: Option<&str>) -> Pending<WebSocket> {
    let query = http.query(Transport::WebSocket, sid);
    Box::pin(async move { WebSocket::open(&http, query).await })
}

fn request(http: &Arc<Http>, sid: Option<&str>, method: Method, body: Bytes) -> Pending<Bytes> {
    let (http, query) = (Arc::clone(http), http.query(Transport::Polling, sid));
    Box::pin(async move { http.poll(method, query, body).await })
}

impl Posts {
    fn push(&mut self, packet: Packet) {
        self.queued += weight(&packet);
        self.queue.push_back(packet);
    }

    /// The packets of the next POST: as many as the server takes at once, and one at least.
    fn body(&mut self, max: usize) -> Bytes {
        let (mut packets, mut size) = (Vec::new(), 0_usize);
        while let Some(packet) = self.queue.front() {
            let weight = weight(packet);
            if packets.len() >= PACKETS || (!packets.is_empty() && size.saturating_add(weight) > max) {
                break;
            }
            size += weight;
            self.queued -= weight;
            packets.extend(self.queue.pop_front());
        }
        payload::encode(&packets, Revision::V4, false).bytes
    }
}

/// Bytes of a packet in a body, its separator included.
fn weight(packet: &Packet) -> usize {
    2 + match packet {
        Packet::Binary(bytes) => bytes.len().div_ceil(3) * 4,
        Packet::Open(text) | Packet::Ping(text) | Packet::Pong(text) | Packet::Message(text) => text.len(),
        Packet::Close | Packet::Upgrade | Packet::Noop => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: usize) -> Packet {
        Packet::Message("x".repeat(length).into())
    }

    #[test]
    fn a_post_is_no_larger_than_the_server_takes() {
        let mut posts = Posts::default();
        [10, 10, 10, 500, 10].map(message).into_iter().for_each(|packet| posts.push(packet));
        posts.push(Packet::Binary(Bytes::from(vec![0; 75])));
        let sizes: Vec<_> =
            std::iter::from_fn(|| (!posts.queue.is_empty()).then(|| posts.body(100)).map(|body| body.len())).collect();
        // Three small ones, a large one alone, a small one, and bytes that are a third longer in base64.
        assert_eq!(sizes, [3 * 11 + 2, 501, 11, 101]);
        assert_eq!(posts.queued, 0);
    }

    #[test]
    fn a_post_has_no_more_packets_than_any_server_takes() {
        let mut posts = Posts::default();
        (0..40).for_each(|_| posts.push(message(1)));
        let sizes = [(); 3].map(|()| posts.body(usize::MAX).split(|byte| *byte == 0x1e).count());
        assert_eq!(sizes, [16, 16, 8]);
    }
}
