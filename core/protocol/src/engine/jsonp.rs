//! JSONP: payloads as scripts and form fields, for browsers that had nothing better (v3).

use bytes::Bytes;

use crate::error::ProtocolError;

/// The text of a `d=` form body (JSONP POST), undone: percent-decoding, `+`, and the doubled escaping of `\n`.
///
/// Broken percent escapes stand for themselves, as they do in the reference.
///
/// # Errors
/// When there is no `d` field or its text is not UTF-8.
pub fn decode_jsonp(form: &[u8]) -> Result<Bytes, ProtocolError> {
    let field = form.split(|&byte| byte == b'&').find_map(|field| field.strip_prefix(b"d="));
    let Some(field) = field else {
        return Err(ProtocolError::engine("no data in form"));
    };
    match String::from_utf8(undo_newlines(undo_percent(field))) {
        Ok(text) => Ok(text.into()),
        Err(_) => Err(ProtocolError::engine("payload is not UTF-8")),
    }
}

/// `___eio[index]("…");`, escaped so that it is safe in a script.
pub fn encode_jsonp(body: &Bytes, index: u64) -> Bytes {
    let text = String::from_utf8_lossy(body);
    let mut script = format!("___eio[{index}](\"");
    script.reserve(text.len() + 8);
    escape(&text, &mut script);
    script.push_str("\");");
    script.into()
}

fn undo_percent(field: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' => text.push(b' '),
            b'%' => match after.first_chunk().and_then(|&[high, low]| Some(hex(high)? << 4 | hex(low)?)) {
                Some(decoded) => {
                    text.push(decoded);
                    rest = &after[2..];
                }
                None => text.push(b'%'),
            },
            byte => text.push(byte),
        }
    }
    text
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Some browsers turn a newline in a form into `\r\n`, so clients write it as `\n`, and an honest `\n` as `\\n`:
/// a lone backslash before `n` is a newline, one of several is dropped.
fn undo_newlines(text: Vec<u8>) -> Vec<u8> {
    let mut undone = Vec::with_capacity(text.len());
    let mut backslashes = 0;
    for byte in text {
        match byte {
            b'\\' => {
                backslashes += 1;
                undone.push(byte);
                continue;
            }
            b'n' if backslashes > 0 => {
                undone.pop();
                undone.push(if backslashes == 1 { b'\n' } else { b'n' });
            }
            _ => undone.push(byte),
        }
        backslashes = 0;
    }
    undone
}

/// As `JSON.stringify` escapes a string, and the two line separators that JSON allows and old scripts do not.
fn escape(text: &str, into: &mut String) {
    for character in text.chars() {
        match character {
            '"' => into.push_str("\\\""),
            '\\' => into.push_str("\\\\"),
            '\n' => into.push_str("\\n"),
            '\r' => into.push_str("\\r"),
            '\t' => into.push_str("\\t"),
            '\u{8}' => into.push_str("\\b"),
            '\u{c}' => into.push_str("\\f"),
            '\0'..='\x1f' | '\u{2028}' | '\u{2029}' => into.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => into.push(character),
        }
    }
}
