//! The ways to a server: polling, WebSocket, from one to the other; and what requests carry.

use ferrio::client::{ClientTls, Failure, ProxyChoice};
use ferrio::{Args, Binary, Bytes, Cookie, Data, Server, Socket, Tls, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Host, WAYS, client, journal, soon};

#[tokio::test]
async fn all_three_carry_everything() {
    let host = Host::new().await;
    host.server.on("echo", |socket: Socket, Args(all): Args<(u32, String, Binary)>| {
        socket.emit("echo", &all).unwrap();
        all
    });
    for way in WAYS {
        let (journal, mut read) = journal();
        let upgraded = journal.clone();
        let client = host
            .client(way)
            .on("echo", move |Args((number, text, bytes)): Args<(u32, String, Binary)>| {
                journal.write(format!("{number} {text} {}", bytes.len()));
            })
            .on_upgrade(move || upgraded.write("upgrade"))
            .connect();
        let client = soon(client).await.unwrap();
        if way.len() == 2 {
            read.expect(["upgrade"]).await;
        }
        assert_eq!(client.transport(), way.last().copied());
        let bytes = Binary(Bytes::from(vec![7; 100_000]));
        let answer: Args<(u32, String, Binary)> =
            soon(client.emit_with_ack("echo", (1, "ü\u{1e}", &bytes)).into_future()).await.unwrap();
        assert_eq!(answer, Args((1, "ü\u{1e}".to_owned(), bytes)));
        read.expect(["1 ü\u{1e} 100000"]).await;
    }
}

/// Thousands of events in both directions while the transport changes below them.
#[tokio::test]
async fn an_upgrade_keeps_the_order() {
    const COUNT: u32 = 3000;

    let host = Host::new().await;
    host.server.on("n", |socket: Socket, Data(number): Data<u32>| socket.emit("n", number));
    let (journal, mut read) = journal();
    let client =
        host.client(WAYS[2]).on("n", move |Data(number): Data<u32>| journal.write(number.to_string())).connect();
    let client = soon(client).await.unwrap();
    for number in 0..COUNT {
        client.emit("n", number).unwrap();
        if number % 50 == 0 {
            tokio::task::yield_now().await;
        }
    }
    for number in 0..COUNT {
        assert_eq!(read.next().await, number.to_string());
    }
}

#[tokio::test]
async fn the_next_transport_is_tried() {
    let only_websocket = Host::with(|builder| builder.transports([Transport::WebSocket])).await;
    let failure = soon(only_websocket.client(WAYS[0]).connect()).await.unwrap_err();
    assert!(matches!(failure, Failure::Status { transport: Transport::Polling, status: 400, .. }), "{failure}");
    assert!(failure.to_string().contains("Transport unknown"), "{failure}");
    let client = soon(only_websocket.client(WAYS[2]).try_all_transports(true).connect()).await.unwrap();
    assert_eq!(client.transport(), Some(Transport::WebSocket));
    let failure = soon(only_websocket.client(&[]).connect()).await.unwrap_err();
    assert!(matches!(failure, Failure::Url { .. }), "{failure}");
}

#[tokio::test]
async fn requests_carry_what_they_should() {
    let host =
        Host::with(|builder| builder.path("/other").cookie(Cookie { name: "io".into(), attributes: "Path=/".into() }))
            .await;
    host.server.on("request", |socket: Socket| {
        let handshake = socket.handshake();
        let query = |name: &str| handshake.query(name).map(str::to_owned);
        (query("a"), query("b"), handshake.header("x-token").map(str::to_owned))
    });
    for way in WAYS {
        let client = client(&format!("{}/?a=1%202", host.url()))
            .path("/other/")
            .query("b", "3&ü")
            .header("X-Token", "secret")
            .transports(way.iter().copied())
            .connect();
        let client = soon(client).await.unwrap();
        let answer: Args<(String, String, String)> =
            soon(client.emit_with_ack("request", ()).into_future()).await.unwrap();
        assert_eq!(answer.0, ("1 2".into(), "3&ü".into(), "secret".into()));
    }
    let failure = client(&host.url()).header("no header", "").start().unwrap_err();
    assert!(matches!(failure, Failure::Header { .. }), "{failure}");
}

#[tokio::test]
async fn cookies_come_back() {
    let host = Host::with(|builder| builder.cookie(Cookie { name: "io".into(), attributes: "Path=/".into() })).await;
    host.server.on("cookie", |socket: Socket| socket.handshake().header("cookie").map(str::to_owned));
    let (journal, mut read) = journal();
    let client = host.client(WAYS[0]).on_connect(journal.line("connect")).connect();
    let client = soon(client).await.unwrap();
    read.expect(["connect"]).await;
    let cookie: Option<String> = soon(client.emit_with_ack("cookie", ()).into_future()).await.unwrap();
    assert_eq!(cookie, None);
    client.close_connection();
    read.expect(["connect"]).await;
    let cookie: Option<String> = soon(client.emit_with_ack("cookie", ()).into_future()).await.unwrap();
    assert!(cookie.unwrap().starts_with("io="));
}

#[tokio::test]
async fn tls_believes_whom_it_should() {
    let chain = include_bytes!("../../src/net/listener/testdata/localhost.pem");
    let key = include_bytes!("../../src/net/listener/testdata/localhost.key");
    let server = Server::new();
    let tls = Tls::from_pem(chain, key).unwrap();
    let address = server.listen_tls("127.0.0.1:0", tls).await.unwrap();
    let url = format!("https://localhost:{}", address.port());
    let own = || ClientTls::new().roots_pem(chain).unwrap();
    for way in WAYS {
        let client = |tls: ClientTls| client(&url).transports(way.iter().copied()).tls(tls).connect();
        let failure = soon(client(ClientTls::new())).await.unwrap_err();
        assert!(matches!(failure, Failure::Tls { .. }), "{failure}");
        assert!(soon(client(own())).await.unwrap().is_connected());
        assert!(soon(client(ClientTls::new().danger_accept_any_certificate())).await.is_ok());
    }
    // The certificate is of another name.
    let url = format!("https://127.0.0.1:{}", address.port());
    let failure = soon(client(&url).tls(own()).connect()).await.unwrap_err();
    assert!(matches!(failure, Failure::Tls { .. }), "{failure}");
    // Unless it is this very certificate that is believed.
    let pinned = ClientTls::new().pinned_pem(chain).unwrap();
    assert!(soon(client(&url).tls(pinned).connect()).await.unwrap().is_connected());
    let other = include_bytes!("../../../../bindings-node/test/tls/cert.pem");
    let pinned = ClientTls::new().pinned_pem(other).unwrap();
    let failure = soon(client(&url).tls(pinned).connect()).await.unwrap_err();
    assert!(matches!(failure, Failure::Tls { .. }), "{failure}");
}

#[tokio::test]
async fn a_path_may_be_the_root() {
    let host = Host::with(|builder| builder.path("/")).await;
    assert!(soon(host.client(WAYS[0]).path("/").connect()).await.unwrap().is_connected());
}

#[tokio::test]
async fn through_a_proxy() {
    let host = Host::new().await;
    let (journal, mut read) = journal();
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = proxy.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = proxy.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            let place = head.split(' ').nth(1).unwrap().to_owned();
            if !head.contains("proxy-authorization: Basic bWU6c2VjcmV0\r\n") {
                client.write_all(b"HTTP/1.1 407 Who are you\r\n\r\n").await.unwrap();
                continue;
            }
            journal.write(format!("to {place}"));
            let mut server = TcpStream::connect(&place).await.unwrap();
            client.write_all(b"HTTP/1.1 200 Established\r\n\r\n").await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
        }
    });
    for way in WAYS {
        let through = |user: &str| ProxyChoice::Url(format!("http://{user}@{address}"));
        let client = soon(host.client(way).proxy(through("me:secret")).connect()).await.unwrap();
        assert!(client.is_connected());
        assert_eq!(read.next().await, format!("to {}", host.address));
        let failure = soon(host.client(way).proxy(through("me:wrong")).connect()).await.unwrap_err();
        assert!(matches!(failure, Failure::Proxy { .. }), "{failure}");
        assert!(failure.to_string().contains("407"), "{failure}");
    }
}
