//! What a client may cost.

use std::thread;
use std::time::{Duration, Instant};

use ferrio::{Data, Limits, Reason, SlowConsumer, Socket, State};

use crate::support::{Client, DEADLINE, Host, Journal, journal, raw_head};

#[test]
fn a_client_that_does_not_read_is_closed_and_nobody_else() {
    const PIECE: usize = 100_000;
    let (journal, read) = journal();
    let host = Host::with(|builder| builder.high_mark(PIECE).hard_limit(10 * PIECE).state(journal));
    host.server.on_disconnect(|socket: Socket, reason: Reason, State(journal): State<Journal>| {
        journal.write(format!("{} {reason}", socket.id()));
    });
    let slow = host.client();
    let mut quick = host.client();
    let piece = "x".repeat(PIECE);
    let expected = format!(r#"42["piece","{piece}"]"#);
    let server = host.server.clone();
    let slow_socket = server.of("/").socket(&slow.id).unwrap();
    // The kernel's buffers take the first ones, as many as they like.
    let mut most = 0;
    while slow_socket.is_connected() {
        server.emit("piece", &piece).unwrap();
        quick.expect(&expected);
        most = most.max(slow_socket.buffered());
    }
    assert_eq!(read.next(), format!("{} slow consumer", slow.id));
    assert!(most <= 10 * PIECE, "{most}");
    quick.send("41");
    assert_eq!(read.next(), format!("{} client namespace disconnect", quick.id));
}

#[test]
fn a_client_that_does_not_read_may_miss_events_instead() {
    const PIECE: usize = 100_000;
    let host = Host::with(|builder| builder.high_mark(PIECE).hard_limit(10 * PIECE).slow_consumer(SlowConsumer::Drop));
    let mut client = host.client();
    let socket = host.server.of("/").socket(&client.id).unwrap();
    let padding = "x".repeat(PIECE);
    let mut sent = 0;
    // Until one has been dropped for certain: then nothing more waits than before.
    let mut before = 0;
    loop {
        socket.emit("piece", (sent, &padding)).unwrap();
        sent += 1;
        let waiting = socket.buffered();
        assert!(waiting <= 10 * PIECE, "{waiting}");
        if waiting == before && waiting > 9 * PIECE {
            break;
        }
        before = waiting;
    }
    let number = |text: String| text[11..].split(',').next().unwrap().parse::<usize>().unwrap();
    // What it gets until there is room again is the beginning, in order.
    for expected in 0..sent / 2 {
        assert_eq!(number(client.text()), expected);
    }
    socket.emit("last", ()).unwrap();
    let mut expected = sent / 2;
    loop {
        let text = client.text();
        if text == r#"42["last"]"# {
            break;
        }
        assert_eq!(number(text), expected);
        expected += 1;
    }
    assert!(expected < sent, "none was dropped");
    assert!(socket.is_connected());
}

#[test]
fn volatile_events_go_first() {
    const PIECE: usize = 100_000;
    let host = Host::with(|builder| builder.high_mark(8 * PIECE).hard_limit(10 * PIECE));
    host.server.on("pour", |socket: Socket| {
        let padding = "x".repeat(PIECE);
        // Within one turn nothing leaves: all of this waits at the same time, and would be too much.
        for _ in 0..20 {
            socket.volatile().emit("volatile", &padding)?;
        }
        for _ in 0..9 {
            socket.emit("piece", &padding)?;
        }
        Ok::<_, ferrio::EmitError>(())
    });
    let mut client = host.client();
    client.send(r#"421["pour"]"#);
    for _ in 0..9 {
        assert!(client.text().starts_with(r#"42["piece","#));
    }
    client.expect("431[]");
}

#[test]
fn a_client_that_takes_nothing_is_closed_in_time() {
    let (journal, read) = journal();
    let host = Host::with(|builder| builder.write_timeout(Duration::from_millis(100)).state(journal));
    host.server.on_disconnect(|socket: Socket, reason: Reason, State(journal): State<Journal>| {
        journal.write(format!("{} {reason}", socket.id()));
    });
    let (stalled, mut other) = (host.client(), host.client());
    // More than the kernel takes for it, less than the hard limit.
    host.server.of("/").socket(&stalled.id).unwrap().emit("piece", "x".repeat(12 << 20)).unwrap();
    assert_eq!(read.next(), format!("{} slow consumer", stalled.id));
    host.server.emit("hi", ()).unwrap();
    other.expect(r#"42["hi"]"#);
}

#[test]
fn a_program_can_wait_for_a_slow_client() {
    const PIECE: usize = 100_000;
    const PIECES: usize = 200;
    let host = Host::with(|builder| builder.high_mark(2 * PIECE).hard_limit(20 * PIECE));
    host.server.on("pour", async |socket: Socket, Data(pieces): Data<usize>| {
        let piece = "x".repeat(PIECE);
        for _ in 0..pieces {
            socket.ready().await;
            socket.emit("piece", &piece)?;
        }
        Ok::<_, ferrio::EmitError>(())
    });
    let mut client = host.client();
    client.send(&format!(r#"421["pour",{PIECES}]"#));
    for _ in 0..PIECES {
        assert!(client.text().len() > PIECE);
    }
    client.expect("431[]");
}

#[test]
fn events_that_outrun_their_handlers_end_the_connection() {
    let (journal, read) = journal();
    let host = Host::with(|builder| builder.hard_limit(1 << 20).ordered(true).state(journal));
    host.server.on("stuck", async || std::future::pending::<()>().await);
    let mut client = host.client();
    let mut other = Client::open(host.address, "");
    other.join("/", None);
    let event = format!(r#"42["stuck","{}"]"#, "x".repeat(100_000));
    for _ in 0..12 {
        if !client.try_send(&event) {
            break;
        }
    }
    client.expect_close();
    assert!(read.is_empty(), "the end waits for the handler that is stuck");
    other.send(r#"42["stuck"]"#);
    assert_eq!(host.server.connections(), 1);
}

#[test]
fn what_strikes_is_counted() {
    let limits = Limits { json_depth: 3, namespaces: 2, ..Limits::default() };
    let host = Host::with(|builder| builder.limits(limits));
    host.server.of("/a");
    host.server.of("/b");
    let mut deep = host.client();
    deep.send(r#"42["deep",[[[[]]]]]"#);
    until_closed(&host, 1);
    let mut greedy = host.client();
    greedy.send("40/a,");
    greedy.send("40/b,");
    until_closed(&host, 2);
    assert_eq!(Client::try_open(host.address, "&EIO=3").0, 400);
    let stats = host.server.stats();
    assert_eq!((stats.opened, stats.connections, stats.buffered_bytes), (2, 0, 0));
    assert_eq!((stats.refused[&5], stats.refused[&0]), (1, 0));
    assert_eq!(stats.closed, [("forced close", 2)].into());
    let struck: Vec<_> = stats.limits.into_iter().filter(|(_, count)| *count > 0).collect();
    assert_eq!(struck, [("json_depth", 1), ("namespaces", 1)]);
}

#[test]
fn frames_and_headers_are_counted_against_their_options() {
    let limits = Limits { fragments: 3, control_frames: 2, ..Limits::default() };
    let host = Host::with(|builder| builder.limits(limits).max_headers(5));
    let (mut cut, mut pinging) = (host.client(), host.client());
    cut.send_fragments(&["42[", "\"three\"", "]"]);
    cut.send_fragments(&["42[", "\"fo", "ur\"", "]"]);
    assert_eq!(cut.expect_close_frame().0, 1008);
    for _ in 0..3 {
        pinging.ping();
    }
    assert_eq!(pinging.expect_close_frame().0, 1008);
    until_closed(&host, 2);
    let request = |headers: usize| format!("GET /socket.io/?EIO=9 HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(headers));
    assert!(raw_head(host.address, &request(5)).starts_with("HTTP/1.1 400 "));
    assert!(raw_head(host.address, &request(6)).starts_with("HTTP/1.1 431 "));
    let until = Instant::now() + DEADLINE;
    let struck = || host.server.stats().limits.into_iter().filter(|(_, count)| *count > 0).collect::<Vec<_>>();
    while struck().len() < 3 {
        assert!(Instant::now() < until, "{:?}", struck());
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(struck(), [("control_frames", 1), ("fragments", 1), ("max_header_bytes", 1)]);
}

#[test]
fn time_that_is_over_is_counted() {
    let host = Host::with(|builder| builder.connect_timeout(Duration::from_millis(50)));
    let _silent = Client::open(host.address, "");
    until_closed(&host, 1);
    assert_eq!(host.server.stats().limits["connect_timeout"], 1);
}

fn until_closed(host: &Host, count: u64) {
    let until = Instant::now() + DEADLINE;
    while host.server.stats().closed.values().sum::<u64>() < count || host.server.connections() > 0 {
        assert!(Instant::now() < until, "{:?}", host.server.stats());
        thread::sleep(Duration::from_millis(1));
    }
}
