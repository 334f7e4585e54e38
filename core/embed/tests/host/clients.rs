//! Connections to servers of others. The server here is another engine, with a host of its own.

use std::net::{SocketAddr, TcpListener};

use bytes::Bytes;
use ferrio_embed::{ClientCommand, ClientEvent, ClientId, Command, ConnId, Event, FailureKind, Flags, PacketKind};
use ferrio_embed::{SocketId, Target};
use ferrio_protocol::engine::{Frame, Transport};
use ferrio_protocol::socket::Payload;
use ferrio_protocol::{Reason, Text};

use crate::toy::{Host, emit, payload};

const ONE: ClientId = ClientId(1);
const ROOT: Text = Text::from_static("/");

/// The ways to a server.
const WAYS: [&str; 3] = [
    r#"{"transports":["polling"],"upgrade":false}"#,
    r#"{"transports":["websocket"]}"#,
    r#"{"transports":["polling","websocket"]}"#,
];

fn dial(client: ClientId, address: SocketAddr, options: &str) -> Command {
    let url = Text::from(format!("http://{address}"));
    Command::Client { client, command: ClientCommand::Dial { url, options: Text::from(options) } }
}

fn to(client: ClientId, command: ClientCommand) -> Command {
    Command::Client { client, command }
}

fn say(id: Option<u64>, text: &str) -> ClientCommand {
    ClientCommand::Emit { nsp: ROOT, id, payload: payload(text), volatile: false }
}

fn join(auth: Option<&str>) -> ClientCommand {
    ClientCommand::Join { nsp: ROOT, auth: auth.map(Text::from) }
}

const HANG_UP: ClientCommand = ClientCommand::HangUp { discard: false };

/// The next event: of a client. What moves it from polling to a WebSocket may come at any time.
fn next(host: &mut Host) -> ClientEvent {
    loop {
        match host.next() {
            Event::Client { client: ONE, event: ClientEvent::Upgrading | ClientEvent::Upgraded } => {}
            Event::Client { client: ONE, event } => return event,
            other => panic!("not of the client: {other:?}"),
        }
    }
}

fn failed(host: &mut Host) -> (FailureKind, Option<u16>, String) {
    match next(host) {
        ClientEvent::Failed { kind, status, message, .. } => (kind, status, message.to_string()),
        other => panic!("no failure, but {other:?}"),
    }
}

fn opened(host: &mut Host) {
    let event = next(host);
    assert!(matches!(event, ClientEvent::Opened { .. }), "{event:?}");
}

/// The next event: of a server; moves to a WebSocket left out.
fn served(server: &mut Host) -> Event {
    loop {
        match server.next() {
            Event::Upgrade { .. } => {}
            event => return event,
        }
    }
}

/// A server, a host with a client that it has let in, and who that is.
fn connected(options: &str) -> (Host, Host, SocketId, ConnId) {
    let (mut server, address) = Host::serve("{}");
    let mut host = Host::start("{}");
    host.submit([dial(ONE, address, options)]);
    let (socket, conn) = let_in(&mut server, &mut host);
    (server, host, socket, conn)
}

fn let_in(server: &mut Host, host: &mut Host) -> (SocketId, ConnId) {
    opened(host);
    host.submit([to(ONE, join(None))]);
    let Event::Open { conn, .. } = served(server) else { panic!("no open") };
    let Event::Connect { socket, .. } = served(server) else { panic!("no connect") };
    server.submit([Command::Accept { socket }]);
    let event = next(host);
    assert!(matches!(event, ClientEvent::Joined { .. }), "{event:?}");
    (socket, conn)
}

#[test]
fn there_and_back_by_all_ways() {
    for way in WAYS {
        let (mut server, address) = Host::serve("{}");
        let mut host = Host::start("{}");
        host.submit([dial(ONE, address, way)]);
        match next(&mut host) {
            ClientEvent::Opened { sid, transport, ping_interval, ping_timeout, max_payload, .. } => {
                let first = if way.contains("polling") { Transport::Polling } else { Transport::WebSocket };
                assert_eq!((sid.len(), transport), (20, first));
                assert_eq!((ping_interval, ping_timeout, max_payload), (25_000, 20_000, Some(1_000_000)));
            }
            other => panic!("not open, but {other:?}"),
        }
        assert!(host.engine.client_transport(ONE).is_some());

        host.submit([to(ONE, join(Some(r#"{"token":1}"#)))]);
        let Event::Open { .. } = served(&mut server) else { panic!("no open") };
        let Event::Connect { socket, auth, .. } = served(&mut server) else { panic!("no connect") };
        assert_eq!(auth.as_deref(), Some(r#"{"token":1}"#));
        server.submit([Command::Accept { socket }]);
        match next(&mut host) {
            ClientEvent::Joined { nsp, data } => {
                assert_eq!(nsp, ROOT);
                assert!(data.unwrap().starts_with(r#"{"sid":""#));
            }
            other => panic!("not in, but {other:?}"),
        }

        let attachments = vec![Bytes::from_static(b"bytes")];
        let text = Text::from(r#"["file",{"_placeholder":true,"num":0}]"#);
        let file = Payload { text, attachments };
        let file = ClientCommand::Emit { nsp: ROOT, id: Some(7), payload: file, volatile: false };
        host.submit([to(ONE, say(None, r#"["first"]"#)), to(ONE, file), to(ONE, say(None, r#"["last"]"#))]);
        let said = |event| match event {
            Event::Message { id, payload, .. } => (id, payload.text.to_string(), payload.attachments.len()),
            other => panic!("no message, but {other:?}"),
        };
        assert_eq!(said(served(&mut server)), (None, r#"["first"]"#.into(), 0));
        assert_eq!(said(served(&mut server)), (Some(7), r#"["file",{"_placeholder":true,"num":0}]"#.into(), 1));
        assert_eq!(said(served(&mut server)), (None, r#"["last"]"#.into(), 0));
        server.submit([
            Command::Ack { socket, id: 7, payload: payload("[1]") },
            emit(Target::Socket(socket), r#"["hello"]"#),
        ]);
        match (next(&mut host), next(&mut host)) {
            (ClientEvent::Ack { id: 7, payload: answer, .. }, ClientEvent::Message { id: None, payload, .. }) => {
                assert_eq!((answer.text.as_str(), payload.text.as_str()), ("[1]", r#"["hello"]"#));
            }
            other => panic!("no answer and message, but {other:?}"),
        }

        server.submit([Command::Disconnect { socket, close: false }]);
        assert!(matches!(next(&mut host), ClientEvent::Left { .. }));
        host.submit([to(ONE, HANG_UP)]);
        match next(&mut host) {
            ClientEvent::Closed { reason, .. } => assert_eq!(reason, Reason::ForcedClose),
            other => panic!("not closed, but {other:?}"),
        }
        assert_eq!(host.engine.client_transport(ONE), None);
        assert!(matches!(served(&mut server), Event::Disconnect { .. }));
        match served(&mut server) {
            Event::Close { reason, .. } => assert_eq!(reason, Reason::TransportClose, "{way}"),
            other => panic!("no close, but {other:?}"),
        }
    }
}

#[test]
fn it_moves_to_a_websocket() {
    let (mut server, address) = Host::serve("{}");
    let mut host = Host::start("{}");
    host.submit([dial(ONE, address, WAYS[2])]);
    let (first, second, third) = (host.next(), host.next(), host.next());
    assert!(matches!(first, Event::Client { event: ClientEvent::Opened { .. }, .. }), "{first:?}");
    assert!(matches!(second, Event::Client { event: ClientEvent::Upgrading, .. }), "{second:?}");
    assert!(matches!(third, Event::Client { event: ClientEvent::Upgraded, .. }), "{third:?}");
    assert_eq!(host.engine.client_transport(ONE), Some("websocket"));
    assert!(matches!(server.next(), Event::Open { .. }));
    assert!(matches!(server.next(), Event::Upgrade { .. }));
}

#[test]
fn an_upgrade_that_fails() {
    let (mut server, address) = Host::serve(r#"{"path":"/other"}"#);
    let mut host = Host::start("{}");
    let options = r#"{"path":"/other","transportOptions":{"websocket":{"path":"/nowhere"}},"transports":["polling","websocket"]}"#;
    host.submit([dial(ONE, address, options)]);
    opened(&mut host);
    match next(&mut host) {
        ClientEvent::UpgradeFailed { message } => assert!(message.contains("404"), "{message}"),
        other => panic!("no failure, but {other:?}"),
    }
    assert_eq!(host.engine.client_transport(ONE), Some("polling"));
    host.submit([to(ONE, join(None))]);
    assert!(matches!(server.next(), Event::Open { .. }));
    assert!(matches!(server.next(), Event::Connect { .. }));
}

#[test]
fn a_refusal() {
    let (mut server, address) = Host::serve("{}");
    let mut host = Host::start("{}");
    host.submit([dial(ONE, address, WAYS[1])]);
    opened(&mut host);
    host.submit([to(ONE, join(None))]);
    assert!(matches!(server.next(), Event::Open { .. }));
    let socket = server.connected();
    server.submit([Command::Reject { socket, data: Text::from(r#"{"message":"no"}"#) }]);
    match next(&mut host) {
        ClientEvent::Refused { data, .. } => assert_eq!(data, r#"{"message":"no"}"#),
        other => panic!("no refusal, but {other:?}"),
    }
}

/// Whoever leaves before the server has answered is not in afterwards, on neither side, and may ask again.
#[test]
fn leaving_before_the_answer() {
    let (mut server, address) = Host::serve("{}");
    let mut host = Host::start("{}");
    host.submit([dial(ONE, address, WAYS[1])]);
    opened(&mut host);
    host.submit([to(ONE, join(None)), to(ONE, ClientCommand::Leave { nsp: ROOT })]);
    assert!(matches!(server.next(), Event::Open { .. }));
    let socket = server.connected();
    server.submit([Command::Accept { socket }]);
    match server.next() {
        Event::Disconnect { reason, .. } => assert_eq!(reason, Reason::ClientNamespaceDisconnect),
        other => panic!("not left, but {other:?}"),
    }
    server.submit([Command::Release { socket }]);
    host.submit([to(ONE, join(None))]);
    let socket = server.connected();
    server.submit([Command::Accept { socket }]);
    assert!(matches!(next(&mut host), ClientEvent::Joined { .. }));
}

#[test]
fn failures() {
    let (_server, address) = Host::serve("{}");
    let mut host = Host::start("{}");
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_address = silent.local_addr().unwrap();
    for way in &WAYS[..2] {
        host.submit([dial(ONE, nobody, way)]);
        let (kind, status, message) = failed(&mut host);
        assert_eq!((kind, status), (FailureKind::Unreachable, None), "{message}");

        host.submit([dial(ONE, address, &way.replacen('{', r#"{"path":"/nowhere","#, 1))]);
        let (kind, status, message) = failed(&mut host);
        assert_eq!((kind, status), (FailureKind::Status, Some(404)), "{message}");

        host.submit([dial(ONE, silent_address, &way.replacen('{', r#"{"timeout":1,"#, 1))]);
        assert_eq!(failed(&mut host), (FailureKind::Timeout, None, "timeout".into()));

        host.submit([dial(ONE, silent_address, way), to(ONE, HANG_UP)]);
        assert_eq!(failed(&mut host).0, FailureKind::Aborted);
    }
    host.submit([dial(ONE, silent_address, r#"{"transports":["polling"],"requestTimeout":1}"#)]);
    // Nobody answers there: no fault of the protocol's.
    assert_eq!(failed(&mut host).0, FailureKind::Unreachable);

    host.submit([dial(ONE, address, r#"{"reconnection":true}"#)]);
    let (kind, _, message) = failed(&mut host);
    assert_eq!((kind, message.as_str()), (FailureKind::Options, "invalid option: reconnection: no such option"));

    let url = Text::from("localhost:3000");
    host.submit([to(ONE, ClientCommand::Dial { url, options: Text::from("{}") })]);
    assert_eq!(failed(&mut host).0, FailureKind::Options);
}

#[test]
fn nothing_is_asked_of_whom_nobody_has_dialled() {
    let mut host = Host::start("{}");
    host.submit([to(ONE, join(None)), to(ONE, say(None, r#"["x"]"#)), to(ONE, HANG_UP)]);
    assert_eq!(host.engine.client_buffered(ONE), 0);
    assert!(!host.engine.client_writable(ONE));
    assert_eq!(host.engine.client_transport(ONE), None);
    host.engine.close();
    assert!(matches!(host.next(), Event::Closed));
}

#[test]
fn messages_that_are_the_hosts_own() {
    let (mut server, address) = Host::serve(r#"{"layer":"engineio"}"#);
    let mut host = Host::start("{}");
    host.submit([dial(ONE, address, r#"{"layer":"engineio","transports":["websocket"]}"#)]);
    opened(&mut host);
    let data = vec![Frame::Text(Text::from("{")), Frame::Binary(Bytes::from_static(b"b"))];
    host.submit([to(ONE, ClientCommand::Write { data, volatile: false })]);
    let Event::Open { conn, .. } = server.next() else { panic!("no open") };
    for expected in [Frame::Text(Text::from("{")), Frame::Binary(Bytes::from_static(b"b"))] {
        match server.next() {
            Event::Data { data, .. } => assert_eq!(data, expected),
            other => panic!("no data, but {other:?}"),
        }
    }
    let data = vec![Frame::Text(Text::from("back"))];
    server.submit([Command::Write { conns: vec![conn], data, flags: Flags::default(), receipt: None }]);
    match next(&mut host) {
        ClientEvent::Data { data } => assert_eq!(data, Frame::Text(Text::from("back"))),
        other => panic!("no data, but {other:?}"),
    }
}

#[test]
fn a_watched_connection() {
    let (mut server, mut host, socket, _) = connected(WAYS[1]);
    host.submit([to(ONE, ClientCommand::Watch(true)), to(ONE, say(None, r#"["out"]"#))]);
    let packet = |event| match event {
        ClientEvent::Packet { sent, kind: PacketKind::Message, data: Some(Frame::Text(text)) } => {
            (sent, text.to_string())
        }
        other => panic!("no packet, but {other:?}"),
    };
    assert_eq!(packet(next(&mut host)), (true, r#"2["out"]"#.into()));
    assert!(matches!(next(&mut host), ClientEvent::Drain));
    assert_eq!(server.message().1, r#"["out"]"#);
    server.submit([emit(Target::Socket(socket), r#"["in"]"#)]);
    assert_eq!(packet(next(&mut host)), (false, r#"2["in"]"#.into()));
    assert!(matches!(next(&mut host), ClientEvent::Message { .. }));
}

#[test]
fn a_connection_that_is_held() {
    for way in &WAYS[..2] {
        let (mut server, mut host, socket, _) = connected(way);
        host.submit([to(ONE, ClientCommand::Hold(true)), to(ONE, say(None, r#"["held"]"#))]);
        // It still sends; and once that is here, it reads no more.
        assert_eq!(server.message().1, r#"["held"]"#);
        server.submit([emit(Target::Socket(socket), r#"["waits"]"#)]);
        host.submit([to(ONE, say(None, r#"["again"]"#))]);
        assert_eq!(server.message().1, r#"["again"]"#);
        assert!(host.is_quiet());
        host.submit([to(ONE, ClientCommand::Hold(false))]);
        assert!(matches!(next(&mut host), ClientEvent::Message { .. }), "{way}");
    }
}

/// A host that takes nothing makes the server wait, and loses nothing.
#[test]
fn a_full_mailbox_stops_reading() {
    const EACH: usize = 100 << 10;
    const MANY: usize = 400;
    let (mut server, address) = Host::serve(r#"{"hardLimit":100000000}"#);
    let mut host = Host::start(r#"{"mailboxBytes":100000}"#);
    host.submit([dial(ONE, address, WAYS[1])]);
    let (socket, conn) = let_in(&mut server, &mut host);
    let long = "x".repeat(EACH);
    server.submit((0..MANY).map(|number| emit(Target::Socket(socket), &format!(r#"["{number}","{long}"]"#))));
    server.submit([Command::Write { conns: vec![conn], data: Vec::new(), flags: Flags::default(), receipt: Some(1) }]);
    for number in 0..MANY {
        if number == MANY / 4 {
            // 30 MB are not in the buffers of a socket.
            assert!(server.engine.conn_buffered(conn) > 0, "all has been sent to a client that does not read");
        }
        match next(&mut host) {
            ClientEvent::Message { payload, .. } => assert!(payload.text.starts_with(&format!(r#"["{number}","#))),
            other => panic!("no message, but {other:?}"),
        }
    }
    match server.next() {
        Event::Written { receipt: 1 } => {}
        // The server's connection has been slow, and is not any more.
        Event::Drain { .. } => assert!(matches!(server.next(), Event::Written { receipt: 1 })),
        other => panic!("not written, but {other:?}"),
    }
}

#[test]
fn what_waits_is_counted_and_told() {
    let (mut server, mut host, _, conn) = connected(WAYS[1]);
    assert!(host.engine.client_writable(ONE));
    assert_eq!(host.engine.client_buffered(ONE), 0);
    server.submit([Command::Hold { conn, on: true }]);
    let long = format!(r#"["long","{}"]"#, "x".repeat(900_000));
    for _ in 0..20 {
        host.submit([to(ONE, say(None, &long))]);
    }
    assert!(host.engine.client_buffered(ONE) > 0);
    let lost = ClientCommand::Emit { nsp: ROOT, id: None, payload: payload(r#"["lost"]"#), volatile: true };
    host.submit([to(ONE, lost), to(ONE, say(None, r#"["last"]"#))]);
    server.submit([Command::Hold { conn, on: false }]);
    for _ in 0..20 {
        assert_eq!(server.message().1.len(), long.len());
    }
    assert_eq!(server.message().1, r#"["last"]"#);
    assert!(matches!(next(&mut host), ClientEvent::Drain));
    assert!(host.engine.client_writable(ONE));
    assert!(host.is_quiet());
}

#[test]
fn closing_ends_clients() {
    let (mut server, mut host, ..) = connected(WAYS[1]);
    host.submit([to(ONE, say(None, r#"["last"]"#))]);
    host.engine.close();
    assert!(matches!(next(&mut host), ClientEvent::Closed { reason: Reason::ForcedClose, .. }));
    let end = host.next();
    assert!(matches!(end, Event::Closed), "{end:?}");
    assert_eq!(server.message().1, r#"["last"]"#);
    assert!(matches!(server.next(), Event::Disconnect { reason: Reason::TransportClose, .. }));
}

/// A program that hangs up and ends: what it said last arrives.
#[test]
fn a_goodbye_outlives_the_engine() {
    for way in &WAYS[..2] {
        let (mut server, host, ..) = connected(way);
        let leave = ClientCommand::Leave { nsp: ROOT };
        host.submit([to(ONE, say(None, r#"["last"]"#)), to(ONE, leave), to(ONE, HANG_UP)]);
        drop(host);
        assert_eq!(server.message().1, r#"["last"]"#);
        match server.next() {
            Event::Disconnect { reason, .. } => assert_eq!(reason, Reason::ClientNamespaceDisconnect),
            other => panic!("no disconnect, but {other:?}"),
        }
    }
}

/// Many clients of one engine.
#[test]
fn a_hundred_clients() {
    let (mut server, address) = Host::serve("{}");
    let mut host = Host::start("{}");
    host.submit((0..100).map(|number| dial(ClientId(number), address, WAYS[1])));
    let mut joined = 0;
    while joined < 100 {
        match host.next() {
            Event::Client { client, event: ClientEvent::Opened { .. } } => {
                host.submit([to(client, join(None))]);
                let socket = loop {
                    if let Event::Connect { socket, .. } = server.next() {
                        break socket;
                    }
                };
                server.submit([Command::Accept { socket }]);
            }
            Event::Client { event: ClientEvent::Joined { .. }, .. } => joined += 1,
            other => panic!("neither open nor joined, but {other:?}"),
        }
    }
    host.engine.close();
    let mut closed = 0;
    loop {
        match host.next() {
            Event::Client { event: ClientEvent::Closed { .. }, .. } => closed += 1,
            Event::Closed => break,
            other => panic!("not closed, but {other:?}"),
        }
    }
    assert_eq!(closed, 100);
}
