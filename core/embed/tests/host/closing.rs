//! The end: everything that is awaited comes to one.

use std::net::TcpStream;
use std::sync::Arc;

use bytes::Bytes;
use ferrio_embed::{AckEnd, AckId, Command, Engine, Event, LinkId, RequestId, Target};
use ferrio_protocol::Reason;

use crate::client::{head, upgrade_head};
use crate::toy::{Bell, Host, ask, emit, rooms};

#[test]
fn close_completes_everything() {
    let (mut host, address) = Host::serve("{}");
    let (mut client, socket, conn) = host.client(address);
    let (_silent, silent, _) = host.client(address);

    // A session by polling, with a GET that waits and half a POST; and one that only opened.
    let mut polls = Vec::new();
    for _ in 0..2 {
        let handshake = RequestId(host.number());
        host.submit([Command::Request { request: handshake, head: head("GET", "transport=polling"), end: true }]);
        let Event::Open { sid, .. } = host.next() else { panic!("no open") };
        assert!(matches!(host.next(), Event::Response { .. }));
        polls.push(format!("transport=polling&sid={sid}"));
    }
    let (poll, post) = (RequestId(host.number()), RequestId(host.number()));
    let link = LinkId(host.number());
    host.submit([
        Command::Request { request: poll, head: head("GET", &polls[0]), end: true },
        Command::Request { request: post, head: head("POST", &polls[0]), end: false },
        Command::Body { request: post, chunk: Bytes::from_static(b"42[\"ha"), end: false },
        Command::OpenLink { link, head: upgrade_head("transport=websocket"), raw: true, headers: Vec::new() },
        ask(Target::Socket(socket), r#"["q"]"#, 1, None),
        ask(Target::Socket(socket), r#"["q"]"#, 2, Some(60_000)),
        ask(rooms(&[], &[]), r#"["q"]"#, 3, None),
        ask(rooms(&[], &[]), r#"["q"]"#, 4, Some(60_000)),
        emit(Target::Socket(socket), r#"["last"]"#),
    ]);
    host.engine.close();
    host.engine.close();

    // Two clients, two sessions by polling, and what opens only now: the link.
    let (mut open, mut seen) = (4, Vec::new());
    loop {
        match host.next() {
            Event::Open { .. } => open += 1,
            Event::Disconnect { socket, reason, .. } => {
                assert_eq!(reason, Reason::ServerShuttingDown);
                seen.push(format!("disconnect {}", socket.0));
            }
            Event::Close { conn, reason, .. } => {
                assert_eq!(reason, Reason::ServerShuttingDown);
                seen.push(format!("close {}", conn.0));
            }
            Event::AckEnd { ack: AckId(ack), end, .. } => {
                assert_eq!(end, AckEnd::Disconnected);
                seen.push(format!("ack {ack}"));
            }
            Event::Response { request: RequestId(request), .. } => seen.push(format!("response {request}")),
            Event::LinkClose { link: LinkId(link) } => seen.push(format!("link {link}")),
            Event::LinkWrite { .. } => {}
            Event::Closed => break,
            other => panic!("{other:?}"),
        }
    }
    for expected in [
        format!("disconnect {}", socket.0),
        format!("disconnect {}", silent.0),
        format!("close {}", conn.0),
        "ack 1".into(),
        "ack 2".into(),
        "ack 3".into(),
        "ack 4".into(),
        format!("response {}", poll.0),
        format!("response {}", post.0),
        format!("link {}", link.0),
    ] {
        assert_eq!(seen.iter().filter(|what| **what == expected).count(), 1, "{expected} in {seen:?}");
    }
    assert_eq!(seen.iter().filter(|what| what.starts_with("close")).count(), open, "{seen:?}");

    // What was sent before left before.
    for _ in 0..4 {
        assert!(client.text().ends_with(r#"["q"]"#));
    }
    assert_eq!(client.text(), r#"42["last"]"#);
    assert!(client.is_closed());
    assert!(TcpStream::connect(address).is_err(), "the port is free");

    // Nothing follows.
    host.submit([ask(Target::Socket(socket), r#"["q"]"#, 9, None)]);
    host.engine.close();
    assert!(host.is_quiet());
}

#[test]
fn an_idle_engine_closes_at_once() {
    let mut host = Host::start("{}");
    host.engine.close();
    assert!(matches!(host.next(), Event::Closed));
}

#[test]
fn what_comes_while_it_closes_is_answered_too() {
    let (mut host, address) = Host::serve("{}");
    // It never answers the close frame, so that closing takes its time.
    let _client = host.client(address);
    host.engine.close();
    let request = RequestId(host.number());
    let link = LinkId(host.number());
    host.submit([
        Command::Request { request, head: head("GET", "transport=polling"), end: true },
        Command::OpenLink { link, head: upgrade_head("transport=websocket"), raw: true, headers: Vec::new() },
    ]);
    let (mut response, mut closed) = (None, false);
    loop {
        match host.next() {
            Event::Response { response: answer, .. } => response = Some(answer.status),
            Event::LinkClose { .. } => closed = true,
            Event::Disconnect { .. } | Event::Close { .. } => {}
            // It may have been over before: then it has said so, and there is no answer to be waited for.
            Event::Closed => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!((response, closed), (Some(503), true) | (None, false)), "{response:?} {closed}");
}

#[test]
fn dropping_an_open_engine_is_no_harm() {
    let (mut host, address) = Host::serve("{}");
    let (mut client, ..) = host.client(address);
    let Host { engine, bell, .. } = host;
    let before = bell.times();
    drop(engine);
    assert_eq!(bell.times(), before, "the host hears no more");
    assert!(client.is_gone());
    assert!(TcpStream::connect(address).is_err());
    assert_eq!(Arc::strong_count(&bell), 1, "and nothing is left behind");
}

#[test]
fn a_wrong_option_is_named() {
    let bell = Arc::new(Bell::default());
    let error = Engine::start(r#"{"pingIntervall":1}"#, bell).err().unwrap();
    assert_eq!(error.to_string(), "invalid option: pingIntervall: no such option");
}

/// The child has the memory and not the threads: it is told, and nothing hangs.
#[cfg(unix)]
#[test]
fn a_fork_is_told() {
    let (mut host, address) = Host::serve("{}");
    let (mut client, socket, _) = host.client(address);
    // SAFETY: the child calls nothing but the engine and `_exit`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let refused = host.engine.check().is_err();
        host.engine.submit(vec![emit(Target::Socket(socket), r#"["child"]"#)]);
        let nothing = !host.engine.drain(&mut Vec::new(), 1, 1) && host.engine.rooms(socket).is_empty();
        host.engine.close();
        let listens = host.engine.listen("127.0.0.1:0", None, None, None).is_ok();
        drop(host.engine);
        // SAFETY: ends the child without running anything of the parent's.
        unsafe { libc::_exit(i32::from(!refused || !nothing || listens)) }
    }
    let mut status = -1;
    // SAFETY: our own child.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(status, 0);
    host.submit([emit(Target::Socket(socket), r#"["parent"]"#)]);
    assert_eq!(client.text(), r#"42["parent"]"#);
}
