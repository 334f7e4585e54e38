//! What a host sees of Engine.IO: packets, refusals, ids; and options that change.

use ferrio_embed::{Command, ConnId, Event, Flags, LinkId, PacketKind, RequestId, StartError, Target};
use ferrio_protocol::Text;
use ferrio_protocol::engine::Frame;

use crate::client::{Client, head, upgrade_head};
use crate::requests::{handshake, request, response};
use crate::toy::{Host, emit};

fn packet(host: &mut Host) -> (ConnId, bool, PacketKind, Option<String>) {
    match host.next() {
        Event::Packet { conn, sent, kind, data } => {
            let data = data.map(|data| match data {
                Frame::Text(text) => text.to_string(),
                Frame::Binary(bytes) => format!("{bytes:?}"),
            });
            (conn, sent, kind, data)
        }
        other => panic!("no packet, but {other:?}"),
    }
}

#[test]
fn packets_of_a_watched_connection() {
    let (mut host, address) = Host::serve("{}");
    let (mut client, socket, conn) = host.client(address);
    client.send(r#"42["unseen"]"#);
    host.message();
    host.submit([Command::Watch { conn, on: true }, emit(Target::Socket(socket), r#"["a"]"#)]);
    assert_eq!(packet(&mut host), (conn, true, PacketKind::Message, Some(r#"2["a"]"#.into())));
    client.send("3");
    assert_eq!(packet(&mut host), (conn, false, PacketKind::Pong, None));
    client.send(r#"451-["b",{"_placeholder":true,"num":0}]"#);
    client.send_binary(b"x");
    let text = r#"51-["b",{"_placeholder":true,"num":0}]"#;
    assert_eq!(packet(&mut host), (conn, false, PacketKind::Message, Some(text.into())));
    assert_eq!(packet(&mut host), (conn, false, PacketKind::Message, Some(r#"b"x""#.into())));
    host.message();
    let raw = Command::Write {
        conns: vec![conn],
        data: vec![Frame::Text("raw".into()), Frame::Text(Text::default())],
        flags: Flags::default(),
        receipt: None,
    };
    host.submit([raw, Command::Disconnect { socket, close: false }]);
    assert_eq!(packet(&mut host), (conn, true, PacketKind::Message, Some("raw".into())));
    assert_eq!(packet(&mut host), (conn, true, PacketKind::Message, None));
    assert_eq!(packet(&mut host), (conn, true, PacketKind::Message, Some("1".into())));
    assert!(matches!(host.next(), Event::Disconnect { .. }));
    host.submit([Command::Watch { conn, on: false }, Command::Close { conn, discard: false }]);
    assert!(matches!(host.next(), Event::Close { .. }));
}

#[test]
fn connections_may_be_watched_from_the_beginning() {
    let (mut host, address) = Host::serve(r#"{"watch":true,"pingInterval":1}"#);
    let mut client = Client::websocket(address);
    assert_eq!(client.text(), "2");
    let Event::Open { conn, .. } = host.next() else { panic!("no open") };
    assert_eq!(packet(&mut host), (conn, true, PacketKind::Ping, None));
    client.send("40");
    assert_eq!(packet(&mut host), (conn, false, PacketKind::Message, Some("0".into())));
    host.connected();
}

/// What a volatile message was dropped for is no packet.
#[test]
fn a_dropped_message_is_none() {
    let mut host = Host::start(r#"{"watch":true,"layer":"engineio"}"#);
    let (_, conn) = handshake(&mut host);
    let write = |text: &'static str, volatile| Command::Write {
        conns: vec![conn],
        data: vec![Frame::Text(Text::from_static(text))],
        flags: Flags { volatile, ..Flags::default() },
        receipt: None,
    };
    host.submit([write("lost", true), write("kept", false)]);
    assert_eq!(packet(&mut host), (conn, true, PacketKind::Message, Some("kept".into())));
}

#[test]
fn a_connection_that_is_held_is_not_read() {
    let (mut host, address) = Host::serve("{}");
    let (mut client, socket, conn) = host.client(address);
    let (mut other, third, _) = host.client(address);
    host.submit([Command::Hold { conn, on: true }, emit(Target::Socket(socket), r#"["held"]"#)]);
    assert_eq!(client.text(), r#"42["held"]"#);
    client.send(r#"42["first"]"#);
    client.send(r#"42["second"]"#);
    for _ in 0..3 {
        other.send(r#"42["other"]"#);
        assert_eq!(host.message(), (third, r#"["other"]"#.into()));
    }
    host.submit([Command::Hold { conn, on: false }]);
    assert_eq!(host.message(), (socket, r#"["first"]"#.into()));
    assert_eq!(host.message(), (socket, r#"["second"]"#.into()));
    // One that is held ends like any other.
    host.submit([Command::Hold { conn, on: true }, Command::Close { conn, discard: false }]);
    assert!(matches!(host.next(), Event::Disconnect { .. }));
    assert!(matches!(host.next(), Event::Close { .. }));
}

fn refused(host: &mut Host) -> (u64, u8, String, String) {
    match host.next() {
        Event::Refused { request, code, message, context } => {
            (request.unwrap().0, code, message.to_string(), context.to_string())
        }
        other => panic!("no refusal, but {other:?}"),
    }
}

#[test]
fn a_refusal_is_told_before_its_answer() {
    let mut host = Host::start("{}");
    for (method, query, code, message, context) in [
        ("GET", "transport=tcp", 0, "Transport unknown", r#"{"transport":"tcp"}"#),
        ("GET", "transport=polling&sid=x", 1, "Session ID unknown", r#"{"sid":"x"}"#),
        ("POST", "transport=polling", 2, "Bad handshake method", r#"{"method":"POST"}"#),
        ("GET", "transport=websocket", 3, "Bad request", r#"{"name":"TRANSPORT_HANDSHAKE_ERROR"}"#),
    ] {
        let asked = request(&mut host, method, query, &[]);
        assert_eq!(refused(&mut host), (asked.0, code, message.into(), context.into()));
        let (answered, status, body) = response(&mut host);
        assert_eq!((answered, status), (asked, 400));
        assert!(body.contains(message), "{body}");
    }
    let link = LinkId(host.number());
    let head = upgrade_head("transport=websocket&sid=nobody");
    host.submit([Command::OpenLink { link, head, raw: true, headers: Vec::new() }]);
    assert_eq!(refused(&mut host), (link.0, 1, "Session ID unknown".into(), r#"{"sid":"nobody"}"#.into()));
    assert!(matches!(host.next(), Event::LinkWrite { .. }));
    assert!(matches!(host.next(), Event::LinkClose { .. }));
}

#[test]
fn the_host_may_choose_the_id() {
    let mut host = Host::start("{}");
    let ask = |host: &mut Host| {
        let asked = RequestId(host.number());
        let head = ferrio::net::Head { sid: Some("mine".into()), ..head("GET", "transport=polling") };
        host.submit([Command::Request { request: asked, head, end: true }]);
        asked
    };
    let asked = ask(&mut host);
    let Event::Open { conn, sid, request, .. } = host.next() else { panic!("no open") };
    assert_eq!((sid.as_str(), request), ("mine", Some(asked)));
    let (_, _, body) = response(&mut host);
    assert!(body.starts_with(r#"0{"sid":"mine","#), "{body}");

    // Nobody else can have it.
    let again = ask(&mut host);
    let (number, code, _, context) = refused(&mut host);
    assert_eq!((number, code), (again.0, 3));
    assert_eq!(context, r#"{"error":"this session id is in use","name":"ID_GENERATION_ERROR"}"#);
    assert_eq!(response(&mut host).1, 400);
    let link = LinkId(host.number());
    let head = ferrio::net::Head { sid: Some("mine".into()), ..upgrade_head("transport=websocket") };
    host.submit([Command::OpenLink { link, head, raw: true, headers: Vec::new() }]);
    assert_eq!(refused(&mut host).1, 3);
    assert!(matches!(host.next(), Event::LinkWrite { .. }));
    assert!(matches!(host.next(), Event::LinkClose { .. }));

    // The second time it does not wait for a last GET.
    host.submit([Command::Close { conn, discard: true }, Command::Close { conn, discard: true }]);
    assert!(matches!(host.next(), Event::Close { .. }));
    ask(&mut host);
    assert!(matches!(host.next(), Event::Open { .. }));
}

#[test]
fn an_initial_packet_is_in_the_first_answer() {
    let mut host = Host::start(r#"{"initialPacket":"welcome"}"#);
    request(&mut host, "GET", "transport=polling", &[]);
    assert!(matches!(host.next(), Event::Open { .. }));
    let (_, _, body) = response(&mut host);
    assert!(body.ends_with("}\u{1e}4welcome"), "{body}");

    host.engine.configure(r#"{"initialPacket":{"binary":"AQID"}}"#).unwrap();
    request(&mut host, "GET", "transport=polling", &[]);
    assert!(matches!(host.next(), Event::Open { .. }));
    let (_, _, body) = response(&mut host);
    assert!(body.ends_with("}\u{1e}bAQID"), "{body}");
}

#[test]
fn options_change_for_what_comes_after() {
    let mut host = Host::start("{}");
    let (sid, conn) = handshake(&mut host);
    host.engine
        .configure(
            r#"{"pingInterval":1234,"maxHttpBufferSize":5,"path":"/elsewhere","layer":"engineio","cookie":true}"#,
        )
        .unwrap();
    let asked = RequestId(host.number());
    let mut there = head("GET", "");
    there.target = "/elsewhere/?EIO=4&transport=polling".into();
    host.submit([Command::Request { request: asked, head: there, end: true }]);
    assert!(matches!(host.next(), Event::Open { .. }));
    let Event::Response { response: answer, .. } = host.next() else { panic!("no response") };
    let body = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(body.contains(r#""pingInterval":1234"#) && body.contains(r#""maxPayload":5"#), "{body}");
    assert!(answer.headers.iter().any(|(name, value)| name == "set-cookie" && value.starts_with("io=")));

    // The session before it has its Socket.IO still, and the new limit.
    let session = format!("transport=polling&sid={sid}");
    let post = request(&mut host, "POST", &session, &["40"]);
    let Event::Connect { conn: of, .. } = host.next() else { panic!("no connect") };
    assert_eq!(of, conn);
    assert_eq!(response(&mut host), (post, 200, "ok".into()));
    let post = request(&mut host, "POST", &session, &["42[\"long\"]"]);
    loop {
        match host.next() {
            Event::Response { request, response } => {
                assert_eq!((request, response.status), (post, 413));
                break;
            }
            Event::Disconnect { .. } | Event::Close { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_wrong_change_changes_nothing() {
    let mut host = Host::start("{}");
    for (options, error) in [
        (r#"{"pingInterval":7,"ioThreads":2}"#, "ioThreads: cannot change while the engine runs"),
        (r#"{"pingInterval":7,"nonsense":2}"#, "nonsense: no such option"),
    ] {
        let Err(StartError::Options(text)) = host.engine.configure(options) else { panic!("no error") };
        assert_eq!(text, error);
    }
    request(&mut host, "GET", "transport=polling", &[]);
    assert!(matches!(host.next(), Event::Open { .. }));
    assert!(response(&mut host).2.contains(r#""pingInterval":25000"#));
}
