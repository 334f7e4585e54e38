//! Is the peer still there?
//!
//! ```text
//!  v4 server   Quiet ──interval──▶ ping sent: Awaiting ──pong──▶ Quiet
//!                                      │ other packet: wait once more
//!                                      └──timeout──▶ dead
//!                                         (noticed late: not before the peer had as long again, once)
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
    Awaiting { sent: Instant, until: Instant, extended: bool, excused: bool },
    /// The peer pings.
    Listening { until: Instant, excused: bool },
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
        Self { interval, timeout, state: State::Listening { until: now + interval + timeout, excused: false } }
    }

    /// Other times, for what begins from now on.
    pub(super) fn set_times(&mut self, interval: Duration, timeout: Duration) {
        self.interval = interval;
        self.timeout = timeout;
    }

    pub(super) fn deadline(&self) -> Instant {
        match self.state {
            State::Quiet { ping_at } => ping_at,
            State::Awaiting { until, .. } | State::Listening { until, .. } => until,
        }
    }

    /// When a peer that says nothing any more is dead.
    pub(super) fn dead_at(&self) -> Instant {
        match self.state {
            State::Quiet { ping_at } => ping_at + self.timeout,
            State::Awaiting { until, .. } | State::Listening { until, .. } => until,
        }
    }

    /// The clock says `now`.
    pub(super) fn tick(&mut self, now: Instant) -> Beat {
        match &mut self.state {
            State::Quiet { ping_at } if now >= *ping_at => {
                let until = now + self.timeout;
                self.state = State::Awaiting { sent: now, until, extended: false, excused: false };
                Beat::Ping
            }
            State::Awaiting { until, excused, .. } | State::Listening { until, excused } if now >= *until => {
                // We have slept (no CPU, a suspended machine): its answer may be here, and not read yet.
                let late = now - *until;
                if late < LATE || *excused {
                    return Beat::Dead;
                }
                *excused = true;
                *until = now + late.min(self.timeout);
                Beat::Nothing
            }
            State::Quiet { .. } | State::Awaiting { .. } | State::Listening { .. } => Beat::Nothing,
        }
    }

    /// We do not listen: that nothing comes means nothing, and the peer needs its pings all the same. With `once` we did not
    /// until a moment ago, which excuses a peer once.
    pub(super) fn excuse(&mut self, once: bool, now: Instant) {
        match &mut self.state {
            State::Awaiting { sent, until, .. } if now >= *until && !once => {
                self.state = State::Quiet { ping_at: now.max(*sent + self.interval) };
            }
            State::Awaiting { until, excused, .. } | State::Listening { until, excused } => {
                if now >= *until && !(once && *excused) {
                    *excused = true;
                    *until = now + self.timeout;
                }
            }
            State::Quiet { .. } => {}
        }
    }

    /// A pong came. One that nobody asked for changes nothing.
    pub(super) fn pong(&mut self, now: Instant) {
        if let State::Awaiting { sent, .. } = self.state {
            // One that we heard late: the peer has counted from our last ping, and would not live to see the next in its time.
            let late = now >= sent + self.timeout;
            self.state = State::Quiet { ping_at: if late { now } else { now + self.interval } };
        }
    }

    /// Any other packet came: the peer lives, but that is no reason to wait for its pong forever (engine.io 6.6.12).
    pub(super) fn sign_of_life(&mut self, now: Instant) {
        match &mut self.state {
            // What a peer has sent while we did not listen stands before its pong: as long as it comes, so may that.
            State::Awaiting { until, extended, excused, .. } if !*extended || *excused => {
                *until = now + self.timeout;
                *extended = true;
            }
            State::Listening { until, excused } => {
                *until = now + self.interval + self.timeout;
                *excused = false;
            }
            State::Awaiting { .. } | State::Quiet { .. } => {}
        }
    }
}

/// A clock that strikes so late has slept; less is the ordinary lateness of timers.
const LATE: Duration = Duration::from_millis(50);

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
    fn who_slept_listens_once_more() {
        let start = Instant::now();
        let mut beat = Heartbeat::pinging(INTERVAL, TIMEOUT, start);
        assert_eq!(beat.tick(start + INTERVAL), Beat::Ping);
        let woken = start + INTERVAL + TIMEOUT + Duration::from_secs(2);
        assert_eq!(beat.tick(woken), Beat::Nothing);
        assert_eq!(beat.deadline(), woken + Duration::from_secs(2));
        // Once: a peer does not live on because we sleep again and again.
        assert_eq!(beat.tick(woken + Duration::from_secs(10)), Beat::Dead);
        beat.pong(woken);
        assert_eq!(beat.tick(woken + INTERVAL), Beat::Ping);
        assert_eq!(beat.tick(woken + INTERVAL + TIMEOUT), Beat::Dead);
    }

    #[test]
    fn a_long_sleep_gives_no_more_than_the_timeout() {
        let start = Instant::now();
        let mut beat = Heartbeat::listening(INTERVAL, TIMEOUT, start);
        let woken = start + Duration::from_secs(3600);
        assert_eq!(beat.tick(woken), Beat::Nothing);
        assert_eq!(beat.tick(woken + TIMEOUT), Beat::Dead);
    }

    #[test]
    fn who_does_not_listen_counts_nobody_dead() {
        let start = Instant::now();
        let mut beat = Heartbeat::pinging(INTERVAL, TIMEOUT, start);
        assert_eq!(beat.tick(start + INTERVAL), Beat::Ping);
        // The peer has its pings as ever, and is asked for nothing.
        for round in 1..10 {
            let ping = start + INTERVAL * round;
            beat.excuse(false, ping + TIMEOUT);
            assert_eq!(beat.tick(ping + TIMEOUT), Beat::Nothing);
            assert_eq!(beat.deadline(), ping + INTERVAL);
            assert_eq!(beat.tick(ping + INTERVAL), Beat::Ping);
        }
        // Once we listen, it is given one more chance, for what it has sent may not have been read.
        let heard = start + INTERVAL * 10 + TIMEOUT;
        beat.excuse(true, heard);
        assert_eq!(beat.tick(heard), Beat::Nothing);
        beat.excuse(true, heard + TIMEOUT);
        assert_eq!(beat.tick(heard + TIMEOUT), Beat::Dead);
    }

    #[test]
    fn an_answer_heard_late_is_followed_by_a_ping() {
        let start = Instant::now();
        let mut beat = Heartbeat::pinging(INTERVAL, TIMEOUT, start);
        assert_eq!(beat.tick(start + INTERVAL), Beat::Ping);
        let heard = start + INTERVAL + TIMEOUT;
        beat.excuse(true, heard);
        beat.pong(heard);
        assert_eq!(beat.tick(heard), Beat::Ping);
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
