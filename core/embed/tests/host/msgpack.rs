//! Packets as MessagePack: one binary message each, on both transports, recovery included.

use ferrio_embed::{Command, Event, Target};
use ferrio_protocol::Text;
use ferrio_protocol::socket::Payload;
use tungstenite::Message;

use crate::client::Client;
use crate::toy::{Host, payload};

const OPTIONS: &str = r#"{"serializer":"msgpack"}"#;

fn send(client: &mut Client, bytes: &[u8]) {
    client.socket.send(Message::binary(bytes.to_vec())).unwrap();
}

/// A client in `/`, and its id.
fn join(host: &mut Host, client: &mut Client) -> (ferrio_embed::SocketId, String) {
    send(client, b"\x83\xa4type\x00\xa4data\xd4\x00\x00\xa3nsp\xa1/");
    let (socket, id) = loop {
        match host.next() {
            Event::Connect { socket, sid, auth, .. } => {
                assert_eq!(auth, None);
                break (socket, sid.to_string());
            }
            Event::Open { .. } => {}
            other => panic!("no connect, but {other:?}"),
        }
    };
    host.submit([Command::Accept { socket }]);
    (socket, id)
}

#[test]
fn events_and_answers() {
    let (mut host, address) = Host::serve(OPTIONS);
    let mut client = Client::websocket(address);
    let (socket, id) = join(&mut host, &mut client);
    let answer = [b"\x83\xa4type\x00\xa4data\x81\xa3sid\xb4" as &[u8], id.as_bytes(), b"\xa3nsp\xa1/"].concat();
    assert_eq!(client.binary(), answer);

    send(&mut client, b"\x84\xa4type\x02\xa4data\x92\xa1q\xc4\x02zz\xa2id\x07\xa3nsp\xa1/");
    let Event::Message { id, payload: Payload { text, attachments }, .. } = host.next() else { panic!("no message") };
    assert_eq!((id, text.as_str()), (Some(7), r#"["q",{"_placeholder":true,"num":0}]"#));
    assert_eq!(attachments, ["zz"]);
    let flags = ferrio_embed::Flags::default();
    host.submit([
        Command::Ack {
            socket,
            id: 7,
            payload: Payload { text: "[1.5,{\"_placeholder\":true,\"num\":0}]".into(), attachments },
        },
        Command::Emit { target: Target::Socket(socket), payload: payload(r#"["é",[]]"#), flags, ack: None },
        Command::Disconnect { socket, close: false },
    ]);
    assert_eq!(
        client.binary(),
        b"\x84\xa4type\x03\xa4data\x92\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00\xc4\x02zz\xa3nsp\xa1/\xa2id\x07"
    );
    assert_eq!(client.binary(), b"\x83\xa4type\x02\xa4data\x92\xa2\xc3\xa9\x90\xa3nsp\xa1/");
    assert_eq!(client.binary(), b"\x82\xa4type\x01\xa3nsp\xa1/");
}

#[test]
fn nonsense_closes_the_connection() {
    for nonsense in [
        Message::binary(&b"\xc1"[..]),
        Message::text(r#"42["x"]"#),
        Message::binary(&b"\x82\xa4type\x05\xa3nsp\xa1/"[..]),
    ] {
        let (mut host, address) = Host::serve(OPTIONS);
        let mut client = Client::websocket(address);
        let (socket, _) = join(&mut host, &mut client);
        client.binary();
        client.socket.send(nonsense).unwrap();
        let Event::Disconnect { socket: gone, reason, detail } = host.next() else { panic!("no disconnect") };
        assert_eq!((gone, reason.to_string().as_str()), (socket, "forced close"));
        assert!(detail.is_some());
        assert!(client.is_closed());
    }
}

#[test]
fn what_was_missed_is_packed_too() {
    let (mut host, address) = Host::serve(r#"{"serializer":"msgpack","connectionStateRecovery":{}}"#);
    let mut client = Client::websocket(address);
    send(&mut client, b"\x83\xa4type\x00\xa4data\xc0\xa3nsp\xa1/");
    let (socket, pid) = loop {
        if let Event::Connect { socket, pid, .. } = host.next() {
            break (socket, pid.unwrap());
        }
    };
    host.submit([Command::Accept { socket }]);
    client.binary();
    client.vanish();
    while !matches!(host.next(), Event::Disconnect { .. }) {}
    host.submit([Command::Release { socket }]);
    let all = Target::Rooms { nsp: Text::from_static("/"), rooms: Vec::new(), except: Vec::new() };
    let flags = ferrio_embed::Flags::default();
    host.submit([Command::Emit { target: all, payload: payload(r#"["missed"]"#), flags, ack: None }]);
    let mut client = Client::websocket(address);
    send(&mut client, &[b"\x83\xa4type\x00\xa4data\x81\xa3pid\xb4" as &[u8], pid.as_bytes(), b"\xa3nsp\xa1/"].concat());
    let again = loop {
        if let Event::Connect { socket, recovered, .. } = host.next() {
            assert!(recovered);
            break socket;
        }
    };
    host.submit([Command::Accept { socket: again }]);
    let missed = client.binary();
    assert!(missed.starts_with(b"\x83\xa4type\x02\xa4data\x92\xa6missed"), "{missed:?}");
    assert!(client.binary().starts_with(b"\x83\xa4type\x00\xa4data\x82\xa3sid\xb4"));
}
