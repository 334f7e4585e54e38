//! Is the peer still there?
//!
//! ```text
//!  v4 server   Quiet ──interval──▶ ping sent: Awaiting ──pong──▶ Quiet
//!                                      │ other packet: wait once more
//!                                      └──timeout──▶ dead
//!  v4 client, v3 server   Listening ──nothing for interval + timeout──▶ dead
//!  v3 client   as v4 server, with the roles of ping and pong the same: it sends the pings
//! ```

use std::time::{Duration, Instant};

/// The heartbeat of one session.
#[derive(Debug)]
pub(super) struct Heartbeat {
    interval: Duration,
    timeout: Duration,
    state: State,
}

#[derive(Debug)]
enum State {
    /// We ping at this time.
    Quiet { ping_at: Instant },
    /// Our ping went out.
    Awaiting { until: Instant, extended: bool },
    /// The peer pings.
    Listening { until: Instant },
}

/// What a deadline asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beat {
    Nothing,
    Ping,
    Dead,
}

impl Heartbeat {
    /// The side that pings.
    pub(super) fn pinging(interval: Duration, timeout: Duration, now: Instant) -> Self {
        Self { interval, timeout, state: State::Quiet { ping_at: now + interval } }
    }

    /// The side that answers.
    pub(super) fn listening(interval: Duration, timeout: Duration, now: Instant) -> Self {
        Self { interval, timeout, state: State::Listening { until: now + interval + timeout } }
    }

    /// Other times, for what begins from now on.
    pub(super) fn set_times(&mut self, interval: Duration, timeout: Duration) {
        self.interval = interval;
        self.timeout = timeout;
    }

    pub(super) fn deadline(&self) -> Instant {
        match self.state {
            State::Quiet { ping_at } => ping_at,
            State::Awaiting { until, .. } | State::Listening { until } => until,
        }
    }

    /// When a peer that says nothing any more is dead.
    pub(super) fn dead_at(&self) -> Instant {
        match self.state {
            State::Quiet { ping_at } => ping_at + self.timeout,
            State::Awaiting { until, .. } | State::Listening { until } => until,
        }
    }

    /// The clock says `now`.
    pub(super) fn tick(&mut self, now: Instant) -> Beat {
        match self.state {
            State::Quiet { ping_at } if now >= ping_at => {
                self.state = State::Awaiting { until: now + self.timeout, extended: false };
                Beat::Ping
            }
            State::Awaiting { until, .. } | State::Listening { until } if now >= until => Beat::Dead,
            State::Quiet { .. } | State::Awaiting { .. } | State::Listening { .. } => Beat::Nothing,
        }
    }

    /// A pong came. One that nobody asked for changes nothing.
    pub(super) fn pong(&mut self, now: Instant) {
        if let State::Awaiting { .. } = self.state {
            self.state = State::Quiet { ping_at: now + self.interval };
        }
    }

    /// Any other packet came: the peer lives, but that is no reason to wait for its pong forever (engine.io 6.6.12).
    pub(super) fn sign_of_life(&mut self, now: Instant) {
        match &mut self.state {
            State::Awaiting { until, extended: extended @ false } => {
                *until = now + self.timeout;
                *extended = true;
            }
            State::Listening { until } => *until = now + self.interval + self.timeout,
            State::Awaiting { .. } | State::Quiet { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(25);
    const TIMEOUT: Duration = Duration::from_secs(20);

    #[test]
    fn the_next_interval_starts_at_the_pong() {
        let start = Instant::now();
        let mut beat = Heartbeat::pinging(INTERVAL, TIMEOUT, start);
        assert_eq!(beat.tick(start + Duration::from_secs(24)), Beat::Nothing);
        assert_eq!(beat.tick(start + INTERVAL), Beat::Ping);
        beat.pong(start + Duration::from_secs(30));
        assert_eq!(beat.deadline(), start + Duration::from_secs(55));
    }

    #[test]
    fn other_times_begin_with_what_begins_next() {
        let start = Instant::now();
        let mut beat = Heartbeat::pinging(INTERVAL, TIMEOUT, start);
        beat.set_times(Duration::from_secs(1), Duration::from_secs(2));
        assert_eq!(beat.deadline(), start + INTERVAL);
        assert_eq!(beat.tick(start + INTERVAL), Beat::Ping);
        assert_eq!(beat.deadline(), start + INTERVAL + Duration::from_secs(2));
        beat.pong(start + INTERVAL);
        assert_eq!(beat.deadline(), start + INTERVAL + Duration::from_secs(1));
    }

    #[test]
    fn another_packet_extends_the_wait_once() {
        let start = Instant::now();
        let mut beat = Heartbeat::pinging(INTERVAL, TIMEOUT, start);
        assert_eq!(beat.tick(start + INTERVAL), Beat::Ping);
        beat.sign_of_life(start + Duration::from_secs(30));
        beat.sign_of_life(start + Duration::from_secs(40));
        assert_eq!(beat.deadline(), start + Duration::from_secs(50));
        assert_eq!(beat.tick(start + Duration::from_secs(50)), Beat::Dead);
    }

    #[test]
    fn an_unasked_pong_changes_nothing() {
        let start = Instant::now();
        let mut beat = Heartbeat::pinging(INTERVAL, TIMEOUT, start);
        beat.pong(start + Duration::from_secs(20));
        assert_eq!(beat.deadline(), start + INTERVAL);
    }

    #[test]
    fn a_listener_waits_for_interval_and_timeout() {
        let start = Instant::now();
        let mut beat = Heartbeat::listening(INTERVAL, TIMEOUT, start);
        beat.sign_of_life(start + Duration::from_secs(10));
        assert_eq!(beat.tick(start + Duration::from_secs(54)), Beat::Nothing);
        assert_eq!(beat.tick(start + Duration::from_secs(55)), Beat::Dead);
    }
}
