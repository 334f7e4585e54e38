//! Socket.IO: namespaces, events, acks and binary attachments inside Engine.IO messages.

pub mod acks;
pub mod binary;
pub mod json;
pub mod packet;

pub use acks::Acks;
pub use binary::Reassembly;
pub use packet::{Decoded, Packet, Payload};
