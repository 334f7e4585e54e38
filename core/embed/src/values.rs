//! Values of options, read from JSON: what is no such value is refused, with its name and what it should be.

use std::time::Duration;

use ferrio_protocol::Limits;
use ferrio_protocol::engine::Transport;
use ferrio_protocol::session::Layer;
use ferrio_protocol::socket::Serializer;
use serde_json::{Map, Value};

use crate::StartError;

pub(crate) fn object(text: &str) -> Result<Map<String, Value>, StartError> {
    serde_json::from_str(text).map_err(|error| StartError::Options(format!("not a JSON object: {error}")))
}

/// What is wrong with a value, and where below its option.
#[derive(Debug)]
pub(crate) struct Wrong {
    below: String,
    what: String,
    /// There is no such option.
    pub(crate) unknown: bool,
}

impl Wrong {
    pub(crate) fn expected(what: &str, value: &Value) -> Self {
        // Not longer than it helps: a value may be anything.
        let mut shown = value.to_string();
        if shown.len() > 40 {
            shown = format!("{}…", shown.chars().take(40).collect::<String>());
        }
        Self { below: String::new(), what: format!("expected {what}, got {shown}"), unknown: false }
    }

    pub(crate) fn unknown() -> Self {
        Self { below: String::new(), what: "no such option".into(), unknown: true }
    }

    pub(crate) fn below(self, name: &str) -> Self {
        Self { below: format!(".{name}{}", self.below), ..self }
    }

    pub(crate) fn because(mut self, error: &dyn std::fmt::Display) -> Self {
        self.what = format!("{}: {error}", self.what);
        self
    }

    pub(crate) fn within(self, name: &str) -> String {
        format!("{name}{}: {}", self.below, self.what)
    }
}

pub(crate) fn flag(value: &Value) -> Result<bool, Wrong> {
    value.as_bool().ok_or_else(|| Wrong::expected("true or false", value))
}

pub(crate) fn text(value: &Value) -> Result<&str, Wrong> {
    value.as_str().ok_or_else(|| Wrong::expected("text", value))
}

/// A whole number; hosts write 1e6 as 1000000.0.
pub(crate) fn count(value: &Value, least: usize, most: usize) -> Result<usize, Wrong> {
    let number = value.as_f64().filter(|number| number.fract() == 0.0 && (0.0..=EXACT).contains(number));
    match number.map(|number| number as usize) {
        Some(number) if (least..=most).contains(&number) => Ok(number),
        _ if most == usize::MAX => Err(Wrong::expected("a whole number of at least 0", value)),
        _ => Err(Wrong::expected(&format!("a whole number from {least} to {most}"), value)),
    }
}

pub(crate) fn bytes(value: &Value) -> Result<usize, Wrong> {
    count(value, 0, usize::MAX)
}

/// Milliseconds, with a fraction if need be (Python's are seconds times 1000).
pub(crate) fn time(value: &Value) -> Result<Duration, Wrong> {
    value
        .as_f64()
        .filter(|ms| (0.0..=LONGEST).contains(ms))
        .map(|ms| Duration::from_secs_f64(ms / 1000.0))
        .ok_or_else(|| Wrong::expected("a number of milliseconds from 0 to 2147483647", value))
}

/// A time that means nothing below a millisecond.
pub(crate) fn some_time(value: &Value) -> Result<Duration, Wrong> {
    time(value)
        .ok()
        .filter(|time| *time >= Duration::from_millis(1))
        .ok_or_else(|| Wrong::expected("a number of milliseconds from 1 to 2147483647", value))
}

pub(crate) fn optional<T>(value: &Value, read: impl FnOnce(&Value) -> Result<T, Wrong>) -> Result<Option<T>, Wrong> {
    if value.is_null() { Ok(None) } else { read(value).map(Some) }
}

pub(crate) fn layer(value: &Value) -> Result<Layer, Wrong> {
    match value.as_str() {
        Some("socketio") => Ok(Layer::SocketIo),
        Some("engineio") => Ok(Layer::EngineIo),
        _ => Err(Wrong::expected(r#""socketio" or "engineio""#, value)),
    }
}

pub(crate) fn serializer(value: &Value) -> Result<Serializer, Wrong> {
    match value.as_str() {
        Some("default") => Ok(Serializer::Json),
        Some("msgpack") => Ok(Serializer::MsgPack),
        _ => Err(Wrong::expected(r#""default" or "msgpack""#, value)),
    }
}

pub(crate) fn transports(value: &Value) -> Result<Vec<Transport>, Wrong> {
    let wrong = || Wrong::expected(r#"a list of "polling", "websocket""#, value);
    let list = value.as_array().filter(|list| !list.is_empty()).ok_or_else(wrong)?;
    list.iter()
        .map(|name| match name.as_str() {
            Some("polling") => Ok(Transport::Polling),
            Some("websocket") => Ok(Transport::WebSocket),
            _ => Err(wrong()),
        })
        .collect()
}

pub(crate) fn limits(value: &Value, limits: &mut Limits) -> Result<(), Wrong> {
    let object = value.as_object().ok_or_else(|| Wrong::expected("an object", value))?;
    for (name, value) in object {
        let result = match name.as_str() {
            "packetsPerPayload" => bytes(value).map(|count| limits.packets_per_payload = count),
            "attachments" => bytes(value).map(|count| limits.attachments = count),
            "reassembly" => time(value).map(|time| limits.reassembly = time),
            "jsonDepth" => bytes(value).map(|count| limits.json_depth = count),
            "namespaces" => bytes(value).map(|count| limits.namespaces = count),
            "namespaceName" => bytes(value).map(|count| limits.namespace_name = count),
            "eventName" => bytes(value).map(|count| limits.event_name = count),
            "fragments" => bytes(value).map(|count| limits.fragments = count),
            "controlFrames" => bytes(value).map(|count| limits.control_frames = count),
            _ => Err(Wrong::unknown()),
        };
        result.map_err(|wrong| wrong.below(name))?;
    }
    Ok(())
}

/// Longest time, in ms: 24 days, the longest timer of JavaScript.
const LONGEST: f64 = 2_147_483_647.0;
/// The largest whole number that JavaScript holds exactly.
const EXACT: f64 = 9_007_199_254_740_991.0;
