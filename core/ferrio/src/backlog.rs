//! What a host has submitted for a connection and nobody has carried out yet.
//!
//! It counts as waiting for the peer: a host that submits faster than the I/O threads work sees its own queue, and waits
//! for the same `drain`. Costs two atomic additions a message, and nothing where nobody asks.

use std::sync::Arc;

use crate::connection::Connection;
use crate::sync::{AtomicBool, AtomicUsize, Ordering};

/// The bytes under way to one connection.
#[derive(Default)]
pub(crate) struct Backlog {
    bytes: AtomicUsize,
    /// Somebody was told that the peer is slow, perhaps for these bytes alone: when they have been carried out, a flush must
    /// look whether it still is. Changed with the outbound side locked.
    asked: AtomicBool,
}

/// A message under way; it is no more when this is dropped.
pub struct Announced {
    connection: Arc<Connection>,
    bytes: usize,
}

impl Backlog {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::SeqCst)
    }

    /// Says whether a drop must see to a flush. To be said before [`Self::bytes`] is asked: a drop in between is seen by one of
    /// the two.
    pub(crate) fn watch(&self, on: bool) {
        self.asked.store(on, Ordering::SeqCst);
    }
}

impl Announced {
    pub(crate) fn new(connection: &Arc<Connection>, backlog: &Backlog, bytes: usize) -> Self {
        backlog.bytes.fetch_add(bytes, Ordering::SeqCst);
        Self { connection: Arc::clone(connection), bytes }
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        let backlog = self.connection.backlog();
        let before = backlog.bytes.fetch_sub(self.bytes, Ordering::SeqCst);
        if before == self.bytes && backlog.asked.load(Ordering::SeqCst) {
            self.connection.flush_soon();
        }
    }
}
