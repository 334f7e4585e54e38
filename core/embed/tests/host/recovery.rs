//! Connection state recovery: who comes back, to what, and what he is told first.

use std::net::SocketAddr;

use bytes::Bytes;
use ferrio_embed::{Command, Event, Flags, SocketId, Target};
use ferrio_protocol::Text;
use ferrio_protocol::socket::Payload;

use crate::client::Client;
use crate::toy::{Host, ask, emit, join, payload, rooms};

const ON: &str = r#"{"connectionStateRecovery":{}}"#;

/// A socket as its `Event::Connect` tells.
struct Asking {
    socket: SocketId,
    sid: String,
    pid: String,
    recovered: bool,
}

fn asking(host: &mut Host) -> Asking {
    loop {
        match host.next() {
            Event::Connect { socket, sid, pid, recovered, .. } => {
                return Asking { socket, sid: sid.to_string(), pid: pid.unwrap().to_string(), recovered };
            }
            Event::Open { .. } | Event::Close { .. } => {}
            other => panic!("no connect, but {other:?}"),
        }
    }
}

/// A client on a new connection that asks for `auth`.
fn ask_in(host: &mut Host, address: SocketAddr, auth: &str) -> (Client, Asking) {
    let mut client = Client::websocket(address);
    client.send(&format!("40{auth}"));
    (client, asking(host))
}

/// The same, let in. Gives what came before the answer.
fn come(host: &mut Host, address: SocketAddr, auth: &str) -> (Client, Asking, Vec<String>) {
    let (mut client, asking) = ask_in(host, address, auth);
    host.submit([Command::Accept { socket: asking.socket }]);
    let answer = format!(r#"40{{"sid":"{}","pid":"{}"}}"#, asking.sid, asking.pid);
    let mut before = Vec::new();
    loop {
        let text = client.text();
        if text == answer {
            return (client, asking, before);
        }
        before.push(text);
    }
}

/// The client goes without a word, and the host is done with it.
fn vanish(host: &mut Host, client: Client, socket: SocketId) {
    client.vanish();
    assert_eq!(disconnected(host), socket);
    host.submit([Command::Release { socket }]);
}

fn disconnected(host: &mut Host) -> SocketId {
    loop {
        match host.next() {
            Event::Disconnect { socket, .. } => return socket,
            Event::Open { .. } | Event::Close { .. } | Event::AckEnd { .. } => {}
            other => panic!("no disconnect, but {other:?}"),
        }
    }
}

/// What stands before the offset, and the offset.
fn split(text: &str) -> (String, String) {
    let (event, offset) = text.strip_suffix(r#""]"#).unwrap().rsplit_once(r#",""#).unwrap();
    (format!("{event}]"), offset.to_owned())
}

fn events(texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| split(text).0).collect()
}

fn back(asking: &Asking, offset: &str) -> String {
    format!(r#"{{"pid":"{}","offset":"{offset}"}}"#, asking.pid)
}

#[test]
fn what_was_missed_comes_before_the_answer() {
    let (mut host, address) = Host::serve(ON);
    let (mut client, first, _) = come(&mut host, address, "");
    assert!(!first.recovered);
    host.submit([join(first.socket, &["room"]), emit(Target::Socket(first.socket), r#"["one",1]"#)]);
    let (one, offset) = split(&client.text());
    assert_eq!(one, r#"42["one",1]"#);

    client.vanish();
    assert_eq!(disconnected(&mut host), first.socket);
    // It has ended, but the host is not done with it.
    host.submit([emit(Target::Socket(first.socket), r#"["two"]"#)]);
    host.submit([Command::Release { socket: first.socket }]);
    host.submit([
        emit(rooms(&["room"], &[]), r#"["three"]"#),
        emit(rooms(&["other"], &[]), r#"["not for it"]"#),
        emit(rooms(&[], &["room"]), r#"["not for it either"]"#),
        emit(rooms(&[&first.sid], &[]), r#"["four"]"#),
    ]);

    let (client, again, missed) = come(&mut host, address, &back(&first, &offset));
    assert!(again.recovered);
    assert_eq!((&again.sid, &again.pid), (&first.sid, &first.pid));
    assert_ne!(again.socket, first.socket);
    assert_eq!(host.engine.rooms(again.socket), [first.sid.as_str(), "room"]);
    assert_eq!(events(&missed), [r#"42["two"]"#, r#"42["three"]"#, r#"42["four"]"#]);

    // And once more, from the middle of what was replayed (R-3, R-4).
    vanish(&mut host, client, again.socket);
    let (client, once_more, missed) = come(&mut host, address, &back(&first, &split(&missed[0]).1));
    assert!(once_more.recovered);
    assert_eq!(events(&missed), [r#"42["three"]"#, r#"42["four"]"#]);
    vanish(&mut host, client, once_more.socket);
    let (_, _, missed) = come(&mut host, address, &back(&first, &split(&missed[1]).1));
    assert_eq!(missed, [""; 0]);
}

#[test]
fn nobody_need_be_there_meanwhile() {
    let (mut host, address) = Host::serve(ON);
    let (client, first, _) = come(&mut host, address, "");
    vanish(&mut host, client, first.socket);
    host.submit([emit(rooms(&[], &[]), r#"["to whom it may concern"]"#)]);
    // It has not had a single event, and so it has no offset (R-2).
    let auth = format!(r#"{{"pid":"{}"}}"#, first.pid);
    let (_, again, missed) = come(&mut host, address, &auth);
    assert!(again.recovered);
    assert_eq!(events(&missed), [r#"42["to whom it may concern"]"#]);
}

#[test]
fn attachments_come_again() {
    let (mut host, address) = Host::serve(ON);
    let (client, first, _) = come(&mut host, address, "");
    vanish(&mut host, client, first.socket);
    let text = Text::from_static(r#"["file",{"_placeholder":true,"num":0}]"#);
    let payload = Payload { text, attachments: vec![Bytes::from_static(b"bytes")] };
    host.submit([Command::Emit { target: rooms(&[], &[]), payload, flags: Flags::default(), ack: None }]);
    let (mut client, again) = ask_in(&mut host, address, &format!(r#"{{"pid":"{}"}}"#, first.pid));
    host.submit([Command::Accept { socket: again.socket }]);
    assert_eq!(split(&client.text()).0, r#"451-["file",{"_placeholder":true,"num":0}]"#);
    assert_eq!(client.binary(), b"bytes");
    assert!(client.text().starts_with("40{"));
}

#[test]
fn what_cannot_be_missed_has_no_offset() {
    let (mut host, address) = Host::serve(ON);
    let (mut client, first, _) = come(&mut host, address, "");
    let volatile = |text: &str| Command::Emit {
        target: rooms(&[], &[]),
        payload: payload(text),
        flags: Flags { volatile: true, ..Flags::default() },
        ack: None,
    };
    host.submit([ask(Target::Socket(first.socket), r#"["ask"]"#, 1, None), volatile(r#"["volatile"]"#)]);
    let (asked, sent) = (client.text(), client.text());
    assert!(asked.starts_with("42") && asked.ends_with(r#"["ask"]"#), "{asked}");
    assert_eq!(sent, r#"42["volatile"]"#);
    vanish(&mut host, client, first.socket);
    host.submit([volatile(r#"["lost"]"#), emit(rooms(&[], &[]), r#"["kept"]"#)]);
    let (_, again, missed) = come(&mut host, address, &format!(r#"{{"pid":"{}"}}"#, first.pid));
    assert!(again.recovered);
    assert_eq!(events(&missed), [r#"42["kept"]"#]);
}

#[test]
fn who_has_missed_nothing_comes_back_however_old_his_offset() {
    // Room for very few events.
    let (mut host, address) = Host::serve(r#"{"connectionStateRecovery":{"maxBytes":2000}}"#);
    let (mut client, idle, _) = come(&mut host, address, "");
    host.submit([emit(Target::Socket(idle.socket), r#"["old"]"#)]);
    let offset = split(&client.text()).1;
    for _ in 0..20 {
        host.submit([emit(rooms(&["elsewhere"], &[]), r#"["not for it"]"#)]);
    }
    // R-1. (Sent to it, so that all of the above has been carried out.)
    host.submit([ask(Target::Socket(idle.socket), r#"["are you there"]"#, 1, Some(60_000))]);
    client.text();
    client.vanish();
    loop {
        if let Event::Disconnect { socket, .. } = host.next() {
            host.submit([Command::Release { socket }]);
            break;
        }
    }
    while !matches!(host.next(), Event::Close { .. }) {}
    host.submit([emit(
        Target::Rooms { nsp: "/".into(), rooms: vec![idle.sid.as_str().into()], except: vec![] },
        r#"["new"]"#,
    )]);
    let (client, again, missed) = come(&mut host, address, &back(&idle, &offset));
    assert!(again.recovered);
    assert_eq!(events(&missed), [r#"42["new"]"#]);

    // Now too much is sent while it is away: better a fresh start than a gap.
    vanish(&mut host, client, again.socket);
    for _ in 0..20 {
        host.submit([emit(rooms(&[], &[]), r#"["for everybody"]"#)]);
    }
    let (_, fresh, missed) = come(&mut host, address, &back(&idle, &split(&missed[0]).1));
    assert!(!fresh.recovered);
    assert_ne!((&fresh.sid, &fresh.pid), (&idle.sid, &idle.pid));
    assert_eq!(missed, [""; 0]);
}

#[test]
fn an_offset_that_is_none_is_refused() {
    let (mut host, address) = Host::serve(ON);
    let (client, first, _) = come(&mut host, address, "");
    vanish(&mut host, client, first.socket);
    for offset in [r#""no offset""#, r#""""#, "5", "null", r#""_______""#] {
        let auth = format!(r#"{{"pid":"{}","offset":{offset}}}"#, first.pid);
        let (_, fresh, _) = come(&mut host, address, &auth);
        assert!(!fresh.recovered, "{offset}");
        assert_ne!(fresh.sid, first.sid);
        assert_eq!(disconnected(&mut host), fresh.socket);
    }
    // It cost the session nothing.
    let auth = format!(r#"{{"pid":"{}"}}"#, first.pid);
    assert!(come(&mut host, address, &auth).1.recovered);
}

#[test]
fn a_half_dead_connection_is_closed_first() {
    let (mut host, address) = Host::serve(ON);
    let (mut old, first, _) = come(&mut host, address, "");
    host.submit([join(first.socket, &["room"])]);

    // The server does not know yet that the client has lost this one.
    let mut client = Client::websocket(address);
    client.send(&format!(r#"40{{"pid":"{}"}}"#, first.pid));
    assert_eq!(disconnected(&mut host), first.socket);
    assert!(old.is_closed());
    assert!(matches!(host.next(), Event::Close { .. }));
    // R-6: it is heard when the host is done with the old one, and sees what that one did at its end.
    host.submit([join(first.socket, &["last"]), Command::Release { socket: first.socket }]);
    let again = asking(&mut host);
    assert!(again.recovered);
    assert_eq!(host.engine.rooms(again.socket), [first.sid.as_str(), "room", "last"]);
    host.submit([Command::Accept { socket: again.socket }, emit(rooms(&["last"], &[]), r#"["here"]"#)]);
    assert!(client.text().starts_with("40{"));
    assert_eq!(split(&client.text()).0, r#"42["here"]"#);
    // R-3: what is left of the old one does not disturb the new one.
    host.submit([Command::Release { socket: first.socket }]);
    assert_eq!(host.engine.members(&rooms(&["room"], &[])), [again.socket]);
    assert_eq!(host.engine.members(&rooms(&[&first.sid], &[])), [again.socket]);
}

#[test]
fn sooner_than_the_host_is_done() {
    let (mut host, address) = Host::serve(ON);
    let (client, first, _) = come(&mut host, address, "");
    client.vanish();
    assert_eq!(disconnected(&mut host), first.socket);
    assert!(matches!(host.next(), Event::Close { .. }));
    let auth = format!(r#"40{{"pid":"{}"}}"#, first.pid);
    // Impatient: it opens two connections. The last one counts.
    let mut early = Client::websocket(address);
    early.send(&auth);
    assert!(matches!(host.next(), Event::Open { .. }));
    let mut late = Client::websocket(address);
    assert!(matches!(host.next(), Event::Open { .. }));
    early.send(r#"40/sync"#);
    assert!(!asking(&mut host).recovered);
    late.send(&auth);
    assert!(early.is_closed());
    host.submit([Command::Release { socket: first.socket }]);
    let again = loop {
        if let Event::Connect { socket, recovered, .. } = host.next() {
            assert!(recovered);
            break socket;
        }
    };
    host.submit([Command::Accept { socket: again }]);
    assert!(late.text().starts_with(r#"40{"sid":"#));
}

#[test]
fn who_was_not_wanted_or_did_not_want_starts_anew() {
    let (mut host, address) = Host::serve(ON);
    let auth = |asking: &Asking| format!(r#"{{"pid":"{}"}}"#, asking.pid);

    let (mut client, gone, _) = come(&mut host, address, "");
    client.send("41");
    assert_eq!(disconnected(&mut host), gone.socket);
    host.submit([Command::Release { socket: gone.socket }]);
    // On the same connection, too.
    client.send(&format!("40{}", auth(&gone)));
    let fresh = asking(&mut host);
    assert!(!fresh.recovered);
    host.submit([Command::Accept { socket: fresh.socket }]);
    client.text();

    host.submit([Command::Disconnect { socket: fresh.socket, close: false }]);
    assert_eq!(disconnected(&mut host), fresh.socket);
    // Before the host is done with it.
    client.send(&format!("40{}", auth(&fresh)));
    host.submit([Command::Release { socket: fresh.socket }]);
    assert!(!asking(&mut host).recovered);

    // The client breaks away while the host sends it away.
    let (client, last, _) = come(&mut host, address, "");
    client.vanish();
    assert_eq!(disconnected(&mut host), last.socket);
    host.submit([Command::Disconnect { socket: last.socket, close: false }, Command::Release { socket: last.socket }]);
    assert!(!come(&mut host, address, &auth(&last)).1.recovered);
}

#[test]
fn who_is_refused_may_try_again() {
    let (mut host, address) = Host::serve(ON);
    let (client, first, _) = come(&mut host, address, "");
    host.submit([join(first.socket, &["room"])]);
    vanish(&mut host, client, first.socket);
    host.submit([emit(rooms(&["room"], &[]), r#"["missed"]"#)]);
    let auth = format!(r#"{{"pid":"{}"}}"#, first.pid);
    let (mut client, refused) = ask_in(&mut host, address, &auth);
    assert!(refused.recovered);
    host.submit([Command::Reject { socket: refused.socket, data: r#"{"message":"not now"}"#.into() }]);
    assert_eq!(client.text(), r#"44{"message":"not now"}"#);
    client.send(&format!("40{auth}"));
    let again = asking(&mut host);
    assert!(again.recovered);
    host.submit([Command::Accept { socket: again.socket }]);
    assert_eq!(split(&client.text()).0, r#"42["missed"]"#);
    assert!(client.text().starts_with("40{"));
    assert_eq!(host.engine.rooms(again.socket), [first.sid.as_str(), "room"]);
}

#[test]
fn who_stays_away_expires() {
    let (mut host, address) = Host::serve(r#"{"connectionStateRecovery":{"maxDisconnectionDuration":1}}"#);
    let (client, first, _) = come(&mut host, address, "");
    host.submit([join(first.socket, &["room"])]);
    vanish(&mut host, client, first.socket);
    let (nsp, pid, sid, left) = expired(&mut host);
    assert_eq!((nsp, pid, sid, left), ("/".into(), first.pid.clone(), first.sid.clone(), vec!["room".to_owned()]));
    assert!(!come(&mut host, address, &format!(r#"{{"pid":"{}"}}"#, first.pid)).1.recovered);
}

#[test]
fn only_so_many_are_waited_for() {
    let (mut host, address) = Host::serve(r#"{"connectionStateRecovery":{"maxSessions":1}}"#);
    let (client, first, _) = come(&mut host, address, "");
    let (other, second, _) = come(&mut host, address, "");
    vanish(&mut host, client, first.socket);
    vanish(&mut host, other, second.socket);
    assert_eq!(expired(&mut host).1, first.pid);
    let (_stays, fresh, _) = come(&mut host, address, &format!(r#"{{"pid":"{}"}}"#, first.pid));
    assert!(!fresh.recovered);
    assert!(come(&mut host, address, &format!(r#"{{"pid":"{}"}}"#, second.pid)).1.recovered);
}

fn expired(host: &mut Host) -> (String, String, String, Vec<String>) {
    loop {
        match host.next() {
            Event::SessionExpired { nsp, pid, sid, rooms } => {
                let rooms = rooms.iter().map(ToString::to_string).collect();
                return (nsp.to_string(), pid.to_string(), sid.to_string(), rooms);
            }
            Event::Close { .. } => {}
            other => panic!("nobody has expired, but {other:?}"),
        }
    }
}

#[test]
fn a_host_that_wants_to_see_the_offset() {
    let (mut host, address) = Host::serve(ON);
    assert_eq!(host.engine.stamp("/"), None, "nobody is there");
    let (mut client, first, _) = come(&mut host, address, "");
    // The one before it was not stamped, and has been submitted.
    host.submit([emit(Target::Socket(first.socket), r#"["before"]"#)]);
    let stamp = host.engine.stamp("/").unwrap();
    let flags = Flags { stamped: true, ..Flags::default() };
    let seen = payload(&format!(r#"["seen","{stamp}"]"#));
    host.submit([
        Command::Emit { target: Target::Socket(first.socket), payload: seen, flags, ack: None },
        emit(Target::Socket(first.socket), r#"["after"]"#),
    ]);
    let texts = [client.text(), client.text(), client.text()];
    assert_eq!(events(&texts), [r#"42["before"]"#, r#"42["seen"]"#, r#"42["after"]"#]);
    let [before, seen, _] = texts.each_ref().map(|text| split(text).1);
    assert_eq!(seen, stamp);
    vanish(&mut host, client, first.socket);
    let (_, again, missed) = come(&mut host, address, &back(&first, &before));
    assert!(again.recovered);
    assert_eq!(missed, texts[1..]);
}

#[test]
fn nothing_is_lost_and_nothing_comes_twice() {
    let (mut host, address) = Host::serve(ON);
    let mut sent = 0;
    let mut got = Vec::new();
    let (mut client, first, _) = come(&mut host, address, "");
    host.submit([join(first.socket, &["room"])]);
    let mut socket = first.socket;
    let mut offset = String::new();
    let mut read = |texts: &[String], offset: &mut String| {
        for text in texts {
            let (event, at) = split(text);
            got.push(event.trim_start_matches(r#"42["n","#).trim_end_matches(']').parse::<u32>().unwrap());
            *offset = at;
        }
    };
    for round in 0..30u32 {
        let mut burst = |count| {
            host.submit((0..count).map(|_| {
                sent += 1;
                let target = if sent % 3 == 0 { rooms(&[], &["nobody"]) } else { rooms(&["room"], &[]) };
                emit(target, &format!(r#"["n",{sent}]"#))
            }));
        };
        burst(5 + round % 7);
        // Some of them arrive before it breaks away.
        let texts: Vec<_> = (0..round % 5).map(|_| client.text()).collect();
        read(&texts, &mut offset);
        client.vanish();
        burst(3);
        assert_eq!(disconnected(&mut host), socket);
        host.submit([Command::Release { socket }]);
        let auth = if offset.is_empty() { format!(r#"{{"pid":"{}"}}"#, first.pid) } else { back(&first, &offset) };
        let (back, again, missed) = come(&mut host, address, &auth);
        assert!(again.recovered, "round {round}");
        read(&missed, &mut offset);
        (client, socket) = (back, again.socket);
    }
    assert_eq!(got, (1..=sent).collect::<Vec<u32>>());
}
