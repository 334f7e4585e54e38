//! The engine's own threads.
//!
//! A host language keeps its threads to itself: signals go to it, never to ours, and a fork leaves ours behind. Each of our
//! threads knows whose it is, so that what it pushes into the mailbox within a turn wakes the host once, at the turn's end.

use std::cell::Cell;
use std::io;
use std::mem::ManuallyDrop;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle};

use crate::mailbox::Turn;

/// The I/O threads of one engine.
pub(crate) struct Runtime {
    tokio: ManuallyDrop<tokio::runtime::Runtime>,
    /// The process they run in. After a fork the child has the memory, but not the threads.
    process: u32,
    threads: usize,
    sleeping: Arc<AtomicUsize>,
}

/// Tells engines apart on their threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EngineNumber(u64);

/// The engine was started by another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this engine belongs to process {started_by}; after a fork, start a new one in the child")]
pub struct Forked {
    /// The process that started it.
    pub started_by: u32,
}

impl Runtime {
    /// Starts the threads. `end_turn` is called on each of them before it sleeps, if it has [owed](owe) a wake.
    pub(crate) fn start(
        engine: EngineNumber,
        threads: usize,
        end_turn: impl Fn() + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let number = AtomicUsize::new(0);
        let settle = Arc::new(move || {
            if THREAD.take().owes {
                end_turn();
            }
        });
        let settle_at_stop = Arc::clone(&settle);
        let sleeping = Arc::new(AtomicUsize::new(0));
        let (asleep, awake) = (Arc::clone(&sleeping), Arc::clone(&sleeping));
        let tokio = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name_fn(move || format!("ferrio-io-{}", number.fetch_add(1, Ordering::Relaxed)))
            .enable_all()
            .on_thread_start(mask_signals)
            // tokio calls this on workers only, never on its threads for blocking work: who has been here once comes again.
            .on_thread_park(move || {
                settle();
                THREAD.set(Thread { engine: Some(engine), owes: false });
                asleep.fetch_add(1, Ordering::Relaxed);
            })
            .on_thread_unpark(move || {
                awake.fetch_sub(1, Ordering::Relaxed);
            })
            .on_thread_stop(move || settle_at_stop())
            .build()?;
        Ok(Self { tokio: ManuallyDrop::new(tokio), process: process::id(), threads, sleeping })
    }

    pub(crate) fn handle(&self) -> &Handle {
        self.tokio.handle()
    }

    /// Whether all threads wait for something to do. It is a hint: it may be over at once.
    pub(crate) fn sleeps(&self) -> bool {
        self.sleeping.load(Ordering::Relaxed) == self.threads
    }

    /// # Errors
    /// This process was forked from the one that has the threads.
    pub(crate) fn check(&self) -> Result<(), Forked> {
        if self.process == process::id() { Ok(()) } else { Err(Forked { started_by: self.process }) }
    }

    /// Ends the threads, waiting for them at most for `limit`. After a fork there is nothing to end, and nothing that could be
    /// dropped safely: it is leaked.
    pub(crate) fn shut_down(mut self, limit: Duration) {
        if self.check().is_err() {
            return;
        }
        // SAFETY: `self` is ours and not used afterwards.
        let tokio = unsafe { ManuallyDrop::take(&mut self.tokio) };
        if Handle::try_current().is_ok() {
            // On a thread of a runtime nobody may wait.
            tokio.shutdown_background();
        } else {
            tokio.shutdown_timeout(limit);
        }
    }
}

impl EngineNumber {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Whether this thread is in a turn of this engine.
pub(crate) fn turn(engine: EngineNumber) -> Turn {
    if THREAD.get().engine == Some(engine) { Turn::Inside(Instant::now()) } else { Turn::Outside }
}

/// This thread, which is in a turn, owes the host a wake at its end.
pub(crate) fn owe() {
    THREAD.set(Thread { owes: true, ..THREAD.get() });
}

/// Whether this thread owes the host a wake; it does not afterwards.
pub(crate) fn settle() -> bool {
    let thread = THREAD.get();
    THREAD.set(Thread { owes: false, ..thread });
    thread.owes
}

#[derive(Clone, Copy, Default)]
struct Thread {
    /// Whose worker it is; `None` until it has slept once. What it pushes before that wakes the host at once.
    engine: Option<EngineNumber>,
    owes: bool,
}

thread_local! {
    static THREAD: Cell<Thread> = const { Cell::new(Thread { engine: None, owes: false }) };
}

/// Signals are the host's: a handler of its own that ran on our thread would not interrupt what its thread waits for.
#[cfg(unix)]
fn mask_signals() {
    // SAFETY: the set is initialised by sigfillset before it is read; only this thread's mask changes.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigfillset(&raw mut set);
        // A fault of our own must reach the handler that reports it.
        for fault in [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT, libc::SIGTRAP] {
            libc::sigdelset(&raw mut set, fault);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
    }
}

#[cfg(not(unix))]
fn mask_signals() {}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn started(engine: EngineNumber, end_turn: impl Fn() + Send + Sync + 'static) -> Runtime {
        Runtime::start(engine, 1, end_turn).unwrap()
    }

    #[test]
    fn a_turn_ends_when_the_thread_sleeps() {
        let (engine, other) = (EngineNumber::new(), EngineNumber::new());
        let (told, ends) = mpsc::channel();
        let runtime = started(engine, move || told.send(()).unwrap());
        assert!(matches!(turn(engine), Turn::Outside));
        let (told_turn, turns) = mpsc::channel();
        // The thread may come to the first task before it has slept once, not to the second.
        for _ in 0..2 {
            let told_turn = told_turn.clone();
            runtime.handle().spawn(async move {
                tokio::time::sleep(Duration::from_millis(1)).await;
                let inside = matches!((turn(engine), turn(other)), (Turn::Inside(_), Turn::Outside));
                owe();
                told_turn.send(inside).unwrap();
            });
            assert!(turns.recv().unwrap());
            ends.recv_timeout(Duration::from_secs(5)).unwrap();
        }
        runtime.shut_down(Duration::from_secs(5));
        assert!(ends.try_recv().is_err());
    }

    #[test]
    fn settling_on_the_way() {
        owe();
        assert!(settle());
        assert!(!settle());
    }

    #[cfg(unix)]
    #[test]
    fn signals_are_masked() {
        let runtime = started(EngineNumber::new(), || {});
        let (told, masked) = mpsc::channel();
        runtime.handle().spawn(async move {
            // SAFETY: reads this thread's mask into a set of ours.
            let mask = unsafe {
                let mut set = std::mem::zeroed();
                libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &raw mut set);
                [libc::SIGINT, libc::SIGTERM, libc::SIGCHLD, libc::SIGSEGV]
                    .map(|n| libc::sigismember(&raw const set, n))
            };
            told.send((mask, std::thread::current().name().map(str::to_owned))).unwrap();
        });
        let (mask, name) = masked.recv().unwrap();
        assert_eq!(mask, [1, 1, 1, 0]);
        assert!(name.unwrap().starts_with("ferrio-io-"));
        runtime.shut_down(Duration::from_secs(5));
    }

    #[test]
    fn another_process_is_told() {
        let mut runtime = started(EngineNumber::new(), || {});
        assert_eq!(runtime.check(), Ok(()));
        runtime.process += 1;
        let error = runtime.check().unwrap_err();
        assert!(error.to_string().contains("after a fork, start a new one"));
        // Leaked, threads and all, as it must be in a child.
        runtime.shut_down(Duration::from_secs(5));
    }
}
