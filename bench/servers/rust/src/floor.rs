//! What the kernel alone costs: one thread, one epoll, one `recv` for each wake-up of a connection and one `send` for all
//! that it answers. Usage: bench-floor PORT
//!
//! No Socket.IO server: it knows just enough of the wire for the load generator (one fixed nonce, no JSON, no check of
//! anything), so that a server's figures can be read against what cannot be gone below.
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(usize::MAX);
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const OPEN: &str =
    r#"0{"sid":"aaaaaaaaaaaaaaaaaaaa","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
const CONNECTED: &str = r#"40{"sid":"bbbbbbbbbbbbbbbbbbbb"}"#;

struct Peer {
    stream: TcpStream,
    switched: bool,
    /// What was read and is no whole frame yet.
    input: Vec<u8>,
    output: Vec<u8>,
}

fn main() {
    let port: u16 = std::env::args().nth(1).and_then(|port| port.parse().ok()).expect("usage: bench-floor PORT");
    let mut poll = Poll::new().expect("an epoll");
    let mut listener = TcpListener::bind(([127, 0, 0, 1], port).into()).expect("the port is free");
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE).expect("registering");
    let mut events = Events::with_capacity(256);
    let mut peers: HashMap<usize, Peer> = HashMap::new();
    let mut room: Vec<usize> = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    let mut next = 0;
    loop {
        poll.poll(&mut events, None).expect("polling");
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true).ok();
                    let both = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, Token(next), both).expect("registering");
                    peers.insert(next, Peer { stream, switched: false, input: Vec::new(), output: Vec::new() });
                    next += 1;
                }
                continue;
            }
            let key = event.token().0;
            let Some(peer) = peers.get_mut(&key) else { continue };
            if event.is_writable() {
                peer.send();
            }
            if !event.is_readable() {
                continue;
            }
            let mut broadcasts = Vec::new();
            if !peer.receive(&mut buffer, |message, output| match message {
                b"40" => frame(output, 1, CONNECTED.as_bytes()),
                b"420[\"join\"]" => {
                    room.push(key);
                    frame(output, 1, b"430[]");
                }
                _ if message.starts_with(b"42[\"bcast\"") => broadcasts.push(message.to_vec()),
                _ => answer(message, output),
            }) {
                peers.remove(&key);
                room.retain(|member| *member != key);
                continue;
            }
            for broadcast in broadcasts {
                let mut framed = Vec::new();
                frame(&mut framed, 1, &broadcast);
                for member in &room {
                    let Some(peer) = peers.get_mut(member) else { continue };
                    peer.output.extend_from_slice(&framed);
                    peer.send();
                }
            }
        }
    }
}

/// An echo, or `42<id>["ack",X]` -> `43<id>[X]`.
fn answer(message: &[u8], output: &mut Vec<u8>) {
    let comma = message.iter().position(|byte| *byte == b',');
    match (message.get(2).is_some_and(u8::is_ascii_digit), message.iter().position(|byte| *byte == b'['), comma) {
        (true, Some(bracket), Some(comma)) => {
            let ack = [b"43", &message[2..=bracket], &message[comma + 1..]].concat();
            frame(output, 1, &ack);
        }
        _ => frame(output, if message.first() == Some(&b'4') { 1 } else { 2 }, message),
    }
}

impl Peer {
    /// One `recv`. A short one has emptied the socket. False when the peer is gone.
    fn receive(&mut self, buffer: &mut [u8], mut each: impl FnMut(&[u8], &mut Vec<u8>)) -> bool {
        loop {
            let count = match self.stream.read(buffer) {
                Ok(0) => return false,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            };
            self.input.extend_from_slice(&buffer[..count]);
            let mut used = 0;
            if !self.switched
                && let Some(end) = self.input.windows(4).position(|window| window == b"\r\n\r\n")
            {
                self.switched = true;
                used = end + 4;
                self.output.extend_from_slice(SWITCH.as_bytes());
                frame(&mut self.output, 1, OPEN.as_bytes());
            }
            while self.switched
                && let Some((from, length)) = whole_frame(&self.input[used..])
            {
                let (head, message) = self.input[used..used + from + length].split_at_mut(from);
                let key: [u8; 4] = head[from - 4..].try_into().expect("four bytes");
                message.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
                each(message, &mut self.output);
                used += from + length;
            }
            self.input.drain(..used);
            self.send();
            if count < buffer.len() {
                return true;
            }
        }
    }

    fn send(&mut self) {
        while !self.output.is_empty()
            && let Ok(count) = self.stream.write(&self.output)
        {
            self.output.drain(..count);
        }
    }
}

/// Where the payload of the first frame begins, and its length.
fn whole_frame(bytes: &[u8]) -> Option<(usize, usize)> {
    let (from, length) = match *bytes.get(1)? & 127 {
        126 => (8, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => return None, // the load sends none
        short => (6, usize::from(short)),
    };
    (bytes.len() >= from + length).then_some((from, length))
}

fn frame(output: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    output.push(0x80 | opcode);
    match payload.len() {
        short @ 0..126 => output.push(short as u8),
        long => {
            output.push(126);
            output.extend_from_slice(&(long as u16).to_be_bytes());
        }
    }
    output.extend_from_slice(payload);
}
