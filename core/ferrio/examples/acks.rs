//! Questions and answers, in both directions.
//!
//!     cargo run -p ferrio --example acks
//!
//! The client asks: `await socket.emitWithAck("add", 1, 2)`, `await socket.emitWithAck("divide", 1, 0)`.
//! The client answers: `socket.on("name?", (answer) => answer("Ada"))`, `socket.on("vote", (song, answer) => answer(7))`.

use std::time::Duration;

use ferrio::{Ack, AckError, Args, Cors, Data, EmitError, Server, Socket};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let server = Server::builder().cors(Cors::Any { credentials: false }).build();

    // What a handler returns is the answer: a value, several in a tuple, or a failure, which the client gets as `{ error }`.
    server.on("add", |Args((a, b)): Args<(f64, f64)>| a + b);
    server.on("divide", |Args((a, b)): Args<(i64, i64)>| match (a.checked_div(b), a.checked_rem(b)) {
        (Some(quotient), Some(rest)) => Ok((quotient, rest)),
        _ => Err("not by zero"),
    });

    // An asynchronous handler answers when it is done; other events of the client are handled meanwhile.
    server.on("slow", async |Data(text): Data<String>| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        text.to_uppercase()
    });

    // With `Ack` the answer is in the program's own hands.
    server.on("think", |Data(question): Data<String>, ack: Ack| {
        std::thread::spawn(move || ack.send(format!("{question} Let me see…")));
    });

    // The server asks one client, and then everybody.
    server.on_connect(async |socket: Socket| {
        let name: String = match socket.emit_with_ack("name?", ()).timeout(Duration::from_secs(5)).await {
            Ok(name) => name,
            Err(AckError::Timeout) => "nobody".into(),
            Err(error) => return println!("{}: {error}", socket.id()),
        };
        println!("{} is {name}", socket.id());
    });
    server.on("ask everybody", async |server: Server, Data(song): Data<String>| {
        let votes = server.timeout(Duration::from_secs(5)).emit_with_ack::<u8>("vote", song).await?;
        let (received, asked) = (votes.received(), votes.asked());
        let sum: u32 = votes.into_values().into_iter().map(u32::from).sum();
        Ok::<_, EmitError>((received, asked, sum))
    });

    println!("http://127.0.0.1:3000/socket.io/");
    server.serve("127.0.0.1:3000").await
}
