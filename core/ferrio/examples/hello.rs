//! The smallest server: what somebody says, the others hear.
//!
//!     cargo run -p ferrio --example hello
//!
//! In a browser's console, on any page that has loaded socket.io-client:
//!
//!     const socket = io("http://127.0.0.1:3000");
//!     socket.on("said", (who, text) => console.log(who, text));
//!     socket.emit("say", "hello");

use ferrio::{Cors, Data, Reason, Server, Socket};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let server = Server::builder().cors(Cors::Any { credentials: false }).build();

    server.on_connect(|socket: Socket| println!("{} is here", socket.id()));
    server.on("say", |socket: Socket, Data(text): Data<String>| socket.broadcast().emit("said", (socket.id(), text)));
    server.on_disconnect(|socket: Socket, reason: Reason| println!("{} is gone: {reason}", socket.id()));

    println!("http://127.0.0.1:3000/socket.io/");
    server.serve("127.0.0.1:3000").await
}
