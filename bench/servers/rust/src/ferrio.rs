//! ferrio, by itself or under axum as its peer is. Usage: bench-ferrio PORT [axum | sealed]
//!
//! `sealed` passes payloads on unopened, as a program does that forwards what it does not read. Otherwise they become a
//! tree of values, as in the peer.
use ferrio::{Ack, Args, Data, RawArgs, Server, Socket, Value};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let port: u16 =
        arguments.next().and_then(|port| port.parse().ok()).expect("usage: bench-ferrio PORT [axum | sealed]");
    let way = arguments.next().unwrap_or_default();
    let server = Server::new();
    server.on_connect(if way == "sealed" { on_connect_sealed as fn(Socket) } else { on_connect });
    if way == "axum" {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free");
        axum::serve(listener, axum::Router::new().layer(server.layer())).await.expect("serving ends with the process");
    } else {
        server.serve(("127.0.0.1", port)).await.expect("the port is free");
    }
}

fn on_connect(socket: Socket) {
    socket.on("echo", async |socket: Socket, Data::<Value>(data)| {
        socket.emit("echo", (data,)).ok();
    });
    socket.on("ack", async |Data::<Value>(data), ack: Ack| {
        ack.send((data,)).ok();
    });
    socket.on("join", async |socket: Socket, Data::<Option<String>>(room), ack: Ack| {
        socket.join(room.as_deref().unwrap_or("r"));
        ack.send(()).ok();
    });
    socket.on("bcast", async |server: Server, Data::<Value>(data)| {
        server.to("r").emit("bcast", (data,)).ok();
    });
    socket.on("say", async |server: Server, Args::<(String, Value)>((room, data))| {
        server.to(room).emit("bcast", (data,)).ok();
    });
    socket.on("gc", async || ()); // there is nothing to collect
}

fn on_connect_sealed(socket: Socket) {
    socket.on("echo", async |socket: Socket, args: RawArgs| {
        socket.emit("echo", args).ok();
    });
    socket.on("ack", async |args: RawArgs, ack: Ack| {
        ack.send(args).ok();
    });
    socket.on("join", async |socket: Socket, Data::<Option<String>>(room), ack: Ack| {
        socket.join(room.as_deref().unwrap_or("r"));
        ack.send(()).ok();
    });
    socket.on("bcast", async |server: Server, args: RawArgs| {
        server.to("r").emit("bcast", args).ok();
    });
    socket.on("say", async |server: Server, Args::<(String, Value)>((room, data))| {
        server.to(room).emit("bcast", (data,)).ok();
    });
    socket.on("gc", async || ());
}
