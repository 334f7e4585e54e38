//! JSONP: payloads as scripts and form fields, for browsers that had nothing better (v3).

use bytes::Bytes;

use crate::error::ProtocolError;
use crate::query;

/// The text of a `d=` form body (JSONP POST), undone: percent-decoding, `+`, and the doubled escaping of `\n`.
///
/// Broken percent escapes stand for themselves, as they do in the reference.
///
/// # Errors
/// When there is no `d` field or the form is not UTF-8.
pub fn decode_jsonp(form: &[u8]) -> Result<Bytes, ProtocolError> {
    let Ok(form) = std::str::from_utf8(form) else {
        return Err(ProtocolError::engine("payload is not UTF-8"));
    };
    match query::pairs(form).find(|(name, _)| name == "d") {
        Some((_, text)) => Ok(undo_newlines(&text).into()),
        None => Err(ProtocolError::engine("no data in form")),
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

/// Some browsers turn a newline in a form into `\r\n`, so clients write it as `\n`, and an honest `\n` as `\\n`:
/// a lone backslash before `n` is a newline, one of several is dropped.
fn undo_newlines(text: &str) -> String {
    let mut undone = String::with_capacity(text.len());
    let mut backslashes = 0;
    for character in text.chars() {
        match character {
            '\\' => {
                backslashes += 1;
                undone.push('\\');
                continue;
            }
            'n' if backslashes > 0 => {
                undone.pop();
                undone.push(if backslashes == 1 { '\n' } else { 'n' });
            }
            _ => undone.push(character),
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
