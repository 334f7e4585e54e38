use std::time::Duration;

use http::HeaderValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::*;
use crate::config::Config;
use crate::net::listener::Listener;
use crate::net::testing::Toy;

const MAX_MESSAGE: usize = 1 << 20;

const HANDSHAKE: &[u8] = b"GET /feed HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

/// What an application is told, one queue for all.
struct Application(mpsc::UnboundedSender<Told>);

enum Told {
    Request(Box<Visitor>),
    Body(Bytes, bool),
    Room,
    Message(Message),
    Closed(u16, String),
    Over,
}

impl Fallback for Application {
    fn request(&self, request: Visitor) {
        let _ = self.0.send(Told::Request(Box::new(request)));
    }

    fn body(&self, _: u64, chunk: Bytes, end: bool) {
        let _ = self.0.send(Told::Body(chunk, end));
    }

    fn room(&self, _: u64) {
        let _ = self.0.send(Told::Room);
    }

    fn message(&self, _: u64, message: Message) {
        let _ = self.0.send(Told::Message(message));
    }

    fn closed(&self, _: u64, code: u16, reason: &str) {
        let _ = self.0.send(Told::Closed(code, reason.to_owned()));
    }

    fn over(&self, _: u64) {
        let _ = self.0.send(Told::Over);
    }

    fn max_message(&self) -> usize {
        MAX_MESSAGE
    }
}

struct Stage {
    stream: TcpStream,
    told: mpsc::UnboundedReceiver<Told>,
}

impl Stage {
    async fn open(request: &[u8]) -> (Self, Box<Visitor>) {
        let listener = Listener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.address().expect("an address");
        let (sender, told) = mpsc::unbounded_channel();
        listener.with_fallback(Arc::new(Application(sender))).start(Toy::new(Config::default()).0);
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.write_all(request).await.expect("sent");
        let mut stage = Self { stream, told };
        let Told::Request(visitor) = stage.told().await else { panic!("no request") };
        (stage, visitor)
    }

    async fn told(&mut self) -> Told {
        timeout(Duration::from_secs(5), self.told.recv()).await.expect("in time").expect("told something")
    }

    async fn read_to(&mut self, end: &str) -> String {
        let mut text = Vec::new();
        let read = async {
            while !text.ends_with(end.as_bytes()) {
                text.push(self.stream.read_u8().await.expect("more"));
            }
        };
        timeout(Duration::from_secs(5), read).await.expect("in time");
        String::from_utf8(text).expect("text")
    }
}

#[tokio::test]
async fn a_request_and_its_answer() {
    let (mut stage, visitor) =
        Stage::open(b"POST /a?b=c HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nContent-Length: 5\r\n\r\nhello").await;
    assert_eq!(visitor.parts.uri.to_string(), "/a?b=c");
    assert_eq!(visitor.parts.headers["x-a"], "1");
    assert!(!visitor.bodiless && !visitor.ends.secure && visitor.ends.client.is_some());
    visitor.answer.pull();
    let Told::Body(chunk, true) = stage.told().await else { panic!("no whole body") };
    assert_eq!(chunk, "hello");
    let headers = HeaderMap::from_iter([(http::header::SERVER, HeaderValue::from_static("own"))]);
    visitor.answer.start(StatusCode::CREATED, headers);
    assert!(visitor.answer.write("part".into()));
    let text = stage.read_to("4\r\npart\r\n").await;
    assert!(text.starts_with("HTTP/1.1 201 Created\r\nserver: own\r\n"), "{text}");
    visitor.answer.end();
    assert_eq!(stage.read_to("0\r\n\r\n").await, "0\r\n\r\n");
    assert!(matches!(stage.told().await, Told::Over));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_waited_for() {
    let (mut stage, visitor) = Stage::open(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    visitor.answer.start(StatusCode::OK, HeaderMap::new());
    let chunk = Bytes::from(vec![b'x'; 64 << 10]);
    // The kernel takes some megabytes at most.
    let mut written = 0;
    while visitor.answer.write(chunk.clone()) {
        written += 1;
        assert!(written < 4096, "nobody reads, and there is always room");
        tokio::task::yield_now().await;
    }
    let mut discarded = vec![0; 1 << 20];
    loop {
        tokio::select! {
            read = stage.stream.read(&mut discarded) => assert!(read.expect("more") > 0),
            told = stage.told.recv() => {
                assert!(matches!(told, Some(Told::Room)));
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed() {
    let (mut stage, visitor) = Stage::open(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    stage.stream.shutdown().await.expect("closed");
    assert!(matches!(stage.told().await, Told::Over));
    drop(visitor);
}

#[tokio::test]
async fn an_answer_that_is_dropped_breaks_the_connection() {
    let (mut stage, visitor) = Stage::open(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    drop(visitor.answer);
    assert!(stage.read_to("\r\n\r\n").await.starts_with("HTTP/1.1 500 "));
    let (mut stage, visitor) = Stage::open(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    visitor.answer.start(StatusCode::OK, HeaderMap::new());
    visitor.answer.write("half".into());
    stage.read_to("4\r\nhalf\r\n").await;
    drop(visitor.answer);
    let closed = timeout(Duration::from_secs(5), stage.stream.read(&mut [0; 64])).await.expect("in time");
    assert!(matches!(closed, Ok(0) | Err(_)));
}

/// A client's frame, masked with zeros.
fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() <= 0xFFFF);
    let length = (payload.len() as u16).to_be_bytes();
    [&[opcode, 0x80 | 126, length[0], length[1], 0, 0, 0, 0], payload].concat()
}

async fn websocket() -> (Stage, Box<Visitor>) {
    let (mut stage, visitor) = Stage::open(HANDSHAKE).await;
    assert!(visitor.websocket && visitor.bodiless);
    let headers = HeaderMap::from_iter([(http::header::SERVER, HeaderValue::from_static("own"))]);
    visitor.answer.accept(headers);
    let head = stage.read_to("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("server: own\r\n"), "{head}");
    assert!(head.contains("sec-websocket-accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n"), "{head}");
    (stage, visitor)
}

#[tokio::test]
async fn a_request_becomes_a_websocket() {
    let (mut stage, visitor) = websocket().await;
    stage.stream.write_all(&masked(0x81, "é".as_bytes())).await.expect("sent");
    assert!(matches!(stage.told().await, Told::Message(Message::Text(text)) if &*text == "é"));
    assert!(visitor.answer.send(Message::Binary("two".into())));
    let mut frame = [0; 5];
    stage.stream.read_exact(&mut frame).await.expect("a frame");
    assert_eq!(&frame, b"\x82\x03two");
    // Closed by the client, with a reason.
    stage.stream.write_all(&masked(0x88, b"\x0f\xa0bye")).await.expect("sent");
    assert!(matches!(stage.told().await, Told::Closed(4000, reason) if reason == "bye"));
    let mut rest = Vec::new();
    stage.stream.read_to_end(&mut rest).await.expect("an end");
    assert_eq!(rest, b"\x88\x02\x0f\xa0");
    drop(stage.stream);
    assert!(matches!(stage.told.recv().await, Some(Told::Over)));
}

#[tokio::test]
async fn an_application_closes_once_everything_is_sent() {
    let (mut stage, visitor) = websocket().await;
    visitor.answer.send(Message::Text("last".into()));
    visitor.answer.close(1001, "enough".into());
    assert!(matches!(stage.told().await, Told::Closed(1001, reason) if reason == "enough"));
    let mut frames = [0; 6 + 10];
    stage.stream.read_exact(&mut frames).await.expect("frames");
    assert_eq!(&frames, b"\x81\x04last\x88\x08\x03\xe9enough");
    // What comes afterwards is nobody's.
    stage.stream.write_all(&masked(0x81, b"late")).await.expect("sent");
    stage.stream.shutdown().await.expect("closed");
    assert!(matches!(stage.told().await, Told::Over));
}

#[tokio::test]
async fn a_client_is_read_no_further_than_the_application_follows() {
    let (mut stage, visitor) = websocket().await;
    let frame = masked(0x82, &[7; 60_000]);
    let mut sent = 0;
    let mut written = 0;
    // What fits into the kernel, and what waits for the application.
    while let Ok(count) = timeout(Duration::from_millis(300), stage.stream.write(&frame[written..])).await {
        written = (written + count.expect("written")) % frame.len();
        sent += usize::from(written == 0);
        assert!(sent < 4096, "nobody takes anything, and there is always room");
    }
    let mut unread = 0;
    while let Ok(told) = stage.told.try_recv() {
        assert!(matches!(told, Told::Message(_)));
        unread += 1;
    }
    assert!(unread <= 12, "{unread} messages wait");
    for _ in 0..unread {
        visitor.answer.took(60_000);
    }
    assert!(matches!(stage.told().await, Told::Message(_)));
}

#[tokio::test]
async fn a_client_that_breaks_the_rules_is_told() {
    let (mut stage, _visitor) = websocket().await;
    let header = [0x82, 0xff, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0];
    stage.stream.write_all(&header).await.expect("sent");
    assert!(matches!(stage.told().await, Told::Closed(1009, _)));
    let mut close = [0; 4];
    stage.stream.read_exact(&mut close).await.expect("a frame");
    assert_eq!(close[2..], 1009_u16.to_be_bytes());
}

#[tokio::test]
async fn an_application_that_lets_go_cuts_the_websocket() {
    let (mut stage, visitor) = websocket().await;
    drop(visitor);
    assert!(matches!(stage.told().await, Told::Closed(1006, _)));
    assert!(matches!(stage.told().await, Told::Over));
    assert!(matches!(stage.stream.read(&mut [0; 64]).await, Ok(0) | Err(_)));
}

#[tokio::test]
async fn a_handshake_may_be_refused() {
    let (mut stage, visitor) = Stage::open(HANDSHAKE).await;
    visitor.answer.start(StatusCode::FORBIDDEN, HeaderMap::new());
    visitor.answer.end();
    assert!(stage.read_to("\r\n\r\n").await.starts_with("HTTP/1.1 403 "));
    assert!(matches!(stage.told().await, Told::Over));
}
