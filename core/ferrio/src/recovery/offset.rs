//! Where an event stands in the order of its namespace.
//!
//! On the wire an offset is a text such as `PpZ3a0b` or `PpZ3a0b.1`: the millisecond it was given out in, in 64 digits, and
//! behind the point how many there were before it in that millisecond, less one. Clients hand it back as they got it.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// A point in the order of a namespace's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offset(u64);

/// How an event got, or gets, its offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// It was given out before ([`Namespace::stamp`](crate::namespace::Namespace::stamp)); it is written when the event is.
    Given(Offset),
    /// The payload ends with it already.
    Written(Offset),
}

impl Offset {
    pub(super) fn of_number(number: u64) -> Self {
        Self(number)
    }

    pub(super) fn number(self) -> u64 {
        self.0
    }

    /// The first offset of this moment.
    pub(super) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self((since.as_millis() as u64) << COUNT_BITS)
    }

    /// The next one: of now if time has gone on, else right behind. (A clock that is put back keeps the order.)
    pub(super) fn next(self, now: Self) -> Self {
        now.max(Self(self.0.saturating_add(1)))
    }

    /// Reads what a client hands back.
    pub fn parse(text: &str) -> Option<Self> {
        let (ms, count) = match text.split_once('.') {
            Some((ms, count)) => (digits(ms)?, digits(count)?.checked_add(1)?),
            None => (digits(text)?, 0),
        };
        (ms < 1 << MS_BITS && count < 1 << COUNT_BITS).then_some(Self(ms << COUNT_BITS | count))
    }

    /// The offset at the end of a payload's text.
    pub fn at_end_of(text: &str) -> Option<Self> {
        let text = text.strip_suffix("\"]")?;
        Self::parse(text.get(text.rfind('"')? + 1..)?)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_digits(f, self.0 >> COUNT_BITS)?;
        match self.0 & ((1 << COUNT_BITS) - 1) {
            0 => Ok(()),
            count => {
                f.write_str(".")?;
                write_digits(f, count - 1)
            }
        }
    }
}

/// Milliseconds until the year 2109, and four million events in each.
const MS_BITS: u32 = 42;
const COUNT_BITS: u32 = 22;

const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";

fn digits(text: &str) -> Option<u64> {
    // Eight digits are 48 bits: more than either part has.
    if text.is_empty() || text.len() > 8 {
        return None;
    }
    text.bytes().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'A'..=b'Z' => digit - b'A' + 10,
            b'a'..=b'z' => digit - b'a' + 36,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        Some(number << 6 | u64::from(value))
    })
}

fn write_digits(f: &mut fmt::Formatter<'_>, number: u64) -> fmt::Result {
    let mut text = [0; 11];
    let mut at = text.len();
    let mut rest = number;
    loop {
        at -= 1;
        text[at] = DIGITS[(rest & 63) as usize];
        rest >>= 6;
        if rest == 0 {
            break;
        }
    }
    f.write_str(std::str::from_utf8(&text[at..]).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_are_those_of_the_original() {
        // yeast(1700000000000) and its successors in the same millisecond.
        let first = Offset(1_700_000_000_000 << COUNT_BITS);
        let second = first.next(first);
        assert_eq!(first.to_string(), "OlFvMW0");
        assert_eq!(second.to_string(), "OlFvMW0.0");
        assert_eq!(second.next(first).to_string(), "OlFvMW0.1");
        assert!(first < second);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", ".", "a.", ".a", "a.b.c", "a b", "ä", "000000000", "________", "a.____-", "a.________", "a\"b"]
        {
            assert_eq!(Offset::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_end_of_a_payload() {
        let offset = Offset::parse("OlFvMW0.4");
        assert_eq!(Offset::at_end_of(r#"["news",1,"OlFvMW0.4"]"#), offset);
        assert_eq!(Offset::at_end_of(r#"["news",1]"#), None);
        assert_eq!(Offset::at_end_of(r#"["news","é"]"#), None);
        assert_eq!(Offset::at_end_of(r#"""#), None);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(number: u64) {
            let offset = Offset(number);
            prop_assert_eq!(Offset::parse(&offset.to_string()), Some(offset));
        }

        #[test]
        fn what_a_client_sends_cannot_hurt(text: String) {
            let _ = (Offset::parse(&text), Offset::at_end_of(&text));
        }
    }
}
