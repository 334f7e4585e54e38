//! One client: events in order, admission, ids.

use bytes::Bytes;
use ferrio_embed::{Command, Event, Flags, SocketId, Target};
use ferrio_protocol::engine::{Revision, Transport};
use ferrio_protocol::socket::Payload;
use ferrio_protocol::{Reason, Text};

use crate::client::Client;
use crate::toy::{Host, emit, payload};

#[test]
fn a_life_in_order() {
    let (mut host, address) = Host::serve("{}");
    let mut client = Client::websocket(address);
    client.send(r#"40/chat,{"token":1}"#);

    let Event::Open { conn, sid, request, head, revision, transport } = host.next() else { panic!("no open") };
    assert_eq!((request, revision, transport), (None, Revision::V4, Transport::WebSocket));
    assert!(head.unwrap().target.starts_with("/socket.io/?EIO=4"));

    let Event::Connect { socket, conn: of, nsp, sid: public, auth, pid, recovered } = host.next() else {
        panic!("no connect")
    };
    assert_eq!((of, nsp.as_str(), auth.unwrap().as_str()), (conn, "/chat", r#"{"token":1}"#));
    assert_ne!(sid, public);
    assert_eq!((pid, recovered), (None, false));

    host.submit([Command::Accept { socket }]);
    assert_eq!(client.text(), format!(r#"40/chat,{{"sid":"{public}"}}"#));
    client.send(r#"42/chat,["first",1]"#);
    client.send(r#"452-/chat,7["second",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]"#);
    client.send_binary(b"zero");
    client.send_binary(b"one");
    client.send("41/chat");
    assert_eq!(host.message(), (socket, r#"["first",1]"#.into()));
    let Event::Message { id, payload: Payload { text, attachments }, .. } = host.next() else { panic!("no message") };
    assert_eq!(id, Some(7));
    assert!(text.starts_with(r#"["second",{"#));
    assert_eq!(attachments, ["zero", "one"]);
    let Event::Disconnect { socket: gone, reason, .. } = host.next() else { panic!("no disconnect") };
    assert_eq!((gone, reason), (socket, Reason::ClientNamespaceDisconnect));

    client.socket.close(None).unwrap();
    let Event::Close { conn: closed, reason, .. } = host.next() else { panic!("no close") };
    assert_eq!((closed, reason), (conn, Reason::TransportClose));
    assert!(host.is_quiet());
}

#[test]
fn answers_and_emits_leave_in_order() {
    let (mut host, address) = Host::serve("{}");
    let (mut client, socket, _) = host.client(address);
    client.send(r#"421["ask"]"#);
    let Event::Message { id: Some(id), .. } = host.next() else { panic!("no question") };
    let binary = Payload {
        text: payload(r#"["bin",{"_placeholder":true,"num":0}]"#).text,
        attachments: vec![Bytes::from_static(b"xyz")],
    };
    host.submit([
        emit(Target::Socket(socket), r#"["a"]"#),
        Command::Ack { socket, id, payload: payload("[true]") },
        Command::Emit { target: Target::Socket(socket), payload: binary, flags: Flags::default(), ack: None },
    ]);
    host.submit([emit(Target::Socket(socket), r#"["b"]"#)]);
    assert_eq!(client.text(), r#"42["a"]"#);
    assert_eq!(client.text(), "431[true]");
    assert_eq!(client.text(), r#"451-["bin",{"_placeholder":true,"num":0}]"#);
    assert_eq!(client.binary(), b"xyz");
    assert_eq!(client.text(), r#"42["b"]"#);
    assert_eq!(host.engine.transport(socket), Some("websocket"));
    assert_eq!(host.engine.buffered(socket), (0, false));
}

#[test]
fn a_socket_may_be_refused_and_may_try_again() {
    let (mut host, address) = Host::serve("{}");
    let mut client = Client::websocket(address);
    client.send("40");
    assert!(matches!(host.next(), Event::Open { .. }));
    let refused = host.connected();
    host.submit([Command::Reject { socket: refused, data: Text::from_static(r#"{"message":"no"}"#) }]);
    assert_eq!(client.text(), r#"44{"message":"no"}"#);
    client.send("40");
    let socket = host.connected();
    assert_ne!(socket, refused);
    host.submit([emit(Target::Socket(refused), r#"["lost"]"#), Command::Accept { socket }]);
    assert!(client.text().starts_with("40{"));
}

#[test]
fn a_pending_socket_may_be_sent_to() {
    let (mut host, address) = Host::serve(r#"{"dialect":"python"}"#);
    let mut client = Client::websocket(address);
    client.send("40");
    assert!(matches!(host.next(), Event::Open { .. }));
    let socket = host.connected();
    host.submit([emit(Target::Socket(socket), r#"["early"]"#), Command::Accept { socket }]);
    assert_eq!(client.text(), r#"42["early"]"#);
    assert!(client.text().starts_with("40{"));
}

#[test]
fn the_host_disconnects() {
    let (mut host, address) = Host::serve("{}");
    let (mut client, socket, conn) = host.client(address);
    // What comes after the disconnect is for nobody.
    host.submit([
        emit(Target::Socket(socket), r#"["bye"]"#),
        Command::Disconnect { socket, close: false },
        emit(Target::Socket(socket), r#"["lost"]"#),
    ]);
    assert_eq!(client.text(), r#"42["bye"]"#);
    assert_eq!(client.text(), "41");
    let Event::Disconnect { reason, .. } = host.next() else { panic!("no disconnect") };
    assert_eq!(reason, Reason::ServerNamespaceDisconnect);

    host.submit([Command::Close { conn, discard: false }]);
    assert!(client.is_closed());
    assert!(matches!(host.next(), Event::Close { conn: closed, .. } if closed == conn));

    let (mut client, socket, _) = host.client(address);
    host.submit([emit(Target::Socket(socket), r#"["bye"]"#), Command::Disconnect { socket, close: true }]);
    assert_eq!(client.text(), r#"42["bye"]"#);
    assert_eq!(client.text(), "41");
    assert!(client.is_closed());
    assert!(matches!(host.next(), Event::Disconnect { .. }));
    assert!(matches!(host.next(), Event::Close { .. }));
}

#[test]
fn a_stale_number_means_nobody() {
    let (mut host, address) = Host::serve("{}");
    let (client, socket, conn) = host.client(address);
    client.vanish();
    assert!(matches!(host.next(), Event::Disconnect { .. }));
    assert!(matches!(host.next(), Event::Close { .. }));
    assert_eq!(host.engine.rooms(socket).len(), 1, "until the release");
    host.submit([Command::Release { socket }, Command::Release { socket }]);
    assert!(host.engine.rooms(socket).is_empty());

    let (mut other, other_socket, other_conn) = host.client(address);
    assert!(other_socket != socket && other_conn != conn);
    for nobody in [socket, SocketId(0), SocketId(u64::MAX)] {
        host.submit([
            Command::Accept { socket: nobody },
            Command::Reject { socket: nobody, data: Text::from_static("{}") },
            emit(Target::Socket(nobody), r#"["lost"]"#),
            Command::Ack { socket: nobody, id: 1, payload: payload("[]") },
            Command::Join { socket: nobody, rooms: vec![Text::from_static("r")] },
            Command::Leave { socket: nobody, room: Text::from_static("r") },
            Command::Disconnect { socket: nobody, close: true },
            Command::Release { socket: nobody },
            Command::Close { conn, discard: true },
        ]);
        assert_eq!(host.engine.transport(nobody), None);
        assert_eq!(host.engine.buffered(nobody), (0, false));
        assert!(host.engine.members(&Target::Socket(nobody)).is_empty());
    }
    assert!(host.engine.room_names("/").is_empty());
    host.submit([emit(Target::Socket(other_socket), r#"["here"]"#)]);
    assert_eq!(other.text(), r#"42["here"]"#);
    assert!(host.is_quiet());
}
