//! The peer in Rust: socketioxide under axum. Usage: bench-socketioxide PORT
use rmpv::Value;
use socketioxide::{
    SocketIo,
    extract::{AckSender, Data, SocketRef, TryData},
};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let port: u16 = std::env::args().nth(1).and_then(|port| port.parse().ok()).expect("usage: bench-socketioxide PORT");
    let (layer, io) = SocketIo::new_layer();
    io.ns("/", on_connect);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free");
    axum::serve(listener, axum::Router::new().layer(layer)).await.expect("serving ends with the process");
}

async fn on_connect(socket: SocketRef) {
    socket.on("echo", async |socket: SocketRef, Data::<Value>(data)| {
        socket.emit("echo", &data).ok();
    });
    socket.on("ack", async |Data::<Value>(data), ack: AckSender| {
        ack.send(&data).ok();
    });
    socket.on("join", async |socket: SocketRef, TryData::<String>(room), ack: AckSender| {
        socket.join(room.unwrap_or_else(|_| "r".into()));
        ack.send(&()).ok();
    });
    socket.on("bcast", async |io: SocketIo, Data::<Value>(data)| {
        io.to("r").emit("bcast", &data).await.ok();
    });
    socket.on("say", async |io: SocketIo, Data::<(String, Value)>((room, data))| {
        io.to(room).emit("bcast", &data).await.ok();
    });
}
