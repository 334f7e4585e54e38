//! Events to records, records to commands. The layout is written in `lib/records.ts`, in the same order.

mod commands;
mod events;

pub(crate) use commands::{commands, read_text, rooms_target};
pub(crate) use events::Outbox;
