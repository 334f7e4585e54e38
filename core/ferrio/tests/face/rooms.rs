//! Who receives what.

use ferrio::{Args, Data, EmitError, Namespace, Socket};

use crate::support::{Client, Host, answer_nothing};

/// A server whose clients join the rooms they name, and one client for each list.
fn with_rooms<const N: usize>(rooms: [&str; N]) -> (Host, [Client; N]) {
    let host = Host::new();
    answer_nothing(&host.server);
    host.server.on("join", |socket: Socket, Data(rooms): Data<Vec<String>>| socket.join(rooms));
    host.server.on("to", |socket: Socket, Args((rooms, data)): Args<(Vec<String>, String)>| {
        socket.to(rooms).emit("said", data)
    });
    host.server.on("in", |namespace: Namespace, Args((rooms, data)): Args<(Vec<String>, String)>| {
        namespace.in_(rooms).emit("said", data)
    });
    let clients = rooms.map(|rooms| {
        let mut client = host.client();
        let rooms: Vec<_> = rooms.split_whitespace().map(|room| format!("{room:?}")).collect();
        client.send(&format!(r#"421["join",[{}]]"#, rooms.join(",")));
        client.expect("431[]");
        client
    });
    (host, clients)
}

#[test]
fn a_room_gets_what_is_sent_to_it() {
    let (_host, [mut a, mut b, mut c]) = with_rooms(["red", "red", "blue"]);
    a.send(r#"42["in",["red"],"all red"]"#);
    a.expect(r#"42["said","all red"]"#);
    b.expect(r#"42["said","all red"]"#);
    a.send(r#"42["to",["red"],"other red"]"#);
    b.expect(r#"42["said","other red"]"#);
    a.expect_nothing();
    c.expect_nothing();
}

#[test]
fn each_receives_once() {
    let (host, [mut a, mut b, mut c]) = with_rooms(["red blue", "blue", "green"]);
    host.server.to(["red", "blue"]).to("red").emit("said", 1).unwrap();
    host.server.to(vec![a.id.clone(), "red".into()]).emit("said", 2).unwrap();
    host.server.to("nobody").emit("said", 3).unwrap();
    a.expect(r#"42["said",1]"#);
    a.expect(r#"42["said",2]"#);
    b.expect(r#"42["said",1]"#);
    for client in [&mut a, &mut b, &mut c] {
        client.expect_nothing();
    }
}

#[test]
fn some_are_left_out() {
    let (host, [mut a, mut b, mut c]) = with_rooms(["red", "red blue", ""]);
    host.server.to("red").except("blue").emit("said", 1).unwrap();
    host.server.except(["blue", "nobody"]).emit("said", 2).unwrap();
    host.server.except(&a.id).to("red").emit("said", 3).unwrap();
    host.server.to(Vec::<String>::new()).emit("said", 4).unwrap();
    a.expect(r#"42["said",1]"#);
    a.expect(r#"42["said",2]"#);
    a.expect(r#"42["said",4]"#);
    b.expect(r#"42["said",3]"#);
    b.expect(r#"42["said",4]"#);
    c.expect(r#"42["said",2]"#);
    c.expect(r#"42["said",4]"#);
    for client in [&mut a, &mut b, &mut c] {
        client.expect_nothing();
    }
}

#[test]
fn a_broadcast_passes_its_sender_by() {
    let (host, [mut a, mut b, mut c]) = with_rooms(["", "red", "blue"]);
    host.server.on("broadcast", |socket: Socket| {
        socket.broadcast().emit("said", 1)?;
        socket.except("red").emit("said", 2)?;
        socket.local().emit("said", 3)?;
        socket.volatile().broadcast().emit("said", 4)?;
        socket.compress(false).to(["red", "blue"]).emit("said", 5)?;
        Ok::<_, EmitError>(())
    });
    a.send(r#"421["broadcast"]"#);
    a.expect("431[]");
    for n in [1, 3, 4, 5] {
        b.expect(&format!(r#"42["said",{n}]"#));
    }
    for n in [1, 2, 3, 4, 5] {
        c.expect(&format!(r#"42["said",{n}]"#));
    }
}

#[test]
fn namespaces_have_rooms_of_their_own() {
    let (host, [mut a, _b]) = with_rooms(["red", ""]);
    let other = host.server.of("/other");
    other.on_connect(|socket: Socket| socket.join("red"));
    let mut client = Client::open(host.address, "");
    client.join("/other", None);
    host.server.to("red").emit("said", "main").unwrap();
    other.to("red").emit("said", "other").unwrap();
    a.expect(r#"42["said","main"]"#);
    client.expect(r#"42/other,["said","other"]"#);
    a.expect_nothing();
}

#[test]
fn sockets_are_moved_and_disconnected_from_outside() {
    let (host, [mut a, mut b]) = with_rooms(["red", "blue"]);
    let ids = |sockets: Vec<Socket>| sockets.iter().map(|socket| socket.id().to_owned()).collect::<Vec<_>>();
    let server = &host.server;
    assert_eq!(ids(server.in_("red").sockets()), [a.id.as_str()]);
    assert_eq!(host.block_on(server.fetch_sockets()).len(), 2);
    server.to("red").sockets_join(["green", "yellow"]);
    assert_eq!(ids(host.block_on(server.in_("green").fetch_sockets())), [a.id.as_str()]);
    assert_eq!(server.of("/").socket(&a.id).unwrap().rooms().len(), 4);
    server.sockets_leave("yellow");
    assert!(server.in_("yellow").sockets().is_empty());
    server.to("green").disconnect_sockets(false);
    a.expect("41");
    assert_eq!(ids(server.sockets()), [b.id.as_str()]);
    server.disconnect_sockets(true);
    b.expect("41");
    b.expect_close();
    a.join("/", None);
}

#[test]
fn a_client_that_left_is_in_no_room() {
    let (host, [mut a, mut b]) = with_rooms(["red", "red"]);
    a.send("41");
    a.join("/", None);
    while host.server.in_("red").sockets().len() > 1 {
        std::thread::yield_now();
    }
    host.server.to("red").emit("said", 1).unwrap();
    b.expect(r#"42["said",1]"#);
    a.expect_nothing();
}
