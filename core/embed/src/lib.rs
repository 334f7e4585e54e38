//! One engine for any host language.
//!
//! A binding sees four calls, [`Engine::start`], [`Engine::submit`], [`Engine::drain`] and [`Engine::close`], and two closed
//! enums, [`Event`] and [`Command`]. Everything that Node and Python would otherwise each invent (batching, wake-ups, ids,
//! pending answers, two-phase close, defaults) is here once. It knows no host language: `tests/host` drives it from Rust.

// loom tests build the mailbox alone (`tests/mailbox_loom.rs`).
#![cfg(not(loom))]

pub mod client;
pub mod command;
pub mod event;
pub mod ids;

mod bridge;
mod carrier;
mod lifecycle;
mod mailbox;
mod options;
mod pending;
mod runtime;
mod shared;
mod sync;
mod values;
mod work;

pub use bridge::{Engine, Wake};
pub use client::{ClientCommand, ClientEvent, FailureKind};
/// How an engine sends its clients to others.
pub use ferrio::Drain;

pub use command::{AckRequest, Command, Flags, Target};
pub use event::{AckEnd, Event, LinkData, PacketKind};
pub use ids::{AckId, ClientId, ConnId, LinkId, RequestId, SocketId};
pub use runtime::Forked;

/// Why an engine did not start, or was not configured.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The options are not what `options.rs` describes; the text names the option.
    #[error("invalid option: {0}")]
    Options(String),
    /// The operating system refused.
    #[error("cannot start the I/O threads: {0}")]
    Runtime(#[from] std::io::Error),
}

/// PEM files of a TLS listener.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Path of the certificate chain.
    pub certificate: String,
    /// Path of the private key.
    pub key: String,
}
