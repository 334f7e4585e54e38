//! What the I/O threads do for the host: one queue, worked off in order by one task.
//!
//! A batch is carried out inside one turn, so everything it sends to one connection leaves in one write. The task is woken
//! once per batch, and not at all while it is still busy with the one before.
//!
//! While all I/O threads sleep, the host's thread carries out a few small sends itself: waking a thread for them costs more
//! than they do.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ferrio::Drain;
use ferrio::ack::{AckError, Ask, Gathered};
use ferrio::backlog::Announced;
use ferrio::config::Config;
use ferrio::connection::Connection;
use ferrio::hub::Hub;
use ferrio::namespace::{Namespace, Receivers};
use ferrio::net::listener::Listening;
use ferrio::socket::{Flags, Socket};
use ferrio::turn::Turn;
use ferrio_protocol::engine::Frame;
use ferrio_protocol::message::Item;
use ferrio_protocol::socket::Payload;
use ferrio_protocol::{Message, Text};
use parking_lot::Mutex;
use smallvec::SmallVec;
use tokio::sync::Notify;

use crate::carrier::{self, Order};
use crate::client::{self, Call};
use crate::command::AckRequest;
use crate::event::{AckEnd, Event};
use crate::ids::{AckId, ConnId};
use crate::lifecycle::Phase;
use crate::runtime;
use crate::shared::{Shared, socket_id};

/// A command whose receivers have been chosen.
pub(crate) enum Work {
    Welcome(Socket),
    Reject(Socket, Text),
    Send {
        socket: Socket,
        payload: Payload,
        flags: Flags,
        ack: Option<AckRequest>,
        announced: Announced,
    },
    Broadcast {
        to: Arc<Namespace>,
        receivers: Receivers,
        payload: Payload,
        flags: Flags,
        ack: Option<AckRequest>,
    },
    /// An emit with ack to nobody.
    Unheard(AckId, AckEnd),
    Ack {
        socket: Socket,
        id: u64,
        payload: Payload,
        announced: Announced,
    },
    Disconnect {
        socket: Socket,
        close: bool,
    },
    /// The connections are looked up by the worker: there may be many.
    Write {
        conns: Vec<ConnId>,
        data: Vec<Frame>,
        flags: Flags,
        receipt: Option<u32>,
        announced: Option<Announced>,
    },
    Watch {
        conn: Arc<Connection>,
        on: bool,
    },
    Hold {
        conn: Arc<Connection>,
        on: bool,
    },
    Close {
        conn: Arc<Connection>,
        discard: bool,
    },
    Configure(Box<Config>),
    /// To do with a request or a link of the host's.
    Carry(Order),
    /// To do with a connection to somebody else's server.
    Call(Call),
    /// The first phase of closing.
    ShutDown(Vec<Listening>),
    /// That, once everybody has been sent away in order. The ports are asked for then: more may come.
    Drain(Drain, Box<dyn FnOnce() -> Vec<Listening> + Send>),
}

impl Work {
    /// The bytes it sends to one peer; `None` if it is anything else, or may take long.
    fn sends(&self) -> Option<usize> {
        match self {
            Self::Send { payload, ack: None, .. } | Self::Ack { payload, .. } => Some(payload.size()),
            _ => None,
        }
    }
}

/// What waits to be done.
#[derive(Default)]
pub(crate) struct Queue {
    pending: Mutex<Pending>,
    filled: Notify,
}

#[derive(Default)]
struct Pending {
    waiting: Vec<Work>,
    /// Who carries out what was taken from `waiting`: nobody else may before it is done, or one message would overtake another.
    busy: Option<Hand>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Hand {
    Worker,
    Host,
}

impl Queue {
    /// Adds work at the end.
    pub(crate) fn append(&self, mut batch: Vec<Work>) {
        if batch.is_empty() {
            return;
        }
        let mut pending = self.pending.lock();
        let wake = pending.waiting.is_empty();
        if wake {
            mem::swap(&mut pending.waiting, &mut batch);
        } else {
            pending.waiting.append(&mut batch);
        }
        drop(pending);
        if wake {
            self.filled.notify_one();
        }
    }

    async fn next(&self) -> Vec<Work> {
        loop {
            {
                let mut pending = self.pending.lock();
                if pending.busy != Some(Hand::Host) {
                    let batch = mem::take(&mut pending.waiting);
                    pending.busy = (!batch.is_empty()).then_some(Hand::Worker);
                    if !batch.is_empty() {
                        return batch;
                    }
                }
            }
            self.filled.notified().await;
        }
    }

    /// Lets the calling thread carry out work of its own, if nothing is before it.
    pub(crate) fn claim(&self) -> Option<Claim<'_>> {
        let mut pending = self.pending.lock();
        let free = pending.busy.is_none() && pending.waiting.is_empty();
        free.then(|| {
            pending.busy = Some(Hand::Host);
            Claim(self)
        })
    }
}

/// The host carries out work; until this is dropped, what comes meanwhile waits.
pub(crate) struct Claim<'a>(&'a Queue);

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut pending = self.0.pending.lock();
        pending.busy = None;
        let wake = !pending.waiting.is_empty();
        drop(pending);
        if wake {
            self.0.filled.notify_one();
        }
    }
}

/// Whether a batch is so little that the host's thread may carry it out: a few short sends.
pub(crate) fn is_little(batch: &[Work]) -> bool {
    let bytes = || batch.iter().try_fold(0, |bytes, work| Some(bytes + work.sends()?));
    (1..=LITTLE_WORKS).contains(&batch.len()) && bytes().is_some_and(|bytes| bytes <= LITTLE_BYTES)
}

/// Who does it.
#[derive(Clone)]
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) hub: Hub,
}

impl Worker {
    /// Works until the runtime ends.
    pub(crate) async fn run(self, queue: Arc<Queue>) {
        loop {
            let batch = queue.next().await;
            self.carry_out(batch);
            // A host that submits without end must not keep the sockets from being read.
            tokio::task::consume_budget().await;
        }
    }

    pub(crate) fn carry_out(&self, batch: Vec<Work>) {
        let mut turn = Turn::enter();
        for work in batch {
            if let Work::ShutDown(listening) = work {
                // What was sent before goes out before.
                drop(turn);
                self.shut_down(listening);
                turn = Turn::enter();
                continue;
            }
            // A fault of ours costs one command, not the engine.
            if catch_unwind(AssertUnwindSafe(|| self.carry_out_one(work))).is_err() {
                tracing::error!("a command of the host's panicked");
            }
        }
        drop(turn);
    }

    fn carry_out_one(&self, work: Work) {
        match work {
            Work::Welcome(socket) => {
                socket.welcome();
            }
            Work::Reject(socket, data) => socket.reject(data),
            Work::Send { socket, payload, flags, ack, announced: _announced } => match ack {
                None => socket.emit(payload, flags),
                Some(ack) => self.ask(&socket, payload, flags, ack),
            },
            Work::Broadcast { to, receivers, payload, flags, ack } => {
                // It may take long: the host should not have to wait for what happened before.
                if runtime::settle() {
                    self.shared.mailbox.end_turn();
                }
                match ack {
                    None => self.hub.broadcast(&to, &receivers, payload, flags),
                    Some(ack) => self.ask_all(&to, &receivers, payload, flags, ack),
                }
            }
            Work::Unheard(ack, end) => self.shared.post(Event::AckEnd { ack, end, expected: 0, received: 0 }),
            Work::Ack { socket, id, payload, announced: _announced } => socket.ack(id, payload),
            Work::Disconnect { socket, close } => socket.disconnect(close),
            Work::Write { conns, data, flags, receipt, announced: _announced } => {
                self.write(&conns, data, flags, receipt);
            }
            Work::Watch { conn, on } => conn.watch(on),
            Work::Hold { conn, on } => conn.hold(on),
            Work::Configure(config) => self.hub.configure(*config),
            Work::Close { conn, discard } => conn.close(discard),
            Work::Carry(order) => carrier::carry_out(self, order),
            Work::Call(call) => client::carry_out(&self.shared, call),
            Work::Drain(how, ports) => self.drain(how, ports),
            Work::ShutDown(_) => {}
        }
    }

    fn write(&self, conns: &[ConnId], data: Vec<Frame>, flags: Flags, receipt: Option<u32>) {
        let mut messages = Message::raw(data);
        let receipt = receipt.map(|number| Receipt { shared: Arc::clone(&self.shared), number });
        if let Some(receipt) = receipt {
            let receipt = Box::new(receipt);
            let last = match messages.pop() {
                Some(last) => last.with_receipt(receipt),
                None => Message::marker(receipt),
            };
            messages.push(last);
        }
        let items: SmallVec<[Item; 1]> = messages.into_iter().map(|message| flags.item(message)).collect();
        let receivers: SmallVec<[Arc<Connection>; 1]> = {
            let table = self.shared.conns.lock();
            conns.iter().filter_map(|conn| table.get(*conn).cloned()).collect()
        };
        for connection in receivers {
            connection.write(&items);
        }
    }

    fn ask(&self, socket: &Socket, payload: Payload, flags: Flags, ack: AckRequest) {
        let awaited = Awaited::new(&self.shared, ack.ack, 1);
        let asked = socket_id(socket);
        let on_ack = Box::new(move |answer| match answer {
            Ok(payload) => {
                awaited.answered();
                awaited.shared.post(Event::Ack { ack: awaited.ack, socket: asked, payload });
                awaited.over();
            }
            Err(AckError::Timeout) => awaited.end(AckEnd::TimedOut),
            Err(AckError::Disconnected) => awaited.end(AckEnd::Disconnected),
        });
        socket.emit_with_ack(payload, flags, ack.timeout, on_ack);
    }

    fn ask_all(&self, to: &Namespace, receivers: &Receivers, payload: Payload, flags: Flags, ack: AckRequest) {
        let mut expected = 0;
        receivers.for_each(|_| expected += 1);
        let awaited = Arc::new(Awaited::new(&self.shared, ack.ack, expected));
        let each = Arc::clone(&awaited);
        let on_each = Box::new(move |socket: &Socket, payload| {
            each.answered();
            each.shared.post(Event::Ack { ack: each.ack, socket: socket_id(socket), payload });
        });
        let on_end = Box::new(move |gathered: Gathered| {
            awaited.expected.store(gathered.expected, Ordering::Relaxed);
            awaited.end(match gathered {
                Gathered { timed_out: true, .. } => AckEnd::TimedOut,
                Gathered { expected, received, .. } if received < expected => AckEnd::Disconnected,
                Gathered { .. } => AckEnd::Complete,
            });
        });
        self.hub.broadcast_with_ack(to, receivers, payload, flags, Ask { timeout: ack.timeout, on_each, on_end });
    }

    /// Sends everybody away in order, then closes, unless the host does before.
    fn drain(&self, how: Drain, ports: Box<dyn FnOnce() -> Vec<Listening> + Send>) {
        let worker = self.clone();
        tokio::spawn(async move {
            worker.hub.drain(&how).await;
            if worker.shared.life.step_to(Phase::Closing) {
                worker.shut_down(ports());
            }
        });
    }

    /// The first phase of closing, as far as it goes at once. The second comes when nothing is left, or with the time limit.
    fn shut_down(&self, listening: Vec<Listening>) {
        let ports: Vec<_> = listening.into_iter().map(|port| tokio::spawn(port.stop(PORT_LIMIT))).collect();
        self.shared.life.step_to(Phase::Refusing);
        self.hub.close();
        // Bodies that are not whole never will be. Their requests are answered by this.
        drop(self.shared.requests.take_all());
        self.shared.calls.hang_up();
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let closed = shared.closed.notified();
            for port in ports {
                // It does not panic, and nobody else can abort it.
                let _ = port.await;
            }
            shared.life.step_to(Phase::Ending);
            shared.settle();
            if tokio::time::timeout(CLOSE_LIMIT, closed).await.is_err() {
                shared.finish();
            }
        });
    }
}

/// The host wants to know when a write is done: the drop tells it.
struct Receipt {
    shared: Arc<Shared>,
    number: u32,
}

impl Drop for Receipt {
    fn drop(&mut self) {
        self.shared.post(Event::Written { receipt: self.number });
    }
}

/// An ack that the host waits for. It hears of the end in any case: when the last one who could call back is gone, the drop
/// says that no answer will come.
struct Awaited {
    shared: Arc<Shared>,
    ack: AckId,
    expected: AtomicUsize,
    received: AtomicUsize,
    over: AtomicBool,
}

impl Awaited {
    fn new(shared: &Arc<Shared>, ack: AckId, expected: usize) -> Self {
        Self {
            shared: Arc::clone(shared),
            ack,
            expected: AtomicUsize::new(expected),
            received: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        }
    }

    fn answered(&self) {
        self.received.fetch_add(1, Ordering::Relaxed);
    }

    /// True for the first caller.
    fn over(&self) -> bool {
        !self.over.swap(true, Ordering::AcqRel)
    }

    fn end(&self, end: AckEnd) {
        if self.over() {
            let expected = self.expected.load(Ordering::Relaxed);
            let received = self.received.load(Ordering::Relaxed);
            self.shared.post(Event::AckEnd { ack: self.ack, end, expected, received });
        }
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.end(AckEnd::Disconnected);
    }
}

/// Time for requests under way on our own ports.
const PORT_LIMIT: Duration = Duration::from_secs(1);
/// Time for connections to say goodbye: the two seconds that a WebSocket has for it, and some.
const CLOSE_LIMIT: Duration = Duration::from_secs(3);
/// One or two sends are what an echo or an answer makes; with more the wake is cheap.
const LITTLE_WORKS: usize = 4;
/// The same in bytes of payload: a long one takes long to write.
const LITTLE_BYTES: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn work(number: u64) -> Work {
        Work::Unheard(AckId(number), AckEnd::Complete)
    }

    /// What the worker would find now.
    fn found(queue: &Queue) -> Option<Vec<u64>> {
        let number = |work| match work {
            Work::Unheard(AckId(number), _) => number,
            _ => unreachable!("not of this test"),
        };
        match pin!(queue.next()).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(batch) => Some(batch.into_iter().map(number).collect()),
            Poll::Pending => None,
        }
    }

    #[test]
    fn what_comes_while_the_host_works_waits_for_it() {
        let queue = Queue::default();
        assert_eq!(found(&queue), None);
        let claim = queue.claim().expect("there is nothing before it");
        queue.append(vec![work(1)]);
        assert_eq!(found(&queue), None);
        assert!(queue.claim().is_none(), "another thread of the host's");
        drop(claim);
        assert_eq!(found(&queue), Some(vec![1]));
    }

    #[test]
    fn the_end_of_a_claim_wakes_the_worker() {
        let queue = Queue::default();
        let claim = queue.claim();
        queue.append(vec![work(1)]);
        let mut next = pin!(queue.next());
        let mut context = Context::from_waker(Waker::noop());
        // It has slept through the wake of `append`: the host was at work.
        assert!(next.as_mut().poll(&mut context).is_pending());
        drop(claim);
        assert!(next.poll(&mut context).is_ready());
    }

    #[test]
    fn a_host_does_not_overtake_the_worker() {
        let queue = Queue::default();
        queue.append(vec![work(1)]);
        assert!(queue.claim().is_none(), "it waits");
        assert_eq!(found(&queue), Some(vec![1]));
        assert!(queue.claim().is_none(), "it is being carried out");
        assert_eq!(found(&queue), None);
        assert!(queue.claim().is_some());
    }

    #[test]
    fn only_sends_are_little() {
        assert!(!is_little(&[]));
        assert!(!is_little(&[work(1)]));
    }
}
