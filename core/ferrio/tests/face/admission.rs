//! Who may come in, and how much may come of whom.

use std::net::SocketAddr;

use ferrio::{Admission, ConnectError, Event, Rate, Reason, Socket, State};

use crate::support::{Client, Host, Journal, Poller, http, journal, raw_head};

const SELDOM: f64 = 0.001;

fn handshake(address: SocketAddr) -> (u16, String) {
    http(address, "GET", "/socket.io/?EIO=4&transport=polling", "")
}

/// The limits that struck, and how often.
fn struck(host: &Host) -> Vec<(&'static str, u64)> {
    host.server.stats().limits.into_iter().filter(|(_, count)| *count > 0).collect()
}

/// Requests that were refused by who may come in.
fn refused(host: &Host) -> u64 {
    host.server.stats().refused[&4]
}

fn upgrade_head(address: SocketAddr) -> String {
    let upgrade = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    raw_head(address, upgrade)
}

#[test]
fn no_more_connections_than_there_may_be() {
    let host = Host::with(|builder| builder.admission(Admission { max_connections: Some(2), ..Admission::default() }));
    let (first, second) = (host.client(), Poller::open(host.address));
    assert_eq!(handshake(host.address), (503, r#"{"code":4,"message":"Too many connections"}"#.into()));
    let head = upgrade_head(host.address);
    assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("\r\nretry-after: 5\r\n"), "{head}");
    assert_eq!((struck(&host), refused(&host)), (vec![("max_connections", 2)], 2));
    // Those who are in notice nothing, and who leaves makes room.
    second.post("40");
    assert!(second.get().starts_with("40{"));
    first.vanish();
    while host.server.connections() == 2 {
        std::thread::yield_now();
    }
    host.client();
}

#[test]
fn no_more_handshakes_than_there_may_be() {
    let (go, gone) = tokio::sync::watch::channel(false);
    let host = Host::with(|builder| builder.admission(Admission { max_handshakes: Some(1), ..Admission::default() }));
    host.server.with(move || {
        let mut gone = gone.clone();
        async move {
            let _ = gone.wait_for(|gone| *gone).await;
            Ok::<_, ConnectError>(())
        }
    });
    let mut client = Client::open(host.address, "");
    client.send("40");
    assert_eq!(handshake(host.address).0, 503);
    go.send(true).unwrap();
    assert!(client.text().starts_with("40{"));
    // One that joins nothing takes the place that the first has left.
    let idle = Client::open(host.address, "");
    assert_eq!(handshake(host.address), (503, r#"{"code":4,"message":"Too many handshakes"}"#.into()));
    idle.vanish();
    while host.server.connections() == 2 {
        std::thread::yield_now();
    }
    assert_eq!(handshake(host.address).0, 200);
    assert_eq!((struck(&host), refused(&host)), (vec![("max_handshakes", 2)], 2));
}

#[test]
fn no_more_sessions_of_an_address_than_it_may_open() {
    let rate = Some(Rate { per_second: SELDOM, burst: 3 });
    let host =
        Host::with(|builder| builder.admission(Admission { sessions_per_address: rate, ..Admission::default() }));
    let _clients = [host.client(), host.client()];
    assert_eq!(handshake(host.address).0, 200);
    let message = "Too many sessions from this address";
    assert_eq!(handshake(host.address), (429, format!(r#"{{"code":4,"message":"{message}"}}"#)));
    let head = upgrade_head(host.address);
    assert!(head.starts_with("HTTP/1.1 429 ") && head.contains("\r\nretry-after: "), "{head}");
    assert_eq!(host.server.connections(), 3);
    assert_eq!((struck(&host), refused(&host)), (vec![("sessions_per_address", 2)], 2));
}

#[test]
fn no_more_events_of_a_client_than_it_may_send() {
    let (journal, read) = journal();
    let rate = Some(Rate { per_second: SELDOM, burst: 4 });
    let host = Host::with(|builder| {
        builder.admission(Admission { events_per_client: rate, ..Admission::default() }).ordered(true).state(journal)
    });
    host.server.on_any(|Event(name): Event, State(journal): State<Journal>| journal.write(name.to_string()));
    host.server.on_disconnect(|_: Socket, reason: Reason, State(journal): State<Journal>| {
        journal.write(reason.to_string());
    });
    // To join is the first.
    let (mut client, mut other) = (host.client(), host.client());
    for number in 0..10 {
        if !client.try_send(&format!(r#"42["{number}"]"#)) {
            break;
        }
    }
    client.expect_close();
    assert_eq!([read.next(), read.next(), read.next(), read.next()], ["0", "1", "2", "rate limited"]);
    other.send(r#"42["mine"]"#);
    assert_eq!(read.next(), "mine");
    assert_eq!(struck(&host), [("events_per_client", 1)]);
    assert_eq!(host.server.stats().closed, [("rate limited", 1)].into());
}
