//! The task of one WebSocket: reads it, and finishes what writers could not.
//!
//! Reads go into one buffer per thread, so an idle connection keeps none. Writers write to a plain TCP socket themselves
//! ([`outbound`](crate::outbound)); the task takes over only while the socket would block. Any other stream (TLS, a
//! connection upgraded by a foreign server) has one owner, this task, which fetches what writers left.

use std::borrow::Cow;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, Read as _};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use ferrio_protocol::Cause;
use ferrio_protocol::engine::Frame;
use smallvec::SmallVec;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, Interest, ReadBuf};
use tokio::net::TcpStream;

use crate::connection::Connection;
use crate::hub::Hub;
use crate::lane::{OwnWire, Wire, WireId, failed};
use crate::net::listener::give_up_after;
use crate::net::websocket::{Codec, Incoming};
use crate::net::{Link, Socket, Stream};
use crate::outbound::Outbound;
use crate::turn::Turn;

/// The read buffer of a thread: large messages come in few system calls.
const READ_BUFFER: usize = 64 << 10;

/// Time for the peer to answer our close frame before the connection is cut.
const LINGER: Duration = Duration::from_secs(2);

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BUFFER].into_boxed_slice());
}

/// Lends the read buffer of this thread.
pub(crate) fn with_read_buffer<T>(read: impl FnOnce(&mut [u8]) -> T) -> T {
    BUFFER.with_borrow_mut(|buffer| read(buffer))
}

/// Starts the task of a WebSocket. `join` says which connection it belongs to, or gives the wire back: then the peer gets
/// a close frame and nothing else.
pub(crate) fn start(hub: &Hub, id: WireId, link: Link, join: impl FnOnce(Wire) -> Result<Arc<Connection>, Wire>) {
    let _context = hub.runtime.enter();
    let codec = hub.with_limits(Codec::new);
    let Link { socket, read, held } = link;
    match socket {
        Socket::Tcp(tcp) => {
            let _ = tcp.set_nodelay(true);
            give_up_after(&tcp, hub.write_timeout());
            let wire = Arc::new(OwnWire::new(Some(tcp)));
            match join(Wire::Own(Arc::clone(&wire))) {
                Ok(connection) => {
                    let task = Task { connection, wire, id, codec };
                    tokio::spawn(async move {
                        task.run_tcp(read).await;
                        drop(held);
                    });
                }
                Err(refused) => {
                    refused.retire();
                    tokio::spawn(async move {
                        wire.say_goodbye_tcp().await;
                        drop(held);
                    });
                }
            }
        }
        Socket::Host { link, raw, feed } => match join(Wire::Host { link, raw, in_flight: 0 }) {
            Ok(connection) => feed.begin(connection, id, codec, &read),
            Err(refused) => refused.retire(),
        },
        Socket::Stream(mut stream) => {
            let wire = Arc::new(OwnWire::new(None));
            match join(Wire::Own(Arc::clone(&wire))) {
                Ok(connection) => {
                    let task = Task { connection, wire, id, codec };
                    tokio::spawn(task.run_stream(stream, read));
                }
                Err(refused) => {
                    refused.retire();
                    tokio::spawn(async move { wire.say_goodbye_stream(&mut stream).await });
                }
            }
        }
    }
}

struct Task {
    connection: Arc<Connection>,
    wire: Arc<OwnWire>,
    id: WireId,
    codec: Codec,
}

/// How a read ended.
pub(crate) enum Read {
    /// There may be more.
    Open,
    /// The peer closed, or broke the WebSocket protocol. A connection that was reset has closed, as the originals have it:
    /// whether a FIN or an RST comes depends on what its kernel had not delivered when the peer left.
    Ended(Cause),
}

impl Task {
    async fn run_tcp(mut self, read: Bytes) {
        let mut ended = self.feed_first(read);
        let wire = Arc::clone(&self.wire);
        let Some(tcp) = &wire.tcp else { return };
        while !wire.is_retired() {
            if let Some(cause) = ended.take() {
                // Retires the wire.
                self.connection.wire_closed(self.id, cause);
                continue;
            }
            let blocked = self.connection.with_outbound(|outbound| outbound.is_blocked(self.id));
            tokio::select! {
                () = wire.wake.notified() => {}
                _ = tcp.writable(), if blocked => {
                    self.connection.with_outbound(|outbound| outbound.writable(self.id, 0));
                    self.connection.flush();
                }
                _ = ready_to_read(&self.connection, tcp) => {
                    if let Read::Ended(cause) = self.read_tcp(tcp) {
                        ended = Some(cause);
                    }
                }
            }
        }
        // Boxed: an idle connection's task should not hold the room that its end needs.
        Box::pin(wire.say_goodbye_tcp()).await;
    }

    /// One read, and all that comes of it.
    fn read_tcp(&mut self, tcp: &TcpStream) -> Read {
        if self.connection.is_held() {
            // Since the wait for this read began.
            return Read::Open;
        }
        let _turn = Turn::enter();
        BUFFER.with_borrow_mut(|buffer| {
            let mut read = Ok(0);
            // A short read says that the socket is empty: told as "would block", it saves the read that would find out.
            let tried = tcp.try_io(Interest::READABLE, || {
                read = (&*SockRef::from(tcp)).read(buffer);
                match &read {
                    Ok(count) if *count < buffer.len() && *count > 0 => Err(io::ErrorKind::WouldBlock.into()),
                    Ok(_) => Ok(()),
                    Err(error) => Err(error.kind().into()),
                }
            });
            match (read, tried) {
                (Ok(0), Ok(())) => Read::Ended(Cause::Closed),
                (Ok(0), Err(_)) => Read::Open,
                (Ok(count), _) => self.feed(&buffer[..count]),
                (Err(error), _) if error.kind() == io::ErrorKind::WouldBlock => Read::Open,
                (Err(error), _) => Read::Ended(failed_read(&error)),
            }
        })
    }

    async fn run_stream(mut self, mut stream: Box<dyn Stream>, read: Bytes) {
        let mut ended = self.feed_first(read);
        let wire = Arc::clone(&self.wire);
        while !wire.is_retired() {
            if let Some(cause) = ended.take() {
                self.connection.wire_closed(self.id, cause);
                continue;
            }
            tokio::select! {
                () = wire.wake.notified() => {
                    if let Err(error) = self.write_fetched(&mut stream).await {
                        ended = Some(failed(&error));
                    }
                }
                read = self.read_stream(&mut stream) => {
                    if let Read::Ended(cause) = read {
                        ended = Some(cause);
                    }
                }
            }
        }
        Box::pin(wire.say_goodbye_stream(&mut stream)).await;
    }

    async fn write_fetched(&self, stream: &mut Box<dyn Stream>) -> io::Result<()> {
        loop {
            let pending = self.connection.with_outbound(|outbound| outbound.fetch(self.id));
            if pending.is_empty() {
                return Ok(());
            }
            for mut bytes in pending {
                // As `write_all`, but a large message on a slow line is seen to move.
                while stream.write_buf(&mut bytes).await? > 0 {
                    self.connection.with_outbound(Outbound::progressed);
                }
                if !bytes.is_empty() {
                    return Err(io::ErrorKind::WriteZero.into());
                }
            }
            stream.flush().await?;
            self.connection.with_outbound(|outbound| outbound.fetched(self.id));
            self.connection.flush();
        }
    }

    async fn read_stream(&mut self, stream: &mut Box<dyn Stream>) -> Read {
        self.connection.hub().until_ready(&self.connection).await;
        let task = self;
        poll_fn(move |context| {
            if task.connection.is_held() {
                return Poll::Ready(Read::Open);
            }
            let _turn = Turn::enter();
            BUFFER.with_borrow_mut(|buffer| {
                let mut read = ReadBuf::new(buffer);
                match Pin::new(&mut *stream).poll_read(context, &mut read) {
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(Err(error)) => Poll::Ready(Read::Ended(failed_read(&error))),
                    Poll::Ready(Ok(())) if read.filled().is_empty() => Poll::Ready(Read::Ended(Cause::Closed)),
                    Poll::Ready(Ok(())) => {
                        let count = read.filled().len();
                        Poll::Ready(task.feed(&buffer[..count]))
                    }
                }
            })
        })
        .await
    }

    /// Bytes that came with the request. Taken by value: however few they are, they hold the whole read buffer of the
    /// HTTP connection.
    fn feed_first(&mut self, read: Bytes) -> Option<Cause> {
        if read.is_empty() {
            return None;
        }
        let _turn = Turn::enter();
        match self.feed(&read) {
            Read::Open => None,
            Read::Ended(cause) => Some(cause),
        }
    }

    fn feed(&mut self, bytes: &[u8]) -> Read {
        feed(&mut self.codec, &self.connection, self.id, bytes)
    }
}

/// Whoever is not there any more has closed, but for the peer that the kernel has given up.
fn failed_read(error: &io::Error) -> Cause {
    match failed(error) {
        cause @ Cause::Slow(_) => cause,
        Cause::Closed | Cause::Error(_) => Cause::Closed,
    }
}

/// Feeds bytes of a WebSocket to its connection: ours, or a host's.
pub(crate) fn feed(codec: &mut Codec, connection: &Arc<Connection>, id: WireId, bytes: &[u8]) -> Read {
    let mut frames: SmallVec<[Frame; 16]> = SmallVec::new();
    let mut pong = None;
    let mut closed = None;
    let fed = codec.feed(bytes, &mut |incoming| match incoming {
        Incoming::Frame(frame) => frames.push(frame),
        Incoming::Pong(reply) => pong = Some(reply),
        Incoming::Close { reply, .. } => closed = Some(reply),
    });
    if !frames.is_empty() {
        connection.frames(frames.into_iter());
    }
    if let Some(reply) = pong {
        connection.push_raw(id, reply, false);
    }
    if let Err(fault) = fed {
        connection.count(&fault);
        connection.push_raw(id, fault.close_frame(), true);
        return Read::Ended(Cause::Error(Cow::Owned(fault.to_string())));
    }
    match closed {
        Some(reply) => {
            connection.push_raw(id, reply, true);
            Read::Ended(Cause::Closed)
        }
        None => Read::Open,
    }
}

/// The application takes events, and the socket has some.
async fn ready_to_read(connection: &Connection, tcp: &TcpStream) -> io::Result<()> {
    connection.hub().until_ready(connection).await;
    tcp.readable().await
}

impl OwnWire {
    /// The last bytes, a close frame among them; then the peer may answer, and that is it.
    async fn say_goodbye_tcp(&self) {
        let Some(tcp) = &self.tcp else { return };
        let rest = self.take_rest();
        let goodbye = async {
            for bytes in rest {
                let mut at = 0;
                while at < bytes.len() {
                    tcp.writable().await?;
                    match tcp.try_write(&bytes[at..]) {
                        Ok(count) => at += count,
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(error) => return Err(error),
                    }
                }
            }
            SockRef::from(tcp).shutdown(Shutdown::Write)?;
            // An unread byte in the socket would turn our close into a reset, which overtakes the close frame.
            let mut sink = [0; 1024];
            loop {
                tcp.readable().await?;
                match tcp.try_read(&mut sink) {
                    Ok(0) => return Ok(()),
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
        };
        // Whether the peer hears it is the peer's affair.
        let _ = tokio::time::timeout(LINGER, goodbye).await;
    }

    async fn say_goodbye_stream(&self, stream: &mut Box<dyn Stream>) {
        let rest = self.take_rest();
        let goodbye = async {
            for bytes in rest {
                stream.write_all(&bytes).await?;
            }
            stream.shutdown().await?;
            let mut sink = [0; 1024];
            while stream.read(&mut sink).await? > 0 {}
            Ok::<_, io::Error>(())
        };
        let _ = tokio::time::timeout(LINGER, goodbye).await;
    }
}
