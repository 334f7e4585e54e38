//! Long-polling through the host's HTTP server.

use bytes::Bytes;
use ferrio_embed::{Command, ConnId, Event, RequestId, Target};
use ferrio_protocol::Text;
use ferrio_protocol::engine::Transport;

use crate::client::head;
use crate::toy::{Host, emit};

/// Sends a request whose body, if any, is whole.
pub(crate) fn request(host: &mut Host, method: &str, query: &str, body: &[&'static str]) -> RequestId {
    let request = RequestId(host.number());
    let end = body.is_empty();
    let mut commands = vec![Command::Request { request, head: head(method, query), end }];
    for (at, chunk) in body.iter().enumerate() {
        let chunk = Bytes::from_static(chunk.as_bytes());
        commands.push(Command::Body { request, chunk, end: at + 1 == body.len() });
    }
    host.submit(commands);
    request
}

pub(crate) fn response(host: &mut Host) -> (RequestId, u16, String) {
    loop {
        match host.next() {
            Event::Response { request, response } => {
                return (request, response.status, String::from_utf8(response.body.to_vec()).unwrap());
            }
            // `engine.rs` looks at these.
            Event::Refused { .. } => {}
            other => panic!("no response, but {other:?}"),
        }
    }
}

/// A session, opened.
pub(crate) fn handshake(host: &mut Host) -> (Text, ConnId) {
    let asked = request(host, "GET", "transport=polling", &[]);
    let mut event = host.next();
    if matches!(event, Event::Close { .. }) {
        // A session before this one.
        event = host.next();
    }
    let Event::Open { sid, conn, request, head, transport, .. } = event else { panic!("no open, but {event:?}") };
    assert_eq!((request, transport), (Some(asked), Transport::Polling));
    assert!(head.is_none(), "the host has it");
    let (answered, status, body) = response(host);
    assert_eq!((answered, status), (asked, 200));
    assert!(body.starts_with(&format!(r#"0{{"sid":"{sid}""#)), "{body}");
    (sid, conn)
}

#[test]
fn a_session_by_polling() {
    let mut host = Host::start("{}");
    let (sid, _) = handshake(&mut host);
    let session = format!("transport=polling&sid={sid}");
    let post = request(&mut host, "POST", &session, &["4", "0"]);
    let socket = host.connected();
    assert_eq!(response(&mut host), (post, 200, "ok".into()));
    host.submit([Command::Accept { socket }]);
    let poll = request(&mut host, "GET", &session, &[]);
    let (answered, _, body) = response(&mut host);
    assert_eq!(answered, poll);
    assert!(body.starts_with(r#"40{"sid""#), "{body}");
    assert_eq!(host.engine.transport(socket), Some("polling"));

    // A GET waits until there is something; what one batch sends is one answer.
    let poll = request(&mut host, "GET", &session, &[]);
    let post = request(&mut host, "POST", &session, &["42[\"a\"]\u{1e}42[\"b\"]"]);
    assert_eq!(host.message(), (socket, r#"["a"]"#.into()));
    assert_eq!(host.message(), (socket, r#"["b"]"#.into()));
    assert_eq!(response(&mut host).0, post);
    host.submit([emit(Target::Socket(socket), r#"["c"]"#), emit(Target::Socket(socket), r#"["d"]"#)]);
    assert_eq!(response(&mut host), (poll, 200, "42[\"c\"]\u{1e}42[\"d\"]".into()));
}

#[test]
fn every_request_is_answered() {
    let mut host = Host::start("{}");
    for (method, query, status) in [
        ("GET", "transport=polling&sid=nobody", 400),
        ("POST", "transport=polling", 400),
        ("GET", "transport=none", 400),
    ] {
        let asked = request(&mut host, method, query, &[]);
        let (answered, got, _) = response(&mut host);
        assert_eq!((answered, got), (asked, status), "{method} {query}");
    }

    // A client that goes away while its GET waits, or in the middle of its POST.
    let (sid, _) = handshake(&mut host);
    let session = format!("transport=polling&sid={sid}");
    let poll = request(&mut host, "GET", &session, &[]);
    host.submit([Command::Abort { request: poll }]);
    let mut answers = Vec::new();
    while answers.is_empty() {
        if let Event::Response { request, .. } = host.next() {
            answers.push(request);
        }
    }
    assert_eq!(answers, [poll]);

    let (sid, _) = handshake(&mut host);
    let post = RequestId(host.number());
    host.submit([
        Command::Request { request: post, head: head("POST", &format!("transport=polling&sid={sid}")), end: false },
        Command::Body { request: post, chunk: Bytes::from_static(b"42[\"half"), end: false },
        Command::Abort { request: post },
        Command::Abort { request: post },
        Command::Body { request: post, chunk: Bytes::from_static(b"late"), end: true },
    ]);
    loop {
        match host.next() {
            Event::Response { request, .. } => {
                assert_eq!(request, post);
                break;
            }
            Event::Close { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_body_over_the_limit() {
    let mut host = Host::start(r#"{"maxHttpBufferSize":10}"#);
    let (sid, _) = handshake(&mut host);
    let post = request(&mut host, "POST", &format!("transport=polling&sid={sid}"), &["42[\"123", "4567890\"]"]);
    let (answered, status, _) = response(&mut host);
    assert_eq!((answered, status), (post, 413));
}
