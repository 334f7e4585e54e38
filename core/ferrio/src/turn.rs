//! Everything ready for a connection leaves in one write.
//!
//! While a thread is inside a turn (one read of a socket and the handlers it called, one batch of a host's commands, one
//! stroke of the clock), connections that were given something to send are only noted; they are flushed when the turn ends.
//! Outside of a turn a connection is flushed at once.

use std::cell::RefCell;
use std::sync::Arc;

use crate::connection::Connection;

/// A turn of this thread; ends when dropped. Turns nest: the outermost one flushes.
pub struct Turn {
    outermost: bool,
}

thread_local! {
    /// `Some` inside a turn. The list is kept between turns for its memory.
    static NOTED: RefCell<Noted> = const { RefCell::new(Noted { inside: false, connections: Vec::new() }) };
}

struct Noted {
    inside: bool,
    connections: Vec<Arc<Connection>>,
}

impl Turn {
    /// Begins a turn.
    pub fn enter() -> Self {
        NOTED.with_borrow_mut(|noted| {
            let outermost = !noted.inside;
            noted.inside = true;
            Self { outermost }
        })
    }

    /// Notes a connection for the end of the turn; false when there is no turn.
    pub(crate) fn note(connection: &Arc<Connection>) -> bool {
        NOTED.with_borrow_mut(|noted| {
            if noted.inside {
                noted.connections.push(Arc::clone(connection));
            }
            noted.inside
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.outermost {
            return;
        }
        // Flushing may close a connection, whose application may send to others: those are noted behind.
        loop {
            let mut connections = NOTED.with_borrow_mut(|noted| std::mem::take(&mut noted.connections));
            for connection in connections.drain(..) {
                connection.flush();
            }
            let over = NOTED.with_borrow_mut(|noted| {
                noted.inside = !noted.connections.is_empty();
                if !noted.inside && connections.capacity() <= KEPT {
                    noted.connections = connections;
                }
                !noted.inside
            });
            if over {
                return;
            }
        }
    }
}

/// A thread keeps the list of a turn for the next one, unless a broadcast made it large.
const KEPT: usize = 4096;
