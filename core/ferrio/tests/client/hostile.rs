//! Servers that are none, break rules or fall silent: the client says what is wrong, and comes back when it can.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ferrio::client::{DisconnectReason, Failure};
use ferrio::{Server, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tungstenite::handshake::derive_accept_key;

use crate::support::{Host, WAYS, client, journal, soon};

/// An open packet with these milliseconds between heartbeats.
fn open(interval: u32) -> String {
    format!(r#"0{{"sid":"s","upgrades":[],"pingInterval":{interval},"pingTimeout":{interval},"maxPayload":1000000}}"#)
}

/// So long that nobody waits for it.
const NEVER: u32 = 60_000;

/// A server that reads the head of one request on each connection and answers with this; then, if `open`, it holds the
/// connection. Gives its URL.
async fn answering(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static, open: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let answer = Arc::new(answer);
        while let Ok((mut tcp, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                let Some(head) = head(&mut tcp).await else { return };
                let _ = tcp.write_all(&answer(&head)).await;
                let mut sink = [0; 1024];
                while open && tcp.read(&mut sink).await.is_ok_and(|count| count > 0) {}
            });
        }
    });
    format!("http://{address}")
}

async fn head(tcp: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tcp.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// The 101 and unmasked frames.
fn switching(head: &str, frames: &[(u8, &[u8])]) -> Vec<u8> {
    let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).unwrap();
    let accept = derive_accept_key(key.as_bytes());
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: {accept}\r\n\r\n"
    );
    [head.into_bytes(), framed(frames)].concat()
}

fn framed(frames: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (opcode, payload) in frames {
        bytes.push(*opcode);
        match payload.len() {
            length @ 0..=125 => bytes.push(length as u8),
            length => {
                bytes.push(126);
                bytes.extend((length as u16).to_be_bytes());
            }
        }
        bytes.extend_from_slice(payload);
    }
    bytes
}

/// A server that answers the handshake, waits for CONNECT, sends these frames and reads on. Gives its URL.
async fn letting_in(interval: u32, frames: Vec<(u8, &'static [u8])>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let frames = frames.clone();
            tokio::spawn(async move {
                let head = head(&mut tcp).await.unwrap();
                tcp.write_all(&switching(&head, &[(0x81, open(interval).as_bytes())])).await.unwrap();
                // `40`, masked.
                let mut connect = [0; 8];
                tcp.read_exact(&mut connect).await.unwrap();
                let _ = tcp.write_all(&framed(&frames)).await;
                let mut sink = [0; 1024];
                while tcp.read(&mut sink).await.is_ok_and(|count| count > 0) {}
            });
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn servers_that_are_none() {
    type Expected = fn(&Failure) -> bool;

    let html = "HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n<html></html>";
    let answers: [(&str, Expected); 9] = [
        (html, |failure| matches!(failure, Failure::Transport { .. } | Failure::Status { status: 200, .. })),
        (
            "HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\ngone",
            |failure| matches!(failure, Failure::Status { status: 404, body, .. } if body == "gone"),
        ),
        ("HTTP/1.1 302 Found\r\nlocation: http://elsewhere/\r\ncontent-length: 0\r\n\r\n", |failure| {
            matches!(failure, Failure::Status { status: 302, .. })
        }),
        ("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 1\r\n\r\nx", |failure| {
            matches!(failure, Failure::Transport { .. } | Failure::Status { .. })
        }),
        ("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n", |failure| {
            matches!(failure, Failure::Transport { .. } | Failure::Status { status: 101, .. })
        }),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n0{}", |failure| {
            matches!(failure, Failure::Transport { .. } | Failure::Status { .. })
        }),
        ("SSH-2.0-OpenSSH_9.6\r\n", |failure| matches!(failure, Failure::Transport { .. })),
        ("", |failure| matches!(failure, Failure::Transport { .. })),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", |failure| {
            matches!(failure, Failure::Transport { .. } | Failure::Status { .. })
        }),
    ];
    for (answer, expected) in answers {
        let url = answering(move |_| answer.as_bytes().to_vec(), false).await;
        for way in &WAYS[..2] {
            let client = client(&url).transports(way.iter().copied()).reconnection(false);
            let failure = soon(client.connect()).await.unwrap_err();
            assert!(expected(&failure), "{answer:?} by {way:?}: {failure:?}");
        }
    }
}

#[tokio::test]
async fn handshakes_that_are_none() {
    let handshakes = [
        "",
        "0",
        "0{}",
        "0[]",
        "4hello",
        "6",
        "x",
        "\u{1e}",
        r#"0{"sid":"","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#,
        r#"0{"sid":"a\r\nb","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#,
        r#"0{"sid":"a","upgrades":[],"pingInterval":-1,"pingTimeout":20000}"#,
        r#"0{"sid":"a","upgrades":[],"pingInterval":1e99,"pingTimeout":20000}"#,
        r#"0{"sid":"a","upgrades":[],"pingInterval":"25000","pingTimeout":20000}"#,
    ];
    for handshake in handshakes {
        let polling = answering(move |_| ok(handshake), false).await;
        let websocket = answering(move |head| switching(head, &[(0x81, handshake.as_bytes())]), true).await;
        for (url, way) in [(polling, WAYS[0]), (websocket, WAYS[1])] {
            let client = client(&url).transports(way.iter().copied()).reconnection(false);
            let failure = soon(client.connect()).await.unwrap_err();
            assert!(matches!(failure, Failure::Transport { .. }), "{handshake:?} by {way:?}: {failure:?}");
        }
    }
}

#[tokio::test]
async fn rules_of_the_websocket() {
    let frames: [&[(u8, &[u8])]; 6] = [
        &[(0x81, b"\xff")],
        &[(0x83, b"")],
        &[(0xc1, b"x")],
        &[(0x80, b"x")],
        &[(0x88, b"\x03")],
        // Longer than a control frame may be.
        &[(0x89, &[0; 126])],
    ];
    for frames in frames {
        let mut all: Vec<(u8, &[u8])> = vec![(0x81, br#"40{"sid":"x"}"#)];
        all.extend_from_slice(frames);
        let url = letting_in(NEVER, all).await;
        let (journal, mut read) = journal();
        let _client = client(&url)
            .transports([Transport::WebSocket])
            .reconnection(false)
            .on_disconnect(move |reason: DisconnectReason| journal.write(reason.as_str()))
            .start()
            .unwrap();
        let end = read.next().await;
        assert!(["transport error", "transport close"].contains(&end.as_str()), "{end} after {frames:?}");
    }
}

#[tokio::test]
async fn a_masked_frame_of_a_server_is_an_error() {
    let url = answering(
        |head| {
            let mut answer = switching(head, &[]);
            answer.extend_from_slice(b"\x81\x81\0\0\0\x006");
            answer
        },
        true,
    )
    .await;
    let failure = soon(client(&url).transports([Transport::WebSocket]).connect()).await.unwrap_err();
    assert!(matches!(&failure, Failure::Transport { why, .. } if why.contains("WebSocket")), "{failure}");
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    for way in WAYS {
        let failure = client(&url).transports(way.iter().copied()).timeout(Duration::from_millis(20)).connect();
        assert_eq!(soon(failure).await.unwrap_err(), Failure::Timeout);
    }
}

/// It answers the handshake and CONNECT, and then its cable is pulled.
#[tokio::test]
async fn a_server_that_falls_silent() {
    let url = letting_in(20, vec![(0x81, br#"40{"sid":"x"}"#)]).await;
    let (journal, mut read) = journal();
    let left = journal.clone();
    let _client = client(&url)
        .transports([Transport::WebSocket])
        .on_connect(journal.line("connect"))
        .on_disconnect(move |reason: DisconnectReason| left.write(reason.as_str()))
        .start()
        .unwrap();
    for _ in 0..3 {
        read.expect(["connect", "ping timeout"]).await;
    }
}

/// It lets the client in and reads nothing from then on: what is emitted waits, up to the limit.
#[tokio::test]
async fn a_server_that_does_not_read() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let head = head(&mut tcp).await.unwrap();
        tcp.write_all(&switching(&head, &[(0x81, open(NEVER).as_bytes())])).await.unwrap();
        let mut connect = [0; 8];
        tcp.read_exact(&mut connect).await.unwrap();
        tcp.write_all(&framed(&[(0x81, br#"40{"sid":"x"}"#)])).await.unwrap();
        std::future::pending::<()>().await;
    });
    let client = client(&url).transports([Transport::WebSocket]).max_buffered(1 << 20).connect();
    let client = soon(client).await.unwrap();
    let text = "x".repeat(10_000);
    let refused = soon(async {
        loop {
            if let Err(error) = client.emit("text", &text) {
                return error;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(refused, ferrio::EmitError::Full);
    // Frame headers and masks come on top of what was counted.
    assert!(client.buffered() <= (1 << 20) + 20_000, "{}", client.buffered());
    // What may get lost gets lost.
    assert_eq!(client.volatile().emit("text", &text), Ok(()));
    let lost = client.volatile().emit_with_ack::<()>("text", &text).into_future();
    assert_eq!(soon(lost).await, Err(ferrio::AckError::Disconnected));
}

#[tokio::test]
async fn what_is_no_socket_io_ends_the_connection() {
    let packets: [&[u8]; 9] =
        [b"4", b"49", b"42", b"42{}", b"42[\"x\"", b"42[\"connect\"]", b"450-[\"x\"]", b"4511-[\"x\"]", b"43[]"];
    for packet in packets {
        let url = letting_in(NEVER, vec![(0x81, br#"40{"sid":"x"}"#), (0x81, packet)]).await;
        let (journal, mut read) = journal();
        let _client = client(&url)
            .transports([Transport::WebSocket])
            .reconnection(false)
            .on_disconnect(move |reason: DisconnectReason| journal.write(reason.as_str()))
            .start()
            .unwrap();
        read.expect(["parse error"]).await;
    }
}

#[tokio::test]
async fn nobody_there() {
    let (journal, mut read) = journal();
    let (attempts, errors, failed, told) = (journal.clone(), journal.clone(), journal.clone(), journal);
    let client = client("http://127.0.0.1:1")
        .reconnection_attempts(2)
        .on_connect_error(move |failure: Failure| {
            assert!(matches!(failure, Failure::Transport { .. } | Failure::Unreachable { .. }), "{failure:?}");
            told.write("connect_error");
        })
        .on_reconnect_attempt(move |number| attempts.write(format!("attempt {number}")))
        .on_reconnect_error(move |_| errors.write("reconnect_error"))
        .on_reconnect_failed(move || failed.write("reconnect_failed"))
        .start()
        .unwrap();
    let round = ["connect_error", "attempt 1", "connect_error", "reconnect_error", "attempt 2", "connect_error"];
    read.expect(round).await;
    // The order of socket.io-client.
    read.expect(["reconnect_failed", "reconnect_error"]).await;
    assert!(!client.is_active());
    client.connect();
    read.expect(round).await;
    let unknown = soon(crate::support::client("http://name.invalid").connect()).await.unwrap_err();
    assert!(matches!(unknown, Failure::Unreachable { .. }), "{unknown}");
}

/// The server breaks every connection, or is gone for a while, two hundred times: one connection at a time, nothing left over.
#[tokio::test]
async fn two_hundred_times_back() {
    const TIMES: u32 = 200;

    for way in WAYS {
        let host = Host::new().await;
        let (journal, mut read) = journal();
        let alive = Arc::new(AtomicUsize::new(0));
        let (come, go) = (Arc::clone(&alive), Arc::clone(&alive));
        host.server.on_connect(move || {
            come.fetch_add(1, Ordering::AcqRel);
        });
        host.server.on_disconnect(move || {
            go.fetch_sub(1, Ordering::AcqRel);
        });
        host.server.on("n", |ferrio::Data(number): ferrio::Data<u32>| number);
        let client = host.client(way).on_connect(journal.line("connect")).connect();
        let client = soon(client).await.unwrap();
        read.expect(["connect"]).await;
        let metrics = tokio::runtime::Handle::current().metrics();
        let mut tasks = 0;
        for number in 0..TIMES {
            let answer = client.emit_with_ack::<u32>("n", number).into_future();
            assert_eq!(soon(answer).await, Ok(number));
            client.close_connection();
            read.expect(["connect"]).await;
            if number == TIMES / 2 {
                tasks = metrics.num_alive_tasks();
            }
        }
        assert!(metrics.num_alive_tasks() <= tasks + 60, "{} tasks, {tasks} before", metrics.num_alive_tasks());
        assert_eq!(client.buffered(), 0);
        client.disconnect();
        soon(async {
            while alive.load(Ordering::Acquire) > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        soon(host.server.close()).await;
    }
}

/// Never two at once, however often the program changes its mind.
#[tokio::test]
async fn one_connection() {
    let opened = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&opened);
    let server = Server::builder()
        .allow_request(move |_| {
            count.fetch_add(1, Ordering::AcqRel);
            Ok(())
        })
        .build();
    let address = server.listen("127.0.0.1:0").await.unwrap();
    let (journal, mut read) = journal();
    server.of("/other");
    server.on("n", |ferrio::Data(number): ferrio::Data<u32>| number);
    let client = client(&format!("http://{address}")).on_connect(journal.line("connect")).start().unwrap();
    let other = client.of("/other").start().unwrap();
    for _ in 0..50 {
        client.connect();
        other.connect();
    }
    read.expect(["connect"]).await;
    assert_eq!(opened.load(Ordering::Acquire), 1);
    for _ in 0..50 {
        client.disconnect();
        client.connect();
        read.expect(["connect"]).await;
    }
    for _ in 0..50 {
        client.disconnect();
        client.connect();
    }
    assert_eq!(soon(client.emit_with_ack::<u32>("n", 1).into_future()).await, Ok(1));
    assert_eq!(opened.load(Ordering::Acquire), 1);
}
