//! How a host's client connects, as a JSON object. Every default is [`Options`]'s, none is restated.
//!
//! Names are those of socket.io-client where it has the option. Times are in milliseconds, sizes in bytes. `null` means "not
//! given", except where the table says otherwise.
//!
//! | name | value |
//! |---|---|
//! | `layer` | `"socketio"`, `"engineio"` (messages that are the host's own: `ClientEvent::Data`, `ClientCommand::Write`) |
//! | `serializer` | `"default"`, `"msgpack"` |
//! | `path` | text; slashes at its ends do not matter |
//! | `addTrailingSlash`, `upgrade`, `tryAllTransports` | true, false |
//! | `cookies` | true, false: keep the server's cookies for later requests of this connection |
//! | `query` | `{name: text}` or `[[name, text]]` |
//! | `extraHeaders` | `{name: text}` or `[[name, text]]` |
//! | `transports` | list of `"polling"`, `"websocket"`, in the order in which they are tried |
//! | `transportOptions` | `{transport: {"path", "query", "extraHeaders"}}`; its headers replace all others |
//! | `timestampRequests` | null (polling only), true, false |
//! | `timestampParam` | text |
//! | `protocols` | list of texts: sub-protocols offered for the WebSocket |
//! | `timeout` | ms, null for none: the whole attempt |
//! | `requestTimeout` | ms, null for none: one request of polling |
//! | `upgradeTimeout` | ms |
//! | `maxPayload` | bytes of one message of the server's |
//! | `limits` | as of a server (`crate::options`) |
//! | `localAddress` | text: the address to connect from |
//! | `family` | 4, 6 |
//! | `proxy` | text: its URL; null for none. Not given, the environment tells |
//! | `tls` | `{"ca": [PEM], "pinned": [PEM], "cert": PEM, "key": PEM, "rejectUnauthorized": false, "serverName": text}` |

use std::net::IpAddr;

use ferrio::TlsError;
use ferrio::client::{ClientTls, Family, Options, ProxyChoice, TransportOptions};
use ferrio_protocol::engine::Transport;
use ferrio_protocol::session::Layer;
use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::StartError;
use crate::values::{
    Wrong, bytes, flag, layer, limits, object, optional, serializer, some_time, text, time, transports,
};

/// How to dial.
#[derive(Debug)]
pub(crate) struct DialOptions {
    pub(crate) options: Options,
    pub(crate) layer: Layer,
}

impl DialOptions {
    /// Reads a JSON object.
    ///
    /// # Errors
    /// Names the option that is unknown, or says what it should be.
    pub(crate) fn parse(given: &str) -> Result<Self, StartError> {
        let mut this = Self { options: Options::default(), layer: Layer::SocketIo };
        for (name, value) in &object(given)? {
            match this.set(name, value) {
                Ok(()) => {}
                // Not given. The readers below refuse it, unless it is a value of its own.
                Err(wrong) if value.is_null() && !wrong.unknown => {}
                Err(wrong) => return Err(StartError::Options(wrong.within(name))),
            }
        }
        Ok(this)
    }

    fn set(&mut self, name: &str, value: &Value) -> Result<(), Wrong> {
        let options = &mut self.options;
        match name {
            "layer" => self.layer = layer(value)?,
            "serializer" => options.serializer = serializer(value)?,
            "path" => options.path = text(value)?.to_owned(),
            "addTrailingSlash" => options.add_trailing_slash = flag(value)?,
            "upgrade" => options.upgrade = flag(value)?,
            "tryAllTransports" => options.try_all_transports = flag(value)?,
            "cookies" => options.cookies = flag(value)?,
            "query" => options.query = pairs(value)?,
            "extraHeaders" => options.headers = headers(value)?,
            "transports" => options.transports = transports(value)?,
            "transportOptions" => options.by_transport = by_transport(value)?,
            "timestampRequests" => options.timestamp_requests = optional(value, flag)?,
            "timestampParam" => options.timestamp_param = text(value)?.to_owned(),
            "protocols" => options.protocols = protocols(value)?,
            "timeout" => options.timeout = optional(value, time)?,
            "requestTimeout" => options.request_timeout = optional(value, some_time)?,
            "upgradeTimeout" => options.upgrade_timeout = time(value)?,
            "maxPayload" => options.limits.max_payload = bytes(value)?,
            "limits" => limits(value, &mut options.limits)?,
            "localAddress" => options.local_address = Some(address(value)?),
            "family" => options.family = Some(family(value)?),
            "proxy" => {
                options.proxy = match value {
                    Value::Null => ProxyChoice::Direct,
                    url => ProxyChoice::Url(text(url)?.to_owned()),
                }
            }
            "tls" => options.tls = tls(value)?,
            _ => return Err(Wrong::unknown()),
        }
        Ok(())
    }
}

fn map(value: &Value) -> Result<&Map<String, Value>, Wrong> {
    value.as_object().ok_or_else(|| Wrong::expected("an object", value))
}

/// An object, or a list of pairs where a name may come twice.
fn pairs(value: &Value) -> Result<Vec<(String, String)>, Wrong> {
    let wrong = || Wrong::expected("{name: text} or [[name, text]]", value);
    let pair = |name: &str, value: &Value| Some((name.to_owned(), value.as_str()?.to_owned()));
    let read = match value {
        Value::Object(object) => object.iter().map(|(name, value)| pair(name, value)).collect(),
        Value::Array(list) => list
            .iter()
            .map(|each| match each.as_array()?.as_slice() {
                [name, value] => pair(name.as_str()?, value),
                _ => None,
            })
            .collect(),
        _ => None,
    };
    read.ok_or_else(wrong)
}

fn headers(value: &Value) -> Result<Vec<(HeaderName, HeaderValue)>, Wrong> {
    let header = |(name, content): (String, String)| {
        let wrong = || Wrong::expected("what may stand in a header", &Value::String(content.clone())).below(&name);
        let value = HeaderValue::from_str(&content).map_err(|_| wrong())?;
        Ok((HeaderName::try_from(name.as_str()).map_err(|_| wrong())?, value))
    };
    pairs(value)?.into_iter().map(header).collect()
}

fn by_transport(value: &Value) -> Result<Vec<(Transport, TransportOptions)>, Wrong> {
    let of = |(name, value): (&String, &Value)| {
        let transport = match name.as_str() {
            "polling" => Transport::Polling,
            "websocket" => Transport::WebSocket,
            _ => return Err(Wrong::unknown().below(name)),
        };
        let own = transport_options(value).map_err(|wrong| wrong.below(name))?;
        Ok((transport, own))
    };
    map(value)?.iter().map(of).collect()
}

fn transport_options(value: &Value) -> Result<TransportOptions, Wrong> {
    let mut own = TransportOptions::default();
    for (name, value) in map(value)? {
        let result = match name.as_str() {
            "path" => text(value).map(|path| own.path = Some(path.to_owned())),
            "query" => pairs(value).map(|query| own.query = query),
            "extraHeaders" => headers(value).map(|headers| own.headers = Some(headers)),
            _ => Err(Wrong::unknown()),
        };
        result.map_err(|wrong| wrong.below(name))?;
    }
    Ok(own)
}

fn protocols(value: &Value) -> Result<Vec<String>, Wrong> {
    let wrong = || Wrong::expected("a list of sub-protocols", value);
    let token = |c: char| c.is_ascii_graphic() && !r#"()<>@,;:\"/[]?={}"#.contains(c);
    let name = |name: &Value| {
        name.as_str().filter(|name| !name.is_empty() && name.chars().all(token)).map(str::to_owned).ok_or_else(wrong)
    };
    value.as_array().ok_or_else(wrong)?.iter().map(name).collect()
}

fn address(value: &Value) -> Result<IpAddr, Wrong> {
    text(value)?.parse().map_err(|_| Wrong::expected("an IP address", value))
}

fn family(value: &Value) -> Result<Family, Wrong> {
    match value.as_u64() {
        Some(4) => Ok(Family::V4),
        Some(6) => Ok(Family::V6),
        _ => Err(Wrong::expected("4 or 6", value)),
    }
}

fn tls(value: &Value) -> Result<ClientTls, Wrong> {
    let object = map(value)?;
    let mut tls = ClientTls::new();
    for (name, value) in object.iter().filter(|(_, value)| !value.is_null()) {
        tls = part_of_tls(tls, name, value, object).map_err(|wrong| wrong.below(name))?;
    }
    Ok(tls)
}

fn part_of_tls(tls: ClientTls, name: &str, value: &Value, all: &Map<String, Value>) -> Result<ClientTls, Wrong> {
    match name {
        "ca" => certificates(tls, value, ClientTls::roots_pem),
        "pinned" => certificates(tls, value, ClientTls::pinned_pem),
        "cert" => {
            let (chain, key) = (text(value)?, all.get("key").and_then(Value::as_str));
            let key = key.ok_or_else(|| Wrong::expected("a key beside it", value))?;
            tls.certificate_pem(chain.as_bytes(), key.as_bytes()).map_err(|error| {
                Wrong::expected("PEM text of a certificate and its (plain) key", &Value::Null).because(&error)
            })
        }
        "key" if all.get("cert").is_some_and(Value::is_string) => Ok(tls),
        "key" => Err(Wrong::expected("a certificate beside it", &Value::Null)),
        "rejectUnauthorized" => Ok(if flag(value)? { tls } else { tls.danger_accept_any_certificate() }),
        "serverName" => Ok(tls.server_name(text(value)?)),
        _ => Err(Wrong::unknown()),
    }
}

fn certificates(
    tls: ClientTls,
    value: &Value,
    add: fn(ClientTls, &[u8]) -> Result<ClientTls, TlsError>,
) -> Result<ClientTls, Wrong> {
    let list = value.as_array().ok_or_else(|| Wrong::expected("a list of PEM texts", value))?;
    list.iter().try_fold(tls, |tls, pem| {
        let certificates = "PEM text with certificates";
        add(tls, text(pem)?.as_bytes()).map_err(|error| Wrong::expected(certificates, pem).because(&error))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn parsed(text: &str) -> DialOptions {
        DialOptions::parse(text).unwrap()
    }

    #[test]
    fn nothing_given_is_the_default() {
        let default = format!("{:?}", Options::default());
        assert_eq!(format!("{:?}", parsed("{}").options), default);
        for name in ["path", "transports", "query", "extraHeaders", "upgradeTimeout", "tls", "family", "layer"] {
            assert_eq!(format!("{:?}", parsed(&format!(r#"{{"{name}":null}}"#)).options), default, "{name}");
        }
    }

    #[test]
    fn null_is_a_value_of_some() {
        let given = parsed(r#"{"timeout":null,"proxy":null,"requestTimeout":null,"timestampRequests":null}"#).options;
        assert!(matches!(given.proxy, ProxyChoice::Direct));
        assert_eq!((given.timeout, given.request_timeout, given.timestamp_requests), (None, None, None));
    }

    #[test]
    fn each_option() {
        let DialOptions { options, layer } = parsed(
            r#"{"layer":"engineio","serializer":"msgpack","path":"/x/","addTrailingSlash":false,"upgrade":false,
                "tryAllTransports":true,"cookies":false,"query":{"a":"1"},"extraHeaders":[["x-a","1"],["x-a","2"]],
                "transports":["websocket","polling"],"timestampRequests":true,"timestampParam":"v","protocols":["chat"],
                "timeout":1.5,"requestTimeout":2,"upgradeTimeout":3,"maxPayload":4,"limits":{"jsonDepth":5},
                "localAddress":"127.0.0.2","family":4,"proxy":"http://p:1","tls":{"rejectUnauthorized":false,"serverName":"h"},
                "transportOptions":{"websocket":{"path":"/y","query":{"b":"2"},"extraHeaders":{"x-b":"3"}}}}"#,
        );
        assert_eq!(layer, Layer::EngineIo);
        assert_eq!((options.path.as_str(), options.add_trailing_slash, options.upgrade), ("/x/", false, false));
        assert_eq!((options.try_all_transports, options.cookies), (true, false));
        assert_eq!(options.query, [("a".to_owned(), "1".to_owned())]);
        assert_eq!(options.headers.len(), 2);
        assert_eq!(options.transports, [Transport::WebSocket, Transport::Polling]);
        assert_eq!((options.timestamp_requests, options.timestamp_param.as_str()), (Some(true), "v"));
        assert_eq!(options.protocols, ["chat"]);
        assert_eq!(options.timeout, Some(Duration::from_micros(1500)));
        assert_eq!(options.request_timeout, Some(Duration::from_millis(2)));
        assert_eq!(options.upgrade_timeout, Duration::from_millis(3));
        assert_eq!((options.limits.max_payload, options.limits.json_depth), (4, 5));
        assert_eq!((options.local_address, options.family), (Some([127, 0, 0, 2].into()), Some(Family::V4)));
        assert!(matches!(options.proxy, ProxyChoice::Url(url) if url == "http://p:1"));
        let [(Transport::WebSocket, own)] = &options.by_transport[..] else { panic!("not of a WebSocket") };
        assert_eq!((own.path.as_deref(), own.query.len()), (Some("/y"), 1));
        assert_eq!(own.headers.as_ref().map(Vec::len), Some(1));
    }

    #[test]
    fn an_error_names_the_option() {
        for (given, error) in [
            (r#"{"reconnection":true}"#, "invalid option: reconnection: no such option"),
            (r#"{"query":{"a":1}}"#, "invalid option: query: expected {name: text} or"),
            (
                r#"{"extraHeaders":{"a b":"1"}}"#,
                "invalid option: extraHeaders.a b: expected what may stand in a header",
            ),
            (r#"{"extraHeaders":{"a":"1\r\nb: 2"}}"#, "invalid option: extraHeaders.a: expected what may stand"),
            (r#"{"transports":["webtransport"]}"#, "invalid option: transports: expected a list of"),
            (r#"{"transportOptions":{"tcp":{}}}"#, "invalid option: transportOptions.tcp: no such option"),
            (r#"{"transportOptions":{"polling":{"x":1}}}"#, "invalid option: transportOptions.polling.x: no such"),
            (r#"{"protocols":["a b"]}"#, "invalid option: protocols: expected a list of sub-protocols"),
            (r#"{"family":5}"#, "invalid option: family: expected 4 or 6"),
            (r#"{"localAddress":"here"}"#, "invalid option: localAddress: expected an IP address"),
            (r#"{"tls":{"ca":["x"]}}"#, "invalid option: tls.ca: expected PEM text with certificates"),
            (r#"{"tls":{"cert":"x"}}"#, "invalid option: tls.cert: expected a key beside it"),
            (r#"{"tls":{"key":"x"}}"#, "invalid option: tls.key: expected a certificate beside it"),
            (r#"{"tls":{"passphrase":"x"}}"#, "invalid option: tls.passphrase: no such option"),
        ] {
            let text = DialOptions::parse(given).unwrap_err().to_string();
            assert!(text.starts_with(error), "{given}: {text}");
        }
    }
}
