//! Engine.IO and Socket.IO as values and state machines.
//!
//! This crate turns bytes into packets and packets into bytes, and holds the one machine, [`Session`], that says what a
//! peer may do next. It does no I/O, reads no clock, draws no random number, starts no thread and knows no runtime: time
//! and chance are arguments, bytes come in as [`Input`] and leave as [`Output`].
//!
//! * [`engine`]: Engine.IO v4 and v3, what a transport carries.
//! * [`socket`]: Socket.IO v5 and v4, what an Engine.IO message carries.
//! * [`message`]: one Socket.IO packet encoded once, to be shared by every receiver.
//! * [`session`]: the machine for one peer, server or client.
//! * [`mask`], [`backoff`]: what only a client needs, the frames it writes and the time until it tries again.
//!
//! The payload of an event stays sealed: this crate checks that it is well-formed JSON within the depth limit and keeps it
//! as text and attachments. It becomes values once, in the language of the handler.

pub mod backoff;
pub mod dialect;
pub mod engine;
pub mod error;
pub mod input;
pub mod limits;
pub mod mask;
pub mod message;
pub mod query;
pub mod reason;
pub mod session;
pub mod socket;
pub mod text;

pub use backoff::Backoff;
pub use dialect::Dialect;
pub use error::{Fault, ProtocolError};
pub use input::{Cause, Event, Input, Output, Via};
pub use limits::{Limit, Limits};
pub use message::{Item, Message};
pub use reason::Reason;
pub use session::Session;
pub use text::Text;
