//! The end of an engine, in two phases.
//!
//! ```text
//!            begin                       finish: nothing is left, or the time is up
//!   Open ─────────────▶ Closing ────────────────────────────────────────────────────▶ Closed
//!    │                     │                                                            │
//!    │ everything works    │ listeners are closed, new requests and links refused;      │ `Event::Closed` was the last event;
//!    │                     │ connections end, requests and acks complete                │ submit and drain do nothing
//! ```

use std::sync::atomic::{AtomicU8, Ordering};

/// Where an engine stands. Each step is made once, by the one caller that is told so.
#[derive(Debug, Default)]
pub(crate) struct Lifecycle(AtomicU8);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Open,
    Closing,
    Closed,
}

impl Lifecycle {
    pub(crate) fn phase(&self) -> Phase {
        match self.0.load(Ordering::Acquire) {
            OPEN => Phase::Open,
            CLOSING => Phase::Closing,
            _ => Phase::Closed,
        }
    }

    /// True for the first caller.
    pub(crate) fn begin(&self) -> bool {
        self.step(OPEN, CLOSING)
    }

    /// True for the first caller after [`Self::begin`].
    pub(crate) fn finish(&self) -> bool {
        self.step(CLOSING, CLOSED)
    }

    fn step(&self, from: u8, to: u8) -> bool {
        self.0.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

const OPEN: u8 = 0;
const CLOSING: u8 = 1;
const CLOSED: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_is_made_once_and_in_order() {
        let life = Lifecycle::default();
        assert_eq!(life.phase(), Phase::Open);
        assert!(!life.finish());
        assert!(life.begin());
        assert!(!life.begin());
        assert_eq!(life.phase(), Phase::Closing);
        assert!(life.finish());
        assert!(!life.finish());
        assert!(!life.begin());
        assert_eq!(life.phase(), Phase::Closed);
    }
}
