//! The end of an engine: two phases for the host (`close`, `Event::Closed`), a few more steps within.

use std::sync::atomic::{AtomicU8, Ordering};

/// Where an engine stands. Each step is made once, by the one caller that is told so.
#[derive(Debug)]
pub(crate) struct Lifecycle(AtomicU8);

/// ```text
///         close()            its turn has come        ports are closed        nothing is left,
///                            in the queue                                     or the time is up
///   Open ─────────▶ Closing ─────────────────▶ Refusing ─────────────▶ Ending ────────────────▶ Closed
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Everything works.
    Open,
    /// What was submitted before is carried out first.
    Closing,
    /// The server is closed: connections end, requests and acks complete, new requests and links are refused.
    Refusing,
    /// Nothing comes in any more.
    Ending,
    /// `Event::Closed` was the last event.
    Closed,
}

impl Lifecycle {
    /// Makes the step to `phase` from the one before it. True for the first caller.
    pub(crate) fn step_to(&self, phase: Phase) -> bool {
        let to = phase as u8;
        self.0.compare_exchange(to.wrapping_sub(1), to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    pub(crate) fn has_reached(&self, phase: Phase) -> bool {
        self.0.load(Ordering::Acquire) >= phase as u8
    }
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self(AtomicU8::new(Phase::Open as u8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_is_made_once_and_in_order() {
        let life = Lifecycle::default();
        let phases = [Phase::Open, Phase::Closing, Phase::Refusing, Phase::Ending, Phase::Closed];
        for (at, now) in phases.into_iter().enumerate() {
            for phase in phases {
                assert_eq!(life.has_reached(phase), phase <= now);
            }
            let next = at + 1;
            for (other, phase) in phases.into_iter().enumerate() {
                assert!(other == next || !life.step_to(phase), "{now:?} to {phase:?}");
            }
            assert_eq!(phases.get(next).is_some_and(|next| life.step_to(*next)), next < phases.len());
        }
    }
}
