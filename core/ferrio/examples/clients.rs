//! A client that does what it is told, for `tests/clients`: commands on stdin, what happens on stdout, a line of JSON each. What the
//! words mean stands in `tests/clients/README.md`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ferrio::client::{Client, DisconnectReason, Failure, NamespaceBuilder, Options};
use ferrio::{Ack, AckError, Args, Event, Transport, Value};
use parking_lot::Mutex;
use serde_json::{Map, Value as Json, json};
use tokio::io::{AsyncBufReadExt, BufReader};

#[tokio::main]
async fn main() {
    let mut program = Program::default();
    say(&json!({"ready": true, "cannot": []}));
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        let command: Json = serde_json::from_str(&line).unwrap();
        if command["do"] == "end" {
            break;
        }
        program.carry_out(command.as_object().unwrap());
    }
    for (_, Actor { client, .. }) in program.actors {
        client.close().await;
    }
}

fn say(line: &Json) {
    println!("{line}");
}

#[derive(Default)]
struct Program {
    actors: HashMap<String, Actor>,
}

/// A client and what it is to do by itself.
struct Actor {
    client: Client,
    part: Arc<Part>,
}

#[derive(Default)]
struct Part {
    name: String,
    auth: Mutex<Json>,
    /// Answers by the event's name.
    replies: Mutex<HashMap<String, Vec<Value>>>,
    asked: Mutex<HashMap<u64, Ack>>,
    count: AtomicU64,
}

impl Program {
    fn carry_out(&mut self, command: &Map<String, Json>) {
        let name = command["client"].as_str().unwrap();
        if command["do"] == "client" {
            let actor = self.begin(name, command);
            self.actors.insert(name.to_owned(), actor);
            return;
        }
        let Actor { client, part } = &self.actors[name];
        match command["do"].as_str().unwrap() {
            "auth" => *part.auth.lock() = command["auth"].clone(),
            "emit" => {
                let (event, args) = event_of(&command["args"]);
                if command.get("volatile") == Some(&json!(true)) {
                    client.volatile().emit(&event, args).unwrap();
                } else {
                    client.emit(&event, args).unwrap();
                }
            }
            "ask" => ask(client, part, command),
            "answer" => {
                let ack = part.asked.lock().remove(&command["asked"].as_u64().unwrap());
                ack.unwrap().send(Args(values(&command["args"]))).unwrap();
            }
            "replies" => {
                let event = command["event"].as_str().unwrap().to_owned();
                part.replies.lock().insert(event, values(&command["args"]));
            }
            "disconnect" => client.disconnect(),
            "connect" => client.connect(),
            "break" => client.close_connection(),
            "state" => say(&json!({
                "client": name,
                "event": "state",
                "connected": client.is_connected(),
                "active": client.is_active(),
                "id": client.id(),
                "transport": client.transport().map(Transport::as_str),
                "buffered": client.buffered(),
                "memory": memory(),
            })),
            other => panic!("told to do {other}"),
        }
    }

    fn begin(&self, name: &str, command: &Map<String, Json>) -> Actor {
        let part = Arc::new(Part { name: name.to_owned(), ..Part::default() });
        *part.auth.lock() = command.get("auth").cloned().unwrap_or(Json::Null);
        let namespace = command.get("namespace").and_then(Json::as_str).unwrap_or("/");
        if let Some(shared) = command.get("share") {
            let other = &self.actors[shared.as_str().unwrap()].client;
            let builder = told(other.of(namespace), &part, command);
            return Actor { client: builder.start().unwrap(), part };
        }
        let url = format!("{}{namespace}", command["url"].as_str().unwrap());
        let mut builder = Client::builder(url).options(options(command));
        for (header, value) in entries(command, "headers") {
            builder = builder.header(header, value);
        }
        let said = |event: &'static str| {
            let name = name.to_owned();
            move |attempt: u32| say(&json!({"client": name, "event": event, "attempt": attempt}))
        };
        let (failed, upgraded) = (name.to_owned(), name.to_owned());
        let builder = builder
            .on_reconnect_attempt(said("reconnect_attempt"))
            .on_reconnect(said("reconnect"))
            .on_reconnect_failed(move || say(&json!({"client": failed, "event": "reconnect_failed"})))
            .on_upgrade(move || say(&json!({"client": upgraded, "event": "upgrade"})));
        Actor { client: told(builder, &part, command).start().unwrap(), part }
    }
}

/// What both builders can be told.
trait Builder: Sized {
    fn tell(self, part: &Arc<Part>, retries: Option<u32>, ack_timeout: Option<Duration>) -> Self;
}

macro_rules! builders {
    ($($builder:ty),*) => {$(
        impl Builder for $builder {
            fn tell(mut self, part: &Arc<Part>, retries: Option<u32>, ack_timeout: Option<Duration>) -> Self {
                if let Some(retries) = retries {
                    self = self.retries(retries);
                }
                if let Some(timeout) = ack_timeout {
                    self = self.ack_timeout(timeout);
                }
                let (auth, connect, error, left, any) =
                    (Arc::clone(part), Arc::clone(part), Arc::clone(part), Arc::clone(part), Arc::clone(part));
                if !part.auth.lock().is_null() {
                    self = self.auth_with(move || {
                        let auth = auth.auth.lock().clone();
                        async move { Ok::<_, String>(auth) }
                    });
                }
                self.on_connect(move |client: Client| connect.connected(&client))
                    .on_connect_error(move |failure: Failure| error.not_connected(&failure))
                    .on_disconnect(move |reason: DisconnectReason| left.left(reason))
                    .on_any(move |Event(event), Args(args): Args<Vec<Value>>, ack: Ack| any.message(&event, args, ack))
            }
        }
    )*};
}

builders!(ferrio::client::ClientBuilder, NamespaceBuilder);

fn told<B: Builder>(builder: B, part: &Arc<Part>, command: &Map<String, Json>) -> B {
    let retries = command.get("retries").map(|retries| u32::try_from(retries.as_u64().unwrap()).unwrap());
    builder.tell(part, retries, command.get("ackTimeout").map(time))
}

impl Part {
    fn connected(&self, client: &Client) {
        let (id, recovered) = (client.id(), client.recovered());
        say(&json!({"client": self.name, "event": "connect", "id": id, "recovered": recovered}));
    }

    fn not_connected(&self, failure: &Failure) {
        let mut line = json!({"client": self.name, "event": "connect_error", "message": failure.to_string()});
        line["refused"] = matches!(failure, Failure::Refused { .. }).into();
        if let Failure::Refused { data: Some(data), .. } = failure {
            line["data"] = data.clone();
        }
        say(&line);
    }

    fn left(&self, reason: DisconnectReason) {
        say(&json!({"client": self.name, "event": "disconnect", "reason": reason.as_str()}));
    }

    fn message(&self, event: &str, args: Vec<Value>, ack: Ack) {
        let mut line = json!({"client": self.name, "event": "message", "args": [event]});
        line["args"].as_array_mut().unwrap().extend(args.iter().map(written));
        let reply = self.replies.lock().get(event).cloned();
        if let Some(reply) = reply {
            ack.send(Args(reply)).unwrap();
        } else if ack.is_wanted() {
            let number = self.count.fetch_add(1, Ordering::Relaxed);
            self.asked.lock().insert(number, ack);
            line["asked"] = number.into();
        }
        say(&line);
    }
}

fn ask(client: &Client, part: &Arc<Part>, command: &Map<String, Json>) {
    let (event, args) = event_of(&command["args"]);
    let mut question = client.emit_with_ack::<Args<Vec<Value>>>(&event, args);
    if let Some(timeout) = command.get("timeout") {
        question = question.timeout(time(timeout));
    }
    // Now, not when the task gets its turn: what is told next comes later.
    let answer = question.into_future();
    let (name, number) = (part.name.clone(), command["ask"].clone());
    tokio::spawn(async move {
        let mut line = json!({"client": name, "event": "answer", "ask": number});
        match answer.await {
            Ok(Args(args)) => line["args"] = args.iter().map(written).collect(),
            Err(AckError::Timeout) => line["error"] = "timeout".into(),
            Err(AckError::Disconnected) => line["error"] = "disconnected".into(),
            Err(other) => panic!("{other}"),
        }
        say(&line);
    });
}

fn options(command: &Map<String, Json>) -> Options {
    let mut options = Options { randomization_factor: 0.0, ..Options::default() };
    for (name, value) in command {
        match name.as_str() {
            "path" => options.path = value.as_str().unwrap().to_owned(),
            "query" => {
                let pairs = entries(command, "query");
                options.query = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
            }
            "transports" => {
                let named = |name: &Json| match name.as_str() {
                    Some("polling") => Transport::Polling,
                    Some("websocket") => Transport::WebSocket,
                    other => panic!("no transport: {other:?}"),
                };
                options.transports = value.as_array().unwrap().iter().map(named).collect();
            }
            "timeout" => options.timeout = Some(time(value)),
            "reconnection" => options.reconnection = value.as_bool().unwrap(),
            "attempts" => options.reconnection_attempts = Some(u32::try_from(value.as_u64().unwrap()).unwrap()),
            "delay" => {
                (options.reconnection_delay, options.reconnection_delay_max) = (time(&value[0]), time(&value[1]));
            }
            // Every client can; a server decides.
            "recovery" => {}
            "do" | "client" | "url" | "namespace" | "auth" | "headers" | "retries" | "ackTimeout" => {}
            other => panic!("no option: {other}"),
        }
    }
    options
}

fn entries<'a>(command: &'a Map<String, Json>, name: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let object = command.get(name).and_then(Json::as_object);
    object.into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str().unwrap()))
}

fn time(ms: &Json) -> Duration {
    Duration::from_secs_f64(ms.as_f64().unwrap() / 1000.0)
}

/// The name, and the arguments.
fn event_of(args: &Json) -> (String, Args<Vec<Value>>) {
    let mut args = values(args);
    let name = args.remove(0);
    (name.as_str().unwrap().to_owned(), Args(args))
}

fn values(list: &Json) -> Vec<Value> {
    list.as_array().unwrap().iter().map(read).collect()
}

/// With bytes where the JSON has a word for them.
fn read(json: &Json) -> Value {
    match json {
        Json::Object(object) => match object.get("$bytes") {
            Some(base64) => Value::Bytes(STANDARD.decode(base64.as_str().unwrap()).unwrap().into()),
            None => Value::Object(object.iter().map(|(key, value)| (key.as_str().into(), read(value))).collect()),
        },
        Json::Array(list) => Value::Array(list.iter().map(read).collect()),
        scalar => Value::from(scalar.clone()),
    }
}

fn written(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(yes) => json!(yes),
        Value::Number(number) => Json::Number(number.clone()),
        Value::String(text) => json!(&**text),
        Value::Array(list) => list.iter().map(written).collect(),
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.to_string(), written(value))).collect(),
        Value::Bytes(bytes) => json!({"$bytes": STANDARD.encode(bytes)}),
    }
}

/// Bytes of this process; 0 where nobody tells.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}
