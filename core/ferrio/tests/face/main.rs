//! The Rust face over real sockets: one file for each thing that a program does with it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod acks;
mod admission;
mod connect;
mod disconnect;
mod drain;
mod events;
mod limits;
mod misdeeds;
mod mounted;
mod order;
mod recovery;
mod rooms;
mod support;
