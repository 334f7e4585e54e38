//! Connection state recovery, as a Rust program sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ferrio::{ConnectError, Recovery, Server, Socket, State};
use serde_json::{Value, json};

use crate::support::{Client, Host, Journal, journal};

struct Name(&'static str);

/// A client with recovery: it remembers its private id and its last offset.
struct Returning {
    client: Client,
    pid: String,
    offset: Option<String>,
}

impl Returning {
    fn new(host: &Host) -> Self {
        let mut client = Client::open(host.address, "");
        let answer = client.ask_to_join("/", None);
        Self { client, pid: field(&answer, "pid"), offset: None }
    }

    /// Comes back on a new connection; gives the events that it missed.
    fn again(self, host: &Host) -> (Self, Vec<Value>) {
        let Self { client, pid, offset } = self;
        drop(client);
        let mut client = Client::open(host.address, "");
        let auth = match &offset {
            Some(offset) => json!({"pid": pid, "offset": offset}),
            None => json!({"pid": pid}),
        };
        let mut text = client.ask_to_join("/", Some(auth));
        let mut returned = Self { client, pid, offset };
        let mut missed = Vec::new();
        while !text.starts_with("40{") {
            missed.push(returned.note(&text));
            text = returned.client.text();
        }
        assert_eq!(field(&text, "pid"), returned.pid);
        (returned, missed)
    }

    fn event(&mut self) -> Value {
        let text = self.client.text();
        self.note(&text)
    }

    /// An event, without its offset.
    fn note(&mut self, text: &str) -> Value {
        let mut event: Value = serde_json::from_str(text.strip_prefix("42").unwrap()).unwrap();
        let offset = event.as_array_mut().unwrap().pop().unwrap();
        self.offset = Some(offset.as_str().unwrap().to_owned());
        event
    }
}

fn field(answer: &str, name: &str) -> String {
    serde_json::from_str::<Value>(&answer[2..]).unwrap()[name].as_str().unwrap().to_owned()
}

fn recovering(recovery: Recovery) -> Host {
    Host::with(|builder| builder.connection_state_recovery(recovery))
}

#[test]
fn a_socket_finds_what_it_had() {
    let (journal, read) = journal();
    let host = Host::with(|builder| builder.state(journal).connection_state_recovery(Recovery::default()));
    host.server.with(|State(journal): State<Journal>| -> Result<(), ConnectError> {
        journal.write("asked");
        Ok(())
    });
    host.server.on_connect(|socket: Socket, State(journal): State<Journal>| {
        if socket.recovered() {
            let name = socket.extension::<Name>().map(|name| name.0);
            journal.write(format!("back: {name:?}, {} rooms", socket.rooms().len()));
        } else {
            socket.insert(Name("early"));
            socket.join("room");
            journal.write("new");
        }
    });
    host.server.on_disconnecting(|socket: Socket| {
        socket.insert(Name("late"));
    });
    let client = Returning::new(&host);
    assert_eq!([read.next(), read.next()], ["asked", "new"]);
    let (mut client, _) = client.again(&host);
    assert_eq!(read.next(), r#"back: Some("late"), 2 rooms"#);
    host.server.to("room").emit("hello", 1).unwrap();
    assert_eq!(client.event(), json!(["hello", 1]));
    let (_, missed) = client.again(&host);
    assert!(missed.is_empty());
    assert_eq!(read.next(), r#"back: Some("late"), 2 rooms"#);
    assert!(read.is_empty());
}

#[test]
fn middlewares_may_be_asked_again() {
    let host = recovering(Recovery { skip_middlewares: false, ..Recovery::default() });
    let closed = Arc::new(AtomicBool::new(false));
    let door = Arc::clone(&closed);
    host.server.with(move || if door.load(Ordering::Acquire) { Err(ConnectError::new("closed")) } else { Ok(()) });
    let Returning { client, pid, .. } = Returning::new(&host);
    drop(client);
    closed.store(true, Ordering::Release);
    let mut client = Client::open(host.address, "");
    assert_eq!(client.ask_to_join("/", Some(json!({"pid": pid}))), r#"44{"message":"closed"}"#);
    closed.store(false, Ordering::Release);
    let answer = client.ask_to_join("/", Some(json!({"pid": pid})));
    assert_eq!(field(&answer, "pid"), pid);
}

#[test]
fn threads_that_send_all_the_time() {
    const THREADS: usize = 4;
    const EACH: usize = 500;
    const BREAKS: usize = 20;

    let host = recovering(Recovery::default());
    host.server.on_connect(|socket: Socket| {
        if !socket.recovered() {
            socket.join("room");
        }
    });
    let mut client = Returning::new(&host);
    host.server.to("room").emit("ready", ()).unwrap();
    assert_eq!(client.event(), json!(["ready"]));

    let senders: Vec<_> = (0..THREADS).map(|thread| std::thread::spawn(sender(&host.server, thread, EACH))).collect();
    let mut got = vec![Vec::new(); THREADS];
    let mut note = |event: Value| {
        let number = |at: usize| usize::try_from(event[at].as_u64().unwrap()).unwrap();
        got[number(1)].push(number(2));
    };
    let mut count = 0;
    for _ in 0..BREAKS {
        let here = (THREADS * EACH - count).min(10);
        for _ in 0..here {
            note(client.event());
        }
        let missed;
        (client, missed) = client.again(&host);
        count += here + missed.len();
        missed.into_iter().for_each(&mut note);
    }
    for sender in senders {
        sender.join().unwrap();
    }
    for _ in count..THREADS * EACH {
        note(client.event());
    }
    for thread in got {
        assert_eq!(thread, (0..EACH).collect::<Vec<_>>());
    }
}

fn sender(server: &Server, thread: usize, count: usize) -> impl FnOnce() + use<> {
    let server = server.clone();
    move || {
        for number in 0..count {
            server.to("room").emit("n", (thread, number)).unwrap();
            if number % 10 == 0 {
                // Spread over the time that the client takes.
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}
