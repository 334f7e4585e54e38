//! What a program expects of the client, whatever server it talks to: tests/clients/run.mjs starts the servers of `tests/faces`
//! and this beside them. Its argument is their port; each case is a line, `ok NAME` or `failed NAME: WHY`.
//!
//! The line `restart` asks for the server to be killed and started again at its port; a line comes back when that is done.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use ferrio::client::{Client, ClientBuilder, DisconnectReason, Failure};
use ferrio::{Args, Binary, Data, RawArgs, Transport, Value};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

const DEADLINE: Duration = Duration::from_secs(20);
const WAYS: [(&str, &[Transport]); 3] = [
    ("polling", &[Transport::Polling]),
    ("websocket", &[Transport::WebSocket]),
    ("upgrade", &[Transport::Polling, Transport::WebSocket]),
];

#[tokio::main]
async fn main() {
    let port = std::env::args().nth(1).expect("the port of a server");
    for (way, transports) in WAYS {
        let stage = Stage { url: format!("http://127.0.0.1:{port}"), transports };
        macro_rules! play {
            ($($case:ident)*) => {$(
                let played = tokio::spawn(tokio::time::timeout(DEADLINE, $case(stage.clone()))).await;
                let name = format!("{way}: {}", stringify!($case).replace('_', " "));
                match played {
                    Ok(Ok(())) => println!("ok {name}"),
                    Ok(Err(_)) => println!("failed {name}: it took more than 20 s"),
                    Err(panic) => println!("failed {name}: {}", message(panic).replace('\n', " ")),
                }
            )*};
        }
        play! {
            connects_and_ends_on_its_transport
            shows_its_credentials
            is_refused
            sends_and_gets_every_kind_of_value
            sends_and_gets_large_things
            keeps_the_order_while_it_upgrades
            asks_and_is_asked
            shares_a_connection
            is_thrown_out_and_comes_again
            waits_for_a_server_that_was_killed
        }
    }
}

fn message(panic: tokio::task::JoinError) -> String {
    let panic = panic.into_panic();
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
}

#[derive(Clone)]
struct Stage {
    url: String,
    transports: &'static [Transport],
}

impl Stage {
    fn client(&self, namespace: &str) -> ClientBuilder {
        Client::builder(format!("{}{namespace}", self.url))
            .transports(self.transports.iter().copied())
            .reconnection_delay(Duration::from_millis(20), Duration::from_millis(200))
    }

    async fn connected(&self) -> Client {
        self.client("").connect().await.unwrap()
    }
}

/// A handler that passes on, and where it goes.
fn received() -> (impl Fn(RawArgs) + Send + Sync + 'static, UnboundedReceiver<RawArgs>) {
    let (sender, receiver) = unbounded_channel();
    (passing(sender), receiver)
}

fn passing(sender: UnboundedSender<RawArgs>) -> impl Fn(RawArgs) + Send + Sync + 'static {
    move |args| drop(sender.send(args))
}

async fn connects_and_ends_on_its_transport(stage: Stage) {
    let (upgraded, mut upgrades) = unbounded_channel();
    let client = stage.client("").on_upgrade(move || upgraded.send(()).unwrap_or_default()).connect().await.unwrap();
    if stage.transports.len() > 1 {
        upgrades.recv().await.unwrap();
    }
    let transport: String = client.emit_with_ack("transport", ()).await.unwrap();
    assert_eq!(transport, stage.transports.last().unwrap().as_str());
    assert_eq!(client.transport().unwrap().as_str(), transport);
    let rooms: Vec<String> = client.emit_with_ack("rooms", ()).await.unwrap();
    assert_eq!(rooms, [client.id().unwrap()]);
    client.close().await;
}

async fn shows_its_credentials(stage: Stage) {
    let (on, mut auths) = received();
    let client = stage
        .client("/custom")
        .query("x", "ü 1")
        .header("x-test", "yes")
        .auth(json!({"token": "123"}))
        .on("auth", on)
        .connect();
    let client = client.await.unwrap();
    let auth: serde_json::Value = auths.recv().await.unwrap().parse().unwrap();
    assert_eq!(auth, json!({"token": "123"}));
    let handshake: serde_json::Value = client.emit_with_ack("handshake", ()).await.unwrap();
    assert_eq!(handshake, json!({"auth": {"token": "123"}, "x": "ü 1", "header": "yes"}));
}

async fn is_refused(stage: Stage) {
    let failure = stage.client("/admin").auth(json!({"token": "bad"})).connect().await.unwrap_err();
    // Python's original hands on a text with data in no form of its own, so only who is refused is compared here.
    assert!(matches!(failure, Failure::Refused { .. }), "{failure:?}");
    let failure = stage.client("/nowhere").connect().await.unwrap_err();
    let Failure::Refused { message, .. } = failure else { panic!("{failure:?}") };
    assert!(["Invalid namespace", "Unable to connect"].contains(&message.as_str()), "{message}");
    stage.client("/dyn-7").connect().await.unwrap();
}

async fn sends_and_gets_every_kind_of_value(stage: Stage) {
    let (on, mut echoes) = received();
    let client = stage.client("").on("echo", on).connect().await.unwrap();
    let mut values =
        vec![Value::from(json!([null, true, 0, -1.5, "", "€ 한글 🦀", [], {}, {"deep": [{"er": [1, "2", null]}]}]))];
    values.push(Value::Object(vec![
        ("bytes".into(), Value::Bytes(vec![1, 2, 3].into())),
        ("more".into(), Value::Array(vec![Value::Bytes(vec![].into())])),
    ]));
    client.emit("echo", Args(values.clone())).unwrap();
    assert_eq!(echoes.recv().await.unwrap().parse::<Args<Vec<Value>>>().unwrap().0, values);
}

async fn sends_and_gets_large_things(stage: Stage) {
    let (on, mut echoes) = received();
    let client = stage.client("").on("echo", on).connect().await.unwrap();
    let (text, bytes) = ("é".repeat(100 << 10), Binary(vec![7; 200 << 10].into()));
    client.emit("echo", (&text, &bytes)).unwrap();
    let echo: Args<(String, Binary)> = echoes.recv().await.unwrap().parse().unwrap();
    assert!(echo.0 == (text, bytes), "it is something else");
}

async fn keeps_the_order_while_it_upgrades(stage: Stage) {
    let (on, mut echoes) = received();
    let (tick, mut ticks) = received();
    let client = stage.client("").on("echo", on).on("tick", tick).start().unwrap();
    client.emit("ticks", (60, 5)).unwrap();
    for number in 0..300 {
        if number % 3 == 0 {
            client.emit("echo", (number, Binary(vec![1].into()))).unwrap();
        } else {
            client.emit("echo", number).unwrap();
        }
    }
    for number in 0..300 {
        assert_eq!(echoes.recv().await.unwrap().parse::<u32>().unwrap(), number);
    }
    for number in 0..60 {
        assert_eq!(ticks.recv().await.unwrap().parse::<u32>().unwrap(), number);
    }
}

async fn asks_and_is_asked(stage: Stage) {
    let (on, mut answers) = received();
    let client = stage
        .client("")
        .on("question", |Args((text, bytes)): Args<(String, Binary)>| (text.to_uppercase(), bytes))
        .on("answer", on)
        .connect();
    let client = client.await.unwrap();
    let answer: Args<(u32, Value)> =
        client.emit_with_ack("message-with-ack", (1, Binary(vec![4].into()))).await.unwrap();
    assert_eq!(answer.0, (1, Value::Bytes(vec![4].into())));
    client.emit("emit-ack", (5000, "what?", Binary(vec![7].into()))).unwrap();
    let answer: Args<(String, String, Binary)> = answers.recv().await.unwrap().parse().unwrap();
    assert_eq!(answer.0, ("ok".into(), "WHAT?".into(), Binary(vec![7].into())));
}

async fn shares_a_connection(stage: Stage) {
    let main = stage.connected().await;
    let custom = main.of("/custom").connect().await.unwrap();
    let slow = main.of("/slow").connect().await.unwrap();
    assert_ne!(custom.id(), slow.id());
    main.disconnect();
    for client in [&custom, &slow] {
        let answer: String = client.emit_with_ack("ack", "still here").await.unwrap();
        assert_eq!(answer, "still here");
    }
}

async fn is_thrown_out_and_comes_again(stage: Stage) {
    let (reasons, mut left) = unbounded_channel();
    let client = stage
        .client("")
        .on_disconnect(move |reason: DisconnectReason| reasons.send(reason).unwrap_or_default())
        .connect();
    let client = client.await.unwrap();
    client.emit("server-disconnect", false).unwrap();
    assert_eq!(left.recv().await, Some(DisconnectReason::ServerDisconnect));
    assert!(!client.is_active());
    client.connect();
    let answer: String = client.emit_with_ack("ack", "again").await.unwrap();
    assert_eq!(answer, "again");
    client.disconnect();
    assert_eq!(left.recv().await, Some(DisconnectReason::ClientDisconnect));
}

async fn waits_for_a_server_that_was_killed(stage: Stage) {
    let (reasons, mut left) = unbounded_channel();
    let client = stage
        .client("")
        .on_disconnect(move |reason: DisconnectReason| reasons.send(reason).unwrap_or_default())
        .connect();
    let client = client.await.unwrap();
    println!("restart");
    let reason = left.recv().await.unwrap();
    assert!(reason.is_temporary(), "{reason}");
    for number in 0..100 {
        client.emit("seq", number).unwrap();
    }
    BufReader::new(tokio::io::stdin()).read_line(&mut String::new()).await.unwrap();
    let log: Data<Vec<u32>> = Data(client.emit_with_ack("seq-log", ()).await.unwrap());
    assert_eq!(log.0, (0..100).collect::<Vec<_>>());
}
