//! The test server in Rust. What it must do is written in tests/scenarios/README.md; the JavaScript and the Python program
//! do the same. It is built as `ferrio-face`.

use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use ferrio::{
    Ack, Args, Auth, ConnectError, Cors, Data, Drain, EmitError, RawArgs, Reason, Recovery, Serializer, Server, Socket,
    State, Value,
};
use serde::Deserialize;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio::time::{interval, sleep};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = env::args().nth(1).map_or(Ok(0), |port| port.parse::<u16>())?;
    let host = env::var("FERRIO_TEST_HOST").unwrap_or_else(|_| "127.0.0.1".into());
    let mut builder = Server::builder();
    if switch("FERRIO_TEST_RECOVERY") {
        builder = builder.connection_state_recovery(Recovery::default());
    }
    let server = builder
        .ping_interval(millis("FERRIO_TEST_PING_INTERVAL", 300)?)
        .ping_timeout(millis("FERRIO_TEST_PING_TIMEOUT", 200)?)
        .connect_timeout(millis("FERRIO_TEST_CONNECT_TIMEOUT", 1000)?)
        .upgrade_timeout(millis("FERRIO_TEST_UPGRADE_TIMEOUT", 10_000)?)
        .max_payload(1_000_000)
        .cors(Cors::Any { credentials: false })
        .serializer(match env::var("FERRIO_TEST_SERIALIZER").as_deref() {
            Ok("msgpack") => Serializer::MsgPack,
            _ => Serializer::Json,
        })
        .allow_eio3(switch("FERRIO_TEST_EIO3"))
        .cleanup_empty_child_namespaces(switch("FERRIO_TEST_CLEANUP"))
        .hard_limit(limit("hardLimit")?.unwrap_or(16 << 20))
        .state(Book { forgetful: switch("FERRIO_TEST_FORGETFUL"), ..Book::default() })
        .build();

    for name in ["/", "/custom", "/admin", "/slow", "/silent"] {
        server.of(name).on_connect(serve);
    }
    server.of_regex(r"/dyn-[0-9]+")?.on_connect(serve);
    server.of("/admin").with(|Auth(auth): Auth<Value>| match auth.get("token").and_then(Value::as_str) {
        Some("bad") => Err(ConnectError::new("refused").data(json!({ "code": 401 }))),
        _ => Ok(()),
    });
    server.of("/slow").with(async || {
        sleep(Duration::from_millis(200)).await;
        Ok::<_, ConnectError>(())
    });

    server.of("/silent").with(async || {
        pending::<()>().await;
        Ok::<_, ConnectError>(())
    });

    // Memory is measured without what the allocator keeps for later.
    let mut measured = signal(SignalKind::user_defined2())?;
    tokio::spawn(async move {
        while measured.recv().await.is_some() {
            trim();
        }
    });

    let address = server.listen((host.as_str(), port)).await?;
    println!("ready {}", address.port());
    signal(SignalKind::terminate())?.recv().await;
    match env::var("FERRIO_TEST_DRAIN") {
        Ok(how) => server.drain(drain(&how)?).await,
        Err(_) => server.close().await,
    }
    Ok(())
}

/// Gives back to the system what is free in the middle of a heap, too.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn trim() {
    unsafe extern "C" {
        safe fn malloc_trim(pad: usize) -> i32;
    }
    malloc_trim(0);
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn trim() {}

/// Of the options that only ferrio has, by their names in Node.
fn limit(name: &str) -> Result<Option<usize>, Box<dyn Error>> {
    let Ok(given) = env::var("FERRIO_TEST_LIMITS") else { return Ok(None) };
    let given: HashMap<String, usize> = serde_json::from_str(&given)?;
    Ok(given.get(name).copied())
}

fn drain(how: &str) -> Result<Drain, Box<dyn Error>> {
    #[derive(Deserialize)]
    struct How {
        grace: u64,
        spread: u64,
        reason: String,
    }
    let How { grace, spread, reason } = serde_json::from_str(how)?;
    Ok(Drain { grace: Duration::from_millis(grace), spread: Duration::from_millis(spread), reason })
}

fn serve(socket: Socket, Auth(auth): Auth<Value>, State(book): State<Book>) {
    book.live(&socket, "connection".into());
    let _ = socket.emit("auth", auth);

    // What comes in goes back.
    socket.on("message", |socket: Socket, args: RawArgs| socket.emit("message-back", args));
    socket.on("echo", |socket: Socket, args: RawArgs| socket.emit("echo", args));
    socket.on("message-with-ack", |args: RawArgs, ack: Ack| ack.send(args));
    socket.on("ack", |Data(first): Data<Value>| (first,));

    // Rooms and targets.
    socket.on("join", |socket: Socket, Data(rooms): Data<Rooms>| socket.join(rooms.list()));
    socket.on("leave", |socket: Socket, Data(room): Data<String>| socket.leave(room));
    socket.on("rooms", |socket: Socket| socket.rooms());
    socket.on("fetch", async |socket: Socket, Data(room): Data<String>| {
        let sockets = socket.namespace().in_(room).fetch_sockets().await;
        sockets.iter().map(|socket| socket.id().to_owned()).collect::<Vec<_>>()
    });
    socket.on("bcast", |socket: Socket, Args((rooms, data)): Args<(Rooms, Value)>| {
        socket.namespace().to(rooms.list()).emit("bcast", (data,))
    });
    socket.on("to", |socket: Socket, Args((rooms, data)): Args<(Rooms, Value)>| {
        socket.to(rooms.list()).emit("to", (data,))
    });
    socket.on("except", |socket: Socket, Args((rooms, excepted, data)): Args<(Rooms, Rooms, Value)>| {
        socket.namespace().to(rooms.list()).except(excepted.list()).emit("except", (data,))
    });
    socket.on("broadcast", |socket: Socket, args: RawArgs| socket.broadcast().emit("broadcast", args));
    socket.on("volatile", |socket: Socket, args: RawArgs| socket.volatile().emit("volatile", args));

    // The server asks.
    socket.on("emit-ack", async |socket: Socket, Args(args): Args<Vec<Value>>| {
        let [ms, args @ ..] = &*args else { return Ok(()) };
        let wait = Duration::from_millis(ms.as_u64().unwrap_or_default());
        match socket.emit_with_ack::<Args<Vec<Value>>>("question", Args(args)).timeout(wait).await {
            Ok(Args(answers)) => socket.emit("answer", Args([vec!["ok".into()], answers].concat())),
            Err(_) => socket.emit("answer", "timeout"),
        }
    });
    socket.on("bcast-ack", async |socket: Socket, Args(args): Args<Vec<Value>>| {
        let [room, ms, args @ ..] = &*args else { return Ok(()) };
        let room = room.as_str().unwrap_or_default();
        let wait = Duration::from_millis(ms.as_u64().unwrap_or_default());
        let question = socket.namespace().to(room).timeout(wait).emit_with_ack::<Value>("question", Args(args));
        let answers = question.await?;
        let how = if answers.is_complete() { "ok" } else { "timeout" };
        socket.emit("answers", (how, answers.into_values()))
    });

    // Order: `burst` sends at once, `ticks` over time, `seq` remembers what came.
    socket.on("burst", |socket: Socket, Data(count): Data<u32>| (0..count).try_for_each(|n| socket.emit("burst", n)));
    socket.on("ticks", async |socket: Socket, Args((count, ms)): Args<(u32, u64)>| {
        let mut interval = interval(Duration::from_millis(ms.max(1)));
        interval.tick().await;
        for n in 0..count {
            interval.tick().await;
            // Fails once he has left.
            socket.emit("tick", n)?;
        }
        Ok::<_, EmitError>(())
    });
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    socket.on("seq", move |Data(n): Data<Value>| lock(&seen).push(n));
    socket.on("seq-log", move || lock(&log).clone());

    // The program stands still: in Rust the part of it that a handler leaves to a thread for such work.
    socket.on("block", async |Data(ms): Data<u64>| {
        let _ = spawn_blocking(move || thread::sleep(Duration::from_millis(ms))).await;
    });

    // What the server knows.
    socket.on("transport", |socket: Socket| socket.transport().as_str());
    socket.on("handshake", |socket: Socket, Auth(auth): Auth<Value>| {
        let handshake = socket.handshake();
        json!({ "auth": auth, "x": handshake.query("x"), "header": handshake.header("x-test") })
    });
    socket.on("vitals", |server: Server| {
        let tasks = Handle::current().metrics().num_alive_tasks();
        json!({ "connections": server.connections(), "tasks": tasks, "heap": null })
    });
    socket.on("reasons", |State(book): State<Book>| lock(&book.reasons).clone());
    socket.on("life", |Data(id): Data<String>, State(book): State<Book>| {
        lock(&book.lives).get(&id).cloned().unwrap_or_default()
    });

    socket.on("lives", |State(book): State<Book>| lock(&book.lives).clone());

    // The end.
    socket.on("server-disconnect", |socket: Socket, Data(close): Data<Option<bool>>| {
        socket.disconnect(close.unwrap_or_default());
    });
    socket.on_disconnecting(|socket: Socket, reason: Reason, State(book): State<Book>| {
        book.live(&socket, format!("disconnecting {reason} rooms={}", socket.rooms().len()));
    });
    socket.on_disconnect(|socket: Socket, reason: Reason, State(book): State<Book>| {
        book.live(&socket, format!("disconnect {reason} rooms={}", socket.rooms().len()));
        if book.forgetful {
            lock(&book.lives).remove(socket.id());
            return;
        }
        let entry = [socket.id(), socket.namespace().name(), &reason.to_string()].map(str::to_owned);
        lock(&book.reasons).push(entry);
    });
}

/// What the server remembers.
#[derive(Default)]
struct Book {
    /// Nothing is remembered of sockets that are gone.
    forgetful: bool,
    /// Socket, namespace and reason of every disconnect, oldest first.
    reasons: Mutex<Vec<[String; 3]>>,
    /// What happened to a socket, in order.
    lives: Mutex<HashMap<String, Vec<String>>>,
}

impl Book {
    fn live(&self, socket: &Socket, what: String) {
        lock(&self.lives).entry(socket.id().to_owned()).or_default().push(what);
    }
}

/// A room or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Rooms {
    One(String),
    Several(Vec<String>),
}

impl Rooms {
    fn list(self) -> Vec<String> {
        match self {
            Self::One(room) => vec![room],
            Self::Several(rooms) => rooms,
        }
    }
}

fn millis(name: &str, default: u64) -> Result<Duration, Box<dyn Error>> {
    let value = env::var(name).map_or(Ok(default), |value| value.parse())?;
    Ok(Duration::from_millis(value))
}

fn switch(name: &str) -> bool {
    env::var(name).is_ok_and(|value| value == "1")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
