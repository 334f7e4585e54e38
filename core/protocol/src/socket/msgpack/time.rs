//! A time as JSON has it: the text of JavaScript's `Date.prototype.toJSON`.

use std::fmt;

/// `2026-11-24T09:40:00.000Z`.
pub(super) struct Iso {
    year: i64,
    month: u8,
    day: u8,
    /// Of the day.
    ms: i64,
}

impl Iso {
    /// `None` beyond what a `Date` holds.
    pub(super) fn from_ms(ms: i64) -> Option<Self> {
        if ms.unsigned_abs() > 8_640_000_000_000_000 {
            return None;
        }
        let (days, ms) = (ms.div_euclid(DAY), ms.rem_euclid(DAY));
        // Years begin in March here, so that a leap day is the last one; eras of 400 years are all alike.
        let days = days + 719_468;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = year_of_era + 400 * era + i64::from(month <= 2);
        Some(Self { year, month: month as u8, day: day as u8, ms })
    }
}

impl fmt::Display for Iso {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, ms } = *self;
        match year {
            0..=9999 => write!(f, "{year:04}")?,
            _ => write!(f, "{year:+07}")?,
        }
        let (seconds, ms) = (ms / 1000, ms % 1000);
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{ms:03}Z")
    }
}

const DAY: i64 = 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_those_of_javascript() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (-62_198_755_200_000, "-000001-01-01T00:00:00.000Z"),
            (8_640_000_000_000_000, "+275760-09-13T00:00:00.000Z"),
            (-8_640_000_000_000_000, "-271821-04-20T00:00:00.000Z"),
        ] {
            assert_eq!(Iso::from_ms(ms).map(|time| time.to_string()).as_deref(), Some(text));
        }
        assert!(Iso::from_ms(8_640_000_000_000_001).is_none());
        assert!(Iso::from_ms(i64::MIN).is_none());
    }
}
