//! How often the host is woken, and what happens while it does not listen.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use ferrio_embed::{Command, Event, Flags, Target};
use ferrio_protocol::engine::Frame;

use crate::client::frame;
use crate::toy::{Host, ask, emit, payload, rooms};

#[test]
fn what_comes_in_one_read_wakes_once() {
    let (mut host, address) = Host::serve("{}");
    let (mut client, socket, _) = host.client(address);
    for round in 0..20 {
        assert!(host.is_quiet());
        let before = host.bell.times();
        let burst: Vec<u8> = (0..50).flat_map(|_| frame(1, br#"42["m"]"#)).collect();
        client.socket.get_mut().write_all(&burst).unwrap();
        assert!(host.bell.wait());
        // All of it, before the host has looked once.
        let mut batch = Vec::new();
        while batch.len() < 50 {
            if !host.engine.drain(&mut batch, usize::MAX, usize::MAX) {
                assert!(host.bell.wait());
            }
        }
        let wakes = host.bell.times() - before;
        // A burst of this size is one segment and one read; on a busy machine the kernel may cut it.
        assert!(wakes <= 2, "round {round}: {wakes} wakes");
    }
    assert!(host.is_quiet());
    let before = host.bell.times();
    for _ in 0..50 {
        host.submit([emit(Target::Socket(socket), r#"["m"]"#)]);
    }
    for _ in 0..50 {
        assert_eq!(client.text(), r#"42["m"]"#);
    }
    assert_eq!(host.bell.times(), before, "what the host does is no news to it");
}

#[test]
fn a_host_that_is_awake_is_not_woken() {
    let (mut host, address) = Host::serve("{}");
    let (mut client, ..) = host.client(address);
    assert!(host.is_quiet());
    client.send(r#"42["first"]"#);
    assert!(host.bell.wait());
    let mut batch = Vec::new();
    assert!(host.engine.drain(&mut batch, 100, 1000));
    let before = host.bell.times();
    client.send(r#"42["second"]"#);
    assert!(!host.bell.wait_for(Duration::from_millis(100)));
    assert_eq!(host.bell.times(), before);
    assert!(host.engine.drain(&mut batch, 100, 1000));
    assert!(!host.engine.drain(&mut batch, 100, 1000));
    client.send(r#"42["third"]"#);
    assert!(host.bell.wait());
    assert_eq!(batch.len(), 2);
}

#[test]
fn a_full_mailbox_stops_the_reading() {
    let (mut host, address) = Host::serve(r#"{"mailboxBytes":65536}"#);
    let (mut client, socket, _) = host.client(address);
    let (mut other, ..) = host.client(address);
    assert!(host.is_quiet());

    // A client that sends until nobody takes it any more: the kernel's buffers are full, and ours has its limit.
    let stream = client.socket.get_mut();
    stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let (mut sent, mut cut) = (0, 0);
    let message = |number: usize| frame(1, format!(r#"42["m","{number:0>88}"]"#).as_bytes());
    loop {
        let bytes = message(sent);
        match stream.write(&bytes[cut..]) {
            Ok(count) if cut + count == bytes.len() => (sent, cut) = (sent + 1, 0),
            Ok(count) => cut += count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Err(error) => panic!("{error}"),
        }
        assert!(sent < 1_000_000, "nobody stops us");
    }
    // The limit, and what the two connections read on top of it.
    let mut batch = Vec::new();
    assert!(host.engine.drain(&mut batch, usize::MAX, usize::MAX));
    let held = batch.len() * (100 + size_of::<Event>());
    assert!((65_536..65_536 + 4 * (64 << 10)).contains(&held), "{} events, {held} bytes", batch.len());

    // It goes on by itself once the host takes events, with nothing lost and the other client served.
    client.socket.get_mut().set_write_timeout(None).unwrap();
    let bytes = message(sent);
    let rest = bytes[cut..].to_vec();
    let writer = std::thread::spawn(move || {
        client.socket.get_mut().write_all(&rest).unwrap();
        client
    });
    other.send(r#"42["other"]"#);
    let (mut next, mut heard) = (0, false);
    let mut pending = std::collections::VecDeque::from(batch);
    while next <= sent || !heard {
        let event = pending.pop_front().unwrap_or_else(|| host.next());
        let Event::Message { socket: from, payload, .. } = event else { panic!("{event:?}") };
        if from == socket {
            assert_eq!(payload.text, *format!(r#"["m","{next:0>88}"]"#));
            next += 1;
        } else {
            heard = true;
        }
    }
    let mut client = writer.join().unwrap();
    host.submit([emit(Target::Socket(socket), r#"["bye"]"#), Command::Disconnect { socket, close: false }]);
    assert_eq!(client.text(), r#"42["bye"]"#);
}

/// Nobody is heard while the mailbox is full: silence means nothing then.
#[test]
fn a_host_that_is_stuck_loses_nobody() {
    const BURST: usize = 2000;
    let (mut host, address) = Host::serve(r#"{"mailboxBytes":65536,"pingInterval":1000,"pingTimeout":100}"#);
    // One fills the mailbox, the other says nothing but what it must.
    let clients = [BURST, 0].map(|burst| {
        let (client, socket, _) = host.client(address);
        (burst, client, socket)
    });
    let sockets = [clients[0].2, clients[1].2];
    let threads = clients.map(|(burst, mut client, _)| {
        std::thread::spawn(move || {
            let burst: Vec<u8> = (0..burst).flat_map(|_| frame(1, br#"42["m"]"#)).collect();
            client.socket.get_mut().write_all(&burst).unwrap();
            loop {
                match client.text().as_str() {
                    "2" => client.send("3"),
                    r#"42["bye"]"# => return,
                    other => panic!("{other}"),
                }
            }
        })
    });
    // Fifteen times as long as the answer to the ping may take.
    std::thread::sleep(Duration::from_millis(2500));
    let mut count = 0;
    while count < BURST {
        match host.next() {
            Event::Message { socket, .. } => {
                assert_eq!(socket, sockets[0]);
                count += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    host.submit(sockets.map(|socket| emit(Target::Socket(socket), r#"["bye"]"#)));
    for thread in threads {
        thread.join().unwrap();
    }
}

/// A host that submits faster than its commands are carried out sees what it has submitted.
#[test]
fn what_has_not_been_carried_out_counts_as_waiting() {
    let (mut host, address) = Host::serve(r#"{"highMark":1000}"#);
    let (mut client, socket, conn) = host.client(address);
    for length in [10, 3000] {
        assert!(host.is_quiet());
        let bell = std::sync::Arc::clone(&host.bell);
        let held = bell.hold.lock();
        // On its way, the worker wakes the host, and stands still there.
        let mut commands: Vec<_> = (0..100).map(|ack| ask(rooms(&["nobody"], &[]), r#"["x"]"#, ack, None)).collect();
        let text = format!(r#"["m","{}"]"#, "x".repeat(length));
        let raw = Frame::Text("raw".into());
        commands.extend([
            emit(Target::Socket(socket), &text),
            Command::Ack { socket, id: 1, payload: payload("[]") },
            Command::Write { conns: vec![conn], data: vec![raw], flags: Flags::default(), receipt: None },
        ]);
        host.submit(commands);
        let slow = length > 1000;
        assert_eq!(host.engine.buffered(socket), (text.len() + 5, slow));
        drop(held);
        assert_eq!(client.text(), format!("42{text}"));
        assert_eq!(client.text(), "431[]");
        assert_eq!(client.text(), "4raw");
        for _ in 0..100 {
            assert!(matches!(host.next(), Event::AckEnd { .. }));
        }
        if slow {
            assert!(matches!(host.next(), Event::Drain { conn: of } if of == conn));
        }
        assert_eq!(host.engine.buffered(socket), (0, false));
    }
}

/// What will not be sent does not wait, either.
#[test]
fn what_is_dropped_is_no_reason_to_wait() {
    let (mut host, address) = Host::serve(r#"{"highMark":1000}"#);
    let (mut client, socket, _) = host.client(address);
    assert!(host.is_quiet());
    let bell = std::sync::Arc::clone(&host.bell);
    let held = bell.hold.lock();
    let mut commands: Vec<_> = (0..100).map(|ack| ask(rooms(&["nobody"], &[]), r#"["x"]"#, ack, None)).collect();
    commands.extend([
        Command::Disconnect { socket, close: false },
        emit(Target::Socket(socket), &format!(r#"["m","{}"]"#, "x".repeat(3000))),
    ]);
    host.submit(commands);
    assert!(host.engine.buffered(socket).1);
    drop(held);
    assert_eq!(client.text(), "41");
    let mut drained = false;
    while !drained {
        match host.next() {
            Event::AckEnd { .. } | Event::Disconnect { .. } => {}
            Event::Drain { .. } => drained = true,
            other => panic!("{other:?}"),
        }
    }
}
