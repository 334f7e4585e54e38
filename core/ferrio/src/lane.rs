//! The writing side of one WebSocket: frames towards a socket of ours, or towards a host's.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::mem;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use ferrio_protocol::engine::{Frame, Revision};
use ferrio_protocol::message::{self, Body, Item};
use ferrio_protocol::{Cause, Message};
use smallvec::SmallVec;

use crate::sync::{Mutex, Notify, TcpStream};

/// Which WebSocket of a server's life.
pub(crate) type WireId = u64;

/// The writing side of one WebSocket.
pub(crate) struct Lane {
    pub(crate) id: WireId,
    wire: Wire,
    /// Frames on their way; the first may be cut.
    pub(crate) pending: VecDeque<Bytes>,
    pub(crate) pending_bytes: usize,
    /// Wait for [`Outbound::writable`].
    pub(crate) blocked: bool,
    pub(crate) said_close: bool,
    /// Instead of one without a code.
    pub(crate) close_frame: Option<Box<Bytes>>,
    pub(crate) broken: Option<Cause>,
    /// Messages in `pending` (or fetched by the task) that somebody wants to know of when they are out.
    awaited: Vec<Arc<Message>>,
}

/// Where a lane's bytes go.
pub(crate) enum Wire {
    /// A socket of ours.
    Own(Arc<OwnWire>),
    /// A socket of the host's.
    Host { link: Box<dyn HostLink>, raw: bool, in_flight: usize },
}

/// Shared between the writers of a lane and the task that reads its socket.
pub(crate) struct OwnWire {
    /// Written to directly; `None` where the task owns the stream (TLS) and fetches what is pending.
    pub(crate) tcp: Option<TcpStream>,
    /// The task has something to do: blocked, or retired.
    pub(crate) wake: Notify,
    /// The lane is over: last bytes, then close.
    pub(crate) retired: Mutex<Option<Vec<Bytes>>>,
}

impl OwnWire {
    pub(crate) fn new(tcp: Option<TcpStream>) -> Self {
        Self { tcp, wake: Notify::new(), retired: Mutex::new(None) }
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired.lock().is_some()
    }

    /// The last bytes.
    pub(crate) fn take_rest(&self) -> Vec<Bytes> {
        self.retired.lock().as_mut().map(mem::take).unwrap_or_default()
    }
}

impl Wire {
    /// Says goodbye on a WebSocket that no connection wants.
    pub(crate) fn retire(self) {
        Lane::new(0, self).retire();
    }
}

/// A WebSocket that a host language carries. Called with locks held: it may only queue.
pub trait HostLink: Send + Sync {
    /// Sends bytes of the stream (raw links).
    fn write_bytes(&mut self, bytes: Vec<Bytes>);
    /// Sends messages (framed links).
    fn write_frames(&mut self, frames: Vec<Frame>);
    /// Nothing follows.
    fn close(&mut self);
}

impl Lane {
    pub(crate) fn new(id: WireId, wire: Wire) -> Self {
        Self {
            id,
            wire,
            pending: VecDeque::new(),
            pending_bytes: 0,
            blocked: false,
            said_close: false,
            close_frame: None,
            broken: None,
            awaited: Vec::new(),
        }
    }

    /// Everything pushed is out.
    pub(crate) fn is_idle(&self) -> bool {
        self.pending.is_empty() && !self.blocked
    }

    pub(crate) fn buffered(&self) -> usize {
        self.pending_bytes
            + match &self.wire {
                Wire::Own(_) => 0,
                Wire::Host { in_flight, .. } => *in_flight,
            }
    }

    pub(crate) fn push(&mut self, bytes: Bytes) {
        // An empty attachment is a header and nothing else; writing nothing would look like a socket that takes nothing.
        if bytes.is_empty() {
            return;
        }
        self.pending_bytes += bytes.len();
        self.pending.push_back(bytes);
    }

    pub(crate) fn push_frame(&mut self, frame: Frame) {
        match &mut self.wire {
            Wire::Host { link, raw: false, in_flight } => {
                *in_flight += frame.len();
                link.write_frames(vec![frame]);
            }
            Wire::Own(_) | Wire::Host { .. } => self.push(message::frame(&frame)),
        }
    }

    /// Moves items from the queue towards the socket, a gathered write's worth.
    pub(crate) fn fill(&mut self, queue: &mut VecDeque<Item>, queued: &mut usize, revision: Revision, base64: bool) {
        if self.blocked {
            return;
        }
        if let Wire::Host { link, raw: false, in_flight } = &mut self.wire {
            let mut frames = Vec::new();
            while *in_flight < HOST_WINDOW
                && let Some(item) = queue.pop_front()
            {
                *queued -= item.weight();
                item.packets(|packet| {
                    let frame = packet.encode(revision, base64);
                    *in_flight += frame.len();
                    frames.push(frame);
                });
            }
            self.blocked = *in_flight >= HOST_WINDOW;
            if !frames.is_empty() {
                link.write_frames(frames);
            }
            return;
        }
        if queue.len() > 1 {
            self.pending.reserve(queue.len().min(GATHER));
        }
        while self.pending.len() < GATHER
            && let Some(item) = queue.pop_front()
        {
            *queued -= item.weight();
            match item.body {
                Body::Control(packet) => self.push(message::frame(&packet.encode(revision, base64))),
                Body::Message(message) => {
                    message.frames(revision, base64, |bytes| self.push(bytes));
                    if message.has_receipt() {
                        self.awaited.push(message);
                    }
                }
            }
        }
    }

    /// Writes what is pending. False if the rest must wait (or never will go).
    pub(crate) fn flush(&mut self) -> bool {
        if self.blocked {
            return false;
        }
        match &mut self.wire {
            Wire::Own(own) => match &own.tcp {
                Some(tcp) => match write(tcp, &mut self.pending, &mut self.pending_bytes) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.blocked = true;
                        own.wake.notify_one();
                    }
                    Err(error) => {
                        self.blocked = true;
                        self.broken = Some(failed(&error));
                    }
                },
                // The task fetches it; more may be pushed meanwhile.
                None if self.pending.is_empty() => {}
                None => {
                    own.wake.notify_one();
                    return false;
                }
            },
            Wire::Host { link, in_flight, .. } => {
                if !self.pending.is_empty() {
                    *in_flight += mem::take(&mut self.pending_bytes);
                    link.write_bytes(self.pending.drain(..).collect());
                }
                self.blocked = *in_flight >= HOST_WINDOW;
            }
        }
        if self.pending.is_empty() && self.pending.capacity() > GATHER * 2 {
            self.pending = VecDeque::new();
        }
        if self.pending.is_empty() {
            self.settle();
        }
        !self.blocked
    }

    /// What was to be sent is out: whoever wants to know of it hears so.
    pub(crate) fn settle(&mut self) {
        if !self.awaited.is_empty() {
            self.awaited = Vec::new();
        }
    }

    pub(crate) fn writable(&mut self, sent: usize) {
        match &mut self.wire {
            Wire::Own(_) => self.blocked = false,
            Wire::Host { in_flight, .. } => {
                *in_flight = in_flight.saturating_sub(sent);
                self.blocked = *in_flight >= HOST_WINDOW;
            }
        }
    }

    /// No more comes: what is pending, a close frame, the end.
    pub(crate) fn retire(mut self) {
        if !self.said_close {
            let frame = self.close_frame.take().map_or(CLOSE_FRAME, |frame| *frame);
            self.push(frame);
        }
        let rest: Vec<_> = self.pending.drain(..).collect();
        match self.wire {
            Wire::Own(own) => {
                *own.retired.lock() = Some(rest);
                own.wake.notify_one();
            }
            Wire::Host { mut link, raw, .. } => {
                if raw {
                    link.write_bytes(rest);
                }
                link.close();
            }
        }
    }
}

thread_local! {
    /// Where a thread puts small frames together.
    static TOGETHER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Writes until all is out.
fn write(tcp: &TcpStream, pending: &mut VecDeque<Bytes>, bytes: &mut usize) -> io::Result<()> {
    while !pending.is_empty() {
        let mut written = if pending.len() == 1 {
            tcp.try_write(&pending[0])?
        } else if *bytes <= COPIED {
            TOGETHER.with_borrow_mut(|together| {
                together.clear();
                pending.iter().for_each(|bytes| together.extend_from_slice(bytes));
                tcp.try_write(together)
            })?
        } else {
            let slices: SmallVec<[IoSlice<'_>; GATHER]> =
                pending.iter().take(GATHER).map(|bytes| IoSlice::new(bytes)).collect();
            tcp.try_write_vectored(&slices)?
        };
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        *bytes -= written;
        while written > 0
            && let Some(first) = pending.front_mut()
        {
            if written < first.len() {
                first.advance(written);
                break;
            }
            written -= first.len();
            pending.pop_front();
        }
    }
    // An idle connection holds no buffer.
    *pending = VecDeque::new();
    Ok(())
}

/// How a connection of ours has ended that failed so. The kernel gives up one whose peer takes nothing
/// ([`give_up_after`](crate::net::listener::give_up_after)).
pub(crate) fn failed(error: &io::Error) -> Cause {
    if error.kind() == io::ErrorKind::TimedOut {
        Cause::Slow("what was sent was not acknowledged in time".into())
    } else {
        Cause::Error(error.to_string().into())
    }
}

/// Most buffers in one gathered write: what the kernel takes at once is 1024, beyond 64 nothing is gained.
const GATHER: usize = 64;

/// So many bytes of several frames are copied rather than gathered: the kernel takes longer over a list of small buffers than
/// we over putting them in a row.
const COPIED: usize = 8 << 10;

/// A close frame without a code, as the reference sends it.
const CLOSE_FRAME: Bytes = Bytes::from_static(&[0x88, 0x00]);

/// Bytes that a host may hold for one of its links before we keep the rest ourselves.
const HOST_WINDOW: usize = 256 << 10;
