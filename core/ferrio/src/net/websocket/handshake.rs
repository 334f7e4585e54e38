//! RFC 6455, section 4.2: from HTTP to WebSocket.

use std::borrow::Cow;

use tungstenite::handshake::derive_accept_key;

use crate::net::exchange::{Head, Headers, is_header_name};
use crate::net::refusal::Refusal;

/// Whether the client wants this connection to become a WebSocket. Other upgrades (h2c) may be ignored.
pub fn is_upgrade(head: &Head) -> bool {
    has_token(head, "connection", "upgrade") && has_token(head, "upgrade", "websocket")
}

/// Checks the headers of the handshake and gives those of the 101. `permessage-deflate` is never agreed to.
///
/// # Errors
/// What is wrong, in the words of npm's `ws`.
pub fn accept(head: &Head) -> Result<Headers, Refusal> {
    let refuse = |message| Err(Refusal::BadUpgrade { message });
    if head.method != "GET" {
        return refuse("Invalid HTTP method");
    }
    if !is_upgrade(head) {
        return refuse("Invalid Upgrade header");
    }
    let Some(key) = head.header("sec-websocket-key").filter(|key| is_key(key)) else {
        return refuse("Missing or invalid Sec-WebSocket-Key header");
    };
    if head.header("sec-websocket-version") != Some("13") {
        return Err(BAD_VERSION);
    }
    let mut headers: Headers = vec![
        (Cow::Borrowed("upgrade"), "websocket".into()),
        (Cow::Borrowed("connection"), "Upgrade".into()),
        (Cow::Borrowed("sec-websocket-accept"), derive_accept_key(key.as_bytes())),
    ];
    if let Some(offered) = head.header("sec-websocket-protocol") {
        // A browser that offers protocols fails unless one is chosen; `ws` chooses the first.
        let mut protocols = offered.split(',').map(|name| name.trim_matches([' ', '\t']));
        let Some(first) = protocols.next().filter(|first| is_header_name(first) && protocols.all(is_header_name))
        else {
            return refuse("Invalid Sec-WebSocket-Protocol header");
        };
        headers.push((Cow::Borrowed("sec-websocket-protocol"), first.to_owned()));
    }
    Ok(headers)
}

/// The answer to it must name the version that is spoken.
pub(in crate::net) const BAD_VERSION: Refusal =
    Refusal::BadUpgrade { message: "Missing or invalid Sec-WebSocket-Version header" };

/// 16 bytes in base64.
fn is_key(key: &str) -> bool {
    let (digits, padding) = key.split_at_checked(22).unwrap_or_default();
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    padding == "==" && digits.bytes().all(is_digit)
}

fn has_token(head: &Head, name: &str, token: &str) -> bool {
    let values = head.headers.iter().filter(|(key, _)| key == name);
    values.flat_map(|(_, value)| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(token))
}
