//! ferrio's client.

mod told;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ferrio::client::Client;
use ferrio::{Data, Transport};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use told::{AT_ONCE, ECHOES, TEXT, Told};

#[tokio::main(worker_threads = 1)]
async fn main() {
    let told = Told::by_arguments();
    let transports = match told.transport.as_str() {
        "polling" => vec![Transport::Polling],
        "websocket" => vec![Transport::WebSocket],
        _ => vec![Transport::Polling, Transport::WebSocket],
    };
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut connecting = JoinSet::new();
    for _ in 0..told.clients {
        let permit = Arc::clone(&permits).acquire_owned().await.expect("it is not closed");
        let builder = Client::builder(&told.url).transports(transports.iter().copied()).on(
            "echo",
            |client: Client, Data(text): Data<String>| {
                ECHOES.fetch_add(1, Ordering::Relaxed);
                client.emit("echo", text).expect("it fits");
            },
        );
        connecting.spawn(async move {
            let client = builder.connect().await.expect("it connects");
            drop(permit);
            client
        });
    }
    let clients = connecting.join_all().await;
    let window = told.window;
    let followed = tokio::task::spawn_blocking(move || {
        told::follow(|| {
            for client in &clients {
                for _ in 0..window {
                    client.emit("echo", TEXT).expect("it fits");
                }
            }
        });
    });
    followed.await.expect("it does not panic");
}
