//! `a=1&b=2`: what a browser puts behind a `?`.

use std::borrow::Cow;

/// The pairs of a query string or form body, decoded: `+` is a blank, `%XX` a byte, anything malformed stands for itself;
/// bytes that are not UTF-8 become U+FFFD. Never fails: the originals' parsers never do.
pub fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key), decode(value))
    })
}

/// Undoes percent-encoding.
pub fn decode(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'+' => decoded.push(b' '),
            b'%' => match (bytes.get(at + 1).copied().and_then(hex), bytes.get(at + 2).copied().and_then(hex)) {
                (Some(high), Some(low)) => {
                    decoded.push(high << 4 | low);
                    at += 2;
                }
                _ => decoded.push(b'%'),
            },
            byte => decoded.push(byte),
        }
        at += 1;
    }
    let text = String::from_utf8(decoded);
    Cow::Owned(text.unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_pairs() {
        let all: Vec<_> = pairs("a=1&b=%C3%A9+x&&c&d=%zz&e=%").collect();
        let expected = [("a", "1"), ("b", "é x"), ("c", ""), ("d", "%zz"), ("e", "%")];
        assert_eq!(all, expected.map(|(key, value)| (Cow::from(key), Cow::from(value))));
    }

    #[test]
    fn bad_utf8_is_replaced() {
        assert_eq!(decode("%ff"), "\u{fffd}");
    }
}
