//! Which namespaces a connection has joined or asked for.
//!
//! ```text
//!            CONNECT            accept
//!   absent ──────────▶ Pending ────────▶ Joined
//!     ▲                  │ reject          │ DISCONNECT, either side
//!     └──────────────────┴─────────────────┘
//! ```

use smallvec::SmallVec;

use crate::text::Text;

/// Usually one entry, `/`; a list is smaller and faster than a map.
#[derive(Debug, Default)]
pub(super) struct Namespaces(SmallVec<[(Text, State); 1]>);

/// Where a namespace stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Asked for, not answered.
    Pending,
    /// Joined.
    Joined,
}

impl Namespaces {
    pub(super) fn state(&self, nsp: &str) -> Option<State> {
        self.0.iter().find(|(name, _)| name == nsp).map(|(_, state)| *state)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Nothing joined (something may be pending).
    pub(super) fn none_joined(&self) -> bool {
        self.0.iter().all(|(_, state)| *state != State::Joined)
    }

    pub(super) fn ask(&mut self, nsp: Text) {
        self.0.push((nsp, State::Pending));
    }

    /// Pending becomes joined; false if it was not pending.
    pub(super) fn accept(&mut self, nsp: &str) -> bool {
        match self.0.iter_mut().find(|(name, state)| name == nsp && *state == State::Pending) {
            Some((_, state)) => {
                *state = State::Joined;
                true
            }
            None => false,
        }
    }

    /// Forgets a namespace that stands at `state`; false if it does not.
    pub(super) fn remove(&mut self, nsp: &str, state: State) -> bool {
        match self.0.iter().position(|(name, at)| name == nsp && *at == state) {
            Some(index) => {
                self.0.swap_remove(index);
                true
            }
            None => false,
        }
    }
}
