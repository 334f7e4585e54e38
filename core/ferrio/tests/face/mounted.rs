//! Beside the routes of an axum program.

use axum::Router;
use axum::routing::get;
use ferrio::{RawArgs, Server, Socket};
use tokio::runtime::Runtime;

use crate::support::{Client, Poller, http};

#[test]
fn routes_and_sockets_on_one_port() {
    let runtime = Runtime::new().unwrap();
    let server = Server::builder().path("/live/").runtime(runtime.handle().clone()).build();
    server.on("echo", |socket: Socket, args: RawArgs| socket.emit("echo", args));
    let app = Router::new().route("/", get(async || "a route")).layer(server.layer());
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(async move { axum::serve(listener, app).await });

    assert_eq!(http(address, "GET", "/", ""), (200, "a route".into()));
    assert_eq!(http(address, "GET", "/socket.io/?EIO=4&transport=polling", "").0, 404);
    let mut client = Client::open_at(address, "/live/", "");
    client.join("/", None);
    client.send(r#"42["echo",1]"#);
    client.expect(r#"42["echo",1]"#);
    let poller = Poller::open_at(address, "/live/");
    poller.post("40");
    poller.get();
    poller.post(r#"42["echo",2]"#);
    assert_eq!(poller.get(), r#"42["echo",2]"#);
    assert_eq!(server.connections(), 2);
    runtime.block_on(server.close());
    client.expect_close();
}

#[test]
fn a_server_closed_twice_or_late_is_closed() {
    let runtime = Runtime::new().unwrap();
    let server = Server::builder().runtime(runtime.handle().clone()).build();
    runtime.block_on(async {
        server.close().await;
        server.close().await;
        // A port that comes too late is closed at once.
        server.serve("127.0.0.1:0").await.unwrap();
    });
}
