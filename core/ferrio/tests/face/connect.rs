//! Who gets in, into which namespace, and what the program knows about them.

use std::sync::Arc;

use ferrio::{
    Auth, ConnectError, Context as _, Extension, Extract, Joined, Mismatch, Namespace, Server, Socket, State,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{Client, Host, Journal, Poller, answer_nothing, http, journal, raw_head};

#[derive(Deserialize)]
struct Credentials {
    token: String,
}

#[test]
fn auth_is_shown_to_connect_handlers() {
    let host = Host::new();
    host.server.on_connect(|socket: Socket, Auth(auth): Auth<Value>| socket.emit("auth", auth));
    let mut client = Client::open(host.address, "");
    client.join("/", Some(json!({ "token": "123" })));
    client.expect(r#"42["auth",{"token":"123"}]"#);
    let mut silent = host.client();
    silent.expect(r#"42["auth",{}]"#);
}

#[test]
fn polling_clients_come_too() {
    let host = Host::new();
    host.server.on_connect(|socket: Socket| socket.emit("transport", socket.transport().as_str()));
    let poller = Poller::open(host.address);
    poller.post("40");
    let answer = poller.get();
    assert!(answer.starts_with("40{\"sid\":"), "{answer}");
    assert!(answer.ends_with("\u{1e}42[\"transport\",\"polling\"]"), "CONNECT and the emit in one answer: {answer}");
}

#[test]
fn a_middleware_refuses() {
    let host = Host::new();
    let (journal, read) = journal();
    host.server.with(|Auth(auth): Auth<Credentials>| match auth.token.as_str() {
        "good" => Ok(()),
        _ => Err(ConnectError::new("not you").data(json!({ "code": 401 }))),
    });
    host.server.on_connect(move |socket: Socket| journal.write(socket.id()));
    let mut client = Client::open(host.address, "");
    let answer = client.ask_to_join("/", Some(json!({ "token": "bad" })));
    assert_eq!(answer, r#"44{"data":{"code":401},"message":"not you"}"#);
    // Auth of another type is no auth.
    assert_eq!(client.ask_to_join("/", None), r#"44{"message":"invalid auth"}"#);
    // A refused client may try again.
    let id = client.join("/", Some(json!({ "token": "good" })));
    assert_eq!(read.next(), id);
    assert!(read.is_empty());
}

#[test]
fn middlewares_are_asked_in_order_until_one_refuses() {
    let host = Host::new();
    let (journal, read) = journal();
    let journals = [journal.clone(), journal.clone(), journal.clone(), journal];
    let [first, second, third, connect] = journals;
    host.server.with(move |socket: Socket| {
        assert!(!socket.is_connected());
        socket.join("asking");
        socket.insert(7_u8);
        first.write("first");
        Ok::<_, ConnectError>(())
    });
    host.server.with(move |Extension(number): Extension<u8>, Auth(auth): Auth<Value>| {
        let second = second.clone();
        async move {
            tokio::task::yield_now().await;
            second.write(format!("second {number}"));
            if auth["pass"] == true { Ok(()) } else { Err("no pass") }
        }
    });
    host.server.with(move || {
        third.write("third");
        Ok::<_, String>(())
    });
    host.server.on_connect(move |socket: Socket| connect.write(socket.rooms()[1..].join(",")));
    let mut refused = Client::open(host.address, "");
    assert_eq!(refused.ask_to_join("/", None), r#"44{"message":"no pass"}"#);
    assert_eq!([read.next(), read.next()], ["first", "second 7"]);
    assert!(host.server.of("/").room_names().is_empty(), "its rooms went with it");
    let mut client = Client::open(host.address, "");
    client.join("/", Some(json!({ "pass": true })));
    assert_eq!([read.next(), read.next(), read.next(), read.next()], ["first", "second 7", "third", "asking"]);
}

#[test]
fn a_client_that_leaves_is_no_longer_asked_about() {
    /// Tells when it is dropped.
    struct Told(Journal);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.write("dropped");
        }
    }

    let host = Host::new();
    let (journal, read) = journal();
    host.server.with(move |socket: Socket| {
        // Both would keep the socket, and what it was sent, for ever.
        let (held, by_listener) = (socket.clone(), Told(journal.clone()));
        socket.on("event", move || {
            let _kept = (&held, &by_listener);
        });
        let by_middleware = Told(journal.clone());
        journal.write("asked");
        async move {
            std::future::pending::<()>().await;
            drop(by_middleware);
            Ok::<_, ConnectError>(())
        }
    });
    let mut client = Client::open(host.address, "");
    client.send("40");
    assert_eq!(read.next(), "asked");
    drop(client);
    assert_eq!([read.next(), read.next()], ["dropped", "dropped"]);
    // The next one is asked about.
    Client::open(host.address, "").send("40");
    assert_eq!(read.next(), "asked");
}

#[test]
fn a_middleware_that_panics_lets_nobody_in() {
    let host = Host::new();
    host.server.of("/sync").with(|| -> Result<(), ConnectError> { panic!("a test's panic") });
    host.server.of("/async").with(async || -> Result<(), ConnectError> {
        tokio::task::yield_now().await;
        panic!("a test's panic")
    });
    let mut client = host.client();
    let refusal = r#"{"message":"Internal server error"}"#;
    assert_eq!(client.ask_to_join("/sync", None), format!("44/sync,{refusal}"));
    assert_eq!(client.ask_to_join("/async", None), format!("44/async,{refusal}"));
}

#[test]
fn a_client_that_leaves_while_it_is_asked_about_was_never_there() {
    let host = Host::new();
    let (journal, read) = journal();
    let (asked, done) = (journal.clone(), journal.clone());
    let gate = Arc::new(tokio::sync::Notify::new());
    let wait = Arc::clone(&gate);
    host.server.with(move || {
        let (asked, wait) = (asked.clone(), Arc::clone(&wait));
        async move {
            asked.write("asked");
            wait.notified().await;
            Ok::<_, ConnectError>(())
        }
    });
    host.server.on_connect(move || done.write("connected"));
    host.server.on_disconnect(move || journal.write("disconnected"));
    let mut client = Client::open(host.address, "");
    client.send("40");
    assert_eq!(read.next(), "asked");
    client.vanish();
    while host.server.connections() > 0 {
        std::thread::yield_now();
    }
    gate.notify_one();
    // The next one finds nothing of it.
    let mut next = Client::open(host.address, "");
    next.send("40");
    assert_eq!(read.next(), "asked");
    gate.notify_one();
    assert_eq!(read.next(), "connected");
    assert_eq!(host.server.of("/").len(), 1);
}

#[test]
fn namespaces_are_apart() {
    let host = Host::new();
    let say = |socket: Socket, namespace: Namespace| socket.emit("hello", namespace.name());
    host.server.on_connect(say);
    host.server.of("custom").on_connect(say);
    let mut client = Client::open(host.address, "");
    let main = client.join("/", None);
    client.expect(r#"42["hello","/"]"#);
    let custom = client.join("/custom", None);
    client.expect(r#"42/custom,["hello","/custom"]"#);
    assert_ne!(main, custom);
    assert_eq!(client.ask_to_join("/nowhere", None), r#"44/nowhere,{"message":"Invalid namespace"}"#);
    let custom = host.server.of("/custom");
    assert_eq!((custom.len(), custom.socket(&main), custom.is_empty()), (1, None, false));
}

#[test]
fn dynamic_namespaces() {
    let host = Host::with(|builder| builder.cleanup_empty_child_namespaces(true));
    let (journal, read) = journal();
    let rooms = host.server.of_regex(r"/room-\d+").unwrap();
    rooms.with(|socket: Socket| if socket.namespace().name() == "/room-13" { Err("unlucky") } else { Ok(()) });
    rooms.on("hello", |namespace: Namespace| namespace.name().to_owned());
    rooms.on_disconnect(move || journal.write("gone"));
    let secret = host.server.of_fn(|name, handshake| name == "/secret" && handshake.query("key") == Some("a b"));
    secret.on_connect(|socket: Socket| socket.emit("in", ()));

    let mut other = Client::open(host.address, "");
    assert_eq!(other.ask_to_join("/secret", None), r#"44/secret,{"message":"Invalid namespace"}"#);
    let mut client = Client::open(host.address, "&key=a+b");
    client.join("/room-7", None);
    client.send(r#"42/room-7,1["hello"]"#);
    client.expect(r#"43/room-7,1["/room-7"]"#);
    assert_eq!(client.ask_to_join("/room-13", None), r#"44/room-13,{"message":"unlucky"}"#);
    assert_eq!(client.ask_to_join("/room-7x", None), r#"44/room-7x,{"message":"Invalid namespace"}"#);
    client.join("/secret", None);
    client.expect(r#"42/secret,["in"]"#);
    other.join("/room-8", None);
    let mut names: Vec<_> = rooms.children().iter().map(|child| child.name().to_owned()).collect();
    names.sort();
    assert_eq!(names, ["/room-7", "/room-8"]);
    rooms.emit("to all", 1).unwrap();
    client.expect(r#"42/room-7,["to all",1]"#);
    other.expect(r#"42/room-8,["to all",1]"#);

    other.send("41/room-8,");
    assert_eq!(read.next(), "gone");
    other.vanish();
    while host.server.connections() > 1 {
        std::thread::yield_now();
    }
    assert_eq!(rooms.children().len(), 1, "an empty one is forgotten");
    assert!(host.server.of_regex("(").is_err());
}

#[test]
fn a_dynamic_namespace_that_the_program_names_is_its_parents_child() {
    let host = Host::new();
    let parent = host.server.of_regex("/child-.*").unwrap();
    parent.on("who", || "parent");
    let child = host.server.of("/child-1");
    child.on("who", || "child");
    child.on("me", || "child");
    let mut client = Client::open(host.address, "");
    client.join("/child-1", None);
    client.send(r#"42/child-1,1["who"]"#);
    client.expect(r#"43/child-1,1["parent"]"#);
    client.send(r#"42/child-1,2["me"]"#);
    client.expect(r#"43/child-1,2["child"]"#);
    assert_eq!(parent.children().len(), 1);
}

#[test]
fn no_more_dynamic_namespaces_than_there_may_be() {
    let full = |name: &str| format!(r#"44{name},{{"message":"Too many namespaces"}}"#);
    let host = Host::with(|builder| builder.max_child_namespaces(2));
    host.server.of_regex("/child-.*").unwrap();
    host.server.of_fn(|name, _| name == "/other");
    host.server.of("/static");
    let mut client = Client::open(host.address, "");
    client.join("/child-1", None);
    client.join("/other", None);
    assert_eq!(client.ask_to_join("/child-2", None), full("/child-2"));
    assert_eq!(client.ask_to_join("/nobody's", None), r#"44/nobody's,{"message":"Invalid namespace"}"#);
    client.join("/static", None);
    let mut other = Client::open(host.address, "");
    other.join("/child-1", None);
    // The program may always, and what it has named counts.
    host.server.of("/child-3");
    other.join("/child-3", None);
    assert_eq!(host.server.stats().limits["max_child_namespaces"], 1);
}

#[test]
fn a_dynamic_namespace_that_was_forgotten_makes_room() {
    let host = Host::with(|builder| builder.max_child_namespaces(1).cleanup_empty_child_namespaces(true));
    let (journal, read) = journal();
    let rooms = host.server.of_regex("/child-.*").unwrap();
    rooms.with(|socket: Socket| if socket.namespace().name() == "/child-0" { Err("never") } else { Ok(()) });
    let mut client = Client::open(host.address, "");
    for _ in 0..3 {
        assert_eq!(client.ask_to_join("/child-0", None), r#"44/child-0,{"message":"never"}"#);
    }
    rooms.on_disconnect(move || journal.write("gone"));
    client.join("/child-1", None);
    client.send("41/child-1,");
    assert_eq!(read.next(), "gone");
    while !rooms.children().is_empty() {
        std::thread::yield_now();
    }
    client.join("/child-2", None);
}

#[test]
fn the_handshake_is_known() {
    let host = Host::with(|builder| builder.state(String::from("shared")));
    host.server.on_connect(|socket: Socket, State(state): State<String>| {
        let handshake = socket.handshake();
        assert!(handshake.url().starts_with("/socket.io/?EIO=4"), "{}", handshake.url());
        assert!(!handshake.is_secure() && !handshake.is_cross_origin());
        assert!(handshake.issued().elapsed().is_ok());
        let host = handshake.header("Host").map(|host| host.starts_with("127.0.0.1:"));
        socket.emit("known", (handshake.query("x"), handshake.address(), host, &*state))
    });
    let mut client = Client::open(host.address, "&x=1&x=%C3%A9");
    client.join("/", None);
    client.expect(r#"42["known","é","127.0.0.1",true,"shared"]"#);
}

#[test]
fn requests_may_be_refused_before_anything_else() {
    let host = Host::with(|builder| {
        builder.allow_request(|request| match request.query("key") {
            Some("secret") => Ok(()),
            Some("panic") => panic!("a test's panic"),
            _ => Err("no key".into()),
        })
    });
    assert_eq!(Client::try_open(host.address, "").0, 400);
    assert_eq!(Client::try_open(host.address, "&key=panic").0, 400);
    assert_eq!(Client::try_open(host.address, "&key=secret").0, 101);
    let polling = http(host.address, "GET", "/socket.io/?EIO=4&transport=polling", "");
    assert_eq!(polling, (403, r#"{"code":4,"message":"no key"}"#.into()));
}

#[test]
fn the_answer_that_opens_a_connection_may_have_headers() {
    let host = Host::with(|builder| {
        builder.initial_headers(|request| {
            vec![
                ("X-Served-For".into(), request.query("who").unwrap_or_default().to_owned()),
                ("x-torn".into(), "a\r\nx-injected: b".into()),
            ]
        })
    });
    let websocket = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                     sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (transport, more) in [("polling", ""), ("websocket", websocket)] {
        let target = format!("/socket.io/?EIO=4&transport={transport}&who=me");
        let head = raw_head(host.address, &format!("GET {target} HTTP/1.1\r\nhost: x\r\n{more}\r\n"));
        assert!(head.contains("\r\nx-served-for: me\r\n"), "{head}");
        assert!(!head.contains("x-torn") && !head.contains("x-injected"), "{head}");
    }
}

#[test]
fn arguments_that_are_not_there_are_no_panic() {
    let host = Host::new();
    answer_nothing(&host.server);
    host.server.on_connect(|_: State<u64>| -> () { unreachable!("nobody gave it") });
    host.server.on_connect(|missing: Result<Extension<u8>, Mismatch>, socket: Socket| {
        socket.emit("missing", missing.map(|Extension(number)| *number).unwrap_err())
    });
    let mut client = host.client();
    client.expect(r#"42["missing","the socket has no u8"]"#);
    client.expect_nothing();
}

#[test]
fn handlers_are_plain_functions_too() {
    fn greet(socket: Socket, _: Server) {
        let _ = socket.emit("hello", ());
    }
    async fn greet_later(socket: Socket) -> Result<(), ferrio::EmitError> {
        socket.emit("hello later", ())
    }

    struct First(String);
    impl Extract<Joined> for First {
        fn extract(joined: &Joined) -> Result<Self, Mismatch> {
            joined
                .socket()
                .handshake()
                .header("host")
                .map(|host| Self(host.into()))
                .ok_or_else(|| Mismatch::new("host"))
        }
    }

    let host = Host::new();
    host.server.on_connect(greet).on_connect(greet_later).on_connect(|First(name): First| assert!(!name.is_empty()));
    let mut client = host.client();
    client.expect(r#"42["hello"]"#);
    client.expect(r#"42["hello later"]"#);
}
