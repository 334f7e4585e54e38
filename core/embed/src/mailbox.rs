//! One queue from the I/O threads to the host: events and completions, in the order they happened.
//!
//! Two buffers. Producers push into the inbox under a short lock; the drain takes the whole inbox in one swap and hands it
//! out in portions, without the producers noticing.
//!
//! The host is woken only when it sleeps: at the beginning, and after a drain that found nothing.
//!
//! ```text
//!           drain finds nothing            push outside a turn, or loud enough;
//!                                          end of a turn that pushed quietly:
//!                                          the host is woken
//!   awake ────────────────────────▶ armed ──────────────────────────────────────▶ awake
//!     ▲                             │   ▲
//!     └──── drain finds something ──┘   └── push inside a turn, quietly
//! ```
//!
//! A *turn* is what an I/O thread does between two sleeps. Waking at its end instead of at its first event saves 15 to 25 %
//! of the CPU and 25 to 40 % of the host thread's (io-path specification, section 2a).
//!
//! The queue is bounded by bytes, but an event is never refused: it has happened. A push may fill the mailbox; connections
//! then stop reading until the host has taken half of it. So what one read of each connection brings comes on top, no more.
//!
//! This file knows no runtime and reads no clock: `tests/mailbox_loom.rs` runs it under loom.

use std::collections::VecDeque;
use std::mem;
use std::time::{Duration, Instant};

use crate::sync::{AtomicBool, AtomicUsize, Mutex, Ordering};

/// See the module.
pub(crate) struct Mailbox<T, B> {
    /// Bytes of bounded letters above which the mailbox is full.
    limit: usize,
    bell: B,
    inbox: Mutex<Inbox<T>>,
    /// The drain's side. Locked before `inbox` where both are.
    outbox: Mutex<VecDeque<T>>,
    /// Bytes of bounded letters on both sides.
    held: AtomicUsize,
    /// Set and cleared under the inbox's lock, read without.
    full: AtomicBool,
}

/// What a mailbox holds.
pub(crate) trait Letter {
    /// Bytes of payload: what a drain's budget counts.
    fn bytes(&self) -> usize;
    /// Whether it counts against the limit. Completions and goodbyes do not: their number is bounded by what the host began.
    fn bounded(&self) -> bool;
}

/// Whom a mailbox tells. Called without a lock held.
pub(crate) trait Bell {
    /// The host sleeps and should drain.
    fn wake(&self);
    /// The mailbox was full and is not any more: connections may read again.
    fn resume(&self);
}

/// Where a push comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Turn {
    /// An I/O thread that calls [`Mailbox::end_turn`] before it sleeps; the time is now.
    Inside(Instant),
    /// Any other thread: nobody would ring later.
    Outside,
}

impl<T: Letter, B: Bell> Mailbox<T, B> {
    /// An empty mailbox. `limit` is in bytes.
    pub(crate) fn new(limit: usize, bell: B) -> Self {
        Self {
            limit,
            bell,
            inbox: Mutex::new(Inbox::new()),
            outbox: Mutex::new(VecDeque::new()),
            held: AtomicUsize::new(0),
            full: AtomicBool::new(false),
        }
    }

    /// Puts a letter at the end; after [`Mailbox::close`] it is dropped. True when the host still sleeps: then the turn must
    /// end with [`Mailbox::end_turn`].
    #[must_use]
    pub(crate) fn push(&self, letter: T, turn: Turn) -> bool {
        let weight = weight(&letter);
        let mut inbox = self.inbox.lock();
        if inbox.closed {
            return false;
        }
        self.hold(weight);
        let wake = inbox.push(letter, turn);
        let owed = inbox.armed;
        drop(inbox);
        if wake {
            self.bell.wake();
        }
        owed
    }

    /// Puts the last letter at the end and wakes the host if it sleeps. Nothing follows.
    pub(crate) fn close(&self, last: T) {
        let mut inbox = self.inbox.lock();
        if mem::replace(&mut inbox.closed, true) {
            return;
        }
        let wake = inbox.push(last, Turn::Outside);
        drop(inbox);
        if wake {
            self.bell.wake();
        }
    }

    /// Drops what follows and wakes nobody any more.
    pub(crate) fn mute(&self) {
        let mut inbox = self.inbox.lock();
        inbox.closed = true;
        inbox.armed = false;
    }

    /// An I/O thread is about to sleep (or at a good place within a long turn): wakes the host for what it pushed quietly.
    pub(crate) fn end_turn(&self) {
        if self.inbox.lock().announce() {
            self.bell.wake();
        }
    }

    /// Moves letters to the end of `batch`: at most `max` of them, and none after the one that brings their payload to
    /// `max_bytes`; always at least one. Returns false when there was none: then the mailbox is armed, the next letter wakes.
    pub(crate) fn drain(&self, batch: &mut Vec<T>, max: usize, max_bytes: usize) -> bool {
        let mut outbox = self.outbox.lock();
        if outbox.is_empty() && !self.inbox.lock().take(&mut outbox) {
            return false;
        }
        let (mut bytes, mut weights) = (0, 0);
        let start = batch.len();
        while let Some(letter) = outbox.pop_front() {
            bytes += letter.bytes();
            weights += weight(&letter);
            batch.push(letter);
            if batch.len() - start >= max || bytes >= max_bytes {
                break;
            }
        }
        drop(outbox);
        self.release(weights);
        true
    }

    /// Connections should not read.
    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Ordering::Acquire)
    }

    /// The bell given at the start.
    pub(crate) fn bell(&self) -> &B {
        &self.bell
    }

    /// Counts a letter in, under the inbox's lock.
    fn hold(&self, weight: usize) {
        if weight > 0 && self.held.fetch_add(weight, Ordering::Relaxed) + weight > self.limit {
            self.full.store(true, Ordering::Release);
        }
    }

    /// Counts letters out; below half of the limit, a full mailbox opens.
    fn release(&self, weights: usize) {
        let held = self.held.fetch_sub(weights, Ordering::Relaxed) - weights;
        // A push that fills the mailbox just now has its letter still in there: the drain that takes it comes by here again.
        if held > self.limit / 2 || !self.is_full() {
            return;
        }
        let inbox = self.inbox.lock();
        let opened = self.held.load(Ordering::Relaxed) <= self.limit / 2 && self.is_full();
        if opened {
            self.full.store(false, Ordering::Release);
        }
        drop(inbox);
        if opened {
            self.bell.resume();
        }
    }
}

/// What a letter counts against the limit: its payload and its own place, so that a million empty ones are not free.
fn weight<T: Letter>(letter: &T) -> usize {
    if letter.bounded() { size_of::<T>() + letter.bytes() } else { 0 }
}

/// The producers' side.
struct Inbox<T> {
    waiting: VecDeque<T>,
    /// The host sleeps: its last drain found nothing, and nobody has woken it since.
    armed: bool,
    /// Letters pushed quietly since the host fell asleep…
    quiet: usize,
    /// …their payload…
    quiet_bytes: usize,
    /// …and when the first of them came.
    quiet_since: Option<Instant>,
    closed: bool,
}

impl<T: Letter> Inbox<T> {
    fn new() -> Self {
        Self { waiting: VecDeque::new(), armed: true, quiet: 0, quiet_bytes: 0, quiet_since: None, closed: false }
    }

    /// Adds a letter; whether the host must be woken now.
    fn push(&mut self, letter: T, turn: Turn) -> bool {
        let bytes = letter.bytes();
        self.waiting.push_back(letter);
        if !self.armed {
            return false;
        }
        let loud = match turn {
            Turn::Outside => true,
            Turn::Inside(now) => {
                self.quiet += 1;
                self.quiet_bytes += bytes;
                let since = *self.quiet_since.get_or_insert(now);
                self.quiet >= QUIET_LETTERS || self.quiet_bytes >= QUIET_BYTES || now.duration_since(since) > QUIET_TIME
            }
        };
        loud && self.announce()
    }

    /// Ends the host's sleep if there is something for it; whether it was asleep.
    fn announce(&mut self) -> bool {
        let wake = self.armed && !self.waiting.is_empty();
        if wake {
            self.awake();
        }
        wake
    }

    /// Gives everything to an empty `outbox`; if there is nothing, the host falls asleep.
    fn take(&mut self, outbox: &mut VecDeque<T>) -> bool {
        if self.waiting.is_empty() {
            self.armed = true;
            return false;
        }
        self.awake();
        // The producers get the drain's old buffer. After a burst it is given back, not kept for ever.
        if outbox.capacity() > KEPT_CAPACITY {
            outbox.shrink_to(KEPT_CAPACITY / 2);
        }
        mem::swap(&mut self.waiting, outbox);
        true
    }

    fn awake(&mut self) {
        self.armed = false;
        self.quiet = 0;
        self.quiet_bytes = 0;
        self.quiet_since = None;
    }
}

/// Letters a turn may push before the host is woken within it: 64 costs as little as 1000 (io-path, section 2a).
const QUIET_LETTERS: usize = 64;
/// The same in bytes of payload: the host should begin to parse while we read on.
const QUIET_BYTES: usize = 16 << 10;
/// The same in time: a thread that stays busy never comes to the end of its turn.
const QUIET_TIME: Duration = Duration::from_micros(200);
/// Letters an empty buffer keeps room for.
const KEPT_CAPACITY: usize = 4096;

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// A letter of so many bytes; a negative one is a completion.
    #[derive(Debug, PartialEq)]
    struct Note(i64);

    impl Letter for Note {
        fn bytes(&self) -> usize {
            self.0.unsigned_abs() as usize
        }

        fn bounded(&self) -> bool {
            self.0 >= 0
        }
    }

    #[derive(Default)]
    struct Rings {
        wakes: AtomicUsize,
        resumes: AtomicUsize,
    }

    impl Bell for Rings {
        fn wake(&self) {
            self.wakes.fetch_add(1, Ordering::Relaxed);
        }

        fn resume(&self) {
            self.resumes.fetch_add(1, Ordering::Relaxed);
        }
    }

    type Notes = Mailbox<Note, Rings>;

    fn mailbox(limit: usize) -> Notes {
        Mailbox::new(limit, Rings::default())
    }

    fn wakes(mailbox: &Notes) -> usize {
        mailbox.bell().wakes.load(Ordering::Relaxed)
    }

    fn drained(mailbox: &Notes, max: usize, max_bytes: usize) -> Vec<i64> {
        let mut batch = Vec::new();
        mailbox.drain(&mut batch, max, max_bytes);
        batch.into_iter().map(|note| note.0).collect()
    }

    fn push(mailbox: &Notes, note: i64, turn: Turn) -> bool {
        mailbox.push(Note(note), turn)
    }

    #[test]
    fn a_host_sleeps_at_first() {
        let mailbox = mailbox(1000);
        assert!(!push(&mailbox, 1, Turn::Outside));
        assert_eq!(wakes(&mailbox), 1);
    }

    #[test]
    fn one_wake_per_sleep() {
        let mailbox = mailbox(1000);
        for _ in 0..3 {
            assert_eq!(drained(&mailbox, 9, 99), [0; 0]);
        }
        for note in 1..=3 {
            let _ = push(&mailbox, note, Turn::Outside);
        }
        assert_eq!(wakes(&mailbox), 1);
        assert_eq!(drained(&mailbox, 9, 99), [1, 2, 3]);
        // It is awake until a drain finds nothing.
        let _ = push(&mailbox, 4, Turn::Outside);
        assert_eq!(wakes(&mailbox), 1);
    }

    #[test]
    fn a_turn_rings_at_its_end() {
        let (mailbox, now) = (mailbox(1000), Instant::now());
        assert_eq!(drained(&mailbox, 9, 99), [0; 0]);
        assert!(push(&mailbox, 1, Turn::Inside(now)));
        assert!(push(&mailbox, 2, Turn::Inside(now)));
        assert_eq!(wakes(&mailbox), 0);
        mailbox.end_turn();
        mailbox.end_turn();
        assert_eq!(wakes(&mailbox), 1);
        assert!(!push(&mailbox, 3, Turn::Inside(now)), "it is awake now");
        assert_eq!(drained(&mailbox, 9, 99), [1, 2, 3]);
    }

    #[test]
    fn a_push_from_elsewhere_announces_the_quiet_ones() {
        let (mailbox, now) = (mailbox(1000), Instant::now());
        assert_eq!(drained(&mailbox, 9, 99), [0; 0]);
        let _ = push(&mailbox, 1, Turn::Inside(now));
        assert!(!push(&mailbox, 2, Turn::Outside));
        mailbox.end_turn();
        assert_eq!(wakes(&mailbox), 1);
    }

    #[test]
    fn a_long_turn_rings_on_the_way() {
        let now = Instant::now();
        let by_count = mailbox(usize::MAX);
        assert_eq!(drained(&by_count, 9, 99), [0; 0]);
        for _ in 0..QUIET_LETTERS - 1 {
            let _ = push(&by_count, 1, Turn::Inside(now));
        }
        assert_eq!(wakes(&by_count), 0);
        let _ = push(&by_count, 1, Turn::Inside(now));
        assert_eq!(wakes(&by_count), 1);

        let by_bytes = mailbox(usize::MAX);
        assert_eq!(drained(&by_bytes, 9, 99), [0; 0]);
        let _ = push(&by_bytes, 16 << 10, Turn::Inside(now));
        assert_eq!(wakes(&by_bytes), 1);

        let by_time = mailbox(usize::MAX);
        assert_eq!(drained(&by_time, 9, 99), [0; 0]);
        let _ = push(&by_time, 1, Turn::Inside(now));
        let _ = push(&by_time, 1, Turn::Inside(now + QUIET_TIME));
        assert_eq!(wakes(&by_time), 0);
        let _ = push(&by_time, 1, Turn::Inside(now + QUIET_TIME * 2));
        assert_eq!(wakes(&by_time), 1);
    }

    #[test]
    fn a_drain_keeps_to_its_budget_and_to_the_order() {
        let mailbox = mailbox(usize::MAX);
        for note in [10, 20, -30, 40, 50] {
            let _ = push(&mailbox, note, Turn::Outside);
        }
        assert_eq!(drained(&mailbox, 2, 1000), [10, 20]);
        let _ = push(&mailbox, 60, Turn::Outside);
        assert_eq!(drained(&mailbox, 9, 30), [-30]);
        assert_eq!(drained(&mailbox, 0, 0), [40], "never none");
        assert_eq!(drained(&mailbox, 9, 1000), [50]);
        assert_eq!(drained(&mailbox, 9, 1000), [60]);
        assert_eq!(drained(&mailbox, 9, 1000), [0; 0]);
    }

    #[test]
    fn a_full_mailbox_takes_what_comes_and_opens_at_half() {
        let each = size_of::<Note>() + 92;
        let mailbox = mailbox(4 * each);
        for _ in 0..4 {
            let _ = push(&mailbox, 92, Turn::Outside);
            let _ = push(&mailbox, -92, Turn::Outside);
        }
        assert!(!mailbox.is_full(), "a completion is no reason to stop reading");
        let _ = push(&mailbox, 92, Turn::Outside);
        assert!(mailbox.is_full());
        assert_eq!(drained(&mailbox, 4, 1000).len(), 4);
        assert!(mailbox.is_full());
        assert_eq!(mailbox.bell().resumes.load(Ordering::Relaxed), 0);
        assert_eq!(drained(&mailbox, 1, 1000).len(), 1);
        assert!(!mailbox.is_full());
        assert_eq!(drained(&mailbox, 9, 1000).len(), 4);
        assert_eq!(mailbox.bell().resumes.load(Ordering::Relaxed), 1);
        assert_eq!(mailbox.held.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn one_letter_over_the_limit_still_opens_again() {
        let mailbox = mailbox(0);
        let _ = push(&mailbox, 5, Turn::Outside);
        assert!(mailbox.is_full());
        assert_eq!(drained(&mailbox, 9, 99), [5]);
        assert!(!mailbox.is_full());
    }

    #[test]
    fn nothing_follows_the_last() {
        let mailbox = mailbox(1000);
        assert_eq!(drained(&mailbox, 9, 99), [0; 0]);
        mailbox.close(Note(-1));
        mailbox.close(Note(-2));
        let _ = push(&mailbox, 3, Turn::Outside);
        assert_eq!(wakes(&mailbox), 1);
        assert_eq!(drained(&mailbox, 9, 99), [-1]);
        assert_eq!(drained(&mailbox, 9, 99), [0; 0]);
    }

    #[test]
    fn a_muted_mailbox_wakes_nobody() {
        let mailbox = mailbox(1000);
        mailbox.mute();
        let _ = push(&mailbox, 1, Turn::Outside);
        mailbox.close(Note(-1));
        assert_eq!(wakes(&mailbox), 0);
        assert_eq!(drained(&mailbox, 9, 99), [0; 0]);
    }

    #[test]
    fn a_burst_is_not_kept_for_ever() {
        let mailbox = mailbox(usize::MAX);
        for _ in 0..3 {
            for _ in 0..KEPT_CAPACITY * 4 {
                let _ = push(&mailbox, 1, Turn::Outside);
            }
            while !drained(&mailbox, usize::MAX, usize::MAX).is_empty() {}
        }
        for _ in 0..4 {
            let _ = push(&mailbox, 1, Turn::Outside);
            assert_eq!(drained(&mailbox, 9, 99), [1]);
        }
        assert!(mailbox.inbox.lock().waiting.capacity() <= KEPT_CAPACITY);
        assert!(mailbox.outbox.lock().capacity() <= KEPT_CAPACITY);
    }
}
