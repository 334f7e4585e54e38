//! The outbound queue, one WebSocket's writing side and the backlog under every interleaving of those who send, the task that
//! finishes what they could not, the peer and the end: nothing lost, nothing twice, nothing cut, nobody left waiting.
//!
//! Run it with `make test-loom`. Under that cfg the crate itself is empty: only these files are compiled, here, without tokio.
#![cfg(loom)]
#![allow(
    dead_code,
    unreachable_pub,
    reason = "a part of each file is for what is not played here: polls, upgrades, hosts"
)]

#[path = "../src/backlog.rs"]
mod backlog;
#[path = "../src/lane.rs"]
mod lane;
#[path = "../src/outbound.rs"]
mod outbound;
#[path = "../src/sync.rs"]
mod sync;

use std::sync::Arc;

use bytes::Bytes;
use ferrio_protocol::engine::{Frame, Packet, Revision};
use ferrio_protocol::message::Item;
use ferrio_protocol::{Message, Text};
use loom::thread;

use backlog::Announced;
use config::{Config, SlowConsumer};
use connection::Connection;
use lane::{OwnWire, Wire};
use outbound::{Bounds, Outbound};
use sync::TcpStream;

/// The options that the queue reads.
mod config {
    pub(crate) struct Config {
        pub(crate) high_mark: usize,
        pub(crate) hard_limit: usize,
        pub(crate) slow_consumer: SlowConsumer,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum SlowConsumer {
        Disconnect,
        Drop,
    }
}

/// `connection.rs` without its session: the same steps around the same lock.
mod connection {
    use std::sync::Arc;

    use bytes::Bytes;
    use ferrio_protocol::message::Item;

    use crate::backlog::Backlog;
    use crate::outbound::Outbound;
    use crate::sync::{Mutex, Notify};

    pub struct Connection {
        pub(crate) outbound: Mutex<Outbound>,
        pub(crate) backlog: Backlog,
        pub(crate) drained: Notify,
        pub(crate) ended: Notify,
    }

    impl Connection {
        pub(crate) fn new(outbound: Outbound) -> Arc<Self> {
            Arc::new(Self {
                outbound: Mutex::new(outbound),
                backlog: Backlog::default(),
                drained: Notify::new(),
                ended: Notify::new(),
            })
        }

        pub(crate) fn backlog(&self) -> &Backlog {
            &self.backlog
        }

        pub(crate) fn push(&self, item: Item) {
            let flush = self.outbound.lock().push(item);
            if flush {
                self.flush();
            }
        }

        pub(crate) fn push_raw(&self, bytes: Bytes) {
            self.outbound.lock().push_raw(super::ID, bytes, false);
        }

        pub(crate) fn buffered(&self) -> (usize, bool) {
            let mut outbound = self.outbound.lock();
            self.backlog.watch(true);
            let bytes = outbound.buffered() + self.backlog.bytes();
            let slow = outbound.is_slow(bytes);
            self.backlog.watch(slow);
            let has_caught_up = outbound.has_caught_up(bytes);
            drop(outbound);
            if has_caught_up {
                self.flush();
            }
            (bytes, slow)
        }

        pub(crate) fn flush_soon(&self) {
            self.flush();
        }

        pub(crate) fn flush(&self) {
            let flushed = {
                let mut outbound = self.outbound.lock();
                let flushed = outbound.flush(self.backlog.bytes());
                if flushed.drained {
                    self.backlog.watch(false);
                }
                flushed
            };
            assert!(flushed.broken.is_none() && !flushed.overflowed);
            if flushed.drained {
                self.drained.notify_one();
            }
            if flushed.ended {
                // What the session does of it.
                self.outbound.lock().close();
                self.ended.notify_one();
            }
        }
    }
}

const ID: lane::WireId = 1;

struct Place {
    connection: Arc<Connection>,
    wire: Arc<OwnWire>,
}

/// A connection on a WebSocket. `room` is its kernel's; without, its task owns the stream.
fn place(room: Option<usize>, high_mark: usize) -> Arc<Place> {
    let config = Config { high_mark, hard_limit: 1 << 20, slow_consumer: SlowConsumer::Disconnect };
    let mut outbound = Outbound::new(Revision::V4, false, Bounds::of(&config));
    let wire = Arc::new(OwnWire::new(room.map(TcpStream::with_room)));
    outbound.open(ID, Wire::Own(Arc::clone(&wire)));
    Arc::new(Place { connection: Connection::new(outbound), wire })
}

impl Place {
    fn tcp(&self) -> &TcpStream {
        self.wire.tcp.as_ref().expect("a socket")
    }

    /// The peer reads: the task's poll of the socket wakes.
    fn make_room(&self, bytes: usize) {
        self.tcp().make_room(bytes);
        self.wire.wake.notify_one();
    }

    /// A sender that has written the last byte itself leaves nobody who would wake a task of this test, which waits for it.
    fn tell_if_over(&self, bytes: usize) {
        if self.wire.tcp.as_ref().is_some_and(|tcp| tcp.taken().len() == bytes) {
            self.wire.wake.notify_one();
        }
    }

    /// `Task::run_tcp` without the reading, until `done` or the wire is retired. loom reports the deadlock if nobody wakes it.
    fn run_tcp(&self, done: impl Fn(&[u8]) -> bool) {
        while !self.wire.is_retired() && !done(&self.tcp().taken()) {
            let blocked = self.connection.outbound.lock().is_blocked(ID);
            if blocked && self.tcp().is_writable() {
                self.connection.outbound.lock().writable(ID, 0);
                self.connection.flush();
            } else {
                self.wire.wake.wait();
            }
        }
    }

    /// `Task::run_stream` without the reading: gives what it wrote.
    fn run_stream(&self, done: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let mut written = Vec::new();
        while !self.wire.is_retired() && !done(&written) {
            loop {
                let pending = self.connection.outbound.lock().fetch(ID);
                if pending.is_empty() {
                    break;
                }
                for bytes in pending {
                    written.extend_from_slice(&bytes);
                    self.connection.outbound.lock().progressed();
                }
                self.connection.outbound.lock().fetched(ID);
                self.connection.flush();
            }
            if !self.wire.is_retired() && !done(&written) {
                self.wire.wake.wait();
            }
        }
        written
    }
}

fn item(text: &'static str) -> Item {
    let frame = Frame::Text(Text::from_static(text));
    Item::shared(Arc::new(Message::raw(Some(frame)).pop().expect("one message")))
}

/// The texts of frames, the last of which may be a close frame, written `.`. Panics if one is cut.
fn texts(mut bytes: &[u8]) -> Vec<String> {
    let mut texts = Vec::new();
    while let [first, length, rest @ ..] = bytes {
        let (payload, rest) = rest.split_at_checked(usize::from(*length)).expect("a whole frame");
        texts.push(match first {
            // Without the type of the Engine.IO packet.
            0x81 => String::from_utf8(payload[1..].to_vec()).expect("text"),
            0x8a => "pong".into(),
            0x88 => ".".into(),
            other => panic!("no frame begins with {other}"),
        });
        bytes = rest;
    }
    assert!(bytes.is_empty(), "a whole frame");
    texts
}

/// `number` frames of one letter and one digit, as [`item`] has them.
fn bytes_of(number: usize) -> usize {
    5 * number
}

/// What each of the writers `a` and `b` wrote, in its order, is there once.
fn assert_in_order(texts: &[String], expected: [&[&str]; 2]) {
    for (writer, expected) in ["a", "b"].into_iter().zip(expected) {
        let got: Vec<_> = texts.iter().filter(|text| text.starts_with(writer)).collect();
        assert_eq!(got, expected);
    }
}

/// Every interleaving with at most so many preemptions.
fn model(preemptions: usize, run: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.check(run);
}

/// A thread that sends these; there are `all` bytes when everybody has sent everything.
fn send(place: &Arc<Place>, texts: &'static [&'static str], all: usize) -> thread::JoinHandle<()> {
    let place = Arc::clone(place);
    thread::spawn(move || {
        texts.iter().for_each(|text| place.connection.push(item(text)));
        place.tell_if_over(all);
    })
}

#[test]
fn two_senders_and_a_socket_that_fills_up() {
    model(2, || {
        let place = place(Some(7), 1 << 20);
        let senders = [send(&place, &["a0", "a1"], bytes_of(3)), send(&place, &["b0"], bytes_of(3))];
        let peer = thread::spawn({
            let place = Arc::clone(&place);
            move || {
                place.make_room(4);
                place.make_room(100);
            }
        });
        place.run_tcp(|taken| taken.len() == bytes_of(3));
        for thread in senders.into_iter().chain([peer]) {
            thread.join().unwrap();
        }
        assert_in_order(&texts(&place.tcp().taken()), [&["a0", "a1"], &["b0"]]);
        assert_eq!(place.connection.buffered(), (0, false));
    });
}

#[test]
fn two_senders_and_a_stream_that_its_task_owns() {
    model(2, || {
        let place = place(None, 1 << 20);
        let senders = [send(&place, &["a0", "a1"], bytes_of(3)), send(&place, &["b0"], bytes_of(3))];
        let written = place.run_stream(|written| written.len() == bytes_of(3));
        for sender in senders {
            sender.join().unwrap();
        }
        assert_in_order(&texts(&written), [&["a0", "a1"], &["b0"]]);
        assert_eq!(place.connection.buffered(), (0, false));
    });
}

/// One note is enough for all that is pushed before it is taken back: of two that push, one flushes for both.
#[test]
fn a_turn_and_another_thread() {
    model(3, || {
        let place = place(Some(100), 1 << 20);
        let turn = thread::spawn({
            let place = Arc::clone(&place);
            move || {
                let noted = ["a0", "a1"].map(|text| place.connection.outbound.lock().push(item(text)));
                if noted.contains(&true) {
                    place.connection.flush();
                }
            }
        });
        let other = send(&place, &["b0"], bytes_of(3));
        turn.join().unwrap();
        other.join().unwrap();
        assert_in_order(&texts(&place.tcp().taken()), [&["a0", "a1"], &["b0"]]);
    });
}

/// A pong may come between two messages, never into one.
#[test]
fn a_pong_past_a_queue_that_is_stuck() {
    model(2, || {
        let place = place(Some(3), 1 << 20);
        let sender = thread::spawn({
            let place = Arc::clone(&place);
            move || {
                ["a0", "a1"].into_iter().for_each(|text| place.connection.push(item(text)));
                // With the pong or without.
                place.tell_if_over(bytes_of(2));
                place.tell_if_over(bytes_of(2) + 2);
            }
        });
        let pong = thread::spawn({
            let place = Arc::clone(&place);
            move || place.connection.push_raw(Bytes::from_static(&[0x8a, 0]))
        });
        let peer = thread::spawn({
            let place = Arc::clone(&place);
            move || place.make_room(100)
        });
        place.run_tcp(|taken| taken.windows(2).any(|pair| pair == b"a1"));
        for thread in [sender, pong, peer] {
            thread.join().unwrap();
        }
        assert_in_order(&texts(&place.tcp().taken()), [&["a0", "a1"], &[]]);
    });
}

/// A program told to wait for a slow peer hears when it has caught up.
#[test]
fn who_waits_for_a_slow_peer_is_called() {
    model(2, || {
        let place = place(Some(3), 4);
        let sender = thread::spawn({
            let place = Arc::clone(&place);
            move || {
                for text in ["a0", "a1"] {
                    place.connection.push(item(text));
                    while place.connection.buffered().1 {
                        place.connection.drained.wait();
                    }
                }
                place.tell_if_over(bytes_of(2));
            }
        });
        let peer = thread::spawn({
            let place = Arc::clone(&place);
            move || place.make_room(100)
        });
        place.run_tcp(|taken| taken.len() == bytes_of(2));
        sender.join().unwrap();
        peer.join().unwrap();
        assert_eq!(texts(&place.tcp().taken()), ["a0", "a1"]);
    });
}

/// The same where what waits has only been announced, by a host, and is carried out on another thread.
#[test]
fn who_waits_for_what_was_announced_is_called() {
    model(3, || {
        let place = place(Some(100), 4);
        let [first, second] = [3, 7].map(|bytes| Announced::new(&place.connection, &place.connection.backlog, bytes));
        let worker = thread::spawn({
            let place = Arc::clone(&place);
            move || {
                place.connection.push(item("a0"));
                drop(first);
                place.connection.push(item("a1"));
                drop(second);
            }
        });
        while place.connection.buffered().1 {
            place.connection.drained.wait();
        }
        worker.join().unwrap();
        assert_eq!(place.connection.buffered(), (0, false));
        assert_eq!(texts(&place.tcp().taken()), ["a0", "a1"]);
    });
}

/// The end goes out behind what was queued before it, whoever flushes it; what comes later is dropped whole.
#[test]
fn an_end_comes_behind_what_was_queued() {
    model(2, || {
        let place = place(Some(3), 1 << 20);
        place.connection.push(item("a0"));
        let sender = send(&place, &["b0"], usize::MAX);
        let closer = thread::spawn({
            let place = Arc::clone(&place);
            move || {
                place.connection.outbound.lock().finish(Packet::Close, false);
                place.connection.flush();
            }
        });
        let peer = thread::spawn({
            let place = Arc::clone(&place);
            move || place.make_room(100)
        });
        place.run_tcp(|_| false);
        place.connection.ended.wait();
        for thread in [sender, closer, peer] {
            thread.join().unwrap();
        }
        let rest = place.wire.take_rest().concat();
        let texts = texts(&[place.tcp().taken(), rest].concat());
        assert!(texts == ["a0", "b0", "."] || texts == ["a0", "."], "{texts:?}");
    });
}

/// Cut at once, wherever the others are: the task is told, no frame is torn, and what is pushed later goes nowhere.
#[test]
fn an_end_in_the_middle_of_it() {
    model(3, || {
        let place = place(Some(100), 1 << 20);
        let sender = send(&place, &["a0", "a1"], usize::MAX);
        let closer = thread::spawn({
            let place = Arc::clone(&place);
            move || {
                place.connection.outbound.lock().close();
            }
        });
        place.run_tcp(|_| false);
        closer.join().unwrap();
        sender.join().unwrap();
        let rest = place.wire.take_rest().concat();
        let texts = texts(&[place.tcp().taken(), rest].concat());
        assert_eq!(texts.last().map(String::as_str), Some("."));
        assert_in_order(&texts, [&["a0", "a1"][..texts.len() - 1], &[]]);
        assert_eq!(place.connection.buffered().0, 0);
    });
}
