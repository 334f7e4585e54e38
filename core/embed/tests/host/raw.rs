//! Sessions without Socket.IO, and raw messages on any session.

use bytes::Bytes;
use ferrio_embed::{Command, ConnId, Event, Flags};
use ferrio_protocol::Text;
use ferrio_protocol::engine::{Frame, Revision};

use crate::client::{Client, head};
use crate::requests::{handshake, request, response};
use crate::toy::{Host, emit, rooms};

const RAW: &str = r#"{"layer":"engineio","allowEIO3":true,"connectTimeout":1}"#;

fn text(text: &str) -> Frame {
    Frame::Text(Text::from(text))
}

fn write(conns: &[ConnId], data: Vec<Frame>, receipt: Option<u32>) -> Command {
    Command::Write { conns: conns.to_vec(), data, flags: Flags::default(), receipt }
}

fn data(host: &mut Host) -> (ConnId, Frame) {
    match host.next() {
        Event::Data { conn, data } => (conn, data),
        other => panic!("no data, but {other:?}"),
    }
}

fn opened(host: &mut Host) -> ConnId {
    match host.next() {
        Event::Open { conn, .. } => conn,
        other => panic!("no open, but {other:?}"),
    }
}

#[test]
fn messages_are_nobodys_but_the_hosts() {
    let (mut host, address) = Host::serve(RAW);
    let mut client = Client::websocket(address);
    let conn = opened(&mut host);
    // What Socket.IO would refuse, or answer.
    for content in ["0", "0{}", "2[\"event\"]", "51-[\"x\",{\"_placeholder\":true,\"num\":0}]", "", "\u{e9}"] {
        client.send(&format!("4{content}"));
        assert_eq!(data(&mut host), (conn, text(content)));
    }
    client.send_binary(b"bytes");
    assert_eq!(data(&mut host), (conn, Frame::Binary(Bytes::from_static(b"bytes"))));

    let parts = vec![
        text("first"),
        Frame::Binary(Bytes::from_static(b"one")),
        Frame::Binary(Bytes::new()),
        text("second"),
        Frame::Binary(Bytes::from_static(b"two")),
    ];
    host.submit([write(&[conn], parts, None), write(&[conn], vec![Frame::Binary(Bytes::from_static(b"alone"))], None)]);
    assert_eq!(client.text(), "4first");
    assert_eq!(client.binary(), b"one");
    assert_eq!(client.binary(), b"");
    assert_eq!(client.text(), "4second");
    assert_eq!(client.binary(), b"two");
    assert_eq!(client.binary(), b"alone");

    host.submit([Command::Close { conn, discard: false }]);
    assert!(client.is_closed());
    assert!(matches!(host.next(), Event::Close { conn: closed, .. } if closed == conn));
}

#[test]
fn a_raw_session_by_polling() {
    let mut host = Host::start(RAW);
    let (sid, conn) = handshake(&mut host);
    let session = format!("transport=polling&sid={sid}");
    let posted = request(&mut host, "POST", &session, &["4a\u{1e}bAQID\u{1e}4b"]);
    assert_eq!(data(&mut host), (conn, text("a")));
    assert_eq!(data(&mut host), (conn, Frame::Binary(Bytes::from_static(&[1, 2, 3]))));
    assert_eq!(data(&mut host), (conn, text("b")));
    assert_eq!(response(&mut host), (posted, 200, "ok".into()));

    host.submit([write(&[conn], vec![text("c"), Frame::Binary(Bytes::from_static(&[1, 2, 3]))], Some(7))]);
    assert!(host.is_quiet(), "nobody has fetched it");
    let poll = request(&mut host, "GET", &session, &[]);
    assert_eq!(response(&mut host), (poll, 200, "4c\u{1e}bAQID".into()));
    assert!(matches!(host.next(), Event::Written { receipt: 7 }));
}

/// A Socket.IO v4 client is in `/` without asking; without Socket.IO there is no `/`.
#[test]
fn revision_3_has_no_namespace_either() {
    let mut host = Host::start(RAW);
    let mut old = head("GET", "transport=polling");
    old.target = "/socket.io/?EIO=3&transport=polling".into();
    let asked = ferrio_embed::RequestId(host.number());
    host.submit([Command::Request { request: asked, head: old, end: true }]);
    let Event::Open { revision, sid, conn, .. } = host.next() else { panic!("no open") };
    assert_eq!(revision, Revision::V3);
    let (_, _, body) = response(&mut host);
    assert!(body.ends_with('}'), "{body}");
    let mut post = head("POST", "");
    post.target = format!("/socket.io/?EIO=3&transport=polling&sid={sid}");
    let posted = ferrio_embed::RequestId(host.number());
    let chunk = Bytes::from_static(b"3:4ab6:b4AQID");
    host.submit([
        Command::Request { request: posted, head: post, end: false },
        Command::Body { request: posted, chunk, end: true },
    ]);
    assert_eq!(data(&mut host), (conn, text("ab")));
    assert_eq!(data(&mut host), (conn, Frame::Binary(Bytes::from_static(&[1, 2, 3]))));
}

#[test]
fn a_write_goes_to_many_and_beside_socket_io() {
    let (mut host, address) = Host::serve("{}");
    let (mut first, _, one) = host.client(address);
    let (mut second, _, two) = host.client(address);
    let nobody = ConnId(u64::MAX);
    host.submit([
        emit(rooms(&[], &[]), r#"["before"]"#),
        write(&[one, nobody, two], vec![text("2[\"raw\"]")], Some(1)),
        emit(rooms(&[], &[]), r#"["after"]"#),
    ]);
    for client in [&mut first, &mut second] {
        assert_eq!(client.text(), r#"42["before"]"#);
        assert_eq!(client.text(), r#"42["raw"]"#);
        assert_eq!(client.text(), r#"42["after"]"#);
    }
    assert!(matches!(host.next(), Event::Written { receipt: 1 }));
    // Nobody to wait for, nothing to send.
    host.submit([write(&[nobody], vec![text("x")], Some(2)), write(&[one], Vec::new(), Some(3))]);
    assert!(matches!(host.next(), Event::Written { receipt: 2 }));
    assert!(matches!(host.next(), Event::Written { receipt: 3 }));
}

#[test]
fn a_receipt_for_nothing_waits_for_what_was_sent_before() {
    let mut host = Host::start(RAW);
    let (sid, conn) = handshake(&mut host);
    let session = format!("transport=polling&sid={sid}");
    host.submit([write(&[conn], vec![text("a")], None), write(&[conn], Vec::new(), Some(1))]);
    host.submit([write(&[], Vec::new(), Some(2))]);
    assert!(matches!(host.next(), Event::Written { receipt: 2 }));
    let poll = request(&mut host, "GET", &session, &[]);
    assert_eq!(response(&mut host), (poll, 200, "4a".into()));
    assert!(matches!(host.next(), Event::Written { receipt: 1 }));
    // It is no reason to answer a poll.
    let poll = request(&mut host, "GET", &session, &[]);
    host.submit([write(&[conn], Vec::new(), Some(3))]);
    assert!(matches!(host.next(), Event::Written { receipt: 3 }));
    host.submit([write(&[conn], vec![text("b")], None)]);
    assert_eq!(response(&mut host), (poll, 200, "4b".into()));

    let (mut host, address) = Host::serve(RAW);
    let mut client = Client::websocket(address);
    let conn = opened(&mut host);
    host.submit([write(&[conn], Vec::new(), Some(1))]);
    assert!(matches!(host.next(), Event::Written { receipt: 1 }));
    host.submit([write(&[conn], vec![text("a")], None), write(&[conn], Vec::new(), Some(2))]);
    assert!(matches!(host.next(), Event::Written { receipt: 2 }));
    assert_eq!(client.text(), "4a");
}

#[test]
fn what_is_writable() {
    let mut host = Host::start(RAW);
    let (sid, conn) = handshake(&mut host);
    assert!(!host.engine.writable(conn));
    let poll = request(&mut host, "GET", &format!("transport=polling&sid={sid}"), &[]);
    // Behind the request, so that it waits by now.
    host.submit([write(&[], Vec::new(), Some(1))]);
    assert!(matches!(host.next(), Event::Written { receipt: 1 }));
    assert!(host.engine.writable(conn));
    host.submit([write(&[conn], vec![text("a")], Some(2))]);
    assert_eq!(response(&mut host), (poll, 200, "4a".into()));
    assert!(!host.engine.writable(conn));
    assert!(!host.engine.writable(ConnId(u64::MAX)));
}

#[test]
fn volatile_messages_are_dropped_together() {
    let mut host = Host::start(RAW);
    let (sid, conn) = handshake(&mut host);
    let session = format!("transport=polling&sid={sid}");
    let volatile = Flags { volatile: true, ..Flags::default() };
    let parts = || vec![text("a"), text("b")];
    host.submit([Command::Write { conns: vec![conn], data: parts(), flags: volatile, receipt: Some(1) }]);
    assert!(matches!(host.next(), Event::Written { receipt: 1 }));
    let poll = request(&mut host, "GET", &session, &[]);
    host.submit([Command::Write { conns: vec![conn], data: parts(), flags: volatile, receipt: Some(2) }]);
    assert_eq!(response(&mut host), (poll, 200, "4a\u{1e}4b".into()));
    assert!(matches!(host.next(), Event::Written { receipt: 2 }));
    // A poll that something else takes is no poll for them.
    let poll = request(&mut host, "GET", &session, &[]);
    host.submit([
        write(&[conn], vec![text("c")], None),
        Command::Write { conns: vec![conn], data: parts(), flags: volatile, receipt: Some(3) },
    ]);
    assert!(matches!(host.next(), Event::Written { receipt: 3 }));
    assert_eq!(response(&mut host), (poll, 200, "4c".into()));
}

/// A peer that does not read keeps its receipt until it has, or has ended; nobody else waits for it.
#[test]
fn a_receipt_comes_at_the_latest_with_the_end() {
    let (mut host, address) = Host::serve(r#"{"layer":"engineio","highMark":1000000000,"hardLimit":1000000000}"#);
    let client = Client::websocket(address);
    let conn = opened(&mut host);
    let large = Bytes::from(vec![0; 1 << 20]);
    let commands: Vec<_> = (0..64).map(|n| write(&[conn], vec![Frame::Binary(large.clone())], Some(n))).collect();
    host.submit(commands);
    // The kernel takes some; a peer that never reads cannot have been sent 64 MiB.
    host.submit([write(&[], vec![text("x")], Some(1000))]);
    let mut done = Vec::new();
    while done.last() != Some(&1000) {
        let Event::Written { receipt } = host.next() else { panic!("no receipt") };
        done.push(receipt);
    }
    done.pop();
    assert!(done.len() < 64 && done == (0..done.len() as u32).collect::<Vec<_>>(), "{done:?}");
    client.vanish();
    let mut closed = false;
    while done.len() < 64 || !closed {
        match host.next() {
            Event::Written { receipt } => done.push(receipt),
            Event::Close { .. } => closed = true,
            Event::Drain { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    done.sort_unstable();
    assert_eq!(done, (0..64).collect::<Vec<_>>());
}
