//! What a host may set, as a JSON object. Every default is [`Config`]'s or stands in [`Options::default`], none is restated.
//!
//! Names are those of socket.io where it has the option; the rest are the fields of [`Config`] and [`Limits`]. Times are in
//! milliseconds, sizes in bytes. `null` means "not given", except where it is a value of its own (see the table).
//!
//! | name | value |
//! |---|---|
//! | `dialect` | `"node"`, `"python"` |
//! | `layer` | `"socketio"`, `"engineio"` (sessions without Socket.IO: `Event::Data`, `Command::Write`) |
//! | `path` | text; slashes at its ends do not matter |
//! | `addTrailingSlash`, `allowUpgrades`, `cleanupEmptyChildNamespaces` | true, false |
//! | `allowEIO3` (or `allowEio3`) | true, false |
//! | `transports` | list of `"polling"`, `"websocket"` |
//! | `pingInterval`, `pingGrace`, `pingTimeout`, `upgradeTimeout`, `connectTimeout`, `closeTimeout`, `headerTimeout` | ms |
//! | `maxHttpBufferSize` (or `maxPayload`) | bytes |
//! | `httpCompression` | true, false, `{"threshold": bytes}` |
//! | `compressionThreshold` | bytes, `null` for never |
//! | `cookie` | null, false, true, `{"name", "attributes"}` (`attributes` as they are sent: `"Path=/; HttpOnly"`) |
//! | `cors` | null (the dialect's rule), false or `"off"` (the host sees to it), `{"origin", "credentials"}` |
//! | `cors.origin` | true or `"*"` (every origin), `"same"` (the server's own), text, list of texts |
//! | `connectionStateRecovery` | null (off), `{"maxDisconnectionDuration": ms, "maxBytes": bytes, "maxSessions": count}` |
//! | `serializer` | `"default"`, `"msgpack"` |
//! | `highMark`, `hardLimit`, `maxHeaderBytes` | bytes |
//! | `slowConsumer` | `"disconnect"`, `"drop"` |
//! | `writeTimeout` | ms |
//! | `maxHeaders`, `maxConnections`, `maxHandshakes`, `trustedProxies` | count |
//! | `sessionsPerAddress`, `eventsPerClient` | `{"perSecond", "burst"}` |
//! | `readyPath` | path on the engine's own ports; null for none |
//! | `limits` | `{"packetsPerPayload", "attachments", "reassembly", "jsonDepth", "namespaces", "namespaceName", "eventName",
//! | | `"fragments", "controlFrames"}` |
//! | `maxChildNamespaces` | 100000; [`Engine::has_room_for_child`](crate::Engine::has_room_for_child) |
//! | `clientFiles` | path of the directory they are in; null for none |
//! | `initialPacket` | text, `{"binary": base64}`: a message for every client, right behind the open packet |
//! | `watch` | true, false: every Engine.IO packet of connections that open is an `Event::Packet` |
//! | `ioThreads` | 1 to 1024 |
//! | `mailboxBytes` | bytes of undelivered events above which connections stop reading |
//!
//! What can change while the engine runs is listed in [`LIVE`].

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ferrio::config::{Config, Cookie, Cors, Rate, Recovery, SlowConsumer};
use ferrio::net::files::ClientFiles;
use ferrio_protocol::engine::Frame;
use ferrio_protocol::{Dialect, Text};
use serde_json::{Map, Value};

use crate::StartError;
use crate::values::{
    Wrong, bytes, count, flag, layer, limits, object, optional, serializer, some_time, text, time, transports,
};

/// How an engine behaves.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The server.
    pub(crate) config: Config,
    /// Threads that do the I/O. 1: a second one costs 25 % more CPU at low load and gains nothing at 50 connections.
    pub(crate) io_threads: usize,
    /// Bytes of undelivered events above which connections stop reading. 8 MiB: some 30,000 small events, a tenth of a second
    /// of a host at its limit.
    pub(crate) mailbox_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { config: Config::default(), io_threads: 1, mailbox_bytes: 8 << 20 }
    }
}

impl Options {
    /// Reads a JSON object.
    ///
    /// # Errors
    /// Names the option that is unknown, or says what it should be.
    pub(crate) fn parse(text: &str) -> Result<Self, StartError> {
        let mut options = Self::default();
        options.read(&object(text)?)?;
        Ok(options)
    }

    /// Reads a JSON object of options to change in `config`.
    ///
    /// # Errors
    /// As [`Self::parse`]; an option that cannot change.
    pub(crate) fn change(config: &Config, text: &str) -> Result<Config, StartError> {
        let object = object(text)?;
        let mut options = Self { config: config.clone(), ..Self::default() };
        options.read(&object)?;
        match object.keys().find(|name| !LIVE.contains(&name.as_str())) {
            Some(name) => Err(StartError::Options(format!("{name}: cannot change while the engine runs"))),
            None => Ok(options.config),
        }
    }

    fn read(&mut self, object: &Map<String, Value>) -> Result<(), StartError> {
        for (name, value) in object {
            match self.set(name, value) {
                Ok(()) => {}
                // Not given. The readers below refuse it, unless it is a value of its own.
                Err(wrong) if value.is_null() && !wrong.unknown => {}
                Err(wrong) => return Err(StartError::Options(wrong.within(name))),
            }
        }
        self.check().map_err(StartError::Options)
    }

    fn set(&mut self, name: &str, value: &Value) -> Result<(), Wrong> {
        let config = &mut self.config;
        match name {
            "compressionThreshold" => config.compression_threshold = optional(value, bytes)?,
            "cookie" => config.cookie = cookie(value)?,
            "cors" => config.cors = cors(value)?,
            "dialect" => config.dialect = dialect(value)?,
            "clientFiles" => config.client_files = optional(value, client_files)?,
            "layer" => config.layer = layer(value)?,
            "initialPacket" => config.initial_packet = optional(value, message)?,
            "watch" => config.watch = flag(value)?,
            "path" => config.path = path(text(value)?),
            "addTrailingSlash" => config.add_trailing_slash = flag(value)?,
            "transports" => config.transports = transports(value)?,
            "allowUpgrades" => config.allow_upgrades = flag(value)?,
            "allowEIO3" | "allowEio3" => config.allow_eio3 = flag(value)?,
            "pingInterval" => config.ping_interval = some_time(value)?,
            "pingGrace" => config.ping_grace = time(value)?,
            "pingTimeout" => config.ping_timeout = some_time(value)?,
            "upgradeTimeout" => config.upgrade_timeout = time(value)?,
            "connectTimeout" => config.connect_timeout = time(value)?,
            "closeTimeout" => config.close_timeout = time(value)?,
            "headerTimeout" => config.header_timeout = some_time(value)?,
            "maxHttpBufferSize" | "maxPayload" => config.limits.max_payload = bytes(value)?,
            "httpCompression" => config.compression_threshold = compression(value, config.compression_threshold)?,
            "highMark" => config.high_mark = bytes(value)?,
            "hardLimit" => config.hard_limit = bytes(value)?,
            "slowConsumer" => config.slow_consumer = slow_consumer(value)?,
            "writeTimeout" => config.write_timeout = some_time(value)?,
            "maxConnections" => config.admission.max_connections = optional(value, bytes)?,
            "maxHandshakes" => config.admission.max_handshakes = optional(value, bytes)?,
            "sessionsPerAddress" => config.admission.sessions_per_address = optional(value, rate)?,
            "eventsPerClient" => config.admission.events_per_client = optional(value, rate)?,
            "readyPath" => config.ready_path = optional(value, |value| text(value).map(str::to_owned))?,
            "trustedProxies" => config.admission.trusted_proxies = bytes(value)?,
            "maxHeaderBytes" => config.max_header_bytes = bytes(value)?,
            "maxHeaders" => config.max_headers = bytes(value)?,
            "cleanupEmptyChildNamespaces" => config.cleanup_empty_child_namespaces = flag(value)?,
            "maxChildNamespaces" => config.max_child_namespaces = bytes(value)?,
            "connectionStateRecovery" => config.recovery = optional(value, recovery)?,
            "serializer" => config.serializer = serializer(value)?,
            "limits" => limits(value, &mut config.limits)?,
            "ioThreads" => self.io_threads = count(value, 1, 1024)?,
            "mailboxBytes" => self.mailbox_bytes = bytes(value)?,
            _ => return Err(Wrong::unknown()),
        }
        Ok(())
    }

    /// What no single option shows.
    fn check(&self) -> Result<(), String> {
        if self.config.hard_limit < self.config.high_mark {
            return Err("hardLimit: must not be below highMark".into());
        }
        Ok(())
    }
}

/// Options that can change while the engine runs. The others shape what is already there.
const LIVE: [&str; 20] = [
    "addTrailingSlash",
    "allowEIO3",
    "allowEio3",
    "allowUpgrades",
    "compressionThreshold",
    "connectTimeout",
    "cookie",
    "cors",
    "httpCompression",
    "initialPacket",
    "layer",
    "maxHttpBufferSize",
    "maxPayload",
    "path",
    "pingInterval",
    "pingTimeout",
    "closeTimeout",
    "transports",
    "upgradeTimeout",
    "watch",
];

fn client_files(value: &Value) -> Result<ClientFiles, Wrong> {
    let directory = text(value)?;
    ClientFiles::read(directory)
        .map_err(|error| Wrong::expected("the directory of the client's files", value).because(&error))
}

fn dialect(value: &Value) -> Result<Dialect, Wrong> {
    match value.as_str() {
        Some("node") => Ok(Dialect::Node),
        Some("python") => Ok(Dialect::Python),
        _ => Err(Wrong::expected(r#""node" or "python""#, value)),
    }
}

fn message(value: &Value) -> Result<Frame, Wrong> {
    let wrong = || Wrong::expected(r#"text or {"binary": base64}"#, value);
    match value {
        Value::String(text) => Ok(Frame::Text(Text::from(text.as_str()))),
        Value::Object(object) if object.len() == 1 => {
            let base64 = object.get("binary").and_then(Value::as_str).ok_or_else(wrong)?;
            STANDARD.decode(base64).map(|bytes| Frame::Binary(bytes.into())).map_err(|_| wrong())
        }
        _ => Err(wrong()),
    }
}

fn slow_consumer(value: &Value) -> Result<SlowConsumer, Wrong> {
    match value.as_str() {
        Some("disconnect") => Ok(SlowConsumer::Disconnect),
        Some("drop") => Ok(SlowConsumer::Drop),
        _ => Err(Wrong::expected(r#""disconnect" or "drop""#, value)),
    }
}

/// Without a burst, what comes in a second may come at once.
fn rate(value: &Value) -> Result<Rate, Wrong> {
    let wrong = || Wrong::expected(r#"{"perSecond", "burst"}"#, value);
    let object = value.as_object().ok_or_else(wrong)?;
    let (mut per_second, mut burst) = (None, None);
    for (name, value) in object {
        match name.as_str() {
            "perSecond" => {
                let number = value.as_f64().filter(|rate| *rate > 0.0);
                per_second = Some(number.ok_or_else(|| Wrong::expected("a number above 0", value).below(name))?);
            }
            "burst" if value.is_null() => {}
            "burst" => burst = Some(count(value, 1, u32::MAX as usize).map_err(|wrong| wrong.below(name))?),
            _ => return Err(Wrong::unknown().below(name)),
        }
    }
    let per_second = per_second.ok_or_else(wrong)?;
    let default = || per_second.ceil().min(f64::from(u32::MAX)) as usize;
    Ok(Rate { per_second, burst: burst.unwrap_or_else(default) as u32 })
}

fn path(given: &str) -> String {
    match given.trim_matches('/') {
        "" => String::new(),
        path => format!("/{path}"),
    }
}

fn compression(value: &Value, default: Option<usize>) -> Result<Option<usize>, Wrong> {
    match value {
        Value::Bool(false) => Ok(None),
        Value::Bool(true) => Ok(default),
        Value::Object(object) => {
            let mut threshold = default;
            for (name, value) in object {
                match name.as_str() {
                    "threshold" => threshold = Some(bytes(value).map_err(|wrong| wrong.below(name))?),
                    _ => return Err(Wrong::unknown().below(name)),
                }
            }
            Ok(threshold)
        }
        _ => Err(Wrong::expected(r#"true, false or {"threshold": bytes}"#, value)),
    }
}

fn cookie(value: &Value) -> Result<Option<Cookie>, Wrong> {
    let mut cookie = Cookie { name: "io".into(), attributes: "Path=/; HttpOnly; SameSite=Lax".into() };
    match value {
        Value::Null | Value::Bool(false) => return Ok(None),
        Value::Bool(true) => {}
        Value::Object(object) => {
            for (name, value) in object {
                match name.as_str() {
                    "name" => cookie.name = part(value, TOKEN).map_err(|wrong| wrong.below(name))?,
                    "attributes" => cookie.attributes = part(value, ATTRIBUTES).map_err(|wrong| wrong.below(name))?,
                    _ => return Err(Wrong::unknown().below(name)),
                }
            }
        }
        _ => return Err(Wrong::expected(r#"true, false or {"name", "attributes"}"#, value)),
    }
    Ok(Some(cookie))
}

/// Text for a header: it must not end the header, nor (a name) the attribute.
fn part(value: &Value, allowed: fn(char) -> bool) -> Result<String, Wrong> {
    let part = text(value)?;
    if part.chars().all(allowed) {
        Ok(part.to_owned())
    } else {
        Err(Wrong::expected("text that may stand in a Set-Cookie header", value))
    }
}

const TOKEN: fn(char) -> bool = |c| c.is_ascii_graphic() && !r#"()<>@,;:\"/[]?={}"#.contains(c);
const ATTRIBUTES: fn(char) -> bool = |c| c.is_ascii_graphic() || c == ' ';

fn cors(value: &Value) -> Result<Cors, Wrong> {
    let object = match value {
        Value::Null => return Ok(Cors::Dialect),
        Value::Bool(false) => return Ok(Cors::Off),
        Value::String(word) if word == "off" => return Ok(Cors::Off),
        Value::Object(object) => object,
        _ => return Err(Wrong::expected(r#"false, "off" or {"origin", "credentials"}"#, value)),
    };
    let (mut origins, mut credentials) = (None, false);
    let same = object.get("origin").is_some_and(|origin| origin == "same");
    for (name, value) in object {
        match name.as_str() {
            "origin" => origins = list_of_origins(value).map_err(|wrong| wrong.below(name))?,
            "credentials" => credentials = flag(value).map_err(|wrong| wrong.below(name))?,
            _ => return Err(Wrong::unknown().below(name)),
        }
    }
    Ok(match origins {
        Some(_) if same => Cors::SameOrigin { credentials },
        None => Cors::Any { credentials },
        Some(origins) => Cors::List { origins, credentials },
    })
}

/// `None` is every origin.
fn list_of_origins(value: &Value) -> Result<Option<Vec<String>>, Wrong> {
    let wrong = || Wrong::expected(r#"true, "*", an origin or a list of origins"#, value);
    match value {
        Value::Null | Value::Bool(true) => Ok(None),
        Value::String(one) if one == "*" => Ok(None),
        Value::String(one) => Ok(Some(vec![one.clone()])),
        Value::Array(list) => {
            list.iter().map(|one| one.as_str().map(str::to_owned)).collect::<Option<_>>().map(Some).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}

fn recovery(value: &Value) -> Result<Recovery, Wrong> {
    let object = value.as_object().ok_or_else(|| Wrong::expected("an object", value))?;
    let mut recovery = Recovery::default();
    for (name, value) in object {
        let result = match name.as_str() {
            "maxDisconnectionDuration" => time(value).map(|time| recovery.max_disconnection = time),
            "maxBytes" => bytes(value).map(|bytes| recovery.max_bytes = bytes),
            "maxSessions" => bytes(value).map(|count| recovery.max_sessions = count),
            _ => Err(Wrong::unknown()),
        };
        match result {
            // Not given.
            Err(wrong) if value.is_null() && !wrong.unknown => {}
            result => result.map_err(|wrong| wrong.below(name))?,
        }
    }
    Ok(recovery)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ferrio_protocol::Limits;
    use ferrio_protocol::engine::Transport;

    use super::*;

    fn parsed(text: &str) -> Options {
        Options::parse(text).unwrap()
    }

    fn refused(text: &str) -> String {
        Options::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn nothing_given_is_the_default() {
        let (given, default) = (parsed("{}"), Options::default());
        assert_eq!(format!("{given:?}"), format!("{default:?}"));
        for name in
            ["dialect", "path", "allowEIO3", "pingInterval", "maxPayload", "cookie", "cors", "limits", "ioThreads"]
        {
            assert_eq!(format!("{:?}", parsed(&format!(r#"{{"{name}":null}}"#))), format!("{default:?}"), "{name}");
        }
    }

    #[test]
    fn everything_given() {
        let Options { config, io_threads, mailbox_bytes } = parsed(
            r#"{"dialect":"python","path":"chat/","addTrailingSlash":false,"transports":["websocket"],"allowUpgrades":false,
            "allowEIO3":true,"pingInterval":300,"pingTimeout":200.5,"upgradeTimeout":1e3,"connectTimeout":0,"closeTimeout":7,
            "headerTimeout":8,"maxHttpBufferSize":1e6,"highMark":1,"hardLimit":2,"maxHeaderBytes":3,"maxHeaders":4,
            "cleanupEmptyChildNamespaces":true,"limits":{"packetsPerPayload":1,"attachments":2,"reassembly":3,"jsonDepth":4,
            "namespaces":5,"namespaceName":6,"eventName":7,"fragments":8,"controlFrames":9},"ioThreads":2,"mailboxBytes":9}"#,
        );
        assert_eq!(config.dialect, Dialect::Python);
        assert_eq!(config.path, "/chat");
        assert!(!config.add_trailing_slash && !config.allow_upgrades && config.allow_eio3);
        assert_eq!(config.transports, [Transport::WebSocket]);
        assert_eq!(config.ping_interval, Duration::from_millis(300));
        assert_eq!(config.ping_timeout, Duration::from_micros(200_500));
        assert_eq!(config.upgrade_timeout, Duration::from_secs(1));
        assert_eq!(config.connect_timeout, Duration::ZERO);
        assert_eq!((config.high_mark, config.hard_limit, config.max_header_bytes, config.max_headers), (1, 2, 3, 4));
        assert!(config.cleanup_empty_child_namespaces);
        let limits = Limits {
            max_payload: 1_000_000,
            packets_per_payload: 1,
            attachments: 2,
            reassembly: Duration::from_millis(3),
            json_depth: 4,
            namespaces: 5,
            namespace_name: 6,
            event_name: 7,
            fragments: 8,
            control_frames: 9,
        };
        assert_eq!(config.limits, limits);
        assert_eq!((io_threads, mailbox_bytes), (2, 9));
    }

    #[test]
    fn compression() {
        let threshold = |text: &str| parsed(text).config.compression_threshold;
        assert_eq!(threshold(r#"{"httpCompression":true}"#), Config::default().compression_threshold);
        assert_eq!(threshold(r#"{"httpCompression":{}}"#), Config::default().compression_threshold);
        assert_eq!(threshold(r#"{"httpCompression":false}"#), None);
        assert_eq!(threshold(r#"{"httpCompression":{"threshold":10}}"#), Some(10));
        assert_eq!(threshold(r#"{"compressionThreshold":null}"#), None);
        assert_eq!(threshold(r#"{"compressionThreshold":20}"#), Some(20));
    }

    #[test]
    fn cors_and_cookie() {
        let cors = |text: &str| parsed(&format!(r#"{{"cors":{text}}}"#)).config.cors;
        assert_eq!(cors("null"), Cors::Dialect);
        assert_eq!(cors("false"), Cors::Off);
        assert_eq!(cors(r#""off""#), Cors::Off);
        assert_eq!(cors("{}"), Cors::Any { credentials: false });
        assert_eq!(cors(r#"{"origin":"*","credentials":true}"#), Cors::Any { credentials: true });
        assert_eq!(cors(r#"{"origin":"same"}"#), Cors::SameOrigin { credentials: false });
        let list = Cors::List { origins: vec!["http://a".into()], credentials: false };
        assert_eq!(cors(r#"{"origin":"http://a"}"#), list);
        assert_eq!(cors(r#"{"origin":["http://a"]}"#), list);

        let cookie = |text: &str| parsed(&format!(r#"{{"cookie":{text}}}"#)).config.cookie;
        assert_eq!(cookie("null"), None);
        assert_eq!(cookie("false"), None);
        assert_eq!(cookie("true").unwrap().name, "io");
        let own = Cookie { name: "sid".into(), attributes: "Secure".into() };
        assert_eq!(cookie(r#"{"name":"sid","attributes":"Secure"}"#), Some(own));
    }

    #[test]
    fn admission() {
        let rate = |text: &str| parsed(&format!(r#"{{"eventsPerClient":{text}}}"#)).config.admission.events_per_client;
        assert_eq!(rate("null"), None);
        assert_eq!(rate(r#"{"perSecond":2.5}"#), Some(Rate { per_second: 2.5, burst: 3 }));
        assert_eq!(rate(r#"{"perSecond":2.5,"burst":null}"#), Some(Rate { per_second: 2.5, burst: 3 }));
        assert_eq!(rate(r#"{"perSecond":0.1,"burst":7}"#), Some(Rate { per_second: 0.1, burst: 7 }));
        let admission = parsed(r#"{"maxConnections":1,"maxHandshakes":2,"trustedProxies":3}"#).config.admission;
        assert_eq!((admission.max_connections, admission.max_handshakes), (Some(1), Some(2)));
        assert_eq!((admission.trusted_proxies, admission.sessions_per_address), (3, None));
    }

    #[test]
    fn initial_packet() {
        let packet = |text: &str| parsed(&format!(r#"{{"initialPacket":{text}}}"#)).config.initial_packet;
        assert_eq!(packet("null"), None);
        assert_eq!(packet(r#""hi""#), Some(Frame::Text("hi".into())));
        assert_eq!(packet(r#"{"binary":"AQI="}"#), Some(Frame::Binary(vec![1, 2].into())));
    }

    #[test]
    fn changes() {
        let before = parsed(r#"{"pingInterval":1000,"cookie":true,"highMark":5}"#).config;
        let after =
            Options::change(&before, r#"{"pingTimeout":7,"cookie":null,"path":"/x","pingInterval":null}"#).unwrap();
        assert_eq!((after.ping_interval, after.ping_timeout), (Duration::from_secs(1), Duration::from_millis(7)));
        assert_eq!((after.cookie, after.path.as_str(), after.high_mark), (None, "/x", 5));
        for (given, error) in [
            (r#"{"dialect":"python"}"#, "invalid option: dialect: cannot change while the engine runs"),
            (r#"{"watch":true,"highMark":1}"#, "invalid option: highMark: cannot change while the engine runs"),
            (r#"{"pingInterval":0}"#, "invalid option: pingInterval: "),
            (r#"{"pingIntervall":1}"#, "invalid option: pingIntervall: no such option"),
        ] {
            let text = Options::change(&before, given).unwrap_err().to_string();
            assert!(text.starts_with(error), "{given}: {text}");
        }
        for name in LIVE {
            assert!(Options::change(&before, &format!(r#"{{"{name}":null}}"#)).is_ok(), "{name}");
        }
    }

    #[test]
    fn connection_state_recovery() {
        let recovery = |text: &str| parsed(&format!(r#"{{"connectionStateRecovery":{text}}}"#)).config.recovery;
        assert_eq!(recovery("null"), None);
        assert_eq!(recovery("{}"), Some(Recovery::default()));
        assert_eq!(recovery(r#"{"maxBytes":null}"#), Some(Recovery::default()));
        let own = Recovery {
            max_disconnection: Duration::from_secs(1),
            max_bytes: 2,
            max_sessions: 3,
            ..Recovery::default()
        };
        let text = r#"{"maxDisconnectionDuration":1000,"maxBytes":2,"maxSessions":3}"#;
        assert_eq!(recovery(text), Some(own));
    }

    #[test]
    fn paths() {
        for (given, path) in [("/socket.io", "/socket.io"), ("a/b/", "/a/b"), ("/", ""), ("", "")] {
            assert_eq!(parsed(&format!(r#"{{"path":"{given}"}}"#)).config.path, path);
        }
    }

    #[test]
    fn an_error_names_the_option() {
        for (given, error) in [
            ("[]", "invalid option: not a JSON object: "),
            (r#"{"pingIntervall":1}"#, "invalid option: pingIntervall: no such option"),
            (r#"{"pingIntervall":null}"#, "invalid option: pingIntervall: no such option"),
            (r#"{"pingInterval":"1"}"#, "invalid option: pingInterval: expected a number of milliseconds from 1 to"),
            (r#"{"pingInterval":0}"#, "invalid option: pingInterval: "),
            (r#"{"pingTimeout":-1}"#, "invalid option: pingTimeout: "),
            (r#"{"connectTimeout":1e99}"#, "invalid option: connectTimeout: "),
            (r#"{"ioThreads":0}"#, "invalid option: ioThreads: expected a whole number from 1 to 1024, got 0"),
            (
                r#"{"maxHttpBufferSize":1.5}"#,
                "invalid option: maxHttpBufferSize: expected a whole number of at least 0",
            ),
            (r#"{"initialPacket":{"binary":"?"}}"#, "invalid option: initialPacket: expected text or "),
            (r#"{"initialPacket":{"binary":"","x":1}}"#, "invalid option: initialPacket: expected text or "),
            (r#"{"layer":"http"}"#, "invalid option: layer: expected "),
            (r#"{"transports":[]}"#, "invalid option: transports: expected a list of "),
            (r#"{"transports":["webtransport"]}"#, "invalid option: transports: expected a list of "),
            (r#"{"limits":{"depth":1}}"#, "invalid option: limits.depth: no such option"),
            (r#"{"limits":{"jsonDepth":"x"}}"#, "invalid option: limits.jsonDepth: expected a whole number"),
            (
                r#"{"serializer":"pickle"}"#,
                r#"invalid option: serializer: expected "default" or "msgpack", got "pickle""#,
            ),
            (r#"{"connectionStateRecovery":true}"#, "invalid option: connectionStateRecovery: expected an object"),
            (
                r#"{"connectionStateRecovery":{"skipMiddlewares":true}}"#,
                "invalid option: connectionStateRecovery.skipMiddlewares: no such option",
            ),
            (
                r#"{"connectionStateRecovery":{"maxDisconnectionDuration":-1}}"#,
                "invalid option: connectionStateRecovery.maxDisconnectionDuration: expected a number of milliseconds",
            ),
            (r#"{"cors":{"methods":"GET"}}"#, "invalid option: cors.methods: no such option"),
            (r#"{"cors":true}"#, "invalid option: cors: expected false, "),
            (r#"{"httpCompression":{"level":1}}"#, "invalid option: httpCompression.level: no such option"),
            (r#"{"cookie":{"name":"a b"}}"#, "invalid option: cookie.name: expected text that may stand in"),
            (r#"{"cookie":{"attributes":"a\r\nb: c"}}"#, "invalid option: cookie.attributes: expected text that may"),
            (r#"{"slowConsumer":"wait"}"#, r#"invalid option: slowConsumer: expected "disconnect" or "drop""#),
            (r#"{"eventsPerClient":{"burst":1}}"#, "invalid option: eventsPerClient: expected "),
            (r#"{"eventsPerClient":{"perSecond":0}}"#, "invalid option: eventsPerClient.perSecond: expected a number"),
            (r#"{"sessionsPerAddress":{"every":1}}"#, "invalid option: sessionsPerAddress.every: no such option"),
            (r#"{"highMark":10,"hardLimit":9}"#, "invalid option: hardLimit: must not be below highMark"),
        ] {
            let text = refused(given);
            assert!(text.starts_with(error), "{given}: {text}");
        }
    }

    #[test]
    fn a_value_is_not_repeated_at_length() {
        let long = "é".repeat(5000);
        assert!(refused(&format!(r#"{{"dialect":"{long}"}}"#)).len() < 200);
    }
}
