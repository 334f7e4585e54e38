use std::time::Duration;

use http::HeaderValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::*;
use crate::config::Config;
use crate::net::listener::Listener;
use crate::net::testing::Toy;

/// What an application is told, one queue for all.
struct Application(mpsc::UnboundedSender<Told>);

enum Told {
    Request(Box<Visitor>),
    Body(Bytes, bool),
    Room,
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

    fn over(&self, _: u64) {
        let _ = self.0.send(Told::Over);
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
