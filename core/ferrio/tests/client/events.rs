//! Namespaces, events, answers, auth.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ferrio::client::{DisconnectReason, Failure};
use ferrio::{Ack, AckError, Args, Auth, Client, ConnectError, Data, EmitError, Event, Serializer, Socket};
use serde_json::{Value, json};

use crate::support::{Host, WAYS, journal, soon};

#[tokio::test]
async fn namespaces_share_a_connection() {
    let host = Host::new().await;
    host.server.of("/admin").on_connect(|socket: Socket| socket.emit("hello", "admin"));
    host.server.on_connect(|socket: Socket| socket.emit("hello", "main"));
    for way in WAYS {
        let (journal, mut read) = journal();
        let hello = |journal: &crate::support::Journal| {
            let journal = journal.clone();
            move |Data(who): Data<String>| journal.write(who)
        };
        let main = soon(host.client(way).on("hello", hello(&journal)).connect()).await.unwrap();
        read.expect(["main"]).await;
        let admin = soon(main.of("admin").on("hello", hello(&journal)).connect()).await.unwrap();
        read.expect(["admin"]).await;
        assert_eq!((main.namespace(), admin.namespace()), ("/", "/admin"));
        assert!(main.id().is_some() && main.id() != admin.id());
        assert_eq!(main.of("/admin").start().unwrap_err(), Failure::Taken { namespace: "/admin".into() });
        let nowhere = soon(main.of("/nowhere").connect()).await.unwrap_err();
        assert_eq!(nowhere, Failure::Refused { message: "Invalid namespace".into(), data: None });
        main.disconnect();
        soon(admin.emit_with_ack::<()>("x", ()).timeout(Duration::ZERO).into_future()).await.unwrap_err();
        assert!(admin.is_connected());
        // Its place is free again.
        drop(admin);
        assert!(soon(main.of("/admin").connect()).await.unwrap().is_connected());
    }
}

#[tokio::test]
async fn the_url_names_a_namespace() {
    let host = Host::new().await;
    host.server.of("/room 1");
    let client = soon(Client::builder(format!("{}/room%201", host.url())).connect()).await;
    assert!(matches!(client, Err(Failure::Refused { .. })));
    host.server.of("/a/b");
    let client = soon(Client::builder(format!("{}/a/b?x=1", host.url())).connect()).await.unwrap();
    assert_eq!(client.namespace(), "/a/b");
}

#[tokio::test]
async fn answers_both_ways() {
    let host = Host::new().await;
    host.server.on("sum", |Args((a, b)): Args<(i32, i32)>| a + b);
    host.server.on("never", |ack: Ack| drop(ack));
    host.server.on("ask me", async |socket: Socket| {
        let sum: i32 = socket.emit_with_ack("sum", (3, 4)).await.unwrap();
        let later: Vec<String> = socket.emit_with_ack("later", "x").await.unwrap();
        let own: (String, String) = socket.emit_with_ack::<Args<(String, String)>>("own", ()).await.unwrap().0;
        let failed: Value = socket.emit_with_ack("failed", ()).await.unwrap();
        json!([sum, later, own, failed])
    });
    for way in WAYS {
        let client = host
            .client(way)
            .on("sum", |Args((a, b)): Args<(i32, i32)>| a + b)
            .on("later", async |Data(text): Data<String>| {
                tokio::task::yield_now().await;
                vec![text]
            })
            .on("own", |client: Client, ack: Ack, Event(name): Event| {
                assert!(client.is_connected());
                ack.send((name.as_str(), "once")).unwrap();
            })
            .on("failed", || Err::<(), _>("no"))
            .connect();
        let client = soon(client).await.unwrap();
        let sum: i32 = soon(client.emit_with_ack("sum", (1, 2)).into_future()).await.unwrap();
        assert_eq!(sum, 3);
        let all: Value = soon(client.emit_with_ack("ask me", ()).into_future()).await.unwrap();
        assert_eq!(all, json!([7, ["x"], ["own", "once"], {"error": "no"}]));
        let wrong = soon(client.emit_with_ack::<String>("sum", (1, 2)).into_future()).await.unwrap_err();
        assert!(matches!(wrong, AckError::Mismatch(_)));
        let late = client.emit_with_ack::<()>("never", ()).timeout(Duration::from_millis(1)).into_future();
        assert_eq!(soon(late).await, Err(AckError::Timeout));
        let reserved = client.emit_with_ack::<()>("connect", ()).into_future();
        assert_eq!(soon(reserved).await, Err(AckError::Emit(EmitError::Reserved("connect".into()))));
        let lost = client.emit_with_ack::<()>("never", ()).into_future();
        client.disconnect();
        assert_eq!(soon(lost).await, Err(AckError::Disconnected));
    }
}

#[tokio::test]
async fn in_messagepack() {
    let host = Host::with(|builder| builder.serializer(Serializer::MsgPack)).await;
    host.server.on("echo", |socket: Socket, Data(value): Data<ferrio::Value>| {
        socket.emit("echo", &value).unwrap();
        value
    });
    for way in WAYS {
        let (journal, mut read) = journal();
        let client = host
            .client(way)
            .serializer(Serializer::MsgPack)
            .auth(json!({"a": [1, null]}))
            .on("echo", move |Data(value): Data<ferrio::Value>| {
                journal.write(value.get("text").unwrap().as_str().unwrap())
            })
            .connect();
        let client = soon(client).await.unwrap();
        let bytes = ferrio::Value::Bytes(vec![1, 2, 3].into());
        let value = ferrio::Value::Object(vec![
            ("text".into(), ferrio::Value::from("ü")),
            ("bytes".into(), bytes),
            ("list".into(), ferrio::Value::from(json!([1, -2, 2.5, null, true]))),
        ]);
        let answer: ferrio::Value = soon(client.emit_with_ack("echo", &value).into_future()).await.unwrap();
        assert_eq!(answer, value);
        read.expect(["ü"]).await;
    }
}

#[tokio::test]
async fn auth_is_asked_for_at_each_attempt() {
    let host = Host::new().await;
    host.server.with(|Auth(auth): Auth<Value>| match auth["number"].as_u64() {
        Some(1..) => Ok(()),
        _ => Err(ConnectError::new("who?").data(json!({ "code": 7 }))),
    });
    host.server.on("auth", |Auth(auth): Auth<Value>| auth);
    for way in WAYS {
        let refused = soon(host.client(way).auth(json!({"number": 0})).connect()).await.unwrap_err();
        assert_eq!(refused, Failure::Refused { message: "who?".into(), data: Some(json!({"code": 7})) });
        let refused = soon(host.client(way).connect()).await.unwrap_err();
        assert!(matches!(refused, Failure::Refused { .. }));
        let none = soon(host.client(way).auth("text").connect()).await.unwrap_err();
        assert!(matches!(none, Failure::Auth { .. }), "{none}");
        let failed = host.client(way).auth_with(async || Err::<Value, _>("no token")).connect();
        assert_eq!(soon(failed).await.unwrap_err(), Failure::Auth { why: "no token".into() });
        let panics =
            host.client(way).auth_with(async || -> Result<Value, Infallible> { panic!("on purpose") }).connect();
        assert!(matches!(soon(panics).await.unwrap_err(), Failure::Auth { .. }));

        let (journal, mut read) = journal();
        let count = Arc::new(AtomicU32::new(0));
        let client = host
            .client(way)
            .auth_with(move || {
                let number = count.fetch_add(1, Ordering::Relaxed) + 1;
                async move { Ok::<_, Infallible>(json!({ "number": number })) }
            })
            .on_connect(journal.line("connect"))
            .connect();
        let client = soon(client).await.unwrap();
        for number in 1..4 {
            read.expect(["connect"]).await;
            let auth: Value = soon(client.emit_with_ack("auth", ()).into_future()).await.unwrap();
            assert_eq!(auth, json!({ "number": number }));
            client.close_connection();
        }
    }
}

#[tokio::test]
async fn comings_and_goings_are_told() {
    let host = Host::new().await;
    host.server.on("throw me out", |socket: Socket| socket.disconnect(false));
    for way in WAYS {
        let (journal, mut read) = journal();
        let left = journal.clone();
        let client = host
            .client(way)
            .on_connect(journal.line("connect"))
            .on_disconnect(move |reason: DisconnectReason, client: Client| {
                assert!(!client.is_connected());
                left.write(format!("{reason}, active: {}", client.is_active()));
            })
            .connect();
        let client = soon(client).await.unwrap();
        read.expect(["connect"]).await;
        client.emit("throw me out", ()).unwrap();
        read.expect(["io server disconnect, active: false"]).await;
        client.connect();
        read.expect(["connect"]).await;
        client.close_connection();
        read.expect(["forced close, active: true", "connect"]).await;
        client.disconnect();
        client.disconnect();
        read.expect(["io client disconnect, active: false"]).await;
        client.connect();
        read.expect(["connect"]).await;
        assert!(read.is_empty());
    }
}

#[tokio::test]
async fn listeners_come_and_go() {
    let host = Host::new().await;
    host.server.on("echo", |socket: Socket, Event(_): Event, args: ferrio::RawArgs| socket.emit("echo", args));
    let (journal, mut read) = journal();
    let (any, out) = (journal.clone(), journal.clone());
    let client = host
        .client(WAYS[1])
        .on_any(move |Event(name): Event| any.write(format!("any {name}")))
        .on_any_outgoing(move |Event(name): Event, Data(data): Data<Value>| out.write(format!("out {name} {data}")))
        .connect();
    let client = soon(client).await.unwrap();
    client.once("echo", journal.line("once"));
    let id = client.on("echo", journal.line("on"));
    client.emit("echo", 1).unwrap();
    read.expect(["out echo 1", "any echo", "once", "on"]).await;
    client.emit("echo", 2).unwrap();
    read.expect(["out echo 2", "any echo", "on"]).await;
    assert!(client.remove_listener(id) && !client.remove_listener(id));
    client.on("echo", || -> () { panic!("on purpose") });
    client.on("echo", journal.line("after a panic"));
    client.emit("echo", 3).unwrap();
    read.expect(["out echo 3", "any echo", "after a panic"]).await;
    client.off("echo");
    client.emit("echo", 4).unwrap();
    read.expect(["out echo 4", "any echo"]).await;
}
