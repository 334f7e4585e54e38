//! Every row that a request's head decides, as recorded from engine.io 6.6.12 and python-engineio 4.15.1 on the wire.

use super::*;
use crate::config::Cors;

fn head(method: &str, query: &str) -> Head {
    let target = format!("/socket.io/?{query}");
    Head { method: method.into(), target, ..Head::default() }
}

fn with(mut head: Head, headers: &[(&'static str, &str)]) -> Head {
    head.headers.extend(headers.iter().map(|(name, value)| ((*name).into(), (*value).to_owned())));
    head
}

fn node() -> Config {
    Config::default()
}

fn python() -> Config {
    Config { dialect: Dialect::Python, ..Config::default() }
}

fn refused(config: &Config, method: &str, query: &str) -> Refusal {
    route(&head(method, query), config).expect_err(query)
}

fn session(config: &Config, method: &str, query: &str) -> Request {
    match route(&head(method, query), config) {
        Ok(Route::Session(request)) => request,
        other => panic!("{query}: {other:?}"),
    }
}

#[test]
fn paths() {
    let slash = node();
    let bare = Config { add_trailing_slash: false, ..node() };
    let root = Config { path: String::new(), ..node() };
    let rows = [
        ("/socket.io/?EIO=4", [true, true, true]),
        ("/socket.io/any/thing", [true, true, true]),
        ("/socket.io//", [true, true, true]),
        ("/socket.io?EIO=4", [false, true, true]),
        ("/socket.iox/", [false, true, true]),
        ("/socket", [false, false, true]),
        ("*", [false, false, false]),
        ("", [false, false, false]),
        ("//", [false, false, true]),
    ];
    for (target, [with_slash, without, at_root]) in rows {
        assert_eq!(is_ours(target, &slash), with_slash, "{target}");
        assert_eq!(is_ours(target, &bare), without, "{target}");
        assert_eq!(is_ours(target, &root), at_root, "{target}");
    }
    assert!(is_ours("/socket.io?EIO=4", &python()) && is_ours("/socket.io", &python()));
    assert!(!is_ours("/socket.iox/", &python()));
}

#[test]
fn node_refusals() {
    let transport = |name: &str| Refusal::UnknownTransport { transport: Some(name.into()) };
    let method = |method: &str| Refusal::BadHandshakeMethod { method: method.into() };
    let eio = Refusal::UnsupportedProtocol { revision: Revision::V3 };
    let rows = [
        ("GET", "", Refusal::UnknownTransport { transport: None }),
        ("GET", "EIO=4", Refusal::UnknownTransport { transport: None }),
        ("GET", "EIO=4&transport=", transport("")),
        ("GET", "EIO=4&transport=__proto__", transport("__proto__")),
        ("GET", "EIO=4&transport=constructor", transport("constructor")),
        ("GET", "EIO=4&transport=webtransport", transport("webtransport")),
        ("GET", "EIO=4&transport=polling&transport=xx", transport("xx")),
        ("GET", "EIO=4&transport=%zz%", transport("%zz%")),
        ("GET", "EIO=4&transport=%ff", transport("\u{fffd}")),
        ("POST", "EIO=4&transport=polling", method("POST")),
        ("OPTIONS", "EIO=4&transport=polling", method("OPTIONS")),
        ("HEAD", "EIO=4&transport=polling", method("HEAD")),
        ("PUT", "EIO=4&transport=polling&sid=", method("PUT")),
        ("GET", "EIO=4&transport=websocket", Refusal::NoUpgrade),
        ("GET", "EIO=3&transport=websocket", Refusal::NoUpgrade),
        ("GET", "transport=polling", eio.clone()),
        ("GET", "EIO=3&transport=polling", eio.clone()),
        ("GET", "EIO=5&transport=polling", eio.clone()),
        ("GET", "EIO=4x&transport=polling", eio.clone()),
        ("GET", "EIO=4&EIO=3&transport=polling", eio),
    ];
    for (verb, query, expected) in rows {
        assert_eq!(refused(&node(), verb, query), expected, "{verb} {query}");
    }
    let polling_only = Config { transports: vec![Transport::Polling], ..node() };
    assert_eq!(refused(&polling_only, "GET", "EIO=4&transport=websocket"), transport("websocket"));
}

#[test]
fn node_handshakes() {
    let old = Config { allow_eio3: true, ..node() };
    let plain = Route::Handshake { revision: Revision::V4, base64: false, jsonp: None };
    let third = |base64, jsonp| Route::Handshake { revision: Revision::V3, base64, jsonp };
    let rows = [
        ("EIO=4&transport=polling", plain.clone()),
        ("EIO=4&transport=xx&transport=polling&sid=", plain.clone()),
        ("%45IO=4&t%72ansport=poll%69ng&t=abc#EIO=3", plain),
        ("EIO=3&transport=polling", third(false, None)),
        ("transport=polling", third(false, None)),
        ("EIO=7&transport=polling", third(false, None)),
        ("EIO=3&transport=polling&b64=1", third(true, None)),
        ("EIO=3&transport=polling&b64=0", third(true, None)),
        ("EIO=3&transport=polling&b64=", third(false, None)),
        ("EIO=3&transport=polling&j=12", third(false, Some(12))),
        ("EIO=3&transport=polling&j=0);alert(1", third(false, Some(1))),
        ("EIO=3&transport=polling&j=abc", third(false, Some(0))),
        ("EIO=3&transport=polling&j=99999999999999999999999", third(false, Some(0))),
    ];
    for (query, expected) in rows {
        assert_eq!(route(&head("GET", query), &old), Ok(expected), "{query}");
    }
}

#[test]
fn node_sessions() {
    let poll = session(&node(), "GET", "EIO=4&transport=polling&sid=a&sid=abc%C3%A9");
    assert_eq!(poll.sid, "abcé");
    assert_eq!((poll.transport, poll.revision), (Transport::Polling, Revision::V4));
    assert_eq!(poll.action, Action::Poll { jsonp: None });
    assert_eq!(session(&node(), "POST", "EIO=4&transport=polling&sid=x").action, Action::Post(Content::Text));
    assert_eq!(session(&node(), "POST", "EIO=4&transport=polling&sid=x&j=0").action, Action::Post(Content::Form));
    for verb in ["PUT", "DELETE", "OPTIONS", "HEAD", "TRACE"] {
        assert_eq!(session(&node(), verb, "EIO=4&transport=polling&sid=x").action, Action::Other);
    }
    let binary = with(head("POST", "EIO=3&transport=polling&sid=x"), &[("content-type", "application/octet-stream")]);
    assert!(matches!(
        route(&binary, &node()),
        Ok(Route::Session(Request { action: Action::Post(Content::Binary), revision: Revision::V3, .. }))
    ));
    assert_eq!(session(&node(), "GET", "EIO=4&transport=polling&sid=__proto__").sid, "__proto__");
}

#[test]
fn node_checks_against_the_session() {
    use Revision::{V3, V4};
    use Transport::{Polling, WebSocket};
    let check = |query: &str, transport, revision| {
        session(&node(), "GET", query).check(transport, revision, Dialect::Node).map_err(|refusal| refusal.context())
    };
    let mismatch = |ours: &str, previous: &str| {
        Err(format!(r#"{{"name":"TRANSPORT_MISMATCH","previousTransport":"{previous}","transport":"{ours}"}}"#))
    };
    assert_eq!(check("EIO=4&transport=polling&sid=x", Polling, V4), Ok(()));
    assert_eq!(check("EIO=4&transport=websocket&sid=x", Polling, V4), mismatch("websocket", "polling"));
    assert_eq!(check("EIO=3&transport=polling&sid=x", WebSocket, V4), mismatch("polling", "websocket"));
    let revision = r#"{"name":"PROTOCOL_MISMATCH","previousProtocol":4,"protocol":3}"#;
    assert_eq!(check("transport=polling&sid=x", Polling, V4), Err(revision.into()));
    assert_eq!(check("EIO=3&transport=polling&sid=x", Polling, V3), Ok(()));
    let hang = r#"{"name":"TRANSPORT_HANDSHAKE_ERROR"}"#;
    assert_eq!(check("EIO=4&transport=websocket&sid=x", WebSocket, V4), Err(hang.into()));
}

#[test]
fn node_origin_and_preflight() {
    let good = head("GET", "EIO=4&transport=polling");
    for origin in ["null", "https://evil", "aÿb", ""] {
        assert!(route(&with(good.clone(), &[("origin", origin)]), &node()).is_ok(), "{origin}");
    }
    for origin in ["a\u{1}b", "a\r\nb", "\u{7f}"] {
        let refusal = Refusal::InvalidOrigin { origin: origin.into() };
        let sent = with(good.clone(), &[("origin", origin)]);
        assert_eq!(route(&sent, &node()), Err(refusal.clone()));
        assert_eq!(
            route_websocket(&with(head("GET", "transport=websocket"), &[("origin", origin)]), &node()),
            Err(refusal)
        );
    }
    let cors = Config { cors: Cors::List { origins: vec![], credentials: false }, ..node() };
    assert_eq!(route(&head("OPTIONS", ""), &cors), Ok(Route::Options));
    assert!(route(&head("OPTIONS", ""), &Config { cors: Cors::Off, ..node() }).is_err());
}

#[test]
fn node_websockets() {
    let v4 = Candidate { sid: None, revision: Revision::V4, base64: false };
    let decide = |verb: &str, query: &str| route_websocket(&head(verb, query), &node());
    assert_eq!(decide("GET", "EIO=4&transport=websocket"), Ok(v4.clone()));
    assert_eq!(decide("GET", "EIO=4&transport=websocket&b64=1"), Ok(Candidate { base64: true, ..v4.clone() }));
    assert_eq!(decide("GET", "EIO=4&transport=websocket&sid=x"), Ok(Candidate { sid: Some("x".into()), ..v4.clone() }));
    // The session's own revision decides about this one.
    let third = decide("GET", "transport=websocket&sid=x").expect("a candidate");
    assert_eq!(third.check(Revision::V4, Dialect::Node).map_err(|refusal| refusal.code()), Err(3));
    assert_eq!(third.check(Revision::V3, Dialect::Node), Ok(()));
    let code = |verb: &str, query: &str| decide(verb, query).expect_err(query).code();
    assert_eq!(code("GET", "EIO=4"), 0);
    assert_eq!(code("GET", "EIO=4&transport=polling"), 0);
    assert_eq!(code("POST", "EIO=4&transport=websocket"), 2);
    assert_eq!(code("GET", "EIO=3&transport=websocket"), 5);
    assert_eq!(code("GET", "transport=websocket"), 5);
}

#[test]
fn python_rows() {
    let text = |verb: &str, query: &str| {
        let refusal = refused(&python(), verb, query);
        refusal.message(Dialect::Python).into_owned()
    };
    let old = "The client is using an unsupported version of the Socket.IO or Engine.IO protocols";
    let rows = [
        ("GET", "EIO=4&transport=xx", "Invalid transport"),
        ("GET", "EIO=4&transport=xx&transport=polling", "Invalid transport"),
        ("GET", "EIO=3&transport=polling", old),
        ("GET", "transport=polling", old),
        ("GET", "EIO=4&EIO=4", old),
        ("OPTIONS", "transport=polling", old),
        ("POST", "EIO=4&transport=polling", "Invalid session None"),
        ("PUT", "EIO=4", "Method Not Found"),
        ("HEAD", "EIO=4", "Method Not Found"),
        ("PUT", "EIO=4&sid=zzz", "Method Not Found"),
        ("GET", "EIO=4&j=abc", "Invalid JSONP index number"),
        ("GET", "EIO=4&j=0);alert(1", "Invalid JSONP index number"),
        ("PUT", "EIO=4&j=-", "Invalid JSONP index number"),
        ("GET", "EIO=4&transport=websocket", "Invalid websocket upgrade"),
    ];
    for (verb, query, expected) in rows {
        assert_eq!(text(verb, query), expected, "{verb} {query}");
    }
    let handshake = |jsonp| Ok(Route::Handshake { revision: Revision::V4, base64: false, jsonp });
    let decide = |verb: &str, query: &str| route(&head(verb, query), &python());
    assert_eq!(decide("GET", "EIO=4"), handshake(None));
    assert_eq!(decide("GET", "EIO=&EIO=4&transport=&sid=&transport=polling&transport=xx"), handshake(None));
    assert_eq!(decide("GET", "EIO=4&j=3"), handshake(Some(3)));
    assert_eq!(decide("OPTIONS", "EIO=4"), Ok(Route::Options));
    assert_eq!(decide("OPTIONS", "sid=x"), Ok(Route::Options));
    assert_eq!(session(&python(), "GET", "sid=a&sid=b").sid, "a");
    assert_eq!(session(&python(), "POST", "EIO=4&sid=a&j=0").action, Action::Post(Content::Form));
}

#[test]
fn python_checks_against_the_session() {
    use Transport::{Polling, WebSocket};
    let check = |verb: &str, query: &str, transport| {
        let result = session(&python(), verb, query).check(transport, Revision::V4, Dialect::Python);
        result.map_err(|refusal| refusal.message(Dialect::Python).into_owned())
    };
    assert_eq!(check("GET", "sid=x", Polling), Ok(()));
    assert_eq!(check("GET", "sid=x&transport=websocket", Polling), Err("Invalid transport".into()));
    assert_eq!(check("POST", "sid=x&transport=websocket", Polling), Ok(()));
    assert_eq!(check("GET", "sid=x", WebSocket), Err("Unexpected HTTP request".into()));
    assert_eq!(check("POST", "sid=x", WebSocket), Err("Unexpected HTTP request".into()));
}

#[test]
fn python_origins() {
    let good = head("GET", "EIO=4");
    let host = ("host", "a.example:80");
    let accepted = |headers: &[(&'static str, &str)], config: &Config| {
        let sent = with(good.clone(), headers);
        let socket = with(head("GET", "EIO=4&transport=websocket"), headers);
        let (plain, websocket) = (route(&sent, config), route_websocket(&socket, config));
        assert_eq!(plain.is_ok(), websocket.is_ok(), "both are asked");
        if let Err(refusal) = &plain {
            let origin = sent.header("origin").unwrap_or_default();
            assert_eq!(refusal.message(Dialect::Python), format!("{origin} is not an accepted origin."));
        }
        plain.is_ok()
    };
    assert!(accepted(&[host], &python()));
    assert!(accepted(&[host, ("origin", "http://a.example:80")], &python()));
    for foreign in ["https://a.example:80", "http://a.example", "null", "http://evil", "a.example:80"] {
        assert!(!accepted(&[host, ("origin", foreign)], &python()), "{foreign}");
    }
    assert!(!accepted(&[("origin", "http://")], &python()), "no Host, no origin");
    let proxied = [("x-forwarded-proto", "https, http"), ("x-forwarded-host", "pub.example, x")];
    assert!(accepted(&[host, ("origin", "https://pub.example"), proxied[0], proxied[1]], &python()));
    assert!(accepted(&[host, ("origin", "https://a.example:80"), proxied[0]], &python()));
    assert!(accepted(&[host, ("origin", "http://pub.example"), proxied[1]], &python()));
    assert!(!accepted(&[host, ("origin", "https://other.example"), proxied[0], proxied[1]], &python()));
    let rule = |cors| Config { cors, ..python() };
    let list = rule(Cors::List { origins: vec!["https://a.example".into()], credentials: true });
    assert!(accepted(&[host, ("origin", "https://a.example")], &list));
    assert!(!accepted(&[host, ("origin", "http://a.example:80")], &list));
    assert!(accepted(&[host, ("origin", "https://evil")], &rule(Cors::Any { credentials: true })));
    assert!(accepted(&[host, ("origin", "https://evil")], &rule(Cors::Off)));
}
