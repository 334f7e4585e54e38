//! A server on a port of its own, and clients that speak the protocol by hand: what stands on the wire is what is tested.
//!
//! Clients block, with a deadline that only a broken server reaches. Nothing here sleeps to let something happen.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use ferrio::{Bytes, Server, ServerBuilder};
use serde_json::Value;
use tokio::runtime::Runtime;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::{Message, WebSocket};

/// What should come has this long to come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A server that listens.
pub(crate) struct Host {
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
    pub(crate) runtime: Runtime,
}

impl Host {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(crate) fn with(configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Self {
        let runtime = Runtime::new().unwrap();
        let server = configure(Server::builder()).runtime(runtime.handle().clone()).build();
        let address = runtime.block_on(server.listen("127.0.0.1:0")).unwrap();
        Self { server, address, runtime }
    }

    /// A client over WebSocket that has joined the main namespace.
    pub(crate) fn client(&self) -> Client {
        let mut client = Client::open(self.address, "");
        client.join("/", None);
        client
    }

    pub(crate) fn block_on<R>(&self, future: impl Future<Output = R>) -> R {
        self.runtime.block_on(future)
    }
}

/// What handlers tell the test, in order.
pub(crate) fn journal() -> (Journal, Reading) {
    let (sender, receiver) = channel();
    (Journal(sender), Reading(receiver))
}

#[derive(Clone)]
pub(crate) struct Journal(Sender<String>);

impl Journal {
    pub(crate) fn write(&self, line: impl Into<String>) {
        let _ = self.0.send(line.into());
    }
}

pub(crate) struct Reading(Receiver<String>);

impl Reading {
    pub(crate) fn next(&self) -> String {
        self.0.recv_timeout(DEADLINE).expect("the handlers say nothing more")
    }

    /// Nothing more was said so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.try_recv().is_err()
    }

    /// All that was said so far.
    pub(crate) fn so_far(&self) -> Vec<String> {
        self.0.try_iter().collect()
    }
}

/// A client over WebSocket.
pub(crate) struct Client {
    socket: WebSocket<TcpStream>,
    /// Its id in the main namespace.
    pub(crate) id: String,
}

impl Client {
    /// Opens a session. `query` is added to the URL.
    pub(crate) fn open(address: SocketAddr, query: &str) -> Self {
        Self::open_at(address, "/socket.io/", query)
    }

    pub(crate) fn open_at(address: SocketAddr, path: &str, query: &str) -> Self {
        let (status, client) = Self::try_open_at(address, path, query);
        client.unwrap_or_else(|| panic!("the handshake was refused with {status}"))
    }

    pub(crate) fn try_open(address: SocketAddr, query: &str) -> (u16, Option<Self>) {
        Self::try_open_at(address, "/socket.io/", query)
    }

    fn try_open_at(address: SocketAddr, path: &str, query: &str) -> (u16, Option<Self>) {
        let tcp = TcpStream::connect(address).unwrap();
        tcp.set_read_timeout(Some(DEADLINE)).unwrap();
        let url = format!("ws://{address}{path}?EIO=4&transport=websocket{query}");
        match tungstenite::client(url, tcp) {
            Ok((socket, _)) => {
                let mut client = Self { socket, id: String::new() };
                assert!(client.text().starts_with("0{"), "an open packet");
                (101, Some(client))
            }
            Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(response))) => {
                (response.status().as_u16(), None)
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Joins a namespace and gives the id of its socket there.
    pub(crate) fn join(&mut self, nsp: &str, auth: Option<Value>) -> String {
        let answer = self.ask_to_join(nsp, auth);
        let prefix = if nsp == "/" { "40".to_owned() } else { format!("40{nsp},") };
        let data = answer.strip_prefix(&prefix).unwrap_or_else(|| panic!("expected to be connected, got {answer}"));
        let id = serde_json::from_str::<Value>(data).unwrap()["sid"].as_str().unwrap().to_owned();
        if nsp == "/" {
            self.id.clone_from(&id);
        }
        id
    }

    /// Asks to join and gives the answer.
    pub(crate) fn ask_to_join(&mut self, nsp: &str, auth: Option<Value>) -> String {
        let auth = auth.map(|auth| auth.to_string()).unwrap_or_default();
        self.send(&if nsp == "/" { format!("40{auth}") } else { format!("40{nsp},{auth}") });
        self.text()
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.socket.send(Message::text(text)).unwrap();
    }

    /// False if the server has closed.
    pub(crate) fn try_send(&mut self, text: &str) -> bool {
        self.socket.send(Message::text(text)).is_ok()
    }

    pub(crate) fn send_bytes(&mut self, bytes: &'static [u8]) {
        self.socket.send(Message::binary(Bytes::from_static(bytes))).unwrap();
    }

    /// One text message in so many frames.
    pub(crate) fn send_fragments(&mut self, pieces: &[&'static str]) {
        for (at, piece) in pieces.iter().enumerate() {
            let opcode = OpCode::Data(if at == 0 { Data::Text } else { Data::Continue });
            let frame = Frame::message(*piece, opcode, at + 1 == pieces.len());
            self.socket.send(Message::Frame(frame)).unwrap();
        }
    }

    pub(crate) fn ping(&mut self) {
        self.socket.send(Message::Ping(Bytes::new())).unwrap();
    }

    /// The connection below.
    pub(crate) fn tcp(&self) -> &TcpStream {
        self.socket.get_ref()
    }

    pub(crate) fn text(&mut self) -> String {
        match self.next() {
            Some(Message::Text(text)) => text.to_string(),
            other => panic!("expected text, got {other:?}"),
        }
    }

    pub(crate) fn bytes(&mut self) -> Bytes {
        match self.next() {
            Some(Message::Binary(bytes)) => bytes,
            other => panic!("expected bytes, got {other:?}"),
        }
    }

    pub(crate) fn expect(&mut self, text: &str) {
        assert_eq!(self.text(), text);
    }

    /// Nothing was sent to it before this: an echo overtakes nothing.
    pub(crate) fn expect_nothing(&mut self) {
        // An ack of an event that has no handler never comes; the server's own namespace answers this one.
        self.send(r#"4299999["nothing came before"]"#);
        self.expect("4399999[]");
    }

    /// The server closes the connection.
    pub(crate) fn expect_close(&mut self) {
        while self.next().is_some() {}
    }

    /// The server closes the connection with a word; its code and text.
    pub(crate) fn expect_close_frame(&mut self) -> (u16, String) {
        loop {
            match self.socket.read().expect("a close frame") {
                Message::Close(Some(frame)) => return (frame.code.into(), frame.reason.to_string()),
                Message::Text(text) if text == "2" => self.send("3"),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("expected a close frame with a code, got {other:?}"),
            }
        }
    }

    /// Goes away without a word.
    pub(crate) fn vanish(self) {
        drop(self);
    }

    fn next(&mut self) -> Option<Message> {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) if text == "2" => self.send("3"),
                Ok(message @ (Message::Text(_) | Message::Binary(_))) => return Some(message),
                Ok(Message::Close(_)) => return None,
                Ok(_) => {}
                Err(tungstenite::Error::Io(error)) if is_timeout(error.kind()) => panic!("nothing comes"),
                Err(_) => return None,
            }
        }
    }
}

/// Registers the handler that [`Client::expect_nothing`] needs.
pub(crate) fn answer_nothing(server: &Server) {
    server.on("nothing came before", || {});
}

fn is_timeout(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// A client over long-polling.
pub(crate) struct Poller {
    address: SocketAddr,
    path: &'static str,
    sid: String,
}

impl Poller {
    pub(crate) fn open(address: SocketAddr) -> Self {
        Self::open_at(address, "/socket.io/")
    }

    pub(crate) fn open_at(address: SocketAddr, path: &'static str) -> Self {
        let mut poller = Self { address, path, sid: String::new() };
        let open = poller.get();
        let open: Value = serde_json::from_str(open.strip_prefix('0').unwrap()).unwrap();
        open["sid"].as_str().unwrap().clone_into(&mut poller.sid);
        poller
    }

    pub(crate) fn get(&self) -> String {
        let (status, body) = http(self.address, "GET", &self.path(), "");
        assert_eq!(status, 200, "{body}");
        body
    }

    /// A GET of a server that may be closing: there is an answer, or there is none.
    pub(crate) fn try_get(&self) -> Option<(u16, String)> {
        try_http(self.address, "GET", &self.path(), "").ok()
    }

    pub(crate) fn post(&self, body: &str) {
        assert_eq!(http(self.address, "POST", &self.path(), body), (200, "ok".into()));
    }

    fn path(&self) -> String {
        let sid = if self.sid.is_empty() { String::new() } else { format!("&sid={}", self.sid) };
        format!("{}?EIO=4&transport=polling{sid}", self.path)
    }
}

/// One request on a connection of its own; status and body of the answer.
pub(crate) fn http(address: SocketAddr, method: &str, path: &str, body: &str) -> (u16, String) {
    try_http(address, method, path, body).unwrap()
}

/// The head of the answer to a request written by hand.
pub(crate) fn raw_head(address: SocketAddr, request: &str) -> String {
    let mut tcp = TcpStream::connect(address).unwrap();
    tcp.set_read_timeout(Some(DEADLINE)).unwrap();
    tcp.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        tcp.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn try_http(address: SocketAddr, method: &str, path: &str, body: &str) -> std::io::Result<(u16, String)> {
    let mut tcp = TcpStream::connect(address)?;
    tcp.set_read_timeout(Some(DEADLINE))?;
    let head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    let length = if method == "POST" { format!("content-length: {}\r\n", body.len()) } else { String::new() };
    tcp.write_all(format!("{head}{length}\r\n{body}").as_bytes())?;
    let mut answer = String::new();
    tcp.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(ErrorKind::UnexpectedEof)?;
    Ok((head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned()))
}
