//! Many clients: rooms, who is left out, and what the host may ask.

use ferrio_embed::{Command, Event, Target};
use ferrio_protocol::Text;

use crate::client::Client;
use crate::toy::{Host, emit, join, rooms};

#[test]
fn rooms_and_who_is_left_out() {
    let (mut host, address) = Host::serve("{}");
    let (mut a, a_id, _) = host.client(address);
    let (mut b, b_id, _) = host.client(address);
    let (mut c, c_id, _) = host.client(address);
    let a_own = host.engine.rooms(a_id)[0].to_string();
    // The choice of receivers sees the memberships before it, and none after.
    host.submit([
        join(a_id, &["red", "blue"]),
        join(b_id, &["blue"]),
        emit(rooms(&["red", "blue"], &[]), r#"["once"]"#),
        join(c_id, &["blue"]),
        emit(rooms(&["blue"], &[&a_own]), r#"["not a"]"#),
        Command::Leave { socket: b_id, room: Text::from_static("blue") },
        emit(rooms(&[], &["red"]), r#"["not red"]"#),
        emit(rooms(&[&a_own], &[]), r#"["a alone"]"#),
        emit(rooms(&["nobody"], &[]), r#"["lost"]"#),
        emit(rooms(&[], &[]), r#"["all"]"#),
    ]);
    let read = |client: &mut Client, count| (0..count).map(|_| client.text()).collect::<Vec<_>>();
    assert_eq!(read(&mut a, 3), [r#"42["once"]"#, r#"42["a alone"]"#, r#"42["all"]"#]);
    assert_eq!(read(&mut b, 4), [r#"42["once"]"#, r#"42["not a"]"#, r#"42["not red"]"#, r#"42["all"]"#]);
    assert_eq!(read(&mut c, 3), [r#"42["not a"]"#, r#"42["not red"]"#, r#"42["all"]"#]);

    let sorted = |mut ids: Vec<_>| {
        ids.sort_unstable();
        ids
    };
    assert_eq!(sorted(host.engine.members(&rooms(&[], &[]))), sorted(vec![a_id, b_id, c_id]));
    assert_eq!(host.engine.members(&rooms(&["blue"], &["red"])), [c_id]);
    assert_eq!(host.engine.members(&Target::Socket(b_id)), [b_id]);
    let mut names = host.engine.room_names("/");
    names.sort_by(|a, b| a.as_str().cmp(b));
    assert_eq!(names, ["blue", "red"]);
    assert!(host.engine.room_names("/other").is_empty());
    let Target::Rooms { rooms: room, except, .. } = rooms(&[], &[]) else { panic!("rooms") };
    assert!(host.engine.members(&Target::Rooms { nsp: Text::from_static("/other"), rooms: room, except }).is_empty());
    let mine = host.engine.rooms(a_id);
    assert_eq!((mine[0].as_str(), mine.len()), (a_own.as_str(), 3));
}

#[test]
fn rooms_stand_until_the_release() {
    let (mut host, address) = Host::serve("{}");
    let (client, socket, _) = host.client(address);
    host.submit([join(socket, &["r"])]);
    client.vanish();
    assert!(matches!(host.next(), Event::Disconnect { .. }));
    assert_eq!(host.engine.rooms(socket).len(), 2);
    assert_eq!(host.engine.room_names("/"), ["r"]);
    assert!(host.engine.members(&rooms(&["r"], &[])).is_empty(), "it is gone all the same");
    host.submit([Command::Release { socket }]);
    assert!(host.engine.room_names("/").is_empty());
}

#[test]
fn an_emit_counts_the_members_of_its_moment() {
    let (mut host, address) = Host::serve("{}");
    let (mut client, socket, _) = host.client(address);
    for round in 0..200 {
        host.submit([
            join(socket, &["r"]),
            emit(rooms(&["r"], &[]), &format!(r#"["in",{round}]"#)),
            Command::Leave { socket, room: Text::from_static("r") },
            emit(rooms(&["r"], &[]), r#"["out"]"#),
        ]);
    }
    for round in 0..200 {
        assert_eq!(client.text(), format!(r#"42["in",{round}]"#));
    }
}

/// In Node's dialect a room does not reach a socket that has not been let in, whatever comes after in the same batch.
#[test]
fn an_emit_before_the_accept_is_not_for_the_newcomer() {
    let (mut host, address) = Host::serve("{}");
    let mut client = Client::websocket(address);
    client.send("40");
    assert!(matches!(host.next(), Event::Open { .. }));
    let socket = host.connected();
    host.submit([
        join(socket, &["r"]),
        emit(rooms(&["r"], &[]), r#"["before"]"#),
        Command::Accept { socket },
        emit(rooms(&["r"], &[]), r#"["after"]"#),
    ]);
    assert!(client.text().starts_with("40{"));
    assert_eq!(client.text(), r#"42["after"]"#);
}
