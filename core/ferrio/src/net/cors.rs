//! Which origins may come, and the headers that tell a browser so: npm's `cors` in the Node dialect, python-engineio's own
//! rule in the other.

use std::borrow::Cow;

use ferrio_protocol::Dialect;

use super::exchange::{Head, Headers, is_header_value};
use crate::config::{Config, Cors};

/// Whether the request's origin is one the server takes requests from. Node's dialect takes all: there CORS only tells the
/// browser what a page may read. Python's refuses, over HTTP and for WebSockets.
pub(super) fn is_accepted(head: &Head, config: &Config) -> bool {
    match (config.dialect, head.header("origin")) {
        (Dialect::Node, _) | (Dialect::Python, None) => true,
        (Dialect::Python, Some(origin)) => origin.is_empty() || is_allowed(origin, head, config),
    }
}

/// The headers that go on every answer to this request, preflights excepted.
pub(super) fn headers(head: &Head, config: &Config) -> Headers {
    match config.dialect {
        Dialect::Node => node_headers(head, config),
        Dialect::Python => python_headers(head, config),
    }
}

/// Further headers of the answer to an `OPTIONS`.
pub(super) fn preflight_headers(head: &Head, config: &Config, headers: &mut Headers) {
    // Python's are among the ordinary ones, on whatever answer the request gets.
    if config.dialect == Dialect::Python || !has_rule(config) {
        return;
    }
    push(headers, "access-control-allow-methods", "GET,HEAD,PUT,PATCH,POST,DELETE");
    match headers.iter_mut().find(|(name, _)| name == "vary") {
        Some((_, vary)) => vary.push_str(", Access-Control-Request-Headers"),
        None => push(headers, "vary", "Access-Control-Request-Headers"),
    }
    if let Some(wanted) = head.header("access-control-request-headers").filter(|wanted| !wanted.is_empty()) {
        push(headers, "access-control-allow-headers", wanted);
    }
}

fn node_headers(head: &Head, config: &Config) -> Headers {
    let mut headers = Headers::new();
    let credentials = match &config.cors {
        Cors::Dialect | Cors::Off => return headers,
        Cors::Any { credentials: false } => {
            push(&mut headers, "access-control-allow-origin", "*");
            return headers;
        }
        Cors::Any { credentials } | Cors::List { credentials, .. } | Cors::SameOrigin { credentials } => *credentials,
    };
    if let Some(origin) = head.header("origin").filter(|origin| is_allowed(origin, head, config)) {
        push(&mut headers, "access-control-allow-origin", origin);
    }
    push(&mut headers, "vary", "Origin");
    if credentials {
        push(&mut headers, "access-control-allow-credentials", "true");
    }
    headers
}

fn python_headers(head: &Head, config: &Config) -> Headers {
    let mut headers = Headers::new();
    let credentials = match config.cors {
        Cors::Off => return headers,
        Cors::Dialect => true,
        Cors::Any { credentials } | Cors::List { credentials, .. } | Cors::SameOrigin { credentials } => credentials,
    };
    if let Some(origin) = head.header("origin").filter(|origin| is_allowed(origin, head, config)) {
        push(&mut headers, "access-control-allow-origin", origin);
    }
    if head.method == "OPTIONS" {
        push(&mut headers, "access-control-allow-methods", "OPTIONS, GET, POST");
    }
    if let Some(wanted) = head.header("access-control-request-headers") {
        push(&mut headers, "access-control-allow-headers", wanted);
    }
    if credentials {
        push(&mut headers, "access-control-allow-credentials", "true");
    }
    headers
}

/// Whether the application has set a rule of its own.
pub(super) fn has_rule(config: &Config) -> bool {
    matches!(config.cors, Cors::Any { .. } | Cors::List { .. } | Cors::SameOrigin { .. })
}

fn is_allowed(origin: &str, head: &Head, config: &Config) -> bool {
    if let Some(allowed) = head.allowed {
        return allowed;
    }
    match &config.cors {
        Cors::Any { .. } | Cors::Off => true,
        Cors::List { origins, .. } => origins.iter().any(|allowed| allowed == origin),
        Cors::Dialect | Cors::SameOrigin { .. } => is_same_origin(origin, head),
    }
}

/// The server's own address, as the client wrote it or as a proxy says the client wrote it. (A page of another site cannot
/// set these headers, so a forged one gains nothing.)
fn is_same_origin(origin: &str, head: &Head) -> bool {
    let Some(host) = head.header("host") else { return false };
    let Some((scheme, rest)) = origin.split_once("://") else { return false };
    let own = if head.secure { "https" } else { "http" };
    if scheme == own && rest == host {
        return true;
    }
    let proto = head.header("x-forwarded-proto");
    let forwarded_host = head.header("x-forwarded-host");
    if proto.is_none() && forwarded_host.is_none() {
        return false;
    }
    scheme == first(proto.unwrap_or(own)) && rest == first(forwarded_host.unwrap_or(host))
}

/// The first of a list: what the proxy next to the client has seen.
fn first(list: &str) -> &str {
    list.split(',').next().unwrap_or_default().trim()
}

/// Reflected values are the peer's words: what cannot stand in a header is left out.
fn push(headers: &mut Headers, name: &'static str, value: &str) {
    if is_header_value(value) {
        headers.push((Cow::Borrowed(name), value.to_owned()));
    }
}
