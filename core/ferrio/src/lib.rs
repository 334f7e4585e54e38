//! Socket.IO for Rust.

pub mod config;
pub mod net;
