//! A WebSocket whose bytes (or messages) come through a host language: TLS in Node, ASGI servers.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use ferrio_protocol::Cause;
use ferrio_protocol::engine::Frame;
use parking_lot::Mutex;

use crate::connection::Connection;
use crate::driver::{Read, feed};
use crate::lane::WireId;
use crate::net::websocket::Codec;
use crate::turn::Turn;

/// The host's side of such a WebSocket. Calls before it has begun, or after it has ended, do nothing.
#[derive(Default)]
pub struct HostFeed(Mutex<Option<Fed>>);

struct Fed {
    connection: Arc<Connection>,
    id: WireId,
    codec: Codec,
}

impl HostFeed {
    pub(crate) fn begin(&self, connection: Arc<Connection>, id: WireId, codec: Codec, read: &Bytes) {
        *self.0.lock() = Some(Fed { connection, id, codec });
        if !read.is_empty() {
            self.bytes(read);
        }
    }

    /// Bytes of the stream arrived (raw links).
    pub fn bytes(&self, bytes: &[u8]) {
        let _turn = Turn::enter();
        let mut fed = self.0.lock();
        let Some(Fed { connection, id, codec }) = &mut *fed else { return };
        // The lock is the codec's; what a read leads to may call back, but never into this link.
        let ended = match feed(codec, connection, *id, bytes) {
            Read::Open => return,
            Read::Ended(cause) => cause,
        };
        let (ended_connection, id) = (Arc::clone(connection), *id);
        *fed = None;
        drop(fed);
        ended_connection.wire_closed(id, ended);
    }

    /// A message arrived (framed links).
    pub fn frame(&self, frame: Frame) {
        let _turn = Turn::enter();
        if let Some((connection, _)) = self.connection() {
            connection.frames(std::iter::once(frame));
        }
    }

    /// The host has sent so many bytes on.
    pub fn sent(&self, bytes: usize) {
        if let Some((connection, id)) = self.connection() {
            connection.with_outbound(|outbound| outbound.writable(id, bytes));
            connection.flush();
        }
    }

    /// The host's connection ended.
    pub fn closed(&self, error: Option<Cow<'static, str>>) {
        let fed = self.0.lock().take();
        if let Some(fed) = fed {
            fed.connection.wire_closed(fed.id, error.map_or(Cause::Closed, Cause::Error));
        }
    }

    fn connection(&self) -> Option<(Arc<Connection>, WireId)> {
        self.0.lock().as_ref().map(|fed| (Arc::clone(&fed.connection), fed.id))
    }
}
