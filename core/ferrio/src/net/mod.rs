//! The wire.
pub mod exchange;
