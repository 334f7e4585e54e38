//! The answers to requests, byte for byte as the dialect's original gives them, and nothing a peer wrote left unescaped.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::io::Write;

use bytes::Bytes;
use ferrio_protocol::engine::payload::{self, Body};
use ferrio_protocol::{Dialect, Text};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::cors;
use super::exchange::{Head, Headers, Response};
use super::files::File;
use super::refusal::Refusal;
use super::websocket::BAD_VERSION;
use crate::config::Config;

const TEXT: &str = "text/plain; charset=UTF-8";
const LEVEL: Compression = Compression::new(3);

/// How one request is to be answered: what its head and the configuration say about every answer to it. Small, because a
/// waiting poll keeps it.
#[derive(Clone, Debug)]
pub struct Reply {
    dialect: Dialect,
    cors: Headers,
    encoding: Option<(Encoding, usize)>,
    old_explorer: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Gzip,
    Deflate,
}

impl Reply {
    /// Reads from `head` what answers depend on.
    pub fn of(head: &Head, config: &Config) -> Self {
        let accepted = head.header("accept-encoding").and_then(|accepted| negotiate(accepted, config.dialect));
        let agent = head.header("user-agent").unwrap_or_default();
        Self {
            dialect: config.dialect,
            cors: cors::headers(head, config),
            encoding: accepted.zip(config.compression_threshold),
            old_explorer: agent.contains(";MSIE") || agent.contains("Trident/"),
        }
    }

    /// The answer to a poll. `compress`: some packet in it wants to be compressed.
    pub fn poll(&self, body: Body, jsonp: Option<u64>, compress: bool) -> Response {
        // A script travels as text/plain in both originals; browsers run it because nothing forbids them to sniff.
        let content_type = if body.binary { "application/octet-stream" } else { TEXT };
        let mut bytes = match jsonp {
            Some(index) => payload::encode_jsonp(&body.bytes, index),
            None => body.bytes,
        };
        let mut response = self.ok(content_type);
        if let Some((encoding, threshold)) = self.encoding
            && compress
            && bytes.len() >= threshold
        {
            bytes = encoding.encode(&bytes);
            response = response.header("content-encoding", encoding.as_str());
        }
        response.body = bytes;
        response
    }

    /// The answer to a polling handshake.
    pub fn handshake(&self, sid: &Text, config: &Config, body: Body, jsonp: Option<u64>) -> Response {
        // Node's original compresses what a packet asks it for, and none does here; Python's compresses by size alone.
        let mut response = self.poll(body, jsonp, self.dialect == Dialect::Python);
        if let Some(cookie) = &config.cookie {
            let mut value = format!("{}={}", cookie.name, cookie_value(sid));
            if !cookie.attributes.is_empty() {
                value.push_str("; ");
                value.push_str(&cookie.attributes);
            }
            response = response.header("set-cookie", value);
        }
        response.opened = Some(sid.clone());
        response
    }

    /// The answer to a POST that was taken.
    pub fn posted(&self) -> Response {
        let (body, content_type) = self.dialect.post_reply();
        Response { body: Bytes::from_static(body.as_bytes()), ..self.ok(content_type) }
    }

    /// The answer to a request for one of the client's files.
    pub(crate) fn file(&self, file: &File, head: &Head) -> Response {
        let known = head.header("if-none-match").is_some_and(|tags| file.is_known(tags));
        let mut response = self.bare(if known { 304 } else { 200 });
        match response.headers.iter_mut().find(|(name, _)| name == "vary") {
            Some((_, vary)) => vary.push_str(", Accept-Encoding"),
            None => response = response.header("vary", "Accept-Encoding"),
        }
        response = response.header("etag", file.etag()).header("cache-control", "public, max-age=0");
        if known {
            return response;
        }
        response = response.header("content-type", file.content_type());
        if let Some((Encoding::Gzip, threshold)) = self.encoding
            && file.body.len() >= threshold
        {
            response.body = file.gzip.get_or_init(|| Encoding::Gzip.encode(&file.body)).clone();
            return response.header("content-encoding", Encoding::Gzip.as_str());
        }
        response.body = file.body.clone();
        response
    }

    /// A failure with a session behind it: overlap, bad content type, body over the limit, wrong method. Node's body is
    /// empty, Python says `"Bad Request"`.
    pub fn fail(&self, status: u16) -> Response {
        match self.dialect {
            Dialect::Node => self.bare(status),
            Dialect::Python => self.error(status, "text/plain", ascii_json("Bad Request")),
        }
    }

    /// The answer to [`Route::Options`](super::request::Route::Options).
    pub fn options(&self, head: &Head, config: &Config) -> Response {
        if self.dialect.options_is_ok() {
            return Response { body: Bytes::from_static(b"OK"), ..self.bare(200).header("content-type", "text/plain") };
        }
        let mut response = self.bare(204);
        cors::preflight_headers(head, config, &mut response.headers);
        response
    }

    /// The answer to a plain request that gets no session.
    pub fn refuse(&self, refusal: &Refusal) -> Response {
        let message = refusal.message(self.dialect);
        match (self.dialect, refusal) {
            (_, Refusal::Unavailable { why, retry_after }) => {
                let (content_type, body) = match self.dialect {
                    Dialect::Node => {
                        let body = serde_json::json!({ "code": refusal.code(), "message": message });
                        ("application/json", body.to_string())
                    }
                    Dialect::Python => ("text/plain", ascii_json(&message)),
                };
                self.error(why.status(), content_type, body).header("retry-after", retry_after.to_string())
            }
            (Dialect::Node, _) => {
                let status =
                    if matches!(refusal, Refusal::Forbidden { .. }) { self.dialect.refused_status() } else { 400 };
                let body = serde_json::json!({ "code": refusal.code(), "message": message });
                self.error(status, "application/json", body.to_string())
            }
            (Dialect::Python, Refusal::Forbidden { .. }) => {
                self.error(self.dialect.refused_status(), "application/json", ascii_json(&message))
            }
            (Dialect::Python, Refusal::MethodNotFound) => self.error(405, "text/plain", message.into_owned()),
            (Dialect::Python, _) => self.error(400, "text/plain", ascii_json(&message)),
        }
    }

    /// The answer to an upgrade that is refused; the connection is closed after it. Node's is 400 whatever the reason, unless
    /// the original has no such reason.
    pub fn refuse_upgrade(&self, refusal: &Refusal) -> Response {
        let response = match self.dialect {
            Dialect::Node if !matches!(refusal, Refusal::Unavailable { .. }) => {
                let mut response = Response::new(400).header("content-type", "text/html");
                response.body = Bytes::from(escape_html(&refusal.message(self.dialect)).into_owned());
                response
            }
            Dialect::Node | Dialect::Python => self.refuse(refusal),
        };
        let response = response.header("connection", "close");
        if *refusal == BAD_VERSION { response.header("sec-websocket-version", "13") } else { response }
    }

    /// Headers for the 101 beside those of the WebSocket handshake: Node's CORS middleware sits before upgrades too.
    pub fn upgrade_headers(&self) -> Headers {
        match self.dialect {
            Dialect::Node => self.cors.clone(),
            Dialect::Python => Headers::new(),
        }
    }

    fn ok(&self, content_type: &'static str) -> Response {
        let mut response = self.bare(200).header("content-type", content_type);
        if self.dialect == Dialect::Node {
            if self.old_explorer {
                response = response.header("x-xss-protection", "0");
            }
            response = response.header("cache-control", "no-store");
        }
        response
    }

    fn error(&self, status: u16, content_type: &'static str, body: String) -> Response {
        let mut response =
            self.bare(status).header("content-type", content_type).header("x-content-type-options", "nosniff");
        response.body = Bytes::from(body);
        response
    }

    fn bare(&self, status: u16) -> Response {
        Response { status, headers: self.cors.clone(), ..Response::default() }
    }
}

/// The answer of our own port to who asks whether newcomers are let in.
pub(super) fn readiness(ready: bool) -> Response {
    let (status, body): (_, &[u8]) = if ready { (200, b"ready") } else { (503, b"not ready") };
    let response = Response::new(status).header("content-type", "text/plain").header("cache-control", "no-store");
    Response { body: Bytes::from_static(body), ..response }
}

/// The answer of our own port to a request that is not for the server.
pub(super) fn not_found(dialect: Dialect) -> Response {
    let response = Response::new(404);
    match dialect {
        Dialect::Node => response,
        Dialect::Python => {
            Response { body: Bytes::from_static(b"Not Found"), ..response.header("content-type", "text/plain") }
        }
    }
}

impl Encoding {
    const ALL: [Self; 2] = [Self::Gzip, Self::Deflate];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }

    /// This runs on the I/O thread: with zlib-rs 16 us for 2 KB of events and 68 for 20 KB, where the originals' level 6 takes
    /// 17 and 97 for 5 % less. (flate2's default back end took 112 and 137 even at its fastest level.)
    fn encode(self, bytes: &[u8]) -> Bytes {
        let out = Vec::with_capacity(bytes.len() / 4);
        let written = match self {
            Self::Gzip => {
                let mut encoder = GzEncoder::new(out, LEVEL);
                encoder.write_all(bytes).and_then(|()| encoder.finish())
            }
            Self::Deflate => {
                let mut encoder = ZlibEncoder::new(out, LEVEL);
                encoder.write_all(bytes).and_then(|()| encoder.finish())
            }
        };
        // Writing into memory cannot fail.
        written.map(Bytes::from).unwrap_or_default()
    }
}

/// The encoding the client likes best. Node weighs `q` as RFC 9110 says; Python takes the first name it knows.
fn negotiate(accepted: &str, dialect: Dialect) -> Option<Encoding> {
    let offers = || accepted.split(',').map(Offer::parse);
    if dialect == Dialect::Python {
        return offers().find_map(|offer| Encoding::ALL.into_iter().find(|known| known.as_str() == offer.name));
    }
    let mut best: Option<(Rank, Encoding)> = None;
    for encoding in Encoding::ALL {
        let find = |name: &str| offers().enumerate().find(|(_, offer)| offer.name.eq_ignore_ascii_case(name));
        let exact = find(encoding.as_str());
        let any = find("*");
        let rank =
            exact.as_ref().or(any.as_ref()).map(|(place, offer)| (offer.weight, exact.is_some(), Reverse(*place)));
        if let Some(rank) = rank
            && rank.0 > 0.0
            && best.is_none_or(|(highest, _)| rank > highest)
        {
            best = Some((rank, encoding));
        }
    }
    best.map(|(_, encoding)| encoding)
}

/// Weight, then named rather than `*`, then the client's order.
type Rank = (f32, bool, Reverse<usize>);

/// One entry of `Accept-Encoding`.
struct Offer<'a> {
    name: &'a str,
    weight: f32,
}

impl<'a> Offer<'a> {
    fn parse(offer: &'a str) -> Self {
        let mut parts = offer.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q="));
        Self { name, weight: weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0)) }
    }
}

/// A session id made by the application may hold anything: what could end the value is percent-encoded, as npm's `cookie`
/// does.
fn cookie_value(sid: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte);
    if sid.bytes().all(plain) {
        return Cow::Borrowed(sid);
    }
    Cow::Owned(sid.bytes().fold(String::new(), |mut text, byte| {
        if plain(byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
        text
    }))
}

/// A JSON string in ASCII, as Python's `json.dumps` writes it.
fn ascii_json(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    for char in serde_json::Value::from(text).to_string().chars() {
        if (' '..='~').contains(&char) {
            json.push(char);
        } else {
            let mut units = [0; 2];
            for unit in char.encode_utf16(&mut units) {
                json.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    json
}

/// The message stands in a `text/html` body, and may be made of what the peer sent.
fn escape_html(text: &str) -> Cow<'_, str> {
    if text.contains(['<', '>', '&']) {
        Cow::Owned(text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests;
