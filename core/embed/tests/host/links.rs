//! WebSockets that come through the host: fed by it, or taken over from it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use bytes::Bytes;
use ferrio_embed::{Command, Event, LinkData, LinkId, RequestId, Target};
use ferrio_protocol::Text;
use ferrio_protocol::engine::Frame;

use crate::client::{frame, head, upgrade_head};
use crate::toy::{Host, PATIENCE, emit};

const QUERY: &str = "transport=websocket";

/// Bytes written to a link, as far as `enough` wants them.
fn written(host: &mut Host, link: LinkId, enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut all = Vec::new();
    while !enough(&all) {
        match host.next() {
            Event::LinkWrite { link: to, data } => {
                assert_eq!(to, link);
                for part in data {
                    let LinkData::Bytes(bytes) = part else { panic!("{part:?}") };
                    all.extend_from_slice(&bytes);
                }
            }
            // `engine.rs` looks at these.
            Event::Refused { .. } => {}
            other => panic!("no write, but {other:?}"),
        }
    }
    all
}

fn feed(link: LinkId, bytes: &[u8]) -> Command {
    Command::Feed { link, data: LinkData::Bytes(Bytes::copy_from_slice(bytes)) }
}

fn text_frame(content: &str) -> Vec<u8> {
    [&[0x81, content.len() as u8], content.as_bytes()].concat()
}

#[test]
fn a_raw_link() {
    let mut host = Host::start("{}");
    let link = LinkId(host.number());
    let headers = vec![("x-host".to_owned(), "yes".to_owned())];
    host.submit([Command::OpenLink { link, head: upgrade_head(QUERY), raw: true, headers }]);
    let answer = String::from_utf8(written(&mut host, link, |bytes| bytes.ends_with(b"\r\n\r\n"))).unwrap();
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert!(answer.contains("x-host: yes\r\n"), "{answer}");
    assert!(answer.to_lowercase().contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{answer}");
    let Event::Open { request, head, .. } = host.next() else { panic!("no open") };
    assert_eq!(request, Some(RequestId(link.0)));
    assert!(head.is_none());
    let open = written(&mut host, link, |bytes| bytes.ends_with(b"}"));
    assert!(String::from_utf8_lossy(&open).contains(r#"0{"sid":""#));

    // Cut anywhere.
    let connect = frame(1, b"40");
    host.submit([feed(link, &connect[..3])]);
    host.submit([feed(link, &connect[3..])]);
    let socket = host.connected();
    host.submit([Command::Accept { socket }, emit(Target::Socket(socket), r#"["a"]"#)]);
    let sent = written(&mut host, link, |bytes| bytes.ends_with(&text_frame(r#"42["a"]"#)));
    host.submit([Command::LinkSent { link, bytes: sent.len() }, feed(link, &frame(1, br#"42["b"]"#))]);
    assert_eq!(host.message(), (socket, r#"["b"]"#.into()));
    host.submit([feed(link, &frame(9, b"ping"))]);
    assert_eq!(written(&mut host, link, |bytes| bytes.len() >= 6), b"\x8a\x04ping");

    host.submit([Command::LinkClosed { link, error: false }]);
    let mut ended = Vec::new();
    while ended.len() < 3 {
        match host.next() {
            Event::Disconnect { .. } => ended.push("disconnect"),
            Event::Close { .. } => ended.push("close"),
            Event::LinkClose { link: closed } => {
                assert_eq!(closed, link);
                ended.push("link");
            }
            Event::LinkWrite { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    ended.retain(|what| *what != "link");
    assert_eq!(ended, ["disconnect", "close"]);
}

#[test]
fn a_framed_link() {
    let mut host = Host::start("{}");
    let link = LinkId(host.number());
    host.submit([Command::OpenLink { link, head: upgrade_head(QUERY), raw: false, headers: Vec::new() }]);
    let mut frames = Vec::new();
    while frames.is_empty() {
        match host.next() {
            Event::Open { .. } => {}
            Event::LinkWrite { data, .. } => frames.extend(data),
            other => panic!("{other:?}"),
        }
    }
    let [LinkData::Frame(Frame::Text(open))] = &frames[..] else { panic!("{frames:?}") };
    assert!(open.starts_with(r#"0{"sid":""#));
    host.submit([Command::Feed { link, data: LinkData::Frame(Frame::Text(Text::from_static("40"))) }]);
    let socket = host.connected();
    host.submit([Command::Accept { socket }, Command::Disconnect { socket, close: true }]);
    let mut texts = Vec::new();
    loop {
        match host.next() {
            Event::LinkWrite { data, .. } => {
                for part in data {
                    let LinkData::Frame(Frame::Text(text)) = part else { panic!("{part:?}") };
                    texts.push(text.to_string());
                }
            }
            Event::LinkClose { link: closed } => {
                assert_eq!(closed, link);
                break;
            }
            Event::Disconnect { .. } | Event::Close { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(texts[0].starts_with("40{") && texts[1] == "41", "{texts:?}");
}

#[test]
fn a_link_may_be_refused() {
    let mut host = Host::start("{}");
    for (query, raw) in
        [("transport=websocket&sid=nobody", true), ("transport=polling", true), ("transport=polling", false)]
    {
        let link = LinkId(host.number());
        host.submit([Command::OpenLink { link, head: upgrade_head(query), raw, headers: Vec::new() }]);
        if raw {
            let answer = written(&mut host, link, |bytes| !bytes.is_empty());
            assert!(answer.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&answer));
        }
        let mut event = host.next();
        if matches!(event, Event::Refused { .. }) {
            event = host.next();
        }
        assert!(matches!(event, Event::LinkClose { link: closed } if closed == link));
    }
}

/// A TCP connection: the client's end, and the host's.
fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    (client, listener.accept().unwrap().0)
}

fn read_until(client: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    let mut byte = [0];
    while !all.ends_with(end) {
        client.read_exact(&mut byte).unwrap_or_else(|error| panic!("{error} after {}", String::from_utf8_lossy(&all)));
        all.push(byte[0]);
    }
    all
}

#[test]
fn a_connection_is_taken_over() {
    let mut host = Host::start("{}");
    let (mut client, server) = pair();
    let link = LinkId(host.number());
    // The host had read one frame and a half.
    let early = [frame(1, b"40"), frame(1, br#"42["half"]"#)].concat();
    let (read, later) = early.split_at(early.len() - 4);
    host.submit([Command::TakeOver {
        link,
        head: upgrade_head(QUERY),
        stream: server.try_clone().unwrap(),
        read: Bytes::copy_from_slice(read),
        headers: vec![("x-host".into(), "yes".into())],
    }]);
    let answer = read_until(&mut client, b"\r\n\r\n");
    assert!(answer.starts_with(b"HTTP/1.1 101 "));
    assert!(String::from_utf8(answer).unwrap().contains("x-host: yes"));
    read_until(&mut client, b"}");
    let Event::Open { request, .. } = host.next() else { panic!("no open") };
    assert_eq!(request, Some(RequestId(link.0)));
    let socket = host.connected();
    host.submit([Command::Accept { socket }]);
    read_until(&mut client, b"}");
    client.write_all(later).unwrap();
    assert_eq!(host.message(), (socket, r#"["half"]"#.into()));
    host.submit([emit(Target::Socket(socket), r#"["x"]"#)]);
    assert!(read_until(&mut client, b"]").ends_with(&text_frame(r#"42["x"]"#)));

    // The host may close its own handle when it is told so, not before.
    client.write_all(&frame(8, b"")).unwrap();
    assert!(matches!(host.next(), Event::Disconnect { .. }));
    assert!(matches!(host.next(), Event::Close { .. }));
    read_until(&mut client, b"\x88\x00");
    drop(client);
    assert!(matches!(host.next(), Event::LinkClose { link: closed } if closed == link));
}

#[test]
fn a_connection_is_not_wanted() {
    let mut host = Host::start("{}");
    let (mut client, server) = pair();
    let link = LinkId(host.number());
    host.submit([Command::TakeOver {
        link,
        head: head("GET", QUERY),
        stream: server.try_clone().unwrap(),
        read: Bytes::new(),
        headers: Vec::new(),
    }]);
    let answer = read_until(&mut client, b"\r\n\r\n");
    assert!(answer.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&answer));
    drop(client);
    assert!(matches!(host.next(), Event::LinkClose { link: closed } if closed == link));
}

#[test]
fn the_host_cuts_a_connection_that_was_taken_over() {
    let mut host = Host::start("{}");
    let (mut client, server) = pair();
    let link = LinkId(host.number());
    host.submit([Command::TakeOver {
        link,
        head: upgrade_head(QUERY),
        stream: server.try_clone().unwrap(),
        read: Bytes::new(),
        headers: Vec::new(),
    }]);
    assert!(matches!(host.next(), Event::Open { .. }));
    host.submit([Command::LinkClosed { link, error: false }]);
    assert!(matches!(host.next(), Event::Close { .. }));
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).unwrap();
    drop(client);
    assert!(matches!(host.next(), Event::LinkClose { link: closed } if closed == link));
}
