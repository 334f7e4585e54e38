//! From polling to a WebSocket without losing, doubling or reordering anything.
//!
//! ```text
//!              candidate                2probe                 5
//!   Never ──────────────▶ Opened ─────────────▶ Probed ──────────────▶ Done
//!     ▲                     │                     │  every 100 ms: nudge the GET, so that the client's
//!     └── anything else, closed, upgradeTimeout ──┘  poll cycle ends and it can send `5`
//! ```
//! Until `5` the server still delivers through polling.

use std::time::{Duration, Instant};

/// How often a waiting GET is ended while a client wants to leave polling.
const NUDGE: Duration = Duration::from_millis(100);

/// Where a session stands with its candidate.
#[derive(Debug, Default)]
pub(super) enum Upgrade {
    /// No candidate.
    #[default]
    Never,
    /// A WebSocket is open, nothing was said on it. (Client: our probe went out.)
    Opened { until: Instant },
    /// Probed and answered. (Client: polling is being paused.)
    Probed { until: Instant, nudge_at: Option<Instant> },
    /// The session lives on the WebSocket.
    Done,
}

impl Upgrade {
    /// A candidate may come.
    pub(super) fn is_never(&self) -> bool {
        matches!(self, Self::Never)
    }

    /// A candidate is there and has not won yet.
    pub(super) fn is_under_way(&self) -> bool {
        matches!(self, Self::Opened { .. } | Self::Probed { .. })
    }

    /// The candidate said `2probe` and was answered.
    pub(super) fn is_probed(&self) -> bool {
        matches!(self, Self::Probed { .. })
    }

    /// The candidate said `2probe`; the time limit of the whole upgrade stands.
    pub(super) fn probed(&mut self, now: Instant) {
        if let Self::Opened { until } | Self::Probed { until, .. } = *self {
            *self = Self::Probed { until, nudge_at: Some(now + NUDGE) };
        }
    }

    /// Client: the server answered the probe.
    pub(super) fn pausing(&mut self) {
        if let Self::Opened { until } = *self {
            *self = Self::Probed { until, nudge_at: None };
        }
    }

    /// The waiting GET is to be ended now.
    pub(super) fn nudge(&mut self, now: Instant) -> bool {
        match self {
            Self::Probed { nudge_at: Some(at), .. } if now >= *at => {
                *at = now + NUDGE;
                true
            }
            Self::Never | Self::Opened { .. } | Self::Probed { .. } | Self::Done => false,
        }
    }

    /// The time limit is over.
    pub(super) fn expired(&self, now: Instant) -> bool {
        match self {
            Self::Opened { until } | Self::Probed { until, .. } => now >= *until,
            Self::Never | Self::Done => false,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Opened { until } => Some(*until),
            Self::Probed { until, nudge_at } => Some(nudge_at.map_or(*until, |at| at.min(*until))),
            Self::Never | Self::Done => None,
        }
    }
}
