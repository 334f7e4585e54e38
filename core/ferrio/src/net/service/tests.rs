use std::convert::Infallible;

use http_body_util::Empty;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::*;
use crate::config::Config;
use crate::net::testing::{Seen, Toy};

/// Another route of the same program.
#[derive(Clone)]
struct Other;

impl<B> Service<Request<B>> for Other {
    type Response = http::Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        std::future::ready(Ok(http::Response::new(Full::from("other"))))
    }
}

#[tokio::test]
async fn takes_its_path_and_leaves_the_rest() {
    let (toy, mut told) = Toy::new(Config::default());
    let mut service = EngineLayer::new(toy).layer(Other);
    let mut ask = async |target: &str| {
        let mut request = Request::get(target).header("x-a", "1").body(Empty::<Bytes>::new()).expect("a request");
        request.extensions_mut().insert(Peer { address: Some([10, 0, 0, 1].into()), secure: true });
        let (parts, body) = service.call(request).await.expect("an answer").into_parts();
        (parts.status.as_u16(), body.collect().await.expect("a body").to_bytes())
    };
    assert_eq!(ask("/").await, (200, Bytes::from_static(b"other")));
    assert_eq!(ask("/socket.io").await, (200, Bytes::from_static(b"other")));
    assert!(told.try_recv().is_err());
    assert_eq!(ask("http://host/socket.io/?EIO=4").await, (204, Bytes::new()));
    let Ok(Seen::Request(head)) = told.try_recv() else { panic!("not told") };
    assert_eq!((head.target.as_str(), head.remote.as_str(), head.secure), ("/socket.io/?EIO=4", "10.0.0.1", true));
    assert_eq!(head.header("x-a"), Some("1"));
}

#[tokio::test]
async fn a_websocket_without_a_connection_is_dropped() {
    let (toy, mut told) = Toy::new(Config::default());
    let mut service = EngineLayer::new(toy).layer(Other);
    let request = Request::get("/socket.io/")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .body(Empty::<Bytes>::new())
        .expect("a request");
    let response = service.call(request).await.expect("an answer");
    assert_eq!(response.status(), 101);
    assert!(matches!(told.recv().await, Some(Seen::Request(_))));
    drop(service);
    assert!(told.recv().await.is_none(), "no link comes of it");
}

/// Under axum, too, a TCP connection is found below what hyper makes of it, with the bytes that came with the request.
#[tokio::test]
async fn a_websocket_under_axum_is_a_tcp_connection() {
    let (toy, mut told) = Toy::new(Config::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let mut client = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("a server");
    let app = axum::Router::new().layer(EngineLayer::new(toy));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let request = "GET /socket.io/ HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nearly";
    client.write_all(request.as_bytes()).await.expect("sent");
    assert!(matches!(told.recv().await, Some(Seen::Request(_))));
    let Some(Seen::Link(link)) = told.recv().await else { panic!("no link") };
    assert!(matches!(link.socket, crate::net::Socket::Tcp(_)), "a stream of its own task");
    assert_eq!(link.read, "early");
}

#[test]
fn what_cannot_be_a_header_is_left_out() {
    let mut response = Response::new(200).header("a", "b\r\nc: d").header("e", "f");
    response.headers.push(("bad name".into(), "x".into()));
    response.headers.push(("g".into(), "h\r\ni: j".into()));
    let rendered = render(response.clone());
    assert_eq!(rendered.headers().len(), 1);
    assert_eq!(&response.to_http1()[..], b"HTTP/1.1 200 OK\r\ne: f\r\ncontent-length: 0\r\n\r\n");
}

#[test]
fn addresses_are_spelled_as_the_library_spells_them() {
    for octets in [[0, 0, 0, 0], [127, 0, 0, 1], [9, 10, 99, 100], [255, 109, 200, 1]] {
        let address = IpAddr::from(octets);
        assert_eq!(spelled(address), address.to_string());
    }
    assert_eq!(spelled("::1".parse().expect("an address")), "::1");
}
