//! Handlers that do what they should not: nobody else is the worse for it, and the server still ends.

use std::future::pending;
use std::sync::{Arc, Weak};
use std::time::Duration;

use ferrio::{ConnectError, Server, Socket, State};
use tokio::time::timeout;

use crate::support::{Client, DEADLINE, Host, Journal, Reading, answer_nothing, journal};

fn host() -> (Host, Reading) {
    let (journal, read) = journal();
    let host = Host::with(|builder| builder.state(journal));
    answer_nothing(&host.server);
    host.server.on_disconnect(|socket: Socket, State(journal): State<Journal>| {
        journal.write(format!("{} has left", socket.namespace().name()));
    });
    (host, read)
}

/// The server closes, whatever its handlers are at.
fn close(host: &Host) {
    host.block_on(async { timeout(DEADLINE, host.server.close()).await }).expect("close() does not end");
    assert_eq!(host.server.connections(), 0);
}

fn gone(token: &Weak<()>) {
    while token.strong_count() > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn a_handler_that_never_settles() {
    let (host, read) = host();
    let token = Arc::new(());
    let held = Arc::downgrade(&token);
    host.server.on("wait", move |State(journal): State<Journal>| {
        let token = Arc::clone(&token);
        async move {
            let _token = token;
            journal.write("waiting");
            pending::<()>().await;
        }
    });
    let mut client = host.client();
    client.send(r#"421["wait"]"#);
    assert_eq!(read.next(), "waiting");
    client.expect_nothing();
    host.client().expect_nothing();
    assert_eq!(read.next(), "/ has left");
    client.vanish();
    assert_eq!(read.next(), "/ has left");
    close(&host);
    drop(host);
    gone(&held);
}

#[test]
fn a_middleware_that_never_settles() {
    let (journal, read) = journal();
    let host = Host::with(|builder| builder.connect_timeout(Duration::from_millis(100)).state(journal));
    host.server.of("/wait").with(async |State(journal): State<Journal>| {
        journal.write("asked");
        pending::<Result<(), ConnectError>>().await
    });
    host.server.of("/wait").on_connect(|State(journal): State<Journal>| journal.write("connected"));
    // One is sent away when its time to join is over, one leaves before, one is there when the server ends.
    let mut patient = Client::open(host.address, "");
    patient.send("40/wait,");
    assert_eq!(read.next(), "asked");
    patient.expect_close();
    let mut hasty = Client::open(host.address, "");
    hasty.send("40/wait,");
    assert_eq!(read.next(), "asked");
    hasty.vanish();
    let mut last = Client::open(host.address, "");
    last.send("40/wait,");
    assert_eq!(read.next(), "asked");
    close(&host);
    last.expect_close();
    assert!(read.is_empty(), "nobody was connected");
}

/// With and without [`ordered`](ferrio::Namespace::ordered), where the end of a socket waits for its handlers.
#[test]
fn the_server_is_closed_by_an_event() {
    for ordered in [false, true] {
        let (host, read) = host();
        host.server.ordered(ordered);
        host.server.on("close", async |server: Server, State(journal): State<Journal>| {
            server.close().await;
            journal.write("closed");
        });
        let mut client = host.client();
        let mut bystander = host.client();
        client.send(r#"421["close"]"#);
        let mut heard = [read.next(), read.next(), read.next()];
        heard.sort();
        assert_eq!(heard, ["/ has left", "/ has left", "closed"]);
        client.expect_close();
        bystander.expect_close();
        close(&host);
    }
}

#[test]
fn the_server_is_closed_by_a_connection() {
    for ordered in [false, true] {
        let (host, read) = host();
        let fatal = host.server.of("/fatal");
        fatal.ordered(ordered);
        fatal.on_disconnect(|State(journal): State<Journal>| journal.write("/fatal has left"));
        fatal.on_connect(async |server: Server, State(journal): State<Journal>| {
            server.close().await;
            journal.write("closed");
        });
        let mut client = Client::open(host.address, "");
        client.send("40/fatal,");
        client.expect_close();
        let mut heard = [read.next(), read.next()];
        heard.sort();
        assert_eq!(heard, ["/fatal has left", "closed"]);
        close(&host);
    }
}

#[test]
fn the_server_is_closed_by_a_client_that_leaves() {
    let (host, read) = host();
    host.server.on_disconnect(async |server: Server, State(journal): State<Journal>| {
        server.close().await;
        journal.write("closed");
    });
    let mut bystander = Client::open(host.address, "");
    bystander.join("/", None);
    host.client().vanish();
    let mut heard = [read.next(), read.next(), read.next(), read.next()];
    heard.sort();
    assert_eq!(heard, ["/ has left", "/ has left", "closed", "closed"]);
    bystander.expect_close();
    close(&host);
}

#[test]
fn a_socket_ends_itself_in_each_of_its_handlers() {
    let (host, read) = host();
    host.server.on("leave", |socket: Socket, State(journal): State<Journal>| {
        socket.disconnect(true);
        socket.disconnect(true);
        let late = [socket.emit("late", ()).is_err(), socket.namespace().sockets().is_empty()];
        journal.write(format!("{late:?}"));
    });
    host.server.on_disconnect(|socket: Socket| socket.disconnect(true));
    let mut client = host.client();
    client.send(r#"421["leave"]"#);
    client.expect_close();
    let mut heard = [read.next(), read.next()];
    heard.sort();
    assert_eq!(heard[0], "/ has left");
    assert!(heard[1].starts_with("[true"), "{heard:?}");
    close(&host);
    assert!(read.is_empty(), "it left once");
}
