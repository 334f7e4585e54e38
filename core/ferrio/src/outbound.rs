//! What waits to be sent to one peer, and the transport it waits for.
//!
//! Any thread may push and flush; nobody waits for a socket here. A flush writes straight to the socket when nothing older
//! is stuck, and wakes the connection's own task only when the socket would block.

use std::collections::VecDeque;
use std::mem;
use std::time::Instant;

use bytes::Bytes;
use ferrio_protocol::Cause;
use ferrio_protocol::engine::{self, Revision};
use ferrio_protocol::message::Item;

use crate::config::{Config, SlowConsumer};
use crate::lane::{Lane, Wire, WireId};

/// The outbound side of a connection. A leaf: it knows no session and no socket.
pub(crate) struct Outbound {
    revision: Revision,
    base64: bool,
    bounds: Bounds,
    queue: VecDeque<Item>,
    /// Bytes in `queue`.
    queued: usize,
    /// There may be volatile items in it.
    has_volatile: bool,
    main: Main,
    candidate: Option<Lane>,
    /// How the main transport ends once the queue is out.
    end: Option<End>,
    /// Noted in a turn: somebody will flush.
    noted: bool,
    /// Above the high mark since, until it falls below half of it.
    slow: bool,
    /// The queue hit the hard limit.
    overflowed: bool,
    /// Something waits, and since then nothing has left.
    stuck: Option<Instant>,
    /// Somebody will look whether it still does.
    overseen: bool,
}

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    high_mark: usize,
    hard_limit: usize,
    at_limit: SlowConsumer,
}

impl Bounds {
    pub(crate) fn of(config: &Config) -> Self {
        Self { high_mark: config.high_mark, hard_limit: config.hard_limit, at_limit: config.slow_consumer }
    }
}

/// The last word.
struct End {
    packet: engine::Packet,
    /// No GET waited for it alone when the end was decided: the one that comes for it gets a noop first, as the reference does.
    late: bool,
}

enum Main {
    /// Long-polling, with the GET that waits.
    Polling(Option<Waiting>),
    WebSocket(Lane),
    /// Ended: what is pushed is dropped.
    Closed,
}

/// A GET that waits for packets.
pub(crate) struct Waiting {
    /// Tells this GET from others when its client goes away.
    pub(crate) ticket: u64,
    /// Answers it.
    pub(crate) answer: Box<dyn FnOnce(Vec<engine::Packet>, bool) + Send>,
}

/// What is left to do after a flush, once the lock is released.
#[derive(Default)]
pub(crate) struct Flushed {
    pub(crate) poll: Option<Poll>,
    /// The connection has caught up.
    pub(crate) drained: bool,
    /// The main transport has ended as [`Outbound::finish`] asked.
    pub(crate) ended: bool,
    /// The main transport broke.
    pub(crate) broken: Option<Cause>,
    /// More waits than may.
    pub(crate) overflowed: bool,
    /// Something waits, and nobody looks after it yet: see [`Outbound::oversee`].
    pub(crate) stuck: bool,
}

/// A GET and what to answer it with.
pub(crate) struct Poll {
    waiting: Waiting,
    items: Vec<Item>,
    end: Option<engine::Packet>,
}

impl Poll {
    pub(crate) fn answer(self) {
        let compress = self.items.iter().any(|item| item.compress);
        let mut packets = Vec::with_capacity(self.items.len() + 1);
        for item in &self.items {
            item.packets(|packet| packets.push(packet));
        }
        packets.extend(self.end);
        // The items go after it, and with them their receipts.
        (self.waiting.answer)(packets, compress);
    }
}

impl Outbound {
    pub(crate) fn new(revision: Revision, base64: bool, bounds: Bounds) -> Self {
        Self {
            revision,
            base64,
            bounds,
            queue: VecDeque::new(),
            queued: 0,
            has_volatile: false,
            main: Main::Polling(None),
            candidate: None,
            end: None,
            noted: false,
            slow: false,
            overflowed: false,
            stuck: None,
            overseen: false,
        }
    }

    pub(crate) fn base64(&self) -> bool {
        self.base64
    }

    /// Queues an item of the application's. Returns whether the caller must see to a flush.
    pub(crate) fn push(&mut self, item: Item) -> bool {
        self.takes(&item) && self.fits(item.weight()) && self.append(item)
    }

    /// Queues an item of the session's, which the peer waits for. Returns as [`Self::push`] does.
    pub(crate) fn push_own(&mut self, item: Item) -> bool {
        self.takes(&item) && self.append(item)
    }

    /// Whether so many bytes more may wait, or shall be dropped.
    fn fits(&mut self, bytes: usize) -> bool {
        self.bounds.at_limit == SlowConsumer::Disconnect || {
            self.make_room(bytes);
            self.buffered() + bytes <= self.bounds.hard_limit
        }
    }

    /// Drops what may be dropped, if there is no room for so many bytes.
    fn make_room(&mut self, bytes: usize) {
        if self.has_volatile && self.buffered() + bytes > self.bounds.hard_limit {
            self.has_volatile = false;
            self.queue.retain(|item| !item.volatile);
            self.queued = self.queue.iter().map(Item::weight).sum();
        }
    }

    fn append(&mut self, item: Item) -> bool {
        // A poll takes the whole queue: nothing there means that everything is out. And a marker is nothing to answer one with.
        if item.is_marker() && self.queue.is_empty() && matches!(self.main, Main::Polling(_)) {
            return false;
        }
        self.make_room(item.weight());
        self.queued += item.weight();
        self.has_volatile |= item.volatile;
        self.queue.push_back(item);
        let limit = match self.bounds.at_limit {
            SlowConsumer::Disconnect => self.bounds.hard_limit,
            // What is the application's has been held back. A peer that has us answer without end is no better than others.
            SlowConsumer::Drop => self.bounds.hard_limit + OWN_ROOM,
        };
        if self.buffered() > limit {
            self.overflowed = true;
            self.discard();
        } else if self.buffered() > self.bounds.high_mark {
            self.slow = true;
        }
        !mem::replace(&mut self.noted, true)
    }

    /// Whether an item would be queued, or dropped: a volatile one is, where it would have to wait, or others wait in number.
    fn takes(&self, item: &Item) -> bool {
        let over = matches!(self.main, Main::Closed) || self.end.is_some() || self.overflowed;
        !over && (!item.volatile || (self.is_writable() && self.buffered() <= self.bounds.high_mark))
    }

    /// Queues items of the application's, all of them or none. Returns whether it did, and whether the caller must see to a
    /// flush.
    pub(crate) fn push_all(&mut self, items: &[Item]) -> (bool, bool) {
        let taken =
            items.first().is_some_and(|first| self.takes(first)) && self.fits(items.iter().map(Item::weight).sum());
        (taken, taken && items.iter().fold(false, |flush, item| self.append(item.clone()) | flush))
    }

    /// Nothing is stuck: what is pushed now leaves now.
    pub(crate) fn is_writable(&self) -> bool {
        match &self.main {
            // What is queued already takes the poll.
            Main::Polling(waiting) => waiting.is_some() && self.queue.is_empty(),
            Main::WebSocket(lane) => !lane.blocked,
            Main::Closed => false,
        }
    }

    /// Bytes that wait.
    pub(crate) fn buffered(&self) -> usize {
        self.queued
            + match &self.main {
                Main::WebSocket(lane) => lane.buffered(),
                Main::Polling(_) | Main::Closed => 0,
            }
    }

    /// The peer does not keep up, when so many bytes wait for it here and elsewhere.
    pub(crate) fn is_slow(&mut self, bytes: usize) -> bool {
        self.slow |= bytes > self.bounds.high_mark && !matches!(self.main, Main::Closed);
        self.slow
    }

    /// Still slow, with so few bytes waiting: what made it so was announced, and went when nobody had asked. A flush ends it.
    pub(crate) fn has_caught_up(&self, bytes: usize) -> bool {
        self.slow && bytes <= self.bounds.high_mark / 2
    }

    pub(crate) fn poll_waits(&self) -> bool {
        matches!(self.main, Main::Polling(Some(_)))
    }

    /// A GET waits from now on; given back if another does, or none can.
    pub(crate) fn wait(&mut self, waiting: Option<Waiting>) -> Option<Waiting> {
        match &mut self.main {
            Main::Polling(slot @ None) => {
                *slot = waiting;
                None
            }
            Main::Polling(Some(_)) | Main::WebSocket(_) | Main::Closed => waiting,
        }
    }

    /// The client of the GET with this ticket went away; false if it is not the one that waits.
    pub(crate) fn poll_gone(&mut self, ticket: u64) -> bool {
        match &mut self.main {
            Main::Polling(slot) if slot.as_ref().is_some_and(|waiting| waiting.ticket == ticket) => {
                *slot = None;
                true
            }
            Main::Polling(_) | Main::WebSocket(_) | Main::Closed => false,
        }
    }

    /// A session that begins on a WebSocket.
    pub(crate) fn open(&mut self, id: WireId, wire: Wire) {
        self.main = Main::WebSocket(Lane::new(id, wire));
    }

    /// A WebSocket opened beside polling.
    pub(crate) fn set_candidate(&mut self, id: WireId, wire: Wire) {
        self.candidate = Some(Lane::new(id, wire));
    }

    pub(crate) fn send_candidate(&mut self, packet: &engine::Packet) {
        let frame = packet.encode(self.revision, self.base64);
        if let Some(lane) = &mut self.candidate {
            lane.push_frame(frame);
            lane.flush();
        }
    }

    pub(crate) fn drop_candidate(&mut self) {
        if let Some(lane) = self.candidate.take() {
            lane.retire();
        }
    }

    /// The socket of this candidate is gone, if it is still the candidate.
    pub(crate) fn candidate_closed(&mut self, id: WireId) {
        if self.candidate.as_ref().is_some_and(|lane| lane.id == id) {
            self.drop_candidate();
        }
    }

    /// The candidate becomes the main transport. Gives back a GET that still waited.
    pub(crate) fn switch(&mut self) -> Option<Poll> {
        let lane = self.candidate.take()?;
        self.noted = true;
        match mem::replace(&mut self.main, Main::WebSocket(lane)) {
            Main::Polling(Some(waiting)) => Some(Poll { waiting, items: Vec::new(), end: Some(engine::Packet::Noop) }),
            Main::Polling(None) | Main::WebSocket(_) | Main::Closed => None,
        }
    }

    /// Ends a waiting GET at the next flush, with a noop if there is nothing else to say.
    pub(crate) fn nudge(&mut self) {
        if self.poll_waits() && self.queue.is_empty() {
            self.queued += 16;
            self.queue.push_back(Item::control(engine::Packet::Noop));
        }
    }

    /// The main transport ends when the queue is out (or now, without it).
    pub(crate) fn finish(&mut self, end: engine::Packet, discard: bool) {
        if discard {
            self.discard();
        }
        // What is queued goes first and alone: a client that finds a DISCONNECT and the end in one payload may see only the end.
        self.end = Some(End { packet: end, late: !self.poll_waits() || !self.queue.is_empty() });
    }

    /// The last words of the WebSocket that it is on by then.
    pub(crate) fn say_at_end(&mut self, frame: Bytes) {
        if let Main::WebSocket(lane) = &mut self.main {
            lane.close_frame = Some(Box::new(frame));
        }
    }

    /// Everything is over.
    pub(crate) fn close(&mut self) -> Option<Poll> {
        self.drop_candidate();
        self.discard();
        match mem::replace(&mut self.main, Main::Closed) {
            Main::Polling(Some(waiting)) => {
                Some(Poll { waiting, items: Vec::new(), end: self.end.take().map(|end| end.packet) })
            }
            Main::WebSocket(lane) => {
                lane.retire();
                None
            }
            Main::Polling(None) | Main::Closed => None,
        }
    }

    /// Bytes past the queue: a WebSocket pong, or the answer to a close frame. A pong is for a peer that reads: one that
    /// lets its socket fill up gets none.
    pub(crate) fn push_raw(&mut self, wire: WireId, bytes: Bytes, close: bool) {
        if let Some(lane) = self.lane(wire)
            && (close || !lane.blocked)
        {
            lane.said_close |= close;
            lane.push(bytes);
            lane.flush();
        }
    }

    /// The socket of a lane takes bytes again (or a host has sent so many).
    pub(crate) fn writable(&mut self, wire: WireId, sent: usize) {
        if let Some(lane) = self.lane(wire) {
            let before = lane.buffered();
            lane.writable(sent);
            lane.flush();
            if lane.buffered() < before {
                self.progressed();
            }
        }
        self.noted = true;
    }

    /// A lane whose task owns the stream: what to write next.
    pub(crate) fn fetch(&mut self, wire: WireId) -> Vec<Bytes> {
        let (revision, base64) = (self.revision, self.base64);
        if let Main::WebSocket(lane) = &mut self.main
            && lane.id == wire
        {
            lane.fill(&mut self.queue, &mut self.queued, revision, base64);
        }
        match self.lane(wire) {
            Some(lane) => {
                lane.blocked = !lane.pending.is_empty();
                lane.pending.drain(..).collect()
            }
            None => Vec::new(),
        }
    }

    /// The bytes of the last [`Self::fetch`] are out.
    pub(crate) fn fetched(&mut self, wire: WireId) {
        if let Some(lane) = self.lane(wire) {
            lane.pending_bytes = lane.pending.iter().map(Bytes::len).sum();
            lane.blocked = false;
            lane.settle();
        }
        self.progressed();
        self.noted = true;
    }

    /// The lane of this wire waits for its socket.
    pub(crate) fn is_blocked(&mut self, wire: WireId) -> bool {
        self.lane(wire).is_some_and(|lane| lane.blocked)
    }

    /// Bytes of a lane have left, though not all that are pending.
    pub(crate) fn progressed(&mut self) {
        if self.stuck.is_some() {
            self.stuck = Some(Instant::now());
        }
    }

    /// Since when nothing has left of what waits. With `None` whoever looked after it need not any more: a flush will say when
    /// there is something to look after again.
    pub(crate) fn oversee(&mut self) -> Option<Instant> {
        self.overseen = self.stuck.is_some();
        self.stuck
    }

    /// Writes what can be written. `elsewhere` are bytes that wait, but not here yet.
    pub(crate) fn flush(&mut self, elsewhere: usize) -> Flushed {
        self.noted = false;
        let mut flushed = Flushed::default();
        if self.overflowed && !matches!(self.main, Main::Closed) {
            flushed.overflowed = true;
            return flushed;
        }
        let before = self.buffered();
        match &mut self.main {
            Main::Polling(waiting) => {
                if !(self.queue.is_empty() && self.end.is_none())
                    && let Some(waiting) = waiting.take()
                {
                    let mut items: Vec<_> = mem::take(&mut self.queue).into();
                    self.queued = 0;
                    self.has_volatile = false;
                    let end = match &self.end {
                        // A GET that comes for what was queued when the end was decided gets that, and the next one the end.
                        Some(End { late: true, .. }) if !items.is_empty() => None,
                        Some(End { late: true, .. }) => {
                            items.push(Item::control(engine::Packet::Noop));
                            self.end.take()
                        }
                        Some(End { late: false, .. }) | None => self.end.take(),
                    };
                    flushed.ended = end.is_some();
                    flushed.poll = Some(Poll { waiting, items, end: end.map(|end| end.packet) });
                }
            }
            Main::WebSocket(lane) => {
                loop {
                    lane.fill(&mut self.queue, &mut self.queued, self.revision, self.base64);
                    if !lane.flush() || self.queue.is_empty() {
                        break;
                    }
                }
                if let Some(error) = lane.broken.take() {
                    flushed.broken = Some(error);
                } else if self.end.is_some() && self.queue.is_empty() && lane.is_idle() {
                    self.end = None;
                    flushed.ended = true;
                }
            }
            Main::Closed => {}
        }
        // An idle connection holds no buffer.
        if self.queue.is_empty() && self.queue.capacity() > 0 {
            self.queue = VecDeque::new();
        }
        if self.slow && self.buffered() + elsewhere <= self.bounds.high_mark / 2 {
            self.slow = false;
            flushed.drained = true;
        }
        let left = self.buffered();
        if left == 0 {
            self.stuck = None;
        } else if self.stuck.is_none() || left < before {
            self.stuck = Some(Instant::now());
            flushed.stuck = !mem::replace(&mut self.overseen, true);
        }
        flushed
    }

    fn discard(&mut self) {
        self.queue = VecDeque::new();
        self.queued = 0;
        self.has_volatile = false;
    }

    fn lane(&mut self, wire: WireId) -> Option<&mut Lane> {
        let main = match &mut self.main {
            Main::WebSocket(lane) => Some(lane),
            Main::Polling(_) | Main::Closed => None,
        };
        main.into_iter().chain(&mut self.candidate).find(|lane| lane.id == wire)
    }
}

/// Bytes that may wait above the hard limit where the application's events are dropped there: what the session itself says,
/// which is some hundred bytes for each namespace.
const OWN_ROOM: usize = 256 << 10;
