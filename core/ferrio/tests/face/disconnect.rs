//! How sockets end, and the server.

use std::sync::{Arc, Weak};

use ferrio::{Context as _, Extract, Left, Mismatch, Reason, Socket, State};

use crate::support::{Client, Host, Journal, Poller, Reading, journal};

/// The whole context, as an extractor of the test's own.
struct Whole(Socket, Reason);

impl Extract<Left> for Whole {
    fn extract(left: &Left) -> Result<Self, Mismatch> {
        assert!(left.detail().is_none_or(|detail| !detail.is_empty()));
        Ok(Self(left.socket().clone(), left.reason()))
    }
}

fn talking() -> (Host, Reading) {
    let (journal, read) = journal();
    let host = Host::with(|builder| builder.state(journal));
    let server = &host.server;
    server.on_connect(|socket: Socket| socket.join("room"));
    server.on_disconnecting(|socket: Socket, reason: Reason, State(journal): State<Journal>| {
        journal.write(format!("disconnecting: {reason}, {} rooms", socket.rooms().len()));
    });
    server.on_disconnect(|Whole(socket, reason): Whole, State(journal): State<Journal>| {
        assert!(!socket.is_connected());
        journal.write(format!("disconnect: {reason}, {} rooms", socket.rooms().len()));
    });
    server.on("leave", |socket: Socket| socket.disconnect(false));
    server.on("close", |socket: Socket| socket.disconnect(true));
    (host, read)
}

fn expect_end(read: &Reading, reason: &str) {
    assert_eq!(read.next(), format!("disconnecting: {reason}, 2 rooms"));
    assert_eq!(read.next(), format!("disconnect: {reason}, 0 rooms"));
}

#[test]
fn reasons() {
    let (host, read) = talking();
    let mut client = host.client();
    client.send("41");
    expect_end(&read, "client namespace disconnect");
    client.join("/", None);
    client.send(r#"42["leave"]"#);
    client.expect("41");
    expect_end(&read, "server namespace disconnect");
    client.join("/", None);
    client.send(r#"42["close"]"#);
    client.expect("41");
    client.expect_close();
    expect_end(&read, "server namespace disconnect");
    host.client().vanish();
    expect_end(&read, "transport close");
    let mut broken = host.client();
    broken.send("4abc");
    broken.expect_close();
    expect_end(&read, "forced close");
    let mut broken = host.client();
    broken.send("abc");
    broken.expect_close();
    expect_end(&read, "parse error");
}

#[test]
fn a_silent_client_times_out() {
    let (journal, read) = journal();
    let short = std::time::Duration::from_millis(20);
    let host = Host::with(|builder| builder.ping_interval(short).ping_timeout(short).state(journal));
    host.server.on_disconnect(|reason: Reason, State(journal): State<Journal>| journal.write(reason.to_string()));
    let poller = Poller::open(host.address);
    poller.post("40");
    assert_eq!(read.next(), "ping timeout");
}

#[test]
fn rooms_stand_until_slow_disconnecting_handlers_are_done() {
    let (host, read) = talking();
    host.server.on_disconnecting(async |socket: Socket, State(journal): State<Journal>| {
        tokio::task::yield_now().await;
        journal.write(format!("slow: {} rooms", socket.rooms().len()));
    });
    host.client().vanish();
    assert_eq!(read.next(), "disconnecting: transport close, 2 rooms");
    assert_eq!(read.next(), "slow: 2 rooms");
    assert_eq!(read.next(), "disconnect: transport close, 0 rooms");
}

#[test]
fn a_socket_can_be_sent_away_by_its_connect_handler() {
    let (host, read) = talking();
    let away = host.server.of("/away");
    away.on_connect(|socket: Socket, State(journal): State<Journal>| {
        socket.disconnect(false);
        // Registered too late for an ordinary listener, but in time: the end waits for the connect handlers.
        socket.on_disconnect(move || journal.write("heard"));
    });
    let mut client = Client::open(host.address, "");
    client.join("/away", None);
    client.expect("41/away,");
    assert_eq!(read.next(), "heard");
}

#[test]
fn listeners_do_not_keep_a_socket_that_is_gone() {
    let (journal, read) = journal();
    let host = Host::with(|builder| builder.state(journal));
    let (sender, held) = std::sync::mpsc::channel::<Weak<()>>();
    let sender = std::sync::Mutex::new(sender);
    host.server.on_connect(move |socket: Socket| {
        let token = Arc::new(());
        sender.lock().unwrap().send(Arc::downgrade(&token)).unwrap();
        // A circle: the socket holds the listener, which holds the socket.
        let (own, kept) = (socket.clone(), Arc::clone(&token));
        socket.on("x", move || (own.id().to_owned(), Arc::strong_count(&kept)));
        socket.insert(token);
    });
    host.server.on_disconnect(|socket: Socket, State(journal): State<Journal>| {
        socket.remove::<Arc<()>>();
        journal.write("gone");
    });
    host.client().vanish();
    assert_eq!(read.next(), "gone");
    let token = held.recv().unwrap();
    while token.strong_count() > 0 {
        std::thread::yield_now();
    }
    assert_eq!(host.server.sockets().len(), 0);
}

#[test]
fn the_server_closes_gracefully() {
    let (host, read) = talking();
    host.server.on_disconnect(async |State(journal): State<Journal>| {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        journal.write("saved");
    });
    let mut client = host.client();
    let poller = Poller::open(host.address);
    poller.post("40");
    poller.get();
    std::thread::scope(|scope| {
        // Whether this poll comes before or after: it ends.
        scope.spawn(|| poller.try_get());
        host.block_on(async { tokio::join!(host.server.close(), host.server.close(), host.server.closed()) });
    });
    // The end of each socket, and the handlers that took their time, came before `close` was over.
    let mut lines = read.so_far();
    lines.sort();
    assert_eq!(lines.len(), 6, "{lines:?}");
    assert!(lines[0].starts_with("disconnect: server shutting down"), "{lines:?}");
    assert_eq!(lines[5], "saved");
    client.expect_close();
    assert!(std::net::TcpStream::connect(host.address).is_err(), "the port is closed");
    assert_eq!(host.server.connections(), 0);
}
