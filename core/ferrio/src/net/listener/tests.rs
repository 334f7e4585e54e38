use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_rustls::TlsConnector;

use super::*;
use crate::net::Socket;
use crate::net::exchange::{BodyError, Head};
use crate::net::testing::{LIMIT, Seen, Toy};

/// A served port, the toy behind it, and what it is told.
struct Port {
    address: SocketAddr,
    toy: Toy,
    told: UnboundedReceiver<Seen>,
    listening: Listening,
}

impl Port {
    async fn open(config: Config, tls: Option<Tls>) -> Self {
        let mut listener = Listener::bind("127.0.0.1:0").await.expect("a port");
        listener.surroundings.tls = tls;
        let address = listener.address().expect("an address");
        let (toy, told) = Toy::new(config);
        let listening = listener.start(toy.clone());
        Self { address, toy, told, listening }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }

    async fn told(&mut self) -> Seen {
        timeout(Duration::from_secs(5), self.told.recv()).await.expect("in time").expect("told something")
    }

    async fn told_request(&mut self) -> Head {
        match self.told().await {
            Seen::Request(head) => head,
            _ => panic!("no request"),
        }
    }

    async fn told_body(&mut self) -> Result<Bytes, BodyError> {
        self.told_request().await;
        match self.told().await {
            Seen::Body(body) => body,
            _ => panic!("no body"),
        }
    }
}

fn config() -> Config {
    Config { header_timeout: Duration::from_millis(300), ..Config::default() }
}

async fn plain() -> Port {
    Port::open(config(), None).await
}

/// Reads one answer: its head, and a body of the announced length.
async fn answer(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut text = Vec::new();
    let read = async {
        let mut byte = [0];
        while !text.ends_with(b"\r\n\r\n") && stream.read(&mut byte).await.unwrap_or(0) == 1 {
            text.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&text).into_owned();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.expect("a body");
        text.extend(body);
    };
    timeout(Duration::from_secs(5), read).await.expect("an answer in time");
    String::from_utf8(text).expect("text")
}

async fn is_closed(stream: &mut TcpStream) -> bool {
    let closed = timeout(Duration::from_secs(5), stream.read(&mut [0; 64])).await.expect("closed in time");
    matches!(closed, Ok(0) | Err(_))
}

#[tokio::test]
async fn requests() {
    let mut port = plain().await;
    let mut stream = port.connect().await;
    stream.write_all(b"GET /socket.io/x?a=1 HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nx-a: \xff2\r\n\r\n").await.expect("sent");
    let text = answer(&mut stream).await;
    assert!(text.starts_with("HTTP/1.1 204 ") && text.contains("x-name: value\r\n"), "{text}");
    let head = port.told_request().await;
    assert_eq!((head.method.as_str(), head.target.as_str()), ("GET", "/socket.io/x?a=1"));
    assert_eq!((head.remote.as_str(), head.secure), ("127.0.0.1", false));
    let of_name: Vec<_> =
        head.headers.iter().filter(|(name, _)| name == "x-a").map(|(_, value)| value.as_str()).collect();
    assert_eq!(of_name, ["1", "\u{fffd}2"]);

    // The connection lives on; what is not ours is not found; a question that is dropped is answered.
    for (target, status) in [("/other", "404"), ("/socket.io/drop", "503"), ("*", "404"), ("/socket.io/x", "204")] {
        stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).await.expect("sent");
        let text = answer(&mut stream).await;
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{target}: {text}");
    }
}

#[tokio::test]
async fn bodies() {
    let mut port = plain().await;
    let mut stream = port.connect().await;
    stream.write_all(b"POST /socket.io/echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhe").await.expect("sent");
    sleep(Duration::from_millis(20)).await;
    stream.write_all(b"llo").await.expect("sent");
    assert!(answer(&mut stream).await.ends_with("\r\n\r\nhello"));
    assert_eq!(port.told_body().await, Ok(Bytes::from_static(b"hello")));

    let chunked =
        b"POST /socket.io/echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
    stream.write_all(chunked).await.expect("sent");
    assert!(answer(&mut stream).await.ends_with("\r\n\r\nabc"));
    assert_eq!(port.told_body().await, Ok(Bytes::from_static(b"abc")));

    stream.write_all(b"POST /socket.io/echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhe").await.expect("sent");
    sleep(Duration::from_millis(20)).await;
    drop(stream);
    assert_eq!(port.told_body().await, Err(BodyError::Aborted));
}

/// The client gets to see the 413 although it is still sending, and may go on with the connection.
#[tokio::test]
async fn bodies_over_the_limit() {
    let mut port = plain().await;
    let size = 4 << 20;
    let mut stream = port.connect().await;
    stream
        .write_all(format!("POST /socket.io/echo HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\n\r\n").as_bytes())
        .await
        .expect("sent");
    stream.write_all(&vec![b'4'; size]).await.expect("sent");
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 413 "));
    assert_eq!(port.told_body().await, Err(BodyError::TooLarge));

    stream
        .write_all(b"POST /socket.io/echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await
        .expect("sent");
    for _ in 0..40 {
        stream.write_all(format!("{:x}\r\n{}\r\n", LIMIT / 10, "4".repeat(LIMIT / 10)).as_bytes()).await.expect("sent");
    }
    stream.write_all(b"0\r\n\r\n").await.expect("sent");
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 413 "));
    assert_eq!(port.told_body().await, Err(BodyError::TooLarge));

    stream.write_all(b"GET /socket.io/x HTTP/1.1\r\nHost: h\r\n\r\n").await.expect("sent");
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 204 "));
}

#[tokio::test]
async fn a_poll_that_is_answered_and_one_whose_client_leaves() {
    let mut port = plain().await;
    let ask = b"GET /socket.io/wait HTTP/1.1\r\nHost: h\r\n\r\n";
    let mut stream = port.connect().await;
    stream.write_all(ask).await.expect("sent");
    port.told_request().await;
    port.toy.release(200);
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200 "));
    drop(stream);

    let mut stream = port.connect().await;
    stream.write_all(ask).await.expect("sent");
    port.told_request().await;
    drop(stream);
    assert!(matches!(port.told().await, Seen::Gone), "only the second one is told to have gone");
}

const UPGRADE: &str = "HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[tokio::test]
async fn a_websocket_gets_the_socket_and_the_bytes_behind_the_request() {
    let mut port = plain().await;
    let mut stream = port.connect().await;
    // Frames glued to the request (H-31).
    stream.write_all(format!("GET /socket.io/ws {UPGRADE}glued").as_bytes()).await.expect("sent");
    let text = answer(&mut stream).await;
    assert!(text.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{text}");
    assert!(text.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{text}");
    port.told_request().await;
    let Seen::Link(link) = port.told().await else { panic!("no link") };
    let Socket::Tcp(mut tcp) = link.socket else { panic!("not the socket itself") };
    assert_eq!(&link.read[..], b"glued");
    assert!(tcp.nodelay().expect("asked"));
    tcp.write_all(b"to you").await.expect("sent");
    let mut bytes = [0; 6];
    stream.read_exact(&mut bytes).await.expect("received");
    assert_eq!(&bytes, b"to you");

    let mut stream = port.connect().await;
    stream.write_all(format!("GET /socket.io/no {UPGRADE}").as_bytes()).await.expect("sent");
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 400 "));
    assert!(is_closed(&mut stream).await);
}

#[tokio::test]
async fn slow_and_endless_heads() {
    let port = plain().await;
    let mut slow = port.connect().await;
    slow.write_all(b"GET /socket.io/x HTTP/1.1\r\nHost:").await.expect("sent");
    assert!(is_closed(&mut slow).await);

    let mut endless = port.connect().await;
    // It may be cut while we are still sending.
    let _ = endless.write_all(format!("GET /socket.io/x HTTP/1.1\r\nX: {}", "x".repeat(40_000)).as_bytes()).await;
    let text = answer(&mut endless).await;
    assert!(text.starts_with("HTTP/1.1 431 "), "{text}");

    let mut many = port.connect().await;
    let _ = many.write_all(format!("GET /socket.io/x HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(200)).as_bytes()).await;
    assert!(answer(&mut many).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn stopping_lets_answers_out() {
    let mut port = plain().await;
    let mut idle = port.connect().await;
    idle.write_all(b"GET /other HTTP/1.1\r\nHost: h\r\n\r\n").await.expect("sent");
    answer(&mut idle).await;
    let mut busy = port.connect().await;
    busy.write_all(b"GET /socket.io/wait HTTP/1.1\r\nHost: h\r\n\r\n").await.expect("sent");
    port.told_request().await;
    let stopping = tokio::spawn(port.listening.stop(Duration::from_secs(60)));
    assert!(is_closed(&mut idle).await);
    assert!(TcpStream::connect(port.address).await.is_err());
    port.toy.release(200);
    assert!(answer(&mut busy).await.starts_with("HTTP/1.1 200 "));
    timeout(Duration::from_secs(5), stopping).await.expect("nothing left to wait for").expect("stopped");
}

#[tokio::test]
async fn stopping_cuts_what_does_not_end() {
    let mut port = plain().await;
    let mut busy = port.connect().await;
    busy.write_all(b"GET /socket.io/wait HTTP/1.1\r\nHost: h\r\n\r\n").await.expect("sent");
    port.told_request().await;
    port.listening.stop(Duration::ZERO).await;
    assert!(is_closed(&mut busy).await);
    assert!(matches!(port.told.recv().await, Some(Seen::Gone)));
}

/// `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj /CN=localhost
/// -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE`
const CHAIN: &[u8] = include_bytes!("testdata/localhost.pem");
const KEY: &[u8] = include_bytes!("testdata/localhost.key");

#[tokio::test]
async fn tls() {
    let mut port = Port::open(config(), Some(Tls::from_pem(CHAIN, KEY).expect("a certificate"))).await;
    let mut roots = rustls::RootCertStore::empty();
    let own = <rustls::pki_types::CertificateDer as rustls::pki_types::pem::PemObject>::from_pem_slice(CHAIN);
    roots.add(own.expect("a certificate")).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(client));
    let name = "localhost".try_into().expect("a name");
    let mut stream = connector.connect(name, port.connect().await).await.expect("TLS");
    stream.write_all(b"GET /socket.io/x HTTP/1.1\r\nHost: h\r\n\r\n").await.expect("sent");
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 204 "));
    assert!(port.told_request().await.secure);
    stream.write_all(format!("GET /socket.io/ws {UPGRADE}glued").as_bytes()).await.expect("sent");
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 101 "));
    port.told_request().await;
    let Seen::Link(link) = port.told().await else { panic!("no link") };
    let Socket::Stream(mut tls) = link.socket else { panic!("a bare socket") };
    assert_eq!(&link.read[..], b"glued");
    tls.write_all(b"to you").await.expect("sent");
    tls.flush().await.expect("sent");
    let mut bytes = [0; 6];
    stream.read_exact(&mut bytes).await.expect("received");
    assert_eq!(&bytes, b"to you");

    // Garbage, and silence, cost their own connection only.
    let mut garbage = port.connect().await;
    garbage.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("sent");
    assert!(timeout(Duration::from_secs(5), garbage.read_to_end(&mut Vec::new())).await.is_ok());
    assert!(is_closed(&mut port.connect().await).await);
}

#[test]
fn unusable_certificates() {
    assert!(matches!(Tls::from_pem(b"", KEY), Err(crate::net::tls::TlsError::Certificate(_))));
    assert!(matches!(Tls::from_pem(CHAIN, b"x"), Err(crate::net::tls::TlsError::Key(_))));
    assert!(matches!(Tls::from_files("/nowhere", "/nowhere"), Err(crate::net::tls::TlsError::File { .. })));
}
