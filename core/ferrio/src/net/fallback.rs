//! Requests on our own port that are not the server's: an application of a host language answers them, at its own pace.
//!
//! A body is read only as far as it is asked for, and an answer that the peer does not take says so: neither waits in memory
//! beyond a bound. The application learns of each request's end, whoever caused it. A request may become a WebSocket: see
//! `socket`.

mod socket;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use ferrio_protocol::engine::Frame as Message;
use http::request::Parts;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use self::socket::{Guest, Handshake, Intake};
use super::exchange::Response;
use super::service::Peer;
use crate::config::Config;

/// Who answers. Called on the listener's threads: it must not block.
pub trait Fallback: Send + Sync + 'static {
    /// A request came.
    fn request(&self, request: Visitor);
    /// The next piece of a request's body, once for each [`Answer::pull`]; `end` with the last one.
    fn body(&self, number: u64, chunk: Bytes, end: bool);
    /// The peer has taken so much of an answer that there is room again.
    fn room(&self, number: u64);
    /// A message came on a WebSocket. It counts as unread until [`Answer::took`].
    fn message(&self, number: u64, message: Message);
    /// A WebSocket has ended, with this code and reason (RFC 6455, 7.4; 1006 without any).
    fn closed(&self, number: u64, code: u16, reason: &str);
    /// The request is over: everything was sent, or the peer went away. Nothing follows.
    fn over(&self, number: u64);
    /// Bytes of the largest message that it takes from a WebSocket; a larger one closes it with 1009.
    fn max_message(&self) -> usize;
}

/// A request that is not the server's.
pub struct Visitor {
    /// It tells requests apart.
    pub number: u64,
    /// Its head.
    pub parts: Parts,
    /// No body follows.
    pub bodiless: bool,
    /// It asks to become a WebSocket, in due form: [`Answer::accept`] makes it one, any other answer is a refusal.
    pub websocket: bool,
    /// The ends of its connection.
    pub ends: Ends,
    /// How it is answered.
    pub answer: Answer,
}

/// The ends of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ends {
    /// The client's.
    pub client: Option<SocketAddr>,
    /// Ours.
    pub server: Option<SocketAddr>,
    /// It speaks TLS.
    pub secure: bool,
}

impl Ends {
    pub(super) fn peer(&self) -> Peer {
        Peer { address: self.client.map(|client| client.ip().to_canonical()), secure: self.secure }
    }
}

/// The host's handle of a request. Dropping it before [`end`](Self::end) cuts the answer off: 500 if it had not begun.
///
/// Once accepted as a WebSocket it is that one's handle. Dropping it before [`close`](Self::close) cuts the connection.
pub struct Answer {
    parts: mpsc::UnboundedSender<Part>,
    pulls: Arc<Notify>,
    queued: Arc<AtomicUsize>,
    intake: Arc<Intake>,
}

enum Part {
    Start(StatusCode, HeaderMap),
    Data(Bytes),
    End,
    // Of a WebSocket.
    Accept(HeaderMap),
    Message(Message),
    Close(u16, String),
}

impl Answer {
    /// Asks for the next piece of the body.
    pub fn pull(&self) {
        self.pulls.notify_one();
    }

    /// Begins the answer.
    pub fn start(&self, status: StatusCode, headers: HeaderMap) {
        // Nobody listens any more: `Fallback::over` is on its way.
        let _ = self.parts.send(Part::Start(status, headers));
    }

    /// Adds to its body. False: wait for [`Fallback::room`] before the next piece.
    pub fn write(&self, chunk: Bytes) -> bool {
        let size = chunk.len();
        self.queue(Part::Data(chunk), size)
    }

    /// Ends the answer.
    pub fn end(&self) {
        let _ = self.parts.send(Part::End);
    }

    /// Makes the request a WebSocket: answered with 101 and these headers beside those of the handshake.
    pub fn accept(&self, headers: HeaderMap) {
        let _ = self.parts.send(Part::Accept(headers));
    }

    /// Sends a message on the WebSocket. False: wait for [`Fallback::room`] before the next one.
    pub fn send(&self, message: Message) -> bool {
        let size = socket::weight(&message);
        self.queue(Part::Message(message), size)
    }

    /// So many bytes of a message have been taken.
    pub fn took(&self, bytes: usize) {
        self.intake.took(bytes);
    }

    /// Closes the WebSocket once what was sent before has left.
    pub fn close(&self, code: u16, reason: String) {
        let _ = self.parts.send(Part::Close(code, reason));
    }

    fn queue(&self, part: Part, size: usize) -> bool {
        // Counted first: whoever takes it out may be quicker than we are.
        let queued = self.queued.fetch_add(size, Ordering::AcqRel) + size;
        self.parts.send(part).is_err() || queued < HIGH_MARK
    }
}

/// Bytes of an answer that the peer has not taken.
const HIGH_MARK: usize = 256 << 10;

/// Carries a request to the fallback, and the answer's head back. The error is our own answer, to a handshake in no due form.
pub(super) async fn answer(
    fallback: Arc<dyn Fallback>,
    mut request: Request<Incoming>,
    ends: Ends,
    config: &Config,
) -> Result<http::Response<VisitorBody>, Response> {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    let handshake = Handshake::of(&mut request, ends.peer())?;
    let (parts, body) = request.into_parts();
    let (sender, mut answered) = mpsc::unbounded_channel();
    let (pulls, queued, intake) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)), Arc::new(Intake::default()));
    let answer =
        Answer { parts: sender, pulls: Arc::clone(&pulls), queued: Arc::clone(&queued), intake: Arc::clone(&intake) };
    let bodiless = body.is_end_stream();
    fallback.request(Visitor { number, parts, bodiless, websocket: handshake.is_some(), ends, answer });
    let reader = (!bodiless).then(|| tokio::spawn(read(Arc::clone(&fallback), number, body, pulls)));
    let stay = Stay { number, fallback, reader };
    let mut response = http::Response::new(VisitorBody(None));
    match (answered.recv().await, handshake) {
        (Some(Part::Start(status, headers)), _) => {
            *response.body_mut() = VisitorBody(Some(Sending { answered, queued, stay }));
            *response.status_mut() = status;
            *response.headers_mut() = headers;
        }
        (Some(Part::Accept(headers)), Some(handshake)) => {
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            *response.headers_mut() = headers;
            response.headers_mut().extend(handshake.headers);
            let guest = Guest::new(stay, answered, queued, intake, config);
            tokio::spawn(guest.live(handshake.upgrade));
        }
        _ => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
    }
    Ok(response)
}

/// Reads a body piece by piece, each when it is asked for.
async fn read(fallback: Arc<dyn Fallback>, number: u64, mut body: Incoming, pulls: Arc<Notify>) {
    loop {
        pulls.notified().await;
        let chunk = loop {
            match body.frame().await {
                Some(Ok(frame)) => {
                    // Trailers are left out: nobody asks for them.
                    if let Ok(mut data) = frame.into_data() {
                        break Some(data.copy_to_bytes(data.remaining()));
                    }
                }
                None => break None,
                // The peer is gone: the connection's end tells.
                Some(Err(_)) => return,
            }
        };
        let end = chunk.is_none() || body.is_end_stream();
        fallback.body(number, chunk.unwrap_or_default(), end);
        if end {
            return;
        }
    }
}

/// As long as a request is under way. Its end, whoever causes it, is the drop of this.
struct Stay {
    number: u64,
    fallback: Arc<dyn Fallback>,
    reader: Option<JoinHandle<()>>,
}

impl Drop for Stay {
    fn drop(&mut self) {
        if let Some(reader) = &self.reader {
            reader.abort();
        }
        self.fallback.over(self.number);
    }
}

/// The body of an answer as the host gives it.
pub(super) struct VisitorBody(Option<Sending>);

struct Sending {
    answered: mpsc::UnboundedReceiver<Part>,
    queued: Arc<AtomicUsize>,
    stay: Stay,
}

/// The host dropped its handle: the connection is cut, for nothing else tells the peer that the answer is not whole.
#[derive(Debug, thiserror::Error)]
#[error("the application did not finish its answer")]
pub(super) struct Unfinished;

impl Body for VisitorBody {
    type Data = Bytes;
    type Error = Unfinished;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Unfinished>>> {
        let Some(sending) = &mut self.0 else { return Poll::Ready(None) };
        match ready!(sending.answered.poll_recv(context)) {
            Some(Part::Data(chunk)) => {
                let size = chunk.len();
                let before = sending.queued.fetch_sub(size, Ordering::AcqRel);
                if before >= HIGH_MARK && before - size < HIGH_MARK {
                    sending.stay.fallback.room(sending.stay.number);
                }
                Poll::Ready(Some(Ok(Frame::data(chunk))))
            }
            Some(_) => {
                self.0 = None;
                Poll::Ready(None)
            }
            None => {
                self.0 = None;
                Poll::Ready(Some(Err(Unfinished)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }
}

#[cfg(test)]
mod tests;
