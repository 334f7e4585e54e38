//! Is this JSON, and is it shallow enough? One pass, no recursion, no allocation: the payload stays sealed.

pub(super) mod walk;

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::error::ProtocolError;
use crate::limits::Limit;

pub use walk::plain_end;
use walk::{Flaw, Visitor};

/// Which texts count as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonRules {
    /// Deepest nesting accepted.
    pub max_depth: usize,
    /// Accept the literals `NaN`, `Infinity` and `-Infinity`, as Python's `json` reads and writes them.
    pub nan_literals: bool,
}

/// What a JSON text is at its top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `{…}`
    Object,
    /// `[…]`, with the kind of its first item (`None` when empty).
    Array(Option<ItemShape>),
    /// `"…"`
    String,
    /// Anything else.
    Other,
}

/// What the first item of an array is; the range of its raw text where it may be an event name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemShape {
    /// A string; bytes `start..end` of the text, quotes included.
    String {
        /// First byte.
        start: usize,
        /// One past the last byte.
        end: usize,
    },
    /// A number; bytes `start..end` of the text.
    Number {
        /// First byte.
        start: usize,
        /// One past the last byte.
        end: usize,
    },
    /// Neither.
    Other,
}

/// Checks the whole of `text` (RFC 8259, what `JSON.parse` accepts) and says what it is.
///
/// As in `JSON.parse`, lone surrogate escapes, repeated keys and numbers beyond any range are fine.
///
/// # Errors
/// Not JSON, or deeper than `rules.max_depth`.
pub fn check(text: &str, rules: JsonRules) -> Result<Shape, ProtocolError> {
    match walk::walk(text.as_bytes(), rules, &mut ()) {
        Ok(()) => Ok(shape(text)),
        Err(Flaw::Depth) => Err(ProtocolError::socket("payload nested too deeply").over(Limit::JsonDepth)),
        Err(Flaw::Syntax) => Err(ProtocolError::socket("invalid payload")),
    }
}

/// What a text is, judged by its beginning. Never panics, but is meaningful only for checked JSON.
pub(super) fn shape(text: &str) -> Shape {
    let bytes = text.as_bytes();
    let top = walk::skip_space(bytes, 0);
    match bytes.get(top) {
        Some(b'{') => Shape::Object,
        Some(b'[') => Shape::Array(item_shape(bytes, walk::skip_space(bytes, top + 1))),
        Some(b'"') => Shape::String,
        _ => Shape::Other,
    }
}

/// Whether a raw JSON string (quotes included) decodes to `plain`, which must be ASCII. `"conn\u0065ct"` spells `connect`.
pub(super) fn spells(raw: &[u8], plain: &str) -> bool {
    let [b'"', inner @ .., b'"'] = raw else { return false };
    let mut rest = inner;
    for &wanted in plain.as_bytes() {
        let (found, after) = match rest {
            [b'\\', b'u', a, b, c, d, after @ ..] => (hex_escape([*a, *b, *c, *d]), after),
            [b'\\', letter, after @ ..] => (letter_escape(*letter), after),
            [byte, after @ ..] => (Some(*byte), after),
            [] => return false,
        };
        if found != Some(wanted) {
            return false;
        }
        rest = after;
    }
    rest.is_empty()
}

/// Calls `found` with the `num` of every `{"_placeholder":true,"num":…}` object in checked JSON (the raw text of the value,
/// empty where there is none). Keys in any order and spelling; of repeated keys the last counts, as everywhere in JSON.
pub fn placeholders(text: &str, found: &mut dyn FnMut(&str)) {
    let lenient = JsonRules { max_depth: usize::MAX, nan_literals: true };
    let mut finder = Finder { text, open: SmallVec::new(), found };
    // The text was checked; where it was not, the placeholders before the flaw are as good an answer as any.
    let _ = walk::walk(text.as_bytes(), lenient, &mut finder);
}

fn item_shape(bytes: &[u8], start: usize) -> Option<ItemShape> {
    match bytes.get(start)? {
        b']' => None,
        b'"' => Some(match walk::string_end(bytes, start + 1) {
            Some(end) => ItemShape::String { start, end },
            None => ItemShape::Other,
        }),
        b'-' | b'0'..=b'9' => Some(match walk::number_end(bytes, start) {
            Some(end) => ItemShape::Number { start, end },
            None => ItemShape::Other,
        }),
        _ => Some(ItemShape::Other),
    }
}

/// What a raw JSON string (quotes included, checked) says. Half a surrogate pair says the replacement character.
pub(super) fn unescape(raw: &[u8]) -> Cow<'_, str> {
    let [b'"', inner @ .., b'"'] = raw else { return Cow::Borrowed("") };
    if !inner.contains(&b'\\') {
        return String::from_utf8_lossy(inner);
    }
    let mut text = Vec::with_capacity(inner.len());
    let mut rest = inner;
    loop {
        rest = match rest {
            [b'\\', b'u', a, b, c, d, after @ ..] => {
                let first = hex_unit([*a, *b, *c, *d]);
                let (character, after) = match after {
                    [b'\\', b'u', e, f, g, h, behind @ ..] if matches!(first, Some(0xd800..0xdc00)) => {
                        match char::decode_utf16([first, hex_unit([*e, *f, *g, *h])].into_iter().flatten()).next() {
                            Some(Ok(character)) => (character, behind),
                            _ => (char::REPLACEMENT_CHARACTER, after),
                        }
                    }
                    _ => (
                        first.and_then(|unit| char::from_u32(unit.into())).unwrap_or(char::REPLACEMENT_CHARACTER),
                        after,
                    ),
                };
                text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                after
            }
            [b'\\', letter, after @ ..] => {
                text.extend(letter_escape(*letter));
                after
            }
            [byte, after @ ..] => {
                text.push(*byte);
                after
            }
            [] => return Cow::Owned(String::from_utf8_lossy(&text).into_owned()),
        };
    }
}

fn hex_unit(digits: [u8; 4]) -> Option<u16> {
    u16::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()
}

fn hex_escape(digits: [u8; 4]) -> Option<u8> {
    u8::try_from(hex_unit(digits)?).ok()
}

fn letter_escape(letter: u8) -> Option<u8> {
    match letter {
        b'b' => Some(0x08),
        b'f' => Some(0x0c),
        b'n' => Some(b'\n'),
        b'r' => Some(b'\r'),
        b't' => Some(b'\t'),
        b'"' | b'\\' | b'/' => Some(letter),
        _ => None,
    }
}

/// Looks for placeholder objects while the text is walked.
struct Finder<'a, 'f> {
    text: &'a str,
    open: SmallVec<[Open<'a>; 8]>,
    found: &'f mut dyn FnMut(&str),
}

/// A container whose end has not come yet, and what its keys have said.
struct Open<'a> {
    start: usize,
    key: Key,
    placeholder: bool,
    num: &'a str,
}

/// Which value comes next in an object.
enum Key {
    Placeholder,
    Num,
    Other,
}

impl Finder<'_, '_> {
    fn value(&mut self, start: usize, end: usize) {
        let Some(parent) = self.open.last_mut() else { return };
        match parent.key {
            Key::Placeholder => parent.placeholder = &self.text[start..end] == "true",
            Key::Num => parent.num = &self.text[start..end],
            Key::Other => {}
        }
    }
}

impl Visitor for Finder<'_, '_> {
    fn open(&mut self, start: usize) {
        self.open.push(Open { start, key: Key::Other, placeholder: false, num: "" });
    }

    fn key(&mut self, raw: &[u8]) {
        let Some(object) = self.open.last_mut() else { return };
        object.key = match raw {
            raw if spells(raw, "_placeholder") => Key::Placeholder,
            raw if spells(raw, "num") => Key::Num,
            _ => Key::Other,
        };
    }

    fn scalar(&mut self, start: usize, end: usize) {
        self.value(start, end);
    }

    fn close(&mut self, end: usize) {
        let Some(closed) = self.open.pop() else { return };
        if closed.placeholder {
            (self.found)(closed.num);
        }
        self.value(closed.start, end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: JsonRules = JsonRules { max_depth: 128, nan_literals: false };
    const INVALID: ProtocolError = ProtocolError::socket("invalid payload");

    fn too_deep() -> ProtocolError {
        ProtocolError::socket("payload nested too deeply").over(Limit::JsonDepth)
    }

    #[test]
    fn accepts_what_json_parse_accepts() {
        let numbers = "0 -0 1 -1 10 1.5 0.5 -0.25 1e5 1E+5 1e-5 1.5e300 1e400 1e-400";
        let strings = r#""" "a" "é€😀" "\"\\\/\b\f\n\r\t" "\u0000" "\uD83D\uDE00" "\ud800" "\udc00x""#;
        let others = r#"null true false [] [[]] [1,2] [{},[]] {} {"a":1} {"":null} {"a":{"b":[{}]}} {"a":1,"a":2}"#;
        let spaced = [" \t\r\n[ 1 , { \"a\" : 2 } ] \n", "\"\u{7f}\u{80}\u{2028}\"", &"7".repeat(100_000)];
        for text in [numbers, strings, others].iter().flat_map(|texts| texts.split(' ')).chain(spaced) {
            assert!(check(text, RULES).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn refuses_what_json_parse_refuses() {
        let numbers = "00 01 -01 +1 1. .5 1.e5 1e 1e+ - -a 0x1 1_000 1a";
        let literals = "NaN Infinity -Infinity undefined nul nulll True a 'a' //";
        let strings = r#"" "a "\" "\x" "\u12" "\u123g" "\u+123" a" "a""b""#;
        let arrays = "[ ] [1 [1, [,] [1,] [1,,2] [1]] [1} [1]2 [1:2]";
        let objects =
            r#"{ } {"a" {"a": {"a":} {"a":1 {"a":1, {"a":1,} {a:1} {1:1} {"a"1} {"a":1] {"a",1} {"a":1}} {:1}"#;
        let others = ["", " ", "\"a\nb\"", "\"\u{1f}\"", "\u{a0}1", "\u{feff}1", "1\u{0}", "[1]\u{0}", "1 2", "{} {}"];
        let texts = [numbers, literals, strings, arrays, objects];
        for text in texts.iter().flat_map(|texts| texts.split(' ')).chain(others) {
            assert_eq!(check(text, RULES), Err(INVALID), "{text:?}");
        }
    }

    #[test]
    fn pythons_literals_are_json_only_where_asked_for() {
        let python = JsonRules { nan_literals: true, ..RULES };
        assert_eq!(check("[NaN,Infinity,-Infinity,-1]", python), Ok(Shape::Array(Some(ItemShape::Other))));
        assert_eq!(check("[-Infinity]", python), Ok(Shape::Array(Some(ItemShape::Other))));
        for text in ["nan", "-NaN", "+Infinity", "Inf", "-Inf", "--Infinity"] {
            assert_eq!(check(text, python), Err(INVALID), "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(check(&nested(128), RULES).is_ok());
        assert_eq!(check(&nested(129), RULES), Err(too_deep()));
        assert_eq!(check(&("[".repeat(127) + "{\"a\":{}}"), RULES), Err(too_deep()));
        assert_eq!(check(&"[".repeat(100_000), RULES), Err(too_deep()));
        assert_eq!(check(&"{\"a\":".repeat(100_000), RULES), Err(too_deep()));
        assert!(check(&nested(100_000), JsonRules { max_depth: usize::MAX, ..RULES }).is_ok());
        assert!(check("1", JsonRules { max_depth: 0, ..RULES }).is_ok());
        assert_eq!(check("[]", JsonRules { max_depth: 0, ..RULES }), Err(too_deep()));
    }

    #[test]
    fn tells_the_shape() {
        let first = |item| Ok(Shape::Array(Some(item)));
        assert_eq!(check(" {} ", RULES), Ok(Shape::Object));
        assert_eq!(check("\"x\"", RULES), Ok(Shape::String));
        assert_eq!(check("7", RULES), Ok(Shape::Other));
        assert_eq!(check("[ ]", RULES), Ok(Shape::Array(None)));
        assert_eq!(check("[\"a\\\"]\",1]", RULES), first(ItemShape::String { start: 1, end: 7 }));
        assert_eq!(check(" [ -1.5e3 ]", RULES), first(ItemShape::Number { start: 3, end: 9 }));
        for text in ["[null]", "[[\"a\"]]", "[{}]", "[true]"] {
            assert_eq!(check(text, RULES), first(ItemShape::Other), "{text}");
        }
    }

    #[test]
    fn names_are_compared_as_they_decode() {
        for raw in [r#""num""#, r#""n\u0075m""#, r#""\u006E\u0075\u006d""#] {
            assert!(spells(raw.as_bytes(), "num"), "{raw}");
        }
        for raw in
            [r#""""#, r#""nu""#, r#""numb""#, r#""Num""#, r#""n\u0175m""#, r#""\num""#, r#""num\u0000""#, "num", "\""]
        {
            assert!(!spells(raw.as_bytes(), "num"), "{raw}");
        }
        assert!(spells(br#""a\n\t\"\\\/\b\f\r""#, "a\n\t\"\\/\u{8}\u{c}\r"));
    }

    #[test]
    fn finds_every_placeholder() {
        let found = |text: &str| {
            let mut all = Vec::new();
            placeholders(text, &mut |num| all.push(num.to_owned()));
            all
        };
        assert_eq!(found(r#"["x",{"_placeholder":true,"num":0}]"#), ["0"]);
        assert_eq!(
            found(r#"[ { "num" : 12 , "_placeholder" : true } , [ {"_placeholder":true,"num":1} ] ]"#),
            ["12", "1"]
        );
        assert_eq!(found(r#"{"a":{"_placeholder":true,"num":0}}"#), ["0"]);
        assert_eq!(found(r#"[{"_placeholder":true}]"#), [""]);
        assert_eq!(found(r#"[{"_placeholder":true,"num":[{"x":"]"}]}]"#), [r#"[{"x":"]"}]"#]);
        assert_eq!(found(r#"[{"a":{"num":3,"_placeholder":true},"_placeholder":true,"num":4}]"#), ["3", "4"]);
        assert_eq!(found(r#"[{"_placeholder":true,"num":1,"a":{"num":2}}]"#), ["1"]);
        assert_eq!(found(r#"["_placeholder",{"num":1},{"_placeholder":"true"},{"_placeholder":[true]}]"#), [""; 0]);
        // Not JSON: no panic, and nothing else is promised.
        for text in ["", "{", "[{\"_placeholder\":true", "}", "{\"_placeholder\":true}}", "\"", "{\"num"] {
            found(text);
        }
    }
}
