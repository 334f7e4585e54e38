//! The peer: rust_socketio.

mod told;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::FutureExt;
use rust_socketio::asynchronous::{Client, ClientBuilder};
use rust_socketio::{Event, Payload, TransportType};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use told::{AT_ONCE, ECHOES, TEXT, Told};

#[tokio::main(worker_threads = 1)]
async fn main() {
    let told = Told::by_arguments();
    let transport = match told.transport.as_str() {
        "polling" => TransportType::Polling,
        "websocket" => TransportType::Websocket,
        _ => TransportType::WebsocketUpgrade,
    };
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut connecting = JoinSet::new();
    for _ in 0..told.clients {
        let permit = Arc::clone(&permits).acquire_owned().await.expect("it is not closed");
        let (entered, joined) = tokio::sync::oneshot::channel();
        let entered = Arc::new(std::sync::Mutex::new(Some(entered)));
        let builder = ClientBuilder::new(&told.url)
            .transport_type(transport.clone())
            .on(Event::Connect, move |_: Payload, _: Client| {
                let entered = entered.lock().expect("nobody panics").take();
                async move { drop(entered.map(|entered| entered.send(()))) }.boxed()
            })
            .on("echo", |payload: Payload, client: Client| {
                async move {
                    ECHOES.fetch_add(1, Ordering::Relaxed);
                    client.emit("echo", payload).await.expect("it is connected");
                }
                .boxed()
            });
        connecting.spawn(async move {
            let client = builder.connect().await.expect("it connects");
            joined.await.expect("the server lets it in");
            drop(permit);
            client
        });
    }
    let clients = connecting.join_all().await;
    let (window, runtime) = (told.window, tokio::runtime::Handle::current());
    let followed = tokio::task::spawn_blocking(move || {
        told::follow(|| {
            runtime.block_on(async {
                for client in &clients {
                    for _ in 0..window {
                        client.emit("echo", serde_json::json!(TEXT)).await.expect("it is connected");
                    }
                }
            });
        });
    });
    followed.await.expect("it does not panic");
}
