//! What a peer may cost. Every limit has a name, a unit, a default and a reason.

use std::time::Duration;

/// The limits a [`Session`](crate::Session) enforces. Those of the HTTP layer live with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest POST body and WebSocket message, in bytes. 1e6, as both originals (`maxHttpBufferSize`).
    pub max_payload: usize,
    /// Packets in one POST. 1000: python-engineio's 16 is a frequent complaint, the reference has no limit at all.
    pub packets_per_payload: usize,
    /// Attachments of one packet. 10, as socket.io-parser since 4.2.6 (CVE-2026-33151).
    pub attachments: usize,
    /// Time for announced attachments to arrive. 30 s: a peer that announces and never sends holds memory.
    pub reassembly: Duration,
    /// Nesting of a JSON payload. 128: deeper than any honest payload, shallow enough for every parser behind us.
    pub json_depth: usize,
    /// Namespaces one connection may join or await. 64.
    pub namespaces: usize,
    /// Bytes of a namespace's name. 512.
    pub namespace_name: usize,
    /// Bytes of an event's name, as it stands in the JSON text. 1 KiB.
    pub event_name: usize,
}

/// Largest ack id: what a JavaScript number holds exactly (2^53 - 1).
pub const MAX_ACK_ID: u64 = (1 << 53) - 1;

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_payload: 1_000_000,
            packets_per_payload: 1000,
            attachments: 10,
            reassembly: Duration::from_secs(30),
            json_depth: 128,
            namespaces: 64,
            namespace_name: 512,
            event_name: 1024,
        }
    }
}
