//! How often something may happen: a token bucket, kept as the one moment at which it is full again (GCRA).

use crate::config::Rate;

/// A [`Rate`] in microseconds. What it measures is a mark of the caller's: 0 at the beginning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    /// Between two, in the long run.
    step: u64,
    /// So far the mark may be ahead of the clock.
    room: u64,
}

impl Meter {
    pub(crate) fn new(Rate { per_second, burst }: Rate) -> Self {
        // A rate that is none (0, NaN) is the slowest there is, and nothing overflows.
        let step = (1e6 / per_second).clamp(1.0, LONGEST);
        let step = if step.is_nan() { LONGEST } else { step } as u64;
        Self { step, room: step.saturating_mul(u64::from(burst.max(1))) }
    }

    /// One more happens at `now`: its new mark, or in how many microseconds it may.
    pub(crate) fn admit(self, mark: u64, now: u64) -> Result<u64, u64> {
        let next = mark.max(now).saturating_add(self.step);
        match (next - now).checked_sub(self.room) {
            None | Some(0) => Ok(next),
            Some(wait) => Err(wait),
        }
    }
}

/// A day.
const LONGEST: f64 = 86_400e6;

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of the moments are admitted.
    fn admitted(rate: Rate, moments: &[u64]) -> Vec<bool> {
        let (meter, mut mark) = (Meter::new(rate), 0);
        let admit = |now: &u64| match meter.admit(mark, *now) {
            Ok(next) => {
                mark = next;
                true
            }
            Err(_) => false,
        };
        moments.iter().map(admit).collect()
    }

    #[test]
    fn a_burst_then_the_rate() {
        let rate = Rate { per_second: 10.0, burst: 3 };
        let moments = [0, 0, 0, 0, 50_000, 100_000, 100_000, 200_000, 2_000_000, 2_000_000, 2_000_000, 2_000_000];
        let expected = [true, true, true, false, false, true, false, true, true, true, true, false];
        assert_eq!(admitted(rate, &moments), expected);
    }

    #[test]
    fn whoever_is_refused_learns_when() {
        let meter = Meter::new(Rate { per_second: 2.0, burst: 1 });
        let mark = meter.admit(0, 1_000_000).unwrap();
        assert_eq!(meter.admit(mark, 1_100_000), Err(400_000));
        assert!(meter.admit(mark, 1_500_000).is_ok());
    }

    #[test]
    fn rates_that_are_none() {
        for per_second in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let meter = Meter::new(Rate { per_second, burst: 0 });
            assert!(meter.admit(0, u64::MAX / 2).is_ok(), "{per_second}");
        }
    }
}
