//! In which order handlers begin and end.

use std::sync::Arc;

use ferrio::{Data, Namespace, Server, Socket, State};
use tokio::sync::Semaphore;

use crate::support::{Client, Host, Journal, Reading, journal};

/// A server whose handlers wait at a gate, and say when they begin and end.
fn gated(ordered: bool) -> (Host, Arc<Semaphore>, Reading) {
    let (journal, read) = journal();
    let gate = Arc::new(Semaphore::new(0));
    let host = Host::with(|builder| builder.ordered(ordered).state(Arc::clone(&gate)).state(journal));
    host.server.on(
        "wait",
        async |Data(n): Data<u32>, State(gate): State<Arc<Semaphore>>, State(journal): State<Journal>| {
            journal.write(format!("begin {n}"));
            if n > 0 {
                gate.acquire().await.unwrap().forget();
            }
            journal.write(format!("end {n}"));
            n
        },
    );
    host.server.on_disconnect(|State(journal): State<Journal>| journal.write("disconnect"));
    (host, gate, read)
}

fn lines<const N: usize>(read: &Reading) -> [String; N] {
    std::array::from_fn(|_| read.next())
}

#[test]
fn handlers_begin_in_the_order_of_events() {
    let (host, gate, read) = gated(false);
    let mut client = host.client();
    for n in [1, 2, 0, 3] {
        client.send(&format!(r#"42{n}["wait",{n}]"#));
    }
    // Those that do not have to wait are not waited for.
    assert_eq!(lines(&read), ["begin 1", "begin 2", "begin 0", "end 0", "begin 3"]);
    client.expect("430[0]");
    gate.add_permits(3);
    let mut ends: [String; 3] = lines(&read);
    ends.sort();
    assert_eq!(ends, ["end 1", "end 2", "end 3"]);
}

#[test]
fn one_after_the_other_where_asked_for() {
    let (host, gate, read) = gated(true);
    let mut client = host.client();
    let mut other = host.client();
    for n in [1, 2, 0, 3] {
        client.send(&format!(r#"42{n}["wait",{n}]"#));
    }
    assert_eq!(lines(&read), ["begin 1"]);
    // Nobody else waits for it.
    other.send(r#"420["wait",0]"#);
    other.expect("430[0]");
    assert_eq!(lines(&read), ["begin 0", "end 0"]);
    gate.add_permits(2);
    assert_eq!(lines(&read), ["end 1", "begin 2", "end 2", "begin 0", "end 0", "begin 3"]);
    for n in [1, 2, 0] {
        client.expect(&format!("43{n}[{n}]"));
    }
    // The end of the socket waits its turn, too.
    client.vanish();
    while host.server.connections() > 1 {
        std::thread::yield_now();
    }
    assert!(read.is_empty());
    gate.add_permits(1);
    assert_eq!(lines(&read), ["end 3", "disconnect"]);
}

#[test]
fn a_namespace_has_its_own_order() {
    let (host, gate, read) = gated(false);
    let strict = host.server.of("/strict");
    strict.ordered(true);
    strict.on(
        "wait",
        async |Data(n): Data<u32>, State(gate): State<Arc<Semaphore>>, State(journal): State<Journal>| {
            journal.write(format!("begin {n}"));
            gate.acquire().await.unwrap().forget();
        },
    );
    let mut client = Client::open(host.address, "");
    client.join("/strict", None);
    client.send(r#"42/strict,1["wait",1]"#);
    client.send(r#"42/strict,2["wait",2]"#);
    assert_eq!(read.next(), "begin 1");
    gate.add_permits(1);
    client.expect("43/strict,1[]");
    assert_eq!(read.next(), "begin 2");
}

#[test]
fn no_event_is_missed_by_a_listener_of_a_connect_handler() {
    let host = Host::new();
    // Slow to register, on a thread other than the one that reads the client's events.
    host.server.with(async || {
        tokio::task::yield_now().await;
        Ok::<_, String>(())
    });
    host.server.on_connect(|socket: Socket| {
        socket.emit("come", ()).unwrap();
        std::thread::yield_now();
        socket.on("here", || "seen");
    });
    for _ in 0..50 {
        let mut client = host.client();
        client.send(r#"421["here"]"#);
        client.expect(r#"42["come"]"#);
        client.expect(r#"431["seen"]"#);
    }
}

#[test]
fn what_one_handler_sends_arrives_in_order() {
    let host = Host::new();
    host.server.on("burst", async |socket: Socket, namespace: Namespace, _: Server| {
        for n in 0..100 {
            if n % 10 == 0 {
                tokio::task::yield_now().await;
            }
            if n % 2 == 0 { socket.emit("n", n)? } else { namespace.emit("n", n)? }
        }
        Ok::<_, ferrio::EmitError>(())
    });
    let mut client = host.client();
    client.send(r#"421["burst"]"#);
    for n in 0..100 {
        client.expect(&format!(r#"42["n",{n}]"#));
    }
    client.expect("431[]");
}
