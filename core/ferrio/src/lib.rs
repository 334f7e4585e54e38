//! Socket.IO for Rust: one engine, of which the Node and Python packages of the same name are two more faces.

pub mod ack;
pub mod application;
pub mod config;
pub mod connection;
pub mod host;
pub mod hub;
pub mod namespace;
pub mod net;
pub mod rooms;
pub mod socket;
pub mod turn;

mod clock;
mod driver;
mod lane;
mod outbound;

pub use config::Config;
pub use ferrio_protocol::{Dialect, Reason, Text};
