//! What tungstenite costs, well used: one thread, one epoll, all answers to what a wake-up brought in one write.
//! Usage: bench-tungstenite PORT
//!
//! No Socket.IO server: messages go back as they came. It answers the handshakes of the load generator with what `bench-floor`
//! answers, and looks into no JSON.
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

const LISTENER: Token = Token(usize::MAX);
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const OPEN: &str =
    r#"0{"sid":"aaaaaaaaaaaaaaaaaaaa","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
const CONNECTED: &str = r#"40{"sid":"bbbbbbbbbbbbbbbbbbbb"}"#;

enum Peer {
    /// Has not sent the whole of its request.
    New(TcpStream, Vec<u8>),
    Open(WebSocket<TcpStream>),
}

fn main() {
    let port: u16 = std::env::args().nth(1).and_then(|port| port.parse().ok()).expect("usage: bench-tungstenite PORT");
    let mut poll = Poll::new().expect("an epoll");
    let mut listener = TcpListener::bind(([127, 0, 0, 1], port).into()).expect("the port is free");
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE).expect("registering");
    let mut events = Events::with_capacity(256);
    let mut peers: HashMap<usize, Peer> = HashMap::new();
    let mut next = 0;
    loop {
        poll.poll(&mut events, None).expect("polling");
        for event in &events {
            let key = event.token().0;
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true).ok();
                    let both = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, Token(next), both).expect("registering");
                    peers.insert(next, Peer::New(stream, Vec::new()));
                    next += 1;
                }
            } else if let Some(peer) = peers.remove(&key)
                && let Some(peer) = peer.turn()
            {
                peers.insert(key, peer);
            }
        }
    }
}

impl Peer {
    /// Everything that can be done now. `None` when the peer is gone.
    fn turn(self) -> Option<Self> {
        match self {
            Self::New(stream, head) => greet(stream, head),
            Self::Open(mut socket) => echo(&mut socket).then_some(Self::Open(socket)),
        }
    }
}

fn greet(mut stream: TcpStream, mut head: Vec<u8>) -> Option<Peer> {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return None,
            Ok(count) => head.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(_) => return None,
        }
    }
    if !head.ends_with(b"\r\n\r\n") {
        return Some(Peer::New(stream, head));
    }
    stream.write_all(SWITCH.as_bytes()).ok()?;
    let config = WebSocketConfig::default().read_buffer_size(4 << 10).write_buffer_size(128 << 10);
    let mut socket = WebSocket::from_raw_socket(stream, Role::Server, Some(config));
    socket.send(Message::text(OPEN)).ok()?;
    Some(Peer::Open(socket))
}

fn echo(socket: &mut WebSocket<TcpStream>) -> bool {
    loop {
        let answer = match socket.read() {
            Ok(Message::Text(text)) if text.as_str() == "40" => Message::text(CONNECTED),
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => message,
            Ok(_) => continue,
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => break,
            Err(_) => return false,
        };
        if !may_go_on(socket.write(answer)) {
            return false;
        }
    }
    may_go_on(socket.flush())
}

/// What would block is written when the socket takes it again.
fn may_go_on(result: Result<(), Error>) -> bool {
    match result {
        Err(Error::Io(error)) => error.kind() == ErrorKind::WouldBlock,
        result => result.is_ok(),
    }
}
