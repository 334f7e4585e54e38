//! The threads of a `Server`: one leads, one watches it, the others rest.
//!
//! The leader takes batches from the engine and calls handler after handler, for one thread that has the GIL costs a
//! fraction of what several cost that hand it to each other (1 us an event against 6 to 20). Only when a handler blocks is
//! another thread needed: the *successor* looks at the leader's pulse every millisecond, without the GIL, and takes the lead
//! when it has not moved. The old leader finishes its handler and rests. So any number of handlers may block at once.
//!
//! ```text
//!             nobody leads, or the leader blocks            its handler blocks, and ends
//!  successor ------------------------------------> leader ------------------------------> resting (or it leaves)
//!      ^                                                                                     |
//!      '-------------------------- there is no successor ------------------------------------'
//! ```
//!
//! The threads are Python's. While a handler runs none of our frames is on its stack, and when the crew closes it waits for
//! those who are inside: CPython ends daemon threads by unwinding them when the interpreter ends, and Rust frames turn that
//! into an abort.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// How often the successor looks.
const TICK: Duration = Duration::from_millis(1);
/// Looks at a leader that has nothing to do, after which the successor sleeps until there is something.
const PATIENCE: u32 = 16;
/// Threads kept for the next time that handlers block.
const RESTING: usize = 16;

pub(crate) struct Crew {
    /// Who leads, and its pulse: see [`Helm`]. Changed by one compare-and-swap, so that nobody works in a lead that was
    /// taken from it.
    helm: AtomicU64,
    /// The successor sleeps: a leader that begins to work wakes it.
    parked: AtomicBool,
    /// Threads in one of our methods, at work, waiting, or on the way back from it to the GIL.
    inside: AtomicUsize,
    /// Nobody shall come in any more.
    closed: AtomicBool,
    inner: Mutex<Inner>,
    /// For the successor.
    watch: Condvar,
    /// For those who rest.
    rest: Condvar,
}

#[derive(Default)]
struct Inner {
    /// Somebody watches the leader, or was asked to.
    successor: bool,
    resting: usize,
    closed: bool,
}

/// The thread's number in the upper half, 0 for nobody; in the lower half its pulse, odd while it works on an event.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Helm(u64);

impl Helm {
    const VACANT: Self = Self(0);

    fn of(number: u32) -> Self {
        Self(u64::from(number) << 32)
    }

    fn leader(self) -> u32 {
        (self.0 >> 32) as u32
    }

    fn works(self) -> bool {
        self.0 & 1 == 1
    }

    /// The next event.
    fn beat(self) -> Self {
        let pulse = (self.0 as u32).wrapping_add(2) | 1;
        Self(Self::of(self.leader()).0 | u64::from(pulse))
    }

    fn resting(self) -> Self {
        Self(self.0 & !1)
    }
}

impl Crew {
    pub(crate) fn new() -> Self {
        Self {
            helm: AtomicU64::new(Helm::VACANT.0),
            parked: AtomicBool::new(false),
            inside: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            inner: Mutex::default(),
            watch: Condvar::new(),
            rest: Condvar::new(),
        }
    }

    pub(crate) fn leads(&self, number: u32) -> bool {
        self.helm().leader() == number
    }

    /// The leader begins to work on an event. False: it leads no more.
    pub(crate) fn begin(&self, number: u32) -> bool {
        if !self.change(number, Helm::beat) {
            return false;
        }
        if self.parked.load(Ordering::SeqCst) && self.parked.swap(false, Ordering::SeqCst) {
            // With the lock: the successor is asleep then, and not on its way to it.
            let _asleep = self.inner.lock();
            self.watch.notify_one();
        }
        true
    }

    /// The leader has nothing to do. False: it leads no more.
    pub(crate) fn pause(&self, number: u32) -> bool {
        self.change(number, Helm::resting)
    }

    /// The leader goes where it will block: the successor takes over at once.
    pub(crate) fn hand_over(&self, number: u32) {
        if self.change(number, |_| Helm::VACANT) {
            self.parked.store(false, Ordering::SeqCst);
            let _asleep = self.inner.lock();
            self.watch.notify_one();
        }
    }

    /// Whether the new leader must see to it that somebody watches. Says so once.
    pub(crate) fn lacks_successor(&self) -> bool {
        let mut inner = self.inner.lock();
        let lacks = !inner.successor && inner.resting == 0 && !inner.closed;
        // Whoever is asked for comes in by `wait`, as the one that is expected.
        lacks && !std::mem::replace(&mut inner.successor, true)
    }

    /// Nobody came.
    pub(crate) fn nobody_came(&self) {
        self.inner.lock().successor = false;
    }

    /// Waits until this thread leads. `expected`: it was asked for as the successor. False: it shall leave. Without the GIL.
    pub(crate) fn wait(&self, number: u32, expected: bool) -> bool {
        let mut inner = self.inner.lock();
        if !expected {
            while inner.successor && !inner.closed {
                if inner.resting == RESTING {
                    return false;
                }
                inner.resting += 1;
                self.rest.wait(&mut inner);
                inner.resting -= 1;
            }
        }
        inner.successor = true;
        let (mut seen, mut quiet) = (Helm::VACANT, 0);
        while !inner.closed {
            let helm = self.helm();
            if helm.leader() == 0 || (helm.works() && helm == seen) {
                if self.swap(helm, Helm::of(number)) {
                    inner.successor = false;
                    self.rest.notify_one();
                    return true;
                }
                continue;
            }
            quiet = if helm.works() { 0 } else { quiet + 1 };
            seen = helm;
            if quiet < PATIENCE {
                self.watch.wait_for(&mut inner, TICK);
                continue;
            }
            self.parked.store(true, Ordering::SeqCst);
            // A leader that began before it could see the flag.
            if self.helm() == helm {
                self.watch.wait(&mut inner);
            }
            self.parked.store(false, Ordering::SeqCst);
            (seen, quiet) = (Helm::VACANT, 0);
        }
        false
    }

    /// Lets a thread in that has the GIL, and will have it when it drops what this gives. `None`: it shall leave.
    pub(crate) fn enter(&self) -> Option<impl Drop> {
        self.inside.fetch_add(1, Ordering::SeqCst);
        let inside = Inside(&self.inside);
        (!self.closed.load(Ordering::SeqCst)).then_some(inside)
    }

    /// Nobody shall wait any more, nor come in.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.inner.lock().closed = true;
        self.watch.notify_all();
        self.rest.notify_all();
    }

    /// Waits, without the GIL, until those inside have left. Those in a handler are not, and will not come in again.
    pub(crate) fn leave(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        while self.inside.load(Ordering::SeqCst) > 0 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    fn helm(&self) -> Helm {
        Helm(self.helm.load(Ordering::SeqCst))
    }

    fn swap(&self, from: Helm, to: Helm) -> bool {
        self.helm.compare_exchange(from.0, to.0, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    fn change(&self, number: u32, to: impl Fn(Helm) -> Helm) -> bool {
        loop {
            let helm = self.helm();
            if helm.leader() != number {
                return false;
            }
            if self.swap(helm, to(helm)) {
                return true;
            }
        }
    }
}

/// A number for a thread, of any crew: a thread of one is none of another's.
pub(crate) fn new_number() -> u32 {
    static LAST: AtomicU32 = AtomicU32::new(0);
    // Never 0, which is nobody.
    LAST.fetch_add(1, Ordering::Relaxed) % (u32::MAX - 1) + 1
}

struct Inside<'a>(&'a AtomicUsize);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
