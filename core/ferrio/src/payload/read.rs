//! A [`Value`] from JSON that has been checked, past serde: twice as fast, for nothing has to be checked again.
//!
//! What is rare (escapes beyond the simple, numbers beyond 64 bits, deep nesting) is left to serde, and so is the judgement
//! of what is no JSON: whatever text this is given, it gives what serde would give, or nothing. (But where serde takes the float
//! beside the nearest one, this takes the nearest.)

use ferrio_protocol::socket::json::plain_end;
use smallvec::SmallVec;

use super::{Str, Value};

/// The value that begins at `at`, and where it ends. `None` leaves it to serde.
pub(super) fn value(text: &str, at: usize) -> Option<(Value, usize)> {
    let mut reader = Reader { text, at, deep: 0, items: SmallVec::new(), fields: SmallVec::new() };
    let value = reader.value()?;
    Some((value, reader.at))
}

/// Behind the string that begins at `at`, if one does.
pub(super) fn string_end(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    if bytes.get(at) != Some(&b'"') {
        return None;
    }
    let mut end = plain_end(bytes, at + 1);
    while bytes.get(end) == Some(&b'\\') {
        end = plain_end(bytes, end + 2);
    }
    (bytes.get(end) == Some(&b'"')).then_some(end + 1)
}

/// Behind the white space at `at`.
pub(super) fn space_end(text: &str, mut at: usize) -> usize {
    while matches!(text.as_bytes().get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    deep: usize,
    /// What is known of the arrays and objects that have not ended: a list is made once, when its length is known.
    items: SmallVec<[Value; 16]>,
    fields: SmallVec<[(Str, Value); 16]>,
}

/// Nesting that is read here: serde's own limit.
const DEEPEST: usize = 127;

impl Reader<'_> {
    fn value(&mut self) -> Option<Value> {
        match self.peek() {
            b'"' => self.string().map(Value::String),
            b'{' => self.nested(Self::object),
            b'[' => self.nested(Self::array),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.literal("true", Value::Bool(true)),
            b'f' => self.literal("false", Value::Bool(false)),
            b'n' => self.literal("null", Value::Null),
            _ => None,
        }
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Option<Value>) -> Option<Value> {
        if self.deep == DEEPEST {
            return None;
        }
        self.deep += 1;
        self.at += 1;
        let value = read(self)?;
        self.deep -= 1;
        Some(value)
    }

    fn object(&mut self) -> Option<Value> {
        let begin = self.fields.len();
        if !self.ends(b'}') {
            loop {
                let name = self.string()?;
                self.skip_space();
                self.take(b':')?;
                self.skip_space();
                let value = self.value()?;
                self.fields.push((name, value));
                if self.ends(b'}') {
                    break;
                }
                self.take(b',')?;
                self.skip_space();
            }
        }
        Some(Value::Object(self.fields.drain(begin..).collect()))
    }

    fn array(&mut self) -> Option<Value> {
        let begin = self.items.len();
        if !self.ends(b']') {
            loop {
                let item = self.value()?;
                self.items.push(item);
                if self.ends(b']') {
                    break;
                }
                self.take(b',')?;
                self.skip_space();
            }
        }
        Some(Value::Array(self.items.drain(begin..).collect()))
    }

    fn string(&mut self) -> Option<Str> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        if self.peek() != b'"' {
            return None;
        }
        let end = plain_end(bytes, start + 1);
        if bytes.get(end) == Some(&b'"') {
            self.at = end + 1;
            return self.text.get(start + 1..end).map(Str::from);
        }
        self.at = string_end(self.text, start)?;
        serde_json::from_str::<String>(self.text.get(start..self.at)?).ok().map(Str::from)
    }

    fn number(&mut self) -> Option<Value> {
        let start = self.at;
        let negative = self.peek() == b'-';
        self.at += usize::from(negative);
        let (whole, digits) = self.digits(0)?;
        if digits == 0 {
            return None;
        }
        let number = match self.peek() {
            b'.' => {
                self.at += 1;
                match self.digits(whole) {
                    Some((_, 0)) => return None,
                    Some((all, digits)) if !matches!(self.peek(), b'e' | b'E') => {
                        exact(all, digits).map(|number| if negative { -number } else { number })
                    }
                    _ => None,
                }
            }
            b'e' | b'E' => None,
            _ if !negative => return Some(Value::Number(whole.into())),
            // There is no negative zero among the whole numbers.
            _ if whole > 0 && whole <= i64::MAX as u64 => return Some(Value::Number((-(whole as i64)).into())),
            _ => return None,
        };
        let number = match number {
            Some(number) => number,
            None => {
                self.at = start;
                while matches!(self.peek(), b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9') {
                    self.at += 1;
                }
                // The nearest there is, where serde may be the one beside it.
                self.text.get(start..self.at)?.parse().ok()?
            }
        };
        let number = serde_json::Number::from_f64(number)?;
        Some(Value::Number(number))
    }

    /// The number that `before` and the digits behind it make, and how many digits there are. `None` if it is too large.
    fn digits(&mut self, before: u64) -> Option<(u64, usize)> {
        let start = self.at;
        let mut number = before;
        while let digit @ b'0'..=b'9' = self.peek() {
            number = number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
            self.at += 1;
        }
        Some((number, self.at - start))
    }

    fn literal(&mut self, literal: &str, value: Value) -> Option<Value> {
        let end = self.at + literal.len();
        (self.text.as_bytes().get(self.at..end)? == literal.as_bytes()).then(|| {
            self.at = end;
            value
        })
    }

    /// Whether the innermost array or object ends here; if so, behind its bracket now.
    fn ends(&mut self, bracket: u8) -> bool {
        self.skip_space();
        self.take(bracket).is_some()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek() == byte).then(|| self.at += 1)
    }

    fn skip_space(&mut self) {
        if self.peek() <= b' ' {
            self.at = space_end(self.text, self.at);
        }
    }

    /// Behind the end a NUL, which no JSON has outside of strings.
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }
}

/// `digits` with the point before the last `behind` of them, where floating point has no doubt: both numbers of the division
/// are exact, so its result is the nearest there is.
fn exact(digits: u64, behind: usize) -> Option<f64> {
    const POWERS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

    let power = POWERS.get(behind)?;
    (digits <= 1 << f64::MANTISSA_DIGITS).then(|| digits as f64 / power)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_reads_what_serde_reads() {
        let numbers = "0 -0 1 -1 10 1.5 0.5 -0.25 -0.0 1e5 1E+5 1e-5 1.5e300 18446744073709551615 18446744073709551616 \
                       9223372036854775807 -9223372036854775808 -9223372036854775809 0.1 3.141592653589793 \
                       123456789012345678901234567890 1e400 4.35 -1.7976931348623157e308";
        let strings = r#""" "a" "é€😀" "\"\\\/\b\f\n\r\t" "\u0000" "\uD83D\uDE00" "\ud800" "abcdefgh\"i" "a\\""#;
        let others = r#"null true false [] [[]] [1,2] [{},[]] {} {"a":1} {"":null} {"a":{"b":[{}]}} {"a":1,"a":2} {"\u0061":"\u0062"}"#;
        let spaced = [" [ 1 , { \"a\" : 2 } ] ".trim().to_owned(), "[".repeat(200) + &"]".repeat(200)];
        for text in [numbers, strings, others].iter().flat_map(|texts| texts.split_whitespace()).map(str::to_owned) {
            same(&text);
            same(&format!("[{text},{{\"x\":{text}}}]"));
        }
        spaced.iter().for_each(|text| same(text));
    }

    #[test]
    fn it_stops_behind_the_value() {
        assert_eq!(value(r#"["x",{"a":[1]} ,2]"#, 5).map(|(_, end)| end), Some(14));
        assert_eq!(string_end(r#"["x\"y",1]"#, 1), Some(7));
        assert_eq!(string_end("[1]", 1), None);
    }

    #[test]
    fn what_is_no_json_is_left_to_serde() {
        for text in
            ["", "[", "[1", "[1,", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "\"", "\"\\", "tru", "-", "1.", "{1:2}", "nul"]
        {
            for at in 0..=text.len() {
                assert!(value(text, at).is_none_or(|(_, end)| end <= text.len()), "{text} from {at}");
            }
            same(text);
        }
    }

    proptest! {
        #[test]
        fn any_value_comes_back(value in any_value()) {
            let text = serde_json::to_string(&value).expect("a value");
            prop_assert_eq!(super::value(&text, 0), Some((value.clone(), text.len())));
            let (mut written, mut attachments) = (Vec::new(), Vec::new());
            super::super::write::value(&value, &mut written, &mut attachments).expect("a value");
            prop_assert_eq!(String::from_utf8(written), Ok(text));
        }
    }

    /// What the text is to serde it is here, unless it is left to serde.
    fn same(text: &str) {
        let Some((value, end)) = value(text, 0) else { return };
        let serde: Option<Value> = serde_json::from_str(&text[..end]).ok();
        assert_eq!(serde, Some(value), "{text}");
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<u64>().prop_map(|number| Value::Number(number.into())),
            (i64::MIN + 1..0).prop_map(|number| Value::Number(number.into())),
            any::<f64>().prop_map(|number| serde_json::Number::from_f64(number).map_or(Value::Null, Value::Number)),
            (any::<i32>(), 1..6).prop_map(|(number, by)| {
                let number = f64::from(number) + 0.5 / f64::from(by);
                serde_json::Number::from_f64(number).map_or(Value::Null, Value::Number)
            }),
            ".{0,30}".prop_map(|text| Value::String(text.as_str().into())),
        ];
        leaf.prop_recursive(4, 64, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                prop::collection::vec((".{0,12}", inner), 0..6).prop_map(|fields| {
                    Value::Object(fields.into_iter().map(|(name, value)| (name.as_str().into(), value)).collect())
                }),
            ]
        })
    }
}
