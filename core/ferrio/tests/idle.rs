//! What an idle connection costs. A program of its own: it measures the memory of its process.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use ferrio::{Data, Server, Socket};

/// The aim is 10 KiB (`bench/` measures it with many more, on a quiet machine); this finds a buffer that was left behind.
const ENOUGH: usize = 16 << 10;
const CONNECTIONS: usize = 300;

#[test]
fn an_idle_connection_is_small() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = Server::builder().runtime(runtime.handle().clone()).build();
    server.on("echo", |socket: Socket, Data(text): Data<String>| socket.emit("echo", text));
    let address = runtime.block_on(server.listen("127.0.0.1:0")).unwrap();
    // The first ones pay for what all share.
    let warm: Vec<_> = (0..20).map(|_| join(address)).collect();
    let before = resident();
    let clients: Vec<_> = (0..CONNECTIONS).map(|_| join(address)).collect();
    assert_eq!(server.sockets().len(), warm.len() + clients.len());
    let each = resident().saturating_sub(before) / CONNECTIONS;
    assert!(each < ENOUGH, "{each} bytes for each connection");
}

/// A client that has joined and costs this process no more than its descriptor.
fn join(address: SocketAddr) -> TcpStream {
    const HEAD: &str = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n\
        upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    const CONNECT: [u8; 8] = [0x81, 0x82, 0, 0, 0, 0, b'4', b'0'];

    let mut tcp = TcpStream::connect(address).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    tcp.write_all(HEAD.as_bytes()).unwrap();
    tcp.write_all(&CONNECT).unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 512];
    while !String::from_utf8_lossy(&answer).contains("40{\"sid\"") {
        let count = tcp.read(&mut buffer).unwrap();
        assert!(count > 0, "refused: {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&buffer[..count]);
    }
    tcp
}

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}
