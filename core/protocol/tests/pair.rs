//! Two sessions talk to each other under a fake clock (`pair/mod.rs`).

#[path = "pair/mod.rs"]
mod harness;

use std::sync::Arc;
use std::time::Duration;

use ferrio_protocol::engine::{Frame, Packet, Transport, handshake};
use ferrio_protocol::session::{Layer, Settings};
use ferrio_protocol::{Event, Message, Reason, Text};
use harness::{Pair, Side, settings};

/// The promise of the upgrade: nothing lost, nothing doubled, nothing reordered, whatever overtakes what.
#[test]
fn an_upgrade_keeps_every_message_in_order() {
    for seed in 0..3000 {
        let mut pair = Pair::joined(Transport::Polling, seed, "/");
        let mut sent = [0, 0];
        for _ in 0..60 {
            let side = if pair.chance.below(2) == 0 { Side::Client } else { Side::Server };
            let number = sent[side as usize];
            pair.emit(side, "/", number);
            sent[side as usize] += 1;
            let pause = pair.chance.below(60);
            pair.run_for(Duration::from_millis(pause));
        }
        pair.run_for(Duration::from_secs(5));
        assert_eq!(pair.client.transport(), Transport::WebSocket, "seed {seed}");
        assert_eq!(pair.server.transport(), Transport::WebSocket, "seed {seed}");
        assert_eq!(pair.numbers(Side::Server), (0..sent[0]).collect::<Vec<_>>(), "to the server, seed {seed}");
        assert_eq!(pair.numbers(Side::Client), (0..sent[1]).collect::<Vec<_>>(), "to the client, seed {seed}");
    }
}

/// The same without Socket.IO: whatever a message says is the application's affair, also what Socket.IO would refuse.
#[test]
fn without_socket_io_messages_are_what_was_sent() {
    for seed in 0..300 {
        for transport in [Transport::Polling, Transport::WebSocket] {
            let mut pair = Pair::new(transport, Settings { layer: Layer::EngineIo, ..settings() }, seed);
            pair.run_until(|pair| pair.client.is_open());
            let mut sent = [0, 0];
            for _ in 0..60 {
                let side = if pair.chance.below(2) == 0 { Side::Client } else { Side::Server };
                pair.write(side, sent[side as usize]);
                sent[side as usize] += 1;
                let pause = pair.chance.below(60);
                pair.run_for(Duration::from_millis(pause));
            }
            // Long past the time to join a namespace.
            pair.run_for(Duration::from_secs(600));
            assert!(pair.client.is_open() && pair.server.is_open(), "seed {seed}");
            assert_eq!(pair.server.transport(), Transport::WebSocket, "seed {seed}");
            assert_eq!(pair.raw_numbers(Side::Server), (0..sent[0]).collect::<Vec<_>>(), "to the server, seed {seed}");
            assert_eq!(pair.raw_numbers(Side::Client), (0..sent[1]).collect::<Vec<_>>(), "to the client, seed {seed}");
            let nothing_else = |event: &Event| matches!(event, Event::Opened(_) | Event::Upgraded | Event::Data(_));
            assert!(pair.server_events.iter().chain(&pair.client_events).all(nothing_else), "seed {seed}");
        }
    }
}

#[test]
fn a_watched_session_shows_every_packet() {
    let mut pair = Pair::joined(Transport::WebSocket, 1, "/");
    // It will leave its namespace and stay.
    pair.server.configure(Arc::new(Settings { connect_timeout: Duration::from_secs(3600), ..settings() }));
    pair.server.watch(true);
    pair.emit(Side::Client, "/", 0);
    pair.run_for(Duration::from_secs(1));
    pair.server.disconnect(&Text::from_static("/"), pair.now);
    pair.settle();
    pair.run_for(Duration::from_secs(25));
    let mut seen = Vec::new();
    for event in &pair.server_events {
        match event {
            Event::Packet { sent, packet } => seen.push((*sent, packet.clone())),
            Event::Message { .. } => assert_eq!(seen.len(), 2, "behind the packets that it came in"),
            _ => {}
        }
    }
    let text = |text: &str| Packet::Message(Text::from(text));
    let number = Packet::Binary(0_u64.to_be_bytes().to_vec().into());
    let told = [
        (false, text(r#"51-["n",0,{"_placeholder":true,"num":0}]"#)),
        (false, number),
        (true, text("1")),
        (true, Packet::Ping(Text::default())),
        (false, Packet::Pong(Text::default())),
    ];
    assert_eq!(seen, told);

    pair.server.watch(false);
    pair.server_events.clear();
    pair.run_for(Duration::from_secs(60));
    assert!(pair.server_events.is_empty(), "{:?}", pair.server_events);
}

/// engine.io reads its options when a timer starts.
#[test]
fn other_settings_count_from_the_next_heartbeat_on() {
    let mut pair = Pair::joined(Transport::WebSocket, 1, "/");
    pair.server.watch(true);
    let settings = Settings { ping_interval: Duration::from_secs(5), layer: Layer::EngineIo, ..settings() };
    pair.server.configure(Arc::new(settings));
    let pings = |pair: &Pair| {
        let is_ping = |event: &&Event| matches!(event, Event::Packet { sent: true, packet: Packet::Ping(_) });
        pair.server_events.iter().filter(is_ping).count()
    };
    pair.run_for(Duration::from_secs(20));
    assert_eq!(pings(&pair), 0);
    pair.run_for(Duration::from_secs(25));
    assert!((4..=5).contains(&pings(&pair)), "{}", pings(&pair));
    pair.emit(Side::Client, "/", 1);
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.numbers(Side::Server), [1], "the layer stays");
}

#[test]
fn the_initial_message_comes_first() {
    for transport in [Transport::Polling, Transport::WebSocket] {
        let initial = Message::raw([Frame::Text("hello".into())]).pop().map(Arc::new);
        let raw = Settings { layer: Layer::EngineIo, initial, ..settings() };
        let mut pair = Pair::new(transport, raw, 1);
        pair.write(Side::Server, 1);
        pair.run_for(Duration::from_secs(5));
        let mut events = pair.client_events.iter().filter(|event| !matches!(event, Event::Upgraded));
        assert!(matches!(events.next(), Some(Event::Opened(_))));
        assert!(matches!(events.next(), Some(Event::Data(Frame::Text(text))) if text == "hello"));
        assert!(matches!(events.next(), Some(Event::Data(Frame::Text(text))) if text == "1"));
        assert!(events.next().is_none());
    }
}

#[test]
fn heartbeats_keep_an_idle_pair_alive_for_a_day() {
    for transport in [Transport::Polling, Transport::WebSocket] {
        let mut pair = Pair::joined(transport, 1, "/");
        pair.run_for(Duration::from_secs(24 * 3600));
        assert!(pair.client.is_open() && pair.server.is_open(), "{transport:?}");
        pair.emit(Side::Server, "/", 7);
        pair.run_for(Duration::from_secs(1));
        assert_eq!(pair.numbers(Side::Client), [7]);
    }
}

#[test]
fn a_silent_server_is_noticed_after_interval_and_timeout() {
    for transport in [Transport::Polling, Transport::WebSocket] {
        let mut pair = Pair::joined(transport, 1, "/");
        pair.run_for(Duration::from_secs(5));
        let start = pair.now;
        pair.deaf = true;
        pair.run_until(|pair| pair.client_events.iter().any(|event| matches!(event, Event::Closed { .. })));
        let waited = pair.now - start;
        assert!(waited <= Duration::from_secs(45) && waited >= Duration::from_secs(39), "{waited:?}");
        assert_eq!(reason(&pair.client_events), Reason::PingTimeout);
    }
}

#[test]
fn a_client_that_joins_nothing_is_let_go() {
    let mut pair = Pair::new(Transport::WebSocket, settings(), 1);
    pair.run_for(Duration::from_secs(46));
    assert_eq!(reason(&pair.server_events), Reason::ForcedClose);
    assert_eq!(pair.gone, [true, true]);
}

#[test]
fn a_client_that_left_everything_is_let_go_unless_it_joins_again() {
    for by in [Side::Client, Side::Server] {
        for again in [false, true] {
            let mut pair = Pair::joined(Transport::WebSocket, 1, "/");
            let nsp = Text::from_static("/");
            pair.run_for(Duration::from_secs(100));
            let (leaver, now) = (if by == Side::Client { &mut pair.client } else { &mut pair.server }, pair.now);
            assert!(leaver.disconnect(&nsp, now));
            pair.settle();
            pair.run_for(Duration::from_secs(44));
            assert!(pair.server.is_open());
            if again {
                pair.client.connect(nsp.clone(), None);
                pair.settle();
                pair.run_for(Duration::from_millis(500));
                assert!(pair.server.accept(&nsp, Some(Text::from_static(r#"{"sid":"s"}"#))));
                pair.settle();
            }
            pair.run_for(Duration::from_secs(60));
            assert_eq!(pair.server.is_open(), again, "{by:?}");
        }
    }
}

#[test]
fn a_close_of_the_server_sends_what_is_queued_first() {
    for transport in [Transport::Polling, Transport::WebSocket] {
        let mut pair = Pair::joined(transport, 3, "/");
        pair.run_for(Duration::from_secs(2));
        for number in 0..5 {
            pair.emit(Side::Server, "/", number);
        }
        let now = pair.now;
        pair.server.close(Reason::ForcedServerClose, false, now);
        pair.settle();
        pair.run_for(Duration::from_secs(40));
        assert_eq!(pair.numbers(Side::Client), [0, 1, 2, 3, 4], "{transport:?}");
        assert_eq!(reason(&pair.client_events), Reason::TransportClose, "{transport:?}");
    }
}

#[test]
fn a_namespace_is_left_from_either_side() {
    let mut pair = Pair::joined(Transport::WebSocket, 3, "/chat");
    let nsp = Text::from_static("/chat");
    assert!(pair.client.disconnect(&nsp, pair.now));
    pair.settle();
    pair.run_for(Duration::from_secs(1));
    assert!(pair.server_events.iter().any(|event| matches!(event, Event::Disconnect { nsp } if nsp == "/chat")));
    assert!(pair.server.is_open(), "the connection stays");
    assert!(!pair.server.disconnect(&nsp, pair.now), "it has left already");
}

/// What a server emits, attachments and all, while it decides about a client (or while the client leaves) is no offence.
#[test]
fn a_server_may_emit_before_it_lets_a_client_in_and_after_that_left() {
    let admin = Text::from_static("/admin");
    let mut pair = Pair::joined(Transport::WebSocket, 7, "/");
    pair.client.connect(admin.clone(), None);
    pair.settle();
    pair.run_until(|pair| {
        pair.server_events.iter().filter(|event| matches!(event, Event::Connect { .. })).count() == 2
    });
    (0..4).for_each(|number| pair.emit(Side::Server, "/admin", number));
    pair.run_until(|pair| pair.numbers(Side::Client).len() == 4);
    assert!(pair.server.accept(&admin, Some(Text::from_static(r#"{"sid":"s"}"#))));
    pair.settle();
    pair.run_until(|pair| pair.client.has_joined("/admin"));
    (4..8).for_each(|number| pair.emit(Side::Server, "/admin", number));
    assert!(pair.client.disconnect(&admin, pair.now));
    pair.settle();
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.numbers(Side::Client), [0, 1, 2, 3]);
    assert!(pair.client.is_open() && pair.server.is_open());
}

#[test]
fn a_refused_client_may_ask_again() {
    let mut pair = Pair::new(Transport::WebSocket, settings(), 3);
    pair.run_until(|pair| pair.client.is_open());
    let nsp = Text::from_static("/");
    for _ in 0..2 {
        pair.client.connect(nsp.clone(), Some(Text::from_static(r#"{"token":"bad"}"#)));
        pair.settle();
        pair.run_for(Duration::from_secs(1));
        assert!(pair.server.reject(&nsp, Text::from_static(r#"{"message":"no"}"#)));
        pair.settle();
        pair.run_for(Duration::from_secs(1));
    }
    let refusals = pair.client_events.iter().filter(|event| matches!(event, Event::ConnectError { .. })).count();
    assert_eq!(refusals, 2);
    assert!(pair.server.is_open());
}

#[test]
fn session_ids_are_what_sticky_balancers_expect() {
    let sid = handshake::session_id([255; 15]);
    assert_eq!(sid.len(), 20);
    assert!(sid.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
}

fn reason(events: &[Event]) -> Reason {
    let closed = events.iter().find_map(|event| match event {
        Event::Closed { reason, .. } => Some(*reason),
        _ => None,
    });
    closed.expect("it closed")
}
