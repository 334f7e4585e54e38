//! How long a client waits before it tries again: the formula of socket.io-client.

use std::time::Duration;

/// Delays that double from `min` to `max`, each of them spread by chance so that the clients of a server that fell do not
/// come back all at once.
#[derive(Clone, Debug)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    jitter: f64,
    attempts: u32,
}

impl Backoff {
    /// `jitter` is the part of a delay (0 to 1) that chance may add or take away.
    pub fn new(min: Duration, max: Duration, jitter: f64) -> Self {
        let mut backoff = Self { min, max, jitter: 0.0, attempts: 0 };
        backoff.set(min, max, jitter);
        backoff
    }

    /// Other times, for the delays that follow.
    pub fn set(&mut self, min: Duration, max: Duration, jitter: f64) {
        let jitter = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 0.0 };
        (self.min, self.max, self.jitter) = (min, max, jitter);
    }

    /// Delays given since the last reset.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// It went well: the next delay is the first again.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }

    /// The next delay, in whole milliseconds. `random` lies in 0..1; as in the original it decides about the sign, too, and
    /// `max` bounds what comes out.
    pub fn next(&mut self, random: f64) -> Duration {
        let exponent = i32::try_from(self.attempts).unwrap_or(i32::MAX);
        self.attempts = self.attempts.saturating_add(1);
        let max = self.max.as_millis() as f64;
        // After a thousand attempts it would be infinite, and infinity less a part of itself is no number.
        let delay = (self.min.as_millis() as f64 * 2_f64.powi(exponent)).min(f64::from(u32::MAX) * 1e6);
        let deviation = (random * self.jitter * delay).floor();
        let spread = if (random * 10.0).floor() as u64 & 1 == 0 { delay - deviation } else { delay + deviation };
        Duration::from_millis(spread.min(max).max(0.0) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn delays(jitter: f64, random: f64) -> Vec<u64> {
        let mut backoff = Backoff::new(SECOND, 5 * SECOND, jitter);
        (0..5).map(|_| backoff.next(random).as_millis() as u64).collect()
    }

    #[test]
    fn it_doubles_up_to_its_bound() {
        assert_eq!(delays(0.0, 0.9), [1000, 2000, 4000, 5000, 5000]);
    }

    /// What socket.io-client's `Backoff` gives with `Math.random` fixed.
    #[test]
    fn chance_spreads_it_before_the_bound() {
        assert_eq!(delays(0.5, 0.25), [875, 1750, 3500, 5000, 5000]);
        assert_eq!(delays(0.5, 0.35), [1175, 2350, 4700, 5000, 5000]);
    }

    #[test]
    fn it_ends_and_begins_again() {
        let mut backoff = Backoff::new(SECOND, 5 * SECOND, 1.0);
        for _ in 0..5000 {
            assert!(backoff.next(0.999) <= 5 * SECOND);
        }
        assert_eq!(backoff.attempts(), 5000);
        backoff.reset();
        assert_eq!(backoff.next(0.0), SECOND);
    }

    #[test]
    fn nonsense_is_bounded() {
        let mut backoff = Backoff::new(Duration::ZERO, Duration::ZERO, f64::NAN);
        assert_eq!(backoff.next(0.5), Duration::ZERO);
    }
}
