//! A [`Value`] as JSON, past serde: three times as fast, for nothing has to be asked twice.

use bytes::Bytes;
use ferrio_protocol::socket::json::plain_end;

use super::Value;

/// Writes `value`, its bytes put aside.
pub(super) fn value(value: &Value, text: &mut Vec<u8>, attachments: &mut Vec<Bytes>) -> serde_json::Result<()> {
    match value {
        Value::Null => text.extend_from_slice(b"null"),
        Value::Bool(true) => text.extend_from_slice(b"true"),
        Value::Bool(false) => text.extend_from_slice(b"false"),
        Value::Number(number) => self::number(number, text)?,
        Value::String(string) => self::string(string, text)?,
        Value::Array(items) => {
            text.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(b',');
                }
                self::value(item, text, attachments)?;
            }
            text.push(b']');
        }
        Value::Object(fields) => {
            text.push(b'{');
            for (index, (name, value)) in fields.iter().enumerate() {
                if index > 0 {
                    text.push(b',');
                }
                string(name, text)?;
                text.push(b':');
                self::value(value, text, attachments)?;
            }
            text.push(b'}');
        }
        Value::Bytes(bytes) => {
            text.extend_from_slice(br#"{"_placeholder":true,"num":"#);
            text.extend_from_slice(itoa::Buffer::new().format(attachments.len()).as_bytes());
            text.push(b'}');
            attachments.push(bytes.clone());
        }
    }
    Ok(())
}

fn number(number: &serde_json::Number, text: &mut Vec<u8>) -> serde_json::Result<()> {
    let mut digits = itoa::Buffer::new();
    if let Some(number) = number.as_u64() {
        text.extend_from_slice(digits.format(number).as_bytes());
    } else if let Some(number) = number.as_i64() {
        text.extend_from_slice(digits.format(number).as_bytes());
    } else {
        serde_json::to_writer(text, number)?;
    }
    Ok(())
}

fn string(string: &str, text: &mut Vec<u8>) -> serde_json::Result<()> {
    if plain_end(string.as_bytes(), 0) < string.len() {
        return serde_json::to_writer(text, string);
    }
    text.reserve(string.len() + 2);
    text.push(b'"');
    text.extend_from_slice(string.as_bytes());
    text.push(b'"');
    Ok(())
}
