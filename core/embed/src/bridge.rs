//! The engine as a host sees it.

use std::net::SocketAddr;
use std::sync::Arc;

use ferrio_protocol::Text;

use crate::command::{Command, Target};
use crate::event::Event;
use crate::ids::SocketId;

/// Wakes the host's loop: called from engine threads, at most once between two drains that found nothing.
pub trait Wake: Send + Sync + 'static {
    /// Makes the host call [`Engine::drain`] soon. Must not block and must not call back into the engine.
    fn wake(&self);
}

/// One Socket.IO server for a host language.
pub struct Engine;

impl Engine {
    /// Starts the I/O threads. `options` is a JSON object (see `options.rs`; times in ms).
    ///
    /// # Errors
    /// An unknown or impossible option, named; threads that cannot be started.
    pub fn start(options: &str, wake: Arc<dyn Wake>) -> Result<Self, crate::StartError> {
        let _ = (options, wake);
        todo!()
    }

    /// Opens an own listener (native `serve`). May be called again for further addresses. Port 0 picks one.
    ///
    /// # Errors
    /// What binding the address, or reading the TLS files, said.
    pub fn listen(&self, address: &str, tls: Option<&crate::Tls>) -> std::io::Result<SocketAddr> {
        let _ = (address, tls);
        todo!()
    }

    /// Carries out a batch of commands, in order, with at most one wake of an I/O thread.
    pub fn submit(&self, commands: Vec<Command>) {
        let _ = commands;
        todo!()
    }

    /// Moves waiting events to the end of `batch`: at most about `max_events`, `max_bytes` of payload. Returns whether more
    /// wait. When it returns false the mailbox is armed: the next event will wake the host.
    pub fn drain(&self, batch: &mut Vec<Event>, max_events: usize, max_bytes: usize) -> bool {
        let _ = (batch, max_events, max_bytes);
        todo!()
    }

    /// Rooms of a socket, its own id first. Empty for a socket that is gone.
    pub fn rooms(&self, socket: SocketId) -> Vec<Text> {
        let _ = socket;
        todo!()
    }

    /// The sockets a target means right now.
    pub fn members(&self, target: &Target) -> Vec<SocketId> {
        let _ = target;
        todo!()
    }

    /// All rooms of a namespace that have members, own-id rooms excluded.
    pub fn room_names(&self, nsp: &str) -> Vec<Text> {
        let _ = nsp;
        todo!()
    }

    /// Bytes waiting to be sent to the socket's connection, and whether that is above the high mark.
    pub fn buffered(&self, socket: SocketId) -> (usize, bool) {
        let _ = socket;
        todo!()
    }

    /// The transport the socket's connection uses now: `"polling"` or `"websocket"`.
    pub fn transport(&self, socket: SocketId) -> Option<&'static str> {
        let _ = socket;
        todo!()
    }

    /// Begins to close: listeners stop, sockets end with "server shutting down", every pending request and ack completes,
    /// then `Event::Closed` comes. Idempotent. Dropping the engine afterwards ends the threads.
    pub fn close(&self) {
        todo!()
    }
}
