//! Answers that the host waits for: each wait ends.

use ferrio_embed::{AckEnd, AckId, Command, Event, SocketId, Target};

use crate::toy::{Host, ask, join, rooms};

fn answer(host: &mut Host) -> (AckId, SocketId, String) {
    match host.next() {
        Event::Ack { ack, socket, payload } => (ack, socket, payload.text.to_string()),
        other => panic!("no answer, but {other:?}"),
    }
}

fn end(host: &mut Host) -> (AckId, AckEnd, usize, usize) {
    match host.next() {
        Event::AckEnd { ack, end, expected, received } => (ack, end, expected, received),
        other => panic!("no end, but {other:?}"),
    }
}

/// `42<id>["q"]`: the id.
fn asked(text: &str) -> &str {
    text.strip_prefix("42").and_then(|rest| rest.strip_suffix(r#"["q"]"#)).unwrap()
}

#[test]
fn one_client_answers() {
    let (mut host, address) = Host::serve("{}");
    let (mut client, socket, _) = host.client(address);
    host.submit([
        ask(Target::Socket(socket), r#"["q"]"#, 1, Some(60_000)),
        ask(Target::Socket(socket), r#"["q"]"#, 2, None),
    ]);
    let (first, second) = (client.text(), client.text());
    client.send(&format!(r#"43{}["second"]"#, asked(&second)));
    client.send(&format!(r#"43{}["first"]"#, asked(&first)));
    // Once is enough, and nobody asked for 99.
    client.send(&format!(r#"43{}["again"]"#, asked(&first)));
    client.send(r#"4399["unasked"]"#);
    client.send(r#"42["after"]"#);
    assert_eq!(answer(&mut host), (AckId(2), socket, r#"["second"]"#.into()));
    assert_eq!(answer(&mut host), (AckId(1), socket, r#"["first"]"#.into()));
    assert_eq!(host.message().1, r#"["after"]"#);
}

#[test]
fn one_client_does_not() {
    let (mut host, address) = Host::serve("{}");
    let (mut client, socket, _) = host.client(address);
    host.submit([ask(Target::Socket(socket), r#"["q"]"#, 1, Some(20))]);
    assert_eq!(end(&mut host), (AckId(1), AckEnd::TimedOut, 1, 0));
    client.text();
    host.submit([
        ask(Target::Socket(socket), r#"["q"]"#, 2, None),
        ask(Target::Socket(socket), r#"["q"]"#, 3, Some(60_000)),
    ]);
    client.text();
    client.vanish();
    let mut ends = [end(&mut host), end(&mut host)];
    ends.sort_unstable_by_key(|end| end.0);
    assert_eq!(ends, [(AckId(2), AckEnd::Disconnected, 1, 0), (AckId(3), AckEnd::Disconnected, 1, 0)]);
    assert!(matches!(host.next(), Event::Disconnect { .. }));
    assert!(matches!(host.next(), Event::Close { .. }));
    host.submit([ask(Target::Socket(socket), r#"["q"]"#, 4, None), Command::Release { socket }]);
    assert_eq!(end(&mut host), (AckId(4), AckEnd::Disconnected, 1, 0));
    host.submit([ask(Target::Socket(socket), r#"["q"]"#, 5, None)]);
    assert_eq!(end(&mut host), (AckId(5), AckEnd::Disconnected, 0, 0));
}

#[test]
fn all_of_a_room_answer() {
    let (mut host, address) = Host::serve("{}");
    let (mut a, a_id, _) = host.client(address);
    let (mut b, b_id, _) = host.client(address);
    host.submit([join(a_id, &["r"]), join(b_id, &["r"]), ask(rooms(&["r"], &[]), r#"["q"]"#, 1, Some(60_000))]);
    let (to_a, to_b) = (a.text(), b.text());
    assert_eq!(to_a, to_b, "one id for all");
    b.send(&format!(r#"43{}["b"]"#, asked(&to_b)));
    assert_eq!(answer(&mut host), (AckId(1), b_id, r#"["b"]"#.into()));
    a.send(&format!(r#"43{}["a"]"#, asked(&to_a)));
    assert_eq!(answer(&mut host), (AckId(1), a_id, r#"["a"]"#.into()));
    assert_eq!(end(&mut host), (AckId(1), AckEnd::Complete, 2, 2));
}

#[test]
fn some_of_a_room_answer() {
    let (mut host, address) = Host::serve("{}");
    let (mut a, a_id, _) = host.client(address);
    let (mut b, _, _) = host.client(address);
    host.submit([ask(rooms(&[], &[]), r#"["q"]"#, 1, Some(200)), ask(rooms(&[], &[]), r#"["q"]"#, 2, None)]);
    let first = a.text();
    a.text();
    b.text();
    a.send(&format!(r#"43{}["a"]"#, asked(&first)));
    assert_eq!(answer(&mut host), (AckId(1), a_id, r#"["a"]"#.into()));
    assert_eq!(end(&mut host), (AckId(1), AckEnd::TimedOut, 2, 1));
    // Without a timeout the wait is over when nobody is left who could answer.
    a.vanish();
    assert!(matches!(host.next(), Event::Disconnect { .. }));
    assert!(matches!(host.next(), Event::Close { .. }));
    assert!(host.is_quiet());
    b.vanish();
    assert_eq!(end(&mut host), (AckId(2), AckEnd::Disconnected, 2, 0));
}

#[test]
fn nobody_is_asked() {
    let (mut host, address) = Host::serve("{}");
    host.submit([ask(rooms(&[], &[]), r#"["q"]"#, 1, None)]);
    assert_eq!(end(&mut host), (AckId(1), AckEnd::Complete, 0, 0));
    let (_client, ..) = host.client(address);
    host.submit([ask(rooms(&["nobody"], &[]), r#"["q"]"#, 2, Some(60_000))]);
    assert_eq!(end(&mut host), (AckId(2), AckEnd::Complete, 0, 0));
}
