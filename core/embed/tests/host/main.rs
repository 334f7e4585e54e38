//! A host language, in Rust: it drives an engine through `start`, `submit`, `drain` and `close` and nothing else, with clients
//! that speak bytes.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "helpers of tests, too")]

mod acks;
mod client;
mod clients;
mod closing;
mod engine;
mod links;
mod mailbox;
mod msgpack;
mod raw;
mod recovery;
mod requests;
mod rooms;
mod sockets;
mod toy;
