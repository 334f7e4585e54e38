//! The client over real sockets, against our own server and against hostile ones.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod delivery;
mod events;
mod hostile;
mod support;
mod ways;
