//! The open packet: `0{"sid":…}`.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::Transport;
use crate::dialect::Dialect;
use crate::error::ProtocolError;
use crate::text::Text;

/// What the server tells a client first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// The session id, 20 characters of `[A-Za-z0-9_-]`.
    pub sid: Text,
    /// Transports the client may move to.
    pub upgrades: Vec<Transport>,
    /// Time between two heartbeats.
    pub ping_interval: Duration,
    /// Time a heartbeat may go unanswered.
    pub ping_timeout: Duration,
    /// Largest body or message, in bytes.
    pub max_payload: u64,
}

impl Handshake {
    /// The JSON text, keys in the order the dialect's original writes them.
    pub fn encode(&self, dialect: Dialect) -> Text {
        let Self { sid, ping_interval, ping_timeout, max_payload, .. } = self;
        let sid = serde_json::Value::from(sid.as_str());
        let upgrades: Vec<_> = self.upgrades.iter().map(|upgrade| format!("\"{}\"", upgrade.as_str())).collect();
        let upgrades = upgrades.join(",");
        let interval = match ping_interval.as_secs() {
            seconds if dialect.whole_seconds() => format!("\"pingInterval\":{}", seconds * 1000),
            _ => format!("\"pingInterval\":{}", ping_interval.as_millis()),
        };
        let timeout = format!("\"pingTimeout\":{}", ping_timeout.as_millis());
        let (first, second) = if dialect.ping_timeout_first() { (timeout, interval) } else { (interval, timeout) };
        format!("{{\"sid\":{sid},\"upgrades\":[{upgrades}],{first},{second},\"maxPayload\":{max_payload}}}").into()
    }

    /// Reads a server's open packet. Unknown upgrades are skipped; intervals must be present and below 2^31 ms.
    ///
    /// Servers older than Socket.IO 4.5 do not say `maxPayload`, and clients take 0 for no limit: both become `u64::MAX`.
    ///
    /// # Errors
    /// Malformed JSON, a missing or impossible field.
    pub fn decode(text: &Text) -> Result<Self, ProtocolError> {
        const BAD: ProtocolError = ProtocolError::engine("bad handshake");

        let wire: Wire = serde_json::from_str(text).map_err(|_| BAD)?;
        let upgrades = wire.upgrades.iter().filter_map(|upgrade| match upgrade.as_str() {
            Some("polling") => Some(Transport::Polling),
            Some("websocket") => Some(Transport::WebSocket),
            _ => None,
        });
        let ping_interval = interval(wire.ping_interval).ok_or(BAD)?;
        // The id goes into every later request. A v3 client pings at this interval: at zero it would do nothing else.
        if wire.sid.is_empty() || wire.sid.chars().any(char::is_control) || ping_interval < Duration::from_millis(1) {
            return Err(BAD);
        }
        Ok(Self {
            upgrades: upgrades.collect(),
            ping_interval,
            ping_timeout: interval(wire.ping_timeout).ok_or(BAD)?,
            max_payload: wire.max_payload.filter(|&limit| limit > 0).unwrap_or(u64::MAX),
            sid: wire.sid.into(),
        })
    }
}

/// A session id from 15 random bytes: 20 characters of `[A-Za-z0-9_-]` (URL-safe base64, no padding).
pub fn session_id(random: [u8; 15]) -> Text {
    URL_SAFE_NO_PAD.encode(random).into()
}

/// The open packet as it stands on the wire.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    sid: String,
    #[serde(default)]
    upgrades: Vec<serde_json::Value>,
    ping_interval: f64,
    ping_timeout: f64,
    #[serde(default)]
    max_payload: Option<u64>,
}

fn interval(milliseconds: f64) -> Option<Duration> {
    let range = 0.0..f64::from(1_u32 << 31);
    range.contains(&milliseconds).then(|| Duration::from_secs_f64(milliseconds / 1000.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    // What is read and refused stands in tests/transcripts/handshake.txt.

    #[test]
    fn each_dialect_writes_as_its_original() {
        let handshake = Handshake {
            sid: "a\"b".into(),
            upgrades: vec![Transport::WebSocket, Transport::Polling],
            ping_interval: Duration::from_millis(25_500),
            ping_timeout: Duration::from_secs(20),
            max_payload: 1_000_000,
        };
        assert_eq!(
            handshake.encode(Dialect::Node),
            r#"{"sid":"a\"b","upgrades":["websocket","polling"],"pingInterval":25500,"pingTimeout":20000,"maxPayload":1000000}"#
        );
        assert_eq!(
            handshake.encode(Dialect::Python),
            r#"{"sid":"a\"b","upgrades":["websocket","polling"],"pingTimeout":20000,"pingInterval":25000,"maxPayload":1000000}"#
        );
    }

    #[test]
    fn session_ids_go_into_a_query_as_they_are() {
        assert_eq!(session_id([0; 15]), "AAAAAAAAAAAAAAAAAAAA");
        assert_eq!(session_id([0xff; 15]), "____________________");
        assert_eq!(session_id([0xfb; 15]), "-_v7-_v7-_v7-_v7-_v7");
    }
}
