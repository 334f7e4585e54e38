//! Questions and answers, in both directions.

use std::future::IntoFuture;
use std::time::Duration;

use ferrio::{Ack, AckError, Args, Binary, Data, EmitError, RawArgs, Server, Socket};
use serde_json::{Value, json};

use crate::support::{DEADLINE, Host, answer_nothing, journal};

/// For answers that never come: the only time in these tests that is waited for.
const SOON: Duration = Duration::from_millis(50);

#[test]
fn what_a_handler_returns_is_the_answer() {
    let host = Host::new();
    let server = &host.server;
    server.on("unit", || {});
    server.on("value", || json!({ "a": 1 }));
    server.on("several", || (1, "b"));
    server.on("one list", || vec![1, 2]);
    server.on("ok", || Ok::<_, String>("fine"));
    server.on("err", || Err::<(), _>("not fine"));
    server.on("later", async |Data(n): Data<u32>| {
        tokio::task::yield_now().await;
        n + 1
    });
    server.on("bytes", || (Binary::from(vec![1, 2]), "and text"));
    let mut client = host.client();
    let expected = [
        (r#"["unit"]"#, "[]"),
        (r#"["value"]"#, r#"[{"a":1}]"#),
        (r#"["several"]"#, r#"[1,"b"]"#),
        (r#"["one list"]"#, "[[1,2]]"),
        (r#"["ok"]"#, r#"["fine"]"#),
        (r#"["err"]"#, r#"[{"error":"not fine"}]"#),
        (r#"["later",1]"#, "[2]"),
    ];
    for (id, (event, answer)) in expected.iter().enumerate() {
        client.send(&format!("42{id}{event}"));
        client.expect(&format!("43{id}{answer}"));
    }
    client.send(r#"4299["bytes"]"#);
    client.expect(r#"461-99[{"_placeholder":true,"num":0},"and text"]"#);
    assert_eq!(client.bytes()[..], [1, 2]);
}

#[test]
fn who_asks_for_no_answer_gets_none() {
    let host = Host::new();
    answer_nothing(&host.server);
    host.server.on("value", || 1);
    host.server.on("ack", |ack: Ack| {
        assert!(!ack.is_wanted());
        ack.send(1)
    });
    let mut client = host.client();
    client.send(r#"42["value"]"#);
    client.send(r#"42["ack"]"#);
    client.send(r#"421["nobody listens to this"]"#);
    client.expect_nothing();
}

#[test]
fn an_ack_in_hand_is_the_only_answer() {
    let host = Host::new();
    answer_nothing(&host.server);
    host.server.on("ack", |ack: Ack, args: RawArgs| ack.send(args));
    host.server.on("dropped", |ack: Ack| drop(ack));
    host.server.on("thread", |ack: Ack| {
        std::thread::spawn(move || ack.send("from a thread"));
    });
    let mut client = host.client();
    client.send(r#"421["ack",1,2]"#);
    client.expect("431[1,2]");
    client.send(r#"422["dropped"]"#);
    client.expect_nothing();
    client.send(r#"423["thread"]"#);
    client.expect(r#"433["from a thread"]"#);
}

#[test]
fn of_several_handlers_the_first_answer_counts() {
    let host = Host::new();
    answer_nothing(&host.server);
    // One that has nothing to say does not take the word from another.
    host.server.on("log", || {});
    host.server.on("log", async || {
        tokio::task::yield_now().await;
        "the answer"
    });
    host.server.on("twice", || 1);
    host.server.on("twice", || 2);
    host.server.on_any(|| "no answer");
    let mut client = host.client();
    client.send(r#"421["log"]"#);
    client.expect(r#"431["the answer"]"#);
    client.send(r#"422["twice"]"#);
    client.expect("432[1]");
    client.expect_nothing();
}

#[test]
fn a_client_is_asked() {
    let host = Host::new();
    host.server.on("ask me", async |socket: Socket| {
        let sum: i32 = socket.emit_with_ack("add", (1, 2)).timeout(DEADLINE).await?;
        let Args((a, b)): Args<(String, Option<u8>)> = socket.emit_with_ack("two", ()).await?;
        let wrong = socket.emit_with_ack::<u8>("wrong", ()).await;
        assert!(matches!(wrong, Err(AckError::Mismatch(_))));
        let bytes: Binary = socket.compress(false).emit_with_ack("bytes", ()).timeout(Duration::MAX).await?;
        socket.emit("got", (sum, a, b, bytes))?;
        Ok::<_, AckError>(())
    });
    let mut client = host.client();
    client.send(r#"42["ask me"]"#);
    client.expect(r#"420["add",1,2]"#);
    client.send("430[3]");
    client.expect(r#"421["two"]"#);
    client.send(r#"431["x"]"#);
    client.expect(r#"422["wrong"]"#);
    client.send(r#"432["x"]"#);
    client.expect(r#"423["bytes"]"#);
    client.send(r#"461-3[{"_placeholder":true,"num":0}]"#);
    client.send_bytes(b"abc");
    client.expect(r#"451-["got",3,"x",null,{"_placeholder":true,"num":0}]"#);
    assert_eq!(client.bytes(), "abc");
}

#[test]
fn answers_that_do_not_come() {
    let host = Host::new();
    let (journal, read) = journal();
    host.server.on("ask me", move |socket: Socket| {
        let journal = journal.clone();
        async move {
            let late = socket.emit_with_ack::<Value>("?", ()).timeout(SOON).await;
            journal.write(format!("{late:?}"));
            let unsent = socket.emit_with_ack::<Value>("connect", ()).await;
            journal.write(format!("{unsent:?}"));
            let gone = socket.emit_with_ack::<Value>("?", ()).await;
            journal.write(format!("{gone:?}"));
            let after = socket.emit_with_ack::<Value>("?", ()).await;
            journal.write(format!("{after:?}"));
        }
    });
    let mut client = host.client();
    client.send(r#"42["ask me"]"#);
    client.expect(r#"420["?"]"#);
    assert_eq!(read.next(), "Err(Timeout)");
    assert_eq!(read.next(), r#"Err(Emit(Reserved("connect")))"#);
    client.expect(r#"421["?"]"#);
    // Late, unknown, and repeated answers are nobody's.
    client.send("430[1]");
    client.send("4377[1]");
    client.vanish();
    assert_eq!(read.next(), "Err(Disconnected)");
    assert_eq!(read.next(), "Err(Emit(Disconnected))");
}

#[test]
fn everybody_is_asked() {
    let host = Host::new();
    host.server.on("ask all", async |server: Server| {
        let answers = server.emit_with_ack::<u8>("?", "x").timeout(DEADLINE).await?;
        assert!(answers.is_complete());
        let (asked, mut values) = (answers.asked(), answers.into_values());
        values.sort_unstable();
        Ok::<_, EmitError>((asked, values))
    });
    let [mut a, mut b] = [host.client(), host.client()];
    a.send(r#"427["ask all"]"#);
    let [question, same] = [a.text(), b.text()];
    assert_eq!(question, r#"420["?","x"]"#);
    assert_eq!(question, same);
    b.send("430[2]");
    a.send("430[1]");
    a.expect("437[2,[1,2]]");
}

#[test]
fn those_who_are_silent_are_not_waited_for() {
    let host = Host::new();
    let [mut a, b, mut c] = [host.client(), host.client(), host.client()];
    host.server.to(vec![a.id.clone(), b.id.clone()]).sockets_join("jury");
    let question = host.server.to("jury").timeout(SOON).emit_with_ack::<String>("?", ());
    let mut stream = question.stream().unwrap();
    a.expect(r#"420["?"]"#);
    a.send(r#"430["yes"]"#);
    let (socket, answer) = host.block_on(stream.next()).unwrap();
    assert_eq!((socket.id(), answer), (a.id.as_str(), Ok("yes".into())));
    assert_eq!(host.block_on(stream.next()), None);
    assert_eq!(stream.asked(), Some(2));
    let nobody = host.block_on(host.server.to("empty").emit_with_ack::<u8>("?", ()).into_future()).unwrap();
    assert_eq!((nobody.asked(), nobody.received()), (0, 0));
    assert!(host.server.emit_with_ack::<u8>("connect", ()).stream().is_err());
    host.server.emit("end", ()).unwrap();
    c.expect(r#"42["end"]"#);
}
