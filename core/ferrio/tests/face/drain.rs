//! A server that ends while others take over from it.

use std::collections::HashSet;
use std::time::Duration;

use ferrio::{Ack, Drain, Reason, Socket, State};

use crate::support::{Client, Host, Journal, Poller, http, journal};

fn at_once() -> Drain {
    Drain { grace: Duration::from_secs(20), spread: Duration::ZERO, ..Drain::default() }
}

#[test]
fn nobody_is_let_in_and_everybody_is_sent_away() {
    let (journal, read) = journal();
    let host = Host::with(|builder| builder.ready_path("/ready").state(journal));
    host.server.on_disconnect(|socket: Socket, reason: Reason, State(journal): State<Journal>| {
        journal.write(format!("{} {reason}", socket.id()));
    });
    let (mut client, poller) = (host.client(), Poller::open(host.address));
    poller.post("40");
    assert!(poller.get().starts_with("40{"));
    assert_eq!(http(host.address, "GET", "/ready", ""), (200, "ready".into()));
    assert!(host.server.is_ready());

    // A question under way keeps the server waiting, and meanwhile everything works but for newcomers.
    let socket = host.server.of("/").socket(&client.id).unwrap();
    let question = host.runtime.spawn(async move { socket.emit_with_ack::<u32>("how many?", ()).await });
    client.expect(r#"420["how many?"]"#);
    let server = host.server.clone();
    let drained =
        host.runtime.spawn(async move { server.drain(Drain { reason: "upgrade".into(), ..at_once() }).await });
    while host.server.is_ready() {
        std::thread::yield_now();
    }
    assert_eq!(http(host.address, "GET", "/ready", ""), (503, "not ready".into()));
    let refused = (503, r#"{"code":4,"message":"Server shutting down"}"#.to_owned());
    assert_eq!(http(host.address, "GET", "/socket.io/?EIO=4&transport=polling", ""), refused);
    assert_eq!(Client::try_open(host.address, "").0, 503);
    host.server.emit("news", ()).unwrap();
    client.expect(r#"42["news"]"#);
    assert_eq!(poller.get(), r#"42["news"]"#);
    assert_eq!(host.server.connections(), 2);

    client.send("430[7]");
    assert_eq!(host.block_on(question).unwrap().unwrap(), 7);
    assert_eq!(client.expect_close_frame(), (1012, "upgrade".into()));
    // What a client of long-polling is told is the end of its connection, not of its namespace: it will come back.
    while let Some((200, packets)) = poller.try_get() {
        let packets: Vec<&str> = packets.split('\x1e').collect();
        assert!(packets.iter().all(|packet| ["1", "6"].contains(packet)), "{packets:?}");
        if packets.contains(&"1") {
            break;
        }
    }
    host.block_on(drained).unwrap();
    let ended: HashSet<String> = [read.next(), read.next()].into();
    assert!(ended.contains(&format!("{} server shutting down", client.id)), "{ended:?}");
    assert_eq!(host.server.connections(), 0);
}

#[test]
fn an_answer_that_a_client_waits_for_is_waited_for() {
    let host = Host::new();
    let (give, given) = tokio::sync::watch::channel(None::<u32>);
    host.server.on("ask", move |ack: Ack| {
        let mut given = given.clone();
        async move {
            let answer = *given.wait_for(Option::is_some).await.unwrap();
            ack.send((answer,))
        }
    });
    let mut client = host.client();
    client.send(r#"421["ask"]"#);
    client.send(r#"42["ask"]"#);
    let server = host.server.clone();
    let drained = host.runtime.spawn(async move { server.drain(at_once()).await });
    while host.server.is_ready() {
        std::thread::yield_now();
    }
    give.send(Some(9)).unwrap();
    client.expect("431[9]");
    assert_eq!(client.expect_close_frame().0, 1012);
    host.block_on(drained).unwrap();
}

#[test]
fn whoever_has_no_patience_closes() {
    let host = Host::new();
    let mut client = host.client();
    let server = host.server.clone();
    let how = Drain { spread: Duration::from_secs(3600), grace: Duration::from_secs(3600), ..Drain::default() };
    client.send(r#"421["unanswered"]"#);
    let socket = host.server.of("/").socket(&client.id).unwrap();
    let question = host.runtime.spawn(async move { socket.emit_with_ack::<u32>("?", ()).await });
    client.expect(r#"420["?"]"#);
    let drained = host.runtime.spawn(async move { server.drain(how).await });
    while host.server.is_ready() {
        std::thread::yield_now();
    }
    host.block_on(host.server.close());
    host.block_on(drained).unwrap();
    assert!(host.block_on(question).unwrap().is_err());
    client.expect_close();
}
