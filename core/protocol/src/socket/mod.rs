//! Socket.IO: namespaces, events, acks and binary attachments inside Engine.IO messages.

pub mod acks;
pub mod binary;
pub mod json;
pub mod msgpack;
pub mod packet;

pub use acks::Acks;
pub use binary::Reassembly;
pub use packet::{Decoded, Packet, Payload};

/// What Socket.IO packets are on the wire. Both sides must have the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Serializer {
    /// Text with JSON, attachments behind it.
    #[default]
    Json,
    /// One binary message: see [`msgpack`].
    MsgPack,
}
