//! The grammar of JSON (RFC 8259) as one loop over bytes.
//!
//! The stack of open brackets stands in for recursion, so that no input exhausts ours. Positions are byte indices; a
//! function named `…_end` takes the position where its construct begins and gives the one behind it.

use smallvec::SmallVec;

use super::JsonRules;

/// Is told what the walk passes. For the bare check it is `()`, and costs nothing.
pub(in crate::socket) trait Visitor {
    /// An object or array begins at `start`.
    fn open(&mut self, start: usize);
    /// A key of the innermost object, quotes included.
    fn key(&mut self, raw: &[u8]);
    /// A string, number or literal.
    fn scalar(&mut self, start: usize, end: usize);
    /// The innermost object or array ends before `end`.
    fn close(&mut self, end: usize);
}

impl Visitor for () {
    fn open(&mut self, _: usize) {}
    fn key(&mut self, _: &[u8]) {}
    fn scalar(&mut self, _: usize, _: usize) {}
    fn close(&mut self, _: usize) {}
}

/// Why a text was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::socket) enum Flaw {
    Depth,
    Syntax,
}

/// Walks the whole of `bytes`, which must be UTF-8.
pub(in crate::socket) fn walk(bytes: &[u8], rules: JsonRules, visitor: &mut impl Visitor) -> Result<(), Flaw> {
    // The bracket that the innermost open container waits for, and those around it. Outside of all there is none.
    let mut closing = NONE;
    let mut around: SmallVec<[u8; 128]> = SmallVec::new();
    let mut at = 0;
    loop {
        // A value begins here.
        at = skip_space(bytes, at);
        let start = at;
        match byte(bytes, at) {
            b'"' => {
                at = string_end(bytes, at + 1).ok_or(Flaw::Syntax)?;
                visitor.scalar(start, at);
            }
            bracket @ (b'{' | b'[') => {
                if around.len() >= rules.max_depth {
                    return Err(Flaw::Depth);
                }
                // In ASCII both closing brackets stand two behind their opening ones.
                let closes = bracket + 2;
                visitor.open(start);
                at = skip_space(bytes, at + 1);
                if byte(bytes, at) == closes {
                    at += 1;
                    visitor.close(at);
                } else {
                    around.push(closing);
                    closing = closes;
                    if closing == b'}' {
                        at = key_end(bytes, at, visitor).ok_or(Flaw::Syntax)?;
                    }
                    continue;
                }
            }
            _ => {
                at = scalar_end(bytes, at, rules).ok_or(Flaw::Syntax)?;
                visitor.scalar(start, at);
            }
        }
        // A value ended here. Close what closes with it.
        loop {
            at = skip_space(bytes, at);
            match byte(bytes, at) {
                _ if closing == NONE => return if at == bytes.len() { Ok(()) } else { Err(Flaw::Syntax) },
                b',' => {
                    at += 1;
                    if closing == b'}' {
                        at = key_end(bytes, skip_space(bytes, at), visitor).ok_or(Flaw::Syntax)?;
                    }
                    break;
                }
                bracket if bracket == closing => {
                    at += 1;
                    closing = around.pop().unwrap_or(NONE);
                    visitor.close(at);
                }
                _ => return Err(Flaw::Syntax),
            }
        }
    }
}

/// No bracket of JSON's.
const NONE: u8 = 0;

/// Behind the white space that begins at `at`, if any.
#[inline]
pub(super) fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(byte(bytes, at), b' ' | b'\n' | b'\r' | b'\t') {
        at += 1;
    }
    at
}

/// Behind a string, given the position behind its opening quote.
#[inline(always)]
pub(super) fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let end = plain_end(bytes, at);
    if byte(bytes, end) == b'"' { Some(end + 1) } else { escaped_end(bytes, end) }
}

/// The same, from the first character on that is not plain.
#[cold]
fn escaped_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at = plain_end(bytes, escape_end(bytes, at + 1)?),
            _ => return None,
        }
    }
}

/// Behind a number.
pub(super) fn number_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    if byte(bytes, at) == b'-' {
        at += 1;
    }
    at = match byte(bytes, at) {
        b'0' => at + 1,
        _ => digits_end(bytes, at)?,
    };
    if byte(bytes, at) == b'.' {
        at = digits_end(bytes, at + 1)?;
    }
    if matches!(byte(bytes, at), b'e' | b'E') {
        at += 1;
        if matches!(byte(bytes, at), b'+' | b'-') {
            at += 1;
        }
        at = digits_end(bytes, at)?;
    }
    Some(at)
}

/// Behind a key and its colon.
#[inline]
fn key_end(bytes: &[u8], at: usize, visitor: &mut impl Visitor) -> Option<usize> {
    if byte(bytes, at) != b'"' {
        return None;
    }
    let end = string_end(bytes, at + 1)?;
    visitor.key(&bytes[at..end]);
    let colon = skip_space(bytes, end);
    (byte(bytes, colon) == b':').then_some(colon + 1)
}

/// Behind a number or literal.
#[inline]
fn scalar_end(bytes: &[u8], at: usize, rules: JsonRules) -> Option<usize> {
    match byte(bytes, at) {
        b'0'..=b'9' => number_end(bytes, at),
        b'-' if rules.nan_literals => literal_end(bytes, at, b"-Infinity").or_else(|| number_end(bytes, at)),
        b'-' => number_end(bytes, at),
        b't' => literal_end(bytes, at, b"true"),
        b'f' => literal_end(bytes, at, b"false"),
        b'n' => literal_end(bytes, at, b"null"),
        b'N' if rules.nan_literals => literal_end(bytes, at, b"NaN"),
        b'I' if rules.nan_literals => literal_end(bytes, at, b"Infinity"),
        _ => None,
    }
}

/// Behind a literal, if it stands here.
#[inline]
fn literal_end<const N: usize>(bytes: &[u8], at: usize, literal: &[u8; N]) -> Option<usize> {
    (bytes.get(at..)?.first_chunk() == Some(literal)).then_some(at + N)
}

/// Behind at least one digit.
fn digits_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    while byte(bytes, at).is_ascii_digit() {
        at += 1;
    }
    (at > start).then_some(at)
}

/// Behind an escape, given the position behind its backslash.
fn escape_end(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(at + 1),
        b'u' => bytes.get(at + 1..at + 5)?.iter().all(u8::is_ascii_hexdigit).then_some(at + 5),
        _ => None,
    }
}

/// The first quote, backslash or control character from `at` on, or the end. Eight bytes at a time: strings are most of
/// what passes here.
#[inline(always)]
pub fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let special = special_bytes(u64::from_le_bytes(*chunk));
        if special != 0 {
            return at + (special.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    plain_end_of_rest(bytes, at)
}

/// The same for fewer than eight bytes: they are looked at together, too, and the NULs behind them are their end.
/// (Cold: without that the loop above takes a fifth more for 1 KiB.)
#[cold]
fn plain_end_of_rest(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let word = match (rest, rest.first_chunk(), rest.last_chunk()) {
        // What both hold they hold in the same place.
        (_, Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << (8 * (rest.len() - 4))
        }
        ([a, b, c], ..) => u64::from(u32::from_le_bytes([*a, *b, *c, 0])),
        ([a, b], ..) => u64::from(u16::from_le_bytes([*a, *b])),
        ([a], ..) => u64::from(*a),
        _ => 0,
    };
    // Fewer than eight bytes leave a NUL.
    at + (special_bytes(word).trailing_zeros() / 8) as usize
}

/// Sets the top bit of the bytes of `word` that end a run of plain characters. Above the lowest such byte a borrow may set
/// more than it should, so only the lowest counts.
#[inline]
const fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const TOPS: u64 = ONES << 7;
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let zero_quote = quote.wrapping_sub(ONES) & !quote;
    let zero_backslash = backslash.wrapping_sub(ONES) & !backslash;
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (zero_quote | zero_backslash | control) & TOPS
}

/// The byte at `at`; behind the end a NUL, which no rule of the grammar takes.
#[inline]
fn byte(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_ends_wherever_it_ends() {
        // Every position within the eight bytes that are looked at together, and in the rest behind them.
        for length in 0..40 {
            let text = "é€😀x".chars().cycle().take(length).collect::<String>();
            for after in ["", "1", "123456789", "\"\"\\\\\u{0}\""] {
                let whole = format!("{text}\"{after}");
                assert_eq!(string_end(whole.as_bytes(), 0), Some(text.len() + 1), "{whole}");
            }
            assert_eq!(string_end(text.as_bytes(), 0), None, "no quote");
            assert_eq!(string_end(format!("{text}\n\"").as_bytes(), 0), None, "a control character");
            assert_eq!(string_end(format!("{text}\\\"\"").as_bytes(), 0), Some(text.len() + 3), "an escaped quote");
            assert_eq!(string_end(format!("{text}\\u00e9\"").as_bytes(), 0), Some(text.len() + 7));
            assert_eq!(string_end(format!("{text}\\").as_bytes(), 0), None, "cut within an escape");
            assert_eq!(string_end(format!("{text}\\u00").as_bytes(), 0), None, "cut within an escape");
        }
    }

    #[test]
    fn the_lowest_special_byte_is_found() {
        let is_special = |byte: u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
        for byte in 0..=u8::MAX {
            // 0x20 and the neighbours of the quote and the backslash are what a borrow from below could spoil.
            for other in [b'a', 0x20, b'!', b'#', b'[', b']', 0x7f, 0x80, 0xa2, 0xdc, 0xff, b'"', 0] {
                for position in 0..8 {
                    let mut bytes = [other; 8];
                    bytes[position] = byte;
                    let found = special_bytes(u64::from_le_bytes(bytes));
                    let first = bytes.iter().position(|&byte| is_special(byte));
                    let found = (found != 0).then(|| (found.trailing_zeros() / 8) as usize);
                    assert_eq!(found, first, "{bytes:?}");
                }
            }
        }
    }
}
