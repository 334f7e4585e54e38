//! A WebSocket of the host's application: frames here, messages there.
//!
//! One task reads and writes. It reads no further than the application follows, and writes what the application sends as the
//! peer takes it. A peer that is silent for the server's ping interval is asked whether it is there.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, Bytes};
use ferrio_protocol::Limits;
use ferrio_protocol::engine::Frame;
use ferrio_protocol::message::frame;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, ReadHalf, WriteHalf};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

use super::{HIGH_MARK, Part, Stay};
use crate::config::Config;
use crate::driver::with_read_buffer;
use crate::net::Stream;
use crate::net::exchange::Response;
use crate::net::refusal::Refusal;
use crate::net::service::{self, Peer};
use crate::net::websocket::{self, Codec, Incoming, close_frame_saying};

/// A request to become a WebSocket, in due form.
pub(super) struct Handshake {
    /// Of the 101.
    pub(super) headers: HeaderMap,
    pub(super) upgrade: OnUpgrade,
}

impl Handshake {
    /// `None` for any other request; the error answers one that is wrong.
    pub(super) fn of<B>(request: &mut Request<B>, peer: Peer) -> Result<Option<Self>, Response> {
        if !request.headers().contains_key(http::header::UPGRADE) {
            return Ok(None);
        }
        let head = service::head(request, peer);
        if !websocket::is_upgrade(&head) {
            return Ok(None);
        }
        let mut headers = HeaderMap::new();
        for (name, value) in websocket::accept(&head).map_err(|refusal| refused(&refusal))? {
            // Which of the protocols is spoken is the application's to say.
            if name != "sec-websocket-protocol"
                && let (Ok(name), Ok(value)) = (HeaderName::try_from(&*name), HeaderValue::try_from(value))
            {
                headers.insert(name, value);
            }
        }
        Ok(Some(Self { headers, upgrade: hyper::upgrade::on(request) }))
    }
}

fn refused(refusal: &Refusal) -> Response {
    let message = match refusal {
        Refusal::BadUpgrade { message } => *message,
        _ => "Bad WebSocket handshake",
    };
    let mut response = Response::new(400)
        .header("content-type", "text/plain; charset=utf-8")
        .header("sec-websocket-version", "13")
        .header("connection", "close");
    response.body = Bytes::from_static(message.as_bytes());
    response
}

/// Bytes of messages that the application has not taken.
#[derive(Default)]
pub(super) struct Intake {
    unread: AtomicUsize,
    /// Nobody takes any more.
    shut: AtomicBool,
    room: Notify,
}

/// As much waits for an application before its client is not read any more.
const UNREAD: usize = 256 << 10;
/// What a message costs beside its bytes.
const OVERHEAD: usize = 64;

impl Intake {
    fn add(&self, bytes: usize) {
        self.unread.fetch_add(bytes + OVERHEAD, Ordering::AcqRel);
    }

    pub(super) fn took(&self, bytes: usize) {
        let size = bytes.saturating_add(OVERHEAD);
        let take = |unread: usize| Some(unread.saturating_sub(size));
        let before = self.unread.fetch_update(Ordering::AcqRel, Ordering::Acquire, take).unwrap_or_default();
        if before >= UNREAD && before.saturating_sub(size) < UNREAD {
            self.room.notify_one();
        }
    }

    fn shut(&self) {
        self.shut.store(true, Ordering::Release);
        self.room.notify_one();
    }

    fn is_shut(&self) -> bool {
        self.shut.load(Ordering::Acquire)
    }

    async fn until_room(&self) {
        while self.unread.load(Ordering::Acquire) >= UNREAD && !self.is_shut() {
            self.room.notified().await;
        }
    }
}

/// What a message counts in the queue to the peer.
pub(super) fn weight(message: &Frame) -> usize {
    OVERHEAD + bytes(message)
}

fn bytes(message: &Frame) -> usize {
    match message {
        Frame::Text(text) => text.len(),
        Frame::Binary(bytes) => bytes.len(),
    }
}

/// One WebSocket.
pub(super) struct Guest {
    /// What the application sends.
    parts: mpsc::UnboundedReceiver<Part>,
    codec: Codec,
    talk: Talk,
}

/// What both directions know.
struct Talk {
    stay: Stay,
    queued: Arc<AtomicUsize>,
    intake: Arc<Intake>,
    control: Mutex<Control>,
    /// There is something in `control`.
    wake: Notify,
    ping_interval: Duration,
    ping_timeout: Duration,
    write_timeout: Duration,
}

/// Frames of our own that wait to be sent.
#[derive(Default)]
struct Control {
    /// A ping, or the answer to the peer's last one: so a peer that pings and does not read costs nothing.
    beat: Option<Bytes>,
    farewell: Option<Bytes>,
}

/// How it ended.
struct Ended {
    code: u16,
    reason: String,
    /// The frame that closes it. Without one the connection is cut.
    farewell: Option<Bytes>,
}

impl Ended {
    /// The connection is not there any more, or has been given up.
    fn lost() -> Self {
        Self { code: 1006, reason: String::new(), farewell: None }
    }
}

/// Time for the peer to take what is left, and to close the connection in its turn.
const LINGER: Duration = Duration::from_secs(2);
/// Small messages that wait are written together, up to about so many bytes.
const BATCH: usize = 64 << 10;
const PING: Bytes = Bytes::from_static(&[0x89, 0]);

impl Guest {
    pub(super) fn new(
        stay: Stay,
        parts: mpsc::UnboundedReceiver<Part>,
        queued: Arc<AtomicUsize>,
        intake: Arc<Intake>,
        config: &Config,
    ) -> Self {
        let limits = Limits { max_payload: stay.fallback.max_message(), ..config.limits.clone() };
        let talk = Talk {
            stay,
            queued,
            intake,
            control: Mutex::default(),
            wake: Notify::new(),
            ping_interval: config.ping_interval,
            ping_timeout: config.ping_timeout,
            write_timeout: config.write_timeout,
        };
        Self { parts, codec: Codec::new(&limits), talk }
    }

    /// Until it has ended, and everybody knows.
    pub(super) async fn live(self, upgrade: OnUpgrade) {
        match upgrade.await {
            Ok(upgraded) => self.run(TokioIo::new(upgraded)).await,
            // The client did not wait for the 101.
            Err(_) => self.talk.tell(&Ended::lost()),
        }
    }

    async fn run(self, stream: impl Stream) {
        let Self { mut parts, mut codec, talk } = self;
        let (mut reader, mut writer) = tokio::io::split(stream);
        let ended = {
            let mut reading = pin!(talk.read(&mut reader, &mut codec));
            let mut writing = pin!(talk.write(&mut parts, &mut writer));
            tokio::select! {
                ended = &mut reading => {
                    talk.tell(&ended);
                    if let Some(farewell) = &ended.farewell {
                        // The frame that is being written must end first.
                        talk.control.lock().farewell = Some(farewell.clone());
                        talk.wake.notify_one();
                        let _ = timeout(LINGER, writing).await;
                    }
                    ended
                }
                ended = &mut writing => {
                    talk.intake.shut();
                    talk.tell(&ended);
                    if ended.farewell.is_some() {
                        // For the peer's close.
                        let _ = timeout(LINGER, reading).await;
                    }
                    ended
                }
            }
        };
        drop(talk);
        if ended.farewell.is_some() {
            // An unread byte in the socket would turn our close into a reset, which overtakes the close frame.
            let _ = timeout(LINGER, leave(reader.unsplit(writer))).await;
        }
    }
}

async fn leave(mut stream: impl Stream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut sink = [0; 1024];
    while stream.read(&mut sink).await? > 0 {}
    Ok(())
}

impl Talk {
    fn tell(&self, ended: &Ended) {
        self.stay.fallback.closed(self.stay.number, ended.code, &ended.reason);
    }

    fn beat(&self, frame: Bytes) {
        self.control.lock().beat = Some(frame);
        self.wake.notify_one();
    }

    // In.

    async fn read<S: AsyncRead>(&self, reader: &mut ReadHalf<S>, codec: &mut Codec) -> Ended {
        let mut asked = false;
        loop {
            self.intake.until_room().await;
            let wait = if asked { self.ping_timeout } else { self.ping_interval };
            match timeout(wait, self.read_once(reader, codec)).await {
                Ok(Some(ended)) => return ended,
                Ok(None) => asked = false,
                Err(_) if asked => {
                    let reason = "ping timeout";
                    return Ended {
                        code: 1011,
                        reason: reason.into(),
                        farewell: Some(close_frame_saying(1011, reason)),
                    };
                }
                Err(_) => {
                    asked = true;
                    self.beat(PING);
                }
            }
        }
    }

    /// One read, into the buffer of the thread: an idle WebSocket keeps none.
    async fn read_once<S: AsyncRead>(&self, reader: &mut ReadHalf<S>, codec: &mut Codec) -> Option<Ended> {
        poll_fn(|context| {
            with_read_buffer(|buffer| {
                let mut read = ReadBuf::new(buffer);
                match Pin::new(&mut *reader).poll_read(context, &mut read) {
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(Ok(())) if !read.filled().is_empty() => Poll::Ready(self.feed(codec, read.filled())),
                    Poll::Ready(Ok(()) | Err(_)) => Poll::Ready(Some(Ended::lost())),
                }
            })
        })
        .await
    }

    fn feed(&self, codec: &mut Codec, read: &[u8]) -> Option<Ended> {
        let mut ended = None;
        let fed = codec.feed(read, &mut |incoming| match incoming {
            Incoming::Frame(_) if self.intake.is_shut() => {}
            Incoming::Frame(message) => {
                self.intake.add(bytes(&message));
                self.stay.fallback.message(self.stay.number, message);
            }
            Incoming::Pong(reply) => self.beat(reply),
            Incoming::Close { reply, said } => {
                let (code, reason) =
                    said.map_or((1005, String::new()), |said| (said.code.into(), said.reason.to_string()));
                ended = Some(Ended { code, reason, farewell: Some(reply) });
            }
        });
        match fed {
            Ok(()) => ended,
            Err(fault) => {
                let farewell = Some(fault.close_frame());
                Some(Ended { code: fault.code(), reason: fault.to_string(), farewell })
            }
        }
    }

    // Out.

    /// Until the application closes the WebSocket, or our own farewell has been said.
    async fn write<S: AsyncWrite>(
        &self,
        parts: &mut mpsc::UnboundedReceiver<Part>,
        writer: &mut WriteHalf<S>,
    ) -> Ended {
        self.write_all(parts, writer).await.unwrap_or_else(|_| Ended::lost())
    }

    async fn write_all<S: AsyncWrite>(
        &self,
        parts: &mut mpsc::UnboundedReceiver<Part>,
        writer: &mut WriteHalf<S>,
    ) -> io::Result<Ended> {
        let mut next = None;
        loop {
            let part = match next.take() {
                Some(part) => Some(Some(part)),
                None => tokio::select! {
                    biased;
                    () = self.wake.notified() => None,
                    part = parts.recv() => Some(part),
                },
            };
            let Control { beat, farewell } = std::mem::take(&mut *self.control.lock());
            if let Some(farewell) = farewell {
                self.put(writer, farewell).await?;
                return Ok(Ended::lost());
            }
            if let Some(beat) = beat {
                self.put(writer, beat).await?;
            }
            match part {
                None => {}
                Some(Some(Part::Message(first))) => {
                    let mut batch = Batch::new(&first);
                    while batch.frames.len() < BATCH {
                        match parts.try_recv() {
                            Ok(Part::Message(message)) => batch.add(&message),
                            Ok(part) => {
                                next = Some(part);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    self.put(writer, batch.frames.into()).await?;
                    self.sent(batch.weight);
                }
                Some(Some(Part::Close(code, reason))) => {
                    let farewell = close_frame_saying(code, &reason);
                    self.put(writer, farewell.clone()).await?;
                    return Ok(Ended { code, reason, farewell: Some(farewell) });
                }
                // The application has let go of it.
                Some(_) => return Ok(Ended::lost()),
            }
        }
    }

    fn sent(&self, weight: usize) {
        let before = self.queued.fetch_sub(weight, Ordering::AcqRel);
        if before >= HIGH_MARK && before - weight < HIGH_MARK {
            self.stay.fallback.room(self.stay.number);
        }
    }

    /// Writes it all. An error if the peer takes nothing for too long.
    async fn put<S: AsyncWrite>(&self, writer: &mut WriteHalf<S>, mut bytes: Bytes) -> io::Result<()> {
        while bytes.has_remaining() {
            if timeout(self.write_timeout, writer.write_buf(&mut bytes)).await?? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        timeout(self.write_timeout, writer.flush()).await?
    }
}

/// Frames to be written at once, and what their messages counted in the queue.
struct Batch {
    frames: Vec<u8>,
    weight: usize,
}

impl Batch {
    fn new(first: &Frame) -> Self {
        Self { frames: frame(first).into(), weight: weight(first) }
    }

    fn add(&mut self, message: &Frame) {
        self.frames.extend_from_slice(&frame(message));
        self.weight += weight(message);
    }
}
