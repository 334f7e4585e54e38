use std::io::Read;

use super::*;
use crate::config::{Cookie, Cors};

fn head(method: &str, headers: &[(&'static str, &str)]) -> Head {
    let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).to_owned())).collect();
    Head { method: method.into(), headers, ..Head::default() }
}

fn config(dialect: Dialect, cors: Cors) -> Config {
    Config { dialect, cors, ..Config::default() }
}

fn body(text: &str) -> Body {
    Body { bytes: Bytes::copy_from_slice(text.as_bytes()), binary: false }
}

/// Headers as one text, in order.
fn lines(response: &Response) -> String {
    response.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
}

#[test]
fn node_answers() {
    let config = Config {
        cookie: Some(Cookie { name: "io".into(), attributes: "Path=/; HttpOnly; SameSite=Lax".into() }),
        ..Config::default()
    };
    let reply = Reply::of(&head("GET", &[("user-agent", "Mozilla/5.0 (x;MSIE 9.0; Windows)")]), &config);
    let opened = reply.handshake(&"a-_B".into(), &config, body("0{}"), None);
    assert_eq!((opened.status, opened.opened.as_deref()), (200, Some("a-_B")));
    assert_eq!(
        lines(&opened),
        "content-type: text/plain; charset=UTF-8\nx-xss-protection: 0\ncache-control: no-store\n\
         set-cookie: io=a-_B; Path=/; HttpOnly; SameSite=Lax\n"
    );
    let reply = Reply::of(&head("GET", &[]), &config);
    assert_eq!(
        lines(&reply.poll(body("6"), None, true)),
        "content-type: text/plain; charset=UTF-8\ncache-control: no-store\n"
    );
    let binary = Body { bytes: Bytes::from_static(&[1, 255]), binary: true };
    assert!(lines(&reply.poll(binary, None, true)).contains("content-type: application/octet-stream\n"));
    let posted = reply.posted();
    assert_eq!(&posted.body[..], b"ok");
    assert_eq!(lines(&posted), "content-type: text/html\ncache-control: no-store\n");
    assert_eq!(reply.fail(413), Response::new(413));
}

#[test]
fn a_script_is_escaped() {
    let reply = Reply::of(&head("GET", &[]), &Config::default());
    let script = reply.poll(body("4\"\u{2028}</"), Some(7), false);
    let text = std::str::from_utf8(&script.body).expect("text");
    assert!(text.starts_with("___eio[7](\"4\\\"\\u2028"), "{text}");
    assert!(text.ends_with("\");"), "{text}");
}

#[test]
fn node_refusals() {
    let reply = Reply::of(&head("GET", &[]), &Config::default());
    let answer = |refusal: &Refusal| {
        let response = reply.refuse(refusal);
        (response.status, String::from_utf8(response.body.to_vec()).expect("text"))
    };
    let forbidden = |message: Option<&str>| Refusal::Forbidden { message: message.map(str::to_owned) };
    assert_eq!(answer(&Refusal::NoUpgrade), (400, r#"{"code":3,"message":"Bad request"}"#.into()));
    assert_eq!(answer(&forbidden(None)), (403, r#"{"code":4,"message":"Forbidden"}"#.into()));
    let injected = "x\"\r\nset-cookie: a=b";
    assert_eq!(answer(&forbidden(Some(injected))), (403, r#"{"code":4,"message":"x\"\r\nset-cookie: a=b"}"#.into()));
    let refused = reply.refuse(&Refusal::NoUpgrade);
    assert_eq!(lines(&refused), "content-type: application/json\nx-content-type-options: nosniff\n");

    let raw = reply.refuse_upgrade(&forbidden(Some("go away"))).to_http1();
    let raw = std::str::from_utf8(&raw).expect("text");
    assert_eq!(
        raw,
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/html\r\nconnection: close\r\ncontent-length: 7\r\n\r\ngo away"
    );
    let lacking = Refusal::BadUpgrade { message: "Missing or invalid Sec-WebSocket-Key header" };
    assert_eq!(lines(&reply.refuse_upgrade(&lacking)), "content-type: text/html\nconnection: close\n");
    assert!(lines(&reply.refuse_upgrade(&BAD_VERSION)).ends_with("sec-websocket-version: 13\n"));
    let html = reply.refuse_upgrade(&forbidden(Some("<script>")));
    assert_eq!(&html.body[..], b"&lt;script&gt;");
}

#[test]
fn node_cors() {
    let list = config(Dialect::Node, Cors::List { origins: vec!["https://a.example".into()], credentials: true });
    let answer = |config: &Config, method, headers: &[(&'static str, &str)]| {
        let head = head(method, headers);
        let reply = Reply::of(&head, config);
        let response = if method == "OPTIONS" { reply.options(&head, config) } else { reply.fail(413) };
        (response.status, lines(&response))
    };
    let good = ("origin", "https://a.example");
    let credentials = "access-control-allow-credentials: true\n";
    assert_eq!(
        answer(&list, "GET", &[good]),
        (413, format!("access-control-allow-origin: https://a.example\nvary: Origin\n{credentials}"))
    );
    assert_eq!(answer(&list, "GET", &[("origin", "https://b.example")]).1, format!("vary: Origin\n{credentials}"));
    assert_eq!(
        answer(&list, "OPTIONS", &[good, ("access-control-request-headers", "x-a, x-b")]),
        (
            204,
            format!(
                "access-control-allow-origin: https://a.example\nvary: Origin, Access-Control-Request-Headers\n{credentials}\
                 access-control-allow-methods: GET,HEAD,PUT,PATCH,POST,DELETE\naccess-control-allow-headers: x-a, x-b\n"
            )
        )
    );
    let any = config(Dialect::Node, Cors::Any { credentials: false });
    assert_eq!(answer(&any, "GET", &[good]).1, "access-control-allow-origin: *\n");
    assert_eq!(
        answer(&any, "OPTIONS", &[]).1,
        "access-control-allow-origin: *\naccess-control-allow-methods: GET,HEAD,PUT,PATCH,POST,DELETE\n\
         vary: Access-Control-Request-Headers\n"
    );
    let injected = [("origin", "a\r\nx: y"), ("access-control-request-headers", "a\r\nx: y")];
    let reflecting = config(Dialect::Node, Cors::Any { credentials: true });
    assert!(!answer(&reflecting, "OPTIONS", &injected).1.contains("x: y"));
    assert_eq!(answer(&config(Dialect::Node, Cors::Off), "GET", &[good]).1, "");
}

#[test]
fn python_answers() {
    let config = config(Dialect::Python, Cors::Dialect);
    let own = [("host", "127.0.0.1:7011"), ("origin", "http://127.0.0.1:7011")];
    let reply = Reply::of(&head("GET", &own), &config);
    let cors = "access-control-allow-origin: http://127.0.0.1:7011\naccess-control-allow-credentials: true\n";
    assert_eq!(lines(&reply.poll(body("6"), None, true)), format!("{cors}content-type: text/plain; charset=UTF-8\n"));
    assert_eq!(&reply.posted().body[..], b"OK");
    assert_eq!(&reply.fail(400).body[..], br#""Bad Request""#);

    let answer = |refusal: &Refusal| {
        let response = reply.refuse(refusal);
        (response.status, String::from_utf8(response.body.to_vec()).expect("text"))
    };
    let unknown = Refusal::UnknownSession { sid: Some("abcé\"😀".into()) };
    assert_eq!(answer(&unknown), (400, r#""Invalid session abc\u00e9\"\ud83d\ude00""#.into()));
    assert_eq!(answer(&Refusal::MethodNotFound), (405, "Method Not Found".into()));
    assert_eq!(answer(&Refusal::Forbidden { message: None }), (401, r#""Unauthorized""#.into()));

    let asked = head("OPTIONS", &[("access-control-request-headers", "x-a")]);
    let options = Reply::of(&asked, &config).options(&asked, &config);
    assert_eq!((options.status, &options.body[..]), (200, &b"OK"[..]));
    assert_eq!(
        lines(&options),
        "access-control-allow-methods: OPTIONS, GET, POST\naccess-control-allow-headers: x-a\n\
         access-control-allow-credentials: true\ncontent-type: text/plain\n"
    );
}

#[test]
fn compression() {
    let text = "4".repeat(2000);
    let answer = |dialect, accepted: &str, compress| {
        let config = config(dialect, Cors::Dialect);
        let reply = Reply::of(&head("GET", &[("accept-encoding", accepted)]), &config);
        let response = reply.poll(body(&text), None, compress);
        let encoding =
            response.headers.iter().find(|(name, _)| name == "content-encoding").map(|(_, value)| value.clone());
        let mut plain = String::new();
        match encoding.as_deref() {
            Some("gzip") => flate2::read::GzDecoder::new(&response.body[..]).read_to_string(&mut plain).map(drop),
            Some("deflate") => flate2::read::ZlibDecoder::new(&response.body[..]).read_to_string(&mut plain).map(drop),
            _ => (&response.body[..]).read_to_string(&mut plain).map(drop),
        }
        .expect("decodes");
        assert_eq!(plain, text);
        encoding.unwrap_or_default()
    };
    let rows = [
        ("gzip, deflate, br", "gzip", "gzip"),
        ("deflate, gzip", "deflate", "deflate"),
        ("deflate;q=0.5, gzip;q=0.1", "deflate", "deflate"),
        ("gzip;q=0.1, deflate;q=0.5", "deflate", "gzip"),
        ("gzip;q=0", "", "gzip"),
        ("gzip;q=0, *", "deflate", "gzip"),
        ("*", "gzip", ""),
        ("*;q=0", "", ""),
        ("GZIP", "gzip", ""),
        ("br, identity", "", ""),
        ("gzip;q=x", "", "gzip"),
        (",,;;q=,", "", ""),
    ];
    for (accepted, node, python) in rows {
        assert_eq!(answer(Dialect::Node, accepted, true), node, "{accepted}");
        assert_eq!(answer(Dialect::Python, accepted, true), python, "{accepted}");
    }
    assert_eq!(answer(Dialect::Node, "gzip", false), "", "no packet asked for it");

    let config = Config { compression_threshold: None, ..Config::default() };
    let never = Reply::of(&head("GET", &[("accept-encoding", "gzip")]), &config).poll(body(&text), None, true);
    assert!(!lines(&never).contains("encoding"));
}

#[test]
fn a_cookie_cannot_be_broken_out_of() {
    let cookie = Some(Cookie { name: "io".into(), attributes: String::new() });
    let config = Config { cookie, ..Config::default() };
    let reply = Reply::of(&head("GET", &[]), &config);
    let opened = reply.handshake(&"a; x=é\r\n".into(), &config, body("0{}"), None);
    assert!(lines(&opened).ends_with("set-cookie: io=a%3B%20x%3D%C3%A9%0D%0A\n"), "{}", lines(&opened));
}
