//! What a client may cost.

use ferrio::{Data, Reason, Socket, State};

use crate::support::{Client, Host, Journal, journal};

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
    assert_eq!(read.next(), format!("{} transport error", slow.id));
    assert!(most <= 10 * PIECE, "{most}");
    quick.send("41");
    assert_eq!(read.next(), format!("{} client namespace disconnect", quick.id));
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
#[cfg(target_os = "linux")]
fn an_idle_connection_is_small() {
    const CONNECTIONS: usize = 200;
    let host = Host::new();
    host.server.on("echo", |socket: Socket, Data(text): Data<String>| socket.emit("echo", text));
    // The first ones pay for what all share.
    let warm: Vec<_> = (0..20).map(|_| host.client()).collect();
    let before = resident();
    let clients: Vec<_> = (0..CONNECTIONS).map(|_| bare_client(&host)).collect();
    assert_eq!(host.server.sockets().len(), CONNECTIONS + warm.len());
    let each = (resident() - before) / CONNECTIONS;
    assert!(each < 24 << 10, "{each} bytes for each connection");
    drop(clients);
}

/// A client that has joined and costs this process no more than its descriptor.
#[cfg(target_os = "linux")]
fn bare_client(host: &Host) -> std::net::TcpStream {
    use std::io::{Read as _, Write as _};
    let mut tcp = std::net::TcpStream::connect(host.address).unwrap();
    tcp.set_read_timeout(Some(crate::support::DEADLINE)).unwrap();
    let head = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n\
        upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    tcp.write_all(head.as_bytes()).unwrap();
    tcp.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'4', b'0']).unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 512];
    while !String::from_utf8_lossy(&answer).contains("40{\"sid\"") {
        let count = tcp.read(&mut buffer).unwrap();
        assert!(count > 0, "refused: {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&buffer[..count]);
    }
    tcp
}

#[cfg(target_os = "linux")]
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}
