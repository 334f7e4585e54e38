//! A client that knows WebSocket frames, and of Socket.IO nothing.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};

use ferrio::net::Head;
use tungstenite::{Message, WebSocket};

use crate::toy::PATIENCE;

pub(crate) struct Client {
    pub(crate) socket: WebSocket<TcpStream>,
}

impl Client {
    /// Opens a session on a WebSocket.
    pub(crate) fn websocket(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
        let (socket, _) = tungstenite::client(url, stream).unwrap();
        let mut client = Self { socket };
        assert!(client.text().starts_with(r#"0{"sid":""#));
        client
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.socket.send(Message::text(text)).unwrap();
    }

    pub(crate) fn send_binary(&mut self, bytes: &'static [u8]) {
        self.socket.send(Message::binary(bytes)).unwrap();
    }

    /// The next message, a text.
    pub(crate) fn text(&mut self) -> String {
        match self.socket.read().unwrap() {
            Message::Text(text) => text.to_string(),
            other => panic!("no text, but {other:?}"),
        }
    }

    pub(crate) fn binary(&mut self) -> Vec<u8> {
        match self.socket.read().unwrap() {
            Message::Binary(bytes) => bytes.to_vec(),
            other => panic!("no binary, but {other:?}"),
        }
    }

    /// The server closed.
    pub(crate) fn is_closed(&mut self) -> bool {
        loop {
            match self.socket.read() {
                Ok(Message::Close(_)) => return true,
                Ok(_) => {}
                Err(error) => {
                    return matches!(error, tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed);
                }
            }
        }
    }

    /// The connection is no more, however it ended.
    pub(crate) fn is_gone(&mut self) -> bool {
        loop {
            match self.socket.read() {
                Ok(message) if message.is_close() => return true,
                Ok(_) => {}
                Err(tungstenite::Error::Io(error)) => return error.kind() != ErrorKind::WouldBlock,
                Err(_) => return true,
            }
        }
    }

    /// Goes away without a word.
    pub(crate) fn vanish(self) {
        drop(self.socket);
    }
}

/// A request's head.
pub(crate) fn head(method: &str, query: &str) -> Head {
    Head { method: method.into(), target: format!("/socket.io/?EIO=4&{query}"), ..Head::default() }
}

/// The head of a request to become a WebSocket.
pub(crate) fn upgrade_head(query: &str) -> Head {
    let headers = [
        ("host", "localhost"),
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let headers = headers.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    Head { headers, ..head("GET", query) }
}

/// A client's frame: FIN, masked with zeros, so that the content reads as it is.
pub(crate) fn frame(opcode: u8, content: &[u8]) -> Vec<u8> {
    assert!(content.len() < 126);
    let mut frame = vec![0x80 | opcode, 0x80 | content.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(content);
    frame
}
