//! What becomes of events when connections break: buffers, order, retries, recovery.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ferrio::{Ack, AckError, Client, Data, EmitError, Recovery, Server, Socket};

use crate::support::{Host, WAYS, client, journal, soon};

#[tokio::test]
async fn what_is_emitted_offline_waits_in_order() {
    let host = Host::new().await;
    let (journal, mut read) = journal();
    host.server.on("n", move |Data(number): Data<u32>| journal.write(number.to_string()));
    for way in WAYS {
        let client = host.client(way).start().unwrap();
        let lost = client.volatile().emit_with_ack::<()>("n", 99).into_future();
        assert_eq!(soon(lost).await, Err(AckError::Disconnected));
        for number in 0..100 {
            client.emit("n", number).unwrap();
        }
        for number in 0..100 {
            assert_eq!(read.next().await, number.to_string());
        }
        assert!(read.is_empty());
    }
}

#[tokio::test]
async fn a_close_sends_what_waits_first() {
    let host = Host::new().await;
    let (journal, mut read) = journal();
    let events = journal.clone();
    host.server.on("n", move |Data(number): Data<u32>| events.write(number.to_string()));
    host.server.on_disconnect(move |reason: ferrio::Reason| journal.write(reason.to_string()));
    for way in WAYS {
        let client = soon(host.client(way).connect()).await.unwrap();
        (0..100).for_each(|number| client.emit("n", number).unwrap());
        soon(client.close()).await;
        for number in 0..100 {
            assert_eq!(read.next().await, number.to_string());
        }
        read.expect(["client namespace disconnect"]).await;
    }
}

#[tokio::test]
async fn what_waits_is_bounded() {
    let client = client("http://127.0.0.1:1").max_buffered(1000).start().unwrap();
    let sent = (0..100).take_while(|_| client.emit("text", "x".repeat(100)).is_ok()).count();
    assert!((3..=9).contains(&sent), "{sent}");
    assert_eq!(client.emit("text", "x".repeat(100)), Err(EmitError::Full));
    assert!(client.buffered() <= 1000);
    // An answer that is given up on takes its event with it.
    let client = crate::support::client("http://127.0.0.1:1").max_buffered(1000).start().unwrap();
    let late = client.emit_with_ack::<()>("text", "x".repeat(800)).timeout(Duration::from_millis(1)).into_future();
    assert_eq!(soon(late).await, Err(AckError::Timeout));
    assert_eq!(client.buffered(), 0);
}

#[tokio::test]
async fn a_restarted_server_gets_everything_once() {
    let host = Host::new().await;
    let (journal, mut read) = journal();
    let note = |server: &Server, journal: &crate::support::Journal| {
        let journal = journal.clone();
        server.on("n", move |Data(number): Data<u32>| journal.write(number.to_string()));
    };
    note(&host.server, &journal);
    let (up, down) = (journal.clone(), journal.clone());
    let client = host.client(WAYS[2]).on_connect(up.line("up")).on_disconnect(down.line("down")).connect();
    let client = soon(client).await.unwrap();
    read.expect(["up"]).await;
    let mut server = host.server;
    for round in 0..3 {
        soon(server.close()).await;
        read.expect(["down"]).await;
        for number in 0..10 {
            client.emit("n", round * 10 + number).unwrap();
        }
        server = Server::new();
        note(&server, &journal);
        server.listen(host.address).await.unwrap();
        read.expect(["up"]).await;
        for number in 0..10 {
            assert_eq!(read.next().await, (round * 10 + number).to_string());
        }
    }
}

#[tokio::test]
async fn retries_deliver_in_order() {
    let host = Host::new().await;
    let (journal, mut read) = journal();
    let seen = Arc::new(AtomicU32::new(0));
    let breaker: Arc<OnceLock<Client>> = Arc::default();
    let breaks = Arc::clone(&breaker);
    host.server.on("n", move |Data(number): Data<u32>, ack: Ack| {
        journal.write(number.to_string());
        // Of three tries the first is not answered, and the second breaks the connection.
        match seen.fetch_add(1, Ordering::Relaxed) % 3 {
            0 => {}
            1 => breaks.get().unwrap().close_connection(),
            _ => ack.send(number).unwrap(),
        }
    });
    let client = host.client(WAYS[1]).retries(5).ack_timeout(Duration::from_millis(20)).connect();
    let client = soon(client).await.unwrap();
    breaker.set(client.clone()).unwrap();
    let answers: Vec<_> = (0..5).map(|number| client.emit_with_ack::<u32>("n", number).into_future()).collect();
    for (number, answer) in answers.into_iter().enumerate() {
        assert_eq!(soon(answer).await, Ok(number as u32));
        for _ in 0..3 {
            assert_eq!(read.next().await, number.to_string());
        }
    }
}

#[tokio::test]
async fn retries_end() {
    let host = Host::new().await;
    let (journal, mut read) = journal();
    let answering = Arc::new(AtomicBool::new(false));
    let answers = Arc::clone(&answering);
    host.server.on("n", move |Data(number): Data<u32>, ack: Ack| {
        journal.write(number.to_string());
        if answers.load(Ordering::Acquire) {
            ack.send(()).unwrap();
        }
    });
    let client = soon(host.client(WAYS[1]).retries(2).ack_timeout(Duration::from_millis(5)).connect()).await.unwrap();
    let first = client.emit_with_ack::<()>("n", 1).into_future();
    assert_eq!(soon(first).await, Err(AckError::Timeout));
    answering.store(true, Ordering::Release);
    let second = client.emit_with_ack::<()>("n", 2).timeout(Duration::from_secs(20)).into_future();
    assert_eq!(soon(second).await, Ok(()));
    read.expect(["1", "1", "1", "2"]).await;
    assert!(read.is_empty());
}

#[tokio::test]
async fn state_is_recovered() {
    let host = Host::with(|builder| builder.connection_state_recovery(Recovery::default())).await;
    host.server.on_connect(|socket: Socket| {
        if !socket.recovered() {
            socket.join("room");
        }
    });
    for way in WAYS {
        let (journal, mut read) = journal();
        let events = journal.clone();
        let back = journal.clone();
        let client = host
            .client(way)
            .on("n", move |Data((number, bytes)): Data<(u32, ferrio::Binary)>| {
                events.write(format!("{number} {}", bytes.len()));
            })
            .on_connect(move |client: Client| back.write(format!("connect, recovered: {}", client.recovered())))
            .connect();
        let client = soon(client).await.unwrap();
        read.expect(["connect, recovered: false"]).await;
        let id = client.id();
        let emit = |number: u32| {
            host.server.to("room").emit("n", ((number, ferrio::Binary(vec![0; 3].into())),)).unwrap();
        };
        emit(1);
        read.expect(["1 3"]).await;
        client.close_connection();
        // It may be gone by now, or not yet: it misses nothing either way.
        emit(2);
        let mut lines = [read.next().await, read.next().await];
        lines.sort();
        assert_eq!(lines, ["2 3", "connect, recovered: true"]);
        assert_eq!(client.id(), id);
        client.disconnect();
        client.connect();
        read.expect(["connect, recovered: false"]).await;
        assert_ne!(client.id(), id);
    }
}
