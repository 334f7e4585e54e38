//! What others want of a task: a queue, and the task's sleep.
//!
//! A task is woken when it sleeps, and only then: what a handler that the task itself calls adds to the queue is found without.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// See the module.
pub(super) struct Orders<T> {
    /// None when nobody takes orders any more.
    waiting: Mutex<Option<VecDeque<T>>>,
    asleep: AtomicBool,
    wake: Notify,
}

impl<T> Orders<T> {
    pub(super) fn new() -> Self {
        Self { waiting: Mutex::new(Some(VecDeque::new())), asleep: AtomicBool::new(false), wake: Notify::new() }
    }

    /// Adds one at the end, from any thread.
    pub(super) fn push(&self, order: T) {
        {
            let mut waiting = self.waiting.lock();
            let Some(waiting) = waiting.as_mut() else {
                // Dropped behind the lock: it may hold what points back to here.
                return;
            };
            waiting.push_back(order);
        }
        if self.asleep.swap(false, Ordering::SeqCst) {
            self.wake.notify_one();
        }
    }

    /// Has the task look around.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    // The task's side.

    /// Moves what waits to `into`, which is empty.
    pub(super) fn take(&self, into: &mut VecDeque<T>) {
        if let Some(waiting) = self.waiting.lock().as_mut() {
            std::mem::swap(waiting, into);
        }
    }

    /// To be polled, last of all, by the task that sleeps.
    pub(super) fn woken(&self) -> Notified<'_> {
        self.wake.notified()
    }

    /// Ready when an order waits, or somebody wants the task to look around.
    pub(super) fn poll_woken(&self, woken: Pin<&mut Notified<'_>>, context: &mut Context<'_>) -> Poll<()> {
        self.asleep.store(true, Ordering::SeqCst);
        // Whoever adds one from here on sees that we sleep.
        let waits = self.waiting.lock().as_ref().is_some_and(|waiting| !waiting.is_empty());
        if waits { Poll::Ready(()) } else { woken.poll(context) }
    }

    /// The task has something to do.
    pub(super) fn awake(&self) {
        self.asleep.store(false, Ordering::SeqCst);
    }

    /// Drops what waits, and what comes.
    pub(super) fn close(&self) {
        // Dropped outside of the lock, as above.
        let rest = self.waiting.lock().take();
        drop(rest);
    }
}
