//! Events in and out: values, bytes, listeners, and what is none of a handler's business.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ferrio::{Ack, Args, Attachments, Binary, Data, EmitError, Event, Mismatch, RawArgs, Socket, Value};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::support::{Host, Poller, answer_nothing, journal};

#[derive(Debug, Serialize, Deserialize)]
struct Image {
    name: String,
    data: Binary,
}

#[test]
fn echoes_of_text_and_bytes() {
    let host = Host::new();
    host.server.on("raw", |socket: Socket, args: RawArgs| socket.emit("raw", args));
    host.server
        .on("image", |socket: Socket, Data(image): Data<Image>| socket.emit("image", (image.name.clone(), image)));
    host.server.on("any", |socket: Socket, Args(args): Args<Vec<Value>>| socket.emit("any", Args(args)));
    host.server.on("parts", |socket: Socket, Data(value): Data<serde_json::Value>, Attachments(parts): Attachments| {
        socket.emit("parts", (value, parts.len(), parts.into_iter().map(Binary::from).collect::<Vec<_>>()))
    });
    let mut client = host.client();
    client.send(r#"42["raw",1,"2",{"3":[null]}]"#);
    client.expect(r#"42["raw",1,"2",{"3":[null]}]"#);
    client.send(r#"42["raw"]"#);
    client.expect(r#"42["raw"]"#);
    client.send(r#"452-["raw",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]"#);
    client.send_bytes(b"one");
    client.send_bytes(b"");
    client.expect(r#"452-["raw",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]"#);
    assert_eq!([&client.bytes()[..], &client.bytes()[..]], [&b"one"[..], b""]);
    for event in ["image", "any", "parts"] {
        client.send(&format!(r#"451-["{event}",{{"name":"a","data":{{"_placeholder":true,"num":0}}}}]"#));
        client.send_bytes(b"pixels");
        let answer = client.text();
        match event {
            "image" => {
                assert_eq!(answer, r#"451-["image","a",{"name":"a","data":{"_placeholder":true,"num":0}}]"#);
            }
            "any" => assert_eq!(answer, r#"451-["any",{"name":"a","data":{"_placeholder":true,"num":0}}]"#),
            // A value of serde_json keeps the placeholder that it is given, and counts bytes of its own beside it.
            _ => assert!(answer.ends_with(r#",1,[{"_placeholder":true,"num":0}]]"#), "{answer}"),
        }
        assert_eq!(client.bytes(), "pixels");
    }
}

#[test]
fn echoes_over_polling() {
    let host = Host::new();
    host.server.on("echo", |socket: Socket, args: RawArgs| socket.emit("echo", args));
    let poller = Poller::open(host.address);
    poller.post("40");
    poller.get();
    poller.post(
        "42[\"echo\",1]\u{1e}451-[\"echo\",{\"_placeholder\":true,\"num\":0}]\u{1e}bcGl4ZWxz\u{1e}42[\"echo\",2]",
    );
    assert_eq!(
        poller.get(),
        "42[\"echo\",1]\u{1e}451-[\"echo\",{\"_placeholder\":true,\"num\":0}]\u{1e}bcGl4ZWxz\u{1e}42[\"echo\",2]"
    );
}

#[test]
fn a_waiting_poll_gets_the_answers_to_a_payload_together() {
    let host = Host::new();
    host.server.on("echo", |socket: Socket, args: RawArgs| socket.emit("echo", args));
    let poller = Poller::open(host.address);
    poller.post("40");
    poller.get();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| poller.get());
        // Whether the GET is there already makes no difference to the answer.
        poller.post("42[\"echo\",1]\u{1e}42[\"echo\",2]\u{1e}42[\"echo\",3]");
        assert_eq!(waiting.join().unwrap(), "42[\"echo\",1]\u{1e}42[\"echo\",2]\u{1e}42[\"echo\",3]");
    });
}

#[test]
fn pipelined_events_are_answered_in_one_write() {
    let host = Host::new();
    host.server.on("echo", |socket: Socket, args: RawArgs| socket.emit("echo", args));
    let client = host.client();
    // One packet on the wire, and so one read and one turn of the server; the answers would be sixteen packets otherwise.
    let mut frames = Vec::new();
    for n in 0..16 {
        let text = format!(r#"42["echo",{n}]"#);
        frames.extend([0x81, 0x80 | text.len() as u8, 0, 0, 0, 0]);
        frames.extend(text.bytes());
    }
    client.tcp().set_nodelay(true).unwrap();
    (&mut client.tcp()).write_all(&frames).unwrap();
    let mut first = [0; 4096];
    let count = (&mut client.tcp()).read(&mut first).unwrap();
    let answers = first[..count].iter().filter(|byte| **byte == 0x81).count();
    assert_eq!(answers, 16, "in {count} bytes");
}

#[test]
fn several_listeners_in_order() {
    let host = Host::new();
    let (journal, read) = journal();
    let [first, second, own, any, once] = std::array::from_fn(|_| journal.clone());
    host.server.on("hello", move || first.write("first"));
    host.server.on("hello", move || second.write("second"));
    host.server.on_any(move |Event(name): Event| any.write(format!("any {name}")));
    host.server.on_connect(move |socket: Socket| {
        let (own, once) = (own.clone(), once.clone());
        socket.on("hello", move || own.write("own"));
        socket.once("hello", move || once.write("once"));
        let taken = socket.on("hello", || -> () { unreachable!("it is taken away again") });
        assert!(socket.remove_listener(taken));
        assert!(!socket.remove_listener(taken));
        socket.on("off", |socket: Socket| socket.off("hello"));
    });
    let mut client = host.client();
    client.send(r#"42["hello"]"#);
    client.send(r#"42["hello"]"#);
    client.send(r#"42["off"]"#);
    client.send(r#"42["hello"]"#);
    client.send(r#"421["ask"]"#);
    let lines: Vec<_> = (0..13).map(|_| read.next()).collect();
    assert_eq!(
        lines,
        [
            "any hello",
            "first",
            "second",
            "own",
            "once",
            "any hello",
            "first",
            "second",
            "own",
            "any off",
            "any hello",
            "first",
            "second"
        ]
    );
    assert_eq!(read.next(), "any ask");
}

#[test]
fn what_goes_out_is_shown_too() {
    let host = Host::new();
    let (journal, read) = journal();
    let all = journal.clone();
    host.server
        .on_any_outgoing(move |Event(name): Event, args: RawArgs| all.write(format!("all {name} {}", args.as_str())));
    host.server.on("me", |socket: Socket| {
        socket.emit("one", 1)?;
        socket.namespace().emit("many", (2, 3))
    });
    host.server.on_connect(move |socket: Socket| {
        let journal = journal.clone();
        socket.on_any_outgoing(move |Event(name): Event| journal.write(format!("own {name}")));
    });
    let mut client = host.client();
    client.send(r#"421["me"]"#);
    client.expect(r#"42["one",1]"#);
    client.expect(r#"42["many",2,3]"#);
    client.expect("431[]");
    let lines: Vec<_> = (0..4).map(|_| read.next()).collect();
    assert_eq!(lines, ["all one 1", "own one", "all many 2,3", "own many"]);
    assert!(read.is_empty(), "an answer is no event");
}

#[test]
fn arguments_of_another_type_reach_no_handler() {
    let host = Host::new();
    answer_nothing(&host.server);
    host.server.on("number", |Data(_): Data<u8>, ack: Ack| ack.send("a number"));
    host.server.on("pair", |Args((a, b)): Args<(u8, Option<String>)>| (a, b));
    host.server
        .on("whatever", |number: Result<Data<u8>, Mismatch>| number.map(|Data(number)| number).map_err(|_| "no"));
    let mut client = host.client();
    for bad in [r#"421["number","one"]"#, r#"422["number"]"#, r#"423["number",300]"#, r#"424["pair","a"]"#] {
        client.send(bad);
    }
    client.expect_nothing();
    client.send(r#"425["number",1]"#);
    client.expect(r#"435["a number"]"#);
    client.send(r#"426["pair",1]"#);
    client.expect(r#"436[1,null]"#);
    client.send(r#"427["whatever","x"]"#);
    client.expect(r#"437[{"error":"no"}]"#);
}

#[test]
fn a_panic_stays_in_its_handler() {
    let host = Host::new();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    host.server.on("sync", || -> () { panic!("a test's panic") });
    host.server.on("sync", move || counted.fetch_add(1, Ordering::Relaxed) + 1);
    host.server.on("async", async || {
        tokio::task::yield_now().await;
        if true {
            panic!("a test's panic");
        }
    });
    host.server.on("at once", async || {
        if true {
            panic!("a test's panic");
        }
    });
    host.server.on("nothing came before", || {});
    let mut client = host.client();
    let mut bystander = host.client();
    client.send(r#"421["sync"]"#);
    client.expect("431[1]");
    client.send(r#"422["async"]"#);
    client.send(r#"423["at once"]"#);
    client.expect_nothing();
    bystander.expect_nothing();
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[test]
fn emits_that_cannot_be() {
    let host = Host::new();
    host.server.on("try", |socket: Socket| {
        assert_eq!(socket.emit("disconnect", ()), Err(EmitError::Reserved("disconnect".into())));
        assert_eq!(socket.namespace().emit("connect", ()), Err(EmitError::Reserved("connect".into())));
        let unserializable = std::collections::HashMap::from([(vec![1], 1)]);
        assert!(matches!(socket.emit("x", unserializable), Err(EmitError::Serialize(_))));
        socket.disconnect(false);
        assert_eq!(socket.emit("x", ()), Err(EmitError::Disconnected));
        socket.emit("x", json!(null)).unwrap_err().to_string()
    });
    let mut client = host.client();
    client.send(r#"421["try"]"#);
    client.expect("41");
}

#[test]
fn names_with_escapes_and_numbers() {
    let host = Host::new();
    host.server.on("say \"é\"", || 1);
    host.server.on("7", || 2);
    host.server.on("", || 3);
    let mut client = host.client();
    client.send(r#"421["say \"\u00e9\""]"#);
    client.expect("431[1]");
    client.send("422[7]");
    client.expect("432[2]");
    client.send(r#"423[""]"#);
    client.expect("433[3]");
}

#[test]
fn volatile_and_uncompressed_arrive_when_there_is_room() {
    let host = Host::new();
    host.server.on("go", |socket: Socket| {
        socket.volatile().emit("volatile", 1)?;
        socket.compress(false).volatile().emit("both", 2)?;
        socket.namespace().volatile().compress(false).emit("all", 3)
    });
    let mut client = host.client();
    client.send(r#"42["go"]"#);
    client.expect(r#"42["volatile",1]"#);
    client.expect(r#"42["both",2]"#);
    client.expect(r#"42["all",3]"#);
}
