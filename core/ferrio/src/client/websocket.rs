//! A client's WebSocket: the handshake, and frames both ways on one stream.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ferrio_protocol::engine::{Frame, Packet, Transport};
use ferrio_protocol::mask;
use ferrio_protocol::message::Item;
use ferrio_protocol::{Cause, Limits};
use http::header::{CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY};
use http::header::{SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tungstenite::handshake::derive_accept_key;

use super::failure::Failure;
use super::http::Http;
use crate::net::Stream;
use crate::net::websocket::{Codec, Incoming};

/// The read buffer of a thread.
const READ_BUFFER: usize = 64 << 10;
/// Time for the server to answer our close frame.
const LINGER: Duration = Duration::from_secs(2);

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BUFFER].into_boxed_slice());
    /// Of the connection that wrote last: the next one to write need not ask for memory.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static KEYS: RefCell<Keys> = const { RefCell::new(Keys { pool: [0; 1024], at: 1024 }) };
}

/// An open WebSocket.
pub(super) struct WebSocket {
    stream: Box<dyn Stream>,
    codec: Codec,
    /// What has come and was not given out yet: the next one, and those behind it. One alone needs no memory of its own.
    next: Option<Frame>,
    inbox: VecDeque<Frame>,
    /// Masked frames on their way, the first `written` bytes of which are gone. An idle connection has none.
    out: Vec<u8>,
    written: usize,
    ended: Option<Cause>,
}

impl WebSocket {
    /// Asks for one.
    pub(super) async fn open(http: &Http, query: String) -> Result<Self, Failure> {
        let wrong = |why: &str| Failure::transport(Transport::WebSocket, why);
        let mut key = [0; 16];
        fill(&mut key);
        let key = STANDARD.encode(key);
        let mut headers = HeaderMap::new();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_str(&key).map_err(|_| wrong("no key"))?);
        let offered = http.protocols();
        if !offered.is_empty() {
            let offer = HeaderValue::from_str(&offered.join(", ")).map_err(|_| wrong("its sub-protocols are none"))?;
            headers.insert(SEC_WEBSOCKET_PROTOCOL, offer);
        }
        let response = http.upgrade(query, headers).await?;
        let accept = response.headers().get(SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes);
        if accept != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
            return Err(wrong("the server's Sec-WebSocket-Accept belongs to another request"));
        }
        let chosen = response.headers().get(SEC_WEBSOCKET_PROTOCOL);
        let unknown = chosen.is_some_and(|chosen| offered.iter().all(|name| name.as_bytes() != chosen.as_bytes()));
        if unknown || response.headers().contains_key(SEC_WEBSOCKET_EXTENSIONS) {
            return Err(wrong("the server agrees to an extension or protocol that was not offered"));
        }
        let upgraded = hyper::upgrade::on(response).await.map_err(|error| wrong(&error.to_string()))?;
        let socket = match upgraded.downcast::<TokioIo<Box<dyn Stream>>>() {
            Ok(parts) => {
                let mut socket = Self::new(parts.io.into_inner(), http.limits());
                socket.feed(&parts.read_buf);
                socket
            }
            Err(upgraded) => Self::new(Box::new(TokioIo::new(upgraded)), http.limits()),
        };
        Ok(socket)
    }

    fn new(stream: Box<dyn Stream>, limits: &Limits) -> Self {
        let codec = Codec::client(limits);
        Self { stream, codec, next: None, inbox: VecDeque::new(), out: Vec::new(), written: 0, ended: None }
    }

    /// Queues an item; [`Self::poll`] writes it.
    pub(super) fn push(&mut self, item: &Item) {
        mask::write_item(self.buffer(), item, key);
    }

    pub(super) fn push_packet(&mut self, packet: &Packet) {
        mask::write_packet(self.buffer(), packet, key);
    }

    fn buffer(&mut self) -> &mut Vec<u8> {
        if self.out.capacity() == 0 {
            self.out = SPARE.take();
        }
        &mut self.out
    }

    /// Bytes that wait.
    pub(super) fn buffered(&self) -> usize {
        self.out.len() - self.written
    }

    /// Writes what waits, and gives the next message or how it ended.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Frame, Cause>> {
        if let Poll::Ready(Err(error)) = self.poll_write(context) {
            self.ended.get_or_insert_with(|| Cause::Error(error.to_string().into()));
        }
        loop {
            if let Some(frame) = self.next.take() {
                self.next = self.inbox.pop_front();
                if self.next.is_none() && self.inbox.capacity() > 0 {
                    self.inbox = VecDeque::new();
                }
                return Poll::Ready(Ok(frame));
            }
            if let Some(cause) = &self.ended {
                return Poll::Ready(Err(cause.clone()));
            }
            let had = self.buffered();
            if self.poll_read(context).is_pending() {
                return Poll::Pending;
            }
            // A pong, say.
            if self.buffered() > had {
                let _ = self.poll_write(context);
            }
        }
    }

    /// Sends what waits, a close frame, and sees the connection off.
    pub(super) async fn finish(mut self, discard: bool) {
        if discard {
            // A frame that was begun must be ended, or the close frame would be taken for a part of it.
            if self.written == 0 {
                self.out.clear();
            }
        }
        mask::write(&mut self.out, mask::CLOSE, &[], key());
        let Self { mut stream, out, written, .. } = self;
        let goodbye = async {
            stream.write_all(&out[written..]).await?;
            stream.flush().await?;
            stream.shutdown().await?;
            let mut sink = [0; 1024];
            while stream.read(&mut sink).await? > 0 {}
            Ok::<_, io::Error>(())
        };
        // Whether the server hears it is the server's affair.
        let _ = tokio::time::timeout(LINGER, goodbye).await;
    }

    pub(super) fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.out.len() {
            match Pin::new(&mut self.stream).poll_write(context, &self.out[self.written..]) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => self.written += count,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    // What is gone must not pile up under a writer that never quite catches up.
                    if self.written >= READ_BUFFER {
                        self.out.drain(..self.written);
                        self.written = 0;
                    }
                    return Poll::Pending;
                }
            }
        }
        if self.out.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let mut spare = std::mem::take(&mut self.out);
        self.written = 0;
        if spare.capacity() <= READ_BUFFER {
            spare.clear();
            SPARE.set(spare);
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<()> {
        BUFFER.with_borrow_mut(|buffer| {
            let mut read = ReadBuf::new(buffer);
            match tokio::io::AsyncRead::poll_read(Pin::new(&mut self.stream), context, &mut read) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Err(error)) => {
                    self.ended = Some(Cause::Error(error.to_string().into()));
                    Poll::Ready(())
                }
                Poll::Ready(Ok(())) if read.filled().is_empty() => {
                    self.ended = Some(Cause::Closed);
                    Poll::Ready(())
                }
                Poll::Ready(Ok(())) => {
                    self.feed(read.filled());
                    Poll::Ready(())
                }
            }
        })
    }

    fn feed(&mut self, bytes: &[u8]) {
        let Self { codec, next, inbox, out, ended, .. } = self;
        let fed = codec.feed(bytes, &mut |incoming| match incoming {
            Incoming::Frame(frame) if next.is_none() => *next = Some(frame),
            Incoming::Frame(frame) => inbox.push_back(frame),
            // Both as a server would send them: header and payload, unmasked.
            Incoming::Pong(reply) => mask::write(out, mask::PONG, &reply[2..], key()),
            Incoming::Close { .. } => *ended = Some(Cause::Closed),
        });
        if let Err(fault) = fed {
            mask::write(out, mask::CLOSE, &fault.code().to_be_bytes(), key());
            *ended = Some(Cause::Error(fault.to_string().into()));
        }
    }
}

/// Random bytes for keys: one call to the system for many of them.
struct Keys {
    pool: [u8; 1024],
    at: usize,
}

fn key() -> [u8; 4] {
    KEYS.with_borrow_mut(|keys| {
        if keys.at >= keys.pool.len() {
            fill(&mut keys.pool);
            keys.at = 0;
        }
        let key = [0, 1, 2, 3].map(|index| keys.pool[keys.at + index]);
        keys.at += 4;
        key
    })
}

/// # Panics
/// If the system has no random numbers: a client without keys is a danger to others (RFC 6455, 10.3).
pub(super) fn fill(bytes: &mut [u8]) {
    #[allow(clippy::expect_used, reason = "see above")]
    getrandom::fill(bytes).expect("the operating system has no random numbers");
}
