//! Talks to a server from the terminal: cargo run --example hello, then cargo run --example client -- http://localhost:3000
//!
//! Every line is said; the end of the input leaves. Stop the server and start it again: what was typed meanwhile arrives.

use ferrio::client::{Client, DisconnectReason, Failure};
use ferrio::{Event, RawArgs};
use tokio::io::{AsyncBufReadExt, BufReader};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "http://localhost:3000".into());
    let client = Client::builder(url)
        .on_connect(|client: Client| println!("connected as {}", client.id().unwrap_or_default()))
        .on_connect_error(|failure: Failure| println!("not connected: {failure}"))
        .on_disconnect(|reason: DisconnectReason| println!("disconnected: {reason}"))
        .on_any(|Event(name): Event, args: RawArgs| println!("{name} {}", args.as_str()))
        .start()?;

    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        client.emit("say", line)?;
    }
    client.close().await;
    Ok(())
}
