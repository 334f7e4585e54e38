//! The mailbox under every interleaving: no wake lost, none too many, nothing lost, nothing out of order.
//!
//! Run it with `RUSTFLAGS="--cfg loom" cargo test -p ferrio-embed --test mailbox_loom --release` (and a target directory of
//! its own). Under that cfg the crate itself is empty: only the mailbox is compiled, here, without tokio.
#![cfg(loom)]

#[path = "../src/mailbox.rs"]
mod mailbox;
#[path = "../src/sync.rs"]
mod sync;

use std::time::Instant;

use loom::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use loom::sync::{Arc, Notify};
use loom::thread;

use mailbox::{Bell, Letter, Mailbox, Turn};

/// Who wrote it, and which of its letters it is.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
struct Note(u8, u8);

impl Letter for Note {
    fn bytes(&self) -> usize {
        0
    }

    fn bounded(&self) -> bool {
        true
    }
}

/// A host that sleeps, and one connection that waits for room.
struct Rings {
    host: Notify,
    wakes: AtomicUsize,
    connection: Notify,
}

impl Bell for Rings {
    fn wake(&self) {
        self.wakes.fetch_add(1, SeqCst);
        self.host.notify();
    }

    fn resume(&self) {
        self.connection.notify();
    }
}

type Shared = Arc<Mailbox<Note, Rings>>;

fn mailbox(limit: usize) -> Shared {
    let rings = Rings { host: Notify::new(), wakes: AtomicUsize::new(0), connection: Notify::new() };
    Arc::new(Mailbox::new(limit, rings))
}

/// Drains and sleeps as a binding does, until it has `count` letters. loom reports the deadlock if a wake is lost.
fn host(mailbox: &Shared, count: usize, max: usize) -> Vec<Note> {
    // It sleeps at first, but a drain of its own accord is no harm.
    let (mut batch, mut sleeps) = (Vec::new(), 1);
    while batch.len() < count {
        if !mailbox.drain(&mut batch, max, usize::MAX) {
            sleeps += 1;
            mailbox.bell().host.wait();
        }
    }
    assert!(mailbox.bell().wakes.load(SeqCst) <= sleeps, "woken once per sleep at most");
    batch
}

/// Every interleaving with at most three preemptions (without a bound it is more than ten minutes).
fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(run);
}

fn in_order(batch: &[Note]) -> bool {
    (0..3).all(|writer| {
        let numbers: Vec<u8> = batch.iter().filter(|note| note.0 == writer).map(|note| note.1).collect();
        numbers.is_sorted() && numbers.iter().enumerate().all(|(at, number)| usize::from(*number) == at)
    })
}

#[test]
fn two_threads_push() {
    model(|| {
        let mailbox = mailbox(usize::MAX);
        let others: Vec<_> = (0..2)
            .map(|writer| {
                let mailbox = mailbox.clone();
                thread::spawn(move || {
                    for number in 0..2 {
                        let _ = mailbox.push(Note(writer, number), Turn::Outside);
                    }
                })
            })
            .collect();
        assert!(in_order(&host(&mailbox, 4, 3)));
        for other in others {
            other.join().unwrap();
        }
    });
}

#[test]
fn a_turn_and_another_thread() {
    let now = Instant::now();
    model(move || {
        let mailbox = mailbox(usize::MAX);
        let worker = thread::spawn({
            let mailbox = mailbox.clone();
            move || {
                let mut owed = false;
                for number in 0..2 {
                    owed |= mailbox.push(Note(0, number), Turn::Inside(now));
                }
                if owed {
                    mailbox.end_turn();
                }
            }
        });
        let other = thread::spawn({
            let mailbox = mailbox.clone();
            move || {
                let _ = mailbox.push(Note(1, 0), Turn::Outside);
            }
        });
        assert!(in_order(&host(&mailbox, 3, usize::MAX)));
        worker.join().unwrap();
        other.join().unwrap();
    });
}

#[test]
fn two_turns() {
    let now = Instant::now();
    model(move || {
        let mailbox = mailbox(usize::MAX);
        let workers: Vec<_> = (0..2)
            .map(|writer| {
                let mailbox = mailbox.clone();
                thread::spawn(move || {
                    if mailbox.push(Note(writer, 0), Turn::Inside(now)) {
                        mailbox.end_turn();
                    }
                })
            })
            .collect();
        assert_eq!(host(&mailbox, 2, usize::MAX).len(), 2);
        for worker in workers {
            worker.join().unwrap();
        }
    });
}

#[test]
fn close_is_last() {
    let now = Instant::now();
    model(move || {
        let mailbox = mailbox(usize::MAX);
        let worker = thread::spawn({
            let mailbox = mailbox.clone();
            move || {
                if mailbox.push(Note(0, 0), Turn::Inside(now)) {
                    mailbox.end_turn();
                }
            }
        });
        let closer = thread::spawn({
            let mailbox = mailbox.clone();
            move || mailbox.close(Note(2, 0))
        });
        let (mut batch, last) = (Vec::new(), Note(2, 0));
        while batch.last() != Some(&last) {
            if !mailbox.drain(&mut batch, usize::MAX, usize::MAX) {
                mailbox.bell().host.wait();
            }
        }
        worker.join().unwrap();
        closer.join().unwrap();
        assert!(!mailbox.drain(&mut batch, 1, 1), "nothing follows");
        assert!(batch == [last] || batch == [Note(0, 0), last]);
    });
}

#[test]
fn a_full_mailbox_stops_a_connection_and_lets_it_go_on() {
    model(|| {
        // Full with every single letter.
        let mailbox = mailbox(0);
        let connection = thread::spawn({
            let mailbox = mailbox.clone();
            move || {
                for number in 0..2 {
                    while mailbox.is_full() {
                        mailbox.bell().connection.wait();
                    }
                    let _ = mailbox.push(Note(0, number), Turn::Outside);
                }
            }
        });
        assert!(in_order(&host(&mailbox, 2, 1)));
        connection.join().unwrap();
        assert!(!mailbox.is_full());
    });
}
