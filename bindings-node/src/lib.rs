//! The Node addon: one class, `Engine`, with the calls that `lib/native.ts` types.
//!
//! It converts and nothing else. What an event means to a program is in `lib/`, what a command does is in `ferrio-embed`.
//! Everything is per environment: a worker thread that loads the addon has engines of its own, and they end with it.

mod convert;
mod engine;
mod errors;
mod wake;
