//! All deadlines of a server, in one ordered map, served by one task.
//!
//! A connection costs one entry, whatever its heartbeat, upgrade and time limits want next. An entry is moved only to an
//! earlier time: a deadline that has moved on is noticed when the old one strikes, so traffic costs no timer work.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::turn::Turn;

/// Calls back at or after a time.
#[derive(Default)]
pub(crate) struct Clock {
    queue: Mutex<Queue>,
    /// The earliest entry has changed.
    changed: Notify,
}

#[derive(Default)]
struct Queue {
    due: BTreeMap<Key, Box<dyn FnOnce() + Send>>,
    next: u64,
    stopped: bool,
}

/// An entry, to cancel it by.
pub(crate) type Key = (Instant, u64);

impl Clock {
    /// Calls `strike` on the clock's task, inside a turn.
    pub(crate) fn schedule(&self, at: Instant, strike: impl FnOnce() + Send + 'static) -> Key {
        self.schedule_keyed(at, |_| strike())
    }

    /// As [`Self::schedule`]; `strike` is told which entry it was.
    pub(crate) fn schedule_keyed(&self, at: Instant, strike: impl FnOnce(Key) + Send + 'static) -> Key {
        let mut queue = self.queue.lock();
        let key = (at, queue.next);
        queue.next += 1;
        if queue.stopped {
            return key;
        }
        let earliest = queue.due.first_key_value().is_none_or(|(first, _)| key < *first);
        queue.due.insert(key, Box::new(move || strike(key)));
        drop(queue);
        if earliest {
            self.changed.notify_one();
        }
        key
    }

    /// Forgets an entry. One that has struck already is no error.
    pub(crate) fn cancel(&self, key: Key) {
        let strike = self.queue.lock().due.remove(&key);
        // Dropped outside of the lock: it may hold the last reference to something large.
        drop(strike);
    }

    /// Serves the entries until [`Self::stop`].
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            let changed = self.changed.notified();
            let next = {
                let queue = self.queue.lock();
                if queue.stopped {
                    return;
                }
                queue.due.first_key_value().map(|(key, _)| key.0)
            };
            match next {
                Some(at) => {
                    tokio::select! {
                        () = changed => {}
                        () = tokio::time::sleep_until(at.into()) => self.strike(Instant::now()),
                    }
                }
                None => changed.await,
            }
        }
    }

    /// Drops all entries and ends [`Self::run`].
    pub(crate) fn stop(&self) {
        let mut queue = self.queue.lock();
        queue.stopped = true;
        let due = std::mem::take(&mut queue.due);
        drop(queue);
        drop(due);
        self.changed.notify_one();
    }

    fn strike(&self, now: Instant) {
        let _turn = Turn::enter();
        loop {
            let mut queue = self.queue.lock();
            match queue.due.first_entry() {
                Some(entry) if entry.key().0 <= now => {
                    let strike = entry.remove();
                    drop(queue);
                    strike();
                }
                _ => return,
            }
        }
    }
}
